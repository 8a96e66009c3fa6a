//! jacobian-rank: numerical rank of the denoiser's Jacobian.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use ndarray::Array2;

use crate::cli::{
    Block, By, JacobianArgs, Job, LevelArgs, Program, SamplerArgs, Source, array_format, usage,
};
use crate::denoiser::Model;
use crate::denoiser::external::Ability;
use crate::flow::Plan;
use crate::measure::interval::Mean;
use crate::measure::numerical_rank::{Cell, Rank, Survey};
use crate::scalar::Scalar;
use crate::stream::{ArrayWriter, Format, Output, Rows, same_items};
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
    /// Add σ·ε to the points at each level, ε drawn per row from the seed
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
        let threshold = self.threshold().map_err(usage)?;
        match &self.points {
            Some(points) => job.wait_for_stdin(&[self.model.as_deref(), Some(points)])?,
            None => job.wait_for_stdin(&[self.model.as_deref()])?,
        }
        let model = job.model(self.model.as_deref())?;
        job.class_is_for([&model])?;
        let points = self.points.as_deref().map(|p| job.rows(Some(p))).transpose()?;
        let mut dtypes = vec![model.dtype];
        if let Some(points) = &points {
            ensure!(
                points.width() == model.dim(),
                "{}: rows of width {}, but the model is of dimension {}",
                points.name(),
                points.width(),
                model.dim()
            );
            same_items((points.name(), points.item_shape()), ("the model", &model.item_shape))?;
            dtypes.push(points.dtype());
        }
        let flow = points.is_none();
        job.only(flow, &SamplerArgs::FLAGS, "the points are those of --points, and no flow is followed")?;
        job.only(!flow, &["--add-noise", "--nan", "--shape"], "it is for --points")?;
        let randomized = self.is_randomized(model.dim());
        let written = self.spectrum.is_some() || self.basis.is_some();
        job.only(flow || self.add_noise || randomized, &["--seed"], "nothing is drawn")?;
        job.only(randomized || written, &["--top"], "all singular values are found, and none is written")?;
        let dtype = job.dtype(&dtypes);
        with_dtype!(dtype, T => self.measure::<T>(job, &levels, &plan, threshold, model, points))
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
        let columns: &[&str] = if self.per_sample {
            &["sigma", "snr", "sample", "rank", "rank_ratio", "energy", "gap"]
        } else {
            &["sigma", "snr", "rank_mean", "rank_std", "rank_min", "rank_max", "rank_ratio", "n"]
        };
        let mut table = job.table(columns)?;
        let side = |path: &Option<PathBuf>| path.as_deref().map(|p| job.side_output(p)).transpose();
        let (spectrum, basis) = (side(&self.spectrum)?, side(&self.basis)?);
        let name = points.as_ref().map_or("--samples".to_string(), |p| p.name().to_string());
        let points = points.map(|mut p| p.read_all::<T>()).transpose()?;
        let visited = if points.is_some() { levels.to_vec() } else { plan.evaluated() };
        job.warn_of_levels(&model, &visited);
        if points.is_none() {
            job.warn_of_start(&model, &plan.sigmas);
        }
        let d = model.dim();
        let randomized = self.is_randomized(d);
        if randomized && self.jacobian.jacobian == By::Differences {
            return Err(usage(anyhow::anyhow!(
                "--jacobian differences: gives J v alone, and --method randomized takes Jᵀu too; give --method exact"
            )));
        }
        // All singular values take products of one kind, whichever there is; a few take both.
        let products: &[Ability] = match (randomized, model.can(Ability::Jvp) && !model.can(Ability::Vjp)) {
            (true, _) => &[Ability::Jvp, Ability::Vjp],
            (false, true) => &[Ability::Jvp],
            (false, false) => &[Ability::Vjp],
        };
        let jacobian = self.jacobian.of::<T>(model, products)?;
        let denoiser = jacobian.denoiser();
        let rows = match &points {
            Some(p) => job.shared.rows.start..job.shared.rows.start + p.nrows() as u64,
            None => job.selected(self.samples),
        };
        ensure!(rows.start < rows.end, "{name}: no rows to measure at; give --samples or --points with rows");
        let n = (rows.end - rows.start) as usize;
        let vectors = self.top.unwrap_or(DEFAULT_BASIS).min(d);
        let kept = self.top.unwrap_or(if randomized { DEFAULT_TOP } else { d }).min(d);
        let survey = Survey {
            denoiser,
            levels,
            plan,
            threshold,
            randomized: randomized.then(|| self.top.unwrap_or(DEFAULT_TOP).min(d)),
            values: if self.spectrum.is_some() { kept } else { 0 },
            vectors: if self.basis.is_some() { vectors } else { 0 },
            seed: job.shared.seed,
        };
        let array = |output: Option<Output>, path: &Option<PathBuf>, shape: &[usize]| {
            let format = path.as_deref().map_or(Format::Npy, array_format);
            output.map(|o| ArrayWriter::<f64>::new(o, format, Some(levels.len()), shape)).transpose()
        };
        let spectrum = array(spectrum, &self.spectrum, &[n, kept])?;
        let basis = array(basis, &self.basis, &[n, vectors, d])?;
        // One point a block: each costs a flow and a factorization a level.
        let mut columns: Vec<Vec<Cell>> = Vec::new();
        job.each_block::<T, _>(
            Source::Numbers(rows.clone()),
            1,
            "points",
            |Block { rows: row, .. }| match &points {
                Some(points) => {
                    let point = points.row((row.start - rows.start) as usize);
                    survey.at_point(point, row.start, self.add_noise)
                }
                None => survey.along_flow(row.start),
            },
            |_, cells| {
                columns.push(cells);
                Ok(())
            },
        )?;
        let finite =
            |c: &Cell| c.rank.energy.is_finite() && c.values.iter().chain(&c.vectors).all(|x| x.is_finite());
        ensure!(
            columns.iter().flatten().all(finite),
            "a Jacobian is not finite: the model's numbers are too large for these noise levels"
        );
        write_levels(spectrum, levels.len(), |l| columns.iter().flat_map(|c| c[l].values.clone()).collect())?;
        write_levels(basis, levels.len(), |l| columns.iter().flat_map(|c| c[l].vectors.clone()).collect())?;
        jacobian.report(job);
        let short = columns.iter().flatten().filter(|c| c.rank.energy <= threshold).count();
        if short > 0 {
            job.warn(&format!(
                "{short} ranks are only bounds: the singular values found do not reach the threshold; raise --top"
            ));
        }
        warn_of_hanging(job, &columns, levels);
        if self.per_sample {
            // Sample by sample, so that the tables of --rows join to the whole.
            for (sample, column) in rows.zip(&columns) {
                for (&sigma, cell) in levels.iter().zip(column) {
                    let Rank { rank, energy, gap } = cell.rank;
                    table.row(&[
                        sigma.into(),
                        (1.0 / sigma).into(),
                        sample.into(),
                        rank.into(),
                        (rank as f64 / d as f64).into(),
                        energy.into(),
                        gap.into(),
                    ])?;
                }
            }
            return table.finish();
        }
        for (l, &sigma) in levels.iter().enumerate() {
            let mut mean = Mean::default();
            let ranks: Vec<usize> = columns.iter().map(|c| c[l].rank.rank).collect();
            ranks.iter().for_each(|r| mean.add(*r as f64));
            table.row(&[
                sigma.into(),
                (1.0 / sigma).into(),
                mean.mean.into(),
                mean.variance().sqrt().into(),
                ranks.iter().min().copied().unwrap_or(0).into(),
                ranks.iter().max().copied().unwrap_or(0).into(),
                (mean.mean / d as f64).into(),
                n.into(),
            ])?;
        }
        table.finish()
    }
}

