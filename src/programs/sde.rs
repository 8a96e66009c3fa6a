//! sde: paths of stochastic systems, and what is seen of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::Array2;

use crate::blocks::room;
use crate::cli::{Job, ObservationArgs, Program, Source, SystemArgs, count};
use crate::dynamics::Dynamics;
use crate::inverse::add_noise;
use crate::linalg::cast;
use crate::scalar::{Dtype, Scalar};
use crate::stream::block_rows;
use crate::with_dtype;

/// Draw paths of a stochastic system: x_0, …, x_T, a path a row, for assimilate.
///
/// With --observations, what is seen of each state goes to a file of its own. A path depends on the seed and its number alone:
/// longer ones begin as shorter ones do. Steps are computed in f64; of double-well those so long that the next grow are refused.
///
/// Memory: a few blocks of paths, whatever N is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ sde --system lorenz63 -n 8 --steps 40 --observations seen.npy --through atan -o paths.npy && assimilate seen.npy --system lorenz63 --through atan --method particle --truth paths.npy --report scores.csv | npy info - && table mean scores.csv --by score --value value
  $ sde --system ou -d 2 -n 500 --steps 20 --rate 0.5 | npy info -")]
pub struct Arguments {
    /// Number of paths
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// T, transitions of a path
    #[arg(long, value_name = "T", value_parser = count(1..=100_000_000_u32))]
    steps: u32,
    /// Write what is seen of each state there, (T + 1, m) a path
    #[arg(long, value_name = "FILE")]
    observations: Option<PathBuf>,
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    seen: ObservationArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let dynamics = self.system.dynamics(job)?;
        job.only(
            self.observations.is_some(),
            &ObservationArgs::FLAGS,
            "nothing is seen; give --observations",
        )?;
        let draws = dynamics.draws() || self.observations.is_some();
        job.only(draws, &["--seed"], "nothing is drawn without diffusion, noise and spread at the start")?;
        room(
            &[self.steps as usize + 1, dynamics.dim(), 4 * rayon::current_num_threads()],
            "--steps and --dim",
        )?;
        with_dtype!(job.dtype(&[Dtype::F32]), T => self.draw::<T>(job, &dynamics))
    }
}

impl Arguments {
    fn draw<T: Scalar>(&self, job: &Job, dynamics: &Dynamics) -> Result<()> {
        let seen = self.seen.of(dynamics.dim())?;
        let rows = job.selected(self.samples);
        let (count, times) = ((rows.end - rows.start) as usize, self.steps as usize + 1);
        let mut outputs = vec![job.array::<T>(Some(count), &[times, dynamics.dim()])?];
        if let Some(path) = &self.observations {
            outputs.push(job.side_array(path, Some(count), &[times, seen.count()])?);
        }
        let seed = job.shared.seed;
        let most = block_rows(times * dynamics.dim());
        job.fill(Source::Numbers(rows), most, "paths", outputs, |block| {
            let n = (block.rows.end - block.rows.start) as usize;
            let mut paths = Array2::zeros((n, times * dynamics.dim()));
            let mut y =
                Array2::zeros((n, if self.observations.is_some() { times * seen.count() } else { 0 }));
            for (i, row) in block.rows.clone().enumerate() {
                let states = dynamics.path(self.steps as usize, seed, row)?;
                paths.row_mut(i).iter_mut().zip(&states).for_each(|(to, x)| *to = *x);
                y.row_mut(i).iter_mut().zip(&seen.apply(states.t()).t()).for_each(|(to, x)| *to = *x);
            }
            add_noise(y.view_mut(), seen.noise_std, seed, block.rows.start);
            Ok(vec![cast(paths.view()), cast(y.view())])
        })
    }
}
