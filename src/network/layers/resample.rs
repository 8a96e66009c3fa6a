//! Half and double resolution. `Down`: y is the mean of 2×2 pixels; `Up`: every
//! pixel four times. Both are linear, and each other's transpose up to a factor 4.

use super::affine::Affine;
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Down;

pub struct Up;

/// to ← to + weight · (sum of 2×2 pixels of `from`).
fn gather<T: Scalar>(to: &mut Batch<T>, from: &Batch<T>, weight: T) {
    let c = to.shape.channels;
    for row in 0..to.rows {
        for y in 0..to.shape.height {
            let (above, below) = (from.line(row, 2 * y), from.line(row, 2 * y + 1));
            let pairs = above.chunks_exact(2 * c).zip(below.chunks_exact(2 * c));
            for (to, (a, b)) in to.line_mut(row, y).chunks_exact_mut(c).zip(pairs) {
                for i in 0..c {
                    to[i] += weight * ((a[i] + a[c + i]) + (b[i] + b[c + i]));
                }
            }
        }
    }
}

/// to ← to + weight · (the pixel of `from` that covers it).
fn spread<T: Scalar>(to: &mut Batch<T>, from: &Batch<T>, weight: T) {
    let c = to.shape.channels;
    for row in 0..to.rows {
        for y in 0..to.shape.height {
            let line = from.line(row, y / 2);
            for (to, v) in to.line_mut(row, y).chunks_exact_mut(2 * c).zip(line.chunks_exact(c)) {
                for i in 0..c {
                    to[i] += weight * v[i];
                    to[c + i] += weight * v[i];
                }
            }
        }
    }
}

impl Affine for Down {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::image(inputs[0].height / 2, inputs[0].width / 2, inputs[0].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        gather(y, x[0], T::of(0.25));
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        spread(dx, dy, T::of(0.25));
    }
}

impl Affine for Up {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::image(inputs[0].height * 2, inputs[0].width * 2, inputs[0].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        spread(y, x[0], T::one());
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        gather(dx, dy, T::one());
    }
}
