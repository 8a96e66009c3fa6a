//! Edits of a network's layers: `--edit LAYER=FILE:WEIGHT`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::str;

use anyhow::{Result, anyhow, bail, ensure};

use super::ending::usage;
use super::job::Job;
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::denoiser::network::Edit;
use crate::stream::{NanPolicy, ReadOptions, RowRange, Rows};

/// `--edit` as written.
#[derive(Clone, Debug, PartialEq)]
pub struct EditArg {
    pub layer: String,
    pub direction: OsString,
    pub weight: f64,
}

impl EditArg {
    /// # Errors
    /// On what is not a layer, a file and a finite number.
    pub fn parse(text: OsString) -> Result<EditArg, &'static str> {
        let parts = EditArg::parts(text.as_bytes());
        let (layer, direction, weight) =
            parts.ok_or("write LAYER=FILE:WEIGHT, as blocks.0=direction.npy:2")?;
        let weight = str::from_utf8(weight).ok().and_then(|w| w.parse().ok()).filter(|w: &f64| w.is_finite());
        let weight = weight.ok_or("the weight, after the last colon, is no finite number")?;
        let layer = String::from_utf8_lossy(layer).into_owned();
        Ok(EditArg { layer, direction: OsStr::from_bytes(direction).to_os_string(), weight })
    }

    /// Layer, file and weight. Names of layers have no =, numbers no :, and files may have both.
    fn parts(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
        let equals = text.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
        let colon = text.iter().rposition(|b| *b == b':').filter(|at| *at > equals + 1)?;
        Some((&text[..equals], &text[equals + 1..colon], &text[colon + 1..]))
    }
}

impl Job {
    /// The first model of a run, with what `--edit` says; `name` is the model's.
    ///
    /// # Errors
    /// A direction that is not one row of finite numbers; as [`Model::edit`], of a program.
    pub fn edited(&self, model: Model, name: Option<&OsStr>) -> Result<Model> {
        if self.shared.edits.is_empty() {
            return Ok(model);
        }
        let name = name.unwrap_or(OsStr::new("<stdin>")).to_string_lossy();
        if let Kind::External(_) = model.kind {
            bail!(usage(anyhow!(
                "--edit: {name} is a program, and does not show its layers; give a network's file, or have the program edit \
                 it, as dae-serve --edit does"
            )));
        }
        let edits = self.shared.edits.iter().map(|edit| self.edit_of(edit)).collect::<Result<_>>()?;
        model.edit(edits).map_err(|e| usage(anyhow!("--edit: {name}: {e:#}")))
    }

    fn edit_of(&self, edit: &EditArg) -> Result<Edit> {
        let options =
            ReadOptions { item_shape: None, nan: NanPolicy::Error, ..self.read_options(RowRange::default()) };
        let mut rows = Rows::from_input(self.open(Some(&edit.direction))?, &options)?;
        let name = rows.name().to_string();
        let directions = rows.read_all::<f64>()?;
        let count = directions.nrows();
        ensure!(
            count == 1,
            "{name}: has {count} rows, where one direction is; take one with npy cat --rows I..J"
        );
        let values: Vec<f64> = directions.iter().map(|v| edit.weight * v).collect();
        // In f32, too, in which most networks compute.
        ensure!(
            values.iter().all(|v| (*v as f32).is_finite()),
            "--edit: {name}: {} times the direction is not finite in f32; give a smaller weight",
            edit.weight
        );
        Ok(Edit { layer: edit.layer.clone(), values })
    }
}
