//! The mixture of low-rank Gaussians (MoLRG) itself: parameters, planting one
//! at random, drawing rows from it.
//!
//! p = Σ_k π_k N(μ_k, Σ_k), Σ_k = U_k diag(λ_k) U_kᵀ + δ_k (I − U_k U_kᵀ),
//! U_k of (d, r_k) with orthonormal columns. MoLRG proper (arXiv 2409.02426)
//! has μ = 0, λ = 1, δ = 0 and mutually orthogonal U_k. Parameters are f64.

mod operations;

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use rayon::prelude::*;

use operations::eigen_of_factor;

use crate::linalg::{cast, largest_eigenvalue, orthonormalize, product};
use crate::random::{Purpose, fill_normal, normal_rows, row_rng, standard_normals, uniform};
use crate::scalar::Scalar;

/// One Gaussian of the mixture.
#[derive(Clone, Debug)]
pub struct Component {
    /// π_k; the weights of a mixture sum to 1.
    pub weight: f64,
    /// μ_k, (d).
    pub mean: Array1<f64>,
    /// U_k, (d, r_k).
    pub basis: Array2<f64>,
    /// λ_k, the covariance's eigenvalues on the subspace, (r_k).
    pub variances: Array1<f64>,
    /// δ_k, the eigenvalue off the subspace.
    pub noise_variance: f64,
}

/// A mixture of low-rank Gaussians on R^d.
#[derive(Clone, Debug)]
pub struct Mixture {
    pub components: Vec<Component>,
}

impl Mixture {
    /// MoLRG proper on the given bases: equal weights, zero means, unit
    /// variances, no noise.
    pub fn of_bases(bases: Vec<Array2<f64>>) -> Mixture {
        let weight = 1.0 / bases.len() as f64;
        let components = bases
            .into_iter()
            .map(|basis| Component {
                weight,
                mean: Array1::zeros(basis.nrows()),
                variances: Array1::ones(basis.ncols()),
                basis,
                noise_variance: 0.0,
            })
            .collect();
        Mixture { components }
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.components[0].mean.len()
    }

    /// r_k of every component.
    pub fn ranks(&self) -> Vec<usize> {
        self.components.iter().map(|c| c.basis.ncols()).collect()
    }

    /// [U_1 … U_K], (d, Σ r_k).
    pub fn joint_basis(&self) -> Array2<f64> {
        joined(self.components.iter().map(|c| c.basis.view()), self.dim())
    }

    /// Σ π_k μ_k, (d): by differences, so that it is μ_1 to the bit where all means are.
    pub fn mean(&self) -> Array1<f64> {
        let first = &self.components[0].mean;
        let total: f64 = self.components.iter().map(|c| c.weight).sum();
        let mut away = Array1::zeros(self.dim());
        for c in &self.components {
            away.scaled_add(c.weight / total, &(&c.mean - first));
        }
        away + first
    }

    /// The trace of the mixture's covariance Σ π_k [Σ_k + (μ_k − m)(μ_k − m)ᵀ].
    pub fn total_variance(&self) -> f64 {
        let mean = self.mean();
        let of = |c: &Component| {
            let away = &c.mean - &mean;
            let beside = (self.dim() - c.variances.len()) as f64 * c.noise_variance;
            c.weight * (c.variances.sum() + beside + away.dot(&away))
        };
        self.components.iter().map(of).sum()
    }

    /// The largest eigenvalue of the mixture's covariance Σ π_k [Σ_k + (μ_k − m)(μ_k − m)ᵀ], from below.
    pub fn largest_variance(&self) -> f64 {
        let mean = self.mean();
        let away: Vec<Array1<f64>> = self.components.iter().map(|c| &c.mean - &mean).collect();
        largest_eigenvalue(self.dim(), |v| {
            let mut image = Array1::zeros(v.len());
            for (c, away) in self.components.iter().zip(&away) {
                let z = c.basis.t().dot(v) * c.variances.mapv(|l| c.weight * (l - c.noise_variance));
                image += &c.basis.dot(&z);
                image.scaled_add(c.weight * c.noise_variance, v);
                image.scaled_add(c.weight * away.dot(v), away);
            }
            image
        })
    }

