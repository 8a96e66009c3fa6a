//! Bridges: scores, controls and conditioned paths against closed forms, other quadratures and paths that end where they
//! should of themselves.

use molrg::bridge::control::{Polynomial, Scales, powers};
use molrg::bridge::exact::{closed, of_chain};
use molrg::bridge::network::{Size, Training};
use molrg::bridge::paths::{Scored, controlled, scores, simulate};
use molrg::bridge::regression::{Regression, Step};
use molrg::bridge::{Control, GridControl, Mode, PolynomialControl, Setting, System};
use molrg::measure::interval::{Amounts, Mean};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array1, Array2, ArrayView2, s};

const MODES: [Mode; 4] = [Mode::Average, Mode::First, Mode::Last, Mode::Optimal];
const OU: System = System::Ou { theta: 1.5 };
const WELL: System = System::DoubleWell { barrier: 0.5 };

fn setting(system: System, steps: usize) -> Setting {
    Setting { system, noise_std: 1.0, horizon: 1.0, steps }
}

/// u of one coordinate.
fn at(control: &Control, k: usize, x: f64, y: f64) -> f64 {
    control.at(k, ArrayView2::from_shape((1, 1), &[x]).unwrap(), &[y])[[0, 0]]
}

/// What S_0 counts of every ΔB_k, where it is linear: of brownian and ou.
fn counted(setting: &Setting, mode: Mode) -> Vec<f64> {
    let path = Array1::zeros(setting.steps + 1);
    let unit = |k| Array1::from_shape_fn(setting.steps, |i| f64::from(u8::from(i == k)));
    (0..setting.steps).map(|k| scores(setting, mode, path.view(), unit(k).view())[0]).collect()
}

/// θ = 1.5, T = 1: variances of S_0 in closed form (for optimal by SciPy's quad of ((1+γ)(1−t)^γ)² e^{−3t}), and the
/// slope of E[S_0 | X_T], which is the same for every mode.
#[test]
fn scores_of_ou_have_the_variance_and_the_slope_that_they_should() {
    let setting = setting(OU, 800);
    let dt = setting.step();
    // ∂X_T/∂B at each step, and X_T's variance.
    let carried: Vec<f64> = (0..800).map(|k| (1.0 - 1.5 * dt).powi(799 - k)).collect();
    let variance: f64 = carried.iter().map(|c| c * c * dt).sum();
    for (mode, expected) in
        MODES.into_iter().zip([0.316738, 1.0 / dt, (-3.0 * (1.0 - dt)).exp() / dt, 0.5617124767908175])
    {
        let weights = counted(&setting, mode);
        let found: f64 = weights.iter().map(|w| w * w * dt).sum();
        // Sums for integrals, and (1 − θΔt)^k for e^{−θt}: parts of 2θΔt = 0.4 %; θ²TΔt = 0.3 %.
        assert!((found / expected - 1.0).abs() < 5e-3, "{mode:?}: variance {found}, expected {expected}");
        assert!(found > 0.157187, "{mode:?}: less than the least that is possible");
        let slope = weights.iter().zip(&carried).map(|(w, c)| w * c * dt).sum::<f64>() / variance;
        assert!((slope / 0.704464 - 1.0).abs() < 5e-3, "{mode:?}: slope {slope}");
    }
}

#[test]
fn controls_in_closed_form() {
    let ou = setting(OU, 1);
    let at = |y: f64| closed(&ou, 1.0, 0.7, y).unwrap();
    // Six digits are given.
    assert!((at(-1.0) + 0.814495).abs() < 1e-6);
    assert!((at(1.0) - at(0.0) - 0.704464).abs() < 1e-6);
    let brownian = Setting { noise_std: 0.5, ..setting(System::Brownian, 1) };
    assert_eq!(closed(&brownian, 0.25, 0.5, 2.0), Some(1.5 / (0.25 * 0.25)));
    // Without a drift ou is brownian, and near it its own formula has its digits.
    let near = Setting { system: System::Ou { theta: 1e-9 }, ..brownian };
    let none = Setting { system: System::Ou { theta: 0.0 }, ..brownian };
    assert_eq!(closed(&none, 0.25, 0.5, 2.0), Some(24.0));
    assert!((closed(&near, 0.25, 0.5, 2.0).unwrap() / 24.0 - 1.0).abs() < 1e-8);
    assert_eq!(closed(&setting(WELL, 1), 1.0, 0.0, 1.0), None);
}

