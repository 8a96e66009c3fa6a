//! linear-theory denoiser: mean and variance of linear denoisers over training sets.

use anyhow::Result;
use clap::Args;

use super::SpectrumArgs;
use crate::cli::{Integers, Job, Program, TimedLevelArgs};
use crate::theory::renormalized::Denoiser;

/// Tell what the denoiser fitted to n rows of a Gaussian is on average over training sets, and how much it varies.
///
/// A row a number of rows, noise level and mode: gain is what it multiplies the mode by on average, λ/(λ+κ), where the true
/// denoiser has ideal, λ/(λ+σ²); variance that of its answer along the mode, over training sets and inputs (rows of the law,
/// with noise): prefactor · λ/(λ+κ)² · Σ (λ_j+σ²)λ_j/(λ_j+κ)², prefactor κ²/(n − freedom), freedom Σ λ_j²/(λ_j+κ)². Of
/// some ten rows it is off by some percent; and it is of many modes: of P (their participation ratio, (Σ λ)²/Σ λ²) the true variance
/// is larger by up to one part in P, however many rows there are.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    /// Rows of a training set: a range with both ends, or a list
    #[arg(short = 'n', long, value_name = "LIST")]
    samples: Integers,
    #[command(flatten)]
    levels: TimedLevelArgs,
}

const COLUMNS: &[&str] =
    &["samples", "sigma", "kappa", "freedom", "prefactor", "mode", "eigenvalue", "gain", "ideal", "variance"];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let levels = self.levels.sigmas(job)?;
        let mut table = job.table(COLUMNS)?;
        let eigenvalues = self.spectrum.eigenvalues(job)?;
        super::warn_of_few_modes(job, &eigenvalues);
        for &n in &self.samples.0 {
            for &sigma in &levels {
                let over_sets = Denoiser::new(&eigenvalues, n as f64, sigma);
                let variances = over_sets.variances(&eigenvalues, sigma);
                for (mode, (&eigenvalue, variance)) in eigenvalues.iter().zip(variances).enumerate() {
                    table.row(&[
                        n.into(),
                        sigma.into(),
                        over_sets.kappa.into(),
                        over_sets.freedom.into(),
                        over_sets.factor.into(),
                        mode.into(),
                        eigenvalue.into(),
                        over_sets.gain(eigenvalue).into(),
                        (eigenvalue / (eigenvalue + sigma * sigma)).into(),
                        variance.into(),
                    ])?;
                }
            }
        }
        table.finish()
    }
}
