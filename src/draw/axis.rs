//! Axes: where a value is on the page, and which values are written beside it.

use std::ops::RangeInclusive;

/// How values are spaced along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    #[default]
    Linear,
    Log10,
    Log2,
}

/// A stretch of values laid over a stretch of the page.
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// A place along an axis; minor ones have no label.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

/// Most ticks an axis can have, whatever its range.
const MOST: usize = 60;

impl Scale {
    /// Whether an axis of this scale has a place for the value.
    pub fn holds(self, value: f64) -> bool {
        value.is_finite() && (self == Scale::Linear || value > 0.0)
    }

    fn forth(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log10 => value.log10(),
            Scale::Log2 => value.log2(),
        }
    }

    /// Where a value is between the ends of a range: 0 at the lower, 1 at the upper one.
    pub(super) fn share(self, value: f64, range: (f64, f64)) -> f64 {
        let low = self.forth(range.0);
        let span = self.forth(range.1) - low;
        if span > 0.0 { (self.forth(value) - low) / span } else { 0.5 }
    }

    /// The value halfway between the smallest and the largest, as the axis shows them.
    pub(super) fn middle(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let (low, high) = extremes(values.map(|v| self.forth(v)));
        (low <= high).then(|| self.back(low / 2.0 + high / 2.0))
    }

    fn back(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log10 => 10f64.powf(value),
            Scale::Log2 => value.exp2(),
        }
    }

    /// The range that shows all of the values, with a margin.
    pub(super) fn around(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (low, high) = extremes(values.filter(|v| self.holds(*v)).map(|v| self.forth(v)));
        if low > high {
            return (self.back(0.0), self.back(1.0));
        }
        let spread = high - low;
        let margin = if spread > 1e-9 * low.abs().max(high.abs()) {
            0.04 * spread
        } else if self == Scale::Linear {
            low.abs().max(1.0) * 0.1
        } else {
            0.5
        };
        // What is beyond the numbers has no place on an axis.
        let least = if self == Scale::Linear { f64::MIN } else { f64::MIN_POSITIVE };
        (self.back(low - margin).max(least), self.back(high + margin).min(f64::MAX))
    }
}

/// The smallest and the largest value; infinite the wrong way round where there is none.
pub(super) fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

impl Axis {
    /// `range` from low to high lies from pixel `from` to pixel `to`.
    pub(super) fn new(scale: Scale, range: (f64, f64), from: f64, to: f64) -> Axis {
        Axis { scale, low: range.0, high: range.1, from, to }
    }

    /// The pixel of a value. What the scale cannot show is at the low end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.scale.forth(self.low), self.scale.forth(self.high));
        let at = if self.scale.holds(value) { self.scale.forth(value) } else { low };
        // Of halves, whose difference is a number even where theirs is not.
        let share = (at / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        // Far outside is as good as just outside, and no number in the file is absurd.
        self.from + share.clamp(-4.0, 5.0) * (self.to - self.from)
    }

    /// Whether a value is between the ends of the axis.
    pub(super) fn shows(&self, value: f64) -> bool {
        self.scale.holds(value) && (self.low..=self.high).contains(&value)
    }

    /// Pixels from a value to that times e, on a logarithmic axis.
    pub(super) fn per_power(&self) -> f64 {
        (self.to - self.from) / (self.high.ln() - self.low.ln())
    }

    /// Ticks about `spacing` pixels apart.
    pub(super) fn ticks(&self, spacing: f64) -> Vec<Tick> {
        let wanted = ((self.to - self.from).abs() / spacing).clamp(2.0, 20.0);
        match self.scale {
            Scale::Linear => self.linear(wanted),
            Scale::Log10 => self.logarithmic(10, wanted),
            Scale::Log2 => self.logarithmic(2, wanted),
        }
    }

