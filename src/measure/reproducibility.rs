//! The RP score: P(similarity of x_1 and x_2 > threshold), x_1 and x_2 what two
//! models make of the same latent (arXiv 2310.05264).

use clap::ValueEnum;
use ndarray::{Array1, ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::interval::{Estimate, Mean};
use crate::linalg::{dot, squared_distance};
use crate::scalar::Scalar;

/// How alike two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Similarity {
    /// Cosine of the angle between them; alike when above the threshold (0.6)
    Cosine,
    /// Mean absolute difference in units of 1/255 of --data-range; alike when below the threshold (15)
    Mae,
    /// Euclidean distance; alike when below the threshold
    L2,
}

impl Similarity {
    /// The published threshold, where there is one.
    pub fn default_threshold(self) -> Option<f64> {
        match self {
            Similarity::Cosine => Some(0.6),
            Similarity::Mae => Some(15.0),
            Similarity::L2 => None,
        }
    }

    /// The measure between two rows; `unit` is what mae counts in.
    pub fn between<T: Scalar>(self, a: ArrayView1<T>, b: ArrayView1<T>, unit: f64) -> f64 {
        match self {
            Similarity::Cosine => cosine(a, b),
            Similarity::Mae => {
                let sum: f64 = a.iter().zip(b).map(|(x, y)| (x.wide() - y.wide()).abs()).sum();
                sum / a.len().max(1) as f64 / unit
            }
            Similarity::L2 => squared_distance(a, b).sqrt(),
        }
    }

    /// Whether a value of the measure says "the same", strictly.
    pub fn alike(self, value: f64, threshold: f64) -> bool {
        match self {
            Similarity::Cosine => value > threshold,
            Similarity::Mae | Similarity::L2 => value < threshold,
        }
    }

    /// The measure between rows of which `a` has the square `aa`, `b` the square `bb`; only cosines need them.
    fn between_squared<T: Scalar>(
        self,
        (a, aa): (ArrayView1<T>, f64),
        (b, bb): (ArrayView1<T>, f64),
        unit: f64,
    ) -> f64 {
        match self {
            Similarity::Cosine => cosine_of(a, b, aa, bb),
            Similarity::Mae | Similarity::L2 => self.between(a, b, unit),
        }
    }
}

/// Rows of one input with their squared norms, which every pair with it needs.
pub struct Side<'a, T: Scalar> {
    rows: ArrayView2<'a, T>,
    /// ‖x_i‖²; 0 where the similarity has no use for them.
    squares: Vec<f64>,
}

impl<'a, T: Scalar> Side<'a, T> {
    pub fn new(rows: ArrayView2<'a, T>, similarity: Similarity) -> Side<'a, T> {
        let squares = match similarity {
            Similarity::Cosine => {
                (0..rows.nrows()).into_par_iter().map(|i| dot(rows.row(i), rows.row(i))).collect()
            }
            Similarity::Mae | Similarity::L2 => vec![0.0; rows.nrows()],
        };
        Side { rows, squares }
    }

    fn row(&self, i: usize) -> (ArrayView1<'_, T>, f64) {
        (self.rows.row(i), self.squares[i])
    }
}

/// Rows below which nothing is said of their pairing: the error of their mean is itself too uncertain.
const LEAST_LOOKED_AT: u64 = 20;

/// RP of two inputs, and what it would be without a cause: the share of rows i of the first that are like
/// row i+1 of the second. The last row has no next one, so the baseline is of one row less.
#[derive(Clone, Debug)]
pub struct Reproducibility<T: Scalar> {
    similarity: Similarity,
    threshold: f64,
    unit: f64,
    pub rows: u64,
    /// Of those, alike.
    pub alike: u64,
    /// Rows like the one after the one they belong to.
    pub next_alike: u64,
    /// The measure of rows that belong together, of rows that do not, and how much more alike the former are.
    together: Mean,
    apart: Mean,
    gain: Mean,
    /// The last row of the first input, and its square.
    last: Option<(Array1<T>, f64)>,
}

impl<T: Scalar> Reproducibility<T> {
    /// `threshold` as in [`Similarity::alike`], `unit` as in [`Similarity::between`].
    pub fn new(similarity: Similarity, threshold: f64, unit: f64) -> Reproducibility<T> {
        let [together, apart, gain] = [Mean::default(); 3];
        Reproducibility {
            similarity,
            threshold,
            unit,
            rows: 0,
            alike: 0,
            next_alike: 0,
            together,
            apart,
            gain,
            last: None,
        }
    }

