//! Far from the origin, in any unit, at small noise levels.

use super::*;

/// Offsets and units: with points on a grid of [`step`], all are exact in T.
const OFFSETS: [f64; 3] = [0.0, 1e3, 1e6];
const UNITS: [f64; 3] = [1.0, 1.0 / (1u128 << 66) as f64, (1u128 << 66) as f64];

fn on_grid<T: Scalar>(x: Array2<f64>) -> Array2<f64> {
    x.mapv(|v| (v / step::<T>()).round() * step::<T>())
}

/// A denoiser of a·(data + o), given a and o.
type Moved<'a, T> = dyn Fn(f64, &Array2<f64>) -> Box<dyn Differentiable<T>> + 'a;

/// Holds what a denoiser of a·(data + o) says of a·(x + o) to what one of the data says of x.
fn moves<T: Scalar>(
    name: &str,
    at: &Moved<T>,
    plain: &dyn Differentiable<f64>,
    points: &dyn Fn(f64) -> Array2<f64>,
) {
    let d = plain.dim();
    for (sigma, offset, unit) in [0.25, 1.0, 4.0]
        .iter()
        .flat_map(|s| OFFSETS.iter().flat_map(move |o| UNITS.iter().map(move |u| (*s, *o, *u))))
    {
        let what = format!("{name}, {}, σ {sigma}, offset {offset}, unit {unit}", T::DTYPE);
        let o = away(offset, d);
        let x = on_grid::<T>(points(sigma));
        let moved = (&x + &o).mapv(|v| T::of(v * unit));
        let denoiser = at(unit, &o);
        let (d0, rest0) = plain.split(x.view(), sigma).unwrap();
        let (got, rest) = denoiser.split(moved.view(), sigma * unit).unwrap();
        assert!(got == denoiser.denoise(moved.view(), sigma * unit).unwrap(), "{what}: D is D");
        for i in 0..x.nrows() {
            let error = norm((&got.row(i).mapv(|v| v.wide() / unit) - &o.row(0) - d0.row(i)).view());
            // The promise, and the result's own rounding at the offset.
            let tolerance =
                promised::<T>() * norm(d0.row(i)) + T::epsilon().wide() * offset * (d as f64).sqrt();
            assert!(error <= tolerance, "{what}: D off by {error} over {tolerance}");
            let error = norm((&rest.row(i).mapv(|v| v.wide() / unit) - &rest0.row(i)).view());
            assert!(error <= promised::<T>() * norm(rest0.row(i)), "{what}: x − D off by {error}");
        }
        let probes = normal::<f64>(3, 2, d);
        let expected = plain.jvp(x.row(0), probes.view(), sigma).unwrap();
        let jvp = denoiser.jvp(moved.row(0), probes.mapv(T::of).view(), sigma * unit).unwrap();
        let size = expected.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
        let error = (&jvp.mapv(Scalar::wide) - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(error < promised::<T>() * size * d as f64, "{what}: J off by {error}");
        let values = |d: Singular| d.all();
        let expected = values(plain.spectrum(x.row(0), sigma, 0).unwrap());
        let got = values(denoiser.spectrum(moved.row(0), sigma * unit, 0).unwrap());
        assert_eq!(got.len(), expected.len());
        for (a, b) in got.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-11 * expected[0], "{what}: singular value {a} for {b}");
        }
    }
}

