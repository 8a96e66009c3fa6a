//! pf-sample: the probability flow, from latents to samples and back.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use molrg::blocks::{self, in_order};
use molrg::cli::{self, Job, Program, SamplerArgs, Shared, usage};
use molrg::denoiser::model::{Generative, Kind};
use molrg::denoiser::{Denoiser, Guided, Model};
use molrg::flow::{Plan, Trajectory, Work, at_most};
use molrg::generator::Generator;
use molrg::random::{Purpose, normal_rows};
use molrg::scalar::{Dtype, Scalar};
use molrg::stream::{ArrayWriter, NanPolicy, Rows, block_rows};
use molrg::with_dtype;
use ndarray::{Array2, s};

/// Sample a model by the probability flow dx/dσ = (x − D(x; σ))/σ.
///
/// Latents ε are standard normal rows; the flow starts at σ_max·ε whatever the schedule, since all follow
/// the same curve. Row i depends only on the seed and i, so models sampled from the same seed, or from the
/// same --noise file, are paired row by row.
///
/// Memory: the model and a few blocks of rows, whatever N is.
#[derive(Parser)]
#[command(
    name = "pf-sample",
    after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1200 | dae-fit --kind molrg -r 6 -k 2 | pf-sample -n 1000 --seed 3 | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st | pf-sample truth.st --encode --noise - | pf-sample truth.st --noise - | npy info -"
)]
struct Arguments {
    /// The model (default: standard input)
    model: Option<OsString>,
    /// Number of samples
    #[arg(short = 'n', long, value_name = "N", required_unless_present = "noise")]
    samples: Option<usize>,
    /// Start from these latents instead; with --encode, the data to encode
    #[arg(long, visible_alias = "data", value_name = "FILE", conflicts_with = "samples")]
    noise: Option<OsString>,
    /// Run the flow backwards, from data to latents
    #[arg(long, requires = "noise")]
    encode: bool,
    #[command(flatten)]
    sampler: SamplerArgs,
    /// Guidance weight W: D = D_u + W (D − D_u), D_u that of --unconditional
    #[arg(long, value_name = "W", requires = "unconditional")]
    guidance: Option<f64>,
    /// The unconditional model
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    unconditional: Option<OsString>,
    /// Write all points on the way there, (N, levels, item)
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// Write the work done there: evaluations, accepted and rejected steps
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    shared: Shared,
}

impl Program for Arguments {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn run(self, job: &Job) -> Result<()> {
        let plan = self.sampler.plan()?;
        if plan.churn.is_some() && self.noise.is_some() && self.shared.nan == NanPolicy::Drop {
            return Err(usage(anyhow::anyhow!(
                "--churn with --nan drop: noise belongs to rows by their number"
            )));
        }
        // Clap does not ask for --noise where --samples excludes it.
        if self.encode && self.noise.is_none() {
            return Err(usage(anyhow::anyhow!("--encode: give the data to encode by --noise FILE")));
        }
        if let Some(weight) = self.guidance.filter(|w| !w.is_finite()) {
            return Err(usage(anyhow::anyhow!("--guidance {weight}: must be finite")));
        }
        let plan = if self.encode { plan.reversed().map_err(usage)? } else { plan };
        let others = self.noise.iter().chain(&self.unconditional).map(|n| Some(n.as_os_str()));
        job.wait_for_stdin(&[vec![self.model.as_deref()], others.collect()].concat())?;
        let model = Model::read(job.open(self.model.as_deref())?)?;
        let unconditional = self.unconditional.as_deref().map(|name| job.model(Some(name))).transpose()?;
        if let Some(other) = &unconditional {
            ensure!(
                other.dim() == model.dim(),
                "--unconditional: a model of dimension {}, where the conditional one has {}",
                other.dim(),
                model.dim()
            );
        }
        let noise = self.noise.as_deref().map(|name| job.rows(Some(name))).transpose()?;
        let latent = match &model.kind {
            Kind::Generator(generator) => {
                let flow = self.encode || self.guidance.is_some() || self.trajectory.is_some();
                ensure!(
                    !flow && self.report.is_none(),
                    "{}: is a model of kind {}, which has no flow; leave out --encode, --guidance, --trajectory \
                     and --report",
                    self.model.as_deref().unwrap_or(OsStr::new("-")).display(),
                    generator.name
                );
                generator.decoder.inputs
            }
            _ => model.dim(),
        };
        let mut dtypes = vec![model.dtype];
        if let Some(noise) = &noise {
            ensure!(
                noise.width() == latent,
                "{}: rows of width {}, but the model is of dimension {latent}",
                noise.name(),
                noise.width(),
            );
            // Stored latents set the type only when they are wider than the model.
            dtypes.push(noise.dtype());
        }
        let dtype: Dtype = job.dtype(&dtypes);
        with_dtype!(dtype, T => match model.kind {
            Kind::Generator(generator) => self.generate::<T>(job, &model.item_shape, generator, noise),
            _ => self.sample::<T>(job, &plan, model, unconditional, noise),
        })
    }
}

