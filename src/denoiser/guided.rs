//! Classifier-free guidance: a conditional and an unconditional denoiser combined.

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Denoiser, Differentiable};
use crate::scalar::Scalar;

/// D = D_u + w (D_c − D_u): w = 1 is the conditional model, w > 1 exaggerates
/// what sets it apart.
pub struct Guided<'a, T: Scalar, D: Denoiser<T> + ?Sized = dyn Denoiser<T>> {
    pub conditional: &'a D,
    pub unconditional: &'a D,
    pub weight: T,
}

impl<T: Scalar, D: Denoiser<T> + ?Sized> Guided<'_, T, D> {
    /// What `of` gives of each, combined.
    fn combine(&self, of: impl Fn(&D) -> Result<Array2<T>>) -> Result<Array2<T>> {
        Ok(self.between(of(self.conditional)?, of(self.unconditional)?))
    }

    fn between(&self, conditional: Array2<T>, mut unconditional: Array2<T>) -> Array2<T> {
        unconditional.zip_mut_with(&conditional, |u, &c| *u += self.weight * (c - *u));
        unconditional
    }
}

impl<T: Scalar, D: Denoiser<T> + ?Sized> Denoiser<T> for Guided<'_, T, D> {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    fn block(&self, rows: usize) -> usize {
        self.conditional.block(rows).max(self.unconditional.block(rows))
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.denoise(x, sigma))
    }

    /// x − D is the same combination of both rests.
    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let (conditional, unconditional) =
            (self.conditional.split(x, sigma)?, self.unconditional.split(x, sigma)?);
        Ok((self.between(conditional.0, unconditional.0), self.between(conditional.1, unconditional.1)))
    }
}

impl<T: Scalar, D: Differentiable<T> + ?Sized> Differentiable<T> for Guided<'_, T, D> {
    fn jvp(&self, x: ArrayView1<T>, v: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.jvp(x, v, sigma))
    }

    fn vjp(&self, x: ArrayView1<T>, u: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.vjp(x, u, sigma))
    }
}
