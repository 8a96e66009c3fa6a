//! The one door to matrix products and factorizations.
//!
//! Products run on [`gemm`], or a kernel of faer's, sequentially: parallel work is over blocks of rows
//! ([`crate::blocks`]). Every entry of a product is one fixed sequence of
//! fused multiply-adds along the inner dimension, whatever the number of rows
//! or columns around it, so a row's result is the same bits alone, in a block
//! and in a shard. Factorizations are `f64`, by `faer`, one thread each,
//! because their last bits depend on the thread count; eigenvectors of large symmetric matrices
//! take all threads, whose number changes no sum.

mod factor;
mod symmetric;

pub use factor::{
    complete_basis, divide_by_symmetric, fix_signs, inverse_cholesky, largest_eigenvalue,
    leading_right_vectors, orthonormal_rows, orthonormal_rows_by_parts, orthonormalize, polar, right_svd,
    singular_values, symmetric_eigen, thin_svd, turn_rows,
};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, CowArray, Ix2, s};

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
use crate::scalar::Dtype;
use crate::scalar::{Scalar, sum_by, vectorized};

/// Longest inner dimension given to the kernel at once. `gemm` splits longer
/// ones by a rule that depends on the shape and the processor, which would
/// change the order of additions; we split them ourselves, evenly.
const MAX_INNER: usize = 512;

/// Sums of fewer products than these are added one by one.
const SHORT: usize = 3;

/// Below this many entries `gemm` takes a dot-product kernel, with another
/// order of additions, when both factors run along the inner dimension.
const DOT_KERNEL_ENTRIES: usize = 16 * 16;

/// A·B, for A of (m, k) and B of (k, n) in any memory layout.
pub fn product<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>) -> Array2<T> {
    let mut c = Array2::zeros((a.nrows(), b.ncols()));
    multiply(c.view_mut(), a, b, Onto::Zeros);
    c
}

/// C ← A·B, whatever C holds: it is written and, but for single rows and columns, not read.
pub fn assign_product<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>) {
    if a.ncols() < SHORT {
        c.fill(T::zero());
    }
    multiply(c, a, b, Onto::Zeros);
}

/// A·B, large ones by tiles of rows of A on all threads, which change no bit.
pub fn product_wide<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>) -> Array2<T> {
    let (m, k) = a.dim();
    let tile = m.div_ceil(rayon::current_num_threads()).next_multiple_of(MIN_TILE);
    if tile >= m || m * k * b.ncols() < MIN_SHARED {
        return product(a, b);
    }
    let mut c = Array2::zeros((m, b.ncols()));
    let tiles = c.axis_chunks_iter_mut(Axis(0), tile).into_par_iter().zip(a.axis_chunks_iter(Axis(0), tile));
    tiles.for_each(|(c, a)| multiply(c, a, b, Onto::Zeros));
    c
}

/// What a product is added to. Zeros are written and not read: memory that is zero because nothing has been written to it
/// is got by two faults a page if it is read first, the second of which stops all threads.
#[derive(Clone, Copy, PartialEq)]
enum Onto {
    Zeros,
    Sums,
}

/// C ← C + A·B.
///
/// # Panics
/// When the shapes do not fit: a programming error, never a matter of data.
pub fn accumulate<T: Scalar>(c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>) {
    multiply(c, a, b, Onto::Sums);
}

/// C ← C + A·B for what C is.
fn multiply<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>, onto: Onto) {
    let (m, k) = a.dim();
    let n = b.ncols();
    assert!(b.nrows() == k && c.dim() == (m, n), "shapes of a product");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    // Single rows and columns, and very short sums, take kernels of their own
    // with another rounding: give them the general one.
    if k < SHORT {
        return outer_sum(c, a, b);
    }
    if m == 1 {
        let a2 = stacked(a.row(0));
        let mut c2 = stacked(c.row(0));
        multiply(c2.view_mut(), a2.view(), b, onto);
        return c.row_mut(0).assign(&c2.row(0));
    }
    if n == 1 {
        let b2 = stacked(b.column(0));
        let mut c2 = stacked(c.column(0));
        multiply(c2.view_mut().reversed_axes(), a, b2.t(), onto);
        return c.column_mut(0).assign(&c2.row(0));
    }
    // `gemm` sums from the other end where memory runs backwards along the
    // inner dimension. As it looks at it, either factor may be the left one.
    let a = if a.strides()[1] < 0 { rewritten(a) } else { CowArray::from(a) };
    let dots = m * n <= DOT_KERNEL_ENTRIES && b.strides()[0] == 1;
    let b = if b.strides()[0] < 0 || dots { rewritten(b) } else { CowArray::from(b) };
    for (from, to) in pieces(k) {
        let onto = if from == 0 { onto } else { Onto::Sums };
        kernel(c.view_mut(), a.slice(s![.., from..to]), b.slice(s![from..to, ..]), onto);
    }
}

