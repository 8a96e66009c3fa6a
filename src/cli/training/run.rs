//! Training as a run: steps until the end, a signal or a loss that is not finite;
//! what is said meanwhile, and what makes two runs the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::{Array1, Array2, ArrayView2};
use sha2::{Digest, Sha256};

use super::TrainingArgs;
use super::checkpoints::Checkpoints;
use super::log::{COLUMNS, Log};
use crate::cli::{Job, Stopped, usage};
use crate::denoiser::Model;
use crate::denoiser::model::Kind;
use crate::denoiser::network::Network;
use crate::linalg::column_means;
use crate::measure::scale::short;
use crate::network::{Architecture, Classes, Condition};
use crate::scalar::{Scalar, le_bytes};
use crate::schedule::SIGMAS;
use crate::stream::tensors::Values;
use crate::stream::{Table, image_text};
use crate::training::{
    Average, Batch, Course, Labels, Loss, Settings, State, Trainer, deviation, mean_of_all,
};

/// Columns of the report of a trained network; the loss is the mean over the log's last interval.
pub const NETWORK_REPORT: &[&str] = &["kind", "parameters", "steps", "loss"];

/// Data wider than a quarter of the default σ_max are not covered by the noise that a flow starts from.
const WIDEST: f64 = 20.0;

/// Steps from state to state that an interpolant's noise hides for all but a few hundredths of s.
const NARROWEST: f64 = 0.03;

/// Data whose mean is so many times their deviation are nearly one point to a network: at 3 deviations the loss of mlp was a
/// twentieth to a fifth above that of data about 0, and what is drawn has lost the finer half of what rows differ by.
const FAR: f64 = 3.0;

impl Job {
    /// Warns where the mean of all numbers is more than so many times their deviation.
    pub fn warn_of_mean<T: Scalar>(&self, data: ArrayView2<T>, most: f64) {
        let (mean, deviation) = (mean_of_all(data), deviation(data));
        if mean.is_finite() && mean.abs() > most * deviation && deviation > 0.0 {
            // To a digit of the deviation: what is left is about 0.
            let decimals = (-deviation.log10().floor()).clamp(0.0, 300.0) as usize;
            let (sign, off) = (if mean > 0.0 { '-' } else { '+' }, format!("{:.decimals$}", mean.abs()));
            self.warn(&format!(
                "the mean of the data's numbers is {:.1} times their standard deviation ({:?} and {:?}): rows are nearly the same \
                 to a network, and it learns little of how they differ; take the mean away (npy let 'x {sign} {off}'), and give \
                 it back to what is drawn",
                mean.abs() / deviation,
                short(mean),
                short(deviation)
            ));
        }
    }
}

/// What a network is trained on.
pub struct Samples<T> {
    /// Of the input, for messages.
    pub name: String,
    pub item_shape: Vec<usize>,
    pub rows: Array2<T>,
    /// Of the rows, where they have some, with the classes.
    pub labels: Option<(Labels, Classes)>,
    /// What the network is told of each, as it is.
    pub conditions: Option<Array2<T>>,
}

impl TrainingArgs {
    /// Trains a network, or goes on with it; `report` is a table of [`NETWORK_REPORT`].
    ///
    /// # Errors
    /// When data and network do not fit, when training diverges, and when it was told to stop.
    pub fn train<T: Scalar>(
        &self,
        job: &Job,
        architecture: Architecture,
        settings: &Settings,
        samples: Samples<T>,
        checkpoints: Option<&Checkpoints>,
        report: Option<Table>,
    ) -> Result<Model> {
        let log_table = self.log.as_deref().map(|p| job.side_table(p, COLUMNS)).transpose()?;
        // It says how a run went that diverged.
        let log_table = log_table.map(|table| table.strict(false));
        let Samples { name, item_shape, rows: mut data, labels, conditions } = samples;
        let classes = labels.as_ref().map(|(_, classes)| *classes);
        let record = record(settings, &data, labels.as_ref().map(|(labels, _)| labels), conditions.as_ref());
        let condition = conditions.as_ref().map(|u| told(job, settings.loss, &mut data, u)).transpose()?;
        let width = condition.as_ref().map(Condition::width);
        // What is learned about conditions is how rows move, which has a mean of its own.
        if !condition.as_ref().is_some_and(|condition| condition.about) {
            job.warn_of_mean(data.view(), FAR);
        }
        let graph = architecture.graph_given::<T>(&item_shape, classes, width).map_err(usage)?;
        let mut trainer = Trainer::new(graph, &item_shape, data, settings.clone()).with_context(|| name)?;
        if let Some((labels, _)) = labels {
            trainer = trainer.labelled(labels)?;
        }
        if let Some((told, u)) = condition.as_ref().zip(conditions) {
            trainer = trainer.conditioned(told.seen(u.view()))?;
        }
        let [data, parameters, activations] = trainer.memory().map(|b| b as f64 / 1e6);
        job.note(&format!(
            "{} of {} parameters for items of {}{}{}, sigma_data {:.4}; memory: data {data:.1} MB, parameters with gradients and \
             moments {parameters:.1} MB, activations {activations:.1} MB",
            architecture.name(),
            trainer.parameter_count(),
            image_text(&item_shape),
            classes.map_or(String::new(), |classes| format!(" in {} classes", classes.count)),
            condition.as_ref().map_or(String::new(), |told| format!(" given {} numbers", told.width())),
            trainer.sigma_data,
        ));
        let spread = trainer.sigma_data;
        if spread > WIDEST {
            job.warn(&format!(
                "the data's standard deviation is {spread:.4}, more than a quarter of 80, the noise level at which flows \
                 start, and losses draw few levels so high; scale the data to about 1 (npy images)"
            ));
        }
        if settings.loss == Loss::Interpolant && spread < NARROWEST {
            job.warn(&format!(
                "the rows are {spread:.3e} from the states that they follow (root mean square about the mean), where an \
                 interpolant's noise has a deviation of up to 0.38: nearly all of what is drawn says nothing of them; bring \
                 states to a scale on which they move by about 1"
            ));
        }
        let every = self.log_every.unwrap_or((settings.steps / 200).max(1));
        let mut run = Run { architecture, classes, condition, item_shape, record, log: Log::new(every) };
        if let Some(checkpoints) = checkpoints {
            checkpoints.restore(&mut run, &mut trainer)?;
            checkpoints.listen()?;
        }
        let ended = self.steps(job, &mut run, &mut trainer, checkpoints);
        if let Some(table) = log_table {
            run.log.write(table)?;
        }
        if ended.is_err() {
            // The log says how it went; it is all there is to keep.
            job.release()?;
        }
        ended?;
        if let Some(report) = report {
            run.report(&trainer, report)?;
        }
        Ok(run.finished(trainer))
    }

