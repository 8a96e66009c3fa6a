//! ridge distance: how far points are from the ridge.

use anyhow::{Context, Result};
use clap::Args;

use super::ProjectArgs;
use super::found::Found;
use crate::cli::{Job, Program, Source, products};
use crate::denoiser::Model;
use crate::scalar::Scalar;
use crate::stream::Rows;
use crate::with_dtype;

/// Measure how far points are from the ridge of a model's density.
///
/// Each is moved there as `ridge project` does. distance is that between the two; normal and tangential are its parts
/// across and along the ridge where it arrives, of which the first is the distance from the ridge as long as that is
/// nearly straight. curvature is the largest of log p_σ across, below 0 on a ridge; gap is λ_{q+1}/λ_q of J, near 1
/// where nothing tells the ridge's directions from others (empty with --dim 0); step is the length of the step after
/// the last of steps. table mean makes one row of all.
///
/// Memory: the model and a block of rows; without a closed form, four d × d matrices for each thread.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    to: ProjectArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.numbered(true, "a row a point", "rows would lose their numbers")?;
        let (model, points) = self.to.open(job)?;
        let dtype = job.dtype(&[model.dtype, points.dtype()]);
        with_dtype!(dtype, T => self.measure::<T>(job, model, points))
    }
}

impl Arguments {
    fn measure<T: Scalar>(&self, job: &Job, model: Model, points: Rows) -> Result<()> {
        let columns = ["row", "distance", "normal", "tangential", "curvature", "gap", "steps", "step"];
        let mut table = job.table(&columns)?;
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
                let projected = ridge.project(x.row(0), row).with_context(|| format!("row {row}"))?;
                let way = x.row(0).mapv(Scalar::wide) - projected.point.mapv(Scalar::wide);
                Ok((projected.frame.parts(&way), projected))
            },
            |rows, (parts, projected)| {
                found.add_projected(rows.start, &projected);
                table.row(&[
                    rows.start.into(),
                    parts.normal.hypot(parts.tangential).into(),
                    parts.normal.into(),
                    parts.tangential.into(),
                    projected.frame.curvature.into(),
                    projected.frame.gap.into(),
                    projected.steps.into(),
                    projected.step.into(),
                ])
            },
        )?;
        jacobian.report(job);
        found.warn(job, self.to.ridge.dim);
        table.finish()
    }
}
