//! restore: items from measurements of them, with a model as the prior.

mod doubts;
mod method;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::Array2;

use doubts::{Misfit, Surprise};
use method::{Method, MethodArgs};

use crate::cli::{Job, OperatorArgs, Program, SamplerArgs, Source, Taken};
use crate::denoiser::{Denoiser, Model, Widened};
use crate::flow::at_once;
use crate::inverse::{Operator, Posterior, Problem, dcdp, ddnm, dps, pigdm};
use crate::linalg::cast;
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows, items_suit};
use crate::with_dtype;

/// Restore items from measurements y = A x + s·ε of them, a row each, with a model as the prior.
///
/// exact draws from the posterior of a mixture, or with --mean gives its mean, the least mean square error that any
/// estimate has; the others take any model. dps (arXiv 2209.14687) and ddnm (2212.00490) take ancestral steps down the noise
/// levels, pigdm (ICLR 2023) is a flow by any --solver, and dcdp (2403.06054) takes turns of descent and of purification.
/// dps and pigdm take the model's Jacobian. --steps and the other flags of the sampler mean what they mean in pf-sample;
/// dps, which is not exact however many steps there are, wants hundreds, but its --step-size knows neither their number nor the
/// noise: where the noise is large, more steps fit the noise, unless --step-size is smaller for them; ddnm leaves noise of the size of --sigma-min, so that a
/// smaller noise of measurements wants a smaller one. --solver exact is for dcdp alone: a guided flow has no closed form.
///
/// What is drawn for row i depends on the seed and i alone, and is other than what molrg-gen, pf-sample and measure draw from
/// the same seed. Methods compute in f64, the model in --dtype.
///
/// Memory: the model, the operator (of a matrix (m, d) its factors, too) and a few blocks of rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 64 -r 3 -k 2 -n 50 --shape 8,8 --truth truth.st -o clean.npy && measure clean.npy --operator downsample:2 --noise-std 0.05 -o seen.npy && restore truth.st seen.npy --operator downsample:2 --noise-std 0.05 --method pigdm | image-quality - clean.npy --data-range=-3,3 --no-ssim
  $ molrg-gen -d 64 -r 3 -k 2 -n 50 --shape 8,8 --truth truth.st | measure --operator blur:1 --noise-std 0.05 | restore truth.st - --operator blur:1 --noise-std 0.05 --method exact --mean | npy info -")]
pub struct Arguments {
    /// The model: a file, or exec:COMMAND for a program that is one
    #[arg(value_name = "MODEL")]
    model: OsString,
    /// What measure wrote, with the same operator and noise (default: standard input)
    #[arg(value_name = "MEASUREMENTS")]
    measurements: Option<OsString>,
    #[command(flatten)]
    measured: OperatorArgs,
    #[command(flatten)]
    by: MethodArgs,
    #[command(flatten)]
    sampler: SamplerArgs,
    /// Write the work done there: rows, evaluations of the model, products with its Jacobian
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.measured.check(job)?;
        self.by.check(job, self.measured.noise_std)?;
        job.numbered(self.by.draws(), "--method", "what is drawn belongs to rows by their number")?;
        let inputs = [Some(self.model.as_os_str()), self.measurements.as_deref()];
        let file = self.measured.file().map(Some);
        job.wait_for_stdin(&inputs.into_iter().chain(file).collect::<Vec<_>>())?;
        let model = job.model(Some(&self.model))?;
        job.class_is_for([&model])?;
        let name = self.model.to_string_lossy();
        let operator = self.measured.open(job, &name, &model.item_shape)?;
        let rows = job.rows(self.measurements.as_deref())?;
        self.measured.fits(&operator, &rows)?;
        items_suit((rows.name(), rows.item_shape()), ("what the operator makes", operator.shape()))?;
        with_dtype!(job.dtype(&[model.dtype, rows.dtype()]), T => match self.by.method {
            Method::Exact => self.exact::<T>(job, model, &operator, rows),
            Method::PseudoInverse => {
                self.directly::<T>(job, &model.item_shape, rows, |_, y| operator.pseudo_inverse(y.view()))
            }
            _ => self.restore::<T>(job, model, &operator, rows),
        })
    }
}

