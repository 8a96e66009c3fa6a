//! Whether points of --from are at the noise level that they are taken to be at.

use std::sync::Mutex;

use ndarray::{ArrayView2, s};

use crate::cli::Job;
use crate::denoiser::model::Extent;
use crate::scalar::Scalar;

/// The mean square of the first points, and of how many numbers it is.
#[derive(Default)]
pub struct Points(Mutex<(f64, usize)>);

/// Rows that it is told of.
const SOME: usize = 256;
/// Numbers from which on chance has no part: the mean square of so many normal ones is below ¼ in one case of a million.
const ENOUGH: usize = 32;
/// So many times smaller than noise, or larger than noise and data, is told.
const FAR: f64 = 2.0;

impl Points {
    /// Takes in the first rows of the first block.
    pub fn see<T: Scalar>(&self, x: ArrayView2<T>) {
        if let Ok(mut seen) = self.0.lock() {
            let some = x.slice(s![..x.nrows().min(SOME), ..]);
            *seen = (some.iter().map(|v| v.wide() * v.wide()).sum::<f64>() / some.len() as f64, some.len());
        }
    }

    /// Says where they have less than the noise of this level, or more than it and the model's data.
    pub fn tell(&self, job: &Job, sigma: f64, extent: Option<Extent>) {
        let Ok(seen) = self.0.lock() else { return };
        let (square, count) = *seen;
        if count < ENOUGH {
            return;
        }
        let rms = square.sqrt();
        // A deviation along the widest direction is more than that of all.
        let most = extent.and_then(|of| {
            Some((of.mean?.powi(2) + of.deviation * of.deviation + sigma * sigma).sqrt())
        });
        let found = format!("--from {sigma}: the first points have a root mean square of {rms:.4}");
        if FAR * rms < sigma {
            job.warn(&format!(
                "{found}, where noise of that level alone has {sigma}: they are clean data, or at a lower level; give points of \
                 --until {sigma}, or add such noise to data (npy noise, npy let)"
            ));
        } else if let Some(most) = most.filter(|most| rms > FAR * most) {
            job.warn(&format!(
                "{found}, where the model's data with noise of that level have {most:.4} at most: they are at a higher level, or \
                 on another scale; give points of --until {sigma}, or another --from"
            ));
        }
    }
}
