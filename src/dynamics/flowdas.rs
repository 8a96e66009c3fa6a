//! FlowDAS (arXiv 2501.16642): the next state by a stochastic interpolant that is guided by what is seen of it.
//!
//! X_s = (1 − s)x_0 + s²x_1 + √s(1 − s)z goes from a state to the next, and so does dX = b ds + (1 − s) dW from X_0 = x_0 with
//! b = (s(2 − s)D − X)/(1 − s), D = E[x_1 | x_1 + σz = x̂, x_0] at x̂ = (X − (1 − s)x_0)/s² and σ = (1 − s)/s^{3/2}. Given y
//! the drift is b + (1 − s)²∇ log p(y | X) (Doob), and p(y | X) ≈ 1/J Σ_j N(y; h(X̂_j), s_y²) of J estimates of X_1:
//!
//! * first order: X̂ = X + (1 − s)b + ν ε;
//! * second order: X̂ = X + (1 − s)/2 (b + b_1) + ν ε, b_1 = 2X̂ − x_0 the drift at the end of the first order's estimate.
//!
//! ν² = ∫_s^1 (1 − u)² du = (1 − s)³/3. A state's coordinates are counted from x_0, so that no origin is special.

use anyhow::Result;
use clap::ValueEnum;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::Rng;

use super::Observation;
use super::systems::normals;

/// What is known of the state after one: its denoiser, for states that are columns, (d, n).
pub trait Transition: Send + Sync {
    /// How far states are from their mean, root mean square over coordinates, or how far they move, as it was learned.
    fn spread(&self) -> f64;

    /// D(x; σ) = E[x_1 | x_1 + σε = x, x_0 = `before`].
    fn denoise(&self, x: ArrayView2<f64>, sigma: f64, before: ArrayView2<f64>) -> Result<Array2<f64>>;

    /// The same, and Jᵀv of each state, J = ∂D/∂x, where v is what `of` makes of D.
    fn pulled_back(
        &self,
        x: ArrayView2<f64>,
        sigma: f64,
        before: ArrayView2<f64>,
        of: &mut dyn FnMut(ArrayView2<f64>) -> Array2<f64>,
    ) -> Result<(Array2<f64>, Array2<f64>)>;
}

/// The order of the estimate of X_1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Endpoint {
    /// X + (1 − s)b
    First,
    /// X + (1 − s)/2 (b + b_1), b_1 the drift at the end
    Second,
}

/// What the published code has otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Quirk {
    /// States are counted from 0, not from the state before: their place matters
    Origin,
    /// Estimates have a deviation of ∫(1 − u) d√u = 2/3 − √s + s√s/3
    Noise,
    /// b_1 is at X, not at the estimate of first order
    Drift,
    /// The gradient is of one norm over all J, not squared and without weights
    Norm,
}

/// States that follow others.
pub struct Next {
    pub states: Array2<f64>,
    /// The largest distance, over states and the way to each, from where the way begins (root mean square over coordinates),
    /// in units of what it has of itself: see [`Reach`]. 0 where nothing is seen.
    pub farthest: f64,
}

/// How far X_s is from (1 − s)x_0 where nothing drives it there: s²x_1 + √s(1 − s)z, of which x_1 counts in full, as what D says
/// of it at first and the spread of states, and √s(1 − s) as at s = ⅓, where it is largest.
struct Reach(Vec<f64>);

impl Reach {
    const NOISE_VARIANCE: f64 = 4.0 / 27.0;

    fn new(denoised: ArrayView2<f64>, spread: f64) -> Reach {
        let square = |d: ArrayView1<f64>| d.dot(&d) / d.len() as f64;
        let reach = |d| (square(d) + spread * spread + Reach::NOISE_VARIANCE).sqrt();
        Reach(denoised.columns().into_iter().map(reach).collect())
    }

    /// That of the state that is farthest, in its own units.
    fn farthest(&self, away: ArrayView2<f64>) -> f64 {
        let far = |(x, reach): (ArrayView1<f64>, &f64)| (x.dot(&x) / x.len() as f64).sqrt() / reach;
        away.columns().into_iter().zip(&self.0).map(far).fold(0.0, f64::max)
    }
}

/// How a next state is drawn.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Euler's steps from s = 0 to 1.
    pub steps: u32,
    pub endpoint: Endpoint,
    /// J.
    pub estimates: u32,
    /// ζ of X − ζ∇Σ_j w_j‖y − h(X̂_j)‖² at every step; without, that of the conditional law, (1 − s)² ds/2s_y².
    pub step_size: Option<f64>,
    pub quirks: Vec<Quirk>,
}

/// X̂ = of_state X + of_denoised D + of_start x_0, and ν.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    of_state: f64,
    of_denoised: f64,
    of_start: f64,
    deviation: f64,
}

/// σ at s.
fn level(s: f64) -> f64 {
    (1.0 - s) / s.powf(1.5)
}

impl Sampler {
    /// σ = (1 − s)/s^{3/2} of every step, at which D is asked.
    pub fn levels(&self) -> Vec<f64> {
        (1..self.steps).map(|step| level(self.time(step))).collect()
    }

