//! Denoisers against dense formulas, 60-digit golden values and difference
//! quotients.

use molrg::denoiser::*;
use molrg::linalg::{cast, orthonormalize, product, singular_values, squared_distance};
use molrg::mixture::{Component, Design, Mixture, Sampler};
use molrg::random::{Purpose, normal_rows, row_rng, standard_normals, uniform};
use molrg::scalar::Scalar;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use serde_json::Value;

fn normal<T: Scalar>(seed: u64, rows: usize, columns: usize) -> Array2<T> {
    normal_rows(seed, Purpose::Noise, 0..rows as u64, columns)
}

fn norm(v: ArrayView1<f64>) -> f64 {
    v.dot(&v).sqrt()
}

/// Row by row ‖a − b‖/‖b‖, the largest.
fn worst<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<f64>) -> f64 {
    let a = cast::<T, f64>(a);
    a.outer_iter().zip(b.outer_iter()).map(|(a, b)| norm((&a - &b).view()) / norm(b)).fold(0.0, f64::max)
}

/// What the project promises of a denoiser, relative to ‖D‖.
fn promised<T: Scalar>() -> f64 {
    if T::epsilon().wide() > 1e-10 { 1e-5 } else { 1e-12 }
}

// Golden values

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn rows(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

struct Point {
    sigma: f64,
    x: Array1<f64>,
    /// Component means, (K, d).
    means: Array2<f64>,
    /// Log weights less the largest.
    logs: Vec<f64>,
    jacobian: Option<Array2<f64>>,
}

fn weights(logs: &[f64]) -> Vec<f64> {
    let top = logs.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let total: f64 = logs.iter().map(|l| (l - top).exp()).sum();
    logs.iter().map(|l| (l - top).exp() / total).collect()
}

impl Point {
    fn denoised(&self) -> Array1<f64> {
        Array1::from(weights(&self.logs)).dot(&self.means)
    }

    /// Whether the point lies so nearly between two components that the
    /// rounding of x itself, in T, would show in D: σ⁻² Σ w_k ‖m_k − D‖² is the
    /// trace of the part of the Jacobian that comes from the choice between
    /// components.
    fn between<T: Scalar>(&self) -> bool {
        let d = self.denoised();
        let spread: f64 = weights(&self.logs)
            .iter()
            .zip(self.means.outer_iter())
            .map(|(w, m)| w * squared_distance(m, d.view()))
            .sum::<f64>()
            / self.sigma.powi(2);
        spread * T::epsilon().wide() * norm(self.x.view()) > 0.1 * promised::<T>() * norm(d.view())
    }
}

fn golden() -> Vec<(String, Mixture, Vec<Point>)> {
    let all: Value = serde_json::from_str(include_str!("../../testdata/golden/mixture.json")).unwrap();
    let cases = all.as_object().unwrap();
    cases
        .iter()
        .map(|(name, case)| {
            let component = |c: &Value| Component {
                weight: c["weight"].as_f64().unwrap(),
                mean: numbers(&c["mean"]).into(),
                basis: rows(&c["basis"]),
                variances: numbers(&c["variances"]).into(),
                noise_variance: c["noise"].as_f64().unwrap(),
            };
            let point = |p: &Value| Point {
                sigma: p["sigma"].as_f64().unwrap(),
                // The points are f32, so that both types see the same.
                x: numbers(&p["x"]).iter().map(|v| (*v as f32) as f64).collect(),
                means: rows(&p["means"]),
                logs: numbers(&p["logs"]),
                jacobian: p.get("jacobian").map(rows),
            };
            let components = case["components"].as_array().unwrap().iter().map(component).collect();
            let points = case["points"].as_array().unwrap().iter().map(point).collect();
            (name.clone(), Mixture { components }, points)
        })
        .collect()
}

#[test]
fn mixtures_agree_with_dense_algebra_of_60_digits() {
    fn check<T: Scalar>(least: f64) {
        for (name, mixture, points) in golden() {
            let denoiser = MixtureDenoiser::<T>::new(mixture);
            let mut compared = 0;
            for (i, p) in points.iter().enumerate() {
                if p.sigma < least || p.between::<T>() {
                    continue;
                }
                let x = p.x.mapv(T::of).insert_axis(Axis(0));
                let got = denoiser.denoise(x.view(), p.sigma).unwrap();
                let error = worst(got.view(), p.denoised().insert_axis(Axis(0)).view());
                assert!(error < promised::<T>(), "{name} {i}, σ {}, {}: {error}", p.sigma, T::DTYPE);
                compared += 1;
            }
            assert!(compared >= 30, "{name}: only {compared} of {} points", points.len());
        }
    }
    check::<f32>(1e-3);
    check::<f64>(1e-4);
}

/// x ↦ x − 2v(vᵀx): an exact change of coordinates that fills a matrix of zeros.
fn reflected(x: ArrayView2<f64>, v: ArrayView1<f64>) -> Array2<f64> {
    let mut out = x.to_owned();
    for mut column in out.columns_mut() {
        let along = 2.0 * v.dot(&column);
        column.scaled_add(-along, &v);
    }
    out
}

#[test]
fn mixtures_of_high_dimension_are_those_of_low_dimension_turned() {
    // A mixture of R⁸ with noise δ_k in d − 8 more dimensions, reflected: its
    // posterior follows from that in R⁸, and every coordinate is used.
    fn check<T: Scalar>(d: usize, least: f64) {
        for (name, mixture, points) in golden() {
            let v = normal::<f64>(d as u64, 1, d).row(0).to_owned();
            let v = &v / norm(v.view());
            let grown = |a: ArrayView2<f64>| {
                let mut tall = Array2::zeros((d, a.ncols()));
                tall.slice_mut(s![..8, ..]).assign(&a);
                reflected(tall.view(), v.view())
            };
            let components = mixture
                .components
                .iter()
                .map(|c| Component {
                    basis: grown(c.basis.view()),
                    mean: grown(c.mean.view().insert_axis(Axis(1))).column(0).to_owned(),
                    ..c.clone()
                })
                .collect();
            let denoiser = MixtureDenoiser::<T>::new(Mixture { components });
            let mut compared = 0;
            for (i, p) in points.iter().enumerate() {
                if p.sigma < least {
                    continue;
                }
                // As a noisy sample of component i mod K has them.
                let of = &mixture.components[i % mixture.components.len()];
                let std = (of.noise_variance + p.sigma * p.sigma).sqrt();
                let mut x = normal::<f64>(i as u64, d, 1) * std;
                x.slice_mut(s![..8, ..]).assign(&p.x.view().insert_axis(Axis(1)));
                let rest: Array1<f64> = x.slice(s![8.., 0]).to_owned();
                let mut logs = p.logs.clone();
                let mut means = Array2::zeros((logs.len(), d));
                for (k, c) in mixture.components.iter().enumerate() {
                    let total = c.noise_variance + p.sigma * p.sigma;
                    let first = mixture.components[0].noise_variance + p.sigma * p.sigma;
                    logs[k] -= 0.5 * (d - 8) as f64 * (total / first).ln();
                    // Differences of like terms in one piece.
                    logs[k] -= 0.5 * rest.dot(&rest) * (first - total) / (total * first);
                    means.slice_mut(s![k, ..8]).assign(&p.means.row(k));
                    means.slice_mut(s![k, 8..]).assign(&(&rest * (c.noise_variance / total)));
                }
                let grown = Point { sigma: p.sigma, x: x.column(0).to_owned(), means, logs, jacobian: None };
                // f32 rounds the reflected point, so here that matters.
                if grown.between::<T>() {
                    continue;
                }
                let expected = reflected(grown.denoised().insert_axis(Axis(1)).view(), v.view());
                let turned = reflected(x.view(), v.view());
                let got = denoiser.denoise(cast::<f64, T>(turned.t()).view(), p.sigma).unwrap();
                // Rounding of a point of norm σ√d over a result of norm about 1
                // comes back as J's share of it, at most ‖J‖‖x‖/‖D‖ units.
                let shrink =
                    mixture.components.iter().flat_map(|c| &c.variances).fold(0.0f64, |m, v| m.max(*v));
                let inherent = 4.0 * T::epsilon().wide() * norm(x.column(0)) * shrink
                    / (shrink + p.sigma * p.sigma)
                    / norm(expected.column(0));
                let error = worst(got.view(), expected.t());
                let tolerance = promised::<T>() + inherent;
                assert!(
                    error < tolerance,
                    "{name} {i}, d {d}, σ {}, {}: {error} over {tolerance}",
                    p.sigma,
                    T::DTYPE
                );
                compared += 1;
            }
            assert!(compared >= 25, "{name}, d {d}: only {compared} points");
        }
    }
    for d in [48, 784, 3072] {
        check::<f32>(d, 1e-3);
        check::<f64>(d, 1e-4);
    }
}

// The dense formula, here

/// A⁻¹B and ln det A by elimination with pivoting.
fn solved(a: ArrayView2<f64>, b: ArrayView2<f64>) -> (Array2<f64>, f64) {
    let n = a.nrows();
    let (mut a, mut b) = (a.to_owned(), b.to_owned());
    let mut log_det = 0.0;
    for i in 0..n {
        let pivot = (i..n).max_by(|&p, &q| a[[p, i]].abs().total_cmp(&a[[q, i]].abs())).unwrap();
        for j in 0..n {
            a.swap([i, j], [pivot, j]);
        }
        for j in 0..b.ncols() {
            b.swap([i, j], [pivot, j]);
        }
        log_det += a[[i, i]].abs().ln();
        for p in 0..n {
            if p != i {
                let f = a[[p, i]] / a[[i, i]];
                for j in i..n {
                    a[[p, j]] -= f * a[[i, j]];
                }
                for j in 0..b.ncols() {
                    b[[p, j]] -= f * b[[i, j]];
                }
            }
        }
    }
    for i in 0..n {
        for j in 0..b.ncols() {
            b[[i, j]] /= a[[i, i]];
        }
    }
    (b, log_det)
}

fn covariance(c: &Component) -> Array2<f64> {
    let u = &c.basis;
    let projector = u.dot(&u.t());
    (u * &c.variances).dot(&u.t()) + (Array2::<f64>::eye(u.nrows()) - projector) * c.noise_variance
}

/// D and J at one point from full covariances.
fn dense(mixture: &Mixture, x: ArrayView1<f64>, sigma: f64) -> (Array1<f64>, Array2<f64>) {
    let d = x.len();
    let (mut means, mut logs, mut jacobians) = (Vec::new(), Vec::new(), Vec::new());
    for c in &mixture.components {
        let own = covariance(c);
        let total = &own + &(Array2::<f64>::eye(d) * (sigma * sigma));
        let centred = (&x - &c.mean).insert_axis(Axis(1));
        let (solution, log_det) = solved(total.view(), centred.view());
        means.push(&c.mean + &own.dot(&solution).column(0));
        logs.push(c.weight.ln() - 0.5 * (log_det + centred.column(0).dot(&solution.column(0))));
        jacobians.push(solved(total.view(), own.view()).0);
    }
    let w = weights(&logs);
    let mut mean = Array1::<f64>::zeros(d);
    for (w, m) in w.iter().zip(&means) {
        mean.scaled_add(*w, m);
    }
    let mut jacobian = Array2::<f64>::zeros((d, d));
    for ((w, m), j) in w.iter().zip(&means).zip(&jacobians) {
        jacobian.scaled_add(*w, j);
        let away = (m - &mean).insert_axis(Axis(1));
        jacobian.scaled_add(w / (sigma * sigma), &away.dot(&away.t()));
    }
    (mean, jacobian)
}

/// A random mixture of unequal everything.
fn random_mixture(seed: u64, d: usize, ranks: &[usize], mean: f64, noise: &[f64]) -> Mixture {
    let mut rng = row_rng(seed, Purpose::Bootstrap, 0);
    let total: f64 = (1..=ranks.len()).map(|k| k as f64).sum();
    let components = ranks
        .iter()
        .enumerate()
        .map(|(k, &r)| Component {
            weight: (k + 1) as f64 / total,
            mean: normal::<f64>(seed + 50 + k as u64, 1, d).row(0).mapv(|v| v * mean / (d as f64).sqrt()),
            basis: orthonormalize(normal::<f64>(seed + 100 + k as u64, d, r).view()),
            variances: (0..r).map(|_| 0.2 + 2.0 * uniform(&mut rng)).collect(),
            noise_variance: noise[k % noise.len()],
        })
        .collect();
    Mixture { components }
}

const MIXTURES: [(usize, &[usize], f64, &[f64]); 8] = [
    (1, &[1, 1], 2.0, &[0.0]),
    (3, &[1, 2], 0.0, &[0.0]),
    (5, &[5], 1.0, &[0.0]),
    (6, &[2, 1, 3], 1.5, &[0.0, 0.04]),
    (8, &[2, 2, 2], 0.0, &[0.0]),
    (10, &[3, 1, 4], 1.0, &[0.01, 0.3, 0.0]),
    (12, &[1, 2], 3.0, &[0.1]),
    (20, &[6, 2, 1, 1], 0.0, &[0.02, 0.05]),
];

#[test]
fn mixtures_agree_with_the_dense_formula() {
    for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
        let mixture = random_mixture(i as u64, d, ranks, mean, noise);
        let (f64s, f32s) =
            (MixtureDenoiser::<f64>::new(mixture.clone()), MixtureDenoiser::<f32>::new(mixture.clone()));
        for sigma in [0.1, 0.3, 1.0, 4.0, 30.0] {
            let x = normal::<f32>(i as u64 + 7, 12, d).mapv(|v| v * (1.0 + sigma as f32));
            let wide = cast::<f32, f64>(x.view());
            let mut expected = Array2::zeros((12, d));
            for (mut e, x) in expected.outer_iter_mut().zip(wide.outer_iter()) {
                e.assign(&dense(&mixture, x, sigma).0);
            }
            // Elimination loses up to the condition number, (3+σ²)/σ² ≤ 300,
            // and a log weight of up to 1e3 units as many.
            let error = worst(f64s.denoise(wide.view(), sigma).unwrap().view(), expected.view());
            assert!(error < 1e-12, "{i}, σ {sigma}: {error}");
            let error = worst(f32s.denoise(x.view(), sigma).unwrap().view(), expected.view());
            assert!(error < 1e-5, "{i}, σ {sigma}, f32: {error}");
        }
    }
}

