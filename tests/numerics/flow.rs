//! The probability flow against its exact solutions: Gaussians, quantile maps,
//! and every solver's own product of gains.

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

fn close(got: &Array2<f64>, expected: &[f64], tolerance: f64, what: &str) {
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < tolerance, "{what}: {got} is not {expected:?}");
    }
}

#[test]
fn gaussian_flow() {
    let (denoiser, turn) = k1();
    let back = |x: Array2<f64>| x.dot(&turn);
    let start = arr1(&K1_START).insert_axis(Axis(0)).dot(&turn.t());
    let known = [3.231321050133, -0.925, 0.09944903162, 1.05656571428, 0.317];
    // rk45's tolerance is 1e-10 a step of about 40; dpm3 and rk4 by their orders.
    let got = back(carried(&plan(Solver::Rk45, vec![10.0, 0.1]), &denoiser, &start));
    close(&got, &known, 5e-9, "rk45");
    for (solver, steps) in [(Solver::Rk4, 600), (Solver::Dpm3, 2000)] {
        let got = back(carried(&plan(solver, levels(steps, 10.0, 0.1)), &denoiser, &start));
        close(&got, &known, 1e-10, "fixed steps");
    }
    // The formula, at other levels.
    for sigma in [5.0, 1.0, 0.3] {
        let got = back(carried(&plan(Solver::Rk4, levels(1000, 10.0, sigma)), &denoiser, &start));
        let exact: Vec<f64> = (0..5)
            .map(|i| {
                let gain = ((K1_VARIANCES[i] + sigma * sigma) / (K1_VARIANCES[i] + 100.0)).sqrt();
                K1_MEAN[i] + gain * (K1_START[i] - K1_MEAN[i])
            })
            .collect();
        close(&got, &exact, 1e-10, "the formula");
    }
    // From eight times that at σ = 80 to 0: exactly, and as EDM's 18 steps have it.
    // 1e-4 leaves out σ²/2λ = 5e-7 of the narrowest mode, 1e-5 of it 5e-9.
    let exact = [3.479156016833, -0.94682056302, 0.094867588655, 1.048749961914, 0.3];
    let far = start.mapv(|v| 8.0 * v);
    let got = back(carried(&plan(Solver::Rk45, vec![80.0, 1e-5, 0.0]), &denoiser, &far));
    close(&got, &exact, 2e-8, "to 0");
    let edm = [3.574988770091, -0.978045410255, 0.100893722395, 1.053145822136, 0.3];
    let got = back(carried(&plan(Solver::Heun, Grid::default().levels().unwrap()), &denoiser, &far));
    close(&got, &edm, 1e-11, "EDM's 18 steps");
}

#[test]
fn low_rank_gaussian_flow() {
    let half = 0.5f64.sqrt();
    let denoiser = gaussian(&[1.0, 0.0, -1.0], arr2(&[[half], [half], [0.0]]), &[4.0]);
    let start = arr2(&[[80.0, -40.0, 16.0]]);
    for (sigma, expected) in [
        (19.35245298, [20.13418975, -9.65258406, 3.11239626]),
        (1.0, [2.28862132, -0.19887868, -0.7875]),
        (1e-9, [1.48734773, 0.48734773, -1.0]),
    ] {
        let got = carried(&plan(Solver::Rk45, vec![80.0, sigma]), &denoiser, &start);
        // Eight decimals are given; σ = 1e-9 stands for 0, where the straight
        // modes have 1e-9/80 of their start left.
        close(&got, &expected, 3e-8, "low rank");
    }
}

#[test]
fn one_dimensional_flow_is_the_quantile_map() {
    let denoiser = one_dimensional(&[0.3, 0.7], &[-2.0, 1.0], &[0.5, 0.8]);
    let starts = [-160.0, -80.0, -8.0, 0.0, 8.0, 80.0, 160.0];
    let to_0 = [
        -2.717396110115,
        -1.965192285728,
        0.403956550533,
        0.545563079509,
        0.674154901687,
        1.598618063092,
        2.474824987257,
    ];
    let to_a_tenth = [
        -2.721705984712,
        -1.961358985539,
        0.387605085567,
        0.529953595025,
        0.659052638426,
        1.584413693988,
        2.459596596279,
    ];
    let x = Array2::from_shape_fn((7, 1), |(i, _)| starts[i]);
    // σ = 1e-6 stands for 0: x moves by σ² and less from there.
    let got = carried(&plan(Solver::Rk45, vec![80.0, 1e-6]), &denoiser, &x);
    close(&got, &to_0, 1e-8, "80 to 0");
    let got = carried(&plan(Solver::Rk45, vec![10.0, 0.1]), &denoiser, &(x / 8.0));
    close(&got, &to_a_tenth, 1e-8, "10 to 0.1");
}

