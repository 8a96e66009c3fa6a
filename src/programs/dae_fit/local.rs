//! The flags of local machines.

use anyhow::{Context, Result, anyhow};

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
}

impl LocalArgs {
    /// The machine that the flags describe, `patches` being those of `--patch`.
    pub fn settings(&self, patches: &[usize]) -> Result<Settings> {
        let machine = self.machine.context("--machine: --kind local needs it; give one, as bordered")?;
        let levels = self.patch_levels.as_ref().map(|list| list.0.clone()).unwrap_or_default();
        let dictionary = self.dictionary.unwrap_or_default();
        let settings = Settings { machine, dictionary, patches: patches.to_vec(), levels };
        settings.check().map_err(|e| anyhow!("--{e}"))?;
        Ok(settings)
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
