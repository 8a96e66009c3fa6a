//! Systems and filters: against exact laws, and each other.

use molrg::dynamics::filters::{Filter, Known, Learned, Problem};
use molrg::dynamics::{
    Dynamics, Endpoint, Observation, Quirk, Sampler, Streams, System, Through, Transition, overshoot,
};
use molrg::measure::ensemble::{of_members, of_normal};
use molrg::random::{Purpose, row_rng, standard_normals};
use ndarray::{Array2, ArrayView2, Axis, array};

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

/// Of b = −θx steps grow where θh > 2; of x − x³ where they lead beyond the other well's side, |x| > (1 + 2/h)^½; none do in a
/// well up to h = 1, nor by rounding where nothing moves.
#[test]
fn steps_that_grow_are_known() {
    let linear = |rate: f64| overshoot(1.0, -rate, -rate * (1.0 - rate));
    assert_eq!(linear(1.9), None);
    assert!((linear(2.5).unwrap() - 1.5).abs() < 1e-15);
    let well = |h: f64, x: f64| {
        let step = |x: f64| h * (x - x * x * x);
        overshoot(x, step(x), step(x + step(x)))
    };
    for h in [0.01_f64, 0.5, 0.99] {
        let edge = (1.0 + 2.0 / h).sqrt();
        for i in -999..1000 {
            let x = edge * f64::from(i) / 1000.0;
            assert_eq!(well(h, x), None, "{h} {x}");
        }
        assert!(well(h, -1.01 * edge).unwrap() > 1.0);
    }
    assert!(well(1.1, 1.01).is_some());
    assert_eq!(overshoot(1.0, 1e-16, -3e-16), None);
}

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
        let x = with.begin(n, &mut Streams::new(n, 1, Purpose::Particles, 0));
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
    // Many states draw by parts, each from a generator of its own, whatever the threads are.
    let noisy = dynamics(System::DoubleWell { barrier: 0.5 });
    let moved = |n, threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut streams = Streams::new(n, 1, Purpose::Particles, 0);
            let mut x = noisy.begin(n, &mut streams);
            noisy.advance(&mut x, &mut streams);
            x
        })
    };
    let many = moved(5000, 3);
    assert_eq!(many, moved(5000, 1));
    let parts = [0, 2048, 4096].map(|from| many.slice(ndarray::s![.., from..from + 900]));
    assert!(parts[0] != parts[1] && parts[0] != parts[2] && parts[1] != parts[2]);
    assert_eq!(many.slice(ndarray::s![.., ..2048]), moved(2048, 1));
    let well =
        Dynamics { diffusion: 0.0, start_std: vec![0.0; 2], ..dynamics(System::DoubleWell { barrier: 0.5 }) };
    let path = well.path(1, 0, 0).unwrap();
    // x − h·4H x(x² − 1): from 0.5 up by 0.3·2·0.5·0.75; −1 is a well.
    assert!((path[[1, 0]] - (0.5 + 0.225)).abs() < 1e-15 && path[[1, 1]] == -1.0, "{path}");
    // Longer paths begin as shorter ones.
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
    let problem =
        Problem { dynamics, observation, learned: None, y: y.view(), until: usize::MAX, seed: 7, row: 4 };
    let see = |_, known: Known| {
        let (mean, variance) = known.belief.moments();
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

/// Of observations of the system itself the squares of what was not foreseen are as large as foreseen, and those of the state
/// itself, and of draws of its law given them, as large as the noise.
#[test]
fn what_is_foreseen_is_due() {
    let ou = dynamics(System::Ou { rate: 1.5 });
    let (mut sums, mut truth, paths, steps) = ([0.0; 3], 0.0, 150, 6);
    for row in 0..paths {
        let path = ou.path(steps, 3, row).unwrap();
        let observation = Observation { coordinates: vec![0, 1], through: Through::Identity, noise_std: 0.3 };
        let noise = standard_normals::<f64>(&mut row_rng(9, Purpose::Measurement, row), 2 * (steps + 1));
        let mut y = path.clone();
        y.iter_mut().zip(noise).for_each(|(y, e)| *y += 0.3 * e);
        truth += path
            .outer_iter()
            .zip(y.outer_iter())
            .map(|(x, y)| observation.misfit(x.insert_axis(Axis(1)), y))
            .sum::<f64>();
        let problem = Problem {
            dynamics: &ou,
            observation: &observation,
            learned: None,
            y: y.view(),
            until: steps - 1,
            seed: 7,
            row,
        };
        let filters = [(Filter::Kalman, 0), (Filter::Particle, 500), (Filter::EnsembleKalman, 100)];
        for (sum, (filter, n)) in sums.iter_mut().zip(filters) {
            let see = |k, known: Known| {
                assert_eq!(known.surprise.is_none(), k == steps);
                *sum += known.surprise.unwrap_or(0.0);
                Ok(())
            };
            problem.follow(filter, n, see).unwrap();
        }
        // A variance of so few says nothing.
        let few = |_, known: Known| {
            assert!(known.surprise.is_none());
            Ok(())
        };
        problem.follow(Filter::EnsembleKalman, 9, few).unwrap();
    }
    let n = (paths as usize * steps) as f64;
    // Squares of 2 n normal numbers: five deviations; of 100 members by 3/100 more, of weights that are not equal some.
    let chance = 5.0 / n.sqrt();
    for (mean, more) in sums.map(|sum| sum / n).into_iter().zip([0.0, 0.05, 0.05]) {
        assert!((mean - 1.0).abs() < chance + more, "{mean}");
    }
    assert!((truth / (n + paths as f64) - 1.0).abs() < chance, "{truth}");
}

#[test]
fn systematic_resampling_keeps_what_the_weights_say() {
    // One observation says little (s = 3): the belief after it, moved without noise, is the law of the next.
    let still =
        Dynamics { diffusion: 0.0, start: vec![0.0], start_std: vec![1.0], ..dynamics(System::Brownian) };
    let observation = Observation { coordinates: vec![0], through: Through::Identity, noise_std: 3.0 };
    let y = array![[2.0], [2.0]];
    let mut effective = Vec::new();
    let (until, learned) = (1, None);
    let problem =
        Problem { dynamics: &still, observation: &observation, learned, y: y.view(), until, seed: 1, row: 0 };
    let n = 5000;
    problem
        .follow(Filter::Particle, n, |_, known| {
            effective.push(known.belief.effective().unwrap());
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

/// N(a x_0, q I), exactly.
struct Linear {
    a: f64,
    q: f64,
}

impl Transition for Linear {
    fn spread(&self) -> f64 {
        self.q.sqrt()
    }

    fn denoise(
        &self,
        x: ArrayView2<f64>,
        sigma: f64,
        before: ArrayView2<f64>,
    ) -> anyhow::Result<Array2<f64>> {
        let mean = &before * self.a;
        Ok((&x - &mean) * (self.q / (self.q + sigma * sigma)) + mean)
    }

    fn pulled_back(
        &self,
        x: ArrayView2<f64>,
        sigma: f64,
        before: ArrayView2<f64>,
        of: &mut dyn FnMut(ArrayView2<f64>) -> Array2<f64>,
    ) -> anyhow::Result<(Array2<f64>, Array2<f64>)> {
        let d = self.denoise(x, sigma, before)?;
        let back = of(d.view()) * (self.q / (self.q + sigma * sigma));
        Ok((d, back))
    }
}

fn sampler(endpoint: Endpoint, quirks: &[Quirk]) -> Sampler {
    Sampler { steps: 60, endpoint, estimates: 40, step_size: None, quirks: quirks.to_vec() }
}

const LINEAR: Linear = Linear { a: 0.9, q: 0.09 };
const SEEN: f64 = 1.4;

/// Mean and variance of what FlowDAS makes of 2000 states at 1, without an observation or with y = 1.4 of deviation 0.25.
fn drawn(sampler: &Sampler, seen: bool) -> (f64, f64) {
    let observation = Observation { coordinates: vec![0], through: Through::Identity, noise_std: 0.25 };
    let (y, before) = (array![SEEN], Array2::ones((1, 2000)));
    let seen = seen.then_some((&observation, y.view()));
    let rng = &mut row_rng(2, Purpose::Particles, 0);
    let x = sampler.next(&LINEAR, seen, before.view(), rng).unwrap().states;
    (x.mean().unwrap(), x.var(1.0))
}

/// The same of infinitely many states and estimates, whose law is normal: by the paper's own formulas, X_0 = 1 or, counted
/// from the state before, 0. `estimate` is (e_1, e_0), X̂ = e_1 X + e_0, at s, of b = A X + c.
fn moments(steps: usize, from: f64, estimate: impl Fn(f64, f64, f64) -> (f64, f64)) -> (f64, f64) {
    let (mean, ds, v_y) = (LINEAR.a - 1.0 + from, 1.0 / steps as f64, 0.0625);
    let (mut m, mut v) = (from, 0.0);
    for step in 0..steps {
        let s = step as f64 * ds;
        // b = −x_0 + 2s E[x_1 | X] − √s E[z | X]: regression on X of variance s⁴q + s(1 − s)².
        let variance = s.powi(4) * LINEAR.q + s * (1.0 - s).powi(2);
        let (gain_x, gain_z) = match step {
            0 => (0.0, 0.0),
            _ => (s * s * LINEAR.q / variance, s.sqrt() * (1.0 - s) / variance),
        };
        let centre = (1.0 - s) * from + s * s * mean;
        // At s = 0 b is −x_0, which there is X.
        let a = if step == 0 { -1.0 } else { 2.0 * s * gain_x - s.sqrt() * gain_z };
        let c = if step == 0 { 0.0 } else { -from + 2.0 * s * mean - a * centre };
        let (e1, e0) = estimate(s, a, c);
        let gain = (1.0 - s).powi(2) * ds * e1 / (v_y + (1.0 - s).powi(3) / 3.0);
        let keep = 1.0 + a * ds - gain * e1;
        m = keep * m + c * ds + gain * (SEEN - 1.0 + from - e0);
        v = keep * keep * v + (1.0 - s).powi(2) * ds;
    }
    (m + 1.0 - from, v)
}

/// A linear transition: unguided its own law, guided the law of the paper's formulas, and the nearer to the exact posterior the
/// higher the order.
#[test]
fn flowdas_follows_a_linear_transition() {
    let off = |(m, v): (f64, f64), (mean, variance): (f64, f64)| (m - mean).hypot(v.sqrt() - variance.sqrt());
    let free = drawn(&sampler(Endpoint::First, &[]), false);
    // Euler's 60 steps leave 2 % of the variance, 2000 states 3.2 % of it and √(q/2000) = 0.007 of the mean, three times.
    assert!((free.0 - 0.9).abs() < 0.02 && (free.1 / 0.09 - 1.0).abs() < 0.12, "{free:?}");
    let gain = LINEAR.q / (LINEAR.q + 0.0625);
    let exact = (0.9 + gain * (SEEN - 0.9), gain * 0.0625);
    let mut errors = Vec::new();
    for (endpoint, quirks, from) in [
        (Endpoint::First, &[][..], 0.0),
        (Endpoint::Second, &[], 0.0),
        (Endpoint::Second, &[Quirk::Drift], 0.0),
        (Endpoint::First, &[Quirk::Origin], 1.0),
        (Endpoint::Second, &[Quirk::Origin], 1.0),
    ] {
        let found = drawn(&sampler(endpoint, quirks), true);
        let due = moments(60, from, |s, a, c| {
            let rest = 1.0 - s;
            let first = (1.0 + rest * a, rest * c);
            let end = if quirks.contains(&Quirk::Drift) { (1.0, 0.0) } else { first };
            match endpoint {
                Endpoint::First => first,
                Endpoint::Second => {
                    (1.0 + 0.5 * rest * (a + 2.0 * end.0), 0.5 * rest * (c + 2.0 * end.1 - from))
                }
            }
        });
        // 2000 states: 0.006 of means, 3.2 % of variances; 40 estimates a step weigh a little other than all do.
        assert!((found.0 - due.0).abs() < 0.03, "{endpoint:?} {quirks:?} {found:?} {due:?}");
        assert!((found.1 / due.1 - 1.0).abs() < 0.15, "{endpoint:?} {quirks:?} {found:?} {due:?}");
        errors.push(off(found, exact));
    }
    // Measured: 0.21 and 0.05; without an observation 0.31.
    assert!(errors[1] < 0.5 * errors[0] && errors[0] < off(free, exact), "{errors:?}");
}

/// Published steps, and what the published code has otherwise, by their formulas.
#[test]
fn published_steps_are_those_of_their_formulas() {
    // Steps of the size of the conditional law are no other than these where they are the same: at one s alone, so of two
    // steps the last, s = ½, (1 − s)² ds/2s_y² = 1. The first sees nothing of the observation by first order.
    let plain = Sampler { steps: 2, estimates: 3, ..sampler(Endpoint::First, &[]) };
    let same = Sampler { step_size: Some(0.125 / (2.0 * 0.0625)), ..plain.clone() };
    let (a, b) = (drawn(&plain, true), drawn(&same, true));
    assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12, "{a:?} {b:?}");
    // Of one estimate, −ζ∇‖y − X̂‖ is a step of one length, whatever the distance: ζ|e_1| towards y, ds = ½.
    let normed = Sampler { step_size: Some(1e-3), quirks: vec![Quirk::Norm], estimates: 1, ..plain.clone() };
    let free = drawn(&Sampler { step_size: Some(1e-18), ..normed.clone() }, true);
    let found = drawn(&normed, true);
    // X̂ = s(2 − s) D, D = … + K x̂/1, x̂ = X/s²: of first order e_1 = s(2 − s)K/s² at s = ½, σ² = 2.
    let e1 = 0.75 * (0.09 / 2.09) * 4.0;
    // Those beyond y go back: of 2000 states few, as X̂ is near 0.
    assert!((found.0 - free.0 - 1e-3 * e1).abs() < 1e-4 * e1, "{found:?} {free:?}");
}

/// The deviation of estimates, Itô's √((1 − s)³/3) and the published 2/3 − √s + s√s/3. Of one estimate the guidance is linear,
/// g(y − X̂ − νε)/s_y², so that with the same numbers the two differ by δ ← (1 + a ds − g e_1)δ − g(ν′ − ν)ε, δ = 0 at first.
#[test]
fn estimates_have_the_deviations_of_their_formulas() {
    let (n, v_y) = (40_000, 0.25);
    let observation = Observation { coordinates: vec![0], through: Through::Identity, noise_std: 0.5 };
    let (y, before) = (array![SEEN], Array2::ones((1, n)));
    for steps in [2, 3, 7] {
        let states = |quirks: &[Quirk]| {
            let sampler = Sampler { steps, estimates: 1, ..sampler(Endpoint::First, quirks) };
            let rng = &mut row_rng(5, Purpose::Particles, 1);
            sampler.next(&LINEAR, Some((&observation, y.view())), before.view(), rng).unwrap().states
        };
        let apart = states(&[Quirk::Noise]) - states(&[]);
        let (ds, mut due) = (1.0 / f64::from(steps), 0.0);
        for step in 1..steps {
            let s = f64::from(step) * ds;
            let variance = s.powi(4) * LINEAR.q + s * (1.0 - s).powi(2);
            let a = (2.0 * s.powi(3) * LINEAR.q - s * (1.0 - s)) / variance;
            let e1 = 1.0 + (1.0 - s) * a;
            let gain = (1.0 - s).powi(2) * ds * e1 / v_y;
            let published = 2.0 / 3.0 - s.sqrt() + s * s.sqrt() / 3.0;
            let ito = ((1.0 - s).powi(3) / 3.0).sqrt();
            due = (1.0 + a * ds - gain * e1).powi(2) * due + (gain * (published - ito)).powi(2);
        }
        // The variance of 40000 normal numbers: √(2/n) = 0.7 %, four times; and their mean is 0.
        assert!((apart.var(0.0) / due - 1.0).abs() < 0.03, "{steps}: {} {due}", apart.var(0.0));
        assert!(apart.mean().unwrap().abs() < 4.0 * (due / n as f64).sqrt(), "{steps}");
    }
}

/// Where the guidance's steps are too long for the noise, states run away on the way and come back; where they are not, none
/// goes far.
#[test]
fn states_that_run_away_on_the_way_are_told() {
    let farthest = |noise_std: f64, steps: u32, seen: f64| {
        let observation = Observation { coordinates: vec![0], through: Through::Identity, noise_std };
        let before = Array2::ones((1, 200));
        let sampler = Sampler { steps, ..sampler(Endpoint::Second, &[]) };
        let next = sampler.next(
            &LINEAR,
            Some((&observation, array![seen].view())),
            before.view(),
            &mut row_rng(2, Purpose::Particles, 0),
        );
        let next = next.unwrap();
        (next.farthest, next.states.mean().unwrap(), next.states.std(0.0))
    };
    // √2 erfinv of 1 − 1/(200 · 100) is 4.1: chance alone goes no further than 6.
    for (noise_std, steps) in [(1.0, 20), (0.25, 60), (0.05, 100)] {
        for seen in [SEEN, 2.1] {
            let (far, mean, std) = farthest(noise_std, steps, seen);
            let gain = LINEAR.q / (LINEAR.q + noise_std * noise_std);
            let exact = (0.9 + gain * (seen - 0.9), gain.sqrt() * noise_std);
            assert!(far < 6.0, "{noise_std}, {steps}: {far}");
            // Of second order: off by 0.07 at most, and 200 states by 0.02 (means) and 5 % (deviations).
            assert!(
                (mean - exact.0).abs() < 0.15 && (std / exact.1 - 1.0).abs() < 0.3,
                "{mean} {std} {exact:?}"
            );
        }
    }
    // The guidance's steps multiply what is left by up to ds/s_y² = 25.
    let (far, mean, std) = farthest(0.02, 100, SEEN);
    assert!(far > 1e3 && (mean - SEEN).abs().max(std) > 10.0, "{far} {mean} {std}");
    // Without anything seen nothing drives states anywhere.
    let rng = &mut row_rng(2, Purpose::Particles, 0);
    assert!(
        sampler(Endpoint::Second, &[])
            .next(&LINEAR, None, Array2::ones((1, 200)).view(), rng)
            .unwrap()
            .farthest
            == 0.0
    );
}

/// By a mean alone, an ensemble is Kalman's filter of a system without noise; forecasts then keep no spread.
#[test]
fn regression_is_the_filter_of_a_system_without_noise() {
    let ou = Dynamics { diffusion: 0.0, ..dynamics(System::Ou { rate: 1.5 }) };
    let (observation, _, y) = observed(&ou, Through::Identity, 6);
    let (a, _) = ou.linear().unwrap();
    let learned =
        Learned { transition: Box::new(Linear { a, q: 0.0 }), sampler: sampler(Endpoint::Second, &[]) };
    let follow = |filter, n, learned| {
        let mut all = Vec::new();
        let problem = Problem {
            dynamics: &ou,
            observation: &observation,
            learned,
            y: y.view(),
            until: 3,
            seed: 7,
            row: 4,
        };
        problem.follow(filter, n, |_, known| {
            let (mean, variance) = known.belief.moments();
            all.extend(mean.into_iter().zip(variance));
            Ok(())
        })?;
        anyhow::Ok(all)
    };
    let exact = follow(Filter::Kalman, 1, None).unwrap();
    let found = follow(Filter::Regression, 10_000, Some(&learned)).unwrap();
    for ((m, v), (mean, variance)) in found.iter().zip(&exact) {
        // 10000 members: deviations of at most 0.4 over 100, five times.
        assert!((m - mean).abs() < 0.02 && (v.sqrt() - variance.sqrt()).abs() < 0.02, "{found:?} {exact:?}");
    }
    // What is seen up to step 3 is all that beliefs rest on: later variances only decay.
    assert!((exact[13].1 / exact[7].1 - a.powi(6)).abs() < 1e-12, "{exact:?}");
    assert!(follow(Filter::Flowdas, 10, None).is_err());
}
