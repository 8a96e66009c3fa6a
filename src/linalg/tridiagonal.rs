//! The whole spectrum of a large symmetric matrix on all threads, the same bits on any number of them: Householder's
//! reduction to tridiagonal form in panels (Dongarra, Hammarling and Sorensen 1989, LAPACK's `sytrd`), `faer`'s divide and
//! conquer of the tridiagonal matrix on one thread, and the reflections applied to its eigenvectors. What is shared are
//! strips of rows of a fixed size, whose sums are added in order.

use anyhow::{Context, Result, anyhow};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::{Mat, Par};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};
use rayon::prelude::*;

use super::factor::TOO_LARGE;
use super::{accumulate, dot, product};
use crate::scalar::vectorized;

/// Columns that are reduced before the rest of the matrix follows.
const PANEL: usize = 32;

/// Rows that a thread works on.
const STRIP: usize = 128;

/// Eigenvalues in rising order and the eigenvectors as rows, of a matrix given by its lower triangle, whose entries
/// are about 1 or smaller, so that their squares stay numbers.
pub(super) fn eigen(a: Array2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let Reduced { diagonal, below, panels } = reduce(a)?;
    let (values, mut vectors) = tridiagonal_eigen(&diagonal, &below)?;
    vectors.axis_chunks_iter_mut(Axis(0), STRIP).into_par_iter().for_each(|mut rows| {
        panels.iter().rev().for_each(|panel| panel.reflect(&mut rows));
    });
    Ok((values, vectors))
}

/// A = Q T Qᵀ with T tridiagonal and Q the product of the panels.
struct Reduced {
    diagonal: Vec<f64>,
    below: Vec<f64>,
    panels: Vec<Panel>,
}

/// The product of some reflections, I − V S Vᵀ, in the coordinates from `first` on.
struct Panel {
    first: usize,
    /// Vᵀ: a vector a row.
    v: Array2<f64>,
    /// Upper triangular.
    s: Array2<f64>,
}

impl Panel {
    /// Every row x becomes (I − V S Vᵀ) x.
    fn reflect(&self, rows: &mut ArrayViewMut2<f64>) {
        let mut part = rows.slice_mut(s![.., self.first..]);
        let along = product(part.view(), self.v.t());
        let taken = product(along.view(), self.s.t());
        accumulate(part.view_mut(), (-taken).view(), self.v.view());
    }
}

fn reduce(mut a: Array2<f64>) -> Result<Reduced> {
    let n = a.nrows();
    let (mut diagonal, mut below, mut panels) = (vec![0.0; n], vec![0.0; n], Vec::new());
    let mut sums = Array2::zeros((n.div_ceil(STRIP), n));
    for start in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - start);
        // Rows v_j and w_j, in the coordinates from `start` on: what A has become since is A − V Wᵀ − W Vᵀ.
        let mut v = Array2::<f64>::zeros((width, n - start));
        let mut w = v.clone();
        let mut taus = vec![0.0; width];
        for j in 0..width {
            let k = start + j;
            let mut column = a.slice(s![k.., k]).to_owned();
            for i in 0..j {
                column.scaled_add(-w[[i, j]], &v.slice(s![i, j..]));
                column.scaled_add(-v[[i, j]], &w.slice(s![i, j..]));
            }
            diagonal[k] = column[0];
            if k + 1 == n {
                break;
            }
            let mut x = column.slice(s![1..]).to_owned();
            (taus[j], below[k]) = reflector(&mut x);
            let numbers = a.as_slice().context("bug: not in standard layout")?;
            let mut y = times(numbers, n, x.as_slice().unwrap_or_default(), &mut sums);
            for i in 0..j {
                let (past_v, past_w) = (v.slice(s![i, j + 1..]), w.slice(s![i, j + 1..]));
                let (along_v, along_w) = (dot(past_v, x.view()), dot(past_w, x.view()));
                y.scaled_add(-along_w, &past_v);
                y.scaled_add(-along_v, &past_w);
            }
            y *= taus[j];
            let along = dot(y.view(), x.view());
            y.scaled_add(-0.5 * taus[j] * along, &x);
            v.slice_mut(s![j, j + 1..]).assign(&x);
            w.slice_mut(s![j, j + 1..]).assign(&y);
        }
        let rest = start + width;
        subtract(a.slice_mut(s![rest.., rest..]), v.slice(s![.., width..]), w.slice(s![.., width..]));
        // A vector begins one below the column that it takes to zero.
        let v = v.slice(s![.., 1..]).to_owned();
        panels.push(Panel { first: start + 1, s: factor(v.view(), &taus), v });
    }
    Ok(Reduced { diagonal, below, panels })
}

