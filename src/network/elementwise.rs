//! Loops over the numbers of batches, one by one: vectorized, and on all threads
//! where there are many. Nothing is summed here, so neither changes a bit.

use rayon::prelude::*;

use crate::scalar::{Scalar, vectorized};

/// Numbers of one thread's turn; as many again are worth a second thread.
const CHUNK: usize = 1 << 14;

/// y_i ← f(a_i, b_i).
#[inline]
pub fn set<T: Scalar>(y: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) {
    each(y, a, b, |y, a, b| *y = f(a, b));
}

/// y_i ← y_i + f(a_i, b_i).
#[inline]
pub fn add<T: Scalar>(y: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) {
    each(y, a, b, |y, a, b| *y += f(a, b));
}

#[inline(always)]
fn each<T: Scalar>(y: &mut [T], a: &[T], b: &[T], f: impl Fn(&mut T, T, T) + Sync) {
    // In this form, and not with arrays of slices, the loop becomes vector instructions.
    let chunk = |y: &mut [T], a: &[T], b: &[T]| {
        vectorized(
            #[inline(always)]
            || y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| f(y, a, b)),
        );
    };
    if y.len() < 2 * CHUNK {
        return chunk(y, a, b);
    }
    let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    y.par_chunks_mut(CHUNK).zip(inputs).for_each(|(y, (a, b))| chunk(y, a, b));
}
