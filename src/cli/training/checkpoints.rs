//! Checkpoints of training: model files that also hold the optimizer's moments and
//! the log so far. A run goes on from the last of its directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail, ensure};

use super::log::Log;
use super::run::{LOG_SO_FAR, RECORD, Run, STEP};
use crate::cli::Usage;
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::scalar::Scalar;
use crate::stream::{Input, Ledger, Output};
use crate::training::{State, Trainer};

/// A directory of checkpoints, and whether a signal asks to stop.
pub struct Checkpoints {
    pub(super) directory: PathBuf,
    pub(super) stop: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Tries the directory, before any work: whether it can be written, and whether it
    /// holds another run's checkpoints.
    pub fn open(directory: &Path, resume: bool) -> Result<Checkpoints> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make the directory of checkpoints", directory.display()))?;
        drop(Output::create(Some(&directory.join("step-trial.safetensors")), &Ledger::off())?);
        let checkpoints =
            Checkpoints { directory: directory.to_path_buf(), stop: Arc::new(AtomicBool::new(false)) };
        if let (false, Some(path)) = (resume, checkpoints.last()?) {
            bail!(Usage(format!(
                "{}: is the checkpoint of an earlier run; give --resume to go on with it, or another directory",
                path.display()
            )));
        }
        Ok(checkpoints)
    }

    /// From here on signals ask to stop, and no longer end the program.
    pub fn listen(&self) -> Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        for signal in [SIGTERM, SIGINT, SIGUSR1] {
            signal_hook::flag::register(signal, self.stop.clone()).context("cannot listen for signals")?;
        }
        Ok(())
    }

    /// The checkpoint of the latest step.
    fn last(&self) -> Result<Option<PathBuf>> {
        let unreadable = || format!("{}: cannot read the directory of checkpoints", self.directory.display());
        let mut last: Option<(u64, PathBuf)> = None;
        for entry in std::fs::read_dir(&self.directory).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            let step = name.strip_prefix("step-").and_then(|n| n.strip_suffix(".safetensors"));
            let Some(step) = step.and_then(|n| n.parse().ok()) else { continue };
            if last.as_ref().is_none_or(|(s, _)| step > *s) {
                last = Some((step, path));
            }
        }
        Ok(last.map(|(_, path)| path))
    }

    /// Puts the run and the trainer where the last checkpoint was, if there is one.
    pub(super) fn restore<T: Scalar>(&self, run: &mut Run, trainer: &mut Trainer<T>) -> Result<()> {
        let Some(path) = self.last()? else { return Ok(()) };
        let shown = path.display();
        let model = Model::read(Input::open(&OsString::from(&path), &Ledger::off())?)?;
        ensure!(
            model.item_shape == run.item_shape,
            "{shown}: was made for items of shape {:?}, these have {:?}; give another --checkpoint directory",
            model.item_shape,
            run.item_shape
        );
        let Kind::Network(network) = model.kind else { bail!("{shown}: is not a checkpoint of training") };
        let before = network.architecture.to_metadata();
        let asked = run.architecture.to_metadata();
        let before = before.into_iter().map(|(k, v)| (k.to_string(), v)).chain(network.training.clone());
        let asked = asked.into_iter().map(|(k, v)| (k.to_string(), v)).chain(run.record.clone());
        let (before, asked): (BTreeMap<_, _>, BTreeMap<_, _>) = (before.collect(), asked.collect());
        let keys = before.keys().chain(asked.keys()).filter(|k| *k != STEP && *k != LOG_SO_FAR);
        for key in keys {
            let (was, is) = (before.get(key), asked.get(key));
            let none = "nothing".to_string();
            ensure!(
                was == is,
                "{shown}: was made with {} {}, this run asks for {}; give the same flags and data, or another \
                 --checkpoint directory",
                key.strip_prefix(RECORD).unwrap_or(key),
                was.unwrap_or(&none),
                is.unwrap_or(&none)
            );
        }
        let lacking = || format!("{shown}: is a model, not a checkpoint of training");
        let text = |key: &str| network.training.get(key).with_context(lacking);
        let [first, second] = network.optimizer.clone().with_context(lacking)?;
        let step = text(STEP)?.parse().ok().with_context(lacking)?;
        run.log = Log::from_text(text(LOG_SO_FAR)?, run.log.every).with_context(lacking)?;
        let (parameters, average) = (network.parameters.into_vec(), network.average.into_vec());
        let state = State { step, parameters, average, first: first.into_vec(), second: second.into_vec() };
        ensure!(
            network.sigma_data == trainer.sigma_data
                && network.preconditioning == trainer.preconditioning()
                && network.condition == run.condition,
            "{shown}: its sigma_data, preconditioning or scales of conditions are not those of this run: it is damaged, or of \
             another version; give another --checkpoint directory"
        );
        trainer.restore(state).with_context(|| shown.to_string())
    }

    /// Writes a checkpoint, at once.
    pub(super) fn write<T: Scalar>(&self, run: &Run, trainer: &Trainer<T>) -> Result<PathBuf> {
        let path = self.directory.join(format!("step-{:08}.safetensors", trainer.state.step));
        let mut output = Output::create(Some(&path), &Ledger::off())?;
        run.checkpoint(trainer).write(&mut output)?;
        output.finish()?;
        Ok(path)
    }
}
