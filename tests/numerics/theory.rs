//! What linear theory predicts, against the values of mpmath and SciPy, against training and fitting itself, and the
//! published numbers.

use molrg::linalg::{orthonormalize, product, symmetric_eigen};
use molrg::random::{Purpose, normal_rows};
use molrg::theory::learning::{Architecture, Criterion, Learner, Training};
use molrg::theory::quadrature::Rule;
use molrg::theory::renormalized::{Denoiser, kappa, map};
use ndarray::{Array1, Array2, Axis};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../testdata/golden/theory.json")).unwrap()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap()
}

fn list(row: &Value, key: &str) -> Vec<f64> {
    row[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got / expected - 1.0).abs() < tolerance, "{what}: {got} is not {expected}");
}

/// λ_j ∝ 1/j, mean 1.
fn harmonic(d: usize) -> Vec<f64> {
    let mean = (1..=d).map(|j| 1.0 / j as f64).sum::<f64>() / d as f64;
    (1..=d).map(|j| 1.0 / j as f64 / mean).collect()
}

fn training(architecture: Architecture, initial: f64) -> Training {
    Training { architecture, patch: None, initial, rate: 1.0, sigmas: (0.002, 80.0) }
}

fn learner(architecture: Architecture, initial: f64, eigenvalues: &[f64]) -> Learner {
    Learner::new(training(architecture, initial), eigenvalues.to_vec()).unwrap()
}

#[test]
fn a_rule_is_exact_for_polynomials_and_in_pieces_for_what_varies() {
    for n in [1usize, 2, 5, 16, 64] {
        let rule = Rule::gauss_legendre(n, -0.5, 2.0).unwrap();
        for power in [0, 1, 2 * n as i32 - 1] {
            let exact = (2f64.powi(power + 1) - (-0.5f64).powi(power + 1)) / f64::from(power + 1);
            // Some rounding of each of n terms.
            close(rule.integral(|x| x.powi(power)), exact, 1e-13, &format!("x^{power} by {n} places"));
        }
    }
    let rule = Rule::in_pieces(16, 0.0, 20.0, 1.5).unwrap();
    close(
        rule.integral(|x| (-x).exp() * x.cos()),
        0.5 + (-20f64).exp() * (20f64.sin() - 20f64.cos()) / 2.0,
        1e-13,
        "e^-x cos x",
    );
}

#[test]
fn variances_along_training_are_those_of_the_closed_forms() {
    for row in golden()["variances"].as_array().unwrap() {
        let at = |key| number(row, key);
        let architecture = if at("layers") == 1.0 { Architecture::OneLayer } else { Architecture::TwoLayer };
        let training = Training {
            rate: at("rate"),
            sigmas: (at("low"), at("high")),
            ..training(architecture, at("initial"))
        };
        let learner = Learner::new(training, vec![at("eigenvalue")]).unwrap();
        // Rounding of an integral of size 10 in the exponent.
        close(learner.variance(0, at("time")), at("variance"), 1e-12, &row.to_string());
        assert_eq!(learner.variances(at("time")), [learner.variance(0, at("time"))]);
    }
}

#[test]
fn published_variances_along_training() {
    let one = learner(Architecture::OneLayer, 0.1, &[1.0, 0.01]);
    let two = learner(Architecture::TwoLayer, 0.1, &[1.0, 0.01]);
    for (learner, mode, time, expected) in [
        (&one, 0, 0.1, 1.6714149e-4),
        (&one, 0, 1.0, 0.26970644),
        (&one, 0, 10.0, 0.99984776),
        (&one, 1, 10.0, 4.9759114e-5),
        (&one, 1, 100.0, 0.0047279057),
        (&two, 0, 0.1, 7.291467943e-5),
        (&two, 0, 1.0, 0.9663539077),
        (&two, 1, 10.0, 2.927027512e-5),
        (&two, 1, 100.0, 0.009803799276),
    ] {
        // Eight digits are given, or more.
        close(learner.variance(mode, time), expected, 5e-8, &format!("mode {mode} at {time}"));
    }
    // Before training and after it.
    for learner in [&one, &two] {
        close(learner.variance(0, 0.0), 6400.0 * (0.002f64 / 80.0).powf(1.8), 1e-12, "before");
        close(learner.variance(1, f64::INFINITY), 6400.0 * 0.010004 / 6400.01, 1e-12, "after");
    }
}

