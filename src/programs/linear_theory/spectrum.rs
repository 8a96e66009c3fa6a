//! Eigenvalues, as arguments name them.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::{Job, count, positive, usage};
use crate::mixture::Spectrum;

/// Most eigenvalues of a rule.
const MOST: u32 = 1_000_000;

/// The eigenvalues of a covariance.
#[derive(Args)]
#[command(next_help_heading = "Spectrum")]
pub(super) struct SpectrumArgs {
    /// Eigenvalues of the covariance: power:A (j^−A), geometric:Q (Q^(j−1)), linear:LO or flat; a list; or FILE, one a row (of a fit: MODEL:variances)
    #[arg(long, value_name = "RULE|FILE")]
    spectrum: OsString,
    /// How many, of a rule
    #[arg(short, long, value_name = "d", value_parser = count(1..=MOST))]
    dim: Option<u32>,
    /// Scale them to have this mean
    #[arg(long, value_name = "M", value_parser = positive)]
    mean: Option<f64>,
}

impl SpectrumArgs {
    /// The eigenvalues, in the order of the modes.
    ///
    /// # Errors
    /// Usage errors, what reading brings, and numbers that are no eigenvalues of a covariance.
    pub fn eigenvalues(&self, job: &Job) -> Result<Vec<f64>> {
        self.read(job, |rule, d| rule.variances(d).map(|v| v.to_vec()))
    }

    /// The variances of Fourier modes 0 … d−1, where a rule is of frequencies: mode k has that of min(k, d−k).
    ///
    /// # Errors
    /// As [`SpectrumArgs::eigenvalues`].
    pub fn fourier_variances(&self, job: &Job) -> Result<Vec<f64>> {
        self.read(job, |rule, d| {
            let of = rule.variances(d / 2 + 1)?;
            Ok((0..d).map(|k| of[k.min(d - k)]).collect())
        })
    }

    fn read(&self, job: &Job, of_rule: impl Fn(&Spectrum, usize) -> Result<Vec<f64>>) -> Result<Vec<f64>> {
        let rule = self.spectrum.to_str().and_then(|text| text.parse::<Spectrum>().ok());
        let is_rule = rule.as_ref().is_some_and(|rule| !matches!(rule, Spectrum::Values(_)));
        job.only(is_rule, &["--dim"], "--spectrum says how many there are")?;
        let listed = rule.is_some();
        let mut values = match (rule, self.dim) {
            (Some(Spectrum::Values(values)), _) => values,
            (Some(rule), Some(d)) => of_rule(&rule, d as usize).map_err(usage)?,
            (Some(_), None) => {
                return Err(usage(anyhow!("--spectrum: a rule needs --dim, how many there are")));
            }
            (None, _) => self.of_file(job)?,
        };
        let name = self.spectrum.to_string_lossy();
        if let Some(i) = values.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
            let wrong = anyhow!(
                "{name}: eigenvalue {} is {}; those of a covariance are finite and not negative",
                i + 1,
                values[i]
            );
            return Err(if listed { usage(wrong.context("--spectrum")) } else { wrong });
        }
        let mean = values.iter().map(|v| v / values.len() as f64).sum::<f64>();
        ensure!(mean > 0.0, "{name}: all eigenvalues are 0, and nothing varies");
        if let Some(wanted) = self.mean {
            values.iter_mut().for_each(|v| *v = *v / mean * wanted);
        }
        Ok(values)
    }

    fn of_file(&self, job: &Job) -> Result<Vec<f64>> {
        // An eigenvalue is that of its mode, so that none may be left out.
        job.numbered(true, "--spectrum", "eigenvalues belong to modes by their number")?;
        job.wait_for_stdin(&[Some(&self.spectrum)])?;
        let mut rows = job.all_rows(Some(&self.spectrum))?;
        // A model's `variances` are a row.
        let values = if rows.width() == 1 { Some(rows.read_all::<f64>()?) } else { rows.next_block(2)? };
        let values = values.unwrap_or_default();
        ensure!(
            rows.width() == 1 || values.nrows() < 2,
            "{}: rows of width {}, where one eigenvalue a row is due; give one column",
            rows.name(),
            rows.width()
        );
        ensure!(!values.is_empty(), "{}: no rows, and so no eigenvalues", rows.name());
        Ok(values.into_iter().collect())
    }
}
