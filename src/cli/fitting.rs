//! The flags that say how a mixture is fitted: the same for every program that fits one.

use anyhow::{Context, Result, ensure};
use clap::Args;
use ndarray::{ArrayView2, Axis};

use super::{Job, Repeated, Source};
use crate::fit::pca::Moments;
use crate::fit::{Assumptions, Fit, Init, Settings, Solver, Weighting};
use crate::scalar::Scalar;
use crate::stream::Rows;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Fit")]
pub struct FitArgs {
    /// Keep all bases mutually orthogonal, as the theory does (subspaces, gradient)
    #[arg(long)]
    pub orthogonal: bool,
    /// Starts, of which the best is kept; subspaces and em cut those early that fall behind
    #[arg(long, default_value_t = 10)]
    pub restarts: usize,
    /// Where to start; without joint orthogonality, uniform starts seldom find subspaces of higher rank
    #[arg(long, value_enum, default_value = "spectral")]
    pub init: Init,
    /// Weights over components in the loss of gradient
    #[arg(long, value_enum, default_value = "hardmax")]
    pub weighting: Weighting,
    /// Iterations at most; for gradient, its steps
    #[arg(long, default_value_t = 1000)]
    pub iterations: usize,
    /// Learning rate, falling along a cosine (default: 0.2 for gradient; networks: 0.003 for mlp and unet,
    /// 0.001 for the others)
    #[arg(long)]
    pub lr: Option<f64>,
}

impl FitArgs {
    /// Refuses what has no effect on a fit by `solver`, or where no mixture is fitted.
    ///
    /// # Errors
    /// A usage error that names the flag.
    pub fn check(&self, job: &Job, solver: Option<Solver>) -> Result<()> {
        use Solver::{Em, Gradient, Subspaces};
        let by = |solvers: &[Solver]| solver.is_some_and(|solver| solvers.contains(&solver));
        let iterates = ["--restarts", "--init", "--iterations"];
        job.only(by(&[Em, Gradient, Subspaces]), &iterates, "it is for solvers that iterate")?;
        job.only(by(&[Gradient, Subspaces]), &["--orthogonal"], "it is for --solver subspaces or gradient")?;
        job.only(by(&[Gradient]), &["--weighting"], "it is for --solver gradient")
    }

    /// Settings for components of these ranks, all else as in [`Settings::new`].
    pub fn settings(&self, ranks: Vec<usize>) -> Settings {
        let defaults = Settings::new(ranks);
        Settings {
            orthogonal: self.orthogonal,
            restarts: self.restarts,
            init: self.init,
            weighting: self.weighting,
            iterations: self.iterations,
            lr: self.lr.unwrap_or(defaults.lr),
            ..defaults
        }
    }
}

impl Job {
    /// Warns where the rows contradict what a fit takes for granted, and where noise was
    /// kept from vanishing.
    pub fn warn_of_fit<T: Scalar>(&self, x: ArrayView2<T>, fit: &Fit, settings: &Settings) {
        let found = Assumptions::of(x, &fit.mixture);
        if let Some(contradiction) = found.contradicted(x.nrows(), settings.parts, settings.through_origin())
        {
            self.warn(&contradiction);
        }
        if let Some((components, floor)) = &fit.floored {
            let (count, of) = (components.len(), fit.mixture.components.len());
            self.warn(&format!(
                "{count} of {of} components leave no noise, for which the likelihood has no maximum: theirs is kept at \
                 {floor:.3e}; give a smaller --rank or --components, or leave noise out of --fit"
            ));
        }
    }
}

/// r_k of every component, from `--rank` (one for all, or one each) and `--components`.
///
/// # Errors
/// When the two disagree.
pub fn component_ranks(rank: &[usize], components: Option<usize>) -> Result<Vec<usize>> {
    let count = components.unwrap_or(rank.len());
    ensure!((1..=100_000).contains(&count), "--components {count}: must be 1 to 100000");
    let ranks = match *rank {
        [r] => vec![r; count],
        _ => rank.to_vec(),
    };
    ensure!(
        ranks.len() == count,
        "--rank: {} ranks for --components {count}; give one rank, or one each",
        ranks.len()
    );
    Ok(ranks)
}

/// Rows of one step of streamed moments: fixed, so that the bytes do not depend on how rows arrive.
const MOMENT_ROWS: usize = 2048;

/// Moments of all rows, streamed.
///
/// # Errors
/// The read; d² numbers that do not fit in memory.
pub fn moments<T: Scalar>(rows: Rows) -> Result<Moments> {
    moments_seen::<T>(rows, |_| ())
}

/// The same, where `see` looks at each block.
///
/// # Errors
/// As [`moments`].
pub fn moments_seen<T: Scalar>(mut rows: Rows, mut see: impl FnMut(ArrayView2<T>)) -> Result<Moments> {
    let moments = Moments::new(rows.width());
    let mut moments = moments.with_context(|| rows.name().to_string())?;
    while let Some(block) = rows.next_block::<T>(MOMENT_ROWS)? {
        see(block.view());
        moments.add(block.view());
    }
    Ok(moments)
}

/// The same of rows that are held.
///
/// # Errors
/// d² numbers that do not fit in memory.
pub fn moments_of<T: Scalar>(x: ArrayView2<T>) -> Result<Moments> {
    let mut moments = Moments::new(x.ncols())?;
    x.axis_chunks_iter(Axis(0), MOMENT_ROWS).for_each(|rows| moments.add(rows));
    Ok(moments)
}

impl<T: Scalar> Repeated<T> {
    /// Moments of all rows.
    ///
    /// # Errors
    /// As [`moments`].
    pub fn moments(&self, job: &Job) -> Result<Moments> {
        match self.source(job)? {
            Source::Stream(rows) => moments::<T>(rows),
            _ => moments_of(self.held.view()),
        }
    }
}
