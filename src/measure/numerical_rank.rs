//! The numerical rank of a denoiser's Jacobian: the smallest r whose leading
//! singular values satisfy √Σ_{i≤r} s_i² > η √Σ s_i² (arXiv 2409.02374, equation 10).

use anyhow::Result;
use ndarray::{Array2, ArrayView1, s};

use crate::denoiser::{Denoiser, Singular};
use crate::linalg::{cast, orthonormalize, thin_svd};
use crate::random::{Purpose, row_rng, standard_normals};
use crate::scalar::Scalar;

/// How many singular values it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    pub rank: usize,
    /// Share of Σ s² that they hold.
    pub energy: f64,
    /// s_{r+1}/s_r: near 0 where the rank is clear, near 1 where it hangs on the threshold.
    pub gap: f64,
}

/// The rank of singular values (largest first): the smallest r with
/// Σ_{i≤r} s_i² > `threshold`·total, strictly, `total` being Σ s² of all of them,
/// those not listed included. Zero for a zero Jacobian.
pub fn numerical_rank(singular: &[f64], total: f64, threshold: f64) -> Rank {
    if total <= 0.0 {
        return Rank { rank: 0, energy: 1.0, gap: 0.0 };
    }
    let mut held = 0.0;
    let mut rank = singular.len();
    for (i, s) in singular.iter().enumerate() {
        held += s * s;
        if held > threshold * total {
            rank = i + 1;
            break;
        }
    }
    let gap = match (rank.checked_sub(1).and_then(|r| singular.get(r)), singular.get(rank)) {
        (Some(last), Some(next)) if *last > 0.0 => next / last,
        _ => 0.0,
    };
    Rank { rank, energy: (held / total).min(1.0), gap }
}

/// More directions than asked for that the randomized factorization carries.
const OVERSAMPLING: usize = 10;

/// Rounds of JJᵀ that turn random directions towards the leading ones.
const POWER_ROUNDS: usize = 2;

/// The `q` leading singular values and right vectors of the Jacobian at `x` by
/// products alone (Halko, Martinsson and Tropp, arXiv 0909.4061), and an estimate
/// of Σ s² from the same random directions: E‖Jω‖² = ‖J‖_F². `probe` keys the directions.
pub fn randomized<T: Scalar>(
    denoiser: &dyn Denoiser<T>,
    x: ArrayView1<T>,
    sigma: f64,
    q: usize,
    seed: u64,
    probe: u64,
) -> Result<(Singular, f64)> {
    let d = denoiser.dim();
    let width = (q + OVERSAMPLING).min(d);
    let mut rng = row_rng(seed, Purpose::Probes, probe);
    let directions = Array2::from_shape_vec((width, d), standard_normals::<T>(&mut rng, width * d))?;
    let orthonormal_rows = |rows: Array2<T>| {
        let q = orthonormalize(cast::<T, f64>(rows.t()).view());
        cast::<f64, T>(q.t())
    };
    // Rows of `range` span the leading left singular directions.
    let image = denoiser.jvp(x, directions.view(), sigma);
    let total = image.iter().map(|v| v.wide() * v.wide()).sum::<f64>() / width as f64;
    let mut range = orthonormal_rows(image);
    for _ in 0..POWER_ROUNDS {
        let back = orthonormal_rows(denoiser.vjp(x, range.view(), sigma));
        range = orthonormal_rows(denoiser.jvp(x, back.view(), sigma));
    }
    // QᵀJ = (JᵀQ)ᵀ, whose singular values and right vectors are J's leading ones.
    let small = cast::<T, f64>(denoiser.vjp(x, range.view(), sigma).view());
    let (_, values, right) = thin_svd(small.view())?;
    let q = q.min(values.len());
    let singular = Singular {
        values: values.slice(s![..q]).to_owned(),
        right: right.slice(s![.., ..q]).to_owned(),
        rest: (0.0, 0),
    };
    // What was seen cannot exceed the whole.
    let seen = singular.values.dot(&singular.values);
    Ok((singular, total.max(seen)))
}
