//! The denoiser of a local machine and its Jacobian.
//!
//! Of every pair of shifts (of rows, of columns) and a block of images at once: the squared differences at all places, their
//! sums over patches ([`Sums`]), and softmax weights relative to the nearest patch so far, a reference a pixel. So the
//! softmax is over the whole dictionary, exactly, whatever parts it is computed in. Distances and all sums are f64;
//! exponentials are computed in T.
//!
//! What is averaged is the step to a patch's centre, y − x, so that x − D has the digits of its own size.

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis as Along};
use rayon::prelude::*;

use super::axes::{Axis, axes};
use super::windows::{LANES, Lane, Sums};
use super::{Local, Machine};
use crate::denoiser::{Denoiser, Differentiable};
use crate::scalar::{Scalar, vectorized};

/// Blocks of images that one thread takes one after the other; what they give is put together in pairs, in an order
/// that the number of images alone decides.
const RUN: usize = 4;

/// Directions whose products are computed together, at most.
const DIRECTIONS: usize = 8;

/// The denoiser of a local machine, computing in T.
pub struct LocalDenoiser<T: Scalar> {
    /// Height, width, channels.
    shape: [usize; 3],
    count: usize,
    /// The images, by blocks: (blocks, height, width, channels, [`LANES`]). The last block is filled up with its first.
    images: Vec<T>,
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
    /// The smallest squared distance of a patch, a pixel each.
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
    /// 1 for images that are not there to fill up the block.
    present: Lane<T>,
}