/// Also of modes without variance, which unlearn the weight that they have.
#[test]
fn weights_of_modes_without_variance_fall_to_0() {
    for (architecture, weight) in [
        (Architecture::OneLayer, 0.3 * (-2.0 * 1.7 * 0.25f64).exp()),
        (Architecture::TwoLayer, 0.3 / (1.0 + 8.0 * 1.7 * 0.25 * 0.3)),
    ] {
        let learner = learner(architecture, 0.3, &[1.0, 0.0]);
        close(learner.weight(1, 0.5, 1.7), weight, 1e-14, "no variance");
        assert_eq!(learner.weight(1, 0.5, f64::INFINITY), 0.0);
        assert!(learner.variance(1, f64::INFINITY) < 1.1 * 0.002 * 0.002);
    }
}

#[test]
fn filters_are_those_of_matrix_exponentials() {
    for row in golden()["filters"].as_array().unwrap() {
        let at = |key| number(row, key);
        let eigenvalues = list(row, "eigenvalues");
        let local = Training {
            architecture: Architecture::Local,
            patch: Some(at("patch") as usize),
            rate: at("rate"),
            sigmas: (at("low"), at("high")),
            initial: at("initial"),
        };
        let circular = Training { architecture: Architecture::Circular, patch: None, ..local.clone() };
        let filter = Learner::new(local, eigenvalues.clone()).unwrap();
        for (mode, (weight, variance)) in list(row, "weights").iter().zip(list(row, "variances")).enumerate()
        {
            // The weights by a matrix exponential; the quadrature's 1e-12 is of the exponent, of size 8.
            close(filter.weight(mode, 0.5, at("time")), *weight, 1e-10, "weight");
            close(filter.variances(at("time"))[mode], variance, 1e-9, "variance");
            close(filter.variance(mode, at("time")), variance, 1e-9, "variance of a mode");
        }
        if at("patch") as usize == eigenvalues.len() {
            let whole = Learner::new(circular, eigenvalues).unwrap();
            for mode in 0..whole.eigenvalues().len() {
                close(
                    filter.variance(mode, at("time")),
                    whole.variance(mode, at("time")),
                    1e-11,
                    "all pixels",
                );
            }
        }
    }
    let uneven = Learner::new(training(Architecture::Circular, 0.1), vec![3.0, 2.0, 1.0]);
    assert!(uneven.is_err_and(|e| e.to_string().contains("modes 1 and 2")));
}

