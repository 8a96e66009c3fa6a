//! mixture join: several mixtures as one.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, Numbers, Program, parse_list, usage};
use crate::denoiser::Model;
use crate::denoiser::model::Unit;
use crate::mixture::Mixture;
use crate::scalar::Dtype;
use crate::stream::models_suit;

/// Make one mixture of several: Σ w_i p_i.
///
/// Its components are those of the first, then those of the second, and so on, which is how select finds them again.
///
/// Memory: the models.
#[derive(Args)]
pub struct Arguments {
    /// The mixtures
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<OsString>,
    /// Share of each model (default: equal; normalized)
    #[arg(long, value_name = "W1,…", value_parser = parse_list, allow_hyphen_values = true)]
    weights: Option<Numbers>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let weights = self.weights.map_or(vec![1.0; self.models.len()], |w| w.0);
        let proper = weights.len() == self.models.len() && weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !proper || weights.iter().all(|w| *w == 0.0) {
            let of = self.models.len();
            return Err(usage(anyhow!(
                "--weights: give {of} numbers, a share each, none negative and not all 0"
            )));
        }
        job.wait_for_stdin(&self.models.iter().map(|name| Some(name.as_os_str())).collect::<Vec<_>>())?;
        let mut output = job.model_output()?;
        let mut parts = Vec::new();
        let mut dtypes: Vec<Dtype> = Vec::new();
        let mut first: Option<(String, usize, Vec<usize>, Option<Unit>)> = None;
        for (name, weight) in self.models.iter().zip(weights) {
            let model = job.model_file(Some(name))?;
            let name = name.to_string_lossy().into_owned();
            let (d, shape, unit) = (model.dim(), model.item_shape.clone(), model.unit());
            dtypes.push(model.dtype);
            parts.push((weight, model.into_mixture(&name)?));
            let (of, due, known, other) = first.get_or_insert_with(|| (name.clone(), d, shape.clone(), unit));
            ensure!(
                d == *due,
                "{name}: is of dimension {d}, but {of} of {due}; join models of the same data"
            );
            models_suit((&name, &shape), (of, known))?;
            job.warn_of_units((of, *other), (&name, unit), Unit::is_scaled);
            if shape.len() > known.len() {
                *known = shape;
            }
        }
        let shape = first.map(|(_, _, shape, _)| shape).unwrap_or_default();
        let joined = Mixture::join(parts)?;
        Model::molrg(joined, shape, job.dtype(&dtypes)).write(&mut output)?;
        output.finish()
    }
}
