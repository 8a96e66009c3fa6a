//! Rows that are equal to the bit: the same seed, or the same file, was used twice.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::scalar::Scalar;

/// Fewer than one in so many rows may repeat by chance, as where their numbers are few values.
pub const BY_CHANCE: u64 = 10;

/// Whether two rows are equal to the bit.
pub fn same_bits<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> bool {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => bytemuck::cast_slice::<T, u8>(a) == bytemuck::cast_slice::<T, u8>(b),
        _ => same_bits(a.to_owned().view(), b.to_owned().view()),
    }
}

/// How many rows of a are equal to the bit to row i of b.
pub fn paired_copies<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>) -> u64 {
    a.outer_iter().zip(b.outer_iter()).filter(|(a, b)| same_bits(*a, *b)).count() as u64
}

/// A set of rows, known by 64 bits of each: among a million rows against a million, one that is no copy
/// counts as one with a chance of 1e-7.
#[derive(Default)]
pub struct Known(HashSet<u64>);

impl Known {
    pub fn new<T: Scalar>(rows: ArrayView2<T>) -> Known {
        Known(digests(rows).into_iter().collect())
    }

    /// The rows of another set, too.
    pub fn extend(&mut self, other: Option<Known>) {
        self.0.extend(other.into_iter().flat_map(|other| other.0));
    }

    /// How many of the rows are in the set.
    pub fn count<T: Scalar>(&self, rows: ArrayView2<T>) -> u64 {
        digests(rows).iter().filter(|digest| self.0.contains(digest)).count() as u64
    }
}

/// The numbers of the rows that are equal to the bit to none before them.
pub fn first_of_each<T: Scalar>(rows: ArrayView2<T>) -> Vec<usize> {
    let mut seen = HashSet::new();
    let digests = digests(rows).into_iter().enumerate();
    digests.filter(|(_, digest)| seen.insert(*digest)).map(|(row, _)| row).collect()
}

/// How many rows are equal to the bit to a row of another part, `part` being that of every row.
pub fn copies_apart<T: Scalar>(rows: ArrayView2<T>, part: &[usize]) -> u64 {
    let mut parts = HashMap::<u64, (usize, bool)>::new();
    let digests = digests(rows);
    for (digest, &part) in digests.iter().zip(part) {
        let (first, several) = parts.entry(*digest).or_insert((part, false));
        *several |= *first != part;
    }
    digests.iter().filter(|digest| parts[digest].1).count() as u64
}

fn digests<T: Scalar>(rows: ArrayView2<T>) -> Vec<u64> {
    (0..rows.nrows()).into_par_iter().map(|i| digest(rows.row(i))).collect()
}

fn digest<T: Scalar>(row: ArrayView1<T>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match row.as_slice() {
        Some(row) => hasher.write(bytemuck::cast_slice(row)),
        None => row.iter().for_each(|x| hasher.write(bytemuck::bytes_of(x))),
    }
    hasher.finish()
}
