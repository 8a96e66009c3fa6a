//! Fitting a mixture of low-rank Gaussians: training the denoising autoencoder
//! whose weights are the bases.
//!
//! * [`pca`]: one component (Theorem 1 of arXiv 2409.02426), and the Gaussian
//!   fitted from streamed moments;
//! * [`subspaces`]: several components as subspace clustering (Theorem 3);
//! * [`em`]: the mixture of probabilistic principal component analyzers;
//! * [`gradient`]: descent on the denoising loss itself;
//! * [`logistic`]: multinomial logistic regression, which tells labels of features;
//! * [`two_layer`]: the minimizers that theory constructs for networks of one hidden layer (arXiv 2512.20963);
//! * [`affine`]: the least squares fit of one vector to another, from streamed moments;
//! * [`random_features`]: a linear map of random features, trained in closed form (arXiv 2602.06021);
//! * [`recursive_features`]: kernel machines that learn which directions labels depend on;
//! * [`start`]: where the iterations begin.

pub mod affine;
pub mod em;
pub mod gradient;
pub mod logistic;
pub mod pca;
pub mod random_features;
pub mod recursive_features;
pub mod start;
pub mod subspaces;
pub mod two_layer;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix2, s};

use crate::linalg::{cast, column_means, complete_basis, dot, leading_right_vectors, product, squared_norms};
use crate::mixture::{Mixture, joined};
use crate::random::{Purpose, row_rng};
use crate::scalar::Scalar;

/// How to fit the bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Solver {
    /// Leading principal directions (one component)
    Pca,
    /// K-subspaces: assign every row to its nearest subspace, refit, repeat
    Subspaces,
    /// Expectation maximization of a mixture of probabilistic PCA
    Em,
    /// Adam on the denoising loss over orthonormal bases, with QR retraction
    Gradient,
}

/// Where a fit of several components starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Init {
    /// Subspaces through rows drawn far from those before
    Random,
    /// Subspaces drawn uniformly, which know nothing of the rows
    Uniform,
    /// The first start from the spectrum of the rows' squared cosines, the others drawn
    Spectral,
}

/// How a row's weights over components enter the loss of `gradient`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weighting {
    /// The posterior weights of the noisy row (Lemma 1)
    Softmax,
    /// The nearest subspace of the clean row (equation 17 of arXiv 2409.02426)
    Hardmax,
}

/// What is fitted besides the bases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub means: bool,
    pub variances: bool,
    pub weights: bool,
    pub noise: bool,
}

/// Settings of a fit.
#[derive(Clone, Debug)]
pub struct Settings {
    /// r_k.
    pub ranks: Vec<usize>,
    pub solver: Solver,
    /// Keep [U_1 … U_K] jointly orthonormal.
    pub orthogonal: bool,
    pub init: Init,
    pub restarts: usize,
    pub iterations: usize,
    pub parts: Parts,
    pub weighting: Weighting,
    /// Learning rate of `gradient`.
    pub lr: f64,
    pub seed: u64,
}

impl Settings {
    /// Defaults for `k` components of rank `r`.
    pub fn new(ranks: Vec<usize>) -> Settings {
        let solver = if ranks.len() == 1 { Solver::Pca } else { Solver::Subspaces };
        Settings {
            ranks,
            solver,
            orthogonal: false,
            init: Init::Spectral,
            restarts: 10,
            iterations: 1000,
            parts: Parts::default(),
            weighting: Weighting::Hardmax,
            lr: 0.2,
            seed: 0,
        }
    }

    /// Whether its subspaces go through the origin, whatever the parts are.
    pub fn through_origin(&self) -> bool {
        self.orthogonal || self.solver == Solver::Gradient
    }

    /// Refuses what no data could be fitted with.
    pub fn check(&self) -> Result<()> {
        let k = self.ranks.len();
        ensure!(self.ranks.iter().all(|r| *r > 0), "--rank 0: a subspace needs at least one dimension");
        ensure!(self.restarts > 0, "--restarts 0: a fit needs at least one start");
        ensure!(self.iterations > 0, "--iterations 0: a fit needs at least one");
        ensure!(self.lr > 0.0 && self.lr.is_finite(), "--lr {}: must be positive", self.lr);
        ensure!(
            self.solver != Solver::Pca || k == 1,
            "--solver pca fits one component, not {k}; use subspaces, em or gradient"
        );
        ensure!(
            !(self.orthogonal && self.solver == Solver::Em),
            "--orthogonal: em fits every basis by itself; use subspaces or gradient"
        );
        Ok(())
    }

