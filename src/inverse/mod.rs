//! Inverse problems: what is known of an item x from measurements y = A x + s·ε, with a model as the prior.
//!
//! * [`operator`]: linear operators A, their adjoints and functions of A Aᵀ;
//! * [`posterior`]: the exact posterior of a mixture, which every method is measured against;
//! * [`dps`], [`pigdm`], [`ddnm`], [`dcdp`]: methods that take any model, a file each.
//!
//! Methods compute in f64, whatever the model does, in σ-space: what a paper has of α_t is turned into it.

pub mod dcdp;
pub mod ddnm;
pub mod dps;
pub mod operator;
pub mod pigdm;
pub mod posterior;
mod whitening;

pub use operator::{Image, Operator};
pub use posterior::{Given, Posterior};

use anyhow::Result;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::denoiser::{Denoiser, Differentiable};
use crate::random::{Purpose, normal_rows_at, row_rng, standard_normals};

/// Where squares of what measurements and model differ by are beyond f64.
const TOO_LARGE: &str =
    "a measurement's numbers are too large for the model and this noise; give them in another unit";

/// y ← y + s·ε, row 0 of y having the number `first`: the noise of a measurement belongs to the seed and its row.
pub fn add_noise(mut y: ArrayViewMut2<f64>, noise_std: f64, seed: u64, first: u64) {
    for (mut row, number) in y.outer_iter_mut().zip(first..) {
        let noise = standard_normals::<f64>(&mut row_rng(seed, Purpose::Measurement, number), row.len());
        row.iter_mut().zip(noise).for_each(|(y, e)| *y += noise_std * e);
    }
}

/// Measurements y = A x + s·ε, (n, m), of rows that have the numbers `first`, `first` + 1, …
pub struct Problem<'a> {
    pub operator: &'a Operator,
    pub y: ArrayView2<'a, f64>,
    /// s.
    pub noise_std: f64,
    pub first: u64,
    pub seed: u64,
}

impl Problem<'_> {
    /// Where sampling starts, σ_0·ε: other latents than those of pf-sample, whose samples of the same seed may be what was
    /// measured.
    fn start(&self, dim: usize, sigma: f64) -> Array2<f64> {
        self.draw(0, dim) * sigma
    }

    /// ε of a step, (n, d).
    fn noise(&self, step: u64, dim: usize) -> Array2<f64> {
        self.draw(step + 1, dim)
    }

    fn draw(&self, step: u64, dim: usize) -> Array2<f64> {
        let rows = self.first..self.first + self.y.nrows() as u64;
        normal_rows_at(self.seed, Purpose::Restoration, step, rows, dim)
    }

    fn denoise<D: Denoiser<f64> + ?Sized>(
        &self,
        model: &D,
        x: &Array2<f64>,
        sigma: f64,
    ) -> Result<Array2<f64>> {
        model.denoise_rows(x.view(), self.first, sigma)
    }
}

/// Jᵀu, J at row i for row i of u.
fn vjp(
    model: &dyn Differentiable<f64>,
    x: ArrayView2<f64>,
    u: ArrayView2<f64>,
    sigma: f64,
) -> Result<Array2<f64>> {
    let mut products = Array2::zeros(u.raw_dim());
    for ((x, u), mut product) in x.outer_iter().zip(u.outer_iter()).zip(products.outer_iter_mut()) {
        product.assign(&model.vjp(x, u.insert_axis(Axis(0)), sigma)?.row(0));
    }
    Ok(products)
}

/// A step of ancestral sampling from a noise level to the next, number 0 being the first: the law of x_τ given x_σ and x_0,
/// N(x_0 + τ²/σ² (x_σ − x_0), τ²(1 − τ²/σ²) I).
#[derive(Clone, Copy, Debug)]
struct Step {
    number: u64,
    from: f64,
    to: f64,
}

impl Step {
    fn all(sigmas: &[f64]) -> impl Iterator<Item = Step> {
        sigmas.windows(2).zip(0..).map(|(pair, number)| Step { number, from: pair[0], to: pair[1] })
    }

    /// 1 − τ²/σ², the share of x_0.
    fn share(&self) -> f64 {
        1.0 - (self.to / self.from).powi(2)
    }

    /// The deviation of the noise.
    fn noise(&self) -> f64 {
        self.to * self.share().sqrt()
    }

    fn ancestral(&self, x: &Array2<f64>, estimate: &Array2<f64>, noise: &Array2<f64>) -> Array2<f64> {
        let mut next = x * (1.0 - self.share());
        next.scaled_add(self.share(), estimate);
        next.scaled_add(self.noise(), noise);
        next
    }
}
