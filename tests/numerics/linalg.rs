//! Products, whose every row must be the same bits however the work is cut, and
//! factorizations, by their residuals.

use molrg::linalg::*;
use molrg::random::{Purpose, normal_rows, row_rng};
use molrg::scalar::Scalar;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use proptest::prelude::*;

fn normal<T: Scalar>(seed: u64, rows: usize, columns: usize) -> Array2<T> {
    normal_rows(seed, Purpose::Noise, 0..rows as u64, columns)
}

/// The product by three loops in f64, and Σ|a||b|, the scale of its rounding.
fn by_loops<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>) -> (Array2<f64>, Array2<f64>) {
    let mut c = Array2::<f64>::zeros((a.nrows(), b.ncols()));
    let mut size = c.clone();
    for i in 0..a.nrows() {
        for l in 0..a.ncols() {
            for j in 0..b.ncols() {
                let term = a[[i, l]].wide() * b[[l, j]].wide();
                c[[i, j]] += term;
                size[[i, j]] += term.abs();
            }
        }
    }
    (c, size)
}

fn bits<T: Scalar>(x: ArrayView2<T>) -> Vec<u64> {
    // Widening is exact, so equal bits stay equal and different ones different.
    x.iter().map(|v| v.wide().to_bits()).collect()
}

/// The same numbers in another memory layout.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows,
    Columns,
    /// Every second entry of a larger array.
    Strided,
    /// A window of a wider array.
    Window,
    /// Rows stored last to first.
    Reversed,
}

const LAYOUTS: [Layout; 5] =
    [Layout::Rows, Layout::Columns, Layout::Strided, Layout::Window, Layout::Reversed];

fn laid_out<T: Scalar>(x: ArrayView2<T>, layout: Layout) -> Array2<T> {
    let (m, n) = x.dim();
    match layout {
        Layout::Rows => x.as_standard_layout().into_owned(),
        Layout::Columns => x.t().as_standard_layout().into_owned().reversed_axes(),
        Layout::Strided => {
            let mut big = Array2::from_elem((2 * m, 2 * n), T::of(7.0));
            big.slice_mut(s![..;2, ..;2]).assign(&x);
            big.slice_move(s![..;2, ..;2])
        }
        Layout::Window => {
            let mut big = Array2::from_elem((m + 3, n + 5), T::of(7.0));
            big.slice_mut(s![1..m + 1, 2..n + 2]).assign(&x);
            big.slice_move(s![1..m + 1, 2..n + 2])
        }
        Layout::Reversed => {
            let mut turned = x.slice(s![..;-1, ..]).as_standard_layout().into_owned();
            turned.invert_axis(Axis(0));
            turned
        }
    }
}

/// Shapes that reach every path: single rows and columns, sums of one and two,
/// tiles under and over the kernel's, inner dimensions over one and two pieces.
fn shape() -> impl Strategy<Value = (usize, usize, usize)> {
    let outer = || prop_oneof![Just(1usize), Just(2), 3..20usize, 20..130usize];
    let inner = prop_oneof![1..6usize, 6..70usize, 500..520usize, 1..1100usize];
    (outer(), inner, outer())
}

fn layout() -> impl Strategy<Value = Layout> {
    proptest::sample::select(LAYOUTS.to_vec())
}

fn check_against_loops<T: Scalar>(seed: u64, (m, k, n): (usize, usize, usize), la: Layout, lb: Layout) {
    let a = laid_out(normal::<T>(seed, m, k).view(), la);
    let b = laid_out(normal::<T>(seed + 1, k, n).view(), lb);
    let (expected, size) = by_loops(a.view(), b.view());
    let got = product(a.view(), b.view());
    assert_eq!(got.dim(), (m, n));
    for ((at, &e), &size) in expected.indexed_iter().zip(&size) {
        // Rounding of a sum of k terms in any order is at most k units of Σ|ab|
        // (Higham, Accuracy and Stability, 3.5), and here nearer to its root.
        let tolerance = (4.0 + (k as f64).sqrt()) * T::epsilon().wide() * size;
        let error = (got[at].wide() - e).abs();
        assert!(error <= tolerance, "{m}×{k}×{n} {la:?} {lb:?} at {at:?}: {error} over {tolerance}");
    }
    // C ← C + A·B starts from what is there.
    let start = normal::<T>(seed + 2, m, n);
    let mut sum = laid_out(start.view(), la);
    accumulate(sum.view_mut(), a.view(), b.view());
    for ((at, &e), &size) in expected.indexed_iter().zip(&size) {
        let tolerance = (4.0 + (k as f64).sqrt()) * T::epsilon().wide() * (size + start[at].wide().abs());
        assert!((sum[at].wide() - e - start[at].wide()).abs() <= tolerance);
    }
}

