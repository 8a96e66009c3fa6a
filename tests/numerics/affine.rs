//! The affine map nearest to a denoiser, and affine denoisers.

use molrg::denoiser::{Affine, AffineDenoiser, Denoiser, Differentiable, EmpiricalDenoiser, MixtureDenoiser};
use molrg::fit::affine::{AffineFit, Regression, relative_square, wiener_filter};
use molrg::fit::pca::Moments;
use molrg::linalg::divide_by_symmetric;
use molrg::mixture::{Design, Mixture, Sampler};
use molrg::random::{Purpose, normal_rows};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

fn normal(seed: u64, rows: u64, width: usize) -> Array2<f64> {
    normal_rows(seed, Purpose::Noise, 0..rows, width)
}

fn draws(mixture: &Mixture, seed: u64, rows: u64) -> Array2<f64> {
    Sampler::<f64>::new(mixture, seed, false).draw(0..rows).0
}

/// The fit to what the denoiser makes of these rows with noise, which it returns too.
fn distilled(denoiser: &dyn Denoiser<f64>, rows: &Array2<f64>, sigma: f64) -> (AffineFit, Array2<f64>) {
    let x = rows + &(normal(77, rows.nrows() as u64, rows.ncols()) * sigma);
    let y = denoiser.denoise(x.view(), sigma).unwrap();
    let mut regression = Regression::new(y.row(0).to_owned()).unwrap();
    regression.add(x.view(), y.view());
    (regression.fit().unwrap(), x)
}

/// Σ of rows (divisor N), by its definition.
fn covariance(rows: &Array2<f64>) -> Array2<f64> {
    let centred = rows - &rows.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / rows.nrows() as f64
}

