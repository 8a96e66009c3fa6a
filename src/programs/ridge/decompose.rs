//! ridge decompose: the error of a score across a ridge and along it.

use std::ffi::OsString;

use anyhow::{Context, Result};
use clap::Args;

use super::RidgeArgs;
use super::found::Found;
use crate::cli::{Job, Program, Source, products};
use crate::denoiser::Model;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Take the error of A's score apart: across B's ridge and along it.
///
/// At each point, with e = (A − B)/σ² the difference of their scores and V the directions across B's ridge there:
/// normal is ‖VVᵀe‖, tangential ‖(I − VVᵀ)e‖. The first says how far from the ridge samples of A end, the second how
/// they spread along it (arXiv 2602.06021). curvature and gap are as in `ridge distance`, at the point itself. table
/// mean makes one row of all.
///
/// Memory: the models and a block of rows; without a closed form of B, four d × d matrices for each thread.
#[derive(Args)]
pub struct Arguments {
    /// The model that errs: a file, or exec:COMMAND for a program that is one
    a: OsString,
    /// The model whose ridge it is
    b: OsString,
    /// Points, one per row (default: standard input)
    points: Option<OsString>,
    #[command(flatten)]
    ridge: RidgeArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.ridge.check(job)?;
        job.numbered(true, "a row a point", "rows would lose their numbers")?;
        job.wait_for_stdin(&[Some(&self.a), Some(&self.b), self.points.as_deref()])?;
        let (a, b) = job.two_models(&self.a, &self.b)?;
        job.class_is_for([&a, &b])?;
        let points = self.ridge.points(job, self.points.as_deref(), &b, &self.b)?;
        job.warn_of_levels(&a, &[self.ridge.sigma]);
        let dtype = job.dtype(&[a.dtype, b.dtype, points.dtype()]);
        with_dtype!(dtype, T => self.decompose::<T>(job, a, b, points))
    }
}

impl Arguments {
    fn decompose<T: Scalar>(&self, job: &Job, a: Model, b: Model, points: Rows) -> Result<()> {
        let mut table = job.table(&["row", "normal", "tangential", "curvature", "gap"])?;
        let a = a.into_denoiser::<T>()?;
        let needed = products(&b, false);
        let jacobian = self.ridge.jacobian.of::<T>(b, needed)?;
        let ridge = self.ridge.of(jacobian.denoiser());
        let mut found = Found::default();
        // One point a block: each takes a Jacobian.
        job.each_block(
            Source::Stream(points),
            1,
            "points",
            |block| {
                let (x, row) = self.ridge.place(job, block);
                ridge.error_of(a.as_ref(), x.row(0), row).with_context(|| format!("row {row}"))
            },
            |rows, (frame, parts)| {
                found.add(rows.start, &frame);
                let [row, normal, tangential] =
                    [rows.start.into(), parts.normal.into(), parts.tangential.into()];
                table.row(&[row, normal, tangential, frame.curvature.into(), frame.gap.into()])
            },
        )?;
        jacobian.report(job);
        found.warn(job, self.ridge.dim);
        table.finish()
    }
}
