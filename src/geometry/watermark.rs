//! Watermarks in the spectrum of images: some frequencies take values that a key knows (tree rings, arXiv 2305.20030;
//! at a middle level of noise, where the denoiser's Jacobian hardly sees them, arXiv 2410.21088).

use std::f64::consts::LN_10;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ndarray::{Array2, ArrayView2};
use rustfft::num_complex::Complex;
use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

use super::fourier::Fourier;
use crate::random::{Purpose, row_rng, standard_normals};

/// What the marked frequencies become. All are those of real images, of the size that white noise of deviation 1 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// One number a ring about the centre of the band: turned images keep it
    Ring,
    /// The spectrum of white noise
    Random,
    /// 0
    Zero,
}

/// Where marked frequencies lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Band {
    /// About the highest frequency: the centre of the spectrum as transforms return it
    High,
    /// About frequency 0: the centre of the shifted spectrum
    Low,
}

/// Which frequencies a key marks.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    pub band: Band,
    /// Distances from the band's centre, in steps of the spectrum: those above the first (0: it, too) up to the second.
    pub radii: [f64; 2],
    /// One channel alone.
    pub channel: Option<usize>,
}

/// Frequencies, and what they become.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Of images: (H, W, C).
    pub shape: [usize; 3],
    mask: Vec<bool>,
    /// W; 0 off the mask.
    wanted: Vec<Complex<f64>>,
}

impl Key {
    /// Whether it marks by zeros, which are the same at every strength.
    pub fn is_zero(&self) -> bool {
        self.wanted.iter().all(|w| *w == Complex::ZERO)
    }

    /// Draws one. The values of a channel are its row of the seed's.
    ///
    /// # Errors
    /// A channel that is none of the images'; no frequency at these distances.
    pub fn draw(shape: [usize; 3], marked: Marked, pattern: Pattern, seed: u64) -> Result<Key> {
        let [height, width, channels] = shape;
        let Marked { band, radii: [inner, outer], channel } = marked;
        ensure!(
            channel.is_none_or(|c| c < channels),
            "--channel: images have channels 0 to {}",
            channels - 1
        );
        let places = height * width;
        let distances: Vec<f64> = (0..places).map(|place| distance(band, [height, width], place)).collect();
        let of_channel = |c: usize| -> Vec<Complex<f64>> {
            let noise: Vec<f64> = standard_normals(&mut row_rng(seed, Purpose::Watermark, c as u64), places);
            match pattern {
                Pattern::Ring => {
                    distances.iter().map(|&d| (noise[ring(d)] * (places as f64).sqrt()).into()).collect()
                }
                Pattern::Random => Fourier::new([height, width, 1]).spectrum(&noise),
                Pattern::Zero => vec![Complex::default(); places],
            }
        };
        let values: Vec<Vec<Complex<f64>>> = (0..channels).map(of_channel).collect();
        let mut key = Key { shape, mask: Vec::new(), wanted: Vec::new() };
        for (place, &distance) in distances.iter().enumerate() {
            let within = distance <= outer && (distance > inner || inner == 0.0);
            for (c, values) in values.iter().enumerate() {
                let marked = within && channel.is_none_or(|only| only == c);
                key.mask.push(marked);
                key.wanted.push(if marked { values[place] } else { Complex::default() });
            }
        }
        ensure!(
            key.mask.contains(&true),
            "--radius: no frequency of {height}×{width} images lies so far from the centre of the band"
        );
        Ok(key)
    }

    /// Three rows: the mask, and the real and the imaginary part of W; (3, H·W·C).
    pub fn to_rows(&self) -> Array2<f64> {
        let rows = [
            self.mask.iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>(),
            self.wanted.iter().map(|w| w.re).collect(),
            self.wanted.iter().map(|w| w.im).collect(),
        ];
        Array2::from_shape_fn((3, self.mask.len()), |(row, i)| rows[row][i])
    }

