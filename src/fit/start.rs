//! Where the iterations of a fit begin.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Init, Settings, leading_basis};
use crate::linalg::{cast, dot, product, symmetric_eigen};
use crate::mixture::joined;
use crate::random::{Purpose, row_rng, uniform};
use crate::scalar::Scalar;

/// Rows whose pairwise cosines the spectral start looks at: the affinity is
/// this number squared, whatever N is.
const SPECTRAL_ROWS: usize = 1024;

/// The bases that restart `restart` begins with.
pub fn bases<T: Scalar>(x: ArrayView2<T>, settings: &Settings, restart: usize) -> Result<Vec<Array2<f64>>> {
    let groups = if settings.init == Init::Spectral && restart == 0 {
        spectral_groups(x, settings.ranks.len())?
    } else {
        random_groups(x.nrows(), settings, restart)
    };
    let d = x.ncols();
    let mut bases: Vec<Array2<f64>> = Vec::new();
    for (k, rows) in groups.iter().enumerate() {
        let rows = cast::<T, f64>(x.select(Axis(0), rows).view());
        let avoid = if settings.orthogonal {
            joined(bases.iter().map(|b| b.view()), d)
        } else {
            Array2::zeros((d, 0))
        };
        // With joint orthogonality, what earlier components hold is not free.
        let rows = &rows - &product(product(rows.view(), avoid.view()).view(), avoid.t());
        let (basis, _) = leading_basis(rows.view(), settings.ranks[k], avoid.view(), settings.seed, k)?;
        bases.push(basis);
    }
    Ok(bases)
}

/// r_k rows for every component, drawn without replacement as far as they last.
fn random_groups(n: usize, settings: &Settings, restart: usize) -> Vec<Vec<usize>> {
    let mut rng = row_rng(settings.seed, Purpose::Restarts, restart as u64);
    let mut left: Vec<usize> = (0..n).collect();
    settings
        .ranks
        .iter()
        .map(|&r| {
            (0..r.min(n))
                .map(|_| {
                    if left.is_empty() {
                        left = (0..n).collect();
                    }
                    let i = (uniform(&mut rng) * left.len() as f64) as usize;
                    left.swap_remove(i.min(left.len() - 1))
                })
                .collect()
        })
        .collect()
}

/// Rows grouped by the leading eigenvectors of their normalized squared
/// cosines: rows of orthogonal subspaces fall apart exactly.
fn spectral_groups<T: Scalar>(x: ArrayView2<T>, k: usize) -> Result<Vec<Vec<usize>>> {
    let n = x.nrows();
    let taken: Vec<usize> = if n <= SPECTRAL_ROWS {
        (0..n).collect()
    } else {
        (0..SPECTRAL_ROWS).map(|i| i * n / SPECTRAL_ROWS).collect()
    };
    let mut rows = cast::<T, f64>(x.select(Axis(0), &taken).view());
    for mut row in rows.outer_iter_mut() {
        let norm = dot(row.view(), row.view()).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    let mut affinity = product(rows.view(), rows.t());
    affinity.mapv_inplace(|c| c * c);
    let degree: Array1<f64> =
        affinity.sum_axis(Axis(1)).mapv(|d| if d > 0.0 { d.sqrt().recip() } else { 0.0 });
    for ((i, j), a) in affinity.indexed_iter_mut() {
        *a *= degree[i] * degree[j];
    }
    let (_, vectors) = symmetric_eigen(affinity.view())?;
    let mut embedded = vectors.slice(ndarray::s![.., ..k.min(taken.len())]).to_owned();
    for mut row in embedded.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    let labels = directions(embedded.view(), k);
    let mut groups = vec![Vec::new(); k];
    for (place, label) in labels.into_iter().enumerate() {
        groups[label].push(taken[place]);
    }
    // A group that came out empty takes one row of the largest.
    for g in 0..k {
        if groups[g].is_empty() {
            let largest = (0..k).max_by_key(|&j| groups[j].len()).unwrap_or(0);
            if let Some(row) = groups[largest].pop() {
                groups[g].push(row);
            }
        }
    }
    Ok(groups)
}

/// Spherical k-means from centres chosen farthest first, which in the spectral
/// embedding are nearly orthogonal.
fn directions(points: ArrayView2<f64>, k: usize) -> Vec<usize> {
    let mut centres: Vec<Array1<f64>> = vec![points.row(0).to_owned()];
    while centres.len() < k.min(points.nrows()) {
        let nearness =
            |i: usize| centres.iter().map(|c| c.dot(&points.row(i))).fold(f64::NEG_INFINITY, f64::max);
        let farthest = (0..points.nrows()).min_by(|&a, &b| nearness(a).total_cmp(&nearness(b))).unwrap_or(0);
        centres.push(points.row(farthest).to_owned());
    }
    let mut labels = Vec::new();
    for _ in 0..50 {
        let nearest = |p: ndarray::ArrayView1<f64>| {
            let mut best = 0;
            for j in 1..centres.len() {
                if centres[j].dot(&p) > centres[best].dot(&p) {
                    best = j;
                }
            }
            best
        };
        let next: Vec<usize> = points.outer_iter().map(nearest).collect();
        if next == labels {
            break;
        }
        labels = next;
        for (j, centre) in centres.iter_mut().enumerate() {
            let mut sum = Array1::zeros(points.ncols());
            for (p, _) in points.outer_iter().zip(&labels).filter(|(_, l)| **l == j) {
                sum += &p;
            }
            let norm = sum.dot(&sum).sqrt();
            if norm > 0.0 {
                *centre = sum / norm;
            }
        }
    }
    labels
}
