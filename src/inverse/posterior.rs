//! The exact posterior of a mixture of low-rank Gaussians under y = A x + s·ε, again a mixture.
//!
//! In component k let x = μ + U z + n with z ~ N(0, C), C = diag(λ − δ), and n ~ N(0, δ I): the same law. What y has
//! besides U z is N(A μ, N), N = δ A Aᵀ + s² I; some R of RᵀR = N⁻¹ is known, so all that is left is of the size of the
//! rank. With W = R A U C^½ = P diag(w) Eᵀ (singular values, m × r), q̃ = R(y − A μ) and t = Pᵀq̃,
//!
//! * log weight ln π − ½[ln det N + Σ ln(1 + w²) + ‖q̃ − P t‖² + Σ t²/(1 + w²)], which is N(y; Aμ, AΣAᵀ + s² I)
//! * mean μ + K(y − A μ), K(y − Aμ) = U C^½ E diag(w/(1 + w²)) t + δ AᵀRᵀ(q̃ − P diag(w²/(1 + w²)) t),
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
//! The cost is 4·m·r + 2·d·r operations a component and row; of a matrix and δ > 0 also 2·m², and 2·m·d a row.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s, stack};
use rand::Rng;
use rayon::prelude::*;

use super::TOO_LARGE;
use super::operator::Operator;
use super::whitening::Whitening;
use crate::blocks::room;
use crate::linalg::{complete_basis, orthonormalize, product, squared_norms, thin_svd};
use crate::mixture::{Component, Mixture, joined};
use crate::random::{Purpose, row_rng, standard_normals, step_rng, uniform};

/// The posteriors of a mixture for any measurement.
pub struct Posterior<'a> {
    operator: &'a Operator,
    /// s.
    noise_std: f64,
    /// Of each δ that a component has.
    whitenings: Vec<Whitening>,
    parts: Vec<Part>,
}

/// What no measurement changes of a component.
struct Part {
    prior: Component,
    /// Which of the whitenings is that of its δ.
    whitening: usize,
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

/// What q = y − Aμ is to a component, rows of q in rows.
struct Residual {
    /// t, (n, q).
    along: Array2<f64>,
    /// (I + W Wᵀ)⁻¹q̃ = q̃ − P diag(w²/(1 + w²)) t, (n, m).
    rest: Array2<f64>,
    /// qᵀ(A Σ Aᵀ + s² I)⁻¹q, (n).
    squares: Array1<f64>,
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
        // With no noise left, a component has all d directions, their measurements, and their lifts; while they are completed
        // or measured, one more copy.
        let (full, d) = (mixture.components.iter().filter(|c| exceeds(c)).count(), operator.dim());
        room(&[4, full, d, d], "a mixture whose noise exceeds variances on its subspaces")?;
        let priors: Vec<Component> = mixture.components.into_iter().map(with_least_noise).collect();
        let image = |prior: &Component| {
            operator
                .apply(concatenate![Axis(0), prior.basis.t(), prior.mean.view().insert_axis(Axis(0))].view())
        };
        let (whitenings, images) = rayon::join(
            || whitenings(operator, &priors, noise_std * noise_std),
            || priors.par_iter().map(image).collect::<Vec<_>>(),
        );
        let mut posterior = Posterior { operator, noise_std, whitenings: whitenings?, parts: Vec::new() };
        let parts = priors.into_par_iter().zip(images);
        posterior.parts = parts.map(|(prior, image)| posterior.part(prior, image)).collect::<Result<_>>()?;
        Ok(posterior)
    }

    /// Of a component and A [U, μ], rows of its transpose.
    fn part(&self, prior: Component, image: Array2<f64>) -> Result<Part> {
        let delta = prior.noise_variance;
        let whitening = self.whitenings.partition_point(|whitening| whitening.c < delta);
        let Whitening { log_determinant, .. } = &self.whitenings[whitening];
        let std = prior.variances.mapv(|l| (l - delta).max(0.0).sqrt());
        let (columns, centre) = image.view().split_at(Axis(0), std.len());
        let columns = &columns * &std.view().insert_axis(Axis(1));
        let whitened = self.whitenings[whitening].apply(self.operator, columns.view())?;
        let (left, values, right) = thin_svd(whitened.t())?;
        let lift = product((&prior.basis * &std).view(), right.view()) * values.mapv(|w| w / (1.0 + w * w));
        let inside: f64 = values.iter().map(|w| (w * w).ln_1p()).sum();
        let offset = prior.weight.ln() - 0.5 * (log_determinant + inside);
        Ok(Part {
            whitening,
            std,
            centre: centre.row(0).to_owned(),
            image: columns.reversed_axes(),
            left,
            values,
            right,
            lift,
            offset,
            prior,
        })
    }

    /// Of a component, for every row of q = y − Aμ.
    fn residual(&self, part: &Part, q: ArrayView2<f64>) -> Result<Residual> {
        let whitened = self.whitenings[part.whitening].apply(self.operator, q)?;
        let along = product(whitened.view(), part.left.view());
        let off = &whitened - &product(along.view(), part.left.t());
        let shrunk = &along * &part.values.mapv(|w| 1.0 / (1.0 + w * w));
        let squares = squared_norms(off.view()) + (&along * &shrunk).sum_axis(Axis(1));
        let rest = off + product(shrunk.view(), part.left.t());
        Ok(Residual { along, rest, squares })
    }

