//! pf-sample: the probability flow, from latents to samples and back.

mod flowed;
mod generated;
mod guidance;
mod guides;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use guidance::GuidanceArgs;

use crate::cli::{Job, Program, SamplerArgs, Source, Taken, noise_level, usage};
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::flow::Plan;
use crate::stream::{Rows, items_suit};
use crate::with_dtype;

/// Sample a model by the probability flow dx/dσ = (x − D(x; σ))/σ.
///
/// Latents ε are standard normal rows; the flow starts at σ_max·ε whatever the schedule, since all follow
/// the same curve. Row i depends only on the seed and i, so models sampled from the same seed, or from the
/// same --noise file, are paired row by row.
///
/// --until ends the flow at a noise level and writes the points there, and --from goes on from such points, so that a
/// flow may change its model, or its points, on the way. In two parts that meet at a level of its grid a flow gives the
/// bytes of the whole, but for two solvers, whose steps depend on those before, so that they start anew (dpmpp2m with a
/// step of order 1, rk45 with the length of its steps), and for mixtures that flow in the fewer dimensions that they
/// span and for the closed form, where the parts agree with the whole to rounding. Noise of --churn belongs to the row and
/// the noise level.
///
/// Heun's 18 steps make samples some 2 to 4 % too wide, which a loop that trains on its samples adds up: give rk4, or more
/// --steps, there.
///
/// Memory: the model and a few blocks of rows, whatever N is; with --guidance-part, unless of two mixtures of one component,
/// 6 d² numbers a thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1200 | dae-fit --kind molrg -r 6 -k 2 | pf-sample -n 1000 --seed 3 | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st | pf-sample truth.st --encode --noise - --until 5 | pf-sample truth.st --from 5 --noise - | npy info -")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one (default: standard input)
    model: Option<OsString>,
    /// Number of samples
    #[arg(short = 'n', long, value_name = "N", required_unless_present = "noise")]
    samples: Option<usize>,
    /// Start from these latents instead; with --encode, the data to encode; with --from, points at that noise level
    #[arg(long, visible_alias = "data", value_name = "FILE", conflicts_with = "samples")]
    noise: Option<OsString>,
    /// Run the flow backwards, from data to latents
    #[arg(long, requires = "noise")]
    encode: bool,
    /// End at this noise level, and write the points there; it is added to the grid, where that lacks it
    #[arg(long, value_name = "SIGMA")]
    until: Option<f64>,
    /// Start at this noise level, from --noise FILE as points there, which are not scaled; it is added to the grid
    #[arg(long, value_name = "SIGMA", requires = "noise")]
    from: Option<f64>,
    #[command(flatten)]
    sampler: SamplerArgs,
    #[command(flatten)]
    guided: GuidanceArgs,
    /// Write all points on the way there, (N, levels, item)
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// Write the work done there: evaluations, accepted and rejected steps
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let plan = self.plan(job)?;
        let others = self.noise.as_deref().into_iter().chain(self.guided.names()).map(Some);
        job.wait_for_stdin(&[vec![self.model.as_deref()], others.collect()].concat())?;
        let model = job.any_model(self.model.as_deref())?;
        let noise = self.rows(job, &model)?;
        let guides = self.guided.open(job, &model)?;
        for model in [&model].into_iter().chain(guides.all()) {
            job.has_flow(model, plan.solver)?;
        }
        job.class_is_for([&model].into_iter().chain(guides.of_class()))?;
        job.condition_is_for([&model].into_iter().chain(guides.all()))?;
        // Stored latents set the type only when they are wider than the model.
        let dtypes: Vec<_> = noise.iter().map(Rows::dtype).chain([model.dtype]).collect();
        let source = match noise {
            Some(rows) => Source::Stream(rows),
            None => Source::Numbers(job.selected(self.samples.unwrap_or(0))),
        };
        with_dtype!(job.dtype(&dtypes), T => match model.kind {
            Kind::Generator(generator) => self.generate::<T>(job, &model.item_shape, generator, source),
            _ => self.sample::<T>(job, &plan, model, guides, source),
        })
    }
}

impl Arguments {
    /// What the flags alone say of the flow.
    fn plan(&self, job: &Job) -> Result<Plan> {
        let plan = self.sampler.plan(job)?;
        job.only(self.noise.is_none() || plan.churn.is_some(), &["--seed"], "nothing is drawn with --noise")?;
        let numbered = plan.churn.is_some() && self.noise.is_some();
        job.numbered(numbered, "--churn", "noise belongs to rows by their number")?;
        // Clap does not ask for --noise where --samples excludes it.
        if self.encode && self.noise.is_none() {
            return Err(usage(anyhow!("--encode: give the data to encode by --noise FILE")));
        }
        for (flag, level) in [("--from", self.from), ("--until", self.until)] {
            let end = flag == "--until" && !self.encode && level == Some(0.0);
            if let Some(level) = level.filter(|_| !end) {
                noise_level(flag, level).map_err(usage)?;
            }
        }
        let visited = self.trajectory.is_some();
        if !visited {
            self.sampler.jumps_over(job, &["--steps", "--schedule", "--rho"])?;
            self.sampler.jumps_over(job, if self.encode { &[] } else { &["--sigma-min"] })?;
        }
        let plan = if self.encode { plan.reversed().map_err(usage)? } else { plan };
        let plan = plan.part(self.from, self.until).map_err(usage)?;
        self.guided.check(&plan)?;
        Ok(plan)
    }

    /// The rows of --noise, which fit the model.
    fn rows(&self, job: &Job, model: &Model) -> Result<Option<Rows>> {
        let noise = self.noise.as_deref().map(|name| job.rows(Some(name))).transpose()?;
        let generator = match &model.kind {
            Kind::Generator(generator) => Some(generator),
            _ => None,
        };
        generator.map_or(Ok(()), |generator| self.check_no_flow(job, generator))?;
        job.only(noise.is_some(), &["--nan", "--shape"], "no rows are read without --noise")?;
        let Some(noise) = noise else { return Ok(None) };
        let latent = generator.map_or(model.dim(), |generator| generator.decoder.inputs);
        ensure!(
            noise.width() == latent,
            "{}: rows of width {}, but {} {latent} numbers; give rows of so many, or the model that they are for",
            noise.name(),
            noise.width(),
            if generator.is_some() { "the generator's latents have" } else { "the model's items have" },
        );
        if generator.is_none() {
            items_suit((noise.name(), noise.item_shape()), ("the model", &model.item_shape))?;
        }
        let taken = match self.from {
            Some(sigma) => Taken::Noisy(
                vec![sigma],
                format!(
                    "give points of --until {sigma}, encoded ones, or add such noise to data (npy noise, npy let)"
                ),
            ),
            None if self.encode => Taken::Data,
            None => Taken::Latents,
        };
        Ok(Some(job.meeting(noise, model, taken)))
    }
}
