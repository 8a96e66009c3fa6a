//! icl train: linear attention trained by stochastic gradient descent.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2, Axis};

use super::{COLUMNS, Setting, SettingArgs, add};
use crate::blocks::room;
use crate::cli::{Block, Job, Program, Source, count, positive, usage};
use crate::in_context::{Prompt, Training};
use crate::linalg::squared_norms;
use crate::measure::interval::Mean;
use crate::stream::{ArrayWriter, Table};

/// Train linear attention on prompts drawn as it goes, and tell its risk on tasks at angles to those of training.
///
/// A step descends the mean of ‖Γh − w‖², the square error over all queries, of --batch new prompts, from Γ = 0; kept is
/// the mean of Γ over the last half of the steps. Prompts are drawn with all that Γ sees of them, at a cost without N.
/// risk is the mean over --trials trainings, each exact, and std_error its error: the scatter of trainings, and not what all
/// of them lack. A warning says where that is much, against the closed form: directions that training tasks hardly have are
/// learned last, and long prompts have the least of them.
///
/// Memory: for every thread, Γ and a batch, some d × d and batch × d numbers.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    setting: SettingArgs,
    /// Steps of training
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = count(2..=u32::MAX))]
    steps: u32,
    /// Prompts in a step
    #[arg(long, value_name = "B", default_value_t = 256, value_parser = count(1..=u32::MAX))]
    batch: u32,
    /// Step size (default: 1/(λ + tr A/B), half of what is stable; A the second moment of h, λ its largest eigenvalue)
    #[arg(long, value_name = "ETA", value_parser = positive)]
    lr: Option<f64>,
    /// Trainings for every --prompt; training t draws by seed + t
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count(1..=100_000_u32))]
    trials: u32,
    /// Write Γ of every training there, those of a prompt together, (prompts · trials, d, d)
    #[arg(long, value_name = "FILE")]
    gamma: Option<PathBuf>,
    /// Write risk on tasks of training, the least there is, and ‖Γ − Γ*‖/‖Γ*‖ there, after 1, 2, 4, … steps and the last
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// A risk so far from the closed form's has a warning.
const APART: f64 = 0.05;

/// So many times the risk of Γ = 0 is no training.
const DIVERGED: f64 = 10.0;

/// What a training has come to.
struct Trained {
    gamma: Array2<f64>,
    /// Γ*.
    optimal: Array2<f64>,
    /// After some steps, as --log has it.
    log: Vec<(u64, [f64; 3])>,
}

impl Trained {
    fn of(training: &Training, logs: bool) -> Result<Trained> {
        let sigma = training.covariance();
        let optimal = training.prompt.optimal(sigma.view())?;
        let norm = |x: ArrayView2<f64>| squared_norms(x).sum().sqrt();
        let nothing = Array2::zeros(optimal.raw_dim());
        let untrained = training.prompt.risk(nothing.view(), sigma.view());
        let (least, length) = (training.prompt.risk(optimal.view(), sigma.view()), norm(optimal.view()));
        let mut log = Vec::new();
        let gamma = training.run(|step, gamma| {
            if logs && ((step + 1).is_power_of_two() || step + 1 == training.steps) {
                let distance = norm((&gamma - &optimal).view()) / length;
                log.push((step + 1, [training.prompt.risk(gamma, sigma.view()), least, distance]));
            }
        })?;
        let risk = training.prompt.risk(gamma.view(), sigma.view());
        // What is worse than knowing nothing was not trained.
        ensure!(
            risk < DIVERGED * untrained,
            "training has diverged: at {} pairs the risk is {risk:.3e}, and {untrained:.3e} before it; give a smaller --lr, or a \
             larger --batch",
            training.prompt.pairs
        );
        Ok(Trained { gamma, optimal, log })
    }

    fn write(&self, log: &mut Table, pairs: usize, trial: usize) -> Result<()> {
        self.log.iter().try_for_each(|&(step, [risk, least, distance])| {
            log.row(&[pairs.into(), trial.into(), step.into(), risk.into(), least.into(), distance.into()])
        })
    }
}

/// The risk that is farthest from the closed form's: by a share, what it is and should be, and where.
#[derive(Default)]
struct Farthest(Option<(f64, String)>);

impl Farthest {
    fn see(&mut self, setting: &Setting, prompt: Prompt, risks: &[Mean], optimal: ArrayView2<f64>) {
        let exact = setting.risks(prompt, optimal);
        for ((risk, exact), angle) in risks.iter().zip(exact).zip(&setting.angles) {
            let apart = (risk.mean / exact - 1.0).abs();
            if apart > self.0.as_ref().map_or(APART, |far| far.0) {
                self.0 = Some((
                    apart,
                    format!(
                        "at {} pairs and {angle} degrees the risk is {:.4}, where the optimum has {exact:.4}: it is not trained to \
                     the end; give more --steps, or a larger --batch or --lr",
                        prompt.pairs, risk.mean
                    ),
                ));
            }
        }
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let setting = self.setting.check(job, false)?;
        let threads = rayon::current_num_threads();
        room(&[setting.dim, 4 * self.batch as usize, threads], "--dim and --batch").map_err(usage)?;
        room(&[setting.dim, setting.dim, 10, threads], "--dim").map_err(usage)?;
        let mut table = job.table(COLUMNS)?;
        let log = ["prompt", "trial", "step", "risk", "optimal", "distance"];
        let mut log = self.log.as_deref().map(|path| job.side_table(path, &log)).transpose()?;
        let trials = self.trials as usize;
        let cells = setting.prompts.len() * trials;
        let gamma = self.gamma.as_deref();
        let mut gamma =
            gamma.map(|path| job.side_array::<f64>(path, Some(cells), &[setting.dim; 2])).transpose()?;
        let training = |cell: usize| Training {
            prompt: setting.prompts[cell / trials],
            tasks: setting.tasks,
            dim: setting.dim,
            rank: setting.rank,
            ridge: setting.ridge,
            steps: self.steps.into(),
            batch: self.batch as usize,
            lr: self.lr,
            seed: job.shared.seed.wrapping_add((cell % trials) as u64),
        };
        let logs = log.is_some();
        let train = |block: Block<f64>| {
            block.rows.map(|cell| Trained::of(&training(cell as usize), logs)).collect::<Result<Vec<_>>>()
        };
        let mut risks = setting.nothing_known();
        let mut farthest = Farthest::default();
        let source = Source::Numbers(0..cells as u64);
        job.each_block(source, 1, "trainings", train, |cells, trained| {
            for (cell, trained) in cells.zip(trained) {
                let trial = cell as usize % trials;
                let prompt = setting.prompts[cell as usize / trials];
                add(&mut risks, &setting.risks(prompt, trained.gamma.view()));
                if let Some(gamma) = &mut gamma {
                    gamma.write(trained.gamma.flatten().insert_axis(Axis(0)).view())?;
                }
                if let Some(log) = &mut log {
                    trained.write(log, prompt.pairs, trial)?;
                }
                if trial + 1 == trials {
                    farthest.see(&setting, prompt, &risks, trained.optimal.view());
                    setting.write(&mut table, prompt, &risks)?;
                    risks = setting.nothing_known();
                }
            }
            Ok(())
        })?;
        if let Some((_, text)) = farthest.0 {
            job.warn(&text);
        }
        log.map_or(Ok(()), Table::finish)?;
        gamma.map_or(Ok(()), ArrayWriter::finish)?;
        table.finish()
    }
}
