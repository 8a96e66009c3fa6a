//! Intrinsic dimensions, against formulas written out, published estimators on known manifolds, and models whose
//! dimension is known.

use molrg::measure::dimension::{Local, Wanted, components, nearest, of_model, two_nearest};

use super::*;

fn cube(seed: u64, n: usize, d: usize) -> Array2<f64> {
    // Φ of normal numbers.
    normal::<f64>(seed, n, d).mapv(|v| 0.5 * statrs::function::erf::erfc(-v / 2f64.sqrt()))
}

fn searched(x: &Array2<f64>) -> Searched<f64> {
    Searched::checked(x.clone()).unwrap()
}

/// All distances of a row to others, smallest first.
fn distances(x: &Array2<f64>, i: usize) -> Vec<f64> {
    let others = (0..x.nrows()).filter(|&j| j != i);
    let mut all: Vec<f64> = others.map(|j| squared_distance(x.row(i), x.row(j)).sqrt()).collect();
    all.sort_by(f64::total_cmp);
    all
}

#[test]
fn estimates_are_their_formulas_over_all_distances() {
    let x = normal::<f64>(1, 150, 4).dot(&normal::<f64>(2, 4, 9)) + 30.0;
    for k in [2, 7] {
        let (mut near, mut far) = (0.0, 0.0);
        for i in 0..150 {
            let all = distances(&x, i);
            let inverse =
                |k: usize| all[..k - 1].iter().map(|t| (all[k - 1] / t).ln()).sum::<f64>() / (k - 1) as f64;
            near += inverse(k) / 150.0;
            far += inverse(2 * k) / 150.0;
        }
        let found = nearest(&searched(&x), k).unwrap();
        // Sums of 150 numbers.
        assert!((found.dimension * near - 1.0).abs() < 1e-12);
        assert!((found.coarser.unwrap() * far - 1.0).abs() < 1e-12);
        assert_eq!(found.at_others, 0);
    }
    let mut ratios: Vec<f64> = (0..150).map(|i| distances(&x, i)).map(|all| all[1] / all[0]).collect();
    ratios.sort_by(f64::total_cmp);
    let points = (0..135).map(|i| (ratios[i].ln(), -(1.0 - (i + 1) as f64 / 150.0).ln()));
    let (xy, xx) = points.fold((0.0, 0.0), |(a, b), (x, y)| (a + x * y, b + x * x));
    let found = two_nearest(&searched(&x)).unwrap();
    assert!((found.dimension * xx / xy - 1.0).abs() < 1e-11);
    // The participation ratio by singular values.
    let centred = &x - &x.mean_axis(Axis(0)).unwrap();
    let (_, s, _) = molrg::linalg::thin_svd(centred.view()).unwrap();
    let squares = s.mapv(|s| s * s);
    let expected = squares.sum().powi(2) / squares.dot(&squares);
    assert!((components(x.view()).unwrap().0 / expected - 1.0).abs() < 1e-11);
}

/// Subspaces, a swiss roll, a sphere, and a cube whose border takes dimensions off: what scikit-dimension (MLE with
/// inverses averaged, TwoNN) finds on such is within a few standard errors of the dimension up to about 2 log₁₀ N.
#[test]
fn known_manifolds() {
    let n = 1000;
    let roll = || {
        let u = cube(4, n, 2);
        let angle = u.column(0).mapv(|u| 1.5 * std::f64::consts::PI * (1.0 + 2.0 * u));
        let columns = [&angle * &angle.mapv(f64::cos), 21.0 * &u.column(1), &angle * &angle.mapv(f64::sin)];
        let columns: Vec<_> = columns.iter().map(|c: &Array1<f64>| c.view().insert_axis(Axis(1))).collect();
        concatenate(Axis(1), &columns).unwrap()
    };
    let sphere = || {
        let x = normal::<f64>(5, n, 4);
        let norms = x.outer_iter().map(|x| x.dot(&x).sqrt()).collect::<Array1<f64>>();
        x / &norms.insert_axis(Axis(1))
    };
    let subspace = |r| normal::<f64>(6, n, r).dot(&normal::<f64>(7, r, 30));
    for (name, x, dimension) in [
        ("a line", subspace(1), 1.0),
        ("a subspace", subspace(5), 5.0),
        ("a swiss roll", roll(), 2.0),
        ("a sphere", sphere(), 3.0),
    ] {
        let (ten, two) = (nearest(&searched(&x), 10).unwrap(), two_nearest(&searched(&x)).unwrap());
        for found in [ten, two] {
            let error = found.std_error.unwrap();
            // Four standard errors, and the bias of a Gaussian's tails and of curvature.
            let off = (found.dimension - dimension).abs();
            assert!(off < 4.0 * error + 0.04 * dimension, "{name}: {found:?}");
        }
    }
    // Most of a cube of ten dimensions is its border: by 2000 rows 8.4 are left; by more it is nearer to ten.
    let [few, many] = [200, 1500].map(|n| nearest(&searched(&cube(8, n, 10)), 10).unwrap().dimension);
    assert!(few < many && (6.0..8.0).contains(&few) && (7.8..8.8).contains(&many), "{few} {many}");
}

