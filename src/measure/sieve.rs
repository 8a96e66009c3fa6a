//! Rules rows of a set out, exactly: real data have low intrinsic dimension, so that few coordinates bound most scores.
//!
//! For t' = t − c and an orthonormal frame F of q axes, x·t' = (Fᵀx)·(Fᵀt') + r_x·r_t, where r is what the frame leaves
//! of a vector. By Cauchy and Schwarz a bound from above has, for r_x·r_t and for blocks of the coordinates, products of
//! norms alone. So it is a product itself, of few columns; it holds in any frame, and is narrow in that of leading axes.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::linalg::{
    accumulate, cast, orthonormalize, product, product_wide, squared_norms, symmetric_eigen,
};
use crate::random::{Purpose, row_rng, standard_normals};
use crate::scalar::{Scalar, vectorized};

/// Axes whose coordinates the first bound takes one by one; of the others, norms of blocks that begin here.
const SINGLE: usize = 48;
const BLOCKS: [usize; 3] = [48, 64, 96];

/// Columns of the blocks' norms in the first bound; that of the rest and β follow.
const NORMS: Range<usize> = SINGLE..SINGLE + BLOCKS.len();
const COLUMNS: usize = NORMS.end + 2;

/// Axes of the frame, at most half of all.
const AXES: usize = 192;

/// Fewer columns than these are no cheaper to bound than to multiply.
const LEAST_WIDTH: usize = 4 * SINGLE;

/// Rows that the frame is found from.
const SAMPLED: usize = 2048;

/// Rows whose coordinates are computed at a time, and of how many products they are the sums of sums.
const TILE: usize = 256;
const PIECE: usize = 128;

/// Bounds of the scores α_j x·t'_j + β_j of all rows j of a set.
pub struct Sieve<T: Scalar> {
    /// F, (d, q).
    frame: Array2<T>,
    /// Per row α_j times its coordinates, norms of blocks and of the rest, and β_j, (N, 53).
    first: Array2<T>,
    /// Per row α_j times its other coordinates, (N, q − SINGLE).
    second: Array2<T>,
}

/// Samples as the sieve sees them.
pub struct Seen<T: Scalar> {
    /// (n, 53) and (n, q − SINGLE), to be multiplied with those of the set.
    pub first: Array2<T>,
    second: Array2<T>,
}

impl<T: Scalar> Sieve<T> {
    /// So many samples, at least, take longer to be compared with n rows than a sieve takes to make: its frame, by three
    /// products in f64, and the coordinates of all rows. Twice as many are worth it.
    pub fn worth(n: usize) -> usize {
        2 * (AXES + 2 * 3 * AXES * SAMPLED.min(n) / n.max(1))
    }

    /// For `rows` (N, d) less `centre`, with α and β of each. `None` where d is small, and where f64 does not hold what
    /// squares of the numbers sum to.
    pub fn of(rows: ArrayView2<T>, centre: ArrayView1<T>, alpha: &[f64], beta: &[f64]) -> Option<Sieve<T>> {
        let (n, d) = rows.dim();
        if d < LEAST_WIDTH {
            return None;
        }
        let frame = cast::<f64, T>(leading_frame(rows, centre, AXES.min(d / 2))?.view());
        let mut first = Array2::zeros((n, COLUMNS));
        let mut second = Array2::zeros((n, frame.ncols() - SINGLE));
        let tiles = (
            first.axis_chunks_iter_mut(Axis(0), TILE),
            second.axis_chunks_iter_mut(Axis(0), TILE),
            rows.axis_chunks_iter(Axis(0), TILE),
            alpha.par_chunks(TILE),
            beta.par_chunks(TILE),
        );
        tiles.into_par_iter().for_each(|(first, second, rows, alpha, beta)| {
            let rows = &rows - &centre;
            Coordinates::of(rows.view(), frame.view()).split(alpha, beta, first, second);
        });
        Some(Sieve { frame, first, second })
    }

    /// Samples (n, d), less the centre if rows are.
    pub fn see(&self, x: ArrayView2<T>) -> Seen<T> {
        let n = x.nrows();
        let (mut first, mut second) = (Array2::zeros((n, COLUMNS)), Array2::zeros((n, self.second.ncols())));
        let ones = vec![1.0; n];
        Coordinates::of(x, self.frame.view()).split(&ones, &ones, first.view_mut(), second.view_mut());
        Seen { first, second }
    }

    /// Of how many products of rounded numbers a bound is the sum, the second one in T too.
    pub fn terms(&self) -> usize {
        self.first.ncols() + self.second.ncols()
    }

    /// What a bound may lack of the score, over both norms, since coordinates are rounded.
    pub fn lost(&self) -> f64 {
        let (d, q) = self.frame.dim();
        3.0 * lost::<T>(d, q)
    }

