//! assimilate: the states of a stochastic system from observations of it.

mod doubts;
mod followed;
mod learned;
mod scores;
mod seen;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use ndarray::Array2;

use doubts::Doubts;
use followed::{Followed, Step};
use learned::LearnedArgs;
use scores::Scores;
use seen::{times_of, truth};

use crate::blocks::room;
use crate::cli::{Job, ObservationArgs, Program, Source, SystemArgs, count, usage};
use crate::dynamics::{Filter, System, Through};
use crate::linalg::cast;
use crate::scalar::Scalar;
use crate::stream::{ArrayWriter, Rows, block_rows};
use crate::with_dtype;

/// Find the states of a stochastic system from noisy observations of it, a path a row.
///
/// That is E[x_k | y_0, …, y_k] of y = h(x) + s·ε. Observations are what sde --observations writes, (T + 1, m) a path or flat. The system's flags say what moves and where it
/// starts, as in sde. particle is exact as --particles grows, and takes the more of them the more numbers are seen and the
/// less noise there is; ensemble-kalman takes few, and is exact for linear systems alone; kalman is exact for these. Filters
/// compute in f64.
///
/// flowdas (arXiv 2501.16642) and regression do not know how states move, but have learned it from pairs of states (--model), of
/// the same --dt; the system's flags say where they start. Members of flowdas each go from a state to the next by a stochastic
/// interpolant, guided by what is seen of it: approximate even for linear systems, where by second order its spread is some 10 %
/// too wide. Members of regression move by the mean of the next state, and are corrected as in ensemble-kalman: without the noise
/// of the system they grow alike, and trust themselves rather than what is seen. With --until states after it are forecasts.
/// What is drawn for row i depends on the seed and i alone, and is other than what sde draws.
///
/// A warning says where observations are not of the system: (y − ȳ)²/(v + s²), ȳ and v the mean and variance of h that are foreseen,
/// is 1 on average where they are (of flowdas (y − h(x))²/s² of the members; of regression nothing is said), and so is
/// (y − h(x))²/s² of --truth. Of kalman and of --truth it is told from 1.25 or 1/1.25 on, of other methods from 4 or 1/4, and
/// beyond chance.
///
/// --report has scores at each step: spread, the root mean variance of what is believed; effective, 1/Σw² of particles' weights; and
/// against --truth rmse of the means, crps, and wasserstein, E|X − x| of the belief X, its first distance from the truth.
///
/// Memory: particles, --truth, and a few rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ sde --system double-well -n 20 --steps 50 --observations seen.npy --through cube --noise-std 0.2 -o paths.npy && assimilate seen.npy --system double-well --through cube --noise-std 0.2 --method particle --truth paths.npy --report scores.csv -o states.npy && table mean scores.csv --by score --value value
  $ sde --system ou -n 2000 --steps 1 -o pairs.npy && npy cat pairs.npy --cols ..1 -o before.npy && npy cat pairs.npy --cols 1.. | dae-fit --condition before.npy --kind mlp --loss interpolant --width 16 --depth 1 --steps 300 -q -o moves.st && sde --system ou -n 4 --steps 5 --observations seen.npy -o paths.npy && assimilate seen.npy --system ou --method flowdas --model moves.st --particles 30 --steps 30 --truth paths.npy --report scores.csv -o states.npy && table mean scores.csv --by score --value value")]
