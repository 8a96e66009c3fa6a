//! Systems and filters: against exact laws, and each other.

use molrg::dynamics::filters::{Belief, Filter, Problem};
use molrg::dynamics::{Dynamics, Observation, System, Through};
use molrg::measure::ensemble::{of_members, of_normal};
use molrg::random::{Purpose, row_rng, standard_normals};
use ndarray::{Array2, array};

fn dynamics(system: System) -> Dynamics {
    Dynamics {
        system,
        diffusion: 0.7,
        interval: 0.3,
        substeps: 1,
        start: vec![0.5, -1.0],
        start_std: vec![0.4, 0.2],
        burn_in: 0,
    }
}

const LORENZ: System = System::Lorenz63 { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0 };

/// Without noise: 40 steps of SciPy's DOP853 (rtol and atol 1e-12) from (1, 2, 20), the script beside.
#[test]
fn lorenz_follows_its_equation() {
    let golden: Vec<f64> = serde_json::from_str(include_str!("../../testdata/golden/lorenz.json")).unwrap();
    let error = |substeps| {
        let lorenz = Dynamics {
            diffusion: 0.0,
            interval: 0.025,
            substeps,
            start: vec![1.0, 2.0, 20.0],
            start_std: vec![0.0; 3],
            ..dynamics(LORENZ)
        };
        let path = lorenz.path(40, 1, 0).unwrap();
        path.row(40).iter().zip(&golden).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
    };
    // RK4 is of order 4: half the step, a sixteenth of the error; in between steps are short enough for that.
    let (coarse, fine) = (error(8), error(16));
    assert!(fine < 1e-5 && (coarse / fine).log2() > 3.5, "{coarse} {fine}");
}

/// Mean and variance after some steps are those of the exact law; the scheme of the double well moves by its drift.
#[test]
fn transitions_have_their_laws() {
    let n = 40_000;
    for (system, rate) in [(System::Ou { rate: 1.5 }, 1.5), (System::Brownian, 0.0)] {
        let with = Dynamics { burn_in: 3, ..dynamics(system) };
        let x = with.begin(n, &mut row_rng(1, Purpose::Particles, 0));
        let t: f64 = 0.9;
        let decay = (-rate * t).exp();
        let grown = if rate > 0.0 { (1.0 - decay * decay) / (2.0 * rate) } else { t };
        for (i, x) in x.outer_iter().enumerate() {
            let (mean, variance) = (x.mean().unwrap(), x.var(1.0));
            let due = decay * decay * with.start_std[i].powi(2) + 0.49 * grown;
            // Five standard errors: √(v/n) of a mean, v√(2/n) of a variance.
            assert!(
                (mean - decay * with.start[i]).abs() < 5.0 * (due / n as f64).sqrt(),
                "{system:?} {mean}"
            );
            assert!(
                (variance / due - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(),
                "{system:?} {variance} {due}"
            );
        }
    }
    let well =
        Dynamics { diffusion: 0.0, start_std: vec![0.0; 2], ..dynamics(System::DoubleWell { barrier: 0.5 }) };
    let path = well.path(1, 0, 0).unwrap();
    // x − h·4H x(x² − 1): from 0.5 up by 0.3·2·0.5·0.75; −1 is a well.
    assert!((path[[1, 0]] - (0.5 + 0.225)).abs() < 1e-15 && path[[1, 1]] == -1.0, "{path}");
    // Longer paths begin as shorter ones.
    let noisy = dynamics(System::DoubleWell { barrier: 0.5 });
    assert_eq!(noisy.path(3, 5, 2).unwrap(), noisy.path(9, 5, 2).unwrap().slice(ndarray::s![..4, ..]));
    let text = Dynamics { interval: 50.0, ..dynamics(System::DoubleWell { barrier: 9.0 }) }.path(9, 0, 4);
    assert!(text.unwrap_err().to_string().contains("--substeps"));
}

fn observed(dynamics: &Dynamics, through: Through, steps: usize) -> (Observation, Array2<f64>, Array2<f64>) {
    let observation = Observation { coordinates: vec![1], through, noise_std: 0.3 };
    let path = dynamics.path(steps, 3, 0).unwrap();
    let noise = standard_normals::<f64>(&mut row_rng(9, Purpose::Measurement, 0), steps + 1);
    let mut y = observation.apply(path.t()).reversed_axes();
    y.iter_mut().zip(noise).for_each(|(y, e)| *y += 0.3 * e);
    (observation, path, y)
}

/// Means and variances, one after the other, of all times.
fn followed(
    dynamics: &Dynamics,
    observation: &Observation,
    y: &Array2<f64>,
    filter: Filter,
    n: usize,
) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    let problem = Problem { dynamics, observation, y: y.view(), seed: 7, row: 4 };
    let see = |_, belief: &Belief| {
        let (mean, variance) = belief.moments();
        all.extend(mean.into_iter().zip(variance));
        Ok(())
    };
    problem.follow(filter, n, see).unwrap();
    all
}

