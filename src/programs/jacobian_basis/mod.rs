//! jacobian-basis: leading directions of the denoiser's Jacobian.

mod found;
mod method;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array1, Array2, Axis};

use found::Found;
use method::Method;

use crate::cli::{JacobianArgs, Job, Program, Source, Taken, count, noise_level, products, usage};
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::measure::jacobian_basis::{Basis, Search};
use crate::random::NoisyPoints;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Find the leading right singular vectors of a denoiser's Jacobian at each of some points.
///
/// Written are r directions of length 1 a point, (N, r, item), by size of what the Jacobian J makes of them before any
/// projection. --mask
/// takes the Jacobian of the part of the output that it marks; --null-rank then projects off the q leading directions
/// of the other part, so that a step along what is left changes the part alone (LOCO edit; then directions need not be
/// orthogonal to each other). Of equal singular values, any orthonormal basis of their space is found.
///
/// Where J has a closed form or d is at most 512, the spectrum is exact; else subspace iteration takes products with J
/// and its transpose alone, until all directions turn by no more than --tolerance.
///
/// Memory: the model and, for every thread, about 3 (r + 4) rows of f64; where J is formed, 4 d² numbers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 7 -k 2 -n 15 --truth truth.st | jacobian-basis truth.st - --sigma 0.5 --add-noise --top 7 | npy info -
  $ molrg-gen -d 48 -r 7 -k 2 -n 1 --truth truth.st -o x.npy && jacobian-basis truth.st x.npy --sigma 0.5 --top 1 | npy let 'x + 2*v' --in x=x.npy --in v=- | dae-apply truth.st - --sigma 0.5 | npy info -")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one
    model: OsString,
    /// Points x̂ of the noise level, one per row (default: standard input)
    points: Option<OsString>,
    /// The noise level σ
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    sigma: f64,
    /// Add σ·ε to the points first, with ε drawn per row from the seed: row i of other points has the same, unless --seed differs
    #[arg(long)]
    add_noise: bool,
    /// Directions to find at each point
    #[arg(long, value_name = "r", default_value_t = 5, value_parser = count(1..=u32::MAX))]
    top: u32,
    /// Take the Jacobian of the part of the output where this array, of an item's shape or without its channels, is not
    /// 0
    #[arg(long, value_name = "FILE")]
    mask: Option<OsString>,
    /// Leading directions of what is outside the mask, to project off
    #[arg(long, value_name = "q", default_value_t = 0, requires = "mask", value_parser = count(0..=u32::MAX))]
    null_rank: u32,
    /// Write what J makes of the directions there, made of length 1 (left singular vectors), (N, r, item)
    #[arg(long, value_name = "FILE")]
    left: Option<PathBuf>,
    /// Write the length of what J makes of the directions there (singular values), (N, r)
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// How to find them (default: exact up to dimension 512, and where the closed form's problem is as small)
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// Angle, in radians, by which every direction may still turn in the last round
    #[arg(long, value_name = "A", default_value_t = 1e-4)]
    tolerance: f64,
    /// Rounds of products at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count(1..=u32::MAX))]
    iterations: u32,
    #[command(flatten)]
    jacobian: JacobianArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.check().map_err(usage)?;
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        let mask = self.mask.as_deref();
        let inputs = [Some(&*self.model), self.points.as_deref()].into_iter().chain(mask.map(Some));
        job.wait_for_stdin(&inputs.collect::<Vec<_>>())?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let taken = Taken::with_noise(self.add_noise, &[self.sigma]);
        let points = job.points(self.points.as_deref(), &model, &self.model, taken)?;
        ensure!(
            self.top as usize <= model.dim() && self.null_rank as usize <= model.dim(),
            usage(anyhow!("--top, --null-rank: at most the model's dimension, {}", model.dim()))
        );
        let mask = mask.map(|mask| job.mask(mask, &model.item_shape)).transpose()?;
        let dtype = job.dtype(&[model.dtype, points.dtype()]);
        with_dtype!(dtype, T => self.find::<T>(job, model, points, mask.as_deref()))
    }
}

impl Arguments {
    fn check(&self) -> Result<()> {
        noise_level("--sigma", self.sigma)?;
        ensure!(
            self.tolerance > 0.0 && self.tolerance < 1.0,
            "--tolerance {}: must lie strictly between 0 and 1",
            self.tolerance
        );
        Ok(())
    }

    fn find<T: Scalar>(&self, job: &Job, model: Model, points: Rows, mask: Option<&[bool]>) -> Result<()> {
        job.warn_of_levels(&model, &[self.sigma]);
        let item_shape = model.item_shape.clone();
        let one_way = self.jacobian.is_one_way(&model);
        let external = matches!(model.kind, Kind::External(_));
        let rounding = if external { model.dtype } else { T::DTYPE }.rounding().max(T::DTYPE.rounding());
        let needed = products(&model, self.method == Some(Method::Iterated));
        let jacobian = self.jacobian.of::<T>(model, needed)?;
        let search = Search {
            denoiser: jacobian.denoiser(),
            sigma: self.sigma,
            count: self.top as usize,
            inside: mask,
            null_rank: self.null_rank as usize,
            method: self.method(job, jacobian.denoiser(), one_way)?,
            rounding,
            seed: job.shared.seed,
        };
        let rows = points.len();
        let shape = [&[search.count], &item_shape[..]].concat();
        let mut outputs = vec![job.array::<T>(rows, &shape)?];
        for (path, shape) in [(&self.left, &shape[..]), (&self.values, &[search.count])] {
            outputs.extend(path.as_ref().map(|path| job.side_array::<T>(path, rows, shape)).transpose()?);
        }
        let mut found = Found::default();
        // One point a block: each is many products.
        job.each_block::<T, _>(
            Source::Stream(points),
            1,
            "points",
            |block| {
                let row = block.rows.start;
                let mut x = block.first().unwrap_or_default();
                if self.add_noise {
                    x = NoisyPoints::once(x, job.shared.seed, row, 0, self.sigma);
                }
                search.at(x.row(0), row).with_context(|| format!("row {row}"))
            },
            |rows, basis| {
                found.add(rows.start, &basis);
                let written = self.written::<T>(&basis);
                outputs.iter_mut().zip(written).try_for_each(|(output, row)| output.write(row.view()))
            },
        )?;
        jacobian.report(job);
        found.report(job, self);
        // The first output last: it is what further programs wait for.
        outputs.into_iter().rev().try_for_each(|output| output.finish())
    }

    /// What each output has of a point, as one row.
    fn written<T: Scalar>(&self, basis: &Basis) -> Vec<Array2<T>> {
        let mut rows = vec![as_row(basis.right.iter())];
        rows.extend(self.left.is_some().then(|| as_row(basis.left.iter())));
        rows.extend(self.values.is_some().then(|| as_row(basis.values.iter())));
        rows
    }
}

fn as_row<'a, T: Scalar>(numbers: impl Iterator<Item = &'a f64>) -> Array2<T> {
    numbers.map(|&v| T::of(v)).collect::<Array1<T>>().insert_axis(Axis(0))
}
