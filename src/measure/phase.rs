//! The phase diagram of learning: success of recovering planted subspaces over
//! a grid of ranks and sample counts (figure 4 of arXiv 2409.02426).

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::interval::Estimate;
use super::subspace_error::assigned;
use crate::fit::{Settings, fit_mixture};
use crate::mixture::{Design, Mixture, Sampler};
use crate::scalar::Scalar;

/// One cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// r of the first component.
    pub rank: usize,
    /// N_k, samples of every component; with unequal weights, their mean.
    pub samples: usize,
    /// K.
    pub components: usize,
}

/// What all cells share.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub dim: usize,
    pub trials: usize,
    /// Success is an error at most this.
    pub tolerance: f64,
    pub angle: f64,
    pub noise_std: f64,
    /// Rank of a component less that of the one before.
    pub rank_step: usize,
    /// π_k, by which the component of every row is drawn; without, all have N_k rows.
    pub weights: Option<Vec<f64>>,
    /// Of every fit; ranks and seed are the trial's.
    pub fit: Settings,
    /// Trial t plants and fits with seed + t.
    pub seed: u64,
}

/// A cell's outcome.
pub struct Outcome {
    pub success: Estimate,
    pub mean_error: f64,
}

impl Experiment {
    /// Refuses a cell that cannot be planted, or not fitted as asked.
    pub fn check(&self, cell: Cell) -> Result<()> {
        self.design(cell).check()?;
        self.settings(cell).check()?;
        let total: usize = self.ranks(cell).iter().sum();
        ensure!(
            !self.fit.orthogonal || total <= self.dim,
            "--orthogonal: {} components of {total} dimensions in all exceed --dim {}",
            cell.components,
            self.dim
        );
        Ok(())
    }

    fn ranks(&self, cell: Cell) -> Vec<usize> {
        (0..cell.components).map(|k| cell.rank + k * self.rank_step).collect()
    }

    fn design(&self, cell: Cell) -> Design {
        Design {
            ranks: self.ranks(cell),
            weights: self.weights.clone().unwrap_or(vec![1.0; cell.components]),
            angle: self.angle,
            noise_std: self.noise_std,
            ..Design::molrg(self.dim, cell.rank, cell.components)
        }
    }

    fn settings(&self, cell: Cell) -> Settings {
        Settings { ranks: self.ranks(cell), ..self.fit.clone() }
    }

    /// The largest error of the components in one trial: what `molrg-gen | dae-fit |
    /// subspace-error` with seed + trial would print in its row `all`, `--balanced`
    /// without weights.
    pub fn error<T: Scalar>(&self, cell: Cell, trial: usize) -> Result<f64> {
        let seed = self.seed.wrapping_add(trial as u64);
        let truth = self.design(cell).plant(seed)?;
        let sampler = Sampler::<T>::new(&truth, seed, self.weights.is_none());
        let (x, _) = sampler.draw(0..(cell.samples * cell.components) as u64);
        let fit = fit_mixture(x.view(), &Settings { seed, ..self.settings(cell) })?;
        let pairs = assigned(&stored::<T>(fit.mixture), &stored::<T>(truth))?;
        Ok(pairs.into_iter().fold(0.0, |most, (_, error)| error.max(most)))
    }

    /// All trials of a cell.
    pub fn outcome<T: Scalar>(&self, cell: Cell) -> Result<Outcome> {
        let errors: Vec<f64> =
            (0..self.trials).into_par_iter().map(|t| self.error::<T>(cell, t)).collect::<Result<_>>()?;
        let successes = errors.iter().filter(|e| **e <= self.tolerance).count();
        Ok(Outcome {
            success: Estimate::share(successes as u64, self.trials as u64),
            mean_error: errors.iter().sum::<f64>() / self.trials as f64,
        })
    }
}

/// The mixture as a model file of type T gives it back.
fn stored<T: Scalar>(mut mixture: Mixture) -> Mixture {
    for c in &mut mixture.components {
        c.basis.mapv_inplace(|v| T::of(v).wide());
    }
    mixture
}
