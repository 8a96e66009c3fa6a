//! jacobian-rank: numerical rank of the denoiser's Jacobian.

mod found;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use found::{Found, Side};

use crate::cli::{JacobianArgs, Job, LevelArgs, Program, SamplerArgs, Source, Taken, products, usage};
use crate::denoiser::Model;
use crate::flow::Plan;
use crate::measure::numerical_rank::Survey;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Measure the numerical rank of a denoiser's Jacobian over noise levels.
///
/// The rank is the smallest r whose leading singular values hold √Σ s² above eta of the whole, strictly.
/// Points lie along the probability flow from --samples latents, at every level asked for (levels that the
/// sampler's grid lacks are added to it), or are those of --points, with noise of the level if --add-noise.
/// rank_ratio is the mean rank over d; gap is s_(r+1)/s_r, near 1 where a rank hangs on the threshold: above 0.95 a
/// warning has the ranks that other thresholds give.
///
/// Memory: the model; with --spectrum or --basis, what they write.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st | npy info - && jacobian-rank truth.st --levels edm:18 -n 15
  $ molrg-gen -d 48 -r 6 -k 2 -n 300 | dae-fit --kind molrg -r 6 -k 2 | jacobian-rank - --snr 10,1,0.1 -n 5 --per-sample")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one (default: standard input)
    model: Option<OsString>,
    #[command(flatten)]
    levels: LevelArgs,
    /// Number of latents whose flows are followed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 15)]
    samples: usize,
    /// Take these points at every level instead
    #[arg(long, value_name = "FILE", conflicts_with = "samples")]
    points: Option<OsString>,
    /// Add σ·ε to the points at each level, ε drawn per row from the seed: row i of other points has the same, unless --seed differs
    #[arg(long, requires = "points")]
    add_noise: bool,
    /// Share of √Σ s² that the rank must exceed
    #[arg(long, default_value_t = 0.99)]
    eta: f64,
    /// Set the threshold on Σ s² itself (eta²) instead
    #[arg(long, value_name = "E", conflicts_with = "eta")]
    energy: Option<f64>,
    /// How to find singular values (default: exact up to dimension 4096)
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// Singular values to look for (randomized; default 64) or to write
    #[arg(long, value_name = "q")]
    top: Option<usize>,
    /// One row per sample and level instead
    #[arg(long)]
    per_sample: bool,
    /// Write singular values there, (levels, n, q)
    #[arg(long, value_name = "FILE")]
    spectrum: Option<PathBuf>,
    /// Write right singular vectors there, (levels, n, q, d)
    #[arg(long, value_name = "FILE")]
    basis: Option<PathBuf>,
    #[command(flatten)]
    jacobian: JacobianArgs,
    #[command(flatten)]
    sampler: SamplerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// All singular values, in closed form where there is one
    Exact,
    /// The leading ones by random products; the table's energy says what share they hold
    Randomized,
}

/// Singular values that the randomized method looks for by default.
const DEFAULT_TOP: usize = 64;

/// Right singular vectors written by default.
const DEFAULT_BASIS: usize = 16;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let levels = self.levels.sigmas(&self.sampler.grid())?;
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        job.numbered(self.per_sample, "--per-sample", "rows would lose their numbers")?;
        let plan = self.sampler.plan(job)?.with_levels(&levels);
        self.sampler.jumps_over(job, &["--steps"])?;
        let threshold = self.threshold().map_err(usage)?;
        let others = self.points.as_deref().map(Some);
        job.wait_for_stdin(&[self.model.as_deref()].into_iter().chain(others).collect::<Vec<_>>())?;
        let model = job.model(self.model.as_deref())?;
        job.class_is_for([&model])?;
        let taken = || Taken::with_noise(self.add_noise, &levels);
        let fitting = |name| job.points(Some(name), &model, OsStr::new("the model"), taken());
        let points = self.points.as_deref().map(fitting).transpose()?;
        let flow = points.is_none();
        job.only(flow, &SamplerArgs::FLAGS, "the points are those of --points, and no flow is followed")?;
        job.only(!flow, &["--add-noise", "--nan", "--shape"], "it is for --points")?;
        let randomized = self.is_randomized(model.dim());
        let written = self.spectrum.is_some() || self.basis.is_some();
        job.only(flow || self.add_noise || randomized, &["--seed"], "nothing is drawn")?;
        job.only(randomized || written, &["--top"], "all singular values are found, and none is written")?;
        let dtypes: Vec<_> = points.iter().map(Rows::dtype).chain([model.dtype]).collect();
        with_dtype!(job.dtype(&dtypes), T => self.measure::<T>(job, &levels, &plan, threshold, model, points))
    }
}

