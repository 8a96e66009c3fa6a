//! The posterior mean of a mixture of low-rank Gaussians, and its Jacobian.
//!
//! With c = x − μ_k, z = U_kᵀc, s_k = δ_k/(δ_k+σ²):
//!
//! * component mean m_k = μ_k + s_k c + U_k diag(λ/(λ+σ²) − s_k) z
//! * log weight ln π_k − ½[Σ ln(λ_i+σ²) + (d−r_k) ln(δ_k+σ²)
//!   + Σ z_i²/(λ_i+σ²) + (‖c‖²−‖z‖²)/(δ_k+σ²)]
//! * D = Σ w_k m_k, w the softmax of the log weights
//! * J = Σ w_k J_k + σ⁻² Σ w_k (m_k − D)(m_k − D)ᵀ,
//!   J_k = s_k I + U_k diag(λ/(λ+σ²) − s_k) U_kᵀ
//!
//! For λ = 1, δ = 0, μ = 0 and equal ranks this is Lemma 1 of arXiv 2409.02426.
//! All of it is computed in coordinates whose origin is the mixture's mean m = Σ π_k μ_k: squares and
//! differences then have the size of what the mixture spans, not of where it lies. What is left,
//! x − D = Σ w_k [σ²/(δ_k+σ²) (c − U_k z) + U_k diag(σ²/(λ+σ²)) z], loses no digits at small σ.
//!
//! The cost is that of two products, 4·n·d·Σr_k operations for n rows.

use std::sync::OnceLock;

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, CowArray, concatenate, s};

use super::reduced::{put_back, seen_from, taken_off};
use super::{Denoiser, Differentiable, Reduced, Singular};
use crate::linalg::{
    accumulate, cast, dot, fix_signs, leading_right_vectors, orthonormalize, product, squared_norms,
    symmetric_eigen,
};
use crate::mixture::{Component, Mixture};
use crate::scalar::{Dtype, Scalar, vectorized};

/// Two log weights further apart than this leave the smaller component a share
/// below 1e-17, under the rounding of f64.
const DECIDED: f64 = 40.0;

/// What changes a Jacobian by less than this share of its norm is under the rounding of its spectrum.
const UNSEEN: f64 = 1e-17;

/// √((λ+t²)/(λ+s²)): what the flow from σ = s > 0 to t multiplies a direction of variance λ by.
pub fn flow_gain(variance: f64, from: f64, to: f64) -> f64 {
    let std = variance.sqrt();
    to.hypot(std) / from.hypot(std)
}

/// A mixture's denoiser, computing in T.
pub struct MixtureDenoiser<T: Scalar> {
    /// Its means less their mean.
    mixture: Mixture,
    /// m, (d); none is 0.
    centre: Option<Array1<f64>>,
    /// d in the determinants of covariances: of the whole space where these are coordinates of a subspace.
    volume: usize,
    /// [U_1 … U_K | μ_1/a … μ_K/a] in T, (d, R) or (d, R + K); means only when there are any.
    frame: Array2<T>,
    /// The same in f64, for rows that T cannot decide and for spectra.
    frame64: Array2<f64>,
    /// a, the power of two just below the largest ‖μ_k‖: products x·μ_k/a stay within T wherever x does.
    unit: f64,
    /// Where component k's columns start in the frame; the last is R.
    starts: Vec<usize>,
    /// U_kᵀμ_k of all components in a row, (R).
    centres: Vec<f64>,
    /// ‖μ_k‖².
    mean_norms: Vec<f64>,
    has_means: bool,
    /// Coordinates for spectra, found when the first one is asked for.
    span: OnceLock<Span>,
    /// The same in fewer coordinates, found when the first flow asks; none where they are not fewer.
    reduced: OnceLock<Option<Reduced<T>>>,
}

/// Orthonormal columns F spanning the frame, (d, p), and FᵀU, (p, R).
struct Span {
    frame: Array2<f64>,
    basis: Array2<f64>,
}

