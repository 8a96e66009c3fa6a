//! The GL score: how far samples are from copies of training rows.
//!
//! * similarity form: 1 − share of samples whose best similarity to a training row
//!   passes the threshold (arXiv 2310.05264);
//! * ratio form: 1 − share of copies, a copy being nearer to its nearest training
//!   row than a third of the distance to the second nearest;
//! * distance form: Σ_i min_j‖x_i − t_j‖ over the same for fresh samples of the true
//!   distribution (arXiv 2409.02426).

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::reproducibility::{Similarity, cosine};
use crate::linalg::{product, squared_distance, squared_norms};
use crate::scalar::Scalar;

/// Training rows compared with a block of samples at a time.
const TILE: usize = 2048;

/// Samples of a block.
const BLOCK: usize = 256;

/// Nearest rows by products, of which the nearest two by differences are taken:
/// the rounding of products may confuse near ties, seldom as many as this.
const CANDIDATES: usize = 4;

/// A training set to be searched.
pub struct Training<T: Scalar> {
    rows: Array2<T>,
    /// The rows' mean, subtracted from samples before products: data far from
    /// the origin would lose their digits in ‖x‖² − 2xᵀt + ‖t‖².
    centre: Array1<T>,
    /// ½‖t_j − centre‖².
    half_norms: Vec<T>,
    /// 1/‖t_j‖, 0 for zero rows.
    inverse_norms: Vec<T>,
}

/// The training row most similar to a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    pub row: usize,
    pub similarity: f64,
}

/// The two training rows nearest to a sample. With one training row the second
/// is infinitely far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub row: usize,
    pub distance: f64,
    pub second: f64,
}

impl<T: Scalar> Training<T> {
    /// `rows` (N, d), N > 0.
    pub fn new(rows: Array2<T>) -> Training<T> {
        let norms = squared_norms(rows.view());
        let sum = rows.fold_axis(Axis(0), 0.0, |sum, v| sum + v.wide());
        let centre = sum.mapv(|s| T::of(s / rows.nrows().max(1) as f64));
        Training {
            half_norms: rows.outer_iter().map(|t| T::of(0.5 * squared_distance(t, centre.view()))).collect(),
            centre,
            inverse_norms: norms
                .iter()
                .map(|n| if *n > 0.0 { T::of(n.sqrt().recip()) } else { T::zero() })
                .collect(),
            rows,
        }
    }

    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// For every sample its most similar training row; `unit` as in
    /// [`Similarity::between`].
    pub fn best(&self, x: ArrayView2<T>, similarity: Similarity, unit: f64) -> Vec<Best> {
        match similarity {
            Similarity::Cosine => {
                let score = |j: usize, xt: T| xt * self.inverse_norms[j];
                self.candidates(x, 1, score, |i, found| {
                    let row = found[0];
                    Best { row, similarity: cosine(x.row(i), self.rows.row(row)) }
                })
            }
            Similarity::L2 => {
                self.nearest(x).into_iter().map(|n| Best { row: n.row, similarity: n.distance }).collect()
            }
            // No product computes absolute differences.
            Similarity::Mae => x
                .axis_iter(Axis(0))
                .into_par_iter()
                .map(|x| {
                    let mut best = Best { row: 0, similarity: f64::INFINITY };
                    for (row, t) in self.rows.outer_iter().enumerate() {
                        let similarity = similarity.between(x, t, unit);
                        if similarity < best.similarity {
                            best = Best { row, similarity };
                        }
                    }
                    best
                })
                .collect(),
        }
    }

    /// For every sample its two nearest training rows.
    pub fn nearest(&self, x: ArrayView2<T>) -> Vec<Nearest> {
        let score = |j: usize, xt: T| xt - self.half_norms[j];
        let centred = &x - &self.centre;
        self.candidates(centred.view(), CANDIDATES, score, |i, found| {
            let x = x.row(i);
            let mut exact: Vec<(f64, usize)> =
                found.iter().map(|&j| (squared_distance(x, self.rows.row(j)).sqrt(), j)).collect();
            exact.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            Nearest {
                row: exact[0].1,
                distance: exact[0].0,
                second: exact.get(1).map_or(f64::INFINITY, |e| e.0),
            }
        })
    }

    /// For every sample (`finish` gets its index) the `count` training rows of largest
    /// score(j, xᵀt_j), in blocks of rows and tiles of training rows, and what `finish` makes of them.
    fn candidates<R: Send>(
        &self,
        x: ArrayView2<T>,
        count: usize,
        score: impl Fn(usize, T) -> T + Sync,
        finish: impl Fn(usize, &[usize]) -> R + Sync,
    ) -> Vec<R> {
        let block = crate::blocks::block_size(x.nrows()).min(BLOCK);
        let blocks: Vec<Vec<R>> = x
            .axis_chunks_iter(Axis(0), block)
            .into_par_iter()
            .enumerate()
            .map(|(b, x)| {
                let mut best: Vec<Vec<(T, usize)>> = vec![Vec::with_capacity(count + 1); x.nrows()];
                for (tile, rows) in self.rows.axis_chunks_iter(Axis(0), TILE).enumerate() {
                    let products = product(x, rows.t());
                    for (best, products) in best.iter_mut().zip(products.outer_iter()) {
                        let mut floor =
                            if best.len() < count { T::neg_infinity() } else { best[count - 1].0 };
                        for (j, &xt) in products.iter().enumerate() {
                            let j = tile * TILE + j;
                            let s = score(j, xt);
                            if s > floor || best.len() < count {
                                let place = best.partition_point(|b| b.0 >= s);
                                best.insert(place, (s, j));
                                best.truncate(count);
                                if best.len() == count {
                                    floor = best[count - 1].0;
                                }
                            }
                        }
                    }
                }
                best.iter()
                    .enumerate()
                    .map(|(i, best)| {
                        let rows: Vec<usize> = best.iter().map(|b| b.1).collect();
                        finish(b * block + i, &rows)
                    })
                    .collect()
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}

/// Whether a sample is a copy: its nearest training row is nearer than `ratio`
/// times the second nearest.
pub fn is_copy(nearest: &Nearest, ratio: f64) -> bool {
    nearest.distance < ratio * nearest.second
}
