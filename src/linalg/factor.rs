//! Factorizations, in f64: eigenvalues, singular values, orthonormal bases.

use anyhow::{Context, Result, anyhow, ensure};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::solvers::{Llt, Solve};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Mat, MatMut, MatRef, Par, Side};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};
use rand::Rng;
use rayon::prelude::*;

use super::{accumulate_wide, product, symmetric};
use crate::random::{Purpose, row_rng, standard_normals};

fn to_faer(a: ArrayView2<f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

/// The matrix, of whose size alone a factorization may complain.
fn finite(a: ArrayView2<f64>) -> Result<Mat<f64>> {
    ensure!(a.iter().all(|x| x.is_finite()), TOO_LARGE);
    Ok(to_faer(a))
}

pub(super) const TOO_LARGE: &str =
    "numbers too large to factorize (their squares are beyond f64); give them in another unit";

fn from_faer(a: MatRef<f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

/// Rows that a thread solves for at once.
const SOLVED: usize = 128;

/// B ← B A⁻¹ for a symmetric positive definite A (d, d), of which the lower triangle is read, and B (m, d), in standard
/// layout: by Cholesky's factor, in memory d² besides. Returns the least pivot as a share of A's diagonal there, 1 − R²
/// of that coordinate on those before: near the unit of rounding, A is singular for all that can be told. Where it is
/// not positive definite that is 0, and B as it was.
///
/// # Errors
/// When A is not finite.
pub fn divide_by_symmetric(b: &mut Array2<f64>, a: ArrayView2<f64>) -> Result<f64> {
    let d = b.ncols();
    let Some(factor) = cholesky(a)? else { return Ok(0.0) };
    let pivot = (0..d).map(|i| factor.L()[(i, i)].powi(2) / a[[i, i]]).fold(1.0, f64::min);
    // Rows of B are columns of Bᵀ, and A Xᵀ = Bᵀ.
    let transposed = b.as_slice_mut().context("bug: not in standard layout")?;
    transposed.par_chunks_mut((SOLVED * d).max(1)).for_each(|part| {
        let rows = part.len() / d;
        factor.solve_in_place(MatMut::from_column_major_slice_mut(part, d, rows));
    });
    Ok(pivot)
}

/// Cholesky's factor of a symmetric A, of which the lower triangle is read; none where it is not positive definite.
fn cholesky(a: ArrayView2<f64>) -> Result<Option<Llt<f64>>> {
    ensure!(a.iter().all(|x| x.is_finite()), TOO_LARGE);
    let a = a.as_standard_layout();
    let factor = match a.as_slice() {
        Some(rows) => MatRef::from_row_major_slice(rows, a.nrows(), a.ncols()).llt(Side::Lower),
        None => to_faer(a.view()).llt(Side::Lower),
    };
    Ok(factor.ok())
}

/// L⁻¹ of a symmetric A = L Lᵀ, of which the lower triangle is read; none where A is not positive definite, or not finite.
pub fn inverse_cholesky(a: ArrayView2<f64>) -> Option<Array2<f64>> {
    let factor = cholesky(a).ok()??;
    let mut inverse = Mat::zeros(a.nrows(), a.nrows());
    invert_lower_triangular(inverse.as_mut(), factor.L(), Par::Seq);
    Some(from_faer(inverse.as_ref()))
}

/// Rows and columns from which a symmetric matrix is worth the work of all threads.
const WIDE: usize = 1024;

/// Eigenvalues of a symmetric matrix, largest first, and its eigenvectors as
/// columns in that order. The sign of each vector is fixed by making its
/// entry of largest magnitude positive.
///
/// # Errors
/// When the iteration does not converge, which takes entries that are not finite or whose squares are not.
pub fn symmetric_eigen(a: ArrayView2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = a.nrows();
    if n >= WIDE {
        ensure!(a.iter().all(|x| x.is_finite()), TOO_LARGE);
        let (values, mut rows) = symmetric::eigen(a)?;
        fix_signs(rows.view_mut().reversed_axes());
        let mut vectors = Array2::zeros((n, n));
        let parts = vectors.axis_chunks_iter_mut(Axis(0), SOLVED).into_par_iter();
        let parts = parts.zip(rows.axis_chunks_iter(Axis(1), SOLVED));
        parts.for_each(|(mut part, rows)| part.assign(&rows.slice(s![..;-1, ..]).t()));
        return Ok((values.slice(s![..;-1]).to_owned(), vectors));
    }
    let evd = finite(a)?.self_adjoint_eigen(Side::Lower).map_err(|_| anyhow!(TOO_LARGE))?;
    let (values, vectors) = (evd.S().column_vector(), evd.U());
    let values = Array1::from_shape_fn(n, |i| values[n - 1 - i]);
    let mut vectors = Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, n - 1 - j)]);
    fix_signs(vectors.view_mut());
    Ok((values, vectors))
}

