//! Sums over windows, of numbers that lie in lines of lanes: three additions a place and axis, however wide the
//! windows are.
//!
//! A line is cut in blocks as long as a window. A window then is the end of a block and the beginning of the next, so
//! running sums from the first and to the last place of each block give it (van Herk 1992; Gil and Werman 1993).
//! Nothing is ever subtracted: a sum of squares has the relative rounding of an addition for each of its terms, of
//! *its own* size, while integral images and sliding sums have that of the largest sum of the image, which swamps the
//! distances of near patches.

use std::ops::Range;

/// Images computed side by side: numbers of one place lie next to each other, so that all loops are over vectors.
pub const LANES: usize = 16;

/// A number for each lane.
pub type Lane<N> = [N; LANES];

/// Windows along one axis.
pub struct Windows {
    /// Places that are summed over.
    inputs: usize,
    /// Length of a block.
    block: usize,
    windows: Vec<Window>,
}

/// A window as running sums: one begins it, and up to two are added.
struct Window {
    first: Running,
    more: [Option<usize>; 2],
}

/// A running sum within a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Running {
    /// From the block's first place to this one.
    Until(usize),
    /// From this place to the block's last one.
    Since(usize),
}

impl Windows {
    /// For each of `centres` the places at most `radius` away, of a line or, `circular`, of a circle of `inputs`
    /// places: on a circle every place counts once.
    pub fn new(inputs: usize, centres: Range<usize>, radius: usize, circular: bool) -> Windows {
        let width = (2 * radius + 1).min(inputs);
        let window = |centre: usize| {
            if circular {
                let start = if width == inputs { 0 } else { (centre + inputs - radius) % inputs };
                (start, width)
            } else {
                let start = centre.saturating_sub(radius);
                (start, (centre + radius + 1).min(inputs) - start)
            }
        };
        let windows =
            centres.map(window).map(|(start, len)| Window::new(start, len, inputs, width)).collect();
        Windows { inputs, block: width, windows }
    }

