//! Networks that are not trained: the minimizers that theory constructs.

use anyhow::{Result, ensure};
use ndarray::ArrayView2;

use crate::cli::Job;
use crate::denoiser::network::Network;
use crate::fit::two_layer::{blocks, memorizing};
use crate::network::{Architecture, Preconditioning};
use crate::scalar::Scalar;
use crate::stream::tensors::Values;
use crate::training::deviation;

/// Shares of rows that units answer to, of their own clusters and of others, within which they are what the theory
/// says.
const OWN: f64 = 0.99;
const OTHERS: f64 = 0.01;

/// A tied network of one hidden layer, its weights written down.
pub struct Construction {
    pub units: usize,
    pub sigma: f64,
    /// As training has it.
    pub weight_decay: f64,
    /// Directions of a cluster; `None` where every row is one.
    pub ranks: Option<Vec<usize>>,
}

impl Construction {
    /// Of these rows; with ranks, `labels` says which cluster each belongs to.
    pub fn network<T: Scalar>(
        &self,
        job: &Job,
        x: ArrayView2<T>,
        labels: Option<&[usize]>,
    ) -> Result<Network> {
        ensure!(x.nrows() > 0, "no rows to make a network of; give samples");
        // The tied W is counted twice in λ(‖W₁‖² + ‖W₂‖²), of a loss that is d times that of training.
        let lambda = x.ncols() as f64 * self.weight_decay / 4.0;
        let found = match (&self.ranks, labels) {
            (Some(ranks), Some(labels)) => {
                let clusters = labels.iter().max().map_or(0, |&k| k + 1);
                let rows = x.nrows();
                ensure!(clusters <= rows, "--labels: {clusters} clusters of {rows} rows; number them from 0");
                let ranks = match ranks[..] {
                    [r] => vec![r; clusters],
                    _ => ranks.clone(),
                };
                ensure!(ranks.len() == clusters, "--rank: {} ranks for {clusters} labels", ranks.len());
                blocks(x, labels, &ranks, self.sigma, lambda, self.units)?
            }
            _ => memorizing(x, self.sigma, lambda, self.units)?,
        };
        if found.own < OWN || found.others > OTHERS {
            job.warn(&format!(
                "units answer to {:.1} % of the rows of their own cluster and {:.1} % of others', where the theory takes \
                 100 and 0, as of clusters whose directions have negative cosines: the network is no minimizer; \
                 centre the rows, or take fewer that are alike",
                100.0 * found.own,
                100.0 * found.others
            ));
        }
        let parameters = Values::new(found.weights.iter().map(|&w| T::of(w)).collect::<Vec<T>>());
        let record = [("training.loss", "fixed".to_string()), ("training.sigma", self.sigma.to_string())];
        Ok(Network {
            architecture: Architecture::TwoLayer { width: self.units, tied: true, conditioned: false },
            classes: None,
            condition: None,
            preconditioning: Preconditioning::Plain,
            sigma_data: deviation(x),
            average: parameters.clone(),
            parameters,
            optimizer: None,
            training: record.map(|(key, value)| (key.to_string(), value)).into(),
        })
    }
}
