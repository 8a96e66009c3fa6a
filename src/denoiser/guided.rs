//! Classifier-free guidance: a conditional and an unconditional denoiser combined.

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::Denoiser;
use crate::scalar::Scalar;

/// D = D_u + w (D_c − D_u): w = 1 is the conditional model, w > 1 exaggerates
/// what sets it apart.
pub struct Guided<'a, T: Scalar> {
    pub conditional: &'a dyn Denoiser<T>,
    pub unconditional: &'a dyn Denoiser<T>,
    pub weight: f64,
}

impl<T: Scalar> Guided<'_, T> {
    fn combine(&self, conditional: Array2<T>, mut unconditional: Array2<T>) -> Array2<T> {
        let w = T::of(self.weight);
        unconditional.zip_mut_with(&conditional, |u, &c| *u += w * (c - *u));
        unconditional
    }
}

impl<T: Scalar> Denoiser<T> for Guided<'_, T> {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    fn block(&self, rows: usize) -> usize {
        self.conditional.block(rows).max(self.unconditional.block(rows))
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Array2<T> {
        self.combine(self.conditional.denoise(x, sigma), self.unconditional.denoise(x, sigma))
    }

    fn jvp(&self, x: ArrayView1<T>, v: ArrayView2<T>, sigma: f64) -> Array2<T> {
        self.combine(self.conditional.jvp(x, v, sigma), self.unconditional.jvp(x, v, sigma))
    }

    fn vjp(&self, x: ArrayView1<T>, u: ArrayView2<T>, sigma: f64) -> Array2<T> {
        self.combine(self.conditional.vjp(x, u, sigma), self.unconditional.vjp(x, u, sigma))
    }
}
