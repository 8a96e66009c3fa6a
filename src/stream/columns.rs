//! Reading tables: named columns of text and numbers, held in memory.

use anyhow::{Result, anyhow, bail, ensure};
use csv::{ByteRecord, ReaderBuilder, Trim};

use super::delimited::{LineByLine, SHOWN};
use super::input::{Content, Input, one_line};

/// A table as [`Table`](super::Table) writes it in csv: names, then one observation
/// a row. Blank lines and lines that begin with `#` are passed over.
pub struct Columns {
    name: String,
    names: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    /// Its line in the input, from 1.
    line: u64,
    fields: Vec<String>,
}

impl Columns {
    /// Reads all of an input.
    ///
    /// # Errors
    /// What is not csv; no row below the names; rows of another length than the
    /// names; text that is not UTF-8.
    pub fn read(input: Input) -> Result<Columns> {
        let name = input.name().to_string();
        Columns::parse(input).map_err(|e| anyhow!("{name}: {e}"))
    }

    fn parse(input: Input) -> Result<Columns> {
        ensure!(
            input.content() == Content::Csv,
            "is an array or a model, not a table; give csv with the names of its columns in the first line"
        );
        let (name, note) = (input.name.clone(), input.note.clone());
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .comment(Some(b'#'))
            .from_reader(LineByLine::new(input.into_buffered()));
        let mut names: Vec<String> = Vec::new();
        let mut rows = Vec::new();
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| anyhow!("cannot read: {e}"))? {
            let line = reader.get_ref().line;
            // A blank line; in a table of one column, a field with nothing in it is one too.
            if record.len() == 1 && record[0].is_empty() {
                continue;
            }
            let fields: Vec<String> = record
                .iter()
                .map(|field| String::from_utf8(field.to_vec()))
                .collect::<Result<_, _>>()
                .map_err(|_| anyhow!("line {line}: is not UTF-8; write the table in that encoding"))?;
            if names.is_empty() {
                ensure!(!fields[0].starts_with('{'), "line {line}: looks like JSON; write the table as csv");
                names = fields;
                names[0] = names[0].trim_start_matches('\u{feff}').to_string();
                continue;
            }
            ensure!(
                fields.len() == names.len(),
                "line {line}: has {} fields, the first line has {} names; give every row one field a name",
                fields.len(),
                names.len()
            );
            rows.push(Row { line, fields });
        }
        ensure!(!rows.is_empty(), "holds no rows below the names of its columns");
        note.describe(Some(rows.len() as u64), &[names.len()], "csv");
        Ok(Columns { name, names, rows })
    }

    /// Of the input, as shown in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Index of the column of a name.
    ///
    /// # Errors
    /// No such column, or more than one.
    pub fn column(&self, name: &str) -> Result<usize> {
        let mut found = self.names.iter().enumerate().filter(|(_, n)| *n == name).map(|(i, _)| i);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => bail!("{}: has more than one column '{name}'; rename one", self.name),
            (None, _) => {
                bail!("{}: has no column '{name}'; it has {}", self.name, one_line(&self.names.join(", ")))
            }
        }
    }

    pub fn column_name(&self, column: usize) -> &str {
        &self.names[column]
    }

    /// The line of a row in the input, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.rows[row].line
    }

    /// Where a row stands, for messages: the input and the line.
    pub fn place(&self, row: usize) -> String {
        format!("{}: line {}", self.name, self.line(row))
    }

    pub fn text(&self, row: usize, column: usize) -> &str {
        &self.rows[row].fields[column]
    }

    /// A number, which may be `nan` or `inf`; an empty field is undefined, `None`.
    ///
    /// # Errors
    /// What is no number.
    pub fn number(&self, row: usize, column: usize) -> Result<Option<f64>> {
        let text = self.text(row, column);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(SHOWN).collect();
            let name = one_line(&self.names[column]);
            anyhow!("{}: {name} is '{}', which is no number", self.place(row), one_line(&shown))
        })
    }

    /// Keeps only the rows of which `keep` says so, given the index of each.
    pub fn retain(&mut self, mut keep: impl FnMut(&Columns, usize) -> bool) {
        let kept: Vec<bool> = (0..self.len()).map(|row| keep(self, row)).collect();
        let mut kept = kept.into_iter();
        self.rows.retain(|_| kept.next().unwrap_or(false));
    }
}
