//! Leading directions of a denoiser's Jacobian J, of all its output or of the part Ω alone, P_Ω J; and directions
//! that change what is inside Ω and leave what is outside (LOCO edit, arXiv 2409.02374, algorithm 1): the leading
//! ones of P_Ω J less their part in the leading ones of P_Ω^c J.
//!
//! Exactly, through J itself or its closed form, or by subspace iteration: V ← right singular vectors of UᵀP_Ω J,
//! U an orthonormal basis of P_Ω J V, so products with J and Jᵀ alone and memory for a few directions more than are
//! asked for.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use rand::Rng;

use super::numerical_rank::leading_vectors;
use crate::denoiser::{Differentiable, Singular};
use crate::linalg::{
    cast, complete_basis, fix_signs, orthonormal_rows_by_parts, orthonormalize, product, right_svd,
    squared_norms, thin_svd, turn_rows,
};
use crate::random::{Purpose, row_rng, standard_normals, step_rng};
use crate::scalar::Scalar;

/// What to look for, at points of one noise level.
pub struct Search<'a, T: Scalar> {
    pub denoiser: &'a dyn Differentiable<T>,
    pub sigma: f64,
    /// r: how many directions.
    pub count: usize,
    /// Ω: which numbers of the output count; `None` is all.
    pub inside: Option<&'a [bool]>,
    /// q: leading directions of what is outside Ω that are projected off.
    pub null_rank: usize,
    pub method: Method,
    /// Of the type that products with J are computed in.
    pub rounding: f64,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Through J's closed form, or J itself and its SVD.
    Exact,
    /// Until every direction turns by no more than `tolerance` radians in a round, or `most` rounds.
    Iterated { tolerance: f64, most: usize },
}

/// What was found at one point.
#[derive(Debug)]
pub struct Basis {
    /// Directions v_i as rows, (r, d), of length 1; without a null rank orthonormal, and right singular vectors of P_Ω
    /// J, largest first. The entry of largest magnitude is positive.
    pub right: Array2<f64>,
    /// P_Ω J v_i / ‖P_Ω J v_i‖ as rows, (r, d): left singular vectors. Zeros where it is but rounding.
    pub left: Array2<f64>,
    /// ‖P_Ω J v_i‖: singular values.
    pub values: Array1<f64>,
    /// Whether P_Ω J takes a direction to 0, up to rounding, before a projection: then it is any of those it does so.
    pub nothing: bool,
    /// The smallest ‖v − V̄V̄ᵀv‖ of all v, before they were given the length 1. 1 without a null rank.
    pub kept: f64,
    /// ‖J − Jᵀ‖/‖J‖ (Frobenius), where J was formed.
    pub asymmetry: Option<f64>,
    /// The largest angle by which a direction still turned in the last round beyond the tolerance; 0 if none did.
    pub turning: f64,
}

/// Directions more than asked for that an iteration carries: it then converges as (s_{r+5}/s_r)² does.
const MORE: usize = 4;

/// Units of rounding that a product with J may be off by, of the largest singular value: directions of smaller
/// ones turn by as much more, for ever.
pub const UNITS: f64 = 32.0;

/// Columns of directions that are looked at together.
const COLUMNS: usize = 1024;

/// Numbers of the directions that go through J together, and the fewest directions: what products need besides then
/// takes no more than a few of many directions do.
const AT_ONCE: usize = 1 << 17;
const FEWEST: usize = 8;

/// What is known of J at a point.
enum Known {
    /// Symmetric: all of its spectrum.
    Closed(Singular),
    Formed(Array2<f64>),
    /// Its products.
    Products,
}

/// ‖J − Jᵀ‖/‖J‖ (Frobenius), 0 for the Jacobian of a posterior mean; none of 0.
pub fn asymmetry(j: ArrayView2<f64>) -> Option<f64> {
    Some(norm((&j - &j.t()).view()) / norm(j)).filter(|a| a.is_finite())
}

