//! What changes from step to step by a formula: the learning rate, and how far
//! back the average of the parameters reaches.

/// The learning rate: rises linearly over `warmup` steps to `peak`, then falls
/// along a cosine to `floor`·peak at the last step (1: stays).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub peak: f64,
    pub warmup: u64,
    pub floor: f64,
}

impl Rate {
    /// At step `step` (from 1) of `steps`.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let span = steps.saturating_sub(self.warmup).max(1);
        let done = (step - self.warmup) as f64 / span as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

/// The average of the parameters, which the trained denoiser uses: after every
/// step it keeps a share b of itself and takes 1 − b of the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Average {
    /// b = 1 − 1/(share·step): about the last `share` of the steps so far.
    Relative { share: f64 },
    /// b = 2^(−1/steps), less at the beginning so that the start is forgotten.
    HalfLife { steps: f64 },
    /// b = 0: the parameters themselves.
    None,
}

impl Average {
    /// b at step `step` (from 1).
    pub fn kept(self, step: u64) -> f64 {
        let step = step as f64;
        match self {
            Average::Relative { share } => (1.0 - 1.0 / (share * step)).max(0.0),
            Average::HalfLife { steps } => 0.5_f64.powf(1.0 / steps).min(step / (step + 10.0)),
            Average::None => 0.0,
        }
    }
}
