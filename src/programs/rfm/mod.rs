//! rfm: directions of features that labels depend on.

mod targets;

use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array2, Axis};

use targets::Targets;

use crate::blocks::room;
use crate::cli::{Block, Job, Program, Source, count, positive, usage};
use crate::fit::recursive_features::{Features, Machine, Settings, typical_distance};
use crate::linalg::{cast, varies};
use crate::measure::nearest::{check_scale, check_set};
use crate::measure::probe::unit;
use crate::measure::scale::Scale;
use crate::scalar::Scalar;
use crate::stream::{RowRange, Rows, block_rows, same_items};
use crate::with_dtype;

/// Find the directions of features that labels depend on, by a recursive feature machine.
///
/// A kernel machine with K = exp(−‖x − z‖_M/L) is fitted to the labels, and its metric M is then what its own gradients
/// point along, in rounds: the average outer product of ∇f, over its largest entry (arXiv 2212.13881; concepts of
/// networks, 2602.11395). Written are r directions of length 1, rows of the items' shape, by eigenvalue: x + 2v with npy
/// let steers by one.
///
/// Labels are one number a row, or its number and that. Two different whole numbers are two classes, f = ±1, and v points
/// to the larger; several whole numbers from 0 are classes, with an f each; all others, or with --real, are numbers that f
/// approaches, less their mean, and v points to where f grows.
///
/// A fifth of the rows is told by a machine that has not seen them, and how well is printed; where that is no
/// better than chance, a warning says so.
///
/// Memory: FEATURES, and twice as many numbers as the square of their rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 20 -r 3 -k 2 --mean-norm 3 -n 400 --labels labels.npy -o x.npy && rfm x.npy labels.npy -q --top 2 --values s.npy -o v.npy && npy info v.npy s.npy
  $ molrg-gen -d 20 -r 3 -k 2 --mean-norm 3 -n 400 --labels labels.npy -o x.npy && rfm x.npy labels.npy -q | npy let 'x + 2*v' --in x=x.npy --in v=- | npy info -")]
pub struct Arguments {
    /// Features, one row per sample
    features: OsString,
    /// Their labels
    labels: OsString,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1..=1000_u32))]
    iterations: u32,
    /// Bandwidth L of the kernel, a distance of features (default: the root of their mean square distance)
    #[arg(long, value_name = "L", value_parser = positive)]
    bandwidth: Option<f64>,
    /// Ridge λ, added to the diagonal of the kernel matrix
    #[arg(long, value_name = "LAMBDA", default_value_t = 1e-3, value_parser = positive)]
    ridge: f64,
    /// Directions to write
    #[arg(long, value_name = "r", default_value_t = 1, value_parser = count(1..=u32::MAX))]
    top: u32,
    /// Write eigenvalues of the average outer product there, (1, r): the mean square of f's slope along each direction
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Write f at these points instead of directions, one number a row, or one for each class
    #[arg(long, value_name = "FILE")]
    predict: Option<OsString>,
    /// Take labels as numbers, not as classes
    #[arg(long)]
    real: bool,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let finds = self.predict.is_none() || self.values.is_some();
        job.only(finds, &["--top"], "directions are not written with --predict")?;
        job.numbered(true, "labels", "they belong to rows by their number")?;
        let inputs = [Some(&self.features), Some(&self.labels), self.predict.as_ref()];
        let inputs: Vec<_> = inputs.into_iter().flatten().map(|name| Some(name.as_os_str())).collect();
        job.wait_for_stdin(&inputs)?;
        let rows = job.all_rows(Some(&self.features))?;
        let points = self.predict.as_ref().map(|points| self.points(job, points, &rows)).transpose()?;
        let dtypes: Vec<_> = [Some(&rows), points.as_ref()].into_iter().flatten().map(Rows::dtype).collect();
        with_dtype!(job.dtype(&dtypes), T => self.find::<T>(job, rows, points))
    }
}

impl Arguments {
    fn check(&self, x: &Array2<f64>) -> Result<()> {
        let (n, d) = x.dim();
        ensure!(n > 0, "no rows; give features");
        if self.top as usize > d {
            return Err(usage(anyhow!("--top {}: there are {d} directions; ask for fewer", self.top)));
        }
        room(&[8, d, d], "the outer product of all features")?;
        check_set(x.view())
    }

    fn points(&self, job: &Job, points: &OsString, features: &Rows) -> Result<Rows> {
        let points = job.all_rows(Some(points))?;
        let (name, of) = (points.name(), features.name());
        ensure!(
            points.width() == features.width(),
            "{name}: rows of width {}, but those of {of} have {}; give features of the same kind",
            points.width(),
            features.width()
        );
        same_items((name, points.item_shape()), (of, features.item_shape()))?;
        Ok(points)
    }

    fn find<T: Scalar>(&self, job: &Job, mut rows: Rows, points: Option<Rows>) -> Result<()> {
        let (name, shape, top) = (rows.name().to_string(), rows.item_shape().to_vec(), self.top as usize);
        let mut x = rows.read_all::<f64>()?;
        self.check(&x).with_context(|| name.clone())?;
        let (labels, of) = job.numbers(&self.labels, RowRange::default())?;
        let n = x.nrows();
        ensure!(labels.len() == n, "{of}: {} labels for {n} rows; give one a row", labels.len());
        ensure!(
            varies(x.view()),
            "{name}: all rows are equal, which leaves nothing to tell labels by; give others"
        );
        let targets = Targets::of(&labels, self.real).context(of)?;
        let y = targets.y.view();
        let mut out = match &points {
            Some(points) => job.array::<T>(points.len(), &[y.ncols()])?,
            None => job.array::<T>(Some(top), &shape)?,
        };
        let values = self.values.as_ref();
        let values = values.map(|path| job.side_array::<f64>(path, Some(1), &[top])).transpose()?;
        let scale = Scale::of(x.view());
        let unit = unit([x.view()]);
        x *= unit;
        let settings = Settings {
            iterations: self.iterations,
            bandwidth: self.bandwidth.map_or_else(|| typical_distance(x.view()), |l| l * unit),
            ridge: self.ridge,
        };
        room(&[2, n, n], "the kernel of all rows").with_context(|| name.clone())?;
        let mut progress = job.progress(Some(2 * u64::from(self.iterations)), "rounds");
        targets.say(job, x.view(), settings, || progress.advance(1)).with_context(|| name.clone())?;
        let features =
            Features::learn(x.view(), y, settings, || progress.advance(1)).context(name.clone())?;
        let (directions, found) = features.directions(top)?;
        if let Some(mut values) = values {
            values.write((found * (unit * unit)).insert_axis(Axis(0)).view())?;
            values.finish()?;
        }
        let Some(points) = points else {
            out.write(cast::<f64, T>(directions.view()).view())?;
            return out.finish();
        };
        let named = points.name().to_string();
        let machine = Machine::fit(&features, x.view(), y, settings).context(name.clone())?;
        job.fill(Source::Stream(points), block_rows(n), "points", vec![out], |block: Block<T>| {
            let begins = block.rows.start == 0;
            let points: Array2<f64> = block.first().map(|x| cast(x.view())).unwrap_or_default();
            check_scale(points.view()).with_context(|| named.clone())?;
            // The first tell.
            if begins {
                let points = (named.clone(), &Scale::of(points.view()));
                job.warn_of_scales((name.clone(), &scale), iter::once(points), Scale::is_apart);
            }
            Ok(vec![cast(machine.predict((points * unit).view()).view())])
        })
    }
}