    /// The steps that are left.
    fn steps<T: Scalar>(
        &self,
        job: &Job,
        run: &mut Run,
        trainer: &mut Trainer<T>,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<()> {
        let steps = trainer.settings().steps;
        let between = self.every.unwrap_or((steps / 10).max(1));
        let batch = trainer.batch();
        let mut progress = job.progress(Some(steps.saturating_mul(batch as u64)), "examples");
        progress.advance((trainer.state.step as usize).saturating_mul(batch));
        let mut lines = job.lines(trainer.state.step);
        if trainer.state.step == 0 {
            run.log.course = Course::new(trainer.untrained()?);
        }
        while trainer.state.step < steps {
            if let Some(checkpoints) = checkpoints
                && checkpoints.stop.load(Ordering::Relaxed)
            {
                let path = checkpoints.write(run, trainer)?;
                bail!(Stopped(format!(
                    "stopped after step {} of {steps}, kept in {}; run the same command with --resume to go on",
                    trainer.state.step,
                    path.display()
                )));
            }
            let step = trainer.step().and_then(|done| run.log.add(&done, steps).map(|()| done));
            let done = step.map_err(|e| match checkpoints {
                Some(checkpoints) => {
                    anyhow!("{e}; the last checkpoint is in {}", checkpoints.directory.display())
                }
                None => e,
            })?;
            if let Some(row) = run.log.rows.last() {
                progress.say(format!("examples, loss {:.4},", row[1]));
            }
            progress.advance(batch);
            if let Some(left) = lines.as_mut().and_then(|lines| lines.left(done.step, steps)) {
                let loss = run.log.rows.last().map_or(done.loss, |row| row[1]);
                job.note(&format!("step {} of {steps}, loss {loss:.4}, {left} left", done.step));
            }
            if let Some(checkpoints) = checkpoints
                && (done.step.is_multiple_of(between) || done.step == steps)
            {
                checkpoints.write(run, trainer)?;
            }
        }
        if let Some([loss, trivial, untrained]) = run.log.course.learned_nothing() {
            job.warn(&format!(
                "the mean loss of the last steps is {loss:.3}, where a denoiser that always says 0 has {trivial:.3} \
                 and the untrained network {untrained:.3}: it has learned hardly anything; give another --lr or more --steps"
            ));
        }
        Ok(())
    }
}

/// What a network is told by conditions of its rows, which become less them where they are learned so.
fn told<T: Scalar>(job: &Job, loss: Loss, rows: &mut Array2<T>, conditions: &Array2<T>) -> Result<Condition> {
    let width = conditions.ncols();
    ensure!(
        loss != Loss::Interpolant || width == rows.ncols(),
        "--condition: has {width} numbers a row, where --loss interpolant needs the states before, of {}",
        rows.ncols()
    );
    ensure!(width <= Condition::MOST, "--condition: {width} numbers a row; at most {}", Condition::MOST);
    let mean = column_means(conditions.view());
    let mut squares = Array1::<f64>::zeros(width);
    for row in conditions.outer_iter() {
        let pairs = row.iter().zip(&mean);
        squares.iter_mut().zip(pairs).for_each(|(sum, (u, mean))| *sum += (u.wide() - mean).powi(2));
    }
    let (mut mean, mut deviation) = (mean.to_vec(), (squares / conditions.nrows() as f64).sqrt().to_vec());
    let first = conditions.row(0);
    let same: Vec<usize> =
        (0..width).filter(|&j| conditions.column(j).iter().all(|u| *u == first[j])).collect();
    ensure!(
        same.len() < width,
        "--condition: its numbers are all the same, or its rows are, of which nothing can be learned"
    );
    for &j in &same {
        (mean[j], deviation[j]) = (first[j].wide(), 1.0);
    }
    if let Some(j) = same.first() {
        job.warn(&format!(
            "--condition: {} of its {width} columns have one number in all rows (the first is column {j}, {}): nothing is \
             learned of them, and other numbers there will have an effect of chance; leave such columns out (npy cat --cols)",
            same.len(),
            first[*j]
        ));
    }
    if let Some(j) = deviation.iter().position(|s| !SIGMAS.contains(s)) {
        bail!(
            "--condition: the numbers of its column {j} are too large or small to learn from (their deviation is {})",
            deviation[j]
        );
    }
    let about = loss.is_of_transitions() && width == rows.ncols();
    if about {
        *rows -= conditions;
    }
    Ok(Condition { mean, deviation, about })
}

/// What makes a run: two with the same record are the same run.
fn record<T: Scalar>(
    settings: &Settings,
    data: &Array2<T>,
    labels: Option<&Labels>,
    conditions: Option<&Array2<T>>,
) -> BTreeMap<String, String> {
    let digest = |rows: &Array2<T>| {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}", rows.dim()));
        for row in rows.outer_iter() {
            hash.update(le_bytes(&row.mapv(Scalar::wide).to_vec()));
        }
        in_hexadecimal(hash)
    };
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
        ("data", digest(data)),
    ];
    if let Some(Labels { classes, drop }) = labels {
        let hash = classes.iter().fold(Sha256::new(), |hash, class| hash.chain_update(class.to_le_bytes()));
        all.extend([("labels", in_hexadecimal(hash)), ("drop-label", drop.to_string())]);
    }
    all.extend(conditions.map(|u| ("condition", digest(u))));
    match loss {
        Loss::Fixed { sigma } => all.push(("sigma", sigma.to_string())),
        Loss::Uniform { sigma_min, sigma_max } | Loss::Consistency { sigma_min, sigma_max } => {
            all.push(("sigma-range", format!("{sigma_min},{sigma_max}")));
        }
        Loss::Edm | Loss::Vp | Loss::Subvp | Loss::Ve | Loss::Interpolant | Loss::Regression => {}
    }
    all.into_iter().map(|(key, value)| (format!("{RECORD}{key}"), value)).collect()
}

