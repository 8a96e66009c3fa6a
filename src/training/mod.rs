//! Training a network to denoise.
//!
//! A step draws a batch (rows with replacement, noise levels, noise), adds up the
//! gradient of the loss and moves the parameters. Every draw is keyed by (seed,
//! step, row of the batch), and work is cut by the problem: networks on vectors
//! take the whole batch at once, their products cut by columns; networks on
//! images and tokens take it in [`SLICES`] slices, each with a gradient of its
//! own, added in order. So neither the number of threads nor an interruption
//! changes a byte of the parameters.

pub mod course;
pub mod loss;
pub mod optimizer;
pub mod rate;

pub use course::Course;
pub use loss::Loss;
pub use optimizer::Optimizer;
pub use rate::{Average, Rate};

use std::sync::Mutex;

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::linalg::{dot, squared_distance, squared_norms};
use crate::network::preconditioning::{Coefficients, Preconditioning};
use crate::network::{Class, Graph, Tape};
use crate::random::{Purpose, fill_normal, step_rng, uniform};
use crate::scalar::{Scalar, sum_by, vectorized};
use crate::schedule::SIGMAS;
use loss::{Level, Levels};
use optimizer::Step;

/// Slices of a batch of images. Eight suit eight threads, and fewer as well; the
/// number is part of the result.
const SLICES: usize = 8;

/// Parameters that one thread updates at a time.
const CHUNK: usize = 1 << 14;

/// Rows that the loss of the untrained network is the mean of, at least.
const UNTRAINED_ROWS: usize = 128;

/// c of the pseudo-Huber distance is this times √d (arXiv 2310.14189).
const HUBER: f64 = 0.00054;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub loss: Loss,
    pub optimizer: Optimizer,
    /// Weight decay.
    pub decay: f64,
    /// β₁ of Adam, μ of SGD.
    pub momentum: f64,
    pub rate: Rate,
    pub average: Average,
    pub steps: u64,
    pub batch: Batch,
    /// Mirror half of the images, left to right.
    pub flip: bool,
    pub seed: u64,
}

/// The rows of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// So many, drawn with replacement.
    Drawn(usize),
    /// Every row once.
    All,
}

impl Batch {
    /// How many rows a step has, of n to learn from.
    pub fn rows(self, n: usize) -> usize {
        match self {
            Batch::Drawn(rows) => rows,
            Batch::All => n,
        }
    }
}

/// Labels of the rows to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The class of every row.
    pub classes: Vec<u32>,
    /// The share of a step's rows whose label is dropped, of which the network learns to do without.
    pub drop: f64,
}

/// The parameters and all else that goes on from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<T> {
    /// Steps done.
    pub step: u64,
    pub parameters: Vec<T>,
    /// The average of the parameters over the last steps.
    pub average: Vec<T>,
    /// m and v of the optimizer, empty where it keeps none.
    pub first: Vec<T>,
    pub second: Vec<T>,
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The number of the step, from 1.
    pub step: u64,
    pub loss: f64,
    /// The loss of D = 0 in the same draws; in consistency training, where that loses nothing, of D = x.
    pub trivial: f64,
    pub rate: f64,
    /// ‖∂L/∂p‖.
    pub gradient_norm: f64,
}

/// A network in training.
pub struct Trainer<T> {
    graph: Graph<T>,
    item_shape: Vec<usize>,
    data: Array2<T>,
    labels: Option<Labels>,
    /// Of every row, as the network sees it.
    condition: Option<Array2<T>>,
    /// Root mean square deviation of the data from their mean: σ_data.
    pub sigma_data: f64,
    settings: Settings,
    pub state: State<T>,
    gradients: Vec<Vec<T>>,
    tapes: Mutex<Vec<Tape<T>>>,
}

