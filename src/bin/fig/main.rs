//! fig: draw.

mod cells;
mod heatmap;
mod images;
mod line;
mod matrix;
mod page;
mod panel;
mod table;
mod violin;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use molrg::cli::{self, Job, Program, Shared};

/// Draw a table, or an array of images, as SVG or PNG.
///
/// The ending of --output decides: .png is PNG, .svg or none is SVG, and so is standard output. The same
/// input gives the same bytes. The picture shows only what the input says: rows are drawn as they are, and
/// nothing is averaged or fitted. Tables are csv with the names of their columns in the first line; an
/// empty field is undefined and left blank, and --nan says what to do with a number that is not finite.
///
/// Memory: the table, or the images drawn, and the picture.
#[derive(Parser)]
#[command(
    name = "fig",
    propagate_version = true,
    arg_required_else_help = false,
    mut_subcommands(|c| c.mut_arg("format", |format| format.hide(true))),
    after_help = "\
Examples:
  $ phase-grid --ranks 2-4 --samples 2-6 --trials 5 --solver pca | fig heatmap - --x samples --y rank --value success -o phase.svg
  $ molrg-gen -d 64 -r 6 -k 2 -n 30 --shape 8,8,1 | fig images - --columns 10 --scale 6 -o samples.png"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Line(Box<line::Arguments>),
    Heatmap(heatmap::Arguments),
    Violin(violin::Arguments),
    Matrix(matrix::Arguments),
    Images(images::Arguments),
}

impl Program for Arguments {
    fn shared(&self) -> &Shared {
        match &self.command {
            Command::Line(a) => &a.shared,
            Command::Heatmap(a) => &a.shared,
            Command::Violin(a) => &a.shared,
            Command::Matrix(a) => &a.shared,
            Command::Images(a) => &a.shared,
        }
    }

    fn run(self, job: &Job) -> Result<()> {
        match self.command {
            Command::Line(a) => a.run(job),
            Command::Heatmap(a) => a.run(job),
            Command::Violin(a) => a.run(job),
            Command::Matrix(a) => a.run(job),
            Command::Images(a) => a.run(job),
        }
    }
}

fn main() -> ExitCode {
    cli::main::<Arguments>(molrg::revision!())
}
