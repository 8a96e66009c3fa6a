//! Inverse problems: operators by their matrices, posteriors against dense formulas, Kalman's update and importance
//! sampling of the prior.

use molrg::denoiser::{Denoiser, MixtureDenoiser, Widened};
use molrg::flow::{Plan, Solver};
use molrg::inverse::pigdm::PseudoinverseGuided;
use molrg::inverse::{Image, Operator, Posterior, Problem, add_noise, dcdp, ddnm, dps, pigdm};
use molrg::linalg::{divide_by_symmetric, product};
use molrg::mixture::{Component, Design, Mixture, Sampler, Spectrum};
use molrg::random::{Purpose, normal_rows, normal_rows_at};
use molrg::schedule::Grid;
use ndarray::{Array1, Array2, ArrayView2, Axis, array, concatenate, s};

/// Random rows, of which tests take several sets.
fn normals(set: u64, n: u64, d: usize) -> Array2<f64> {
    normal_rows(100 + set, Purpose::Latents, 0..n, d)
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[track_caller]
fn close(a: &Array2<f64>, b: &Array2<f64>, tolerance: f64, what: &str) {
    assert_eq!(a.dim(), b.dim(), "{what}");
    let off = largest(&(a - b));
    assert!(off < tolerance, "{what}: off by {off:e}");
}

/// One of each kind on items of 6 × 4 × 2 = 48 numbers, and a matrix that is tall.
fn operators() -> Vec<(&'static str, Operator)> {
    let image = |channels_first| Image { shape: [6, 4, 2], channels_first };
    let marked: Vec<bool> = normals(0, 1, 48).iter().map(|v| *v > 0.3).collect();
    vec![
        ("mask", Operator::mask(&marked).unwrap()),
        ("downsample", Operator::downsample(image(false), 3, 2).unwrap()),
        ("downsample, channels first", Operator::downsample(image(true), 3, 2).unwrap()),
        ("blur", Operator::blur(image(false), 3, 0.8).unwrap()),
        // Whose reach of 12 pixels meets the mirror more than once.
        ("wide blur", Operator::blur(image(true), 3, 3.0).unwrap()),
        ("matrix", Operator::matrix(normals(1, 11, 48)).unwrap()),
        ("tall matrix", Operator::matrix(normals(2, 60, 48)).unwrap()),
    ]
}

/// A, (m, d).
fn matrix(operator: &Operator) -> Array2<f64> {
    operator.apply(Array2::eye(operator.dim()).view()).reversed_axes()
}

#[test]
fn adjoints_are_adjoint() {
    for (name, operator) in operators() {
        let (x, u) = (normals(3, 5, operator.dim()), normals(4, 5, operator.count()));
        let (ax, au) = (operator.apply(x.view()), operator.adjoint(u.view()));
        for row in 0..5 {
            let (left, right) = (ax.row(row).dot(&u.row(row)), x.row(row).dot(&au.row(row)));
            // Sums of some 3000 products of about 1.
            assert!((left - right).abs() < 1e-12 * (1.0 + left.abs()), "{name}: {left} against {right}");
        }
    }
}

#[test]
fn operators_do_what_they_say() {
    let all = operators();
    let [_, (_, means), (_, turned), (_, blur), ..] = &all[..] else { panic!("operators") };
    let x = normals(5, 1, 48);
    let pixel = |y: usize, x: usize, c: usize| (y * 4 + x) * 2 + c;
    let y = means.apply(x.view());
    assert_eq!(means.shape(), [3, 2, 2]);
    let square = [(2, 2), (2, 3), (3, 2), (3, 3)].map(|(i, j)| x[[0, pixel(i, j, 1)]]);
    // A mean of four numbers.
    assert!((y[[0, (2 + 1) * 2 + 1]] - square.iter().sum::<f64>() / 4.0).abs() < 1e-15);
    // The same image, its channels first.
    let first = Array2::from_shape_fn((1, 48), |(_, i)| x[[0, pixel(i % 24 / 4, i % 4, i / 24)]]);
    let y_first = turned.apply(first.view());
    assert_eq!(turned.shape(), [2, 3, 2]);
    for (c, i, j) in [(0, 0, 0), (1, 2, 1), (0, 1, 1)] {
        assert_eq!(y_first[[0, (c * 3 + i) * 2 + j]], y[[0, (i * 2 + j) * 2 + c]]);
    }
    // The blur of `watermark attack`, which is SciPy's.
    use molrg::geometry::attack::{Attack, Kind};
    let attack = Attack { kind: Kind::Blur, strength: 0.8, shape: [6, 4, 2], range: [-1.0, 1.0] };
    let expected = attack.on(&x.row(0).to_vec(), 0, 0).unwrap();
    let expected = Array2::from_shape_vec((1, 48), expected).unwrap();
    // Eight sums of up to 6 products of about 1, one after the other.
    close(&blur.apply(x.view()), &expected, 1e-13, "blur");
}

#[test]
fn functions_of_the_gram_matrix_are_those_of_dense_matrices() {
    for (name, operator) in operators() {
        let a = matrix(&operator);
        let gram = product(a.view(), a.t());
        let m = operator.count();
        let y = normals(6, 3, m);
        // (0.7 A Aᵀ + 0.3)⁻¹ y.
        let mut expected = y.clone();
        divide_by_symmetric(&mut expected, (&gram * 0.7 + Array2::<f64>::eye(m) * 0.3).view()).unwrap();
        let got = operator.of_gram(y.view(), |e| 1.0 / (0.7 * e + 0.3)).unwrap();
        // Condition numbers of at most a few hundred.
        close(&got, &expected, 1e-12, name);
        let values = operator.gram_values().unwrap();
        assert_eq!(values.len(), m, "{name}");
        // The trace and the squares' sum tell eigenvalues of such operators from others.
        let (trace, squares) = (values.iter().sum::<f64>(), values.iter().map(|e| e * e).sum::<f64>());
        assert!((trace / gram.diag().sum() - 1.0).abs() < 1e-12, "{name}");
        assert!((squares / gram.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-12, "{name}");
        // AᵀA from its eigenvectors, which are orthonormal.
        let (values, vectors) = operator.right_vectors().unwrap();
        let from = product((&vectors * &values).view(), vectors.t());
        close(&from, &product(a.t(), a.view()), 1e-12 * values[0].max(1.0) * 100.0, name);
        let inner = product(vectors.t(), vectors.view());
        close(&inner, &Array2::eye(values.len()), 1e-12, name);
    }
}

#[test]
fn pseudo_inverses_have_moores_and_penroses_properties() {
    for (name, operator) in operators() {
        let y = normals(7, 4, operator.count());
        let x = operator.pseudo_inverse(y.view()).unwrap();
        let again = operator.pseudo_inverse(operator.apply(x.view()).view()).unwrap();
        // A⁺ A A⁺ = A⁺, where singular values span up to six orders.
        close(&again, &x, 1e-9 * largest(&x), name);
        let z = normals(8, 4, operator.dim());
        let seen = operator.apply(z.view());
        let back = operator.apply(operator.pseudo_inverse(seen.view()).unwrap().view());
        // A A⁺ A = A, but for what singular values below 1e-6 hold.
        close(&back, &seen, 1e-5, name);
    }
}

/// Three components with means: of low rank, with noise, and with noise above a variance.
fn mixture(noise_std: f64) -> Mixture {
    let design = Design {
        spectrum: Spectrum::Geometric(0.4),
        weights: vec![1.0, 2.0, 0.7],
        mean_norm: 1.0,
        noise_std,
        ..Design::molrg(48, 3, 3)
    };
    let mut mixture = design.plant(5).unwrap();
    if noise_std > 0.0 {
        mixture.components[2].noise_variance *= 0.5;
        mixture.components[1].variances[2] = 0.1 * noise_std * noise_std;
    }
    mixture
}

/// Σ, (d, d).
fn covariance(c: &Component) -> Array2<f64> {
    let away = &c.variances - c.noise_variance;
    product((&c.basis * &away).view(), c.basis.t()) + Array2::<f64>::eye(c.mean.len()) * c.noise_variance
}

/// S⁻¹ B for symmetric S.
fn solve(s: &Array2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    let mut x = b.t().as_standard_layout().into_owned();
    divide_by_symmetric(&mut x, s.view()).unwrap();
    x.reversed_axes()
}

/// ln det S, by Gauss.
fn log_determinant(s: &Array2<f64>) -> f64 {
    let mut s = s.clone();
    let mut sum = 0.0;
    for k in 0..s.nrows() {
        let pivot = s[[k, k]];
        sum += pivot.ln();
        let row = s.row(k).to_owned();
        for i in k + 1..s.nrows() {
            let share = s[[i, k]] / pivot;
            s.row_mut(i).scaled_add(-share, &row);
        }
    }
    sum
}

/// The posterior as the textbook has it: weights, means and covariances.
fn dense(
    mixture: &Mixture,
    a: &Array2<f64>,
    s: f64,
    y: &Array1<f64>,
) -> Vec<(f64, Array1<f64>, Array2<f64>)> {
    let mut all: Vec<_> = mixture
        .components
        .iter()
        .map(|c| {
            let covariance = covariance(c);
            let across = product(a.view(), covariance.view());
            let seen = product(across.view(), a.t()) + Array2::<f64>::eye(a.nrows()) * (s * s);
            let q = y - &a.dot(&c.mean);
            let solved = solve(&seen, q.view().insert_axis(Axis(1))).column(0).to_owned();
            let log_weight = c.weight.ln() - 0.5 * (log_determinant(&seen) + q.dot(&solved));
            let gain = solve(&seen, across.view());
            let left = covariance - product(across.t(), gain.view());
            (log_weight, &c.mean + &across.t().dot(&solved), left)
        })
        .collect();
    let most = all.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.0));
    let total: f64 = all.iter().map(|c| (c.0 - most).exp()).sum();
    all.iter_mut().for_each(|c| c.0 = (c.0 - most).exp() / total);
    all
}

