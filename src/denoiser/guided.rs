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

    /// D and x − D.
    fn of_both(
        &self,
        conditional: (Array2<T>, Array2<T>),
        unconditional: (Array2<T>, Array2<T>),
    ) -> (Array2<T>, Array2<T>) {
        (self.between(conditional.0, unconditional.0), self.between(conditional.1, unconditional.1))
    }
}

impl<T: Scalar, D: Denoiser<T> + ?Sized> Denoiser<T> for Guided<'_, T, D> {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    fn block(&self, rows: usize) -> usize {
        self.conditional.block(rows).max(self.unconditional.block(rows))
    }

    fn batch(&self) -> Option<usize> {
        self.conditional.batch().max(self.unconditional.batch())
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.denoise_rows(x, first, sigma))
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.denoise_row(x, number, sigma))
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(|d| d.denoise(x, sigma))
    }

    /// x − D is the same combination of both rests.
    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        Ok(self.of_both(self.conditional.split(x, sigma)?, self.unconditional.split(x, sigma)?))
    }

    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let split = |d: &D| d.split_rows(x, first, sigma);
        Ok(self.of_both(split(self.conditional)?, split(self.unconditional)?))
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
