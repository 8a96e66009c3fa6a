//! Optimizers: one step of every parameter, given its gradient.
//!
//! With g the gradient, to which `decay`·p is added first (but for AdamW), and k
//! the number of the step from 1:
//!
//! * Adam (arXiv 1412.6980): m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
//!   p ← p − lr m̂/(√v̂ + ε), m̂ = m/(1−β₁ᵏ), v̂ = v/(1−β₂ᵏ);
//! * AdamW (arXiv 1711.05101): p ← p − lr·decay·p first, then Adam's step;
//! * SGD: m ← μm + g, p ← p − lr m;
//! * RMSprop: v ← αv + (1−α)g², p ← p − lr g/(√v + ε).

use clap::ValueEnum;

use crate::scalar::{Scalar, vectorized};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Optimizer {
    Adam,
    Adamw,
    Sgd,
    Rmsprop,
}

/// What one step needs besides the parameters.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// k, from 1.
    pub number: u64,
    pub rate: f64,
    pub decay: f64,
    /// β₁ of Adam and AdamW, μ of SGD.
    pub momentum: f64,
}

const BETA_2: f64 = 0.999;
const ALPHA: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// Running means below this are set to 0: where a gradient has vanished they
/// would sink into denormal numbers, with which everything is slow.
const VANISHED: f64 = 1e-30;

impl Optimizer {
    /// Whether it keeps m, and whether it keeps v.
    pub fn keeps(self) -> (bool, bool) {
        match self {
            Optimizer::Adam | Optimizer::Adamw => (true, true),
            Optimizer::Sgd => (true, false),
            Optimizer::Rmsprop => (false, true),
        }
    }

    /// One step of some parameters, with their gradient and their parts of m and
    /// v (empty where they are not kept).
    pub fn update<T: Scalar>(self, step: Step, p: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T]) {
        let (rate, decay) = (T::of(step.rate), T::of(step.decay));
        let flush = |x: T| if x.abs() < T::of(VANISHED) { T::zero() } else { x };
        let epsilon = T::of(EPSILON);
        match self {
            Optimizer::Adam | Optimizer::Adamw => {
                let k = step.number as f64;
                // √v̂ = √v/√(1−β₂ᵏ), so both corrections are one factor each.
                let rate_of_m = T::of(step.rate / (1.0 - step.momentum.powf(k)));
                let scale_of_v = T::of(1.0 / (1.0 - BETA_2.powf(k)).sqrt());
                let (b1, b2) = (T::of(step.momentum), T::of(BETA_2));
                let (c1, c2) = (T::of(1.0 - step.momentum), T::of(1.0 - BETA_2));
                let coupled = self == Optimizer::Adam;
                let into_gradient = if coupled { decay } else { T::zero() };
                let shrink = if coupled { T::one() } else { T::of(1.0 - step.rate * step.decay) };
                vectorized(|| {
                    for (((p, &g), m), v) in p.iter_mut().zip(gradient).zip(m).zip(v) {
                        let g = g + into_gradient * *p;
                        *m = flush(b1 * *m + c1 * g);
                        *v = flush(b2 * *v + c2 * g * g);
                        *p = shrink * *p - rate_of_m * *m / (v.sqrt() * scale_of_v + epsilon);
                    }
                });
            }
            Optimizer::Sgd => {
                let momentum = T::of(step.momentum);
                vectorized(|| {
                    for ((p, &g), m) in p.iter_mut().zip(gradient).zip(m) {
                        *m = flush(momentum * *m + g + decay * *p);
                        *p -= rate * *m;
                    }
                });
            }
            Optimizer::Rmsprop => {
                let (a, c) = (T::of(ALPHA), T::of(1.0 - ALPHA));
                vectorized(|| {
                    for ((p, &g), v) in p.iter_mut().zip(gradient).zip(v) {
                        let g = g + decay * *p;
                        *v = flush(a * *v + c * g * g);
                        *p -= rate * g / (v.sqrt() + epsilon);
                    }
                });
            }
        }
    }
}
