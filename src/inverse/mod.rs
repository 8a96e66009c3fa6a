//! Inverse problems: what is known of an item x from measurements y = A x + s·ε, with a model as the prior.
//!
//! * [`operator`]: linear operators A, their adjoints and functions of A Aᵀ;
//! * [`posterior`]: the exact posterior of a mixture, which every method is measured against.

pub mod operator;
pub mod posterior;

pub use operator::{Image, Operator};
pub use posterior::Posterior;

use ndarray::ArrayViewMut2;

use crate::random::{Purpose, row_rng, standard_normals};

/// y ← y + s·ε, row 0 of y having the number `first`: the noise of a measurement belongs to the seed and its row.
pub fn add_noise(mut y: ArrayViewMut2<f64>, noise_std: f64, seed: u64, first: u64) {
    for (mut row, number) in y.outer_iter_mut().zip(first..) {
        let noise = standard_normals::<f64>(&mut row_rng(seed, Purpose::Measurement, number), row.len());
        row.iter_mut().zip(noise).for_each(|(y, e)| *y += noise_std * e);
    }
}
