//! Writing arrays, row block by row block.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::marker::PhantomData;

use anyhow::{Result, anyhow, ensure};
use ndarray::ArrayView2;

use super::header::npy_header;
use super::output::{Format, Output};
use super::seen::Seen;
use super::table::write_number;
use crate::scalar::{Dtype, Scalar, all_finite, le_bytes};

/// Writes one array of rows.
///
/// - npy: version 1.0, as NumPy writes it, little endian, C order, `<f4` or `<f8`.
/// - csv: a line a row, no header, the shortest digits that read back the same;
///   `nan`, `inf`, `-inf`.
/// - json: an array a line; what is not finite is `null`.
pub struct ArrayWriter<T: Scalar> {
    output: Output,
    format: Format,
    /// Rows promised in the header.
    declared: Option<usize>,
    written: usize,
    strict: bool,
    seen: Option<Seen>,
    item_shape: Vec<usize>,
    width: usize,
    /// Items of the new leading axis, when arrays are stacked.
    stacked: Option<usize>,
    /// Whether a line of text has begun that further rows go on.
    within_line: bool,
    /// Holds the numbers of an npy array until their count is known.
    spool: Option<BufWriter<File>>,
    numbers: PhantomData<T>,
}

impl<T: Scalar> ArrayWriter<T> {
    /// Starts an array of `rows` items, each of shape `item_shape`: of `(rows, d)`
    /// for `[d]`, of one axis, `(rows,)`, for `[]`. With `None` the numbers of an npy array
    /// wait in an unnamed temporary file until [`ArrayWriter::finish`], when
    /// their count is known.
    ///
    /// # Errors
    /// npy for a terminal; the first write; items of no numbers, which is a bug.
    pub fn new(
        output: Output,
        format: Format,
        rows: Option<usize>,
        item_shape: &[usize],
    ) -> Result<ArrayWriter<T>> {
        ArrayWriter::start(output, format, rows, item_shape, None)
    }

    /// Starts a stack of `count` arrays of `rows` items each, whose shape is
    /// `(count, rows, …)`. The rows of all are written one after the other, with
    /// [`ArrayWriter::end_stacked`] after each array's last.
    ///
    /// # Errors
    /// As [`ArrayWriter::new`].
    pub fn stack(
        output: Output,
        format: Format,
        count: usize,
        rows: Option<usize>,
        item_shape: &[usize],
    ) -> Result<ArrayWriter<T>> {
        let rows = rows.map(|rows| rows * count);
        ArrayWriter::start(output, format, rows, item_shape, Some(count))
    }

    fn start(
        output: Output,
        format: Format,
        rows: Option<usize>,
        item_shape: &[usize],
        stacked: Option<usize>,
    ) -> Result<ArrayWriter<T>> {
        ensure!(
            format != Format::Npy || !output.is_terminal(),
            "{}: refusing to write binary to a terminal; use --output FILE or --format csv",
            output.name()
        );
        ensure!(
            !item_shape.contains(&0),
            "{}: bug: items of shape {item_shape:?} hold no numbers",
            output.name()
        );
        let mut writer = ArrayWriter {
            output,
            format,
            declared: rows,
            written: 0,
            strict: false,
            seen: None,
            item_shape: item_shape.to_vec(),
            width: item_shape.iter().product(),
            stacked,
            within_line: false,
            spool: None,
            numbers: PhantomData,
        };
        match (format, rows) {
            (Format::Npy, Some(rows)) => writer.header(rows)?,
            (Format::Npy, None) => {
                let file = tempfile::tempfile().map_err(|e| writer.spool_failed(e))?;
                writer.spool = Some(BufWriter::with_capacity(256 << 10, file));
            }
            (Format::Csv | Format::Json, _) => {}
        }
        Ok(writer)
    }

    /// Whether numbers that are not finite are refused.
    pub fn strict(self, strict: bool) -> ArrayWriter<T> {
        ArrayWriter { strict, ..self }
    }

    /// The same, and `seen` looks at the rows that are written.
    pub fn seen_by(self, seen: Option<Seen>) -> ArrayWriter<T> {
        ArrayWriter { seen, ..self }
    }

