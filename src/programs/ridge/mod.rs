//! ridge: the manifold along which a model generates.

pub mod decompose;
pub mod distance;
mod found;
pub mod project;

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Block, JacobianArgs, Job, Taken, count, noise_level, usage};
use crate::denoiser::{Differentiable, Model};
use crate::measure::ridge::Ridge;
use crate::random::NoisyPoints;
use crate::scalar::Scalar;
use crate::stream::Rows;

/// Find the ridge of a model's density, the manifold along which it generates.
///
/// Of dimension q at noise level σ, it is where the score is 0 in the d − q directions V of lowest curvature of
/// log p_σ, and the density falls along all of them (arXiv 2602.06021). Any denoiser with a Jacobian has what it
/// takes: score (D − x)/σ² and curvature (J − I)/σ². A flow reaches the ridge and slides along it: how far from it
/// samples end follows the error of the score across the ridge, where on it they lie the error along.
///
/// Of a J that is not symmetric, as of networks, the symmetric part is taken; a warning says how much that leaves out.
///
/// Memory: the model and a block of rows; without a closed form, four d × d matrices for each thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 24 -r 2 -k 3 -n 60 --mean-norm 3 --truth truth.st | ridge distance --model truth.st --sigma 0.5 --dim 2 --add-noise | table mean --value normal
  $ molrg-gen -d 24 -r 2 -k 3 -n 60 --truth truth.st | tee data.npy | dae-fit --kind empirical | ridge decompose - truth.st data.npy --sigma 0.5 --dim 2 --add-noise | table mean --value normal,tangential")]
pub struct About {}

/// A ridge, and at which points.
#[derive(Args)]
struct RidgeArgs {
    /// Noise level σ
    #[arg(long, value_name = "σ")]
    sigma: f64,
    /// Dimension of the ridge, less than that of the model; 0 are the density's modes
    #[arg(long, value_name = "q", value_parser = count(0..=u32::MAX))]
    dim: u32,
    /// Add σ·ε to the points first, with ε drawn per row from the seed: row i of other points has the same, unless --seed differs
    #[arg(long)]
    add_noise: bool,
    #[command(flatten)]
    jacobian: JacobianArgs,
}

/// How points go there.
#[derive(Args)]
struct ProjectArgs {
    /// Points, one per row (default: standard input)
    points: Option<OsString>,
    /// The model: a file, or exec:COMMAND for a program that is one
    #[arg(long, value_name = "M")]
    model: OsString,
    #[command(flatten)]
    ridge: RidgeArgs,
    /// Steps at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count(1..=u32::MAX))]
    steps: u32,
    /// Share of σ that the next step may have where a point stays; one that rounding hides is none
    #[arg(long, value_name = "T", default_value_t = 1e-6)]
    tolerance: f64,
}

impl RidgeArgs {
    fn check(&self, job: &Job) -> Result<()> {
        noise_level("--sigma", self.sigma).map_err(usage)?;
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        job.only(self.add_noise, &["--seed"], "nothing is drawn without --add-noise")
    }

    /// Points of a model of which that ridge is wanted.
    fn points(&self, job: &Job, points: Option<&OsStr>, model: &Model, called: &OsStr) -> Result<Rows> {
        ensure!(
            (self.dim as usize) < model.dim(),
            usage(anyhow!("--dim {}: must be less than the model's dimension, {}", self.dim, model.dim()))
        );
        job.warn_of_levels(model, &[self.sigma]);
        job.points(points, model, called, Taken::with_noise(self.add_noise, &[self.sigma]))
    }

    fn of<'a, T: Scalar>(&self, denoiser: &'a dyn Differentiable<T>) -> Ridge<'a, T> {
        Ridge { denoiser, sigma: self.sigma, dim: self.dim as usize, steps: 0, tolerance: 0.0 }
    }

    /// The one point of a block, and its number.
    fn place<T: Scalar>(&self, job: &Job, block: Block<T>) -> (Array2<T>, u64) {
        let row = block.rows.start;
        let x = block.first().unwrap_or_default();
        let noisy = self.add_noise.then(|| NoisyPoints::new(x.clone(), job.shared.seed, row).at(self.sigma));
        (noisy.unwrap_or(x), row)
    }
}

impl ProjectArgs {
    fn open(&self, job: &Job) -> Result<(Model, Rows)> {
        self.ridge.check(job)?;
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            return Err(usage(anyhow!("--tolerance {}: must lie strictly between 0 and 1", self.tolerance)));
        }
        job.wait_for_stdin(&[self.points.as_deref(), Some(&self.model)])?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let points = self.ridge.points(job, self.points.as_deref(), &model, &self.model)?;
        Ok((model, points))
    }

    fn of<'a, T: Scalar>(&self, denoiser: &'a dyn Differentiable<T>) -> Ridge<'a, T> {
        Ridge { steps: self.steps as usize, tolerance: self.tolerance, ..self.ridge.of(denoiser) }
    }
}
