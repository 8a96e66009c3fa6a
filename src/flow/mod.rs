//! The probability flow dx̂/dσ = (x̂ − D(x̂; σ))/σ: from latents to samples and
//! back.
//!
//! [`solvers`] holds the integrators, one short function a step; this module
//! the loop over noise levels, the stochastic sampler of EDM (arXiv
//! 2206.00364, algorithm 2) and the work in blocks of rows, in few dimensions
//! where the denoiser has few ([`Reduced`]).

pub mod solvers;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::denoiser::guided::Band;
use crate::denoiser::{Counted, Denoiser, Reduced};
use crate::random::{Purpose, fill_normal, normal_rows, step_rng};
use crate::scalar::Scalar;
use crate::schedule::same_level;
use solvers::{Drift, Going, RungeKutta45};

/// The integrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Solver {
    /// Order 1; the same as DDIM and DPM-Solver-1 in σ-space
    #[value(alias = "ddim", alias = "dpm1")]
    Euler,
    /// Order 2, two evaluations a step (EDM's sampler)
    Heun,
    /// DPM-Solver-2: order 2, two evaluations, in ln σ
    Dpm2,
    /// DPM-Solver-3: order 3, three evaluations, in ln σ
    Dpm3,
    /// DPM-Solver++(2M): order 2, one evaluation, multistep
    Dpmpp2m,
    /// Classical Runge-Kutta: order 4, four evaluations
    Rk4,
    /// Dormand-Prince 5(4), step adapted row by row to --rtol and --atol; stops at every level, so few --steps cost
    /// least, and the last step to 0 leaves an error that --sigma-min bounds
    Rk45,
    /// No integration: the closed form, which mixtures of one component have; without evaluations
    Exact,
}

/// EDM's stochasticity: noise added before the steps at σ in [min, max].
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// γ, the share of σ that noise adds to the level; 0 is the deterministic flow.
    pub gamma: f64,
    /// S_min.
    pub min: f64,
    /// S_max.
    pub max: f64,
    /// S_noise, the standard deviation of what is added.
    pub noise: f64,
}

impl Churn {
    /// γ = min(S_churn/N, √2 − 1) on a grid of N positive levels.
    pub fn gamma(strength: f64, levels: usize) -> f64 {
        (strength / levels as f64).min(std::f64::consts::SQRT_2 - 1.0)
    }

    /// Raises the noise level from σ to σ̂ = σ(1+γ) by adding noise; returns σ̂. The noise belongs to the row, by its
    /// number, and to σ itself, so that a flow has the same in one run and in parts.
    fn inject<T: Scalar>(&self, sigma: f64, x: &mut Array2<T>, first_row: u64, seed: u64) -> f64 {
        if self.gamma <= 0.0 || sigma < self.min || sigma > self.max {
            return sigma;
        }
        let raised = sigma * (1.0 + self.gamma);
        let std = T::of((raised * raised - sigma * sigma).sqrt() * self.noise);
        let mut z = vec![T::zero(); x.ncols()];
        for (mut row, i) in x.outer_iter_mut().zip(first_row..) {
            fill_normal(&mut step_rng(seed, Purpose::Churn, sigma.to_bits(), i), &mut z);
            row.iter_mut().zip(&z).for_each(|(x, z)| *x += std * *z);
        }
        raised
    }
}

/// How to integrate: the noise levels, the solver and its settings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// σ_0 > σ_1 > … ; the last may be 0. For encoding, increasing.
    pub sigmas: Vec<f64>,
    pub solver: Solver,
    pub churn: Option<Churn>,
    pub rtol: f64,
    pub atol: f64,
}

/// Work done for a block of rows, in evaluations and steps of one row each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub evaluations: u64,
    pub accepted: u64,
    pub rejected: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.evaluations += other.evaluations;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
    }
}

impl Plan {
    /// Turns a descending grid round, for the flow from data to latents. The
    /// flow has no direction at σ = 0, so data count as points at the smallest
    /// positive level.
    pub fn reversed(mut self) -> Result<Plan> {
        ensure!(self.churn.is_none(), "--churn with --encode: only the deterministic flow can be reversed");
        self.sigmas.retain(|s| *s > 0.0);
        ensure!(self.sigmas.len() >= 2, "--encode: needs at least two positive noise levels");
        self.sigmas.reverse();
        Ok(self)
    }

