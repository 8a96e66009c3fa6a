//! Rows of numbers, read in blocks from whatever they are stored in.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow, ensure};
use ndarray::Array2;

use super::block_rows;
use super::blocks::{Blocks, count_rows, reserve, shape_text};
use super::delimited::Lines;
use super::header::Header;
use super::input::{Content, Input};
use super::items::{Layout, Turn, image_text};
use super::ledger::{Ledger, Note};
use super::seen::Seen;
use super::tensor;
use crate::scalar::{Dtype, Scalar, all_finite};

/// A half-open range of rows, as `--rows` takes it. The default is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowRange {
    pub start: u64,
    /// `None`: to the end.
    pub end: Option<u64>,
}

/// What to do with a row that holds a number which is not finite.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NanPolicy {
    /// Stop, and say where it is.
    #[default]
    Error,
    /// Leave the row out.
    Drop,
    /// Take it as it is.
    Pass,
}

/// What to read, and how.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub rows: RowRange,
    pub nan: NanPolicy,
    /// Shape of one row, where rows are stored flat.
    pub item_shape: Option<Vec<usize>>,
    /// Rows belong to something by their number, so that none may be dropped: it is not advised.
    pub numbered: bool,
    /// Where it is counted how many rows were left out.
    pub left_out: LeftOut,
    /// Where csv is noted whose first row looks like the numbers of columns.
    pub counted_off: CountedOff,
    /// Who is told what an input is taken to be.
    pub described: Option<Described>,
}

/// Inputs whose first row is `0,1,2,…`, as tables without names have them. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct CountedOff(Arc<Mutex<Vec<String>>>);