#[test]
fn posteriors_are_those_of_the_dense_formula() {
    for noise_std in [0.0, 0.3] {
        let mixture = mixture(noise_std);
        let (x, _) = Sampler::<f64>::new(&mixture, 9, false).draw(0..6);
        for (name, operator) in operators() {
            let a = matrix(&operator);
            for s in [0.5, 0.02] {
                let y = operator.apply(x.view()) + normals(10, 6, operator.count()) * s;
                let posterior = Posterior::new(mixture.clone(), &operator, s).unwrap();
                let means = posterior.given(y.view()).unwrap().mean().unwrap();
                for (row, y) in y.outer_iter().enumerate() {
                    let name = format!("{name}, δ = {noise_std}², s = {s}, row {row}");
                    let expected = dense(&mixture, &a, s, &y.to_owned());
                    let got = posterior.given(y.insert_axis(Axis(0))).unwrap().mixture(0).unwrap();
                    got.check().unwrap();
                    let mut mean = Array1::<f64>::zeros(48);
                    for (c, (weight, expected_mean, left)) in got.components.iter().zip(&expected) {
                        // The dense formula loses up to six digits of sixteen at s = 0.02.
                        assert!((c.weight - weight).abs() < 1e-8, "{name}: {} against {weight}", c.weight);
                        let off = (&c.mean - expected_mean).mapv(f64::abs).sum();
                        assert!(off < 1e-8, "{name}: means differ by {off:e}");
                        close(&covariance(c), left, 1e-8, &name);
                        assert!(noise_std > 0.0 || c.basis.ncols() <= 3, "{name}: low rank stays low rank");
                        mean.scaled_add(*weight, expected_mean);
                    }
                    let off = (&means.row(row) - &mean).mapv(f64::abs).sum();
                    assert!(off < 1e-8, "{name}: the mean differs by {off:e}");
                }
            }
        }
    }
}

