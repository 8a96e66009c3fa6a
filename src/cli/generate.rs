//! Man pages, shell completions and a description for other languages, from the same definitions as `--help`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, ValueEnum};
use clap_complete::Shell;
use serde_json::{Value, json};

use super::ending::usage;
use super::registry::Entry;

/// Prints what `--generate man|bash|zsh|fish|json|markdown` asks for.
pub fn print(entry: &Entry, mut command: Command, what: Option<&OsString>) -> Result<()> {
    let what = what.and_then(|w| w.to_str()).unwrap_or("");
    let mut text = Vec::new();
    match what {
        "man" => text = man_page(command)?.into_bytes(),
        "json" => {
            command.build();
            text = serde_json::to_vec_pretty(&description(entry, &command))?;
            text.push(b'\n');
        }
        "markdown" => {
            command.build();
            text = pages(entry, &command).into_bytes();
        }
        _ => {
            let shell = Shell::from_str(what, true).map_err(|_| {
                usage(anyhow::anyhow!("--generate: give man, bash, zsh, fish, json or markdown"))
            })?;
            let name = command.get_name().to_string();
            clap_complete::generate(shell, &mut command, name, &mut text);
        }
    }
    io::stdout().write_all(&text)?;
    Ok(())
}

/// A program with its arguments, or with its commands.
fn description(entry: &Entry, command: &Command) -> Value {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    let examples = text(command.get_after_help()).unwrap_or_default();
    let examples: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("  $ ")).collect();
    let mut program = json!({
        "name": entry.name,
        "about": text(command.get_about()),
        "help": text(command.get_long_about().or(command.get_about())),
        "examples": examples,
    });
    if entry.commands().is_empty() {
        let arguments = command.get_arguments().filter(|a| !a.is_hide_set()).map(argument);
        program["reads"] = entry.reads().iter().map(|content| content.name()).collect();
        program["writes"] = entry.writes().map(|content| content.name()).into();
        program["arguments"] = arguments.collect();
    } else {
        let commands = entry.commands().iter();
        let described =
            commands.filter_map(|inner| Some(description(inner, command.find_subcommand(inner.name)?)));
        program["commands"] = described.collect();
    }
    program
}

fn argument(argument: &Arg) -> Value {
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    let switch = !argument.get_action().takes_values();
    let several = argument.get_value_delimiter().is_some()
        || matches!(argument.get_action(), ArgAction::Append)
        || argument.get_num_args().is_some_and(|n| n.max_values() > 1);
    let choices: Vec<String> =
        argument.get_possible_values().iter().map(|v| v.get_name().to_string()).collect();
    let choices = if switch { Vec::new() } else { choices };
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
    json!({
        "name": argument.get_id().as_str().replace('-', "_"),
        "flag": argument.get_long().map(|long| format!("--{long}")),
        "short": argument.get_short().map(|short| format!("-{short}")),
        "type": if switch { "switch" } else { type_of(argument.get_value_parser()) },
        "value": argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string),
        "several": several,
        // A flag for each value, rather than values with commas.
        "repeated": several && argument.get_value_delimiter().is_none(),
        "required": argument.is_required_set(),
        "choices": choices,
        "default": if switch { None } else { defaults.first() },
        "heading": argument.get_help_heading(),
        "help": help,
    })
}

/// The pages of all programs, and of their commands, as `docs/programs.md` has them.
fn pages(entry: &Entry, command: &Command) -> String {
    let mut all = "# Programs\n\nMade by `molrg --generate markdown` from what `--help` is made of: `make docs`. Each takes \
                   the shared flags of all: `--output`, `--threads`, `--manifest`, `--manifest-host`, `--quiet`, \
                   `--verbose`, `--help`, `--version`.\n"
        .to_string();
    for inner in entry.commands() {
        let Some(described) = command.find_subcommand(inner.name) else { continue };
        all.push_str(&page(inner, described, inner.name, "##"));
        for part in inner.commands() {
            let Some(described) = described.find_subcommand(part.name) else { continue };
            all.push_str(&page(part, described, &format!("{} {}", inner.name, part.name), "###"));
        }
    }
    all
}

