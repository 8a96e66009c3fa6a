//! An estimate with its standard error and 95 % confidence interval.

/// The 97.5 % quantile of the standard normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// A number and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub std_error: f64,
    pub ci_low: f64,
    pub ci_high: f64,
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
            std_error: (p * (1.0 - p) / count).sqrt(),
            // The ends are exact where no, or all, observations count.
            ci_low: if k == 0 { 0.0 } else { centre - half },
            ci_high: if k == n { 1.0 } else { centre + half },
            n,
        }
    }

    /// A value with a normal interval, cut at `floor`.
    pub fn normal(value: f64, std_error: f64, floor: f64, n: u64) -> Estimate {
        Estimate {
            value,
            std_error,
            ci_low: (value - Z95 * std_error).max(floor),
            ci_high: value + Z95 * std_error,
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

    /// Of the observations (divisor n − 1); 0 for fewer than two.
    pub fn variance(&self) -> f64 {
        if self.n < 2 { 0.0 } else { self.squares / (self.n - 1) as f64 }
    }

    /// Of the mean.
    pub fn std_error(&self) -> f64 {
        (self.variance() / self.n.max(1) as f64).sqrt()
    }

    /// The mean with its normal interval.
    pub fn estimate(&self, floor: f64) -> Estimate {
        Estimate::normal(self.mean, self.std_error(), floor, self.n)
    }

    /// The ratio of two independent means, with the delta method's error; `None`
    /// when the other is 0.
    pub fn over(&self, other: &Mean) -> Option<Estimate> {
        if other.mean <= 0.0 {
            return None;
        }
        let value = self.mean / other.mean;
        let relative = other.std_error() / other.mean;
        let std_error = (self.std_error() / other.mean).hypot(value * relative);
        Some(Estimate::normal(value, std_error, 0.0, self.n))
    }

    /// Its square root with the delta method's error: var √m = var m/(4m).
    pub fn root(&self) -> Estimate {
        let value = self.mean.sqrt();
        let std_error = if value > 0.0 { self.std_error() / (2.0 * value) } else { 0.0 };
        Estimate::normal(value, std_error, 0.0, self.n)
    }
}
