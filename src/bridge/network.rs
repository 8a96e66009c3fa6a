//! A network for the control towards every end, in any number of dimensions.
//!
//! With τ = T − t it is v(x, y, τ) = σ√τ u that is learned, which stays of one size up to the end, from
//! e = (y − x)/(σ√τ), of which v is of brownian motion; from x and y, each coordinate less its mean and over its deviation;
//! and τ/T. Its
//! loss is E‖v − σ√τ S‖² over free paths and their times, whose minimum is at u = E[S | x, y] (arXiv 2504.03461, which
//! weighs times alike).

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, s};

use super::control::Scales;
use super::paths::{Mode, Scored, Setting, simulate};
use crate::network::batch::Shape;
use crate::network::graph::{Graph, Tape};
use crate::network::layers::Sum;
use crate::random::{Purpose, row_rng, uniform};
use crate::training::optimizer::{Optimizer, Step};
use crate::training::rate::Rate;

/// A control of d coordinates.
pub struct NetworkControl {
    pub setting: Setting,
    /// Where paths began that it was fitted to, (d).
    pub start: Vec<f64>,
    /// Of each coordinate: mean and deviation of x at all times, and of ends.
    pub scales: Vec<Scales>,
    pub size: Size,
    /// As many as [`Size::parameters`].
    pub parameters: Vec<f64>,
    graph: Graph<f64>,
}

/// Units a layer, and layers between the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub depth: usize,
}

impl Size {
    /// Those of a network of d coordinates.
    pub fn parameters(self, d: usize) -> usize {
        self.graph(d).parameter_count()
    }

    /// v = W x + out(h_L), h_0 = silu(in(x)), h_l = h_{l−1} + silu(h_{l−1} W_l + b_l), all but the first 0 at the start.
    fn graph(self, d: usize) -> Graph<f64> {
        let mut g = Graph::new(Shape::vector(inputs(d)));
        let data = crate::network::graph::DATA;
        let inside = g.linear("in", data, self.width, 1.0);
        let mut h = g.silu(inside);
        for layer in 0..self.depth {
            let inside = g.linear(&format!("layers.{layer}"), h, self.width, 1.0);
            let active = g.silu(inside);
            h = g.add(Sum { scale: 1.0 }, &[h, active], false);
        }
        let out = g.linear("out", h, d, 0.0);
        let straight = g.linear("straight", data, d, 0.0);
        g.add(Sum { scale: 1.0 }, &[out, straight], true);
        g
    }
}

/// e, x, y and τ/T.
fn inputs(d: usize) -> usize {
    3 * d + 1
}

impl NetworkControl {
    /// # Panics
    /// Where there are not as many parameters as [`Size::parameters`], or not as many scales as coordinates: a programming
    /// error.
    pub fn new(
        setting: Setting,
        start: Vec<f64>,
        scales: Vec<Scales>,
        size: Size,
        parameters: Vec<f64>,
    ) -> NetworkControl {
        let graph = size.graph(start.len());
        assert!(parameters.len() == graph.parameter_count(), "the parameters of a control");
        assert!(scales.len() == start.len(), "the scales of a control");
        NetworkControl { setting, start, scales, size, parameters, graph }
    }

    /// Numbers that a row leaves behind on its way through the network.
    pub fn numbers_per_row(&self) -> usize {
        self.graph.bytes_per_row() / 8 + 1
    }

    /// σ√τ at t_k.
    fn unit(&self, k: usize) -> f64 {
        self.setting.noise_std * (self.setting.horizon - self.setting.time(k)).sqrt()
    }

    fn write_inputs(
        &self,
        k: usize,
        x: impl Iterator<Item = f64>,
        y: impl Iterator<Item = f64>,
        row: &mut [f64],
    ) {
        let d = self.start.len();
        let unit = self.unit(k);
        for (j, ((x, y), scales)) in x.zip(y).zip(&self.scales).enumerate() {
            row[j] = (y - x) / unit;
            (row[d + j], row[2 * d + j]) = scales.of(x, y);
        }
        row[3 * d] = 1.0 - k as f64 / self.setting.steps as f64;
    }

    fn forward(&self, rows: ArrayView2<f64>, tape: &mut Tape<f64>) -> Array2<f64> {
        self.graph.forward(&self.parameters, rows, &vec![0.0; rows.nrows()], tape)
    }

    /// u(t_k, x) of rows x (n, d).
    pub fn at(&self, k: usize, x: ArrayView2<f64>, target: &[f64]) -> Array2<f64> {
        let mut rows = Array2::zeros((x.nrows(), inputs(x.ncols())));
        for (x, mut row) in x.outer_iter().zip(rows.outer_iter_mut()) {
            if let Some(row) = row.as_slice_mut() {
                self.write_inputs(k, x.iter().copied(), target.iter().copied(), row);
            }
        }
        self.forward(rows.view(), &mut Tape::new()) / self.unit(k)
    }
}

