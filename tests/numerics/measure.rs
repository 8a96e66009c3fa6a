//! Measures against closed forms, brute force, resampling and SciPy.

use molrg::denoiser::{Differentiable, EmpiricalDenoiser, MixtureDenoiser};
use molrg::fit::Settings;
use molrg::fit::pca::Moments;
use molrg::flow::{Plan, Solver};
use molrg::linalg::{orthonormalize, singular_values, squared_distance};
use molrg::measure::copies::{Known, paired_copies};
use molrg::measure::descriptor::{Choice, Descriptor};
use molrg::measure::generalization::{Nearest, Training, is_copy};
use molrg::measure::interval::{Amounts, Estimate, Joint, Mean};
use molrg::measure::numerical_rank::{Survey, numerical_rank, randomized};
use molrg::measure::phase::{Cell, Experiment};
use molrg::measure::probability_flow_distance::{BiasVariance, Distance, Relative, Shifted};
use molrg::measure::reproducibility::{Reproducibility, Side, Similarity, cosine};
use molrg::measure::subspace_error::{between, largest, matched};
use molrg::mixture::{Design, Mixture, Sampler};
use molrg::random::{Purpose, normal_rows, row_rng, subset, uniform};
use molrg::scalar::Scalar;
use molrg::schedule::Grid;
use ndarray::{Array1, Array2, ArrayView2, Axis, arr1, arr2, concatenate, s};
use rand_distr::{Distribution, Gamma};
use serde_json::Value;

fn normal<T: Scalar>(seed: u64, rows: usize, columns: usize) -> Array2<T> {
    normal_rows(seed, Purpose::Noise, 0..rows as u64, columns)
}

fn frame(seed: u64, d: usize, r: usize) -> Array2<f64> {
    orthonormalize(normal::<f64>(seed, d, r).view())
}

// Intervals

#[test]
fn shares_have_wilsons_interval() {
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/shares.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let (k, n) = (case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        let share = Estimate::share(k, n);
        let p = k as f64 / n as f64;
        assert_eq!((share.value, share.n), (p, n));
        assert!((share.std_error.unwrap() - (p * (1.0 - p) / n as f64).sqrt()).abs() < 1e-15);
        // SciPy computes the same formula; the quantile has sixteen digits.
        assert!((share.ci_low.unwrap() - case["low"].as_f64().unwrap()).abs() < 1e-14, "{k} of {n}");
        assert!((share.ci_high.unwrap() - case["high"].as_f64().unwrap()).abs() < 1e-14, "{k} of {n}");
    }
}

#[test]
fn means_and_their_errors() {
    // Far from 0, where a sum of squares would lose all digits.
    let x: Vec<f64> = normal::<f64>(1, 1, 500).iter().map(|v| 1e6 + v).collect();
    let mut running = Mean::default();
    x.iter().for_each(|v| running.add(*v));
    let mean = x.iter().sum::<f64>() / 500.0;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 499.0;
    // Rounding of numbers of 1e6 is 1e-10.
    assert!((running.mean - mean).abs() < 1e-8 && (running.variance() / variance - 1.0).abs() < 1e-8);
    assert!((running.std_error() - (variance / 500.0).sqrt()).abs() < 1e-8);
    let mut one = Mean::default();
    one.add(3.0);
    assert_eq!((one.mean, one.variance(), one.std_error()), (3.0, 0.0, 0.0));
}

/// Numbers taken in one by one.
fn amounts(x: &[f64]) -> Amounts {
    let mut all = Amounts::default();
    x.iter().for_each(|x| all.add(*x));
    all
}

#[test]
fn intervals_of_amounts_are_fay_and_feuers() {
    // SciPy's gamma quantiles; Wilson and Hilferty's are within a hundredth of the mean where the mean's own
    // variance is below its square, and it always is.
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/amounts.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let x: Vec<f64> = case["x"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let found = amounts(&x).estimate();
        let [mean, low, high] = ["mean", "low", "high"].map(|key| case[key].as_f64().unwrap());
        let close = |found: f64, golden: f64| (found - golden).abs() < 0.015 * golden.max(mean);
        assert!((found.value / mean - 1.0).abs() < 1e-12);
        assert!(close(found.ci_low.unwrap(), low), "{found:?}, not {low}");
        assert!(close(found.ci_high.unwrap(), high), "{found:?}, not {high}");
        let root = amounts(&x).root();
        assert_eq!(root.ci_high, found.ci_high.map(f64::sqrt));
        assert!((root.value.powi(2) / mean - 1.0).abs() < 1e-12);
    }
    // One row: a value, and nothing of how sure it is.
    let one = amounts(&[4.0]);
    let unsure = Estimate { value: 2.0, std_error: None, ci_low: None, ci_high: None, n: 1 };
    assert_eq!(one.root(), unsure);
    assert_eq!(one.over(&amounts(&[1.0, 3.0])).unwrap(), unsure);
    assert_eq!(amounts(&[4.0, 4.0]).over(&amounts(&[2.0])).unwrap().ci_low, None);
}

#[test]
fn rows_that_carry_half_of_the_sum_are_counted() {
    let mut x = vec![1.0; 100];
    assert_eq!(amounts(&x).concentration(), None);
    x[40] = 99.0;
    assert_eq!(amounts(&x).concentration(), Some(1), "99 of 198");
    x[40] = 98.9;
    assert_eq!(amounts(&x).concentration(), Some(2));
    (x[3], x[40], x[77]) = (40.0, 30.0, 27.1);
    assert_eq!(amounts(&x).concentration(), Some(3), "97.1 of 194.1");
    x[77] = 26.9;
    assert_eq!(amounts(&x).concentration(), None, "it takes four");
    assert_eq!(amounts(&[1.0, 0.0, 0.0]).concentration(), None, "too few rows to say");
    assert_eq!(amounts(&[0.0; 100]).concentration(), None);
}

/// Numbers of mean 1 (`Switch`: 2p + .02) whose skewness is the one asked for.
#[derive(Clone, Copy, Debug)]
enum Family {
    Gamma(f64),
    /// s of ln x.
    LogNormal(f64),
    /// The share p of rows that come out on the other side.
    Switch(f64),
}

impl Family {
    /// Of skewness 2, 6, 17.
    const ALL: [[Family; 3]; 3] = [
        [Family::Gamma(1.0), Family::LogNormal(0.5513), Family::Switch(0.1464)],
        [Family::Gamma(4.0 / 36.0), Family::LogNormal(0.9974), Family::Switch(0.0254)],
        [Family::Gamma(4.0 / 289.0), Family::LogNormal(1.3251), Family::Switch(0.00341)],
    ];

    fn mean(self) -> f64 {
        match self {
            Family::Gamma(_) | Family::LogNormal(_) => 1.0,
            Family::Switch(p) => 2.0 * p + 0.02,
        }
    }

    fn draw(self, rng: &mut impl rand::Rng) -> f64 {
        let gamma = |rng: &mut _, shape: f64| Gamma::new(shape, 1.0 / shape).unwrap().sample(rng);
        match self {
            Family::Gamma(shape) => gamma(rng, shape),
            Family::LogNormal(s) => {
                let z: f64 = rand_distr::StandardNormal.sample(rng);
                (s * z - s * s / 2.0).exp()
            }
            Family::Switch(p) => {
                let switched = if uniform(rng) < p { 2.0 * gamma(rng, 24.0) } else { 0.0 };
                switched + 0.02 * gamma(rng, 3.0)
            }
        }
    }
}

/// How often, of so many rounds, `held` says that an interval of what `draw` gives held.
fn share_of(rounds: u64, held: impl Fn(&mut rand_chacha::ChaCha8Rng) -> bool) -> f64 {
    let held = (0..rounds).filter(|round| held(&mut row_rng(1, Purpose::Bootstrap, *round))).count();
    held as f64 / rounds as f64
}