impl<T: Scalar> Trainer<T> {
    /// # Errors
    /// When data and network do not fit, the data do not vary, or memory does not suffice.
    pub fn new(
        graph: Graph<T>,
        item_shape: &[usize],
        data: Array2<T>,
        settings: Settings,
    ) -> Result<Trainer<T>> {
        ensure!(data.nrows() > 0, "no rows to train on; give samples");
        ensure!(data.ncols() == graph.dim(), "rows of width {}, a network for {}", data.ncols(), graph.dim());
        let sigma_data = deviation(data.view());
        let same = data.iter().all(|x| *x == data[[0, 0]]);
        ensure!(!same, "its numbers are all the same ({} rows): nothing to learn", data.nrows());
        ensure!(
            SIGMAS.contains(&sigma_data),
            "its numbers are not finite, or too large or small to train on (their deviation is {sigma_data})"
        );
        let slices = if graph.has_places() { SLICES } else { 1 };
        let mut trainer = Trainer {
            gradients: vec![Vec::new(); slices],
            graph,
            item_shape: item_shape.to_vec(),
            data,
            labels: None,
            condition: None,
            sigma_data,
            settings,
            state: State::default(),
            tapes: Mutex::new(Vec::new()),
        };
        let needed: usize = trainer.memory()[1..].iter().fold(0, |sum, &bytes| sum.saturating_add(bytes));
        ensure!(
            Vec::<u8>::new().try_reserve_exact(needed).is_ok(),
            "training needs {:.0} GB of memory besides the data, which this machine does not give; take smaller \
             --width, --depth or --batch",
            needed as f64 / 1e9
        );
        let parameters = trainer.graph.start(trainer.settings.seed, Purpose::Parameters);
        let (first, second) = trainer.settings.optimizer.keeps();
        let kept = |kept: bool| vec![T::zero(); if kept { parameters.len() } else { 0 }];
        trainer.gradients.iter_mut().for_each(|g| *g = kept(true));
        trainer.state = State {
            step: 0,
            average: parameters.clone(),
            first: kept(first),
            second: kept(second),
            parameters,
        };
        Ok(trainer)
    }

    /// The same with labels of its rows, of classes that the network has.
    ///
    /// # Errors
    /// Another number of them.
    pub fn labelled(self, labels: Labels) -> Result<Trainer<T>> {
        let (count, rows) = (labels.classes.len(), self.data.nrows());
        ensure!(count == rows, "{count} labels for {rows} rows");
        Ok(Trainer { labels: Some(labels), ..self })
    }

    /// The same with a condition of every row, as the network sees it.
    ///
    /// # Errors
    /// Another number of them.
    pub fn conditioned(self, condition: Array2<T>) -> Result<Trainer<T>> {
        let (count, rows) = (condition.nrows(), self.data.nrows());
        ensure!(count == rows, "{count} conditions for {rows} rows");
        Ok(Trainer { condition: Some(condition), ..self })
    }

