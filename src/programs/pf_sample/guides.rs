//! The models that guide, opened and put to work.

use anyhow::{Result, anyhow, ensure};

use super::guidance::GuidanceArgs;
use crate::blocks::room;
use crate::cli::{ClassArg, Job, usage};
use crate::denoiser::contrast::{Gaussians, Part, PartlyGuided};
use crate::denoiser::external::Ability;
use crate::denoiser::guided::Band;
use crate::denoiser::model::Unit;
use crate::denoiser::{Denoiser, Guided, Model, Steered};
use crate::scalar::Scalar;
use crate::stream::models_suit;

/// The models that guide, opened.
pub struct Guides {
    unconditional: Option<Model>,
    /// A and B.
    pair: Option<[Model; 2]>,
}

impl Guides {
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.unconditional.iter().chain(self.of_class())
    }

    /// Those that are asked for --class, if they have classes.
    pub fn of_class(&self) -> impl Iterator<Item = &Model> {
        self.pair.iter().flatten()
    }
}

impl GuidanceArgs {
    /// The models that guide, which have the items of the one that is sampled.
    pub fn open(&self, job: &Job, model: &Model) -> Result<Guides> {
        let like = |flag: &str, other: Model| -> Result<Model> {
            ensure!(
                other.dim() == model.dim(),
                "{flag}: a model of dimension {}, where the one that it guides has {}",
                other.dim(),
                model.dim()
            );
            models_suit((flag, &other.item_shape), ("the model that it guides", &model.item_shape[..]))?;
            job.warn_of_units(("the model", model.unit()), (flag, other.unit()), Unit::is_scaled);
            Ok(other)
        };
        let unconditional = match (&self.unconditional, self.guidance) {
            (Some(name), _) => Some(like("--unconditional", job.unconditional_model(name)?)?),
            (None, Some(_)) => Some(model.branch_without_class().map_err(|e| {
                usage(anyhow!(
                    "--guidance: {e:#}; give --unconditional MODEL, or --class of a network that learned to do without \
                     (dae-fit --labels)"
                ))
            })?),
            (None, None) => None,
        };
        if self.guidance_part != Part::Full {
            have_jacobians(job, model, unconditional.as_ref())?;
        }
        let pair = match (&self.guide, &self.guide_against) {
            (Some(a), Some(b)) => Some([
                like("--guide", job.model_of_class_if_any(a)?)?,
                like("--guide-against", job.model_of_class_if_any(b)?)?,
            ]),
            _ => None,
        };
        Ok(Guides { unconditional, pair })
    }

    /// The model, guided.
    pub fn denoiser<T: Scalar>(&self, model: Model, guides: Guides) -> Result<Box<dyn Denoiser<T>>> {
        let denoiser = match guides.unconditional.zip(self.guidance) {
            Some((unconditional, weight)) => self.guided(model, unconditional, T::of(weight))?,
            None => model.into_denoiser()?,
        };
        let Some(([a, b], weight)) = guides.pair.zip(self.guide_weight) else { return Ok(denoiser) };
        Ok(Box::new(Steered {
            denoiser,
            toward: a.into_denoiser()?,
            against: b.into_denoiser()?,
            weight: T::of(weight),
            band: self.guide_interval.unwrap_or(Band::ALL),
        }))
    }

    fn guided<T: Scalar>(&self, model: Model, other: Model, weight: T) -> Result<Box<dyn Denoiser<T>>> {
        let band = self.guidance_interval.unwrap_or(Band::ALL);
        if self.guidance_part == Part::Full {
            let (conditional, unconditional) = (model.into_denoiser()?, other.into_denoiser()?);
            return Ok(Box::new(Guided { conditional, unconditional, weight, band }));
        }
        let gaussians = match (model.only_component(), other.only_component()) {
            (Some(c), Some(u)) => Some(Gaussians::new(c.clone(), u.clone())?),
            _ => None,
        };
        if gaussians.is_none() {
            // Both Jacobians, their difference and its eigenvectors.
            let d = model.dim();
            room(&[6, rayon::current_num_threads(), d, d], "--guidance-part")?;
        }
        let (conditional, unconditional) = (model.into_differentiable()?, other.into_differentiable()?);
        let part = self.guidance_part;
        Ok(Box::new(PartlyGuided { conditional, unconditional, gaussians, part, weight, band }))
    }
}

/// Refuses models of whose Jacobians no part can be taken.
fn have_jacobians(job: &Job, model: &Model, unconditional: Option<&Model>) -> Result<()> {
    if model.classes().is_some() && matches!(job.shared.class, Some(ClassArg::Rows(_))) {
        return Err(usage(anyhow!(
            "--guidance-part with --class FILE: Jacobians are of one class; give one for all rows"
        )));
    }
    let models = || [model].into_iter().chain(unconditional);
    if models().any(|model| model.condition().is_some()) {
        return Err(usage(anyhow!(
            "--guidance-part: takes Jacobians at points that belong to no row, and the model is told a condition of every \
             row; leave it out, so that all of D − D_u guides"
        )));
    }
    ensure!(
        models().all(|model| model.can(Ability::Jvp) || model.can(Ability::Vjp)),
        "--guidance-part: a model that is a program has neither jvp nor vjp, of which its Jacobian is made; add them \
         to the call of molrg.serve that serves it"
    );
    Ok(())
}
