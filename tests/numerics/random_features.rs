//! Random features: their closed forms against quadrature over the noise and steps of gradient descent.

use molrg::denoiser::random_features::{Features, Target};
use molrg::denoiser::{Denoiser, Differentiable, EmpiricalDenoiser, RandomFeatureDenoiser, RandomFeatures};
use molrg::fit::random_features::{Moments, Training, draw};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array2, Axis, arr1};

fn normal(seed: u64, rows: u64, width: usize) -> Array2<f64> {
    normal_rows(seed, Purpose::Noise, 0..rows, width)
}

fn fit(
    features: &Features,
    rows: &Array2<f64>,
    sigma: f64,
    target: Target,
    training: Training,
) -> Array2<f64> {
    let mut moments = Moments::new(features, sigma).unwrap();
    moments.add(rows.view());
    moments.fit(target, training).unwrap()
}

fn denoiser(
    features: &Features,
    rows: &Array2<f64>,
    sigma: f64,
    target: Target,
    training: Training,
) -> RandomFeatureDenoiser<f64> {
    let mut model = RandomFeatures::new::<f64>(features.clone(), target);
    model.push::<f64>(sigma, fit(features, rows, sigma, target, training).view());
    RandomFeatureDenoiser::new(model).unwrap()
}

/// U and B in one dimension, by the trapezoid rule over the noise.
fn moments_by_quadrature(
    features: &Features,
    rows: &Array2<f64>,
    sigma: f64,
    target: Target,
) -> (Array2<f64>, Array2<f64>) {
    let p = features.phases.len();
    let (mut u, mut b) = (Array2::<f64>::zeros((p, p)), Array2::<f64>::zeros((1, p)));
    let scale = 1.0 / (sigma * sigma + features.sigma_data.powi(2)).sqrt();
    let step = 0.01;
    for row in rows.column(0) {
        for i in -1000..=1000 {
            let noise = f64::from(i) * step;
            let density = (-0.5 * noise * noise).exp() / std::f64::consts::TAU.sqrt();
            let weight = step * density / rows.nrows() as f64;
            let z = (row + sigma * noise - features.mean[0]) * scale;
            let phi = features.frequencies.column(0).mapv(|w| w * z) + &features.phases;
            let phi = phi.mapv(|a| 2f64.sqrt() * a.cos() / (p as f64).sqrt());
            let y = if target == Target::Data { row - features.mean[0] } else { noise };
            for j in 0..p {
                b[[0, j]] += weight * y * phi[j];
                for k in 0..p {
                    u[[j, k]] += weight * phi[j] * phi[k];
                }
            }
        }
    }
    (u, b)
}

#[test]
fn closed_forms_are_where_descent_comes_to() {
    let rows = normal(1, 5, 1) * 2.0 + 3.0;
    let features = draw(6, arr1(&[2.5]), 1.8, 0.7, 4);
    for target in [Target::Data, Target::Noise] {
        let sigma = 0.9;
        let (u, b) = moments_by_quadrature(&features, &rows, sigma, target);
        // With a penalty: the gradient is 0 there.
        let penalty = 0.03;
        let a = fit(&features, &rows, sigma, target, Training::Ridge(penalty));
        let gradient = a.dot(&u) + &a * penalty - &b;
        // The trapezoid rule has the digits of f64 here; some are lost in sums of 10⁴ terms.
        assert!(gradient.iter().all(|g| g.abs() < 1e-11), "{gradient}");
        assert!(a.iter().any(|a| a.abs() > 0.1));
        // Gradient flow by steps of the classical fourth order.
        let (time, steps) = (20.0, 4000);
        let slope = |a: &Array2<f64>| (&b - &a.dot(&u)) * 2.0;
        let (mut flow, h) = (Array2::<f64>::zeros((1, 6)), time / f64::from(steps));
        for _ in 0..steps {
            let k1 = slope(&flow);
            let k2 = slope(&(&flow + &(&k1 * (0.5 * h))));
            let k3 = slope(&(&flow + &(&k2 * (0.5 * h))));
            let k4 = slope(&(&flow + &(&k3 * h)));
            flow += &((k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0));
        }
        let a = fit(&features, &rows, sigma, target, Training::Flow(time));
        assert!((&a - &flow).iter().all(|v| v.abs() < 1e-9), "{a} {flow}");
        // It starts at 0, and ends where no penalty does.
        let early = fit(&features, &rows, sigma, target, Training::Flow(1e-9));
        assert!((early - &b * 2e-9).iter().all(|v| v.abs() < 1e-16));
        let [late, end] = [Training::Flow(1e12), Training::Ridge(0.0)]
            .map(|training| fit(&features, &rows, sigma, target, training));
        assert!((&late - &end).iter().all(|v| v.abs() < 1e-6 * end[[0, 0]].abs().max(1.0)), "{late} {end}");
    }
}