/// Says where ranks stand between singular values that are alike, with the one that another threshold changes most.
fn warn_of_hanging(job: &Job, columns: &[Vec<Cell>], levels: &[f64]) {
    let cells = || columns.iter().flat_map(|column| column.iter().zip(levels));
    let hanging = cells().filter_map(|(cell, level)| Some((cell.rank, cell.about?, level)));
    let count = hanging.clone().count();
    // Of equals the first.
    let worst = hanging.rev().max_by_key(|(_, [low, high], _)| high - low);
    if let Some((Rank { rank, gap, .. }, [low, high], level)) = worst {
        job.warn(&format!(
            "{count} of {} ranks hang on the threshold, since singular values are alike there: at sigma {level} rank {rank}, \
             where s_(r+1) is {gap:.3} of s_r, would be {low} if twice as much energy might be left out, {high} if half as \
             much; give ranks at several --eta, or look at --spectrum",
            cells().count()
        ));
    }
}

/// Writes one row per level.
fn write_levels(
    writer: Option<ArrayWriter<f64>>,
    levels: usize,
    values: impl Fn(usize) -> Vec<f64>,
) -> Result<()> {
    let Some(mut writer) = writer else { return Ok(()) };
    for l in 0..levels {
        let values = values(l);
        let width = values.len();
        writer.write(Array2::from_shape_vec((1, width), values)?.view())?;
    }
    writer.finish()
}
