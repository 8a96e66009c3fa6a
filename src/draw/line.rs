//! Points and lines over two numeric axes.

use anyhow::Result;

use super::axis::{Axis, Scale};
use super::color::{Color, MIDDLE, SERIES, SHADES, viridis};
use super::frame::{Key, Legend, Page, TICK, axes, crisp, label_width, x_rules, x_ticks, y_rules, y_ticks};
use super::{Anchor, Mark, Picture, text};

/// What to draw.
#[derive(Default)]
pub struct Chart {
    pub x: Scale,
    pub y: Scale,
    /// Default: around all that is shown.
    pub x_range: Option<(f64, f64)>,
    pub y_range: Option<(f64, f64)>,
    pub series: Vec<Series>,
    /// The names of the series are values on a scale.
    pub ordered: bool,
    /// What tells the series apart; over the legend.
    pub legend: String,
    pub spread: Spread,
    pub shades: Vec<Shade>,
    pub levels: Vec<Level>,
}

/// Points that belong together; in the order in which a line joins them.
pub struct Series {
    pub name: String,
    pub points: Vec<Point>,
    pub line: bool,
    pub dashed: bool,
}

/// A point, and the ends of its bar or band.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub ends: Option<(f64, f64)>,
}

/// How ends are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    #[default]
    Bars,
    Band,
}

/// A stretch of x, behind the data.
#[derive(Clone, Debug)]
pub struct Shade {
    /// `None`: from the edge.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub label: String,
}

/// A horizontal line across.
#[derive(Clone, Debug)]
pub struct Level {
    pub y: f64,
    pub label: String,
}

/// Strokes of the levels, one after the other.
const LEVELS: [(f64, f64); 3] = [(6.0, 4.0), (2.0, 3.0), (12.0, 4.0)];

/// How a series looks.
#[derive(Clone, Copy)]
struct Look {
    color: Color,
    marker: usize,
    dash: Option<(f64, f64)>,
    line: bool,
}

