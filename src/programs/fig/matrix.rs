//! fig matrix: a square of values between things of one kind.

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};
use crate::draw::{grid, order};

use super::cells::CellArgs;
use super::page::{PageArgs, Sheet};
use super::table::{TableArgs, distinct, places};

/// Draw a square matrix of values between named things, with numbers in it.
///
/// The names are all those in --row and --column: numbers in their order, others as they first appear.
/// Where only one of two mirrored cells is given, as in the pairs of rp-score, it stands for both.
///
/// Memory: the table and the picture.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    table: TableArgs,
    /// Column of the names of rows
    #[arg(long, value_name = "COL")]
    row: String,
    /// Column of the names of columns
    #[arg(long, value_name = "COL")]
    column: String,
    /// Draw only the cells that the table has
    #[arg(long)]
    no_mirror: bool,
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
        let (row, column) = (table.column(&self.row)?, table.column(&self.column)?);
        let pair = |i| [table.text(i, row), table.text(i, column)];
        let mut names = distinct(table.rows().flat_map(pair));
        let numeric = order(&mut names);
        let (places, count) = (places(&names), names.len());
        let cell_of = |i| {
            let [row, column] = pair(i);
            places[row] * count + places[column]
        };
        let split = self.page.split(&table)?;
        let given = self.cells.values(&table, &split, cell_of, count * count)?;
        let charts = given.into_iter().map(|given| {
            let mirrored = |i: usize| given[i % count * count + i / count].filter(|_| !self.no_mirror);
            let values = given.iter().enumerate().map(|(i, value)| value.or_else(|| mirrored(i))).collect();
            let cells = self.cells.grid(&names, &names, numeric, values, true);
            if split.free { cells.compact() } else { cells }
        });
        // Names of one kind on both sides say what they are without a name of the axes.
        let page = self.page.page_of((if split.free { 560 } else { 400 }, 400), "", "", &split);
        sheet.draw(&grid(&page, &split.panels(charts))?)
    }
}
