//! npy: look at and rearrange arrays.

mod cat;
mod check;
mod diff;
mod images;
mod info;
mod noise;
mod stack;
mod verify;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};
use molrg::cli::{self, Job, Program, Shared, usage};

/// Look at and rearrange arrays.
///
/// Reads npy, npz, IDX (gzipped or not) and csv. These programs move numbers rather than compute
/// with them, so numbers that are not finite pass unless --nan says otherwise.
///
/// Memory: a block of rows of each input, whatever its length; of an array in Fortran order, the
/// whole. An array whose length is not known beforehand, as from a pipe, waits in a temporary file.
#[derive(Parser)]
#[command(
    name = "npy",
    propagate_version = true,
    arg_required_else_help = false,
    mut_subcommands(|c| c.mut_arg("nan", |nan| nan.default_value("pass"))),
    mut_subcommand("check", |c| c.mut_args(check::reads_manifests)),
    after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1000 | npy cat --rows ..100 --cols ..2 | npy info -
  $ npy noise -n 4 -d 64 --shape 8,8 --seed 1 | npy images --pool 4 --from 0,1 --to 0,255 -f csv"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Info(info::Arguments),
    Cat(cat::Arguments),
    Check(check::Arguments),
    Diff(diff::Arguments),
    Noise(noise::Arguments),
    Stack(stack::Arguments),
    Images(images::Arguments),
}

impl Program for Arguments {
    fn shared(&self) -> &Shared {
        match &self.command {
            Command::Info(a) => &a.shared,
            Command::Cat(a) => &a.shared,
            Command::Check(a) => &a.shared,
            Command::Diff(a) => &a.shared,
            Command::Noise(a) => &a.shared,
            Command::Stack(a) => &a.shared,
            Command::Images(a) => &a.shared,
        }
    }

    fn record(&self) -> Option<&Path> {
        match &self.command {
            Command::Check(_) => None,
            _ => self.shared().manifest.as_deref(),
        }
    }

    fn run(self, job: &Job) -> Result<()> {
        match self.command {
            Command::Info(a) => a.run(job),
            Command::Cat(a) => a.run(job),
            Command::Check(a) => a.run(job),
            Command::Diff(a) => a.run(job),
            Command::Noise(a) => a.run(job),
            Command::Stack(a) => a.run(job),
            Command::Images(a) => a.run(job),
        }
    }
}

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

fn main() -> ExitCode {
    cli::main::<Arguments>(molrg::revision!())
}
