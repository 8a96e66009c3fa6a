//! Inputs, models and samples alike.

use std::ffi::OsString;

use anyhow::{Result, ensure};

use crate::cli::Job;
use crate::denoiser::Model;
use crate::scalar::Dtype;
use crate::stream::{Content, Rows, items_suit, models_suit, same_items};

/// An input, opened.
pub enum Input {
    Model(Model),
    Samples(Box<Rows>),
}

impl Input {
    /// All of these names, the first model with what `--edit` says.
    pub fn open_all(job: &Job, names: &[&OsString]) -> Result<Vec<Input>> {
        let mut first = true;
        let open = |name: &&OsString| match Input::open(job, name)? {
            Input::Model(model) if std::mem::take(&mut first) => {
                Ok(Input::Model(job.edited(model, Some(name))?))
            }
            other => Ok(other),
        };
        names.iter().map(open).collect()
    }

    fn open(job: &Job, name: &OsString) -> Result<Input> {
        if let Some(model) = job.model_program(Some(name))? {
            return Ok(Input::Model(model));
        }
        let input = job.open(Some(name))?;
        Ok(match input.content() {
            Content::Safetensors => Input::Model(job.of_class(Model::read_denoiser(input)?, Some(name))?),
            _ => Input::Samples(Box::new(Rows::from_input(input, &job.read_options(job.shared.rows))?)),
        })
    }

    pub fn model(&self) -> Option<&Model> {
        match self {
            Input::Model(model) => Some(model),
            Input::Samples(_) => None,
        }
    }

    pub fn is_model(&self) -> bool {
        self.model().is_some()
    }

    /// Whether a finite set among the others may have been drawn from it.
    pub fn may_teach(&self) -> bool {
        self.model().is_some_and(Model::is_law)
    }

    pub fn dim(&self) -> usize {
        match self {
            Input::Model(model) => model.dim(),
            Input::Samples(rows) => rows.width(),
        }
    }

    /// Shape of one item.
    pub fn item_shape(&self) -> &[usize] {
        match self {
            Input::Model(model) => &model.item_shape,
            Input::Samples(rows) => rows.item_shape(),
        }
    }

    pub fn dtype(&self) -> Dtype {
        match self {
            Input::Model(model) => model.dtype,
            Input::Samples(rows) => rows.dtype(),
        }
    }
}

/// Refuses inputs whose items differ from those of the first.
pub fn same_data(names: &[&OsString], inputs: &[Input]) -> Result<()> {
    let Some(first) = inputs.first() else { return Ok(()) };
    for (name, input) in names.iter().zip(inputs) {
        let (name, other) = (name.to_string_lossy(), names[0].to_string_lossy());
        ensure!(
            input.dim() == first.dim(),
            "{name}: of dimension {}, but {other} has {}; give models or samples of the same data",
            input.dim(),
            first.dim()
        );
        let (of_first, of_input) =
            ((other.as_ref(), first.item_shape()), (name.as_ref(), input.item_shape()));
        match (first.is_model(), input.is_model()) {
            (true, true) => models_suit(of_first, of_input)?,
            (true, false) => items_suit(of_input, of_first)?,
            (false, true) => items_suit(of_first, of_input)?,
            (false, false) => same_items(of_first, of_input)?,
        }
    }
    Ok(())
}
