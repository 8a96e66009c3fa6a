//! One step of each solver of dx/dσ = (x − D(x; σ))/σ, from σ = s to σ = t > 0.
//!
//! With ε̂ = (x − D)/σ the right-hand side, every schedule's solver becomes one
//! in (x, σ) with α = 1 and λ = −ln σ.

use anyhow::{Result, anyhow, ensure};
use ndarray::{Array2, ArrayView2, Axis, Zip};

use super::Work;
use crate::denoiser::{Counted, Denoiser};
use crate::linalg::squared_norms;
use crate::scalar::{Dtype, Scalar};

/// The right-hand side.
pub struct Drift<'a, T: Scalar> {
    pub denoiser: &'a Counted<'a, T>,
    pub rows: Going,
}

/// How rows go: together, with the number of the first, or one by one, each with its own.
#[derive(Clone, Copy, Debug)]
pub enum Going {
    Together(u64),
    Alone(u64),
}

impl<T: Scalar> Drift<'_, T> {
    /// D(x; σ).
    pub fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        match self.rows {
            Going::Together(first) => self.denoiser.denoise_rows(x, first, sigma),
            Going::Alone(number) => self.denoiser.denoise_row(x, number, sigma),
        }
    }

    /// ε̂ = (x − D(x; σ))/σ.
    pub fn epsilon(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let mut d = self.denoise(x, sigma)?;
        let inverse = T::of(1.0 / sigma);
        d.zip_mut_with(&x, |d, &x| *d = (x - *d) * inverse);
        Ok(d)
    }
}

/// x + Σ h_j k_j.
fn combined<T: Scalar>(x: &Array2<T>, terms: &[(f64, &Array2<T>)]) -> Array2<T> {
    let mut out = x.clone();
    for (h, k) in terms {
        if *h != 0.0 {
            out.scaled_add(T::of(*h), k);
        }
    }
    out
}

/// x_t = x + (t − s) ε̂. DDIM and DPM-Solver-1 are the same.
pub fn euler<T: Scalar>(drift: &Drift<T>, x: &mut Array2<T>, s: f64, t: f64) -> Result<()> {
    let e = drift.epsilon(x.view(), s)?;
    x.scaled_add(T::of(t - s), &e);
    Ok(())
}

/// The trapezoidal rule with Euler's guess (EDM, algorithm 1).
pub fn heun<T: Scalar>(drift: &Drift<T>, x: &mut Array2<T>, s: f64, t: f64) -> Result<()> {
    let e1 = drift.epsilon(x.view(), s)?;
    let guess = combined(x, &[(t - s, &e1)]);
    let e2 = drift.epsilon(guess.view(), t)?;
    let half = T::of(0.5 * (t - s));
    Zip::from(x).and(&e1).and(&e2).for_each(|x, &a, &b| *x += half * (a + b));
    Ok(())
}

/// DPM-Solver-2 (arXiv 2206.00927) with r = ½: the midpoint rule at u = √(st).
pub fn dpm2<T: Scalar>(drift: &Drift<T>, x: &mut Array2<T>, s: f64, t: f64) -> Result<()> {
    let u = (s * t).sqrt();
    let e1 = drift.epsilon(x.view(), s)?;
    let middle = combined(x, &[(u - s, &e1)]);
    let e2 = drift.epsilon(middle.view(), u)?;
    x.scaled_add(T::of(t - s), &e2);
    Ok(())
}

/// DPM-Solver-3 (arXiv 2206.00927, algorithm 2) with r₁ = ⅓, r₂ = ⅔.
pub fn dpm3<T: Scalar>(drift: &Drift<T>, x: &mut Array2<T>, s: f64, t: f64) -> Result<()> {
    let h = (s / t).ln();
    let (u1, u2) = (s * (-h / 3.0).exp(), s * (-2.0 * h / 3.0).exp());
    // φ₁(h)/h − 1 and the like, φ₁(h) = eʰ − 1.
    let excess = |h: f64| h.exp_m1() / h - 1.0;
    let e0 = drift.epsilon(x.view(), s)?;
    let x1 = combined(x, &[(u1 - s, &e0)]);
    let d1 = drift.epsilon(x1.view(), u1)? - &e0;
    let x2 = combined(x, &[(u2 - s, &e0), (-2.0 * u2 * excess(2.0 * h / 3.0), &d1)]);
    let d2 = drift.epsilon(x2.view(), u2)? - &e0;
    *x = combined(x, &[(t - s, &e0), (-1.5 * t * excess(h), &d2)]);
    Ok(())
}

