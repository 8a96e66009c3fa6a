//! Samples of generators, which have no flow.

use std::ffi::OsStr;

use anyhow::{Result, ensure};

use crate::blocks::block_size;
use crate::cli::{Job, SamplerArgs, Source};
use crate::denoiser::model::Generative;
use crate::flow::at_most;
use crate::generator::Generator;
use crate::random::{Purpose, normal_rows};
use crate::scalar::Scalar;

use super::Arguments;

impl Arguments {
    /// Refuses flags of the flow.
    pub(super) fn check_no_flow(&self, job: &Job, generator: &Generative) -> Result<()> {
        job.only(false, &SamplerArgs::FLAGS, "a generator has no flow")?;
        let flow = self.encode
            || self.until.or(self.from).is_some()
            || self.guided.is_given()
            || self.trajectory.is_some()
            || self.report.is_some();
        ensure!(
            !flow,
            "{}: is a model of kind {}, which has no flow; leave out --encode, --until, --from, --guidance, --guide, \
             --trajectory and --report",
            self.model.as_deref().unwrap_or(OsStr::new("-")).display(),
            generator.name
        );
        Ok(())
    }

    pub(super) fn generate<T: Scalar>(
        &self,
        job: &Job,
        item_shape: &[usize],
        generator: Generative,
        source: Source,
    ) -> Result<()> {
        let generator = Generator::<T>::new(generator.decoder, generator.parameters.into_vec())?;
        let out = job.array(source.len(), item_shape)?;
        let most = at_most(block_size(source.len().unwrap_or(usize::MAX)), item_shape.iter().product());
        job.fill(source, most, "samples", vec![out], |block| {
            let rows = block.rows.clone();
            let drawn = || normal_rows(job.shared.seed, Purpose::Latents, rows.clone(), generator.latent());
            let samples = generator.generate(block.first().unwrap_or_else(drawn).view());
            job.finite(samples.view(), rows.start)?;
            Ok(vec![samples])
        })
    }
}
