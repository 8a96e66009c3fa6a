//! mixture: closed-form operations on mixtures.

pub mod condition;
pub mod info;
pub mod join;
pub mod pool;
pub mod select;

use std::ffi::OsStr;

use anyhow::Result;
use clap::Args;

use crate::cli::Job;
use crate::mixture::Mixture;
use crate::scalar::Dtype;

/// Closed-form operations on mixtures: look at them, take them apart, put them together.
///
/// select gives a class of a mixture as a model, join several as one, and pool the Gaussian with its mean and
/// covariance: the conditional and the unconditional law that guidance goes between, all exact.
///
/// Memory: the models; pool of a mixture that spans the whole space takes d × d numbers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 3 --mean-norm 2 -n 10 --truth truth.st -o /dev/null && mixture select truth.st --components 0,2 | mixture info
  $ molrg-gen -d 48 -r 6 -k 3 --mean-norm 2 -n 10 --truth truth.st -o /dev/null && mixture pool truth.st -o pooled.st && mixture select truth.st --components 0 | pf-sample - -n 100 --guidance 2 --unconditional pooled.st | npy info -")]
pub struct About {}

/// A mixture from a file, with its item shape and number type.
fn read(job: &Job, name: Option<&OsStr>) -> Result<(Mixture, Vec<usize>, Dtype)> {
    let model = job.model_file(name)?;
    let (shape, dtype) = (model.item_shape.clone(), model.dtype);
    let mixture = model.into_mixture(&name.unwrap_or(OsStr::new("-")).to_string_lossy())?;
    Ok((mixture, shape, dtype))
}
