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

use crate::cli::Job;

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

/// So few modes say little of what many would do.
const FEW: f64 = 8.0;

/// Random matrices are of many modes: of few, products of four Gaussian numbers count that they leave out.
fn warn_of_few_modes(job: &Job, eigenvalues: &[f64]) {
    let largest = eigenvalues.iter().fold(0.0f64, |a, v| a.max(*v));
    let [sum, squares] =
        [1, 2].map(|power| eigenvalues.iter().map(|v| (v / largest).powi(power)).sum::<f64>());
    let modes = sum * sum / squares;
    if modes < FEW {
        job.warn(&format!(
            "variances are of many modes, and {modes:.1} carry this spectrum (their participation ratio): the true ones are \
             larger by up to {:.0} %, however many rows there are; take them as a bound from below",
            100.0 / modes
        ));
    }
}
