//! K-subspaces: max (1/N) Σ_k Σ_{i∈C_k} ‖U_kᵀx_i‖² with
//! C_k = {i : U_k captures most of x_i} (Theorem 3 of arXiv 2409.02426).
//!
//! Both constraints, every U_k orthonormal by itself or [U_1 … U_K] jointly,
//! share one step: with W_k = Σ_{i∈C_k} x_i x_iᵀU_k, the orthonormal matrix nearest
//! to W_k (or to [W_1 … W_K]) captures at least as much as U did, because the
//! objective is convex in U and W is its gradient. Of a basis by itself that is a
//! step of the power method, and any orthonormal basis of W_k's span will do.

use anyhow::Result;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{Fit, Found, Iteration, Settings, finished, join, leading_basis, rows_of, split, start};
use crate::linalg::{
    cast, complete_basis, leading_right_vectors, orthonormalize, polar, product, squared_norms,
};
use crate::mixture::joined;
use crate::random::{Purpose, row_rng};
use crate::scalar::Scalar;

/// Rows whose part of W is summed in T; sums of blocks are f64, added in order.
const BLOCK: usize = 1024;

/// Parts that the blocks are summed in, on all threads: not more, so that they fit in memory.
const PARTS: usize = 64;

/// Steps of the power method between two looks at the labels, for bases that are
/// each free: more steps save fewer looks than they cost.
const POWERS: usize = 5;

/// Growth of the objective, relative to the data's energy, below which the climb
/// rests. Bases that are each free are then settled exactly by PCA, so coarse is
/// enough; jointly orthogonal ones have nothing but the climb, which stops at the
/// rounding of T.
fn resting<T: Scalar>(orthogonal: bool) -> f64 {
    if orthogonal { (4.0 * T::epsilon().wide()).max(1e-10) } else { 1e-5 }
}

/// Fits by K-subspaces; of several restarts the best objective is kept.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let mut history = Vec::new();
    let mut best: Option<(f64, usize, bool, Found)> = None;
    let data = Data::new(x, settings);
    for restart in 0..settings.restarts.max(1) {
        let (found, objective, converged) = data.climb(restart, &mut history)?;
        // All captured, to rounding: no other start can do better.
        let complete = objective >= data.energy * (1.0 - 4.0 * T::epsilon().wide());
        if best.as_ref().is_none_or(|(o, ..)| objective > *o) {
            best = Some((objective, restart, converged, found));
        }
        if complete {
            break;
        }
    }
    let Some((_, chosen, converged, found)) = best else {
        anyhow::bail!("--restarts 0: a fit needs at least one start");
    };
    Ok(Fit {
        mixture: finished(x, &found, settings.parts)?,
        history,
        chosen,
        converged,
        completed: found.completed,
    })
}

struct Data<'a, T: Scalar> {
    x: ArrayView2<'a, T>,
    settings: &'a Settings,
    /// Mean ‖x_i‖².
    energy: f64,
}

/// What one pass over the data, or over a block of it, finds.
struct Pass {
    labels: Vec<usize>,
    /// Captured energy, less ‖x − μ‖² with means, so that more is better in both:
    /// the sum over a block, the mean over all.
    objective: f64,
    /// Sum of the rows of each component, (K, d); only with means.
    sums: Array2<f64>,
}

impl<'a, T: Scalar> Data<'a, T> {
    fn new(x: ArrayView2<'a, T>, settings: &'a Settings) -> Self {
        Data { x, settings, energy: squared_norms(x).sum() / x.nrows() as f64 }
    }

    /// One start, climbed to rest.
    fn climb(&self, restart: usize, history: &mut Vec<Iteration>) -> Result<(Found, f64, bool)> {
        let settings = self.settings;
        let mut bases = start::bases(self.x, settings, restart)?;
        let mut means = settings.parts.means.then(|| Array2::zeros((bases.len(), self.x.ncols())));
        let mut labels = Vec::new();
        let mut last = f64::NEG_INFINITY;
        let mut converged = false;
        for iteration in 0..settings.iterations {
            let pass = self.pass(&bases, means.as_ref());
            history.push(Iteration { restart, iteration, objective: pass.objective });
            let resting = (pass.objective - last).abs()
                <= resting::<T>(settings.orthogonal) * self.energy.max(f64::MIN_POSITIVE);
            if resting && pass.labels == labels {
                converged = true;
                break;
            }
            last = pass.objective;
            if let Some(means) = &mut means {
                self.update_means(means, &pass);
            }
            bases = self.updated(&pass.labels, bases, means.as_ref())?;
            labels = pass.labels;
        }
        self.settled(bases, means, restart, converged, history)
    }

