//! What is measured of paired rows, block by block, and what is said of it.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array2, ArrayView2};

use crate::cli::estimate;
use crate::measure::interval::Estimate;
use crate::measure::probability_flow_distance::{BiasVariance, Distance, Relative, Shifted};
use crate::measure::scale::{Look, Scale};
use crate::scalar::Scalar;
use crate::stream::Table;

use super::Arguments;

/// What is measured, and of every pair whether it is one.
pub struct Measures<'a> {
    pub(super) arguments: &'a Arguments,
    /// Whether an input's rows are as a file has them, not from our latents.
    pub(super) from_files: Vec<bool>,
    pub(super) pairs: Vec<(usize, usize, Shifted)>,
    /// Of every input, where its numbers lie.
    pub(super) scales: Vec<Scale>,
    pub(super) quantities: Quantities,
}

/// The quantities that the flags ask for.
pub enum Quantities {
    /// Of every pair.
    Distances(Vec<Distance>),
    Relative(Relative),
    BiasVariance(BiasVariance),
}

impl<'a> Measures<'a> {
    pub fn new(arguments: &'a Arguments, from_files: Vec<bool>) -> Measures<'a> {
        let pairs = arguments.pairs().into_iter().map(|(a, b)| (a, b, Shifted::default()));
        let pairs: Vec<_> = pairs.collect();
        let quantities = if arguments.bias_variance {
            Quantities::BiasVariance(BiasVariance::default())
        } else if arguments.relative_to.is_some() {
            Quantities::Relative(Relative::default())
        } else {
            Quantities::Distances(vec![Distance::default(); pairs.len()])
        };
        let scales = vec![Scale::default(); from_files.len()];
        Measures { arguments, from_files, pairs, scales, quantities }
    }

    /// Takes in rows of every input, as they are before they are described.
    pub fn look_at(&mut self, looked_at: Vec<Vec<Look>>) {
        self.scales.iter_mut().zip(looked_at).for_each(|(scale, rows)| scale.take(rows));
    }

    pub fn add<T: Scalar>(&mut self, blocks: &[Array2<T>]) {
        for (a, b, shifted) in &mut self.pairs {
            shifted.add(blocks[*a].view(), blocks[*b].view());
        }
        match &mut self.quantities {
            Quantities::Distances(distances) => {
                for ((a, b, _), distance) in self.pairs.iter().zip(distances) {
                    distance.add(blocks[*a].view(), blocks[*b].view());
                }
            }
            Quantities::Relative(m) => m.add(blocks[0].view(), blocks[1].view(), blocks[2].view()),
            Quantities::BiasVariance(m) => {
                let students: Vec<ArrayView2<T>> = blocks[1..].iter().map(|b| b.view()).collect();
                m.add(blocks[0].view(), &students);
            }
        }
    }

    /// Distances, in the order of the pairs; none with --bias-variance.
    pub(super) fn distances(&self) -> Vec<&Distance> {
        match &self.quantities {
            Quantities::Distances(distances) => distances.iter().collect(),
            Quantities::Relative(m) => vec![&m.above, &m.below],
            Quantities::BiasVariance(_) => Vec::new(),
        }
    }

    /// A row an estimate.
    pub fn write(&self, mut table: Table) -> Result<()> {
        let name = |i| self.arguments.name(i);
        let mut row = |metric: &str, a: String, b: String, e: Estimate| {
            ensure!(e.n > 0, "{a} and {b}: no rows to compare; give samples or latents");
            table.row(&[&[metric.into(), a.into(), b.into()], &estimate(&e)[..]].concat())
        };
        for ((a, b, _), distance) in self.pairs.iter().zip(self.distances()) {
            distance.check_scale().with_context(|| format!("{} and {}", name(*a), name(*b)))?;
            row("pfd", name(*a), name(*b), distance.pfd())?;
        }
        match &self.quantities {
            Quantities::Distances(_) => {}
            Quantities::Relative(m) => {
                let Some(ratio) = m.ratio() else {
                    bail!(
                        "--relative-to {}: its distance from {} is 0, so nothing is relative to it",
                        name(2),
                        name(1)
                    );
                };
                row("pfd_relative", name(0), name(1), ratio)?;
            }
            Quantities::BiasVariance(m) => {
                let students = format!("{} students", self.arguments.inputs.len() - 1);
                let metrics = ["gen_error_sq", "bias_sq", "variance"];
                for (metric, estimate) in metrics.into_iter().zip(m.estimates(self.arguments.unbiased)) {
                    row(metric, students.clone(), name(0), estimate)?;
                }
            }
        }
        table.finish()
    }
}