/// Coefficients of one noise level that no row changes.
struct Level {
    sigma2: f64,
    /// Per frame column i of component k: ½(1/(δ+σ²) − 1/(λ_i+σ²)), what z_i² adds to the log weight.
    gain: Vec<f64>,
    /// Per frame column: λ_i/(λ_i+σ²) − s_k.
    shrink: Vec<f64>,
    /// s_k = δ_k/(δ_k+σ²).
    slack: Vec<f64>,
    /// ½/(δ_k+σ²).
    half_precision: Vec<f64>,
    /// ln π_k − ½[Σ ln(λ_i+σ²) + (d−r) ln(δ_k+σ²)], less that of the first component's ln(δ_0+σ²)·d.
    offset: Vec<f64>,
}

/// The posterior at one point, in f64.
struct Posterior {
    /// w_k.
    weights: Vec<f64>,
    /// Rows √w_k (m_k − D), (K, d): σ²J less Σ w_k J_k σ² is their Gram matrix.
    deviations: Array2<f64>,
}

impl<T: Scalar> MixtureDenoiser<T> {
    pub fn new(mut mixture: Mixture) -> MixtureDenoiser<T> {
        let mean = mixture.mean();
        let centre = mean.iter().any(|m| *m != 0.0).then_some(mean);
        if let Some(centre) = &centre {
            mixture.components.iter_mut().for_each(|c| c.mean -= centre);
        }
        MixtureDenoiser::about(centre, mixture)
    }

    /// A mixture whose means are given less `centre`.
    fn about(centre: Option<Array1<f64>>, mixture: Mixture) -> MixtureDenoiser<T> {
        let has_means = mixture.has_means();
        let d = mixture.dim();
        let mut frame64 = mixture.joint_basis();
        let mut starts = vec![0];
        let mut centres = Vec::new();
        for c in &mixture.components {
            starts.push(starts[starts.len() - 1] + c.basis.ncols());
            centres.extend(c.basis.t().dot(&c.mean));
        }
        let mean_norms: Vec<f64> = mixture.components.iter().map(|c| c.mean.dot(&c.mean)).collect();
        let largest = mean_norms.iter().fold(0.0f64, |a, m| a.max(m.sqrt()));
        let unit = if largest > 0.0 { largest.log2().floor().exp2() } else { 1.0 };
        if has_means {
            let k = mixture.components.len();
            let means = Array2::from_shape_fn((d, k), |(i, k)| mixture.components[k].mean[i] / unit);
            frame64 = concatenate![Axis(1), frame64, means];
        }
        MixtureDenoiser {
            frame: cast(frame64.view()),
            centre,
            mean_norms,
            centres,
            frame64,
            unit,
            starts,
            has_means,
            span: OnceLock::new(),
            reduced: OnceLock::new(),
            volume: d,
            mixture,
        }
    }

    fn level(&self, sigma: f64) -> Level {
        let sigma2 = sigma * sigma;
        let d = self.volume as f64;
        let reference = (self.mixture.components[0].noise_variance + sigma2).ln();
        let mut level = Level {
            sigma2,
            gain: Vec::with_capacity(self.centres.len()),
            shrink: Vec::with_capacity(self.centres.len()),
            slack: Vec::new(),
            half_precision: Vec::new(),
            offset: Vec::new(),
        };
        for c in &self.mixture.components {
            let off = c.noise_variance + sigma2;
            let mut logs = 0.0;
            for &variance in &c.variances {
                let on = variance + sigma2;
                // Differences of fractions in one piece: exact where they cancel.
                level.gain.push(0.5 * (variance - c.noise_variance) / (on * off));
                level.shrink.push(sigma2 * (variance - c.noise_variance) / (on * off));
                logs += (on / off).ln();
            }
            level.slack.push(c.noise_variance / off);
            level.half_precision.push(0.5 / off);
            level.offset.push(c.weight.ln() - 0.5 * (logs + d * (off.ln() - reference)));
        }
        level
    }

