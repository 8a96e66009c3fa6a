//! What all programs share: flags, exit codes, one-line errors, closed pipes,
//! progress, the manifest. A program is a [`Program`]; [`main`] runs it.

mod fitting;
mod generate;
mod levels;
mod lists;
mod manifest;
mod progress;
mod sampling;
mod training;

pub use fitting::{FitArgs, component_ranks};
pub use levels::LevelArgs;
pub use lists::{Integers, Numbers, Shape, parse_list};
pub use manifest::Manifest;
pub use progress::{Lines, Progress, clock};
pub use sampling::SamplerArgs;
pub use training::checkpoints::Checkpoints;
pub use training::run::{NETWORK_REPORT, Samples};
pub use training::{NetworkKind, TrainingArgs};

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Command, Parser, ValueEnum};
use ndarray::ArrayView2;

use crate::denoiser::Model;
use crate::scalar::{Dtype, Scalar};
use crate::stream::{
    ArrayWriter, Columns, Format, Held, Input, Ledger, NanPolicy, Output, ReadOptions, RowRange, Rows, Table,
};

/// Exit code for a wrong call.
const USAGE: u8 = 2;

/// Exit code of a run that was told to stop and can go on from where it is.
const STOPPED: u8 = 75;

/// The git revision of the sources, for [`main`]: an executable says it, so that a commit does not have the
/// library built anew.
#[macro_export]
macro_rules! revision {
    () => {
        git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = "unknown")
    };
}

/// Flags every program has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Shared flags")]
pub struct Shared {
    /// Write there instead of standard output; the file appears complete or not at all
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Encoding of the output (default: by the ending of --output, else npy for arrays, csv for tables)
    #[arg(short, long, value_enum)]
    pub format: Option<Format>,
    /// Arithmetic and output (default: that of the input; f32 without input)
    #[arg(long, value_enum)]
    pub dtype: Option<DtypeFlag>,
    /// Every random draw follows from it
    #[arg(long, value_name = "U64", default_value_t = 0)]
    pub seed: u64,
    /// Threads to use (default: all granted by SLURM_CPUS_PER_TASK, OMP_NUM_THREADS or the system); never changes a byte
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// Do only these rows of the work, half-open; either end may be left out
    #[arg(long, value_name = "A..B", default_value = "..", hide_default_value = true)]
    pub rows: RowRange,
    /// What to do with a row that holds a number which is not finite
    #[arg(long, value_enum, default_value = "error")]
    pub nan: NanPolicy,
    /// Shape of one item, where the input does not say it (csv)
    #[arg(long, value_name = "H,W,C")]
    pub shape: Option<Shape>,
    /// Record the run as JSON: arguments, inputs and outputs with SHA-256. As FILE.manifest.json beside an output
    /// FILE, the digest of the record itself goes into those of runs that read FILE
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Record what differs between runs too: machine, processor, threads, time, memory
    #[arg(long, requires = "manifest")]
    pub manifest_host: bool,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// `--dtype` as written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DtypeFlag {
    F32,
    F64,
}

/// A program: its arguments, and what it does with them.
pub trait Program: Parser {
    fn shared(&self) -> &Shared;
    fn run(self, job: &Job) -> Result<()>;

    /// Where to record the run.
    fn record(&self) -> Option<&Path> {
        self.shared().manifest.as_deref()
    }
}

/// A wrong call: exit code 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A run that was told to stop, after writing a checkpoint: exit code 75.
#[derive(Debug)]
pub struct Stopped(pub String);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stopped {}

/// Marks an error as one of the call: what the flags alone show to be wrong.
pub fn usage(error: anyhow::Error) -> anyhow::Error {
    Usage(format!("{error:#}")).into()
}

/// One run of a program: its shared flags, and the doors to its inputs and outputs.
pub struct Job {
    pub program: &'static str,
    /// Of the sources it was built from.
    revision: &'static str,
    pub shared: Shared,
    ledger: Ledger,
    /// Finished files, which take their places when the whole run has succeeded.
    held: Held,
    /// Of the outputs so far.
    places: Mutex<Vec<PathBuf>>,
    /// "Usage: …", on one line.
    usage: String,
}