#[test]
fn systems_have_the_derivatives_of_their_drifts_and_read_what_they_write() {
    for system in [System::Brownian, OU, WELL, System::Sine { amplitude: -2.5 }] {
        for x in [-1.3, 0.2, 0.9] {
            let h = 1e-5;
            let difference = (system.drift(x + h) - system.drift(x - h)) / (2.0 * h);
            // h² of a third derivative of at most 12, and rounding over h.
            assert!((difference - system.slope(x)).abs() < 1e-8, "{system} at {x}");
        }
        assert_eq!(system.to_string().parse::<System>().unwrap(), system);
    }
    for text in ["", "ou", "ou:x", "ou:nan", "ou:inf", "double-well:1e7", "lorenz63:1"] {
        assert!(text.parse::<System>().is_err(), "{text}");
    }
}

/// The Euler chain of ou is an autoregression: X_K given X_k has mean a^m x and variance σ²Δt(1 − a^{2m})/(1 − a²).
fn of_autoregression(setting: &Setting, k: usize, x: f64, y: f64) -> f64 {
    let (a, m) = (1.0 - 1.5 * setting.step(), (setting.steps - k) as i32);
    let variance = setting.step_noise().powi(2) * (1.0 - a.powi(2 * m)) / (1.0 - a * a);
    a.powi(m) * (y - a.powi(m) * x) / variance
}

#[test]
fn the_quadrature_is_exact_for_an_autoregression_and_close_to_the_process() {
    let places = [-3.0, -1.0, 0.1, 0.7, 2.0];
    for steps in [7, 60] {
        let setting = Setting { noise_std: 0.8, horizon: 1.3, ..setting(OU, steps) };
        let found = of_chain(&setting, -1.0, &places, (-8.0, 8.0)).unwrap();
        let (mut off_process, mut size) = (0f64, 0f64);
        for (k, u) in found.iter().enumerate() {
            for (x, u) in places.iter().zip(u) {
                let exact = of_autoregression(&setting, k, *x, -1.0);
                // Rounding of log h, which is some hundreds at the farthest places, and of sums of some hundred terms.
                assert!((u - exact).abs() < 1e-10 * (1.0 + exact.abs()), "step {k} at {x}: {u}, {exact}");
                let process = closed(&setting, setting.horizon - setting.time(k), *x, -1.0).unwrap();
                off_process = off_process.max((u - process).abs());
                size = size.max(process.abs());
            }
        }
        // Nearest the end they differ by a share θΔt.
        assert!(off_process < 1.5 * 1.5 * setting.step() * size, "{off_process} of {size}");
    }
    assert!(of_chain(&setting(OU, 1_000_000), 0.0, &places, (-8.0, 8.0)).is_err());
}

/// Two steps of a drift that is not linear: the density of the end is one integral, its derivative a difference of two.
#[test]
fn the_quadrature_of_two_steps_is_the_derivative_of_a_density() {
    let setting = Setting { noise_std: 0.7, horizon: 0.3, ..setting(WELL, 2) };
    let (step, y) = (setting.step_noise(), 0.8);
    let gauss = |z: f64, mean: f64| (-0.5 * ((z - mean) / step).powi(2)).exp();
    // By the rule of rectangles, at places of its own.
    let log_density = |x: f64| {
        let sum: f64 = (0..40_000)
            .map(|i| -6.0 + 12.0 * (f64::from(i) + 0.5) / 40_000.0)
            .map(|z| gauss(z, setting.mean(x)) * gauss(y, setting.mean(z)))
            .sum();
        sum.ln()
    };
    let places = [-0.9, 0.0, 0.6, 1.4];
    let found = of_chain(&setting, y, &places, (-6.0, 6.0)).unwrap();
    for (x, u) in places.iter().zip(&found[0]) {
        let h = 1e-4;
        let difference = (log_density(x + h) - log_density(x - h)) / (2.0 * h);
        // h² of a third derivative of some hundred; rounding 1e-16 of sums over h.
        assert!((u - difference).abs() < 1e-5, "at {x}: {u}, {difference}");
    }
}

