//! The flags of training a network, and training as a run: checkpoints, going on
//! from them, signals, the log.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use ndarray::Array2;
use sha2::{Digest, Sha256};

use super::{Job, Stopped, usage};
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::denoiser::network::Network;
use crate::denoiser::tensors::Values;
use crate::generator::{Decoder, gan};
use crate::network::Architecture;
use crate::scalar::Scalar;
use crate::stream::{Input, Ledger, Output, Table};
use crate::training::{Average, Batch, Loss, Optimizer, Progress, Rate, Settings, State, Trainer};

/// Flags of the networks and their training.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Networks")]
pub struct TrainingArgs {
    /// Units of a layer, or channels (default: 128; unet 16; uvit 64)
    #[arg(long, value_name = "UNITS")]
    width: Option<usize>,
    /// Matrices of linear (default 2), blocks of mlp (default 3) and uvit (default 4)
    #[arg(long, value_name = "LAYERS")]
    depth: Option<usize>,
    /// Channels at every resolution of unet, in units of --width (default: 1,2)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mult: Vec<usize>,
    /// Residual blocks at every resolution of unet (default: 1)
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// Pixels along the side of a patch of uvit (default: 2)
    #[arg(long, value_name = "PIXELS")]
    patch: Option<usize>,
    /// The last matrix is the transpose of the first (linear with --depth 2, two-layer)
    #[arg(long)]
    tied: bool,
    /// Noise levels and weights of the loss (default: edm)
    #[arg(long, value_enum)]
    loss: Option<LossKind>,
    /// The noise level of --loss fixed
    #[arg(long, value_name = "SIGMA")]
    sigma: Option<f64>,
    /// Noise levels of --loss uniform and consistency (default: 0.002,80)
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',', num_args = 1)]
    sigma_range: Vec<f64>,
    /// Steps of training (default: 4000; gan 10000)
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
    /// Write there, now and then: step, loss, learning rate, gradient norm, seconds
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Steps of one row of the log (default: a two-hundredth of them)
    #[arg(long, value_name = "STEPS")]
    log_every: Option<u64>,
    /// Keep checkpoints there. SIGTERM, SIGINT and SIGUSR1 then write one and end with exit code 75
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
    Uvit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossKind {
    /// ln σ ~ N(−1.2, 1.2²)
    Edm,
    /// Of the variance-preserving process
    Vp,
    /// Of the variance-exploding process
    Ve,
    /// ln σ uniform on --sigma-range
    Uniform,
    /// One noise level, --sigma; the network does not see it
    Fixed,
    /// Consistency training: the model maps noise to data in one step
    Consistency,
}

