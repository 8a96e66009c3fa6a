//! How the steps of a fit went.

use anyhow::Result;

use super::setting::{ModeArg, ScoreArgs};
use crate::bridge::Setting;
use crate::cli::Job;
use crate::stream::Table;

pub(super) const COLUMNS: [&str; 6] = ["step", "time", "score_variance", "explained", "by_chance", "n"];

/// What is explained means something from so many times chance on.
const BEYOND_CHANCE: f64 = 2.0;

/// Of one step: the scores' variance, the share of it that is explained, and the share that chance would explain.
pub(super) struct Step {
    pub variance: f64,
    pub explained: f64,
    pub by_chance: f64,
}

/// A row a step, of n paths each.
pub(super) fn write(mut table: Table, setting: &Setting, steps: &[Step], n: usize) -> Result<()> {
    for (k, step) in steps.iter().enumerate() {
        table.row(&[
            k.into(),
            setting.time(k).into(),
            step.variance.into(),
            step.explained.into(),
            step.by_chance.into(),
            n.into(),
        ])?;
    }
    table.finish()
}

/// Says where most of a control is noise, for which another mode or `or` may be better.
pub(super) fn warn(job: &Job, steps: &[Step], scores: &ScoreArgs, or: &str) {
    let nothing = |step: &&Step| step.explained <= BEYOND_CHANCE * step.by_chance;
    let count = steps.iter().filter(nothing).count();
    if let Some(Step { explained, by_chance, .. }) =
        steps.iter().find(nothing).filter(|_| 10 * count > steps.len())
    {
        let or = if scores.mode == ModeArg::Average { or } else { "--mode average" };
        job.warn(&format!(
            "at {count} of {} steps the fit explains about what it would by chance, as {explained:.1e} of the scores' variance \
             where chance has {by_chance:.1e}: the control there is noise; give more paths, or {or}",
            steps.len(),
        ));
    }
}
