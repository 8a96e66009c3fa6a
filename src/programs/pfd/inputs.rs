//! Inputs, models and samples alike, as blocks of paired rows.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use ndarray::Array2;

use crate::cli::{Block, Job, Source, usage};
use crate::denoiser::{Denoiser, Model};
use crate::flow::Plan;
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Content, Paired, Rows, block_rows, same_items};

/// Latents when nothing says how many.
const DEFAULT_SAMPLES: usize = 10_000;

/// An input, opened.
pub enum Input {
    Model(Model),
    Samples(Box<Rows>),
}

impl Input {
    /// All of these names, the first model with what `--edit` says.
    pub fn open_all(job: &Job, names: &[&OsString]) -> Result<Vec<Input>> {
        let mut first = true;
        let open = |name: &&OsString| match Input::open(job, name)? {
            Input::Model(model) if std::mem::take(&mut first) => {
                Ok(Input::Model(job.edited(model, Some(name))?))
            }
            other => Ok(other),
        };
        names.iter().map(open).collect()
    }

    fn open(job: &Job, name: &OsString) -> Result<Input> {
        if let Some(model) = job.model_program(Some(name))? {
            return Ok(Input::Model(model));
        }
        let input = job.open(Some(name))?;
        Ok(match input.content() {
            Content::Safetensors => Input::Model(job.of_class(Model::read_denoiser(input)?, Some(name))?),
            _ => Input::Samples(Box::new(Rows::from_input(input, &job.read_options(job.shared.rows))?)),
        })
    }

    pub fn model(&self) -> Option<&Model> {
        match self {
            Input::Model(model) => Some(model),
            Input::Samples(_) => None,
        }
    }

    pub fn is_model(&self) -> bool {
        self.model().is_some()
    }

    fn dim(&self) -> usize {
        match self {
            Input::Model(model) => model.dim(),
            Input::Samples(rows) => rows.width(),
        }
    }

    /// Shape of one item.
    pub fn item_shape(&self) -> &[usize] {
        match self {
            Input::Model(model) => &model.item_shape,
            Input::Samples(rows) => rows.item_shape(),
        }
    }

    pub fn dtype(&self) -> Dtype {
        match self {
            Input::Model(model) => model.dtype,
            Input::Samples(rows) => rows.dtype(),
        }
    }
}

/// Refuses inputs whose items differ from those of the first.
pub fn same_data(names: &[&OsString], inputs: &[Input]) -> Result<()> {
    let Some(first) = inputs.first() else { return Ok(()) };
    for (name, input) in names.iter().zip(inputs) {
        let (name, other) = (name.to_string_lossy(), names[0].to_string_lossy());
        ensure!(
            input.dim() == first.dim(),
            "{name}: of dimension {}, but {other} has {}; give models or samples of the same data",
            input.dim(),
            first.dim()
        );
        same_items((&other, first.item_shape()), (&name, input.item_shape()))?;
    }
    Ok(())
}

/// What every input has of a row: a model what it makes of the latent, samples their own.
pub struct Pairing<'a, T: Scalar> {
    plan: &'a Plan,
    seed: u64,
    /// Rows of a block.
    pub block: usize,
    /// Per input its model; those without one are the files, in order.
    models: Vec<Option<Box<dyn Denoiser<T>>>>,
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
        let (mut models, mut files) = (Vec::new(), Vec::new());
        let (mut warned, mut beyond) = (false, false);
        for input in inputs {
            match input {
                Input::Model(m) => {
                    job.has_flow(&m, plan.solver)?;
                    // Once: students of one teacher are alike.
                    beyond = beyond || job.warn_of_flow(&m, &plan.evaluated());
                    warned = warned || job.warn_of_start(&m, &plan.sigmas);
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
        Ok((Pairing { plan, seed: job.shared.seed, block, models }, rows))
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
}
