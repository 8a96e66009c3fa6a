//! Points and lines over two numeric axes.

use anyhow::Result;

use super::axis::{Axis, Scale, Tick};
use super::color::{Color, MIDDLE, SERIES, SHADES, viridis};
use super::frame::{Area, Key, Legend, Page, TICK, axes, crisp, label_width};
use super::frame::{x_rules, x_ticks, y_rules, y_ticks};
use super::panels::{self, Aside, Labels, Panels, Plot};
use super::{Anchor, Mark, Picture, text};

/// What to draw. The charts of several panels have the same series, of which some
/// may be without points, and so each series looks the same in all panels.
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
    /// Lines across, at values of y.
    pub levels: Vec<Level>,
    /// Lines upright, at values of x.
    pub verticals: Vec<Level>,
    /// For two logarithmic axes.
    pub guides: Vec<Guide>,
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

/// A line at a value of one axis.
#[derive(Clone, Debug)]
pub struct Level {
    pub at: f64,
    pub label: String,
}

/// A power of x, as a straight line through the middle of the data.
#[derive(Clone, Debug)]
pub struct Guide {
    pub slope: f64,
    pub label: String,
}

/// Strokes of the levels, one after the other; of the verticals too, which the legend
/// shows upright.
const LEVELS: [(f64, f64); 3] = [(6.0, 4.0), (2.0, 3.0), (12.0, 4.0)];

/// Strokes of the guides.
const GUIDES: [(f64, f64); 3] = [(9.0, 3.0), (3.0, 3.0), (1.5, 4.0)];

/// Series that colour alone tells apart; more of them are dashed besides.
const PLAIN: usize = 8;

/// How a series looks.
#[derive(Clone, Copy)]
struct Look {
    color: Color,
    marker: usize,
    radius: f64,
    dash: Option<(f64, f64)>,
    line: bool,
}

/// A chart over its ranges.
struct Drawn<'a> {
    chart: &'a Chart,
    x_range: (f64, f64),
    y_range: (f64, f64),
    /// Pixels from a tick of a linear x axis to the next.
    x_spacing: f64,
}

/// Draws the charts. Panels have one range of x and one of y, unless they are free, and
/// one legend.
///
/// # Errors
/// A page with no room for the data.
pub fn line(page: &Page, panels: &Panels<Chart>) -> Result<Picture> {
    let Some(first) = panels.charts().next() else { return Ok(page.picture()) };
    let x_shared = first.x.around(panels.charts().flat_map(Chart::xs));
    let y_shared = first.y.around(panels.charts().flat_map(Chart::ys));
    // Small panels have few ticks, were they as far apart as on a large page.
    let x_spacing = if panels.panels.len() > 1 { 60.0 } else { 85.0 };
    let drawn = panels.map(|chart| {
        let (x_own, y_own) = match panels.free {
            true => (chart.x.around(chart.xs()), chart.y.around(chart.ys())),
            false => (x_shared, y_shared),
        };
        let (x_range, y_range) = (chart.x_range.unwrap_or(x_own), chart.y_range.unwrap_or(y_own));
        Drawn { chart, x_range, y_range, x_spacing }
    });
    panels::draw(page, &drawn, &Aside::Legend(first.legend()))
}

impl Plot for Drawn<'_> {
    fn left(&self, height: f64) -> f64 {
        label_width(&self.y(height, 0.0).1)
    }

    fn below(&self, _width: f64) -> f64 {
        f64::from(TICK)
    }

    fn above(&self) -> f64 {
        if self.chart.shades.iter().any(|s| !s.label.is_empty()) { f64::from(TICK) + 6.0 } else { 0.0 }
    }

    fn draw(&self, picture: &mut Picture, area: &Area, labels: Labels) {
        let chart = self.chart;
        let (y, y_marks) = self.y(area.bottom, area.top);
        let x = Axis::new(chart.x, self.x_range, area.left, area.right);
        // Numbers on a linear axis have more digits.
        let x_marks = x.ticks(if chart.x == Scale::Linear { self.x_spacing } else { 55.0 });

        for (shade, color) in chart.shades.iter().zip(SHADES.iter().cycle()) {
            shade.draw(picture, area, &x, *color);
        }
        x_rules(picture, area, &x, &x_marks);
        y_rules(picture, area, &y, &y_marks);
        picture.add(Mark::Clip { x: area.left, y: area.top, width: area.width(), height: area.height() });
        chart.draw_references(picture, area, &x, &y);
        chart.draw_series(picture, &x, &y);
        picture.add(Mark::Unclip);
        axes(picture, area);
        x_ticks(picture, area, &x, &x_marks, labels.x);
        y_ticks(picture, area, &y, &y_marks, labels.y);
    }
}

