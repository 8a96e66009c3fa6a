//! What guidance adds: bands, pairs, and the parts of the difference of two denoisers.

use molrg::denoiser::contrast::{Gaussians, Part};
use molrg::flow::{Plan, Solver};
use molrg::linalg::symmetric_eigen;

use super::*;

const PARTS: [Part; 3] = [Part::Mean, Part::Positive, Part::Negative];

/// One Gaussian of rank r in d dimensions.
fn gaussian(seed: u64, d: usize, r: usize, noise: f64) -> Component {
    let basis = orthonormalize(normal::<f64>(seed, d, r).view());
    let variances = normal::<f64>(seed + 100, 1, r).row(0).mapv(|v| v * v + 0.01);
    Component {
        weight: 1.0,
        mean: normal::<f64>(seed + 200, 1, d).row(0).to_owned(),
        basis,
        variances,
        noise_variance: noise,
    }
}

fn denoiser<T: Scalar>(component: &Component) -> Box<MixtureDenoiser<T>> {
    Box::new(MixtureDenoiser::new(Mixture { components: vec![component.clone()] }))
}

/// Pairs of Gaussians: low and full rank, with and without noise, one within the other, and of one basis.
fn pairs() -> Vec<(Component, Component)> {
    let mut pairs = vec![
        (gaussian(1, 12, 3, 0.0), gaussian(2, 12, 5, 0.1)),
        (gaussian(3, 9, 9, 0.2), gaussian(4, 9, 9, 0.0)),
        (gaussian(5, 10, 7, 0.05), gaussian(6, 10, 8, 0.3)),
        (gaussian(7, 6, 0, 0.5), gaussian(8, 6, 2, 0.1)),
        (gaussian(9, 5, 0, 0.5), gaussian(10, 5, 0, 0.1)),
    ];
    let (c, mut u) = (gaussian(11, 12, 4, 0.0), gaussian(12, 12, 4, 0.1));
    u.basis = c.basis.clone();
    pairs.push((c, u));
    pairs
}

/// A = Σ(Σ + σ²)⁻¹, written out.
fn map_of(c: &Component, sigma: f64) -> Array2<f64> {
    let d = c.mean.len();
    let rest = c.noise_variance / (c.noise_variance + sigma * sigma);
    let mut a = Array2::eye(d) * rest;
    for (u, variance) in c.basis.columns().into_iter().zip(&c.variances) {
        let gain = variance / (variance + sigma * sigma) - rest;
        a += &(&u.insert_axis(Axis(1)) * &u.insert_axis(Axis(0)) * gain);
    }
    a
}

#[test]
fn parts_of_two_gaussians_add_up_to_their_difference() {
    fn check<T: Scalar>(tolerance: f64) {
        for (i, (c, u)) in pairs().into_iter().enumerate() {
            let gaussians = Gaussians::new(c.clone(), u.clone()).unwrap();
            let (conditional, unconditional) = (denoiser::<T>(&c), denoiser::<T>(&u));
            for sigma in [0.01, 0.3, 2.0, 80.0] {
                let x = normal::<f64>(20, 7, c.mean.len()).mapv(|z| T::of((1.0 + sigma) * z));
                let (d_c, d_u) = (
                    conditional.denoise(x.view(), sigma).unwrap(),
                    unconditional.denoise(x.view(), sigma).unwrap(),
                );
                let part = |part| cast::<T, f64>(gaussians.part(part, x.view(), sigma).unwrap().view());
                let [mean, positive, negative] = PARTS.map(part);
                // Relative to the points, whose digits all of them have: x − D keeps none of smaller numbers.
                let size = cast::<T, f64>(x.view()).mapv(f64::abs).fold(1.0f64, |a, &b| a.max(b));
                let apart = cast::<T, f64>((&d_c - &d_u).view());
                for (what, sum) in [("sum", &mean + &positive + &negative), ("full", part(Part::Full))] {
                    let error = (&sum - &apart).mapv(f64::abs).fold(0.0f64, |a, &b| a.max(b)) / size;
                    assert!(error < tolerance, "{i}, σ {sigma}: {what} {error:e}");
                }
                // The shift is the same for all points.
                assert!(mean.outer_iter().all(|row| row == mean.row(0)));
            }
        }
    }
    check::<f64>(1e-12);
    check::<f32>(1e-5);
}

