//! The flags of training a network; [`run`] is training as a run of a program.

pub mod checkpoints;
mod log;
pub mod run;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};

use checkpoints::Checkpoints;

use crate::cli::parse_count;
use crate::generator::{self, Decoder, Game};
use crate::network::{Architecture, Padding};
use crate::schedule::SIGMAS;
use crate::training::{Average, Batch, Loss, Optimizer, Rate, Settings};

/// Rows of a log at most: it travels in the header of checkpoints.
const MOST_ROWS: u64 = 50_000;

/// Flags of the networks and their training.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Networks")]
pub struct TrainingArgs {
    /// Units of a layer, or channels (default: 128; unet 16; resnet 32; uvit 64)
    #[arg(long, value_name = "UNITS")]
    width: Option<usize>,
    /// Matrices of linear (default 2), blocks of mlp (default 3), uvit (default 4) and resnet (default 6)
    #[arg(long, value_name = "LAYERS")]
    depth: Option<usize>,
    /// Channels at every resolution of unet, in units of --width (default: 1,2)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mult: Vec<usize>,
    /// Residual blocks at every resolution of unet (default: 1)
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// What convolutions of unet and resnet read beyond the edge (default: zero)
    #[arg(long, value_enum)]
    padding: Option<Padding>,
    /// Pixels along the side of a patch: of uvit (default: 2), of local, where it is odd, or a list of them, one for
    /// each of --patch-levels
    #[arg(long, value_name = "PIXELS", value_delimiter = ',')]
    pub patch: Vec<usize>,
    /// The last matrix is the transpose of the first (linear with --depth 2, two-layer)
    #[arg(long)]
    tied: bool,
    /// Noise levels and weights of the loss (default: edm)
    #[arg(long, value_enum)]
    loss: Option<LossKind>,
    /// The noise level of --loss fixed, and of --solver memorizing and blocks
    #[arg(long, value_name = "SIGMA")]
    sigma: Option<f64>,
    /// Noise levels of --loss uniform and consistency (default: 0.002,80)
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',', num_args = 1)]
    sigma_range: Vec<f64>,
    /// Steps of training (default: 4000; vae, gan 10000)
    #[arg(long)]
    steps: Option<u64>,
    /// Rows of a step, drawn with replacement, or `all`: every row once (default: 128)
    #[arg(long, value_name = "N|all", value_parser = parse_batch)]
    batch: Option<Batch>,
    /// How parameters move (default: adam)
    #[arg(long, value_enum)]
    optimizer: Option<Optimizer>,
    /// Weight decay: added to the gradient, or apart from it with adamw (default: 0)
    #[arg(long, value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// Momentum of sgd, and the first decay rate (beta_1) of adam (default: 0.9)
    #[arg(long)]
    momentum: Option<f64>,
    /// Steps over which the learning rate rises (default: 100, at most a tenth of the steps)
    #[arg(long, value_name = "STEPS")]
    warmup: Option<u64>,
    /// Share of the learning rate that is left at the end of its cosine; 1 keeps it constant (default: 0.02)
    #[arg(long, value_name = "SHARE")]
    lr_floor: Option<f64>,
    /// Average of the parameters that the model uses: over the last SHARE of the steps, over
    /// `half-life:STEPS`, or `none` (default: 0.1)
    #[arg(long, value_name = "SHARE|half-life:STEPS|none", value_parser = parse_average)]
    ema: Option<Average>,
    /// Mirror half of the images, left to right
    #[arg(long)]
    flip: bool,
    /// Share of a step's rows whose label is dropped, from which mlp, unet, resnet and uvit with --labels learn to do without
    /// (default: 0.1)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    drop_label: Option<f64>,
    /// Write there, now and then: step, loss, learning rate, gradient norm, seconds
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Steps of one row of the log (default: a two-hundredth of them)
    #[arg(long, value_name = "STEPS")]
    log_every: Option<u64>,
    /// Keep checkpoints there. Once training has begun, SIGTERM, SIGINT and SIGUSR1 then write one and end with
    /// exit code 75
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Steps from one checkpoint to the next; all are kept, each a model file (default: a tenth of them)
    #[arg(long, value_name = "STEPS", requires = "checkpoint")]
    every: Option<u64>,
    /// Go on from the last checkpoint, or start if there is none
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

