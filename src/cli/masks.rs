//! Masks: arrays that mark a part of every item.

use std::ffi::OsStr;

use anyhow::{Result, bail, ensure};

use super::job::Job;
use crate::stream::{ReadOptions, RowRange, Rows, block_rows};

impl Job {
    /// Which numbers of items of this shape a mask marks: those where it is not 0. It has the shape of an item, or
    /// leaves out the axis of channels, first or last, all of which it then stands for.
    ///
    /// # Errors
    /// Another shape; a mask that marks nothing.
    pub fn mask(&self, name: &OsStr, item_shape: &[usize]) -> Result<Vec<bool>> {
        // --shape is that of the items that it marks.
        let options = ReadOptions { item_shape: None, ..self.read_options(RowRange::default()) };
        let mut rows = Rows::from_input(self.open(Some(name))?, &options)?;
        let width: usize = item_shape.iter().product();
        let (mut marked, mut count) = (Vec::new(), 0);
        while let Some(block) = rows.next_block::<f64>(block_rows(rows.width()))? {
            count += block.nrows();
            marked.extend(block.iter().map(|&v| v != 0.0));
            // More than any mask of these items has.
            if marked.len() > width {
                break;
            }
        }
        ensure!(count > 0, "{}: has no rows; a mask is an array of an item's shape", rows.name());
        let shape: Vec<usize> = [&[count], rows.item_shape()].concat();
        let axes = |shape: &[usize]| shape.iter().copied().filter(|&n| n > 1).collect::<Vec<_>>();
        let fits = |shape: &[usize], due: &[usize]| axes(shape) == axes(due);
        let marked: Vec<bool> = match *item_shape {
            _ if marked.len() == width && (fits(&shape, item_shape) || axes(&shape).len() < 2) => marked,
            [h, w, c] if fits(&shape, &[h, w]) => {
                marked.iter().flat_map(|&marked| std::iter::repeat_n(marked, c)).collect()
            }
            [c, h, w] if fits(&shape, &[h, w]) => marked.repeat(c),
            _ => bail!(
                "{}: a mask of shape {shape:?} cannot be one of items of shape {item_shape:?}; give one of that shape, \
                 or without the axis of channels",
                rows.name()
            ),
        };
        ensure!(
            marked.contains(&true),
            "{}: marks nothing; give a mask that is not 0 in the part that is meant",
            rows.name()
        );
        // As a picture of black and white does, whose numbers are −1 and 1.
        if !marked.contains(&false) {
            self.warn(&format!(
                "{}: marks all there is, as no number in it is 0; of a picture, npy images --to 0,1 makes a mask",
                rows.name()
            ));
        }
        Ok(marked)
    }
}