fn parse_batch(text: &str) -> Result<Batch, String> {
    match text {
        "all" => Ok(Batch::All),
        _ => match text.parse() {
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
            ("--patch", self.patch.is_some()),
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
            ("--log", self.log.is_some()),
            ("--log-every", self.log_every.is_some()),
            ("--checkpoint", self.checkpoint.is_some()),
        ];
        for (flag, given) in given {
            ensure!(!given, "{flag}: is for networks; leave it out");
        }
        Ok(())
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
        only(self.depth.is_some(), "--depth", &[Linear, Mlp, Uvit])?;
        only(!self.mult.is_empty(), "--mult", &[Unet])?;
        only(self.blocks.is_some(), "--blocks", &[Unet])?;
        only(self.patch.is_some(), "--patch", &[Uvit])?;
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
            },
            Uvit => Architecture::UVit {
                width: self.width.unwrap_or(64),
                depth: self.depth.unwrap_or(4),
                patch: self.patch.unwrap_or(2),
            },
        })
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
            sigma_min > 0.0 && sigma_min < sigma_max && sigma_max < 1e18,
            "--sigma-range {sigma_min},{sigma_max}: need 0 < lowest < highest"
        );
        Ok(match kind {
            LossKind::Edm => Loss::Edm,
            LossKind::Vp => Loss::Vp,
            LossKind::Ve => Loss::Ve,
            LossKind::Uniform => Loss::Uniform { sigma_min, sigma_max },
            LossKind::Consistency => Loss::Consistency { sigma_min, sigma_max },
            LossKind::Fixed => {
                let sigma = self.sigma.context("--loss fixed: needs its noise level; give --sigma")?;
                ensure!(sigma > 0.0 && sigma < 1e18, "--sigma {sigma}: must be positive");
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
            NetworkKind::Mlp | NetworkKind::Unet => 3e-3,
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
        ensure!(steps > 0, "--steps 0: training needs at least one");
        ensure!(peak > 0.0 && peak.is_finite(), "--lr {peak}: must be positive");
        ensure!(
            (0.0..=1.0).contains(&settings.rate.floor),
            "--lr-floor {}: must be from 0 to 1",
            settings.rate.floor
        );
        ensure!(
            settings.decay >= 0.0 && settings.decay.is_finite(),
            "--weight-decay {}: must not be negative",
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
        let image = matches!(kind, NetworkKind::Unet | NetworkKind::Uvit);
        ensure!(!settings.flip || image, "--flip: is for images (unet, uvit)");
        Ok(settings)
    }

    /// Trains a network on data (from the input `name`), or goes on with it.
    ///
    /// # Errors
    /// When data and network do not fit, when training diverges, and when it was told to stop.
    pub fn train<T: Scalar>(
        &self,
        job: &Job,
        architecture: Architecture,
        settings: &Settings,
        item_shape: Vec<usize>,
        data: Array2<T>,
        name: &str,
    ) -> Result<Model> {
        let graph = architecture.graph::<T>(&item_shape).map_err(usage)?;
        let record = record(settings, &data);
        let mut trainer =
            Trainer::new(graph, &item_shape, data, settings.clone()).with_context(|| name.to_string())?;
        let [data, parameters, activations] = trainer.memory().map(|b| b as f64 / 1e6);
        job.note(&format!(
            "{} of {} parameters, sigma_data {:.4}; memory: data {data:.1} MB, parameters with gradients and \
             moments {parameters:.1} MB, activations {activations:.1} MB",
            architecture.name(),
            trainer.parameter_count(),
            trainer.sigma_data,
        ));
        let every = self.log_every.unwrap_or((settings.steps / 200).max(1));
        let log_table = self.log.as_deref().map(|p| job.side_table(p, LOG)).transpose()?;
        let mut run = Run { architecture, item_shape, record, log: Log::new(every) };
        let checkpoints = self.checkpoint.as_deref().map(Checkpoints::open).transpose()?;
        if let Some(checkpoints) = &checkpoints {
            checkpoints.restore(self.resume, &mut run, &mut trainer)?;
        }
        let between = self.every.unwrap_or((settings.steps / 10).max(1));
        let batch = trainer.batch();
        let mut progress = job.progress(Some(settings.steps * batch as u64), "examples");
        progress.advance(trainer.state.step as usize * batch);
        while trainer.state.step < settings.steps {
            if let Some(checkpoints) = &checkpoints
                && checkpoints.stop.load(Ordering::Relaxed)
            {
                let path = checkpoints.write(&run, &trainer)?;
                let step = trainer.state.step;
                bail!(Stopped(format!(
                    "stopped after step {step} of {}, kept in {}; run the same command with --resume to go on",
                    settings.steps,
                    path.display()
                )));
            }
            let done = trainer.step().with_context(|| match &checkpoints {
                Some(checkpoints) => format!("the last checkpoint is in {}", checkpoints.directory.display()),
                None => "nothing was kept; --checkpoint DIR keeps what was reached".to_string(),
            })?;
            run.log.add(&done, settings.steps);
            if let Some(row) = run.log.rows.last() {
                progress.say(format!("examples, loss {:.4},", row[1]));
            }
            progress.advance(batch);
            if let Some(checkpoints) = &checkpoints
                && (done.step.is_multiple_of(between) || done.step == settings.steps)
            {
                checkpoints.write(&run, &trainer)?;
            }
        }
        drop(progress);
        if let Some(table) = log_table {
            run.log.write(table)?;
        }
        Ok(run.model(&trainer, false))
    }

    /// How a GAN is trained, `lr` being the flag of that name; linear with --depth 0.
    ///
    /// # Errors
    /// On values that have no meaning, and on flags that it does not have.
    pub fn gan(&self, latent: usize, dim: usize, lr: Option<f64>, seed: u64) -> Result<gan::Settings> {
        let unused =
            TrainingArgs { width: None, depth: None, steps: None, batch: None, ema: None, ..self.clone() };
        unused.check_unused()?;
        let (width, depth) = (self.width.unwrap_or(128), self.depth.unwrap_or(2));
        let steps = self.steps.unwrap_or(10_000);
        let peak = lr.unwrap_or(1e-3);
        ensure!(
            (1..=1 << 16).contains(&width) && depth <= 64,
            "--width and --depth: must be 1 to 65536 and 0 to 64"
        );
        ensure!(steps > 0, "--steps 0: training needs at least one");
        ensure!(peak > 0.0 && peak.is_finite(), "--lr {peak}: must be positive");
        let batch = match self.batch {
            None => 128,
            Some(Batch::Drawn(n)) => n,
            Some(Batch::All) => bail!("--batch all: a GAN draws its batches; give a number"),
        };
        Ok(gan::Settings {
            generator: Decoder { inputs: latent, outputs: dim, width, depth },
            critic: Decoder { inputs: dim, outputs: 1, width, depth: depth.max(2) },
            steps,
            batch,
            rate: Rate { peak, warmup: 100.min(steps / 10), floor: 0.02 },
            average: self.ema.unwrap_or(Average::Relative { share: 0.1 }),
            seed,
        })
    }
}

/// What makes a run: two with the same record are the same run.
fn record<T: Scalar>(settings: &Settings, data: &Array2<T>) -> BTreeMap<String, String> {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", data.dim()));
    let mut bytes = Vec::new();
    for row in data.outer_iter() {
        bytes.clear();
        f64::extend_le(&row.iter().map(|v| v.wide()).collect::<Vec<_>>(), &mut bytes);
        hash.update(&bytes);
    }
    let data = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let Settings { loss, optimizer, decay, momentum, rate, average, steps, batch, flip, seed } = settings;
    let mut all = vec![
        ("loss", loss.name().to_string()),
        ("optimizer", format!("{optimizer:?}").to_lowercase()),
        ("weight-decay", decay.to_string()),
        ("momentum", momentum.to_string()),
        ("lr", rate.peak.to_string()),
        ("warmup", rate.warmup.to_string()),
        ("lr-floor", rate.floor.to_string()),
        (
            "ema",
            match average {
                Average::Relative { share } => share.to_string(),
                Average::HalfLife { steps } => format!("half-life:{steps}"),
                Average::None => "none".to_string(),
            },
        ),
        ("steps", steps.to_string()),
        (
            "batch",
            match batch {
                Batch::Drawn(n) => n.to_string(),
                Batch::All => "all".to_string(),
            },
        ),
        ("flip", flip.to_string()),
        ("seed", seed.to_string()),
        ("dtype", T::DTYPE.to_string()),
        ("data", data),
    ];
    match loss {
        Loss::Fixed { sigma } => all.push(("sigma", sigma.to_string())),
        Loss::Uniform { sigma_min, sigma_max } | Loss::Consistency { sigma_min, sigma_max } => {
            all.push(("sigma-range", format!("{sigma_min},{sigma_max}")));
        }
        Loss::Edm | Loss::Vp | Loss::Ve => {}
    }
    all.into_iter().map(|(key, value)| (format!("{RECORD}{key}"), value)).collect()
}

/// Prefix of the record in a model's metadata, and of where training stands.
const RECORD: &str = "training.";
const STEP: &str = "training-step";
const LOG_SO_FAR: &str = "training-log";

/// A run, apart from the network in it.
struct Run {
    architecture: Architecture,
    item_shape: Vec<usize>,
    record: BTreeMap<String, String>,
    log: Log,
}

impl Run {
    /// The network as it is now; with `all`, everything that going on needs.
    fn model<T: Scalar>(&self, trainer: &Trainer<T>, all: bool) -> Model {
        let State { step, parameters, average, first, second } = trainer.state.clone();
        let mut training = self.record.clone();
        training.insert(STEP.into(), step.to_string());
        if all {
            training.insert(LOG_SO_FAR.into(), self.log.to_text());
        }
        let network = Network {
            architecture: self.architecture.clone(),
            preconditioning: trainer.preconditioning(),
            sigma_data: trainer.sigma_data,
            average: Values::new(average),
            parameters: Values::new(parameters),
            optimizer: all.then(|| [Values::new(first), Values::new(second)]),
            training,
        };
        Model { kind: Kind::Network(Box::new(network)), item_shape: self.item_shape.clone(), dtype: T::DTYPE }
    }
}

/// A directory of checkpoints, and whether a signal asks to stop.
struct Checkpoints {
    directory: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Checkpoints {
    fn open(directory: &Path) -> Result<Checkpoints> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make the directory of checkpoints", directory.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        for signal in [SIGTERM, SIGINT, SIGUSR1] {
            signal_hook::flag::register(signal, stop.clone()).context("cannot listen for signals")?;
        }
        Ok(Checkpoints { directory: directory.to_path_buf(), stop })
    }

    /// The checkpoint of the latest step.
    fn last(&self) -> Result<Option<PathBuf>> {
        let unreadable = || format!("{}: cannot read the directory of checkpoints", self.directory.display());
        let mut last: Option<(u64, PathBuf)> = None;
        for entry in std::fs::read_dir(&self.directory).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            let step = name.strip_prefix("step-").and_then(|n| n.strip_suffix(".safetensors"));
            let Some(step) = step.and_then(|n| n.parse().ok()) else { continue };
            if last.as_ref().is_none_or(|(s, _)| step > *s) {
                last = Some((step, path));
            }
        }
        Ok(last.map(|(_, path)| path))
    }

    /// Puts the run and the trainer where the last checkpoint was, if there is one.
    fn restore<T: Scalar>(&self, resume: bool, run: &mut Run, trainer: &mut Trainer<T>) -> Result<()> {
        let Some(path) = self.last()? else { return Ok(()) };
        let shown = path.display();
        if !resume {
            bail!(super::Usage(format!(
                "{shown}: is the checkpoint of an earlier run; give --resume to go on with it, or another directory"
            )));
        }
        let model = Model::read(Input::open(&OsString::from(&path), &Ledger::off())?)?;
        ensure!(
            model.item_shape == run.item_shape,
            "{shown}: was made for items of shape {:?}, these have {:?}; give another --checkpoint directory",
            model.item_shape,
            run.item_shape
        );
        let Kind::Network(network) = model.kind else { bail!("{shown}: is not a checkpoint of training") };
        let before = network.architecture.to_metadata();
        let asked = run.architecture.to_metadata();
        let before = before.into_iter().map(|(k, v)| (k.to_string(), v)).chain(network.training.clone());
        let asked = asked.into_iter().map(|(k, v)| (k.to_string(), v)).chain(run.record.clone());
        let (before, asked): (BTreeMap<_, _>, BTreeMap<_, _>) = (before.collect(), asked.collect());
        let keys = before.keys().chain(asked.keys()).filter(|k| *k != STEP && *k != LOG_SO_FAR);
        for key in keys {
            let (was, is) = (before.get(key), asked.get(key));
            let none = "nothing".to_string();
            ensure!(
                was == is,
                "{shown}: was made with {} {}, this run asks for {}; give the same flags and data, or another \
                 --checkpoint directory",
                key.strip_prefix(RECORD).unwrap_or(key),
                was.unwrap_or(&none),
                is.unwrap_or(&none)
            );
        }
        let lacking = || format!("{shown}: is a model, not a checkpoint of training");
        let text = |key: &str| network.training.get(key).with_context(lacking);
        let [first, second] = network.optimizer.clone().with_context(lacking)?;
        let step = text(STEP)?.parse().ok().with_context(lacking)?;
        run.log = Log::from_text(text(LOG_SO_FAR)?, run.log.every).with_context(lacking)?;
        let (parameters, average) = (network.parameters.into_vec(), network.average.into_vec());
        trainer.state =
            State { step, parameters, average, first: first.into_vec(), second: second.into_vec() };
        Ok(())
    }

    /// Writes a checkpoint, at once.
    fn write<T: Scalar>(&self, run: &Run, trainer: &Trainer<T>) -> Result<PathBuf> {
        let path = self.directory.join(format!("step-{:08}.safetensors", trainer.state.step));
        let mut output = Output::create(Some(&path), &Ledger::off())?;
        run.model(trainer, true).write(&mut output)?;
        output.finish()?;
        Ok(path)
    }
}

