//! One run of a program: its shared flags, the doors to its inputs, and what it says meanwhile.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Result, bail, ensure};
use clap::ArgMatches;
use clap::parser::ValueSource;
use ndarray::{Array2, ArrayView2};

use super::classes::ClassArg;
use super::ending::Usage;
use super::flags::{DtypeFlag, Shared};
use super::progress::{Lines, Progress};
use super::scales::Meeting;
use crate::denoiser::model::Kind;
use crate::denoiser::{Asked, Model};
use crate::flow::Solver;
use crate::measure::scale::Scale;
use crate::scalar::{Dtype, Scalar};
use crate::stream::{
    Columns, CountedOff, Described, Held, Input, Ledger, LeftOut, NanPolicy, ReadOptions, RowRange, Rows,
};

/// One run of a program: its shared flags, and the doors to its inputs and outputs.
pub struct Job {
    pub program: &'static str,
    /// Of the sources it was built from.
    pub(super) revision: &'static str,
    pub shared: Shared,
    /// Arguments that were given, not defaults, by their long names in snake case.
    given: HashSet<String>,
    /// Flags without effect on what was asked for.
    idle: Mutex<HashSet<String>>,
    pub(super) ledger: Ledger,
    /// Finished files, which take their places when the whole run has succeeded.
    pub(super) held: Held,
    /// Of the outputs so far.
    pub(super) places: Mutex<Vec<PathBuf>>,
    /// Rows that --nan drop has left out so far.
    left_out: LeftOut,
    counted_off: CountedOff,
    /// Rows that have met a model so far.
    pub(super) met: Mutex<Vec<Meeting>>,
    /// What models are asked for, once that is known.
    pub(super) asked: OnceLock<Asked>,
    /// What rows of models that are told conditions have, once that is read.
    pub(super) conditions: OnceLock<Arc<Array2<f64>>>,
    /// Whether rows are known by their number, so that none may be left out.
    numbered: AtomicBool,
    /// "Usage: …", on one line.
    usage: String,
}