    /// What `Seen::first` is to be multiplied with for the first bounds.
    pub fn first(&self) -> ArrayView2<'_, T> {
        self.first.view()
    }

    /// A closer bound than the first: blocks' norms give way to their coordinates.
    pub fn second(&self, seen: &Seen<T>, i: usize, j: usize, first: T) -> T {
        let (x, y) = (seen.first.row(i), self.first.row(j));
        let replaced = NORMS.fold(T::zero(), |sum, block| sum + x[block] * y[block]);
        let (x, y) = (seen.second.row(i), self.second.row(j));
        match (x.to_slice(), y.to_slice()) {
            (Some(x), Some(y)) => {
                first - replaced
                    + vectorized(
                        #[inline(always)]
                        || sum_of_products(x, y),
                    )
            }
            _ => first,
        }
    }
}

/// Σ a_i b_i in T, in parts that become vectors.
#[inline(always)]
fn sum_of_products<T: Scalar>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut parts = [T::zero(); LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (x, y) in a.iter().zip(b) {
        for l in 0..LANES {
            parts[l] += x[l] * y[l];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&x, &y)| x * y);
    parts.into_iter().chain(rest).fold(T::zero(), |sum, part| sum + part)
}

/// An orthonormal basis of about the leading axes of some of the rows, the first first.
fn leading_frame<T: Scalar>(rows: ArrayView2<T>, centre: ArrayView1<T>, axes: usize) -> Option<Array2<f64>> {
    let (n, d) = rows.dim();
    let every = n.div_ceil(SAMPLED);
    let sampled = cast::<T, f64>(rows.slice(s![..;every, ..])) - &centre.mapv(Scalar::wide);
    let mut rng = row_rng(0, Purpose::Probes, 0);
    let drawn = Array2::from_shape_vec((d, axes), standard_normals::<f64>(&mut rng, d * axes)).ok()?;
    let turned_to = |frame: &Array2<f64>| product_wide(sampled.view(), frame.view());
    let frame = orthonormalize(product_wide(sampled.t(), turned_to(&drawn).view()).view());
    let image = turned_to(&frame);
    let (_, turn) = symmetric_eigen(product(image.t(), image.view()).view()).ok()?;
    Some(product(frame.view(), turn.view()))
}

/// Of some vectors, as rows.
struct Coordinates<T> {
    /// In the frame, (n, q).
    within: Array2<T>,
    /// Norms of the blocks and of the rest, (n, blocks + 1).
    norms: Array2<f64>,
}

/// By how much coordinates of a vector of d numbers in q axes, and the axes from orthonormal ones, are away from exact ones
/// at most, over its norm: half a unit of rounding for the axes' numbers, the vector's, and every sum.
fn lost<T: Scalar>(d: usize, q: usize) -> f64 {
    // To which axes are orthonormal in f64.
    const ORTHONORMAL: f64 = 1e-13;
    let sums = d.min(PIECE) + d.div_ceil(PIECE);
    (0.5 * T::DTYPE.rounding() * (sums + 2) as f64 * (q as f64).sqrt()).max(ORTHONORMAL)
}

impl<T: Scalar> Coordinates<T> {
    fn of(x: ArrayView2<T>, frame: ArrayView2<T>) -> Coordinates<T> {
        let (n, (d, q)) = (x.nrows(), frame.dim());
        let mut within = Array2::zeros((n, q));
        for (x, frame) in x.axis_chunks_iter(Axis(1), PIECE).zip(frame.axis_chunks_iter(Axis(0), PIECE)) {
            accumulate(within.view_mut(), x, frame);
        }
        let squares = squared_norms(x);
        let mut norms = Array2::zeros((n, BLOCKS.len() + 1));
        let ends = BLOCKS[1..].iter().copied().chain([q]);
        for (b, (&from, to)) in BLOCKS.iter().zip(ends).enumerate() {
            let block = within.slice(s![.., from.min(q)..to.min(q)]);
            norms.column_mut(b).assign(&squared_norms(block));
        }
        // ‖x‖² − ‖Fᵀx‖² with what rounding may have taken from it.
        let rest = (&squares - &squared_norms(within.view())).mapv_into(|square| square.max(0.0));
        norms.column_mut(BLOCKS.len()).assign(&(rest + &squares * (3.0 * lost::<T>(d, q))));
        Coordinates { within, norms: norms.mapv_into(f64::sqrt) }
    }

    /// Rows of the first and of the second bound, α times these and β.
    fn split(&self, alpha: &[f64], beta: &[f64], mut first: ArrayViewMut2<T>, second: ArrayViewMut2<T>) {
        fn set<T: Scalar, U: Scalar>(mut to: ArrayViewMut2<T>, from: ArrayView2<U>, alpha: &[f64]) {
            for ((mut to, from), alpha) in to.outer_iter_mut().zip(from.outer_iter()).zip(alpha) {
                to.zip_mut_with(&from, |to, from| *to = T::of(alpha * from.wide()));
            }
        }
        set(first.slice_mut(s![.., ..SINGLE]), self.within.slice(s![.., ..SINGLE]), alpha);
        set(first.slice_mut(s![.., NORMS.start..=NORMS.end]), self.norms.view(), alpha);
        first.column_mut(COLUMNS - 1).iter_mut().zip(beta).for_each(|(to, &beta)| *to = T::of(beta));
        set(second, self.within.slice(s![.., SINGLE..]), alpha);
    }
}
