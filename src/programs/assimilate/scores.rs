//! What is told of all paths together, at each step.

use anyhow::Result;

use super::followed::Step;
use crate::measure::interval::Mean;
use crate::stream::Table;

/// So few equal weights are no law of a state.
const FEW: f64 = 10.0;

/// States that go so many times further than they do of themselves have been driven there: of normal noise none is that far.
const FAR: f64 = 10.0;

/// Means over paths at one step.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    squared_error: Mean,
    variance: Mean,
    crps: Mean,
    wasserstein: Mean,
    effective: Mean,
}

/// Means over paths at every step.
pub struct Scores {
    steps: Vec<Score>,
    /// States whose weights say as much as [`FEW`] equal ones or fewer, and the least: number, row, step.
    collapsed: u64,
    least: (f64, u64, usize),
    /// States whose members went further than [`FAR`] on the way, and the farthest: times, row, step.
    astray: u64,
    farthest: (f64, u64, usize),
}

impl Scores {
    pub const COLUMNS: [&str; 5] = ["step", "score", "value", "std_error", "n"];

    pub fn new(times: usize) -> Scores {
        Scores {
            steps: vec![Score::default(); times],
            collapsed: 0,
            least: (f64::INFINITY, 0, 0),
            astray: 0,
            farthest: (0.0, 0, 0),
        }
    }

    pub fn add(&mut self, row: u64, steps: &[Step]) {
        for (k, (score, step)) in self.steps.iter_mut().zip(steps).enumerate() {
            let squares: f64 = step.deviation.iter().map(|s| s * s).sum();
            score.variance.add(squares / step.deviation.len() as f64);
            step.squared_error.into_iter().for_each(|x| score.squared_error.add(x));
            if let Some(distance) = step.distance {
                score.crps.add(distance.crps);
                score.wasserstein.add(distance.wasserstein);
            }
            if let Some(effective) = step.effective {
                score.effective.add(effective);
                self.collapsed += u64::from(effective < FEW);
                self.least = if effective < self.least.0 { (effective, row, k) } else { self.least };
            }
            self.astray += u64::from(step.farthest > FAR);
            if step.farthest > self.farthest.0 {
                self.farthest = (step.farthest, row, k);
            }
        }
    }

    /// How many paths there were.
    pub fn paths(&self) -> u64 {
        self.steps.first().map_or(0, |score| score.variance.n)
    }

    fn states(&self) -> u64 {
        self.paths() * self.steps.len() as u64
    }

    /// What to say where weights have come down to a few particles.
    pub fn collapse(&self) -> Option<String> {
        let ((least, row, step), all) = (self.least, self.states());
        (self.collapsed > 0).then(|| {
            format!(
                "{} of {all} states rest on fewer than {FEW} particles (1/Σw²; the fewest {least:.1}, of row {row} at step \
                 {step}), and their means and deviations on chance; give more --particles",
                self.collapsed
            )
        })
    }

    /// What to say where members of flowdas ran away on their way, and came back.
    pub fn overshoot(&self) -> Option<String> {
        let ((farthest, row, step), all) = (self.farthest, self.states());
        (self.astray > 0).then(|| {
            format!(
                "{} of {all} states were reached by members that went over {FAR} times as far on the way as the model's states \
                 do (the farthest {farthest:.2e} times, of row {row} at step {step}): steps of the guidance are too long for this \
                 noise, and what is told of these states may be far off; give more --steps, a larger --noise-std, or a smaller \
                 --step-size",
                self.astray
            )
        })
    }

    /// A row for each step and score.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, mut table: Table) -> Result<()> {
        for (k, score) in self.steps.iter().enumerate() {
            let roots = [("rmse", score.squared_error), ("spread", score.variance)].map(|(name, mean)| {
                let root = mean.mean.sqrt();
                // Of a root, to first order.
                (
                    name,
                    mean.value().map(|_| root),
                    mean.error().map(|e| if root > 0.0 { e / (2.0 * root) } else { 0.0 }),
                    mean.n,
                )
            });
            let means =
                [("crps", score.crps), ("wasserstein", score.wasserstein), ("effective", score.effective)];
            let means = means.map(|(name, mean)| (name, mean.value(), mean.error(), mean.n));
            for (name, value, error, n) in roots.into_iter().chain(means).filter(|(.., n)| *n > 0) {
                table.row(&[k.into(), name.into(), value.into(), error.into(), n.into()])?;
            }
        }
        table.finish()
    }
}
