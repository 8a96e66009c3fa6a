//! What is simulated, as arguments say it.

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use crate::bridge::{Mode, Setting, System};
use crate::cli::{Numbers, count, parse_list, usage};

#[derive(Args)]
#[command(next_help_heading = "System")]
pub(super) struct SettingArgs {
    /// Drift b: brownian (0), ou:THETA (−θx), double-well:H (−4H(x³ − x), a barrier of height H between ±1) or sine:A
    /// (A sin x)
    #[arg(long, value_name = "SYSTEM")]
    system: System,
    /// Standard deviation σ of the noise in unit time
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    noise_std: f64,
    /// Time T at which paths end; they begin at 0
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    time: f64,
    /// Steps of Euler and Maruyama
    #[arg(long, value_name = "K", default_value = "200", value_parser = count(1..=1_000_000_u32))]
    steps: u32,
}

impl SettingArgs {
    /// # Errors
    /// Usage errors: numbers out of range.
    pub fn setting(&self) -> Result<Setting> {
        let setting = Setting {
            system: self.system,
            noise_std: self.noise_std,
            horizon: self.time,
            steps: self.steps as usize,
        };
        for (flag, value) in [("--noise-std", self.noise_std), ("--time", self.time)] {
            positive(flag, value).map_err(usage)?;
        }
        Ok(setting)
    }
}

/// Free paths and their scores.
#[derive(Args)]
#[command(next_help_heading = "Scores")]
pub(super) struct ScoreArgs {
    /// Which increments a score counts
    #[arg(long, value_enum, default_value = "average")]
    pub mode: ModeArg,
    /// Where paths begin, one number a coordinate, of which each moves by itself
    #[arg(long, value_name = "LIST", default_value = "0", value_parser = parse_list, allow_hyphen_values = true)]
    pub start: Numbers,
    /// Number of paths
    #[arg(short = 'n', long, value_name = "N")]
    pub samples: usize,
}

impl ScoreArgs {
    /// # Errors
    /// Usage errors: numbers out of range.
    pub fn check(&self) -> Result<()> {
        places("--start", &self.start.0).map_err(usage)
    }

    /// Where paths begin, in one dimension.
    ///
    /// # Errors
    /// A usage error: of more, with `why` not.
    pub fn one(&self, why: &str) -> Result<f64> {
        match self.start.0[..] {
            [start] => Ok(start),
            _ => Err(usage(anyhow!("--start: {} coordinates: {why}", self.start.0.len()))),
        }
    }

    /// Shape of what a path has at so many times.
    pub fn shape(&self, times: usize) -> Vec<usize> {
        shape(times, self.start.0.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeArg {
    /// Every increment until the end alike (Bismut, Elworthy, Li)
    Average,
    /// The next one alone
    First,
    /// The last one alone
    Last,
    /// Weights (T − t)^γ, γ = (√5 − 1)/2, which the publication calls optimal
    Optimal,
}

impl ModeArg {
    pub fn mode(self) -> Mode {
        match self {
            ModeArg::Average => Mode::Average,
            ModeArg::First => Mode::First,
            ModeArg::Last => Mode::Last,
            ModeArg::Optimal => Mode::Optimal,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ModeArg::Average => "average",
            ModeArg::First => "first",
            ModeArg::Last => "last",
            ModeArg::Optimal => "optimal",
        }
    }
}

/// Refuses what is no deviation or time of a size that squares and steps bear.
pub(super) fn positive(name: &str, value: f64) -> Result<()> {
    match (1e-6..=1e6).contains(&value) {
        true => Ok(()),
        false => Err(anyhow!("{name} {value}: must be from 1e-6 to 1e6; give numbers in another unit")),
    }
}

/// Refuses what is no place.
pub(super) fn place(name: &str, value: f64) -> Result<()> {
    match value.abs() <= 1e6 {
        true => Ok(()),
        false => Err(anyhow!("{name} {value}: must lie within ±1e6; give numbers in another unit")),
    }
}

/// Refuses lists of what is no place.
pub(super) fn places(name: &str, values: &[f64]) -> Result<()> {
    values.iter().try_for_each(|value| place(name, *value))
}

/// Shape of so many times of d coordinates.
pub(super) fn shape(times: usize, d: usize) -> Vec<usize> {
    if d == 1 { vec![times] } else { vec![times, d] }
}
