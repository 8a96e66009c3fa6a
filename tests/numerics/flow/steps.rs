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