/// Gradient descent in steps so small that it is the flow, to their size.
#[test]
fn training_itself_has_these_weights() {
    const STEP: f64 = 1e-4;
    const STEPS: usize = 3000;
    let (d, sigma, initial) = (6, 0.6, 0.2f64);
    let time = STEP * STEPS as f64;
    let variances = [3.0, 1.2, 0.7, 0.2, 0.05, 0.01];
    let turn = orthonormalize(normal_rows::<f64>(4, Purpose::Bases, 0..d as u64, d).view());
    let covariance = (&turn * &Array1::from_iter(variances)).dot(&turn.t());
    let noisy = &covariance + &(Array2::<f64>::eye(d) * (sigma * sigma));
    // −2Σ + 2W(Σ+σ²).
    let gradient = |w: &Array2<f64>| 2.0 * (w.dot(&noisy) - &covariance);
    let mut one = Array2::eye(d) * initial;
    let mut factor = Array2::eye(d) * initial.sqrt();
    for _ in 0..STEPS {
        one = &one - &(gradient(&one) * STEP);
        let both = gradient(&factor.dot(&factor.t()));
        factor = &factor - &((&both + &both.t()).dot(&factor) * STEP);
    }
    let two = factor.dot(&factor.t());
    for (architecture, w) in [(Architecture::OneLayer, one), (Architecture::TwoLayer, two)] {
        let learner = learner(architecture, initial, &variances);
        let found = turn.t().dot(&w).dot(&turn);
        for mode in 0..d {
            // Steps of 1e-4 at rates up to 24 leave some 1e-3 of the change.
            close(found[[mode, mode]], learner.weight(mode, sigma, time), 1e-3, &format!("{architecture:?}"));
        }
    }

    // A filter: the gradient of W is that of its taps, summed over the pixels that share them.
    let (n, k) = (10, 5);
    let power = [2.0, 1.5, 0.6, 0.3, 0.1, 0.05, 0.1, 0.3, 0.6, 1.5];
    let lag = |m: usize| -> f64 {
        let angle = |j: usize| (2.0 * std::f64::consts::PI * (j * m) as f64 / n as f64).cos();
        (0..n).map(|j| power[j] * angle(j)).sum::<f64>() / n as f64
    };
    let covariance = Array2::from_shape_fn((n, n), |(i, j)| lag(i.abs_diff(j)));
    let noisy = &covariance + &(Array2::<f64>::eye(n) * (sigma * sigma));
    let place = |pixel: usize, tap: usize| (pixel + tap + n - k / 2) % n;
    let mut taps = vec![0.0; k];
    taps[k / 2] = initial;
    let matrix = |taps: &[f64]| {
        let mut w = Array2::<f64>::zeros((n, n));
        for pixel in 0..n {
            taps.iter().enumerate().for_each(|(tap, t)| w[[pixel, place(pixel, tap)]] = *t);
        }
        w
    };
    let steps = 2000;
    for _ in 0..steps {
        let gradient = 2.0 * (matrix(&taps).dot(&noisy) - &covariance);
        for (tap, t) in taps.iter_mut().enumerate() {
            *t -= STEP * (0..n).map(|pixel| gradient[[pixel, place(pixel, tap)]]).sum::<f64>();
        }
    }
    let local = Training { patch: Some(k), ..training(Architecture::Local, initial) };
    let learner = Learner::new(local, power.to_vec()).unwrap();
    for mode in 0..n {
        let angle = |tap: usize| 2.0 * std::f64::consts::PI * (mode * tap.abs_diff(k / 2)) as f64 / n as f64;
        let response: f64 = taps.iter().enumerate().map(|(tap, t)| t * angle(tap).cos()).sum();
        let expected = learner.weight(mode, sigma, STEP * f64::from(steps));
        // As above, of responses up to 1.
        assert!((response - expected).abs() < 2e-3, "mode {mode}: {response} is not {expected}");
    }
}

/// α of τ ∝ λ^−α, over modes that rise or fall.
fn exponent(learner: &Learner, apart: f64, rises: bool) -> (f64, usize) {
    let modes = learner.emergence(Criterion::Geometric);
    let points: Vec<(f64, f64)> = learner
        .eigenvalues()
        .iter()
        .zip(modes)
        .filter(|(_, mode)| mode.is_apart(apart) && mode.rises() == rises)
        .map(|(v, mode)| (v.ln(), mode.time.unwrap().ln()))
        .collect();
    (-molrg::measure::curve::line(&points).unwrap().slope, points.len())
}

#[test]
fn modes_emerge_in_order_of_their_variances() {
    let eigenvalues = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
    for (initial, apart, rises, known) in [
        (0.0, 2.0, true, (0.982, 9)),
        (0.1, 2.0, true, (1.023, 9)),
        // Within a factor of two is what λ = 0.3 has before, so that three rise; with it four, as published.
        (0.5, 1.8, true, (1.240, 4)),
        (0.5, 2.0, true, (1.184, 3)),
        (0.5, 2.0, false, (1.003, 4)),
    ] {
        let learner = learner(Architecture::OneLayer, initial, &eigenvalues);
        let (found, modes) = exponent(&learner, apart, rises);
        assert!((found - known.0).abs() < 6e-4 && modes == known.1, "{initial}: {found} of {modes}");
    }
    // At its time a mode is halfway, and was not just before.
    for (architecture, criterion) in
        [(Architecture::OneLayer, Criterion::Geometric), (Architecture::TwoLayer, Criterion::Harmonic)]
    {
        let learner = learner(architecture, 0.1, &eigenvalues);
        for (mode, found) in learner.emergence(criterion).into_iter().enumerate() {
            let (a, b, time) = (found.initial, found.target, found.time.unwrap());
            let half = if criterion == Criterion::Geometric { (a * b).sqrt() } else { 2.0 * a * b / (a + b) };
            close(learner.variance(mode, time), half, 1e-9, "halfway");
            let before = learner.variance(mode, 0.999 * time);
            assert!((before < half) == found.rises());
        }
    }
}

