//! What sets a conditional denoiser apart from an unconditional one, in parts (arXiv 2505.19210).
//!
//! Of one Gaussian each, D = μ + A (x − μ) with A = Σ(Σ + σ²)⁻¹, it is exactly
//! D_c − D_u = (A_c − A_u)(x − μ_c) + (I − A_u)(μ_c − μ_u): a shift of the mean, the same for all points, and a map whose
//! positive eigenvalues amplify what the class has more of than all data, and whose negative ones suppress what it has
//! less of. Both A are a multiple of the identity off the span Q of the two bases, so that the eigenvectors are those of
//! Qᵀ(A_c − A_u)Q, and the rest has one eigenvalue.
//!
//! Of other denoisers the parts are a heuristic: those of S, the symmetric part of J_c − J_u, applied to D_c(x). Their
//! shift is what is left of D_c − D_u.

use anyhow::Result;
use clap::ValueEnum;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::guided::{Band, By};
use super::reduced::seen_from;
use super::{Denoiser, Differentiable};
use crate::linalg::{accumulate, cast, product, symmetric_eigen, thin_svd};
use crate::mixture::Component;
use crate::scalar::Scalar;

/// A part of D_c − D_u.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// All of it
    Full,
    /// The shift of the mean
    Mean,
    /// What the class has more of, amplified
    Positive,
    /// What the class has less of, suppressed
    Negative,
}

impl Part {
    /// What of an eigenvalue belongs to a part of the map.
    fn of(self, eigenvalue: f64) -> f64 {
        match self {
            Part::Full => eigenvalue,
            Part::Mean => 0.0,
            Part::Positive => eigenvalue.max(0.0),
            Part::Negative => eigenvalue.min(0.0),
        }
    }

    fn has_mean(self) -> bool {
        matches!(self, Part::Full | Part::Mean)
    }
}

/// Singular values of two bases side by side below which a direction is in both: rounding, of singular values of at
/// most √2.
const SAME: f64 = 1e-13;

/// Two Gaussians, of which one stands for a class and one for all data.
pub struct Gaussians {
    conditional: Component,
    unconditional: Component,
    /// Q, (d, q).
    frame: Array2<f64>,
}

/// λ/(λ+σ²) of a basis, and δ/(δ+σ²) off it.
fn gains(component: &Component, sigma: f64) -> (Array1<f64>, f64) {
    let gain = |variance: f64| variance / (variance + sigma * sigma);
    (component.variances.mapv(gain), gain(component.noise_variance))
}

/// QᵀAQ, off = δ/(δ+σ²) apart from which A is Σ_i (g_i − off) u_i u_iᵀ.
fn within(frame: &Array2<f64>, component: &Component, sigma: f64) -> Array2<f64> {
    let (on, off) = gains(component, sigma);
    let inside = product(frame.t(), component.basis.view());
    product((&inside * &on.mapv(|g| g - off)).view(), inside.t())
}

impl Gaussians {
    /// # Errors
    /// When the bases hold numbers too large to factorize.
    pub fn new(conditional: Component, unconditional: Component) -> Result<Gaussians> {
        let both = concatenate![Axis(1), conditional.basis, unconditional.basis];
        let frame = match both.ncols() {
            0 => both,
            _ => {
                let (u, s, _) = thin_svd(both.view())?;
                let kept = s.iter().take_while(|s| **s > SAME).count();
                u.slice(ndarray::s![.., ..kept]).to_owned()
            }
        };
        Ok(Gaussians { conditional, unconditional, frame })
    }

    /// Eigenvalues of A_c − A_u within the frame and its eigenvectors there, (d, q), and the eigenvalue off it.
    ///
    /// # Errors
    /// When variances are too large to factorize.
    pub fn spectrum(&self, sigma: f64) -> Result<(Array1<f64>, Array2<f64>, f64)> {
        let off = gains(&self.conditional, sigma).1 - gains(&self.unconditional, sigma).1;
        let [c, u] = [&self.conditional, &self.unconditional].map(|c| within(&self.frame, c, sigma));
        if self.frame.ncols() == 0 {
            return Ok((Array1::zeros(0), self.frame.clone(), off));
        }
        let (values, vectors) = symmetric_eigen((c - u).view())?;
        Ok((values + off, product(self.frame.view(), vectors.view()), off))
    }

