//! table roc: how well a score tells two classes apart.

use std::ffi::OsString;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cli::{Job, Program};
use crate::measure::roc::roc;
use crate::stream::{Columns, NanPolicy};

use super::{group_fields, group_name, grouped, number_of};

/// Area under the receiver operating characteristic of a score, with its standard error.
///
/// Scores are larger for positives. Their label is 1 or true, that of negatives 0 or false; with --positive it is what
/// that says, and all others are of negatives. auc is the share of pairs that the score orders rightly, ties half; its
/// standard error is DeLong's, empty where a class has one row. tpr_at_1fpr is the share of positives above the
/// 0.99-quantile of the negatives, which is the smallest of them that at most one in a hundred are above. The rows of
/// every combination in the columns --by have a result of their own. Rows without score or label are passed over.
///
/// Memory: the table.
#[derive(Args)]
pub struct Arguments {
    /// Table: csv, gzipped or not (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// Column of scores
    #[arg(long, value_name = "COL")]
    score: String,
    /// Column of labels
    #[arg(long, value_name = "COL")]
    label: String,
    /// The label of positives
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    positive: Option<String>,
    /// Columns in which the rows of one result agree
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    by: Vec<String>,
}

const COLUMNS: [&str; 5] = ["auc", "std_error", "tpr_at_1fpr", "n_positive", "n_negative"];

/// Negatives of which one in a hundred is at least one.
const ENOUGH: usize = 100;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (mut out, table, by) = grouped(job, self.file.as_deref(), &self.by, &COLUMNS)?;
        let (score, label) = (table.column(&self.score)?, table.column(&self.label)?);
        for group in table.groups(&by) {
            let (mut positive, mut negative) = (Vec::new(), Vec::new());
            for &row in &group {
                let Some(is_positive) = self.is_positive(&table, row, label)? else { continue };
                let Some(score) = place(job, &table, row, score)? else { continue };
                if is_positive { positive.push(score) } else { negative.push(score) }
            }
            let name = group_name(&table, &group, &by);
            let (m, n) = (positive.len(), negative.len());
            let result = roc(&positive, &negative).with_context(|| {
                format!("{name}: {m} positives and {n} negatives; a characteristic needs some of both")
            })?;
            if n < ENOUGH {
                job.warn(&format!(
                    "{name}: one in a hundred of {n} negatives is none, so tpr_at_1fpr is the share of positives \
                     above the largest of them, which the next negative may move; give {ENOUGH} or more"
                ));
            }
            if result.std_error == Some(0.0) {
                job.warn(&format!(
                    "{name}: std_error is 0 because all {m} positives and {n} negatives lie on two sides of one \
                     score, which says nothing of the error; give more rows, or harder ones"
                ));
            }
            let mut fields = group_fields(&table, &group, &by);
            fields.extend([result.auc.into(), result.std_error.into(), result.true_positives.into()]);
            fields.extend([m.into(), n.into()]);
            out.row(&fields)?;
        }
        out.finish()
    }
}

impl Arguments {
    /// Whether a row is a positive; of an empty field nothing.
    fn is_positive(&self, table: &Columns, row: usize, column: usize) -> Result<Option<bool>> {
        let text = table.text(row, column).trim();
        match (&self.positive, text.to_ascii_lowercase().as_str()) {
            (_, "") => Ok(None),
            (Some(positive), _) => Ok(Some(text == positive)),
            (None, "true") => Ok(Some(true)),
            (None, "false") => Ok(Some(false)),
            (None, number) => match number.parse::<f64>() {
                Ok(1.0) => Ok(Some(true)),
                Ok(0.0) => Ok(Some(false)),
                _ => bail!(
                    "{}: {} is {text:?}, where a label is 1 or 0, true or false; name that of positives with --positive",
                    table.place(row),
                    table.column_name(column)
                ),
            },
        }
    }
}

/// The score of a row, if it has one: with --nan drop a finite one, with --nan pass one that has a place among the others.
fn place(job: &Job, table: &Columns, row: usize, column: usize) -> Result<Option<f64>> {
    let Some(score) = number_of(job, table, row, column)? else { return Ok(None) };
    let pass = job.shared.nan == NanPolicy::Pass;
    ensure!(
        !(score.is_nan() && pass),
        "{}: {} is nan, which is neither above nor below another; leave such rows out with --nan drop",
        table.place(row),
        table.column_name(column)
    );
    if !score.is_finite() {
        job.leave_out(table);
    }
    Ok((score.is_finite() || pass).then_some(score))
}