impl Arguments {
    /// Samples of a generator, which has no flow.
    fn generate<T: Scalar>(
        &self,
        job: &Job,
        item_shape: &[usize],
        generator: Generative,
        noise: Option<Rows>,
    ) -> Result<()> {
        let generator = Generator::<T>::new(generator.decoder, generator.parameters.into_vec())?;
        let Some(mut noise) = noise else {
            let rows = job.selected(self.samples.unwrap_or(0));
            let mut out = job.array(Some((rows.end - rows.start) as usize), item_shape)?;
            let latents =
                |rows| normal_rows::<T>(self.shared.seed, Purpose::Latents, rows, generator.latent());
            let block =
                at_most(blocks::block_size((rows.end - rows.start) as usize), item_shape.iter().product());
            in_order(
                rows,
                block,
                |rows| {
                    let samples = generator.generate(latents(rows.clone()).view());
                    job.finite(samples.view(), rows.start)?;
                    Ok(samples)
                },
                |samples| out.write(samples.view()),
            )?;
            return out.finish();
        };
        let mut out = job.array(noise.len(), item_shape)?;
        let mut first = self.shared.rows.start;
        while let Some(latents) = noise.next_block::<T>(block_rows(generator.latent()))? {
            let samples = generator.generate(latents.view());
            job.finite(samples.view(), first)?;
            first += samples.nrows() as u64;
            out.write(samples.view())?;
        }
        out.finish()
    }

