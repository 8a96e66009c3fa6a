//! What happens to images on their way, without a network: what a watermark must survive.

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use jpeg_encoder::{ColorType, Encoder};
use resize::Type::Triangle;
use rgb::FromSlice;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::random::{Purpose, row_rng, standard_normals};

/// What is done to images, and what --strength is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// White noise; its deviation, in the images' own numbers
    Noise,
    /// Gaussian blur; its deviation in pixels
    Blur,
    /// JPEG and back; its quality, 1 to 100
    Jpeg,
    /// Smaller and back, by bilinear filters; the share of a side that is left
    Resize,
    /// A square in the middle turns black; its share of a side
    Drop,
    /// Brighter by this factor
    Brightness,
    /// Medians over squares; their side in pixels, odd
    Median,
}

impl Kind {
    /// Whether it hangs on which values are black and white.
    pub fn has_range(self) -> bool {
        matches!(self, Kind::Jpeg | Kind::Drop | Kind::Brightness)
    }
}

/// An attack on images (H, W, C) whose numbers lie in `range`, black first.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    pub kind: Kind,
    pub strength: f64,
    pub shape: [usize; 3],
    pub range: [f64; 2],
}

impl Attack {
    /// Refuses a strength that the kind has not, and images that it cannot be done to.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self) -> Result<()> {
        let s = self.strength;
        let [_, _, channels] = self.shape;
        let (holds, needs) = match self.kind {
            Kind::Noise | Kind::Brightness => (s >= 0.0, "at least 0"),
            Kind::Blur => (s > 0.0 && s <= 1e3, "above 0 and at most 1000 pixels"),
            Kind::Jpeg => ((1.0..=100.0).contains(&s) && s.fract() == 0.0, "a whole number from 1 to 100"),
            Kind::Resize => (s > 0.0 && s <= 1.0, "above 0 and at most 1"),
            Kind::Drop => ((0.0..=1.0).contains(&s), "between 0 and 1"),
            Kind::Median => ((1.0..=99.0).contains(&s) && s % 2.0 == 1.0, "odd, from 1 to 99"),
        };
        ensure!(s.is_finite() && holds, "--strength {s}: must be {needs} for this kind");
        let jpeg = self.kind == Kind::Jpeg;
        ensure!(
            !jpeg || matches!(channels, 1 | 3),
            "images of {channels} channels are no JPEG, 1 or 3 are; take another --kind"
        );
        let sides = self.shape[..2].iter().all(|&side| u16::try_from(side).is_ok());
        ensure!(!jpeg || sides, "images of more than 65535 pixels a side are no JPEG; take another --kind");
        Ok(())
    }

    /// Image `row` of a set, whose noise is that row's of the seed.
    ///
    /// # Errors
    /// When the library for it fails.
    pub fn on(&self, image: &[f64], seed: u64, row: u64) -> Result<Vec<f64>> {
        let ([h, w, c], [black, white]) = (self.shape, self.range);
        match self.kind {
            Kind::Noise => {
                let noise: Vec<f64> = standard_normals(&mut row_rng(seed, Purpose::Attack, row), image.len());
                Ok(image.iter().zip(noise).map(|(x, e)| x + self.strength * e).collect())
            }
            Kind::Blur => {
                let window = gaussian(self.strength);
                let down = filtered(image, [h, w * c], &window);
                Ok(turned(&filtered(&turned(&down, [h, w, c]), [w, h * c], &window), [w, h, c]))
            }
            Kind::Jpeg => self.compressed(image),
            Kind::Resize => {
                let smaller = [h, w].map(|n| ((n as f64 * self.strength).round() as usize).max(1));
                resized(&resized(image, [h, w], smaller, c)?, smaller, [h, w], c)
            }
            Kind::Drop => {
                let [(top, bottom), (left, right)] = [h, w].map(|n| {
                    let side = (n as f64 * self.strength).round() as usize;
                    ((n - side) / 2, (n - side) / 2 + side)
                });
                let dropped =
                    |i: usize| (top..bottom).contains(&(i / c / w)) && (left..right).contains(&(i / c % w));
                Ok(image.iter().enumerate().map(|(i, &x)| if dropped(i) { black } else { x }).collect())
            }
            Kind::Brightness => {
                let brighter = |x: f64| black + self.strength * (x - black);
                Ok(image.iter().map(|&x| brighter(x).clamp(black, white)).collect())
            }
            Kind::Median => Ok(self.medians(image)),
        }
    }

    /// To bytes, through JPEG, and back.
    fn compressed(&self, image: &[f64]) -> Result<Vec<f64>> {
        let ([h, w, c], [black, white]) = (self.shape, self.range);
        let byte = |x: &f64| ((x - black) / (white - black) * 255.0).round().clamp(0.0, 255.0) as u8;
        let bytes: Vec<u8> = image.iter().map(byte).collect();
        let mut file = Vec::new();
        let (color, space) =
            if c == 1 { (ColorType::Luma, ColorSpace::Luma) } else { (ColorType::Rgb, ColorSpace::RGB) };
        let encoder = Encoder::new(&mut file, self.strength as u8);
        encoder.encode(&bytes, w as u16, h as u16, color)?;
        let options = DecoderOptions::default()
            .set_use_unsafe(false)
            .set_max_width(w)
            .set_max_height(h)
            .jpeg_set_out_colorspace(space);
        let decoded = JpegDecoder::new_with_options(ZCursor::new(&file), options).decode();
        let decoded = decoded.map_err(|e| anyhow!("{e:?}")).context("JPEG")?;
        Ok(decoded.iter().map(|&b| black + f64::from(b) / 255.0 * (white - black)).collect())
    }

    fn medians(&self, image: &[f64]) -> Vec<f64> {
        let [h, w, c] = self.shape;
        let reach = self.strength as isize / 2;
        let mut around = Vec::new();
        let median = |i: usize| {
            let (y, x, channel) = ((i / c / w) as isize, (i / c % w) as isize, i % c);
            around.clear();
            for dy in -reach..=reach {
                let row = mirrored(y + dy, h) * w;
                around.extend((-reach..=reach).map(|dx| image[(row + mirrored(x + dx, w)) * c + channel]));
            }
            let middle = around.len() / 2;
            *around.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        (0..image.len()).map(median).collect()
    }
}

