//! subset: choose rows of a set.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use ndarray::{Array2, Axis};

use crate::cli::{DescriptorArgs, Job, Program, usage};
use crate::measure::nearest::check_set;
use crate::measure::subset::{Chosen, beyond_threshold, farthest, shuffled};
use crate::scalar::Scalar;
use crate::stream::{ArrayWriter, Rows, Table, block_rows};
use crate::with_dtype;

/// Choose rows of a set: at random, or far from each other, so that they stand for more of it.
///
/// random: those first in an order drawn by --seed. farthest: the first of these, then again and again the row farthest
/// from all chosen ones, of equally far ones the lowest. threshold: through the rows in that order, taking each that is
/// farther than --threshold from all taken; then again with the threshold times --decay, until there are N (arXiv
/// 2509.16499, where both slow the collapse of a model that is trained on its own samples). Rows come in the order in
/// which they are chosen: of -n 100 those of -n 50 are the first half.
///
/// Chosen rows are no independent draws: `entropy` of them is above that of any law that they could be drawn from; measure
/// the model that is fitted to them. The farthest are extremes, and a Gaussian refitted to them widens without end.
///
/// Memory: the pool, two or three times with --descriptor, and a few numbers a row.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 24 -r 3 -k 2 -n 1000 | subset -n 200 --method farthest --indices rows.csv | npy info -
  $ npy noise -n 1000 -d 2 | subset -n 200 --method threshold --threshold 3 | entropy")]
pub struct Arguments {
    /// Samples to choose from (default: standard input)
    #[arg(value_name = "POOL")]
    pool: Option<OsString>,
    /// How many are chosen
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// How they are chosen
    #[arg(long, value_enum)]
    method: Method,
    /// The first threshold of that method, a distance
    #[arg(long, value_name = "TAU")]
    threshold: Option<f64>,
    /// What the threshold is multiplied by after every pass
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    decay: f64,
    #[command(flatten)]
    descriptor: DescriptorArgs,
    /// Write the numbers of the rows there, and the distance of each from those before it: a table, or an array of the
    /// numbers alone if the name ends in .npy
    #[arg(long, value_name = "FILE")]
    indices: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Random,
    Farthest,
    Threshold,
}

impl Arguments {
    fn check(&self, job: &Job) -> Result<()> {
        let by_distance = self.method != Method::Random;
        job.only(by_distance, &["--descriptor", "--fit"], "no distance is taken by --method random")?;
        job.only(
            self.method == Method::Threshold,
            &["--threshold", "--decay"],
            "it is for --method threshold",
        )?;
        job.numbered(self.indices.is_some(), "--indices", "rows would lose their numbers")?;
        self.descriptor.check(job)?;
        if self.method == Method::Threshold && !self.threshold.is_some_and(|t| t.is_finite() && t > 0.0) {
            return Err(usage(anyhow!("--method threshold: give --threshold, a distance above 0")));
        }
        if !(self.decay > 0.0 && self.decay <= 0.999) {
            return Err(usage(anyhow!("--decay {}: must be above 0, and 0.999 at most", self.decay)));
        }
        Ok(())
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.check(job)?;
        let fit = self.descriptor.input().map(Some);
        job.wait_for_stdin(&[self.pool.as_deref()].into_iter().chain(fit).collect::<Vec<_>>())?;
        let rows = job.rows(self.pool.as_deref())?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => self.choose::<T>(job, rows))
    }
}

impl Arguments {
    fn choose<T: Scalar>(&self, job: &Job, rows: Rows) -> Result<()> {
        let (name, item_shape) = (rows.name().to_string(), rows.item_shape().to_vec());
        let mut out = job.array::<T>(Some(self.samples), &item_shape)?;
        let indices =
            self.indices.as_deref().map(|path| Indices::open(job, path, self.samples)).transpose()?;
        let (pool, described) = self.descriptor.read::<T>(job, rows)?;
        ensure!(
            pool.nrows() >= self.samples,
            "{name}: has {} rows, of which {} cannot be chosen; ask for fewer",
            pool.nrows(),
            self.samples
        );
        let chosen = self.chosen(job, described.as_ref().unwrap_or(&pool)).context(name)?;
        for rows in chosen.chunks(block_rows(pool.ncols())) {
            let rows: Vec<usize> = rows.iter().map(|c| c.row).collect();
            out.write(pool.select(Axis(0), &rows).view())?;
        }
        if let Some(indices) = indices {
            indices.write(job.shared.rows.start, &chosen)?;
        }
        out.finish()
    }

    fn chosen<T: Scalar>(&self, job: &Job, x: &Array2<T>) -> Result<Vec<Chosen>> {
        if self.method != Method::Random {
            check_set(x.view())?;
        }
        let mut order = shuffled(x.nrows(), job.shared.rows.start, job.shared.seed);
        let mut progress = job.progress(Some(self.samples as u64), "rows");
        let progress = |n| progress.advance(n);
        match (self.method, self.threshold) {
            (Method::Threshold, Some(threshold)) => {
                beyond_threshold(x.view(), self.samples, &order, threshold, self.decay, progress)
            }
            (Method::Farthest, _) => {
                farthest(x.view(), self.samples, order.first().copied().unwrap_or(0), progress)
            }
            _ => {
                order.truncate(self.samples);
                Ok(order.into_iter().map(|row| Chosen { row, distance: None }).collect())
            }
        }
    }
}

/// Where the numbers of the chosen rows go.
enum Indices {
    Table(Table),
    Array(ArrayWriter<f64>),
}

impl Indices {
    fn open(job: &Job, path: &Path, count: usize) -> Result<Indices> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
            return Ok(Indices::Array(job.side_array(path, Some(count), &[])?));
        }
        Ok(Indices::Table(job.side_table(path, &["row", "distance"])?))
    }

    /// Of the pool's rows the first has the number `first`.
    fn write(self, first: u64, chosen: &[Chosen]) -> Result<()> {
        let number = |c: &Chosen| first + c.row as u64;
        match self {
            Indices::Table(mut table) => {
                chosen.iter().try_for_each(|c| table.row(&[number(c).into(), c.distance.into()]))?;
                table.finish()
            }
            Indices::Array(mut array) => {
                array.write(
                    Array2::from_shape_fn((chosen.len(), 1), |(i, _)| number(&chosen[i]) as f64).view(),
                )?;
                array.finish()
            }
        }
    }
}
