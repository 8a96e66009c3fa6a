//! Work in blocks of rows: blocks are spread over all threads (a few have work
//! inside that is shared, too), and results are taken in order. A row's result
//! never depends on the block around it (see [`crate::linalg`]), so neither the
//! block size nor the thread count changes a byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::{Result, anyhow};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::scalar::Scalar;

/// Rows of one block, for a job of `rows` rows: at most 256, where products reach their full speed, and so many that
/// threads have about equal shares, where there are enough.
pub fn block_size(rows: usize) -> usize {
    const MOST: usize = 256;
    // Kernels take whole vectors, which fewer rows than these lose more by unequal shares than they gain by.
    const UNIT: usize = 16;
    const MANY: usize = MOST / 2;
    let threads = rayon::current_num_threads();
    let blocks = threads * rows.div_ceil(threads * MOST).max(1);
    let even = rows.div_ceil(blocks);
    if even > MANY { even.next_multiple_of(UNIT).min(MOST) } else { even.max(UNIT) }
}

/// Refuses work for which the system has no room: an allocation that fails ends the program without a word of ours.
/// `numbers` are factors of how many numbers of 8 bytes it takes, as flags and inputs give them.
///
/// # Errors
/// When it has not.
pub fn room(numbers: &[usize], what: &str) -> Result<()> {
    let count = numbers.iter().try_fold(1usize, |n, &m| n.checked_mul(m));
    count.filter(|&n| Vec::<f64>::new().try_reserve_exact(n).is_ok()).map(|_| ()).ok_or_else(|| {
        let gigabytes = numbers.iter().fold(8e-9, |n, &m| n * m as f64);
        anyhow!("{what}: {gigabytes:.1} GB do not fit in memory; make it smaller")
    })
}

/// Computes what `next` gives on all threads and hands each result, in order, to `take`, which goes on beside the
/// next ones' computation. At most a few blocks a thread are held at a time. After an error of `next` what came
/// before is still taken, so that which error is told does not depend on the number of threads.
///
/// To be called from outside the pool: the calling thread waits for the others,
/// and with one thread a worker would wait for itself.
pub fn in_order<B: Send, R: Send>(
    mut next: impl FnMut() -> Result<Option<B>>,
    work: impl Fn(B) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let work = &work;
    // What has begun and is not taken, the first first.
    let begun = RefCell::new(VecDeque::new());
    tasks_in_order(
        &mut || {
            let Some(block) = next()? else { return Ok(None) };
            let result = Arc::new(Mutex::new(None));
            begun.borrow_mut().push_back(Arc::clone(&result));
            Ok(Some(Box::new(move || {
                let done = work(block);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            })))
        },
        &mut || {
            let result: Option<Arc<Mutex<Option<Result<R>>>>> = begun.borrow_mut().pop_front();
            let done = result.and_then(|result| result.lock().unwrap_or_else(PoisonError::into_inner).take());
            done.map_or(Ok(()), |done| take(done?))
        },
    )
}

type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// [`in_order`] whatever blocks and results are, so that it is compiled once and not for each of a hundred loops:
/// `take` is called when the first task that has not been taken is done.
fn tasks_in_order<'a>(
    next: &mut dyn FnMut() -> Result<Option<Task<'a>>>,
    take: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let ahead = 4 * rayon::current_num_threads();
    rayon::in_place_scope_fifo(|scope| {
        let mut begun = VecDeque::new();
        // How the blocks ended, once they have.
        let mut end = None;
        loop {
            while begun.len() < ahead && end.is_none() {
                match next() {
                    Ok(Some(task)) => {
                        let (done, ended) = mpsc::sync_channel(1);
                        scope.spawn_fifo(move |_| {
                            task();
                            // Nobody waits for it once another block has failed.
                            let _ = done.send(());
                        });
                        begun.push_back(ended);
                    }
                    Ok(None) => end = Some(Ok(())),
                    Err(error) => end = Some(Err(error)),
                }
            }
            let Some(ended) = begun.pop_front() else { return end.unwrap_or(Ok(())) };
            // No end means a panic, with which the scope goes on.
            let Ok(()) = ended.recv() else { return Ok(()) };
            take()?;
        }
    })
}

/// `rows` in blocks of so many, cut at multiples of that, for [`in_order`].
pub fn ranges(rows: Range<u64>, block: usize) -> impl FnMut() -> Result<Option<Range<u64>>> {
    let block = block.max(1) as u64;
    let mut left = rows;
    move || {
        let stop = left.end.min((left.start / block).saturating_add(1).saturating_mul(block));
        let next = left.start..stop.max(left.start);
        left.start = next.end;
        Ok(Some(next).filter(|next| next.start < next.end))
    }
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