    fn sample<T: Scalar>(
        &self,
        job: &Job,
        plan: &Plan,
        model: Model,
        unconditional: Option<Model>,
        noise: Option<Rows>,
    ) -> Result<()> {
        job.warn_of_levels(&model, &plan.sigmas);
        job.warn_of_start(&model, &plan.sigmas);
        let item_shape = model.item_shape.clone();
        let model = model.into_denoiser::<T>()?;
        let unconditional = unconditional.map(Model::into_denoiser::<T>).transpose()?;
        let guided;
        let denoiser: &dyn Denoiser<T> = match (&unconditional, self.guidance) {
            (Some(unconditional), Some(weight)) => {
                guided = Guided {
                    conditional: model.as_ref(),
                    unconditional: unconditional.as_ref(),
                    weight: T::of(weight),
                };
                &guided
            }
            _ => model.as_ref(),
        };
        let rows = noise.as_ref().map_or_else(|| Some(job.selected(self.samples.unwrap_or(0))), |_| None);
        let count = match &rows {
            Some(rows) => Some((rows.end - rows.start) as usize),
            None => noise.as_ref().and_then(Rows::len),
        };
        let levels = plan.sigmas.len();
        let mut sink = Sink {
            job,
            next: rows.as_ref().map_or(self.shared.rows.start, |rows| rows.start),
            out: job.array(count, &item_shape)?,
            trajectory: match &self.trajectory {
                Some(path) => Some(job.side_array(path, count, &[&[levels], &item_shape[..]].concat())?),
                None => None,
            },
            work: Work::default(),
            progress: job.progress(count.map(|n| n as u64), "samples"),
        };
        let report = match &self.report {
            Some(path) => Some(job.side_table(path, &["samples", "evaluations", "accepted", "rejected"])?),
            None => None,
        };
        let flow = Flow { plan, denoiser, seed: self.shared.seed, trajectory: self.trajectory.is_some() };
        let dim = denoiser.dim();
        // What a row takes on its way.
        let width = if self.trajectory.is_some() { dim * levels } else { dim };
        let mut done = 0u64;
        match (rows, noise) {
            (Some(rows), _) => {
                let block = at_most(denoiser.block((rows.end - rows.start) as usize), width);
                done = rows.end - rows.start;
                in_order(
                    rows,
                    block,
                    |rows| flow.carry(plan.start(self.shared.seed, rows.clone(), dim), rows.start),
                    |piece| sink.take(piece),
                )?;
            }
            (None, Some(mut noise)) => {
                let first = self.shared.rows.start;
                // Latents are scaled to the first level; data to encode are taken as they are.
                let scale = if self.encode { T::one() } else { T::of(plan.sigmas[0]) };
                while let Some(x) = noise.next_block::<T>(block_rows(dim))? {
                    let n = x.nrows() as u64;
                    in_order(
                        0..n,
                        at_most(denoiser.block(x.nrows()), width),
                        |rows| {
                            let part = x.slice(s![rows.start as usize..rows.end as usize, ..]);
                            flow.carry(part.mapv(|v| v * scale), first + done + rows.start)
                        },
                        |mut piece| {
                            if self.encode {
                                let latent = T::of(1.0 / plan.sigmas[levels - 1]);
                                piece.samples.mapv_inplace(|v| v * latent);
                            }
                            sink.take(piece)
                        },
                    )?;
                    done += n;
                }
            }
            (None, None) => {}
        }
        if let Some(mut report) = report {
            let Work { evaluations, accepted, rejected } = sink.work;
            report.row(&[done.into(), evaluations.into(), accepted.into(), rejected.into()])?;
            report.finish()?;
        }
        sink.finish()
    }
}

/// Everything a block of rows needs to be carried along the flow.
struct Flow<'a, T: Scalar> {
    plan: &'a Plan,
    denoiser: &'a dyn Denoiser<T>,
    seed: u64,
    trajectory: bool,
}

/// A block of rows at the end of the flow.
struct Piece<T: Scalar> {
    samples: Array2<T>,
    trajectory: Option<Trajectory<T>>,
    work: Work,
}

impl<T: Scalar> Flow<'_, T> {
    fn carry(&self, mut x: Array2<T>, first: u64) -> Result<Piece<T>> {
        if !self.trajectory {
            let work = self.plan.run(self.denoiser, &mut x, first, self.seed)?;
            return Ok(Piece { samples: x, trajectory: None, work });
        }
        let mut trajectory = Trajectory::new(x.nrows(), self.plan.sigmas.len(), x.ncols());
        let work = self.plan.trace(self.denoiser, &mut x, first, self.seed, |step, _, x| {
            trajectory.record(step, x);
            Ok(())
        })?;
        Ok(Piece { samples: x, trajectory: Some(trajectory), work })
    }
}

/// Where pieces go, in order.
struct Sink<'a, T: Scalar> {
    job: &'a Job,
    /// Number of the next row.
    next: u64,
    out: ArrayWriter<T>,
    trajectory: Option<ArrayWriter<T>>,
    work: Work,
    progress: cli::Progress,
}

impl<T: Scalar> Sink<'_, T> {
    fn take(&mut self, piece: Piece<T>) -> Result<()> {
        self.job.finite(piece.samples.view(), self.next)?;
        self.next += piece.samples.nrows() as u64;
        self.out.write(piece.samples.view())?;
        if let (Some(out), Some(trajectory)) = (&mut self.trajectory, &piece.trajectory) {
            out.write(trajectory.points.view())?;
        }
        self.work += piece.work;
        self.progress.advance(piece.samples.nrows());
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if let Some(trajectory) = self.trajectory {
            trajectory.finish()?;
        }
        self.out.finish()
    }
}

fn main() -> ExitCode {
    cli::main::<Arguments>(molrg::revision!())
}
