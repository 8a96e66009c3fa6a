//! fig heatmap: a rectangular grid of cells.

use anyhow::{Result, bail};
use clap::Args;
use molrg::cli::{Job, Shared};
use molrg::draw::{Cells, Scale, grid};

use crate::page::{PageArgs, Sheet, parse_range};
use crate::table::{Table, TableArgs};

/// Cells up to which values are written in them.
const WRITTEN: usize = 200;

/// Draw a grid of cells, coloured by value.
///
/// Columns and rows are the values of --x and --y: numbers in their order, rows upwards; other names as
/// they first appear, rows downwards. A cell without a row in the table is blank. Up to 200 cells have
/// their value written in them, to two significant digits.
///
/// Memory: the table and the picture.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    table: TableArgs,
    /// Column whose values are the columns of the grid
    #[arg(long, value_name = "COL")]
    x: String,
    /// Column whose values are the rows of the grid
    #[arg(long, value_name = "COL")]
    y: String,
    /// Column of the values
    #[arg(long, value_name = "COL")]
    value: String,
    /// Values at the ends of the colour bar (default: the extremes)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    range: Option<(f64, f64)>,
    /// Write no values in the cells
    #[arg(long)]
    no_numbers: bool,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    pub shared: Shared,
}

impl Arguments {
    pub fn run(self, job: &Job) -> Result<()> {
        let sheet = Sheet::open(job)?;
        let table = self.table.read(job)?;
        let (columns, numeric_columns, column_of) = table.categories(table.column(&self.x)?);
        let (mut rows, numeric_rows, mut row_of) = table.categories(table.column(&self.y)?);
        if numeric_rows {
            rows.reverse();
            row_of.iter_mut().for_each(|row| *row = rows.len() - 1 - *row);
        }
        let width = columns.len();
        let cell_of: Vec<usize> = row_of.iter().zip(&column_of).map(|(r, c)| r * width + c).collect();
        let values = cells(&table, &self.value, &cell_of, width * rows.len())?;
        let numbers = !self.no_numbers && values.len() <= WRITTEN;
        let cells = Cells {
            columns,
            rows,
            numeric_columns,
            values,
            range: self.range,
            label: self.value,
            numbers,
            square: false,
        };
        sheet.draw(&grid(&self.page.page(&self.x, &self.y), &cells)?)
    }
}

/// The value of each of `count` cells, given the cell of each row.
pub fn cells(table: &Table, value: &str, cell_of: &[usize], count: usize) -> Result<Vec<Option<f64>>> {
    let value = table.column(value)?;
    let mut values = vec![None; count];
    let mut filled = vec![None; count];
    for row in table.rows() {
        let cell = cell_of[row];
        if let Some(first) = filled[cell].replace(row) {
            bail!(
                "{}: is the same cell as line {}; leave one row a cell with --filter",
                table.place(row),
                table.line(first)
            );
        }
        values[cell] = table.number(row, value, Scale::Linear)?;
    }
    Ok(values)
}