impl<T: Scalar> LocalDenoiser<T> {
    /// # Errors
    /// When there are not as many numbers as the images' shape says.
    pub fn new(local: Local) -> Result<LocalDenoiser<T>> {
        let [count, height, width, channels] = local.shape;
        let d = local.dim();
        let rows = Array2::from_shape_vec((count, d), local.values.into_vec::<T>())?;
        let mut images = Vec::with_capacity(count.div_ceil(LANES) * LANES * d);
        for block in rows.axis_chunks_iter(Along(0), LANES) {
            for number in block.columns() {
                images.extend(number);
                images.extend(std::iter::repeat_n(number[0], LANES - number.len()));
            }
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
            images: &self.images.as_chunks().0[number * size..(number + 1) * size],
            present: std::array::from_fn(|l| if l < there { T::one() } else { T::zero() }),
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
        let mut all = self.over(0..self.blocks(), &|blocks| self.run(query, blocks), &|left, right| {
            left.add(right, query.scale);
        });
        let channels = self.shape[2];
        for (step, total) in all.step.chunks_exact_mut(channels).zip(&all.total) {
            step.iter_mut().for_each(|s| *s /= total);
        }
        all
    }

    /// The same of some blocks, not divided by the weights' sum.
    fn run(&self, query: &Query, blocks: Range<usize>) -> Posterior {
        let [height, width, channels] = self.shape;
        let pixels = height * width;
        let mut nearest = vec![f64::INFINITY; pixels];
        let mut total = vec![[0.0; LANES]; pixels];
        let mut step = vec![[0.0; LANES]; pixels * channels];
        // All patches together that are farther than the nearest by so much do not show in T.
        let entries = (self.blocks() * LANES * pixels) as f64;
        let reach = (entries / T::epsilon().wide()).ln().min(80.0) / query.scale;
        let mut sums = Sums::default();
        // Log weights that count, and where: exponentials are loops over all of a pair of shifts.
        let (mut weights, mut places) = (Vec::new(), Vec::new());
        for block in blocks.map(|number| self.images_of(number)) {
            for (rows, columns) in query.shifts() {
                vectorized(
                    #[inline(always)]
                    || {
                        weights.clear();
                        places.clear();
                        self.distances(
                            query,
                            &block,
                            rows,
                            columns,
                            &mut sums,
                            #[inline(always)]
                            |i, j, distances| {
                                let pixel = self.pixel(i.0, j.0);
                                let reference = &mut nearest[pixel];
                                let least = least(distances);
                                if least > *reference + reach {
                                    return;
                                }
                                let (numbers, at) = self.numbers(i, j);
                                if least < *reference {
                                    let factor = ((least - *reference) * query.scale).exp();
                                    *reference = least;
                                    for lane in
                                        std::iter::once(&mut total[pixel]).chain(&mut step[numbers.clone()])
                                    {
                                        lane.iter_mut().for_each(|v| *v *= factor);
                                    }
                                }
                                let mut logs = [T::zero(); LANES];
                                for (log, d) in logs.iter_mut().zip(distances) {
                                    *log = T::of((*reference - d) * query.scale);
                                }
                                weights.extend_from_slice(&logs);
                                places.push((pixel, numbers, at));
                            },
                        );
                        for w in &mut weights {
                            *w = w.exp_flushed();
                        }
                        for (w, (pixel, numbers, at)) in weights.as_chunks::<LANES>().0.iter().zip(&places) {
                            let mut weights = [0.0; LANES];
                            for ((weight, w), present) in weights.iter_mut().zip(w).zip(&block.present) {
                                *weight = (*w * *present).wide();
                            }
                            for (total, w) in total[*pixel].iter_mut().zip(&weights) {
                                *total += w;
                            }
                            let steps = step[numbers.clone()].iter_mut().zip(&query.x[numbers.clone()]);
                            for ((step, x), y) in steps.zip(&block.images[at.clone()]) {
                                for ((step, w), y) in step.iter_mut().zip(&weights).zip(y) {
                                    *step += w * (y.wide() - x);
                                }
                            }
                        }
                    },
                );
            }
        }
        let sum = |lane: &Lane<f64>| lane.iter().sum();
        Posterior { nearest, total: total.iter().map(sum).collect(), step: step.iter().map(sum).collect() }
    }

    /// Squared distances of the patches of a pair of shifts, each given with row and column of the patches' centres, of x
    /// and of the images.
    #[inline(always)]
    fn distances(
        &self,
        query: &Query,
        block: &Block<T>,
        rows: &Axis,
        columns: &Axis,
        sums: &mut Sums,
        mut take: impl FnMut((usize, usize), (usize, usize), &Lane<f64>),
    ) {
        let (rows_centres, columns_centres) = (rows.centres_of(), columns.centres_of());
        sums.over(
            &rows.patches,
            &columns.patches,
            #[inline(always)]
            |i, j| {
                let mut sum = [0.0; LANES];
                let (numbers, at) = self.numbers(rows.cells[i], columns.cells[j]);
                for (x, y) in query.x[numbers].iter().zip(&block.images[at]) {
                    for (sum, y) in sum.iter_mut().zip(y) {
                        let difference = x - y.wide();
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

/// The smallest of them. Eight side by side first: a loop over all is a chain of comparisons.
#[inline(always)]
fn least(lane: &Lane<f64>) -> f64 {
    let smaller = |a: f64, b: f64| if b < a { b } else { a };
    let mut least = [f64::INFINITY; 8];
    for eight in lane.as_chunks::<8>().0 {
        for (least, d) in least.iter_mut().zip(eight) {
            *least = smaller(*least, *d);
        }
    }
    for half in [4, 2, 1] {
        for l in 0..half {
            least[l] = smaller(least[l], least[l + half]);
        }
    }
    least[0]
}

impl Posterior {
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
        let posterior = self.posterior(&query);
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
        let mut products = vec![[0.0; LANES]; directions.len() * d];
        let mut weights: Vec<Lane<f64>> = Vec::new();
        let mut sums = Sums::default();
        for block in blocks.map(|number| self.images_of(number)) {
            for (rows, columns) in query.shifts() {
                vectorized(
                    #[inline(always)]
                    || {
                        weights.clear();
                        self.distances(
                            query,
                            &block,
                            rows,
                            columns,
                            &mut sums,
                            #[inline(always)]
                            |i, j, distances| {
                                let pixel = self.pixel(i.0, j.0);
                                let (nearest, total) = (posterior.nearest[pixel], posterior.total[pixel]);
                                weights.push(std::array::from_fn(|l| {
                                    let log = (nearest - distances[l]) * query.scale;
                                    log.exp_flushed() * block.present[l].wide() / total
                                }));
                            },
                        );
                        if weights.iter().flatten().all(|w| *w == 0.0) {
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
                                        let mut sum = [0.0; LANES];
                                        let (numbers, at) = self.numbers(rows_centres[i], columns_centres[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            for ((sum, w), y) in sum.iter_mut().zip(weight(i, j)).zip(y) {
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
                                            for ((sum, owned), y) in products[n].iter_mut().zip(owned).zip(y)
                                            {
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
                                        let mut sum = [0.0; LANES];
                                        let (numbers, at) = self.numbers(rows.cells[i], columns.cells[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            for (sum, y) in sum.iter_mut().zip(y) {
                                                *sum += v[n] * (query.x[n] - y.wide());
                                            }
                                        }
                                        sum
                                    },
                                    #[inline(always)]
                                    |i, j, along| {
                                        let (numbers, at) = self.numbers(rows_centres[i], columns_centres[j]);
                                        for (n, y) in numbers.zip(&block.images[at]) {
                                            let lanes =
                                                products[n].iter_mut().zip(along).zip(weight(i, j)).zip(y);
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
