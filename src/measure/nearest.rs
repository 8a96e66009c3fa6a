//! The rows of a set that are nearest to others, or most similar: the one place where all are compared with all.
//!
//! Blocks of rows meet tiles of the set in products, which find a few candidates each; their distances are computed again
//! by differences in f64, and where the rounding of products could have hidden a nearer row, all of them are. So the
//! nearest are exact, ties go to the lower row, and neither blocks nor threads change a bit.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, CowArray};
use rayon::prelude::*;

use super::reproducibility::{Similarity, cosine};
use crate::linalg::{column_means, dot, product, squared_distance};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Rows of the set compared with a block at a time: their scores stay in the cache.
const TILE: usize = 512;

/// Rows of a block.
const BLOCK: usize = 256;

/// So many candidates more than are asked for: the rounding of products may confuse near ties, seldom as many.
const SPARE: usize = 2;

/// A set whose mean is so many times as far from the origin as its rows are from the mean, by root mean square, is
/// centred before products.
const FAR: f64 = 2.0;

/// A set of rows to be searched.
pub struct Searched<T: Scalar> {
    rows: Array2<T>,
    /// The rows' mean, subtracted from samples before products: data far from
    /// the origin would lose their digits in ‖x‖² − 2xᵀt + ‖t‖².
    centre: Array1<T>,
    /// ½‖t_j − centre‖².
    half_norms: Vec<T>,
    /// 1/‖t_j‖, 0 for zero rows.
    inverse_norms: Vec<T>,
    /// max ‖t_j − centre‖.
    farthest: f64,
    /// What is left of the mean in products: ‖centre‖, or 0 where it is taken off there.
    offset: f64,
}

/// The row most similar to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    pub row: usize,
    pub similarity: f64,
}

/// The two rows nearest to another. In a set of one row the second is infinitely far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub row: usize,
    pub distance: f64,
    pub second: f64,
}

/// A row near to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub row: usize,
    pub distance: f64,
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

/// Refuses a set whose rows are not told apart by their distances in T.
///
/// # Errors
/// As [`check_scale`]; when all numbers but zeros are too small.
pub fn check_set<T: Scalar>(rows: ArrayView2<T>) -> Result<()> {
    check_scale(rows)?;
    let least = 1.0 / most::<T>();
    ensure!(
        rows.iter().all(|x| x.wide() == 0.0) || rows.iter().any(|x| x.wide().abs() >= least),
        "numbers all below {least:e} are too small to search in {}; give them in another unit",
        T::DTYPE
    );
    Ok(())
}

impl<T: Scalar> Searched<T> {
    /// `rows` (N, d), N > 0.
    ///
    /// # Errors
    /// As [`check_set`].
    pub fn checked(rows: Array2<T>) -> Result<Searched<T>> {
        check_set(rows.view())?;
        Ok(Searched::new(rows))
    }

