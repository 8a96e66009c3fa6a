//! Denoising losses: which noise levels, and how much each weighs.
//!
//! The loss of a batch is the mean over rows and coordinates of
//! w(σ) (D(x_0 + σε; σ) − x_0)². Weights and distributions as published:
//!
//! | loss | σ | w(σ) |
//! |---|---|---|
//! | edm (arXiv 2206.00364) | ln σ ~ N(−1.2, 1.2²) | (σ² + σ_d²)/(σσ_d)² |
//! | vp (arXiv 2011.13456) | of t ~ U(10⁻⁵, 1), linear β | σ⁻² |
//! | subvp (same) | of t ~ U(10⁻⁵, 1), β = 1 − α², α of linear β | σ⁻² |
//! | ve (same) | ln σ uniform on 0.02 … 100 | σ⁻² |
//! | uniform | ln σ uniform on σ_min … σ_max | as edm |
//! | fixed | one | 1 |
//! | interpolant (arXiv 2501.16642) | (1 − s)/s^{3/2} of s ~ U(0, 1) | (s(2 − s)/(1 − s))² |
//! | regression | none: D is a function of the condition | 1 |
//!
//! An interpolant goes from a state x_0, which is the condition, to the next, x_1: X_s = (1 − s)x_0 + s²x_1 + √s(1 − s)z.
//! Its drift b = E[R | X_s, x_0], R = −x_0 + 2s x_1 − √s z, is learned by ‖b − R‖². As (X_s − (1 − s)x_0)/s² = x_1 + σz with
//! σ = (1 − s)/s^{3/2}, that is denoising: b = (s(2 − s)D − X_s)/(1 − s), and b − R = s(2 − s)/(1 − s) (D − x_1).
//!
//! Consistency training (arXiv 2310.14189) compares the network with itself, held
//! fixed, at the next lower level of a grid that becomes finer:
//! (√(‖D(x_0+σ_{i+1}ε) − D(x_0+σ_iε)‖² + c²) − c)/(σ_{i+1} − σ_i), c = 0.00054 √d.

use anyhow::Result;
use rand_chacha::ChaCha8Rng;

use crate::network::preconditioning::Preconditioning;
use crate::random::{standard_normals, uniform};
use crate::schedule::{Grid, Schedule};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    Edm,
    Vp,
    Subvp,
    Ve,
    Uniform { sigma_min: f64, sigma_max: f64 },
    Fixed { sigma: f64 },
    Interpolant,
    Regression,
    Consistency { sigma_min: f64, sigma_max: f64 },
}

/// The noise levels of one row: where the network learns, its weight, and for
/// consistency training the level of its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub sigma: f64,
    pub weight: f64,
    pub target: Option<f64>,
}

/// The largest level of the variance-exploding process.
const HIGHEST_VE: f64 = 100.0;
/// And the lowest.
const LOWEST_VE: f64 = 0.02;

/// Mean and deviation of ln σ in consistency training, and in how many intervals
/// its grid is cut at first and at last.
const CONSISTENCY: (f64, f64) = (-1.1, 2.0);
const INTERVALS: (usize, usize) = (10, 1280);

impl Loss {
    pub fn name(self) -> &'static str {
        match self {
            Loss::Edm => "edm",
            Loss::Vp => "vp",
            Loss::Subvp => "subvp",
            Loss::Ve => "ve",
            Loss::Uniform { .. } => "uniform",
            Loss::Fixed { .. } => "fixed",
            Loss::Interpolant => "interpolant",
            Loss::Regression => "regression",
            Loss::Consistency { .. } => "consistency",
        }
    }

    /// Whether it is of rows given what they follow, so that they are learned less that where both are items of one width.
    pub fn is_of_transitions(self) -> bool {
        matches!(self, Loss::Interpolant | Loss::Regression)
    }

    /// The loss of a network's record, `entry` being what that says of `loss` and `sigma-range`; none where it says nothing,
    /// or of one level.
    pub fn of_record<'a>(entry: impl Fn(&str) -> Option<&'a str>) -> Option<Loss> {
        let range = || {
            let (low, high) = entry("sigma-range")?.split_once(',')?;
            Some((low.parse().ok()?, high.parse().ok()?))
        };
        Some(match entry("loss")? {
            "edm" => Loss::Edm,
            "vp" => Loss::Vp,
            "subvp" => Loss::Subvp,
            "ve" => Loss::Ve,
            "uniform" => range().map(|(sigma_min, sigma_max)| Loss::Uniform { sigma_min, sigma_max })?,
            "consistency" => {
                range().map(|(sigma_min, sigma_max)| Loss::Consistency { sigma_min, sigma_max })?
            }
            "interpolant" => Loss::Interpolant,
            "regression" => Loss::Regression,
            _ => return None,
        })
    }

    /// The highest noise level that it teaches; none where levels have no end, or are not seen. Of edm, whose levels have none
    /// but in a millionth lie below it, that of the sampler that is published with it.
    pub fn highest(self) -> Option<f64> {
        match self {
            Loss::Edm => Some(80.0),
            Loss::Vp => Some(Schedule::Vp.sigma(1.0)),
            Loss::Subvp => Some(Schedule::Subvp.sigma(1.0)),
            Loss::Ve => Some(HIGHEST_VE),
            Loss::Uniform { sigma_max, .. } | Loss::Consistency { sigma_max, .. } => Some(sigma_max),
            Loss::Fixed { sigma } => Some(sigma),
            Loss::Interpolant | Loss::Regression => None,
        }
    }

    /// The lowest noise level that it teaches, where levels end below: not those of edm, which are log-normal, and of vp, whose
    /// times end next to 0.
    pub fn lowest(self) -> Option<f64> {
        match self {
            Loss::Ve => Some(LOWEST_VE),
            Loss::Uniform { sigma_min, .. } | Loss::Consistency { sigma_min, .. } => Some(sigma_min),
            _ => None,
        }
    }

    /// The form of denoiser that the loss is published with.
    pub fn preconditioning(self) -> Preconditioning {
        match self {
            Loss::Edm | Loss::Uniform { .. } | Loss::Interpolant => Preconditioning::Edm,
            Loss::Vp => Preconditioning::Vp,
            Loss::Subvp => Preconditioning::Subvp,
            Loss::Ve => Preconditioning::Ve,
            Loss::Fixed { .. } => Preconditioning::Plain,
            Loss::Regression => Preconditioning::Mean,
            Loss::Consistency { sigma_min, .. } => Preconditioning::Consistency { sigma_min },
        }
    }

    /// The distribution of noise levels when the share `progress` of training is done.
    ///
    /// # Errors
    /// When the levels asked for make no grid.
    pub fn levels(self, progress: f64, sigma_data: f64) -> Result<Levels> {
        let grid = match self {
            Loss::Consistency { sigma_min, sigma_max } => consistency_grid(progress, sigma_min, sigma_max)?,
            _ => Vec::new(),
        };
        Ok(Levels { loss: self, sigma_data, below: shares_below(&grid), grid })
    }
}

