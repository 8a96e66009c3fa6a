//! The law of a state given its observations up to then.
//!
//! * particles: the bootstrap filter (Gordon, Salmond and Smith, IEE Proceedings F 140 (1993) 107): move, weigh by the
//!   likelihood, choose anew by systematic resampling, at every observation;
//! * an ensemble: Kalman's gain from the ensemble's own covariances, observations perturbed (Burgers, van Leeuwen and
//!   Evensen, Monthly Weather Review 126 (1998) 1719);
//! * exactly (Kalman, J. Basic Engineering 82 (1960) 35), where transition and observation are linear. Ours act on each
//!   coordinate alone, and so does the filter;
//! * by learned transitions: members that each go their way by [`super::flowdas`], or by the mean of the next state alone, as
//!   an ensemble with Kalman's gain.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::flowdas::{Next, Sampler, Transition};
use super::observation::{Observation, Through};
use super::systems::{AT_ONCE, Dynamics, Streams};
use crate::linalg::{divide_by_symmetric, product};
use crate::random::{Purpose, standard_normals, uniform};

/// How states are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Filter {
    /// The bootstrap particle filter, with systematic resampling
    Particle,
    /// The ensemble Kalman filter, with perturbed observations
    EnsembleKalman,
    /// The Kalman filter: exact, of systems and observations that are linear
    Kalman,
    /// Members that move by a learned interpolant, guided by what is seen
    Flowdas,
    /// The ensemble Kalman filter, members moving by a learned mean of the next state
    Regression,
}

/// How states move that are followed without their system.
pub struct Learned {
    pub transition: Box<dyn Transition>,
    pub sampler: Sampler,
}

/// What is known of a state.
pub enum Belief {
    /// States, a column each (d, n), and their weights, which sum to 1; and [`Next::farthest`] of the way there.
    Ensemble { states: Array2<f64>, weights: Vec<f64>, farthest: f64 },
    /// Independent normal coordinates.
    Normal { mean: Vec<f64>, variance: Vec<f64> },
}

impl Belief {
    fn ensemble(states: Array2<f64>) -> Belief {
        let n = states.ncols();
        Belief::weighted(states, vec![1.0 / n as f64; n])
    }

    fn weighted(states: Array2<f64>, weights: Vec<f64>) -> Belief {
        Belief::Ensemble { states, weights, farthest: 0.0 }
    }

    /// Mean and variance of every coordinate.
    pub fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Belief::Normal { mean, variance } => (mean.clone(), variance.clone()),
            Belief::Ensemble { states, weights, .. } => {
                states.axis_iter(Axis(0)).into_par_iter().map(|x| moments(x, weights)).unzip()
            }
        }
    }

    /// 1/Σ w²: as many equal weights would say as much.
    pub fn effective(&self) -> Option<f64> {
        match self {
            Belief::Normal { .. } => None,
            Belief::Ensemble { weights, .. } => Some(1.0 / weights.iter().map(|w| w * w).sum::<f64>()),
        }
    }
}

fn moments(x: ArrayView1<f64>, weights: &[f64]) -> (f64, f64) {
    let mean = weighted(x, weights, |x| x);
    (mean, weighted(x, weights, |x| (x - mean) * (x - mean)))
}

/// States that weigh nothing may be no numbers.
fn weighted(x: ArrayView1<f64>, weights: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    x.iter().zip(weights).map(|(x, w)| if *w > 0.0 { w * of(*x) } else { 0.0 }).sum()
}

/// The variance v of fewer members than these says little: of n normal ones 1/v is (n − 1)/(n − 3) on average.
const FEW: usize = 10;

/// What is believed of a state, and how y was foreseen.
pub struct Known<'a> {
    pub belief: &'a Belief,
    /// [`Observation::surprise`] of the belief before it was told y, or, where members are drawn given y at once,
    /// [`Observation::misfit`] of these: 1 on average where y is of this system and noise. None of what was told no y.
    pub surprise: Option<f64>,
}

/// One observed path.
pub struct Problem<'a> {
    pub dynamics: &'a Dynamics,
    pub observation: &'a Observation,
    /// Of methods that have it.
    pub learned: Option<&'a Learned>,
    /// y_0 … y_T, (T + 1, m).
    pub y: ArrayView2<'a, f64>,
    /// The last step whose y is used; beliefs of later ones are forecasts.
    pub until: usize,
    pub seed: u64,
    pub row: u64,
}

