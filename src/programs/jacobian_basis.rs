//! jacobian-basis: leading directions of the denoiser's Jacobian.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use ndarray::{Array2, Axis};

use crate::blocks::room;
use crate::cli::{By, JacobianArgs, Job, Program, Source, noise_level, usage};
use crate::denoiser::Model;
use crate::denoiser::external::Ability;
use crate::denoiser::model::Kind;
use crate::measure::jacobian_basis::{self, Basis, Search};
use crate::random::{Purpose, normal_rows};
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
/// Memory: the model and, for every thread, about 10 (r + 4) rows of f64; where J is formed, 4 d² numbers.
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
    /// Add σ·ε to the points first, with ε drawn per row from the seed
    #[arg(long)]
    add_noise: bool,
    /// Directions to find at each point
    #[arg(long, value_name = "r", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Take the Jacobian of the part of the output where this array, of an item's shape or without its channels, is not
    /// 0
    #[arg(long, value_name = "FILE")]
    mask: Option<OsString>,
    /// Leading directions of what is outside the mask, to project off
    #[arg(long, value_name = "q", default_value_t = 0, requires = "mask")]
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
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    iterations: u32,
    #[command(flatten)]
    jacobian: JacobianArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The whole spectrum, in closed form where there is one
    Exact,
    /// The leading part of it by products with J and its transpose
    Iterated,
}

/// Size of a problem up to which it is solved exactly.
const EXACT: usize = 512;

/// What a projection may leave of a direction before a warning says so.
const LITTLE: f64 = 0.1;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.check().map_err(usage)?;
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        let mask = self.mask.as_deref();
        let inputs = [Some(&*self.model), self.points.as_deref()].into_iter().chain(mask.map(Some));
        job.wait_for_stdin(&inputs.collect::<Vec<_>>())?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let points = job.points(self.points.as_deref(), &model, &self.model)?;
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
        let (d, item_shape) = (model.dim(), model.item_shape.clone());
        // What cannot take both products is made to take all of one.
        let (jvp, vjp) = (model.can(Ability::Jvp), model.can(Ability::Vjp));
        let by_differences = self.jacobian.jacobian == By::Differences;
        let one_way = by_differences || jvp != vjp;
        let products: &[Ability] = match self.method {
            Some(Method::Iterated) => &[Ability::Jvp, Ability::Vjp],
            _ if jvp => &[Ability::Jvp],
            _ => &[Ability::Vjp],
        };
        let external = matches!(model.kind, Kind::External(_));
        let rounding = if external { model.dtype } else { T::DTYPE }.rounding().max(T::DTYPE.rounding());
        let jacobian = self.jacobian.of::<T>(model, products)?;
        let denoiser = jacobian.denoiser();
        let small = denoiser.closed_form().unwrap_or(d) <= EXACT;
        let exact = self.method.map_or(small || one_way, |method| method == Method::Exact);
        if !exact && by_differences {
            return Err(usage(anyhow!(
                "--jacobian differences: gives J v alone, and --method iterated takes Jᵀu too; give --method exact"
            )));
        }
        job.only(
            !exact,
            &["--tolerance", "--iterations"],
            "the spectrum is exact; they are for --method iterated",
        )?;
        job.only(!exact || self.add_noise, &["--seed"], "nothing is drawn")?;
        if exact && denoiser.closed_form().is_none() {
            room(&[4, d, d], "--method exact")?;
        }
        let count = self.top as usize;
        // Frames of as many directions, for each thread.
        room(&[10, count + self.null_rank as usize, d], "--top")?;
        let search = Search {
            denoiser,
            sigma: self.sigma,
            count,
            inside: mask,
            null_rank: self.null_rank as usize,
            method: match exact {
                true => jacobian_basis::Method::Exact,
                false => jacobian_basis::Method::Iterated {
                    tolerance: self.tolerance,
                    most: self.iterations as usize,
                },
            },
            rounding,
            seed: job.shared.seed,
        };
        let rows = points.len();
        let shape = [&[count], &item_shape[..]].concat();
        let mut out = job.array::<T>(rows, &shape)?;
        let mut left = self.left.as_ref().map(|path| job.side_array::<T>(path, rows, &shape)).transpose()?;
        let mut values =
            self.values.as_ref().map(|path| job.side_array::<T>(path, rows, &[count])).transpose()?;
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
                    let noise = normal_rows::<T>(job.shared.seed, Purpose::PointNoise, row..row + 1, d);
                    x.scaled_add(T::of(self.sigma), &noise);
                }
                search.at(x.row(0), row).with_context(|| format!("row {row}"))
            },
            |rows, basis| {
                out.write(as_row(&basis.right)?.view())?;
                if let Some(left) = &mut left {
                    left.write(as_row(&basis.left)?.view())?;
                }
                if let Some(values) = &mut values {
                    values.write(basis.values.mapv(T::of).insert_axis(Axis(0)).view())?;
                }
                found.add(rows.start, &basis);
                Ok(())
            },
        )?;
        jacobian.report(job);
        found.report(job, self);
        for array in [values, left].into_iter().flatten() {
            array.finish()?;
        }
        out.finish()
    }
}

