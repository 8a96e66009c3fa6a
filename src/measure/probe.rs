//! What features say of labels, by the subspaces of classes (arXiv 2502.05743).

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::interval::Joint;
use crate::blocks::block_size;
use crate::linalg::{
    argmax, binary_unit, column_means, leading_right_vectors, product, squared_norms, varies,
};

/// The power of two that brings features of some sets to about 1: nothing that is measured here has a unit, and squares
/// of squares have room then.
pub fn unit<'x>(sets: impl IntoIterator<Item = ArrayView2<'x, f64>>) -> f64 {
    let largest = |m: f64, x: ArrayView2<f64>| x.iter().fold(m, |m, v| m.max(v.abs()));
    binary_unit(sets.into_iter().fold(0.0, largest))
}

/// What is done to features before their directions are looked at.
#[derive(Clone, Debug)]
pub struct Preparation {
    normalize: bool,
    mean: Option<Array1<f64>>,
}

impl Preparation {
    /// Rows made of length 1, then less the mean of those in `x`, where these are wanted.
    ///
    /// # Errors
    /// Where rows of `x` are then equal but for rounding, which would be taken for directions.
    pub fn of(x: ArrayView2<f64>, normalize: bool, center: bool) -> Result<Preparation> {
        let mut preparation = Preparation { normalize, mean: None };
        let prepared = preparation.apply(x);
        ensure!(
            varies(prepared.view()),
            "all rows {}, which leaves nothing to tell classes by; give others",
            if normalize { "point the same way" } else { "are equal" }
        );
        preparation.mean = center.then(|| column_means(prepared.view()));
        Ok(preparation)
    }

    pub fn apply(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut x = x.to_owned();
        if self.normalize {
            for mut row in x.outer_iter_mut() {
                let length = row.dot(&row).sqrt();
                if length > 0.0 {
                    row /= length;
                }
            }
        }
        match &self.mean {
            Some(mean) => x - mean,
            None => x,
        }
    }
}

/// A square is rounding below this share of what it is taken from.
const ROUNDING: f64 = 1e-28;

/// Of every class the span of the leading right singular vectors of its rows.
pub struct ClassSubspaces {
    /// By class, (d, ≤ r).
    bases: BTreeMap<usize, Array2<f64>>,
}

impl ClassSubspaces {
    /// Of rows (N, d) and their classes; so many directions a class.
    ///
    /// # Errors
    /// A class with fewer rows.
    pub fn fit(x: ArrayView2<f64>, classes: &[usize], rank: usize) -> Result<ClassSubspaces> {
        let mut rows = BTreeMap::<usize, Vec<usize>>::new();
        classes.iter().enumerate().for_each(|(i, &k)| rows.entry(k).or_default().push(i));
        let basis = |(k, rows): (usize, Vec<usize>)| {
            ensure!(
                rows.len() >= rank,
                "class {k} has {} rows, too few for {rank} directions; give more rows or a smaller --rank",
                rows.len()
            );
            Ok((k, leading_right_vectors(x.select(Axis(0), &rows).view(), rank)?.0))
        };
        Ok(ClassSubspaces { bases: rows.into_iter().map(basis).collect::<Result<_>>()? })
    }

    /// argmax_k ‖V_kᵀx‖² of every row, of equal ones the first.
    pub fn predict(&self, x: ArrayView2<f64>) -> Vec<usize> {
        let classes: Vec<usize> = self.bases.keys().copied().collect();
        let of_block = |x: ArrayView2<f64>| {
            let squares = self.bases.values().map(|basis| squared_norms(product(x, basis.view()).view()));
            let squares: Vec<_> = squares.collect();
            (0..x.nrows()).map(|i| classes[argmax(squares.iter().map(|of_class| of_class[i]))]).collect()
        };
        let blocks = x.axis_chunks_iter(Axis(0), block_size(x.nrows())).into_par_iter().map(of_block);
        blocks.collect::<Vec<Vec<usize>>>().concat()
    }

    /// ‖V_kV_kᵀx‖² and ‖x − V_kV_kᵀx‖²; nothing of a class without rows.
    fn parts(&self, x: ArrayView1<f64>, class: usize) -> Option<(f64, f64)> {
        let basis = self.bases.get(&class)?;
        let z = basis.t().dot(&x);
        // By differences: x may lie in the subspace but for rounding, and then nothing lies off it.
        let off = &x - &basis.dot(&z);
        let (on, off) = (z.dot(&z), off.dot(&off));
        Some((on, if off > ROUNDING * on { off } else { 0.0 }))
    }
}

/// Signal and noise of the rows of every class: SNR_k = E‖V_kV_kᵀx‖² / E‖x − V_kV_kᵀx‖².
#[derive(Clone, Debug, Default)]
pub struct SignalToNoise(pub BTreeMap<usize, Joint>);

impl SignalToNoise {
    /// Takes in rows of these classes.
    pub fn add(&mut self, subspaces: &ClassSubspaces, x: ArrayView2<f64>, classes: &[usize]) {
        for (row, &k) in x.outer_iter().zip(classes) {
            if let Some((on, off)) = subspaces.parts(row, k) {
                self.0.entry(k).or_default().add(on, off);
            }
        }
    }
}

/// Which of several folds every row is in: the rows of each class in turn, so that all folds have all classes.
pub fn folds(classes: &[usize], count: usize) -> Vec<usize> {
    let mut seen = BTreeMap::<usize, usize>::new();
    let fold = |k: &usize| {
        let next = seen.entry(*k).or_default();
        *next += 1;
        (*next - 1) % count
    };
    classes.iter().map(fold).collect()
}
