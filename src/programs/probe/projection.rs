//! probe projection: how well the subspaces of classes tell them apart.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::accuracy::Accuracy;
use super::labelled::DataArgs;
use super::snr::SubspaceArgs;
use crate::cli::{Job, Program};

/// Tell classes apart by their subspaces, argmax_k ‖V_kᵀx‖²: the share of rows told right.
///
/// V_k are the leading right singular vectors of the rows of class k in TRAIN. Published for features of networks is
/// --normalize --center --rank 5 (arXiv 2502.05743). The interval is Wilson's; baseline is the share in TEST of the class
/// that is most frequent in TRAIN.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    subspaces: SubspaceArgs,
    /// Write label and prediction of every row there
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let data = self.data.read(job)?;
        self.subspaces.check(data.train.x.ncols())?;
        Accuracy::write(job, &data, self.per_sample.as_ref(), |train, test| {
            let (preparation, subspaces) = self.subspaces.fit(train)?;
            Ok(subspaces.predict(preparation.apply(test.x.view()).view()))
        })
    }
}
