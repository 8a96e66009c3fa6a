//! dX = f(X) dt + g dW.
//!
//! * Lorenz-63 (Lorenz, J. Atmos. Sci. 20 (1963) 130): f = (σ(y − x), x(ρ − z) − y, xy − βz); a step is RK4's, and then
//!   noise g√h z, as in arXiv 2501.16642;
//! * the double well: f = −U′, U = H(x² − 1)², which has its wells at ±1 and a barrier of height H between them; a step is
//!   Euler and Maruyama's;
//! * Ornstein and Uhlenbeck's process: f = −θx, and Brownian motion, f = 0: transitions are exact, however long.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayViewMut2, Axis, Zip, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::euler::overshoot;
use crate::random::{Purpose, fill_normal, step_rng};

/// What moves, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum System {
    Lorenz63 { sigma: f64, rho: f64, beta: f64 },
    DoubleWell { barrier: f64 },
    Ou { rate: f64 },
    Brownian,
}

/// A system, the times at which it is looked at, and where it starts.
#[derive(Clone, Debug)]
pub struct Dynamics {
    pub system: System,
    /// g.
    pub diffusion: f64,
    /// Time between states.
    pub interval: f64,
    /// Steps of the scheme from one state to the next; exact transitions take one, whatever this is.
    pub substeps: u32,
    /// Means and deviations of x_0 before burn-in, one a coordinate.
    pub start: Vec<f64>,
    pub start_std: Vec<f64>,
    /// Transitions before the first state.
    pub burn_in: u32,
}

impl Dynamics {
    /// d.
    pub fn dim(&self) -> usize {
        self.start.len()
    }

    /// (a, q) where the transition is N(a x, q I).
    pub fn linear(&self) -> Option<(f64, f64)> {
        let (g2, t) = (self.diffusion * self.diffusion, self.interval);
        match self.system {
            System::Ou { rate } => Some(((-rate * t).exp(), -g2 * (-2.0 * rate * t).exp_m1() / (2.0 * rate))),
            System::Brownian => Some((1.0, g2 * t)),
            System::Lorenz63 { .. } | System::DoubleWell { .. } => None,
        }
    }

    /// First states of `n`, (d, n).
    pub fn begin(&self, n: usize, streams: &mut Streams) -> Array2<f64> {
        let mut x = self.drawn(n, streams);
        for _ in 0..self.burn_in {
            self.advance(&mut x, streams);
        }
        x
    }

    /// States before burn-in.
    fn drawn(&self, n: usize, streams: &mut Streams) -> Array2<f64> {
        let mut x = Array2::zeros((self.dim(), n));
        streams.in_parts(&mut x, |mut x, rng| {
            let (d, n) = x.dim();
            x.assign(&normals(d, n, rng));
            for ((mut x, mean), std) in x.outer_iter_mut().zip(&self.start).zip(&self.start_std) {
                x.mapv_inplace(|z| mean + std * z);
            }
            0.0
        });
        x
    }

    /// x_k ← x_{k+1} for every column of (d, n). Returns the largest [`overshoot`] of all steps on the way, or 0.
    pub fn advance(&self, x: &mut Array2<f64>, streams: &mut Streams) -> f64 {
        streams.in_parts(x, |x, rng| self.move_part(x, rng))
    }

    fn move_part(&self, mut x: ArrayViewMut2<f64>, rng: &mut ChaCha8Rng) -> f64 {
        if let Some((a, q)) = self.linear() {
            x *= a;
            stir(x, q.sqrt(), rng);
            return 0.0;
        }
        let h = self.interval / f64::from(self.substeps);
        let mut overshot: f64 = 0.0;
        for _ in 0..self.substeps {
            overshot = overshot.max(self.drift(x.view_mut(), h));
            stir(x.view_mut(), self.diffusion * h.sqrt(), rng);
        }
        overshot
    }

    /// One step of the scheme without its noise. Returns its largest [`overshoot`], or 0.
    fn drift(&self, mut x: ArrayViewMut2<f64>, h: f64) -> f64 {
        let mut overshot: f64 = 0.0;
        match self.system {
            // Steps of RK4 that are too long leave all numbers, or come to rest where the system does not: nothing at a step tells.
            System::Lorenz63 { sigma, rho, beta } => {
                let f = |[x, y, z]: [f64; 3]| [sigma * (y - x), x * (rho - z) - y, x * y - beta * z];
                each_column(x, |x| rk4(f, x, h));
            }
            System::DoubleWell { barrier } => {
                let back = |x: f64| h * 4.0 * barrier * x * (x * x - 1.0);
                x.mapv_inplace(|x| {
                    let next = x - back(x);
                    overshot = overshot.max(overshoot(x, -back(x), -back(next)).unwrap_or(0.0));
                    next
                });
            }
            // Their transitions are exact.
            System::Ou { .. } | System::Brownian => {}
        }
        overshot
    }

    /// Whether anything is drawn.
    pub fn draws(&self) -> bool {
        self.diffusion > 0.0 || self.start_std.iter().any(|s| *s > 0.0)
    }

