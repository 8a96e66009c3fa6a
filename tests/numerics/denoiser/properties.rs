//! What holds of all denoisers.

use super::*;

#[test]
fn a_rows_result_is_the_same_bits_in_any_block() {
    fn check<T: Scalar>() {
        let mixture = random_mixture(5, 30, &[6, 3, 2], 1.0, &[0.0, 0.1]);
        let proper = Design::molrg(48, 6, 2).plant(1).unwrap();
        let data = clustered::<T>(3, 6000, 30, 40, 1.0, 0.05);
        let denoisers: [Box<dyn Denoiser<T>>; 3] = [
            Box::new(MixtureDenoiser::<T>::new(mixture)),
            Box::new(MixtureDenoiser::<T>::new(proper)),
            Box::new(EmpiricalDenoiser::new(data)),
        ];
        for (i, denoiser) in denoisers.iter().enumerate() {
            for sigma in [0.01, 0.4, 3.0] {
                let x = normal::<T>(9, 70, denoiser.dim());
                let whole = denoiser.denoise(x.view(), sigma).unwrap();
                for (from, to) in [(0, 1), (69, 70), (3, 5), (1, 18), (30, 70)] {
                    let part = denoiser.denoise(x.slice(s![from..to, ..]), sigma).unwrap();
                    assert!(part == whole.slice(s![from..to, ..]), "{i}, rows {from}..{to}, σ {sigma}");
                    // In columns first, as a file may have it.
                    let turned = x.slice(s![from..to, ..]).t().as_standard_layout().into_owned();
                    assert!(denoiser.denoise(turned.t(), sigma).unwrap() == part, "{i}: another layout");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn guidance_is_a_line_through_two_denoisers() {
    let conditional = || Box::new(MixtureDenoiser::<f64>::new(random_mixture(1, 6, &[2], 1.0, &[0.1])));
    let unconditional = || Box::new(MixtureDenoiser::<f64>::new(random_mixture(2, 6, &[2, 3], 1.0, &[0.0])));
    let x = Array2::from_shape_vec((4, 6), standard_normals(&mut row_rng(1, Purpose::Noise, 9), 24)).unwrap();
    for weight in [0.0, 0.5, 1.0, 3.0, -1.0] {
        let guided =
            Guided { conditional: conditional(), unconditional: unconditional(), weight, band: Band::ALL };
        assert_eq!(guided.dim(), 6);
        let (c, u) =
            (conditional().denoise(x.view(), 0.8).unwrap(), unconditional().denoise(x.view(), 0.8).unwrap());
        let expected = &c * weight + &u * (1.0 - weight);
        // Three operations on numbers of size up to 4.
        assert!((guided.denoise(x.view(), 0.8).unwrap() - &expected).iter().all(|v| v.abs() < 1e-14));
        for v in normal::<f64>(5, 2, 6).outer_iter() {
            let jv = guided.jvp(x.row(0), v.insert_axis(Axis(0)), 0.8).unwrap();
            let error = norm((&jv.row(0) - &quotient(&guided, x.row(0), v, 0.8)).view());
            assert!(error < 1e-7 * norm(v), "{error}");
        }
        let all = guided.spectrum(x.row(0), 0.8, usize::MAX).unwrap();
        let j = jacobian(&guided, x.row(0), 0.8);
        for (a, b) in all.all().iter().zip(&singular_values(j.view()).unwrap()) {
            assert!((a - b).abs() < 1e-13);
        }
    }
}

/// ∂D/∂x summed over dimensions is the posterior's variance over σ².
#[test]
fn sigma_squared_times_the_jacobian_is_the_posterior_covariance() {
    // By importance sampling from the mixture itself: 4·10⁵ draws at σ = 1.
    let mixture = random_mixture(4, 3, &[1, 2], 1.0, &[0.05]);
    let denoiser = MixtureDenoiser::<f64>::new(mixture.clone());
    let (x, sigma) = (ndarray::arr1(&[0.4, -0.7, 0.2]), 1.0);
    let draws = Sampler::<f64>::new(&mixture, 11, false).draw(0..400_000).0;
    let mut total = 0.0;
    let (mut mean, mut square) = (Array1::<f64>::zeros(3), Array2::<f64>::zeros((3, 3)));
    for y in draws.outer_iter() {
        let w = (-0.5 * squared_distance(x.view(), y) / (sigma * sigma)).exp();
        total += w;
        mean.scaled_add(w, &y);
        let y = y.insert_axis(Axis(1));
        square.scaled_add(w, &y.dot(&y.t()));
    }
    mean /= total;
    let mean1 = mean.view().insert_axis(Axis(1));
    let covariance = square / total - mean1.dot(&mean1.t());
    // Standard errors are about √(2/4e5) = 2e-3 of entries up to 1; five of them.
    let d = denoiser.denoise(x.view().insert_axis(Axis(0)), sigma).unwrap();
    assert!((&d.row(0) - &mean).iter().all(|v| v.abs() < 0.01));
    let j = jacobian(&denoiser, x.view(), sigma);
    assert!((&j - &covariance).iter().all(|v| v.abs() < 0.01));
}