impl Job {
    pub(super) fn new(
        program: &'static str,
        revision: &'static str,
        shared: Shared,
        matches: &ArgMatches,
        ledger: Ledger,
        usage: String,
    ) -> Job {
        let given = matches.ids().map(|id| id.as_str().to_string());
        let given = given.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine)).collect();
        Job {
            program,
            revision,
            shared,
            given,
            idle: Mutex::default(),
            ledger,
            held: Held::default(),
            places: Mutex::default(),
            left_out: LeftOut::default(),
            counted_off: CountedOff::default(),
            met: Mutex::default(),
            asked: OnceLock::new(),
            conditions: OnceLock::new(),
            numbered: AtomicBool::new(false),
            usage,
        }
    }

    /// Refuses flags (as `"--rtol"`) that were given though they have no effect on what was asked for: `effect` says
    /// whether they have one, and `why` when they would. They are left out of the manifest.
    ///
    /// # Errors
    /// A usage error that names the flag.
    pub fn only(&self, effect: bool, flags: &[&str], why: &str) -> Result<()> {
        if effect {
            return Ok(());
        }
        for flag in flags {
            let id = flag.trim_start_matches('-');
            let ids = [id.to_string(), id.replace('-', "_")];
            if ids.iter().any(|id| self.given.contains(id)) {
                bail!(Usage(format!("{flag}: has no effect here: {why}; leave it out")));
            }
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        }
        Ok(())
    }

    /// Whether an argument, by its id, is one that [`Job::only`] has found without effect.
    pub(super) fn is_idle(&self, id: &str) -> bool {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// `--dtype`, or else that of the inputs (the widest).
    pub fn dtype(&self, inputs: &[Dtype]) -> Dtype {
        match self.shared.dtype {
            Some(DtypeFlag::F32) => Dtype::F32,
            Some(DtypeFlag::F64) => Dtype::F64,
            None if inputs.contains(&Dtype::F64) => Dtype::F64,
            None => Dtype::F32,
        }
    }

    /// Waits until standard input brings something, where one of the inputs is that (no name is, too), or `--class`,
    /// `--condition` or `--edit` is.
    /// Then what writes it is under way, and has written the files that it promises before its first
    /// bytes: `molrg-gen --truth t.st … | dae-apply t.st -` works. Call it before opening any of them.
    ///
    /// # Errors
    /// Standard input named more than once.
    pub fn wait_for_stdin(&self, inputs: &[Option<&OsStr>]) -> Result<()> {
        let is_stdin = |name: &OsStr| {
            let name = name.as_encoded_bytes();
            name == b"-" || name.starts_with(b"-:") || name.starts_with(b"<stdin>:")
        };
        let classes = match &self.shared.class {
            Some(ClassArg::Rows(name)) => Some(Some(name.as_os_str())),
            _ => None,
        };
        let conditions = self.shared.condition.as_deref().map(Some);
        let directions = self.shared.edits.iter().map(|edit| Some(edit.direction.as_os_str()));
        let named = inputs
            .iter()
            .copied()
            .chain(classes)
            .chain(conditions)
            .chain(directions)
            .filter(|name| name.is_none_or(is_stdin))
            .count();
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

    /// As [`Job::open`], hashed as it passes even without `--manifest`: see [`Rows::sha256`].
    pub fn hashed(&self, name: Option<&OsStr>) -> Result<Input> {
        self.open_in(name, &self.ledger.or_on())
    }

    /// The same samples once more, of a regular file. They are in the record already.
    pub(super) fn rows_again(&self, name: &OsStr) -> Result<Rows> {
        let options = ReadOptions {
            left_out: LeftOut::default(),
            counted_off: CountedOff::default(),
            described: None,
            ..self.read_options(self.shared.rows)
        };
        Rows::from_input(Input::open(name, &Ledger::off())?, &options)
    }

    /// Samples that are all needed, whatever `--rows` says.
    pub fn all_rows(&self, name: Option<&OsStr>) -> Result<Rows> {
        Rows::from_input(self.open(name)?, &self.read_options(RowRange::default()))
    }

    /// A table, of whose rows `--rows` are the work; beyond its end there are none.
    ///
    /// # Errors
    /// As [`Columns::read`].
    pub fn columns(&self, name: Option<&OsStr>) -> Result<Columns> {
        Ok(self.select(Columns::read(self.open(name)?)?))
    }

    /// The same where something is computed from the rows, or drawn of them: none are an error.
    ///
    /// # Errors
    /// As [`Columns::read`]; no rows that `--rows` selects.
    pub fn some_columns(&self, name: Option<&OsStr>) -> Result<Columns> {
        let all = Columns::read(self.open(name)?)?;
        let (name, count) = (all.name().to_string(), all.len());
        let some = self.select(all);
        ensure!(!some.is_empty(), "{name}: no rows: --rows {} is none of its {count}", self.shared.rows);
        Ok(some)
    }

    /// Tables [joined](Columns::join) into one, of whose rows `--rows` are the work.
    pub fn joined_columns(&self, names: &[Option<&OsStr>], fill: bool) -> Result<Columns> {
        self.wait_for_stdin(names)?;
        let tables: Result<Vec<_>> = names.iter().map(|name| Columns::read(self.open(*name)?)).collect();
        Ok(self.select(Columns::join(tables?, fill)?))
    }

    fn select(&self, mut columns: Columns) -> Columns {
        let selected = self.selected(columns.len());
        columns.retain(|_, row| selected.contains(&(row as u64)));
        columns
    }

    /// How `--nan` and `--shape` have inputs read.
    pub fn read_options(&self, rows: RowRange) -> ReadOptions {
        ReadOptions {
            rows,
            nan: self.shared.nan,
            item_shape: self.shared.shape.as_ref().map(|s| s.0.clone()),
            numbered: self.numbered.load(Ordering::Relaxed),
            left_out: self.left_out.clone(),
            counted_off: self.counted_off.clone(),
            described: self.describes_inputs(),
        }
    }

    /// How inputs are described, where somebody sees it.
    fn describes_inputs(&self) -> Option<Described> {
        let seen = self.shared.verbose || io::stderr().is_terminal();
        let program = self.program;
        // If standard error is gone there is nobody to tell.
        let say = move |text: &str| drop(writeln!(io::stderr(), "{program}: {text}"));
        (seen && !self.shared.quiet).then(|| Described::new(say))
    }

    /// Progress over `total` units of work, shown after a second on a terminal.
    pub fn progress(&self, total: Option<u64>, what: &'static str) -> Progress {
        Progress::new(total, what, self.shared.quiet)
    }

    /// Lines about work of which `from` units are done.
    pub fn lines(&self, from: u64) -> Option<Lines> {
        Lines::new(self.shared.quiet, from)
    }

    /// The rows of work out of `n` that `--rows` selects.
    pub fn selected(&self, n: usize) -> Range<u64> {
        let range = self.shared.rows.clamp(n);
        range.start as u64..range.end as u64
    }

    /// Refuses results that are not finite, unless `--nan pass`; row 0 of `x` is row `first`.
    pub fn finite<T: Scalar>(&self, x: ArrayView2<T>, first: u64) -> Result<()> {
        self.finite_or(
            x,
            first,
            "the model's answer is not finite: its numbers are too large for these noise levels; give levels nearer to those it was \
             made for",
        )
    }

    /// The same, and why they are not, with a way out beside --nan pass.
    pub fn finite_or<T: Scalar>(&self, x: ArrayView2<T>, first: u64, why: &str) -> Result<()> {
        if !self.strict() {
            return Ok(());
        }
        match x.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
            Some(row) => bail!("row {}: {why}, or --nan pass", first + row as u64),
            None => Ok(()),
        }
    }

    /// Warns where a network is asked at noise levels other than those it was made for.
    pub fn warn_of_levels(&self, model: &Model, sigmas: &[f64]) {
        self.warn_of_flow(model, sigmas);
        let learned = model.loss().and_then(|loss| Some((loss, loss.lowest()?)));
        if let Some((loss, lowest)) = learned {
            // To rounding of schedules.
            let below: Vec<f64> = sigmas.iter().copied().filter(|s| *s < lowest * (1.0 - 1e-9)).collect();
            if !below.is_empty() {
                self.warn(&format!(
                    "{} of {} noise levels, down to {:.3e}, are below {lowest}, the lowest that --loss {} has taught the network: \
                     what it answers there is a guess; give higher ones, or train one with a lower --sigma-range",
                    below.len(),
                    sigmas.len(),
                    below.iter().copied().fold(f64::INFINITY, f64::min),
                    loss.name()
                ));
            }
        }
    }

    /// The same for the levels of a flow; whether it did. Below those that a network was taught it says nothing: the last steps
    /// of a flow are usually there, where what is left to go is at most σ.
    pub fn warn_of_flow(&self, model: &Model, sigmas: &[f64]) -> bool {
        let mut told = false;
        if let Some(level) = model.only_level()
            && sigmas.iter().any(|s| (s / level - 1.0).abs() > 1e-9)
        {
            told = true;
            self.warn(&format!(
                "the network was trained at sigma {level} alone and is no denoiser at other levels; train with \
                 --loss edm for all"
            ));
        }
        let learned = model.loss().and_then(|loss| Some((loss, loss.highest()?)));
        if let Some((loss, highest)) = learned {
            // To rounding of schedules.
            let above: Vec<f64> = sigmas.iter().copied().filter(|s| *s > highest * (1.0 + 1e-9)).collect();
            if !above.is_empty() {
                told = true;
                self.warn(&format!(
                    "{} of {} noise levels, up to {:.4}, are above {highest:.4}, the highest that --loss {} has taught the network: \
                     what it answers there is a guess; give lower ones, or train one with --loss uniform and a higher --sigma-range, \
                     or of states to follow with --loss interpolant",
                    above.len(),
                    sigmas.len(),
                    above.iter().copied().fold(0.0, f64::max),
                    loss.name()
                ));
            }
        }
        if let Kind::External(external) = &model.kind
            && let Some((count, farthest)) = external.beyond(sigmas)
        {
            let (hello, all) = (&external.hello, sigmas.len());
            let bound = |bound: Option<f64>| bound.map_or("any".to_string(), |bound| bound.to_string());
            told = true;
            self.warn(&format!(
                "{}: was made for noise levels from {} to {}, and {count} of {all} lie outside, {farthest} the \
                 farthest; give levels within",
                external.name(),
                bound(hello.sigma_min),
                bound(hello.sigma_max)
            ));
        }
        told
    }

    /// Refuses a network that is no denoiser: one of --loss regression, whose scores and flows mean nothing.
    ///
    /// # Errors
    /// One that says what it is.
    pub fn denoises(&self, model: &Model) -> Result<()> {
        ensure!(
            !model.is_mean(),
            "a network of --loss regression tells the mean of rows given their conditions, whatever the point and its noise: it \
             has no score, and a flow would end in that mean; take the mean itself (dae-apply), or train one with --loss edm"
        );
        Ok(())
    }

    /// Refuses a flow of a model that has none, or none in closed form where that is asked for.
    ///
    /// # Errors
    /// One that names its kind.
    pub fn has_flow(&self, model: &Model, solver: Solver) -> Result<()> {
        self.denoises(model)?;
        let components = match &model.kind {
            Kind::Molrg(mixture) => mixture.components.len(),
            _ => 0,
        };
        if solver == Solver::Exact && components != 1 {
            let what = match components {
                0 => format!("a model of kind {}", model.fitted_kind()),
                many => format!("a mixture of {many}"),
            };
            bail!(
                "--solver exact: the flow has a closed form for mixtures of one component, and this is {what}; give \
                 another solver, or a Gaussian (dae-fit --kind gaussian, mixture pool)"
            );
        }
        Ok(())
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

    /// Warns of samples, each with a name and where its numbers lie, that are not on the scale of the first, as
    /// `apart` has it.
    pub fn warn_of_scales<'a>(
        &self,
        first: (String, &Scale),
        than: impl Iterator<Item = (String, &'a Scale)>,
        apart: fn(&Scale, &Scale) -> bool,
    ) {
        let apart: Vec<_> = than.filter(|(_, scale)| apart(scale, first.1)).collect();
        if let [(name, scale), ..] = &apart[..] {
            let more = others(apart.len());
            self.warn(&format!(
                "{} has numbers {}, but {name} {scale}{more}: on different scales nothing is alike; bring them to one \
                 (npy images)",
                first.0, first.1
            ));
        }
    }

    /// Refuses --nan drop where rows are known by their number (`flag` says so, and `why`), and has no message
    /// advise it.
    ///
    /// # Errors
    /// A usage error that names both.
    pub fn numbered(&self, known: bool, flag: &str, why: &str) -> Result<()> {
        if known && self.shared.nan == NanPolicy::Drop {
            bail!(Usage(format!("{flag} with --nan drop: {why}; correct such rows instead")));
        }
        self.numbered.fetch_or(known, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a row of a table that --nan drop leaves out of what is computed.
    pub fn leave_out(&self, table: &Columns) {
        if self.shared.nan == NanPolicy::Drop {
            self.left_out.add(table.name(), 1);
        }
    }

    /// Says of every input how many rows --nan drop took from it.
    pub(super) fn warn_of_rows_left_out(&self) {
        for (name, rows) in self.left_out.counts() {
            let rows_were = match rows {
                1 => "row with non-finite numbers was",
                _ => "rows with non-finite numbers were",
            };
            self.warn(&format!(
                "{rows} {rows_were} left out of {name}; correct them, or see whether what is \
                 left still stands for the whole"
            ));
        }
    }

    /// Says of csv where its first row may have been names.
    pub(super) fn warn_of_counted_off(&self) {
        for name in self.counted_off.names() {
            self.warn(&format!(
                "{name}: its first row, 0,1,2,…, is taken as data; if it numbers the columns, as pandas writes it, leave it out \
                 (to_csv(header=False), or tail -n +2)"
            ));
        }
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

/// " (and 2 more)", of 3.
pub fn others(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}
