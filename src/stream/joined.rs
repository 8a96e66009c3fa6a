//! Several inputs read one after the other, as one longer array.

use anyhow::{Result, bail, ensure};
use ndarray::Array2;

use super::blocks::shape_text;
use super::rows::{RowRange, Rows};
use crate::scalar::{Dtype, Scalar};

/// Inputs of equal item shape, of which a range of rows is read.
pub struct Joined {
    inputs: std::vec::IntoIter<Rows>,
    /// The input that is being read.
    current: Option<Rows>,
    /// Rows of all inputs before that one.
    before: u64,
    range: RowRange,
    len: Option<usize>,
    dtype: Dtype,
    item_shape: Vec<usize>,
    /// Rows left out of inputs that are done with.
    dropped: u64,
}

impl Joined {
    /// Joins inputs, opened without a range of their own; `range` counts through
    /// all of them.
    ///
    /// # Errors
    /// No inputs; item shapes that differ.
    pub fn new(inputs: Vec<Rows>, range: RowRange) -> Result<Joined> {
        let Some(first) = inputs.first() else {
            bail!("nothing to join: no inputs; name at least one");
        };
        for other in &inputs[1..] {
            equal_items(first, other, "cannot be joined")?;
        }
        let total: Option<usize> = inputs.iter().map(Rows::len).sum();
        let wide = inputs.iter().any(|rows| rows.dtype() == Dtype::F64);
        Ok(Joined {
            len: total.map(|n| range.clamp(n).len()),
            dtype: if wide { Dtype::F64 } else { Dtype::F32 },
            item_shape: first.item_shape().to_vec(),
            inputs: inputs.into_iter(),
            current: None,
            before: 0,
            range,
            dropped: 0,
        })
    }

    /// Rows this yields, where that is known without reading them.
    pub fn len(&self) -> Option<usize> {
        self.len
    }

    /// Whether it is known to yield no rows.
    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }

    /// The widest of the inputs' types.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub fn item_shape(&self) -> &[usize] {
        &self.item_shape
    }

    /// Rows left out so far because of numbers that are not finite.
    pub fn dropped(&self) -> u64 {
        self.dropped + self.current.as_ref().map_or(0, Rows::dropped)
    }

    /// The next rows, at most `max_rows`, all of one input; `None` when there are
    /// no more.
    ///
    /// # Errors
    /// As [`Rows::next_block`].
    pub fn next_block<T: Scalar>(&mut self, max_rows: usize) -> Result<Option<Array2<T>>> {
        loop {
            if let Some(rows) = &mut self.current {
                if let Some(block) = rows.next_block(max_rows)? {
                    return Ok(Some(block));
                }
                let reached = self.before + rows.position();
                if self.range.end.is_some_and(|end| end <= reached) {
                    // Where the range ends, no further row is waited for.
                    return Ok(None);
                }
                self.before += rows.read_out()?;
                self.dropped += rows.dropped();
                self.current = None;
            }
            let Some(mut rows) = self.inputs.next() else {
                return Ok(None);
            };
            rows.restrict(RowRange {
                start: self.range.start.saturating_sub(self.before),
                end: self.range.end.map(|end| end.saturating_sub(self.before)),
            });
            self.current = Some(rows);
        }
    }
}

/// Refuses inputs whose items differ in shape; `what` says what that rules out.
fn equal_items(first: &Rows, other: &Rows, what: &str) -> Result<()> {
    ensure!(
        first.item_shape() == other.item_shape(),
        "{} and {}: items of shape {} and {} {what}; give arrays of equal items, or --shape for rows of csv",
        first.name(),
        other.name(),
        shape_text(first.item_shape()),
        shape_text(other.item_shape()),
    );
    Ok(())
}
