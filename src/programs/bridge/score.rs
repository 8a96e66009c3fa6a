//! bridge score: free paths and their score process.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{ScoreArgs, SettingArgs};
use crate::blocks::room;
use crate::bridge::paths::simulate;
use crate::cli::{Job, Program, Source};
use crate::linalg::cast;
use crate::scalar::Scalar;
use crate::stream::block_rows;
use crate::with_dtype;

/// Simulate free paths and write their scores S_0 … S_{K−1}, a row a path, (K, d) where there are several coordinates.
///
/// By Euler and Maruyama with the tangent process. The mean of S_k over paths that are in x at time t_k and end in y is
/// the control u(t_k, x) towards y: fit takes it by regression. Row i depends only on the seed and i.
///
/// Memory: a few blocks of rows for each thread.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    setting: SettingArgs,
    #[command(flatten)]
    scores: ScoreArgs,
    /// Write the paths X_0 … X_K themselves
    #[arg(long, value_name = "FILE")]
    paths: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        with_dtype!(job.dtype(&[]), T => self.score::<T>(job))
    }
}

impl Arguments {
    fn score<T: Scalar>(&self, job: &Job) -> Result<()> {
        let setting = self.setting.setting()?;
        self.scores.check()?;
        let source = Source::Numbers(job.selected(self.scores.samples));
        room(
            &[4 * rayon::current_num_threads(), setting.steps, self.scores.start.0.len()],
            "--steps and --start",
        )?;
        let mut outputs = vec![job.array::<T>(source.len(), &self.scores.shape(setting.steps))?];
        if let Some(path) = &self.paths {
            outputs.push(job.side_array(path, source.len(), &self.scores.shape(setting.steps + 1))?);
        }
        let start = &self.scores.start.0;
        job.fill(source, block_rows(setting.steps * start.len()).min(256), "paths", outputs, |block| {
            let mode = self.scores.mode.mode();
            let scored = simulate(&setting, mode, start, block.rows, job.shared.seed)?;
            let mut arrays = vec![cast(scored.scores.view())];
            if self.paths.is_some() {
                arrays.push(cast(scored.paths.view()));
            }
            Ok(arrays)
        })
    }
}
