//! The denoiser of numbers that see those that they vary with.

use super::*;
use molrg::denoiser::pca_local::PcaLocalDenoiser;
use ndarray::Array1;

/// Rows of a law whose numbers vary together in part.
fn rows(seed: u64, n: usize, d: usize) -> Array2<f64> {
    let mix = normal_rows::<f64>(seed, Purpose::Bases, 0..d as u64, d);
    let z = normal_rows::<f64>(seed, Purpose::Coefficients, 0..n as u64, d);
    let scale = Array1::from_shape_fn(d, |j| 1.0 / (1.0 + j as f64));
    (&z * &scale).dot(&mix) + 0.3
}

/// The sums as they are written, one number after the other; W by an inverse, through the products of its series' limit.
fn written(data: &Array2<f64>, x: ArrayView1<f64>, sigma: f64, threshold: f64) -> Array1<f64> {
    let (n, d) = data.dim();
    let mean = data.mean_axis(ndarray::Axis(0)).unwrap();
    let centred = data - &mean;
    let covariance = centred.t().dot(&centred) / (n - 1) as f64;
    // W = Σ(Σ + σ²I)⁻¹: Gauss and Jordan's elimination of (Σ + σ²I) W = Σ, as both commute.
    let mut a = &covariance + &(Array2::<f64>::eye(d) * (sigma * sigma));
    let mut w = covariance;
    for p in 0..d {
        let pivot = a[(p, p)];
        let (own_a, own_w) = (a.row(p).to_owned() / pivot, w.row(p).to_owned() / pivot);
        for i in 0..d {
            let factor = if i == p { 0.0 } else { a[(i, p)] };
            let (mut row_a, mut row_w) = (a.row_mut(i), w.row_mut(i));
            if i == p {
                row_a.assign(&own_a);
                row_w.assign(&own_w);
            } else {
                row_a.scaled_add(-factor, &own_a);
                row_w.scaled_add(-factor, &own_w);
            }
        }
    }
    let m = Array2::from_shape_fn((d, d), |(i, j)| w[(i, j)] / w[(i, i)]);
    let least = threshold * m.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    Array1::from_shape_fn(d, |j| {
        let seen = |row: ArrayView1<f64>| -> f64 {
            (0..d).filter(|&i| m[(i, j)].abs() >= least).map(|i| (x[i] - row[i]).powi(2)).sum()
        };
        let logs: Vec<f64> = data.outer_iter().map(|row| -seen(row) / (2.0 * sigma * sigma)).collect();
        let most = logs.iter().fold(f64::NEG_INFINITY, |most, l| most.max(*l));
        let weights: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
        weights.iter().zip(data.column(j)).map(|(w, y)| w * y).sum::<f64>() / weights.iter().sum::<f64>()
    })
}

#[test]
fn numbers_see_what_they_vary_with() {
    // Three blocks of the set's rows.
    let data = rows(1, 600, 6);
    let x = rows(2, 5, 6);
    for (sigma, threshold) in [(0.1, 0.05), (0.7, 0.2), (6.0, 0.5), (0.3, 1.0)] {
        let denoiser = PcaLocalDenoiser::new(data.clone(), threshold).unwrap();
        let found = denoiser.denoise(x.view(), sigma).unwrap();
        for (found, x) in found.outer_iter().zip(x.outer_iter()) {
            let expected = written(&data, x, sigma, threshold);
            // Squares in another order, times up to 1/2σ² = 50, in f64.
            assert!((&found - &expected).iter().all(|e| e.abs() < 1e-10), "{sigma}: {found} {expected}");
        }
    }
}

#[test]
fn where_all_is_seen_it_is_the_optimal_denoiser_of_the_set() {
    let (data, x) = (rows(3, 300, 5), rows(4, 4, 5));
    let (all, optimal) = (PcaLocalDenoiser::new(data.clone(), 0.0).unwrap(), EmpiricalDenoiser::new(data));
    for sigma in [0.2, 2.0] {
        let (a, b) = (all.denoise(x.view(), sigma).unwrap(), optimal.denoise(x.view(), sigma).unwrap());
        assert!((&a - &b).iter().all(|e| e.abs() < 1e-10), "{sigma}");
        let (found, known) =
            (all.jacobian(x.row(0), sigma).unwrap(), optimal.jacobian(x.row(0), sigma).unwrap());
        assert!((&found - &known).iter().all(|e| e.abs() < 1e-9), "{sigma}");
    }
}

#[test]
fn products_are_those_of_the_jacobian_of_numbers_that_see_some() {
    let (data, x) = (rows(5, 300, 6), rows(6, 1, 6));
    let denoiser = PcaLocalDenoiser::new(data, 0.3).unwrap();
    let (sigma, h) = (0.6, 1e-5);
    let j = denoiser.jacobian(x.row(0), sigma).unwrap();
    for n in 0..6 {
        let [mut above, mut below] = [x.clone(), x.clone()];
        above[(0, n)] += h;
        below[(0, n)] -= h;
        let [above, below] = [above, below].map(|x| denoiser.denoise(x.view(), sigma).unwrap());
        let column = (&above - &below).row(0).to_owned() / (2.0 * h);
        // Truncation h² and rounding 1e-16/h.
        assert!((&column - &j.column(n)).iter().all(|e| e.abs() < 1e-8), "{n}: {column} {}", j.column(n));
    }
    assert!(j.iter().any(|v| *v == 0.0), "all is seen");
    let v = rows(7, 3, 6);
    let forwards = denoiser.jvp(x.row(0), v.view(), sigma).unwrap();
    let backwards = denoiser.vjp(x.row(0), v.view(), sigma).unwrap();
    assert!((&forwards - &v.dot(&j.t())).iter().all(|e| e.abs() < 1e-11));
    assert!((&backwards - &v.dot(&j)).iter().all(|e| e.abs() < 1e-11));
}
