//! The component of each row, in a file of its own.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use ndarray::Array2;

use crate::cli::Job;
use crate::stream::{ArrayWriter, Table};

/// Where the component of each row goes.
pub enum Labels {
    Table(Table),
    Array(ArrayWriter<f32>),
}

impl Labels {
    pub fn open(job: &Job, path: &Path, count: usize) -> Result<Labels> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
            return Ok(Labels::Array(job.side_array(path, Some(count), &[])?));
        }
        Ok(Labels::Table(job.side_table(path, &["row", "component"])?))
    }

    pub fn write(&mut self, mut rows: Range<u64>, components: &[usize]) -> Result<()> {
        match self {
            Labels::Table(table) => {
                rows.by_ref().zip(components).try_for_each(|(row, k)| table.row(&[row.into(), (*k).into()]))
            }
            Labels::Array(array) => {
                let column = Array2::from_shape_fn((components.len(), 1), |(i, _)| components[i] as f32);
                array.write(column.view())
            }
        }
    }

    pub fn finish(self) -> Result<()> {
        match self {
            Labels::Table(table) => table.finish(),
            Labels::Array(array) => array.finish(),
        }
    }
}
