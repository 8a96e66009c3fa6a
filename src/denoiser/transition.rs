//! Networks that are told the state before as transitions: what assimilation follows paths by.

use anyhow::{Result, bail, ensure};
use ndarray::{Array2, ArrayView2};

use super::model::Kind;
use super::{Model, NetworkDenoiser};
use crate::dynamics::Transition;
use crate::network::{Condition, Preconditioning};

impl Model {
    /// Whether it has learned the transition of states of `dim` numbers: the mean of the next, or its denoiser at all levels.
    ///
    /// # Errors
    /// What is no network that is told the state before; one of the mean where a denoiser is wanted, and the other way.
    pub fn is_transition(&self, dim: usize, mean: bool) -> Result<()> {
        let loss = if mean { "regression" } else { "interpolant" };
        let advice = format!("train one with dae-fit --kind mlp --loss {loss} --condition");
        let Kind::Network(network) = &self.kind else {
            bail!("is a model of kind {}, which knows no transitions; {advice}", self.kind_name())
        };
        let width = network.condition.as_ref().map(Condition::width);
        ensure!(width.is_some(), "is told no state before; {advice}");
        ensure!(
            width == Some(dim) && self.dim() == dim,
            "is of {} numbers after {}, where states have {dim}; {advice}",
            self.dim(),
            width.unwrap_or(0)
        );
        let is_mean = network.preconditioning == Preconditioning::Mean;
        ensure!(
            is_mean || !mean,
            "knows more than the mean of the next state, which --method flowdas is for; {advice}"
        );
        ensure!(
            mean || !is_mean
                && !matches!(
                    network.preconditioning,
                    Preconditioning::Plain | Preconditioning::Consistency { .. }
                ),
            "is no posterior mean at all noise levels; {advice}"
        );
        Ok(())
    }
}

impl Transition for NetworkDenoiser<f64> {
    fn spread(&self) -> f64 {
        self.sigma_data()
    }

    fn denoise(&self, x: ArrayView2<f64>, sigma: f64, before: ArrayView2<f64>) -> Result<Array2<f64>> {
        Ok(self.denoised_given(x.t(), sigma, before.t()).reversed_axes())
    }

    fn pulled_back(
        &self,
        x: ArrayView2<f64>,
        sigma: f64,
        before: ArrayView2<f64>,
        of: &mut dyn FnMut(ArrayView2<f64>) -> Array2<f64>,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let of = |d: ArrayView2<f64>| of(d.t()).reversed_axes();
        let (d, back) = NetworkDenoiser::pulled_back(self, x.t(), sigma, before.t(), of);
        Ok((d.reversed_axes(), back.reversed_axes()))
    }
}
