//! dae-apply: the denoiser itself.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Args, ValueEnum};
use ndarray::{Array2, ArrayView2, s};

use crate::cli::{Block, Job, Program, Source, Taken, TimedLevelArgs};
use crate::denoiser::{Denoiser, Model};
use crate::flow::at_once;
use crate::random::NoisyPoints;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Apply a denoiser to points: E[x_0 | x̂ = point] at any noise level.
///
/// Points are x̂ = x_t/α_t, whatever the schedule. Several levels are stacked on a new leading axis.
///
/// Memory: the model and a block of rows; with several levels, the points.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 100 --truth truth.st | dae-apply truth.st - --sigma 0.5 --add-noise | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 100 --truth truth.st | dae-apply truth.st - --sigma 1,0.1 --quantity score | npy info -")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one
    model: OsString,
    /// Points, one per row (default: standard input)
    points: Option<OsString>,
    #[command(flatten)]
    levels: TimedLevelArgs,
    /// Add σ·ε to the points first, with ε drawn per row from the seed: row i of other points has the same, unless --seed differs
    #[arg(long)]
    add_noise: bool,
    /// What to compute
    #[arg(long, value_enum, default_value = "denoised")]
    quantity: Quantity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Quantity {
    /// D = E[x_0 | x̂]
    Denoised,
    /// ∇ log p = (D − x̂)/σ²
    Score,
    /// ε̂ = (x̂ − D)/σ
    Epsilon,
    /// The rectified flow's velocity E[ε − x_0] = ε̂ − D
    Velocity,
}

impl Quantity {
    /// The quantity of rows of which the first has the number `first`, from D and from x − D as the denoiser has it.
    fn of<T: Scalar>(
        self,
        denoiser: &dyn Denoiser<T>,
        x: ArrayView2<T>,
        first: u64,
        sigma: f64,
    ) -> Result<Array2<T>> {
        let (inverse, inverse2) = (T::of(1.0 / sigma), T::of(1.0 / (sigma * sigma)));
        let split = || denoiser.split_rows(x, first, sigma);
        Ok(match self {
            Quantity::Denoised => denoiser.denoise_rows(x, first, sigma)?,
            Quantity::Score => split()?.1.mapv_into(|r| -r * inverse2),
            Quantity::Epsilon => split()?.1.mapv_into(|r| r * inverse),
            Quantity::Velocity => {
                let (d, mut rest) = split()?;
                rest.zip_mut_with(&d, |r, &d| *r = *r * inverse - d);
                rest
            }
        })
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let sigmas = self.levels.sigmas(job)?;
        job.only(self.add_noise, &["--seed"], "nothing is drawn without --add-noise")?;
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        job.wait_for_stdin(&[Some(&self.model), self.points.as_deref()])?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        job.condition_is_for([&model])?;
        if self.quantity != Quantity::Denoised {
            job.denoises(&model)?;
        }
        let taken = Taken::with_noise(self.add_noise, &sigmas);
        let rows = job.points(self.points.as_deref(), &model, &self.model, taken)?;
        let dtype = job.dtype(&[model.dtype, rows.dtype()]);
        with_dtype!(dtype, T => self.apply::<T>(job, model, rows, &sigmas))
    }
}

impl Arguments {
    fn apply<T: Scalar>(&self, job: &Job, model: Model, mut rows: Rows, sigmas: &[f64]) -> Result<()> {
        job.warn_of_levels(&model, sigmas);
        let item_shape = model.item_shape.clone();
        let denoiser = model.into_denoiser::<T>()?;
        let denoiser = denoiser.as_ref();
        let most = at_once(denoiser, rows.len().unwrap_or(usize::MAX), rows.width());
        if let [sigma] = *sigmas {
            let out = job.array::<T>(rows.len(), &item_shape)?;
            return job.fill(Source::Stream(rows), most, "points", vec![out], |block| {
                let first = block.rows.start;
                let x = block.first().unwrap_or_default();
                Ok(vec![self.at_level(job, denoiser, x, sigma, first)?])
            });
        }
        // A stack needs all points once per level.
        let mut out = job.stack::<T>(sigmas.len(), rows.len(), &item_shape)?;
        let x = rows.read_all::<T>()?;
        let first = job.shared.rows.start;
        for &sigma in sigmas {
            let all = Source::Numbers(first..first + x.nrows() as u64);
            job.each_block(
                all,
                most,
                "points",
                |block: Block<T>| {
                    let part = x.slice(s![
                        (block.rows.start - first) as usize..(block.rows.end - first) as usize,
                        ..
                    ]);
                    self.at_level(job, denoiser, part.to_owned(), sigma, block.rows.start)
                },
                |_, answer| out.write(answer.view()),
            )?;
            out.end_stacked()?;
        }
        out.finish()
    }

    /// The quantity at one level, for rows of which the first has index `first`.
    /// The noise of a row is one ε for all levels.
    fn at_level<T: Scalar>(
        &self,
        job: &Job,
        denoiser: &dyn Denoiser<T>,
        mut x: Array2<T>,
        sigma: f64,
        first: u64,
    ) -> Result<Array2<T>> {
        if self.add_noise {
            x = NoisyPoints::once(x, job.shared.seed, first, 0, sigma);
        }
        let answer = self.quantity.of(denoiser, x.view(), first, sigma)?;
        job.finite(answer.view(), first)?;
        Ok(answer)
    }
}
