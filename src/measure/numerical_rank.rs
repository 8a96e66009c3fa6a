//! The numerical rank of a denoiser's Jacobian: the smallest r whose leading
//! singular values satisfy √Σ_{i≤r} s_i² > η √Σ s_i² (arXiv 2409.02374, equation 10).

use anyhow::Result;
use ndarray::{Array2, ArrayView1, Axis, concatenate, s};
use rand::Rng;

use crate::denoiser::{Differentiable, Singular};
use crate::flow::Plan;
use crate::linalg::{cast, complete_basis, orthonormalize, product, right_svd};
use crate::random::{NoisyPoints, Purpose, row_rng, standard_normals};
use crate::scalar::Scalar;

/// A rank whose s_{r+1}/s_r is above it hangs on the threshold: singular values are alike on both of its sides.
pub const HANGS: f64 = 0.95;

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
    // Of nothing, all; and NaN stays NaN.
    let energy = if total == 0.0 { 1.0 } else { (held / total).clamp(0.0, 1.0) };
    Rank { rank, energy, gap }
}

/// The ranks where twice and where half as much of the energy may be left out as by `threshold`.
pub fn ranks_about(singular: &[f64], total: f64, threshold: f64) -> [usize; 2] {
    let left_out = 1.0 - threshold;
    [2.0, 0.5].map(|factor| numerical_rank(singular, total, (1.0 - factor * left_out).max(0.0)).rank)
}

/// More directions than asked for that the randomized factorization carries.
const OVERSAMPLING: usize = 10;

/// Rounds of JJᵀ that turn random directions towards the leading ones.
const POWER_ROUNDS: usize = 2;

/// The `q` leading singular values and right vectors of the Jacobian at `x` by
/// products alone (Halko, Martinsson and Tropp, arXiv 0909.4061), and Σ s²: that of
/// the singular values found, plus an estimate of what lies outside the range found,
/// E‖(I−QQᵀ)Jω‖² over fresh directions ω. `probe` keys the directions.
pub fn randomized<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView1<T>,
    sigma: f64,
    q: usize,
    seed: u64,
    probe: u64,
) -> Result<(Singular, f64)> {
    let d = denoiser.dim();
    let width = (q + OVERSAMPLING).min(d);
    let mut rng = row_rng(seed, Purpose::Probes, probe);
    let mut draw = || Array2::from_shape_vec((width, d), standard_normals::<T>(&mut rng, width * d));
    let directions = draw()?;
    let fresh = draw()?;
    let orthonormal_rows = |rows: Array2<T>| {
        let q = orthonormalize(cast::<T, f64>(rows.t()).view());
        cast::<f64, T>(q.t())
    };
    // Rows of `range` span the leading left singular directions.
    let image = denoiser.jvp(x, directions.view(), sigma)?;
    let mut range = orthonormal_rows(image);
    for _ in 0..POWER_ROUNDS {
        let back = orthonormal_rows(denoiser.vjp(x, range.view(), sigma)?);
        range = orthonormal_rows(denoiser.jvp(x, back.view(), sigma)?);
    }
    // QᵀJ = (JᵀQ)ᵀ, whose singular values and right vectors are J's leading ones.
    let small = cast::<T, f64>(denoiser.vjp(x, range.view(), sigma)?.view());
    let (values, right) = right_svd(small.view())?;
    let mut total = values.dot(&values);
    if width < d {
        let image = denoiser.jvp(x, fresh.view(), sigma)?;
        let inside = product(product(image.view(), range.t()).view(), range.view());
        let outside = &image - &inside;
        total += outside.iter().map(|v| v.wide() * v.wide()).sum::<f64>() / width as f64;
    }
    let q = q.min(values.len());
    let singular = Singular {
        values: values.slice(s![..q]).to_owned(),
        right: right.slice(s![.., ..q]).to_owned(),
        rest: (0.0, 0),
    };
    Ok((singular, total))
}

