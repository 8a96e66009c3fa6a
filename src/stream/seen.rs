//! Where the numbers of rows lie that have passed.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayView2;

use crate::scalar::{Scalar, all_finite, sum_by, vectorized};

/// Sums over the rows that have passed, those left out that hold a number which is not finite. Clones share them.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How many rows are looked at.
    most: usize,
    sums: Arc<Mutex<Sums>>,
}

#[derive(Debug, Default)]
struct Sums {
    passed: usize,
    rows: usize,
    numbers: usize,
    /// The first number, about which sums are taken, so that those far from 0 keep their digits.
    pivot: f64,
    sum: f64,
    squares: f64,
    /// Σ x_j x_(j+1) within rows.
    neighbours: f64,
}

/// What rows have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lie {
    pub rows: usize,
    pub numbers: usize,
    /// Root mean square.
    pub rms: f64,
    /// Standard deviation of all numbers together.
    pub deviation: f64,
    /// Mean product of two numbers that follow each other in a row, over the mean square: 0 on average of numbers that are drawn
    /// one by one, whatever rows have to do with each other, and near 1 of images. Of rows of one number, 0.
    pub neighbours: f64,
}

impl Seen {
    /// Of the first rows alone, at most so many.
    pub fn first(most: usize) -> Seen {
        Seen { most, sums: Arc::default() }
    }

    /// Of all rows.
    pub fn all() -> Seen {
        Seen::first(usize::MAX)
    }

    /// Takes in the rows that come next.
    pub fn see<T: Scalar>(&self, x: ArrayView2<T>) {
        // A panic elsewhere leaves the sums as good as they were.
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for row in x.outer_iter().take(self.most - sums.passed.min(self.most)) {
            sums.passed += 1;
            let row = row.as_standard_layout();
            let Some(row) = row.as_slice().filter(|row| all_finite(row)) else { continue };
            if sums.rows == 0 {
                sums.pivot = row.first().map_or(0.0, |v| v.wide());
            }
            let pivot = sums.pivot;
            sums.rows += 1;
            sums.numbers += row.len();
            let (sum, squares, neighbours) = vectorized(
                #[inline(always)]
                || {
                    let sum = sum_by(row, row, |v, _| v - pivot);
                    let squares = sum_by(row, row, |v, _| (v - pivot) * (v - pivot));
                    let next = row.get(1..).unwrap_or(&[]);
                    (sum, squares, sum_by(&row[..next.len()], next, |a, b| a * b))
                },
            );
            sums.sum += sum;
            sums.squares += squares;
            sums.neighbours += neighbours;
        }
    }

    /// Where the numbers lie, of which there may be none.
    pub fn lie(&self) -> Option<Lie> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let &Sums { rows, numbers, pivot, sum, squares, neighbours, .. } = &*sums;
        (numbers > 0).then(|| {
            let (mean, square) = (sum / numbers as f64, squares / numbers as f64);
            let deviation = (square - mean * mean).max(0.0).sqrt();
            let rms = deviation.hypot(pivot + mean);
            let (pairs, square) = ((numbers - rows) as f64, rms * rms);
            let neighbours = if pairs * square > 0.0 { neighbours / (pairs * square) } else { 0.0 };
            Lie { rows, numbers, rms, deviation, neighbours }
        })
    }
}