impl Drawn<'_> {
    fn y(&self, bottom: f64, top: f64) -> (Axis, Vec<Tick>) {
        let axis = Axis::new(self.chart.y, self.y_range, bottom, top);
        let ticks = axis.ticks(50.0);
        (axis, ticks)
    }
}

impl Shade {
    fn draw(&self, picture: &mut Picture, area: &Area, x: &Axis, color: Color) {
        let edge = |value: f64| x.place(value).clamp(area.left, area.right);
        let left = self.low.map_or(area.left, edge);
        let right = self.high.map_or(area.right, edge);
        picture.rectangle(left, area.top, right - left, area.height(), color);
        let room = (right - left).max(1.0);
        let size = (8..=TICK).rev().find(|s| text::width(&self.label, *s) <= room).unwrap_or(8);
        picture.text((left + right) / 2.0, area.top - 6.0, &self.label, size, Anchor::Middle);
    }
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|s| &s.points)
    }

    fn xs(&self) -> impl Iterator<Item = f64> {
        self.points().map(|p| p.x).chain(self.verticals.iter().map(|v| v.at))
    }

    fn ys(&self) -> impl Iterator<Item = f64> {
        let ends = self.points().filter_map(|p| p.ends).flat_map(|(low, high)| [low, high]);
        self.points().map(|p| p.y).chain(ends).chain(self.levels.iter().map(|l| l.at))
    }

    fn draw_references(&self, picture: &mut Picture, area: &Area, x: &Axis, y: &Axis) {
        for (level, dash) in self.levels.iter().zip(LEVELS.iter().cycle()) {
            let at = crisp(y.place(level.at));
            reference(picture, [(area.left, at), (area.right, at)], *dash);
        }
        for (vertical, dash) in self.verticals.iter().zip(LEVELS.iter().cycle()) {
            let at = crisp(x.place(vertical.at));
            reference(picture, [(at, area.bottom), (at, area.top)], *dash);
        }
        if self.guides.is_empty() || [self.x, self.y].contains(&Scale::Linear) {
            return;
        }
        let middle = (self.x.middle(self.points().map(|p| p.x)), self.y.middle(self.points().map(|p| p.y)));
        let (Some(middle_x), Some(middle_y)) = middle else { return };
        let (middle_x, middle_y) = (x.place(middle_x), y.place(middle_y));
        for (guide, dash) in self.guides.iter().zip(GUIDES.iter().cycle()) {
            // Pixels down for one to the right; the line ends at the first edge it meets.
            let steepness = guide.slope * y.per_power() / x.per_power();
            let room = |x: f64| {
                let across = (x - middle_x).abs();
                let down = (area.bottom - middle_y).max(middle_y - area.top);
                across.min(down / steepness.abs().max(1e-9))
            };
            let end = |by: f64| (middle_x + by, middle_y + steepness * by);
            reference(picture, [end(-room(area.left)), end(room(area.right))], *dash);
        }
    }

    fn draw_series(&self, picture: &mut Picture, x: &Axis, y: &Axis) {
        let series = || self.series.iter().zip(self.looks()).filter(|(series, _)| !series.points.is_empty());
        for (series, look) in series() {
            series.draw_spread(picture, self.spread, look.color, x, y);
        }
        for (series, look) in series() {
            let points: Vec<(f64, f64)> =
                series.points.iter().map(|p| (x.place(p.x), y.place(p.y))).collect();
            if look.line {
                let (stroke, dash) = (look.color, look.dash);
                picture.add(Mark::Polyline { points: points.clone(), stroke, width: 2.0, dash });
            }
            for at in points {
                marker(picture, &look, at);
            }
        }
    }

    fn looks(&self) -> Vec<Look> {
        let count = self.series.len();
        let dots = self.series.iter().filter(|s| !s.line).map(|s| s.points.len()).sum::<usize>();
        // Many cover as much of the page as a few hundred do.
        let dot = (3.6 * (300.0 / dots.max(300) as f64).sqrt()).max(1.2);
        let look = |(i, series): (usize, &Series)| Look {
            // Many values of a scale need no telling apart, but their order shown.
            color: if self.ordered && count > PLAIN {
                viridis(0.92 * i as f64 / (count - 1) as f64)
            } else {
                SERIES[i % SERIES.len()]
            },
            // Of a colour that comes again, another one.
            marker: i + i / SERIES.len(),
            radius: if series.line { 3.6 } else { dot },
            dash: match (series.dashed, i / PLAIN % 3) {
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
        let dashes = LEVELS.iter().cycle();
        let levels = self.levels.iter().zip(dashes.clone()).map(|(l, dash)| key(&l.label, (1.0, 0.0), *dash));
        let verticals = self.verticals.iter().zip(dashes).map(|(v, dash)| key(&v.label, (0.0, 8.0), *dash));
        let guides = self.guides.iter().zip(GUIDES.iter().cycle());
        // As it goes up or down, not as steeply.
        let guides = guides.map(|(g, dash)| key(&g.label, (1.0, 6.0 * g.slope.clamp(-1.0, 1.0)), *dash));
        let references = levels.chain(verticals).chain(guides).filter(|key| !key.name.is_empty());
        Legend { title: self.legend.clone(), keys: series.chain(references).collect() }
    }
}

/// The key of a reference, whose line reaches by these to the sides (as a share of the
/// swatch) and up (in pixels).
fn key(name: &str, (aside, up): (f64, f64), dash: (f64, f64)) -> Key {
    let swatch = move |picture: &mut Picture, x: f64, y: f64| {
        let half = Key::WIDTH / 2.0;
        let (middle, by) = (x + half, half * aside);
        reference(picture, [(middle - by, y + up), (middle + by, y - up)], dash);
    };
    Key { name: name.to_string(), swatch: Box::new(swatch) }
}

fn reference(picture: &mut Picture, ends: [(f64, f64); 2], dash: (f64, f64)) {
    picture.add(Mark::Polyline { points: ends.to_vec(), stroke: MIDDLE, width: 1.5, dash: Some(dash) });
}

impl Series {
    fn draw_spread(&self, picture: &mut Picture, spread: Spread, color: Color, x: &Axis, y: &Axis) {
        let ends: Vec<(f64, f64, f64)> =
            self.points.iter().filter_map(|p| p.ends.map(|(low, high)| (x.place(p.x), low, high))).collect();
        match spread {
            Spread::Bars => {
                for (x, low, high) in ends {
                    picture.stroke(&[(x, y.place(low)), (x, y.place(high))], color, 1.2);
                    // A bar that goes on beyond the edge does not end there.
                    for end in [low, high].into_iter().filter(|end| y.shows(*end)).map(|end| y.place(end)) {
                        picture.stroke(&[(x - 3.5, end), (x + 3.5, end)], color, 1.2);
                    }
                }
            }
            Spread::Band => {
                let highs = ends.iter().map(|(x, _, high)| (*x, y.place(*high)));
                let lows = ends.iter().rev().map(|(x, low, _)| (*x, y.place(*low)));
                let points = highs.chain(lows).collect();
                picture.add(Mark::Polygon { points, fill: color, opacity: 0.2 });
            }
        }
    }
}

/// The shape of a series besides its colour: print may have none.
fn marker(picture: &mut Picture, look: &Look, (x, y): (f64, f64)) {
    let corners: &[(f64, f64)] = match look.marker % 4 {
        0 => return picture.add(Mark::Circle { x, y, radius: look.radius, fill: look.color }),
        1 => &[(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)],
        2 => &[(0.0, -4.6), (4.3, 3.2), (-4.3, 3.2)],
        _ => &[(0.0, -4.9), (4.9, 0.0), (0.0, 4.9), (-4.9, 0.0)],
    };
    let size = look.radius / 3.6;
    let points = corners.iter().map(|(dx, dy)| (x + size * dx, y + size * dy)).collect();
    picture.add(Mark::Polygon { points, fill: look.color, opacity: 1.0 });
}
