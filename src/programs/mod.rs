//! The programs, one file or folder each, and their registry.
//!
//! A program reads top to bottom: what it is for (its help), its arguments, one call into the library, the result.
//! It opens inputs and outputs through [`Job`](crate::cli::Job) alone, and what it computes is in the library: a new
//! measure of samples is a file in [`measure`](crate::measure), and its program a file here that carries rows there
//! and writes a table. One with real parts is a folder: `mod.rs` has help, arguments and the way through; what it
//! reads, what it finds and what it warns of have files beside.
//!
//! A new one is a file here with its `mod` and its line in the table, three lines in `src/bin`, and a call that the tests
//! of all programs run; `CONTRIBUTING.md` walks through one. What the table says of it, programs need not: which
//! shared flags it takes (others are refused), what it reads and writes. Help, man pages, completions,
//! `molrg --list`, `--generate json` and the tests of what all programs keep follow from it. What works on one kind of
//! thing in several ways (`npy`, `table`, `mixture`) is a folder of subcommands, each a file and a line like a program's.

mod assimilate;
mod bridge;
mod dae_apply;
mod dae_compare;
mod dae_distill;
mod dae_features;
mod dae_fit;
mod dae_serve;
mod entropy;
mod fig;
mod icl;
mod image_quality;
mod intrinsic_dimension;
mod jacobian_basis;
mod jacobian_rank;
mod linear_theory;
mod linearity;
mod measure;
mod mixture;
mod molrg_gen;
mod npy;
mod pf_sample;
mod pfd;
mod phase_grid;
mod probe;
mod restore;
mod rfm;
mod ridge;
mod rp_score;
mod sde;
mod subset;
mod subspace_error;
mod table;
mod watermark;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::cli::ending::end;
use crate::cli::flags::Flag::{
    Class, ClassOfRows, ConditionOfRows, Dtype, Edit, Format, Nan, Rows, Seed, Shape, Workers,
};
use crate::cli::registry::Content::{Answers, Model, Picture, Samples, Table, Verdict};
use crate::cli::registry::{Entry, program, several};
use crate::cli::run::{arguments, run};
use crate::stream::NanPolicy::{Error, Pass};

