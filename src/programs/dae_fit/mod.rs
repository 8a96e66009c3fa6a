//! dae-fit: fit a denoising autoencoder.

mod constructed;
mod generators;
mod mixture;
mod report;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use constructed::Construction;
use generators::train_gan;
use mixture::{How, MixtureArgs};
use report::{REPORT, report_exact, write_report};

use crate::cli::{
    Checkpoints, Job, NETWORK_REPORT, NetworkKind, Program, Samples, TrainingArgs, moments, usage,
};
use crate::denoiser::Model;
use crate::denoiser::model::{Generative, Kind as ModelKind, Points};
use crate::fit::{Settings, Solver, fit_mixture};
use crate::generator::linear_vae;
use crate::network::Architecture;
use crate::scalar::Scalar;
use crate::stream::tensors::Values;
use crate::stream::{Layout, Rows};
use crate::training;
use crate::with_dtype;

/// Fit a denoising autoencoder to samples.
///
/// molrg: the bases U_1 … U_K of a mixture of low-rank Gaussians (one component: PCA; several: subspace
/// clustering). gaussian: mean and covariance. empirical: the training set itself, whose optimal denoiser
/// memorizes. Fewer samples than dimensions are no error: what the data leave open is completed at random
/// and counted in the report.
///
/// linear, two-layer, mlp, unet, uvit: networks, trained on D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ) in the
/// form that their --loss is published with. The same seed trains the same bytes at any number of threads and
/// however often it was stopped. linear-vae, gan: generators, which have no denoiser; pf-sample draws from them.
///
/// With --solver memorizing or blocks, two-layer is not trained: it is the minimizer that theory constructs for the
/// rows at --sigma and --weight-decay (arXiv 2512.20963), tied.
///
/// Memory: molrg (two or three times for several components) and empirical hold the samples; gaussian and
/// linear-vae stream them and hold d²; networks hold the samples, the parameters with their gradients (8 of them for
/// unet and uvit), averages and moments, and the activations of a few rows. They print how much.
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
    training: TrainingArgs,
    /// For --solver blocks: the cluster of every row, a whole number from 0 each (npy or csv)
    #[arg(long, value_name = "FILE")]
    labels: Option<OsString>,
    /// How images lie, for unet and uvit (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Write how the fit went: the objective per iteration, restarts, convergence, directions completed at random,
    /// components on the noise's floor (from 0; empty: none) and that floor; of a network one row: kind, parameters,
    /// steps, and the mean loss of the last interval of --log-every
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Mixture of low-rank Gaussians
    Molrg,
    /// One Gaussian: mean and covariance
    Gaussian,
    /// The training set itself
    Empirical,
    /// Deep linear network
    Linear,
    /// One hidden layer of ReLU
    TwoLayer,
    /// Residual multilayer perceptron
    Mlp,
    /// U-Net, for images
    Unet,
    /// Vision transformer with long skips, for images
    Uvit,
    /// Linear variational autoencoder at its optimum: latents in, samples out, no denoiser
    LinearVae,
    /// Generative adversarial network: latents in, samples out, no denoiser
    Gan,
}

impl Kind {
    /// Whether one --rank says how many dimensions it has.
    fn has_rank(self) -> bool {
        matches!(self, Kind::Gaussian | Kind::LinearVae | Kind::Gan)
    }

    /// Whether it matters where the channels of images are.
    fn has_pixels(self) -> bool {
        matches!(self, Kind::Unet | Kind::Uvit)
    }

    /// The network to be trained, if it is one.
    fn network(self) -> Option<NetworkKind> {
        match self {
            Kind::Molrg | Kind::Gaussian | Kind::Empirical | Kind::LinearVae | Kind::Gan => None,
            Kind::Linear => Some(NetworkKind::Linear),
            Kind::TwoLayer => Some(NetworkKind::TwoLayer),
            Kind::Mlp => Some(NetworkKind::Mlp),
            Kind::Unet => Some(NetworkKind::Unet),
            Kind::Uvit => Some(NetworkKind::Uvit),
        }
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        // Wrong flags and bad paths first, data after.
        let task = self.task(job.shared.seed).map_err(usage)?;
        self.check_effect(job, &task)?;
        job.numbered(self.labels.is_some(), "--labels", "labels belong to rows by their number")?;
        let labels = self.labels.as_deref().map(Some);
        job.wait_for_stdin(&[self.samples.as_deref()].into_iter().chain(labels).collect::<Vec<_>>())?;
        let checkpoints = self.training.checkpoints()?;
        let mut output = job.model_output()?;
        let mut rows = job.rows(self.samples.as_deref())?;
        if self.kind.has_pixels() {
            rows = rows.images(self.layout)?;
        }
        let dtype = job.dtype(&[rows.dtype()]);
        let model = with_dtype!(dtype, T => self.fit::<T>(job, rows, task, checkpoints.as_ref()))?;
        model.write(&mut output)?;
        output.finish()
    }
}

/// What the flags ask for.
enum Task {
    Mixture(Settings),
    Gaussian(Option<usize>),
    Empirical,
    LinearVae(usize),
    Gan(usize),
    Constructed(Construction),
    Network(Architecture, training::Settings),
}