/// What one program is for, what it reads and writes, and its flags save those of all programs.
fn page(entry: &Entry, command: &Command, name: &str, heading: &str) -> String {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let mut page = format!(
        "\n{heading} {name}\n\n{}\n",
        text(command.get_long_about().or(command.get_about())).trim_end()
    );
    if let Some(writes) = entry.writes() {
        let reads: Vec<&str> = entry.reads().iter().map(|content| content.name()).collect();
        let reads = if reads.is_empty() { "nothing".to_string() } else { reads.join(", ") };
        page.push_str(&format!(
            "\nReads: {reads}. Writes: {}.\n\n| argument | default | |\n|---|---|---|\n",
            writes.name()
        ));
    }
    let everyone = super::flags::arguments(&[]);
    let shared = |a: &Arg| everyone.iter().any(|shared| shared.get_id() == a.get_id());
    let arguments = command.get_arguments().filter(|a| !a.is_hide_set() && !shared(a));
    for argument in arguments.filter(|a| !matches!(a.get_id().as_str(), "help" | "version")) {
        let value =
            argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        let spelled = match (argument.get_short(), argument.get_long()) {
            (Some(short), Some(long)) => format!("--{long} (-{short})"),
            (None, Some(long)) => format!("--{long}"),
            _ => String::new(),
        };
        let switch = !argument.get_action().takes_values();
        let spelled = if switch { spelled } else { format!("{spelled} {value}").trim().to_string() };
        let choices: Vec<String> =
            argument.get_possible_values().iter().map(|v| v.get_name().to_string()).collect();
        let choices =
            if switch || choices.is_empty() { String::new() } else { format!(": {}", choices.join(", ")) };
        let default = argument
            .get_default_values()
            .first()
            .filter(|_| !switch && !argument.is_hide_default_value_set());
        let default = default.map_or(String::new(), |v| format!("`{}`", v.to_string_lossy()));
        let help = text(argument.get_help()).replace('|', "\\|");
        page.push_str(&format!("| `{}` | {default} | {help}{choices} |\n", spelled.replace('|', "\\|")));
    }
    let examples = text(command.get_after_help());
    let examples: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("  $ ")).collect();
    if !examples.is_empty() {
        page.push_str(&format!("\n```sh\n{}\n```\n", examples.join("\n")));
    }
    page
}

/// What kind of value a parser takes, as other languages name it.
fn type_of(parser: &ValueParser) -> &'static str {
    let of = parser.type_id();
    let is = |one: &ValueParser| one.type_id() == of;
    if is(&clap::value_parser!(PathBuf)) || is(&clap::value_parser!(OsString)) {
        "path"
    } else if is(&clap::value_parser!(f64).into()) {
        "number"
    } else if [
        clap::value_parser!(usize).into(),
        clap::value_parser!(u64).into(),
        clap::value_parser!(u32).into(),
        clap::value_parser!(u16).into(),
        clap::value_parser!(u8).into(),
    ]
    .iter()
    .any(is)
    {
        "integer"
    } else {
        "string"
    }
}

/// One page a program, its subcommands included, examples as they are pasted.
fn man_page(mut command: Command) -> Result<String> {
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    // The generator's name for what follows the options, and no fill within.
    if let Some((before, examples)) = page.split_once(".SH EXTRA\n") {
        let (examples, after) = examples.split_once(".SH ").unwrap_or((examples, ""));
        let after = if after.is_empty() { String::new() } else { format!(".SH {after}") };
        let examples = examples.trim_start_matches("Examples:\n").trim_end();
        page = format!("{before}.SH EXAMPLES\n.nf\n{examples}\n.fi\n{after}");
    }
    page.push('\n');
    // Subcommands stand on this page, not on pages of their own.
    let spelled = |name: &str| name.replace('-', "\\-");
    let of = spelled(command.get_name());
    for inner in command.get_subcommands().map(|inner| spelled(inner.get_name())) {
        page = page.replace(&format!("{of}\\-{inner}(1)"), &inner);
    }
    for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let man = clap_mangen::Man::new(inner.clone());
        let mut section = Vec::new();
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section);
        let title = format!("{} {}", command.get_name(), inner.get_name()).to_uppercase();
        page.push_str(
            &section.replace(".SH DESCRIPTION", &format!(".SH {title}")).replace(".SH ", ".SS ").replacen(
                &format!(".SS {title}"),
                &format!(".SH \"{title}\""),
                1,
            ),
        );
    }
    Ok(page)
}
