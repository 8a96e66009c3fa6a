//! Of samples.

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, Axis};

use super::{Arguments, Method};
use crate::cli::Job;
use crate::measure::copies::first_of_each;
use crate::measure::dimension::{Estimate, components, nearest, two_nearest};
use crate::measure::nearest::Searched;
use crate::scalar::Scalar;
use crate::stream::Rows;

/// Estimates that differ by more than this share, and by more standard errors, are warned of.
const APART: f64 = 0.1;
const APART_ERRORS: f64 = 4.0;

/// Rows whose 1/m varies by more than one dimension lets it, in units of its mean squared and by as many errors, are of
/// several dimensions. Of one, be it curved, with a border or heavy tails, excess is below .08; of halves of 2 and 4
/// dimensions, or 5 and 10, it is about .12, and halves of 2 and 3 are not seen (.05).
const UNEVEN: f64 = 0.1;

/// By the ratio of volumes, N rows tell no dimension beyond 2 log₁₀ N (Eckmann and Ruelle, Physica D 56 (1992) 185).
fn most(n: usize) -> f64 {
    2.0 * (n as f64).log10()
}

impl Arguments {
    pub(super) fn of_samples<T: Scalar>(&self, job: &Job, methods: &[Method], mut rows: Rows) -> Result<()> {
        let mut table = job.table(&["method", "dimension", "std_error", "n"])?;
        let name = rows.name().to_string();
        let x = rows.read_all::<T>()?;
        ensure!(x.nrows() > 0, "{name}: no rows to measure; give samples");
        let (mut flat, mut near) = (None, None);
        if methods.contains(&Method::Components) {
            flat = Some((components(x.view()).context(name.clone())?, x.nrows()));
        }
        if methods.iter().any(|method| *method != Method::Components) {
            near = Some(distinct(job, &name, x)?);
        }
        for method in methods {
            let (dimension, std_error, n) = match (method, flat, &near) {
                (Method::Components, Some(((dimension, std_error), n)), _) => {
                    warn_of_flat(job, &name, dimension, n);
                    (dimension, std_error, n)
                }
                (_, _, Some(x)) => {
                    let found = match method {
                        Method::Nearest => nearest(x, self.neighbours as usize),
                        _ => two_nearest(x),
                    };
                    let found = found.with_context(|| format!("{name}: {}", method.name()))?;
                    self.warn(job, &name, *method, &found, x.rows().dim());
                    (found.dimension, found.std_error, x.rows().nrows())
                }
                _ => continue,
            };
            table.row(&[method.name().as_str().into(), dimension.into(), std_error.into(), n.into()])?;
        }
        table.finish()
    }

    fn warn(&self, job: &Job, name: &str, method: Method, found: &Estimate, (n, d): (usize, usize)) {
        let (method, dimension) = (method.name(), found.dimension);
        if found.at_others > 0 {
            job.warn(&format!(
                "{name}: {method}: {} of {n} rows lie on others but for rounding, at distance 0, and are left out",
                found.at_others
            ));
        }
        if dimension > 2.0 * d as f64 {
            job.warn(&format!(
                "{name}: {method}: {dimension:.1} dimensions of rows of {d} numbers: nearest rows are as far as the next, as on a \
                 lattice or a grid, whose distances say nothing of a dimension; give rows that were drawn independently"
            ));
            return;
        }
        if dimension > most(n) {
            job.warn(&format!(
                "{name}: {method}: {n} rows are too few for dimension {dimension:.1}: they tell none beyond about \
                 2·log₁₀ N = {:.1}, and what is found is too small; give more rows",
                most(n)
            ));
        }
        if let Some(uneven) = found.uneven.filter(|u| u.excess > UNEVEN.max(APART_ERRORS * u.std_error)) {
            job.warn(&format!(
                "{name}: {method}: what rows say varies by {:.0} % (1/m, its standard deviation beyond that of one \
                 dimension): rows are of several dimensions, or noise is as large as their distances at some places alone, \
                 and {dimension:.2} is a mean; take them apart, by class or by cluster",
                100.0 * uneven.excess.sqrt()
            ));
        }
        let Some(error) = found.std_error else {
            job.warn(&format!(
                "{name}: {method}: {n} rows are too few to be taken in parts, so that nothing says how far the estimate \
                 is off; give more"
            ));
            return;
        };
        let limit = (APART * dimension).max(APART_ERRORS * error);
        if let Some(coarser) = found.coarser.filter(|coarser| (coarser - dimension).abs() > limit) {
            let by = match method.as_str() {
                "nearest" => format!("{} neighbours", 2 * self.neighbours),
                _ => "parts of the rows".to_string(),
            };
            job.warn(&format!(
                "{name}: {method}: {dimension:.2} dimensions, and {coarser:.2} by {by}: the samples have no one dimension at \
                 this scale; give more rows, or look at several --neighbours"
            ));
        }
    }
}

/// Every row once, to be searched: of others like it a row is at distance 0, of which no dimension follows.
fn distinct<T: Scalar>(job: &Job, name: &str, x: Array2<T>) -> Result<Searched<T>> {
    let (n, first) = (x.nrows(), first_of_each(x.view()));
    let x = if first.len() < n { x.select(Axis(0), &first) } else { x };
    if first.len() < n {
        job.warn(&format!(
            "{name}: {} of {n} rows are equal to others before them, at distance 0, and are left out by nearest rows: a sample \
             that repeats rows is not drawn independently",
            n - first.len()
        ));
    }
    let kept = x.nrows();
    Searched::checked(x).map(|x| x.expecting(kept)).with_context(|| name.to_string())
}

/// n rows of white noise in d dimensions have a participation ratio of n·d/(n + d).
fn warn_of_flat(job: &Job, name: &str, dimension: f64, n: usize) {
    if dimension > APART * n as f64 {
        let corrected = if dimension < 0.9 * n as f64 {
            format!("about {:.0}", dimension / (1.0 - dimension / n as f64))
        } else {
            "far more".to_string()
        };
        job.warn(&format!(
            "{name}: components: {n} rows are too few for {dimension:.1} dimensions: with many more it would be {corrected}"
        ));
    }
}