impl<T: Scalar> Search<'_, T> {
    /// How many vectors of a closed form are used: of a part, all.
    fn lifted(&self) -> usize {
        if self.inside.is_none() { self.count } else { usize::MAX }
    }

    /// The directions at one point; `row` keys what is drawn.
    ///
    /// # Errors
    /// Of the denoiser; a direction of which the projection leaves nothing; numbers that are not finite.
    pub fn at(&self, x: ArrayView1<T>, row: u64) -> Result<Basis> {
        let known = match (self.method, self.denoiser.closed_form()) {
            (Method::Iterated { .. }, _) => Known::Products,
            (Method::Exact, Some(_)) => {
                Known::Closed(self.denoiser.spectrum(x, self.sigma, self.lifted())?)
            }
            (Method::Exact, None) => Known::Formed(cast(self.denoiser.jacobian(x, self.sigma)?.view())),
        };
        let (mut right, mut turning) = self.leading(&known, x, self.inside, self.count, [row, 0])?;
        let image = |right: &Array2<f64>| -> Result<(Array2<f64>, Array1<f64>)> {
            // Symmetric, it makes of its own vectors multiples.
            if let (Known::Closed(j), None) = (&known, self.inside) {
                let values = Array1::from(j.all()[..right.nrows()].to_vec());
                return Ok((right * &values.view().insert_axis(Axis(1)), values));
            }
            let mut left = match &known {
                Known::Formed(j) => product(right.view(), j.t()),
                _ => {
                    let mut left = right.clone();
                    let jvp = |v: ArrayView2<T>| self.denoiser.jvp(x, v, self.sigma);
                    self.in_parts(&mut left, jvp)?;
                    left
                }
            };
            restrict(&mut left, self.inside);
            let values = squared_norms(left.view()).mapv(f64::sqrt);
            ensure!(
                values.iter().all(|v| v.is_finite()),
                "a Jacobian is not finite: the model's numbers are too large for this noise level"
            );
            Ok((left, values))
        };
        let least =
            |values: &Array1<f64>| UNITS * self.rounding * values.iter().fold(0.0, |m, &v| f64::max(m, v));
        let mut kept = 1.0;
        let mut found = None;
        if let (1.., Some(inside)) = (self.null_rank, self.inside) {
            // What J takes to 0 is any direction, which the projection would give a value.
            let (_, values) = image(&right)?;
            found = Some(values);
            let outside: Vec<bool> = inside.iter().map(|inside| !inside).collect();
            let (null, also) = self.leading(&known, x, Some(&outside), self.null_rank, [row, 1])?;
            turning = f64::max(turning, also);
            let within = product(product(right.view(), null.t()).view(), null.view());
            right -= &within;
            let lengths = squared_norms(right.view()).mapv(f64::sqrt);
            kept = lengths.iter().fold(1.0, |least, &l| f64::min(least, l));
            // Below this it is the rounding of the subtraction, whatever its length is made.
            ensure!(
                kept > 1e3 * self.rounding,
                "nothing of a direction is left beside the {} leading ones outside the mask; give a smaller --null-rank",
                self.null_rank
            );
            right /= &lengths.insert_axis(Axis(1));
        }
        fix_signs(right.view_mut().reversed_axes());
        let (mut left, values) = image(&right)?;
        let rounding = least(&values);
        for (mut u, &value) in left.outer_iter_mut().zip(&values) {
            u /= if value > rounding { value } else { f64::INFINITY };
        }
        let found = found.as_ref().unwrap_or(&values);
        let nothing = found.iter().any(|&v| v <= least(found));
        let asymmetry = match &known {
            Known::Formed(j) => asymmetry(j.view()),
            _ => None,
        };
        Ok(Basis { right, left, values, nothing, kept, asymmetry, turning })
    }

    /// The leading right singular vectors of P_Ω J as rows, and by how much an iteration fell short. The key is the
    /// row, and which of its searches this is.
    fn leading(
        &self,
        known: &Known,
        x: ArrayView1<T>,
        inside: Option<&[bool]>,
        count: usize,
        [row, search]: [u64; 2],
    ) -> Result<(Array2<f64>, f64)> {
        let rng = &mut row_rng(self.seed, Purpose::Completion, row);
        let columns = match (known, inside) {
            (Known::Products, _) => return self.iterate(x, inside, count, [row, search]),
            (Known::Closed(j), None) => leading_vectors(j, count, rng),
            (Known::Closed(j), Some(inside)) => leading_of_part(j, inside, count, rng)?,
            (Known::Formed(j), _) => {
                let (_, v) = right_svd(j.select(Axis(0), &places(inside, j.nrows())).view())?;
                let found = v.slice(s![.., ..count.min(v.ncols())]);
                // Of an output of fewer numbers than directions are asked for, the others are anything.
                complete_basis(found, count, Array2::zeros((v.nrows(), 0)).view(), rng)
            }
        };
        Ok((columns.reversed_axes(), 0.0))
    }

    /// The same by products alone.
    fn iterate(
        &self,
        x: ArrayView1<T>,
        inside: Option<&[bool]>,
        count: usize,
        [row, search]: [u64; 2],
    ) -> Result<(Array2<f64>, f64)> {
        let Method::Iterated { tolerance, most } = self.method else { anyhow::bail!("bug: no iteration") };
        let d = x.len();
        let width = (count + MORE).min(d);
        let places = places(inside, d);
        let mut rng = step_rng(self.seed, Purpose::Probes, search, row);
        let drawn = Array2::from_shape_vec((width, d), standard_normals::<f64>(&mut rng, width * d))?;
        let (mut v, _) = orthonormal_rows_by_parts(drawn);
        let mut jacobian = self.denoiser.at(x, self.sigma);
        let mut excess = f64::INFINITY;
        for _ in 0..most {
            // With many directions memory holds little but v, which all becomes in its place, and what it was before, of the
            // type that products round to.
            let before: Array2<T> = cast(v.view());
            self.in_parts(&mut v, |v| jacobian.jvp(v))?;
            if places.len() < d {
                v = v.select(Axis(1), &places);
            }
            ensure!(
                v.iter().all(|v| v.is_finite()),
                "a Jacobian is not finite: the model's numbers are too large for this noise level"
            );
            (v, _) = orthonormal_rows_by_parts(v);
            if places.len() < d {
                v = spread(v, &places, d);
            }
            self.in_parts(&mut v, |u| jacobian.vjp(u))?;
            // The right singular vectors of UᵀPJ = (QR)ᵀ are Q times the left ones of R.
            let upper;
            (v, upper) = orthonormal_rows_by_parts(v);
            let (turn, values, _) = thin_svd(upper.view())?;
            turn_rows(v.view_mut(), turn.t());
            excess = turned(before.slice(s![..count.min(v.nrows()), ..]), v.view(), &values)
                .map(|(angle, share)| angle - UNITS * self.rounding / share)
                .fold(0.0, f64::max);
            if excess <= tolerance {
                break;
            }
        }
        if v.nrows() < count {
            v = complete_basis(v.t(), count, Array2::zeros((d, 0)).view(), &mut rng).reversed_axes();
        }
        let found = v.slice_move(s![..count, ..]);
        Ok((found, if excess <= tolerance { 0.0 } else { excess }))
    }

    /// Rows become their products with J, some at a time: as many as a program takes, where the model is one.
    fn in_parts(
        &self,
        rows: &mut Array2<f64>,
        mut times: impl FnMut(ArrayView2<T>) -> Result<Array2<T>>,
    ) -> Result<()> {
        let most = self.denoiser.batch().unwrap_or((AT_ONCE / rows.ncols()).max(FEWEST));
        for mut rows in rows.axis_chunks_iter_mut(Axis(0), most) {
            let products = times(cast(rows.view()).view())?;
            rows.zip_mut_with(&products, |row, product| *row = product.wide());
        }
        Ok(())
    }
}

