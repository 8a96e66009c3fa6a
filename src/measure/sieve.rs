//! Rules rows of a set out, exactly: real data have low intrinsic dimension, so that few coordinates bound most scores.
//!
//! For t' = t − c and an orthonormal frame F of q axes, x·t' = (Fᵀx)·(Fᵀt') + r_x·r_t, where r is what the frame leaves
//! of a vector. By Cauchy and Schwarz a bound from above has, for r_x·r_t and for blocks of the coordinates, products of
//! norms alone. So it is a product itself, of few columns; it holds in any frame, and is narrow in that of leading axes.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::linalg::{cast, dot, orthonormalize, product, product_wide, squared_norms, symmetric_eigen};
use crate::random::{Purpose, row_rng, standard_normals};
use crate::scalar::Scalar;

/// Axes whose coordinates the first bound takes one by one; of the others, norms of blocks that begin here.
const SINGLE: usize = 64;
const BLOCKS: [usize; 2] = [64, 96];

/// Columns of norms in the first bound; β follows.
const NORMS: Range<usize> = SINGLE..SINGLE + BLOCKS.len() + 1;

/// Axes of the frame, at most half of all.
const AXES: usize = 160;

/// Fewer columns than these are no cheaper to bound than to multiply.
const LEAST_WIDTH: usize = 3 * SINGLE;

/// Rows that the frame is found from, and rounds of products that turn it to their leading axes.
const SAMPLED: usize = 2048;
const ROUNDS: usize = 2;

/// Rows whose coordinates are computed at a time.
const TILE: usize = 512;

/// What is left of ‖t‖² by subtraction is known to this share of it; it may not be too small.
const LOST: f64 = 1e-12;

/// Bounds of the scores α_j x·t'_j + β_j of all rows j of a set.
pub struct Sieve<T: Scalar> {
    /// F, (d, q).
    frame: Array2<f64>,
    /// Per row α_j times its coordinates, norms of blocks and of the rest, and β_j, (N, 68).
    first: Array2<T>,
    /// Per row α_j times its other coordinates and the rest's norm, (N, q − SINGLE + 1).
    second: Array2<T>,
}

/// Samples as the sieve sees them.
pub struct Seen<T: Scalar> {
    /// (n, 68) and (n, q − SINGLE + 1), to be multiplied with those of the set.
    pub first: Array2<T>,
    second: Array2<T>,
}

impl<T: Scalar> Sieve<T> {
    /// So many samples, at least, take longer to be compared with n rows than a sieve takes to make: its frame, and the
    /// coordinates of all rows, in f64. Twice as many are worth it.
    pub fn worth(n: usize) -> usize {
        2 * (2 * AXES + 2 * (2 * ROUNDS + 1) * AXES * SAMPLED.min(n) / n.max(1))
    }

    /// For `rows` (N, d) less `centre`, with α and β of each. `None` where d is small, and where f64 does not hold what
    /// squares of the numbers sum to.
    pub fn of(rows: ArrayView2<T>, centre: ArrayView1<T>, alpha: &[f64], beta: &[f64]) -> Option<Sieve<T>> {
        let (n, d) = rows.dim();
        if d < LEAST_WIDTH {
            return None;
        }
        let frame = leading_frame(rows, centre, AXES.min(d / 2))?;
        let mut first = Array2::zeros((n, NORMS.end + 1));
        let mut second = Array2::zeros((n, frame.ncols() - SINGLE + 1));
        let tiles = (
            first.axis_chunks_iter_mut(Axis(0), TILE),
            second.axis_chunks_iter_mut(Axis(0), TILE),
            rows.axis_chunks_iter(Axis(0), TILE),
            alpha.par_chunks(TILE),
            beta.par_chunks(TILE),
        );
        tiles.into_par_iter().for_each(|(first, second, rows, alpha, beta)| {
            let rows = wide(rows, centre);
            Coordinates::of(rows.view(), frame.view()).split(alpha, beta, first, second);
        });
        Some(Sieve { frame, first, second })
    }

    /// Samples (n, d), less the centre if rows are.
    pub fn see(&self, x: ArrayView2<f64>) -> Seen<T> {
        let n = x.nrows();
        let (mut first, mut second) =
            (Array2::zeros((n, NORMS.end + 1)), Array2::zeros((n, self.second.ncols())));
        let ones = vec![1.0; n];
        Coordinates::of(x, self.frame.view()).split(&ones, &ones, first.view_mut(), second.view_mut());
        Seen { first, second }
    }

