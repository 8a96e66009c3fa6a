//! table: rearrange and sum up tables.

pub mod cat;
pub mod crossing;
pub mod r#let;
pub mod mean;
pub mod pivot;
pub mod roc;
pub mod slope;
pub mod sort;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, usage};
use crate::stream::{Columns, NanPolicy, Table, Value};

/// Rearrange and sum up tables.
///
/// Tables are csv, gzipped or not, with the names of their columns in the first line; an empty field is
/// undefined. Fields that are only moved stay as they are written. --rows chooses rows of the input: parts of cat
/// and let join to the whole, sums over parts do not. --nan says what to do with numbers that are not finite
/// (slope, crossing and roc have no use for them: pass is drop).
///
/// Memory: the tables that are read.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ phase-grid --ranks 2-4 --samples 2-6 --trials 5 --solver pca | table crossing --x samples --y success --by rank --level 0.5
  $ phase-grid --ranks 2-4 --samples 2-8 --trials 5 --solver pca | table let 'ratio=samples/rank' | table mean --by ratio --value success")]
pub struct About {}

/// Refuses a result with two columns of one name.
fn distinct(names: &[&str]) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(**name)) {
        Some(name) => Err(anyhow!(
            "the result would have two columns '{name}'; rename one of the table with table cat --columns"
        )),
        None => Ok(()),
    }
}

/// As [`distinct`], where the flags alone name the columns.
fn distinct_flags(names: &[&str]) -> Result<()> {
    distinct(names).map_err(usage)
}

/// Indices of columns.
fn indices(table: &Columns, names: &[String]) -> Result<Vec<usize>> {
    names.iter().map(|name| table.column(name)).collect()
}

/// A field as it stands in the table.
fn field(table: &Columns, row: usize, column: usize) -> Value {
    Value::Field(table.text(row, column).to_string())
}

/// What a group has in the columns that it is one of.
fn group_fields(table: &Columns, group: &[usize], by: &[usize]) -> Vec<Value> {
    by.iter().map(|&column| field(table, group[0], column)).collect()
}

/// A group as messages name it: the input, and what its rows have in common.
fn group_name(table: &Columns, group: &[usize], by: &[usize]) -> String {
    let of_column = |&column: &usize| {
        format!("{} = {}", table.column_name(column), table.text(group[0], column)).escape_debug().to_string()
    };
    match by {
        [] => table.name().to_string(),
        _ => format!("{}: {}", table.name(), by.iter().map(of_column).collect::<Vec<_>>().join(", ")),
    }
}

/// The result, of the columns `by` and these, with the table in `file` and where it has the columns `by`.
fn grouped(
    job: &Job,
    file: Option<&OsStr>,
    by: &[String],
    columns: &[&str],
) -> Result<(Table, Columns, Vec<usize>)> {
    let names: Vec<&str> = by.iter().map(String::as_str).chain(columns.iter().copied()).collect();
    distinct_flags(&names)?;
    let out = job.table(&names)?;
    let table = job.some_columns(file)?;
    let by = indices(&table, by)?;
    Ok((out, table, by))
}

/// The number of a row, if it has one; with --nan error, only a finite one.
fn number_of(job: &Job, table: &Columns, row: usize, column: usize) -> Result<Option<f64>> {
    let Some(x) = table.number(row, column)? else { return Ok(None) };
    ensure!(
        x.is_finite() || job.shared.nan != NanPolicy::Error,
        "{}: {} is {x}, which is not finite; leave such rows out with --nan drop",
        table.place(row),
        table.column_name(column)
    );
    Ok(Some(x))
}

/// A table of points.
#[derive(Args)]
struct PointArgs {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// Column of x
    #[arg(long, value_name = "COL")]
    x: String,
    /// Column of y
    #[arg(long, value_name = "COL")]
    y: String,
}

impl PointArgs {
    /// Where the table has them.
    fn point(&self, table: &Columns, logs: [bool; 2]) -> Result<Point> {
        Ok(Point { columns: [table.column(&self.x)?, table.column(&self.y)?], logs })
    }
}

/// The x and the y of a row, each in a logarithmic scale or not.
struct Point {
    columns: [usize; 2],
    logs: [bool; 2],
}

impl Point {
    /// Those of a row that has both; with --nan drop or pass, of one whose numbers are finite.
    fn of_row(&self, job: &Job, table: &Columns, row: usize) -> Result<Option<(f64, f64)>> {
        let (mut numbers, mut odd) = ([None, None], false);
        for ((number, &column), log) in numbers.iter_mut().zip(&self.columns).zip(self.logs) {
            let found = number_of(job, table, row, column)?;
            *number = found.filter(|x| x.is_finite());
            odd |= found.is_some() && number.is_none();
            let Some(x) = *number else { continue };
            ensure!(
                !log || x > 0.0,
                "{}: {} is {x}, which has no logarithm; leave the row out, or take the scale as linear",
                table.place(row),
                table.column_name(column)
            );
        }
        if odd {
            job.leave_out(table);
        }
        let [x, y] = numbers;
        Ok(x.zip(y))
    }
}