    /// Whether any mean is not zero.
    pub fn has_means(&self) -> bool {
        self.components.iter().any(|c| c.mean.iter().any(|&m| m != 0.0))
    }

    /// Checks the invariants that everything else relies on; for mixtures that
    /// come from a file.
    pub fn check(&self) -> Result<()> {
        let d = self.dim();
        let total: f64 = self.components.iter().map(|c| c.weight).sum();
        ensure!((total - 1.0).abs() < 1e-6, "weights sum to {total}, not to 1");
        let check = |(k, c): (usize, &Component)| {
            ensure!(c.weight >= 0.0, "component {k}: weight {} is negative", c.weight);
            ensure!(
                c.noise_variance >= 0.0 && c.variances.iter().all(|&v| v >= 0.0),
                "component {k}: a variance is negative"
            );
            ensure!(
                c.mean.len() == d && c.basis.nrows() == d,
                "component {k}: its width is not that of the others"
            );
            let gram = product(c.basis.t(), c.basis.view());
            // f32 bases are orthonormal to about 1e-6; a basis worse than 1e-3
            // was not meant to be one.
            for ((i, j), &g) in gram.indexed_iter() {
                let expected = if i == j { 1.0 } else { 0.0 };
                ensure!(
                    (g - expected).abs() < 1e-3,
                    "component {k}: columns {i} and {j} of its basis have inner product {g}, not {expected}"
                );
            }
            Ok(())
        };
        // The first that is wrong is told of, whatever thread comes upon another.
        let checks: Vec<Result<()>> = self.components.par_iter().enumerate().map(check).collect();
        checks.into_iter().collect()
    }
}

/// Matrices of d rows, side by side.
pub fn joined<'a>(parts: impl Iterator<Item = ArrayView2<'a, f64>>, d: usize) -> Array2<f64> {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        return Array2::zeros((d, 0));
    }
    // The parts have d rows each, so they fit.
    concatenate(Axis(1), &parts).unwrap_or_else(|_| Array2::zeros((d, 0)))
}

/// Largest standard deviation or norm planted: its square is still finite in f32.
const LARGEST: f64 = 1e18;

/// Variances within a subspace, largest first.
#[derive(Clone, Debug, PartialEq)]
pub enum Spectrum {
    /// All 1.
    Flat,
    /// Evenly spaced from 1 down to the given value.
    Linear(f64),
    /// 1, q, q², …
    Geometric(f64),
    /// i^−a for i = 1, 2, …
    Power(f64),
    /// As given, one a dimension.
    Values(Vec<f64>),
}

impl Spectrum {
    /// λ_1 … λ_r.
    ///
    /// # Errors
    /// When a list has another length than `r`, or a variance is not positive.
    pub fn variances(&self, r: usize) -> Result<Array1<f64>> {
        let values: Vec<f64> = match self {
            Spectrum::Flat => vec![1.0; r],
            Spectrum::Linear(low) => (0..r)
                .map(|i| if r == 1 { 1.0 } else { 1.0 + (low - 1.0) * i as f64 / (r - 1) as f64 })
                .collect(),
            Spectrum::Geometric(q) => (0..r).map(|i| q.powi(i as i32)).collect(),
            Spectrum::Power(a) => (0..r).map(|i| ((i + 1) as f64).powf(-a)).collect(),
            Spectrum::Values(v) => {
                ensure!(
                    v.len() == r,
                    "--spectrum: {} variances for a component of rank {r}; give one a dimension",
                    v.len()
                );
                v.clone()
            }
        };
        if let Some(v) = values.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
            bail!("--spectrum: variance {v}; every variance must be positive");
        }
        Ok(values.into())
    }
}