fn fitted(setting: &Setting, mode: Mode, start: f64, degree: u32, n: u64) -> Vec<Step> {
    let mut regression = Regression::new(&simulate(setting, mode, &[start], 0..256, 1).unwrap(), degree);
    for first in (0..n).step_by(256) {
        let block = simulate(setting, mode, &[start], first..n.min(first + 256), 1).unwrap();
        let sums = regression.sums(&block);
        regression.add(&sums);
    }
    regression.solve().unwrap()
}

fn control(setting: &Setting, start: f64, steps: &[Step]) -> Control {
    let steps = steps.iter().map(|step| step.polynomial.clone()).collect();
    Control::Polynomial(PolynomialControl { setting: *setting, start, steps })
}

/// Scores that are a polynomial of x and y are found to the coefficient, and all of them is explained.
#[test]
fn the_regression_finds_a_polynomial() {
    let paths: Array2<f64> = normal_rows(3, Purpose::Latents, 0..200, 3) + 5.0;
    let of = |x: f64, y: f64| 2.0 - x + 0.5 * y * y + 0.25 * x * x * y;
    let scores = Array2::from_shape_fn((200, 2), |(i, k)| of(paths[[i, k]], paths[[i, 2]]));
    let scored = Scored { paths, scores };
    let mut regression = Regression::new(&scored, 3);
    let sums = regression.sums(&scored);
    regression.add(&sums);
    let steps = regression.solve().unwrap();
    for step in &steps {
        // Ten powers of normal numbers: a condition of some 1e3, squared.
        assert!(step.explained > 1.0 - 1e-10, "{}", step.explained);
        assert_eq!(step.polynomial.terms.len(), powers(3).len());
    }
    let control = control(&setting(System::Brownian, 2), 0.0, &steps);
    for (x, y) in [(4.0, 6.0), (5.5, 3.5)] {
        assert!((at(&control, 1, x, y) - of(x, y)).abs() < 1e-9);
    }
}

/// Of Brownian motion the average is the control itself, path by path, and the regression leaves nothing.
#[test]
fn of_brownian_motion_the_average_leaves_nothing() {
    let setting = Setting { noise_std: 0.5, horizon: 2.0, ..setting(System::Brownian, 20) };
    let steps = fitted(&setting, Mode::Average, 0.3, 1, 500);
    let control = control(&setting, 0.3, &steps);
    for k in [0, 7, 19] {
        assert!(steps[k].explained > 1.0 - 1e-12);
        // Where all paths begin, x says nothing by itself.
        let x = if k == 0 { 0.3 } else { 0.9 };
        let exact = closed(&setting, setting.time(20 - k), x, -1.0).unwrap();
        assert!(
            (at(&control, k, x, -1.0) / exact - 1.0).abs() < 1e-9,
            "{k}: {}, {exact}",
            at(&control, k, x, -1.0)
        );
    }
}

/// The regression of ou in every mode against the autoregression's control, in units of its own standard error.
#[test]
fn the_regression_of_ou_is_its_control() {
    let setting = setting(OU, 20);
    for mode in MODES {
        let steps = fitted(&setting, mode, 0.7, 1, 20_000);
        let control = control(&setting, 0.7, &steps);
        let step = &steps[0];
        let scales = step.polynomial.scales;
        let slope = step.polynomial.terms[2].2 / scales.y_std;
        let error = step.std_errors[2] / scales.y_std;
        let exact = of_autoregression(&setting, 0, 0.7, 1.0) - of_autoregression(&setting, 0, 0.7, 0.0);
        // S counts the first increment whole, the chain's control 1 − θΔt of everything: 7.5 % of it at most.
        let bias = 0.08 * exact;
        assert!((slope - exact).abs() < 4.0 * error + bias, "{mode:?}: {slope} ± {error}, {exact}");
        assert!(error < if mode == Mode::Average { 0.01 } else { 0.1 }, "{mode:?}: {error}");
        let found = at(&control, 10, 0.4, -0.5);
        let exact = of_autoregression(&setting, 10, 0.4, -0.5);
        assert!((found - exact).abs() < 0.3, "{mode:?}: {found}, {exact}");
    }
}

