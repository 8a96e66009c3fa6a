//! A picture as PNG, by kuva's rasterizer.

use anyhow::{Result, anyhow};
use kuva::RasterBackend;
use kuva::render::color::Color as Paint;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

use super::{Anchor, Color, Mark, Picture};

pub(super) fn document(picture: &Picture) -> Result<Vec<u8>> {
    let mut scene = Scene::new(picture.width as f64, picture.height as f64);
    for mark in &picture.marks {
        add(&mut scene, mark);
    }
    render(&scene)
}

/// Pixels in rows as an image of their own.
pub(super) fn pixels(columns: usize, pixels: &[Color]) -> Result<Vec<u8>> {
    let mut scene = Scene::new(columns as f64, (pixels.len() / columns.max(1)) as f64);
    scene.add(squares(0.0, 0.0, 1.0, 1.0, columns, pixels));
    render(&scene)
}

fn render(scene: &Scene) -> Result<Vec<u8>> {
    RasterBackend::new().with_scale(1.0).render_scene(scene).map_err(|e| anyhow!("cannot make a png: {e}"))
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
        Mark::Text { x, y, text, size, anchor, angle, color } => scene.add(Primitive::Text {
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
