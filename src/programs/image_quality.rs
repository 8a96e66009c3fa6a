//! image-quality: how far images are from others.

use std::ffi::OsString;

use anyhow::{Result, bail, ensure};
use clap::Args;
use ndarray::ArrayView1;

use crate::cli::{Block, Interval, Job, Program, Source, Within, interval};
use crate::measure::image_quality::{WINDOW, psnr, ssim};
use crate::measure::scale::Scale;
use crate::stream::{Layout, Paired, Value, block_rows};

/// Compare images with others, row by row: PSNR, SSIM and where they differ.
///
/// rmse is the root of the mean squared difference. psnr, in dB, is inf for equal images (null in json). ssim is the published one
/// (Gaussian window of 11 pixels, σ = 1.5, K = .01, .03; without the border of 5 pixels; the mean over channels). With
/// --mask, inside and outside are the shares of the sum of squared differences; they are empty for equal images. rmse,
/// inside and outside are those of all images together, psnr and ssim means over images. An array of one image goes
/// with all of the other.
///
/// Memory: a block of images of each array.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ npy noise -n 20 -d 784 --shape 28,28 -o a.npy && npy let 'a + 0.1*a^2' --in a=a.npy | image-quality a.npy - --data-range=-3,3
  $ npy noise -n 20 -d 784 --shape 28,28 -o a.npy && npy let 'a + b' --in a=a.npy --in b=a.npy --rows ..5 | image-quality a.npy - --rows ..5 --data-range=-6,6 --per-sample | table mean --value ssim")]
pub struct Arguments {
    /// Images
    a: OsString,
    /// Images to compare them with (default: standard input)
    b: Option<OsString>,
    /// How their numbers lie (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Values of black and white (default: 0,255 for arrays of whole numbers, else -1,1)
    #[arg(long, value_name = "LO,HI", value_parser = interval, allow_hyphen_values = true)]
    data_range: Option<Interval>,
    /// The part where this array, of an image's shape or without its channels, is not 0
    #[arg(long, value_name = "FILE")]
    mask: Option<OsString>,
    /// Leave ssim empty: for images smaller than its window, and for rows that are no images
    #[arg(long)]
    no_ssim: bool,
    /// One row per pair instead
    #[arg(long)]
    per_sample: bool,
}

/// What two images differ by.
struct Difference {
    /// Σ (a − b)², and the part of it inside the mask.
    squares: f64,
    inside: Option<f64>,
    psnr: f64,
    ssim: Option<f64>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let b = self.b.as_deref();
        let mask = self.mask.iter().map(|mask| Some(mask.as_os_str()));
        job.wait_for_stdin(&[Some(&*self.a), b].into_iter().chain(mask).collect::<Vec<_>>())?;
        job.numbered(self.per_sample, "--per-sample", "rows would lose their numbers")?;
        let looks = !self.no_ssim || self.mask.is_some();
        job.only(looks, &["--layout"], "neither --mask nor ssim looks at places")?;
        let mut arrays =
            [Some(&*self.a), b].map(|name| job.all_rows(name)).into_iter().collect::<Result<Vec<_>>>()?;
        if looks {
            arrays = arrays.into_iter().map(|rows| rows.images(self.layout)).collect::<Result<_>>()?;
        }
        let range = self.data_range.unwrap_or(Interval::usual(&arrays[0]));
        let pair = Paired::with_single_rows(arrays, job.shared.rows)?;
        let item_shape = pair.item_shape().to_vec();
        let shape = if self.no_ssim { None } else { Some(self.image_shape(&pair, &item_shape)?) };
        let mask = self.mask.as_deref().map(|mask| job.mask(mask, &item_shape)).transpose()?;
        self.compare(job, pair, range, shape, mask.as_deref())
    }
}

impl Arguments {
    /// (H, W, C) of images that are large enough.
    fn image_shape(&self, pair: &Paired, item_shape: &[usize]) -> Result<[usize; 3]> {
        let name = pair.names()[0];
        let shape = match *item_shape {
            [h, w] => [h, w, 1],
            [h, w, c] => [h, w, c],
            _ => bail!(
                "{name}: items of shape {item_shape:?} are no images; give their shape with --shape H,W,C, or leave out \
                 SSIM with --no-ssim"
            ),
        };
        ensure!(
            shape[..2].iter().all(|&n| n >= WINDOW),
            "{name}: images of {}×{} pixels, but the window of SSIM has {WINDOW}×{WINDOW}; leave it out with --no-ssim",
            shape[0],
            shape[1]
        );
        Ok(shape)
    }

