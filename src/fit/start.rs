//! Where the iterations of a fit begin.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::Rng;
use rayon::prelude::*;

use super::{Init, Settings, leading_basis};
use crate::linalg::{
    cast, dot, leading_right_vectors, orthonormalize, product, squared_norms, symmetric_eigen,
};
use crate::mixture::joined;
use crate::random::{Purpose, row_rng, standard_normals, uniform};
use crate::scalar::Scalar;

/// Rows whose pairwise cosines the spectral start looks at: the affinity is
/// this number squared, whatever N is.
const SPECTRAL_ROWS: usize = 1024;

/// Rows that the other starts look at, and how many for every dimension of a subspace when
/// these are many.
const SPREAD_ROWS: usize = 2048;
const SPREAD_ROWS_A_DIMENSION: usize = 8;

/// Subspaces tried for every one that is taken.
const CANDIDATES: usize = 4;

/// The bases that restart `restart` begins with.
pub fn bases<T: Scalar>(x: ArrayView2<T>, settings: &Settings, restart: usize) -> Result<Vec<Array2<f64>>> {
    let mut rng = row_rng(settings.seed, Purpose::Restarts, restart as u64);
    match settings.init {
        Init::Uniform => return uniformly(x.ncols(), settings, &mut rng),
        Init::Spectral if restart == 0 => {}
        Init::Spectral | Init::Random => return spread(x, settings, &mut rng),
    }
    let groups = by_dimension(x, spectral_groups(x, settings.ranks.len(), &mut rng)?, &settings.ranks)?;
    let mut bases: Vec<Array2<f64>> = Vec::new();
    for (k, rows) in groups.iter().enumerate() {
        let taken = taken(&bases, settings, x.ncols());
        bases.push(leading(x.select(Axis(0), rows).view(), k, taken.view(), settings)?);
    }
    Ok(bases)
}

/// With joint orthogonality, what is not free for the next basis: [U_1 U_2 …] so far.
fn taken(bases: &[Array2<f64>], settings: &Settings, d: usize) -> Array2<f64> {
    let held = if settings.orthogonal { bases } else { &[] };
    joined(held.iter().map(|b| b.view()), d)
}

/// The leading directions of some rows, orthogonal to `taken`, as the basis of component `k`.
fn leading<T: Scalar>(
    rows: ArrayView2<T>,
    k: usize,
    taken: ArrayView2<f64>,
    settings: &Settings,
) -> Result<Array2<f64>> {
    let rows = cast::<T, f64>(rows);
    let rows = &rows - &product(product(rows.view(), taken).view(), taken.t());
    Ok(leading_basis(rows.view(), settings.ranks[k], taken, settings.seed, k)?.0)
}

/// Subspaces drawn uniformly, whatever the rows are: the spans of normal matrices, each
/// orthogonal to those before where all are to be.
fn uniformly(d: usize, settings: &Settings, rng: &mut impl Rng) -> Result<Vec<Array2<f64>>> {
    let mut bases: Vec<Array2<f64>> = Vec::new();
    for &rank in &settings.ranks {
        let taken = taken(&bases, settings, d);
        let drawn = Array2::from_shape_vec((d, rank), standard_normals::<f64>(rng, d * rank))?;
        let free = &drawn - &product(taken.view(), product(taken.t(), drawn.view()).view());
        bases.push(orthonormalize(free.view()));
    }
    Ok(bases)
}

