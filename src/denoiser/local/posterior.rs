//! The denoiser of a local machine and its Jacobian.
//!
//! Of every pair of shifts (of rows, of columns) and a block of images at once: the squared differences at all places, their
//! sums over patches ([`Sums`]), and softmax weights relative to about the nearest patch so far, a reference a pixel. So the
//! softmax is over the whole dictionary, exactly, whatever parts it is computed in. Distances are f64, and of f32 images f32
//! where log weights are small enough ([`NARROW`]): being sums of squares, which nothing is subtracted from, they have its
//! relative rounding. Exponentials are computed in T, sums over the dictionary in f64.
//!
//! What is averaged is the step to a patch's centre, y − x, so that x − D has the digits of its own size.

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis as Along};
use rayon::prelude::*;

use super::axes::{Axis, axes};
use super::windows::{LANES, Lane, Sums, add};
use super::{Local, Machine};
use crate::denoiser::{Denoiser, Differentiable};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Blocks of images that one thread takes one after the other; what they give is put together in pairs, in an order
/// that the number of images alone decides.
const RUN: usize = 2;

/// Log weights of the nearest patches up to which f32 holds distances: it rounds log weights by some 5e-8 of their size,
/// 2e-6 at most, and means of patches by less. Of a patch of p numbers and its own noise they are p/2.
const NARROW: f64 = 32.0;

/// Log weights by which a patch must be nearer than the one that weights are relative to, to take its place.
const SLACK: f64 = 8.0;

/// Directions whose products are computed together, at most.
const DIRECTIONS: usize = 8;

/// The denoiser of a local machine, computing in T.
pub struct LocalDenoiser<T: Scalar> {
    /// Height, width, channels.
    shape: [usize; 3],
    count: usize,
    /// The images, by blocks: (blocks, height, width, channels). The last block is filled up with its first.
    images: Vec<Lane<T>>,
    levels: Vec<Level>,
}

/// What is compared at a noise level, and at those nearer to it than to others.
struct Level {
    /// ln σ.
    log: f64,
    rows: Vec<Axis>,
    columns: Vec<Axis>,
}

/// What part of a dictionary makes of one point.
struct Posterior {
    /// The squared distance of the nearest patch, or of one that has at least e^−[`SLACK`] of its weight, a pixel each.
    nearest: Vec<f64>,
    /// Weights relative to that patch's, a pixel each: their sum.
    total: Vec<f64>,
    /// Σ w (y − x), a number of the point each.
    step: Vec<f64>,
}

/// A point and its noise level.
struct Query<'a> {
    x: &'a [f64],
    level: &'a Level,
    /// 1/2σ².
    scale: f64,
}

/// Images of the dictionary that are computed side by side.
struct Block<'a, T> {
    images: &'a [Lane<T>],
    /// 0 for images that are there to fill up the block, 1 for all others.
    present: Lane<T>,
    is_full: bool,
}

impl<T: Scalar> LocalDenoiser<T> {
    /// # Errors
    /// When there are not as many numbers as the images' shape says.
    pub fn new(local: Local) -> Result<LocalDenoiser<T>> {
        let [count, height, width, channels] = local.shape;
        let d = local.dim();
        let rows = Array2::from_shape_vec((count, d), local.values.into_vec::<T>())?;
        let mut images = Vec::with_capacity(count.div_ceil(LANES) * d);
        for block in rows.axis_chunks_iter(Along(0), LANES) {
            let filled = |number: ArrayView1<T>| {
                Lane(std::array::from_fn(|l| number.get(l).copied().unwrap_or(number[0])))
            };
            images.extend(block.columns().into_iter().map(filled));
        }
        let settings = &local.settings;
        let level = |sigma: f64, patch| Level {
            log: sigma.ln(),
            rows: axes(settings, patch, height),
            columns: axes(settings, patch, width),
        };
        let levels = match (&settings.patches[..], settings.machine) {
            ([], _) | (_, Machine::Ideal | Machine::Equivariant) => vec![level(1.0, None)],
            ([patch], _) => vec![level(1.0, Some(*patch))],
            (patches, _) => patches.iter().zip(&settings.levels).map(|(k, s)| level(*s, Some(*k))).collect(),
        };
        Ok(LocalDenoiser { shape: [height, width, channels], count, images, levels })
    }

