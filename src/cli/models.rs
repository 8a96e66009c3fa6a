//! The doors to models: files, and programs that are models.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Result, anyhow, bail};

use super::ending::Usage;
use super::job::Job;
use crate::denoiser::external::Ability;
use crate::denoiser::{Asked, External, Model, NetworkDenoiser};
use crate::scalar::Dtype;
use crate::stream::process::Workers;
use crate::stream::{Input, NanPolicy, Record};

/// COMMAND of `exec:COMMAND`.
pub fn command_of(name: &OsStr) -> Option<&OsStr> {
    name.as_bytes().strip_prefix(b"exec:").map(OsStr::from_bytes)
}

impl Job {
    /// A model with a denoiser, of `--class`, with what `--edit` says: the first of a run, or the only one.
    pub fn model(&self, name: Option<&OsStr>) -> Result<Model> {
        self.edited(self.other_model(name)?, name)
    }

    /// A model with a denoiser, of `--class`, that is not the first.
    pub fn other_model(&self, name: Option<&OsStr>) -> Result<Model> {
        self.of_class(self.classless(name, Model::read_denoiser)?, name)
    }

    /// A model with a denoiser that is asked without `--class`.
    pub fn unconditional_model(&self, name: &OsStr) -> Result<Model> {
        self.without_class(self.classless(Some(name), Model::read_denoiser)?, Some(name))
    }

    /// A model with a denoiser, of `--class` where it has classes.
    pub fn model_of_class_if_any(&self, name: &OsStr) -> Result<Model> {
        let model = self.classless(Some(name), Model::read_denoiser)?;
        if model.classes().is_some() {
            self.of_class(model, Some(name))
        } else {
            self.given(model, Some(name))
        }
    }

    /// A model of any kind: a denoiser, of `--class` and with what `--edit` says, or a generator.
    pub fn any_model(&self, name: Option<&OsStr>) -> Result<Model> {
        self.edited(self.of_class(self.classless(name, Model::read)?, name)?, name)
    }

    /// A model that is asked for nothing so far: a program, or what `read` makes of a file.
    fn classless(&self, name: Option<&OsStr>, read: fn(Input) -> Result<Model>) -> Result<Model> {
        match self.denoiser_program(name)? {
            Some(external) => Ok(Model::external(external)),
            None => read(self.open(name)?),
        }
    }

    /// A model whose parameters are wanted, so that only a file will do. It is asked for no class yet.
    pub fn model_file(&self, name: Option<&OsStr>) -> Result<Model> {
        self.given(self.unasked_file(name)?, name)
    }

    /// A model that is looked at, and not asked: it is given no condition, either.
    pub fn unasked_file(&self, name: Option<&OsStr>) -> Result<Model> {
        Model::read_denoiser(self.only_file(name)?)
    }

    fn only_file(&self, name: Option<&OsStr>) -> Result<Input> {
        if let Some(name) = name.filter(|name| command_of(name).is_some()) {
            bail!(Usage(format!(
                "{}: a program answers, and does not show its parameters; give a model file",
                name.display()
            )));
        }
        self.open(name)
    }

    /// The transition of states of `dim` numbers that a network has learned: the mean of the next, or its denoiser, which is
    /// asked at `levels`.
    ///
    /// # Errors
    /// As [`Model::is_transition`], on programs, and on classes that it cannot do without.
    pub fn transition(
        &self,
        name: &OsStr,
        dim: usize,
        mean: bool,
        levels: &[f64],
    ) -> Result<NetworkDenoiser<f64>> {
        let model = self.unasked_file(Some(name))?.ask(Asked::Nothing);
        let model = model.and_then(|model| model.is_transition(dim, mean).map(|()| model));
        let model = model.map_err(|e| anyhow!("{}: {e}", name.display()))?;
        self.warn_of_levels(&model, levels);
        model.into_network()
    }

    /// The model that a program is, where the name is `exec:COMMAND`; of `--class`, where that is given.
    pub fn model_program(&self, name: Option<&OsStr>) -> Result<Option<Model>> {
        let model = self.denoiser_program(name)?.map(Model::external);
        model.map(|model| self.of_class(model, name)).transpose()
    }

    fn denoiser_program(&self, name: Option<&OsStr>) -> Result<Option<External>> {
        let Some((name, command)) = name.and_then(|name| Some((name, command_of(name)?))) else {
            return Ok(None);
        };
        let external = self.external(name, command)?;
        external.needs(&[Ability::Denoise])?;
        Ok(Some(external))
    }

    /// The descriptor that a program is.
    pub fn descriptor_program(&self, command: &str) -> Result<External> {
        let external = self.external(OsStr::new(&format!("exec:{command}")), OsStr::new(command))?;
        external.needs(&[Ability::Describe])?;
        Ok(external)
    }

    fn external(&self, name: &OsStr, command: &OsStr) -> Result<External> {
        let name = name.to_string_lossy();
        if command.as_bytes().trim_ascii().is_empty() {
            bail!(Usage(format!("{name}: give a command, like exec:'python net.py'")));
        }
        if self.shared.nan == NanPolicy::Drop && !self.shared.rows.is_all() {
            bail!(Usage(format!(
                "--nan drop with --rows and {name}: rows of a program belong to batches by their number, which dropping \
                 changes; drop them first with npy cat --nan drop"
            )));
        }
        let external = External::meet(Workers::start(command, &name, self.shared.workers)?)?;
        let hello = &external.hello;
        self.ledger.process(Record {
            name: external.name().to_string(),
            name_hex: None,
            shape: None,
            dtype: Some(match hello.dtype {
                Dtype::F32 => "<f4".to_string(),
                Dtype::F64 => "<f8".to_string(),
            }),
            sha256: hello.sha256.clone(),
            bytes: None,
            manifest_sha256: None,
            program: Some(hello.name.clone()),
            batch: Some(hello.batch),
        });
        Ok(external)
    }
}
