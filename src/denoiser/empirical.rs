//! The optimal denoiser of a finite set of points y_1 … y_N:
//! D(x; σ) = Σ_i w_i y_i, w = softmax_i(−‖x − y_i‖²/2σ²) (arXiv 2310.05264).
//!
//! One pass over tiles of the data with a running maximum (online softmax), so
//! memory beside the data is a few tiles and sums of rows for every thread.
//! Distances come from products, ‖x − y‖² = ‖x‖² − 2xᵀy + ‖y‖² of centred points,
//! whose rounding over σ² shows in the weights once σ is small; then the few weights
//! that count are recomputed by differences, exactly (see [`REFINED_SHARE`]).

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, CowArray, Ix2, Zip, s};
use rayon::prelude::*;

use super::{Denoiser, Differentiable, Singular};
use crate::linalg::{
    accumulate, assign_product, cast, column_means, dot, orthonormalize, product, squared_distance,
    squared_norms, symmetric_eigen,
};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Rows of the data that are looked at together: the tile of weights and the
/// tile of data both stay in the cache.
const TILE: usize = 512;

/// Tiles that one thread takes one after the other, at most: halves of halves of all, so that threads have about equal shares.
/// What they give is put together in pairs, in an order that the number of points alone decides.
const RUN: usize = 8;

/// Rows of x computed together, at most: threads share the data rather than the rows,
/// since products with few rows are slow.
const ROWS: usize = 256;

/// Weights under exp(−80) are set to exactly 0: they change no digit, and
/// denormal numbers would slow the products down thirtyfold.
const NEGLIGIBLE: f64 = -80.0;

/// In f32 those under exp(−40), as products give them: of a billion points they are, all together, less than a tenth of
/// its rounding. Products pass over them.
const NEGLIGIBLE_F32: f64 = -40.0;

/// When rounding matters, a weight above this share of all is recomputed
/// exactly. At most 100 points of a tile can have it; those below are many, so
/// their rounding averages out.
const REFINED_SHARE: f64 = 0.01;

/// Units of T's rounding that the log weights may carry unrefined: about 1e-6
/// in f32 and 2e-15 in f64.
const TOLERATED: f64 = 8.0;

/// A row with at most so many weights in a tile is not worth a product: its points
/// are added one by one.
const FEW: u32 = 32;

/// Singular values of a Jacobian below this share of the largest are rounding.
const NOTHING: f64 = 1e-14;

/// Data whose mean is so many times as far from the origin as they reach about it are seen from there: what
/// T has of them is little, and products would leave nothing of it.
const FAR: f64 = 64.0;

/// Data that reach no less and no farther are computed with as they are: squares of others leave f32.
const UNSCALED: Range<f64> = 1e-9..1e9;

/// A rest x − D below this share of ‖D‖ is computed by differences, since subtraction loses five bits or more.
const SMALL_REST: f64 = 1.0 / 32.0;

/// The denoiser of a training set, computing in T.
pub struct EmpiricalDenoiser<T: Scalar> {
    /// y_i, (N, d), in the coordinates of `place`, as all that follows.
    data: Array2<T>,
    /// The data's mean, subtracted from x before products so that they stay small.
    centre: Array1<T>,
    /// ½‖y_i − centre‖².
    half_norms: Vec<T>,
    /// The largest ‖y_i‖.
    radius: f64,
    /// Where the coordinates lie; none are the data's own.
    place: Option<Place<T>>,
}

/// Coordinates (x − origin)·unit, without a rounding error for the data: the unit is a power of two, and the
/// origin 0 or between half and twice all that there is of a coordinate.
struct Place<T> {
    origin: Array1<T>,
    unit: T,
}

