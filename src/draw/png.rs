//! A picture as PNG, by kuva's rasterizer.

use anyhow::{Context, Result, anyhow, ensure};
use kuva::RasterBackend;
use kuva::render::color::Color as Paint;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

use super::{Anchor, Color, Mark, Picture};

/// Fine pixels of a picture at most: a quarter of a gigabyte.
const FINE: usize = 64 << 20;

/// Drawn finer than it is written and then averaged: kuva gives turned text hard
/// edges and puts letters at whole pixels, which at this size can be seen.
pub(super) fn document(picture: &Picture) -> Result<Vec<u8>> {
    let Picture { width, height, scale, marks } = picture;
    let mut scene = Scene::new(*width as f64, *height as f64);
    for mark in marks {
        add(&mut scene, mark);
    }
    let (width, height) = (width * scale, height * scale);
    ensure!(
        *scale == 1 || width * height <= FINE,
        "a png of {width}x{height} pixels is more than {FINE} pixels; give a smaller --scale"
    );
    let fine = [3, 2, 1].into_iter().find(|n| width * height * n * n <= FINE).unwrap_or(1);
    let drawn = RasterBackend::new().with_scale((fine * scale) as f32).render_scene(&scene);
    let drawn = decode(&drawn.map_err(|e| anyhow!("cannot make a png: {e}"))?)?;
    ensure!(drawn.len() == width * height * fine * fine, "cannot make a png: bug: it has another size");
    let average = |i: usize| {
        let (x, y) = (i % width * fine, i / width * fine);
        let square = (0..fine * fine).map(|j| drawn[(y + j / fine) * width * fine + x + j % fine]);
        mean(square, fine * fine)
    };
    let pixels: Vec<Color> = (0..width * height).map(average).collect();
    pixels_of(width, &pixels)
}

fn mean(colors: impl Iterator<Item = Color>, count: usize) -> Color {
    let [r, g, b] = colors.fold([0; 3], |[r, g, b], color| {
        [r + usize::from(color.0), g + usize::from(color.1), b + usize::from(color.2)]
    });
    let rounded = |sum: usize| ((sum + count / 2) / count) as u8;
    Color(rounded(r), rounded(g), rounded(b))
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

/// The pixels of what kuva wrote: opaque, in red, green, blue and alpha.
fn decode(bytes: &[u8]) -> Result<Vec<Color>> {
    let fail = "cannot make a png: bug: the drawing cannot be read back";
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().context(fail)?;
    let mut data = vec![0; reader.output_buffer_size().context(fail)?];
    let frame = reader.next_frame(&mut data).context(fail)?;
    ensure!(frame.color_type == png::ColorType::Rgba && frame.bit_depth == png::BitDepth::Eight, fail);
    Ok(data.chunks_exact(4).map(|p| Color(p[0], p[1], p[2])).collect())
}

fn add(scene: &mut Scene, mark: &Mark) {
    match mark {
        Mark::Rectangle { x, y, width, height, fill } => scene.add(Primitive::Rect {
            x: *x,
            y: *y,
            width: *width,
            height: *height,
            fill: paint(*fill),
            stroke: None,
            stroke_width: None,
            opacity: None,
        }),
        Mark::Polyline { points, stroke, width, dash } => {
            let strokes = match dash {
                Some((on, off)) => dashes(points, *on, *off),
                None => vec![points.clone()],
            };
            for points in strokes {
                scene.add(Primitive::PolyLine {
                    points,
                    stroke: paint(*stroke),
                    stroke_width: *width,
                    stroke_dasharray: None,
                });
            }
        }
        Mark::Polygon { points, fill, opacity } => {
            let places: Vec<String> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
            scene.add(Primitive::Path(Box::new(PathData {
                d: format!("M {} Z", places.join(" L ")),
                fill: Some(paint(*fill)),
                stroke: Paint::None,
                stroke_width: 0.0,
                opacity: Some(*opacity),
                stroke_dasharray: None,
            })));
        }
        Mark::Circle { x, y, radius, fill } => scene.add(Primitive::Circle {
            cx: *x,
            cy: *y,
            r: *radius,
            fill: paint(*fill),
            fill_opacity: None,
            stroke: None,
            stroke_width: None,
        }),
        Mark::Text { x, y, text, size, anchor, angle, color, .. } => scene.add(Primitive::Text {
            x: *x,
            y: *y,
            // Between two dollars kuva would read a formula.
            content: text.replace('$', "\\$"),
            size: *size,
            anchor: match anchor {
                Anchor::Start => TextAnchor::Start,
                Anchor::Middle => TextAnchor::Middle,
                Anchor::End => TextAnchor::End,
            },
            rotate: (*angle != 0.0).then_some(*angle),
            bold: false,
            color: Some(paint(*color)),
        }),
        Mark::Pixels { x, y, width, height, columns, pixels } => {
            let rows = pixels.len() / (*columns).max(1);
            let (w, h) = (width / *columns as f64, height / rows as f64);
            scene.add(squares(*x, *y, w, h, *columns, pixels));
        }
        Mark::Clip { x, y, width, height } => scene.add(Primitive::ClipStart {
            x: *x,
            y: *y,
            width: *width,
            height: *height,
            id: String::new(),
        }),
        Mark::Unclip => scene.add(Primitive::ClipEnd),
    }
}

fn paint(color: Color) -> Paint {
    Paint::Rgb(color.0, color.1, color.2)
}

fn squares(x: f64, y: f64, width: f64, height: f64, columns: usize, pixels: &[Color]) -> Primitive {
    let place = |i: usize| (x + (i % columns) as f64 * width, y + (i / columns) as f64 * height);
    let (xs, ys) = (0..pixels.len()).map(place).unzip();
    Primitive::RectBatch {
        x: xs,
        y: ys,
        w: vec![width; pixels.len()],
        h: vec![height; pixels.len()],
        fills: pixels.iter().copied().map(paint).collect(),
    }
}

/// Cuts a line into dashes that go on around its corners; kuva would begin anew at
/// each, which makes a line of short pieces solid.
fn dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let (mut drawn, mut left) = (true, on);
    for pair in points.windows(2) {
        let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
        let mut length = (to_x - x).hypot(to_y - y);
        while length > left {
            (x, y) = (x + (to_x - x) * left / length, y + (to_y - y) * left / length);
            length -= left;
            if drawn {
                dash.push((x, y));
                all.push(std::mem::take(&mut dash));
            } else {
                dash = vec![(x, y)];
            }
            drawn = !drawn;
            left = if drawn { on } else { off };
        }
        left -= length;
        if drawn {
            dash.push((to_x, to_y));
        }
    }
    all.push(dash);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_around_corners() {
        let bent = [(0.0, 0.0), (3.0, 0.0), (3.0, 6.0)];
        let expected = [vec![(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)], vec![(3.0, 3.0), (3.0, 6.0)]];
        assert_eq!(dashes(&bent, 4.0, 2.0), expected);
    }
}
