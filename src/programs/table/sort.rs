//! table sort: rows in order.

use std::cmp::Ordering;
use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};
use crate::stream::{Columns, Table};

use super::{field, indices};

/// Put the rows in the order of columns.
///
/// The first column of --by counts most. A column whose fields are all numbers is in the order of numbers, 60 before
/// 240; another in that of its text. Empty fields come last, and rows that agree stay in their order. So tables joined
/// from files whose names sort otherwise come in order, as pivot and fig want them.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// Columns to sort by
    #[arg(long, value_name = "COL,…", value_delimiter = ',', required = true)]
    by: Vec<String>,
    /// The largest first
    #[arg(long)]
    descending: bool,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (output, format) = job.table_output()?;
        let table = job.columns(self.file.as_deref())?;
        let keys: Vec<Key> = indices(&table, &self.by)?.into_iter().map(|c| Key::of(&table, c)).collect();
        let mut rows: Vec<usize> = (0..table.len()).collect();
        rows.sort_by(|&a, &b| {
            let orders = keys.iter().map(|key| key.compare(&table, a, b, self.descending));
            orders.fold(Ordering::Equal, Ordering::then)
        });
        let names: Vec<&str> = table.names().iter().map(String::as_str).collect();
        let mut out = Table::new(output, format, &names)?;
        for row in rows {
            let fields: Vec<_> = (0..names.len()).map(|column| field(&table, row, column)).collect();
            out.row(&fields)?;
        }
        out.finish()
    }
}

/// A column to sort by, with its numbers if it has nothing else.
struct Key {
    column: usize,
    numbers: Option<Vec<Option<f64>>>,
}

impl Key {
    fn of(table: &Columns, column: usize) -> Key {
        let numbers = (0..table.len()).map(|row| table.number(row, column)).collect::<Result<_>>().ok();
        Key { column, numbers }
    }

    fn compare(&self, table: &Columns, a: usize, b: usize, descending: bool) -> Ordering {
        let (text_a, text_b) = (table.text(a, self.column), table.text(b, self.column));
        // Empty fields come last either way.
        match (text_a.is_empty(), text_b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {}
        }
        let order = match &self.numbers {
            Some(numbers) => numbers[a].unwrap_or(f64::NAN).total_cmp(&numbers[b].unwrap_or(f64::NAN)),
            None => text_a.cmp(text_b),
        };
        if descending { order.reverse() } else { order }
    }
}
