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

/// What the mean of squares may be, within it and its inverse, and within chance.
#[derive(Clone, Copy)]
struct Bounds {
    most: f64,
    /// Independent squares in one of ours.
    independent: usize,
}

impl Bounds {
    /// Filters that are approximate stay within, as members do that are a few. Numbers of a step may not be independent.
    const APPROXIMATE: Bounds = Bounds { most: 4.0, independent: 1 };

    /// Of m numbers a step, each normal and of variance 1: beyond chance, what would be an eighth off in deviations.
    fn exact(m: usize) -> Bounds {
        Bounds { most: 1.25, independent: m }
    }
}

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
    fn by_chance(self, bounds: Bounds, deviations: f64) -> f64 {
        gamma_quantile(1.0, 2.0 / (self.n as f64 * bounds.independent as f64), deviations)
    }

    fn is_above(self, bounds: Bounds) -> bool {
        self.n > 0 && self.mean() > bounds.most.max(self.by_chance(bounds, 4.75))
    }

    fn is_below(self, bounds: Bounds) -> bool {
        self.n > 0 && self.mean() < bounds.most.recip().min(self.by_chance(bounds, -4.75))
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
        let exact = Bounds::exact(followed.observation.count());
        let foreseen = if followed.filter == Filter::Kalman { exact } else { Bounds::APPROXIMATE };
        let (lost, others) = match followed.filter {
            Filter::Kalman => ("", ""),
            _ => (", or it has lost them", ", or more --particles, or another --method"),
        };
        if seen.is_above(foreseen) {
            return Some(format!(
                "the filter does not foresee the observations: {}: they are of another system or unit, or {noise} is not \
                 theirs{lost}; give what sde --observations wrote with the same flags{others}",
                found(seen, what)
            ));
        }
        if seen.is_below(foreseen) {
            return Some(format!(
                "observations are nearer than their noise lets them be: {}: {noise} or --diffusion is too large for them, or they are \
                 in another unit; give what sde --observations wrote with the same flags",
                found(seen, what)
            ));
        }
        // Of the truth itself it is known what the noise makes of it, whatever the filter.
        let truth =
            followed.truth.as_ref().filter(|_| self.truth.is_above(exact) || self.truth.is_below(exact))?;
        Some(format!(
            "{}: observations are not of these paths: {}: they are other paths, or {noise} is not that of the observations; give the \
             paths that were seen, in their order",
            truth.name,
            found(self.truth, "(y − h(x))²/s² of the truth")
        ))
    }
}
