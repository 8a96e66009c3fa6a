//! What the registry of programs is made of: an [`Entry`] says of a program what it reads and writes and which
//! shared flags it takes. Parsing, help, man pages, completions, `--list`, `--generate json` and the tests of what
//! all programs keep follow from it.

use anyhow::Result;
use clap::{ArgMatches, Args, Command};

use super::flags::{Flag, arguments};
use super::job::Job;

/// A program: its arguments, and what it does with them.
pub trait Program: Args {
    fn run(self, job: &Job) -> Result<()>;
}

/// What goes in and out of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An array, one sample a row.
    Samples,
    Model,
    Table,
    Picture,
    /// Frames, of a program that is a model.
    Answers,
    /// Whether all is well: the exit code.
    Verdict,
}

impl Content {
    /// As `--generate json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Content::Samples => "samples",
            Content::Model => "model",
            Content::Table => "table",
            Content::Picture => "picture",
            Content::Answers => "answers",
            Content::Verdict => "verdict",
        }
    }
}

/// A row of the registry.
pub struct Entry {
    /// What it is called by.
    pub name: &'static str,
    kind: Kind,
}

enum Kind {
    One { reads: &'static [Content], writes: Content, flags: &'static [Flag], augment: Augment, run: Run },
    Several { augment: Augment, commands: &'static [Entry] },
}

type Augment = fn(Command) -> Command;
type Run = fn(&ArgMatches, &Job) -> Result<()>;

/// A program, or one command of several.
pub const fn program<P: Program>(
    name: &'static str,
    reads: &'static [Content],
    writes: Content,
    flags: &'static [Flag],
) -> Entry {
    let run: Run = |matches, job| P::from_arg_matches(matches)?.run(job);
    Entry { name, kind: Kind::One { reads, writes, flags, augment: P::augment_args, run } }
}

/// A program of several commands; `A` has its help.
pub const fn several<A: Args>(name: &'static str, commands: &'static [Entry]) -> Entry {
    Entry { name, kind: Kind::Several { augment: A::augment_args, commands } }
}

impl Entry {
    /// What it reads; of several commands, nothing.
    pub fn reads(&self) -> &'static [Content] {
        match self.kind {
            Kind::One { reads, .. } => reads,
            Kind::Several { .. } => &[],
        }
    }

    pub fn writes(&self) -> Option<Content> {
        match self.kind {
            Kind::One { writes, .. } => Some(writes),
            Kind::Several { .. } => None,
        }
    }

    /// The shared flags that it takes besides those of all programs.
    pub fn flags(&self) -> &'static [Flag] {
        match self.kind {
            Kind::One { flags, .. } => flags,
            Kind::Several { .. } => &[],
        }
    }

    /// Its commands, where it is several.
    pub fn commands(&self) -> &'static [Entry] {
        match self.kind {
            Kind::One { .. } => &[],
            Kind::Several { commands, .. } => commands,
        }
    }

    /// Arguments and help, without version.
    pub fn command(&self) -> Command {
        let command = Command::new(self.name);
        let command = match self.kind {
            Kind::One { flags, augment, .. } => {
                let command = augment(command);
                // A program's own flag takes the place of the shared one of that name, and of what goes with it.
                let own: Vec<String> =
                    command.get_arguments().filter_map(|a| a.get_long().map(str::to_string)).collect();
                let taken = |name: &str| own.iter().any(|o| o == name.trim_end_matches("-host"));
                let shared = arguments(flags).into_iter().filter(|a| !taken(a.get_id().as_str()));
                command.args(shared)
            }
            Kind::Several { augment, commands } => augment(command)
                .subcommand_required(true)
                .propagate_version(true)
                .subcommands(commands.iter().map(Entry::command)),
        };
        // A number below 0 is a value, which the flag takes or refuses by its own reason, and no unknown flag.
        command.mut_args(|arg| match arg.is_positional() || !arg.get_action().takes_values() {
            true => arg,
            false => arg.allow_negative_numbers(true),
        })
    }

    /// What it is for, on one line.
    pub fn line(&self) -> String {
        self.command().get_about().map(ToString::to_string).unwrap_or_default()
    }

    /// The matches that the shared flags are in: those of the command, where it is one of several.
    pub(super) fn innermost<'m>(&self, matches: &'m ArgMatches) -> &'m ArgMatches {
        matches.subcommand().map_or(matches, |(_, inner)| inner)
    }

    pub(super) fn run(&self, matches: &ArgMatches, job: &Job) -> Result<()> {
        match self.kind {
            Kind::One { run, .. } => run(matches, job),
            Kind::Several { commands, .. } => {
                let given = matches.subcommand();
                let found = given.and_then(|(name, m)| Some((commands.iter().find(|c| c.name == name)?, m)));
                // Clap has asked for one of them.
                found.map_or(Ok(()), |(command, matches)| command.run(matches, job))
            }
        }
    }
}