/// A distribution of noise levels.
pub struct Levels {
    loss: Loss,
    sigma_data: f64,
    /// Of consistency training, from low to high; and for every interval of it the
    /// probability of that one or a lower one.
    grid: Vec<f64>,
    below: Vec<f64>,
}

impl Levels {
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Level {
        let edm = |sigma: f64| {
            let product = sigma * self.sigma_data;
            let weight = (sigma * sigma + self.sigma_data * self.sigma_data) / (product * product);
            Level { sigma, weight, target: None }
        };
        let inverse_square = |sigma: f64| Level { sigma, weight: 1.0 / (sigma * sigma), target: None };
        let log_uniform = |u: f64, low: f64, high: f64| low * (high / low).powf(u);
        let of_time = |schedule: Schedule, u: f64| inverse_square(schedule.sigma(1.0 - u * (1.0 - 1e-5)));
        let mut normal = || standard_normals::<f64>(rng, 1)[0];
        match self.loss {
            Loss::Edm => edm((-1.2 + 1.2 * normal()).exp()),
            Loss::Vp => of_time(Schedule::Vp, uniform(rng)),
            Loss::Subvp => of_time(Schedule::Subvp, uniform(rng)),
            Loss::Ve => inverse_square(log_uniform(uniform(rng), LOWEST_VE, HIGHEST_VE)),
            Loss::Uniform { sigma_min, sigma_max } => edm(log_uniform(uniform(rng), sigma_min, sigma_max)),
            Loss::Fixed { sigma } => Level { sigma, weight: 1.0, target: None },
            Loss::Interpolant => {
                // Where σ and 1/σ have squares in f32.
                let s = uniform(rng).clamp(1e-9, 1.0 - 1e-9);
                let slope = s * (2.0 - s) / (1.0 - s);
                Level { sigma: (1.0 - s) / s.powf(1.5), weight: slope * slope, target: None }
            }
            Loss::Regression => Level { sigma: 1.0, weight: 1.0, target: None },
            Loss::Consistency { .. } => {
                let drawn = uniform(rng);
                let interval = self.below.partition_point(|p| *p <= drawn).min(self.below.len() - 1);
                let (low, high) = (self.grid[interval], self.grid[interval + 1]);
                Level { sigma: high, weight: 1.0 / (high - low), target: Some(low) }
            }
        }
    }
}

/// Levels from low to high: 11 at first, doubled (but for the last) at equal
/// shares of training up to 1281, spaced as EDM's sampler has them.
fn consistency_grid(progress: f64, sigma_min: f64, sigma_max: f64) -> Result<Vec<f64>> {
    let (first, last) = INTERVALS;
    let stages = (last / first).ilog2() + 1;
    let stage = (progress * f64::from(stages)).min(f64::from(stages - 1)) as u32;
    let grid = Grid { sigma_min, sigma_max, steps: (first << stage) + 1, ..Grid::default() };
    let mut levels = grid.levels()?;
    levels.pop();
    levels.reverse();
    Ok(levels)
}

/// Probabilities that ln σ ~ N, kept within the grid, falls into an interval or a
/// lower one: Simpson's rule on every interval, relative to the largest density so
/// that a grid far out in the tail has probabilities, too.
fn shares_below(grid: &[f64]) -> Vec<f64> {
    const PIECES: usize = 16;
    let (mean, deviation) = CONSISTENCY;
    let ends: Vec<f64> = grid.iter().map(|s| (s.ln() - mean) / deviation).collect();
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return Vec::new() };
    let nearest = if first * last < 0.0 { 0.0 } else { first.abs().min(last.abs()) };
    let density = |z: f64| (0.5 * (nearest * nearest - z * z)).exp();
    let mut total = 0.0;
    let mut below = Vec::new();
    for pair in ends.windows(2) {
        let step = (pair[1] - pair[0]) / PIECES as f64;
        let weight = |i| if i == 0 || i == PIECES { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
        total +=
            step / 3.0 * (0..=PIECES).map(|i| weight(i) * density(pair[0] + step * i as f64)).sum::<f64>();
        below.push(total);
    }
    below.iter_mut().for_each(|p| *p /= total);
    below
}