    /// K q of a component but for the noise's share of it, which is Aᵀ of what comes second, if there is one.
    fn gain(&self, part: &Part, residual: &Residual) -> Result<(Array2<f64>, Option<Array2<f64>>)> {
        let gain = product(residual.along.view(), part.lift.t());
        let whitening = &self.whitenings[part.whitening];
        if whitening.c == 0.0 {
            return Ok((gain, None));
        }
        Ok((gain, Some(whitening.adjoint(self.operator, residual.rest.view())? * whitening.c)))
    }

    /// K q.
    fn update(&self, part: &Part, residual: &Residual) -> Result<Array2<f64>> {
        let (gain, noise) = self.gain(part, residual)?;
        Ok(match noise {
            Some(noise) => gain + self.operator.adjoint(noise.view()),
            None => gain,
        })
    }

    /// Of every component, for every row y.
    fn residuals(&self, y: ArrayView2<f64>) -> Result<Vec<Residual>> {
        self.parts.iter().map(|part| self.residual(part, (&y - &part.centre).view())).collect()
    }

    /// Weights of the components, (n, K).
    fn weights(&self, residuals: &[Residual]) -> Result<Array2<f64>> {
        let logs: Vec<Array1<f64>> =
            self.parts.iter().zip(residuals).map(|(part, r)| part.offset - 0.5 * &r.squares).collect();
        let logs: Vec<_> = logs.iter().map(|logs| logs.view()).collect();
        let mut weights = stack(Axis(1), &logs)?;
        for mut row in weights.outer_iter_mut() {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            ensure!(largest.is_finite(), TOO_LARGE);
            row.mapv_inplace(|w| (w - largest).exp());
            let total = row.sum();
            row /= total;
        }
        Ok(weights)
    }

    /// E[x | y] for every row y, (n, m) → (n, d).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn mean(&self, y: ArrayView2<f64>) -> Result<Array2<f64>> {
        let residuals = self.residuals(y)?;
        let weights = self.weights(&residuals)?;
        let mut mean = Array2::zeros((y.nrows(), self.operator.dim()));
        // Aᵀ of a sum, rather than a sum of Aᵀ.
        let mut noises: Option<Array2<f64>> = None;
        for ((part, residual), weights) in self.parts.iter().zip(&residuals).zip(weights.columns()) {
            let weights = weights.insert_axis(Axis(1));
            let (gain, noise) = self.gain(part, residual)?;
            mean += &((gain + &part.prior.mean) * weights);
            if let Some(noise) = noise {
                *noises.get_or_insert_with(|| Array2::zeros(y.raw_dim())) += &(noise * weights);
            }
        }
        Ok(match noises {
            Some(noises) => mean + self.operator.adjoint(noises.view()),
            None => mean,
        })
    }

    /// qᵀ(A Σ Aᵀ + s² I)⁻¹q/m of every row y in the component that is likeliest for it: of what the mixture and the noise
    /// really make, 1 on average, with a deviation of √(2/m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn surprise(&self, y: ArrayView2<f64>) -> Result<Array1<f64>> {
        let mut best = Array1::from_elem(y.nrows(), (f64::NEG_INFINITY, f64::NAN));
        for (part, residual) in self.parts.iter().zip(self.residuals(y)?) {
            for (best, square) in best.iter_mut().zip(residual.squares) {
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
        let weights = self.weights(&self.residuals(y)?)?;
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
        x += &self.update(part, &self.residual(part, q.view())?)?;
        Ok(x + &prior.mean)
    }

    /// p(x | y) itself.
    ///
    /// # Errors
    /// When it does not fit in memory, and on numbers too large to factorize.
    pub fn mixture(&self, y: ArrayView1<f64>) -> Result<Mixture> {
        let residuals = self.residuals(y.insert_axis(Axis(0)))?;
        let weights = self.weights(&residuals)?;
        let mut components = Vec::new();
        for ((part, residual), weight) in self.parts.iter().zip(&residuals).zip(weights.row(0)) {
            let mean = self.update(part, residual)?.row(0).to_owned() + &part.prior.mean;
            components.push(self.posterior_of(part, *weight, mean)?);
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

/// Of each δ, in order.
fn whitenings(operator: &Operator, priors: &[Component], s2: f64) -> Result<Vec<Whitening>> {
    let mut deltas: Vec<f64> = priors.iter().map(|prior| prior.noise_variance).collect();
    deltas.sort_by(f64::total_cmp);
    deltas.dedup();
    // All together in no more than twice the memory of A; singular values do for any number of them.
    let few = operator.count() * deltas.len() <= 2 * operator.dim();
    let gram = if few && deltas.iter().any(|delta| *delta > 0.0) { operator.small_gram() } else { None };
    deltas.into_iter().map(|delta| Whitening::new(operator, gram.as_ref(), delta, s2)).collect()
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