    fn query<'a>(&'a self, x: &'a [f64], sigma: f64) -> Query<'a> {
        let away = |level: &Level| (level.log - sigma.ln()).abs();
        let nearest = self.levels[1..]
            .iter()
            .fold(&self.levels[0], |best, level| if away(level) < away(best) { level } else { best });
        Query { x, level: nearest, scale: 0.5 / (sigma * sigma) }
    }

    fn blocks(&self) -> usize {
        self.count.div_ceil(LANES)
    }

    fn images_of(&self, number: usize) -> Block<'_, T> {
        let size = self.dim();
        let there = self.count - number * LANES;
        Block {
            images: &self.images[number * size..(number + 1) * size],
            present: Lane(std::array::from_fn(|l| if l < there { T::one() } else { T::zero() })),
            is_full: there >= LANES,
        }
    }

    /// What a range of blocks makes of something, on all threads.
    fn over<R: Send>(
        &self,
        blocks: Range<usize>,
        run: &(impl Fn(Range<usize>) -> R + Sync),
        add: &(impl Fn(&mut R, R) + Sync),
    ) -> R {
        if blocks.len() <= RUN {
            return run(blocks);
        }
        // A whole number of runs on the left.
        let middle = blocks.start + (blocks.len().div_ceil(RUN) / 2) * RUN;
        let (mut left, right) = rayon::join(
            || self.over(blocks.start..middle, run, add),
            || self.over(middle..blocks.end, run, add),
        );
        add(&mut left, right);
        left
    }

    /// Of the whole dictionary: a step is that to D.
    fn posterior(&self, query: &Query) -> Posterior {
        if T::DTYPE == Dtype::F32 && self.run::<f32>(query, 0..1).is_within(NARROW / query.scale) {
            return self.posterior_by::<f32>(query);
        }
        self.posterior_by::<f64>(query)
    }

    /// The same by distances in S.
    fn posterior_by<S: Scalar>(&self, query: &Query) -> Posterior {
        let mut all = self.over(0..self.blocks(), &|blocks| self.run::<S>(query, blocks), &|left, right| {
            left.add(right, query.scale);
        });
        let channels = self.shape[2];
        for (step, total) in all.step.chunks_exact_mut(channels).zip(&all.total) {
            step.iter_mut().for_each(|s| *s /= total);
        }
        all
    }

    /// The same of some blocks, not divided by the weights' sum.
    fn run<S: Scalar>(&self, query: &Query, blocks: Range<usize>) -> Posterior {
        let [height, width, channels] = self.shape;
        let pixels = height * width;
        let x: Vec<S> = query.x.iter().map(|x| S::of(*x)).collect();
        // All patches together that are farther than the nearest by so much do not show in T.
        let entries = (self.blocks() * LANES * pixels) as f64;
        let reach = S::of((entries / T::epsilon().wide()).ln().min(80.0) / query.scale);
        // Of exponents of 2.
        let scale = S::of(query.scale * std::f64::consts::LOG2_E);
        let slack = S::of(SLACK / query.scale);
        let mut nearest = vec![S::infinity(); pixels];
        let mut sums = Sums::default();
        let (mut total, mut step) = (vec![Lane::zero(); pixels], vec![Lane::zero(); pixels * channels]);
        for block in blocks.map(|number| self.images_of(number)) {
            for rows in &query.level.rows {
                for columns in &query.level.columns {
                    vectorized(
                        #[inline(always)]
                        || {
                            self.distances(
                                &x,
                                &block,
                                rows,
                                columns,
                                &mut sums,
                                #[inline(always)]
                                |i, j, distances| {
                                    let pixel = self.pixel(i.0, j.0);
                                    let reference = &mut nearest[pixel];
                                    if !any_below(distances, *reference + reach) {
                                        return;
                                    }
                                    let (numbers, at) = self.numbers(i, j);
                                    if any_below(distances, *reference - slack) {
                                        let least = least(distances);
                                        let factor = ((least - *reference).wide() * query.scale).exp();
                                        *reference = least;
                                        scale_by(&mut total[pixel..pixel + 1], factor);
                                        scale_by(&mut step[numbers.clone()], factor);
                                    }
                                    let mut weights = Lane::<T>::zero();
                                    for (weight, d) in weights.iter_mut().zip(distances.iter()) {
                                        *weight = T::of(((*reference - *d) * scale).wide()).exp2_bounded();
                                    }
                                    if !block.is_full {
                                        for (weight, present) in weights.iter_mut().zip(block.present.iter())
                                        {
                                            *weight *= *present;
                                        }
                                    }
                                    let weights = Lane(weights.map(T::wide));
                                    add(&mut total[pixel], &weights);
                                    let steps = step[numbers.clone()].iter_mut().zip(&query.x[numbers]);
                                    for ((step, x), y) in steps.zip(&block.images[at]) {
                                        for ((step, w), y) in
                                            step.iter_mut().zip(weights.iter()).zip(y.iter())
                                        {
                                            *step += w * (y.wide() - x);
                                        }
                                    }
                                },
                            );
                        },
                    );
                }
            }
        }
        let nearest = nearest.iter().map(|d| d.wide()).collect();
        let sum = |lane: &Lane<f64>| lane.iter().sum();
        Posterior { nearest, total: total.iter().map(sum).collect(), step: step.iter().map(sum).collect() }
    }

    /// Squared distances of the patches of a pair of shifts, each given with row and column of the patches' centres, of x
    /// and of the images.
    #[inline(always)]
    fn distances<S: Scalar>(
        &self,
        x: &[S],
        block: &Block<T>,
        rows: &Axis,
        columns: &Axis,
        sums: &mut Sums<S>,
        mut take: impl FnMut((usize, usize), (usize, usize), &Lane<S>),
    ) {
        let (rows_centres, columns_centres) = (rows.centres_of(), columns.centres_of());
        sums.over(
            &rows.patches,
            &columns.patches,
            #[inline(always)]
            |i, j| {
                let mut sum = Lane::zero();
                let (numbers, at) = self.numbers(rows.cells[i], columns.cells[j]);
                for (x, y) in x[numbers].iter().zip(&block.images[at]) {
                    for (sum, y) in sum.iter_mut().zip(y.iter()) {
                        // Exact, but where T has more digits than S, which it never has.
                        let difference = *x - S::of(y.wide());
                        *sum += difference * difference;
                    }
                }
                sum
            },
            #[inline(always)]
            |i, j, sum| take(rows_centres[i], columns_centres[j], sum),
        );
    }

    /// Where the channels of a pixel of x are, and of one of the images.
    #[inline(always)]
    fn numbers(&self, row: (usize, usize), column: (usize, usize)) -> (Range<usize>, Range<usize>) {
        let channels = self.shape[2];
        let channels_of = |pixel: usize| pixel * channels..(pixel + 1) * channels;
        (channels_of(self.pixel(row.0, column.0)), channels_of(self.pixel(row.1, column.1)))
    }

    #[inline(always)]
    fn pixel(&self, row: usize, column: usize) -> usize {
        row * self.shape[1] + column
    }
}