/// What to measure of a Jacobian, and where.
pub struct Survey<'a, T: Scalar> {
    pub denoiser: &'a dyn Differentiable<T>,
    /// Noise levels, in the order of the results.
    pub levels: &'a [f64],
    /// The flow that points lie along; it visits every level (see [`Plan::with_levels`]).
    pub plan: &'a Plan,
    /// Of [`numerical_rank`].
    pub threshold: f64,
    /// Look for this many leading singular values by random products, instead
    /// of for all exactly.
    pub randomized: Option<usize>,
    /// Singular values to keep.
    pub values: usize,
    /// Right singular vectors to keep.
    pub vectors: usize,
    pub seed: u64,
}

/// The result at one point and level.
pub struct Cell {
    pub rank: Rank,
    /// Where it hangs on the threshold, [`ranks_about`] it.
    pub about: Option<[usize; 2]>,
    /// The leading singular values, as many as the survey keeps.
    pub values: Vec<f64>,
    /// Their right singular vectors, one after the other.
    pub vectors: Vec<f64>,
}

impl<T: Scalar> Survey<'_, T> {
    /// All levels along the flow from latent `row`.
    pub fn along_flow(&self, row: u64) -> Result<Vec<Cell>> {
        self.plan.at_levels(self.denoiser, self.seed, row..row + 1, self.levels, |x, level| {
            self.cell(x.row(0), level, row)
        })
    }

    /// All levels at the point that is `row` of its array; with `noisy`, at that
    /// point plus σ·ε, one ε for all levels.
    pub fn at_point(&self, point: ArrayView1<T>, row: u64, noisy: bool) -> Result<Vec<Cell>> {
        let points = point.to_owned().insert_axis(Axis(0));
        let noisy = noisy.then(|| NoisyPoints::new(points, self.seed, row));
        let at_level = |&sigma: &f64| match &noisy {
            Some(points) => self.cell(points.at(sigma).row(0), sigma, row),
            None => self.cell(point, sigma, row),
        };
        self.levels.iter().map(at_level).collect()
    }

    fn cell(&self, x: ArrayView1<T>, sigma: f64, row: u64) -> Result<Cell> {
        let (singular, total) = match self.randomized {
            Some(q) => randomized(self.denoiser, x, sigma, q, self.seed, row)?,
            None => {
                let singular = self.denoiser.spectrum(x, sigma, self.vectors)?;
                let total = singular.all().iter().map(|s| s * s).sum();
                (singular, total)
            }
        };
        let all = singular.all();
        let mut values = all[..self.values.min(all.len())].to_vec();
        values.resize(self.values, 0.0);
        let vectors =
            leading_vectors(&singular, self.vectors, &mut row_rng(self.seed, Purpose::Completion, row));
        let vectors = vectors.t().iter().copied().collect();
        let rank = numerical_rank(&all, total, self.threshold);
        let about = (rank.gap > HANGS).then(|| ranks_about(&all, total, self.threshold));
        Ok(Cell { rank, about, values, vectors })
    }
}

/// The right singular vectors of the `count` largest values as columns, (d, ≤ count). Of the equal values
/// that a closed form does not list, every orthonormal basis of the directions left will do: theirs is drawn.
pub(super) fn leading_vectors(singular: &Singular, count: usize, rng: &mut impl Rng) -> Array2<f64> {
    let (rest, others) = singular.rest;
    let (d, listed) = singular.right.dim();
    let above = singular.values.iter().take_while(|&&s| s >= rest).count().min(count);
    let drawn = others.min(count - above);
    let below = (listed - above.min(listed)).min(count - above - drawn);
    let right = singular.right.view();
    let completed = complete_basis(right, listed + drawn, Array2::zeros((d, 0)).view(), rng);
    concatenate![
        Axis(1),
        right.slice(s![.., ..above]),
        completed.slice(s![.., listed..]),
        right.slice(s![.., above..above + below])
    ]
}