/// Starts, ends and what lies between of SciPy's quantile maps of three laws.
fn quantiles() -> (MixtureDenoiser<f64>, Vec<[f64; 4]>) {
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/flow.json")).unwrap();
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

#[test]
fn quantile_maps_of_scipy() {
    let (denoiser, rows) = quantiles();
    for [from, to, x, y] in rows {
        let to = if to == 0.0 { 1e-6 } else { to };
        let got = carried(&plan(Solver::Rk45, vec![from, to]), &denoiser, &arr2(&[[x]]));
        assert!((got[[0, 0]] - y).abs() < 1e-8, "{x} from {from} to {to}: {got} is not {y}");
    }
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
            Solver::Rk45 => unreachable!("steps of its own"),
        };
    }
    x
}

#[test]
fn every_solver_multiplies_modes_by_its_own_product() {
    let variances = [9.0, 1.0, 0.1, 0.01, 1e-4];
    let denoiser = modes(&variances);
    let x = normal_rows::<f64>(1, Purpose::Latents, 0..3, 5) * 80.0;
    for solver in FIXED {
        for sigmas in [
            Grid::default().levels().unwrap(),
            Grid { schedule: Schedule::Vp, steps: 30, ..Grid::default() }.levels().unwrap(),
            Grid { schedule: Schedule::Logsnr, steps: 11, ..Grid::default() }.levels().unwrap(),
            levels(200, 80.0, 0.002),
            vec![80.0, 20.0],
            vec![80.0, 0.0],
        ] {
            let got = carried(&plan(solver, sigmas.clone()), &denoiser, &x);
            for (i, &lambda) in variances.iter().enumerate() {
                let expected = gain(solver, &sigmas, lambda);
                for row in 0..3 {
                    let error = got[[row, i]] / x[[row, i]] / expected - 1.0;
                    // A dozen roundings a step; 2M subtracts numbers up to ten
                    // times their difference.
                    let tolerance = 1e-14 * sigmas.len() as f64;
                    assert!(error.abs() < tolerance.max(1e-13), "{solver:?}, λ {lambda}: {error}");
                }
            }
        }
    }
}

#[test]
fn known_biases_of_euler_and_heun() {
    // Solver over exact solution, EDM's grid from 80 to 0.002.
    for (lambda, n, euler, heun) in [
        (1.0, 18, 0.85952429, 1.04481255),
        (1.0, 200, 0.98714959, 1.00029454),
        (0.1, 18, 0.83658767, 1.06354279),
        (9.0, 18, 0.87870925, 1.03216798),
    ] {
        let sigmas = levels(n - 1, 80.0, 0.002);
        let exact = ((lambda + 0.002f64.powi(2)) / (lambda + 6400.0)).sqrt();
        for (solver, known) in [(Solver::Euler, euler), (Solver::Heun, heun)] {
            let got = carried(&plan(solver, sigmas.clone()), &modes(&[lambda]), &arr2(&[[1.0]]));
            // Eight decimals are given.
            assert!((got[[0, 0]] / exact - known).abs() < 6e-9, "{solver:?}, λ {lambda}, {n} levels");
        }
    }
}

#[test]
fn churn_has_the_variance_of_its_recursion() {
    let sigmas = Grid::default().levels().unwrap();
    let recursion = |churn: Option<Churn>| {
        let mut variance = 6400.0;
        for w in sigmas.windows(2) {
            let (mut s, t) = (w[0], w[1]);
            if let Some(c) = churn.filter(|c| c.min <= s && s <= c.max) {
                let raised = s * (1.0 + (c.strength / 18.0).min(2f64.sqrt() - 1.0));
                variance += (raised * raised - s * s) * c.noise * c.noise;
                s = raised;
            }
            variance *= gain(Solver::Heun, &[s, t], 1.0).powi(2);
        }
        variance
    };
    let paper = Churn { strength: 40.0, min: 0.05, max: 50.0, noise: 1.003 };
    assert!((recursion(None) - 1.0914583488).abs() < 1e-9);
    assert!((recursion(Some(paper)) - 1.2311669737).abs() < 1e-9);
    let weaker = Churn { strength: 3.0, min: 0.01, max: 10.0, noise: 1.02 };
    let denoiser = modes(&[1.0; 50]);
    for churn in [None, Some(paper), Some(weaker), Some(Churn { strength: 0.0, ..paper })] {
        let plan = Plan { churn, ..plan(Solver::Heun, sigmas.clone()) };
        let x = plan.samples::<f64>(&denoiser, 5, 0..4000).unwrap();
        let n = x.len() as f64;
        let variance = x.iter().map(|v| v * v).sum::<f64>() / n;
        let expected = recursion(churn.filter(|c| c.strength > 0.0));
        // 2·10⁵ independent normal numbers: their mean square is off by
        // √(2/n) = 0.3 %; four of these.
        let errors = (variance / expected - 1.0) / (2.0 / n).sqrt();
        assert!(errors.abs() < 4.0, "{churn:?}: {variance}, not {expected}: {errors} standard errors");
        // Fresh noise every step: neighbours in a row are independent.
        let pairs = x.slice(s![.., ..49]).iter().zip(x.slice(s![.., 1..])).map(|(a, b)| a * b).sum::<f64>();
        assert!((pairs / n / variance).abs() < 4.0 / n.sqrt());
    }
}

