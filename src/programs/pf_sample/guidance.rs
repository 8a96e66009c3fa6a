//! Guidance: other models beside the one that is sampled.

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::usage;
use crate::denoiser::contrast::Part;
use crate::denoiser::guided::Band;
use crate::flow::{Plan, Solver};

#[derive(Args)]
#[command(next_help_heading = "Guidance")]
pub struct GuidanceArgs {
    /// Guidance weight W: D = D_u + W (D − D_u), D_u that of --unconditional
    #[arg(long, value_name = "W")]
    pub guidance: Option<f64>,
    /// The unconditional model, which is asked without --class (default: the branch without a class of a network that is
    /// asked for one)
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    pub(super) unconditional: Option<OsString>,
    /// Guide at noise levels above LO and up to HI alone
    #[arg(long, value_name = "LO,HI", requires = "guidance", value_parser = band)]
    pub(super) guidance_interval: Option<Band>,
    /// Guide by a part of D − D_u alone: D + (W − 1) times that. Exact for two mixtures of one component, where
    /// D − D_u = (A − A_u)(x − μ) + (I − A_u)(μ − μ_u), the positive and negative eigenvalues of A − A_u and the mean.
    /// A heuristic for all others: of the symmetric part of J − J_u, its positive and negative part applied to D, and
    /// what is left of D − D_u as the mean; it takes both Jacobians at every point
    #[arg(long, value_name = "PART", requires = "guidance", value_enum, default_value = "full")]
    pub(super) guidance_part: Part,
    /// Add V (D_A − D_B), V that of --guide-weight: the model A, which is asked for --class if it has classes
    #[arg(long, value_name = "MODEL", requires_all = ["guide_against", "guide_weight"])]
    pub(super) guide: Option<OsString>,
    /// The model B, which is asked as A is
    #[arg(long, value_name = "MODEL", requires = "guide")]
    pub(super) guide_against: Option<OsString>,
    /// The weight V of what --guide adds
    #[arg(long, value_name = "V", requires = "guide")]
    pub(super) guide_weight: Option<f64>,
    /// Add it at noise levels above LO and up to HI alone
    #[arg(long, value_name = "LO,HI", requires = "guide", value_parser = band)]
    pub(super) guide_interval: Option<Band>,
}

fn band(text: &str) -> Result<Band, String> {
    let ends = text
        .split_once(',')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    let (above, up_to) = ends.ok_or("give two noise levels, as 0.3,5")?;
    Band::new(above, up_to).map_err(|e| e.to_string())
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
}
