//! linear-theory kappa: renormalized noise.

use anyhow::{Result, anyhow};
use clap::Args;

use super::SpectrumArgs;
use crate::cli::{Job, Numbers, Program, parse_list, usage};
use crate::theory::renormalized::kappa;

/// Tell the renormalized noise κ of training sets: on average over sets, Σ̂(Σ̂+z)⁻¹ is Σ(Σ+κ)⁻¹.
///
/// A row a ratio and z. κ − z = (d/n)·κ·mean λ/(λ+κ): z is a noise level squared, and κ the larger noise with which a denoiser
/// of n rows of d numbers shrinks.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    /// Ratios d/n of dimensions to rows of a training set
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    ratio: Numbers,
    /// σ² of the noise
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    z: Numbers,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        for (flag, numbers) in [("--ratio", &self.ratio), ("--z", &self.z)] {
            if let Some(number) = numbers.0.iter().find(|v| !(v.is_finite() && **v >= 0.0)) {
                return Err(usage(anyhow!("{flag}: {number} is negative or not finite")));
            }
        }
        let mut table = job.table(&["ratio", "z", "kappa"])?;
        let eigenvalues = self.spectrum.eigenvalues(job)?;
        for &ratio in &self.ratio.0 {
            let n = eigenvalues.len() as f64 / ratio;
            for &z in &self.z.0 {
                table.row(&[ratio.into(), z.into(), kappa(&eigenvalues, n, z).into()])?;
            }
        }
        table.finish()
    }
}