/// Directions that A sees but for a share of 1e-3 to 1e-16: the posterior has axes that are orthonormal, and is the dense one.
#[test]
fn axes_of_a_posterior_are_orthonormal_however_little_is_not_seen() {
    let a = normals(20, 2, 7);
    let operator = Operator::matrix(a.clone()).unwrap();
    // Of the rows' span, and of what is across it.
    let (_, _, seen) = molrg::linalg::thin_svd(a.view()).unwrap();
    let across = |mut x: Array1<f64>| {
        (0..2).for_each(|_| x = &x - &seen.dot(&seen.t().dot(&x)));
        let norm = x.dot(&x).sqrt();
        x / norm
    };
    let [w, other] = [0, 1].map(|i| across(normals(21, 2, 7).row(i).to_owned()));
    for share in [1e-3, 1e-6, 1e-9, 1e-12, 1e-14, 1e-16] {
        let first = &seen.column(0) * (1.0f64 - share * share).sqrt() + &w * share;
        let second = &other - &w * w.dot(&other);
        let second = &second / second.dot(&second).sqrt();
        let component = Component {
            weight: 1.0,
            mean: Array1::zeros(7),
            basis: ndarray::stack![Axis(1), first, second],
            variances: array![2.0, 1.0],
            noise_variance: 0.01,
        };
        let mixture = Mixture { components: vec![component] };
        let posterior = Posterior::new(mixture.clone(), &operator, 0.1).unwrap();
        let got = &posterior.given(array![[0.3, -0.8]].view()).unwrap().mixture(0).unwrap().components[0];
        let gram = got.basis.t().dot(&got.basis);
        // Products of vectors of 7 numbers, after two factorizations.
        close(&gram, &Array2::eye(gram.nrows()), 1e-14, &format!("a share of {share:e}"));
        let (_, _, expected) = dense(&mixture, &a, 0.1, &array![0.3, -0.8]).remove(0);
        close(&covariance(got), &expected, 1e-12, &format!("a share of {share:e}"));
    }
}

