//! rp-score: reproducibility and generalization.

mod compared;
mod scores;
mod warnings;
mod written;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::cli::{Block, Interval, Job, Numbers, Program, Source, parse_list, usage};
use crate::measure::descriptor::Choice;
use crate::measure::reproducibility::Similarity;
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Paired, Rows, block_rows};
use crate::with_dtype;

use scores::Scores;
use written::{COLUMNS, PER_SAMPLE};

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
/// Memory: the training set, for each form of GL 197 numbers more a row where a large and wide set is searched for many,
/// and fixed-size tiles, however many rows are scored.
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
    #[arg(long, value_name = "X")]
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
        let [train, fit, reference] = self.open_others(job, &inputs[0])?;
        let dtypes: Vec<Dtype> = inputs.iter().chain(&train).map(Rows::dtype).collect();
        let shape = inputs[0].item_shape().to_vec();
        let usual = Interval::usual(&inputs[0]);
        let range = self.data_range.as_ref().map_or([usual.lo, usual.hi], |range| [range.0[0], range.0[1]]);
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
        let per_sample =
            self.per_sample.as_deref().map(|path| job.side_table(path, PER_SAMPLE)).transpose()?;
        let expected = inputs.len().unwrap_or(0) * self.inputs.len();
        let mut compared = self.compared::<T>(job, expected, item_shape, train, fit)?;
        let mut scores = Scores::new(self, threshold, range, job.shared.rows.start, per_sample);
        let most = block_rows(inputs.width());
        job.each_block(
            Source::InStep(inputs),
            most,
            "rows",
            |block: Block<T>| Ok(block.inputs),
            |_, blocks| scores.add(blocks, &compared),
        )?;
        if let Some(rows) = reference {
            scores.reference = compared.distances(rows)?;
        }
        scores.write(job, table, &compared)
    }
}