/// The property the project's byte promise rests on.
fn check_same_bits<T: Scalar>(
    seed: u64,
    (m, k, n): (usize, usize, usize),
    (la, lb): (Layout, Layout),
    rows: (usize, usize),
    columns: (usize, usize),
) {
    let (a, b) = (normal::<T>(seed, m, k), normal::<T>(seed + 1, k, n));
    let whole = product(a.view(), b.view());
    let span = |(from, count): (usize, usize), all: usize| {
        let from = from % all;
        from..from + 1 + count % (all - from)
    };
    let (rows, columns) = (span(rows, m), span(columns, n));
    let part_a = laid_out(a.slice(s![rows.clone(), ..]), la);
    let part_b = laid_out(b.slice(s![.., columns.clone()]), lb);
    let part = product(part_a.view(), part_b.view());
    assert!(
        bits(part.view()) == bits(whole.slice(s![rows.clone(), columns.clone()])),
        "{} {m}×{k}×{n}: rows {rows:?}, columns {columns:?}, {la:?}, {lb:?}",
        T::DTYPE
    );
    // The mirrored product, as when the factor of fixed size is on the left.
    let mirrored = product(part_b.t(), part_a.t());
    assert!(
        bits(mirrored.t()) == bits(part.view()),
        "{} {m}×{k}×{n} mirrored: rows {rows:?}, columns {columns:?}, {la:?}, {lb:?}",
        T::DTYPE
    );
    // Into an array of any layout, on top of what is there.
    let start = normal::<T>(seed + 2, m, n);
    let mut whole = start.clone();
    accumulate(whole.view_mut(), a.view(), b.view());
    let mut part = laid_out(start.slice(s![rows.clone(), columns.clone()]), lb);
    accumulate(part.view_mut(), part_a.view(), part_b.view());
    assert!(bits(part.view()) == bits(whole.slice(s![rows, columns])), "{} accumulated", T::DTYPE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_agree_with_three_loops(seed in 0u64..1000, shape in shape(), la in layout(), lb in layout()) {
        check_against_loops::<f32>(seed, shape, la, lb);
        check_against_loops::<f64>(seed, shape, la, lb);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn entries_are_the_same_bits_in_any_block(
        seed in 0u64..1000,
        shape in shape(),
        layouts in (layout(), layout()),
        rows in (0usize..200, 0usize..200),
        columns in (0usize..200, 0usize..200),
    ) {
        check_same_bits::<f32>(seed, shape, layouts, rows, columns);
        check_same_bits::<f64>(seed, shape, layouts, rows, columns);
    }
}

/// From some size on another kernel may take rows times rows.
#[test]
fn large_products_are_the_same_bits_in_any_layout() {
    for (seed, shape) in
        [(1, (300, 700, 200)), (2, (128, 1024, 129)), (3, (131, 60, 513)), (4, (260, 3, 140))]
    {
        for layouts in [(Layout::Rows, Layout::Columns), (Layout::Columns, Layout::Rows)] {
            for (rows, columns) in [((0, shape.0 - 1), (0, shape.2 - 1)), ((1, 127), (0, shape.2 - 1))] {
                check_same_bits::<f32>(seed, shape, layouts, rows, columns);
                check_same_bits::<f64>(seed, shape, layouts, rows, columns);
            }
        }
        check_against_loops::<f32>(seed, shape, Layout::Rows, Layout::Columns);
        check_against_loops::<f64>(seed, shape, Layout::Rows, Layout::Columns);
    }
}

/// Of moments AᵀB, and of the lower triangle of AᵀA, every number is that of the product, whatever strips and threads it
/// was made in.
#[test]
fn moments_are_the_same_bits_as_products() {
    fn check<T: Scalar>(d: usize, n: usize, layout: Layout, threads: usize) {
        let a = laid_out(normal::<T>(5, n, d).view(), layout);
        let start = normal::<T>(6, d, d);
        let mut whole = start.clone();
        accumulate(whole.view_mut(), a.t(), a.view());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let moment = |lower| {
            let mut moment = start.clone();
            pool.install(|| accumulate_moment(moment.view_mut(), a.view(), a.view(), lower));
            moment
        };
        let name = format!("{} {n}×{d} {layout:?}", T::DTYPE);
        assert!(bits(moment(false).view()) == bits(whole.view()), "{name}");
        let below = |x: Array2<T>| {
            let on = x.indexed_iter().filter(|((i, j), _)| j <= i).map(|(_, v)| v.wide().to_bits());
            on.collect::<Vec<_>>()
        };
        assert!(below(moment(true)) == below(whole), "{name}: lower");
    }
    // Narrower than a strip, of several, and of one that is left over; sums of two terms and of several pieces.
    for (d, n) in [(1, 7), (30, 40), (131, 2), (300, 3), (260, 1030), (520, 33), (790, 20)] {
        for layout in LAYOUTS {
            check::<f32>(d, n, layout, 1);
            check::<f64>(d, n, layout, 3);
        }
    }
}

#[test]
fn every_row_alone_is_its_row_of_the_block() {
    // The widths of the project: narrow frames, images, many points.
    for (m, k, n) in [(256, 48, 12), (64, 784, 6), (33, 3072, 9), (17, 12, 48), (40, 513, 512), (16, 2, 5)] {
        fn check<T: Scalar>(m: usize, k: usize, n: usize) {
            let (a, b) = (normal::<T>(3, m, k), normal::<T>(4, k, n));
            let whole = product(a.view(), b.view());
            for i in 0..m {
                let alone = product(a.slice(s![i..i + 1, ..]), b.view());
                assert!(bits(alone.view()) == bits(whole.slice(s![i..i + 1, ..])), "{m}×{k}×{n}, row {i}");
            }
        }
        check::<f32>(m, k, n);
        check::<f64>(m, k, n);
    }
}

#[test]
fn empty_products() {
    for (m, k, n) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 0, 1)] {
        let c = product(Array2::<f64>::ones((m, k)).view(), Array2::<f64>::ones((k, n)).view());
        assert_eq!(c, Array2::<f64>::zeros((m, n)));
    }
}