/// Blocks do not change a bit.
#[test]
fn rows_in_blocks() {
    let rows = normal(2, 1300, 3);
    let features = draw(20, arr1(&[0.1, 0.2, -0.1]), 1.0, 1.0, 5);
    let whole = fit(&features, &rows, 0.5, Target::Data, Training::Ridge(1e-3));
    let mut moments = Moments::new(&features, 0.5).unwrap();
    for block in [0..1, 1..700, 700..701, 701..1300] {
        moments.add(rows.slice(ndarray::s![block, ..]));
    }
    assert_eq!(whole, moments.fit(Target::Data, Training::Ridge(1e-3)).unwrap());
    assert!(Moments::new(&features, 0.5).unwrap().fit(Target::Data, Training::Flow(1.0)).is_err());
}

#[test]
fn jacobians_are_those_of_differences() {
    let rows = normal(3, 30, 4);
    let features = draw(50, rows.mean_axis(Axis(0)).unwrap(), 1.1, 1.0, 6);
    let x = normal(4, 1, 4).row(0).to_owned();
    for target in [Target::Data, Target::Noise] {
        let model = denoiser(&features, &rows, 0.6, target, Training::Ridge(1e-4));
        let v = normal(5, 3, 4);
        let products = model.jvp(x.view(), v.view(), 0.6).unwrap();
        let h = 1e-5;
        for (v, product) in v.outer_iter().zip(products.outer_iter()) {
            let at = |h: f64| model.denoise((&x + &(&v * h)).insert_axis(Axis(0)).view(), 0.6).unwrap();
            let difference = (at(h) - at(-h)) / (2.0 * h);
            // h² and rounding over h.
            assert!((&difference.row(0) - &product).iter().all(|v| v.abs() < 1e-7));
        }
        let columns = model.jvp(x.view(), Array2::eye(4).view(), 0.6).unwrap();
        let rows = model.vjp(x.view(), Array2::eye(4).view(), 0.6).unwrap();
        assert!((&columns.t() - &rows).iter().all(|v| v.abs() < 1e-13));
        // What is left of x, and levels that it was not fitted at.
        let (d, rest) = model.split(x.view().insert_axis(Axis(0)), 0.6).unwrap();
        assert!((&d + &rest - &x).iter().all(|v| v.abs() < 1e-13));
        let refused = model.denoise(d.view(), 0.7).unwrap_err().to_string();
        assert!(refused.contains("model of random features was fitted at 0.6 alone"), "{refused}");
    }
}

/// Many features learn what the rows allow: the posterior mean of the finite set, whichever target.
#[test]
fn many_features_come_to_the_posterior_mean() {
    let rows = normal(6, 6, 2);
    let exact = EmpiricalDenoiser::new(rows.clone());
    let features = draw(200, rows.mean_axis(Axis(0)).unwrap(), 0.9, 0.7, 7);
    let sigma = 0.7;
    let x = ndarray::concatenate![Axis(0), rows, rows] + normal(7, 12, 2) * sigma;
    let expected = exact.denoise(x.view(), sigma).unwrap();
    let rms = |a: &Array2<f64>| (a.iter().map(|v| v * v).sum::<f64>() / a.len() as f64).sqrt();
    for target in [Target::Data, Target::Noise] {
        let errors = [1e-1, 1e-4, 1e-9].map(|penalty| {
            let model = denoiser(&features, &rows, sigma, target, Training::Ridge(penalty));
            rms(&(model.denoise(x.view(), sigma).unwrap() - &expected))
        });
        // The last is what 200 features leave, whatever the penalty.
        assert!(errors[0] > 3.0 * errors[1] && errors[1] > 1.5 * errors[2], "{errors:?}");
        // Of numbers about 1: what 200 features of this bandwidth leave.
        assert!(errors[2] < 2e-2, "{errors:?}");
    }
}
