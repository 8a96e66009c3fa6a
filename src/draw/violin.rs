//! Distributions side by side: violins or boxes.

use anyhow::Result;

use super::axis::{Axis, Scale};
use super::color::{Color, INK, PAPER, SERIES};
use super::frame::{Key, Legend, Names, Page, TICK, axes, label_width, y_rules, y_ticks};
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

/// Draws the groups over their categories; `series` are names for the legend,
/// none or one a series, and `legend` is what they are names of.
///
/// # Errors
/// A page with no room for them.
pub fn violin(
    page: &Page,
    shape: Shape,
    scale: Scale,
    categories: &[String],
    (legend, series): (&str, &[String]),
    groups: &[Group],
) -> Result<Picture> {
    let keys = series.iter().enumerate().map(|(i, name)| Key::square(name, SERIES[i % SERIES.len()]));
    let legend = Legend { title: legend.to_string(), keys: keys.collect() };
    let range = scale.around(groups.iter().flat_map(|g| g.values.iter().copied()));

    // Once with a guess of the names' height, then with their height.
    let bounds = page.area(0.0, f64::from(TICK), 0.0, 0.0);
    let labels = label_width(&Axis::new(scale, range, bounds.bottom, bounds.top).ticks(50.0));
    let beside = legend.width(bounds.height());
    let bounds = page.area(labels, f64::from(TICK), 0.0, beside);
    let names = Names::fit(categories, false, bounds.width() / categories.len() as f64);
    let area = page.area(labels, names.depth, 0.0, beside).check()?;
    let y = Axis::new(scale, range, area.bottom, area.top);
    let ticks = y.ticks(50.0);

    let mut picture = page.picture();
    y_rules(&mut picture, &area, &y, &ticks);
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
        distribution(&mut picture, shape, &places, middle, half, color);
    }
    axes(&mut picture, &area);
    y_ticks(&mut picture, &area, &y, &ticks);
    names.draw(&mut picture, &area, categories);
    legend.draw(&mut picture, &area);
    page.words(&mut picture, &area);
    Ok(picture)
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