/// (r, d) as one row.
fn as_row<T: Scalar>(basis: &Array2<f64>) -> Result<Array2<T>> {
    Ok(Array2::from_shape_vec((1, basis.len()), basis.iter().map(|&v| T::of(v)).collect())?)
}

/// What is to be said of all points together.
#[derive(Default)]
struct Found {
    points: u64,
    /// Points where iteration fell short, and the largest angle of them.
    turning: (u64, f64),
    /// Points with a direction that J takes to 0, and the first of them.
    nothing: Option<(u64, u64)>,
    /// The smallest share of a direction that a projection left, and where.
    kept: Option<(f64, u64)>,
    /// The smallest and largest ‖J − Jᵀ‖/‖J‖.
    asymmetry: Option<(f64, f64)>,
}

impl Found {
    fn add(&mut self, row: u64, basis: &Basis) {
        self.points += 1;
        if basis.turning > 0.0 {
            self.turning = (self.turning.0 + 1, self.turning.1.max(basis.turning));
        }
        if basis.nothing {
            let (count, first) = self.nothing.unwrap_or((0, row));
            self.nothing = Some((count + 1, first));
        }
        if self.kept.is_none_or(|(kept, _)| basis.kept < kept) {
            self.kept = Some((basis.kept, row));
        }
        if let Some(asymmetry) = basis.asymmetry {
            let (low, high) = self.asymmetry.unwrap_or((asymmetry, asymmetry));
            self.asymmetry = Some((low.min(asymmetry), high.max(asymmetry)));
        }
    }

    fn report(&self, job: &Job, arguments: &Arguments) {
        let Arguments { top, null_rank, iterations, .. } = arguments;
        if let (true, Some((low, high))) = (job.shared.verbose, self.asymmetry) {
            job.note(&format!(
                "‖J − Jᵀ‖/‖J‖ from {low:.3} to {high:.3}, 0 for the Jacobian of a posterior mean"
            ));
        }
        if let (count @ 1.., angle) = self.turning {
            job.warn(&format!(
                "at {count} of {} points a direction still turned by {angle:.1e} radians in round {iterations}: near \
                 it are others of nearly its singular value; raise --iterations, or --top to take them all",
                self.points
            ));
        }
        if let Some((count, first)) = self.nothing {
            job.warn(&format!(
                "at {count} of {} points, row {first} the first, the Jacobian takes some of the {top} directions to 0, \
                 up to rounding: they are any of its null space; give a smaller --top",
                self.points
            ));
        }
        if let Some((kept, row)) = self.kept.filter(|&(kept, _)| kept < LITTLE) {
            job.warn(&format!(
                "of a direction at row {row} the projection left {:.2} %: it hardly changes the inside of the mask \
                 without the outside; give a smaller --null-rank than {null_rank}",
                100.0 * kept
            ));
        }
    }
}
