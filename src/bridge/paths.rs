//! Paths by Euler and Maruyama, and their score process.

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use ndarray::{Array2, ArrayView1, s};

use super::Control;
use super::systems::System;
use crate::dynamics::overshoot;
use crate::random::{Purpose, normal_rows};

/// What is simulated: X_0 = start, X_{k+1} = X_k + b(X_k) Δt + σ ΔB_k, Δt = T/K.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    pub system: System,
    /// σ.
    pub noise_std: f64,
    /// T.
    pub horizon: f64,
    /// K.
    pub steps: usize,
}

impl Setting {
    /// Δt.
    pub fn step(&self) -> f64 {
        self.horizon / self.steps as f64
    }

    /// t_k.
    pub fn time(&self, k: usize) -> f64 {
        k as f64 * self.step()
    }

    /// σ √Δt, the deviation of one step.
    pub fn step_noise(&self) -> f64 {
        self.noise_std * self.step().sqrt()
    }

    /// x + b(x) Δt, the mean of one step.
    pub fn mean(&self, x: f64) -> f64 {
        x + self.drift(x)
    }

    /// b(x) Δt.
    fn drift(&self, x: f64) -> f64 {
        self.system.drift(x) * self.step()
    }

    /// The mean of the step from x, the k-th of a row. `over` is whether the step before led to a longer one, and becomes that
    /// of this one: chance brings a path to where one step does, but it comes back.
    ///
    /// # Errors
    /// Where both do; the last step leads to none.
    fn checked_mean(&self, x: f64, k: usize, row: u64, over: &mut bool, why: &str) -> Result<f64> {
        let step = self.drift(x);
        let mean = x + step;
        let overshot = if k + 1 < self.steps { overshoot(x, step, self.drift(mean)) } else { None };
        let before = std::mem::replace(over, overshot.is_some());
        overshot.filter(|_| before).map_or(Ok(mean), |times| {
            bail!(
                "row {row}: the path runs away: at step {k} its drift leads over a place of rest, and the next step is {times:.2e} \
                 times as long, as the one before: {why}"
            )
        })
    }
}

/// α′ of the score process, up to a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 1: every increment alike, the formula of Bismut, Elworthy and Li.
    Average,
    /// The next increment alone.
    First,
    /// The last increment alone.
    Last,
    /// (T − t)^γ, γ = (√5 − 1)/2: what the publication calls optimal.
    Optimal,
}

/// Free paths and their scores.
pub struct Scored {
    /// X_0 … X_K, (n, (K + 1) d), the d coordinates of a time together.
    pub paths: Array2<f64>,
    /// S_0 … S_{K−1}, (n, K d).
    pub scores: Array2<f64>,
}

/// Paths without a condition from a start of d coordinates, by the numbers of their rows, and their scores. Every
/// coordinate moves by itself, and so has a score of its own.
///
/// # Errors
/// A path that runs away.
pub fn simulate(setting: &Setting, mode: Mode, start: &[f64], rows: Range<u64>, seed: u64) -> Result<Scored> {
    let (steps, d) = (setting.steps, start.len());
    let mut increments: Array2<f64> = normal_rows(seed, Purpose::FreePaths, rows.clone(), steps * d);
    increments *= setting.step().sqrt();
    let mut paths = Array2::zeros((increments.nrows(), (steps + 1) * d));
    let mut scores = Array2::zeros((increments.nrows(), steps * d));
    for (i, db) in increments.outer_iter().enumerate() {
        let row = rows.start + i as u64;
        for (j, &start) in start.iter().enumerate() {
            let of = s![j..; d];
            let (mut path, db) = (paths.slice_mut(s![i, j..; d]), db.slice(of));
            let (mut x, mut over) = (start, false);
            path[0] = x;
            for (k, db) in db.iter().enumerate() {
                x = setting.checked_mean(x, k, row, &mut over, TOO_LONG)? + setting.noise_std * db;
                path[k + 1] = x;
            }
            finite(x, row, TOO_LONG)?;
            let s = self::scores(setting, mode, path.view(), db);
            scores.slice_mut(s![i, j..; d]).iter_mut().zip(s).for_each(|(to, s)| *to = s);
        }
    }
    Ok(Scored { paths, scores })
}