impl Query<'_> {
    /// All pairs of shifts.
    fn shifts(&self) -> impl Iterator<Item = (&Axis, &Axis)> {
        self.level.rows.iter().flat_map(|rows| self.level.columns.iter().map(move |columns| (rows, columns)))
    }
}

/// Whether one of them is.
#[inline(always)]
fn any_below<S: Scalar>(lane: &Lane<S>, limit: S) -> bool {
    // All of them, not as many as it takes: comparisons side by side.
    lane.iter().fold(false, |any, d| any | (*d <= limit))
}

fn least<S: Scalar>(lane: &Lane<S>) -> S {
    lane.iter().fold(S::infinity(), |least, d| if *d < least { *d } else { least })
}

fn scale_by(lanes: &mut [Lane<f64>], factor: f64) {
    lanes.iter_mut().flat_map(|lane| lane.iter_mut()).for_each(|v| *v *= factor);
}

impl Posterior {
    fn is_within(&self, distance: f64) -> bool {
        self.nearest.iter().all(|nearest| *nearest <= distance)
    }

    /// Takes in that of later blocks.
    fn add(&mut self, other: Posterior, scale: f64) {
        let channels = self.step.len() / self.total.len();
        let steps = self.step.chunks_exact_mut(channels).zip(other.step.chunks_exact(channels));
        let sums = self.nearest.iter_mut().zip(&mut self.total).zip(other.nearest.iter().zip(&other.total));
        for (((nearest, total), (others_nearest, others_total)), (step, others_step)) in sums.zip(steps) {
            let least = nearest.min(*others_nearest);
            let mine = ((least - *nearest) * scale).exp();
            let others = ((least - others_nearest) * scale).exp();
            *nearest = least;
            *total = *total * mine + others_total * others;
            for (step, other) in step.iter_mut().zip(others_step) {
                *step = *step * mine + other * others;
            }
        }
    }
}