fn covers(e: &Estimate, truth: f64) -> bool {
    e.ci_low.unwrap() <= truth && truth <= e.ci_high.unwrap()
}

#[test]
fn intervals_hold_where_few_rows_carry_the_distance() {
    // Shares of 2000 rounds have a standard deviation of half a hundredth; docs/coverage.csv has more.
    for (families, least) in Family::ALL.iter().zip([0.93, 0.93, 0.9]) {
        for &family in families {
            for n in [200, 1000] {
                let held = share_of(2000, |rng| {
                    let x: Vec<f64> = (0..n).map(|_| family.draw(rng)).collect();
                    let all = amounts(&x);
                    // Rows that belong together are at (√x, 0); those that do not at a distance of 2.
                    let mut shifted = Shifted::default();
                    let a = Array2::from_shape_fn((n, 2), |(i, j)| {
                        (j == 0) as u8 as f64 * x[i].sqrt() + turned(i, j)
                    });
                    let b = Array2::from_shape_fn((n, 2), |(i, j)| turned(i, j));
                    shifted.add(a.view(), b.view());
                    covers(&all.root(), family.mean().sqrt())
                        || all.concentration().is_some()
                        || shifted.unseen(&all).is_some()
                });
                assert!(held >= least, "{family:?}, n {n}: {held}");
            }
        }
    }
    /// Points on a circle of radius 2, opposite to the one before.
    fn turned(i: usize, j: usize) -> f64 {
        if j == 0 { 0.0 } else { 2.0 * (1.0 - 2.0 * (i % 2) as f64) }
    }
    // And of means, without the warnings.
    for &family in Family::ALL[..2].iter().flatten() {
        let held = share_of(2000, |rng| {
            let x: Vec<f64> = (0..200).map(|_| family.draw(rng)).collect();
            covers(&amounts(&x).estimate(), family.mean())
        });
        assert!((0.93..0.99).contains(&held), "{family:?}: {held}");
    }
}

#[test]
fn intervals_of_ratios_and_differences_hold() {
    for &family in Family::ALL[..2].iter().flatten() {
        let n = 200;
        // Over other numbers of the same rows, of which a third is the same.
        let ratio = share_of(1000, |rng| {
            let mut pairs = Joint::default();
            for _ in 0..n {
                let (x, y, both) = (family.draw(rng), family.draw(rng), family.draw(rng));
                pairs.add(x + 0.5 * both, y + 0.5 * both);
            }
            covers(&pairs.root_ratio().unwrap(), 1.0)
        });
        // Over independent ones.
        let over = share_of(1000, |rng| {
            let [x, y] = [n, 300].map(|n| amounts(&(0..n).map(|_| family.draw(rng)).collect::<Vec<_>>()));
            covers(&x.over(&y).unwrap(), 1.0)
        });
        let difference = share_of(1000, |rng| {
            let mut pairs = Joint::default();
            for _ in 0..n {
                let (x, y) = (family.draw(rng), family.draw(rng));
                pairs.add(x + 0.5 * y, y);
            }
            covers(&pairs.difference(0.5), family.mean())
        });
        for (what, held) in [("ratio", ratio), ("over", over), ("difference", difference)] {
            assert!(held >= 0.93, "{family:?}, {what}: {held}");
        }
    }
}

/// The standard deviation of a statistic over resampled rows.
fn bootstrap(n: usize, rounds: u64, statistic: impl Fn(&[usize]) -> f64) -> f64 {
    let mut values = Mean::default();
    for round in 0..rounds {
        let mut rng = row_rng(99, Purpose::Bootstrap, round);
        let rows: Vec<usize> = (0..n).map(|_| (uniform(&mut rng) * n as f64) as usize).collect();
        values.add(statistic(&rows));
    }
    values.variance().sqrt()
}

// PFD

#[test]
fn distance_of_low_rank_gaussians() {
    let (d, r) = (48, 6);
    let (u, v) = (frame(1, d, r), frame(2, d, r));
    let p = MixtureDenoiser::<f64>::new(Mixture::of_bases(vec![u.clone()]));
    let q = MixtureDenoiser::<f64>::new(Mixture::of_bases(vec![v.clone()]));
    let sigmas = Grid::default().levels().unwrap();
    let plan = |solver, sigmas: &[f64]| Plan {
        sigmas: sigmas.to_vec(),
        solver,
        churn: None,
        rtol: 1e-8,
        atol: 1e-10,
    };
    let t: f64 = 80.0;
    let exact = t / (1.0 + t * t).sqrt() * between(u.view(), v.view()).unwrap().0;
    // Heun's 18 steps from 80 to 0.002 make 1.04481255 of a unit variance, the
    // last step to 0 takes 1 − σ²/2 = 2e-6 of it.
    let last = 1.0 / (1.0 + 0.002f64.powi(2)).sqrt();
    for (solver, factor) in [(Solver::Heun, 1.04481255 * last), (Solver::Euler, 0.85952429 * last)] {
        let plan = plan(solver, &sigmas);
        let (a, b) =
            (plan.samples::<f64>(&p, 3, 0..10_000).unwrap(), plan.samples::<f64>(&q, 3, 0..10_000).unwrap());
        let mut distance = Distance::default();
        distance.add(a.view(), b.view());
        let pfd = distance.pfd();
        let std_error = pfd.std_error.unwrap();
        let errors = (pfd.value - factor * exact) / std_error;
        assert!(errors.abs() < 3.0, "{solver:?}: {} not {}: {errors}", pfd.value, factor * exact);
        // The error is a fraction of a percent, so the factor was seen.
        assert!(std_error < 0.005 * pfd.value && pfd.n == 10_000);
        // Each direction of the difference is Gaussian, so given both bases the
        // square is a quadratic form: var = 2 Σ s⁴, against Σ s².
        let difference = &u.dot(&u.t()) - &v.dot(&v.t());
        let form = difference.dot(&difference);
        let (trace, trace2) = (form.diag().sum(), form.dot(&form).diag().sum());
        let theory = (2.0 * trace2 / 10_000.0).sqrt() / trace / 2.0 * pfd.value;
        // A sample's variance is off by a few percent.
        assert!((std_error / theory - 1.0).abs() < 0.1, "{std_error} not {theory}");
    }
    // To the true flow, with the adaptive solver: no factor.
    let plan = plan(Solver::Rk45, &[80.0, 0.002, 0.0]);
    let (a, b) = (plan.samples::<f64>(&p, 4, 0..1000).unwrap(), plan.samples::<f64>(&q, 4, 0..1000).unwrap());
    let mut distance = Distance::default();
    distance.add(a.view(), b.view());
    assert!((distance.pfd().value - exact).abs() < 3.0 * distance.pfd().std_error.unwrap());
    // Of a model to itself it is 0, exactly and without error.
    let mut none = Distance::default();
    none.add(a.view(), a.view());
    assert_eq!((none.pfd().value, none.pfd().std_error, none.pfd().ci_high), (0.0, Some(0.0), Some(0.0)));
}