#[test]
fn what_a_product_is_assigned_to_is_not_read() {
    for (m, k, n) in [(3, 0, 4), (5, 1, 4), (5, 2, 40), (1, 9, 7), (7, 9, 1), (40, 700, 30), (200, 1100, 150)]
    {
        let (a, b) = (normal::<f32>(1, m, k), normal::<f32>(2, k, n));
        let mut c = Array2::from_elem((m, n), f32::NAN);
        assign_product(c.view_mut(), a.view(), b.view());
        assert_eq!(c, product(a.view(), b.view()), "{m} x {k} x {n}");
    }
    // Of rows with rows, which have a kernel of their own, into a part of what there is.
    fn of_rows<T: Scalar>() {
        for (m, k, n) in [(200, 1100, 150), (512, 784, 256), (20, 784, 16)] {
            let (a, b) = (normal::<T>(1, m, k), normal::<T>(2, n, k));
            let mut c = Array2::from_elem((m + 5, n), T::nan());
            assign_product(c.slice_mut(s![..m, ..]), a.view(), b.t());
            assert_eq!(c.slice(s![..m, ..]), product(a.view(), b.t()), "{m} x {k} x {n}");
            assert!(c.slice(s![m.., ..]).iter().all(|v| v.is_nan()));
        }
    }
    of_rows::<f32>();
    of_rows::<f64>();
}

