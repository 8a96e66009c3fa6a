//! y = max(x, 0), with derivative 0 at 0.

use super::Layer;
use crate::network::batch::{Batch, Shape};
use crate::scalar::{Scalar, vectorized};

pub struct Relu;

impl<T: Scalar> Layer<T> for Relu {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        vectorized(|| {
            for (y, &x) in y.all_mut().iter_mut().zip(x[0].all()) {
                *y = if x > T::zero() { x } else { T::zero() };
            }
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
        let Some(dx) = &mut dx[0] else { return };
        vectorized(|| {
            for ((dx, &x), &dy) in dx.all_mut().iter_mut().zip(x[0].all()).zip(dy.all()) {
                *dx += if x > T::zero() { dy } else { T::zero() };
            }
        });
    }

    fn jvp(&self, _: &[T], x: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        vectorized(|| {
            for ((y_dot, &x), &x_dot) in y_dot.all_mut().iter_mut().zip(x[0].all()).zip(x_dot[0].all()) {
                *y_dot = if x > T::zero() { x_dot } else { T::zero() };
            }
        });
    }
}
