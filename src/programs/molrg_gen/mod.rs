//! molrg-gen: draw from a mixture of low-rank Gaussians.

mod labels;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;

use labels::Labels;

use crate::blocks::room;
use crate::cli::{Job, Numbers, Program, Source, component_ranks, parse_list, usage};
use crate::denoiser::Model;
use crate::mixture::{Design, Mixture, NoiseIn, Sampler, Spectrum};
use crate::scalar::{Dtype, Scalar};
use crate::stream::block_rows;
use crate::with_dtype;

/// Draw samples from a mixture of low-rank Gaussians.
///
/// Component k is N(μ_k, U_k diag(λ) U_kᵀ + δ² I), or with --noise-in union N(μ_k, U_k diag(λ) U_kᵀ + δ² Σ_{l≠k} U_l U_lᵀ).
/// Row i depends only on the seed and i: more
/// samples, other threads, shards (--rows) or a later start (--skip) give the same rows.
///
/// Memory: a few blocks of rows and the bases, whatever N is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 1000 --seed 1 --truth truth.st | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 1200 | dae-fit --kind molrg -r 6 -k 2 | pf-sample -n 100 | npy info -")]
pub struct Arguments {
    /// Dimension of the data
    #[arg(short, long, value_name = "d")]
    dim: Option<usize>,
    /// Rank of every component, or a list of one rank each
    #[arg(short, long, value_name = "r", value_delimiter = ',')]
    rank: Vec<usize>,
    /// Number of components (default: as many as ranks)
    #[arg(short = 'k', long, value_name = "K")]
    components: Option<usize>,
    /// Number of samples
    #[arg(short = 'n', long, value_name = "N")]
    samples: usize,
    /// Share of each component (default: equal; normalized)
    #[arg(long, value_name = "W1,…,WK", value_parser = parse_list, allow_hyphen_values = true)]
    weights: Option<Numbers>,
    /// Row i comes from component i mod K instead of a random one
    #[arg(long, conflicts_with = "weights")]
    balanced: bool,
    /// Variances within a component: flat, linear:LO, geometric:Q, power:A or a list
    #[arg(long, value_name = "SPECTRUM", default_value = "flat", allow_hyphen_values = true)]
    spectrum: Spectrum,
    /// Standard deviation of noise
    #[arg(long, value_name = "DELTA", default_value_t = 0.0)]
    noise_std: f64,
    /// Where noise is: in the whole space, on and off the subspace, or in the union of the other components' subspaces
    /// alone, which components then span, too
    #[arg(long, value_enum, default_value = "space")]
    noise_in: NoiseIn,
    /// Principal angle between consecutive subspaces; 90 makes all mutually orthogonal
    #[arg(long, value_name = "DEG", default_value_t = 90.0)]
    angle: f64,
    /// Norm of the components' means, in random directions
    #[arg(long, value_name = "M", default_value_t = 0.0)]
    mean_norm: f64,
    /// Draw from this mixture instead of a new one; with the seed of the samples that were drawn with it, these
    /// come again (other rows: another --seed, or --skip)
    #[arg(long, value_name = "MODEL",
          conflicts_with_all = ["dim", "rank", "components", "weights", "spectrum", "noise_std", "noise_in", "angle", "mean_norm"])]
    from: Option<OsString>,
    /// Write the component of each row there: a table, or an array if the name ends in .npy
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write the mixture there, as a model: the teacher
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Start at row S, so that test data follow training data
    #[arg(long, value_name = "S", default_value_t = 0)]
    skip: u64,
}

impl Arguments {
    fn design(&self) -> Result<Design> {
        let Some(dim) = self.dim else { bail!("--dim: give the dimension of the data (or --from MODEL)") };
        ensure!(!self.rank.is_empty(), "--rank: give the rank of the components (or --from MODEL)");
        let ranks = component_ranks(&self.rank, self.components)?;
        let weights = self.weights.as_ref().map_or(vec![1.0; ranks.len()], |w| w.0.clone());
        let design = Design {
            dim,
            ranks,
            weights,
            spectrum: self.spectrum.clone(),
            noise_std: self.noise_std,
            noise_in: self.noise_in,
            angle: self.angle,
            mean_norm: self.mean_norm,
        };
        design.check()?;
        Ok(design)
    }

