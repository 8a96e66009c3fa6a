//! The scores themselves: counts that grow as blocks of rows come in.

use anyhow::{Context, Result, anyhow, ensure};
use ndarray::Array2;

use crate::cli::Job;
use crate::measure::copies::{Known, paired_copies};
use crate::measure::descriptor::Descriptor;
use crate::measure::generalization::{is_copy, left_out};
use crate::measure::interval::{Amounts, Estimate};
use crate::measure::nearest::{Best, Nearest, Searched, check_scale};
use crate::measure::reproducibility::{Reproducibility, Side};
use crate::measure::scale::Scale;
use crate::scalar::Scalar;
use crate::stream::{Table, Value};

use super::{Arguments, Form};

/// Columns of --per-sample.
pub const PER_SAMPLE: &[&str] =
    &["row", "score", "a", "b", "similarity", "nearest", "distance", "second_distance"];

/// A training set: its descriptors, and its rows as they are given.
pub struct Train<T: Scalar> {
    pub described: Searched<T>,
    pub rows: Known,
}

/// Counts that grow as blocks come in.
pub struct Scores<'a, T: Scalar> {
    pub(super) arguments: &'a Arguments,
    pub(super) threshold: f64,
    /// Of the data, of which mae counts 1/255.
    pub(super) range: [f64; 2],
    unit: f64,
    pub(super) rows: u64,
    /// Number of the first row.
    first: u64,
    pub(super) pairs: Vec<Pair<T>>,
    /// Per input.
    pub(super) copied: Vec<Copied>,
    /// Of every input, where its numbers lie.
    pub(super) scales: Vec<Scale>,
    /// Distances of the reference samples to the nearest training row.
    pub reference: Amounts,
    per_sample: Option<Table>,
}

/// Inputs a < b.
pub(super) struct Pair<T: Scalar> {
    pub a: usize,
    pub b: usize,
    pub score: Reproducibility<T>,
    /// Rows equal to the bit.
    pub copies: u64,
}

/// What samples have of a training set.
#[derive(Clone, Default)]
pub(super) struct Copied {
    /// Samples like a training row.
    alike: u64,
    /// Samples much nearer to one training row than to the next.
    copies: u64,
    /// Distances to the nearest.
    pub distances: Amounts,
    /// Samples that are a training row to the bit.
    pub to_the_bit: u64,
}

impl<'a, T: Scalar> Scores<'a, T> {
    pub fn new(
        arguments: &'a Arguments,
        threshold: f64,
        range: [f64; 2],
        first: u64,
        per_sample: Option<Table>,
    ) -> Self {
        let m = arguments.inputs.len();
        let unit = (range[1] - range[0]) / 255.0;
        let pair = |a, b| Pair {
            a,
            b,
            score: Reproducibility::new(arguments.similarity, threshold, unit),
            copies: 0,
        };
        Scores {
            arguments,
            threshold,
            range,
            unit,
            rows: 0,
            first,
            pairs: (0..m).flat_map(|a| (a + 1..m).map(move |b| pair(a, b))).collect(),
            copied: vec![Copied::default(); m],
            scales: vec![Scale::default(); m],
            reference: Amounts::default(),
            per_sample,
        }
    }

