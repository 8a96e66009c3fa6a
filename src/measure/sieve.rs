//! Rules rows of a set out, exactly: data of few dimensions have most of every score in few coordinates.
//!
//! For t' = t − c and an orthonormal frame F of q axes, x·t' = (Fᵀx)·(Fᵀt') + r_x·r_t, where r is what the frame leaves
//! of a vector. By Cauchy and Schwarz a bound from above has, for r_x·r_t and for blocks of the coordinates, products of
//! norms alone. So it is a product itself, of few columns; it holds in any frame, and is narrow in that of leading axes.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::linalg::{
    accumulate, cast, orthonormalize, product, product_wide, squared_norms, symmetric_eigen,
};
use crate::random::{Purpose, row_rng, standard_normals};
use crate::scalar::{Scalar, vectorized};

/// Which coordinates the first bound takes one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single {
    /// The leading ones; of the others it has norms of blocks.
    Leading,
    /// All, for data that have as many dimensions, each of which counts.
    All,
}

/// Where the blocks begin, the first after the leading coordinates.
const BLOCKS: [usize; 3] = [48, 64, 96];

/// Axes of the frame, at most half of all.
const AXES: usize = 192;

/// Fewer columns than these are no cheaper to bound than to multiply.
const LEAST_WIDTH: usize = 2 * BLOCKS[2];

/// Rows that the frame is found from.
const SAMPLED: usize = 2048;

/// Rows whose coordinates are computed at a time, and of how many products they are the sums of sums.
const TILE: usize = 256;
const PIECE: usize = 128;

impl Single {
    /// The blocks of q coordinates that the first bound has norms of.
    fn blocks(self, q: usize) -> impl Iterator<Item = Range<usize>> {
        let ends = BLOCKS[1..].iter().copied().chain([q]);
        let blocks = BLOCKS.into_iter().zip(ends).map(move |(from, to)| from.min(q)..to.min(q));
        blocks.take(if self == Single::Leading { BLOCKS.len() } else { 0 })
    }

    /// Columns of the blocks' norms in the first bound of q coordinates, behind those of coordinates; that of the rest and
    /// β follow.
    fn norms(self, q: usize) -> Range<usize> {
        match self {
            Single::Leading => BLOCKS[0]..BLOCKS[0] + BLOCKS.len(),
            Single::All => q..q,
        }
    }

    /// The share of rows that may pass the first bound and leave it worth its time: that of others costs a closer bound, or a
    /// whole row.
    pub fn may_pass(self) -> f64 {
        match self {
            Single::Leading => 0.05,
            Single::All => 0.01,
        }
    }
}

/// About the leading axes of a set, orthonormal, (d, q).
pub struct Frame<T>(Array2<T>);

impl<T: Scalar> Frame<T> {
    /// That of `rows` (N, d) less `centre`. `None` where d is small, and where f64 does not hold what squares of the numbers
    /// sum to.
    pub fn of(rows: ArrayView2<T>, centre: ArrayView1<T>) -> Option<Frame<T>> {
        let d = rows.ncols();
        if d < LEAST_WIDTH {
            return None;
        }
        Some(Frame(cast(leading_axes(rows, centre, AXES.min(d / 2))?.view())))
    }

    /// How far coordinates of a vector are from exact ones at most, over its norm: half a unit of rounding for the axes'
    /// numbers, the vector's, and every sum, and what axes lack of being orthonormal.
    fn lost(&self) -> f64 {
        // To which axes are orthonormal in f64.
        const ORTHONORMAL: f64 = 1e-13;
        let (d, q) = self.0.dim();
        let sums = d.min(PIECE) + d.div_ceil(PIECE);
        0.5 * T::DTYPE.rounding() * (sums + 2) as f64 * (q as f64).sqrt() + ORTHONORMAL
    }
}

/// Bounds of the scores α_j x·t'_j + β_j of all rows j of a set.
pub struct Sieve<T: Scalar> {
    frame: Arc<Frame<T>>,
    single: Single,
    /// Per row α_j times its coordinates, norms of blocks and of the rest, and β_j, (N, columns).
    first: Array2<T>,
    /// Per row α_j times its other coordinates.
    second: Array2<T>,
}

/// Samples as the sieve sees them.
pub struct Seen<T: Scalar> {
    /// As of the set, to be multiplied with these.
    pub first: Array2<T>,
    second: Array2<T>,
}

impl<T: Scalar> Sieve<T> {
    /// So many samples, at least, take longer to be compared with n rows than sieves take to make: their frame, by three
    /// products in f64, and the coordinates of all rows, once for each of two. Twice as many are worth it.
    pub fn worth(n: usize) -> usize {
        2 * (2 * AXES + 2 * 3 * AXES * SAMPLED.min(n) / n.max(1))
    }