/// The architectures, as `--kind` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    Linear,
    TwoLayer,
    Mlp,
    Unet,
    Resnet,
    Uvit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossKind {
    /// ln σ ~ N(−1.2, 1.2²)
    Edm,
    /// Of the variance-preserving process
    Vp,
    /// Of the sub-variance-preserving process
    Subvp,
    /// Of the variance-exploding process
    Ve,
    /// ln σ uniform on --sigma-range
    Uniform,
    /// One noise level, --sigma; the network does not see it
    Fixed,
    /// The drift of a stochastic interpolant from the states of --condition to the rows, which follow them
    Interpolant,
    /// The mean of the rows given --condition, without noise
    Regression,
    /// Consistency training: the model maps noise to data in one step
    Consistency,
}

fn parse_batch(text: &str) -> Result<Batch, String> {
    match text {
        "all" => Ok(Batch::All),
        _ => match parse_count(text) {
            Ok(n) if n > 0 && n <= 1 << 24 => Ok(Batch::Drawn(n)),
            _ => Err("must be a number of rows from 1 to 16777216, or all".into()),
        },
    }
}

fn parse_average(text: &str) -> Result<Average, String> {
    let positive = |text: &str| text.parse::<f64>().ok().filter(|v| *v > 0.0 && v.is_finite());
    if text == "none" {
        return Ok(Average::None);
    }
    if let Some(steps) = text.strip_prefix("half-life:") {
        let steps = positive(steps).ok_or("half-life: needs a positive number of steps")?;
        return Ok(Average::HalfLife { steps });
    }
    match positive(text) {
        Some(share) if share <= 1.0 => Ok(Average::Relative { share }),
        _ => Err("must be a share from 0 to 1, half-life:STEPS or none".into()),
    }
}

impl TrainingArgs {
    /// Refuses flags of networks given for other kinds.
    pub fn check_unused(&self) -> Result<()> {
        let given = [
            ("--width", self.width.is_some()),
            ("--depth", self.depth.is_some()),
            ("--mult", !self.mult.is_empty()),
            ("--blocks", self.blocks.is_some()),
            ("--padding", self.padding.is_some()),
            ("--patch", !self.patch.is_empty()),
            ("--tied", self.tied),
            ("--loss", self.loss.is_some()),
            ("--sigma", self.sigma.is_some()),
            ("--sigma-range", !self.sigma_range.is_empty()),
            ("--steps", self.steps.is_some()),
            ("--batch", self.batch.is_some()),
            ("--optimizer", self.optimizer.is_some()),
            ("--weight-decay", self.weight_decay.is_some()),
            ("--momentum", self.momentum.is_some()),
            ("--warmup", self.warmup.is_some()),
            ("--lr-floor", self.lr_floor.is_some()),
            ("--ema", self.ema.is_some()),
            ("--flip", self.flip),
            ("--drop-label", self.drop_label.is_some()),
            ("--log", self.log.is_some()),
            ("--log-every", self.log_every.is_some()),
            ("--checkpoint", self.checkpoint.is_some()),
        ];
        for (flag, given) in given {
            ensure!(!given, "{flag}: is for networks; leave it out");
        }
        Ok(())
    }

    /// The same but for `--patch`, which is not for networks alone.
    pub fn without_patch(&self) -> TrainingArgs {
        TrainingArgs { patch: vec![], ..self.clone() }
    }

    /// The directory of checkpoints, if there is to be one: tried before any work.
    pub fn checkpoints(&self) -> Result<Option<Checkpoints>> {
        self.checkpoint.as_deref().map(|directory| Checkpoints::open(directory, self.resume)).transpose()
    }