#[test]
fn sums_of_rows() {
    for n in [1, 7, 8, 9, 64, 1000] {
        let x = normal::<f32>(n as u64, 3, n);
        let (a, b) = (x.row(0), x.row(1));
        let pairs = || a.iter().zip(b).map(|(a, b)| (*a as f64, *b as f64));
        // Rounding of n additions in f64, whose terms are about 1.
        let tolerance = 1e-15 * n as f64;
        assert!((dot(a, b) - pairs().map(|(a, b)| a * b).sum::<f64>()).abs() <= tolerance);
        let distance: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
        assert!((squared_distance(a, b) - distance).abs() <= 2.0 * tolerance);
        assert_eq!(squared_norms(x.view())[2], dot(x.row(2), x.row(2)));
        // A column of numbers gives the same sum as a row.
        let columns = laid_out(x.view(), Layout::Columns);
        assert_eq!(dot(columns.row(0), columns.row(1)), dot(a, b));
    }
    // Differences lose no digits: a point a millionth away from a large one.
    let a = ndarray::arr1(&[1e8, -3e7, 5.0]);
    let b = &a + &ndarray::arr1(&[0.25, -0.5, 1e-3]);
    let exact: f64 = a.iter().zip(&b).map(|(a, b)| (b - a) * (b - a)).sum();
    assert_eq!(squared_distance(a.view(), b.view()), exact);
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// max |QᵀQ − I|.
fn skew(q: ArrayView2<f64>) -> f64 {
    largest(&(q.t().dot(&q) - Array2::<f64>::eye(q.ncols())))
}

/// Backward error of a factorization of size n: a few units of rounding for
/// every one of its dimensions; 1e-15·n is what LAPACK's tests (threshold 30)
/// amount to at these sizes.
fn backward(n: usize) -> f64 {
    1e-15 * (n as f64).max(20.0)
}

/// Large ones are reduced on all threads: as exact, the same bits on any number of them, and only from what is on and
/// below the diagonal. Eigenvalues that are equal three at a time, and half of them zero; in a unit beyond which squares are
/// too large.
#[test]
fn eigenvectors_of_large_symmetric_matrices() {
    let n = 1061;
    let known = Array1::from_shape_fn(n, |i| if i < n / 2 { 1e200 / (1 + i / 3) as f64 } else { 0.0 });
    let mut a = Array2::from_diag(&known);
    for u in normal::<f64>(8, 3, n).outer_iter() {
        // H A H for the reflection H = I − u uᵀ, ‖u‖² = 2: A − u wᵀ − w uᵀ.
        let u = &u * (2.0 / u.dot(&u)).sqrt();
        let image = a.dot(&u);
        let w = &image - &(&u * (0.5 * u.dot(&image)));
        a.indexed_iter_mut().for_each(|((i, j), a)| *a -= u[i] * w[j] + w[i] * u[j]);
    }
    let mut lower = a.clone();
    lower.indexed_iter_mut().filter(|((i, j), _)| j > i).for_each(|(_, v)| *v = 7.0);
    let eigen = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| symmetric_eigen(lower.view())).unwrap()
    };
    let (values, vectors) = eigen(1);
    for threads in [2, 5] {
        let (others, turned) = eigen(threads);
        assert!(values == others && bits(vectors.view()) == bits(turned.view()), "{threads} threads");
    }
    let unit = known[0];
    assert!((&values - &known).iter().all(|v| v.abs() <= backward(n) * unit));
    let residual = a.dot(&vectors) - &vectors * &values;
    assert!(largest(&residual) <= backward(n) * unit, "{:e}", largest(&residual) / unit);
    assert!(skew(vectors.view()) <= backward(n), "{:e}", skew(vectors.view()));
    // Signs as of small ones.
    let most = |v: ArrayView1<f64>| v.iter().fold(0.0f64, |m, &x| if x.abs() > m.abs() { x } else { m });
    assert!(vectors.columns().into_iter().all(|v| most(v) > 0.0));
    a[[3, 2]] = f64::NAN;
    assert!(symmetric_eigen(a.view()).is_err());
}

