//! The GL score: how far samples are from copies of training rows.
//!
//! * similarity form: 1 − share of samples whose best similarity to a training row
//!   passes the threshold (arXiv 2310.05264);
//! * ratio form: 1 − share of copies, a copy being nearer to its nearest training
//!   row than a third of the distance to the second nearest;
//! * distance form: Σ_i min_j‖x_i − t_j‖ over the same for fresh samples of the true
//!   distribution (arXiv 2409.02426).

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::reproducibility::{Similarity, cosine};
use crate::linalg::{column_means, dot, product, squared_distance};
use crate::random::{Purpose, row_rng, subset};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Training rows compared with a block of samples at a time: their scores stay in the cache.
const TILE: usize = 512;

/// Samples of a block.
const BLOCK: usize = 256;

/// Nearest rows by products, of which the nearest two by differences are taken:
/// the rounding of products may confuse near ties, seldom as many as this.
const CANDIDATES: usize = 4;

/// So many training rows at most are all left out in turn; of more, so many.
const ALL_LEFT_OUT: usize = 2000;
const SOME_LEFT_OUT: usize = 400;

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

/// Refuses samples whose products with others T does not hold.
///
/// # Errors
/// When one of their numbers is too large.
pub fn check_scale<T: Scalar>(x: ArrayView2<T>) -> Result<()> {
    let most = most::<T>();
    ensure!(
        !x.iter().any(|x| x.is_nan()),
        "a number is NaN, which is near to nothing; correct such rows, or leave them out with npy cat --nan drop"
    );
    ensure!(
        x.iter().all(|x| x.wide().abs() <= most),
        "numbers beyond {most:e} are too large to search in {}; give them in another unit",
        T::DTYPE
    );
    Ok(())
}

/// Sums of so large squares are numbers of T, of numbers all smaller than its inverse nothing at all.
fn most<T: Scalar>() -> f64 {
    match T::DTYPE {
        Dtype::F32 => 1e16,
        Dtype::F64 => 1e150,
    }
}

impl<T: Scalar> Training<T> {
    /// `rows` (N, d), N > 0.
    ///
    /// # Errors
    /// As [`check_scale`]; when all numbers but zeros are too small to be told apart.
    pub fn checked(rows: Array2<T>) -> Result<Training<T>> {
        check_scale(rows.view())?;
        let least = 1.0 / most::<T>();
        ensure!(
            rows.iter().all(|x| x.wide() == 0.0) || rows.iter().any(|x| x.wide().abs() >= least),
            "numbers all below {least:e} are too small to search in {}; give them in another unit",
            T::DTYPE
        );
        Ok(Training::new(rows))
    }

