//! How many rows are told right: the table, and what is told of every row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::labelled::{Data, Labelled};
use crate::cli::{Job, estimate};
use crate::measure::interval::Estimate;

/// How many rows are told right.
pub struct Accuracy {
    /// Row, class and the class that it is taken for.
    told: Vec<(usize, usize, usize)>,
    /// Rows of the class that is the most frequent one to learn from.
    of_largest: u64,
}

impl Accuracy {
    pub const COLUMNS: &'static [&'static str] =
        &["accuracy", "std_error", "ci_low", "ci_high", "n", "classes", "baseline"];

    pub fn write(
        job: &Job,
        data: &Data,
        per_sample: Option<&PathBuf>,
        mut predict: impl FnMut(&Labelled, &Labelled) -> Result<Vec<usize>>,
    ) -> Result<()> {
        let mut table = job.table(Accuracy::COLUMNS)?;
        let per_sample =
            per_sample.map(|path| job.side_table(path, &["row", "label", "predicted"])).transpose()?;
        let mut all = Accuracy { told: Vec::new(), of_largest: 0 };
        data.each_split(|train, test, rows| {
            let mut counts = BTreeMap::<usize, u64>::new();
            train.classes.iter().for_each(|k| *counts.entry(*k).or_default() += 1);
            let largest = counts.iter().rev().max_by_key(|(_, n)| **n).map(|(k, _)| *k);
            for ((&row, &class), told) in rows.iter().zip(&test.classes).zip(predict(train, test)?) {
                all.told.push((row, class, told));
                all.of_largest += u64::from(largest == Some(class));
            }
            Ok(())
        })?;
        all.told.sort_unstable();
        let n = all.told.len() as u64;
        let right = all.told.iter().filter(|(_, class, told)| class == told).count() as u64;
        let classes = data.train.classes.iter().collect::<BTreeSet<_>>().len();
        let baseline = all.of_largest as f64 / n as f64;
        table
            .row(&[&estimate(&Estimate::share(right, n))[..], &[classes.into(), baseline.into()]].concat())?;
        if let Some(mut per_sample) = per_sample {
            all.told.iter().try_for_each(|(row, class, told)| {
                per_sample.row(&[(*row).into(), (*class).into(), (*told).into()])
            })?;
            per_sample.finish()?;
        }
        table.finish()
    }
}
