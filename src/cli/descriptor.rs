//! The flags that say in which coordinates rows are compared.

use std::ffi::{OsStr, OsString};
use std::iter;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use ndarray::Array2;

use super::{Job, moments_of, moments_seen, usage};
use crate::measure::descriptor::{Choice, Descriptor};
use crate::measure::scale::Scale;
use crate::scalar::Scalar;
use crate::stream::{Rows, same_items};

#[derive(Args, Clone, Debug)]
pub struct DescriptorArgs {
    /// Coordinates in which distances are taken: none (rows as they are), pca:Q, whiten:Q, or exec:COMMAND for a program
    /// that describes them
    #[arg(long, default_value = "none")]
    descriptor: Choice,
    /// Data whose principal axes the descriptor uses (default: the rows themselves)
    #[arg(long, value_name = "FILE")]
    fit: Option<OsString>,
}

impl DescriptorArgs {
    /// Refuses what changes no distance.
    ///
    /// # Errors
    /// A usage error that names it.
    pub fn check(&self, job: &Job) -> Result<()> {
        if self.descriptor == Choice::Center {
            return Err(usage(anyhow!("--descriptor center: changes no distance; leave it out")));
        }
        job.only(self.descriptor.is_fitted(), &["--fit"], "it is for a --descriptor that is fitted")
    }

    /// What is read besides the rows.
    pub fn input(&self) -> Option<&OsStr> {
        self.fit.as_deref()
    }

    /// All rows of an input, and what they are in these coordinates; nothing where that is the same.
    ///
    /// # Errors
    /// Of the reads, and of a program.
    pub fn read<T: Scalar>(&self, job: &Job, mut rows: Rows) -> Result<(Array2<T>, Option<Array2<T>>)> {
        let shape = rows.item_shape().to_vec();
        let fit = self.fit.as_deref().map(|name| job.all_rows(Some(name))).transpose()?;
        if let Some(fit) = &fit {
            ensure!(
                fit.width() == rows.width(),
                "{}: rows of width {}, but those of {} have {}; fit to samples of the same data",
                fit.name(),
                fit.width(),
                rows.name(),
                rows.width()
            );
            same_items((fit.name(), fit.item_shape()), (rows.name(), &shape))?;
        }
        let program = match &self.descriptor {
            Choice::Raw => return Ok((some(&mut rows)?, None)),
            Choice::Program(command) => Some(Descriptor::Program(job.descriptor_program(command)?, shape)),
            _ => None,
        };
        let x = some(&mut rows)?;
        let descriptor = match program {
            Some(program) => program,
            None => {
                let name = fit.as_ref().map_or(rows.name(), Rows::name).to_string();
                let fitted = match fit {
                    Some(fit) => {
                        let mut scale = Scale::default();
                        let moments = moments_seen::<T>(fit, |block| scale.add(block))?;
                        let here = (rows.name().to_string(), &Scale::of(x.view()));
                        job.warn_of_scales(here, iter::once((name.clone(), &scale)), Scale::is_apart);
                        moments
                    }
                    None => moments_of(x.view()).with_context(|| name.clone())?,
                };
                let fitted = fitted.gaussian(None).with_context(|| name.clone())?;
                Descriptor::fitted(&self.descriptor, &fitted).with_context(|| name)?
            }
        };
        let described = descriptor.apply(x.clone(), job.shared.rows.start)?;
        Ok((x, Some(described)))
    }
}

fn some<T: Scalar>(rows: &mut Rows) -> Result<Array2<T>> {
    let x = rows.read_all::<T>()?;
    ensure!(x.nrows() > 0, "{}: no rows; give samples", rows.name());
    Ok(x)
}
