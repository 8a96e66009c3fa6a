//! A rectangular grid of cells, coloured by value: heatmaps and matrices.

use anyhow::Result;

use super::axis::{Scale, extremes};
use super::color::{Color, viridis};
use super::frame::{Area, Bar, Names, Page, TICK, name_width, y_name};
use super::panels::{self, Aside, Labels, Panels, Plot};
use super::text::{distinguishing, short, width};
use super::{Anchor, Mark, Picture};

/// What to draw. Columns go from left to right, rows from the top down.
pub struct Cells {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    /// The columns' names are numbers, and some may be left out where there is no room.
    pub numeric_columns: bool,
    /// Row by row; `None` is left blank.
    pub values: Vec<Option<f64>>,
    /// Values at the ends of the colour bar (default: the extremes).
    pub range: Option<(f64, f64)>,
    /// How values are spread over the colours.
    pub scale: Scale,
    /// What the values are; beside the colour bar.
    pub label: String,
    /// Write values into their cells.
    pub numbers: bool,
    /// Significant digits of these (default: 2, or 3 where that tells more of them apart).
    pub digits: Option<usize>,
    /// As high as wide.
    pub square: bool,
}

/// Cells of a panel, and what they have in common with those of others.
struct Drawn<'a> {
    cells: &'a Cells,
    colors: Colors,
    /// The bar of these cells alone.
    bar: Option<Bar>,
    /// Significant digits of numbers, and the width of the longest of all panels, of size 1.
    digits: usize,
    longest: f64,
    /// Smallest size of numbers.
    least: u32,
}

/// What colour a value has.
#[derive(Clone, Copy)]
struct Colors {
    scale: Scale,
    range: (f64, f64),
}

/// Draws the cells; panels have one colour bar, and labels only at the left and below,
/// unless they are free.
///
/// # Errors
/// A page with no room for them.
pub fn grid(page: &Page, panels: &Panels<Cells>) -> Result<Picture> {
    let numbers = panels.charts().flat_map(|cells| cells.values.iter().flatten().copied());
    let asked = panels.charts().next().and_then(|cells| cells.digits);
    let digits = asked.unwrap_or_else(|| distinguishing(numbers.clone()));
    let texts = numbers.clone().map(|v| short(v, digits));
    let longest = texts.map(|text| width(&text, 1)).fold(0.0, f64::max);
    // In small panels as many small numbers would be no more than noise.
    let least = if panels.panels.len() > 1 { 9 } else { 6 };
    let shared = panels.charts().next().map(|cells| cells.colors(numbers));
    // A range that was given is the same in all panels, however free they are.
    let bars = panels.free && panels.charts().any(|cells| cells.range.is_none());
    let drawn = panels.map(|cells| {
        let own = cells.colors(cells.values.iter().flatten().copied());
        let bar = bars.then(|| own.bar(&cells.label));
        Drawn { cells, colors: shared.filter(|_| !bars).unwrap_or(own), bar, digits, longest, least }
    });
    let aside = match drawn.charts().next() {
        Some(first) if !bars => Aside::Bar(first.colors.bar(&first.cells.label)),
        _ => Aside::Nothing,
    };
    panels::draw(page, &drawn, &aside)
}

impl Cells {
    /// Without the columns and rows that are all blank; a square without those names for
    /// which both are.
    #[must_use]
    pub fn compact(self) -> Cells {
        let (width, height) = (self.columns.len(), self.rows.len());
        let known = |row: usize, column: usize| self.values[row * width + column].is_some();
        let in_column =
            |c: usize| (0..height).any(|r| known(r, c)) || self.square && (0..width).any(|k| known(c, k));
        let in_row =
            |r: usize| (0..width).any(|c| known(r, c)) || self.square && (0..height).any(|k| known(k, r));
        let columns: Vec<usize> = (0..width).filter(|c| in_column(*c)).collect();
        let rows: Vec<usize> = (0..height).filter(|r| in_row(*r)).collect();
        // All blank: there is nothing to choose by.
        if columns.is_empty() {
            return self;
        }
        let values = rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c)));
        Cells {
            values: values.map(|(r, c)| self.values[r * width + c]).collect(),
            columns: columns.iter().map(|&c| self.columns[c].clone()).collect(),
            rows: rows.iter().map(|&r| self.rows[r].clone()).collect(),
            ..self
        }
    }

    /// Colours for these values, unless the range is given.
    fn colors(&self, values: impl Iterator<Item = f64>) -> Colors {
        let extremes = || match extremes(values) {
            (low, high) if low < high => (low, high),
            // One value only, or none: in the middle of some range.
            (low, high) if low == high && self.scale == Scale::Linear => {
                (low - low.abs().max(1.0) / 2.0, low + low.abs().max(1.0) / 2.0)
            }
            (low, high) if low == high => (low / 10.0, low * 10.0),
            _ if self.scale == Scale::Linear => (0.0, 1.0),
            _ => (0.1, 1.0),
        };
        Colors { scale: self.scale, range: self.range.unwrap_or_else(extremes) }
    }
}

