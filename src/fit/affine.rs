//! The affine map of x that is nearest to y in the mean square, from streamed moments (equation 3 of
//! arXiv 2410.24060, where y is a denoiser's answer to x):
//!
//! min E‖W x + b − y‖²: W = Cov(y, x) Cov(x, x)⁻¹, b = E y − W E x,
//!
//! with what is left E‖y − W x − b‖² = tr Cov(y, y) − tr W Cov(x, x) Wᵀ. For any posterior mean y = E[x₀ | x] with x of
//! its own law, Cov(y, x) = Cov(x₀, x₀) = Σ: W is the Wiener filter Σ(Σ + σ²I)⁻¹, whatever the law.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

use super::pca::Moments;
use crate::linalg::{accumulate_moment, divide_by_symmetric, dot, product};
use crate::scalar::Scalar;

/// Pairs that enter a moment at once: each a product that is cut at the same pairs whatever blocks they come in, and
/// long enough for full speed.
const AT_ONCE: usize = 512;

/// Rows of W that a thread looks at together.
const ROWS: usize = 128;

/// Where the least pivot of Cov(x, x) is below this share of a variance, one coordinate follows from the others but for
/// rounding.
const SINGULAR: f64 = 1e-13;

/// Moments of pairs (x, y) of d numbers each: memory 2 d².
pub struct Regression {
    /// Subtracted from x and y throughout, so that covariances keep the digits that a mean far from 0 would cost.
    origin: Array1<f64>,
    x: Moments,
    y_sum: Array1<f64>,
    y_squares: f64,
    /// Σ (y − o)(x − o)ᵀ.
    cross: Array2<f64>,
    /// Pairs less the origin that have not entered yet, (AT_ONCE, d) each.
    waiting: (Array2<f64>, Array2<f64>),
    held: usize,
}

/// The map, and how well it does on the pairs that it is made from.
pub struct AffineFit {
    /// W, (d, d).
    pub weight: Array2<f64>,
    /// b, (d).
    pub bias: Array1<f64>,
    /// E‖y − W x − b‖², a difference of moments: below 1e-15 of E‖y − E y‖² it is rounding.
    pub residual: f64,
    /// E‖y − E y‖².
    pub variance: f64,
    pub pairs: usize,
}

impl Regression {
    /// # Errors
    /// When d² numbers do not fit in memory.
    pub fn new(origin: Array1<f64>) -> Result<Regression> {
        let d = origin.len();
        crate::blocks::room(&[3, d, d], "the moments of pairs of rows")?;
        Ok(Regression {
            x: Moments::about(origin.clone())?,
            y_sum: Array1::zeros(d),
            y_squares: 0.0,
            cross: Array2::zeros((d, d)),
            waiting: (Array2::zeros((AT_ONCE, d)), Array2::zeros((AT_ONCE, d))),
            held: 0,
            origin,
        })
    }

    /// Takes in pairs, a row each: the same pairs give the same bytes, whatever blocks they come in.
    pub fn add<T: Scalar>(&mut self, x: ArrayView2<T>, y: ArrayView2<T>) {
        let mut from = 0;
        while from < x.nrows() {
            let rows = (AT_ONCE - self.held).min(x.nrows() - from);
            let held = s![self.held..self.held + rows, ..];
            for (given, waiting) in [(x, &mut self.waiting.0), (y, &mut self.waiting.1)] {
                let mut places = waiting.slice_mut(held);
                let pairs = places.axis_iter_mut(Axis(0)).into_par_iter();
                pairs.zip(given.slice(s![from..from + rows, ..]).axis_iter(Axis(0))).for_each(
                    |(place, row)| {
                        Zip::from(place)
                            .and(row)
                            .and(&self.origin)
                            .for_each(|place, v, o| *place = v.wide() - o);
                    },
                );
            }
            self.held += rows;
            from += rows;
            if self.held == AT_ONCE {
                self.enter();
            }
        }
    }

    fn enter(&mut self) {
        let Regression { x: moments, y_sum, y_squares, cross, waiting, held, .. } = self;
        let (x, y) = (waiting.0.slice(s![..*held, ..]), waiting.1.slice(s![..*held, ..]));
        // Together, so that no thread waits for the end of one before the other.
        rayon::join(
            || moments.add_shifted(x),
            || {
                *y_sum += &y.sum_axis(Axis(0));
                *y_squares += y.outer_iter().map(|y| dot(y, y)).sum::<f64>();
                accumulate_moment(cross.view_mut(), y, x, false);
            },
        );
        self.held = 0;
    }

    /// The least squares fit. Takes d² besides.
    ///
    /// # Errors
    /// Too few pairs for one, or x that lie in fewer than d dimensions.
    pub fn fit(mut self) -> Result<AffineFit> {
        self.enter();
        let (d, pairs) = (self.origin.len(), self.x.count());
        ensure!(
            pairs > d,
            "{pairs} rows with noise do not determine an affine map of {d} dimensions; give at least {}, or more draws of \
             noise for each",
            d + 1
        );
        let n = pairs as f64;
        let y_mean = self.y_sum / n;
        let (x_mean, covariance) = self.x.covariance();
        let mut weight = self.cross;
        for (mut row, y) in weight.outer_iter_mut().zip(&y_mean) {
            row.zip_mut_with(&x_mean, |c, x| *c = *c / n - y * x);
        }
        let variance = (self.y_squares / n - y_mean.dot(&y_mean)).max(0.0);
        let pivot = divide_by_symmetric(&mut weight, covariance.view())?;
        ensure!(
            pivot > SINGULAR,
            "the rows with noise span fewer than {d} dimensions: one has {pivot:.1e} of its variance left besides what \
             others say; give a larger noise level, or compute with --dtype f64"
        );
        let parts = weight.axis_chunks_iter(Axis(0), ROWS).into_par_iter().map(|rows| {
            let spread = product(rows, covariance.view());
            rows.iter().zip(&spread).map(|(w, s)| w * s).sum()
        });
        let explained: f64 = parts.collect::<Vec<f64>>().iter().sum();
        let bias = &self.origin + &y_mean - weight.dot(&(&self.origin + &x_mean));
        Ok(AffineFit { residual: (variance - explained).max(0.0), weight, bias, variance, pairs })
    }
}

/// The Wiener filter Σ(Σ + σ²I)⁻¹ of a covariance Σ.
///
/// # Errors
/// A covariance with numbers that are not finite, or beside which σ² is rounding.
pub fn wiener_filter(covariance: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
    let mut noisy = covariance.to_owned();
    noisy.diag_mut().mapv_inplace(|v| v + sigma * sigma);
    let mut filter = covariance.as_standard_layout().into_owned();
    let pivot = divide_by_symmetric(&mut filter, noisy.view())?;
    ensure!(
        pivot > SINGULAR,
        "noise of level {sigma} is below the rounding of the covariance; give a larger one"
    );
    Ok(filter)
}

/// ‖A − B‖_F²/‖B‖_F²; none where B is 0.
pub fn relative_square(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Option<f64> {
    let size = b.iter().map(|b| b * b).sum::<f64>();
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (size > 0.0).then_some(difference / size)
}
