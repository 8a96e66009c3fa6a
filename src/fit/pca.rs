//! One component: principal directions, and the Gaussian of streamed moments.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Zip, concatenate, s};
use rayon::prelude::*;

use super::{Fit, Found, Iteration, ROUNDING, Settings, TOO_SMALL, finished, leading_basis, rows_of};
use crate::linalg::{accumulate_moment, fix_signs, right_svd, symmetric_eigen};
use crate::mixture::{Component, Mixture};
use crate::scalar::Scalar;

/// max ‖UᵀX‖_F² over orthonormal U of rank r: the leading right singular vectors.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let labels = vec![0; x.nrows()];
    let mean = settings.parts.means.then(|| {
        let total = x.fold_axis(Axis(0), 0.0, |sum, v| sum + v.wide());
        total / x.nrows() as f64
    });
    let rows = rows_of(x, &labels, 0, mean.as_ref());
    let nothing = Array2::zeros((x.ncols(), 0));
    let (basis, missing) = leading_basis(rows.view(), settings.ranks[0], nothing.view(), settings.seed, 0)?;
    let energy = rows.dot(&basis).mapv(|z| z * z).sum() / x.nrows() as f64;
    let found = Found { bases: vec![basis], completed: vec![missing], labels };
    Ok(Fit {
        mixture: finished(x, &found, settings.parts)?,
        history: vec![Iteration { restart: 0, iteration: 0, objective: energy }],
        chosen: 0,
        converged: true,
        completed: found.completed,
        floored: None,
    })
}

/// Count, sum and second moment of rows, streamed: memory d², and a block.
pub struct Moments {
    count: usize,
    sum: Array1<f64>,
    /// Σ (x−s)(x−s)ᵀ, lower triangle of tiles; s is the shift. Its memory is there from the beginning.
    gram: Vec<f64>,
    /// Blocks that have not entered it: all, as long as rows are [few](Moments::FEW).
    waiting: Vec<Array2<f64>>,
    /// A block that has, whose memory is the next one's: new memory costs as much again.
    spare: Option<Array2<f64>>,
    /// The first row, subtracted throughout: a covariance does not lose the
    /// digits that a mean far from 0 would cost.
    shift: Option<Array1<f64>>,
    /// The largest |x − s|.
    largest: f64,
}

impl Moments {
    /// # Errors
    /// When d² numbers do not fit in memory.
    pub fn new(dim: usize) -> Result<Moments> {
        let mut gram = Vec::new();
        let fits = dim.checked_mul(dim).is_some_and(|numbers| gram.try_reserve_exact(numbers).is_ok());
        ensure!(fits, "the covariance of rows of {dim} numbers does not fit in memory; fit shorter rows");
        Ok(Moments {
            count: 0,
            sum: Array1::zeros(dim),
            gram,
            waiting: Vec::new(),
            spare: None,
            shift: None,
            largest: 0.0,
        })
    }

    /// Rows are few if they are no more than this share of the dimensions, of which there are many: their directions are found
    /// without d × d numbers.
    const FEW: f64 = 0.125;
    const MANY: usize = 1024;

    fn are_few(&self) -> bool {
        let d = self.sum.len();
        d >= Moments::MANY && self.count as f64 <= Moments::FEW * d as f64 && self.gram.is_empty()
    }

    /// Has all rows so far enter the second moment, block by block.
    fn enter(&mut self) {
        for rows in std::mem::take(&mut self.waiting) {
            self.accumulate(rows.view());
            self.spare = Some(rows);
        }
    }

    /// Adds the second moment of rows less the shift.
    fn accumulate(&mut self, rows: ArrayView2<f64>) {
        let d = self.sum.len();
        if self.gram.is_empty() {
            self.gram.resize(d * d, 0.0);
        }
        let Ok(gram) = ArrayViewMut2::from_shape((d, d), &mut self.gram) else { return };
        accumulate_moment(gram, rows, rows, true);
    }

    /// Takes in a block of rows. The same rows in blocks of other sizes give
    /// other roundings: callers read blocks of a fixed size.
    pub fn add<T: Scalar>(&mut self, block: ArrayView2<T>) {
        if block.nrows() == 0 {
            return;
        }
        let spare = self.spare.take().filter(|spare| spare.dim() == block.dim());
        let mut rows = spare.unwrap_or_else(|| Array2::zeros(block.dim()));
        let shift = &*self.shift.get_or_insert_with(|| block.row(0).mapv(Scalar::wide));
        let places = rows.axis_iter_mut(Axis(0)).into_par_iter().zip(block.axis_iter(Axis(0)));
        places.for_each(|(place, row)| {
            Zip::from(place).and(row).and(shift).for_each(|place, v, s| *place = v.wide() - s);
        });
        self.see(rows.view());
        self.waiting.push(rows);
        if !self.are_few() {
            self.enter();
        }
    }

    /// Moments about a point that is given, not the first row.
    pub(super) fn about(shift: Array1<f64>) -> Result<Moments> {
        Ok(Moments { shift: Some(shift.clone()), ..Moments::new(shift.len())? })
    }

    /// [`Moments::add`] of rows that are given less the shift.
    pub(super) fn add_shifted(&mut self, rows: ArrayView2<f64>) {
        self.see(rows);
        // In the order of the rows.
        self.enter();
        self.accumulate(rows);
    }