#[test]
fn a_gaussian_measured_in_full_has_kalmans_gain() {
    // One number seen with noise: gain λ/(λ + s²), variance λ s²/(λ + s²).
    let component = Component {
        weight: 1.0,
        mean: array![2.0, -1.0],
        basis: array![[0.6], [0.8]],
        variances: array![3.0],
        noise_variance: 0.0,
    };
    let mixture = Mixture { components: vec![component] };
    let operator = Operator::matrix(array![[0.6, 0.8]]).unwrap();
    let posterior = Posterior::new(mixture, &operator, 0.5).unwrap();
    let got = &posterior.given(array![[4.0]].view()).unwrap().mixture(0).unwrap().components[0];
    let gain = 3.0 / 3.25;
    let along = gain * (4.0 - 0.4);
    // A few units of rounding.
    assert!((got.variances[0] - 3.0 * 0.25 / 3.25).abs() < 1e-14);
    assert!(
        (got.mean[0] - (2.0 + 0.6 * along)).abs() < 1e-14
            && (got.mean[1] - (-1.0 + 0.8 * along)).abs() < 1e-14
    );
    // Where s is far below the rest, the measurement is believed and nothing is lost.
    let posterior = Posterior::new(Mixture { components: vec![got.clone()] }, &operator, 1e-9).unwrap();
    let sure = &posterior.given(array![[0.7]].view()).unwrap().mixture(0).unwrap().components[0];
    assert!((sure.mean.dot(&array![0.6, 0.8]) - 0.7).abs() < 1e-12);
    assert!((sure.variances[0] / 1e-18 - 1.0).abs() < 1e-9, "{:e}", sure.variances[0]);
}

#[test]
fn posterior_means_are_those_of_importance_sampling() {
    // Four numbers, of which two are seen: a million draws of the prior weigh as their likelihood.
    let design = Design { noise_std: 0.4, mean_norm: 1.0, ..Design::molrg(4, 1, 2) };
    let mixture = design.plant(3).unwrap();
    let operator = Operator::matrix(normals(11, 2, 4)).unwrap();
    let (s, y) = (0.6, array![[0.8, -0.5]]);
    let (x, _) = Sampler::<f64>::new(&mixture, 12, false).draw(0..1_000_000);
    let seen = operator.apply(x.view());
    let weights: Array1<f64> =
        seen.outer_iter().map(|z| (-(&z - &y.row(0)).mapv(|v| v * v).sum() / (2.0 * s * s)).exp()).collect();
    let total = weights.sum();
    let mean = x.t().dot(&weights) / total;
    let posterior = Posterior::new(mixture, &operator, s).unwrap();
    let expected = posterior.given(y.view()).unwrap().mean().unwrap();
    for j in 0..4 {
        // The delta method's standard error of a ratio of means.
        let spread: f64 = x.column(j).iter().zip(&weights).map(|(x, w)| (w * (x - mean[j])).powi(2)).sum();
        let error = spread.sqrt() / total;
        let off = (mean[j] - expected[[0, j]]).abs();
        assert!(off < 4.0 * error && error < 4e-3, "number {j}: off by {off} ± {error}");
    }
}

