//! A picture as PNG: shapes by tiny-skia, letters from the outlines of DejaVu Sans, which come with the program.

use anyhow::{Context, Result, ensure};
use tiny_skia::{
    FillRule, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::{Anchor, Color, Mark, Picture};

/// Pixels of an enlarged picture at most: a quarter of a gigabyte.
const MOST: usize = 64 << 20;

pub(super) fn document(picture: &Picture) -> Result<Vec<u8>> {
    let Picture { width, height, scale, marks } = picture;
    let (width, height) = (width * scale, height * scale);
    ensure!(
        *scale == 1 || width * height <= MOST,
        "a png of {width}x{height} pixels is more than {MOST} pixels; give a smaller --scale"
    );
    let sheet = Pixmap::new(u32::try_from(width)?, u32::try_from(height)?);
    let mut sheet = Sheet {
        pixels: sheet
            .with_context(|| format!("a png cannot have {width}x{height} pixels; make it smaller"))?,
        scale: Transform::from_scale(*scale as f32, *scale as f32),
        clip: None,
        font: Face::parse(dejavu::sans::regular(), 0).context("bug: the font cannot be read")?,
    };
    sheet.pixels.fill(tiny_skia::Color::WHITE);
    marks.iter().for_each(|mark| sheet.draw(mark));
    let pixels = sheet.pixels.pixels().iter().map(|p| Color(p.red(), p.green(), p.blue()));
    pixels_of(width, &pixels.collect::<Vec<Color>>())
}

/// Pixels in rows as an image of their own.
pub(super) fn pixels_of(columns: usize, pixels: &[Color]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let rows = pixels.len() / columns.max(1);
    let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(columns)?, u32::try_from(rows)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("cannot make a png")?;
    let data: Vec<u8> = pixels.iter().flat_map(|c| [c.0, c.1, c.2]).collect();
    writer.write_image_data(&data).context("cannot make a png")?;
    writer.finish().context("cannot make a png")?;
    Ok(bytes)
}

/// What is drawn on.
struct Sheet {
    pixels: Pixmap,
    /// From lengths of the page to pixels.
    scale: Transform,
    clip: Option<Mask>,
    font: Face<'static>,
}

impl Sheet {
    /// What has no size, or no place, is not there.
    fn draw(&mut self, mark: &Mark) {
        match mark {
            Mark::Rectangle { x, y, width, height, fill } => self.block(*x, *y, *width, *height, *fill),
            Mark::Polyline { points, stroke, width, dash } => {
                let stroke_of = Stroke {
                    width: *width as f32,
                    line_join: LineJoin::Round,
                    dash: dash.and_then(|(on, off)| StrokeDash::new(vec![on as f32, off as f32], 0.0)),
                    ..Stroke::default()
                };
                if let Some(path) = lines(points, false) {
                    let paint = paint(*stroke, 1.0);
                    self.pixels.stroke_path(&path, &paint, &stroke_of, self.scale, self.clip.as_ref());
                }
            }
            Mark::Polygon { points, fill, opacity } => {
                self.fill(lines(points, true), &paint(*fill, *opacity), self.scale);
            }
            Mark::Circle { x, y, radius, fill } => {
                let circle = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
                self.fill(circle, &paint(*fill, 1.0), self.scale);
            }
            Mark::Text { x, y, text, size, anchor, angle, color, .. } => {
                let turned =
                    self.scale.pre_concat(Transform::from_rotate_at(*angle as f32, *x as f32, *y as f32));
                let at = turned.pre_translate(*x as f32, *y as f32);
                self.fill(self.letters(text, *size, *anchor), &paint(*color, 1.0), at);
            }
            Mark::Pixels { x, y, width, height, columns, pixels } => {
                let rows = pixels.len() / (*columns).max(1);
                let (width, height) = (width / *columns as f64, height / rows as f64);
                for (i, &color) in pixels.iter().enumerate() {
                    let (row, column) = ((i / columns) as f64, (i % columns) as f64);
                    self.block(x + column * width, y + row * height, width, height, color);
                }
            }
            Mark::Clip { x, y, width, height } => {
                let clip = Mask::new(self.pixels.width(), self.pixels.height());
                self.clip = clip.zip(rectangle(*x, *y, *width, *height)).map(|(mut mask, within)| {
                    let within = PathBuilder::from_rect(within);
                    mask.fill_path(&within, FillRule::Winding, false, self.scale);
                    mask
                });
            }
            Mark::Unclip => self.clip = None,
        }
    }

    /// Of whole pixels: blocks that touch leave no seam.
    fn block(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        let paint = Paint { anti_alias: false, ..paint(color, 1.0) };
        if let Some(block) = rectangle(x, y, width, height) {
            self.pixels.fill_rect(block, &paint, self.scale, self.clip.as_ref());
        }
    }

    fn fill(&mut self, path: Option<Path>, paint: &Paint, place: Transform) {
        if let Some(path) = path {
            self.pixels.fill_path(&path, paint, FillRule::Winding, place, self.clip.as_ref());
        }
    }

    /// The outlines of a text, whose anchor is at 0.
    fn letters(&self, text: &str, size: u32, anchor: Anchor) -> Option<Path> {
        let scale = size as f32 / f32::from(self.font.units_per_em());
        // What the font lacks is drawn as its sign for that.
        let glyphs = text.chars().map(|c| self.font.glyph_index(c).unwrap_or(GlyphId(0)));
        let mut outline = Outline { path: PathBuilder::new(), scale, from: 0.0 };
        for glyph in glyphs {
            self.font.outline_glyph(glyph, &mut outline);
            outline.from += scale * f32::from(self.font.glyph_hor_advance(glyph).unwrap_or(0));
        }
        let before = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => outline.from / 2.0,
            Anchor::End => outline.from,
        };
        outline.path.finish()?.transform(Transform::from_translate(-before, 0.0))
    }
}

fn paint(color: Color, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(color.0, color.1, color.2, (255.0 * opacity).round() as u8);
    paint
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Option<Rect> {
    Rect::from_xywh(x as f32, y as f32, width as f32, height as f32)
}

fn lines(points: &[(f64, f64)], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        match i {
            0 => path.move_to(x as f32, y as f32),
            _ => path.line_to(x as f32, y as f32),
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// A path of letters side by side, from their outlines in units of the font, in which y goes up.
struct Outline {
    path: PathBuilder,
    scale: f32,
    /// Where the next letter begins.
    from: f32,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.from + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