    /// The log weights of points, (K, n), less ½‖x‖²/(δ_0+σ²), which is the same for all components of a point. `along` is
    /// frameᵀ of the points, a row a column of the frame, so that loops over points become vector instructions; `centres`
    /// is that of the means. `distances(k)` is ‖x−μ_k‖² of every point, less a number that does not depend on k and that
    /// `norms` is less than ‖x‖² by, too. Also the sums of magnitudes over the largest's coordinates, which its rounding is
    /// a share of.
    fn log_weights<P: Scalar>(
        &self,
        level: &Level,
        along: ArrayView2<P>,
        centres: &[f64],
        norms: &[f64],
        distances: impl Fn(usize) -> Vec<f64>,
    ) -> (Array2<f64>, Vec<f64>) {
        let n = along.ncols();
        let first = level.half_precision[0];
        let mut sizes = vec![0.0f64; n];
        let mut log_weights = Array2::zeros((level.offset.len(), n));
        for (k, mut log_weights) in log_weights.outer_iter_mut().enumerate() {
            let (mut gained, mut summed) = (vec![0.0; n], vec![0.0; n]);
            let columns = self.starts[k]..self.starts[k + 1];
            let terms = centres[columns.clone()].iter().zip(&level.gain[columns.clone()]);
            for (i, (&c, &g)) in columns.zip(terms) {
                let row = along.row(i);
                let Some(row) = row.as_slice() else { continue };
                vectorized(
                    #[inline(always)]
                    || {
                        for ((p, gained), summed) in row.iter().zip(&mut gained).zip(&mut summed) {
                            let z = p.wide() - c;
                            *gained += g * z * z;
                            let most = z.abs() + c.abs();
                            *summed += g.abs() * most * most;
                        }
                    },
                );
            }
            let (half, offset) = (level.half_precision[k], level.offset[k]);
            let distances = distances(k);
            let Some(log_weights) = log_weights.as_slice_mut() else { continue };
            vectorized(
                #[inline(always)]
                || {
                    let terms = distances.iter().zip(norms).zip(gained.iter().zip(&summed));
                    for ((log_weight, size), ((distance, norm), (gained, summed))) in
                        log_weights.iter_mut().zip(&mut sizes).zip(terms)
                    {
                        *log_weight = offset + gained - half * (distance - norm) - (half - first) * norm;
                        *size = if *summed > *size { *summed } else { *size };
                    }
                },
            );
        }
        (log_weights, sizes)
    }

    /// w_k of all points, (K, n), given the rows x, seen from the centre, and `along` = frameᵀxᵀ. Of `points`, the same rows
    /// as they came, those are taken that T cannot decide.
    fn weights(
        &self,
        x: ArrayView2<T>,
        points: ArrayView2<T>,
        along: ArrayView2<T>,
        level: &Level,
    ) -> Array2<f64> {
        let n = x.nrows();
        if self.mixture.components.len() == 1 {
            return Array2::ones((1, n));
        }
        let rank = self.centres.len();
        // ‖x‖² matters only where noise variances differ: elsewhere it cancels,
        // and is better not formed.
        let even = level.half_precision.iter().all(|h| *h == level.half_precision[0]);
        let nothing = vec![0.0; n];
        let squares = if even && !self.has_means { nothing.clone() } else { squared_norms(x).to_vec() };
        let norms = if even { &nothing } else { &squares };
        // Of the largest product with a mean, as a multiple of ‖x‖.
        let reach = self.mean_norms.iter().zip(&level.half_precision).map(|(m, half)| 2.0 * half * m.sqrt());
        let reach = reach.fold(0.0, f64::max);
        let distances = |k: usize| -> Vec<f64> {
            let own = self.mean_norms[k];
            if !self.has_means {
                return norms.iter().map(|norm| norm + own).collect();
            }
            let cross = along.row(rank + k);
            norms
                .iter()
                .zip(&cross)
                .map(|(norm, cross)| norm + own - 2.0 * (self.unit * cross.wide()))
                .collect()
        };
        let (mut weights, mut sizes) = self.log_weights(level, along, &self.centres, norms, distances);
        if self.has_means {
            sizes.iter_mut().zip(&squares).for_each(|(size, square)| *size += reach * square.sqrt());
        }
        let undecided = self.undecided(weights.view(), &sizes);
        softmax(&mut weights);
        if !undecided.is_empty() {
            let wide = cast::<T, f64>(points.select(Axis(0), &undecided).view());
            let exact = self.exact_weights(seen_from(&self.centre, wide.view()).view(), level);
            for (j, exact) in undecided.into_iter().zip(exact.columns()) {
                weights.column_mut(j).assign(&exact);
            }
        }
        weights
    }

