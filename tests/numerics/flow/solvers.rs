//! Solvers: their gains, orders, tolerances and noise.

use super::*;

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
                let raised = s * (1.0 + c.gamma);
                variance += (raised * raised - s * s) * c.noise * c.noise;
                s = raised;
            }
            variance *= gain(Solver::Heun, &[s, t], 1.0).powi(2);
        }
        variance
    };
    let paper = Churn { gamma: Churn::gamma(40.0, 18), min: 0.05, max: 50.0, noise: 1.003 };
    assert!((recursion(None) - 1.0914583488).abs() < 1e-9);
    assert!((recursion(Some(paper)) - 1.2311669737).abs() < 1e-9);
    let weaker = Churn { gamma: 3.0 / 18.0, min: 0.01, max: 10.0, noise: 1.02 };
    let denoiser = modes(&[1.0; 50]);
    for churn in [None, Some(paper), Some(weaker), Some(Churn { gamma: 0.0, ..paper })] {
        let plan = Plan { churn, ..plan(Solver::Heun, sigmas.clone()) };
        let x = plan.samples::<f64>(&denoiser, 5, 0..4000).unwrap();
        let n = x.len() as f64;
        let variance = x.iter().map(|v| v * v).sum::<f64>() / n;
        let expected = recursion(churn.filter(|c| c.gamma > 0.0));
        // 2·10⁵ independent normal numbers: their mean square is off by
        // √(2/n) = 0.3 %; four of these.
        let errors = (variance / expected - 1.0) / (2.0 / n).sqrt();
        assert!(errors.abs() < 4.0, "{churn:?}: {variance}, not {expected}: {errors} standard errors");
        // Fresh noise every step: neighbours in a row are independent.
        let pairs = x.slice(s![.., ..49]).iter().zip(x.slice(s![.., 1..])).map(|(a, b)| a * b).sum::<f64>();
        assert!((pairs / n / variance).abs() < 4.0 / n.sqrt());
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
    let churn = Some(Churn { gamma: 0.5, min: 0.0, max: 9.0, noise: 1.0 });
    assert!(Plan { churn, ..plan(Solver::Heun, vec![3.0, 2.0]) }.reversed().is_err());
}
