//! The ridge of a model's log-density (arXiv 2602.06021; Ozertem and Erdogmus, JMLR 12 (2011) 1249): with
//! η_1 ≥ … ≥ η_d the eigenvalues of H = ∇²log p_σ and V the eigenvectors of the last d − q of them, the points where
//! Vᵀ∇log p_σ = 0 and η_{q+1} < 0. Of any denoiser, by Tweedie, ∇log p_σ = (D − x)/σ² and H = (J − I)/σ².
//!
//! A flow reaches the ridge of dimension q, and slides along it: what a model does wrong across the ridge sets how far
//! from it samples end, what it does wrong along it where they lie.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use super::jacobian_basis::asymmetry;
use super::numerical_rank::leading_vectors;
use crate::blocks::room;
use crate::denoiser::{Denoiser, Differentiable};
use crate::linalg::{cast, symmetric_eigen};
use crate::random::{Purpose, row_rng};
use crate::scalar::Scalar;

/// The ridge of dimension q of a denoiser at a noise level, and how it is looked for.
pub struct Ridge<'a, T: Scalar> {
    pub denoiser: &'a dyn Differentiable<T>,
    pub sigma: f64,
    /// q < d; 0 are the density's modes.
    pub dim: usize,
    /// Steps at most.
    pub steps: usize,
    /// A step shorter than this share of σ is the last; so is one that the rounding of x hides.
    pub tolerance: f64,
}

/// Which directions at a point lie along the ridge.
pub struct Frame {
    /// I − VVᵀ as orthonormal columns, (d, q).
    tangent: Array2<f64>,
    /// η_{q+1}, the largest curvature across: on a ridge it is below 0.
    pub curvature: f64,
    /// λ_{q+1}/λ_q of J: 1 where nothing tells along from across; none where q is 0.
    pub gap: Option<f64>,
    /// ‖J − Jᵀ‖/‖J‖ (Frobenius): 0 for a posterior mean. Of others J stands for its symmetric part.
    pub asymmetry: f64,
}

/// Where a point comes to on the ridge.
pub struct Projected<T> {
    pub point: Array1<T>,
    /// There.
    pub frame: Frame,
    /// Steps taken.
    pub steps: usize,
    /// Length of the next one.
    pub step: f64,
    /// Whether that is short enough.
    pub converged: bool,
}

/// A vector's parts across the ridge and along it: their lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    pub normal: f64,
    pub tangential: f64,
}

impl Frame {
    /// VVᵀv.
    pub fn across(&self, v: &Array1<f64>) -> Array1<f64> {
        v - &self.tangent.dot(&self.tangent.t().dot(v))
    }

    pub fn parts(&self, v: &Array1<f64>) -> Parts {
        let along = self.tangent.t().dot(v);
        Parts { normal: length(&self.across(v)), tangential: length(&along) }
    }
}

impl<T: Scalar> Ridge<'_, T> {
    /// At the point x, which is that of row `row` (it keys directions that nothing determines).
    ///
    /// # Errors
    /// Of the denoiser; numbers that are not finite; a Jacobian without room.
    pub fn frame(&self, x: ArrayView1<T>, row: u64) -> Result<Frame> {
        let (values, tangent, asymmetry) = match self.denoiser.closed_form() {
            Some(_) => {
                let spectrum = self.denoiser.spectrum(x, self.sigma, self.dim)?;
                let mut rng = row_rng(0, Purpose::Completion, row);
                (spectrum.all(), leading_vectors(&spectrum, self.dim, &mut rng), 0.0)
            }
            None => self.of_symmetric_part(x)?,
        };
        let curvature = (values[self.dim] - 1.0) / (self.sigma * self.sigma);
        let gap = self.dim.checked_sub(1).map(|last| match values[last] {
            leading if leading > 0.0 => (values[self.dim] / leading).max(0.0),
            _ => 1.0,
        });
        Ok(Frame { tangent, curvature, gap, asymmetry })
    }

    /// Eigenvalues of (J + Jᵀ)/2, its leading eigenvectors, and how much of J it leaves out.
    fn of_symmetric_part(&self, x: ArrayView1<T>) -> Result<(Vec<f64>, Array2<f64>, f64)> {
        let d = self.denoiser.dim();
        room(&[4, d, d], "a Jacobian and its eigenvectors")?;
        let j = cast::<T, f64>(self.denoiser.jacobian(x, self.sigma)?.view());
        let asymmetry = asymmetry(j.view()).unwrap_or(0.0);
        let (values, vectors) = symmetric_eigen((0.5 * (&j + &j.t())).view())?;
        Ok((values.to_vec(), vectors.slice(s![.., ..self.dim]).to_owned(), asymmetry))
    }

    /// Subspace-constrained mean shift: x ← x + VVᵀ(D(x) − x) until steps are short. They shrink by about
    /// λ_{q+1} each, so that what is left is about λ_{q+1}/(1 − λ_{q+1}) of the last.
    ///
    /// # Errors
    /// As [`Ridge::frame`].
    pub fn project(&self, x: ArrayView1<T>, row: u64) -> Result<Projected<T>> {
        let (mut point, mut steps) = (x.to_owned(), 0);
        loop {
            let frame = self.frame(point.view(), row)?;
            let across = frame.across(&-rest(self.denoiser, point.view(), row, self.sigma)?);
            let step = length(&across);
            let rounding = T::DTYPE.rounding() * length(&point.mapv(Scalar::wide));
            let converged = step <= rounding.max(self.tolerance * self.sigma);
            if converged || steps == self.steps {
                return Ok(Projected { point, frame, steps, step, converged });
            }
            point.zip_mut_with(&across, |x, step| *x = T::of(x.wide() + step));
            steps += 1;
        }
    }

    /// The error of another's score, (D' − D)/σ², across and along this ridge at x.
    ///
    /// # Errors
    /// As [`Ridge::frame`].
    pub fn error_of(&self, other: &dyn Denoiser<T>, x: ArrayView1<T>, row: u64) -> Result<(Frame, Parts)> {
        let own = rest(self.denoiser, x, row, self.sigma)?;
        let error = (own - rest(other, x, row, self.sigma)?) / (self.sigma * self.sigma);
        let frame = self.frame(x, row)?;
        let parts = frame.parts(&error);
        Ok((frame, parts))
    }
}

/// x − D(x).
fn rest<T: Scalar>(
    denoiser: &(impl Denoiser<T> + ?Sized),
    x: ArrayView1<T>,
    row: u64,
    sigma: f64,
) -> Result<Array1<f64>> {
    let (_, rest) = denoiser.split_rows(x.insert_axis(Axis(0)), row, sigma)?;
    Ok(rest.row(0).mapv(Scalar::wide))
}

fn length(v: &Array1<f64>) -> f64 {
    v.dot(v).sqrt()
}
