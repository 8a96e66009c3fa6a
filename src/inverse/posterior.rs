//! The exact posterior of a mixture of low-rank Gaussians under y = A x + s·ε, again a mixture.
//!
//! In component k let x = μ + U z + n with z ~ N(0, C), C = diag(λ − δ), and n ~ N(0, δ I): the same law. What y has
//! besides U z is N(A μ, N), N = δ A Aᵀ + s² I, whose functions the operator knows; so all that is left is of the size
//! of the rank. With W = N^(−½) A U C^½ = P diag(w) Eᵀ (singular values, m × r), q̃ = N^(−½)(y − A μ) and t = Pᵀq̃,
//!
//! * log weight ln π − ½[ln det N + Σ ln(1 + w²) + ‖q̃ − P t‖² + Σ t²/(1 + w²)], which is N(y; Aμ, AΣAᵀ + s² I)
//! * mean μ + K(y − A μ), K(y − Aμ) = U C^½ E diag(w/(1 + w²)) t + δ Aᵀ N^(−½) (q̃ − P diag(w²/(1 + w²)) t),
//!   which is Σ Aᵀ (A Σ Aᵀ + s² I)⁻¹ (y − Aμ) (Woodbury's identity)
//! * covariance G Q Gᵀ + δ I − δ² Aᵀ N⁻¹ A, G = U − δ Aᵀ N⁻¹ A U, Q = C^½ (I − E diag(w²/(1 + w²)) Eᵀ) C^½,
//!   which is Σ − Σ Aᵀ (A Σ Aᵀ + s² I)⁻¹ A Σ
//!
//! Along a right singular vector of A, with A Aᵀ's eigenvalue e, G is U times s²/(δe + s²), and the noise δs²/(δe + s²): so
//! no term is a difference of large ones, however small s is. For δ = 0 the posterior is of the prior's rank; else it has
//! the directions that A sees, too, whose noise is smaller: of rank r + rank A, or r + d − rank A where that is less and
//! A Aᵀ a multiple of I. Rows are drawn without their covariance: x = x₀ + K(y − A x₀ − s·ε) for x₀ of the prior's component
//! (Matheron's rule).
//!
//! The cost is 4·m·r + 2·d·r operations a component and row.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use rand::Rng;

use super::TOO_LARGE;
use super::operator::Operator;
use crate::blocks::room;
use crate::linalg::{complete_basis, orthonormalize, product, squared_norms, thin_svd};
use crate::mixture::{Component, Mixture, joined};
use crate::random::{Purpose, row_rng, standard_normals, step_rng, uniform};

/// The posteriors of a mixture for any measurement.
pub struct Posterior<'a> {
    operator: &'a Operator,
    /// s.
    noise_std: f64,
    parts: Vec<Part>,
}

/// What no measurement changes of a component.
struct Part {
    prior: Component,
    /// C^½, (r).
    std: Array1<f64>,
    /// A μ, (m).
    centre: Array1<f64>,
    /// A U C^½, (m, r).
    image: Array2<f64>,
    /// P, (m, q) with q ≤ min(m, r).
    left: Array2<f64>,
    /// w, (q).
    values: Array1<f64>,
    /// E, (r, q).
    right: Array2<f64>,
    /// U C^½ E diag(w/(1 + w²)), (d, q).
    lift: Array2<f64>,
    /// ln π − ½[ln det N + Σ ln(1 + w²)].
    offset: f64,
}

/// Numbers of a row's draws, as steps of [`Purpose::Restoration`]: of its own, so that neither the data nor the noise of
/// the same seed come back.
const LABEL: u64 = 0;
const COEFFICIENTS: u64 = 1;
const NOISE: u64 = 2;
const MEASUREMENT: u64 = 3;