impl<T: Scalar> Place<T> {
    /// That of data with this mean, which reach so far about it; none where their own coordinates do.
    fn of(data: ArrayView2<T>, centre: ArrayView1<T>, reach: f64) -> Option<Place<T>> {
        let far = dot(centre, centre).sqrt() > FAR * reach;
        let scaled = reach > 0.0 && reach.is_finite() && !UNSCALED.contains(&reach);
        if !far && !scaled {
            return None;
        }
        let half = T::of(0.5);
        let mut origin = centre.to_owned();
        if far {
            for row in data.outer_iter() {
                origin.zip_mut_with(&row, |o, &y| {
                    // The difference of numbers of one sign within a factor of two is exact (Sterbenz).
                    if !(y * *o > T::zero() && y.abs() * half <= o.abs() && o.abs() * half <= y.abs()) {
                        *o = T::zero();
                    }
                });
            }
        } else {
            origin.fill(T::zero());
        }
        // Half way to 1, since noise levels that are farther from there than the data must stay within T, too.
        let unit = if scaled { T::of((-reach.log2() / 2.0).round().exp2()) } else { T::one() };
        Some(Place { origin, unit })
    }

    fn enter(&self, x: &mut Array2<T>) {
        for mut row in x.outer_iter_mut() {
            row.zip_mut_with(&self.origin, |x, &o| *x = (*x - o) * self.unit);
        }
    }

    fn leave(&self, x: &mut Array2<T>) {
        for mut row in x.outer_iter_mut() {
            row.zip_mut_with(&self.origin, |x, &o| *x = *x / self.unit + o);
        }
    }
}

/// ‖y − centre‖² and ‖y‖² of every row y, in one pass.
fn squares_of<T: Scalar>(data: ArrayView2<T>, centre: ArrayView1<T>) -> Vec<[f64; 2]> {
    let rows = data.axis_iter(Axis(0)).into_par_iter();
    rows.map(|row| [squared_distance(row, centre), dot(row, row)]).collect()
}

impl<T: Scalar> EmpiricalDenoiser<T> {
    pub fn new(mut data: Array2<T>) -> EmpiricalDenoiser<T> {
        let mut centre = column_means(data.view()).mapv(T::of);
        let mut squares = squares_of(data.view(), centre.view());
        let reach = squares.iter().fold(0.0, |most: f64, [about, _]| most.max(*about)).sqrt();
        let place = Place::of(data.view(), centre.view(), reach);
        if let Some(place) = &place {
            place.enter(&mut data);
            centre = column_means(data.view()).mapv(T::of);
            squares = squares_of(data.view(), centre.view());
        }
        let half_norms = squares.iter().map(|[about, _]| T::of(0.5 * about)).collect();
        let radius = squares.iter().fold(0.0f64, |most, [_, norm]| most.max(norm.sqrt()));
        EmpiricalDenoiser { data, centre, half_norms, radius, place }
    }

    /// Points and a level in the coordinates computed in.
    fn placed<'a>(&self, x: ArrayView2<'a, T>, sigma: f64) -> (CowArray<'a, T, Ix2>, f64) {
        let Some(place) = &self.place else { return (x.into(), sigma) };
        let mut x = x.to_owned();
        place.enter(&mut x);
        (x.into(), sigma * place.unit.wide())
    }

    /// Weights of all points for one x, exactly, with those under 1e-18 of the
    /// largest left out: (index, weight), weights sum to 1.
    fn weights(&self, x: ArrayView1<T>, sigma: f64) -> Vec<(usize, f64)> {
        let logs: Vec<f64> =
            self.data.outer_iter().map(|y| -squared_distance(x, y) / (2.0 * sigma * sigma)).collect();
        let best = logs.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let mut kept: Vec<(usize, f64)> =
            logs.iter().enumerate().map(|(i, l)| (i, (l - best).exp())).filter(|(_, w)| *w > 1e-18).collect();
        let total: f64 = kept.iter().map(|(_, w)| w).sum();
        kept.iter_mut().for_each(|(_, w)| *w /= total);
        kept
    }

    /// Rows √w_i (y_i − D)/σ of the points that count, in f64: the Jacobian is
    /// the Gram matrix of their columns.
    fn deviations(&self, x: ArrayView1<T>, sigma: f64) -> Array2<f64> {
        let weights = self.weights(x, sigma);
        let indices: Vec<usize> = weights.iter().map(|(i, _)| *i).collect();
        let mut rows = cast::<T, f64>(self.data.select(Axis(0), &indices).view());
        let w = Array1::from_iter(weights.iter().map(|(_, w)| *w));
        let mean = w.dot(&rows);
        for (mut row, w) in rows.outer_iter_mut().zip(&w) {
            row -= &mean;
            row *= w.sqrt() / sigma;
        }
        rows
    }
}