/// The deviation of many draws is what a draw says of itself.
#[test]
fn errors_are_those_of_repeated_draws() {
    let mut found = [[Mean::default(); 2]; 3];
    let scales = arr1(&[3.0, 2.0, 1.0, 0.5]);
    for seed in 0..40 {
        let x = normal::<f64>(100 + seed, 400, 4) * &scales;
        let x_searched = searched(&x);
        let [ten, two] = [nearest(&x_searched, 10).unwrap(), two_nearest(&x_searched).unwrap()];
        let (flat, error) = components(x.view()).unwrap();
        let values = [
            (ten.dimension, ten.std_error.unwrap()),
            (two.dimension, two.std_error.unwrap()),
            (flat, error.unwrap()),
        ];
        for (means, (value, error)) in found.iter_mut().zip(values) {
            means[0].add(value);
            means[1].add(error);
        }
    }
    for [values, errors] in found {
        let deviation = values.variance().sqrt();
        // Of 40 draws a deviation is known to 11 %.
        assert!((errors.mean / deviation - 1.0).abs() < 0.35, "{deviation} {errors:?}");
    }
    // Σ λ = 14.25, Σ λ² = 98.06.
    let expected = 14.25 * 14.25 / 98.0625;
    let flat = found[2][0];
    // And a bias of n⁻¹.
    assert!((flat.mean - expected).abs() < 4.0 * flat.std_error() + 0.02, "{flat:?} {expected}");
}

/// Of nearest rows the error is that of repeated draws for few and many rows and neighbours: without what neighbours share
/// it would be .79 of it, with products of neighbours' deviations, which count a density's slope again, 1.2 to 1.4 for
/// twenty neighbours.
#[test]
fn errors_of_nearest_rows_are_those_of_repeated_draws() {
    let mut squares = Mean::default();
    for (case, (n, k, d)) in [(200, 5, 2), (300, 20, 5), (500, 10, 8), (400, 20, 3)].into_iter().enumerate() {
        let (mut values, mut errors) = (Mean::default(), Mean::default());
        for draw in 0..60 {
            let found = nearest(&searched(&normal::<f64>(1000 * case as u64 + draw, n, d)), k).unwrap();
            values.add(found.dimension);
            errors.add(found.std_error.unwrap().powi(2));
        }
        let ratio = errors.mean / values.variance();
        // A variance of 60 draws is known to 18 %; in ten dimensions neighbours share less, a quarter of it.
        assert!((0.5..1.9).contains(&ratio), "{n} {k} {d}: {ratio}");
        squares.add(1.0 / ratio);
    }
    // Of 240 draws to 9 %, a deviation to 5 %: three errors.
    let ratio = squares.mean.recip().sqrt();
    assert!((ratio - 1.0).abs() < 0.14, "{ratio}");
}

/// Where 1/m is said by rows of several dimensions it varies more than its law for one lets it, by what their
/// dimensions alone vary by, and does not where a manifold is curved, has a border, heavy tails or parts of other scale.
#[test]
fn rows_of_several_dimensions_vary_more() {
    let n = 1000;
    let subspace = |seed, r| normal::<f64>(seed, n / 2, r).dot(&normal::<f64>(seed + 1, r, 20));
    for (one, other) in [(2, 10), (2, 4)] {
        let x = concatenate![Axis(0), subspace(20, one), subspace(22, other) + 50.0];
        let found = nearest(&searched(&x), 10).unwrap().uneven.unwrap();
        // Of 1/m: halves of p and q vary about their mean by (p − q)/2, and rows by 1/(k − 1) of their own, whose
        // share is above that of the mean. A Gaussian of ten dimensions has 9 by 500 rows.
        let (p, q) = (1.0 / one as f64, 1.0 / if other == 10 { 9.0 } else { other as f64 });
        let apart = ((p - q) / (p + q)).powi(2) * (1.0 + 1.0 / 9.0);
        assert!((found.excess - apart).abs() < 4.0 * found.std_error, "{found:?} {apart}");
        assert!(found.excess > 0.1 && found.excess > 4.0 * found.std_error, "{found:?}");
    }
    let sphere = {
        let x = normal::<f64>(30, n, 4);
        let norms = x.outer_iter().map(|x| x.dot(&x).sqrt()).collect::<Array1<f64>>();
        x / &norms.insert_axis(Axis(1))
    };
    let scales = concatenate![Axis(0), subspace(31, 4), 0.01 * subspace(33, 4) + 50.0];
    // By the two nearest, halves of 2 and 10 vary by .89, less as a Gaussian of ten dimensions has 9.
    let both = concatenate![Axis(0), subspace(20, 2), subspace(22, 10) + 50.0];
    let found = two_nearest(&searched(&both)).unwrap().uneven.unwrap();
    assert!(found.excess > 0.5 && found.excess > 4.0 * found.std_error, "{found:?}");
    for (name, x) in [
        ("a subspace", subspace(35, 5)),
        ("a line", subspace(43, 1)),
        ("a cube", cube(37, n, 10)),
        ("a sphere", sphere),
        ("two scales", scales),
        ("heavy tails", normal::<f64>(38, n, 5).mapv(f64::exp)),
        ("many", normal::<f64>(44, n, 20)),
        ("noise", subspace(39, 3) + 0.1 * normal::<f64>(41, n / 2, 20)),
    ] {
        for k in [2, 5, 10, 30] {
            let x = searched(&x);
            let found = if k == 2 { two_nearest(&x) } else { nearest(&x, k) }.unwrap().uneven.unwrap();
            assert!(found.excess < 0.1f64.max(4.0 * found.std_error), "{name}, {k}: {found:?}");
        }
    }
}

