//! Training a linear map of random features to denoise, in closed form (as arXiv 2602.06021 does): the loss
//! E‖A φ(x)/√p − y‖² over data x₀, whose rows are given, and noise ε, x = x₀ + σε, y = x₀ − m or ε.
//!
//! Gradient flow from A = 0 is dA/dt = −2(A U − B), with U = E φφᵀ/p and B = E yφᵀ/√p, and so
//! A(t) = B U⁺(I − e^{−2Ut}): of U's eigenvectors those of small eigenvalues are learned last. Where weights have a
//! penalty λ‖A‖², A = B(U + λI)⁻¹.
//!
//! Expectations over the noise are exact, since features are cosines (c, ω, b and m as in [`crate::network::random_features`]):
//! with a_j = c ω_jᵀ(x₀ − m) + b_j and q = c²σ²,
//! E φ_jφ_k = cos(a_j − a_k) e^{−q‖ω_j − ω_k‖²/2} + cos(a_j + a_k) e^{−q‖ω_j + ω_k‖²/2}, E φ_j = √2 cos(a_j) e^{−q‖ω_j‖²/2}, and
//! E εφ_j = −√2 cσ ω_j sin(a_j) e^{−q‖ω_j‖²/2}. Of the data they are means over the rows, which stream.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::blocks::room;
use crate::linalg::{accumulate_moment, dot, product, squared_norms, symmetric_eigen};
use crate::network::random_features::{Features, Target};
use crate::random::{Purpose, row_rng, standard_normals, uniform};
use crate::scalar::Scalar;

/// Rows that enter moments at once: each product is cut at the same rows, whatever blocks they come in.
const AT_ONCE: usize = 512;

/// How far training goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Training {
    /// Gradient flow until time t.
    Flow(f64),
    /// To the end, with a penalty λ ≥ 0.
    Ridge(f64),
}

impl Training {
    /// What becomes of an eigenvalue u of U: A = B f(U). Those up to `nothing` are rounding, and B has no part there.
    fn filter(self, u: f64, nothing: f64) -> f64 {
        match self {
            _ if u <= nothing => 0.0,
            Training::Flow(t) => -(-2.0 * u * t).exp_m1() / u,
            Training::Ridge(penalty) => 1.0 / (u + penalty),
        }
    }
}

/// p features about this mean, for data of this deviation: their kernel, the limit of many, is
/// exp(−c²‖x − x'‖²/(2 d L²)), L the bandwidth.
pub fn draw(count: usize, mean: Array1<f64>, sigma_data: f64, bandwidth: f64, seed: u64) -> Features {
    let d = mean.len();
    let scale = 1.0 / ((d as f64).sqrt() * bandwidth);
    let mut frequencies = Array2::zeros((count, d));
    let mut phases = Array1::zeros(count);
    for (j, (mut frequency, phase)) in frequencies.outer_iter_mut().zip(&mut phases).enumerate() {
        let mut rng = row_rng(seed, Purpose::Features, j as u64);
        frequency.assign(&(Array1::from(standard_normals::<f64>(&mut rng, d)) * scale));
        *phase = std::f64::consts::TAU * uniform(&mut rng);
    }
    Features { frequencies, phases, mean, sigma_data }
}

/// Mean and deviation of rows, which enter one by one, so that blocks change nothing.
#[derive(Default)]
pub struct Spread {
    count: usize,
    /// The first row, subtracted throughout: a mean far from 0 costs no digits.
    shift: Array1<f64>,
    /// Σ (x − s) and Σ ‖x − s‖².
    sum: Array1<f64>,
    squares: f64,
}

impl Spread {
    pub fn add<T: Scalar>(&mut self, rows: ArrayView2<T>) {
        for row in rows.outer_iter() {
            let row = row.mapv(T::wide);
            if self.count == 0 {
                (self.sum, self.shift) = (Array1::zeros(row.len()), row.clone());
            }
            let off = row - &self.shift;
            self.squares += dot(off.view(), off.view());
            self.sum += &off;
            self.count += 1;
        }
    }

    /// The mean, and the root of the mean variance of a column (divisor N); none of no rows.
    pub fn mean_and_deviation(&self) -> Option<(Array1<f64>, f64)> {
        let off = &self.sum / self.count as f64;
        let variance = self.squares / self.count as f64 - off.iter().map(|m| m * m).sum::<f64>();
        // Rounding may leave less than 0; what is not finite stays so.
        let variance = if variance < 0.0 { 0.0 } else { variance };
        let deviation = (variance / off.len() as f64).sqrt();
        (self.count > 0).then(|| (off + &self.shift, deviation))
    }
}

