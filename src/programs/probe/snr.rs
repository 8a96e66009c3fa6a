//! probe snr: how much of features lies in the subspaces of their classes.

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;

use super::labelled::{DataArgs, Labelled};
use crate::cli::{Job, Program, count, usage};
use crate::measure::probe::{ClassSubspaces, Preparation, SignalToNoise};
use crate::stream::Value;

/// Measure how much of features lies in the subspaces of their classes: E‖V_kV_kᵀx‖² / E‖x − V_kV_kᵀx‖².
///
/// A row a class, then the row `all` with the mean over rows of their classes' ratios. V_k are the leading right singular
/// vectors of the rows of class k in TRAIN. For posterior means of mixtures these are the planted subspaces; published
/// for features of networks is --normalize --center --rank 5 (arXiv 2502.05743). The ratio of two means has its error by
/// the delta method and an interval from both; what the subspaces themselves are off by is left out.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    subspaces: SubspaceArgs,
}

/// The subspaces of classes.
#[derive(Args)]
pub(super) struct SubspaceArgs {
    /// Directions of a class
    #[arg(short, long, value_name = "r", default_value_t = 5, value_parser = count(0..=u32::MAX))]
    rank: u32,
    /// Have every row of length 1 first
    #[arg(long)]
    normalize: bool,
    /// Then take off the mean of TRAIN
    #[arg(long)]
    center: bool,
}

impl SubspaceArgs {
    /// Refuses ranks that features of this width do not have room for.
    ///
    /// # Errors
    /// A usage error.
    pub fn check(&self, width: usize) -> Result<()> {
        if self.rank == 0 || self.rank as usize >= width {
            return Err(usage(anyhow!(
                "--rank {}: must be 1 to {}, below the width of features",
                self.rank,
                width.max(1) - 1
            )));
        }
        Ok(())
    }

    pub fn fit(&self, train: &Labelled) -> Result<(Preparation, ClassSubspaces)> {
        let fit = || -> Result<_> {
            let preparation = Preparation::of(train.x.view(), self.normalize, self.center)?;
            let prepared = preparation.apply(train.x.view());
            let subspaces = ClassSubspaces::fit(prepared.view(), &train.classes, self.rank as usize)?;
            Ok((preparation, subspaces))
        };
        fit().with_context(|| train.name.clone())
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let data = self.data.read(job)?;
        self.subspaces.check(data.train.x.ncols())?;
        let mut table = job.table(&["class", "snr", "std_error", "ci_low", "ci_high", "n"])?;
        let mut found = SignalToNoise::default();
        data.each_split(|train, test, _| {
            let (preparation, subspaces) = self.subspaces.fit(train)?;
            found.add(&subspaces, preparation.apply(test.x.view()).view(), &test.classes);
            Ok(())
        })?;
        let total: u64 = found.0.values().map(|joint| joint.x.n()).sum();
        let (mut mean, mut variance) = (0.0, 0.0);
        for (class, joint) in &found.0 {
            let snr = joint.ratio();
            ensure!(
                snr.is_some(),
                "{}: nothing of the rows of class {class} lies off its {} directions, which leaves no ratio; give a smaller \
                 --rank",
                data.scored().name,
                self.subspaces.rank
            );
            let Some(snr) = snr else { continue };
            let share = snr.n as f64 / total as f64;
            mean += share * snr.value;
            variance += (share * snr.std_error.unwrap_or(f64::NAN)).powi(2);
            table.row(&[
                (*class).into(),
                snr.value.into(),
                snr.std_error.into(),
                snr.ci_low.into(),
                snr.ci_high.into(),
                snr.n.into(),
            ])?;
        }
        let std_error = Some(variance.sqrt()).filter(|e| e.is_finite());
        let none = || Value::Text(String::new());
        table.row(&["all".into(), mean.into(), std_error.into(), none(), none(), total.into()])?;
        table.finish()
    }
}
