//! npy take: rows by their numbers.

use std::ffi::OsString;

use anyhow::{Result, bail, ensure};
use clap::Args;
use ndarray::Array2;

use crate::blocks::room;
use crate::cli::{Job, Program};
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

/// Take rows of an array by their numbers, in the order of these; a number may come twice.
///
/// So what `subset --indices` chose by one file's rows is taken from another's: labels, latents.
///
/// Memory: the rows that are taken.
#[derive(Args)]
pub struct Arguments {
    /// Array to take from
    array: OsString,
    /// The numbers, from 0: an array, or of a table the column `row`, or the first
    indices: OsString,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.numbered(true, "INDICES", "rows would lose their numbers")?;
        job.wait_for_stdin(&[Some(&self.array), Some(&self.indices)])?;
        let (indices, named) = job.row_numbers(&self.indices)?;
        let rows = job.rows(Some(&self.array))?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => take::<T>(job, rows, &indices, &named))
    }
}

fn take<T: Scalar>(job: &Job, mut rows: Rows, indices: &[u32], named: &str) -> Result<()> {
    let width = rows.width();
    let mut out = job.array::<T>(Some(indices.len()), rows.item_shape())?;
    let mut taken = Array2::<T>::zeros((0, width));
    let mut order: Vec<usize> = (0..indices.len()).collect();
    order.sort_by_key(|&i| indices[i]);
    let mut wanted = order.into_iter().peekable();
    let mut first = 0;
    while let Some(block) = rows.next_block::<T>(block_rows(width))? {
        // Only now are there rows, and not just a header that promises some.
        if first == 0 {
            room(&[indices.len(), width], &format!("{}: {} rows of it", rows.name(), indices.len()))?;
            taken = Array2::zeros((indices.len(), width));
        }
        while let Some(i) = wanted.next_if(|&i| (indices[i] as usize) < first + block.nrows()) {
            taken.row_mut(i).assign(&block.row(indices[i] as usize - first));
        }
        first += block.nrows();
    }
    if indices.len() == first && first > 2 && indices.iter().all(|&i| i < 2) {
        job.warn(&format!(
            "{named}: {first} numbers for {first} rows, all 0 or 1, take rows 0 and 1 again and again; if they are a mask, give the \
             numbers of the rows that it marks"
        ));
    }
    if let Some(i) = wanted.next() {
        let (index, name) = (indices[i], rows.name());
        ensure!(first > 0, "{name}: no rows");
        bail!("{named}: row {i}: {index} is no row of {name}, which has {first}; number them from 0");
    }
    out.write(taken.view())?;
    out.finish()
}
