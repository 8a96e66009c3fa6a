//! A generative adversarial network with least-squares losses (arXiv 1611.04076):
//! in turn, the critic C lowers ⟨(C(x) − 1)²⟩ + ⟨C(G(z))²⟩ over data x and
//! latents z, and the generator G lowers ⟨(C(G(z)) − 1)²⟩. Both move by Adam.

use anyhow::{Result, ensure};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Decoder;
use crate::linalg::squared_norms;
use crate::network::{Graph, Tape};
use crate::random::{Purpose, fill_normal, step_rng, uniform};
use crate::scalar::Scalar;
use crate::training::course::Yardstick;
use crate::training::optimizer::Step;
use crate::training::{Average, Course, Optimizer, Rate};

/// β₁ of Adam for both: as each changes what the other should do, past gradients mislead.
const MOMENTUM: f64 = 0.0;

/// Rows that the values of untrained networks are means of, at least.
const UNTRAINED_ROWS: usize = 128;

/// ⟨(½ − 1)²⟩ + ⟨½²⟩: what a critic loses that knows nothing.
const UNDECIDED: f64 = 0.5;

static CRITIC: Yardstick = Yardstick {
    measured: "mean loss of the critic",
    trivial: "a critic that always says 1/2",
    untrained: "the untrained one",
    remedy: "give a smaller --lr",
};

static GENERATOR: Yardstick = Yardstick {
    measured: "mean square of what is generated",
    trivial: "the data's",
    untrained: "that of the untrained generator",
    remedy: "give a smaller --lr",
};

/// How to train.
#[derive(Clone, Debug)]
pub struct Settings {
    pub generator: Decoder,
    pub critic: Decoder,
    pub steps: u64,
    pub batch: usize,
    pub rate: Rate,
    pub average: Average,
    pub seed: u64,
}

/// One of the two networks, with what moves it.
struct Player<T> {
    graph: Graph<T>,
    parameters: Vec<T>,
    gradient: Vec<T>,
    moments: [Vec<T>; 2],
}

impl<T: Scalar> Player<T> {
    fn new(graph: Graph<T>, seed: u64, purpose: Purpose) -> Player<T> {
        let parameters = graph.start(seed, purpose);
        let zeros = vec![T::zero(); parameters.len()];
        Player { gradient: zeros.clone(), moments: [zeros.clone(), zeros], graph, parameters }
    }

    fn forward(&self, x: &Array2<T>, tape: &mut Tape<T>) -> Array2<T> {
        self.graph.forward(&self.parameters, x.view(), &vec![T::zero(); x.nrows()], tape)
    }

    fn learn(&mut self, tape: &mut Tape<T>, d_output: &Array2<T>) {
        self.graph.gradient(&self.parameters, tape, d_output.view(), &mut self.gradient);
    }

    fn update(&mut self, step: Step) {
        let [m, v] = &mut self.moments;
        Optimizer::Adam.update(step, &mut self.parameters, &self.gradient, m, v);
        self.gradient.fill(T::zero());
    }
}

/// A trained generator.
pub struct Trained<T> {
    /// Averaged over the last steps.
    pub parameters: Vec<T>,
    /// Mean squares of what was generated in the last share of the steps, and of the data.
    pub mean_squares: [f64; 2],
}

