//! mixture condition: the exact posterior of one measurement.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use ndarray::s;

use crate::cli::{Job, OperatorArgs, Program, usage};
use crate::denoiser::Model;
use crate::inverse::Posterior;
use crate::stream::items_suit;

/// Write what is known of an item from one measurement of it: the law of x given y = A x + s·ε, which is a mixture again.
///
/// Component k has the weight π_k N(y; Aμ_k, AΣ_kAᵀ + s²I), normalized, the mean μ_k + Σ_kAᵀ(AΣ_kAᵀ + s²I)⁻¹(y − Aμ_k) and
/// the covariance Σ_k − Σ_kAᵀ(AΣ_kAᵀ + s²I)⁻¹AΣ_k. One without noise off its subspace keeps its rank r; one with noise gets
/// the directions that A sees, too, which have less of it: up to r + m, or r + d − m for masks and downsample where that is
/// less.
///
/// Memory: the model, and K·d·(rank) numbers of what is written.
#[derive(Args)]
pub struct Arguments {
    /// The mixture (default: standard input)
    model: Option<OsString>,
    /// Measurements, as measure writes them
    #[arg(long, value_name = "FILE")]
    measurement: OsString,
    /// Which row of FILE (default: the only one)
    #[arg(long, value_name = "I")]
    row: Option<usize>,
    #[command(flatten)]
    measured: OperatorArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.measured.check(job)?;
        if self.measured.noise_std == 0.0 {
            return Err(usage(anyhow!(
                "--noise-std 0: the exact posterior takes noise; give a small one, like 1e-3"
            )));
        }
        let files =
            [Some(self.measurement.as_os_str()), self.measured.file()].into_iter().flatten().map(Some);
        job.wait_for_stdin(&[vec![self.model.as_deref()], files.collect()].concat())?;
        let mut output = job.model_output()?;
        let (mixture, shape, dtype) = super::read(job, self.model.as_deref())?;
        let operator = self.measured.open(job, "the model", &shape)?;
        let mut rows = job.all_rows(Some(&self.measurement))?;
        self.measured.fits(&operator, &rows)?;
        items_suit((rows.name(), rows.item_shape()), ("what the operator makes", operator.shape()))?;
        let (name, measurements) = (rows.name().to_string(), rows.read_all::<f64>()?);
        let n = measurements.nrows();
        ensure!(n > 0, "{name}: no rows");
        ensure!(self.row.is_some() || n == 1, "{name}: holds {n} measurements; say which one by --row");
        let row = self.row.unwrap_or(0);
        ensure!(row < n, "--row {row}: {name} holds {n} measurements, numbered from 0");
        let prior = Posterior::new(mixture, &operator, self.measured.noise_std)?;
        let given = prior.given(measurements.slice(s![row..row + 1, ..]))?;
        let (posterior, surprise) = (given.mixture(0)?, given.surprise());
        let finite =
            |c: &crate::mixture::Component| c.weight.is_finite() && c.mean.iter().all(|m| m.is_finite());
        ensure!(
            posterior.components.iter().all(finite),
            "{name}: row {row}: its numbers are too large for the model and this noise; give them in another unit"
        );
        self.measured.tell_surprise(job, surprise.sum(), 1.0, operator.count());
        Model::molrg(posterior, shape, job.dtype(&[dtype])).write(&mut output)?;
        output.finish()
    }
}
