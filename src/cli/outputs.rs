//! Where results go: files that appear complete, arrays, tables and models.

use std::path::Path;
use std::sync::PoisonError;

use anyhow::{Result, bail};

use super::ending::Usage;
use super::job::Job;
use crate::measure::interval::Estimate;
use crate::scalar::Scalar;
use crate::stream::{ArrayWriter, Format, Ledger, NanPolicy, Output, Table, Value};

impl Job {
    /// The output, opened before the work so that a bad path fails at once. It appears when the run
    /// has succeeded: a run that fails leaves all files as they were.
    pub fn output(&self) -> Result<Output> {
        self.create(self.shared.output.as_deref(), &self.ledger)
    }

    /// A further file that a flag names. It appears with the output.
    pub fn side_output(&self, path: &Path) -> Result<Output> {
        self.create(Some(path), &self.ledger)
    }

    /// Outputs of one run do not share a file, of which the later would replace the earlier.
    pub(super) fn create(&self, path: Option<&Path>, ledger: &Ledger) -> Result<Output> {
        let output = Output::create(path, ledger)?.held_by(&self.held);
        if let Some(place) = output.place() {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if places.iter().any(|taken| taken == place) {
                bail!(Usage(format!("{}: is an output already; name another file", output.name())));
            }
            places.push(place.to_path_buf());
        }
        Ok(output)
    }

    /// Has the files that are finished appear at once, whatever becomes of the run: for programs
    /// further down the pipe, or where the exit code is itself a result.
    pub fn release(&self) -> Result<()> {
        self.held.release()
    }

    /// The output as an array of `rows` items (`None`: not known beforehand).
    pub fn array<T: Scalar>(&self, rows: Option<usize>, item_shape: &[usize]) -> Result<ArrayWriter<T>> {
        let array = ArrayWriter::new(self.output()?, self.format_or(Format::Npy), rows, item_shape)?;
        Ok(array.strict(self.strict()))
    }

    /// The output as `count` arrays of `rows` items each, stacked on a new leading axis.
    pub fn stack<T: Scalar>(
        &self,
        count: usize,
        rows: Option<usize>,
        item_shape: &[usize],
    ) -> Result<ArrayWriter<T>> {
        let format = self.format_or(Format::Npy);
        let array = ArrayWriter::stack(self.output()?, format, count, rows, item_shape)?;
        Ok(array.strict(self.strict()))
    }

    /// The output as a table.
    pub fn table(&self, columns: &[&str]) -> Result<Table> {
        let (output, format) = self.table_output()?;
        Ok(Table::new(output, format, columns)?.strict(self.strict()))
    }

    /// The output of a table whose columns only its input tells, opened before that is read: what
    /// [`Table::new`] takes.
    pub fn table_output(&self) -> Result<(Output, Format)> {
        let format = self.format_or(Format::Csv);
        if format == Format::Npy {
            let flag =
                if self.shared.format.is_some() { "--format npy" } else { "--output with the ending .npy" };
            bail!(Usage(format!("{flag}: the result is a table; give csv or json")));
        }
        Ok((self.output()?, format))
    }

    /// A table in a file of its own, csv unless its name ends in .json.
    pub fn side_table(&self, path: &Path, columns: &[&str]) -> Result<Table> {
        let format = by_ending(path).unwrap_or(Format::Csv);
        if format == Format::Npy {
            let text = format!("{}: a table, not npy, goes there; name it .csv or .json", path.display());
            bail!(Usage(text));
        }
        Ok(Table::new(self.side_output(path)?, format, columns)?.strict(self.strict()))
    }

    /// An array in a file of its own, npy unless its name ends otherwise.
    pub fn side_array<T: Scalar>(
        &self,
        path: &Path,
        rows: Option<usize>,
        item_shape: &[usize],
    ) -> Result<ArrayWriter<T>> {
        let array = ArrayWriter::new(self.side_output(path)?, array_format(path), rows, item_shape)?;
        Ok(array.strict(self.strict()))
    }

    /// Whether results that are not finite are errors.
    pub(super) fn strict(&self) -> bool {
        self.shared.nan != NanPolicy::Pass
    }

    fn format_or(&self, default: Format) -> Format {
        let by_name = || self.shared.output.as_deref().and_then(by_ending);
        self.shared.format.or_else(by_name).unwrap_or(default)
    }

    /// Refuses to write a model to a terminal.
    pub fn model_output(&self) -> Result<Output> {
        let output = self.output()?;
        if output.is_terminal() {
            bail!(Usage("refusing to write a model to a terminal; use --output FILE or a pipe".into()));
        }
        Ok(output)
    }
}

/// An estimate as value, std_error, ci_low, ci_high, n of a table.
pub fn estimate(of: &Estimate) -> [Value; 5] {
    [of.value.into(), of.std_error.into(), of.ci_low.into(), of.ci_high.into(), of.n.into()]
}

/// How an array is written to a file of its own.
pub fn array_format(path: &Path) -> Format {
    by_ending(path).unwrap_or(Format::Npy)
}

fn by_ending(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "npy" => Some(Format::Npy),
        "csv" => Some(Format::Csv),
        "json" | "jsonl" => Some(Format::Json),
        _ => None,
    }
}
