//! 3×3 convolution of images, zeros beyond the edge, stride 1:
//! y(i, j, o) = b_o + Σ_{k, l, c} W(k, l, c, o) x(i + k − 1, j + l − 1, c).
//!
//! As a product: for each row k of the kernel, the windows of three pixels
//! (overlapping in memory, see [`Batch::windows`]) times W_k of (3·inputs,
//! outputs). No window is ever copied. By x the derivative is a convolution
//! with the kernel turned round in both directions and transposed; by W_k it is
//! windowsᵀ · ∂L/∂y, where the zeros in the padding of ∂L/∂y silence the windows
//! that lie between images.

use ndarray::{ArrayView2, s};

use super::affine::Affine;
use super::linear::fill;
use super::{Span, matrix, matrix_mut};
use crate::linalg::{accumulate, add_column_sums};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Conv {
    /// W, (3, 3, inputs, outputs).
    pub weight: Span,
    pub bias: Span,
    pub outputs: usize,
}

/// y ← y + x ∗ W, for W of (3·3·inputs, outputs).
fn convolve<T: Scalar>(y: &mut Batch<T>, x: &Batch<T>, weight: ArrayView2<T>) {
    let rows = weight.nrows() / 3;
    for ky in 0..3 {
        accumulate(y.points_mut(), x.windows(ky), weight.slice(s![ky * rows..(ky + 1) * rows, ..]));
    }
    y.clear_padding();
}

/// W(2−k, 2−l, ·, ·)ᵀ, of (3·3·outputs, inputs).
fn turned<T: Scalar>(weight: ArrayView2<T>) -> ndarray::Array2<T> {
    let (inputs, outputs) = (weight.nrows() / 9, weight.ncols());
    let mut out = ndarray::Array2::zeros((9 * outputs, inputs));
    for tap in 0..9 {
        let from = weight.slice(s![(8 - tap) * inputs..(9 - tap) * inputs, ..]);
        out.slice_mut(s![tap * outputs..(tap + 1) * outputs, ..]).assign(&from.t());
    }
    out
}

impl Affine for Conv {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0].with_channels(self.outputs)
    }

    fn map<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        fill(y, None);
        convolve(y, x[0], matrix(self.weight, p, self.outputs));
    }

    fn shifted<T: Scalar>(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        fill(y, Some(self.bias.of(p)));
        convolve(y, x[0], matrix(self.weight, p, self.outputs));
    }

    fn adjoint<T: Scalar>(&self, p: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        convolve(dx, dy, turned(matrix(self.weight, p, self.outputs)).view());
    }

    fn by_parameters<T: Scalar>(&self, x: &[&Batch<T>], dy: &Batch<T>, dp: &mut [T]) {
        let mut dw = matrix_mut(self.weight, dp, self.outputs);
        let rows = dw.nrows() / 3;
        for ky in 0..3 {
            let dw = dw.slice_mut(s![ky * rows..(ky + 1) * rows, ..]);
            accumulate(dw, x[0].windows(ky).reversed_axes(), dy.points());
        }
        add_column_sums(self.bias.of_mut(dp), dy.points());
    }
}
