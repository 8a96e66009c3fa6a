//! Closed-form operations on mixtures: some of the components, several mixtures as one, and the one Gaussian with the
//! mean and the covariance of a mixture.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::{Component, Mixture};
use crate::linalg::{binary_unit, orthonormalize, product, symmetric_eigen, thin_svd};

/// Singular values below this share of the largest are rounding: their squares are kept down to 1e-26 of the largest
/// variance, as far as the factors themselves are known.
const ROUNDING: f64 = 1e-13;

impl Component {
    /// N(μ, δ I + F diag(signs) Fᵀ) for F (d, p) and signs of ±1.
    ///
    /// # Errors
    /// Numbers too large to factorize.
    pub fn of_factor(
        weight: f64,
        mean: Array1<f64>,
        noise_variance: f64,
        factor: &Array2<f64>,
        signs: &Array1<f64>,
    ) -> Result<Component> {
        let (basis, gains) = eigen_of_factor(factor, signs)?;
        let variances = gains.mapv(|gain| (noise_variance + gain).max(0.0));
        Ok(Component { weight, mean, basis, variances, noise_variance })
    }

    /// tr Σ_k = Σ λ_i + (d − r) δ.
    pub fn trace(&self) -> f64 {
        let off = self.mean.len() - self.variances.len();
        self.variances.sum() + off as f64 * self.noise_variance
    }

    /// The smallest and the largest eigenvalue of Σ_k.
    pub fn eigenvalue_ends(&self) -> (f64, f64) {
        let noise = (self.variances.len() < self.mean.len()).then_some(self.noise_variance);
        let all = self.variances.iter().copied().chain(noise);
        all.fold((f64::INFINITY, 0.0), |(low, high), v| (v.min(low), v.max(high)))
    }
}

impl Mixture {
    /// The law of the components of these numbers alone, in that order; their weights are normalized.
    ///
    /// # Errors
    /// When they have no weight. A number that no component has is a programming error.
    pub fn select(&self, components: &[usize]) -> Result<Mixture> {
        let components = components.iter().map(|&k| self.components[k].clone()).collect();
        normalized(components)
    }

    /// One mixture of all components: Σ w_i p_i, the shares w normalized. All have the same d.
    ///
    /// # Errors
    /// When they have no weight.
    pub fn join(parts: Vec<(f64, Mixture)>) -> Result<Mixture> {
        let weighed = |(share, part): (f64, Mixture)| {
            part.components.into_iter().map(move |c| Component { weight: share * c.weight, ..c })
        };
        normalized(parts.into_iter().flat_map(weighed).collect())
    }

    /// The Gaussian with the mean m and the covariance of the mixture, by the law of total covariance:
    ///
    ///   C = Σ π_k [Σ_k + (μ_k − m)(μ_k − m)ᵀ] = δ I + F diag(±1) Fᵀ, δ = Σ π_k δ_k,
    ///
    /// the columns of F (d, Σ r_k + K) being √(π_k |λ_ki − δ_k|) u_ki and √π_k (μ_k − m). Its eigenvectors other than
    /// those of δ lie in the span of F: d × d numbers are needed only where that is the whole space.
    ///
    /// # Errors
    /// Numbers too large to factorize.
    pub fn pooled(&self) -> Result<Mixture> {
        let mean = self.mean();
        let total: f64 = self.components.iter().map(|c| c.weight).sum();
        let mut noise_variance = 0.0;
        let mut columns = Vec::new();
        let mut signs = Vec::new();
        for c in &self.components {
            let share = c.weight / total;
            noise_variance += share * c.noise_variance;
            for (u, variance) in c.basis.columns().into_iter().zip(&c.variances) {
                let gain = share * (variance - c.noise_variance);
                columns.push(&u * gain.abs().sqrt());
                signs.push(gain.signum());
            }
            columns.push((&c.mean - &mean) * share.sqrt());
            signs.push(1.0);
        }
        let views: Vec<_> = columns.iter().map(|c| c.view().insert_axis(Axis(1))).collect();
        let factor = concatenate(Axis(1), &views)?;
        let pooled = Component::of_factor(1.0, mean, noise_variance, &factor, &Array1::from(signs))?;
        Ok(Mixture { components: vec![pooled] })
    }
}

/// What shares weights ≥ 0 are of their sum, which may be larger than a number; of no weight, none is finite.
pub(super) fn shares(mut weights: Vec<f64>) -> Vec<f64> {
    let unit = binary_unit(weights.iter().copied().fold(0.0, f64::max));
    weights.iter_mut().for_each(|w| *w *= unit);
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

fn normalized(mut components: Vec<Component>) -> Result<Mixture> {
    let shares = shares(components.iter().map(|c| c.weight).collect());
    ensure!(
        shares.iter().all(|share| share.is_finite()),
        "the components have no weight in all; some must have a share"
    );
    components.iter_mut().zip(shares).for_each(|(c, share)| c.weight = share);
    Ok(Mixture { components })
}

/// Eigenvectors as columns and eigenvalues, of F diag(signs) Fᵀ for F (d, p) that are not 0, largest first; one at
/// least.
pub(super) fn eigen_of_factor(
    factor: &Array2<f64>,
    signs: &Array1<f64>,
) -> Result<(Array2<f64>, Array1<f64>)> {
    if signs.iter().all(|&sign| sign > 0.0) {
        // Singular values of F keep twice the digits that eigenvalues of F Fᵀ have.
        let (axes, values, _) = thin_svd(factor.view())?;
        let rank = values.iter().take_while(|&&v| v > ROUNDING * values[0]).count().max(1);
        return Ok((axes.slice(s![.., ..rank]).to_owned(), values.slice(s![..rank]).mapv(|v| v * v)));
    }
    let (d, p) = factor.dim();
    let frame = if p < d { orthonormalize(factor.view()) } else { Array2::eye(d) };
    let inner = product(frame.t(), factor.view());
    let (values, axes) = symmetric_eigen(product((&inner * signs).view(), inner.t()).view())?;
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i].abs() > ROUNDING * largest).collect();
    let kept = if kept.is_empty() { vec![0] } else { kept };
    Ok((product(frame.view(), axes.select(Axis(1), &kept).view()), values.select(Axis(0), &kept)))
}
