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

use super::{Fit, Found, Init, Iteration, Settings, finished, join, leading_basis, rows_of, split, start};
use crate::linalg::{
    cast, column_means, complete_basis, leading_right_vectors, orthonormalize, polar, product, squared_norms,
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

/// Passes of every start before the first are cut.
const FIRST: usize = 3;

/// Starts of the two subspaces that some rows are split into, and passes of each.
const SPLITS: usize = 8;
const SPLIT_PASSES: usize = 30;

/// A merger is tried when the split beside it gains this share of what it costs, both before
/// anything is refitted: on planted mixtures (angles 20 to 90 degrees, weights equal and 8 to
/// 1) those that led upwards gained 1 and more, the others less than 0.5.
const PROMISING: f64 = 0.5;

/// Moves tried before the climb is taken for the best.
const MOVES: usize = 3;

/// Fits by K-subspaces: of several starts the best goes on, and subspaces are exchanged
/// as long as that helps.
pub fn fit<T: Scalar>(x: ArrayView2<T>, settings: &Settings) -> Result<Fit> {
    let data = Data::new(x, settings);
    let mut history = Vec::new();
    let mut climb = data.race(&mut history)?;
    if !data.complete(&climb) {
        data.exchange(&mut climb, &mut history)?;
    }
    let (chosen, converged) = (climb.restart, climb.rests);
    let found = data.settled(climb, &mut history)?;
    Ok(Fit {
        mixture: finished(x, &found, settings.parts)?,
        history,
        chosen,
        converged,
        completed: found.completed,
        floored: None,
    })
}

/// What start `restart` has found after its first passes.
pub(super) fn begun<T: Scalar>(x: ArrayView2<T>, settings: &Settings, restart: usize) -> Result<Found> {
    let data = Data::new(x, settings);
    let mut climb = Climb::new(start::bases(x, settings, restart)?, restart, settings);
    data.advance(&mut climb, FIRST, &mut Vec::new())?;
    data.settled(climb, &mut Vec::new())
}

/// One start on its way up.
struct Climb {
    restart: usize,
    bases: Vec<Array2<f64>>,
    /// (K, d); none when they are not fitted.
    means: Option<Array2<f64>>,
    /// Of the last pass, as is the objective.
    labels: Vec<usize>,
    objective: f64,
    passes: usize,
    /// Neither labels nor objective move.
    rests: bool,
    /// Directions of every basis that the data leave open; known once it is settled.
    completed: Option<Vec<usize>>,
}

impl Climb {
    fn new(bases: Vec<Array2<f64>>, restart: usize, settings: &Settings) -> Climb {
        let (k, d) = (bases.len(), bases[0].nrows());
        Climb {
            restart,
            means: settings.parts.means.then(|| Array2::zeros((k, d))),
            labels: Vec::new(),
            objective: f64::NEG_INFINITY,
            passes: 0,
            rests: false,
            completed: None,
            bases,
        }
    }

    fn take(&mut self, pass: Pass) {
        self.labels = pass.labels;
        self.objective = pass.objective;
    }
}

struct Data<'a, T: Scalar> {
    x: ArrayView2<'a, T>,
    settings: &'a Settings,
    /// Mean ‖x_i‖².
    energy: f64,
}

/// Two subspaces for some rows.
struct Halves {
    /// What they capture of these rows, in all.
    objective: f64,
    bases: [Array2<f64>; 2],
    /// (2, d).
    means: Option<Array2<f64>>,
}

/// Two components take new subspaces.
struct Move {
    /// What the objective of all rows rises by at least.
    rise: f64,
    /// Which halves.
    halves: usize,
    components: [usize; 2],
}

/// What one pass over the data, or over a block of it, finds.
#[derive(Clone)]
struct Pass {
    labels: Vec<usize>,
    /// The second best of every row.
    seconds: Vec<usize>,
    /// Captured energy, less ‖x − μ‖² with means, so that more is better in both:
    /// the sum over a block, the mean over all.
    objective: f64,
    /// The same by component, in all.
    captured: Array1<f64>,
    /// What it would lose, in all, if the rows of a component had to take the second best.
    missed: Array1<f64>,
    /// Sum of the rows of each component, (K, d); only with means.
    sums: Array2<f64>,
}

impl<'a, T: Scalar> Data<'a, T> {
    fn new(x: ArrayView2<'a, T>, settings: &'a Settings) -> Self {
        Data { x, settings, energy: squared_norms(x).sum() / x.nrows() as f64 }
    }