    /// Refuses what these rows cannot be fitted with.
    fn check_data(&self, rows: usize, dim: usize) -> Result<()> {
        let k = self.ranks.len();
        ensure!(rows > 0, "no rows to fit; give samples");
        ensure!(k <= rows, "{k} components but only {rows} rows; give more samples or fewer components");
        if let Some(r) = self.ranks.iter().find(|r| **r > dim) {
            anyhow::bail!("--rank {r} exceeds the data's {dim} dimensions; give a smaller rank");
        }
        let total: usize = self.ranks.iter().sum();
        ensure!(
            !self.orthogonal || total <= dim,
            "--orthogonal: {total} dimensions in all exceed the data's {dim}; give smaller ranks or leave it out"
        );
        Ok(())
    }
}

/// One line of a fit's report.
#[derive(Clone, Debug)]
pub struct Iteration {
    pub restart: usize,
    pub iteration: usize,
    /// What the solver increases (captured energy a row, or log-likelihood a
    /// row) or, for `gradient`, decreases (the loss).
    pub objective: f64,
}

/// A fitted mixture and how the fit went.
pub struct Fit {
    pub mixture: Mixture,
    pub history: Vec<Iteration>,
    /// The restart whose result this is.
    pub chosen: usize,
    pub converged: bool,
    /// Per component: directions that the data did not determine, completed at random.
    pub completed: Vec<usize>,
    /// Components whose noise the likelihood would have made smaller yet, and the noise
    /// variance that they were kept at; of `em` with noise to be fitted.
    pub floored: Option<(Vec<usize>, f64)>,
}

/// Fits a mixture to the rows of `x`, (N, d).
///
/// # Errors
/// When the settings ask for what the data cannot give: r > d, K > N; and when the data's
/// variances are beyond f64.
pub fn fit_mixture<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    settings.check()?;
    settings.check_data(x.nrows(), x.ncols())?;
    // Sums of whole arrays run in the order of memory.
    let x = x.as_standard_layout();
    let unit = Unit::of(x.view(), settings);
    let x = unit.applied(x);
    let x = x.view();
    let mut fit = match settings.solver {
        Solver::Pca => pca::fit(x, settings),
        Solver::Subspaces => subspaces::fit(x, settings),
        Solver::Em => em::fit(x, settings),
        Solver::Gradient => gradient::fit(x, settings),
    }?;
    unit.restore(&mut fit, settings)?;
    Ok(fit)
}

/// The coordinates that a fit computes in: about the rows' mean where means are fitted, since
/// a square far from the origin has no digits left for what varies; and in a power of 2, so
/// that no digit changes, where squares or their products would leave the range of the type.
struct Unit {
    origin: Option<Array1<f64>>,
    /// 2^this is the unit.
    exponent: i32,
}

impl Unit {
    /// Powers of 2 that need no other unit: sums of fourth powers are well within f32.
    const PLAIN: i32 = 24;

    fn of<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Unit {
        // Principal components of all rows centre them in f64 by themselves.
        let origin = (settings.parts.means && settings.solver != Solver::Pca).then(|| column_means(x));
        let largest = match &origin {
            None => x.iter().fold(0.0f64, |m, v| m.max(v.wide().abs())),
            Some(origin) => x
                .outer_iter()
                .flat_map(|row| row.into_iter().zip(origin).map(|(v, o)| (v.wide() - o).abs()))
                .fold(0.0, f64::max),
        };
        let exponent = if largest > 0.0 && largest.is_finite() { largest.log2().round() as i32 } else { 0 };
        Unit { origin, exponent: if exponent.abs() <= Unit::PLAIN { 0 } else { exponent } }
    }

    fn applied<'a, T: Scalar>(&self, x: CowArray<'a, T, Ix2>) -> CowArray<'a, T, Ix2> {
        if self.origin.is_none() && self.exponent == 0 {
            return x;
        }
        let mut y = x.into_owned();
        for mut row in y.outer_iter_mut() {
            for (j, v) in row.iter_mut().enumerate() {
                let centred = v.wide() - self.origin.as_ref().map_or(0.0, |o| o[j]);
                *v = T::of(scaled(centred, -self.exponent));
            }
        }
        y.into()
    }

    /// The fit in the unit of the rows.
    fn restore(&self, fit: &mut Fit, settings: &Settings) -> Result<()> {
        let parts = settings.parts;
        let variance = |v: f64| {
            let restored = scaled(v, 2 * self.exponent);
            ensure!(restored.is_finite(), TOO_LARGE);
            // A variance that is nothing beside the largest number, 1 in this unit, may vanish.
            ensure!(restored >= f64::MIN_POSITIVE || v < ROUNDING, TOO_SMALL);
            Ok(restored)
        };
        for c in &mut fit.mixture.components {
            c.mean.mapv_inplace(|v| scaled(v, self.exponent));
            if let Some(origin) = &self.origin {
                c.mean += origin;
            }
            if parts.variances {
                c.variances = c.variances.iter().map(|&v| variance(v)).collect::<Result<_>>()?;
            }
            if parts.noise {
                c.noise_variance = variance(c.noise_variance)?;
            }
        }
        if let Some((_, floor)) = &mut fit.floored {
            *floor = scaled(*floor, 2 * self.exponent);
        }
        for i in &mut fit.history {
            // Energies; or a density, whose logarithm moves by d logarithms of the unit.
            i.objective = match settings.solver {
                Solver::Em => {
                    let d = fit.mixture.components[0].mean.len() as f64;
                    i.objective - d * self.exponent as f64 * std::f64::consts::LN_2
                }
                _ => scaled(i.objective, 2 * self.exponent),
            };
        }
        Ok(())
    }
}