    /// The part of the flow from one level to another, of which either may be left out. A level that the grid lacks
    /// is added to it, and may lie beyond its ends; one that differs from a level of the grid by rounding is that.
    ///
    /// A flow in two parts gives the bytes of the whole at a level of the grid, if its steps know nothing of those
    /// before: dpmpp2m starts anew, with a step of order 1, and so does rk45, with the length of its steps; and if it
    /// is computed in all d dimensions, since those of [`Reduced`] are entered anew, to rounding.
    ///
    /// # Errors
    /// When the flow would run the other way.
    pub fn part(mut self, from: Option<f64>, until: Option<f64>) -> Result<Plan> {
        let (Some(&first), Some(&last)) = (self.sigmas.first(), self.sigmas.last()) else { return Ok(self) };
        let own = |level: f64| self.sigmas.iter().copied().find(|s| same_level(*s, level)).unwrap_or(level);
        let (start, end) = (from.map_or(first, own), until.map_or(last, own));
        // How far along the flow a level is.
        let along = |level: f64| if last > first { level } else { -level };
        ensure!(
            along(start) <= along(end),
            "{}: the flow would go from noise level {start} to {end}, and it goes {}; give a level that it meets",
            match (from, until) {
                (Some(from), None) => format!("--from {from}"),
                (_, until) => format!("--until {}", until.unwrap_or(end)),
            },
            if last > first { "up" } else { "down" }
        );
        let between = |level: &f64| along(start) < along(*level) && along(*level) < along(end);
        let mut sigmas = vec![start];
        sigmas.extend(self.sigmas.iter().copied().filter(between));
        sigmas.extend((end != start).then_some(end));
        self.sigmas = sigmas;
        Ok(self)
    }

    /// This plan, whose flow visits the given levels too.
    pub fn with_levels(mut self, levels: &[f64]) -> Plan {
        for &level in levels {
            if !self.sigmas.iter().any(|s| same_level(*s, level)) {
                self.sigmas.push(level);
            }
        }
        self.sigmas.sort_by(|a, b| b.total_cmp(a));
        self
    }

    /// Carries the rows of `x`, points at σ_0, along the flow to the last
    /// level. `first_row` is the index of row 0, by which injected noise is
    /// keyed with `seed`.
    pub fn run<T: Scalar>(
        &self,
        denoiser: &dyn Denoiser<T>,
        x: &mut Array2<T>,
        first_row: u64,
        seed: u64,
    ) -> Result<Work> {
        if self.solver == Solver::Exact {
            let ends: Vec<f64> = self.ends().collect();
            return jumps(denoiser, x, &ends, |_, _, _| Ok(()));
        }
        let Some(reduced) = self.reduced(denoiser) else {
            return self.steps(denoiser, x, first_row, seed, |_, _, _| Ok(()));
        };
        let (mut coordinates, entered) = reduced.enter(x.view());
        let work = self.steps(reduced.denoiser(), &mut coordinates, first_row, seed, |_, _, _| Ok(()))?;
        *x = entered.leave(coordinates.view());
        Ok(work)
    }

    /// The same, with `visit` seeing (step, σ, x) before each step and at the end.
    pub fn trace<T: Scalar>(
        &self,
        denoiser: &dyn Denoiser<T>,
        x: &mut Array2<T>,
        first_row: u64,
        seed: u64,
        mut visit: impl FnMut(usize, f64, ArrayView2<T>) -> Result<()>,
    ) -> Result<Work> {
        if self.solver == Solver::Exact {
            return jumps(denoiser, x, &self.sigmas, visit);
        }
        let Some(reduced) = self.reduced(denoiser) else {
            return self.steps(denoiser, x, first_row, seed, visit);
        };
        let (mut coordinates, entered) = reduced.enter(x.view());
        self.steps(reduced.denoiser(), &mut coordinates, first_row, seed, |step, sigma, coordinates| {
            if step > 0 {
                *x = entered.leave(coordinates);
            }
            visit(step, sigma, x.view())
        })
    }

    /// What `of` makes of the points that latents `rows` of `seed` have at the given levels, in their order. The plan
    /// has all of them: see [`Plan::with_levels`].
    ///
    /// # Errors
    /// Of the denoiser, or `of`.
    pub fn at_levels<T: Scalar, R>(
        &self,
        denoiser: &dyn Denoiser<T>,
        seed: u64,
        rows: Range<u64>,
        levels: &[f64],
        mut of: impl FnMut(ArrayView2<T>, f64) -> Result<R>,
    ) -> Result<Vec<R>> {
        let first = rows.start;
        let mut x = self.start::<T>(seed, rows, denoiser.dim());
        let mut found: Vec<Option<R>> = levels.iter().map(|_| None).collect();
        self.trace(denoiser, &mut x, first, seed, |_, sigma, x| {
            for (found, &level) in found.iter_mut().zip(levels) {
                if same_level(sigma, level) {
                    *found = Some(of(x, level)?);
                }
            }
            Ok(())
        })?;
        // A run visits all of the plan.
        Ok(found.into_iter().flatten().collect())
    }

