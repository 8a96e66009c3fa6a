//! A run of a program, from its arguments to its exit code.

use std::any::TypeId;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{ArgMatches, Command, Id};

use super::ending::{UNBROKEN, end, end_of_parsing};
use super::flags::Shared;
use super::job::Job;
use super::lists::parse_count;
use super::models::command_of;
use super::registry::Entry;
use super::{generate, manifest};
use crate::stream::Ledger;

/// The git revision of the sources, for the executables: they say it, so that a commit does not have the
/// library built anew.
#[macro_export]
macro_rules! revision {
    () => {
        git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = "unknown")
    };
}

/// Release and revision, as `--version` prints them.
pub(super) fn version(revision: &str) -> String {
    format!("{} ({revision})", env!("CARGO_PKG_VERSION"))
}

/// As they were given, save that `-:KEY`, an array of standard input, becomes `<stdin>:KEY`: it would be taken for
/// flags.
pub fn arguments() -> Vec<OsString> {
    let mut flags = true;
    let readable = |argument: OsString| {
        flags &= argument != "--";
        match argument.to_str().and_then(|text| text.strip_prefix("-:")) {
            Some(key) if flags && !key.is_empty() => format!("<stdin>:{key}").into(),
            _ => argument,
        }
    };
    std::env::args_os().map(readable).collect()
}

/// Parses the arguments, runs the program, reports how it ended. The first argument is what it was called by.
pub fn run(entry: &'static Entry, arguments: &[OsString], revision: &'static str) -> ExitCode {
    let program = entry.name;
    report_panics_in_one_line(program);
    survive_limits_of_file_size();
    let command = entry.command().version(&*Box::leak(version(revision).into_boxed_str()));
    if arguments.get(1).is_some_and(|a| a == "--generate") {
        return end(program, generate::print(entry, command, arguments.get(2)));
    }
    let mut named = arguments.to_vec();
    if let Some(first) = named.first_mut() {
        *first = program.into();
    }
    let matches = match as_parsed(command.clone()).try_get_matches_from(&named) {
        Ok(matches) => matches,
        Err(e) => return end_of_parsing(program, &e),
    };
    let shared = Shared::of(entry.innermost(&matches));
    let started = Instant::now();
    let threads = set_threads(shared.threads);
    let record = shared.manifest.clone();
    let ledger = if record.is_some() { Ledger::on() } else { Ledger::off() };
    let usage = command.clone().render_usage().to_string().replace('\n', " ");
    let job = Job::new(program, revision, shared, entry.innermost(&matches), ledger, usage);
    // The manifest's path is tried before the work, its content written after.
    let result = (|| {
        let manifest =
            record.as_deref().map(|path: &Path| job.create(Some(path), &Ledger::off())).transpose()?;
        let external = names_a_program(entry.innermost(&matches));
        job.only(
            external,
            &["--workers"],
            "only a model or descriptor that is a program, exec:COMMAND, has workers",
        )?;
        entry.run(&matches, &job)?;
        job.warn_of_meetings();
        if let Some(output) = manifest {
            let record = manifest::Run { command: &command, matches: &matches, job: &job, threads, started };
            record.write(output)?;
        }
        job.release()
    })();
    job.warn_of_rows_left_out();
    job.warn_of_counted_off();
    end(program, result)
}

/// Whether one of the arguments is `exec:COMMAND`.
fn names_a_program(matches: &ArgMatches) -> bool {
    let raw = |id: &Id| matches.try_get_raw(id.as_str()).ok().flatten();
    matches.ids().filter_map(raw).flatten().any(|value| command_of(value).is_some())
}

/// The command as arguments are parsed by it: the pipelines that help ends with stay whole, so that they
/// can be pasted, a negative number is a flag's value, so that an error names the flag, and a number of things may
/// be written 1e4.
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
    let count = |a: clap::Arg| {
        let parsed = a.get_value_parser().type_id();
        match (parsed == TypeId::of::<usize>(), parsed == TypeId::of::<u64>()) {
            (true, _) => a.value_parser(parse_count::<usize>),
            (_, true) => a.value_parser(parse_count::<u64>),
            _ => a,
        }
    };
    command.mut_args(|a| count(negative(a))).mut_subcommands(as_parsed)
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
