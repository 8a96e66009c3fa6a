//! Evaluations, blocks of rows, trajectories.

use super::*;

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
        let churn = Churn { gamma: Churn::gamma(10.0, 8), min: 0.05, max: 50.0, noise: 1.003 };
        let gaussian: Box<dyn Denoiser<T>> =
            Box::new(MixtureDenoiser::<T>::new(Design::molrg(24, 3, 1).plant(5).unwrap()));
        let closed = [(&gaussian, Solver::Exact)].into_iter();
        let solvers =
            |denoiser| FIXED.into_iter().chain([Solver::Rk45]).map(move |solver| (denoiser, solver));
        for (denoiser, solver) in denoisers.iter().flat_map(solvers).chain(closed) {
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
    check::<f32>();
    check::<f64>();
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

/// Grids of random levels, cut at a random one of them, both ways, with and without injected noise.
#[test]
fn a_flow_in_two_parts_is_the_whole() {
    fn check<T: Scalar>() {
        let mixture = Design { mean_norm: 1.0, noise_std: 0.1, ..Design::molrg(24, 3, 3) }.plant(2).unwrap();
        let data = normal_rows::<T>(1, Purpose::Noise, 0..60, 24);
        let denoisers: [Box<dyn Denoiser<T>>; 2] =
            [Box::new(MixtureDenoiser::<T>::new(mixture)), Box::new(EmpiricalDenoiser::new(data))];
        for seed in 0..6 {
            let mut grid: Vec<f64> =
                normal_rows::<f64>(seed, Purpose::Noise, 0..1, 7).mapv(f64::exp).into_iter().collect();
            grid.sort_by(|a, b| b.total_cmp(a));
            grid.push(0.0);
            let churn = Churn { gamma: 0.1, min: 0.3, max: 3.0, noise: 1.003 };
            for (encode, churn) in [(false, None), (false, Some(churn)), (true, None)] {
                for solver in [Solver::Euler, Solver::Heun, Solver::Dpm2, Solver::Dpm3, Solver::Rk4] {
                    let whole = Plan { churn, ..plan(solver, grid.clone()) };
                    let whole = if encode { whole.reversed().unwrap() } else { whole };
                    let levels = whole.sigmas.len();
                    // Its ends too, where one part is empty; levels as they are printed with some digits.
                    let cut = seed as usize % levels;
                    let level = whole.sigmas[cut];
                    let printed = format!("{level:.12e}").parse().unwrap();
                    let parts = [(None, Some(printed)), (Some(printed), None)]
                        .map(|(from, until)| whole.clone().part(from, until).unwrap());
                    assert_eq!([&parts[0].sigmas[..cut], &parts[1].sigmas[..]].concat(), whole.sigmas);
                    let denoiser = denoisers[seed as usize % 2].as_ref();
                    let start = whole.start::<T>(seed, 5..9, 24);
                    let run = |plan: &Plan, mut x: Array2<T>| {
                        let work = plan.run(denoiser, &mut x, 5, seed).unwrap();
                        (x, work)
                    };
                    let (middle, mut work) = run(&parts[0], start.clone());
                    let (end, second) = run(&parts[1], middle);
                    work += second;
                    assert_eq!(
                        (end, work),
                        run(&whole, start),
                        "{solver:?}, {encode}, {churn:?}, {level} of {grid:?}"
                    );
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn parts_of_a_flow_begin_and_end_where_they_are_asked_to() {
    let down = plan(Solver::Heun, vec![8.0, 4.0, 2.0, 1.0, 0.0]);
    let up = down.clone().reversed().unwrap();
    let part = |plan: &Plan, from, until| plan.clone().part(from, until).map(|p| p.sigmas);
    for (from, until, expected) in [
        (None, None, &[8.0, 4.0, 2.0, 1.0, 0.0][..]),
        (Some(3.0), None, &[3.0, 2.0, 1.0, 0.0]),
        (None, Some(3.0), &[8.0, 4.0, 3.0]),
        (Some(5.0), Some(0.5), &[5.0, 4.0, 2.0, 1.0, 0.5]),
        (Some(9.0), Some(8.0), &[9.0, 8.0]),
        (Some(1.0), None, &[1.0, 0.0]),
        (None, Some(8.0), &[8.0]),
        (Some(3.0), Some(2.5), &[3.0, 2.5]),
    ] {
        assert_eq!(part(&down, from, until).unwrap(), expected, "{from:?} to {until:?}");
    }
    assert_eq!(part(&up, Some(3.0), None).unwrap(), [3.0, 4.0, 8.0]);
    assert_eq!(part(&up, Some(0.1), Some(3.0)).unwrap(), [0.1, 1.0, 2.0, 3.0]);
    assert_eq!(part(&up, None, Some(9.0)).unwrap(), [1.0, 2.0, 4.0, 8.0, 9.0]);
    for (plan, from, until, words) in [
        (&down, None, Some(9.0), "--until 9: the flow would go from noise level 8 to 9, and it goes down"),
        (&down, Some(2.0), Some(3.0), "--until 3"),
        (&up, Some(9.0), None, "--from 9: the flow would go from noise level 9 to 8, and it goes up"),
        (&up, None, Some(0.5), "--until 0.5"),
    ] {
        let said = part(plan, from, until).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

/// Solvers whose steps know those before start anew, and what they make of it stays within their own error.
#[test]
fn solvers_with_a_memory_start_anew() {
    let (denoiser, turn) = k1();
    let start = arr1(&K1_START).insert_axis(Axis(0)).dot(&turn.t());
    let in_parts = |whole: &Plan, cut: f64| {
        let [first, second] = [(None, Some(cut)), (Some(cut), None)]
            .map(|(from, until)| whole.clone().part(from, until).unwrap());
        carried(&second, &denoiser, &carried(&first, &denoiser, &start))
    };
    let error = |steps: usize| {
        let whole = plan(Solver::Dpmpp2m, levels(steps, 10.0, 0.1));
        farthest(&in_parts(&whole, whole.sigmas[steps / 2]), &carried(&whole, &denoiser, &start))
    };
    // One step of order 1 is an error of order 2 of the whole, as all steps of order 2 are.
    let measured = (error(64) / error(128)).log2();
    assert!((measured - 2.0).abs() < 0.15, "order {measured}");
    let whole = Plan { rtol: 1e-8, atol: 1e-8, ..plan(Solver::Rk45, levels(4, 10.0, 0.1)) };
    let (parts, whole) = (in_parts(&whole, whole.sigmas[2]), carried(&whole, &denoiser, &start));
    // Two dozen steps, each of which may be off by the tolerance.
    assert!(parts != whole && farthest(&parts, &whole) < 24.0 * 1e-8);
}

/// A mixture that flows in the dimensions that it spans enters them anew, to rounding.
#[test]
fn parts_of_a_flow_in_few_dimensions_agree_to_rounding() {
    fn check<T: Scalar>() {
        let mixture = Design::molrg(48, 3, 2).plant(4).unwrap();
        let denoiser = MixtureDenoiser::<T>::new(mixture);
        assert!(denoiser.reduced().is_some());
        let whole = plan(Solver::Heun, Grid::default().levels().unwrap());
        let run = |plan: &Plan, mut x: Array2<T>| {
            plan.run(&denoiser, &mut x, 0, 0).unwrap();
            x
        };
        let start = whole.start::<T>(1, 0..20, 48);
        let end = run(&whole, start.clone()).mapv(Scalar::wide);
        for cut in [2, 9, 16] {
            let level = whole.sigmas[cut];
            let middle = run(&whole.clone().part(None, Some(level)).unwrap(), start.clone());
            let parts = run(&whole.clone().part(Some(level), None).unwrap(), middle);
            // Points have some units of the last place, and the flow shrinks them from there.
            let error = farthest(&parts.mapv(Scalar::wide), &end);
            assert!(error < 100.0 * T::epsilon().wide(), "{error} at level {level}");
        }
    }
    check::<f32>();
    check::<f64>();
}

/// EDM's churn: σ̂ = σ(1 + γ) within its range.
#[test]
fn levels_that_are_asked_for_are_those_of_stages_and_of_raised_noise() {
    let sigmas = vec![8.0, 2.0, 0.5, 0.0];
    let asked = |solver, churn| Plan { churn, ..plan(solver, sigmas.clone()) }.asked().unwrap();
    assert_eq!(asked(Solver::Euler, None), [8.0, 2.0, 0.5]);
    assert_eq!(asked(Solver::Heun, None), [8.0, 2.0, 2.0, 0.5, 0.5]);
    assert_eq!(asked(Solver::Dpm2, None), [8.0, 4.0, 2.0, 1.0, 0.5]);
    assert_eq!(asked(Solver::Rk4, None), [8.0, 5.0, 5.0, 2.0, 2.0, 1.25, 1.25, 0.5, 0.5]);
    let churn = Churn { gamma: 0.25, min: 1.0, max: 5.0, noise: 1.0 };
    assert_eq!(asked(Solver::Euler, Some(churn)), [8.0, 2.5, 0.5]);
    let adaptive = asked(Solver::Rk45, None);
    assert!(
        adaptive.iter().all(|s| (0.5..=8.0).contains(s))
            && adaptive.contains(&8.0)
            && adaptive.contains(&0.5)
    );
}
