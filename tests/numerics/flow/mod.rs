//! The probability flow against its exact solutions: Gaussians, quantile maps,
//! and every solver's own product of gains.

mod exact;
mod low_rank;
mod solvers;
mod steps;

use molrg::denoiser::{Denoiser, EmpiricalDenoiser, MixtureDenoiser};
use molrg::flow::{Churn, Plan, Solver, Trajectory, Work};
use molrg::linalg::orthonormalize;
use molrg::mixture::{Component, Design, Mixture};
use molrg::random::{Purpose, normal_rows};
use molrg::scalar::Scalar;
use molrg::schedule::{Grid, Schedule};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, arr1, arr2, s};
use serde_json::Value;

/// Those with a fixed number of stages and steps.
const FIXED: [Solver; 6] =
    [Solver::Euler, Solver::Heun, Solver::Dpm2, Solver::Dpm3, Solver::Dpmpp2m, Solver::Rk4];

fn plan(solver: Solver, sigmas: Vec<f64>) -> Plan {
    Plan { sigmas, solver, churn: None, rtol: 1e-10, atol: 1e-12 }
}

/// `steps` steps on EDM's spacing, both ends positive.
fn levels(steps: usize, from: f64, to: f64) -> Vec<f64> {
    let grid = Grid { steps: steps + 1, sigma_min: to, sigma_max: from, ..Grid::default() };
    let mut levels = grid.levels().unwrap();
    levels.pop();
    levels
}

fn carried(plan: &Plan, denoiser: &dyn Denoiser<f64>, x: &Array2<f64>) -> Array2<f64> {
    let mut x = x.clone();
    plan.run(denoiser, &mut x, 0, 0).unwrap();
    x
}

fn gaussian(mean: &[f64], basis: Array2<f64>, variances: &[f64]) -> MixtureDenoiser<f64> {
    MixtureDenoiser::new(Mixture {
        components: vec![Component {
            weight: 1.0,
            mean: arr1(mean),
            basis,
            variances: arr1(variances),
            noise_variance: 0.0,
        }],
    })
}

/// Independent modes of the given variances, mean 0.
fn modes(variances: &[f64]) -> MixtureDenoiser<f64> {
    gaussian(&vec![0.0; variances.len()], Array2::eye(variances.len()), variances)
}

fn one_dimensional(weights: &[f64], means: &[f64], stds: &[f64]) -> MixtureDenoiser<f64> {
    let components = weights
        .iter()
        .zip(means)
        .zip(stds)
        .map(|((w, m), s)| Component {
            weight: *w,
            mean: arr1(&[*m]),
            basis: arr2(&[[1.0]]),
            variances: arr1(&[s * s]),
            noise_variance: 0.0,
        })
        .collect();
    MixtureDenoiser::new(Mixture { components })
}

const K1_MEAN: [f64; 5] = [0.5, -0.25, 0.0, 1.0, 0.3];
const K1_VARIANCES: [f64; 5] = [9.0, 1.0, 0.1, 0.01, 0.0];
const K1_START: [f64; 5] = [10.0, -7.0, 3.0, 5.0, 2.0];

/// In coordinates turned at random, so that nothing is aligned with anything.
fn k1() -> (MixtureDenoiser<f64>, Array2<f64>) {
    let turn = orthonormalize(normal_rows::<f64>(3, Purpose::Bases, 0..5, 5).view());
    let mean = turn.dot(&arr1(&K1_MEAN));
    let basis = turn.slice(s![.., ..4]).to_owned();
    (gaussian(mean.as_slice().unwrap(), basis, &K1_VARIANCES[..4]), turn)
}