/// In the last step the score is (y − x − b(x)Δt)/Δt: of a cubic drift a cubic, without anything left.
#[test]
fn the_last_step_of_a_cubic_drift_is_a_cubic() {
    let setting = setting(WELL, 15);
    for mode in MODES {
        let steps = fitted(&setting, mode, 0.0, 3, 600);
        assert!(steps[14].explained > 1.0 - 1e-10, "{mode:?}: {}", steps[14].explained);
        assert!(fitted(&setting, mode, 0.0, 1, 600)[14].explained < 1.0 - 1e-6, "{mode:?}");
    }
}

#[test]
fn noise_is_explained_as_chance_says() {
    let paths: Array2<f64> = normal_rows(4, Purpose::Latents, 0..500, 41);
    let scores: Array2<f64> = normal_rows(5, Purpose::Latents, 0..500, 40);
    let scored = Scored { paths, scores };
    let mut regression = Regression::new(&scored, 2);
    let sums = regression.sums(&scored);
    regression.add(&sums);
    let mut explained = Mean::default();
    for step in regression.solve().unwrap() {
        assert_eq!(step.by_chance, 5.0 / 499.0);
        explained.add(step.explained);
    }
    assert!((explained.mean - 5.0 / 499.0).abs() < 4.0 * explained.std_error(), "{}", explained.mean);
}

fn grid(setting: Setting, target: f64) -> Control {
    let x: Vec<f64> = (0..81).map(|i| -2.0 + 0.05 * f64::from(i)).collect();
    let u = of_chain(&setting, target, &x, (-3.0, 3.0)).unwrap();
    Control::Grid(GridControl { setting, target, x, u })
}

/// Root mean square of how far paths end from the target.
fn distance(control: &Control, start: f64, target: f64, n: u64) -> molrg::measure::interval::Estimate {
    let paths = controlled(control, &[start], &[target], 0..n, 2).unwrap();
    let mut squares = Amounts::default();
    paths.column(paths.ncols() - 1).iter().for_each(|x| squares.add((x - target).powi(2)));
    squares.root()
}

/// As √Δt: the noise of the last step, whatever leads there.
#[test]
fn ends_come_to_the_target_as_the_root_of_the_step() {
    for (system, fit) in [(OU, true), (OU, false), (WELL, false)] {
        let found: Vec<f64> = [16, 64, 256]
            .into_iter()
            .map(|steps| {
                let setting = setting(system, steps);
                let control = match fit {
                    true => control(&setting, 0.7, &fitted(&setting, Mode::Average, 0.7, 1, 2000)),
                    false => grid(setting, -0.6),
                };
                let distance = distance(&control, 0.7, -0.6, 1000);
                let ratio = distance.value / setting.step_noise();
                // The last step's noise, and 1 ± θΔt of what the one before left, Δt b″ likewise.
                let bound = 4.0 * distance.std_error.unwrap() / setting.step_noise() + 2.0 * setting.step();
                assert!((ratio - 1.0).abs() < bound, "{system}, {steps} steps: {ratio}, within {bound}");
                distance.value
            })
            .collect();
        // Each a half of the one before: the standard error of a ratio of two is 1/√1000.
        for pair in found.windows(2) {
            assert!(
                (pair[1] / pair[0] - 0.5).abs() < 0.5 * 4.0 / 1000f64.sqrt() + 0.04,
                "{system}: {found:?}"
            );
        }
    }
}

