//! npy let: an array computed from others.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Block, Job, Program, Source, usage};
use crate::expression::{Expression, is_name};
use crate::scalar::Scalar;
use crate::stream::{NanPolicy, Paired, block_rows};
use crate::with_dtype;

/// Compute an array from others, element by element, as in 'x + 3*v'.
///
/// Expressions have numbers, names of inputs, + - * / ^, parentheses and the functions abs, ceil, exp, floor, ln,
/// log10, log2, max, min, round, sqrt and tanh. As on paper, -x^2 is -(x^2); what begins with - goes in parentheses.
/// Rows of the inputs go together; an input of one row goes with all rows of the others. Numbers are computed in f64.
///
/// Memory: a block of rows of each input. Where the number of rows is not known beforehand, the result waits in a
/// temporary file.
#[derive(Args)]
pub struct Arguments {
    /// What to compute
    #[arg(value_name = "EXPRESSION")]
    expression: String,
    /// A name in the expression, and the array that it stands for (- is standard input)
    #[arg(long = "in", value_name = "NAME=FILE", required = true)]
    inputs: Vec<OsString>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let expression = Expression::parse(&self.expression).map_err(|e| {
            usage(anyhow!("'{}': the expression: {e}; write it like 'x + 3*v'", self.expression))
        })?;
        let files = self.files(&expression).map_err(usage)?;
        job.wait_for_stdin(&files.iter().map(|file| Some(*file)).collect::<Vec<_>>())?;
        let inputs = files.into_iter().map(|file| job.all_rows(Some(file))).collect::<Result<Vec<_>>>()?;
        let inputs = Paired::with_single_rows(inputs, job.shared.rows)?;
        with_dtype!(job.dtype(&[inputs.dtype()]), T => compute::<T>(job, &expression, inputs))
    }
}

impl Arguments {
    /// The file of every name in the expression, in their order.
    fn files(&self, expression: &Expression) -> Result<Vec<&OsStr>> {
        let mut named: Vec<(String, &OsStr)> = Vec::new();
        for input in &self.inputs {
            let shown = input.to_string_lossy();
            let (name, file) = split(input)
                .with_context(|| format!("--in {shown}: write a name and a file, like x=points.npy"))?;
            ensure!(
                !named.iter().any(|(n, _)| *n == name),
                "--in {shown}: '{name}' stands for a file already"
            );
            ensure!(
                expression.names().contains(&name),
                "--in {shown}: '{name}' is not in the expression; leave it out"
            );
            named.push((name, file));
        }
        let file = |name: &String| match named.iter().find(|(n, _)| n == name) {
            Some((_, file)) => Ok(*file),
            None => bail!("'{name}' stands for no array; say for which with --in {name}=FILE"),
        };
        expression.names().iter().map(file).collect()
    }
}

/// NAME=FILE, where a file's name need not be text.
fn split(input: &OsStr) -> Option<(String, &OsStr)> {
    let bytes = input.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=')?;
    let (name, file) = (std::str::from_utf8(&bytes[..at]).ok()?.trim(), OsStr::from_bytes(&bytes[at + 1..]));
    (is_name(name) && !file.is_empty()).then(|| (name.to_string(), file))
}

fn compute<T: Scalar>(job: &Job, expression: &Expression, inputs: Paired) -> Result<()> {
    let width = inputs.width();
    let mut out = job.array::<T>(inputs.len(), inputs.item_shape())?;
    let values = |Block { rows, inputs }: Block<f64>| {
        let mut values = Array2::zeros((inputs.first().map_or(0, Array2::nrows), width));
        let inputs: Vec<&[f64]> = inputs.iter().filter_map(|x| x.as_slice()).collect();
        expression.values(&inputs, values.as_slice_mut().unwrap_or_default());
        if job.shared.nan != NanPolicy::Pass
            && let Some(at) = values.iter().position(|x| !x.is_finite())
        {
            let fault = expression.fault(&inputs.iter().map(|x| x[at]).collect::<Vec<_>>());
            bail!(
                "row {}{}, column {}: {}, which is not finite; take it as it is with --nan pass, or compute something else",
                rows.start + (at / width) as u64,
                if job.shared.nan == NanPolicy::Drop { " of those left" } else { "" },
                at % width,
                fault.unwrap_or_else(|| "the result is none".to_string())
            );
        }
        Ok(values.mapv(T::of))
    };
    job.each_block(Source::InStep(inputs), block_rows(width), "rows", values, |_, values| {
        out.write(values.view())
    })?;
    out.finish()
}