    /// The network that the flags describe.
    ///
    /// # Errors
    /// When a flag is given that this kind does not have.
    pub fn architecture(&self, kind: NetworkKind) -> Result<Architecture> {
        use NetworkKind::*;
        let only = |given: bool, flag: &str, kinds: &[NetworkKind]| {
            ensure!(!given || kinds.contains(&kind), "{flag}: has no meaning for this kind; leave it out");
            Ok(())
        };
        only(self.depth.is_some(), "--depth", &[Linear, Mlp, Resnet, Uvit])?;
        only(!self.mult.is_empty(), "--mult", &[Unet])?;
        only(self.blocks.is_some(), "--blocks", &[Unet])?;
        only(self.padding.is_some(), "--padding", &[Unet, Resnet])?;
        only(!self.patch.is_empty(), "--patch", &[Uvit])?;
        ensure!(self.patch.len() <= 1, "--patch: uvit has one size of patches; give one");
        only(self.tied, "--tied", &[Linear, TwoLayer])?;
        let largest = 1 << 16;
        ensure!(
            self.width.is_none_or(|w| w <= largest) && self.depth.is_none_or(|d| d <= largest),
            "--width and --depth: at most {largest}"
        );
        let (width, tied) = (self.width.unwrap_or(128), self.tied);
        // A network for one noise level need not see it.
        let conditioned = self.loss != Some(LossKind::Fixed);
        Ok(match kind {
            Linear => Architecture::Linear { width, depth: self.depth.unwrap_or(2), tied, conditioned },
            TwoLayer => Architecture::TwoLayer { width, tied, conditioned },
            Mlp => Architecture::Mlp { width, depth: self.depth.unwrap_or(3) },
            Unet => Architecture::UNet {
                width: self.width.unwrap_or(16),
                mult: if self.mult.is_empty() { vec![1, 2] } else { self.mult.clone() },
                blocks: self.blocks.unwrap_or(1),
                padding: self.padding.unwrap_or_default(),
            },
            Resnet => Architecture::ResNet {
                width: self.width.unwrap_or(32),
                depth: self.depth.unwrap_or(6),
                padding: self.padding.unwrap_or_default(),
            },
            Uvit => Architecture::UVit {
                width: self.width.unwrap_or(64),
                depth: self.depth.unwrap_or(4),
                patch: self.patch.first().copied().unwrap_or(2),
            },
        })
    }

    /// The share of rows whose label is dropped.
    ///
    /// # Errors
    /// When it is none, or all.
    pub fn drop_label(&self) -> Result<f64> {
        let drop = self.drop_label.unwrap_or(0.1);
        ensure!((0.0..1.0).contains(&drop), "--drop-label {drop}: must be from 0 to below 1");
        Ok(drop)
    }

    fn loss(&self) -> Result<Loss> {
        let kind = self.loss.unwrap_or(LossKind::Edm);
        let ranged = matches!(kind, LossKind::Uniform | LossKind::Consistency);
        ensure!(self.sigma_range.is_empty() || ranged, "--sigma-range: is for --loss uniform or consistency");
        ensure!(self.sigma.is_none() || kind == LossKind::Fixed, "--sigma: is for --loss fixed");
        let (sigma_min, sigma_max) = match self.sigma_range[..] {
            [] => (0.002, 80.0),
            [low, high] => (low, high),
            _ => bail!("--sigma-range: give the lowest and the highest level, as 0.02,2"),
        };
        ensure!(
            SIGMAS.contains(&sigma_min) && SIGMAS.contains(&sigma_max) && sigma_min < sigma_max,
            "--sigma-range {sigma_min},{sigma_max}: need 1e-18 <= lowest < highest <= 1e18"
        );
        Ok(match kind {
            LossKind::Edm => Loss::Edm,
            LossKind::Vp => Loss::Vp,
            LossKind::Subvp => Loss::Subvp,
            LossKind::Ve => Loss::Ve,
            LossKind::Uniform => Loss::Uniform { sigma_min, sigma_max },
            LossKind::Interpolant => Loss::Interpolant,
            LossKind::Regression => Loss::Regression,
            LossKind::Consistency => Loss::Consistency { sigma_min, sigma_max },
            LossKind::Fixed => {
                let sigma = self.sigma.context("--loss fixed: needs its noise level; give --sigma")?;
                ensure!(SIGMAS.contains(&sigma), "--sigma {sigma}: must be from 1e-18 to 1e18");
                Loss::Fixed { sigma }
            }
        })
    }

