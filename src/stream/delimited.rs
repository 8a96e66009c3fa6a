//! Reading arrays from comma-separated text, one row a line.

use std::io::{self, BufRead, Read};

use anyhow::{Result, anyhow, bail, ensure};
use csv::{ByteRecord, ReaderBuilder, Trim};

use super::bytes::Reader;
use super::input::one_line;
use crate::scalar::Scalar;

/// Characters of an offending field that a message shows.
pub(super) const SHOWN: usize = 40;

/// Rows of numbers in text. A first line whose fields are all names is a header; blank lines are passed over,
/// and before the first row those that begin with `#`.
pub(super) struct Lines {
    reader: csv::Reader<LineByLine>,
    record: ByteRecord,
    /// A line that was read to learn the width, or whether there is a first.
    pending: bool,
    width: usize,
    /// Whether the first line is 0,1,2,…, so written: of three columns and more that is rarely data.
    pub(super) counts_off: bool,
    /// A line of blanks that was passed over before the record just read.
    blank: Option<u64>,
}

impl Lines {
    pub(super) fn new(reader: Reader) -> Result<Lines> {
        let mut lines = Lines {
            reader: ReaderBuilder::new()
                .has_headers(false)
                // Rows of another length are refused here, in our own words.
                .flexible(true)
                .trim(Trim::All)
                .from_reader(LineByLine::new(reader)),
            record: ByteRecord::new(),
            pending: true,
            width: 0,
            counts_off: false,
            blank: None,
        };
        ensure!(lines.advance()?, "holds no rows, only blank lines or comments");
        lines.width = lines.record.len();
        let number = |(column, field): (usize, &[u8])| field == column.to_string().as_bytes();
        lines.counts_off = lines.width > 2 && lines.record.iter().enumerate().all(number);
        let first = lines.record.get(0).unwrap_or(b"");
        ensure!(
            !first.starts_with(b"[") && !first.starts_with(b"{"),
            "line {}: looks like JSON, which is written but not read; give npy or csv",
            lines.line()
        );
        // Whether a header was cut shows in what follows: nothing, and no end of a line.
        lines.pending = !lines.is_header()? || {
            // No number begins with #, so up to the first row nothing is lost by comments.
            lines.reader.get_mut().started = false;
            lines.advance()?
        };
        ensure!(
            lines.pending || lines.reader.get_ref().ended,
            "truncated: it ends inside its first lines, which hold no numbers; the producer stopped early, run it again"
        );
        Ok(lines)
    }

