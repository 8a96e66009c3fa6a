//! What a linear denoiser is over training sets: random matrices (arXiv 2602.02908).
//!
//! Of n rows of covariance Σ, d eigenvalues λ, the empirical covariance Σ̂ makes the denoiser Σ̂(Σ̂+σ²)⁻¹. Its mean over
//! training sets is that of Σ itself with more noise, and it varies about that, as n and d grow together:
//!
//! * κ(z) > z solves κ − z = (κ/n) Σ_j λ_j/(λ_j+κ), the renormalized noise; E Σ̂(Σ̂+z)⁻¹ ≍ Σ(Σ+κ(z))⁻¹;
//! * Var vᵀD(x) ≍ κ²/(n − df₂) ◇(v) ◇(x − μ), ◇(u) = Σ_j u_j² λ_j/(λ_j+κ)², df₂ = Σ_j λ_j²/(λ_j+κ)²;
//! * the flow maps latents by Σ̂^{½} = (2/π) ∫₀^∞ Σ̂(Σ̂+u²)⁻¹ du, so its mean is that of κ(u²), and its variance
//!   (4/π²) ∬ κκ'/(n − df₂(κ,κ')) ⬠(v) ⬠(z) du du', ⬠(a) = Σ_j a_j² λ_j/((λ_j+κ)(λ_j+κ')), κ = κ(u²), κ' = κ(u'²),
//!   df₂(κ,κ') = Σ_j λ_j²/((λ_j+κ)(λ_j+κ')); over latents z of N(0, I) ⬠(z) is Σ_j λ_j/((λ_j+κ)(λ_j+κ')).

use anyhow::Result;
use ndarray::{Array2, Axis};

use super::quadrature::Rule;
use crate::linalg::product;

/// ln of a factor beyond which integrals have nothing: what is left out is e⁻²³, 1e-10, of them.
const BEYOND: f64 = 23.0;

/// Steps of Newton's method, of which it takes some ten.
const STEPS: usize = 200;

/// κ(z), z ≥ 0, of n rows, which need not be a whole number: with r the number of λ > 0, the largest root of
/// F(κ) = κ (n − r)/n + κ² Σ_{λ>0} 1/(λ+κ)/n − z.
///
/// That is the equation above without its cancellation, κ being far below λ where r is about n. F is convex, and not
/// negative at z + Σ λ/n, so that Newton's method falls from there to the root. So does the parabola that has the sum of
/// a larger κ, and it halves the way to a κ of 1e-100 in its logarithm.
pub fn kappa(eigenvalues: &[f64], n: f64, z: f64) -> f64 {
    let positive: Vec<f64> = eigenvalues.iter().copied().filter(|v| *v > 0.0).collect();
    let rank = positive.len() as f64;
    if z == 0.0 && rank <= n {
        return 0.0;
    }
    let spare = if n.is_finite() { (n - rank) / n } else { 1.0 };
    let sum = |of: &dyn Fn(f64) -> f64| positive.iter().map(|v| of(*v)).sum::<f64>() / n;
    let mut kappa = z + sum(&|v| v);
    for _ in 0..STEPS {
        let bend = sum(&|v| 1.0 / (v + kappa));
        let value = kappa * (spare + kappa * bend) - z;
        let slope = spare + kappa * sum(&|v| (2.0 * v + kappa) / (v + kappa) / (v + kappa));
        let next = (kappa - value / slope).min(parabola(spare, bend, z));
        // At the root it no longer falls, but for rounding.
        if next >= kappa || next.is_nan() {
            break;
        }
        kappa = next;
    }
    kappa.max(z)
}

/// The largest root of x·spare + x²·bend = z.
fn parabola(spare: f64, bend: f64, z: f64) -> f64 {
    let root = spare.hypot(2.0 * (bend * z).sqrt());
    if spare >= 0.0 { 2.0 * z / (spare + root) } else { (root - spare) / (2.0 * bend) }
}

/// The denoiser at one noise level, over training sets of n rows.
#[derive(Clone, Copy, Debug)]
pub struct Denoiser {
    /// κ(σ²).
    pub kappa: f64,
    /// df₂.
    pub freedom: f64,
    /// κ²/(n − df₂).
    pub factor: f64,
}

