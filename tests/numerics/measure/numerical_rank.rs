//! Numerical ranks.

use super::*;

#[test]
fn numerical_rank_by_its_definition() {
    let eta2 = 0.99f64 * 0.99;
    let rank = |s: &[f64]| numerical_rank(s, s.iter().map(|v| v * v).sum(), eta2).rank;
    assert_eq!(rank(&[1.0; 12]), 12);
    assert_eq!(rank(&[1.0, 1.0, 1e-3, 1e-3]), 2);
    // 100 equal values: 98 hold 0.98, which is not above 0.9801; 99 do.
    assert_eq!(rank(&[1.0; 100]), 99);
    // Strictly above: three of four hold exactly 0.75.
    assert_eq!(numerical_rank(&[1.0; 4], 4.0, 0.75).rank, 4);
    assert_eq!(numerical_rank(&[1.0; 4], 4.0, 0.75f64.next_down()).rank, 3);
    let half = numerical_rank(&[3.0, 4.0, 0.0], 25.0, 0.3);
    assert_eq!((half.rank, half.energy, half.gap), (1, 9.0 / 25.0, 4.0 / 3.0));
    // Of 100 equal values with 0.0398, or 0.00995, left out: 97 hold 0.97 of 0.9602, 100 more than 0.99005.
    assert_eq!(ranks_about(&[1.0; 100], 100.0, eta2), [97, 100]);
    assert_eq!(ranks_about(&[3.0, 4.0, 0.0], 25.0, 0.3), [1, 2]);
    assert_eq!(numerical_rank(&[0.0; 5], 0.0, eta2).rank, 0);
    assert_eq!(numerical_rank(&[], 0.0, eta2).rank, 0);
    // With more energy outside the list than it takes, the list is not enough.
    assert_eq!(numerical_rank(&[1.0, 1.0], 10.0, eta2).rank, 2);
    for seed in 0..20 {
        let mut s: Vec<f64> = normal::<f64>(seed, 1, 30).iter().map(|v| v.abs().exp()).collect();
        s.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = s.iter().map(|v| v * v).sum();
        // As the published code writes it.
        let norm = total.sqrt();
        let expected =
            (1..=30).find(|&r| s[..r].iter().map(|v| v * v).sum::<f64>().sqrt() > 0.99 * norm).unwrap();
        assert_eq!(rank(&s), expected);
    }
}

#[test]
fn rank_along_the_flow_of_the_exact_mixture() {
    // d = 48, K = 2, r = 6. Three independent evaluations (15, 40 and, in NumPy,
    // 600 latents) agree: 12 for σ ≥ 3.26, on average 11.4 to 11.6 at 1.92,
    // 7.7 to 8.9 at 1.088, 6.5 at 0.585, 6.0 at 0.296, and 6 from 0.14 down.
    // Single points spread more than the averages of the first two tell: at 1.92
    // a few in a hundred already have 6.
    let truth = Design::molrg(48, 6, 2).plant(1).unwrap();
    let denoiser = MixtureDenoiser::<f64>::new(truth);
    let sigmas = Grid::default().levels().unwrap();
    let latents = 600;
    let plan = Plan { sigmas: sigmas.clone(), solver: Solver::Heun, churn: None, rtol: 1e-6, atol: 1e-6 };
    let mut x = plan.start::<f64>(2, 0..latents, 48);
    let mut ranks: Vec<Vec<usize>> = Vec::new();
    plan.trace(&denoiser, &mut x, 0, 2, |_, sigma, x| {
        if sigma > 0.0 {
            let at = |x| {
                let s = Differentiable::<f64>::spectrum(&denoiser, x, sigma, 0)?.all();
                Ok(numerical_rank(&s, s.iter().map(|v| v * v).sum(), 0.9801).rank)
            };
            ranks.push(x.outer_iter().map(at).collect::<anyhow::Result<_>>()?);
        }
        Ok(())
    })
    .unwrap();
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/ranks.json")).unwrap();
    for ((sigma, ranks), numpys) in sigmas.iter().zip(&ranks).zip(golden.as_array().unwrap()) {
        let theirs = |key: &str| numpys[key].as_f64().unwrap();
        assert!((theirs("sigma") / sigma - 1.0).abs() < 1e-12);
        let mean = ranks.iter().sum::<usize>() as f64 / latents as f64;
        // Two means of 600: four standard errors of their difference, and where
        // all ranks but one in a thousand are the same, one rank in 100.
        let error = theirs("std") * (2.0 / latents as f64).sqrt();
        assert!((mean - theirs("mean")).abs() < 4.0 * error + 0.01, "σ {sigma}: mean rank {mean}");
        let (low, high) = match *sigma {
            s if s > 3.2 => (11.98, 12.0),
            s if s > 1.9 => (11.4, 11.8),
            s if s > 1.0 => (7.7, 9.2),
            s if s > 0.5 => (6.2, 6.8),
            s if s > 0.2 => (5.9, 6.1),
            _ => (6.0, 6.0),
        };
        assert!((low..=high).contains(&mean), "σ {sigma}: mean rank {mean}");
        let (least, most) = (*ranks.iter().min().unwrap(), *ranks.iter().max().unwrap());
        assert!((6..=12).contains(&least) && (6..=12).contains(&most), "σ {sigma}: {least} to {most}");
        assert!(*sigma > 0.14 || (least, most) == (6, 6), "σ {sigma}: exactly 6");
        assert!(*sigma < 5.0 || (least, most) == (12, 12), "σ {sigma}: exactly 12");
    }
}