    /// How to train, `lr` being the flag of that name.
    ///
    /// # Errors
    /// On values that have no meaning.
    pub fn settings(&self, kind: NetworkKind, lr: Option<f64>, seed: u64) -> Result<Settings> {
        let steps = self.steps.unwrap_or(4000);
        let peak = lr.unwrap_or(match kind {
            NetworkKind::Mlp | NetworkKind::Unet | NetworkKind::Resnet => 3e-3,
            _ => 1e-3,
        });
        let settings = Settings {
            loss: self.loss()?,
            optimizer: self.optimizer.unwrap_or(Optimizer::Adam),
            decay: self.weight_decay.unwrap_or(0.0),
            momentum: self.momentum.unwrap_or(0.9),
            rate: Rate {
                peak,
                warmup: self.warmup.unwrap_or(100.min(steps / 10)),
                floor: self.lr_floor.unwrap_or(0.02),
            },
            average: self.ema.unwrap_or(Average::Relative { share: 0.1 }),
            steps,
            batch: self.batch.unwrap_or(Batch::Drawn(128)),
            flip: self.flip,
            seed,
        };
        ensure!(
            !settings.loss.is_of_transitions() || kind == NetworkKind::Mlp,
            "--loss {}: is for --kind mlp, with --condition",
            settings.loss.name()
        );
        ensure!(steps > 0, "--steps 0: training needs at least one");
        ensure!(peak > 0.0 && peak.is_finite(), "--lr {peak}: must be positive");
        ensure!(
            (0.0..=1.0).contains(&settings.rate.floor),
            "--lr-floor {}: must be from 0 to 1",
            settings.rate.floor
        );
        ensure!(
            settings.decay >= 0.0 && settings.decay.is_finite(),
            "--weight-decay {}: must be finite and not negative",
            settings.decay
        );
        ensure!(
            (0.0..1.0).contains(&settings.momentum),
            "--momentum {}: must be from 0 to below 1",
            settings.momentum
        );
        ensure!(
            self.every != Some(0) && self.log_every != Some(0),
            "--every and --log-every: must be at least 1"
        );
        let rows = self.log_every.map_or(0, |every| steps / every);
        ensure!(
            rows <= MOST_ROWS,
            "--log-every: makes {rows} rows; give a number that makes at most {MOST_ROWS}"
        );
        ensure!(
            self.momentum.is_none() || settings.optimizer != Optimizer::Rmsprop,
            "--momentum: rmsprop has none; leave it out"
        );
        let image = matches!(kind, NetworkKind::Unet | NetworkKind::Resnet | NetworkKind::Uvit);
        ensure!(!settings.flip || image, "--flip: is for images (unet, resnet, uvit)");
        Ok(settings)
    }

    /// Units, noise level and weight decay of a two-layer network that is written down, not trained.
    ///
    /// # Errors
    /// Without a noise level; on flags of training.
    pub fn constructed(&self) -> Result<(usize, f64, f64)> {
        let unused =
            TrainingArgs { width: None, loss: None, sigma: None, weight_decay: None, ..self.clone() };
        unused.check_unused().map_err(|e| anyhow!("--solver memorizing and blocks train nothing: {e}"))?;
        ensure!(
            matches!(self.loss, None | Some(LossKind::Fixed)),
            "--loss: the constructed networks are for one noise level, fixed; leave it out"
        );
        let sigma =
            self.sigma.context("--sigma: the constructed networks are for one noise level; give it")?;
        ensure!(SIGMAS.contains(&sigma), "--sigma {sigma}: must be from 1e-18 to 1e18");
        let decay = self.weight_decay.unwrap_or(0.0);
        ensure!(decay >= 0.0 && decay.is_finite(), "--weight-decay {decay}: must be finite and not negative");
        Ok((self.width.unwrap_or(128), sigma, decay))
    }

    /// How a generator is trained, `lr` being the flag of that name; linear with --depth 0.
    ///
    /// # Errors
    /// On values that have no meaning, and on flags that it does not have.
    pub fn generator(
        &self,
        game: Game,
        latent: usize,
        dim: usize,
        lr: Option<f64>,
        seed: u64,
    ) -> Result<generator::Settings> {
        let unused =
            TrainingArgs { width: None, depth: None, steps: None, batch: None, ema: None, ..self.clone() };
        unused.check_unused()?;
        let (width, depth) = (self.width.unwrap_or(128), self.depth.unwrap_or(2));
        let steps = self.steps.unwrap_or(10_000);
        let peak = lr.unwrap_or(1e-3);
        let (widest, deepest) = (Decoder::WIDEST, Decoder::DEEPEST);
        ensure!(
            (1..=widest).contains(&width) && depth <= deepest && latent <= widest,
            "--width, --depth and --rank: must be 1 to {widest}, 0 to {deepest} and 1 to {widest}"
        );
        ensure!(steps > 0, "--steps 0: training needs at least one");
        ensure!(peak > 0.0 && peak.is_finite(), "--lr {peak}: must be positive");
        let batch = match self.batch {
            None => 128,
            Some(Batch::Drawn(n)) => n,
            Some(Batch::All) => bail!("--batch all: generators draw their batches; give a number"),
        };
        let beside = match game {
            Game::Gan => Decoder { inputs: dim, outputs: 1, width, depth: depth.max(2) },
            Game::Vae => Decoder { inputs: dim, outputs: 2 * latent, width, depth },
        };
        Ok(generator::Settings {
            generator: Decoder { inputs: latent, outputs: dim, width, depth },
            beside,
            steps,
            batch,
            rate: Rate { peak, warmup: 100.min(steps / 10), floor: 0.02 },
            average: self.ema.unwrap_or(Average::Relative { share: 0.1 }),
            seed,
        })
    }
}
