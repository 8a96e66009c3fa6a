//! Blocks of numbers, back to back: the body of npy streams and IDX files.

use std::fs::File;
use std::io::{self, BufRead, Seek, SeekFrom};

use anyhow::{Result, anyhow, bail, ensure};

use super::bytes::{Reader, read_full};
use super::header::{Header, NPY_MAGIC, tuple};
use crate::scalar::{Scalar, from_le_bytes};

/// Bytes read at a time: memory follows what has arrived, not what is declared.
const CHUNK: usize = 1 << 20;

/// Complete blocks of rows, back to back. Numbers of the very type asked
/// for are read where they stay; others pass through a buffer of at most [`CHUNK`] bytes,
/// save for Fortran order, where the first row is complete only when the last column has arrived.
pub(super) struct Blocks {
    pub(super) reader: Reader,
    header: Header,
    /// Whether further blocks may follow: in npy, not in IDX.
    pub(super) several: bool,
    /// Which block this is, from 1.
    number: usize,
    /// Rows of this block not read yet.
    left: u64,
    /// A Fortran-ordered block, as stored.
    columns: Vec<u8>,
    buffer: Vec<u8>,
}

impl Blocks {
    pub(super) fn new(reader: Reader, header: Header, several: bool) -> Blocks {
        Blocks {
            reader,
            left: header.rows,
            header,
            several,
            number: 1,
            columns: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Appends up to `max_rows` rows, from as many blocks as it takes; fewer only
    /// at the end.
    pub(super) fn read<T: Scalar>(&mut self, max_rows: usize, out: &mut Vec<T>) -> Result<usize> {
        let mut got = 0;
        while got < max_rows && self.advance()? {
            let rows = usize::try_from(self.left).unwrap_or(usize::MAX).min(max_rows - got);
            if self.header.fortran {
                self.read_columns(rows, out)?;
            } else {
                self.read_rows(rows, out)?;
            }
            self.left -= rows as u64;
            got += rows;
        }
        Ok(got)
    }

    /// Passes over up to `n` rows; fewer only at the end.
    pub(super) fn skip(&mut self, n: u64) -> Result<u64> {
        let mut skipped = 0;
        while skipped < n && self.advance()? {
            let rows = self.left.min(n - skipped);
            if self.header.fortran {
                self.load_columns()?;
            } else {
                let bytes = rows * self.header.row_bytes() as u64;
                let found = self.reader.skip(bytes).map_err(cannot_read)?;
                if found < bytes {
                    return Err(self.truncated(found));
                }
            }
            self.left -= rows;
            skipped += rows;
        }
        Ok(skipped)
    }

    /// Goes to the block the next row is in; false when there is none.
    fn advance(&mut self) -> Result<bool> {
        while self.left == 0 {
            self.columns = Vec::new();
            if self.reader.at_end().map_err(cannot_read)? {
                return Ok(false);
            }
            // A pipe may deliver the magic in parts, so look at one byte only.
            let next = self.reader.fill_buf().map_err(cannot_read)?.first();
            ensure!(
                self.several && next == NPY_MAGIC.first(),
                "damaged: bytes follow the last row that are no further array; \
                 write the file again"
            );
            let number = self.number + 1;
            let header = Header::read_npy(&mut self.reader).map_err(|e| anyhow!("block {number}: {e}"))?;
            let (first, now) = (&self.header, &header);
            ensure!(
                first.element == now.element && first.item_shape == now.item_shape,
                "block {number}: has rows of shape {} and type {}, those before have {} and {}; \
                 only equal ones can be joined",
                shape_text(&now.item_shape),
                now.element,
                shape_text(&first.item_shape),
                first.element,
            );
            self.left = header.rows;
            self.header = header;
            self.number = number;
        }
        Ok(true)
    }

    fn read_rows<T: Scalar>(&mut self, rows: usize, out: &mut Vec<T>) -> Result<()> {
        let element = self.header.element;
        let stored = element.is_stored::<T>();
        let bytes = rows * self.header.row_bytes();
        let mut done = 0;
        while done < bytes {
            let step = CHUNK.min(bytes - done);
            let (from, numbers) = (out.len(), step / element.size());
            reserve(out, numbers)?;
            let found = if stored {
                out.resize(from + numbers, T::zero());
                from_le_bytes(&mut out[from..], |bytes| read_full(&mut self.reader, bytes))
            } else {
                self.buffer.resize(step, 0);
                read_full(&mut self.reader, &mut self.buffer)
            }
            .map_err(cannot_read)?;
            if found < step {
                return Err(self.truncated((done + found) as u64));
            }
            if !stored {
                element.decode(&self.buffer, out);
            }
            done += step;
        }
        Ok(())
    }

    /// Reads a Fortran-ordered block whole, if it has not been yet.
    fn load_columns(&mut self) -> Result<()> {
        if !self.columns.is_empty() {
            return Ok(());
        }
        let bytes = self.header.data_bytes();
        let mut columns = Vec::new();
        while (columns.len() as u64) < bytes {
            let from = columns.len();
            let step = CHUNK.min((bytes - from as u64) as usize);
            reserve(&mut columns, step)?;
            columns.resize(from + step, 0);
            let found = read_full(&mut self.reader, &mut columns[from..]).map_err(cannot_read)?;
            if found < step {
                bail!(
                    "truncated: {} of {bytes} bytes of its columns read; \
                     the producer stopped early, run it again",
                    from + found
                );
            }
        }
        self.columns = columns;
        Ok(())
    }

    /// Transposes the next rows of a Fortran-ordered block.
    fn read_columns<T: Scalar>(&mut self, rows: usize, out: &mut Vec<T>) -> Result<()> {
        self.load_columns()?;
        let Header { element, rows: height, ref item_shape, .. } = self.header;
        let (height, width) = (height as usize, self.header.width());
        let first = height - self.left as usize;
        let base = out.len();
        reserve(out, rows * width)?;
        out.resize(base + rows * width, T::zero());
        let mut column = Vec::with_capacity(rows);
        for stored in 0..width {
            let start = (stored * height + first) * element.size();
            let end = start + rows * element.size();
            column.clear();
            element.decode(&self.columns[start..end], &mut column);
            let place = base + row_major(stored, item_shape);
            for (target, value) in out[place..].iter_mut().step_by(width).zip(&column) {
                *target = *value;
            }
        }
        Ok(())
    }

    /// The error for a block of which `bytes` further bytes were there.
    fn truncated(&self, bytes: u64) -> anyhow::Error {
        let before = self.header.rows - self.left;
        let read = before + bytes / self.header.row_bytes() as u64;
        let place = if self.number > 1 { format!("block {}: ", self.number) } else { String::new() };
        anyhow!(
            "{place}truncated: {read} of {} rows read; the producer stopped early, run it again",
            self.header.rows
        )
    }
}

/// Where in a row the number is that comes at `stored` in Fortran order.
fn row_major(mut stored: usize, shape: &[usize]) -> usize {
    let mut stride: usize = shape.iter().product();
    let mut place = 0;
    for &n in shape {
        stride /= n;
        place += stored % n * stride;
        stored /= n;
    }
    place
}

fn cannot_read(error: io::Error) -> anyhow::Error {
    anyhow!("cannot read: {error}")
}

/// Rows in all blocks of a regular `.npy` file, by walking their headers; `None`
/// where something is amiss, which reading will come upon. Leaves the file at its
/// start.
pub(super) fn count_rows(file: &mut File) -> Result<Option<u64>> {
    let rows = walk(file);
    file.rewind().map_err(cannot_read)?;
    Ok(rows)
}

fn walk(file: &mut File) -> Option<u64> {
    let length = file.metadata().ok()?.len();
    let mut rows = 0u64;
    let mut position = 0;
    while position < length {
        let header = Header::read_npy(file).ok()?;
        let bytes = i64::try_from(header.data_bytes()).ok()?;
        position = file.seek(SeekFrom::Current(bytes)).ok()?;
        rows = rows.checked_add(header.rows)?;
    }
    (position == length).then_some(rows)
}

pub fn shape_text(shape: &[usize]) -> String {
    tuple(&shape.iter().map(|&n| n as u64).collect::<Vec<_>>())
}

pub(super) fn reserve<T>(values: &mut Vec<T>, more: usize) -> Result<()> {
    values.try_reserve(more).map_err(|_| anyhow!("its rows do not fit in memory; read fewer with --rows"))
}
