//! mixture select: some components of a mixture.

use std::collections::HashSet;
use std::ffi::OsString;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Integers, Job, Program, integers, usage};
use crate::denoiser::Model;

/// Take some components of a mixture, in the order given; their weights are normalized.
///
/// One component is the law of its class, and the mixture of all that of data without labels.
///
/// Memory: the model.
#[derive(Args)]
pub struct Arguments {
    /// The mixture (default: standard input)
    model: Option<OsString>,
    /// Which, by their numbers from 0: 0,2 or 0-4
    #[arg(long, value_name = "K1,…", value_parser = integers(0))]
    components: Integers,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let mut seen = HashSet::new();
        let components = self.components.0;
        if let Some(twice) = components.iter().find(|k| !seen.insert(**k)) {
            return Err(usage(anyhow!("--components: {twice} is given twice; a component is taken once")));
        }
        let mut output = job.model_output()?;
        let (mixture, item_shape, dtype) = super::read(job, self.model.as_deref())?;
        let count = mixture.components.len();
        if let Some(unknown) = components.iter().find(|k| **k >= count) {
            return Err(usage(anyhow!(
                "--components: {unknown} is none of 0 to {}, which the mixture has",
                count - 1
            )));
        }
        let selected = mixture.select(&components).map_err(|e| anyhow!("--components: {e}"))?;
        Model::molrg(selected, item_shape, job.dtype(&[dtype])).write(&mut output)?;
        output.finish()
    }
}
