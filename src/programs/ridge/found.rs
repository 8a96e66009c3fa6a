//! Where a ridge should not be relied upon.

use crate::cli::Job;
use crate::measure::numerical_rank::HANGS;
use crate::measure::ridge::{Frame, Projected};

/// ‖J − Jᵀ‖/‖J‖ above which a warning says that it is no density's.
const ASYMMETRIC: f64 = 0.05;

/// What is to be said of all points together.
#[derive(Default)]
pub struct Found {
    points: u64,
    /// Points that did not get there: how many, the first, and the longest step that was left.
    short: Option<(u64, u64, f64)>,
    /// Points about which the density does not fall on all sides: how many, the first, and the largest curvature.
    no_ridge: Option<(u64, u64, f64)>,
    /// Points where directions along and across have nearly the same curvature: how many, the first, and the
    /// largest ratio.
    mixed: Option<(u64, u64, f64)>,
    /// The largest ‖J − Jᵀ‖/‖J‖.
    asymmetry: f64,
}

/// One more point, by what is worst of it.
fn count(of: &mut Option<(u64, u64, f64)>, row: u64, worst: f64) {
    let (count, first, so_far) = of.unwrap_or((0, row, worst));
    *of = Some((count + 1, first, so_far.max(worst)));
}

impl Found {
    pub fn add(&mut self, row: u64, frame: &Frame) {
        self.points += 1;
        if frame.curvature >= 0.0 {
            count(&mut self.no_ridge, row, frame.curvature);
        }
        if let Some(gap) = frame.gap.filter(|gap| *gap > HANGS) {
            count(&mut self.mixed, row, gap);
        }
        self.asymmetry = self.asymmetry.max(frame.asymmetry);
    }

    pub fn add_projected<T>(&mut self, row: u64, projected: &Projected<T>) {
        self.add(row, &projected.frame);
        if !projected.converged {
            count(&mut self.short, row, projected.step);
        }
    }

    pub fn warn(&self, job: &Job, dim: u32) {
        let points = self.points;
        if let Some((count, first, step)) = self.short {
            job.warn(&format!(
                "{count} of {points} points, row {first} the first, did not come to the ridge: their next step is up to \
                 {step:.1e} long; raise --steps or --tolerance, or give a larger --sigma"
            ));
        }
        if let Some((count, first, curvature)) = self.no_ridge {
            job.warn(&format!(
                "at {count} of {points} points, row {first} the first, the density does not fall in all directions across \
                 (curvature up to {curvature:.3}), so that they are on no ridge of dimension {dim}; give a larger --dim or --sigma"
            ));
        }
        if let Some((count, first, gap)) = self.mixed {
            job.warn(&format!(
                "at {count} of {points} points, row {first} the first, directions along and across are alike (λ_(q+1) is up \
                 to {gap:.3} of λ_q): which {dim} are the ridge's is chance; give another --dim"
            ));
        }
        if self.asymmetry > ASYMMETRIC {
            job.warn(&format!(
                "‖J − Jᵀ‖/‖J‖ is up to {:.3}, and 0 for a posterior mean: the model's score is no density's, and the ridge \
                 is that of the symmetric part",
                self.asymmetry
            ));
        }
    }
}
