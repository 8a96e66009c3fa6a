//! Multinomial logistic regression, against scikit-learn and against its own conditions.

use molrg::fit::logistic::{Logistic, Settings};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array2, ArrayView2, Axis};
use serde_json::Value;

fn probabilities(fit: &Logistic, x: ArrayView2<f64>) -> Array2<f64> {
    let mut p = x.dot(&fit.weights) + &fit.biases;
    for mut row in p.outer_iter_mut() {
        let most = row.iter().fold(f64::NEG_INFINITY, |m, s| m.max(*s));
        row.mapv_inplace(|s| (s - most).exp());
        let total = row.sum();
        row /= total;
    }
    p
}

#[test]
fn the_minimum_is_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/logistic.json")).unwrap();
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    for case in golden.as_array().unwrap() {
        let classes: Vec<usize> = numbers(&case["classes"]).into_iter().map(|k| k as usize).collect();
        let (d, k) = (case["d"].as_u64().unwrap() as usize, classes.iter().max().unwrap() + 1);
        let x = Array2::from_shape_vec((classes.len(), d), numbers(&case["x"])).unwrap();
        let settings = Settings { ridge: case["ridge"].as_f64().unwrap(), iterations: 100 };
        let fit = Logistic::fit(x.view(), &classes, k, settings).unwrap();
        assert!(
            fit.converged && fit.iterations < 20,
            "{d} numbers: {} steps, {:e}",
            fit.iterations,
            fit.gradient
        );
        // A minimum is flat: it is off by the square of the gradient.
        let loss = case["loss"].as_f64().unwrap();
        assert!((fit.loss - loss).abs() < 1e-12, "{d} numbers: {} for {loss}", fit.loss);
        // Gradients of 1e-8, theirs and ours, over curvatures from λ = 1e-4 on.
        let p = probabilities(&fit, x.view());
        for (p, q) in p.iter().zip(numbers(&case["probabilities"])) {
            assert!((p - q).abs() < 1e-5, "{d} numbers: {p} for {q}");
        }
        let told = fit.predict(x.view()).unwrap();
        for (told, row) in told.iter().zip(p.outer_iter()) {
            assert!(row.iter().all(|q| *q <= row[*told]));
        }
    }
}

/// Units and origin of the rows change nothing, and repeated or constant columns are no trouble.
#[test]
fn the_fit_has_no_unit() {
    let x = normal_rows::<f64>(1, Purpose::Noise, 0..80, 6);
    let classes: Vec<usize> =
        (0..80).map(|i| usize::from(x[[i, 0]] + x[[i, 1]] > 0.3) + usize::from(x[[i, 2]] > 1.0)).collect();
    let settings = Settings { ridge: 1e-3, iterations: 100 };
    let plain = Logistic::fit(x.view(), &classes, 3, settings).unwrap();
    let moved = &x * 1e-4 + 7.0;
    let fit = Logistic::fit(moved.view(), &classes, 3, settings).unwrap();
    // Numbers near 7 keep 1e-16 of 1e-4.
    let gap = probabilities(&plain, x.view()) - probabilities(&fit, moved.view());
    assert!(gap.iter().all(|g| g.abs() < 1e-6) && plain.converged && fit.converged);
    let constant = ndarray::concatenate![Axis(1), x, x, Array2::ones((80, 2))];
    let fit = Logistic::fit(constant.view(), &classes, 3, settings).unwrap();
    assert!(fit.converged);
    // Two equal columns share a weight at half the penalty, so that the minimum is lower.
    assert!(fit.loss < plain.loss);
    let stopped = Logistic::fit(x.view(), &classes, 3, Settings { ridge: 1e-3, iterations: 1 }).unwrap();
    assert!(!stopped.converged && stopped.gradient > 1e-4 && stopped.iterations == 1);
    assert!(Logistic::fit(Array2::ones((5, 3)).view(), &[0, 1, 0, 1, 0], 2, settings).is_err());
}
