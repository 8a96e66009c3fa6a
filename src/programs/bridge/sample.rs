//! bridge sample: paths towards an end.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use ndarray::Array2;

use super::setting::place;
use super::table::control;
use crate::bridge::Control;
use crate::bridge::paths::controlled;
use crate::cli::{Job, Program, Source, usage};
use crate::linalg::cast;
use crate::measure::interval::Amounts;
use crate::scalar::Scalar;
use crate::stream::{Columns, block_rows};
use crate::with_dtype;

/// Draw paths X_0 … X_K under a control, a row a path.
///
/// The control is a table of fit, for any target, or of exact, for the one that it is made for. Of the exact control paths
/// end within the noise of one step, σ√(T/K), of the target; --report has how far they end from it, in the root mean
/// square, beside that: it tells of the last steps, since these alone lead to it, and not of the way there. Row i
/// depends only on the control, the seed and i.
///
/// Memory: the control and a few blocks of rows for each thread.
#[derive(Args)]
pub struct Arguments {
    /// Table of fit or exact (default: standard input)
    #[arg(value_name = "CONTROL")]
    control: Option<OsString>,
    /// Of a fit: where paths are to end, y
    #[arg(long, value_name = "Y", allow_negative_numbers = true)]
    target: Option<f64>,
    /// Where paths begin (default: where the fit's do; of an exact control, 0)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    start: Option<f64>,
    /// Number of paths
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// Write how far from the target paths end
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Ends further from the target than so many deviations of one step are warned of.
const FAR: f64 = 3.0;
/// And targets further from the ends of free paths than so many of their deviations.
const BEYOND: f64 = 4.0;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        for (flag, value) in [("--target", self.target), ("--start", self.start)] {
            value.map_or(Ok(()), |value| place(flag, value)).map_err(usage)?;
        }
        job.wait_for_stdin(&[self.control.as_deref()])?;
        let control = control(&Columns::read(job.open(self.control.as_deref())?)?)?;
        with_dtype!(job.dtype(&[]), T => self.sample::<T>(job, &control))
    }
}

impl Arguments {
    fn sample<T: Scalar>(&self, job: &Job, control: &Control) -> Result<()> {
        let (start, target) = self.ends(job, control)?;
        let setting = control.setting();
        let source = Source::Numbers(job.selected(self.samples));
        let mut output = job.array::<T>(source.len(), &[setting.steps + 1])?;
        let columns = ["distance", "std_error", "ci_low", "ci_high", "n", "step_noise"];
        let report = self.report.as_ref().map(|path| job.side_table(path, &columns)).transpose()?;
        let mut squares = Amounts::default();
        let most = block_rows(setting.steps).min(256);
        let work =
            |block: crate::cli::Block<f64>| controlled(control, start, target, block.rows, job.shared.seed);
        job.each_block(source, most, "paths", work, |_, paths: Array2<f64>| {
            paths.column(setting.steps).iter().for_each(|x| squares.add((x - target).powi(2)));
            output.write(cast(paths.view()).view())
        })?;
        let (distance, noise) = (squares.root(), setting.step_noise());
        if squares.n() > 0 && distance.value > FAR * noise {
            job.warn(&format!(
                "paths end {:.2e} (root mean square) from the target, {:.0} times the noise of one step, {noise:.1e}: the control \
                 does not lead there; give fit more paths or a higher --degree, or exact a wider range",
                distance.value,
                distance.value / noise
            ));
        }
        if let Some(mut report) = report {
            let mut row = crate::cli::estimate(&distance).to_vec();
            row.push(noise.into());
            // Of no paths there is nothing to tell.
            if squares.n() > 0 {
                report.row(&row)?;
            }
            report.finish()?;
        }
        output.finish()
    }

    /// Where paths begin and where they are to end.
    fn ends(&self, job: &Job, control: &Control) -> Result<(f64, f64)> {
        match control {
            Control::Grid(control) => {
                job.only(false, &["--target"], "the control is of the target that exact made it for")?;
                Ok((self.start.unwrap_or(0.0), control.target))
            }
            Control::Polynomial(control) => {
                let target = self
                    .target
                    .ok_or_else(|| usage(anyhow!("--target: a fit is for any; say where paths end")))?;
                let scales = &control.steps[0].scales;
                let away = (target - scales.y_mean).abs() / scales.y_std;
                if away > BEYOND {
                    job.warn(&format!(
                        "--target {target}: {away:.1} deviations from the mean of the ends that the fit has seen ({:.3} ± {:.3}): \
                         hardly any path is near it, and the polynomial goes on from others; fit paths with more noise, or \
                         take exact",
                        scales.y_mean, scales.y_std
                    ));
                }
                Ok((self.start.unwrap_or(control.start), target))
            }
        }
    }
}
