//! The minimizers that the theory of two-layer denoising autoencoders constructs (arXiv 2512.20963): f(x) = W[Wᵀx]₊
//! at one noise level σ, with the loss (1/n) Σ E‖f(x_i + σε) − x_i‖² + 2λ‖W‖².

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, Axis, s};

use crate::blocks::room;
use crate::linalg::{cast, leading_right_vectors, product};
use crate::scalar::Scalar;

/// W, and whether its units are what the theory takes them for.
pub struct Constructed {
    /// (d, p), a column a unit; 0 from the last constructed one on.
    pub weights: Array2<f64>,
    /// The share of rows of their own clusters that units answer to, without noise: 1 where the theory holds.
    pub own: f64,
    /// The share of other clusters' rows that they answer to: 0 where it holds.
    pub others: f64,
}

/// Corollary 3.2: every row is stored as a column r_i x_i, r_i² = (‖x_i‖² − nλ)/(‖x_i‖⁴ + σ²‖x_i‖²).
///
/// # Errors
/// Fewer units than rows; rows that are too short for λ.
pub fn memorizing<T: Scalar>(x: ArrayView2<T>, sigma: f64, lambda: f64, units: usize) -> Result<Constructed> {
    let labels: Vec<usize> = (0..x.nrows()).collect();
    blocks(x, &labels, &vec![1; x.nrows()], sigma, lambda, units)
}

/// Theorem 3.1: of every cluster k of the rows the block U_k (I + n_kσ²Λ_k⁻¹)^{−½} (I − nλΛ_k⁻¹)^{½} O_kᵀ, where
/// U_kΛ_kU_kᵀ are the leading `ranks[k]` of X_kX_kᵀ. O_k is a cosine transform, whose first column is constant: every
/// unit has the same share of the leading direction, and answers to its own cluster.
///
/// # Errors
/// Fewer units than ranks, or rows than a rank; eigenvalues that are too small for λ.
pub fn blocks<T: Scalar>(
    x: ArrayView2<T>,
    labels: &[usize],
    ranks: &[usize],
    sigma: f64,
    lambda: f64,
    units: usize,
) -> Result<Constructed> {
    let (n, needed) = (x.nrows() as f64, ranks.iter().sum::<usize>());
    ensure!(needed <= units, "--width {units}: the constructed units are {needed}; give as many or more");
    room(&[x.nrows().max(x.ncols()), units], "--width")?;
    let mut weights = Array2::zeros((x.ncols(), units));
    let mut of_unit = Vec::new();
    for (k, &rank) in ranks.iter().enumerate() {
        let of_k: Vec<usize> = (0..x.nrows()).filter(|&i| labels[i] == k).collect();
        ensure!(
            (1..=of_k.len()).contains(&rank),
            "cluster {k} has {} rows, which have no {rank} directions; give rows or smaller --rank",
            of_k.len()
        );
        let rows: Array2<f64> = cast(x.select(Axis(0), &of_k).view());
        let (mut u, values) = leading_right_vectors(rows.view(), rank)?;
        ensure!(
            u.ncols() == rank,
            "cluster {k} has no more than {} directions; give a smaller --rank",
            u.ncols()
        );
        // The leading one points to the rows, which units answer to.
        if u.column(0).dot(&rows.sum_axis(Axis(0))) < 0.0 {
            u.column_mut(0).mapv_inplace(|v| -v);
        }
        let least = values[rank - 1];
        ensure!(
            n * lambda < least,
            "--weight-decay: n λ = {:.4} is not below {least:.4}, the least of the {rank} eigenvalues of cluster {k}; give \
             a smaller one",
            n * lambda
        );
        let n_k = of_k.len() as f64;
        let size = |l: f64| ((1.0 - n * lambda / l) / (1.0 + n_k * sigma * sigma / l)).sqrt();
        let block = product((u * values.mapv(size)).view(), cosines(rank).t());
        let from = of_unit.len();
        weights.slice_mut(s![.., from..from + rank]).assign(&block);
        of_unit.extend(vec![k; rank]);
    }
    let answers = product(cast::<T, f64>(x).view(), weights.slice(s![.., ..needed]));
    let mut counts = [[0.0; 2]; 2];
    for ((i, unit), &answer) in answers.indexed_iter() {
        let [answered, all] = &mut counts[usize::from(labels[i] != of_unit[unit])];
        *answered += f64::from(u8::from(answer > 0.0));
        *all += 1.0;
    }
    let [own, others] = counts.map(|[answered, all]| if all > 0.0 { answered / all } else { 0.0 });
    Ok(Constructed { weights, own, others })
}

/// The orthogonal matrix of the cosine transform (DCT-II), (n, n), its first column constant.
fn cosines(n: usize) -> Array2<f64> {
    let step = std::f64::consts::PI / n as f64;
    Array2::from_shape_fn((n, n), |(j, a)| {
        let size = if a == 0 { 1.0 } else { 2.0 };
        (size / n as f64).sqrt() * ((j as f64 + 0.5) * a as f64 * step).cos()
    })
}
