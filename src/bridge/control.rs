//! u(t_k, x) as it was found: a polynomial in x and the end, numbers on a grid, or a network.

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2};

use super::network::NetworkControl;
use super::paths::Setting;

/// A control of K steps. Of one coordinate, but for networks.
pub enum Control {
    Polynomial(PolynomialControl),
    Grid(GridControl),
    Network(NetworkControl),
}

impl Control {
    /// What it controls.
    pub fn setting(&self) -> &Setting {
        match self {
            Control::Polynomial(control) => &control.setting,
            Control::Grid(control) => &control.setting,
            Control::Network(control) => &control.setting,
        }
    }

    /// Numbers that a row leaves behind on its way through it.
    pub fn numbers_per_row(&self) -> usize {
        match self {
            Control::Polynomial(_) | Control::Grid(_) => 1,
            Control::Network(control) => control.numbers_per_row(),
        }
    }

    /// u(t_k, x) of rows x (n, d) towards an end (d); numbers on a grid are of one end, which they have been made for.
    pub fn at(&self, k: usize, x: ArrayView2<f64>, target: &[f64]) -> Array2<f64> {
        match self {
            Control::Polynomial(control) => x.mapv(|x| control.at(k, x, target[0])),
            Control::Grid(control) => x.mapv(|x| control.at(k, x)),
            Control::Network(control) => control.at(k, x, target),
        }
    }
}

/// Σ c_ij p^i q^j, i + j ≤ degree, of p = (x − x̄)/s_x and q = (y − ȳ)/s_y, for each step.
pub struct PolynomialControl {
    pub setting: Setting,
    /// Where paths began that it was fitted to.
    pub start: f64,
    pub steps: Vec<Polynomial>,
}

#[derive(Clone, Debug)]
pub struct Polynomial {
    pub scales: Scales,
    /// i, j and c_ij.
    pub terms: Vec<(u32, u32, f64)>,
}

/// Means and deviations of x and of the end y, by which they are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    pub x_mean: f64,
    pub x_std: f64,
    pub y_mean: f64,
    pub y_std: f64,
}

impl Scales {
    /// p and q.
    pub fn of(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.x_mean) / self.x_std, (y - self.y_mean) / self.y_std)
    }

    /// # Errors
    /// What is no deviation.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.x_std > 0.0 && self.y_std > 0.0,
            "x_std and y_std must be above 0; take the table as bridge fit has written it"
        );
        Ok(())
    }
}

impl PolynomialControl {
    /// u(t_k, x).
    pub fn at(&self, k: usize, x: f64, target: f64) -> f64 {
        let Polynomial { scales, terms } = &self.steps[k];
        let (p, q) = scales.of(x, target);
        terms.iter().map(|(i, j, c)| c * p.powi(*i as i32) * q.powi(*j as i32)).sum()
    }
}

/// Powers of all terms up to a degree, by degree: 1; p, q; p², pq, q²; …
pub fn powers(degree: u32) -> Vec<(u32, u32)> {
    (0..=degree).flat_map(|n| (0..=n).map(move |j| (n - j, j))).collect()
}

/// u at the same places at every step, straight between them and beyond the outermost two.
pub struct GridControl {
    pub setting: Setting,
    /// Where paths are to end.
    pub target: f64,
    /// Places, rising, two at least.
    pub x: Vec<f64>,
    /// Of each step, u at the places.
    pub u: Vec<Vec<f64>>,
}

impl GridControl {
    /// The same of every second place, where there are three or more.
    pub fn thinned(&self) -> Option<GridControl> {
        let thin = |all: &Vec<f64>| all.iter().step_by(2).copied().collect();
        (self.x.len() > 2).then(|| GridControl {
            setting: self.setting,
            target: self.target,
            x: thin(&self.x),
            u: self.u.iter().map(thin).collect(),
        })
    }

    /// u(t_k, x).
    pub fn at(&self, k: usize, x: f64) -> f64 {
        let right = self.x.partition_point(|place| *place <= x).clamp(1, self.x.len() - 1);
        let (a, b) = (self.x[right - 1], self.x[right]);
        let (u, v) = (self.u[k][right - 1], self.u[k][right]);
        u + (v - u) * (x - a) / (b - a)
    }
}
