//! Schedules against published and recomputed values, and the grids they give.

use clap::ValueEnum;
use molrg::schedule::{Grid, Schedule, check_levels};

fn near(got: f64, expected: f64, digits: f64) {
    assert!((got / expected - 1.0).abs() < digits, "{got} is not {expected}");
}

#[test]
fn known_values() {
    // (t, α, β, σ), ten digits as tabulated.
    let vp = [
        (0.001, 0.9999450265, 0.01048541634, 0.01048599279),
        (0.5, 0.2811828808, 0.9596542021, 3.412918309),
        (1.0, 0.006571586495, 0.9999784069, 152.1669703),
    ];
    for (t, alpha, beta, sigma) in vp {
        near(Schedule::Vp.alpha(t), alpha, 5e-10);
        near(Schedule::Vp.beta(t), beta, 5e-10);
        near(Schedule::Vp.sigma(t), sigma, 5e-10);
    }
    // β = 1 − α², σ = α⁻¹ − α.
    near(Schedule::Subvp.sigma(0.5), 3.275221397, 5e-10);
    for (t, alpha, _, _) in vp {
        near(Schedule::Subvp.alpha(t), alpha, 5e-10);
        // Of ten digits of α, those of 1 − α² at t = 0.001 are six.
        near(Schedule::Subvp.beta(t), 1.0 - alpha * alpha, 2e-6);
        near(Schedule::Subvp.sigma(t), 1.0 / alpha - alpha, 2e-6);
    }
    near(Schedule::Cosine.alpha(0.5), 0.7027400589, 5e-10);
    near(Schedule::Cosine.beta(0.5), 0.7114467018, 5e-10);
    near(Schedule::Cosine.sigma(0.5), 1.012389564, 5e-10);
    for (sigma, t) in [(0.01, 9.16392390e-4), (1.0, 0.258960262433), (80.0, 0.933511143241)] {
        near(Schedule::Vp.time(sigma), t, 1e-9);
    }
    // From their definitions.
    near(Schedule::Ve.sigma(0.0), 0.01, 1e-15);
    near(Schedule::Ve.sigma(1.0), 50.0, 1e-14);
    near(Schedule::Ve.sigma(0.5), 0.5f64.sqrt(), 1e-14);
    near(Schedule::Flow.sigma(0.75), 3.0, 1e-15);
    near(Schedule::Logsnr.sigma(-1.0), 1f64.exp(), 1e-15);
    assert_eq!(Schedule::Edm.sigma(2.5), 2.5);
    // All begin with the data.
    for schedule in [Schedule::Edm, Schedule::Vp, Schedule::Subvp, Schedule::Cosine, Schedule::Flow] {
        assert_eq!((schedule.alpha(0.0), schedule.beta(0.0)), (1.0, 0.0), "{schedule:?}");
    }
}

#[test]
fn alpha_beta_and_sigma_agree() {
    for schedule in Schedule::value_variants() {
        for i in 1..100 {
            let t = i as f64 / 100.0;
            let (alpha, beta, sigma) = (schedule.alpha(t), schedule.beta(t), schedule.sigma(t));
            // VP's β comes from 1 − e^−B, which is 1 to rounding late.
            assert!((beta / alpha / sigma - 1.0).abs() < 1e-12, "{schedule:?} at {t}");
            if matches!(schedule, Schedule::Vp | Schedule::Cosine) {
                assert!((alpha * alpha + beta * beta - 1.0).abs() < 1e-14, "variance preserving");
            }
            let later = schedule.sigma(t + 0.01 * 0.999);
            let rises = later > sigma;
            assert_eq!(rises, *schedule != Schedule::Logsnr, "{schedule:?}: monotone");
        }
    }
}

#[test]
fn times_and_levels_are_inverse() {
    for schedule in Schedule::value_variants() {
        for i in 0..=60 {
            let sigma = 1e-3 * 10f64.powf(i as f64 / 12.0);
            let back = schedule.sigma(schedule.time(sigma));
            // An arc cosine near 1 and an arc near a right angle lose the
            // square of σ's smallness, or σ's size.
            let digits = match schedule {
                Schedule::Cosine => 1e-15 * (1.0 / (sigma * sigma)).max(sigma).max(10.0),
                _ => 1e-12,
            };
            assert!((back / sigma - 1.0).abs() < digits, "{schedule:?}, σ {sigma}: {back}");
        }
    }
    for i in 1..100 {
        let t = i as f64 / 100.0;
        for schedule in Schedule::value_variants() {
            assert!((schedule.time(schedule.sigma(t)) - t).abs() < 1e-12, "{schedule:?} at {t}");
        }
    }
    // VP at tiny levels, where e^B − 1 would cancel: σ² = 0.1 t to first order.
    near(Schedule::Vp.sigma(1e-12), 1e-13f64.sqrt(), 1e-9);
    near(Schedule::Vp.time(1e-8), 1e-15, 1e-9);
    // And sub-VP, whose σ is B to first order: 0.1 t, with 9.95 t² beside it.
    near(Schedule::Subvp.sigma(1e-12), 1e-13, 1e-9);
    near(Schedule::Subvp.time(1e-13), 1e-12, 1e-9);
}

