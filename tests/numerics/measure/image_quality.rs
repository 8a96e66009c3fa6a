//! PSNR and SSIM.

use molrg::measure::image_quality::{psnr, ssim};

use super::*;

#[test]
fn numbers_are_scikit_images() {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/quality.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let list = |key: &str| Array1::from(serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap());
        let (a, b, range) = (list("a"), list("b"), list("range"));
        let shape: [usize; 3] = serde_json::from_value(case["shape"].clone()).unwrap();
        let size = range[1] - range[0];
        // Values near 1000 of range 1: their variances are differences of squares that lose 6 digits there.
        let tolerance = if range[0] > 1.0 { 1e-7 } else { 1e-12 };
        let theirs = case["ssim"].as_f64().unwrap();
        let ours = ssim(a.view(), b.view(), shape, size);
        assert!((ours - theirs).abs() < tolerance, "{shape:?}: {ours}, not {theirs}");
        let mean_square = squared_distance(a.view(), b.view()) / a.len() as f64;
        assert!((psnr(mean_square, size) - case["psnr"].as_f64().unwrap()).abs() < 1e-11);
        assert!((mean_square.sqrt() - case["rmse"].as_f64().unwrap()).abs() < 1e-12 * size);
        // Equal images; and which of two is first does not matter.
        assert!((ssim(a.view(), a.view(), shape, size) - 1.0).abs() < 1e-14);
        assert!((ssim(b.view(), a.view(), shape, size) - ours).abs() < 1e-12);
    }
    assert_eq!(psnr(0.0, 2.0), f64::INFINITY);
}

#[test]
fn far_from_zero_no_digits_are_lost() {
    // Of constants K₁, K₂ and a range, only means know where 0 is: with the same in both, their factor is nearly 1.
    let (a, noise) = (normal::<f64>(1, 1, 13 * 12), normal::<f64>(2, 1, 13 * 12));
    let b = &a + &(&noise * 0.3);
    let at = |shift: f64| ssim((&a.row(0) + shift).view(), (&b.row(0) + shift).view(), [13, 12, 1], 4.0);
    // At 1e6 the rounding of the values themselves is 1e-10; and (2μν + C)/(μ² + ν² + C) is 1 − (μ − ν)²/2μ².
    assert!((at(1e6) - at(1e4)).abs() < 1e-6, "{} {}", at(1e6), at(1e4));
}