#[test]
fn eigenvalues_of_symmetric_matrices() {
    for n in [1, 2, 3, 10, 64, 200] {
        let g = normal::<f64>(n as u64, n, n);
        let a = &g + &g.t();
        let (values, vectors) = symmetric_eigen(a.view()).unwrap();
        let size = largest(&a) * n as f64;
        assert!(values.windows(2).into_iter().all(|w| w[0] >= w[1]), "largest first");
        assert!(skew(vectors.view()) < backward(n));
        let residual = a.dot(&vectors) - &vectors * &values;
        assert!(largest(&residual) < backward(n) * size, "{n}: {}", largest(&residual));
        for v in vectors.columns() {
            let top = v.iter().fold(0.0f64, |m, &x| if x.abs() > m.abs() { x } else { m });
            assert!(top > 0.0, "the largest entry of every eigenvector is positive");
        }
    }
    // A known spectrum, repeated values among it: the path graph's Laplacian
    // has 4 sin²(πk/2n).
    let n = 30;
    let path = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
        0 if i == 0 || i == n - 1 => 1.0,
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    });
    let (values, _) = symmetric_eigen(path.view()).unwrap();
    for (k, v) in values.iter().rev().enumerate() {
        let exact = 4.0 * (std::f64::consts::PI * k as f64 / (2 * n) as f64).sin().powi(2);
        assert!((v - exact).abs() < 4.0 * backward(n));
    }
    let (values, vectors) = symmetric_eigen((Array2::<f64>::eye(6) * 3.0).view()).unwrap();
    assert!(values.iter().all(|v| (v - 3.0).abs() < 1e-15) && skew(vectors.view()) < 1e-15);
}

#[test]
fn singular_values_and_vectors() {
    // Those of 128 and more are divided and conquered, those of 256 and more twice.
    let shapes = [
        (1, 1),
        (1, 5),
        (5, 1),
        (8, 8),
        (40, 12),
        (12, 40),
        (200, 48),
        (3, 100),
        (160, 150),
        (140, 400),
        (300, 300),
        (260, 400),
        (300, 700),
        (520, 600),
        (600, 520),
    ];
    for (m, n) in shapes {
        let a = normal::<f64>((m * n) as u64, m, n);
        let (u, values, v) = thin_svd(a.view()).unwrap();
        assert_eq!(right_svd(a.view()).unwrap(), (values.clone(), v.clone()), "to the bit");
        let p = m.min(n);
        assert_eq!((u.dim(), values.len(), v.dim()), ((m, p), p, (n, p)));
        assert!(values.windows(2).into_iter().all(|w| w[0] >= w[1]) && values[p - 1] >= 0.0);
        assert!(skew(u.view()) < backward(m.max(n)) && skew(v.view()) < backward(m.max(n)));
        let rebuilt = (&u * &values).dot(&v.t());
        assert!(largest(&(rebuilt - &a)) < backward(m.max(n)) * values[0]);
        let alone = singular_values(a.view()).unwrap();
        for (x, y) in alone.iter().zip(&values) {
            assert!((x - y).abs() < backward(m.max(n)) * values[0]);
        }
    }
    // Rank one: σ_1 = ‖u‖‖v‖, the others at rounding.
    let (u, v) = (normal::<f64>(1, 9, 1), normal::<f64>(2, 1, 7));
    let values = singular_values(u.dot(&v).view()).unwrap();
    let exact = (u.mapv(|v| v * v).sum() * v.mapv(|v| v * v).sum()).sqrt();
    assert!((values[0] - exact).abs() < 1e-14 * exact && values[1] < 1e-14 * exact);
}

#[test]
fn orthonormal_factors_have_positive_diagonals_and_nested_columns() {
    for (m, n) in [(1, 1), (6, 1), (6, 6), (48, 12), (500, 20), (300, 300)] {
        let a = normal::<f64>((m + n) as u64, m, n);
        let q = orthonormalize(a.view());
        assert_eq!(q.dim(), (m, n));
        assert!(skew(q.view()) < backward(m));
        let r = q.t().dot(&a);
        let scale = largest(&a) * (m as f64).sqrt();
        for j in 0..n {
            assert!(r[[j, j]] > 0.0, "positive diagonal");
            for i in j + 1..n {
                assert!(r[[i, j]].abs() < backward(m) * scale, "upper triangular");
            }
        }
        assert!(largest(&(q.dot(&r) - &a)) < backward(m) * scale);
        // More columns leave the first ones as they are: to rounding, whose
        // growth is the condition of the square matrices, here under 1e4.
        let fewer = orthonormalize(a.slice(s![.., ..n.div_ceil(2)]));
        let change = &fewer - &q.slice(s![.., ..n.div_ceil(2)]);
        assert!(largest(&change) < 1e4 * backward(m), "{m}×{n}: {}", largest(&change));
    }
}