impl std::str::FromStr for Spectrum {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |s: &str| s.trim().parse::<f64>().map_err(|_| format!("{s:?} is not a number"));
        match text.split_once(':') {
            Some(("linear", v)) => Ok(Spectrum::Linear(number(v)?)),
            Some(("geometric", v)) => Ok(Spectrum::Geometric(number(v)?)),
            Some(("power", v)) => Ok(Spectrum::Power(number(v)?)),
            Some((name, _)) => Err(format!(
                "no spectrum is called {name:?}; give flat, linear:LO, geometric:Q, power:A or a list of variances"
            )),
            None if text == "flat" => Ok(Spectrum::Flat),
            None => text.split(',').map(number).collect::<Result<_, _>>().map(Spectrum::Values),
        }
    }
}

/// Where noise is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum NoiseIn {
    /// In the whole space, on and off the subspace.
    #[default]
    Space,
    /// In the subspaces of the other components alone: x = U_k a + δ Ũ_k e, Ũ_k all others' bases (arXiv 2502.05743).
    Union,
}

/// What to plant: everything about a random mixture but its seed.
#[derive(Clone, Debug)]
pub struct Design {
    /// d.
    pub dim: usize,
    /// r_k.
    pub ranks: Vec<usize>,
    /// π_k; normalized when planted.
    pub weights: Vec<f64>,
    pub spectrum: Spectrum,
    /// Standard deviation of noise.
    pub noise_std: f64,
    pub noise_in: NoiseIn,
    /// Principal angle between consecutive subspaces, in degrees; 90 makes all
    /// mutually orthogonal.
    pub angle: f64,
    /// ‖μ_k‖, in random directions.
    pub mean_norm: f64,
}

impl Design {
    /// MoLRG proper: `k` mutually orthogonal subspaces of rank `r`.
    pub fn molrg(dim: usize, r: usize, k: usize) -> Design {
        Design {
            dim,
            ranks: vec![r; k],
            weights: vec![1.0; k],
            spectrum: Spectrum::Flat,
            noise_std: 0.0,
            noise_in: NoiseIn::Space,
            angle: 90.0,
            mean_norm: 0.0,
        }
    }

    /// Refuses what cannot be planted.
    pub fn check(&self) -> Result<()> {
        let Design { dim, ranks, weights, angle, .. } = self;
        ensure!(*dim > 0, "--dim 0: data need at least one dimension");
        ensure!(!ranks.is_empty(), "--components 0: a mixture needs at least one");
        for (k, &r) in ranks.iter().enumerate() {
            ensure!(r > 0, "--rank 0 (component {k}): a subspace needs at least one dimension");
            ensure!(
                r <= *dim,
                "--rank {r} exceeds --dim {dim}; a subspace has at most as many dimensions as the data"
            );
        }
        ensure!(
            weights.len() == ranks.len(),
            "--weights: {} for {} components; give one each",
            weights.len(),
            ranks.len()
        );
        for w in weights {
            ensure!(w.is_finite() && *w >= 0.0, "--weights: {w}; weights must not be negative");
        }
        ensure!(weights.iter().any(|w| *w > 0.0), "--weights: all are zero");
        ensure!(
            (0.0..=90.0).contains(angle),
            "--angle {angle}: an angle between subspaces is 0 to 90 degrees"
        );
        ensure!(
            (0.0..=LARGEST).contains(&self.noise_std),
            "--noise-std {}: must be 0 to {LARGEST:e}",
            self.noise_std
        );
        ensure!(
            (0.0..=LARGEST).contains(&self.mean_norm),
            "--mean-norm {}: must be 0 to {LARGEST:e}",
            self.mean_norm
        );
        let total: usize = ranks.iter().sum();
        if *angle == 90.0 {
            ensure!(
                total <= *dim,
                "--rank: {total} dimensions in all exceed --dim {dim}, so the subspaces cannot be mutually \
                 orthogonal; lower the ranks or give --angle below 90"
            );
        } else {
            for pair in ranks.windows(2) {
                ensure!(
                    pair[0] + pair[1] <= *dim,
                    "--angle {angle}: consecutive ranks {} and {} exceed --dim {dim} together; lower the ranks",
                    pair[0],
                    pair[1]
                );
            }
        }
        Ok(())
    }

