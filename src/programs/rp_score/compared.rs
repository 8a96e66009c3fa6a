//! What samples are compared with: a training set, and fresh samples; and by what of them.

use std::ffi::OsString;

use anyhow::{Context, Result, bail, ensure};
use ndarray::Array2;

use crate::cli::{Job, moments_of, moments_seen};
use crate::measure::copies::Known;
use crate::measure::descriptor::{Choice, Descriptor};
use crate::measure::interval::Amounts;
use crate::measure::nearest::{Searched, check_scale};
use crate::measure::scale::Scale;
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows, same_items};

use super::{Arguments, Form};

pub struct Compared<T: Scalar> {
    pub descriptor: Descriptor,
    pub train: Option<Train<T>>,
    /// Where the numbers of all that inputs are compared with lie, each with its name.
    pub scales: Vec<(String, Scale)>,
}

/// A training set: its descriptors, and its rows as they are given.
pub struct Train<T: Scalar> {
    pub described: Searched<T>,
    pub rows: Known,
}

impl Arguments {
    /// --train, --fit and --reference, all of their rows; items as those of the first input.
    pub(super) fn open_others(&self, job: &Job, first: &Rows) -> Result<[Option<Rows>; 3]> {
        let whole = |name: &Option<OsString>| name.as_deref().map(|n| job.all_rows(Some(n))).transpose();
        let others = [whole(&self.train)?, whole(&self.fit)?, whole(&self.reference)?];
        for other in others.iter().flatten() {
            ensure!(
                other.width() == first.width(),
                "{}: rows of width {}, but those of {} have {}; compare samples of the same data",
                other.name(),
                other.width(),
                first.name(),
                first.width()
            );
            same_items((other.name(), other.item_shape()), (first.name(), first.item_shape()))?;
        }
        Ok(others)
    }

    /// `expected` samples will be compared with a training set.
    pub(super) fn compared<T: Scalar>(
        &self,
        job: &Job,
        expected: usize,
        item_shape: &[usize],
        train: Option<Rows>,
        fit: Option<Rows>,
    ) -> Result<Compared<T>> {
        let mut scales = Vec::new();
        let train = match train {
            Some(mut rows) => {
                let x = rows.read_all::<T>()?;
                ensure!(x.nrows() > 0, "{}: no rows; GL needs a training set", rows.name());
                scales.push((rows.name().to_string(), Scale::of(x.view())));
                Some((rows.name().to_string(), x))
            }
            None => None,
        };
        let descriptor = match &self.descriptor {
            Choice::Raw => Descriptor::Raw,
            Choice::Program(command) => {
                Descriptor::Program(job.descriptor_program(command)?, item_shape.to_vec())
            }
            _ => self.fitted(fit, train.as_ref().map(|(_, x)| x), &mut scales)?,
        };
        let train = match train {
            Some((name, x)) => {
                let rows = Known::new(x.view());
                let described = Searched::checked(descriptor.apply(x, 0)?).context(name)?.expecting(expected);
                ensure!(
                    !self.gl.contains(&Form::Ratio) || described.rows().nrows() > 1,
                    "--gl ratio: one training row has no second nearest; give more"
                );
                Some(Train { described, rows })
            }
            None => None,
        };
        Ok(Compared { descriptor, train, scales })
    }

    /// The descriptor fitted to --fit, or else to the training set.
    fn fitted<T: Scalar>(
        &self,
        fit: Option<Rows>,
        train: Option<&Array2<T>>,
        scales: &mut Vec<(String, Scale)>,
    ) -> Result<Descriptor> {
        let name = self.fit.as_deref().or(self.train.as_deref()).map_or(String::new(), Arguments::label);
        let moments = match (fit, train) {
            (Some(rows), _) => {
                let mut scale = Scale::default();
                let moments = moments_seen::<T>(rows, |block| scale.add(block))?;
                scales.push((name.clone(), scale));
                moments
            }
            (None, Some(train)) => moments_of(train.view()).with_context(|| name.clone())?,
            (None, None) => bail!("--descriptor: no data to fit it to"),
        };
        let gaussian = moments.gaussian(None).context(name.clone())?;
        Descriptor::fitted(&self.descriptor, &gaussian).context(name)
    }
}

impl<T: Scalar> Compared<T> {
    /// Distances of fresh samples to the nearest training row; without a training set, none.
    pub fn distances(&mut self, mut rows: Rows) -> Result<Amounts> {
        let mut distances = Amounts::default();
        let Some(train) = &self.train else { return Ok(distances) };
        let name = rows.name().to_string();
        let (mut first, mut scale) = (0, Scale::default());
        while let Some(x) = rows.next_block::<T>(block_rows(rows.width()))? {
            let n = x.nrows() as u64;
            scale.add(x.view());
            let x = self.descriptor.apply(x, first)?;
            first += n;
            check_scale(x.view()).with_context(|| name.clone())?;
            train.described.nearest(x.view()).iter().for_each(|nearest| distances.add(nearest.distance));
        }
        ensure!(distances.n() > 0, "{name}: no rows; --reference needs fresh samples");
        self.scales.push((name, scale));
        Ok(distances)
    }
}
