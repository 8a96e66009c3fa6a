//! table slope: straight lines through points.

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cli::{Job, Program};
use crate::measure::curve::line;

use super::{PointArgs, group_fields, group_name, grouped};

/// Least-squares lines y = intercept + slope x.
///
/// The rows of every combination in the columns --by have a line of their own. With --log-x and --log-y, x and
/// y are natural logarithms: with both, the slope is the exponent of a power law. The slope's standard error is
/// empty for two points, and r_squared where y does not vary. Rows without x or y are passed over.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    points: PointArgs,
    /// Columns in which the rows of one line agree
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Take the natural logarithm of x
    #[arg(long)]
    log_x: bool,
    /// Take the natural logarithm of y
    #[arg(long)]
    log_y: bool,
}

const COLUMNS: [&str; 5] = ["slope", "slope_std_error", "intercept", "r_squared", "n"];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (mut out, table, by) = grouped(job, self.points.file.as_deref(), &self.by, &COLUMNS)?;
        let point = self.points.point(&table, [self.log_x, self.log_y])?;
        let scaled = |x: f64, log: bool| if log { x.ln() } else { x };
        for group in table.groups(&by) {
            let mut points = Vec::new();
            for &row in &group {
                let found = point.of_row(job, &table, row)?;
                points.extend(found.map(|(x, y)| (scaled(x, self.log_x), scaled(y, self.log_y))));
            }
            let name = || group_name(&table, &group, &by);
            let line = line(&points).with_context(|| {
                format!(
                    "{}: needs two different {} for a line, not too near each other; leave the group out, or give more rows",
                    name(),
                    self.points.x
                )
            })?;
            let numbers = [Some(line.slope), line.slope_std_error, Some(line.intercept), line.r_squared];
            ensure!(
                numbers.iter().flatten().all(|x| x.is_finite()),
                "{}: numbers too large for a line; take logarithms, or give them in another unit",
                name()
            );
            let mut fields = group_fields(&table, &group, &by);
            fields.extend(numbers.map(Into::into));
            fields.push(points.len().into());
            out.row(&fields)?;
        }
        out.finish()
    }
}