fn order(solver: Solver) -> f64 {
    match solver {
        Solver::Euler => 1.0,
        Solver::Heun | Solver::Dpm2 | Solver::Dpmpp2m => 2.0,
        Solver::Dpm3 => 3.0,
        Solver::Rk4 => 4.0,
        Solver::Rk45 => 5.0,
    }
}

#[test]
fn solvers_have_their_orders() {
    let (k1, turn) = k1();
    let start = arr1(&K1_START).insert_axis(Axis(0)).dot(&turn.t());
    let exact: Array1<f64> = (0..5)
        .map(|i| {
            K1_MEAN[i]
                + ((K1_VARIANCES[i] + 0.01) / (K1_VARIANCES[i] + 100.0)).sqrt() * (K1_START[i] - K1_MEAN[i])
        })
        .collect();
    let exact = exact.insert_axis(Axis(0)).dot(&turn.t());
    let (mixture, rows) = quantiles();
    let rows: Vec<_> = rows.into_iter().filter(|r| r[0] == 10.0 && r[1] == 0.1).collect();
    let from = Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i][2]);
    let to = Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i][3]);
    for solver in FIXED {
        let error = |denoiser: &dyn Denoiser<f64>, x: &Array2<f64>, exact: &Array2<f64>, steps| {
            let got = carried(&plan(solver, levels(steps, 10.0, 0.1)), denoiser, x);
            (&got - exact).mapv(|v| v * v).sum().sqrt()
        };
        for (name, denoiser, x, exact) in
            [("Gaussian", &k1 as &dyn Denoiser<f64>, &start, &exact), ("mixture", &mixture, &from, &to)]
        {
            let (coarse, fine) = (error(denoiser, x, exact, 128), error(denoiser, x, exact, 256));
            let measured = (coarse / fine).log2();
            assert!((measured - order(solver)).abs() < 0.1, "{solver:?}, {name}: order {measured} ({fine})");
        }
    }
}

#[test]
fn the_adaptive_solver_reaches_its_tolerance() {
    let (denoiser, rows) = quantiles();
    let mut evaluations = Vec::new();
    for rtol in [1e-3, 1e-5, 1e-7, 1e-9] {
        let plan = Plan { rtol, atol: rtol / 100.0, ..plan(Solver::Rk45, vec![10.0, 0.1]) };
        let mut used = 0;
        for [_, _, x, y] in rows.iter().filter(|r| r[0] == 10.0 && r[1] == 0.1) {
            let mut point = arr2(&[[*x]]);
            let work = plan.run(&denoiser, &mut point, 0, 0).unwrap();
            // Errors of a few dozen steps, which this flow contracts towards
            // the data; near a boundary of components it stretches, to ten times.
            let error = (point[[0, 0]] - y).abs();
            assert!(error < 30.0 * rtol * y.abs().max(1.0), "rtol {rtol}, from {x}: {error}");
            assert_eq!(work.evaluations, 1 + 6 * (work.accepted + work.rejected));
            used += work.evaluations;
        }
        evaluations.push(used);
    }
    assert!(evaluations.windows(2).all(|w| w[0] < w[1]), "tighter costs more: {evaluations:?}");
    // Fifth order: a hundred times tighter costs 100^(1/5) = 2.5 times the steps.
    let growth = evaluations[3] as f64 / evaluations[2] as f64;
    assert!((2.0..3.2).contains(&growth), "{growth}");
}