#[test]
fn every_mode_that_changes_has_a_time() {
    for architecture in [Architecture::OneLayer, Architecture::TwoLayer] {
        for initial in [1e-6, 0.3, 1.0] {
            let learner = learner(architecture, initial, &[5.0, 1.0, 1e-7, 1e-13, 0.0]);
            for (mode, found) in learner.emergence(Criterion::Geometric).iter().enumerate() {
                assert!(
                    found.time.is_some_and(|t| t > 0.0),
                    "{architecture:?} from {initial}: mode {mode}, {found:?}"
                );
            }
        }
    }
}

#[test]
fn weights_of_two_layers_are_halfway_at_their_time() {
    // The harmonic mean of Q and w* is had when e^{−8ητλ} = ½.
    let learner = learner(Architecture::TwoLayer, 0.03, &[2.0, 0.4]);
    for (mode, variance) in [2.0, 0.4].into_iter().enumerate() {
        let end = variance / (variance + 0.09);
        let half = 2.0 / (1.0 / 0.03 + 1.0 / end);
        close(learner.weight(mode, 0.3, 2f64.ln() / (8.0 * variance)), half, 1e-13, "ln 2/8ηλ");
    }
}

#[test]
fn renormalized_noise() {
    for row in golden()["kappas"].as_array().unwrap() {
        let found = kappa_of(&list(row, "eigenvalues"), number(row, "ratio"), number(row, "z"));
        // Sums of eight positive numbers, and where ratio is 1 and z 1e-6 a slope of 1e-3.
        close(found, number(row, "kappa"), 1e-12, &row.to_string());
    }
    // Published.
    let spectrum = harmonic(256);
    for (ratio, known) in [
        (0.25, 0.06337965),
        (0.5, 0.08378714),
        (1.0, 0.16275772),
        (2.0, 0.51218374),
        (3.2, 1.12194608),
        (4.0, 1.58872527),
        (8.0, 4.31070776),
    ] {
        assert!((kappa_of(&spectrum, ratio, 0.05) - known).abs() < 1e-8, "d/n = {ratio}");
    }
    // Of the identity it is the root of a square.
    for (ratio, z, known) in [
        (0.5, 0.01, 0.019622372448),
        (0.5, 0.1, 0.174165738677),
        (0.5, 1.0, 1.280776406404),
        (2.0, 0.01, 1.019805788623),
        (2.0, 1.0, 1.0 + 2f64.sqrt()),
    ] {
        close(kappa_of(&[1.0; 7], ratio, z), known, 1e-11, "identity");
    }
    // Without noise: 0 as long as there are rows enough for the modes that vary.
    for (eigenvalues, ratio, known) in [
        (&[1.0, 1.0][..], 3.0, 2.0),
        (&[1.0, 1.0], 1.0, 0.0),
        (&[1.0, 0.0], 2.0, 0.0),
        (&[1.0, 0.0], 4.0, 1.0),
    ] {
        assert!((kappa_of(eigenvalues, ratio, 0.0) - known).abs() < 1e-14, "{eigenvalues:?}, {ratio}");
    }
    // No noise that is far from the data's size breaks it.
    for scale in [1e-30, 1e30] {
        let scaled: Vec<f64> = spectrum.iter().map(|v| v * scale).collect();
        close(kappa_of(&scaled, 2.0, 0.05 * scale) / scale, kappa_of(&spectrum, 2.0, 0.05), 1e-12, "scale");
    }
    assert_eq!(kappa_of(&spectrum, 0.0, 0.3), 0.3);
}

fn kappa_of(eigenvalues: &[f64], ratio: f64, z: f64) -> f64 {
    kappa(eigenvalues, eigenvalues.len() as f64 / ratio, z)
}