const LOG: &[&str] = &["step", "loss", "lr", "gradient_norm", "seconds"];

/// Mean loss and gradient norm of every so many steps; travels with checkpoints,
/// so that a run in pieces has one log.
struct Log {
    every: u64,
    /// In the order of [`LOG`].
    rows: Vec<[f64; 5]>,
    /// Sums of loss and gradient norm since the last row, and their number.
    since: [f64; 3],
    /// Seconds of the pieces before this one, and when this one began.
    before: f64,
    started: Instant,
}

impl Log {
    fn new(every: u64) -> Log {
        Log { every, rows: Vec::new(), since: [0.0; 3], before: 0.0, started: Instant::now() }
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn add(&mut self, done: &Progress, steps: u64) {
        let [loss, norm, count] = &mut self.since;
        *loss += done.loss;
        *norm += done.gradient_norm;
        *count += 1.0;
        if done.step.is_multiple_of(self.every) || done.step == steps {
            let [loss, norm, count] = self.since;
            self.rows.push([done.step as f64, loss / count, done.rate, norm / count, self.seconds()]);
            self.since = [0.0; 3];
        }
    }

    fn write(&self, mut table: Table) -> Result<()> {
        for [step, loss, lr, norm, seconds] in &self.rows {
            table.row(&[
                (*step as u64).into(),
                (*loss).into(),
                (*lr).into(),
                (*norm).into(),
                (*seconds).into(),
            ])?;
        }
        table.finish()
    }

    /// Numbers in the shortest form that reads back exactly; lines of rows, the
    /// first line what is not a row.
    fn to_text(&self) -> String {
        let [loss, norm, count] = self.since;
        let mut text = format!("{} {loss} {norm} {count}", self.seconds());
        for row in &self.rows {
            let row = row.map(|v| v.to_string());
            let _ = write!(text, "\n{}", row.join(" "));
        }
        text
    }

    fn from_text(text: &str, every: u64) -> Option<Log> {
        let numbers = |line: &str| line.split(' ').map(|n| n.parse().ok()).collect::<Option<Vec<f64>>>();
        let mut lines = text.lines();
        let [before, loss, norm, count] = numbers(lines.next()?)?[..] else { return None };
        let rows = lines.map(|line| numbers(line)?.try_into().ok()).collect::<Option<_>>()?;
        Some(Log { before, since: [loss, norm, count], rows, ..Log::new(every) })
    }
}
