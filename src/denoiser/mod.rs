//! What everything else sees of a model: its denoiser D(x̂; σ) = E[x_0 | x̂],
//! and, of one that has it, the Jacobian as products. Any of them may fail: a model can be a
//! process.
//!
//! * [`mixture`]: the posterior mean of a mixture of low-rank Gaussians (Lemma 1
//!   of arXiv 2409.02426 in its general form);
//! * [`empirical`]: the optimal denoiser of a finite set (arXiv 2310.05264);
//! * [`local`]: optimal denoisers of a finite set that see patches (arXiv 2412.20292);
//! * [`pca_local`]: that of a finite set whose numbers see those that they vary with (arXiv 2509.09672);
//! * [`affine`]: one affine map a noise level;
//! * [`random_features`]: a linear map of random features a noise level (arXiv 2602.06021);
//! * [`reduced`]: the flow of a mixture in the dimensions in which it happens;
//! * [`classes`]: which of its classes a model is asked for;
//! * [`guided`]: denoisers guided by the difference of two (classifier-free guidance);
//! * [`contrast`]: that difference in parts: mean, positive, negative;
//! * [`counted`]: any of them, its evaluations counted;
//! * [`widened`]: any of them as one of f64;
//! * [`network`]: trained networks;
//! * [`transition`]: networks that are told the state before;
//! * [`external`]: programs that are models;
//! * [`differences`]: any of them, its Jacobian by central differences;
//! * [`model`]: the model file, on [`crate::stream::tensors`].

pub mod affine;
pub mod classes;
pub mod contrast;
pub mod counted;
pub mod differences;
pub mod empirical;
pub mod external;
pub mod guided;
pub mod local;
pub mod mixture;
pub mod model;
pub mod network;
pub mod pca_local;
pub mod random_features;
pub mod reduced;
pub mod transition;
pub mod widened;

pub use affine::{Affine, AffineDenoiser};
pub use classes::Asked;
pub use contrast::PartlyGuided;
pub use counted::Counted;
pub use differences::Differences;
pub use empirical::EmpiricalDenoiser;
pub use external::{External, ExternalDenoiser};
pub use guided::{Band, Guided, Steered};
pub use local::LocalDenoiser;
pub use mixture::MixtureDenoiser;
pub use model::Model;
pub use network::NetworkDenoiser;
pub use random_features::{RandomFeatureDenoiser, RandomFeatures};
pub use reduced::Reduced;
pub use widened::Widened;

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::blocks::block_size;
use crate::linalg::{cast, right_svd};
use crate::scalar::Scalar;

/// A denoiser in σ-space: x̂ = x_t/α_t, σ = β_t/α_t.
///
/// A row's result depends on that row alone, to the byte (of [`Denoiser::denoise_rows`], on its number too): callers
/// cut rows into blocks as suits them. Methods may share their work among the threads of the pool. What is computed
/// here cannot fail; what another process computes can.
pub trait Denoiser<T: Scalar>: Sync + Send {
    /// d.
    fn dim(&self) -> usize;

    /// D(x; σ) for every row of x, (n, d), at one σ > 0.
    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>>;

    /// D(x; σ) and what is left, x − D, (n, d) each. Where there is a closed form, the rest has the digits
    /// of its own size, however small σ is: the score is −(x − D)/σ². By default it is a difference, which
    /// loses those that x has before it.
    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let d = self.denoise(x, sigma)?;
        let rest = &x - &d;
        Ok((d, rest))
    }

    /// How many of `rows` rows are best denoised at once: so few that the threads have
    /// blocks to share, unless the denoiser shares its own work among them.
    fn block(&self, rows: usize) -> usize {
        block_size(rows)
    }

    /// D for rows that have the numbers `first`, `first` + 1, … in the whole of the work. What rounds a row as the
    /// rows around it have it computes it among those of its number, whatever is asked for at once.
    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        let _ = first;
        self.denoise(x, sigma)
    }

    /// D of one row, which has this number and goes its way alone.
    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        let _ = number;
        self.denoise(x, sigma)
    }

    /// [`Denoiser::split`] of rows that have numbers.
    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let _ = first;
        self.split(x, sigma)
    }

    /// How many rows are to be asked for at once, whatever their number and size, where the denoiser has rows come
    /// in batches.
    fn batch(&self) -> Option<usize> {
        None
    }

    /// The flow from noise level `from` > 0 to `to` ≥ 0 in closed form, (n, d), where there is one.
    fn flow(&self, x: ArrayView2<T>, from: f64, to: f64) -> Option<Array2<T>> {
        let _ = (x, from, to);
        None
    }

    /// The same denoiser in fewer coordinates, where it leaves all points in one
    /// subspace but for a factor: flows are computed there.
    fn reduced(&self) -> Option<&Reduced<T>> {
        None
    }
}

