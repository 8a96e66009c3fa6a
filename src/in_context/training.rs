//! Linear attention trained by stochastic gradient descent on prompts that are drawn as it goes.
//!
//! A step takes B new prompts, each about a task of its own w = Cz with CCᵀ = Σ_k, and descends their mean of
//! E_x(xᵀΓh − xᵀw)² = ‖Γh − w‖², over the query exactly:
//!
//!     Γ ← Γ − η (1/B) Σ_b (Γh_b − w_b) h_bᵀ,
//!
//! from Γ = 0. What is kept is the mean of the last half of the steps (Polyak and Juditsky, SIAM J. Control Optim. 30
//! (1992) 838), whose distance from Γ* falls with the number of steps at a constant η.

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayView2};

use super::{Prompt, Tasks};
use crate::linalg::{accumulate, product};
use crate::random::{Purpose, standard_normals, step_rng, uniform};

/// One training.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub prompt: Prompt,
    pub tasks: Tasks,
    pub dim: usize,
    pub rank: usize,
    /// Added to the diagonal of the tasks' covariance.
    pub ridge: f64,
    pub steps: u64,
    /// B > 0.
    pub batch: usize,
    /// η; or half of what is stable, by [`Training::stable`].
    pub lr: Option<f64>,
    pub seed: u64,
}

impl Training {
    /// Σ.
    pub fn covariance(&self) -> Array2<f64> {
        self.tasks.covariance(self.dim, self.rank, self.ridge)
    }

    /// 2/(λ + tr A/B), λ the largest eigenvalue of A: beyond it steps grow, on average over the noise of a batch.
    pub fn stable(&self) -> f64 {
        let a = self.prompt.second_moment(self.covariance().view());
        // It is diagonal.
        let largest = a.diag().fold(0.0f64, |m, &v| m.max(v));
        2.0 / (largest + a.diag().sum() / self.batch as f64)
    }

    /// The mean of Γ (d, d) over the last half of the steps; `seen` is told of every step.
    ///
    /// # Errors
    /// Where it diverges.
    pub fn run(&self, mut seen: impl FnMut(u64, ArrayView2<f64>)) -> Result<Array2<f64>> {
        let lr = self.lr.unwrap_or_else(|| 0.5 * self.stable());
        let mut gamma = Array2::<f64>::zeros((self.dim, self.dim));
        let mut mean = gamma.clone();
        let burnt_in = self.steps / 2;
        for step in 0..self.steps {
            let (h, w) = self.batch(step);
            // Rows are prompts: (Γh − w) is hΓᵀ − w.
            let residual = product(h.view(), gamma.t()) - &w;
            accumulate(gamma.view_mut(), (residual * (-lr / self.batch as f64)).t(), h.view());
            if step < burnt_in {
                mean.assign(&gamma);
            } else {
                let weight = 1.0 / (step - burnt_in + 1) as f64;
                mean.zip_mut_with(&gamma, |m, &g| *m += weight * (g - *m));
            }
            if !mean.iter().all(|v| v.is_finite()) {
                bail!("training has diverged at a step size of {lr:.3}; give a smaller --lr");
            }
            seen(step, mean.view());
        }
        Ok(mean)
    }

    /// h and w (B, d) of the prompts of a step.
    fn batch(&self, step: u64) -> (Array2<f64>, Array2<f64>) {
        let mut h = Array2::zeros((self.batch, self.dim));
        let mut w = Array2::zeros((self.batch, self.dim));
        for (b, (mut h, mut w)) in h.outer_iter_mut().zip(w.outer_iter_mut()).enumerate() {
            let mut rng = step_rng(self.seed, Purpose::Training, step, b as u64);
            let drawn = standard_normals::<f64>(&mut rng, self.dim);
            let (from, to, variance) = match self.tasks {
                Tasks::Subspaces(k) => {
                    let which = (uniform(&mut rng) * k as f64) as usize;
                    (which * self.rank, (which + 1) * self.rank, 1.0)
                }
                Tasks::Full => (0, self.dim, self.rank as f64 / self.dim as f64),
            };
            for (i, (w, z)) in w.iter_mut().zip(drawn).enumerate() {
                let of_task = if (from..to).contains(&i) { variance } else { 0.0 };
                *w = (of_task + self.ridge).sqrt() * z;
            }
            h.assign(&self.prompt.draw_moment(&mut rng, w.view()));
        }
        (h, w)
    }
}