#[test]
fn f32_decides_between_components_as_f64_does() {
    // Points of norm 6 that two subspaces (or two means) share almost evenly:
    // at σ = 0.05 log weights are thousands, whose rounding in f32 is 1e-3, and
    // their difference is about 1. The points are f32, so both see the same.
    let far = |seed| random_mixture(seed, 40, &[3, 4], 12.0, &[0.0]);
    for (name, mixture) in [("subspaces", Design::molrg(40, 4, 2).plant(6).unwrap()), ("means", far(3))] {
        let f32s = MixtureDenoiser::<f32>::new(mixture.clone());
        let f64s = MixtureDenoiser::<f64>::new(mixture.clone());
        let mut shared = 0;
        for sigma in [0.03, 0.05, 0.2] {
            let samples = Sampler::<f64>::new(&mixture, 3, true).draw(0..80).0;
            for i in 0..40 {
                let (a, b) = (samples.row(2 * i), samples.row(2 * i + 1));
                // Where on the way from one to the other the choice turns, by
                // bisection of which one D is nearer to.
                let at = |t: f64| (&a * (1.0 - t) + &b * t).mapv(|v| v as f32).insert_axis(Axis(0));
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..40 {
                    let t = 0.5 * (low + high);
                    let d = f64s.denoise(at(t).mapv(f64::from).view(), sigma).unwrap();
                    let ends =
                        [at(0.0), at(1.0)].map(|e| f64s.denoise(e.mapv(f64::from).view(), sigma).unwrap());
                    let [to_a, to_b] = ends.map(|e| squared_distance(d.row(0), e.row(0)));
                    if to_a < to_b { low = t } else { high = t }
                }
                for t in [low, low + 1e-5, low - 1e-4, low + 1e-3] {
                    let x = at(t);
                    let expected = f64s.denoise(x.mapv(f64::from).view(), sigma).unwrap();
                    let error = worst(f32s.denoise(x.view(), sigma).unwrap().view(), expected.view());
                    assert!(error < 1e-5, "{name}, pair {i}, σ {sigma}: {error}");
                    shared += 1;
                }
            }
        }
        assert_eq!(shared, 480);
    }
}

