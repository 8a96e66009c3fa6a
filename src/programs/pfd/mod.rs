//! pfd: probability flow distance.

mod measures;
mod pairing;

use std::ffi::OsString;

use anyhow::{Result, ensure};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Job, Program, SamplerArgs, usage};
use crate::denoiser::Model;
use crate::flow::Plan;
use crate::measure::descriptor::{Choice, Descriptor};
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Content, Rows, Table, same_items};
use crate::with_dtype;

use measures::Measures;
use pairing::{Pairing, Source};

/// Measure the probability flow distance between models or samples.
///
/// PFD = √(mean ‖x_i − y_i‖²) over what the flow makes of shared latents, of every pair of inputs. Models are
/// run from the same latents; samples are paired by row, and a model is paired with samples through the
/// latents of --seed. Both must share solver and grid: with 18 Heun steps a unit-variance direction comes out
/// 4.5 % too large, with 18 Euler steps 14 % too small. For absolute values take --solver dpm3 or rk45.
/// Samples of your own, made from latents of your own, pair with pf-sample MODEL --noise LATENTS. Where rows
/// of samples are no nearer to their own than to the next one, a warning has both distances: then they do not
/// come from the same latents.
///
/// Intervals (95 %) speak of the latents only. They allow for a few rows that carry most of the sum, as
/// latents do that end on the other side; where three rows or fewer carry half of it, or what fewer than 1000
/// rows may miss counts, a warning says so. One row has no interval.
///
/// E_gen is pfd STUDENT TEACHER; E_mem is pfd STUDENT EMPIRICAL, with dae-fit --kind empirical of the
/// student's training set.
///
/// Memory: the models and a few blocks of rows, whatever N is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 60 --noise-std 0.1 --truth truth.st | dae-fit --kind molrg -r 6 -k 2 | pfd - truth.st -n 2000 --seed 7
  $ molrg-gen -d 48 -r 6 -k 2 -n 50 --truth truth.st -o data.npy && dae-fit data.npy --kind empirical | pfd - truth.st -n 500")]
pub struct Arguments {
    /// Models (files, or exec:COMMAND for programs that are some) or samples: A B …; with --bias-variance the teacher,
    /// then its students
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
    /// What is compared: none (rows as they are), or exec:COMMAND for a program that describes them
    #[arg(long, default_value = "none", value_parser = none_or_program)]
    descriptor: Choice,
    #[command(flatten)]
    sampler: SamplerArgs,
}

fn none_or_program(text: &str) -> Result<Choice, String> {
    match text.parse() {
        Ok(choice @ (Choice::Raw | Choice::Program(_))) => Ok(choice),
        _ => Err("give none or exec:COMMAND; or compute features elsewhere and give them as samples".into()),
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
            if let Some(model) = job.model_program(Some(name))? {
                job.warn_of_levels(&model, &plan.evaluated());
                sources.push(Source::Model(model));
                continue;
            }
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
        let (models, samples) = (sources.iter().any(Source::is_model), !sources.iter().all(Source::is_model));
        job.only(
            models,
            &SamplerArgs::FLAGS,
            "samples are compared as they are, and none of the inputs is a model",
        )?;
        job.only(models, &["--seed"], "nothing is drawn where none of the inputs is a model")?;
        job.only(samples, &["--nan", "--shape"], "no samples are read")?;
        job.only(self.bias_variance, &["--unbiased"], "it is for --bias-variance")?;
        let table = job.table(&["metric", "a", "b", "value", "std_error", "ci_low", "ci_high", "n"])?;
        with_dtype!(job.dtype(&dtypes), T => self.compare::<T>(job, &plan, sources, table))
    }
}

impl Arguments {
    fn check(&self) -> Result<()> {
        let inputs = self.inputs.len();
        if self.bias_variance {
            ensure!(inputs >= 3, "--bias-variance needs a teacher and at least two students");
        } else if self.relative_to.is_some() {
            ensure!(inputs == 2, "--relative-to goes with two inputs, A and B, not {inputs}");
        } else {
            ensure!(inputs >= 2, "one input has nothing to be compared with; give two inputs or more");
        }
        ensure!(self.samples != Some(0), "--samples 0: a distance needs at least one latent");
        Ok(())
    }

    fn compare<T: Scalar>(&self, job: &Job, plan: &Plan, sources: Vec<Source>, table: Table) -> Result<()> {
        let from_files = sources.iter().map(|s| matches!(s, Source::Samples(_))).collect();
        let shape = sources.first().map_or(Vec::new(), Source::item_shape);
        let descriptor = match &self.descriptor {
            Choice::Program(command) => Descriptor::Program(job.descriptor_program(command)?, shape),
            _ => Descriptor::Raw,
        };
        let mut pairing = Pairing::<T>::new(job, plan, sources, self.samples)?;
        let mut measures = Measures::new(self, from_files);
        let mut progress = job.progress(pairing.count.map(|n| n as u64), "latents");
        let mut first = job.shared.rows.start;
        while let Some(blocks) = pairing.next()? {
            for block in &blocks {
                job.finite(block.view(), first)?;
            }
            let n = blocks[0].nrows();
            let blocks: Vec<Array2<T>> =
                blocks.into_iter().map(|block| descriptor.apply(block, first)).collect::<Result<_>>()?;
            first += n as u64;
            progress.advance(n);
            measures.add(&blocks);
        }
        drop(progress);
        measures.write(table)?;
        measures.warn(job);
        Ok(())
    }

    /// Of an input, that of --relative-to last.
    fn name(&self, i: usize) -> String {
        let name = self.inputs.get(i).or(self.relative_to.as_ref());
        name.map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }

    /// Inputs that are compared with each other.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let inputs = self.inputs.len();
        match (self.bias_variance, &self.relative_to) {
            (true, _) => (1..inputs).map(|student| (student, 0)).collect(),
            (_, Some(_)) => vec![(0, 1), (1, 2)],
            _ => (0..inputs).flat_map(|a| (a + 1..inputs).map(move |b| (a, b))).collect(),
        }
    }
}
