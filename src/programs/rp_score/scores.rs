//! The scores themselves: counts that grow as blocks of rows come in.

use anyhow::{Context, Result};
use ndarray::Array2;

use crate::measure::copies::paired_copies;
use crate::measure::generalization::is_copy;
use crate::measure::interval::Amounts;
use crate::measure::nearest::{Best, Nearest, Searched, check_scale};
use crate::measure::reproducibility::{Reproducibility, Side};
use crate::measure::scale::Scale;
use crate::scalar::Scalar;
use crate::stream::Table;

use super::compared::Compared;
use super::{Arguments, Form};

/// Counts that grow as blocks come in.
pub struct Scores<'a, T: Scalar> {
    pub(super) arguments: &'a Arguments,
    pub(super) threshold: f64,
    /// Of the data, of which mae counts 1/255.
    pub(super) range: [f64; 2],
    pub(super) unit: f64,
    pub(super) rows: u64,
    /// Number of the first row.
    pub(super) first: u64,
    pub(super) pairs: Vec<Pair<T>>,
    /// Per input.
    pub(super) copied: Vec<Copied>,
    /// Of every input, where its numbers lie.
    pub(super) scales: Vec<Scale>,
    /// Distances of the reference samples to the nearest training row.
    pub reference: Amounts,
    pub(super) per_sample: Option<Table>,
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
    pub alike: u64,
    /// Samples much nearer to one training row than to the next.
    pub copies: u64,
    /// Samples whose two nearest training rows are one and the same, twice.
    pub doubled: u64,
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
    pub fn add(&mut self, blocks: Vec<Array2<T>>, compared: &Compared<T>) -> Result<()> {
        for (scale, block) in self.scales.iter_mut().zip(&blocks) {
            scale.add(block.view());
        }
        for pair in &mut self.pairs {
            pair.copies += paired_copies(blocks[pair.a].view(), blocks[pair.b].view());
        }
        if let Some(train) = &compared.train {
            for (block, copied) in blocks.iter().zip(&mut self.copied) {
                copied.to_the_bit += train.rows.count(block.view());
            }
        }
        let first = self.first + self.rows;
        let blocks: Vec<Array2<T>> =
            blocks.into_iter().map(|b| compared.descriptor.apply(b, first)).collect::<Result<_>>()?;
        let paired = if self.pairs.is_empty() { &[] } else { &blocks[..] };
        let sides: Vec<Side<T>> =
            paired.iter().map(|b| Side::new(b.view(), self.arguments.similarity)).collect();
        let alike: Vec<Vec<f64>> =
            self.pairs.iter_mut().map(|pair| pair.score.add(&sides[pair.a], &sides[pair.b])).collect();
        let copied = match &compared.train {
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
                copied.doubled += u64::from(n.second == n.distance);
                copied.distances.add(n.distance);
            }
            all.push((best, nearest));
        }
        Ok(all)
    }

    pub(super) fn wants(&self, form: Form) -> bool {
        self.arguments.gl.contains(&form)
    }

    pub(super) fn name(&self, i: usize) -> String {
        Arguments::label(&self.arguments.inputs[i])
    }

    pub(super) fn train(&self) -> String {
        self.arguments.train.as_deref().map_or(String::new(), Arguments::label)
    }
}