impl Problem<'_> {
    /// The belief about every x_k given y_0 … y_k, one after the other; of `n` particles or members.
    ///
    /// # Errors
    /// Of `see`; numbers too large, at a step that is named; a system or an observation that Kalman's filter is not for.
    pub fn follow(
        &self,
        filter: Filter,
        n: usize,
        mut see: impl FnMut(usize, Known) -> Result<()>,
    ) -> Result<()> {
        match filter {
            Filter::Particle => self.particles(n, see),
            Filter::Kalman => self.kalman(see),
            Filter::EnsembleKalman => {
                let advance = |x: &mut Array2<f64>, streams: &mut Streams| {
                    self.dynamics.advance(x, streams);
                    Ok(())
                };
                self.ensemble(n, advance, see)
            }
            Filter::Regression => {
                let transition = self.learned()?.transition.as_ref();
                let advance = |x: &mut Array2<f64>, _: &mut Streams| {
                    // The mean sees no noise, whatever its level.
                    *x = transition.denoise(x.view(), 1.0, x.view())?;
                    Ok(())
                };
                // Nor have its members the system's noise, so that they foresee y as if there were none.
                self.ensemble(n, advance, |k, known| see(k, Known { surprise: None, ..known }))
            }
            Filter::Flowdas => self.flowdas(n, see),
        }
    }

    fn learned(&self) -> Result<&Learned> {
        self.learned.context("this method follows paths by a model")
    }

    /// The first states, and their weights given y_0.
    fn begin(&self, n: usize, streams: &mut Streams) -> Result<(Array2<f64>, Vec<f64>)> {
        let x = self.dynamics.begin(n, streams);
        let weights = self.weights(0, &x)?;
        Ok((x, weights))
    }

    /// How states that weigh alike foresee y_k, which they have not been told.
    fn surprise(&self, k: usize, x: &Array2<f64>) -> Option<f64> {
        let seen = || self.observation.surprise(self.observation.apply(x.view()).view(), self.y.row(k));
        (k <= self.until && x.ncols() >= FEW).then(seen)
    }

    fn weights(&self, k: usize, x: &Array2<f64>) -> Result<Vec<f64>> {
        let n = x.ncols();
        if k > self.until {
            return Ok(vec![1.0 / n as f64; n]);
        }
        let weights = softmax(self.observation.log_likelihood(x.view(), self.y.row(k)));
        ensure!(
            !weights.is_empty(),
            "step {k}: no particle has a likelihood: numbers are too large for this noise and system"
        );
        Ok(weights)
    }

    fn particles(&self, n: usize, mut see: impl FnMut(usize, Known) -> Result<()>) -> Result<()> {
        let mut streams = Streams::new(n, self.seed, Purpose::Particles, self.row);
        let (mut x, mut weights) = self.begin(n, &mut streams)?;
        for k in 0..self.y.nrows() {
            if k > 0 {
                self.dynamics.advance(&mut x, &mut streams);
                weights = self.weights(k, &x)?;
            }
            let next =
                if k > self.until { x.clone() } else { resampled(x.view(), &weights, streams.first()) };
            let surprise = self.surprise(k, &x);
            see(k, Known { belief: &Belief::weighted(x, std::mem::take(&mut weights)), surprise })?;
            x = next;
        }
        Ok(())
    }

    fn flowdas(&self, n: usize, mut see: impl FnMut(usize, Known) -> Result<()>) -> Result<()> {
        let Learned { transition, sampler } = self.learned()?;
        let mut streams = Streams::new(n, self.seed, Purpose::Particles, self.row);
        let (first, weights) = self.begin(n, &mut streams)?;
        let mut x = resampled(first.view(), &weights, streams.first());
        let surprise = self.surprise(0, &first);
        see(0, Known { belief: &Belief::weighted(first, weights), surprise })?;
        for (k, y) in self.y.outer_iter().enumerate().skip(1) {
            let seen = (k <= self.until).then_some((self.observation, y));
            let Next { states, farthest } =
                sampler.next(transition.as_ref(), seen, x.view(), streams.first())?;
            // What comes back from so far has lost half of its digits.
            ensure!(
                farthest < 1e8 && states.iter().all(|x| x.is_finite()),
                "step {k}: the numbers grow without end, as the sampler's steps are too long for so little noise; give more \
                 --steps, or a larger --noise-std"
            );
            let surprise = seen.map(|(observation, y)| observation.misfit(states.view(), y));
            let weights = vec![1.0 / n as f64; n];
            let belief = Belief::Ensemble { states, weights, farthest };
            see(k, Known { belief: &belief, surprise })?;
            let Belief::Ensemble { states, .. } = belief else { bail!("bug: no ensemble") };
            x = states;
        }
        Ok(())
    }

    fn ensemble(
        &self,
        n: usize,
        advance: impl Fn(&mut Array2<f64>, &mut Streams) -> Result<()>,
        mut see: impl FnMut(usize, Known) -> Result<()>,
    ) -> Result<()> {
        let mut streams = Streams::new(n, self.seed, Purpose::Particles, self.row);
        let mut x = self.dynamics.begin(n, &mut streams);
        for (k, y) in self.y.outer_iter().enumerate() {
            if k > 0 {
                advance(&mut x, &mut streams)?;
            }
            let surprise = self.surprise(k, &x);
            if k <= self.until {
                self.correct(&mut x, y, streams.first()).map_err(|e| e.context(format!("step {k}")))?;
            }
            let belief = Belief::ensemble(x);
            see(k, Known { belief: &belief, surprise })?;
            let Belief::Ensemble { states, .. } = belief else { bail!("bug: no ensemble") };
            x = states;
        }
        Ok(())
    }

    /// Kalman's step with the ensemble's own covariances and perturbed observations.
    fn correct(&self, x: &mut Array2<f64>, y: ArrayView1<f64>, rng: &mut ChaCha8Rng) -> Result<()> {
        let (m, n, s) = (self.observation.count(), x.ncols(), self.observation.noise_std);
        let seen = self.observation.apply(x.view());
        let (about_x, about_seen) = (centred(x.view()), centred(seen.view()));
        let share = 1.0 / (n - 1) as f64;
        let mut gain = product(about_x.view(), about_seen.t()) * share;
        let mut covariance = product(about_seen.view(), about_seen.t()) * share;
        covariance.diag_mut().mapv_inplace(|v| v + s * s);
        let pivot = divide_by_symmetric(&mut gain, covariance.view())?;
        ensure!(pivot > 0.0, "the observations' covariance is singular; give a larger --noise-std");
        let mut off = Array2::from_shape_vec((m, n), standard_normals::<f64>(rng, m * n))? * s;
        off += &y.insert_axis(Axis(1));
        off -= &seen;
        *x += &product(gain.view(), off.view());
        Ok(())
    }

    fn kalman(&self, mut see: impl FnMut(usize, Known) -> Result<()>) -> Result<()> {
        let (Some((a, q)), Through::Identity) = (self.dynamics.linear(), self.observation.through) else {
            bail!("the Kalman filter is for systems and observations that are linear");
        };
        let s2 = self.observation.noise_std * self.observation.noise_std;
        let mut mean = self.dynamics.start.clone();
        let mut variance: Vec<f64> = self.dynamics.start_std.iter().map(|s| s * s).collect();
        let advance = |mean: &mut [f64], variance: &mut [f64]| {
            mean.iter_mut().for_each(|m| *m *= a);
            variance.iter_mut().for_each(|v| *v = a * a * *v + q);
        };
        (0..self.dynamics.burn_in).for_each(|_| advance(&mut mean, &mut variance));
        for (k, y) in self.y.outer_iter().enumerate() {
            if k > 0 {
                advance(&mut mean, &mut variance);
            }
            let coordinates = &self.observation.coordinates;
            let law = coordinates.iter().map(|&i| (mean[i], variance[i]));
            let surprise = (k <= self.until).then(|| self.observation.normal_surprise(law, y));
            for (&i, y) in coordinates.iter().zip(y).filter(|_| k <= self.until) {
                let gain = variance[i] / (variance[i] + s2);
                mean[i] += gain * (y - mean[i]);
                variance[i] = gain * s2;
            }
            let belief = Belief::Normal { mean: mean.clone(), variance: variance.clone() };
            see(k, Known { belief: &belief, surprise })?;
        }
        Ok(())
    }
}

