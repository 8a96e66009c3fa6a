//! How far an image is from another: peak signal-to-noise ratio, structural similarity, and where they differ.

use ndarray::{Array2, ArrayView1, ArrayView2, Zip, s};

/// Pixels across the window, its Gaussian's standard deviation, and the two constants, as published: Wang, Bovik,
/// Sheikh and Simoncelli, IEEE Transactions on Image Processing 13 (2004) 600.
pub const WINDOW: usize = 11;
const SPREAD: f64 = 1.5;
const K: [f64; 2] = [0.01, 0.03];

/// 10 log₁₀ of range²/mean square, in dB; ∞ for equal images.
pub fn psnr(mean_square: f64, range: f64) -> f64 {
    20.0 * range.log10() - 10.0 * mean_square.log10()
}

/// Structural similarity of two images (H, W, C), flat, whose values have a range of this width: the mean over all
/// places where the whole window lies inside, and over channels. That is scikit-image's `structural_similarity` with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`, which leaves out a border of 5 pixels.
///
/// # Panics
/// Where an image is smaller than the window.
pub fn ssim(a: ArrayView1<f64>, b: ArrayView1<f64>, [h, w, channels]: [usize; 3], range: f64) -> f64 {
    let plane =
        |x: ArrayView1<f64>, c: usize| Array2::from_shape_fn((h, w), |(i, j)| x[(i * w + j) * channels + c]);
    let planes = (0..channels).map(|c| similarity(plane(a, c), plane(b, c), range));
    planes.sum::<f64>() / channels as f64
}

/// The mean of (2μ_aμ_b + C₁)(2σ_ab + C₂)/((μ_a² + μ_b² + C₁)(σ_a² + σ_b² + C₂)), moments under the window.
fn similarity(mut a: Array2<f64>, mut b: Array2<f64>, range: f64) -> f64 {
    let [c1, c2] = K.map(|k| (k * range) * (k * range));
    // About a common centre, so that squares far from 0 lose no digits.
    let centre = a.mean().unwrap_or(0.0);
    a -= centre;
    b -= centre;
    let [mean_a, mean_b] = [&a, &b].map(|x| smooth(x.view()));
    let [aa, bb, ab] = [(&a, &a), (&b, &b), (&a, &b)].map(|(x, y)| smooth((x * y).view()));
    let mut sum = 0.0;
    Zip::from(&mean_a).and(&mean_b).and(&aa).and(&bb).and(&ab).for_each(|&ma, &mb, &aa, &bb, &ab| {
        let (spread, covariance) = (aa - ma * ma + bb - mb * mb, ab - ma * mb);
        let (ma, mb) = (centre + ma, centre + mb);
        sum += (2.0 * ma * mb + c1) * (2.0 * covariance + c2) / ((ma * ma + mb * mb + c1) * (spread + c2));
    });
    sum / mean_a.len() as f64
}

/// Under the window, at every place where it lies inside: (H, W) → (H − 10, W − 10).
fn smooth(x: ArrayView2<f64>) -> Array2<f64> {
    let half = (WINDOW / 2) as f64;
    let weight = |k: usize| (-(k as f64 - half).powi(2) / (2.0 * SPREAD * SPREAD)).exp();
    let total: f64 = (0..WINDOW).map(weight).sum();
    let (h, w) = (x.nrows() - (WINDOW - 1), x.ncols() - (WINDOW - 1));
    let mut down = Array2::zeros((h, x.ncols()));
    (0..WINDOW).for_each(|k| down.scaled_add(weight(k) / total, &x.slice(s![k..k + h, ..])));
    let mut across = Array2::zeros((h, w));
    (0..WINDOW).for_each(|k| across.scaled_add(weight(k) / total, &down.slice(s![.., k..k + w])));
    across
}