    /// Draws the bases and means of (design, seed). Column j of the Gaussian
    /// matrix behind the bases is row j of the purpose "bases", so more
    /// components leave the first ones as they are.
    pub fn plant(&self, seed: u64) -> Result<Mixture> {
        self.check()?;
        let d = self.dim;
        let total: usize = self.ranks.iter().sum();
        let drawn = normal_rows::<f64>(seed, Purpose::Bases, 0..total as u64, d);
        let starts: Vec<usize> = self
            .ranks
            .iter()
            .scan(0, |at, &r| {
                *at += r;
                Some(*at - r)
            })
            .collect();
        let mut bases: Vec<Array2<f64>> = Vec::new();
        if total <= d {
            let frame = orthonormalize(drawn.t());
            for (&start, &r) in starts.iter().zip(&self.ranks) {
                bases.push(frame.slice(s![.., start..start + r]).to_owned());
            }
            for k in 1..bases.len() {
                bases[k] = self.tilted(&bases[k - 1], bases[k].clone());
            }
        } else {
            // Not all can be orthogonal: fresh directions avoid only the
            // subspace just before, which is all that the angle speaks of.
            for (&start, &r) in starts.iter().zip(&self.ranks) {
                let fresh = drawn.slice(s![start..start + r, ..]);
                bases.push(match bases.last() {
                    None => orthonormalize(fresh.t()),
                    Some(before) => {
                        let both = concatenate![Axis(1), before.view(), fresh.t()];
                        let beside = orthonormalize(both.view()).slice(s![.., before.ncols()..]).to_owned();
                        self.tilted(before, beside)
                    }
                });
            }
        }
        let noise_variance = self.noise_std * self.noise_std;
        let shares = operations::shares(self.weights.clone());
        let components = (0..bases.len())
            .map(|k| {
                let variances = self.spectrum.variances(bases[k].ncols())?;
                let (basis, variances, noise_variance) = match self.noise_in {
                    NoiseIn::Union if noise_variance > 0.0 => {
                        let (basis, variances) = self.within_union(k, &bases, &variances)?;
                        (basis, variances, 0.0)
                    }
                    _ => (bases[k].clone(), variances + noise_variance, noise_variance),
                };
                Ok(Component {
                    weight: shares[k],
                    mean: match self.mean_norm {
                        0.0 => Array1::zeros(d),
                        norm => random_direction(seed, k as u64, d) * norm,
                    },
                    variances,
                    basis,
                    noise_variance,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Mixture { components })
    }

    /// Eigenvectors and eigenvalues of U_k diag(λ) U_kᵀ + δ² Ũ_k Ũ_kᵀ, Ũ_k the bases other than the k-th: where all are
    /// orthogonal, these bases themselves, the k-th first.
    fn within_union(
        &self,
        k: usize,
        bases: &[Array2<f64>],
        variances: &Array1<f64>,
    ) -> Result<(Array2<f64>, Array1<f64>)> {
        let others = bases.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, basis)| basis);
        let all = joined([&bases[k]].into_iter().chain(others).map(|basis| basis.view()), self.dim);
        let mut energies = Array1::from_elem(all.ncols(), self.noise_std * self.noise_std);
        energies.slice_mut(s![..variances.len()]).assign(variances);
        match self.angle == 90.0 {
            true => Ok((all, energies)),
            false => eigen_of_factor(&(all * &energies.mapv(f64::sqrt)), &Array1::ones(energies.len())),
        }
    }

    /// cos θ U + sin θ E for E ⟂ U, which has all principal angles θ with U; what
    /// a larger rank has more stays orthogonal.
    fn tilted(&self, before: &Array2<f64>, mut beside: Array2<f64>) -> Array2<f64> {
        if self.angle == 90.0 {
            return beside;
        }
        let (sin, cos) = self.angle.to_radians().sin_cos();
        let shared = before.ncols().min(beside.ncols());
        let before = before.slice(s![.., ..shared]);
        beside.slice_mut(s![.., ..shared]).zip_mut_with(&before, |e, &u| *e = cos * u + sin * *e);
        orthonormalize(beside.view())
    }
}

fn random_direction(seed: u64, k: u64, d: usize) -> Array1<f64> {
    let v = Array1::from(standard_normals::<f64>(&mut row_rng(seed, Purpose::Means, k), d));
    let norm = v.dot(&v).sqrt();
    v / norm
}

/// Draws rows from a mixture, any of them at any time.
pub struct Sampler<T: Scalar> {
    seed: u64,
    balanced: bool,
    cumulative: Vec<f64>,
    parts: Vec<Part<T>>,
    dim: usize,
}

/// One component, ready to be drawn from in T.
struct Part<T> {
    mean: Option<Array1<T>>,
    /// Uᵀ, (r, d).
    basis_t: Array2<T>,
    std: Array1<f64>,
    noise_std: f64,
}

impl<T: Scalar> Sampler<T> {
    /// Draws from the mixture as a model file of type T holds it, so that the file gives the same rows.
    /// `balanced`: row i comes from component i mod K instead of a random one.
    pub fn new(mixture: &Mixture, seed: u64, balanced: bool) -> Sampler<T> {
        let mut total = 0.0;
        let cumulative = mixture
            .components
            .iter()
            .map(|c| {
                total += c.weight;
                total
            })
            .collect();
        let parts = mixture
            .components
            .iter()
            .map(|c| Part {
                mean: c.mean.iter().any(|&m| m != 0.0).then(|| c.mean.mapv(T::of)),
                basis_t: cast(c.basis.t()).as_standard_layout().into_owned(),
                std: c.variances.mapv(|v| T::of(v).wide().sqrt()),
                noise_std: T::of(c.noise_variance).wide().sqrt(),
            })
            .collect();
        Sampler { seed, balanced, cumulative, parts, dim: mixture.dim() }
    }

