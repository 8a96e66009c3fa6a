//! What linear denoisers generate while they are trained (arXiv 2503.03206).
//!
//! At every noise level σ by itself the loss E‖W(x₀ + σε) − x₀‖² of data of covariance Σ, mean 0, is followed down by
//! gradient flow of rate η for the time τ (steps of size η are τ = 1, 2, …). From W = Q·I every eigenvector of Σ keeps
//! its own weight w, which ends at w* = λ/(λ+σ²):
//!
//! * one layer: w = w* + (Q − w*) e^{−2ητ(λ+σ²)};
//! * two layers W = PPᵀ: w = w*Q/(Q + (w* − Q) e), e = e^{−8ητλ};
//! * circular convolution of N pixels: as one layer, of the variances of Fourier modes, at the rate Nη;
//! * convolution of K pixels: the filter is w* + e^{−2Nητ(Σ_p+σ²)} (Q e₀ − w*), w* = (Σ_p+σ²)⁻¹Σ_p e₀, Σ_p the
//!   covariance of patches. Along the eigenvectors v_i of Σ_p it is as one layer, of their variances s_i; what it makes
//!   of Fourier mode k is Σ_i a_ki w(s_i), a_ki = v_i0 Σ_j v_ij cos(2πkj/N), j from the middle.
//!
//! The probability flow from N(0, σ_T²) to σ_0 multiplies a mode by exp −∫ (1 − w) d ln σ, so that it generates the
//! variance λ̃ = σ_T² exp −2∫ (1 − w) d ln σ. For one and two layers the integral has a closed form, of exponential
//! integrals and of logarithms; by Gauss and Legendre's rule it comes to the same digits for all.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ndarray::{Array1, Array2};

use super::quadrature::Rule;
use crate::linalg::{product, symmetric_eigen};

/// Linear denoisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    /// W
    OneLayer,
    /// P Pᵀ
    TwoLayer,
    /// A filter as wide as the signal, which is periodic
    Circular,
    /// A filter of --patch pixels
    Local,
}

/// What is trained, how.
#[derive(Clone, Debug)]
pub struct Training {
    pub architecture: Architecture,
    /// Pixels of a local filter.
    pub patch: Option<usize>,
    /// Q, the weight of every mode before.
    pub initial: f64,
    /// η.
    pub rate: f64,
    /// σ_0 and σ_T, where the flow ends and starts.
    pub sigmas: (f64, f64),
}

/// A linear denoiser of data with given eigenvalues, at any time of its training.
pub struct Learner {
    training: Training,
    eigenvalues: Vec<f64>,
    /// Of a local filter, s_i, (K), and a_ki, (N, K).
    patches: Option<(Vec<f64>, Array2<f64>)>,
    /// Of ln σ.
    rule: Rule,
}

/// Places of the rule in a piece of ln σ of length 1: the integrand's poles and growth are π/4 off, which leaves
/// 3.4^−32 = 1e-17.
const PLACES: usize = 16;

impl Learner {
    /// Of convolutions, eigenvalues are the variances of Fourier modes 0 … N−1, as many as pixels.
    ///
    /// # Errors
    /// When those of modes k and N−k differ, as none of real signals do; of the factorization.
    pub fn new(training: Training, eigenvalues: Vec<f64>) -> Result<Learner> {
        let (low, high) = training.sigmas;
        let rule = Rule::in_pieces(PLACES, low.ln(), high.ln(), 1.0)?;
        let convolution = matches!(training.architecture, Architecture::Circular | Architecture::Local);
        let n = eigenvalues.len();
        for k in 1..n {
            let (one, other) = (eigenvalues[k], eigenvalues[n - k]);
            ensure!(
                !convolution || (one - other).abs() <= 1e-9 * one.max(other),
                "of a real signal Fourier modes {k} and {} have one variance, and here they are {one} and {other}; give \
                 those of modes 0 to {}, as a discrete Fourier transform has them",
                n - k,
                n - 1
            );
        }
        let patches = match training.patch {
            Some(patch) => Some(patch_modes(&eigenvalues, patch)?),
            None => None,
        };
        Ok(Learner { training, eigenvalues, patches, rule })
    }

    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// w of a mode of variance λ that is trained by itself.
    fn own_weight(&self, variance: f64, sigma: f64, time: f64) -> f64 {
        let Training { architecture, initial, rate, .. } = self.training;
        let total = variance + sigma * sigma;
        let pixels = self.eigenvalues.len() as f64;
        match architecture {
            Architecture::TwoLayer => {
                // Q/(e + Q (1 − e)/w*), (1 − e)/λ in one piece.
                let exponent = 8.0 * rate * time;
                let (e, rise) = match variance {
                    0.0 => (1.0, exponent),
                    _ => ((-exponent * variance).exp(), -(-exponent * variance).exp_m1() / variance),
                };
                initial / (e + initial * rise * total)
            }
            _ => {
                let rate = if architecture == Architecture::OneLayer { rate } else { pixels * rate };
                let optimum = variance / total;
                optimum + (initial - optimum) * (-2.0 * rate * time * total).exp()
            }
        }
    }

    /// What is linear in w, of a mode.
    fn of_mode(&self, mode: usize, of: impl Fn(f64) -> f64) -> f64 {
        match &self.patches {
            Some((variances, shares)) => {
                variances.iter().zip(shares.row(mode)).map(|(s, a)| a * of(*s)).sum()
            }
            None => of(self.eigenvalues[mode]),
        }
    }

    /// w of a mode at a noise level.
    pub fn weight(&self, mode: usize, sigma: f64, time: f64) -> f64 {
        self.of_mode(mode, |variance| self.own_weight(variance, sigma, time))
    }

