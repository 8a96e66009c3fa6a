//! The rows of a set that are nearest to others, or most similar: the one place where all are compared with all.
//!
//! Blocks of samples meet tiles of the set in products, which bound every score from above: scores themselves up to their
//! rounding, or, where the set is large and has few dimensions, bounds of fewer columns ([`Sieve`]). Rows whose bound reaches the best
//! that were found are compared by themselves in f64. So what is found is exact, ties go to the lower row, and neither
//! sieve nor blocks nor threads change a bit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Result, bail, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix1, s};
use rayon::prelude::*;

use super::reproducibility::{Similarity, cosine_of};
use super::sieve::{Frame, Seen, Sieve, Single};
use crate::linalg::{column_means, dot, product, squared_distance};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Rows of the set compared with a block at a time: their scores stay in the cache.
const TILE: usize = 512;

/// Bounds of a row that are looked at together: a vector of them.
const LANES: usize = 16;

/// Smaller sets are searched without a sieve.
const LARGE: usize = 4096;

/// Rows of fewer times the root of the least number of T are tiny.
const TINY: f64 = 4096.0;

/// Samples that try a sieve, few of them first.
const PILOTS: [usize; 2] = [4, 64];

/// A set of rows to be searched.
pub struct Searched<T: Scalar> {
    rows: Array2<T>,
    /// The rows' mean, subtracted from samples before products: data far from
    /// the origin would lose their digits in ‖x‖² − 2xᵀt + ‖t‖².
    centre: Array1<T>,
    /// ½‖t_j − centre‖².
    half_norms: Vec<T>,
    /// ‖t_j‖², and 1/‖t_j‖; 0 for zero rows, and NaN for rows so small that T loses their products: these are compared
    /// by themselves.
    squares: Vec<f64>,
    inverse_norms: Vec<T>,
    /// Their numbers, and the largest of the others' 1/‖t_j‖.
    tiny: Vec<usize>,
    largest_inverse: f64,
    /// max ‖t_j − centre‖.
    farthest: f64,
    /// Of each form.
    sieves: [Sifting<T>; 2],
}

/// What is largest for the rows that are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The cosine; the score is xᵀt/‖t‖.
    Cosine,
    /// The squared distance, negative; the score is xᵀt − ½‖t‖², seen from the centre.
    Distance,
}

/// A row that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    key: f64,
    row: usize,
}

/// A sieve, once it seems to pay.
struct Sifting<T: Scalar> {
    sieve: OnceLock<Option<Sieve<T>>>,
    /// Samples so far, or that are expected.
    asked: AtomicUsize,
    /// Samples that it was used for, and how many rows passed it for all of them.
    sifted: Mutex<(usize, f64)>,
}

/// The row most similar to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    pub row: usize,
    pub similarity: f64,
}

/// The two rows nearest to another. In a set of one row the second is infinitely far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub row: usize,
    pub distance: f64,
    pub second: f64,
}

/// A row near to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub row: usize,
    pub distance: f64,
}

/// Refuses samples whose products with others T does not hold.
///
/// # Errors
/// When one of their numbers is too large.
pub fn check_scale<T: Scalar>(x: ArrayView2<T>) -> Result<()> {
    let most = most::<T>();
    // Nearly always so, and of NaN it is not.
    if all(x, |v| v.wide().abs() <= most) {
        return Ok(());
    }
    ensure!(
        all(x, |v| !v.is_nan()),
        "a number is NaN, which is near to nothing; correct such rows, or leave them out with npy cat --nan drop"
    );
    bail!("numbers beyond {most:e} are too large to search in {}; give them in another unit", T::DTYPE)
}

/// Whether all numbers are so; on all threads.
fn all<T: Scalar>(x: ArrayView2<T>, so: impl Fn(T) -> bool + Sync) -> bool {
    x.axis_iter(Axis(0)).into_par_iter().all(|row| match row.as_slice() {
        Some(row) => vectorized(
            #[inline(always)]
            || row.iter().fold(true, |all, &v| all & so(v)),
        ),
        None => row.iter().all(|&v| so(v)),
    })
}

/// Sums of so large squares are numbers of T, of numbers all smaller than its inverse nothing at all.
fn most<T: Scalar>() -> f64 {
    match T::DTYPE {
        Dtype::F32 => 1e16,
        Dtype::F64 => 1e150,
    }
}

