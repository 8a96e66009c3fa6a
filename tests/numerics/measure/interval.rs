//! Intervals of shares, means and their differences.

use super::*;

#[test]
fn shares_have_wilsons_interval() {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/shares.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let (k, n) = (case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        let share = Estimate::share(k, n);
        let p = k as f64 / n as f64;
        assert_eq!((share.value, share.n), (p, n));
        assert!((share.std_error.unwrap() - (p * (1.0 - p) / n as f64).sqrt()).abs() < 1e-15);
        // SciPy computes the same formula; the quantile has sixteen digits.
        assert!((share.ci_low.unwrap() - case["low"].as_f64().unwrap()).abs() < 1e-14, "{k} of {n}");
        assert!((share.ci_high.unwrap() - case["high"].as_f64().unwrap()).abs() < 1e-14, "{k} of {n}");
    }
}

#[test]
fn means_and_their_errors() {
    // Far from 0, where a sum of squares would lose all digits.
    let x: Vec<f64> = normal::<f64>(1, 1, 500).iter().map(|v| 1e6 + v).collect();
    let mut running = Mean::default();
    x.iter().for_each(|v| running.add(*v));
    let mean = x.iter().sum::<f64>() / 500.0;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 499.0;
    // Rounding of numbers of 1e6 is 1e-10.
    assert!((running.mean - mean).abs() < 1e-8 && (running.variance() / variance - 1.0).abs() < 1e-8);
    assert!((running.std_error() - (variance / 500.0).sqrt()).abs() < 1e-8);
    let mut one = Mean::default();
    one.add(3.0);
    assert_eq!((one.mean, one.variance(), one.std_error()), (3.0, 0.0, 0.0));
}

#[test]
fn intervals_of_amounts_are_fay_and_feuers() {
    // SciPy's gamma quantiles; Wilson and Hilferty's are within a hundredth of the mean where the mean's own
    // variance is below its square, and it always is.
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/amounts.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let x: Vec<f64> = case["x"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let found = amounts(&x).estimate();
        let [mean, low, high] = ["mean", "low", "high"].map(|key| case[key].as_f64().unwrap());
        let close = |found: f64, golden: f64| (found - golden).abs() < 0.015 * golden.max(mean);
        assert!((found.value / mean - 1.0).abs() < 1e-12);
        assert!(close(found.ci_low.unwrap(), low), "{found:?}, not {low}");
        assert!(close(found.ci_high.unwrap(), high), "{found:?}, not {high}");
        let root = amounts(&x).root();
        assert_eq!(root.ci_high, found.ci_high.map(f64::sqrt));
        assert!((root.value.powi(2) / mean - 1.0).abs() < 1e-12);
    }
    // One row: a value, and nothing of how sure it is.
    let one = amounts(&[4.0]);
    let unsure = Estimate { value: 2.0, std_error: None, ci_low: None, ci_high: None, n: 1 };
    assert_eq!(one.root(), unsure);
    assert_eq!(one.over(&amounts(&[1.0, 3.0])).unwrap(), unsure);
    assert_eq!(amounts(&[4.0, 4.0]).over(&amounts(&[2.0])).unwrap().ci_low, None);
}

#[test]
fn rows_that_carry_half_of_the_sum_are_counted() {
    let mut x = vec![1.0; 100];
    assert_eq!(amounts(&x).concentration(), None);
    x[40] = 99.0;
    assert_eq!(amounts(&x).concentration(), Some(1), "99 of 198");
    x[40] = 98.9;
    assert_eq!(amounts(&x).concentration(), Some(2));
    (x[3], x[40], x[77]) = (40.0, 30.0, 27.1);
    assert_eq!(amounts(&x).concentration(), Some(3), "97.1 of 194.1");
    x[77] = 26.9;
    assert_eq!(amounts(&x).concentration(), None, "it takes four");
    assert_eq!(amounts(&[1.0, 0.0, 0.0]).concentration(), None, "too few rows to say");
    assert_eq!(amounts(&[0.0; 100]).concentration(), None);
}

/// Numbers of mean 1 (`Switch`: 2p + .02) whose skewness is the one asked for.
#[derive(Clone, Copy, Debug)]
enum Family {
    Gamma(f64),
    /// s of ln x.
    LogNormal(f64),
    /// The share p of rows that come out on the other side.
    Switch(f64),
}

impl Family {
    /// Of skewness 2, 6, 17.
    const ALL: [[Family; 3]; 3] = [
        [Family::Gamma(1.0), Family::LogNormal(0.5513), Family::Switch(0.1464)],
        [Family::Gamma(4.0 / 36.0), Family::LogNormal(0.9974), Family::Switch(0.0254)],
        [Family::Gamma(4.0 / 289.0), Family::LogNormal(1.3251), Family::Switch(0.00341)],
    ];

