//! README and docs/ do what they say: every block is run, in order, in a folder that looks like a clone after
//! `make demo`, and prints what stands below it.
//!
//! | block | |
//! |---|---|
//! | `console` | lines after `$ ` are run, and print what follows; numbers to [`TOLERANCE`] |
//! | `console about` | the same, numbers to [`ABOUT`]: they hang on a few rows, or on a training |
//! | `sh` | run, and must succeed |
//! | `python` | run where there is a NumPy |
//! | `python torch` | not run: needs PyTorch; `tests/python/test_docs.py` runs those |
//! | `bash` | not run: builds, clusters, what takes minutes |
//!
//! One shell runs a whole document, so that `cd` and `export` hold to its end.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::programs;

/// Numbers agree to this, relatively or absolutely: errors at rounding level (1e-7 and less) differ between processors,
/// everything else does not show it.
const TOLERANCE: f64 = 2e-6;

/// A share of a few hundred rows moves by some of them, from one processor to another.
const ABOUT: f64 = 0.05;

/// Lines of the README at most.
const LONGEST: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Made from `--help`, whose examples tests/contracts/help.rs pastes.
const MADE: &str = "docs/programs.md";

/// README.md and docs/*.md: name and text.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    paths.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// One command, and what a document shows below it.
struct Step {
    command: String,
    shown: Option<(String, f64)>,
}

/// Blocks by their kind, as `console about`.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (kind, after) = after.split_once('\n').unwrap();
        let (body, after) =
            after.split_once("\n```").unwrap_or_else(|| panic!("a block of {kind} has no end"));
        all.push((kind, body));
        rest = after;
    }
    all
}

/// Lines of a script, those put together that are one command.
fn commands(script: &str) -> Vec<String> {
    let complete = |command: &str| {
        let checked = Command::new("bash").args(["-n", "-c", command]).stderr(Stdio::null()).status();
        checked.unwrap().success() && !command.ends_with('\\')
    };
    let mut all = Vec::new();
    let mut command = String::new();
    for line in script.lines() {
        command.push_str(line);
        if complete(&command) {
            all.push(std::mem::take(&mut command));
        } else {
            command.push('\n');
        }
    }
    assert!(command.is_empty(), "not a command: {command}");
    all
}

fn steps(text: &str) -> Vec<Step> {
    let mut all = Vec::new();
    for (kind, body) in blocks(text) {
        let unseen = |command| Step { command, shown: None };
        match kind {
            "console" | "console about" => {
                let tolerance = if kind == "console" { TOLERANCE } else { ABOUT };
                assert!(body.starts_with("$ "), "a console block begins with a command: {body}");
                for step in body[2..].split("\n$ ") {
                    let (command, shown) = step.split_once('\n').unwrap_or((step, ""));
                    all.push(Step { command: command.into(), shown: Some((shown.into(), tolerance)) });
                }
            }
            "sh" => all.extend(commands(body).into_iter().map(unseen)),
            "python" => all
                .push(unseen(format!("if [ -n \"$PYTHON\" ]; then \"$PYTHON\" - <<'END'\n{body}\nEND\nfi"))),
            "bash" | "" | "text" | "python torch" => {}
            other => panic!("a block of {other:?}, which is neither run nor known not to be"),
        }
    }
    all
}