/// A = U diag(s) Vᵀ with min(m, n) singular values, largest first; returns
/// (U, s, V), vectors as columns.
pub fn thin_svd(a: ArrayView2<f64>) -> Result<(Array2<f64>, Array1<f64>, Array2<f64>)> {
    let svd = finite(a)?.thin_svd().map_err(|_| anyhow!(TOO_LARGE))?;
    let s = svd.S().column_vector();
    let s = Array1::from_shape_fn(s.nrows(), |i| s[i]);
    Ok((from_faer(svd.U()), s, from_faer(svd.V())))
}

/// Rows from which `faer` divides a wide matrix more than once, in sums of another order if U is not asked for.
const DIVIDED: usize = 256;

/// s (min(m, n)) and V (n, min(m, n)) of [`thin_svd`] of A (m, n), to the bit, without the work for U where that changes none.
///
/// # Errors
/// As there: numbers that are not finite, or whose squares are not.
pub fn right_svd(a: ArrayView2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let (m, n) = a.dim();
    if m < n && m >= DIVIDED {
        let (_, s, v) = thin_svd(a)?;
        return Ok((s, v));
    }
    let (mut s, mut v) = (Diag::zeros(m.min(n)), Mat::zeros(n, m.min(n)));
    let (none, thin) = (ComputeSvdVectors::No, ComputeSvdVectors::Thin);
    let mut room = MemBuffer::new(svd_scratch::<f64>(m, n, none, thin, Par::Seq, Default::default()));
    svd(
        finite(a)?.as_ref(),
        s.as_mut(),
        None,
        Some(v.as_mut()),
        Par::Seq,
        MemStack::new(&mut room),
        Default::default(),
    )
    .map_err(|_| anyhow!(TOO_LARGE))?;
    let s = s.column_vector();
    Ok((Array1::from_shape_fn(s.nrows(), |i| s[i]), from_faer(v.as_ref())))
}

/// Singular values alone, largest first.
pub fn singular_values(a: ArrayView2<f64>) -> Result<Array1<f64>> {
    let s = finite(a)?.singular_values().map_err(|_| anyhow!(TOO_LARGE))?;
    Ok(Array1::from(s))
}

/// The factor Q of A = QR whose R has a positive diagonal: for a Gaussian
/// matrix A this is uniform on the orthonormal frames, and its first columns
/// do not depend on the later ones of A.
pub fn orthonormalize(a: ArrayView2<f64>) -> Array2<f64> {
    let (q, _) = orthonormal_rows(a.t().as_standard_layout().into_owned());
    q.t().as_standard_layout().into_owned()
}

/// Qᵀ and R of Aᵀ = QR, of the rows of A (r, d) in standard layout, R with a positive diagonal: (min(r, d), d) and (min(r,
/// d), r). Takes no more than twice the memory of A, with A itself.
pub fn orthonormal_rows(a: Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let (r, d) = a.dim();
    let qr = match a.as_slice() {
        Some(rows) => MatRef::from_column_major_slice(rows, d, r).qr(),
        None => to_faer(a.t()).qr(),
    };
    drop(a);
    let mut upper = from_faer(qr.thin_R());
    let q = qr.compute_thin_Q();
    drop(qr);
    let mut q = from_faer(q.transpose());
    for (j, mut q) in q.outer_iter_mut().enumerate() {
        if upper[[j, j]] < 0.0 {
            q.mapv_inplace(|v| -v);
            upper.row_mut(j).mapv_inplace(|v| -v);
        }
    }
    (q, upper)
}

/// Columns that are factored, or turned, together: in memory of so many besides.
const PART: usize = 1024;

/// [`orthonormal_rows`] in the place of A, by parts of its columns: each is factored alone, and then their R together (TSQR,
/// Demmel et al., arXiv 0806.2159), which is as exact. Few columns are no parts.
pub fn orthonormal_rows_by_parts(mut a: Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let (r, d) = a.dim();
    // Of twice as many columns as rows at least, so that their R take no more than half of A.
    let count = d / PART.max(2 * r);
    if r == 0 || count < 2 {
        return orthonormal_rows(a);
    }
    let columns = |i: usize| i * d / count..(i + 1) * d / count;
    let mut uppers = Array2::zeros((r, count * r));
    for (i, mut upper) in uppers.axis_chunks_iter_mut(Axis(1), r).enumerate() {
        let mut part = a.slice_mut(s![.., columns(i)]);
        let (q, own) = orthonormal_rows(part.to_owned());
        part.assign(&q);
        upper.assign(&own.t());
    }
    let (turns, upper) = orthonormal_rows(uppers);
    for (i, turn) in turns.axis_chunks_iter(Axis(1), r).enumerate() {
        turn_rows(a.slice_mut(s![.., columns(i)]), turn);
    }
    (a, upper)
}

