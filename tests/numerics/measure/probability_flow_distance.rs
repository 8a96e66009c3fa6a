//! Distances of flows.

use super::*;

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
    let exact = t / (1.0 + t * t).sqrt() * distance(u.view(), v.view());
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
