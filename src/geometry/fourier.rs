//! The two-dimensional discrete Fourier transform of images, a channel at a time.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection, FftPlannerScalar};

/// F(f) = Σ_x e^{−2πi f·x} x, and its inverse, of images (H, W, C) whose numbers lie channels last, as NumPy's
/// `fft2` over the first two axes. In f64 and without the processor's own instructions, so that every machine
/// comes to the same bits.
pub struct Fourier {
    height: usize,
    width: usize,
    channels: usize,
    /// Along rows and along columns, there and back.
    plans: [[Arc<dyn Fft<f64>>; 2]; 2],
}

impl Fourier {
    /// Of images (H, W, C).
    pub fn new([height, width, channels]: [usize; 3]) -> Fourier {
        let mut planner = FftPlannerScalar::new();
        let mut plan = |direction| [width, height].map(|n| planner.plan_fft(n, direction));
        let plans = [plan(FftDirection::Forward), plan(FftDirection::Inverse)];
        Fourier { height, width, channels, plans }
    }

    /// The spectrum of an image of H·W·C numbers; frequency (f_y, f_x) where pixel (f_y, f_x) lies.
    pub fn spectrum(&self, image: &[f64]) -> Vec<Complex<f64>> {
        let mut spectrum: Vec<Complex<f64>> = image.iter().map(|&v| v.into()).collect();
        self.transform(&mut spectrum, &self.plans[0]);
        spectrum
    }

    /// The real part of the image with this spectrum: all of it, where F(−f) is the conjugate of F(f).
    pub fn image(&self, spectrum: &[Complex<f64>]) -> Vec<f64> {
        let mut image = spectrum.to_vec();
        self.transform(&mut image, &self.plans[1]);
        let pixels = (self.height * self.width) as f64;
        image.into_iter().map(|v| v.re / pixels).collect()
    }

    fn transform(&self, numbers: &mut [Complex<f64>], [rows, columns]: &[Arc<dyn Fft<f64>>; 2]) {
        let (h, w, c) = (self.height, self.width, self.channels);
        let mut plane = vec![Complex::default(); h * w];
        let mut turned = plane.clone();
        for channel in 0..c {
            for (v, numbers) in plane.iter_mut().zip(numbers.chunks_exact(c)) {
                *v = numbers[channel];
            }
            rows.process(&mut plane);
            for (i, v) in plane.iter().enumerate() {
                turned[i % w * h + i / w] = *v;
            }
            columns.process(&mut turned);
            for (i, numbers) in numbers.chunks_exact_mut(c).enumerate() {
                numbers[channel] = turned[i % w * h + i / w];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, row_rng, standard_normals};

    /// By its definition, of sides that are no powers of two.
    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        let [h, w, c] = [6, 5, 2];
        let image: Vec<f64> = standard_normals(&mut row_rng(3, Purpose::Coefficients, 0), h * w * c);
        let fourier = Fourier::new([h, w, c]);
        let spectrum = fourier.spectrum(&image);
        for (i, got) in spectrum.iter().enumerate() {
            let (fy, fx, channel) = (i / c / w, i / c % w, i % c);
            let mut sum = Complex::new(0.0, 0.0);
            for y in 0..h {
                for x in 0..w {
                    let angle = (fy * y) as f64 / h as f64 + (fx * x) as f64 / w as f64;
                    sum +=
                        Complex::from_polar(image[(y * w + x) * c + channel], -std::f64::consts::TAU * angle);
                }
            }
            // Thirty terms of about 1 in f64.
            assert!((sum - got).norm() < 1e-13, "{i}: {sum} and {got}");
        }
        let back = fourier.image(&spectrum);
        assert!(back.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-14));
    }
}