/// The joint normal law of all states and observations, conditioned at once by dense algebra.
#[test]
fn the_kalman_filter_is_the_conditional_law() {
    let ou = dynamics(System::Ou { rate: 1.5 });
    let (observation, _, y) = observed(&ou, Through::Identity, 4);
    let all = followed(&ou, &observation, &y, Filter::Kalman, 0);
    // Coordinate 1 at times i and j: Cov = a^(j−i) v_i for i ≤ j, with its variances v and means a^i μ.
    let a: f64 = (-0.45f64).exp();
    let q = 0.49 * (1.0 - a * a) / 3.0;
    let v: Vec<f64> = (0..5).scan(0.04, |v, _| Some(std::mem::replace(v, a * a * *v + q))).collect();
    for last in 0..5 {
        let m = last + 1;
        let covariance = Array2::from_shape_fn((m, m), |(i, j)| {
            a.powi(i.abs_diff(j) as i32) * v[i.min(j)] + if i == j { 0.09 } else { 0.0 }
        });
        let cross = Array2::from_shape_fn((1, m), |(_, j)| a.powi((last - j) as i32) * v[j]);
        let mut gain = cross.clone();
        molrg::linalg::divide_by_symmetric(&mut gain, covariance.view()).unwrap();
        let mean: f64 =
            (0..m).map(|j| gain[[0, j]] * (y[[j, 0]] + a.powi(j as i32))).sum::<f64>() - a.powi(last as i32);
        let variance = v[last] - (0..m).map(|j| gain[[0, j]] * cross[[0, j]]).sum::<f64>();
        let (filtered, unseen) = (all[2 * last + 1], all[2 * last]);
        // Both are exact, and of numbers about 1.
        assert!(
            (filtered.0 - mean).abs() < 1e-12 && (filtered.1 - variance).abs() < 1e-12,
            "{filtered:?} {mean} {variance}"
        );
        // What is not seen goes on as it began.
        assert!((unseen.0 - 0.5 * a.powi(last as i32)).abs() < 1e-12, "{unseen:?}");
    }
}

/// As members grow, particles and ensembles come to the exact filter as 1/√n does.
#[test]
fn particles_and_ensembles_come_to_the_kalman_filter() {
    // Of 10000, deviations of 0.4 are off by 0.004, a few times that with weights; twenty times as much of 100. What is not seen
    // of a Brownian motion forgets nothing: its deviation grows to 1.4 and every one of 12 resamplings of some 5000 equal weights
    // adds to its error, 1.4·√(12/5000) = 0.07 of means, 1.9·√(24/5000) = 0.13 of variances.
    for (system, limits) in [(System::Ou { rate: 1.5 }, (0.02, 0.02)), (System::Brownian, (0.14, 0.26))] {
        let dynamics = dynamics(system);
        let (observation, _, y) = observed(&dynamics, Through::Identity, 12);
        let exact = followed(&dynamics, &observation, &y, Filter::Kalman, 0);
        for filter in [Filter::Particle, Filter::EnsembleKalman] {
            let error = |n| {
                let found = followed(&dynamics, &observation, &y, filter, n);
                let of = |pick: fn(&(f64, f64)) -> f64| {
                    let squares = found.iter().zip(&exact).map(|(a, b)| (pick(a) - pick(b)).powi(2));
                    (squares.sum::<f64>() / found.len() as f64).sqrt()
                };
                (of(|m| m.0), of(|m| m.1))
            };
            let (few, many) = (error(100), error(10_000));
            assert!(many.0 < limits.0 && many.1 < limits.1, "{system:?} {filter:?} {many:?}");
            assert!(many.0 < few.0 / 3.0, "{system:?} {filter:?} {few:?} {many:?}");
        }
    }
}