/// A ← T A for a square T, in the place of A.
pub fn turn_rows(mut a: ArrayViewMut2<f64>, turn: ArrayView2<f64>) {
    for mut part in a.axis_chunks_iter_mut(Axis(1), PART) {
        let turned = product(turn, part.view());
        part.assign(&turned);
    }
}

/// The nearest matrix with orthonormal columns: U Vᵀ of A = U S Vᵀ.
pub fn polar(a: ArrayView2<f64>) -> Result<Array2<f64>> {
    let (u, _, v) = thin_svd(a)?;
    Ok(product(u.view(), v.t()))
}

/// The `r` leading right singular vectors of the rows of X (n, d) as columns
/// (d, ≤ r), with the squared singular values, largest first. Directions
/// that hold no data, below the rounding of the largest, are left out: fewer
/// than `r` columns mean that the data span fewer dimensions.
///
/// Works on the smaller of XᵀX and XXᵀ when that loses nothing, that is, for
/// the eigenvalues of a covariance; a singular value below 1e-7 of the largest
/// is taken as zero.
pub fn leading_right_vectors(x: ArrayView2<f64>, r: usize) -> Result<(Array2<f64>, Array1<f64>)> {
    let (n, d) = x.dim();
    if n == 0 || r == 0 {
        return Ok((Array2::zeros((d, 0)), Array1::zeros(0)));
    }
    let (mut v, s) = if n <= 4 * d && n.max(d) <= 512 {
        let (s, v) = right_svd(x)?;
        (v, s.mapv(|s| s * s))
    } else if d <= n {
        let mut gram = Array2::zeros((d, d));
        accumulate_wide(gram.view_mut(), x.t(), x);
        let (values, vectors) = symmetric_eigen(gram.view())?;
        (vectors, values)
    } else {
        let (values, w) = symmetric_eigen(product(x, x.t()).view())?;
        let keep = values.iter().filter(|&&l| l > 1e-14 * values[0]).count().min(r);
        let v = product(x.t(), w.slice(s![.., ..keep]));
        (orthonormalize(v.view()), values.slice(s![..keep]).to_owned())
    };
    let top = s.first().copied().unwrap_or(0.0);
    let rank = s.iter().take_while(|&&l| l > 1e-14 * top && l > 0.0).count().min(r).min(v.ncols());
    fix_signs(v.view_mut());
    Ok((v.slice(s![.., ..rank]).to_owned(), s.slice(s![..rank]).to_owned()))
}

/// The largest eigenvalue of a positive semi-definite map of R^d, from below: Rayleigh's quotient after ten
/// steps of the power method from a fixed random vector. Within a few per cent unless many are as large, and
/// then not far either.
pub fn largest_eigenvalue(d: usize, apply: impl Fn(&Array1<f64>) -> Array1<f64>) -> f64 {
    let mut v = Array1::from(standard_normals::<f64>(&mut row_rng(0, Purpose::Probes, 0), d));
    let mut value = 0.0;
    for _ in 0..=10 {
        let norm = v.dot(&v).sqrt();
        if norm == 0.0 || !norm.is_finite() {
            return value;
        }
        v /= norm;
        let image = apply(&v);
        value = v.dot(&image);
        v = image;
    }
    value
}

/// Completes the orthonormal columns of `basis` (d, q) to (d, r) by random
/// directions orthogonal to them and to the columns of `avoid`.
pub fn complete_basis(
    basis: ArrayView2<f64>,
    r: usize,
    avoid: ArrayView2<f64>,
    rng: &mut impl Rng,
) -> Array2<f64> {
    let (d, q) = basis.dim();
    let missing = r.saturating_sub(q);
    if missing == 0 {
        return basis.to_owned();
    }
    let drawn = standard_normals::<f64>(rng, missing * d);
    let drawn = Array2::from_shape_fn((d, missing), |(i, j)| drawn[j * d + i]);
    let known = concatenate![Axis(1), basis, avoid];
    // One QR of everything known and then the draws makes the draws orthogonal.
    // (`avoid` need not be orthogonal to `basis`; QR does not mind.)
    let all = concatenate![Axis(1), known, drawn];
    let q_all = orthonormalize(all.view());
    concatenate![Axis(1), basis, q_all.slice(s![.., known.ncols()..])]
}

/// Makes the entry of largest magnitude of every column positive.
pub fn fix_signs(mut vectors: ArrayViewMut2<f64>) {
    for mut v in vectors.columns_mut() {
        let largest = v.iter().fold(0.0f64, |m, &x| if x.abs() > m.abs() { x } else { m });
        if largest < 0.0 {
            v.mapv_inplace(|x| -x);
        }
    }
}