const TOO_LONG: &str =
    "its steps are too long for this drift; give more steps, or a start nearer to where it comes to rest";
const TOO_LONG_EXACT: &str = "its steps are too long for this drift; give bridge exact more steps, or a target nearer to where it comes to rest";
const LED_ASTRAY: &str = "the control drives it where it knows nothing, or steps are too long; give bridge fit more paths, fewer \
                          degrees or units, or more steps";

fn finite(x: f64, row: u64, why: &str) -> Result<()> {
    ensure!(x.is_finite(), "row {row}: the path runs away beyond all numbers: {why}");
    Ok(())
}

/// S_k = D_k / (σ c_k) of one path of K steps, from its X_0 … and increments ΔB_0 …: D_k is the sum of what increments
/// from k on count, each carried back to k by the tangent process ∂X_t/∂X_s, a factor 1 + Δt b′(X) a step:
///
/// D_k = w ΔB_k + ρ_k (1 + Δt b′(X_k)) D_{k+1}, c_k = w Δt + ρ_k c_{k+1},
///
/// with w = ρ = 1 for average, ρ = 0 for first, w = 0 before the last step for last, and ρ_k = ((T − t_{k+1})/(T − t_k))^γ
/// for optimal. As published (arXiv 2504.03461), but for Δt instead of 1 in what the latest of its code sums.
pub fn scores(setting: &Setting, mode: Mode, path: ArrayView1<f64>, increments: ArrayView1<f64>) -> Vec<f64> {
    let (dt, steps) = (setting.step(), increments.len());
    let gamma = (5f64.sqrt() - 1.0) / 2.0;
    let (mut d, mut c) = (0.0, 0.0);
    let mut scores = vec![0.0; steps];
    for k in (0..steps).rev() {
        let left = (steps - k) as f64;
        let (w, rho) = match mode {
            Mode::Average => (1.0, 1.0),
            Mode::First => (1.0, 0.0),
            Mode::Last => (if k + 1 == steps { 1.0 } else { 0.0 }, 1.0),
            Mode::Optimal => (1.0, ((left - 1.0) / left).powf(gamma)),
        };
        d = w * increments[k] + rho * (1.0 + dt * setting.system.slope(path[k])) * d;
        c = w * dt + rho * c;
        scores[k] = d / (setting.noise_std * c);
    }
    scores
}

/// Paths X_0 … X_K under a control, (n, (K + 1) d): of drift b + σ²u.
///
/// # Errors
/// A path that runs away.
pub fn controlled(
    control: &Control,
    start: &[f64],
    target: &[f64],
    rows: Range<u64>,
    seed: u64,
) -> Result<Array2<f64>> {
    let (setting, d) = (control.setting(), start.len());
    let z: Array2<f64> = normal_rows(seed, Purpose::Bridges, rows.clone(), setting.steps * d);
    let (dt, variance) = (setting.step(), setting.noise_std * setting.noise_std);
    let astray = if let Control::Grid(_) = control { TOO_LONG_EXACT } else { LED_ASTRAY };
    let mut paths = Array2::zeros((z.nrows(), (setting.steps + 1) * d));
    let mut x = Array2::from_shape_fn((z.nrows(), d), |(_, j)| start[j]);
    let mut over = Array2::from_elem(x.raw_dim(), false);
    paths.slice_mut(s![.., ..d]).assign(&x);
    for k in 0..setting.steps {
        let u = control.at(k, x.view(), target);
        for (i, x) in x.indexed_iter_mut() {
            let mean = setting.checked_mean(*x, k, rows.start + i.0 as u64, &mut over[i], astray)?;
            *x = mean + variance * u[i] * dt + setting.step_noise() * z[[i.0, k * d + i.1]];
        }
        paths.slice_mut(s![.., (k + 1) * d..(k + 2) * d]).assign(&x);
    }
    for ((i, _), x) in x.indexed_iter() {
        finite(*x, rows.start + i as u64, astray)?;
    }
    Ok(paths)
}