    /// Labels and objective for the bases.
    fn pass(&self, bases: &[Array2<f64>], means: Option<&Array2<f64>>) -> Pass {
        let (n, d) = self.x.dim();
        let u: Array2<T> = cast(join(bases).view());
        let offsets: Vec<Array1<f64>> = match means {
            Some(m) => bases.iter().zip(m.outer_iter()).map(|(b, m)| b.t().dot(&m)).collect(),
            None => bases.iter().map(|b| Array1::zeros(b.ncols())).collect(),
        };
        let no_sums = Array2::zeros((if means.is_some() { bases.len() } else { 0 }, d));
        let blocks: Vec<Pass> = self
            .x
            .axis_chunks_iter(Axis(0), BLOCK)
            .into_par_iter()
            .map(|x| {
                let z = product(x, u.view());
                let mut pass = Pass { labels: Vec::new(), objective: 0.0, sums: no_sums.clone() };
                for (x, z) in x.outer_iter().zip(z.outer_iter()) {
                    let mut best = (f64::NEG_INFINITY, 0);
                    let mut z = z.iter();
                    for (k, offset) in offsets.iter().enumerate() {
                        let mut captured: f64 =
                            offset.iter().zip(&mut z).map(|(o, z)| (z.wide() - o).powi(2)).sum();
                        if let Some(means) = means {
                            captured -=
                                x.iter().zip(means.row(k)).map(|(x, m)| (x.wide() - m).powi(2)).sum::<f64>();
                        }
                        if captured > best.0 {
                            best = (captured, k);
                        }
                    }
                    pass.objective += best.0;
                    pass.labels.push(best.1);
                    if means.is_some() {
                        pass.sums.row_mut(best.1).zip_mut_with(&x, |s, v| *s += v.wide());
                    }
                }
                pass
            })
            .collect();
        let mut pass = Pass { labels: Vec::with_capacity(n), objective: 0.0, sums: no_sums };
        for block in blocks {
            pass.labels.extend(block.labels);
            pass.objective += block.objective;
            pass.sums += &block.sums;
        }
        pass.objective /= n as f64;
        pass
    }

    /// Bases that capture more of the rows that bear their label.
    fn updated(
        &self,
        labels: &[usize],
        mut bases: Vec<Array2<f64>>,
        means: Option<&Array2<f64>>,
    ) -> Result<Vec<Array2<f64>>> {
        let blocks = self.blocks(labels, means);
        if self.settings.orthogonal {
            let w = join(&gradient(&blocks, &bases));
            let nearest = polar(determined_by(w, &join(&bases)).view())?;
            return Ok(split(nearest.view(), &self.settings.ranks));
        }
        for _ in 0..POWERS {
            let w = gradient(&blocks, &bases);
            bases =
                w.into_iter().zip(&bases).map(|(w, u)| orthonormalize(determined_by(w, u).view())).collect();
        }
        Ok(bases)
    }

    /// The rows of every component, less its mean if there is one, in blocks.
    fn blocks(&self, labels: &[usize], means: Option<&Array2<f64>>) -> Vec<(usize, Array2<T>)> {
        let mut members = vec![Vec::new(); self.settings.ranks.len()];
        for (row, &label) in labels.iter().enumerate() {
            members[label].push(row);
        }
        let blocks: Vec<(usize, &[usize])> = members
            .iter()
            .enumerate()
            .flat_map(|(k, mine)| mine.chunks(BLOCK).map(move |b| (k, b)))
            .collect();
        let d = self.x.ncols();
        blocks
            .into_par_iter()
            .map(|(k, block)| {
                let mut x = Array2::zeros((block.len(), d));
                for (mut x, &row) in x.outer_iter_mut().zip(block) {
                    x.assign(&self.x.row(row));
                }
                if let Some(means) = means {
                    x -= &means.row(k).mapv(T::of);
                }
                (k, x)
            })
            .collect()
    }

    fn update_means(&self, means: &mut Array2<f64>, pass: &Pass) {
        for (k, mut mean) in means.outer_iter_mut().enumerate() {
            let count = pass.labels.iter().filter(|&&l| l == k).count();
            if count > 0 {
                mean.assign(&(&pass.sums.row(k) / count as f64));
            }
        }
    }

