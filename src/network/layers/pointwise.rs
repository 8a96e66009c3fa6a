//! Layers that treat number by number, y = f(x).
//!
//! * `Relu`: y = max(x, 0), with derivative 0 at 0;
//! * `Silu`: y = x s, s = 1/(1 + e⁻ˣ); dy/dx = s (1 + x (1 − s)).

use super::{At, Layer};
use crate::network::batch::{Batch, Shape};
use crate::network::elementwise::{add, set};
use crate::scalar::Scalar;

pub struct Pointwise<F>(pub F);

pub trait Function: Send + Sync {
    fn value<T: Scalar>(x: T) -> T;

    /// f'(x) v.
    fn derivative<T: Scalar>(x: T, v: T) -> T;
}

pub struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<T: Scalar>(x: T) -> T {
        Relu::derivative(x, x)
    }

    #[inline(always)]
    fn derivative<T: Scalar>(x: T, v: T) -> T {
        if x > T::zero() { v } else { T::zero() }
    }
}

pub struct Silu;

/// 1/(1 + e⁻ˣ), through e^(−|x|) ≤ 1 so that nothing overflows.
#[inline(always)]
fn sigmoid<T: Scalar>(x: T) -> T {
    let e = (-x.abs()).exp_flushed();
    (if x < T::zero() { e } else { T::one() }) / (T::one() + e)
}

impl Function for Silu {
    #[inline(always)]
    fn value<T: Scalar>(x: T) -> T {
        x * sigmoid(x)
    }

    #[inline(always)]
    fn derivative<T: Scalar>(x: T, v: T) -> T {
        let s = sigmoid(x);
        s * (T::one() + x * (T::one() - s)) * v
    }
}

impl<T: Scalar, F: Function> Layer<T> for Pointwise<F> {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        set(y.all_mut(), x[0].all(), x[0].all(), |x, _| F::value(x));
    }

    fn vjp(&self, at: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], _: Option<&mut [T]>) {
        if let Some(dx) = &mut dx[0] {
            add(dx.all_mut(), at.x[0].all(), dy.all(), F::derivative);
        }
    }

    fn jvp(&self, at: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        set(y_dot.all_mut(), at.x[0].all(), x_dot[0].all(), F::derivative);
    }
}