#[test]
fn the_last_step_to_0_is_the_denoiser() {
    let mixture = MixtureDenoiser::<f64>::new(Design::molrg(20, 3, 2).plant(1).unwrap());
    let x = normal_rows::<f64>(2, Purpose::Latents, 0..5, 20);
    for solver in FIXED.into_iter().chain([Solver::Rk45]) {
        let got = carried(&plan(solver, vec![0.3, 0.0]), &mixture, &x);
        // Alike but for the rounding of six coordinates and their directions.
        let expected = mixture.denoise(x.view(), 0.3).unwrap();
        assert!(farthest(&got, &expected) < 1e-14, "{solver:?}: {got} is not {expected}");
    }
    // λ/(λ+σ²) where the flow has √(λ/(λ+σ²)): too small by σ²/2λ.
    let (lambda, sigma) = (0.5, 0.01);
    let got = carried(&plan(Solver::Heun, vec![sigma, 0.0]), &modes(&[lambda]), &arr2(&[[1.0]]))[[0, 0]];
    let bias = got / (lambda / (lambda + sigma * sigma)).sqrt() - 1.0;
    // The next term is ¾(σ²/λ)², 3e-8.
    assert!((bias + sigma * sigma / (2.0 * lambda)).abs() < 4e-8);
}

#[test]
fn directions_without_variance_are_straight_lines() {
    let basis = orthonormalize(normal_rows::<f64>(3, Purpose::Bases, 0..6, 2).view());
    let mean = [0.5, -1.0, 2.0, 0.0, 0.25, 3.0];
    let denoiser = gaussian(&mean, basis.clone(), &[1.0, 0.2]);
    let start = normal_rows::<f64>(4, Purpose::Latents, 0..4, 6) * 10.0;
    for solver in FIXED.into_iter().chain([Solver::Rk45]) {
        let got = carried(&plan(solver, levels(12, 10.0, 0.5)), &denoiser, &start);
        let off = |x: &Array2<f64>| {
            let c = x - &arr1(&mean);
            &c - &c.dot(&basis).dot(&basis.t())
        };
        // Twelve steps' rounding of numbers up to 30.
        let error = (off(&got) - off(&start) * 0.05).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(error < 2e-13, "{solver:?}: {error}");
        // At the end they are 0 but for the rounding of one product.
        let end = carried(&plan(solver, vec![10.0, 1.0, 0.0]), &denoiser, &start);
        assert!(off(&end).iter().all(|v| v.abs() < 1e-14), "{solver:?}");
    }
    // On axes, exactly 0.
    let axes =
        gaussian(&[0.0; 4], Array2::from_shape_fn((4, 2), |(i, j)| (i == j) as u8 as f64), &[1.0, 2.0]);
    let start = normal_rows::<f64>(4, Purpose::Latents, 0..4, 4) * 10.0;
    let end = carried(&plan(Solver::Heun, vec![10.0, 1.0, 0.0]), &axes, &start);
    assert!(end.slice(s![.., 2..]).iter().all(|v| *v == 0.0));
}

#[test]
fn ddim_is_euler() {
    // x_s = α_s D + β_s ε̂ in the coordinates of the schedule itself.
    let denoiser = MixtureDenoiser::<f64>::new(Design::molrg(20, 3, 2).plant(1).unwrap());
    for schedule in [Schedule::Vp, Schedule::Cosine, Schedule::Flow, Schedule::Ve, Schedule::Edm] {
        let sigmas = Grid { schedule, steps: 25, ..Grid::default() }.levels().unwrap();
        let sigmas = &sigmas[..25];
        let start = normal_rows::<f64>(6, Purpose::Latents, 0..3, 20) * sigmas[0];
        let mut x = &start * schedule.alpha(schedule.time(sigmas[0]));
        for w in sigmas.windows(2) {
            let (t, s) = (schedule.time(w[0]), schedule.time(w[1]));
            let (alpha, beta) = (schedule.alpha(t), schedule.beta(t));
            let d = denoiser.denoise((&x / alpha).view(), beta / alpha).unwrap();
            let epsilon = (&x - &(&d * alpha)) / beta;
            x = d * schedule.alpha(s) + epsilon * schedule.beta(s);
        }
        let x = x / schedule.alpha(schedule.time(sigmas[24]));
        let euler = carried(&plan(Solver::Euler, sigmas.to_vec()), &denoiser, &start);
        // Rounding; the cosine's α near t = 1 and time near 0 carry 1e-10 of it,
        // as the tests of schedules say.
        let tolerance = if schedule == Schedule::Cosine { 1e-7 } else { 1e-12 };
        let error = (&x - &euler).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(error < tolerance, "{schedule:?}: {error}");
    }
}

