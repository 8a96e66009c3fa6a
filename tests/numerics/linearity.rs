//! How linear denoisers are, and how far apart: against exact answers, and references by NumPy.

use molrg::denoiser::{Denoiser, EmpiricalDenoiser, MixtureDenoiser};
use molrg::fit::pca::Moments;
use molrg::linalg::column_means;
use molrg::measure::comparison::{Gap, Gaps};
use molrg::measure::interval::Mean;
use molrg::measure::linearity::{Common, PairGap, PairMean, Pairs, steps};
use molrg::mixture::{Design, Sampler};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array1, Array2, ArrayView1, arr1};

fn normal(seed: u64, rows: u64, width: usize) -> Array2<f64> {
    normal_rows(seed, Purpose::Noise, 0..rows, width)
}

/// Means of the absolute cosine and of nmse.
fn score(
    denoiser: &dyn Denoiser<f64>,
    points: &Array2<f64>,
    centre: Option<ArrayView1<f64>>,
    sigma: f64,
    count: u64,
) -> (Mean, Mean) {
    let pairs = Pairs { denoiser, points: points.view(), centre, seed: 3 };
    let (mut cosine, mut nmse) = (Mean::default(), Mean::default());
    for PairGap { gap, .. } in pairs.gaps(0..count, sigma).unwrap() {
        cosine.add(gap.cosine.unwrap().abs());
        nmse.add(gap.nmse().unwrap());
    }
    (cosine, nmse)
}

#[test]
fn one_gaussian_is_linear() {
    let data = normal(1, 60, 4).dot(&normal(2, 4, 10)) + &(normal(3, 60, 10) * 0.1);
    let gaussian = |data: &Array2<f64>| {
        let mut moments = Moments::new(10).unwrap();
        moments.add(data.view());
        moments.gaussian(None).unwrap()
    };
    // Symmetric rows have the mean 0.
    let symmetric = ndarray::concatenate![ndarray::Axis(0), data, -&data];
    let moved = &data + &(normal(4, 1, 10) * 9.0);
    for sigma in [0.05, 1.0, 30.0] {
        let denoiser = MixtureDenoiser::new(gaussian(&symmetric));
        let (cosine, nmse) = score(&denoiser, &symmetric, None, sigma, 200);
        // Sums of ten products; where noise is small, D's own digits are those of x.
        assert!((cosine.mean - 1.0).abs() < 1e-12 && nmse.mean < 1e-10, "σ {sigma}: {cosine:?}, {nmse:?}");
        let denoiser = MixtureDenoiser::new(gaussian(&moved));
        let centre = column_means(moved.view());
        let (cosine, nmse) = score(&denoiser, &moved, Some(centre.view()), sigma, 200);
        assert!((cosine.mean - 1.0).abs() < 1e-12 && nmse.mean < 1e-10, "σ {sigma}: {cosine:?}, {nmse:?}");
        // A mean that is not taken off is not linear: at large σ both sides are it, one of them √2 times.
        let (cosine, nmse) = score(&denoiser, &moved, None, sigma, 200);
        assert!(nmse.mean > 0.01 && cosine.mean <= 1.0);
        if sigma == 30.0 {
            assert!((nmse.mean - (2f64.sqrt() - 1.0)).abs() < 0.05, "{nmse:?}");
        }
    }
}

