//! The optimal denoiser of a finite set whose numbers each see what the data's covariance ties them to (Lukoianov,
//! Yuan, Solomon and Sitzmann, arXiv 2509.09672): with the Wiener filter W = Σ(Σ + σ²I)⁻¹ and its sensitivities
//! M_nm = W_nm/W_nn, number m of the output is
//!
//! D_m = Σ_i w_im y_im,  w_im ∝ exp(−Σ_n S_nm (x_n − y_in)²/2σ²),  S_nm = 1 where |M_nm| ≥ τ max |M|, else 0,
//!
//! y_i the rows of the set. The softmax is over the whole set; what was published takes one of every batch and the mean
//! of those. With τ so small that S is all ones it is the optimal denoiser of the set.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};
use rayon::prelude::*;

use super::{Denoiser, Differentiable};
use crate::linalg::{cast, column_means, product, symmetric_eigen};
use crate::scalar::Scalar;

/// Rows of the set that are compared at a time.
const ROWS: usize = 256;

/// A diagonal of W below this divides nothing.
const LEAST: f64 = 1e-6;

/// The denoiser, computing in T; distances and sums are f64.
pub struct PcaLocalDenoiser<T: Scalar> {
    /// y_i, (N, d).
    data: Array2<T>,
    threshold: f64,
    /// Of Σ, whose divisor is N − 1: largest first, and as columns.
    variances: Array1<f64>,
    directions: Array2<f64>,
    /// What the last noise level decided: points of one level come one after the other.
    last: Mutex<Option<(f64, Arc<Level>)>>,
}

/// What a noise level decides.
struct Level {
    /// S, (d, d).
    seen: Array2<f64>,
    /// 1/2σ².
    scale: f64,
}

/// What the set makes of one point, number by number.
struct Posterior {
    /// The smallest squared distance.
    nearest: Array1<f64>,
    /// Weights relative to that row's: their sum.
    total: Array1<f64>,
    /// Σ w (y − x), not yet divided by their sum.
    step: Array1<f64>,
}

impl<T: Scalar> PcaLocalDenoiser<T> {
    /// Of rows (N, d) and τ from 0 to 1.
    ///
    /// # Errors
    /// Numbers whose squares are too large.
    pub fn new(data: Array2<T>, threshold: f64) -> Result<PcaLocalDenoiser<T>> {
        let mean = column_means(data.view());
        let mut covariance = Array2::<f64>::zeros((data.ncols(), data.ncols()));
        for rows in data.axis_chunks_iter(Axis(0), ROWS) {
            let centred = cast::<T, f64>(rows) - &mean;
            covariance += &product(centred.t(), centred.view());
        }
        covariance /= data.nrows().saturating_sub(1).max(1) as f64;
        let (variances, directions) = symmetric_eigen(covariance.view())?;
        let (variances, last) = (variances.mapv(|v| v.max(0.0)), Mutex::new(None));
        Ok(PcaLocalDenoiser { data, threshold, variances, directions, last })
    }

