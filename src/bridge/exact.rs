//! The control itself, u(s, x) = ∂_x log p(X_T = y | X_s = x).

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::paths::Setting;
use super::systems::System;

/// In closed form, where there is one, `left` = T − s before the end: of Brownian motion (y − x)/(σ²(T − s)), of
/// Ornstein-Uhlenbeck e^{−θr} (y − e^{−θr}x) · 2θ/(σ²(1 − e^{−2θr})), r = T − s.
pub fn closed(setting: &Setting, left: f64, x: f64, y: f64) -> Option<f64> {
    let variance = setting.noise_std * setting.noise_std;
    match setting.system {
        System::Ou { theta } if theta != 0.0 => {
            let decay = (-theta * left).exp();
            // 1 − e^{−2θr}, with its digits where θr is small.
            let spread = -(-2.0 * theta * left).exp_m1();
            Some(decay * (y - decay * x) * 2.0 * theta / (variance * spread))
        }
        System::Brownian | System::Ou { .. } => Some((y - x) / (variance * left)),
        System::DoubleWell { .. } | System::Sine { .. } => None,
    }
}

/// Most places that the integrals of [`of_chain`] have.
const MOST_PLACES: usize = 20_000;

/// Of the chain of K steps that is simulated, whatever its drift, at places x and every step: with
/// h_k(x) = p(X_K = y | X_k = x) = ∫ N(z; x + b(x)Δt, σ²Δt) h_{k+1}(z) dz, and h_{K−1} that Gaussian at y itself, u = h′/h is
/// (1 + Δt b′(x)) E[z − x − b(x)Δt]/(σ²Δt) over what is under the integral. It is taken by the trapezoidal rule at places a
/// quarter of a step's deviation apart, over `within`; what is beyond it is lost: take it wider than where paths go.
/// What is under the integral is as wide as σ√Δt/(1 + c²)^½ where c = |1 + Δt b′|, so that the rule's error is about
/// 2e^{−2π²·16/(1 + c²)}: 1e-27 for c = 2, 1e-8 for c = 4, where steps would be far too long.
///
/// # Errors
/// More places than [`MOST_PLACES`].
pub fn of_chain(setting: &Setting, target: f64, x: &[f64], within: (f64, f64)) -> Result<Vec<Vec<f64>>> {
    let step = setting.step_noise();
    let count = ((within.1 - within.0) / (0.25 * step)).ceil() + 1.0;
    ensure!(
        count <= MOST_PLACES as f64,
        "the integrals would need {count:.0} places, a quarter of a step's deviation of {step:.1e} apart from {} to {}, and may have \
         {MOST_PLACES}; give fewer steps or a narrower range",
        within.0,
        within.1
    );
    let n = (count as usize).max(3);
    let places: Vec<f64> =
        (0..n).map(|i| within.0 + (within.1 - within.0) * i as f64 / (n - 1) as f64).collect();
    let width = places[1] - places[0];
    // log h and u at one place, from log h at all places one step on; at the last step that is the Gaussian at y.
    let back = |next: Option<&[f64]>, x: f64| -> (f64, f64) {
        let (mean, carried) = (setting.mean(x), 1.0 + setting.step() * setting.system.slope(x));
        let log_kernel = |z: f64| -0.5 * ((z - mean) / step).powi(2);
        let (log_h, moved) = match next {
            None => (log_kernel(target) - (step * (2.0 * std::f64::consts::PI).sqrt()).ln(), target - mean),
            Some(next) => {
                let logs: Vec<f64> = places.iter().zip(next).map(|(z, h)| log_kernel(*z) + h).collect();
                let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let (mut sum, mut first) = (0.0, 0.0);
                for (log, z) in logs.iter().zip(&places) {
                    let weight = (log - most).exp();
                    sum += weight;
                    first += weight * (z - mean);
                }
                let unit = width / (step * (2.0 * std::f64::consts::PI).sqrt());
                (most + (sum * unit).ln(), first / sum)
            }
        };
        (log_h, carried * moved / (step * step))
    };
    let mut u = Vec::with_capacity(setting.steps);
    let mut next: Option<Vec<f64>> = None;
    for k in (0..setting.steps).rev() {
        u.push(x.par_iter().map(|x| back(next.as_deref(), *x).1).collect());
        if k > 0 {
            next = Some(places.par_iter().map(|x| back(next.as_deref(), *x).0).collect());
        }
    }
    u.reverse();
    Ok(u)
}