/// Through arctan, where no filter of normal laws is exact: the particles' law against a grid's.
#[test]
fn particles_come_to_the_law_on_a_grid() {
    let ou = Dynamics { start: vec![1.0], start_std: vec![0.8], ..dynamics(System::Ou { rate: 0.5 }) };
    let observation = Observation { coordinates: vec![0], through: Through::Atan, noise_std: 0.3 };
    let y = array![[0.9], [0.4], [-0.6], [1.1]];
    let (a, q) = ou.linear().unwrap();
    let grid: Vec<f64> = (0..401).map(|i| (i as f64 - 200.0) / 40.0).collect();
    let mut law: Vec<f64> = grid.iter().map(|x| (-0.5 * ((x - 1.0) / 0.8f64).powi(2)).exp()).collect();
    let found = followed(&ou, &observation, &y, Filter::Particle, 40_000);
    for (k, y) in y.iter().enumerate() {
        if k > 0 {
            let moved = |to: &f64| {
                grid.iter().zip(&law).map(|(x, p)| p * (-0.5 * (to - a * x).powi(2) / q).exp()).sum()
            };
            law = grid.iter().map(moved).collect();
        }
        law.iter_mut().zip(&grid).for_each(|(p, x)| *p *= (-0.5 * ((y - x.atan()) / 0.3).powi(2)).exp());
        let sum: f64 = law.iter().sum();
        law.iter_mut().for_each(|p| *p /= sum);
        let mean: f64 = law.iter().zip(&grid).map(|(p, x)| p * x).sum();
        let variance: f64 = law.iter().zip(&grid).map(|(p, x)| p * (x - mean).powi(2)).sum();
        // Deviations of some 0.5 over √40000, times five, and half as much again for weights that are not equal.
        assert!(
            (found[k].0 - mean).abs() < 0.02 && (found[k].1 - variance).abs() < 0.02,
            "{k}: {:?} {mean} {variance}",
            found[k]
        );
    }
}

#[test]
fn systematic_resampling_keeps_what_the_weights_say() {
    // One observation says little (s = 3): the belief after it, moved without noise, is the law of the next.
    let still =
        Dynamics { diffusion: 0.0, start: vec![0.0], start_std: vec![1.0], ..dynamics(System::Brownian) };
    let observation = Observation { coordinates: vec![0], through: Through::Identity, noise_std: 3.0 };
    let y = array![[2.0], [2.0]];
    let (mut effective, problem) =
        (Vec::new(), Problem { dynamics: &still, observation: &observation, y: y.view(), seed: 1, row: 0 });
    let n = 5000;
    problem
        .follow(Filter::Particle, n, |_, belief| {
            effective.push(belief.effective().unwrap());
            Ok(())
        })
        .unwrap();
    // 1/Σw² = n (E w)²/E w², of w = e^(−(y−x)²/2s²) under N(0, 1): E wᵖ = √(s²/(s² + p)) e^(−½p y²/(s² + p)).
    let power = |p: f64| (9.0f64 / (9.0 + p)).sqrt() * (-0.5 * p * 4.0 / (9.0 + p)).exp();
    let due = n as f64 * power(1.0).powi(2) / power(2.0);
    assert!((effective[0] / due - 1.0).abs() < 0.01, "{} {due}", effective[0]);
    assert!(effective[1] > 0.9 * n as f64, "{effective:?}");
}

#[test]
fn scores_of_a_law_are_its_integrals() {
    let members = [0.3, -1.2, 2.0, 0.9, -0.4];
    let weights = [0.1, 0.3, 0.15, 0.25, 0.2];
    let truth = 0.5;
    let found = of_members(members, &weights, truth);
    let pairs = |of: fn(f64, f64) -> f64| -> f64 {
        let all = members.iter().zip(&weights);
        all.clone().map(|(x, w)| all.clone().map(|(y, v)| w * v * of(*x, *y)).sum::<f64>()).sum()
    };
    let off: f64 = members.iter().zip(&weights).map(|(x, w)| w * (x - truth).abs()).sum();
    assert!((found.wasserstein - off).abs() < 1e-15);
    assert!((found.crps - (off - 0.5 * pairs(|x, y| (x - y).abs()))).abs() < 1e-15, "{found:?}");
    // A normal law as members on a fine grid; of one of step h it is off by some h².
    let grid: Vec<f64> = (-900..=900).map(|i| f64::from(i) / 100.0).collect();
    let density: Vec<f64> = grid.iter().map(|z| (-0.5 * z * z).exp()).collect();
    let sum: f64 = density.iter().sum();
    let weights: Vec<f64> = density.iter().map(|p| p / sum).collect();
    let (many, law) =
        (of_members(grid.iter().map(|z| 0.4 + 1.5 * z), &weights, 1.9), of_normal(0.4, 1.5, 1.9));
    assert!(
        (many.crps - law.crps).abs() < 1e-4 && (many.wasserstein - law.wasserstein).abs() < 1e-4,
        "{many:?} {law:?}"
    );
    // The published value at the mean: σ(√2 − 1)/√π.
    assert!(
        (of_normal(2.0, 3.0, 2.0).crps - 3.0 * (2f64.sqrt() - 1.0) / std::f64::consts::PI.sqrt()).abs()
            < 1e-14
    );
    assert_eq!(of_normal(1.0, 0.0, 3.5).crps, 2.5);
}
