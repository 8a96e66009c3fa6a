//! pfd: probability flow distance.

mod inputs;
mod measures;
mod pairing;
mod warnings;

use std::ffi::OsString;

use anyhow::{Result, ensure};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Block, Job, Program, SamplerArgs, usage};
use crate::flow::Plan;
use crate::measure::copies::BY_CHANCE;
use crate::measure::descriptor::{Choice, Descriptor};
use crate::measure::scale::look;
use crate::scalar::{Dtype, Scalar};
use crate::stream::Table;
use crate::with_dtype;

use inputs::{Input, same_data};
use measures::Measures;
use pairing::Pairing;

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
/// student's training set. Where the training set is what pf-sample made of TEACHER, give another --seed than it had: from
/// the same latents TEACHER ends on the training rows, and a student that has memorized them seems near.
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
        self.sampler.jumps_over(job, &["--steps", "--schedule", "--rho", "--sigma-min"])?;
        let names: Vec<&OsString> = self.inputs.iter().chain(&self.relative_to).collect();
        self.check().map_err(usage)?;
        job.wait_for_stdin(&names.iter().map(|n| Some(n.as_os_str())).collect::<Vec<_>>())?;
        let inputs = Input::open_all(job, &names)?;
        job.class_is_for(inputs.iter().filter_map(Input::model))?;
        same_data(&names, &inputs)?;
        let dtypes: Vec<Dtype> = inputs.iter().map(Input::dtype).collect();
        let (models, samples) = (inputs.iter().any(Input::is_model), !inputs.iter().all(Input::is_model));
        job.only(
            models,
            &SamplerArgs::FLAGS,
            "samples are compared as they are, and none of the inputs is a model",
        )?;
        job.only(models, &["--seed"], "nothing is drawn where none of the inputs is a model")?;
        job.only(samples, &["--nan", "--shape"], "no samples are read")?;
        job.only(models, &["--edit"], "none of the inputs is a model")?;
        job.only(self.bias_variance, &["--unbiased"], "it is for --bias-variance")?;
        let table = job.table(&["metric", "a", "b", "value", "std_error", "ci_low", "ci_high", "n"])?;
        with_dtype!(job.dtype(&dtypes), T => self.compare::<T>(job, &plan, inputs, table))
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

    fn compare<T: Scalar>(&self, job: &Job, plan: &Plan, inputs: Vec<Input>, table: Table) -> Result<()> {
        let from_files = inputs.iter().map(|input| !input.is_model()).collect();
        let shape = inputs.first().map_or(Vec::new(), |input| input.item_shape().to_vec());
        let descriptor = match &self.descriptor {
            Choice::Program(command) => Descriptor::Program(job.descriptor_program(command)?, shape),
            _ => Descriptor::Raw,
        };
        let (pairing, rows) = Pairing::<T>::new(job, plan, inputs, self.samples)?;
        let mut measures = Measures::new(self, from_files);
        let described = |block: Block<T>| {
            let first = block.rows.start;
            let of_each = |x: Array2<T>| {
                job.finite(x.view(), first)?;
                Ok((look(x.view(), first), descriptor.apply(x, first)?))
            };
            let rows = pairing.rows(block)?;
            let copies = pairing.copies(&rows);
            Ok((copies, rows.into_iter().map(of_each).collect::<Result<(Vec<_>, Vec<_>)>>()?))
        };
        let (mut count, mut copies) = (0, vec![0; self.inputs.len() + 1]);
        job.each_block(rows, pairing.block, "latents", described, |of, (more, (looked_at, rows))| {
            count += of.end - of.start;
            copies.iter_mut().zip(more).for_each(|(copies, more)| *copies += more);
            measures.look_at(looked_at);
            measures.add(&rows);
            Ok(())
        })?;
        measures.write(table)?;
        if let Some(of) = copies.iter().position(|copies| BY_CHANCE * *copies > count) {
            job.warn(&format!(
                "{} of {count} rows of {} are rows of the finite set to the bit, as where it was drawn from the latents of this \
                 --seed: it knows where these end, and others not; give another --seed",
                copies[of],
                self.name(of)
            ));
        }
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
