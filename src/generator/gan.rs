//! A generative adversarial network with least-squares losses (arXiv 1611.04076):
//! in turn, the critic C lowers ⟨(C(x) − 1)²⟩ + ⟨C(G(z))²⟩ over data x and
//! latents z, and the generator G lowers ⟨(C(G(z)) − 1)²⟩. Both move by Adam.

use anyhow::{Result, ensure};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Decoder;
use crate::network::{Graph, Tape};
use crate::random::{Purpose, fill_normal, step_rng, uniform};
use crate::scalar::Scalar;
use crate::training::optimizer::Step;
use crate::training::{Average, Optimizer, Rate};

/// β₁ of Adam for both: as each changes what the other should do, past gradients mislead.
const MOMENTUM: f64 = 0.0;

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

/// The generator's parameters, averaged over the last steps. `seen` is told the
/// step, the critic's loss and the generator's.
///
/// # Errors
/// When there are no rows, or training diverges.
pub fn train<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    mut seen: impl FnMut(u64, f64, f64),
) -> Result<Vec<T>> {
    ensure!(data.nrows() > 0, "no rows to train on; give samples");
    let mut generator = Player::new(settings.generator.graph(), settings.seed, Purpose::Parameters);
    let mut critic = Player::new(settings.critic.graph(), settings.seed, Purpose::Critic);
    let mut average = generator.parameters.clone();
    let (mut making, mut judging) = (Tape::new(), Tape::new());
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
        let keep = T::of(settings.average.kept(number));
        average.iter_mut().zip(&generator.parameters).for_each(|(a, &p)| *a = p + keep * (*a - p));
        seen(number, critics, generators);
    }
    Ok(average)
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