/// As many rows as modes that vary, and next to no noise: κ is about √z, far below the eigenvalues, and has its digits.
#[test]
fn renormalized_noise_far_below_all_modes() {
    for z in [1e-6, 1e-20, 1e-28, 1e-100, 1e-260] {
        for zeros in [0, 3] {
            let spectrum = [vec![1.0; 7], vec![0.0; zeros]].concat();
            // Of the identity κ² = z(κ + 1).
            close(kappa(&spectrum, 7.0, z), 0.5 * (z + (z * z + 4.0 * z).sqrt()), 4e-15, "identity");
            // A row more and a row less: roots of a square that nothing cancels in.
            let half = |x: f64| 0.5 * (x * x + 4.0 * z).sqrt();
            let spare = 1.0 - 7.0 / 8.0 - z;
            close(kappa(&spectrum, 8.0, z), z / (half(spare) + 0.5 * spare), 1e-14, "a row more");
            let lack = 7.0 / 6.0 - 1.0 + z;
            close(kappa(&spectrum, 6.0, z), half(lack) + 0.5 * lack, 1e-14, "a row less");
        }
        // κ² (Σ 1/λ)/n = z, of a spectrum whose smallest mode counts most.
        let wide = [1.0, 1e-12, 1e-3];
        let found = kappa(&wide, 3.0, z * 1e-24);
        let expected = (z * 1e-24 * 3.0 / wide.iter().map(|v| 1.0 / v).sum::<f64>()).sqrt();
        // But for terms of κ/λ, up to 1e-3.
        close(found, expected, 2e-15 + 2.0 * found / 1e-12, "wide");
        // κ²/(n − df₂) is n κ² / Σ (2κ/λ): half of κ where all are 1.
        let denoiser = Denoiser::new(&[1.0; 7], 7.0, z.sqrt());
        close(denoiser.factor, denoiser.kappa / 14.0, 1e-14 + 2.0 * denoiser.kappa, "prefactor");
    }
}

/// Published: d = 120, n = 100, σ² = .1, λ ∝ 1/j of mean 1.
#[test]
fn published_variance_of_denoisers() {
    let found = Denoiser::new(&harmonic(120), 100.0, 0.1f64.sqrt());
    assert!((found.kappa - 0.3243963).abs() < 1e-7, "{}", found.kappa);
    assert!((found.freedom - 43.338224).abs() < 1e-6, "{}", found.freedom);
    close(found.factor, 1.8572130e-3, 1e-7, "prefactor");
}

/// Eigenvalues and eigenvectors of empirical covariances of n rows of N(0, diag λ), of so many training sets.
fn training_sets(
    eigenvalues: &[f64],
    n: usize,
    sets: u64,
) -> impl Iterator<Item = (Array1<f64>, Array2<f64>)> {
    let d = eigenvalues.len();
    let stds = Array1::from_iter(eigenvalues.iter().map(|v| v.sqrt()));
    (0..sets).map(move |set| {
        let first = set * n as u64;
        let rows = normal_rows::<f64>(8, Purpose::Coefficients, first..first + n as u64, d) * &stds;
        symmetric_eigen((product(rows.t(), rows.view()) / n as f64).view()).unwrap()
    })
}

/// Sums of matrices and of their squared answers, entry by entry: mean and variance over training sets.
struct Spread {
    n: f64,
    mean: Array2<f64>,
    square: Array2<f64>,
}

impl Spread {
    fn of(matrices: impl Iterator<Item = Array2<f64>>, d: usize) -> Spread {
        let mut spread = Spread { n: 0.0, mean: Array2::zeros((d, d)), square: Array2::zeros((d, d)) };
        for m in matrices {
            spread.n += 1.0;
            spread.square += &(&m * &m);
            spread.mean += &m;
        }
        spread.mean /= spread.n;
        spread.square /= spread.n;
        spread
    }

    /// Var of the answer along each mode, to inputs of these independent coordinates.
    fn of_inputs(&self, variances: &[f64]) -> Array1<f64> {
        let entries = (&self.square - &(&self.mean * &self.mean)) * (self.n / (self.n - 1.0));
        (entries * &Array1::from_iter(variances.iter().copied())).sum_axis(Axis(1))
    }
}

fn of_matrix(values: &Array1<f64>, vectors: &Array2<f64>, f: impl Fn(f64) -> f64) -> Array2<f64> {
    product((vectors * &values.mapv(|v| f(v.max(0.0)))).view(), vectors.t())
}