#[test]
fn randomized_spectra_are_the_exact_ones() {
    let truth = Design { noise_std: 0.02, mean_norm: 1.0, ..Design::molrg(100, 5, 3) }.plant(4).unwrap();
    let mixture = MixtureDenoiser::<f64>::new(truth);
    let set = EmpiricalDenoiser::new(normal::<f64>(3, 25, 60));
    for (name, denoiser, sigma) in [
        ("mixture", &mixture as &dyn Differentiable<f64>, 0.8),
        ("mixture", &mixture, 5.0),
        ("set", &set, 3.0),
    ] {
        let x = normal::<f64>(8, 1, denoiser.dim()).row(0).to_owned();
        let exact = denoiser.spectrum(x.view(), sigma, usize::MAX).unwrap();
        let all = exact.all();
        let (found, total) = randomized(denoiser, x.view(), sigma, 20, 1, 0).unwrap();
        assert_eq!((found.values.len(), found.right.dim()), (20, (denoiser.dim(), 20)));
        for (i, (a, b)) in found.values.iter().zip(&all).enumerate() {
            // Two rounds of JJᵀ with ten directions to spare: the error of a
            // value is its square times (s_31/s_i)⁹ and less, from above.
            assert!(
                (a - b).abs() < 1e-3 * all[0] && *a < b * (1.0 + 1e-12) + 1e-14,
                "{name} {i}: {a}, not {b}"
            );
        }
        let clear = (1..20).filter(|&q| all[q] < 0.2 * all[q - 1]).collect::<Vec<_>>();
        for q in clear {
            let (u, v) = (found.right.slice(s![.., ..q]), exact.right.slice(s![.., ..q]));
            assert!(distance(u, v) < 1e-3, "{name}: the {q} leading directions");
        }
        // E‖Jω‖² = ‖J‖²; of 30 directions the mean has a relative standard
        // deviation of √(2 Σs⁴/30)/Σs².
        let square: f64 = all.iter().map(|s| s * s).sum();
        let fourth: f64 = all.iter().map(|s| s.powi(4)).sum();
        assert!((total - square).abs() < 4.0 * (2.0 * fourth / 30.0).sqrt(), "{name}: {total}, not {square}");
        // Other probes, other directions; the same, the same bytes.
        let again = randomized(denoiser, x.view(), sigma, 20, 1, 0).unwrap();
        assert_eq!((again.0.values, again.1), (found.values, total));
        assert_ne!(randomized(denoiser, x.view(), sigma, 20, 1, 1).unwrap().1, total);
    }
    // As many directions as dimensions: exact.
    let small = EmpiricalDenoiser::new(normal::<f64>(3, 9, 6));
    let x = normal::<f64>(8, 1, 6).row(0).to_owned();
    let (found, _) = randomized(&small, x.view(), 1.0, 6, 1, 0).unwrap();
    for (a, b) in found.values.iter().zip(&small.spectrum(x.view(), 1.0, 0).unwrap().all()) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn every_singular_value_has_its_vector() {
    // Noise beside little variance, so that most values are equal and no closed form lists them; a training
    // set of fewer points than dimensions, whose other values are 0.
    let truth = Design { noise_std: 3.0, ..Design::molrg(9, 2, 2) }.plant(4).unwrap();
    let mixture = MixtureDenoiser::<f64>::new(truth);
    let set = EmpiricalDenoiser::new(normal::<f64>(3, 5, 9));
    let plan = Plan { sigmas: vec![2.0, 0.0], solver: Solver::Heun, churn: None, rtol: 1e-6, atol: 1e-6 };
    for (name, denoiser) in [("mixture", &mixture as &dyn Differentiable<f64>), ("set", &set)] {
        for top in [9, 4] {
            let survey = Survey {
                denoiser,
                levels: &[2.0],
                plan: &plan,
                threshold: 0.9801,
                randomized: None,
                values: top,
                vectors: top,
                seed: 7,
            };
            let x = normal::<f64>(8, 1, 9).row(0).to_owned();
            let cell = &survey.at_point(x.view(), 5, false).unwrap()[0];
            let v = Array2::from_shape_vec((top, 9), cell.vectors.clone()).unwrap();
            let orthonormal = (v.dot(&v.t()) - Array2::<f64>::eye(top)).mapv(f64::abs);
            assert!(orthonormal.iter().all(|x| *x < 1e-12), "{name}, {top}: {orthonormal}");
            let images = denoiser.jvp(x.view(), v.view(), 2.0).unwrap();
            for (image, s) in images.outer_iter().zip(&cell.values) {
                // Of values up to 1; those below the largest by 1e-7 are rounding.
                assert!((image.dot(&image).sqrt() - s).abs() < 1e-7, "{name}, {top}");
            }
            assert_eq!(survey.at_point(x.view(), 5, false).unwrap()[0].vectors, cell.vectors);
        }
    }
}