/// An inner dimension in even pieces of [`MAX_INNER`] at most.
fn pieces(k: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = k.div_ceil(MAX_INNER);
    (0..count).map(move |piece| (piece * k / count, (piece + 1) * k / count))
}

/// C ← C + A·B, large ones by tiles of columns on all threads. Tiles do not
/// change a bit, so their width may follow the number of threads.
pub fn accumulate_wide<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>) {
    let threads = rayon::current_num_threads();
    let (m, n) = c.dim();
    let tile = n.div_ceil(threads).next_multiple_of(MIN_TILE);
    if threads == 1 || tile >= n || m * n * a.ncols() < MIN_SHARED {
        return accumulate(c, a, b);
    }
    c.axis_chunks_iter_mut(Axis(1), tile)
        .into_par_iter()
        .zip(b.axis_chunks_iter(Axis(1), tile))
        .for_each(|(c, b)| accumulate(c, a, b));
}

/// C ← C + AᵀB of (n, d) each, by strips of rows of C on all threads; with `lower`, of a symmetric C only what tiles on
/// and below the diagonal hold.
pub fn accumulate_moment<T: Scalar>(c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>, lower: bool) {
    moment(c, a, b, lower, Onto::Sums);
}

/// A·Aᵀ, on and below the diagonal, on all threads.
pub fn lower_gram<T: Scalar>(a: ArrayView2<T>) -> Array2<T> {
    let mut gram = Array2::zeros((a.nrows(), a.nrows()));
    moment(gram.view_mut(), a.t(), a.t(), true, Onto::Zeros);
    gram
}

fn moment<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>, lower: bool, onto: Onto) {
    // As many strips as threads, or times as many: with one left over, others would wait for it. They change no bit.
    let (threads, d) = (rayon::current_num_threads(), c.nrows());
    let high = if d <= STRIP {
        STRIP
    } else {
        d.div_ceil(threads * d.div_ceil(threads * STRIP)).next_multiple_of(16)
    };
    c.axis_chunks_iter_mut(Axis(0), high).into_par_iter().enumerate().for_each(|(i, mut strip)| {
        let (from, to) = (i * high, i * high + strip.nrows());
        let left = a.slice(s![.., from..to]).reversed_axes();
        if lower {
            multiply(strip.slice_mut(s![.., ..from]), left, b.slice(s![.., ..from]), onto);
            multiply_lower(strip.slice_mut(s![.., from..to]), left, b.slice(s![.., from..to]), onto);
        } else {
            multiply(strip, left, b, onto);
        }
    });
}

/// C ← C + A·B for a square C, of which what is above the diagonal may be left as it was.
fn multiply_lower<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>, onto: Onto) {
    #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
    if large(&c)
        && a.ncols() >= SHORT
        && a.strides().iter().chain(b.strides()).all(|s| *s > 0)
        && pulp::x86::V4::is_available()
    {
        for (from, to) in pieces(a.ncols()) {
            let (a, b) = (a.slice(s![.., from..to]), b.slice(s![from..to, ..]));
            let onto = if from == 0 { onto } else { Onto::Sums };
            kernel_of_rows(c.view_mut(), a, b, onto, private_gemm_x86::DstKind::Lower);
        }
        return;
    }
    // Low strips have little above the diagonal.
    for (i, mut strip) in c.axis_chunks_iter_mut(Axis(0), LOW).enumerate() {
        let (from, to) = (i * LOW, i * LOW + strip.nrows());
        multiply(strip.slice_mut(s![.., ..to]), a.slice(s![from..to, ..]), b.slice(s![.., ..to]), onto);
    }
}

/// Rows that the kernel takes together, times a few.
const LOW: usize = 48;

/// Rows of a moment that a thread works on, at most.
const STRIP: usize = 256;

/// Multiplications below which a product is not worth sharing (a quarter of a
/// millisecond's half), and the width below which tiles lose speed.
const MIN_SHARED: usize = 1 << 21;
const MIN_TILE: usize = 64;

