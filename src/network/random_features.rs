//! Random cosines (Rahimi and Recht 2007), what a linear map of them is fitted to, and the data that they are about. The
//! denoiser that they make, and its fit, have files of the same name.

use clap::ValueEnum;
use ndarray::{Array1, Array2};

/// What the features are fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The data without noise, less their mean
    #[default]
    Data,
    /// The noise ε of deviation 1
    Noise,
}

/// The features, as they are drawn; the mean and the deviation that they are about.
#[derive(Clone, Debug)]
pub struct Features {
    /// ω, (p, d).
    pub frequencies: Array2<f64>,
    /// b, (p).
    pub phases: Array1<f64>,
    /// m, (d).
    pub mean: Array1<f64>,
    /// σ_d.
    pub sigma_data: f64,
}

impl Features {
    /// c of a level.
    pub fn scale(&self, sigma: f64) -> f64 {
        1.0 / sigma.hypot(self.sigma_data)
    }
}
