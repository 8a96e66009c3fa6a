//! Training proper: Adam on the denoising loss over orthonormal bases.
//!
//! The network is D(x; σ) = 1/(1+σ²) Σ_k w_k U_kU_kᵀx (equation 9 of arXiv
//! 2409.02426), the loss E‖D(x_0+σε; σ) − x_0‖² over rows, noise levels and noise.
//!
//! * `hardmax`: w is 1 for the subspace nearest to the clean row. The mean over ε
//!   is then known, −(1+2σ²)/(1+σ²)² Σ‖U_kᵀx‖² + … up to what U cannot change,
//!   so no noise is drawn and one noise level is as good as any.
//! * `softmax`: w is the posterior weight of the noisy row. Noise levels
//!   ln σ ~ N(−1.2, 1.2²) and noise are drawn anew for every step.
//!
//! A step is Adam's along the manifold, in the metric of the coordinates z = U_kᵀx:
//! the gradient is multiplied by (Σ z zᵀ/N)⁻¹ first. Otherwise directions in
//! which the few rows at N_k = r happen to be short are learned 10⁴ times more
//! slowly than the others. After every step the bases are retracted to
//! orthonormal ones by QR.

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::{Fit, Found, Iteration, Settings, Weighting, finished, join, leading_basis, split, start};
use crate::linalg::{cast, orthonormalize, product, symmetric_eigen};
use crate::random::{Purpose, row_rng, standard_normals, step_rng};
use crate::scalar::Scalar;

/// Steps after which the loss enters the report.
const INTERVAL: usize = 10;

/// Change of the loss over an interval, relative to the rows' energy, that
/// counts as rest when training ends.
const RESTING: f64 = 1e-6;

/// Loss, relative to the rows' energy, that is nothing but the rounding of their
/// difference: every row is captured, and no step or start can do better. Going on
/// would even do harm, since Adam scales the rounding of a gradient of 0 up to whole
/// steps.
const COMPLETE: f64 = 16.0 * f64::EPSILON;

/// Trains from one start after the other and keeps the lowest loss; a start that
/// captures every row is the last.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let rows = cast::<T, f64>(x);
    let energy = rows.mapv(|v| v * v).sum() / rows.nrows() as f64;
    let mut history = Vec::new();
    let mut best: Option<(f64, usize, bool, Vec<Array2<f64>>)> = None;
    // With one component every start leads to the same subspace.
    let restarts = if settings.ranks.len() == 1 { 1 } else { settings.restarts.max(1) };
    for restart in 0..restarts {
        let (bases, loss, converged) = train(rows.view(), energy, settings, restart, &mut history)?;
        if best.as_ref().is_none_or(|(l, ..)| loss < *l) {
            best = Some((loss, restart, converged, bases));
        }
        if loss <= COMPLETE * energy {
            break;
        }
    }
    let Some((_, chosen, converged, bases)) = best else {
        anyhow::bail!("--restarts 0: a fit needs at least one start");
    };
    let labels = nearest(rows.view(), &bases);
    // What the rows of a component leave open was never trained: report it.
    let mut completed = Vec::new();
    for (k, basis) in bases.iter().enumerate() {
        let mine = super::rows_of(rows.view(), &labels, k, None);
        let inside = product(mine.view(), basis.view());
        let nothing = Array2::zeros((basis.ncols(), 0));
        completed.push(leading_basis(inside.view(), basis.ncols(), nothing.view(), settings.seed, k)?.1);
    }
    let found = Found { bases, completed, labels };
    Ok(Fit {
        mixture: finished(x, &found, settings.parts)?,
        history,
        chosen,
        converged,
        completed: found.completed,
        floored: None,
    })
}

fn train(
    x: ArrayView2<f64>,
    energy: f64,
    settings: &Settings,
    restart: usize,
    history: &mut Vec<Iteration>,
) -> Result<(Vec<Array2<f64>>, f64, bool)> {
    let ranks = &settings.ranks;
    let start = join(&beginning(x, settings, restart)?);
    let mut bases = retracted(start.view(), ranks, settings.orthogonal);
    let mut adam = Adam::new(join(&bases).raw_dim());
    let (mut loss, mut before) = (f64::INFINITY, f64::INFINITY);
    for step in 0..settings.iterations {
        let (value, gradient) = match settings.weighting {
            Weighting::Hardmax => hardmax_loss(x, &bases),
            Weighting::Softmax => softmax_loss(x, &bases, settings.seed, step),
        };
        loss = value;
        if step % INTERVAL == 0 || step + 1 == settings.iterations {
            history.push(Iteration { restart, iteration: step, objective: loss });
            if step + INTERVAL < settings.iterations {
                before = loss;
            }
        }
        if settings.weighting == Weighting::Hardmax && loss <= COMPLETE * energy {
            return Ok((bases, loss, true));
        }
        // Cosine decay to 0: the last steps settle.
        let progress = step as f64 / settings.iterations as f64;
        let lr = settings.lr * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let joint = join(&bases);
        let descent = tangent(&joint, &scaled(&gradient, x, &bases)?, ranks, settings.orthogonal);
        let stepped = &joint - &(adam.direction(&descent) * lr);
        bases = retracted(stepped.view(), ranks, settings.orthogonal);
    }
    if settings.weighting == Weighting::Softmax {
        // Losses of different draws do not compare; the hard one does.
        loss = hardmax_loss(x, &bases).0;
        before = loss;
    }
    let converged = (before - loss).abs() <= RESTING.max(1e-4 * settings.lr) * energy.max(f64::MIN_POSITIVE);
    Ok((bases, loss, converged))
}

