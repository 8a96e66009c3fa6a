//! Noise schedules x_t = α_t x_0 + β_t ε and the grids of noise levels they
//! give.
//!
//! Everything runs in (x̂, σ) with x̂ = x_t/α_t and σ = β_t/α_t, where every
//! schedule follows the same flow; a schedule only names levels by a time and
//! chooses where the solver's steps lie.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

/// Two levels that differ by rounding are one.
pub fn same_level(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b
}

/// α_t, β_t as functions of a time t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schedule {
    /// α = 1, β = t (Karras et al. 2022); grid uniform in σ^(1/ρ)
    Edm,
    /// Variance preserving, β(t) linear from 0.1 to 20; grid uniform in t
    Vp,
    /// Sub-VP: α of vp, β = 1 − α², so that σ = α⁻¹ − α; grid uniform in t
    Subvp,
    /// Variance exploding, σ = 0.01·5000^t; grid uniform in t
    Ve,
    /// α = cos(π(t+s)/2(1+s))/cos(πs/2(1+s)), s = 0.008; grid uniform in t
    Cosine,
    /// Rectified flow, α = 1 − t, β = t; grid uniform in t
    Flow,
    /// Time is ln(1/σ), half the log signal-to-noise ratio; α = 1; grid uniform in it
    Logsnr,
}

const VP_BETA_0: f64 = 0.1;
const VP_BETA_1: f64 = 20.0;
const VE_SIGMA_MIN: f64 = 0.01;
const VE_RATIO: f64 = 5000.0;
const COSINE_S: f64 = 0.008;

impl Schedule {
    /// α_t.
    pub fn alpha(self, t: f64) -> f64 {
        match self {
            Schedule::Edm | Schedule::Ve | Schedule::Logsnr => 1.0,
            Schedule::Vp | Schedule::Subvp => (-0.5 * vp_integral(t)).exp(),
            // The cosine of a right angle, which rounding would make 6e-17.
            Schedule::Cosine if t >= 1.0 => 0.0,
            Schedule::Cosine => cosine_angle(t).cos() / cosine_angle(0.0).cos(),
            Schedule::Flow => 1.0 - t,
        }
    }

    /// β_t.
    pub fn beta(self, t: f64) -> f64 {
        match self {
            Schedule::Edm => t,
            Schedule::Vp => (-(-vp_integral(t)).exp_m1()).sqrt(),
            Schedule::Subvp => -(-vp_integral(t)).exp_m1(),
            Schedule::Ve => VE_SIGMA_MIN * VE_RATIO.powf(t),
            Schedule::Cosine => (1.0 - self.alpha(t).powi(2)).max(0.0).sqrt(),
            Schedule::Flow => t,
            Schedule::Logsnr => (-t).exp(),
        }
    }

    /// σ(t) = β_t/α_t.
    pub fn sigma(self, t: f64) -> f64 {
        match self {
            // sqrt(e^B − 1) without the cancellation of small B.
            Schedule::Vp => vp_integral(t).exp_m1().sqrt(),
            Schedule::Subvp => 2.0 * (0.5 * vp_integral(t)).sinh(),
            _ => self.beta(t) / self.alpha(t),
        }
    }

    /// The t at which σ(t) = `sigma`.
    pub fn time(self, sigma: f64) -> f64 {
        match self {
            Schedule::Edm => sigma,
            Schedule::Vp => vp_time((sigma * sigma).ln_1p()),
            Schedule::Subvp => vp_time(2.0 * (0.5 * sigma).asinh()),
            Schedule::Ve => (sigma / VE_SIGMA_MIN).ln() / VE_RATIO.ln(),
            Schedule::Cosine => {
                let alpha = 1.0 / sigma.hypot(1.0);
                let angle = (alpha * cosine_angle(0.0).cos()).acos();
                angle * 2.0 / std::f64::consts::PI * (1.0 + COSINE_S) - COSINE_S
            }
            Schedule::Flow => sigma / (1.0 + sigma),
            Schedule::Logsnr => -sigma.ln(),
        }
    }

    /// Times that the schedule covers, as (smallest, largest); outside them α or
    /// β has no meaning.
    fn times(self) -> (f64, f64) {
        match self {
            Schedule::Edm => (0.0, f64::INFINITY),
            Schedule::Logsnr => (f64::NEG_INFINITY, f64::INFINITY),
            Schedule::Vp | Schedule::Subvp | Schedule::Ve | Schedule::Cosine | Schedule::Flow => (0.0, 1.0),
        }
    }

