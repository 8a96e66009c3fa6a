//! Rows and columns of the table that is drawn.

use std::collections::HashMap;
use std::ffi::OsString;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cli::Job;
use crate::draw::{Scale, order};
use crate::stream::{Columns, Filter, NanPolicy};

#[derive(Args)]
pub struct TableArgs {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "INPUT")]
    input: Option<OsString>,
    /// Keep only rows with this value in the column; repeated for one column, with any of its values
    #[arg(long, value_name = "COL=VALUE")]
    filter: Vec<Filter>,
}

/// The table's rows that are drawn.
pub struct Table {
    columns: Columns,
    nan: NanPolicy,
}

impl TableArgs {
    /// The rows that --rows and --filter leave.
    pub fn read(&self, job: &Job) -> Result<Table> {
        let mut columns = job.some_columns(self.input.as_deref())?;
        columns.filter(&self.filter, false)?;
        Ok(Table { columns, nan: job.shared.nan })
    }
}

impl Table {
    pub fn name(&self) -> &str {
        self.columns.name()
    }

    pub fn rows(&self) -> std::ops::Range<usize> {
        0..self.columns.len()
    }

    pub fn column(&self, name: &str) -> Result<usize> {
        self.columns.column(name)
    }

    pub fn text(&self, row: usize, column: usize) -> &str {
        self.columns.text(row, column)
    }

    /// Where a row stands, for messages.
    pub fn place(&self, row: usize) -> String {
        self.columns.place(row)
    }

    pub fn line(&self, row: usize) -> u64 {
        self.columns.line(row)
    }

    /// A finite number that a scale has a place for. `None`: undefined, or left out as --nan has it.
    pub fn number(&self, row: usize, column: usize, scale: Scale) -> Result<Option<f64>> {
        let Some(x) = self.columns.number(row, column)? else { return Ok(None) };
        if !x.is_finite() {
            ensure!(
                self.nan != NanPolicy::Error,
                "{}: {} is {}, which cannot be drawn; leave such numbers out with --nan drop",
                self.columns.place(row),
                self.columns.column_name(column),
                self.columns.text(row, column)
            );
            return Ok(None);
        }
        ensure!(
            scale.holds(x),
            "{}: {} is {x}, which has no place on a logarithmic axis; leave the row out, or draw the axis \
             linearly",
            self.columns.place(row),
            self.columns.column_name(column)
        );
        Ok(Some(x))
    }

    /// The distinct values of a column in the order they are drawn, whether they are numbers, and which
    /// of them each row has.
    pub fn categories(&self, column: usize) -> (Vec<String>, bool, Vec<usize>) {
        self.groups(&[column])
    }

    /// As [`Table::categories`], for what several columns say together.
    pub fn groups(&self, columns: &[usize]) -> (Vec<String>, bool, Vec<usize>) {
        let name = |row| columns.iter().map(|&c| self.text(row, c)).collect::<Vec<_>>().join(", ");
        let of_rows: Vec<String> = self.rows().map(name).collect();
        let mut names = distinct(of_rows.iter().map(String::as_str));
        let numeric = order(&mut names);
        let places = places(&names);
        let of_rows = of_rows.iter().map(|name| places[name.as_str()]).collect();
        (names, numeric, of_rows)
    }
}

/// The different ones among names, in the order they first appear.
pub fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(*name)).map(str::to_string).collect()
}

/// Index of each name.
pub fn places(names: &[String]) -> HashMap<&str, usize> {
    names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect()
}