#[test]
fn draws_of_a_posterior_have_its_mean_and_covariance() {
    for noise_std in [0.0, 0.3] {
        let mixture = mixture(noise_std);
        let all = operators();
        for (name, operator) in [&all[0], &all[3], &all[5]].map(|(name, operator)| (name, operator)) {
            let (x, _) = Sampler::<f64>::new(&mixture, 9, false).draw(0..1);
            let y = operator.apply(x.view()) + normals(10, 1, operator.count()) * 0.5;
            let posterior = Posterior::new(mixture.clone(), operator, 0.5).unwrap();
            let n = 20_000;
            let many = y.broadcast((n, operator.count())).unwrap();
            let draws = posterior.given(many).unwrap().sample(0, 4).unwrap();
            let pooled = posterior
                .given(y.slice(s![0..1, ..]))
                .unwrap()
                .mixture(0)
                .unwrap()
                .pooled()
                .unwrap()
                .components
                .remove(0);
            let mean = draws.mean_axis(Axis(0)).unwrap();
            let centred = &draws - &mean;
            let got = product(centred.t(), centred.view()) / n as f64;
            let expected = covariance(&pooled);
            let deviation = pooled.eigenvalue_ends().1.sqrt();
            // Five standard errors of a mean; of a covariance's entry ten, whose error is √2 times as large at most,
            // more where components differ.
            let error = deviation / (n as f64).sqrt();
            let off = (&mean - &pooled.mean).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(off < 5.0 * error, "{name}: mean off by {off}, {error} a standard error");
            close(&got, &expected, 10.0 * deviation * error, name);
            // Alone, a row is what it is among others.
            let alone = posterior.given(y.view()).unwrap().sample(77, 4).unwrap();
            assert_eq!(alone.row(0), draws.row(77));
            assert_ne!(
                draws.slice(s![0..2, ..]),
                posterior.given(many.slice(s![0..2, ..])).unwrap().sample(0, 5).unwrap()
            );
        }
    }
}

/// A denoiser of a mixture, in f64.
fn denoiser(mixture: &Mixture) -> Widened<f64> {
    Widened::new(Box::new(MixtureDenoiser::new(mixture.clone())))
}

/// What restoration draws at a step: the start is step 0.
fn drawn(seed: u64, step: u64, rows: u64, d: usize) -> Array2<f64> {
    normal_rows_at(seed, Purpose::Restoration, step, 0..rows, d)
}

/// N(μ, τ² I) on d numbers.
fn isotropic(mean: Array1<f64>, variance: f64) -> Mixture {
    let d = mean.len();
    let basis = Array2::from_shape_fn((d, 1), |(i, _)| if i == 0 { 1.0 } else { 0.0 });
    let variances = array![variance];
    Mixture { components: vec![Component { weight: 1.0, mean, basis, variances, noise_variance: variance }] }
}

#[test]
fn pigdm_is_exact_for_one_isotropic_gaussian() {
    let tau = 1.3;
    let model = denoiser(&isotropic(Array1::zeros(48), tau * tau));
    for (name, operator) in operators() {
        let a = matrix(&operator);
        let (x, y) = (normals(20, 3, 48), normals(21, 3, operator.count()));
        for (sigma, s) in [(0.3, 0.2), (5.0, 0.05)] {
            let problem = Problem { operator: &operator, y: y.view(), noise_std: s, first: 40, seed: 0 };
            let guided = PseudoinverseGuided::new(&problem, &model, tau).unwrap();
            let got = guided.denoise_rows(x.slice(s![1.., ..]), 41, sigma).unwrap();
            // (τ⁻² + σ⁻² + AᵀA/s²)⁻¹ (x/σ² + Aᵀy/s²), as x and y are both measurements of x_0.
            let precision = Array2::<f64>::eye(48) * (1.0 / (tau * tau) + 1.0 / (sigma * sigma))
                + product(a.t(), a.view()) / (s * s);
            let mut expected = x.slice(s![1.., ..]).to_owned() / (sigma * sigma)
                + product(y.slice(s![1.., ..]), a.view()) / (s * s);
            divide_by_symmetric(&mut expected, precision.view()).unwrap();
            // The precision's condition number is up to 1e5.
            close(&got, &expected, 1e-9, name);
        }
    }
}

#[test]
fn steps_of_dps_follow_the_gradient_of_the_misfit() {
    let mixture = mixture(0.3);
    let model = denoiser(&mixture);
    let (operators, zeta, sigma) = (operators(), 0.4, 1.7);
    let (_, operator) = &operators[5];
    let y = normals(22, 2, operator.count());
    let problem = Problem { operator, y: y.view(), noise_std: 0.1, first: 0, seed: 8 };
    let got = dps::restore(&problem, &model, &[sigma, 0.0], zeta).unwrap();
    let x = drawn(8, 0, 2, 48) * sigma;
    let misfit = |x: &Array2<f64>, row: usize| {
        let seen = operator.apply(model.denoise(x.view(), sigma).unwrap().view());
        (&y.row(row) - &seen.row(row)).mapv(|v| v * v).sum()
    };
    let denoised = model.denoise(x.view(), sigma).unwrap();
    for row in 0..2 {
        let norm = misfit(&x, row).sqrt();
        for j in [0, 7, 31] {
            let h = 1e-4;
            let moved = |by: f64| {
                let mut x = x.clone();
                x[[row, j]] += by;
                misfit(&x, row)
            };
            let gradient = (moved(h) - moved(-h)) / (2.0 * h);
            // x_t = α x̂: the gradient by x_t is 1/α of that by x̂, and α = 1 at the end.
            let expected = denoised[[row, j]] - zeta / norm * gradient * (1.0 + sigma * sigma).sqrt();
            // Central differences of a smooth function: h² of its third derivative.
            assert!((got[[row, j]] - expected).abs() < 1e-6, "{} against {expected}", got[[row, j]]);
        }
    }
}