impl Arguments {
    /// What the posterior of a mixture says.
    fn exact<T: Scalar>(&self, job: &Job, model: Model, operator: &Operator, rows: Rows) -> Result<()> {
        let shape = model.item_shape.clone();
        let mixture = model.into_mixture(&self.model.to_string_lossy())?;
        let posterior = Posterior::new(mixture, operator, self.measured.noise_std)?;
        let (seed, surprise, begin) = (job.shared.seed, Surprise::default(), job.shared.rows.start);
        self.directly::<T>(job, &shape, rows, |first, y| {
            let given = posterior.given(y.view())?;
            surprise.see(&given, first - begin);
            if self.by.mean { given.mean() } else { given.sample(first, seed) }
        })?;
        surprise.tell(job, &self.measured, operator.count());
        Ok(())
    }

    /// What becomes of measurements, row 0 having the number that is given, without a model's answers.
    fn directly<T: Scalar>(
        &self,
        job: &Job,
        shape: &[usize],
        rows: Rows,
        of: impl Fn(u64, Array2<f64>) -> Result<Array2<f64>> + Sync,
    ) -> Result<()> {
        let output = job.array::<T>(rows.len(), shape)?;
        let most = block_rows(shape.iter().product());
        job.fill(Source::Stream(rows), most, "estimates", vec![output], |block| {
            let first = block.rows.start;
            let y = cast::<T, f64>(block.first().unwrap_or_default().view());
            Ok(vec![cast(of(first, y)?.view())])
        })
    }

    /// What a method makes of any model.
    fn restore<T: Scalar>(&self, job: &Job, model: Model, operator: &Operator, rows: Rows) -> Result<()> {
        self.by.needs(&model, &self.model.to_string_lossy())?;
        let plan = self.sampler.plan(job)?;
        self.by.solves(&plan)?;
        job.warn_of_flow(&model, &self.by.levels(&plan));
        if self.by.method != Method::Dcdp {
            job.warn_of_start(&model, &plan.sigmas);
        }
        let measured = Taken::Samples(0.0, "measurements of items in the unit of the model's data".into());
        let seen = job.meet("estimates".into(), &model, measured);
        let mut output = job.array::<T>(rows.len(), &model.item_shape)?.seen_by(seen);
        let report = self.report.as_deref();
        let report =
            report.map(|path| job.side_table(path, &["rows", "evaluations", "derivatives"])).transpose()?;
        let model = Widened::<T>::new(model.into_differentiable()?);
        let most = at_once(&model, rows.len().unwrap_or(usize::MAX), model.dim());
        let (mut count, mut all) = (0, Misfit::new());
        let work = |first: u64, y: Array2<T>| {
            let y = cast::<T, f64>(y.view());
            let (noise_std, seed) = (self.measured.noise_std, job.shared.seed);
            let problem = Problem { operator, y: y.view(), noise_std, first, seed };
            let x = match self.by.method {
                Method::Dps => dps::restore(&problem, &model, &plan.sigmas, self.by.step_size)?,
                Method::Ddnm => ddnm::restore(&problem, &model, &plan.sigmas)?,
                Method::Dcdp => dcdp::restore(&problem, &model, &self.by.dcdp(&plan))?,
                // The others ask no model.
                Method::Pigdm | Method::Exact | Method::PseudoInverse => {
                    pigdm::restore(&problem, &model, &plan, self.by.data_std)?
                }
            };
            let misfit = Misfit::of(operator, x.view(), y.view());
            let x = cast::<f64, T>(x.view());
            job.finite(x.view(), first)?;
            Ok((x, misfit))
        };
        job.each_block(
            Source::Stream(rows),
            most,
            "estimates",
            |block| work(block.rows.start, block.first().unwrap_or_default()),
            |rows, (x, misfit)| {
                count += rows.end - rows.start;
                all.add(&misfit);
                output.write(x.view())
            },
        )?;
        all.tell(job, self.by.method, self.measured.noise_std);
        if let Some(mut report) = report {
            report.row(&[count.into(), model.evaluations().into(), model.derivatives().into()])?;
            report.finish()?;
        }
        output.finish()
    }
}
