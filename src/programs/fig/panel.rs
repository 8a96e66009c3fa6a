//! Panels: a chart for each value of a column.

use anyhow::{Result, ensure};
use clap::Args;

use crate::cli::count;

use crate::draw::Panels;

use super::table::Table;

/// Panels up to which they can be told apart.
const MOST: usize = 64;

#[derive(Args)]
#[command(next_help_heading = "Panels")]
pub struct PanelArgs {
    /// One panel for each value of this column, all with the same ranges and colours
    #[arg(long, value_name = "COL")]
    panel: Option<String>,
    /// Panels in a row (default: all, up to 3; of more panels, about as many as rows)
    #[arg(long, value_name = "N", requires = "panel", value_parser = count(1..=64u16))]
    panel_columns: Option<u16>,
    /// Ranges of x, y and colours that suit each panel by itself
    #[arg(long, requires = "panel")]
    free: bool,
}

/// The panel of each row of a table.
pub struct Split {
    titles: Vec<String>,
    of_rows: Vec<usize>,
    columns: usize,
    pub free: bool,
}

impl PanelArgs {
    /// One panel without a title, unless there is a column of panels.
    pub fn split(&self, table: &Table) -> Result<Split> {
        let Some(name) = &self.panel else {
            let of_rows = vec![0; table.rows().len()];
            return Ok(Split { titles: vec![String::new()], of_rows, columns: 1, free: false });
        };
        let (values, numeric, of_rows) = table.categories(table.column(name)?);
        let count = values.len();
        ensure!(
            count <= MOST,
            "{}: --panel: {name} has {count} values, and a picture {MOST} panels at most; choose some with \
             --filter",
            table.name()
        );
        let title = |value: String| if numeric { format!("{name} = {value}") } else { value };
        let titles = values.into_iter().map(title).collect();
        let columns = self.panel_columns.map_or_else(|| columns(count), usize::from).min(count);
        Ok(Split { titles, of_rows, columns, free: self.free })
    }
}

/// As wide as three panels, and then about as many columns as rows.
fn columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels,
        4 => 2,
        5..=9 => 3,
        _ => (1..).find(|c| c * c >= panels).unwrap_or(panels),
    }
}

impl Split {
    pub fn count(&self) -> usize {
        self.titles.len()
    }

    /// Index of the panel of a row.
    pub fn of(&self, row: usize) -> usize {
        self.of_rows[row]
    }

    /// Columns and rows of panels.
    pub fn shape(&self) -> (usize, usize) {
        (self.columns, self.count().div_ceil(self.columns))
    }

    /// Charts, one a panel, under their titles.
    pub fn panels<T>(&self, charts: impl IntoIterator<Item = T>) -> Panels<T> {
        let panels = self.titles.iter().cloned().zip(charts).collect();
        Panels { panels, columns: self.columns, free: self.free }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn panels_fill_a_row_and_then_a_rectangle() {
        let shapes = [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 17].map(super::columns);
        assert_eq!(shapes, [1, 2, 3, 2, 3, 3, 3, 3, 4, 4, 4, 5]);
    }
}
