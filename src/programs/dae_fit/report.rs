//! How a fit went, as a table.

use anyhow::Result;

use crate::fit::Fit;
use crate::stream::{Table, Value};

pub const REPORT: &[&str] =
    &["restart", "iteration", "objective", "chosen", "converged", "completed", "floored", "noise_floor"];

/// The report of a fit in closed form: one row, at rest.
pub fn report_exact(table: Option<Table>) -> Result<()> {
    let Some(mut table) = table else { return Ok(()) };
    let nothing = || Value::Text(String::new());
    table.row(&[
        0usize.into(),
        0usize.into(),
        nothing(),
        true.into(),
        true.into(),
        0usize.into(),
        nothing(),
        nothing(),
    ])?;
    table.finish()
}

/// One row per iteration; `converged`, `completed` (directions the data left open) and what follows (the components
/// whose noise the variance floor kept from vanishing, and that floor) speak of the chosen restart as a whole.
pub fn write_report(mut table: Table, fit: &Fit) -> Result<()> {
    let completed: usize = fit.completed.iter().sum();
    let (floored, floor) = match &fit.floored {
        Some((components, floor)) => (components.clone(), Some(*floor)),
        None => (Vec::new(), None),
    };
    let floored = floored.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    for i in &fit.history {
        table.row(&[
            i.restart.into(),
            i.iteration.into(),
            i.objective.into(),
            (i.restart == fit.chosen).into(),
            fit.converged.into(),
            completed.into(),
            floored.as_str().into(),
            floor.into(),
        ])?;
    }
    table.finish()
}
