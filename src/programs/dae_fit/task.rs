//! What the flags ask for, before anything is read.

use anyhow::{Context, Result, bail, ensure};

use crate::cli::Job;
use crate::denoiser::local;
use crate::fit::{Settings, Solver};
use crate::generator::Game;
use crate::network::Architecture;
use crate::training;

use super::Arguments;
use super::constructed::Construction;
use super::features::{self, noise_levels};
use super::kind::Kind;
use super::mixture::How;

/// What the flags ask for.
pub enum Task {
    Mixture(Settings),
    Gaussian(Option<usize>),
    Empirical,
    /// A machine, and the levels of its calibration.
    Local(local::Settings, Vec<f64>),
    PcaLocal(f64),
    RandomFeatures(features::Settings),
    LinearVae(usize),
    /// By a game of two networks, and its number of latents.
    Generator(Game, usize),
    Constructed(Construction),
    Network(Architecture, training::Settings),
}

impl Arguments {
    pub(super) fn task(&self, seed: u64) -> Result<Task> {
        ensure!(
            self.layout.is_none() || self.kind.has_pixels(),
            "--layout: is for --kind local, unet, resnet and uvit, which look at pixels; leave it out"
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
            !matches!(self.kind, Kind::Gan | Kind::Vae) || self.report.is_none(),
            "--report: is not for this kind; leave it out"
        );
        let Some(kind) = self.kind.network() else {
            match self.kind {
                Kind::Gan | Kind::Vae => {}
                Kind::Local => self.training.without_patch().check_unused()?,
                _ => self.training.check_unused()?,
            }
            return Ok(match self.kind {
                Kind::Molrg => Task::Mixture(self.mixture.settings(seed)?),
                Kind::Empirical => Task::Empirical,
                Kind::Local => {
                    let calibrated = self.calibration.calibrate.is_some();
                    let levels = match (&self.levels, calibrated) {
                        (Some(levels), true) => noise_levels(levels)?,
                        (None, true) => bail!("--calibrate: needs --levels, as edm:20"),
                        _ => Vec::new(),
                    };
                    Task::Local(self.local.settings(&self.training.patch, calibrated)?, levels)
                }
                Kind::PcaLocal => Task::PcaLocal(self.local.share()?),
                Kind::RandomFeatures => {
                    let levels = noise_levels(self.levels.as_deref().unwrap_or("edm:18"))?;
                    Task::RandomFeatures(self.features.settings(levels)?)
                }
                Kind::LinearVae => Task::LinearVae(latent()?),
                Kind::Gan | Kind::Vae => {
                    let game = if self.kind == Kind::Gan { Game::Gan } else { Game::Vae };
                    self.training.generator(game, latent()?, 1, self.mixture.how.lr, seed)?;
                    Task::Generator(game, latent()?)
                }
                _ => Task::Gaussian(rank()?),
            });
        };
        if let Some(how) = self.mixture.solver {
            return Ok(Task::Constructed(self.construction(how)?));
        }
        let settings = self.training.settings(kind, self.mixture.how.lr, seed)?;
        self.training.drop_label()?;
        ensure!(
            self.condition.is_some() || !settings.loss.is_of_transitions(),
            "--loss {}: needs --condition, the states that the rows follow",
            settings.loss.name()
        );
        Ok(Task::Network(self.training.architecture(kind)?, settings))
    }

    /// A network that is written down, not trained.
    fn construction(&self, how: How) -> Result<Construction> {
        let (units, sigma, weight_decay) = self.training.constructed()?;
        let clustered = how == How::Blocks;
        ensure!(
            !clustered || (self.labels.is_some() && !self.mixture.rank.is_empty()),
            "--solver blocks: needs --labels and --rank"
        );
        ensure!(self.report.is_none(), "--report: is not for networks that are not trained; leave it out");
        let ranks = clustered.then(|| self.mixture.rank.clone());
        Ok(Construction { units, sigma, weight_decay, ranks })
    }

    /// Refuses flags without effect on this task.
    pub(super) fn check_effect(&self, job: &Job, task: &Task) -> Result<()> {
        let solver = match task {
            Task::Mixture(settings) => Some(settings.solver),
            _ => None,
        };
        self.mixture.how.check(job, solver)?;
        let machine = if let Task::Local(settings, _) = task { Some(settings) } else { None };
        self.local.check_effect(job, machine)?;
        job.only(machine.is_some(), &["--calibrate"], "it is for --kind local")?;
        let (calibrated, features) =
            (self.calibration.calibrate.is_some(), matches!(task, Task::RandomFeatures(_)));
        job.only(calibrated, &["--latents"], "it is for --calibrate")?;
        job.only(calibrated || features, &["--levels"], "it is for --kind random-features and --calibrate")?;
        job.only(matches!(task, Task::PcaLocal(_)), &["--threshold"], "it is for --kind pca-local")?;
        self.features.check_effect(job, features)?;
        let learns =
            matches!(task, Task::Network(..) | Task::Generator(..)) || solver == Some(Solver::Gradient);
        job.only(
            learns,
            &["--lr"],
            "it is for what is learned by steps: networks, vae, gan and --solver gradient",
        )?;
        let exact = matches!(
            task,
            Task::Gaussian(_) | Task::Empirical | Task::Local(..) | Task::PcaLocal(_) | Task::Constructed(_)
        );
        let learns_classes = matches!(task, Task::Network(network, _) if network.has_classes());
        let labelled = learns_classes || self.mixture.solver == Some(How::Blocks);
        job.only(labelled, &["--labels"], "it is for mlp, unet, resnet, uvit and --solver blocks")?;
        let told = matches!(task, Task::Network(network, _) if network.takes_condition());
        job.only(told, &["--condition"], "it is for mlp, unet, resnet and uvit")?;
        let drops = learns_classes && self.labels.is_some();
        job.only(drops, &["--drop-label"], "it is for networks with --labels")?;
        job.only(
            !exact || self.calibration.calibrate.is_some(),
            &["--seed"],
            "nothing is drawn for this kind",
        )
    }
}
