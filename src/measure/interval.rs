//! An estimate with its standard error and 95 % confidence interval.
//!
//! Squared distances are never below 0, and a few rows may carry most of their sum: a normal interval of
//! such a mean lies too low. Here it is that of a gamma variable with the mean's own mean and variance, its
//! upper end with one more row as large as the largest seen (Fay and Feuer, Statistics in Medicine 16
//! (1997) 791), quantiles by Wilson and Hilferty's cube root. Differences and ratios of two such means combine
//! their intervals (MOVER: Zou and Donner, Statistics in Medicine 27 (2008) 1693). `docs/coverage.csv` has
//! how often each holds.

/// The 97.5 % quantile of the standard normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// A number and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// `None` where one observation tells nothing of the spread.
    pub std_error: Option<f64>,
    /// Both ends of the interval, or none.
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    /// Observations behind it.
    pub n: u64,
}

impl Estimate {
    /// A share k/n with Wilson's interval. `n` > 0.
    pub fn share(k: u64, n: u64) -> Estimate {
        let (count, p) = (n as f64, k as f64 / n as f64);
        let z2 = Z95 * Z95;
        let centre = (p + z2 / (2.0 * count)) / (1.0 + z2 / count);
        let half = Z95 / (1.0 + z2 / count) * (p * (1.0 - p) / count + z2 / (4.0 * count * count)).sqrt();
        Estimate {
            value: p,
            std_error: Some((p * (1.0 - p) / count).sqrt()),
            // The ends are exact where no, or all, observations count.
            ci_low: Some(if k == 0 { 0.0 } else { centre - half }),
            ci_high: Some(if k == n { 1.0 } else { centre + half }),
            n,
        }
    }

    /// A value from `n` observations; of one of them error and interval are unknown.
    fn of(value: f64, std_error: f64, interval: Interval, n: u64) -> Estimate {
        let several = |x| (n > 1).then_some(x);
        Estimate {
            value,
            std_error: several(std_error),
            ci_low: several(interval.low),
            ci_high: several(interval.high),
            n,
        }
    }
}

/// Running mean and sum of squared deviations (Welford), in the order given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    pub n: u64,
    pub mean: f64,
    squares: f64,
}

impl Mean {
    pub fn add(&mut self, x: f64) {
        self.n += 1;
        let before = x - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (x - self.mean);
    }

    /// The mean; of nothing, none.
    pub fn value(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// Of the observations (divisor n − 1); 0 for fewer than two.
    pub fn variance(&self) -> f64 {
        if self.n < 2 { 0.0 } else { self.squares / (self.n - 1) as f64 }
    }

    /// Of the mean.
    pub fn std_error(&self) -> f64 {
        (self.variance() / self.n.max(1) as f64).sqrt()
    }

    /// The same; of fewer than two, none.
    pub fn error(&self) -> Option<f64> {
        (self.n > 1).then(|| self.std_error())
    }
}

#[derive(Clone, Copy, Debug)]
struct Interval {
    low: f64,
    high: f64,
}

impl Interval {
    fn map(self, f: impl Fn(f64) -> f64) -> Interval {
        Interval { low: f(self.low), high: f(self.high) }
    }

    /// Of a − b, from the intervals of the two estimates and their correlation.
    fn of_difference(a: f64, of_a: Interval, b: f64, of_b: Interval, correlation: f64) -> Interval {
        let side = |p: f64, q: f64| (p * p + q * q - 2.0 * correlation * p * q).max(0.0).sqrt();
        Interval {
            low: a - b - side(a - of_a.low, of_b.high - b),
            high: a - b + side(of_a.high - a, b - of_b.low),
        }
    }
}

/// The z-quantile of a gamma variable, by Wilson and Hilferty.
pub fn gamma_quantile(mean: f64, variance: f64, z: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    let spread = variance.sqrt() / (3.0 * mean);
    mean * (1.0 - spread * spread + z * spread).max(0.0).powi(3)
}

/// So few rows with half of the sum are too few for an interval, [`Amounts::concentration`] says.
const FEW: usize = 3;

/// Numbers ≥ 0, taken in one by one, of which a few may carry most of the sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amounts {
    mean: Mean,
    /// The largest seen, in falling order.
    largest: [f64; FEW],
}

impl Amounts {
    pub fn add(&mut self, x: f64) {
        self.mean.add(x);
        let place = self.largest.partition_point(|&y| y >= x);
        if let Some(rest) = self.largest.get_mut(place..)
            && !rest.is_empty()
        {
            rest.rotate_right(1);
            rest[0] = x;
        }
    }

    pub fn n(&self) -> u64 {
        self.mean.n
    }

    pub fn mean(&self) -> f64 {
        self.mean.mean
    }

    /// The largest; 0 of none.
    pub fn largest(&self) -> f64 {
        self.largest[0]
    }

