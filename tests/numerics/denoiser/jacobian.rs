//! Jacobians against difference quotients, and what they are of.

use super::*;

#[test]
fn jacobians_of_mixtures() {
    for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
        let mixture = random_mixture(i as u64, d, ranks, mean, noise);
        let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
        let data = Sampler::<f64>::new(&mixture, 8, false).draw(0..4).0;
        for sigma in [0.2, 1.0, 5.0] {
            for (x, e) in data.outer_iter().zip(normal::<f64>(i as u64, 4, d).outer_iter()) {
                let x = &x + &(&e * sigma);
                check_jacobian(&format!("mixture {i}"), &denoiser, x.view(), sigma);
                // The dense formula; elimination loses the condition number, 75 at most.
                let (_, exact) = dense(&mixture, x.view(), sigma);
                let j = jacobian(&denoiser, x.view(), sigma);
                let size = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                assert!((&j - &exact).iter().all(|v| v.abs() < 1e-11 * size.max(1.0)), "{i}, σ {sigma}");
                // f32 takes the same path in f64 and rounds once.
                let narrow = MixtureDenoiser::<f32>::new(mixture.clone());
                let x32 = x.mapv(|v| v as f32);
                let exact = dense(&mixture, x32.mapv(f64::from).view(), sigma).1;
                let j = jacobian(&narrow, x32.view(), sigma);
                assert!((&j - &exact).iter().all(|v| v.abs() < 1e-6 * size.max(1.0)), "{i}, σ {sigma}, f32");
            }
        }
    }
}

#[test]
fn jacobians_of_60_digits() {
    let mut compared = 0;
    for (name, mixture, points) in golden() {
        let denoiser = MixtureDenoiser::<f64>::new(mixture);
        for p in points {
            let Some(exact) = &p.jacobian else { continue };
            let j = jacobian(&denoiser, p.x.view(), p.sigma);
            let size = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            // Between components weights carry the rounding of log weights of
            // up to ‖x‖²/2σ² (1e5 with far means at σ = 0.1), times the entries.
            let logs = p.x.dot(&p.x) / (2.0 * p.sigma * p.sigma);
            let tolerance = 1e-13 * (1.0 + logs) * size;
            let error = (&j - exact).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(error < tolerance, "{name}, σ {}: {error} over {tolerance}", p.sigma);
            compared += 1;
        }
    }
    assert!(compared >= 16, "{compared}");
}

#[test]
fn the_rank_of_a_jacobian_without_noise_is_the_subspaces() {
    // Deep inside one component at small noise J is its projector; far out it
    // is Σ π_k U_kU_kᵀ/(1+σ²), of rank Σ r_k.
    let mixture = Design::molrg(48, 6, 2).plant(1).unwrap();
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    let x = Sampler::<f64>::new(&mixture, 1, true).draw(0..1).0;
    let inside = denoiser.spectrum(x.row(0), 0.02, 0).unwrap();
    let expected = 1.0 / (1.0 + 0.02 * 0.02);
    assert!(inside.values.iter().take(6).all(|v| (v - expected).abs() < 1e-12));
    assert!(inside.values.iter().skip(6).all(|v| *v < 1e-12) && inside.rest.0 == 0.0);
    let outside = denoiser.spectrum((&x.row(0) * 1e-9).view(), 1e4, 0).unwrap();
    assert!(outside.values.iter().take(12).all(|v| (v * (1.0 + 1e8) - 0.5).abs() < 1e-9));
    assert_eq!(outside.all().len(), 48);
}
