//! What programs say of themselves.

use std::collections::BTreeSet;

use super::place::Place;
use super::programs::CALLS;

fn programs() -> BTreeSet<&'static str> {
    CALLS.iter().map(|c| c.program).collect()
}

#[test]
fn help_opens_with_a_sentence_states_memory_and_ends_with_two_pipelines_that_work() {
    for program in programs() {
        let help = Place::new().text(&format!("{program} --help"));
        let first = help.lines().next().unwrap();
        let capital = first.starts_with(|c: char| c.is_uppercase());
        assert!(capital && first.matches(". ").count() == 0, "{program}: {first}");
        assert!(first.ends_with('.') || help.lines().nth(1) == Some(""), "{program}: {first}");
        assert!(help.lines().any(|l| l.starts_with("Memory: ")), "{program}: memory");
        assert!(help.contains("\nUsage: "), "{program}: usage");
        let lines: Vec<&str> = help.trim_end().lines().collect();
        let pipelines: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix("  $ ")).collect();
        assert_eq!(pipelines.len(), 2, "{program}: {pipelines:?}");
        for line in &lines[lines.len() - 2..] {
            assert!(line.starts_with("  $ ") && line.contains(program), "{program} ends with: {line}");
        }
        for pipeline in pipelines {
            let place = Place::new();
            let done = place.bash(pipeline);
            let wrote = !done.out.is_empty() || !place.files().is_empty();
            done.silent(pipeline);
            assert!(wrote, "{pipeline} shows nothing");
        }
    }
}

/// Their parts start in any order: each must wait for what it needs.
#[test]
fn pipelines_do_not_race_for_a_file_that_an_earlier_part_writes() {
    for slow in [
        "(sleep 0.2; molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st)",
        "(sleep 0.2; molrg-gen -d 48 -r 6 -k 2 -n 5000 --truth truth.st)",
    ] {
        for rest in [
            "dae-apply truth.st - --sigma 0.5",
            "dae-apply truth.st --sigma 1,0.5",
            "pf-sample truth.st --encode --noise -",
            "pfd truth.st -",
            "pfd - truth.st",
            "jacobian-rank truth.st --points - --rows ..5 --sigma 1",
            "dae-fit --kind molrg -r 6 -k 2 --restarts 1 -q | subspace-error truth.st -",
            "dae-fit --kind molrg -r 6 -k 2 --restarts 1 -q | subspace-error - truth.st",
        ] {
            let done = Place::new().bash(&format!("{slow} | {rest} | wc -c"));
            assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{slow} | {rest}");
        }
    }
}

#[test]
fn version_names_the_release_and_the_revision() {
    for program in programs() {
        let text = Place::new().text(&format!("{program} --version"));
        let rest = text.strip_prefix(&format!("{program} {} (", env!("CARGO_PKG_VERSION")));
        let revision = rest.and_then(|r| r.strip_suffix(")\n")).unwrap_or_else(|| panic!("{text}"));
        assert!(!revision.is_empty() && !revision.contains(' '), "{text}");
    }
}

#[test]
fn man_pages_and_completions_come_from_the_same_definitions() {
    for program in programs() {
        let place = Place::new();
        let man = place.text(&format!("{program} --generate man"));
        for part in
            [&format!(".TH {program} 1"), ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXAMPLES"]
        {
            assert!(man.contains(part), "{program}: the man page lacks {part}");
        }
        let bash = place.text(&format!("{program} --generate bash"));
        assert!(bash.lines().any(|l| l.contains("complete -F") && l.ends_with(program)), "{program}: bash");
        let zsh = place.text(&format!("{program} --generate zsh"));
        assert!(zsh.starts_with(&format!("#compdef {program}\n")), "{program}: zsh");
        let fish = place.text(&format!("{program} --generate fish"));
        assert!(fish.contains(&format!("complete -c {program} ")), "{program}: fish");
        let done = place.run(&format!("{program} --generate tcsh"));
        assert_eq!(done.code, Some(2), "{program}: {}", done.err);
    }
}

#[test]
fn every_flag_and_its_shared_ones_have_a_text() {
    for program in programs() {
        let fish = Place::new().text(&format!("{program} --generate fish"));
        let flags: Vec<&str> =
            fish.lines().filter(|l| l.starts_with("complete -c ") && l.contains(" -l ")).collect();
        for flag in &flags {
            let text = flag.split_once(" -d '").unwrap_or_else(|| panic!("no text: {flag}")).1;
            assert!(text.starts_with(|c: char| c.is_uppercase() || !c.is_ascii()), "{flag}");
            assert!(text.len() > 4, "{flag}");
        }
        for shared in [
            "output",
            "format",
            "dtype",
            "seed",
            "threads",
            "rows",
            "nan",
            "shape",
            "manifest",
            "manifest-host",
            "quiet",
            "help",
            "version",
        ] {
            assert!(flags.iter().any(|f| f.contains(&format!(" -l {shared} "))), "{program}: --{shared}");
        }
    }
}