impl Job {
    /// `--dtype`, or else that of the inputs (the widest).
    pub fn dtype(&self, inputs: &[Dtype]) -> Dtype {
        match self.shared.dtype {
            Some(DtypeFlag::F32) => Dtype::F32,
            Some(DtypeFlag::F64) => Dtype::F64,
            None if inputs.contains(&Dtype::F64) => Dtype::F64,
            None => Dtype::F32,
        }
    }

    /// Waits until standard input brings something, where one of the inputs is that (no name is, too).
    /// Then what writes it is under way, and has written the files that it promises before its first
    /// bytes: `molrg-gen --truth t.st … | dae-apply t.st -` works. Call it before opening any of them.
    ///
    /// # Errors
    /// Standard input named more than once.
    pub fn wait_for_stdin(&self, inputs: &[Option<&OsStr>]) -> Result<()> {
        let is_stdin = |name: &OsStr| name == "-" || name.as_encoded_bytes().starts_with(b"-:");
        let named = inputs.iter().filter(|name| name.is_none_or(is_stdin)).count();
        if named > 1 {
            bail!(Usage("standard input is named more than once; name files for the others".into()));
        }
        if named == 1 && !io::stdin().is_terminal() {
            // It stays in the buffer of standard input; an error comes again when it is read.
            let _ = io::stdin().lock().fill_buf();
        }
        Ok(())
    }

    /// Opens an input whose content is not known beforehand. No name is standard input.
    pub fn open(&self, name: Option<&OsStr>) -> Result<Input> {
        self.open_in(name, &self.ledger)
    }

    fn open_in(&self, name: Option<&OsStr>, ledger: &Ledger) -> Result<Input> {
        let name = name.unwrap_or(OsStr::new("-"));
        if name == "-" && io::stdin().is_terminal() {
            bail!(Usage(format!(
                "standard input is a terminal; name an input file or pipe one in. {}; see --help",
                self.usage
            )));
        }
        Input::open(name, ledger)
    }

    /// Samples, of which `--rows` are the work.
    pub fn rows(&self, name: Option<&OsStr>) -> Result<Rows> {
        Rows::from_input(self.open(name)?, &self.read_options(self.shared.rows))
    }

    /// As [`Job::rows`], hashed as they pass even without `--manifest`: see [`Rows::sha256`].
    pub fn hashed_rows(&self, name: Option<&OsStr>) -> Result<Rows> {
        let input = self.open_in(name, &self.ledger.or_on())?;
        Rows::from_input(input, &self.read_options(self.shared.rows))
    }

    /// Samples that are all needed, whatever `--rows` says.
    pub fn all_rows(&self, name: Option<&OsStr>) -> Result<Rows> {
        Rows::from_input(self.open(name)?, &self.read_options(RowRange::default()))
    }

    /// A table, of whose rows `--rows` are the work.
    ///
    /// # Errors
    /// As [`Columns::read`]; no rows that `--rows` selects.
    pub fn columns(&self, name: Option<&OsStr>) -> Result<Columns> {
        self.select(Columns::read(self.open(name)?)?)
    }

    /// Tables [joined](Columns::join) into one, of whose rows `--rows` are the work.
    pub fn joined_columns(&self, names: &[Option<&OsStr>], fill: bool) -> Result<Columns> {
        self.wait_for_stdin(names)?;
        let tables: Result<Vec<_>> = names.iter().map(|name| Columns::read(self.open(*name)?)).collect();
        self.select(Columns::join(tables?, fill)?)
    }

    fn select(&self, mut columns: Columns) -> Result<Columns> {
        let selected = self.selected(columns.len());
        if selected.is_empty() {
            let (rows, name) = (self.shared.rows, columns.name());
            bail!(Usage(format!("--rows {rows}: is none of the {} rows of {name}", columns.len())));
        }
        columns.retain(|_, row| selected.contains(&(row as u64)));
        Ok(columns)
    }

    /// How `--nan` and `--shape` have inputs read.
    pub fn read_options(&self, rows: RowRange) -> ReadOptions {
        ReadOptions {
            rows,
            nan: self.shared.nan,
            item_shape: self.shared.shape.as_ref().map(|s| s.0.clone()),
        }
    }

