//! Expectation maximization for the mixture of low-rank Gaussians: Tipping and
//! Bishop's mixture of probabilistic principal component analyzers with a
//! spectrum of its own for every component.

use anyhow::{Result, bail};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::{Fit, Iteration, Parts, ROUNDING, Settings, finished, subspaces};
use crate::linalg::{cast, column_means, complete_basis, leading_right_vectors, product, squared_norms};
use crate::mixture::{Component, Mixture};
use crate::random::{Purpose, row_rng};
use crate::scalar::Scalar;

/// Growth of the mean log-likelihood below which the fit rests: the same in every unit of
/// the rows.
const RESTING: f64 = 1e-9;

/// Noise may not fall below this share of the mean variance: without noise the
/// likelihood has no maximum.
const NOISE_FLOOR: f64 = 1e-6;

/// Iterations of every start before the first are cut.
const FIRST: usize = 5;

/// Rows of one step of the expectation.
const BLOCK: usize = 256;

/// Of several starts the likeliest goes on, by successive halving: the first is the K-subspaces
/// fit, the others are a few passes of it. Improves all parameters; keeps in the result those
/// that `settings.parts` asks for.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let all = Parts { means: settings.parts.means, variances: true, weights: true, noise: true };
    let start = Settings { parts: all, ..settings.clone() };
    let rows = cast::<T, f64>(x);
    let data = Data { floor: noise_floor(rows.view()), x: rows.view(), settings };
    let mut history = Vec::new();
    // One component has one maximum.
    let restarts = if settings.ranks.len() == 1 { 1 } else { settings.restarts.max(1) };
    let mut climbs = Vec::new();
    for restart in 0..restarts {
        let (mixture, completed) = if restart == 0 {
            let fit = subspaces::fit(x, &start)?;
            (fit.mixture, fit.completed)
        } else {
            let found = subspaces::begun(x, &start, restart)?;
            (finished(x, &found, all)?, found.completed)
        };
        let mut climb = data.start(restart, mixture, completed);
        data.advance(&mut climb, FIRST, &mut history)?;
        climbs.push(climb);
    }
    let mut iterations = 2 * FIRST;
    while climbs.len() > 1 {
        // A component on the floor holds its few rows exactly, which is likely without bound:
        // such starts come after all others. Stable, so that of equals the earlier is kept.
        climbs.sort_by(|a, b| {
            let floored = data.floored(&a.mixture).len().cmp(&data.floored(&b.mixture).len());
            floored.then(b.likelihood.total_cmp(&a.likelihood))
        });
        climbs.truncate(climbs.len().div_ceil(2));
        if climbs.len() > 1 {
            for climb in &mut climbs {
                data.advance(climb, iterations, &mut history)?;
            }
            iterations *= 2;
        }
    }
    let Some(mut climb) = climbs.pop() else {
        bail!("--restarts 0: a fit needs at least one start");
    };
    data.advance(&mut climb, usize::MAX, &mut history)?;
    let floored = data.floored(&climb.mixture);
    let parts = settings.parts;
    let mut mixture = climb.mixture;
    for c in &mut mixture.components {
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
    Ok(Fit {
        mixture,
        history,
        chosen: climb.restart,
        converged: climb.rests,
        completed: climb.completed,
        floored: (parts.noise && !floored.is_empty()).then_some((floored, data.floor)),
    })
}

/// A share of the variance about the mean, whether means are fitted or not: what the mean
/// holds says nothing of the noise. Not below the rounding of the rows' squares, and positive
/// even when all rows are 0.
fn noise_floor(x: ArrayView2<f64>) -> f64 {
    let mean = column_means(x);
    let mean_square = |x: ArrayView2<f64>| squared_norms(x).sum() / x.len() as f64;
    let variance = mean_square((&x - &mean).view());
    (NOISE_FLOOR * variance).max(ROUNDING * mean_square(x)).max(f64::MIN_POSITIVE)
}

