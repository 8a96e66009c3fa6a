//! How rich a set of samples is: the differential entropy of the law that they are drawn from, by the distance of each
//! to its k-th nearest (Kozachenko and Leonenko, Problems of Information Transmission 23 (1987) 95), which falls
//! when a model is trained on what it drew itself (arXiv 2509.16499).

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, Axis};
use statrs::function::gamma::{digamma, ln_gamma};

use super::interval::Mean;
use super::nearest::Searched;
use super::subset::shuffled;
use crate::fit::pca::Moments;
use crate::linalg::symmetric_eigen;
use crate::scalar::Scalar;

/// Parts of the rows, each with an estimate of its own: their spread is the standard error.
const PARTS: usize = 20;

/// Fewer parts say nothing of a spread.
const FEWEST_PARTS: usize = 5;

/// So many times k + 1 rows, at least, make a part.
const OF_A_PART: usize = 5;

/// Rows whose neighbours are looked for at a time.
pub(super) const ROWS: usize = 4096;

/// An estimate of the entropy, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    pub value: f64,
    pub parts: Option<Parts>,
    /// As [`directions`].
    pub directions: Option<usize>,
}

/// What the same rows say in parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// Of the value: the deviation of the parts' values over the root of their number. It counts that neighbours share
    /// distances, which the deviation of d·ln r over √N does not.
    pub std_error: f64,
    /// Their mean value: that of so many times fewer rows, with the larger bias that these have.
    pub mean: f64,
    pub count: usize,
}

impl Entropy {
    /// Rows below which there are no parts.
    pub fn fewest(k: usize) -> usize {
        FEWEST_PARTS * OF_A_PART * (k + 1)
    }

    /// Of rows (N, d), by their k-th nearest; `progress` is told of rows as they are done, N of them in all and once
    /// more for the parts.
    ///
    /// # Errors
    /// As [`Searched::checked`]; no more than k rows; rows at which k others lie.
    pub fn of<T: Scalar>(x: Array2<T>, k: usize, mut progress: impl FnMut(usize)) -> Result<Entropy> {
        let n = x.nrows();
        ensure!(n > k, "{n} rows, where each needs {k} others; give more rows or fewer --neighbours");
        let searched = Searched::checked(x)?.expecting(n);
        let directions = directions(searched.rows())?;
        let value = estimate(&searched, k, &mut progress)?;
        let parts = in_parts(&searched, k, |part| estimate(part, k, &mut progress))?;
        Ok(Entropy { value, parts, directions })
    }
}

/// Of each dimension: below so large a share of the largest variance, columns in units of their deviations, a direction's is
/// rounding, of the covariance to about 1e-15 and of numbers in f32 to 4e-15.
const FLAT: f64 = 1e-14;

/// In how many directions rows (N, d) spread beyond rounding; nothing where they are too few to spread in all, or a covariance
/// does not fit in memory.
///
/// # Errors
/// Numbers too large.
pub fn directions<T: Scalar>(x: ArrayView2<T>) -> Result<Option<usize>> {
    let (n, d) = x.dim();
    if n <= d {
        return Ok(None);
    }
    let Ok(mut moments) = Moments::new(d) else { return Ok(None) };
    x.axis_chunks_iter(Axis(0), ROWS).for_each(|rows| moments.add(rows));
    let (_, mut covariance) = moments.covariance();
    let scale = covariance.diag().mapv(|v| if v > 0.0 { v.sqrt().recip() } else { 0.0 });
    covariance.indexed_iter_mut().for_each(|((i, j), v)| *v *= scale[i] * scale[j]);
    let (variances, _) = symmetric_eigen(covariance.view())?;
    Ok(Some(variances.iter().filter(|v| **v > FLAT * d as f64 * variances[0]).count()))
}

/// What up to 20 parts of the rows have each by itself, of values that take the k-th nearest; none where there are too
/// few rows.
///
/// # Errors
/// The first of `value`.
pub(super) fn in_parts<T: Scalar>(
    x: &Searched<T>,
    k: usize,
    mut value: impl FnMut(&Searched<T>) -> Result<f64>,
) -> Result<Option<Parts>> {
    let n = x.rows().nrows();
    let count = (n / (OF_A_PART * (k + 1))).min(PARTS);
    if count < FEWEST_PARTS {
        return Ok(None);
    }
    let mut values = Mean::default();
    // Every part as all of the rows, in whatever order they come.
    let order = shuffled(n, 0, 0);
    for part in 0..count {
        let rows: Vec<usize> = order.iter().skip(part).step_by(count).copied().collect();
        let part = Searched::new(x.rows().select(Axis(0), &rows)).expecting(rows.len());
        values.add(value(&part)?);
    }
    Ok(Some(Parts { std_error: values.std_error(), mean: values.mean, count }))
}

/// H = ψ(N) − ψ(k) + ln c_d + (d/N) Σ ln r_k, c_d = π^{d/2}/Γ(d/2 + 1) the volume of the unit ball.
fn estimate<T: Scalar>(x: &Searched<T>, k: usize, mut progress: impl FnMut(usize)) -> Result<f64> {
    let (n, d) = x.rows().dim();
    let (mut logs, mut at_others) = (Mean::default(), 0);
    for start in (0..n).step_by(ROWS) {
        let rows: Vec<usize> = (start..n.min(start + ROWS)).collect();
        for found in x.neighbours_of_others(&rows, k) {
            match found.last() {
                Some(farthest) if farthest.distance > 0.0 => logs.add(farthest.distance.ln()),
                _ => at_others += 1,
            }
        }
        progress(rows.len());
    }
    let others = if k == 1 { "another".to_string() } else { format!("{k} others") };
    ensure!(
        at_others == 0,
        "{at_others} of {n} rows lie on {others}, at distance 0, of which the estimate is -inf; leave out repeated rows \
         or give more --neighbours"
    );
    let d = d as f64;
    let ball = 0.5 * d * std::f64::consts::PI.ln() - ln_gamma(0.5 * d + 1.0);
    Ok(digamma(n as f64) - digamma(k as f64) + ball + d * logs.mean)
}