    fn level(&self, sigma: f64) -> Arc<Level> {
        // A number that is held while another thread panics is whole.
        let held = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, level)) = held().as_ref().filter(|(of, _)| *of == sigma) {
            return level.clone();
        }
        let level = Arc::new(self.decided(sigma));
        *held() = Some((sigma, level.clone()));
        level
    }

    fn decided(&self, sigma: f64) -> Level {
        let square = sigma * sigma;
        let shrunk = &self.directions * &self.variances.mapv(|v| v / (v + square));
        let mut m = product(shrunk.view(), self.directions.t());
        for (n, mut row) in m.outer_iter_mut().enumerate() {
            let own = row[n];
            row /= if own.abs() < LEAST { 1.0 } else { own };
        }
        let least = self.threshold * m.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        Level { seen: m.mapv(|v| if v.abs() >= least { 1.0 } else { 0.0 }), scale: 0.5 / square }
    }

    /// Of some rows of the set: y − x, and squared distances as each number sees them.
    fn compared(rows: ArrayView2<T>, x: ArrayView1<f64>, level: &Level) -> (Array2<f64>, Array2<f64>) {
        let away = cast::<T, f64>(rows) - x;
        let distances = product((&away * &away).view(), level.seen.view());
        (away, distances)
    }

    fn posterior(&self, x: ArrayView1<f64>, level: &Level) -> Posterior {
        let d = x.len();
        let mut all = Posterior {
            nearest: Array1::from_elem(d, f64::INFINITY),
            total: Array1::zeros(d),
            step: Array1::zeros(d),
        };
        for rows in self.data.axis_chunks_iter(Axis(0), ROWS) {
            let (away, distances) = Self::compared(rows, x, level);
            // What is summed so far becomes relative to the nearest row of all yet.
            let nearest = distances.fold_axis(Axis(0), f64::INFINITY, |least, distance| least.min(*distance));
            Zip::from(&mut all.nearest).and(&mut all.total).and(&mut all.step).and(&nearest).for_each(
                |old, total, step, &nearest| {
                    let least = old.min(nearest);
                    let factor = ((least - *old) * level.scale).exp();
                    (*old, *total, *step) = (least, *total * factor, *step * factor);
                },
            );
            for (away, distances) in away.rows().into_iter().zip(distances.rows()) {
                Zip::from(&mut all.total)
                    .and(&mut all.step)
                    .and(&all.nearest)
                    .and(away)
                    .and(distances)
                    .for_each(|total, step, nearest, away, distance| {
                        let weight = ((nearest - distance) * level.scale).exp();
                        *total += weight;
                        *step += weight * away;
                    });
            }
        }
        all.step /= &all.total;
        all
    }

    /// Sums over the set at one point: `add` is given y − x of some rows, and their E_im = w_im (y_im − D_m)/σ².
    fn over_weights(
        &self,
        x: ArrayView1<T>,
        sigma: f64,
        mut add: impl FnMut(&Level, ArrayView2<f64>, ArrayView2<f64>),
    ) {
        let (x, level) = (x.mapv(|v| v.wide()), self.level(sigma));
        let posterior = self.posterior(x.view(), &level);
        for rows in self.data.axis_chunks_iter(Axis(0), ROWS) {
            let (away, mut weighted) = Self::compared(rows, x.view(), &level);
            for (mut weighted, away) in weighted.rows_mut().into_iter().zip(away.rows()) {
                Zip::from(&mut weighted)
                    .and(away)
                    .and(&posterior.nearest)
                    .and(&posterior.total)
                    .and(&posterior.step)
                    .for_each(|e, away, nearest, total, step| {
                        let weight = ((nearest - *e) * level.scale).exp() / total;
                        *e = weight * (away - step) * 2.0 * level.scale;
                    });
            }
            add(&level, away.view(), weighted.view());
        }
    }
}

impl<T: Scalar> Denoiser<T> for PcaLocalDenoiser<T> {
    fn dim(&self) -> usize {
        self.data.ncols()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.split(x, sigma)?.0)
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let level = self.level(sigma);
        let (mut d, mut rest) = (Array2::zeros(x.raw_dim()), Array2::zeros(x.raw_dim()));
        let out = d.axis_iter_mut(Axis(0)).into_par_iter().zip(rest.axis_iter_mut(Axis(0)));
        x.axis_iter(Axis(0)).into_par_iter().zip(out).for_each(|(x, (mut d, mut rest))| {
            let x = x.mapv(|v| v.wide());
            let step = self.posterior(x.view(), &level).step;
            Zip::from(&mut d).and(&mut rest).and(&x).and(&step).for_each(|d, rest, x, step| {
                (*d, *rest) = (T::of(x + step), T::of(-step));
            });
        });
        Ok((d, rest))
    }
}

/// ∂D_m/∂x_n = S_nm Σ_i E_im (y_in − x_n).
impl<T: Scalar> Differentiable<T> for PcaLocalDenoiser<T> {
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let directions = cast::<T, f64>(directions);
        let mut out = Array2::<f64>::zeros(directions.raw_dim());
        self.over_weights(x, sigma, |level, away, weighted| {
            for (direction, mut out) in directions.outer_iter().zip(out.outer_iter_mut()) {
                let moved = product((&away * &direction).view(), level.seen.view());
                out += &(&moved * &weighted).sum_axis(Axis(0));
            }
        });
        Ok(cast(out.view()))
    }

    /// J is not symmetric: numbers see others through weights of their own.
    fn vjp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let directions = cast::<T, f64>(directions);
        let mut out = Array2::<f64>::zeros(directions.raw_dim());
        self.over_weights(x, sigma, |level, away, weighted| {
            for (direction, mut out) in directions.outer_iter().zip(out.outer_iter_mut()) {
                let pulled = product((&weighted * &direction).view(), level.seen.t());
                out += &(&pulled * &away).sum_axis(Axis(0));
            }
        });
        Ok(cast(out.view()))
    }

    fn jacobian(&self, x: ArrayView1<T>, sigma: f64) -> Result<Array2<T>> {
        let mut j = Array2::<f64>::zeros((x.len(), x.len()));
        let mut seen = None;
        self.over_weights(x, sigma, |level, away, weighted| {
            j += &product(weighted.t(), away);
            seen.get_or_insert_with(|| level.seen.t().to_owned());
        });
        if let Some(seen) = seen {
            j *= &seen;
        }
        Ok(cast(j.view()))
    }
}
