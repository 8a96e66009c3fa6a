//! Decoupled data consistency by diffusion purification, DCDP (Li et al., arXiv 2403.06054, algorithms 1 and 2).
//!
//! From x = 0, in every one of K rounds:
//!
//! * data: steps of gradient descent with momentum on ½‖A x − y‖² from x on, v ← βv + Aᵀ(A x − y)/‖A‖²,
//!   x ← x − ηv. (The published rate is that of the mean square: η is 2‖A‖²/m of it.) All steps are functions
//!   of A Aᵀ: x − Aᵀ h(A Aᵀ)(A x − y), h by the same recursion for one eigenvalue;
//! * purification: x + σ_k ε is carried by the flow to 0 (version 1), or denoised once (version 2, Tweedie's formula).
//!
//! σ_k belong to times of the vp schedule that go down evenly; at time 0 there is nothing to purify.

use anyhow::Result;
use clap::ValueEnum;
use ndarray::Array2;

use super::Problem;
use crate::denoiser::Denoiser;
use crate::flow::Plan;
use crate::schedule::Schedule;

/// How a noisy estimate is purified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purifier {
    /// By the flow, to level 0
    Flow,
    /// By the denoiser, once
    Tweedie,
}

/// Everything that DCDP hangs on but the model.
#[derive(Clone, Debug)]
pub struct Settings {
    /// σ_1 … σ_K, of which 0 purifies nothing.
    pub levels: Vec<f64>,
    pub purifier: Purifier,
    /// The flow's levels and solver.
    pub plan: Plan,
    /// Gradient steps a round.
    pub inner: u32,
    /// η.
    pub rate: f64,
    /// β.
    pub momentum: f64,
}

/// σ_k at times from t_1 to t_K of the vp schedule, evenly; 0 at time 0.
pub fn levels(rounds: u32, first: f64, last: f64) -> Vec<f64> {
    let time = |k: u32| first + (last - first) * f64::from(k) / f64::from((rounds - 1).max(1));
    (0..rounds).map(|k| Schedule::Vp.sigma(time(k))).collect()
}

/// h(e): what so many steps of descent along a singular vector take off, over the residual that they start from.
fn descent(e: f64, inner: u32, rate: f64, momentum: f64) -> f64 {
    let (mut moved, mut velocity) = (0.0, 0.0);
    for _ in 0..inner {
        velocity = momentum * velocity + 1.0 - e * moved;
        moved += rate * velocity;
    }
    moved
}

/// One estimate a row of the problem.
///
/// # Errors
/// Of the model, and of the operator's factors; a level at which the flow cannot start.
pub fn restore(problem: &Problem, model: &dyn Denoiser<f64>, settings: &Settings) -> Result<Array2<f64>> {
    let operator = problem.operator;
    let Settings { purifier, inner, rate, momentum, .. } = *settings;
    let rate = rate / operator.largest_value()?;
    let mut x = Array2::zeros((problem.y.nrows(), model.dim()));
    for (round, &sigma) in settings.levels.iter().enumerate() {
        let residual = &problem.y - &operator.apply(x.view());
        let steps = operator.of_gram(residual.view(), |e| descent(e, inner, rate, momentum))?;
        x += &operator.adjoint(steps.view());
        if sigma == 0.0 {
            continue;
        }
        x.scaled_add(sigma, &problem.noise(round as u64, model.dim()));
        match purifier {
            Purifier::Tweedie => x = problem.denoise(model, &x, sigma)?,
            Purifier::Flow => {
                let plan = settings.plan.clone().part(Some(sigma), None)?;
                plan.run(model, &mut x, problem.first, problem.seed)?;
            }
        }
    }
    Ok(x)
}
