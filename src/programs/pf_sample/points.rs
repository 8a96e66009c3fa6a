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
/// Numbers from which on chance has no part: the mean square of so many normal ones is beyond ¼ to 4 in one case of a million.
const ENOUGH: usize = 32;
/// So many times larger than noise and data is told.
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
        let (rms, Some(extent)) = (square.sqrt(), extent) else { return };
        let found = format!("--from {sigma}: the first points have a root mean square of {rms:.4}");
        if extent.clean_below(sigma).is_some_and(|clean| rms < clean) {
            job.warn(&format!(
                "{found}, as the model's data themselves, whose deviation is {:.4}: they look like data without noise; give points \
                 of --until {sigma}, encoded ones, or add such noise to data (npy noise, npy let)",
                extent.deviation
            ));
        } else if let Some(most) = extent.noisy_up_to(sigma).filter(|most| rms > FAR * most) {
            job.warn(&format!(
                "{found}, where the model's data with noise of that level have {most:.4} at most: they are at a higher level, or \
                 on another scale; give points of --until {sigma}, or another --from"
            ));
        }
    }
}
