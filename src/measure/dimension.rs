//! In how many dimensions samples lie, and in how many a model's density does: published estimators.
//!
//! Of samples, [`nearest`] (Levina and Bickel, NeurIPS 2004, averaged as MacKay and Ghahramani 2005 have it),
//! [`two_nearest`] (Facco, d'Errico, Rodriguez and Laio, arXiv 1803.06992) and [`components`] (the participation
//! ratio). Of a model, about points that lie on its manifold: the rank of its Jacobian, the slope of its log-density
//! over ln σ (FLIPD: arXiv 2406.03537, an answer by derivatives to LIDL, arXiv 2206.14882), and the directions in which
//! its scores do not point (normal bundle: arXiv 2212.12611).

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::entropy::{ROWS, in_parts};
use super::interval::Mean;
use super::nearest::Searched;
use crate::denoiser::Differentiable;
use crate::fit::pca::Moments;
use crate::linalg::{accumulate_moment, cast, product, singular_values, symmetric_eigen};
use crate::random::{Purpose, normal_rows};
use crate::scalar::Scalar;

/// An estimate by the nearest rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub dimension: f64,
    /// None of too few rows.
    pub std_error: Option<f64>,
    /// At a larger scale: by twice as many neighbours, or by parts of the rows; none of too few.
    pub coarser: Option<f64>,
    /// Rows with another at distance 0, which are left out.
    pub at_others: usize,
    /// How uneven the dimension is.
    pub uneven: Option<Uneven>,
}

/// How much more 1/m varies from row to row than in one dimension, where k − 1 logarithms of ratios are as many
/// exponential numbers: var(1/m)/(mean 1/m)² − 1/(k − 1). One dimension has 0, halves of 2 and of 10 have .44, and by the
/// two nearest, k = 2, .89.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uneven {
    pub excess: f64,
    pub std_error: f64,
}

impl Uneven {
    /// Of what each row says, 1/m by `k` neighbours. By two that is one exponential number, of which few are so large that
    /// they make all of the measured error: it is that of one dimension instead, √(4/N).
    fn of(said: &[f64], k: usize) -> Option<Uneven> {
        let mut all = Mean::default();
        said.iter().for_each(|v| all.add(*v));
        // Of squares of deviations in units of the mean, whose neighbours go together as those of what rows say.
        let mut moves = Mean::default();
        said.iter().for_each(|v| moves.add((v / all.mean - 1.0).powi(2)));
        let error = if k == 2 { moves.error().map(|_| (4.0 / moves.n as f64).sqrt()) } else { moves.error() };
        error.map(|error| Uneven {
            excess: all.variance() / all.mean.powi(2) - 1.0 / (k - 1) as f64,
            std_error: error * (1.0 + SHARED).sqrt(),
        })
    }
}

/// The nearest others of all rows that lie on no other: `see` has the logarithms of their distances, nearest first. How
/// many lie on another.
fn each<T: Scalar>(x: &Searched<T>, count: usize, mut see: impl FnMut(&[f64])) -> usize {
    let n = x.rows().nrows();
    let mut at_others = 0;
    for start in (0..n).step_by(ROWS) {
        let rows: Vec<usize> = (start..n.min(start + ROWS)).collect();
        for found in x.neighbours_of_others(&rows, count) {
            let logs: Vec<f64> = found.iter().map(|f| f.distance.ln()).collect();
            if logs.iter().all(|log| log.is_finite()) { see(&logs) } else { at_others += 1 }
        }
    }
    at_others
}

/// 1/m = (1/(k − 1)) Σ_{j<k} ln(T_k/T_j), T_j the distance to the j-th nearest: what one row says.
fn inverse(logs: &[f64]) -> f64 {
    let (last, others) = logs.split_last().map_or((0.0, &[][..]), |(last, others)| (*last, others));
    others.iter().map(|log| last - log).sum::<f64>() / others.len() as f64
}

fn finite(dimension: f64, at_others: usize, n: usize) -> Result<f64> {
    ensure!(
        at_others < n,
        "{n} of {n} rows lie on others, at distance 0, which have no dimension; leave out repeated rows"
    );
    ensure!(
        dimension.is_finite(),
        "the nearest rows are all equally far, of which no dimension follows; give rows that are not on a lattice"
    );
    Ok(dimension)
}

/// What neighbours have in common, of what one row's 1/m varies by.
///
/// In a Poisson process 1/m of a row is a mean of k − 1 exponential numbers, of variance 1/(m²(k − 1)), and the mean over
/// N rows has 1 + SHARED of that over N: distances between two rows are in what both say. No scale is in it. In
/// simulations of 1000 rows √(1 + SHARED) was 1.28 over all, for k from 2 to 100 and dimensions from 1 to 10, and 1.15 in 20
/// dimensions; where neighbours are a tenth of the rows, tails of a density add to it.
const SHARED: f64 = 0.6;

