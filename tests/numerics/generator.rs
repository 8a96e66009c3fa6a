//! The baselines of the reproducibility comparison: exact where they have a closed
//! form, and not reproducible where diffusion models are.

use molrg::fit::pca::Moments;
use molrg::generator::{Decoder, Generator, gan, linear_vae};
use molrg::linalg::{product, symmetric_eigen};
use molrg::random::{Purpose, normal_rows};
use molrg::training::{Average, Rate};
use ndarray::{Array2, s};

const D: usize = 10;
const Q: usize = 3;

/// Rows on a random three-dimensional subspace of unit variances, around a mean,
/// with a little noise.
fn data() -> Array2<f64> {
    let mixing = normal_rows::<f64>(1, Purpose::Bases, 0..Q as u64, D);
    let noise = normal_rows::<f64>(2, Purpose::Noise, 0..2000, D) * 0.1;
    product(normal_rows::<f64>(3, Purpose::Coefficients, 0..2000, Q).view(), mixing.view()) + noise + 0.3
}

fn covariance(x: &Array2<f64>) -> Array2<f64> {
    let centred = x - &x.mean_axis(ndarray::Axis(0)).unwrap();
    product(centred.t(), centred.view()) / x.nrows() as f64
}

fn fitted(seed: u64) -> (Decoder, Vec<f64>) {
    let mut moments = Moments::new(D).unwrap();
    moments.add(data().view());
    linear_vae::fit(moments, Q, seed).unwrap()
}

#[test]
fn the_linear_vae_is_probabilistic_pca() {
    let (decoder, parameters) = fitted(5);
    let w = Array2::from_shape_vec((Q, D), parameters[..Q * D].to_vec()).unwrap();
    // WWᵀ is the covariance with s² taken off its leading eigenvalues (Tipping and
    // Bishop 1999), s² the mean of the others.
    let (values, vectors) = symmetric_eigen(covariance(&data()).view()).unwrap();
    let noise = values.slice(s![Q..]).mean().unwrap();
    let leading = vectors.slice(s![.., ..Q]);
    let expected = product((&leading * &values.slice(s![..Q]).mapv(|v| v - noise)).view(), leading.t());
    let error = (product(w.t(), w.view()) - &expected).mapv(f64::abs).iter().fold(0.0, |a: f64, &b| a.max(b));
    // Roundings of an eigenvalue problem of this size.
    assert!(error < 1e-12 * values[0] * 100.0, "{error}");
    let zero = Generator::new(decoder, parameters).unwrap().generate(Array2::<f64>::zeros((1, Q)).view());
    let mean = data().mean_axis(ndarray::Axis(0)).unwrap();
    assert!((&zero.row(0) - &mean).mapv(f64::abs).sum() < 1e-10, "latent 0 is the mean");
}

/// Samples of two generators from shared latents.
fn pairs(fit: impl Fn(u64) -> (Decoder, Vec<f64>)) -> [Array2<f64>; 2] {
    let latents = normal_rows::<f64>(9, Purpose::Latents, 0..500, Q);
    [1, 2].map(|seed| {
        let (decoder, parameters) = fit(seed);
        Generator::new(decoder, parameters).unwrap().generate(latents.view())
    })
}

/// Share of rows, their mean taken off, whose cosine exceeds 0.6.
fn reproduced([a, b]: [Array2<f64>; 2]) -> f64 {
    let count = a.nrows() as f64;
    let above = a.outer_iter().zip(b.outer_iter()).filter(|(a, b)| {
        let (a, b) = ((a.to_owned() - 0.3), (b.to_owned() - 0.3));
        a.dot(&b) > 0.6 * (a.dot(&a) * b.dot(&b)).sqrt()
    });
    above.count() as f64 / count
}

#[test]
fn two_linear_vaes_of_the_same_data_do_not_reproduce() {
    let samples = pairs(fitted);
    // The same distribution: covariances agree as those of 500 draws do, about √(2/500).
    let [a, b] = [covariance(&samples[0]), covariance(&samples[1])];
    let difference = (&a - &b).mapv(|v| v * v).sum().sqrt() / a.mapv(|v| v * v).sum().sqrt();
    assert!(difference < 0.25, "{difference}");
    let rp = reproduced(samples);
    assert!(rp < 0.5, "{rp}");
    assert_eq!(reproduced([pairs(fitted)[0].clone(), pairs(fitted)[0].clone()]), 1.0);
}

#[test]
fn a_gan_learns_the_distribution_and_does_not_reproduce() {
    let data = data();
    let samples = pairs(|seed| {
        let generator = Decoder { inputs: Q, outputs: D, width: 64, depth: 2 };
        let settings = gan::Settings {
            generator,
            critic: Decoder { inputs: D, outputs: 1, ..generator },
            steps: 2500,
            batch: 128,
            rate: Rate { peak: 1e-3, warmup: 100, floor: 0.02 },
            average: Average::Relative { share: 0.1 },
            seed,
        };
        (generator, gan::train(&data, &settings, |_, _, _| {}).unwrap().parameters)
    });
    let exact = covariance(&data);
    for samples in &samples {
        let difference = (covariance(samples) - &exact).mapv(|v| v * v).sum().sqrt();
        let relative = difference / exact.mapv(|v| v * v).sum().sqrt();
        // A stated distance, for a game and not a minimum.
        assert!(relative < 0.35, "{relative}");
    }
    let rp = reproduced(samples);
    assert!(rp < 0.6, "{rp}");
}
