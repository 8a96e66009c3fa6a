//! pfd: probability flow distance.

mod pairing;

use std::ffi::OsString;

use crate::cli::{Job, Program, SamplerArgs, usage};
use crate::denoiser::Model;
use crate::flow::Plan;
use crate::measure::interval::Estimate;
use crate::measure::probability_flow_distance::{BiasVariance, Distance, Relative};
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Content, Rows, Table, same_items};
use crate::with_dtype;
use anyhow::{Result, bail, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2};

use pairing::{Pairing, Source};

/// Measure the probability flow distance between models or samples.
///
/// PFD = √(mean ‖x_i − y_i‖²) over what the flow makes of shared latents. Models are run from the same
/// latents; samples are paired by row, and a model is paired with samples through the latents of --seed.
/// Both must share solver and grid: with 18 Heun steps a unit-variance direction comes out 4.5 % too large,
/// with 18 Euler steps 14 % too small. The interval speaks of the latents only, not of that; for absolute
/// values take --solver dpm3 or rk45. Samples of your own, made from latents of your own, pair with
/// pf-sample MODEL --noise LATENTS.
///
/// E_gen is pfd STUDENT TEACHER; E_mem is pfd STUDENT EMPIRICAL, with dae-fit --kind empirical of the
/// student's training set.
///
/// Memory: the models and a few blocks of rows, whatever N is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 60 --truth truth.st | dae-fit --kind molrg -r 6 -k 2 | pfd - truth.st -n 2000 --seed 7
  $ molrg-gen -d 48 -r 6 -k 2 -n 50 --truth truth.st -o data.npy && dae-fit data.npy --kind empirical | pfd - truth.st -n 500")]
pub struct Arguments {
    /// Models or samples: A B; with --bias-variance the teacher, then its students
    #[arg(required = true, num_args = 1.., value_name = "INPUT")]
    inputs: Vec<OsString>,
    /// Number of latents that models are run from (with samples among the inputs: as many as they have rows)
    #[arg(short = 'n', long, value_name = "N")]
    samples: Option<usize>,
    /// Split the students' error into bias² and variance; they were trained on independent data
    #[arg(long)]
    bias_variance: bool,
    /// Correct bias² and variance for the finite number of students
    #[arg(long, requires = "bias_variance")]
    unbiased: bool,
    /// Also print pfd(A, B) over pfd(B, C)
    #[arg(long, value_name = "C", conflicts_with = "bias_variance")]
    relative_to: Option<OsString>,
    /// What is compared
    #[arg(long, default_value = "none", value_parser = only_none)]
    descriptor: String,
    #[command(flatten)]
    sampler: SamplerArgs,
}

fn only_none(text: &str) -> Result<String, String> {
    match text {
        "none" => Ok(text.into()),
        _ => Err("this build knows none; compute features elsewhere and give them as samples".into()),
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let plan = self.sampler.plan(job)?;
        let names: Vec<&OsString> = self.inputs.iter().chain(&self.relative_to).collect();
        self.check().map_err(usage)?;
        job.wait_for_stdin(&names.iter().map(|n| Some(n.as_os_str())).collect::<Vec<_>>())?;
        let mut sources = Vec::new();
        for name in &names {
            let input = job.open(Some(name))?;
            sources.push(match input.content() {
                Content::Safetensors => Source::Model(Model::read_denoiser(input)?),
                _ => {
                    let options = job.read_options(job.shared.rows);
                    Source::Samples(Box::new(Rows::from_input(input, &options)?))
                }
            });
        }
        let dim = |s: &Source| match s {
            Source::Model(m) => m.dim(),
            Source::Samples(r) => r.width(),
        };
        let shape = |s: &Source| match s {
            Source::Model(m) => m.item_shape.clone(),
            Source::Samples(r) => r.item_shape().to_vec(),
        };
        for (name, source) in names.iter().zip(&sources) {
            ensure!(
                dim(source) == dim(&sources[0]),
                "{}: of dimension {}, but {} has {}; give models or samples of the same data",
                name.to_string_lossy(),
                dim(source),
                names[0].to_string_lossy(),
                dim(&sources[0])
            );
            let (first, other) = (names[0].to_string_lossy(), name.to_string_lossy());
            same_items((&first, &shape(&sources[0])), (&other, &shape(source)))?;
        }
        let dtypes: Vec<Dtype> = sources
            .iter()
            .map(|s| match s {
                Source::Model(m) => m.dtype,
                Source::Samples(r) => r.dtype(),
            })
            .collect();
        let table = job.table(&["metric", "a", "b", "value", "std_error", "ci_low", "ci_high", "n"])?;
        with_dtype!(job.dtype(&dtypes), T => self.compare::<T>(job, &plan, sources, table))
    }
}