/// A Python with NumPy: that of `make test-numpy`, or the system's.
fn python() -> Option<PathBuf> {
    let candidates = [root().join("target/numpy/bin/python"), "python3".into()];
    candidates.into_iter().find(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import numpy"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// What is wrong with a document, if anything is.
fn run(name: &str, steps: &[Step], python: Option<&Path>) -> Option<String> {
    let clone = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("testdata"), clone.path().join("testdata")).unwrap();
    fs::create_dir(clone.path().join("target")).unwrap();
    std::os::unix::fs::symlink(programs(), clone.path().join("target/release")).unwrap();
    let printed = tempfile::tempdir().unwrap();
    let at = |step: usize, what: &str| printed.path().join(format!("{step}.{what}"));

    let mut script = String::from("set -eo pipefail\n");
    for (i, step) in steps.iter().enumerate() {
        let (out, err, done) = (at(i, "out"), at(i, "err"), at(i, "done"));
        let (out, err, done) = (out.display(), err.display(), done.display());
        // A list of && that fails before its end does not end the shell by itself: hence the second line.
        let command = &step.command;
        writeln!(script, "{{\n{command}\n}} > {out} 2> {err} < /dev/null\n[ $? = 0 ]\n: > {done}").unwrap();
    }
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(clone.path());
    shell.env("PYTHON", python.unwrap_or(Path::new(""))).env_remove("OMP_NUM_THREADS");
    shell.env("PYTHONPATH", root().join("python"));
    shell.status().unwrap();
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    for (i, Step { command, shown }) in steps.iter().enumerate() {
        if !at(i, "done").exists() {
            return Some(format!("{name}: fails:\n{command}\n{}", read(at(i, "err"))));
        }
        let out = read(at(i, "out"));
        if let Some((shown, tolerance)) = shown
            && !alike(out.trim_end(), shown, *tolerance)
        {
            return Some(format!("{name}:\n{command}\nprints\n{out}\nwhere it shows\n{shown}"));
        }
    }
    None
}

#[test]
fn blocks_do_what_they_show() {
    let python = python();
    if python.is_none() {
        eprintln!("blocks of Python are skipped: no NumPy (make test-forward fetches it)");
    }
    let written = documents().into_iter().filter(|(name, _)| name != MADE);
    let all: Vec<(String, Vec<Step>)> = written.map(|(name, text)| (name, steps(&text))).collect();
    let count: usize = all.iter().map(|(_, steps)| steps.len()).sum();
    assert!(count > 40, "only {count} commands found");
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let python = python.as_deref();
        let running: Vec<_> =
            all.iter().map(|(name, steps)| scope.spawn(move || run(name, steps, python))).collect();
        running.into_iter().filter_map(|document| document.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What docs/formats.md says of models is enough to compute them: tests/forward.py does.
#[test]
fn forward_passes_follow_from_the_formats() {
    let Some(python) = python() else {
        eprintln!("forward passes are skipped: no NumPy (make test-forward fetches it)");
        return;
    };
    let done = Command::new(python).arg(root().join("tests/forward.py")).arg(programs()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Whether two texts have the same fields, numbers compared as numbers.
fn alike(a: &str, b: &str, tolerance: f64) -> bool {
    let fields =
        |text: &str| text.split([',', '\n']).map(|field| field.trim().to_string()).collect::<Vec<_>>();
    let (a, b) = (fields(a), fields(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => (x - y).abs() <= tolerance * y.abs().max(1.0),
            _ => a == b,
        })
}

#[test]
fn readme_is_short_and_leads_to_every_document() {
    let documents = documents();
    let (name, readme) = &documents[0];
    assert_eq!(name, "README.md");
    let lines = readme.lines().count();
    assert!(lines <= LONGEST, "README.md has {lines} lines; at most {LONGEST}");
    for (name, _) in &documents[1..] {
        assert!(readme.contains(&format!("]({name}")), "README.md does not lead to {name}");
    }
}

/// Documents whose blocks are not run here.
const OTHERS: [&str; 2] = ["figures/README.md", "cluster/README.md"];

/// Links into the project, pictures, and the tests and sources that are named, are there.
#[test]
fn what_documents_point_to_is_there() {
    let mut missing = Vec::new();
    let others = OTHERS.map(|name| (name.to_string(), fs::read_to_string(root().join(name)).unwrap()));
    for (name, text) in documents().into_iter().chain(others) {
        let folder = root().join(&name).parent().unwrap().to_path_buf();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            if !folder.join(link).exists() {
                missing.push(format!("{name}: {link}"));
            }
        }
        for code in text.split('`').skip(1).step_by(2) {
            let named = ["tests/", "src/", "benches/"].iter().any(|folder| code.starts_with(folder));
            if named
                && !code.contains(' ')
                && !spelled_out(code).iter().all(|path| root().join(path).exists())
            {
                missing.push(format!("{name}: `{code}`"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// `a/{b,c}.rs` as a/b.rs and a/c.rs.
fn spelled_out(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_string()] };
    let (choices, after) = rest.split_once('}').unwrap();
    choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
}