impl CountedOff {
    fn add(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Rows left out because of numbers that are not finite, counted over all inputs that were opened with it. Clones
/// share the count.
#[derive(Clone, Debug, Default)]
pub struct LeftOut(Arc<Mutex<Vec<(String, u64)>>>);

impl LeftOut {
    /// So many more rows of an input, or of inputs that are read in lockstep.
    pub fn add(&self, name: &str, rows: u64) {
        if rows == 0 {
            return;
        }
        // A panic elsewhere leaves the count as good as it was.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.iter_mut().find(|(of, _)| of == name) {
            Some((_, count)) => *count += rows,
            None => counts.push((name.to_string(), rows)),
        }
    }

    /// What lost rows, and how many, in the order in which it first did.
    pub fn counts(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Is told, once, what an input is taken to be.
#[derive(Clone)]
pub struct Described(Arc<dyn Fn(&str) + Send + Sync>);

impl Described {
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Described {
        Described(Arc::new(say))
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Described")
    }
}

/// The rows of one input.
pub struct Rows {
    name: String,
    source: Source,
    source_dtype: String,
    dtype: Dtype,
    item_shape: Vec<usize>,
    /// Item shape as the input has it, for the ledger.
    stored_shape: Vec<usize>,
    width: usize,
    range: RowRange,
    pub(super) nan: NanPolicy,
    /// Index of the row that is read next.
    position: u64,
    /// Rows of the whole input, when known.
    total: Option<u64>,
    dropped: u64,
    numbered: bool,
    pub(super) left_out: LeftOut,
    /// Until it has been told.
    described: Option<Described>,
    /// Who looks at the rows that are given out.
    seen: Option<Seen>,
    /// Another order of the numbers of a row than the stored one.
    turn: Option<Turn>,
    /// Rows that were read to see whether there are several, as they are stored: those from `position` on.
    ahead: Vec<f64>,
    note: Note,
}

enum Source {
    Blocks(Blocks),
    Lines(Lines),
}

impl Source {
    /// Appends up to `most` rows; says how many, fewer only at the end.
    fn read<T: Scalar>(&mut self, most: usize, out: &mut Vec<T>) -> Result<usize> {
        match self {
            Source::Blocks(blocks) => blocks.read(most, out),
            Source::Lines(lines) => lines.read(most, out),
        }
    }
}

impl Rows {
    /// Opens what [`Input::open`] does and reads its header, or its first line.
    ///
    /// # Errors
    /// As [`Input::open`]; a model file; a damaged header; a number type that is
    /// refused; an item shape that does not fit.
    pub fn open(name: &OsStr, options: &ReadOptions, ledger: &Ledger) -> Result<Rows> {
        Rows::from_input(Input::open(name, ledger)?, options)
    }

    /// The rows of an opened input.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn from_input(input: Input, options: &ReadOptions) -> Result<Rows> {
        let input = match input.content() {
            Content::Npz => input.into_member()?,
            _ => input,
        };
        let name = input.name().to_string();
        Rows::start(input, options).map_err(|e| at(&name, e))
    }

    fn start(mut input: Input, options: &ReadOptions) -> Result<Rows> {
        let (name, note) = (input.name.clone(), input.note.clone());
        let content = input.content();
        let mut total = None;
        let (source, source_dtype, dtype, stored_shape) = match content {
            Content::Safetensors | Content::Tensor => {
                let (reader, header) = tensor::open(input)?;
                total = Some(header.rows);
                let shape = header.item_shape.clone();
                let (dtype, descr) = (header.element.dtype(), header.element.to_string());
                (Source::Blocks(Blocks::new(reader, header, false)), descr, dtype, shape)
            }
            Content::Csv => {
                let lines = Lines::new(input.into_buffered())?;
                if lines.counts_off && options.rows.start == 0 {
                    options.counted_off.add(&name);
                }
                let shape = vec![lines.width()];
                (Source::Lines(lines), "csv".to_string(), Dtype::F64, shape)
            }
            Content::Npy | Content::Npz | Content::Idx => {
                if let (Content::Npy, Some(file)) = (content, input.file_mut()) {
                    total = count_rows(file)?;
                }
                let mut reader = input.into_buffered();
                let header = if content == Content::Idx {
                    Header::read_idx(&mut reader)?
                } else {
                    Header::read_npy(&mut reader)?
                };
                if content == Content::Idx {
                    total = Some(header.rows);
                }
                let shape = header.item_shape.clone();
                let (dtype, descr) = (header.element.dtype(), header.element.to_string());
                let blocks = Blocks::new(reader, header, content == Content::Npy);
                (Source::Blocks(blocks), descr, dtype, shape)
            }
        };
        let width = stored_shape.iter().product();
        let item_shape = match &options.item_shape {
            Some(shape) => {
                let sorted = |shape: &[usize]| {
                    let mut axes = shape.to_vec();
                    axes.sort_unstable();
                    axes
                };
                let turns = sorted(shape) == sorted(&stored_shape);
                ensure!(
                    stored_shape.len() == 1 || *shape == stored_shape,
                    "its items are of shape {}, which --shape does not change into {}; leave --shape out{}",
                    shape_text(&stored_shape),
                    shape_text(shape),
                    if turns { ", or turn their axes with npy transpose" } else { "" }
                );
                let numbers = shape.iter().try_fold(1usize, |n, &m| n.checked_mul(m));
                ensure!(
                    numbers == Some(width),
                    "a row of it has {width} numbers, which do not make items of shape {}; \
                     give another shape",
                    shape_text(shape)
                );
                shape.clone()
            }
            None => stored_shape.clone(),
        };
        note.describe(total, &stored_shape, &source_dtype);
        Ok(Rows {
            name,
            source,
            source_dtype,
            dtype,
            item_shape,
            stored_shape,
            width,
            range: options.rows,
            nan: options.nan,
            position: 0,
            total,
            dropped: 0,
            numbered: options.numbered,
            left_out: options.left_out.clone(),
            described: options.described.clone(),
            seen: None,
            turn: None,
            ahead: Vec::new(),
            note,
        })
    }

    /// The same with the axes of every item in another order: axis i is that which was `axes[i]`.
    ///
    /// # Errors
    /// Axes that are not each of the item's, once.
    pub fn turned(self, axes: &[usize]) -> Result<Rows> {
        ensure!(self.turn.is_none(), "{}: bug: turned twice", self.name);
        let (turn, item_shape) = Turn::new(&self.item_shape, axes).map_err(|e| at(&self.name, e))?;
        Ok(Rows { turn: Some(turn), item_shape, ..self })
    }

    /// The same as images with channels last, for programs that look at pixels.
    ///
    /// # Errors
    /// Without a word on the layout, what looks like channels first; a layout of what has no channels.
    pub fn images(self, layout: Option<Layout>) -> Result<Rows> {
        match Layout::axes(layout, &self.item_shape).map_err(|e| at(&self.name, e))? {
            Some(axes) => self.turned(&axes),
            None => Ok(self),
        }
    }

    /// As shown in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`ReadOptions::numbered`] has them.
    pub fn numbered(self) -> Rows {
        Rows { numbered: true, ..self }
    }

    /// The same, and `seen` looks at the rows that [`Rows::next_block`] and [`Rows::read_all`] give out.
    pub fn seen_by(self, seen: Option<Seen>) -> Rows {
        Rows { seen, ..self }
    }

    /// Who looks at them.
    pub fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// The type to compute in: `f32` where it holds every stored value exactly
    /// (halves, singles, integers of 8 and 16 bits), else `f64`.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The type as stored: `<f4`, `|u1`, `>f8`, `csv`.
    pub fn source_dtype(&self) -> &str {
        &self.source_dtype
    }

    /// Whether whole numbers are stored, as pixels from 0 to 255 are.
    pub fn are_whole(&self) -> bool {
        !self.source_dtype.contains('f') && self.source_dtype != "csv"
    }

    /// Shape of one row: `[d]` for a matrix, `[1]` for an array of one axis.
    pub fn item_shape(&self) -> &[usize] {
        &self.item_shape
    }

    /// Numbers in one row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows this yields from its beginning, where that is known without reading
    /// them: not for pipes, csv, or where rows may be dropped.
    pub fn len(&self) -> Option<usize> {
        let total = usize::try_from(self.total?).ok()?;
        (self.nan != NanPolicy::Drop).then(|| self.range.clamp(total).len())
    }

    /// Rows of the whole input, whatever is to be read of it, where that is known without reading them.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether it is known to yield no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether the whole input, whatever is to be read of it, has one row alone. To be asked before any is read:
    /// where it is not known, the first two are read ahead.
    ///
    /// # Errors
    /// As [`Rows::next_block`], but for numbers that are not finite.
    pub fn is_single(&mut self) -> Result<bool> {
        if self.total.is_none() {
            let read = self.source.read(2, &mut self.ahead).map_err(|e| at(&self.name, e))?;
            if read < 2 {
                self.total = Some(read as u64);
            }
        }
        Ok(self.total == Some(1))
    }

    /// Index of the row that is read next, in the whole input.
    pub(super) fn position(&self) -> u64 {
        self.position.max(self.range.start)
    }

    /// Rows that were left out so far because of numbers that are not finite.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next rows as an `(n, width)` matrix, `1 ≤ n ≤ max_rows`, with fewer than
    /// `max_rows` only at the end; `None` when there are no more.
    ///
    /// # Errors
    /// A truncated or damaged input, and by policy a number that is not finite.
    pub fn next_block<T: Scalar>(&mut self, max_rows: usize) -> Result<Option<Array2<T>>> {
        let mut values = Vec::new();
        self.fill(max_rows, &mut values)?;
        if values.is_empty() {
            return Ok(None);
        }
        self.matrix(values).map(Some)
    }

    /// All rows that are left, as one matrix. It grows as they arrive.
    ///
    /// # Errors
    /// As [`Rows::next_block`], and when they do not fit in memory.
    pub fn read_all<T: Scalar>(&mut self) -> Result<Array2<T>> {
        let mut values = Vec::new();
        if let Some(rows) = self.len().filter(|_| self.on_disk()) {
            // The bytes are there, so this is no empty promise of a header.
            reserve(&mut values, rows.saturating_mul(self.width)).map_err(|e| at(&self.name, e))?;
        }
        self.fill(usize::MAX, &mut values)?;
        self.matrix(values)
    }

    fn matrix<T: Scalar>(&self, values: Vec<T>) -> Result<Array2<T>> {
        let rows = Array2::from_shape_vec((values.len() / self.width, self.width), values)?;
        if let Some(seen) = &self.seen {
            seen.see(rows.view());
        }
        Ok(rows)
    }

    fn on_disk(&self) -> bool {
        matches!(&self.source, Source::Blocks(blocks) if blocks.several && blocks.reader.is_file())
    }

    /// Appends rows that the policy lets through until there are `max_rows` or the
    /// input ends.
    fn fill<T: Scalar>(&mut self, max_rows: usize, out: &mut Vec<T>) -> Result<()> {
        let mut got = 0;
        while got < max_rows {
            let (row, from) = (self.position(), out.len());
            let step = block_rows(self.width).min(max_rows - got);
            let read = self.read_on(step, out)?;
            if read == 0 {
                break;
            }
            got += match self.nan {
                NanPolicy::Pass => read,
                NanPolicy::Error => match self.not_finite(row, &out[from..]) {
                    Some(found) => return Err(self.refuse::<T>(found)),
                    None => read,
                },
                NanPolicy::Drop => {
                    let keep = finite_rows(&out[from..], self.width);
                    let kept = keep_rows(out, from, self.width, &keep);
                    self.dropped += (read - kept) as u64;
                    self.left_out.add(&self.name, (read - kept) as u64);
                    kept
                }
            };
        }
        Ok(())
    }

    /// Appends up to `max_rows` rows of the range, whatever they hold; says how
    /// many, 0 only at the end.
    pub(super) fn read_on<T: Scalar>(&mut self, max_rows: usize, out: &mut Vec<T>) -> Result<usize> {
        if self.position < self.range.start {
            self.skip(self.range.start - self.position)?;
        }
        let from = out.len();
        let left = self.range.end.map_or(u64::MAX, |end| end.saturating_sub(self.position));
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(max_rows);
        let held = wanted.min(self.ahead.len() / self.width);
        out.extend(self.ahead.drain(..held * self.width).map(T::of));
        let read = held + self.source.read(wanted - held, out).map_err(|e| at(&self.name, e))?;
        if let Some(turn) = &self.turn {
            turn.apply(&mut out[from..]);
        }
        self.position += read as u64;
        if let Some(described) = self.described.take().filter(|_| read > 0) {
            described.0(&self.description(&out[from..]));
        }
        if read < wanted {
            self.end();
        }
        Ok(read)
    }

    /// What the input is taken to be, in words, as its first rows have it.
    fn description<T: Scalar>(&self, first: &[T]) -> String {
        let count = self.total.map_or(String::new(), |n| format!("{n} "));
        let items = match self.item_shape.len() {
            2 | 3 => format!("images of {}", image_text(&self.item_shape)),
            _ => format!("rows of {}", image_text(&self.item_shape)),
        };
        let finite = first.iter().map(|v| v.wide()).filter(|v| v.is_finite());
        let (low, high, sum, n) = finite
            .fold((f64::INFINITY, f64::NEG_INFINITY, 0.0, 0usize), |(low, high, sum, n), v| {
                (low.min(v), high.max(v), sum + v, n + 1)
            });
        let rows = first.len() / self.width.max(1);
        let range = match n {
            0 => "without a finite number".to_string(),
            _ => format!("{low:.4}…{high:.4}, mean {:.4}", sum / n as f64),
        };
        format!("{}: {count}{items}, stored as {}; the first {rows}: {range}", self.name, self.source_dtype)
    }

    /// Reads to the end of the range without looking at the numbers; says how many
    /// rows the range had.
    pub(super) fn count_out(&mut self) -> Result<u64> {
        let end = self.range.end.unwrap_or(u64::MAX);
        self.skip(end.saturating_sub(self.position))?;
        Ok(self.position.saturating_sub(self.range.start))
    }

    /// Narrows what is read, before the first row is, to these rows of the whole.
    pub(super) fn restrict(&mut self, range: RowRange) {
        self.range = range;
    }

    /// Reads to the end of the input, past that of the range, without looking at
    /// the numbers; says how many rows the whole input has.
    ///
    /// # Errors
    /// A truncated or damaged input.
    pub fn read_out(&mut self) -> Result<u64> {
        self.skip(u64::MAX - self.position)?;
        Ok(self.position)
    }

    /// SHA-256 of the input as stored, in hexadecimal, where the ledger it was
    /// opened with records; of a pipe only once it is read to its end.
    pub fn sha256(&self) -> Option<String> {
        self.note.sha256()
    }

    fn skip(&mut self, n: u64) -> Result<()> {
        let held = usize::try_from(n).unwrap_or(usize::MAX).min(self.ahead.len() / self.width);
        self.ahead.drain(..held * self.width);
        let left = n - held as u64;
        let skipped = held as u64
            + match &mut self.source {
                Source::Blocks(blocks) => blocks.skip(left),
                Source::Lines(lines) => lines.skip(left),
            }
            .map_err(|e| at(&self.name, e))?;
        self.position += skipped;
        if skipped < n {
            self.end();
        }
        Ok(())
    }

    /// The end of the input has been seen.
    fn end(&mut self) {
        self.total = Some(self.position);
        self.note.describe(self.total, &self.stored_shape, &self.source_dtype);
    }

    /// The first number that is not finite among rows that begin with row `row`,
    /// and how many there are.
    pub(super) fn not_finite<T: Scalar>(&self, row: u64, values: &[T]) -> Option<NotFinite> {
        if all_finite(values) {
            return None;
        }
        let first = values.iter().position(|v| !v.is_finite())?;
        Some(NotFinite {
            row: row + (first / self.width) as u64,
            column: first % self.width,
            value: values[first].wide(),
            count: count_not_finite(values),
        })
    }

    /// The error for numbers that are not finite. Counts those to come where that
    /// takes no waiting for another program.
    pub(super) fn refuse<T: Scalar>(&mut self, mut found: NotFinite) -> anyhow::Error {
        let mut counted = false;
        let reader = match &self.source {
            Source::Blocks(blocks) => &blocks.reader,
            Source::Lines(lines) => lines.reader(),
        };
        if reader.is_file() {
            let mut values: Vec<T> = Vec::new();
            while let Ok(read) = self.read_on(block_rows(self.width), &mut values) {
                if read == 0 {
                    counted = true;
                    break;
                }
                found.count += count_not_finite(&values);
                values.clear();
            }
        }
        let NotFinite { row, column, value, count } = found;
        let value = value.to_string().to_lowercase();
        let rounded = match (T::DTYPE, self.dtype) {
            (Dtype::F32, Dtype::F64) => " in f32",
            _ => "",
        };
        let least = if counted { "" } else { "at least " };
        anyhow!(
            "{}: row {row}, column {column}: is {value}{rounded}; {least}{count} {} not finite; \
             {}",
            self.name,
            if count == 1 { "number is" } else { "numbers are" },
            match self.numbered {
                true => "correct them: rows belong together by their numbers, so that none may be left out",
                false => "leave such rows out with --nan drop, or correct them",
            },
        )
    }
}

/// Where numbers that are not finite were found; indices from 0.
pub(super) struct NotFinite {
    row: u64,
    column: usize,
    value: f64,
    count: usize,
}

fn count_not_finite<T: Scalar>(values: &[T]) -> usize {
    values.iter().filter(|v| !v.is_finite()).count()
}

/// For each row of `width` numbers, whether all are finite.
pub(super) fn finite_rows<T: Scalar>(values: &[T], width: usize) -> Vec<bool> {
    values.chunks_exact(width).map(all_finite).collect()
}

/// Moves the rows to keep, of those from index `from` on, together; says how many.
pub(super) fn keep_rows<T: Scalar>(values: &mut Vec<T>, from: usize, width: usize, keep: &[bool]) -> usize {
    let mut kept = 0;
    for row in (0..keep.len()).filter(|&row| keep[row]) {
        let start = from + row * width;
        if row != kept {
            values.copy_within(start..start + width, from + kept * width);
        }
        kept += 1;
    }
    values.truncate(from + kept * width);
    kept
}

/// Puts the input's name before an error.
fn at(name: &str, error: anyhow::Error) -> anyhow::Error {
    anyhow!("{name}: {error}")
}

impl RowRange {
    /// The part of `n` rows it covers.
    pub fn clamp(&self, n: usize) -> Range<usize> {
        let within = |row: u64| usize::try_from(row).map_or(n, |row| row.min(n));
        let start = within(self.start);
        start..self.end.map_or(n, within).max(start)
    }

    /// Whether it leaves nothing out.
    pub fn is_all(&self) -> bool {
        *self == RowRange::default()
    }
}

impl FromStr for RowRange {
    type Err = String;

    fn from_str(text: &str) -> Result<RowRange, String> {
        let (start, end) =
            text.split_once("..").ok_or("write A..B, A.. or ..B: from A to B-1, counted from 0")?;
        let index =
            |text: &str| text.parse::<u64>().map_err(|_| format!("'{text}' is not a whole number from 0 up"));
        let start = if start.is_empty() { 0 } else { index(start)? };
        let end = if end.is_empty() { None } else { Some(index(end)?) };
        match end {
            Some(end) if end < start => Err(format!("it ends at {end}, before its start {start}")),
            _ => Ok(RowRange { start, end }),
        }
    }
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..", self.start),
        }
    }
}
