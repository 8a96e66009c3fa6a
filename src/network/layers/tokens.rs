//! Images as tokens (arXiv 2209.12152).
//!
//! * `Patches`: an image cut into squares of s × s pixels, each a token of s²c numbers;
//! * `Prepend`: y = (v, x_1, …, x_n) + P: a vector goes before the tokens, and
//!   every place has a learned position;
//! * `Unpatches`: the image that tokens 2, 3, … are the patches of.

use super::Span;
use super::affine::Affine;
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

impl Affine for Patches {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        let (image, area) = (inputs[0], self.side * self.side);
        Shape::tokens(image.places() / area, area * image.channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        to_tokens(y, 0, x[0], self.side);
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        to_image(dx, dy, 0, self.side);
    }
}

impl Affine for Unpatches {
    fn shape(&self, _: &[Shape]) -> Shape {
        self.shape
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        to_image(y, x[0], 1, self.side);
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        to_tokens(dx, 1, dy, self.side);
    }
}

impl Affine for Prepend {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::tokens(inputs[0].width + 1, inputs[0].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        for row in 0..y.rows {
            let (first, others) = y.line_mut(row, 0).split_at_mut(x[1].shape.channels);
            first.copy_from_slice(x[1].line(row, 0));
            others.copy_from_slice(x[0].line(row, 0));
        }
    }

    fn shifted<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        self.map(p, x, y);
        for row in 0..y.rows {
            y.line_mut(row, 0).iter_mut().zip(self.positions.of(p)).for_each(|(y, &p)| *y += p);
        }
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, input: usize, dx: &mut Batch<T>) {
        for row in 0..dy.rows {
            let (first, others) = dy.line(row, 0).split_at(dy.shape.channels);
            let from = [others, first][input];
            dx.line_mut(row, 0).iter_mut().zip(from).for_each(|(dx, &dy)| *dx += dy);
        }
    }

    fn by_parameters<T: Scalar>(&self, _: &[&Batch<T>], dy: &Batch<T>, dp: &mut [T]) {
        for row in 0..dy.rows {
            self.positions.of_mut(dp).iter_mut().zip(dy.line(row, 0)).for_each(|(dp, &dy)| *dp += dy);
        }
    }
}
