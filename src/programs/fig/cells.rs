//! Values in cells: what heatmap and matrix have in common.

use crate::cli::usage;
use crate::draw::Scale;
use anyhow::{Result, anyhow, bail};
use clap::Args;

use super::page::parse_range;
use super::panel::Split;
use super::table::Table;

#[derive(Args)]
pub struct CellArgs {
    /// Column of the values
    #[arg(long, value_name = "COL")]
    pub value: String,
    /// Values at the ends of the colour bar (default: the extremes)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    pub range: Option<(f64, f64)>,
    /// Colours by the logarithm of the value
    #[arg(long)]
    log_color: bool,
    /// Write no values in the cells
    #[arg(long)]
    pub no_numbers: bool,
}

impl CellArgs {
    pub fn scale(&self) -> Scale {
        if self.log_color { Scale::Log10 } else { Scale::Linear }
    }

    pub fn check(&self) -> Result<()> {
        match self.range {
            Some((low, _)) if !self.scale().holds(low) => {
                Err(usage(anyhow!("--range {low}: has no place on a logarithmic colour bar")))
            }
            _ => Ok(()),
        }
    }

    /// The values of the `count` cells of each panel, given the cell of each row.
    pub fn values(
        &self,
        table: &Table,
        split: &Split,
        cell_of: impl Fn(usize) -> usize,
        count: usize,
    ) -> Result<Vec<Vec<Option<f64>>>> {
        let value = table.column(&self.value)?;
        let mut values = vec![vec![None; count]; split.count()];
        let mut filled = vec![vec![None; count]; split.count()];
        for row in table.rows() {
            let (panel, cell) = (split.of(row), cell_of(row));
            if let Some(first) = filled[panel][cell].replace(row) {
                bail!(
                    "{}: is the same cell as line {}; leave one row a cell with --filter",
                    table.place(row),
                    table.line(first)
                );
            }
            values[panel][cell] = table.number(row, value, self.scale())?;
        }
        Ok(values)
    }
}
