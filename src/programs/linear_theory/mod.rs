//! linear-theory: what linear models predict.

pub mod denoiser;
pub mod emergence;
pub mod flow;
pub mod kappa;
pub mod learning;
pub mod map;
mod spectrum;
mod training;

use clap::Args;

use spectrum::SpectrumArgs;
use training::TrainingArgs;

/// Tell what linear theory predicts from the eigenvalues of data's covariance alone.
///
/// Of one Gaussian everything happens along the eigenvectors of its covariance, a mode each: flow has the sampling
/// trajectories, learning and emergence what linear denoisers generate while they are trained, and kappa, denoiser and map
/// what they are on average over training sets of n rows, and how much they vary. Nothing is drawn and nothing trained:
/// these are the lines to lay over measurements of networks (dae-compare, pfd, npy diff).
///
/// Memory: the eigenvalues; learning and emergence of a local filter d times --patch numbers, map d times --places three
/// times.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ linear-theory kappa --spectrum power:1 -d 256 --mean 1 --ratio 0.25,0.5,1,2,3.2 --z 0.05
  $ linear-theory emergence --spectrum power:1 -d 64 | table slope --x eigenvalue --y time --log-x --log-y && linear-theory map --spectrum power:1 -d 64 -n 16-18 | head -3")]
pub struct About {}
