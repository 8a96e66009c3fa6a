//! Denoisers against dense formulas, 60-digit golden values and difference
//! quotients.

mod dense;
mod empirical;
mod far;
mod golden;
mod guidance;
mod jacobian;
mod local;
mod pca_local;
mod properties;

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
    let all: Value = serde_json::from_str(include_str!("../../../testdata/golden/mixture.json")).unwrap();
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
    let closed = denoiser.spectrum(x, sigma, usize::MAX).unwrap();
    let all = closed.all();
    assert_eq!(all.len(), d, "{name}: every dimension once");
    assert!(all.windows(2).all(|w| w[0] >= w[1]));
    let products = singular_values(denoiser.jacobian(x, sigma).unwrap().view()).unwrap();
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
    let without = denoiser.spectrum(x, sigma, 0).unwrap();
    assert_eq!(without.values, closed.values);
}

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

/// 10⁶ and so many binary places fit in T.
fn step<T: Scalar>() -> f64 {
    if T::epsilon().wide() > 1e-10 { 0.0625 } else { 1.0 / 1024.0 }
}

/// ±offset, (1, d).
fn away(offset: f64, d: usize) -> Array2<f64> {
    Array2::from_shape_fn((1, d), |(_, j)| if j % 3 == 1 { -offset } else { offset })
}
