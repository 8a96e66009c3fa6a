//! y = max(x, 0), with derivative 0 at 0.

use super::Layer;
use crate::network::batch::{Batch, Shape};
use crate::network::elementwise::{add, set};
use crate::scalar::Scalar;

pub struct Relu;

impl<T: Scalar> Layer<T> for Relu {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        set(y.all_mut(), x[0].all(), x[0].all(), |x, _| if x > T::zero() { x } else { T::zero() });
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
        let passed = |x: T, dy: T| if x > T::zero() { dy } else { T::zero() };
        add(dx.all_mut(), x[0].all(), dy.all(), passed);
    }

    fn jvp(&self, _: &[T], x: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        let passed = |x: T, x_dot: T| if x > T::zero() { x_dot } else { T::zero() };
        set(y_dot.all_mut(), x[0].all(), x_dot[0].all(), passed);
    }
}
