//! How far apart two denoisers are at the same points (arXiv 2410.24060, whose score difference is rmse).

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::interval::Mean;
use crate::denoiser::Denoiser;
use crate::flow::Plan;
use crate::linalg::{dot, squared_distance};
use crate::random::NoisyPoints;
use crate::scalar::Scalar;

/// Of two vectors a and b, at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// ‖a − b‖².
    pub square: f64,
    /// ‖a‖².
    pub size: f64,
    /// d.
    pub dim: usize,
    /// aᵀb/‖a‖‖b‖; none where one of them is 0.
    pub cosine: Option<f64>,
}

impl Gap {
    pub fn of<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> Gap {
        let (size, other) = (dot(a, a), dot(b, b));
        let cosine = (size > 0.0 && other > 0.0).then(|| dot(a, b) / (size.sqrt() * other.sqrt()));
        Gap { square: squared_distance(a, b), size, dim: a.len(), cosine }
    }

    /// ‖a − b‖/√d.
    pub fn rmse(&self) -> f64 {
        (self.square / self.dim as f64).sqrt()
    }

    /// ‖a − b‖/‖a‖; none where a is 0.
    pub fn nmse(&self) -> Option<f64> {
        (self.size > 0.0).then(|| (self.square / self.size).sqrt())
    }
}

/// Of many points.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gaps {
    /// Means over the points that have them.
    pub rmse: Mean,
    pub nmse: Mean,
    pub cosine: Mean,
    square: f64,
    size: f64,
}

impl Gaps {
    pub fn add(&mut self, gap: &Gap) {
        self.rmse.add(gap.rmse());
        gap.nmse().into_iter().for_each(|nmse| self.nmse.add(nmse));
        gap.cosine.into_iter().for_each(|cosine| self.cosine.add(cosine));
        self.square += gap.square;
        self.size += gap.size;
    }

    /// 1 − Σ‖a − b‖²/Σ‖a‖²; none where all a are 0.
    pub fn explained(&self) -> Option<f64> {
        (self.size > 0.0).then(|| 1.0 - self.square / self.size)
    }
}

/// Two denoisers, asked at the same points.
pub struct Pair<'a, T: Scalar> {
    pub a: &'a dyn Denoiser<T>,
    pub b: &'a dyn Denoiser<T>,
    /// Noise levels, in the order of the results.
    pub levels: &'a [f64],
    pub seed: u64,
}

impl<T: Scalar> Pair<'_, T> {
    /// At points (n, d) with noise of the level, of which the first is number `first`: by level, and row.
    ///
    /// # Errors
    /// The denoisers'.
    pub fn at_points(&self, points: Array2<T>, first: u64) -> Result<Vec<Vec<Gap>>> {
        let noisy = NoisyPoints::new(points, self.seed, first);
        self.levels.iter().map(|&sigma| self.gaps(noisy.at(sigma).view(), first, sigma)).collect()
    }

    /// At the points that latents `rows` have along a's flow, whose plan has all levels: by level, and row.
    ///
    /// # Errors
    /// The denoisers'.
    pub fn along_flow(&self, plan: &Plan, rows: Range<u64>) -> Result<Vec<Vec<Gap>>> {
        let first = rows.start;
        plan.at_levels(self.a, self.seed, rows, self.levels, |x, sigma| self.gaps(x, first, sigma))
    }

    fn gaps(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Vec<Gap>> {
        let [a, b] = [self.a, self.b].map(|denoiser| denoiser.denoise_rows(x, first, sigma));
        let (a, b) = (a?, b?);
        Ok(a.outer_iter().zip(b.outer_iter()).map(|(a, b)| Gap::of(a, b)).collect())
    }
}
