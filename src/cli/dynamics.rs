//! The flags that say what moves, and what is seen of it.

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};

use super::ending::usage;
use super::job::Job;
use super::lists::{Integers, Numbers, count, integers, parse_list};
use crate::dynamics::{Dynamics, Observation, System, Through};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SystemName {
    /// Lorenz's of 1963, chaotic, in three numbers; RK4
    Lorenz63,
    /// −U′ of U = H(x² − 1)², in one number; Euler and Maruyama
    DoubleWell,
    /// Ornstein and Uhlenbeck: −θx; exact
    Ou,
    /// 0; exact
    Brownian,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "System: dX = f(X) dt + g dW")]
pub struct SystemArgs {
    /// What moves: its drift f
    #[arg(long, value_enum)]
    system: SystemName,
    /// Of ou and brownian: independent coordinates
    #[arg(short, long, value_name = "d", default_value = "1", value_parser = count(1..=1_000_000_u32))]
    dim: u32,
    /// Of lorenz63: σ, ρ and β (default: 10, 28 and 8/3)
    #[arg(long, value_name = "S,R,B", value_parser = parse_list, allow_hyphen_values = true)]
    lorenz: Option<Numbers>,
    /// Of double-well: H, the height between the wells
    #[arg(long, value_name = "H", default_value_t = 1.0, allow_negative_numbers = true)]
    barrier: f64,
    /// Of ou: θ
    #[arg(long, value_name = "THETA", default_value_t = 1.0, allow_negative_numbers = true)]
    rate: f64,
    /// Diffusion g (default: 1, of double-well 0.2)
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    diffusion: Option<f64>,
    /// Time from one state to the next (default: 0.1, of lorenz63 0.025)
    #[arg(long, value_name = "DT", allow_negative_numbers = true)]
    dt: Option<f64>,
    /// Of lorenz63 and double-well: steps of the scheme within that time (default: 1, of double-well 10)
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_u32))]
    substeps: Option<u32>,
    /// Mean of the states that burn-in starts from, one number for all coordinates or one each (default: 0; of lorenz63 0,0,25)
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    start: Option<Numbers>,
    /// Their standard deviation, as --start (default: of lorenz63 8,9,8.6; of double-well 0.5; of ou that of its
    /// stationary law; of brownian 0)
    #[arg(long, value_name = "LIST", value_parser = parse_list, allow_hyphen_values = true)]
    start_std: Option<Numbers>,
    /// Transitions before the first state (default: 0, of lorenz63 100)
    #[arg(long, value_name = "N", value_parser = count(0..=100_000_000_u32))]
    burn_in: Option<u32>,
}

impl SystemArgs {
    /// The system, and where it starts.
    ///
    /// # Errors
    /// Usage errors: values out of range, flags of other systems.
    pub fn dynamics(&self, job: &Job) -> Result<Dynamics> {
        let is = |name| self.system == name;
        let (lorenz, well) = (is(SystemName::Lorenz63), is(SystemName::DoubleWell));
        job.only(lorenz, &["--lorenz"], "it is for --system lorenz63")?;
        job.only(well, &["--barrier"], "it is for --system double-well")?;
        job.only(is(SystemName::Ou), &["--rate"], "it is for --system ou")?;
        job.only(!lorenz && !well, &["--dim"], "lorenz63 has three numbers, double-well one")?;
        job.only(lorenz || well, &["--substeps"], "transitions of ou and brownian are exact")?;
        self.checked().map_err(usage)
    }

