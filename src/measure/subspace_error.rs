//! How far fitted subspaces are from the planted ones: ‖ÛÛᵀ − UUᵀ‖_F under the
//! best one-to-one matching (arXiv 2409.02426).

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2};
use pathfinding::prelude::{Matrix, kuhn_munkres_min};

use crate::linalg::{product, singular_values};
use crate::mixture::{Component, Mixture};

/// The error of one component of the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Index of the truth's component.
    pub component: usize,
    /// Index of the fitted component matched with it.
    pub matched: usize,
    /// ‖ÛÛᵀ − UUᵀ‖_F.
    pub error: f64,
    /// Largest principal angle, in degrees; 90 when ranks differ.
    pub max_angle_deg: f64,
}

/// ‖ÛÛᵀ − UUᵀ‖_F of orthonormal columns (d, r̂) and (d, r).
pub fn distance(fitted: ArrayView2<f64>, truth: ArrayView2<f64>) -> f64 {
    // The square is ‖(I−ÛÛᵀ)U‖² + ‖(I−UUᵀ)Û‖²: r̂ + r − 2‖ÛᵀU‖² would lose half the digits of a small one.
    let square = |m: Array2<f64>| m.iter().map(|v| v * v).sum::<f64>();
    (square(outside(fitted, truth)) + square(outside(truth, fitted))).sqrt()
}

/// The largest principal angle in degrees; 90 when ranks differ.
///
/// # Errors
/// When its singular values are not found.
pub fn angle(fitted: ArrayView2<f64>, truth: ArrayView2<f64>) -> Result<f64> {
    if fitted.ncols() != truth.ncols() {
        return Ok(90.0);
    }
    let sine = singular_values(outside(fitted, truth).view())?.first().copied().unwrap_or(0.0);
    Ok(sine.min(1.0).asin().to_degrees())
}

/// V less its part in the span of U's columns.
fn outside(u: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
    let inner = product(u.t(), v);
    &v - &product(u, inner.view())
}

/// Per component of the truth the fitted one matched with it, and their error: so that the sum of squared errors is least
/// (assignment problem).
///
/// # Errors
/// When dimensions differ, there are fewer fitted components than true ones, or a basis is not finite.
pub fn assigned(fitted: &Mixture, truth: &Mixture) -> Result<Vec<(usize, f64)>> {
    ensure!(
        fitted.dim() == truth.dim(),
        "the fitted mixture has dimension {}, the truth {}; compare models of the same data",
        fitted.dim(),
        truth.dim()
    );
    let (k, l) = (truth.components.len(), fitted.components.len());
    ensure!(k <= l, "the fitted mixture has {l} components, the truth {k}; fit at least as many");
    let of = |t: &Component| {
        fitted.components.iter().map(|f| distance(f.basis.view(), t.basis.view())).collect::<Vec<_>>()
    };
    let errors: Vec<f64> = truth.components.iter().flat_map(of).collect();
    ensure!(errors.iter().all(|e| e.is_finite()), "a basis holds numbers that are not finite");
    // The solver wants integers: squared errors are at most 2d, and 1e-12 of one
    // is rounding.
    let costs = errors.iter().map(|e| (e * e * 1e12) as i64).collect();
    let (_, assignment) = kuhn_munkres_min(&Matrix::from_vec(k, l, costs)?);
    let of = |(component, matched): (usize, usize)| (matched, errors[component * l + matched]);
    Ok(assignment.into_iter().enumerate().map(of).collect())
}

/// [`assigned`], one row per component of the truth, with angles.
///
/// # Errors
/// As there.
pub fn matched(fitted: &Mixture, truth: &Mixture) -> Result<Vec<Match>> {
    let pairs = assigned(fitted, truth)?.into_iter().zip(&truth.components).enumerate();
    pairs
        .map(|(component, ((matched, error), t))| {
            let max_angle_deg = angle(fitted.components[matched].basis.view(), t.basis.view())?;
            Ok(Match { component, matched, error, max_angle_deg })
        })
        .collect()
}

/// The largest error of all components: the row `all` of the table.
pub fn largest(matches: &[Match]) -> (f64, f64) {
    matches.iter().fold((0.0, 0.0), |(e, a), m| (m.error.max(e), m.max_angle_deg.max(a)))
}
