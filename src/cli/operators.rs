//! The flags that say what is measured of an item: the same for every program that measures, or has measurements.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::ending::usage;
use super::job::Job;
use super::lists::count;
use crate::inverse::{Image, Operator};
use crate::stream::{Layout, ReadOptions, RowRange, Rows};

/// `--operator` as written.
#[derive(Clone, Debug, PartialEq)]
enum OperatorArg {
    Mask(OsString),
    Matrix(OsString),
    Blur(f64),
    Downsample(u32),
}

impl OperatorArg {
    fn parse(text: OsString) -> Result<OperatorArg, String> {
        let other = || {
            "write mask:FILE, matrix:FILE, blur:S (a deviation in pixels) or downsample:K (pixels a side)"
                .to_string()
        };
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|b| *b == b':').ok_or_else(other)?;
        let (kind, value) = (&bytes[..at], OsStr::from_bytes(&bytes[at + 1..]));
        let written = || value.to_str().unwrap_or_default();
        match kind {
            b"mask" if !value.is_empty() => Ok(OperatorArg::Mask(value.into())),
            b"matrix" if !value.is_empty() => Ok(OperatorArg::Matrix(value.into())),
            b"blur" => {
                let deviation = written().parse().ok().filter(|s| *s > 0.0 && *s <= 1e3);
                let deviation = deviation.ok_or("blur:S: S must be above 0 and at most 1000 pixels")?;
                Ok(OperatorArg::Blur(deviation))
            }
            b"downsample" => {
                let factor = count(1..=65535_u32)(written()).map_err(|e| format!("downsample:K: {e}"))?;
                Ok(OperatorArg::Downsample(factor))
            }
            _ => Err(other()),
        }
    }
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Measurement")]
pub struct OperatorArgs {
    /// What is measured, A: mask:FILE, the numbers that FILE marks; matrix:FILE, products with its rows; blur:S, a Gaussian
    /// of deviation S pixels, images mirrored at their edges; downsample:K, means over K × K pixels
    #[arg(long, value_name = "OP", value_parser = OsStringValueParser::new().try_map(OperatorArg::parse))]
    operator: OperatorArg,
    /// Standard deviation s of the measurements' noise
    #[arg(long, value_name = "S")]
    pub noise_std: f64,
    /// How the numbers of images lie, for blur and downsample (default: channels last; what looks like channels first is
    /// refused). Measurements have the same
    #[arg(long, value_enum)]
    layout: Option<Layout>,
}

/// Mean squares of whitened residuals so many times 1, or less, and so many deviations away are told.
const UNLIKELY: f64 = 2.0;
const CERTAIN: f64 = 5.0;

impl OperatorArgs {
    /// The file that the operator is read from.
    pub fn file(&self) -> Option<&OsStr> {
        match &self.operator {
            OperatorArg::Mask(name) | OperatorArg::Matrix(name) => Some(name),
            OperatorArg::Blur(_) | OperatorArg::Downsample(_) => None,
        }
    }

    /// What the flags alone show to be wrong.
    ///
    /// # Errors
    /// Usage errors.
    pub fn check(&self, job: &Job) -> Result<()> {
        let s = self.noise_std;
        if !(0.0..=1e18).contains(&s) {
            return Err(usage(anyhow!("--noise-std {s}: must be from 0 to 1e18")));
        }
        job.only(self.file().is_none(), &["--layout"], "it is for blur and downsample")
    }

    /// The operator on items of this shape, of what is called so.
    ///
    /// # Errors
    /// Items that it is none for; a file that is none, as [`Job::rows`].
    pub fn open(&self, job: &Job, name: &str, item_shape: &[usize]) -> Result<Operator> {
        let image = || image(item_shape, self.layout).map_err(|e| anyhow!("{name}: {e:#}"));
        match &self.operator {
            OperatorArg::Mask(mask) => Operator::mask(&job.mask(mask, item_shape)?),
            OperatorArg::Matrix(matrix) => {
                // --shape is that of the items that it measures.
                let options = ReadOptions { item_shape: None, ..job.read_options(RowRange::default()) };
                let mut rows = Rows::from_input(job.open(Some(matrix))?, &options)?;
                let d: usize = item_shape.iter().product();
                ensure!(
                    rows.width() == d,
                    "{}: rows of width {}, but items of {name} have {d} numbers; give a matrix of that many columns",
                    rows.name(),
                    rows.width()
                );
                let matrix = rows.read_all::<f64>()?;
                Operator::matrix(matrix).map_err(|e| anyhow!("{}: {e:#}", rows.name()))
            }
            OperatorArg::Blur(deviation) => Operator::blur(image()?, item_shape.len(), *deviation),
            OperatorArg::Downsample(factor) => {
                Operator::downsample(image()?, item_shape.len(), *factor as usize)
                    .map_err(|e| anyhow!("--operator downsample:{factor}: {e:#}"))
            }
        }
    }

    /// Refuses measurements that are none of this operator.
    ///
    /// # Errors
    /// Another width.
    pub fn fits(&self, operator: &Operator, measurements: &Rows) -> Result<()> {
        let (width, m) = (measurements.width(), operator.count());
        ensure!(
            width == m,
            "{}: rows of width {width}, but the operator makes {m} numbers of an item; give what measure writes with it",
            measurements.name()
        );
        Ok(())
    }

    /// Says where measurements are not as a mixture and the noise make them: where the mean of `rows` numbers of
    /// [`crate::inverse::Given::surprise`], of m numbers each, is far from 1.
    pub fn tell_surprise(&self, job: &Job, sum: f64, rows: f64, m: usize) {
        let (mean, noise_std) = (sum / rows, self.noise_std);
        let far = (mean - 1.0).abs() > CERTAIN * (2.0 / (rows * m as f64)).sqrt();
        if rows > 0.0 && far && !(1.0 / UNLIKELY..UNLIKELY).contains(&mean) {
            job.warn(&format!(
                "measurements are not as the model makes them: (y − Aμ)ᵀ(AΣAᵀ + s²I)⁻¹(y − Aμ)/m is {mean:.3e} on average, which \
                 of its own is 1: they are of another model or scale, or --noise-std {noise_std} is not theirs"
            ));
        }
    }
}

/// Items of this shape as images: (H, W), (H, W, C) or, with that layout, (C, H, W).
fn image(shape: &[usize], layout: Option<Layout>) -> Result<Image> {
    let channels_first = Layout::axes(layout, shape)?.is_some();
    let shape = match (shape, channels_first) {
        (&[h, w], _) => [h, w, 1],
        (&[h, w, c], false) | (&[c, h, w], true) => [h, w, c],
        _ => bail!(
            "items of shape {shape:?} are no images; give their shape with --shape H,W,C where they are made"
        ),
    };
    Ok(Image { shape, channels_first })
}