#[test]
fn positive_and_negative_parts_are_those_of_the_eigenvectors() {
    for (i, (c, u)) in pairs().into_iter().enumerate() {
        let gaussians = Gaussians::new(c.clone(), u.clone()).unwrap();
        for sigma in [0.05, 0.7, 10.0] {
            let (a_c, a_u) = (map_of(&c, sigma), map_of(&u, sigma));
            let (values, vectors) = symmetric_eigen((&a_c - &a_u).view()).unwrap();
            let x = normal::<f64>(21, 5, c.mean.len()) * 2.0;
            let centred = &x - &c.mean;
            for (part, keeps) in [(Part::Positive, 1.0), (Part::Negative, -1.0)] {
                let kept = values.mapv(|e| if e * keeps > 0.0 { e } else { 0.0 });
                let expected = centred.dot(&vectors).dot(&Array2::from_diag(&kept)).dot(&vectors.t());
                let got = gaussians.part(part, x.view(), sigma).unwrap();
                // Eigenvectors of equal eigenvalues may be turned, not what they span; a dozen products.
                let error = (&got - &expected).mapv(f64::abs).fold(0.0f64, |a, &b| a.max(b));
                assert!(error < 1e-12, "{i}, σ {sigma}, {part:?}: {error:e}");
            }
            // (I − A_u)(μ_c − μ_u).
            let shift = &c.mean - &u.mean - a_u.dot(&(&c.mean - &u.mean));
            let got = gaussians.part(Part::Mean, x.slice(s![..1, ..]), sigma).unwrap();
            assert!(norm((&got.row(0) - &shift).view()) < 1e-12, "{i}, σ {sigma}");
        }
    }
}

fn guided_by(c: &Component, u: &Component, part: Part, weight: f64, exact: bool) -> PartlyGuided<f64> {
    PartlyGuided {
        conditional: denoiser(c),
        unconditional: denoiser(u),
        gaussians: exact.then(|| Gaussians::new(c.clone(), u.clone()).unwrap()),
        part,
        weight,
        band: Band::ALL,
    }
}

#[test]
fn the_heuristic_is_of_the_symmetric_jacobians() {
    let (c, u) = (gaussian(13, 8, 3, 0.1), gaussian(14, 8, 5, 0.2));
    let (x, sigma) = (normal::<f64>(22, 4, 8), 0.6);
    let d_c = denoiser::<f64>(&c).denoise(x.view(), sigma).unwrap();
    let d_u = denoiser::<f64>(&u).denoise(x.view(), sigma).unwrap();
    // What a part adds to D_c at weight 2.
    let part = |part| guided_by(&c, &u, part, 2.0, false).denoise(x.view(), sigma).unwrap() - &d_c;
    let (values, vectors) = symmetric_eigen((map_of(&c, sigma) - map_of(&u, sigma)).view()).unwrap();
    let positive = Array2::from_diag(&values.mapv(|e| e.max(0.0)));
    let expected = d_c.dot(&vectors).dot(&positive).dot(&vectors.t());
    let close = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().all(|v| v.abs() < 1e-12);
    assert!(close(&part(Part::Positive), &expected));
    assert!(close(
        &(PARTS.map(part).into_iter().fold(Array2::zeros((4, 8)), |sum, p| sum + p)),
        &(&d_c - &d_u)
    ));
    assert!(close(&part(Part::Full), &(&d_c - &d_u)));
}

/// The flow from σ_T to σ, as exact as rk45 makes it.
fn flow(sigmas: Vec<f64>) -> Plan {
    Plan { sigmas, solver: Solver::Rk45, churn: None, rtol: 1e-13, atol: 1e-13 }
}

