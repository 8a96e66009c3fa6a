//! The GL score: how far samples are from copies of training rows.
//!
//! * similarity form: 1 − share of samples whose best similarity to a training row
//!   passes the threshold (arXiv 2310.05264);
//! * ratio form: 1 − share of copies, a copy being nearer to its nearest training
//!   row than a third of the distance to the second nearest;
//! * distance form: Σ_i min_j‖x_i − t_j‖ over the same for fresh samples of the true
//!   distribution (arXiv 2409.02426).

use super::nearest::Nearest;
use crate::random::{Purpose, row_rng, subset};

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
