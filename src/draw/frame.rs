//! What surrounds the data: title, axes and their labels, legend.

use anyhow::{Result, ensure};

use super::axis::{Axis, Tick};
use super::color::{Color, FAINT, INK, MIDDLE};
use super::{Anchor, Mark, Picture, Scale, text};

const TITLE: u32 = 16;
pub(super) const LABEL: u32 = 14;
pub(super) const TICK: u32 = 12;

/// Free space at the page's edges.
const EDGE: f64 = 14.0;
/// Length of a tick.
pub(super) const NOTCH: f64 = 5.0;
/// Height of a line of the legend, at least where there are many, and width of what it shows
/// beside the name.
const LINE: f64 = 20.0;
const CLOSE: f64 = 14.0;
/// Height of a line of the legend whose name may be broken into two.
const DOUBLE: f64 = 28.0;
const SWATCH: f64 = 30.0;
/// From the data to the legend, and the width of its narrowest column.
const ASIDE: f64 = 16.0;
const NARROWEST: f64 = 70.0;
/// Smallest side of the area of the data.
const LEAST: f64 = 40.0;

/// Size and words of a page.
#[derive(Clone, Debug)]
pub struct Page {
    pub width: usize,
    pub height: usize,
    /// Pixels of the picture to a unit of width and height, letters and all.
    pub scale: usize,
    pub title: Option<String>,
    pub x_label: String,
    pub y_label: String,
}

/// The area of the data: pixels of its edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// Draws something from x on around y.
type Swatch = Box<dyn Fn(&mut Picture, f64, f64)>;

/// One line of a legend: a name, and what stands for it.
pub(super) struct Key {
    pub name: String,
    pub swatch: Swatch,
}

/// Columns of keys beside the data.
pub(super) struct Legend {
    pub title: String,
    pub keys: Vec<Key>,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn check(self) -> Result<Area> {
        ensure!(
            self.width() >= LEAST && self.height() >= LEAST,
            "the page is too small: labels and legend leave {:.0}x{:.0} pixels for the data; \
             give a larger --width or --height",
            self.width().max(0.0),
            self.height().max(0.0)
        );
        Ok(self)
    }
}

impl Page {
    pub(super) fn picture(&self) -> Picture {
        Picture { scale: self.scale, ..Picture::new(self.width, self.height) }
    }

    /// The area that margins leave: beside ticks of widths and heights given, and
    /// with `above` and `beside` kept free at the top and on the right.
    pub(super) fn area(&self, y_ticks: f64, x_ticks: f64, above: f64, beside: f64) -> Area {
        let title = if self.title.is_some() { f64::from(TITLE) + 12.0 } else { 0.0 };
        let label = |text: &str| if text.is_empty() { 0.0 } else { f64::from(LABEL) + 8.0 };
        Area {
            left: crisp(EDGE + label(&self.y_label) + y_ticks + NOTCH + 4.0),
            right: crisp(self.width as f64 - EDGE - beside),
            top: crisp(EDGE + title + above),
            bottom: crisp(self.height as f64 - EDGE - label(&self.x_label) - x_ticks - NOTCH - 4.0),
        }
    }

    /// Title and names of the axes.
    pub(super) fn words(&self, picture: &mut Picture, area: &Area) {
        let middle = (area.left + area.right) / 2.0;
        if let Some(title) = &self.title {
            across(picture, title, TITLE, middle, EDGE + f64::from(TITLE));
        }
        across(picture, &self.x_label, LABEL, middle, self.height as f64 - EDGE);
        upwards(picture, &self.y_label, EDGE + f64::from(LABEL) - 2.0, area);
    }
}

/// The middle of a pixel: a line of its width there has sharp edges.
pub(super) fn crisp(at: f64) -> f64 {
    at.floor() + 0.5
}

/// The largest size, up to the one given, at which a text has room.
pub(super) fn fitting(words: &str, size: u32, room: f64) -> u32 {
    (9..=size).rev().find(|s| text::width(words, *s) <= room).unwrap_or(9)
}

/// A text on a line of the page, about its middle.
fn across(picture: &mut Picture, words: &str, size: u32, middle: f64, y: f64) {
    let page = picture.width as f64;
    let (x, size) = centred(words, size, middle, page);
    picture.within(page - 2.0 * EDGE, (x, y), words, size, Anchor::Middle, 0.0);
}

