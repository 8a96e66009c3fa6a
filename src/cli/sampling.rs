//! The flags that say how a probability flow is integrated: the same for every
//! program that runs one.

use anyhow::Result;
use clap::Args;

use super::lists::{Numbers, parse_list, positive};
use super::{Job, usage};
use crate::flow::{Churn, Plan, Solver};
use crate::schedule::{Grid, Schedule, check_levels};

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sampler")]
pub struct SamplerArgs {
    /// Integrator of the flow
    #[arg(long, value_enum, default_value = "heun")]
    pub solver: Solver,
    /// Where the noise levels lie
    #[arg(long, value_enum, default_value = "edm")]
    pub schedule: Schedule,
    /// Number of positive noise levels; 0 follows them, so heun costs 2·STEPS − 1 evaluations
    #[arg(long, default_value_t = 18)]
    pub steps: usize,
    /// Smallest positive noise level
    #[arg(long, default_value_t = 0.002)]
    pub sigma_min: f64,
    /// Noise level of the latents: the flow starts at SIGMA_MAX · ε
    #[arg(long, default_value_t = 80.0)]
    pub sigma_max: f64,
    /// Exponent of the edm grid
    #[arg(long, default_value_t = 7.0)]
    pub rho: f64,
    /// An explicit grid instead, decreasing, used as it is; end it with 0 to end at 0
    #[arg(long, value_name = "S0,S1,…", value_parser = parse_list, allow_hyphen_values = true,
          conflicts_with_all = ["schedule", "steps", "sigma_min", "sigma_max", "rho"])]
    pub sigmas: Option<Numbers>,
    /// Relative tolerance of rk45
    #[arg(long, default_value_t = 1e-5, value_parser = positive)]
    pub rtol: f64,
    /// Absolute tolerance of rk45
    #[arg(long, default_value_t = 1e-5, value_parser = positive)]
    pub atol: f64,
    /// S_churn of EDM's stochastic sampler; 0 is the deterministic flow
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub churn: f64,
    /// S_min: no noise is added below
    #[arg(long, value_name = "SIGMA", default_value_t = 0.0)]
    pub churn_min: f64,
    /// S_max: no noise is added above
    #[arg(long, value_name = "SIGMA", default_value_t = f64::INFINITY)]
    pub churn_max: f64,
    /// S_noise: standard deviation of the added noise
    #[arg(long, value_name = "STD", default_value_t = 1.0)]
    pub churn_noise: f64,
}

impl SamplerArgs {
    /// All of these flags, for [`Job::only`].
    pub const FLAGS: [&'static str; 13] = [
        "--solver",
        "--schedule",
        "--steps",
        "--sigma-min",
        "--sigma-max",
        "--rho",
        "--sigmas",
        "--rtol",
        "--atol",
        "--churn",
        "--churn-min",
        "--churn-max",
        "--churn-noise",
    ];

    /// The grid of noise levels, where --sigmas gives none.
    pub fn grid(&self) -> Grid {
        Grid {
            schedule: self.schedule,
            steps: self.steps,
            sigma_min: self.sigma_min,
            sigma_max: self.sigma_max,
            rho: self.rho,
        }
    }

    /// Refuses these flags of the grid where the closed form goes from the first level to any other at once.
    ///
    /// # Errors
    /// A usage error that names the flag.
    pub fn jumps_over(&self, job: &Job, flags: &[&str]) -> Result<()> {
        job.only(
            self.solver != Solver::Exact,
            flags,
            "the closed form goes from one noise level to another at once",
        )
    }

    /// The plan these flags ask for.
    ///
    /// # Errors
    /// Usage errors on levels or tolerances that make no flow.
    pub fn plan(&self, job: &Job) -> Result<Plan> {
        job.only(self.solver == Solver::Rk45, &["--rtol", "--atol"], "rk45 alone has tolerances")?;
        let fixed = self.solver != Solver::Exact;
        let churn = ["--churn", "--churn-min", "--churn-max", "--churn-noise"];
        job.only(fixed, &churn, "the closed form is of the flow without noise")?;
        let churned = ["--churn-min", "--churn-max", "--churn-noise"];
        job.only(self.churn > 0.0, &churned, "no noise is added without --churn")?;
        let spaced = self.sigmas.is_none() && self.schedule == Schedule::Edm;
        job.only(spaced, &["--rho"], "the edm grid alone has an exponent")?;
        let sigmas = match &self.sigmas {
            Some(sigmas) => {
                check_levels(&sigmas.0).map_err(usage)?;
                sigmas.0.clone()
            }
            None => self.grid().levels().map_err(usage)?,
        };
        let added = [self.churn, self.churn_noise];
        if !added.iter().all(|v| *v >= 0.0 && v.is_finite()) {
            return Err(usage(anyhow::anyhow!("--churn and --churn-noise must be finite and not negative")));
        }
        if !(self.churn_min >= 0.0 && self.churn_min <= self.churn_max) {
            return Err(usage(anyhow::anyhow!(
                "--churn-min {} and --churn-max {} hold no level between them; give 0 <= min <= max",
                self.churn_min,
                self.churn_max
            )));
        }
        let positive = sigmas.iter().filter(|s| **s > 0.0).count();
        let churn = (self.churn > 0.0).then_some(Churn {
            gamma: Churn::gamma(self.churn, positive),
            min: self.churn_min,
            max: self.churn_max,
            noise: self.churn_noise,
        });
        Ok(Plan { sigmas, solver: self.solver, churn, rtol: self.rtol, atol: self.atol })
    }
}
