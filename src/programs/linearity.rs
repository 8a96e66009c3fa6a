//! linearity: how linear a denoiser is.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array1, Array2};

use crate::cli::{Block, JacobianArgs, Job, Numbers, Program, Source, TimedLevelArgs, parse_list, usage};
use crate::denoiser::external::Ability;
use crate::denoiser::{Differentiable, Model};
use crate::flow::at_once;
use crate::linalg::column_means;
use crate::measure::comparison::Gap;
use crate::measure::interval::Mean;
use crate::measure::linearity::{Pairs, Step, steps};
use crate::random::{Purpose, normal_rows};
use crate::scalar::Scalar;
use crate::stream::{RowRange, Rows, Value, same_items};
use crate::with_dtype;

/// Measure how linear a denoiser is over noise levels.
///
/// Over pairs of different POINTS, drawn by the seed, each with noise σ·ε: D((x₁ + x₂)/√2) against (D(x₁) + D(x₂))/√2.
/// cosine is the mean of the absolute cosines of the two, std_error its error, and nmse the mean of the length of their
/// difference over that of D((x₁ + x₂)/√2). With --center the same of D(μ + ·) − μ, μ the mean of POINTS: a mean image
/// that all answers share hides how they differ. One Gaussian without mean has 1, and with --center one of any mean; what
/// memorized dips where noise is as large as the distance of its rows.
///
/// With --local, at each of POINTS + σ·ε: D(x + λv) against its expansion D(x) + λJv, v a random direction of length 1,
/// or as --directions has it. norm_ratio and cosine are the means of the ratio of their lengths and of their cosine,
/// change_cosine that of the cosine of D(x + λv) − D(x) and λJv, and error that of the length of the difference, which
/// is as λ² where λ is small. Of numbers that are 0 there are no cosines and ratios: a field is empty where none is
/// left.
///
/// Memory: the model and POINTS; with --local, the model, --directions and a few blocks of rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 7 -k 2 -n 400 --truth truth.st | linearity truth.st - --sigma 0.1,1,10 --pairs 400
  $ molrg-gen -d 48 -r 7 -k 2 -n 100 --truth truth.st | linearity truth.st - --sigma 1 --local --lambda 0.5,1,2")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one
    model: OsString,
    /// Data without noise, one per row (default: standard input)
    points: Option<OsString>,
    #[command(flatten)]
    levels: TimedLevelArgs,
    /// Number of pairs
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Measure D(μ + ·) − μ, μ the mean of POINTS
    #[arg(long)]
    center: bool,
    /// Compare with the expansion about every point instead
    #[arg(long, requires = "lambda")]
    local: bool,
    /// How far to go from the points
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true, requires = "local")]
    lambda: Option<Numbers>,
    /// Where to: random, or a file of one direction for all points, or one for each, taken as they are
    #[arg(long, value_name = "FILE|random", default_value = "random", requires = "local")]
    directions: OsString,
    #[command(flatten)]
    jacobian: JacobianArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let sigmas = self.levels.sigmas(job)?;
        job.only(!self.local, &["--pairs", "--center"], "it is for pairs, without --local")?;
        job.only(self.local, &["--jacobian"], "it is for --local")?;
        let lambdas = self.lambda.as_ref().map_or(&[][..], |lambdas| &lambdas.0);
        if let Some(lambda) = lambdas.iter().find(|l| !(l.is_finite() && **l != 0.0)) {
            return Err(usage(anyhow!("--lambda {lambda}: must be finite, and not 0")));
        }
        job.numbered(self.local, "--local", "noise belongs to rows by their number")?;
        let file = Some(self.directions.as_os_str()).filter(|name| self.local && *name != "random");
        let mut inputs = vec![Some(self.model.as_os_str()), self.points.as_deref()];
        inputs.extend(file.map(Some));
        job.wait_for_stdin(&inputs)?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let points = job.points(self.points.as_deref(), &model, &self.model)?;
        let directions = file.map(|name| job.all_rows(Some(name))).transpose()?;
        let mut dtypes = vec![model.dtype, points.dtype()];
        if let Some(directions) = &directions {
            let pair = (points.item_shape(), directions.item_shape());
            ensure!(
                directions.width() == points.width(),
                "{}: rows of width {}, where points have {}; give directions of their dimension",
                directions.name(),
                directions.width(),
                points.width()
            );
            same_items((directions.name(), pair.1), (points.name(), pair.0))?;
            dtypes.push(directions.dtype());
        }
        job.warn_of_levels(&model, &sigmas);
        with_dtype!(job.dtype(&dtypes), T => match self.local {
            true => self.locally::<T>(job, &sigmas, lambdas, model, points, directions),
            false => self.over_pairs::<T>(job, &sigmas, model, points),
        })
    }
}

