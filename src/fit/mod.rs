//! Fitting a mixture of low-rank Gaussians: training the denoising autoencoder
//! whose weights are the bases.
//!
//! * [`pca`]: one component (Theorem 1 of arXiv 2409.02426), and the Gaussian
//!   fitted from streamed moments;
//! * [`subspaces`]: several components as subspace clustering (Theorem 3);
//! * [`em`]: the mixture of probabilistic principal component analyzers;
//! * [`gradient`]: descent on the denoising loss itself;
//! * [`start`]: where the iterations begin.

pub mod em;
pub mod gradient;
pub mod pca;
pub mod start;
pub mod subspaces;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::linalg::{cast, complete_basis, dot, leading_right_vectors, product};
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
    /// Subspaces through randomly chosen rows
    Random,
    /// The first start from the spectrum of the rows' squared cosines, the others random
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
}

/// Fits a mixture to the rows of `x`, (N, d).
///
/// # Errors
/// When the settings ask for what the data cannot give: r > d, K > N.
pub fn fit_mixture<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    settings.check()?;
    settings.check_data(x.nrows(), x.ncols())?;
    // Sums of whole arrays run in the order of memory.
    let x = x.as_standard_layout();
    match settings.solver {
        Solver::Pca => pca::fit(x.view(), settings),
        Solver::Subspaces => subspaces::fit(x.view(), settings),
        Solver::Em => em::fit(x.view(), settings),
        Solver::Gradient => gradient::fit(x.view(), settings),
    }
}

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
