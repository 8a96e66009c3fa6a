//! Ridges of densities: points that NumPy has found, and those where they are known.

use anyhow::Result;
use molrg::denoiser::{Affine, AffineDenoiser, Denoiser, Differentiable, EmpiricalDenoiser, MixtureDenoiser};
use molrg::linalg::symmetric_eigen;
use molrg::measure::ridge::Ridge;
use molrg::mixture::{Component, Mixture};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, arr1, arr2};

fn normal(seed: u64, rows: u64, width: usize) -> Array2<f64> {
    normal_rows(seed, Purpose::Noise, 0..rows, width)
}

fn ridge(denoiser: &dyn Differentiable<f64>, sigma: f64, dim: usize) -> Ridge<'_, f64> {
    Ridge { denoiser, sigma, dim, steps: 10_000, tolerance: 1e-13 }
}

/// A denoiser whose closed form is not told: what it has is its products.
struct Formed<D>(D);

impl<D: Denoiser<f64>> Denoiser<f64> for Formed<D> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn denoise(&self, x: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.0.denoise(x, sigma)
    }
}

impl<D: Differentiable<f64>> Differentiable<f64> for Formed<D> {
    fn jvp(&self, x: ArrayView1<f64>, v: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.0.jvp(x, v, sigma)
    }
}

/// Rows (0,0), (2,0), (3,1), σ = .8: numbers by NumPy, of eight digits.
#[test]
fn three_points_in_the_plane() {
    let set = || EmpiricalDenoiser::new(arr2(&[[0.0, 0.0], [2.0, 0.0], [3.0, 1.0]]));
    let (closed, formed) = (set(), Formed(set()));
    let known = [
        ([1.0, 0.5], [1.03759935, 0.02174296]),
        ([2.6, 0.1], [2.34625748, 0.36637744]),
        ([0.2, -0.4], [0.19794127, 0.00136709]),
        ([2.2, 1.2], [2.67113807, 0.6738944]),
    ];
    for denoiser in [&closed as &dyn Differentiable<f64>, &formed] {
        let ridge = ridge(denoiser, 0.8, 1);
        for (x, expected) in known {
            let found = ridge.project(arr1(&x).view(), 0).unwrap();
            assert!(found.converged && found.frame.curvature < 0.0);
            let off = &found.point - &arr1(&expected);
            // Half a unit in the last digit of what is known.
            assert!(off.iter().all(|v| v.abs() < 0.51e-8), "{x:?}: {}", found.point);
        }
        // The Hessian at (1, .5) is [[1.19378417, .21333074], [., −1.45583463]]: its smaller eigenvalue.
        let (a, b, c) = (1.19378417, 0.21333074, -1.45583463_f64);
        let least = 0.5 * (a + c) - (0.25 * (a - c) * (a - c) + b * b).sqrt();
        let frame = ridge.frame(arr1(&[1.0, 0.5]).view(), 0).unwrap();
        assert!((frame.curvature - least).abs() < 2e-8, "{}", frame.curvature);
        assert!(frame.asymmetry < 1e-12);
        // The score there is that of the whole error against a model whose score is 0.
        let own = Itself(2);
        let (_, parts) = ridge.error_of(&own, arr1(&[1.0, 0.5]).view(), 0).unwrap();
        let score: f64 = 0.14308295_f64.hypot(0.70970853);
        assert!((parts.normal.hypot(parts.tangential) - score).abs() < 2e-8);
    }
}

/// D(x) = x, whose score is 0.
struct Itself(usize);

impl Denoiser<f64> for Itself {
    fn dim(&self) -> usize {
        self.0
    }

    fn denoise(&self, x: ArrayView2<f64>, _: f64) -> Result<Array2<f64>> {
        Ok(x.to_owned())
    }
}

/// H = diag(−1/σ² + (a²/σ⁴) sech²(ax/σ²), −1/σ²) of the points ±a e₁.
#[test]
fn two_points_on_an_axis() {
    let set = EmpiricalDenoiser::new(arr2(&[[1.0, 0.0], [-1.0, 0.0]]));
    for (sigma, curvature) in [(0.9, 0.28959), (1.0, 0.0), (1.1, -0.143433)] {
        let middle = ridge(&set, sigma, 0).frame(arr1(&[0.0, 0.0]).view(), 0).unwrap();
        assert!((middle.curvature - curvature).abs() < 1e-6, "σ {sigma}: {}", middle.curvature);
        assert!(middle.gap.is_none());
        // The axis is the ridge, and across it all is noise: one step is enough, whatever x is.
        let found = ridge(&set, sigma, 1).project(arr1(&[0.3, -2.0]).view(), 0).unwrap();
        assert_eq!(found.steps, 1);
        // x itself stays, y comes to 0.
        assert!((found.point[0] - 0.3).abs() < 1e-15 && found.point[1].abs() < 1e-15);
        assert!((found.frame.curvature + sigma.powi(-2)).abs() < 1e-14);
        let sech = (0.3 / sigma.powi(2)).cosh().recip();
        let along: f64 = -sigma.powi(-2) + sech * sech / sigma.powi(4);
        let modes = ridge(&set, sigma, 0).frame(arr1(&[0.3, 0.0]).view(), 0).unwrap();
        assert!((modes.curvature - along).abs() < 1e-12);
    }
    // Modes: mean shift, where x = a tanh(ax/σ²).
    let found = ridge(&set, 0.6, 0).project(arr1(&[0.2, 0.5]).view(), 0).unwrap();
    let x = found.point[0];
    assert!(found.converged && (x - (x / 0.36).tanh()).abs() < 1e-12 && found.point[1].abs() < 1e-15);
}

