//! The loop over rows, which nearly every program is: rows of a source, in blocks over all threads, through a
//! function, its results taken in order.

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use ndarray::{Array2, s};

use super::job::Job;
use crate::blocks::{in_order, ranges};
use crate::scalar::Scalar;
use crate::stream::{ArrayWriter, Joined, Paired, Rows, Seen};

/// Where the rows of a run come from.
pub enum Source {
    /// From their numbers alone: what is drawn from a seed.
    Numbers(Range<u64>),
    /// From an input.
    Stream(Rows),
    /// From several inputs, of which row i belongs together.
    InStep(Paired),
    /// From several inputs, one after the other.
    Joined(Joined),
}

impl Source {
    /// How many rows there are, where that is known beforehand.
    pub fn len(&self) -> Option<usize> {
        match self {
            Source::Numbers(rows) => Some((rows.end - rows.start) as usize),
            Source::Stream(rows) => rows.len(),
            Source::InStep(inputs) => inputs.len(),
            Source::Joined(inputs) => inputs.len(),
        }
    }

    /// Whether there are known to be none.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// What the inputs have of at most so many next rows; nothing at the end.
    fn next<T: Scalar>(&mut self, most: usize) -> Result<Option<Vec<Array2<T>>>> {
        match self {
            Source::Numbers(_) => Ok(None),
            Source::Stream(rows) => Ok(rows.next_block(most)?.map(|x| vec![x])),
            Source::InStep(inputs) => inputs.next_blocks(most),
            Source::Joined(inputs) => Ok(inputs.next_block(most)?.map(|x| vec![x])),
        }
    }
}

/// Some rows of the work.
pub struct Block<T> {
    /// Their numbers.
    pub rows: Range<u64>,
    /// What each input has of them, (n, width).
    pub inputs: Vec<Array2<T>>,
}

impl<T: Scalar> Block<T> {
    /// What the first input has of them; of a source without inputs, nothing.
    pub fn first(self) -> Option<Array2<T>> {
        self.inputs.into_iter().next()
    }
}

/// Rows that are gone through several times: of a file, read again each time; others are held.
pub struct Repeated<T> {
    file: Option<OsString>,
    pub(super) held: Array2<T>,
    first: u64,
    seen: Option<Seen>,
}

impl<T: Scalar> Repeated<T> {
    /// Of an input by its name, as [`Job::rows`] has opened it.
    ///
    /// # Errors
    /// Of what is held, as [`Rows::read_all`].
    pub fn new(job: &Job, name: Option<&OsStr>, mut rows: Rows) -> Result<Repeated<T>> {
        let seen = rows.seen().cloned();
        let file = name.filter(|name| Path::new(name).is_file()).map(OsStr::to_os_string);
        let held = if file.is_some() { Array2::zeros((0, 0)) } else { rows.read_all()? };
        Ok(Repeated { file, held, first: job.shared.rows.start, seen })
    }

    /// All rows, from the first on.
    pub fn source(&self, job: &Job) -> Result<Source> {
        match &self.file {
            Some(name) => Ok(Source::Stream(job.rows_again(name)?.seen_by(self.seen.clone()))),
            None => Ok(Source::Numbers(self.first..self.first + self.held.nrows() as u64)),
        }
    }

    /// The rows of a block of that source.
    pub fn rows(&self, block: Block<T>) -> Array2<T> {
        let (start, end) = (block.rows.start - self.first, block.rows.end - self.first);
        block.first().unwrap_or_else(|| self.held.slice(s![start as usize..end as usize, ..]).to_owned())
    }
}

impl Job {
    /// The loop over rows: `work` is done on blocks of at most `most` rows on all threads, and `take` sees its
    /// results in order, with the numbers of the rows. Shows progress in `what`. A row's result must not depend on
    /// the block around it: then neither threads nor blocks change a byte.
    ///
    /// # Errors
    /// The first, in the order of rows, of the source, `work` or `take`; a `--class` FILE of another number of rows.
    pub fn each_block<T: Scalar, R: Send>(
        &self,
        mut source: Source,
        most: usize,
        what: &'static str,
        work: impl Fn(Block<T>) -> Result<R> + Sync,
        mut take: impl FnMut(Range<u64>, R) -> Result<()>,
    ) -> Result<()> {
        let known = source.len();
        self.classes_are_of(known)?;
        let mut progress = self.progress(source.len().map(|n| n as u64), what);
        let take = |(rows, result): (Range<u64>, R)| {
            progress.advance((rows.end - rows.start) as usize);
            take(rows, result)
        };
        let work = |block: Block<T>| Ok((block.rows.clone(), work(block)?));
        let start = self.shared.rows.start;
        let mut first = start;
        let mut numbers = match &source {
            Source::Numbers(rows) => Some(ranges(rows.clone(), most)),
            _ => None,
        };
        let next = || {
            if let Some(numbers) = &mut numbers {
                return Ok(numbers()?.map(|rows| Block { rows, inputs: Vec::new() }));
            }
            // Where the blocks of the whole end, so that a denoiser of batches finds them whole.
            let most = most.max(1);
            let Some(inputs) = source.next(most - (first % most as u64) as usize)? else { return Ok(None) };
            let rows = first..first + inputs.first().map_or(0, |x| x.nrows() as u64);
            first = rows.end;
            Ok(Some(Block { rows, inputs }))
        };
        in_order(next, work, take)?;
        // A pipe or csv has told how many rows it has.
        if known.is_none() { self.classes_are_of(Some((first - start) as usize)) } else { Ok(()) }
    }

    /// The loop over rows where `work` makes one array for each output.
    ///
    /// # Errors
    /// As [`Job::each_block`]; numbers that are not finite, unless `--nan pass`.
    pub fn fill<T: Scalar>(
        &self,
        source: Source,
        most: usize,
        what: &'static str,
        mut outputs: Vec<ArrayWriter<T>>,
        work: impl Fn(Block<T>) -> Result<Vec<Array2<T>>> + Sync,
    ) -> Result<()> {
        self.each_block(source, most, what, work, |_, results| {
            outputs.iter_mut().zip(results).try_for_each(|(output, result)| output.write(result.view()))
        })?;
        // The first output last: it is what further programs wait for.
        outputs.into_iter().rev().try_for_each(ArrayWriter::finish)
    }
}