/// Rows of the numbers at some places, with zeros at all others.
fn spread(rows: Array2<f64>, places: &[usize], d: usize) -> Array2<f64> {
    let mut all = Array2::zeros((rows.nrows(), d));
    for (column, &place) in rows.columns().into_iter().zip(places) {
        all.column_mut(place).assign(&column);
    }
    all
}

/// By how much each of some directions (rows) lies outside a span (of orthonormal rows), as the sine of the angle, with
/// its singular value's share of the largest.
fn turned<'a, T: Scalar>(
    directions: ArrayView2<'a, T>,
    span: ArrayView2<'a, f64>,
    values: &'a Array1<f64>,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let parts = || {
        let directions = directions.axis_chunks_iter(Axis(1), COLUMNS).map(|part| cast::<T, f64>(part));
        directions.zip(span.axis_chunks_iter(Axis(1), COLUMNS))
    };
    let mut shares = Array2::zeros((directions.nrows(), span.nrows()));
    parts().for_each(|(directions, span)| shares += &product(directions.view(), span.t()));
    let mut outside = Array1::zeros(directions.nrows());
    for (directions, span) in parts() {
        outside += &squared_norms((&directions - &product(shares.view(), span)).view());
    }
    let largest = values.first().copied().unwrap_or(0.0);
    outside.into_iter().zip(values).map(move |(square, value)| (square.sqrt(), value / largest))
}