/// By parts of columns as of the whole: Q and R are unique, so they differ by rounding times the condition, here under 10.
#[test]
fn orthonormal_rows_are_found_by_parts() {
    // Of two parts and of three, of columns that are no multiple, and so few that there are none.
    for (r, d) in [(1, 2500), (7, 3100), (40, 2049), (600, 2500), (5, 900), (5, 3), (0, 5000)] {
        let a = normal::<f64>((r + d) as u64, r, d);
        let (q, upper) = orthonormal_rows_by_parts(a.clone());
        let (whole, expected) = orthonormal_rows(a.clone());
        assert_eq!((q.dim(), upper.dim()), (whole.dim(), expected.dim()));
        let scale = (d as f64).sqrt();
        if r > 0 {
            assert!(skew(q.t()) < backward(d), "{r}×{d}: {}", skew(q.t()));
            assert!(largest(&(&q - &whole)) < 10.0 * backward(d), "{r}×{d}");
            assert!(largest(&(&upper - &expected)) < 10.0 * backward(d) * scale, "{r}×{d}");
            assert!(largest(&(upper.t().dot(&q) - &a)) < backward(d) * scale, "{r}×{d}");
        }
        let turn = normal::<f64>(9, q.nrows(), q.nrows());
        let mut turned = q.clone();
        turn_rows(turned.view_mut(), turn.view());
        assert_eq!(bits(turned.view()), bits(product(turn.view(), q.view()).view()));
    }
    // Rows that span fewer dimensions get an orthonormal basis of more.
    let mut a = normal::<f64>(3, 6, 2600);
    for i in 3..6 {
        let (from, mut to) = a.multi_slice_mut((s![i - 3, ..], s![i, ..]));
        to.assign(&from);
    }
    let (q, upper) = orthonormal_rows_by_parts(a.clone());
    assert!(skew(q.t()) < backward(2600), "{}", skew(q.t()));
    assert!(largest(&(upper.t().dot(&q) - &a)) < backward(2600) * 2600f64.sqrt());
}

#[test]
fn polar_factors_are_the_nearest_orthonormal_matrices() {
    for (m, n) in [(4, 1), (7, 7), (48, 6)] {
        let a = normal::<f64>((m + n) as u64, m, n);
        let q = polar(a.view()).unwrap();
        assert!(skew(q.view()) < backward(m));
        // A = QH with H = QᵀA symmetric and positive semi-definite, and Q H = A.
        let h = q.t().dot(&a);
        assert!(largest(&(&h - &h.t())) < backward(m) * largest(&a) * m as f64);
        assert!(largest(&(q.dot(&h) - &a)) < backward(m) * largest(&a) * m as f64);
        let (values, _) = symmetric_eigen(((&h + &h.t()) / 2.0).view()).unwrap();
        assert!(values[n - 1] > 0.0);
        // Of an orthonormal matrix it is the matrix itself.
        assert!(largest(&(polar(q.view()).unwrap() - &q)) < backward(m));
    }
}

#[test]
fn inverses_of_cholesky_factors_are_lower_and_whiten() {
    for n in [1, 2, 7, 90] {
        let x = normal::<f64>(n as u64, 2 * n, n);
        let a = x.t().dot(&x);
        // What is above the diagonal is not read.
        let mut lower = a.clone();
        lower.indexed_iter_mut().filter(|((i, j), _)| j > i).for_each(|(_, v)| *v = f64::from(7));
        let inverse = inverse_cholesky(lower.view()).unwrap();
        assert!(inverse.indexed_iter().all(|((i, j), v)| j <= i || *v == 0.0));
        assert!(inverse.diag().iter().all(|v| *v > 0.0));
        // L⁻¹ A L⁻ᵀ = I, but for rounding times A's condition, about 34 for so many numbers.
        let whitened = inverse.dot(&a).dot(&inverse.t());
        assert!(largest(&(whitened - Array2::<f64>::eye(n))) < 100.0 * backward(2 * n));
    }
    let indefinite = ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]);
    assert!(inverse_cholesky(indefinite.view()).is_none());
    assert!(inverse_cholesky(ndarray::arr2(&[[f64::NAN]]).view()).is_none());
    assert!(inverse_cholesky(ndarray::arr2(&[[f64::INFINITY]]).view()).is_none());
}

