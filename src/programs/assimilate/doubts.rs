//! What observations show of a system, a noise and a truth that are not theirs.

use super::followed::{Followed, Step};
use crate::dynamics::Filter;
use crate::measure::interval::gamma_quantile;

/// Squares over what they should be, each 1 on average, of the steps of all paths.
#[derive(Clone, Copy, Debug, Default)]
struct Squares {
    sum: f64,
    n: u64,
}

/// Squares so many times as large as they should be, deviations of half as many, are told: filters that are approximate stay
/// within, as members do that are a few.
const FAR: f64 = 4.0;

impl Squares {
    fn add(&mut self, square: Option<f64>) {
        // Of states that are no numbers nothing is known.
        if let Some(square) = square.filter(|square| !square.is_nan()) {
            self.sum += square;
            self.n += 1;
        }
    }

    fn mean(self) -> f64 {
        self.sum / self.n as f64
    }

    /// What the mean square of so many normal numbers leaves in one case of a million, to that side.
    fn by_chance(self, deviations: f64) -> f64 {
        gamma_quantile(1.0, 2.0 / self.n as f64, deviations)
    }

    fn is_above(self) -> bool {
        self.n > 0 && self.mean() > FAR.max(self.by_chance(4.75))
    }

    fn is_below(self) -> bool {
        self.n > 0 && self.mean() < FAR.recip().min(self.by_chance(-4.75))
    }
}

/// Of all paths.
#[derive(Default)]
pub struct Doubts {
    /// Of observations and what was foreseen of them; those of first states, of which a filter knows least, by themselves.
    first: Squares,
    later: Squares,
    /// Of observations and the truth.
    truth: Squares,
}

impl Doubts {
    pub fn add(&mut self, steps: &[Step]) {
        for (k, step) in steps.iter().enumerate() {
            let squares = if k == 0 { &mut self.first } else { &mut self.later };
            squares.add(step.surprise);
            self.truth.add(step.misfit);
        }
    }

    /// What to say, of the first that does not fit.
    pub fn tell(&self, followed: &Followed) -> Option<String> {
        let seen = if self.later.n > 0 { self.later } else { self.first };
        let noise = format!("--noise-std {}", followed.observation.noise_std);
        let what = match followed.filter {
            Filter::Flowdas => "(y − h(x))²/s² of the members",
            _ => "(y − ȳ)²/(v + s²), ȳ ± √v what the filter foresees of y,",
        };
        let found = |squares: Squares, what: &str| {
            format!("{what} is {:.3e} on average of {} steps, where 1 is due", squares.mean(), squares.n)
        };
        if seen.is_above() {
            return Some(format!(
                "the filter does not foresee the observations: {}: they are of another system or unit, or {noise} is not theirs, or it \
                 has lost them; give what sde --observations wrote with the same flags, or more --particles, or another --method",
                found(seen, what)
            ));
        }
        if seen.is_below() {
            return Some(format!(
                "observations are nearer than their noise lets them be: {}: {noise} or --diffusion is too large for them, or they are \
                 in another unit; give what sde --observations wrote with the same flags",
                found(seen, what)
            ));
        }
        let truth = followed.truth.as_ref().filter(|_| self.truth.is_above() || self.truth.is_below())?;
        Some(format!(
            "{}: observations are not of these paths: {}: they are other paths, or {noise} is not that of the observations; give the \
             paths that were seen, in their order",
            truth.name,
            found(self.truth, "(y − h(x))²/s² of the truth")
        ))
    }
}
