//! bridge sample: paths towards an end.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use ndarray::{Array2, s};

use super::doubts::{self, Visits};
use super::setting::{places, shape};
use super::table::control;
use crate::blocks::room;
use crate::bridge::Control;
use crate::bridge::paths::controlled;
use crate::cli::{Job, Numbers, Program, Source, parse_list, usage};
use crate::linalg::cast;
use crate::measure::interval::Amounts;
use crate::scalar::Scalar;
use crate::stream::{Columns, block_rows};
use crate::with_dtype;

/// Draw paths X_0 … X_K under a control, a row a path.
///
/// The control is a table of fit, for any target, or of exact, for the one that it is made for. Of the exact control paths
/// end within the noise of one step, σ√(dT/K), of the target; --report has how far they end from it, in the root mean
/// square, beside that: it tells of the last steps, since these alone lead to it, and not of the way there. Row i
/// depends only on the control, the seed and i. Warnings say where paths leave the places of an exact control, and where these
/// are so far apart that straight lines between them lead paths astray.
///
/// Memory: the control and a few blocks of rows for each thread.
#[derive(Args)]
pub struct Arguments {
    /// Table of fit or exact (default: standard input)
    #[arg(value_name = "CONTROL")]
    control: Option<OsString>,
    /// Of a fit: where paths are to end, y, one number a coordinate
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    target: Option<Numbers>,
    /// Where paths begin (default: where the fit's do; of an exact control, 0)
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    start: Option<Numbers>,
    /// Number of paths
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// Write how far from the target paths end
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Ends further from the target than so many deviations of one step are warned of.
const FAR: f64 = 3.0;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        for (flag, values) in [("--target", &self.target), ("--start", &self.start)] {
            values.as_ref().map_or(Ok(()), |values| places(flag, &values.0)).map_err(usage)?;
        }
        job.wait_for_stdin(&[self.control.as_deref()])?;
        let control = control(&Columns::read(job.open(self.control.as_deref())?)?)?;
        with_dtype!(job.dtype(&[]), T => self.sample::<T>(job, &control))
    }
}

impl Arguments {
    fn sample<T: Scalar>(&self, job: &Job, control: &Control) -> Result<()> {
        let (start, target) = self.ends(job, control)?;
        doubts::start(&start, control).iter().for_each(|text| job.warn(text));
        let (setting, d) = (control.setting(), start.len());
        let most = block_rows(setting.steps * d).min(256);
        // Of every block that is held: noise, paths and these in their type; of each that is computed what a control leaves.
        let threads = rayon::current_num_threads();
        room(&[5 * threads + 1, most, 3 * (setting.steps + 1), d], "the control's steps")?;
        room(&[threads, most, control.numbers_per_row()], "the control's network")?;
        let source = Source::Numbers(job.selected(self.samples));
        let mut output = job.array::<T>(source.len(), &shape(setting.steps + 1, d))?;
        let columns = ["distance", "std_error", "ci_low", "ci_high", "n", "step_noise"];
        let report = self.report.as_ref().map(|path| job.side_table(path, &columns)).transpose()?;
        let mut squares = Amounts::default();
        let mut visits = Visits::of(control);
        let work =
            |block: crate::cli::Block<f64>| controlled(control, &start, &target, block.rows, job.shared.seed);
        job.each_block(source, most, "paths", work, |_, paths: Array2<f64>| {
            let ends = paths.slice(s![.., setting.steps * d..]);
            for end in ends.outer_iter() {
                squares.add(end.iter().zip(&target).map(|(x, y)| (x - y).powi(2)).sum());
            }
            visits.iter_mut().for_each(|visits| visits.add(paths.view()));
            output.write(cast(paths.view()).view())
        })?;
        let (distance, noise) = (squares.root(), setting.step_noise() * (d as f64).sqrt());
        if squares.n() > 0 && distance.value > FAR * noise {
            job.warn(&format!(
                "paths end {:.2e} (root mean square) from the target, {:.0} times the noise of one step, {noise:.1e}: the control \
                 does not lead there; give fit more paths or a higher --degree, or exact a wider range",
                distance.value,
                distance.value / noise
            ));
        }
        visits.iter().flat_map(Visits::tell).for_each(|text| job.warn(&text));
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
    fn ends(&self, job: &Job, control: &Control) -> Result<(Vec<f64>, Vec<f64>)> {
        let (begins, scales) = match control {
            Control::Grid(control) => {
                job.only(false, &["--target"], "the control is of the target that exact made it for")?;
                let start = self.as_many(&self.start, 1, "--start")?;
                return Ok((start.unwrap_or(vec![0.0]), vec![control.target]));
            }
            Control::Polynomial(control) => (vec![control.start], vec![control.steps[0].scales]),
            Control::Network(control) => (control.start.clone(), control.scales.clone()),
        };
        let target = self
            .as_many(&self.target, begins.len(), "--target")?
            .ok_or_else(|| usage(anyhow!("--target: a fit is for any; say where paths end")))?;
        doubts::target(&target, &scales).iter().for_each(|text| job.warn(text));
        Ok((self.as_many(&self.start, begins.len(), "--start")?.unwrap_or(begins), target))
    }

    /// What a flag says, d numbers.
    fn as_many(&self, given: &Option<Numbers>, d: usize, flag: &str) -> Result<Option<Vec<f64>>> {
        match given {
            Some(Numbers(values)) if values.len() != d => {
                Err(usage(anyhow!("{flag}: {} numbers, and the control is of {d} coordinates", values.len())))
            }
            given => Ok(given.as_ref().map(|numbers| numbers.0.clone())),
        }
    }
}
