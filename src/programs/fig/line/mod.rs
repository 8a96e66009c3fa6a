//! fig line: points and lines over two numeric axes.

mod axes;
mod marks;

use anyhow::{Result, ensure};
use clap::Args;

use axes::AxisArgs;
use marks::MarkArgs;

use crate::cli::{Job, Program};
use crate::draw::{Chart, Point, Scale, Series, Spread, line};

use super::page::{PageArgs, Sheet};
use super::panel::Split;
use super::table::{Table, TableArgs};

/// Draw points, joined by lines in order of x.
///
/// Every row with an x and a y is a point; rows of one x are all drawn.
///
/// Memory: the table and the picture.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    table: TableArgs,
    /// Column of x
    #[arg(long, value_name = "COL")]
    x: String,
    /// Column of y
    #[arg(long, value_name = "COL")]
    y: String,
    /// One line for each value of this column, or of several together
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Error bars: column of their length to each side
    #[arg(long, value_name = "COL", conflicts_with_all = ["low", "high"])]
    error: Option<String>,
    /// A band: column of its lower end
    #[arg(long, value_name = "COL", requires = "high")]
    low: Option<String>,
    /// A band: column of its upper end
    #[arg(long, value_name = "COL", requires = "low")]
    high: Option<String>,
    /// Bars from --low to --high instead of a band
    #[arg(long, requires = "low")]
    bars: bool,
    /// Draw only points, without lines: a scatter plot, in the colours of --by; many points are small
    #[arg(long, visible_alias = "scatter")]
    no_lines: bool,
    /// Draw the line of this name (a value of --by) as points only
    #[arg(long, value_name = "NAME", requires = "by")]
    points: Vec<String>,
    /// Draw the line of this name (a value of --by) dashed
    #[arg(long, value_name = "NAME", requires = "by")]
    dashed: Vec<String>,
    #[command(flatten)]
    marks: MarkArgs,
    #[command(flatten)]
    axes: AxisArgs,
    #[command(flatten)]
    page: PageArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.marks.check(&self.axes)?;
        let sheet = Sheet::open(job)?;
        let table = self.table.read(job)?;
        let split = self.page.split(&table)?;
        let (series, ordered) = self.series(&table, &split)?;
        let charts = series.into_iter().map(|series| Chart {
            x: self.axes.x(),
            y: self.axes.y(),
            x_range: self.axes.x_range,
            y_range: self.axes.y_range,
            series,
            ordered,
            legend: self.by.join(", "),
            spread: if self.low.is_some() && !self.bars { Spread::Band } else { Spread::Bars },
            shades: self.marks.shade.clone(),
            levels: self.marks.hline.clone(),
            verticals: self.marks.vline.clone(),
            guides: self.marks.guide.clone(),
        });
        sheet.draw(&line(&self.page.page(&self.x, &self.y, &split), &split.panels(charts))?)
    }
}

impl Arguments {
    /// The lines of each panel, the same in all, and whether their names are numbers.
    fn series(&self, table: &Table, split: &Split) -> Result<(Vec<Vec<Series>>, bool)> {
        let by: Vec<usize> = self.by.iter().map(|name| table.column(name)).collect::<Result<_>>()?;
        let (names, numeric, of_rows) = table.groups(&by);
        for name in self.points.iter().chain(&self.dashed) {
            ensure!(
                names.contains(name),
                "{}: --points and --dashed: no line is called '{name}'; there are {}",
                table.name(),
                names.join("; ")
            );
        }
        let mut points = vec![vec![Vec::new(); names.len()]; split.count()];
        for (row, point) in self.points(table)? {
            points[split.of(row)][of_rows[row]].push(point);
        }
        let drawn: Vec<bool> =
            (0..names.len()).map(|i| points.iter().any(|panel| !panel[i].is_empty())).collect();
        ensure!(drawn.contains(&true), "{}: no row has both {} and {}", table.name(), self.x, self.y);
        let series = |(name, mut points): (&String, Vec<Point>)| {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series {
                points,
                line: !self.no_lines && !self.points.contains(name),
                dashed: self.dashed.contains(name),
                name: name.clone(),
            }
        };
        let panels = points.into_iter().map(|panel| {
            let all = names.iter().zip(panel).zip(&drawn).filter(|(_, drawn)| **drawn);
            all.map(|(named, _)| series(named)).collect()
        });
        Ok((panels.collect(), numeric))
    }

    /// Every row with a place on both axes.
    fn points(&self, table: &Table) -> Result<Vec<(usize, Point)>> {
        let column = |name: &Option<String>| name.as_ref().map(|name| table.column(name)).transpose();
        let (x, y) = (table.column(&self.x)?, table.column(&self.y)?);
        let (error, low, high) = (column(&self.error)?, column(&self.low)?, column(&self.high)?);
        let mut points = Vec::new();
        for row in table.rows() {
            let (Some(x), Some(y)) =
                (table.number(row, x, self.axes.x())?, table.number(row, y, self.axes.y())?)
            else {
                continue;
            };
            let end = |column: Option<usize>| match column {
                Some(column) => table.number(row, column, Scale::Linear),
                None => Ok(None),
            };
            let ends = match (end(error)?, end(low)?, end(high)?) {
                (Some(error), _, _) => {
                    ensure!(
                        error >= 0.0,
                        "{}: the error is {error}; it must not be negative",
                        table.place(row)
                    );
                    Some((y - error, y + error))
                }
                (None, Some(low), Some(high)) => Some((low, high)),
                _ => None,
            };
            points.push((row, Point { x, y, ends }));
        }
        Ok(points)
    }
}