impl<T: Scalar> Denoiser<T> for LocalDenoiser<T> {
    fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.split(x, sigma)?.0)
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let (mut d, mut rest) = (Array2::zeros(x.raw_dim()), Array2::zeros(x.raw_dim()));
        let rows = x.axis_iter(Along(0)).into_par_iter();
        let out = d.axis_iter_mut(Along(0)).into_par_iter().zip(rest.axis_iter_mut(Along(0)));
        rows.zip(out).for_each(|(x, (mut d, mut rest))| {
            let x = wide(x);
            let step = self.posterior(&self.query(&x, sigma)).step;
            for ((d, rest), (x, step)) in d.iter_mut().zip(&mut rest).zip(x.iter().zip(&step)) {
                (*d, *rest) = (T::of(x + step), T::of(-step));
            }
        });
        Ok((d, rest))
    }
}

fn wide<T: Scalar>(x: ArrayView1<T>) -> Vec<f64> {
    x.iter().map(|x| x.wide()).collect()
}

impl<T: Scalar> Differentiable<T> for LocalDenoiser<T> {
    /// J v at a pixel: −σ⁻² Σ w (y − D) Σ_patch (x − y)·v.
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.products(x, directions, sigma, false))
    }

    /// Jᵀu: −σ⁻² Σ (x − y) Σ_owners w (y − D)·u, the owners of a place being the patches that have it. J is not
    /// symmetric: a pixel depends on its patch alone, and patches of different pixels have different weights.
    fn vjp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.products(x, directions, sigma, true))
    }
}

