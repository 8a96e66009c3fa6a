//! The scores themselves: counts that grow as blocks of rows come in.

use crate::measure::generalization::{Best, Nearest, Training, is_copy};
use crate::measure::interval::{Estimate, Mean};
use crate::scalar::Scalar;
use crate::stream::{Table, Value};
use anyhow::{Result, ensure};
use ndarray::Array2;

use super::{Arguments, Form};

/// Columns of --per-sample.
pub const PER_SAMPLE: &[&str] =
    &["row", "score", "a", "b", "similarity", "nearest", "distance", "second_distance"];

/// Counts that grow as blocks come in.
pub struct Scores<'a> {
    arguments: &'a Arguments,
    threshold: f64,
    unit: f64,
    rows: u64,
    /// Number of the first row.
    first: u64,
    /// Alike rows of every pair of inputs (a < b).
    alike: Vec<(usize, usize, u64)>,
    /// Per input: samples like a training row, copies, distances to the nearest.
    copied: Vec<(u64, u64, Mean)>,
    /// Distances of the reference samples to the nearest training row.
    pub reference: Mean,
    per_sample: Option<Table>,
}

impl<'a> Scores<'a> {
    pub fn new(
        arguments: &'a Arguments,
        threshold: f64,
        unit: f64,
        first: u64,
        per_sample: Option<Table>,
    ) -> Self {
        let m = arguments.inputs.len();
        let pairs = (0..m).flat_map(|a| (a + 1..m).map(move |b| (a, b, 0)));
        Scores {
            arguments,
            threshold,
            unit,
            rows: 0,
            first,
            alike: pairs.collect(),
            copied: vec![(0, 0, Mean::default()); m],
            reference: Mean::default(),
            per_sample,
        }
    }

    /// Takes in paired blocks of all inputs.
    pub fn add<T: Scalar>(&mut self, blocks: &[Array2<T>], train: Option<&Training<T>>) -> Result<()> {
        let similarity = self.arguments.similarity;
        let mut pairs = Vec::new();
        for (a, b, alike) in &mut self.alike {
            let values = similarity.rowwise(blocks[*a].view(), blocks[*b].view(), self.unit);
            *alike += values.iter().filter(|v| similarity.alike(**v, self.threshold)).count() as u64;
            pairs.push(values);
        }
        let copied = match train {
            Some(train) => self.add_generalization(blocks, train),
            None => Vec::new(),
        };
        let rows = blocks[0].nrows();
        if self.per_sample.is_some() {
            (0..rows).try_for_each(|i| self.write_row(i, &pairs, &copied))?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Per input, the best similarities and the nearest training rows, if these are asked for.
    fn add_generalization<T: Scalar>(
        &mut self,
        blocks: &[Array2<T>],
        train: &Training<T>,
    ) -> Vec<(Vec<Best>, Vec<Nearest>)> {
        let similarity = self.arguments.similarity;
        let wants = |form| self.arguments.gl.contains(&form);
        let distances = wants(Form::Distance) || wants(Form::Ratio) || self.per_sample.is_some();
        let mut all = Vec::new();
        for (x, (like, copies, mean)) in blocks.iter().zip(&mut self.copied) {
            let best = train.best(x.view(), similarity, self.unit);
            *like += best.iter().filter(|b| similarity.alike(b.similarity, self.threshold)).count() as u64;
            let nearest = if distances { train.nearest(x.view()) } else { Vec::new() };
            for n in &nearest {
                *copies += u64::from(is_copy(n, self.arguments.ratio));
                mean.add(n.distance);
            }
            all.push((best, nearest));
        }
        all
    }

    /// Everything about row `i` of a block, so that the tables of --rows join to the whole.
    fn write_row(
        &mut self,
        i: usize,
        pairs: &[Vec<f64>],
        copied: &[(Vec<Best>, Vec<Nearest>)],
    ) -> Result<()> {
        let Some(table) = &mut self.per_sample else { return Ok(()) };
        let row = self.first + self.rows + i as u64;
        let name = |input: usize| Value::from(Arguments::label(&self.arguments.inputs[input]));
        let none = || Value::Text(String::new());
        for ((a, b, _), values) in self.alike.iter().zip(pairs) {
            let similarity = values[i].into();
            table.row(&[row.into(), "rp".into(), name(*a), name(*b), similarity, none(), none(), none()])?;
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

    /// Writes the table of scores.
    pub fn write(self, mut table: Table) -> Result<()> {
        ensure!(
            self.rows > 0,
            "{}: no rows to score; give samples",
            Arguments::label(&self.arguments.inputs[0])
        );
        let name = |i: usize| Arguments::label(&self.arguments.inputs[i]);
        let mut row = |score: &str, a: String, b: String, e: Estimate, threshold: Value| {
            table.row(&[
                score.into(),
                a.into(),
                b.into(),
                e.value.into(),
                e.std_error.into(),
                e.ci_low.into(),
                e.ci_high.into(),
                e.n.into(),
                threshold,
            ])
        };
        for &(a, b, alike) in &self.alike {
            row("rp", name(a), name(b), Estimate::share(alike, self.rows), self.threshold.into())?;
        }
        if let Some(train) = &self.arguments.train {
            let train = Arguments::label(train);
            for (i, (like, copies, mean)) in self.copied.iter().enumerate() {
                for form in &self.arguments.gl {
                    match form {
                        Form::Similarity => row(
                            "gl",
                            name(i),
                            train.clone(),
                            Estimate::share(self.rows - like, self.rows),
                            self.threshold.into(),
                        )?,
                        Form::Ratio => row(
                            "gl_ratio",
                            name(i),
                            train.clone(),
                            Estimate::share(self.rows - copies, self.rows),
                            self.arguments.ratio.into(),
                        )?,
                        Form::Distance => {
                            let estimate = mean.over(&self.reference).ok_or_else(|| {
                                anyhow::anyhow!(
                                    "--reference: no rows, or all of them training rows; give fresh samples"
                                )
                            })?;
                            row("gl_distance", name(i), train.clone(), estimate, Value::Text(String::new()))?;
                        }
                    }
                }
            }
        }
        if let Some(per_sample) = self.per_sample {
            per_sample.finish()?;
        }
        table.finish()
    }
}
