//! Mixtures against values of 60 digits.

use super::*;

#[test]
fn mixtures_agree_with_dense_algebra_of_60_digits() {
    fn check<T: Scalar>(least: f64) {
        for (name, mixture, points) in golden() {
            let denoiser = MixtureDenoiser::<T>::new(mixture);
            let mut compared = 0;
            for (i, p) in points.iter().enumerate() {
                if p.sigma < least || p.between::<T>() {
                    continue;
                }
                let x = p.x.mapv(T::of).insert_axis(Axis(0));
                let got = denoiser.denoise(x.view(), p.sigma).unwrap();
                let error = worst(got.view(), p.denoised().insert_axis(Axis(0)).view());
                assert!(error < promised::<T>(), "{name} {i}, σ {}, {}: {error}", p.sigma, T::DTYPE);
                compared += 1;
            }
            assert!(compared >= 30, "{name}: only {compared} of {} points", points.len());
        }
    }
    check::<f32>(1e-3);
    check::<f64>(1e-4);
}

/// x ↦ x − 2v(vᵀx): an exact change of coordinates that fills a matrix of zeros.
fn reflected(x: ArrayView2<f64>, v: ArrayView1<f64>) -> Array2<f64> {
    let mut out = x.to_owned();
    for mut column in out.columns_mut() {
        let along = 2.0 * v.dot(&column);
        column.scaled_add(-along, &v);
    }
    out
}

#[test]
fn mixtures_of_high_dimension_are_those_of_low_dimension_turned() {
    // A mixture of R⁸ with noise δ_k in d − 8 more dimensions, reflected: its
    // posterior follows from that in R⁸, and every coordinate is used.
    fn check<T: Scalar>(d: usize, least: f64) {
        for (name, mixture, points) in golden() {
            let v = normal::<f64>(d as u64, 1, d).row(0).to_owned();
            let v = &v / norm(v.view());
            let grown = |a: ArrayView2<f64>| {
                let mut tall = Array2::zeros((d, a.ncols()));
                tall.slice_mut(s![..8, ..]).assign(&a);
                reflected(tall.view(), v.view())
            };
            let components = mixture
                .components
                .iter()
                .map(|c| Component {
                    basis: grown(c.basis.view()),
                    mean: grown(c.mean.view().insert_axis(Axis(1))).column(0).to_owned(),
                    ..c.clone()
                })
                .collect();
            let denoiser = MixtureDenoiser::<T>::new(Mixture { components });
            let mut compared = 0;
            for (i, p) in points.iter().enumerate() {
                if p.sigma < least {
                    continue;
                }
                // As a noisy sample of component i mod K has them.
                let of = &mixture.components[i % mixture.components.len()];
                let std = (of.noise_variance + p.sigma * p.sigma).sqrt();
                let mut x = normal::<f64>(i as u64, d, 1) * std;
                x.slice_mut(s![..8, ..]).assign(&p.x.view().insert_axis(Axis(1)));
                let rest: Array1<f64> = x.slice(s![8.., 0]).to_owned();
                let mut logs = p.logs.clone();
                let mut means = Array2::zeros((logs.len(), d));
                for (k, c) in mixture.components.iter().enumerate() {
                    let total = c.noise_variance + p.sigma * p.sigma;
                    let first = mixture.components[0].noise_variance + p.sigma * p.sigma;
                    logs[k] -= 0.5 * (d - 8) as f64 * (total / first).ln();
                    // Differences of like terms in one piece.
                    logs[k] -= 0.5 * rest.dot(&rest) * (first - total) / (total * first);
                    means.slice_mut(s![k, ..8]).assign(&p.means.row(k));
                    means.slice_mut(s![k, 8..]).assign(&(&rest * (c.noise_variance / total)));
                }
                let grown = Point { sigma: p.sigma, x: x.column(0).to_owned(), means, logs, jacobian: None };
                // f32 rounds the reflected point, so here that matters.
                if grown.between::<T>() {
                    continue;
                }
                let expected = reflected(grown.denoised().insert_axis(Axis(1)).view(), v.view());
                let turned = reflected(x.view(), v.view());
                let got = denoiser.denoise(cast::<f64, T>(turned.t()).view(), p.sigma).unwrap();
                // Rounding of a point of norm σ√d over a result of norm about 1
                // comes back as J's share of it, at most ‖J‖‖x‖/‖D‖ units.
                let shrink =
                    mixture.components.iter().flat_map(|c| &c.variances).fold(0.0f64, |m, v| m.max(*v));
                let inherent = 4.0 * T::epsilon().wide() * norm(x.column(0)) * shrink
                    / (shrink + p.sigma * p.sigma)
                    / norm(expected.column(0));
                let error = worst(got.view(), expected.t());
                let tolerance = promised::<T>() + inherent;
                assert!(
                    error < tolerance,
                    "{name} {i}, d {d}, σ {}, {}: {error} over {tolerance}",
                    p.sigma,
                    T::DTYPE
                );
                compared += 1;
            }
            assert!(compared >= 25, "{name}, d {d}: only {compared} points");
        }
    }
    for d in [48, 784, 3072] {
        check::<f32>(d, 1e-3);
        check::<f64>(d, 1e-4);
    }
}
