//! npy diff: whether two arrays differ, by how much and where.

use std::ffi::OsString;

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;

use crate::cli::{Block, Job, Program, Source, usage};
use crate::stream::{NanPolicy, Paired, ReadOptions, Rows, block_rows, same_items, shape_text};

use super::inputs;

/// Compare two arrays in f64; exits 1 when they differ.
///
/// Two numbers are equal when |a-b| <= ATOL + RTOL·|b|; NaN equals NaN and an infinity itself. Any
/// other pair with a number that is not finite is infinitely far apart, and so is, relatively, a
/// number from 0.
///
/// Prints one row: `rows` and `width` of the arrays, how many numbers are `differing`, the largest
/// absolute (`max_abs`) and relative (`max_rel`, to |b|) difference among those, and `row` and
/// `column` where `max_abs` is first reached; all zeros when the arrays are equal. json has null for
/// an infinite difference.
///
/// Memory: a block of rows of each.
#[derive(Args)]
pub struct Arguments {
    /// An array, or - for standard input
    #[arg(value_name = "A")]
    a: OsString,
    /// The array to compare it with
    #[arg(value_name = "B")]
    b: OsString,
    /// Relative tolerance
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    rtol: f64,
    /// Absolute tolerance
    #[arg(long, value_name = "A", default_value_t = 0.0)]
    atol: f64,
}

const COLUMNS: [&str; 7] = ["rows", "width", "differing", "max_abs", "max_rel", "row", "column"];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        for (flag, value) in [("--rtol", self.rtol), ("--atol", self.atol)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(usage(anyhow!("{flag} {value}: must be finite and not negative")));
            }
        }
        // What cannot be compared is infinitely far apart.
        let mut table = job.table(&COLUMNS)?.strict(false);
        let pair = self.open(job)?;
        let (names, width) = (pair.names().join(" and "), pair.width());
        let found = self.compare(job, pair)?;
        ensure!(
            found.rows > 0 || job.shared.rows.is_all(),
            "--rows {}: no row of {names} is compared; give rows that they have",
            job.shared.rows
        );
        table.row(&[
            found.rows.into(),
            width.into(),
            found.differing.into(),
            found.max_abs.into(),
            found.max_rel.into(),
            found.row.into(),
            found.column.into(),
        ])?;
        table.finish()?;
        if found.differing > 0 {
            // The table stands, also where they differ.
            job.release()?;
            bail!(
                "{names} differ: {} of {} numbers, most by {} in row {}, column {}; \
                 allow for it with --rtol or --atol, or look at that row with npy cat --rows",
                found.differing,
                found.rows * width as u64,
                found.max_abs,
                found.row,
                found.column
            );
        }
        Ok(())
    }
}

impl Arguments {
    fn open(&self, job: &Job) -> Result<Paired> {
        // What --nan drop leaves out is known here, so that rows keep the numbers that they have in the files.
        let options = ReadOptions { nan: NanPolicy::Pass, ..job.read_options(job.shared.rows) };
        let options = if self.drops(job) { options } else { job.read_options(job.shared.rows) };
        let names = [self.a.clone(), self.b.clone()];
        let rows: Result<Vec<_>> =
            inputs(&names)?.into_iter().map(|file| Rows::from_input(job.open(file)?, &options)).collect();
        let rows = rows?;
        if let [a, b] = &rows[..] {
            same_items((a.name(), a.item_shape()), (b.name(), b.item_shape()))?;
            ensure!(
                a.item_shape() == b.item_shape(),
                "{} and {}: items of shape {} and {} cannot be compared; give arrays of equal shape, or --shape for rows \
                 of csv",
                a.name(),
                b.name(),
                shape_text(a.item_shape()),
                shape_text(b.item_shape())
            );
        }
        Paired::new(rows)
    }

    fn drops(&self, job: &Job) -> bool {
        job.shared.nan == NanPolicy::Drop
    }

    fn compare(&self, job: &Job, pair: Paired) -> Result<Difference> {
        let mut found = Difference::default();
        let (width, names) = (pair.width(), pair.names().join(" and "));
        let left_out = job.read_options(job.shared.rows).left_out;
        let together = |block: Block<f64>| Ok(block.inputs);
        job.each_block(Source::InStep(pair), block_rows(width), "rows", together, |rows, blocks| {
            let [a, b] = &blocks[..] else { bail!("bug: {} arrays compared", blocks.len()) };
            for (row, (a, b)) in rows.zip(a.outer_iter().zip(b.outer_iter())) {
                if self.drops(job) && !a.iter().chain(b).all(|v| v.is_finite()) {
                    left_out.add(&names, 1);
                    continue;
                }
                for (column, (&a, &b)) in a.iter().zip(b).enumerate() {
                    if !self.equal(a, b) {
                        found.add(a, b, row, column);
                    }
                }
                found.rows += 1;
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn equal(&self, a: f64, b: f64) -> bool {
        let near = || (a - b).abs() <= self.atol + self.rtol * b.abs();
        a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && near())
    }
}

/// What differs so far.
#[derive(Default)]
struct Difference {
    rows: u64,
    differing: u64,
    max_abs: f64,
    max_rel: f64,
    /// Where `max_abs` is, first.
    row: u64,
    column: usize,
}

impl Difference {
    /// Adds a pair of numbers that differ.
    fn add(&mut self, a: f64, b: f64, row: u64, column: usize) {
        self.differing += 1;
        let (abs, rel) = if a.is_finite() && b.is_finite() {
            ((a - b).abs(), (a - b).abs() / b.abs())
        } else {
            (f64::INFINITY, f64::INFINITY)
        };
        if abs > self.max_abs {
            (self.max_abs, self.row, self.column) = (abs, row, column);
        }
        self.max_rel = self.max_rel.max(rel);
    }
}