    /// s.
    fn time(&self, step: u32) -> f64 {
        f64::from(step) * (1.0 / f64::from(self.steps))
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// x_1 of every column x_0 of (d, n); of those that are seen, given y.
    ///
    /// # Errors
    /// Of the transition.
    pub fn next(
        &self,
        transition: &dyn Transition,
        observed: Option<(&Observation, ArrayView1<f64>)>,
        before: ArrayView2<f64>,
        rng: &mut impl Rng,
    ) -> Result<Next> {
        let none = Array2::zeros(before.raw_dim());
        let (start, origin) =
            if self.has(Quirk::Origin) { (before, none.view()) } else { (none.view(), before) };
        let mut x = start.to_owned();
        // Of D where nothing has driven X yet.
        let reach = match observed {
            Some(_) => {
                let denoised = transition.denoise(before, level(self.time(1)), before)? - origin;
                Some(Reach::new(denoised.view(), transition.spread()))
            }
            None => None,
        };
        let mut farthest = 0.0f64;
        let ds = 1.0 / f64::from(self.steps);
        for step in 0..self.steps {
            let s = self.time(step);
            let estimate = self.estimate(s);
            let mut log_gradient = |denoised: ArrayView2<f64>| {
                let (observation, y) = observed?;
                let mut end = &denoised * estimate.of_denoised;
                end += &(&x * estimate.of_state);
                end += &(&start * estimate.of_start);
                end += &origin;
                Some(self.gradient(observation, y, end.view(), estimate.deviation, rng))
            };
            // At s = 0 nothing of D is in the drift, nor in the estimate.
            let (denoised, gradient) = if step == 0 {
                let gradient = log_gradient(none.view()).map(|v| v * estimate.of_state);
                (none.clone(), gradient)
            } else {
                let sigma = level(s);
                let noisy = (&x - &(&start * (1.0 - s))) / (s * s) + origin;
                let mut direct = None;
                let mut of = |d: ArrayView2<f64>| {
                    let found = log_gradient((&d - &origin).view());
                    let found = found.unwrap_or_else(|| Array2::zeros(d.raw_dim()));
                    let back = &found * estimate.of_denoised;
                    direct = Some(found);
                    back
                };
                let (d, back) = match observed {
                    Some(_) => transition.pulled_back(noisy.view(), sigma, before, &mut of)?,
                    None => (transition.denoise(noisy.view(), sigma, before)?, none.clone()),
                };
                (d - origin, direct.map(|v| v * estimate.of_state + back / (s * s)))
            };
            let noise = normals(x.nrows(), x.ncols(), rng);
            // ds (s(2 − s)D − X)/(1 − s).
            let share = ds / (1.0 - s);
            x *= 1.0 - share;
            x.scaled_add(share * s * (2.0 - s), &denoised);
            x.scaled_add((1.0 - s) * ds.sqrt(), &noise);
            if let (Some(gradient), Some((observation, _))) = (gradient, observed) {
                let variance = observation.noise_std * observation.noise_std;
                let strength = match self.step_size {
                    None => (1.0 - s) * (1.0 - s) * ds,
                    Some(zeta) if self.has(Quirk::Norm) => zeta,
                    Some(zeta) => 2.0 * zeta * variance,
                };
                x.scaled_add(strength, &gradient);
            }
            if let Some(reach) = &reach {
                let away = &x - &(&start * (1.0 - s - ds));
                farthest = farthest.max(reach.farthest(away.view()));
            }
        }
        Ok(Next { states: x + origin, farthest })
    }

    /// The estimate of X_1 at s.
    fn estimate(&self, s: f64) -> Estimate {
        let rest = 1.0 - s;
        // X̂ = x X + b b + a x_0.
        let (x, b, a) = match self.endpoint {
            Endpoint::First => (1.0, rest, 0.0),
            Endpoint::Second if self.has(Quirk::Drift) => (1.0 + rest, 0.5 * rest, -0.5 * rest),
            Endpoint::Second => (1.0 + rest, rest * (0.5 + rest), -0.5 * rest),
        };
        let deviation = if self.has(Quirk::Noise) {
            2.0 / 3.0 - s.sqrt() + s.powf(1.5) / 3.0
        } else {
            (rest.powi(3) / 3.0).sqrt()
        };
        Estimate { of_state: x - b / rest, of_denoised: b / rest * s * (2.0 - s), of_start: a, deviation }
    }

    /// ∇ log Σ_j exp −½‖y − h(X̂_j)‖²/s_y² by X̂, X̂_j = X̂ + ν ε_j; or, published so, −∇ of the norm of all y − h(X̂_j).
    fn gradient(
        &self,
        observation: &Observation,
        y: ArrayView1<f64>,
        end: ArrayView2<f64>,
        deviation: f64,
        rng: &mut impl Rng,
    ) -> Array2<f64> {
        let (d, n) = end.dim();
        let variance = observation.noise_std * observation.noise_std;
        let mut all = Vec::new();
        for _ in 0..self.estimates {
            let x = &end + &(normals(d, n, rng) * deviation);
            let off = &y.insert_axis(Axis(1)) - &observation.apply(x.view());
            let squares: Vec<f64> = off.axis_iter(Axis(1)).map(|off| off.dot(&off)).collect();
            all.push((squares, observation.pulled_back(x.view(), off.view())));
        }
        let mut gradient = Array2::zeros((d, n));
        for i in 0..n {
            let squares = all.iter().map(|(squares, _)| squares[i]);
            let weights: Vec<f64> = if self.has(Quirk::Norm) {
                let norm = squares.sum::<f64>().sqrt();
                vec![if norm > 0.0 { 1.0 / norm } else { 0.0 }; all.len()]
            } else {
                let weights = super::filters::softmax(squares.map(|q| -0.5 * q / variance).collect());
                weights.into_iter().map(|w| w / variance).collect()
            };
            if weights.is_empty() {
                // All estimates are beyond numbers from what is seen: no state, rather than one that was not guided.
                gradient.column_mut(i).fill(f64::NAN);
            }
            for (w, (_, part)) in weights.iter().zip(&all) {
                gradient.column_mut(i).scaled_add(*w, &part.column(i));
            }
        }
        gradient
    }
}