    /// Points whose log weights, (K, n), summed from numbers of these sizes, are so near each other
    /// that the rounding of T's products, a few units each, shows in the weights.
    fn undecided(&self, log_weights: ArrayView2<f64>, sizes: &[f64]) -> Vec<usize> {
        // A weight's error is at most a quarter of that of the difference of log
        // weights: up to there it stays below that of the products after it. Without
        // means f64 has nothing better.
        let (tolerated, better) = match T::DTYPE {
            Dtype::F32 => (8e-6, true),
            Dtype::F64 => (8e-13, self.has_means),
        };
        let rounding = |size: f64| 4.0 * T::epsilon().wide() * size;
        let tolerable = |size: f64| rounding(size) <= tolerated;
        // At most levels all are, which vectors see at once.
        let all = vectorized(
            #[inline(always)]
            || sizes.iter().fold(true, |all, &size| all & tolerable(size)),
        );
        if all || !better {
            return Vec::new();
        }
        let near = |j: usize| {
            let column = log_weights.column(j);
            let best = column.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            column.iter().filter(|&&l| l > best - DECIDED - rounding(sizes[j])).count() > 1
        };
        (0..sizes.len()).filter(|&j| !tolerable(sizes[j]) && near(j)).collect()
    }

    /// U_kᵀ(x − μ_k) of all components in a row, by differences from the means, (n, R).
    fn exact_coordinates(&self, x: ArrayView2<f64>) -> Array2<f64> {
        if !self.has_means {
            return product(x, self.frame64.slice(s![.., ..self.centres.len()]));
        }
        let mut z = Array2::zeros((x.nrows(), self.centres.len()));
        for (k, c) in self.mixture.components.iter().enumerate() {
            let columns = self.starts[k]..self.starts[k + 1];
            z.slice_mut(s![.., columns]).assign(&product((&x - &c.mean).view(), c.basis.view()));
        }
        z
    }

    /// The weights of rows in f64, by differences from the means, (K, n).
    fn exact_weights(&self, x: ArrayView2<f64>, level: &Level) -> Array2<f64> {
        self.weights_at(x, self.exact_coordinates(x).view(), level)
    }

    /// The mean that is nearest to x, and ‖x − μ‖².
    fn nearest_mean(&self, x: ArrayView1<f64>) -> (&Array1<f64>, f64) {
        let square = |c: &Component| x.iter().zip(&c.mean).map(|(x, a)| (x - a) * (x - a)).sum::<f64>();
        let first = &self.mixture.components[0];
        let start = (&first.mean, square(first));
        let others = if self.has_means { &self.mixture.components[1..] } else { &[] };
        others.iter().map(|c| (&c.mean, square(c))).fold(start, |best, c| if c.1 < best.1 { c } else { best })
    }

    /// The same, given the rows' exact coordinates.
    fn weights_at(&self, x: ArrayView2<f64>, z: ArrayView2<f64>, level: &Level) -> Array2<f64> {
        let origin = vec![0.0; self.centres.len()];
        let nearest: Vec<(&Array1<f64>, f64)> = x.outer_iter().map(|x| self.nearest_mean(x)).collect();
        // Relative to that, μ: (μ − μ_k)·(2x − μ − μ_k).
        let distances = |k: usize| -> Vec<f64> {
            let mean = &self.mixture.components[k].mean;
            let of = |(x, (near, _)): (ArrayView1<f64>, &(&Array1<f64>, f64))| {
                x.iter().zip(*near).zip(mean).map(|((x, a), b)| (a - b) * (2.0 * x - a - b)).sum()
            };
            x.outer_iter().zip(&nearest).map(of).collect()
        };
        let along = z.t().as_standard_layout().into_owned();
        let (mut weights, _) =
            self.log_weights(level, along.view(), &origin, &vec![0.0; x.nrows()], distances);
        for (mut weights, half) in weights.outer_iter_mut().zip(&level.half_precision) {
            for (l, (_, base)) in weights.iter_mut().zip(&nearest) {
                *l -= (half - level.half_precision[0]) * base;
            }
        }
        softmax(&mut weights);
        weights
    }