#[test]
fn errors_of_distances_and_ratios_are_those_of_the_bootstrap() {
    let n = 600;
    let (a, b, c) = (normal::<f32>(1, n, 4), normal::<f32>(2, n, 4), normal::<f32>(3, n, 4));
    // Dependent numerators and denominators, as shared latents make them.
    let b = &a * 0.6 + &(b * 0.5);
    let c = &b + &(&(&a - &b) * 0.7) + &(c * 0.3);
    let squares = |x: &Array2<f32>, y: &Array2<f32>| -> Vec<f64> {
        x.outer_iter().zip(y.outer_iter()).map(|(x, y)| squared_distance(x, y)).collect()
    };
    let (ab, bc) = (squares(&a, &b), squares(&b, &c));
    let mean = |v: &[f64], rows: &[usize]| rows.iter().map(|&i| v[i]).sum::<f64>() / rows.len() as f64;
    let mut distance = Distance::default();
    let mut relative = Relative::default();
    // In blocks, as they come.
    for (from, to) in [(0, 100), (100, 101), (101, 600)] {
        let part = |x: &Array2<f32>| x.slice(s![from..to, ..]).to_owned();
        distance.add(part(&a).view(), part(&b).view());
        relative.add(part(&a).view(), part(&b).view(), part(&c).view());
    }
    let all: Vec<usize> = (0..n).collect();
    let pfd = distance.pfd();
    assert!((pfd.value - mean(&ab, &all).sqrt()).abs() < 1e-13);
    let resampled = bootstrap(n, 2000, |rows| mean(&ab, rows).sqrt());
    // 2000 rounds give a standard deviation to 1.6 %; the delta method's next
    // order is 1/n. Four of the former.
    let std_error = pfd.std_error.unwrap();
    assert!((std_error / resampled - 1.0).abs() < 0.065, "{std_error} not {resampled}");
    let ratio = relative.ratio().unwrap();
    assert!((ratio.value - (mean(&ab, &all) / mean(&bc, &all)).sqrt()).abs() < 1e-13);
    let resampled = bootstrap(n, 2000, |rows| (mean(&ab, rows) / mean(&bc, rows)).sqrt());
    let std_error = ratio.std_error.unwrap();
    assert!((std_error / resampled - 1.0).abs() < 0.065, "{std_error} not {resampled}");
    assert_eq!(relative.above.pfd(), pfd);
    let mut nothing = Relative::default();
    nothing.add(a.view(), b.view(), b.view());
    assert!(nothing.ratio().is_none(), "nothing over 0");
    // Two independent means.
    let other: Vec<f64> = bc.iter().map(|v| v + 1.0).collect();
    let (x, y) = (amounts(&ab), amounts(&other));
    let over = x.over(&y).unwrap();
    let relative = |x: &Amounts| x.estimate().std_error.unwrap() / x.mean();
    let relative = relative(&x).hypot(relative(&y));
    assert!(
        (over.value - x.mean() / y.mean()).abs() < 1e-15
            && (over.std_error.unwrap() / over.value - relative).abs() < 1e-14
    );
    assert!(x.over(&Amounts::default()).is_none());
}

#[test]
fn rows_that_are_not_paired_are_told_from_rows_that_are() {
    let (n, d) = (300, 8);
    let a = normal::<f32>(1, n, d);
    let near = &a * 0.9 + &(normal::<f32>(2, n, d) * 0.6);
    let shifted = |a: &Array2<f32>, b: &Array2<f32>, cuts: &[usize]| {
        let mut all = Shifted::default();
        for pair in cuts.windows(2) {
            all.add(a.slice(s![pair[0]..pair[1], ..]), b.slice(s![pair[0]..pair[1], ..]));
        }
        all
    };
    let square = |a: &Array2<f32>, b: &Array2<f32>, step: usize| {
        (0..n - 1).map(|i| squared_distance(a.row(i), b.row(i + step))).sum::<f64>() / (n - 1) as f64
    };
    let whole = shifted(&a, &near, &[0, n]);
    assert!((whole.apart() / square(&a, &near, 1).sqrt() - 1.0).abs() < 1e-13);
    assert_eq!(whole.apart(), shifted(&a, &near, &[0, 1, 2, 150, n]).apart(), "whatever the blocks");
    assert_eq!(whole.without_effect(), None);
    let other = normal::<f32>(3, n, d);
    let (together, apart) = shifted(&a, &other, &[0, 7, n]).without_effect().unwrap();
    assert!((together / square(&a, &other, 0).sqrt() - 1.0).abs() < 1e-13);
    assert!((apart / square(&a, &other, 1).sqrt() - 1.0).abs() < 1e-13);
    assert_eq!(shifted(&a, &a, &[0, n]).without_effect(), None, "equal rows are paired");
    let same = Array2::from_elem((n, d), 0.5);
    assert_eq!(
        shifted(&a, &same, &[0, n]).without_effect(),
        None,
        "rows that are all the same pair with all"
    );
    assert_eq!(shifted(&same, &a, &[0, n]).without_effect(), None);
    assert_eq!(shifted(&a, &other, &[0, 8]).without_effect(), None, "of so few nothing is said");
}

#[test]
fn distances_too_small_for_their_squares_are_refused() {
    let of = |a: f64, b: f64| {
        let mut all = Distance::default();
        all.add(Array2::from_elem((3, 4), a).view(), Array2::from_elem((3, 4), b).view());
        (all.check_scale().is_ok(), all.pfd().value)
    };
    assert!(!of(1e-200, 0.0).0);
    assert_eq!(of(1e-200, 1e-200), (true, 0.0));
    let (fine, value) = of(1e-140, 0.0);
    assert!(fine && (value / 2e-140 - 1.0).abs() < 1e-15);
}

#[test]
fn error_is_bias_and_variance() {
    let (n, d, m) = (50, 7, 5);
    let teacher = normal::<f32>(1, n, d);
    let students: Vec<Array2<f32>> =
        (0..m).map(|k| &teacher * 0.8 + &(normal::<f32>(2 + k, n, d) * 0.5) + 0.3).collect();
    let views: Vec<ArrayView2<f32>> = students.iter().map(|s| s.view()).collect();
    let collected = |unbiased| {
        let mut all = BiasVariance::default();
        all.add(teacher.slice(s![..20, ..]), &cut(&views, 0, 20));
        all.add(teacher.slice(s![20.., ..]), &cut(&views, 20, n));
        all.estimates(unbiased)
    };
    fn cut<'a>(views: &[ArrayView2<'a, f32>], from: usize, to: usize) -> Vec<ArrayView2<'a, f32>> {
        views.iter().map(|v| v.slice_move(s![from..to, ..])).collect()
    }
    for unbiased in [false, true] {
        let [error, bias, variance] = collected(unbiased);
        // An identity: rounding only.
        assert!(
            (error.value - bias.value - variance.value).abs() < 1e-14 * error.value,
            "unbiased {unbiased}"
        );
        assert_eq!(error.n, n as u64);
    }
    // From the definitions.
    let [error, bias, variance] = collected(false);
    let [_, unbiased_bias, unbiased_variance] = collected(true);
    let wide: Vec<Array2<f64>> = students.iter().map(|s| s.mapv(f64::from)).collect();
    let truth = teacher.mapv(f64::from);
    let mean = wide.iter().fold(Array2::<f64>::zeros((n, d)), |a, s| a + s) / m as f64;
    let square = |x: Array2<f64>| x.mapv(|v| v * v).sum() / n as f64;
    let spread = wide.iter().map(|s| square(s - &mean)).sum::<f64>();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-13 * b.abs(), "{a} is not {b}");
    close(error.value, wide.iter().map(|s| square(s - &truth)).sum::<f64>() / m as f64);
    close(bias.value, square(&mean - &truth));
    close(variance.value, spread / m as f64);
    close(unbiased_variance.value, spread / (m - 1) as f64);
    close(unbiased_bias.value, square(&mean - &truth) - spread / (m * (m - 1)) as f64);
}

#[test]
fn unbiased_estimates_are() {
    // Students of bias 0.3 and variance 0.25 a coordinate, many rows: the
    // corrected numbers are right, the plain ones off by variance/m.
    let (n, d, m) = (40_000usize, 2, 3);
    let teacher = normal::<f64>(1, n, d);
    let students: Vec<Array2<f64>> =
        (0..m).map(|k| &teacher + 0.3 + normal::<f64>(2 + k, n, d) * 0.5).collect();
    let views: Vec<ArrayView2<f64>> = students.iter().map(|s| s.view()).collect();
    let mut all = BiasVariance::default();
    all.add(teacher.view(), &views);
    let [_, bias, variance] = all.estimates(true);
    let errors = |e: &Estimate, truth: f64| (e.value - truth) / e.std_error.unwrap();
    assert!(errors(&bias, 2.0 * 0.09).abs() < 4.0, "{bias:?}");
    assert!(errors(&variance, 2.0 * 0.25).abs() < 4.0, "{variance:?}");
    assert!(all.estimates(false)[1].value - 2.0 * 0.09 > 10.0 * bias.std_error.unwrap());
}

