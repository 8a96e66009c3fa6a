//! measure: what a linear operator sees of samples.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;
use ndarray::Array2;

use crate::cli::{Job, OperatorArgs, Program, Source};
use crate::inverse::add_noise;
use crate::linalg::cast;
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

/// Measure samples: y = A x + s·ε, a row each, for restore and mixture condition.
///
/// The noise ε of a measurement is standard normal and belongs to the seed and the number of its row. Measurements by a
/// mask or a matrix are rows of numbers; those by blur and downsample are images as the samples are.
///
/// Memory: the operator and a few blocks of rows, whatever N is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ npy noise -n 64 -d 64 --shape 8,8 | measure --operator downsample:2 --noise-std 0.1 --seed 1 | npy info -
  $ molrg-gen -d 64 -r 3 -k 2 -n 20 --shape 8,8 --truth truth.st | measure --operator blur:1 --noise-std 0.05 | restore truth.st - --operator blur:1 --noise-std 0.05 --method exact --mean | npy info -")]
pub struct Arguments {
    /// Samples (default: standard input)
    #[arg(value_name = "SAMPLES")]
    samples: Option<OsString>,
    #[command(flatten)]
    measured: OperatorArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.measured.check(job)?;
        let noisy = self.measured.noise_std > 0.0;
        job.only(noisy, &["--seed"], "nothing is drawn without noise")?;
        job.numbered(noisy, "--noise-std", "noise belongs to rows by their number")?;
        job.wait_for_stdin(
            &[vec![self.samples.as_deref()], self.measured.file().map(Some).into_iter().collect()].concat(),
        )?;
        let rows = job.rows(self.samples.as_deref())?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => self.measure::<T>(job, rows))
    }
}

impl Arguments {
    fn measure<T: Scalar>(&self, job: &Job, rows: Rows) -> Result<()> {
        let operator = self.measured.open(job, rows.name(), rows.item_shape())?;
        let output = job.array::<T>(rows.len(), operator.shape())?;
        let most = block_rows(rows.width());
        job.fill(Source::Stream(rows), most, "measurements", vec![output], |block| {
            let first = block.rows.start;
            let x: Array2<T> = block.first().unwrap_or_default();
            let mut y = operator.apply(cast::<T, f64>(x.view()).view());
            if self.measured.noise_std > 0.0 {
                add_noise(y.view_mut(), self.measured.noise_std, job.shared.seed, first);
            }
            Ok(vec![cast(y.view())])
        })
    }
}