impl Arguments {
    fn over_pairs<T: Scalar>(&self, job: &Job, sigmas: &[f64], model: Model, mut points: Rows) -> Result<()> {
        let mut table = job.table(&["sigma", "cosine", "nmse", "std_error", "n"])?;
        let x = points.read_all::<T>()?;
        let count = ["no rows", "one row"];
        ensure!(
            x.nrows() > 1,
            "{}: {}, which make no pair; give more",
            points.name(),
            count[x.nrows().min(1)]
        );
        let centre = self.center.then(|| column_means(x.view()).mapv(T::of));
        let denoiser = model.into_denoiser::<T>()?;
        let pairs = Pairs {
            denoiser: denoiser.as_ref(),
            points: x.view(),
            centre: centre.as_ref().map(|centre| centre.view()),
            seed: job.shared.seed,
        };
        // Three rows a pair.
        let most = (at_once(pairs.denoiser, 3 * self.pairs as usize, x.ncols()) / 3).max(1);
        for &sigma in sigmas {
            let (mut cosine, mut nmse) = (Mean::default(), Mean::default());
            let work = |block: Block<T>| pairs.gaps(block.rows, sigma);
            job.each_block(
                Source::Numbers(0..u64::from(self.pairs)),
                most,
                "pairs",
                work,
                |_, gaps: Vec<Gap>| {
                    for gap in gaps {
                        gap.cosine.into_iter().for_each(|c| cosine.add(c.abs()));
                        gap.nmse().into_iter().for_each(|n| nmse.add(n));
                    }
                    Ok(())
                },
            )?;
            let error = number(cosine.n > 1, cosine.std_error());
            let [c, n] = [cosine, nmse].map(|mean| number(mean.n > 0, mean.mean));
            table.row(&[sigma.into(), c, n, error, u64::from(self.pairs).into()])?;
        }
        table.finish()
    }

    fn locally<T: Scalar>(
        &self,
        job: &Job,
        sigmas: &[f64],
        lambdas: &[f64],
        model: Model,
        points: Rows,
        directions: Option<Rows>,
    ) -> Result<()> {
        let columns = ["sigma", "lambda", "norm_ratio", "cosine", "change_cosine", "error", "n"];
        let mut table = job.table(&columns)?;
        let name = points.name().to_string();
        let directions = match directions {
            Some(mut rows) => Some((rows.read_all::<T>()?, rows.name().to_string())),
            None => None,
        };
        let direction = |row: u64, d: usize| direction(job, directions.as_ref(), row, d);
        let jacobian = self.jacobian.of::<T>(model, &[Ability::Jvp])?;
        let denoiser: &dyn Differentiable<T> = jacobian.denoiser();
        let mut means = vec![Means::default(); sigmas.len() * lambdas.len()];
        // One point a block: each costs a product with its own Jacobian.
        let work = |block: Block<T>| {
            let rows = block.rows.clone();
            let point = block.first().unwrap_or_default();
            let noise = normal_rows::<T>(job.shared.seed, Purpose::PointNoise, rows.clone(), point.ncols());
            let v = direction(rows.start, point.ncols())?;
            let at_level = |&sigma: &f64| {
                let x = &point.row(0) + &(&noise.row(0) * T::of(sigma));
                let first = rows.start * (1 + lambdas.len() as u64);
                steps(denoiser, x.view(), v.view(), lambdas, first, sigma)
            };
            sigmas.iter().map(at_level).collect::<Result<Vec<_>>>()
        };
        job.each_block(Source::Stream(points), 1, "points", work, |_, found: Vec<Vec<Step>>| {
            means.iter_mut().zip(found.iter().flatten()).for_each(|(mean, step)| mean.add(step));
            Ok(())
        })?;
        jacobian.report(job);
        ensure!(means.iter().all(|mean| mean.error.n > 0), "{name}: no rows to start from; give points");
        if let Some((directions, given)) = &directions
            && directions.nrows() > 1
            && job.shared.rows == RowRange::default()
        {
            let n = means.first().map_or(0, |mean| mean.error.n);
            let rows = directions.nrows();
            ensure!(
                rows as u64 == n,
                "{given}: {rows} rows for {n} points; give a direction for each, or one for all"
            );
        }
        let cells = sigmas.iter().flat_map(|sigma| lambdas.iter().map(move |lambda| (sigma, lambda)));
        for ((sigma, lambda), mean) in cells.zip(&means) {
            let [ratio, cosine, change] =
                [mean.norm_ratio, mean.cosine, mean.change_cosine].map(|mean| number(mean.n > 0, mean.mean));
            let error = mean.error.mean.into();
            table.row(&[
                (*sigma).into(),
                (*lambda).into(),
                ratio,
                cosine,
                change,
                error,
                mean.error.n.into(),
            ])?;
        }
        table.finish()
    }
}

/// The direction of a row: its own of those given, or the one that is for all; drawn, of length 1, without.
fn direction<T: Scalar>(
    job: &Job,
    given: Option<&(Array2<T>, String)>,
    row: u64,
    d: usize,
) -> Result<Array1<T>> {
    let Some((directions, name)) = given else {
        let drawn = normal_rows::<f64>(job.shared.seed, Purpose::Directions, row..row + 1, d);
        let length = drawn.iter().map(|v| v * v).sum::<f64>().sqrt();
        return Ok(drawn.row(0).mapv(|v| T::of(v / length)));
    };
    let own = if directions.nrows() == 1 { 0 } else { row as usize };
    ensure!(
        own < directions.nrows(),
        "{name}: no rows for row {row} of the points, after {}; give a direction for each, or one for all",
        directions.nrows()
    );
    Ok(directions.row(own).to_owned())
}

fn number(defined: bool, value: f64) -> Value {
    if defined { Value::Number(value) } else { Value::Undefined }
}

/// Of the steps at one level and length, over the points that have them.
#[derive(Clone, Copy, Default)]
struct Means {
    norm_ratio: Mean,
    cosine: Mean,
    change_cosine: Mean,
    error: Mean,
}

impl Means {
    fn add(&mut self, step: &Step) {
        step.norm_ratio.into_iter().for_each(|r| self.norm_ratio.add(r));
        step.cosine.into_iter().for_each(|c| self.cosine.add(c));
        step.change_cosine.into_iter().for_each(|c| self.change_cosine.add(c));
        self.error.add(step.error);
    }
}
