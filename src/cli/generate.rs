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
        clap_mangen::Man::new(command).render(&mut text)?;
    } else {
        let shell = Shell::from_str(what, true)
            .map_err(|_| usage(anyhow::anyhow!("--generate: give man, bash, zsh or fish")))?;
        let name = command.get_name().to_string();
        clap_complete::generate(shell, &mut command, name, &mut text);
    }
    io::stdout().write_all(&text)?;
    Ok(())
}