    /// The exact optimum for the labels that the climb came to rest with: the
    /// principal directions of every component's rows, and labels once more,
    /// until neither changes. Directions the data do not determine are drawn.
    fn settled(
        &self,
        mut bases: Vec<Array2<f64>>,
        mut means: Option<Array2<f64>>,
        restart: usize,
        converged: bool,
        history: &mut Vec<Iteration>,
    ) -> Result<(Found, f64, bool)> {
        let settings = self.settings;
        let mut pass = self.pass(&bases, means.as_ref());
        let mut completed = vec![0; bases.len()];
        for _ in 0..20 {
            if let Some(means) = &mut means {
                self.update_means(means, &pass);
            }
            if settings.orthogonal {
                (bases, completed) = self.determined(&bases, &pass)?;
            } else {
                // One after the other, since each takes a copy of its rows in f64.
                for (k, basis) in bases.iter_mut().enumerate() {
                    let mean = means.as_ref().map(|m| m.row(k).to_owned());
                    let rows = rows_of(self.x, &pass.labels, k, mean.as_ref());
                    let nothing = Array2::zeros((self.x.ncols(), 0));
                    (*basis, completed[k]) =
                        leading_basis(rows.view(), settings.ranks[k], nothing.view(), settings.seed, k)?;
                }
            }
            let next = self.pass(&bases, means.as_ref());
            let rests = next.labels == pass.labels;
            pass = next;
            if rests {
                break;
            }
        }
        let iteration = history.last().map_or(0, |i| i.iteration + 1);
        history.push(Iteration { restart, iteration, objective: pass.objective });
        Ok((Found { bases, completed, labels: pass.labels }, pass.objective, converged))
    }

    /// Under the joint constraint: keeps of every basis the directions that its
    /// rows determine and draws the others, orthogonal to everything kept.
    fn determined(&self, bases: &[Array2<f64>], pass: &Pass) -> Result<(Vec<Array2<f64>>, Vec<usize>)> {
        let d = self.x.ncols();
        let mut kept = Vec::new();
        for (k, basis) in bases.iter().enumerate() {
            let rows = rows_of(self.x, &pass.labels, k, None);
            let inside = product(rows.view(), basis.view());
            let (axes, _) = leading_right_vectors(inside.view(), basis.ncols())?;
            kept.push(product(basis.view(), axes.view()));
        }
        let mut out: Vec<Array2<f64>> = Vec::new();
        let mut completed = Vec::new();
        for (k, &r) in self.settings.ranks.iter().enumerate() {
            let others = kept[k + 1..].iter().chain(&out).map(|b| b.view());
            let avoid = joined(others, d);
            let mut rng = row_rng(self.settings.seed, Purpose::Completion, k as u64);
            completed.push(r - kept[k].ncols());
            out.push(complete_basis(kept[k].view(), r, avoid.view(), &mut rng));
        }
        Ok((out, completed))
    }
}

/// W_1 … W_K of the blocks of every component.
fn gradient<T: Scalar>(blocks: &[(usize, Array2<T>)], bases: &[Array2<f64>]) -> Vec<Array2<f64>> {
    let narrow: Vec<Array2<T>> = bases.iter().map(|u| cast(u.view())).collect();
    // Blocks of a component follow each other, so a part of them is of one or few.
    let parts: Vec<Vec<(usize, Array2<f64>)>> = blocks
        .par_chunks(blocks.len().div_ceil(PARTS).max(1))
        .map(|blocks| {
            let mut parts: Vec<(usize, Array2<f64>)> = Vec::new();
            for (k, x) in blocks {
                let z = product(x.view(), narrow[*k].view());
                let w = cast::<T, f64>(product(x.t(), z.view()).view());
                match parts.last_mut() {
                    Some((of, sum)) if of == k => *sum += &w,
                    _ => parts.push((*k, w)),
                }
            }
            parts
        })
        .collect();
    let mut w: Vec<Array2<f64>> = bases.iter().map(|u| Array2::zeros(u.raw_dim())).collect();
    for (k, part) in parts.into_iter().flatten() {
        w[k] += &part;
    }
    w
}

/// W with a trace of the old basis, which decides what W leaves open where there is
/// no rounding (components without rows) and changes nothing else.
fn determined_by(w: Array2<f64>, old: &Array2<f64>) -> Array2<f64> {
    let scale = w.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let trace = if scale == 0.0 { 1.0 } else { 1e-9 * scale };
    w + &(old * trace)
}