    /// λ̃ of a mode.
    pub fn variance(&self, mode: usize, time: f64) -> f64 {
        self.variance_of(self.of_mode(mode, |variance| self.shrinkage(variance, time)))
    }

    /// λ̃ of all modes, for the price of the fewer integrals.
    pub fn variances(&self, time: f64) -> Vec<f64> {
        match &self.patches {
            Some((variances, shares)) => {
                let of: Array1<f64> = variances.iter().map(|s| self.shrinkage(*s, time)).collect();
                shares.dot(&of).iter().map(|shrinkage| self.variance_of(*shrinkage)).collect()
            }
            None => (0..self.eigenvalues.len()).map(|mode| self.variance(mode, time)).collect(),
        }
    }

    /// ∫ (1 − w) d ln σ.
    fn shrinkage(&self, variance: f64, time: f64) -> f64 {
        self.rule.integral(|log| 1.0 - self.own_weight(variance, log.exp(), time))
    }

    fn variance_of(&self, shrinkage: f64) -> f64 {
        let start = self.training.sigmas.1;
        start * start * (-2.0 * shrinkage).exp()
    }

    /// When every mode emerges: first has half of what training changes about its variance, by `criterion`.
    pub fn emergence(&self, criterion: Criterion) -> Vec<Emergence> {
        let times = self.times();
        let (initial, target) = (self.variances(0.0), self.variances(f64::INFINITY));
        let mut found: Vec<Emergence> = initial
            .iter()
            .zip(&target)
            .map(|(&initial, &target)| Emergence { initial, target, time: None })
            .collect();
        let mut before = 0.0;
        for time in times {
            let now = self.variances(time);
            for (mode, (emergence, now)) in found.iter_mut().zip(now).enumerate() {
                let level = emergence.level(criterion);
                let beyond = |variance: f64| (variance >= level) == emergence.rises();
                if emergence.time.is_none() && emergence.is_apart(1.0 + ROUNDING) && beyond(now) {
                    emergence.time = Some(bisect(before, time, |t| beyond(self.variance(mode, t))));
                }
            }
            before = time;
        }
        found
    }

    /// Times at which modes are looked at, eight a factor of ten, from before the fastest is learned at the highest level
    /// to after the slowest at the lowest.
    fn times(&self) -> Vec<f64> {
        let Training { architecture, initial, rate, sigmas: (low, high), .. } = self.training;
        let largest = self.eigenvalues.iter().fold(0.0f64, |a, b| a.max(*b));
        let smallest = self.eigenvalues.iter().fold(largest, |a, b| a.min(*b));
        let fastest = 8.0 * rate * self.eigenvalues.len() as f64 * (largest + high * high);
        // Two layers unlearn in proportion to the weight that they have.
        let share = if architecture == Architecture::TwoLayer { initial } else { 1.0 };
        let slowest = share * rate * (smallest + low * low);
        // Of rates beyond all numbers, what numbers there are.
        let within = |log: f64| log.clamp(-300.0, 300.0);
        let (first, last) =
            (within((1e-3 / fastest).log10().floor()), within((1e3 / slowest).log10().ceil()));
        (0..=(8.0 * (last - first)) as usize).map(|i| 10f64.powf(first + i as f64 / 8.0)).collect()
    }
}

/// Variances s_i of the directions of patches and a_ki.
fn patch_modes(variances: &[f64], patch: usize) -> Result<(Vec<f64>, Array2<f64>)> {
    let n = variances.len();
    // The angle of mode k over j pixels, of whole turns less than one.
    let cosine = |k: usize, j: usize| (2.0 * std::f64::consts::PI * ((k * j) % n) as f64 / n as f64).cos();
    let covariance = |lag: usize| -> f64 {
        variances.iter().enumerate().map(|(k, v)| v * cosine(k, lag)).sum::<f64>() / n as f64
    };
    let lags: Vec<f64> = (0..patch).map(covariance).collect();
    let (values, vectors) =
        symmetric_eigen(Array2::from_shape_fn((patch, patch), |(i, j)| lags[i.abs_diff(j)]).view())?;
    let middle = patch / 2;
    let turned = Array2::from_shape_fn((n, patch), |(k, j)| cosine(k, j.abs_diff(middle)));
    let shares = product(turned.view(), vectors.view()) * vectors.row(middle);
    // Variances are none below 0, but by rounding.
    Ok((values.iter().map(|v| v.max(0.0)).collect(), shares))
}

/// A share that a variance changes by where it does not change but for rounding.
const ROUNDING: f64 = 1e-12;

/// What is halfway from the variance before training to that after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Criterion {
    /// √(before · after)
    Geometric,
    /// 2/(1/before + 1/after)
    Harmonic,
}

/// When a mode emerges.
#[derive(Clone, Copy, Debug)]
pub struct Emergence {
    /// λ̃ before training and after it.
    pub initial: f64,
    pub target: f64,
    /// None of a mode that does not change.
    pub time: Option<f64>,
}

impl Emergence {
    /// Whether training lets the variance grow.
    pub fn rises(&self) -> bool {
        self.target > self.initial
    }

    /// Whether the variances before and after are a factor apart, so that there is something to emerge.
    pub fn is_apart(&self, factor: f64) -> bool {
        (self.initial / self.target).max(self.target / self.initial) > factor
    }

    fn level(&self, criterion: Criterion) -> f64 {
        match criterion {
            Criterion::Geometric => self.initial.sqrt() * self.target.sqrt(),
            Criterion::Harmonic => 2.0 / (1.0 / self.initial + 1.0 / self.target),
        }
    }
}

/// The time between two at which something begins to be so.
fn bisect(mut before: f64, mut after: f64, is_so: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = before + 0.5 * (after - before);
        if middle <= before || middle >= after {
            return after;
        }
        if is_so(middle) { after = middle } else { before = middle }
    }
}