    /// Whether the record just read holds names, not numbers.
    ///
    /// Errors name the field of a line that is partly both.
    fn is_header(&self) -> Result<bool> {
        let (mut name, mut datum) = (None, None);
        for (column, field) in self.record.iter().enumerate() {
            let seen = if is_datum(field) { &mut datum } else { &mut name };
            seen.get_or_insert((column, field));
        }
        let (Some((column, field)), Some((other, number))) = (name, datum) else {
            return Ok(datum.is_none());
        };
        let number = match number {
            b"" => " is empty".to_string(),
            _ => format!(", '{}', is a number or stands for a missing one", shown(number)),
        };
        bail!(
            "line {}: field {}, '{}', is not a number, though field {}{number}: the line is neither a row nor names of \
             columns; correct it, or take it away",
            self.line(),
            column + 1,
            shown(field),
            other + 1
        )
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
        if self.reader.get_ref().hash {
            return Err(self.no_number(0, self.record.get(0).unwrap_or(b"")));
        }
        // Among rows of one number, a missing one leaves nothing else of its line.
        if let (1, Some(line)) = (self.width, self.blank) {
            bail!("line {line}: is blank, where a row should be; write nan for a missing number");
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
        self.blank = None;
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(false),
                Ok(true) => {
                    self.blank = self.blank.or(self.reader.get_mut().blank.take());
                    if self.record.len() > 1 || !self.record[0].is_empty() {
                        return Ok(true);
                    }
                    self.blank = self.blank.or(Some(self.line()));
                }
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
        let way_out = match (is_missing(field), field.starts_with(b"#")) {
            (true, _) => "write nan for a missing number",
            (false, true) => "comments stand before the first row, and nowhere else",
            (false, false) => "separate numbers by commas",
        };
        anyhow!("line {line}: field {column}, '{}', is not a number; {way_out}", shown(field))
    }
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// As much of a field as a message shows.
fn shown(field: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(field).chars().take(SHOWN).collect::<String>())
}

/// Whether a field is one of data, not the name of a column: a number, what looks like one (`12%`, `2026-01-31`),
/// or what stands for a missing one.
pub(super) fn is_datum(field: &[u8]) -> bool {
    is_missing(field) || number(field).is_some() || looks_like_number(field)
}

/// How spreadsheets, R, pandas and SQL spell a number that is not there. What Excel writes begins with `#`.
fn is_missing(field: &[u8]) -> bool {
    const SPELLINGS: [&str; 16] = [
        "",
        "na",
        "n/a",
        "<na>",
        "nan",
        "nat",
        "null",
        "none",
        "nil",
        "missing",
        "undefined",
        "-",
        "--",
        "?",
        ".",
        "*",
    ];
    let field = field.to_ascii_lowercase();
    SPELLINGS.iter().any(|spelling| spelling.as_bytes() == field) || is_error_value(&field)
}

/// What spreadsheets put where a formula failed: no comment, though it begins as one.
fn is_error_value(field: &[u8]) -> bool {
    const ERRORS: [&str; 12] = [
        "#n/a", "#na", "#div/0!", "#ref!", "#value!", "#num!", "#name?", "#null!", "#spill!", "#calc!",
        "#field!", "#error!",
    ];
    ERRORS.iter().any(|error| error.as_bytes().eq_ignore_ascii_case(field))
}

/// Digits and no letters, save those of an exponent.
fn looks_like_number(field: &[u8]) -> bool {
    let mut digits = false;
    for (i, &byte) in field.iter().enumerate() {
        let next = field.get(i + 1).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'));
        let exponent = digits && next && matches!(byte, b'e' | b'E' | b'd' | b'D');
        if byte.is_ascii_alphabetic() && !exponent || byte == b'_' || !byte.is_ascii() {
            return false;
        }
        digits |= byte.is_ascii_digit();
    }
    digits
}

/// Hands out no more than a line at a time, so that the record just parsed ends in
/// the line just handed out: the parser's own count takes blank lines for part of the
/// record after them. Keeps back the comments before the first line. And a quote must
/// close in its line, lest one that is left open swallow all that follows.
pub(super) struct LineByLine {
    reader: Reader,
    /// Bytes read to tell the first line from a comment, and how many of them were handed out.
    ahead: Vec<u8>,
    taken: usize,
    /// The comments before the next line have been passed over.
    started: bool,
    /// The line now handed out, from 1.
    pub(super) line: u64,
    /// The next byte begins a line.
    fresh: bool,
    /// The last line ended in a carriage return; a newline that follows belongs to it.
    returned: bool,
    /// The last byte ended a line.
    ended: bool,
    /// The line begins with `#`, which among rows is no comment.
    pub(super) hash: bool,
    /// The first blank line since this was taken.
    pub(super) blank: Option<u64>,
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

/// Bytes of a line that tell whether it is a comment: more than any error value has.
const TOLD: usize = 24;

impl LineByLine {
    pub(super) fn new(reader: Reader) -> LineByLine {
        LineByLine {
            reader,
            ahead: Vec::new(),
            taken: 0,
            started: false,
            line: 0,
            fresh: true,
            returned: false,
            ended: true,
            hash: false,
            blank: None,
            within: Within::Start,
        }
    }

