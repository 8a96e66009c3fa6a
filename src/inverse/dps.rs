//! Diffusion posterior sampling (Chung et al., arXiv 2209.14687, algorithm 1 for Gaussian noise).
//!
//! x′ of the ancestral step, then x_{i−1} = x′ − ζ_i ∇_{x_i} ‖y − A x̂₀(x_i)‖² with ζ_i = ζ/‖y − A x̂₀‖. The paper's x is
//! α x̂, of variance preserving noise α = 1/√(1 + σ²); so in σ-space, with x̂₀ = D and J its Jacobian,
//!
//!   x̂_{i−1} = x̂′ + 2ζ √(1 + σ_i²) √(1 + σ_{i−1}²) Jᵀ Aᵀ(y − A D)/‖y − A D‖.

use anyhow::{Result, ensure};
use ndarray::{Array2, Axis};

use super::{Problem, Step, TOO_LARGE, vjp};
use crate::denoiser::Differentiable;

/// One estimate a row of the problem, with steps of size ζ along the levels.
///
/// # Errors
/// Of the model.
pub fn restore(
    problem: &Problem,
    model: &dyn Differentiable<f64>,
    sigmas: &[f64],
    zeta: f64,
) -> Result<Array2<f64>> {
    let mut x = problem.start(model.dim(), sigmas[0]);
    for step in Step::all(sigmas) {
        let denoised = problem.denoise(model, &x, step.from)?;
        let mut residual = &problem.y - &problem.operator.apply(denoised.view());
        for mut row in residual.axis_iter_mut(Axis(0)) {
            let norm = row.dot(&row).sqrt();
            ensure!(norm.is_finite(), TOO_LARGE);
            row *= if norm > 0.0 { 1.0 / norm } else { 0.0 };
        }
        let back = problem.operator.adjoint(residual.view());
        let gradient = vjp(model, x.view(), back.view(), step.from)?;
        x = step.ancestral(&x, &denoised, &problem.noise(step.number, x.ncols()));
        let scale = (1.0 + step.from * step.from).sqrt() * (1.0 + step.to * step.to).sqrt();
        x.scaled_add(2.0 * zeta * scale, &gradient);
    }
    Ok(x)
}
