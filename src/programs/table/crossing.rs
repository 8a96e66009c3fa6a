//! table crossing: where curves meet a level.

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::measure::curve::crossing;
use crate::stream::Columns;

use super::{Point, PointArgs, group_fields, grouped};

/// The x at which a curve first meets a level.
///
/// The rows of every combination in the columns --by are one curve: their points, in order of x, joined by
/// straight lines (with --log-x, straight over log x). One row each: the combination, x, the level, and
/// whether the curve goes up or down there. x and direction are empty where a curve never meets the level,
/// and direction where it lies on the level throughout. Rows without x or y are passed over.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    points: PointArgs,
    /// The y that is looked for
    #[arg(long, value_name = "L", allow_hyphen_values = true)]
    level: f64,
    /// Columns in which the rows of one curve agree
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Straight lines over log x
    #[arg(long)]
    log_x: bool,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if !self.level.is_finite() {
            return Err(usage(anyhow!("--level {}: must be finite", self.level)));
        }
        let columns = [self.points.x.as_str(), "level", "direction"];
        let (mut out, table, by) = grouped(job, self.points.file.as_deref(), &self.by, &columns)?;
        let point = self.points.point(&table, [self.log_x, false])?;
        for group in table.groups(&by) {
            let curve = curve(job, &table, &group, &point)?;
            let found = crossing(&curve, self.level, self.log_x);
            let mut fields = group_fields(&table, &group, &by);
            fields.push(found.map(|found| found.x).into());
            fields.push(self.level.into());
            let up = found.and_then(|found| found.up);
            fields.push(up.map(|up| if up { "up" } else { "down" }).into());
            out.row(&fields)?;
        }
        out.finish()
    }
}

/// The points of a group in order of x.
fn curve(job: &Job, table: &Columns, group: &[usize], point: &Point) -> Result<Vec<(f64, f64)>> {
    let mut points: Vec<((f64, f64), usize)> = Vec::new();
    for &row in group {
        points.extend(point.of_row(job, table, row)?.map(|p| (p, row)));
    }
    points.sort_by(|((a, _), _), ((b, _), _)| a.total_cmp(b));
    for pair in points.windows(2) {
        let (((a, _), first), ((b, _), second)) = (pair[0], pair[1]);
        if a == b {
            bail!(
                "{}: has the x of {}; take means first with table mean, or tell the curves apart with --by",
                table.place(first.max(second)),
                table.place(first.min(second))
            );
        }
    }
    Ok(points.into_iter().map(|(p, _)| p).collect())
}