    /// The posterior at one point, as seen from the centre.
    fn posterior(&self, x: ArrayView1<f64>, level: &Level) -> Posterior {
        let x2 = x.insert_axis(Axis(0));
        let z = self.exact_coordinates(x2);
        let weights = self.weights_at(x2, z.view(), level).into_raw_vec_and_offset().0;
        let mut means = Array2::zeros((weights.len(), x.len()));
        for (k, c) in self.mixture.components.iter().enumerate() {
            let columns = self.starts[k]..self.starts[k + 1];
            let shrunk = Array1::from_iter(columns.map(|i| level.shrink[i] * z[[0, i]]));
            let mut m = c.basis.dot(&shrunk);
            m.zip_mut_with(&c.mean, |m, &mu| *m += mu * (1.0 - level.slack[k]));
            m.scaled_add(level.slack[k], &x);
            means.row_mut(k).assign(&m);
        }
        let mean = ArrayView1::from(&weights).dot(&means);
        for (mut row, w) in means.outer_iter_mut().zip(&weights) {
            row -= &mean;
            row *= w.sqrt();
        }
        Posterior { weights, deviations: means }
    }

    /// x − D for rows seen from the centre, in f64.
    fn rest(&self, x: ArrayView2<f64>, level: &Level) -> Array2<f64> {
        let weights = self.exact_weights(x, level);
        let mut rest = Array2::zeros(x.raw_dim());
        for (k, c) in self.mixture.components.iter().enumerate() {
            let weights = weights.row(k);
            // Most rows have one component or two.
            let rows: Vec<usize> = (0..x.nrows()).filter(|&i| weights[i] > 0.0).collect();
            if rows.is_empty() {
                continue;
            }
            let mut off = x.select(Axis(0), &rows) - &c.mean;
            // Again and again, since what is in the subspace must not count as off it, where noise that is
            // 0 multiplies it by 1 instead of σ²/λ: a basis that was stored in f32 is orthonormal to 1e-7,
            // so that each time leaves 1e-7 of it, until it is rounding.
            let mut z = taken_off(&mut off, c.basis.view(), 3);
            for (mut z, variance) in z.columns_mut().into_iter().zip(&c.variances) {
                z *= level.sigma2 / (variance + level.sigma2);
            }
            off *= level.sigma2 / (c.noise_variance + level.sigma2);
            accumulate(off.view_mut(), z.view(), c.basis.t());
            for (off, i) in off.outer_iter().zip(rows) {
                rest.row_mut(i).scaled_add(weights[i], &off);
            }
        }
        rest
    }

    /// Multiplies every component's columns by w_k (λ/(λ+σ²) − s_k): what Σ w_k J_k
    /// does to coordinates, but for the multiple Σ w_k s_k of the identity, returned.
    fn shrink(&self, level: &Level, weights: &[f64], mut coordinates: ArrayViewMut2<f64>) -> f64 {
        let mut slack = 0.0;
        for (k, w) in weights.iter().enumerate() {
            for i in self.starts[k]..self.starts[k + 1] {
                coordinates.column_mut(i).mapv_inplace(|a| a * w * level.shrink[i]);
            }
            slack += w * level.slack[k];
        }
        slack
    }
}

