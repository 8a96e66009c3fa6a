//! The tables of scores.

use anyhow::{Result, anyhow, ensure};

use crate::cli::{Job, estimate};
use crate::measure::generalization::{distance_left_out, ratio_left_out, similarity_left_out};
use crate::measure::interval::Estimate;
use crate::measure::nearest::{Best, Nearest, Searched};
use crate::scalar::Scalar;
use crate::stream::{Table, Value};

use super::compared::{Compared, Train};
use super::scores::Scores;
use super::{Arguments, Form};

pub const COLUMNS: &[&str] =
    &["score", "a", "b", "value", "std_error", "ci_low", "ci_high", "n", "threshold", "baseline"];

/// Columns of --per-sample.
pub const PER_SAMPLE: &[&str] =
    &["row", "score", "a", "b", "similarity", "nearest", "distance", "second_distance"];

impl<T: Scalar> Scores<'_, T> {
    /// Everything about row `i` of a block, so that the tables of --rows join to the whole.
    pub(super) fn write_row(
        &mut self,
        i: usize,
        pairs: &[Vec<f64>],
        copied: &[(Vec<Best>, Vec<Nearest>)],
    ) -> Result<()> {
        let Some(table) = &mut self.per_sample else { return Ok(()) };
        let row = self.first + self.rows + i as u64;
        let name = |input: usize| Value::from(Arguments::label(&self.arguments.inputs[input]));
        let none = || Value::Text(String::new());
        for (pair, values) in self.pairs.iter().zip(pairs) {
            let (a, b, similarity) = (name(pair.a), name(pair.b), values[i].into());
            table.row(&[row.into(), "rp".into(), a, b, similarity, none(), none(), none()])?;
        }
        let train = self.arguments.train.as_deref().map_or(String::new(), Arguments::label);
        for (input, (best, nearest)) in copied.iter().enumerate() {
            let (b, n) = (&best[i], &nearest[i]);
            table.row(&[
                row.into(),
                "gl".into(),
                name(input),
                train.as_str().into(),
                b.similarity.into(),
                n.row.into(),
                n.distance.into(),
                // With one training row there is no second.
                Some(n.second).filter(|second| second.is_finite()).into(),
            ])?;
        }
        Ok(())
    }

    /// Writes the table of scores, and warns where they measure little.
    pub fn write(self, job: &Job, mut table: Table, compared: &Compared<T>) -> Result<()> {
        ensure!(
            self.rows > 0,
            "{}: no rows to score; give samples",
            Arguments::label(&self.arguments.inputs[0])
        );
        let mut row = |score: &str, a: String, b: String, e: Estimate, threshold: Value, baseline| {
            let names = [score.into(), a.into(), b.into()];
            table.row(&[&names[..], &estimate(&e), &[threshold, Value::from(baseline)]].concat())
        };
        for pair in &self.pairs {
            let (share, baseline) = (pair.score.share(), pair.score.baseline());
            row("rp", self.name(pair.a), self.name(pair.b), share, self.threshold.into(), baseline)?;
        }
        let of_train = |train: &Train<T>| {
            let seed = job.shared.seed;
            self.arguments.gl.iter().map(|form| self.baseline(seed, *form, &train.described)).collect()
        };
        let baselines: Vec<Option<f64>> = compared.train.as_ref().map_or(Vec::new(), of_train);
        let new = |copies: u64| Estimate::share(self.rows - copies, self.rows);
        for (i, copied) in self.copied.iter().enumerate() {
            for (form, &baseline) in self.arguments.gl.iter().zip(&baselines) {
                let (score, estimate, threshold) = match form {
                    Form::Similarity => ("gl", new(copied.alike), self.threshold.into()),
                    Form::Ratio => ("gl_ratio", new(copied.copies), self.arguments.ratio.into()),
                    Form::Distance => {
                        let estimate = copied.distances.over(&self.reference).ok_or_else(|| {
                            anyhow!("--reference: no rows, or all of them training rows; give fresh samples")
                        })?;
                        ("gl_distance", estimate, Value::Text(String::new()))
                    }
                };
                row(score, self.name(i), self.train(), estimate, threshold, baseline)?;
            }
        }
        self.warn_of_scales(job, &compared.scales);
        self.warn(job, &baselines);
        if let Some(per_sample) = self.per_sample {
            per_sample.finish()?;
        }
        table.finish()
    }

    /// GL of the training rows themselves, each left out in turn; `None` where there is but one.
    fn baseline(&self, seed: u64, form: Form, train: &Searched<T>) -> Option<f64> {
        match form {
            Form::Similarity => {
                similarity_left_out(train, seed, self.arguments.similarity, self.threshold, self.unit)
            }
            Form::Ratio => ratio_left_out(train, seed, self.arguments.ratio),
            Form::Distance => distance_left_out(train, seed, &self.reference),
        }
    }
}
