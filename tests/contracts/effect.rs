//! A flag that has no effect on what was asked for is refused: in every call of the table, every flag that it does
//! not have is given a value, and either the outputs change or the program names the flag.

use std::collections::BTreeSet;

use clap::{Arg, ValueHint};

use super::place::Place;
use super::programs::{CALLS, Call, command_of, entries};

/// Flags that say how a run goes, not what comes of it, and those whose value may well be what is there.
const NO_BYTES: &[&str] = &["output", "threads", "manifest", "manifest-host", "quiet", "verbose", "workers"];

/// Flags whose effect these small calls do not show, with the reason.
const UNSEEN: &[(&str, &str)] = &[
    ("components", "the ranks say as many"),
    ("init", "every start climbs to the same fit"),
    ("nan", "all numbers of the inputs are finite"),
    ("format", "csv may be the default"),
    ("dtype", "f32 may be the default"),
    ("shape", "the inputs say theirs; another is refused"),
    ("restarts", "a further start is no better"),
    ("init", "all starts come to the same optimum"),
    ("iterations", "it has come to rest before"),
    ("tol", "no trial lies between"),
    ("checkpoint", "a directory"),
    ("log-every", "of no log"),
    ("warmup", "three steps may be the default"),
    ("lr", "it converges all the same"),
    ("rtol", "equal arrays"),
    ("atol", "equal arrays"),
    ("method", "the default by dimension"),
    ("ridge", "every row is told as before"),
    ("folds", "every row is told as before"),
];

/// A value for a flag that no type has: what such flags take.
const VALUES: &[(&str, &str)] = &[
    ("sigmas", "10,1,0.1"),
    ("sigma", "0.7"),
    ("snr", "0.7"),
    ("levels", "edm:3"),
    ("weights", "1,2"),
    ("spectrum", "geometric:0.5"),
    ("rows", "..1"),
    ("descriptor", "center"),
    ("data-range", "-3,3"),
    ("gl", "ratio"),
    ("cols", "..2"),
    ("ema", "0.5"),
    ("batch", "17"),
    ("ratio", "0.9"),
    ("sigma-range", "0.1,10"),
    ("guidance-interval", "0.1,10"),
    ("guide-interval", "0.1,10"),
    ("drop-label", "0.5"),
    ("class", "0"),
    ("until", "1"),
    ("condition", "few.npy"),
    ("edit", "in=direction.npy:2"),
];

fn value(call: &Call, argument: &Arg) -> Option<String> {
    let long = argument.get_long().unwrap_or_default();
    if let Some((_, value)) = VALUES.iter().find(|(flag, _)| *flag == long) {
        // The spectrum of molrg-gen is one; that of jacobian-rank a file.
        return (call.program != "jacobian-rank" || long != "spectrum").then(|| value.to_string());
    }
    let choices = argument.get_possible_values();
    let default = argument.get_default_values().first().map(|v| v.to_string_lossy().into_owned());
    // The last one: where help does not say which is the default, it is one of the first.
    if let Some(other) = choices.iter().rev().find(|c| Some(c.get_name()) != default.as_deref()) {
        return Some(other.get_name().to_string());
    }
    if argument.get_value_hint() == ValueHint::AnyPath {
        return None;
    }
    let number = default.and_then(|d| d.parse::<f64>().ok()).filter(|d| d.is_finite());
    Some(
        number.map_or("5".into(), |d| {
            if d.fract() == 0.0 { (d + 1.0).to_string() } else { (d * 0.5).to_string() }
        }),
    )
}

fn outputs(place: &Place, before: &BTreeSet<String>, line: &str) -> (Option<i32>, String, Vec<Vec<u8>>) {
    let done = place.run(line);
    let written = place.take(before).into_values();
    (done.code, done.err, [done.out].into_iter().chain(written).collect())
}

#[test]
fn a_flag_without_effect_is_refused() {
    let (place, entries) = (Place::stocked("f32"), entries());
    let before = place.names();
    let mut idle = Vec::new();
    for call in CALLS {
        let line = call.line();
        let (_, _, plain) = outputs(&place, &before, &line);
        for argument in entries[&command_of(&line)].command().get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            let given = line.contains(&format!("--{long}"))
                || argument.get_short().is_some_and(|s| line.contains(&format!(" -{s}")));
            // Fits of several starts come to the same, whatever the seed.
            let same_fit = (call.program, long) == ("dae-fit", "seed") && line.contains("--kind molrg");
            // A training set of few rows is its own baseline, whole; the Jacobian of one Gaussian is one everywhere;
            // and what is whole is whole in parts.
            let same = same_fit
                || (call.program, long) == ("rp-score", "seed")
                || long == "seed" && line.starts_with("jacobian-rank gaussian.st")
                // What other draws span has as many directions.
                || long == "seed" && line.starts_with("intrinsic-dimension")
                || long == "rows" && line.starts_with("npy check");
            let unseen = same || UNSEEN.iter().any(|(flag, _)| *flag == long);
            if given
                || unseen
                || NO_BYTES.contains(&long)
                || ["fig", "table", "dae-serve"].contains(&call.program)
            {
                continue;
            }
            let flag = match (argument.get_action().takes_values(), value(call, argument)) {
                (false, _) => format!("--{long}"),
                (true, Some(value)) => format!("--{long}={value}"),
                (true, None) => continue,
            };
            let (code, err, changed) = outputs(&place, &before, &format!("{line} {flag}"));
            if code == Some(0) && changed == plain {
                idle.push(format!("{line} {flag}"));
            }
            assert!(code == Some(0) || err.contains("--") || code == Some(1), "{line} {flag}: {err}");
        }
    }
    assert!(idle.is_empty(), "no effect, and not refused:\n{}", idle.join("\n"));
}

/// A table of rows by their number does not say which were left out.
#[test]
fn rows_that_are_numbered_are_not_left_out() {
    let (place, entries) = (Place::stocked("f32"), entries());
    let mut called = BTreeSet::new();
    for line in CALLS.iter().map(Call::line).filter(|line| line.contains("--per-sample")) {
        let done = place.run(&format!("{line} --nan drop"));
        assert!(done.code == Some(2) && done.err.contains("--nan"), "{line}: {:?}, {}", done.code, done.err);
        called.insert(command_of(&line));
    }
    let has = |command: &clap::Command| command.get_arguments().any(|a| a.get_long() == Some("per-sample"));
    let all: BTreeSet<_> =
        entries.iter().filter(|(_, e)| has(&e.command())).map(|(name, _)| name.clone()).collect();
    assert_eq!(called, all, "programs with --per-sample and a call of it");
}