fn nmse(fit: &AffineFit, covariance: ArrayView2<f64>, sigma: f64) -> f64 {
    relative_square(fit.weight.view(), wiener_filter(covariance, sigma).unwrap().view()).unwrap()
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn division_by_a_symmetric_matrix_undoes_the_product() {
    let root = normal(1, 30, 17);
    let a = root.t().dot(&root);
    let expected = normal(2, 5, 17);
    let mut b = expected.dot(&a);
    let pivot = divide_by_symmetric(&mut b, a.view()).unwrap();
    // 30 rows for 17 columns: a condition below 1e3.
    assert!(largest(&(&b - &expected)) < 1e-12);
    // The least pivot's share is 1 − R² of that column on those before it, of the residual sum of squares.
    let shares = (0..17).map(|i| {
        let mut coefficients = root.slice(s![.., ..i]).t().dot(&root.column(i)).insert_axis(Axis(0));
        let target = root.column(i);
        if i > 0 {
            let before = root.slice(s![.., ..i]);
            divide_by_symmetric(&mut coefficients, before.t().dot(&before).view()).unwrap();
            let left = &target - &before.dot(&coefficients.row(0));
            left.dot(&left) / target.dot(&target)
        } else {
            1.0
        }
    });
    let least = shares.fold(1.0, f64::min);
    assert!((pivot / least - 1.0).abs() < 1e-10, "{pivot} is not {least}");
    // Singular, and not positive: untouched.
    let before = b.clone();
    assert_eq!(divide_by_symmetric(&mut b, (-&a).view()).unwrap(), 0.0);
    assert_eq!(b, before);
    assert!(divide_by_symmetric(&mut b, (a * f64::NAN).view()).is_err());
}

/// The denoiser of one Gaussian is affine, so that any rows give it back, whatever their law.
#[test]
fn a_gaussian_is_distilled_to_its_wiener_filter_by_any_rows() {
    let data = normal(3, 90, 3).dot(&normal(4, 3, 12)) + &(normal(5, 90, 12) * 0.2) + 40.0;
    let mut moments = Moments::new(12).unwrap();
    moments.add(data.view());
    let gaussian = moments.gaussian(None).unwrap();
    let (mean, denoiser) = (gaussian.mean(), MixtureDenoiser::<f64>::new(gaussian));
    for sigma in [0.01, 0.5, 80.0] {
        let rows = normal(6, 200, 12).mapv(f64::exp) + 30.0;
        let (fit, _) = distilled(&denoiser, &rows, sigma);
        let filter = wiener_filter(covariance(&data).view(), sigma).unwrap();
        // Covariances have 1e-16 of the largest variance, which division magnifies by their condition: up to 1e4 where
        // the law of the rows is wide.
        assert!(
            largest(&(&fit.weight - &filter)) < 1e-10,
            "σ {sigma}: {}",
            largest(&(&fit.weight - &filter))
        );
        let bias = &mean - &filter.dot(&mean);
        assert!((&fit.bias - &bias).iter().all(|e| e.abs() < 1e-8), "σ {sigma}");
        assert!(fit.residual < 1e-12 * fit.variance, "σ {sigma}: {} of {}", fit.residual, fit.variance);
    }
}

/// Whatever the law: W less the Wiener filter is (1/n) Σ e (x − μ)ᵀ C⁻¹, e = D − W x − b, C = Cov(x, x), since e and x are
/// not correlated; so its expected square is (1/n) E‖e‖² (x − μ)ᵀC⁻²(x − μ). It is a sum of d² numbers, of which most
/// are independent, and comes out within a factor of 1.5.
#[test]
fn a_posterior_mean_on_its_own_law_is_distilled_to_the_wiener_filter() {
    let rows = 6_000;
    let general = Design { mean_norm: 1.5, noise_std: 0.3, ..Design::molrg(24, 4, 3) }.plant(4).unwrap();
    let proper = Design::molrg(48, 7, 2).plant(5).unwrap();
    let set = draws(&proper, 6, 20);
    let pick: Vec<usize> = (0..rows as usize).map(|i| (i * 7) % 20).collect();
    let own = |mixture: &Mixture| draws(mixture, 8, rows);
    let second = |mixture: &Mixture| {
        let mean = mixture.mean();
        let mut sum = Array2::<f64>::zeros((mean.len(), mean.len()));
        for c in &mixture.components {
            let off = &Array2::<f64>::eye(mean.len()) - &c.basis.dot(&c.basis.t());
            let on = (&c.basis * &c.variances).dot(&c.basis.t());
            let moved = (&c.mean - &mean).insert_axis(Axis(1));
            sum += &((on + off * c.noise_variance + moved.dot(&moved.t())) * c.weight);
        }
        sum
    };
    type Case = (&'static str, Box<dyn Denoiser<f64>>, Array2<f64>, Array2<f64>);
    let cases: [Case; 3] = [
        (
            "mixture with means",
            Box::new(MixtureDenoiser::new(general.clone())),
            own(&general),
            second(&general),
        ),
        ("MoLRG", Box::new(MixtureDenoiser::new(proper.clone())), own(&proper), second(&proper)),
        // Every row equally often: the law of the set itself.
        (
            "finite set",
            Box::new(EmpiricalDenoiser::new(set.clone())),
            set.select(Axis(0), &pick),
            covariance(&set),
        ),
    ];
    for (name, denoiser, data, covariance) in &cases {
        for sigma in [0.1, 0.5, 2.0] {
            let (fit, x) = distilled(denoiser.as_ref(), data, sigma);
            let got = nmse(&fit, covariance.view(), sigma);
            let d = x.ncols();
            let e = denoiser.denoise(x.view(), sigma).unwrap() - x.dot(&fit.weight.t()) - &fit.bias;
            let noisy = covariance + &(Array2::<f64>::eye(d) * (sigma * sigma));
            let mut whitened = &x - &x.mean_axis(Axis(0)).unwrap();
            divide_by_symmetric(&mut whitened, noisy.view()).unwrap();
            let squares = |rows: &Array2<f64>| (rows * rows).sum_axis(Axis(1));
            let filter = wiener_filter(covariance.view(), sigma).unwrap();
            let size = (&filter * &filter).sum();
            let n = rows as f64;
            let expected = (&squares(&e) * &squares(&whitened)).sum() / n / n / size;
            assert!((got / expected - 1.0).abs() < 0.5, "{name}, σ {sigma}: {got}, not about {expected}");
            // That is 0.8 d/n and less, but 1.2 d/n of the finite set at σ = 0.5.
            assert!(got < 1.4 * d as f64 / n, "{name}, σ {sigma}: {got}, where d/n is {}", d as f64 / n);
            // The residual is what is left on these very rows.
            let left = squares(&e).sum() / n;
            assert!(
                (fit.residual / left - 1.0).abs() < 1e-9,
                "{name}, σ {sigma}: {} is not {left}",
                fit.residual
            );
        }
    }
}

/// A set of 20, 60 and 200 rows of MoLRG (d = 24, r = 4, K = 2) on rows that it does not hold: ‖W − F‖²/‖F‖², F the Wiener
/// filter of the set, mean and standard deviation over eight sets of 20 000 rows, by NumPy.
#[test]
fn what_memorized_is_no_wiener_filter_on_rows_held_out() {
    let mixture = Design::molrg(24, 4, 2).plant(11).unwrap();
    let held_out = draws(&mixture, 12, 20_000);
    for (rows, sigma, mean, std) in [
        (20, 0.1, 0.2529, 0.0235),
        (20, 0.5, 0.1073, 0.0257),
        (60, 0.1, 0.1169, 0.0147),
        (60, 0.5, 0.0409, 0.0054),
        (200, 0.1, 0.0466, 0.0035),
        (200, 0.5, 0.0114, 0.0010),
    ] {
        let set = draws(&mixture, 13, rows);
        let denoiser = EmpiricalDenoiser::new(set.clone());
        let (fit, _) = distilled(&denoiser, &held_out, sigma);
        let got = nmse(&fit, covariance(&set).view(), sigma);
        // Four standard deviations of a set, that of NumPy's mean included.
        assert!((got - mean).abs() < 4.0 * std * 1.06, "{rows} rows, σ {sigma}: {got}, not {mean} ± {std}");
    }
}

#[test]
fn pairs_give_the_same_bytes_in_blocks_of_any_size() {
    let (x, y) = (normal(1, 1300, 9), normal(2, 1300, 9) + 5.0);
    let fit = |cuts: &[usize]| {
        let mut regression = Regression::new(y.row(0).to_owned()).unwrap();
        for cut in cuts.windows(2) {
            let rows = s![cut[0]..cut[1], ..];
            regression.add(x.slice(rows), y.slice(rows));
        }
        let fit = regression.fit().unwrap();
        assert_eq!(fit.pairs, 1300);
        (fit.weight, fit.bias, fit.residual, fit.variance)
    };
    let whole = fit(&[0, 1300]);
    assert_eq!(fit(&[0, 1, 500, 513, 1024, 1025, 1299, 1300]), whole);
    assert_eq!(fit(&(0..=1300).collect::<Vec<_>>()), whole);
}

#[test]
fn rows_that_do_not_determine_a_map_are_refused() {
    let fit = |x: &Array2<f64>| {
        let mut regression = Regression::new(Array1::zeros(x.ncols())).unwrap();
        regression.add(x.view(), x.view());
        regression.fit()
    };
    let said = fit(&normal(1, 6, 6)).err().unwrap().to_string();
    assert!(
        said.contains("6 rows with noise do not determine an affine map of 6 dimensions; give at least 7"),
        "{said}"
    );
    assert!(fit(&normal(1, 7, 6)).is_ok());
    // The last coordinate is the sum of the others, but for rounding.
    let five = normal(1, 100, 5);
    let sum = five.sum_axis(Axis(1)).insert_axis(Axis(1));
    let flat = concatenate![Axis(1), five, sum];
    let said = fit(&flat).err().unwrap().to_string();
    assert!(said.contains("span fewer than 6 dimensions"), "{said}");
}

#[test]
fn an_affine_denoiser_is_its_map_at_its_levels_alone() {
    let levels = [80.0, 5.5, 1.0, 0.3, 0.02];
    let mut affine = Affine::new::<f64>(7);
    for (i, &sigma) in levels.iter().enumerate() {
        let seed = 10 + i as u64;
        affine.push::<f64>(sigma, normal(seed, 7, 7).view(), normal(seed + 10, 1, 7).row(0));
    }
    assert_eq!(affine.parameters(), 5 * (49 + 7));
    let denoiser = AffineDenoiser::<f64>::new(affine).unwrap();
    let (x, v) = (normal(1, 4, 7), normal(2, 3, 7));
    for (i, sigma) in levels.into_iter().enumerate() {
        let (weight, bias) = (normal(10 + i as u64, 7, 7), normal(20 + i as u64, 1, 7));
        // As printed with ten digits.
        let printed = sigma * (1.0 + 3e-10);
        let d = denoiser.denoise(x.view(), printed).unwrap();
        for (x, d) in x.outer_iter().zip(d.outer_iter()) {
            assert!((&weight.dot(&x) + &bias.row(0) - d).iter().all(|e| e.abs() < 1e-14));
        }
        let point = x.row(0);
        assert!(largest(&(denoiser.jvp(point, v.view(), sigma).unwrap() - v.dot(&weight.t()))) < 1e-14);
        assert!(largest(&(denoiser.vjp(point, v.view(), sigma).unwrap() - v.dot(&weight))) < 1e-14);
        let values = denoiser.spectrum(point, sigma, 0).unwrap().values;
        assert!((values.dot(&values) / (&weight * &weight).sum() - 1.0).abs() < 1e-13);
    }
    let said = denoiser.denoise(x.view(), 2.0).unwrap_err().to_string();
    assert!(
        said.starts_with("noise level 2: ") && said.contains("80, 5.5, …, 0.02 (5 levels) alone"),
        "{said}"
    );
    assert!(denoiser.jvp(x.row(0), v.view(), 1.0 + 1e-8).is_err());
}