#[test]
fn denoisers_move_and_scale_with_their_data() {
    fn check<T: Scalar>() {
        let d = 12;
        for (name, noise) in [("clean", &[0.0][..]), ("noisy", &[0.0625, 0.25, 0.5])] {
            let mut mixture = random_mixture(6, d, &[2, 1, 3], 6.0, noise);
            for c in &mut mixture.components {
                c.mean = on_grid::<T>(c.mean.clone().insert_axis(Axis(0))).row(0).to_owned();
            }
            let plain = MixtureDenoiser::<f64>::new(mixture.clone());
            let at = |unit: f64, o: &Array2<f64>| {
                let mut moved = mixture.clone();
                for c in &mut moved.components {
                    c.mean = (&c.mean + &o.row(0)) * unit;
                    c.variances *= unit * unit;
                    c.noise_variance *= unit * unit;
                }
                Box::new(MixtureDenoiser::<T>::new(moved)) as Box<dyn Differentiable<T>>
            };
            let points = |sigma: f64| {
                let samples = Sampler::<f64>::new(&mixture, 4, true).draw(0..6).0;
                // Off any middle between components, where rounding would decide.
                samples + normal::<f64>(5, 6, d) * sigma
            };
            moves::<T>(name, &at, &plain, &points);
        }
        let data = on_grid::<T>(clustered::<f64>(6, 700, d, 60, 3.0, 0.5));
        let plain = EmpiricalDenoiser::new(data.clone());
        let at = |unit: f64, o: &Array2<f64>| {
            let moved = (&data + o).mapv(|v| T::of(v * unit));
            Box::new(EmpiricalDenoiser::new(moved)) as Box<dyn Differentiable<T>>
        };
        let points = |sigma: f64| &data.slice(s![..6, ..]) + &(normal::<f64>(5, 6, d) * sigma);
        moves::<T>("a finite set", &at, &plain, &points);
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn far_from_the_origin_weights_are_those_near_it() {
    // Two components 1 apart in the first coordinate, 10⁶ away in all 3072: D − 10⁶ there is
    // .01/.26·x + .25/.26·(logistic(x/.26) − ½), by hand.
    let (d, offset, sigma) = (3072, 1e6, 0.5);
    let component = |away: f64| {
        let mut mean = Array1::from_elem(d, offset);
        mean[0] += away;
        let basis = Array2::from_shape_fn((d, 1), |(i, _)| if i + 1 == d { 1.0 } else { 0.0 });
        Component { weight: 0.5, mean, basis, variances: Array1::ones(1), noise_variance: 0.01 }
    };
    let mixture = Mixture { components: vec![component(-0.5), component(0.5)] };
    let at = [-0.25, -0.125, -0.03125, 0.03125, 0.125, 0.25];
    let mut x = normal::<f64>(1, 6, d) * 0.1 + offset;
    at.iter().enumerate().for_each(|(i, a)| x[[i, 0]] = offset + a);
    let (got, rest) = MixtureDenoiser::<f64>::new(mixture).split(x.view(), sigma).unwrap();
    for (i, a) in at.iter().enumerate() {
        let v = 0.26;
        let exact = a * (0.01 / v) + 0.25 / v * (1.0 / (1.0 + (-a / v).exp()) - 0.5);
        // 10⁶ has a rounding of 1.2e-10.
        assert!((got[[i, 0]] - offset - exact).abs() < 2.4e-10, "{a}: {} for {exact}", got[[i, 0]] - offset);
        assert!((rest[[i, 0]] - (a - exact)).abs() < 1e-13, "{a}: x − D");
    }
}

#[test]
fn neighbours_are_told_apart_where_others_are_far() {
    // Two pairs of components, 10⁵ apart; of either pair, the other one has no weight.
    let (d, sigma) = (30, 0.25);
    let pair = random_mixture(8, d, &[2, 2], 0.0, &[0.0625]);
    let far = |offset: f64, weight: f64| {
        pair.components.iter().enumerate().map(move |(k, c)| {
            let mut c = c.clone();
            c.mean = Array1::from_elem(d, offset);
            c.mean[0] += k as f64;
            c.weight *= weight;
            c
        })
    };
    let alone = MixtureDenoiser::<f64>::new(Mixture { components: far(0.0, 1.0).collect() });
    let both = Mixture { components: far(-1e5, 0.5).chain(far(1e5, 0.5)).collect() };
    let both = MixtureDenoiser::<f64>::new(both);
    let x = on_grid::<f64>(normal::<f64>(9, 12, d) * 0.5);
    let expected = alone.denoise(x.view(), sigma).unwrap();
    let got = both.denoise((&x + 1e5).view(), sigma).unwrap() - 1e5;
    // Of numbers of size 10⁵, 1.5e-11 each.
    let error = (&got - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(error < 1e-10, "{error}");
}

#[test]
fn the_rest_has_the_digits_of_its_own_size() {
    let all: Value = serde_json::from_str(include_str!("../../../testdata/golden/rest.json")).unwrap();
    let mut lost = 0.0f64;
    for (name, case) in all.as_object().unwrap() {
        let component = |c: &Value| Component {
            weight: c["weight"].as_f64().unwrap(),
            mean: numbers(&c["mean"]).into(),
            basis: rows(&c["basis"]),
            variances: numbers(&c["variances"]).into(),
            noise_variance: c["noise"].as_f64().unwrap(),
        };
        let components: Vec<Component> =
            case["components"].as_array().unwrap().iter().map(component).collect();
        let noise = components.iter().fold(f64::INFINITY, |m, c| m.min(c.noise_variance));
        let mixture = Mixture { components };
        let (single, double) =
            (MixtureDenoiser::<f32>::new(mixture.clone()), MixtureDenoiser::<f64>::new(mixture.clone()));
        for p in case["points"].as_array().unwrap() {
            let sigma = p["sigma"].as_f64().unwrap();
            let x = Array2::from_shape_vec((1, 6), numbers(&p["x"])).unwrap();
            let expected = Array1::from(numbers(&p["rest"]));
            let from = norm((&x.row(0) - &mixture.mean()).view());
            // What the rounding of U_kz alone leaves off the subspaces: of a point at this distance, by σ²/(δ+σ²).
            let rounding = 2.2e-16 * from * sigma * sigma / (noise + sigma * sigma);
            let (d, rest) = double.split(x.view(), sigma).unwrap();
            let error = norm((&rest.row(0) - &expected).view());
            assert!(error < 1e-12 * norm(expected.view()) + 4.0 * rounding, "{name}, σ {sigma}: {error}");
            let (_, rest) = single.split(x.mapv(|v| v as f32).view(), sigma).unwrap();
            let error = norm((&rest.row(0).mapv(f64::from) - &expected).view());
            assert!(error < 1e-6 * norm(expected.view()) + 4.0 * rounding, "{name}, σ {sigma}, f32: {error}");
            lost = lost.max(norm((&x.row(0) - &d.row(0) - &expected).view()) / norm(expected.view()));
        }
    }
    // Subtraction, a thousand units away.
    assert!(lost > 0.01, "{lost}");
}

#[test]
fn the_rest_of_finite_sets_and_of_guidance() {
    // Pairs of points a few σ apart, 30 from the origin, in f32.
    let (n, d) = (200, 16);
    let centres = normal::<f64>(1, n / 2, d) * 8.0;
    let apart = normal::<f64>(2, n, d) * 2e-3;
    let data = Array2::from_shape_fn((n, d), |(i, j)| (centres[[i / 2, j]] + apart[[i, j]]) as f32);
    let denoiser = EmpiricalDenoiser::new(data.clone());
    let mut lost = 0.0f64;
    for sigma in [1e-3f64, 4e-3, 0.1, 3.0] {
        let noise = normal::<f64>(3, 20, d) * sigma;
        let x = Array2::from_shape_fn((20, d), |(i, j)| data[[2 * i, j]] + noise[[i, j]] as f32);
        let (got, rest) = denoiser.split(x.view(), sigma).unwrap();
        for (i, x) in x.outer_iter().enumerate() {
            let away: Vec<Array1<f64>> =
                data.outer_iter().map(|y| x.mapv(f64::from) - y.mapv(f64::from)).collect();
            let logs: Vec<f64> = away.iter().map(|a| -a.dot(a) / (2.0 * sigma * sigma)).collect();
            let mut expected = Array1::<f64>::zeros(d);
            weights(&logs).iter().zip(&away).for_each(|(w, a)| expected.scaled_add(*w, a));
            let error = norm((&rest.row(i).mapv(f64::from) - &expected).view()) / norm(expected.view());
            assert!(error < 1e-5, "σ {sigma}: {error}");
            let subtracted = x.mapv(f64::from) - got.row(i).mapv(f64::from);
            lost = lost.max(norm((&subtracted - &expected).view()) / norm(expected.view()));
        }
    }
    assert!(lost > 1e-4, "{lost}");
    // D_u + w(D_c − D_u) for one Gaussian each: x − D is linear in the rests, σ²/(λ+σ²) x of each.
    let gaussian = |variance: f64| {
        let mut mixture = Mixture::of_bases(vec![Array2::eye(4)]);
        mixture.components[0].variances.fill(variance);
        Box::new(MixtureDenoiser::<f64>::new(mixture))
    };
    let (conditional, unconditional) = (gaussian(2.0), gaussian(0.5));
    let guided = Guided { conditional, unconditional, weight: 3.0, band: Band::ALL };
    let (x, sigma) = (normal::<f64>(4, 3, 4), 1e-7);
    let share = |variance: f64| sigma * sigma / (variance + sigma * sigma);
    let expected = &x * (share(0.5) + 3.0 * (share(2.0) - share(0.5)));
    assert!(worst(guided.split(x.view(), sigma).unwrap().1.view(), expected.view()) < 1e-14);
}