    /// A key as [`Key::to_rows`] has it.
    ///
    /// # Errors
    /// Other rows than these three; a mask or values that no real image has.
    pub fn from_rows(shape: [usize; 3], rows: ArrayView2<f64>) -> Result<Key> {
        ensure!(
            rows.nrows() == 3,
            "has {} rows, where a key has three: mask, real and imaginary part",
            rows.nrows()
        );
        ensure!(
            rows.row(0).iter().all(|&m| m == 0.0 || m == 1.0),
            "its mask, row 0, has other numbers than 0 and 1"
        );
        let mask: Vec<bool> = rows.row(0).iter().map(|&m| m == 1.0).collect();
        ensure!(mask.contains(&true), "its mask, row 0, marks no frequency");
        let value =
            |i: usize| if mask[i] { Complex::new(rows[[1, i]], rows[[2, i]]) } else { Complex::default() };
        let wanted: Vec<Complex<f64>> = (0..mask.len()).map(value).collect();
        let largest = wanted.iter().map(|w| w.norm()).fold(0.0, f64::max);
        let [height, width, channels] = shape;
        for (i, w) in wanted.iter().enumerate() {
            let (place, c) = (i / channels, i % channels);
            let (fy, fx) = (place / width, place % width);
            let other = ((height - fy) % height * width + (width - fx) % width) * channels + c;
            ensure!(
                mask[i] == mask[other] && (w - wanted[other].conj()).norm() <= 1e-6 * largest,
                "frequency ({fy},{fx}) is not the conjugate of its opposite, as in spectra of real images; use \
                 (K(f) + conj K(−f))/2"
            );
        }
        Ok(Key { shape, mask, wanted })
    }

    /// Number of marked frequencies.
    pub fn count(&self) -> usize {
        self.mask.iter().filter(|&&m| m).count()
    }
}

/// From the centre of the band, in steps of the spectrum.
fn distance(band: Band, sides: [usize; 2], place: usize) -> f64 {
    let away = |n: usize, f: usize| {
        let frequency = f.min(n - f) as f64;
        match band {
            Band::Low => frequency,
            Band::High => n as f64 / 2.0 - frequency,
        }
    };
    away(sides[0], place / sides[1]).hypot(away(sides[1], place % sides[1]))
}

/// The ring at a distance: the centre is in the first, as published.
fn ring(distance: f64) -> usize {
    (distance.ceil() as usize).saturating_sub(1)
}

/// Marks images and finds marks, by one key at one strength λ.
pub struct Watermark {
    key: Key,
    strength: f64,
    fourier: Fourier,
}

impl Watermark {
    pub fn new(key: Key, strength: f64) -> Watermark {
        Watermark { fourier: Fourier::new(key.shape), key, strength }
    }

    /// x + IDFT(M (λW − DFT x)) of one image.
    pub fn embed(&self, image: &mut [f64]) {
        let spectrum = self.fourier.spectrum(image);
        let missing: Vec<Complex<f64>> = (0..spectrum.len())
            .map(|i| {
                if self.key.mask[i] {
                    self.key.wanted[i] * self.strength - spectrum[i]
                } else {
                    Complex::default()
                }
            })
            .collect();
        for (x, more) in image.iter_mut().zip(self.fourier.image(&missing)) {
            *x += more;
        }
    }

    /// What the marked frequencies of one image say: the larger a score, the more likely the mark.
    pub fn scores(&self, image: &[f64]) -> Scores {
        let spectrum = self.fourier.spectrum(image);
        let marked = (0..spectrum.len()).filter(|&i| self.key.mask[i]);
        let (mut sum, mut missed, mut found, mut wanted) = (0.0, 0.0, 0.0, 0.0);
        for i in marked {
            let w = self.key.wanted[i] * self.strength;
            let difference = (spectrum[i] - w).norm();
            sum += difference;
            missed += difference * difference;
            found += spectrum[i].norm_sqr();
            wanted += w.norm_sqr();
        }
        let count = self.key.count() as f64;
        let variance = (found > 0.0 && wanted > 0.0).then_some(found / count);
        let ln_p = |variance: f64| ln_noncentral_chi_squared(missed / variance, count, wanted / variance);
        Scores {
            distance: -sum / count,
            ratio: variance.map(|v| -missed / v),
            p_value: variance.map(|v| -ln_p(v) / LN_10),
        }
    }
}