#[test]
fn encoding_undoes_decoding_to_the_solvers_order() {
    let (denoiser, rows) = quantiles();
    let rows: Vec<_> = rows.into_iter().filter(|r| r[0] == 10.0).collect();
    let data = Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i][3]);
    for solver in FIXED {
        let error = |steps| {
            let forth = plan(solver, levels(steps, 10.0, 0.1));
            let latents = carried(&forth.clone().reversed().unwrap(), &denoiser, &data);
            let back = carried(&forth, &denoiser, &latents);
            (back - &data).mapv(|v| v * v).sum().sqrt()
        };
        // Euler's first error is 0.09 at 256 steps: the next
        // order shows until much later.
        let steps = if solver == Solver::Euler { 2048 } else { 128 };
        let (coarse, fine) = (error(steps), error(2 * steps));
        let measured = (coarse / fine).log2();
        assert!(measured > order(solver) - 0.1, "{solver:?}: order {measured} ({fine})");
    }
    let latents = carried(&plan(Solver::Rk45, vec![10.0, 0.1]).reversed().unwrap(), &denoiser, &data);
    for (l, r) in latents.iter().zip(&rows) {
        // The flow stretches on the way up, so errors too: 10/0.1 times at most.
        assert!((l - r[2]).abs() < 1e-7, "{l} is not {}", r[2]);
    }
    // A grid that ends at 0 starts from its last positive level.
    let reversed = plan(Solver::Heun, vec![3.0, 2.0, 0.5, 0.0]).reversed().unwrap();
    assert_eq!(reversed.sigmas, [0.5, 2.0, 3.0]);
    assert!(plan(Solver::Heun, vec![3.0, 0.0]).reversed().is_err());
    let churn = Some(Churn { strength: 1.0, min: 0.0, max: 9.0, noise: 1.0 });
    assert!(Plan { churn, ..plan(Solver::Heun, vec![3.0, 2.0]) }.reversed().is_err());
}