/// A denoiser with a Jacobian J, that of D(·; σ).
pub trait Differentiable<T: Scalar>: Denoiser<T> {
    /// J v for every row v of `directions` (m, d), at the one point `x`.
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>>;

    /// Jᵀu for every row u of `directions`. The Jacobian of a posterior mean is
    /// σ⁻² times a covariance, so symmetric; trained networks override this.
    fn vjp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.jvp(x, directions, sigma)
    }

    /// J at one point, for many products: what they share may be computed once.
    fn at<'a>(&'a self, x: ArrayView1<'a, T>, sigma: f64) -> Box<dyn Tangent<T> + 'a> {
        Box::new(Anew { denoiser: self, x, sigma })
    }

    /// J itself, (d, d), by d products: row by row, eᵢᵀJ. What has no products with Jᵀ takes them column by column.
    fn jacobian(&self, x: ArrayView1<T>, sigma: f64) -> Result<Array2<T>> {
        self.vjp(x, Array2::eye(self.dim()).view(), sigma)
    }

    /// Singular values of the Jacobian at `x`, with at least so many of the leading right vectors, or all that are
    /// listed. The default forms J; closed forms override it with a problem of their own size.
    fn spectrum(&self, x: ArrayView1<T>, sigma: f64, vectors: usize) -> Result<Singular> {
        let _ = vectors;
        let (values, right) = right_svd(cast::<T, f64>(self.jacobian(x, sigma)?.view()).view())?;
        Ok(Singular { values, right, rest: (0.0, 0) })
    }

    /// Where J is symmetric and [`Differentiable::spectrum`] has a closed form: the size of its problem.
    fn closed_form(&self) -> Option<usize> {
        None
    }
}

/// A Jacobian at one point.
pub trait Tangent<T: Scalar> {
    /// J v for every row v.
    fn jvp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>>;
    /// Jᵀu for every row u.
    fn vjp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>>;
}

/// That of a denoiser whose products share nothing.
struct Anew<'a, T, D: ?Sized> {
    denoiser: &'a D,
    x: ArrayView1<'a, T>,
    sigma: f64,
}

impl<T: Scalar, D: Differentiable<T> + ?Sized> Tangent<T> for Anew<'_, T, D> {
    fn jvp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>> {
        self.denoiser.jvp(self.x, directions, self.sigma)
    }

    fn vjp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>> {
        self.denoiser.vjp(self.x, directions, self.sigma)
    }
}

/// Singular values of a Jacobian and their right singular vectors.
#[derive(Clone, Debug)]
pub struct Singular {
    /// Largest first. Fewer than d mean that the others equal `rest`.
    pub values: Array1<f64>,
    /// Right singular vectors as columns, (d, ≤ values.len()), the leading ones first; all of those that are not less
    /// than `rest` where a vector of it is wanted, too.
    pub right: Array2<f64>,
    /// The singular value of every direction not listed, and how many there are.
    pub rest: (f64, usize),
}

impl Singular {
    /// All d singular values, largest first.
    pub fn all(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.values.to_vec();
        all.extend(std::iter::repeat_n(self.rest.0, self.rest.1));
        all.sort_by(|a, b| b.total_cmp(a));
        all
    }
}