    /// The other way round: for each of `inputs` places the sum over those of `centres`, numbered from 0, whose window
    /// has it.
    pub fn transposed(inputs: usize, centres: Range<usize>, radius: usize, circular: bool) -> Windows {
        if circular {
            // All places are centres, and a window that has another's centre is had by its.
            return Windows::new(inputs, 0..inputs, radius, true);
        }
        let width = (2 * radius + 1).min(centres.len());
        let windows = (0..inputs)
            .map(|place| {
                let start = place.saturating_sub(radius).max(centres.start);
                let stop = (place + radius + 1).min(centres.end).max(start);
                Window::new(start - centres.start, stop - start, centres.len(), width)
            })
            .collect();
        Windows { inputs: centres.len(), block: width, windows }
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Sums over all windows of a line whose places are `width` numbers each.
    #[inline(always)]
    fn sums(&self, line: &[f64], width: usize, scratch: &mut Scratch, out: &mut [f64]) {
        let Scratch { until, since } = scratch;
        until.clear();
        until.extend_from_slice(line);
        since.clear();
        since.extend_from_slice(line);
        for place in 1..self.inputs {
            if !place.is_multiple_of(self.block) {
                let (before, own) = until.split_at_mut(place * width);
                add(&mut own[..width], &before[(place - 1) * width..]);
            }
        }
        for place in (1..self.inputs).rev() {
            if !place.is_multiple_of(self.block) {
                let (own, after) = since.split_at_mut(place * width);
                add(&mut own[(place - 1) * width..], &after[..width]);
            }
        }
        let at = |place: usize| place * width..(place + 1) * width;
        for (window, out) in self.windows.iter().zip(out.chunks_exact_mut(width)) {
            let first = match window.first {
                Running::Until(place) => &until[at(place)],
                Running::Since(place) => &since[at(place)],
            };
            match window.more {
                [None, _] => out.copy_from_slice(first),
                [Some(second), None] => {
                    for ((out, a), b) in out.iter_mut().zip(first).zip(&until[at(second)]) {
                        *out = a + b;
                    }
                }
                [Some(second), Some(third)] => {
                    let more = until[at(second)].iter().zip(&until[at(third)]);
                    for ((out, a), (b, c)) in out.iter_mut().zip(first).zip(more) {
                        *out = a + b + c;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add(to: &mut [f64], from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

impl Window {
    /// `len` places from `start` on, over the end of `inputs` places to their beginning; shorter than a block of
    /// `block` only where it begins at 0 or ends with the last place.
    fn new(start: usize, len: usize, inputs: usize, block: usize) -> Window {
        let last = inputs - 1;
        let (stop, wrapped) = if start + len > inputs {
            (last, Some(start + len - inputs - 1))
        } else {
            (start + len - 1, None)
        };
        // A block's first place begins a sum that ends anywhere in the block; from another place on, the block is
        // had to its end.
        let (first, second) = match start % block {
            0 => (Running::Until(stop), None),
            _ if start / block == stop / block => (Running::Since(start), None),
            _ => (Running::Since(start), Some(stop)),
        };
        match second {
            None => Window { first, more: [wrapped, None] },
            Some(_) => Window { first, more: [second, wrapped] },
        }
    }
}

/// Running sums of a line.
#[derive(Default)]
struct Scratch {
    until: Vec<f64>,
    since: Vec<f64>,
}

/// Sums over the windows of a rectangle, and the room they take.
#[derive(Default)]
pub struct Sums {
    line: Vec<f64>,
    /// Sums along the rows, of all rows.
    across: Vec<f64>,
    scratch: Scratch,
    /// The sums, (rows' windows, columns' windows, lanes).
    out: Vec<f64>,
}

impl Sums {
    /// Sums of what `cell` puts at every place, a number for each lane.
    #[inline(always)]
    pub fn over(
        &mut self,
        rows: &Windows,
        columns: &Windows,
        mut cell: impl FnMut(usize, usize, &mut Lane<f64>),
    ) {
        let width = columns.len() * LANES;
        self.line.resize(columns.inputs * LANES, 0.0);
        self.across.resize(rows.inputs * width, 0.0);
        self.out.resize(rows.len() * width, 0.0);
        for (i, across) in self.across.chunks_exact_mut(width).enumerate() {
            for (j, lane) in self.line.as_chunks_mut().0.iter_mut().enumerate() {
                cell(i, j, lane);
            }
            columns.sums(&self.line, LANES, &mut self.scratch, across);
        }
        rows.sums(&self.across, width, &mut self.scratch, &mut self.out);
    }

    /// The sums, window after window, row by row.
    pub fn lanes(&self) -> &[Lane<f64>] {
        self.out.as_chunks().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all sizes, places and widths: whole numbers, so that sums are exact.
    #[test]
    fn windows_are_those_of_direct_sums() {
        for inputs in 1..14 {
            let line: Vec<f64> = (0..inputs).map(|i| ((7 * i * i + 3 * i + 1) % 101) as f64).collect();
            for radius in 0..15 {
                for circular in [false, true] {
                    let limits = if circular { vec![0..inputs] } else { ranges(inputs, radius) };
                    for centres in limits {
                        let has = |centre: usize, place: usize| {
                            let away = centre.abs_diff(place);
                            away <= radius || circular && inputs - away <= radius
                        };
                        check(
                            &Windows::new(inputs, centres.clone(), radius, circular),
                            &line,
                            |window, place| has(centres.start + window, place),
                        );
                        let of_centres = &line[centres.clone()];
                        let transposed = Windows::transposed(inputs, centres.clone(), radius, circular);
                        check(&transposed, of_centres, |place, centre| has(centres.start + centre, place));
                    }
                }
            }
        }
    }

    /// All places as centres, or those whose windows do not leave the line.
    fn ranges(inputs: usize, radius: usize) -> Vec<Range<usize>> {
        let inner = radius..inputs.saturating_sub(radius);
        if inner.is_empty() { vec![0..inputs] } else { vec![0..inputs, inner] }
    }

    fn check(windows: &Windows, line: &[f64], has: impl Fn(usize, usize) -> bool) {
        let mut out = vec![0.0; windows.len()];
        windows.sums(line, 1, &mut Scratch::default(), &mut out);
        for (w, sum) in out.iter().enumerate() {
            let direct: f64 =
                line.iter().enumerate().filter(|(place, _)| has(w, *place)).map(|(_, v)| v).sum();
            assert_eq!(*sum, direct, "window {w} of {} over {} places", windows.len(), line.len());
        }
    }
}
