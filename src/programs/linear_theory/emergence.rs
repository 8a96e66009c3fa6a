//! linear-theory emergence: when a linear denoiser in training learns to generate each mode.

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use super::{SpectrumArgs, TrainingArgs};
use crate::cli::{Job, Program, usage};
use crate::measure::curve::line;
use crate::theory::learning::{Criterion, Emergence, Learner};

/// Tell when a linear denoiser in training begins to generate each mode with its variance.
///
/// A row a mode: its variance in samples before training and after it, whether that rises or falls, and the first time at
/// which it is halfway (--criterion). Large modes come first: time goes about as eigenvalue^−α with α near 1, which
/// --exponent fits by least squares of logarithms, over modes that rise and those that fall apart. A mode that does not
/// change has no time.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    spectrum: SpectrumArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// What is halfway
    #[arg(long, value_enum, default_value = "geometric")]
    criterion: Criterion,
    /// Tell α instead, over modes whose variance training changes by more than --apart
    #[arg(long)]
    exponent: bool,
    /// The factor by which training must change a variance for the mode to count, 1 or more
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    apart: f64,
}

/// A row of the table.
const COLUMNS: &[&str] = &["mode", "eigenvalue", "before", "after", "direction", "time"];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.only(self.exponent, &["--apart"], "it says which modes --exponent takes")?;
        if !(self.apart >= 1.0 && self.apart.is_finite()) {
            return Err(usage(anyhow!("--apart {}: must be 1 or more", self.apart)));
        }
        let columns = if self.exponent { &["direction", "exponent", "std_error", "modes"] } else { COLUMNS };
        let mut table = job.table(columns)?;
        let learner = self.training.learner(job, &self.spectrum)?;
        let modes = learner.emergence(self.criterion);
        if !self.exponent {
            for (mode, (eigenvalue, found)) in learner.eigenvalues().iter().zip(&modes).enumerate() {
                table.row(&[
                    mode.into(),
                    (*eigenvalue).into(),
                    found.initial.into(),
                    found.target.into(),
                    direction(found.rises()).into(),
                    found.time.into(),
                ])?;
            }
            return table.finish();
        }
        let mut told = false;
        for rises in [true, false] {
            let points = self.points(&learner, &modes, rises);
            let Some(line) = line(&points) else { continue };
            let (exponent, error) = (-line.slope, line.slope_std_error);
            table.row(&[direction(rises).into(), exponent.into(), error.into(), points.len().into()])?;
            told = true;
        }
        ensure!(
            told,
            "--exponent: no two modes of different eigenvalues whose variance training changes by more than a factor of \
             {}; give a smaller --apart, or another --init",
            self.apart
        );
        table.finish()
    }
}

fn direction(rises: bool) -> &'static str {
    if rises { "rising" } else { "falling" }
}

impl Arguments {
    /// Logarithms of eigenvalue and time of the modes that count and go this way.
    fn points(&self, learner: &Learner, modes: &[Emergence], rises: bool) -> Vec<(f64, f64)> {
        let all = learner.eigenvalues().iter().zip(modes);
        let counted = all.filter(|(v, mode)| **v > 0.0 && mode.rises() == rises && mode.is_apart(self.apart));
        counted.filter_map(|(v, mode)| Some((v.ln(), mode.time?.ln()))).collect()
    }
}
