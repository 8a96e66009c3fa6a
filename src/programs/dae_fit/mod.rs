//! dae-fit: fit a denoising autoencoder.

mod calibration;
mod constructed;
mod features;
mod fitted;
mod generators;
mod kind;
mod local;
mod mixture;
mod report;
mod task;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use calibration::CalibrationArgs;
use features::FeatureArgs;
use kind::Kind;
use local::LocalArgs;
use mixture::MixtureArgs;

use crate::cli::{Job, Program, TrainingArgs, usage};
use crate::network::architecture::image;
use crate::stream::Layout;
use crate::with_dtype;

/// Fit a denoising autoencoder to samples.
///
/// molrg: the bases U_1 … U_K of a mixture of low-rank Gaussians (one component: PCA; several: subspace
/// clustering). gaussian: mean and covariance. empirical: the training set itself, whose optimal denoiser
/// memorizes. Fewer samples than dimensions are no error: what the data leave open is completed at random
/// and counted in the report.
///
/// local: the optimal denoiser of what sees patches of images only, and knows the training set's patches (arXiv
/// 2412.20292): what a convolutional network is predicted to make. A pixel is the mean of the centres of all patches that
/// its own is compared with (--machine), weighted by their distance. Time grows with N and, but for local and ideal, the
/// square of the pixels, not with --patch. A network with zero padding sees the border: bordered; one with circular padding
/// does not: equivariant-local, whose interior dictionary (the published code's) lacks the patches across the border.
/// Patches shrink with the noise level: give --patch-levels, or have them found by --calibrate. pca-local: the optimal
/// denoiser of the training set, of which each number sees those that the data's covariance ties it to (arXiv
/// 2509.09672), more than --threshold; time grows with N d².
///
/// random-features: at each of --levels, and there alone, a linear map of p random cosines (arXiv 2602.06021), trained by
/// gradient flow until --time or to the end, in closed form and over all noise: a model of how networks err, which learns
/// the leading directions of its features first.
///
/// linear, two-layer, mlp, unet, resnet, uvit: networks, trained on D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ) in the
/// form that their --loss is published with. The same seed trains the same bytes at any number of threads and
/// however often it was stopped. linear-vae, vae, gan: generators, which have no denoiser; pf-sample draws from them.
///
/// With --condition mlp, unet, resnet and uvit are told numbers of every row, and are the denoiser of rows given these, D(x; σ, u);
/// each column is scaled by its own mean and deviation. --loss interpolant of mlp (arXiv 2501.16642) is the squared error of the drift of X_s = (1 − s)u + s²x + √s(1 − s)z, s ~ U(0, 1), from a state u to the
/// next, x: that of a denoiser at σ = (1 − s)/s^(3/2), which is what the model is; assimilate follows paths by it. It is learned of
/// x − u, whose numbers should be about 1, as z is. --loss regression: the mean of x given u alone.
///
/// With --solver memorizing or blocks, two-layer is not trained: it is the minimizer that theory constructs for the
/// rows at --sigma and --weight-decay (arXiv 2512.20963), tied.
///
/// Memory: molrg (two or three times for several components), empirical, local and pca-local hold the samples; gaussian
/// and linear-vae stream them and hold d²; random-features streams them once a level and holds 6p² + d² and a map of p·d a level; networks hold the
/// samples, the parameters with their gradients (8 of them for unet, resnet and uvit), averages and moments, and the
/// activations of a few rows. They print how much.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1200 --seed 1 | dae-fit --kind molrg -r 6 -k 2 --report fit.csv -o student.st
  $ molrg-gen -d 48 -r 6 -k 2 -n 500 | dae-fit --kind mlp --steps 300 -q | pf-sample -n 100 | npy info -")]
pub struct Arguments {
    /// Samples, one per row (default: standard input)
    samples: Option<OsString>,
    /// What to fit
    #[arg(long, value_enum)]
    kind: Kind,
    #[command(flatten)]
    mixture: MixtureArgs,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// Noise levels of random-features, which refuses others (default: edm:18), and of --calibrate: a grid like edm:18, or a
    /// list
    #[arg(long, value_name = "SCHEDULE:N|LIST")]
    levels: Option<String>,
    #[command(flatten)]
    training: TrainingArgs,
    /// The class of every row, a whole number from 0 each (npy or csv): for mlp, unet, resnet and uvit, which learn the denoiser
    /// of every class, and for --solver blocks. --rows selects of labels, too: give those of all rows
    #[arg(long, value_name = "FILE")]
    labels: Option<OsString>,
    /// What goes with every row, a row of numbers each: for mlp, unet, resnet and uvit, which learn the denoiser of every
    /// condition; of --loss interpolant and regression the states that the rows follow. --rows selects of these, too
    #[arg(long, value_name = "FILE")]
    condition: Option<OsString>,
    /// How images lie, for local, unet, resnet and uvit (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Write how the fit went: the objective per iteration, restarts, convergence, directions completed at random,
    /// components on the noise's floor (from 0; empty: none) and that floor; of a network one row: kind, parameters,
    /// steps, and the mean loss of the last interval of --log-every
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        // Wrong flags and bad paths first, data after.
        let task = self.task(job.shared.seed).map_err(usage)?;
        self.check_effect(job, &task)?;
        job.numbered(self.labels.is_some(), "--labels", "labels belong to rows by their number")?;
        job.numbered(self.condition.is_some(), "--condition", "conditions belong to rows by their number")?;
        // --condition is counted among the shared flags.
        let others = [&self.labels, &self.calibration.calibrate]
            .into_iter()
            .flatten()
            .map(|name| Some(name.as_os_str()));
        job.wait_for_stdin(&[self.samples.as_deref()].into_iter().chain(others).collect::<Vec<_>>())?;
        let checkpoints = self.training.checkpoints()?;
        let mut output = job.model_output()?;
        let mut rows = job.rows(self.samples.as_deref())?;
        if self.kind.has_pixels() {
            rows = rows.images(self.layout)?;
            image(rows.item_shape()).with_context(|| rows.name().to_string())?;
        }
        let dtype = job.dtype(&[rows.dtype()]);
        let model = with_dtype!(dtype, T => self.fit::<T>(job, rows, task, checkpoints.as_ref()))?;
        model.write(&mut output)?;
        output.finish()
    }
}
