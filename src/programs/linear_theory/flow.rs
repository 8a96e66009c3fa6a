//! linear-theory flow: sampling trajectories of a Gaussian.

use anyhow::{Result, anyhow};
use clap::Args;

use super::SpectrumArgs;
use crate::cli::{Job, Program, TimedLevelArgs, noise_level, usage};
use crate::denoiser::mixture::flow_gain;

/// Tell how the probability flow of a Gaussian takes each mode from the first noise level to others.
///
/// A row a level and mode: gain is what a point's coordinate along the mode, seen from the mean, has been multiplied by
/// since σ_max: √((λ+σ²)/(λ+σ_max²)); denoised is that of the denoiser's answer there, λ/(λ+σ²) times as much, what the
/// sample looks like so far; variance is that of the points, of latents σ_max·ε. pf-sample --solver exact has the flow itself.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    #[command(flatten)]
    levels: TimedLevelArgs,
    /// Noise level at which the flow starts
    #[arg(long, value_name = "SIGMA", default_value_t = 80.0)]
    sigma_max: f64,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let levels = self.levels.sigmas(job)?;
        let start = noise_level("--sigma-max", self.sigma_max).map_err(usage)?;
        if let Some(sigma) = levels.iter().find(|sigma| **sigma > start) {
            return Err(usage(anyhow!(
                "noise level {sigma}: is above --sigma-max {start}, where the flow starts; give a smaller level, or a larger \
                 --sigma-max"
            )));
        }
        let mut table = job.table(&["sigma", "mode", "eigenvalue", "gain", "denoised", "variance"])?;
        let eigenvalues = self.spectrum.eigenvalues(job)?;
        for sigma in levels {
            for (mode, &eigenvalue) in eigenvalues.iter().enumerate() {
                let gain = flow_gain(eigenvalue, start, sigma);
                let denoised = gain * (eigenvalue / (eigenvalue + sigma * sigma));
                table.row(&[
                    sigma.into(),
                    mode.into(),
                    eigenvalue.into(),
                    gain.into(),
                    denoised.into(),
                    (start * gain).powi(2).into(),
                ])?;
            }
        }
        table.finish()
    }
}