/// Paths under the exact control, half way, against free ones that happen to end near the target.
#[test]
fn conditioned_paths_are_as_free_ones_that_end_there() {
    let setting = Setting { horizon: 1.5, ..setting(WELL, 20) };
    let (start, target) = (0.8, -0.5);
    let free = simulate(&setting, Mode::First, &[start], 0..40_000, 3).unwrap().paths;
    let (mut half, mut squares) = (Mean::default(), Mean::default());
    for path in free.outer_iter().filter(|path| (path[20] - target).abs() < 0.1) {
        half.add(path[10]);
        squares.add(path[10].powi(2));
    }
    assert!(half.n > 1000);
    // Under the chain's own control the end has the noise of one step besides, and what is half way the same mean.
    let led = controlled(&grid(setting, target), &[start], &[target], 0..4000, 4).unwrap();
    let (mut led_half, mut led_squares) = (Mean::default(), Mean::default());
    for path in led.outer_iter() {
        led_half.add(path[10]);
        led_squares.add(path[10].powi(2));
    }
    for (a, b) in [(half, led_half), (squares, led_squares)] {
        let error = (a.std_error().powi(2) + b.std_error().powi(2)).sqrt();
        // Besides, the drift σ²u is held through a step: Δt = 0.075 of changes of about 0.5.
        assert!((a.mean - b.mean).abs() < 4.0 * error + 0.04, "{} against {} ± {error}", a.mean, b.mean);
    }
}

#[test]
fn between_places_and_beyond_the_control_is_straight() {
    let setting = setting(OU, 4);
    let x = vec![-1.0, 0.5, 2.0];
    let u = (0..4).map(|k| x.iter().map(|x| of_autoregression(&setting, k, *x, 1.0)).collect()).collect();
    let control = GridControl { setting, target: 1.0, x, u };
    for x in [-3.0, -1.0, 0.0, 0.5, 1.9, 2.0, 7.0] {
        let exact = of_autoregression(&setting, 2, x, 1.0);
        assert!((control.at(2, x) - exact).abs() < 1e-12, "at {x}");
    }
    let scales = Scales { x_mean: 1.0, x_std: 2.0, y_mean: -1.0, y_std: 0.5 };
    let polynomial = Polynomial { scales, terms: vec![(0, 0, 3.0), (1, 2, 0.5)] };
    let steps = vec![polynomial];
    let control = PolynomialControl { setting: Setting { steps: 1, ..setting }, start: 0.0, steps };
    assert_eq!(control.at(0, 5.0, 0.0), 3.0 + 0.5 * 2.0 * 4.0);
}

/// A path's draws are its own, whatever is simulated with it, and free paths are not those that are led.
#[test]
fn paths_depend_on_their_number_alone() {
    let setting = setting(OU, 6);
    let whole = simulate(&setting, Mode::Optimal, &[0.7], 0..9, 5).unwrap();
    let part = simulate(&setting, Mode::Optimal, &[0.7], 4..7, 5).unwrap();
    assert_eq!(whole.paths.slice(ndarray::s![4..7, ..]), part.paths);
    assert_eq!(whole.scores.slice(ndarray::s![4..7, ..]), part.scores);
    let x = vec![-1.0, 1.0];
    let idle = Control::Grid(GridControl { setting, target: 0.0, x, u: vec![vec![0.0; 2]; 6] });
    let led = controlled(&idle, &[0.7], &[0.0], 0..9, 5).unwrap();
    assert!(led.iter().zip(&whole.paths).filter(|(a, b)| a == b).count() == 9, "their starts alone");
    let runaway = Setting { system: System::DoubleWell { barrier: 1e6 }, ..setting };
    assert!(simulate(&runaway, Mode::First, &[3.0], 0..1, 0).is_err());
}

/// Every coordinate is a path of its own, with the score that it would have alone.
#[test]
fn coordinates_move_and_score_each_by_itself() {
    for mode in MODES {
        let (setting, start) = (setting(WELL, 7), [0.9, -1.1, 0.2]);
        let block = simulate(&setting, mode, &start, 0..5, 6).unwrap();
        assert_eq!((block.paths.dim(), block.scores.dim()), ((5, 24), (5, 21)));
        for (path, found) in block.paths.outer_iter().zip(block.scores.outer_iter()) {
            for (j, start) in start.iter().enumerate() {
                let path = path.slice(s![j..; 3]);
                assert_eq!(path[0], *start);
                let increments: Array1<f64> =
                    (0..7).map(|k| (path[k + 1] - setting.mean(path[k])) / setting.noise_std).collect();
                let alone = scores(&setting, mode, path, increments.view());
                // Rounding of the increments, of numbers of about 1, over a step of 1/7.
                assert!(found.iter().skip(j).step_by(3).zip(&alone).all(|(a, b)| (a - b).abs() < 1e-11));
            }
        }
    }
}