/// Name, what is read (one kind stands for any number of inputs), what is written, and the shared flags taken besides
/// those that all take: [`Flag`](crate::cli::flags::Flag) says what each is for.
#[rustfmt::skip]
pub static PROGRAMS: &[Entry] = &[
    program::<molrg_gen::Arguments>("molrg-gen", &[Model], Samples, &[Format, Dtype, Seed, Rows, Shape]),
    program::<dae_fit::Arguments>("dae-fit", &[Samples], Model, &[Dtype, Seed, Rows, Nan(Error), Shape]),
    program::<dae_apply::Arguments>("dae-apply", &[Model, Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, ClassOfRows, ConditionOfRows, Edit]),
    program::<dae_features::Arguments>("dae-features", &[Model, Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Class, Edit]),
    program::<dae_serve::Arguments>("dae-serve", &[Model], Answers, &[Edit]),
    program::<dae_compare::Arguments>("dae-compare", &[Model, Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, ClassOfRows, Edit]),
    program::<dae_distill::Arguments>("dae-distill", &[Model, Samples], Model, &[Dtype, Seed, Rows, Nan(Error), Shape, Workers, ClassOfRows, Edit]),
    program::<pf_sample::Arguments>("pf-sample", &[Model, Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, ClassOfRows, ConditionOfRows, Edit]),
    program::<rp_score::Arguments>("rp-score", &[Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers]),
    program::<pfd::Arguments>("pfd", &[Model, Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, ClassOfRows, Edit]),
    program::<jacobian_rank::Arguments>("jacobian-rank", &[Model, Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    program::<jacobian_basis::Arguments>("jacobian-basis", &[Model, Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    several::<ridge::About>("ridge", &[
        program::<ridge::project::Arguments>("project", &[Samples, Model], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
        program::<ridge::distance::Arguments>("distance", &[Samples, Model], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
        program::<ridge::decompose::Arguments>("decompose", &[Model, Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    ]),
    program::<image_quality::Arguments>("image-quality", &[Samples], Table, &[Format, Rows, Nan(Error), Shape]),
    program::<linearity::Arguments>("linearity", &[Model, Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    several::<linear_theory::About>("linear-theory", &[
        program::<linear_theory::flow::Arguments>("flow", &[Samples], Table, &[Format]),
        program::<linear_theory::learning::Arguments>("learning", &[Samples], Table, &[Format]),
        program::<linear_theory::emergence::Arguments>("emergence", &[Samples], Table, &[Format]),
        program::<linear_theory::kappa::Arguments>("kappa", &[Samples], Table, &[Format]),
        program::<linear_theory::denoiser::Arguments>("denoiser", &[Samples], Table, &[Format]),
        program::<linear_theory::map::Arguments>("map", &[Samples], Table, &[Format]),
    ]),
    program::<intrinsic_dimension::Arguments>("intrinsic-dimension", &[Samples], Table, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    program::<measure::Arguments>("measure", &[Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape]),
    program::<restore::Arguments>("restore", &[Model, Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers, Class, Edit]),
    program::<sde::Arguments>("sde", &[], Samples, &[Format, Dtype, Seed, Rows]),
    program::<assimilate::Arguments>("assimilate", &[Samples, Model], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape]),
    several::<bridge::About>("bridge", &[
        program::<bridge::score::Arguments>("score", &[], Samples, &[Format, Dtype, Seed, Rows]),
        program::<bridge::fit::Arguments>("fit", &[], Table, &[Format, Seed]),
        program::<bridge::sample::Arguments>("sample", &[Table], Samples, &[Format, Dtype, Seed, Rows]),
        program::<bridge::exact::Arguments>("exact", &[], Table, &[Format]),
    ]),
    program::<entropy::Arguments>("entropy", &[Samples], Table, &[Format, Dtype, Rows, Nan(Error), Shape, Workers]),
    program::<subset::Arguments>("subset", &[Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape, Workers]),
    program::<subspace_error::Arguments>("subspace-error", &[Model], Table, &[Format, Rows]),
    several::<mixture::About>("mixture", &[
        program::<mixture::info::Arguments>("info", &[Model], Table, &[Format, Rows]),
        program::<mixture::select::Arguments>("select", &[Model], Model, &[Dtype]),
        program::<mixture::join::Arguments>("join", &[Model], Model, &[Dtype]),
        program::<mixture::condition::Arguments>("condition", &[Model, Samples], Model, &[Dtype, Nan(Error), Shape]),
        program::<mixture::pool::Arguments>("pool", &[Model], Model, &[Dtype]),
    ]),
    program::<phase_grid::Arguments>("phase-grid", &[], Table, &[Format, Dtype, Seed, Rows]),
    several::<probe::About>("probe", &[
        program::<probe::linear::Arguments>("linear", &[Samples], Table, &[Format, Nan(Error), Shape]),
        program::<probe::projection::Arguments>("projection", &[Samples], Table, &[Format, Nan(Error), Shape]),
        program::<probe::snr::Arguments>("snr", &[Samples], Table, &[Format, Nan(Error), Shape]),
    ]),
    several::<icl::About>("icl", &[
        program::<icl::optimal::Arguments>("optimal", &[], Table, &[Format]),
        program::<icl::train::Arguments>("train", &[], Table, &[Format, Seed]),
        program::<icl::risk::Arguments>("risk", &[Samples], Table, &[Format, Seed, Nan(Error)]),
    ]),
    program::<rfm::Arguments>("rfm", &[Samples], Samples, &[Format, Nan(Error), Shape]),
    several::<npy::About>("npy", &[
        program::<npy::info::Arguments>("info", &[Samples], Table, &[Format, Dtype, Rows, Nan(Pass), Shape]),
        program::<npy::cat::Arguments>("cat", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Pass), Shape]),
        program::<npy::check::Arguments>("check", &[Samples, Model], Verdict, &[Rows, Nan(Pass), Shape]),
        program::<npy::diff::Arguments>("diff", &[Samples], Table, &[Format, Rows, Nan(Pass), Shape]),
        program::<npy::noise::Arguments>("noise", &[], Samples, &[Format, Dtype, Seed, Rows, Shape]),
        program::<npy::stack::Arguments>("stack", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Pass), Shape]),
        program::<npy::take::Arguments>("take", &[Samples], Samples, &[Format, Dtype, Nan(Pass), Shape]),
        program::<npy::transpose::Arguments>("transpose", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Pass), Shape]),
        program::<npy::images::Arguments>("images", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Pass), Shape]),
        program::<npy::r#let::Arguments>("let", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Error), Shape]),
    ]),
    several::<table::About>("table", &[
        program::<table::cat::Arguments>("cat", &[Table], Table, &[Format, Rows]),
        program::<table::r#let::Arguments>("let", &[Table], Table, &[Format, Rows, Nan(Error)]),
        program::<table::mean::Arguments>("mean", &[Table], Table, &[Format, Rows, Nan(Error)]),
        program::<table::pivot::Arguments>("pivot", &[Table], Table, &[Format, Rows]),
        program::<table::crossing::Arguments>("crossing", &[Table], Table, &[Format, Rows, Nan(Error)]),
        program::<table::slope::Arguments>("slope", &[Table], Table, &[Format, Rows, Nan(Error)]),
        program::<table::sort::Arguments>("sort", &[Table], Table, &[Format, Rows]),
        program::<table::roc::Arguments>("roc", &[Table], Table, &[Format, Rows, Nan(Error)]),
    ]),
    several::<fig::About>("fig", &[
        program::<fig::line::Arguments>("line", &[Table], Picture, &[Rows, Nan(Error)]),
        program::<fig::heatmap::Arguments>("heatmap", &[Table], Picture, &[Rows, Nan(Error)]),
        program::<fig::violin::Arguments>("violin", &[Table], Picture, &[Rows, Nan(Error)]),
        program::<fig::matrix::Arguments>("matrix", &[Table], Picture, &[Rows, Nan(Error)]),
        program::<fig::images::Arguments>("images", &[Samples], Picture, &[Rows, Nan(Error), Shape]),
    ]),
    several::<watermark::About>("watermark", &[
        program::<watermark::key::Arguments>("key", &[], Samples, &[Format, Seed, Shape]),
        program::<watermark::embed::Arguments>("embed", &[Samples], Samples, &[Format, Dtype, Rows, Nan(Error), Shape]),
        program::<watermark::detect::Arguments>("detect", &[Samples], Table, &[Format, Rows, Nan(Error), Shape]),
        program::<watermark::attack::Arguments>("attack", &[Samples], Samples, &[Format, Dtype, Seed, Rows, Nan(Error), Shape]),
    ]),
];

/// Tools for the question why diffusion models generalize.
///
/// Mixtures of low-rank Gaussians, their denoisers and probability flows; networks; and what tells whether a model
/// memorized or generalized. Each command is a program: `molrg pfd …` and, where it is installed under that name,
/// `pfd …` are the same. They read and write arrays, models and tables, and chain through pipes.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ molrg molrg-gen -d 48 -r 6 -k 2 -n 1200 | molrg dae-fit --kind molrg -r 6 -k 2 | molrg pf-sample -n 100 | molrg npy info -
  $ molrg --list"
)]
struct Overview {
    /// List the programs, a line each
    #[arg(long)]
    list: bool,
}

