//! bridge: paths conditioned on where they end.

mod doubts;
pub mod exact;
pub mod fit;
mod mlp;
mod network;
mod reader;
mod report;
pub mod sample;
pub mod score;
mod setting;
mod table;

use clap::Args;

use setting::{ScoreArgs, SettingArgs};

/// Condition paths of dX = b(X) dt + σ dB on where they end, without gradients of what is asked for.
///
/// A path that is to end in y needs a further drift σ²u. u is the mean of a score process of free paths, given where they
/// are and where they end: score simulates free paths and their scores, fit has u for every y by least squares, sample
/// draws paths under it, and exact tells u itself, which a fit is measured by. Steps so long that they lead over a place of rest
/// to longer ones, twice in turn, are refused.
///
/// Memory: see each.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ bridge fit --system double-well:1 --start=1,-1 -n 640 --steps 20 --kind mlp --width 16 -q | bridge sample --target=-1,-1 -n 100 | npy info -
  $ bridge exact --system double-well:1 --target=-1 --steps 50 | bridge sample --start 1 -n 100 | npy info -")]
pub struct About {}
