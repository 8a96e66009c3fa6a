//! dae-features: what a network sees inside.

use std::ffi::OsString;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use ndarray::Array2;

use crate::cli::{Block, Job, Program, Source, Taken, usage};
use crate::denoiser::model::Kind;
use crate::denoiser::network::NetworkDenoiser;
use crate::flow::at_once;
use crate::measure::features::{Pool, Unevenness};
use crate::random::NoisyPoints;
use crate::scalar::Scalar;
use crate::schedule::SIGMAS;
use crate::stream::Rows;
use crate::with_dtype;

/// Look at what a network computes inside: the values of a layer for every point.
///
/// --layers lists them, from the data to the output; those called `.active` come right after a nonlinearity. With
/// --summary a row a point: the deviation of its units and ‖h‖₄/‖h‖₂. Units that have stored an image speak alone, so
/// that both are larger for memorized images than for new ones (arXiv 2512.20963): compare them with those of images
/// that were not trained on, by table roc. An --edit of a layer that comes later is refused.
///
/// Memory: the network and a few blocks of points for each thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 200 -o data.npy && dae-fit data.npy --kind two-layer --steps 300 -q -o net.st && dae-features net.st data.npy --sigma 0.2 --layer hidden | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 200 -o data.npy && dae-fit data.npy --kind mlp --steps 100 -q | dae-features - data.npy --sigma 0.2 --layer blocks.0.active --summary | table mean --value std")]
pub struct Arguments {
    /// A network's file
    model: OsString,
    /// Points, one per row (default: standard input)
    points: Option<OsString>,
    /// The noise level σ
    #[arg(long, value_name = "S", required_unless_present = "layers", value_parser = level)]
    sigma: Option<f64>,
    /// The layer, as --layers calls it
    #[arg(long, value_name = "NAME", required_unless_present = "layers")]
    layer: Option<String>,
    /// List the layers and their shapes instead
    #[arg(long, conflicts_with_all = ["sigma", "layer", "summary", "pool", "add_noise", "points"])]
    layers: bool,
    /// What becomes of places, pixels or tokens
    #[arg(long, value_enum, default_value = "none")]
    pool: Pool,
    /// A row a point instead: how unevenly its units share it
    #[arg(long)]
    summary: bool,
    /// Add σ·ε to the points first, with ε drawn per row from the seed: row i of other points has the same, unless --seed differs
    #[arg(long)]
    add_noise: bool,
}

fn level(text: &str) -> Result<f64, String> {
    let level = text.parse().map_err(|_| "not a number".to_string())?;
    if SIGMAS.contains(&level) { Ok(level) } else { Err("a noise level lies between 1e-18 and 1e18".into()) }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.numbered(self.add_noise, "--add-noise", "noise belongs to rows by their number")?;
        job.numbered(self.summary, "--summary", "rows would lose their numbers")?;
        job.only(self.add_noise, &["--seed"], "nothing is drawn without --add-noise")?;
        let name = self.model.to_string_lossy();
        let points = (!self.layers).then_some(self.points.as_deref());
        job.wait_for_stdin(&[Some(&*self.model)].into_iter().chain(points).collect::<Vec<_>>())?;
        let model = job.unasked_file(Some(&self.model))?;
        let Kind::Network(_) = model.kind else {
            bail!("{name}: is no network, and has no layers; give a network of dae-fit");
        };
        let Some(points) = points else {
            let idle = ["--nan", "--shape", "--rows", "--dtype", "--class", "--edit"];
            job.only(false, &idle, "no points are read with --layers")?;
            return list(job, &model.into_network::<f32>()?);
        };
        job.class_is_for([&model])?;
        let model = job.edited(job.of_class(model, Some(&self.model))?, Some(&self.model))?;
        let sigma = self.sigma.unwrap_or_default();
        job.warn_of_levels(&model, &[sigma]);
        let taken = Taken::with_noise(self.add_noise, &[sigma]);
        let rows = job.points(points, &model, &self.model, taken)?;
        with_dtype!(job.dtype(&[model.dtype, rows.dtype()]), T => {
            self.look::<T>(job, &model.into_network()?, rows)
        })
    }
}

/// A row a layer.
fn list<T: Scalar>(job: &Job, network: &NetworkDenoiser<T>) -> Result<()> {
    let mut table = job.table(&["layer", "places", "channels"])?;
    for (name, shape) in network.layers() {
        table.row(&[name.into(), shape.places().into(), shape.channels.into()])?;
    }
    table.finish()
}

impl Arguments {
    fn look<T: Scalar>(&self, job: &Job, network: &NetworkDenoiser<T>, rows: Rows) -> Result<()> {
        let layer = self.layer.as_deref().unwrap_or_default();
        let Some((_, shape)) = network.layers().find(|(name, _)| *name == layer) else {
            let all: Vec<&str> = network.layers().map(|(name, _)| name).collect();
            return Err(usage(anyhow!("--layer {layer}: the network has {}", all.join(", "))));
        };
        for edit in &job.shared.edits {
            // Both are layers of the network, in the order in which it computes them.
            let later = network.layers().skip_while(|(name, _)| *name != layer).skip(1);
            let seen = later.map(|(name, _)| name).all(|name| name != edit.layer);
            job.only(seen, &["--edit"], &format!("{} comes after {layer}, which is looked at", edit.layer))?;
        }
        job.only(shape.places() > 1, &["--pool"], "the layer has one place")?;
        let pooled = match (self.pool, shape.is_image()) {
            (Pool::None, true) => vec![shape.height, shape.width, shape.channels],
            (Pool::None, false) if shape.places() > 1 => vec![shape.places(), shape.channels],
            _ => vec![shape.channels],
        };
        let most = at_once(network, rows.len().unwrap_or(usize::MAX), shape.len().max(rows.width()));
        let (count, source) = (rows.len(), Source::Stream(rows));
        let sigma = self.sigma.unwrap_or_default();
        let features = |block: Block<T>| -> Result<Array2<T>> {
            let rows = block.rows.clone();
            let mut x = block.first().unwrap_or_default();
            if self.add_noise {
                x = NoisyPoints::once(x, job.shared.seed, rows.start, 0, sigma);
            }
            let features = network.features(x.view(), sigma, layer)?.unwrap_or_default();
            job.finite(features.view(), rows.start)?;
            Ok(self.pool.apply(features.view(), shape.channels))
        };
        if !self.summary {
            let out = job.array::<T>(count, &pooled)?;
            return job.fill(source, most, "points", vec![out], |block| Ok(vec![features(block)?]));
        }
        let mut table = job.table(&["row", "std", "l4_over_l2", "units"])?;
        let uneven = |block| Ok(features(block)?.outer_iter().map(Unevenness::of).collect::<Vec<_>>());
        job.each_block(source, most, "points", uneven, |rows, all| {
            rows.zip(all).try_for_each(|(row, u)| {
                let units = pooled.iter().product::<usize>();
                table.row(&[row.into(), u.deviation.into(), u.ratio.into(), units.into()])
            })
        })?;
        table.finish()
    }
}