impl Denoiser {
    pub fn new(eigenvalues: &[f64], n: f64, sigma: f64) -> Denoiser {
        let kappa = kappa(eigenvalues, n, sigma * sigma);
        let positive = || eigenvalues.iter().filter(|v| **v > 0.0);
        let freedom = positive().map(|v| (v / (v + kappa)).powi(2)).sum();
        // n − df₂, of which nothing cancels where κ is far below λ and n about their number.
        let missed: f64 = positive().map(|v| kappa / (v + kappa) * ((2.0 * v + kappa) / (v + kappa))).sum();
        let left = n - positive().count() as f64 + missed;
        Denoiser { kappa, freedom, factor: kappa / left * kappa }
    }

    /// What a mode is multiplied by on average.
    pub fn gain(&self, variance: f64) -> f64 {
        variance / (variance + self.kappa)
    }

    /// ◇ of the unit vector of a mode.
    pub fn spread(&self, variance: f64) -> f64 {
        variance / (variance + self.kappa).powi(2)
    }

    /// The variance of the answer along each mode, at inputs of their own law, N(μ, Σ + σ²).
    pub fn variances(&self, eigenvalues: &[f64], sigma: f64) -> Vec<f64> {
        let inputs: f64 = eigenvalues.iter().map(|v| (v + sigma * sigma) * self.spread(*v)).sum();
        eigenvalues.iter().map(|v| self.factor * self.spread(*v) * inputs).collect()
    }
}

/// The flow's map over training sets of n rows: what latents are multiplied by on average, mode by mode, and the variance
/// along each mode of what they become, over latents too.
///
/// By Gauss and Legendre's rule in ln u, so many places in every factor e⁴: from where u is nothing beside the smallest √λ
/// to where it is nothing under the largest.
///
/// # Errors
/// Of the rule.
pub fn map(eigenvalues: &[f64], n: f64, places: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let largest = eigenvalues.iter().fold(0.0f64, |a, v| a.max(*v));
    let smallest = eigenvalues.iter().filter(|v| **v > 0.0).fold(largest, |a, v| a.min(*v));
    let ends = [smallest, largest].map(|v| v.sqrt().ln());
    let Rule(rule) = Rule::in_pieces(places, ends[0] - BEYOND, ends[1] + BEYOND, 4.0)?;
    let levels: Vec<(f64, f64)> = rule
        .iter()
        .map(|(log, w)| {
            let u = log.exp();
            (kappa(eigenvalues, n, u * u), w * u * std::f64::consts::FRAC_2_PI)
        })
        .collect();
    // w κ/(λ+κ) has no numbers as large as w and κ.
    let by_level = |of: &dyn Fn(f64, f64, f64) -> f64| {
        Array2::from_shape_fn((eigenvalues.len(), levels.len()), |(j, a)| {
            let (kappa, weight) = levels[a];
            of(eigenvalues[j], kappa, weight)
        })
    };
    let gains = by_level(&|v, kappa, weight| weight * (v / (v + kappa))).sum_axis(Axis(1));
    let missed = by_level(&|v, kappa, _| if v > 0.0 { kappa / (v + kappa) } else { 0.0 });
    let mixed = by_level(&|v, kappa, _| v.sqrt() * (kappa / (v + kappa)));
    let spread = by_level(&|v, kappa, weight| weight * (v.sqrt() / (v + kappa)));
    // n − df₂ = n − r + Σ_{λ>0} (1 − λ²/((λ+κ)(λ+κ'))), of κ/(λ+κ) and κ'/(λ+κ').
    let once = missed.sum_axis(Axis(0));
    let spare = n - eigenvalues.iter().filter(|v| **v > 0.0).count() as f64;
    let left = spare + &once.view().insert_axis(Axis(1)) + &once - product(missed.t(), missed.view());
    let kernel = product(mixed.t(), mixed.view()) / left;
    let variances = (product(spread.view(), kernel.view()) * &spread).sum_axis(Axis(1));
    Ok((gains.to_vec(), variances.to_vec()))
}