/// Of a Gaussian of rank q the ridge is its subspace, whatever σ is.
#[test]
fn a_subspace_is_its_own_ridge() {
    let (d, q) = (9, 3);
    let basis = molrg::linalg::orthonormalize(normal(1, d as u64, q).view());
    let mean = normal(2, 1, d).row(0).to_owned();
    let component = Component {
        weight: 1.0,
        mean: mean.clone(),
        basis: basis.clone(),
        variances: arr1(&[2.0, 1.0, 0.5]),
        noise_variance: 0.01,
    };
    let mixture = Mixture { components: vec![component] };
    let denoiser = MixtureDenoiser::new(mixture);
    let x = &normal(3, 1, d).row(0) * 2.0;
    let away = &x - &mean;
    let foot = &mean + &basis.dot(&basis.t().dot(&away));
    for sigma in [0.1, 1.0, 5.0] {
        let found = ridge(&denoiser, sigma, q).project(x.view(), 0).unwrap();
        let gap = &found.point - &foot;
        // Steps end at 1e-13 σ, and shrink by δ/(δ + σ²), at most a half.
        assert!(found.converged && gap.dot(&gap).sqrt() < 1e-12 * (1.0 + sigma), "σ {sigma}: {gap}");
        let parts = found.frame.parts(&(&x - &found.point));
        assert!(parts.tangential < 1e-12 * (1.0 + sigma));
        let curvature = -1.0 / (0.01 + sigma * sigma);
        assert!((found.frame.curvature / curvature - 1.0).abs() < 1e-12);
        let ratio = 0.01 / (0.01 + sigma * sigma) * (0.5 + sigma * sigma) / 0.5;
        assert!((found.frame.gap.unwrap() / ratio - 1.0).abs() < 1e-10);
    }
}

/// Parts of an error against the eigenvectors of the whole Hessian.
#[test]
fn errors_across_and_along() {
    let set = normal(4, 12, 6);
    let (a, b) = (EmpiricalDenoiser::new(&set + &(normal(5, 12, 6) * 0.1)), EmpiricalDenoiser::new(set));
    let (sigma, q) = (0.7, 2);
    let x = normal(6, 1, 6).row(0).to_owned();
    let (frame, parts) = ridge(&b, sigma, q).error_of(&a, x.view(), 0).unwrap();
    let at = |d: &EmpiricalDenoiser<f64>| d.denoise(x.view().insert_axis(ndarray::Axis(0)), sigma).unwrap();
    let error: Array1<f64> = (at(&a) - at(&b)).row(0).to_owned() / (sigma * sigma);
    let hessian = (b.jacobian(x.view(), sigma).unwrap() - Array2::<f64>::eye(6)) / (sigma * sigma);
    let (values, vectors) = symmetric_eigen(hessian.view()).unwrap();
    let along: f64 = (0..q).map(|i| vectors.column(i).dot(&error).powi(2)).sum::<f64>().sqrt();
    let across: f64 = (q..6).map(|i| vectors.column(i).dot(&error).powi(2)).sum::<f64>().sqrt();
    assert!((parts.tangential - along).abs() < 1e-10 && (parts.normal - across).abs() < 1e-10);
    assert!((frame.curvature - values[q]).abs() < 1e-10);
    assert!(along > 1e-3 && across > 1e-3);
}

/// Of J that is not symmetric the symmetric part counts, and what it leaves out is told.
#[test]
fn a_score_that_is_no_gradient() {
    let mut affine = Affine::new::<f64>(2);
    affine.push::<f64>(1.0, arr2(&[[0.8, 0.3], [0.1, 0.2]]).view(), arr1(&[0.0, 0.0]).view());
    let denoiser = AffineDenoiser::<f64>::new(affine).unwrap();
    let frame = ridge(&denoiser, 1.0, 1).frame(arr1(&[1.0, 1.0]).view(), 0).unwrap();
    assert!((frame.asymmetry - (0.08_f64 / 0.78).sqrt()).abs() < 1e-12);
    // The smaller eigenvalue of [[.8, .2], [.2, .2]].
    let least = 0.5 - (0.09_f64 + 0.04).sqrt();
    assert!((frame.curvature - (least - 1.0)).abs() < 1e-12);
    // A point that steps do not bring there is told so.
    let short = Ridge { steps: 1, ..ridge(&denoiser, 1.0, 1) };
    let found = short.project(arr1(&[1.0, 1.0]).view(), 0).unwrap();
    assert!(!found.converged && found.steps == 1 && found.step > 1e-3);
}
