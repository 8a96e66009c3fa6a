//! rp-score: reproducibility and generalization.

mod scores;
mod warnings;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use ndarray::Array2;

use crate::cli::{Block, Job, Numbers, Program, Source, parse_list, usage};
use crate::fit::pca::Moments;
use crate::measure::copies::Known;
use crate::measure::descriptor::{Choice, Descriptor};
use crate::measure::nearest::{Searched, check_scale};
use crate::measure::reproducibility::Similarity;
use crate::measure::scale::Scale;
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Paired, Rows, block_rows, same_items};
use crate::with_dtype;

use scores::{PER_SAMPLE, Scores, Train};

const COLUMNS: &[&str] =
    &["score", "a", "b", "value", "std_error", "ci_low", "ci_high", "n", "threshold", "baseline"];

/// Rows of one step of the descriptor's moments: fixed, so that the bytes do not depend on how rows arrive.
const MOMENT_ROWS: usize = 2048;

/// Score the reproducibility of samples (RP), and their generalization (GL).
///
/// RP, for every pair of inputs: the share of rows i whose similarity exceeds the threshold, strictly; row i
/// of each input came from the same latent. GL, with --train, for every input: similarity form, 1 − the
/// share whose best similarity to a training row exceeds the threshold; ratio form, 1 − the share of copies;
/// distance form, with --reference, Σ min‖x − t‖ over the same for fresh samples. Zero rows have
/// similarity 0 with everything. Shares have 95 % Wilson intervals, the distance form that of two means.
///
/// The column baseline is the score without a cause: of RP, the share of rows i of A like row i+1 of B (the
/// last row of A has none; of --rows, within these); of GL, the value of the training rows themselves, each
/// left out in turn (of more than 2000, 400 drawn by --seed). RP means what it is above its baseline, GL what
/// it is below its own: RP .72 beside .71, or GL 0 beside 0, says that the threshold tells nothing apart on
/// these data. Raw pixels do that; --descriptor whiten:32, features of a network or another threshold help.
///
/// Memory: the training set and fixed-size tiles, however many rows are scored.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 200 --truth t.st | dae-fit --kind molrg -r 6 -k 2 -o s.st && pf-sample s.st -n 500 -o s.npy && pf-sample t.st -n 500 | rp-score s.npy -
  $ molrg-gen -d 48 -r 10 -k 2 -n 300 -o x.npy && dae-fit x.npy --kind molrg -r 10 -k 2 | pf-sample -n 500 | rp-score - --train x.npy --threshold 0.9 --gl similarity,ratio")]
pub struct Arguments {
    /// Samples, paired by row; FILE.npz:KEY selects an array
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<OsString>,
    /// How alike two rows are
    #[arg(long, value_enum, default_value = "cosine")]
    similarity: Similarity,
    /// Threshold of being alike (default: 0.6 for cosine, 15 for mae)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Range of the data, of which mae counts 1/255 (default: 0,255 for arrays of whole numbers, else -1,1)
    #[arg(long, value_name = "LO,HI", value_parser = parse_list, allow_hyphen_values = true)]
    data_range: Option<Numbers>,
    /// What is compared: none (rows as they are), center, pca:Q, whiten:Q, or exec:COMMAND for a program that
    /// describes them
    #[arg(long, default_value = "none")]
    descriptor: Choice,
    /// Data whose mean and principal axes the descriptor uses (default: the training set)
    #[arg(long, value_name = "FILE")]
    fit: Option<OsString>,
    /// Training set: adds GL of every input
    #[arg(long, value_name = "FILE")]
    train: Option<OsString>,
    /// Forms of GL
    #[arg(
        long,
        value_name = "FORMS",
        value_enum,
        value_delimiter = ',',
        default_value = "similarity",
        requires = "train"
    )]
    gl: Vec<Form>,
    /// A copy is nearer to its nearest training row than this share of the distance to the second nearest
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "1/3")]
    ratio: f64,
    /// Fresh samples of the true distribution, for the distance form
    #[arg(long, value_name = "FILE", requires = "train")]
    reference: Option<OsString>,
    /// Write similarity and nearest training row of every sample there
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
}

