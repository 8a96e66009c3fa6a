//! npy transpose: the axes of an array in another order.

use std::collections::BTreeSet;
use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array2, IxDyn};

use crate::cli::{Job, Program, Source, usage};
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

/// Put the axes of an array in another order.
///
/// --axes 0,2,3,1 turns images with channels first, (N, C, H, W), into such with channels last, (N, H, W, C), and
/// 0,3,1,2 turns them back. --axes 1,0 makes rows of a matrix's columns, as of a network's weights (`net.st:ema.…`).
/// Axis i of the result is axis AXES[i] of the array, as NumPy has it.
///
/// Memory: a block of rows where axis 0 stays the first, else the array. Where the number of rows is not known
/// beforehand, the result waits in a temporary file.
#[derive(Args)]
pub struct Arguments {
    /// An array (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// The order: each axis once
    #[arg(long, value_name = "I,J,…", value_delimiter = ',', required = true)]
    axes: Vec<usize>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if self.axes.first() != Some(&0) {
            job.only(false, &["--rows"], "rows become another axis")?;
            let rows = job.all_rows(self.file.as_deref())?;
            return with_dtype!(job.dtype(&[rows.dtype()]), T => self.turn_all::<T>(job, rows));
        }
        let items: Option<Vec<usize>> = self.axes[1..].iter().map(|axis| axis.checked_sub(1)).collect();
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

impl Arguments {
    /// With another axis the first.
    fn turn_all<T: Scalar>(&self, job: &Job, mut rows: Rows) -> Result<()> {
        let (name, items) = (rows.name().to_string(), rows.item_shape().to_vec());
        let all = rows.read_all::<T>()?;
        let shape = [&[all.nrows()], &items[..]].concat();
        let axes = self.axes.iter().copied().collect::<BTreeSet<_>>();
        ensure!(
            axes.len() == self.axes.len() && axes.iter().copied().eq(0..shape.len()),
            "{name}: --axes: an array of shape {shape:?} has axes 0 to {}; name each of them once",
            shape.len() - 1
        );
        let turned = all.into_shape_with_order(IxDyn(&shape))?.permuted_axes(IxDyn(&self.axes));
        let shape = turned.shape().to_vec();
        let matrix = Array2::from_shape_vec(
            (shape[0], shape[1..].iter().product()),
            turned.iter().copied().collect(),
        )?;
        let mut out = job.array::<T>(Some(shape[0]), &shape[1..])?;
        out.write(matrix.view())?;
        out.finish()
    }
}
