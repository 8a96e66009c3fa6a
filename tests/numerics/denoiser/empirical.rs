//! The denoiser of a finite set, against sums over all of it.

use super::*;

/// Noisy data and mixed points for every noise level.
fn queries<T: Scalar>(data: ArrayView2<T>, sigma: f64, seed: u64) -> Array2<T> {
    let (n, d) = data.dim();
    let mut x = normal::<f64>(seed, 9, d) * sigma;
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        match i % 3 {
            0 | 1 => row += &data.row(17 * i % n).mapv(Scalar::wide),
            // Anywhere: with noise, off the middle of two points.
            _ => {
                row.scaled_add(0.35, &data.row(5 * i % n).mapv(Scalar::wide));
                row.scaled_add(0.6, &data.row(3 * i % n).mapv(Scalar::wide));
            }
        }
    }
    cast(x.view())
}

/// Whether the answer itself hangs on the rounding of x: the Jacobian's size
/// times ‖x‖ε against the promise.
fn hangs<T: Scalar>(data: ArrayView2<T>, x: ArrayView1<T>, d: ArrayView1<f64>, sigma: f64) -> bool {
    let x = x.mapv(Scalar::wide);
    let wide = cast::<T, f64>(data);
    let logs: Vec<f64> =
        wide.outer_iter().map(|y| -squared_distance(x.view(), y) / (2.0 * sigma * sigma)).collect();
    let trace: f64 =
        weights(&logs).iter().zip(wide.outer_iter()).map(|(w, y)| w * squared_distance(y, d)).sum::<f64>()
            / (sigma * sigma);
    trace * T::epsilon().wide() * norm(x.view()) > promised::<T>() * norm(d)
}

#[test]
fn finite_sets_agree_with_the_direct_softmax() {
    fn check<T: Scalar>(name: &str, data: Array2<T>) {
        let denoiser = EmpiricalDenoiser::new(data.clone());
        let (mut compared, mut left_out) = (0, 0);
        for (i, sigma) in
            [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e4].into_iter().enumerate()
        {
            let x = queries(data.view(), sigma, i as u64);
            let expected = direct(data.view(), x.view(), sigma);
            let got = denoiser.denoise(x.view(), sigma).unwrap();
            for (q, (x, (got, expected))) in
                x.outer_iter().zip(got.outer_iter().zip(expected.outer_iter())).enumerate()
            {
                if hangs(data.view(), x, expected, sigma) {
                    left_out += 1;
                    continue;
                }
                let error = norm((&got.mapv(Scalar::wide) - &expected).view()) / norm(expected);
                assert!(error < promised::<T>(), "{name}, {}, σ {sigma}, query {q}: {error}", T::DTYPE);
                compared += 1;
            }
        }
        assert!(compared >= 9 * left_out, "{name}: {left_out} left out");
    }
    fn both(name: &str, make: impl Fn() -> Array2<f64>) {
        check::<f32>(name, cast(make().view()));
        check::<f64>(name, make());
    }
    both("images", || clustered(1, 2000, 784, 2000, 0.25, 0.05));
    both("clusters", || clustered(2, 1500, 48, 10, 1.0, 0.02));
    both("tight clusters", || clustered(3, 700, 20, 3, 5.0, 1e-3));
    both("a plane", || clustered(4, 1030, 2, 1030, 1.0, 0.0));
    both("a line", || clustered(5, 3000, 1, 3000, 1.0, 0.0));
    // In several runs of tiles, the last of them not full.
    both("many", || clustered(9, 10_300, 12, 500, 1.0, 0.05));
    both("few", || clustered(6, 3, 500, 3, 1.0, 0.0));
    both("far from the origin", || clustered(7, 600, 30, 600, 1.0, 0.0) + 300.0);
    both("duplicates", || {
        let once = clustered::<f64>(8, 60, 25, 60, 1.0, 0.0);
        let shape = (1260, 25);
        Array2::from_shape_fn(shape, |(i, j)| once[[i * i % 60, j]])
    });
}