/// (n, d) rows of rank `rank` with singular values from 1 down to `low`.
fn of_rank(seed: u64, n: usize, d: usize, rank: usize, low: f64) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
    let u = orthonormalize(normal::<f64>(seed, n, rank).view());
    let v = orthonormalize(normal::<f64>(seed + 1, d, rank).view());
    let values: Vec<f64> = (0..rank).map(|i| low.powf(i as f64 / (rank.max(2) - 1) as f64)).collect();
    let scaled = &u * &ndarray::arr1(&values);
    (scaled.dot(&v.t()), v, values)
}

#[test]
fn leading_right_vectors_of_every_branch() {
    // (n, d): by SVD (small), by the Gram matrix of columns (tall), by that of
    // rows (wide).
    for (branch, n, d) in
        [("svd", 30, 48), ("svd", 150, 48), ("columns", 900, 48), ("columns", 600, 550), ("rows", 60, 700)]
    {
        let (x, v, values) = of_rank(n as u64, n, d, 12, 0.05);
        let (found, energies) = leading_right_vectors(x.view(), 5).unwrap();
        assert_eq!((found.dim(), energies.len()), ((d, 5), 5), "{branch}");
        assert!(skew(found.view()) < backward(d), "{branch}: {}", skew(found.view()));
        for i in 0..5 {
            // Through a Gram matrix values squared carry rounding of the
            // largest: 1e-15 · dimension.
            assert!((energies[i] - values[i] * values[i]).abs() < 4.0 * backward(n.max(d)), "{branch}");
            // Vectors turn by that over the gap of squared values, over 0.04 here.
            let cosine = found.column(i).dot(&v.column(i)).abs();
            assert!((1.0 - cosine).abs() < 1e-12, "{branch} {i}: {cosine}");
        }
        // The data hold 12 directions, so 20 cannot be had.
        let (found, energies) = leading_right_vectors(x.view(), 20).unwrap();
        assert_eq!((found.ncols(), energies.len()), (12, 12), "{branch} {n}×{d}");
        assert!(skew(found.view()) < backward(d), "{branch}");
        let left = &x - &x.dot(&found).dot(&found.t());
        // The smallest is found to 1e-15/0.05², its square's relative rounding.
        assert!(largest(&left) < 1e-12, "{branch}: {}", largest(&left));
    }
    let nothing = leading_right_vectors(Array2::zeros((7, 5)).view(), 3).unwrap();
    assert_eq!((nothing.0.dim(), nothing.1.len()), ((5, 0), 0));
    let nothing = leading_right_vectors(Array2::zeros((0, 5)).view(), 3).unwrap();
    assert_eq!(nothing.0.dim(), (5, 0));
}

#[test]
fn exactly_low_rank_data_have_their_rank_at_any_size() {
    // Noise-free data are what the phase figure runs on: rounding must not pass
    // for a direction.
    for (n, d, rank) in
        [(5, 48, 3), (48, 48, 6), (1000, 48, 6), (5000, 48, 6), (3000, 300, 10), (700, 1000, 4)]
    {
        let coefficients = normal::<f64>(9, n, rank);
        let basis = orthonormalize(normal::<f64>(10, d, rank).view());
        let x = product(coefficients.view(), basis.t());
        let (found, _) = leading_right_vectors(x.view(), rank + 4).unwrap();
        assert_eq!(found.ncols(), rank, "{n}×{d}");
        // Rows stored in f32 have noise of 6e-8 of their size: real directions
        // that only a threshold can refuse. At 1e-14 of the energy it does.
        let stored = cast::<f32, f64>(cast::<f64, f32>(x.view()).view());
        let (found, energies) = leading_right_vectors(stored.view(), rank).unwrap();
        assert_eq!(found.ncols(), rank);
        assert!(energies[rank - 1] > 1e-3 * energies[0]);
        let inside = basis.t().dot(&found);
        assert!((inside.mapv(|v| v * v).sum() - rank as f64).abs() < 1e-10, "{n}×{d} in f32");
    }
}

