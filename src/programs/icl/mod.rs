//! icl: learning in context over subspaces, by linear attention.

pub mod optimal;
pub mod risk;
pub mod train;

use anyhow::{Result, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2};

use crate::blocks::room;
use crate::cli::{Integers, Job, Numbers, parse_count, parse_list, usage};
use crate::in_context::{Prompt, Tasks, turned};
use crate::measure::interval::Mean;
use crate::stream::Table;

/// Learning in context over subspaces by linear attention: its optimum, its training, its risk.
///
/// A task is a vector w of a subspace, a prompt N pairs of x ~ N(0, I) and y = wᵀx + τε, and the answer to a query x is
/// ŷ = xᵀΓh, h = (1/N) Σ x_i y_i. Trained on tasks of covariance Σ it comes to
/// Γ* = Σ[(1 + 1/N)Σ + ((tr Σ + τ²)/N)I]⁻¹. Tested on a subspace at an angle θ to that of training, its risk E(ŷ − y)²
/// rises by r sin²θ where it has learned one subspace, and not at all where it has learned a union whose span holds the
/// test's (arXiv 2505.14808).
///
/// All tasks have E‖w‖² = r, so that the answer 0 has risk r + τ². No risk depends on where subspaces lie: the k-th is
/// spanned by the coordinates from (k − 1)r to kr.
///
/// Memory: some d × d numbers, in training for every thread, with a batch.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ icl optimal -d 20 -r 5 --prompt 20,100,1000 --tasks single --angle 0,30,45,60,90 | table pivot --key angle --value risk --by prompt
  $ icl train -d 20 -r 5 --prompt 20 --tasks union:2 --steps 500 --gamma gamma.npy && icl risk gamma.npy -d 20 -r 5 --prompt 20 --simulate 1000")]
pub struct About {}

/// Tasks, prompts and tests.
#[derive(Args)]
pub struct SettingArgs {
    /// Dimension of tasks and of x
    #[arg(short, long, value_name = "d")]
    dim: usize,
    /// Dimension of their subspaces
    #[arg(short, long, value_name = "r")]
    rank: usize,
    /// Pairs in a prompt: a range with both ends, or a list; each has a Γ of its own
    #[arg(long, value_name = "LIST")]
    prompt: Integers,
    /// Tasks of training: of one subspace, of K of them, of any
    #[arg(long, value_name = "single|union:K|full", default_value = "single", value_parser = tasks)]
    tasks: Tasks,
    /// Principal angles, in degrees, between the first subspace and that of the test
    #[arg(long, value_name = "LIST", default_value = "0,30,45,60,90", value_parser = parse_list)]
    angle: Numbers,
    /// Deviation τ of the noise of y
    #[arg(long, value_name = "TAU", default_value_t = 0.0)]
    noise_std: f64,
    /// Variance of tasks of training in all directions besides
    #[arg(long, value_name = "EPS", default_value_t = 0.0)]
    eps: f64,
    /// Subspace that the test's turns to, by its number: beyond K it is outside what union:K has seen
    #[arg(long, value_name = "J", default_value_t = 2)]
    towards: usize,
}

fn tasks(text: &str) -> Result<Tasks, String> {
    match text.split_once(':') {
        None if text == "single" => Ok(Tasks::Subspaces(1)),
        None if text == "full" => Ok(Tasks::Full),
        Some(("union", k)) => match parse_count(k)? {
            k @ 2.. => Ok(Tasks::Subspaces(k)),
            _ => Err("a union is of 2 subspaces at least; of one it is single".into()),
        },
        _ => Err("write single, union:K or full".into()),
    }
}

/// The same, checked.
struct Setting {
    dim: usize,
    rank: usize,
    prompts: Vec<Prompt>,
    tasks: Tasks,
    ridge: f64,
    angles: Vec<f64>,
    /// The basis of the test's tasks at every angle.
    bases: Vec<Array2<f64>>,
}

impl SettingArgs {
    /// `given`: there is a Γ already.
    fn check(&self, job: &Job, given: bool) -> Result<Setting> {
        job.only(!given, &["--tasks", "--eps"], "they are of training, and GAMMA has been trained")?;
        let places = given || matches!(self.tasks, Tasks::Subspaces(2..));
        job.only(
            places,
            &["--towards"],
            "what is not trained on a union is the same for all other subspaces",
        )?;
        self.checked(given).map_err(usage)
    }

    fn checked(&self, given: bool) -> Result<Setting> {
        let SettingArgs { dim, rank, tasks, noise_std, eps, towards, .. } = *self;
        ensure!(rank > 0, "--rank 0: must be 1 at least");
        let fits = |k: usize| k.checked_mul(rank).is_some_and(|last| last <= dim);
        ensure!(fits(1), "--rank {rank}: must be at most --dim {dim}");
        if let (Tasks::Subspaces(k), false) = (tasks, given) {
            ensure!(
                fits(k),
                "--tasks union:{k}: {k} subspaces of {rank} dimensions do not fit in --dim {dim}"
            );
        }
        ensure!(towards > 1, "--towards {towards}: must be 2 at least, as the first is turned");
        let angles = &self.angle.0;
        let wrong = angles.iter().find(|angle| !(0.0..=90.0).contains(*angle));
        ensure!(wrong.is_none(), "--angle {}: must be from 0 to 90", wrong.unwrap_or(&0.0));
        let turns = angles.iter().any(|&angle| angle > 0.0);
        ensure!(
            !turns || fits(towards),
            "--dim {dim}: has no subspace {towards} of {rank} dimensions to turn to; give {} or more, or --angle 0",
            towards.saturating_mul(rank)
        );
        for (flag, value) in [("--noise-std", noise_std), ("--eps", eps)] {
            ensure!(value >= 0.0 && value.is_finite(), "{flag} {value}: must be 0 or above");
        }
        // Γ, its second moment and factors; the tests' bases.
        room(&[dim, dim, 6], "--dim")?;
        room(&[dim, rank, angles.len()], "--dim, --rank and --angle")?;
        let prompts = self.prompt.0.iter().map(|&pairs| Prompt { pairs, noise_std }).collect();
        let bases = angles.iter().map(|&angle| turned(dim, rank, towards, angle)).collect();
        Ok(Setting { dim, rank, prompts, tasks, ridge: eps, angles: angles.clone(), bases })
    }
}

/// Columns of the table.
const COLUMNS: &[&str] = &["prompt", "angle", "risk", "std_error"];

impl Setting {
    /// The risk of Γ (d, d) at every angle.
    fn risks(&self, prompt: Prompt, gamma: ArrayView2<f64>) -> Vec<f64> {
        self.bases.iter().map(|basis| prompt.risk(gamma, basis.dot(&basis.t()).view())).collect()
    }

    /// A row for every angle, of what is known of its risk.
    fn write(&self, table: &mut Table, prompt: Prompt, risks: &[Mean]) -> Result<()> {
        self.angles.iter().zip(risks).try_for_each(|(&angle, risk)| {
            table.row(&[prompt.pairs.into(), angle.into(), risk.mean.into(), risk.error().into()])
        })
    }

    fn nothing_known(&self) -> Vec<Mean> {
        vec![Mean::default(); self.angles.len()]
    }
}

fn add(means: &mut [Mean], values: &[f64]) {
    means.iter_mut().zip(values).for_each(|(mean, &value)| mean.add(value));
}