impl Arguments {
    fn task(&self, seed: u64) -> Result<Task> {
        ensure!(
            self.layout.is_none() || self.kind.has_pixels(),
            "--layout: is for --kind unet and uvit, which look at pixels; leave it out"
        );
        if self.kind != Kind::Molrg {
            self.mixture.check_unused(self.kind)?;
        }
        let rank = || match self.mixture.rank[..] {
            [] => Ok(None),
            [r] => Ok(Some(r)),
            _ => bail!("--rank: this kind has one rank"),
        };
        let latent = || rank()?.filter(|r| *r > 0).context("--rank: this kind needs its number of latents");
        ensure!(
            self.kind != Kind::Gan || self.report.is_none(),
            "--report: is not for this kind; leave it out"
        );
        let Some(kind) = self.kind.network() else {
            if self.kind != Kind::Gan {
                self.training.check_unused()?;
            }
            return Ok(match self.kind {
                Kind::Molrg => Task::Mixture(self.mixture.settings(seed)?),
                Kind::Empirical => Task::Empirical,
                Kind::LinearVae => Task::LinearVae(latent()?),
                Kind::Gan => {
                    self.training.gan(latent()?, 1, self.mixture.how.lr, seed)?;
                    Task::Gan(latent()?)
                }
                _ => Task::Gaussian(rank()?),
            });
        };
        if let Some(how) = self.mixture.solver {
            let (units, sigma, weight_decay) = self.training.constructed()?;
            ensure!(
                how != How::Blocks || (self.labels.is_some() && !self.mixture.rank.is_empty()),
                "--solver blocks: needs --labels and --rank"
            );
            ensure!(
                self.report.is_none(),
                "--report: is not for networks that are not trained; leave it out"
            );
            let ranks = (how == How::Blocks).then(|| self.mixture.rank.clone());
            return Ok(Task::Constructed(Construction { units, sigma, weight_decay, ranks }));
        }
        let settings = self.training.settings(kind, self.mixture.how.lr, seed)?;
        Ok(Task::Network(self.training.architecture(kind)?, settings))
    }

    /// Refuses flags without effect on this task.
    fn check_effect(&self, job: &Job, task: &Task) -> Result<()> {
        let solver = match task {
            Task::Mixture(settings) => Some(settings.solver),
            _ => None,
        };
        self.mixture.how.check(job, solver)?;
        let learns = matches!(task, Task::Network(..) | Task::Gan(_)) || solver == Some(Solver::Gradient);
        job.only(
            learns,
            &["--lr"],
            "it is for what is learned by steps: networks, gan and --solver gradient",
        )?;
        let exact = matches!(task, Task::Gaussian(_) | Task::Empirical | Task::Constructed(_));
        let clustered = self.mixture.solver == Some(How::Blocks);
        job.only(clustered, &["--labels"], "it is for --solver blocks")?;
        job.only(!exact, &["--seed"], "nothing is drawn for this kind")
    }

    fn fit<T: Scalar>(
        &self,
        job: &Job,
        mut rows: Rows,
        task: Task,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<Model> {
        let item_shape = rows.item_shape().to_vec();
        let name = rows.name().to_string();
        let context = |e: anyhow::Error| anyhow::anyhow!("{name}: {e:#}");
        let columns = if self.kind.network().is_some() { NETWORK_REPORT } else { REPORT };
        let report = self.report.as_deref().map(|p| job.side_table(p, columns)).transpose()?;
        let kind = match task {
            Task::Mixture(settings) => {
                let x = rows.read_all::<T>()?;
                let fit = fit_mixture(x.view(), &settings).map_err(context)?;
                if !fit.converged {
                    job.warn("the fit did not come to rest; give more --iterations (see --report)");
                }
                job.warn_of_fit(x.view(), &fit, &settings);
                if let Some(report) = report {
                    write_report(report, &fit)?;
                }
                ModelKind::Molrg(fit.mixture)
            }
            Task::Gaussian(rank) => {
                let gaussian = moments::<T>(rows)?.gaussian(rank).map_err(context)?;
                report_exact(report)?;
                ModelKind::Molrg(gaussian)
            }
            Task::LinearVae(latent) => {
                let fit = linear_vae::fit(moments::<T>(rows)?, latent, job.shared.seed);
                let (decoder, parameters) = fit.map_err(context)?;
                report_exact(report)?;
                let parameters = Values::new(parameters.into_iter().map(T::of).collect());
                ModelKind::Generator(Generative { name: "linear-vae", decoder, parameters })
            }
            Task::Gan(latent) => {
                let x = rows.read_all::<T>()?;
                let settings = self.training.gan(latent, x.ncols(), self.mixture.how.lr, job.shared.seed)?;
                ModelKind::Generator(train_gan(job, &x, settings).map_err(context)?)
            }
            Task::Constructed(construction) => {
                let x = rows.read_all::<T>()?;
                let labels =
                    self.labels.as_deref().map(|labels| job.labels(labels, x.nrows())).transpose()?;
                let network = construction.network(job, x.view(), labels.as_deref()).map_err(context)?;
                ModelKind::Network(Box::new(network))
            }
            Task::Network(architecture, settings) => {
                let samples = Samples { name, item_shape, rows: rows.read_all::<T>()? };
                return self.training.train(job, architecture, &settings, samples, checkpoints, report);
            }
            Task::Empirical => {
                let x = rows.read_all::<T>()?;
                ensure!(x.nrows() > 0, "{name}: no rows to fit; give samples");
                report_exact(report)?;
                ModelKind::Empirical(Points::new(x))
            }
        };
        Ok(Model { kind, item_shape, dtype: T::DTYPE })
    }
}
