//! Characteristics of scores.

use molrg::measure::roc::roc;

use super::*;

#[test]
fn areas_are_scikit_learns_and_errors_delongs_of_all_pairs() {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/roc.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let list = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
        let (positive, negative) = (list("positive"), list("negative"));
        let found = roc(&positive, &negative).unwrap();
        // Sums of a few hundred ranks, in another order.
        for (ours, theirs) in
            [(found.auc, "auc"), (found.std_error.unwrap(), "std_error"), (found.true_positives, "tpr")]
        {
            let theirs = case[theirs].as_f64().unwrap();
            assert!((ours - theirs).abs() < 1e-13, "{ours}, not {theirs}, of {} positives", positive.len());
        }
        // Scores with the other sign, and the classes changed, are the same.
        let minus = |scores: &[f64]| scores.iter().map(|s| -s).collect::<Vec<_>>();
        let turned = roc(&minus(&negative), &minus(&positive)).unwrap();
        assert!((turned.auc - found.auc).abs() < 1e-13);
    }
}

#[test]
fn small_and_even_samples() {
    assert_eq!(roc(&[], &[1.0]), None);
    assert_eq!(roc(&[1.0], &[]), None);
    let one = roc(&[1.0], &[0.0, 1.0, 2.0]).unwrap();
    assert_eq!((one.auc, one.std_error, one.true_positives), (0.5, None, 0.0));
    // Zeros are equal whatever their sign.
    assert_eq!(roc(&[0.0, -0.0], &[-0.0, 0.0]).unwrap().auc, 0.5);
    // Of 199 negatives one may lie above the threshold, of 200 two, of 99 none; the threshold itself does not count.
    for (n, threshold) in [(99, 98.0), (100, 98.0), (199, 197.0), (200, 197.0)] {
        let negative: Vec<f64> = (0..n).map(f64::from).collect();
        let positive = [threshold - 0.5, threshold, threshold + 0.5, 1e9];
        assert_eq!(roc(&positive, &negative).unwrap().true_positives, 0.5, "{n} negatives");
    }
}

#[test]
fn the_error_is_that_of_repeated_samples() {
    // Normal scores a distance 1 apart: the area is Φ(1/√2), and its spread over 2000 samples DeLong's error.
    let (m, n, trials) = (40, 60, 2000);
    let (mut areas, mut errors) = (Mean::default(), Mean::default());
    for trial in 0..trials {
        let scores = normal::<f64>(trial, 1, m + n);
        let scores = scores.as_slice().unwrap();
        let positive: Vec<f64> = scores[..m].iter().map(|s| s + 1.0).collect();
        let found = roc(&positive, &scores[m..]).unwrap();
        areas.add(found.auc);
        errors.add(found.std_error.unwrap());
    }
    // Φ(1/√2); the mean of 2000 to four standard errors, 4·.05/√2000.
    assert!((areas.mean - 0.760_249_938_9).abs() < 5e-3, "{}", areas.mean);
    // A standard deviation of 2000 is known to 4/√4000 of itself; the mean of errors has a bias of order 1/m.
    let spread = areas.variance().sqrt();
    assert!((errors.mean / spread - 1.0).abs() < 0.08, "{} against {spread}", errors.mean);
}