    /// (I − A_u)(μ_c − μ_u).
    fn shift(&self, sigma: f64) -> Array1<f64> {
        let u = &self.unconditional;
        let (on, off) = gains(u, sigma);
        let mut apart = &self.conditional.mean - &u.mean;
        let inside = u.basis.t().dot(&apart) * on.mapv(|g| off - g);
        apart *= sigma * sigma / (u.noise_variance + sigma * sigma);
        apart + u.basis.dot(&inside)
    }

    /// A part of D_c − D_u for every row of x, (n, d).
    ///
    /// # Errors
    /// As [`Gaussians::spectrum`].
    pub fn part<T: Scalar>(&self, part: Part, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let mut result = Array2::zeros(x.raw_dim());
        if part != Part::Mean {
            let (values, vectors, off) = self.spectrum(sigma)?;
            let (vectors, off) = (cast::<f64, T>(vectors.view()), part.of(off));
            let centred = seen_from(&Some(self.conditional.mean.clone()), x);
            // Σ_i e_i v_i v_iᵀ z + off (z − Σ_i v_i v_iᵀ z), z = x − μ_c.
            let mut inside = product(centred.view(), vectors.view());
            inside *= &values.mapv(|e| T::of(part.of(e) - off));
            result.scaled_add(T::of(off), &centred);
            accumulate(result.view_mut(), inside.view(), vectors.t());
        }
        if part.has_mean() {
            result += &self.shift(sigma).mapv(T::of);
        }
        Ok(result)
    }
}

/// D_c + (w − 1) times a part of D_c − D_u within the band, D_c elsewhere.
pub struct PartlyGuided<T: Scalar> {
    pub conditional: Box<dyn Differentiable<T>>,
    pub unconditional: Box<dyn Differentiable<T>>,
    /// Where both are one Gaussian; otherwise the parts are the heuristic's.
    pub gaussians: Option<Gaussians>,
    pub part: Part,
    pub weight: T,
    pub band: Band,
}

impl<T: Scalar> PartlyGuided<T> {
    fn guide(&self, x: ArrayView2<T>, by: By, sigma: f64) -> Result<Array2<T>> {
        let mut d = by.ask(self.conditional.as_ref(), x, sigma)?;
        if !self.band.contains(sigma) {
            return Ok(d);
        }
        let part = match &self.gaussians {
            Some(gaussians) => gaussians.part(self.part, x, sigma)?,
            None => self.heuristic(x, d.view(), by, sigma)?,
        };
        d.scaled_add(self.weight - T::one(), &part);
        Ok(d)
    }

    /// A part at points x where D_c is d.
    fn heuristic(&self, x: ArrayView2<T>, d: ArrayView2<T>, by: By, sigma: f64) -> Result<Array2<T>> {
        if self.part == Part::Full {
            return Ok(&d - &by.ask(self.unconditional.as_ref(), x, sigma)?);
        }
        // What is left by all of the map is the shift.
        let mapped = if self.part == Part::Mean { Part::Full } else { self.part };
        let mut result = Array2::zeros(x.raw_dim());
        for ((x, d), mut result) in x.outer_iter().zip(d.outer_iter()).zip(result.outer_iter_mut()) {
            let [c, u] = [&self.conditional, &self.unconditional].map(|of| of.jacobian(x, sigma));
            let apart = cast::<T, f64>(c?.view()) - cast::<T, f64>(u?.view());
            let (values, vectors) = symmetric_eigen((0.5 * (&apart + &apart.t())).view())?;
            let inside = vectors.t().dot(&d.mapv(Scalar::wide)) * values.mapv(|e| mapped.of(e));
            result.assign(&vectors.dot(&inside).mapv(T::of));
        }
        if self.part == Part::Mean {
            let apart = &d - &by.ask(self.unconditional.as_ref(), x, sigma)?;
            result = apart - result;
        }
        Ok(result)
    }
}

impl<T: Scalar> Denoiser<T> for PartlyGuided<T> {
    fn dim(&self) -> usize {
        self.conditional.dim()
    }

    /// The eigenvectors of a level are those of all rows, and found once a block.
    fn block(&self, rows: usize) -> usize {
        match self.gaussians {
            Some(_) => rows,
            None => self.conditional.block(rows).max(self.unconditional.block(rows)),
        }
    }

    fn batch(&self) -> Option<usize> {
        self.conditional.batch().max(self.unconditional.batch())
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.guide(x, By::Nothing, sigma)
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        self.guide(x, By::First(first), sigma)
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.guide(x, By::Own(number), sigma)
    }
}
