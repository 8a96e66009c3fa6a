//! Drifts in one dimension, with their derivatives.

use std::fmt::{self, Display};
use std::str::FromStr;

/// The drift b of dX = b(X) dt + σ dB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum System {
    /// b = 0.
    Brownian,
    /// Ornstein-Uhlenbeck, b = −θx.
    Ou { theta: f64 },
    /// b = −4h(x³ − x): wells at ±1, between them a barrier of height h.
    DoubleWell { barrier: f64 },
    /// b = a sin x: wells at odd multiples of π where a > 0.
    Sine { amplitude: f64 },
}

impl System {
    /// b(x).
    pub fn drift(self, x: f64) -> f64 {
        match self {
            System::Brownian => 0.0,
            System::Ou { theta } => -theta * x,
            System::DoubleWell { barrier } => -4.0 * barrier * (x * x * x - x),
            System::Sine { amplitude } => amplitude * x.sin(),
        }
    }

    /// b′(x).
    pub fn slope(self, x: f64) -> f64 {
        match self {
            System::Brownian => 0.0,
            System::Ou { theta } => -theta,
            System::DoubleWell { barrier } => -4.0 * barrier * (3.0 * x * x - 1.0),
            System::Sine { amplitude } => amplitude * x.cos(),
        }
    }
}

/// As [`FromStr`] reads it, to the bit.
impl Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            System::Brownian => f.write_str("brownian"),
            System::Ou { theta } => write!(f, "ou:{theta}"),
            System::DoubleWell { barrier } => write!(f, "double-well:{barrier}"),
            System::Sine { amplitude } => write!(f, "sine:{amplitude}"),
        }
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<System, String> {
        let other = || {
            "write brownian, ou:THETA (b = −θx), double-well:H (b = −4H(x³ − x)) or sine:A (b = A sin x)"
                .to_string()
        };
        if text == "brownian" {
            return Ok(System::Brownian);
        }
        let (name, value) = text.split_once(':').ok_or_else(other)?;
        let value: f64 = value.parse().map_err(|_| format!("{value:?} is not a number; {}", other()))?;
        // Beyond that no number of steps that one would take resolves the drift.
        if value.is_nan() || value.abs() > 1e6 {
            return Err(format!("{name}: {value} must lie within ±1e6"));
        }
        match name {
            "ou" => Ok(System::Ou { theta: value }),
            "double-well" => Ok(System::DoubleWell { barrier: value }),
            "sine" => Ok(System::Sine { amplitude: value }),
            _ => Err(other()),
        }
    }
}