/// The running softmax of one row: its reference point, the likeliest so far,
/// and the sum of weights relative to it.
#[derive(Clone, Copy)]
struct Running<T> {
    /// xᵀy − ½‖y‖² of the reference point, as products give it.
    rough: T,
    /// −½‖x − y‖² of the reference point, by differences; for coarse rows only.
    exact: f64,
    total: f64,
    /// For rows whose products are too coarse: what bounds the rounding of a log weight.
    margin: Option<f64>,
}

/// The rows to denoise, their differences from the centre, σ⁻², and where every row begins.
struct Points<'a, T: Scalar> {
    x: ArrayView2<'a, T>,
    centred: ArrayView2<'a, T>,
    scale: f64,
    start: &'a [Running<T>],
}

/// What some tiles make of all rows: weighted sums of points, relative to each row's reference.
struct Partial<T> {
    running: Vec<Running<T>>,
    sums: Array2<T>,
}

/// What one tile adds to a row.
#[derive(Clone, Copy)]
struct Added {
    /// By what everything before is multiplied, since the reference has changed.
    rescale: f64,
    /// Weights that are not 0.
    count: u32,
}

impl<T: Scalar> Denoiser<T> for EmpiricalDenoiser<T> {
    fn dim(&self) -> usize {
        self.data.ncols()
    }

    fn block(&self, rows: usize) -> usize {
        // Few points make few runs to share: then threads share the rows, too.
        let runs = self.data.nrows().div_ceil(TILE * RUN).next_power_of_two();
        let shares = rayon::current_num_threads().div_ceil(runs);
        (rows / shares).clamp(16, ROWS)
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let (x, sigma) = self.placed(x, sigma);
        let mut d = self.average(x.view(), sigma);
        if let Some(place) = &self.place {
            place.leave(&mut d);
        }
        Ok(d)
    }

    /// x − D = Σ w_i (x − y_i).
    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let (x, sigma) = self.placed(x, sigma);
        let mut d = self.average(x.view(), sigma);
        let mut rest = &x - &d;
        let rows = rest.axis_iter_mut(Axis(0)).into_par_iter().zip(d.axis_iter(Axis(0)));
        rows.zip(x.axis_iter(Axis(0))).for_each(|((mut rest, d), x)| {
            if dot(rest.view(), rest.view()) < SMALL_REST * SMALL_REST * dot(d, d) {
                let mut sum = Array1::<f64>::zeros(x.len());
                for (i, w) in self.weights(x, sigma) {
                    let y = self.data.row(i);
                    Zip::from(&mut sum).and(x).and(y).for_each(|s, &x, &y| *s += w * (x.wide() - y.wide()));
                }
                rest.assign(&sum.mapv(T::of));
            }
        });
        if let Some(place) = &self.place {
            rest.mapv_inplace(|r| r / place.unit);
            place.leave(&mut d);
        }
        Ok((d, rest))
    }
}