    /// `rows` (N, d), N > 0.
    pub fn new(rows: Array2<T>) -> Searched<T> {
        let centre = column_means(rows.view()).mapv(T::of);
        let inverse = |norm: f64| if norm > 0.0 { T::of(norm.recip()) } else { T::zero() };
        let (squares, inverse_norms): (Vec<f64>, _) = rows
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|t| (squared_distance(t, centre.view()), inverse(dot(t, t).sqrt())))
            .unzip();
        let spread = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
        let offset = dot(centre.view(), centre.view());
        Searched {
            farthest: squares.iter().fold(0.0f64, |m, s| m.max(*s)).sqrt(),
            offset: if offset > FAR * FAR * spread { 0.0 } else { offset.sqrt() },
            half_norms: squares.into_iter().map(|s| T::of(0.5 * s)).collect(),
            centre,
            inverse_norms,
            rows,
        }
    }

    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// For every sample its most similar row; `unit` as in
    /// [`Similarity::between`].
    pub fn best(&self, x: ArrayView2<T>, similarity: Similarity, unit: f64) -> Vec<Best> {
        self.best_but(x, similarity, unit, None)
    }

    /// For every sample its two nearest rows.
    pub fn nearest(&self, x: ArrayView2<T>) -> Vec<Nearest> {
        self.nearest_but(x, None)
    }

    /// For every of these rows the most similar of the others; nothing where there are none.
    pub fn best_of_others(&self, rows: &[usize], similarity: Similarity, unit: f64) -> Vec<Best> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.best_but(self.rows.select(Axis(0), rows).view(), similarity, unit, Some(rows))
    }

    /// For every of these rows the two nearest of the others; nothing where there are none.
    pub fn nearest_of_others(&self, rows: &[usize]) -> Vec<Nearest> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.nearest_but(self.rows.select(Axis(0), rows).view(), Some(rows))
    }

    /// As [`Searched::best`], for sample i without row `but[i]`.
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
                self.candidates(x, 1, but, false, score, |i, found, _| {
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

    /// For every of these rows the `count` nearest of the others, as [`Searched::neighbours`].
    pub fn neighbours_of_others(&self, rows: &[usize], count: usize) -> Vec<Vec<Neighbour>> {
        self.neighbours_but(self.rows.select(Axis(0), rows).view(), count, Some(rows))
    }

    /// For every x the `count` nearest rows, nearest first, of equally near ones the lower; all where there are fewer.
    pub fn neighbours(&self, x: ArrayView2<T>, count: usize) -> Vec<Vec<Neighbour>> {
        self.neighbours_but(x, count, None)
    }

    /// As [`Searched::nearest`], for sample i without row `but[i]`.
    fn nearest_but(&self, x: ArrayView2<T>, but: Option<&[usize]>) -> Vec<Nearest> {
        let nearest = self.neighbours_but(x, 2, but).into_iter();
        let two = |found: Vec<Neighbour>| Nearest {
            row: found[0].row,
            distance: found[0].distance,
            second: found.get(1).map_or(f64::INFINITY, |second| second.distance),
        };
        nearest.map(two).collect()
    }

    fn neighbours_but(&self, x: ArrayView2<T>, count: usize, but: Option<&[usize]>) -> Vec<Vec<Neighbour>> {
        // xᵀt − ½‖t‖², seen from the centre: ½‖x‖² less half the squared distance.
        let score = |j: usize, xt: T| xt - self.half_norms[j];
        let centred = &x - &self.centre;
        self.candidates(centred.view(), count + SPARE, but, self.offset == 0.0, score, |i, found, floor| {
            let own = but.map(|but| but[i]);
            let found = self.measured(x.row(i), found.iter().copied(), count);
            let seen = centred.row(i);
            let size = dot(seen, seen).sqrt();
            // Where products are of rows that are not centred, scores have xᵀcentre besides.
            let besides = if self.offset > 0.0 { dot(seen, self.centre.view()) } else { 0.0 };
            let hidden = |floor: f64, last: &Neighbour| {
                let least = size * size - 2.0 * (floor - besides);
                least - self.rounding(size, last.distance) <= last.distance.powi(2)
            };
            if floor.zip(found.last()).is_some_and(|(floor, last)| hidden(floor, last)) {
                return self.measured(x.row(i), (0..self.rows.nrows()).filter(|j| Some(*j) != own), count);
            }
            found
        })
    }

    /// The nearest of these rows, by differences.
    fn measured(&self, x: ArrayView1<T>, rows: impl Iterator<Item = usize>, count: usize) -> Vec<Neighbour> {
        let square = |row: usize| (squared_distance(x, self.rows.row(row)), row);
        let mut squares: Vec<(f64, usize)> = rows.map(square).collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if squares.len() > count {
            squares.select_nth_unstable_by(count, order);
            squares.truncate(count);
        }
        squares.sort_by(order);
        squares.into_iter().map(|(square, row)| Neighbour { row, distance: square.sqrt() }).collect()
    }

    /// By how much a squared distance from an x of norm `size`, of a row within `distance`, may be off by products: d
    /// terms in sums of 512, and what centring and norms round, each by at most half a unit of T.
    fn rounding(&self, size: f64, distance: f64) -> f64 {
        let terms = (self.rows.ncols().min(512) + self.rows.ncols() / 512 + 8) as f64;
        // Of rows so near, by the triangle inequality.
        let norm = self.farthest.min(size + distance);
        terms * T::DTYPE.rounding() * (size * (norm + self.offset) + 0.5 * norm * norm)
    }

    /// For every sample the `count` rows of largest score(j, xᵀt_j), without row `but[i]`, in blocks of rows and tiles of
    /// the set (`centred`: less its centre), and what `finish` makes of the sample's number, of these rows, and of the
    /// score that no other row exceeds; of that nothing where there is no other.
    fn candidates<R: Send>(
        &self,
        x: ArrayView2<T>,
        count: usize,
        but: Option<&[usize]>,
        centred: bool,
        score: impl Fn(usize, T) -> T + Sync,
        finish: impl Fn(usize, &[usize], Option<f64>) -> R + Sync,
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
                    let rows =
                        if centred { CowArray::from(&rows - &self.centre) } else { CowArray::from(rows) };
                    // A column a sample: few rows are among any one's best, and those that
                    // are not are passed over for all samples at once.
                    let mut scores = product(rows.view(), x.view());
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
                        let floor = best.last().filter(|_| self.rows.nrows() > count).map(|b| b.0.wide());
                        let i = b * block + i;
                        let own = but.map(|but| but[i]);
                        let rows: Vec<usize> = best.iter().map(|b| b.1).filter(|j| Some(*j) != own).collect();
                        finish(i, &rows, floor)
                    })
                    .collect()
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}
