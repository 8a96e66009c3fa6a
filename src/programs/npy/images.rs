//! npy images: pixels to floats.

use std::ffi::OsString;

use anyhow::{Result, bail, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView1, ArrayViewMut1};

use crate::cli::{Block, Interval, Job, Program, Source, Within, count, interval};
use crate::scalar::Scalar;
use crate::stream::{self, Rows, block_rows};
use crate::with_dtype;

/// Turn pixels into floats, with padding and pooling.
///
/// Items are images of shape (H, W) or (H, W, C). They are padded with pixels of value 0, then
/// averaged over squares of K×K pixels, then mapped from the interval --from to --to. The result is
/// f32 unless --dtype says otherwise.
///
/// Memory: a block of images. Where their number is not known beforehand, the result waits in a
/// temporary file.
#[derive(Args)]
pub struct Arguments {
    /// Images: npy, IDX (gzipped or not), npz, a folder of PNG files in the order of their names, or csv with --shape
    /// (default: standard input)
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
    /// How their numbers lie (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<stream::Layout>,
    /// Pixels of value 0 to add on each side
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = count(0..=1024u16))]
    pad: u16,
    /// Side of the squares to average over
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = count(1..=u16::MAX))]
    pool: u16,
    /// Pixel values that become the ends of --to (default: 0,255 for arrays of whole numbers; others stay as they are)
    #[arg(long, value_name = "LO,HI", value_parser = interval, allow_hyphen_values = true)]
    from: Option<Interval>,
    /// What they become
    #[arg(long, value_name = "LO,HI", default_value = "-1,1", value_parser = interval, allow_hyphen_values = true)]
    to: Interval,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let rows = job.rows(self.file.as_deref())?.images(self.layout)?;
        with_dtype!(job.dtype(&[]), T => self.convert::<T>(job, rows))
    }
}

impl Arguments {
    fn convert<T: Scalar>(&self, job: &Job, rows: Rows) -> Result<()> {
        let layout = Layout::new(rows.name(), rows.item_shape(), self.pad.into(), self.pool.into())?;
        let mut out = job.array::<T>(rows.len(), &layout.pooled_shape(rows.item_shape()))?;
        let usual = Interval::usual(&rows);
        let from = self.from.unwrap_or(if rows.are_whole() { usual } else { self.to });
        let name = rows.name().to_string();
        let mut seen = Within::default();
        let most = block_rows(rows.width().max(layout.pooled_len()));
        let pooled = |block: Block<f64>| {
            let pixels = block.first().unwrap_or_default();
            let mut images = Array2::zeros((pixels.nrows(), layout.pooled_len()));
            for (image, pixels) in images.outer_iter_mut().zip(pixels.outer_iter()) {
                layout.pool(pixels, image);
            }
            Ok(images.mapv(|v| from.map(v, self.to)))
        };
        job.each_block(Source::Stream(rows), most, "images", pooled, |_, images| {
            images.iter().for_each(|v| seen.add(*v, self.to));
            out.write(images.mapv(T::of).view())
        })?;
        let (least, most) = seen.ends();
        // Of pixels as they are stored.
        let unfilled = from.unfilled(self.to.map(least, from), self.to.map(most, from));
        if let Some(odd) = seen.odd(self.to).or(unfilled.filter(|_| self.from.is_none())) {
            job.warn(&format!("{name}: {odd}; say by --from which pixel values are its ends"));
        }
        out.finish()
    }
}

/// How the pixels of an image lie before and after padding and pooling.
struct Layout {
    width: usize,
    channels: usize,
    pad: usize,
    pool: usize,
    pooled_height: usize,
    pooled_width: usize,
}

impl Layout {
    fn new(name: &str, item_shape: &[usize], pad: usize, pool: usize) -> Result<Layout> {
        let (height, width, channels) = match *item_shape {
            [h, w] => (h, w, 1),
            [h, w, c] => (h, w, c),
            _ => bail!(
                "{name}: items of shape {item_shape:?} are no images; give their shape with --shape H,W,C"
            ),
        };
        let (padded_height, padded_width) = (height + 2 * pad, width + 2 * pad);
        ensure!(
            padded_height.is_multiple_of(pool) && padded_width.is_multiple_of(pool),
            "{name}: images of {padded_height}x{padded_width} pixels, padding included, do not divide into \
             squares of {pool}x{pool}; change --pool or --pad"
        );
        Ok(Layout {
            width,
            channels,
            pad,
            pool,
            pooled_height: padded_height / pool,
            pooled_width: padded_width / pool,
        })
    }

    fn pooled_shape(&self, item_shape: &[usize]) -> Vec<usize> {
        let mut shape = item_shape.to_vec();
        shape[..2].copy_from_slice(&[self.pooled_height, self.pooled_width]);
        shape
    }

    fn pooled_len(&self) -> usize {
        self.pooled_height * self.pooled_width * self.channels
    }

    /// Averages over the squares. Padding adds nothing to their sums.
    fn pool(&self, pixels: ArrayView1<f64>, mut image: ArrayViewMut1<f64>) {
        for (i, &pixel) in pixels.iter().enumerate() {
            let (place, channel) = (i / self.channels, i % self.channels);
            let y = (place / self.width + self.pad) / self.pool;
            let x = (place % self.width + self.pad) / self.pool;
            image[(y * self.pooled_width + x) * self.channels + channel] += pixel;
        }
        image /= (self.pool * self.pool) as f64;
    }
}
