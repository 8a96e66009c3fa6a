//! npy cat: join, slice and convert arrays.

use std::ffi::OsString;
use std::ops::Range;

use anyhow::{Result, ensure};
use clap::Args;
use ndarray::s;

use crate::cli::{Job, Program, Source};
use crate::scalar::Scalar;
use crate::stream::{Joined, RowRange, block_rows};
use crate::with_dtype;

use super::inputs;

/// Join arrays of equal item shape into one, or cut it, or convert it.
///
/// --rows and --cols cut, --dtype and --format convert; --rows counts through all inputs.
///
/// Memory: a block of rows. Where the length is not known beforehand (a pipe, csv, --nan drop), an
/// npy result waits in a temporary file. All FILEs are open at once; thousands of them go through a
/// pipe: cat *.npy | npy cat.
#[derive(Args)]
pub struct Arguments {
    /// Arrays to join, in this order (default: standard input)
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
    /// Take only these columns of the flattened rows; items of the result have one axis
    #[arg(long, value_name = "A..B")]
    cols: Option<RowRange>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let all: Result<Vec<_>> = inputs(&self.files)?.into_iter().map(|file| job.all_rows(file)).collect();
        let array = Joined::new(all?, job.shared.rows)?;
        with_dtype!(job.dtype(&[array.dtype()]), T => self.copy::<T>(job, array))
    }
}

impl Arguments {
    fn copy<T: Scalar>(&self, job: &Job, array: Joined) -> Result<()> {
        let width = array.item_shape().iter().product();
        let (columns, item_shape) = match &self.cols {
            Some(columns) => {
                let columns = within(columns, width)?;
                (columns.clone(), vec![columns.len()])
            }
            None => (0..width, array.item_shape().to_vec()),
        };
        let out = job.array::<T>(array.len(), &item_shape)?;
        job.fill(Source::Joined(array), block_rows(width), "rows", vec![out], |block| {
            let mut rows = block.first().unwrap_or_default();
            rows.slice_collapse(s![.., columns.clone()]);
            Ok(vec![rows])
        })
    }
}

/// The columns asked for, which must be there.
fn within(columns: &RowRange, width: usize) -> Result<Range<usize>> {
    let range = columns.clamp(width);
    let last = columns.end.unwrap_or(columns.start);
    ensure!(
        !range.is_empty() && last <= width as u64,
        "--cols {columns}: there are columns 0 to {}; name at least one of them and none beyond",
        width - 1
    );
    Ok(range)
}
