//! The row-keyed generator: its bytes are a promise.

use molrg::mixture::{Design, Sampler};
use molrg::random::*;
use molrg::scalar::Scalar;
use rand::Rng;
use serde_json::Value;

const PURPOSES: [(&str, Purpose); 21] = [
    ("bases", Purpose::Bases),
    ("means", Purpose::Means),
    ("labels", Purpose::Labels),
    ("coefficients", Purpose::Coefficients),
    ("noise", Purpose::Noise),
    ("latents", Purpose::Latents),
    ("point-noise", Purpose::PointNoise),
    ("churn", Purpose::Churn),
    ("restarts", Purpose::Restarts),
    ("completion", Purpose::Completion),
    ("training", Purpose::Training),
    ("probes", Purpose::Probes),
    ("bootstrap", Purpose::Bootstrap),
    ("measurement", Purpose::Measurement),
    ("restoration", Purpose::Restoration),
    ("paths", Purpose::Paths),
    ("particles", Purpose::Particles),
    ("bridges", Purpose::Bridges),
    ("free-paths", Purpose::FreePaths),
    ("bridge-start", Purpose::BridgeStart),
    ("bridge-times", Purpose::BridgeTimes),
];

#[test]
fn bytes_are_those_of_chacha_by_its_definition() {
    let golden: Value = serde_json::from_str(include_str!("../../testdata/golden/random.json")).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for case in golden.as_array().unwrap() {
        let (name, purpose) = *PURPOSES.iter().find(|(name, _)| case["purpose"] == *name).unwrap();
        let (seed, row) = (text(&case["seed"]).parse().unwrap(), text(&case["row"]).parse().unwrap());
        let outputs: Vec<u64> = case["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| u64::from_str_radix(&text(v), 16).unwrap())
            .collect();
        let mut rng = row_rng(seed, purpose, row);
        for expected in &outputs {
            assert_eq!(rng.next_u64(), *expected, "{name}, seed {seed}, row {row}");
        }
        // A uniform number is the upper 53 bits.
        let mut rng = row_rng(seed, purpose, row);
        for output in outputs {
            let u = uniform(&mut rng);
            assert_eq!(u, (output >> 11) as f64 / 9007199254740992.0);
            assert!((0.0..1.0).contains(&u));
        }
        seen.push(name);
    }
    seen.dedup();
    assert_eq!(seen.len(), PURPOSES.len(), "every purpose has its golden bytes");
}

/// Recorded from rand_distr 0.6.0's ziggurat on the bytes above, as the bits of
/// f64: (seed, purpose, row), first four.
const NORMALS: [(u64, Purpose, u64, [u64; 4]); 4] = [
    (
        0,
        Purpose::Latents,
        0,
        [0x3ffa_acbf_f46c_41de, 0xbfca_5b1c_89a4_67b2, 0x3fd3_9612_4d2a_b8aa, 0x3fe9_1e2b_d3dd_98ae],
    ),
    (
        0,
        Purpose::Latents,
        1,
        [0x3fea_0895_4a0c_d276, 0xbfb6_a01d_3e4c_6229, 0x3fe3_f926_e30e_d890, 0xbff5_6308_6d8a_21bc],
    ),
    (
        42,
        Purpose::Coefficients,
        1_000_000_007,
        [0x3ff2_c559_073a_5618, 0x3fc3_493f_6585_dce7, 0x3fee_3d7a_88b1_4859, 0x3ff3_b83b_6737_5f92],
    ),
    (
        u64::MAX,
        Purpose::Churn,
        u64::MAX,
        [0xbff2_b733_af11_caa6, 0x3f9b_1e94_2b4e_cb34, 0xbfe1_39d6_221a_445d, 0x3fd3_aa8d_6168_2194],
    ),
];

#[test]
fn normal_numbers_keep_their_bits() {
    for (seed, purpose, row, expected) in NORMALS {
        let wide = standard_normals::<f64>(&mut row_rng(seed, purpose, row), 4);
        let narrow = standard_normals::<f32>(&mut row_rng(seed, purpose, row), 4);
        let bits: Vec<u64> = wide.iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, expected, "{purpose:?}, seed {seed}, row {row}: {bits:#018x?}");
        // Both types see the same draws.
        assert_eq!(narrow, wide.iter().map(|v| *v as f32).collect::<Vec<_>>());
    }
}

#[test]
fn a_hundred_thousand_normal_numbers_keep_their_bytes() {
    // Enough for every layer of the ziggurat and its tail.
    use sha2::{Digest, Sha256};
    let wide = normal_rows::<f64>(1, Purpose::Noise, 0..100, 1000);
    let narrow = normal_rows::<f32>(1, Purpose::Noise, 0..100, 1000);
    let digest = |bytes: Vec<u8>| -> String {
        Sha256::digest(bytes).iter().take(8).map(|b| format!("{b:02x}")).collect()
    };
    assert!(wide.iter().any(|v| v.abs() > 3.654_152_885_361_009), "the tail was reached");
    assert_eq!(digest(wide.iter().flat_map(|v| v.to_le_bytes()).collect()), "c03836e8d846e24d");
    assert_eq!(digest(narrow.iter().flat_map(|v| v.to_le_bytes()).collect()), "2fdecd06d5a64fcf");
}