    fn mean(self) -> f64 {
        match self {
            Family::Gamma(_) | Family::LogNormal(_) => 1.0,
            Family::Switch(p) => 2.0 * p + 0.02,
        }
    }

    fn draw(self, rng: &mut impl rand::Rng) -> f64 {
        let gamma = |rng: &mut _, shape: f64| Gamma::new(shape, 1.0 / shape).unwrap().sample(rng);
        match self {
            Family::Gamma(shape) => gamma(rng, shape),
            Family::LogNormal(s) => {
                let z: f64 = rand_distr::StandardNormal.sample(rng);
                (s * z - s * s / 2.0).exp()
            }
            Family::Switch(p) => {
                let switched = if uniform(rng) < p { 2.0 * gamma(rng, 24.0) } else { 0.0 };
                switched + 0.02 * gamma(rng, 3.0)
            }
        }
    }
}

/// How often, of so many rounds, `held` says that an interval of what `draw` gives held.
fn share_of(rounds: u64, held: impl Fn(&mut rand_chacha::ChaCha8Rng) -> bool) -> f64 {
    let held = (0..rounds).filter(|round| held(&mut row_rng(1, Purpose::Bootstrap, *round))).count();
    held as f64 / rounds as f64
}

fn covers(e: &Estimate, truth: f64) -> bool {
    e.ci_low.unwrap() <= truth && truth <= e.ci_high.unwrap()
}

#[test]
fn intervals_hold_where_few_rows_carry_the_distance() {
    // Shares of 2000 rounds have a standard deviation of half a hundredth; docs/coverage.csv has more.
    for (families, least) in Family::ALL.iter().zip([0.93, 0.93, 0.9]) {
        for &family in families {
            for n in [200, 1000] {
                let held = share_of(2000, |rng| {
                    let x: Vec<f64> = (0..n).map(|_| family.draw(rng)).collect();
                    let all = amounts(&x);
                    // Rows that belong together are at (√x, 0); those that do not at a distance of 2.
                    let mut shifted = Shifted::default();
                    let a = Array2::from_shape_fn((n, 2), |(i, j)| {
                        (j == 0) as u8 as f64 * x[i].sqrt() + turned(i, j)
                    });
                    let b = Array2::from_shape_fn((n, 2), |(i, j)| turned(i, j));
                    shifted.add(a.view(), b.view());
                    covers(&all.root(), family.mean().sqrt())
                        || all.concentration().is_some()
                        || shifted.unseen(&all).is_some()
                });
                assert!(held >= least, "{family:?}, n {n}: {held}");
            }
        }
    }
    /// Points on a circle of radius 2, opposite to the one before.
    fn turned(i: usize, j: usize) -> f64 {
        if j == 0 { 0.0 } else { 2.0 * (1.0 - 2.0 * (i % 2) as f64) }
    }
    // And of means, without the warnings.
    for &family in Family::ALL[..2].iter().flatten() {
        let held = share_of(2000, |rng| {
            let x: Vec<f64> = (0..200).map(|_| family.draw(rng)).collect();
            covers(&amounts(&x).estimate(), family.mean())
        });
        assert!((0.93..0.99).contains(&held), "{family:?}: {held}");
    }
}

#[test]
fn intervals_of_ratios_and_differences_hold() {
    for &family in Family::ALL[..2].iter().flatten() {
        let n = 200;
        // Over other numbers of the same rows, of which a third is the same.
        let ratio = share_of(1000, |rng| {
            let mut pairs = Joint::default();
            for _ in 0..n {
                let (x, y, both) = (family.draw(rng), family.draw(rng), family.draw(rng));
                pairs.add(x + 0.5 * both, y + 0.5 * both);
            }
            covers(&pairs.root_ratio().unwrap(), 1.0)
        });
        // Over independent ones.
        let over = share_of(1000, |rng| {
            let [x, y] = [n, 300].map(|n| amounts(&(0..n).map(|_| family.draw(rng)).collect::<Vec<_>>()));
            covers(&x.over(&y).unwrap(), 1.0)
        });
        let difference = share_of(1000, |rng| {
            let mut pairs = Joint::default();
            for _ in 0..n {
                let (x, y) = (family.draw(rng), family.draw(rng));
                pairs.add(x + 0.5 * y, y);
            }
            covers(&pairs.difference(0.5), family.mean())
        });
        for (what, held) in [("ratio", ratio), ("over", over), ("difference", difference)] {
            assert!(held >= 0.93, "{family:?}, {what}: {held}");
        }
    }
}
