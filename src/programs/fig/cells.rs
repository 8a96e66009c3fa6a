//! Values in cells: what heatmap and matrix have in common.

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::cli::{count, usage};
use crate::draw::{Cells, Scale};

use super::page::parse_range;
use super::panel::Split;
use super::table::Table;

#[derive(Args)]
pub struct CellArgs {
    /// Column of the values
    #[arg(long, value_name = "COL")]
    value: String,
    /// Values at the ends of the colour bar (default: the extremes)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    range: Option<(f64, f64)>,
    /// Colours by the logarithm of the value
    #[arg(long)]
    log_color: bool,
    /// Name of the values, beside the colour bar (default: that of the column; '' for none)
    #[arg(long, value_name = "TEXT")]
    value_label: Option<String>,
    /// Significant digits of the values in the cells (default: 2, or 3 where that tells more of them apart)
    #[arg(long, value_name = "N", conflicts_with = "no_numbers", value_parser = count(1..=15u8))]
    digits: Option<u8>,
    /// Write no values in the cells
    #[arg(long)]
    no_numbers: bool,
}

/// Cells of a rectangle up to which values are written in them.
const WRITTEN: usize = 200;

impl CellArgs {
    fn scale(&self) -> Scale {
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

    /// One panel's cells under these names.
    pub fn grid(
        &self,
        columns: &[String],
        rows: &[String],
        numeric_columns: bool,
        values: Vec<Option<f64>>,
        square: bool,
    ) -> Cells {
        Cells {
            columns: columns.to_vec(),
            rows: rows.to_vec(),
            numeric_columns,
            numbers: !self.no_numbers && (square || values.len() <= WRITTEN),
            digits: self.digits.map(usize::from),
            values,
            range: self.range,
            scale: self.scale(),
            label: self.value_label.as_ref().unwrap_or(&self.value).clone(),
            square,
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