impl<T: Scalar> EmpiricalDenoiser<T> {
    /// D of points in the coordinates computed in.
    fn average(&self, x: ArrayView2<T>, sigma: f64) -> Array2<T> {
        let scale = 1.0 / (sigma * sigma);
        let centred = &x - &self.centre;
        let start: Vec<Running<T>> = squared_norms(centred.view())
            .iter()
            .map(|n| {
                // Rounding of the row's log weights, in units of T's.
                let rounding = n.sqrt().max(self.radius) * self.radius * scale;
                let margin = (rounding > TOLERATED).then(|| 8.0 * T::epsilon().wide() * rounding);
                Running { rough: T::neg_infinity(), exact: f64::NEG_INFINITY, total: 0.0, margin }
            })
            .collect();
        let points = Points { x, centred: centred.view(), scale, start: &start };
        let Partial { running, sums: mut out } = self.over(0..self.data.nrows().div_ceil(TILE), &points);
        for (mut row, run) in out.outer_iter_mut().zip(&running) {
            if run.total != 1.0 {
                let total = T::of(run.total);
                row.mapv_inplace(|v| v / total);
            }
        }
        out
    }
}

impl<T: Scalar> Differentiable<T> for EmpiricalDenoiser<T> {
    /// J = σ⁻² Cov_w(y): Σ w_i (y_i − D)((y_i − D)·v)/σ².
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let (x, sigma) = self.placed(x.insert_axis(Axis(0)), sigma);
        let rows = self.deviations(x.row(0), sigma);
        let v = cast::<T, f64>(directions);
        let along = product(v.view(), rows.t());
        Ok(cast(product(along.view(), rows.view()).view()))
    }

    /// Through the Gram matrix of the points that count, or through J itself
    /// when they are more than d.
    fn spectrum(&self, x: ArrayView1<T>, sigma: f64, vectors: usize) -> Result<Singular> {
        let (x, sigma) = self.placed(x.insert_axis(Axis(0)), sigma);
        let rows = self.deviations(x.row(0), sigma);
        let (m, d) = rows.dim();
        if m > d {
            let (values, right) = symmetric_eigen(product(rows.t(), rows.view()).view())?;
            return Ok(Singular { values: values.mapv(|v| v.max(0.0)), right, rest: (0.0, 0) });
        }
        let (values, left) = symmetric_eigen(product(rows.view(), rows.t()).view())?;
        // The rows' weighted sum is 0, so at least one value is, and what
        // rounding leaves of it has no direction.
        let held = values.iter().filter(|&&v| v > NOTHING * values[0]).count();
        let right = if vectors > 0 {
            let axes = product(rows.t(), left.slice(s![.., ..held]));
            // Orthogonal already, but the smaller ones only to their own rounding.
            orthonormalize(axes.view())
        } else {
            Array2::zeros((d, 0))
        };
        Ok(Singular { values: values.slice(s![..held]).to_owned(), right, rest: (0.0, d - held) })
    }

    fn closed_form(&self) -> Option<usize> {
        let (n, d) = self.data.dim();
        Some(n.min(d))
    }
}

impl<T: Scalar> EmpiricalDenoiser<T> {
    /// What a range of tiles makes of the rows, on all threads.
    fn over(&self, tiles: Range<usize>, points: &Points<T>) -> Partial<T> {
        if tiles.len() <= RUN {
            return self.run(tiles, points);
        }
        let middle = tiles.start.midpoint(tiles.end);
        let (mut left, right) =
            rayon::join(|| self.over(tiles.start..middle, points), || self.over(middle..tiles.end, points));
        left.add(right, points.scale);
        left
    }

    /// The same, one tile after the other.
    fn run(&self, tiles: Range<usize>, points: &Points<T>) -> Partial<T> {
        let mut partial = Partial { running: points.start.to_vec(), sums: Array2::zeros(points.x.raw_dim()) };
        let mut weights = Array2::zeros((TILE, points.x.nrows()));
        let first = tiles.start;
        for tile in tiles {
            let (start, stop) = (tile * TILE, ((tile + 1) * TILE).min(self.data.nrows()));
            let rows = self.data.slice(s![start..stop, ..]);
            // A column a row of x, so that loops over rows become vector instructions.
            // x centred, y not: the difference, centred x times the centre, is
            // the same for all points of a row, and weights do not see it.
            let mut weights = weights.slice_mut(s![..stop - start, ..]);
            assign_product(weights.view_mut(), rows, points.centred.t());
            let added = match weights.as_slice_mut() {
                Some(weights) => self.weigh(weights, start, points.x, points.scale, &mut partial.running),
                None => continue,
            };
            for (row, added) in partial.sums.outer_iter_mut().zip(&added) {
                rescale(row, added.rescale);
            }
            add_weighted(&mut partial.sums, tile == first, weights.view(), rows, &added);
        }
        partial
    }