/// MoLRG with d = 48, r = 7, K = 2, and finite sets of its rows at pairs of their own; 400 pairs at five levels, by NumPy:
/// of the sets the mean of four.
#[test]
fn mixtures_and_sets_are_as_linear_as_numpy_finds_them() {
    let mixture = Design::molrg(48, 7, 2).plant(1).unwrap();
    let draw = |seed, rows| Sampler::<f64>::new(&mixture, seed, false).draw(0..rows).0;
    let levels = [0.1, 0.3, 1.0, 3.0, 10.0];
    let of_mixture = MixtureDenoiser::new(mixture.clone());
    let (few, many) = (draw(2, 20), draw(3, 200));
    let (of_few, of_many) = (EmpiricalDenoiser::new(few.clone()), EmpiricalDenoiser::new(many.clone()));
    type Case<'a> = (&'static str, &'a dyn Denoiser<f64>, Array2<f64>, [f64; 5]);
    let cases: [Case; 3] = [
        ("mixture", &of_mixture, draw(4, 800), [0.902, 0.892, 0.909, 0.993, 1.0]),
        ("20 rows", &of_few, few, [0.798, 0.786, 0.823, 0.961, 0.992]),
        ("200 rows", &of_many, many, [0.817, 0.805, 0.856, 0.979, 0.983]),
    ];
    for (name, denoiser, points, expected) in cases {
        for (sigma, expected) in levels.into_iter().zip(expected) {
            let (cosine, _) = score(denoiser, &points, None, sigma, 400);
            // Four standard errors of ours; NumPy's are as large, and sets differ by 0.02.
            let error = 4.0 * (2.0 * cosine.std_error().powi(2) + 0.01f64.powi(2)).sqrt();
            assert!(
                (cosine.mean - expected).abs() < error,
                "{name}, σ {sigma}: {}, not {expected}",
                cosine.mean
            );
        }
    }
}

#[test]
fn pairs_do_not_depend_on_those_around_them() {
    let points = normal(1, 9, 6);
    let denoiser = EmpiricalDenoiser::new(points.clone());
    let pairs = Pairs { denoiser: &denoiser, points: points.view(), centre: None, seed: 5 };
    let whole = pairs.gaps(0..40, 0.7).unwrap();
    assert_eq!(pairs.gaps(13..29, 0.7).unwrap(), whole[13..29]);
}

/// Of an affine map all that differs is (1 − √2) b, in every pair; of a mixture without mean nothing is common.
#[test]
fn what_all_pairs_have_in_common() {
    let share = |denoiser: &dyn Denoiser<f64>, points: &Array2<f64>| {
        let pairs = Pairs { denoiser, points: points.view(), centre: None, seed: 8 };
        let mut common = Common::default();
        pairs.gaps(0..200, 0.5).unwrap().iter().for_each(|pair| common.add(&pair.difference));
        common.share().unwrap()
    };
    let design = Design { mean_norm: 3.0, noise_std: 0.2, ..Design::molrg(20, 3, 1) };
    let affine = MixtureDenoiser::new(design.plant(5).unwrap());
    let points = Sampler::<f64>::new(&design.plant(5).unwrap(), 6, false).draw(0..100).0;
    assert!((share(&affine, &points) - 1.0).abs() < 1e-10);
    let mixture = Design { noise_std: 0.2, ..Design::molrg(20, 3, 3) }.plant(7).unwrap();
    let points = Sampler::<f64>::new(&mixture, 9, false).draw(0..100).0;
    // Chance leaves a share of 1/200 with an error as large over one of the 20 directions.
    let found = share(&MixtureDenoiser::new(mixture), &points);
    assert!(found.abs() < 0.03, "{found}");
}

/// The error is the deviation over draws of points and pairs, be there many more pairs than points or fewer.
#[test]
fn the_error_over_pairs_is_that_of_repeated_draws() {
    let pairs_of = |seed: u64, points: u64, pairs: u64| {
        let a = normal(seed, points, 1);
        let picks = normal_rows::<f64>(seed, Purpose::Latents, 0..pairs, 3);
        let mut mean = PairMean::default();
        for pick in picks.outer_iter() {
            let at = |x: f64| (x.abs() * 1e6) as usize % points as usize;
            let (i, j) = (at(pick[0]), at(pick[1]));
            if i != j {
                // What is of the points, and what is of the pair.
                mean.add([i, j], a[[i, 0]] + a[[j, 0]] + 0.5 * pick[2]);
            }
        }
        mean
    };
    for (points, pairs) in [(40, 1000), (40, 100), (500, 100)] {
        let (mut values, mut errors) = (Mean::default(), Mean::default());
        for seed in 0..200 {
            let mean = pairs_of(seed, points, pairs);
            values.add(mean.of_pairs.mean);
            errors.add(mean.error(points as usize).unwrap().powi(2));
        }
        // Deviations of 200 draws are known to 5 %; of 40 points the estimate is up to a fortieth too small.
        let ratio = errors.mean.sqrt() / values.variance().sqrt();
        assert!((ratio - 1.0).abs() < 0.18, "{points} points, {pairs} pairs: {ratio}");
    }
    assert_eq!(PairMean::default().error(9), None);
    // Of four points it would be half of what it is.
    assert!(pairs_of(0, 4, 100).error(4).is_none() && pairs_of(0, 5, 100).error(5).is_some());
}