/// Denoisers and maps of training sets themselves.
#[test]
fn training_sets_have_these_means_and_variances() {
    let (d, n, sets) = (48, 40, 400);
    let eigenvalues = harmonic(d);
    let sigma = 0.1f64.sqrt();
    let theory = Denoiser::new(&eigenvalues, n as f64, sigma);
    let denoisers = training_sets(&eigenvalues, n, sets)
        .map(|(values, vectors)| of_matrix(&values, &vectors, |v| v / (v + sigma * sigma)));
    let found = Spread::of(denoisers, d);
    let inputs: Vec<f64> = eigenvalues.iter().map(|v| v + sigma * sigma).collect();
    let measured = found.of_inputs(&inputs);
    // 4000 sets by NumPy have variances of 1.09, 1.11, 1.10 times the theory for the first three modes, 1.02 on average
    // (1.005 at four times d and n); of the first, 400 leave 7 %.
    let mut sum = 0.0;
    for (mode, predicted) in theory.variances(&eigenvalues, sigma).into_iter().enumerate() {
        let eigenvalue = eigenvalues[mode];
        // 400 sets leave an error of some .005, and the theory is off by some 1/d.
        let gain = (found.mean[[mode, mode]], theory.gain(eigenvalue));
        assert!((gain.0 - gain.1).abs() < 0.02, "gain of mode {mode}: {gain:?}");
        let ratio = measured[mode] / predicted;
        sum += ratio;
        assert!((0.9..1.3).contains(&ratio), "variance of mode {mode}: {ratio}");
    }
    assert!((sum / d as f64 - 1.02).abs() < 0.04, "{sum}");
    let (worst, ideal) = (eigenvalues[d - 1], |v: f64| v / (v + sigma * sigma));
    assert!((found.mean[[d - 1, d - 1]] - ideal(worst)).abs() > 0.2, "without renormalization it is far off");

    let (gains, variances) = map(&eigenvalues, n as f64, 100).unwrap();
    let maps = training_sets(&eigenvalues, n, sets).map(|(v, u)| of_matrix(&v, &u, f64::sqrt));
    let found = Spread::of(maps, d);
    let measured = found.of_inputs(&vec![1.0; d]);
    sum = 0.0;
    for mode in 0..d {
        // 4000 sets by NumPy have gains within .7 % of the theory, and variances of 1.11, 1.07, 1.06 times it for the
        // first three modes and of 1 for the others; of the first, 400 leave 7 %.
        close(found.mean[[mode, mode]], gains[mode], 0.05, &format!("gain of mode {mode}"));
        let ratio = measured[mode] / variances[mode];
        sum += ratio;
        assert!((0.85..1.25).contains(&ratio), "variance of mode {mode} of the map: {ratio}");
    }
    assert!((sum / d as f64 - 1.0).abs() < 0.04, "{sum}");
}

#[test]
fn maps_are_those_of_adaptive_quadrature() {
    for row in golden()["maps"].as_array().unwrap() {
        let (gains, variances) = map(&list(row, "eigenvalues"), number(row, "samples"), 100).unwrap();
        for (mode, (gain, variance)) in list(row, "gains").iter().zip(list(row, "variances")).enumerate() {
            // The ends that the quadrature in u leaves out, 1e-9 of the way from infinity.
            close(gains[mode], *gain, 3e-9, "gain");
            close(variances[mode], variance, 1e-7, "variance");
        }
    }
    // tr Σ̂^½ of the identity.
    for (ratio, known, digits) in
        [(0.5, 0.93280, 1e-5), (1.0, 8.0 / (3.0 * std::f64::consts::PI), 1e-7), (2.0, 0.65959, 1e-5)]
    {
        let (gains, _) = map(&[1.0; 4], 4.0 / ratio, 100).unwrap();
        close(gains[2], known, digits, "trace of the root");
    }
    // Scale is that of data and samples, and three times the places have nothing to add.
    let eigenvalues = harmonic(30);
    let (gains, variances) = map(&eigenvalues, 20.0, 100).unwrap();
    let scaled: Vec<f64> = eigenvalues.iter().map(|v| v * 1e12).collect();
    for (eigenvalues, places, unit) in [(&scaled, 100, 1e12f64), (&eigenvalues, 300, 1.0)] {
        let (others, more) = map(eigenvalues, 20.0, places).unwrap();
        for mode in 0..30 {
            close(others[mode] / unit.sqrt(), gains[mode], 1e-9, "gain");
            close(more[mode] / unit, variances[mode], 1e-8, "variance");
        }
    }
}

/// Published, of 512 latents of samples with σ_max = 80: half the squared difference of samples a number, of two disjoint
/// training sets, d = 128, λ ∝ 1/j.
#[test]
fn disjoint_sets_differ_by_twice_the_variance() {
    let eigenvalues = harmonic(128);
    for (n, published) in [(64.0, 0.5989), (256.0, 0.1481), (1024.0, 0.0340)] {
        let (_, variances) = map(&eigenvalues, n, 100).unwrap();
        let predicted = 2.0 * variances.iter().sum::<f64>() / 128.0;
        assert!((predicted / published - 1.0).abs() < 0.1, "{n}: {predicted} and {published}");
    }
}