    /// [`Plan::run`], with the points of all levels kept in `trajectory` if there is one.
    pub fn carry<T: Scalar>(
        &self,
        denoiser: &dyn Denoiser<T>,
        x: &mut Array2<T>,
        first_row: u64,
        seed: u64,
        trajectory: Option<Trajectory<T>>,
    ) -> Result<(Work, Option<Trajectory<T>>)> {
        let Some(mut trajectory) = trajectory else {
            return Ok((self.run(denoiser, x, first_row, seed)?, None));
        };
        let work = self.trace(denoiser, x, first_row, seed, |step, _, x| {
            trajectory.record(step, x);
            Ok(())
        })?;
        Ok((work, Some(trajectory)))
    }

    /// Every level at which a solver asks the denoiser, those of stages between the grid's and of raised noise too, as a
    /// run for D = 0 finds them. Those of rk45 depend on the denoiser: its ends are these.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn asked(&self) -> Result<Vec<f64>> {
        let heard = Heard::default();
        self.run(&heard, &mut Array2::<f64>::zeros((1, 1)), 0, 0)?;
        Ok(heard.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it asks for a level of the band; rk45, whose steps depend on the model, may ask for all between its ends.
    ///
    /// # Errors
    /// As [`Plan::asked`].
    pub fn meets(&self, band: &Band) -> Result<bool> {
        let asked = self.asked()?;
        let (least, largest) =
            asked.iter().fold((f64::INFINITY, 0.0f64), |(low, high), s| (low.min(*s), high.max(*s)));
        let between = self.solver == Solver::Rk45 && band.above < largest && band.up_to >= least;
        Ok(between || asked.iter().any(|level| band.contains(*level)))
    }

    /// The levels at which the denoiser is asked: all but a last one of 0, of which it is the answer; for the closed
    /// form, none.
    pub fn evaluated(&self) -> Vec<f64> {
        let asked = self.solver != Solver::Exact;
        self.sigmas.iter().copied().filter(|sigma| asked && *sigma > 0.0).collect()
    }

    /// The first level and the last, or the one that there is.
    fn ends(&self) -> impl Iterator<Item = f64> {
        let last = self.sigmas.len() - 1;
        self.sigmas.iter().enumerate().filter(move |(i, _)| [0, last].contains(i)).map(|(_, sigma)| *sigma)
    }

    /// Where to compute, if not in all d dimensions. Noise that is injected has all of them, and the
    /// tolerances of rk45 are of the data's own coordinates.
    fn reduced<'d, T: Scalar>(&self, denoiser: &'d dyn Denoiser<T>) -> Option<&'d Reduced<T>> {
        let everywhere = self.churn.is_some() || self.solver == Solver::Rk45;
        if everywhere { None } else { denoiser.reduced() }
    }

    fn steps<T: Scalar>(
        &self,
        denoiser: &dyn Denoiser<T>,
        x: &mut Array2<T>,
        first_row: u64,
        seed: u64,
        mut visit: impl FnMut(usize, f64, ArrayView2<T>) -> Result<()>,
    ) -> Result<Work> {
        let counted = Counted::new(denoiser);
        let drift = Drift { denoiser: &counted, rows: Going::Together(first_row) };
        let mut work = Work::default();
        let rows = x.nrows() as u64;
        let mut multistep = None;
        let mut adaptive = RungeKutta45::new(self.rtol, self.atol, x.nrows());
        for (step, pair) in self.sigmas.windows(2).enumerate() {
            let (mut from, to) = (pair[0], pair[1]);
            visit(step, from, x.view())?;
            if let Some(churn) = self.churn {
                from = churn.inject(from, x, first_row, seed);
            }
            if to == 0.0 {
                // The one step that ends at 0 is D itself for every solver.
                *x = drift.denoise(x.view(), from)?;
                work.accepted += rows;
                continue;
            }
            match self.solver {
                Solver::Euler => solvers::euler(&drift, x, from, to)?,
                Solver::Heun => solvers::heun(&drift, x, from, to)?,
                Solver::Dpm2 => solvers::dpm2(&drift, x, from, to)?,
                Solver::Dpm3 => solvers::dpm3(&drift, x, from, to)?,
                Solver::Dpmpp2m => solvers::dpmpp2m(&drift, x, from, to, &mut multistep)?,
                Solver::Rk4 => solvers::rk4(&drift, x, from, to)?,
                Solver::Exact => *x = solvers::exact(denoiser, x.view(), from, to)?,
                Solver::Rk45 => work += adaptive.advance(&counted, x, first_row, from, to)?,
            }
            if self.solver != Solver::Rk45 {
                work.accepted += rows;
            }
        }
        let last = self.sigmas.len() - 1;
        visit(last, self.sigmas[last], x.view())?;
        work.evaluations += counted.evaluations();
        Ok(work)
    }

    /// What the flow makes of the latents `rows` of `seed`, on all threads.
    pub fn samples<T: Scalar>(
        &self,
        denoiser: &dyn Denoiser<T>,
        seed: u64,
        rows: Range<u64>,
    ) -> Result<Array2<T>> {
        let first = rows.start;
        let mut x = self.start::<T>(seed, rows, denoiser.dim());
        let block = at_once(denoiser, x.nrows(), denoiser.dim());
        x.axis_chunks_iter_mut(Axis(0), block)
            .into_par_iter()
            .enumerate()
            .map(|(i, mut part)| {
                let mut points = part.to_owned();
                self.run(denoiser, &mut points, first + (i * block) as u64, seed)?;
                part.assign(&points);
                Ok(())
            })
            .collect::<Result<()>>()?;
        Ok(x)
    }

    /// Latents ε of the given rows, scaled to the first level: x = σ_0 ε.
    pub fn start<T: Scalar>(&self, seed: u64, rows: Range<u64>, dim: usize) -> Array2<T> {
        let sigma = T::of(self.sigmas[0]);
        normal_rows::<T>(seed, Purpose::Latents, rows, dim) * sigma
    }
}

