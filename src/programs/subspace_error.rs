//! subspace-error: how far a fitted mixture is from the true one.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::cli::{Job, Program};
use crate::measure::subspace_error::{largest, matched};
use crate::stream::models_suit;

/// Measure how far fitted subspaces are from the true ones.
///
/// One row per component of TRUTH under the best one-to-one matching: error = ‖ÛÛᵀ − UUᵀ‖_F and the largest
/// principal angle; then a row `all` with the largest of both.
///
/// Memory: the two models.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1200 --truth truth.st | dae-fit --kind molrg -r 6 -k 2 | subspace-error - truth.st
  $ molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st | dae-fit --kind molrg -r 6 -k 2 | subspace-error - truth.st -f json")]
pub struct Arguments {
    /// The fitted mixture
    fitted: OsString,
    /// The true one
    truth: OsString,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.wait_for_stdin(&[Some(&self.fitted), Some(&self.truth)])?;
        let names = [self.fitted.to_string_lossy(), self.truth.to_string_lossy()];
        let mut table = job.table(&["component", "matched", "error", "max_angle_deg", "n_components"])?;
        let (fitted, truth) = (job.model_file(Some(&self.fitted))?, job.model_file(Some(&self.truth))?);
        models_suit((&names[0], &fitted.item_shape), (&names[1], &truth.item_shape))?;
        let (fitted, truth) = (fitted.into_mixture(&names[0])?, truth.into_mixture(&names[1])?);
        let matches = matched(&fitted, &truth)?;
        let n = matches.len();
        // The row `all` is the last of the rows that --rows selects from.
        let selected = job.selected(n + 1);
        let (start, end) = (selected.start as usize, selected.end as usize);
        for m in &matches[start.min(n)..end.min(n)] {
            table.row(&[
                m.component.into(),
                m.matched.into(),
                m.error.into(),
                m.max_angle_deg.into(),
                n.into(),
            ])?;
        }
        if start <= n && end > n {
            let (error, angle) = largest(&matches);
            table.row(&["all".into(), "all".into(), error.into(), angle.into(), n.into()])?;
        }
        table.finish()
    }
}