    /// Writes rows, `(n, width)`, in any memory layout.
    ///
    /// # Errors
    /// The write; in a [strict](ArrayWriter::strict) array a number that is not finite; more rows than
    /// declared or of another width, which is a bug.
    pub fn write(&mut self, rows: ArrayView2<T>) -> Result<()> {
        ensure!(
            rows.ncols() == self.width,
            "{}: bug: rows of {} numbers written to an array of {}",
            self.output.name(),
            rows.ncols(),
            self.width
        );
        let standard = rows.as_standard_layout();
        let values = standard.as_slice().unwrap_or(&[]);
        ensure!(
            !self.strict || all_finite(values),
            "{}: would hold numbers that are not finite: those it is made of are too large for {}; give them in \
             another unit or --dtype, or take it as it is with --nan pass",
            self.output.name(),
            T::DTYPE
        );
        if let Some(seen) = &self.seen {
            seen.see(rows);
        }
        self.written += rows.nrows();
        ensure!(
            self.declared.is_none_or(|declared| self.written <= declared),
            "{}: bug: more rows written than the {} declared",
            self.output.name(),
            self.declared.unwrap_or(0)
        );
        match self.format {
            Format::Npy => self.put(&le_bytes(values))?,
            Format::Csv => self.lines(values, "", "\n", "nan")?,
            Format::Json => self.lines(values, "[", "]\n", "null")?,
        }
        Ok(())
    }

    /// The last row of one of the stacked arrays has been written: an item is complete.
    ///
    /// # Errors
    /// The write.
    pub fn end_stacked(&mut self) -> Result<()> {
        let close = match self.format {
            Format::Npy => return Ok(()),
            Format::Csv => "\n",
            Format::Json => "]\n",
        };
        self.within_line = false;
        Ok(self.output.write_all(close.as_bytes())?)
    }

    /// Writes what is left, and finishes the output.
    ///
    /// # Errors
    /// The write; fewer rows than declared, which is a bug. The file then does not
    /// appear.
    pub fn finish(mut self) -> Result<()> {
        if let Some(declared) = self.declared {
            ensure!(
                self.written == declared,
                "{}: bug: {} rows written of {declared} declared",
                self.output.name(),
                self.written
            );
        }
        if let Some(spool) = self.spool.take() {
            self.header(self.written)?;
            let mut file = spool.into_inner().map_err(|e| self.spool_failed(e.into_error()))?;
            file.rewind().map_err(|e| self.spool_failed(e))?;
            self.output.write_file(file)?;
        }
        let dtype = match self.format {
            Format::Npy => descr(T::DTYPE),
            Format::Csv => "csv",
            Format::Json => "json",
        };
        let shape = self.shape(self.written);
        let rows = Some(shape[0] as u64);
        self.output.note.describe(rows, &shape[1..], dtype);
        self.output.finish()
    }

    fn header(&mut self, rows: usize) -> Result<()> {
        let header = npy_header(descr(T::DTYPE), &self.shape(rows));
        Ok(self.output.write_all(&header)?)
    }

    /// Shape of the whole array once it has this many rows.
    fn shape(&self, rows: usize) -> Vec<usize> {
        let mut shape = match self.stacked {
            Some(count) => vec![count, rows / count.max(1)],
            None => vec![rows],
        };
        shape.extend(&self.item_shape);
        shape
    }

    fn lines(&mut self, values: &[T], open: &str, close: &str, nan: &str) -> Result<()> {
        let mut bytes = Vec::new();
        for row in values.chunks(self.width) {
            bytes.clear();
            let before = if self.within_line { "," } else { open };
            bytes.extend_from_slice(before.as_bytes());
            for (i, value) in row.iter().enumerate() {
                if i > 0 {
                    bytes.push(b',');
                }
                if nan == "null" && !value.is_finite() {
                    bytes.extend_from_slice(nan.as_bytes());
                } else {
                    write_number(*value, &mut bytes);
                }
            }
            self.within_line = self.stacked.is_some();
            if !self.within_line {
                bytes.extend_from_slice(close.as_bytes());
            }
            self.put(&bytes)?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.spool {
            Some(spool) => {
                let result = spool.write_all(bytes);
                result.map_err(|e| self.spool_failed(e))
            }
            None => Ok(self.output.write_all(bytes)?),
        }
    }

    fn spool_failed(&self, error: io::Error) -> anyhow::Error {
        anyhow!(
            "{}: cannot spool to a temporary file: {error}; set TMPDIR to a place with room",
            self.output.name()
        )
    }
}

fn descr(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
    }
}
