//! npy stack: arrays of one shape on a new leading axis.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

use super::inputs;

/// Stack K arrays of equal shape (N, …) on a new leading axis: (K, N, …).
///
/// The rows of the result are the arrays, so --rows A..B stacks only inputs A to B-1.
///
/// Memory: a block of rows. Where no input's length is known beforehand (pipes, csv), an
/// npy result waits in a temporary file.
#[derive(Args)]
pub struct Arguments {
    /// Arrays to stack, in this order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let mut files = inputs(&self.files)?;
        job.numbered(files.len() > 1, "several arrays", "their rows belong together by their number")?;
        let selected = job.shared.rows.clamp(files.len());
        if selected.is_empty() {
            let rows = job.shared.rows;
            return Err(usage(anyhow!(
                "--rows {rows}: is none of the {} inputs; select at least one",
                files.len()
            )));
        }
        let arrays: Result<Vec<_>> = files.drain(selected).map(|file| job.all_rows(file)).collect();
        let arrays = arrays?;
        let dtypes: Vec<Dtype> = arrays.iter().map(Rows::dtype).collect();
        with_dtype!(job.dtype(&dtypes), T => stack::<T>(job, arrays))
    }
}

fn stack<T: Scalar>(job: &Job, arrays: Vec<Rows>) -> Result<()> {
    let first = &arrays[0];
    let (name, item_shape) = (first.name().to_string(), first.item_shape().to_vec());
    for other in &arrays[1..] {
        ensure!(
            other.item_shape() == item_shape,
            "{name} and {}: items of shape {item_shape:?} and {:?} cannot be stacked; give arrays of equal shape, or --shape",
            other.name(),
            other.item_shape()
        );
        if let (Some(a), Some(b)) = (first.len(), other.len()) {
            same_length(&name, a, other, b)?;
        }
    }
    let mut length = arrays.iter().find_map(Rows::len);
    let mut out = job.stack::<T>(arrays.len(), length, &item_shape)?;
    let mut progress = job.progress(length.map(|n| (n * arrays.len()) as u64), "rows");
    let mut names = name;
    for mut array in arrays {
        let mut rows = 0;
        while let Some(block) = array.next_block::<T>(block_rows(array.width()))? {
            rows += block.nrows();
            // Rows too many are only counted, for the error.
            if length.is_none_or(|length| rows <= length) {
                out.write(block.view())?;
            }
            progress.advance(block.nrows());
        }
        same_length(&names, *length.get_or_insert(rows), &array, rows)?;
        names = array.name().to_string();
        out.end_stacked()?;
    }
    out.finish()
}

fn same_length(first: &str, a: usize, other: &Rows, b: usize) -> Result<()> {
    ensure!(
        a == b,
        "{first} and {}: {a} and {b} rows cannot be stacked; give arrays of equal length",
        other.name()
    );
    Ok(())
}
