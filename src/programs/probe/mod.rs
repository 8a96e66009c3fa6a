//! probe: what features say of labels.

mod accuracy;
mod doubts;
mod labelled;
pub mod linear;
pub mod projection;
pub mod snr;

use clap::Args;

/// Measure what features say of labels: by a classifier, by subspaces, by signal over noise.
///
/// TRAIN says what classes look like, TEST how well. Without TEST the rows of TRAIN are scored in turn by what the others
/// say, in --folds parts of each class: a classifier is no measure on the rows that it was made of. Labels are one whole
/// number from 0 a row, an array or csv. Features of noisy points want another --seed for TEST than for TRAIN, as noise is
/// drawn by the number of the row: where labels come in the same order, it would tell them.
///
/// Memory: features in f64, three or four times, and for linear as many numbers as rows times classes, six times.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 50 -r 5 -k 3 -n 1200 --noise-std 0.2 --noise-in union --labels y.npy --truth t.st | dae-apply t.st - --sigma 0.3 --add-noise -o x.npy && probe linear x.npy y.npy
  $ molrg-gen -d 50 -r 5 -k 3 -n 1200 --noise-std 0.2 --noise-in union --labels y.npy --truth t.st | dae-apply t.st - --sigma 0.3 --add-noise -o x.npy && probe snr x.npy y.npy --rank 5")]
pub struct About {}
