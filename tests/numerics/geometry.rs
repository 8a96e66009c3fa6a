//! Watermarks, and what is done to images: against SciPy's values and the laws that scores must have.

use molrg::denoiser::{Differentiable, MixtureDenoiser};
use molrg::geometry::attack::{Attack, Kind};
use molrg::geometry::fourier::Fourier;
use molrg::geometry::watermark::{Band, Key, Marked, Pattern, Watermark, ln_noncentral_chi_squared};
use molrg::mixture::{Design, Sampler};
use molrg::random::{Purpose, normal_rows, row_rng, standard_normals};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../testdata/golden/images.json")).unwrap()
}

fn list(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn noise(row: u64, n: usize) -> Vec<f64> {
    standard_normals(&mut row_rng(7, Purpose::Coefficients, row), n)
}

const BANDS: [Band; 2] = [Band::High, Band::Low];
const PATTERNS: [Pattern; 3] = [Pattern::Ring, Pattern::Random, Pattern::Zero];

#[test]
fn blurs_and_medians_are_scipys() {
    let golden = golden();
    let image = list(&golden["image"]);
    for (kind, name) in [(Kind::Blur, "blur"), (Kind::Median, "median")] {
        for case in golden[name].as_array().unwrap() {
            let strength = case["strength"].as_f64().unwrap();
            let attack = Attack { kind, strength, shape: [7, 6, 2], range: [-1.0, 1.0] };
            attack.check().unwrap();
            let got = attack.on(&image, 0, 0).unwrap();
            // Sums of up to 25 products of about 1.
            let close = got.iter().zip(list(&case["image"])).all(|(a, b)| (a - b).abs() < 1e-14);
            assert!(close, "{name} {strength}: {got:?}");
        }
    }
}

#[test]
fn attacks_do_what_they_say() {
    let [h, w, c] = [14, 12, 3];
    let image: Vec<f64> = noise(0, h * w * c).into_iter().map(|v| v.tanh()).collect();
    let attack = |kind, strength| {
        let attack = Attack { kind, strength, shape: [h, w, c], range: [-1.0, 1.0] };
        attack.check().unwrap();
        attack.on(&image, 3, 8).unwrap()
    };
    let far = |other: &[f64]| {
        let sum: f64 = image.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
        (sum / image.len() as f64).sqrt()
    };
    // Standard error of a deviation from 504 numbers: 3 %.
    let noisy = attack(Kind::Noise, 0.2);
    assert!((far(&noisy) / 0.2 - 1.0).abs() < 0.13, "{}", far(&noisy));
    let brighter = attack(Kind::Brightness, 1.5);
    for (a, b) in image.iter().zip(&brighter) {
        assert!((b - (-1.0 + 1.5 * (a + 1.0)).min(1.0)).abs() < 1e-15);
    }
    // 6 of 14 rows and 5 of 12 columns, in all channels.
    let dropped = attack(Kind::Drop, 0.4);
    let black = dropped.iter().zip(&image).enumerate().filter(|(_, (a, b))| a != b);
    let places: Vec<(usize, usize)> = black.map(|(i, _)| (i / c / w, i / c % w)).collect();
    assert_eq!(places.len(), 6 * 5 * c);
    assert!(places.iter().all(|(y, x)| (4..10).contains(y) && (3..8).contains(x)));
    // The same size is the same image; half of it keeps means, and loses what is finer.
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert!(far(&attack(Kind::Resize, 1.0)) < 1e-6);
    let half = attack(Kind::Resize, 0.5);
    assert!(far(&half) > 0.2 && (mean(&half) - mean(&image)).abs() < 0.05);
    // Of a smooth image: rounding to 256 steps at the best; more is lost the lower the quality.
    let smooth = attack(Kind::Blur, 1.5);
    let qualities = [100.0, 75.0, 25.0, 5.0].map(|strength| {
        let jpeg = Attack { kind: Kind::Jpeg, strength, shape: [h, w, c], range: [-1.0, 1.0] };
        let jpeg = jpeg.on(&smooth, 0, 0).unwrap();
        (smooth.iter().zip(&jpeg).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / jpeg.len() as f64).sqrt()
    });
    assert!(qualities[0] < 0.02 && qualities.is_sorted(), "{qualities:?}");
    for (kind, strength) in
        [(Kind::Jpeg, 0.0), (Kind::Jpeg, 50.5), (Kind::Median, 2.0), (Kind::Resize, 1.5), (Kind::Blur, 0.0)]
    {
        let attack = Attack { kind, strength, shape: [h, w, c], range: [-1.0, 1.0] };
        assert!(attack.check().is_err(), "{kind:?} {strength}");
    }
}

#[test]
fn what_is_embedded_is_found_exactly() {
    for shape in [[8, 8, 1], [7, 6, 3], [9, 5, 2]] {
        for band in BANDS {
            for pattern in PATTERNS {
                let marked = Marked { band, radii: [1.0, 2.6], channel: None };
                let key = Key::draw(shape, marked, pattern, 5).unwrap();
                // Its rows are a key, the same one.
                assert_eq!(Key::from_rows(shape, key.to_rows().view()).unwrap(), key);
                let mark = Watermark::new(key.clone(), 1.7);
                let image = noise(1, shape.iter().product());
                let mut with = image.clone();
                mark.embed(&mut with);
                let fourier = Fourier::new(shape);
                let (before, after) = (fourier.spectrum(&image), fourier.spectrum(&with));
                let rows = key.to_rows();
                for i in 0..before.len() {
                    let wanted = rustfft::num_complex::Complex::new(rows[[1, i]], rows[[2, i]]) * 1.7;
                    let expected = if rows[[0, i]] == 1.0 { wanted } else { before[i] };
                    // Transforms of some 80 numbers of about 1 in f64.
                    assert!((after[i] - expected).norm() < 1e-12, "{shape:?} {band:?} {pattern:?}");
                }
                let (without, found) = (mark.scores(&image), mark.scores(&with));
                assert!(found.distance > -1e-12 && without.distance < -1.0, "{found:?} {without:?}");
                assert_eq!(found.ratio.is_some(), pattern != Pattern::Zero);
                if let (Some(ratio), Some(p)) = (found.ratio, found.p_value) {
                    assert!(ratio > -1e-20 && p > 50.0 && p.is_finite(), "{found:?}");
                }
            }
        }
    }
}

#[test]
fn keys_have_the_size_of_white_noise_and_the_rings_they_are_asked_for() {
    let [h, w] = [16, 16];
    let marked = |radii| Marked { band: Band::High, radii, channel: Some(1) };
    for pattern in [Pattern::Ring, Pattern::Random] {
        let energy = |seed| {
            let key = Key::draw([h, w, 2], marked([0.0, 8.0]), pattern, seed).unwrap();
            let rows = key.to_rows();
            let sum: f64 = rows.row(1).iter().chain(rows.row(2)).map(|v| v * v).sum();
            sum / key.count() as f64 / (h * w) as f64
        };
        let mean = (0..200).map(energy).sum::<f64>() / 200.0;
        // Of 200 keys with at least 4 independent numbers of weight in a ring's: 0.05 standard errors, four of them.
        assert!((mean - 1.0).abs() < 0.2, "{pattern:?}: {mean}");
    }
    let key = Key::draw([h, w, 2], marked([3.0, 5.0]), Pattern::Ring, 1).unwrap();
    let rows = key.to_rows();
    let mut values = std::collections::BTreeSet::new();
    for place in 0..h * w {
        let distance = (place / w) as f64 - 8.0;
        let distance = distance.hypot((place % w) as f64 - 8.0);
        assert_eq!(rows[[0, 2 * place + 1]] == 1.0, distance > 3.0 && distance <= 5.0, "{place}");
        assert_eq!(rows[[0, 2 * place]], 0.0);
        values.insert(rows[[1, 2 * place + 1]].to_bits());
    }
    // Two rings, and 0.
    assert_eq!(values.len(), 3);
    assert!(Key::draw([h, w, 2], marked([40.0, 50.0]), Pattern::Ring, 1).is_err());
}

#[test]
fn keys_that_no_real_image_has_are_refused() {
    let marked = Marked { band: Band::Low, radii: [0.0, 2.0], channel: None };
    let key = Key::draw([6, 6, 1], marked, Pattern::Random, 2).unwrap();
    let mut rows = key.to_rows();
    rows[[2, 1]] += 0.5;
    let error = Key::from_rows([6, 6, 1], rows.view()).unwrap_err().to_string();
    assert!(error.contains("(0,1)") && error.contains("conj"), "{error}");
    let mut rows = key.to_rows();
    rows[[0, 0]] = 0.5;
    assert!(Key::from_rows([6, 6, 1], rows.view()).is_err());
}

#[test]
fn noncentral_chi_squared_has_the_digits_of_its_definition() {
    for case in golden()["noncentral_chi_squared"].as_array().unwrap() {
        let [x, k, l, ln] = ["x", "k", "l", "ln"].map(|name| case[name].as_f64().unwrap());
        let got = ln_noncentral_chi_squared(x, k, l);
        // Logarithms of hundreds cancel in each term.
        assert!((got - ln).abs() < 1e-9 * ln.abs().max(1.0), "{x} {k} {l}: {got} and {ln}");
    }
}

/// Where series would take too long: as SciPy and 60 digits have it, and in order, whatever the size.
#[test]
fn noncentral_chi_squared_of_large_numbers_is_that_of_its_expansion() {
    let golden = golden();
    for case in golden["large_noncentral_chi_squared"].as_array().unwrap() {
        let [x, k, l, ln] = ["x", "k", "l", "ln"].map(|name| case[name].as_f64().unwrap());
        let got = ln_noncentral_chi_squared(x, k, l);
        // The expansion's relative error is some 1/l.
        assert!((got - ln).abs() < 1e-3, "{x} {k} {l}: {got} and {ln}");
    }
    for l in [1e6, 1e15, 1e30] {
        let p = [1e-9, 0.01, 0.5, 0.9, 1.0, 1.1].map(|share| ln_noncentral_chi_squared(share * l, 29.0, l));
        assert!(
            p.iter().all(|p| p.is_finite()) && p.is_sorted() && p[0] < p[1] && p[5] > -1e-3,
            "{l}: {p:?}"
        );
    }
    assert!(ln_noncentral_chi_squared(f64::INFINITY, 29.0, 1.0).is_nan());
}

/// Of white noise p is at least as large as it says: s² is measured in the same numbers.
#[test]
fn p_values_of_white_noise_are_no_smaller_than_chance() {
    let marked = Marked { band: Band::High, radii: [0.0, 3.0], channel: None };
    let mark = Watermark::new(Key::draw([8, 8, 1], marked, Pattern::Random, 1).unwrap(), 1.0);
    let p: Vec<f64> = (0..2000).map(|row| mark.scores(&noise(row, 64)).p_value.unwrap()).collect();
    for bound in [1.0, 2.0] {
        let expected = 2000.0 * 10f64.powf(-bound);
        let count = p.iter().filter(|&&p| p > bound).count() as f64;
        // Four standard deviations of a count.
        assert!(count < expected + 4.0 * expected.sqrt(), "{bound}: {count}");
    }
}

/// ‖JΔx‖ of random directions of length 1 along the linear schedule of 1000 steps (β from 1e-4 to 0.02), of a mixture with
/// d = 256, r = 8, K = 2: what a denoiser sees of a mark falls with noise, and stays below √(Σr/d) = .25. By NumPy, 20 trials
/// a level: .166, .110, .037, .010 and .002, by x_t = √ᾱ x̂.
#[test]
fn a_denoiser_sees_the_less_of_a_mark_the_more_noise_there_is() {
    let mixture = Design::molrg(256, 8, 2).plant(3).unwrap();
    let denoiser = MixtureDenoiser::new(mixture.clone());
    let trials = 200u64;
    let clean = Sampler::<f64>::new(&mixture, 1, false).draw(0..trials).0;
    let noise = normal_rows::<f64>(1, Purpose::PointNoise, 0..trials, 256);
    let directions = normal_rows::<f64>(1, Purpose::Directions, 0..trials, 256);
    let kept = |t: usize| -> f64 { (0..t).map(|i| 1.0 - 1e-4 - (0.02 - 1e-4) * i as f64 / 999.0).product() };
    for (t, expected) in [(100, 0.166), (300, 0.110), (500, 0.037), (700, 0.010), (900, 0.002)] {
        let sigma = (1.0 / kept(t) - 1.0).sqrt();
        let mean = (0..trials as usize).map(|i| {
            let x = &clean.row(i) + &(&noise.row(i) * sigma);
            let v = directions.row(i).to_owned();
            let v = (&v / v.dot(&v).sqrt()).insert_axis(ndarray::Axis(0));
            let seen = denoiser.jvp(x.view(), v.view(), sigma).unwrap();
            (seen.iter().map(|s| s * s).sum::<f64>() / kept(t)).sqrt()
        });
        let mean = mean.sum::<f64>() / trials as f64;
        // Lengths in a subspace of eight dimensions spread by a quarter: of 20 trials the mean by 6 %, and half a digit.
        assert!((mean - expected).abs() < 0.25 * expected + 0.0005, "t {t}: {mean}");
    }
}