fn in_hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Prefix of the record in a model's metadata, and of where training stands.
pub(super) const RECORD: &str = "training.";
pub(super) const STEP: &str = "training-step";
pub(super) const LOG_SO_FAR: &str = "training-log";

/// A run, apart from the network in it.
pub(super) struct Run {
    pub architecture: Architecture,
    pub classes: Option<Classes>,
    pub condition: Option<Condition>,
    pub item_shape: Vec<usize>,
    pub record: BTreeMap<String, String>,
    pub log: Log,
}

impl Run {
    /// The network as it is now, with everything that going on needs.
    pub fn checkpoint<T: Scalar>(&self, trainer: &Trainer<T>) -> Model {
        let State { step, parameters, average, first, second } = trainer.state.clone();
        let mut model = self.model(trainer, step, parameters, average);
        if let Kind::Network(network) = &mut model.kind {
            network.optimizer = Some([Values::new(first), Values::new(second)]);
            network.training.insert(LOG_SO_FAR.into(), self.log.to_text());
        }
        model
    }

    /// What a table of several networks needs of this one.
    fn report<T: Scalar>(&self, trainer: &Trainer<T>, mut table: Table) -> Result<()> {
        let loss = self.log.rows.last().map(|row| row[1]);
        table.row(&[
            self.architecture.name().into(),
            trainer.parameter_count().into(),
            trainer.state.step.into(),
            loss.into(),
        ])?;
        table.finish()
    }

    /// The trained network.
    fn finished<T: Scalar>(&self, mut trainer: Trainer<T>) -> Model {
        let State { step, parameters, average, .. } = std::mem::take(&mut trainer.state);
        self.model(&trainer, step, parameters, average)
    }

    fn model<T: Scalar>(
        &self,
        trainer: &Trainer<T>,
        step: u64,
        parameters: Vec<T>,
        average: Vec<T>,
    ) -> Model {
        let mut training = self.record.clone();
        training.insert(STEP.into(), step.to_string());
        let network = Network {
            architecture: self.architecture.clone(),
            classes: self.classes,
            condition: self.condition.clone(),
            preconditioning: trainer.preconditioning(),
            sigma_data: trainer.sigma_data,
            average: Values::new(average),
            parameters: Values::new(parameters),
            optimizer: None,
            training,
        };
        Model::new(Kind::Network(Box::new(network)), self.item_shape.clone(), T::DTYPE)
    }
}