    /// The component of row `i`.
    pub fn label(&self, i: u64) -> usize {
        if self.balanced {
            return (i % self.parts.len() as u64) as usize;
        }
        let u = uniform(&mut row_rng(self.seed, Purpose::Labels, i));
        // The last sum is 1 but for rounding, so it stands for everything above.
        self.cumulative[..self.parts.len() - 1].iter().filter(|&&c| u >= c).count()
    }

    /// Rows `rows`, (n, d), and their components: x = μ + U diag(√λ) a +
    /// √δ (I − UUᵀ) ε, with a and ε standard normal.
    pub fn draw(&self, rows: Range<u64>) -> (Array2<T>, Vec<usize>) {
        let labels: Vec<usize> = rows.clone().map(|i| self.label(i)).collect();
        let mut x = Array2::zeros((labels.len(), self.dim));
        for (k, part) in self.parts.iter().enumerate() {
            let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
            let noisy = part.noise_std > 0.0;
            let r = part.std.len();
            let mut coefficients = Array2::<T>::zeros((mine.len(), r));
            for (mut a, &i) in coefficients.outer_iter_mut().zip(&mine) {
                let mut rng = row_rng(self.seed, Purpose::Coefficients, rows.start + i as u64);
                let drawn = standard_normals::<f64>(&mut rng, r);
                for ((a, z), s) in a.iter_mut().zip(drawn).zip(&part.std) {
                    *a = T::of(s * z);
                }
            }
            let mut noise = Array2::<T>::zeros((if noisy { mine.len() } else { 0 }, self.dim));
            if noisy {
                for (mut e, &i) in noise.outer_iter_mut().zip(&mine) {
                    let mut rng = row_rng(self.seed, Purpose::Noise, rows.start + i as u64);
                    if let Some(e) = e.as_slice_mut() {
                        fill_normal(&mut rng, e);
                    }
                }
                noise.mapv_inplace(|e| e * T::of(part.noise_std));
                coefficients -= &product(noise.view(), part.basis_t.t());
            }
            let mut drawn = product(coefficients.view(), part.basis_t.view());
            if noisy {
                drawn += &noise;
            }
            if let Some(mean) = &part.mean {
                drawn += mean;
            }
            for (row, &i) in drawn.outer_iter().zip(&mine) {
                x.row_mut(i).assign(&row);
            }
        }
        (x, labels)
    }
}