static MOLRG: Entry = several::<Overview>("molrg", PROGRAMS);

/// The registered program of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// One program, as an executable of its own.
pub fn main(name: &str, revision: &'static str) -> ExitCode {
    let arguments = arguments();
    find(name).map_or(ExitCode::FAILURE, |program| run(program, &arguments, revision))
}

/// All programs in one executable: the one that it is called by, or that its first argument names.
pub fn any(revision: &'static str) -> ExitCode {
    let arguments = arguments();
    let called = arguments.first().and_then(|name| Path::new(name).file_name()?.to_str());
    if let Some(program) = called.and_then(find) {
        return run(program, &arguments, revision);
    }
    match arguments.get(1).and_then(|name| name.to_str()) {
        Some("--list") if arguments.len() == 2 => end("molrg", list()),
        Some(name) if find(name).is_some() => {
            find(name).map_or(ExitCode::FAILURE, |program| run(program, &arguments[1..], revision))
        }
        _ => run(&MOLRG, &arguments, revision),
    }
}

fn list() -> anyhow::Result<()> {
    let widest = PROGRAMS.iter().map(|program| program.name.len()).max().unwrap_or(0);
    let lines = PROGRAMS.iter().map(|program| format!("{:widest$}  {}\n", program.name, program.line()));
    io::stdout().write_all(lines.collect::<String>().as_bytes())?;
    Ok(())
}
