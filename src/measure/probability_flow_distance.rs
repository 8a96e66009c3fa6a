//! Probability flow distance: PFD(p, q) = (E‖Φ_p(x_T) − Φ_q(x_T)‖²)^½ over shared
//! latents x_T, Φ the map of the probability flow (arXiv 2505.20123); and the bias
//! and variance of a student over training sets.

use ndarray::{Array1, ArrayView2};

use super::interval::{Estimate, Mean};
use crate::linalg::squared_distance;
use crate::scalar::Scalar;

/// Squared distances of paired rows, taken in row by row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance {
    squared: Mean,
}

impl Distance {
    /// Takes in paired blocks.
    pub fn add<T: Scalar>(&mut self, a: ArrayView2<T>, b: ArrayView2<T>) {
        for (a, b) in a.outer_iter().zip(b.outer_iter()) {
            self.squared.add(squared_distance(a, b));
        }
    }

    /// PFD with the delta method's error.
    pub fn pfd(&self) -> Estimate {
        self.squared.root()
    }
}

/// PFD(a, b)/PFD(b, c) from the same latents.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relative {
    pub above: Distance,
    pub below: Distance,
    /// Σ of products of deviations, for the covariance of the two.
    products: f64,
}

impl Relative {
    pub fn add<T: Scalar>(&mut self, a: ArrayView2<T>, b: ArrayView2<T>, c: ArrayView2<T>) {
        for ((a, b), c) in a.outer_iter().zip(b.outer_iter()).zip(c.outer_iter()) {
            let (x, y) = (squared_distance(a, b), squared_distance(b, c));
            let before = x - self.above.squared.mean;
            self.above.squared.add(x);
            self.below.squared.add(y);
            self.products += before * (y - self.below.squared.mean);
        }
    }

    /// The ratio; `None` when the denominator is 0. The error is the delta
    /// method's, var ln r = ¼ var(x/m_x − y/m_y)/n.
    pub fn ratio(&self) -> Option<Estimate> {
        let (x, y) = (self.above.squared, self.below.squared);
        if y.mean <= 0.0 {
            return None;
        }
        let value = (x.mean / y.mean).sqrt();
        let n = x.n as f64;
        let std_error = if x.mean > 0.0 && x.n > 1 {
            let covariance = self.products / (n - 1.0);
            let spread = x.variance() / (x.mean * x.mean) + y.variance() / (y.mean * y.mean)
                - 2.0 * covariance / (x.mean * y.mean);
            value * 0.5 * (spread.max(0.0) / n).sqrt()
        } else {
            0.0
        };
        Some(Estimate::normal(value, std_error, 0.0, x.n))
    }
}

/// E[E_gen²] = bias² + variance over students trained on independent datasets.
#[derive(Clone, Debug, Default)]
pub struct BiasVariance {
    error: Mean,
    bias: Mean,
    variance: Mean,
}

impl BiasVariance {
    /// Takes in the teacher's and the students' samples of the same latents.
    /// `unbiased` corrects for the finite number m of students: variance·m/(m−1),
    /// and bias² less that over m; their sum stays.
    pub fn add<T: Scalar>(&mut self, teacher: ArrayView2<T>, students: &[ArrayView2<T>], unbiased: bool) {
        let m = students.len() as f64;
        for (i, truth) in teacher.outer_iter().enumerate() {
            let mut mean = Array1::<f64>::zeros(truth.len());
            for s in students {
                mean.zip_mut_with(&s.row(i), |a, v| *a += v.wide() / m);
            }
            let truth = truth.mapv(Scalar::wide);
            let mut bias = squared_distance(mean.view(), truth.view());
            let (mut error, mut variance) = (0.0, 0.0);
            for s in students {
                let s = s.row(i).mapv(Scalar::wide);
                error += squared_distance(s.view(), truth.view()) / m;
                variance += squared_distance(s.view(), mean.view()) / m;
            }
            if unbiased {
                bias -= variance / (m - 1.0);
                variance *= m / (m - 1.0);
            }
            self.error.add(error);
            self.bias.add(bias);
            self.variance.add(variance);
        }
    }

    /// (generalization error², bias², variance), in squared units. An unbiased
    /// bias² may come out below 0.
    pub fn estimates(&self) -> [Estimate; 3] {
        [self.error, self.bias, self.variance].map(|m| m.estimate(f64::NEG_INFINITY))
    }
}
