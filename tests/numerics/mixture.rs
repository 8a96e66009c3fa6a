//! Operations on mixtures, against the covariance written out and the laws of probability.

use molrg::denoiser::{Denoiser, MixtureDenoiser};
use molrg::linalg::{column_means, symmetric_eigen};
use molrg::mixture::{Component, Design, Mixture, NoiseIn, Sampler, Spectrum};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Means, unequal weights, ranks and variances, noise.
fn planted(seed: u64, dim: usize, ranks: &[usize]) -> Mixture {
    let design = Design {
        ranks: ranks.to_vec(),
        weights: (1..=ranks.len()).map(|k| k as f64).collect(),
        spectrum: Spectrum::Geometric(0.6),
        noise_std: 0.3,
        angle: 50.0,
        mean_norm: 2.0,
        ..Design::molrg(dim, 1, 1)
    };
    design.plant(seed).unwrap()
}

fn outer(v: &Array1<f64>) -> Array2<f64> {
    let column = v.view().insert_axis(Axis(1));
    column.dot(&column.t())
}

/// Σ_k, (d, d).
fn covariance_of(c: &Component) -> Array2<f64> {
    let d = c.mean.len();
    let on = c.basis.dot(&Array2::from_diag(&c.variances)).dot(&c.basis.t());
    on + (Array2::<f64>::eye(d) - c.basis.dot(&c.basis.t())) * c.noise_variance
}

