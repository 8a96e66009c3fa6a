//! Charts of one kind side by side: what surrounds them, and where each of them is.

use anyhow::Result;

use super::frame::{Area, Bar, LABEL, Legend, NOTCH, Page, TICK, crisp, fitting};
use super::{Anchor, Picture};

/// Space between panels, besides what is written in it.
const GAP: f64 = 24.0;

/// Height of a panel's title with the space under it.
const TITLE: f64 = LABEL as f64 + 8.0;

/// Charts of one kind side by side.
pub struct Panels<T> {
    /// From left to right, row after row, each under its title.
    pub panels: Vec<(String, T)>,
    /// Panels in a row.
    pub columns: usize,
    /// Each has ranges of its own.
    pub free: bool,
}

impl<T> From<T> for Panels<T> {
    fn from(chart: T) -> Panels<T> {
        Panels { panels: vec![(String::new(), chart)], columns: 1, free: false }
    }
}

impl<T> Panels<T> {
    pub(super) fn charts(&self) -> impl Iterator<Item = &T> + Clone {
        self.panels.iter().map(|(_, chart)| chart)
    }

    pub(super) fn map<'a, U>(&'a self, f: impl Fn(&'a T) -> U) -> Panels<U> {
        let panels = self.panels.iter().map(|(title, chart)| (title.clone(), f(chart))).collect();
        Panels { panels, columns: self.columns, free: self.free }
    }
}

/// A chart that can be drawn in an area given.
pub(super) trait Plot {
    /// Width of the labels left of an area of a height.
    fn left(&self, height: f64) -> f64;

    /// Height of the labels under an area of a width.
    fn below(&self, width: f64) -> f64;

    /// How far the labels under an area of a width reach out at its left.
    fn overhang(&self, _width: f64) -> f64 {
        0.0
    }

    /// Height of what is written over the area.
    fn above(&self) -> f64 {
        0.0
    }

    /// The part of a width and a height that the chart fills.
    fn fit(&self, width: f64, height: f64) -> (f64, f64) {
        (width, height)
    }

    /// A colour bar of the chart's own.
    fn bar(&self) -> Option<&Bar> {
        None
    }

    fn draw(&self, picture: &mut Picture, area: &Area, labels: Labels);
}

/// Which axes have their labels written.
#[derive(Clone, Copy)]
pub(super) struct Labels {
    pub x: bool,
    pub y: bool,
}

/// What explains all panels, at the right of them.
pub(super) enum Aside {
    Nothing,
    Legend(Legend),
    Bar(Bar),
}

impl Aside {
    /// Beside an area of a height, which for a bar may still change.
    fn width(&self, page: &Page, height: f64) -> f64 {
        match self {
            Aside::Nothing => 0.0,
            Aside::Legend(legend) => legend.width(height, page.width as f64),
            Aside::Bar(bar) => bar.width(page.height as f64),
        }
    }

    fn draw(&self, picture: &mut Picture, area: &Area) {
        match self {
            Aside::Nothing => {}
            Aside::Legend(legend) => legend.draw(picture, area),
            Aside::Bar(bar) => bar.draw(picture, area),
        }
    }
}

/// Draws all panels on a page.
///
/// # Errors
/// A page with no room for them.
pub(super) fn draw<P: Plot>(page: &Page, panels: &Panels<P>, aside: &Aside) -> Result<Picture> {
    let layout = Layout::of(page, panels, aside);
    let mut picture = page.picture();
    let count = panels.panels.len();
    let sizes = panels.panels.iter().map(|(title, _)| fitting(title, LABEL, layout.width));
    let size = sizes.min().unwrap_or(LABEL).max(11);
    for (i, (title, plot)) in panels.panels.iter().enumerate() {
        let area = layout.area(i, plot).check()?;
        let labels = Labels {
            x: panels.free || i + layout.columns >= count,
            y: panels.free || i.is_multiple_of(layout.columns),
        };
        plot.draw(&mut picture, &area, labels);
        if let Some(bar) = plot.bar() {
            bar.draw(&mut picture, &area);
        }
        let place = ((area.left + area.right) / 2.0, area.top - plot.above() - 8.0);
        picture.within(area.width() + GAP / 2.0, place, title, size, Anchor::Middle, 0.0);
    }
    let whole = layout.whole(count);
    aside.draw(&mut picture, &whole);
    page.words(&mut picture, &whole);
    Ok(picture)
}