/// sums ← sums + column sums of x.
pub fn add_column_sums<T: Scalar>(sums: &mut [T], x: ArrayView2<T>) {
    // Short runs in T, their sums in f64: fixed order, little rounding.
    const RUN: usize = 64;
    let mut total = vec![0.0; sums.len()];
    let mut run = vec![T::zero(); sums.len()];
    for rows in x.axis_chunks_iter(Axis(0), RUN) {
        run.fill(T::zero());
        vectorized(|| {
            for row in rows.outer_iter() {
                match row.to_slice() {
                    Some(row) => run.iter_mut().zip(row).for_each(|(s, &v)| *s += v),
                    None => run.iter_mut().zip(row).for_each(|(s, &v)| *s += v),
                }
            }
        });
        total.iter_mut().zip(&run).for_each(|(t, v)| *t += v.wide());
    }
    sums.iter_mut().zip(total).for_each(|(s, t)| *s += T::of(t));
}

/// Column means, summed in f64: by blocks of rows on all threads, added in order.
pub fn column_means<T: Scalar>(x: ArrayView2<T>) -> Array1<f64> {
    const BLOCK: usize = 1024;
    let parts: Vec<Array1<f64>> = x
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|rows| {
            let rows = rows.as_standard_layout();
            let mut sums = Array1::zeros(rows.ncols());
            if let (Some(sums), Some(numbers)) = (sums.as_slice_mut(), rows.as_slice()) {
                vectorized(
                    #[inline(always)]
                    || {
                        for row in numbers.chunks_exact(sums.len().max(1)) {
                            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v.wide());
                        }
                    },
                );
            }
            sums
        })
        .collect();
    let zero = Array1::zeros(x.ncols());
    parts.iter().fold(zero, |sum, part| sum + part) / x.nrows().max(1) as f64
}

/// Whether rows differ by more than their numbers are rounded: against the first, as a mean is rounded too.
pub fn varies(x: ArrayView2<f64>) -> bool {
    // Some units in the last place, which making rows of length 1 leaves.
    const ROUNDING: f64 = 1e-14;
    let Some(first) = x.outer_iter().next() else { return false };
    let most = ROUNDING * first.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    x.outer_iter().any(|row| row.iter().zip(first).any(|(a, b)| (a - b).abs() > most))
}

/// The power of two that brings a number > 0 to between 1 and 2, and takes no digit off it; 1 for others.
pub fn binary_unit(number: f64) -> f64 {
    if number > 0.0 && number.is_finite() { (-number.log2().floor()).min(1023.0).exp2() } else { 1.0 }
}

/// The number of the largest, of equal ones the first; 0 of none.
pub fn argmax(numbers: impl IntoIterator<Item = f64>) -> usize {
    let later = |best: (usize, f64), (k, v): (usize, f64)| if v > best.1 { (k, v) } else { best };
    numbers.into_iter().enumerate().fold((0, f64::NEG_INFINITY), later).0
}

/// The matrix, row after row in memory.
fn rewritten<T: Scalar>(x: ArrayView2<T>) -> CowArray<T, Ix2> {
    CowArray::from(x.as_standard_layout().into_owned())
}

/// The vector twice, as the rows of a matrix.
fn stacked<T: Scalar>(v: ArrayView1<T>) -> Array2<T> {
    let mut two = Array2::zeros((2, v.len()));
    two.axis_iter_mut(Axis(0)).for_each(|mut row| row.assign(&v));
    two
}

fn outer_sum<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>) {
    for (mut ci, ai) in c.outer_iter_mut().zip(a.outer_iter()) {
        for (&w, bl) in ai.iter().zip(b.outer_iter()) {
            ci.zip_mut_with(&bl, |x, &y| *x += w * y);
        }
    }
}

