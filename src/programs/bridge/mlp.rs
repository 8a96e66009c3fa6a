//! bridge fit --kind mlp: the control by a network.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Args;
use ndarray::s;

use super::network::{COLUMNS, DEEPEST, WIDEST, write};
use super::report;
use super::setting::ScoreArgs;
use crate::blocks::room;
use crate::bridge::network::{Size, Training};
use crate::bridge::paths::simulate;
use crate::bridge::{NetworkControl, Setting};
use crate::cli::{Job, count, positive, usage};

#[derive(Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// Units of a layer
    #[arg(long, value_name = "N", default_value = "64", value_parser = count(1..=WIDEST))]
    width: u32,
    /// Layers between the first and the last
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(0..=DEEPEST))]
    depth: u32,
    /// Learning rate of Adam, which falls to 0 along a cosine
    #[arg(long, value_name = "RATE", default_value_t = 3e-3, value_parser = positive)]
    lr: f64,
}

/// Paths that a network is judged by.
const UNSEEN: u64 = 1024;
/// Fewer steps of Adam teach next to nothing.
const FEWEST: u64 = 10;

impl NetworkArgs {
    pub const FLAGS: [&str; 3] = ["--width", "--depth", "--lr"];

    pub fn fit(&self, job: &Job, setting: Setting, scores: &ScoreArgs, report: Option<&Path>) -> Result<()> {
        let (start, paths) = (&scores.start.0[..], scores.samples as u64);
        if paths < FEWEST * Training::BATCH {
            return Err(usage(anyhow!(
                "--samples {paths}: a network sees each path once, {} a step; give {} or more",
                Training::BATCH,
                FEWEST * Training::BATCH
            )));
        }
        let size = Size { width: self.width as usize, depth: self.depth as usize };
        // Parameters, their two moments and the gradient.
        room(&[4, size.parameters(start.len())], "--width, --depth and --start")?;
        room(&[3 * UNSEEN as usize, setting.steps + 1, start.len()], "--steps and --start")?;
        let mut table = job.table(&COLUMNS)?;
        let report = report.map(|path| job.side_table(path, &report::COLUMNS)).transpose()?;
        let training =
            Training { setting, mode: scores.mode.mode(), size, paths, lr: self.lr, seed: job.shared.seed };
        let mut progress = job.progress(Some(training.steps()), "steps");
        let control = training.run(start, |_| progress.advance(1))?;
        let steps = explained(&training, &control)?;
        report::warn(job, &steps, scores, "another --lr");
        write(&mut table, &control, scores.mode.name())?;
        report.map_or(Ok(()), |table| report::write(table, &setting, &steps, UNSEEN as usize))?;
        table.finish()
    }
}

/// At every step, of paths that come after those of training: the scores' variance, and 1 − E‖S − u‖²/E‖S − E S‖², which is
/// below 0 where their mean would be nearer.
fn explained(training: &Training, control: &NetworkControl) -> Result<Vec<report::Step>> {
    let Training { setting, mode, paths, seed, .. } = *training;
    let d = control.start.len();
    let unseen = simulate(&setting, mode, &control.start, paths..paths + UNSEEN, seed)?;
    let ends = unseen.paths.slice(s![.., setting.steps * d..]);
    let of_step = |k: usize| {
        let scores = unseen.scores.slice(s![.., k * d..(k + 1) * d]);
        let (mut left, mut total) = (0.0, 0.0);
        let mean = scores.mean_axis(ndarray::Axis(0)).unwrap_or_default();
        for (i, s) in scores.outer_iter().enumerate() {
            let x = unseen.paths.slice(s![i..i + 1, k * d..(k + 1) * d]);
            let u = control.at(k, x, &ends.row(i).to_vec());
            left += (&s - &u.row(0)).mapv(|v| v * v).sum();
            total += (&s - &mean).mapv(|v| v * v).sum();
        }
        let variance = total / ((UNSEEN - 1) as f64 * d as f64);
        let explained = if total > 0.0 { 1.0 - left / total } else { 0.0 };
        report::Step { variance, explained, by_chance: 0.0 }
    };
    Ok((0..setting.steps).map(of_step).collect())
}