    /// A model with a denoiser.
    pub fn model(&self, name: Option<&OsStr>) -> Result<Model> {
        Model::read_denoiser(self.open(name)?)
    }

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
    fn create(&self, path: Option<&Path>, ledger: &Ledger) -> Result<Output> {
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
    fn strict(&self) -> bool {
        self.shared.nan != NanPolicy::Pass
    }

    fn format_or(&self, default: Format) -> Format {
        let by_name = || self.shared.output.as_deref().and_then(by_ending);
        self.shared.format.or_else(by_name).unwrap_or(default)
    }

    /// Refuses to write a model to a terminal.
    pub fn model_output(&self) -> Result<Output> {
        if self.shared.format.is_some() {
            bail!(Usage("--format: the result is a model, which has one format; leave it out".into()));
        }
        let output = self.output()?;
        if output.is_terminal() {
            bail!(Usage("refusing to write a model to a terminal; use --output FILE or a pipe".into()));
        }
        Ok(output)
    }

    /// Progress over `total` units of work, shown after a second on a terminal.
    pub fn progress(&self, total: Option<u64>, what: &'static str) -> Progress {
        Progress::new(total, what, self.shared.quiet)
    }

    /// Lines about work of which `from` units are done.
    fn lines(&self, from: u64) -> Option<Lines> {
        Lines::new(self.shared.quiet, from)
    }

    /// The rows of work out of `n` that `--rows` selects.
    pub fn selected(&self, n: usize) -> std::ops::Range<u64> {
        let range = self.shared.rows.clamp(n);
        range.start as u64..range.end as u64
    }

    /// Refuses results that are not finite, unless `--nan pass`; row 0 of `x` is row `first`.
    pub fn finite<T: Scalar>(&self, x: ArrayView2<T>, first: u64) -> Result<()> {
        if !self.strict() {
            return Ok(());
        }
        match x.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
            Some(row) => bail!(
                "row {}: the model's answer is not finite: its numbers are too large for these noise levels; give \
                 levels nearer to those it was made for, or --nan pass",
                first + row as u64
            ),
            None => Ok(()),
        }
    }

    /// Warns where a network of one noise level is used at others.
    pub fn warn_of_levels(&self, model: &Model, sigmas: &[f64]) {
        if let Some(level) = model.only_level()
            && sigmas.iter().any(|s| (s / level - 1.0).abs() > 1e-9)
        {
            self.warn(&format!(
                "the network was trained at sigma {level} alone and is no denoiser at other levels; train with \
                 --loss edm for all"
            ));
        }
    }

    /// Warns where a flow that starts as noise of the largest of these levels does not cover the model's data;
    /// whether it did.
    pub fn warn_of_start(&self, model: &Model, sigmas: &[f64]) -> bool {
        let start = sigmas.iter().fold(0.0f64, |a, s| a.max(*s));
        let Some(uncovered) = model.extent().and_then(|extent| extent.beyond(start)) else { return false };
        self.warn(&format!(
            "{uncovered}, more than a quarter of the noise level {start} that the flow starts at, which should cover \
             the data: samples will be too alike and too near 0; give a larger --sigma-max, or fit data scaled to \
             about 1 (npy images)"
        ));
        true
    }

    /// What the run is about to do: one line on standard error, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.shared.quiet {
            let _ = writeln!(io::stderr(), "{}: {text}", self.program);
        }
    }

    /// A warning: one line on standard error that does not change the exit code.
    pub fn warn(&self, text: &str) {
        // If standard error is gone there is nobody to warn.
        let _ = writeln!(io::stderr(), "{}: warning: {text}", self.program);
    }
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

