//! Models and samples as blocks of paired rows.

use anyhow::{Result, bail};
use ndarray::Array2;

use crate::cli::{Job, usage};
use crate::denoiser::{Denoiser, Model};
use crate::flow::Plan;
use crate::scalar::Scalar;
use crate::stream::{NanPolicy, Paired, Rows, block_rows};

/// Latents when nothing says how many.
const DEFAULT_SAMPLES: usize = 10_000;

/// An input, opened.
pub enum Source {
    Model(Model),
    Samples(Box<Rows>),
}

impl Source {
    pub fn is_model(&self) -> bool {
        matches!(self, Source::Model(_))
    }

    /// Shape of one item.
    pub fn item_shape(&self) -> Vec<usize> {
        match self {
            Source::Model(model) => model.item_shape.clone(),
            Source::Samples(rows) => rows.item_shape().to_vec(),
        }
    }
}

/// All inputs as rows of samples, block by block in lockstep.
pub struct Pairing<'a, T: Scalar> {
    plan: &'a Plan,
    seed: u64,
    /// Rows of a block.
    block: usize,
    /// Per input its model; those without one come from `files`, in order.
    models: Vec<Option<Box<dyn Denoiser<T>>>>,
    files: Option<Paired>,
    /// Latents still to be run when there are no files.
    latents: std::ops::Range<u64>,
    /// Rows in all, when known.
    pub count: Option<usize>,
}

impl<'a, T: Scalar> Pairing<'a, T> {
    /// `samples` is the number of latents asked for, if it was.
    pub fn new(job: &Job, plan: &'a Plan, sources: Vec<Source>, samples: Option<usize>) -> Result<Self> {
        let (mut models, mut files) = (Vec::new(), Vec::new());
        let mut warned = false;
        for source in sources {
            match source {
                Source::Model(m) => {
                    // Once: students of one teacher are alike.
                    warned = warned || job.warn_of_start(&m, &plan.sigmas);
                    models.push(Some(m.into_denoiser::<T>()?));
                }
                Source::Samples(r) => {
                    models.push(None);
                    files.push(*r);
                }
            }
        }
        let any_model = models.iter().any(Option::is_some);
        let mixed = any_model && !files.is_empty();
        if mixed && job.shared.nan == NanPolicy::Drop {
            return Err(usage(anyhow::anyhow!(
                "--nan drop: dropping rows of samples would lose their pairing with the models' latents"
            )));
        }
        if mixed && samples.is_some() {
            return Err(usage(anyhow::anyhow!(
                "--samples with samples among the inputs: models run from as many latents as they have rows; leave it out"
            )));
        }
        if !any_model && samples.is_some() {
            return Err(usage(anyhow::anyhow!(
                "--samples without a model: all rows are compared; select some with --rows"
            )));
        }
        let dim = models.iter().flatten().next().map(|m| m.dim());
        let dim = dim.or_else(|| files.first().map(Rows::width)).unwrap_or(0);
        let (latents, count) = if files.is_empty() {
            let latents = job.selected(samples.unwrap_or(DEFAULT_SAMPLES));
            (latents.clone(), Some((latents.end - latents.start) as usize))
        } else {
            (job.shared.rows.start..u64::MAX, files[0].len())
        };
        let files = if files.is_empty() { None } else { Some(Paired::new(files)?) };
        let batch = models.iter().flatten().filter_map(|model| model.batch()).max();
        let block = block_rows(dim).next_multiple_of(batch.unwrap_or(1));
        Ok(Pairing { plan, seed: job.shared.seed, block, models, files, latents, count })
    }

    /// The next block of every input, rows paired.
    pub fn next(&mut self) -> Result<Option<Vec<Array2<T>>>> {
        // Where the blocks of the whole end: models of batches find them whole.
        let rows = self.block - (self.latents.start % self.block as u64) as usize;
        let mut read = match &mut self.files {
            Some(files) => match files.next_blocks::<T>(rows)? {
                Some(blocks) => blocks,
                None => return Ok(None),
            },
            None => Vec::new(),
        };
        let n = match read.first() {
            Some(block) => block.nrows() as u64,
            None => (self.latents.end - self.latents.start).min(rows as u64),
        };
        if n == 0 {
            return Ok(None);
        }
        let latents = self.latents.start..self.latents.start + n;
        self.latents.start += n;
        read.reverse();
        let mut blocks = Vec::new();
        for model in &self.models {
            blocks.push(match (model, read.is_empty()) {
                (Some(model), _) => self.plan.samples(model.as_ref(), self.seed, latents.clone())?,
                (None, false) => read.pop().unwrap_or_default(),
                (None, true) => bail!("an input ended early"),
            });
        }
        Ok(Some(blocks))
    }
}
