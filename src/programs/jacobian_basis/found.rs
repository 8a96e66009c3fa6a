//! What was found at all points together, where it should not be relied upon.

use crate::cli::Job;
use crate::measure::jacobian_basis::Basis;

use super::Arguments;

/// What a projection may leave of a direction before a warning says so.
const LITTLE: f64 = 0.1;

/// What is to be said of all points together.
#[derive(Default)]
pub struct Found {
    points: u64,
    /// Points where iteration fell short, and the largest angle of them.
    turning: (u64, f64),
    /// Points with a direction that J takes to 0, and the first of them.
    nothing: Option<(u64, u64)>,
    /// The smallest share of a direction that a projection left, and where.
    kept: Option<(f64, u64)>,
    /// The smallest and largest ‖J − Jᵀ‖/‖J‖.
    asymmetry: Option<(f64, f64)>,
}

impl Found {
    pub fn add(&mut self, row: u64, basis: &Basis) {
        self.points += 1;
        if basis.turning > 0.0 {
            self.turning = (self.turning.0 + 1, self.turning.1.max(basis.turning));
        }
        if basis.nothing {
            let (count, first) = self.nothing.unwrap_or((0, row));
            self.nothing = Some((count + 1, first));
        }
        if self.kept.is_none_or(|(kept, _)| basis.kept < kept) {
            self.kept = Some((basis.kept, row));
        }
        if let Some(asymmetry) = basis.asymmetry {
            let (low, high) = self.asymmetry.unwrap_or((asymmetry, asymmetry));
            self.asymmetry = Some((low.min(asymmetry), high.max(asymmetry)));
        }
    }

    pub fn report(&self, job: &Job, arguments: &Arguments) {
        let Arguments { top, null_rank, iterations, .. } = arguments;
        if let (true, Some((low, high))) = (job.shared.verbose, self.asymmetry) {
            job.note(&format!(
                "‖J − Jᵀ‖/‖J‖ from {low:.3} to {high:.3}, 0 for the Jacobian of a posterior mean"
            ));
        }
        if let (count @ 1.., angle) = self.turning {
            job.warn(&format!(
                "at {count} of {} points a direction still turned by {angle:.1e} radians in round {iterations}: near \
                 it are others of nearly its singular value; raise --iterations, or --top to take them all",
                self.points
            ));
        }
        if let Some((count, first)) = self.nothing {
            job.warn(&format!(
                "at {count} of {} points, row {first} the first, the Jacobian takes some of the {top} directions to 0, \
                 up to rounding: they are any of its null space; give a smaller --top",
                self.points
            ));
        }
        if let Some((kept, row)) = self.kept.filter(|&(kept, _)| kept < LITTLE) {
            job.warn(&format!(
                "of a direction at row {row} the projection left {:.2} %: it hardly changes the inside of the mask \
                 without the outside; give a smaller --null-rank than {null_rank}",
                100.0 * kept
            ));
        }
    }
}
