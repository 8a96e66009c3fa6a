//! y = h(x) + s·ε: what is seen of a state.

use clap::ValueEnum;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::systems::in_parts;

/// What a coordinate is seen through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Through {
    /// h(x) = x
    Identity,
    /// h(x) = arctan x
    Atan,
    /// h(x) = x³
    Cube,
}

#[derive(Clone, Debug)]
pub struct Observation {
    /// Those that are seen, each below d.
    pub coordinates: Vec<usize>,
    pub through: Through,
    /// s.
    pub noise_std: f64,
}

impl Observation {
    /// m.
    pub fn count(&self) -> usize {
        self.coordinates.len()
    }

    /// h of every state, a column each: (d, n) → (m, n).
    pub fn apply(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut y = x.select(Axis(0), &self.coordinates);
        match self.through {
            Through::Identity => {}
            Through::Atan => in_parts(&mut y, |mut y| y.mapv_inplace(f64::atan)),
            Through::Cube => in_parts(&mut y, |mut y| y.mapv_inplace(|x| x * x * x)),
        }
        y
    }

    /// h′(x)ᵀu of every state: (d, n) and (m, n) → (d, n).
    pub fn pulled_back(&self, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        let mut back = Array2::zeros(x.raw_dim());
        for (&i, u) in self.coordinates.iter().zip(u.outer_iter()) {
            for ((back, x), u) in back.row_mut(i).iter_mut().zip(x.row(i)).zip(u) {
                *back += u * match self.through {
                    Through::Identity => 1.0,
                    Through::Atan => 1.0 / (1.0 + x * x),
                    Through::Cube => 3.0 * x * x,
                };
            }
        }
        back
    }

    /// −½‖y − h(x)‖²/s² of every state: the log likelihood up to a constant. (d, n) → n.
    pub fn log_likelihood(&self, x: ArrayView2<f64>, y: ArrayView1<f64>) -> Vec<f64> {
        let mut sums = vec![0.0; x.ncols()];
        for (seen, y) in self.apply(x).outer_iter().zip(y) {
            for (sum, seen) in sums.iter_mut().zip(seen) {
                let off = (y - seen) / self.noise_std;
                *sum -= 0.5 * off * off;
            }
        }
        sums
    }

    /// Mean over what is seen of (y − ȳ)²/(v + s²), ȳ and v the mean and variance of h under a law of states that has not been
    /// told y: 1 on average where y is of that law and noise. By h of draws of it, (m, n).
    pub fn surprise(&self, drawn: ArrayView2<f64>, y: ArrayView1<f64>) -> f64 {
        let moments = |h: ArrayView1<f64>| {
            let mean = h.sum() / h.len() as f64;
            let squares: f64 = h.iter().map(|h| (h - mean) * (h - mean)).sum();
            (mean, squares / (h.len() - 1) as f64)
        };
        self.normal_surprise(drawn.outer_iter().map(moments), y)
    }

    /// The same by ȳ and v.
    pub fn normal_surprise(&self, law: impl Iterator<Item = (f64, f64)>, y: ArrayView1<f64>) -> f64 {
        let of = |((mean, variance), y): ((f64, f64), &f64)| {
            (y - mean) * (y - mean) / (variance + self.noise_std * self.noise_std)
        };
        law.zip(y).map(of).sum::<f64>() / y.len() as f64
    }

    /// Mean over states and what is seen of (y − h(x))²/s²: 1 on average of the state that y is seen of, and of draws of its law
    /// given y.
    pub fn misfit(&self, x: ArrayView2<f64>, y: ArrayView1<f64>) -> f64 {
        let logs = self.log_likelihood(x, y);
        -2.0 * logs.iter().sum::<f64>() / (logs.len() * y.len()) as f64
    }
}
