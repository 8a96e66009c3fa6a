//! A rectangular grid of cells, coloured by value: heatmaps and matrices.

use anyhow::Result;

use super::color::viridis;
use super::frame::{Area, Bar, Names, Page, TICK};
use super::text::{short, widest, width};
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
    /// What the values are; beside the colour bar.
    pub label: String,
    /// Write values into their cells.
    pub numbers: bool,
    /// As high as wide.
    pub square: bool,
}

/// Draws the cells.
///
/// # Errors
/// A page with no room for them.
pub fn grid(page: &Page, cells: &Cells) -> Result<Picture> {
    let range = cells.range.unwrap_or_else(|| cells.extremes());
    let bar = Bar { range, label: cells.label.clone(), colors: viridis };
    let row_names = widest(cells.rows.iter().map(String::as_str), TICK);

    // Heights decide how wide the colour bar's labels are, widths how high the columns'.
    let beside = bar.width(page.height as f64);
    let laid_out = |names_depth: f64| {
        let area = page.area(row_names, names_depth, 0.0, beside);
        let area = if cells.square { area.with_squares(cells.columns.len(), cells.rows.len()) } else { area };
        let slot = area.width() / cells.columns.len() as f64;
        (area, Names::fit(&cells.columns, cells.numeric_columns, slot))
    };
    // Twice, since high names leave smaller squares, under which they may have to lean.
    let (_, names) = laid_out(f64::from(TICK));
    let (_, names) = laid_out(names.depth);
    let (area, names) = laid_out(names.depth);
    let area = area.check()?;

    let mut picture = page.picture();
    let edges = Edges { area, columns: cells.columns.len(), rows: cells.rows.len() };
    let span = range.1 - range.0;
    let share = |v: f64| if span > 0.0 { (v - range.0) / span } else { 0.5 };
    for (i, value) in cells.values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y, width, height) = edges.cell(i);
            picture.rectangle(x, y, width, height, viridis(share(*value)));
        }
    }
    if cells.numbers {
        cells.write_numbers(&mut picture, &edges, share);
    }
    names.draw(&mut picture, &area, &cells.columns);
    let slot = area.height() / cells.rows.len() as f64;
    let every = (f64::from(TICK + 2) / slot).ceil().max(1.0) as usize;
    for (i, name) in cells.rows.iter().enumerate().step_by(every) {
        let y = area.top + (i as f64 + 0.5) * slot + 4.0;
        picture.text(area.left - 8.0, y, name, TICK, Anchor::End);
    }
    bar.draw(&mut picture, &area);
    page.words(&mut picture, &area);
    Ok(picture)
}

impl Cells {
    fn extremes(&self) -> (f64, f64) {
        let known = self.values.iter().flatten();
        let (low, high) =
            known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        match low < high {
            true => (low, high),
            // One value only, or none: in the middle of some range.
            false if low == high => (low - low.abs().max(1.0) / 2.0, low + low.abs().max(1.0) / 2.0),
            false => (0.0, 1.0),
        }
    }

    /// In one size, at which the longest of them fits; not at all where that is too small.
    fn write_numbers(&self, picture: &mut Picture, edges: &Edges, share: impl Fn(f64) -> f64) {
        let texts: Vec<Option<String>> = self.values.iter().map(|v| v.map(short)).collect();
        let (_, _, cell_width, cell_height) = edges.cell(0);
        let fits = |size: &u32| {
            let longest = texts.iter().flatten().map(|t| width(t, *size)).fold(0.0, f64::max);
            longest + 3.0 <= cell_width && f64::from(*size) + 2.0 <= cell_height
        };
        let Some(size) = (6..=13).rev().find(fits) else { return };
        for (i, (text, value)) in texts.iter().zip(&self.values).enumerate() {
            if let (Some(text), Some(value)) = (text, value) {
                let (x, y, width, height) = edges.cell(i);
                picture.add(Mark::Text {
                    x: x + width / 2.0,
                    y: y + height / 2.0 + 0.36 * f64::from(size),
                    text: text.clone(),
                    size,
                    anchor: Anchor::Middle,
                    angle: 0.0,
                    color: viridis(share(*value)).contrast(),
                });
            }
        }
    }
}

impl Area {
    /// The largest part that divides into squares, in the middle.
    fn with_squares(self, columns: usize, rows: usize) -> Area {
        let side = (self.width() / columns as f64).min(self.height() / rows as f64);
        let aside = ((self.width() - side * columns as f64) / 2.0).floor();
        let left = self.left + aside;
        Area { left, right: left + side * columns as f64, bottom: self.top + side * rows as f64, ..self }
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
