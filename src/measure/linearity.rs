//! How linear a denoiser is: far and wide, over pairs of points (arXiv 2410.24060), and about a point, against its
//! first-order expansion (arXiv 2409.02374).

use std::f64::consts::FRAC_1_SQRT_2;

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::comparison::Gap;
use super::interval::Mean;
use crate::denoiser::{Denoiser, Differentiable};
use crate::random::{Purpose, fill_normal, row_rng, subset};
use crate::scalar::Scalar;

/// Pairs of noisy points, of which D(αx₁ + βx₂) is compared with αD(x₁) + βD(x₂), α = β = 1/√2: their sum has as much
/// noise as each of them.
pub struct Pairs<'a, T: Scalar> {
    pub denoiser: &'a dyn Denoiser<T>,
    /// Without noise, (n, d), n ≥ 2.
    pub points: ArrayView2<'a, T>,
    /// μ, where D(μ + ·) − μ is to be linear, not D.
    pub centre: Option<ArrayView1<'a, T>>,
    pub seed: u64,
}

impl<T: Scalar> Pairs<'_, T> {
    /// x₁, x₂ and αx₁ + βx₂ about the centre, (3, d): two points of pair `number`, drawn with their noise. One pair and
    /// noise ε for all levels.
    fn draw(&self, number: u64, sigma: f64) -> Array2<T> {
        let mut rng = row_rng(self.seed, Purpose::Pairs, number);
        let mut three = Array2::zeros((3, self.points.ncols()));
        let mut noise = vec![T::zero(); self.points.ncols()];
        for (i, point) in subset(&mut rng, self.points.nrows(), 2).into_iter().enumerate() {
            fill_normal(&mut rng, &mut noise);
            let mut x = three.row_mut(i);
            x.assign(&self.points.row(point));
            x.iter_mut().zip(&noise).for_each(|(x, z)| *x += T::of(sigma) * *z);
            if let Some(centre) = self.centre {
                x -= &centre;
            }
        }
        let sum = self.sum(three.view());
        three.row_mut(2).assign(&sum);
        three
    }

    /// αx₁ + βx₂ of the first two rows.
    fn sum(&self, rows: ArrayView2<T>) -> Array1<T> {
        (&rows.row(0) + &rows.row(1)) * T::of(FRAC_1_SQRT_2)
    }

    /// The points of pair `number`.
    fn points_of(&self, number: u64) -> [usize; 2] {
        let points = subset(&mut row_rng(self.seed, Purpose::Pairs, number), self.points.nrows(), 2);
        [points[0], points[1]]
    }

    /// D(αx₁ + βx₂) against αD(x₁) + βD(x₂), about the centre, for pairs of these numbers.
    ///
    /// # Errors
    /// The denoiser's.
    pub fn gaps(&self, numbers: std::ops::Range<u64>, sigma: f64) -> Result<Vec<PairGap>> {
        let count = (numbers.end - numbers.start) as usize;
        let mut x = Array2::zeros((3 * count, self.points.ncols()));
        for (i, number) in numbers.clone().enumerate() {
            x.slice_mut(s![3 * i..3 * i + 3, ..]).assign(&self.draw(number, sigma));
        }
        if let Some(centre) = self.centre {
            x += &centre;
        }
        let mut d = self.denoiser.denoise_rows(x.view(), 3 * numbers.start, sigma)?;
        if let Some(centre) = self.centre {
            d -= &centre;
        }
        let gap = |(i, number): (usize, u64)| {
            let three = d.slice(s![3 * i..3 * i + 3, ..]);
            let sum = self.sum(three);
            PairGap {
                gap: Gap::of(three.row(2), sum.view()),
                difference: three.row(2).iter().zip(&sum).map(|(d, s)| d.wide() - s.wide()).collect(),
                points: self.points_of(number),
            }
        };
        Ok(numbers.enumerate().map(gap).collect())
    }
}

/// How far D is from linear over one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairGap {
    pub gap: Gap,
    /// D(αx₁ + βx₂) − αD(x₁) − βD(x₂).
    pub difference: Array1<f64>,
    /// Which points they are.
    pub points: [usize; 2],
}

/// A mean over pairs of points, with its error over draws of points and pairs: pairs that have a point in common are alike,
/// Var = (1/P²) Σ e_p e_q over pairs p, q, once for each point that they share, and once if they are the same, e = v − v̄ (after
/// Fafchamps and Gubert, J. Dev. Econ. 83 (2007) 326), and no less than that of P pairs that are not. Of some 5 points it is too
/// small by a third, from 20 on right.
#[derive(Clone, Debug, Default)]
pub struct PairMean {
    pub of_pairs: Mean,
    /// Of each point, how many pairs it is in and the sum of their values.
    points: Vec<(f64, f64)>,
}

