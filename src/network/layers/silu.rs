//! y = x s, s = 1/(1 + e⁻ˣ); dy/dx = s (1 + x (1 − s)).

use super::Layer;
use crate::network::batch::{Batch, Shape};
use crate::network::elementwise::{add, set};
use crate::scalar::Scalar;

pub struct Silu;

/// 1/(1 + e⁻ˣ), through e^(−|x|) ≤ 1 so that nothing overflows.
#[inline(always)]
fn sigmoid<T: Scalar>(x: T) -> T {
    let e = (-x.abs()).exp_flushed();
    (if x < T::zero() { e } else { T::one() }) / (T::one() + e)
}

#[inline(always)]
fn slope<T: Scalar>(x: T) -> T {
    let s = sigmoid(x);
    s * (T::one() + x * (T::one() - s))
}

impl<T: Scalar> Layer<T> for Silu {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        set(y.all_mut(), x[0].all(), x[0].all(), |x, _| x * sigmoid(x));
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
        add(dx.all_mut(), x[0].all(), dy.all(), |x, dy| slope(x) * dy);
    }

    fn jvp(&self, _: &[T], x: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        set(y_dot.all_mut(), x[0].all(), x_dot[0].all(), |x, x_dot| slope(x) * x_dot);
    }
}
