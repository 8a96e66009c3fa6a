//! Tables of results: a header of names, then one observation a row.

use std::fmt::Debug;
use std::io::Write;

use anyhow::{Result, bail, ensure};
use num_traits::Float;

use super::output::{Format, Output};

/// One field of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    /// A field as it stood in a csv: unchanged there; in json the number or truth value that it says, else
    /// text.
    Field(String),
    Number(f64),
    Integer(i64),
    Bool(bool),
    /// What has no value by definition: an empty field in csv, `null` in json.
    Undefined,
}

/// Writes a table as csv, or as JSON lines.
pub struct Table {
    output: Output,
    format: Format,
    columns: Vec<String>,
    rows: u64,
    strict: bool,
    line: Vec<u8>,
}

impl Table {
    /// Starts a table; `columns` are names in lower_snake_case.
    ///
    /// # Errors
    /// npy, which holds numbers only; the first write.
    pub fn new(output: Output, format: Format, columns: &[&str]) -> Result<Table> {
        if format == Format::Npy {
            bail!("{}: a table cannot be written as npy; use --format csv or json", output.name());
        }
        let mut table = Table {
            output,
            format,
            columns: columns.iter().map(|name| name.to_string()).collect(),
            rows: 0,
            strict: false,
            line: Vec::new(),
        };
        if format == Format::Csv {
            let names: Vec<Value> = columns.iter().copied().map(Value::from).collect();
            table.line(&names)?;
        }
        Ok(table)
    }

    /// Whether numbers that are not finite are refused.
    pub fn strict(self, strict: bool) -> Table {
        Table { strict, ..self }
    }

    /// Writes one row, a value for each column.
    ///
    /// # Errors
    /// The write; in a [strict](Table::strict) table a number that is not finite; another number of values
    /// than columns, which is a bug.
    pub fn row(&mut self, values: &[Value]) -> Result<()> {
        ensure!(
            values.len() == self.columns.len(),
            "{}: bug: {} values for {} columns",
            self.output.name(),
            values.len(),
            self.columns.len()
        );
        for (column, value) in self.columns.iter().zip(values) {
            if let (true, Value::Number(x)) = (self.strict, value) {
                ensure!(
                    x.is_finite(),
                    "{column} would be {x}: the numbers are too large or too small for it; give them in another \
                     unit, or take it as it is with --nan pass"
                );
            }
        }
        self.rows += 1;
        self.line(values)
    }

    /// Says that the bytes differ from run to run, as times do, so that a manifest holds no digest of them.
    pub fn without_digest(self) -> Table {
        self.output.note.skip();
        self
    }

    /// Finishes the output.
    ///
    /// # Errors
    /// As [`Output::finish`].
    pub fn finish(self) -> Result<()> {
        let encoding = match self.format {
            Format::Json => "json",
            Format::Csv | Format::Npy => "csv",
        };
        let columns = [self.columns.len()];
        self.output.note.describe(Some(self.rows), &columns, encoding);
        self.output.finish()
    }

    fn line(&mut self, values: &[Value]) -> Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv | Format::Npy => {
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        self.line.push(b',');
                    }
                    write_field(value, &mut self.line);
                }
                // A blank line would be no row.
                if self.line.is_empty() {
                    self.line.extend(b"\"\"");
                }
            }
            Format::Json => {
                self.line.push(b'{');
                for (i, (name, value)) in self.columns.iter().zip(values).enumerate() {
                    if i > 0 {
                        self.line.push(b',');
                    }
                    self.line.extend(json_string(name).bytes());
                    self.line.push(b':');
                    write_json(value, &mut self.line);
                }
                self.line.push(b'}');
            }
        }
        self.line.push(b'\n');
        Ok(self.output.write_all(&self.line)?)
    }
}

fn write_field(value: &Value, line: &mut Vec<u8>) {
    match value {
        Value::Text(text) | Value::Field(text) if text.contains(['"', ',', '\n', '\r', '#']) => {
            line.push(b'"');
            line.extend(text.replace('"', "\"\"").bytes());
            line.push(b'"');
        }
        Value::Text(text) | Value::Field(text) => line.extend(text.bytes()),
        Value::Number(x) => write_number(*x, line),
        Value::Integer(n) => line.extend(n.to_string().bytes()),
        Value::Bool(b) => line.extend(b.to_string().bytes()),
        Value::Undefined => {}
    }
}

fn write_json(value: &Value, line: &mut Vec<u8>) {
    match value {
        Value::Text(text) => line.extend(json_string(text).bytes()),
        Value::Field(text) => match text.as_str() {
            "" | "nan" | "inf" | "-inf" => line.extend(b"null"),
            "true" | "false" => line.extend(text.bytes()),
            // Only what is a number in json, too: 007 is a name.
            _ if serde_json::from_str::<serde_json::Number>(text).is_ok() => line.extend(text.bytes()),
            _ => line.extend(json_string(text).bytes()),
        },
        Value::Number(x) if !x.is_finite() => line.extend(b"null"),
        Value::Undefined => line.extend(b"null"),
        number => write_field(number, line),
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends the shortest digits that read back as the same number, without `.0`,
/// with an exponent where it is shorter; `nan`, `inf`, `-inf` as NumPy spells them.
pub(super) fn write_number<T: Float + Debug>(x: T, line: &mut Vec<u8>) {
    if x.is_nan() {
        line.extend(b"nan");
        return;
    }
    // Writing to a vector does not fail.
    let _ = write!(line, "{x:?}");
    if line.ends_with(b".0") {
        line.truncate(line.len() - 2);
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Value {
        Value::Number(x)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Integer(n)
    }
}

/// Beyond `i64` as text: as a number, most readers of JSON would round it.
impl From<u64> for Value {
    fn from(n: u64) -> Value {
        i64::try_from(n).map_or_else(|_| Value::Text(n.to_string()), Value::Integer)
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Value {
        Value::from(n as u64)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

/// Nothing is [`Value::Undefined`].
impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Value {
        value.map_or(Value::Undefined, V::into)
    }
}
