//! watermark: mark images where a model does not look, and find the marks.

pub mod attack;
pub mod detect;
pub mod embed;
pub mod key;

use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cli::{Job, usage};
use crate::geometry::watermark::{Key, Watermark};
use crate::stream::{Layout, Rows, image_text, items_suit};

/// Mark images where a model does not look, and find the marks.
///
/// A key says which frequencies of an image take which values. Marked at a middle level of noise, where the denoiser's
/// Jacobian hardly sees them, images look as before (arXiv 2410.21088); pf-sample goes to that level and back. One
/// frequency or a few survive what happens to images on their way: attack does it, detect finds what is left.
///
/// Memory: a few blocks of images for each thread.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ watermark key --shape 8,8 --radius 3 --seed 1 -o key.npy && npy noise -n 64 -d 64 --shape 8,8 | watermark embed --key key.npy | watermark detect --key key.npy | table mean --value distance
  $ watermark key --shape 8,8 --radius 3 -o key.npy && npy noise -n 64 -d 64 --shape 8,8 | watermark embed --key key.npy | watermark attack --kind blur --strength 0.8 | watermark detect --key key.npy")]
pub struct About {}

/// Images, and the key that they are marked by.
#[derive(Args)]
struct KeyArgs {
    /// Images, or points of a flow (default: standard input)
    #[arg(value_name = "POINTS")]
    points: Option<OsString>,
    /// What `watermark key` wrote
    #[arg(long, value_name = "FILE")]
    key: OsString,
    /// The marked frequencies become this many times the key: with noise of deviation σ, √(σ² + σ_data²) makes them as
    /// large as the others
    #[arg(long, value_name = "λ", default_value_t = 1.0)]
    strength: f64,
    /// How their numbers lie (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
}

impl KeyArgs {
    /// The images, and what marks them.
    fn open(&self, job: &Job) -> Result<(Rows, Watermark)> {
        if !self.strength.is_finite() {
            return Err(usage(anyhow::anyhow!("--strength {}: must be finite", self.strength)));
        }
        job.wait_for_stdin(&[self.points.as_deref(), Some(&self.key)])?;
        let key = read_key(job, &self.key)?;
        job.only(!key.is_zero(), &["--strength"], "the key is of zeros, which none changes")?;
        let rows = job.rows(self.points.as_deref())?.images(self.layout)?;
        let name = self.key.to_string_lossy();
        items_suit((rows.name(), rows.item_shape()), (&name, &key.shape))?;
        let size = key.shape.iter().product::<usize>();
        ensure!(
            rows.width() == size,
            "{}: {}, but {name} is a key for {}",
            rows.name(),
            image_text(rows.item_shape()),
            image_text(&key.shape)
        );
        Ok((rows, Watermark::new(key, self.strength)))
    }
}

fn read_key(job: &Job, name: &OsStr) -> Result<Key> {
    let mut rows = job.all_rows(Some(name))?;
    let shape = image_shape(rows.name(), rows.item_shape())?;
    let rows = rows.read_all::<f64>()?;
    Key::from_rows(shape, rows.view()).with_context(|| name.to_string_lossy().into_owned())
}

/// (H, W, C) of items that are images.
fn image_shape(name: &str, shape: &[usize]) -> Result<[usize; 3]> {
    match *shape {
        [h, w] if h > 0 && w > 0 => Ok([h, w, 1]),
        [h, w, c] if h > 0 && w > 0 && c > 0 => Ok([h, w, c]),
        _ => bail!("{name}: items of shape {shape:?} are no images; give their shape with --shape H,W,C"),
    }
}
