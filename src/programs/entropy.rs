//! entropy: how rich a set of samples is.

use std::ffi::OsString;

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::{DescriptorArgs, Job, Program, count};
use crate::measure::entropy::Entropy;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Estimate the entropy of the law that samples are drawn from, in nats (Kozachenko and Leonenko).
///
/// H = ψ(N) − ψ(k) + ln c_d + (d/N) Σ ln r, r the distance of a row to its k-th nearest other, c_d the volume of the unit
/// ball. It falls when a model is trained on its own samples, before their variance does (arXiv 2509.16499). Rows that
/// lie on others have r = 0 and are refused with their count.
///
/// std_error is from up to 20 parts of the rows, drawn for each, with an estimate of their own: their deviation over the
/// root of their number; empty where there would be fewer than 5 parts of 5(k + 1) rows. Rows are taken to be independent
/// (those that `subset` has chosen are not: they lie too evenly, and the estimate is too high), and the bias is left out: with d it grows beyond the error. Where the mean of the parts differs much from the value of
/// all rows, a warning says so: then only sets of as many rows are to be compared. So it does where rows spread in fewer
/// than all directions, as with a column that is constant: of these the entropy is -inf. (That is looked for where there are
/// more rows than columns.)
///
/// Memory: the samples, two or three times with --descriptor, three times the square of their columns, and 197 numbers more for each of thousands of wide rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ npy noise -n 4000 -d 2 | entropy
  $ molrg-gen -d 24 -r 3 -k 2 -n 1000 --seed 1 --truth truth.st | dae-fit --kind gaussian | pf-sample -n 1000 | entropy --descriptor pca:6 --neighbours 5")]
pub struct Arguments {
    /// Samples (default: standard input)
    #[arg(value_name = "SAMPLES")]
    samples: Option<OsString>,
    /// Distances are to the k-th nearest
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = count(1..=1000_u32))]
    neighbours: u32,
    #[command(flatten)]
    descriptor: DescriptorArgs,
}

/// The value of fewer rows may be so much larger or smaller, in nats and in standard errors, without a warning.
const DRIFT: f64 = 1.0;
const DRIFT_ERRORS: f64 = 5.0;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.descriptor.check(job)?;
        let fit = self.descriptor.input().map(Some);
        job.wait_for_stdin(&[self.samples.as_deref()].into_iter().chain(fit).collect::<Vec<_>>())?;
        let rows = job.rows(self.samples.as_deref())?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => self.estimate::<T>(job, rows))
    }
}

impl Arguments {
    fn estimate<T: Scalar>(&self, job: &Job, rows: Rows) -> Result<()> {
        let mut table = job.table(&["entropy", "std_error", "neighbours", "n", "dim"])?;
        let name = rows.name().to_string();
        let (x, described) = self.descriptor.read::<T>(job, rows)?;
        let x = described.unwrap_or(x);
        let (n, d) = x.dim();
        let mut progress = job.progress(Some(2 * n as u64), "rows");
        let found =
            Entropy::of(x, self.neighbours as usize, |rows| progress.advance(rows)).context(name.clone())?;
        let std_error = found.parts.map(|parts| parts.std_error);
        table.row(&[
            found.value.into(),
            std_error.into(),
            u64::from(self.neighbours).into(),
            n.into(),
            d.into(),
        ])?;
        table.finish()?;
        if found.parts.is_none() {
            job.warn(&format!(
                "{name}: {n} rows are too few to be taken in parts, so that nothing says how far the estimate is off; give \
                 {} or more",
                Entropy::fewest(self.neighbours as usize)
            ));
        }
        if let Some(directions) = found.directions.filter(|directions| *directions < d) {
            job.warn(&format!(
                "{name}: its rows spread in {directions} of {d} directions, and in others by no more than rounding: where that is \
                 nothing the entropy is -inf, and the estimate falls without end as rows are added; compare sets of as many rows \
                 only, or give --descriptor pca:{directions}"
            ));
        } else if let Some(parts) = found.parts {
            let drift = parts.mean - found.value;
            if drift.abs() > DRIFT.max(DRIFT_ERRORS * parts.std_error) {
                job.warn(&format!(
                    "{name}: parts of 1/{} of the rows have an entropy that is {drift:+.3} from that of all: {n} rows are too few \
                     for {d} dimensions, or lie in fewer; compare sets of as many rows only, or give a --descriptor of fewer",
                    parts.count
                ));
            }
        }
        Ok(())
    }
}
