//! The flags of restore's methods.

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};

use crate::cli::{Job, Numbers, SamplerArgs, count, parse_list, positive, usage};
use crate::denoiser::Model;
use crate::denoiser::external::Ability;
use crate::flow::{Plan, Solver};
use crate::inverse::dcdp::{Purifier, Settings, levels};
use crate::schedule::SIGMAS;

/// How an item is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Diffusion posterior sampling: ancestral steps with the gradient of ‖y − A D‖
    Dps,
    /// ΠGDM: the flow, guided as if x_0 were Gaussian about D
    Pigdm,
    /// DDNM⁺: ancestral steps whose D agrees with y where A sees; takes no Jacobian
    Ddnm,
    /// DCDP: descent on ‖y − A x‖², then purification by the flow, in turns; takes no Jacobian
    Dcdp,
    /// The posterior itself, of a mixture
    Exact,
    /// The shortest item that agrees best with y, whatever the noise and the model: a baseline
    PseudoInverse,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Method")]
pub struct MethodArgs {
    /// How an item is found
    #[arg(long, value_enum)]
    pub method: Method,
    /// Of exact: the mean of the posterior, rather than a draw of it
    #[arg(long)]
    pub mean: bool,
    /// Of dps: ζ, the size of its steps, one for every step however many there are
    #[arg(long, value_name = "Z", default_value_t = 1.0, value_parser = positive)]
    pub step_size: f64,
    /// Of pigdm: τ, the deviation of the data's numbers
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = positive)]
    pub data_std: f64,
    /// Of dcdp: rounds of descent and purification
    #[arg(long, value_name = "K", default_value = "10", value_parser = count(1..=100_000_u32))]
    pub rounds: u32,
    /// Of dcdp: gradient steps a round
    #[arg(long, value_name = "N", default_value = "100", value_parser = count(1..=100_000_u32))]
    pub inner: u32,
    /// Of dcdp: η, the size of gradient steps, as a share of 1/‖A‖²; the published rates are 0.01 to 1
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub lr: f64,
    /// Of dcdp: β of the descent
    #[arg(long, value_name = "BETA", default_value_t = 0.9)]
    pub momentum: f64,
    /// Of dcdp: times of the vp schedule, first and last, whose noise is purified; 0 is none
    #[arg(long, value_name = "T0,T1", default_value = "0.4,0", value_parser = parse_list, allow_hyphen_values = true)]
    pub purify: Numbers,
    /// Of dcdp: how
    #[arg(long, value_enum, default_value = "flow")]
    pub purifier: Purifier,
}

impl MethodArgs {
    /// Whether anything is drawn.
    pub fn draws(&self) -> bool {
        !self.mean && self.method != Method::PseudoInverse
    }

    /// Whether the model's denoiser is asked.
    fn asks(&self) -> bool {
        !matches!(self.method, Method::Exact | Method::PseudoInverse)
    }

    /// What the flags alone show to be wrong.
    ///
    /// # Errors
    /// Usage errors: values out of range, flags of other methods, which have no effect.
    pub fn check(&self, job: &Job, noise_std: f64) -> Result<()> {
        let is = |method| self.method == method;
        let dcdp = ["--rounds", "--inner", "--lr", "--momentum", "--purify", "--purifier"];
        job.only(is(Method::Exact), &["--mean"], "it is for --method exact")?;
        job.only(self.draws(), &["--seed"], "a mean and a pseudo-inverse draw nothing")?;
        job.only(is(Method::Dps), &["--step-size"], "it is for --method dps")?;
        job.only(is(Method::Pigdm), &["--data-std"], "it is for --method pigdm")?;
        job.only(is(Method::Dcdp), &dcdp, "it is for --method dcdp")?;
        job.only(
            self.asks(),
            &["--report", "--class", "--edit"],
            "exact and pseudo-inverse evaluate no model",
        )?;
        job.only(self.asks(), &SamplerArgs::FLAGS, "exact and pseudo-inverse take no steps")?;
        let once = is(Method::Dcdp) && self.purifier == Purifier::Tweedie;
        job.only(!once, &SamplerArgs::FLAGS, "--purifier tweedie takes no steps")?;
        let flows = is(Method::Pigdm) || is(Method::Dcdp);
        let of_flows: Vec<&str> = SamplerArgs::FLAGS.into_iter().filter(|f| is_of_flows(f)).collect();
        job.only(flows || !self.asks(), &of_flows, "dps and ddnm take ancestral steps, not a flow")?;
        self.ranges(noise_std).map_err(usage)
    }