    fn linear(&self, wanted: f64) -> Vec<Tick> {
        let rough = self.high / wanted - self.low / wanted;
        let decade = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * decade >= rough * 0.999).unwrap_or(10.0) * decade;
        let first = (self.low / step - 1e-9).ceil();
        let values: Vec<f64> = (0..MOST)
            .map(|i| (first + i as f64) * step)
            .take_while(|v| *v - self.high <= 1e-9 * step)
            .collect();
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let digits = -(step * 1.001).log10().floor();
        let label = |v: f64| {
            if largest >= 1e6 || digits > 5.0 {
                let decimals = ((largest.log10().floor() + digits).max(0.0) as usize).min(15);
                if v == 0.0 { "0".to_string() } else { format!("{v:.decimals$e}") }
            } else {
                let decimals = digits.max(0.0) as usize;
                // No negative zero.
                format!("{:.decimals$}", v + 0.0)
            }
        };
        values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
    }

    fn logarithmic(&self, base: i32, wanted: f64) -> Vec<Tick> {
        let exponents = (self.scale.forth(self.low) - 1e-9).ceil() as i32
            ..=(self.scale.forth(self.high) + 1e-9).floor() as i32;
        let count = exponents.clone().count();
        let every = (count as f64 / wanted).ceil().max(1.0) as usize;
        if count < 3 {
            return self.few_decades(base, exponents, wanted);
        }
        let plain = match base {
            10 => *exponents.start() >= -3 && *exponents.end() <= 4,
            _ => *exponents.start() >= -3 && *exponents.end() <= 16,
        };
        let value = |e: i32| f64::from(base).powi(e);
        let mut ticks: Vec<Tick> = exponents
            .clone()
            .step_by(every)
            .map(|e| {
                let label = if plain { value(e).to_string() } else { format!("{base}{}", superscript(e)) };
                Tick { value: value(e), label }
            })
            .collect();
        if base == 10 && every == 1 && count <= 7 {
            let minor = (exponents.start() - 1..=*exponents.end())
                .flat_map(|e| (2..10).map(move |m| f64::from(m) * value(e)))
                .filter(|v| (self.low..=self.high).contains(v));
            ticks.extend(minor.map(|value| Tick { value, label: String::new() }));
        }
        ticks
    }

    /// Between few powers, multiples are labelled too; between fewer, plain steps.
    fn few_decades(&self, base: i32, exponents: RangeInclusive<i32>, wanted: f64) -> Vec<Tick> {
        let value = |e: i32| f64::from(base).powi(e);
        if base == 10 && *exponents.start() >= -4 && *exponents.end() <= 5 {
            let ticks: Vec<Tick> = (exponents.start() - 1..=*exponents.end())
                .flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * value(e)))
                .filter(|v| (self.low..=self.high).contains(v))
                .map(|value| Tick { value, label: ((value * 1e6).round() / 1e6).to_string() })
                .collect();
            if ticks.len() >= 3 {
                return ticks;
            }
        }
        self.linear(wanted.min(6.0)).into_iter().filter(|t| t.value > 0.0).collect()
    }
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    exponent.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, low: f64, high: f64) -> Vec<String> {
        let axis = Axis::new(scale, (low, high), 0.0, 500.0);
        axis.ticks(if scale == Scale::Linear { 90.0 } else { 55.0 })
            .into_iter()
            .map(|t| t.label)
            .filter(|l| !l.is_empty())
            .collect()
    }

    #[test]
    fn ticks_are_round_and_alike() {
        use Scale::*;
        assert_eq!(labels(Linear, -0.04, 1.04), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Linear, 0.0, 5e7), ["0", "1e7", "2e7", "3e7", "4e7", "5e7"]);
        assert_eq!(labels(Linear, -3e-7, 3e-7), ["-2e-7", "0", "2e-7"]);
        assert_eq!(labels(Log10, 0.008, 120.0), ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(Log10, 1e-5, 1.0), ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]);
        assert_eq!(labels(Log10, 3.0, 25.0), ["5", "10", "20"]);
        assert_eq!(labels(Log10, 16.0, 4096.0), ["20", "50", "100", "200", "500", "1000", "2000"]);
        assert_eq!(labels(Log2, 15.0, 300.0), ["16", "32", "64", "128", "256"]);
        assert_eq!(labels(Log2, 1e-2, 1.0), ["2⁻⁶", "2⁻⁵", "2⁻⁴", "2⁻³", "2⁻²", "2⁻¹", "2⁰"]);
        assert_eq!(labels(Log10, 11.0, 18.0), ["12", "14", "16", "18"]);
    }

    #[test]
    fn any_values_have_a_range_and_ticks() {
        let cases: [&[f64]; 8] = [
            &[],
            &[0.0],
            &[5.0, 5.0],
            &[-1e308, 1e308],
            &[1e-300, 2e-300],
            &[1e300],
            &[f64::NAN],
            &[1e15, 1e15 + 1.0],
        ];
        for values in cases {
            for scale in [Scale::Linear, Scale::Log10, Scale::Log2] {
                let range = scale.around(values.iter().copied());
                assert!(range.0 < range.1, "{values:?} {scale:?} {range:?}");
                let axis = Axis::new(scale, range, 0.0, 300.0);
                assert!(!axis.ticks(50.0).is_empty(), "{values:?} {scale:?} {range:?}");
                for v in values.iter().filter(|v| scale.holds(**v)) {
                    assert!((0.0..=300.0).contains(&axis.place(*v)), "{values:?} {scale:?}");
                }
            }
        }
    }
}
