//! How far fitted subspaces are from the planted ones: ‖ÛÛᵀ − UUᵀ‖_F under the
//! best one-to-one matching (arXiv 2409.02426).

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2};
use pathfinding::prelude::{Matrix, kuhn_munkres_min};

use crate::linalg::{product, singular_values};
use crate::mixture::Mixture;

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

/// ‖ÛÛᵀ − UUᵀ‖_F and the largest principal angle in degrees.
///
/// The square is ‖(I−ÛÛᵀ)U‖² + ‖(I−UUᵀ)Û‖²: r̂ + r − 2‖ÛᵀU‖² would lose half the
/// digits of a small error.
pub fn between(fitted: ArrayView2<f64>, truth: ArrayView2<f64>) -> Result<(f64, f64)> {
    let outside = |u: ArrayView2<f64>, v: ArrayView2<f64>| {
        let inner = product(u.t(), v);
        &v - &product(u, inner.view())
    };
    let missed = outside(fitted, truth);
    let extra = outside(truth, fitted);
    let square = |m: &Array2<f64>| m.iter().map(|v| v * v).sum::<f64>();
    let error = (square(&missed) + square(&extra)).sqrt();
    let angle = if fitted.ncols() == truth.ncols() {
        let sine = singular_values(missed.view())?.first().copied().unwrap_or(0.0);
        sine.min(1.0).asin().to_degrees()
    } else {
        90.0
    };
    Ok((error, angle))
}

/// Matches fitted components with those of the truth so that the sum of squared
/// errors is least (assignment problem), one row per component of the truth.
///
/// # Errors
/// When dimensions differ, or there are fewer fitted components than true ones.
pub fn matched(fitted: &Mixture, truth: &Mixture) -> Result<Vec<Match>> {
    ensure!(
        fitted.dim() == truth.dim(),
        "the fitted mixture has dimension {}, the truth {}; compare models of the same data",
        fitted.dim(),
        truth.dim()
    );
    let (k, l) = (truth.components.len(), fitted.components.len());
    ensure!(k <= l, "the fitted mixture has {l} components, the truth {k}; fit at least as many");
    let mut found = Vec::with_capacity(k * l);
    for t in &truth.components {
        for f in &fitted.components {
            found.push(between(f.basis.view(), t.basis.view())?);
        }
    }
    // The solver wants integers: squared errors are at most 2d, and 1e-12 of one
    // is rounding.
    let costs: Vec<i64> = found.iter().map(|(e, _)| (e * e * 1e12) as i64).collect();
    let costs = Matrix::from_vec(k, l, costs)?;
    let (_, assignment) = kuhn_munkres_min(&costs);
    Ok(assignment
        .into_iter()
        .enumerate()
        .map(|(component, matched)| {
            let (error, max_angle_deg) = found[component * l + matched];
            Match { component, matched, error, max_angle_deg }
        })
        .collect())
}

/// The largest error of all components: the row `all` of the table.
pub fn largest(matches: &[Match]) -> (f64, f64) {
    matches.iter().fold((0.0, 0.0), |(e, a), m| (m.error.max(e), m.max_angle_deg.max(a)))
}