/// The name of what goes up, about the middle of the area.
fn upwards(picture: &mut Picture, words: &str, x: f64, area: &Area) {
    let page = picture.height as f64;
    let (y, size) = centred(words, LABEL, (area.top + area.bottom) / 2.0, page);
    picture.within(page - 2.0 * EDGE, (x, y), words, size, Anchor::Middle, -90.0);
}

/// A text's place as near the middle as the page allows, and a size at which it fits.
fn centred(words: &str, size: u32, middle: f64, page: f64) -> (f64, u32) {
    let size = fitting(words, size, page - 2.0 * EDGE);
    let half = text::width(words, size) / 2.0;
    // What is longer than the page is cut to it.
    let half = half.min(page / 2.0 - EDGE);
    (middle.min(page - EDGE - half).max(EDGE + half), size)
}

/// Faint lines up from the labelled ticks of x.
pub(super) fn x_rules(picture: &mut Picture, area: &Area, axis: &Axis, ticks: &[Tick]) {
    for tick in ticks.iter().filter(|tick| !tick.label.is_empty()) {
        let at = crisp(axis.place(tick.value));
        picture.stroke(&[(at, area.top), (at, area.bottom)], FAINT, 1.0);
    }
}

/// Faint lines across from the labelled ticks of y.
pub(super) fn y_rules(picture: &mut Picture, area: &Area, axis: &Axis, ticks: &[Tick]) {
    for tick in ticks.iter().filter(|tick| !tick.label.is_empty()) {
        let at = crisp(axis.place(tick.value));
        picture.stroke(&[(area.left, at), (area.right, at)], FAINT, 1.0);
    }
}

/// The two lines that data rest on.
pub(super) fn axes(picture: &mut Picture, area: &Area) {
    let corner = (area.left, area.bottom);
    picture.stroke(&[(area.left, area.top), corner, (area.right, area.bottom)], INK, 1.0);
}

pub(super) fn x_ticks(picture: &mut Picture, area: &Area, axis: &Axis, ticks: &[Tick], labels: bool) {
    for tick in ticks {
        let at = crisp(axis.place(tick.value));
        let notch = if tick.label.is_empty() { NOTCH * 0.6 } else { NOTCH };
        picture.stroke(&[(at, area.bottom), (at, area.bottom + notch)], INK, 1.0);
        if labels {
            picture.text(at, area.bottom + NOTCH + 2.0 + f64::from(TICK), &tick.label, TICK, Anchor::Middle);
        }
    }
}

pub(super) fn y_ticks(picture: &mut Picture, area: &Area, axis: &Axis, ticks: &[Tick], labels: bool) {
    for tick in ticks {
        let at = crisp(axis.place(tick.value));
        let notch = if tick.label.is_empty() { NOTCH * 0.6 } else { NOTCH };
        picture.stroke(&[(area.left - notch, at), (area.left, at)], INK, 1.0);
        if labels {
            picture.text(area.left - NOTCH - 4.0, at + 4.0, &tick.label, TICK, Anchor::End);
        }
    }
}

/// Width that the labels of ticks take.
pub(super) fn label_width(ticks: &[Tick]) -> f64 {
    text::widest(ticks.iter().map(|t| t.label.as_str()), TICK)
}

/// Width of the longest name at an axis that is not cut.
const NAME: f64 = 170.0;

/// Width that names at an axis take.
pub(super) fn name_width(names: &[String]) -> f64 {
    text::widest(names.iter().map(String::as_str), TICK).min(NAME)
}

/// A name left of an axis.
pub(super) fn y_name(picture: &mut Picture, area: &Area, name: &str, y: f64) {
    picture.within(NAME, (area.left - 8.0, y), name, TICK, Anchor::End, 0.0);
}

/// How names stand under slots of a width.
pub(super) struct Names {
    /// They lean, since side by side they would run into each other.
    leaning: bool,
    /// Every which of them is written.
    every: usize,
    /// Height they take.
    pub depth: f64,
}