    /// Takes in paired blocks; gives the measures of their rows.
    pub fn add(&mut self, a: &Side<T>, b: &Side<T>) -> Vec<f64> {
        let (n, unit) = (a.rows.nrows(), self.unit);
        let alike = |value: &f64| self.similarity.alike(*value, self.threshold);
        let count = |values: &[f64]| values.iter().filter(|v| alike(v)).count() as u64;
        let measured = |i: usize, j: usize| self.similarity.between_squared(a.row(i), b.row(j), unit);
        let own: Vec<f64> = (0..n).into_par_iter().map(|i| measured(i, i)).collect();
        let before = match (&self.last, n) {
            (Some((last, square)), 1..) => {
                Some(self.similarity.between_squared((last.view(), *square), b.row(0), unit))
            }
            _ => None,
        };
        let within: Vec<f64> = (1..n).into_par_iter().map(|i| measured(i - 1, i)).collect();
        let next: Vec<f64> = before.into_iter().chain(within).collect();
        own.iter().for_each(|&value| self.together.add(value));
        next.iter().for_each(|&value| self.apart.add(value));
        let more = if self.similarity == Similarity::Cosine { 1.0 } else { -1.0 };
        own[n - next.len()..].iter().zip(&next).for_each(|(own, next)| self.gain.add(more * (own - next)));
        let (own_alike, next_alike) = (count(&own), count(&next));
        self.rows += n as u64;
        self.alike += own_alike;
        self.next_alike += next_alike;
        if let Some(i) = n.checked_sub(1) {
            self.last = Some((a.rows.row(i).to_owned(), a.squares[i]));
        }
        own
    }

    /// RP.
    pub fn share(&self) -> Estimate {
        Estimate::share(self.alike, self.rows)
    }

    /// The mean measure of rows that belong together and of rows that do not, where the former are not clearly more alike:
    /// by less than two standard errors.
    pub fn without_effect(&self) -> Option<[f64; 2]> {
        let tells = self.gain.n >= LEAST_LOOKED_AT && self.gain.variance() > 0.0;
        (tells && self.gain.mean < 2.0 * self.gain.std_error())
            .then_some([self.together.mean, self.apart.mean])
    }

    /// `None` for fewer than two rows.
    pub fn baseline(&self) -> Option<f64> {
        (self.rows > 1).then(|| self.next_alike as f64 / (self.rows - 1) as f64)
    }
}

/// a·b/(‖a‖‖b‖); a zero row has similarity 0 with everything.
pub fn cosine<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> f64 {
    cosine_of(a, b, dot(a, a), dot(b, b))
}

/// The cosine of rows with these squares.
pub(super) fn cosine_of<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>, aa: f64, bb: f64) -> f64 {
    // Squares that f64 does not hold are no matter of the angle.
    if [aa, bb].iter().all(|square| (1e-200..1e200).contains(square)) {
        return angle(dot(a, b), aa, bb);
    }
    let (a, b) = (scaled(a), scaled(b));
    let (a, b) = (a.view(), b.view());
    angle(dot(a, b), dot(a, a), dot(b, b))
}

fn angle(ab: f64, aa: f64, bb: f64) -> f64 {
    let norms = aa.sqrt() * bb.sqrt();
    if norms > 0.0 { (ab / norms).clamp(-1.0, 1.0) } else { 0.0 }
}

/// The row in a unit in which its largest number is 1.
fn scaled<T: Scalar>(a: ArrayView1<T>) -> Array1<f64> {
    let largest = a.iter().fold(0.0f64, |largest, x| largest.max(x.wide().abs()));
    a.mapv(|x| if largest > 0.0 { x.wide() / largest } else { 0.0 })
}