/// The leading right singular vectors, as columns, of P_Ω J for a symmetric J = ρI + F diag(s − ρ) Fᵀ. With orthonormal
/// bases B of P_Ω F and C of P_Ω^c F, P_Ω J is BK[B C]ᵀ on their spans, K = BᵀF diag(s − ρ)Fᵀ[B C] + ρ[I 0]; what is in
/// Ω and orthogonal to B it multiplies by ρ, all else it takes to 0.
fn leading_of_part(j: &Singular, inside: &[bool], count: usize, rng: &mut impl Rng) -> Result<Array2<f64>> {
    let (d, (rho, _)) = (inside.len(), j.rest);
    let place = |part: bool| (0..d).filter(|&i| inside[i] == part).collect::<Vec<usize>>();
    let (within, without) = (place(true), place(false));
    let frame = |places: &[usize]| j.right.select(Axis(0), places);
    let (b, c) = (orthonormalize(frame(&within).view()), orthonormalize(frame(&without).view()));
    let (bf, cf) = (product(b.t(), frame(&within).view()), product(c.t(), frame(&without).view()));
    let scaled = &bf * &j.values.mapv(|s| s - rho);
    let mut own = product(scaled.view(), bf.t());
    own.diag_mut().mapv_inplace(|k| k + rho);
    let k = concatenate![Axis(1), own, product(scaled.view(), cf.t())];
    let (values, w) = right_svd(k.view())?;
    // Back to all d coordinates.
    let lift = |part: ArrayView2<f64>, places: &[usize]| {
        let mut all = Array2::zeros((d, part.ncols()));
        for (row, &place) in part.outer_iter().zip(places) {
            all.row_mut(place).assign(&row);
        }
        all
    };
    let (in_b, in_c) = w.view().split_at(Axis(0), b.ncols());
    let listed =
        lift(product(b.view(), in_b).view(), &within) + lift(product(c.view(), in_c).view(), &without);
    // In order: what exceeds ρ, then what is multiplied by ρ, of which every basis will do, then what is less.
    let above = values.iter().take_while(|&&s| s >= rho).count().min(count);
    let drawn = (within.len() - b.ncols()).min(count - above);
    let others = complete_basis(b.view(), b.ncols() + drawn, Array2::zeros((within.len(), 0)).view(), rng);
    let others = lift(others.slice(s![.., b.ncols()..]), &within);
    let below = listed.slice(s![.., above..listed.ncols().min(count - drawn)]);
    let found = concatenate![Axis(1), listed.slice(s![.., ..above]), others, below];
    Ok(complete_basis(found.view(), count, Array2::zeros((d, 0)).view(), rng))
}

/// The numbers of the output that count.
fn places(inside: Option<&[bool]>, d: usize) -> Vec<usize> {
    (0..d).filter(|&i| inside.is_none_or(|inside| inside[i])).collect()
}

/// P_Ω of every row.
fn restrict(rows: &mut Array2<f64>, inside: Option<&[bool]>) {
    for (mut column, inside) in rows.columns_mut().into_iter().zip(inside.unwrap_or_default()) {
        if !inside {
            column.fill(0.0);
        }
    }
}

/// The Frobenius norm.
fn norm(a: ArrayView2<f64>) -> f64 {
    squared_norms(a).sum().sqrt()
}
