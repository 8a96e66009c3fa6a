//! npy check: read everything, to find what is damaged.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;
use molrg::cli::{Job, Shared};
use molrg::denoiser::Model;
use molrg::scalar::Scalar;
use molrg::stream::{Content, Input, Rows, block_rows};
use molrg::with_dtype;

use crate::inputs;

/// Read arrays and models to their ends, and fail at the first that is damaged.
///
/// Prints nothing when all are whole. Otherwise exits 1 with a line that says which is damaged, and
/// how. Every array of an npz archive is read. With --nan error, numbers that are not finite are
/// damage too.
///
/// Memory: a block of rows; of a model, the whole.
#[derive(Args)]
pub struct Arguments {
    /// Files to check: npy, npz, IDX, csv or models (default: standard input)
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
    #[command(flatten)]
    pub shared: Shared,
}

impl Arguments {
    pub fn run(self, job: &Job) -> Result<()> {
        for file in inputs(&self.files)? {
            let input = job.open(file)?;
            match input.content() {
                Content::Safetensors => {
                    Model::read(input)?;
                }
                Content::Npz => input.each_member(|array| read_through(job, array))?,
                Content::Npy | Content::Idx | Content::Csv => read_through(job, input)?,
            }
        }
        Ok(())
    }
}

fn read_through(job: &Job, input: Input) -> Result<()> {
    let rows = Rows::from_input(input, &job.read_options(job.shared.rows))?;
    with_dtype!(job.dtype(&[rows.dtype()]), T => read_as::<T>(job, rows))
}

fn read_as<T: Scalar>(job: &Job, mut rows: Rows) -> Result<()> {
    let mut progress = job.progress(rows.len().map(|n| n as u64), "rows");
    while let Some(block) = rows.next_block::<T>(block_rows(rows.width()))? {
        progress.advance(block.nrows());
    }
    rows.read_out()?;
    Ok(())
}