/// The three forms of GL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Similarity,
    Distance,
    Ratio,
}

/// "1/3" or "0.33".
fn parse_share(text: &str) -> Result<f64, String> {
    let number = |s: &str| s.trim().parse::<f64>().map_err(|_| format!("{s:?} is not a number"));
    let value = match text.split_once('/') {
        Some((a, b)) => number(a)? / number(b)?,
        None => number(text)?,
    };
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err(format!("{text:?} is not in (0, 1]")) }
}

impl Arguments {
    /// Whether similarities are compared with the threshold.
    fn compares(&self) -> bool {
        self.inputs.len() > 1 || self.gl.contains(&Form::Similarity)
    }

    /// What the flags alone show to be wrong.
    fn check(&self) -> Result<f64> {
        ensure!(
            self.inputs.len() >= 2 || self.train.is_some(),
            "one input has nothing to be compared with; give a second, or --train"
        );
        ensure!(
            !self.descriptor.is_fitted() || self.fit.is_some() || self.train.is_some(),
            "--descriptor: its mean and axes come from data; give --fit or --train"
        );
        ensure!(
            !self.gl.contains(&Form::Distance) || self.reference.is_some(),
            "--gl distance: give --reference, fresh samples of the true distribution"
        );
        ensure!(
            self.data_range.as_ref().is_none_or(|range| matches!(range.0[..], [lo, hi] if lo < hi)),
            "--data-range: give two numbers LO,HI with LO < HI"
        );
        let unused = (!self.compares()).then_some(0.0);
        let Some(threshold) = self.threshold.or(self.similarity.default_threshold()).or(unused) else {
            bail!("--similarity l2 has no published threshold; give --threshold");
        };
        ensure!(threshold.is_finite(), "--threshold {threshold}: must be finite");
        Ok(threshold)
    }

    fn label(name: &OsStr) -> String {
        name.to_string_lossy().into_owned()
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let threshold = self.check().map_err(usage)?;
        job.numbered(self.per_sample.is_some(), "--per-sample", "rows would lose their numbers")?;
        let wants = |form| self.train.is_some() && self.gl.contains(&form);
        job.only(self.similarity == Similarity::Mae, &["--data-range"], "it is for --similarity mae")?;
        job.only(wants(Form::Ratio), &["--ratio"], "it is for --gl ratio")?;
        job.only(wants(Form::Distance), &["--reference"], "it is for --gl distance")?;
        job.only(self.descriptor.is_fitted(), &["--fit"], "it is for a --descriptor that is fitted")?;
        job.only(self.train.is_some(), &["--seed"], "rows of the baseline are drawn where there is --train")?;
        let names = self.inputs.iter().chain(&self.train).chain(&self.fit).chain(&self.reference);
        job.wait_for_stdin(&names.map(|n| Some(n.as_os_str())).collect::<Vec<_>>())?;
        let inputs: Vec<Rows> = self.inputs.iter().map(|n| job.rows(Some(n))).collect::<Result<_>>()?;
        let whole = |name: &Option<OsString>| -> Result<Option<Rows>> {
            name.as_deref().map(|n| job.all_rows(Some(n))).transpose()
        };
        let (train, fit, reference) = (whole(&self.train)?, whole(&self.fit)?, whole(&self.reference)?);
        for other in [&train, &fit, &reference].into_iter().flatten() {
            ensure!(
                other.width() == inputs[0].width(),
                "{}: rows of width {}, but those of {} have {}; compare samples of the same data",
                other.name(),
                other.width(),
                inputs[0].name(),
                inputs[0].width()
            );
            same_items((other.name(), other.item_shape()), (inputs[0].name(), inputs[0].item_shape()))?;
        }
        let dtypes: Vec<Dtype> = inputs.iter().chain(&train).map(Rows::dtype).collect();
        let shape = inputs[0].item_shape().to_vec();
        let assumed = if inputs[0].are_whole() { [0.0, 255.0] } else { [-1.0, 1.0] };
        let range = self.data_range.as_ref().map_or(assumed, |range| [range.0[0], range.0[1]]);
        let inputs = Paired::new(inputs)?;
        with_dtype!(job.dtype(&dtypes), T => self.score::<T>(job, threshold, range, inputs, &shape, [train, fit, reference]))
    }
}