#[test]
fn steps_of_ddnm_have_the_noise_that_ancestral_steps_have() {
    // A prior that is one point: what is not of the point is noise, of the measurement and of the step.
    let n = 20_000;
    let point = normals(23, 1, 48).row(0).to_owned();
    let model = denoiser(&isotropic(point.clone(), 0.0));
    let all = operators();
    let (sigma, tau, s) = (2.0, 1.2, 0.7f64);
    for (name, operator) in [&all[1], &all[3], &all[5]].map(|(name, operator)| (name, operator)) {
        let truth = point.broadcast((n, 48)).unwrap();
        let mut y = operator.apply(truth);
        add_noise(y.view_mut(), s, 3, 0);
        let problem = Problem { operator, y: y.view(), noise_std: s, first: 0, seed: 3 };
        let x = ddnm::restore(&problem, &model, &[sigma, tau]).unwrap();
        let kept = tau * tau / (sigma * sigma);
        let rest = x - drawn(3, 0, n as u64, 48) * (kept * sigma) - &(&point * (1.0 - kept));
        let expected = tau * tau * (1.0 - kept);
        let got = product(rest.t(), rest.view()) / n as f64;
        // Ten standard errors of a covariance's entry at most.
        close(&got, &(Array2::<f64>::eye(48) * expected), 0.07 * expected * std::f64::consts::SQRT_2, name);
    }
    // Without noise the estimate agrees with the measurement.
    let model = denoiser(&mixture(0.3));
    for (name, operator) in [&all[0], &all[1], &all[3], &all[5]].map(|(name, operator)| (name, operator)) {
        let y = operator.apply(normals(24, 3, 48).view());
        let problem = Problem { operator, y: y.view(), noise_std: 0.0, first: 0, seed: 3 };
        let sigmas = Grid::default().levels().unwrap();
        let x = ddnm::restore(&problem, &model, &sigmas).unwrap();
        // Singular values of a blur span four orders.
        close(&operator.apply(x.view()), &y, 1e-9, name);
    }
}

/// A flow's plan of so many steps.
fn plan(steps: usize) -> Plan {
    let sigmas = Grid { steps, ..Grid::default() }.levels().unwrap();
    Plan { sigmas, solver: Solver::Heun, churn: None, rtol: 1e-5, atol: 1e-5 }
}

#[test]
fn rounds_of_dcdp_descend_and_purify() {
    let model = denoiser(&mixture(0.3));
    let (inner, rate, momentum) = (7, 0.6, 0.8);
    for (name, operator) in operators() {
        let y = normals(25, 2, operator.count());
        let problem = Problem { operator: &operator, y: y.view(), noise_std: 0.0, first: 0, seed: 6 };
        let settings = dcdp::Settings {
            levels: vec![1.1, 0.4],
            purifier: dcdp::Purifier::Tweedie,
            plan: plan(5),
            inner,
            rate,
            momentum,
        };
        let got = dcdp::restore(&problem, &model, &settings).unwrap();
        let step = rate / operator.largest_value().unwrap();
        let mut x = Array2::<f64>::zeros((2, 48));
        for (round, &sigma) in settings.levels.iter().enumerate() {
            let mut velocity = Array2::<f64>::zeros((2, 48));
            for _ in 0..inner {
                velocity = velocity * momentum + operator.adjoint((operator.apply(x.view()) - &y).view());
                x.scaled_add(-step, &velocity);
            }
            x.scaled_add(sigma, &drawn(6, round as u64 + 1, 2, 48));
            x = model.denoise(x.view(), sigma).unwrap();
        }
        // The same steps in other coordinates.
        close(&got, &x, 1e-10 * largest(&x), name);
    }
    // From 0.4 to 0 of the vp schedule, as published.
    let levels = dcdp::levels(5, 0.4, 0.0);
    let expected =
        [0.4, 0.3, 0.2, 0.1, 0.0].map(|t: f64| ((19.9 * t * t / 2.0 + 0.1 * t).exp() - 1.0).sqrt());
    let near = levels.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near, "{levels:?}");
}

