//! fig line: points and lines over two numeric axes.

use std::str::FromStr;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::draw::{Chart, Guide, Level, Point, Scale, Series, Shade, Spread, line};

use super::page::{PageArgs, Sheet, parse_range};
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
    /// Shade x from LO to HI, either of which may be left out, behind the data
    #[arg(long, value_name = "LO,HI[:LABEL]", value_parser = parse_shade, allow_hyphen_values = true)]
    shade: Vec<Shade>,
    /// A horizontal line at Y
    #[arg(long, value_name = "Y[:LABEL]", value_parser = parse_level, allow_hyphen_values = true)]
    hline: Vec<Level>,
    /// A vertical line at X
    #[arg(long, value_name = "X[:LABEL]", value_parser = parse_level, allow_hyphen_values = true)]
    vline: Vec<Level>,
    /// On two logarithmic axes, a line of this slope through the middle of the data: an order of convergence
    #[arg(long, value_name = "SLOPE[:LABEL]", value_parser = parse_guide, allow_hyphen_values = true)]
    guide: Vec<Guide>,
    #[command(flatten)]
    axes: Axes,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Axes")]
struct Axes {
    /// Logarithmic x axis
    #[arg(long, conflicts_with = "log2_x")]
    log_x: bool,
    /// Logarithmic y axis
    #[arg(long, conflicts_with = "log2_y")]
    log_y: bool,
    /// Logarithmic x axis with ticks at powers of two
    #[arg(long)]
    log2_x: bool,
    /// Logarithmic y axis with ticks at powers of two
    #[arg(long)]
    log2_y: bool,
    /// Ends of the x axis (default: around the data)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    x_range: Option<(f64, f64)>,
    /// Ends of the y axis (default: around the data)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    y_range: Option<(f64, f64)>,
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

fn labelled(text: &str) -> (&str, String) {
    let (value, label) = text.split_once(':').unwrap_or((text, ""));
    (value, label.to_string())
}

fn parse_shade(text: &str) -> Result<Shade, String> {
    let (range, label) = labelled(text);
    let (low, high) = range.split_once(',').ok_or("write two ends, like 0,0.5 or 0,0.5:LABEL")?;
    let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { number::<f64>(text).map(Some) };
    let (low, high) = (end(low)?, end(high)?);
    match (low, high) {
        (Some(low), Some(high)) if low >= high || high.is_nan() => Err("the smaller end comes first".into()),
        _ => Ok(Shade { low, high, label }),
    }
}

fn finite(text: &str, what: &str) -> Result<(f64, String), String> {
    let (value, label) = labelled(text);
    let value = number::<f64>(value)?;
    if value.is_finite() { Ok((value, label)) } else { Err(format!("a line needs a finite {what}")) }
}

fn parse_level(text: &str) -> Result<Level, String> {
    finite(text, "place").map(|(at, label)| Level { at, label })
}

fn parse_guide(text: &str) -> Result<Guide, String> {
    finite(text, "slope").map(|(slope, label)| Guide { slope, label })
}

impl Axes {
    fn x(&self) -> Scale {
        scale(self.log_x, self.log2_x)
    }

    fn y(&self) -> Scale {
        scale(self.log_y, self.log2_y)
    }

    fn check(&self, levels: &[Level], verticals: &[Level], guides: &[Guide]) -> Result<()> {
        let ends =
            |range: Option<(f64, f64)>| range.into_iter().flat_map(|(low, high)| [low, high]).collect();
        let places = |levels: &[Level]| levels.iter().map(|level| level.at).collect();
        let values: [(&str, Scale, Vec<f64>); 4] = [
            ("--x-range", self.x(), ends(self.x_range)),
            ("--vline", self.x(), places(verticals)),
            ("--y-range", self.y(), ends(self.y_range)),
            ("--hline", self.y(), places(levels)),
        ];
        for (flag, scale, values) in values {
            if let Some(value) = values.iter().find(|v| !scale.holds(**v)) {
                return Err(usage(anyhow!("{flag} {value}: has no place on a logarithmic axis")));
            }
        }
        if let Some(Guide { slope, .. }) = guides.first()
            && [self.x(), self.y()].contains(&Scale::Linear)
        {
            return Err(usage(anyhow!(
                "--guide {slope}: is a straight line only on two logarithmic axes; add --log-x and --log-y"
            )));
        }
        Ok(())
    }
}

fn scale(log: bool, log2: bool) -> Scale {
    match (log, log2) {
        (true, _) => Scale::Log10,
        (_, true) => Scale::Log2,
        _ => Scale::Linear,
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.axes.check(&self.hline, &self.vline, &self.guide)?;
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
            shades: self.shade.clone(),
            levels: self.hline.clone(),
            verticals: self.vline.clone(),
            guides: self.guide.clone(),
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