impl<T: Scalar> LocalDenoiser<T> {
    /// Products with J or, `transposed`, with Jᵀ.
    fn products(
        &self,
        x: ArrayView1<T>,
        directions: ArrayView2<T>,
        sigma: f64,
        transposed: bool,
    ) -> Array2<T> {
        let x = wide(x);
        let query = self.query(&x, sigma);
        let posterior = self.posterior_by::<f64>(&query);
        let mut out = Array2::zeros(directions.raw_dim());
        let groups = directions.axis_chunks_iter(Along(0), DIRECTIONS).into_par_iter();
        groups.zip(out.axis_chunks_iter_mut(Along(0), DIRECTIONS)).for_each(|(directions, mut out)| {
            let directions: Vec<Vec<f64>> = directions.outer_iter().map(wide).collect();
            let run = |blocks| self.run_products(&query, &posterior, &directions, transposed, blocks);
            let sums = self.over(0..self.blocks(), &run, &|left: &mut Vec<f64>, right| {
                left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
            });
            // −σ⁻² = −2/2σ².
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = T::of(-2.0 * query.scale * sum));
        });
        out
    }

    /// What some blocks add to products, without the factor −σ⁻²: one after the other.
    fn run_products(
        &self,
        query: &Query,
        posterior: &Posterior,
        directions: &[Vec<f64>],
        transposed: bool,
        blocks: Range<usize>,
    ) -> Vec<f64> {
        let d = self.dim();
        let mut products = vec![Lane::zero(); directions.len() * d];
        let mut weights: Vec<Lane<f64>> = Vec::new();
        let mut sums = Sums::default();
        for block in blocks.map(|number| self.images_of(number)) {
            for (rows, columns) in query.shifts() {
                vectorized(
                    #[inline(always)]
                    || {
                        weights.clear();
                        self.distances(
                            query.x,
                            &block,
                            rows,
                            columns,
                            &mut sums,
                            #[inline(always)]
                            |i, j, distances| {
                                let pixel = self.pixel(i.0, j.0);
                                let (nearest, total) = (posterior.nearest[pixel], posterior.total[pixel]);
                                weights.push(Lane(std::array::from_fn(|l| {
                                    let log = (nearest - distances[l]) * query.scale;
                                    log.exp_flushed() * block.present[l].wide() / total
                                })));
                            },
                        );
                        if weights.iter().all(|lane| lane.iter().all(|w| *w == 0.0)) {
                            return;
                        }
                        let (rows_centres, columns_centres) = (rows.centres_of(), columns.centres_of());
                        let weight = |i: usize, j: usize| &weights[i * columns_centres.len() + j];
                        for (v, products) in directions.iter().zip(products.chunks_exact_mut(d)) {
                            if transposed {
                                sums.over(
                                    &rows.owners,
                                    &columns.owners,
                                    #[inline(always)]
                                    |i, j| {
                                        let mut sum = Lane::zero();
                                        let (numbers, at) = self.numbers(rows_centres[i], columns_centres[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            for ((sum, w), y) in
                                                sum.iter_mut().zip(weight(i, j).iter()).zip(y.iter())
                                            {
                                                *sum +=
                                                    w * v[n] * (y.wide() - query.x[n] - posterior.step[n]);
                                            }
                                        }
                                        sum
                                    },
                                    #[inline(always)]
                                    |i, j, owned| {
                                        let (numbers, at) = self.numbers(rows.cells[i], columns.cells[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            let lanes = products[n].iter_mut().zip(owned.iter());
                                            for ((sum, owned), y) in lanes.zip(y.iter()) {
                                                *sum += owned * (query.x[n] - y.wide());
                                            }
                                        }
                                    },
                                );
                            } else {
                                sums.over(
                                    &rows.patches,
                                    &columns.patches,
                                    #[inline(always)]
                                    |i, j| {
                                        let mut sum = Lane::zero();
                                        let (numbers, at) = self.numbers(rows.cells[i], columns.cells[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            for (sum, y) in sum.iter_mut().zip(y.iter()) {
                                                *sum += v[n] * (query.x[n] - y.wide());
                                            }
                                        }
                                        sum
                                    },
                                    #[inline(always)]
                                    |i, j, along| {
                                        let (numbers, at) = self.numbers(rows_centres[i], columns_centres[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            let lanes = products[n].iter_mut().zip(along.iter());
                                            let lanes = lanes.zip(weight(i, j).iter()).zip(y.iter());
                                            for (((sum, along), w), y) in lanes {
                                                *sum +=
                                                    w * along * (y.wide() - query.x[n] - posterior.step[n]);
                                            }
                                        }
                                    },
                                );
                            }
                        }
                    },
                );
            }
        }
        products.iter().map(|lane| lane.iter().sum()).collect()
    }
}