impl Arguments {
    fn check(&self) -> Result<()> {
        if self.bias_variance {
            ensure!(self.inputs.len() >= 3, "--bias-variance needs a teacher and at least two students");
        } else {
            ensure!(
                self.inputs.len() == 2,
                "give two inputs, A and B, not {}; for students of one teacher say --bias-variance",
                self.inputs.len()
            );
        }
        ensure!(self.samples != Some(0), "--samples 0: a distance needs at least one latent");
        Ok(())
    }

    fn compare<T: Scalar>(&self, job: &Job, plan: &Plan, sources: Vec<Source>, table: Table) -> Result<()> {
        let mut pairing = Pairing::<T>::new(job, plan, sources, self.samples)?;
        let mut measures = Measures::new(self);
        let mut progress = job.progress(pairing.count.map(|n| n as u64), "latents");
        let mut first = job.shared.rows.start;
        while let Some(blocks) = pairing.next()? {
            for block in &blocks {
                job.finite(block.view(), first)?;
            }
            first += blocks[0].nrows() as u64;
            progress.advance(blocks[0].nrows());
            measures.add(&blocks);
        }
        drop(progress);
        measures.write(self, table)
    }

    fn name(&self, i: usize) -> String {
        self.inputs[i].to_string_lossy().into_owned()
    }
}

/// The quantities that the flags ask for.
enum Measures {
    Distance(Distance),
    Relative(Relative),
    BiasVariance(BiasVariance, bool),
}

impl Measures {
    fn new(arguments: &Arguments) -> Measures {
        if arguments.bias_variance {
            Measures::BiasVariance(BiasVariance::default(), arguments.unbiased)
        } else if arguments.relative_to.is_some() {
            Measures::Relative(Relative::default())
        } else {
            Measures::Distance(Distance::default())
        }
    }

    fn add<T: Scalar>(&mut self, blocks: &[Array2<T>]) {
        match self {
            Measures::Distance(m) => m.add(blocks[0].view(), blocks[1].view()),
            Measures::Relative(m) => m.add(blocks[0].view(), blocks[1].view(), blocks[2].view()),
            Measures::BiasVariance(m, unbiased) => {
                let students: Vec<ArrayView2<T>> = blocks[1..].iter().map(|b| b.view()).collect();
                m.add(blocks[0].view(), &students, *unbiased);
            }
        }
    }

    fn write(&self, arguments: &Arguments, mut table: Table) -> Result<()> {
        let mut row = |metric: &str, a: String, b: String, e: Estimate| {
            ensure!(e.n > 0, "{a} and {b}: no rows to compare; give samples or latents");
            table.row(&[
                metric.into(),
                a.into(),
                b.into(),
                e.value.into(),
                e.std_error.into(),
                e.ci_low.into(),
                e.ci_high.into(),
                e.n.into(),
            ])
        };
        match self {
            Measures::Distance(m) => row("pfd", arguments.name(0), arguments.name(1), m.pfd())?,
            Measures::Relative(m) => {
                let c = arguments.relative_to.as_ref().map_or(String::new(), |c| c.to_string_lossy().into());
                row("pfd", arguments.name(0), arguments.name(1), m.above.pfd())?;
                row("pfd", arguments.name(1), c.clone(), m.below.pfd())?;
                let Some(ratio) = m.ratio() else {
                    bail!(
                        "--relative-to {c}: its distance from {} is 0, so nothing is relative to it",
                        arguments.name(1)
                    );
                };
                row("pfd_relative", arguments.name(0), arguments.name(1), ratio)?;
            }
            Measures::BiasVariance(m, _) => {
                let [error, bias, variance] = m.estimates();
                let (students, teacher) =
                    (format!("{} students", arguments.inputs.len() - 1), arguments.name(0));
                row("gen_error_sq", students.clone(), teacher.clone(), error)?;
                row("bias_sq", students.clone(), teacher.clone(), bias)?;
                row("variance", students, teacher, variance)?;
            }
        }
        table.finish()
    }
}