/// ‖D(x + λv) − D(x) − λJv‖ is as λ².
#[test]
fn the_expansion_about_a_point_errs_by_the_square_of_the_step() {
    let mixture = Design { mean_norm: 0.3, noise_std: 0.2, ..Design::molrg(20, 3, 3) }.plant(2).unwrap();
    let set = Sampler::<f64>::new(&mixture, 4, false).draw(0..30).0;
    let of_set = EmpiricalDenoiser::new(set.clone());
    let of_mixture = MixtureDenoiser::new(mixture);
    let v = normal(9, 1, 20).row(0).to_owned();
    let v = &v / v.dot(&v).sqrt();
    let denoisers: [&dyn molrg::denoiser::Differentiable<f64>; 2] = [&of_mixture, &of_set];
    for denoiser in denoisers {
        for (i, sigma) in [0.5, 1.0, 4.0].into_iter().enumerate() {
            let x = &set.row(i) + &(&normal(6, 1, 20).row(0) * sigma);
            // Far below σ, and far above what rounding leaves, 1e-16/λ² of it.
            let lambdas = [2e-3 * sigma, 1e-3 * sigma, -1e-3 * sigma];
            let found = steps(denoiser, x.view(), v.view(), &lambdas, 0, sigma).unwrap();
            assert!(found[1].error > 1e-10, "σ {sigma}: nothing is bent here");
            let ratio = found[0].error / found[1].error;
            assert!((ratio - 4.0).abs() < 0.05, "σ {sigma}: {ratio}");
            assert!((found[2].error / found[1].error - 1.0).abs() < 0.02);
            for step in found {
                assert!(
                    (step.cosine.unwrap() - 1.0).abs() < 1e-5
                        && (step.norm_ratio.unwrap() - 1.0).abs() < 1e-4
                );
                assert!(step.change_cosine.unwrap() > 0.999);
            }
        }
    }
    // A linear map is its expansion, however far.
    let gaussian =
        MixtureDenoiser::new(Design { noise_std: 0.2, ..Design::molrg(20, 3, 1) }.plant(2).unwrap());
    for step in steps(&gaussian, set.row(0), v.view(), &[0.1, -7.0, 300.0], 0, 0.5).unwrap() {
        assert!(step.error < 1e-12 * 300.0 && (step.change_cosine.unwrap() - 1.0).abs() < 1e-12);
        assert!((step.norm_ratio.unwrap() - 1.0).abs() < 1e-12, "{step:?}");
    }
}

#[test]
fn gaps_are_what_their_names_say() {
    let (a, b) = (arr1(&[3.0, 0.0, 4.0]), arr1(&[3.0, 2.0, 2.0]));
    let gap = Gap::of(a.view(), b.view());
    assert_eq!((gap.rmse(), gap.nmse()), ((8.0f64 / 3.0).sqrt(), Some(8f64.sqrt() / 5.0)));
    assert!((gap.cosine.unwrap() - 17.0 / (5.0 * 17f64.sqrt())).abs() < 1e-15);
    let nothing = Array1::<f64>::zeros(3);
    let zero = Gap::of(nothing.view(), b.view());
    assert_eq!((zero.nmse(), zero.cosine), (None, None));
    let mut gaps = Gaps::default();
    assert_eq!(gaps.explained(), None);
    [gap, zero, gap].iter().for_each(|gap| gaps.add(gap));
    // Σ‖a − b‖² = 8 + 17 + 8, Σ‖a‖² = 25 + 0 + 25.
    assert!((gaps.explained().unwrap() - (1.0 - 33.0 / 50.0)).abs() < 1e-15);
    assert_eq!((gaps.rmse.n, gaps.nmse.n, gaps.cosine.n), (3, 2, 2));
    assert_eq!(gaps.nmse.mean, gap.nmse().unwrap());
}
