//! The subspaces of classes, written out.

use molrg::measure::probe::{ClassSubspaces, Preparation, SignalToNoise, folds};

use super::*;

/// Rows in the span of e_0, e_1 (class 0) and of e_2, e_3 (class 4), with a little of all.
fn planted(n: usize, noise: f64) -> (Array2<f64>, Vec<usize>) {
    let classes: Vec<usize> = (0..n).map(|i| [0, 4][i % 2]).collect();
    let mut x = normal::<f64>(1, n, 7) * noise;
    let z = normal::<f64>(2, n, 2);
    for (i, k) in classes.iter().enumerate() {
        let start = [0, 2][usize::from(*k == 4)];
        x[[i, start]] += z[[i, 0]];
        x[[i, start + 1]] += z[[i, 1]];
    }
    (x, classes)
}

#[test]
fn ratios_and_predictions_are_those_of_the_planted_subspaces() {
    let (x, classes) = planted(4000, 0.1);
    let subspaces = ClassSubspaces::fit(x.view(), &classes, 2).unwrap();
    let told = subspaces.predict(x.view());
    let by_hand =
        x.outer_iter().map(|r| if r[0] * r[0] + r[1] * r[1] >= r[2] * r[2] + r[3] * r[3] { 0 } else { 4 });
    let differ = told.iter().zip(by_hand).filter(|(a, b)| *a != b).count();
    // Directions of 2000 rows are off by 0.1/√2000: rows so near the border.
    assert!(differ < 20, "{differ}");
    let mut found = SignalToNoise::default();
    found.add(&subspaces, x.view(), &classes);
    found.add(&subspaces, x.slice(s![..1, ..]), &[9]);
    assert_eq!(found.0.keys().copied().collect::<Vec<_>>(), [0, 4], "of a class without a subspace, nothing");
    for (k, start) in [(0, 0), (4, 2)] {
        let (mut on, mut off) = (0.0, 0.0);
        for (row, _) in x.outer_iter().zip(&classes).filter(|(_, class)| **class == k) {
            for (j, v) in row.iter().enumerate() {
                if (start..start + 2).contains(&j) { on += v * v } else { off += v * v }
            }
        }
        let ratio = found.0[&k].ratio().unwrap();
        // The fitted directions have a little more than the planted ones: 2·5 numbers fitted of 2000·5.
        assert!((ratio.value / (on / off) - 1.0).abs() < 2e-3, "{}, not {}", ratio.value, on / off);
        // (2 + 2·0.01) over 5·0.01.
        assert!((ratio.value - 40.4).abs() < 4.0 * ratio.std_error.unwrap(), "{ratio:?}");
    }
    assert!(ClassSubspaces::fit(x.slice(s![..3, ..]), &classes[..3], 2).is_err());
}

#[test]
fn rows_are_prepared_by_what_is_learned_from() {
    let (x, _) = planted(50, 0.3);
    let other = normal::<f64>(9, 20, 7);
    let unit = |x: &Array2<f64>| {
        let lengths = x.mapv(|v| v * v).sum_axis(Axis(1)).mapv(f64::sqrt);
        x / &lengths.insert_axis(Axis(1))
    };
    let expected = unit(&other) - unit(&x).mean_axis(Axis(0)).unwrap();
    let prepared = Preparation::of(x.view(), true, true).unwrap().apply(other.view());
    assert!((prepared - expected).iter().all(|v| v.abs() < 1e-15));
    assert_eq!(Preparation::of(x.view(), false, false).unwrap().apply(other.view()), other);
    let zero = Preparation::of(x.view(), true, false).unwrap().apply(Array2::zeros((1, 7)).view());
    assert!(zero.iter().all(|v| *v == 0.0));
}

#[test]
fn folds_have_rows_of_all_classes() {
    // In turn, as molrg-gen --balanced has them.
    let classes: Vec<usize> = (0..30).map(|i| i % 5).collect();
    let folds = folds(&classes, 5);
    for fold in 0..5 {
        let of: Vec<usize> = (0..30).filter(|&i| folds[i] == fold).map(|i| classes[i]).collect();
        let all = of.iter().collect::<std::collections::BTreeSet<_>>();
        assert!(all.len() == 5 && (5..=10).contains(&of.len()), "{of:?}");
    }
}