    fn ranges(&self, noise_std: f64) -> Result<()> {
        ensure!(
            self.method != Method::Exact || noise_std > 0.0,
            "--noise-std 0: the exact posterior takes noise; give a small one, like 1e-3"
        );
        for (flag, value) in
            [("--step-size", self.step_size), ("--data-std", self.data_std), ("--lr", self.lr)]
        {
            ensure!(value <= 1e18, "{flag} {value}: must be 1e18 at most");
        }
        ensure!(
            (0.0..1.0).contains(&self.momentum),
            "--momentum {}: must be from 0 to below 1",
            self.momentum
        );
        // Where ‖A‖² is the eigenvalue, iterates of descent with momentum grow from there on.
        let most = 2.0 * (1.0 + self.momentum);
        ensure!(self.lr < most, "--lr {}: descent diverges from {most} on with this --momentum", self.lr);
        let [first, last] = self.purify.0[..] else {
            return Err(anyhow!("--purify: give the first and the last time, like 0.4,0"));
        };
        ensure!(
            (0.0..=1.0).contains(&first) && (0.0..=1.0).contains(&last),
            "--purify {first},{last}: times of the vp schedule are from 0 to 1"
        );
        let all = levels(self.rounds, first, last);
        ensure!(
            all.iter().any(|s| *s > 0.0),
            "--purify {first},{last}: no round purifies; give a time above 0"
        );
        let sound = |s: &f64| *s == 0.0 || SIGMAS.contains(s);
        ensure!(all.iter().all(sound), "--purify {first},{last}: too near 0; give 0 itself");
        Ok(())
    }

    /// Refuses a model without the Jacobian that the method takes.
    ///
    /// # Errors
    /// What to add, and which methods take none.
    pub fn needs(&self, model: &Model, name: &str) -> Result<()> {
        let takes = matches!(self.method, Method::Dps | Method::Pigdm);
        ensure!(
            !takes || model.can(Ability::Vjp),
            "{name}: has no vjp, which dps and pigdm take; add vjp=… to the call of molrg.serve that serves it, or give \
             --method ddnm or dcdp"
        );
        Ok(())
    }

    /// Refuses the closed form of a flow where there is none.
    ///
    /// # Errors
    /// A usage error.
    pub fn solves(&self, plan: &Plan) -> Result<()> {
        if self.method == Method::Pigdm && plan.solver == Solver::Exact {
            return Err(usage(anyhow!(
                "--solver exact: a guided flow has no closed form; give another, or --method exact"
            )));
        }
        Ok(())
    }

    /// DCDP's settings.
    pub fn dcdp(&self, plan: &Plan) -> Settings {
        let (first, last) = (self.purify.0[0], self.purify.0[1]);
        Settings {
            levels: levels(self.rounds, first, last),
            purifier: self.purifier,
            plan: plan.clone(),
            inner: self.inner,
            rate: self.lr,
            momentum: self.momentum,
        }
    }

    /// The noise levels at which the model is asked.
    pub fn levels(&self, plan: &Plan) -> Vec<f64> {
        if self.method != Method::Dcdp {
            return plan.evaluated();
        }
        let starts = self.dcdp(plan).levels;
        let most = starts.iter().copied().fold(0.0, f64::max);
        let between = plan.evaluated().into_iter().filter(|s| *s < most && self.purifier == Purifier::Flow);
        starts.iter().copied().filter(|s| *s > 0.0).chain(between).collect()
    }
}

/// Flags of the sampler that say how a flow is solved, rather than where its levels are.
fn is_of_flows(flag: &str) -> bool {
    flag == "--solver" || flag.ends_with("tol") || flag.starts_with("--churn")
}
