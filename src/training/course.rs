//! Whether training gets anywhere: a mean of what it should keep small, against that of what knows nothing.

use anyhow::{Result, ensure};

use super::Progress;

/// Training whose mean is so many times that of what knows nothing, and of the untrained network, has diverged. A
/// network that learns slowly, or on data that its form does not suit, may begin far above but not rise; one that
/// diverges gains orders of magnitude; batches differ by less than that from each other.
const DIVERGED: f64 = 10.0;

/// Of the less of what knows nothing and of the untrained network, this much says that little has been learned: means of the
/// batches looked at differ by some hundredths.
const LEARNED: f64 = 0.95;

/// The mean over so many shares of the steps is looked at, and over so many steps at least, so that one bad
/// step, from which training comes back, does not end it.
const SHARES: u64 = 50;
const LEAST: u64 = 20;

/// What a course is of, in its messages.
#[derive(Debug, PartialEq)]
pub struct Yardstick {
    /// What is measured.
    pub measured: &'static str,
    /// What has the trivial value.
    pub trivial: &'static str,
    pub untrained: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The loss of a denoiser.
pub static DENOISER: Yardstick = Yardstick {
    measured: "mean loss",
    trivial: "a denoiser that always says 0",
    untrained: "the untrained network",
    remedy: "give a smaller --lr or a longer --warmup",
};

/// The course of a training: means since it was last looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    yardstick: &'static Yardstick,
    /// Of the network as it was drawn.
    untrained: f64,
    /// Sums of what is measured and of the trivial value, and the number of steps.
    sums: [f64; 3],
    /// Both means when it was last looked at.
    last: Option<[f64; 2]>,
}

impl Course {
    /// Of a denoiser with this loss before its first step.
    pub fn new(untrained: f64) -> Course {
        Course::of(&DENOISER, untrained)
    }

    /// Of what has this value before its first step.
    pub fn of(yardstick: &'static Yardstick, untrained: f64) -> Course {
        Course { yardstick, untrained, sums: [0.0; 3], last: None }
    }

    /// Takes in a step out of `steps`.
    ///
    /// # Errors
    /// When training has diverged.
    pub fn add(&mut self, done: &Progress, steps: u64) -> Result<()> {
        self.take(done.step, steps, [done.loss, done.trivial])
    }

    /// Takes in what is measured at a step out of `steps`, and the trivial value.
    ///
    /// # Errors
    /// When training has diverged.
    pub fn take(&mut self, step: u64, steps: u64, values: [f64; 2]) -> Result<()> {
        let [value, trivial, count] = &mut self.sums;
        *value += values[0];
        *trivial += values[1];
        *count += 1.0;
        if !step.is_multiple_of((steps / SHARES).max(LEAST)) && step != steps {
            return Ok(());
        }
        let (value, trivial, count) = (*value / *count, *trivial / *count, *count);
        (self.sums, self.last) = ([0.0; 3], Some([value, trivial]));
        let Yardstick { measured, trivial: what, untrained, remedy } = self.yardstick;
        ensure!(
            value <= DIVERGED * trivial.max(self.untrained),
            "step {step}: training has diverged ({measured} {value:.3e} of the last {count} steps, where {what} has \
             {trivial:.3e} and {untrained} {:.3e}); {remedy}",
            self.untrained
        );
        Ok(())
    }

    /// The last mean and the trivial one.
    pub fn last(&self) -> Option<[f64; 2]> {
        self.last
    }

    /// The last mean, the trivial one and that of the untrained network, where it is hardly below the less of these.
    pub fn learned_nothing(&self) -> Option<[f64; 3]> {
        let [value, trivial] = self.last?;
        (value > LEARNED * trivial.min(self.untrained)).then_some([value, trivial, self.untrained])
    }

    /// All of a denoiser's, for checkpoints.
    pub fn to_numbers(&self) -> [f64; 4] {
        let [loss, trivial, count] = self.sums;
        [self.untrained, loss, trivial, count]
    }

    pub fn from_numbers([untrained, loss, trivial, count]: [f64; 4]) -> Course {
        Course { sums: [loss, trivial, count], ..Course::new(untrained) }
    }
}
