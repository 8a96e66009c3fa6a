//! linear-theory map: mean and variance over training sets of what latents become.

use anyhow::Result;
use clap::Args;

use super::SpectrumArgs;
use crate::blocks::room;
use crate::cli::{Integers, Job, Program, count};
use crate::theory::renormalized::map;

/// Tell what the flow of n rows of a Gaussian makes of latents on average over training sets, and how much it varies.
///
/// A row a number of rows and mode: gain is what a latent's coordinate is multiplied by on average, where the true map has
/// ideal, √λ; variance that of what it becomes, over training sets and latents. Two models of disjoint sets, of the same
/// latents, then differ by twice the sum of the variances, squared: measure it with pfd, which has its root. That is of models
/// whose mean is known, 0 (dae-fit --kind molrg --fit variances); a mean that is fitted adds 2 tr Σ/n. As for denoiser, it is of
/// many modes: of P (their participation ratio) the true variance is larger by up to one part in P.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    /// Rows of a training set: a range with both ends, or a list
    #[arg(short = 'n', long, value_name = "LIST")]
    samples: Integers,
    /// Places of the integrals in every factor e⁴ of noise levels
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count(5..=200_u32))]
    places: u32,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let mut table = job.table(&["samples", "mode", "eigenvalue", "gain", "ideal", "variance"])?;
        let eigenvalues = self.spectrum.eigenvalues(job)?;
        room(&[6, eigenvalues.len(), 40 * self.places as usize], "--places")?;
        super::warn_of_few_modes(job, &eigenvalues);
        for &n in &self.samples.0 {
            let (gains, variances) = map(&eigenvalues, n as f64, self.places as usize)?;
            let of_modes = eigenvalues.iter().zip(gains).zip(variances);
            for (mode, ((&eigenvalue, gain), variance)) in of_modes.enumerate() {
                table.row(&[
                    n.into(),
                    mode.into(),
                    eigenvalue.into(),
                    gain.into(),
                    eigenvalue.sqrt().into(),
                    variance.into(),
                ])?;
            }
        }
        table.finish()
    }
}
