//! Probability flow distance: PFD(p, q) = (E‖Φ_p(x_T) − Φ_q(x_T)‖²)^½ over shared
//! latents x_T, Φ the map of the probability flow (arXiv 2505.20123); the bias and
//! variance of a student over training sets; and whether rows are paired at all.

use anyhow::{Result, ensure};
use ndarray::{Array1, ArrayView2};
use rayon::prelude::*;

use super::interval::{Amounts, Estimate, Joint, Mean};
use crate::linalg::squared_distance;
use crate::scalar::Scalar;

/// Squares below this have lost digits, or all.
const LEAST_SQUARE: f64 = 1e-290;

/// ‖a_i − b_i‖² of paired rows, on all threads.
fn squared_distances<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>) -> Vec<f64> {
    (0..a.nrows()).into_par_iter().map(|i| squared_distance(a.row(i), b.row(i))).collect()
}

/// Squared distances of paired rows, taken in row by row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance {
    pub squares: Amounts,
    /// Whether rows differ by less than their squares can tell.
    vanishing: bool,
}

impl Distance {
    /// Takes in paired blocks; gives the rows' squares.
    pub fn add<T: Scalar>(&mut self, a: ArrayView2<T>, b: ArrayView2<T>) -> Vec<f64> {
        let squares = squared_distances(a, b);
        for (i, &square) in squares.iter().enumerate() {
            self.vanishing |= square < LEAST_SQUARE && a.row(i) != b.row(i);
            self.squares.add(square);
        }
        squares
    }

    /// PFD with the delta method's error.
    pub fn pfd(&self) -> Estimate {
        self.squares.root()
    }

    /// Refuses distances whose squares f64 does not hold.
    ///
    /// # Errors
    /// When rows differ, but none by more than 1e-145 or so.
    pub fn check_scale(&self) -> Result<()> {
        ensure!(
            !self.vanishing || self.squares.mean() >= LEAST_SQUARE,
            "differences below 1e-145 are too small to be squared; give numbers in another unit"
        );
        Ok(())
    }
}

/// PFD(a, b)/PFD(b, c) from the same latents.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relative {
    pub above: Distance,
    pub below: Distance,
    squares: Joint,
}

impl Relative {
    pub fn add<T: Scalar>(&mut self, a: ArrayView2<T>, b: ArrayView2<T>, c: ArrayView2<T>) {
        let above = self.above.add(a, b);
        for (x, y) in above.into_iter().zip(self.below.add(b, c)) {
            self.squares.add(x, y);
        }
    }

    /// The ratio; `None` when the denominator is 0. The error is the delta
    /// method's, var ln r = ¼ var(x/m_x − y/m_y)/n.
    pub fn ratio(&self) -> Option<Estimate> {
        self.squares.root_ratio()
    }
}

/// E[E_gen²] = bias² + variance over students trained on independent datasets.
#[derive(Clone, Debug, Default)]
pub struct BiasVariance {
    error: Amounts,
    /// Squared bias, and variance over students, of every row.
    parts: Joint,
    students: usize,
}

impl BiasVariance {
    /// Takes in the teacher's and the students' samples of the same latents.
    pub fn add<T: Scalar>(&mut self, teacher: ArrayView2<T>, students: &[ArrayView2<T>]) {
        self.students = students.len();
        let m = students.len() as f64;
        for (i, truth) in teacher.outer_iter().enumerate() {
            let mut mean = Array1::<f64>::zeros(truth.len());
            for s in students {
                mean.zip_mut_with(&s.row(i), |a, v| *a += v.wide() / m);
            }
            let truth = truth.mapv(Scalar::wide);
            let (mut error, mut variance) = (0.0, 0.0);
            for s in students {
                let s = s.row(i).mapv(Scalar::wide);
                error += squared_distance(s.view(), truth.view()) / m;
                variance += squared_distance(s.view(), mean.view()) / m;
            }
            self.error.add(error);
            self.parts.add(squared_distance(mean.view(), truth.view()), variance);
        }
    }

    /// Squared errors of the rows.
    pub fn errors(&self) -> &Amounts {
        &self.error
    }