impl<'a> Posterior<'a> {
    /// Of a mixture on R^d, measured by an operator on it with noise s > 0.
    ///
    /// # Errors
    /// On noise that is not positive, and numbers too large to factorize.
    pub fn new(mixture: Mixture, operator: &'a Operator, noise_std: f64) -> Result<Posterior<'a>> {
        ensure!(
            noise_std > 0.0,
            "--noise-std {noise_std}: the exact posterior takes noise; give a small one, like 1e-3"
        );
        // With no noise left, a component has all d directions, while they are completed and measured twice as much.
        let (full, d) = (mixture.components.iter().filter(|c| exceeds(c)).count(), operator.dim());
        room(&[3, full, d, d], "a mixture whose noise exceeds variances on its subspaces")?;
        let mut posterior = Posterior { operator, noise_std, parts: Vec::new() };
        for component in mixture.components {
            let part = posterior.part(component)?;
            posterior.parts.push(part);
        }
        Ok(posterior)
    }

    fn part(&self, component: Component) -> Result<Part> {
        let prior = with_least_noise(component);
        let delta = prior.noise_variance;
        let std = prior.variances.mapv(|l| (l - delta).max(0.0).sqrt());
        let centre = self.operator.apply(prior.mean.view().insert_axis(Axis(0))).row(0).to_owned();
        let columns = self.operator.apply(prior.basis.t()) * std.view().insert_axis(Axis(1));
        let (left, values, right) = thin_svd(self.whitened(columns.view(), delta)?.t())?;
        let lift = product((&prior.basis * &std).view(), right.view()) * values.mapv(|w| w / (1.0 + w * w));
        let s2 = self.noise_std * self.noise_std;
        let noise: f64 = self.operator.gram_values_of(delta, s2)?.iter().map(|v| v.ln()).sum();
        let inside: f64 = values.iter().map(|w| (w * w).ln_1p()).sum();
        let offset = prior.weight.ln() - 0.5 * (noise + inside);
        Ok(Part { std, centre, image: columns.reversed_axes(), left, values, right, lift, offset, prior })
    }

    /// N^(−½) y for every row.
    fn whitened(&self, y: ArrayView2<f64>, delta: f64) -> Result<Array2<f64>> {
        if delta == 0.0 {
            return Ok(&y / self.noise_std);
        }
        let s2 = self.noise_std * self.noise_std;
        self.operator.of_gram(y, |e| 1.0 / (delta * e + s2).sqrt())
    }

    /// qᵀ(A Σ Aᵀ + s² I)⁻¹q of a component for every row of q = y − Aμ, and K q.
    fn update(&self, part: &Part, q: ArrayView2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
        let delta = part.prior.noise_variance;
        let whitened = self.whitened(q, delta)?;
        let t = product(whitened.view(), part.left.view());
        let off = &whitened - &product(t.view(), part.left.t());
        let shrunk = &t * &part.values.mapv(|w| 1.0 / (1.0 + w * w));
        let inside = (&t * &shrunk).sum_axis(Axis(1));
        let squares = squared_norms(off.view()) + inside;
        let mut gain = product(t.view(), part.lift.t());
        if delta > 0.0 {
            let rest = off + product(shrunk.view(), part.left.t());
            let back = self.operator.adjoint(self.whitened(rest.view(), delta)?.view());
            gain.scaled_add(delta, &back);
        }
        Ok((squares, gain))
    }

    /// Weights of the components, (n, K), and, if wanted, their means, (n, d) each.
    fn components(&self, y: ArrayView2<f64>) -> Result<(Array2<f64>, Vec<Array2<f64>>)> {
        let mut weights = Array2::zeros((y.nrows(), self.parts.len()));
        let mut means = Vec::new();
        for (part, mut column) in self.parts.iter().zip(weights.columns_mut()) {
            let (squares, gain) = self.update(part, (&y - &part.centre).view())?;
            column.assign(&(part.offset - 0.5 * squares));
            means.push(gain + &part.prior.mean);
        }
        for mut row in weights.outer_iter_mut() {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            ensure!(largest.is_finite(), TOO_LARGE);
            row.mapv_inplace(|w| (w - largest).exp());
            let total = row.sum();
            row /= total;
        }
        Ok((weights, means))
    }

    /// E[x | y] for every row y, (n, m) → (n, d).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn mean(&self, y: ArrayView2<f64>) -> Result<Array2<f64>> {
        let (weights, means) = self.components(y)?;
        let mut mean = Array2::zeros((y.nrows(), self.operator.dim()));
        for (weights, means) in weights.columns().into_iter().zip(means) {
            mean += &(means * weights.insert_axis(Axis(1)));
        }
        Ok(mean)
    }

