//! table pivot: from long to wide.

use std::collections::HashMap;
use std::ffi::OsString;

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::stream::{Table, Value};

use super::{distinct, distinct_flags, field, group_fields, indices};

/// Spread a column over new ones: from long to wide.
///
/// One row for every combination in all other columns (or in those that --by names; the rest is left out), and
/// a new column for every different value of --key, both in the order of first appearance. Where a
/// combination has no row with that key, the field is empty; two such rows are an error.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// Column whose values name the new columns
    #[arg(long, value_name = "COL")]
    key: String,
    /// Column whose fields go there
    #[arg(long, value_name = "COL")]
    value: String,
    /// Columns in which the rows that become one agree (default: all others)
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if self.key == self.value || self.by.contains(&self.key) || self.by.contains(&self.value) {
            return Err(usage(anyhow!("--key, --value and --by: must name different columns")));
        }
        distinct_flags(&self.by.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (output, format) = job.table_output()?;
        let table = job.some_columns(self.file.as_deref())?;
        let (key, value) = (table.column(&self.key)?, table.column(&self.value)?);
        let by = match &self.by[..] {
            [] => (0..table.names().len()).filter(|c| ![key, value].contains(c)).collect(),
            by => indices(&table, by)?,
        };
        let of_keys = table.groups(&[key]);
        let keys: Vec<&str> = of_keys.iter().map(|rows| table.text(rows[0], key)).collect();
        if let Some(empty) = keys.iter().position(|key| key.is_empty()) {
            let place = table.place(of_keys[empty][0]);
            return Err(anyhow!("{place}: {} is empty, which names no column; leave the row out", self.key));
        }
        let names: Vec<&str> = by.iter().map(|&c| table.column_name(c)).chain(keys.iter().copied()).collect();
        distinct(&names).map_err(|e| anyhow!("{}: {e:#}", table.name()))?;
        let places: HashMap<&str, usize> = keys.iter().copied().zip(0..).collect();
        let mut out = Table::new(output, format, &names)?;
        for group in table.groups(&by) {
            let mut cells: Vec<Option<usize>> = vec![None; keys.len()];
            for &row in &group {
                let cell = &mut cells[places[table.text(row, key)]];
                if let Some(other) = *cell {
                    bail!(
                        "{}: is the same cell as {}; take means first with table mean, or choose --by",
                        table.place(row),
                        table.place(other)
                    );
                }
                *cell = Some(row);
            }
            let mut fields = group_fields(&table, &group, &by);
            let of_cell =
                |cell: Option<usize>| cell.map_or(Value::Undefined, |row| field(&table, row, value));
            fields.extend(cells.into_iter().map(of_cell));
            out.row(&fields)?;
        }
        out.finish()
    }
}