impl Arguments {
    fn score<T: Scalar>(
        &self,
        job: &Job,
        threshold: f64,
        range: [f64; 2],
        inputs: Paired,
        item_shape: &[usize],
        [train, fit, reference]: [Option<Rows>; 3],
    ) -> Result<()> {
        let table = job.table(COLUMNS)?;
        let per_sample = match &self.per_sample {
            Some(path) => Some(job.side_table(path, PER_SAMPLE)?),
            None => None,
        };
        let train = match train {
            Some(mut rows) => {
                let x = rows.read_all::<T>()?;
                ensure!(x.nrows() > 0, "{}: no rows; GL needs a training set", rows.name());
                Some((rows.name().to_string(), x))
            }
            None => None,
        };
        let mut others = Vec::new();
        if let Some((name, x)) = &train {
            others.push((name.clone(), Scale::of(x.view())));
        }
        let descriptor = match &self.descriptor {
            Choice::Program(command) => {
                Descriptor::Program(job.descriptor_program(command)?, item_shape.to_vec())
            }
            _ => self.fitted_descriptor(fit, train.as_ref().map(|(_, x)| x), &mut others)?,
        };
        let train = match train {
            Some((name, x)) => {
                let rows = Known::new(x.view());
                let described = Searched::checked(descriptor.apply(x, 0)?).context(name)?;
                Some(Train { described, rows })
            }
            None => None,
        };
        let mut scores = Scores::new(self, threshold, range, job.shared.rows.start, per_sample);
        let most = block_rows(inputs.width());
        job.each_block(
            Source::InStep(inputs),
            most,
            "rows",
            |block: Block<T>| Ok(block.inputs),
            |_, blocks| scores.add(blocks, &descriptor, train.as_ref()),
        )?;
        if let (Some(mut rows), Some(train)) = (reference, &train) {
            let name = rows.name().to_string();
            let (mut first, mut scale) = (0, Scale::default());
            while let Some(x) = rows.next_block::<T>(block_rows(rows.width()))? {
                let n = x.nrows() as u64;
                scale.add(x.view());
                let x = descriptor.apply(x, first)?;
                first += n;
                check_scale(x.view()).with_context(|| name.clone())?;
                for nearest in train.described.nearest(x.view()) {
                    scores.reference.add(nearest.distance);
                }
            }
            ensure!(scores.reference.n() > 0, "{name}: no rows; --reference needs fresh samples");
            others.push((name, scale));
        }
        scores.write(job, table, train.as_ref(), &others)
    }

    /// The descriptor fitted to --fit, or else to the training set.
    fn fitted_descriptor<T: Scalar>(
        &self,
        fit: Option<Rows>,
        train: Option<&Array2<T>>,
        others: &mut Vec<(String, Scale)>,
    ) -> Result<Descriptor> {
        if self.descriptor == Choice::Raw {
            return Ok(Descriptor::Raw);
        }
        let name = match (&self.fit, &self.train) {
            (Some(name), _) | (None, Some(name)) => Arguments::label(name),
            (None, None) => String::new(),
        };
        let width = fit.as_ref().map_or_else(|| train.map_or(0, Array2::ncols), Rows::width);
        let mut moments = Moments::new(width).with_context(|| name.clone())?;
        match (fit, train) {
            (Some(mut rows), _) => {
                let mut scale = Scale::default();
                while let Some(block) = rows.next_block::<T>(MOMENT_ROWS)? {
                    scale.add(block.view());
                    moments.add(block.view());
                }
                others.push((name.clone(), scale));
            }
            (None, Some(train)) => {
                for block in train.axis_chunks_iter(ndarray::Axis(0), MOMENT_ROWS) {
                    moments.add(block);
                }
            }
            (None, None) => bail!("--descriptor: no data to fit it to"),
        }
        let gaussian = moments.gaussian(None).with_context(|| name)?;
        Descriptor::fitted(&self.descriptor, &gaussian)
    }
}