/// The maximum likelihood of Levina and Bickel by the k ≥ 2 nearest, their 1/m averaged over the rows: the mean of
/// inverses is not biased, where that of m is. Rows (N, d).
///
/// The variance of the mean of v_i = 1/m_i is that of v_i, measured, so that what differs from place to place is in it,
/// and what neighbours share, [`SHARED`] of E v²/k: E v² = k/((k − 1)m²).
///
/// # Errors
/// No more than k rows; rows that all lie on others.
pub fn nearest<T: Scalar>(x: &Searched<T>, k: usize) -> Result<Estimate> {
    let n = x.rows().nrows();
    ensure!(n > k, "{n} rows, where each needs {k} others; give more rows or fewer --neighbours");
    let farther = n > 2 * k;
    let (mut near, mut far) = (Mean::default(), Mean::default());
    let mut said = Vec::with_capacity(n);
    let at_others = each(x, if farther { 2 * k } else { k }, |logs| {
        let inverse_m = inverse(&logs[..k]);
        said.push(inverse_m);
        near.add(inverse_m);
        far.add(inverse(logs));
    });
    let dimension = finite(1.0 / near.mean, at_others, n)?;
    let variance = near.variance();
    let squares = said.iter().map(|v| v * v).sum::<f64>() / near.n as f64;
    let of_mean = (variance + SHARED * squares / k as f64) / near.n as f64;
    Ok(Estimate {
        dimension,
        std_error: (near.n > 1).then(|| dimension * dimension * of_mean.sqrt()),
        coarser: farther.then_some(1.0 / far.mean),
        at_others,
        uneven: Uneven::of(&said, k),
    })
}

/// Share of the ratios that the line is fitted to: of the largest few say little.
const KEPT: f64 = 0.9;

/// By the ratios μ of the distances to the second nearest and the nearest, whose law is F(μ) = 1 − μ^{−m}: the slope m
/// of −ln(1 − F) over ln μ through 0, of the smaller nine tenths, F_i = i/N of the i-th smallest. Rows (N, d). Its
/// error is from parts of the rows, as that of the entropy.
///
/// # Errors
/// Fewer than three rows; rows that all lie on others.
pub fn two_nearest<T: Scalar>(x: &Searched<T>) -> Result<Estimate> {
    let n = x.rows().nrows();
    ensure!(n > 2, "{n} rows, where each needs 2 others; give more rows");
    let of = |x: &Searched<T>| {
        let mut ratios = Vec::new();
        let at_others = each(x, 2, |logs| ratios.push(logs[1] - logs[0]));
        let dimension = finite(slope(&mut ratios), at_others, x.rows().nrows());
        dimension.map(|dimension| (dimension, at_others, ratios))
    };
    let (dimension, at_others, ratios) = of(x)?;
    let parts = in_parts(x, 2, |part| Ok(of(part)?.0))?;
    // Parts see a coarser scale, where the dimension may be another: their error is taken as a share of it.
    let std_error = parts.map(|parts| parts.std_error * dimension / parts.mean);
    let coarser = parts.map(|parts| parts.mean);
    Ok(Estimate { dimension, std_error, coarser, at_others, uneven: Uneven::of(&ratios, 2) })
}

/// Of logarithms of ratios.
fn slope(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len() as f64;
    let kept = ((KEPT * n) as usize).max(1).min(ratios.len().saturating_sub(1));
    let points = ratios.iter().zip(1..).take(kept).map(|(x, i)| (x, -(-(f64::from(i) / n)).ln_1p()));
    let (xy, xx) = points.fold((0.0, 0.0), |(xy, xx), (x, y)| (xy + x * y, xx + x * x));
    xy / xx
}