/// One component starts anywhere (a random frame); several where K-subspaces would.
fn beginning(x: ArrayView2<f64>, settings: &Settings, restart: usize) -> Result<Vec<Array2<f64>>> {
    if settings.ranks.len() > 1 {
        return start::bases(x, settings, restart);
    }
    let (d, r) = (x.ncols(), settings.ranks[0]);
    let mut rng = row_rng(settings.seed, Purpose::Restarts, restart as u64);
    let drawn = standard_normals::<f64>(&mut rng, d * r);
    let drawn = Array2::from_shape_fn((d, r), |(i, j)| drawn[i * r + j]);
    Ok(vec![orthonormalize(drawn.view())])
}

/// Which subspace captures most of each row.
fn nearest(x: ArrayView2<f64>, bases: &[Array2<f64>]) -> Vec<usize> {
    let energies: Vec<Vec<f64>> =
        bases.iter().map(|b| product(x, b.view()).outer_iter().map(|z| z.dot(&z)).collect()).collect();
    (0..x.nrows())
        .map(|i| {
            (1..bases.len()).fold(0, |best, k| if energies[k][i] > energies[best][i] { k } else { best })
        })
        .collect()
}

/// Mean of ‖x‖² − ‖U_kᵀx‖² over rows (the loss at σ → 0, in the units of every
/// σ) and its gradient −2 Σ x xᵀU_k / N in [U_1 … U_K].
fn hardmax_loss(x: ArrayView2<f64>, bases: &[Array2<f64>]) -> (f64, Array2<f64>) {
    let labels = nearest(x, bases);
    let n = x.nrows() as f64;
    let mut captured = 0.0;
    let gradients: Vec<Array2<f64>> = bases
        .iter()
        .enumerate()
        .map(|(k, basis)| {
            let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
            let rows = x.select(Axis(0), &mine);
            let z = product(rows.view(), basis.view());
            captured += z.mapv(|v| v * v).sum();
            product(rows.t(), z.view()) * (-2.0 / n)
        })
        .collect();
    ((x.mapv(|v| v * v).sum() - captured) / n, join(&gradients))
}

/// The loss of one draw of noise levels and noise, and its gradient. With
/// s = 1/(1+σ²), e = D − x_0, z_k = U_kᵀx, φ = 1/(2σ²(1+σ²)), w_k ∝ exp(φ‖z_k‖²) (s σ²)^(r_k/2) of N(0, U_kU_kᵀ + σ²I):
/// ∂/∂U_k = 2s w_k (e z_kᵀ + x (U_kᵀe)ᵀ) + 4sφ w_k (e·p_k − Σ_j w_j e·p_j) x z_kᵀ.
pub fn softmax_loss(
    x0: ArrayView2<f64>,
    bases: &[Array2<f64>],
    seed: u64,
    step: usize,
) -> (f64, Array2<f64>) {
    let (n, d) = x0.dim();
    let mut loss = 0.0;
    let mut gradients: Vec<Array2<f64>> = bases.iter().map(|b| Array2::zeros(b.raw_dim())).collect();
    for (i, x0) in x0.outer_iter().enumerate() {
        let mut rng = step_rng(seed, Purpose::Training, step as u64, i as u64);
        let drawn = standard_normals::<f64>(&mut rng, d + 1);
        let sigma = (-1.2 + 1.2 * drawn[0]).exp();
        let x = &x0 + &(ArrayView1::from(&drawn[1..]).to_owned() * sigma);
        let (s, phi) = (1.0 / (1.0 + sigma * sigma), 0.5 / (sigma * sigma * (1.0 + sigma * sigma)));
        let z: Vec<_> = bases.iter().map(|b| b.t().dot(&x)).collect();
        let p: Vec<_> = bases.iter().zip(&z).map(|(b, z)| b.dot(z)).collect();
        // ½ ln det of the covariance over σ², of each of its directions.
        let spread = 0.5 * (sigma * sigma).recip().ln_1p();
        let logs: Vec<f64> = z.iter().map(|z| phi * z.dot(z) - spread * z.len() as f64).collect();
        let top = logs.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let mut w: Vec<f64> = logs.iter().map(|l| (l - top).exp()).collect();
        let total: f64 = w.iter().sum();
        w.iter_mut().for_each(|w| *w /= total);
        let mut e = -&x0;
        for (w, p) in w.iter().zip(&p) {
            e.scaled_add(s * w, p);
        }
        loss += e.dot(&e);
        let along: Vec<f64> = p.iter().map(|p| e.dot(p)).collect();
        let mean: f64 = w.iter().zip(&along).map(|(w, a)| w * a).sum();
        for (k, gradient) in gradients.iter_mut().enumerate() {
            let ue = bases[k].t().dot(&e);
            let bend = 4.0 * s * phi * w[k] * (along[k] - mean);
            let pull = 2.0 * s * w[k];
            for (a, mut row) in gradient.outer_iter_mut().enumerate() {
                for b in 0..row.len() {
                    row[b] += pull * (e[a] * z[k][b] + x[a] * ue[b]) + bend * x[a] * z[k][b];
                }
            }
        }
    }
    let scale = 1.0 / n as f64;
    (loss * scale, join(&gradients) * scale)
}

