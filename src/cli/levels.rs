//! Noise levels as arguments name them: σ, SNR = 1/σ, a schedule's time, or a
//! schedule's grid.

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use super::lists::{Numbers, parse_list};
use super::{Job, usage};
use crate::schedule::{Grid, SIGMAS, Schedule};

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Noise levels")]
pub struct LevelArgs {
    /// Noise levels σ
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true,
          conflicts_with_all = ["snr", "time", "levels"])]
    pub sigma: Option<Numbers>,
    /// Signal-to-noise ratios 1/σ
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true,
          conflicts_with_all = ["time", "levels"])]
    pub snr: Option<Numbers>,
    /// Times of --schedule
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true, conflicts_with = "levels")]
    pub time: Option<Numbers>,
    /// All positive levels of a grid of N steps, like edm:18, between the sampler's ends where there is a sampler
    #[arg(long, value_name = "SCHEDULE:N")]
    pub levels: Option<String>,
}

/// Noise levels of a program that has no sampler: times are those of a schedule of their own.
#[derive(Args, Clone, Debug)]
pub struct TimedLevelArgs {
    #[command(flatten)]
    levels: LevelArgs,
    /// The schedule that --time speaks of
    #[arg(long, value_enum, default_value = "edm", help_heading = "Noise levels")]
    schedule: Schedule,
}

impl TimedLevelArgs {
    /// The levels σ, in the order given.
    ///
    /// # Errors
    /// As [`LevelArgs::sigmas`]; a schedule that nothing speaks of.
    pub fn sigmas(&self, job: &Job) -> Result<Vec<f64>> {
        let sigmas = self.levels.sigmas(&Grid { schedule: self.schedule, ..Grid::default() })?;
        job.only(self.levels.time.is_some(), &["--schedule"], "it is for --time")?;
        Ok(sigmas)
    }
}

/// The level that a flag gives.
///
/// # Errors
/// When it is out of the range of levels.
pub fn noise_level(flag: &str, sigma: f64) -> Result<f64> {
    ensure!(
        SIGMAS.contains(&sigma),
        "{flag} {sigma}: a noise level must be positive, between 1e-18 and 1e18"
    );
    Ok(sigma)
}

impl LevelArgs {
    /// The levels σ, in the order given. `grid` is that of the program's other flags: its schedule is that of
    /// `--time`, and `--levels` take all of it but the schedule and the number of steps.
    ///
    /// # Errors
    /// Usage errors: no level, or one that is not positive and finite.
    pub fn sigmas(&self, grid: &Grid) -> Result<Vec<f64>> {
        self.parse(grid).map_err(usage)
    }

    fn parse(&self, grid: &Grid) -> Result<Vec<f64>> {
        if let Some(list) = &self.sigma {
            list.0.iter().map(|&s| noise_level("--sigma", s)).collect()
        } else if let Some(list) = &self.snr {
            // An SNR's level is 1/v, in the same range.
            list.0.iter().map(|&s| noise_level("--snr", s).map(|s| 1.0 / s)).collect()
        } else if let Some(list) = &self.time {
            list.0.iter().map(|&t| grid.schedule.checked_sigma(t)).collect()
        } else if let Some(text) = &self.levels {
            let (name, steps) = text.split_once(':').ok_or_else(|| {
                anyhow!("--levels {text:?}: write a schedule and a number of steps, like edm:18")
            })?;
            let schedule = <Schedule as clap::ValueEnum>::from_str(name, true)
                .map_err(|_| anyhow!("--levels {text:?}: no schedule is called {name:?}"))?;
            let steps = steps
                .parse()
                .map_err(|_| anyhow!("--levels {text:?}: {steps:?} is not a number of steps"))?;
            let grid = Grid { schedule, steps, ..*grid };
            let mut levels = grid.levels().map_err(|e| anyhow!("--levels {text}: {e:#}"))?;
            levels.pop();
            Ok(levels)
        } else {
            Err(anyhow!("no noise level given; give --sigma, --snr, --time or --levels"))
        }
    }
}
