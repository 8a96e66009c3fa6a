//! Wrong calls, and asking for help.

use std::collections::BTreeSet;
use std::process::Stdio;

use super::super::place::Place;
use super::super::programs::{command_of, commands, entries};
use super::{fails, small, sound_calls};

#[test]
fn every_command_refuses_the_same_wrong_shared_flags() {
    let place = small();
    let mut seen = BTreeSet::new();
    let entries = entries();
    for line in sound_calls().iter().filter(|line| seen.insert(command_of(line))) {
        let command = entries[&command_of(line)].command();
        let takes = |flag: &str| command.get_arguments().any(|a| a.get_long() == flag.strip_prefix("--"));
        for (flags, words) in [
            ("--bogus", &["--bogus"][..]),
            ("--threads 0", &["--threads", "0"]),
            ("--threads many", &["--threads", "many"]),
            ("--threads 1 --threads 2", &["--threads", "multiple times"]),
            ("--seed -1", &["--seed", "-1"]),
            ("--seed 1.5", &["--seed", "1.5"]),
            ("--seed 18446744073709551616", &["--seed"]),
            ("--seed 1 --seed 1", &["--seed", "multiple times"]),
            ("--rows 5..2", &["--rows", "5"]),
            ("--rows 5", &["--rows"]),
            ("--rows ..1 --rows ..2", &["--rows", "multiple times"]),
            ("--nan ignore", &["--nan", "ignore"]),
            ("--dtype f16", &["--dtype", "f16"]),
            ("--dtype f32 --dtype f64", &["--dtype", "multiple times"]),
            ("--format xlsx", &["--format", "xlsx"]),
            ("--shape 0", &["--shape"]),
            ("--output", &["--output"]),
            ("--output one --output two", &["--output", "multiple times"]),
            ("--quiet=2", &["--quiet"]),
            ("--quiet --quiet", &["--quiet", "multiple times"]),
        ] {
            let flag = flags.split(['=', ' ']).next().unwrap();
            let words = if takes(flag) { words } else { &[flag] };
            // A flag once in the call would be there twice.
            let line = match flag {
                "--shape" => line.replace(" --shape 1,3", ""),
                "--output" => super::to_stdout(line),
                _ => line.replace(" -q", ""),
            };
            fails(&place, 2, &format!("{line} {flags}"), words);
        }
    }
}

#[test]
fn help_and_version_end_well_when_nobody_reads_on() {
    let place = Place::new();
    for (place_in_turn, command) in commands().iter().enumerate() {
        let flags = ["--help", "-h", "--version"];
        for flag in flags {
            let text = place.text(&format!("{command} {flag}"));
            let done = place.bash(&format!("{command} {flag} | head -1")).silent(flag);
            assert_eq!(String::from_utf8(done).unwrap(), text[..=text.find('\n').unwrap()]);
            // All commands print these by the same code: one of them each.
            if flag != flags[place_in_turn % 3] {
                continue;
            }
            let mut run = place.command(&format!("{command} {flag}"));
            let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let done = child.wait_with_output().unwrap();
            assert_eq!((done.status.code(), done.stderr.as_slice()), (Some(0), &b""[..]), "{command} {flag}");
            let full = place.bash(&format!("{command} {flag} > /dev/full"));
            assert_eq!((full.code, full.err.lines().count()), (Some(1), 1), "{command} {flag}: {}", full.err);
        }
    }
}
