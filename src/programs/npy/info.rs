//! npy info: shape, type, range and hash of arrays.

use std::ffi::OsString;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::denoiser::Model;
use crate::scalar::Scalar;
use crate::stream::{Input, Rows, Table, Value, block_rows};
use crate::with_dtype;

use super::inputs;

/// Shape, type, range and SHA-256 of arrays, or what models are, one table row each.
///
/// Of models: `kind` as dae-fit names it, `item_shape`, the type and number of their parameters (of a network one
/// set), SHA-256, and what they hold: components, rows, patches, levels, classes. Arrays and models go in tables of their own.
///
/// `shape` is that of the whole array, all its blocks together, and `sha256` that of the input's
/// bytes as they are stored. `rows` counts the rows looked at, of which `min`, `max` and `mean` are
/// over the finite numbers, in f64; where there are none they are undefined: an empty field in csv,
/// null in json.
///
/// Memory: a block of rows.
#[derive(Args)]
pub struct Arguments {
    /// Arrays or models to look at (default: standard input)
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
}

const MODEL_COLUMNS: [&str; 7] = ["name", "kind", "item_shape", "dtype", "parameters", "sha256", "holds"];
const COLUMNS: [&str; 9] = ["name", "shape", "dtype", "rows", "min", "max", "mean", "non_finite", "sha256"];

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (output, format) = job.table_output()?;
        let files = inputs(&self.files)?;
        let mut first = job.hashed(files[0])?;
        let models = first.is_model();
        let columns: &[&str] = if models { &MODEL_COLUMNS } else { &COLUMNS };
        let mut table = Table::new(output, format, columns)?;
        let mut first = Some(first);
        for file in files {
            let mut input = first.take().map_or_else(|| job.hashed(file), Ok)?;
            if input.is_model() != models {
                return Err(usage(anyhow!("{}: arrays and models go in tables of their own", input.name())));
            }
            if models {
                table.row(&model_row(input)?)?;
                continue;
            }
            let mut rows = Rows::from_input(input, &job.read_options(job.shared.rows))?;
            let range = with_dtype!(job.dtype(&[rows.dtype()]), T => Summary::of::<T>(job, &mut rows))?;
            let mut shape = rows.read_out()?.to_string();
            for length in rows.item_shape() {
                shape.push_str(&format!("x{length}"));
            }
            table.row(&[
                rows.name().into(),
                shape.into(),
                rows.source_dtype().into(),
                range.rows.into(),
                range.min.into(),
                range.max.into(),
                range.mean().into(),
                range.non_finite.into(),
                rows.sha256().into(),
            ])?;
        }
        table.finish()
    }
}

fn model_row(input: Input) -> Result<[Value; 7]> {
    let (name, sha256) = (input.name().to_string(), input.sha256_when_read());
    let model = Model::read(input)?;
    let shape: Vec<String> = model.item_shape.iter().map(usize::to_string).collect();
    Ok([
        name.into(),
        model.fitted_kind().into(),
        shape.join("x").into(),
        model.dtype.to_string().into(),
        model.parameters().into(),
        sha256().into(),
        model.holds().into(),
    ])
}

/// Statistics of the numbers seen so far.
#[derive(Default)]
struct Summary {
    rows: usize,
    finite: u64,
    non_finite: u64,
    min: Option<f64>,
    max: Option<f64>,
    sum: f64,
    /// The sum times [`SCALE`], for where the sum itself is beyond f64.
    scaled_sum: f64,
}

/// A power of two: scaling by it rounds nothing, save the very smallest numbers.
const SCALE: f64 = 1.0 / (1u128 << 64) as f64;

impl Summary {
    fn of<T: Scalar>(job: &Job, rows: &mut Rows) -> Result<Summary> {
        let mut summary = Summary::default();
        let mut progress = job.progress(rows.len().map(|n| n as u64), "rows");
        while let Some(block) = rows.next_block::<T>(block_rows(rows.width()))? {
            summary.rows += block.nrows();
            summary.add(block.iter().map(|v| v.wide()));
            progress.advance(block.nrows());
        }
        Ok(summary)
    }

    /// Adds a block. Its sum is taken by itself first, so that rounding errors
    /// grow with the block and the number of blocks, not with their product.
    fn add(&mut self, block: impl Iterator<Item = f64>) {
        let (mut sum, mut scaled_sum) = (0.0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut finite, mut all) = (0, 0);
        for x in block {
            all += 1;
            if x.is_finite() {
                finite += 1;
                sum += x;
                scaled_sum += x * SCALE;
                min = min.min(x);
                max = max.max(x);
            }
        }
        self.sum += sum;
        self.scaled_sum += scaled_sum;
        self.finite += finite;
        self.non_finite += all - finite;
        if finite > 0 {
            self.min = Some(self.min.map_or(min, |m| m.min(min)));
            self.max = Some(self.max.map_or(max, |m| m.max(max)));
        }
    }

    fn mean(&self) -> Option<f64> {
        let mean = if self.sum.is_finite() {
            self.sum / self.finite as f64
        } else {
            self.scaled_sum / self.finite as f64 / SCALE
        };
        (self.finite > 0).then_some(mean)
    }
}
