//! Of a model, about points on its manifold.

use anyhow::{Context, Result, ensure};

use super::{Arguments, Method};
use crate::blocks::room;
use crate::cli::{Block, Job, Source, products};
use crate::denoiser::Model;
use crate::measure::dimension::{Local, Wanted, of_model};
use crate::measure::interval::Mean;
use crate::scalar::Scalar;
use crate::stream::Rows;

impl Arguments {
    pub(super) fn of_model<T: Scalar>(
        &self,
        job: &Job,
        methods: &[Method],
        sigmas: &[f64],
        model: Model,
        rows: Rows,
    ) -> Result<()> {
        let mut table = job.table(&["sigma", "method", "dimension", "std_error", "n"])?;
        let (name, d) = (rows.name().to_string(), model.dim());
        room(&[8, d, d], "--model")?;
        let has = |method| methods.contains(&method);
        let wanted = Wanted {
            jacobian: has(Method::Jacobian),
            density: has(Method::Density),
            normals: has(Method::Normals),
        };
        let needed = if wanted.jacobian || wanted.density { products(&model, false) } else { &[] };
        let jacobian = self.jacobian.of::<T>(model, needed)?;
        let mut means = vec![Mean::default(); sigmas.len() * methods.len()];
        // One point a block: each takes a Jacobian a level.
        let work = |block: Block<T>| {
            let row = block.rows.start;
            let x = block.first().unwrap_or_default();
            let at =
                |&sigma: &f64| of_model(jacobian.denoiser(), x.row(0), row, sigma, wanted, job.shared.seed);
            sigmas.iter().map(at).collect::<Result<Vec<Local>>>().with_context(|| format!("row {row}"))
        };
        job.each_block(Source::Stream(rows), 1, "points", work, |_, found| {
            let values = found.iter().flat_map(|local| methods.iter().map(|method| value(local, *method)));
            means.iter_mut().zip(values).for_each(|(mean, value)| mean.add(value));
            Ok(())
        })?;
        jacobian.report(job);
        let cells = sigmas.iter().flat_map(|sigma| methods.iter().map(move |method| (sigma, method)));
        for ((&sigma, method), mean) in cells.zip(&means) {
            ensure!(mean.n > 0, "{name}: no rows to measure at; give samples");
            if *method == Method::Density && !(0.0..=d as f64).contains(&mean.mean) {
                job.warn(&format!(
                    "{name}: density: {:.2} dimensions out of {d} at sigma {sigma}: the samples lie off the model's manifold \
                     by more than the noise; give samples without noise, or a larger sigma",
                    mean.mean
                ));
            }
            let method = method.name();
            let (mean, error, n) = (mean.mean.into(), mean.error().into(), mean.n.into());
            table.row(&[sigma.into(), method.as_str().into(), mean, error, n])?;
        }
        table.finish()
    }
}

fn value(local: &Local, method: Method) -> f64 {
    match method {
        Method::Jacobian => local.jacobian,
        Method::Normals => local.normals,
        _ => local.density,
    }
}