    /// For `rows` (N, d) less `centre`, with α and β of each.
    pub fn of(
        frame: &Arc<Frame<T>>,
        single: Single,
        rows: ArrayView2<T>,
        centre: ArrayView1<T>,
        [alpha, beta]: [&[f64]; 2],
    ) -> Sieve<T> {
        let (n, q) = (rows.nrows(), frame.0.ncols());
        let [first, second] = [single.norms(q).end + 2, q - single.norms(q).start];
        let [first, second] = [first, second].map(|columns| Array2::zeros((n, columns)));
        let mut sieve = Sieve { frame: Arc::clone(frame), single, first, second };
        let tiles = (
            sieve.first.axis_chunks_iter_mut(Axis(0), TILE),
            sieve.second.axis_chunks_iter_mut(Axis(0), TILE),
            rows.axis_chunks_iter(Axis(0), TILE),
            alpha.par_chunks(TILE),
            beta.par_chunks(TILE),
        );
        tiles.into_par_iter().for_each(|(first, second, rows, alpha, beta)| {
            let rows = &rows - &centre;
            Coordinates::of(rows.view(), frame, single).split(alpha, beta, first, second);
        });
        sieve
    }

    /// Samples (n, d), less the centre if rows are.
    pub fn see(&self, x: ArrayView2<T>) -> Seen<T> {
        let [first, second] = [&self.first, &self.second].map(|of| Array2::zeros((x.nrows(), of.ncols())));
        let mut seen = Seen { first, second };
        let ones = vec![1.0; x.nrows()];
        Coordinates::of(x, &self.frame, self.single).split(
            &ones,
            &ones,
            seen.first.view_mut(),
            seen.second.view_mut(),
        );
        seen
    }

    /// Of how many products of rounded numbers a bound is the sum.
    pub fn terms(&self) -> usize {
        self.first.ncols() + self.second.ncols()
    }

    /// What a bound may lack of the score, over both norms, since coordinates are rounded: once for each of two vectors, and
    /// a little.
    pub fn lost(&self) -> f64 {
        3.0 * self.frame.lost()
    }

    pub fn single(&self) -> Single {
        self.single
    }

    /// What `Seen::first` is to be multiplied with for the first bounds.
    pub fn first(&self) -> ArrayView2<'_, T> {
        self.first.view()
    }

    /// A closer bound than the first: blocks' norms give way to their coordinates. (To stop between blocks is no faster: what
    /// takes time is to fetch the row.)
    pub fn second(&self, seen: &Seen<T>, i: usize, j: usize, first: T) -> T {
        if self.single == Single::All {
            return first;
        }
        let (x, y) = (seen.first.row(i), self.first.row(j));
        let norms = self.single.norms(self.frame.0.ncols());
        let replaced = norms.fold(T::zero(), |sum, block| sum + x[block] * y[block]);
        let (x, y) = (seen.second.row(i), self.second.row(j));
        let (Some(x), Some(y)) = (x.to_slice(), y.to_slice()) else { return first };
        let sum = vectorized(
            #[inline(always)]
            || sum_of_products(x, y),
        );
        first - replaced + sum
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
fn leading_axes<T: Scalar>(rows: ArrayView2<T>, centre: ArrayView1<T>, axes: usize) -> Option<Array2<f64>> {
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
    /// Where they go in the first bound.
    columns: Range<usize>,
}

impl<T: Scalar> Coordinates<T> {
    fn of(x: ArrayView2<T>, frame: &Frame<T>, single: Single) -> Coordinates<T> {
        let (n, q) = (x.nrows(), frame.0.ncols());
        let mut within = Array2::zeros((n, q));
        for (x, axes) in x.axis_chunks_iter(Axis(1), PIECE).zip(frame.0.axis_chunks_iter(Axis(0), PIECE)) {
            accumulate(within.view_mut(), x, axes);
        }
        let columns = single.norms(q).start..single.norms(q).end + 1;
        let mut norms = Array2::zeros((n, columns.len()));
        for (mut norms, block) in norms.columns_mut().into_iter().zip(single.blocks(q)) {
            norms.assign(&squared_norms(within.slice(s![.., block])));
        }
        // ‖x‖² − ‖Fᵀx‖² with what rounding may have taken from it.
        let squares = squared_norms(x);
        let rest = (&squares - &squared_norms(within.view())).mapv_into(|square| square.max(0.0));
        norms.column_mut(columns.len() - 1).assign(&(rest + &squares * (3.0 * frame.lost())));
        Coordinates { within, norms: norms.mapv_into(f64::sqrt), columns }
    }

    /// Rows of the first and of the second bound, α times these and β.
    fn split(&self, alpha: &[f64], beta: &[f64], mut first: ArrayViewMut2<T>, second: ArrayViewMut2<T>) {
        fn set<T: Scalar, U: Scalar>(mut to: ArrayViewMut2<T>, from: ArrayView2<U>, alpha: &[f64]) {
            for ((mut to, from), alpha) in to.outer_iter_mut().zip(from.outer_iter()).zip(alpha) {
                to.zip_mut_with(&from, |to, from| *to = T::of(alpha * from.wide()));
            }
        }
        let Range { start, end } = self.columns;
        set(first.slice_mut(s![.., ..start]), self.within.slice(s![.., ..start]), alpha);
        set(first.slice_mut(s![.., start..end]), self.norms.view(), alpha);
        first.column_mut(end).iter_mut().zip(beta).for_each(|(to, &beta)| *to = T::of(beta));
        set(second, self.within.slice(s![.., start..]), alpha);
    }
}
