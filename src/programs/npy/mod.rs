//! npy: look at and rearrange arrays.

pub mod cat;
pub mod check;
pub mod diff;
pub mod images;
pub mod info;
pub mod r#let;
pub mod noise;
mod recorded;
pub mod stack;
pub mod take;
pub mod transpose;
mod verify;

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::usage;

/// Look at and rearrange arrays.
///
/// Reads npy, npz, IDX (gzipped or not) and csv. These programs move numbers rather than compute
/// with them, so numbers that are not finite pass unless --nan says otherwise.
///
/// Memory: a block of rows of each input, whatever its length; of an array in Fortran order, the
/// whole. An array whose length is not known beforehand, as from a pipe, waits in a temporary file.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1000 | npy cat --rows ..100 --cols ..2 | npy info -
  $ npy noise -n 4 -d 64 --shape 8,8 --seed 1 | npy images --pool 4 --from 0,1 --to 0,255 -f csv")]
pub struct About {}

/// The inputs that were named; none is standard input, which can be read only once.
fn inputs(files: &[OsString]) -> Result<Vec<Option<&OsStr>>> {
    if files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(usage(anyhow!("-: standard input can be read only once; name files for the others")));
    }
    Ok(match files {
        [] => vec![None],
        _ => files.iter().map(|file| Some(file.as_os_str())).collect(),
    })
}
