//! table cat: join tables, choose rows and columns.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::stream::{Filter, Table, Value};

use super::{distinct, distinct_flags, field};

/// Join tables: the rows of all, in the order given, under the names of the first.
///
/// Columns are matched by name, and every table must have the same, unless --fill. First --rows, which counts
/// through all tables, then --filter choose rows; then --columns chooses columns, and --with puts new ones
/// before them. Fields stay as they are written.
///
/// Memory: the tables.
#[derive(Args)]
pub struct Arguments {
    /// Tables to join, in this order: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
    /// Put a column with this value everywhere before the others; repeated, in this order
    #[arg(long, value_name = "COL=VALUE")]
    with: Vec<Filter>,
    /// Keep only rows with this value in the column; repeated for one column, with any of its values
    #[arg(long, value_name = "COL=VALUE")]
    filter: Vec<Filter>,
    /// Only these columns, in this order; NEW=OLD renames
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    columns: Vec<Chosen>,
    /// Take tables with different columns: all columns of any, missing fields empty
    #[arg(long)]
    fill: bool,
}

/// A column of the result, and the one that it is.
#[derive(Clone)]
struct Chosen {
    name: String,
    column: String,
}

impl FromStr for Chosen {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Chosen, Infallible> {
        let (name, column) = text.split_once('=').unwrap_or((text, text));
        Ok(Chosen { name: name.trim().to_string(), column: column.trim().to_string() })
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if self.with.iter().any(|new| new.column.is_empty()) {
            return Err(usage(anyhow!("--with: a column needs a name; write COL=VALUE")));
        }
        if !self.columns.is_empty() {
            let new = self.with.iter().map(|new| &new.column).chain(self.columns.iter().map(|c| &c.name));
            distinct_flags(&new.map(String::as_str).collect::<Vec<_>>())?;
        }
        let (output, format) = job.table_output()?;
        let files: Vec<Option<&OsStr>> = match &self.files[..] {
            [] => vec![None],
            files => files.iter().map(|file| Some(file.as_os_str())).collect(),
        };
        let mut table = job.joined_columns(&files, self.fill)?;
        let part = !job.shared.rows.is_all() || table.is_empty();
        table.filter(&self.filter, part)?;
        let chosen: Vec<(&str, usize)> = if self.columns.is_empty() {
            table.names().iter().map(String::as_str).zip(0..).collect()
        } else {
            let of_table = self.columns.iter().map(|c| Ok((c.name.as_str(), table.column(&c.column)?)));
            of_table.collect::<Result<_>>()?
        };
        let new = self.with.iter().map(|new| new.column.as_str());
        let names: Vec<&str> = new.chain(chosen.iter().map(|(name, _)| *name)).collect();
        distinct(&names)?;
        let constants: Vec<Value> = self.with.iter().map(|new| Value::Field(new.value.clone())).collect();
        let mut out = Table::new(output, format, &names)?;
        for row in 0..table.len() {
            let fields = chosen.iter().map(|&(_, column)| field(&table, row, column));
            out.row(&constants.iter().cloned().chain(fields).collect::<Vec<_>>())?;
        }
        out.finish()
    }
}
