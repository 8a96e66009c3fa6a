//! Sums over windows, of numbers that lie in lines of lanes: three additions a place and axis at most, however wide the
//! windows are.
//!
//! A line is cut in blocks as long as a window. A window then is the end of a block and the beginning of the next, so
//! running sums from the first and to the last place of each block give it (van Herk 1992; Gil and Werman 1993).
//! Nothing is ever subtracted: a sum of squares has the relative rounding of an addition for each of its terms, of
//! *its own* size, while integral images and sliding sums have that of the largest sum of the image, which swamps the
//! distances of near patches.
//!
//! Windows of up to three places are added up place by place: a block of one place is its own running sums.

use std::ops::{Deref, DerefMut, Range};

use crate::scalar::Scalar;

/// Images computed side by side: numbers of one place lie next to each other, so that all loops are over vectors.
pub const LANES: usize = 64;

/// A number for each lane. Aligned: vectors that lie across two lines of the cache take twice as long.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Lane<N>(pub [N; LANES]);

impl<N> Deref for Lane<N> {
    type Target = [N; LANES];

    fn deref(&self) -> &[N; LANES] {
        &self.0
    }
}

impl<N> DerefMut for Lane<N> {
    fn deref_mut(&mut self) -> &mut [N; LANES] {
        &mut self.0
    }
}

impl<S: Scalar> Lane<S> {
    pub fn zero() -> Lane<S> {
        Lane([S::zero(); LANES])
    }
}

/// Windows along one axis.
pub struct Windows {
    /// Places that are summed over.
    inputs: usize,
    /// Length of a block: the width of windows, or 1 of narrow ones.
    block: usize,
    windows: Vec<Window>,
}

/// Width of windows that are added up place by place.
const NARROW: usize = 3;

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
        let block = Windows::block(width);
        let windows =
            centres.map(window).map(|(start, len)| Window::new(start, len, inputs, block)).collect();
        Windows { inputs, block, windows }
    }

    /// The other way round: for each of `inputs` places the sum over those of `centres`, numbered from 0, whose window
    /// has it.
    pub fn transposed(inputs: usize, centres: Range<usize>, radius: usize, circular: bool) -> Windows {
        if circular {
            // All places are centres, and a window that has another's centre is had by its.
            return Windows::new(inputs, 0..inputs, radius, true);
        }
        let block = Windows::block((2 * radius + 1).min(centres.len()));
        let windows = (0..inputs)
            .map(|place| {
                let start = place.saturating_sub(radius).max(centres.start);
                let stop = (place + radius + 1).min(centres.end).max(start);
                Window::new(start - centres.start, stop - start, centres.len(), block)
            })
            .collect();
        Windows { inputs: centres.len(), block, windows }
    }

    fn block(width: usize) -> usize {
        if width <= NARROW { 1 } else { width }
    }

    /// Where sums from the beginning of each block lie: of blocks of one place these are the numbers themselves.
    #[inline(always)]
    fn until<'a, N>(&self, since: &'a [Lane<N>], until: &'a [Lane<N>]) -> &'a [Lane<N>] {
        if self.block == 1 { since } else { until }
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Turns what lies at places `stride` apart, from `first` on, into sums from there to the end of each block, and puts
    /// those from its beginning in `until`. Of blocks of one place there is nothing to do.
    #[inline(always)]
    fn run<S: Scalar>(&self, since: &mut [Lane<S>], until: &mut [Lane<S>], first: usize, stride: usize) {
        if self.block == 1 {
            return;
        }
        for start in (0..self.inputs).step_by(self.block) {
            let stop = (start + self.block).min(self.inputs);
            let mut sum = Lane::zero();
            for place in start..stop {
                add(&mut sum, &since[first + place * stride]);
                until[first + place * stride] = sum;
            }
            let mut sum = Lane::zero();
            for place in (start..stop).rev() {
                let here = &mut since[first + place * stride];
                add(&mut sum, here);
                *here = sum;
            }
        }
    }
}

#[inline(always)]
pub fn add<S: Scalar>(to: &mut Lane<S>, from: &Lane<S>) {
    for (to, from) in to.iter_mut().zip(from.iter()) {
        *to += *from;
    }
}

