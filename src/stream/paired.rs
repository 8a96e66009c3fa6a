//! Several inputs read in lockstep, row i of each belonging together.

use anyhow::{Result, bail, ensure};
use ndarray::Array2;

use super::block_rows;
use super::items::same_items;
use super::rows::{NanPolicy, RowRange, Rows, finite_rows, keep_rows};
use crate::scalar::{Dtype, Scalar};

/// Inputs whose rows belong together. Their widths, shapes and row counts agree, and a
/// row that is not finite in one is dropped, or refused, in all.
pub struct Paired {
    inputs: Vec<Rows>,
    /// Of each input that goes with all rows of the others, its one row.
    repeated: Vec<Option<Vec<f64>>>,
    nan: NanPolicy,
    width: usize,
    dropped: u64,
    /// What to do about row counts that differ.
    way_out: &'static str,
}

impl Paired {
    /// Pairs inputs; what to do with numbers that are not finite is taken from
    /// the first one's options.
    ///
    /// # Errors
    /// No inputs; widths, shapes of more than one axis, or row counts where known beforehand, that differ.
    pub fn new(inputs: Vec<Rows>) -> Result<Paired> {
        let repeated = vec![None; inputs.len()];
        Paired::of(inputs, repeated, "give outputs made from the same latents")
    }

    /// As [`Paired::new`], but an input of one row goes with all rows of the others. The inputs were opened for all
    /// their rows, of which these are to be read.
    ///
    /// # Errors
    /// As [`Paired::new`]; one row for all that is not finite, unless that is to pass.
    pub fn with_single_rows(mut inputs: Vec<Rows>, range: RowRange) -> Result<Paired> {
        let single = inputs.iter_mut().map(Rows::is_single).collect::<Result<Vec<bool>>>()?;
        let mut repeated = vec![None; inputs.len()];
        let all_single = single.iter().all(|&single| single);
        for ((rows, repeated), single) in inputs.iter_mut().zip(&mut repeated).zip(single) {
            if !single || all_single {
                rows.restrict(range);
                continue;
            }
            // It cannot be left out: nothing would go with the others.
            let policy = std::mem::replace(&mut rows.nan, NanPolicy::Pass);
            let row = rows.next_block::<f64>(1)?.unwrap_or_default();
            rows.nan = policy;
            if policy != NanPolicy::Pass
                && let Some(found) = row.iter().find(|x| !x.is_finite())
            {
                bail!("{}: holds {found} in its one row, which goes with all; correct it", rows.name());
            }
            *repeated = Some(row.into_iter().collect());
        }
        Paired::of(inputs, repeated, "give as many of each, or one that goes with all")
    }

    fn of(mut inputs: Vec<Rows>, repeated: Vec<Option<Vec<f64>>>, way_out: &'static str) -> Result<Paired> {
        let Some(first) = inputs.first() else {
            bail!("nothing to pair: no inputs; name at least one");
        };
        let (nan, width) = (first.nan, first.width());
        // Only the pair decides what is left out.
        inputs.iter_mut().for_each(|rows| rows.nan = NanPolicy::Pass);
        let first = &inputs[0];
        for other in &inputs[1..] {
            ensure!(
                other.width() == width,
                "{} and {}: rows of {width} and of {} numbers do not pair; \
                 give outputs of the same shape",
                first.name(),
                other.name(),
                other.width()
            );
            same_items((first.name(), first.item_shape()), (other.name(), other.item_shape()))?;
        }
        let paired = Paired { inputs, repeated, nan, width, dropped: 0, way_out };
        let in_step: Vec<&Rows> = paired.in_step().collect();
        for other in &in_step[1..] {
            if let (Some(a), Some(b)) = (in_step[0].len(), other.len()) {
                ensure!(a == b, counts_differ(in_step[0], a as u64, other, b as u64, way_out));
            }
        }
        Ok(paired)
    }

    /// The inputs that are read row by row.
    fn in_step(&self) -> impl Iterator<Item = &Rows> {
        self.inputs.iter().zip(&self.repeated).filter(|(_, row)| row.is_none()).map(|(rows, _)| rows)
    }

    /// Shape of the items: that of the first input whose rows are not flat, but for axes of length 1.
    pub fn item_shape(&self) -> &[usize] {
        let shapes = || self.inputs.iter().map(Rows::item_shape);
        let flat = |shape: &&[usize]| shape.iter().filter(|&&n| n > 1).count() < 2;
        shapes().find(|shape| !flat(shape)).or(shapes().next()).unwrap_or_default()
    }