    /// `rows` (N, d), N > 0.
    pub fn new(rows: Array2<T>) -> Training<T> {
        let centre = column_means(rows.view()).mapv(T::of);
        let inverse = |norm: f64| if norm > 0.0 { T::of(norm.recip()) } else { T::zero() };
        let (half_norms, inverse_norms) = rows
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|t| (T::of(0.5 * squared_distance(t, centre.view())), inverse(dot(t, t).sqrt())))
            .unzip();
        Training { half_norms, centre, inverse_norms, rows }
    }

    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// For every sample its most similar training row; `unit` as in
    /// [`Similarity::between`].
    pub fn best(&self, x: ArrayView2<T>, similarity: Similarity, unit: f64) -> Vec<Best> {
        self.best_but(x, similarity, unit, None)
    }

    /// For every sample its two nearest training rows.
    pub fn nearest(&self, x: ArrayView2<T>) -> Vec<Nearest> {
        self.nearest_but(x, None)
    }

    /// Training rows to be left out in turn, so that their scores say what a sample's would be that is no
    /// copy: all where there are few, else some drawn by the seed, enough for two digits of a share.
    pub fn left_out(&self, seed: u64) -> Vec<usize> {
        let n = self.rows.nrows();
        let count = if n <= ALL_LEFT_OUT { n } else { SOME_LEFT_OUT };
        subset(&mut row_rng(seed, Purpose::LeftOut, 0), n, count)
    }

    /// For every of these training rows the most similar of the others; nothing where there are none.
    pub fn best_of_others(&self, rows: &[usize], similarity: Similarity, unit: f64) -> Vec<Best> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.best_but(self.rows.select(Axis(0), rows).view(), similarity, unit, Some(rows))
    }

    /// For every of these training rows the two nearest of the others; nothing where there are none.
    pub fn nearest_of_others(&self, rows: &[usize]) -> Vec<Nearest> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.nearest_but(self.rows.select(Axis(0), rows).view(), Some(rows))
    }

    /// As [`Training::best`], for sample i without training row `but[i]`.
    fn best_but(
        &self,
        x: ArrayView2<T>,
        similarity: Similarity,
        unit: f64,
        but: Option<&[usize]>,
    ) -> Vec<Best> {
        match similarity {
            Similarity::Cosine => {
                let score = |j: usize, xt: T| xt * self.inverse_norms[j];
                self.candidates(x, 1, but, score, |i, found| {
                    let row = found[0];
                    Best { row, similarity: cosine(x.row(i), self.rows.row(row)) }
                })
            }
            Similarity::L2 => {
                let nearest = self.nearest_but(x, but).into_iter();
                nearest.map(|n| Best { row: n.row, similarity: n.distance }).collect()
            }
            // No product computes absolute differences.
            Similarity::Mae => x
                .axis_iter(Axis(0))
                .into_par_iter()
                .enumerate()
                .map(|(i, x)| {
                    let own = but.map(|but| but[i]);
                    let mut best = Best { row: 0, similarity: f64::INFINITY };
                    for (row, t) in self.rows.outer_iter().enumerate().filter(|(row, _)| Some(*row) != own) {
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

    /// As [`Training::nearest`], for sample i without training row `but[i]`.
    fn nearest_but(&self, x: ArrayView2<T>, but: Option<&[usize]>) -> Vec<Nearest> {
        let score = |j: usize, xt: T| xt - self.half_norms[j];
        let centred = &x - &self.centre;
        self.candidates(centred.view(), CANDIDATES, but, score, |i, found| {
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
    /// score(j, xᵀt_j), without training row `but[i]`, in blocks of rows and tiles of training rows, and what
    /// `finish` makes of them.
    fn candidates<R: Send>(
        &self,
        x: ArrayView2<T>,
        count: usize,
        but: Option<&[usize]>,
        score: impl Fn(usize, T) -> T + Sync,
        finish: impl Fn(usize, &[usize]) -> R + Sync,
    ) -> Vec<R> {
        let block = crate::blocks::block_size(x.nrows()).min(BLOCK);
        let count = count + usize::from(but.is_some());
        let blocks: Vec<Vec<R>> = x
            .axis_chunks_iter(Axis(0), block)
            .into_par_iter()
            .enumerate()
            .map(|(b, x)| {
                let mut best: Vec<Vec<(T, usize)>> = vec![Vec::with_capacity(count + 1); x.nrows()];
                // What a score must exceed to be among a sample's best.
                let mut floors = vec![T::neg_infinity(); x.nrows()];
                let x = x.t();
                let x = x.as_standard_layout();
                for (tile, rows) in self.rows.axis_chunks_iter(Axis(0), TILE).enumerate() {
                    // A column a sample: few training rows are among any one's best, and those that
                    // are not are passed over for all samples at once.
                    let mut scores = product(rows, x.view());
                    for (j, mut scores) in scores.outer_iter_mut().enumerate() {
                        let j = tile * TILE + j;
                        let Some(scores) = scores.as_slice_mut() else { continue };
                        let any = vectorized(
                            #[inline(always)]
                            || {
                                scores.iter_mut().zip(&floors).fold(false, |any, (s, floor)| {
                                    *s = score(j, *s);
                                    any | (*s > *floor)
                                })
                            },
                        );
                        if !any && j >= count {
                            continue;
                        }
                        for ((&s, floor), best) in scores.iter().zip(&mut floors).zip(&mut best) {
                            if s > *floor || best.len() < count {
                                let place = best.partition_point(|b| b.0 >= s);
                                best.insert(place, (s, j));
                                best.truncate(count);
                                if best.len() == count {
                                    *floor = best[count - 1].0;
                                }
                            }
                        }
                    }
                }
                best.iter()
                    .enumerate()
                    .map(|(i, best)| {
                        let i = b * block + i;
                        let own = but.map(|but| but[i]);
                        let rows: Vec<usize> = best.iter().map(|b| b.1).filter(|j| Some(*j) != own).collect();
                        finish(i, &rows)
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
