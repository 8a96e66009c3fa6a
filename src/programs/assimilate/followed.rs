//! What becomes of one observed path.

use anyhow::{Result, bail, ensure};
use ndarray::{ArrayView1, ArrayView2, Axis, s};

use super::seen::Truth;
use crate::dynamics::filters::{Belief, Known, Learned, Problem};
use crate::dynamics::{Dynamics, Filter, Observation};
use crate::measure::ensemble::{Distance, of_members, of_normal};

/// How paths are followed, whichever.
pub struct Followed {
    pub dynamics: Dynamics,
    pub observation: Observation,
    pub filter: Filter,
    pub learned: Option<Learned>,
    /// Whether the first states are known.
    pub known_first: bool,
    /// The last step whose observation is used.
    pub until: usize,
    /// Particles, or members of the ensemble.
    pub members: usize,
    /// The paths that were seen, from the first row of work on.
    pub truth: Option<Truth>,
}

/// What is believed of one state.
pub struct Step {
    pub mean: Vec<f64>,
    pub deviation: Vec<f64>,
    /// 1/Σw² of particles.
    pub effective: Option<f64>,
    /// How far members of flowdas went on their way there, over how far they go of themselves.
    pub farthest: f64,
    /// Means over coordinates.
    /// How far y was from what was foreseen: see [`Known`].
    pub surprise: Option<f64>,
    /// The same of y and the truth: [`Observation::misfit`].
    pub misfit: Option<f64>,
    pub squared_error: Option<f64>,
    pub distance: Option<Distance>,
}

impl Followed {
    /// The states of the path with this number, of which `first` is the first row of work.
    ///
    /// # Errors
    /// Those of the filter; no such path among the truth.
    pub fn steps(&self, y: ArrayView1<f64>, row: u64, first: u64, seed: u64) -> Result<Vec<Step>> {
        let (d, m) = (self.dynamics.dim(), self.observation.count());
        let truth = match &self.truth {
            Some(Truth { name, paths }) if row - first >= paths.nrows() as u64 => bail!(
                "{name}: {} paths, and observations go on; give the paths that were seen, all of them",
                paths.nrows()
            ),
            Some(Truth { paths, .. }) => Some(paths.row((row - first) as usize)),
            None => None,
        };
        let y = y.to_shape((y.len() / m, m))?;
        self.check(y.view())?;
        let first_known = truth.filter(|_| self.known_first).map(|all| Dynamics {
            start: all.slice(s![..d]).to_vec(),
            start_std: vec![0.0; d],
            burn_in: 0,
            ..self.dynamics.clone()
        });
        let problem = Problem {
            dynamics: first_known.as_ref().unwrap_or(&self.dynamics),
            observation: &self.observation,
            learned: self.learned.as_ref(),
            y: y.view(),
            until: self.until,
            seed,
            row,
        };
        let mut steps = Vec::with_capacity(y.nrows());
        problem.follow(self.filter, self.members, |k, Known { belief, surprise }| {
            let x = truth.as_ref().map(|all| all.slice(s![k * d..(k + 1) * d]));
            let mut step = Step { surprise, ..Step::of(belief, x) };
            step.misfit = x.map(|x| self.observation.misfit(x.insert_axis(Axis(1)), y.row(k)));
            ensure!(
                step.mean.iter().chain(&step.deviation).all(|x| x.is_finite()),
                "step {k}: the numbers are too large: give observations in another unit, and, where the scheme's steps are \
                 too long, a smaller --dt or more --substeps"
            );
            // Members of an ensemble weigh the same whatever is seen.
            step.effective = belief.effective().filter(|_| self.filter == Filter::Particle && k <= self.until);
            steps.push(step);
            Ok(())
        })?;
        Ok(steps)
    }

    /// Refuses observations that tell nothing.
    fn check(&self, y: ArrayView2<f64>) -> Result<()> {
        let used = y.outer_iter().take(self.until + 1).enumerate();
        for (k, y) in used {
            if let Some(y) = y.iter().find(|y| !y.is_finite()) {
                let forecast = if k > 0 { ", or forecast from before it on with --until" } else { "" };
                bail!(
                    "step {k}: an observation is {y}, of which no filter knows what it says; leave its path out{forecast}"
                );
            }
        }
        Ok(())
    }

    /// Refuses a truth of more paths than were seen.
    ///
    /// # Errors
    /// How many there are.
    pub fn held(&self, seen: u64) -> Result<()> {
        let Some(Truth { name, paths }) = &self.truth else { return Ok(()) };
        let paths = paths.nrows() as u64;
        ensure!(paths == seen, "{name}: {paths} paths, of which {seen} were seen; give those that were");
        Ok(())
    }
}

impl Step {
    fn of(belief: &Belief, truth: Option<ArrayView1<f64>>) -> Step {
        let (mean, variance) = belief.moments();
        let deviation = variance.iter().map(|v| v.sqrt()).collect();
        let farthest = if let Belief::Ensemble { farthest, .. } = belief { *farthest } else { 0.0 };
        let mut step = Step {
            mean,
            deviation,
            effective: None,
            farthest,
            surprise: None,
            misfit: None,
            squared_error: None,
            distance: None,
        };
        let Some(truth) = truth else { return step };
        let share = 1.0 / truth.len() as f64;
        let mut sum = Distance { crps: 0.0, wasserstein: 0.0 };
        for (i, x) in truth.iter().enumerate() {
            let far = match belief {
                Belief::Ensemble { states, weights, .. } => {
                    of_members(states.row(i).iter().copied(), weights, *x)
                }
                Belief::Normal { .. } => of_normal(step.mean[i], step.deviation[i], *x),
            };
            sum.crps += share * far.crps;
            sum.wasserstein += share * far.wasserstein;
        }
        let off = step.mean.iter().zip(truth).map(|(mean, x)| (mean - x) * (mean - x));
        step.squared_error = Some(off.sum::<f64>() * share);
        step.distance = Some(sum);
        step
    }
}
