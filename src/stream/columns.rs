//! Reading tables: named columns of text and numbers, held in memory.

use std::collections::{HashMap, HashSet};
use std::str::{FromStr, Utf8Error};

use anyhow::{Result, anyhow, bail, ensure};
use csv::{ByteRecord, ReaderBuilder, Trim};

use super::delimited::{LineByLine, SHOWN, is_datum};
use super::input::{Content, Input, is_binary, one_line};

/// A table as [`Table`](super::Table) writes it in csv: names, then one observation
/// a row. Blank lines are passed over, and before the names those that begin with `#`.
pub struct Columns {
    name: String,
    names: Vec<String>,
    rows: Vec<Row>,
    /// Names of the inputs that rows come from.
    sources: Vec<String>,
}

struct Row {
    /// Its input, an index.
    source: usize,
    /// Its line in the input, from 1.
    line: u64,
    fields: Vec<String>,
}

impl Columns {
    /// Reads all of an input.
    ///
    /// # Errors
    /// What is not csv; numbers where the names should be; no row below the names; rows of another length than
    /// the names; a comment among the rows; text that is not UTF-8; a table beyond memory.
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
            .from_reader(LineByLine::new(input.into_buffered()));
        let mut names: Vec<String> = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| anyhow!("cannot read: {e}"))? {
            let blank = reader.get_mut().blank.take();
            let LineByLine { line, hash, .. } = *reader.get_ref();
            // A line of blanks; in a table of one column, an empty field.
            if record.len() == 1 && record[0].is_empty() && names.len() != 1 {
                continue;
            }
            let room = rows.try_reserve(1).is_ok();
            let Some(fields) = owned(&record)
                .map_err(|_| anyhow!("line {line}: is not UTF-8; write the table in that encoding"))?
                .filter(|_| room)
            else {
                // Room for the message.
                drop(rows);
                bail!("line {line}: its rows do not fit in memory; take fewer");
            };
            // As of the first bytes, by which contents are told: what is read could not be read again.
            ensure!(
                !fields.iter().any(|field| field.bytes().any(is_binary)),
                "line {line}: holds a control character, which is no text; write the table anew"
            );
            if names.is_empty() {
                ensure!(!fields[0].starts_with('{'), "line {line}: looks like JSON; write the table as csv");
                // A byte order mark, and blanks around it that are none of the name's.
                let first = fields[0].trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
                // With nothing after it, a line of blanks.
                if fields.len() > 1 || !first.is_empty() {
                    let first = first.to_string();
                    names = fields;
                    names[0] = first;
                    ensure!(
                        names.iter().any(|name| !is_datum(name.as_bytes())),
                        "line {line}: should name the columns, but '{}' is data, and so is the rest; write a line of \
                         names above it",
                        shown(&names[0])
                    );
                }
                continue;
            }
            ensure!(
                !hash,
                "line {line}: field 1, '{}', begins with #, which begins a comment only before the names of the \
                 columns; put quotes around the field, or take the line away",
                shown(&fields[0])
            );
            if let (1, Some(line)) = (names.len(), blank) {
                bail!("line {line}: is blank, where a row should be; write \"\" for an empty field");
            }
            ensure!(
                fields.len() == names.len(),
                "line {line}: has {} fields, the first line has {} names; give every row one field a name",
                fields.len(),
                names.len()
            );
            rows.push(Row { source: 0, line, fields });
        }
        ensure!(!rows.is_empty(), "holds no rows below the names of its columns");
        note.describe(Some(rows.len() as u64), &[names.len()], "csv");
        Ok(Columns { sources: vec![name.clone()], name, names, rows })
    }

    /// The rows of all tables under the names of the first, in the order given. With `fill`, names that
    /// only later tables have follow, and a field that a table does not have is empty.
    ///
    /// # Errors
    /// Without `fill`, a table with other names; a name twice in one table; no table.
    pub fn join(tables: Vec<Columns>, fill: bool) -> Result<Columns> {
        let Some(first) = tables.first() else { bail!("no tables; name at least one") };
        let mut names: Vec<String> = Vec::new();
        for table in &tables {
            for column in &table.names {
                table.column(column)?;
                let known = names.contains(column);
                ensure!(
                    known || fill || names.len() < first.names.len(),
                    "{}: has a column '{}', which {} has not; take it away with table cat --columns, or give \
                     --fill",
                    table.name,
                    one_line(column),
                    first.name
                );
                if !known {
                    names.push(column.clone());
                }
            }
        }
        let name = match tables.len() {
            1 => first.name.clone(),
            n => format!("{} and {} more", first.name, n - 1),
        };
        let (mut rows, mut sources) = (Vec::new(), Vec::new());
        for mut table in tables {
            let places: Vec<Option<usize>> =
                names.iter().map(|name| table.names.iter().position(|n| n == name)).collect();
            if let Some(missing) = places.iter().position(Option::is_none) {
                ensure!(
                    fill,
                    "{}: has no column '{}'; add it with table cat --with, or give --fill",
                    table.name,
                    one_line(&names[missing])
                );
            }
            for mut row in table.rows {
                let mut field = |place: &Option<usize>| {
                    place.map_or(String::new(), |place| std::mem::take(&mut row.fields[place]))
                };
                let fields = places.iter().map(&mut field).collect();
                rows.push(Row { source: sources.len() + row.source, line: row.line, fields });
            }
            sources.append(&mut table.sources);
        }
        Ok(Columns { name, names, rows, sources })
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

    /// Of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
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
        format!("{}: line {}", self.sources[self.rows[row].source], self.line(row))
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
            let name = one_line(&self.names[column]);
            anyhow!("{}: {name} is '{}', which is no number", self.place(row), shown(text))
        })
    }

    /// Keeps only the rows of which `keep` says so, given the index of each.
    pub fn retain(&mut self, mut keep: impl FnMut(&Columns, usize) -> bool) {
        let kept: Vec<bool> = (0..self.len()).map(|row| keep(self, row)).collect();
        let mut kept = kept.into_iter();
        self.rows.retain(|_| kept.next().unwrap_or(false));
    }

    /// Keeps the rows that fit; several filters of one column keep those that fit any of them. Of part of a table's rows none
    /// may.
    ///
    /// # Errors
    /// No such column; no row left of a whole table.
    pub fn filter(&mut self, filters: &[Filter], part: bool) -> Result<()> {
        let mut done = HashSet::new();
        for Filter { column: name, .. } in filters.iter().filter(|f| done.insert(&f.column)) {
            let column = self.column(name)?;
            let of_column: Vec<&Filter> = filters.iter().filter(|f| f.column == *name).collect();
            let mut seen = HashSet::new();
            let held = (0..self.len()).map(|row| self.text(row, column)).filter(|text| seen.insert(*text));
            let mut held: Vec<String> = held.take(MOST_VALUES + 1).map(one_line).collect();
            self.retain(|columns, row| of_column.iter().any(|f| f.fits(columns.text(row, column))));
            if self.is_empty() && !part {
                let wanted: Vec<&str> = of_column.iter().map(|f| f.value.as_str()).collect();
                let more = if held.len() > MOST_VALUES { ", …" } else { "" };
                held.truncate(MOST_VALUES);
                bail!(
                    "{}: --filter: no row has {name} = {}; the rows left have {}{more}",
                    self.name,
                    wanted.join(" or "),
                    held.join(", ")
                );
            }
        }
        Ok(())
    }

    /// The rows of every distinct combination of what columns say, as text, in the order in which these first
    /// appear; of no columns, all rows.
    pub fn groups(&self, columns: &[usize]) -> Vec<Vec<usize>> {
        let mut places: HashMap<Vec<&str>, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for row in 0..self.len() {
            let key = columns.iter().map(|&column| self.text(row, column)).collect();
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(row);
        }
        groups
    }
}