pub struct Arguments {
    /// Observations (default: standard input)
    #[arg(value_name = "OBSERVATIONS")]
    observations: Option<OsString>,
    /// How states are found
    #[arg(long, value_enum)]
    method: Filter,
    /// How many particles or members there are, of all but kalman
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count(2..=100_000_000_u32))]
    particles: u32,
    /// Write the standard deviation of each state there
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,
    /// The paths that were seen, to score against: what sde writes
    #[arg(long, value_name = "FILE")]
    truth: Option<OsString>,
    /// The first states are known: those of --truth
    #[arg(long, requires = "truth")]
    known_first: bool,
    /// The last step whose observation is used; states of later ones are forecasts (default: all are used)
    #[arg(long, value_name = "K", value_parser = count(0..=100_000_000_u32))]
    until: Option<u32>,
    /// Write scores there: step, score, value, std_error, n
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    seen: ObservationArgs,
    #[command(flatten)]
    learned: LearnedArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let dynamics = self.system.dynamics(job)?;
        let observation = self.seen.of(dynamics.dim())?;
        let draws = self.method != Filter::Kalman;
        job.only(draws, &["--seed", "--particles"], "the Kalman filter draws nothing")?;
        let sampler = self.learned.sampler(job, self.method)?;
        let known = self.known_first;
        job.only(self.report.is_some() || known, &["--truth"], "scores go to --report, which is not given")?;
        job.only(!known, &["--start", "--start-std", "--burn-in"], "the first states are known")?;
        let moves = self.learned.model.is_none() || !known && dynamics.burn_in > 0;
        let parameters = ["--dt", "--substeps", "--lorenz", "--barrier"];
        job.only(moves, &parameters, "states move by --model, and none before the first")?;
        let starts = moves || !known && matches!(dynamics.system, System::Ou { .. });
        job.only(starts, &["--rate", "--diffusion"], "states move by --model, and start elsewhere")?;
        let linear = dynamics.linear().is_some() && observation.through == Through::Identity;
        if !draws && !linear {
            let text = "--method kalman: is for --system ou and brownian, and --through identity; give another method";
            return Err(usage(anyhow!(text)));
        }
        job.numbered(draws, "--method", "what is drawn belongs to rows by their number")?;
        job.numbered(self.truth.is_some(), "--truth", "paths belong to observations by their number")?;
        let members = if draws { self.particles as usize } else { 1 };
        room(&[members, 5 * dynamics.dim(), rayon::current_num_threads()], "--particles and --dim")?;
        let files = [self.truth.as_deref(), self.learned.model.as_deref()].into_iter().flatten().map(Some);
        job.wait_for_stdin(&[self.observations.as_deref()].into_iter().chain(files).collect::<Vec<_>>())?;
        let learned = self.learned.open(job, self.method, sampler, dynamics.dim(), members)?;
        let rows = job.rows(self.observations.as_deref())?;
        let times = times_of(&rows, observation.count())?;
        let until = self.until.map_or(times - 1, |k| k as usize);
        ensure!(until < times, "--until {until}: {} has steps 0 to {}", rows.name(), times - 1);
        job.only(until + 1 < times, &["--until"], "it is the last step")?;
        let truth =
            self.truth.as_deref().map(|name| truth(job, name, &rows, times * dynamics.dim())).transpose()?;
        let followed = Followed {
            dynamics,
            observation,
            filter: self.method,
            learned,
            known_first: known,
            until,
            members,
            truth,
        };
        with_dtype!(job.dtype(&[rows.dtype()]), T => self.follow::<T>(job, rows, times, &followed))
    }
}

impl Arguments {
    fn follow<T: Scalar>(&self, job: &Job, rows: Rows, times: usize, followed: &Followed) -> Result<()> {
        let (count, shape) = (rows.len(), [times, followed.dynamics.dim()]);
        let mut means = job.array::<T>(count, &shape)?;
        let deviations = self.deviations.as_deref();
        let mut deviations = deviations.map(|path| job.side_array::<T>(path, count, &shape)).transpose()?;
        let report = self.report.as_deref().map(|path| job.side_table(path, &Scores::COLUMNS)).transpose()?;
        room(&[16, times], &format!("{}: the scores of {times} times", rows.name()))?;
        let (mut scores, mut doubts) = (Scores::new(times), Doubts::default());
        let (first, seed) = (job.shared.rows.start, job.shared.seed);
        // One row of particles is work enough.
        let most = if self.method == Filter::Kalman { block_rows(shape[0] * shape[1]) } else { 1 };
        job.each_block::<T, _>(
            Source::Stream(rows),
            most,
            "paths",
            |block| {
                let rows = block.rows.clone();
                let y = cast::<T, f64>(block.first().unwrap_or_default().view());
                let steps =
                    |(y, row)| followed.steps(y, row, first, seed).with_context(|| format!("row {row}"));
                y.outer_iter().zip(rows).map(steps).collect::<Result<Vec<_>>>()
            },
            |rows, all| {
                for (steps, row) in all.iter().zip(rows) {
                    scores.add(row, steps);
                    doubts.add(steps);
                    means.write(row_of(steps, |step| &step.mean)?.view())?;
                    if let Some(deviations) = &mut deviations {
                        deviations.write(row_of(steps, |step| &step.deviation)?.view())?;
                    }
                }
                Ok(())
            },
        )?;
        followed.held(scores.paths())?;
        let told = [scores.collapse(), scores.overshoot(), doubts.tell(followed)];
        told.iter().flatten().for_each(|text| job.warn(text));
        report.map(|table| scores.write(table)).transpose()?;
        deviations.map(ArrayWriter::finish).transpose()?;
        means.finish()
    }
}

/// A row of an output.
fn row_of<T: Scalar>(steps: &[Step], of: impl Fn(&Step) -> &Vec<f64>) -> Result<Array2<T>> {
    let row: Vec<T> = steps.iter().flat_map(|step| of(step).iter().map(|x| T::of(*x))).collect();
    Ok(Array2::from_shape_vec((1, row.len()), row)?)
}