/// Moments of the rows at one noise level: memory 2p² + dp, with as much again while a fit is made.
pub struct Moments<'a> {
    features: &'a Features,
    sigma: f64,
    /// Σ cos a cos aᵀ and Σ sin a sin aᵀ, (p, p), what is on and below the diagonal.
    cosines: Array2<f64>,
    sines: Array2<f64>,
    /// Σ (x₀ − m) cos aᵀ, (d, p).
    cross: Array2<f64>,
    /// Σ sin a, (p).
    sine_sum: Array1<f64>,
    /// Rows less the mean that have not entered yet.
    waiting: Array2<f64>,
    held: usize,
    count: usize,
}

impl<'a> Moments<'a> {
    /// # Errors
    /// When they do not fit in memory.
    pub fn new(features: &'a Features, sigma: f64) -> Result<Moments<'a>> {
        let (p, d) = features.frequencies.dim();
        room(&[6, p, p], "the moments of random features")?;
        room(&[3, p, d], "the coefficients of random features")?;
        Ok(Moments {
            features,
            sigma,
            cosines: Array2::zeros((p, p)),
            sines: Array2::zeros((p, p)),
            cross: Array2::zeros((d, p)),
            sine_sum: Array1::zeros(p),
            waiting: Array2::zeros((AT_ONCE, d)),
            held: 0,
            count: 0,
        })
    }

    /// Takes in rows: the same rows give the same bytes, whatever blocks they come in.
    pub fn add<T: Scalar>(&mut self, rows: ArrayView2<T>) {
        for row in rows.outer_iter() {
            let centred = row.iter().zip(&self.features.mean).map(|(x, m)| x.wide() - m);
            self.waiting.row_mut(self.held).iter_mut().zip(centred).for_each(|(place, v)| *place = v);
            self.held += 1;
            if self.held == AT_ONCE {
                self.enter();
            }
        }
    }

    fn enter(&mut self) {
        let y = self.waiting.slice(s![..self.held, ..]);
        let scale = self.features.scale(self.sigma);
        let angles = product(y, self.features.frequencies.t()) * scale + &self.features.phases;
        let (cosines, sines) = (angles.mapv(f64::cos), angles.mapv(f64::sin));
        accumulate_moment(self.cosines.view_mut(), cosines.view(), cosines.view(), true);
        accumulate_moment(self.sines.view_mut(), sines.view(), sines.view(), true);
        accumulate_moment(self.cross.view_mut(), y, cosines.view(), false);
        self.sine_sum += &sines.sum_axis(Axis(0));
        self.count += self.held;
        self.held = 0;
    }

    /// A, (d, p).
    ///
    /// # Errors
    /// No rows; numbers that are not finite.
    pub fn fit(mut self, target: Target, training: Training) -> Result<Array2<f64>> {
        self.enter();
        ensure!(self.count > 0, "no rows to fit; give samples");
        let b = self.towards(target);
        let (values, vectors) = symmetric_eigen(self.gram().view())?;
        let nothing = f64::EPSILON * values.len() as f64 * values[0];
        let filter = values.mapv(|u| training.filter(u, nothing));
        let along = product(b.view(), vectors.view()) * &filter;
        Ok(product(along.view(), vectors.t()))
    }

    /// e^{−q‖ω_j‖²/2}.
    fn damping(&self) -> Array1<f64> {
        let q = (self.features.scale(self.sigma) * self.sigma).powi(2);
        squared_norms(self.features.frequencies.view()).mapv(|norm| (-0.5 * q * norm).exp())
    }

    /// B, (d, p).
    fn towards(&self, target: Target) -> Array2<f64> {
        let (p, n) = (self.sine_sum.len() as f64, self.count as f64);
        let damping = self.damping() * (2.0 / p).sqrt();
        match target {
            Target::Data => &self.cross * &(damping / n),
            Target::Noise => {
                let size = -self.features.scale(self.sigma) * self.sigma;
                &self.features.frequencies.t() * &(&self.sine_sum * &damping * (size / n))
            }
        }
    }

    /// U, (p, p).
    fn gram(&self) -> Array2<f64> {
        let (p, n) = (self.sine_sum.len(), self.count as f64);
        let frequencies = self.features.frequencies.view();
        let q = (self.features.scale(self.sigma) * self.sigma).powi(2);
        let norms = squared_norms(frequencies);
        let mut gram = product(frequencies, frequencies.t());
        for j in 0..p {
            for k in 0..=j {
                let (both, inner) = (norms[j] + norms[k], 2.0 * gram[[j, k]]);
                let apart = self.cosines[[j, k]] + self.sines[[j, k]];
                let together = self.cosines[[j, k]] - self.sines[[j, k]];
                gram[[j, k]] = (apart * (-0.5 * q * (both - inner)).exp()
                    + together * (-0.5 * q * (both + inner)).exp())
                    / (n * p as f64);
            }
            for k in 0..j {
                gram[[k, j]] = gram[[j, k]];
            }
        }
        gram
    }
}