/// One start on its way up.
struct Climb {
    restart: usize,
    mixture: Mixture,
    /// Of the mixture before the last step.
    likelihood: f64,
    iterations: usize,
    rests: bool,
    completed: Vec<usize>,
}

struct Data<'a> {
    x: ArrayView2<'a, f64>,
    settings: &'a Settings,
    floor: f64,
}

impl Data<'_> {
    fn start(&self, restart: usize, mut mixture: Mixture, completed: Vec<usize>) -> Climb {
        for c in &mut mixture.components {
            // No component may die before it had a say.
            c.weight = c.weight.max(1.0 / self.x.nrows() as f64);
            c.noise_variance = c.noise_variance.max(self.floor);
            c.variances.mapv_inplace(|v| v.max(self.floor));
        }
        Climb { restart, mixture, likelihood: f64::NEG_INFINITY, iterations: 0, rests: false, completed }
    }

    /// So many iterations, or fewer to rest.
    fn advance(&self, climb: &mut Climb, iterations: usize, history: &mut Vec<Iteration>) -> Result<()> {
        for _ in 0..iterations {
            if climb.rests || climb.iterations == self.settings.iterations {
                break;
            }
            let (responsibilities, likelihood) = expectation(&climb.mixture, self.x);
            let iteration = climb.iterations;
            history.push(Iteration { restart: climb.restart, iteration, objective: likelihood });
            climb.iterations += 1;
            climb.rests = (likelihood - climb.likelihood).abs() <= RESTING;
            climb.likelihood = likelihood;
            if !climb.rests {
                climb.mixture =
                    maximization(&climb.mixture, self.x, &responsibilities, self.settings, self.floor)?;
            }
        }
        Ok(())
    }

    /// The components whose noise sits on the floor.
    fn floored(&self, mixture: &Mixture) -> Vec<usize> {
        let d = self.x.ncols();
        let sits = |c: &Component| c.basis.ncols() < d && c.noise_variance <= self.floor;
        (0..mixture.components.len()).filter(|&k| sits(&mixture.components[k])).collect()
    }
}

/// P(component k | row i), (N, K), and the mean log-likelihood of a row.
fn expectation(mixture: &Mixture, x: ArrayView2<f64>) -> (Array2<f64>, f64) {
    let (n, d) = x.dim();
    let mut logs = Array2::<f64>::zeros((n, mixture.components.len()));
    for (j, c) in mixture.components.iter().enumerate() {
        let constant = c.weight.ln()
            - 0.5
                * (c.variances.mapv(f64::ln).sum()
                    + (d - c.variances.len()) as f64 * c.noise_variance.ln()
                    + d as f64 * (2.0 * std::f64::consts::PI).ln());
        logs.slice_mut(s![.., j..j + 1])
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .into_par_iter()
            .zip(x.axis_chunks_iter(Axis(0), BLOCK))
            .for_each(|(mut logs, x)| {
                let centred = &x - &c.mean;
                let z = product(centred.view(), c.basis.view());
                // The difference itself: ‖c‖² − ‖z‖² has no digits of it far from the origin.
                let outside = squared_norms((centred - product(z.view(), c.basis.t())).view());
                for ((mut log, z), outside) in logs.outer_iter_mut().zip(z.outer_iter()).zip(&outside) {
                    let inside: f64 = z.iter().zip(&c.variances).map(|(z, v)| z * z / v).sum();
                    log[0] = constant - 0.5 * (inside + outside / c.noise_variance);
                }
            });
    }
    let mut likelihood = 0.0;
    for mut row in logs.outer_iter_mut() {
        let best = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        row.mapv_inplace(|l| (l - best).exp());
        let total = row.sum();
        row /= total;
        likelihood += best + total.ln();
    }
    (logs, likelihood / n as f64)
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
            // As in the expectation, the difference itself.
            let outside = squared_norms((rows - product(inside.view(), basis.t())).view()).sum();
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