    /// All captured, to rounding: no other start can do better.
    fn complete(&self, climb: &Climb) -> bool {
        climb.objective >= self.energy * (1.0 - 4.0 * T::epsilon().wide())
    }

    /// Successive halving: all starts go a few passes, the better half of them twice as
    /// many, until one is left, which climbs to rest. One that captures all is settled.
    fn race(&self, history: &mut Vec<Iteration>) -> Result<Climb> {
        let settings = self.settings;
        let mut climbs = Vec::new();
        for restart in 0..settings.restarts.max(1) {
            let mut climb = Climb::new(start::bases(self.x, settings, restart)?, restart, settings);
            self.advance(&mut climb, FIRST, history)?;
            // Nothing but rounding left, or what the exact optimum for these labels has yet to take.
            if climb.objective >= self.energy * (1.0 - resting::<T>(false)) {
                self.settle(&mut climb, history)?;
                if self.complete(&climb) {
                    climb.rests = true;
                    return Ok(climb);
                }
            }
            climbs.push(climb);
        }
        let mut passes = 2 * FIRST;
        loop {
            // Stable, so that of equals the earlier start is kept.
            climbs.sort_by(|a, b| b.objective.total_cmp(&a.objective));
            climbs.truncate(climbs.len().div_ceil(2));
            if let [climb] = &mut climbs[..] {
                self.advance(climb, usize::MAX, history)?;
                return Ok(climbs.swap_remove(0));
            }
            for climb in &mut climbs {
                self.advance(climb, passes, history)?;
            }
            passes *= 2;
        }
    }

    /// So many passes, or fewer to rest.
    fn advance(&self, climb: &mut Climb, passes: usize, history: &mut Vec<Iteration>) -> Result<()> {
        let settings = self.settings;
        for _ in 0..passes {
            if climb.rests || climb.passes == settings.iterations {
                break;
            }
            let pass = self.pass(&climb.bases, climb.means.as_ref());
            history.push(Iteration {
                restart: climb.restart,
                iteration: climb.passes,
                objective: pass.objective,
            });
            climb.passes += 1;
            climb.rests = (pass.objective - climb.objective).abs()
                <= resting::<T>(settings.orthogonal) * self.energy.max(f64::MIN_POSITIVE)
                && pass.labels == climb.labels;
            if let Some(means) = &mut climb.means {
                self.update_means(means, &pass);
            }
            if !climb.rests {
                let bases = std::mem::take(&mut climb.bases);
                climb.bases = self.updated(&pass.labels, bases, climb.means.as_ref())?;
            }
            climb.take(pass);
        }
        Ok(())
    }

    /// Goes on where a climb by itself comes to rest too low: where two subspaces share what
    /// one could hold and one holds what belongs to two, rows of a component go to the others
    /// and those of another are split in two (split and merge, Ueda et al. 2000); where two
    /// are mixed up, the rows of both are split anew.
    fn exchange(&self, climb: &mut Climb, history: &mut Vec<Iteration>) -> Result<()> {
        // Every move raises the objective, so they end; this bounds how long it takes.
        for _ in 0..4 * climb.bases.len() {
            let (halves, moves) = self.moves(climb)?;
            let mut better = false;
            for m in moves.into_iter().take(MOVES) {
                let mut moved = self.moved(climb, &m, &halves[m.halves])?;
                let mut path = Vec::new();
                self.advance(&mut moved, usize::MAX, &mut path)?;
                if moved.objective > climb.objective + self.rise() {
                    // What was gone through below does not belong to the climb.
                    history.extend(path.into_iter().filter(|i| i.objective >= climb.objective));
                    *climb = moved;
                    better = true;
                    break;
                }
            }
            if !better {
                break;
            }
        }
        Ok(())
    }

    /// What counts as a rise of the objective: more than its rounding.
    fn rise(&self) -> f64 {
        1e-7 * self.energy
    }

