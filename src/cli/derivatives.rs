//! The flag that says where Jacobians come from: the same for every program that takes some.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Job;
use crate::denoiser::external::Ability;
use crate::denoiser::model::Kind;
use crate::denoiser::{Differences, Differentiable, Model};
use crate::scalar::Scalar;

/// Relative error of a Jacobian above which a warning says so.
const LARGE: f64 = 1e-2;

#[derive(Args, Clone, Debug)]
pub struct JacobianArgs {
    /// Where Jacobians come from
    #[arg(long, value_enum, default_value = "model")]
    pub jacobian: By,
}

/// Where a Jacobian comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The model's own derivatives
    Model,
    /// Central differences of the denoiser, whose error is estimated and printed
    Differences,
}

/// A denoiser with its Jacobian.
pub enum Jacobian<T: Scalar> {
    Own(Box<dyn Differentiable<T>>),
    Differences(Box<Differences<T>>),
}

impl<T: Scalar> Jacobian<T> {
    pub fn denoiser(&self) -> &dyn Differentiable<T> {
        match self {
            Jacobian::Own(own) => own.as_ref(),
            Jacobian::Differences(differences) => differences.as_ref(),
        }
    }

    /// Says how exact it was.
    pub fn report(&self, job: &Job) {
        let Jacobian::Differences(differences) = self else { return };
        let error = differences.error();
        if error > LARGE {
            job.warn(&format!(
                "the Jacobian by differences has a relative error of about {error:.1e}; compute with --dtype f64 if the \
                 model does, or give it jvp and vjp"
            ));
        } else {
            job.note(&format!(
                "the Jacobian by differences has a relative error of at most about {error:.1e}"
            ));
        }
    }
}

impl JacobianArgs {
    /// The model with the derivatives that are asked for; `products` are those that are needed of its own.
    ///
    /// # Errors
    /// When it has none, with what to do.
    pub fn of<T: Scalar>(&self, model: Model, products: &[Ability]) -> Result<Jacobian<T>> {
        Ok(match self.jacobian {
            By::Model => {
                if let Kind::External(external) = &model.kind {
                    external.needs(products)?;
                }
                Jacobian::Own(model.into_differentiable()?)
            }
            By::Differences => {
                let computed = model.dtype;
                Jacobian::Differences(Box::new(Differences::new(model.into_denoiser()?, computed)))
            }
        })
    }
}
