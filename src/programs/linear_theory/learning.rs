//! linear-theory learning: what a linear denoiser generates while it is trained.

use anyhow::{Result, anyhow};
use clap::Args;

use super::{SpectrumArgs, TrainingArgs};
use crate::cli::{Job, Numbers, Program, noise_level, parse_list, usage};

/// Tell the variances that a linear denoiser generates while it is trained, mode by mode.
///
/// A row a time and mode. Gradient flow on the denoising loss, at every noise level by itself, then the probability flow from
/// N(0, σ_max²) to σ_min: before training a mode has what its first weight leaves of the noise, in the end
/// σ_max²(λ+σ_min²)/(λ+σ_max²). Of a local filter modes end elsewhere, where patches do not say more.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// Times of training τ, from 0 on
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    times: Numbers,
    /// Tell the weights that modes have at these noise levels instead
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    sigma: Option<Numbers>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if let Some(time) = self.times.0.iter().find(|t| !(t.is_finite() && **t >= 0.0)) {
            return Err(usage(anyhow!("--times: {time} is no time; they are finite and begin at 0")));
        }
        let sigmas = self.sigma.as_ref().map_or(&[][..], |sigmas| &sigmas.0);
        sigmas.iter().try_for_each(|&s| noise_level("--sigma", s).map(drop)).map_err(usage)?;
        let ends = ["--sigma-min", "--sigma-max"];
        job.only(self.sigma.is_none(), &ends, "weights are those of --sigma, and nothing is sampled")?;
        let columns: &[&str] = match self.sigma {
            Some(_) => &["time", "sigma", "mode", "eigenvalue", "weight"],
            None => &["time", "mode", "eigenvalue", "variance"],
        };
        let mut table = job.table(columns)?;
        let learner = self.training.learner(job, &self.spectrum)?;
        for &time in &self.times.0 {
            for &sigma in sigmas {
                for (mode, &eigenvalue) in learner.eigenvalues().iter().enumerate() {
                    let weight = learner.weight(mode, sigma, time);
                    table.row(&[time.into(), sigma.into(), mode.into(), eigenvalue.into(), weight.into()])?;
                }
            }
            if self.sigma.is_none() {
                let variances = learner.variances(time);
                for (mode, (eigenvalue, variance)) in learner.eigenvalues().iter().zip(variances).enumerate()
                {
                    table.row(&[time.into(), mode.into(), (*eigenvalue).into(), variance.into()])?;
                }
            }
        }
        table.finish()
    }
}
