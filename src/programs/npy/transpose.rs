//! npy transpose: the axes of every item in another order.

use std::ffi::OsString;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Job, Program, Source, usage};
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

/// Put the axes of every item in another order.
///
/// --axes 0,2,3,1 turns images with channels first, (N, C, H, W), into such with channels last, (N, H, W, C), and
/// 0,3,1,2 turns them back. Axis i of the result is axis AXES[i] of the array, as NumPy has it.
///
/// Memory: a block of rows. Where their number is not known beforehand, the result waits in a temporary file.
#[derive(Args)]
pub struct Arguments {
    /// An array (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// The order: 0, the rows, first, and each other axis once
    #[arg(long, value_name = "0,I,J,…", value_delimiter = ',', required = true)]
    axes: Vec<usize>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (Some(0), items) = (self.axes.first(), &self.axes[1..]) else {
            return Err(usage(anyhow!("--axes: axis 0 counts the rows and stays the first")));
        };
        let items: Option<Vec<usize>> = items.iter().map(|axis| axis.checked_sub(1)).collect();
        let items = items.ok_or_else(|| usage(anyhow!("--axes: has axis 0 twice")))?;
        let rows = job.rows(self.file.as_deref())?.turned(&items)?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => copy::<T>(job, rows))
    }
}

fn copy<T: Scalar>(job: &Job, rows: Rows) -> Result<()> {
    let out = job.array::<T>(rows.len(), rows.item_shape())?;
    let most = block_rows(rows.width());
    job.fill(Source::Stream(rows), most, "rows", vec![out], |block| Ok(block.inputs))
}