/// How it is trained.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub setting: Setting,
    pub mode: Mode,
    pub size: Size,
    /// Free paths, each seen once.
    pub paths: u64,
    /// Peak of Adam's rate, which falls to 0 along a cosine.
    pub lr: f64,
    pub seed: u64,
}

impl Training {
    /// Paths of a step of Adam, and times of each.
    pub const BATCH: u64 = 32;
    const TIMES: usize = 8;
    /// Paths that say what scale numbers have.
    const FIRST: u64 = 1024;

    /// Steps of Adam.
    pub fn steps(&self) -> u64 {
        self.paths.div_ceil(Training::BATCH)
    }

    /// The control from a start of d coordinates; `seen` is told of every step.
    ///
    /// # Errors
    /// Where paths or training run away.
    pub fn run(&self, start: &[f64], mut seen: impl FnMut(u64)) -> Result<NetworkControl> {
        let simulated = |rows| simulate(&self.setting, self.mode, start, rows, self.seed);
        let scales = scales(&simulated(0..self.paths.min(Training::FIRST))?, start.len());
        let graph = self.size.graph(start.len());
        let parameters = graph.start(self.seed, Purpose::BridgeStart);
        let mut control = NetworkControl::new(self.setting, start.to_vec(), scales, self.size, parameters);
        let count = control.parameters.len();
        let (mut m, mut v) = (vec![0.0; count], vec![0.0; count]);
        let (rate, steps) = (Rate { peak: self.lr, warmup: 0, floor: 0.0 }, self.steps());
        let mut tape = Tape::new();
        for number in 1..=steps {
            let first = (number - 1) * Training::BATCH;
            let block = simulated(first..self.paths.min(first + Training::BATCH))?;
            let (rows, scores) = self.batch(&control, &block, first);
            let mut slope = control.forward(rows.view(), &mut tape) - &scores;
            slope *= 2.0 / slope.nrows() as f64;
            let mut gradient = vec![0.0; count];
            control.graph.gradient(&control.parameters, &mut tape, slope.view(), &mut gradient);
            let step = Step { number, rate: rate.at(number, steps), decay: 0.0, momentum: 0.9 };
            Optimizer::Adam.update(step, &mut control.parameters, &gradient, &mut m, &mut v);
            ensure!(
                control.parameters.iter().all(|p| p.is_finite()),
                "step {number}: training has diverged; give a smaller --lr"
            );
            seen(number);
        }
        Ok(control)
    }

    /// Inputs, and σ√τ S, at some times of every path.
    fn batch(&self, control: &NetworkControl, block: &Scored, first: u64) -> (Array2<f64>, Array2<f64>) {
        let d = control.start.len();
        let n = block.paths.nrows();
        let mut rows = Array2::zeros((n * Training::TIMES, inputs(d)));
        let mut targets = Array2::zeros((n * Training::TIMES, d));
        let pairs = rows.outer_iter_mut().zip(targets.outer_iter_mut());
        let mut rng = row_rng(self.seed, Purpose::BridgeTimes, first);
        for (at, (mut row, mut target)) in pairs.enumerate() {
            let path = block.paths.row(at / Training::TIMES);
            let k = (uniform(&mut rng) * self.setting.steps as f64) as usize;
            let end = self.setting.steps * d;
            let (x, y) = (path.slice(s![k * d..(k + 1) * d]), path.slice(s![end..]));
            if let Some(row) = row.as_slice_mut() {
                control.write_inputs(k, x.iter().copied(), y.iter().copied(), row);
            }
            let scores = block.scores.slice(s![at / Training::TIMES, k * d..(k + 1) * d]);
            target.assign(&(&scores * control.unit(k)));
        }
        (rows, targets)
    }
}

/// Mean and deviation of each coordinate at all times, and of its ends; where they do not vary, 1.
fn scales(block: &Scored, d: usize) -> Vec<Scales> {
    let of = |x: ArrayView2<f64>| {
        let std = x.std(0.0);
        (x.mean().unwrap_or_default(), if std > 0.0 { std } else { 1.0 })
    };
    let ends = block.paths.ncols() - d;
    (0..d)
        .map(|j| {
            let (x_mean, x_std) = of(block.paths.slice(s![.., j..; d]));
            let (y_mean, y_std) = of(block.paths.slice(s![.., ends + j..ends + j + 1]));
            Scales { x_mean, x_std, y_mean, y_std }
        })
        .collect()
}
