//! How runs end: exit codes, and one line on standard error.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

/// Exit code for a wrong call.
const USAGE: u8 = 2;

/// Exit code of a run that was told to stop and can go on from where it is.
const STOPPED: u8 = 75;

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

/// Stands for a space at which help must not be wrapped.
pub(super) const UNBROKEN: char = '\u{a0}';

pub fn end(program: &str, result: Result<()>) -> ExitCode {
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
pub(super) fn end_of_parsing(program: &str, error: &clap::Error) -> ExitCode {
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