// Similarities

#[test]
fn thresholds_are_strict() {
    // 3-4-5: the cosine with the first axis is 0.6 in f64 and to the threshold.
    let (a, b) = (arr1(&[1.0, 0.0]), arr1(&[3.0, 4.0]));
    let exactly = cosine(a.view(), b.view());
    assert_eq!(exactly, 0.6);
    assert!(!Similarity::Cosine.alike(exactly, 0.6), "0.6 is not above 0.6");
    assert!(Similarity::Cosine.alike(exactly.next_up(), 0.6));
    for similarity in [Similarity::Mae, Similarity::L2] {
        assert!(!similarity.alike(15.0, 15.0) && similarity.alike(15f64.next_down(), 15.0));
    }
    assert_eq!(Similarity::Cosine.default_threshold(), Some(0.6));
    assert_eq!(Similarity::Mae.default_threshold(), Some(15.0));
    assert_eq!(Similarity::L2.default_threshold(), None);
}

#[test]
fn similarities_of_rows() {
    let (a, b) = (normal::<f32>(1, 30, 17), normal::<f32>(2, 30, 17));
    let wide = |x: &Array2<f32>, i: usize| x.row(i).mapv(f64::from);
    for i in 0..30 {
        let (x, y) = (wide(&a, i), wide(&b, i));
        let exact = x.dot(&y) / (x.dot(&x) * y.dot(&y)).sqrt();
        let mae = (&x - &y).mapv(f64::abs).sum() / 17.0 / (2.0 / 255.0);
        let l2 = (&x - &y).mapv(|v| v * v).sum().sqrt();
        for (similarity, exact) in [(Similarity::Cosine, exact), (Similarity::Mae, mae), (Similarity::L2, l2)]
        {
            // mae's unit: data of range 2, as [−1, 1] is, in 255 steps.
            let got = similarity.between(a.row(i), b.row(i), 2.0 / 255.0);
            assert!((got - exact).abs() < 1e-14 * exact.abs().max(1.0), "{similarity:?}");
        }
    }
    // One step of 8-bit images, whatever their range.
    for range in [1.0, 2.0, 255.0] {
        let x = Array1::from_elem(9, 0.25 * range);
        let y = &x + range / 255.0 * 15.0;
        let mae = Similarity::Mae.between(x.view(), y.view(), range / 255.0);
        assert!((mae - 15.0).abs() < 1e-12);
    }
    // A zero row is like nothing, itself included.
    let zero = Array1::<f32>::zeros(17);
    assert_eq!(cosine(zero.view(), a.row(0)), 0.0);
    assert_eq!(cosine(zero.view(), zero.view()), 0.0);
    // Of a row with itself and its negative: 1 and −1, never beyond.
    for row in a.outer_iter() {
        let (same, opposite) = (cosine(row, row), cosine(row, row.mapv(|v| -3.0 * v).view()));
        assert!(
            (1.0 - same).abs() < 1e-15 && same <= 1.0 && (1.0 + opposite).abs() < 1e-15 && opposite >= -1.0
        );
    }
}