    /// Passes over blank lines and comments, and holds the beginning of the first line that is neither.
    fn pass_comments(&mut self) -> io::Result<()> {
        self.taken = 0;
        self.ahead.clear();
        if std::mem::take(&mut self.returned) {
            self.pass_newline()?;
        }
        loop {
            self.ahead.clear();
            self.read_ahead(TOLD)?;
            let mut text = &self.ahead[..];
            if self.line == 0 {
                text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            }
            let field = text.split(|&b| b == b',').next().unwrap_or(text).trim_ascii();
            let comment = text.starts_with(b"#") && !is_error_value(field);
            let ended = text.ends_with(b"\n") || text.ends_with(b"\r");
            let blank = ended && text.trim_ascii().is_empty();
            if !(comment || blank) {
                return Ok(());
            }
            while !ends_line(&self.ahead) && !self.reader.at_end()? {
                self.ahead.clear();
                self.read_ahead(usize::MAX)?;
            }
            if self.ahead.ends_with(b"\r") {
                self.pass_newline()?;
            }
            self.line += 1;
        }
    }

    /// Passes over the newline that belongs to the carriage return before it.
    fn pass_newline(&mut self) -> io::Result<()> {
        if !self.reader.at_end()? && self.reader.fill_buf()?[0] == b'\n' {
            self.reader.consume(1);
        }
        Ok(())
    }

    /// Holds what is left of the line, up to `most` bytes and about as many as come at once.
    fn read_ahead(&mut self, most: usize) -> io::Result<()> {
        while self.ahead.len() < most && !ends_line(&self.ahead) && !self.reader.at_end()? {
            let buffer = self.reader.fill_buf()?;
            let end = line_end(buffer).unwrap_or(buffer.len()).min(most - self.ahead.len());
            self.ahead.extend_from_slice(&buffer[..end]);
            self.reader.consume(end);
            if most == usize::MAX {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn ends_line(part: &[u8]) -> bool {
    matches!(part.last(), Some(b'\n' | b'\r'))
}

/// Where the first line ends, behind its newline or carriage return.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&b| b == b'\n' || b == b'\r').map(|at| at + 1)
}

impl Read for LineByLine {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.started, true) {
            self.pass_comments()?;
        }
        let held = self.taken < self.ahead.len();
        let ahead = if held {
            &self.ahead[self.taken..]
        } else if self.reader.at_end()? {
            // The parser would take an interruption for a failure.
            &[]
        } else {
            self.reader.fill_buf()?
        };
        let ahead = &ahead[..ahead.len().min(buf.len())];
        let mut end = line_end(ahead).unwrap_or(ahead.len());
        if ahead[..end].ends_with(b"\r") && ahead.get(end) == Some(&b'\n') {
            end += 1;
        }
        let part = &ahead[..end];
        let mut scanned = part;
        let rest = std::mem::take(&mut self.returned) && part == b"\n";
        if self.fresh && !part.is_empty() && !rest {
            self.line += 1;
            if self.line == 1 {
                scanned = part.strip_prefix(BYTE_ORDER_MARK).unwrap_or(part);
            }
            self.hash = scanned.first() == Some(&b'#');
            if matches!(scanned, b"\n" | b"\r" | b"\r\n") {
                self.blank.get_or_insert(self.line);
            }
        }
        self.within = self.within.after_all(scanned);
        if self.within == Within::Quotes && (part.ends_with(b"\n") || part.is_empty()) {
            let line = self.line;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {line}: a quote is opened and not closed"),
            ));
        }
        if !part.is_empty() {
            self.ended = ends_line(part);
            // Within quotes a carriage return is a character like others.
            self.fresh = self.ended && self.within != Within::Quotes;
            self.returned = self.fresh && part.ends_with(b"\r");
        }
        let n = part.len();
        buf[..n].copy_from_slice(part);
        match held {
            true => self.taken += n,
            false => self.reader.consume(n),
        }
        Ok(n)
    }
}