/// The reflection I − τ v vᵀ, v_0 = 1, that takes x to (β, 0 … 0): v in place of x; τ and β.
fn reflector(x: &mut Array1<f64>) -> (f64, f64) {
    let (alpha, rest) = (x[0], x.slice(s![1..]));
    let tail = dot(rest, rest);
    x[0] = 1.0;
    if tail == 0.0 {
        return (0.0, alpha);
    }
    let beta = -alpha.signum() * (alpha * alpha + tail).sqrt();
    x.slice_mut(s![1..]).mapv_inplace(|v| v / (alpha - beta));
    ((beta - alpha) / beta, beta)
}

/// S of I − V S Vᵀ = Π (I − τ_j v_j v_jᵀ), column by column, of the rows v_j.
fn factor(v: ArrayView2<f64>, taus: &[f64]) -> Array2<f64> {
    let gram = product(v, v.t());
    let mut factor = Array2::zeros(gram.raw_dim());
    for (j, &tau) in taus.iter().enumerate() {
        let before = factor.slice(s![..j, ..j]).dot(&gram.slice(s![..j, j])) * -tau;
        factor.slice_mut(s![..j, j]).assign(&before);
        factor[[j, j]] = tau;
    }
    factor
}

/// A x of the last rows and columns of a symmetric matrix, as many as x has, given by its lower triangle: every strip
/// of rows adds what its entries give on both sides of the diagonal, in a line of `sums` of its own.
fn times(a: &[f64], n: usize, x: &[f64], sums: &mut Array2<f64>) -> Array1<f64> {
    let (size, first) = (x.len(), n - x.len());
    let strips = size.div_ceil(STRIP);
    let end = |strip: usize| size.min((strip + 1) * STRIP);
    let lines = sums.as_slice_mut().unwrap_or_default().par_chunks_mut(n).take(strips);
    lines.enumerate().for_each(|(strip, line)| {
        let line = &mut line[..end(strip)];
        line.fill(0.0);
        vectorized(
            #[inline(always)]
            || {
                for i in strip * STRIP..end(strip) {
                    let row = &a[(first + i) * n + first..][..i + 1];
                    line[i] += row[i] * x[i] + both(&row[..i], &x[..i], x[i], &mut line[..i]);
                }
            },
        );
    });
    let mut y = Array1::zeros(size);
    for (strip, line) in sums.outer_iter().take(strips).enumerate() {
        let mut part = y.slice_mut(s![..end(strip)]);
        part += &line.slice(s![..end(strip)]);
    }
    y
}

/// Σ row_j x_j, while line ← line + row·y.
#[inline(always)]
fn both(row: &[f64], x: &[f64], y: f64, line: &mut [f64]) -> f64 {
    const LANES: usize = 16;
    let mut parts = [0.0; LANES];
    let (row_full, row_rest) = row.as_chunks::<LANES>();
    let (x_full, x_rest) = x.as_chunks::<LANES>();
    let (line_full, line_rest) = line.as_chunks_mut::<LANES>();
    for ((r, x), l) in row_full.iter().zip(x_full).zip(line_full) {
        for i in 0..LANES {
            parts[i] += r[i] * x[i];
            l[i] += r[i] * y;
        }
    }
    let mut rest = 0.0;
    for ((r, x), l) in row_rest.iter().zip(x_rest).zip(line_rest) {
        rest += r * x;
        *l += r * y;
    }
    parts.iter().sum::<f64>() + rest
}

/// A ← A − V Wᵀ − W Vᵀ on and below the diagonal, of the rows v_j and w_j.
fn subtract(mut a: ArrayViewMut2<f64>, v: ArrayView2<f64>, w: ArrayView2<f64>) {
    let (left, right) = (-concatenate![Axis(0), v, w], concatenate![Axis(0), w, v]);
    a.axis_chunks_iter_mut(Axis(0), STRIP).into_par_iter().enumerate().for_each(|(i, mut strip)| {
        let (from, to) = (i * STRIP, i * STRIP + strip.nrows());
        accumulate(
            strip.slice_mut(s![.., ..to]),
            left.slice(s![.., from..to]).t(),
            right.slice(s![.., ..to]),
        );
    });
}

/// Eigenvalues in rising order, and eigenvectors as rows.
fn tridiagonal_eigen(diagonal: &[f64], below: &[f64]) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = diagonal.len();
    let of = |values: &[f64]| {
        let mut held = Diag::<f64>::zeros(n);
        values.iter().enumerate().for_each(|(i, v)| held[i] = *v);
        held
    };
    let (diagonal, below, mut values) = (of(diagonal), of(below), Diag::<f64>::zeros(n));
    let mut vectors = Mat::<f64>::zeros(n, n);
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    tridiagonal_self_adjoint_evd(
        diagonal.as_ref(),
        below.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| anyhow!(TOO_LARGE))?;
    let values = Array1::from_shape_fn(n, |i| values[i]);
    Ok((values, Array2::from_shape_fn((n, n), |(i, j)| vectors[(j, i)])))
}
