//! Nearest rows, against all distances.

use super::*;

/// All distances by differences, sorted; ties by row.
fn by_hand<T: Scalar>(
    rows: ArrayView2<T>,
    x: ArrayView1<T>,
    count: usize,
    but: Option<usize>,
) -> Vec<Neighbour> {
    let others = rows.outer_iter().enumerate().filter(|(row, _)| Some(*row) != but);
    let mut all: Vec<(f64, usize)> = others.map(|(row, t)| (squared_distance(x, t), row)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(count).map(|(square, row)| Neighbour { row, distance: square.sqrt() }).collect()
}

fn check<T: Scalar>(rows: Array2<T>, x: Array2<T>, what: &str) {
    let searched = Searched::new(rows.clone());
    for count in [1, 2, 7, 50] {
        for (i, found) in searched.neighbours(x.view(), count).iter().enumerate() {
            assert_eq!(*found, by_hand(rows.view(), x.row(i), count, None), "{what}, {count}, row {i}");
        }
        let own: Vec<usize> = (0..rows.nrows()).step_by(9).collect();
        for (&i, found) in own.iter().zip(searched.neighbours_of_others(&own, count)) {
            assert_eq!(
                found,
                by_hand(rows.view(), rows.row(i), count, Some(i)),
                "{what}, {count}, own row {i}"
            );
        }
    }
}

#[test]
fn the_nearest_rows_are_exact_where_products_hide_them() {
    fn several<T: Scalar>() {
        check(normal::<T>(1, 1300, 20), normal::<T>(2, 40, 20), "random");
        check(normal::<T>(1, 3, 5), normal::<T>(2, 4, 5), "fewer than are asked for");
        check(normal::<T>(1, 700, 3) + T::of(1e3), normal::<T>(2, 40, 3) + T::of(1e3), "far from the origin");
        // Clusters of 40 rows, nearer to each other than the rounding of their norms.
        let centres = normal::<T>(3, 20, 30) * T::of(3.0);
        let within = Array2::from_shape_fn((800, 30), |(i, j)| centres[[i % 20, j]]);
        let tight = within + &(normal::<T>(4, 800, 30) * (T::epsilon() * T::of(2e3)));
        check(tight.clone(), tight.slice(s![..40, ..]).to_owned(), "tight clusters");
        // Every row ten times: ties beyond what is kept of products.
        let once = normal::<T>(5, 60, 8);
        let ten = Array2::from_shape_fn((600, 8), |(i, j)| once[[i % 60, j]]);
        check(ten, once, "every row ten times");
        // Whole numbers have ties everywhere.
        check(
            normal::<T>(6, 900, 2).mapv(|v| (v * T::of(4.0)).round()),
            normal::<T>(7, 30, 2).mapv(T::round),
            "a grid",
        );
        // Samples far from the set: the squares of their distances nearly cancel.
        for far in [1e4, 1e6] {
            check(normal::<T>(1, 900, 8), normal::<T>(2, 40, 8) + T::of(far), "samples far from the set");
        }
        // Products of what the rows differ in are no numbers of T.
        let tiny = T::min_positive_value().sqrt() * T::of(1e-3);
        let flat = |seed, n| {
            let mut rows = normal::<T>(seed, n, 6) * tiny;
            rows.column_mut(2).fill(T::one());
            rows
        };
        check(flat(1, 500), flat(2, 30), "differences near the least numbers");
        // One row far from all others must not have them searched one by one, or wrongly.
        let mut outlier = normal::<T>(8, 400, 6);
        outlier.row_mut(3).fill(T::of(1e6));
        check(outlier, normal::<T>(9, 20, 6), "an outlier");
    }
    several::<f32>();
    several::<f64>();
}
