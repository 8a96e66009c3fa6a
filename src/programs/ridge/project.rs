//! ridge project: points on the ridge.

use anyhow::{Context, Result};
use clap::Args;
use ndarray::Axis;

use super::ProjectArgs;
use super::found::Found;
use crate::cli::{Job, Program, Source, products};
use crate::denoiser::Model;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Move points to the ridge of a model's density.
///
/// By x ← x + VVᵀ(D(x; σ) − x), subspace-constrained mean shift, until the next step is shorter than --tolerance times
/// σ. Steps shrink by about λ each, the largest eigenvalue of J across the ridge, so that λ/(1 − λ) of the last is
/// what is left. Points that --steps do not bring there are written as they are, and counted in a warning; so are
/// those that come to a place where the density does not fall on all sides, which is no ridge.
///
/// Memory: the model and a block of rows; without a closed form, four d × d matrices for each thread.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    to: ProjectArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (model, points) = self.to.open(job)?;
        let dtype = job.dtype(&[model.dtype, points.dtype()]);
        with_dtype!(dtype, T => self.project::<T>(job, model, points))
    }
}

impl Arguments {
    fn project<T: Scalar>(&self, job: &Job, model: Model, points: Rows) -> Result<()> {
        let mut output = job.array::<T>(points.len(), &model.item_shape)?;
        let needed = products(&model, false);
        let jacobian = self.to.ridge.jacobian.of::<T>(model, needed)?;
        let ridge = self.to.of(jacobian.denoiser());
        let mut found = Found::default();
        // One point a block: each takes many Jacobians.
        job.each_block(
            Source::Stream(points),
            1,
            "points",
            |block| {
                let (x, row) = self.to.ridge.place(job, block);
                ridge.project(x.row(0), row).with_context(|| format!("row {row}"))
            },
            |rows, projected| {
                found.add_projected(rows.start, &projected);
                output.write(projected.point.view().insert_axis(Axis(0)))
            },
        )?;
        jacobian.report(job);
        found.warn(job, self.to.ridge.dim);
        output.finish()
    }
}