/// Weights of a Gaussian of this deviation at whole distances up to four times it, of sum 1.
pub fn gaussian(deviation: f64) -> Vec<f64> {
    let reach = (4.0 * deviation + 0.5) as i64;
    let weights: Vec<f64> = (-reach..=reach).map(|i| (-0.5 * (i as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// Sums along the first of two axes with these weights, the image mirrored at its edges.
fn filtered(image: &[f64], [n, width]: [usize; 2], weights: &[f64]) -> Vec<f64> {
    let reach = (weights.len() / 2) as isize;
    let mut out = vec![0.0; image.len()];
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        for (weight, dy) in weights.iter().zip(-reach..) {
            let from = mirrored(y as isize + dy, n) * width;
            out.iter_mut().zip(&image[from..from + width]).for_each(|(o, x)| *o += weight * x);
        }
    }
    out
}

/// Where a pixel beyond the edges of `n` is in the mirror: …1 0 | 0 1 2… .
fn mirrored(i: isize, n: usize) -> usize {
    let n = n as isize;
    let i = i.rem_euclid(2 * n);
    (if i < n { i } else { 2 * n - 1 - i }) as usize
}

/// (H, W, C) as (W, H, C).
fn turned(image: &[f64], [h, w, c]: [usize; 3]) -> Vec<f64> {
    (0..w * h * c).map(|i| image[((i / c % h) * w + i / c / h) * c + i % c]).collect()
}

/// By a triangle filter as wide as the step between pixels of the smaller image, so that no pixel is left out.
fn resized(image: &[f64], [h, w]: [usize; 2], [to_h, to_w]: [usize; 2], c: usize) -> Result<Vec<f64>> {
    let mut out = vec![0.0; to_h * to_w * c];
    for channel in 0..c {
        let plane: Vec<f32> = image.iter().skip(channel).step_by(c).map(|&x| x as f32).collect();
        let mut small = vec![0f32; to_h * to_w];
        resize::new(w, h, to_w, to_h, resize::Pixel::GrayF32, Triangle)
            .and_then(|mut filter| filter.resize(plane.as_gray(), small.as_gray_mut()))
            .map_err(|e| anyhow!("{h}×{w} pixels to {to_h}×{to_w}: {e}"))?;
        for (to, x) in out.iter_mut().skip(channel).step_by(c).zip(small) {
            *to = f64::from(x);
        }
    }
    Ok(out)
}
