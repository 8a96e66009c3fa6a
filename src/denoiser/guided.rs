//! Denoisers that are guided by the difference of two others: classifier-free guidance, and any pair.

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Denoiser, Differentiable};
use crate::scalar::Scalar;

/// The noise levels at which guidance acts: those above one and up to another (arXiv 2404.07724).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub above: f64,
    pub up_to: f64,
}

impl Band {
    /// All of them.
    pub const ALL: Band = Band { above: 0.0, up_to: f64::INFINITY };

    /// # Errors
    /// When no level lies between the two.
    pub fn new(above: f64, up_to: f64) -> Result<Band> {
        ensure!(
            above >= 0.0 && above < up_to,
            "{above},{up_to}: no noise level lies above the first and up to the second"
        );
        Ok(Band { above, up_to })
    }

    pub fn contains(&self, sigma: f64) -> bool {
        self.above < sigma && sigma <= self.up_to
    }
}

/// How a denoiser is asked for rows: by the number of the first, one alone by its own, or without numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    First(u64),
    Own(u64),
    Nothing,
}

impl By {
    /// D(x; σ).
    pub fn ask<T: Scalar, D: Denoiser<T> + ?Sized>(
        self,
        denoiser: &D,
        x: ArrayView2<T>,
        sigma: f64,
    ) -> Result<Array2<T>> {
        match self {
            By::First(first) => denoiser.denoise_rows(x, first, sigma),
            By::Own(number) => denoiser.denoise_row(x, number, sigma),
            By::Nothing => denoiser.denoise(x, sigma),
        }
    }
}

/// D = D_u + w (D_c − D_u) within the band, D_c elsewhere: w = 1 is the conditional model, w > 1 exaggerates
/// what sets it apart.
pub struct Guided<T: Scalar, D: Denoiser<T> + ?Sized = dyn Denoiser<T>> {
    pub conditional: Box<D>,
    pub unconditional: Box<D>,
    pub weight: T,
    pub band: Band,
}

impl<T: Scalar, D: Denoiser<T> + ?Sized> Guided<T, D> {
    /// What `of` gives of each, combined.
    fn combine(&self, sigma: f64, of: impl Fn(&D) -> Result<Array2<T>>) -> Result<Array2<T>> {
        let conditional = of(&self.conditional)?;
        if !self.band.contains(sigma) {
            return Ok(conditional);
        }
        Ok(self.between(conditional, of(&self.unconditional)?))
    }

    fn between(&self, conditional: Array2<T>, mut unconditional: Array2<T>) -> Array2<T> {
        unconditional.zip_mut_with(&conditional, |u, &c| *u += self.weight * (c - *u));
        unconditional
    }

    /// D and x − D, which is the same combination of both rests.
    fn combine_both(
        &self,
        sigma: f64,
        of: impl Fn(&D) -> Result<(Array2<T>, Array2<T>)>,
    ) -> Result<(Array2<T>, Array2<T>)> {
        let conditional = of(&self.conditional)?;
        if !self.band.contains(sigma) {
            return Ok(conditional);
        }
        let unconditional = of(&self.unconditional)?;
        Ok((self.between(conditional.0, unconditional.0), self.between(conditional.1, unconditional.1)))
    }
}

impl<T: Scalar, D: Denoiser<T> + ?Sized> Denoiser<T> for Guided<T, D> {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    fn block(&self, rows: usize) -> usize {
        self.conditional.block(rows).max(self.unconditional.block(rows))
    }

    fn batch(&self) -> Option<usize> {
        self.conditional.batch().max(self.unconditional.batch())
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(sigma, |d| d.denoise(x, sigma))
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.combine(sigma, |d| d.denoise_rows(x, first, sigma))
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.combine(sigma, |d| d.denoise_row(x, number, sigma))
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.combine_both(sigma, |d| d.split(x, sigma))
    }

    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.combine_both(sigma, |d| d.split_rows(x, first, sigma))
    }
}

impl<T: Scalar, D: Differentiable<T> + ?Sized> Differentiable<T> for Guided<T, D> {
    fn jvp(&self, x: ArrayView1<T>, v: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(sigma, |d| d.jvp(x, v, sigma))
    }

    fn vjp(&self, x: ArrayView1<T>, u: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.combine(sigma, |d| d.vjp(x, u, sigma))
    }
}

/// D + w (D_A − D_B) within the band, D elsewhere: what sets A apart from B is added to any denoiser.
pub struct Steered<T: Scalar> {
    pub denoiser: Box<dyn Denoiser<T>>,
    /// A.
    pub toward: Box<dyn Denoiser<T>>,
    /// B.
    pub against: Box<dyn Denoiser<T>>,
    pub weight: T,
    pub band: Band,
}

impl<T: Scalar> Steered<T> {
    fn steer(&self, x: ArrayView2<T>, by: By, sigma: f64) -> Result<Array2<T>> {
        let mut d = by.ask(self.denoiser.as_ref(), x, sigma)?;
        if self.band.contains(sigma) {
            let mut apart = by.ask(self.toward.as_ref(), x, sigma)?;
            apart -= &by.ask(self.against.as_ref(), x, sigma)?;
            d.scaled_add(self.weight, &apart);
        }
        Ok(d)
    }

    fn all(&self) -> [&dyn Denoiser<T>; 3] {
        [self.denoiser.as_ref(), self.toward.as_ref(), self.against.as_ref()]
    }
}

impl<T: Scalar> Denoiser<T> for Steered<T> {
    fn dim(&self) -> usize {
        self.denoiser.dim()
    }

    fn block(&self, rows: usize) -> usize {
        self.all().map(|d| d.block(rows)).into_iter().fold(0, usize::max)
    }

    fn batch(&self) -> Option<usize> {
        self.all().map(|d| d.batch()).into_iter().max().flatten()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.steer(x, By::Nothing, sigma)
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.steer(x, By::First(first), sigma)
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.steer(x, By::Own(number), sigma)
    }
}