    /// How many rows carry half of the sum, where they are too few for the interval to be relied on: at most
    /// three, and one in twenty.
    pub fn concentration(&self) -> Option<u64> {
        let half = 0.5 * self.mean.mean * self.mean.n as f64;
        let mut sum = 0.0;
        let rows = self.largest.iter().position(|x| {
            sum += x;
            sum >= half
        })?;
        let rows = rows as u64 + 1;
        (half > 0.0 && 20 * rows <= self.mean.n).then_some(rows)
    }

    fn interval(&self) -> Interval {
        let (mean, n) = (self.mean.mean, self.mean.n.max(1) as f64);
        let (variance, one_more) = (self.mean.variance() / n, self.largest[0] / n);
        Interval {
            low: gamma_quantile(mean, variance, -Z95),
            high: gamma_quantile(mean + one_more, variance + one_more * one_more, Z95),
        }
    }

    /// Their mean.
    pub fn estimate(&self) -> Estimate {
        Estimate::of(self.mean.mean, self.mean.std_error(), self.interval(), self.mean.n)
    }

    /// The square root of their mean; its error by the delta method, var √m = var m/(4m).
    pub fn root(&self) -> Estimate {
        let value = self.mean.mean.sqrt();
        let std_error = if value > 0.0 { self.mean.std_error() / (2.0 * value) } else { 0.0 };
        Estimate::of(value, std_error, self.interval().map(f64::sqrt), self.mean.n)
    }

    /// Their mean over that of others, independent of them; `None` when that is 0.
    pub fn over(&self, other: &Amounts) -> Option<Estimate> {
        let estimate = ratio(self, other, 0.0, self.mean.n.min(other.mean.n))?;
        Some(Estimate { n: self.mean.n, ..estimate })
    }
}

/// Mean of x over mean of y, the two correlated so; its error by the delta method.
fn ratio(x: &Amounts, y: &Amounts, correlation: f64, n: u64) -> Option<Estimate> {
    let (above, below) = (x.mean.mean, y.mean.mean);
    if below <= 0.0 {
        return None;
    }
    let value = above / below;
    if above <= 0.0 {
        return Some(Estimate::of(value, 0.0, Interval { low: 0.0, high: 0.0 }, n));
    }
    let (p, q) = (x.mean.std_error() / above, y.mean.std_error() / below);
    let relative = (p * p + q * q - 2.0 * correlation * p * q).max(0.0).sqrt();
    let logs = Interval::of_difference(
        above.ln(),
        x.interval().map(f64::ln),
        below.ln(),
        y.interval().map(f64::ln),
        correlation,
    );
    Some(Estimate::of(value, value * relative, logs.map(f64::exp), n))
}

/// Two amounts of every row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joint {
    pub x: Amounts,
    pub y: Amounts,
    /// Σ of products of deviations.
    products: f64,
}

impl Joint {
    pub fn add(&mut self, x: f64, y: f64) {
        let before = x - self.x.mean.mean;
        self.x.add(x);
        self.y.add(y);
        self.products += before * (y - self.y.mean.mean);
    }

    /// Of x and y, and so of their means; 0 where one doesn't vary.
    fn correlation(&self) -> f64 {
        let spread = self.x.mean.squares.sqrt() * self.y.mean.squares.sqrt();
        if spread > 0.0 { (self.products / spread).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// Mean of x over mean of y; `None` when the latter is 0.
    pub fn ratio(&self) -> Option<Estimate> {
        ratio(&self.x, &self.y, self.correlation(), self.x.mean.n)
    }

    /// √(mean of x / mean of y); `None` when the latter is 0.
    pub fn root_ratio(&self) -> Option<Estimate> {
        let square = self.ratio()?;
        let value = square.value.sqrt();
        // d√r = dr/(2√r).
        let std_error = square.std_error.map(|e| if value > 0.0 { e / (2.0 * value) } else { 0.0 });
        let root = |end: Option<f64>| end.map(f64::sqrt);
        Some(Estimate {
            value,
            std_error,
            ci_low: root(square.ci_low),
            ci_high: root(square.ci_high),
            n: square.n,
        })
    }

    /// Mean of x less `share` of that of y.
    pub fn difference(&self, share: f64) -> Estimate {
        let correlation = self.correlation();
        let (a, b) = (self.x.mean.mean, share * self.y.mean.mean);
        let (p, q) = (self.x.mean.std_error(), share * self.y.mean.std_error());
        let std_error = (p * p + q * q - 2.0 * correlation * p * q).max(0.0).sqrt();
        let of_b = self.y.interval().map(|end| share * end);
        let interval = Interval::of_difference(a, self.x.interval(), b, of_b, correlation);
        Estimate::of(a - b, std_error, interval, self.x.mean.n)
    }
}
