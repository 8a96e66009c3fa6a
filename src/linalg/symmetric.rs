//! Eigenvectors of large symmetric matrices, on all threads: the reduction to tridiagonal form by Householder's reflections
//! (Golub and Van Loan, §8.3), a panel of columns at a time, so that half of it are products; the tridiagonal problem by
//! `faer`; and the reflections taken back. Sums are cut by the size of the matrix alone, products by what changes none, so threads
//! change no bit.

use anyhow::{Result, anyhow};
use faer::diag::{DiagMut, DiagRef};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd;
use faer::{MatMut, Par};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};
use rayon::prelude::*;

use super::factor::TOO_LARGE;
use super::{accumulate, accumulate_moment, binary_unit, dot, product};
use crate::scalar::vectorized;

/// Columns of which the reflections are gathered before the rest of the matrix sees them.
const PANEL: usize = 32;

/// Reflections that are taken back together, and eigenvectors that a thread takes them back of.
const BLOCK: usize = 64;
const TILE: usize = 128;

/// Eigenvalues of a finite symmetric A, of which the lower triangle is read, from the least on, and its eigenvectors as
/// rows.
///
/// # Errors
/// When the iteration does not converge.
pub(super) fn eigen(a: ArrayView2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = a.nrows();
    // To entries below 2, so that no square is too large; a power of two takes no digit off.
    let unit = binary_unit(a.iter().fold(0.0, |m: f64, v| m.max(v.abs())));
    let mut a = a.as_standard_layout().mapv(|v| v * unit);
    let Tridiagonal { diagonal, beside, scales } = reduce(&mut a);
    let (values, vectors) = tridiagonal_eigen(&diagonal, &beside)?;
    let mut vectors = Array2::from_shape_vec((n, n), vectors)?;
    take_back(vectors.view_mut(), a.view(), &scales);
    Ok((Array1::from(values) / unit, vectors))
}

/// QᵀAQ, and the scales τ of the reflections I − τ v vᵀ whose product is Q.
struct Tridiagonal {
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    scales: Vec<f64>,
}

/// Reduces A; the vector v of the reflection for column c, whose first number is 1, is left in row c right of the diagonal.
fn reduce(a: &mut Array2<f64>) -> Tridiagonal {
    let n = a.nrows();
    let (mut diagonal, mut beside, mut scales) = (vec![0.0; n], vec![0.0; n - 1], vec![0.0; n - 1]);
    for from in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - from);
        // A − V Wᵀ − W Vᵀ is what the panel's reflections leave of A; their vectors are rows here.
        let mut v = Array2::<f64>::zeros((width, n - from));
        let mut w = v.clone();
        for i in 0..width {
            let c = from + i;
            let mut x = a.slice(s![c.., c]).to_owned();
            for p in 0..i {
                x.scaled_add(-w[[p, i]], &v.slice(s![p, i..]));
                x.scaled_add(-v[[p, i]], &w.slice(s![p, i..]));
            }
            diagonal[c] = x[0];
            if c + 1 == n {
                break;
            }
            let mut x = x.slice_move(s![1..]);
            (scales[c], beside[c]) = reflection(&mut x);
            let mut y = symmetric_times(a.slice(s![c + 1.., c + 1..]), &x);
            for p in 0..i {
                let (vp, wp) = (v.slice(s![p, i + 1..]), w.slice(s![p, i + 1..]));
                let (along_v, along_w) = (dot(vp, x.view()), dot(wp, x.view()));
                y.scaled_add(-along_w, &vp);
                y.scaled_add(-along_v, &wp);
            }
            y *= scales[c];
            let shared = 0.5 * scales[c] * dot(x.view(), y.view());
            y.scaled_add(-shared, &x);
            a.slice_mut(s![c, c + 1..]).assign(&x);
            v.slice_mut(s![i, i + 1..]).assign(&x);
            w.slice_mut(s![i, i + 1..]).assign(&y);
        }
        let rest = from + width;
        let (v, w) = (v.slice(s![.., width..]), w.slice(s![.., width..]));
        let left = concatenate![Axis(0), v, w].mapv_into(|v| -v);
        let right = concatenate![Axis(0), w, v];
        accumulate_moment(a.slice_mut(s![rest.., rest..]), left.view(), right.view(), true);
    }
    Tridiagonal { diagonal, beside, scales }
}

/// x ← v of the reflection I − τ v vᵀ that takes x to its first axis, v_1 = 1; gives τ and what stands there then.
fn reflection(x: &mut Array1<f64>) -> (f64, f64) {
    // Squares below lose digits, and the reflection would be none; beside entries of 1 they are nothing.
    const NOTHING: f64 = 1e-280;
    let first = x[0];
    x[0] = 0.0;
    let rest = dot(x.view(), x.view());
    let (scale, beta) = if rest < NOTHING {
        x.fill(0.0);
        (0.0, first)
    } else {
        let beta = -first.hypot(rest.sqrt()).copysign(first);
        *x /= first - beta;
        ((beta - first) / beta, beta)
    };
    x[0] = 1.0;
    (scale, beta)
}

/// Entries of a triangle that are worth a thread's time, and the most parts that it is cut into.
const WORTH: usize = 1 << 15;
const PARTS: usize = 16;

