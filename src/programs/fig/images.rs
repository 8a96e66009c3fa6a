//! fig images: arrays of images, in rows.

use std::ffi::{OsStr, OsString};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;

use crate::cli::{Interval, Job, Program, count, usage};
use crate::draw::{Gallery, Image, images};
use crate::stream::{Layout, block_rows};

use super::page::{Sheet, parse_range};

/// Draw images of one array in rows, or the first images of several arrays, a row each.
///
/// Items are images of shape (H, W), (H, W, 1) or (H, W, 3). With several arrays, images under each other
/// are those of the same row of the arrays. Values beyond --range are drawn as its ends; where that is so
/// of many, or where they fill no hundredth of it, or hardly any of the default one, a warning says so. The picture is as large as its images
/// need.
///
/// Memory: the images drawn and the picture.
#[derive(Args)]
pub struct Arguments {
    /// Images: npy, IDX (gzipped or not), npz, a folder of PNG files, or csv with --shape (default: standard input)
    #[arg(value_name = "INPUT")]
    inputs: Vec<OsString>,
    /// How their numbers lie (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Images in a row
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count(1..=1000u16))]
    columns: u16,
    /// Values of black and white (default: 0,255 for arrays of whole numbers, else -1,1)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    range: Option<(f64, f64)>,
    /// Pixels of the picture to each side of a pixel
    #[arg(long, value_name = "PX", default_value_t = 4, value_parser = count(1..=100u16))]
    scale: u16,
    /// Name of an array, at the left of its row; one for each array
    #[arg(long, value_name = "TEXT")]
    label: Vec<String>,
    /// Title over the picture
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

/// Images of one array that are drawn at most.
const MOST: usize = 10_000;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        self.check().map_err(usage)?;
        let sheet = Sheet::open(job)?;
        let columns = usize::from(self.columns);
        let mut rows: Vec<(String, Vec<Image>)> = Vec::new();
        let label = |i: usize| self.label.get(i).cloned().unwrap_or_default();
        match self.inputs.as_slice() {
            [] | [_] => {
                let input = self.inputs.first().map(OsString::as_os_str);
                let mut images = self.read(job, input, MOST + 1)?.into_iter();
                ensure!(
                    images.len() <= MOST,
                    "more than {MOST} images to draw; choose some with --rows A..B"
                );
                while images.len() > 0 {
                    let name = if rows.is_empty() { label(0) } else { String::new() };
                    rows.push((name, images.by_ref().take(columns).collect()));
                }
            }
            several => {
                for (i, input) in several.iter().enumerate() {
                    let images = self.read(job, Some(input), columns)?;
                    if let Some((_, first)) = rows.first() {
                        let [first, other] = [&first[0], &images[0]].map(Image::size);
                        ensure!(
                            first == other,
                            "{}: holds images of {}x{} pixels, and {} of {}x{}; draw arrays of one size together",
                            input.display(),
                            other.0,
                            other.1,
                            several[0].display(),
                            first.0,
                            first.1
                        );
                    }
                    rows.push((label(i), images));
                }
            }
        }
        let gallery = Gallery { title: self.title, rows, scale: self.scale.into() };
        sheet.draw(&images(&gallery)?)
    }
}

impl Arguments {
    fn check(&self) -> Result<()> {
        ensure!(
            self.inputs.iter().filter(|name| *name == "-").count() <= 1,
            "-: standard input can be read only once; name files for the others"
        );
        let arrays = self.inputs.len().max(1);
        ensure!(
            self.label.is_empty() || self.label.len() == arrays,
            "--label: {} names for {arrays} arrays; give each one name, or none",
            self.label.len()
        );
        Ok(())
    }

    /// The first images of an array, up to `most`.
    fn read(&self, job: &Job, input: Option<&OsStr>, most: usize) -> Result<Vec<Image>> {
        let mut rows = job.rows(input)?.images(self.layout)?;
        let (columns, channels) = match *rows.item_shape() {
            [_, w] => (w, 1),
            [_, w, c @ (1 | 3)] => (w, c),
            ref shape => bail!(
                "{}: items of shape {shape:?} are no images; give their shape with --shape H,W or H,W,3",
                rows.name()
            ),
        };
        let usual = Interval::usual(&rows);
        let range = self.range.unwrap_or((usual.lo, usual.hi));
        let mut images = Vec::new();
        while images.len() < most {
            let block = block_rows(rows.width()).min(most - images.len());
            let Some(block) = rows.next_block::<f64>(block)? else { break };
            for values in block.outer_iter() {
                // With --nan pass: no colour says what such a pixel is.
                if let Some(x) = values.iter().find(|x| !x.is_finite()) {
                    return Err(anyhow!("{}: holds {x}, which cannot be drawn; use --nan drop", rows.name()));
                }
                images.push(Image { columns, channels, range, values: values.to_vec() });
            }
        }
        ensure!(!images.is_empty(), "{}: has no images to draw", rows.name());
        let (least, most) = ends(&images);
        let unfilled = usual.unfilled(least, most).filter(|_| self.range.is_none());
        let unfilled =
            unfilled.map(|text| format!("{text}; say by --range which values are black and white"));
        if let Some(doubt) = doubt(&images, range).or(unfilled) {
            job.warn(&format!("{}: {doubt}", rows.name()));
        }
        Ok(images)
    }
}

/// Least and largest value.
fn ends(images: &[Image]) -> (f64, f64) {
    let values = images.iter().flat_map(|image| image.values.iter().copied());
    values.fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(v), m.max(v)))
}

/// What speaks against a range: values cut off in number, or all of one shade.
fn doubt(images: &[Image], (low, high): (f64, f64)) -> Option<String> {
    let values = || images.iter().flat_map(|image| image.values.iter().copied());
    let (least, most) = ends(images);
    let width = high - low;
    // By half a shade of grey or less, nobody sees it.
    let beyond = values().filter(|v| (low - v).max(v - high) > width / 510.0).count();
    let share = 100.0 * beyond as f64 / values().count() as f64;
    if share >= 1.0 || (low - least).max(most - high) > width {
        return Some(format!(
            "{share:.1} % of the pixels lie beyond --range {low},{high} and are drawn black or white; they \
             reach from {least} to {most}"
        ));
    }
    (most - least < width / 100.0).then(|| {
        format!(
            "all pixels from {least} to {most}, less than a hundredth of --range {low},{high}: they look alike; \
             give a --range around them"
        )
    })
}
