//! Reading arrays from comma-separated text, one row a line.

use std::io::{self, BufRead, Read};

use anyhow::{Result, anyhow, bail, ensure};
use csv::{ByteRecord, ReaderBuilder, Trim};

use super::bytes::Reader;
use super::input::one_line;
use crate::scalar::Scalar;

/// Characters of an offending field that a message shows.
pub(super) const SHOWN: usize = 40;

/// Rows of numbers in text. A first line with a field that is no number is a
/// header; blank lines and lines that begin with `#` are passed over.
pub(super) struct Lines {
    reader: csv::Reader<LineByLine>,
    record: ByteRecord,
    /// A line that was read to learn the width, or whether there is a first.
    pending: bool,
    width: usize,
}

impl Lines {
    pub(super) fn new(reader: Reader) -> Result<Lines> {
        let mut lines = Lines {
            reader: ReaderBuilder::new()
                .has_headers(false)
                // Rows of another length are refused here, in our own words.
                .flexible(true)
                .trim(Trim::All)
                .comment(Some(b'#'))
                .from_reader(LineByLine::new(reader)),
            record: ByteRecord::new(),
            pending: true,
            width: 0,
        };
        ensure!(lines.advance()?, "holds no rows, only blank lines or comments");
        lines.width = lines.record.len();
        let first = lines.record.get(0).unwrap_or(b"");
        ensure!(
            !first.starts_with(b"[") && !first.starts_with(b"{"),
            "line {}: looks like JSON, which is written but not read; give npy or csv",
            lines.line()
        );
        let header = lines.record.iter().any(|field| !field.is_empty() && number(field).is_none());
        // Whether a header was cut shows in what follows: nothing, and no end of a line.
        lines.pending = !header || lines.advance()?;
        ensure!(
            lines.pending || lines.reader.get_ref().ended,
            "truncated: it ends inside its first lines, which hold no numbers; the producer stopped early, run it again"
        );
        Ok(lines)
    }

    /// Numbers in each row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader.get_ref().reader
    }

    /// Appends up to `max_rows` rows; fewer only at the end.
    pub(super) fn read<T: Scalar>(&mut self, max_rows: usize, out: &mut Vec<T>) -> Result<usize> {
        for row in 0..max_rows {
            if !self.next_row()? {
                return Ok(row);
            }
            out.try_reserve(self.width).map_err(|_| anyhow!("its rows do not fit in memory"))?;
            for (column, field) in self.record.iter().enumerate() {
                match number(field) {
                    Some(value) => out.push(T::of(value)),
                    None => return Err(self.no_number(column, field)),
                }
            }
        }
        Ok(max_rows)
    }

    /// Passes over up to `n` rows.
    pub(super) fn skip(&mut self, n: u64) -> Result<u64> {
        for row in 0..n {
            if !self.next_row()? {
                return Ok(row);
            }
        }
        Ok(n)
    }

    fn next_row(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.pending) && !self.advance()? {
            return Ok(false);
        }
        let found = self.record.len();
        ensure!(
            found == self.width,
            "line {}: has {found} fields, the first line has {}; give every row the same number",
            self.line(),
            self.width
        );
        Ok(true)
    }

    /// Reads the next record that is not blank.
    fn advance(&mut self) -> Result<bool> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(false),
                Ok(true) if self.record.len() == 1 && self.record[0].is_empty() => {}
                Ok(true) => return Ok(true),
                Err(e) => bail!("cannot read: {e}"),
            }
        }
    }

    /// The line of the record just read, from 1.
    fn line(&self) -> u64 {
        self.reader.get_ref().line
    }

    fn no_number(&self, column: usize, field: &[u8]) -> anyhow::Error {
        let (line, column) = (self.line(), column + 1);
        if field.is_empty() {
            return anyhow!("line {line}: field {column} is empty; write nan for a missing number");
        }
        let text = String::from_utf8_lossy(field);
        let shown: String = text.chars().take(SHOWN).collect();
        anyhow!(
            "line {line}: field {column}, '{}', is not a number; separate numbers by commas",
            one_line(&shown)
        )
    }
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Hands out no more than a line at a time, so that the record just parsed ends in
/// the line just handed out: the parser's own count takes blank lines and comments
/// for part of the record after them. And a quote must close in its line, lest one
/// that is left open swallow all that follows.
pub(super) struct LineByLine {
    reader: Reader,
    /// The line now handed out, from 1.
    pub(super) line: u64,
    /// The next byte begins a line.
    fresh: bool,
    /// The last byte ended a line, also one that ends in a carriage return alone.
    ended: bool,
    comment: bool,
    within: Within,
}

/// Where in a line the parser is, as far as quotes go: one opens a field only at its beginning, elsewhere it is
/// a character like others. To count them would take `6","y` for two that belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Start,
    Field,
    Quotes,
    /// After a quote in quotes, which closes them unless another follows.
    Closing,
}

impl Within {
    fn after(self, byte: u8) -> Within {
        match (self, byte) {
            (Within::Quotes, b'"') => Within::Closing,
            (Within::Quotes, _) | (Within::Start | Within::Closing, b'"') => Within::Quotes,
            (_, b',' | b'\n' | b'\r') => Within::Start,
            _ => Within::Field,
        }
    }

    fn after_all(self, part: &[u8]) -> Within {
        if self == Within::Quotes || part.contains(&b'"') {
            return part.iter().fold(self, |within, &byte| within.after(byte));
        }
        // Without quotes the last byte tells.
        part.last().map_or(self, |&byte| Within::Field.after(byte))
    }
}

/// What the parser takes away from the beginning of all.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl LineByLine {
    pub(super) fn new(reader: Reader) -> LineByLine {
        LineByLine { reader, line: 0, fresh: true, ended: true, comment: false, within: Within::Start }
    }
}

impl Read for LineByLine {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // The parser would take an interruption for a failure.
        let ahead = if self.reader.at_end()? { &[] } else { self.reader.fill_buf()? };
        let ahead = &ahead[..ahead.len().min(buf.len())];
        let newline = ahead.iter().position(|&b| b == b'\n');
        let part = &ahead[..newline.map_or(ahead.len(), |at| at + 1)];
        let mut scanned = part;
        if std::mem::replace(&mut self.fresh, newline.is_some()) && !part.is_empty() {
            self.line += 1;
            if self.line == 1 {
                scanned = part.strip_prefix(BYTE_ORDER_MARK).unwrap_or(part);
            }
            self.comment = scanned.first() == Some(&b'#');
        }
        if !self.comment {
            self.within = self.within.after_all(scanned);
        }
        if self.within == Within::Quotes && (newline.is_some() || part.is_empty()) {
            let line = self.line;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {line}: a quote is opened and not closed"),
            ));
        }
        if let Some(&last) = part.last() {
            self.ended = matches!(last, b'\n' | b'\r');
        }
        let n = part.len();
        buf[..n].copy_from_slice(part);
        self.reader.consume(n);
        Ok(n)
    }
}