/// A x for a symmetric A of which the lower triangle is read, once: in parts of as many entries each, whose sums are
/// added in order.
fn symmetric_times(a: ArrayView2<f64>, x: &Array1<f64>) -> Array1<f64> {
    let n = a.nrows();
    let parts = (n * n / 2 / WORTH).clamp(1, PARTS);
    let start = |part: usize| ((part as f64 / parts as f64).sqrt() * n as f64) as usize;
    let x = x.as_slice().unwrap_or(&[]);
    let part = |part: usize| {
        vectorized(
            #[inline(always)]
            || rows_times(a, start(part), start(part + 1), x),
        )
    };
    let sums: Vec<Vec<f64>> =
        if parts == 1 { vec![part(0)] } else { (0..parts).into_par_iter().map(part).collect() };
    let mut y = Array1::zeros(n);
    for sum in sums {
        y.slice_mut(s![..sum.len()]).zip_mut_with(&Array1::from(sum), |y, v| *y += v);
    }
    y
}

/// What rows from..to of the lower triangle add to A x, four rows at a time.
#[inline(always)]
fn rows_times(a: ArrayView2<f64>, from: usize, to: usize, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; to];
    let row = |i: usize| a.slice_move(s![i, ..]).to_slice().unwrap_or(&[]);
    let mut i = from;
    while i + 4 <= to {
        let (before, own) = y.split_at_mut(i);
        let rows = [row(i), row(i + 1), row(i + 2), row(i + 3)];
        let sums = rows_and_columns(
            before,
            rows.map(|row| &row[..i]),
            &x[..i],
            [x[i], x[i + 1], x[i + 2], x[i + 3]],
        );
        for r in 0..4 {
            own[r] += sums[r] + rows[r][i + r] * x[i + r];
            for q in 0..r {
                own[r] += rows[r][i + q] * x[i + q];
                own[q] += rows[r][i + q] * x[i + r];
            }
        }
        i += 4;
    }
    for i in i..to {
        let (before, own) = y.split_at_mut(i);
        let [sum] = rows_and_columns(before, [&row(i)[..i]], &x[..i], [x[i]]);
        own[0] += sum + row(i)[i] * x[i];
    }
    y
}

/// y ← y + Aᵀw of the rows A, which gives A x.
#[inline(always)]
fn rows_and_columns<const R: usize>(y: &mut [f64], rows: [&[f64]; R], x: &[f64], w: [f64; R]) -> [f64; R] {
    const LANES: usize = 8;
    let mut sums = [[0.0; LANES]; R];
    let (y8, y_rest) = y.as_chunks_mut::<LANES>();
    let (x8, x_rest) = x.as_chunks::<LANES>();
    let (rows8, rests) =
        (rows.map(|row| row.as_chunks::<LANES>().0), rows.map(|row| row.as_chunks::<LANES>().1));
    let rows8 = rows8.map(|row| &row[..y8.len()]);
    for (j, (y, x)) in y8.iter_mut().zip(x8).enumerate() {
        // Copies, so that they stay in registers.
        let mut columns = *y;
        for r in 0..R {
            let (row, mut sum) = (rows8[r][j], sums[r]);
            for l in 0..LANES {
                sum[l] += row[l] * x[l];
                columns[l] += row[l] * w[r];
            }
            sums[r] = sum;
        }
        *y = columns;
    }
    let mut total = sums.map(|lanes| lanes.iter().sum::<f64>());
    for (j, (y, x)) in y_rest.iter_mut().zip(x_rest).enumerate() {
        for r in 0..R {
            total[r] += rests[r][j] * x;
            *y += rests[r][j] * w[r];
        }
    }
    total
}

/// Eigenvalues of a tridiagonal matrix, from the least on, and its eigenvectors one after the other.
fn tridiagonal_eigen(diagonal: &[f64], beside: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = diagonal.len();
    let (mut values, mut vectors) = (vec![0.0; n], vec![0.0; n * n]);
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(n, evd::ComputeEigenvectors::Yes, Par::Seq, Default::default());
    evd::tridiagonal_self_adjoint_evd(
        DiagRef::from_slice(diagonal),
        DiagRef::from_slice(beside),
        DiagMut::from_slice_mut(&mut values),
        Some(MatMut::from_column_major_slice_mut(&mut vectors, n, n)),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| anyhow!(TOO_LARGE))?;
    Ok((values, vectors))
}

/// Rows x ← x Qᵀ for the reflections that [`reduce`] left.
fn take_back(mut vectors: ArrayViewMut2<f64>, reflections: ArrayView2<f64>, scales: &[f64]) {
    let starts: Vec<usize> = (0..scales.len()).step_by(BLOCK).collect();
    for &from in starts.iter().rev() {
        let count = BLOCK.min(scales.len() - from);
        let mut v = reflections.slice(s![from..from + count, from + 1..]).to_owned();
        (0..count).for_each(|p| v.slice_mut(s![p, ..p]).fill(0.0));
        // The product of the reflections is I − Vᵀ T V (Schreiber and Van Loan, 1989).
        let gram = product(v.view(), v.t());
        let mut t = Array2::<f64>::zeros((count, count));
        for p in 0..count {
            t[[p, p]] = scales[from + p];
            let column = t.slice(s![..p, ..p]).dot(&gram.slice(s![..p, p])) * -scales[from + p];
            t.slice_mut(s![..p, p]).assign(&column);
        }
        let t = t.mapv_into(|v| -v);
        vectors.axis_chunks_iter_mut(Axis(0), TILE).into_par_iter().for_each(|mut x| {
            let mut x = x.slice_mut(s![.., from + 1..]);
            let along = product(product(x.view(), v.t()).view(), t.t());
            accumulate(x.view_mut(), along.view(), v.view());
        });
    }
}
