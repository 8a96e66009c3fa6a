//! Images as tokens (arXiv 2209.12152).
//!
//! * `Patches`: an image cut into squares of s × s pixels, each a token of s²c numbers;
//! * `Prepend`: y = (v, x_1, …, x_n) + P: a vector goes before the tokens, and
//!   every place has a learned position;
//! * `Unpatches`: the image that tokens 2, 3, … are the patches of.

use super::{Layer, Span};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Patches {
    pub side: usize,
}

pub struct Unpatches {
    /// Of the image.
    pub shape: Shape,
    pub side: usize,
}

pub struct Prepend {
    /// P, (1 + tokens, channels).
    pub positions: Span,
}

/// Calls `f(row, line, columns of the line, token, numbers of the token)` for
/// every run of pixels that lies in one line of one patch.
fn runs(
    image: Shape,
    side: usize,
    rows: usize,
    mut f: impl FnMut(usize, usize, std::ops::Range<usize>, usize, std::ops::Range<usize>),
) {
    let (across, run) = (image.width / side, side * image.channels);
    for row in 0..rows {
        for y in 0..image.height {
            for patch in 0..across {
                let (token, within) = (y / side * across + patch, y % side);
                f(row, y, patch * run..(patch + 1) * run, token, within * run..(within + 1) * run);
            }
        }
    }
}

/// Numbers of a token within its row.
fn numbers(shape: Shape, token: usize, within: std::ops::Range<usize>) -> std::ops::Range<usize> {
    token * shape.channels + within.start..token * shape.channels + within.end
}

fn to_tokens<T: Scalar>(tokens: &mut Batch<T>, first: usize, image: &Batch<T>, side: usize) {
    let shape = tokens.shape;
    runs(image.shape, side, image.rows, |row, y, columns, token, within| {
        let to = &mut tokens.line_mut(row, 0)[numbers(shape, token + first, within)];
        to.iter_mut().zip(&image.line(row, y)[columns]).for_each(|(to, &v)| *to += v);
    });
}

fn to_image<T: Scalar>(image: &mut Batch<T>, tokens: &Batch<T>, first: usize, side: usize) {
    let shape = tokens.shape;
    runs(image.shape, side, tokens.rows, |row, y, columns, token, within| {
        let from = &tokens.line(row, 0)[numbers(shape, token + first, within)];
        image.line_mut(row, y)[columns].iter_mut().zip(from).for_each(|(to, &v)| *to += v);
    });
}

impl<T: Scalar> Layer<T> for Patches {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        let (image, area) = (inputs[0], self.side * self.side);
        Shape::tokens(image.places() / area, area * image.channels)
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        to_tokens(y, 0, x[0], self.side);
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
        if let Some(dx) = &mut dx[0] {
            to_image(dx, dy, 0, self.side);
        }
    }

    fn jvp(&self, p: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.forward(p, x_dot, y_dot);
    }
}

impl<T: Scalar> Layer<T> for Unpatches {
    fn shape(&self, _: &[Shape]) -> Shape {
        self.shape
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        to_image(y, x[0], 1, self.side);
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
        if let Some(dx) = &mut dx[0] {
            to_tokens(dx, 1, dy, self.side);
        }
    }

    fn jvp(&self, p: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.forward(p, x_dot, y_dot);
    }
}

impl<T: Scalar> Layer<T> for Prepend {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::tokens(inputs[0].width + 1, inputs[0].channels)
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        for row in 0..y.rows {
            let both = x[1].line(row, 0).iter().chain(x[0].line(row, 0));
            let to = y.line_mut(row, 0).iter_mut();
            to.zip(both).zip(self.positions.of(p)).for_each(|((y, &x), &p)| *y = x + p);
        }
    }

    fn vjp(
        &self,
        _: &[T],
        _: &[&Batch<T>],
        _: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        mut dp: Option<&mut [T]>,
    ) {
        let c = dy.shape.channels;
        for row in 0..dy.rows {
            let line = dy.line(row, 0);
            for (input, from) in [(0, &line[c..]), (1, &line[..c])] {
                let Some(dx) = &mut dx[input] else { continue };
                dx.line_mut(row, 0).iter_mut().zip(from).for_each(|(dx, &dy)| *dx += dy);
            }
            if let Some(dp) = &mut dp {
                self.positions.of_mut(dp).iter_mut().zip(line).for_each(|(dp, &dy)| *dp += dy);
            }
        }
    }

    fn jvp(&self, _: &[T], _: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        for row in 0..y_dot.rows {
            let both = x_dot[1].line(row, 0).iter().chain(x_dot[0].line(row, 0));
            y_dot.line_mut(row, 0).iter_mut().zip(both).for_each(|(y, &x)| *y = x);
        }
    }
}