/// The closed form from the first of the levels to each, so that rounding does not add up: see [`Plan::trace`].
fn jumps<T: Scalar>(
    denoiser: &dyn Denoiser<T>,
    x: &mut Array2<T>,
    sigmas: &[f64],
    mut visit: impl FnMut(usize, f64, ArrayView2<T>) -> Result<()>,
) -> Result<Work> {
    let (start, rows) = (x.clone(), x.nrows() as u64);
    for (step, &sigma) in sigmas.iter().enumerate() {
        if step > 0 {
            *x = solvers::exact(denoiser, start.view(), sigmas[0], sigma)?;
        }
        visit(step, sigma, x.view())?;
    }
    Ok(Work { accepted: rows * (sigmas.len() as u64 - 1), ..Work::default() })
}

/// Rows of one block of flow: the fewer than `block`, the larger an item of the data,
/// so that a block and a solver's stages stay small.
pub fn at_most(block: usize, dim: usize) -> usize {
    block.min(((4 << 20) / dim.max(1)).max(16))
}

/// Rows to carry along at once out of `rows`, each as large as `width` numbers.
pub fn at_once<T: Scalar>(denoiser: &(impl Denoiser<T> + ?Sized), rows: usize, width: usize) -> usize {
    denoiser.batch().unwrap_or_else(|| at_most(denoiser.block(rows), width))
}

/// D = 0 in one dimension, with the levels that it was asked for.
#[derive(Default)]
struct Heard(Mutex<Vec<f64>>);

impl Denoiser<f64> for Heard {
    fn dim(&self) -> usize {
        1
    }

    fn denoise(&self, x: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sigma);
        Ok(Array2::zeros(x.raw_dim()))
    }

    fn flow(&self, x: ArrayView2<f64>, from: f64, to: f64) -> Option<Array2<f64>> {
        Some(&x * (to / from))
    }
}

/// A trajectory as one array: (n, steps + 1, d) flattened to (n, (steps + 1)·d).
pub struct Trajectory<T> {
    pub points: Array2<T>,
}

impl<T: Scalar> Trajectory<T> {
    pub fn new(rows: usize, levels: usize, dim: usize) -> Trajectory<T> {
        Trajectory { points: Array2::zeros((rows, levels * dim)) }
    }

    /// Stores the points of one level.
    pub fn record(&mut self, step: usize, x: ArrayView2<T>) {
        let dim = x.ncols();
        for (mut row, x) in self.points.axis_iter_mut(Axis(0)).zip(x.outer_iter()) {
            row.slice_mut(ndarray::s![step * dim..(step + 1) * dim]).assign(&x);
        }
    }
}
