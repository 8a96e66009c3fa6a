//! phase-grid: success of learning over a grid of ranks and sample counts.

use anyhow::{Result, ensure};
use clap::Args;

use crate::blocks::room;
use crate::cli::{Block, FitArgs, Integers, Job, Numbers, Program, Source, count, parse_list, usage};
use crate::fit::{Settings, Solver};
use crate::measure::phase::{Cell, Experiment, Outcome};
use crate::with_dtype;

/// Measure how often learning recovers planted subspaces, over ranks and sample counts.
///
/// One row per cell (components, rank, samples of each component). Trial t of every cell plants, draws and
/// fits with seed + t, exactly as molrg-gen --balanced | dae-fit | subspace-error with that seed
/// (without --balanced if there are --weights).
///
/// Memory: one trial's samples a thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ phase-grid --dim 48 --ranks 2-4 --samples 2-6 --components 1 --trials 5 --solver pca -o phase.csv
  $ phase-grid --dim 48 --ranks 3 --samples 2-5 --components 2 --trials 5 --solver subspaces --orthogonal | head -3")]
pub struct Arguments {
    /// Dimension of the data
    #[arg(long, default_value_t = 48)]
    dim: usize,
    /// Ranks: a range with both ends, or a list
    #[arg(long, value_name = "LIST")]
    ranks: Integers,
    /// Samples of each component
    #[arg(long, value_name = "LIST")]
    samples: Integers,
    /// Numbers of components
    #[arg(long, value_name = "LIST", default_value = "1")]
    components: Integers,
    /// Trials of every cell
    #[arg(long, default_value_t = 20)]
    trials: usize,
    /// Solver of the fit
    #[arg(long, value_enum)]
    solver: Solver,
    /// A trial succeeds when every component's error is at most this
    #[arg(long, default_value_t = 0.01)]
    tol: f64,
    /// Principal angle between consecutive planted subspaces
    #[arg(long, value_name = "DEG", default_value_t = 90.0)]
    angle: f64,
    /// Standard deviation of isotropic noise
    #[arg(long, value_name = "DELTA", default_value_t = 0.0)]
    noise_std: f64,
    /// Rank of a component less that of the one before, so small that no rank overflows; `rank` is that of the first
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = count(0..=1_000_000_u32))]
    rank_step: u32,
    /// Weights π_k, by which the component of every row is drawn; `samples` is then the mean of the components
    /// (default: all have as many)
    #[arg(long, value_name = "LIST", value_parser = parse_list)]
    weights: Option<Numbers>,
    #[command(flatten)]
    fit: FitArgs,
}

impl Arguments {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &components in &self.components.0 {
            for &rank in &self.ranks.0 {
                for &samples in &self.samples.0 {
                    cells.push(Cell { rank, samples, components });
                }
            }
        }
        cells
    }

    fn experiment(&self, seed: u64) -> Result<Experiment> {
        ensure!(self.trials > 0, "--trials 0: a success rate needs at least one");
        ensure!(self.tol >= 0.0, "--tol {}: must not be negative", self.tol);
        let cells = [&self.components, &self.ranks, &self.samples]
            .iter()
            .map(|l| l.0.len() as u128)
            .product::<u128>();
        ensure!(cells <= 1_000_000, "{cells} cells: at most 1000000 in one call");
        let experiment = Experiment {
            dim: self.dim,
            trials: self.trials,
            tolerance: self.tol,
            angle: self.angle,
            noise_std: self.noise_std,
            rank_step: self.rank_step as usize,
            weights: self.weights.as_ref().map(|w| w.0.clone()),
            fit: Settings { solver: self.solver, ..self.fit.settings(vec![1]) },
            seed,
        };
        self.cells().into_iter().try_for_each(|cell| experiment.check(cell))?;
        Ok(experiment)
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let experiment = self.experiment(job.shared.seed).map_err(usage)?;
        self.fit.check(job, Some(self.solver))?;
        job.only(self.solver == Solver::Gradient, &["--lr"], "it is for --solver gradient")?;
        let several = self.components.0.iter().any(|&k| k > 1);
        let why = "one component has no other";
        job.only(several, &["--angle", "--rank-step", "--weights"], why)?;
        let cells = self.cells();
        let threads = rayon::current_num_threads();
        for cell in &cells {
            // A trial's directions, drawn and made orthonormal, its bases, and its samples with as much in the fit.
            let ranks = cell.components * (cell.rank + cell.components * experiment.rank_step);
            let vectors =
                ranks.saturating_mul(4).saturating_add(cell.components.saturating_mul(cell.samples) * 3);
            room(&[experiment.dim, vectors, threads], "--dim, --ranks, --samples and --components")?;
        }
        let selected = job.selected(cells.len());
        let mut table = job.table(&[
            "rank",
            "samples",
            "components",
            "solver",
            "trials",
            "success",
            "mean_error",
            "ci_low",
            "ci_high",
        ])?;
        let solver =
            clap::ValueEnum::to_possible_value(&self.solver).map_or(String::new(), |v| v.get_name().into());
        let mut keep = |cell: Cell, outcome: Outcome| {
            table.row(&[
                cell.rank.into(),
                cell.samples.into(),
                cell.components.into(),
                solver.as_str().into(),
                self.trials.into(),
                outcome.success.value.into(),
                outcome.mean_error.into(),
                outcome.success.ci_low.into(),
                outcome.success.ci_high.into(),
            ])
        };
        // Cells side by side, too: the trials of one are few, and short.
        with_dtype!(job.dtype(&[]), T => job.each_block::<T, _>(
            Source::Numbers(selected),
            1,
            "cells",
            |block: Block<T>| experiment.outcome::<T>(cells[block.rows.start as usize]),
            |rows, outcome| keep(cells[rows.start as usize], outcome),
        ))?;
        table.finish()
    }
}
