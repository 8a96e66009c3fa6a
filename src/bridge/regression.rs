//! Least squares of scores on polynomials in where a path is and where it ends.

use anyhow::{Result, ensure};
use ndarray::Array2;

use super::control::{Polynomial, Scales, powers};
use super::paths::Scored;
use crate::linalg::symmetric_eigen;

/// A direction of the normal equations below this share of the largest says nothing, and is left out: at t = 0 all
/// paths are in one place, and powers of x cannot be told apart.
const NOTHING: f64 = 1e-11;

/// Sums over paths, for each step k: of FᵀF, FᵀS, S and S², where a row of F has the powers.
#[derive(Clone)]
pub struct Regression {
    scales: Vec<Scales>,
    powers: Vec<(u32, u32)>,
    sums: Sums,
}

/// What blocks of paths add; blocks are added in order.
#[derive(Clone)]
pub struct Sums {
    n: u64,
    /// Of each step, (p, p + 2): FᵀF, and beside it FᵀS and, in its first row, S².
    products: Vec<Array2<f64>>,
}

/// How a step went.
#[derive(Clone, Debug)]
pub struct Step {
    pub polynomial: Polynomial,
    /// Of the coefficients, as if what is left had one variance everywhere; beside coefficients in order.
    pub std_errors: Vec<f64>,
    /// Of the scores.
    pub variance: f64,
    /// R², the share of it that the polynomial explains.
    pub explained: f64,
    /// What it would explain of scores that have nothing to do with x and y.
    pub by_chance: f64,
}

impl Regression {
    /// With the scales of some paths, one at least, which need be no better than rough: what is explained does not depend on them.
    pub fn new(first: &Scored, degree: u32) -> Regression {
        let of = |k: usize| {
            let column = first.paths.column(k);
            let place = column[0];
            // Where all are in one place, that place itself: its powers are then 0, not what rounding leaves.
            if column.iter().all(|x| *x == place) {
                return (place, 1.0);
            }
            (column.mean().unwrap_or(place), column.std(0.0))
        };
        let steps = first.scores.ncols();
        let (y_mean, y_std) = of(steps);
        let scales =
            (0..steps).map(of).map(|(x_mean, x_std)| Scales { x_mean, x_std, y_mean, y_std }).collect();
        let powers = powers(degree);
        let sums = Sums { n: 0, products: vec![Array2::zeros((powers.len(), powers.len() + 2)); steps] };
        Regression { scales, powers, sums }
    }

    /// The sums of a block.
    pub fn sums(&self, block: &Scored) -> Sums {
        let p = self.powers.len();
        let mut products = vec![Array2::zeros((p, p + 2)); self.scales.len()];
        let mut row = vec![0.0; p];
        for (path, scores) in block.paths.outer_iter().zip(block.scores.outer_iter()) {
            let end = path[path.len() - 1];
            for (k, (sums, s)) in products.iter_mut().zip(scores).enumerate() {
                let (x, y) = self.scales[k].of(path[k], end);
                for (to, (i, j)) in row.iter_mut().zip(&self.powers) {
                    *to = x.powi(*i as i32) * y.powi(*j as i32);
                }
                for (a, mut sums) in row.iter().zip(sums.outer_iter_mut()) {
                    row.iter().zip(sums.iter_mut()).for_each(|(b, sum)| *sum += a * b);
                    sums[p] += a * s;
                }
                sums[[0, p + 1]] += s * s;
            }
        }
        Sums { n: block.paths.nrows() as u64, products }
    }

    /// Adds a block's.
    pub fn add(&mut self, block: &Sums) {
        self.sums.n += block.n;
        self.sums.products.iter_mut().zip(&block.products).for_each(|(to, from)| *to += from);
    }

    /// The polynomials.
    ///
    /// # Errors
    /// Numbers too large to factorize; no more paths than coefficients.
    pub fn solve(&self) -> Result<Vec<Step>> {
        let (n, p) = (self.sums.n, self.powers.len());
        ensure!(n > p as u64, "{n} paths do not tell {p} coefficients; give more paths, or a lower degree");
        self.scales.iter().zip(&self.sums.products).map(|(scales, sums)| self.step(*scales, sums)).collect()
    }

    fn step(&self, scales: Scales, sums: &Array2<f64>) -> Result<Step> {
        let (n, p) = (self.sums.n as f64, self.powers.len());
        // FᵀF scaled to a unit diagonal: a power is no less for being small.
        let size: Vec<f64> =
            (0..p).map(|i| Some(sums[[i, i]].sqrt()).filter(|s| *s > 0.0).unwrap_or(1.0)).collect();
        let gram = Array2::from_shape_fn((p, p), |(i, j)| sums[[i, j]] / (size[i] * size[j]));
        let (values, vectors) = symmetric_eigen(gram.view())?;
        let mut coefficients = vec![0.0; p];
        let mut inverse_diagonal = vec![0.0; p];
        let mut rank = 0;
        for (value, vector) in values.iter().zip(vectors.columns()) {
            if *value <= NOTHING * values[0] {
                continue;
            }
            rank += 1;
            let along: f64 = (0..p).map(|i| vector[i] * sums[[i, p]] / size[i]).sum();
            for i in 0..p {
                coefficients[i] += vector[i] * along / (value * size[i]);
                inverse_diagonal[i] += (vector[i] / size[i]).powi(2) / value;
            }
        }
        let (mean, squares) = (sums[[0, p]] / n, sums[[0, p + 1]]);
        let total = (squares - n * mean * mean).max(0.0);
        let fitted: f64 = (0..p).map(|i| coefficients[i] * sums[[i, p]]).sum();
        let left = (squares - fitted).max(0.0);
        let residual = left / (n - rank as f64);
        let terms = self.powers.iter().zip(&coefficients).map(|(&(i, j), &c)| (i, j, c)).collect();
        Ok(Step {
            polynomial: Polynomial { scales, terms },
            std_errors: inverse_diagonal.iter().map(|v| (residual * v).sqrt()).collect(),
            variance: total / (n - 1.0),
            explained: if total > 0.0 { (1.0 - left / total).max(0.0) } else { 0.0 },
            by_chance: (rank as f64 - 1.0) / (n - 1.0),
        })
    }
}
