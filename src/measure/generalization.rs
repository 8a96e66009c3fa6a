//! The GL score: how far samples are from copies of training rows.
//!
//! * similarity form: 1 − share of samples whose best similarity to a training row
//!   passes the threshold (arXiv 2310.05264);
//! * ratio form: 1 − share of copies, a copy being nearer to its nearest training
//!   row than a third of the distance to the second nearest;
//! * distance form: Σ_i min_j‖x_i − t_j‖ over the same for fresh samples of the true
//!   distribution (arXiv 2409.02426).

use super::interval::Amounts;
use super::nearest::{Nearest, Searched};
use super::reproducibility::Similarity;
use crate::random::{Purpose, row_rng, subset};
use crate::scalar::Scalar;

/// So many training rows at most are all left out in turn; of more, so many.
const ALL_LEFT_OUT: usize = 2000;
const SOME_LEFT_OUT: usize = 400;

/// Which of n training rows are left out in turn, so that their scores say what a sample's would be that is no copy: all
/// where there are few, else some drawn by the seed, enough for two digits of a share.
pub fn left_out(n: usize, seed: u64) -> Vec<usize> {
    let count = if n <= ALL_LEFT_OUT { n } else { SOME_LEFT_OUT };
    subset(&mut row_rng(seed, Purpose::LeftOut, 0), n, count)
}

/// Whether a sample is a copy: its nearest training row is nearer than `ratio`
/// times the second nearest.
pub fn is_copy(nearest: &Nearest, ratio: f64) -> bool {
    nearest.distance < ratio * nearest.second
}

/// The similarity form of the training rows themselves, each left out in turn: what the score is without a cause.
/// Nothing where there is but one row.
pub fn similarity_left_out<T: Scalar>(
    train: &Searched<T>,
    seed: u64,
    similarity: Similarity,
    threshold: f64,
    unit: f64,
) -> Option<f64> {
    let best = train.best_of_others(&left_out(train.rows().nrows(), seed), similarity, unit);
    share_of_new(best.iter().map(|b| similarity.alike(b.similarity, threshold)))
}

/// The same of the ratio form.
pub fn ratio_left_out<T: Scalar>(train: &Searched<T>, seed: u64, ratio: f64) -> Option<f64> {
    let nearest = train.nearest_of_others(&left_out(train.rows().nrows(), seed));
    share_of_new(nearest.iter().map(|n| is_copy(n, ratio)))
}

/// The same of the distance form, over the distances of fresh samples; nothing without such a distance, too.
pub fn distance_left_out<T: Scalar>(train: &Searched<T>, seed: u64, fresh: &Amounts) -> Option<f64> {
    let mut distances = Amounts::default();
    let nearest = train.nearest_of_others(&left_out(train.rows().nrows(), seed));
    nearest.iter().for_each(|n| distances.add(n.distance));
    distances.over(fresh).filter(|ratio| ratio.n > 0).map(|ratio| ratio.value)
}

/// The share of those that are no copies; of none, nothing.
fn share_of_new(copies: impl ExactSizeIterator<Item = bool>) -> Option<f64> {
    let n = copies.len();
    (n > 0).then(|| copies.filter(|copy| !copy).count() as f64 / n as f64)
}
