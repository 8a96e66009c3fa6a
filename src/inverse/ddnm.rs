//! Denoising diffusion null-space models (Wang, Yu and Zhang, arXiv 2212.00490, equations 17 to 19: DDNM⁺, which for
//! s = 0 is DDNM).
//!
//! The denoiser's answer is made to agree with y in the row space of A, x̂₀ = D − Σ A⁺(A D − y), and what is left of the
//! step's noise is added. An ancestral step from σ to τ takes a = 1 − τ²/σ² of x̂₀ and has noise of deviation c = τ√a in
//! all. Along a singular vector of A with value √e, Σ = λ brings noise aλs/√e of the measurement, so that
//!
//!   λ = min(1, c√e/(a s)),   and √(c² − a²λ²s²/e) is left to add.
//!
//! The last step, to 0, has no noise: with s > 0 it is D itself.

use anyhow::Result;
use ndarray::Array2;

use super::{Problem, Step};
use crate::denoiser::Denoiser;

/// One estimate a row of the problem along the levels.
///
/// # Errors
/// Of the model, and of the operator's factors.
pub fn restore(problem: &Problem, model: &dyn Denoiser<f64>, sigmas: &[f64]) -> Result<Array2<f64>> {
    let (operator, s) = (problem.operator, problem.noise_std);
    let least = operator.least_value()?;
    let mut x = problem.start(model.dim(), sigmas[0]);
    for step in Step::all(sigmas) {
        let (a, c) = (step.share(), step.noise());
        let lambda = |e: f64| if a * s > 0.0 { (c * e.sqrt() / (a * s)).min(1.0) } else { 1.0 };
        let mut estimate = problem.denoise(model, &x, step.from)?;
        let residual = &problem.y - &operator.apply(estimate.view());
        let corrected = operator.of_gram(residual.view(), |e| if e > least { lambda(e) / e } else { 0.0 })?;
        estimate += &operator.adjoint(corrected.view());
        let mut noise = problem.noise(step.number, x.ncols());
        if s > 0.0 && c > 0.0 {
            // √(c² − a²λ²s²/e)/c along singular vectors, 1 off them.
            let left = |e: f64| (1.0 - (a * lambda(e) * s / c).powi(2) / e).max(0.0).sqrt();
            let seen = operator.apply(noise.view());
            let less =
                operator.of_gram(seen.view(), |e| if e > least { (left(e) - 1.0) / e } else { 0.0 })?;
            noise += &operator.adjoint(less.view());
        }
        x = step.ancestral(&x, &estimate, &noise);
    }
    Ok(x)
}
