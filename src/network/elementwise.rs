//! Loops over the numbers of batches, one by one: vectorized, and on all threads
//! where there are many. Nothing is summed here, so neither changes a bit.

use rayon::prelude::*;

use crate::scalar::{Scalar, vectorized};

/// Numbers of one thread's turn; as many again are worth a second thread.
const CHUNK: usize = 1 << 14;

/// y_i ← f(x_i, …).
#[inline]
pub fn set<T: Scalar, const N: usize>(y: &mut [T], x: [&[T]; N], f: impl Fn([T; N]) -> T + Sync) {
    each(y, x, |y, x| *y = f(x));
}

/// y_i ← y_i + f(x_i, …).
#[inline]
pub fn add<T: Scalar, const N: usize>(y: &mut [T], x: [&[T]; N], f: impl Fn([T; N]) -> T + Sync) {
    each(y, x, |y, x| *y += f(x));
}

#[inline(always)]
fn each<T: Scalar, const N: usize>(y: &mut [T], x: [&[T]; N], f: impl Fn(&mut T, [T; N]) + Sync) {
    if y.len() < 2 * CHUNK {
        return chunk(y, x, &f);
    }
    y.par_chunks_mut(CHUNK).enumerate().for_each(|(i, y)| {
        let from = i * CHUNK;
        let to = from + y.len();
        chunk(y, x.map(|x| &x[from..to]), &f);
    });
}

#[inline(always)]
fn chunk<T: Scalar, const N: usize>(y: &mut [T], x: [&[T]; N], f: &impl Fn(&mut T, [T; N])) {
    let n = y.len();
    // Of one length, so that the loop needs no checks.
    let x = x.map(|x| &x[..n]);
    vectorized(
        #[inline(always)]
        || {
            for i in 0..n {
                f(&mut y[i], x.map(|x| x[i]));
            }
        },
    );
}
