//! Jacobians by differences against closed forms, and their error estimate against their error.

use molrg::denoiser::{Denoiser, Differences, Differentiable, EmpiricalDenoiser, MixtureDenoiser};
use molrg::linalg::{cast, thin_svd};
use molrg::mixture::{Design, Mixture, Sampler};
use molrg::random::{Purpose, normal_rows};
use molrg::scalar::{Dtype, Scalar};
use ndarray::{Array2, ArrayView2};

fn mixture() -> Mixture {
    let design = Design {
        dim: 20,
        ranks: vec![3, 4],
        weights: vec![1.0, 2.0],
        spectrum: "geometric:0.7".parse().unwrap(),
        noise_std: 0.1,
        angle: 50.0,
        mean_norm: 1.0,
        ..Design::molrg(20, 3, 2)
    };
    design.plant(3).unwrap()
}

/// ‖a − b‖/‖b‖.
fn relative<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<f64>) -> f64 {
    let difference = &cast::<T, f64>(a) - &b;
    let square = |a: &Array2<f64>| a.iter().map(|v| v * v).sum::<f64>();
    (square(&difference) / square(&b.to_owned())).sqrt()
}

/// Error and its estimate, at points of a level, with directions of any length.
fn errors<T: Scalar>(denoiser: fn(Mixture) -> Box<dyn Differentiable<T>>, sigma: f64) -> (f64, f64) {
    let exact = MixtureDenoiser::<f64>::new(mixture());
    let differences = Differences::<T>::new(boxed(denoiser(mixture())), T::DTYPE);
    let (mut error, mut estimate): (f64, f64) = (0.0, 0.0);
    for row in 0..4 {
        let (x, _) = Sampler::<f64>::new(&mixture(), 5, false).draw(row..row + 1);
        let x = x + sigma * &normal_rows::<f64>(6, Purpose::Noise, row..row + 1, 20);
        let v = normal_rows::<f64>(7, Purpose::Noise, 0..9, 20) * 30.0;
        let expected = exact.jvp(x.row(0), v.view(), sigma).unwrap();
        let (x, v) = (cast::<f64, T>(x.view()), cast::<f64, T>(v.view()));
        let found = differences.jvp(x.row(0), v.view(), sigma).unwrap();
        error = error.max(relative(found.view(), expected.view()));
        estimate = estimate.max(differences.error());
    }
    (error, estimate)
}

/// What a box of products can do as what has none.
fn boxed<T: Scalar>(denoiser: Box<dyn Differentiable<T>>) -> Box<dyn Denoiser<T>> {
    denoiser
}

#[test]
fn differences_are_the_derivatives_to_the_error_that_they_estimate() {
    for sigma in [0.02, 0.1, 0.5, 2.0, 40.0] {
        let (error, estimate) = errors::<f64>(|m| Box::new(MixtureDenoiser::new(m)), sigma);
        // (ε√d)^⅔ is 6e-11; a mixture's third derivative is larger than σ⁻² where its components meet.
        assert!(error < 1e-8, "{sigma}: {error:e}");
        assert!(error < 1.5 * estimate && estimate < 1e-6, "{sigma}: {error:e}, estimated {estimate:e}");
        let (error, estimate) = errors::<f32>(|m| Box::new(MixtureDenoiser::new(m)), sigma);
        // (ε√d)^⅔ is 4e-5, against a Jacobian that is small at high noise.
        assert!(error < 2e-2, "{sigma}: {error:e}");
        assert!(error < 1.5 * estimate && estimate < 5e-2, "{sigma}: {error:e}, estimated {estimate:e}");
    }
}

/// A step for numbers of f64 would be lost in what is computed in f32.
#[test]
fn the_step_is_that_of_the_type_in_which_is_computed() {
    struct Coarse(MixtureDenoiser<f32>);
    impl Denoiser<f64> for Coarse {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn denoise(&self, x: ArrayView2<f64>, sigma: f64) -> anyhow::Result<Array2<f64>> {
            Ok(cast(self.0.denoise(cast::<f64, f32>(x).view(), sigma)?.view()))
        }
    }
    let exact = MixtureDenoiser::<f64>::new(mixture());
    let (x, v) = (normal_rows::<f64>(6, Purpose::Noise, 0..1, 20), Array2::eye(20));
    let expected = exact.jvp(x.row(0), v.view(), 0.5).unwrap();
    let error = |computed: Dtype| {
        let coarse = Box::new(Coarse(MixtureDenoiser::new(mixture())));
        let differences = Differences::<f64>::new(coarse, computed);
        let found = differences.jvp(x.row(0), v.view(), 0.5).unwrap();
        (relative(found.view(), expected.view()), differences.error())
    };
    let (proper, estimate) = error(Dtype::F32);
    assert!(proper < 2e-3 && proper < 1.5 * estimate, "{proper:e}, estimated {estimate:e}");
    let (lost, estimate) = error(Dtype::F64);
    assert!(lost > 1e-2 && estimate > 1e-2, "{lost:e}, estimated {estimate:e}");
}

/// A Jacobian that is not symmetric is not taken for one, where all of it is formed.
#[test]
fn the_spectrum_is_that_of_the_matrix() {
    struct Linear(Array2<f64>);
    impl Denoiser<f64> for Linear {
        fn dim(&self) -> usize {
            self.0.nrows()
        }
        fn denoise(&self, x: ArrayView2<f64>, _: f64) -> anyhow::Result<Array2<f64>> {
            Ok(x.dot(&self.0.t()))
        }
    }
    let matrix = normal_rows::<f64>(8, Purpose::Noise, 0..12, 12);
    let (_, values, right) = thin_svd(matrix.view()).unwrap();
    let differences = Differences::new(Box::new(Linear(matrix)), Dtype::F64);
    let x = normal_rows::<f64>(9, Purpose::Noise, 0..1, 12);
    let found = differences.spectrum(x.row(0), 0.7, usize::MAX).unwrap();
    for i in 0..12 {
        // What is linear has only the rounding of a step of 1e-5.
        assert!((found.values[i] - values[i]).abs() < 1e-9 * values[0], "{i}");
        let cosine = found.right.column(i).dot(&right.column(i)).abs();
        assert!((cosine - 1.0).abs() < 1e-7, "{i}: {cosine}");
    }
    assert!(differences.error() < 1e-9);
}

/// Zeros have no direction and an image of zeros.
#[test]
fn no_direction_gives_no_change() {
    let points = normal_rows::<f64>(1, Purpose::Noise, 0..5, 6);
    let differences = Differences::new(Box::new(EmpiricalDenoiser::new(points)), Dtype::F64);
    let x = normal_rows::<f64>(2, Purpose::Noise, 0..1, 6);
    let found = differences.jvp(x.row(0), Array2::zeros((2, 6)).view(), 1.0).unwrap();
    assert!(found.iter().all(|v| *v == 0.0) && differences.error() == 0.0);
}