    /// qᵀ(A Σ Aᵀ + s² I)⁻¹q/m of every row y in the component that is likeliest for it: of what the mixture and the noise
    /// really make, 1 on average, with a deviation of √(2/m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn surprise(&self, y: ArrayView2<f64>) -> Result<Array1<f64>> {
        let mut best = Array1::from_elem(y.nrows(), (f64::NEG_INFINITY, f64::NAN));
        for part in &self.parts {
            let (squares, _) = self.update(part, (&y - &part.centre).view())?;
            for (best, square) in best.iter_mut().zip(squares) {
                let log_weight = part.offset - 0.5 * square;
                if log_weight > best.0 {
                    *best = (log_weight, square);
                }
            }
        }
        Ok(best.mapv(|(_, square)| square / y.ncols() as f64))
    }

    /// A draw of p(x | y) for every row y; row 0 has the number `first`, which with the seed says what is drawn.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn sample(&self, y: ArrayView2<f64>, first: u64, seed: u64) -> Result<Array2<f64>> {
        let (weights, _) = self.components(y)?;
        let chosen = |(i, weights): (usize, ArrayView1<f64>)| {
            let u = uniform(&mut step_rng(seed, Purpose::Restoration, LABEL, first + i as u64));
            let mut total = 0.0;
            let below = weights.iter().filter(|w| {
                total += **w;
                u >= total
            });
            below.count().min(weights.len() - 1)
        };
        let labels: Vec<usize> = weights.outer_iter().enumerate().map(chosen).collect();
        let mut x = Array2::zeros((y.nrows(), self.operator.dim()));
        for (k, part) in self.parts.iter().enumerate() {
            let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
            let numbers: Vec<u64> = mine.iter().map(|&i| first + i as u64).collect();
            let drawn = self.draw(part, y.select(Axis(0), &mine).view(), &numbers, seed)?;
            drawn.outer_iter().zip(mine).for_each(|(drawn, i)| x.row_mut(i).assign(&drawn));
        }
        Ok(x)
    }

    /// Draws of one component's posterior, by Matheron's rule.
    fn draw(&self, part: &Part, y: ArrayView2<f64>, numbers: &[u64], seed: u64) -> Result<Array2<f64>> {
        let normals = |step: u64, width: usize| {
            let mut out = Array2::zeros((numbers.len(), width));
            for (mut row, &number) in out.outer_iter_mut().zip(numbers) {
                let mut rng = step_rng(seed, Purpose::Restoration, step, number);
                row.assign(&Array1::from(standard_normals::<f64>(&mut rng, width)));
            }
            out
        };
        let prior = &part.prior;
        let z = normals(COEFFICIENTS, part.std.len());
        let mut x = product((&z * &part.std).view(), prior.basis.t());
        let mut seen = product(z.view(), part.image.t());
        if prior.noise_variance > 0.0 {
            let n = normals(NOISE, x.ncols()) * prior.noise_variance.sqrt();
            seen += &self.operator.apply(n.view());
            x += &n;
        }
        seen.scaled_add(self.noise_std, &normals(MEASUREMENT, y.ncols()));
        let q = &y - &part.centre - seen;
        x += &self.update(part, q.view())?.1;
        Ok(x + &prior.mean)
    }

    /// p(x | y) itself.
    ///
    /// # Errors
    /// When it does not fit in memory, and on numbers too large to factorize.
    pub fn mixture(&self, y: ArrayView1<f64>) -> Result<Mixture> {
        let (weights, means) = self.components(y.insert_axis(Axis(0)))?;
        let mut components = Vec::new();
        for ((part, mean), weight) in self.parts.iter().zip(means).zip(weights.row(0)) {
            components.push(self.posterior_of(part, *weight, mean.row(0).to_owned())?);
        }
        Ok(Mixture { components })
    }

    fn posterior_of(&self, part: &Part, weight: f64, mean: Array1<f64>) -> Result<Component> {
        let delta = part.prior.noise_variance;
        // Q^½ = C^½ [E diag(1/√(1 + w²)), E⊥], in the digits of its own size, and G Q^½.
        let (r, q) = part.right.dim();
        let none = Array2::zeros((r, 0));
        let mut root = complete_basis(part.right.view(), r, none.view(), &mut completion());
        let narrowed = part.values.mapv(|w| 1.0 / (1.0 + w * w).sqrt());
        root.slice_mut(s![.., ..q]).zip_mut_with(&narrowed, |e, n| *e *= n);
        let factor = product((&part.prior.basis * &part.std).view(), root.view());
        if delta == 0.0 {
            let signs = Array1::ones(factor.ncols());
            return Component::of_factor(weight, mean, 0.0, &factor, &signs);
        }
        let (d, s2) = (self.operator.dim(), self.noise_std * self.noise_std);
        room(&[4, d, self.operator.count()], "the posterior")?;
        // Along v_i, which A sees by √e_i, G is U less its share δe/(δe + s²), and noise alone leaves δs²/(δe + s²).
        let (values, vectors) = self.operator.right_vectors()?;
        let kept = values.mapv(|e| s2 / (delta * e + s2));
        let along = product(vectors.t(), factor.view());
        let mut across = &factor - &product(vectors.view(), along.view());
        // Twice, so that what is left has nothing of v but the rounding of its own size.
        across -= &product(vectors.view(), product(vectors.t(), across.view()).view());
        let along = along * kept.view().insert_axis(Axis(1));
        let alike = values.iter().all(|e| *e == values[0]);
        if alike && 2 * values.len() > d {
            // All seen directions have one variance, which is the noise, and those that are not seen the rest of δ besides.
            let seen = delta * kept[0];
            let rest = complete_basis(vectors.view(), d, Array2::zeros((d, 0)).view(), &mut completion());
            let rest = rest.slice(s![.., values.len()..]).to_owned() * (delta - seen).sqrt();
            let factor = product(vectors.view(), along.view()) + across;
            let factor = joined([factor.view(), rest.view()].into_iter(), d);
            let signs = Array1::ones(factor.ncols());
            return Component::of_factor(weight, mean, seen, &factor, &signs);
        }
        // Σ on the span of V and W, those of U's directions that A does not see: L Lᵀ, of terms that only add up.
        let (left, sizes, _) = thin_svd(across.view())?;
        let largest = squared_norms(factor.t()).iter().fold(0.0f64, |m, v| m.max(v.sqrt()));
        let rounding = f64::EPSILON * d.max(factor.ncols()) as f64 * largest;
        let count = sizes.iter().filter(|s| **s > rounding).count().min(d - values.len());
        // A vector of size s has of V what is left of that in `across`, rounding of the largest, over s: it is taken off again.
        let beside = left.slice(s![.., ..count]);
        let beside = &beside - &product(vectors.view(), product(vectors.t(), beside).view());
        let beside = orthonormalize(beside.view());
        let noise = Array1::from_iter(
            kept.iter().map(|k| (delta * k).sqrt()).chain((0..count).map(|_| delta.sqrt())),
        );
        let below = product(beside.t(), across.view());
        let root = concatenate![Axis(1), concatenate![Axis(0), along, below], Array2::from_diag(&noise)];
        let (turned, deviations, _) = thin_svd(root.view())?;
        let basis = product(concatenate![Axis(1), vectors, beside].view(), turned.view());
        Ok(Component { weight, mean, basis, variances: deviations.mapv(|s| s * s), noise_variance: delta })
    }
}

/// What directions are completed by: any will do.
fn completion() -> impl Rng {
    row_rng(0, Purpose::Completion, 0)
}

/// Whether noise exceeds a variance on the subspace.
fn exceeds(component: &Component) -> bool {
    component.variances.iter().any(|&l| l < component.noise_variance)
}

/// The same Gaussian with λ ≥ δ: one whose noise exceeds a variance on its subspace has all d directions, and no noise.
fn with_least_noise(component: Component) -> Component {
    if !exceeds(&component) {
        return component;
    }
    let Component { weight, mean, basis, variances, noise_variance } = component;
    let (d, r) = basis.dim();
    let none = Array2::zeros((d, 0));
    let all = complete_basis(basis.view(), d, none.view(), &mut completion());
    let variances = concatenate![Axis(0), variances, Array1::from_elem(d - r, noise_variance)];
    Component { weight, mean, basis: all, variances, noise_variance: 0.0 }
}
