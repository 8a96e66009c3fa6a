//! Guidance: the unconditional model beside the conditional one.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, usage};
use crate::denoiser::{Denoiser, Guided, Model};
use crate::scalar::Scalar;
use crate::stream::same_items;

#[derive(Args)]
pub struct GuidanceArgs {
    /// Guidance weight W: D = D_u + W (D − D_u), D_u that of --unconditional
    #[arg(long, value_name = "W", requires = "unconditional")]
    pub guidance: Option<f64>,
    /// The unconditional model, which is asked without --class
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    pub unconditional: Option<OsString>,
}

impl GuidanceArgs {
    /// What the flags alone show to be wrong.
    pub fn check(&self) -> Result<()> {
        match self.guidance.filter(|w| !w.is_finite()) {
            Some(weight) => Err(usage(anyhow!("--guidance {weight}: must be finite"))),
            None => Ok(()),
        }
    }

    /// The unconditional model, which has the items of the conditional one.
    pub fn open(&self, job: &Job, conditional: &Model) -> Result<Option<Model>> {
        let Some(name) = &self.unconditional else { return Ok(None) };
        let other = job.unconditional_model(name)?;
        ensure!(
            other.dim() == conditional.dim(),
            "--unconditional: a model of dimension {}, where the conditional one has {}",
            other.dim(),
            conditional.dim()
        );
        let items = ("the conditional model", &conditional.item_shape[..]);
        same_items(("--unconditional", &other.item_shape), items)?;
        Ok(Some(other))
    }

    /// The two as one, where both are there.
    pub fn combine<'a, T: Scalar>(
        &self,
        conditional: &'a dyn Denoiser<T>,
        unconditional: Option<&'a dyn Denoiser<T>>,
    ) -> Option<Guided<'a, T, dyn Denoiser<T> + 'a>> {
        let (unconditional, weight) = unconditional.zip(self.guidance)?;
        Some(Guided { conditional, unconditional, weight: T::of(weight) })
    }
}
