//! The few leading eigenvectors of a large positive semi-definite matrix, without the others: subspace iteration with a
//! Chebyshev filter (Zhou and Saad 2007), checked by its residuals.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::{accumulate, dot, fix_signs, orthonormalize, product, symmetric_eigen};
use crate::random::{Purpose, row_rng, standard_normals};

/// Rows below which the whole spectrum is as quick.
const LEAST: usize = 384;

/// The block has twice as many vectors as are asked for, and some more, so that eigenvalues that are alike at its end
/// do not hold up the wanted ones; and it pays while it is no larger than this share of all.
const MORE: usize = 8;
const SHARE: usize = 8;

/// By how much a filter may lift the leading direction over the last of the block: more would bury that in rounding.
const LIFT: f64 = 1e10;

/// Rows that a thread works on.
const STRIP: usize = 128;

/// The `r` largest eigenvalues of a symmetric positive semi-definite matrix, largest first, and their eigenvectors as
/// columns, (d, r), with signs as by [`symmetric_eigen`], which finds them where [`few_leading`] does not.
///
/// # Errors
/// As [`symmetric_eigen`].
pub fn leading_eigen(a: ArrayView2<f64>, r: usize) -> Result<(Array1<f64>, Array2<f64>)> {
    if let Some(found) = few_leading(a, r)? {
        return Ok(found);
    }
    let (values, vectors) = symmetric_eigen(a)?;
    Ok((
        values.slice(s![..r.min(a.nrows())]).to_owned(),
        vectors.slice(s![.., ..r.min(a.nrows())]).to_owned(),
    ))
}

/// The same without the whole spectrum: none where they are many, or alike those that follow.
///
/// # Errors
/// As [`symmetric_eigen`].
pub fn few_leading(a: ArrayView2<f64>, r: usize) -> Result<Option<(Array1<f64>, Array2<f64>)>> {
    let (d, block) = (a.nrows(), 2 * r + MORE);
    if d < LEAST || block > d / SHARE {
        return Ok(None);
    }
    let Some((values, vectors)) = filtered(a, block, r)? else { return Ok(None) };
    let mut vectors = vectors.slice(s![.., ..r]).to_owned();
    fix_signs(vectors.view_mut());
    Ok(Some((values.slice(s![..r]).to_owned(), vectors)))
}

/// Ritz values and vectors of a block, of which the first `r` have converged to rounding; none if they do not within
/// the work of the whole spectrum.
fn filtered(a: ArrayView2<f64>, block: usize, r: usize) -> Result<Option<(Array1<f64>, Array2<f64>)>> {
    let d = a.nrows();
    let drawn = standard_normals::<f64>(&mut row_rng(0, Purpose::Probes, 0), d * block);
    let mut x = orthonormalize(Array2::from_shape_vec((d, block), drawn)?.view());
    // What d products leave of rounding, with room.
    let rounding = 4.0 * f64::EPSILON * (d as f64).sqrt();
    let mut left = 4 * d / block;
    while left > 0 {
        let mut y = times(a, &x);
        let (ritz, turn) = symmetric_eigen(product(x.t(), y.view()).view())?;
        (x, y) = (product(x.view(), turn.view()), product(y.view(), turn.view()));
        let top = ritz[0];
        let residual = |j: usize| {
            let rest = &y.column(j) - &(&x.column(j) * ritz[j]);
            dot(rest.view(), rest.view()).sqrt()
        };
        if top <= 0.0 || (0..r).all(|j| residual(j) <= rounding * top) {
            return Ok(Some((ritz, x)));
        }
        // All that is not in the block lies in [0, cut], where the filter stays small.
        let half = 0.5 * ritz[block - 1].max(rounding * top);
        let reach = (top / half - 1.0).acosh();
        let degree = ((LIFT.ln() / reach) as usize).clamp(1, left);
        left = left.saturating_sub(degree + 1);
        x = orthonormalize(filter(a, x, y, top, half, degree).view());
    }
    Ok(None)
}

/// T_m((A − c)/c) X by its recurrence for the polynomials of [0, 2c], scaled to about 1 at `top`; y is A X.
fn filter(
    a: ArrayView2<f64>,
    x: Array2<f64>,
    y: Array2<f64>,
    top: f64,
    c: f64,
    degree: usize,
) -> Array2<f64> {
    let first = c / (top - c);
    let mut scale = first;
    let mut now = (y - &x * c) * (scale / c);
    let mut before = x;
    for _ in 1..degree {
        let next = 1.0 / (2.0 / first - scale);
        let image = (times(a, &now) - &now * c) * (2.0 * next / c) - before * (scale * next);
        (before, now, scale) = (now, image, next);
    }
    now
}

/// A X by strips of rows on all threads.
fn times(a: ArrayView2<f64>, x: &Array2<f64>) -> Array2<f64> {
    let mut y = Array2::zeros(x.raw_dim());
    let strips = y.axis_chunks_iter_mut(Axis(0), STRIP).into_par_iter();
    strips.zip(a.axis_chunks_iter(Axis(0), STRIP)).for_each(|(y, a)| accumulate(y, a, x.view()));
    y
}
