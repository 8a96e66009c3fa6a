//! Networks that are not trained: the minimizers that theory constructs.

use std::ffi::OsStr;

use anyhow::{Context, Result, bail, ensure};
use ndarray::ArrayView2;

use crate::cli::Job;
use crate::denoiser::network::Network;
use crate::fit::two_layer::{blocks, memorizing};
use crate::network::{Architecture, Preconditioning};
use crate::scalar::Scalar;
use crate::stream::tensors::Values;
use crate::stream::{ReadOptions, RowRange, Rows};
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
            preconditioning: Preconditioning::Plain,
            sigma_data: deviation(x),
            average: parameters.clone(),
            parameters,
            optimizer: None,
            training: record.map(|(key, value)| (key.to_string(), value)).into(),
        })
    }
}

impl Job {
    /// The labels of `rows` rows, of those that --rows selects: a file of one whole number from 0 each.
    ///
    /// # Errors
    /// As [`Job::rows`]; another number of labels, and what is none.
    pub fn labels(&self, name: &OsStr, rows: usize) -> Result<Vec<usize>> {
        let (labels, name) = self.whole_numbers(name, self.shared.rows)?;
        ensure!(labels.len() == rows, "{name}: {} labels for {rows} rows; give one a row", labels.len());
        let beyond = labels.iter().position(|&label| label as usize >= rows.max(1));
        if let Some(row) = beyond {
            bail!("{name}: row {row}: {} is no label of {rows} rows; number classes from 0", labels[row]);
        }
        Ok(labels.into_iter().map(|label| label as usize).collect())
    }

    /// A file of one whole number from 0 a row, and how messages call it. What --shape says is of other rows.
    ///
    /// # Errors
    /// As [`Job::rows`]; what is no such number.
    pub fn whole_numbers(&self, name: &OsStr, rows: RowRange) -> Result<(Vec<u32>, String)> {
        let options = ReadOptions { item_shape: None, ..self.read_options(rows) };
        let mut labels = Rows::from_input(self.open(Some(name))?, &options)?;
        let name = labels.name().to_string();
        ensure!(labels.width() == 1, "{name}: has {} numbers a row, where a label is one", labels.width());
        let label = |(i, &v): (usize, &f64)| {
            let whole = v >= 0.0 && v.fract() == 0.0 && v <= f64::from(u32::MAX);
            whole.then_some(v as u32).with_context(|| format!("{name}: row {i}: {v} is no label from 0"))
        };
        let labels = labels.read_all::<f64>()?.iter().enumerate().map(label).collect::<Result<_>>()?;
        Ok((labels, name))
    }
}