/// The participation ratio (Σ λ)²/Σ λ² of the covariance's eigenvalues, with its standard error by the delta method:
/// row z about the mean moves it by 2(‖z‖²/tr C − zᵀCz/tr C²) of itself over N. Rows (N, d).
///
/// # Errors
/// Fewer than two rows; rows that are all equal; numbers too large; d² numbers that do not fit in memory.
pub fn components<T: Scalar>(x: ArrayView2<T>) -> Result<(f64, Option<f64>)> {
    let (n, d) = x.dim();
    ensure!(n > 1, "{n} rows, which spread in no direction; give more");
    let mut moments = Moments::new(d)?;
    x.axis_chunks_iter(Axis(0), ROWS).for_each(|rows| moments.add(rows));
    let mean = moments.mean();
    let (_, covariance) = moments.covariance();
    let trace = covariance.diag().sum();
    ensure!(trace.is_finite(), "the numbers are too large for a covariance; give them in another unit");
    ensure!(trace > 0.0, "all rows are equal, or too near to tell; give others");
    // In units of the trace: squares of large and of small numbers are numbers.
    let covariance = covariance / trace;
    let squares: f64 = covariance.iter().map(|c| c * c).sum();
    let mut moves = Mean::default();
    for rows in x.axis_chunks_iter(Axis(0), ROWS) {
        let z = (cast::<T, f64>(rows) - &mean) / trace.sqrt();
        let cz = product(z.view(), covariance.view());
        for (z, cz) in z.outer_iter().zip(cz.outer_iter()) {
            moves.add(2.0 * (z.dot(&z) - z.dot(&cz) / squares));
        }
    }
    let dimension = 1.0 / squares;
    Ok((dimension, moves.error().map(|error| dimension * error)))
}

/// The dimension of a model's manifold about one point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Local {
    /// Singular values of J above ½: directions in which the data spread more than the noise, λ/(λ + σ²) > ½.
    pub jacobian: f64,
    /// d + ∂ ln p_σ(x)/∂ ln σ = d + σ²(∇·s + ‖s‖²) = tr J + ‖x − D‖²/σ².
    pub density: f64,
    /// d less the directions in which scores about x point.
    pub normals: f64,
}

/// Which of them are computed; the others are 0.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub jacobian: bool,
    pub density: bool,
    pub normals: bool,
}

/// Draws of noise for each of the d dimensions.
const DRAWS: usize = 4;

/// All that is wanted at a point x without noise, that of row `row`.
///
/// # Errors
/// Of the denoiser; numbers that are not finite.
pub fn of_model<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView1<T>,
    row: u64,
    sigma: f64,
    wanted: Wanted,
    seed: u64,
) -> Result<Local> {
    let mut local = Local::default();
    if wanted.jacobian || wanted.density {
        let (values, trace) = spectrum(denoiser, x, sigma)?;
        local.jacobian = values.iter().filter(|value| **value > 0.5).count() as f64;
        if wanted.density {
            let (_, rest) = denoiser.split_rows(x.insert_axis(Axis(0)), row, sigma)?;
            local.density = trace + rest.iter().map(|r| (r.wide() / sigma).powi(2)).sum::<f64>();
        }
    }
    if wanted.normals {
        local.normals = normal_bundle(denoiser, x, row, sigma, seed)?;
    }
    Ok(local)
}

/// Singular values of J, and its trace.
fn spectrum<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView1<T>,
    sigma: f64,
) -> Result<(Vec<f64>, f64)> {
    if denoiser.closed_form().is_some() {
        // Symmetric, and none of its eigenvalues is below 0.
        let values = denoiser.spectrum(x, sigma, 0)?.all();
        let trace = values.iter().sum();
        return Ok((values, trace));
    }
    let j = cast::<T, f64>(denoiser.jacobian(x, sigma)?.view());
    Ok((singular_values(j.view())?.to_vec(), j.diag().sum()))
}

/// Scores at x + σε point across the manifold where σ is small, with lengths σ·s ≈ 1 across and ≈ 0 along: of their
/// singular values, those before the largest drop are across. The first may drop from 1, the last to 0.
fn normal_bundle<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView1<T>,
    row: u64,
    sigma: f64,
    seed: u64,
) -> Result<f64> {
    let d = x.len();
    let draws = DRAWS * d;
    let first = row * draws as u64;
    let mut second = Array2::<f64>::zeros((d, d));
    for start in (0..draws).step_by(ROWS) {
        let rows = first + start as u64..first + draws.min(start + ROWS) as u64;
        let mut noisy = normal_rows::<T>(seed, Purpose::Normals, rows.clone(), d) * T::of(sigma);
        noisy += &x;
        let (_, rest) = denoiser.split_rows(noisy.view(), rows.start, sigma)?;
        let scores = cast::<T, f64>(rest.view()) / sigma;
        accumulate_moment(second.view_mut(), scores.view(), scores.view(), false);
    }
    let (values, _) = symmetric_eigen((second / draws as f64).view())?;
    let lengths: Array1<f64> = values.mapv(|v| v.max(0.0).sqrt());
    let before = [1.0].into_iter().chain(lengths.iter().copied());
    let after = lengths.iter().copied().chain([0.0]);
    let drops: Vec<f64> = before.zip(after).map(|(before, after)| before - after).collect();
    Ok((d - crate::linalg::argmax(drops)) as f64)
}