#[expect(unsafe_code, reason = "kernels take pointers; of products, this and `kernel_of_rows` are all")]
fn kernel<T: Scalar>(mut c: ArrayViewMut2<T>, a: ArrayView2<T>, b: ArrayView2<T>, onto: Onto) {
    #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
    if along_inner(&c, &a, &b) && pulp::x86::V4::is_available() {
        return kernel_of_rows(c, a, b, onto, private_gemm_x86::DstKind::Full);
    }
    let (m, k) = a.dim();
    let n = b.ncols();
    let (c_rows, c_cols) = (c.strides()[0], c.strides()[1]);
    // SAFETY: `gemm` reads a[i, l] and b[l, j] and reads and writes c[i, j] for
    // i < m, l < k, j < n at pointer + i·row stride + j·column stride. The
    // three views are live for the call and have exactly those shapes (checked
    // in `multiply`) and strides; `c` is borrowed mutably, so it overlaps
    // neither factor, and a mutable view never maps two entries to one place.
    // T is f32 or f64, the types `gemm` dispatches on.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_cols,
            c_rows,
            onto == Onto::Sums,
            a.as_ptr(),
            a.strides()[1],
            a.strides()[0],
            b.as_ptr(),
            b.strides()[1],
            b.strides()[0],
            T::one(),
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Rows and columns of a product from which [`kernel_of_rows`] is not slower.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
const ALONG_INNER: usize = 128;

/// Whether both factors are in memory along the inner dimension, as rows x and y are for xᵀy.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
fn along_inner<T>(c: &ArrayViewMut2<T>, a: &ArrayView2<T>, b: &ArrayView2<T>) -> bool {
    let (a, b) = (a.strides(), b.strides());
    large(c) && (a[1], b[0]) == (1, 1) && a[0] > 0 && b[1] > 0
}

/// Whether a product is large enough for [`kernel_of_rows`], and along memory one way.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
fn large<T>(c: &ArrayViewMut2<T>) -> bool {
    c.nrows().min(c.ncols()) >= ALONG_INNER && (c.strides()[0] == 1 || c.strides()[1] == 1)
}

/// [`kernel`] for rows in both factors, which `gemm` packs for AVX-512 at two thirds of the speed, or for no more than one
/// triangle of C: the kernel of faer, which makes the same sums of fused multiply-adds, so the same bits.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
#[expect(unsafe_code, reason = "as in `kernel`")]
fn kernel_of_rows<T: Scalar>(
    mut c: ArrayViewMut2<T>,
    a: ArrayView2<T>,
    b: ArrayView2<T>,
    onto: Onto,
    part: private_gemm_x86::DstKind,
) {
    use private_gemm_x86::{Accum, DType, IType, InstrSet};
    use std::ptr::{from_ref, null};
    let dtype = match T::DTYPE {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
    };
    let one = T::one();
    let (c_rows, c_columns) = (c.strides()[0], c.strides()[1]);
    // SAFETY: the processor has AVX-512 (asked by callers). What is read are a[i, l] and b[l, j], and what is read and
    // written is c[i, j], for i < m, l < k, j < n at pointer + i·row stride + j·column stride, strides in numbers of
    // `dtype`, which is T's: the views are live for the call and have exactly those shapes (checked in `multiply`) and
    // strides, and `c` is borrowed mutably, so it overlaps neither factor and maps no two entries to one place. Null
    // stands for no places of rows and columns and for no diagonal between the factors; α is a T that is live.
    unsafe {
        private_gemm_x86::gemm(
            dtype,
            IType::U64,
            InstrSet::Avx512,
            a.nrows(),
            b.ncols(),
            a.ncols(),
            c.as_mut_ptr().cast(),
            c_rows,
            c_columns,
            null(),
            null(),
            part,
            if onto == Onto::Sums { Accum::Add } else { Accum::Replace },
            a.as_ptr().cast(),
            a.strides()[0],
            a.strides()[1],
            false,
            null(),
            0,
            b.as_ptr().cast(),
            b.strides()[0],
            b.strides()[1],
            false,
            from_ref(&one).cast(),
            1,
        );
    }
}

/// Euclidean norms squared of the rows, summed in f64.
pub fn squared_norms<T: Scalar>(x: ArrayView2<T>) -> Array1<f64> {
    x.outer_iter().map(|row| dot(row, row)).collect()
}

/// Inner product, summed in f64 in eight interleaved parts (so that it
/// vectorizes and its order is fixed).
pub fn dot<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> f64 {
    sum_of(a, b, |x, y| x * y)
}

/// ‖a − b‖², by differences: no digits are lost when a is near b.
pub fn squared_distance<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> f64 {
    sum_of(a, b, |x, y| (x - y) * (x - y))
}

#[inline(always)]
fn sum_of<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>, term: impl Fn(f64, f64) -> f64) -> f64 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => vectorized(
            #[inline(always)]
            || sum_by(a, b, term),
        ),
        _ => sum_of(a.to_owned().view(), b.to_owned().view(), term),
    }
}

/// The matrix in another number type.
pub fn cast<A: Scalar, B: Scalar>(x: ArrayView2<A>) -> Array2<B> {
    x.mapv(|v| B::of(v.wide()))
}