impl Arguments {
    /// The threshold on Σ s².
    fn threshold(&self) -> Result<f64> {
        let value = self.energy.unwrap_or(self.eta * self.eta);
        ensure!(value > 0.0 && value < 1.0, "--eta or --energy: must lie strictly between 0 and 1");
        ensure!(self.samples > 0, "--samples 0: a rank needs at least one point");
        ensure!(self.top != Some(0), "--top 0: look for at least one singular value");
        Ok(value)
    }

    fn is_randomized(&self, d: usize) -> bool {
        self.method.map_or(d > 4096, |m| m == Method::Randomized)
    }

    fn measure<T: Scalar>(
        &self,
        job: &Job,
        levels: &[f64],
        plan: &Plan,
        threshold: f64,
        model: Model,
        points: Option<Rows>,
    ) -> Result<()> {
        let table = job.table(if self.per_sample { found::PER_SAMPLE } else { found::PER_LEVEL })?;
        let [spectrum, basis] = [&self.spectrum, &self.basis].map(|path| Side::open(job, path.as_deref()));
        let (spectrum, basis) = (spectrum?, basis?);
        let name = points.as_ref().map_or("--samples".to_string(), |p| p.name().to_string());
        let points = points.map(|mut p| p.read_all::<T>()).transpose()?;
        if points.is_some() {
            job.warn_of_levels(&model, levels);
        } else {
            job.warn_of_flow(&model, &plan.evaluated());
            job.has_flow(&model, plan.solver)?;
            job.warn_of_start(&model, &plan.sigmas);
        }
        let d = model.dim();
        let randomized = self.is_randomized(d);
        if randomized {
            self.jacobian.gives_both("--method randomized")?;
        }
        // All singular values take products of one kind, whichever there is; a few take both.
        let needed = products(&model, randomized);
        let jacobian = self.jacobian.of::<T>(model, needed)?;
        let rows = match &points {
            Some(p) => job.shared.rows.start..job.shared.rows.start + p.nrows() as u64,
            None => job.selected(self.samples),
        };
        // A table of points may be a part without any.
        let may_be_empty = self.per_sample && spectrum.is_none() && basis.is_none();
        ensure!(
            may_be_empty || rows.start < rows.end,
            "{name}: no rows to measure at; give --samples or --points with rows"
        );
        let n = (rows.end - rows.start) as usize;
        let vectors = self.top.unwrap_or(DEFAULT_BASIS).min(d);
        let kept = self.top.unwrap_or(if randomized { DEFAULT_TOP } else { d }).min(d);
        let survey = Survey {
            denoiser: jacobian.denoiser(),
            levels,
            plan,
            threshold,
            randomized: randomized.then(|| self.top.unwrap_or(DEFAULT_TOP).min(d)),
            values: if spectrum.is_some() { kept } else { 0 },
            vectors: if basis.is_some() { vectors } else { 0 },
            seed: job.shared.seed,
        };
        let spectrum = spectrum.map(|side| side.array(levels.len(), &[n, kept])).transpose()?;
        let basis = basis.map(|side| side.array(levels.len(), &[n, vectors, d])).transpose()?;
        let mut found = Found { levels, dim: d, threshold, first: rows.start, cells: Vec::new() };
        let at = |row: u64| match &points {
            Some(p) => survey.at_point(p.row((row - rows.start) as usize), row, self.add_noise),
            None => survey.along_flow(row),
        };
        let keep = |_, cells| {
            found.cells.push(cells);
            Ok(())
        };
        // One point a block: each costs a flow and a factorization a level.
        let source = Source::Numbers(rows.clone());
        job.each_block::<T, _>(source, 1, "points", |block| at(block.rows.start), keep)?;
        found.check_finite()?;
        found.write_levels(spectrum, |cell| &cell.values)?;
        found.write_levels(basis, |cell| &cell.vectors)?;
        jacobian.report(job);
        found.warn(job);
        if self.per_sample { found.per_sample(table) } else { found.per_level(table) }
    }
}
