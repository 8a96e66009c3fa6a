//! The forms of the GL score.

use super::*;

#[test]
fn forms_of_the_generalization_score() {
    // Asymmetric on purpose: two training rows, three samples, of which one is a
    // copy by every form; the other way round the numbers differ.
    let train = arr2(&[[1.0, 0.0], [0.0, 2.0]]);
    let samples = arr2(&[[0.98, 0.05], [3.0, -3.0], [-1.0, -1.0]]);
    let score = |rows: &Array2<f64>, x: &Array2<f64>| {
        let training = Searched::new(rows.clone());
        let best = training.best(x.view(), Similarity::Cosine, 1.0);
        let similar = best.iter().filter(|b| Similarity::Cosine.alike(b.similarity, 0.6)).count();
        let copies = training.nearest(x.view()).iter().filter(|n| is_copy(n, 1.0 / 3.0)).count();
        let distance: f64 = training.nearest(x.view()).iter().map(|n| n.distance).sum();
        (similar, copies, distance)
    };
    let (similar, copies, distance) = score(&train, &samples);
    // Cosines: 0.9987 with row 0; 0.7071 with row 0; −0.7071 and −0.7071.
    assert_eq!(similar, 2);
    // Ratios: 0.054/2.18; √13/√34; √5/√10.
    assert_eq!(copies, 1);
    let by_hand = (0.02f64.powi(2) + 0.05f64.powi(2)).sqrt() + 13f64.sqrt() + 5f64.sqrt();
    assert!((distance - by_hand).abs() < 1e-14);
    let swapped = score(&samples, &train);
    assert_eq!((swapped.0, swapped.1), (1, 1));
    // Nearest to (0, 2) is the first sample, √(0.98² + 1.95²).
    let by_hand = (0.02f64.powi(2) + 0.05f64.powi(2)).sqrt() + (0.98f64.powi(2) + 1.95f64.powi(2)).sqrt();
    assert!((swapped.2 - by_hand).abs() < 1e-14);
}

#[test]
fn denominators_on_molrg() {
    // Mean distance of fresh samples to the nearest training row, d = 48, K = 2.
    for (r, known) in [
        (3, [0.76, 0.425, 0.296]),
        (4, [1.00, 0.66, 0.495]),
        (5, [1.27, 0.88, 0.70]),
        (6, [1.48, 1.11, 0.91]),
    ] {
        for (per, known) in [10, 60, 200].into_iter().zip(known) {
            let mut means = Vec::new();
            for seed in 0..4 {
                let truth = Design::molrg(48, r, 2).plant(seed).unwrap();
                let sampler = Sampler::<f32>::new(&truth, seed, true);
                let n = 2 * per * r as u64;
                let training = Searched::new(sampler.draw(0..n).0);
                let fresh = sampler.draw(1_000_000..1_000_500).0;
                let mut distance = Mean::default();
                training.nearest(fresh.view()).iter().for_each(|n| distance.add(n.distance));
                means.push(distance.mean);
            }
            // Two digits from single runs: training sets of 30 rows a component
            // move the mean by 3 %.
            let mean = means.iter().sum::<f64>() / 4.0;
            assert!((mean / known - 1.0).abs() < 0.05, "r {r}, N_k {per}·r: {mean}, not {known}");
        }
    }
}

#[test]
fn descriptors() {
    let x = normal::<f64>(1, 300, 6).dot(&normal::<f64>(2, 6, 6)) + 2.0;
    let mut moments = Moments::new(6).unwrap();
    moments.add(x.view());
    let gaussian = moments.gaussian(None).unwrap();
    let covariance = |y: &Array2<f64>| {
        let c = y - &y.mean_axis(Axis(0)).unwrap();
        c.t().dot(&c) / y.nrows() as f64
    };
    let fitted = |choice: &str| Descriptor::fitted(&choice.parse::<Choice>().unwrap(), &gaussian);
    let apply = |choice: &str| fitted(choice).unwrap().apply(x.clone(), 0).unwrap();
    assert_eq!(apply("none"), x);
    let centred = apply("center");
    assert!(centred.mean_axis(Axis(0)).unwrap().iter().all(|m| m.abs() < 1e-13));
    let whitened = covariance(&apply("whiten:4"));
    // Eigenvalues differ by up to 100 times here: so many units.
    assert!((&whitened - &Array2::<f64>::eye(4)).iter().all(|v| v.abs() < 1e-11));
    let coordinates = covariance(&apply("pca:3"));
    for (i, v) in gaussian.components[0].variances.iter().take(3).enumerate() {
        assert!((coordinates[[i, i]] / v - 1.0).abs() < 1e-12);
    }
    // Distances along all axes are distances.
    let all = apply("pca:6");
    let (a, b) = (squared_distance(all.row(0), all.row(1)), squared_distance(x.row(0), x.row(1)));
    assert!((a / b - 1.0).abs() < 1e-12);
    assert!(fitted("pca:7").is_err());
    for bad in ["pca:0", "pca", "whiten:x", "clip", "model.onnx"] {
        assert!(bad.parse::<Choice>().is_err(), "{bad}");
    }
}
