//! npy noise: the latents a probability flow starts from, as a file.

use anyhow::{Result, anyhow};
use clap::Args;
use molrg::blocks::in_order;
use molrg::cli::{Job, Shared, usage};
use molrg::random::{Purpose, normal_rows};
use molrg::scalar::Scalar;
use molrg::stream::block_rows;
use molrg::with_dtype;

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
    #[arg(short, long, value_name = "d", value_parser = clap::value_parser!(u32).range(1..=MAX_DIM))]
    dim: u32,
    #[command(flatten)]
    pub shared: Shared,
}

/// A block has at least one row: this keeps the blocks in flight within memory.
const MAX_DIM: i64 = 1 << 24;

impl Arguments {
    pub fn run(self, job: &Job) -> Result<()> {
        with_dtype!(job.dtype(&[]), T => self.draw::<T>(job))
    }

    fn draw<T: Scalar>(&self, job: &Job) -> Result<()> {
        let dim = self.dim as usize;
        let rows = job.selected(self.samples);
        let count = rows.end - rows.start;
        let mut out = job.array::<T>(Some(count as usize), &self.item_shape()?)?;
        let mut progress = job.progress(Some(count), "latents");
        in_order(
            rows,
            block_rows(dim).min(1024),
            |rows| Ok(normal_rows::<T>(self.shared.seed, Purpose::Latents, rows, dim)),
            |latents| {
                progress.advance(latents.nrows());
                out.write(latents.view())
            },
        )?;
        out.finish()
    }

    fn item_shape(&self) -> Result<Vec<usize>> {
        let dim = self.dim as usize;
        let Some(shape) = &self.shared.shape else {
            return Ok(vec![dim]);
        };
        let numbers = shape.0.iter().try_fold(1usize, |n, &length| n.checked_mul(length));
        if numbers != Some(dim) {
            return Err(usage(anyhow!("--shape {:?}: does not hold the {dim} numbers of --dim", shape.0)));
        }
        Ok(shape.0.clone())
    }
}
