//! What is measured of paired rows, block by block, and what is said of it.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array2, ArrayView2};

use crate::cli::{Job, estimate};
use crate::measure::interval::{Amounts, Estimate};
use crate::measure::probability_flow_distance::{BiasVariance, Distance, Relative, Shifted};
use crate::measure::scale::{Look, Scale};
use crate::scalar::Scalar;
use crate::stream::Table;

use super::Arguments;

/// What is measured, and of every pair whether it is one.
pub struct Measures<'a> {
    arguments: &'a Arguments,
    /// Whether an input's rows are as a file has them, not from our latents.
    from_files: Vec<bool>,
    pairs: Vec<(usize, usize, Shifted)>,
    /// Of every input, where its numbers lie.
    scales: Vec<Scale>,
    quantities: Quantities,
}

/// The quantities that the flags ask for.
enum Quantities {
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
    fn distances(&self) -> Vec<&Distance> {
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

    /// Where the numbers are unlikely to say what they seem to: once of a kind.
    pub fn warn(&self, job: &Job) {
        let name = |i: &usize| self.arguments.name(*i);
        let scales = |i: usize| (name(&i), &self.scales[i]);
        job.warn_of_scales(scales(0), (1..self.scales.len()).map(scales), Scale::is_apart);
        let more = if self.from_files.contains(&true) { "give more rows" } else { "give more latents (-n)" };
        let unpaired = self.pairs.iter().filter(|(a, b, _)| self.from_files[*a] || self.from_files[*b]);
        let unpaired = unpaired.filter_map(|(a, b, shifted)| Some((a, b, shifted.without_effect()?)));
        if let Some((a, b, (together, apart))) = unpaired.clone().next() {
            job.warn(&format!(
                "{} and {}: {together:.4} apart, but {apart:.4} where row i is paired with row i+1: pairing makes \
                 no difference{}; give samples and models the same latents (--seed, --rows, solver and grid)",
                name(a),
                name(b),
                others(unpaired.count())
            ));
            return;
        }
        let squares: Vec<&Amounts> = match &self.quantities {
            Quantities::BiasVariance(m) => vec![m.errors()],
            // Of a distance that is rounding nobody reads an interval.
            _ => {
                let pairs = self.pairs.iter().zip(self.distances());
                let told = pairs.filter(|((_, _, shifted), d)| !shifted.is_rounding(d.pfd().value));
                told.map(|(_, d)| &d.squares).collect()
            }
        };
        let concentrated = squares.iter().filter_map(|s| Some((s.n(), s.concentration()?)));
        if let Some((n, rows)) = concentrated.clone().next() {
            job.warn(&format!(
                "{rows} of {n} rows ({:.2} %) carry half of the squared distance, so that its interval may well \
                 miss{}; {more}",
                100.0 * rows as f64 / n as f64,
                others(concentrated.count())
            ));
            return;
        }
        let unseen = self.pairs.iter().zip(self.distances());
        let unseen =
            unseen.filter_map(|((a, b, shifted), d)| Some((a, b, d.pfd(), shifted.unseen(&d.squares)?)));
        if let Some((a, b, pfd, (rate, with))) = unseen.clone().next() {
            job.warn(&format!(
                "none of {} rows of {} and {} is half as far apart as rows that do not belong together, but so few \
                 do not show what happens to less than 1 in {:.0}: if those were so far apart, pfd would be \
                 {with:.4}, not {:.4}{}; {more}",
                pfd.n,
                name(a),
                name(b),
                1.0 / rate,
                pfd.value,
                others(unseen.count())
            ));
        }
    }
}

/// " (and 2 more)", of 3.
fn others(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}