/// DPM-Solver++(2M) (arXiv 2211.01095): one evaluation a step, with the last
/// step's D extrapolated. `memory` holds that D and its h = ln(s/t).
pub fn dpmpp2m<T: Scalar>(
    drift: &Drift<T>,
    x: &mut Array2<T>,
    s: f64,
    t: f64,
    memory: &mut Option<(f64, Array2<T>)>,
) -> Result<()> {
    let h = (s / t).ln();
    let d = drift.denoise(x.view(), s)?;
    let extrapolated = match memory {
        None => d.clone(),
        Some((h_last, d_last)) => {
            let w = T::of(0.5 * h / *h_last);
            let mut e = d.clone();
            e.zip_mut_with(d_last, |e, &l| *e += w * (*e - l));
            e
        }
    };
    let ratio = t / s;
    let (keep, take) = (T::of(ratio), T::of(1.0 - ratio));
    x.zip_mut_with(&extrapolated, |x, &d| *x = keep * *x + take * d);
    *memory = Some((h, d));
    Ok(())
}

/// The classical fourth-order method, in σ.
pub fn rk4<T: Scalar>(drift: &Drift<T>, x: &mut Array2<T>, s: f64, t: f64) -> Result<()> {
    let h = t - s;
    let k1 = drift.epsilon(x.view(), s)?;
    let k2 = drift.epsilon(combined(x, &[(0.5 * h, &k1)]).view(), s + 0.5 * h)?;
    let k3 = drift.epsilon(combined(x, &[(0.5 * h, &k2)]).view(), s + 0.5 * h)?;
    let k4 = drift.epsilon(combined(x, &[(h, &k3)]).view(), t)?;
    *x = combined(x, &[(h / 6.0, &k1), (h / 3.0, &k2), (h / 3.0, &k3), (h / 6.0, &k4)]);
    Ok(())
}

/// The closed form, at any t ≥ 0.
///
/// # Errors
/// Where the denoiser has none.
pub fn exact<T: Scalar>(denoiser: &dyn Denoiser<T>, x: ArrayView2<T>, s: f64, t: f64) -> Result<Array2<T>> {
    denoiser.flow(x, s, t).ok_or_else(|| {
        anyhow!("the flow has a closed form for mixtures of one component alone; choose another solver")
    })
}

/// Dormand and Prince's 5(4) pair with a step for every row of its own, so that
/// a row's path does not depend on its neighbours.
pub struct RungeKutta45 {
    rtol: f64,
    atol: f64,
    /// Step that each row would like next, as a share of σ; kept between levels.
    wanted: Vec<f64>,
}

const DP_C: [f64; 6] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0];
const DP_A: [&[f64]; 6] = [
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
];
/// Weights of the fifth-order result, which are also the seventh stage.
const DP_B: [f64; 6] = [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0];
/// Fifth order less fourth.
const DP_E: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// A row whose step falls below this share of σ is not going to finish.
const SMALLEST_STEP: f64 = 1e-10;

impl RungeKutta45 {
    pub fn new(rtol: f64, atol: f64, rows: usize) -> Self {
        RungeKutta45 { rtol, atol, wanted: vec![0.1; rows] }
    }

