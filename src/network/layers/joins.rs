//! Where paths of a network meet, linearly ([`super::Gate`] is not).
//!
//! * `Sum`: y = s (a + b), both of one shape (residual connections);
//! * `Shift`: y = a + v, the vector v at every place;
//! * `Offset`: y = a + v of numbers that are no parameters, v one row's, or one place's and the same at all;
//! * `Concat`: the channels of a, then those of b.

use super::affine::Affine;
use crate::network::batch::{Batch, Shape};
use crate::network::elementwise::{add, set};
use crate::scalar::Scalar;

pub struct Sum {
    pub scale: f64,
}

pub struct Shift;

pub struct Offset {
    pub values: Vec<f64>,
}

pub struct Concat;

impl Affine for Sum {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let s = T::of(self.scale);
        set(y.all_mut(), x[0].all(), x[1].all(), |a, b| s * (a + b));
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        let s = T::of(self.scale);
        add(dx.all_mut(), dy.all(), dy.all(), |dy, _| s * dy);
    }
}

impl Affine for Shift {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.each_place(|at, y| {
            let (a, v) = (x[0].place(at), x[1].line(at.row, 0));
            y.iter_mut().zip(a.iter().zip(v)).for_each(|(y, (&a, &v))| *y = a + v);
        });
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, input: usize, dx: &mut Batch<T>) {
        if input == 0 {
            return add(dx.all_mut(), dy.all(), dy.all(), |dy, _| dy);
        }
        for at in dy.places() {
            dx.line_mut(at.row, 0).iter_mut().zip(dy.place(at)).for_each(|(dv, &dy)| *dv += dy);
        }
    }
}

impl Affine for Offset {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().copy_from_slice(x[0].all());
    }

    fn shifted<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        self.map(p, x, y);
        // Places go row by row, and each row's begin with the first of the values again.
        let mut values = self.values.iter().cycle();
        y.each_place(|_, channels| channels.iter_mut().zip(&mut values).for_each(|(y, v)| *y += T::of(*v)));
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        add(dx.all_mut(), dy.all(), dy.all(), |dy, _| dy);
    }
}

impl Affine for Concat {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0].with_channels(inputs[0].channels + inputs[1].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.each_place(|at, y| {
            let (a, b) = y.split_at_mut(x[0].shape.channels);
            a.copy_from_slice(x[0].place(at));
            b.copy_from_slice(x[1].place(at));
        });
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, input: usize, dx: &mut Batch<T>) {
        let from = input * (dy.shape.channels - dx.shape.channels);
        dx.each_place(|at, dx| {
            dx.iter_mut().zip(&dy.place(at)[from..]).for_each(|(dx, &dy)| *dx += dy);
        });
    }
}