/// By E[xxᵀ] − mmᵀ, the second moment of every component about 0.
fn covariance(mixture: &Mixture) -> Array2<f64> {
    let (mut second, mut mean) =
        (Array2::zeros((mixture.dim(), mixture.dim())), Array1::zeros(mixture.dim()));
    for c in &mixture.components {
        second = second + (covariance_of(c) + outer(&c.mean)) * c.weight;
        mean = mean + &c.mean * c.weight;
    }
    second - outer(&mean)
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn the_pooled_gaussian_has_the_mean_and_the_covariance() {
    for (dim, ranks) in [(20, vec![2, 3]), (20, vec![1]), (6, vec![3, 2, 3]), (9, vec![4, 4, 4, 4])] {
        let mut mixture = planted(3, dim, &ranks);
        // Variances below the noise, as of fits that do not measure them, too.
        for below in [false, true] {
            if below {
                mixture.components[0].variances[0] = 0.01;
            }
            let pooled = mixture.pooled().unwrap();
            let [c] = &pooled.components[..] else { panic!("one component") };
            let gap = &covariance_of(c) - &covariance(&mixture);
            // Sums of some ten products of numbers near 1.
            assert!(largest(&gap) < 1e-13, "d {dim}, ranks {ranks:?}: {:e}", largest(&gap));
            let mean: Array1<f64> =
                mixture.components.iter().map(|c| &c.mean * c.weight).fold(Array1::zeros(dim), |a, b| a + b);
            assert!((&c.mean - &mean).iter().all(|x| x.abs() < 1e-14));
            pooled.check().unwrap();
            assert!(c.variances.windows(2).into_iter().all(|w| w[0] >= w[1]));
            // m is in the span of the means about it: one direction less than there are.
            let span = ranks.iter().sum::<usize>() + ranks.len() - 1;
            assert_eq!(c.basis.ncols(), span.min(dim), "d {dim}, ranks {ranks:?}");
        }
    }
}

#[test]
fn a_pooled_covariance_of_low_rank_stays_so() {
    // The same subspace twice, no noise: its rank, and that of the two means.
    let mut mixture = Design::molrg(30, 4, 1).plant(5).unwrap();
    let twin = Component {
        weight: 0.5,
        mean: normal_rows(1, Purpose::Noise, 0..1, 30).row(0).to_owned(),
        ..mixture.components[0].clone()
    };
    mixture.components[0].weight = 0.5;
    mixture.components.push(twin);
    let pooled = mixture.pooled().unwrap();
    let c = &pooled.components[0];
    assert_eq!((c.basis.ncols(), c.noise_variance), (5, 0.0));
    // A small subspace far from the origin: eigenvalues of the written-out covariance lose it, singular values do not.
    for c in &mut mixture.components {
        c.mean = &c.mean * 1e7;
        c.variances.fill(1e-6);
    }
    let pooled = mixture.pooled().unwrap();
    let c = &pooled.components[0];
    assert_eq!(c.basis.ncols(), 5);
    // The mean's direction takes a part of the subspace; of the four, three at least are as they were.
    assert!(
        c.variances.slice(ndarray::s![1..4]).iter().all(|v| (v / 1e-6 - 1.0).abs() < 1e-6),
        "{}",
        c.variances
    );
    let (values, _) = symmetric_eigen(covariance(&mixture).view()).unwrap();
    assert!((values[0] / c.variances[0] - 1.0).abs() < 1e-12 && (values[2] / 1e-6 - 1.0).abs() > 1.0);
    // Isotropic: nothing but noise.
    mixture.components.iter_mut().for_each(|c| {
        c.noise_variance = 1e-6;
        c.mean.fill(3.0);
    });
    let pooled = mixture.pooled().unwrap();
    let c = &pooled.components[0];
    let (low, high) = c.eigenvalue_ends();
    assert!((low - 1e-6).abs() < 1e-20 && (high - 1e-6).abs() < 1e-20 && (c.trace() - 30e-6).abs() < 1e-18);
}

#[test]
fn samples_have_the_pooled_moments() {
    let mixture = planted(8, 7, &[2, 1, 3]);
    let pooled = mixture.pooled().unwrap();
    let n = 40_000;
    let (x, _) = Sampler::<f64>::new(&mixture, 2, false).draw(0..n);
    let mean = column_means(x.view());
    let centred = &x - &mean;
    let sampled = centred.t().dot(&centred) / n as f64;
    let c = &pooled.components[0];
    let expected = covariance_of(c);
    // Entries have a deviation of some (C_ii C_jj)^½/√n, and at most 2 or 3 times that by their fourth moments; of 28
    // entries the largest is seldom beyond 4 deviations.
    let allowed = |i: usize, j: usize| 8.0 * (expected[[i, i]] * expected[[j, j]] / n as f64).sqrt();
    for ((i, j), e) in expected.indexed_iter() {
        assert!((sampled[[i, j]] - e).abs() < allowed(i, j), "{i}, {j}: {} for {e}", sampled[[i, j]]);
    }
    for (i, m) in mean.iter().enumerate() {
        assert!((m - c.mean[i]).abs() < 5.0 * (expected[[i, i]] / n as f64).sqrt());
    }
}

/// ln N(x; μ, C + σ²I) by its eigenvalues.
fn log_density(c: &Component, x: ArrayView1<f64>, sigma: f64) -> f64 {
    let (values, vectors) = symmetric_eigen(covariance_of(c).view()).unwrap();
    let z = vectors.t().dot(&(&x - &c.mean));
    let term = |(z, v): (&f64, &f64)| -0.5 * (z * z / (v + sigma * sigma) + (v + sigma * sigma).ln());
    z.iter().zip(&values).map(term).sum()
}

/// D of the joined is Σ w_i p_i(x) D_i(x) / Σ w_i p_i(x), the densities written out.
#[test]
fn the_posterior_of_a_join_is_that_of_its_parts() {
    let parts = [planted(1, 8, &[2, 3]), planted(2, 8, &[1]), planted(3, 8, &[2, 2, 1])];
    let shares = [0.5, 2.0, 1.0];
    let joined = Mixture::join(shares.into_iter().zip(parts.clone()).collect()).unwrap();
    assert_eq!(joined.ranks(), [2, 3, 1, 2, 2, 1]);
    joined.check().unwrap();
    let x = normal_rows::<f64>(4, Purpose::Noise, 0..20, 8) * 2.0;
    for sigma in [0.2, 1.0, 5.0] {
        let direct = MixtureDenoiser::<f64>::new(joined.clone()).denoise(x.view(), sigma).unwrap();
        let each: Vec<_> = parts
            .iter()
            .map(|p| MixtureDenoiser::<f64>::new(p.clone()).denoise(x.view(), sigma).unwrap())
            .collect();
        for (i, row) in x.outer_iter().enumerate() {
            let density = |p: &Mixture| {
                p.components.iter().map(|c| c.weight * log_density(c, row, sigma).exp()).sum::<f64>()
            };
            let weights: Vec<f64> = parts.iter().zip(shares).map(|(p, w)| w * density(p)).collect();
            let total: f64 = weights.iter().sum();
            let expected = each
                .iter()
                .zip(&weights)
                .map(|(d, w)| &d.row(i) * (w / total))
                .fold(Array1::zeros(8), |a: Array1<f64>, b| a + b);
            // Densities down to 1e-10 of each other, in sums of eight squares.
            let gap = (&direct.row(i) - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(gap < 1e-11, "σ {sigma}, row {i}: {gap:e}");
        }
    }
}

#[test]
fn select_undoes_join() {
    let parts = [planted(1, 8, &[2, 3]), planted(2, 8, &[1, 1, 1])];
    let joined = Mixture::join(vec![(3.0, parts[0].clone()), (1.0, parts[1].clone())]).unwrap();
    for (part, numbers) in parts.iter().zip([vec![0, 1], vec![2, 3, 4]]) {
        let again = joined.select(&numbers).unwrap();
        for (a, b) in part.components.iter().zip(&again.components) {
            // The same but for the rounding of a product and a quotient.
            assert!((a.weight - b.weight).abs() < 1e-15);
            assert_eq!(
                (&a.mean, &a.basis, &a.variances, a.noise_variance),
                (&b.mean, &b.basis, &b.variances, b.noise_variance)
            );
        }
    }
    assert!(Mixture::join(vec![(0.0, parts[0].clone())]).is_err());
    // Shares whose sum is no number are those of 1 and 1.
    let [large, equal] =
        [f64::MAX, 1.0].map(|w| Mixture::join(vec![(w, parts[0].clone()), (w, parts[1].clone())]));
    let weights = |m: Mixture| m.components.iter().map(|c| c.weight).collect::<Vec<_>>();
    for (a, b) in weights(large.unwrap()).into_iter().zip(weights(equal.unwrap())) {
        assert!((a - b).abs() < 1e-15, "{a}, not {b}");
    }
    let design = |w| Design { weights: vec![w; 2], ..Design::molrg(6, 1, 2) };
    design(f64::MAX).check().unwrap();
    assert_eq!(weights(design(f64::MAX).plant(1).unwrap()), weights(design(1.0).plant(1).unwrap()));
}

/// U_k diag(λ) U_kᵀ + δ² Σ_{l≠k} U_l U_lᵀ, the bases those of the same design without noise.
#[test]
fn noise_within_the_union_is_of_the_other_subspaces() {
    for angle in [90.0, 40.0] {
        let ranks = vec![2, 3, 1];
        let plain = Design {
            ranks,
            weights: vec![1.0; 3],
            spectrum: Spectrum::Geometric(0.5),
            angle,
            ..Design::molrg(9, 1, 1)
        };
        let bases: Vec<_> = plain.plant(3).unwrap().components;
        let noisy = Design { noise_std: 0.2, noise_in: NoiseIn::Union, ..plain }.plant(3).unwrap();
        noisy.check().unwrap();
        for (k, c) in noisy.components.iter().enumerate() {
            assert_eq!((c.noise_variance, c.basis.ncols()), (0.0, 6));
            let mut expected = covariance_of(&bases[k]);
            for other in bases.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, c)| c) {
                expected = expected + other.basis.dot(&other.basis.t()) * 0.04;
            }
            let gap = largest(&(&covariance_of(c) - &expected));
            assert!(gap < 1e-14, "{angle} degrees, component {k}: {gap:e}");
        }
    }
}

#[test]
fn the_trace_of_a_covariance_is_that_of_the_covariance() {
    let mixture = planted(9, 7, &[2, 3]);
    let mean = mixture.mean();
    let covariance = mixture.components.iter().fold(Array2::<f64>::zeros((7, 7)), |sum, c| {
        sum + (covariance_of(c) + outer(&(&c.mean - &mean))) * c.weight
    });
    let trace = covariance.diag().sum();
    // A few dozen roundings.
    assert!((mixture.total_variance() / trace - 1.0).abs() < 1e-14, "{} {trace}", mixture.total_variance());
}
