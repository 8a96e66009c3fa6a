//! table mean: means over groups of rows.

use std::ffi::OsString;

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::{Job, Program};
use crate::measure::interval::Mean;
use crate::stream::{Columns, NanPolicy};

use super::{group_fields, group_name, grouped, indices};

/// Means of columns over the rows that agree in others.
///
/// One row for every combination in the columns --by, compared as text, in the order of first appearance; of
/// every column --value its mean (under its own name), standard deviation (_std, divisor n-1) and standard
/// error (_std_error), which are empty for one row; and how many rows these are (n). A row in which one of the
/// values is empty does not count.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// Columns in which the rows of one mean agree (default: none, one mean of all rows)
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Columns to take the means of
    #[arg(long, value_name = "COL,…", value_delimiter = ',', required = true)]
    value: Vec<String>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let of_value = self.value.iter().map(|v| [v.clone(), format!("{v}_std"), format!("{v}_std_error")]);
        let of_value: Vec<String> = of_value.flatten().collect();
        let columns: Vec<&str> = of_value.iter().map(String::as_str).chain(["n"]).collect();
        let (mut out, table, by) = grouped(job, self.file.as_deref(), &self.by, &columns)?;
        let values = indices(&table, &self.value)?;
        for group in table.groups(&by) {
            let mut means = vec![Mean::default(); values.len()];
            for &row in &group {
                let Some(numbers) = counted(job, &table, row, &values)? else { continue };
                means.iter_mut().zip(numbers).for_each(|(mean, x)| mean.add(x));
            }
            let mut fields = group_fields(&table, &group, &by);
            for mean in &means {
                let std = mean.variance().sqrt();
                if !(mean.mean.is_finite() && std.is_finite()) && job.shared.nan != NanPolicy::Pass {
                    let group = group_name(&table, &group, &by);
                    bail!("{group}: numbers too large for their mean; give them in another unit");
                }
                let several = mean.error().map(|_| std);
                fields.extend([mean.value().into(), several.into(), mean.error().into()]);
            }
            fields.push(means.first().map(|mean| mean.n).into());
            out.row(&fields)?;
        }
        out.finish()
    }
}

/// The numbers of a row, if it counts.
fn counted(job: &Job, table: &Columns, row: usize, columns: &[usize]) -> Result<Option<Vec<f64>>> {
    let numbers = columns.iter().map(|&c| table.number(row, c)).collect::<Result<Option<Vec<f64>>>>()?;
    let Some(i) = numbers.as_ref().and_then(|all| all.iter().position(|x| !x.is_finite())) else {
        return Ok(numbers);
    };
    match job.shared.nan {
        NanPolicy::Drop => {
            job.leave_out(table);
            Ok(None)
        }
        NanPolicy::Pass => Ok(numbers),
        NanPolicy::Error => bail!(
            "{}: {} is {}, which is not finite; leave such rows out with --nan drop",
            table.place(row),
            table.column_name(columns[i]),
            table.text(row, columns[i])
        ),
    }
}