/// x·2ⁿ, by steps that are numbers themselves.
fn scaled(x: f64, n: i32) -> f64 {
    let half = n / 2;
    x * 2f64.powi(half) * 2f64.powi(n - half)
}

/// Squares of this share of the largest number are rounding.
const ROUNDING: f64 = f64::EPSILON * f64::EPSILON;

const TOO_SMALL: &str = "numbers too small to fit (their squares are below f64); give them in another unit";
const TOO_LARGE: &str = "numbers too large to fit (their squares are beyond f64); give them in another unit";

/// Bases found by a solver, with every row's component: what [`finished`]
/// makes a mixture of.
pub(crate) struct Found {
    /// U_k, each of its full rank.
    pub bases: Vec<Array2<f64>>,
    pub completed: Vec<usize>,
    pub labels: Vec<usize>,
}

/// The leading directions of some rows as a basis of rank `r`: what the data
/// leave open is completed at random, orthogonal to `avoid`. Returns how many
/// directions that were.
pub(crate) fn leading_basis(
    rows: ArrayView2<f64>,
    r: usize,
    avoid: ArrayView2<f64>,
    seed: u64,
    component: usize,
) -> Result<(Array2<f64>, usize)> {
    let (basis, _) = leading_right_vectors(rows, r)?;
    let missing = r - basis.ncols();
    let mut rng = row_rng(seed, Purpose::Completion, component as u64);
    Ok((complete_basis(basis.view(), r, avoid, &mut rng), missing))
}

/// Rows of component `k`, less the mean if there is one, in f64.
pub(crate) fn rows_of<T: Scalar>(
    x: ArrayView2<T>,
    labels: &[usize],
    k: usize,
    mean: Option<&Array1<f64>>,
) -> Array2<f64> {
    let mine: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
    let mut rows = cast::<T, f64>(x.select(Axis(0), &mine).view());
    if let Some(mean) = mean {
        rows -= mean;
    }
    rows
}

/// The mixture with the given bases, and with the means, variances, weights and
/// noise of the rows assigned to each as far as they are to be fitted.
pub(crate) fn finished<T: Scalar>(x: ArrayView2<T>, found: &Found, parts: Parts) -> Result<Mixture> {
    let mut mixture = Mixture::of_bases(found.bases.clone());
    let (n, d) = x.dim();
    for (k, c) in mixture.components.iter_mut().enumerate() {
        let mut rows = rows_of(x, &found.labels, k, None);
        let count = rows.nrows();
        if parts.weights {
            c.weight = count as f64 / n as f64;
        }
        if count == 0 {
            continue;
        }
        if parts.means {
            c.mean = rows.sum_axis(Axis(0)) / count as f64;
            rows -= &c.mean;
        }
        if parts.variances {
            // Principal axes within the subspace, so that the variances are eigenvalues.
            let inside = product(rows.view(), c.basis.view());
            let (axes, energies) = leading_right_vectors(inside.view(), c.basis.ncols())?;
            let mut rng = row_rng(0, Purpose::Completion, k as u64);
            let r = c.basis.ncols();
            let axes = complete_basis(axes.view(), r, Array2::zeros((r, 0)).view(), &mut rng);
            c.basis = product(c.basis.view(), axes.view());
            c.variances = Array1::from_shape_fn(r, |i| energies.get(i).map_or(0.0, |e| e / count as f64));
        }
        if parts.noise && c.basis.ncols() < d {
            let inside = product(rows.view(), c.basis.view());
            let outside = &rows - &product(inside.view(), c.basis.t());
            let energy: f64 = outside.outer_iter().map(|row| dot(row, row)).sum();
            c.noise_variance = energy / (count * (d - c.basis.ncols())) as f64;
        }
    }
    Ok(mixture)
}