impl Window {
    /// `len` places from `start` on, over the end of `inputs` places to their beginning; shorter than a block of
    /// `block` only where it begins at 0 or ends with the last place. Of blocks of one place it has up to [`NARROW`].
    fn new(start: usize, len: usize, inputs: usize, block: usize) -> Window {
        if block == 1 {
            let place = |i: usize| (i < len).then(|| (start + i) % inputs);
            return Window { first: Running::Since(start), more: [place(1), place(2)] };
        }
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
        Window { first, more: [second, wrapped] }
    }

    /// Its sum, of running sums as [`Windows::run`] gives them.
    #[inline(always)]
    fn sum<S: Scalar>(&self, since: &[Lane<S>], until: &[Lane<S>], first: usize, stride: usize) -> Lane<S> {
        let mut sum = match self.first {
            Running::Until(place) => until[first + place * stride],
            Running::Since(place) => since[first + place * stride],
        };
        if let Some(place) = self.more[0] {
            add(&mut sum, &until[first + place * stride]);
        }
        if let Some(place) = self.more[1] {
            add(&mut sum, &until[first + place * stride]);
        }
        sum
    }
}

/// Sums over the windows of a rectangle, and the room they take.
#[derive(Default)]
pub struct Sums<S> {
    /// A line of cells, then its sums to the end of each block; and those from its beginning.
    line: [Vec<Lane<S>>; 2],
    /// The same of all lines' windows.
    across: [Vec<Lane<S>>; 2],
}

impl<S: Scalar> Sums<S> {
    /// Sums of what `cell` says of every place, a number for each lane, given to `take` window after window, row by
    /// row.
    #[inline(always)]
    pub fn over(
        &mut self,
        rows: &Windows,
        columns: &Windows,
        mut cell: impl FnMut(usize, usize) -> Lane<S>,
        mut take: impl FnMut(usize, usize, &Lane<S>),
    ) {
        let width = columns.len();
        let [line, line_until] = self.line.each_mut().map(|line| sized(line, columns.inputs));
        let [across, across_until] = self.across.each_mut().map(|across| sized(across, rows.inputs * width));
        for (i, across) in across.chunks_exact_mut(width).enumerate() {
            for (j, lane) in line.iter_mut().enumerate() {
                *lane = cell(i, j);
            }
            columns.run(line, line_until, 0, 1);
            let until = columns.until(line, line_until);
            for (window, sum) in columns.windows.iter().zip(across) {
                *sum = window.sum(line, until, 0, 1);
            }
        }
        for j in 0..width {
            rows.run(across, across_until, j, width);
        }
        let until = rows.until(across, across_until);
        for (i, window) in rows.windows.iter().enumerate() {
            for j in 0..width {
                take(i, j, &window.sum(across, until, j, width));
            }
        }
    }
}

fn sized<S: Scalar>(lanes: &mut Vec<Lane<S>>, len: usize) -> &mut [Lane<S>] {
    lanes.resize(len, Lane::zero());
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all sizes, places and widths: whole numbers, so that sums are exact.
    #[test]
    fn windows_are_those_of_direct_sums() {
        for inputs in 1..14_usize {
            let line: Vec<f64> = (0..inputs).map(|i| ((7 * i * i + 3 * i + 1) % 101) as f64).collect();
            for radius in 0..15 {
                for circular in [false, true] {
                    // All places, and those whose windows do not leave the line.
                    let inner = Some(radius..inputs.saturating_sub(radius))
                        .filter(|inner| !circular && !inner.is_empty());
                    for centres in std::iter::once(0..inputs).chain(inner) {
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

    /// Along both axes, against a line of the one place that the other axis has.
    fn check(windows: &Windows, line: &[f64], has: impl Fn(usize, usize) -> bool) {
        let one = Windows::new(1, 0..1, 0, false);
        let lane = |place: usize| Lane(std::array::from_fn(|l| line[place] * (l + 1) as f64));
        let (mut along, mut down) = (Vec::new(), Vec::new());
        let mut sums = Sums::default();
        sums.over(&one, windows, |_, j| lane(j), |_, _, sum| along.push(*sum));
        sums.over(windows, &one, |i, _| lane(i), |_, _, sum| down.push(*sum));
        assert_eq!((along.len(), &along), (windows.len(), &down));
        for (w, sum) in along.iter().enumerate() {
            let direct: f64 =
                line.iter().enumerate().filter(|(place, _)| has(w, *place)).map(|(_, v)| v).sum();
            let due = Lane(std::array::from_fn(|l| direct * (l + 1) as f64));
            assert_eq!(*sum, due, "window {w} of {} over {} places", windows.len(), line.len());
        }
    }
}
