//! mixture pool: the Gaussian with a mixture's mean and covariance.

use std::ffi::OsString;

use anyhow::{Context, Result};
use clap::Args;

use crate::blocks::room;
use crate::cli::{Job, Program};
use crate::denoiser::Model;

/// Make the one Gaussian that has the mean and the covariance of a mixture: Σ π_k [Σ_k + (μ_k − m)(μ_k − m)ᵀ].
///
/// The covariance of all data together, of which the affine denoiser is the best; it stays of low rank where it is: at
/// most Σ r_k + K − 1, less where subspaces meet.
///
/// Memory: twice the model; of a mixture that spans the whole space, a few d × d numbers.
#[derive(Args)]
pub struct Arguments {
    /// The mixture (default: standard input)
    model: Option<OsString>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let mut output = job.model_output()?;
        let (mixture, item_shape, dtype) = super::read(job, self.model.as_deref())?;
        let columns = mixture.ranks().iter().map(|r| r + 1).sum::<usize>();
        room(&[3, mixture.dim(), columns], "the pooled covariance")?;
        let pooled = mixture.pooled().context("the pooled covariance")?;
        Model::molrg(pooled, item_shape, job.dtype(&[dtype])).write(&mut output)?;
        output.finish()
    }
}
