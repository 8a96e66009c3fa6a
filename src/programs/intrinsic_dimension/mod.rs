//! intrinsic-dimension: in how many dimensions samples or a model's density lie.

mod model;
mod samples;

use std::ffi::OsString;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use crate::cli::{JacobianArgs, Job, Program, Taken, TimedLevelArgs, count, usage};
use crate::with_dtype;

/// Estimate the intrinsic dimension of samples, or of a model's density.
///
/// Of SAMPLES, by their nearest others: nearest is the maximum likelihood of Levina and Bickel with the k nearest,
/// inverses averaged (MacKay and Ghahramani), two-nearest that of Facco et al. (arXiv 1803.06992) by the ratio of the
/// second and the first distance, fitted to the smaller nine tenths. components is the participation ratio
/// (Σ λ)²/Σ λ² of the covariance's eigenvalues: of the flat subspace that samples spread in, not of a curved manifold
/// in it. For the first two a row that is there several times is taken once, and a warning counts the others. Where N rows
/// are too few for the dimension found, twice as many neighbours say something else, or rows say more different things to either than in one
/// dimension, as where manifolds of 2 and of 10 are together, a warning has the numbers.
///
/// With --model, about SAMPLES without noise, which pf-sample may draw from it, at each noise level: jacobian is the
/// number of singular values of its Jacobian above ½, directions in which data spread more than noise; density is
/// d + ∂ ln p_σ/∂ ln σ = tr J + ‖x − D‖²/σ² (FLIPD, arXiv 2406.03537; LIDL, arXiv 2206.14882); normals is d less the
/// number of directions that 4d scores about x + σ·ε span, up to their largest drop (normal bundle, arXiv 2212.12611).
/// They are means over the samples, and mean something where σ is less than the manifold bends and more than what is
/// about it.
///
/// std_error of nearest counts that neighbours say alike (within a quarter of the deviation of repeated draws; two thirds of
/// it where the k are a tenth of the rows, or more, and densities have tails), that of two-nearest is from up to 20 parts
/// of the rows, as of entropy (empty where they are too few), that of components by the delta method (too large where all
/// eigenvalues are alike), that of a model from its samples. Rows are taken to be independent, and no bias is in it.
///
/// Memory: the samples, for nearest a number a row (of thousands of wide rows 197 more), and for components two d × d matrices; of a model, the model, and
/// without a closed form, or for normals, some d × d matrices for each thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 4 -n 3000 | intrinsic-dimension --method nearest,two-nearest,components
  $ molrg-gen -d 48 -r 4 -k 2 -n 40 --truth truth.st | intrinsic-dimension --model truth.st --sigma 0.05,0.5")]
pub struct Arguments {
    /// Samples (default: standard input)
    #[arg(value_name = "SAMPLES")]
    samples: Option<OsString>,
    /// How (default: all of SAMPLES, or with --model all of a model)
    #[arg(long, value_enum, value_delimiter = ',')]
    method: Vec<Method>,
    /// Number of nearest others for nearest
    #[arg(long, value_name = "k", default_value_t = 10, value_parser = count(2..=1000_u32))]
    neighbours: u32,
    /// Of this model instead, about the samples: a file, or exec:COMMAND for a program that is one
    #[arg(long, value_name = "M")]
    model: Option<OsString>,
    #[command(flatten)]
    levels: TimedLevelArgs,
    #[command(flatten)]
    jacobian: JacobianArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Of samples: distances to the k nearest
    Nearest,
    /// Of samples: distances to the two nearest
    TwoNearest,
    /// Of samples: eigenvalues of their covariance
    Components,
    /// Of a model: rank of its Jacobian
    Jacobian,
    /// Of a model: slope of its log-density over ln σ
    Density,
    /// Of a model: directions in which its scores point
    Normals,
}

const OF_SAMPLES: [Method; 3] = [Method::Nearest, Method::TwoNearest, Method::Components];
const OF_MODELS: [Method; 3] = [Method::Jacobian, Method::Density, Method::Normals];

impl Method {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }
}

impl Arguments {
    fn methods(&self) -> Result<Vec<Method>> {
        let (all, of) = match &self.model {
            Some(_) => (OF_MODELS, "samples; leave --model out for it"),
            None => (OF_SAMPLES, "a model; give --model"),
        };
        if let Some(other) = self.method.iter().find(|method| !all.contains(method)) {
            return Err(usage(anyhow!("--method {}: is for {of}", other.name())));
        }
        if self.method.is_empty() {
            return Ok(all.to_vec());
        }
        // Once each, in the order given.
        let first = |i: &usize| !self.method[..*i].contains(&self.method[*i]);
        Ok((0..self.method.len()).filter(first).map(|i| self.method[i]).collect())
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let methods = self.methods()?;
        let nearest = methods.contains(&Method::Nearest);
        job.only(nearest, &["--neighbours"], "it is for --method nearest")?;
        let takes = ["--workers", "--class", "--edit", "--jacobian"];
        job.only(self.model.is_some(), &takes, "it is for a --model")?;
        let formed = methods.contains(&Method::Jacobian) || methods.contains(&Method::Density);
        job.only(formed, &["--jacobian"], "no Jacobian is taken")?;
        job.only(methods.contains(&Method::Normals), &["--seed"], "nothing is drawn")?;
        let Some(name) = &self.model else {
            let levels = ["--sigma", "--snr", "--time", "--levels", "--schedule"];
            job.only(false, &levels, "it is for a --model")?;
            job.wait_for_stdin(&[self.samples.as_deref()])?;
            let rows = job.rows(self.samples.as_deref())?;
            return with_dtype!(job.dtype(&[rows.dtype()]), T => self.of_samples::<T>(job, &methods, rows));
        };
        let sigmas = self.levels.sigmas(job)?;
        job.numbered(
            methods.contains(&Method::Normals),
            "--method normals",
            "noise belongs to rows by number",
        )?;
        job.wait_for_stdin(&[Some(name), self.samples.as_deref()])?;
        let model = job.model(Some(name))?;
        job.class_is_for([&model])?;
        let rows = job.points(self.samples.as_deref(), &model, name, Taken::Data)?;
        job.warn_of_levels(&model, &sigmas);
        let dtype = job.dtype(&[model.dtype, rows.dtype()]);
        with_dtype!(dtype, T => self.of_model::<T>(job, &methods, &sigmas, model, rows))
    }
}
