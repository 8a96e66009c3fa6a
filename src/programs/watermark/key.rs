//! watermark key: which frequencies are marked, and how.

use anyhow::{Result, anyhow};
use clap::Args;

use super::image_shape;
use crate::blocks::room;
use crate::cli::{Job, Program, usage};
use crate::geometry::watermark::{Band, Key, Marked, Pattern};

/// Draw a key: which frequencies are marked, and what they become.
///
/// Three rows of the images' shape, frequency (f_y, f_x) where pixel (f_y, f_x) lies: the mask, and the real and the
/// imaginary part. Values are of the size that white noise of deviation 1 has, and those of a real image, so that
/// nothing is lost when an image is made of them. A key of your own goes as well.
///
/// Memory: the key.
#[derive(Args)]
pub struct Arguments {
    /// Distances from the centre of the band, in steps of the spectrum: up to R, or above the first and up to the
    /// second
    #[arg(long, value_name = "R|LO,HI", value_parser = radii)]
    radius: [f64; 2],
    /// What the marked frequencies become
    #[arg(long, value_enum, default_value = "ring")]
    pattern: Pattern,
    /// Where they are
    #[arg(long, value_enum, default_value = "high")]
    band: Band,
    /// Mark one channel alone, by its number from 0 (default: all)
    #[arg(long, value_name = "I")]
    channel: Option<usize>,
}

fn radii(text: &str) -> Result<[f64; 2], String> {
    match crate::cli::parse_list(text)?.0[..] {
        [outer] if outer >= 0.0 && outer.is_finite() => Ok([0.0, outer]),
        [inner, outer] if 0.0 <= inner && inner < outer && outer.is_finite() => Ok([inner, outer]),
        _ => Err("write one number, or two, the larger last, like 3,5".into()),
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let shape = job
            .shared
            .shape
            .as_ref()
            .ok_or_else(|| usage(anyhow!("--shape H,W,C: say what is to be marked")))?;
        job.only(self.pattern != Pattern::Zero, &["--seed"], "nothing is drawn with --pattern zero")?;
        if let [c @ (1 | 3 | 4), h, w] = shape.0[..]
            && h == w
            && c < h
        {
            return Err(usage(anyhow!(
                "--shape {c},{h},{w}: looks like channels first; keys are of H,W,C: {h},{w},{c}"
            )));
        }
        let [h, w, c] = image_shape("--shape", &shape.0).map_err(usage)?;
        // Its spectra are complex.
        room(&[8, h, w, c], "--shape").map_err(usage)?;
        let marked = Marked { band: self.band, radii: self.radius, channel: self.channel };
        let key = Key::draw([h, w, c], marked, self.pattern, job.shared.seed).map_err(usage)?;
        let mut out = job.array::<f64>(Some(3), &shape.0)?;
        out.write(key.to_rows().view())?;
        out.finish()
    }
}
