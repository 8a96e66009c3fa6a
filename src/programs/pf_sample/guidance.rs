//! Guidance: other models beside the one that is sampled.

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::blocks::room;
use crate::cli::{ClassArg, Job, usage};
use crate::denoiser::contrast::{Gaussians, Part, PartlyGuided};
use crate::denoiser::external::Ability;
use crate::denoiser::guided::Band;
use crate::denoiser::model::Unit;
use crate::denoiser::{Denoiser, Guided, Model, Steered};
use crate::flow::{Plan, Solver};
use crate::scalar::Scalar;
use crate::stream::models_suit;

#[derive(Args)]
#[command(next_help_heading = "Guidance")]
pub struct GuidanceArgs {
    /// Guidance weight W: D = D_u + W (D − D_u), D_u that of --unconditional
    #[arg(long, value_name = "W")]
    pub guidance: Option<f64>,
    /// The unconditional model, which is asked without --class (default: the branch without a class of a network that is
    /// asked for one)
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    unconditional: Option<OsString>,
    /// Guide at noise levels above LO and up to HI alone
    #[arg(long, value_name = "LO,HI", requires = "guidance", value_parser = band)]
    guidance_interval: Option<Band>,
    /// Guide by a part of D − D_u alone: D + (W − 1) times that. Exact for two mixtures of one component, where
    /// D − D_u = (A − A_u)(x − μ) + (I − A_u)(μ − μ_u), the positive and negative eigenvalues of A − A_u and the mean.
    /// A heuristic for all others: of the symmetric part of J − J_u, its positive and negative part applied to D, and
    /// what is left of D − D_u as the mean; it takes both Jacobians at every point
    #[arg(long, value_name = "PART", requires = "guidance", value_enum, default_value = "full")]
    guidance_part: Part,
    /// Add V (D_A − D_B), V that of --guide-weight: the model A, which is asked for --class if it has classes
    #[arg(long, value_name = "MODEL", requires_all = ["guide_against", "guide_weight"])]
    guide: Option<OsString>,
    /// The model B, which is asked as A is
    #[arg(long, value_name = "MODEL", requires = "guide")]
    guide_against: Option<OsString>,
    /// The weight V of what --guide adds
    #[arg(long, value_name = "V", requires = "guide")]
    guide_weight: Option<f64>,
    /// Add it at noise levels above LO and up to HI alone
    #[arg(long, value_name = "LO,HI", requires = "guide", value_parser = band)]
    guide_interval: Option<Band>,
}

fn band(text: &str) -> Result<Band, String> {
    let ends = text
        .split_once(',')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    let (above, up_to) = ends.ok_or("give two noise levels, as 0.3,5")?;
    Band::new(above, up_to).map_err(|e| e.to_string())
}

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
    /// The names of models among the flags.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        [&self.unconditional, &self.guide, &self.guide_against].into_iter().flatten().map(OsString::as_os_str)
    }

    /// Whether anything guides.
    pub fn is_given(&self) -> bool {
        self.guidance.is_some() || self.guide.is_some()
    }

    /// What the flags alone show to be wrong.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        if self.is_given() && plan.solver == Solver::Exact {
            return Err(usage(anyhow!(
                "--solver exact: the closed form is of flows without guidance; give another solver"
            )));
        }
        for (flag, weight) in [("--guidance", self.guidance), ("--guide-weight", self.guide_weight)] {
            if let Some(weight) = weight.filter(|w| !w.is_finite()) {
                return Err(usage(anyhow!("{flag} {weight}: must be finite")));
            }
        }
        let bands =
            [("--guidance-interval", self.guidance_interval), ("--guide-interval", self.guide_interval)];
        for (flag, band) in bands {
            let Some(band) = band else { continue };
            if !plan.meets(&band)? {
                return Err(usage(anyhow!(
                    "{flag} {},{}: the flow asks for no noise level above the first and up to the second; give others, \
                     or more --steps",
                    band.above,
                    band.up_to
                )));
            }
        }
        Ok(())
    }

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
            if model.classes().is_some() && matches!(job.shared.class, Some(ClassArg::Rows(_))) {
                return Err(usage(anyhow!(
                    "--guidance-part with --class FILE: Jacobians are of one class; give one for all rows"
                )));
            }
            if [model].into_iter().chain(&unconditional).any(|model| model.condition().is_some()) {
                return Err(usage(anyhow!(
                    "--guidance-part: takes Jacobians at points that belong to no row, and the model is told a condition of every \
                     row; leave it out, so that all of D − D_u guides"
                )));
            }
            let has_jacobian = |model: &Model| model.can(Ability::Jvp) || model.can(Ability::Vjp);
            ensure!(
                [model].into_iter().chain(&unconditional).all(has_jacobian),
                "--guidance-part: a model that is a program has neither jvp nor vjp, of which its Jacobian is made; add them \
                 to the call of molrg.serve that serves it"
            );
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
