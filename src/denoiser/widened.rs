//! A denoiser that computes in T as one of f64, for methods that compute in f64 whatever their model does; its
//! evaluations and derivatives are counted.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Denoiser, Differentiable};
use crate::linalg::cast;
use crate::scalar::Scalar;

/// Counts evaluations, one a row and level, and products with the Jacobian, one a direction.
pub struct Widened<T: Scalar> {
    denoiser: Box<dyn Differentiable<T>>,
    evaluations: AtomicU64,
    derivatives: AtomicU64,
}

impl<T: Scalar> Widened<T> {
    pub fn new(denoiser: Box<dyn Differentiable<T>>) -> Widened<T> {
        Widened { denoiser, evaluations: AtomicU64::new(0), derivatives: AtomicU64::new(0) }
    }

    /// Rows denoised so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }

    /// Products with the Jacobian so far.
    pub fn derivatives(&self) -> u64 {
        self.derivatives.load(Ordering::Relaxed)
    }

    fn counted(&self, x: ArrayView2<f64>) -> Array2<T> {
        self.evaluations.fetch_add(x.nrows() as u64, Ordering::Relaxed);
        cast(x)
    }
}

impl<T: Scalar> Denoiser<f64> for Widened<T> {
    fn dim(&self) -> usize {
        self.denoiser.dim()
    }

    fn denoise(&self, x: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        Ok(cast(self.denoiser.denoise(self.counted(x).view(), sigma)?.view()))
    }

    fn denoise_rows(&self, x: ArrayView2<f64>, first: u64, sigma: f64) -> Result<Array2<f64>> {
        Ok(cast(self.denoiser.denoise_rows(self.counted(x).view(), first, sigma)?.view()))
    }

    fn denoise_row(&self, x: ArrayView2<f64>, number: u64, sigma: f64) -> Result<Array2<f64>> {
        Ok(cast(self.denoiser.denoise_row(self.counted(x).view(), number, sigma)?.view()))
    }

    fn split(&self, x: ArrayView2<f64>, sigma: f64) -> Result<(Array2<f64>, Array2<f64>)> {
        let (d, rest) = self.denoiser.split(self.counted(x).view(), sigma)?;
        Ok((cast(d.view()), cast(rest.view())))
    }

    fn split_rows(&self, x: ArrayView2<f64>, first: u64, sigma: f64) -> Result<(Array2<f64>, Array2<f64>)> {
        let (d, rest) = self.denoiser.split_rows(self.counted(x).view(), first, sigma)?;
        Ok((cast(d.view()), cast(rest.view())))
    }

    fn block(&self, rows: usize) -> usize {
        self.denoiser.block(rows)
    }

    fn batch(&self) -> Option<usize> {
        self.denoiser.batch()
    }

    fn flow(&self, x: ArrayView2<f64>, from: f64, to: f64) -> Option<Array2<f64>> {
        Some(cast(self.denoiser.flow(cast(x).view(), from, to)?.view()))
    }
}

impl<T: Scalar> Differentiable<f64> for Widened<T> {
    fn jvp(&self, x: ArrayView1<f64>, directions: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.derivatives.fetch_add(directions.nrows() as u64, Ordering::Relaxed);
        Ok(cast(self.denoiser.jvp(x.mapv(T::of).view(), cast(directions).view(), sigma)?.view()))
    }

    fn vjp(&self, x: ArrayView1<f64>, directions: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.derivatives.fetch_add(directions.nrows() as u64, Ordering::Relaxed);
        Ok(cast(self.denoiser.vjp(x.mapv(T::of).view(), cast(directions).view(), sigma)?.view()))
    }
}
