//! How much of an image a network looks at: of a local machine, the size of patches at which it agrees best with the
//! network, a noise level (Kamb and Ganguli, arXiv 2412.20292, calibration).

use std::ops::Range;

use anyhow::Result;
use ndarray::Array2;

use super::reproducibility::cosine;
use crate::denoiser::Denoiser;
use crate::flow::Plan;
use crate::scalar::Scalar;

/// What a network makes of points along its own flow, with which machines are compared.
pub struct Along<T> {
    /// σ, x and D(x; σ), the rows (latents, d), a level each.
    levels: Vec<(f64, Array2<T>, Array2<T>)>,
    first: u64,
}

impl<T: Scalar> Along<T> {
    /// At the given levels, which the plan has ([`Plan::with_levels`]), from latents `rows` of `seed`.
    ///
    /// # Errors
    /// Of the network.
    pub fn new(
        network: &dyn Denoiser<T>,
        plan: &Plan,
        levels: &[f64],
        rows: Range<u64>,
        seed: u64,
    ) -> Result<Along<T>> {
        let first = rows.start;
        let levels = plan.at_levels(network, seed, rows, levels, |x, sigma| {
            Ok((sigma, x.to_owned(), network.denoise_rows(x, first, sigma)?))
        })?;
        Ok(Along { levels, first })
    }

    /// A level each: the median over the points of the cosine of the machine's D with the network's.
    ///
    /// # Errors
    /// Of the machine.
    pub fn agreement(&self, machine: &dyn Denoiser<T>) -> Result<Vec<f64>> {
        let of_level = |(sigma, x, d): &(f64, Array2<T>, Array2<T>)| {
            let own = machine.denoise_rows(x.view(), self.first, *sigma)?;
            let mut cosines: Vec<f64> =
                own.outer_iter().zip(d.outer_iter()).map(|(a, b)| cosine(a, b)).collect();
            cosines.sort_by(f64::total_cmp);
            let half = cosines.len() / 2;
            Ok(if cosines.len() % 2 == 1 { cosines[half] } else { (cosines[half - 1] + cosines[half]) / 2.0 })
        };
        self.levels.iter().map(of_level).collect()
    }
}
