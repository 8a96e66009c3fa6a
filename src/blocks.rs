//! Work in blocks of rows: blocks are spread over all threads (a few have work
//! inside that is shared, too), and results are taken in order. A row's result
//! never depends on the block around it (see [`crate::linalg`]), so neither the
//! block size nor the thread count changes a byte.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc;

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
/// order, to `take`, which goes on beside the next ones' computation. At most a
/// few blocks a thread are held at a time.
///
/// To be called from outside the pool: the calling thread waits for the others,
/// and with one thread a worker would wait for itself.
pub fn in_order<R: Send>(
    rows: Range<u64>,
    block: usize,
    work: impl Fn(Range<u64>) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let ahead = 4 * rayon::current_num_threads();
    let block = block.max(1) as u64;
    let work = &work;
    rayon::in_place_scope_fifo(|scope| {
        let mut starts = rows.clone().step_by(block as usize);
        let mut begun = VecDeque::new();
        loop {
            while begun.len() < ahead
                && let Some(start) = starts.next()
            {
                let (done, result) = mpsc::sync_channel(1);
                scope.spawn_fifo(move |_| {
                    // Nobody waits for it once another block has failed.
                    let _ = done.send(work(start..rows.end.min(start + block)));
                });
                begun.push_back(result);
            }
            let Some(result) = begun.pop_front() else { return Ok(()) };
            // No result means a panic, with which the scope goes on.
            let Ok(result) = result.recv() else { return Ok(()) };
            take(result?)?;
        }
    })
}

/// Applies `f` to blocks of so many rows of `x` on all threads; `f` turns (n, d)
/// into (n, width).
pub fn map_rows<T: Scalar, U: Scalar>(
    x: ArrayView2<T>,
    block: usize,
    width: usize,
    f: impl Fn(ArrayView2<T>) -> Result<Array2<U>> + Sync,
) -> Result<Array2<U>> {
    let mut out = Array2::zeros((x.nrows(), width));
    out.axis_chunks_iter_mut(Axis(0), block)
        .into_par_iter()
        .zip(x.axis_chunks_iter(Axis(0), block))
        .try_for_each(|(mut out, x)| {
            out.assign(&f(x)?);
            anyhow::Ok(())
        })?;
    Ok(out)
}
