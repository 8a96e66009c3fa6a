//! mixture info: what components are like.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};

/// Tell what the components of a mixture are like, a row each.
///
/// trace is that of the covariance, the mean square distance from the component's mean; mean_norm is ‖μ_k‖; noise_variance
/// the eigenvalue δ_k off the subspace.
///
/// Memory: the model.
#[derive(Args)]
pub struct Arguments {
    /// The mixture (default: standard input)
    model: Option<OsString>,
}

const COLUMNS: &[&str] = &[
    "component",
    "weight",
    "dim",
    "rank",
    "mean_norm",
    "trace",
    "largest_variance",
    "smallest_variance",
    "noise_variance",
];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let mut table = job.table(COLUMNS)?;
        let (mixture, ..) = super::read(job, self.model.as_deref())?;
        for k in job.selected(mixture.components.len()) {
            let c = &mixture.components[k as usize];
            let (smallest, largest) = c.eigenvalue_ends();
            table.row(&[
                k.into(),
                c.weight.into(),
                mixture.dim().into(),
                c.variances.len().into(),
                c.mean.dot(&c.mean).sqrt().into(),
                c.trace().into(),
                largest.into(),
                smallest.into(),
                c.noise_variance.into(),
            ])?;
        }
        table.finish()
    }
}
