//! What measurements and estimates show of a model, a noise or a method that do not fit.

use std::sync::Mutex;

use ndarray::ArrayView2;

use super::method::Method;
use crate::cli::{Job, OperatorArgs};
use crate::inverse::{Given, Operator};

/// Of what a method has restored: how far A x is from y. Where model, noise and method are right, x is a draw of the
/// posterior, and y − A x as large as the noise, s in every number.
pub struct Misfit {
    squares: f64,
    numbers: f64,
    rows: f64,
    /// Of y.
    measured: f64,
}

/// Of measurements without noise, residuals of more than this share of these are told.
const ASTRAY: f64 = 0.5;
/// Residuals of more, or less, times s than these are told.
const FAR: f64 = 1.5;
const NEAR: f64 = 0.5;

impl Misfit {
    pub fn new() -> Misfit {
        Misfit { squares: 0.0, numbers: 0.0, rows: 0.0, measured: 0.0 }
    }

    /// That of rows x and their measurements.
    pub fn of(operator: &Operator, x: ArrayView2<f64>, y: ArrayView2<f64>) -> Misfit {
        let residual = &y - &operator.apply(x);
        let squares = residual.iter().map(|v| v * v).sum();
        let measured = y.iter().map(|v| v * v).sum();
        Misfit { squares, numbers: y.len() as f64, rows: y.nrows() as f64, measured }
    }

    pub fn add(&mut self, other: &Misfit) {
        self.squares += other.squares;
        self.numbers += other.numbers;
        self.rows += other.rows;
        self.measured += other.measured;
    }

    /// Says where it is not of the size of the noise.
    pub fn tell(&self, job: &Job, method: Method, noise_std: f64) {
        if self.rows == 0.0 {
            return;
        }
        let way = match method {
            Method::Dps => "more --steps, or another --step-size",
            Method::Pigdm => "--data-std as the deviation of the data's numbers, or more --steps",
            Method::Ddnm => "more --steps, a --sigma-min below the noise, or another --method",
            _ => "more --rounds, or another --method",
        };
        let astray = "the method has gone astray, or the measurements are not of this model";
        let per_row = self.numbers / self.rows;
        let [off, measured] = [self.squares, self.measured].map(|sum| (sum / self.numbers).sqrt());
        if noise_std == 0.0 {
            if measured > 0.0 && off > ASTRAY * measured {
                job.doubted();
                job.warn(&format!(
                    "estimates are ‖y − A x‖ = {:.3e} from their measurements, which have no noise, {:.2e} of ‖y‖ itself: {astray}; \
                     give {way}, or the --operator that they were made with",
                    off * per_row.sqrt(),
                    off / measured
                ));
            }
            return;
        }
        let found = format!(
            "estimates are ‖y − A x‖ = {:.3e} from their measurements, {:.3} times the s√m = {:.3e} of --noise-std",
            off * per_row.sqrt(),
            off / noise_std,
            noise_std * per_row.sqrt()
        );
        // Of few numbers chance moves it by 1/√(2n).
        let spread = 1.0 / self.numbers.sqrt();
        if off > FAR * noise_std * (1.0 + spread) {
            job.doubted();
            job.warn(&format!(
                "{found}: {astray}, scale or noise; give {way}, or the --operator and --noise-std that they were made with"
            ));
        } else if off < NEAR * noise_std * (1.0 - spread) && method == Method::Dcdp {
            job.doubted();
            job.warn(&format!(
                "{found}: their noise is fitted, too, which descent does where A sees little; give fewer --inner or --rounds, a \
                 smaller --lr, or another --method"
            ));
        }
    }
}

/// Of exact: how likely measurements are under the mixture and the noise.
#[derive(Default)]
pub struct Surprise(Mutex<(f64, f64)>);

/// Rows that it is told of.
const SOME: usize = 256;

impl Surprise {
    /// Takes in the first rows of a block.
    pub fn see(&self, given: &Given, block: u64) {
        if block > 0 {
            return;
        }
        let all = given.surprise();
        let some = all.slice(ndarray::s![..all.len().min(SOME)]);
        if let Ok(mut seen) = self.0.lock() {
            *seen = (some.sum(), some.len() as f64);
        }
    }

    /// Says where they are not as likely as what the mixture makes; m numbers a measurement.
    pub fn tell(&self, job: &Job, measured: &OperatorArgs, m: usize) {
        let Ok(seen) = self.0.lock() else { return };
        measured.tell_surprise(job, seen.0, seen.1, m);
    }
}