impl Names {
    pub(super) fn fit(names: &[String], numeric: bool, slot: f64) -> Names {
        let widest = text::widest(names.iter().map(String::as_str), TICK);
        let upright = f64::from(TICK);
        // Of a slot as wide as the longest name, what is cut of it is no more than of one that leans.
        if widest.min(NAME) + 6.0 <= slot {
            return Names { leaning: false, every: 1, depth: upright };
        }
        // A gap between numbers can be filled in by eye, one between words cannot.
        if numeric {
            return Names { leaning: false, every: ((widest + 6.0) / slot).ceil() as usize, depth: upright };
        }
        let every = (15.0 / slot).ceil().max(1.0) as usize;
        Names { leaning: true, every, depth: (widest.min(NAME) + upright) * std::f64::consts::FRAC_1_SQRT_2 }
    }

    /// How far they reach out at the left of their slots.
    pub(super) fn overhang(&self, names: &[String], slot: f64) -> f64 {
        if !self.leaning {
            return 0.0;
        }
        let reach = |name: &str| text::width(name, TICK).min(NAME) * std::f64::consts::FRAC_1_SQRT_2;
        let names = names.iter().enumerate().step_by(self.every);
        names.map(|(i, name)| reach(name) - (i as f64 + 0.5) * slot).fold(0.0, f64::max)
    }

    pub(super) fn draw(&self, picture: &mut Picture, area: &Area, names: &[String]) {
        let slot = area.width() / names.len() as f64;
        for (i, name) in names.iter().enumerate().step_by(self.every) {
            let x = area.left + (i as f64 + 0.5) * slot;
            if self.leaning {
                picture.within(NAME, (x + 4.0, area.bottom + NOTCH + 8.0), name, TICK, Anchor::End, -45.0);
            } else {
                let y = area.bottom + NOTCH + 2.0 + f64::from(TICK);
                picture.within(slot * self.every as f64 - 4.0, (x, y), name, TICK, Anchor::Middle, 0.0);
            }
        }
    }
}

/// A legend laid out beside an area.
struct Columns<'a> {
    columns: Vec<&'a [Key]>,
    /// Keys for which there is no room.
    left_out: usize,
    /// Height of a line.
    line: f64,
    /// Size of the names, and what is cut of the longest columns.
    size: u32,
    widths: Vec<f64>,
}

impl Legend {
    /// Width it takes beside an area of a height on a page of a width: a quarter of that at most.
    pub(super) fn width(&self, height: f64, page: f64) -> f64 {
        if self.keys.is_empty() {
            return 0.0;
        }
        let laid = self.columns(height, page);
        let title = text::width(&self.title, TICK).min(room(page));
        laid.widths.iter().sum::<f64>().max(title) + ASIDE
    }

    pub(super) fn draw(&self, picture: &mut Picture, area: &Area) {
        if self.keys.is_empty() {
            return;
        }
        let page = picture.width as f64;
        let laid = self.columns(area.height(), page);
        let mut x = area.right + ASIDE;
        let top = area.top + if self.title.is_empty() { 0.0 } else { LINE };
        picture.within(room(page), (x, area.top + f64::from(TICK)), &self.title, TICK, Anchor::Start, 0.0);
        let middle = |line: usize| top + (line as f64 + 0.5) * laid.line;
        for (i, (column, width)) in laid.columns.iter().zip(&laid.widths).enumerate() {
            let room = width - SWATCH - 8.0;
            for (line, key) in column.iter().enumerate() {
                (key.swatch)(picture, x, middle(line));
                let (x, y) = (x + SWATCH, middle(line) + 4.0);
                match text::broken(&key.name, laid.size, room).filter(|_| laid.line == DOUBLE) {
                    Some((first, second)) => {
                        picture.text(x, y - 6.5, first, laid.size, Anchor::Start);
                        picture.text(x, y + 6.5, second, laid.size, Anchor::Start);
                    }
                    None => picture.within(room, (x, y), &key.name, laid.size, Anchor::Start, 0.0),
                }
            }
            if laid.left_out > 0 && i + 1 == laid.columns.len() {
                let more = format!("{} more", laid.left_out);
                picture.text(x, middle(column.len()) + 4.0, &more, laid.size, Anchor::Start);
            }
            x += width;
        }
    }