    /// Rows of a batch.
    pub fn batch(&self) -> usize {
        self.settings.batch.rows(self.data.nrows())
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn parameter_count(&self) -> usize {
        self.graph.parameter_count()
    }

    /// Puts the trainer where another one was.
    ///
    /// # Errors
    /// When that was none of the same network, optimizer and number of steps.
    pub fn restore(&mut self, state: State<T>) -> Result<()> {
        let lengths = |s: &State<T>| [s.parameters.len(), s.average.len(), s.first.len(), s.second.len()];
        ensure!(
            lengths(&state) == lengths(&self.state) && state.step <= self.settings.steps,
            "damaged: it does not hold the state of this training"
        );
        self.state = state;
        Ok(())
    }

    /// The form of the denoiser that is trained.
    pub fn preconditioning(&self) -> Preconditioning {
        self.settings.loss.preconditioning()
    }

    /// Rows that go through the network at once.
    fn rows_at_once(&self) -> usize {
        if !self.graph.has_places() {
            return self.batch();
        }
        self.graph.rows_at_once().min(self.batch().div_ceil(SLICES))
    }

    /// Bytes that training holds: the data; everything of the parameters' size (they,
    /// their average, moments, and a gradient a slice); a batch's rows and activations,
    /// as far as they are there at a time.
    pub fn memory(&self) -> [usize; 3] {
        let size = T::DTYPE.size();
        let (first, second) = self.settings.optimizer.keeps();
        let copies = 2 + usize::from(first) + usize::from(second) + self.gradients.len();
        let at_once = rayon::current_num_threads().min(self.gradients.len());
        // Clean rows, noise, their sum, that scaled, the output, and the residual.
        let row = self.graph.bytes_per_row().saturating_add(6 * self.data.ncols() * size);
        [
            (self.data.len() + self.condition.as_ref().map_or(0, |u| u.len())) * size,
            copies.saturating_mul(self.parameter_count()).saturating_mul(size),
            (at_once * self.rows_at_once()).saturating_mul(row),
        ]
    }

    /// The loss of the network as it is, before the first step: the mean over the first batches that together have
    /// enough rows for one whose few largest losses carry it.
    ///
    /// # Errors
    /// When the levels asked for make no grid.
    pub fn untrained(&mut self) -> Result<f64> {
        let levels = self.settings.loss.levels(0.0, self.sigma_data)?;
        let batches = UNTRAINED_ROWS.div_ceil(self.batch()) as u64;
        let mut sum = 0.0;
        for step in 0..batches {
            self.state.step = step;
            sum += rayon::scope(|_| self.accumulate_gradient(&levels))[0];
        }
        self.state.step = 0;
        Ok(sum / batches as f64)
    }

    /// One step.
    ///
    /// # Errors
    /// When the loss, its gradient or the parameters after it are not finite; the state
    /// is then of no use any more.
    pub fn step(&mut self) -> Result<Progress> {
        // On a thread of the pool: from outside, every parallel loop would wait for it to wake.
        rayon::scope(|_| self.step_in_pool())
    }

    fn step_in_pool(&mut self) -> Result<Progress> {
        let done = self.state.step as f64 / self.settings.steps.max(1) as f64;
        let levels = self.settings.loss.levels(done, self.sigma_data)?;
        let [loss, trivial] = self.accumulate_gradient(&levels);
        let step = self.state.step + 1;
        let rate = self.settings.rate.at(step, self.settings.steps);
        let (gradient_norm, finite) = self.update(Step {
            number: step,
            rate,
            decay: self.settings.decay,
            momentum: self.settings.momentum,
        });
        ensure!(
            loss.is_finite() && gradient_norm.is_finite() && finite,
            "step {step}: training has diverged (loss {loss}, norm of its gradient {gradient_norm}); give a smaller \
             --lr or a longer --warmup"
        );
        self.state.step = step;
        Ok(Progress { step, loss, trivial, rate, gradient_norm })
    }

    /// The loss of one batch, whose gradient goes to the slices' gradients, and the trivial one.
    fn accumulate_gradient(&mut self, levels: &Levels) -> [f64; 2] {
        let mut gradients = std::mem::take(&mut self.gradients);
        let (batch, slices) = (self.batch(), gradients.len());
        let at_once = self.rows_at_once();
        let losses: Vec<[f64; 2]> = gradients
            .par_iter_mut()
            .enumerate()
            .map(|(slice, gradient)| {
                gradient.fill(T::zero());
                let (from, to) = (slice * batch / slices, (slice + 1) * batch / slices);
                let pool = |lock: &Mutex<Vec<Tape<T>>>| lock.lock().ok().and_then(|mut t| t.pop());
                let mut tape = pool(&self.tapes).unwrap_or_default();
                let mut losses = [0.0; 2];
                for start in (from..to).step_by(at_once.max(1)) {
                    let examples = self.draw(levels, start..to.min(start + at_once));
                    let more = self.descend(&examples, &mut tape, gradient);
                    losses = [losses[0] + more[0], losses[1] + more[1]];
                }
                if let Ok(mut tapes) = self.tapes.lock() {
                    tapes.push(tape);
                }
                losses
            })
            .collect();
        self.gradients = gradients;
        [0, 1].map(|which| losses.iter().map(|l| l[which]).sum())
    }

    /// Clean and noisy rows of the coming step.
    fn draw(&self, levels: &Levels, rows: std::ops::Range<usize>) -> Examples<T> {
        let (n, d) = (rows.len(), self.data.ncols());
        let mut clean = Array2::zeros((n, d));
        let mut noise = Array2::zeros((n, d));
        let drawn: Vec<(Level, Class, usize)> = clean
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(noise.axis_iter_mut(Axis(0)))
            .enumerate()
            .map(|(i, (mut clean, mut noise))| {
                let row = rows.start + i;
                let mut rng = step_rng(self.settings.seed, Purpose::Training, self.state.step, row as u64);
                let count = self.data.nrows();
                let index = match self.settings.batch {
                    Batch::Drawn(_) => ((uniform(&mut rng) * count as f64) as usize).min(count - 1),
                    Batch::All => row,
                };
                let mirrored = self.settings.flip && uniform(&mut rng) < 0.5;
                let level = levels.draw(&mut rng);
                if let Some(noise) = noise.as_slice_mut() {
                    fill_normal(&mut rng, noise);
                }
                clean.assign(&self.data.row(index));
                if mirrored {
                    mirror(clean, &self.item_shape);
                }
                (level, self.class(row as u64, index), index)
            })
            .collect();
        let indices: Vec<usize> = drawn.iter().map(|(.., index)| *index).collect();
        let condition = self.condition.as_ref().map(|all| all.select(Axis(0), &indices));
        let (levels, classes) = drawn.into_iter().map(|(level, class, _)| (level, class)).unzip();
        Examples { clean, noise, levels, classes, condition }
    }

    /// The class that a row of the coming step is learned with: that of the data's row, unless it is dropped.
    fn class(&self, row: u64, index: usize) -> Class {
        let Labels { classes, drop } = self.labels.as_ref()?;
        let mut rng = step_rng(self.settings.seed, Purpose::DroppedLabels, self.state.step, row);
        (uniform(&mut rng) >= *drop).then_some(classes[index])
    }

    /// D at the parameters as they are, for rows at levels of their own; F's
    /// values stay on the tape.
    fn denoised(&self, examples: &Examples<T>, sigmas: &[f64], tape: &mut Tape<T>) -> Array2<T> {
        let Examples { clean, noise, classes, condition, .. } = examples;
        let coefficients = self.coefficients(sigmas);
        let mut x = Array2::zeros(clean.raw_dim());
        for_rows(&mut x, |i, mut x| {
            let sigma = T::of(sigmas[i]);
            x.zip_mut_with(&clean.row(i), |x, &c| *x = c);
            x.zip_mut_with(&noise.row(i), |x, &e| *x += sigma * e);
        });
        let mut scaled = x.clone();
        for_rows(&mut scaled, |i, mut x| {
            let input = T::of(coefficients[i].input);
            x.mapv_inplace(|v| v * input);
        });
        let level: Vec<T> = sigmas.iter().map(|&s| self.preconditioning().noise_input(s)).collect();
        let condition = condition.as_ref().map(|u| u.view());
        let mut output =
            self.graph.forward_given(&self.state.parameters, scaled.view(), &level, classes, condition, tape);
        for_rows(&mut output, |i, mut f| {
            let (skip, out) = (T::of(coefficients[i].skip), T::of(coefficients[i].out));
            f.zip_mut_with(&x.row(i), |f, &x| *f = skip * x + out * *f);
        });
        output
    }

    fn coefficients(&self, sigmas: &[f64]) -> Vec<Coefficients> {
        let form = self.preconditioning();
        sigmas.iter().map(|&s| form.at(s, self.sigma_data)).collect()
    }

    /// The examples' part of the batch's loss and of the trivial one, adding the gradient of the first to `gradient`.
    fn descend(&self, examples: &Examples<T>, tape: &mut Tape<T>, gradient: &mut [T]) -> [f64; 2] {
        let Examples { clean, noise, levels, .. } = examples;
        let (d, batch) = (clean.ncols() as f64, self.batch() as f64);
        let targets: Option<Vec<f64>> = levels.iter().map(|l| l.target).collect();
        let target = targets.map(|t| self.denoised(examples, &t, tape));
        let sigmas: Vec<f64> = levels.iter().map(|l| l.sigma).collect();
        let mut residual = self.denoised(examples, &sigmas, tape);
        residual -= target.as_ref().unwrap_or(clean);
        let squares = squared_norms(residual.view());
        let huber = HUBER * d.sqrt();
        let (mut loss, mut trivial) = (0.0, 0.0);
        // What D = 0 leaves is x_0; between the levels of a pair, what D = x leaves is the noise.
        let untouched = squared_norms(if target.is_some() { noise.view() } else { clean.view() });
        // ∂L/∂D of a row is this times the residual; ∂L/∂F is c_out times that.
        let mut slopes = Vec::new();
        for ((level, &square), &left) in levels.iter().zip(&squares).zip(&untouched) {
            let (value, slope) = match &target {
                None => (level.weight * square / d, 2.0 * level.weight / d),
                Some(_) => {
                    let root = (square + huber * huber).sqrt();
                    (level.weight * (root - huber), level.weight / root)
                }
            };
            trivial += level.weight / batch
                * match level.target {
                    None => left / d,
                    Some(below) => ((level.sigma - below).powi(2) * left + huber * huber).sqrt() - huber,
                };
            loss += value / batch;
            slopes.push(slope / batch);
        }
        let coefficients = self.coefficients(&sigmas);
        for_rows(&mut residual, |i, mut r| {
            let slope = T::of(slopes[i] * coefficients[i].out);
            r.mapv_inplace(|v| v * slope);
        });
        self.graph.gradient(&self.state.parameters, tape, residual.view(), gradient);
        [loss, trivial]
    }

    /// Adds up the slices' gradients in order, moves the parameters and their
    /// average; the gradient's norm, and whether all is finite after it. One pass: all
    /// of this waits for memory.
    fn update(&mut self, step: Step) -> (f64, bool) {
        let optimizer = self.settings.optimizer;
        let keep = T::of(self.settings.average.kept(step.number));
        let State { parameters, average, first, second, .. } = &mut self.state;
        let Some((gradient, others)) = self.gradients.split_first_mut() else { return (0.0, true) };
        let count = parameters.len().div_ceil(CHUNK);
        let moments = chunks(first, count).into_par_iter().zip(chunks(second, count));
        let chunks: Vec<(f64, bool)> = parameters
            .par_chunks_mut(CHUNK)
            .zip(average.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks_mut(CHUNK))
            .zip(moments)
            .enumerate()
            .map(|(chunk, (((p, average), g), (m, v)))| {
                for other in others.iter() {
                    let part = &other[chunk * CHUNK..chunk * CHUNK + g.len()];
                    vectorized(|| g.iter_mut().zip(part).for_each(|(g, &part)| *g += part));
                }
                let square = vectorized(|| sum_by(g, g, |a, b| a * b));
                optimizer.update(step, p, g, m, v);
                vectorized(|| average.iter_mut().zip(&*p).for_each(|(a, p)| *a = *p + keep * (*a - *p)));
                // 0·x is 0 unless x is not finite; a sum of zeros vectorizes where a test does not.
                let zero = vectorized(|| sum_by(p, average, |p, a| 0.0 * p + 0.0 * a));
                (square, zero == 0.0)
            })
            .collect();
        (chunks.iter().map(|c| c.0).sum::<f64>().sqrt(), chunks.iter().all(|c| c.1))
    }
}

/// `count` chunks of a list, empty ones where it ends before.
fn chunks<T>(list: &mut [T], count: usize) -> Vec<&mut [T]> {
    let mut chunks: Vec<&mut [T]> = list.chunks_mut(CHUNK).collect();
    chunks.resize_with(count, || &mut []);
    chunks
}

/// Standard deviation of all numbers of the data.
pub fn deviation<T: Scalar>(data: ArrayView2<T>) -> f64 {
    let count = data.len() as f64;
    let mean = mean_of_all(data);
    let centre = Array1::from_elem(data.ncols(), T::of(mean));
    (data.outer_iter().map(|row| squared_distance(row, centre.view())).sum::<f64>() / count).sqrt()
}

/// The mean of all numbers.
pub fn mean_of_all<T: Scalar>(data: ArrayView2<T>) -> f64 {
    let ones = Array1::ones(data.ncols());
    data.outer_iter().map(|row| dot(row, ones.view())).sum::<f64>() / data.len() as f64
}

/// Calls `f` with every row and its number, on all threads.
fn for_rows<T: Scalar>(x: &mut Array2<T>, f: impl Fn(usize, ArrayViewMut1<T>) + Sync) {
    x.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, row)| f(i, row));
}

/// An image, left to right.
fn mirror<T: Scalar>(mut image: ArrayViewMut1<T>, item_shape: &[usize]) {
    let width = item_shape.get(1).copied().unwrap_or(1);
    let channels: usize = item_shape.iter().skip(2).product();
    for mut line in image.exact_chunks_mut(width * channels) {
        for x in 0..width / 2 {
            for c in 0..channels {
                line.swap(x * channels + c, (width - 1 - x) * channels + c);
            }
        }
    }
}

/// Rows to learn from: x_0, ε, the levels, the classes and the conditions.
struct Examples<T> {
    clean: Array2<T>,
    noise: Array2<T>,
    levels: Vec<Level>,
    classes: Vec<Class>,
    condition: Option<Array2<T>>,
}