#[test]
fn completed_bases() {
    let d = 20;
    let frame = orthonormalize(normal::<f64>(1, d, 12).view());
    let basis = frame.slice(s![.., ..3]);
    // What is to be avoided need not be orthogonal to the basis.
    let avoid = orthonormalize((&frame.slice(s![.., 3..8]) + &frame.slice(s![.., ..1]) * 0.3).view());
    for r in [3, 4, 9, 15] {
        let avoid = if r == 15 { avoid.slice(s![.., ..0]) } else { avoid.view() };
        let mut rng = row_rng(5, Purpose::Completion, 0);
        let full = complete_basis(basis, r, avoid, &mut rng);
        assert_eq!(full.dim(), (d, r));
        assert_eq!(full.slice(s![.., ..3]), basis, "what is known stays");
        assert!(skew(full.view()) < backward(d));
        let fresh = full.slice(s![.., 3..]);
        assert!(largest(&avoid.t().dot(&fresh)) < backward(d));
        // The same seed gives the same directions, whatever the rank.
        let mut rng = row_rng(5, Purpose::Completion, 0);
        assert_eq!(complete_basis(basis, r, avoid, &mut rng), full);
    }
    // All of the space, and nothing missing.
    let mut rng = row_rng(5, Purpose::Completion, 1);
    let full = complete_basis(basis, d, frame.slice(s![.., ..0]), &mut rng);
    assert!(skew(full.view()) < backward(d));
    assert_eq!(complete_basis(basis, 2, frame.slice(s![.., ..0]), &mut rng), basis);
    // Isotropic: the mean projector of random completions of nothing is r/d·I.
    let (r, trials) = (2, 2000);
    let mut mean = Array2::<f64>::zeros((5, 5));
    for t in 0..trials {
        let mut rng = row_rng(6, Purpose::Completion, t);
        let u = complete_basis(Array2::zeros((5, 0)).view(), r, Array2::zeros((5, 0)).view(), &mut rng);
        mean += &(u.dot(&u.t()) / trials as f64);
    }
    // Entries of a projector vary by less than ½, so five standard errors are 5·½/√2000.
    assert!(largest(&(mean - Array2::<f64>::eye(5) * 0.4)) < 2.5 / (trials as f64).sqrt());
}

#[test]
fn casts() {
    let x = normal::<f64>(1, 4, 5);
    let narrow: Array2<f32> = cast(x.view());
    for (a, b) in narrow.iter().zip(&x) {
        assert_eq!(*a, *b as f32);
    }
    assert_eq!(cast::<f32, f64>(narrow.view()), narrow.mapv(f64::from));
    let both = concatenate![Axis(0), x, x];
    assert_eq!(cast::<f64, f64>(both.view()), both);
}

#[test]
fn equal_rows_do_not_vary_however_far_from_0() {
    let row = normal::<f64>(3, 1, 7) + 1e5;
    let mut same = concatenate(Axis(0), &vec![row.view(); 300]).unwrap();
    assert!(!varies(same.view()) && !varies(Array2::zeros((5, 3)).view()));
    same[[299, 4]] *= 1.0 + 1e-12;
    assert!(varies(same.view()));
}

#[test]
fn the_first_of_equals_is_the_largest() {
    assert_eq!(argmax([-3.0, 2.5, -1.0, 2.5]), 1);
    assert_eq!(argmax([f64::NEG_INFINITY, -7.0]), 1);
    assert_eq!(argmax([]), 0);
}

#[test]
fn a_binary_unit_brings_numbers_to_one() {
    for number in [0.3, 1.0, 7.9, 1e80, 1e-80, 1e308] {
        let scaled = number * binary_unit(number);
        assert!((1.0..2.0).contains(&scaled) && scaled / binary_unit(number) == number, "{number}: {scaled}");
    }
    assert_eq!(binary_unit(0.0), 1.0);
}
