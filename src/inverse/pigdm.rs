//! Pseudoinverse-guided diffusion models, ΠGDM (Song, Vahdat, Mardani and Kautz, ICLR 2023, equations 7 to 9).
//!
//! Of x_0 given x the Gaussian N(D, r²I) is taken, r² = σ²τ²/(σ² + τ²) for data of deviation τ (the paper's 1). Then
//! y given x is N(A D, r² A Aᵀ + s² I), and the denoiser of the posterior
//!
//!   D_y(x; σ) = D + σ² ∇ log p(y | x) = D + σ² Jᵀ Aᵀ (r² A Aᵀ + s² I)⁻¹ (y − A D).
//!
//! It is a denoiser as any other, so that every solver of the flow takes it. For data N(0, τ²I) it is exact.

use anyhow::Result;
use ndarray::{Array2, ArrayView2, s};

use super::{Problem, vjp};
use crate::denoiser::{Denoiser, Differentiable};
use crate::flow::Plan;

/// D_y for the measurements of a problem, by the numbers of their rows.
pub struct PseudoinverseGuided<'a, 'p> {
    problem: &'a Problem<'p>,
    model: &'a dyn Differentiable<f64>,
    /// τ.
    data_std: f64,
    /// Eigenvalues of A Aᵀ up to this count as 0 where s is.
    least: f64,
}

impl<'a, 'p> PseudoinverseGuided<'a, 'p> {
    /// # Errors
    /// Of the operator's factors.
    pub fn new(
        problem: &'a Problem<'p>,
        model: &'a dyn Differentiable<f64>,
        data_std: f64,
    ) -> Result<PseudoinverseGuided<'a, 'p>> {
        let least = problem.operator.least_value()?;
        Ok(PseudoinverseGuided { problem, model, data_std, least })
    }
}

impl PseudoinverseGuided<'_, '_> {
    /// D_y of rows and their measurements, from D.
    fn guided(
        &self,
        x: ArrayView2<f64>,
        y: ArrayView2<f64>,
        mut denoised: Array2<f64>,
        sigma: f64,
    ) -> Result<Array2<f64>> {
        let Problem { operator, noise_std, .. } = *self.problem;
        let (s2, tau2) = (noise_std * noise_std, self.data_std * self.data_std);
        let r2 = sigma * sigma * tau2 / (sigma * sigma + tau2);
        let residual = &y - &operator.apply(denoised.view());
        let inverse = |e: f64| if s2 > 0.0 || e > self.least { 1.0 / (r2 * e + s2) } else { 0.0 };
        let back = operator.adjoint(operator.of_gram(residual.view(), inverse)?.view());
        denoised.scaled_add(sigma * sigma, &vjp(self.model, x, back.view(), sigma)?);
        Ok(denoised)
    }
}

impl Denoiser<f64> for PseudoinverseGuided<'_, '_> {
    fn dim(&self) -> usize {
        self.model.dim()
    }

    fn denoise(&self, x: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.denoise_rows(x, self.problem.first, sigma)
    }

    fn denoise_rows(&self, x: ArrayView2<f64>, first: u64, sigma: f64) -> Result<Array2<f64>> {
        let from = (first - self.problem.first) as usize;
        let y = self.problem.y.slice(s![from..from + x.nrows(), ..]);
        self.guided(x, y, self.model.denoise_rows(x, first, sigma)?, sigma)
    }

    /// All rows of x are of the one measurement of this number.
    fn denoise_row(&self, x: ArrayView2<f64>, number: u64, sigma: f64) -> Result<Array2<f64>> {
        let y = self.problem.y.row((number - self.problem.first) as usize);
        let y = Array2::from_shape_fn((x.nrows(), y.len()), |(_, j)| y[j]);
        self.guided(x, y.view(), self.model.denoise_row(x, number, sigma)?, sigma)
    }

    fn split_rows(&self, x: ArrayView2<f64>, first: u64, sigma: f64) -> Result<(Array2<f64>, Array2<f64>)> {
        let denoised = self.denoise_rows(x, first, sigma)?;
        let rest = &x - &denoised;
        Ok((denoised, rest))
    }
}

/// One estimate a row of the problem: where D_y's flow ends.
///
/// # Errors
/// Of the model, and of the operator's factors.
pub fn restore(
    problem: &Problem,
    model: &dyn Differentiable<f64>,
    plan: &Plan,
    data_std: f64,
) -> Result<Array2<f64>> {
    let guided = PseudoinverseGuided::new(problem, model, data_std)?;
    let mut x = problem.start(model.dim(), plan.sigmas[0]);
    plan.run(&guided, &mut x, problem.first, problem.seed)?;
    Ok(x)
}
