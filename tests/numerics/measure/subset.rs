//! Chosen rows, against all distances.

use molrg::measure::entropy::Entropy;
use molrg::measure::subset::{Chosen, beyond_threshold, farthest, shuffled};

use super::*;

/// The distance of every row to the nearest of those chosen.
fn nearest_of<T: Scalar>(x: &Array2<T>, chosen: &[Chosen], i: usize) -> f64 {
    let squares = chosen.iter().map(|c| squared_distance(x.row(i), x.row(c.row)));
    squares.fold(f64::INFINITY, f64::min)
}

fn farthest_by_hand<T: Scalar>(x: &Array2<T>, count: usize, first: usize) -> Vec<Chosen> {
    let mut chosen = vec![Chosen { row: first, distance: None }];
    while chosen.len() < count {
        let squares: Vec<f64> = (0..x.nrows()).map(|i| nearest_of(x, &chosen, i)).collect();
        let most = squares.iter().fold(0.0f64, |m, s| m.max(*s));
        let row = squares.iter().position(|s| *s == most).unwrap();
        chosen.push(Chosen { row, distance: Some(most.sqrt()) });
    }
    chosen
}

fn threshold_by_hand<T: Scalar>(
    x: &Array2<T>,
    count: usize,
    order: &[usize],
    mut tau: f64,
    decay: f64,
) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    loop {
        for &row in order {
            if chosen.len() == count {
                return chosen;
            }
            let distance = nearest_of(x, &chosen, row).sqrt();
            if distance > tau {
                chosen.push(Chosen { row, distance: distance.is_finite().then_some(distance) });
            }
        }
        if chosen.len() == count {
            return chosen;
        }
        tau *= decay;
    }
}

fn sets<T: Scalar>() -> Vec<(&'static str, Array2<T>)> {
    let clusters = Array2::from_shape_fn((200, 3), |(i, j)| normal::<T>(2, 10, 3)[[i % 10, j]] * T::of(20.0));
    vec![
        ("random", normal(1, 300, 5)),
        ("clusters", clusters + &normal::<T>(3, 200, 3)),
        // Distances are equal everywhere.
        ("a grid", Array2::from_shape_fn((225, 2), |(i, j)| T::of([i % 15, i / 15][j] as f64))),
        ("a line, twice", Array2::from_shape_fn((120, 1), |(i, _)| T::of((i % 60) as f64))),
    ]
}

#[test]
fn chosen_rows_are_those_of_all_distances() {
    fn check<T: Scalar>() {
        for (name, x) in sets::<T>() {
            for first in [0, 57] {
                let chosen = farthest(x.view(), 50, first, |_| ()).unwrap();
                assert_eq!(chosen, farthest_by_hand(&x, 50, first), "{name} from {first}");
                let some = farthest(x.view(), 20, first, |_| ()).unwrap();
                assert_eq!(some, chosen[..20], "{name}: fewer are the first of more");
                let one = farthest(x.slice(s![..1, ..]), 1, 0, |_| ()).unwrap();
                assert_eq!(one, beyond_threshold(x.slice(s![..1, ..]), 1, &[0], 1.0, 0.5, |_| ()).unwrap());
            }
            let order = shuffled(x.nrows(), 0, 4);
            for (tau, decay) in [(3.0, 0.9), (1e3, 0.5), (1e-3, 0.99)] {
                let chosen = beyond_threshold(x.view(), 50, &order, tau, decay, |_| ()).unwrap();
                assert_eq!(chosen, threshold_by_hand(&x, 50, &order, tau, decay), "{name}, {tau}, {decay}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn fewer_different_rows_than_asked_for_are_refused() {
    let (_, line) = sets::<f64>().remove(3);
    assert_eq!(farthest(line.view(), 60, 0, |_| ()).unwrap().len(), 60);
    let order: Vec<usize> = (0..120).collect();
    let both =
        [farthest(line.view(), 61, 0, |_| ()), beyond_threshold(line.view(), 61, &order, 9.0, 0.9, |_| ())];
    for error in both {
        assert!(error.unwrap_err().to_string().contains("only 60 rows are different, of which 61"));
    }
}

#[test]
fn orders_are_of_the_rows_numbers() {
    let all = shuffled(100, 0, 7);
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    assert!(all != sorted && all != shuffled(100, 0, 8));
    // Of rows 40 to 100, the same order.
    let later: Vec<usize> = all.iter().filter(|&&i| i >= 40).map(|i| i - 40).collect();
    assert_eq!(shuffled(60, 40, 7), later);
    // Every row is first as often: 20 of 2000 each, with a deviation of 4.5.
    let mut first = [0; 100];
    (0..2000).for_each(|seed| first[shuffled(100, 0, seed)[0]] += 1);
    assert!(first.iter().all(|n| (1..=45).contains(n)), "{first:?}");
}

/// 200 of 1000 rows of N(0, I) in the plane: farthest 4.48, random 2.79 in one run.
#[test]
fn rows_far_from_each_other_have_more_entropy() {
    let mut means = [0.0; 2];
    for seed in 0..10 {
        let x = normal::<f64>(seed, 1000, 2);
        let order = shuffled(1000, 0, seed);
        let far: Vec<usize> =
            farthest(x.view(), 200, order[0], |_| ()).unwrap().iter().map(|c| c.row).collect();
        for (mean, rows) in means.iter_mut().zip([&far[..], &order[..200]]) {
            *mean += Entropy::of(x.select(Axis(0), rows), 1, |_| ()).unwrap().value / 10.0;
        }
    }
    // One run has a deviation of 0.12 at random, and of 0.05 far apart.
    assert!((means[0] - 4.48).abs() < 0.15 && (means[1] - 2.79).abs() < 0.15, "{means:?}");
}