#[test]
fn the_grid_of_edm() {
    let published = [
        80.0,
        57.585984721,
        40.785573797,
        28.374584604,
        19.352452980,
        12.910082381,
        8.4009353091,
        5.3151945218,
        3.2568215198,
        1.9233398370,
        1.0881706365,
        0.58534812319,
        0.29644228448,
        0.13951646873,
        0.059947311235,
        0.022934518372,
        0.0075280199628,
        0.002,
    ];
    let levels = Grid::default().levels().unwrap();
    assert_eq!(levels.len(), 19);
    for (got, expected) in levels.iter().zip(published) {
        near(*got, expected, 1e-10);
    }
    assert_eq!((levels[0], levels[17], levels[18]), (80.0, 0.002, 0.0), "the ends exactly");
    // ρ = 1 is even spacing.
    let even = Grid { rho: 1.0, steps: 5, sigma_min: 1.0, sigma_max: 9.0, ..Grid::default() };
    for (got, expected) in even.levels().unwrap().iter().zip([9.0, 7.0, 5.0, 3.0, 1.0, 0.0]) {
        assert!((got - expected).abs() < 1e-14);
    }
}

#[test]
fn grids_of_the_other_schedules_are_even_in_time() {
    for schedule in Schedule::value_variants() {
        for steps in [1, 2, 3, 18, 100] {
            let grid = Grid { schedule: *schedule, steps, ..Grid::default() };
            let levels = grid.levels().unwrap();
            assert_eq!((levels.len(), levels[0], levels[steps]), (steps + 1, 80.0, 0.0));
            assert!(steps == 1 || levels[steps - 1] == 0.002);
            check_levels(&levels).unwrap();
            if *schedule == Schedule::Edm {
                continue;
            }
            let times: Vec<f64> = levels[..steps].iter().map(|s| schedule.time(*s)).collect();
            for w in times.windows(3) {
                // Of times up to 7, found again to 1e-9 at worst (the cosine at 0.002).
                assert!((w[0] - 2.0 * w[1] + w[2]).abs() < 1e-8, "{schedule:?}");
            }
        }
    }
}

#[test]
fn what_names_no_grid_is_refused() {
    let grid = Grid::default();
    for bad in [
        Grid { steps: 0, ..grid.clone() },
        Grid { sigma_min: 0.0, ..grid.clone() },
        Grid { sigma_min: -1.0, ..grid.clone() },
        Grid { sigma_min: 80.0, ..grid.clone() },
        Grid { sigma_max: f64::INFINITY, ..grid.clone() },
        Grid { sigma_max: f64::NAN, ..grid.clone() },
        Grid { rho: 0.0, ..grid.clone() },
        Grid { rho: f64::NAN, ..grid.clone() },
    ] {
        assert!(bad.levels().is_err(), "{bad:?}");
    }
    for bad in [&[][..], &[1.0], &[1.0, 1.0], &[1.0, 2.0], &[1.0, 0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 0.0]] {
        assert!(check_levels(bad).is_err(), "{bad:?}");
    }
    check_levels(&[2.0, 1.0]).unwrap();
    check_levels(&[2.0, 1.0, 0.0]).unwrap();
    for (schedule, t) in [
        (Schedule::Vp, -0.1),
        (Schedule::Vp, 1.1),
        (Schedule::Vp, 0.0),
        (Schedule::Flow, 1.0),
        (Schedule::Cosine, 1.0),
        (Schedule::Subvp, 0.0),
        (Schedule::Subvp, 1.1),
        (Schedule::Edm, 0.0),
        (Schedule::Edm, f64::INFINITY),
        (Schedule::Cosine, f64::NAN),
    ] {
        assert!(schedule.checked_sigma(t).is_err(), "{schedule:?} at {t}");
    }
    assert_eq!(Schedule::Edm.checked_sigma(3.0).unwrap(), 3.0);
}
