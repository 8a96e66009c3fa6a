//! A linear map of the channels at every place: y = x W + b, or y = x Wᵀ with
//! the W of another layer (tied). On images this is a 1×1 convolution.
//!
//! ∂L/∂x = ∂L/∂y Wᵀ, ∂L/∂W = xᵀ ∂L/∂y, ∂L/∂b = Σ ∂L/∂y over places.

use super::affine::Affine;
use super::{Span, matrix, matrix_mut};
use crate::linalg::{accumulate_wide, add_column_sums};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Linear {
    /// W, (inputs, outputs); (outputs, inputs) if transposed.
    pub weight: Span,
    pub bias: Option<Span>,
    pub outputs: usize,
    pub transposed: bool,
}

impl Linear {
    fn weight<'a, T>(&self, p: &'a [T]) -> ndarray::ArrayView2<'a, T> {
        if self.transposed {
            matrix(self.weight, p, self.weight.len / self.outputs).reversed_axes()
        } else {
            matrix(self.weight, p, self.outputs)
        }
    }
}

impl Affine for Linear {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0].with_channels(self.outputs)
    }

    fn map<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        fill(y, None);
        accumulate_wide(y.points_mut(), x[0].points(), self.weight(p));
    }

    fn shifted<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let Some(bias) = self.bias else { return self.map(p, x, y) };
        fill(y, Some(bias.of(p)));
        accumulate_wide(y.points_mut(), x[0].points(), self.weight(p));
        y.clear_padding();
    }

    fn adjoint<T: Scalar>(&self, p: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        accumulate_wide(dx.points_mut(), dy.points(), self.weight(p).t());
    }

    fn by_parameters<T: Scalar>(&self, x: &[&Batch<T>], dy: &Batch<T>, dp: &mut [T]) {
        if self.transposed {
            let dw = matrix_mut(self.weight, dp, self.weight.len / self.outputs);
            accumulate_wide(dw, dy.points().t(), x[0].points());
        } else {
            let dw = matrix_mut(self.weight, dp, self.outputs);
            accumulate_wide(dw, x[0].points().t(), dy.points());
        }
        if let Some(bias) = self.bias {
            add_column_sums(bias.of_mut(dp), dy.points());
        }
    }
}

/// Every place holds the bias, or zero.
pub(super) fn fill<T: Scalar>(y: &mut Batch<T>, bias: Option<&[T]>) {
    match bias {
        Some(bias) => y.points_mut().outer_iter_mut().for_each(|mut place| {
            place.iter_mut().zip(bias).for_each(|(y, &b)| *y = b);
        }),
        None => y.points_mut().fill(T::zero()),
    }
}
