//! What the methods that follow paths by a model are told.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::blocks::room;
use crate::cli::{Job, count, usage};
use crate::dynamics::filters::Learned;
use crate::dynamics::{Endpoint, Filter, Quirk, Sampler};

#[derive(Args)]
#[command(next_help_heading = "Transitions that are learned")]
pub struct LearnedArgs {
    /// Of flowdas and regression: the transition, a model of dae-fit --kind mlp --loss interpolant or regression
    #[arg(long, value_name = "MODEL")]
    pub model: Option<OsString>,
    /// Of flowdas: Euler's steps from a state to the next
    #[arg(long, value_name = "N", default_value = "100", value_parser = count(2..=1_000_000_u32))]
    steps: u32,
    /// Of flowdas: how the next state is estimated on the way to it
    #[arg(long, value_enum, default_value = "second")]
    endpoint: Endpoint,
    /// Of flowdas: J, estimates that a likelihood is the mean of
    #[arg(long, value_name = "J", default_value = "21", value_parser = count(1..=100_000_u32))]
    estimates: u32,
    /// Of flowdas: ζ of published steps −ζ∇Σw‖y − h(X̂)‖² (default: (1 − s)² ds/2s_y² at s, that of the conditional law)
    #[arg(long, value_name = "ZETA", allow_negative_numbers = true)]
    step_size: Option<f64>,
    /// Of flowdas: what the published code has otherwise, a list
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    quirk: Vec<Quirk>,
}

impl LearnedArgs {
    const OF_FLOWDAS: [&str; 5] = ["--steps", "--endpoint", "--estimates", "--step-size", "--quirk"];

    /// What `method` is told, before any input is opened.
    ///
    /// # Errors
    /// Usage errors: flags without effect, no model, values out of range.
    pub fn sampler(&self, job: &Job, method: Filter) -> Result<Sampler> {
        let (flowdas, regression) = (method == Filter::Flowdas, method == Filter::Regression);
        job.only(flowdas, &LearnedArgs::OF_FLOWDAS, "it is for --method flowdas")?;
        job.only(flowdas || regression, &["--model"], "it is for --method flowdas and regression")?;
        if (flowdas || regression) && self.model.is_none() {
            return Err(usage(anyhow!("--method: this one follows paths by a model; give --model")));
        }
        self.checked().map_err(usage)
    }

    fn checked(&self) -> Result<Sampler> {
        let (quirks, step_size) = (self.quirk.clone(), self.step_size);
        let positive = step_size.is_none_or(|zeta| (1e-18..=1e18).contains(&zeta));
        ensure!(positive, "--step-size {}: must be from 1e-18 to 1e18", step_size.unwrap_or(0.0));
        ensure!(
            step_size.is_some() || !quirks.contains(&Quirk::Norm),
            "--quirk norm: a norm has no step of the conditional law; give --step-size"
        );
        ensure!(
            self.endpoint == Endpoint::Second || !quirks.contains(&Quirk::Drift),
            "--quirk drift: is for --endpoint second"
        );
        let (steps, endpoint, estimates) = (self.steps, self.endpoint, self.estimates);
        Ok(Sampler { steps, endpoint, estimates, step_size, quirks })
    }

    /// The transition with its sampler, for states of `dim` numbers, of which `members` go together.
    ///
    /// # Errors
    /// Of the model; memory that members take.
    pub fn open(
        &self,
        job: &Job,
        method: Filter,
        sampler: Sampler,
        dim: usize,
        members: usize,
    ) -> Result<Option<Learned>> {
        let (Some(name), mean) = (self.model.as_deref(), method == Filter::Regression) else {
            return Ok(None);
        };
        // A mean sees no noise.
        let levels = if mean { Vec::new() } else { sampler.levels() };
        let network = job.transition(name, dim, mean, &levels)?;
        let threads = rayon::current_num_threads();
        room(&[members, self.estimates as usize + 8, dim, threads], "--particles and --estimates")?;
        room(&[members, network.bytes_per_row() / 8 + 1, threads], "--particles of this network")?;
        Ok(Some(Learned { transition: Box::new(network), sampler }))
    }
}
