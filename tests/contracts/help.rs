//! What programs say of themselves.

use molrg::programs::PROGRAMS;

use super::place::Place;
use super::programs::entries;

fn programs() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|program| program.name)
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
            "jacobian-rank truth.st --points - --rows ..5 --sigma 0.1",
            "dae-fit --kind molrg -r 6 -k 2 --restarts 1 -q | subspace-error truth.st -",
            "dae-fit --kind molrg -r 6 -k 2 --restarts 1 -q | subspace-error - truth.st",
        ] {
            let done = Place::new().bash(&format!("{slow} | {rest} | wc -c"));
            // Rows of a mixture and what its flow makes of latents do not belong together, and pfd says so.
            let unpaired = done.err.starts_with("pfd: warning: ") && done.err.contains("no difference");
            assert!(
                done.code == Some(0) && (done.err.is_empty() || unpaired),
                "{slow} | {rest}: {}",
                done.err
            );
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

/// Those of all programs, and those that some take.
const ALL: [&str; 5] = ["output", "threads", "manifest", "quiet", "help"];
const SOME: [&str; 8] = ["format", "dtype", "seed", "rows", "nan", "shape", "workers", "class"];

#[test]
fn every_flag_has_a_text_and_shared_flags_are_those_of_the_registry() {
    for (name, entry) in entries() {
        let command = entry.command().version("");
        let place = Place::new();
        let help = place.text(&format!("{name} --help"));
        for argument in command.get_arguments() {
            let text =
                argument.get_help().unwrap_or_else(|| panic!("{name}: no text: {argument}")).to_string();
            assert!(text.starts_with(|c: char| c.is_uppercase() || !c.is_ascii()), "{name}: {text}");
            assert!(text.len() > 4, "{name}: {text}");
        }
        for flag in ALL {
            assert!(help.contains(&format!("--{flag}")), "{name}: --{flag}");
        }
        for flag in SOME {
            let taken = command.get_arguments().any(|a| a.get_long() == Some(flag));
            let options = help.split("\nExamples:").next().unwrap_or_default();
            assert_eq!(options.contains(&format!(" --{flag} ")), taken, "{name}: --{flag} in the help");
            if !taken {
                let done = place.run(&format!("{name} --{flag} 1"));
                assert_eq!(done.code, Some(2), "{name} --{flag}");
                assert!(done.err.contains(&format!("--{flag}")), "{name}: {}", done.err);
            }
        }
    }
}

/// What other languages build on: every argument with its name, type and default.
#[test]
fn the_description_for_other_languages_is_the_registry() {
    let described: serde_json::Value =
        serde_json::from_slice(&Place::new().out("molrg --generate json")).unwrap();
    let programs = described["commands"].as_array().unwrap();
    assert_eq!(programs.len(), PROGRAMS.len());
    for (program, entry) in programs.iter().zip(PROGRAMS) {
        assert_eq!(program["name"], entry.name);
        let commands = program["commands"].as_array().cloned().unwrap_or_else(|| vec![program.clone()]);
        for command in &commands {
            for argument in command["arguments"].as_array().unwrap() {
                let of = format!("{} {argument}", command["name"]);
                let kind = argument["type"].as_str().unwrap();
                assert!(["switch", "integer", "number", "path", "string"].contains(&kind), "{of}");
                if let Some(default) = argument["default"].as_str() {
                    match kind {
                        "integer" => assert!(default.parse::<u64>().is_ok(), "{of}"),
                        // A share may be written as a fraction.
                        "number" => assert!(default.split('/').all(|n| n.parse::<f64>().is_ok()), "{of}"),
                        _ => {}
                    }
                    let choices = argument["choices"].as_array().unwrap();
                    assert!(choices.is_empty() || choices.contains(&argument["default"]), "{of}");
                }
            }
            assert!(command["writes"].is_string(), "{command}");
        }
    }
    let sampler =
        programs.iter().find(|p| p["name"] == "pf-sample").unwrap()["arguments"].as_array().unwrap();
    let of = |name: &str| sampler.iter().find(|a| a["name"] == name).unwrap();
    assert_eq!(
        (of("samples")["type"].as_str(), of("samples")["short"].as_str()),
        (Some("integer"), Some("-n"))
    );
    assert_eq!(
        (of("sigma_max")["type"].as_str(), of("sigma_max")["default"].as_str()),
        (Some("number"), Some("80"))
    );
    assert_eq!((of("encode")["type"].as_str(), of("noise")["type"].as_str()), (Some("switch"), Some("path")));
    assert!(of("solver")["choices"].as_array().unwrap().contains(&"heun".into()));
}

/// Whatever its bounds are.
#[test]
fn every_number_of_things_may_be_written_with_an_exponent() {
    let described: serde_json::Value =
        serde_json::from_slice(&Place::new().out("molrg --generate json")).unwrap();
    let mut tried = 0;
    for program in described["commands"].as_array().unwrap() {
        let name = program["name"].as_str().unwrap();
        let commands = program["commands"].as_array().cloned();
        let commands = commands.unwrap_or_else(|| vec![program.clone()]);
        for command in &commands {
            let called = command["name"].as_str().unwrap();
            let line = if called == name { name.to_string() } else { format!("{name} {called}") };
            let flags = command["arguments"].as_array().unwrap().iter().filter(|a| a["type"] == "integer");
            for flag in flags.filter_map(|flag| flag["flag"].as_str()) {
                let place = Place::new();
                let [err, odd] = ["0.2e1", "2e-1"]
                    .map(|number| place.bash(&format!("{line} {flag} {number} </dev/null")).err);
                assert!(!err.contains("0.2e1") || err.contains("must be from"), "{line} {flag}: {err}");
                assert!(odd.contains("2e-1"), "{line} {flag}: {odd}");
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
}

/// `--flag -1` is a number, which the flag takes or refuses by its own reason.
#[test]
fn a_number_below_0_is_the_value_of_every_flag_that_has_one() {
    for (name, entry) in entries() {
        let command = entry.command();
        let flags = command.get_arguments().filter(|a| !a.is_positional() && a.get_action().takes_values());
        for flag in flags {
            let takes = flag.is_allow_negative_numbers_set() || flag.is_allow_hyphen_values_set();
            assert!(takes, "{name}: --{}", flag.get_long().unwrap_or_default());
        }
    }
    let place = Place::new();
    for (line, words) in [
        ("rfm a.npy b.npy --bandwidth -1", "must be a number above 0"),
        ("npy noise -n -1 -d 2", "-1"),
        ("phase-grid --dim 4 --ranks 1 --samples 2 --trials -3 --solver pca", "-3"),
    ] {
        let told = place.fails(2, line);
        assert!(told.contains(words) && !told.contains("unexpected argument"), "{line}: {told}");
    }
}

#[test]
fn the_page_of_the_programs_is_what_help_says() {
    let written = include_str!("../../docs/programs.md");
    let made = Place::new().text("molrg --generate markdown");
    let differs = written.lines().zip(made.lines()).find(|(a, b)| a != b);
    assert_eq!((differs, written.len()), (None, made.len()), "run make docs");
}

#[test]
fn a_list_takes_nothing_more() {
    let place = Place::new();
    assert_eq!(place.text("molrg --list").lines().count(), PROGRAMS.len());
    assert!(place.fails(2, "molrg --list extra").contains("'extra'"));
    place.fails(2, "molrg --list --nonsense");
}

#[test]
fn the_overview_lists_every_program() {
    let man = Place::new().text("molrg --generate man");
    assert!(!man.contains("(1)"), "a page that is not installed");
    for program in PROGRAMS {
        assert!(man.contains(&program.name.replace('-', "\\-")), "{}", program.name);
    }
}