/// Refuses a set whose rows are not told apart by their distances in T.
///
/// # Errors
/// As [`check_scale`]; when all numbers but zeros are too small.
pub fn check_set<T: Scalar>(rows: ArrayView2<T>) -> Result<()> {
    check_scale(rows)?;
    let least = 1.0 / most::<T>();
    ensure!(
        rows.iter().all(|x| x.wide() == 0.0) || rows.iter().any(|x| x.wide().abs() >= least),
        "numbers all below {least:e} are too small to search in {}; give them in another unit",
        T::DTYPE
    );
    Ok(())
}

impl<T: Scalar> Searched<T> {
    /// `rows` (N, d), N > 0.
    ///
    /// # Errors
    /// As [`check_set`].
    pub fn checked(rows: Array2<T>) -> Result<Searched<T>> {
        check_set(rows.view())?;
        Ok(Searched::new(rows))
    }

    /// `rows` (N, d), N > 0.
    pub fn new(rows: Array2<T>) -> Searched<T> {
        let centre = column_means(rows.view()).mapv(T::of);
        let inverse = |norm: f64| match norm {
            0.0 => T::zero(),
            _ if norm < T::min_positive_value().wide().sqrt() * TINY => T::nan(),
            _ => T::of(norm.recip()),
        };
        let (from_centre, squares): (Vec<f64>, Vec<f64>) = rows
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|t| (squared_distance(t, centre.view()), dot(t, t)))
            .unzip();
        let inverse_norms: Vec<T> = squares.iter().map(|s| inverse(s.sqrt())).collect();
        Searched {
            tiny: (0..squares.len()).filter(|&j| inverse_norms[j].is_nan()).collect(),
            // f64::max passes over NaN.
            largest_inverse: inverse_norms.iter().fold(0.0, |most, v| f64::max(most, v.wide())),
            farthest: from_centre.iter().fold(0.0f64, |m, s| m.max(*s)).sqrt(),
            half_norms: from_centre.into_iter().map(|s| T::of(0.5 * s)).collect(),
            inverse_norms,
            squares,
            sieves: [(); 2].map(|()| Sifting {
                sieve: OnceLock::new(),
                asked: AtomicUsize::new(0),
                sifted: Mutex::new((0, 0.0)),
            }),
            centre,
            rows,
        }
    }

    /// The same, told that so many samples will be searched for: what pays only for many is done from the first.
    pub fn expecting(self, samples: usize) -> Searched<T> {
        self.sieves.iter().for_each(|sieve| sieve.asked.store(samples, Ordering::Relaxed));
        self
    }

    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// For every sample its most similar row; `unit` as in
    /// [`Similarity::between`].
    pub fn best(&self, x: ArrayView2<T>, similarity: Similarity, unit: f64) -> Vec<Best> {
        self.best_but(x, similarity, unit, None)
    }

    /// For every sample its two nearest rows.
    pub fn nearest(&self, x: ArrayView2<T>) -> Vec<Nearest> {
        self.nearest_but(x, None)
    }

    /// For every of these rows the most similar of the others; nothing where there are none.
    pub fn best_of_others(&self, rows: &[usize], similarity: Similarity, unit: f64) -> Vec<Best> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.best_but(self.rows.select(Axis(0), rows).view(), similarity, unit, Some(rows))
    }

    /// For every of these rows the two nearest of the others; nothing where there are none.
    pub fn nearest_of_others(&self, rows: &[usize]) -> Vec<Nearest> {
        if self.rows.nrows() < 2 {
            return Vec::new();
        }
        self.nearest_but(self.rows.select(Axis(0), rows).view(), Some(rows))
    }

    /// As [`Searched::best`], for sample i without row `but[i]`.
    fn best_but(
        &self,
        x: ArrayView2<T>,
        similarity: Similarity,
        unit: f64,
        but: Option<&[usize]>,
    ) -> Vec<Best> {
        match similarity {
            Similarity::Cosine => {
                let found = self.search(x, 1, but, Form::Cosine).into_iter();
                found.map(|found| Best { row: found[0].row, similarity: found[0].key }).collect()
            }
            Similarity::L2 => {
                let nearest = self.nearest_but(x, but).into_iter();
                nearest.map(|n| Best { row: n.row, similarity: n.distance }).collect()
            }
            // No product computes absolute differences.
            Similarity::Mae => x
                .axis_iter(Axis(0))
                .into_par_iter()
                .enumerate()
                .map(|(i, x)| {
                    let own = but.map(|but| but[i]);
                    let mut best = Best { row: 0, similarity: f64::INFINITY };
                    for (row, t) in self.rows.outer_iter().enumerate().filter(|(row, _)| Some(*row) != own) {
                        let similarity = similarity.between(x, t, unit);
                        if similarity < best.similarity {
                            best = Best { row, similarity };
                        }
                    }
                    best
                })
                .collect(),
        }
    }

    /// For every of these rows the `count` nearest of the others, as [`Searched::neighbours`].
    pub fn neighbours_of_others(&self, rows: &[usize], count: usize) -> Vec<Vec<Neighbour>> {
        self.neighbours_but(self.rows.select(Axis(0), rows).view(), count, Some(rows))
    }

    /// For every x the `count` nearest rows, nearest first, of equally near ones the lower; all where there are fewer.
    pub fn neighbours(&self, x: ArrayView2<T>, count: usize) -> Vec<Vec<Neighbour>> {
        self.neighbours_but(x, count, None)
    }

    /// As [`Searched::nearest`], for sample i without row `but[i]`.
    fn nearest_but(&self, x: ArrayView2<T>, but: Option<&[usize]>) -> Vec<Nearest> {
        let nearest = self.neighbours_but(x, 2, but).into_iter();
        let two = |found: Vec<Neighbour>| Nearest {
            row: found[0].row,
            distance: found[0].distance,
            second: found.get(1).map_or(f64::INFINITY, |second| second.distance),
        };
        nearest.map(two).collect()
    }

    fn neighbours_but(&self, x: ArrayView2<T>, count: usize, but: Option<&[usize]>) -> Vec<Vec<Neighbour>> {
        let neighbour = |found: Found| Neighbour { row: found.row, distance: (-found.key).sqrt() };
        let found = self.search(x, count, but, Form::Distance).into_iter();
        found.map(|found| found.into_iter().map(neighbour).collect()).collect()
    }

    /// For every sample the `count` rows of largest key, without row `but[i]`: largest first, of equal ones the lower
    /// row first. To be called from outside the pool of threads.
    fn search(&self, x: ArrayView2<T>, count: usize, but: Option<&[usize]>, form: Form) -> Vec<Vec<Found>> {
        let Some(sieve) = self.sieve(x, count, but, form) else {
            return self.compared(x, count, but, form, None).0;
        };
        let (found, passed) = self.compared(x, count, but, form, Some(sieve));
        let mut sifted = self.sieves[form as usize].sifted.lock().unwrap_or_else(PoisonError::into_inner);
        *sifted = (sifted.0 + x.nrows(), sifted.1 + passed);
        found
    }

    /// Whether so many rows passing a sieve for so many samples leave it worth its time. Of those that are looked for some
    /// pass whatever the sieve.
    fn bearable(&self, sieve: &Sieve<T>, (samples, passed): (usize, f64), count: usize) -> bool {
        const WHATEVER: usize = 16;
        let each = sieve.single().may_pass() * self.rows.nrows() as f64 + (WHATEVER * count) as f64;
        passed <= samples as f64 * each
    }

    /// The sieve, where it pays: for many samples of a large set, of which it lets few rows pass. What is found is the
    /// same without.
    fn sieve(&self, x: ArrayView2<T>, count: usize, but: Option<&[usize]>, form: Form) -> Option<&Sieve<T>> {
        let state = &self.sieves[form as usize];
        let asked = state.asked.fetch_add(x.nrows(), Ordering::Relaxed) + x.nrows();
        if self.rows.nrows() < LARGE || x.nrows() == 0 || asked < Sieve::<T>::worth(self.rows.nrows()) {
            return None;
        }
        let pays = |sieve: &Sieve<T>| {
            PILOTS.into_iter().all(|samples| {
                let pilot = x.slice(s![..x.nrows().min(samples), ..]);
                let but = but.map(|but| &but[..pilot.nrows()]);
                let (_, passed) = self.compared(pilot, count, but, form, Some(sieve));
                self.bearable(sieve, (pilot.nrows(), passed), count)
            })
        };
        let sieve = || {
            let frame = Arc::new(Frame::of(self.rows.view(), self.seen_from(form).view())?);
            let sieves = [Single::Leading, Single::All].into_iter();
            sieves.map(|single| self.new_sieve(&frame, single, form)).find(pays)
        };
        let sifted = *state.sifted.lock().unwrap_or_else(PoisonError::into_inner);
        state.sieve.get_or_init(sieve).as_ref().filter(|sieve| self.bearable(sieve, sifted, count))
    }

    /// What is subtracted from rows and samples.
    fn seen_from(&self, form: Form) -> CowArray<'_, T, Ix1> {
        match form {
            Form::Cosine => CowArray::from(Array1::zeros(self.rows.ncols())),
            Form::Distance => CowArray::from(&self.centre),
        }
    }

    fn new_sieve(&self, frame: &Arc<Frame<T>>, single: Single, form: Form) -> Sieve<T> {
        let n = self.rows.nrows();
        let [alpha, beta] = match form {
            Form::Cosine => [self.inverse_norms.iter().map(|v| v.wide()).collect(), vec![0.0; n]],
            Form::Distance => [vec![1.0; n], self.half_norms.iter().map(|v| -v.wide()).collect()],
        };
        Sieve::of(frame, single, self.rows.view(), self.seen_from(form).view(), [&alpha, &beta])
    }

    /// Blocks of samples with tiles of the set: products bound every score from above, and rows whose bound reaches
    /// what has been found are compared by themselves. Also how many passed the first bound of a sieve.
    fn compared(
        &self,
        x: ArrayView2<T>,
        count: usize,
        but: Option<&[usize]>,
        form: Form,
        sieve: Option<&Sieve<T>>,
    ) -> (Vec<Vec<Found>>, f64) {
        let block = crate::blocks::block_size(x.nrows());
        let blocks: Vec<(Vec<Vec<Found>>, f64)> = x
            .axis_chunks_iter(Axis(0), block)
            .into_par_iter()
            .enumerate()
            .map(|(b, x)| {
                let own = but.map(|but| &but[b * block..b * block + x.nrows()]);
                Search::new(self, x, count, own, form, sieve).run()
            })
            .collect();
        let passed = blocks.iter().map(|b| b.1).sum();
        (blocks.into_iter().flat_map(|b| b.0).collect(), passed)
    }
}

