//! What a machine is to give: labels as numbers, and how well those of rows that it has not seen are told.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::cli::Job;
use crate::fit::recursive_features::{Features, Machine, Settings};
use crate::linalg::argmax;
use crate::measure::copies::{BY_CHANCE, copies_apart};
use crate::measure::interval::Mean;
use crate::measure::probe::folds;

/// What f should be.
pub struct Targets {
    /// (n, c).
    pub y: Array2<f64>,
    /// The class of every row, where labels are classes.
    classes: Option<Vec<usize>>,
}

/// Of so many parts of the rows, one is left out of learning.
const PARTS: usize = 5;

/// So few rows are not taken apart.
const FEW: usize = 20;

/// A mean gain over chance below so many of its standard errors may be chance.
const ERRORS: f64 = 2.0;

impl Targets {
    /// Of labels, which are classes where they are whole, unless `real`.
    pub fn of(labels: &[f64], real: bool) -> Result<Targets> {
        let finite = labels.iter().position(|v| !v.is_finite());
        ensure!(finite.is_none(), "row {}: its label is not a finite number", finite.unwrap_or(0));
        let mut all = labels.to_vec();
        all.sort_unstable_by(f64::total_cmp);
        all.dedup();
        ensure!(all.len() > 1, "all labels are {}; give rows of two at least", all.first().unwrap_or(&0.0));
        let whole = all.iter().all(|v| v.fract() == 0.0);
        if real || !whole || all.len() > 2 && all[0] < 0.0 {
            let y = Array1::from(labels.to_vec());
            let mean = y.iter().fold(0.0, |mean, v| mean + v / labels.len() as f64);
            return Ok(Targets { y: (y - mean).insert_axis(Axis(1)), classes: None });
        }
        let class = |v: &f64| all.partition_point(|known| known < v);
        let classes: Vec<usize> = labels.iter().map(class).collect();
        let y = match all.len() {
            2 => Array2::from_shape_fn((labels.len(), 1), |(i, _)| if classes[i] == 1 { 1.0 } else { -1.0 }),
            c => {
                crate::blocks::room(&[2, labels.len(), c], "a number for every row and class")?;
                Array2::from_shape_fn((labels.len(), c), |(i, k)| f64::from(u8::from(classes[i] == k)))
            }
        };
        Ok(Targets { y, classes: Some(classes) })
    }

    /// Says how well rows are told that a machine has not seen, with a warning where that is chance.
    pub fn say(&self, job: &Job, x: ArrayView2<f64>, settings: Settings, done: impl FnMut()) -> Result<()> {
        let n = x.nrows();
        if n < FEW {
            job.warn(&format!(
                "{n} rows are too few to see whether their labels can be told from others; give {FEW} or more"
            ));
            return Ok(());
        }
        // Of classes with a row for every part, each part has some; of others, rows are parted as they come.
        let fewest = self.classes.as_ref().map(|classes| fewest(classes));
        let alike = vec![0; n];
        let grouped = self.classes.as_ref().filter(|_| fewest >= Some(PARTS)).unwrap_or(&alike);
        let folds = folds(grouped, PARTS);
        let copies = copies_apart(x, &folds.iter().map(|fold| usize::from(*fold == 0)).collect::<Vec<_>>());
        if BY_CHANCE * copies > n as u64 {
            job.warn(&format!(
                "{copies} of {n} rows are equal to the bit to others on the other side of what is learned from and what is left \
                 out: of these what was learned is told, not how well; leave repeated rows out"
            ));
        }
        let (test, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| folds[i] == 0);
        let [of_train, y] = [&x, &self.y.view()].map(|rows| rows.select(Axis(0), &train));
        let features = Features::learn(of_train.view(), y.view(), settings, done)?;
        let machine = Machine::fit(&features, of_train.view(), y.view(), settings)?;
        let told = machine.predict(x.select(Axis(0), &test).view());
        let (gain, text) = match &self.classes {
            Some(classes) => of_classes(classes, &train, &test, told.view()),
            None => self.of_numbers(&train, &test, told.column(0)),
        };
        let text = format!("of {} rows left out of learning {text}", test.len());
        if gain.mean > ERRORS * gain.std_error() {
            job.note(&text);
        } else {
            job.warn(&format!(
                "{text}: no better than chance, and directions say little of the labels; give more rows, other features or \
                 another --bandwidth{}",
                match fewest.filter(|fewest| *fewest < PARTS) {
                    Some(fewest) => format!("; or --real, if labels are amounts: there are classes of {fewest} rows"),
                    None => String::new(),
                }
            ));
        }
        Ok(())
    }

    /// Of every row, how much nearer its number is told than by the mean of those learned from.
    fn of_numbers(&self, train: &[usize], test: &[usize], told: ArrayView1<f64>) -> (Mean, String) {
        let y = self.y.column(0);
        let mean = train.iter().map(|&i| y[i]).sum::<f64>() / train.len() as f64;
        let (mut gain, mut all) = (Mean::default(), Mean::default());
        for (&i, told) in test.iter().zip(told) {
            let by_mean = (y[i] - mean).powi(2);
            all.add(by_mean);
            gain.add(by_mean - (y[i] - told).powi(2));
        }
        let share = if all.mean > 0.0 { gain.mean / all.mean } else { 0.0 };
        (gain, format!("f has R² = {share:.3}"))
    }
}

/// Rows of the smallest class that has any.
fn fewest(classes: &[usize]) -> usize {
    let mut counts = vec![0usize; classes.iter().max().map_or(0, |&c| c + 1)];
    classes.iter().for_each(|&c| counts[c] += 1);
    counts.into_iter().filter(|&n| n > 0).min().unwrap_or(0)
}

/// Of every row, whether it is told right, less whether it would be by the most frequent class.
fn of_classes(classes: &[usize], train: &[usize], test: &[usize], told: ArrayView2<f64>) -> (Mean, String) {
    let mut counts = BTreeMap::<usize, usize>::new();
    train.iter().for_each(|&i| *counts.entry(classes[i]).or_default() += 1);
    let largest = argmax(counts.values().map(|&n| n as f64));
    let largest = counts.keys().nth(largest).copied();
    let (mut gain, mut right, mut chance) = (Mean::default(), Mean::default(), Mean::default());
    for (&i, told) in test.iter().zip(told.outer_iter()) {
        let told = if told.len() == 1 { usize::from(told[0] > 0.0) } else { argmax(told.iter().copied()) };
        let hit = |class: Option<usize>| f64::from(u8::from(class == Some(classes[i])));
        let (by_f, by_chance) = (hit(Some(told)), hit(largest));
        right.add(by_f);
        chance.add(by_chance);
        gain.add(by_f - by_chance);
    }
    let text =
        format!("{:.3} are told right, and {:.3} by the most frequent label alone", right.mean, chance.mean);
    (gain, text)
}
