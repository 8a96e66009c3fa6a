//! Mixtures against the dense formula.

use super::*;

#[test]
fn mixtures_agree_with_the_dense_formula() {
    for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
        let mixture = random_mixture(i as u64, d, ranks, mean, noise);
        let (f64s, f32s) =
            (MixtureDenoiser::<f64>::new(mixture.clone()), MixtureDenoiser::<f32>::new(mixture.clone()));
        for sigma in [0.1, 0.3, 1.0, 4.0, 30.0] {
            let x = normal::<f32>(i as u64 + 7, 12, d).mapv(|v| v * (1.0 + sigma as f32));
            let wide = cast::<f32, f64>(x.view());
            let mut expected = Array2::zeros((12, d));
            for (mut e, x) in expected.outer_iter_mut().zip(wide.outer_iter()) {
                e.assign(&dense(&mixture, x, sigma).0);
            }
            // Elimination loses up to the condition number, (3+σ²)/σ² ≤ 300,
            // and a log weight of up to 1e3 units as many.
            let error = worst(f64s.denoise(wide.view(), sigma).unwrap().view(), expected.view());
            assert!(error < 1e-12, "{i}, σ {sigma}: {error}");
            let error = worst(f32s.denoise(x.view(), sigma).unwrap().view(), expected.view());
            assert!(error < 1e-5, "{i}, σ {sigma}, f32: {error}");
        }
    }
}

#[test]
fn f32_decides_between_components_as_f64_does() {
    // Points of norm 6 that two subspaces (or two means) share almost evenly:
    // at σ = 0.05 log weights are thousands, whose rounding in f32 is 1e-3, and
    // their difference is about 1. The points are f32, so both see the same.
    let far = |seed| random_mixture(seed, 40, &[3, 4], 12.0, &[0.0]);
    for (name, mixture) in [("subspaces", Design::molrg(40, 4, 2).plant(6).unwrap()), ("means", far(3))] {
        let f32s = MixtureDenoiser::<f32>::new(mixture.clone());
        let f64s = MixtureDenoiser::<f64>::new(mixture.clone());
        let mut shared = 0;
        for sigma in [0.03, 0.05, 0.2] {
            let samples = Sampler::<f64>::new(&mixture, 3, true).draw(0..80).0;
            for i in 0..40 {
                let (a, b) = (samples.row(2 * i), samples.row(2 * i + 1));
                // Where on the way from one to the other the choice turns, by
                // bisection of which one D is nearer to.
                let at = |t: f64| (&a * (1.0 - t) + &b * t).mapv(|v| v as f32).insert_axis(Axis(0));
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..40 {
                    let t = 0.5 * (low + high);
                    let d = f64s.denoise(at(t).mapv(f64::from).view(), sigma).unwrap();
                    let ends =
                        [at(0.0), at(1.0)].map(|e| f64s.denoise(e.mapv(f64::from).view(), sigma).unwrap());
                    let [to_a, to_b] = ends.map(|e| squared_distance(d.row(0), e.row(0)));
                    if to_a < to_b { low = t } else { high = t }
                }
                for t in [low, low + 1e-5, low - 1e-4, low + 1e-3] {
                    let x = at(t);
                    let expected = f64s.denoise(x.mapv(f64::from).view(), sigma).unwrap();
                    let error = worst(f32s.denoise(x.view(), sigma).unwrap().view(), expected.view());
                    assert!(error < 1e-5, "{name}, pair {i}, σ {sigma}: {error}");
                    shared += 1;
                }
            }
        }
        assert_eq!(shared, 480);
    }
}