    /// (generalization error², bias², variance), in squared units. `unbiased` corrects for the finite number
    /// m of students: variance·m/(m−1), and bias² less that over m; their sum stays. An unbiased bias² may
    /// come out below 0.
    pub fn estimates(&self, unbiased: bool) -> [Estimate; 3] {
        let (error, bias, variance) =
            (self.error.estimate(), self.parts.x.estimate(), self.parts.y.estimate());
        if !unbiased {
            return [error, bias, variance];
        }
        let m = self.students as f64;
        let corrected = |x: f64| x * m / (m - 1.0);
        let variance = Estimate {
            value: corrected(variance.value),
            std_error: variance.std_error.map(corrected),
            ci_low: variance.ci_low.map(corrected),
            ci_high: variance.ci_high.map(corrected),
            n: variance.n,
        };
        [error, self.parts.difference(1.0 / (m - 1.0)), variance]
    }
}

/// Rows looked at to tell whether pairing makes a difference.
const LOOKED_AT: u64 = 500;

/// Fewer tell nothing.
const LEAST_LOOKED_AT: u64 = 10;

/// The first rows' distances to the row that belongs to them, and to the one after it.
#[derive(Clone, Debug, Default)]
pub struct Shifted {
    together: Mean,
    apart: Mean,
    /// By how much row i is nearer to row i of the other than to row i+1.
    gain: Mean,
    /// The last rows, and their squared distance.
    last: Option<(Array1<f64>, Array1<f64>, f64)>,
    /// Whether rows of a, and of b, differ among each other.
    vary: (bool, bool),
}

impl Shifted {
    /// Takes in paired blocks.
    pub fn add<T: Scalar>(&mut self, a: ArrayView2<T>, b: ArrayView2<T>) {
        for (a, b) in a.outer_iter().zip(b.outer_iter()) {
            if self.apart.n >= LOOKED_AT {
                return;
            }
            let (a, b) = (a.mapv(Scalar::wide), b.mapv(Scalar::wide));
            if let Some((last_a, last_b, own)) = &self.last {
                let apart = squared_distance(last_a.view(), b.view());
                self.together.add(*own);
                self.apart.add(apart);
                self.gain.add(apart - own);
                self.vary.0 |= a != *last_a;
                self.vary.1 |= b != *last_b;
            }
            let own = squared_distance(a.view(), b.view());
            self.last = Some((a, b, own));
        }
    }

    /// The root mean square distance of rows that do not belong together, 0 for fewer than two rows.
    pub fn apart(&self) -> f64 {
        self.apart.mean.sqrt()
    }

    /// Whether a distance is no more than what the rounding of f32 makes of rows so far apart along a flow: 1e-5
    /// of it, where its last digits are 1e-7 and a flow loses up to two.
    pub fn is_rounding(&self, distance: f64) -> bool {
        distance < 1e-5 * self.apart()
    }

    /// The distances of rows that belong together and of rows that do not, where the former are not clearly
    /// nearer: by less than two standard errors, or a twentieth. From rows that are all the same every row is as
    /// far as its own.
    pub fn without_effect(&self) -> Option<(f64, f64)> {
        let least = (2.0 * self.gain.std_error()).max(0.05 * self.apart.mean);
        let tells = self.apart.n >= LEAST_LOOKED_AT && self.vary == (true, true) && self.together.mean > 0.0;
        let found = tells && self.gain.mean < least;
        found.then(|| (self.together.mean.sqrt(), self.apart()))
    }

    /// Where none of n rows is half as far apart as rows that do not belong together, n rows do not show what
    /// happens to one in n/ln 40: with a chance of .025 all those are missed. That rate, and what PFD would be
    /// if so many were as far apart. `None` where that is no tenth beyond the interval, n is 1000 and more, or
    /// below 100, for which no interval is relied on.
    pub fn unseen(&self, squares: &Amounts) -> Option<(f64, f64)> {
        let (pfd, apart) = (squares.root(), self.apart.mean);
        let rate = 40f64.ln() / pfd.n as f64;
        let with = (pfd.value * pfd.value + rate * apart).sqrt();
        let beyond = pfd.value > 0.0
            && (100..1000).contains(&pfd.n)
            && squares.largest() < apart / 4.0
            && pfd.ci_high.is_some_and(|high| with > 1.1 * high);
        beyond.then_some((rate, with))
    }
}
