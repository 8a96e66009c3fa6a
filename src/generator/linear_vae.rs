//! The linear variational autoencoder at its optimum, which is probabilistic PCA
//! (Tipping and Bishop 1999; arXiv 1911.02469): x = μ + W z with
//! W = U (Λ − s²I)^½ R, U and Λ the leading eigenvectors and eigenvalues of the
//! covariance, s² the mean of the others. R may be any rotation; here it is drawn
//! from the seed, as training from a random start would draw it.

use anyhow::{Result, ensure};
use ndarray::Array2;

use super::Decoder;
use crate::fit::pca::Moments;
use crate::linalg::{orthonormalize, product};
use crate::random::{Purpose, normal_rows};

/// The generator of `latent` dimensions: W and μ as the parameters of a linear
/// decoder.
///
/// # Errors
/// When there are no rows, or fewer dimensions than latents.
pub fn fit(moments: Moments, latent: usize, seed: u64) -> Result<(Decoder, Vec<f64>)> {
    let gaussian = moments.gaussian(Some(latent))?.components.swap_remove(0);
    let (d, found) = gaussian.basis.dim();
    ensure!(
        found == latent,
        "--rank {latent}: the rows span only {found} dimensions; give at most that many"
    );
    let rotation =
        orthonormalize(normal_rows::<f64>(seed, Purpose::Parameters, 0..latent as u64, latent).view());
    let lengths = gaussian.variances.mapv(|v| (v - gaussian.noise_variance).max(0.0).sqrt());
    // Samples are rows: Wᵀ = Rᵀ (Λ − s²I)^½ Uᵀ.
    let weights: Array2<f64> = product((&rotation.t() * &lengths).view(), gaussian.basis.t());
    let decoder = Decoder { inputs: latent, outputs: d, width: 0, depth: 0 };
    Ok((decoder, weights.into_iter().chain(gaussian.mean).collect()))
}
