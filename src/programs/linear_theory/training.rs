//! Linear denoisers that are trained, as arguments name them.

use anyhow::{Result, anyhow};
use clap::Args;

use super::SpectrumArgs;
use crate::blocks::room;
use crate::cli::{Job, count, noise_level, positive, usage};
use crate::theory::learning::{Architecture, Learner, Training};

/// A linear denoiser and how it is trained and sampled.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub(super) struct TrainingArgs {
    /// The denoiser; of convolutions eigenvalues are the variances of Fourier modes, a rule's by frequency
    #[arg(long, value_enum, default_value = "one-layer")]
    arch: Architecture,
    /// Pixels of a local filter, an odd number
    #[arg(long, value_name = "K", value_parser = count(1..=65_535_u32))]
    patch: Option<u32>,
    /// Q: the weight of every mode before training
    #[arg(long, value_name = "Q", default_value_t = 0.1)]
    init: f64,
    /// η: the rate; of gradient descent the size of a step, whose number is then the time
    #[arg(long, value_name = "ETA", default_value_t = 1.0, value_parser = positive)]
    rate: f64,
    /// Noise level at which the flow ends
    #[arg(long, value_name = "SIGMA", default_value_t = 0.002)]
    sigma_min: f64,
    /// Noise level at which it starts
    #[arg(long, value_name = "SIGMA", default_value_t = 80.0)]
    sigma_max: f64,
}

impl TrainingArgs {
    /// The denoiser of data of this spectrum.
    ///
    /// # Errors
    /// Usage errors; those of the spectrum.
    pub fn learner(&self, job: &Job, spectrum: &SpectrumArgs) -> Result<Learner> {
        let training = self.training(job).map_err(usage)?;
        let eigenvalues = match self.arch {
            Architecture::OneLayer | Architecture::TwoLayer => spectrum.eigenvalues(job)?,
            Architecture::Circular | Architecture::Local => spectrum.fourier_variances(job)?,
        };
        if let Some(patch) = training.patch {
            if patch > eigenvalues.len() || patch % 2 == 0 {
                return Err(usage(anyhow!(
                    "--patch {patch}: must be odd, with a pixel in the middle, and at most the {} of the signal",
                    eigenvalues.len()
                )));
            }
            room(&[3, eigenvalues.len(), patch], "--patch")?;
        }
        Learner::new(training, eigenvalues)
    }

    fn training(&self, job: &Job) -> Result<Training> {
        let local = self.arch == Architecture::Local;
        job.only(local, &["--patch"], "a local filter alone sees patches")?;
        if local && self.patch.is_none() {
            return Err(anyhow!("--arch local: give --patch, how many pixels its filter has"));
        }
        let least = if self.arch == Architecture::TwoLayer { f64::MIN_POSITIVE } else { 0.0 };
        if !(least..=1.0).contains(&self.init) {
            return Err(anyhow!(
                "--init {}: must be from 0 to 1, and of two layers above 0, where they never leave",
                self.init
            ));
        }
        let sigmas =
            (noise_level("--sigma-min", self.sigma_min)?, noise_level("--sigma-max", self.sigma_max)?);
        if sigmas.0 >= sigmas.1 {
            return Err(anyhow!("--sigma-min {} is not below --sigma-max {}", sigmas.0, sigmas.1));
        }
        let patch = self.patch.map(|patch| patch as usize);
        Ok(Training { architecture: self.arch, patch, initial: self.init, rate: self.rate, sigmas })
    }
}