    /// Numbers in one row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The inputs' names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.inputs.iter().map(Rows::name).collect()
    }

    /// The widest of the inputs' types.
    pub fn dtype(&self) -> Dtype {
        let wide = self.inputs.iter().any(|rows| rows.dtype() == Dtype::F64);
        if wide { Dtype::F64 } else { Dtype::F32 }
    }

    /// Rows of each input this yields, where one of them tells beforehand and none
    /// may be dropped.
    pub fn len(&self) -> Option<usize> {
        let known = self.in_step().find_map(Rows::len);
        known.filter(|_| self.nan != NanPolicy::Drop)
    }

    /// Whether it is known to yield no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Rows left out so far, counted once for all inputs.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next rows of every input, one `(n, width)` matrix each,
    /// `1 ≤ n ≤ max_rows`, with fewer than `max_rows` only at the end; `None` when
    /// there are no more.
    ///
    /// # Errors
    /// As [`Rows::next_block`]; inputs of which one ends before another.
    pub fn next_blocks<T: Scalar>(&mut self, max_rows: usize) -> Result<Option<Vec<Array2<T>>>> {
        let mut blocks: Vec<Vec<T>> = vec![Vec::new(); self.inputs.len()];
        let mut got = 0;
        while got < max_rows {
            let step = block_rows(self.width).min(max_rows - got);
            let from = got * self.width;
            let read = self.read_on(step, &mut blocks)?;
            if read == 0 {
                break;
            }
            got += match self.nan {
                NanPolicy::Pass | NanPolicy::Error => read,
                NanPolicy::Drop => {
                    let mut keep = vec![true; read];
                    for block in &blocks {
                        let finite = finite_rows(&block[from..], self.width);
                        keep.iter_mut().zip(finite).for_each(|(k, f)| *k &= f);
                    }
                    for block in &mut blocks {
                        keep_rows(block, from, self.width, &keep);
                    }
                    let kept = keep.iter().filter(|&&k| k).count();
                    self.dropped += (read - kept) as u64;
                    self.inputs[0].left_out.add(&self.names().join(" and "), (read - kept) as u64);
                    kept
                }
            };
        }
        if got == 0 {
            return Ok(None);
        }
        let shape = (got, self.width);
        let blocks = blocks.into_iter().map(|b| Array2::from_shape_vec(shape, b));
        Ok(Some(blocks.collect::<Result<_, _>>()?))
    }

    /// Appends up to `step` rows of each input to its block.
    fn read_on<T: Scalar>(&mut self, step: usize, blocks: &mut [Vec<T>]) -> Result<usize> {
        let mut first: Option<(usize, usize)> = None;
        for (i, (rows, block)) in self.inputs.iter_mut().zip(&mut *blocks).enumerate() {
            if self.repeated[i].is_some() {
                continue;
            }
            let (row, from) = (rows.position(), block.len());
            let read = rows.read_on(step, block)?;
            match first {
                Some((first, most)) if read != most => return Err(self.unequal(first, i)),
                Some(_) => {}
                None => first = Some((i, read)),
            }
            if self.nan == NanPolicy::Error
                && let Some(found) = rows.not_finite(row, &block[from..])
            {
                return Err(rows.refuse::<T>(found));
            }
        }
        let read = first.map_or(0, |(_, read)| read);
        for (row, block) in self.repeated.iter().zip(blocks) {
            let row = row.iter().flatten();
            (0..read).for_each(|_| block.extend(row.clone().map(|&v| T::of(v))));
        }
        Ok(read)
    }

    /// The error for input `i` having another number of rows than the first that is read in step.
    fn unequal(&mut self, first: usize, i: usize) -> anyhow::Error {
        let counts = self.inputs[first].count_out().and_then(|a| Ok((a, self.inputs[i].count_out()?)));
        match counts {
            Ok((a, b)) => {
                anyhow::anyhow!(counts_differ(&self.inputs[first], a, &self.inputs[i], b, self.way_out))
            }
            Err(e) => e,
        }
    }
}

fn counts_differ(first: &Rows, a: u64, other: &Rows, b: u64, way_out: &str) -> String {
    format!("{} and {}: {a} and {b} rows do not pair; {way_out}", first.name(), other.name())
}
