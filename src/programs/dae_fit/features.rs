//! Linear maps of random features: their flags, and how they are fitted.

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::Array2;

use crate::cli::{Block, Job, LevelArgs, Repeated, count, noise_level, parse_list};
use crate::denoiser::RandomFeatures;
use crate::denoiser::random_features::Target;
use crate::fit::random_features::{Moments, Spread, Training, draw};
use crate::scalar::Scalar;
use crate::schedule::{Grid, same_level};

#[derive(clap::Args)]
#[command(next_help_heading = "Random features")]
pub struct FeatureArgs {
    /// Number of features
    #[arg(long, value_name = "p", default_value_t = 1000, value_parser = count(1..=100_000_u32))]
    features: u32,
    /// How far features see: their kernel is exp(−‖x − x'‖²/2dL²), x of deviation 1
    #[arg(long, value_name = "L", default_value_t = 1.0)]
    bandwidth: f64,
    /// What they are fitted to
    #[arg(long, value_enum, default_value = "data")]
    target: Target,
    /// Train by gradient flow from 0 until this time
    #[arg(long, value_name = "t")]
    time: Option<f64>,
    /// Train to the end, with this penalty on squares of weights (1 is as large as all eigenvalues together)
    #[arg(long, value_name = "λ", default_value_t = 1e-6, conflicts_with = "time")]
    ridge: f64,
}

/// A fit that the flags ask for.
pub struct Settings {
    count: usize,
    sigmas: Vec<f64>,
    bandwidth: f64,
    target: Target,
    training: Training,
}

impl FeatureArgs {
    pub fn settings(&self, sigmas: Vec<f64>) -> Result<Settings> {
        let positive = |flag: &str, value: f64| {
            ensure!(value > 0.0 && value.is_finite(), "{flag} {value}: must be positive");
            Ok(())
        };
        positive("--bandwidth", self.bandwidth)?;
        let training = match self.time {
            Some(time) => {
                positive("--time", time)?;
                Training::Flow(time)
            }
            None if self.ridge >= 0.0 && self.ridge.is_finite() => Training::Ridge(self.ridge),
            None => bail!("--ridge {}: must be finite and not negative", self.ridge),
        };
        let (count, bandwidth, target) = (self.features as usize, self.bandwidth, self.target);
        Ok(Settings { count, sigmas, bandwidth, target, training })
    }

    /// Refuses flags without effect on other kinds.
    pub fn check_effect(&self, job: &Job, fitted: bool) -> Result<()> {
        let flags = ["--features", "--bandwidth", "--target", "--time", "--ridge"];
        job.only(fitted, &flags, "it is for --kind random-features")
    }
}

/// The noise levels that `--levels` says, each once.
pub fn noise_levels(text: &str) -> Result<Vec<f64>> {
    let sigmas = match text.contains(':') {
        true => {
            let levels = Some(text.to_string());
            LevelArgs { sigma: None, snr: None, time: None, levels }.sigmas(&Grid::default())?
        }
        false => {
            let list = parse_list(text).map_err(|e| anyhow!("--levels: {e}"))?;
            list.0.iter().map(|&sigma| noise_level("--levels", sigma)).collect::<Result<Vec<_>>>()?
        }
    };
    for (i, sigma) in sigmas.iter().enumerate() {
        ensure!(
            !sigmas[..i].iter().any(|other| same_level(*other, *sigma)),
            "--levels: {sigma} is there twice; give every level once"
        );
    }
    Ok(sigmas)
}

/// Rows that are read at once.
const ROWS: usize = 2048;

impl Settings {
    /// The fit: a pass over the rows for their mean and deviation, and one a level.
    pub fn fit<T: Scalar>(&self, job: &Job, rows: &Repeated<T>) -> Result<RandomFeatures> {
        let work = |block: Block<T>| Ok(rows.rows(block));
        let mut spread = Spread::default();
        job.each_block(rows.source(job)?, ROWS, "rows", work, |_, rows: Array2<T>| {
            spread.add(rows.view());
            Ok(())
        })?;
        let (mean, sigma_data) = spread.mean_and_deviation().context("no rows to fit; give samples")?;
        ensure!(sigma_data.is_finite(), "the numbers are too large to fit; give them in another unit");
        ensure!(
            sigma_data > 0.0,
            "the rows have no deviation that features could be scaled by; give rows that differ"
        );
        let features = draw(self.count, mean, sigma_data, self.bandwidth, job.shared.seed);
        let mut model = RandomFeatures::new::<T>(features, self.target);
        let features = model.features.clone();
        for &sigma in &self.sigmas {
            let mut moments = Moments::new(&features, sigma)?;
            job.each_block(rows.source(job)?, ROWS, "rows", work, |_, rows: Array2<T>| {
                moments.add(rows.view());
                Ok(())
            })?;
            model.push::<T>(sigma, moments.fit(self.target, self.training)?.view());
        }
        Ok(model)
    }
}