impl Colors {
    fn bar(self, label: &str) -> Bar {
        Bar { scale: self.scale, range: self.range, label: label.to_string(), colors: viridis }
    }

    fn of(self, value: f64) -> Color {
        viridis(self.scale.share(value, self.range))
    }
}

impl Plot for Drawn<'_> {
    fn left(&self, _height: f64) -> f64 {
        name_width(&self.cells.rows)
    }

    fn below(&self, width: f64) -> f64 {
        self.names(width).depth
    }

    fn overhang(&self, width: f64) -> f64 {
        let names = &self.cells.columns;
        self.names(width).overhang(names, width / names.len() as f64)
    }

    /// Squares leave a part free.
    fn fit(&self, width: f64, height: f64) -> (f64, f64) {
        if !self.cells.square {
            return (width, height);
        }
        let (columns, rows) = (self.cells.columns.len() as f64, self.cells.rows.len() as f64);
        let side = (width / columns).min(height / rows);
        (side * columns, side * rows)
    }

    fn bar(&self) -> Option<&Bar> {
        self.bar.as_ref()
    }

    fn draw(&self, picture: &mut Picture, area: &Area, labels: Labels) {
        let cells = self.cells;
        let edges = Edges { area: *area, columns: cells.columns.len(), rows: cells.rows.len() };
        for (i, value) in cells.values.iter().enumerate() {
            if let Some(value) = value {
                let (x, y, width, height) = edges.cell(i);
                picture.rectangle(x, y, width, height, self.colors.of(*value));
            }
        }
        if cells.numbers {
            self.write_numbers(picture, &edges);
        }
        if labels.x {
            self.names(area.width()).draw(picture, area, &cells.columns);
        }
        if labels.y {
            let slot = area.height() / cells.rows.len() as f64;
            let every = (f64::from(TICK + 2) / slot).ceil().max(1.0) as usize;
            for (i, name) in cells.rows.iter().enumerate().step_by(every) {
                let y = area.top + (i as f64 + 0.5) * slot + 4.0;
                y_name(picture, area, name, y);
            }
        }
    }
}

impl Drawn<'_> {
    fn names(&self, width: f64) -> Names {
        let columns = &self.cells.columns;
        Names::fit(columns, self.cells.numeric_columns, width / columns.len() as f64)
    }

    /// In one size, at which the longest of them fits; not at all where that is too small.
    fn write_numbers(&self, picture: &mut Picture, edges: &Edges) {
        let (_, _, cell_width, cell_height) = edges.cell(0);
        let fits = |size: &u32| {
            self.longest * f64::from(*size) + 3.0 <= cell_width && f64::from(*size) + 2.0 <= cell_height
        };
        let Some(size) = (self.least..=13).rev().find(fits) else { return };
        for (i, value) in self.cells.values.iter().enumerate() {
            if let Some(value) = value {
                let (x, y, width, height) = edges.cell(i);
                picture.add(Mark::Text {
                    x: x + width / 2.0,
                    y: y + height / 2.0 + 0.36 * f64::from(size),
                    text: short(*value, self.digits),
                    size,
                    anchor: Anchor::Middle,
                    angle: 0.0,
                    color: self.colors.of(*value).contrast(),
                    whole: None,
                });
            }
        }
    }
}

/// Where cells begin and end: at whole pixels, lest seams show.
struct Edges {
    area: Area,
    columns: usize,
    rows: usize,
}

impl Edges {
    /// Left, top, width and height of a cell.
    fn cell(&self, i: usize) -> (f64, f64, f64, f64) {
        let Edges { area, columns, rows } = self;
        let x = |c: usize| (area.left + area.width() * c as f64 / *columns as f64).round();
        let y = |r: usize| (area.top + area.height() * r as f64 / *rows as f64).round();
        let (column, row) = (i % columns, i / columns);
        let (width, height) = (x(column + 1) - x(column), y(row + 1) - y(row));
        // A thin gap, where cells are large enough for one.
        let gap = if width.min(height) >= 14.0 { 1.0 } else { 0.0 };
        (x(column), y(row), width - gap, height - gap)
    }
}
