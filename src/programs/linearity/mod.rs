//! linearity: how linear a denoiser is.

mod local;
mod pairs;

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{JacobianArgs, Job, Numbers, Program, Taken, TimedLevelArgs, count, parse_list, usage};
use crate::stream::{Rows, same_items};
use crate::with_dtype;

/// Measure how linear a denoiser is over noise levels.
///
/// Over pairs of different POINTS, drawn by the seed, each with noise σ·ε: D((x₁ + x₂)/√2) against (D(x₁) + D(x₂))/√2.
/// cosine is the mean of the absolute cosines of the two, and nmse the mean of the length of their difference over that
/// of D((x₁ + x₂)/√2). std_error is that of cosine over draws of POINTS and pairs, of which those that share a point are
/// alike; fewer than five do not tell it, and its field is empty. With --center the same of D(μ + ·) − μ, μ the mean of POINTS: a mean image that all answers share hides how they
/// differ, and where it makes most of nmse a warning says so. One Gaussian without mean has 1, and with --center one of
/// any mean; what memorized dips where noise is as large as the distance of its rows.
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
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count(1..=u32::MAX))]
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
        let points = job.points(self.points.as_deref(), &model, &self.model, Taken::Data)?;
        let directions = file.map(|name| directions(job, name, &points)).transpose()?;
        let dtypes: Vec<_> =
            [model.dtype, points.dtype()].into_iter().chain(directions.as_ref().map(Rows::dtype)).collect();
        job.warn_of_levels(&model, &sigmas);
        with_dtype!(job.dtype(&dtypes), T => match self.local {
            true => self.locally::<T>(job, &sigmas, lambdas, model, points, directions),
            false => self.over_pairs::<T>(job, &sigmas, model, points),
        })
    }
}

/// Directions of the points' dimension.
fn directions(job: &Job, name: &OsStr, points: &Rows) -> Result<Rows> {
    let directions = job.all_rows(Some(name))?;
    ensure!(
        directions.width() == points.width(),
        "{}: rows of width {}, where points have {}; give directions of their dimension",
        directions.name(),
        directions.width(),
        points.width()
    );
    same_items((directions.name(), directions.item_shape()), (points.name(), points.item_shape()))?;
    Ok(directions)
}