/// Where panels are. All are of one size, whatever is written beside each.
struct Layout {
    columns: usize,
    left: f64,
    top: f64,
    /// Of one panel.
    width: f64,
    height: f64,
    /// From a panel to the next one, besides its size.
    across: f64,
    down: f64,
}

impl Layout {
    fn of<P: Plot>(page: &Page, panels: &Panels<P>, aside: &Aside) -> Layout {
        let columns = panels.columns.clamp(1, panels.panels.len().max(1));
        let rows = panels.panels.len().div_ceil(columns).max(1);
        let most = |f: &dyn Fn(&P) -> f64| panels.charts().map(f).fold(0.0, f64::max);
        let titled = panels.panels.iter().any(|(title, _)| !title.is_empty());
        let above = most(&P::above) + if titled { TITLE } else { 0.0 };
        let down = |depth: f64| {
            let labels = if panels.free { depth + NOTCH + 4.0 } else { 0.0 };
            (GAP / 2.0 + above + labels).ceil()
        };
        let share = |length: f64, count: usize, gap: f64| {
            ((length - (count - 1) as f64 * gap) / count as f64).floor()
        };

        // Heights first: how many ticks there is room for decides how wide their labels are.
        let upright = f64::from(TICK);
        let bounds = page.area(0.0, upright, above, 0.0);
        let height = share(bounds.height(), rows, down(upright));
        let left = most(&|p| p.left(height));
        let own = most(&|p| p.bar().map_or(0.0, |bar| bar.width(height)));
        let beside = aside.width(page, bounds.height()) + own;
        let across = if panels.free { left + NOTCH + 4.0 + own } else { 0.0 };
        let across = (GAP + across).ceil();

        let placed = |left: f64, depth: f64| {
            let outer = page.area(left, depth, above, beside);
            let width = share(outer.width(), columns, across);
            let height = share(outer.height(), rows, down(depth));
            let filled = panels.charts().map(|p| p.fit(width, height));
            let (width, height) = filled.fold((0f64, 0f64), |(w, h), (x, y)| (w.max(x), h.max(y)));
            (outer, width, height)
        };
        let deep = |depth: f64| {
            let (_, width, height) = placed(left, depth);
            most(&|p| p.below(p.fit(width, height).0))
        };
        // Twice, since high names leave smaller squares, under which they may have to lean.
        let depth = deep(deep(upright));
        let (outer, width, height) = placed(left, depth);
        // A single chart stays as wide as it ever was.
        let cut = if panels.panels.len() > 1 { most(&|p| p.overhang(width)) - outer.left } else { 0.0 };
        let (outer, width, height) =
            if cut > 0.0 { placed(left + cut.ceil() + 4.0, depth) } else { (outer, width, height) };
        let all = columns as f64 * width + (columns - 1) as f64 * across;
        Layout {
            columns,
            left: outer.left + ((outer.width() - all) / 2.0).floor(),
            top: outer.top,
            width,
            height,
            across,
            down: down(depth),
        }
    }

    /// The area of a panel.
    fn area<P: Plot>(&self, i: usize, plot: &P) -> Area {
        let (column, row) = (i % self.columns, i / self.columns);
        let left = crisp(self.left + column as f64 * (self.width + self.across));
        let top = crisp(self.top + row as f64 * (self.height + self.down));
        let (width, height) = plot.fit(self.width, self.height);
        Area { left, right: left + width, top, bottom: top + height }
    }

    /// What all panels together take.
    fn whole(&self, count: usize) -> Area {
        let (columns, rows) = (self.columns as f64, count.div_ceil(self.columns) as f64);
        let width = columns * self.width + (columns - 1.0) * self.across;
        let height = rows * self.height + (rows - 1.0) * self.down;
        let (left, top) = (self.left, self.top);
        Area { left, right: left + width, top, bottom: top + height }
    }
}