impl PairMean {
    pub fn add(&mut self, points: [usize; 2], value: f64) {
        self.of_pairs.add(value);
        for point in points {
            if self.points.len() <= point {
                self.points.resize(point + 1, (0.0, 0.0));
            }
            let (count, sum) = &mut self.points[point];
            (*count, *sum) = (*count + 1.0, *sum + value);
        }
    }

    /// Fewest points that tell the error over draws of them: of two it is six times too small.
    const FEWEST: usize = 5;

    /// Of one pair there is none, nor of pairs of fewer points than tell it.
    pub fn error(&self, points: usize) -> Option<f64> {
        if points < PairMean::FEWEST {
            return None;
        }
        let (alone, n) = (self.of_pairs.error()?, self.of_pairs.n as f64);
        let of_points = self.points.iter().map(|(count, sum)| (sum - count * self.of_pairs.mean).powi(2));
        let squares = self.of_pairs.variance() * (n - 1.0);
        Some(alone.max((of_points.sum::<f64>() - squares).max(0.0).sqrt() / n))
    }
}

/// Fewest pairs that say what all have in common: of five and more of 3 numbers chance made half in none of a dozen seeds.
const FEWEST: f64 = 10.0;

/// What the differences of all pairs have in common: of D(x) = Wx + b each is (1 − √2) b.
#[derive(Clone, Debug, Default)]
pub struct Common {
    sum: Array1<f64>,
    squares: f64,
    pairs: f64,
}

impl Common {
    pub fn add(&mut self, difference: &Array1<f64>) {
        if self.pairs == 0.0 {
            self.sum = Array1::zeros(difference.len());
        }
        self.sum += difference;
        self.squares += difference.dot(difference);
        self.pairs += 1.0;
    }

    /// ‖δ̄‖² as a share of the mean of ‖δ‖², without what chance makes of it; none of few pairs, of which chance makes half
    /// now and then, and where nothing differs.
    pub fn share(&self) -> Option<f64> {
        let (n, square) = (self.pairs, self.squares / self.pairs);
        let mean = self.sum.dot(&self.sum) / (n * n);
        (n >= FEWEST && square > 0.0).then(|| (mean - (square - mean) / (n - 1.0)) / square)
    }
}

/// D(x + λv) against D(x) + λJv.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// ‖D(x + λv)‖/‖D(x) + λJv‖; none where that is 0.
    pub norm_ratio: Option<f64>,
    /// Of the two; and of D(x + λv) − D(x) and λJv, of which D(x) does not hide the difference.
    pub cosine: Option<f64>,
    pub change_cosine: Option<f64>,
    /// ‖D(x + λv) − D(x) − λJv‖, which falls as λ².
    pub error: f64,
}

/// Of many steps, over the points that have each.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepMeans {
    pub norm_ratio: Mean,
    pub cosine: Mean,
    pub change_cosine: Mean,
    pub error: Mean,
}

impl StepMeans {
    pub fn add(&mut self, step: &Step) {
        step.norm_ratio.into_iter().for_each(|r| self.norm_ratio.add(r));
        step.cosine.into_iter().for_each(|c| self.cosine.add(c));
        step.change_cosine.into_iter().for_each(|c| self.change_cosine.add(c));
        self.error.add(step.error);
    }
}

/// Steps of several lengths λ from one point along one direction v; `first` is the number of the first of the 1 + n
/// rows that are denoised.
///
/// # Errors
/// The denoiser's.
pub fn steps<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView1<T>,
    v: ArrayView1<T>,
    lambdas: &[f64],
    first: u64,
    sigma: f64,
) -> Result<Vec<Step>> {
    let mut points = Array2::zeros((1 + lambdas.len(), x.len()));
    for (mut point, lambda) in points.outer_iter_mut().zip([0.0].iter().chain(lambdas)) {
        point.assign(&x);
        point.scaled_add(T::of(*lambda), &v);
    }
    let d = denoiser.denoise_rows(points.view(), first, sigma)?;
    let slope = denoiser.jvp(x, v.insert_axis(ndarray::Axis(0)), sigma)?;
    let step = |(i, &lambda): (usize, &f64)| {
        let there = d.row(i + 1).mapv(Scalar::wide);
        let here = d.row(0).mapv(Scalar::wide);
        let change = slope.row(0).mapv(|j| lambda * j.wide());
        let expected = &here + &change;
        let gap = Gap::of(expected.view(), there.view());
        let changes = Gap::of((&there - &here).view(), change.view());
        Step {
            norm_ratio: (gap.size > 0.0).then(|| (there.dot(&there) / gap.size).sqrt()),
            cosine: gap.cosine,
            change_cosine: changes.cosine,
            error: changes.square.sqrt(),
        }
    };
    Ok(lambdas.iter().enumerate().map(step).collect())
}
