//! Intervals that the values of pixels are said to fill.

use crate::stream::Rows;

/// From lo to hi; a flag may turn it round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub lo: f64,
    pub hi: f64,
}

/// LO,HI as flags take it.
pub fn interval(text: &str) -> Result<Interval, String> {
    let ends = super::lists::parse_list(text)?;
    match ends.0[..] {
        [lo, hi] if lo != hi && (hi - lo).is_finite() => Ok(Interval { lo, hi }),
        _ => Err("write two different finite numbers, like 0,255".into()),
    }
}

impl Interval {
    /// Black and white of rows, where no flag says them.
    pub fn usual(rows: &Rows) -> Interval {
        let (lo, hi) = if rows.are_whole() { (0.0, 255.0) } else { (-1.0, 1.0) };
        Interval { lo, hi }
    }

    /// Why values from `least` to `most` are hardly of this interval, which is the [usual](Interval::usual) one, or about it: there
    /// are others. Bytes up to 16 fill hardly any of 0 … 255, and images from −1 to 1 have some black in them.
    pub fn unfilled(self, least: f64, most: f64) -> Option<String> {
        let (lo, hi) = (self.lo.min(self.hi), self.lo.max(self.hi));
        let part = if most - least < (hi - lo) / 8.0 {
            "less than an eighth"
        } else if lo < 0.0 && least >= 0.0 && most <= hi {
            "the upper half alone"
        } else {
            return None;
        };
        // What does not vary fills none.
        (most > least)
            .then(|| format!("the values, {least:.4} to {most:.4}, fill {part} of {},{}", self.lo, self.hi))
    }

    /// Its ends become those of `to`: in this order of operations exactly. Onto itself nothing moves.
    pub fn map(self, x: f64, to: Interval) -> f64 {
        if self == to { x } else { to.lo + (x - self.lo) * (to.hi - to.lo) / (self.hi - self.lo) }
    }
}

/// What an interval holds of values seen.
pub struct Within {
    lo: f64,
    hi: f64,
    count: u64,
    beyond: u64,
}

impl Default for Within {
    fn default() -> Within {
        Within { lo: f64::INFINITY, hi: f64::NEG_INFINITY, count: 0, beyond: 0 }
    }
}

impl Within {
    pub fn add(&mut self, v: f64, to: Interval) {
        (self.lo, self.hi) = (self.lo.min(v), self.hi.max(v));
        self.count += 1;
        self.beyond += u64::from(v < to.lo.min(to.hi) || v > to.hi.max(to.lo));
    }

    /// Least and largest.
    pub fn ends(&self) -> (f64, f64) {
        (self.lo, self.hi)
    }

    /// Where a hundredth of the values lies beyond the interval, or all fill less than a hundredth of it.
    pub fn odd(&self, to: Interval) -> Option<String> {
        let width = (to.hi - to.lo).abs();
        let share = self.beyond as f64 / self.count.max(1) as f64;
        if share >= 0.01 {
            let percent = 100.0 * share;
            return Some(format!(
                "{percent:.1} % of the values lie beyond {},{}, as far as {:.4} and {:.4}",
                to.lo, to.hi, self.lo, self.hi
            ));
        }
        let filled = (self.hi - self.lo) / width;
        let thin = self.count > 0 && filled > 0.0 && filled < 0.01;
        thin.then(|| {
            format!("the values, {:.4} to {:.4}, fill {filled:.4} of {},{}", self.lo, self.hi, to.lo, to.hi)
        })
    }
}
