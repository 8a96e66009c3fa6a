//! The flags of mixtures.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::kind::Kind;
use crate::cli::{FitArgs, component_ranks};
use crate::fit::{Parts, Settings, Solver};

#[derive(clap::Args)]
#[command(next_help_heading = "Mixture")]
pub struct MixtureArgs {
    /// Rank of every component, or a list of one rank each (gaussian: eigenvalues to keep, default all;
    /// what the others hold is spread evenly as noise)
    #[arg(short, long, value_name = "r", value_delimiter = ',')]
    pub rank: Vec<usize>,
    /// Number of components (default: as many as ranks)
    #[arg(short = 'k', long, value_name = "K")]
    components: Option<usize>,
    /// How (default: pca for one component, subspaces for several)
    #[arg(long, value_enum)]
    pub solver: Option<How>,
    /// What to fit besides the bases: means, variances, weights, noise
    /// (default: none, that is zero means, unit variances, equal weights, no noise)
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    fit: Vec<Part>,
    #[command(flatten)]
    pub how: FitArgs,
}

/// Solvers of mixtures, and networks that are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Leading principal directions (one component)
    Pca,
    /// K-subspaces: assign every row to its nearest subspace, refit, repeat
    Subspaces,
    /// Expectation maximization of a mixture of probabilistic PCA
    Em,
    /// Adam on the denoising loss over orthonormal bases, with QR retraction
    Gradient,
    /// two-layer: the network that stores every row in a unit
    Memorizing,
    /// two-layer: the network whose units hold the leading directions of every cluster of --labels
    Blocks,
}

impl How {
    /// That of a mixture.
    fn solver(self) -> Option<Solver> {
        match self {
            How::Pca => Some(Solver::Pca),
            How::Subspaces => Some(Solver::Subspaces),
            How::Em => Some(Solver::Em),
            How::Gradient => Some(Solver::Gradient),
            How::Memorizing | How::Blocks => None,
        }
    }

    fn is_of_mixtures(self) -> bool {
        self.solver().is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Means,
    Variances,
    Weights,
    Noise,
}

impl MixtureArgs {
    /// Refuses flags that have no meaning for the other kinds.
    pub fn check_unused(&self, kind: Kind) -> Result<()> {
        ensure!(
            self.solver.is_none_or(|how| how.is_of_mixtures() || kind == Kind::TwoLayer),
            "--solver: memorizing and blocks are for --kind two-layer; leave it out"
        );
        let has_rank = kind.has_rank() || self.solver == Some(How::Blocks);
        let unused = [
            ("--components", self.components.is_some()),
            ("--solver", self.solver.is_some_and(How::is_of_mixtures)),
            ("--orthogonal", self.how.orthogonal),
            ("--fit", !self.fit.is_empty()),
            ("--rank", !has_rank && !self.rank.is_empty()),
        ];
        for (flag, given) in unused {
            let what = if flag == "--rank" {
                "molrg, gaussian, linear-vae, vae and gan, and --solver blocks"
            } else {
                "molrg"
            };
            ensure!(!given, "{flag}: is for --kind {what}; leave it out");
        }
        Ok(())
    }

    pub fn settings(&self, seed: u64) -> Result<Settings> {
        ensure!(!self.rank.is_empty(), "--rank: --kind molrg needs the rank of its components");
        let has = |part| self.fit.contains(&part);
        let defaults = self.how.settings(component_ranks(&self.rank, self.components)?);
        let settings = Settings {
            solver: match self.solver {
                None => defaults.solver,
                Some(how) => {
                    how.solver().context("--solver: memorizing and blocks are for --kind two-layer")?
                }
            },
            parts: Parts {
                means: has(Part::Means),
                variances: has(Part::Variances),
                weights: has(Part::Weights),
                noise: has(Part::Noise),
            },
            seed,
            ..defaults
        };
        settings.check()?;
        ensure!(
            !(settings.parts.means && settings.through_origin()),
            "--fit means: gradient and --orthogonal fit subspaces through the origin; leave out means or use \
             subspaces or em without --orthogonal"
        );
        Ok(settings)
    }
}