/// The fields of a record; none where the memory ends.
fn owned(record: &ByteRecord) -> Result<Option<Vec<String>>, Utf8Error> {
    let mut fields = Vec::new();
    if fields.try_reserve_exact(record.len()).is_err() {
        return Ok(None);
    }
    for field in record {
        let (field, mut text) = (std::str::from_utf8(field)?, String::new());
        if text.try_reserve_exact(field.len()).is_err() {
            return Ok(None);
        }
        text.push_str(field);
        fields.push(text);
    }
    Ok(Some(fields))
}

/// As much of a field as a message shows.
fn shown(text: &str) -> String {
    one_line(&text.chars().take(SHOWN).collect::<String>())
}

/// Values that a message lists at most.
const MOST_VALUES: usize = 12;

/// A column and the value that rows are to have there, written `solver=pca`.
#[derive(Clone, Debug)]
pub struct Filter {
    pub column: String,
    pub value: String,
}

impl FromStr for Filter {
    type Err = String;
    fn from_str(text: &str) -> Result<Filter, String> {
        let (column, value) = text.split_once('=').ok_or("write a column and a value, like solver=pca")?;
        Ok(Filter { column: column.trim().to_string(), value: value.trim().to_string() })
    }
}

impl Filter {
    /// As text, or as a number: 0.50 is 0.5.
    fn fits(&self, text: &str) -> bool {
        let number = |text: &str| text.parse::<f64>().ok();
        text == self.value || number(text).is_some_and(|n| number(&self.value) == Some(n))
    }
}
