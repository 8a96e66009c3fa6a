//! The flags of local machines.

use anyhow::{Context, Result, anyhow, ensure};

use crate::cli::{Job, Numbers, parse_list};
use crate::denoiser::local::{Dictionary, Machine, Settings};

#[derive(clap::Args)]
#[command(next_help_heading = "Local machines")]
pub struct LocalArgs {
    /// What of an image a local machine sees, and what it compares that with
    #[arg(long, value_enum)]
    machine: Option<Machine>,
    /// Which patches equivariant-local has (default: circular)
    #[arg(long, value_enum)]
    dictionary: Option<Dictionary>,
    /// Noise levels that the sizes of --patch belong to; any other level has the patch of the nearest one, by ln σ
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    patch_levels: Option<Numbers>,
    /// τ of pca-local: a number of the output sees those whose weight in its row of the Wiener filter is this share of the
    /// largest (published: 0.005 for 28×28 digits and clothes, 0.02 to 0.05 for photographs)
    #[arg(long, value_name = "TAU")]
    threshold: Option<f64>,
}

impl LocalArgs {
    /// The machine that the flags describe, `patches` being those of `--patch`; with `calibrated`, patches are found later.
    pub fn settings(&self, patches: &[usize], calibrated: bool) -> Result<Settings> {
        let machine = self.machine.context("--machine: --kind local needs it; give one, as bordered")?;
        let levels = self.patch_levels.as_ref().map(|list| list.0.clone()).unwrap_or_default();
        let dictionary = self.dictionary.unwrap_or_default();
        let settings = Settings { machine, dictionary, patches: patches.to_vec(), levels };
        if calibrated {
            ensure!(machine.has_patches(), "--calibrate: this machine sees whole images; leave it out");
        } else {
            settings.check().map_err(|e| anyhow!("--{e}"))?;
        }
        Ok(settings)
    }

    /// τ.
    ///
    /// # Errors
    /// When it is not given, or no share.
    pub fn share(&self) -> Result<f64> {
        let share = self.threshold.context("--threshold: --kind pca-local needs it; give one, as 0.01")?;
        ensure!((0.0..=1.0).contains(&share), "--threshold {share}: must be from 0 to 1");
        Ok(share)
    }

    /// Refuses flags without effect: `settings` are those of the machine, if it is one.
    pub fn check_effect(&self, job: &Job, settings: Option<&Settings>) -> Result<()> {
        job.only(settings.is_some(), &["--machine"], "it is for --kind local")?;
        let dictionary = settings.is_some_and(|s| s.machine == Machine::EquivariantLocal);
        job.only(dictionary, &["--dictionary"], "it is for --machine equivariant-local")?;
        let several = settings.is_some_and(|s| s.patches.len() > 1);
        job.only(several, &["--patch-levels"], "it is for --kind local with several sizes of --patch")
    }
}
