//! Expectation maximization for the mixture of low-rank Gaussians: Tipping and
//! Bishop's mixture of probabilistic principal component analyzers with a
//! spectrum of its own for every component.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{Fit, Iteration, Settings, subspaces};
use crate::linalg::{cast, complete_basis, leading_right_vectors, product, squared_norms};
use crate::mixture::{Component, Mixture};
use crate::random::{Purpose, row_rng};
use crate::scalar::Scalar;

/// Growth of the mean log-likelihood below which the fit rests.
const RESTING: f64 = 1e-9;

/// Noise may not fall below this share of the mean variance: without noise the
/// likelihood has no maximum.
const NOISE_FLOOR: f64 = 1e-6;

/// Starts from K-subspaces and improves all parameters; keeps in the result
/// those that `settings.parts` asks for.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let mut start = settings.clone();
    start.parts = super::Parts { means: settings.parts.means, variances: true, weights: true, noise: true };
    let started = subspaces::fit(x, &start)?;
    let x64 = cast::<T, f64>(x);
    let (n, d) = x.dim();
    let mean_variance = squared_norms(x).sum() / (n * d) as f64;
    // Positive even when all rows are 0.
    let floor = (NOISE_FLOOR * mean_variance).max(f64::MIN_POSITIVE);
    let mut mixture = started.mixture;
    for c in &mut mixture.components {
        // No component may die before it had a say.
        c.weight = c.weight.max(1.0 / n as f64);
        c.noise_variance = c.noise_variance.max(floor);
        c.variances.mapv_inplace(|v| v.max(floor));
    }
    let mut history = Vec::new();
    let mut last = f64::NEG_INFINITY;
    let mut converged = false;
    for iteration in 0..settings.iterations {
        let (responsibilities, likelihood) = expectation(&mixture, x64.view());
        history.push(Iteration { restart: 0, iteration, objective: likelihood });
        if (likelihood - last).abs() <= RESTING * likelihood.abs().max(1.0) {
            converged = true;
            break;
        }
        last = likelihood;
        mixture = maximization(&mixture, x64.view(), &responsibilities, settings, floor)?;
    }
    for c in &mut mixture.components {
        let parts = settings.parts;
        if !parts.weights {
            c.weight = 1.0 / settings.ranks.len() as f64;
        }
        if !parts.variances {
            c.variances.fill(1.0);
        }
        if !parts.noise {
            c.noise_variance = 0.0;
        }
    }
    Ok(Fit { mixture, history, chosen: 0, converged, completed: started.completed })
}

/// P(component k | row i), (N, K), and the mean log-likelihood of a row.
fn expectation(mixture: &Mixture, x: ArrayView2<f64>) -> (Array2<f64>, f64) {
    let k = mixture.components.len();
    let d = x.ncols() as f64;
    let mut logs = Array2::<f64>::zeros((x.nrows(), k));
    for (j, c) in mixture.components.iter().enumerate() {
        let constant = c.weight.ln()
            - 0.5
                * (c.variances.mapv(f64::ln).sum()
                    + (d - c.variances.len() as f64) * c.noise_variance.ln()
                    + d * (2.0 * std::f64::consts::PI).ln());
        let log_density: Vec<f64> = (0..x.nrows())
            .into_par_iter()
            .map(|i| {
                let centred = &x.row(i) - &c.mean;
                let z = c.basis.t().dot(&centred);
                let inside: f64 = z.iter().zip(&c.variances).map(|(z, v)| z * z / v).sum();
                let outside = (centred.dot(&centred) - z.dot(&z)).max(0.0) / c.noise_variance;
                constant - 0.5 * (inside + outside)
            })
            .collect();
        logs.column_mut(j).assign(&Array1::from(log_density));
    }
    let mut likelihood = 0.0;
    for mut row in logs.outer_iter_mut() {
        let best = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        row.mapv_inplace(|l| (l - best).exp());
        let total = row.sum();
        row /= total;
        likelihood += best + total.ln();
    }
    (logs, likelihood / x.nrows() as f64)
}

/// The parameters that maximize the expected log-likelihood.
fn maximization(
    before: &Mixture,
    x: ArrayView2<f64>,
    responsibilities: &Array2<f64>,
    settings: &Settings,
    floor: f64,
) -> Result<Mixture> {
    let (n, d) = x.dim();
    let components = before
        .components
        .iter()
        .enumerate()
        .map(|(k, old)| {
            let weights = responsibilities.column(k);
            let total = weights.sum();
            // A component without rows stays where it is, with next to no weight.
            if total < 1e-8 {
                return Ok(Component { weight: 1e-12, ..old.clone() });
            }
            let mean = if settings.parts.means { weights.dot(&x) / total } else { Array1::zeros(d) };
            let used: Vec<usize> = (0..n).filter(|&i| weights[i] > 1e-12).collect();
            let mut rows = x.select(Axis(0), &used);
            rows -= &mean;
            for (mut row, &i) in rows.outer_iter_mut().zip(&used) {
                row *= (weights[i] / total).sqrt();
            }
            let r = settings.ranks[k];
            let (basis, energies) = leading_right_vectors(rows.view(), r)?;
            let mut rng = row_rng(settings.seed, Purpose::Completion, k as u64);
            let nothing = Array2::zeros((d, 0));
            let basis = complete_basis(basis.view(), r, nothing.view(), &mut rng);
            let inside = product(rows.view(), basis.view());
            let outside = (rows.mapv(|v| v * v).sum() - inside.mapv(|v| v * v).sum()).max(0.0);
            let noise = if r < d { (outside / (d - r) as f64).max(floor) } else { floor };
            let variances = Array1::from_shape_fn(r, |i| energies.get(i).map_or(noise, |e| e.max(noise)));
            Ok(Component { weight: total / n as f64, mean, basis, variances, noise_variance: noise })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut mixture = Mixture { components };
    let sum: f64 = mixture.components.iter().map(|c| c.weight).sum();
    mixture.components.iter_mut().for_each(|c| c.weight /= sum);
    Ok(mixture)
}