/// The search for one block of samples.
struct Search<'a, T: Scalar> {
    of: &'a Searched<T>,
    x: ArrayView2<'a, T>,
    count: usize,
    but: Option<&'a [usize]>,
    form: Form,
    sieve: Option<(&'a Sieve<T>, Seen<T>)>,
    /// A column a sample: what tiles of the set, or of the sieve, are multiplied with.
    columns: Array2<T>,
    /// ‖x‖², and ‖x‖, for distances as it is seen from the centre.
    squares: Vec<f64>,
    sizes: Vec<f64>,
    found: Vec<Vec<Found>>,
    /// Which rows of the first tile have been compared at the beginning, (rows, samples).
    begun: Array2<bool>,
    /// What a bound must reach.
    limits: Vec<T>,
    /// Of a row and every so many samples, whether it reaches the limit of any.
    reached: Vec<bool>,
    /// Rows that passed the first bound of a sieve.
    passed: f64,
}

/// Whether any bound reaches its limit.
#[inline(always)]
fn reached<T: Scalar>(bounds: &[T], limits: &[T]) -> bool {
    bounds.iter().zip(limits).fold(false, |any, (bound, limit)| any | (bound >= limit))
}

impl<'a, T: Scalar> Search<'a, T> {
    fn new(
        of: &'a Searched<T>,
        x: ArrayView2<'a, T>,
        count: usize,
        but: Option<&'a [usize]>,
        form: Form,
        sieve: Option<&'a Sieve<T>>,
    ) -> Search<'a, T> {
        let n = x.nrows();
        let seen = match form {
            Form::Cosine => CowArray::from(x),
            Form::Distance => CowArray::from(&x - &of.centre),
        };
        let sieve = sieve.map(|sieve| (sieve, sieve.see(seen.view())));
        let columns = match &sieve {
            Some((_, seen)) => seen.first.t().as_standard_layout().into_owned(),
            None => seen.t().as_standard_layout().into_owned(),
        };
        Search {
            squares: x.outer_iter().map(|x| dot(x, x)).collect(),
            // By differences of f64: what T rounds of x − centre may be more than a row is away.
            sizes: x
                .outer_iter()
                .map(|x| match form {
                    Form::Cosine => dot(x, x).sqrt(),
                    Form::Distance => squared_distance(x, of.centre.view()).sqrt(),
                })
                .collect(),
            begun: Array2::from_elem((TILE.min(of.rows.nrows()), n), false),
            found: vec![Vec::with_capacity(count + 1); n],
            limits: vec![T::neg_infinity(); n],
            reached: vec![false; n.div_ceil(LANES)],
            passed: 0.0,
            of,
            x,
            count,
            but,
            form,
            sieve,
            columns,
        }
    }

    fn run(mut self) -> (Vec<Vec<Found>>, f64) {
        for start in (0..self.of.rows.nrows()).step_by(TILE) {
            let bounds = self.bounds(start);
            if start == 0 {
                self.begin(bounds.view());
            }
            for (j, bounds) in bounds.outer_iter().enumerate() {
                let Some(bounds) = bounds.as_slice() else { continue };
                self.row(start + j, bounds);
            }
        }
        if self.form == Form::Cosine {
            for &j in &self.of.tiny {
                (0..self.x.nrows()).for_each(|i| self.compare(i, j));
            }
        }
        (self.found, self.passed)
    }

    /// Bounds of the scores of a tile of rows, up to rounding, (rows, samples).
    fn bounds(&self, start: usize) -> Array2<T> {
        let end = (start + TILE).min(self.of.rows.nrows());
        if let Some((sieve, _)) = &self.sieve {
            return product(sieve.first().slice(s![start..end, ..]), self.columns.view());
        }
        let rows = self.of.rows.slice(s![start..end, ..]);
        let rows = match self.form {
            Form::Cosine => CowArray::from(rows),
            Form::Distance => CowArray::from(&rows - &self.of.centre),
        };
        let mut scores = product(rows.view(), self.columns.view());
        for (mut scores, j) in scores.outer_iter_mut().zip(start..) {
            let Some(scores) = scores.as_slice_mut() else { continue };
            let (norm, half) = (self.of.inverse_norms[j], self.of.half_norms[j]);
            vectorized(
                #[inline(always)]
                || match self.form {
                    Form::Cosine => scores.iter_mut().for_each(|xt| *xt *= norm),
                    Form::Distance => scores.iter_mut().for_each(|xt| *xt -= half),
                },
            );
        }
        scores
    }

    /// Compares the rows of the first tile with the largest bounds, so that the others have what to reach.
    fn begin(&mut self, bounds: ArrayView2<T>) {
        for i in 0..self.x.nrows() {
            let mut rows: Vec<usize> = (0..bounds.nrows()).filter(|&j| !bounds[[j, i]].is_nan()).collect();
            let order = |a: &usize, b: &usize| bounds[[*b, i]].wide().total_cmp(&bounds[[*a, i]].wide());
            if rows.len() > self.count {
                rows.select_nth_unstable_by(self.count, order);
                rows.truncate(self.count + 1);
            }
            for j in rows {
                self.begun[[j, i]] = true;
                self.compare(i, j);
            }
        }
    }

    /// Compares a row with the samples where its bound reaches what has been found.
    fn row(&mut self, j: usize, bounds: &[T]) {
        // Few rows are among any one's best: most samples are passed over, many at once.
        vectorized(
            #[inline(always)]
            || {
                let (bounds, rest) = bounds.as_chunks::<LANES>();
                let (limits, rest_limits) = self.limits.as_chunks::<LANES>();
                let groups = bounds.iter().zip(limits).map(|(bounds, limits)| reached(bounds, limits));
                for (group, reached) in
                    self.reached.iter_mut().zip(groups.chain([reached(rest, rest_limits)]))
                {
                    *group = reached;
                }
            },
        );
        for group in 0..self.reached.len() {
            if !self.reached[group] {
                continue;
            }
            let lanes = group * LANES..bounds.len().min((group + 1) * LANES);
            for (i, &bound) in lanes.clone().zip(&bounds[lanes]) {
                if bound >= self.limits[i] && !(j < TILE && self.begun[[j, i]]) {
                    self.passed += 1.0;
                    let closer = self.sieve.as_ref().map(|(sieve, seen)| sieve.second(seen, i, j, bound));
                    // What is no number rules nothing out.
                    if !closer.is_some_and(|closer| closer < self.limits[i]) {
                        self.compare(i, j);
                    }
                }
            }
        }
    }

    /// Compares row j with sample i, and keeps it if it is one of the best.
    fn compare(&mut self, i: usize, j: usize) {
        let found = &mut self.found[i];
        if self.but.is_some_and(|but| but[i] == j) {
            return;
        }
        let (x, t) = (self.x.row(i), self.of.rows.row(j));
        let key = match self.form {
            Form::Cosine => cosine_of(x, t, self.squares[i], self.of.squares[j]),
            Form::Distance => -squared_distance(x, t),
        };
        let place = found.partition_point(|f| f.key > key || (f.key == key && f.row < j));
        if place == self.count {
            return;
        }
        found.insert(place, Found { key, row: j });
        found.truncate(self.count);
        if let Some(&Found { key, .. }) = found.get(self.count - 1) {
            self.limits[i] = self.limit(i, key);
        }
    }

    /// What a bound must reach for a row of this key: its score, less what rounding may have made of either.
    fn limit(&self, i: usize, key: f64) -> T {
        let (size, d) = (self.sizes[i], self.x.ncols());
        let (units, least) = (T::DTYPE.rounding(), T::min_positive_value().wide());
        // Sums of as many products, of which those of up to 512 are one sum, half a unit each; and what is rounded
        // before: differences, norms, the score itself. A product may also vanish.
        let terms = match &self.sieve {
            Some((sieve, _)) => sieve.terms(),
            None => d.min(512) + d / 512,
        };
        let terms = (terms + 8) as f64;
        let coordinates = self.sieve.as_ref().map_or(0.0, |(sieve, _)| sieve.lost());
        let units_lost = terms * units.max(1e-14) + coordinates;
        if self.form == Form::Cosine && size < least.sqrt() * TINY {
            // As tiny rows are, it is compared with all.
            return T::neg_infinity();
        }
        let (score, lost) = match self.form {
            Form::Cosine => (key * size, units_lost * size + terms * least * self.of.largest_inverse),
            Form::Distance => {
                // No row that is as near is farther from the centre, by the triangle inequality.
                let distance = (-key).sqrt();
                let reach = self.of.farthest.min(size + distance);
                // Squares of f64, which nearly cancel where a sample is far from all rows.
                let squares = f64::EPSILON * (d + 8) as f64 * (size * size - key);
                (
                    0.5 * (size * size + key),
                    units_lost * (size * reach + 0.5 * reach * reach) + terms * least + squares,
                )
            }
        };
        T::of(score - lost - units * score.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::cast;
    use crate::random::{Purpose, normal_rows};

    /// Rows of low rank with some noise, (n, d).
    fn low_rank<T: Scalar>(seed: u64, n: usize, d: usize, noise: f64) -> Array2<T> {
        let rows = |purpose, n, d| normal_rows::<f64>(seed, purpose, 0..n as u64, d);
        let axes = normal_rows::<f64>(0, Purpose::Bases, 0..12, d);
        let mut x = product(rows(Purpose::Coefficients, n, 12).view(), axes.view());
        x.scaled_add(noise, &rows(Purpose::Latents, n, d));
        cast(x.view())
    }

    /// Which sieve is taken, if any, and that what is found with it is what is found without.
    #[test]
    fn a_sieve_is_taken_where_it_pays() {
        let d = 400;
        // Numbers of one size in so many dimensions, in axes of their own.
        let of_rank = |seed, n, rank| {
            let axes = normal_rows::<f64>(0, Purpose::Bases, 0..rank as u64, d);
            let within = normal_rows::<f64>(seed, Purpose::Coefficients, 0..n as u64, rank);
            cast::<f64, f32>(product(within.view(), axes.view()).view())
        };
        let found = |found: Vec<Vec<Found>>| -> Vec<(u64, usize)> {
            found.into_iter().flatten().map(|f| (f.key.to_bits(), f.row)).collect()
        };
        let mut last = None;
        for (rank, form, taken) in [
            (d, Form::Distance, None),
            (150, Form::Distance, Some(Single::All)),
            (12, Form::Cosine, Some(Single::Leading)),
        ] {
            let x = of_rank(2, 10, rank);
            let searched = Searched::new(of_rank(1, LARGE, rank)).expecting(10_000);
            // By samples of which there are none nothing is tried.
            assert!(searched.sieve(x.slice(s![..0, ..]), 2, None, form).is_none());
            let sieve = searched.sieve(x.view(), 2, None, form);
            assert_eq!(sieve.map(Sieve::single), taken, "rank {rank}");
            let without = searched.compared(x.view(), 2, None, form, None).0;
            assert_eq!(found(searched.search(x.view(), 2, None, form)), found(without), "rank {rank}");
            last = Some((searched, x));
        }
        // Samples that are nothing like the rows let all pass, after which it is not used.
        let (searched, x) = last.expect("there were some");
        searched.best(Array2::zeros((10, d)).view(), Similarity::Cosine, 1.0);
        assert!(searched.sieve(x.view(), 1, None, Form::Cosine).is_none());
    }

    /// Whatever is let through: structured, noisy and random rows, repeated ones, some far from the origin and one from
    /// all others.
    #[test]
    fn a_sieve_changes_nothing() {
        fn agree<T: Scalar>(rows: Array2<T>, x: Array2<T>, what: &str, share: f64) {
            let searched = Searched::new(rows);
            let own: Vec<usize> = (0..searched.rows.nrows()).step_by(97).collect();
            let of_set = searched.rows.select(Axis(0), &own);
            for form in [Form::Cosine, Form::Distance] {
                let frame = Frame::of(searched.rows.view(), searched.seen_from(form).view());
                let frame = Arc::new(frame.expect("rows are wide enough"));
                let sieves =
                    [Single::Leading, Single::All].map(|single| searched.new_sieve(&frame, single, form));
                for count in [1, 9] {
                    let found = |sieve| {
                        let keys = |found: Vec<Vec<Found>>| -> Vec<(u64, usize)> {
                            found.into_iter().flatten().map(|f| (f.key.to_bits(), f.row)).collect()
                        };
                        let (found, passed) = searched.compared(x.view(), count, None, form, sieve);
                        let others = searched.compared(of_set.view(), count, Some(&own), form, sieve).0;
                        ((keys(found), keys(others)), passed)
                    };
                    let without = found(None).0;
                    for sieve in &sieves {
                        let (with, passed) = found(Some(sieve));
                        assert!(with == without, "{what}, {count}, {:?}", sieve.single());
                        let passed = passed / (x.nrows() * searched.rows.nrows()) as f64;
                        assert!(passed <= share, "{what}, {count}, {:?}: {passed}", sieve.single());
                    }
                }
            }
        }
        fn all<T: Scalar>() {
            let (train, x) = (low_rank::<T>(1, 900, 200, 0.02), low_rank::<T>(2, 8, 200, 0.02));
            // What the first tile lets through before there is a limit is most of it.
            agree(train.clone(), x.clone(), "low rank", 0.1);
            agree(&train + T::of(300.0), &x + T::of(300.0), "far from the origin", 1.0);
            let size = |v: f64| T::min_positive_value().sqrt() * T::of(v);
            agree(&train * size(0.01), &x * size(0.1), "near the least numbers", 1.0);
            let (large, tiny) =
                (&train.slice(s![..200, ..]) * T::of(1e8), &x.slice(s![..3, ..]) * size(1e-6));
            agree(large, tiny, "tiny samples, large rows", 1.0);
            if size_of::<T>() == 8 {
                // But for rounding, both types go the same ways.
                return;
            }
            agree(low_rank::<T>(1, 700, 200, 1.0), low_rank::<T>(2, 8, 200, 1.0), "noisy", 1.0);
            agree(low_rank::<T>(1, 600, 200, 1e4), low_rank::<T>(2, 8, 200, 1e4), "random", 1.0);
            let repeated = Array2::from_shape_fn((800, 200), |(i, j)| train[[i % 80, j]]);
            agree(repeated.clone(), repeated.slice(s![..8, ..]).to_owned(), "repeated", 1.0);
            agree(train.clone(), &x + T::of(1e5), "samples far from the set", 1.0);
            let mut outlier = train.clone();
            outlier.row_mut(3).fill(T::of(1e6));
            outlier.row_mut(5).fill(T::zero());
            agree(outlier, x, "an outlier and a row of zeros", 1.0);
        }
        all::<f32>();
        all::<f64>();
    }
}