    /// Turns products xᵀy_i of a tile, a row a point and a column a row of x, into
    /// weights relative to each row's running maximum.
    fn weigh(
        &self,
        w: &mut [T],
        start: usize,
        x: ArrayView2<T>,
        scale: f64,
        running: &mut [Running<T>],
    ) -> Vec<Added> {
        let m = x.nrows();
        let mut top: Vec<T> = running.iter().map(|run| run.rough).collect();
        vectorized(
            #[inline(always)]
            || {
                for (w, &half) in w.chunks_exact_mut(m).zip(&self.half_norms[start..]) {
                    for (w, top) in w.iter_mut().zip(&mut top) {
                        *w -= half;
                        *top = if *w > *top { *w } else { *top };
                    }
                }
            },
        );
        let before: Vec<(T, f64)> = running.iter().map(|run| (run.rough, run.exact)).collect();
        let measured = match running.iter().any(|run| run.margin.is_some()) {
            true => self.measure(w, start, x, scale, &top, running),
            false => Vec::new(),
        };
        let mut added = Vec::with_capacity(m);
        for ((run, top), (rough, exact)) in running.iter_mut().zip(&mut top).zip(before) {
            let moved = match run.margin {
                Some(_) => exact - run.exact,
                None => (rough - *top).wide(),
            };
            if run.margin.is_none() {
                run.rough = *top;
            }
            *top = run.rough;
            let rescale = if run.total > 0.0 { flushed(moved * scale) } else { 1.0 };
            added.push(Added { rescale, count: 0 });
        }
        let (reference, factor) = (top, T::of(scale));
        let least = T::of(match T::DTYPE {
            Dtype::F32 => NEGLIGIBLE_F32,
            Dtype::F64 => NEGLIGIBLE,
        });
        let (mut sums, mut counts) = (vec![0.0; m], vec![0u32; m]);
        vectorized(
            #[inline(always)]
            || {
                for w in w.chunks_exact_mut(m) {
                    for (((w, reference), sum), count) in
                        w.iter_mut().zip(&reference).zip(&mut sums).zip(&mut counts)
                    {
                        let log = (*w - *reference) * factor;
                        *w = if log < least { T::zero() } else { log.exp_flushed() };
                        *sum += w.wide();
                        // At most TILE; a check would keep the loop from becoming vector instructions.
                        *count = count.wrapping_add((*w > T::zero()) as u32);
                    }
                }
            },
        );
        for (j, i, exact) in measured {
            let weight = flushed((exact - running[i].exact) * scale);
            w[j * m + i] = T::of(weight);
            sums[i] += weight;
            counts[i] += (weight > 0.0) as u32;
        }
        for (((run, added), sum), count) in running.iter_mut().zip(&mut added).zip(sums).zip(counts) {
            run.total = run.total * added.rescale + sum;
            added.count = count;
        }
        added
    }

