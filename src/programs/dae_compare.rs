//! dae-compare: how far apart two denoisers are.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cli::{Block, Job, LevelArgs, Program, SamplerArgs, Source, Taken};
use crate::denoiser::Model;
use crate::flow::{Plan, at_once};
use crate::measure::comparison::{Gap, Gaps, Pair};
use crate::scalar::Scalar;
use crate::stream::{Rows, Table, Value};
use crate::with_dtype;

/// Measure how far apart two denoisers are over noise levels.
///
/// At each level both are asked at the same points x: POINTS + σ·ε, ε drawn per row from the seed, one for all levels;
/// or, with -n, those of A's probability flow there. With a = A(x) and b = B(x), rmse, nmse and cosine are the means
/// over the points of ‖a − b‖/√d, ‖a − b‖/‖a‖ and aᵀb/‖a‖‖b‖; explained is 1 − Σ‖a − b‖²/Σ‖a‖². std_error is that of
/// rmse. Points at which a (or, for the cosine, one of the two) is 0 have no nmse and cosine: they are left out of
/// these means, and a field is empty where none is left.
///
/// Memory: the models and a few blocks of rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 300 --truth truth.st | dae-fit --kind empirical | dae-compare - truth.st -n 100 --levels edm:18
  $ molrg-gen -d 48 -r 6 -k 2 -n 300 --truth truth.st | tee data.npy | dae-fit --kind gaussian | dae-compare - truth.st data.npy --sigma 2,0.5")]
pub struct Arguments {
    /// A model: a file, or exec:COMMAND for a program that is one
    a: OsString,
    /// Another
    b: OsString,
    /// Data without noise, one per row (default, without -n: standard input)
    points: Option<OsString>,
    #[command(flatten)]
    levels: LevelArgs,
    /// Take the points of so many latents along A's flow instead
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "points")]
    samples: Option<usize>,
    /// One row per point and level instead
    #[arg(long)]
    per_sample: bool,
    #[command(flatten)]
    sampler: SamplerArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let levels = self.levels.sigmas(&self.sampler.grid())?;
        // The flow of A from latents visits every level.
        let plan = self.sampler.plan(job)?.with_levels(&levels);
        self.sampler.jumps_over(job, &["--steps"])?;
        let flow = self.samples.is_some();
        let timed = |flag: &&str| *flag != "--schedule" || self.levels.time.is_none();
        let sampler: Vec<&str> = SamplerArgs::FLAGS.into_iter().filter(timed).collect();
        job.only(flow, &sampler, "no flow is followed without -n")?;
        job.only(!flow, &["--nan", "--shape"], "no rows are read with -n")?;
        job.numbered(!flow, "noise", "it belongs to rows by their number")?;
        let mut inputs = vec![Some(self.a.as_os_str()), Some(&self.b)];
        inputs.extend((!flow).then_some(self.points.as_deref()));
        job.wait_for_stdin(&inputs)?;
        let (a, b) = job.two_models(&self.a, &self.b)?;
        job.class_is_for([&a, &b])?;
        let points = match flow {
            true => None,
            false => Some(job.points(self.points.as_deref(), &a, &self.a, Taken::Data)?),
        };
        let dtypes: Vec<_> = [a.dtype, b.dtype].into_iter().chain(points.as_ref().map(Rows::dtype)).collect();
        let plan = flow.then_some(plan);
        with_dtype!(job.dtype(&dtypes), T => self.compare::<T>(job, &levels, a, b, points, plan))
    }
}

impl Arguments {
    fn compare<T: Scalar>(
        &self,
        job: &Job,
        levels: &[f64],
        a: Model,
        b: Model,
        points: Option<Rows>,
        plan: Option<Plan>,
    ) -> Result<()> {
        let columns: &[&str] = match self.per_sample {
            true => &["sigma", "sample", "rmse", "nmse", "cosine"],
            false => &["sigma", "rmse", "nmse", "cosine", "explained", "std_error", "n"],
        };
        let mut table = job.table(columns)?;
        match &plan {
            Some(plan) => drop(job.warn_of_flow(&a, &plan.evaluated())),
            None => job.warn_of_levels(&a, levels),
        }
        job.warn_of_levels(&b, levels);
        if let Some(plan) = &plan {
            job.has_flow(&a, plan.solver)?;
            job.warn_of_start(&a, &plan.sigmas);
        }
        let name = points.as_ref().map_or("-n".to_string(), |rows| rows.name().to_string());
        let source = match points {
            Some(rows) => Source::Stream(rows),
            None => Source::Numbers(job.selected(self.samples.unwrap_or(0))),
        };
        let (a, b) = (a.into_denoiser::<T>()?, b.into_denoiser::<T>()?);
        let both = Pair { a: a.as_ref(), b: b.as_ref(), levels, seed: job.shared.seed };
        let most = at_once(both.a, source.len().unwrap_or(usize::MAX), both.a.dim());
        let mut all = vec![Gaps::default(); levels.len()];
        let work = |block: Block<T>| match &plan {
            Some(plan) => both.along_flow(plan, block.rows),
            None => {
                let first = block.rows.start;
                both.at_points(block.first().unwrap_or_default(), first)
            }
        };
        job.each_block(source, most, "points", work, |rows, gaps: Vec<Vec<Gap>>| {
            for (i, row) in rows.enumerate() {
                for ((sigma, gaps), all) in levels.iter().zip(&gaps).zip(&mut all) {
                    let gap = &gaps[i];
                    all.add(gap);
                    if self.per_sample {
                        let [nmse, cosine] = [gap.nmse(), gap.cosine].map(Value::from);
                        table.row(&[(*sigma).into(), row.into(), gap.rmse().into(), nmse, cosine])?;
                    }
                }
            }
            Ok(())
        })?;
        if !self.per_sample {
            for (sigma, gaps) in levels.iter().zip(&all) {
                ensure!(gaps.rmse.n > 0, "{name}: no rows to compare at; give points, or -n");
                level_row(&mut table, *sigma, gaps)?;
            }
        }
        table.finish()
    }
}

fn level_row(table: &mut Table, sigma: f64, gaps: &Gaps) -> Result<()> {
    table.row(&[
        sigma.into(),
        gaps.rmse.mean.into(),
        gaps.nmse.value().into(),
        gaps.cosine.value().into(),
        gaps.explained().into(),
        gaps.rmse.error().into(),
        gaps.rmse.n.into(),
    ])
}