/// Three ways to tell, F = DFT x on the marked frequencies M.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// −mean |F − λW|
    pub distance: f64,
    /// −|M| Σ|F − λW|² / Σ|F|²: −η of arXiv 2410.21088.
    /// None where W or F is 0.
    pub ratio: Option<f64>,
    /// −log₁₀ p, where p is the probability that white noise misses as little (arXiv 2305.20030): then Σ|F − λW|²/s²
    /// is noncentral χ² of |M| degrees of freedom, as many as independent numbers since F(−f) is the conjugate of
    /// F(f). s² = Σ|F|²/|M| is measured in the same numbers, which makes p larger than it is.
    /// None where W or F is 0.
    pub p_value: Option<f64>,
}

/// Terms of a series that are summed; beyond, an expansion has as many digits.
const TERMS: f64 = 2e4;

/// ln P(X ≤ x) for noncentral χ² of `k` degrees of freedom and noncentrality `l`: Poisson weights, of mean l/2, on
/// central ones. NaN of what is not finite.
pub fn ln_noncentral_chi_squared(x: f64, k: f64, l: f64) -> f64 {
    if !(x.is_finite() && l.is_finite()) {
        return f64::NAN;
    }
    let (half, mean) = (x.max(f64::MIN_POSITIVE) / 2.0, l / 2.0);
    // A term is more than the one before where mean P(a + 1, x) > j P(a, x), and P(a + 1, x) is at most P(a, x) and
    // x/(a + 1) of it: the largest is where j (a + j) = mean x, or at the mean if that is less. Terms fall about it
    // faster than those of a normal law of deviation √j.
    let quarter = k / 4.0;
    let largest = mean.min((quarter * quarter + mean * half).sqrt() - quarter);
    if largest.max(half) > TERMS {
        return ln_saddlepoint(x, k, l);
    }
    if mean == 0.0 {
        return ln_lower_gamma(k / 2.0, half);
    }
    let spread = 12.0 * largest.sqrt() + 60.0;
    let (from, to) = ((largest - spread).max(0.0) as u64, (largest + spread) as u64);
    let term = |j: f64| j * mean.ln() - mean - ln_gamma(j + 1.0) + ln_lower_gamma(k / 2.0 + j, half);
    let terms: Vec<f64> = (from..=to).map(|j| term(j as f64)).collect();
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()).min(0.0)
}

/// The same by the saddlepoint expansion of Lugannani and Rice (Advances in Applied Probability 12 (1980) 475), whose
/// relative error falls as 1/(k + l): with K(s) = l s u + (k/2) ln u, u = 1/(1 − 2s), at K'(s) = l u² + k u = x.
fn ln_saddlepoint(x: f64, k: f64, l: f64) -> f64 {
    let u = 2.0 * x.max(f64::MIN_POSITIVE) / (k + (k * k + 4.0 * l * x).sqrt());
    let s = (1.0 - 1.0 / u) / 2.0;
    let w = s.signum() * (2.0 * (s * x - l * s * u - k / 2.0 * u.ln())).max(0.0).sqrt();
    let v = s * (4.0 * l * u * u * u + 2.0 * k * u * u).sqrt();
    let half = erfc(-w / std::f64::consts::SQRT_2) / 2.0;
    // In the tail by what is left of Φ(w)/φ(w) + 1/w, which the numbers of both would lose.
    let ln_phi = -w * w / 2.0 - std::f64::consts::TAU.ln() / 2.0;
    if w < -20.0 {
        return ln_phi + (-1.0 / v + w.powi(-3) - 3.0 * w.powi(-5)).ln();
    }
    // At the mean both poles cancel.
    let poles = if w.abs() < 1e-3 { 0.0 } else { ln_phi.exp() * (1.0 / w - 1.0 / v) };
    (half + poles).ln().min(0.0)
}

/// ln P(a, x), the regularized lower incomplete gamma function, by its series of positive terms (NIST DLMF 8.11.4): it
/// holds where P itself is below the least number.
fn ln_lower_gamma(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    loop {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < sum * 1e-17 {
            return (a * x.ln() - x - ln_gamma(a + 1.0) + sum.ln()).min(0.0);
        }
    }
}