/// The gradient times (Σ z zᵀ/N)⁻¹ for every basis, z the coordinates of the
/// rows nearest to it.
fn scaled(gradient: &Array2<f64>, x: ArrayView2<f64>, bases: &[Array2<f64>]) -> Result<Array2<f64>> {
    let labels = nearest(x, bases);
    let mut parts = split(gradient.view(), &bases.iter().map(|b| b.ncols()).collect::<Vec<_>>());
    for (k, part) in parts.iter_mut().enumerate() {
        let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
        let z = product(x.select(Axis(0), &mine).view(), bases[k].view());
        let (energies, axes) = symmetric_eigen((product(z.t(), z.view()) / x.nrows() as f64).view())?;
        // Directions without data keep a gradient of 0, whatever it is divided by.
        let floor = 1e-10 * energies.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let mut along = product(part.view(), axes.view());
        for (mut column, e) in along.columns_mut().into_iter().zip(&energies) {
            column /= e.max(floor);
        }
        *part = product(along.view(), axes.t());
    }
    Ok(join(&parts))
}

/// The part of the gradient along the manifold: G − U sym(UᵀG), for every basis
/// or jointly.
fn tangent(joint: &Array2<f64>, gradient: &Array2<f64>, ranks: &[usize], orthogonal: bool) -> Array2<f64> {
    let project = |u: ArrayView2<f64>, g: ArrayView2<f64>| {
        let inner = product(u.t(), g);
        let symmetric = (&inner + &inner.t()) * 0.5;
        &g - &product(u, symmetric.view())
    };
    if orthogonal {
        return project(joint.view(), gradient.view());
    }
    let mut out = gradient.clone();
    let mut at = 0;
    for &r in ranks {
        let columns = s![.., at..at + r];
        out.slice_mut(columns).assign(&project(joint.slice(columns), gradient.slice(columns)));
        at += r;
    }
    out
}

fn retracted(joint: ArrayView2<f64>, ranks: &[usize], orthogonal: bool) -> Vec<Array2<f64>> {
    if orthogonal {
        return split(orthonormalize(joint).view(), ranks);
    }
    split(joint, ranks).iter().map(|b| orthonormalize(b.view())).collect()
}

/// Adam (arXiv 1412.6980) with one second moment for the whole matrix, as its
/// Riemannian form has it (arXiv 1810.00760): the step does not depend on the
/// coordinates the data come in.
struct Adam {
    first: Array2<f64>,
    second: f64,
    steps: i32,
}

impl Adam {
    const BETA_1: f64 = 0.9;
    const BETA_2: f64 = 0.999;

    fn new(shape: ndarray::Ix2) -> Adam {
        Adam { first: Array2::zeros(shape), second: 0.0, steps: 0 }
    }

    fn direction(&mut self, gradient: &Array2<f64>) -> Array2<f64> {
        self.steps += 1;
        let size = gradient.mapv(|g| g * g).sum() / gradient.len().max(1) as f64;
        self.first = &self.first * Self::BETA_1 + gradient * (1.0 - Self::BETA_1);
        self.second = self.second * Self::BETA_2 + size * (1.0 - Self::BETA_2);
        let first = 1.0 - Self::BETA_1.powi(self.steps);
        let second = 1.0 - Self::BETA_2.powi(self.steps);
        &self.first / (first * ((self.second / second).sqrt() + 1e-12))
    }
}
