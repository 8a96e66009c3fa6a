//! Choosing rows that stand for a set: those farthest from each other, instead of those that are drawn (arXiv 2509.16499:
//! what keeps the entropy of a training set that a model is fed with its own samples).

use anyhow::{Result, ensure};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use crate::linalg::squared_distance;
use crate::random::{Purpose, row_rng, uniform};
use crate::scalar::Scalar;

/// A row and its distance from those chosen before it; of the first there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    pub row: usize,
    pub distance: Option<f64>,
}

/// Rows 0..n in an order drawn by the seed: by a uniform number each, that of row i keyed by `first` + i.
pub fn shuffled(n: usize, first: u64, seed: u64) -> Vec<usize> {
    let key = |i: usize| uniform(&mut row_rng(seed, Purpose::Subset, first + i as u64));
    let mut order: Vec<(f64, usize)> = (0..n).map(|i| (key(i), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, i)| i).collect()
}

/// `count` rows of x (N, d), each the one farthest from those before it, of equally far ones the lowest; the first is
/// given. The distances to the nearest chosen row are kept, so that a step costs N·d at most.
///
/// # Errors
/// When fewer rows are different.
pub fn farthest<T: Scalar>(
    x: ArrayView2<T>,
    count: usize,
    first: usize,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Chosen>> {
    let mut cover = Cover::new(x);
    while cover.chosen.len() < count {
        let next = if cover.chosen.is_empty() { first } else { cover.farthest(count)? };
        cover.choose(next);
        progress(1);
    }
    Ok(cover.chosen)
}

/// `count` rows of x (N, d): through the rows in this order, taking those farther than the threshold from all that are
/// taken; again with the threshold times `decay`, 0 < decay < 1, until there are as many.
///
/// # Errors
/// As [`farthest`].
pub fn beyond_threshold<T: Scalar>(
    x: ArrayView2<T>,
    count: usize,
    order: &[usize],
    mut threshold: f64,
    decay: f64,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Chosen>> {
    let mut cover = Cover::new(x);
    loop {
        for &row in order {
            // What is taken is at distance 0.
            if cover.chosen.len() < count && cover.nearest[row].0.sqrt() > threshold {
                cover.choose(row);
                progress(1);
            }
        }
        if cover.chosen.len() == count {
            return Ok(cover.chosen);
        }
        // Passes that would take nothing.
        let most = cover.nearest[cover.farthest(count)?].0.sqrt();
        threshold *= decay;
        while threshold >= most {
            threshold *= decay;
        }
    }
}

/// Rows, those chosen of them, and how far every row is from these.
struct Cover<'a, T> {
    x: ArrayView2<'a, T>,
    chosen: Vec<Chosen>,
    /// Of every row the squared distance to the nearest chosen one, and which of these that is.
    nearest: Vec<(f64, usize)>,
}

/// By more than rounding.
const SURELY: f64 = 1.0 + 1e-9;

impl<'a, T: Scalar> Cover<'a, T> {
    fn new(x: ArrayView2<'a, T>) -> Cover<'a, T> {
        Cover { x, chosen: Vec::new(), nearest: vec![(f64::INFINITY, 0); x.nrows()] }
    }

    fn choose(&mut self, row: usize) {
        let new = self.x.row(row);
        // To those chosen before.
        let apart: Vec<f64> =
            self.chosen.par_iter().map(|c| squared_distance(new, self.x.row(c.row))).collect();
        let number = self.chosen.len();
        self.nearest.par_iter_mut().zip(self.x.axis_iter(Axis(0))).for_each(|(nearest, x)| {
            // A row at r from a chosen one is at r at least from another that is 2r from that.
            if apart.get(nearest.1).is_some_and(|apart| *apart > 4.0 * SURELY * nearest.0) {
                return;
            }
            let square = squared_distance(new, x);
            if square < nearest.0 {
                *nearest = (square, number);
            }
        });
        let distance = apart.iter().copied().fold(f64::INFINITY, f64::min).sqrt();
        self.chosen.push(Chosen { row, distance: distance.is_finite().then_some(distance) });
    }

    /// The row farthest from all chosen ones; `count` are asked for.
    fn farthest(&self, count: usize) -> Result<usize> {
        let later = |a: usize, b: usize| {
            let [x, y] = [a, b].map(|i| self.nearest[i].0);
            if y > x || (y == x && b < a) { b } else { a }
        };
        let row = (0..self.nearest.len()).into_par_iter().reduce(|| 0, later);
        ensure!(
            self.nearest[row].0 > 0.0,
            "only {} rows are different, of which {count} cannot be chosen; ask for fewer",
            self.chosen.len()
        );
        Ok(row)
    }
}
