//! npy noise: the latents a probability flow starts from, as a file.

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Job, Program, Source, count, usage};
use crate::random::{Purpose, normal_rows};
use crate::scalar::Scalar;
use crate::stream::block_rows;
use crate::with_dtype;

/// Draw standard normal latents, exactly those that pf-sample starts from.
///
/// Row i depends only on the seed and i: more samples, other threads or shards (--rows) give the same
/// rows.
///
/// Memory: a few blocks of rows for each thread.
#[derive(Args)]
pub struct Arguments {
    /// Number of latents
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// Numbers in each
    #[arg(short, long, value_name = "d", value_parser = count(1..=MAX_DIM))]
    dim: u32,
}

/// A block has at least one row: this keeps the blocks in flight within memory.
const MAX_DIM: u32 = 1 << 24;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        with_dtype!(job.dtype(&[]), T => self.draw::<T>(job))
    }
}

impl Arguments {
    fn draw<T: Scalar>(&self, job: &Job) -> Result<()> {
        let dim = self.dim as usize;
        let source = Source::Numbers(job.selected(self.samples));
        let out = job.array::<T>(source.len(), &self.item_shape(job)?)?;
        job.fill(source, block_rows(dim).min(1024), "latents", vec![out], |block| {
            Ok(vec![normal_rows(job.shared.seed, Purpose::Latents, block.rows, dim)])
        })
    }

    fn item_shape(&self, job: &Job) -> Result<Vec<usize>> {
        let dim = self.dim as usize;
        let Some(shape) = &job.shared.shape else {
            return Ok(vec![dim]);
        };
        let numbers = shape.0.iter().try_fold(1usize, |n, &length| n.checked_mul(length));
        if numbers != Some(dim) {
            return Err(usage(anyhow!("--shape {:?}: does not hold the {dim} numbers of --dim", shape.0)));
        }
        Ok(shape.0.clone())
    }
}