/// Rows on others, on a lattice, too few.
#[test]
fn what_has_no_dimension() {
    let x = normal::<f64>(9, 40, 3);
    let twice = concatenate![Axis(0), x, x];
    assert!(nearest(&searched(&twice), 2).unwrap_err().to_string().contains("80 of 80 rows lie on others"));
    let lattice = Array2::from_shape_fn((30, 1), |(i, _)| i as f64);
    assert!(two_nearest(&searched(&lattice)).unwrap_err().to_string().contains("equally far"));
    let corners = Array2::<f64>::eye(6);
    assert!(nearest(&searched(&corners), 3).unwrap_err().to_string().contains("equally far"));
    assert!(nearest(&searched(&x), 40).unwrap_err().to_string().contains("40 rows, where each needs 40"));
    assert!(components(Array2::<f64>::ones((5, 2)).view()).unwrap_err().to_string().contains("equal"));
}

const ALL: Wanted = Wanted { jacobian: true, density: true, normals: true };

/// Of one subspace: J has r singular values λ/(λ + σ²), and at x on it the rest of x is σ²/(λ + σ²) of it.
#[test]
fn models_of_subspaces() {
    let (d, r) = (12, 3);
    let basis = molrg::linalg::orthonormalize(normal::<f64>(10, d, r).view());
    let one = MixtureDenoiser::new(Mixture::of_bases(vec![basis.clone()]));
    let x = basis.dot(&arr1(&[1.0, -0.5, 2.0]));
    for sigma in [1e-3, 0.1] {
        let found = of_model(&one, x.view(), 0, sigma, ALL, 1).unwrap();
        let share = 1.0 / (1.0 + sigma * sigma);
        let expected = r as f64 * share + 5.25 * sigma * sigma * share * share;
        assert_eq!((found.jacobian, found.normals), (3.0, 3.0), "σ {sigma}");
        assert!((found.density - expected).abs() < 1e-10, "σ {sigma}: {found:?}");
    }
    // Noise larger than all.
    let found = of_model(&one, x.view(), 0, 50.0, ALL, 1).unwrap();
    assert_eq!((found.jacobian, found.normals), (0.0, 0.0));
    // Two subspaces meet nowhere but at 0: at a row of either, its own dimension.
    let other = molrg::linalg::orthonormalize(normal::<f64>(11, d, 5).view());
    let two = MixtureDenoiser::new(Mixture::of_bases(vec![basis, other.clone()]));
    let y = other.dot(&arr1(&[1.0, -0.5, 2.0, 0.3, 1.0]));
    for (x, r) in [(x, 3.0), (y, 5.0)] {
        let found = of_model(&two, x.view(), 0, 0.01, ALL, 1).unwrap();
        assert_eq!((found.jacobian, found.normals), (r, r));
        assert!((found.density - r).abs() < 0.01, "{found:?}");
    }
}

/// What has memorized its rows has dimension 0 below their distances. By products it is the same as in closed form, and
/// the slope of the log-density is that of its differences.
#[test]
fn models_of_finite_sets() {
    let data = normal::<f64>(12, 30, 5);
    let set = EmpiricalDenoiser::new(data.clone());
    let found = of_model(&set, data.row(3), 0, 0.05, ALL, 1).unwrap();
    assert_eq!((found.jacobian, found.normals), (0.0, 0.0));
    assert!(found.density.abs() < 1e-6);
    let log_density = |x: &Array1<f64>, sigma: f64| {
        let terms = data.outer_iter().map(|t| (-0.5 * squared_distance(x.view(), t) / (sigma * sigma)).exp());
        (terms.sum::<f64>()).ln() - 5.0 * sigma.ln()
    };
    let x = normal::<f64>(13, 1, 5).row(0).to_owned();
    let sigma: f64 = 0.8;
    let h = 1e-4_f64;
    let slope = (log_density(&x, sigma * h.exp()) - log_density(&x, sigma * (-h).exp())) / (2.0 * h);
    let found: Local = of_model(&set, x.view(), 0, sigma, ALL, 1).unwrap();
    // Differences have an error of h².
    assert!((found.density - (5.0 + slope)).abs() < 1e-6, "{found:?} {slope}");
    let values = molrg::linalg::singular_values(set.jacobian(x.view(), sigma).unwrap().view()).unwrap();
    assert_eq!(found.jacobian, values.iter().filter(|v| **v > 0.5).count() as f64);
}
