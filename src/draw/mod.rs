//! Pictures for print: lines, grids of cells, violins, in one panel or several; images.
//!
//! Knows nothing of files or arguments: a chart takes what it shows and lays it
//! out as [`Mark`]s on a [`Picture`], which becomes the bytes of an SVG or a PNG.
//! The same marks give both, and the same input always the same bytes.
//!
//! SVG is written here, since no plotting library at hand writes a `viewBox`,
//! base-2 axes, cells without a value or images. PNG comes from tiny-skia, with a font of
//! its own (DejaVu Sans), so that the system is asked for none.

mod axis;
mod color;
mod frame;
mod grid;
mod images;
mod line;
mod panels;
mod png;
mod svg;
mod text;
mod violin;

pub use axis::Scale;
pub use frame::Page;
pub use grid::{Cells, grid};
pub use images::{Gallery, Image, images};
pub use line::{Chart, Guide, Level, Point, Series, Shade, Spread, line};
pub use panels::Panels;
pub use text::order;
pub use violin::{Group, Shape, Violins, violin};

use color::Color;

/// A page with marks on it, the later ones on top.
pub struct Picture {
    width: usize,
    height: usize,
    /// Pixels of a unit of length.
    scale: usize,
    marks: Vec<Mark>,
}

/// What can be on a page. Lengths are in units of the page, from the upper left corner.
enum Mark {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        fill: Color,
    },
    Polyline {
        points: Vec<(f64, f64)>,
        stroke: Color,
        width: f64,
        dash: Option<(f64, f64)>,
    },
    Polygon {
        points: Vec<(f64, f64)>,
        fill: Color,
        opacity: f64,
    },
    Circle {
        x: f64,
        y: f64,
        radius: f64,
        fill: Color,
    },
    Text {
        x: f64,
        y: f64,
        text: String,
        size: u32,
        anchor: Anchor,
        angle: f64,
        color: Color,
        /// The whole of a text of which only a part is shown.
        whole: Option<String>,
    },
    /// Pixels in rows, enlarged to whole pixels of the page without smoothing.
    Pixels {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        columns: usize,
        pixels: Vec<Color>,
    },
    /// What follows shows only within; see [`Mark::Unclip`].
    Clip {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
    },
    Unclip,
}

/// Which end of a text is at its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    fn new(width: usize, height: usize) -> Picture {
        Picture { width, height, scale: 1, marks: Vec::new() }
    }

    fn add(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Color) {
        self.add(Mark::Rectangle { x, y, width, height, fill });
    }

    fn stroke(&mut self, points: &[(f64, f64)], stroke: Color, width: f64) {
        self.add(Mark::Polyline { points: points.to_vec(), stroke, width, dash: None });
    }

    fn text(&mut self, x: f64, y: f64, text: &str, size: u32, anchor: Anchor) {
        self.turned(x, y, text, size, anchor, 0.0);
    }

    /// Text turned about its anchor, clockwise, in degrees.
    fn turned(&mut self, x: f64, y: f64, text: &str, size: u32, anchor: Anchor, angle: f64) {
        self.within(f64::INFINITY, (x, y), text, size, anchor, angle);
    }

    /// As much of a text as there is room for; an SVG shows the whole to who points at it.
    fn within(&mut self, room: f64, (x, y): (f64, f64), whole: &str, size: u32, anchor: Anchor, angle: f64) {
        let text = text::shortened(whole, size, room);
        if text.is_empty() {
            return;
        }
        let whole = (text != whole).then(|| whole.to_string());
        self.add(Mark::Text { x, y, text, size, anchor, angle, color: color::INK, whole });
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// An embedded image that cannot be encoded.
    pub fn svg(&self) -> anyhow::Result<String> {
        svg::document(self)
    }

    /// The picture as PNG.
    ///
    /// # Errors
    /// A picture of too many pixels, and what the encoder reports.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        png::document(self)
    }
}
