//! The flag that says where Jacobians come from: the same for every program that takes some.

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use super::{Job, usage};
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

/// Products with its own Jacobian that a model must have: both, or those of one kind, whichever it has.
pub fn products(model: &Model, both: bool) -> &'static [Ability] {
    match (both, model.can(Ability::Jvp) && !model.can(Ability::Vjp)) {
        (true, _) => &[Ability::Jvp, Ability::Vjp],
        (false, true) => &[Ability::Jvp],
        (false, false) => &[Ability::Vjp],
    }
}

impl JacobianArgs {
    /// Whether products with J alone, or with its transpose alone, are to be had.
    pub fn is_one_way(&self, model: &Model) -> bool {
        self.jacobian == By::Differences || model.can(Ability::Jvp) != model.can(Ability::Vjp)
    }

    /// Refuses a method (as `"--method randomized"`) that takes Jᵀu where there is J v alone.
    ///
    /// # Errors
    /// A usage error.
    pub fn gives_both(&self, method: &str) -> Result<()> {
        if self.jacobian == By::Differences {
            return Err(usage(anyhow!(
                "--jacobian differences: gives J v alone, and {method} takes Jᵀu too; give --method exact"
            )));
        }
        Ok(())
    }

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