    /// Moves that promise to raise the objective, the best first.
    fn moves(&self, climb: &Climb) -> Result<(Vec<Halves>, Vec<Move>)> {
        let ranks = &self.settings.ranks;
        let k = ranks.len();
        let n = self.x.nrows() as f64;
        let pass = self.pass(&climb.bases, climb.means.as_ref());
        let mut members = vec![Vec::new(); k];
        for (row, &label) in pass.labels.iter().enumerate() {
            members[label].push(row);
        }
        let (mut halves, mut moves) = (Vec::new(), Vec::new());
        for of in 0..k {
            let mut split: Vec<(usize, usize)> = Vec::new();
            for merged in (0..k).filter(|a| *a != of) {
                // Of equal ranks the split is the same.
                let known = split.iter().find(|(rank, _)| *rank == ranks[merged]).map(|(_, place)| *place);
                let place = match known {
                    Some(place) => place,
                    None => {
                        let Some(two) = self.halves(&members[of], [of, merged])? else { continue };
                        halves.push(two);
                        split.push((ranks[merged], halves.len() - 1));
                        halves.len() - 1
                    }
                };
                let (gain, loss) = (halves[place].objective - pass.captured[of], pass.missed[merged]);
                if gain > PROMISING * loss {
                    moves.push(Move { rise: gain - loss, halves: place, components: [of, merged] });
                }
            }
            // The component that most of its rows would take next.
            let mut next = vec![0; k];
            members[of].iter().for_each(|&row| next[pass.seconds[row]] += 1);
            let other = (0..k).filter(|a| *a != of).max_by_key(|&a| next[a]).unwrap_or(of);
            let both = [&members[of][..], &members[other]].concat();
            if let Some(two) = self.halves(&both, [of, other])? {
                let rise = two.objective - pass.captured[of] - pass.captured[other];
                if rise > n * self.rise() {
                    halves.push(two);
                    moves.push(Move { rise, halves: halves.len() - 1, components: [of, other] });
                }
            }
        }
        moves.sort_by(|a, b| b.rise.total_cmp(&a.rise));
        Ok((halves, moves))
    }

    /// Two subspaces, of the ranks of two components, for some rows.
    fn halves(&self, members: &[usize], components: [usize; 2]) -> Result<Option<Halves>> {
        let settings = self.settings;
        let [first, second] = components.map(|k| settings.ranks[k]);
        let means = settings.parts.means;
        let mut rows = cast::<T, f64>(self.x.select(Axis(0), members).view());
        let (n, d) = rows.dim();
        if n < 2 {
            return Ok(None);
        }
        let centre = if means { column_means(rows.view()) } else { Array1::zeros(d) };
        rows -= &centre;
        // Both lie in the leading directions, where most of the noise does not.
        let (axes, _) = leading_right_vectors(rows.view(), (first + second + usize::from(means)).min(d))?;
        let q = axes.ncols();
        if q <= first {
            return Ok(None);
        }
        let y = product(rows.view(), axes.view());
        let two = Settings {
            ranks: vec![first, second.min(q)],
            init: Init::Random,
            restarts: SPLITS,
            iterations: SPLIT_PASSES,
            parts: settings.parts,
            orthogonal: settings.orthogonal && first + second <= q,
            seed: settings.seed,
            ..Settings::new(Vec::new())
        };
        let data = Data::new(y.view(), &two);
        let found = data.race(&mut Vec::new())?;
        // With means the objective lacks ‖x‖², of which the axes leave some out.
        let outside = if means { squared_norms(rows.view()).sum() - n as f64 * data.energy } else { 0.0 };
        let nothing = Array2::zeros((d, 0));
        let basis = |j: usize| {
            let mut rng = row_rng(settings.seed, Purpose::Completion, components[j] as u64);
            let inside = product(axes.view(), found.bases[j].view());
            complete_basis(inside.view(), settings.ranks[components[j]], nothing.view(), &mut rng)
        };
        Ok(Some(Halves {
            objective: n as f64 * found.objective - outside,
            bases: [basis(0), basis(1)],
            means: found.means.as_ref().map(|m| product(m.view(), axes.t()) + &centre),
        }))
    }

    /// The start of a climb after a move.
    fn moved(&self, climb: &Climb, m: &Move, halves: &Halves) -> Result<Climb> {
        let [first, second] = m.components;
        let mut bases = climb.bases.clone();
        [bases[first], bases[second]] = halves.bases.clone();
        if self.settings.orthogonal {
            bases = split(polar(join(&bases).view())?.view(), &self.settings.ranks);
        }
        let mut moved = Climb::new(bases, climb.restart, self.settings);
        moved.passes = climb.passes;
        if let (Some(means), Some(two)) = (&climb.means, &halves.means) {
            let mut means = means.clone();
            means.row_mut(first).assign(&two.row(0));
            means.row_mut(second).assign(&two.row(1));
            moved.means = Some(means);
        }
        Ok(moved)
    }