    /// The mixture to draw from, the shape of its items and its number type.
    fn mixture(&self, job: &Job) -> Result<(Mixture, Vec<usize>, Dtype)> {
        let (mixture, shape, dtype) = match &self.from {
            Some(name) => {
                let model = job.model_file(Some(name))?;
                let (shape, dtype) = (model.item_shape.clone(), model.dtype);
                (model.into_mixture(&name.to_string_lossy())?, shape, dtype)
            }
            None => {
                let design = self.design().map_err(usage)?;
                let dim = design.dim;
                // The directions drawn and made orthonormal, the bases, and rows of a few blocks.
                let total = design.ranks.iter().sum::<usize>();
                let spanned = if self.noise_in == NoiseIn::Union { design.ranks.len() } else { 0 };
                let vectors = (4 + spanned).saturating_mul(total) + 8 * rayon::current_num_threads();
                room(&[dim, vectors], "--dim, --rank and --components")?;
                let mixture = design.plant(job.shared.seed).map_err(usage)?;
                (mixture, vec![dim], Dtype::F32)
            }
        };
        let given = job.shared.shape.as_ref().map_or(&shape, |s| &s.0);
        if shape.len() > 1 && *given != shape {
            return Err(usage(anyhow!(
                "--shape: the items of --from have shape {shape:?}, which it does not change; leave it out"
            )));
        }
        let shape = given.clone();
        if shape.iter().product::<usize>() != mixture.dim() {
            return Err(usage(anyhow!(
                "--shape: {shape:?} holds {} numbers, but --dim is {}",
                shape.iter().product::<usize>(),
                mixture.dim()
            )));
        }
        Ok((mixture, shape, job.dtype(&[dtype])))
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if self.skip.checked_add(self.samples as u64).is_none() {
            return Err(usage(anyhow!("--skip {}: no rows are numbered so high", self.skip)));
        }
        job.only(self.noise_std > 0.0, &["--noise-in"], "there is no noise; give --noise-std")?;
        let (mixture, shape, dtype) = self.mixture(job)?;
        let one = "there is one component";
        job.only(self.from.is_some() || mixture.components.len() > 1, &["--angle", "--weights"], one)?;
        let empty = "one component has no other's directions for noise; leave it out for noise in all";
        job.only(mixture.components.len() > 1 || self.noise_in == NoiseIn::Space, &["--noise-in"], empty)?;
        with_dtype!(dtype, T => self.generate::<T>(job, mixture, shape))
    }
}

impl Arguments {
    fn generate<T: Scalar>(&self, job: &Job, mixture: Mixture, shape: Vec<usize>) -> Result<()> {
        let rows = job.selected(self.samples);
        let count = (rows.end - rows.start) as usize;
        let mut out = job.array::<T>(Some(count), &shape)?;
        let mut labels = self.labels.as_deref().map(|path| Labels::open(job, path, count)).transpose()?;
        let truth = self.truth.as_deref().map(|path| job.side_output(path)).transpose()?;
        let sampler = Sampler::<T>::new(&mixture, job.shared.seed, self.balanced);
        // It is there before the first sample is, for programs further down the pipe.
        if let Some(mut file) = truth {
            Model::molrg(mixture, shape.clone(), T::DTYPE).write(&mut file)?;
            file.finish()?;
            job.release()?;
        }
        let most = block_rows(shape.iter().product()).min(1024);
        job.each_block::<T, _>(
            Source::Numbers(rows.start + self.skip..rows.end + self.skip),
            most,
            "samples",
            |block| Ok(sampler.draw(block.rows)),
            |rows, (x, components)| {
                out.write(x.view())?;
                labels.as_mut().map_or(Ok(()), |labels| labels.write(rows, &components))
            },
        )?;
        if let Some(labels) = labels {
            labels.finish()?;
        }
        out.finish()
    }
}