/// Weights proportional to e^l, which sum to 1; of likelihoods that are all 0, none.
pub(super) fn softmax(mut logs: Vec<f64>) -> Vec<f64> {
    // Of NaN, max is the other: states beyond all numbers weigh nothing.
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return Vec::new();
    }
    let weigh = |l: &mut f64| *l = if l.is_nan() { 0.0 } else { (*l - top).exp() };
    logs.par_chunks_mut(AT_ONCE).for_each(|part| part.iter_mut().for_each(weigh));
    let sum: f64 = logs.iter().sum();
    logs.iter_mut().for_each(|w| *w /= sum);
    logs
}

/// Columns chosen as often as n equally spaced places, from a random first one, meet their share of [0, 1).
fn resampled(x: ArrayView2<f64>, weights: &[f64], rng: &mut impl Rng) -> Array2<f64> {
    let n = weights.len();
    let first = uniform(rng);
    // Rounding may leave the sum below 1: what weighs nothing is not chosen all the same.
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    let (mut chosen, mut below, mut i) = (Vec::with_capacity(n), weights[0], 0);
    for place in 0..n {
        let at = (place as f64 + first) / n as f64;
        while below <= at && i < last {
            i += 1;
            below += weights[i];
        }
        chosen.push(i);
    }
    let mut out = Array2::zeros(x.raw_dim());
    for (mut out, x) in out.outer_iter_mut().zip(x.outer_iter()) {
        out.iter_mut().zip(&chosen).for_each(|(out, &i)| *out = x[i]);
    }
    out
}

/// Rows less their means.
fn centred(x: ArrayView2<f64>) -> Array2<f64> {
    let share = 1.0 / x.ncols() as f64;
    let mut x = x.to_owned();
    for mut row in x.outer_iter_mut() {
        let mean = row.sum() * share;
        row -= mean;
    }
    x
}