impl<T: Scalar> Denoiser<T> for MixtureDenoiser<T> {
    fn dim(&self) -> usize {
        self.mixture.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let level = self.level(sigma);
        let points = x;
        let x = seen_from(&self.centre, points);
        let x = x.view();
        let rank = self.centres.len();
        let mut along = product(self.frame.t(), x.t());
        let weights = self.weights(x, points, along.view(), &level);
        // Coordinates become the coefficients by which the frame makes D − (Σ w s) x.
        for (k, weights) in weights.outer_iter().enumerate() {
            let Some(weights) = weights.as_slice() else { continue };
            let columns = self.starts[k]..self.starts[k + 1];
            let terms = self.centres[columns.clone()].iter().zip(&level.shrink[columns.clone()]);
            for (i, (&centre, &shrink)) in columns.zip(terms) {
                let mut row = along.row_mut(i);
                let Some(row) = row.as_slice_mut() else { continue };
                vectorized(
                    #[inline(always)]
                    || {
                        for (p, w) in row.iter_mut().zip(weights) {
                            *p = T::of(w * shrink * (p.wide() - centre));
                        }
                    },
                );
            }
            if self.has_means {
                // 1 − s = σ²/(δ+σ²).
                let (half, sigma2) = (level.half_precision[k], level.sigma2);
                let mut row = along.row_mut(rank + k);
                row.iter_mut()
                    .zip(weights)
                    .for_each(|(p, w)| *p = T::of(self.unit * w * 2.0 * half * sigma2));
            }
        }
        let mut d = product(along.t(), self.frame.t());
        if level.slack.iter().any(|s| *s > 0.0) {
            add_shares(&mut d, x, weights.view(), &level.slack);
        }
        put_back(&self.centre, &mut d);
        Ok(d)
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let wide = cast::<T, f64>(x);
        let rest = self.rest(seen_from(&self.centre, wide.view()).view(), &self.level(sigma));
        Ok((self.denoise(x, sigma)?, cast(rest.view())))
    }

    /// Of one component: x(t) = μ + Σ_i √((λ_i+t²)/(λ_i+s²)) u_i u_iᵀ (x(s) − μ), and the same of δ off the subspace
    /// (arXiv 2412.09726).
    fn flow(&self, x: ArrayView2<T>, from: f64, to: f64) -> Option<Array2<T>> {
        let [component] = &self.mixture.components[..] else { return None };
        let gain = |variance| flow_gain(variance, from, to);
        let basis = self.frame.slice(s![.., ..self.centres.len()]);
        let mut x = seen_from(&self.centre, x).into_owned();
        // As the rest is, since backwards what is off the subspace grows most.
        let mut inside = taken_off(&mut x, basis, 3);
        inside *= &component.variances.mapv(|variance| T::of(gain(variance)));
        x *= T::of(gain(component.noise_variance));
        accumulate(x.view_mut(), inside.view(), basis.t());
        put_back(&self.centre, &mut x);
        Some(x)
    }

    fn reduced(&self) -> Option<&Reduced<T>> {
        self.reduced.get_or_init(|| self.in_coordinates()).as_ref()
    }
}

impl<T: Scalar> Differentiable<T> for MixtureDenoiser<T> {
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let level = self.level(sigma);
        let posterior = self.posterior(self.seen(x).view(), &level);
        let basis = self.frame64.slice(s![.., ..self.centres.len()]);
        let v = cast::<T, f64>(directions);
        let mut along = product(v.view(), basis);
        let slack = self.shrink(&level, &posterior.weights, along.view_mut());
        let mut out = product(along.view(), basis.t());
        out.scaled_add(slack, &v);
        let spread = product(v.view(), posterior.deviations.t()) / level.sigma2;
        // Of many directions all that is held at once counts.
        drop(v);
        accumulate(out.view_mut(), spread.view(), posterior.deviations.view());
        Ok(cast(out.view()))
    }

    /// Where one component has all the weight, that of J_k. Else in coordinates of span{U_1 … U_K, μ_1 … μ_K, x},
    /// which holds all but a multiple of the identity: a problem of size Σr_k + K + 1, never d.
    fn spectrum(&self, x: ArrayView1<T>, sigma: f64, vectors: usize) -> Result<Singular> {
        let level = self.level(sigma);
        let x = self.seen(x);
        let posterior = self.posterior(x.view(), &level);
        if let Some(k) = self.alone(&posterior, &level) {
            return Ok(self.of_component(k, &level, vectors));
        }
        let span = self.span()?;
        let d = self.mixture.dim();
        // Only noise off the subspaces brings in x itself.
        let noisy = self.mixture.components.iter().any(|c| c.noise_variance > 0.0);
        let mut frame = CowArray::from(span.frame.view());
        let mut u = CowArray::from(span.basis.view());
        if noisy && frame.ncols() < d {
            let frame2 = complete_by(span.frame.view(), x.view());
            u = CowArray::from(product(frame2.t(), self.frame64.slice(s![.., ..self.centres.len()])));
            frame = CowArray::from(frame2);
        }
        let p = frame.ncols();
        let mut scaled = u.to_owned();
        let slack = self.shrink(&level, &posterior.weights, scaled.view_mut());
        let mut small = product(scaled.view(), u.t());
        let m = product(posterior.deviations.view(), frame.view());
        small.scaled_add(1.0 / level.sigma2, &product(m.t(), m.view()));
        for i in 0..p {
            small[[i, i]] += slack;
        }
        let (values, rotation) = symmetric_eigen(small.view())?;
        // What is orthogonal to all listed is wanted where the largest do not suffice.
        let above = values.iter().take_while(|&&v| v >= slack).count();
        let lifted = if vectors > above { p } else { vectors };
        Ok(Singular {
            // J is positive semi-definite; what rounding leaves below 0 is 0.
            values: values.mapv(|v| v.max(0.0)),
            right: product(frame.view(), rotation.slice(s![.., ..lifted])),
            rest: (slack, d - p),
        })
    }

    fn closed_form(&self) -> Option<usize> {
        let (d, p) = self.frame64.dim();
        Some((p + 1).min(d))
    }
}

