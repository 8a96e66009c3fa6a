//! fig violin: distributions side by side.

use anyhow::{Result, ensure};
use clap::Args;

use crate::cli::{Job, Program};
use crate::draw::{Group, Scale, Shape, Violins, violin};

use super::page::{PageArgs, Sheet};
use super::table::TableArgs;

/// Draw one violin of y for each value of x.
///
/// A violin is the density of the values (Gaussian kernels of Silverman's width), cut where the values end,
/// with a box from the first to the third quartile and a dot at the median. Fewer than 5 values are drawn as
/// points.
///
/// Memory: the table and the picture.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    table: TableArgs,
    /// Column whose values are the categories
    #[arg(long, value_name = "COL")]
    x: String,
    /// Column of the numbers
    #[arg(long, value_name = "COL")]
    y: String,
    /// In each category, one violin for each value of this column, or of several together
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Boxes (quartiles, median, extremes) instead of violins
    #[arg(long = "box")]
    boxes: bool,
    /// Logarithmic y axis
    #[arg(long)]
    log_y: bool,
    #[command(flatten)]
    page: PageArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let sheet = Sheet::open(job)?;
        let table = self.table.read(job)?;
        let (categories, _, category_of) = table.categories(table.column(&self.x)?);
        let by: Vec<usize> = self.by.iter().map(|name| table.column(name)).collect::<Result<_>>()?;
        let (mut series, _, series_of) = table.groups(&by);
        let lanes = series.len();
        if by.is_empty() {
            series.clear();
        }
        let y = table.column(&self.y)?;
        let scale = if self.log_y { Scale::Log10 } else { Scale::Linear };
        let split = self.page.split(&table)?;
        let mut values = vec![vec![Vec::new(); categories.len() * lanes]; split.count()];
        for row in table.rows() {
            if let Some(value) = table.number(row, y, scale)? {
                values[split.of(row)][category_of[row] * lanes + series_of[row]].push(value);
            }
        }
        ensure!(values.iter().flatten().any(|v| !v.is_empty()), "{}: no row has {}", table.name(), self.y);
        let charts = values.into_iter().map(|values| {
            let groups = values.into_iter().enumerate();
            let violins = Violins {
                shape: if self.boxes { Shape::Box } else { Shape::Violin },
                scale,
                categories: categories.clone(),
                series: series.clone(),
                legend: self.by.join(", "),
                groups: groups
                    .map(|(i, values)| Group { category: i / lanes, series: i % lanes, values })
                    .collect(),
            };
            if split.free { violins.compact() } else { violins }
        });
        sheet.draw(&violin(&self.page.page(&self.x, &self.y, &split), &split.panels(charts))?)
    }
}