    /// Takes in paired blocks of all inputs.
    pub fn add(
        &mut self,
        blocks: Vec<Array2<T>>,
        descriptor: &Descriptor,
        train: Option<&Train<T>>,
    ) -> Result<()> {
        for (scale, block) in self.scales.iter_mut().zip(&blocks) {
            scale.add(block.view());
        }
        for pair in &mut self.pairs {
            pair.copies += paired_copies(blocks[pair.a].view(), blocks[pair.b].view());
        }
        if let Some(train) = train {
            for (block, copied) in blocks.iter().zip(&mut self.copied) {
                copied.to_the_bit += train.rows.count(block.view());
            }
        }
        let first = self.first + self.rows;
        let blocks: Vec<Array2<T>> =
            blocks.into_iter().map(|b| descriptor.apply(b, first)).collect::<Result<_>>()?;
        let compared = if self.pairs.is_empty() { &[] } else { &blocks[..] };
        let sides: Vec<Side<T>> =
            compared.iter().map(|b| Side::new(b.view(), self.arguments.similarity)).collect();
        let alike: Vec<Vec<f64>> =
            self.pairs.iter_mut().map(|pair| pair.score.add(&sides[pair.a], &sides[pair.b])).collect();
        let copied = match train {
            Some(train) => self.add_generalization(&blocks, &train.described)?,
            None => Vec::new(),
        };
        let rows = blocks[0].nrows();
        if self.per_sample.is_some() {
            (0..rows).try_for_each(|i| self.write_row(i, &alike, &copied))?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Per input, the best similarities and the nearest training rows, if these are asked for.
    fn add_generalization(
        &mut self,
        blocks: &[Array2<T>],
        train: &Searched<T>,
    ) -> Result<Vec<(Vec<Best>, Vec<Nearest>)>> {
        let similarity = self.arguments.similarity;
        let distances = self.wants(Form::Distance) || self.wants(Form::Ratio) || self.per_sample.is_some();
        let mut all = Vec::new();
        for (i, (x, copied)) in blocks.iter().zip(&mut self.copied).enumerate() {
            check_scale(x.view()).with_context(|| Arguments::label(&self.arguments.inputs[i]))?;
            let best = train.best(x.view(), similarity, self.unit);
            copied.alike +=
                best.iter().filter(|b| similarity.alike(b.similarity, self.threshold)).count() as u64;
            let nearest = if distances { train.nearest(x.view()) } else { Vec::new() };
            for n in &nearest {
                copied.copies += u64::from(is_copy(n, self.arguments.ratio));
                copied.distances.add(n.distance);
            }
            all.push((best, nearest));
        }
        Ok(all)
    }

    pub(super) fn wants(&self, form: Form) -> bool {
        self.arguments.gl.contains(&form)
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

    /// Writes the table of scores, and warns where they measure little; `others` are what the inputs are compared
    /// with, and where its numbers lie.
    pub fn write(
        self,
        job: &Job,
        mut table: Table,
        train: Option<&Train<T>>,
        others: &[(String, Scale)],
    ) -> Result<()> {
        ensure!(
            self.rows > 0,
            "{}: no rows to score; give samples",
            Arguments::label(&self.arguments.inputs[0])
        );
        let mut row = |score: &str, a: String, b: String, e: Estimate, threshold: Value, baseline| {
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
                Value::from(baseline),
            ])
        };
        for pair in &self.pairs {
            let baseline: Option<f64> = pair.score.baseline();
            row(
                "rp",
                self.name(pair.a),
                self.name(pair.b),
                pair.score.share(),
                self.threshold.into(),
                baseline,
            )?;
        }
        let baselines = match train {
            Some(train) => {
                self.arguments.gl.iter().map(|form| self.baseline(job.shared.seed, *form, train)).collect()
            }
            None => Vec::new(),
        };
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
        self.warn_of_scales(job, others);
        self.warn(job, &baselines);
        if let Some(per_sample) = self.per_sample {
            per_sample.finish()?;
        }
        table.finish()
    }

    pub(super) fn name(&self, i: usize) -> String {
        Arguments::label(&self.arguments.inputs[i])
    }

    pub(super) fn train(&self) -> String {
        self.arguments.train.as_deref().map_or(String::new(), Arguments::label)
    }

    /// GL of the training rows themselves, each left out in turn; `None` where there is but one.
    fn baseline(&self, seed: u64, form: Form, train: &Train<T>) -> Option<f64> {
        let rows = left_out(train.described.rows().nrows(), seed);
        let share = |copies: usize, n: usize| (n > 0).then(|| (n - copies) as f64 / n as f64);
        match form {
            Form::Similarity => {
                let similarity = self.arguments.similarity;
                let best = train.described.best_of_others(&rows, similarity, self.unit);
                let alike = best.iter().filter(|b| similarity.alike(b.similarity, self.threshold));
                share(alike.count(), best.len())
            }
            Form::Ratio => {
                let nearest = train.described.nearest_of_others(&rows);
                share(nearest.iter().filter(|n| is_copy(n, self.arguments.ratio)).count(), nearest.len())
            }
            Form::Distance => {
                let mut distances = Amounts::default();
                train.described.nearest_of_others(&rows).iter().for_each(|n| distances.add(n.distance));
                distances.over(&self.reference).filter(|ratio| ratio.n > 0).map(|ratio| ratio.value)
            }
        }
    }
}
