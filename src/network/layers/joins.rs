//! Where paths of a network meet.
//!
//! * `Sum`: y = s (a + b), both of one shape (residual connections);
//! * `Shift`: y = a + v, the vector v at every place;
//! * `Gate`: y = a ⊙ e^v, the vector v at every place (arXiv 2512.20963, code);
//! * `Concat`: the channels of a, then those of b.

use super::Layer;
use crate::network::batch::{Batch, Shape};
use crate::network::elementwise::{add, set};
use crate::scalar::Scalar;

pub struct Sum {
    pub scale: f64,
}

impl<T: Scalar> Layer<T> for Sum {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let s = T::of(self.scale);
        set(y.all_mut(), x[0].all(), x[1].all(), |a, b| s * (a + b));
    }

    fn vjp(
        &self,
        _: &[T],
        _: &[&Batch<T>],
        _: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        _: Option<&mut [T]>,
    ) {
        let s = T::of(self.scale);
        for dx in dx.iter_mut().flatten() {
            add(dx.all_mut(), dy.all(), dy.all(), |dy, _| s * dy);
        }
    }

    fn jvp(&self, p: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.forward(p, x_dot, y_dot);
    }
}

pub struct Shift;

/// Calls `f` with the channels of every place of every row, and its row.
fn places<T: Scalar>(y: &mut Batch<T>, mut f: impl FnMut(usize, usize, usize, &mut [T])) {
    let (rows, height, c) = (y.rows, y.shape.height, y.shape.channels);
    for row in 0..rows {
        for line in 0..height {
            for (place, y) in y.line_mut(row, line).chunks_exact_mut(c).enumerate() {
                f(row, line, place, y);
            }
        }
    }
}

/// The channels of one place.
fn place<T: Scalar>(x: &Batch<T>, row: usize, line: usize, place: usize) -> &[T] {
    let c = x.shape.channels;
    &x.line(row, line)[place * c..(place + 1) * c]
}

impl<T: Scalar> Layer<T> for Shift {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        places(y, |row, line, at, y| {
            let (a, v) = (place(x[0], row, line, at), x[1].line(row, 0));
            y.iter_mut().zip(a.iter().zip(v)).for_each(|(y, (&a, &v))| *y = a + v);
        });
    }

    fn vjp(
        &self,
        _: &[T],
        x: &[&Batch<T>],
        _: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        _: Option<&mut [T]>,
    ) {
        if let Some(da) = &mut dx[0] {
            add(da.all_mut(), dy.all(), dy.all(), |dy, _| dy);
        }
        let Some(dv) = &mut dx[1] else { return };
        for row in 0..x[0].rows {
            for line in 0..x[0].shape.height {
                for dy in dy.line(row, line).chunks_exact(x[0].shape.channels) {
                    dv.line_mut(row, 0).iter_mut().zip(dy).for_each(|(dv, &dy)| *dv += dy);
                }
            }
        }
    }

    fn jvp(&self, p: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.forward(p, x_dot, y_dot);
    }
}

pub struct Gate;

impl<T: Scalar> Layer<T> for Gate {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        places(y, |row, line, at, y| {
            let (a, v) = (place(x[0], row, line, at), x[1].line(row, 0));
            y.iter_mut().zip(a.iter().zip(v)).for_each(|(y, (&a, &v))| *y = a * v.exp());
        });
    }

    fn vjp(
        &self,
        _: &[T],
        x: &[&Batch<T>],
        y: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        _: Option<&mut [T]>,
    ) {
        if let Some(da) = &mut dx[0] {
            places(da, |row, line, at, da| {
                let (dy, v) = (place(dy, row, line, at), x[1].line(row, 0));
                da.iter_mut().zip(dy.iter().zip(v)).for_each(|(da, (&dy, &v))| *da += dy * v.exp());
            });
        }
        let Some(dv) = &mut dx[1] else { return };
        for row in 0..y.rows {
            for line in 0..y.shape.height {
                let c = y.shape.channels;
                let both = y.line(row, line).chunks_exact(c).zip(dy.line(row, line).chunks_exact(c));
                for (y, dy) in both {
                    dv.line_mut(row, 0)
                        .iter_mut()
                        .zip(y.iter().zip(dy))
                        .for_each(|(d, (&y, &dy))| *d += y * dy);
                }
            }
        }
    }

    fn jvp(&self, _: &[T], x: &[&Batch<T>], y: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        places(y_dot, |row, line, at, y_dot| {
            let (a_dot, y) = (place(x_dot[0], row, line, at), place(y, row, line, at));
            let (v, v_dot) = (x[1].line(row, 0), x_dot[1].line(row, 0));
            for (i, y_dot) in y_dot.iter_mut().enumerate() {
                *y_dot = a_dot[i] * v[i].exp() + y[i] * v_dot[i];
            }
        });
    }
}

pub struct Concat;

impl<T: Scalar> Layer<T> for Concat {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0].with_channels(inputs[0].channels + inputs[1].channels)
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let split = x[0].shape.channels;
        places(y, |row, line, at, y| {
            y[..split].copy_from_slice(place(x[0], row, line, at));
            y[split..].copy_from_slice(place(x[1], row, line, at));
        });
    }

    fn vjp(
        &self,
        _: &[T],
        x: &[&Batch<T>],
        _: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        _: Option<&mut [T]>,
    ) {
        let split = x[0].shape.channels;
        for (dx, from) in dx.iter_mut().zip([0, split]) {
            let Some(dx) = dx else { continue };
            places(dx, |row, line, at, dx| {
                let dy = &place(dy, row, line, at)[from..];
                dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
            });
        }
    }

    fn jvp(&self, p: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.forward(p, x_dot, y_dot);
    }
}