/// Subspaces drawn one after the other as k-means++ draws centres (Arthur and Vassilvitskii
/// 2007): a row, with probability proportional to the energy that the subspaces before leave
/// of it, and the leading directions of the rows most along it. Of a few such, the one that
/// leaves least.
fn spread<T: Scalar>(x: ArrayView2<T>, settings: &Settings, rng: &mut impl Rng) -> Result<Vec<Array2<f64>>> {
    let ranks = &settings.ranks;
    let components = ranks.len();
    let wanted = SPREAD_ROWS.max(SPREAD_ROWS_A_DIMENSION * ranks.iter().sum::<usize>());
    let x = x.select(Axis(0), &strata(x.nrows(), wanted, rng));
    let n = x.nrows();
    let energies = squared_norms(x.view());
    let mut left = energies.clone();
    let mut bases = vec![Array2::zeros((x.ncols(), 0)); components];
    // In any order, since ranks may differ.
    let mut order: Vec<usize> = (0..components).collect();
    for last in (1..components).rev() {
        order.swap(last, below(last + 1, rng));
    }
    for k in order {
        // At most half of what a component has on average, or neighbours are of others.
        let near = (n / (2 * components)).clamp(ranks[k], 2 * ranks[k]).min(n);
        let taken = taken(&bases, settings, x.ncols());
        let rows: Vec<usize> = (0..CANDIDATES).map(|_| drawn(&left, rng)).collect();
        let candidates: Vec<(Array2<f64>, Array1<f64>)> = rows
            .into_par_iter()
            .map(|row| {
                let along = product(x.view(), x.row(row).insert_axis(Axis(1)));
                let shares = Array1::from_shape_fn(n, |i| match energies[i] {
                    0.0 => 0.0,
                    e => (along[[i, 0]].wide() / e).powi(2) * left[i],
                });
                let basis =
                    leading(x.select(Axis(0), &largest(&shares, near)).view(), k, taken.view(), settings)?;
                let captured = squared_norms(product(x.view(), cast::<f64, T>(basis.view()).view()).view());
                let leaves = Array1::from_shape_fn(n, |i| left[i].min(energies[i] - captured[i]).max(0.0));
                Ok((basis, leaves))
            })
            .collect::<Result<_>>()?;
        let best = candidates.into_iter().min_by(|a, b| a.1.sum().total_cmp(&b.1.sum()));
        if let Some((basis, leaves)) = best {
            (bases[k], left) = (basis, leaves);
        }
    }
    Ok(bases)
}

/// An integer below `n`.
fn below(n: usize, rng: &mut impl Rng) -> usize {
    ((uniform(rng) * n as f64) as usize).min(n - 1)
}

/// At most `wanted` of `n` rows, one out of every stretch of the same length: evenly, but in
/// step with no order that the rows may have.
fn strata(n: usize, wanted: usize, rng: &mut impl Rng) -> Vec<usize> {
    if n <= wanted {
        return (0..n).collect();
    }
    let bound = |i: usize| i * n / wanted;
    (0..wanted).map(|i| bound(i) + below(bound(i + 1) - bound(i), rng)).collect()
}

/// One row, with probability proportional to `shares`; any, if they are all 0.
fn drawn(shares: &Array1<f64>, rng: &mut impl Rng) -> usize {
    let total = shares.sum();
    if total <= 0.0 {
        return below(shares.len(), rng);
    }
    let mut until = uniform(rng) * total;
    for (i, share) in shares.iter().enumerate() {
        until -= share;
        if until < 0.0 {
            return i;
        }
    }
    shares.len() - 1
}

/// Where the `count` largest are, in order of place.
fn largest(values: &Array1<f64>, count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    if count < places.len() {
        places.select_nth_unstable_by(count, |&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        places.truncate(count);
    }
    places.sort_unstable();
    places
}

/// Rows grouped by the leading eigenvectors of their normalized squared
/// cosines: rows of orthogonal subspaces fall apart exactly.
fn spectral_groups<T: Scalar>(x: ArrayView2<T>, k: usize, rng: &mut impl Rng) -> Result<Vec<Vec<usize>>> {
    let n = x.nrows();
    let taken = strata(n, SPECTRAL_ROWS, rng);
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

/// Gives the groups in the order of the ranks: the larger the rank, the larger
/// the effective dimension (Σe)²/Σe² of its group's energies e.
fn by_dimension<T: Scalar>(
    x: ArrayView2<T>,
    mut groups: Vec<Vec<usize>>,
    ranks: &[usize],
) -> Result<Vec<Vec<usize>>> {
    if ranks.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(groups);
    }
    let mut sized = Vec::new();
    for (g, rows) in groups.iter().enumerate() {
        let rows = cast::<T, f64>(x.select(Axis(0), rows).view());
        let energies = leading_right_vectors(rows.view(), rows.ncols())?.1;
        let dimension = energies.sum().powi(2) / energies.dot(&energies).max(f64::MIN_POSITIVE);
        sized.push((dimension, g));
    }
    sized.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut components: Vec<usize> = (0..ranks.len()).collect();
    components.sort_by_key(|&k| ranks[k]);
    let mut ordered = vec![Vec::new(); ranks.len()];
    for ((_, g), k) in sized.into_iter().zip(components) {
        ordered[k] = std::mem::take(&mut groups[g]);
    }
    Ok(ordered)
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
