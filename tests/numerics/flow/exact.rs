//! Flows of Gaussians, and quantile maps.

use super::*;

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

#[test]
fn quantile_maps_of_scipy() {
    let (denoiser, rows) = quantiles();
    for [from, to, x, y] in rows {
        let to = if to == 0.0 { 1e-6 } else { to };
        let got = carried(&plan(Solver::Rk45, vec![from, to]), &denoiser, &arr2(&[[x]]));
        assert!((got[[0, 0]] - y).abs() < 1e-8, "{x} from {from} to {to}: {got} is not {y}");
    }
}

#[test]
fn the_closed_form_is_exact_at_any_level() {
    let (denoiser, turn) = k1();
    let start = arr1(&K1_START).insert_axis(Axis(0)).dot(&turn.t());
    let closed =
        |sigmas: &[f64], x: &Array2<f64>| carried(&plan(Solver::Exact, sigmas.to_vec()), &denoiser, x);
    // The digits given.
    let known = [3.231321050133, -0.925, 0.09944903162, 1.05656571428, 0.317];
    close(&closed(&[10.0, 0.1], &start).dot(&turn), &known, 1e-11, "10 to 0.1");
    let known = [3.479156016833, -0.94682056302, 0.094867588655, 1.048749961914, 0.3];
    let end = closed(&[80.0, 3.0, 0.0], &(&start * 8.0));
    close(&end.dot(&turn), &known, 1e-11, "80 to 0");
    let half = 0.5f64.sqrt();
    let low_rank = gaussian(&[1.0, 0.0, -1.0], arr2(&[[half], [half], [0.0]]), &[4.0]);
    for (sigma, expected) in [
        (19.35245298, [20.13418975, -9.65258406, 3.11239626]),
        (1.0, [2.28862132, -0.19887868, -0.7875]),
        (0.0, [1.48734773, 0.48734773, -1.0]),
    ] {
        let got = carried(&plan(Solver::Exact, vec![80.0, sigma]), &low_rank, &arr2(&[[80.0, -40.0, 16.0]]));
        // Eight decimals are given.
        close(&got, &expected, 1e-8, "low rank");
    }
}

/// With noise off the subspace, a mean far from the origin, and a subspace so small that flows are otherwise computed
/// in it.
fn noisy() -> Mixture {
    let mut mixture = Design { noise_std: 0.3, mean_norm: 50.0, ..Design::molrg(24, 3, 1) }.plant(7).unwrap();
    mixture.components[0].variances = arr1(&[4.0, 0.5, 1e-4]);
    mixture
}

#[test]
fn the_closed_form_is_what_solvers_come_to() {
    for mixture in [noisy(), Design::molrg(24, 3, 1).plant(3).unwrap()] {
        let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
        let start = normal_rows::<f64>(5, Purpose::Latents, 0..9, 24) * 80.0;
        for sigmas in [vec![80.0, 0.7], vec![0.7, 0.01], vec![0.01, 80.0]] {
            let exact = carried(&plan(Solver::Exact, sigmas.clone()), &denoiser, &start);
            let tight = Plan { rtol: 1e-12, atol: 1e-12, ..plan(Solver::Rk45, sigmas.clone()) };
            // The tolerance a step, of some hundred steps.
            let apart = farthest(&carried(&tight, &denoiser, &start), &exact);
            assert!(apart < 1e-9, "{sigmas:?}: {apart}");
            // In f32, some roundings of the points and of the mean.
            let mut narrow = molrg::linalg::cast::<f64, f32>(start.view());
            let narrower = MixtureDenoiser::<f32>::new(mixture.clone());
            plan(Solver::Exact, sigmas.clone()).run(&narrower, &mut narrow, 0, 0).unwrap();
            let apart = farthest(&molrg::linalg::cast(narrow.view()), &exact);
            assert!(apart < 2e-6, "{sigmas:?} in f32: {apart}");
        }
    }
}

#[test]
fn the_closed_form_goes_back_and_stops_anywhere_without_evaluations() {
    let denoiser = MixtureDenoiser::<f64>::new(noisy());
    let down = plan(Solver::Exact, levels(6, 80.0, 0.002));
    let start = down.start::<f64>(2, 0..5, 24);
    let mut x = start.clone();
    let work = down.run(&denoiser, &mut x, 0, 0).unwrap();
    assert_eq!(work, Work { evaluations: 0, accepted: 5, rejected: 0 });
    let mut seen = Vec::new();
    let mut again = start.clone();
    let work = down
        .trace(&denoiser, &mut again, 0, 0, |_, sigma, x| {
            seen.push((sigma, x.to_owned()));
            Ok(())
        })
        .unwrap();
    assert_eq!(work, Work { evaluations: 0, accepted: 30, rejected: 0 });
    // The end is that of one jump, to the bit, whatever was stopped at.
    assert_eq!(again, x);
    assert_eq!(seen.iter().map(|(sigma, _)| *sigma).collect::<Vec<_>>(), down.sigmas);
    for (sigma, there) in &seen {
        let part = |from, until| down.clone().part(from, until).unwrap();
        assert_eq!(carried(&part(None, Some(*sigma)), &denoiser, &start), *there);
        // From there on, to rounding.
        let apart = farthest(&carried(&part(Some(*sigma), None), &denoiser, there), &x);
        assert!(apart < 1e-13, "{sigma}: {apart}");
    }
    // Backwards points off the subspace grow by what they shrank, and their rounding with them.
    let back = carried(&down.clone().reversed().unwrap(), &denoiser, &x);
    assert!(farthest(&back, &start) < 1e-11, "{}", farthest(&back, &start));
    assert!(down.asked().unwrap().is_empty() && down.evaluated().is_empty());
    let two = MixtureDenoiser::<f64>::new(Design::molrg(24, 3, 2).plant(1).unwrap());
    let error = down.run(&two, &mut x, 0, 0).unwrap_err().to_string();
    assert!(error.contains("one component"), "{error}");
}
