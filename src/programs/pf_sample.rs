//! pf-sample: the probability flow, from latents to samples and back.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::blocks::block_size;
use crate::cli::{Job, Program, SamplerArgs, Source, usage};
use crate::denoiser::model::{Generative, Kind};
use crate::denoiser::{Denoiser, Guided, Model};
use crate::flow::{Plan, Trajectory, Work, at_most, at_once};
use crate::generator::Generator;
use crate::random::{Purpose, normal_rows};
use crate::scalar::{Dtype, Scalar};
use crate::schedule::SIGMAS;
use crate::stream::{Rows, same_items};
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
/// span, where the parts agree with the whole to rounding. Noise of --churn belongs to the row and the noise level.
///
/// Memory: the model and a few blocks of rows, whatever N is.
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
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    until: Option<f64>,
    /// Start at this noise level, from --noise FILE as points there, which are not scaled; it is added to the grid
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true, requires = "noise")]
    from: Option<f64>,
    #[command(flatten)]
    sampler: SamplerArgs,
    /// Guidance weight W: D = D_u + W (D − D_u), D_u that of --unconditional
    #[arg(long, value_name = "W", requires = "unconditional")]
    guidance: Option<f64>,
    /// The unconditional model, which is asked without --class
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    unconditional: Option<OsString>,
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
        let others = self.noise.iter().chain(&self.unconditional).map(|n| Some(n.as_os_str()));
        job.wait_for_stdin(&[vec![self.model.as_deref()], others.collect()].concat())?;
        let model = job.any_model(self.model.as_deref())?;
        job.class_is_for([&model])?;
        let unconditional =
            self.unconditional.as_deref().map(|name| job.unconditional_model(name)).transpose()?;
        if let Some(other) = &unconditional {
            ensure!(
                other.dim() == model.dim(),
                "--unconditional: a model of dimension {}, where the conditional one has {}",
                other.dim(),
                model.dim()
            );
            same_items(("--unconditional", &other.item_shape), ("the conditional model", &model.item_shape))?;
        }
        let noise = self.noise.as_deref().map(|name| job.rows(Some(name))).transpose()?;
        let latent = match &model.kind {
            Kind::Generator(generator) => {
                self.check_no_flow(job, generator)?;
                generator.decoder.inputs
            }
            _ => model.dim(),
        };
        job.only(noise.is_some(), &["--nan", "--shape"], "no rows are read without --noise")?;
        if let Some(noise) = &noise {
            ensure!(
                noise.width() == latent,
                "{}: rows of width {}, but the model is of dimension {latent}",
                noise.name(),
                noise.width(),
            );
            if !matches!(model.kind, Kind::Generator(_)) {
                same_items((noise.name(), noise.item_shape()), ("the model", &model.item_shape))?;
            }
        }
        // Stored latents set the type only when they are wider than the model.
        let dtypes: Vec<Dtype> = noise.iter().map(Rows::dtype).chain([model.dtype]).collect();
        let source = match noise {
            Some(rows) => Source::Stream(rows),
            None => Source::Numbers(job.selected(self.samples.unwrap_or(0))),
        };
        with_dtype!(job.dtype(&dtypes), T => match model.kind {
            Kind::Generator(generator) => self.generate::<T>(job, &model.item_shape, generator, source),
            _ => self.sample::<T>(job, &plan, model, unconditional, source),
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
        if let Some(weight) = self.guidance.filter(|w| !w.is_finite()) {
            return Err(usage(anyhow!("--guidance {weight}: must be finite")));
        }
        for (flag, level) in [("--from", self.from), ("--until", self.until)] {
            let end = flag == "--until" && !self.encode && level == Some(0.0);
            if let Some(level) = level.filter(|level| !end && !SIGMAS.contains(level)) {
                return Err(usage(anyhow!(
                    "{flag} {level}: a noise level must be positive, between 1e-18 and 1e18"
                )));
            }
        }
        let plan = if self.encode { plan.reversed().map_err(usage)? } else { plan };
        plan.part(self.from, self.until).map_err(usage)
    }

    fn check_no_flow(&self, job: &Job, generator: &Generative) -> Result<()> {
        job.only(false, &SamplerArgs::FLAGS, "a generator has no flow")?;
        let flow = self.encode
            || self.until.or(self.from).or(self.guidance).is_some()
            || self.trajectory.is_some()
            || self.report.is_some();
        ensure!(
            !flow,
            "{}: is a model of kind {}, which has no flow; leave out --encode, --until, --from, --guidance, --trajectory \
             and --report",
            self.model.as_deref().unwrap_or(OsStr::new("-")).display(),
            generator.name
        );
        Ok(())
    }

    /// Samples of a generator, which has no flow.
    fn generate<T: Scalar>(
        &self,
        job: &Job,
        item_shape: &[usize],
        generator: Generative,
        source: Source,
    ) -> Result<()> {
        let generator = Generator::<T>::new(generator.decoder, generator.parameters.into_vec())?;
        let out = job.array(source.len(), item_shape)?;
        let most = at_most(block_size(source.len().unwrap_or(usize::MAX)), item_shape.iter().product());
        job.fill(source, most, "samples", vec![out], |block| {
            let rows = block.rows.clone();
            let drawn = || normal_rows(job.shared.seed, Purpose::Latents, rows.clone(), generator.latent());
            let samples = generator.generate(block.first().unwrap_or_else(drawn).view());
            job.finite(samples.view(), rows.start)?;
            Ok(vec![samples])
        })
    }

    fn sample<T: Scalar>(
        &self,
        job: &Job,
        plan: &Plan,
        model: Model,
        unconditional: Option<Model>,
        source: Source,
    ) -> Result<()> {
        for model in [&model].into_iter().chain(&unconditional) {
            job.warn_of_levels(model, &plan.evaluated());
        }
        if !self.encode && self.from.is_none() {
            job.warn_of_start(&model, &plan.sigmas);
        }
        let item_shape = model.item_shape.clone();
        let model = model.into_denoiser::<T>()?;
        let unconditional = unconditional.map(Model::into_denoiser::<T>).transpose()?;
        let guided = unconditional.as_ref().zip(self.guidance).map(|(unconditional, weight)| Guided {
            conditional: model.as_ref(),
            unconditional: unconditional.as_ref(),
            weight: T::of(weight),
        });
        let denoiser = guided.as_ref().map_or(model.as_ref(), |guided| guided as &dyn Denoiser<T>);
        let (count, levels, dim) = (source.len(), plan.sigmas.len(), denoiser.dim());
        let mut outputs = vec![job.array(count, &item_shape)?];
        if let Some(path) = &self.trajectory {
            outputs.push(job.side_array(path, count, &[&[levels], &item_shape[..]].concat())?);
        }
        let columns = ["samples", "evaluations", "accepted", "rejected"];
        let report = self.report.as_deref().map(|path| job.side_table(path, &columns)).transpose()?;
        // A row of a trajectory is as wide as all its levels.
        let width = if self.trajectory.is_some() { levels * dim } else { dim };
        let most = at_once(denoiser, count.unwrap_or(usize::MAX), width);
        let done = Mutex::new((0, Work::default()));
        job.fill(source, most, "samples", outputs, |block| {
            let rows = block.rows.clone();
            // Latents are scaled to the first level; points, and data to encode, are taken as they are.
            let mut x = match block.first() {
                Some(x) if self.encode || self.from.is_some() => x,
                Some(latents) => latents * T::of(plan.sigmas[0]),
                None => plan.start(job.shared.seed, rows.clone(), dim),
            };
            let trajectory = self.trajectory.is_some().then(|| Trajectory::new(x.nrows(), levels, dim));
            let (work, trajectory) = plan.carry(denoiser, &mut x, rows.start, job.shared.seed, trajectory)?;
            if self.encode && self.until.is_none() {
                x *= T::of(1.0 / plan.sigmas[levels - 1]);
            }
            job.finite(x.view(), rows.start)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0 += rows.end - rows.start;
            done.1 += work;
            Ok([Some(x), trajectory.map(|t| t.points)].into_iter().flatten().collect())
        })?;
        if let Some(mut report) = report {
            let (rows, Work { evaluations, accepted, rejected }) =
                done.into_inner().unwrap_or_else(PoisonError::into_inner);
            report.row(&[rows.into(), evaluations.into(), accepted.into(), rejected.into()])?;
            report.finish()?;
        }
        Ok(())
    }
}