/// Draws the chart.
///
/// # Errors
/// A page with no room for the data.
pub fn line(page: &Page, chart: &Chart) -> Result<Picture> {
    let x_range = chart.x_range.unwrap_or_else(|| chart.x.around(chart.xs()));
    let y_range = chart.y_range.unwrap_or_else(|| chart.y.around(chart.ys()));
    let legend = chart.legend();
    let above = if chart.shades.iter().any(|s| !s.label.is_empty()) { f64::from(TICK) + 6.0 } else { 0.0 };

    // Heights first: how many ticks there is room for decides how wide their labels are.
    let bounds = page.area(0.0, f64::from(TICK), above, 0.0);
    let y = Axis::new(chart.y, y_range, bounds.bottom, bounds.top);
    let y_marks = y.ticks(50.0);
    let area =
        page.area(label_width(&y_marks), f64::from(TICK), above, legend.width(bounds.height())).check()?;
    let x = Axis::new(chart.x, x_range, area.left, area.right);
    // Numbers on a linear axis have more digits.
    let x_marks = x.ticks(if chart.x == Scale::Linear { 85.0 } else { 55.0 });

    let mut picture = page.picture();
    for (shade, color) in chart.shades.iter().zip(SHADES.iter().cycle()) {
        let edge = |value: f64| x.place(value).clamp(area.left, area.right);
        let left = shade.low.map_or(area.left, edge);
        let right = shade.high.map_or(area.right, edge);
        picture.rectangle(left, area.top, right - left, area.height(), *color);
        let room = (right - left).max(1.0);
        let size = (8..=TICK).rev().find(|s| text::width(&shade.label, *s) <= room).unwrap_or(8);
        picture.text((left + right) / 2.0, area.top - 6.0, &shade.label, size, Anchor::Middle);
    }
    x_rules(&mut picture, &area, &x, &x_marks);
    y_rules(&mut picture, &area, &y, &y_marks);

    picture.add(Mark::Clip { x: area.left, y: area.top, width: area.width(), height: area.height() });
    for (level, dash) in chart.levels.iter().zip(LEVELS.iter().cycle()) {
        let at = crisp(y.place(level.y));
        picture.add(Mark::Polyline {
            points: vec![(area.left, at), (area.right, at)],
            stroke: MIDDLE,
            width: 1.5,
            dash: Some(*dash),
        });
    }
    let looks = chart.looks();
    for (series, look) in chart.series.iter().zip(&looks) {
        series.draw_spread(&mut picture, chart.spread, look.color, &x, &y);
    }
    for (series, look) in chart.series.iter().zip(&looks) {
        let points: Vec<(f64, f64)> = series.points.iter().map(|p| (x.place(p.x), y.place(p.y))).collect();
        if look.line {
            let (stroke, dash) = (look.color, look.dash);
            picture.add(Mark::Polyline { points: points.clone(), stroke, width: 2.0, dash });
        }
        for at in points {
            marker(&mut picture, look, at);
        }
    }
    picture.add(Mark::Unclip);

    axes(&mut picture, &area);
    x_ticks(&mut picture, &area, &x, &x_marks);
    y_ticks(&mut picture, &area, &y, &y_marks);
    legend.draw(&mut picture, &area);
    page.words(&mut picture, &area);
    Ok(picture)
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|s| &s.points)
    }

    fn xs(&self) -> impl Iterator<Item = f64> {
        self.points().map(|p| p.x)
    }

    fn ys(&self) -> impl Iterator<Item = f64> {
        let ends = self.points().filter_map(|p| p.ends).flat_map(|(low, high)| [low, high]);
        self.points().map(|p| p.y).chain(ends).chain(self.levels.iter().map(|l| l.y))
    }

    fn looks(&self) -> Vec<Look> {
        let count = self.series.len();
        let look = |(i, series): (usize, &Series)| Look {
            // Many values of a scale need no telling apart, but their order shown.
            color: if self.ordered && count > SERIES.len() {
                viridis(0.92 * i as f64 / (count - 1) as f64)
            } else {
                SERIES[i % SERIES.len()]
            },
            marker: i,
            dash: match (series.dashed, i / SERIES.len() % 3) {
                _ if self.ordered && !series.dashed => None,
                (true, _) => Some((7.0, 4.0)),
                (false, 0) => None,
                (false, 1) => Some((2.0, 3.0)),
                (false, _) => Some((10.0, 3.0)),
            },
            line: series.line,
        };
        self.series.iter().enumerate().map(look).collect()
    }

    fn legend(&self) -> Legend {
        let named = self.series.iter().zip(self.looks()).filter(|(series, _)| !series.name.is_empty());
        let series = named.map(|(series, look)| {
            let swatch = move |picture: &mut Picture, x: f64, y: f64| {
                if look.line {
                    let (stroke, dash) = (look.color, look.dash);
                    let points = vec![(x, y), (x + Key::WIDTH, y)];
                    picture.add(Mark::Polyline { points, stroke, width: 2.0, dash });
                }
                marker(picture, &look, (x + Key::WIDTH / 2.0, y));
            };
            Key { name: series.name.clone(), swatch: Box::new(swatch) }
        });
        let levels = self.levels.iter().zip(LEVELS.iter().cycle()).filter(|(l, _)| !l.label.is_empty());
        let levels = levels.map(|(level, &dash)| {
            let swatch = move |picture: &mut Picture, x: f64, y: f64| {
                let points = vec![(x, y), (x + Key::WIDTH, y)];
                picture.add(Mark::Polyline { points, stroke: MIDDLE, width: 1.5, dash: Some(dash) });
            };
            Key { name: level.label.clone(), swatch: Box::new(swatch) }
        });
        Legend { title: self.legend.clone(), keys: series.chain(levels).collect() }
    }
}

impl Series {
    fn draw_spread(&self, picture: &mut Picture, spread: Spread, color: Color, x: &Axis, y: &Axis) {
        let ends: Vec<(f64, f64, f64)> = self
            .points
            .iter()
            .filter_map(|p| p.ends.map(|(low, high)| (x.place(p.x), y.place(low), y.place(high))))
            .collect();
        match spread {
            Spread::Bars => {
                for (x, low, high) in ends {
                    picture.stroke(&[(x, low), (x, high)], color, 1.2);
                    picture.stroke(&[(x - 3.5, low), (x + 3.5, low)], color, 1.2);
                    picture.stroke(&[(x - 3.5, high), (x + 3.5, high)], color, 1.2);
                }
            }
            Spread::Band => {
                let highs = ends.iter().map(|(x, _, high)| (*x, *high));
                let lows = ends.iter().rev().map(|(x, low, _)| (*x, *low));
                let points = highs.chain(lows).collect();
                picture.add(Mark::Polygon { points, fill: color, opacity: 0.2 });
            }
        }
    }
}

/// The shape of a series besides its colour: print may have none.
fn marker(picture: &mut Picture, look: &Look, (x, y): (f64, f64)) {
    let corners: &[(f64, f64)] = match look.marker % 4 {
        0 => return picture.add(Mark::Circle { x, y, radius: 3.6, fill: look.color }),
        1 => &[(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)],
        2 => &[(0.0, -4.6), (4.3, 3.2), (-4.3, 3.2)],
        _ => &[(0.0, -4.9), (4.9, 0.0), (0.0, 4.9), (-4.9, 0.0)],
    };
    let points = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    picture.add(Mark::Polygon { points, fill: look.color, opacity: 1.0 });
}
