//! Whether two sets of samples are on one scale: bytes beside −1 … 1 make any two of them differ.
//!
//! Some rows show it: the first, and then one of many, so that sets which are sorted are seen all through, and large
//! ones cost little.

use std::fmt;

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::interval::Mean;
use crate::scalar::Scalar;

/// Rows of each below which nothing is said.
const LEAST_ROWS: u64 = 8;

/// Standard deviations this many times apart are of two scales.
const APART: f64 = 4.0;

/// So are means that are this share of the larger standard deviation apart, as those of 0 … 1 and −1 … 1 are for
/// all but the brightest images, and this many standard errors.
const SHIFTED: f64 = 0.7;
const STANDARD_ERRORS: f64 = 5.0;

/// Rows that are all looked at; after them it is one of so many.
const FIRST_ROWS: u64 = 256;
const ONE_OF: u64 = 16;

/// Of a row: mean, mean square about it, least and largest.
pub type Look = [f64; 4];

/// Looks at rows of a set, on all threads; `first` is the number of the first of them in it.
pub fn look<T: Scalar>(x: ArrayView2<T>, first: u64) -> Vec<Look> {
    let looked_at = |i: &usize| {
        let number = first + *i as u64;
        number < FIRST_ROWS || number.is_multiple_of(ONE_OF)
    };
    (0..x.nrows()).into_par_iter().filter(looked_at).map(|i| of_row(x.row(i))).collect()
}

/// Where the numbers of a set of rows lie.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    /// How many rows were given.
    rows: u64,
    /// Of the rows' own means.
    means: Mean,
    /// Of the mean squares about them.
    within: Mean,
    bounds: Option<[f64; 2]>,
}

impl Scale {
    pub fn of<T: Scalar>(x: ArrayView2<T>) -> Scale {
        let mut scale = Scale::default();
        scale.add(x);
        scale
    }

    /// Takes in the rows that come next, those left out that hold a number which is not finite.
    pub fn add<T: Scalar>(&mut self, x: ArrayView2<T>) {
        self.take(look(x, self.rows));
        self.rows += x.nrows() as u64;
    }

    /// Takes in rows that were looked at, in order.
    pub fn take(&mut self, rows: Vec<Look>) {
        for [mean, square, low, high] in rows.into_iter().filter(|row| row.iter().all(|v| v.is_finite())) {
            self.means.add(mean);
            self.within.add(square);
            let [least, most] = self.bounds.unwrap_or([low, high]);
            self.bounds = Some([least.min(low), most.max(high)]);
        }
    }

    /// Standard deviation of all numbers.
    fn deviation(&self) -> f64 {
        let n = self.means.n as f64;
        (self.within.mean + self.means.variance() * (n - 1.0) / n).sqrt()
    }

    /// Least and largest number, where there are any.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        self.bounds
    }

    /// Whether they do not suit a range: lie beyond by a quarter of it, or fill no hundredth of it.
    pub fn misfits(&self, [low, high]: [f64; 2]) -> bool {
        let width = high - low;
        self.bounds.is_some_and(|[least, most]| {
            least < low - width / 4.0 || most > high + width / 4.0 || most - least < width / 100.0
        })
    }

    /// Whether they are on a scale of their own.
    pub fn is_apart(&self, other: &Scale) -> bool {
        self.differs(other, 1.0)
    }

    /// Whether they are so even if all of one are multiplied by a positive number, which no cosine sees.
    pub fn points_apart(&self, other: &Scale) -> bool {
        self.differs(other, self.deviation() / other.deviation())
    }

    /// Whether they are on another scale than `factor` times the others.
    fn differs(&self, other: &Scale, factor: f64) -> bool {
        let deviations = [self.deviation(), factor * other.deviation()];
        let (small, large) = (deviations[0].min(deviations[1]), deviations[0].max(deviations[1]));
        // What does not vary has no scale.
        let varies = self.deviation() > 0.0 && other.deviation() > 0.0;
        if self.means.n.min(other.means.n) < LEAST_ROWS || !varies {
            return false;
        }
        let error = |s: &Scale| s.means.variance() / s.means.n as f64;
        let shift = (self.means.mean - factor * other.means.mean).abs();
        let error = (error(self) + factor.powi(2) * error(other)).sqrt();
        large > APART * small || shift > (SHIFTED * large).max(STANDARD_ERRORS * error)
    }
}

/// "from 0.0 to 255.0, mean 72.9, standard deviation 89.9".
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.bounds.unwrap_or([f64::NAN; 2]).map(short);
        let (mean, deviation) = (short(self.means.mean), short(self.deviation()));
        write!(f, "from {low:?} to {high:?}, mean {mean:?}, standard deviation {deviation:?}")
    }
}

/// To three digits.
pub fn short(x: f64) -> f64 {
    format!("{x:.2e}").parse().unwrap_or(x)
}

fn of_row<T: Scalar>(row: ArrayView1<T>) -> Look {
    let n = row.len() as f64;
    let (mut sum, mut low, mut high) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
    for v in row {
        let v = v.wide();
        sum += v;
        low = low.min(v);
        high = high.max(v);
    }
    let mean = sum / n;
    let square = row.iter().map(|v| (v.wide() - mean).powi(2)).sum::<f64>() / n;
    [mean, square, low, high]
}