/// Mean square error per number of estimates, with its standard error over rows.
fn error(x: &Array2<f64>, truth: &Array2<f64>) -> (f64, f64) {
    let errors = (x - truth).mapv(|v| v * v).mean_axis(Axis(1)).unwrap();
    (errors.mean().unwrap(), errors.std(1.0) / (errors.len() as f64).sqrt())
}

/// Every method's mean square error over that of the exact posterior mean, which none is below.
#[test]
fn the_posterior_mean_bounds_every_method() {
    let design = Design { noise_std: 0.1, spectrum: Spectrum::Geometric(0.7), ..Design::molrg(48, 4, 3) };
    let mixture = design.plant(2).unwrap();
    let n = 100;
    let (truth, _) = Sampler::<f64>::new(&mixture, 2, false).draw(0..n);
    let model = denoiser(&mixture);
    let settings = |plan: &Plan| dcdp::Settings {
        levels: dcdp::levels(10, 0.4, 0.05),
        purifier: dcdp::Purifier::Flow,
        plan: plan.clone(),
        inner: 100,
        rate: 1.0,
        momentum: 0.9,
    };
    let all = operators();
    for (name, operator) in [&all[0], &all[1], &all[3]].map(|(name, operator)| (name, operator)) {
        let s = 0.1;
        let mut y = operator.apply(truth.view());
        add_noise(y.view_mut(), s, 2, 0);
        let problem = Problem { operator, y: y.view(), noise_std: s, first: 0, seed: 2 };
        let posterior = Posterior::new(mixture.clone(), operator, s).unwrap();
        let (bound, bound_error) = error(&posterior.given(y.view()).unwrap().mean().unwrap(), &truth);
        let plan = plan(100);
        let estimates = [
            ("exact", posterior.given(y.view()).unwrap().sample(0, 2).unwrap()),
            ("pigdm", pigdm::restore(&problem, &model, &plan, 1.0).unwrap()),
            ("dps", dps::restore(&problem, &model, &plan.sigmas, 0.3).unwrap()),
            ("ddnm", ddnm::restore(&problem, &model, &plan.sigmas).unwrap()),
            ("dcdp", dcdp::restore(&problem, &model, &settings(&plan)).unwrap()),
            ("pseudo-inverse", operator.pseudo_inverse(y.view()).unwrap()),
        ];
        let ratios = estimates.map(|(method, x)| (method, error(&x, &truth)));
        println!("{name}: mean {bound:.5} ± {bound_error:.5}");
        for (method, (mse, standard)) in ratios {
            println!("  {method}: {:.2} ± {:.2}", mse / bound, standard / bound);
            assert!(
                mse > bound - 3.0 * (standard + bound_error),
                "{name}: {method} is below the bound: {mse} < {bound}"
            );
        }
        // A draw is as far from the truth as the mean, and as far again from the mean.
        let (exact, standard) = ratios[0].1;
        assert!(
            (exact - 2.0 * bound).abs() < 4.0 * (standard + bound_error),
            "{name}: {exact} against {bound}"
        );
    }
}

/// What A sees by √e keeps the variance s²/e where s is far below what the prior varies by, however small: the precision
/// AᵀA/s² is all there is, to s²/(λe).
#[test]
fn what_is_measured_well_has_the_variance_of_its_noise() {
    let s = 1e-9f64;
    for (name, operator) in operators() {
        let (values, _) = operator.right_vectors().unwrap();
        // Half of the space, less than half of it, and all of it; of a blur, what it passes.
        let mut expected: Vec<f64> = values.iter().map(|e| s * s / e).filter(|v| *v < 1e-15).collect();
        expected.sort_by(f64::total_cmp);
        let posterior = Posterior::new(mixture(0.3), &operator, s).unwrap();
        let y = operator.apply(normals(30, 1, 48).view());
        for component in posterior.given(y.slice(s![0..1, ..])).unwrap().mixture(0).unwrap().components {
            let off = 48 - component.variances.len();
            let mut got: Vec<f64> = component.variances.to_vec();
            got.extend(std::iter::repeat_n(component.noise_variance, off));
            got.sort_by(f64::total_cmp);
            assert!(got.iter().all(|v| *v > 0.0), "{name}: {got:?}");
            for (got, expected) in got.iter().zip(&expected) {
                // Deviations of 1e-9 beside those of 1 have seven digits.
                assert!((got / expected - 1.0).abs() < 1e-5, "{name}: {got:e} against {expected:e}");
            }
        }
    }
}

