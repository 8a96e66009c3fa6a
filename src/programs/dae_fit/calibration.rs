//! Patches of a local machine that agree best with a network.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use ndarray::Array2;

use super::report::report_exact;
use crate::cli::{Job, Taken};
use crate::denoiser::LocalDenoiser;
use crate::denoiser::local::{Dictionary, Local, Machine, Settings};
use crate::flow::{Plan, Solver};
use crate::measure::locality::Along;
use crate::network::architecture::image;
use crate::scalar::Scalar;
use crate::stream::{Table, models_suit};

pub const REPORT: &[&str] = &["sigma", "patch", "cosine", "chosen"];

/// A level at which no size of patches differs from another by more than this says nothing of them.
const TOLD_APART: f64 = 1e-3;

#[derive(clap::Args)]
#[command(next_help_heading = "Local machines")]
pub struct CalibrationArgs {
    /// Take at every level of --levels the patches with which the machine agrees best with this model along its flow
    /// by Euler's method: by the median cosine of D over the points of --latents. Of sizes that agree as well to all
    /// digits it is the smallest
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["patch", "patch_levels"])]
    pub calibrate: Option<OsString>,
    /// Latents of --calibrate (default: 5)
    #[arg(long, value_name = "N", value_parser = crate::cli::count(1..=10_000_u32))]
    pub latents: Option<u32>,
}

impl CalibrationArgs {
    /// The machine's settings with its patches, for images of this shape.
    pub fn settle<T: Scalar>(
        &self,
        job: &Job,
        settings: Settings,
        mut levels: Vec<f64>,
        item_shape: &[usize],
        x: &Array2<T>,
        report: Option<Table>,
    ) -> Result<Settings> {
        let Some(name) = self.calibrate.as_deref() else {
            report_exact(report)?;
            return Ok(settings);
        };
        let model = job.model(Some(name))?;
        ensure!(
            model.dim() == x.ncols(),
            "--calibrate {}: is of dimension {}, and the images of {}; give a model of the same images",
            name.display(),
            model.dim(),
            x.ncols()
        );
        levels.sort_by(|a, b| b.total_cmp(a));
        models_suit(("the images", item_shape), (&name.to_string_lossy(), &model.item_shape))?;
        job.warn_of_flow(&model, &levels);
        if let Some(seen) = job.meet("the images".into(), &model, Taken::Data) {
            seen.see(x.view());
        }
        job.warn_of_start(&model, &levels);
        let plan = Plan { sigmas: levels.clone(), solver: Solver::Euler, churn: None, rtol: 0.0, atol: 0.0 };
        let latents = u64::from(self.latents.unwrap_or(5));
        let network = model.into_denoiser::<T>()?;
        let along = Along::new(network.as_ref(), &plan, &levels, 0..latents, job.shared.seed)?;
        let interior =
            settings.machine == Machine::EquivariantLocal && settings.dictionary == Dictionary::Interior;
        let image = image(item_shape)?;
        let [height, width, _] = image;
        let most = if interior { height.min(width) } else { height.max(width) };
        let sizes: Vec<usize> = (1..=most).step_by(2).collect();
        let mut progress = job.progress(Some(sizes.len() as u64), "sizes of patches");
        let mut found = Vec::new();
        for &size in &sizes {
            let settings = Settings { patches: vec![size], ..settings.clone() };
            let machine = LocalDenoiser::new(Local::new(settings, image, x.clone())?)?;
            found.push(along.agreement(&machine)?);
            progress.advance(1);
        }
        let best = |level: usize| {
            let better =
                |best: usize, size: usize| if found[size][level] > found[best][level] { size } else { best };
            (0..sizes.len()).fold(0, better)
        };
        let chosen: Vec<usize> = (0..levels.len()).map(best).collect();
        let alike = (0..levels.len()).filter(|&level| {
            let least = found.iter().map(|of| of[level]).fold(f64::INFINITY, f64::min);
            found[chosen[level]][level] - least < TOLD_APART
        });
        let alike = alike.count();
        if alike > 0 {
            job.warn(&format!(
                "at {alike} of {} levels the median cosine of every size of patches is within {TOLD_APART} of the best: these \
                 levels do not tell sizes apart; look at --report, or give fewer --levels",
                levels.len()
            ));
        }
        if let Some(mut report) = report {
            for (level, sigma) in levels.iter().enumerate() {
                for (size, patch) in sizes.iter().enumerate() {
                    let cosine = found[size][level];
                    report.row(&[
                        (*sigma).into(),
                        (*patch).into(),
                        cosine.into(),
                        (chosen[level] == size).into(),
                    ])?;
                }
            }
            report.finish()?;
        }
        let patches: Vec<usize> = chosen.into_iter().map(|size| sizes[size]).collect();
        let list = patches.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        job.note(&format!("patches from the largest noise level to the smallest: {list}"));
        Ok(Settings { patches, levels, ..settings })
    }
}