    /// As many columns as the keys need, with names that are broken, or smaller, then cut, to fit; but
    /// no more than leave room for a few letters each.
    fn columns(&self, height: f64, page: f64) -> Columns<'_> {
        let height = height - if self.title.is_empty() { 0.0 } else { LINE };
        let natural = |column: &[Key], size: u32| {
            SWATCH + text::widest(column.iter().map(|k| k.name.as_str()), size) + 8.0
        };
        // Long names in two lines where there is height for them; then closer lines rather than
        // narrower columns.
        let each = height / self.keys.len() as f64;
        let double = each >= DOUBLE && natural(&self.keys, TICK) > room(page);
        let line = if double { DOUBLE } else { each.clamp(CLOSE, LINE) };
        let lines = ((height / line + 1e-9).floor() as usize).max(1);
        let most = ((room(page) / NARROWEST) as usize).max(1);
        let left_out = match self.keys.len() {
            n if n <= most * lines => 0,
            // Less one, to say so.
            n => n - (most * lines - 1).max(1),
        };
        let columns: Vec<&[Key]> = self.keys[..self.keys.len() - left_out].chunks(lines).collect();
        let total = |size: u32| columns.iter().map(|c| natural(c, size)).sum::<f64>();
        let fits = |size: &u32| double || total(*size) <= room(page);
        let size = (10..=TICK).rev().find(fits).unwrap_or(10);
        // Short columns leave their room to the long ones.
        let mut widths: Vec<f64> = columns.iter().map(|c| natural(c, size)).collect();
        let mut order: Vec<usize> = (0..widths.len()).collect();
        order.sort_by(|&a, &b| widths[a].total_cmp(&widths[b]));
        let mut free = room(page);
        for (done, &i) in order.iter().enumerate() {
            widths[i] = widths[i].min(free / (order.len() - done) as f64);
            free -= widths[i];
        }
        Columns { columns, left_out, line, size, widths }
    }
}

/// Width of the columns of a legend on a page of a width.
fn room(page: f64) -> f64 {
    (page / 4.0 - ASIDE).max(NARROWEST)
}

impl Key {
    /// Width of what a swatch draws.
    pub(super) const WIDTH: f64 = SWATCH - 8.0;

    pub(super) fn square(name: &str, fill: Color) -> Key {
        let swatch = move |picture: &mut Picture, x: f64, y: f64| {
            picture.rectangle(x + 4.0, y - 6.0, 14.0, 12.0, fill);
        };
        Key { name: name.to_string(), swatch: Box::new(swatch) }
    }
}

/// A colour bar with its ticks, right of the area.
pub(super) struct Bar {
    pub scale: Scale,
    pub range: (f64, f64),
    pub label: String,
    pub colors: fn(f64) -> Color,
}

impl Bar {
    const THICKNESS: f64 = 16.0;
    const GAP: f64 = 16.0;

    fn ticks(&self, top: f64, bottom: f64) -> (Axis, Vec<Tick>) {
        let axis = Axis::new(self.scale, self.range, bottom, top);
        let ticks = axis.ticks(50.0);
        (axis, ticks)
    }

    /// Width it takes.
    pub(super) fn width(&self, height: f64) -> f64 {
        let (_, ticks) = self.ticks(0.0, height);
        let label = if self.label.is_empty() { 0.0 } else { f64::from(LABEL) + 8.0 };
        Bar::GAP + Bar::THICKNESS + NOTCH + 3.0 + label_width(&ticks) + label
    }

    pub(super) fn draw(&self, picture: &mut Picture, area: &Area) {
        let (left, height) = ((area.right + Bar::GAP).round(), area.height());
        let steps = (height as usize).max(2);
        let share = |i: usize| 1.0 - i as f64 / (steps - 1) as f64;
        picture.add(Mark::Pixels {
            x: left,
            y: area.top.round(),
            width: Bar::THICKNESS,
            height,
            columns: 1,
            pixels: (0..steps).map(|i| (self.colors)(share(i))).collect(),
        });
        let (axis, ticks) = self.ticks(area.top, area.bottom);
        let right = left + Bar::THICKNESS;
        for tick in &ticks {
            let y = crisp(axis.place(tick.value));
            picture.stroke(&[(right, y), (right + NOTCH, y)], MIDDLE, 1.0);
            picture.text(right + NOTCH + 3.0, y + 4.0, &tick.label, TICK, Anchor::Start);
        }
        upwards(
            picture,
            &self.label,
            right + NOTCH + 3.0 + label_width(&ticks) + f64::from(LABEL) + 4.0,
            area,
        );
    }
}