    fn checked(&self) -> Result<Dynamics> {
        let within = |flag: &str, x: f64, least: f64| {
            ensure!((least..=1e9).contains(&x), "{flag} {x}: must be from {least} to 1e9");
            Ok(x)
        };
        let system = match self.system {
            SystemName::Lorenz63 => {
                let all = self.lorenz.as_ref().map_or(vec![10.0, 28.0, 8.0 / 3.0], |l| l.0.clone());
                let [sigma, rho, beta] = all[..] else {
                    return Err(anyhow!("--lorenz: give three numbers, like 10,28,2.6666667"));
                };
                all.iter().try_for_each(|x| within("--lorenz", *x, -1e9).map(|_| ()))?;
                System::Lorenz63 { sigma, rho, beta }
            }
            SystemName::DoubleWell => System::DoubleWell { barrier: within("--barrier", self.barrier, 0.0)? },
            SystemName::Ou => System::Ou { rate: within("--rate", self.rate, 1e-9)? },
            SystemName::Brownian => System::Brownian,
        };
        // Of lorenz63: where its attractor is, and how wide.
        let (dim, interval, diffusion, substeps, burn_in) = match system {
            System::Lorenz63 { .. } => (3, 0.025, 1.0, 1, 100),
            System::DoubleWell { .. } => (1, 0.1, 0.2, 10, 0),
            System::Ou { .. } | System::Brownian => (self.dim as usize, 0.1, 1.0, 1, 0),
        };
        let diffusion = within("--diffusion", self.diffusion.unwrap_or(diffusion), 0.0)?;
        let (start, start_std) = match system {
            System::Lorenz63 { .. } => (vec![0.0, 0.0, 25.0], vec![8.0, 9.0, 8.6]),
            System::DoubleWell { .. } => (vec![0.0], vec![0.5]),
            System::Ou { rate } => (vec![0.0; dim], vec![diffusion / (2.0 * rate).sqrt(); dim]),
            System::Brownian => (vec![0.0; dim], vec![0.0; dim]),
        };
        let each = |flag: &str, given: &Option<Numbers>, default: Vec<f64>, least: f64| {
            let Some(Numbers(given)) = given else { return Ok(default) };
            given.iter().try_for_each(|x| within(flag, *x, least).map(|_| ()))?;
            match given[..] {
                [one] => Ok(vec![one; dim]),
                _ if given.len() == dim => Ok(given.clone()),
                _ => Err(anyhow!(
                    "{flag}: {} numbers for {dim} coordinates; give one, or one each",
                    given.len()
                )),
            }
        };
        Ok(Dynamics {
            system,
            diffusion,
            interval: within("--dt", self.dt.unwrap_or(interval), 1e-9)?,
            substeps: self.substeps.unwrap_or(substeps),
            start: each("--start", &self.start, start, -1e9)?,
            start_std: each("--start-std", &self.start_std, start_std, 0.0)?,
            burn_in: self.burn_in.unwrap_or(burn_in),
        })
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Observations: y = h(x) + s·ε")]
pub struct ObservationArgs {
    /// Coordinates that are seen, from 0 (default: all)
    #[arg(long, value_name = "LIST", value_parser = integers(0))]
    observe: Option<Integers>,
    /// What they are seen through
    #[arg(long, value_enum, default_value = "identity")]
    through: Through,
    /// Standard deviation s of their noise
    #[arg(long, value_name = "S", default_value_t = 0.25)]
    noise_std: f64,
}

impl ObservationArgs {
    pub const FLAGS: [&str; 3] = ["--observe", "--through", "--noise-std"];

    /// What is seen of a state of `dim` coordinates.
    ///
    /// # Errors
    /// Usage errors: values out of range.
    pub fn of(&self, dim: usize) -> Result<Observation> {
        let coordinates = self.observe.as_ref().map_or((0..dim).collect(), |o| o.0.clone());
        if let Some(beyond) = coordinates.iter().find(|i| **i >= dim) {
            return Err(usage(anyhow!("--observe {beyond}: coordinates are from 0 to {}", dim - 1)));
        }
        if !(1e-9..=1e9).contains(&self.noise_std) {
            return Err(usage(anyhow!("--noise-std {}: must be from 1e-9 to 1e9", self.noise_std)));
        }
        Ok(Observation { coordinates, through: self.through, noise_std: self.noise_std })
    }
}