    /// What speaks against the usual range.
    fn unfilled(&self, within: &Within, usual: Interval) -> Option<String> {
        let (least, most) = within.ends();
        usual.unfilled(least, most).filter(|_| self.data_range.is_none())
    }

    fn compare(
        &self,
        job: &Job,
        pair: Paired,
        range: Interval,
        shape: Option<[usize; 3]>,
        mask: Option<&[bool]>,
    ) -> Result<()> {
        let mut table = job.table(match self.per_sample {
            true => &["sample", "rmse", "psnr", "ssim", "inside", "outside"],
            false => &["rmse", "psnr", "ssim", "inside", "outside", "n"],
        })?;
        let (width, names) = (pair.width(), pair.names().join(" and "));
        let size = (range.hi - range.lo).abs();
        // What a model makes passes the ends by a little, which is no other range.
        let (lo, hi) = (range.lo.min(range.hi), range.lo.max(range.hi));
        let about = Interval { lo: lo - 0.1 * size, hi: hi + 0.1 * size };
        let mut within = Within::default();
        let mut scales = [Scale::default(), Scale::default()];
        let (mut n, mut sum) = (
            0u64,
            Difference { squares: 0.0, inside: mask.map(|_| 0.0), psnr: 0.0, ssim: shape.map(|_| 0.0) },
        );
        let differences = |block: Block<f64>| {
            let [a, b] = &block.inputs[..] else { bail!("bug: {} arrays compared", block.inputs.len()) };
            let of_pair = |(a, b): (ArrayView1<f64>, ArrayView1<f64>)| {
                let squares = (&a - &b).mapv_into(|v| v * v);
                let inside =
                    mask.map(|mask| squares.iter().zip(mask).filter(|(_, m)| **m).map(|(v, _)| v).sum());
                Difference {
                    squares: squares.sum(),
                    inside,
                    psnr: psnr(squares.sum() / width as f64, size),
                    ssim: shape.map(|shape| ssim(a, b, shape, size)),
                }
            };
            let all: Vec<Difference> = a.outer_iter().zip(b.outer_iter()).map(of_pair).collect();
            Ok((all, block.inputs))
        };
        job.each_block(
            Source::InStep(pair),
            block_rows(width),
            "images",
            differences,
            |rows, (all, values)| {
                values.iter().flatten().for_each(|&v| within.add(v, about));
                scales.iter_mut().zip(&values).for_each(|(scale, values)| scale.add(values.view()));
                for (row, pair) in rows.zip(all) {
                    if self.per_sample {
                        table.row(&[&[row.into()], &fields(&pair, 1, width)[..]].concat())?;
                    }
                    n += 1;
                    sum.squares += pair.squares;
                    sum.psnr += pair.psnr;
                    for (sum, value) in [(&mut sum.inside, pair.inside), (&mut sum.ssim, pair.ssim)] {
                        *sum = sum.zip(value).map(|(sum, value)| sum + value);
                    }
                }
                Ok(())
            },
        )?;
        ensure!(n > 0 || self.per_sample, "{names}: no rows to compare; give arrays with rows");
        let [a, b] = &scales;
        if a.is_apart(b) {
            let (first, other) = names.split_once(" and ").unwrap_or_default();
            job.warn_of_scales((first.into(), a), [(other.into(), b)].into_iter(), Scale::is_apart);
        } else if let Some(odd) = within.odd(about).or(self.unfilled(&within, range)) {
            job.warn(&format!("{names}: {odd}; say by --data-range which values are black and white"));
        }
        if !self.per_sample {
            table.row(&[&fields(&sum, n, width)[..], &[n.into()]].concat())?;
        }
        table.finish()
    }
}

/// The columns of the sum over `n` pairs of rows of this width.
fn fields(sum: &Difference, n: u64, width: usize) -> [Value; 5] {
    let n = n as f64;
    let inside = sum.inside.filter(|_| sum.squares > 0.0).map(|inside| (inside / sum.squares).min(1.0));
    let psnr = sum.psnr / n;
    [
        (sum.squares / (n * width as f64)).sqrt().into(),
        // Defined where it is infinite, which a number in a table is not.
        if psnr == f64::INFINITY { Value::Field("inf".into()) } else { psnr.into() },
        sum.ssim.map(|ssim| ssim / n).into(),
        inside.into(),
        inside.map(|inside| 1.0 - inside).into(),
    ]
}