#[test]
fn lemma_1() {
    // D = 1/(1+σ²) Σ w_k U_kU_kᵀx, w = softmax(ln π_k + ‖U_kᵀx‖²/2σ²(1+σ²)).
    let mut mixture = Design::molrg(48, 6, 3).plant(5).unwrap();
    for (c, w) in mixture.components.iter_mut().zip([0.5, 0.2, 0.3]) {
        c.weight = w;
    }
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    for sigma in [0.05, 0.5, 2.0, 50.0] {
        let x = normal::<f64>(3, 20, 48) * (0.3 + sigma);
        let s2: f64 = sigma * sigma;
        let mut expected = Array2::<f64>::zeros((20, 48));
        for (x, mut e) in x.outer_iter().zip(expected.outer_iter_mut()) {
            let z: Vec<Array1<f64>> = mixture.components.iter().map(|c| c.basis.t().dot(&x)).collect();
            let logs: Vec<f64> = z
                .iter()
                .zip(&mixture.components)
                .map(|(z, c)| c.weight.ln() + z.dot(z) / (2.0 * s2 * (1.0 + s2)))
                .collect();
            for ((w, c), z) in weights(&logs).iter().zip(&mixture.components).zip(&z) {
                e.scaled_add(w / (1.0 + s2), &c.basis.dot(z));
            }
        }
        // Log weights at σ = 0.05 reach 1e3: a thousand units of rounding.
        assert!(worst(denoiser.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-12);
    }
}

#[test]
fn extreme_noise_levels_stay_finite() {
    fn check<T: Scalar>() {
        for (i, (d, ranks, mean, noise)) in MIXTURES.into_iter().enumerate() {
            let mixture = random_mixture(i as u64, d, ranks, mean, noise);
            let denoiser = MixtureDenoiser::<T>::new(mixture.clone());
            let (data, labels) = Sampler::<T>::new(&mixture, 4, false).draw(0..30);
            for sigma in [1e-12, 1e-8, 1e-4, 1e4, 1e8, 1e12] {
                let noise = normal::<T>(2, 30, d) * T::of(sigma);
                let got = denoiser.denoise((&data + &noise).view(), sigma).unwrap();
                assert!(got.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                if sigma < 1e-5 && d > 1 {
                    // On the data, the denoiser is the identity up to the noise
                    // (whichever component; they cross in a set of measure zero).
                    let error = worst(got.view(), cast::<T, f64>(data.view()).view());
                    assert!(error < 1e-5, "{i}, σ {sigma}: {error} ({labels:?})");
                }
                if sigma > 1e7 {
                    // Far away the answer is the mean of the mixture and 1/σ of what is seen.
                    let mut overall = Array1::<f64>::zeros(d);
                    mixture.components.iter().for_each(|c| overall.scaled_add(c.weight, &c.mean));
                    for row in got.outer_iter() {
                        let away = &row.mapv(Scalar::wide) - &overall;
                        let tolerance = 1e2 / sigma + 1e-6 * mean;
                        assert!(norm(away.view()) < tolerance, "{i}, σ {sigma}: {}", norm(away.view()));
                    }
                }
                for x in [data.row(0), noise.row(0)] {
                    let jvp = denoiser.jvp(x, noise.view(), sigma).unwrap();
                    assert!(jvp.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                    let all = denoiser.spectrum(x, sigma, usize::MAX).unwrap().all();
                    assert!(all.iter().all(|v| v.is_finite()), "{i}, σ {sigma}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn components_of_weight_zero_do_not_count() {
    let mut mixture = random_mixture(3, 7, &[2, 2], 1.0, &[0.1]);
    mixture.components[0].weight = 0.0;
    mixture.components[1].weight = 1.0;
    let alone = MixtureDenoiser::<f64>::new(Mixture { components: vec![mixture.components[1].clone()] });
    let both = MixtureDenoiser::<f64>::new(mixture);
    let x = normal::<f64>(2, 5, 7);
    for sigma in [1e-3, 1.0, 1e3] {
        let expected = alone.denoise(x.view(), sigma).unwrap();
        assert!(worst(both.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-14);
        assert!(both.jvp(x.row(0), x.view(), sigma).unwrap().iter().all(|v| v.is_finite()));
    }
}