    /// σ(t), or why t names no positive finite level.
    pub fn checked_sigma(self, t: f64) -> Result<f64> {
        let (low, high) = self.times();
        ensure!(
            (low..=high).contains(&t),
            "--time {t}: {self:?} covers {low} to {high}; give a time in that range"
        );
        let sigma = self.sigma(t);
        ensure!(
            SIGMAS.contains(&sigma),
            "--time {t}: its noise level is {sigma}; give a time strictly inside {low} to {high}"
        );
        Ok(sigma)
    }
}

/// B = ∫₀ᵗ β.
fn vp_integral(t: f64) -> f64 {
    VP_BETA_0 * t + 0.5 * (VP_BETA_1 - VP_BETA_0) * t * t
}

/// The t of an integral B: the root of ½(β₁−β₀)t² + β₀t = B in the form that loses nothing at small B.
fn vp_time(b: f64) -> f64 {
    let slope = VP_BETA_1 - VP_BETA_0;
    2.0 * b / ((VP_BETA_0 * VP_BETA_0 + 2.0 * slope * b).sqrt() + VP_BETA_0)
}

fn cosine_angle(t: f64) -> f64 {
    std::f64::consts::FRAC_PI_2 * (t + COSINE_S) / (1.0 + COSINE_S)
}

/// Most steps of a grid.
const MAX_STEPS: usize = 1_000_000;

/// Positive noise levels that are computed with: their squares, and one over
/// these, are normal numbers in f32.
pub const SIGMAS: std::ops::RangeInclusive<f64> = 1e-18..=1e18;

/// A grid of noise levels and how it was asked for.
#[derive(Clone, Debug)]
pub struct Grid {
    pub schedule: Schedule,
    /// Number of positive levels; 0 follows them.
    pub steps: usize,
    pub sigma_min: f64,
    pub sigma_max: f64,
    /// Exponent of the EDM grid.
    pub rho: f64,
}

impl Default for Grid {
    fn default() -> Self {
        Grid { schedule: Schedule::Edm, steps: 18, sigma_min: 0.002, sigma_max: 80.0, rho: 7.0 }
    }
}

impl Grid {
    /// `steps` levels from σ_max down to σ_min, then 0: σ_0 … σ_{n−1}, 0.
    ///
    /// # Errors
    /// On an empty or upside-down range.
    pub fn levels(&self) -> Result<Vec<f64>> {
        let Grid { schedule, steps, sigma_min, sigma_max, rho } = *self;
        ensure!((1..=MAX_STEPS).contains(&steps), "--steps {steps}: a flow needs 1 to {MAX_STEPS} steps");
        ensure!(
            sigma_min > 0.0 && sigma_max.is_finite() && sigma_min < sigma_max,
            "--sigma-min {sigma_min}, --sigma-max {sigma_max}: need 0 < sigma-min < sigma-max < infinity"
        );
        ensure!(rho > 0.0 && rho.is_finite(), "--rho {rho}: must be positive");
        let mut levels: Vec<f64> = (0..steps)
            .map(|i| {
                let u = if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
                match i {
                    // The ends as given, not through there and back.
                    0 => sigma_max,
                    _ if i == steps - 1 => sigma_min,
                    _ if schedule == Schedule::Edm => {
                        let (a, b) = (sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho));
                        (a + u * (b - a)).powf(rho)
                    }
                    _ => {
                        let (a, b) = (schedule.time(sigma_max), schedule.time(sigma_min));
                        schedule.sigma(a + u * (b - a))
                    }
                }
            })
            .collect();
        levels.push(0.0);
        check_levels(&levels).with_context(|| {
            format!(
                "--schedule {schedule:?} with --sigma-min {sigma_min}, --sigma-max {sigma_max}, --rho {rho}"
            )
        })?;
        Ok(levels)
    }
}

/// Checks an explicit grid: at least two levels, strictly decreasing, finite,
/// only the last may be 0.
pub fn check_levels(sigmas: &[f64]) -> Result<()> {
    ensure!(sigmas.len() >= 2, "--sigmas: needs at least a first and a last level");
    for (i, pair) in sigmas.windows(2).enumerate() {
        ensure!(
            SIGMAS.contains(&pair[0])
                && pair[0] > pair[1]
                && (SIGMAS.contains(&pair[1]) || (pair[1] == 0.0 && i + 2 == sigmas.len())),
            "--sigmas: {} at place {} and {} after it; levels must lie between 1e-18 and 1e18 and decrease, only the \
             last may be 0",
            pair[0],
            i + 1,
            pair[1]
        );
    }
    Ok(())
}