/// The same numbers measured twice, with noise √2·s and differences 2e, say what their mean does, and are by ‖e‖²/s² further off:
/// A Aᵀ is singular, and Cholesky's factor of it loses these where s² is near its rounding.
#[test]
fn two_measurements_say_as_much_as_one_with_half_the_variance() {
    let a = normals(40, 9, 48);
    let once = Operator::matrix(a.clone()).unwrap();
    let twice = Operator::matrix(concatenate![Axis(0), a, a]).unwrap();
    let (x, _) = Sampler::<f64>::new(&mixture(0.3), 9, false).draw(0..4);
    for s in [0.3, 1e-4, 1e-7] {
        let y = once.apply(x.view());
        let e = normals(41, 4, 9) * s;
        let both = concatenate![Axis(1), &y + &e, &y - &e];
        let one = Posterior::new(mixture(0.3), &once, s).unwrap();
        let two = Posterior::new(mixture(0.3), &twice, s * 2f64.sqrt()).unwrap();
        // Numbers of about 1, of which measurements with noise of 1e-7 have nine digits.
        let expected = one.given(y.view()).unwrap().mean().unwrap();
        close(&two.given(both.view()).unwrap().mean().unwrap(), &expected, 1e-8, &format!("s = {s}"));
        let [one, two] =
            [(one, y), (two, both)].map(|(p, y)| p.given(y.view()).unwrap().surprise() * y.ncols() as f64);
        for ((one, two), e) in one.iter().zip(&two).zip(e.outer_iter()) {
            let expected = one + e.dot(&e) / (s * s);
            // Singular values of A, rather than of A Aᵀ, have nine digits of 1e-7.
            assert!((two / expected - 1.0).abs() < 1e-7, "s = {s}: {two} against {expected}");
        }
    }
}

/// Rows that have one number all go with its measurement.
#[test]
fn pigdm_denoises_rows_of_one_number_with_its_measurement() {
    let model = denoiser(&mixture(0.3));
    let operator = &operators()[5].1;
    let (x, y) = (normals(31, 3, 48), normals(32, 4, operator.count()));
    let problem = Problem { operator, y: y.view(), noise_std: 0.2, first: 40, seed: 0 };
    let guided = PseudoinverseGuided::new(&problem, &model, 1.0).unwrap();
    let together = guided.denoise_row(x.view(), 42, 0.7).unwrap();
    for (i, row) in x.outer_iter().enumerate() {
        let alone = guided.denoise_rows(row.insert_axis(Axis(0)), 42, 0.7).unwrap();
        assert_eq!(together.row(i), alone.row(0), "row {i}");
    }
}

/// 1 ± √(2/(nm)) of measurements of the mixture's own rows; of others as their squares, or as the noise's.
#[test]
fn measurements_of_a_mixture_are_no_surprise_to_it() {
    let mixture = mixture(0.3);
    let n = 400;
    let (x, _) = Sampler::<f64>::new(&mixture, 3, false).draw(0..n);
    for (name, operator) in operators() {
        let mut y = operator.apply(x.view());
        add_noise(y.view_mut(), 0.5, 8, 0);
        let posterior = Posterior::new(mixture.clone(), &operator, 0.5).unwrap();
        let mean = |y: &Array2<f64>| posterior.given(y.view()).unwrap().surprise().mean().unwrap();
        let spread = (2.0 / (n as f64 * operator.count() as f64)).sqrt();
        let own = mean(&y);
        assert!((own - 1.0).abs() < 5.0 * spread, "{name}: {own}");
        // Means are about 1 in norm: nearly all is variance.
        let scaled = mean(&(&y * 100.0));
        assert!((scaled / 1e4 - 1.0).abs() < 0.5, "{name}: {scaled}");
    }
}

/// One Gaussian's flow has a closed form through a denoiser of another type, too.
#[test]
fn a_widened_denoiser_has_the_flow_of_the_one_inside() {
    let mixture = isotropic(normals(33, 1, 48).row(0).to_owned(), 0.7);
    let x = normals(34, 3, 48);
    let inside = MixtureDenoiser::<f64>::new(mixture.clone());
    let expected = inside.flow(x.view(), 2.0, 0.1).unwrap();
    assert_eq!(denoiser(&mixture).flow(x.view(), 2.0, 0.1).unwrap(), expected);
    assert!(denoiser(&self::mixture(0.3)).flow(x.view(), 2.0, 0.1).is_none());
}
