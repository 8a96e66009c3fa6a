//! The layers: each with its formula, its value (`forward`), and both products
//! with its derivative (`vjp`, `jvp`). Those that are linear in their inputs give
//! their map and its adjoint instead ([`affine::Affine`]), those that treat number
//! by number a function and its derivative ([`Pointwise`]).
//!
//! A layer is a pure function of its inputs and its parameters. It keeps
//! nothing between calls: what a derivative needs besides inputs and output it
//! computes again.

mod affine;
mod attention;
mod classes;
mod conv;
mod embedding;
mod gate;
mod group_norm;
mod joins;
mod layer_norm;
mod linear;
mod pointwise;
mod resample;
mod tokens;
mod wrap;

pub use attention::Attention;
pub use classes::Classes;
pub use conv::Conv;
pub use embedding::Sinusoids;
pub use gate::Gate;
pub use group_norm::GroupNorm;
pub use joins::{Concat, Offset, Shift, Sum};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use pointwise::{Pointwise, Relu, Silu};
pub use resample::{Down, Up};
pub use tokens::{Patches, Prepend, Unpatches};
pub use wrap::{Crop, Wrap};

use super::batch::{Batch, Shape};
use crate::scalar::Scalar;

/// y = f(x; p) and its derivative. Batches are given for every input, in the
/// order of the graph; rows are independent of each other.
pub trait Layer<T: Scalar>: Send + Sync {
    /// Shape of the output.
    fn shape(&self, inputs: &[Shape]) -> Shape;

    /// Numbers it needs for one row besides inputs and output.
    fn scratch(&self, _inputs: &[Shape]) -> usize {
        0
    }

    /// y = f(x; p). What y held before does not matter, but for its padding,
    /// which is zero.
    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>);

    /// Adds the products of `dy` with the derivative: to dx (where a place is
    /// given for it) those by x, to dp those by p.
    fn vjp(&self, at: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], dp: Option<&mut [T]>);

    /// ẏ = ∂f/∂x · ẋ.
    fn jvp(&self, at: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>);
}

/// Where a derivative is taken: the parameters, the inputs, and y = f(x; p).
#[derive(Clone, Copy)]
pub struct At<'a, T> {
    pub p: &'a [T],
    pub x: &'a [&'a Batch<T>],
    pub y: &'a Batch<T>,
}

/// Where a layer's parameter stands among all of a network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub offset: usize,
    pub len: usize,
}

impl Span {
    pub fn of<T>(self, p: &[T]) -> &[T] {
        &p[self.offset..self.offset + self.len]
    }

    pub fn of_mut<T>(self, p: &mut [T]) -> &mut [T] {
        &mut p[self.offset..self.offset + self.len]
    }
}

/// The parameter as a matrix of `columns` columns.
fn matrix<T>(span: Span, p: &[T], columns: usize) -> ndarray::ArrayView2<'_, T> {
    match ndarray::ArrayView2::from_shape((span.len / columns, columns), span.of(p)) {
        Ok(view) => view,
        Err(e) => unreachable!("a parameter of {} in {columns} columns: {e}", span.len),
    }
}

fn matrix_mut<T>(span: Span, p: &mut [T], columns: usize) -> ndarray::ArrayViewMut2<'_, T> {
    match ndarray::ArrayViewMut2::from_shape((span.len / columns, columns), span.of_mut(p)) {
        Ok(view) => view,
        Err(e) => unreachable!("a parameter of {} in {columns} columns: {e}", span.len),
    }
}