    /// Carries every row from s to t, the first of which has the number `first`; evaluations are counted by `denoiser`.
    pub fn advance<T: Scalar>(
        &mut self,
        denoiser: &Counted<T>,
        x: &mut Array2<T>,
        first: u64,
        s: f64,
        t: f64,
    ) -> Result<Work> {
        let mut work = Work::default();
        for (i, mut row) in x.axis_iter_mut(Axis(0)).enumerate() {
            let drift = Drift { denoiser, rows: Going::Alone(first + i as u64) };
            let mut point = row.to_owned().insert_axis(Axis(0));
            self.advance_row(&drift, &mut point, i, s, t, &mut work)?;
            row.assign(&point.row(0));
        }
        Ok(work)
    }

    fn advance_row<T: Scalar>(
        &mut self,
        drift: &Drift<T>,
        x: &mut Array2<T>,
        row: usize,
        s: f64,
        t: f64,
        work: &mut Work,
    ) -> Result<()> {
        let direction = (t - s).signum();
        // The estimate of a step's error is rounded, too: below that of T it would only fall with the
        // step itself, and steps would shrink until the estimate of nothing suits.
        let size = (squared_norms(x.view())[0] / x.ncols() as f64).sqrt();
        let rounding = T::epsilon().wide();
        ensure!(
            self.atol + self.rtol * size >= rounding * size,
            "rk45 at noise level {s}: the tolerance is below the rounding of {}, {rounding:.1e} of points of size \
             {size:.3}; loosen --rtol and --atol{}",
            T::DTYPE,
            if T::DTYPE == Dtype::F32 { " or compute with --dtype f64" } else { "" }
        );
        let mut sigma = s;
        let mut k1 = drift.epsilon(x.view(), s)?;
        while sigma != t {
            let from = sigma;
            let share = self.wanted[row];
            ensure!(
                share > SMALLEST_STEP,
                "rk45 at noise level {sigma}: the step fell below {SMALLEST_STEP} of it; loosen --rtol and --atol \
                 or compute with --dtype f64"
            );
            let remaining = (t - sigma).abs();
            let last = share * sigma >= remaining;
            let h = if last { t - sigma } else { direction * share * sigma };
            let mut k = vec![k1.clone()];
            for stage in 1..6 {
                let terms: Vec<(f64, &Array2<T>)> =
                    DP_A[stage].iter().zip(&k).map(|(a, k)| (h * a, k)).collect();
                let next = drift.epsilon(combined(x, &terms).view(), sigma + DP_C[stage] * h)?;
                k.push(next);
            }
            let terms: Vec<(f64, &Array2<T>)> = DP_B.iter().zip(&k).map(|(b, k)| (h * b, k)).collect();
            let proposal = combined(x, &terms);
            let arrived = if last { t } else { sigma + h };
            k.push(drift.epsilon(proposal.view(), arrived)?);
            let error = self.error(x, &proposal, &k, h);
            ensure!(
                error.is_finite(),
                "rk45 at noise level {sigma}: the flow is not finite; look for non-finite latents"
            );
            if error <= 1.0 {
                *x = proposal;
                k1 = k.swap_remove(6);
                sigma = arrived;
                work.accepted += 1;
            } else {
                work.rejected += 1;
            }
            // A step cut short by the end of the interval says nothing about
            // the length of the next one.
            if !(last && error <= 1.0) {
                let factor = if error > 0.0 { (0.9 * error.powf(-0.2)).clamp(0.2, 5.0) } else { 5.0 };
                self.wanted[row] = (h.abs() / from * factor).min(0.5);
            }
        }
        Ok(())
    }

    /// Root mean square of the error estimate over its tolerance.
    fn error<T: Scalar>(&self, x: &Array2<T>, proposal: &Array2<T>, k: &[Array2<T>], h: f64) -> f64 {
        let mut sum = 0.0;
        for j in 0..x.ncols() {
            let estimate: f64 = h * DP_E.iter().zip(k).map(|(e, k)| e * k[[0, j]].wide()).sum::<f64>();
            let size = x[[0, j]].wide().abs().max(proposal[[0, j]].wide().abs());
            sum += (estimate / (self.atol + self.rtol * size)).powi(2);
        }
        (sum / x.ncols() as f64).sqrt()
    }
}
