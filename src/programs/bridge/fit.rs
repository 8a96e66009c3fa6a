//! bridge fit: the control towards every end, by regression.

use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};

use super::mlp::NetworkArgs;
use super::table::FITTED;
use super::{ScoreArgs, SettingArgs, report};
use crate::blocks::room;
use crate::bridge::control::powers;
use crate::bridge::paths::simulate;
use crate::bridge::regression::{Regression, Step};
use crate::cli::{Job, Program, Source, count, usage};

/// Fit the control u(t_k, x; y) by least squares of free paths' scores.
///
/// Polynomials, in one dimension: at each of the K steps one in x, where a path is, and y, where it ends: a row a coefficient of
/// p^i q^j, p = (x − x_mean)/x_std and q = (y − y_mean)/y_std. std_error takes what the polynomial leaves to vary alike
/// everywhere, which is so of linear drifts only. sample takes the table. What no path has done is not in it: where few
/// free paths end near the target, the polynomial goes on from others.
///
/// --kind mlp, in as many dimensions as --start has numbers: a network for all steps, trained by Adam on every path once; a
/// row a number of it: where paths began, their scales and the parameters.
///
/// --report: a row a step: the scores' variance, the share of it that is explained, and the share that would be of numbers
/// that have nothing to do with the paths. Of a network both are of 1024 paths that it has not seen.
///
/// Memory: K p² numbers for each of a few blocks a thread, p = (degree + 1)(degree + 2)/2; of a network its parameters.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    setting: SettingArgs,
    #[command(flatten)]
    scores: ScoreArgs,
    /// What is fitted
    #[arg(long, value_enum, default_value = "polynomial")]
    kind: Kind,
    #[command(flatten)]
    network: NetworkArgs,
    /// Degree of the polynomials: 1 is exact for linear drifts
    #[arg(long, value_name = "P", default_value = "3", value_parser = count(1..=9_u32))]
    degree: u32,
    /// Write how each step went
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Polynomial,
    Mlp,
}

/// Paths in a block, always: sums are of blocks.
const BLOCK: usize = 256;
/// Paths that say what scale numbers have.
const FIRST: usize = 1024;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let setting = self.setting.setting()?;
        self.scores.check()?;
        let polynomial = self.kind == Kind::Polynomial;
        job.only(!polynomial, &NetworkArgs::FLAGS, "it is of --kind mlp")?;
        job.only(polynomial, &["--degree"], "a network has none")?;
        if !polynomial {
            return self.network.fit(job, setting, &self.scores, self.report.as_deref());
        }
        let start =
            self.scores.one("polynomials are of one; fit --kind mlp, or each coordinate by itself")?;
        let (mode, n) = (self.scores.mode.mode(), self.scores.samples);
        let p = powers(self.degree).len();
        if n <= p {
            return Err(usage(anyhow!(
                "--samples {n}: so few paths do not tell {p} coefficients; give more, or a lower --degree"
            )));
        }
        // A block for every one that `in_order` holds, paths besides.
        let held = 5 * rayon::current_num_threads() + 1;
        room(&[held, setting.steps, p * (p + 2) + 3 * BLOCK], "--steps")?;
        let mut table = job.table(&FITTED)?;
        let report = self.report.as_ref().map(|path| job.side_table(path, &report::COLUMNS)).transpose()?;
        let simulated = |rows| simulate(&setting, mode, &[start], rows, job.shared.seed);
        let mut regression = Regression::new(&simulated(0..n.min(FIRST) as u64)?, self.degree);
        let scaled = regression.clone();
        job.each_block::<f64, _>(
            Source::Numbers(0..n as u64),
            BLOCK,
            "paths",
            |block| Ok(scaled.sums(&simulated(block.rows)?)),
            |_, sums| {
                regression.add(&sums);
                Ok(())
            },
        )?;
        let steps = regression.solve()?;
        let told = |step: &Step| report::Step {
            variance: step.variance,
            explained: step.explained,
            by_chance: step.by_chance,
        };
        let told: Vec<_> = steps.iter().map(told).collect();
        report::warn(job, &told, &self.scores, "a lower --degree");
        let (system, mode) = (setting.system.to_string(), self.scores.mode.name());
        for (k, step) in steps.iter().enumerate() {
            let scales = &step.polynomial.scales;
            for (&(i, j, c), &error) in step.polynomial.terms.iter().zip(&step.std_errors) {
                ensure!(c.is_finite(), "step {k}: a coefficient is {c}; give numbers in another unit");
                let mut row = vec![system.as_str().into(), setting.noise_std.into(), setting.horizon.into()];
                row.extend([start.into(), mode.into(), k.into(), setting.time(k).into()]);
                row.extend([scales.x_mean, scales.x_std, scales.y_mean, scales.y_std].map(Into::into));
                row.extend([(i as usize).into(), (j as usize).into(), c.into(), error.into()]);
                table.row(&row)?;
            }
        }
        report.map_or(Ok(()), |table| report::write(table, &setting, &told, n))?;
        table.finish()
    }
}