/// Trains a generator. `seen` is told the step, the critic's loss and the generator's.
///
/// # Errors
/// When there are no rows, or training diverges: when losses or parameters are no numbers any more, the critic loses
/// far more than one that knows nothing, or what is generated is far larger than the data.
pub fn train<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    mut seen: impl FnMut(u64, f64, f64),
) -> Result<Trained<T>> {
    ensure!(data.nrows() > 0, "no rows to train on; give samples");
    let mut generator = Player::new(settings.generator.graph(), settings.seed, Purpose::Parameters);
    let mut critic = Player::new(settings.critic.graph(), settings.seed, Purpose::Critic);
    let mut average = generator.parameters.clone();
    let (mut making, mut judging) = (Tape::new(), Tape::new());
    let of_data = mean_square(data);
    let [loss, square] = untrained(data, settings, &generator, &critic);
    let (mut judged, mut made_so_far) = (Course::of(&CRITIC, loss), Course::of(&GENERATOR, square));
    for number in 1..=settings.steps {
        let (real, latents) = draw(data, settings, number - 1);
        let made = generator.forward(&latents, &mut making);
        let step =
            Step { number, rate: settings.rate.at(number, settings.steps), decay: 0.0, momentum: MOMENTUM };
        let mut critics = 0.0;
        for (x, target) in [(&real, 1.0), (&made, 0.0)] {
            let (loss, slope) = squares(critic.forward(x, &mut judging), target);
            critic.learn(&mut judging, &slope);
            critics += loss;
        }
        critic.update(step);
        let (generators, slope) = squares(critic.forward(&made, &mut judging), 1.0);
        let by_sample = critic.graph.vjp(&critic.parameters, &mut judging, slope.view());
        generator.learn(&mut making, &by_sample);
        generator.update(step);
        let moved = generator.parameters.iter().all(|p| p.is_finite());
        ensure!(
            critics.is_finite() && generators.is_finite() && moved,
            "step {number}: training has diverged (losses {critics} and {generators}); give a smaller --lr"
        );
        judged.take(number, settings.steps, [critics, UNDECIDED])?;
        made_so_far.take(number, settings.steps, [mean_square(&made), of_data])?;
        let keep = T::of(settings.average.kept(number));
        average.iter_mut().zip(&generator.parameters).for_each(|(a, &p)| *a = p + keep * (*a - p));
        seen(number, critics, generators);
    }
    // The last step is looked at, and there is one.
    let mean_squares = made_so_far.last().unwrap_or([of_data; 2]);
    Ok(Trained { parameters: average, mean_squares })
}

/// The critic's loss and the mean square of what is generated, before the first step.
fn untrained<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    generator: &Player<T>,
    critic: &Player<T>,
) -> [f64; 2] {
    let batches = UNTRAINED_ROWS.div_ceil(settings.batch) as u64;
    let mut sums = [0.0; 2];
    for step in 0..batches {
        let (real, latents) = draw(data, settings, step);
        let made = generator.forward(&latents, &mut Tape::new());
        for (x, target) in [(&real, 1.0), (&made, 0.0)] {
            sums[0] += squares(critic.forward(x, &mut Tape::new()), target).0;
        }
        sums[1] += mean_square(&made);
    }
    sums.map(|sum| sum / batches as f64)
}

fn mean_square<T: Scalar>(x: &Array2<T>) -> f64 {
    squared_norms(x.view()).sum() / x.len() as f64
}

/// ⟨(c − target)²⟩ and its derivative by every c.
fn squares<T: Scalar>(mut c: Array2<T>, target: f64) -> (f64, Array2<T>) {
    let n = c.len() as f64;
    let loss = c.iter().map(|v| (v.wide() - target).powi(2)).sum::<f64>() / n;
    c.mapv_inplace(|v| T::of(2.0 / n) * (v - T::of(target)));
    (loss, c)
}

/// Rows drawn with replacement, and latents.
fn draw<T: Scalar>(data: &Array2<T>, settings: &Settings, step: u64) -> (Array2<T>, Array2<T>) {
    let mut real = Array2::zeros((settings.batch, data.ncols()));
    let mut latents = Array2::zeros((settings.batch, settings.generator.inputs));
    real.axis_iter_mut(Axis(0)).into_par_iter().zip(latents.axis_iter_mut(Axis(0))).enumerate().for_each(
        |(row, (mut real, mut z))| {
            let mut rng = step_rng(settings.seed, Purpose::Training, step, row as u64);
            let index = (uniform(&mut rng) * data.nrows() as f64) as usize;
            real.assign(&data.row(index.min(data.nrows() - 1)));
            if let Some(z) = z.as_slice_mut() {
                fill_normal(&mut rng, z);
            }
        },
    );
    (real, latents)
}
