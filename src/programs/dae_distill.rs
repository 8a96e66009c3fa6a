//! dae-distill: the best affine denoiser, a map a noise level.

use std::ffi::{OsStr, OsString};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Block, Job, Program, Repeated, Taken, TimedLevelArgs, usage};
use crate::denoiser::model::Kind;
use crate::denoiser::{Affine, Denoiser, Model};
use crate::fit::affine::{AffineFit, Regression, relative_square, wiener_filter};
use crate::flow::at_once;
use crate::random::NoisyPoints;
use crate::scalar::Scalar;
use crate::stream::Table;
use crate::with_dtype;

/// Distill a denoiser into the affine map nearest to it, at each noise level.
///
/// The map W x + b is the least squares fit to D(x; σ) at x = INPUTS + σ·ε, exact from moments in f64: W = Cov(D, x)
/// Cov(x, x)⁻¹. The model that is written has these levels alone and refuses others; --levels edm:18 are those that
/// pf-sample visits by default. --report has a row a level: rmse, the root mean square of what is left of D; the share
/// of D's variance that is explained; and wiener_nmse, ‖W − F‖²/‖F‖² (Frobenius) with F = Σ(Σ + σ²)⁻¹, Σ the covariance
/// of INPUTS without noise. Of a posterior mean W is F itself, to about d/n, where INPUTS are of its own law; of what
/// has memorized other rows it is not, on rows held out.
///
/// Memory: the model and three d × d matrices (five with --report), whatever N is; INPUTS that are no plain file are
/// held.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 5000 --truth truth.st | dae-distill truth.st - --levels edm:18 | pf-sample -n 100 | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 5000 --truth truth.st | dae-distill truth.st - --sigma 2,0.5 --report report.csv | npy info - && table cat report.csv")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one
    model: OsString,
    /// Data without noise, one per row (default: standard input)
    inputs: Option<OsString>,
    #[command(flatten)]
    levels: TimedLevelArgs,
    /// Draws of noise for every row
    #[arg(long, value_name = "K", default_value_t = 1)]
    draws: u64,
    /// Write how well the maps do there
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Share of the residual that a fit may take up before a warning says so.
const LARGE: f64 = 0.1;

/// A residual below this share of D's variance is rounding: D is affine.
const NOTHING: f64 = 1e-9;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let sigmas = self.levels.sigmas(job)?;
        if self.draws == 0 {
            return Err(usage(anyhow!("--draws 0: every row needs at least one draw of noise")));
        }
        job.numbered(true, "noise", "it belongs to rows by their number")?;
        job.wait_for_stdin(&[Some(&self.model), self.inputs.as_deref()])?;
        let mut output = job.model_output()?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let rows = job.points(self.inputs.as_deref(), &model, &self.model, Taken::Data)?;
        job.warn_of_levels(&model, &sigmas);
        let columns = ["sigma", "rmse", "explained", "wiener_nmse", "n"];
        let report = self.report.as_deref().map(|path| job.side_table(path, &columns)).transpose()?;
        let item_shape = model.item_shape.clone();
        let dtype = job.dtype(&[model.dtype, rows.dtype()]);
        let affine = with_dtype!(dtype, T => {
            let inputs = Repeated::<T>::new(job, self.inputs.as_deref(), rows)?;
            self.distill(job, &sigmas, model, &inputs, report)?
        });
        Model::new(Kind::Affine(affine), item_shape, dtype).write(&mut output)?;
        output.finish()
    }
}

impl Arguments {
    fn distill<T: Scalar>(
        &self,
        job: &Job,
        sigmas: &[f64],
        model: Model,
        inputs: &Repeated<T>,
        mut report: Option<Table>,
    ) -> Result<Affine> {
        let denoiser = model.into_denoiser::<T>()?;
        let d = denoiser.dim();
        let covariance = report.is_some().then(|| inputs.moments(job)).transpose()?.map(|m| m.covariance().1);
        let mut affine = Affine::new::<T>(d);
        let mut taken_up = None;
        for &sigma in sigmas {
            let fit = self.at_level(job, sigma, denoiser.as_ref(), inputs)?;
            affine.push::<T>(sigma, fit.weight.view(), fit.bias.view());
            if fit.residual > NOTHING * fit.variance {
                taken_up = Some(fit.pairs);
            }
            if let (Some(report), Some(covariance)) = (&mut report, &covariance) {
                report_level(report, sigma, &fit, covariance)?;
            }
        }
        if let Some(pairs) = taken_up.filter(|pairs| (d + 1) as f64 > LARGE * *pairs as f64) {
            job.warn(&format!(
                "an affine map has {} coefficients for each of its outputs, and {pairs} rows to fit them to: they take up \
                 {:.0} % of what it should leave; give more rows, or more --draws of noise",
                d + 1,
                100.0 * (d + 1) as f64 / pairs as f64
            ));
        }
        report.map_or(Ok(()), Table::finish)?;
        Ok(affine)
    }

    /// The fit at one noise level. A row has the same ε at all levels.
    fn at_level<T: Scalar>(
        &self,
        job: &Job,
        sigma: f64,
        denoiser: &dyn Denoiser<T>,
        inputs: &Repeated<T>,
    ) -> Result<AffineFit> {
        // Moments enter on a thread of their own: meanwhile there is always work on further rows.
        let regression = thread::scope(|scope| {
            let (pairs, taken) = mpsc::sync_channel::<(Array2<T>, Array2<T>)>(1);
            let entering = scope.spawn(move || {
                let mut regression: Option<Regression> = None;
                for (x, answer) in taken {
                    // The first answer lies where both x and the answers do.
                    let regression = match &mut regression {
                        Some(regression) => regression,
                        None => regression.insert(Regression::new(answer.row(0).mapv(Scalar::wide))?),
                    };
                    regression.add(x.view(), answer.view());
                }
                anyhow::Ok(regression)
            });
            for draw in 0..self.draws {
                let source = inputs.source(job)?;
                let most = at_once(denoiser, source.len().unwrap_or(usize::MAX), denoiser.dim());
                let work = |block: Block<T>| {
                    let rows = block.rows.clone();
                    let points = inputs.rows(block);
                    // Draw 0 is what the map is looked at by, with the same points and seed: it would know that noise.
                    let x = NoisyPoints::once(points, job.shared.seed, rows.start, draw + 1, sigma);
                    let answer = denoiser.denoise_rows(x.view(), rows.start, sigma)?;
                    job.finite(answer.view(), rows.start)?;
                    Ok((x, answer))
                };
                job.each_block(source, most, "rows", work, |_, pair| {
                    // Nothing takes them any more where there is no memory for moments, which is said below.
                    let _ = pairs.send(pair);
                    Ok(())
                })?;
            }
            drop(pairs);
            entering.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        let name = self.inputs.as_deref().unwrap_or(OsStr::new("<stdin>")).display();
        let regression = regression.with_context(|| format!("{name}: no rows to distill on; give inputs"))?;
        regression.fit().with_context(|| format!("{name}: at noise level {sigma}"))
    }
}

fn report_level(report: &mut Table, sigma: f64, fit: &AffineFit, covariance: &Array2<f64>) -> Result<()> {
    let filter = wiener_filter(covariance.view(), sigma)?;
    let explained = (fit.variance > 0.0).then_some(1.0 - fit.residual / fit.variance);
    report.row(&[
        sigma.into(),
        (fit.residual / fit.bias.len() as f64).sqrt().into(),
        explained.into(),
        relative_square(fit.weight.view(), filter.view()).into(),
        fit.pairs.into(),
    ])
}
