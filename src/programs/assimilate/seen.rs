//! What was seen of paths, and the paths themselves.

use std::ffi::OsStr;

use anyhow::{Result, ensure};
use ndarray::Array2;

use crate::cli::Job;
use crate::stream::Rows;

/// T + 1, of rows that hold so many observed numbers at each time.
pub fn times_of(rows: &Rows, count: usize) -> Result<usize> {
    let (width, shape) = (rows.width(), rows.item_shape());
    ensure!(
        width.is_multiple_of(count) && (shape.len() < 2 || *shape == [width / count, count]),
        "{}: items of shape {shape:?}, but {count} numbers are seen of each state; give what sde --observations wrote with the \
         same --observe",
        rows.name()
    );
    Ok(width / count)
}

/// The paths that were seen, a row each.
pub struct Truth {
    pub name: String,
    pub paths: Array2<f64>,
}

/// Those of a file.
///
/// # Errors
/// Paths of other lengths or dimensions, or not as many.
pub fn truth(job: &Job, name: &OsStr, seen: &Rows, width: usize) -> Result<Truth> {
    let mut paths = job.rows(Some(name))?;
    ensure!(
        paths.width() == width,
        "{}: rows of {} numbers, where states of {} have {width}; give the paths that were seen",
        paths.name(),
        paths.width(),
        seen.name()
    );
    // Of --rows both may have as many, and yet be of other paths.
    if let (Some(all), Some(were)) = (paths.total(), seen.total()) {
        ensure!(
            all == were || all == 0,
            "{}: {all} paths, where {} has observations of {were}; give the paths that were seen, all of them",
            paths.name(),
            seen.name()
        );
    }
    let total = paths.total();
    let (name, paths) = (paths.name().to_string(), paths.read_all::<f64>()?);
    ensure!(total.is_none_or(|all| all == 0) || paths.nrows() > 0, "{name}: --rows leave none of its paths");
    ensure!(paths.nrows() > 0, "{name}: no rows; give the paths that were seen");
    Ok(Truth { name, paths })
}