#[test]
fn evaluations_are_counted() {
    let denoiser = modes(&[1.0, 0.5, 0.1]);
    for n in [2u64, 18] {
        let sigmas = Grid { steps: n as usize, ..Grid::default() }.levels().unwrap();
        for (solver, expected) in [
            (Solver::Euler, n),
            (Solver::Heun, 2 * n - 1),
            (Solver::Dpm2, 2 * n - 1),
            (Solver::Dpm3, 3 * n - 2),
            (Solver::Dpmpp2m, n),
            (Solver::Rk4, 4 * n - 3),
        ] {
            let mut x = normal_rows::<f64>(1, Purpose::Latents, 0..7, 3) * 80.0;
            let mut seen = Vec::new();
            let work = plan(solver, sigmas.clone())
                .trace(&denoiser, &mut x, 0, 0, |step, sigma, x| {
                    assert_eq!(x.dim(), (7, 3));
                    seen.push((step, sigma));
                    Ok(())
                })
                .unwrap();
            assert_eq!(work, Work { evaluations: 7 * expected, accepted: 7 * n, rejected: 0 }, "{solver:?}");
            assert_eq!(seen, sigmas.iter().copied().enumerate().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_rows_path_does_not_depend_on_its_block() {
    fn check<T: Scalar>() {
        let mixture = Design { mean_norm: 1.0, noise_std: 0.1, ..Design::molrg(24, 3, 3) }.plant(2).unwrap();
        let proper = Design::molrg(24, 2, 3).plant(4).unwrap();
        let data = normal_rows::<T>(1, Purpose::Noise, 0..60, 24);
        let denoisers: [Box<dyn Denoiser<T>>; 3] = [
            Box::new(MixtureDenoiser::<T>::new(mixture)),
            Box::new(MixtureDenoiser::<T>::new(proper)),
            Box::new(EmpiricalDenoiser::new(data)),
        ];
        let churn = Churn { strength: 10.0, min: 0.05, max: 50.0, noise: 1.003 };
        for denoiser in &denoisers {
            for solver in FIXED.into_iter().chain([Solver::Rk45]) {
                for churn in [None, Some(churn)] {
                    let sigmas = Grid { steps: 8, ..Grid::default() }.levels().unwrap();
                    let plan = Plan { churn, rtol: 1e-3, atol: 1e-4, ..plan(solver, sigmas) };
                    let whole = plan.samples::<T>(denoiser.as_ref(), 3, 0..40).unwrap();
                    for rows in [7..8u64, 0..3, 13..29] {
                        let mut x = plan.start::<T>(3, rows.clone(), 24);
                        plan.run(denoiser.as_ref(), &mut x, rows.start, 3).unwrap();
                        let same = whole.slice(s![rows.start as usize..rows.end as usize, ..]);
                        assert!(x == same, "{solver:?}, {churn:?}, rows {rows:?}");
                        assert_eq!(plan.samples::<T>(denoiser.as_ref(), 3, rows).unwrap(), same);
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// A denoiser that says nothing of the subspace it keeps to.
struct Everywhere<T: Scalar>(MixtureDenoiser<T>);

impl<T: Scalar> Denoiser<T> for Everywhere<T> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> anyhow::Result<Array2<T>> {
        self.0.denoise(x, sigma)
    }
}

/// The largest distance of two rows, relative to the second (or 1, if that is longer).
fn farthest(got: &Array2<f64>, expected: &Array2<f64>) -> f64 {
    let norm = |row: ArrayView1<f64>| row.dot(&row).sqrt();
    let rows = got.outer_iter().zip(expected.outer_iter());
    rows.map(|(g, e)| norm((&g - &e).view()) / norm(e).max(1.0)).fold(0.0, f64::max)
}

#[test]
fn the_flow_in_few_dimensions_is_the_flow_in_all() {
    let basis = |seed, r| orthonormalize(normal_rows::<f64>(seed, Purpose::Bases, 0..60, r).view());
    let means = normal_rows::<f64>(9, Purpose::Noise, 0..3, 60);
    let component = |k: usize, weight, r, noise_variance| Component {
        weight,
        mean: means.row(k).to_owned(),
        basis: basis(k as u64, r),
        variances: Array1::from_shape_fn(r, |i| 2.0 / (1 + i + k) as f64),
        noise_variance,
    };
    // Everything that a mixture can have, and the paper's own, one with a basis twice.
    let general = vec![component(0, 0.5, 4, 0.01), component(1, 0.3, 2, 0.04), component(2, 0.2, 5, 0.0)];
    let mut twice = Design::molrg(60, 6, 3).plant(5).unwrap().components;
    twice[2].basis = twice[0].basis.clone();
    for components in [general, twice] {
        let mixture = Mixture { components };
        let narrow = MixtureDenoiser::<f64>::new(mixture.clone());
        assert_eq!(narrow.reduced().unwrap().denoiser().dim(), if mixture.has_means() { 15 } else { 19 });
        let wide = Everywhere(MixtureDenoiser::<f64>::new(mixture.clone()));
        // Off the subspaces, in them, and at a mean.
        let mut start = normal_rows::<f64>(3, Purpose::Noise, 0..30, 60) * 3.0;
        let inside = mixture.components[0].basis.dot(&arr1(&vec![1.5; mixture.components[0].basis.ncols()]));
        start.row_mut(1).assign(&inside);
        start.row_mut(2).assign(&mixture.components[1].mean);
        for solver in FIXED {
            for sigmas in [levels(9, 3.0, 0.02), vec![3.0, 1.0, 0.1, 0.0], vec![0.02, 0.1, 1.0, 3.0]] {
                let plan = plan(solver, sigmas);
                let (got, expected) = (carried(&plan, &narrow, &start), carried(&plan, &wide, &start));
                // Rounding of f64, times what encoding from 0.02 to 3 makes of it.
                let error = farthest(&got, &expected);
                assert!(error < 1e-11, "{solver:?} {:?}: {error}", plan.sigmas);
            }
        }
        let plan = plan(Solver::Heun, levels(9, 3.0, 0.02));
        let single = Plan::run::<f32>;
        let mut x = start.mapv(|v| v as f32);
        single(&plan, &MixtureDenoiser::<f32>::new(mixture), &mut x, 0, 0).unwrap();
        // Latents rounded to 6e-8 of their size, and weights to 1e-5 of a component.
        let error = farthest(&x.mapv(f64::from), &carried(&plan, &wide, &start));
        assert!(error < 1e-4, "in f32: {error}");
    }
}

#[test]
fn encoding_in_f32_keeps_what_is_in_the_subspaces() {
    // What is off them grows by 40 000 on the way, what is in them by 80: rounding of one must not get into the other.
    let mixture = Design::molrg(512, 16, 4).plant(3).unwrap();
    let frame = mixture.joint_basis();
    let samples = normal_rows::<f64>(5, Purpose::Noise, 0..20, 16).dot(&mixture.components[1].basis.t());
    let sigmas = Grid::default().levels().unwrap();
    let encode = plan(Solver::Heun, sigmas).reversed().unwrap();
    let start = &samples + &(normal_rows::<f64>(6, Purpose::Noise, 0..20, 512) * 0.002);
    let mut narrow = start.mapv(|v| v as f32);
    encode.run(&MixtureDenoiser::<f32>::new(mixture.clone()), &mut narrow, 0, 0).unwrap();
    let wide = carried(&encode, &MixtureDenoiser::<f64>::new(mixture), &start);
    let (got, expected) = (narrow.mapv(f64::from).dot(&frame), wide.dot(&frame));
    // Rounding of f32 in sums of 512, not 500 times as much.
    let error = farthest(&got, &expected);
    assert!(error < 2e-5, "{error}");
}

#[test]
fn a_mixture_without_directions_has_a_flow() {
    let point = Component {
        weight: 1.0,
        mean: Array1::zeros(30),
        basis: Array2::zeros((30, 0)),
        variances: Array1::zeros(0),
        noise_variance: 0.5,
    };
    let denoiser = MixtureDenoiser::<f64>::new(Mixture { components: vec![point] });
    let start = normal_rows::<f64>(5, Purpose::Noise, 0..4, 30) * 3.0;
    let plan = plan(Solver::Rk4, levels(200, 3.0, 0.01));
    let got = carried(&plan, &denoiser, &start);
    let factor = ((0.5 + 1e-4) / 9.5f64).sqrt();
    // Of a Gaussian; the fourth order in 200 steps.
    assert!(farthest(&got, &(&start * factor)) < 1e-7);
}

#[test]
fn small_samples_in_f32_follow_f64() {
    let mixture = Design::molrg(48, 6, 2).plant(2).unwrap();
    let plan = plan(Solver::Heun, Grid::default().levels().unwrap());
    let wide = plan.samples::<f64>(&MixtureDenoiser::<f64>::new(mixture.clone()), 3, 0..200).unwrap();
    let narrow = plan.samples::<f32>(&MixtureDenoiser::<f32>::new(mixture), 3, 0..200).unwrap();
    let errors: Vec<f64> = wide
        .outer_iter()
        .zip(narrow.outer_iter())
        .map(|(a, b)| (&a - &b.mapv(f64::from)).mapv(|v| v * v).sum().sqrt())
        .collect();
    // Latents of size 500 rounded to 6e-8 of it, and a contraction of 80 to 1;
    // the few rows near a boundary of components may be torn apart.
    let near = errors.iter().filter(|e| **e < 1e-4).count();
    assert!(near >= 198, "{near} of 200: {errors:?}");
}

#[test]
fn samples_of_a_single_point_are_that_point() {
    let data = normal_rows::<f32>(1, Purpose::Noise, 0..1, 30);
    let denoiser = EmpiricalDenoiser::new(data.clone());
    for solver in FIXED {
        let x = plan(solver, Grid::default().levels().unwrap()).samples::<f32>(&denoiser, 1, 0..20).unwrap();
        assert!(x.outer_iter().all(|row| row == data.row(0)), "{solver:?}");
    }
}

#[test]
fn trajectories_keep_every_level() {
    let denoiser = modes(&[1.0, 0.1]);
    let plan = plan(Solver::Heun, vec![3.0, 1.0, 0.0]);
    let mut x = plan.start::<f64>(1, 0..4, 2);
    let mut kept = Trajectory::new(4, 3, 2);
    let start = x.clone();
    plan.trace(&denoiser, &mut x, 0, 1, |step, _, x| {
        kept.record(step, x);
        Ok(())
    })
    .unwrap();
    assert_eq!(kept.points.slice(s![.., ..2]), start);
    assert_eq!(kept.points.slice(s![.., 4..]), x);
    let middle = carried(&Plan { sigmas: vec![3.0, 1.0], ..plan }, &denoiser, &start);
    assert_eq!(kept.points.slice(s![.., 2..4]), middle);
}

#[test]
fn flows_move_and_scale_with_their_data() {
    // Latents and data on grids on which all sums are exact in f64, and with offsets to 10⁶ in f32.
    fn check<T: Scalar>(step: f64) {
        let grid = |x: Array2<f64>| x.mapv(|v| (v / step).round() * step);
        let d = 36;
        let noise = |seed, rows| normal_rows::<f64>(seed, Purpose::Noise, 0..rows, d);
        let mut general = Design { noise_std: 0.25, ..Design::molrg(d, 2, 3) }.plant(2).unwrap();
        for (c, mean) in general.components.iter_mut().zip(grid(noise(7, 3)).outer_iter()) {
            c.mean = mean.to_owned();
        }
        let data = grid(noise(8, 50));
        let set = |unit: f64, o: f64| EmpiricalDenoiser::new(data.mapv(|v| T::of((v + o) * unit)));
        let mixture = |unit: f64, o: f64| {
            let mut moved = general.clone();
            for c in &mut moved.components {
                c.mean.mapv_inplace(|m| (m + o) * unit);
                c.variances *= unit * unit;
                c.noise_variance *= unit * unit;
            }
            moved
        };
        let start = grid(noise(9, 8) * 5.0);
        let power = (1u128 << 66) as f64;
        for solver in FIXED.into_iter().chain([Solver::Rk45]) {
            let tolerance = if T::epsilon().wide() > 1e-10 { 1e-5 } else { 1e-9 };
            let along = |unit: f64| Plan {
                rtol: tolerance,
                atol: tolerance * unit,
                ..plan(solver, levels(12, 5.0, 0.02).iter().map(|s| s * unit).collect())
            };
            let plain: [Array2<f64>; 2] = [
                carried(&along(1.0), &MixtureDenoiser::<f64>::new(general.clone()), &start),
                carried(&along(1.0), &EmpiricalDenoiser::new(data.clone()), &start),
            ];
            for offset in [0.0, 1e3, 1e6] {
                // The tolerance of rk45 is relative to where the data are.
                if solver == Solver::Rk45 && offset > 0.0 {
                    continue;
                }
                for unit in [1.0, 1.0 / power, power] {
                    let denoisers: [Box<dyn Denoiser<T>>; 2] = [
                        Box::new(MixtureDenoiser::<T>::new(mixture(unit, offset))),
                        Box::new(set(unit, offset)),
                    ];
                    for (expected, denoiser) in plain.iter().zip(denoisers) {
                        let mut x = start.mapv(|v| T::of((v + offset) * unit));
                        along(unit).run(denoiser.as_ref(), &mut x, 0, 0).unwrap();
                        let got = x.mapv(|v| v.wide() / unit - offset);
                        // Every step rounds points at the offset once or twice, which later steps shrink;
                        // on the way from one law to the other errors may grow some tenfold.
                        let rounding = T::epsilon().wide() * (1.0 + offset) * 6.0 * 100.0;
                        let own = if solver == Solver::Rk45 { 100.0 * tolerance } else { 0.0 };
                        let error = farthest(&got, expected);
                        assert!(
                            error < rounding + own,
                            "{solver:?}, {}, offset {offset}, unit {unit}: {error} over {rounding}",
                            T::DTYPE
                        );
                    }
                }
            }
        }
    }
    check::<f32>(0.0625);
    check::<f64>(1.0 / 1024.0);
}

#[test]
fn tolerances_below_the_rounding_of_the_type_are_refused() {
    let mixture = Design::molrg(12, 3, 2).plant(1).unwrap();
    let attempt = |rtol: f64, atol: f64| {
        let plan = Plan { rtol, atol, ..plan(Solver::Rk45, vec![80.0, 1.0, 0.002, 0.0]) };
        let mut x = plan.start::<f32>(1, 0..3, 12);
        plan.run(&MixtureDenoiser::<f32>::new(mixture.clone()), &mut x, 0, 0)
    };
    for (rtol, atol) in [(1e-8, 1e-8), (1e-13, 1e-13), (1e-30, 1e-30)] {
        let error = attempt(rtol, atol).unwrap_err().to_string();
        assert!(error.contains("--rtol") && error.contains("--dtype f64"), "{rtol}: {error}");
    }
    // Down to there, they are met: and one of the two may be as small as it likes.
    for (rtol, atol) in [(1e-6, 1e-6), (2e-7, 1e-30), (1e-30, 1e-4)] {
        assert!(attempt(rtol, atol).unwrap().evaluations < 3000, "{rtol} {atol}");
    }
    let wide = Plan { rtol: 1e-14, atol: 1e-14, ..plan(Solver::Rk45, vec![80.0, 1.0]) };
    carried(&wide, &MixtureDenoiser::<f64>::new(mixture.clone()), &wide.start(1, 0..2, 12));
    let none = Plan { rtol: 1e-17, atol: 1e-17, ..wide };
    let mut x = none.start::<f64>(1, 0..1, 12);
    let error = none.run(&MixtureDenoiser::<f64>::new(mixture), &mut x, 0, 0).unwrap_err().to_string();
    assert!(error.contains("--rtol") && !error.contains("--dtype"), "{error}");
}
