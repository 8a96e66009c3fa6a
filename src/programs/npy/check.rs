//! npy check: read everything, to find what is damaged.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};
use crate::denoiser::Model;
use crate::scalar::Scalar;
use crate::stream::{Content, Input, Rows, block_rows};
use crate::with_dtype;

use super::{inputs, verify};

/// Read arrays and models to their ends, and fail at the first that is damaged.
///
/// Prints nothing when all are whole. Otherwise exits 1 with a line that says which is damaged, and
/// how. Every array of an npz archive is read, and every tensor of a safetensors file. With --nan error,
/// numbers that are not finite are damage too.
///
/// With --manifest, files of any kind are compared with what that record of a run says of them: shape,
/// type, number of bytes, SHA-256. Without FILE these are all outputs of the run, and those of its inputs
/// that are there; then, in the same way, the files of the manifests beside the inputs (FILE.manifest.json,
/// if they are those that the run found there), and so on to the first. Names are taken as the run had
/// them, from the directory it ran in; a FILE given here may lie elsewhere. What a run wrote to standard
/// output is looked for where the manifest lies: beside FILE.manifest.json, as FILE.
///
/// Memory: a block of rows; of a model, the whole.
#[derive(Args)]
pub struct Arguments {
    /// Files to check: npy, npz, IDX, csv, safetensors or models (default: standard input; with --manifest, all of
    /// its files)
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
    /// Compare with what this record of a run says of the files
    #[arg(long = "manifest", value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let why = "files are compared whole with what --manifest says of them";
        job.only(self.record.is_none(), &["--rows", "--nan", "--shape"], why)?;
        match &self.record {
            Some(manifest) if self.files.is_empty() => return verify::all(job, manifest),
            Some(manifest) => return verify::named(job, manifest, &self.files),
            None => {}
        }
        for file in inputs(&self.files)? {
            let mut input = job.open(file)?;
            match input.content() {
                Content::Safetensors if input.is_model() => {
                    Model::read(input)?;
                }
                Content::Safetensors => input.each_tensor(|tensor| read_through(job, tensor))?,
                Content::Npz => input.each_member(|array| read_through(job, array))?,
                Content::Npy | Content::Idx | Content::Csv | Content::Tensor => read_through(job, input)?,
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
