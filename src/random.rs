//! Row-keyed random numbers: row i of anything random depends only on
//! (seed, purpose, i).
//!
//! The recipe, which is a promise (golden bytes in `tests/numerics/random.rs`):
//!
//! * the generator is ChaCha with 8 rounds;
//! * its 32-byte key is the seed as 8 little-endian bytes, then the purpose's
//!   ASCII name, zero-padded to 16 bytes, then the step as 8 little-endian bytes
//!   (0 where there are no steps);
//! * its 64-bit stream number is the row, its counter starts at 0;
//! * a uniform number in [0, 1) is the upper 53 bits of one 64-bit output
//!   times 2⁻⁵³;
//! * normal numbers are `rand_distr` 0.6's ziggurat in f64, one after the
//!   other, rounded to f32 where that is asked for: both types see the same
//!   draws.
//!
//! Nothing depends on how many rows are drawn, in which order, by how many
//! threads: `--samples 100` gives the first 100 rows of `--samples 1000`.

use std::ops::Range;

use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::scalar::Scalar;

/// What a stream of random numbers is for: keeps apart the streams that one
/// seed feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Columns of the Gaussian matrix behind the planted bases.
    Bases,
    /// Means of the planted components, one row each.
    Means,
    /// Which component a sample comes from.
    Labels,
    /// A sample's coordinates within its subspace.
    Coefficients,
    /// A sample's isotropic noise.
    Noise,
    /// Where a probability flow starts.
    Latents,
    /// Noise added to points before they are denoised.
    PointNoise,
    /// Noise injected by the stochastic sampler, by the noise level (the bits of its f64 as the step) and row.
    Churn,
    /// Starting points of a fit, one row per restart.
    Restarts,
    /// Directions that complete a basis the data leave short, one row per component.
    Completion,
    /// Noise levels and noise of a denoising loss, by step and row.
    Training,
    /// Which rows of a step of training go without their label, by step and row.
    DroppedLabels,
    /// A network's parameters before training, one row per tensor.
    Parameters,
    /// The parameters of a GAN's critic before training, one row per tensor.
    Critic,
    /// Those of a VAE's encoder, one row per tensor.
    Encoder,
    /// Probe directions of a randomized factorization.
    Probes,
    /// Resampled rows of a bootstrap.
    Bootstrap,
    /// Training rows that are left out in turn.
    LeftOut,
    /// Values of a watermark's frequencies, one row per channel.
    Watermark,
    /// Noise that images meet on their way.
    Attack,
    /// Pairs of points, and the noise of both.
    Pairs,
    /// Directions in which points are moved.
    Directions,
    /// The order of rows that some are chosen from.
    Subset,
    /// Noise about a point, for scores that point across a manifold.
    Normals,
    /// Frequencies and phases of random features, one row per feature.
    Features,
    /// Noise of measurements.
    Measurement,
    /// What a restoration draws, by step and row: never what its data or their measurements were drawn from.
    Restoration,
    /// Tasks, pairs and queries of learning in context, one row per prompt.
    Prompts,
    /// The path of a stochastic system.
    Paths,
    /// Particles and ensembles that follow an observed path.
    Particles,
    /// Increments of paths that a bridge is learned from, without a condition.
    FreePaths,
    /// Increments of a path towards its end.
    Bridges,
    /// Parameters of a bridge's network before training, one row per tensor.
    BridgeStart,
    /// Times of paths that a bridge's network learns from, by its first path.
    BridgeTimes,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Bases => "bases",
            Purpose::Means => "means",
            Purpose::Labels => "labels",
            Purpose::Coefficients => "coefficients",
            Purpose::Noise => "noise",
            Purpose::Latents => "latents",
            Purpose::PointNoise => "point-noise",
            Purpose::Churn => "churn",
            Purpose::Restarts => "restarts",
            Purpose::Completion => "completion",
            Purpose::Training => "training",
            Purpose::DroppedLabels => "dropped-labels",
            Purpose::Parameters => "parameters",
            Purpose::Encoder => "encoder",
            Purpose::Critic => "critic",
            Purpose::Probes => "probes",
            Purpose::Bootstrap => "bootstrap",
            Purpose::LeftOut => "left-out",
            Purpose::Watermark => "watermark",
            Purpose::Attack => "attack",
            Purpose::Pairs => "pairs",
            Purpose::Directions => "directions",
            Purpose::Subset => "subset",
            Purpose::Normals => "normals",
            Purpose::Features => "features",
            Purpose::Measurement => "measurement",
            Purpose::Restoration => "restoration",
            Purpose::Prompts => "prompts",
            Purpose::Paths => "paths",
            Purpose::Particles => "particles",
            Purpose::FreePaths => "free-paths",
            Purpose::Bridges => "bridges",
            Purpose::BridgeStart => "bridge-start",
            Purpose::BridgeTimes => "bridge-times",
        }
    }
}

