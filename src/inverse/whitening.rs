//! Some R with RᵀR = N⁻¹ for the noise N = c A Aᵀ + s² I that y has besides what is on a subspace.
//!
//! By singular values it is N^(−½). Of a matrix it is L⁻¹ of Cholesky's N = L Lᵀ, which takes a tenth of the time, unless
//! that would lose digits.

use anyhow::Result;
use ndarray::{Array2, ArrayView2};

use super::operator::Operator;
use crate::linalg::{inverse_cholesky, product, squared_norms};

/// The condition of N up to which Cholesky's factor is taken: of sixteen digits it leaves eight.
const CONDITION: f64 = 1e8;

pub struct Whitening {
    pub c: f64,
    s2: f64,
    /// L⁻¹, (m, m), if that is R.
    inverse: Option<Array2<f64>>,
    /// ln det N.
    pub log_determinant: f64,
}

impl Whitening {
    /// With the lower triangle of A Aᵀ, where it is at hand.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn new(operator: &Operator, gram: Option<&Array2<f64>>, c: f64, s2: f64) -> Result<Whitening> {
        let inverse = gram.filter(|_| c > 0.0).and_then(|gram| inverse_of(gram, c, s2));
        let log_determinant = match &inverse {
            Some(inverse) => -2.0 * inverse.diag().iter().map(|v| v.ln()).sum::<f64>(),
            None => operator.gram_values_of(c, s2)?.iter().map(|v| v.ln()).sum(),
        };
        Ok(Whitening { c, s2, inverse, log_determinant })
    }

    /// R y for every row y, (n, m) → (n, m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn apply(&self, operator: &Operator, y: ArrayView2<f64>) -> Result<Array2<f64>> {
        match &self.inverse {
            Some(inverse) => Ok(product(y, inverse.t())),
            None => self.symmetric(operator, y),
        }
    }

    /// Rᵀu for every row u, (n, m) → (n, m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn adjoint(&self, operator: &Operator, u: ArrayView2<f64>) -> Result<Array2<f64>> {
        match &self.inverse {
            Some(inverse) => Ok(product(u, inverse.view())),
            None => self.symmetric(operator, u),
        }
    }

    fn symmetric(&self, operator: &Operator, y: ArrayView2<f64>) -> Result<Array2<f64>> {
        if self.c == 0.0 {
            return Ok(&y / self.s2.sqrt());
        }
        operator.of_gram(y, |e| 1.0 / (self.c * e + self.s2).sqrt())
    }
}

/// L⁻¹ of N, if ‖N‖ ‖N⁻¹‖, which is at most tr N ‖L⁻¹‖²_F, is small enough.
fn inverse_of(gram: &Array2<f64>, c: f64, s2: f64) -> Option<Array2<f64>> {
    let mut noise = gram * c;
    noise.diag_mut().mapv_inplace(|v| v + s2);
    let inverse = inverse_cholesky(noise.view())?;
    let most = noise.diag().sum() * squared_norms(inverse.view()).sum();
    (most <= CONDITION).then_some(inverse)
}
