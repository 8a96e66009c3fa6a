//! fig heatmap: a rectangular grid of cells.

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};
use crate::draw::grid;

use super::cells::CellArgs;
use super::page::{PageArgs, Sheet};
use super::table::TableArgs;

/// Draw a grid of cells, coloured by value.
///
/// Columns and rows are the values of --x and --y: numbers in their order, rows upwards; other names as
/// they first appear, rows downwards. A cell without a row in the table is blank. Up to 200 cells have
/// their value written in them, to two or three significant digits.
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
    #[command(flatten)]
    cells: CellArgs,
    #[command(flatten)]
    page: PageArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.cells.check()?;
        let sheet = Sheet::open(job)?;
        let table = self.table.read(job)?;
        let (columns, numeric_columns, column_of) = table.categories(table.column(&self.x)?);
        let (mut rows, numeric_rows, mut row_of) = table.categories(table.column(&self.y)?);
        if numeric_rows {
            rows.reverse();
            row_of.iter_mut().for_each(|row| *row = rows.len() - 1 - *row);
        }
        let width = columns.len();
        let split = self.page.split(&table)?;
        let cell_of = |row: usize| row_of[row] * width + column_of[row];
        let values = self.cells.values(&table, &split, cell_of, width * rows.len())?;
        let charts = values.into_iter().map(|values| {
            let cells = self.cells.grid(&columns, &rows, numeric_columns, values, false);
            if split.free { cells.compact() } else { cells }
        });
        sheet.draw(&grid(&self.page.page(&self.x, &self.y, &split), &split.panels(charts))?)
    }
}
