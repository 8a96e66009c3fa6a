//! Learning in context by linear attention (arXiv 2505.14808): a task w is a vector, a prompt N pairs (x_i, y_i) with
//! x ~ N(0, I) and y = wᵀx + τε, and the answer to a query x is
//!
//!     ŷ = xᵀΓh,  h = (1/N) Σ_i x_i y_i.
//!
//! It is linear in Γ, and only second moments E[wwᵀ] of tasks matter. Since E[hhᵀ | w] =
//! (1 + 1/N) wwᵀ + (‖w‖² + τ²)/N I and E[hwᵀ | w] = wwᵀ, for tasks with E[wwᵀ] = T
//!
//!     R(Γ; T) = τ² + tr T − 2 tr(ΓT) + tr(Γ A(T) Γᵀ),  A(T) = (1 + 1/N) T + ((tr T + τ²)/N) I,
//!
//! least for tasks of Σ at Γ* = Σ A(Σ)⁻¹: what attention learns that is trained on prompts of N pairs.

mod prompts;
mod training;

pub use prompts::Prompts;
pub use training::Training;

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2};

use crate::linalg::{divide_by_symmetric, dot, product};

/// Prompts of so many pairs, whose y have noise of so much deviation.
#[derive(Clone, Copy, Debug)]
pub struct Prompt {
    /// N > 0.
    pub pairs: usize,
    /// τ ≥ 0.
    pub noise_std: f64,
}

impl Prompt {
    /// E[hhᵀ] = A(T) of tasks with E[wwᵀ] = T (d, d).
    pub fn second_moment(&self, t: ArrayView2<f64>) -> Array2<f64> {
        let n = self.pairs as f64;
        let mut a = t.mapv(|v| (1.0 + 1.0 / n) * v);
        let spread = (t.diag().sum() + self.noise_std.powi(2)) / n;
        a.diag_mut().mapv_inplace(|v| v + spread);
        a
    }

    /// Γ* = Σ A(Σ)⁻¹ (d, d), of tasks with E[wwᵀ] = Σ.
    ///
    /// # Errors
    /// Where A is singular, which it is only for Σ = 0 without noise, or numbers are too large or small.
    pub fn optimal(&self, sigma: ArrayView2<f64>) -> Result<Array2<f64>> {
        let mut gamma = sigma.as_standard_layout().into_owned();
        let pivot = divide_by_symmetric(&mut gamma, self.second_moment(sigma).view())?;
        ensure!(pivot > 0.0, "the prompts' second moment is singular; give tasks, or noise, of another size");
        Ok(gamma)
    }

    /// R(Γ; T) = E(ŷ − y)² over tasks with E[wwᵀ] = T, prompts and queries.
    pub fn risk(&self, gamma: ArrayView2<f64>, t: ArrayView2<f64>) -> f64 {
        // tr(AB) of symmetric B is the sum of products of their entries.
        let trace = |a: ArrayView2<f64>, b: ArrayView2<f64>| -> f64 {
            a.outer_iter().zip(b.outer_iter()).map(|(a, b)| dot(a, b)).sum()
        };
        let square = trace(product(gamma, self.second_moment(t).view()).view(), gamma);
        self.noise_std.powi(2) + t.diag().sum() - 2.0 * trace(gamma, t) + square
    }
}

/// Which tasks attention is trained on: w ~ N(0, Σ) of a subspace that is drawn for each. All have E‖w‖² = r, and as x is
/// isotropic no risk depends on where subspaces lie: U_k are the coordinates from (k − 1)r to kr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// Of U_1, …, U_k, each as often: Σ = (1/k) Σ_k U_kU_kᵀ.
    Subspaces(usize),
    /// Of any subspace of r dimensions: Σ = (r/d) I.
    Full,
}

impl Tasks {
    /// Σ = E[wwᵀ] (d, d), with `ridge` added to its diagonal.
    pub fn covariance(self, dim: usize, rank: usize, ridge: f64) -> Array2<f64> {
        let (variance, last) = match self {
            Tasks::Subspaces(k) => (1.0 / k as f64, k * rank),
            Tasks::Full => (rank as f64 / dim as f64, dim),
        };
        Array2::from_shape_fn((dim, dim), |(i, j)| match (i == j, i < last) {
            (true, true) => variance + ridge,
            (true, false) => ridge,
            _ => 0.0,
        })
    }
}

/// The basis cos θ U_1 + sin θ U_j (d, r) of a subspace at principal angles θ, in degrees, to the first one. It lies
/// between that and the `towards`-th, which must not be beyond d.
pub fn turned(dim: usize, rank: usize, towards: usize, angle: f64) -> Array2<f64> {
    // Exactly 0 and 1 at a right angle.
    let (sin, cos) = if angle == 90.0 { (1.0, 0.0) } else { angle.to_radians().sin_cos() };
    let mut basis = Array2::zeros((dim, rank));
    for i in 0..rank {
        basis[[i, i]] += cos;
        if let Some(there) = basis.get_mut([(towards - 1) * rank + i, i]) {
            *there += sin;
        }
    }
    basis
}