/// What a fit of means and variances that are not fitted takes for granted, measured on the
/// rows: zero means and unit variances on the subspaces.
#[derive(Clone, Copy, Debug)]
pub struct Assumptions {
    /// Share of the rows' energy that their mean holds, ‖x̄‖² / mean ‖x‖²: 1/N of independent
    /// rows without a mean.
    pub mean_share: f64,
    /// ‖x̄‖ and (mean ‖x‖²)^½.
    pub mean_norm: f64,
    pub norm: f64,
    /// Mean variance on the subspaces, Σ_i ‖U_kᵀ(x_i − μ_k)‖² / Σ_i r_k with k the subspace
    /// nearest to row i.
    pub variance: f64,
}

impl Assumptions {
    /// Measured on the rows of `x`, (N, d).
    pub fn of<T: Scalar>(x: ArrayView2<T>, mixture: &Mixture) -> Assumptions {
        let norm = (squared_norms(x).sum() / x.nrows().max(1) as f64).sqrt();
        let mean = column_means(x);
        let mean_norm = dot(mean.view(), mean.view()).sqrt();
        let (mut energy, mut dimensions) = (0.0, 0);
        for block in x.axis_chunks_iter(Axis(0), 1024) {
            let rows = cast::<T, f64>(block);
            // Of every row: what the nearest subspace leaves, and what it holds.
            let mut nearest = vec![(f64::INFINITY, 0.0, 0); rows.nrows()];
            for c in &mixture.components {
                let centred = &rows - &c.mean;
                let inside = squared_norms(product(centred.view(), c.basis.view()).view());
                let all = squared_norms(centred.view());
                for (best, (all, inside)) in nearest.iter_mut().zip(all.iter().zip(&inside)) {
                    if all - inside < best.0 {
                        *best = (all - inside, *inside, c.basis.ncols());
                    }
                }
            }
            energy += nearest.iter().map(|b| b.1).sum::<f64>();
            dimensions += nearest.iter().map(|b| b.2).sum::<usize>();
        }
        Assumptions {
            mean_share: if norm > 0.0 { (mean_norm / norm).powi(2) } else { 0.0 },
            mean_norm,
            norm,
            variance: if dimensions > 0 { energy / dimensions as f64 } else { 0.0 },
        }
    }

    /// What the rows contradict grossly of what was not fitted, in words with the numbers,
    /// and the parts to fit. A mean is gross when it holds a quarter of the energy and ten
    /// times what chance gives N rows; a variance when it is 4 times off, so that samples
    /// would be less than half as large, or more than twice.
    ///
    /// Fits of subspaces through the origin have no means: where `through_origin` says that this was one, another
    /// solver is named.
    pub fn contradicted(&self, rows: usize, parts: Parts, through_origin: bool) -> Option<String> {
        let mut said = Vec::new();
        let mut missing = Vec::new();
        if !parts.means && self.mean_share > (10.0 / rows as f64).max(0.25) {
            said.push(format!(
                "their mean has norm {:.3e} where their root mean square norm is {:.3e}, and the fit assumes mean 0",
                self.mean_norm, self.norm
            ));
            missing.push("means");
        }
        if !parts.variances && !(0.25..=4.0).contains(&self.variance) {
            said.push(format!(
                "their variance on the fitted subspaces is {:.3e} on average, and the fit assumes 1",
                self.variance
            ));
            missing.push("variances");
        }
        let fitted = [
            (parts.means, "means"),
            (parts.variances, "variances"),
            (parts.weights, "weights"),
            (parts.noise, "noise"),
        ];
        let fitted = fitted.into_iter().filter(|(fitted, _)| *fitted).map(|(_, name)| name);
        let list: Vec<&str> = missing.into_iter().chain(fitted).collect();
        let how = match through_origin && list.contains(&"means") {
            true => "--solver subspaces or em, without --orthogonal, with ",
            false => "",
        };
        (!said.is_empty()).then(|| {
            format!(
                "the rows are not what the fit assumes: {}; give {how}--fit {}",
                said.join("; "),
                list.join(",")
            )
        })
    }
}

/// Splits [U_1 … U_K] back into its parts.
pub(crate) fn split(joint: ArrayView2<f64>, ranks: &[usize]) -> Vec<Array2<f64>> {
    let mut at = 0;
    ranks
        .iter()
        .map(|&r| {
            at += r;
            joint.slice(s![.., at - r..at]).to_owned()
        })
        .collect()
}

/// [U_1 … U_K].
pub(crate) fn join(bases: &[Array2<f64>]) -> Array2<f64> {
    joined(bases.iter().map(|b| b.view()), bases[0].nrows())
}
