//! Samples of models that have a flow.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::Arguments;
use super::guides::Guides;
use crate::cli::{Job, Source, Taken};
use crate::denoiser::Model;
use crate::flow::{Plan, Trajectory, Work, at_once};
use crate::scalar::Scalar;

impl Arguments {
    /// Whether more than the model leads samples.
    fn is_led(&self, job: &Job) -> bool {
        self.guided.is_given() || !job.shared.edits.is_empty()
    }

    /// What may lead samples astray, as advice.
    fn astray(&self, job: &Job) -> String {
        let weight = self
            .guided
            .is_given()
            .then_some("a smaller weight of guidance, by models in the unit of the first");
        let edit = (!job.shared.edits.is_empty()).then_some("a smaller weight of --edit");
        let advice: Vec<_> = weight.into_iter().chain(edit).collect();
        if advice.is_empty() { "more --steps, or train the model on".into() } else { advice.join(", and ") }
    }

    /// Follows the flow from every latent, or point.
    pub(super) fn sample<T: Scalar>(
        &self,
        job: &Job,
        plan: &Plan,
        model: Model,
        guides: Guides,
        source: Source,
    ) -> Result<()> {
        for model in [&model].into_iter().chain(guides.all()) {
            job.warn_of_flow(model, &plan.evaluated());
        }
        if !self.encode && self.from.is_none() {
            job.warn_of_start(&model, &plan.sigmas);
        }
        let item_shape = model.item_shape.clone();
        let astray = self.astray(job);
        let driven = format!(
            "the numbers grow beyond all: samples are driven away from the model's data; give {astray}"
        );
        let ended = Taken::Samples(self.until.unwrap_or(0.0), astray);
        let seen = if self.encode { None } else { job.meet("samples".into(), &model, ended) };
        let denoiser = self.guided.denoiser::<T>(model, guides)?;
        let denoiser = denoiser.as_ref();
        let (count, levels, dim) = (source.len(), plan.sigmas.len(), denoiser.dim());
        let mut outputs = vec![job.array(count, &item_shape)?.seen_by(seen)];
        if let Some(path) = &self.trajectory {
            outputs.push(job.side_array(path, count, &[&[levels], &item_shape[..]].concat())?);
        }
        let columns = ["samples", "evaluations", "accepted", "rejected"];
        let report = self.report.as_deref().map(|path| job.side_table(path, &columns)).transpose()?;
        // A row of a trajectory is as wide as all its levels.
        let width = if self.trajectory.is_some() { levels * dim } else { dim };
        let most = at_once(denoiser, count.unwrap_or(usize::MAX), width);
        let done = Mutex::new((0, Work::default()));
        job.fill(source, most, "samples", outputs, |block| {
            let rows = block.rows.clone();
            // Latents are scaled to the first level; points, and data to encode, are taken as they are.
            let mut x = match block.first() {
                Some(x) if self.encode || self.from.is_some() => x,
                Some(latents) => latents * T::of(plan.sigmas[0]),
                None => plan.start(job.shared.seed, rows.clone(), dim),
            };
            let trajectory = self.trajectory.is_some().then(|| Trajectory::new(x.nrows(), levels, dim));
            let (work, trajectory) = plan.carry(denoiser, &mut x, rows.start, job.shared.seed, trajectory)?;
            if self.encode && self.until.is_none() {
                x *= T::of(1.0 / plan.sigmas[levels - 1]);
            }
            if self.is_led(job) {
                job.finite_or(x.view(), rows.start, &driven)?;
            } else {
                job.finite(x.view(), rows.start)?;
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0 += rows.end - rows.start;
            done.1 += work;
            Ok([Some(x), trajectory.map(|t| t.points)].into_iter().flatten().collect())
        })?;
        if let Some(mut report) = report {
            let (rows, Work { evaluations, accepted, rejected }) =
                done.into_inner().unwrap_or_else(PoisonError::into_inner);
            report.row(&[rows.into(), evaluations.into(), accepted.into(), rejected.into()])?;
            report.finish()?;
        }
        Ok(())
    }
}
