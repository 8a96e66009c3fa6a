//! What every task does with the rows.

use anyhow::{Result, anyhow, ensure};

use super::Arguments;
use super::calibration;
use super::generators::train_generator;
use super::report::{REPORT, report_exact, write_report};
use super::task::Task;
use crate::cli::{Checkpoints, Job, NETWORK_REPORT, Repeated, Samples, moments, usage};
use crate::denoiser::Model;
use crate::denoiser::local::Local;
use crate::denoiser::model::{Generative, Kind as ModelKind, Points};
use crate::fit::fit_mixture;
use crate::generator::linear_vae;
use crate::network::architecture::image;
use crate::scalar::Scalar;
use crate::stream::tensors::Values;
use crate::stream::{Rows, image_text};

impl Arguments {
    /// The model that the flags ask for, of these rows.
    pub(super) fn fit<T: Scalar>(
        &self,
        job: &Job,
        mut rows: Rows,
        task: Task,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<Model> {
        let item_shape = rows.item_shape().to_vec();
        let name = rows.name().to_string();
        let context = |e: anyhow::Error| anyhow!("{name}: {e:#}");
        let columns = match self.kind.network() {
            Some(_) => NETWORK_REPORT,
            None if self.calibration.calibrate.is_some() => calibration::REPORT,
            None => REPORT,
        };
        let report = self.report.as_deref().map(|p| job.side_table(p, columns)).transpose()?;
        let kind = match task {
            Task::Mixture(settings) => {
                let x = rows.read_all::<T>()?;
                let fit = fit_mixture(x.view(), &settings).map_err(context)?;
                if !fit.converged {
                    job.warn("the fit did not come to rest; give more --iterations (see --report)");
                }
                job.warn_of_fit(x.view(), &fit, &settings);
                if let Some(report) = report {
                    write_report(report, &fit)?;
                }
                ModelKind::Molrg(fit.mixture)
            }
            Task::Gaussian(rank) => {
                let gaussian = moments::<T>(rows)?.gaussian(rank).map_err(context)?;
                report_exact(report)?;
                ModelKind::Molrg(gaussian)
            }
            Task::LinearVae(latent) => {
                let fit = linear_vae::fit(moments::<T>(rows)?, latent, job.shared.seed);
                let (decoder, parameters) = fit.map_err(context)?;
                report_exact(report)?;
                let parameters = Values::new(parameters.into_iter().map(T::of).collect());
                ModelKind::Generator(Generative { name: "linear-vae", decoder, parameters })
            }
            Task::Generator(game, latent) => {
                let x = rows.read_all::<T>()?;
                let (lr, seed) = (self.mixture.how.lr, job.shared.seed);
                let settings = self.training.generator(game, latent, x.ncols(), lr, seed)?;
                ModelKind::Generator(train_generator(job, &x, game, &settings).map_err(context)?)
            }
            Task::Constructed(construction) => {
                let x = rows.read_all::<T>()?;
                let labels =
                    self.labels.as_deref().map(|labels| job.labels(labels, x.nrows())).transpose()?;
                let network = construction.network(job, x.view(), labels.as_deref()).map_err(context)?;
                ModelKind::Network(Box::new(network))
            }
            Task::Network(architecture, settings) => {
                let x = rows.read_all::<T>()?;
                let labels =
                    self.labels.as_deref().map(|labels| job.labels(labels, x.nrows())).transpose()?;
                let drop = self.training.drop_label()?;
                let seen = settings.batch.rows(x.nrows()) as f64 * settings.steps as f64;
                let labels = labels.map(|labels| job.to_learn(labels, drop, seen)).transpose()?;
                let conditions = self.condition.as_deref().map(|name| job.conditions(name, Some(x.nrows())));
                let conditions = conditions.transpose()?;
                let samples = Samples { name, item_shape, rows: x, labels, conditions };
                return self.training.train(job, architecture, &settings, samples, checkpoints, report);
            }
            Task::Empirical => {
                let x = rows.read_all::<T>()?;
                ensure!(x.nrows() > 0, "{name}: no rows to fit; give samples");
                report_exact(report)?;
                ModelKind::Empirical(Points::new(x))
            }
            Task::RandomFeatures(settings) => {
                let rows = Repeated::<T>::new(job, self.samples.as_deref(), rows)?;
                report_exact(report)?;
                ModelKind::RandomFeatures(Box::new(settings.fit(job, &rows).map_err(context)?))
            }
            Task::Local(settings, levels) => {
                let image = image(&item_shape).map_err(context)?;
                settings.check_size(image[0], image[1]).map_err(|e| usage(anyhow!("--{e}")))?;
                let x = rows.read_all::<T>()?;
                ensure!(x.nrows() > 0, "{name}: no rows to fit; give samples");
                let settings = self.calibration.settle(job, settings, levels, &item_shape, &x, report)?;
                job.note(&format!("a machine of {} images of {}", x.nrows(), image_text(&item_shape)));
                ModelKind::Local(Local::new(settings, image, x).map_err(context)?)
            }
            Task::PcaLocal(threshold) => {
                let x = rows.read_all::<T>()?;
                ensure!(
                    x.nrows() > 1,
                    "{name}: {} rows, of which there is no covariance; give samples",
                    x.nrows()
                );
                report_exact(report)?;
                ModelKind::PcaLocal(Points::new(x), threshold)
            }
        };
        Ok(Model::new(kind, item_shape, T::DTYPE))
    }
}