    /// Labels and objective for the bases.
    fn pass(&self, bases: &[Array2<f64>], means: Option<&Array2<f64>>) -> Pass {
        let (n, d) = self.x.dim();
        let u: Array2<T> = cast(join(bases).view());
        let offsets: Vec<Array1<f64>> = match means {
            Some(m) => bases.iter().zip(m.outer_iter()).map(|(b, m)| b.t().dot(&m)).collect(),
            None => bases.iter().map(|b| Array1::zeros(b.ncols())).collect(),
        };
        let nothing = Pass {
            labels: Vec::new(),
            seconds: Vec::new(),
            objective: 0.0,
            captured: Array1::zeros(bases.len()),
            missed: Array1::zeros(bases.len()),
            sums: Array2::zeros((if means.is_some() { bases.len() } else { 0 }, d)),
        };
        let blocks: Vec<Pass> = self
            .x
            .axis_chunks_iter(Axis(0), BLOCK)
            .into_par_iter()
            .map(|x| {
                let z = product(x, u.view());
                let mut pass = nothing.clone();
                for (x, z) in x.outer_iter().zip(z.outer_iter()) {
                    let mut best = (f64::NEG_INFINITY, 0);
                    let mut second = (f64::NEG_INFINITY, 0);
                    let mut z = z.iter();
                    for (k, offset) in offsets.iter().enumerate() {
                        let mut captured: f64 =
                            offset.iter().zip(&mut z).map(|(o, z)| (z.wide() - o).powi(2)).sum();
                        if let Some(means) = means {
                            captured -=
                                x.iter().zip(means.row(k)).map(|(x, m)| (x.wide() - m).powi(2)).sum::<f64>();
                        }
                        if captured > best.0 {
                            second = best;
                            best = (captured, k);
                        } else if captured > second.0 {
                            second = (captured, k);
                        }
                    }
                    pass.objective += best.0;
                    pass.captured[best.1] += best.0;
                    pass.missed[best.1] += best.0 - second.0;
                    pass.labels.push(best.1);
                    pass.seconds.push(second.1);
                    if means.is_some() {
                        pass.sums.row_mut(best.1).zip_mut_with(&x, |s, v| *s += v.wide());
                    }
                }
                pass
            })
            .collect();
        let mut pass = nothing;
        pass.labels.reserve_exact(n);
        for block in blocks {
            pass.labels.extend(block.labels);
            pass.seconds.extend(block.seconds);
            pass.captured += &block.captured;
            pass.objective += block.objective;
            pass.missed += &block.missed;
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
    fn settle(&self, climb: &mut Climb, history: &mut Vec<Iteration>) -> Result<()> {
        let settings = self.settings;
        let mut completed = vec![0; climb.bases.len()];
        let mut pass = self.pass(&climb.bases, climb.means.as_ref());
        for _ in 0..20 {
            if let Some(means) = &mut climb.means {
                self.update_means(means, &pass);
            }
            if settings.orthogonal {
                (climb.bases, completed) = self.determined(&climb.bases, &pass)?;
            } else {
                // One after the other, since each takes a copy of its rows in f64.
                for (k, basis) in climb.bases.iter_mut().enumerate() {
                    let mean = climb.means.as_ref().map(|m| m.row(k).to_owned());
                    let rows = rows_of(self.x, &pass.labels, k, mean.as_ref());
                    let nothing = Array2::zeros((self.x.ncols(), 0));
                    (*basis, completed[k]) =
                        leading_basis(rows.view(), settings.ranks[k], nothing.view(), settings.seed, k)?;
                }
            }
            let next = self.pass(&climb.bases, climb.means.as_ref());
            let rests = next.labels == pass.labels;
            pass = next;
            if rests {
                break;
            }
        }
        history.push(Iteration {
            restart: climb.restart,
            iteration: climb.passes,
            objective: pass.objective,
        });
        climb.passes += 1;
        climb.take(pass);
        climb.completed = Some(completed);
        Ok(())
    }

    fn settled(&self, mut climb: Climb, history: &mut Vec<Iteration>) -> Result<Found> {
        if climb.completed.is_none() {
            self.settle(&mut climb, history)?;
        }
        let Climb { bases, labels, completed, .. } = climb;
        Ok(Found { bases, completed: completed.unwrap_or_default(), labels })
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