    /// Of how many products of rounded numbers a bound is the sum.
    pub fn terms(&self) -> usize {
        self.first.ncols() + self.second.ncols()
    }

    /// What `Seen::first` is to be multiplied with for the first bounds.
    pub fn first(&self) -> ArrayView2<'_, T> {
        self.first.view()
    }

    /// A closer bound than the first: blocks' norms give way to their coordinates.
    pub fn second(&self, seen: &Seen<T>, i: usize, j: usize, first: T) -> f64 {
        let norms = s![NORMS];
        let replaced = dot(seen.first.row(i).slice(norms), self.first.row(j).slice(norms));
        first.wide() - replaced + dot(seen.second.row(i), self.second.row(j))
    }
}

/// x − c in f64.
fn wide<T: Scalar>(x: ArrayView2<T>, centre: ArrayView1<T>) -> Array2<f64> {
    cast::<T, f64>(x) - &centre.mapv(Scalar::wide)
}

/// An orthonormal basis of about the leading axes of some of the rows, the first first.
fn leading_frame<T: Scalar>(rows: ArrayView2<T>, centre: ArrayView1<T>, axes: usize) -> Option<Array2<f64>> {
    let (n, d) = rows.dim();
    let every = n.div_ceil(SAMPLED);
    let sampled = wide(rows.slice(s![..;every, ..]), centre);
    let mut rng = row_rng(0, Purpose::Probes, 0);
    let drawn = Array2::from_shape_vec((d, axes), standard_normals::<f64>(&mut rng, d * axes)).ok()?;
    let mut frame = orthonormalize(drawn.view());
    for _ in 0..ROUNDS {
        let image = product_wide(sampled.view(), frame.view());
        frame = orthonormalize(product_wide(sampled.t(), image.view()).view());
    }
    let image = product_wide(sampled.view(), frame.view());
    let (_, turn) = symmetric_eigen(product(image.t(), image.view()).view()).ok()?;
    Some(product(frame.view(), turn.view()))
}

/// Of some vectors, as rows.
struct Coordinates {
    /// In the frame, (n, q).
    within: Array2<f64>,
    /// Norms of the blocks and of the rest, (n, blocks + 1).
    norms: Array2<f64>,
}

impl Coordinates {
    fn of(x: ArrayView2<f64>, frame: ArrayView2<f64>) -> Coordinates {
        let (n, q) = (x.nrows(), frame.ncols());
        let within = product(x, frame);
        let squares = squared_norms(x);
        let mut norms = Array2::zeros((n, BLOCKS.len() + 1));
        let ends = BLOCKS[1..].iter().copied().chain([q]);
        for (b, (&from, to)) in BLOCKS.iter().zip(ends).enumerate() {
            let block = within.slice(s![.., from.min(q)..to.min(q)]);
            norms.column_mut(b).assign(&squared_norms(block));
        }
        let rest = (&squares - &squared_norms(within.view())).mapv_into(|square| square.max(0.0));
        norms.column_mut(BLOCKS.len()).assign(&(rest + &squares * LOST));
        Coordinates { within, norms: norms.mapv_into(f64::sqrt) }
    }

    /// Rows of the first and of the second bound, α times these and β.
    fn split<T: Scalar>(
        &self,
        alpha: &[f64],
        beta: &[f64],
        mut first: ArrayViewMut2<T>,
        mut second: ArrayViewMut2<T>,
    ) {
        let q = self.within.ncols();
        let set = |mut to: ArrayViewMut2<T>, from: ArrayView2<f64>| {
            for ((mut to, from), alpha) in to.outer_iter_mut().zip(from.outer_iter()).zip(alpha) {
                to.zip_mut_with(&from, |to, from| *to = T::of(alpha * from));
            }
        };
        set(first.slice_mut(s![.., ..SINGLE]), self.within.slice(s![.., ..SINGLE]));
        set(first.slice_mut(s![.., NORMS]), self.norms.view());
        first.column_mut(NORMS.end).iter_mut().zip(beta).for_each(|(to, &beta)| *to = T::of(beta));
        set(second.slice_mut(s![.., ..q - SINGLE]), self.within.slice(s![.., SINGLE..]));
        set(second.slice_mut(s![.., q - SINGLE..]), self.norms.slice(s![.., BLOCKS.len()..]));
    }
}