#[test]
fn baselines_are_of_rows_that_do_not_belong_together() {
    fn check<T: Scalar>() {
        let n = 400;
        // Rows of few directions, so that many are alike.
        let a = normal::<T>(1, n, 3);
        let b = &a + &(normal::<T>(2, n, 3) * T::of(0.5));
        for (similarity, threshold) in
            [(Similarity::Cosine, 0.6), (Similarity::Mae, 90.0), (Similarity::L2, 1.0)]
        {
            let score = |cuts: &[usize]| {
                let mut score = Reproducibility::<T>::new(similarity, threshold, 2.0 / 255.0);
                let mut values = Vec::new();
                for pair in cuts.windows(2) {
                    let side = |x: &Array2<T>| x.slice(s![pair[0]..pair[1], ..]).to_owned();
                    let (a, b) = (side(&a), side(&b));
                    values.extend(
                        score.add(&Side::new(a.view(), similarity), &Side::new(b.view(), similarity)),
                    );
                }
                (score.alike, score.next_alike, score.rows, values)
            };
            let value = |i: usize, j: usize| similarity.between(a.row(i), b.row(j), 2.0 / 255.0);
            let alike = |i: usize, j: usize| similarity.alike(value(i, j), threshold);
            let own = (0..n).filter(|&i| alike(i, i)).count() as u64;
            let next = (0..n - 1).filter(|&i| alike(i, i + 1)).count() as u64;
            let values: Vec<f64> = (0..n).map(|i| value(i, i)).collect();
            assert!(own > 200 && next > 20 && next < own, "{similarity:?}: {own}, {next}");
            for cuts in [&[0, n][..], &[0, 1, 2, 300, n]] {
                assert_eq!(score(cuts), (own, next, n as u64, values.clone()), "{similarity:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
    let x = normal::<f32>(1, 2, 3);
    let mut score = Reproducibility::<f32>::new(Similarity::Cosine, 0.6, 1.0);
    for (i, baseline) in [None, Some(f64::from(cosine(x.row(0), x.row(1)) > 0.6))].into_iter().enumerate() {
        let row = x.slice(s![i..i + 1, ..]);
        score.add(&Side::new(row, Similarity::Cosine), &Side::new(row, Similarity::Cosine));
        assert_eq!((score.share().value, score.baseline()), (1.0, baseline));
    }
}

#[test]
fn rows_equal_to_the_bit_are_counted() {
    let train = normal::<f32>(1, 3000, 5);
    let mut x = concatenate![Axis(0), normal::<f32>(2, 40, 5), train.slice(s![700..707, ..])];
    assert_eq!(Known::new(train.view()).count(x.view()), 7);
    assert_eq!(paired_copies(x.view(), x.view()), 47);
    let y = x.clone();
    x[[3, 4]] = x[[3, 4]].next_up();
    assert_eq!(paired_copies(x.view(), y.view()), 46);
    assert_eq!(Known::new(y.view()).count(x.view()), 46);
    assert_eq!(Known::new(y.view()).count(x.slice(s![..;-1, ..])), 46, "wherever they are");
    let zeros = Array2::<f64>::zeros((2, 3));
    assert_eq!(paired_copies(zeros.view(), (-zeros.clone()).view()), 0, "-0 has other bits");
}

/// Rows whose squares f64 does not hold have the angles that they have in another unit.
#[test]
fn angles_do_not_depend_on_the_unit() {
    let (a, b) = (normal::<f64>(1, 5, 7), normal::<f64>(2, 5, 7));
    for (a, b) in a.outer_iter().zip(b.outer_iter()) {
        let expected = cosine(a, b);
        for (x, y) in [(1e200, 1e200), (1e-200, 1e-200), (1e200, 1e-200), (1.0, 1e300), (1e-300, 1.0)] {
            let found = cosine(a.mapv(|v| v * x).view(), b.mapv(|v| v * y).view());
            assert!((found - expected).abs() < 1e-14, "{x}, {y}: {found}, {expected}");
        }
    }
}

#[test]
fn a_search_that_would_overflow_or_vanish_is_refused() {
    let rows = normal::<f32>(1, 9, 4);
    for (unit, words) in [(1e17, "too large"), (1e-18, "too small")] {
        let error = Training::checked(rows.mapv(|x| x * unit)).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
    let zeros = Training::checked(Array2::<f32>::zeros((2, 3)));
    assert!(zeros.is_ok() && Training::checked(rows).is_ok());
}

fn brute(
    x: ArrayView2<f64>,
    rows: ArrayView2<f64>,
    score: impl Fn(f64, f64, f64) -> f64,
) -> Vec<(usize, f64)> {
    // The first of the largest.
    x.outer_iter()
        .map(|x| {
            let mut best = (0, f64::NEG_INFINITY);
            for (j, t) in rows.outer_iter().enumerate() {
                let value = score(x.dot(&t), x.dot(&x), t.dot(&t));
                if value > best.1 {
                    best = (j, value);
                }
            }
            best
        })
        .collect()
}

#[test]
fn best_matches_are_those_of_brute_force() {
    fn check<T: Scalar>(n: usize, samples: usize, d: usize) {
        let rows = normal::<T>(n as u64, n, d);
        let mut x = normal::<T>(n as u64 + 1, samples, d);
        // Some near training rows, one at it, one zero.
        for i in (0..samples).step_by(3) {
            let near = &rows.row(7 * i % n) * T::of(1.7) + &(&x.row(i) * T::of(0.1));
            x.row_mut(i).assign(&near);
        }
        x.row_mut(0).assign(&rows.row(n - 1));
        if samples > 4 {
            x.row_mut(4).fill(T::zero());
        }
        let training = Training::new(rows.clone());
        assert_eq!(training.rows(), rows);
        let (wx, wr) = (x.mapv(Scalar::wide), rows.mapv(Scalar::wide));
        let cosines =
            brute(wx.view(), wr.view(), |xt, x, t| if x * t > 0.0 { xt / (x * t).sqrt() } else { 0.0 });
        for (i, (found, (_, exact))) in
            training.best(x.view(), Similarity::Cosine, 1.0).iter().zip(&cosines).enumerate()
        {
            // The row is found by products in T: another row may be as good to
            // its rounding. The value is that row's own.
            let tolerance = 4.0 * T::epsilon().wide() * (d as f64).sqrt();
            assert!((found.similarity - exact).abs() < tolerance, "{n} rows, sample {i}");
            assert_eq!(found.similarity, cosine(x.row(i), rows.row(found.row)));
        }
        for similarity in [Similarity::L2, Similarity::Mae] {
            for (i, found) in training.best(x.view(), similarity, 0.5).iter().enumerate() {
                let all: Vec<f64> = rows.outer_iter().map(|t| similarity.between(x.row(i), t, 0.5)).collect();
                let least = all.iter().fold(f64::INFINITY, |m, v| m.min(*v));
                assert_eq!(found.similarity, least, "{similarity:?}, {n} rows, sample {i}");
                assert_eq!(all[found.row], least);
            }
        }
    }
    // One row, fewer than candidates, over one and two tiles, several blocks.
    for (n, samples, d) in [(1, 3, 4), (3, 10, 2), (100, 40, 48), (2050, 30, 20), (4100, 300, 3)] {
        check::<f32>(n, samples, d);
        check::<f64>(n, samples, d);
    }
}

#[test]
fn two_nearest_are_those_of_brute_force() {
    fn check<T: Scalar>(rows: Array2<T>, x: Array2<T>, what: &str) {
        let training = Training::new(rows.clone());
        for (i, found) in training.nearest(x.view()).iter().enumerate() {
            let mut all: Vec<(f64, usize)> = rows
                .outer_iter()
                .enumerate()
                .map(|(j, t)| (squared_distance(x.row(i), t).sqrt(), j))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let second = all.get(1).map_or(f64::INFINITY, |s| s.0);
            assert_eq!((found.distance, found.second), (all[0].0, second), "{what}, sample {i}");
            assert_eq!(squared_distance(x.row(i), rows.row(found.row)).sqrt(), all[0].0);
        }
    }
    fn several<T: Scalar>() {
        check(normal::<T>(1, 500, 20), normal::<T>(2, 60, 20), "random");
        check(normal::<T>(1, 2500, 3), normal::<T>(2, 60, 3), "three dimensions");
        check(normal::<T>(1, 1, 5), normal::<T>(2, 4, 5), "one row");
        check(normal::<T>(1, 2, 5), normal::<T>(2, 4, 5), "two rows");
        // Duplicates: the second nearest is as near as the nearest.
        let once = normal::<T>(3, 50, 10);
        check(concatenate![Axis(0), once, once], once.mapv(|v| v * T::of(1.01)), "duplicates");
        // On training rows: products would leave a distance of 1e-3 in f32.
        check(normal::<T>(4, 300, 30), normal::<T>(4, 40, 30), "on the rows");
    }
    several::<f32>();
    several::<f64>();
    let far = Training::new(normal::<f64>(1, 1, 5)).nearest(normal::<f64>(2, 1, 5).view())[0];
    assert!(far.second.is_infinite() && is_copy(&far, 1.0 / 3.0), "alone, everything is its copy");
    let at = |distance, second| is_copy(&Nearest { row: 0, distance, second }, 0.5);
    assert!(at(0.99, 2.0) && !at(1.0, 2.0) && !at(0.0, 0.0), "strictly nearer");
}

#[test]
fn rows_left_out_in_turn_are_searched_among_the_others() {
    fn check<T: Scalar>(rows: Array2<T>, what: &str) {
        let training = Training::new(rows.clone());
        let out = training.left_out(3);
        assert_eq!(out, (0..rows.nrows()).collect::<Vec<_>>(), "of few rows, all");
        let others = |i: usize| (0..rows.nrows()).filter(move |&j| j != i);
        let between = |s: Similarity, i: usize, j: usize| s.between(rows.row(i), rows.row(j), 0.5);
        for similarity in [Similarity::Cosine, Similarity::Mae, Similarity::L2] {
            let found = training.best_of_others(&out, similarity, 0.5);
            for (i, found) in found.iter().enumerate() {
                let all = others(i).map(|j| between(similarity, i, j));
                let best = match similarity {
                    Similarity::Cosine => all.fold(f64::NEG_INFINITY, f64::max),
                    _ => all.fold(f64::INFINITY, f64::min),
                };
                // Products in T tell cosines apart to its rounding.
                let rounding = if similarity == Similarity::Cosine { 1e-6 } else { 0.0 };
                assert!((found.similarity - best).abs() <= rounding, "{what}, {similarity:?}, row {i}");
                assert_ne!(found.row, i);
            }
        }
        for (i, found) in training.nearest_of_others(&out).iter().enumerate() {
            let mut all: Vec<f64> = others(i).map(|j| between(Similarity::L2, i, j)).collect();
            all.sort_by(f64::total_cmp);
            let second = all.get(1).copied().unwrap_or(f64::INFINITY);
            assert_eq!((found.distance, found.second), (all[0], second), "{what}, row {i}");
        }
    }
    let x = normal::<f64>(1, 700, 10);
    check(x.clone(), "random");
    check(normal::<f32>(1, 700, 10), "random");
    check(concatenate![Axis(0), x.slice(s![..40, ..]), x.slice(s![..40, ..])], "every row twice");
    check(normal::<f64>(2, 2, 4), "two rows");
    let one = Training::new(normal::<f64>(2, 1, 4));
    let nothing =
        (one.best_of_others(&[0], Similarity::Cosine, 1.0).len(), one.nearest_of_others(&[0]).len());
    assert_eq!(nothing, (0, 0), "there are no others");
    // Of many, some, by the seed.
    let many = Training::new(normal::<f32>(1, 2001, 3));
    let [first, again, other] = [1, 1, 2].map(|seed| many.left_out(seed));
    assert!(first == again && first != other && first.len() == 400);
    let found = many.nearest_of_others(&first);
    for (&i, found) in first.iter().zip(&found) {
        let rows = many.rows();
        let all = (0..2001).filter(|&j| j != i).map(|j| squared_distance(rows.row(i), rows.row(j)).sqrt());
        assert_eq!(found.distance, all.fold(f64::INFINITY, f64::min));
    }
}

#[test]
fn subsets_have_every_member_as_often() {
    let mut counts = [0; 10];
    for round in 0..3000 {
        let chosen = subset(&mut row_rng(1, Purpose::LeftOut, round), 10, 4);
        assert!(chosen.len() == 4 && chosen.windows(2).all(|w| w[0] < w[1]) && chosen[3] < 10);
        chosen.iter().for_each(|&i| counts[i] += 1);
    }
    // 1200 each, with a standard deviation of 27.
    assert!(counts.iter().all(|c| (1200i32 - c).abs() < 130), "{counts:?}");
    assert_eq!(subset(&mut row_rng(1, Purpose::LeftOut, 0), 3, 5), [0, 1, 2]);
}

#[test]
fn nearest_rows_far_from_the_origin() {
    // Products of rows of norm 1000 in f32 are off by 0.1; neighbours are 1 apart.
    let rows = normal::<f32>(5, 400, 8) + 300.0;
    let x = normal::<f32>(6, 50, 8) + 300.0;
    let training = Training::new(rows.clone());
    let mut wrong = 0;
    for (i, found) in training.nearest(x.view()).iter().enumerate() {
        let least =
            rows.outer_iter().map(|t| squared_distance(x.row(i), t).sqrt()).fold(f64::INFINITY, f64::min);
        wrong += (found.distance != least) as usize;
    }
    assert_eq!(wrong, 0, "of 50 samples");
}

// The three forms of the GL score

#[test]
fn forms_of_the_generalization_score() {
    // Asymmetric on purpose: two training rows, three samples, of which one is a
    // copy by every form; the other way round the numbers differ.
    let train = arr2(&[[1.0, 0.0], [0.0, 2.0]]);
    let samples = arr2(&[[0.98, 0.05], [3.0, -3.0], [-1.0, -1.0]]);
    let score = |rows: &Array2<f64>, x: &Array2<f64>| {
        let training = Training::new(rows.clone());
        let best = training.best(x.view(), Similarity::Cosine, 1.0);
        let similar = best.iter().filter(|b| Similarity::Cosine.alike(b.similarity, 0.6)).count();
        let copies = training.nearest(x.view()).iter().filter(|n| is_copy(n, 1.0 / 3.0)).count();
        let distance: f64 = training.nearest(x.view()).iter().map(|n| n.distance).sum();
        (similar, copies, distance)
    };
    let (similar, copies, distance) = score(&train, &samples);
    // Cosines: 0.9987 with row 0; 0.7071 with row 0; −0.7071 and −0.7071.
    assert_eq!(similar, 2);
    // Ratios: 0.054/2.18; √13/√34; √5/√10.
    assert_eq!(copies, 1);
    let by_hand = (0.02f64.powi(2) + 0.05f64.powi(2)).sqrt() + 13f64.sqrt() + 5f64.sqrt();
    assert!((distance - by_hand).abs() < 1e-14);
    let swapped = score(&samples, &train);
    assert_eq!((swapped.0, swapped.1), (1, 1));
    // Nearest to (0, 2) is the first sample, √(0.98² + 1.95²).
    let by_hand = (0.02f64.powi(2) + 0.05f64.powi(2)).sqrt() + (0.98f64.powi(2) + 1.95f64.powi(2)).sqrt();
    assert!((swapped.2 - by_hand).abs() < 1e-14);
}

#[test]
fn denominators_on_molrg() {
    // Mean distance of fresh samples to the nearest training row, d = 48, K = 2.
    for (r, known) in [
        (3, [0.76, 0.425, 0.296]),
        (4, [1.00, 0.66, 0.495]),
        (5, [1.27, 0.88, 0.70]),
        (6, [1.48, 1.11, 0.91]),
    ] {
        for (per, known) in [10, 60, 200].into_iter().zip(known) {
            let mut means = Vec::new();
            for seed in 0..4 {
                let truth = Design::molrg(48, r, 2).plant(seed).unwrap();
                let sampler = Sampler::<f32>::new(&truth, seed, true);
                let n = 2 * per * r as u64;
                let training = Training::new(sampler.draw(0..n).0);
                let fresh = sampler.draw(1_000_000..1_000_500).0;
                let mut distance = Mean::default();
                training.nearest(fresh.view()).iter().for_each(|n| distance.add(n.distance));
                means.push(distance.mean);
            }
            // Two digits from single runs: training sets of 30 rows a component
            // move the mean by 3 %.
            let mean = means.iter().sum::<f64>() / 4.0;
            assert!((mean / known - 1.0).abs() < 0.05, "r {r}, N_k {per}·r: {mean}, not {known}");
        }
    }
}

#[test]
fn descriptors() {
    let x = normal::<f64>(1, 300, 6).dot(&normal::<f64>(2, 6, 6)) + 2.0;
    let mut moments = Moments::new(6).unwrap();
    moments.add(x.view());
    let gaussian = moments.gaussian(None).unwrap();
    let covariance = |y: &Array2<f64>| {
        let c = y - &y.mean_axis(Axis(0)).unwrap();
        c.t().dot(&c) / y.nrows() as f64
    };
    let fitted = |choice: &str| Descriptor::fitted(&choice.parse::<Choice>().unwrap(), &gaussian);
    let apply = |choice: &str| fitted(choice).unwrap().apply(x.clone(), 0).unwrap();
    assert_eq!(apply("none"), x);
    let centred = apply("center");
    assert!(centred.mean_axis(Axis(0)).unwrap().iter().all(|m| m.abs() < 1e-13));
    let whitened = covariance(&apply("whiten:4"));
    // Eigenvalues differ by up to 100 times here: so many units.
    assert!((&whitened - &Array2::<f64>::eye(4)).iter().all(|v| v.abs() < 1e-11));
    let coordinates = covariance(&apply("pca:3"));
    for (i, v) in gaussian.components[0].variances.iter().take(3).enumerate() {
        assert!((coordinates[[i, i]] / v - 1.0).abs() < 1e-12);
    }
    // Distances along all axes are distances.
    let all = apply("pca:6");
    let (a, b) = (squared_distance(all.row(0), all.row(1)), squared_distance(x.row(0), x.row(1)));
    assert!((a / b - 1.0).abs() < 1e-12);
    assert!(fitted("pca:7").is_err());
    for bad in ["pca:0", "pca", "whiten:x", "clip", "model.onnx"] {
        assert!(bad.parse::<Choice>().is_err(), "{bad}");
    }
}

// Ranks

#[test]
fn numerical_rank_by_its_definition() {
    let eta2 = 0.99f64 * 0.99;
    let rank = |s: &[f64]| numerical_rank(s, s.iter().map(|v| v * v).sum(), eta2).rank;
    assert_eq!(rank(&[1.0; 12]), 12);
    assert_eq!(rank(&[1.0, 1.0, 1e-3, 1e-3]), 2);
    // 100 equal values: 98 hold 0.98, which is not above 0.9801; 99 do.
    assert_eq!(rank(&[1.0; 100]), 99);
    // Strictly above: three of four hold exactly 0.75.
    assert_eq!(numerical_rank(&[1.0; 4], 4.0, 0.75).rank, 4);
    assert_eq!(numerical_rank(&[1.0; 4], 4.0, 0.75f64.next_down()).rank, 3);
    let half = numerical_rank(&[3.0, 4.0, 0.0], 25.0, 0.3);
    assert_eq!((half.rank, half.energy, half.gap), (1, 9.0 / 25.0, 4.0 / 3.0));
    assert_eq!(numerical_rank(&[0.0; 5], 0.0, eta2).rank, 0);
    assert_eq!(numerical_rank(&[], 0.0, eta2).rank, 0);
    // With more energy outside the list than it takes, the list is not enough.
    assert_eq!(numerical_rank(&[1.0, 1.0], 10.0, eta2).rank, 2);
    for seed in 0..20 {
        let mut s: Vec<f64> = normal::<f64>(seed, 1, 30).iter().map(|v| v.abs().exp()).collect();
        s.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = s.iter().map(|v| v * v).sum();
        // As the published code writes it.
        let norm = total.sqrt();
        let expected =
            (1..=30).find(|&r| s[..r].iter().map(|v| v * v).sum::<f64>().sqrt() > 0.99 * norm).unwrap();
        assert_eq!(rank(&s), expected);
    }
}

#[test]
fn rank_along_the_flow_of_the_exact_mixture() {
    // d = 48, K = 2, r = 6. Three independent evaluations (15, 40 and, in NumPy,
    // 600 latents) agree: 12 for σ ≥ 3.26, on average 11.4 to 11.6 at 1.92,
    // 7.7 to 8.9 at 1.088, 6.5 at 0.585, 6.0 at 0.296, and 6 from 0.14 down.
    // Single points spread more than the averages of the first two tell: at 1.92
    // a few in a hundred already have 6.
    let truth = Design::molrg(48, 6, 2).plant(1).unwrap();
    let denoiser = MixtureDenoiser::<f64>::new(truth);
    let sigmas = Grid::default().levels().unwrap();
    let latents = 600;
    let plan = Plan { sigmas: sigmas.clone(), solver: Solver::Heun, churn: None, rtol: 1e-6, atol: 1e-6 };
    let mut x = plan.start::<f64>(2, 0..latents, 48);
    let mut ranks: Vec<Vec<usize>> = Vec::new();
    plan.trace(&denoiser, &mut x, 0, 2, |_, sigma, x| {
        if sigma > 0.0 {
            let at = |x| {
                let s = Differentiable::<f64>::spectrum(&denoiser, x, sigma, false)?.all();
                Ok(numerical_rank(&s, s.iter().map(|v| v * v).sum(), 0.9801).rank)
            };
            ranks.push(x.outer_iter().map(at).collect::<anyhow::Result<_>>()?);
        }
        Ok(())
    })
    .unwrap();
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/ranks.json")).unwrap();
    for ((sigma, ranks), numpys) in sigmas.iter().zip(&ranks).zip(golden.as_array().unwrap()) {
        let theirs = |key: &str| numpys[key].as_f64().unwrap();
        assert!((theirs("sigma") / sigma - 1.0).abs() < 1e-12);
        let mean = ranks.iter().sum::<usize>() as f64 / latents as f64;
        // Two means of 600: four standard errors of their difference, and where
        // all ranks but one in a thousand are the same, one rank in 100.
        let error = theirs("std") * (2.0 / latents as f64).sqrt();
        assert!((mean - theirs("mean")).abs() < 4.0 * error + 0.01, "σ {sigma}: mean rank {mean}");
        let (low, high) = match *sigma {
            s if s > 3.2 => (11.98, 12.0),
            s if s > 1.9 => (11.4, 11.8),
            s if s > 1.0 => (7.7, 9.2),
            s if s > 0.5 => (6.2, 6.8),
            s if s > 0.2 => (5.9, 6.1),
            _ => (6.0, 6.0),
        };
        assert!((low..=high).contains(&mean), "σ {sigma}: mean rank {mean}");
        let (least, most) = (*ranks.iter().min().unwrap(), *ranks.iter().max().unwrap());
        assert!((6..=12).contains(&least) && (6..=12).contains(&most), "σ {sigma}: {least} to {most}");
        assert!(*sigma > 0.14 || (least, most) == (6, 6), "σ {sigma}: exactly 6");
        assert!(*sigma < 5.0 || (least, most) == (12, 12), "σ {sigma}: exactly 12");
    }
}

#[test]
fn randomized_spectra_are_the_exact_ones() {
    let truth = Design { noise_std: 0.02, mean_norm: 1.0, ..Design::molrg(100, 5, 3) }.plant(4).unwrap();
    let mixture = MixtureDenoiser::<f64>::new(truth);
    let set = EmpiricalDenoiser::new(normal::<f64>(3, 25, 60));
    for (name, denoiser, sigma) in [
        ("mixture", &mixture as &dyn Differentiable<f64>, 0.8),
        ("mixture", &mixture, 5.0),
        ("set", &set, 3.0),
    ] {
        let x = normal::<f64>(8, 1, denoiser.dim()).row(0).to_owned();
        let exact = denoiser.spectrum(x.view(), sigma, true).unwrap();
        let all = exact.all();
        let (found, total) = randomized(denoiser, x.view(), sigma, 20, 1, 0).unwrap();
        assert_eq!((found.values.len(), found.right.dim()), (20, (denoiser.dim(), 20)));
        for (i, (a, b)) in found.values.iter().zip(&all).enumerate() {
            // Two rounds of JJᵀ with ten directions to spare: the error of a
            // value is its square times (s_31/s_i)⁹ and less, from above.
            assert!(
                (a - b).abs() < 1e-3 * all[0] && *a < b * (1.0 + 1e-12) + 1e-14,
                "{name} {i}: {a}, not {b}"
            );
        }
        let clear = (1..20).filter(|&q| all[q] < 0.2 * all[q - 1]).collect::<Vec<_>>();
        for q in clear {
            let (u, v) = (found.right.slice(s![.., ..q]), exact.right.slice(s![.., ..q]));
            assert!(between(u, v).unwrap().0 < 1e-3, "{name}: the {q} leading directions");
        }
        // E‖Jω‖² = ‖J‖²; of 30 directions the mean has a relative standard
        // deviation of √(2 Σs⁴/30)/Σs².
        let square: f64 = all.iter().map(|s| s * s).sum();
        let fourth: f64 = all.iter().map(|s| s.powi(4)).sum();
        assert!((total - square).abs() < 4.0 * (2.0 * fourth / 30.0).sqrt(), "{name}: {total}, not {square}");
        // Other probes, other directions; the same, the same bytes.
        let again = randomized(denoiser, x.view(), sigma, 20, 1, 0).unwrap();
        assert_eq!((again.0.values, again.1), (found.values, total));
        assert_ne!(randomized(denoiser, x.view(), sigma, 20, 1, 1).unwrap().1, total);
    }
    // As many directions as dimensions: exact.
    let small = EmpiricalDenoiser::new(normal::<f64>(3, 9, 6));
    let x = normal::<f64>(8, 1, 6).row(0).to_owned();
    let (found, _) = randomized(&small, x.view(), 1.0, 6, 1, 0).unwrap();
    for (a, b) in found.values.iter().zip(&small.spectrum(x.view(), 1.0, false).unwrap().all()) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn every_singular_value_has_its_vector() {
    // Noise beside little variance, so that most values are equal and no closed form lists them; a training
    // set of fewer points than dimensions, whose other values are 0.
    let truth = Design { noise_std: 3.0, ..Design::molrg(9, 2, 2) }.plant(4).unwrap();
    let mixture = MixtureDenoiser::<f64>::new(truth);
    let set = EmpiricalDenoiser::new(normal::<f64>(3, 5, 9));
    let plan = Plan { sigmas: vec![2.0, 0.0], solver: Solver::Heun, churn: None, rtol: 1e-6, atol: 1e-6 };
    for (name, denoiser) in [("mixture", &mixture as &dyn Differentiable<f64>), ("set", &set)] {
        for top in [9, 4] {
            let survey = Survey {
                denoiser,
                levels: &[2.0],
                plan: &plan,
                threshold: 0.9801,
                randomized: None,
                values: top,
                vectors: top,
                seed: 7,
            };
            let x = normal::<f64>(8, 1, 9).row(0).to_owned();
            let cell = &survey.at_point(x.view(), 5, false).unwrap()[0];
            let v = Array2::from_shape_vec((top, 9), cell.vectors.clone()).unwrap();
            let orthonormal = (v.dot(&v.t()) - Array2::<f64>::eye(top)).mapv(f64::abs);
            assert!(orthonormal.iter().all(|x| *x < 1e-12), "{name}, {top}: {orthonormal}");
            let images = denoiser.jvp(x.view(), v.view(), 2.0).unwrap();
            for (image, s) in images.outer_iter().zip(&cell.values) {
                // Of values up to 1; those below the largest by 1e-7 are rounding.
                assert!((image.dot(&image).sqrt() - s).abs() < 1e-7, "{name}, {top}");
            }
            assert_eq!(survey.at_point(x.view(), 5, false).unwrap()[0].vectors, cell.vectors);
        }
    }
}

// Subspaces

/// Consecutive subspaces have the angle asked for, also where not all fit side by side.
#[test]
fn planted_angles_are_those_asked_for() {
    for (dim, ranks) in [(20, vec![4, 4, 4]), (10, vec![4, 4, 4, 4]), (9, vec![3, 5, 4])] {
        let design =
            Design { dim, angle: 30.0, weights: vec![1.0; ranks.len()], ranks, ..Design::molrg(dim, 1, 1) };
        let planted = design.plant(7).unwrap().components;
        for pair in planted.windows(2) {
            let shared = pair[0].basis.ncols().min(pair[1].basis.ncols());
            let inner = pair[0].basis.t().dot(&pair[1].basis);
            let cosines = singular_values(inner.view()).unwrap();
            for cosine in cosines.iter().take(shared) {
                // Rounding of a QR in f64.
                assert!((cosine - 30f64.to_radians().cos()).abs() < 1e-12, "dimension {dim}: {cosines}");
            }
        }
    }
}

#[test]
fn subspace_errors_of_known_angles() {
    let (d, r) = (20, 3);
    let both = frame(1, d, 2 * r);
    let (u, w) = (both.slice(s![.., ..r]), both.slice(s![.., r..]));
    for theta in [0.0f64, 1e-9, 1e-4, 0.1, 1.0, std::f64::consts::FRAC_PI_2] {
        let v = &u * theta.cos() + &w * theta.sin();
        // In any basis of the same subspace.
        let v = v.dot(&frame(2, r, r));
        let (error, angle) = between(v.view(), u).unwrap();
        let exact = (2.0 * r as f64).sqrt() * theta.sin();
        assert!((error - exact).abs() < 2e-15 + 1e-14 * exact, "θ {theta}: {error}, not {exact}");
        // An arc sine near a right angle knows it to 1e-8.
        let degrees = theta.to_degrees();
        assert!((angle - degrees).abs() < if theta > 1.5 { 2e-6 } else { 1e-12 + 1e-12 * degrees });
        // As projectors, where that loses nothing.
        let projectors = v.dot(&v.t()) - u.dot(&u.t());
        assert!((projectors.mapv(|v| v * v).sum().sqrt() - error).abs() < 1e-14);
    }
    // A part of the whole: √(r − r̂), and no angle.
    let (error, angle) = between(u.slice(s![.., ..2]), u).unwrap();
    assert!((error - 1.0).abs() < 1e-14 && angle == 90.0);
    let (error, _) = between(both.view(), u).unwrap();
    assert!((error - 3f64.sqrt()).abs() < 1e-14);
    assert!(between(u, u).unwrap().0 < 1e-14, "0 to itself");
}

#[test]
fn components_are_matched_for_the_least_sum() {
    let d = 30;
    let bases: Vec<Array2<f64>> = (0..4).map(|k| frame(10 + k, d, [3, 2, 3, 4][k as usize])).collect();
    let truth = Mixture::of_bases(bases.clone());
    let order = [2, 0, 3, 1];
    let noisy =
        |b: &Array2<f64>, seed| orthonormalize((b + &(normal::<f64>(seed, d, b.ncols()) * 0.01)).view());
    let shuffled = Mixture::of_bases(order.iter().map(|&k| noisy(&bases[k], k as u64)).collect());
    let found = matched(&shuffled, &truth).unwrap();
    for (k, m) in found.iter().enumerate() {
        assert_eq!((m.component, order[m.matched]), (k, k));
        let direct = between(shuffled.components[m.matched].basis.view(), bases[k].view()).unwrap();
        assert_eq!((m.error, m.max_angle_deg), direct);
    }
    let worst = found.iter().map(|m| m.error).fold(0.0, f64::max);
    assert_eq!(largest(&found).0, worst);
    // Where greedy goes wrong: lines at 0° and 40°, fitted at 35° and 100°. The
    // nearest pair (40°, 35°) would leave 0° with 100°; squares of sines say
    // 0.33 + 0.75 for 0→35, 40→100, against 0.97 + 0.008 for the other.
    let line = |degrees: f64| arr2(&[[degrees.to_radians().cos()], [degrees.to_radians().sin()]]);
    let lines = |a, b| Mixture::of_bases(vec![line(a), line(b)]);
    let found = matched(&lines(35.0, 100.0), &lines(0.0, 40.0)).unwrap();
    let total: f64 = found.iter().map(|m| m.error * m.error).sum();
    let pair = |a: f64, b: f64| 2.0 * (a - b).to_radians().sin().powi(2);
    let best = (pair(0.0, 35.0) + pair(40.0, 100.0)).min(pair(0.0, 100.0) + pair(40.0, 35.0));
    assert!((total - best).abs() < 1e-12);
    // And where the assignment differs from taking the nearest pair first.
    let found = matched(&lines(30.0, 55.0), &lines(0.0, 32.0)).unwrap();
    assert_eq!((found[0].matched, found[1].matched), (0, 1));
    let greedy = pair(32.0, 30.0) + pair(0.0, 55.0);
    assert!(found.iter().map(|m| m.error * m.error).sum::<f64>() < greedy);
    // More fitted than true: the best of them; fewer: refused.
    let more = Mixture::of_bases(vec![frame(77, d, 3), bases[1].clone(), bases[0].clone()]);
    let two = Mixture::of_bases(vec![bases[0].clone(), bases[1].clone()]);
    let found = matched(&more, &two).unwrap();
    assert_eq!((found[0].matched, found[1].matched), (2, 1));
    assert!(largest(&found).0 < 1e-14);
    assert!(matched(&two, &more).is_err());
    assert!(matched(&lines(0.0, 1.0), &two).is_err(), "other dimensions");
}

#[test]
fn every_matching_of_random_mixtures_is_the_best_of_all() {
    for seed in 0..20 {
        let bases = |s: u64| (0..4).map(|k| frame(100 * s + seed * 1000 + k, 6, 2)).collect::<Vec<_>>();
        let (truth, fitted) = (Mixture::of_bases(bases(1)), Mixture::of_bases(bases(2)));
        let cost = |t: usize, f: usize| {
            let u = fitted.components[f].basis.view();
            between(u, truth.components[t].basis.view()).unwrap().0.powi(2)
        };
        let mut best = f64::INFINITY;
        for code in 0..256usize {
            let p = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3];
            if (0..4).all(|f| p.contains(&f)) {
                best = best.min((0..4).map(|t| cost(t, p[t])).sum());
            }
        }
        let total: f64 = matched(&fitted, &truth).unwrap().iter().map(|m| m.error * m.error).sum();
        // Costs are compared to 1e-12 each.
        assert!((total - best).abs() < 1e-11, "seed {seed}: {total}, not {best}");
    }
}

#[test]
fn recovery_is_a_phase_transition() {
    let experiment = Experiment {
        dim: 48,
        trials: 20,
        tolerance: 1e-2,
        angle: 90.0,
        noise_std: 0.0,
        rank_step: 0,
        weights: None,
        fit: Settings::new(vec![1]),
        seed: 0,
    };
    for (samples, value) in [(3, 0.0), (5, 0.0), (6, 1.0), (9, 1.0)] {
        let outcome = experiment.outcome::<f64>(Cell { rank: 6, samples, components: 1 }).unwrap();
        assert_eq!(outcome.success.value, value, "N = {samples}");
        assert_eq!(outcome.success.n, 20);
        assert!(if value == 1.0 { outcome.mean_error < 1e-9 } else { outcome.mean_error > 1.0 });
    }
}
