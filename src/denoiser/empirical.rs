//! The optimal denoiser of a finite set of points y_1 … y_N:
//! D(x; σ) = Σ_i w_i y_i, w = softmax_i(−‖x − y_i‖²/2σ²) (arXiv 2310.05264).
//!
//! One pass over tiles of the data with a running maximum (online softmax), so
//! memory beside the data is a few tiles. Distances come from products,
//! ‖x − y‖² = ‖x‖² − 2xᵀy + ‖y‖² of centred points, whose rounding over σ² shows
//! in the weights once σ is small; then the few weights that count are
//! recomputed by differences, exactly (see [`REFINED_SHARE`]).

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::{Denoiser, Singular};
use crate::linalg::{
    accumulate, cast, dot, orthonormalize, product, squared_distance, squared_norms, symmetric_eigen,
};
use crate::scalar::Scalar;

/// Rows of the data that are looked at together: the tile of weights and the
/// tile of data both stay in the cache.
const TILE: usize = 512;

/// Weights under exp(−80) are set to exactly 0: they change no digit, and
/// denormal numbers would slow the products down thirtyfold.
const NEGLIGIBLE: f64 = -80.0;

/// When rounding matters, a weight above this share of all is recomputed
/// exactly. At most 100 points of a tile can have it; those below are many, so
/// their rounding averages out.
const REFINED_SHARE: f64 = 0.01;

/// Units of T's rounding that the log weights may carry unrefined: about 1e-6
/// in f32 and 2e-15 in f64.
const TOLERATED: f64 = 8.0;

/// Singular values of a Jacobian below this share of the largest are rounding.
const NOTHING: f64 = 1e-14;

/// The denoiser of a training set, computing in T.
pub struct EmpiricalDenoiser<T: Scalar> {
    /// y_i, (N, d).
    data: Array2<T>,
    /// The data's mean, subtracted from x before products so that they stay small.
    centre: Array1<T>,
    /// ½‖y_i − centre‖².
    half_norms: Vec<T>,
    /// The largest ‖y_i‖.
    radius: f64,
}

impl<T: Scalar> EmpiricalDenoiser<T> {
    pub fn new(data: Array2<T>) -> EmpiricalDenoiser<T> {
        let n = data.nrows().max(1) as f64;
        let mut sums = Array1::<f64>::zeros(data.ncols());
        for row in data.outer_iter() {
            sums.zip_mut_with(&row, |s, v| *s += v.wide());
        }
        let centre = sums.mapv(|s| T::of(s / n));
        let half_norms: Vec<T> =
            data.outer_iter().map(|row| T::of(0.5 * squared_distance(row, centre.view()))).collect();
        let radius = squared_norms(data.view()).iter().fold(0.0f64, |m, n| m.max(n.sqrt()));
        EmpiricalDenoiser { data, centre, half_norms, radius }
    }

    /// Weights of all points for one x, exactly, with those under 1e-18 of the
    /// largest left out: (index, weight), weights sum to 1.
    fn weights(&self, x: ArrayView1<T>, sigma: f64) -> Vec<(usize, f64)> {
        let logs: Vec<f64> =
            self.data.outer_iter().map(|y| -squared_distance(x, y) / (2.0 * sigma * sigma)).collect();
        let best = logs.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let mut kept: Vec<(usize, f64)> =
            logs.iter().enumerate().map(|(i, l)| (i, (l - best).exp())).filter(|(_, w)| *w > 1e-18).collect();
        let total: f64 = kept.iter().map(|(_, w)| w).sum();
        kept.iter_mut().for_each(|(_, w)| *w /= total);
        kept
    }

    /// Rows √w_i (y_i − D)/σ of the points that count, in f64: the Jacobian is
    /// the Gram matrix of their columns.
    fn deviations(&self, x: ArrayView1<T>, sigma: f64) -> Array2<f64> {
        let weights = self.weights(x, sigma);
        let indices: Vec<usize> = weights.iter().map(|(i, _)| *i).collect();
        let mut rows = cast::<T, f64>(self.data.select(Axis(0), &indices).view());
        let w = Array1::from_iter(weights.iter().map(|(_, w)| *w));
        let mean = w.dot(&rows);
        for (mut row, w) in rows.outer_iter_mut().zip(&w) {
            row -= &mean;
            row *= w.sqrt() / sigma;
        }
        rows
    }
}

/// The running softmax of one row: its reference point, the likeliest so far,
/// and the sum of weights relative to it.
#[derive(Clone)]
struct Running {
    /// xᵀy − ½‖y‖² of the reference point, as products give it.
    rough: f64,
    /// −½‖x − y‖² of the reference point, by differences; for coarse rows only.
    exact: f64,
    total: f64,
}

impl Running {
    const START: Running = Running { rough: f64::NEG_INFINITY, exact: f64::NEG_INFINITY, total: 0.0 };
}