    fn see(&mut self, rows: ArrayView2<f64>) {
        self.largest = rows.iter().fold(self.largest, |m, v| m.max(v.abs()));
        self.count += rows.nrows();
        self.sum += &rows.sum_axis(Axis(0));
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean; of no rows it is not finite.
    pub fn mean(&self) -> Array1<f64> {
        let mean = &self.sum / self.count as f64;
        self.shift.as_ref().map_or(mean.clone(), |shift| mean + shift)
    }

    /// The mean less the shift, and the covariance (divisor N). Of no rows they are not finite.
    pub fn covariance(mut self) -> (Array1<f64>, Array2<f64>) {
        self.enter();
        let (n, d) = (self.count as f64, self.sum.len());
        // Of no rows none has entered.
        self.gram.resize(d * d, 0.0);
        let mean = self.sum / n;
        let mut covariance = Array2::from_shape_vec((d, d), self.gram).unwrap_or_default() / n;
        for i in 0..mean.len() {
            for j in 0..=i {
                covariance[[i, j]] -= mean[i] * mean[j];
                covariance[[j, i]] = covariance[[i, j]];
            }
        }
        (mean, covariance)
    }

    /// The mean less the shift, and the axes of few rows, as many as there are rows: singular values and vectors of the rows less
    /// their mean. Of columns in very different units rounding is that of the largest root.
    fn few_axes(self) -> Result<(Array1<f64>, Axes)> {
        let n = self.count as f64;
        let mean = self.sum / n;
        let blocks: Vec<_> = self.waiting.iter().map(|rows| rows.view()).collect();
        let rows = concatenate(Axis(0), &blocks)? - &mean;
        let (roots, mut vectors) = right_svd(rows.view())?;
        fix_signs(vectors.view_mut());
        let values = roots.mapv(|s| s * s / n);
        let variances = rows.map_axis(Axis(0), |x| x.dot(&x) / n);
        let positive = if in_unequal_units(&variances, values[0]) {
            roots.iter().filter(|s| **s > 1e-12 * roots[0]).count()
        } else {
            above_rounding(&values)
        };
        Ok((mean, Axes { values, vectors, positive }))
    }

    /// The Gaussian with these moments: mean, and covariance (divisor N) as
    /// eigenvalues. With `rank`, the leading ones; what is left is spread
    /// evenly as noise, as probabilistic PCA has it.
    pub fn gaussian(self, rank: Option<usize>) -> Result<Mixture> {
        let d = self.sum.len();
        let Some(shift) = self.shift.clone() else {
            anyhow::bail!("no rows to fit; give samples");
        };
        ensure!(
            rank.is_none_or(|r| r > 0 && r <= d),
            "--rank {}: must be 1 to {d}, the data's dimension",
            rank.unwrap_or(0)
        );
        // Products of rounding may vanish, those of the numbers themselves may not.
        ensure!(self.largest == 0.0 || self.largest.powi(2) * ROUNDING >= f64::MIN_POSITIVE, TOO_SMALL);
        let (mean, Axes { values, vectors, positive }) = if self.are_few() {
            self.few_axes()?
        } else {
            let (mean, covariance) = self.covariance();
            (mean, axes(covariance.view())?)
        };
        let kept = rank.unwrap_or(d).min(positive).max(1);
        let rest: f64 = values.slice(s![kept..positive.max(kept)]).sum();
        let noise = if kept < d { rest / (d - kept) as f64 } else { 0.0 };
        let gaussian = Component {
            weight: 1.0,
            mean: shift + mean,
            basis: vectors.slice(s![.., ..kept]).to_owned(),
            variances: values.slice(s![..kept]).mapv(|v| v.max(0.0)),
            noise_variance: noise,
        };
        Ok(Mixture { components: vec![gaussian] })
    }
}

/// Eigenvalues, largest first, and eigenvectors as columns of a covariance; and how many are more than rounding.
struct Axes {
    values: Array1<f64>,
    vectors: Array2<f64>,
    positive: usize,
}

fn axes(covariance: ArrayView2<f64>) -> Result<Axes> {
    let (values, vectors) = symmetric_eigen(covariance)?;
    let positive = above_rounding(&values);
    if positive < values.len() && in_unequal_units(&covariance.diag().to_owned(), values[0]) {
        let (vectors, values) = graded_eigen(covariance)?;
        let found = values.len();
        if found > positive {
            return Ok(Axes { values, vectors, positive: found });
        }
    }
    Ok(Axes { values, vectors, positive })
}

/// Ratio of variances beyond which the eigenvalues of a covariance are looked for in units of
/// its own.
const UNEQUAL: f64 = 1e-10;

fn in_unequal_units(variances: &Array1<f64>, largest: f64) -> bool {
    variances.iter().any(|v| *v > 0.0 && *v < UNEQUAL * largest)
}

/// How many eigenvalues, largest first, are more than rounding of the largest; the others are
/// zero: so many rows span no more dimensions.
fn above_rounding(values: &Array1<f64>) -> usize {
    values.iter().filter(|&&v| v > 1e-13 * values[0] && v > 0.0).count()
}

/// Eigenvectors as columns and eigenvalues, largest first, of a covariance of columns in very
/// different units: those of the correlations A are found to rounding, and with
/// C = S A S = G Gᵀ, G = S V Λ^½, the singular values of G are the roots of C's eigenvalues,
/// to the rounding of the largest root instead of the largest eigenvalue.
fn graded_eigen(covariance: ArrayView2<f64>) -> Result<(Array2<f64>, Array1<f64>)> {
    let unit = covariance.diag().mapv(f64::sqrt);
    let correlation = Array2::from_shape_fn(covariance.raw_dim(), |(i, j)| {
        let product = unit[i] * unit[j];
        if product > 0.0 { covariance[[i, j]] / product } else { 0.0 }
    });
    let (values, vectors) = symmetric_eigen(correlation.view())?;
    let rank = above_rounding(&values);
    let factor =
        Array2::from_shape_fn((rank, unit.len()), |(j, i)| unit[i] * vectors[[i, j]] * values[j].sqrt());
    let (roots, axes) = right_svd(factor.view())?;
    Ok((axes, roots.mapv(|s| s * s)))
}