/// The generator of one row.
pub fn row_rng(seed: u64, purpose: Purpose, row: u64) -> ChaCha8Rng {
    step_rng(seed, purpose, 0, row)
}

/// The generator of one row at one step of something that goes on in steps.
pub fn step_rng(seed: u64, purpose: Purpose, step: u64, row: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let name = purpose.name().as_bytes();
    key[8..8 + name.len()].copy_from_slice(name);
    key[24..].copy_from_slice(&step.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(row);
    rng
}

/// A uniform number in [0, 1).
pub fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// `count` different ones of 0..n, each set of them equally likely, in order (Floyd's algorithm; Bentley and
/// Floyd, Communications of the ACM 30 (1987) 754).
pub fn subset(rng: &mut impl Rng, n: usize, count: usize) -> Vec<usize> {
    let mut chosen = std::collections::BTreeSet::new();
    for last in n.saturating_sub(count)..n {
        let drawn = (uniform(rng) * (last + 1) as f64) as usize;
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

/// Fills `out` with independent standard normal numbers.
pub fn fill_normal<T: Scalar>(rng: &mut impl Rng, out: &mut [T]) {
    for v in out {
        let z: f64 = StandardNormal.sample(rng);
        *v = T::of(z);
    }
}

/// `n` independent standard normal numbers.
pub fn standard_normals<T: Scalar>(rng: &mut impl Rng, n: usize) -> Vec<T> {
    let mut out = vec![T::zero(); n];
    fill_normal(rng, &mut out);
    out
}

/// Standard normal rows `rows` of the matrix that (seed, purpose) names,
/// (rows, width).
pub fn normal_rows<T: Scalar>(seed: u64, purpose: Purpose, rows: Range<u64>, width: usize) -> Array2<T> {
    normal_rows_at(seed, purpose, 0, rows, width)
}

/// The same at one step of something that goes on in steps.
pub fn normal_rows_at<T: Scalar>(
    seed: u64,
    purpose: Purpose,
    step: u64,
    rows: Range<u64>,
    width: usize,
) -> Array2<T> {
    let mut x = Array2::zeros(((rows.end - rows.start) as usize, width));
    for (mut row, i) in x.outer_iter_mut().zip(rows) {
        if let Some(row) = row.as_slice_mut() {
            fill_normal(&mut step_rng(seed, purpose, step, i), row);
        }
    }
    x
}

/// Points x and the noise ε that belongs to them: x + σε, a row's ε the same at every level.
pub struct NoisyPoints<T> {
    points: Array2<T>,
    noise: Array2<T>,
}

impl<T: Scalar> NoisyPoints<T> {
    /// Of points (n, d) that have the numbers `first`, `first` + 1, …
    pub fn new(points: Array2<T>, seed: u64, first: u64) -> NoisyPoints<T> {
        let rows = first..first + points.nrows() as u64;
        let noise = normal_rows(seed, Purpose::PointNoise, rows, points.ncols());
        NoisyPoints { points, noise }
    }

    /// x + σε, (n, d).
    pub fn at(&self, sigma: f64) -> Array2<T> {
        let mut x = self.points.clone();
        x.scaled_add(T::of(sigma), &self.noise);
        x
    }

    /// x + σε, (n, d), of one level and one of several draws of ε: in the place of x.
    pub fn once(mut points: Array2<T>, seed: u64, first: u64, draw: u64, sigma: f64) -> Array2<T> {
        let mut noise = Array1::zeros(points.ncols());
        for (mut row, i) in points.outer_iter_mut().zip(first..) {
            let rng = &mut step_rng(seed, Purpose::PointNoise, draw, i);
            noise.iter_mut().for_each(|z| *z = T::of(StandardNormal.sample(rng)));
            row.scaled_add(T::of(sigma), &noise);
        }
        points
    }
}
