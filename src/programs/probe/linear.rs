//! probe linear: how well a linear classifier tells classes apart.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use super::accuracy::Accuracy;
use super::labelled::DataArgs;
use crate::blocks::room;
use crate::cli::{Job, Program, count, usage};
use crate::fit::logistic::{Logistic, Settings};

/// Tell classes apart by multinomial logistic regression: the share of rows told right.
///
/// Newton's method minimizes the mean of −ln p(label) plus λ/2 ‖W‖², the features centred and divided by the root of the
/// mean of their variances: scikit-learn's with C = 1/(λN) on these (of two
/// classes 2/(λN)). Biases have no penalty. Where it has not converged
/// a warning says how far it is. The interval is Wilson's; baseline is the share in TEST of the class that is most
/// frequent in TRAIN: where TEST is of one class, 1 or 0.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgs,
    /// Strength of the penalty on weights
    #[arg(long, value_name = "λ", default_value_t = 1e-4)]
    ridge: f64,
    /// Newton steps at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count(0..=u32::MAX))]
    iterations: u32,
    /// Write label and prediction of every row there
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
}

/// Columns of so unequal units come near the share of the largest direction below which others are rounding.
const UNEQUAL: f64 = 1e6;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if !(self.ridge > 0.0 && self.ridge.is_finite()) {
            return Err(usage(anyhow!(
                "--ridge {}: must be above 0, as classes may be told apart perfectly",
                self.ridge
            )));
        }
        let data = self.data.read(job)?;
        let settings = Settings { ridge: self.ridge, iterations: self.iterations };
        let mut farthest: Option<Logistic> = None;
        let mut spread = 1.0f64;
        Accuracy::write(job, &data, self.per_sample.as_ref(), |train, test| {
            // Classes without rows have no parameters.
            let known: Vec<usize> =
                train.classes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
            let index = |k: &usize| known.partition_point(|known| known < k);
            let classes: Vec<usize> = train.classes.iter().map(index).collect();
            room(&[6, train.x.nrows(), known.len()], "the probabilities of all rows and classes")
                .with_context(|| train.labels.clone())?;
            let fit = Logistic::fit(train.x.view(), &classes, known.len(), settings)
                .with_context(|| train.name.clone())?;
            let told = fit.predict(test.x.view())?;
            spread = spread.max(fit.spread);
            if !fit.converged && farthest.as_ref().is_none_or(|far| far.gradient < fit.gradient) {
                farthest = Some(fit);
            }
            Ok(told.into_iter().map(|k| known[k]).collect())
        })?;
        if spread > UNEQUAL {
            job.warn(&format!(
                "{}: the standard deviations of its columns differ by a factor of {spread:.1e}, and of directions below 1e-7 of \
                 the largest nothing is learned: divide each column by its own",
                data.train.name
            ));
        }
        if let Some(fit) = farthest {
            job.warn(&format!(
                "after {} steps the gradient is {:.1e}, not 1e-8: the classifier has not converged; give more --iterations or a \
                 larger --ridge",
                fit.iterations, fit.gradient
            ));
        }
        Ok(())
    }
}
