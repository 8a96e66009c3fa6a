//! An affine denoiser, one map for each of the noise levels that it was fitted at: D(x; σ_l) = W_l x + b_l.

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis};

use super::{Denoiser, Differentiable};
use crate::linalg::product;
use crate::scalar::{Dtype, Scalar};
use crate::schedule::same_level;
use crate::stream::tensors::{Entry, Numbers, TensorFile, Values};

/// W_l and b_l of all levels, as a model file holds them.
pub struct Affine {
    /// σ_l.
    pub sigmas: Vec<f64>,
    dim: usize,
    /// (L, d, d).
    weights: Values,
    /// (L, d).
    biases: Values,
}

impl Affine {
    /// No level yet, of maps of `dim` dimensions in T.
    pub fn new<T: Scalar>(dim: usize) -> Affine {
        Affine {
            sigmas: Vec::new(),
            dim,
            weights: Values::new::<T>(vec![]),
            biases: Values::new::<T>(vec![]),
        }
    }

    /// Adds the map of a level.
    pub fn push<T: Scalar>(&mut self, sigma: f64, weight: ArrayView2<f64>, bias: ArrayView1<f64>) {
        self.sigmas.push(sigma);
        self.weights.append(Values::new::<T>(weight.iter().map(|w| T::of(*w)).collect()));
        self.biases.append(Values::new::<T>(bias.iter().map(|b| T::of(*b)).collect()));
    }

    /// Its numbers.
    pub fn parameters(&self) -> usize {
        self.weights.len() + self.biases.len()
    }

    pub(super) fn read(file: &mut TensorFile) -> Result<Affine> {
        let sigmas = file.take("sigmas")?.into_wide();
        let (weights, biases) = (file.take("weights")?, file.take("biases")?);
        let levels = sigmas.len();
        let dim = biases.shape.last().copied().unwrap_or(0);
        ensure!(
            levels > 0 && dim > 0 && weights.shape == [levels, dim, dim] && biases.shape == [levels, dim],
            "damaged: its tensors' shapes disagree: sigmas {:?}, weights {:?}, biases {:?}; they should be [L], \
             [L, d, d] and [L, d]",
            [levels],
            weights.shape,
            biases.shape
        );
        let finite = weights.values.all_finite() && biases.values.all_finite();
        ensure!(finite, "damaged: it holds numbers that are not finite");
        ensure!(
            sigmas.iter().all(|sigma| *sigma > 0.0 && sigma.is_finite()),
            "damaged: its noise levels are not all positive"
        );
        Ok(Affine { sigmas, dim, weights: weights.values, biases: biases.values })
    }

    /// d.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// The tensors of its file.
    pub(super) fn entries(&self) -> [Entry<'_>; 3] {
        let (l, d) = (self.sigmas.len(), self.dim);
        let entry = |name: &str, shape, numbers, dtype| Entry { name: name.into(), shape, dtype, numbers };
        [
            entry("sigmas", vec![l], Numbers::F64(&self.sigmas), Dtype::F64),
            entry("weights", vec![l, d, d], Numbers::from(&self.weights), self.weights.dtype()),
            entry("biases", vec![l, d], Numbers::from(&self.biases), self.biases.dtype()),
        ]
    }
}

/// The denoiser, computing in T.
pub struct AffineDenoiser<T: Scalar> {
    /// σ_l.
    sigmas: Vec<f64>,
    /// W_l, (L, d, d).
    weights: Array3<T>,
    /// b_l, (L, d).
    biases: Array2<T>,
}

impl<T: Scalar> AffineDenoiser<T> {
    /// # Errors
    /// When there are not as many numbers as levels and dimensions say.
    pub fn new(affine: Affine) -> Result<AffineDenoiser<T>> {
        let Affine { sigmas, dim, weights, biases } = affine;
        let weights = Array3::from_shape_vec((sigmas.len(), dim, dim), weights.into_vec())?;
        let biases = Array2::from_shape_vec((sigmas.len(), dim), biases.into_vec())?;
        Ok(AffineDenoiser { sigmas, weights, biases })
    }

    /// W and b of a level, if it was fitted there: between levels there are none.
    fn at(&self, sigma: f64) -> Result<(ArrayView2<'_, T>, ArrayView1<'_, T>)> {
        let level = level_of(&self.sigmas, sigma, "affine model", "distill the model at this level too")?;
        Ok((self.weights.index_axis(Axis(0), level), self.biases.row(level)))
    }
}

/// Which of the levels that a model was fitted at this one is; `otherwise` is the way out besides giving one of these.
///
/// # Errors
/// When it is none.
pub(super) fn level_of(levels: &[f64], sigma: f64, model: &str, otherwise: &str) -> Result<usize> {
    levels.iter().position(|own| same_level(*own, sigma)).with_context(|| {
        format!(
            "noise level {sigma}: this {model} was fitted at {} alone; give levels that are among them, to a flow a grid of \
             them and a solver that stays on it, or {otherwise}",
            shortly(levels)
        )
    })
}

/// Some numbers, of which at most four stand for all.
fn shortly(levels: &[f64]) -> String {
    let text = |levels: &[f64]| levels.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    match levels {
        [first, second, .., last] if levels.len() > 4 => {
            format!("{}, …, {last} ({} levels)", text(&[*first, *second]), levels.len())
        }
        _ => text(levels),
    }
}

impl<T: Scalar> Denoiser<T> for AffineDenoiser<T> {
    fn dim(&self) -> usize {
        self.biases.ncols()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let (weight, bias) = self.at(sigma)?;
        Ok(product(x, weight.t()) + bias)
    }
}

impl<T: Scalar> Differentiable<T> for AffineDenoiser<T> {
    fn jvp(&self, _: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(product(directions, self.at(sigma)?.0.t()))
    }

    /// W need not be symmetric.
    fn vjp(&self, _: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(product(directions, self.at(sigma)?.0))
    }
}
