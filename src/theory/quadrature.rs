//! Integrals of smooth functions: Gauss and Legendre's rule.

use anyhow::Result;
use ndarray::Array2;

use crate::linalg::symmetric_eigen;

/// Places and weights of an integral.
#[derive(Clone, Debug, Default)]
pub struct Rule(pub Vec<(f64, f64)>);

impl Rule {
    /// n places in (a, b): exact for polynomials of degree 2n − 1. They are the eigenvalues of the tridiagonal matrix of
    /// k/√(4k²−1), and weights (b − a) times the squares of the eigenvectors' first entries (Golub and Welsch 1969).
    ///
    /// # Errors
    /// Of the factorization.
    pub fn gauss_legendre(n: usize, a: f64, b: f64) -> Result<Rule> {
        let jacobi = Array2::from_shape_fn((n, n), |(i, j)| {
            let k = i.max(j) as f64;
            if i.abs_diff(j) == 1 { k / (4.0 * k * k - 1.0).sqrt() } else { 0.0 }
        });
        let (places, vectors) = symmetric_eigen(jacobi.view())?;
        let place = |x: f64| 0.5 * (a + b) + 0.5 * (b - a) * x;
        let weights = vectors.row(0).mapv(|v| (b - a) * v * v);
        Ok(Rule(places.iter().zip(&weights).map(|(x, w)| (place(*x), *w)).collect()))
    }

    /// That rule in pieces of equal length, none longer than `longest`.
    ///
    /// # Errors
    /// Of the factorization.
    pub fn in_pieces(n: usize, a: f64, b: f64, longest: f64) -> Result<Rule> {
        let Rule(unit) = Rule::gauss_legendre(n, 0.0, 1.0)?;
        let pieces = ((b - a) / longest).ceil().max(1.0);
        let length = (b - a) / pieces;
        let piece = |i: usize| {
            let start = a + i as f64 * length;
            unit.iter().map(move |(x, w)| (start + x * length, w * length))
        };
        Ok(Rule((0..pieces as usize).flat_map(piece).collect()))
    }

    /// ∫ f.
    pub fn integral(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.0.iter().map(|(x, w)| w * f(*x)).sum()
    }
}