/// Parses the arguments, runs the program, reports how it ended.
pub fn main<P: Program>(revision: &'static str) -> ExitCode {
    let version = format!("{} ({revision})", env!("CARGO_PKG_VERSION"));
    let command = P::command().version(&*Box::leak(version.into_boxed_str()));
    let program: &'static str = Box::leak(command.get_name().to_string().into_boxed_str());
    report_panics_in_one_line(program);
    survive_limits_of_file_size();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|a| a == "--generate") {
        return end(program, generate::print(command, arguments.get(2)));
    }
    let parsed = as_parsed(command.clone()).try_get_matches_from(&arguments).and_then(|matches| {
        let arguments = P::from_arg_matches(&matches)?;
        Ok((arguments, matches))
    });
    let (arguments, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(e) => return end_of_parsing(program, &e),
    };
    let shared = arguments.shared().clone();
    let started = Instant::now();
    let threads = set_threads(shared.threads);
    let record = arguments.record().map(Path::to_path_buf);
    let ledger = if record.is_some() { Ledger::on() } else { Ledger::off() };
    let usage = command.clone().render_usage().to_string().replace('\n', " ");
    let job =
        Job { program, revision, shared, ledger, held: Held::default(), places: Mutex::default(), usage };
    // The manifest's path is tried before the work, its content written after.
    let result = (|| {
        let manifest = record.as_deref().map(|path| job.create(Some(path), &Ledger::off())).transpose()?;
        arguments.run(&job)?;
        if let Some(output) = manifest {
            let record = manifest::Run { command: &command, matches: &matches, job: &job, threads, started };
            record.write(output)?;
        }
        job.release()
    })();
    end(program, result)
}

/// Stands for a space at which help must not be wrapped.
const UNBROKEN: char = '\u{a0}';

/// The command as arguments are parsed by it: the pipelines that help ends with stay whole, so that they
/// can be pasted, and a negative number is a flag's value, so that an error names the flag.
fn as_parsed(command: Command) -> Command {
    let help = command.get_after_help().map(|help| {
        let lines = help.to_string();
        let lines = lines.lines().map(|line| match line.starts_with("  $ ") {
            true => line.replace(' ', &UNBROKEN.to_string()),
            false => line.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    let command = match help {
        Some(help) => command.after_help(help),
        None => command,
    };
    let negative = |a: clap::Arg| {
        let takes = !a.is_positional() && a.get_action().takes_values();
        if takes { a.allow_negative_numbers(true) } else { a }
    };
    command.mut_args(negative).mut_subcommands(as_parsed)
}

fn end(program: &str, result: Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let closed_pipe = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed_pipe) {
        return ExitCode::SUCCESS;
    }
    let text = format!("{error:#}").replace('\n', " ");
    let _ = writeln!(io::stderr(), "{program}: {text}");
    if error.is::<Usage>() {
        return ExitCode::from(USAGE);
    }
    if error.is::<Stopped>() {
        return ExitCode::from(STOPPED);
    }
    ExitCode::FAILURE
}

/// `--help` and `--version` go to standard output; anything else is one line.
fn end_of_parsing(program: &str, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let text = error.render().to_string().replace(UNBROKEN, " ");
        let printed = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        return end(program, printed.context("cannot write the help"));
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut lines = text.lines().map(str::trim);
    let first: Vec<&str> = lines.by_ref().take_while(|l| !l.is_empty()).collect();
    // What clap has to suggest, if it has.
    let tip = lines.find_map(|l| l.strip_prefix("tip: ")).map_or(String::new(), |tip| format!("; {tip}"));
    end(program, Err(Usage(format!("{}{tip}; see --help", first.join(" "))).into()))
}

fn report_panics_in_one_line(program: &'static str) {
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.to_string().replace('\n', " ");
        let _ = writeln!(io::stderr(), "{program}: internal error: {text}; please report it");
    }));
}

/// Beyond `ulimit -f` a write then fails, which is told in one line; the signal would end the program
/// without a word.
fn survive_limits_of_file_size() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Sets the number of threads: the flag, or what a batch system grants, or all
/// that the system lets this process have.
fn set_threads(flag: Option<u16>) -> usize {
    let granted = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok().filter(|n| *n > 0);
    let threads = flag
        .map(usize::from)
        .or_else(|| granted("SLURM_CPUS_PER_TASK"))
        .or_else(|| granted("OMP_NUM_THREADS"))
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    // It fails only when a pool exists already, which nothing made.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    threads
}