#[test]
fn rows_do_not_depend_on_how_many_are_drawn() {
    let all = normal_rows::<f64>(3, Purpose::Noise, 0..50, 9);
    let some = normal_rows::<f64>(3, Purpose::Noise, 20..23, 9);
    assert_eq!(some, all.slice(ndarray::s![20..23, ..]));
    // Fewer columns are the first ones.
    let narrow = normal_rows::<f64>(3, Purpose::Noise, 0..50, 4);
    assert_eq!(narrow, all.slice(ndarray::s![.., ..4]));
    let far = u64::MAX - 2;
    assert_eq!(normal_rows::<f32>(1, Purpose::Noise, far..far + 2, 3).dim(), (2, 3));
}

/// |correlation| of independent numbers stays below five of its standard errors.
fn independent(a: &[f64], b: &[f64]) -> bool {
    let n = a.len() as f64;
    let r: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
    r.abs() < 5.0 / n.sqrt()
}

#[test]
fn purposes_seeds_and_rows_are_independent() {
    let n = 20_000;
    let draw = |seed, purpose, row| standard_normals::<f64>(&mut row_rng(seed, purpose, row), n);
    for (i, (a, pa)) in PURPOSES.iter().enumerate() {
        for (b, pb) in &PURPOSES[i + 1..] {
            assert!(independent(&draw(0, *pa, 0), &draw(0, *pb, 0)), "{a} and {b}");
        }
        assert!(independent(&draw(0, *pa, 0), &draw(1, *pa, 0)), "{a}: seeds 0 and 1");
        assert!(independent(&draw(0, *pa, 0), &draw(0, *pa, 1)), "{a}: rows 0 and 1");
        assert!(independent(&draw(1, *pa, 0), &draw(0, *pa, 1)), "{a}: seed and row");
        assert!(independent(&draw(1 << 32, *pa, 0), &draw(0, *pa, 1 << 32)), "{a}: high halves");
    }
}

#[test]
fn normal_numbers_are_normal() {
    // First numbers of rows, which is how one-dimensional data see the generator,
    // and numbers along one row.
    let n = 200_000usize;
    let down: Vec<f64> = normal_rows::<f64>(5, Purpose::Latents, 0..n as u64, 1).iter().copied().collect();
    let along = standard_normals::<f64>(&mut row_rng(5, Purpose::Latents, 0), n);
    for x in [down, along] {
        let moment = |k: i32| x.iter().map(|v| v.powi(k)).sum::<f64>() / n as f64;
        // Five standard errors: of xᵏ, √(E x²ᵏ − (E xᵏ)²)/√n.
        for (k, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10170.0)]
        {
            let error = moment(k) - expected;
            assert!(error.abs() < 5.0 * (variance / n as f64).sqrt(), "moment {k}: off by {error}");
        }
        // Shares beyond 1, 2 and 3, whose tails the ziggurat treats apart.
        for (z, share) in [(1.0, 0.317310507863), (2.0, 0.0455002638964), (3.7, 2.155984e-4)] {
            let got = x.iter().filter(|v| v.abs() > z).count() as f64 / n as f64;
            assert!((got - share).abs() < 5.0 * (share / n as f64).sqrt(), "beyond {z}: {got}");
        }
    }
    let u: Vec<f64> = (0..n as u64).map(|i| uniform(&mut row_rng(5, Purpose::Labels, i))).collect();
    let mean = u.iter().sum::<f64>() / n as f64;
    assert!((mean - 0.5).abs() < 5.0 / (12.0 * n as f64).sqrt());
}

#[test]
fn drawn_samples_have_the_mixtures_moments_and_their_own_rows() {
    let design = Design {
        ranks: vec![1, 3],
        weights: vec![1.0, 3.0],
        noise_std: 0.3,
        mean_norm: 2.0,
        ..Design::molrg(6, 2, 2)
    };
    let mixture = design.plant(9).unwrap();
    fn check<T: Scalar>(mixture: &molrg::mixture::Mixture) {
        let n = 60_000u64;
        let sampler = Sampler::<T>::new(mixture, 4, false);
        let (x, labels) = sampler.draw(0..n);
        // Any rows at any time, to the bit.
        let (part, part_labels) = sampler.draw(1000..1017);
        assert_eq!(part, x.slice(ndarray::s![1000..1017, ..]));
        assert_eq!(part_labels, labels[1000..1017]);
        for (k, c) in mixture.components.iter().enumerate() {
            let mine: Vec<usize> = (0..n as usize).filter(|&i| labels[i] == k).collect();
            let count = mine.len() as f64;
            // Five standard errors of a share, of a mean and of second moments
            // (variances up to 1.09, so √(2)·1.09 for entries' squares).
            assert!((count / n as f64 - c.weight).abs() < 5.0 * (0.25 / n as f64).sqrt());
            let rows = x.select(ndarray::Axis(0), &mine).mapv(Scalar::wide) - &c.mean;
            let mean = rows.sum_axis(ndarray::Axis(0)) / count;
            assert!(mean.iter().all(|m| m.abs() < 5.0 * (1.09 / count).sqrt()));
            let second = rows.t().dot(&rows) / count;
            let u = &c.basis;
            let eye = ndarray::Array2::<f64>::eye(6);
            let exact = (u * &c.variances).dot(&u.t()) + (eye - u.dot(&u.t())) * c.noise_variance;
            let off = (&second - &exact).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(off < 5.0 * 1.09 * (2.0 / count).sqrt(), "component {k}: {off}");
        }
    }
    check::<f32>(&mixture);
    check::<f64>(&mixture);
    // Balanced rows take turns.
    let balanced = Sampler::<f64>::new(&mixture, 4, true).draw(5..9).1;
    assert_eq!(balanced, [1, 0, 1, 0]);
}
