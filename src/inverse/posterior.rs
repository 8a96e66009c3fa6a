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
    /// C^½ E diag(w/(1 + w²)), (r, q).
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

/// What some measurements, a row each, are to a mixture.
pub struct Given<'a> {
    posterior: &'a Posterior<'a>,
    y: ArrayView2<'a, f64>,
    /// To each component.
    residuals: Vec<Residual>,
}

/// Rows that go through A and R together, where there are as many: products by a matrix are slower for few.
const TOGETHER: usize = 128;

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
        let (whitenings, images) = rayon::join(
            || whitenings(operator, &priors, noise_std * noise_std),
            || images(operator, &priors),
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
        let lift = &std.view().insert_axis(Axis(1)) * &right * values.mapv(|w| w / (1.0 + w * w));
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

    /// Of a component, for every row of R q, q = y − Aμ.
    fn residual(part: &Part, whitened: ArrayView2<f64>) -> Residual {
        let along = product(whitened.view(), part.left.view());
        let off = &whitened - &product(along.view(), part.left.t());
        let shrunk = &along * &part.values.mapv(|w| 1.0 / (1.0 + w * w));
        let squares = squared_norms(off.view()) + (&along * &shrunk).sum_axis(Axis(1));
        let rest = off + product(shrunk.view(), part.left.t());
        Residual { along, rest, squares }
    }

    /// K q of a component but for the noise's share of it.
    fn inside(part: &Part, residual: &Residual) -> Array2<f64> {
        product(product(residual.along.view(), part.lift.t()).view(), part.prior.basis.t())
    }

    /// The noise's share of K q, but for Aᵀ, of what [`Residual::rest`] is; none where there is no noise.
    fn outside(&self, whitening: &Whitening, rest: ArrayView2<f64>) -> Result<Option<Array2<f64>>> {
        if whitening.c == 0.0 {
            return Ok(None);
        }
        Ok(Some(whitening.adjoint(self.operator, rest)? * whitening.c))
    }

    /// K q.
    fn update(&self, part: &Part, residual: &Residual) -> Result<Array2<f64>> {
        let inside = Posterior::inside(part, residual);
        Ok(match self.outside(&self.whitenings[part.whitening], residual.rest.view())? {
            Some(noise) => inside + self.operator.adjoint(noise.view()),
            None => inside,
        })
    }

    /// What measurements say, (n, m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn given<'y>(&'y self, y: ArrayView2<'y, f64>) -> Result<Given<'y>> {
        let (n, each) = (y.nrows(), TOGETHER.div_ceil(y.nrows().max(1)));
        let mut residuals = Vec::new();
        let alike = self.parts.chunk_by(|a, b| a.whitening == b.whitening);
        for parts in alike.flat_map(|parts| parts.chunks(each)) {
            let all: Vec<Array2<f64>> = parts.iter().map(|part| &y - &part.centre).collect();
            let all = stacked(&all.iter().map(|q| q.view()).collect::<Vec<_>>());
            let whitened = self.whitenings[parts[0].whitening].apply(self.operator, all.view())?;
            let of = |(i, part)| Posterior::residual(part, whitened.slice(s![i * n..(i + 1) * n, ..]));
            residuals.extend(parts.iter().enumerate().map(of));
        }
        Ok(Given { posterior: self, y, residuals })
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
        let whitened = self.whitenings[part.whitening].apply(self.operator, q.view())?;
        x += &self.update(part, &Posterior::residual(part, whitened.view()))?;
        Ok(x + &prior.mean)
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

impl Given<'_> {
    /// With what each is of a component.
    fn parts(&self) -> impl Iterator<Item = (&Part, &Residual)> {
        self.posterior.parts.iter().zip(&self.residuals)
    }

    /// Weights of the components, (n, K).
    fn weights(&self) -> Result<Array2<f64>> {
        let logs: Vec<Array1<f64>> = self.parts().map(|(part, r)| part.offset - 0.5 * &r.squares).collect();
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

    /// E[x | y] for every row y, (n, d).
    ///
    /// # Errors
    /// As [`Operator::of_gram`]; measurements too large for the model.
    pub fn mean(&self) -> Result<Array2<f64>> {
        let Posterior { operator, whitenings, .. } = self.posterior;
        let weights = self.weights()?;
        let mut mean = Array2::zeros((self.y.nrows(), operator.dim()));
        for ((part, residual), weights) in self.parts().zip(weights.columns()) {
            let inside = Posterior::inside(part, residual) + &part.prior.mean;
            mean += &(inside * weights.insert_axis(Axis(1)));
        }
        // Aᵀ and Rᵀ of a sum, rather than a sum of theirs.
        let mut noises: Option<Array2<f64>> = None;
        for (i, whitening) in whitenings.iter().enumerate() {
            let mut rest = Array2::zeros(self.y.raw_dim());
            for ((_, residual), weights) in
                self.parts().zip(weights.columns()).filter(|p| p.0.0.whitening == i)
            {
                rest += &(&residual.rest * &weights.insert_axis(Axis(1)));
            }
            if let Some(noise) = self.posterior.outside(whitening, rest.view())? {
                *noises.get_or_insert_with(|| Array2::zeros(noise.raw_dim())) += &noise;
            }
        }
        Ok(match noises {
            Some(noises) => mean + operator.adjoint(noises.view()),
            None => mean,
        })
    }

    /// qᵀ(A Σ Aᵀ + s² I)⁻¹q/m of every row y in the component that is likeliest for it: of what the mixture and the noise
    /// really make, 1 on average, with a deviation of √(2/m).
    pub fn surprise(&self) -> Array1<f64> {
        let mut best = Array1::from_elem(self.y.nrows(), (f64::NEG_INFINITY, f64::NAN));
        for (part, residual) in self.parts() {
            for (best, &square) in best.iter_mut().zip(&residual.squares) {
                let log_weight = part.offset - 0.5 * square;
                if log_weight > best.0 {
                    *best = (log_weight, square);
                }
            }
        }
        best.mapv(|(_, square)| square / self.y.ncols() as f64)
    }

    /// A draw of p(x | y) for every row y; row 0 has the number `first`, which with the seed says what is drawn.
    ///
    /// # Errors
    /// As [`Given::mean`].
    pub fn sample(&self, first: u64, seed: u64) -> Result<Array2<f64>> {
        let weights = self.weights()?;
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
        let mut x = Array2::zeros((self.y.nrows(), self.posterior.operator.dim()));
        for (k, part) in self.posterior.parts.iter().enumerate() {
            let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
            let numbers: Vec<u64> = mine.iter().map(|&i| first + i as u64).collect();
            let drawn = self.posterior.draw(part, self.y.select(Axis(0), &mine).view(), &numbers, seed)?;
            drawn.outer_iter().zip(mine).for_each(|(drawn, i)| x.row_mut(i).assign(&drawn));
        }
        Ok(x)
    }

    /// p(x | y) of one row itself.
    ///
    /// # Errors
    /// When it does not fit in memory, and on numbers too large to factorize.
    pub fn mixture(&self, row: usize) -> Result<Mixture> {
        let weights = self.weights()?;
        let mut components = Vec::new();
        for ((part, residual), weight) in self.parts().zip(weights.row(row)) {
            let mean = self.posterior.update(part, residual)?.row(row).to_owned() + &part.prior.mean;
            components.push(self.posterior.posterior_of(part, *weight, mean)?);
        }
        Ok(Mixture { components })
    }
}

/// A [U, μ] of every component, as rows of its transpose.
fn images(operator: &Operator, priors: &[Component]) -> Vec<Array2<f64>> {
    let rows: usize = priors.iter().map(|prior| prior.variances.len() + 1).sum();
    let each = priors.len().div_ceil((rows / TOGETHER).max(1));
    let of = |priors: &[Component]| {
        let frames =
            priors.iter().flat_map(|prior| [prior.basis.t(), prior.mean.view().insert_axis(Axis(0))]);
        let image = operator.apply(stacked(&frames.collect::<Vec<_>>()).view());
        let mut end = 0;
        let mut next = |prior: &Component| {
            let begin = end;
            end += prior.variances.len() + 1;
            image.slice(s![begin..end, ..]).to_owned()
        };
        priors.iter().map(&mut next).collect::<Vec<_>>()
    };
    priors.par_chunks(each.max(1)).flat_map_iter(of).collect()
}

/// Columns that are copied together.
const BLOCK: usize = 64;

/// Matrices of as many columns, one below the other.
fn stacked(parts: &[ArrayView2<f64>]) -> Array2<f64> {
    let (rows, columns) = (parts.iter().map(|part| part.nrows()).sum(), parts[0].ncols());
    let mut all = Array2::zeros((rows, columns));
    let mut end = 0;
    for part in parts {
        let begin = end;
        end += part.nrows();
        // By blocks, as a part may lie the other way in memory.
        let mut rows = all.slice_mut(s![begin..end, ..]);
        let blocks = rows.axis_chunks_iter_mut(Axis(1), BLOCK).zip(part.axis_chunks_iter(Axis(1), BLOCK));
        blocks.for_each(|(mut rows, part)| rows.assign(&part));
    }
    all
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