impl<T: Scalar> MixtureDenoiser<T> {
    /// The component beside which the others change J by less than its rounding.
    fn alone(&self, posterior: &Posterior, level: &Level) -> Option<usize> {
        let (best, _) = posterior.weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
        // ‖J_k‖ is at most 1, and σ⁻² Σ w_k‖m_k − D‖² bounds what the means add.
        let others = posterior.weights.iter().enumerate().filter(|(k, _)| *k != best).map(|(_, w)| w);
        let added = squared_norms(posterior.deviations.view()).sum() / level.sigma2;
        let columns = self.starts[best]..self.starts[best + 1];
        let own = level.shrink[columns].iter().fold(0.0, |a, &b| f64::max(a, b)) + level.slack[best];
        (others.sum::<f64>() + added <= UNSEEN * own).then_some(best)
    }

    /// The spectrum of J_k: λ/(λ+σ²) on its subspace.
    fn of_component(&self, k: usize, level: &Level, vectors: usize) -> Singular {
        let Component { basis, variances, .. } = &self.mixture.components[k];
        let value = |i: &usize| variances[*i] / (variances[*i] + level.sigma2);
        let mut order: Vec<usize> = (0..variances.len()).collect();
        order.sort_by(|a, b| value(b).total_cmp(&value(a)));
        let listed = if vectors == 0 { &[] } else { &order[..] };
        let mut right = basis.select(Axis(1), listed);
        fix_signs(right.view_mut());
        let rest = (level.slack[k], basis.nrows() - basis.ncols());
        Singular { values: order.iter().map(value).collect(), right, rest }
    }

    /// One point less the centre.
    fn seen(&self, x: ArrayView1<T>) -> Array1<f64> {
        let x = x.mapv(Scalar::wide);
        match &self.centre {
            Some(centre) => x - centre,
            None => x,
        }
    }

    /// The mixture in coordinates of the frame and one more, off it. These must be few, or finding
    /// them (6·d·p² operations, on one thread) takes longer than they save. The number of points to come
    /// must not matter, for the same bytes.
    fn in_coordinates(&self) -> Option<Reduced<T>> {
        let (d, p) = self.frame64.dim();
        if p == 0 || 3 * (p + 1) > d {
            return None;
        }
        // Columns that depend on others make no fewer coordinates: their own hold nothing.
        let frame = orthonormalize(self.frame64.view());
        let within = |vectors: ArrayView2<f64>| {
            concatenate![Axis(0), product(frame.t(), vectors), Array2::zeros((1, vectors.ncols()))]
        };
        let component = |c: &Component| Component {
            basis: within(c.basis.view()),
            mean: within(c.mean.view().insert_axis(Axis(1))).remove_axis(Axis(1)),
            ..c.clone()
        };
        let mixture = Mixture { components: self.mixture.components.iter().map(component).collect() };
        let denoiser = MixtureDenoiser { volume: d, ..MixtureDenoiser::about(None, mixture) };
        Some(Reduced::new(cast(frame.view()), self.centre.clone(), Box::new(denoiser)))
    }

