//! Similarities of pairs.

use super::*;

#[test]
fn thresholds_are_strict() {
    // 3-4-5: the cosine with the first axis is 0.6 in f64 and to the threshold.
    let (a, b) = (arr1(&[1.0, 0.0]), arr1(&[3.0, 4.0]));
    let exactly = cosine(a.view(), b.view());
    assert_eq!(exactly, 0.6);
    assert!(!Similarity::Cosine.alike(exactly, 0.6), "0.6 is not above 0.6");
    assert!(Similarity::Cosine.alike(exactly.next_up(), 0.6));
    for similarity in [Similarity::Mae, Similarity::L2] {
        assert!(!similarity.alike(15.0, 15.0) && similarity.alike(15f64.next_down(), 15.0));
    }
    assert_eq!(Similarity::Cosine.default_threshold(), Some(0.6));
    assert_eq!(Similarity::Mae.default_threshold(), Some(15.0));
    assert_eq!(Similarity::L2.default_threshold(), None);
}

#[test]
fn similarities_of_rows() {
    let (a, b) = (normal::<f32>(1, 30, 17), normal::<f32>(2, 30, 17));
    let wide = |x: &Array2<f32>, i: usize| x.row(i).mapv(f64::from);
    for i in 0..30 {
        let (x, y) = (wide(&a, i), wide(&b, i));
        let exact = x.dot(&y) / (x.dot(&x) * y.dot(&y)).sqrt();
        let mae = (&x - &y).mapv(f64::abs).sum() / 17.0 / (2.0 / 255.0);
        let l2 = (&x - &y).mapv(|v| v * v).sum().sqrt();
        for (similarity, exact) in [(Similarity::Cosine, exact), (Similarity::Mae, mae), (Similarity::L2, l2)]
        {
            // mae's unit: data of range 2, as [−1, 1] is, in 255 steps.
            let got = similarity.between(a.row(i), b.row(i), 2.0 / 255.0);
            assert!((got - exact).abs() < 1e-14 * exact.abs().max(1.0), "{similarity:?}");
        }
    }
    // One step of 8-bit images, whatever their range.
    for range in [1.0, 2.0, 255.0] {
        let x = Array1::from_elem(9, 0.25 * range);
        let y = &x + range / 255.0 * 15.0;
        let mae = Similarity::Mae.between(x.view(), y.view(), range / 255.0);
        assert!((mae - 15.0).abs() < 1e-12);
    }
    // A zero row is like nothing, itself included.
    let zero = Array1::<f32>::zeros(17);
    assert_eq!(cosine(zero.view(), a.row(0)), 0.0);
    assert_eq!(cosine(zero.view(), zero.view()), 0.0);
    // Of a row with itself and its negative: 1 and −1, never beyond.
    for row in a.outer_iter() {
        let (same, opposite) = (cosine(row, row), cosine(row, row.mapv(|v| -3.0 * v).view()));
        assert!(
            (1.0 - same).abs() < 1e-15 && same <= 1.0 && (1.0 + opposite).abs() < 1e-15 && opposite >= -1.0
        );
    }
}