    /// x_0 … x_T of the path with this number, (T + 1, d). Its first states are those of a longer one.
    ///
    /// # Errors
    /// Where the scheme is unstable.
    pub fn path(&self, steps: usize, seed: u64, row: u64) -> Result<Array2<f64>> {
        let mut streams = Streams::new(1, seed, Purpose::Paths, row);
        let mut x = self.drawn(1, &mut streams);
        let mut path = Array2::zeros((steps + 1, self.dim()));
        // Chance brings a path to where one transition overshoots, but it comes back.
        let mut over = false;
        for (k, mut state) in path.outer_iter_mut().enumerate() {
            let transitions = if k == 0 { self.burn_in } else { 1 };
            for _ in 0..transitions {
                let overshot = self.advance(&mut x, &mut streams);
                let before = std::mem::replace(&mut over, overshot > 0.0);
                ensure!(
                    !(before && over),
                    "path {row}, step {k}: a step of the scheme leads over a place of rest, and the next is {overshot:.2e} times as \
                     long, as the one before: its steps are too long; give a smaller --dt or more --substeps"
                );
            }
            ensure!(
                x.iter().all(|x| x.is_finite()),
                "path {row}, step {k}: the numbers grow without end, as the scheme's steps are too long; give a smaller \
                 --dt or more --substeps"
            );
            state.assign(&x.column(0));
        }
        Ok(path)
    }
}

/// Columns that a thread takes at once; never to be changed, as what is drawn depends on it.
pub(super) const AT_ONCE: usize = 2048;

/// Has some columns after the other changed, on all threads.
pub(super) fn in_parts(x: &mut Array2<f64>, f: impl Fn(ArrayViewMut2<f64>) + Sync) {
    if x.ncols() <= AT_ONCE {
        f(x.view_mut());
    } else {
        x.axis_chunks_iter_mut(Axis(1), AT_ONCE).into_par_iter().for_each(&f);
    }
}

/// Random numbers of many states: [`AT_ONCE`] columns after the other have a generator of their own, so that threads need not
/// wait for each other's draws.
pub struct Streams(Vec<ChaCha8Rng>);

impl Streams {
    /// Of `n` columns; those before are the steps that a generator's key has.
    pub fn new(n: usize, seed: u64, purpose: Purpose, row: u64) -> Streams {
        Streams(
            (0..n.div_ceil(AT_ONCE).max(1) as u64).map(|part| step_rng(seed, purpose, part, row)).collect(),
        )
    }

    /// What all columns together draw from.
    pub fn first(&mut self) -> &mut ChaCha8Rng {
        &mut self.0[0]
    }

    /// As [`in_parts`], each with its generator. Returns the largest of what the parts return.
    fn in_parts(
        &mut self,
        x: &mut Array2<f64>,
        f: impl Fn(ArrayViewMut2<f64>, &mut ChaCha8Rng) -> f64 + Sync,
    ) -> f64 {
        // One state of a path is moved sooner than a thread is told of it.
        if let [rng] = &mut self.0[..] {
            return f(x.view_mut(), rng);
        }
        let parts = x.axis_chunks_iter_mut(Axis(1), AT_ONCE).into_par_iter();
        parts.zip(&mut self.0).map(|(x, rng)| f(x, rng)).reduce(|| 0.0, f64::max)
    }
}

/// x ← x + s·z; without noise nothing is drawn.
fn stir(mut x: ArrayViewMut2<f64>, s: f64, rng: &mut ChaCha8Rng) {
    if s > 0.0 {
        let (d, n) = x.dim();
        x.scaled_add(s, &normals(d, n, rng));
    }
}

/// (d, n) standard normal numbers.
pub(super) fn normals(d: usize, n: usize, rng: &mut impl Rng) -> Array2<f64> {
    let mut z = vec![0.0; d * n];
    fill_normal(rng, &mut z);
    Array1::from(z).into_shape_with_order((d, n)).unwrap_or_default()
}

/// x + h(k₁ + 2k₂ + 2k₃ + k₄)/6.
fn rk4(f: impl Fn([f64; 3]) -> [f64; 3], x: [f64; 3], h: f64) -> [f64; 3] {
    let along = |k: [f64; 3], h: f64| [0, 1, 2].map(|i| x[i] + h * k[i]);
    let k1 = f(x);
    let k2 = f(along(k1, h / 2.0));
    let k3 = f(along(k2, h / 2.0));
    let k4 = f(along(k3, h));
    [0, 1, 2].map(|i| x[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// Has every column of (3, n) be what `step` makes of it.
fn each_column(mut x: ArrayViewMut2<f64>, step: impl Fn([f64; 3]) -> [f64; 3]) {
    let (x, y, z) = x.multi_slice_mut((s![0, ..], s![1, ..], s![2, ..]));
    Zip::from(x).and(y).and(z).for_each(|x, y, z| [*x, *y, *z] = step([*x, *y, *z]));
}
