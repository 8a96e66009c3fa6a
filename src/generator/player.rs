//! One of the two networks that train a generator, with what moves it.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Settings;
use crate::linalg::squared_norms;
use crate::network::{Graph, Tape};
use crate::random::{Purpose, fill_normal, step_rng, uniform};
use crate::scalar::Scalar;
use crate::training::Optimizer;
use crate::training::optimizer::Step;

pub(super) struct Player<T> {
    graph: Graph<T>,
    pub(super) parameters: Vec<T>,
    gradient: Vec<T>,
    moments: [Vec<T>; 2],
}

impl<T: Scalar> Player<T> {
    pub(super) fn new(graph: Graph<T>, seed: u64, purpose: Purpose) -> Player<T> {
        let parameters = graph.start(seed, purpose);
        let zeros = vec![T::zero(); parameters.len()];
        Player { gradient: zeros.clone(), moments: [zeros.clone(), zeros], graph, parameters }
    }

    pub(super) fn forward(&self, x: &Array2<T>, tape: &mut Tape<T>) -> Array2<T> {
        self.graph.forward(&self.parameters, x.view(), &vec![T::zero(); x.nrows()], tape)
    }

    /// After `forward` with the same tape: takes in ∂L/∂p, given ∂L/∂output.
    pub(super) fn learn(&mut self, tape: &mut Tape<T>, d_output: &Array2<T>) {
        self.graph.gradient(&self.parameters, tape, d_output.view(), &mut self.gradient);
    }

    /// After `forward` with the same tape: ∂L/∂input, given ∂L/∂output.
    pub(super) fn pulled_back(&self, tape: &mut Tape<T>, d_output: &Array2<T>) -> Array2<T> {
        self.graph.vjp(&self.parameters, tape, d_output.view())
    }

    /// Moves by what it has taken in.
    pub(super) fn update(&mut self, step: Step) {
        let [m, v] = &mut self.moments;
        Optimizer::Adam.update(step, &mut self.parameters, &self.gradient, m, v);
        self.gradient.fill(T::zero());
    }

    /// Takes its parameters into an average, of which the share `kept` stays.
    pub(super) fn average_into(&self, average: &mut [T], kept: f64) {
        let kept = T::of(kept);
        average.iter_mut().zip(&self.parameters).for_each(|(a, &p)| *a = p + kept * (*a - p));
    }

    pub(super) fn is_finite(&self) -> bool {
        self.parameters.iter().all(|p| p.is_finite())
    }
}

/// Rows drawn with replacement, and as many vectors of latents.
pub(super) fn draw<T: Scalar>(data: &Array2<T>, settings: &Settings, step: u64) -> (Array2<T>, Array2<T>) {
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

pub(super) fn mean_square<T: Scalar>(x: &Array2<T>) -> f64 {
    squared_norms(x.view()).sum() / x.len() as f64
}