impl<T: Scalar> Denoiser<T> for EmpiricalDenoiser<T> {
    fn dim(&self) -> usize {
        self.data.ncols()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Array2<T> {
        let scale = 1.0 / (sigma * sigma);
        let centred = &x - &self.centre;
        // Rounding of each row's log weights, in units of T's.
        let rounding: Vec<f64> = squared_norms(centred.view())
            .iter()
            .map(|n| n.sqrt().max(self.radius) * self.radius * scale)
            .collect();
        let mut running = vec![Running::START; x.nrows()];
        let mut out = Array2::<T>::zeros(x.raw_dim());
        for start in (0..self.data.nrows()).step_by(TILE) {
            let stop = (start + TILE).min(self.data.nrows());
            let points = self.data.slice(s![start..stop, ..]);
            // x centred, y not: the difference, centred x times the centre, is
            // the same for all points of a row, and weights do not see it.
            let mut weights = product(centred.view(), points.t());
            let mut any = false;
            for (i, mut w) in weights.outer_iter_mut().enumerate() {
                let Some(w) = w.as_slice_mut() else { continue };
                let rescale = if rounding[i] > TOLERATED {
                    let margin = 8.0 * T::epsilon().wide() * rounding[i];
                    self.refined_weights(w, start, x.row(i), scale, margin, &mut running[i])
                } else {
                    self.plain_weights(w, start, scale, &mut running[i])
                };
                let Some(rescale) = rescale else { continue };
                any = true;
                if rescale != 1.0 {
                    let rescale = T::of(rescale);
                    out.row_mut(i).mapv_inplace(|v| v * rescale);
                }
            }
            if any {
                accumulate(out.view_mut(), weights.view(), points);
            }
        }
        for (mut row, run) in out.outer_iter_mut().zip(&running) {
            if run.total != 1.0 {
                let total = T::of(run.total);
                row.mapv_inplace(|v| v / total);
            }
        }
        out
    }

    /// J = σ⁻² Cov_w(y): Σ w_i (y_i − D)((y_i − D)·v)/σ².
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Array2<T> {
        let rows = self.deviations(x, sigma);
        let v = cast::<T, f64>(directions);
        let along = product(v.view(), rows.t());
        cast(product(along.view(), rows.view()).view())
    }

    /// Through the Gram matrix of the points that count, or through J itself
    /// when they are more than d.
    fn spectrum(&self, x: ArrayView1<T>, sigma: f64, vectors: bool) -> Result<Singular> {
        let rows = self.deviations(x, sigma);
        let (m, d) = rows.dim();
        if m > d {
            let (values, right) = symmetric_eigen(product(rows.t(), rows.view()).view())?;
            return Ok(Singular { values: values.mapv(|v| v.max(0.0)), right, rest: (0.0, 0) });
        }
        let (values, left) = symmetric_eigen(product(rows.view(), rows.t()).view())?;
        // The rows' weighted sum is 0, so at least one value is, and what
        // rounding leaves of it has no direction.
        let held = values.iter().filter(|&&v| v > NOTHING * values[0]).count();
        let right = if vectors {
            let axes = product(rows.t(), left.slice(s![.., ..held]));
            // Orthogonal already, but the smaller ones only to their own rounding.
            orthonormalize(axes.view())
        } else {
            Array2::zeros((d, 0))
        };
        Ok(Singular { values: values.slice(s![..held]).to_owned(), right, rest: (0.0, d - held) })
    }
}

impl<T: Scalar> EmpiricalDenoiser<T> {
    /// Turns a row of products x'y_i into weights relative to the row's running
    /// maximum, and returns by what the sum so far is to be multiplied; `None`
    /// when all weights of the tile are 0.
    fn plain_weights(&self, w: &mut [T], start: usize, scale: f64, run: &mut Running) -> Option<f64> {
        let mut best = T::neg_infinity();
        for (w, h) in w.iter_mut().zip(&self.half_norms[start..]) {
            *w -= *h;
            best = best.max(*w);
        }
        let best = best.wide();
        let mut rescale = 1.0;
        if best > run.rough {
            rescale = flushed((run.rough - best) * scale);
            run.rough = best;
        }
        let (reference, factor) = (T::of(run.rough), T::of(scale));
        for w in w.iter_mut() {
            *w = ((*w - reference) * factor).exp_flushed();
        }
        let sum = dot(ArrayView1::from(&*w), Array1::ones(w.len()).view());
        run.total = run.total * rescale + sum;
        (sum > 0.0).then_some(rescale)
    }

    /// The same where products are too coarse: points of a share worth it are
    /// measured by differences, among them the reference. `margin` bounds the
    /// rounding of a log weight.
    fn refined_weights(
        &self,
        w: &mut [T],
        start: usize,
        x: ArrayView1<T>,
        scale: f64,
        margin: f64,
        run: &mut Running,
    ) -> Option<f64> {
        let rough: Vec<f64> =
            w.iter().zip(&self.half_norms[start..]).map(|(w, h)| (*w - *h).wide()).collect();
        let top = rough.iter().fold(run.rough, |m, &r| m.max(r));
        let total = run.total * flushed((run.rough - top) * scale)
            + rough.iter().map(|r| flushed((r - top) * scale)).sum::<f64>();
        let worth = (REFINED_SHARE * total).ln().min(0.0) - margin;
        let mut refined = Vec::new();
        let before = run.exact;
        for (i, &r) in rough.iter().enumerate() {
            if (r - top) * scale >= worth {
                let exact = -0.5 * squared_distance(x, self.data.row(start + i));
                refined.push((i, exact));
                if exact > run.exact {
                    (run.rough, run.exact) = (r, exact);
                }
            }
        }
        let rescale = if run.total > 0.0 { flushed((before - run.exact) * scale) } else { 1.0 };
        let mut logs: Vec<f64> = rough.iter().map(|r| (r - run.rough) * scale).collect();
        for (i, exact) in refined {
            logs[i] = (exact - run.exact) * scale;
        }
        let mut sum = 0.0;
        for (w, log) in w.iter_mut().zip(logs) {
            let weight = flushed(log);
            *w = T::of(weight);
            sum += weight;
        }
        run.total = run.total * rescale + sum;
        (sum > 0.0 || rescale != 1.0).then_some(rescale)
    }
}

/// exp, with what is negligible set to 0.
fn flushed(log: f64) -> f64 {
    if log < NEGLIGIBLE { 0.0 } else { log.exp() }
}
