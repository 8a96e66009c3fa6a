//! Rows of all inputs that belong together, in blocks.

use anyhow::Result;
use ndarray::Array2;

use super::inputs::Input;
use crate::cli::{Block, Job, Source, usage};
use crate::denoiser::Denoiser;
use crate::flow::Plan;
use crate::measure::copies::Known;
use crate::scalar::Scalar;
use crate::stream::{Paired, Rows, block_rows};

/// Latents when nothing says how many.
const DEFAULT_SAMPLES: usize = 10_000;

/// What every input has of a row: a model what it makes of the latent, samples their own.
pub struct Pairing<'a, T: Scalar> {
    plan: &'a Plan,
    seed: u64,
    /// Rows of a block.
    pub block: usize,
    /// Per input its model; those without one are the files, in order.
    models: Vec<Option<Box<dyn Denoiser<T>>>>,
    /// Per input whether a finite set may have been drawn from it: mixtures and networks.
    teachers: Vec<bool>,
    /// The rows of all finite sets, where there are teachers.
    known: Known,
}

impl<'a, T: Scalar> Pairing<'a, T> {
    /// With it the rows that there are. `samples` is the number of latents asked for, if it was.
    pub fn new(
        job: &Job,
        plan: &'a Plan,
        inputs: Vec<Input>,
        samples: Option<usize>,
    ) -> Result<(Pairing<'a, T>, Source)> {
        let dim = inputs.first().map_or(0, Input::dim);
        let (mut models, mut files, mut known) = (Vec::new(), Vec::new(), Known::default());
        let teachers: Vec<bool> = inputs.iter().map(Input::may_teach).collect();
        let (mut warned, mut beyond) = (false, false);
        for input in inputs {
            match input {
                Input::Model(m) => {
                    job.has_flow(&m, plan.solver)?;
                    // Once: students of one teacher are alike.
                    beyond = beyond || job.warn_of_flow(&m, &plan.evaluated());
                    warned = warned || job.warn_of_start(&m, &plan.sigmas);
                    if teachers.contains(&true) {
                        known.extend(m.held_rows::<T>().map(|rows| Known::new(rows.view())));
                    }
                    models.push(Some(m.into_denoiser::<T>()?));
                }
                Input::Samples(r) => {
                    models.push(None);
                    files.push(*r);
                }
            }
        }
        let (any_model, any_file) = (models.iter().any(Option::is_some), !files.is_empty());
        let mixed = any_model && any_file;
        job.numbered(mixed, "samples and models", "rows of samples belong to latents by their number")?;
        if mixed {
            files = files.into_iter().map(Rows::numbered).collect();
        }
        let wrong = if mixed && samples.is_some() {
            Some(
                "--samples with samples among the inputs: models run from as many latents as they have rows; leave it out",
            )
        } else if !any_model && samples.is_some() {
            Some("--samples without a model: all rows are compared; select some with --rows")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(usage(anyhow::anyhow!(wrong)));
        }
        let rows = if any_file {
            Source::InStep(Paired::new(files)?)
        } else {
            Source::Numbers(job.selected(samples.unwrap_or(DEFAULT_SAMPLES)))
        };
        let batch = models.iter().flatten().filter_map(|model| model.batch()).max();
        let block = block_rows(dim).next_multiple_of(batch.unwrap_or(1));
        Ok((Pairing { plan, seed: job.shared.seed, block, models, teachers, known }, rows))
    }

    /// Some rows of every input.
    pub fn rows(&self, block: Block<T>) -> Result<Vec<Array2<T>>> {
        let mut files = block.inputs.into_iter();
        let model = |m: &dyn Denoiser<T>| self.plan.samples(m, self.seed, block.rows.clone());
        let rows = |of: &Option<Box<dyn Denoiser<T>>>| match of {
            Some(m) => model(m.as_ref()),
            None => Ok(files.next().unwrap_or_default()),
        };
        self.models.iter().map(rows).collect()
    }

    /// Of every input how many of its rows are those of a finite set among the others, to the bit; of others than teachers
    /// none, which may return such a set's rows by what they are.
    pub fn copies(&self, rows: &[Array2<T>]) -> Vec<u64> {
        let of =
            |(rows, teaches): (&Array2<T>, &bool)| if *teaches { self.known.count(rows.view()) } else { 0 };
        rows.iter().zip(&self.teachers).map(of).collect()
    }
}