/// Starts, ends and what lies between of SciPy's quantile maps of three laws.
fn quantiles() -> (MixtureDenoiser<f64>, Vec<[f64; 4]>) {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/flow.json")).unwrap();
    let list =
        |v: &Value| -> Vec<f64> { v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let denoiser =
        one_dimensional(&list(&golden["weights"]), &list(&golden["means"]), &list(&golden["stds"]));
    let row = |r: &Value| {
        let at = |key: &str| r[key].as_f64().unwrap();
        [at("from"), at("to"), at("x"), at("y")]
    };
    (denoiser, golden["rows"].as_array().unwrap().iter().map(row).collect())
}

/// What every solver multiplies a mode of variance λ by, as a recurrence in
/// ε̂ = σx/(λ+σ²) or D = λx/(λ+σ²), written from the papers' (α, β, λ) forms
/// with α = 1, β = σ.
fn gain(solver: Solver, sigmas: &[f64], lambda: f64) -> f64 {
    let eps = |x: f64, s: f64| s * x / (lambda + s * s);
    let data = |x: f64, s: f64| lambda * x / (lambda + s * s);
    let phi = |h: f64| h.exp() - 1.0;
    let mut x = 1.0;
    let mut before: Option<(f64, f64)> = None;
    for w in sigmas.windows(2) {
        let (s, t) = (w[0], w[1]);
        if t == 0.0 {
            x = data(x, s);
            continue;
        }
        let h = (s / t).ln();
        x = match solver {
            Solver::Euler => x * (lambda + s * t) / (lambda + s * s),
            Solver::Heun => {
                let (a, b, step) = (s / (lambda + s * s), t / (lambda + t * t), t - s);
                x * (1.0 + 0.5 * step * (a + b * (1.0 + step * a)))
            }
            Solver::Dpm2 => {
                let u = s * (-0.5 * h).exp();
                let e = eps(x, s);
                let xu = x - u * phi(0.5 * h) * e;
                x - t * phi(h) * e - t * phi(h) * (eps(xu, u) - e)
            }
            Solver::Dpm3 => {
                let (u1, u2) = (s * (-h / 3.0).exp(), s * (-2.0 * h / 3.0).exp());
                let e = eps(x, s);
                let x1 = x - u1 * phi(h / 3.0) * e;
                let d1 = eps(x1, u1) - e;
                let r2h = 2.0 * h / 3.0;
                let x2 = x - u2 * phi(r2h) * e - 2.0 * u2 * (phi(r2h) / r2h - 1.0) * d1;
                let d2 = eps(x2, u2) - e;
                x - t * phi(h) * e - 1.5 * t * (phi(h) / h - 1.0) * d2
            }
            Solver::Dpmpp2m => {
                let d = data(x, s);
                let guess = before.map_or(d, |(last, h_last)| {
                    let r0 = h_last / h;
                    (1.0 + 0.5 / r0) * d - 0.5 / r0 * last
                });
                before = Some((d, h));
                t / s * x - ((-h).exp() - 1.0) * guess
            }
            Solver::Rk4 => {
                let step = t - s;
                let k1 = eps(x, s);
                let k2 = eps(x + 0.5 * step * k1, s + 0.5 * step);
                let k3 = eps(x + 0.5 * step * k2, s + 0.5 * step);
                let k4 = eps(x + step * k3, t);
                x + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            }
            Solver::Exact | Solver::Rk45 => unreachable!("no steps, or of its own"),
        };
    }
    x
}

fn order(solver: Solver) -> f64 {
    match solver {
        Solver::Euler => 1.0,
        Solver::Heun | Solver::Dpm2 | Solver::Dpmpp2m => 2.0,
        Solver::Dpm3 => 3.0,
        Solver::Rk4 => 4.0,
        Solver::Rk45 => 5.0,
        Solver::Exact => f64::INFINITY,
    }
}

/// The largest distance of two rows, relative to the second (or 1, if that is longer).
fn farthest(got: &Array2<f64>, expected: &Array2<f64>) -> f64 {
    let norm = |row: ArrayView1<f64>| row.dot(&row).sqrt();
    let rows = got.outer_iter().zip(expected.outer_iter());
    rows.map(|(g, e)| norm((&g - &e).view()) / norm(e).max(1.0)).fold(0.0, f64::max)
}
