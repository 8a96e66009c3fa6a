//! Distributions side by side: violins or boxes.

use anyhow::Result;

use super::axis::{Axis, Scale, Tick};
use super::color::{Color, INK, PAPER, SERIES};
use super::frame::{Area, Key, Legend, Names, Page, axes, label_width, y_rules, y_ticks};
use super::panels::{self, Aside, Labels, Panels, Plot};
use super::{Mark, Picture};

/// The values of one category and series.
pub struct Group {
    /// Index of the category, and of the series in it.
    pub category: usize,
    pub series: usize,
    pub values: Vec<f64>,
}

/// How a distribution is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Its density, mirrored, with a thin box in it.
    Violin,
    Box,
}

/// Values below which a distribution is drawn as its points.
const FEW: usize = 5;

/// Heights at which a density is taken.
const STEPS: usize = 80;

/// What to draw.
pub struct Violins {
    pub shape: Shape,
    pub scale: Scale,
    pub categories: Vec<String>,
    /// Names for the legend: none, or one a series.
    pub series: Vec<String>,
    /// What the series are; over the legend.
    pub legend: String,
    pub groups: Vec<Group>,
}

/// Violins of a panel, over its range.
struct Drawn<'a> {
    violins: &'a Violins,
    range: (f64, f64),
}

/// Draws the groups over their categories. Panels have one range, unless they are free,
/// and one legend: their series are the same.
///
/// # Errors
/// A page with no room for them.
pub fn violin(page: &Page, panels: &Panels<Violins>) -> Result<Picture> {
    let first = panels.charts().next();
    let scale = first.map_or(Scale::Linear, |v| v.scale);
    let shared = scale.around(panels.charts().flat_map(Violins::values));
    let drawn = panels.map(|violins| {
        let range = if panels.free { scale.around(violins.values()) } else { shared };
        Drawn { violins, range }
    });
    let aside = first.map_or(Aside::Nothing, |v| Aside::Legend(v.legend()));
    panels::draw(page, &drawn, &aside)
}

impl Violins {
    /// Without the categories that have no values.
    #[must_use]
    pub fn compact(mut self) -> Violins {
        let known = |c: &usize| self.groups.iter().any(|g| g.category == *c && !g.values.is_empty());
        let kept: Vec<usize> = (0..self.categories.len()).filter(known).collect();
        // All empty: there is nothing to choose by.
        if kept.is_empty() {
            return self;
        }
        self.categories = kept.iter().map(|&c| self.categories[c].clone()).collect();
        self.groups.retain_mut(|group| match kept.binary_search(&group.category) {
            Ok(place) => {
                group.category = place;
                true
            }
            Err(_) => false,
        });
        self
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.groups.iter().flat_map(|g| g.values.iter().copied())
    }

    fn legend(&self) -> Legend {
        let keys = self.series.iter().enumerate();
        let keys = keys.map(|(i, name)| Key::square(name, SERIES[i % SERIES.len()])).collect();
        Legend { title: self.legend.clone(), keys }
    }
}

impl Drawn<'_> {
    fn y(&self, bottom: f64, top: f64) -> (Axis, Vec<Tick>) {
        let axis = Axis::new(self.violins.scale, self.range, bottom, top);
        let ticks = axis.ticks(50.0);
        (axis, ticks)
    }

    fn names(&self, width: f64) -> Names {
        let categories = &self.violins.categories;
        Names::fit(categories, false, width / categories.len() as f64)
    }
}

impl Plot for Drawn<'_> {
    fn left(&self, height: f64) -> f64 {
        label_width(&self.y(height, 0.0).1)
    }

    fn below(&self, width: f64) -> f64 {
        self.names(width).depth
    }

    fn overhang(&self, width: f64) -> f64 {
        let names = &self.violins.categories;
        self.names(width).overhang(names, width / names.len() as f64)
    }

    fn draw(&self, picture: &mut Picture, area: &Area, labels: Labels) {
        let Violins { shape, categories, series, groups, .. } = self.violins;
        let (y, ticks) = self.y(area.bottom, area.top);
        y_rules(picture, area, &y, &ticks);
        let slot = area.width() / categories.len() as f64;
        let lane = slot * 0.9 / series.len().max(1) as f64;
        for group in groups {
            let left = area.left + slot * group.category as f64 + slot * 0.05;
            let middle = left + lane * (group.series as f64 + 0.5);
            let half = (lane * 0.45).min(60.0);
            let color = SERIES[group.series % SERIES.len()];
            // In the axis' own units, in which the picture is seen: a density over a
            // logarithmic axis is one of the logarithms.
            let mut places: Vec<f64> = group.values.iter().map(|v| y.place(*v)).collect();
            places.sort_by(f64::total_cmp);
            distribution(picture, *shape, &places, middle, half, color);
        }
        axes(picture, area);
        y_ticks(picture, area, &y, &ticks, labels.y);
        if labels.x {
            self.names(area.width()).draw(picture, area, categories);
        }
    }
}

