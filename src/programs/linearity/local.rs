//! About each point.

use anyhow::{Result, bail, ensure};
use ndarray::{Array1, Array2};

use crate::cli::{Block, Job, Source};
use crate::denoiser::Model;
use crate::denoiser::external::Ability;
use crate::measure::linearity::{Step, StepMeans, steps};
use crate::random::{NoisyPoints, Purpose, normal_rows};
use crate::scalar::Scalar;
use crate::stream::{RowRange, Rows};

use super::Arguments;

impl Arguments {
    pub(super) fn locally<T: Scalar>(
        &self,
        job: &Job,
        sigmas: &[f64],
        lambdas: &[f64],
        model: Model,
        points: Rows,
        directions: Option<Rows>,
    ) -> Result<()> {
        let columns = ["sigma", "lambda", "norm_ratio", "cosine", "change_cosine", "error", "n"];
        let mut table = job.table(&columns)?;
        let name = points.name().to_string();
        let directions = Directions::<T>::read(job.shared.seed, directions)?;
        let jacobian = self.jacobian.of::<T>(model, &[Ability::Jvp])?;
        let mut means = vec![StepMeans::default(); sigmas.len() * lambdas.len()];
        // One point a block: each costs a product with its own Jacobian.
        let work = |block: Block<T>| {
            let row = block.rows.start;
            let point = block.first().unwrap_or_default();
            let v = directions.of(row, point.ncols())?;
            let noisy = NoisyPoints::new(point, job.shared.seed, row);
            let first = row * (1 + lambdas.len() as u64);
            let at_level = |&sigma: &f64| {
                steps(jacobian.denoiser(), noisy.at(sigma).row(0), v.view(), lambdas, first, sigma)
            };
            sigmas.iter().map(at_level).collect::<Result<Vec<_>>>()
        };
        job.each_block(Source::Stream(points), 1, "points", work, |_, found: Vec<Vec<Step>>| {
            means.iter_mut().zip(found.iter().flatten()).for_each(|(mean, step)| mean.add(step));
            Ok(())
        })?;
        jacobian.report(job);
        ensure!(means.iter().all(|mean| mean.error.n > 0), "{name}: no rows to start from; give points");
        if job.shared.rows == RowRange::default() {
            directions.check_count(means.first().map_or(0, |mean| mean.error.n))?;
        }
        let cells = sigmas.iter().flat_map(|sigma| lambdas.iter().map(move |lambda| (sigma, lambda)));
        for ((&sigma, &lambda), mean) in cells.zip(&means) {
            table.row(&[
                sigma.into(),
                lambda.into(),
                mean.norm_ratio.value().into(),
                mean.cosine.value().into(),
                mean.change_cosine.value().into(),
                mean.error.mean.into(),
                mean.error.n.into(),
            ])?;
        }
        table.finish()
    }
}

/// Where to go from the points.
enum Directions<T> {
    /// Drawn by the seed, of length 1.
    Random(u64),
    /// One for all points or one for each, (n, d), from the input of this name.
    Given(Array2<T>, String),
}

impl<T: Scalar> Directions<T> {
    fn read(seed: u64, given: Option<Rows>) -> Result<Directions<T>> {
        let Some(mut rows) = given else { return Ok(Directions::Random(seed)) };
        let (given, name) = (rows.read_all::<T>()?, rows.name().to_string());
        if let Some(row) = given.outer_iter().position(|v| v.iter().all(|v| v.is_zero())) {
            bail!("{name}: row {row} has only zeros, which lead nowhere; give a direction of some length");
        }
        Ok(Directions::Given(given, name))
    }

    /// That of a row.
    fn of(&self, row: u64, d: usize) -> Result<Array1<T>> {
        match self {
            Directions::Random(seed) => {
                let drawn = normal_rows::<f64>(*seed, Purpose::Directions, row..row + 1, d);
                let length = drawn.iter().map(|v| v * v).sum::<f64>().sqrt();
                Ok(drawn.row(0).mapv(|v| T::of(v / length)))
            }
            Directions::Given(directions, name) => {
                let own = if directions.nrows() == 1 { 0 } else { row as usize };
                ensure!(
                    own < directions.nrows(),
                    "{name}: no rows for row {row} of the points, after {}; give a direction for each, or one for all",
                    directions.nrows()
                );
                Ok(directions.row(own).to_owned())
            }
        }
    }

    /// Refuses more than there are points.
    fn check_count(&self, points: u64) -> Result<()> {
        let Directions::Given(directions, name) = self else { return Ok(()) };
        let rows = directions.nrows();
        ensure!(
            rows == 1 || rows as u64 == points,
            "{name}: {rows} rows for {points} points; give a direction for each, or one for all"
        );
        Ok(())
    }
}
