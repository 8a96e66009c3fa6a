//! The Jacobian of a denoiser that has none of its own, by central differences.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Zip, concatenate};

use super::{Denoiser, Differentiable};
use crate::scalar::{Dtype, Scalar};

/// J v ≈ (D(x + hv) − D(x − hv))/2h.
///
/// For ‖v‖ = 1 the rounding of x and D by ε leaves ε‖x‖/h, and the third derivative of a denoiser, which changes over
/// distances of σ, h²/6σ²; their sum is smallest at h = (3ε‖x‖σ²)^⅓. What they come to is measured: by how much J
/// changes from h to 2h, of which truncation is a third and rounding nearly all.
pub struct Differences<T: Scalar> {
    denoiser: Box<dyn Denoiser<T>>,
    /// ε: the unit of rounding of what computes D.
    rounding: f64,
    /// The largest ‖J_2h − J_h‖/‖J_h‖ so far.
    change: Mutex<f64>,
}

impl<T: Scalar> Differences<T> {
    /// `computed` is the type in which D is computed, which may be coarser than T.
    pub fn new(denoiser: Box<dyn Denoiser<T>>, computed: Dtype) -> Differences<T> {
        let coarse = computed == Dtype::F32 || T::DTYPE == Dtype::F32;
        let rounding = if coarse { f64::from(f32::EPSILON) / 2.0 } else { f64::EPSILON / 2.0 };
        Differences { denoiser, rounding, change: Mutex::default() }
    }

    /// The relative error of the products so far: the largest over all calls.
    pub fn error(&self) -> f64 {
        *self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// h for a direction of length 1.
    fn step(&self, x: ArrayView1<T>, sigma: f64) -> f64 {
        let length = x.iter().map(|v| v.wide() * v.wide()).sum::<f64>().sqrt();
        // Points at this level are as far out as its noise, if not farther.
        let length = length.max(sigma * (x.len() as f64).sqrt());
        (3.0 * self.rounding * length * sigma * sigma).cbrt()
    }

    /// J v with the step h/‖v‖.
    fn difference(&self, x: ArrayView1<T>, v: ArrayView2<T>, h: f64, sigma: f64) -> Result<Array2<T>> {
        let steps: Vec<f64> = v.outer_iter().map(|v| h / length(v)).collect();
        let side = |sign: f64| {
            let mut points = Array2::zeros(v.raw_dim());
            for ((mut point, v), step) in points.outer_iter_mut().zip(v.outer_iter()).zip(&steps) {
                let step = T::of(sign * step);
                Zip::from(&mut point).and(&x).and(&v).for_each(|p, &x, &v| *p = x + step * v);
            }
            points
        };
        let points = concatenate(Axis(0), &[side(1.0).view(), side(-1.0).view()])?;
        let d = self.denoiser.denoise(points.view(), sigma)?;
        let (above, below) = d.view().split_at(Axis(0), v.nrows());
        let mut products = &above - &below;
        for (mut product, step) in products.outer_iter_mut().zip(&steps) {
            product *= T::of(0.5 / step);
        }
        Ok(products)
    }
}

/// ‖v‖; of zeros, 1.
fn length<T: Scalar>(v: ArrayView1<T>) -> f64 {
    let square: f64 = v.iter().map(|v| v.wide() * v.wide()).sum();
    if square > 0.0 { square.sqrt() } else { 1.0 }
}

impl<T: Scalar> Denoiser<T> for Differences<T> {
    fn dim(&self) -> usize {
        self.denoiser.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.denoiser.denoise(x, sigma)
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.denoiser.denoise_rows(x, first, sigma)
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.denoiser.denoise_row(x, number, sigma)
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.denoiser.split(x, sigma)
    }

    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        self.denoiser.split_rows(x, first, sigma)
    }

    fn batch(&self) -> Option<usize> {
        self.denoiser.batch()
    }

    fn block(&self, rows: usize) -> usize {
        self.denoiser.block(rows)
    }
}

/// Jᵀ is taken to be J, as it is of a posterior mean; [`Differentiable::jacobian`] does not need it.
impl<T: Scalar> Differentiable<T> for Differences<T> {
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let h = self.step(x, sigma);
        let products = self.difference(x, directions, h, sigma)?;
        let coarser = self.difference(x, directions, 2.0 * h, sigma)?;
        let square = |a: &Array2<T>| a.iter().map(|v| v.wide() * v.wide()).sum::<f64>();
        let size = square(&products);
        if size > 0.0 {
            let change = (square(&(&coarser - &products)) / size).sqrt();
            let mut largest = self.change.lock().unwrap_or_else(PoisonError::into_inner);
            *largest = largest.max(change);
        }
        Ok(products)
    }

    fn jacobian(&self, x: ArrayView1<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.jvp(x, Array2::eye(self.dim()).view(), sigma)?.reversed_axes())
    }
}
