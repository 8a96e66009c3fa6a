//! A denoiser whose evaluations are counted, whatever kind it is.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use ndarray::{Array2, ArrayView2};

use super::{Denoiser, Reduced};
use crate::scalar::Scalar;

/// Counts evaluations, one a row and level.
pub struct Counted<'a, T: Scalar> {
    denoiser: &'a dyn Denoiser<T>,
    evaluations: AtomicU64,
}

impl<'a, T: Scalar> Counted<'a, T> {
    pub fn new(denoiser: &'a dyn Denoiser<T>) -> Self {
        Counted { denoiser, evaluations: AtomicU64::new(0) }
    }

    /// Rows denoised so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }
}

impl<T: Scalar> Denoiser<T> for Counted<'_, T> {
    fn dim(&self) -> usize {
        self.denoiser.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.evaluations.fetch_add(x.nrows() as u64, Ordering::Relaxed);
        self.denoiser.denoise(x, sigma)
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.evaluations.fetch_add(x.nrows() as u64, Ordering::Relaxed);
        self.denoiser.split(x, sigma)
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.evaluations.fetch_add(x.nrows() as u64, Ordering::Relaxed);
        self.denoiser.denoise_rows(x, first, sigma)
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.denoiser.denoise_row(x, number, sigma)
    }

    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.evaluations.fetch_add(x.nrows() as u64, Ordering::Relaxed);
        self.denoiser.split_rows(x, first, sigma)
    }

    fn flow(&self, x: ArrayView2<T>, from: f64, to: f64) -> Option<Array2<T>> {
        self.denoiser.flow(x, from, to)
    }

    fn batch(&self) -> Option<usize> {
        self.denoiser.batch()
    }

    fn block(&self, rows: usize) -> usize {
        self.denoiser.block(rows)
    }

    fn reduced(&self) -> Option<&Reduced<T>> {
        self.denoiser.reduced()
    }
}