/// `places` are heights on the page, in order.
fn distribution(picture: &mut Picture, shape: Shape, places: &[f64], middle: f64, half: f64, color: Color) {
    if places.len() < FEW {
        for &y in places {
            picture.add(Mark::Circle { x: middle, y, radius: 3.6, fill: color });
        }
        return;
    }
    let [lowest, first, median, third, highest] = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(places, q));
    let strip = match shape {
        Shape::Violin => {
            let outline = outline(places, middle, half);
            picture.add(Mark::Polygon { points: outline.clone(), fill: color, opacity: 0.35 });
            picture.stroke(&outline, color, 1.2);
            (half * 0.12).clamp(1.5, 5.0)
        }
        Shape::Box => {
            for end in [lowest, highest] {
                picture.stroke(&[(middle - half * 0.4, end), (middle + half * 0.4, end)], INK, 1.2);
            }
            half * 0.8
        }
    };
    picture.stroke(&[(middle, lowest), (middle, highest)], INK, 1.0);
    let fill = if shape == Shape::Box { color } else { INK };
    picture.rectangle(middle - strip, first, 2.0 * strip, third - first, fill);
    match shape {
        Shape::Violin => picture.add(Mark::Circle { x: middle, y: median, radius: 2.4, fill: PAPER }),
        Shape::Box => picture.stroke(&[(middle - strip, median), (middle + strip, median)], PAPER, 2.0),
    }
}

/// The density of the places, by Gaussians of Silverman's width, to both sides of
/// the middle. It ends where the places end: nothing is shown where nothing is.
fn outline(places: &[f64], middle: f64, half: f64) -> Vec<(f64, f64)> {
    let (low, high) = (places[0], places[places.len() - 1]);
    let width = bandwidth(places);
    let heights: Vec<f64> = (0..=STEPS).map(|i| low + (high - low) * i as f64 / STEPS as f64).collect();
    let density = |at: f64| places.iter().map(|y| (-0.5 * ((at - y) / width).powi(2)).exp()).sum::<f64>();
    let densities: Vec<f64> = heights.iter().map(|&y| density(y)).collect();
    let largest = densities.iter().copied().fold(0.0, f64::max);
    let side = |sign: f64| {
        let widths = densities.iter().map(move |d| middle + sign * half * d / largest);
        widths.zip(heights.iter().copied()).collect::<Vec<_>>()
    };
    let right = side(1.0);
    let left = side(-1.0).into_iter().rev();
    let closed = right[0];
    right.iter().copied().chain(left).chain([closed]).collect()
}

/// At least a pixel, so that equal values make a line.
fn bandwidth(places: &[f64]) -> f64 {
    let n = places.len() as f64;
    let mean = places.iter().sum::<f64>() / n;
    let std = (places.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let quartiles = (quantile(places, 0.75) - quantile(places, 0.25)) / 1.34;
    let spread = if quartiles > 0.0 { std.min(quartiles) } else { std };
    (0.9 * spread * n.powf(-0.2)).max(1.0)
}

/// Of ordered values, between neighbours in proportion.
fn quantile(ordered: &[f64], share: f64) -> f64 {
    let place = share * (ordered.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(ordered.len() - 1);
    ordered[below] + (ordered[above] - ordered[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let ordered = [1.0, 2.0, 3.0, 10.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|q| quantile(&ordered, q)), [1.0, 2.5, 4.75, 10.0]);
    }

    #[test]
    fn a_density_ends_with_its_values_and_is_highest_where_they_are() {
        let places: Vec<f64> = (0..100).map(|i| 200.0 + f64::from(i % 10)).chain([300.0]).collect();
        let mut places = places;
        places.sort_by(f64::total_cmp);
        let outline = outline(&places, 50.0, 20.0);
        let ys = outline.iter().map(|p| p.1);
        assert_eq!(ys.clone().fold(f64::MAX, f64::min), 200.0);
        assert_eq!(ys.fold(f64::MIN, f64::max), 300.0);
        let widest = outline.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|p| (p.0, p.1 < 212.0));
        assert_eq!(widest, Some((70.0, true)));
    }
}