#[test]
fn baselines_are_of_rows_that_do_not_belong_together() {
    fn check<T: Scalar>() {
        let n = 400;
        // Rows of few directions, so that many are alike.
        let a = normal::<T>(1, n, 3);
        let b = &a + &(normal::<T>(2, n, 3) * T::of(0.5));
        for (similarity, threshold) in
            [(Similarity::Cosine, 0.6), (Similarity::Mae, 90.0), (Similarity::L2, 1.0)]
        {
            let score = |cuts: &[usize]| {
                let mut score = Reproducibility::<T>::new(similarity, threshold, 2.0 / 255.0);
                let mut values = Vec::new();
                for pair in cuts.windows(2) {
                    let side = |x: &Array2<T>| x.slice(s![pair[0]..pair[1], ..]).to_owned();
                    let (a, b) = (side(&a), side(&b));
                    values.extend(
                        score.add(&Side::new(a.view(), similarity), &Side::new(b.view(), similarity)),
                    );
                }
                (score.alike, score.next_alike, score.rows, values)
            };
            let value = |i: usize, j: usize| similarity.between(a.row(i), b.row(j), 2.0 / 255.0);
            let alike = |i: usize, j: usize| similarity.alike(value(i, j), threshold);
            let own = (0..n).filter(|&i| alike(i, i)).count() as u64;
            let next = (0..n - 1).filter(|&i| alike(i, i + 1)).count() as u64;
            let values: Vec<f64> = (0..n).map(|i| value(i, i)).collect();
            assert!(own > 200 && next > 20 && next < own, "{similarity:?}: {own}, {next}");
            for cuts in [&[0, n][..], &[0, 1, 2, 300, n]] {
                assert_eq!(score(cuts), (own, next, n as u64, values.clone()), "{similarity:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
    let x = normal::<f32>(1, 2, 3);
    let mut score = Reproducibility::<f32>::new(Similarity::Cosine, 0.6, 1.0);
    for (i, baseline) in [None, Some(f64::from(cosine(x.row(0), x.row(1)) > 0.6))].into_iter().enumerate() {
        let row = x.slice(s![i..i + 1, ..]);
        score.add(&Side::new(row, Similarity::Cosine), &Side::new(row, Similarity::Cosine));
        assert_eq!((score.share().value, score.baseline()), (1.0, baseline));
    }
}

#[test]
fn rows_equal_to_the_bit_are_counted() {
    let train = normal::<f32>(1, 3000, 5);
    let mut x = concatenate![Axis(0), normal::<f32>(2, 40, 5), train.slice(s![700..707, ..])];
    assert_eq!(Known::new(train.view()).count(x.view()), 7);
    assert_eq!(paired_copies(x.view(), x.view()), 47);
    let y = x.clone();
    x[[3, 4]] = x[[3, 4]].next_up();
    assert_eq!(paired_copies(x.view(), y.view()), 46);
    assert_eq!(Known::new(y.view()).count(x.view()), 46);
    assert_eq!(Known::new(y.view()).count(x.slice(s![..;-1, ..])), 46, "wherever they are");
    let zeros = Array2::<f64>::zeros((2, 3));
    assert_eq!(paired_copies(zeros.view(), (-zeros.clone()).view()), 0, "-0 has other bits");
}

/// Rows whose squares f64 does not hold have the angles that they have in another unit.
#[test]
fn angles_do_not_depend_on_the_unit() {
    let (a, b) = (normal::<f64>(1, 5, 7), normal::<f64>(2, 5, 7));
    for (a, b) in a.outer_iter().zip(b.outer_iter()) {
        let expected = cosine(a, b);
        for (x, y) in [(1e200, 1e200), (1e-200, 1e-200), (1e200, 1e-200), (1.0, 1e300), (1e-300, 1.0)] {
            let found = cosine(a.mapv(|v| v * x).view(), b.mapv(|v| v * y).view());
            assert!((found - expected).abs() < 1e-14, "{x}, {y}: {found}, {expected}");
        }
    }
}

#[test]
fn a_search_that_would_overflow_or_vanish_is_refused() {
    let rows = normal::<f32>(1, 9, 4);
    for (unit, words) in [(1e17, "too large"), (1e-18, "too small")] {
        let error = Searched::checked(rows.mapv(|x| x * unit)).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
    let zeros = Searched::checked(Array2::<f32>::zeros((2, 3)));
    assert!(zeros.is_ok() && Searched::checked(rows).is_ok());
}

fn brute(
    x: ArrayView2<f64>,
    rows: ArrayView2<f64>,
    score: impl Fn(f64, f64, f64) -> f64,
) -> Vec<(usize, f64)> {
    // The first of the largest.
    x.outer_iter()
        .map(|x| {
            let mut best = (0, f64::NEG_INFINITY);
            for (j, t) in rows.outer_iter().enumerate() {
                let value = score(x.dot(&t), x.dot(&x), t.dot(&t));
                if value > best.1 {
                    best = (j, value);
                }
            }
            best
        })
        .collect()
}

#[test]
fn best_matches_are_those_of_brute_force() {
    fn check<T: Scalar>(n: usize, samples: usize, d: usize) {
        let rows = normal::<T>(n as u64, n, d);
        let mut x = normal::<T>(n as u64 + 1, samples, d);
        // Some near training rows, one at it, one zero.
        for i in (0..samples).step_by(3) {
            let near = &rows.row(7 * i % n) * T::of(1.7) + &(&x.row(i) * T::of(0.1));
            x.row_mut(i).assign(&near);
        }
        x.row_mut(0).assign(&rows.row(n - 1));
        if samples > 4 {
            x.row_mut(4).fill(T::zero());
        }
        let training = Searched::new(rows.clone());
        assert_eq!(training.rows(), rows);
        let (wx, wr) = (x.mapv(Scalar::wide), rows.mapv(Scalar::wide));
        let cosines =
            brute(wx.view(), wr.view(), |xt, x, t| if x * t > 0.0 { xt / (x * t).sqrt() } else { 0.0 });
        for (i, (found, (_, exact))) in
            training.best(x.view(), Similarity::Cosine, 1.0).iter().zip(&cosines).enumerate()
        {
            // The row is found by products in T: another row may be as good to
            // its rounding. The value is that row's own.
            let tolerance = 4.0 * T::epsilon().wide() * (d as f64).sqrt();
            assert!((found.similarity - exact).abs() < tolerance, "{n} rows, sample {i}");
            assert_eq!(found.similarity, cosine(x.row(i), rows.row(found.row)));
        }
        for similarity in [Similarity::L2, Similarity::Mae] {
            for (i, found) in training.best(x.view(), similarity, 0.5).iter().enumerate() {
                let all: Vec<f64> = rows.outer_iter().map(|t| similarity.between(x.row(i), t, 0.5)).collect();
                let least = all.iter().fold(f64::INFINITY, |m, v| m.min(*v));
                assert_eq!(found.similarity, least, "{similarity:?}, {n} rows, sample {i}");
                assert_eq!(all[found.row], least);
            }
        }
    }
    // One row, fewer than candidates, over one and two tiles, several blocks.
    for (n, samples, d) in [(1, 3, 4), (3, 10, 2), (100, 40, 48), (2050, 30, 20), (4100, 300, 3)] {
        check::<f32>(n, samples, d);
        check::<f64>(n, samples, d);
    }
}

#[test]
fn two_nearest_are_those_of_brute_force() {
    fn check<T: Scalar>(rows: Array2<T>, x: Array2<T>, what: &str) {
        let training = Searched::new(rows.clone());
        for (i, found) in training.nearest(x.view()).iter().enumerate() {
            let mut all: Vec<(f64, usize)> = rows
                .outer_iter()
                .enumerate()
                .map(|(j, t)| (squared_distance(x.row(i), t).sqrt(), j))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let second = all.get(1).map_or(f64::INFINITY, |s| s.0);
            assert_eq!((found.distance, found.second), (all[0].0, second), "{what}, sample {i}");
            assert_eq!(squared_distance(x.row(i), rows.row(found.row)).sqrt(), all[0].0);
        }
    }
    fn several<T: Scalar>() {
        check(normal::<T>(1, 500, 20), normal::<T>(2, 60, 20), "random");
        check(normal::<T>(1, 2500, 3), normal::<T>(2, 60, 3), "three dimensions");
        check(normal::<T>(1, 1, 5), normal::<T>(2, 4, 5), "one row");
        check(normal::<T>(1, 2, 5), normal::<T>(2, 4, 5), "two rows");
        // Duplicates: the second nearest is as near as the nearest.
        let once = normal::<T>(3, 50, 10);
        check(concatenate![Axis(0), once, once], once.mapv(|v| v * T::of(1.01)), "duplicates");
        // On training rows: products would leave a distance of 1e-3 in f32.
        check(normal::<T>(4, 300, 30), normal::<T>(4, 40, 30), "on the rows");
    }
    several::<f32>();
    several::<f64>();
    let far = Searched::new(normal::<f64>(1, 1, 5)).nearest(normal::<f64>(2, 1, 5).view())[0];
    assert!(far.second.is_infinite() && is_copy(&far, 1.0 / 3.0), "alone, everything is its copy");
    let at = |distance, second| is_copy(&Nearest { row: 0, distance, second }, 0.5);
    assert!(at(0.99, 2.0) && !at(1.0, 2.0) && !at(0.0, 0.0), "strictly nearer");
}

#[test]
fn rows_left_out_in_turn_are_searched_among_the_others() {
    fn check<T: Scalar>(rows: Array2<T>, what: &str) {
        let training = Searched::new(rows.clone());
        let out = left_out(rows.nrows(), 3);
        assert_eq!(out, (0..rows.nrows()).collect::<Vec<_>>(), "of few rows, all");
        let others = |i: usize| (0..rows.nrows()).filter(move |&j| j != i);
        let between = |s: Similarity, i: usize, j: usize| s.between(rows.row(i), rows.row(j), 0.5);
        for similarity in [Similarity::Cosine, Similarity::Mae, Similarity::L2] {
            let found = training.best_of_others(&out, similarity, 0.5);
            for (i, found) in found.iter().enumerate() {
                let all = others(i).map(|j| between(similarity, i, j));
                let best = match similarity {
                    Similarity::Cosine => all.fold(f64::NEG_INFINITY, f64::max),
                    _ => all.fold(f64::INFINITY, f64::min),
                };
                // Products in T tell cosines apart to its rounding.
                let rounding = if similarity == Similarity::Cosine { 1e-6 } else { 0.0 };
                assert!((found.similarity - best).abs() <= rounding, "{what}, {similarity:?}, row {i}");
                assert_ne!(found.row, i);
            }
        }
        for (i, found) in training.nearest_of_others(&out).iter().enumerate() {
            let mut all: Vec<f64> = others(i).map(|j| between(Similarity::L2, i, j)).collect();
            all.sort_by(f64::total_cmp);
            let second = all.get(1).copied().unwrap_or(f64::INFINITY);
            assert_eq!((found.distance, found.second), (all[0], second), "{what}, row {i}");
        }
    }
    let x = normal::<f64>(1, 700, 10);
    check(x.clone(), "random");
    check(normal::<f32>(1, 700, 10), "random");
    check(concatenate![Axis(0), x.slice(s![..40, ..]), x.slice(s![..40, ..])], "every row twice");
    check(normal::<f64>(2, 2, 4), "two rows");
    let one = Searched::new(normal::<f64>(2, 1, 4));
    let nothing =
        (one.best_of_others(&[0], Similarity::Cosine, 1.0).len(), one.nearest_of_others(&[0]).len());
    assert_eq!(nothing, (0, 0), "there are no others");
    // Of many, some, by the seed.
    let many = Searched::new(normal::<f32>(1, 2001, 3));
    let [first, again, other] = [1, 1, 2].map(|seed| left_out(many.rows().nrows(), seed));
    assert!(first == again && first != other && first.len() == 400);
    let found = many.nearest_of_others(&first);
    for (&i, found) in first.iter().zip(&found) {
        let rows = many.rows();
        let all = (0..2001).filter(|&j| j != i).map(|j| squared_distance(rows.row(i), rows.row(j)).sqrt());
        assert_eq!(found.distance, all.fold(f64::INFINITY, f64::min));
    }
}

#[test]
fn subsets_have_every_member_as_often() {
    let mut counts = [0; 10];
    for round in 0..3000 {
        let chosen = subset(&mut row_rng(1, Purpose::LeftOut, round), 10, 4);
        assert!(chosen.len() == 4 && chosen.windows(2).all(|w| w[0] < w[1]) && chosen[3] < 10);
        chosen.iter().for_each(|&i| counts[i] += 1);
    }
    // 1200 each, with a standard deviation of 27.
    assert!(counts.iter().all(|c| (1200i32 - c).abs() < 130), "{counts:?}");
    assert_eq!(subset(&mut row_rng(1, Purpose::LeftOut, 0), 3, 5), [0, 1, 2]);
}

#[test]
fn nearest_rows_far_from_the_origin() {
    // Products of rows of norm 1000 in f32 are off by 0.1; neighbours are 1 apart.
    let rows = normal::<f32>(5, 400, 8) + 300.0;
    let x = normal::<f32>(6, 50, 8) + 300.0;
    let training = Searched::new(rows.clone());
    let mut wrong = 0;
    for (i, found) in training.nearest(x.view()).iter().enumerate() {
        let least =
            rows.outer_iter().map(|t| squared_distance(x.row(i), t).sqrt()).fold(f64::INFINITY, f64::min);
        wrong += (found.distance != least) as usize;
    }
    assert_eq!(wrong, 0, "of 50 samples");
}