#[test]
fn small_noise_returns_the_training_point_itself() {
    fn check<T: Scalar>() {
        for (n, d) in [(1, 5), (7, 3), (600, 50), (1100, 784)] {
            let data = clustered::<T>(n as u64, n, d, n, 1.0, 0.0);
            let denoiser = EmpiricalDenoiser::new(data.clone());
            for sigma in [1e-3, 1e-6, 1e-12] {
                let rows = n.min(20);
                let x = &data.slice(s![..rows, ..]) + &(normal::<T>(3, rows, d) * T::of(sigma));
                // Neighbours are at least 1e-2 away, fifty noise levels: none
                // of their weights reaches f64.
                assert_eq!(
                    denoiser.denoise(x.view(), sigma).unwrap(),
                    data.slice(s![..rows, ..]),
                    "{n}×{d}, σ {sigma}"
                );
                let jvp = denoiser.jvp(x.row(0), x.view(), sigma).unwrap();
                assert!(jvp.iter().all(|v| *v == T::zero()));
                // Farther than any noise puts it: still finite, still a point.
                let far = x.mapv(|v| v * T::of(3.0));
                assert!(denoiser.denoise(far.view(), sigma).unwrap().iter().all(|v| v.is_finite()));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_exponential_is_exact_or_zero_never_denormal() {
    let mut worst = 0.0f64;
    for i in 0..2_000_000 {
        let x = -100.0 * (i as f32) / 2e6 + 0.5;
        let y = Scalar::exp_flushed(x);
        if x < -80.0 {
            assert_eq!(y, 0.0);
        } else {
            assert!(y.is_normal());
            worst = worst.max((y as f64 / (x as f64).exp() - 1.0).abs());
        }
    }
    // Its documentation says 2e-7: under two units of f32.
    assert!(worst < 2e-7, "{worst}");
    assert_eq!(Scalar::exp_flushed(0.0f32), 1.0);
    assert_eq!(Scalar::exp_flushed(0.0f64), 1.0);
    assert_eq!(Scalar::exp_flushed(f32::NEG_INFINITY), 0.0);
    assert_eq!(Scalar::exp_flushed(-80.1f64), 0.0);
}

/// D from f32 products alone, ‖x‖² − 2xᵀy + ‖y‖² of centred points.
fn by_products(data: ArrayView2<f32>, x: ArrayView2<f32>, sigma: f64) -> Array2<f64> {
    let mean = data.mean_axis(Axis(0)).unwrap();
    let (y, c) = (&data - &mean, &x - &mean);
    let products = product(c.view(), y.t());
    let mut out = Array2::zeros(x.raw_dim());
    for (p, mut out) in products.outer_iter().zip(out.outer_iter_mut()) {
        let logs: Vec<f64> = p
            .iter()
            .zip(y.outer_iter())
            .map(|(p, y)| ((p - 0.5 * y.dot(&y)) as f64) / (sigma * sigma))
            .collect();
        out.assign(&Array1::from(weights(&logs)).dot(&cast::<f32, f64>(data)));
    }
    out
}

#[test]
fn differences_take_over_where_products_are_too_coarse() {
    // Pairs of points 0.02 apart, 30 from the centre: at σ = 0.01 a log weight
    // has a rounding of 30²·6e-8/1e-4 = 0.5.
    let (n, d) = (400, 64);
    let centres = normal::<f64>(1, n / 2, d) * (30.0 / 8.0);
    let apart = normal::<f64>(2, n / 2, d) * (0.01 / 8.0);
    let data = Array2::from_shape_fn((n, d), |(i, j)| {
        (centres[[i / 2, j]] + if i % 2 == 0 { 1.0 } else { -1.0 } * apart[[i / 2, j]]) as f32
    });
    let denoiser = EmpiricalDenoiser::new(data.clone());
    let pair = |i: usize| norm((&data.row(i) - &data.row(i + 1)).mapv(f64::from).view());
    // The error that matters is against the distance of the points to choose from.
    let error = |got: ArrayView2<f64>, expected: ArrayView2<f64>| {
        (0..20).map(|i| norm((&got.row(i) - &expected.row(i)).view()) / pair(2 * i)).fold(0.0f64, f64::max)
    };
    let mut seen = Vec::new();
    for sigma in [0.004, 0.01, 0.03, 0.1, 1.0, 5.0, 30.0] {
        let noise = normal::<f32>(3, 20, d) * sigma;
        let x = Array2::from_shape_fn((20, d), |(i, j)| data[[2 * i, j]] + noise[[i, j]]);
        let expected = direct(data.view(), x.view(), sigma as f64);
        let ours = cast::<f32, f64>(denoiser.denoise(x.view(), sigma as f64).unwrap().view());
        let rough = by_products(data.view(), x.view(), sigma as f64);
        seen.push((sigma, error(ours.view(), expected.view()), error(rough.view(), expected.view())));
    }
    for (sigma, ours, rough) in seen {
        // Stored in f32, a result of norm 30 has a rounding of 30·6e-8/0.02 = 1e-4 of a pair.
        assert!(ours < 1e-3 * (1.0f32 + sigma) as f64, "σ {sigma}: {ours}");
        if sigma <= 0.01 {
            assert!(rough > 0.05, "σ {sigma}: products alone are off by {rough}");
        }
    }
    // At the switch itself, ‖x‖·radius/σ² = 8, both ways are as good: no step.
    let radius = data
        .outer_iter()
        .map(|y| norm((&y - &data.mean_axis(Axis(0)).unwrap()).mapv(f64::from).view()))
        .fold(0.0, f64::max);
    let at = radius / 8f64.sqrt();
    for sigma in [0.98 * at, 1.02 * at] {
        let x = data.slice(s![..20, ..]).to_owned();
        let expected = direct(data.view(), x.view(), sigma);
        let got = denoiser.denoise(x.view(), sigma).unwrap();
        assert!(worst(got.view(), expected.view()) < 1e-5);
    }
}

#[test]
fn jacobians_of_finite_sets() {
    // More points than dimensions and fewer: both branches of the spectrum.
    for (n, d) in [(30, 4), (40, 12), (5, 20), (2, 3), (300, 6)] {
        let data = clustered::<f64>(n as u64, n, d, n, 1.0, 0.0);
        let denoiser = EmpiricalDenoiser::new(data.clone());
        for sigma in [0.5, 1.0, 3.0] {
            let x = &data.row(0) + &(&normal::<f64>(9, 1, d).row(0) * sigma);
            check_jacobian(&format!("{n} points of {d}"), &denoiser, x.view(), sigma);
        }
    }
    let one = EmpiricalDenoiser::new(normal::<f64>(3, 1, 6));
    let x = normal::<f64>(4, 2, 6);
    let spectrum = one.spectrum(x.row(0), 0.7, usize::MAX).unwrap();
    assert_eq!(spectrum.all(), vec![0.0; 6]);
    assert_eq!(one.denoise(x.view(), 0.7).unwrap().row(1), one.denoise(x.view(), 1e4).unwrap().row(0));
}

#[test]
fn a_finite_set_is_a_mixture_of_points() {
    // Components of variance 0 at the points: the same denoiser by other code.
    let data = normal::<f64>(1, 9, 5);
    let components = data
        .outer_iter()
        .map(|y| Component {
            weight: 1.0 / 9.0,
            mean: y.to_owned(),
            basis: Array2::from_shape_fn((5, 1), |(i, _)| if i == 0 { 1.0 } else { 0.0 }),
            variances: Array1::zeros(1),
            noise_variance: 0.0,
        })
        .collect();
    let mixture = MixtureDenoiser::<f64>::new(Mixture { components });
    let set = EmpiricalDenoiser::new(data.clone());
    for sigma in [0.3, 1.0, 10.0] {
        let x = &data + &(normal::<f64>(2, 9, 5) * sigma);
        let expected = set.denoise(x.view(), sigma).unwrap();
        assert!(worst(mixture.denoise(x.view(), sigma).unwrap().view(), expected.view()) < 1e-12);
        let (a, b) = (jacobian(&mixture, x.row(0), sigma), jacobian(&set, x.row(0), sigma));
        assert!((a - b).iter().all(|v| v.abs() < 1e-12));
    }
}

/// Many points beyond one, all in one direction, so that their weights add up: those that count are there, to what sums
/// lose, and those beyond where weights are left out do not.
#[test]
fn small_weights_of_many_points_add_up() {
    fn check<T: Scalar>(logs: [f64; 4], counted: usize) {
        let (n, d) = (5000, 20);
        let (near, along) = (normal::<f64>(1, 1, d), normal::<f64>(2, 1, d));
        let along = &along / norm(along.row(0));
        for (i, log) in logs.into_iter().enumerate() {
            // −‖x − y‖²/2 of x = y_0 is the logarithm of a weight at σ = 1.
            let far = &near + &(&along * (-2.0 * log).sqrt()) + normal::<f64>(3, n, d) * 1e-3;
            let data: Array2<T> = cast(ndarray::concatenate![Axis(0), near, far].view());
            let x = data.slice(s![..1, ..]);
            let expected = direct(data.view(), x, 1.0);
            let got = EmpiricalDenoiser::new(data.clone()).denoise(x, 1.0).unwrap().mapv(Scalar::wide);
            // What sums of all terms may lose, half a unit each: of small ones beside 1 that is much of them.
            let tolerance = 0.5 * n as f64 * T::epsilon().wide() * norm(expected.row(0));
            let error = norm((&got - &expected).row(0));
            assert!(error < tolerance, "{} at {log}: {error:e}", T::DTYPE);
            // Of those that count, leaving all out would be seen.
            let moved = norm((&expected - &near).row(0));
            assert_eq!(moved > 10.0 * tolerance, i < counted, "{} at {log}: {moved:e}", T::DTYPE);
        }
    }
    // Below −40 and −80 they are left out.
    check::<f32>([-8.0, -14.0, -39.0, -41.0], 2);
    check::<f64>([-20.0, -34.0, -79.0, -81.0], 2);
}