    /// Where products are too coarse, points of a share worth it are measured by
    /// differences, among them each row's reference: (point, row, −½‖x − y‖²).
    /// Their places in the tile are emptied.
    fn measure(
        &self,
        w: &mut [T],
        start: usize,
        x: ArrayView2<T>,
        scale: f64,
        top: &[T],
        running: &mut [Running<T>],
    ) -> Vec<(usize, usize, f64)> {
        let m = x.nrows();
        let factor = T::of(scale);
        let mut sums = vec![0.0; m];
        vectorized(
            #[inline(always)]
            || {
                for w in w.chunks_exact(m) {
                    for ((w, top), sum) in w.iter().zip(top).zip(&mut sums) {
                        *sum += ((*w - *top) * factor).exp_flushed().wide();
                    }
                }
            },
        );
        let least: Vec<T> = running
            .iter()
            .zip(top)
            .zip(sums)
            .map(|((run, &top), sum)| {
                let Some(margin) = run.margin else { return T::infinity() };
                let total = run.total * flushed((run.rough - top).wide() * scale) + sum;
                let worth = (REFINED_SHARE * total).ln().min(0.0) - margin;
                T::of(top.wide() + worth / scale)
            })
            .collect();
        let mut measured = Vec::new();
        for (j, w) in w.chunks_exact_mut(m).enumerate() {
            let none = vectorized(
                #[inline(always)]
                || w.iter().zip(&least).fold(true, |none, (w, least)| none & (*w < *least)),
            );
            if none {
                continue;
            }
            for (i, w) in w.iter_mut().enumerate().filter(|(i, w)| **w >= least[*i]) {
                let exact = -0.5 * squared_distance(x.row(i), self.data.row(start + j));
                measured.push((j, i, exact));
                if exact > running[i].exact {
                    (running[i].rough, running[i].exact) = (*w, exact);
                }
                *w = T::neg_infinity();
            }
        }
        measured
    }
}

impl<T: Scalar> Partial<T> {
    /// Takes in what later tiles give, relative to the likelier of both references.
    fn add(&mut self, other: Partial<T>, scale: f64) {
        let rows = self.sums.outer_iter_mut().zip(other.sums.outer_iter());
        for ((run, later), (mut sum, addend)) in self.running.iter_mut().zip(other.running).zip(rows) {
            let ahead = match run.margin {
                Some(_) => later.exact - run.exact,
                None => (later.rough - run.rough).wide(),
            };
            let (mine, others) = (flushed((-ahead).min(0.0) * scale), flushed(ahead.min(0.0) * scale));
            rescale(sum.view_mut(), mine);
            sum.scaled_add(T::of(others), &addend);
            run.total = run.total * mine + later.total * others;
            if ahead > 0.0 {
                (run.rough, run.exact) = (later.rough, later.exact);
            }
        }
    }
}

fn rescale<T: Scalar>(mut row: ArrayViewMut1<T>, factor: f64) {
    if factor != 1.0 {
        let factor = T::of(factor);
        row.mapv_inplace(|v| v * factor);
    }
}

/// out ← out + wᵀ·points, w (points, rows). Where nothing has been added `out` is `zeros`, and is written first, not read.
/// Rows of few weights go point by point, so that a tile costs the less the fewer of its points any row is near.
fn add_weighted<T: Scalar>(
    out: &mut Array2<T>,
    zeros: bool,
    weights: ArrayView2<T>,
    points: ArrayView2<T>,
    added: &[Added],
) {
    let many: Vec<usize> = (0..added.len()).filter(|&i| added[i].count > FEW).collect();
    if many.len() == added.len() {
        let add = if zeros { assign_product } else { accumulate };
        return add(out.view_mut(), weights.t(), points);
    }
    if !many.is_empty() {
        let sums = product(weights.select(Axis(1), &many).t(), points);
        for (sum, &i) in sums.outer_iter().zip(&many) {
            let mut row = out.row_mut(i);
            row += &sum;
        }
    }
    if added.iter().all(|a| a.count == 0 || a.count > FEW) {
        return;
    }
    for (w, point) in weights.outer_iter().zip(points.outer_iter()) {
        for (i, &w) in w.iter().enumerate() {
            if w != T::zero() && added[i].count <= FEW {
                out.row_mut(i).scaled_add(w, &point);
            }
        }
    }
}

/// exp, with what is negligible set to 0.
fn flushed(log: f64) -> f64 {
    if log < NEGLIGIBLE { 0.0 } else { log.exp() }
}
