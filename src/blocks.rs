//! Work in blocks of rows: each block is computed by one thread, blocks
//! are spread over all threads, and results are taken in order. A row's result
//! never depends on the block around it (see [`crate::linalg`]), so neither the
//! block size nor the thread count changes a byte.

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::scalar::Scalar;

/// Rows of one block, for a job of `rows` rows: at most 256, where products
/// reach their full speed; fewer when that would leave threads without work.
pub fn block_size(rows: usize) -> usize {
    (rows / rayon::current_num_threads()).clamp(16, 256)
}

/// Computes the blocks of `rows` on all threads and hands each result, in
/// order, to `take`. At most a few blocks a thread are held at a time.
pub fn in_order<R: Send>(
    rows: Range<u64>,
    block: usize,
    work: impl Fn(Range<u64>) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let window = 4 * rayon::current_num_threads() as u64;
    let block = block.max(1) as u64;
    let mut start = rows.start;
    while start < rows.end {
        let stop = rows.end.min(start + window * block);
        let count = (stop - start).div_ceil(block);
        let results: Vec<Result<R>> = (0..count)
            .into_par_iter()
            .map(|b| work(start + b * block..stop.min(start + (b + 1) * block)))
            .collect();
        for result in results {
            take(result?)?;
        }
        start = stop;
    }
    Ok(())
}

/// Applies `f` to blocks of the rows of `x` on all threads; `f` turns (n, d)
/// into (n, width).
pub fn map_rows<T: Scalar, U: Scalar>(
    x: ArrayView2<T>,
    width: usize,
    f: impl Fn(ArrayView2<T>) -> Array2<U> + Sync,
) -> Array2<U> {
    let block = block_size(x.nrows());
    let mut out = Array2::zeros((x.nrows(), width));
    out.axis_chunks_iter_mut(Axis(0), block)
        .into_par_iter()
        .zip(x.axis_chunks_iter(Axis(0), block))
        .for_each(|(mut out, x)| out.assign(&f(x)));
    out
}