#[test]
fn modes_that_commute_are_multiplied_by_the_published_factor() {
    // √((λ_c+σ²)/(λ_c+σ_T²)) h^{γ/2}, h = (λ_c+σ²)/(λ_c+σ_T²) · (λ_u+σ_T²)/(λ_u+σ²), γ = w − 1.
    let one = |variance: f64| Component {
        weight: 1.0,
        mean: Array1::zeros(1),
        basis: Array2::eye(1),
        variances: Array1::from_elem(1, variance),
        noise_variance: 0.0,
    };
    let (c, u, from, to) = (2.0, 0.5, 80.0f64, 0.1f64);
    let (fall, rise) = ((c + to * to) / (c + from * from), (u + from * from) / (u + to * to));
    for (gamma, printed) in [(4.0, Some(0.2750986)), (0.0, None), (-1.0, None), (2.5, None)] {
        let guided = Guided::<f64> {
            conditional: denoiser(&one(c)),
            unconditional: denoiser(&one(u)),
            weight: 1.0 + gamma,
            band: Band::ALL,
        };
        let mut x = Array2::from_elem((1, 1), 1.0);
        flow(vec![from, to]).run(&guided, &mut x, 0, 0).unwrap();
        let factor = fall.sqrt() * (fall * rise).powf(gamma / 2.0);
        // A tolerance of 1e-13 a step over some hundred steps.
        assert!((x[[0, 0]] / factor - 1.0).abs() < 1e-11, "γ {gamma}: {} {factor}", x[[0, 0]]);
        if let Some(printed) = printed {
            assert!((factor - printed).abs() < 5e-8, "{factor}");
        }
    }
}

#[test]
fn the_mean_moves_all_samples_alike_and_positive_parts_amplify() {
    let (c, u) = (gaussian(15, 6, 2, 0.05), gaussian(16, 6, 3, 0.2));
    let start = normal::<f64>(23, 5, 6) * 80.0;
    let run = |part, weight| {
        let mut x = start.clone();
        let plan = Plan { solver: Solver::Heun, ..flow(vec![80.0, 20.0, 5.0, 1.0, 0.3, 0.1]) };
        plan.run(&guided_by(&c, &u, part, weight, true), &mut x, 0, 0).unwrap();
        x
    };
    let alone = run(Part::Mean, 1.0);
    let moved = run(Part::Mean, 4.0) - &alone;
    assert!(norm(moved.row(0)) > 0.1);
    // Differences of numbers of size 80 on the way.
    assert!(moved.outer_iter().all(|row| norm((&row - &moved.row(0)).view()) < 1e-10));
    let energy = |x: &Array2<f64>| (x - &c.mean).mapv(|v| v * v).sum();
    assert!(energy(&run(Part::Positive, 4.0)) > energy(&alone));
    assert!(energy(&run(Part::Negative, 4.0)) < energy(&alone));
}

#[test]
fn a_pair_steers_any_denoiser_and_bands_end_it() {
    let (c, u) = (gaussian(17, 6, 2, 0.1), gaussian(18, 6, 3, 0.2));
    let x = normal::<f64>(24, 4, 6);
    let band = Band::new(0.5, 2.0).unwrap();
    let steered = Steered::<f64> {
        denoiser: denoiser(&c),
        toward: denoiser(&c),
        against: denoiser(&u),
        weight: 2.0,
        band,
    };
    let guided = Guided::<f64> { conditional: denoiser(&c), unconditional: denoiser(&u), weight: 3.0, band };
    let parts = PartlyGuided { band, ..guided_by(&c, &u, Part::Positive, 3.0, true) };
    for (sigma, within) in [(0.4, false), (0.5, false), (0.51, true), (2.0, true), (2.1, false)] {
        let d_c = denoiser::<f64>(&c).denoise(x.view(), sigma).unwrap();
        let d_u = denoiser::<f64>(&u).denoise(x.view(), sigma).unwrap();
        let expected = if within { &d_c + &((&d_c - &d_u) * 2.0) } else { d_c.clone() };
        let all: [&dyn Denoiser<f64>; 2] = [&steered, &guided];
        for (i, denoiser) in all.into_iter().enumerate() {
            // However rows are asked for: three operations on numbers of size 3.
            let ways = [
                denoiser.denoise(x.view(), sigma).unwrap(),
                denoiser.denoise_rows(x.view(), 7, sigma).unwrap(),
                denoiser.denoise_row(x.view(), 7, sigma).unwrap(),
            ];
            for d in ways {
                assert!((&d - &expected).iter().all(|v| v.abs() < 1e-14), "{i}, σ {sigma}");
            }
        }
        let (d, rest) = guided.split(x.view(), sigma).unwrap();
        assert!((&d + &rest - &x).iter().all(|v| v.abs() < 1e-14));
        assert_eq!(parts.denoise(x.view(), sigma).unwrap() == d_c, !within, "σ {sigma}");
    }
    for ends in [(2.0, 2.0), (3.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0)] {
        assert!(Band::new(ends.0, ends.1).is_err(), "{ends:?}");
    }
}