#[test]
fn lemma_1() {
    // D = 1/(1+σ²) Σ w_k U_kU_kᵀx, w = softmax(ln π_k + ‖U_kᵀx‖²/2σ²(1+σ²)).
    let mut mixture = Design::molrg(48, 6, 3).plant(5).unwrap();
    for (c, w) in mixture.components.iter_mut().zip([0.5, 0.2, 0.3]) {
        c.weight = w;
    }
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    for sigma in [0.05, 0.5, 2.0, 50.0] {
        let x = normal::<f64>(3, 20, 48) * (0.3 + sigma);
        let s2: f64 = sigma * sigma;
        let mut expected = Array2::<f64>::zeros((20, 48));
        for (x, mut e) in x.outer_iter().zip(expected.outer_iter_mut()) {
            let z: Vec<Array1<f64>> = mixture.components.iter().map(|c| c.basis.t().dot(&x)).collect();
            let logs: Vec<f64> = z
                .iter()
                .zip(&mixture.components)
                .map(|(z, c)| c.weight.ln() + z.dot(z) / (2.0 * s2 * (1.0 + s2)))
                .collect();
            for ((w, c), z) in weights(&logs).iter().zip(&mixture.components).zip(&z) {
                e.scaled_add(w / (1.0 + s2), &c.basis.dot(z));
            }
        }
        // Log weights at σ = 0.05 reach 1e3: a thousand units of rounding.
        assert!(worst(denoiser.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-12);
    }
}

#[test]
fn extreme_noise_levels_stay_finite() {
    fn check<T: Scalar>() {
        for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
            let mixture = random_mixture(i as u64, d, ranks, mean, noise);
            let denoiser = MixtureDenoiser::<T>::new(mixture.clone());
            let (data, labels) = Sampler::<T>::new(&mixture, 4, false).draw(0..30);
            for sigma in [1e-12, 1e-8, 1e-4, 1e4, 1e8, 1e12] {
                let noise = normal::<T>(2, 30, d) * T::of(sigma);
                let got = denoiser.denoise((&data + &noise).view(), sigma).unwrap();
                assert!(got.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                if sigma < 1e-5 && d > 1 {
                    // On the data, the denoiser is the identity up to the noise
                    // (whichever component; they cross in a set of measure zero).
                    let error = worst(got.view(), cast::<T, f64>(data.view()).view());
                    assert!(error < 1e-5, "{i}, σ {sigma}: {error} ({labels:?})");
                }
                if sigma > 1e7 {
                    // Far away the answer is the mean of the mixture and 1/σ of what is seen.
                    let mut overall = Array1::<f64>::zeros(d);
                    mixture.components.iter().for_each(|c| overall.scaled_add(c.weight, &c.mean));
                    for row in got.outer_iter() {
                        let away = &row.mapv(Scalar::wide) - &overall;
                        let tolerance = 1e2 / sigma + 1e-6 * mean;
                        assert!(norm(away.view()) < tolerance, "{i}, σ {sigma}: {}", norm(away.view()));
                    }
                }
                for x in [data.row(0), noise.row(0)] {
                    let jvp = denoiser.jvp(x, noise.view(), sigma).unwrap();
                    assert!(jvp.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                    let all = denoiser.spectrum(x, sigma, true).unwrap().all();
                    assert!(all.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn components_of_weight_zero_do_not_count() {
    let mut mixture = random_mixture(3, 7, &[2, 2], 1.0, &[0.1]);
    mixture.components[0].weight = 0.0;
    mixture.components[1].weight = 1.0;
    let alone = MixtureDenoiser::<f64>::new(Mixture { components: vec![mixture.components[1].clone()] });
    let both = MixtureDenoiser::<f64>::new(mixture);
    let x = normal::<f64>(2, 5, 7);
    for sigma in [1e-3, 1.0, 1e3] {
        let expected = alone.denoise(x.view(), sigma).unwrap();
        assert!(worst(both.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-14);
        assert!(both.jvp(x.row(0), x.view(), sigma).unwrap().iter().all(|v| v.is_finite()));
    }
}

// Jacobians

/// J by rows of products, symmetrized only by what it is.
fn jacobian<T: Scalar>(denoiser: &dyn Differentiable<T>, x: ArrayView1<T>, sigma: f64) -> Array2<f64> {
    cast(denoiser.jvp(x, Array2::eye(denoiser.dim()).view(), sigma).unwrap().t())
}

/// Central differences, extrapolated once: the error is (h/σ)⁴ of what the
/// third and fifth derivatives are, and rounding over h.
fn quotient(denoiser: &dyn Denoiser<f64>, x: ArrayView1<f64>, v: ArrayView1<f64>, sigma: f64) -> Array1<f64> {
    let at = |h: f64| {
        let points = concatenate![
            Axis(0),
            (&x + &(&v * h)).insert_axis(Axis(0)),
            (&x - &(&v * h)).insert_axis(Axis(0))
        ];
        let d = denoiser.denoise(points.view(), sigma).unwrap();
        (&d.row(0) - &d.row(1)) / (2.0 * h)
    };
    let h = 1e-3 * sigma;
    (at(h / 2.0) * 4.0 - at(h)) / 3.0
}

fn check_jacobian(name: &str, denoiser: &dyn Differentiable<f64>, x: ArrayView1<f64>, sigma: f64) {
    let d = denoiser.dim();
    let j = jacobian(denoiser, x, sigma);
    let size = j.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    let probes = normal::<f64>(77, 3, d);
    let products = denoiser.jvp(x, probes.view(), sigma).unwrap();
    for (v, jv) in probes.outer_iter().zip(products.outer_iter()) {
        let error = norm((&jv - &quotient(denoiser, x, v, sigma)).view());
        // (1e-3)⁴ of a fifth derivative of up to 1e4 in units of σ where
        // components compete, and rounding 1e-15·‖x‖/1e-3σ.
        let tolerance = 1e-7 * size * norm(v) + 1e-11 * norm(x) / sigma;
        assert!(error < tolerance, "{name}, σ {sigma}: {error} over {tolerance}");
        assert!(norm((&jv - &j.dot(&v)).view()) < 1e-13 * size * norm(v) * d as f64, "linear");
    }
    let crooked = (&j - &j.t()).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(crooked < 1e-13 * size * d as f64, "{name}, σ {sigma}: symmetric to {crooked}");
    for v in probes.outer_iter() {
        assert!(v.dot(&j.dot(&v)) > -1e-12 * size * v.dot(&v), "{name}: positive semi-definite");
    }
    let vjp = denoiser.vjp(x, probes.view(), sigma).unwrap();
    for ((u, ju), v) in probes.outer_iter().zip(vjp.outer_iter()).zip(probes.outer_iter().rev()) {
        let forth = u.dot(&j.dot(&v));
        assert!((forth - ju.dot(&v)).abs() < 1e-12 * size * norm(u) * norm(v), "⟨u, Jv⟩ = ⟨Jᵀu, v⟩");
    }
    // Values from the closed form, from d products, and from the matrix here.
    let closed = denoiser.spectrum(x, sigma, true).unwrap();
    let all = closed.all();
    assert_eq!(all.len(), d, "{name}: every dimension once");
    assert!(all.windows(2).all(|w| w[0] >= w[1]));
    let products = spectrum_by_products(denoiser, x, sigma).unwrap().all();
    assert_eq!(products.len(), d);
    let direct = singular_values(j.view()).unwrap();
    for ((a, b), c) in all.iter().zip(&products).zip(&direct) {
        let tolerance = 1e-13 * size * d as f64;
        assert!((a - c).abs() < tolerance && (b - c).abs() < tolerance, "{name}, σ {sigma}: {a} {b} {c}");
    }
    // Right vectors: orthonormal where values are not zero, J v = s v, and the
    // rest of the space is multiplied by `rest`.
    assert_eq!(closed.right.dim(), (d, closed.values.len()), "{name}");
    for (v, value) in closed.right.columns().into_iter().zip(&closed.values) {
        let residual = norm((&j.dot(&v) - &(&v * *value)).view());
        assert!(residual < 1e-12 * size * d as f64, "{name}, σ {sigma}: J v − s v is {residual}");
    }
    let held = closed.right.slice(s![.., ..closed.values.iter().filter(|v| **v > 1e-6 * size).count()]);
    let gram = held.t().dot(&held) - Array2::<f64>::eye(held.ncols());
    // A vector of a value s comes from a Gram matrix to size/s units.
    assert!(gram.iter().all(|v| v.abs() < 1e-8), "{name}, σ {sigma}: orthonormal");
    if closed.rest.1 > 0 {
        let v = probes.row(0).to_owned();
        let v = &v - &closed.right.dot(&closed.right.t().dot(&v));
        let residual = norm((&j.dot(&v) - &(&v * closed.rest.0)).view());
        assert!(residual < 1e-7 * size * norm(v.view()), "{name}, σ {sigma}: the rest, {residual}");
    }
    let without = denoiser.spectrum(x, sigma, false).unwrap();
    assert_eq!(without.values, closed.values);
}

#[test]
fn jacobians_of_mixtures() {
    for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
        let mixture = random_mixture(i as u64, d, ranks, mean, noise);
        let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
        let data = Sampler::<f64>::new(&mixture, 8, false).draw(0..4).0;
        for sigma in [0.2, 1.0, 5.0] {
            for (x, e) in data.outer_iter().zip(normal::<f64>(i as u64, 4, d).outer_iter()) {
                let x = &x + &(&e * sigma);
                check_jacobian(&format!("mixture {i}"), &denoiser, x.view(), sigma);
                // The dense formula; elimination loses the condition number, 75 at most.
                let (_, exact) = dense(&mixture, x.view(), sigma);
                let j = jacobian(&denoiser, x.view(), sigma);
                let size = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                assert!((&j - &exact).iter().all(|v| v.abs() < 1e-11 * size.max(1.0)), "{i}, σ {sigma}");
                // f32 takes the same path in f64 and rounds once.
                let narrow = MixtureDenoiser::<f32>::new(mixture.clone());
                let x32 = x.mapv(|v| v as f32);
                let exact = dense(&mixture, x32.mapv(f64::from).view(), sigma).1;
                let j = jacobian(&narrow, x32.view(), sigma);
                assert!((&j - &exact).iter().all(|v| v.abs() < 1e-6 * size.max(1.0)), "{i}, σ {sigma}, f32");
            }
        }
    }
}

#[test]
fn jacobians_of_60_digits() {
    let mut compared = 0;
    for (name, mixture, points) in golden() {
        let denoiser = MixtureDenoiser::<f64>::new(mixture);
        for p in points {
            let Some(exact) = &p.jacobian else { continue };
            let j = jacobian(&denoiser, p.x.view(), p.sigma);
            let size = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            // Between components weights carry the rounding of log weights of
            // up to ‖x‖²/2σ² (1e5 with far means at σ = 0.1), times the entries.
            let logs = p.x.dot(&p.x) / (2.0 * p.sigma * p.sigma);
            let tolerance = 1e-13 * (1.0 + logs) * size;
            let error = (&j - exact).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(error < tolerance, "{name}, σ {}: {error} over {tolerance}", p.sigma);
            compared += 1;
        }
    }
    assert!(compared >= 16, "{compared}");
}

#[test]
fn the_rank_of_a_jacobian_without_noise_is_the_subspaces() {
    // Deep inside one component at small noise J is its projector; far out it
    // is Σ π_k U_kU_kᵀ/(1+σ²), of rank Σ r_k.
    let mixture = Design::molrg(48, 6, 2).plant(1).unwrap();
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    let x = Sampler::<f64>::new(&mixture, 1, true).draw(0..1).0;
    let inside = denoiser.spectrum(x.row(0), 0.02, false).unwrap();
    let expected = 1.0 / (1.0 + 0.02 * 0.02);
    assert!(inside.values.iter().take(6).all(|v| (v - expected).abs() < 1e-12));
    assert!(inside.values.iter().skip(6).all(|v| *v < 1e-12) && inside.rest.0 == 0.0);
    let outside = denoiser.spectrum((&x.row(0) * 1e-9).view(), 1e4, false).unwrap();
    assert!(outside.values.iter().take(12).all(|v| (v * (1.0 + 1e8) - 0.5).abs() < 1e-9));
    assert_eq!(outside.all().len(), 48);
}

// Finite sets

/// The softmax over all points by differences in f64.
fn direct<T: Scalar>(data: ArrayView2<T>, x: ArrayView2<T>, sigma: f64) -> Array2<f64> {
    let wide = cast::<T, f64>(data);
    let mut out = Array2::zeros(x.raw_dim());
    for (x, mut out) in x.outer_iter().zip(out.outer_iter_mut()) {
        let x = x.mapv(Scalar::wide);
        let logs: Vec<f64> =
            wide.outer_iter().map(|y| -squared_distance(x.view(), y) / (2.0 * sigma * sigma)).collect();
        out.assign(&Array1::from(weights(&logs)).dot(&wide));
    }
    out
}

/// Points around `clusters` centres of size `radius`, `spread` wide.
fn clustered<T: Scalar>(
    seed: u64,
    n: usize,
    d: usize,
    clusters: usize,
    radius: f64,
    spread: f64,
) -> Array2<T> {
    let centres = normal::<f64>(seed, clusters, d) * radius + 0.5;
    let around = normal::<f64>(seed + 1, n, d) * spread;
    Array2::from_shape_fn((n, d), |(i, j)| T::of(centres[[i % clusters, j]] + around[[i, j]]))
}

/// Noisy data and mixed points for every noise level.
fn queries<T: Scalar>(data: ArrayView2<T>, sigma: f64, seed: u64) -> Array2<T> {
    let (n, d) = data.dim();
    let mut x = normal::<f64>(seed, 9, d) * sigma;
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        match i % 3 {
            0 | 1 => row += &data.row(17 * i % n).mapv(Scalar::wide),
            // Anywhere: with noise, off the middle of two points.
            _ => {
                row.scaled_add(0.35, &data.row(5 * i % n).mapv(Scalar::wide));
                row.scaled_add(0.6, &data.row(3 * i % n).mapv(Scalar::wide));
            }
        }
    }
    cast(x.view())
}

/// Whether the answer itself hangs on the rounding of x: the Jacobian's size
/// times ‖x‖ε against the promise.
fn hangs<T: Scalar>(data: ArrayView2<T>, x: ArrayView1<T>, d: ArrayView1<f64>, sigma: f64) -> bool {
    let x = x.mapv(Scalar::wide);
    let wide = cast::<T, f64>(data);
    let logs: Vec<f64> =
        wide.outer_iter().map(|y| -squared_distance(x.view(), y) / (2.0 * sigma * sigma)).collect();
    let trace: f64 =
        weights(&logs).iter().zip(wide.outer_iter()).map(|(w, y)| w * squared_distance(y, d)).sum::<f64>()
            / (sigma * sigma);
    trace * T::epsilon().wide() * norm(x.view()) > promised::<T>() * norm(d)
}

#[test]
fn finite_sets_agree_with_the_direct_softmax() {
    fn check<T: Scalar>(name: &str, data: Array2<T>) {
        let denoiser = EmpiricalDenoiser::new(data.clone());
        let (mut compared, mut left_out) = (0, 0);
        for (i, sigma) in
            [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e4].into_iter().enumerate()
        {
            let x = queries(data.view(), sigma, i as u64);
            let expected = direct(data.view(), x.view(), sigma);
            let got = denoiser.denoise(x.view(), sigma).unwrap();
            for (q, (x, (got, expected))) in
                x.outer_iter().zip(got.outer_iter().zip(expected.outer_iter())).enumerate()
            {
                if hangs(data.view(), x, expected, sigma) {
                    left_out += 1;
                    continue;
                }
                let error = norm((&got.mapv(Scalar::wide) - &expected).view()) / norm(expected);
                assert!(error < promised::<T>(), "{name}, {}, σ {sigma}, query {q}: {error}", T::DTYPE);
                compared += 1;
            }
        }
        assert!(compared >= 9 * left_out, "{name}: {left_out} left out");
    }
    fn both(name: &str, make: impl Fn() -> Array2<f64>) {
        check::<f32>(name, cast(make().view()));
        check::<f64>(name, make());
    }
    both("images", || clustered(1, 2000, 784, 2000, 0.25, 0.05));
    both("clusters", || clustered(2, 1500, 48, 10, 1.0, 0.02));
    both("tight clusters", || clustered(3, 700, 20, 3, 5.0, 1e-3));
    both("a plane", || clustered(4, 1030, 2, 1030, 1.0, 0.0));
    both("a line", || clustered(5, 3000, 1, 3000, 1.0, 0.0));
    // In several runs of tiles, the last of them not full.
    both("many", || clustered(9, 10_300, 12, 500, 1.0, 0.05));
    both("few", || clustered(6, 3, 500, 3, 1.0, 0.0));
    both("far from the origin", || clustered(7, 600, 30, 600, 1.0, 0.0) + 300.0);
    both("duplicates", || {
        let once = clustered::<f64>(8, 60, 25, 60, 1.0, 0.0);
        let shape = (1260, 25);
        Array2::from_shape_fn(shape, |(i, j)| once[[i * i % 60, j]])
    });
}

#[test]
fn small_noise_returns_the_training_point_itself() {
    fn check<T: Scalar>() {
        for (n, d) in [(1, 5), (7, 3), (600, 50), (1100, 784)] {
            let data = clustered::<T>(n as u64, n, d, n, 1.0, 0.0);
            let denoiser = EmpiricalDenoiser::new(data.clone());
            for sigma in [1e-3, 1e-6, 1e-12] {
                let rows = n.min(20);
                let x = &data.slice(s![..rows, ..]) + &(normal::<T>(3, rows, d) * T::of(sigma));
                // Neighbours are at least 1e-2 away, fifty noise levels: none
                // of their weights reaches f64.
                assert_eq!(
                    denoiser.denoise(x.view(), sigma).unwrap(),
                    data.slice(s![..rows, ..]),
                    "{n}×{d}, σ {sigma}"
                );
                let jvp = denoiser.jvp(x.row(0), x.view(), sigma).unwrap();
                assert!(jvp.iter().all(|v| *v == T::zero()));
                // Farther than any noise puts it: still finite, still a point.
                let far = x.mapv(|v| v * T::of(3.0));
                assert!(denoiser.denoise(far.view(), sigma).unwrap().iter().all(|v| v.is_finite()));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_exponential_is_exact_or_zero_never_denormal() {
    let mut worst = 0.0f64;
    for i in 0..2_000_000 {
        let x = -100.0 * (i as f32) / 2e6 + 0.5;
        let y = Scalar::exp_flushed(x);
        if x < -80.0 {
            assert_eq!(y, 0.0);
        } else {
            assert!(y.is_normal());
            worst = worst.max((y as f64 / (x as f64).exp() - 1.0).abs());
        }
    }
    // Its documentation says 2e-7: under two units of f32.
    assert!(worst < 2e-7, "{worst}");
    assert_eq!(Scalar::exp_flushed(0.0f32), 1.0);
    assert_eq!(Scalar::exp_flushed(0.0f64), 1.0);
    assert_eq!(Scalar::exp_flushed(f32::NEG_INFINITY), 0.0);
    assert_eq!(Scalar::exp_flushed(-80.1f64), 0.0);
}

/// D from f32 products alone, ‖x‖² − 2xᵀy + ‖y‖² of centred points.
fn by_products(data: ArrayView2<f32>, x: ArrayView2<f32>, sigma: f64) -> Array2<f64> {
    let mean = data.mean_axis(Axis(0)).unwrap();
    let (y, c) = (&data - &mean, &x - &mean);
    let products = product(c.view(), y.t());
    let mut out = Array2::zeros(x.raw_dim());
    for (p, mut out) in products.outer_iter().zip(out.outer_iter_mut()) {
        let logs: Vec<f64> = p
            .iter()
            .zip(y.outer_iter())
            .map(|(p, y)| ((p - 0.5 * y.dot(&y)) as f64) / (sigma * sigma))
            .collect();
        out.assign(&Array1::from(weights(&logs)).dot(&cast::<f32, f64>(data)));
    }
    out
}

#[test]
fn differences_take_over_where_products_are_too_coarse() {
    // Pairs of points 0.02 apart, 30 from the centre: at σ = 0.01 a log weight
    // has a rounding of 30²·6e-8/1e-4 = 0.5.
    let (n, d) = (400, 64);
    let centres = normal::<f64>(1, n / 2, d) * (30.0 / 8.0);
    let apart = normal::<f64>(2, n / 2, d) * (0.01 / 8.0);
    let data = Array2::from_shape_fn((n, d), |(i, j)| {
        (centres[[i / 2, j]] + if i % 2 == 0 { 1.0 } else { -1.0 } * apart[[i / 2, j]]) as f32
    });
    let denoiser = EmpiricalDenoiser::new(data.clone());
    let pair = |i: usize| norm((&data.row(i) - &data.row(i + 1)).mapv(f64::from).view());
    // The error that matters is against the distance of the points to choose from.
    let error = |got: ArrayView2<f64>, expected: ArrayView2<f64>| {
        (0..20).map(|i| norm((&got.row(i) - &expected.row(i)).view()) / pair(2 * i)).fold(0.0f64, f64::max)
    };
    let mut seen = Vec::new();
    for sigma in [0.004, 0.01, 0.03, 0.1, 1.0, 5.0, 30.0] {
        let noise = normal::<f32>(3, 20, d) * sigma;
        let x = Array2::from_shape_fn((20, d), |(i, j)| data[[2 * i, j]] + noise[[i, j]]);
        let expected = direct(data.view(), x.view(), sigma as f64);
        let ours = cast::<f32, f64>(denoiser.denoise(x.view(), sigma as f64).unwrap().view());
        let rough = by_products(data.view(), x.view(), sigma as f64);
        seen.push((sigma, error(ours.view(), expected.view()), error(rough.view(), expected.view())));
    }
    for (sigma, ours, rough) in seen {
        // Stored in f32, a result of norm 30 has a rounding of 30·6e-8/0.02 = 1e-4 of a pair.
        assert!(ours < 1e-3 * (1.0f32 + sigma) as f64, "σ {sigma}: {ours}");
        if sigma <= 0.01 {
            assert!(rough > 0.05, "σ {sigma}: products alone are off by {rough}");
        }
    }
    // At the switch itself, ‖x‖·radius/σ² = 8, both ways are as good: no step.
    let radius = data
        .outer_iter()
        .map(|y| norm((&y - &data.mean_axis(Axis(0)).unwrap()).mapv(f64::from).view()))
        .fold(0.0, f64::max);
    let at = radius / 8f64.sqrt();
    for sigma in [0.98 * at, 1.02 * at] {
        let x = data.slice(s![..20, ..]).to_owned();
        let expected = direct(data.view(), x.view(), sigma);
        let got = denoiser.denoise(x.view(), sigma).unwrap();
        assert!(worst(got.view(), expected.view()) < 1e-5);
    }
}

#[test]
fn jacobians_of_finite_sets() {
    // More points than dimensions and fewer: both branches of the spectrum.
    for (n, d) in [(30, 4), (40, 12), (5, 20), (2, 3), (300, 6)] {
        let data = clustered::<f64>(n as u64, n, d, n, 1.0, 0.0);
        let denoiser = EmpiricalDenoiser::new(data.clone());
        for sigma in [0.5, 1.0, 3.0] {
            let x = &data.row(0) + &(&normal::<f64>(9, 1, d).row(0) * sigma);
            check_jacobian(&format!("{n} points of {d}"), &denoiser, x.view(), sigma);
        }
    }
    let one = EmpiricalDenoiser::new(normal::<f64>(3, 1, 6));
    let x = normal::<f64>(4, 2, 6);
    let spectrum = one.spectrum(x.row(0), 0.7, true).unwrap();
    assert_eq!(spectrum.all(), vec![0.0; 6]);
    assert_eq!(one.denoise(x.view(), 0.7).unwrap().row(1), one.denoise(x.view(), 1e4).unwrap().row(0));
}

#[test]
fn a_finite_set_is_a_mixture_of_points() {
    // Components of variance 0 at the points: the same denoiser by other code.
    let data = normal::<f64>(1, 9, 5);
    let components = data
        .outer_iter()
        .map(|y| Component {
            weight: 1.0 / 9.0,
            mean: y.to_owned(),
            basis: Array2::from_shape_fn((5, 1), |(i, _)| if i == 0 { 1.0 } else { 0.0 }),
            variances: Array1::zeros(1),
            noise_variance: 0.0,
        })
        .collect();
    let mixture = MixtureDenoiser::<f64>::new(Mixture { components });
    let set = EmpiricalDenoiser::new(data.clone());
    for sigma in [0.3, 1.0, 10.0] {
        let x = &data + &(normal::<f64>(2, 9, 5) * sigma);
        let expected = set.denoise(x.view(), sigma).unwrap();
        assert!(worst(mixture.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-12);
        let (a, b) = (jacobian(&mixture, x.row(0), sigma), jacobian(&set, x.row(0), sigma));
        assert!((a - b).iter().all(|v| v.abs() < 1e-12));
    }
}

// Properties of all

#[test]
fn a_rows_result_is_the_same_bits_in_any_block() {
    fn check<T: Scalar>() {
        let mixture = random_mixture(5, 30, &[6, 3, 2], 1.0, &[0.0, 0.1]);
        let proper = Design::molrg(48, 6, 2).plant(1).unwrap();
        let data = clustered::<T>(3, 6000, 30, 40, 1.0, 0.05);
        let denoisers: [Box<dyn Denoiser<T>>; 3] = [
            Box::new(MixtureDenoiser::<T>::new(mixture)),
            Box::new(MixtureDenoiser::<T>::new(proper)),
            Box::new(EmpiricalDenoiser::new(data)),
        ];
        for (i, denoiser) in denoisers.iter().enumerate() {
            for sigma in [0.01, 0.4, 3.0] {
                let x = normal::<T>(9, 70, denoiser.dim());
                let whole = denoiser.denoise(x.view(), sigma).unwrap();
                for (from, to) in [(0, 1), (69, 70), (3, 5), (1, 18), (30, 70)] {
                    let part = denoiser.denoise(x.slice(s![from..to, ..]), sigma).unwrap();
                    assert!(part == whole.slice(s![from..to, ..]), "{i}, rows {from}..{to}, σ {sigma}");
                    // In columns first, as a file may have it.
                    let turned = x.slice(s![from..to, ..]).t().as_standard_layout().into_owned();
                    assert!(denoiser.denoise(turned.t(), sigma).unwrap() == part, "{i}: another layout");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn guidance_is_a_line_through_two_denoisers() {
    let conditional = MixtureDenoiser::<f64>::new(random_mixture(1, 6, &[2], 1.0, &[0.1]));
    let unconditional = MixtureDenoiser::<f64>::new(random_mixture(2, 6, &[2, 3], 1.0, &[0.0]));
    let x = Array2::from_shape_vec((4, 6), standard_normals(&mut row_rng(1, Purpose::Noise, 9), 24)).unwrap();
    for weight in [0.0, 0.5, 1.0, 3.0, -1.0] {
        let guided = Guided { conditional: &conditional, unconditional: &unconditional, weight };
        assert_eq!(guided.dim(), 6);
        let (c, u) =
            (conditional.denoise(x.view(), 0.8).unwrap(), unconditional.denoise(x.view(), 0.8).unwrap());
        let expected = &c * weight + &u * (1.0 - weight);
        // Three operations on numbers of size up to 4.
        assert!((guided.denoise(x.view(), 0.8).unwrap() - &expected).iter().all(|v| v.abs() < 1e-14));
        for v in normal::<f64>(5, 2, 6).outer_iter() {
            let jv = guided.jvp(x.row(0), v.insert_axis(Axis(0)), 0.8).unwrap();
            let error = norm((&jv.row(0) - &quotient(&guided, x.row(0), v, 0.8)).view());
            assert!(error < 1e-7 * norm(v), "{error}");
        }
        let all = guided.spectrum(x.row(0), 0.8, true).unwrap();
        let j = jacobian(&guided, x.row(0), 0.8);
        for (a, b) in all.all().iter().zip(&singular_values(j.view()).unwrap()) {
            assert!((a - b).abs() < 1e-13);
        }
    }
}

/// ∂D/∂x summed over dimensions is the posterior's variance over σ².
#[test]
fn sigma_squared_times_the_jacobian_is_the_posterior_covariance() {
    // By importance sampling from the mixture itself: 4·10⁵ draws at σ = 1.
    let mixture = random_mixture(4, 3, &[1, 2], 1.0, &[0.05]);
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    let (x, sigma) = (ndarray::arr1(&[0.4, -0.7, 0.2]), 1.0);
    let draws = Sampler::<f64>::new(&mixture, 11, false).draw(0..400_000).0;
    let mut total = 0.0;
    let (mut mean, mut square) = (Array1::<f64>::zeros(3), Array2::<f64>::zeros((3, 3)));
    for y in draws.outer_iter() {
        let w = (-0.5 * squared_distance(x.view(), y) / (sigma * sigma)).exp();
        total += w;
        mean.scaled_add(w, &y);
        let y = y.insert_axis(Axis(1));
        square.scaled_add(w, &y.dot(&y.t()));
    }
    mean /= total;
    let mean1 = mean.view().insert_axis(Axis(1));
    let covariance = square / total - mean1.dot(&mean1.t());
    // Standard errors are about √(2/4e5) = 2e-3 of entries up to 1; five of them.
    let d = denoiser.denoise(x.view().insert_axis(Axis(0)), sigma).unwrap();
    assert!((&d.row(0) - &mean).iter().all(|v| v.abs() < 0.01));
    let j = jacobian(&denoiser, x.view(), sigma);
    assert!((&j - &covariance).iter().all(|v| v.abs() < 0.01));
}

// Far from the origin, in any unit, at small noise levels

/// Offsets and units: with points on a grid of [`step`], all are exact in T.
const OFFSETS: [f64; 3] = [0.0, 1e3, 1e6];
const UNITS: [f64; 3] = [1.0, 1.0 / (1u128 << 66) as f64, (1u128 << 66) as f64];

/// 10⁶ and so many binary places fit in T.
fn step<T: Scalar>() -> f64 {
    if T::epsilon().wide() > 1e-10 { 0.0625 } else { 1.0 / 1024.0 }
}

fn on_grid<T: Scalar>(x: Array2<f64>) -> Array2<f64> {
    x.mapv(|v| (v / step::<T>()).round() * step::<T>())
}

/// ±offset, (1, d).
fn away(offset: f64, d: usize) -> Array2<f64> {
    Array2::from_shape_fn((1, d), |(_, j)| if j % 3 == 1 { -offset } else { offset })
}

/// Holds what a denoiser of a·(data + o) says of a·(x + o) to what one of the data says of x.
fn moves<T: Scalar>(
    name: &str,
    at: &dyn Fn(f64, &Array2<f64>) -> Box<dyn Differentiable<T>>,
    plain: &dyn Differentiable<f64>,
    points: &dyn Fn(f64) -> Array2<f64>,
) {
    let d = plain.dim();
    for (sigma, offset, unit) in [0.25, 1.0, 4.0]
        .iter()
        .flat_map(|s| OFFSETS.iter().flat_map(move |o| UNITS.iter().map(move |u| (*s, *o, *u))))
    {
        let what = format!("{name}, {}, σ {sigma}, offset {offset}, unit {unit}", T::DTYPE);
        let o = away(offset, d);
        let x = on_grid::<T>(points(sigma));
        let moved = (&x + &o).mapv(|v| T::of(v * unit));
        let denoiser = at(unit, &o);
        let (d0, rest0) = plain.split(x.view(), sigma).unwrap();
        let (got, rest) = denoiser.split(moved.view(), sigma * unit).unwrap();
        assert!(got == denoiser.denoise(moved.view(), sigma * unit).unwrap(), "{what}: D is D");
        for i in 0..x.nrows() {
            let error = norm((&got.row(i).mapv(|v| v.wide() / unit) - &o.row(0) - d0.row(i)).view());
            // The promise, and the result's own rounding at the offset.
            let tolerance =
                promised::<T>() * norm(d0.row(i)) + T::epsilon().wide() * offset * (d as f64).sqrt();
            assert!(error <= tolerance, "{what}: D off by {error} over {tolerance}");
            let error = norm((&rest.row(i).mapv(|v| v.wide() / unit) - &rest0.row(i)).view());
            assert!(error <= promised::<T>() * norm(rest0.row(i)), "{what}: x − D off by {error}");
        }
        let probes = normal::<f64>(3, 2, d);
        let expected = plain.jvp(x.row(0), probes.view(), sigma).unwrap();
        let jvp = denoiser.jvp(moved.row(0), probes.mapv(T::of).view(), sigma * unit).unwrap();
        let size = expected.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
        let error = (&jvp.mapv(Scalar::wide) - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(error < promised::<T>() * size * d as f64, "{what}: J off by {error}");
        let values = |d: Singular| d.all();
        let expected = values(plain.spectrum(x.row(0), sigma, false).unwrap());
        let got = values(denoiser.spectrum(moved.row(0), sigma * unit, false).unwrap());
        assert_eq!(got.len(), expected.len());
        for (a, b) in got.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-11 * expected[0], "{what}: singular value {a} for {b}");
        }
    }
}

#[test]
fn denoisers_move_and_scale_with_their_data() {
    fn check<T: Scalar>() {
        let d = 12;
        for (name, noise) in [("clean", &[0.0][..]), ("noisy", &[0.0625, 0.25, 0.5])] {
            let mut mixture = random_mixture(6, d, &[2, 1, 3], 6.0, noise);
            for c in &mut mixture.components {
                c.mean = on_grid::<T>(c.mean.clone().insert_axis(Axis(0))).row(0).to_owned();
            }
            let plain = MixtureDenoiser::<f64>::new(mixture.clone());
            let at = |unit: f64, o: &Array2<f64>| {
                let mut moved = mixture.clone();
                for c in &mut moved.components {
                    c.mean = (&c.mean + &o.row(0)) * unit;
                    c.variances *= unit * unit;
                    c.noise_variance *= unit * unit;
                }
                Box::new(MixtureDenoiser::<T>::new(moved)) as Box<dyn Differentiable<T>>
            };
            let points = |sigma: f64| {
                let samples = Sampler::<f64>::new(&mixture, 4, true).draw(0..6).0;
                // Off any middle between components, where rounding would decide.
                samples + normal::<f64>(5, 6, d) * sigma
            };
            moves::<T>(name, &at, &plain, &points);
        }
        let data = on_grid::<T>(clustered::<f64>(6, 700, d, 60, 3.0, 0.5));
        let plain = EmpiricalDenoiser::new(data.clone());
        let at = |unit: f64, o: &Array2<f64>| {
            let moved = (&data + o).mapv(|v| T::of(v * unit));
            Box::new(EmpiricalDenoiser::new(moved)) as Box<dyn Differentiable<T>>
        };
        let points = |sigma: f64| &data.slice(s![..6, ..]) + &(normal::<f64>(5, 6, d) * sigma);
        moves::<T>("a finite set", &at, &plain, &points);
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn far_from_the_origin_weights_are_those_near_it() {
    // Two components 1 apart in the first coordinate, 10⁶ away in all 3072: D − 10⁶ there is
    // .01/.26·x + .25/.26·(logistic(x/.26) − ½), by hand.
    let (d, offset, sigma) = (3072, 1e6, 0.5);
    let component = |away: f64| {
        let mut mean = Array1::from_elem(d, offset);
        mean[0] += away;
        let basis = Array2::from_shape_fn((d, 1), |(i, _)| if i + 1 == d { 1.0 } else { 0.0 });
        Component { weight: 0.5, mean, basis, variances: Array1::ones(1), noise_variance: 0.01 }
    };
    let mixture = Mixture { components: vec![component(-0.5), component(0.5)] };
    let at = [-0.25, -0.125, -0.03125, 0.03125, 0.125, 0.25];
    let mut x = normal::<f64>(1, 6, d) * 0.1 + offset;
    at.iter().enumerate().for_each(|(i, a)| x[[i, 0]] = offset + a);
    let (got, rest) = MixtureDenoiser::<f64>::new(mixture).split(x.view(), sigma).unwrap();
    for (i, a) in at.iter().enumerate() {
        let v = 0.26;
        let exact = a * (0.01 / v) + 0.25 / v * (1.0 / (1.0 + (-a / v).exp()) - 0.5);
        // 10⁶ has a rounding of 1.2e-10.
        assert!((got[[i, 0]] - offset - exact).abs() < 2.4e-10, "{a}: {} for {exact}", got[[i, 0]] - offset);
        assert!((rest[[i, 0]] - (a - exact)).abs() < 1e-13, "{a}: x − D");
    }
}

#[test]
fn neighbours_are_told_apart_where_others_are_far() {
    // Two pairs of components, 10⁵ apart; of either pair, the other one has no weight.
    let (d, sigma) = (30, 0.25);
    let pair = random_mixture(8, d, &[2, 2], 0.0, &[0.0625]);
    let far = |offset: f64, weight: f64| {
        pair.components.iter().enumerate().map(move |(k, c)| {
            let mut c = c.clone();
            c.mean = Array1::from_elem(d, offset);
            c.mean[0] += k as f64;
            c.weight *= weight;
            c
        })
    };
    let alone = MixtureDenoiser::<f64>::new(Mixture { components: far(0.0, 1.0).collect() });
    let both = Mixture { components: far(-1e5, 0.5).chain(far(1e5, 0.5)).collect() };
    let both = MixtureDenoiser::<f64>::new(both);
    let x = on_grid::<f64>(normal::<f64>(9, 12, d) * 0.5);
    let expected = alone.denoise(x.view(), sigma).unwrap();
    let got = both.denoise((&x + 1e5).view(), sigma).unwrap() - 1e5;
    // Of numbers of size 10⁵, 1.5e-11 each.
    let error = (&got - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(error < 1e-10, "{error}");
}

#[test]
fn the_rest_has_the_digits_of_its_own_size() {
    let all: Value = serde_json::from_str(include_str!("../../testdata/golden/rest.json")).unwrap();
    let mut lost = 0.0f64;
    for (name, case) in all.as_object().unwrap() {
        let component = |c: &Value| Component {
            weight: c["weight"].as_f64().unwrap(),
            mean: numbers(&c["mean"]).into(),
            basis: rows(&c["basis"]),
            variances: numbers(&c["variances"]).into(),
            noise_variance: c["noise"].as_f64().unwrap(),
        };
        let components: Vec<Component> =
            case["components"].as_array().unwrap().iter().map(component).collect();
        let noise = components.iter().fold(f64::INFINITY, |m, c| m.min(c.noise_variance));
        let mixture = Mixture { components };
        let (single, double) =
            (MixtureDenoiser::<f32>::new(mixture.clone()), MixtureDenoiser::<f64>::new(mixture.clone()));
        for p in case["points"].as_array().unwrap() {
            let sigma = p["sigma"].as_f64().unwrap();
            let x = Array2::from_shape_vec((1, 6), numbers(&p["x"])).unwrap();
            let expected = Array1::from(numbers(&p["rest"]));
            let from = norm((&x.row(0) - &mixture.mean()).view());
            // What the rounding of U_kz alone leaves off the subspaces: of a point at this distance, by σ²/(δ+σ²).
            let rounding = 2.2e-16 * from * sigma * sigma / (noise + sigma * sigma);
            let (d, rest) = double.split(x.view(), sigma).unwrap();
            let error = norm((&rest.row(0) - &expected).view());
            assert!(error < 1e-12 * norm(expected.view()) + 4.0 * rounding, "{name}, σ {sigma}: {error}");
            let (_, rest) = single.split(x.mapv(|v| v as f32).view(), sigma).unwrap();
            let error = norm((&rest.row(0).mapv(f64::from) - &expected).view());
            assert!(error < 1e-6 * norm(expected.view()) + 4.0 * rounding, "{name}, σ {sigma}, f32: {error}");
            lost = lost.max(norm((&x.row(0) - &d.row(0) - &expected).view()) / norm(expected.view()));
        }
    }
    // Subtraction, a thousand units away.
    assert!(lost > 0.01, "{lost}");
}

#[test]
fn the_rest_of_finite_sets_and_of_guidance() {
    // Pairs of points a few σ apart, 30 from the origin, in f32.
    let (n, d) = (200, 16);
    let centres = normal::<f64>(1, n / 2, d) * 8.0;
    let apart = normal::<f64>(2, n, d) * 2e-3;
    let data = Array2::from_shape_fn((n, d), |(i, j)| (centres[[i / 2, j]] + apart[[i, j]]) as f32);
    let denoiser = EmpiricalDenoiser::new(data.clone());
    let mut lost = 0.0f64;
    for sigma in [1e-3f64, 4e-3, 0.1, 3.0] {
        let noise = normal::<f64>(3, 20, d) * sigma;
        let x = Array2::from_shape_fn((20, d), |(i, j)| data[[2 * i, j]] + noise[[i, j]] as f32);
        let (got, rest) = denoiser.split(x.view(), sigma).unwrap();
        for (i, x) in x.outer_iter().enumerate() {
            let away: Vec<Array1<f64>> =
                data.outer_iter().map(|y| x.mapv(f64::from) - y.mapv(f64::from)).collect();
            let logs: Vec<f64> = away.iter().map(|a| -a.dot(a) / (2.0 * sigma * sigma)).collect();
            let mut expected = Array1::<f64>::zeros(d);
            weights(&logs).iter().zip(&away).for_each(|(w, a)| expected.scaled_add(*w, a));
            let error = norm((&rest.row(i).mapv(f64::from) - &expected).view()) / norm(expected.view());
            assert!(error < 1e-5, "σ {sigma}: {error}");
            let subtracted = x.mapv(f64::from) - got.row(i).mapv(f64::from);
            lost = lost.max(norm((&subtracted - &expected).view()) / norm(expected.view()));
        }
    }
    assert!(lost > 1e-4, "{lost}");
    // D_u + w(D_c − D_u) for one Gaussian each: x − D is linear in the rests, σ²/(λ+σ²) x of each.
    let gaussian = |variance: f64| {
        let mut mixture = Mixture::of_bases(vec![Array2::eye(4)]);
        mixture.components[0].variances.fill(variance);
        MixtureDenoiser::<f64>::new(mixture)
    };
    let (c, u) = (gaussian(2.0), gaussian(0.5));
    let guided = Guided { conditional: &c, unconditional: &u, weight: 3.0 };
    let (x, sigma) = (normal::<f64>(4, 3, 4), 1e-7);
    let share = |variance: f64| sigma * sigma / (variance + sigma * sigma);
    let expected = &x * (share(0.5) + 3.0 * (share(2.0) - share(0.5)));
    assert!(worst(guided.split(x.view(), sigma).unwrap().1.view(), expected.view()) < 1e-14);
}
