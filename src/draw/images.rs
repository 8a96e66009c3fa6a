//! Images in rows.

use anyhow::{Result, ensure};

use super::color::Color;
use super::frame::TICK;
use super::{Anchor, Mark, Picture, text};

/// What to draw.
pub struct Gallery {
    pub title: Option<String>,
    /// Rows of images, each with a name at its left or none.
    pub rows: Vec<(String, Vec<Image>)>,
    /// Pixels of the page a pixel of an image takes, in each direction.
    pub scale: usize,
}

/// One image: its channels (one is grey, three are red, green and blue) lie
/// together, pixel after pixel, row after row.
pub struct Image {
    pub columns: usize,
    pub channels: usize,
    /// Values of black and of white; what lies beyond is drawn as these.
    pub range: (f64, f64),
    pub values: Vec<f64>,
}

const TITLE: u32 = 14;
const EDGE: usize = 6;
const GAP: usize = 2;

/// Pixels along the longest side of a page.
const LONGEST: usize = 16_384;

/// Draws the images; the page is as large as they need.
///
/// # Errors
/// A page that would be absurdly large.
pub fn images(gallery: &Gallery) -> Result<Picture> {
    let Gallery { title, rows, scale, .. } = gallery;
    let size = |image: &Image| {
        let (width, height) = image.size();
        (width * scale, height * scale)
    };
    let cell = |take: fn((usize, usize)) -> usize| {
        rows.iter().flat_map(|(_, images)| images).map(|image| take(size(image))).max().unwrap_or(0)
    };
    let (cell_width, cell_height) = (cell(|s| s.0), cell(|s| s.1));
    let longest = rows.iter().map(|(_, images)| images.len()).max().unwrap_or(0);

    let names = text::widest(rows.iter().map(|(name, _)| name.as_str()), TICK).ceil() as usize;
    let left = EDGE + if names > 0 { names + 8 } else { 0 };
    let top = EDGE + if title.is_some() { TITLE as usize + 10 } else { 0 };
    let words = title.as_ref().map_or(0, |t| text::width(t, TITLE).ceil() as usize) + 2 * EDGE;
    let width = (left + (longest * (cell_width + GAP)).saturating_sub(GAP) + EDGE).max(words);
    // Names under each other keep apart, even beside tiny images.
    let named = rows.iter().filter(|(name, _)| !name.is_empty()).count() > 1;
    let row_height = if named { cell_height.max(TICK as usize + 2) } else { cell_height };
    let height = top + (rows.len() * (row_height + GAP)).saturating_sub(GAP) + EDGE;
    ensure!(
        width.max(height) <= LONGEST,
        "{} rows of {longest} images make a picture of {width}x{height} pixels; draw fewer with --rows A..B, \
         or smaller ones with --scale",
        rows.len()
    );

    let mut picture = Picture::new(width, height);
    if let Some(title) = title {
        picture.text(width as f64 / 2.0, (EDGE + TITLE as usize) as f64, title, TITLE, Anchor::Middle);
    }
    for (i, (name, images)) in rows.iter().enumerate() {
        let y = top + i * (row_height + GAP) + (row_height - cell_height) / 2;
        let middle = y as f64 + cell_height as f64 / 2.0;
        picture.text(left as f64 - 8.0, middle + 4.0, name, TICK, Anchor::End);
        for (j, image) in images.iter().enumerate() {
            let (width, height) = size(image);
            picture.add(Mark::Pixels {
                x: (left + j * (cell_width + GAP)) as f64,
                y: y as f64,
                width: width as f64,
                height: height as f64,
                columns: image.columns,
                pixels: image.pixels(),
            });
        }
    }
    Ok(picture)
}

impl Image {
    /// Pixels across and down.
    pub fn size(&self) -> (usize, usize) {
        let columns = self.columns.max(1);
        (columns, self.values.len() / (columns * self.channels.max(1)))
    }

    fn pixels(&self) -> Vec<Color> {
        let (low, high) = self.range;
        let level = |v: f64| (255.0 * ((v - low) / (high - low)).clamp(0.0, 1.0)).round() as u8;
        let color = |pixel: &[f64]| match *pixel {
            [r, g, b] => Color(level(r), level(g), level(b)),
            _ => Color(level(pixel[0]), level(pixel[0]), level(pixel[0])),
        };
        self.values.chunks_exact(self.channels).map(color).collect()
    }
}
