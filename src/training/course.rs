//! Whether training gets anywhere: its loss against that of a denoiser that knows nothing.

use anyhow::{Result, ensure};

use super::Progress;

/// Training whose loss is so many times that of D = 0, and of the untrained network, has diverged. A network that learns
/// slowly, or on data that its form does not suit, may begin far above D = 0 but not rise; one that diverges
/// gains orders of magnitude; batches differ by less than that from each other.
const DIVERGED: f64 = 10.0;

/// The mean over so many shares of the steps is looked at, and over so many steps at least, so that one bad
/// step, from which training comes back, does not end it.
const SHARES: u64 = 50;
const LEAST: u64 = 20;

/// The course of a training: means since it was last looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Loss of the network as it was drawn.
    untrained: f64,
    /// Sums of the loss and of that of D = 0, and the number of steps.
    sums: [f64; 3],
    /// Mean loss and that of D = 0 when it was last looked at.
    last: Option<[f64; 2]>,
}

impl Course {
    /// Of a network with this loss before its first step.
    pub fn new(untrained: f64) -> Course {
        Course { untrained, sums: [0.0; 3], last: None }
    }

    /// Takes in a step out of `steps`.
    ///
    /// # Errors
    /// When training has diverged.
    pub fn add(&mut self, done: &Progress, steps: u64) -> Result<()> {
        let [loss, trivial, count] = &mut self.sums;
        *loss += done.loss;
        *trivial += done.trivial;
        *count += 1.0;
        if !done.step.is_multiple_of((steps / SHARES).max(LEAST)) && done.step != steps {
            return Ok(());
        }
        let (loss, trivial, count) = (*loss / *count, *trivial / *count, *count);
        (self.sums, self.last) = ([0.0; 3], Some([loss, trivial]));
        ensure!(
            loss <= DIVERGED * trivial.max(self.untrained),
            "step {}: training has diverged (mean loss {loss:.3e} of the last {count} steps, where a denoiser that \
             always says 0 has {trivial:.3e} and the untrained network {:.3e}); give a smaller --lr or a longer --warmup",
            done.step,
            self.untrained
        );
        Ok(())
    }

    /// The last mean loss, that of D = 0 and that of the untrained network, where it is above both.
    pub fn has_risen(&self) -> Option<[f64; 3]> {
        let [loss, trivial] = self.last?;
        (loss > trivial.max(self.untrained)).then_some([loss, trivial, self.untrained])
    }

    /// All of it, for checkpoints.
    pub fn to_numbers(&self) -> [f64; 4] {
        let [loss, trivial, count] = self.sums;
        [self.untrained, loss, trivial, count]
    }

    pub fn from_numbers([untrained, loss, trivial, count]: [f64; 4]) -> Course {
        Course { untrained, sums: [loss, trivial, count], last: None }
    }
}
