//! Recursive feature machines: gradients against differences, the direction of a step, invariances.

use molrg::fit::recursive_features::{Features, Machine, Settings, typical_distance};
use molrg::linalg::orthonormalize;
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array2, Axis};

const SETTINGS: Settings = Settings { iterations: 1, bandwidth: 5.0, ridge: 1e-3 };

fn normal(seed: u64, n: usize, d: usize) -> Array2<f64> {
    normal_rows(seed, Purpose::Latents, 0..n as u64, d)
}

fn learn(x: &Array2<f64>, y: &Array2<f64>, iterations: u32) -> Features {
    Features::learn(x.view(), y.view(), Settings { iterations, ..SETTINGS }, || ()).unwrap()
}

/// sign(x₀), (n, 1).
fn step(x: &Array2<f64>) -> Array2<f64> {
    x.column(0).mapv(f64::signum).insert_axis(Axis(1))
}

/// The known answer of n = 500, d = 20, L = 5, λ = 1e-3. In NumPy over 40 seeds: v₁·e₀ .9890 ± .0039 after one round and
/// .9971 ± .0011 after five, accuracy of rows that are not learned from .926 ± .010 and then .976 ± .007.
#[test]
fn the_direction_of_a_step_is_found() {
    for seed in 0..3 {
        let (x, test) = (normal(seed, 500, 20), normal(seed + 100, 1000, 20));
        let y = step(&x);
        let (once, five) = (learn(&x, &y, 1), learn(&x, &y, 5));
        // It points to where y grows.
        let along = |features: &Features| features.directions(1).unwrap().0[[0, 0]];
        let accuracy = |features: &Features| {
            let f = Machine::fit(features, x.view(), y.view(), SETTINGS).unwrap().predict(test.view());
            let right = f.iter().zip(&step(&test)).filter(|(f, y)| **f * **y > 0.0).count();
            right as f64 / 1000.0
        };
        // Four times the deviation over seeds.
        for (found, mean, deviation) in [
            (along(&once), 0.9890, 0.0039),
            (along(&five), 0.9971, 0.0011),
            (accuracy(&learn(&x, &y, 0)), 0.926, 0.010),
            (accuracy(&five), 0.976, 0.007),
        ] {
            assert!((found - mean).abs() < 4.0 * deviation, "seed {seed}: {found}, not {mean}");
        }
        assert!(along(&five) > along(&once));
    }
}

/// G is the mean of ∇f∇fᵀ, with ∇f by central differences.
#[test]
fn gradients_are_those_of_f() {
    let (x, labels) = (normal(1, 30, 4), normal(2, 30, 4));
    let y = labels.mapv(|v| v.tanh()).slice_move(ndarray::s![.., ..2]);
    for iterations in [1, 3] {
        // f of the last round is that of the metric before it, at first M = I.
        let before = learn(&x, &y, iterations - 1);
        let machine = Machine::fit(&before, x.view(), y.view(), SETTINGS).unwrap();
        let mut expected = Array2::<f64>::zeros((4, 4));
        // The kernel has a kink at x_j itself, which differences to both sides leave out by symmetry.
        let h = 1e-5;
        for row in x.outer_iter() {
            let moved = |k: usize, by: f64| {
                let mut at = row.to_owned();
                at[k] += by;
                machine.predict(at.insert_axis(Axis(0)).view())
            };
            let slopes: Vec<Array2<f64>> = (0..4).map(|k| (moved(k, h) - moved(k, -h)) / (2.0 * h)).collect();
            for i in 0..4 {
                for j in 0..4 {
                    expected[[i, j]] += (&slopes[i] * &slopes[j]).sum() / 30.0;
                }
            }
        }
        let found = learn(&x, &y, iterations).gradients;
        let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // Differences: h² of a third derivative of about 1/distance², and rounding of 1e-16 α/h, α up to 1/λ.
        let apart = (&found - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(apart < 1e-6 * largest, "{apart} of {largest}");
    }
}

/// Rows turned have directions turned, and rows scaled with the bandwidth the same.
#[test]
fn directions_turn_with_the_features() {
    let x = normal(4, 80, 5);
    let y = (&x.column(1) + &x.column(3).mapv(|v| v * v)).insert_axis(Axis(1));
    let turn = orthonormalize(normal(5, 5, 5).view());
    let of = |x: &Array2<f64>, bandwidth: f64| {
        let settings = Settings { iterations: 3, bandwidth, ..SETTINGS };
        Features::learn(x.view(), y.view(), settings, || ()).unwrap().directions(2).unwrap()
    };
    let (plain, values) = of(&x, 3.0);
    let (scaled, of_scaled) = of(&(&x * 8.0), 24.0);
    let bound = 1e-9;
    // Eigenvectors of gaps of some per cent, through three solves of condition 1e5.
    assert!((&plain - &scaled).iter().all(|v| v.abs() < bound));
    assert!((&values - &(of_scaled * 64.0)).iter().all(|v| v.abs() < bound * values[0]));
    let turned = x.dot(&turn.t());
    let settings = Settings { iterations: 1, bandwidth: 3.0, ..SETTINGS };
    let first = |x: &Array2<f64>| Features::learn(x.view(), y.view(), settings, || ()).unwrap();
    let (a, b) = (first(&x), first(&turned));
    let back = turn.t().dot(&b.gradients).dot(&turn);
    assert!((&a.gradients - &back).iter().all(|v| v.abs() < bound * values[0].max(1.0)));
    // Of one f they point to where it grows: with x₁, whatever its sign in the turned coordinates.
    let grows = b.directions(1).unwrap().0.dot(&turn.column(1))[0];
    assert!(
        grows * a.directions(1).unwrap().0[[0, 1]] > 0.0 && a.directions(1).unwrap().0[[0, 1]].abs() > 0.1
    );
}

#[test]
fn what_cannot_be_learned_is_told() {
    let x = normal(6, 40, 3);
    let y = step(&x);
    let far = Settings { bandwidth: 1e-5, ..SETTINGS };
    let error = Features::learn(x.view(), y.view(), far, || ()).err().unwrap().to_string();
    assert!(error.contains("flat") && error.contains("--bandwidth"), "{error}");
    // Rows that lie twice, without a ridge to speak of.
    let twice = ndarray::concatenate![Axis(0), x, x];
    let of_twice = ndarray::concatenate![Axis(0), y, -&y];
    let thin = Settings { ridge: 1e-300, ..SETTINGS };
    let error = Features::learn(twice.view(), of_twice.view(), thin, || ()).err().unwrap().to_string();
    assert!(error.contains("singular") && error.contains("--ridge"), "{error}");
    // √(2d) of normal rows: mean squares over 40 · 3 numbers are off by some 13 per cent.
    assert!((typical_distance(x.view()) / 6.0f64.sqrt() - 1.0).abs() < 0.2);
}