    fn span(&self) -> Result<&Span> {
        if let Some(span) = self.span.get() {
            return Ok(span);
        }
        let columns = scaled_rows(self.frame64.t().to_owned());
        let (frame, _) = leading_right_vectors(columns.view(), self.mixture.dim())?;
        let basis = product(frame.t(), self.frame64.slice(s![.., ..self.centres.len()]));
        // Two threads may both have computed it; they computed the same.
        Ok(self.span.get_or_init(|| Span { frame, basis }))
    }
}

/// Orthonormal columns and the direction of x that they leave out, if any.
fn complete_by(frame: ArrayView2<f64>, x: ArrayView1<f64>) -> Array2<f64> {
    let mut rest = x.to_owned();
    // Twice, because once leaves rounding that may not be orthogonal.
    for _ in 0..2 {
        rest = &rest - &frame.dot(&frame.t().dot(&rest));
    }
    let norm = rest.dot(&rest).sqrt();
    if norm <= 1e-13 * x.dot(&x).sqrt() {
        return frame.to_owned();
    }
    concatenate![Axis(1), frame, (rest / norm).insert_axis(Axis(1))]
}

/// Rows scaled to unit norm (zero rows stay zero), so that the span of large
/// and small ones alike is found.
fn scaled_rows(mut rows: Array2<f64>) -> Array2<f64> {
    for mut row in rows.outer_iter_mut() {
        let norm = dot(row.view(), row.view()).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    rows
}

/// d ← d + (Σ_k w_k s_k) x, row by row, for weights (K, n).
fn add_shares<T: Scalar>(d: &mut Array2<T>, x: ArrayView2<T>, weights: ArrayView2<f64>, slack: &[f64]) {
    let mut shares = vec![0.0; d.nrows()];
    for (weights, slack) in weights.outer_iter().zip(slack) {
        let Some(weights) = weights.as_slice() else { continue };
        vectorized(
            #[inline(always)]
            || shares.iter_mut().zip(weights).for_each(|(share, w)| *share += w * slack),
        );
    }
    let (width, x) = (d.ncols().max(1), x.as_standard_layout());
    let (Some(d), Some(x)) = (d.as_slice_mut(), x.as_slice()) else { return };
    vectorized(
        #[inline(always)]
        || {
            for ((d, x), share) in d.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(&shares) {
                let share = T::of(*share);
                d.iter_mut().zip(x).for_each(|(d, x)| *d += share * *x);
            }
        },
    );
}

/// Log weights, (K, n), become weights that sum to 1 of every point; below 2e-35 they are 0.
fn softmax(log_weights: &mut Array2<f64>) {
    let n = log_weights.ncols();
    // They lie row after row, as `log_weights` makes them.
    let Some(logs) = log_weights.as_slice_mut().filter(|_| n > 0) else { return };
    let mut best = vec![f64::NEG_INFINITY; n];
    vectorized(
        #[inline(always)]
        || {
            for row in logs.chunks_exact(n) {
                best.iter_mut().zip(row).for_each(|(best, l)| *best = if *l > *best { *l } else { *best });
            }
        },
    );
    let mut total = vec![0.0; n];
    for row in logs.chunks_exact_mut(n) {
        for ((l, best), total) in row.iter_mut().zip(&best).zip(&mut total) {
            let behind = *l - best;
            // Of two components that is half of the exponentials.
            *l = if behind == 0.0 { 1.0 } else { behind.exp_flushed() };
            *total += *l;
        }
    }
    vectorized(
        #[inline(always)]
        || {
            for row in logs.chunks_exact_mut(n) {
                row.iter_mut().zip(&total).for_each(|(w, total)| *w /= total);
            }
        },
    );
}
