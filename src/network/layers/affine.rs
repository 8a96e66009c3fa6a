//! Layers that are linear in their inputs but for a constant, y = A x + b.

use super::{At, Layer};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

/// Such a layer gives A x + b, A x, and Aᵀ; the derivatives follow.
pub trait Affine: Send + Sync {
    /// As [`Layer::shape`].
    fn shape(&self, inputs: &[Shape]) -> Shape;

    /// y = A x.
    fn map<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>);

    /// y = A x + b; b is zero unless a layer says otherwise.
    fn shifted<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        self.map(p, x, y);
    }

    /// Adds Aᵀ dy to `dx`, the part of it that belongs to this input.
    fn adjoint<T: Scalar>(&self, p: &[T], dy: &Batch<T>, input: usize, dx: &mut Batch<T>);

    /// Adds the products of `dy` with the derivative of A x + b by the parameters.
    fn by_parameters<T: Scalar>(&self, _x: &[&Batch<T>], _dy: &Batch<T>, _dp: &mut [T]) {}
}

impl<T: Scalar, A: Affine> Layer<T> for A {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Affine::shape(self, inputs)
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        self.shifted(p, x, y);
    }

    fn vjp(&self, at: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], dp: Option<&mut [T]>) {
        for (input, dx) in dx.iter_mut().enumerate() {
            if let Some(dx) = dx {
                self.adjoint(at.p, dy, input, dx);
            }
        }
        if let Some(dp) = dp {
            self.by_parameters(at.x, dy, dp);
        }
    }

    fn jvp(&self, at: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        self.map(at.p, x_dot, y_dot);
    }
}
