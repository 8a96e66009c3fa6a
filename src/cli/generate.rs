//! Man pages and shell completions, from the same definitions as `--help`.

use std::ffi::OsString;
use std::io::{self, Write};

use anyhow::Result;
use clap::{Command, ValueEnum};
use clap_complete::Shell;

use super::usage;

/// Prints what `--generate man|bash|zsh|fish` asks for.
pub fn print(mut command: Command, what: Option<&OsString>) -> Result<()> {
    let what = what.and_then(|w| w.to_str()).unwrap_or("");
    let mut text = Vec::new();
    if what == "man" {
        text = man_page(command)?.into_bytes();
    } else {
        let shell = Shell::from_str(what, true)
            .map_err(|_| usage(anyhow::anyhow!("--generate: give man, bash, zsh or fish")))?;
        let name = command.get_name().to_string();
        clap_complete::generate(shell, &mut command, name, &mut text);
    }
    io::stdout().write_all(&text)?;
    Ok(())
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
    for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
        // Subcommands stand on this page, not on pages of their own.
        let elsewhere = format!("{}\\-{}(1)", command.get_name(), inner.get_name());
        page = page.replace(&elsewhere, inner.get_name());
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