fn trained(setting: Setting, start: &[f64], paths: u64) -> Control {
    let size = Size { width: 24, depth: 1 };
    let training = Training { setting, mode: Mode::Average, size, paths, lr: 5e-3, seed: 3 };
    let mut steps = 0;
    let control = training.run(start, |step| steps = step).unwrap();
    assert_eq!(steps, paths.div_ceil(Training::BATCH));
    Control::Network(control)
}

/// Root mean square of what a control is off the closed form in three dimensions, at places of free paths and towards ends
/// of theirs, over that of the closed form.
fn off(control: &Control, start: &[f64]) -> f64 {
    let setting = control.setting();
    let free = simulate(setting, Mode::Average, start, 1_000_000..1_000_200, 9).unwrap().paths;
    let (mut off, mut size) = (0.0, 0.0);
    for path in free.outer_iter() {
        let target = path.slice(s![setting.steps * 3..]).to_vec();
        for k in 0..setting.steps {
            let x = path.slice(s![k * 3..(k + 1) * 3]).insert_axis(ndarray::Axis(0));
            let found = control.at(k, x, &target);
            for j in 0..3 {
                let left = setting.horizon - setting.time(k);
                let exact = closed(setting, left, x[[0, j]], target[j]).unwrap();
                off += (found[[0, j]] - exact).powi(2);
                size += exact.powi(2);
            }
        }
    }
    (off / size).sqrt()
}

/// The network's regression against the controls in closed form of three coordinates, and where its paths end.
#[test]
fn a_network_learns_the_controls_of_three_coordinates() {
    let start = [0.7, -0.3, 0.0];
    // Of brownian motion the average's scores are the control; of ou they vary about it.
    for (system, most) in [(System::Brownian, 0.08), (OU, 0.15)] {
        let setting = Setting { noise_std: 0.8, horizon: 1.2, ..setting(system, 20) };
        let control = trained(setting, &start, 20_000);
        let error = off(&control, &start);
        // .04 and .13 with this seed; 20 steps instead of 625 teach it hardly anything, .7.
        assert!(error < most, "{system}: {error}");
        let few = off(&trained(setting, &start, 640), &start);
        assert!(few > 1.5 * error, "{system}: {few} from few paths, {error} from many");
        let target = [-0.5, 0.6, 0.1];
        let paths = controlled(&control, &start, &target, 0..500, 2).unwrap();
        let mut squares = Amounts::default();
        for end in paths.slice(s![.., 60..]).outer_iter() {
            squares.add(end.iter().zip(&target).map(|(x, y)| (x - y).powi(2)).sum());
        }
        // The noise of the last step, and what the network is off there.
        let ratio = squares.root().value / (3f64.sqrt() * setting.step_noise());
        assert!((ratio - 1.0).abs() < 0.15, "{system}: {ratio}");
    }
}

/// Where coordinates begin far from each other, each is learned on its own scale.
#[test]
fn a_network_counts_each_coordinate_by_itself() {
    let start = [0.0, 300.0, -40.0];
    let setting = Setting { noise_std: 0.8, horizon: 1.2, ..setting(System::Brownian, 20) };
    let control = trained(setting, &start, 20_000);
    // As of starts about 0, above; as of one scale for all, 120 ± 150, x and y would be three constants.
    let error = off(&control, &start);
    assert!(error < 0.08, "{error}");
    let Control::Network(network) = &control else { panic!("no network") };
    // Ends are N(start, σ²T), of 1024 paths: standard errors of σ√T/32 and σ√T/45, four times.
    let std = 0.8 * 1.2f64.sqrt();
    for (scales, start) in network.scales.iter().zip(start) {
        assert!((scales.y_mean - start).abs() < 4.0 * std / 32.0, "{scales:?}");
        assert!((scales.y_std / std - 1.0).abs() < 4.0 / 45.0, "{scales:?}");
        // E over times of σ²t: half of it, but for 1/K; one path's times are alike.
        assert!((scales.x_std / std - 0.5f64.sqrt()).abs() < 0.1, "{scales:?}");
    }
}
