//! Files appear complete or not at all; pipes and devices end as they should.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::place::{Place, programs};
use super::programs::CALLS;

/// Runs that do not end by themselves while standard input stays open.
const WAITING: &[&str] = &[
    "molrg-gen -d 64 -r 4 -k 2 -n 1000000000 -o old --labels side",
    "npy noise -d 64 -n 1000000000 -o old",
    "pf-sample student.st -n 1000000000 -o old --trajectory side",
    "pf-sample student.st --noise - -o old --report side",
    "dae-fit - --kind gaussian -o old --report side",
    "dae-fit - --kind molrg -r 3 -k 2 -o old --report side",
    "dae-fit - --kind empirical -o old --report side",
    "dae-apply student.st - --sigma 1 -o old",
    "rp-score - train.npy -o old --per-sample side",
    "pfd student.st - -o old",
    "jacobian-rank student.st --points - --sigma 1 -o old --spectrum side",
    "phase-grid --dim 48 --ranks 2-40 --samples 200 --solver subspaces --trials 100000 -o old",
    "npy cat - -o old",
];

fn stocked() -> Place {
    let place = Place::stocked("f32");
    for name in ["old", "side"] {
        place.put(name, "of an earlier run");
    }
    place
}

/// With the signals' usual effects: what shells start in the background ignores SIGINT, and so would all below it.
fn start(place: &Place, line: &str) -> Child {
    let mut command = place.process(Path::new("env"));
    let program = line.split_whitespace().next().unwrap();
    command.arg("--default-signal=INT,TERM").arg(programs().join(program));
    command.args(line.split_whitespace().skip(1));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().unwrap()
}

/// Waits until a process has spent some time, or sleeps for input.
fn under_way(child: &Child) {
    let started = Instant::now();
    let mut asleep = 0;
    while started.elapsed() < Duration::from_millis(150) && asleep < 5 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, rest)| &rest[..1]);
        asleep = if state == "S" && started.elapsed() > Duration::from_millis(30) { asleep + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn a_stopped_run_leaves_what_was_there() {
    let place = stocked();
    let bytes = place.get("train.npy");
    let before = place.files();
    for signal in ["TERM", "KILL", "INT"] {
        for line in WAITING {
            let mut child = start(&place, line);
            let mut pipe = child.stdin.take().unwrap();
            let _ = pipe.write_all(&bytes[..10_000]);
            under_way(&child);
            let kill = format!("kill -{signal} {}", child.id());
            place.bash(&kill).silent(&format!("{line} had ended before {kill}"));
            let status = child.wait().unwrap();
            let mut said = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut said);
            assert!(status.signal().is_some() || status.code() == Some(75), "{line}: {status}: {said}");
            drop(pipe);
            assert!(place.files() == before, "{line}, {signal}: files were changed");
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_there() {
    let place = stocked();
    let before = place.files();
    let mut lines = Vec::new();
    for call in CALLS.iter().filter(|c| !c.arguments.starts_with("check")) {
        // Side files of the table are not there yet, and must not appear.
        lines.push(format!("{} > /dev/full", call.line()));
        lines.push(format!("{} -o /dev/full", call.line()));
    }
    for side in [
        "molrg-gen -d 8 -r 2 -k 2 -n 500 --labels /dev/full -o old",
        "molrg-gen -d 8 -r 2 -k 2 -n 500 --truth /dev/full -o old --labels side",
        "dae-fit train.npy --kind molrg -r 3 -k 2 --report /dev/full -o old",
        "dae-fit train.npy --kind gaussian --report /dev/full -o old",
        "dae-fit train.npy --kind empirical --report /dev/full -o old",
        "pf-sample student.st -n 20 --trajectory /dev/full -o old --report side",
        "pf-sample student.st -n 20 --report /dev/full -o old --trajectory side",
        "rp-score a.npy b.npy --per-sample /dev/full -o old",
        "jacobian-rank student.st --sigma 1 -n 3 --spectrum /dev/full -o old --basis side",
        "jacobian-rank student.st --sigma 1 -n 3 --basis /dev/full -o old --spectrum side",
        "pfd student.st truth.st -n 20 --manifest /dev/full -o old",
    ] {
        lines.push(side.to_string());
    }
    for line in lines {
        let done = place.bash(&line.replace("planted.st", "/dev/null"));
        assert_eq!(done.code, Some(1), "{line}: {}", done.err);
        let program = line.split(' ').next().unwrap();
        assert_eq!(done.err.lines().count(), 1, "{line}: {}", done.err);
        assert!(done.err.starts_with(&format!("{program}: ")), "{line}: {}", done.err);
        let named = if line.contains("> /dev/full") { "<stdout>" } else { "/dev/full" };
        assert!(done.err.contains(named) && done.err.contains("No space left"), "{line}: {}", done.err);
        let after = place.files();
        for (name, bytes) in &after {
            assert!(before.get(name) == Some(bytes), "{line}: {name} was written");
        }
        assert_eq!(after.len(), before.len(), "{line}");
    }
}

#[test]
fn a_closed_pipe_ends_a_program_quietly() {
    let place = stocked();
    for call in CALLS.iter().filter(|c| !c.arguments.starts_with("check")) {
        let mut child = start(&place, &call.line());
        drop(child.stdout.take());
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), message.as_str()), (Some(0), ""), "{}", call.line());
    }
    for endless in [
        "molrg-gen -d 64 -r 4 -n 1000000000",
        "molrg-gen -d 64 -r 4 -n 1000000000 -f csv",
        "pf-sample student.st -n 1000000000",
        "npy noise -n 1000000000 -d 64",
        "npy noise -n 1000000000 -d 64 | npy cat --nan pass -f csv",
        "npy noise -n 1000000000 -d 24 | dae-apply student.st --sigma 1 -f csv",
        "npy noise -n 1000000000 -d 24 | pf-sample student.st --noise - -f json",
    ] {
        let done = place.bash(&format!("{endless} | head -c 100000 | wc -c"));
        assert_eq!((done.out.as_slice(), done.err.as_str()), (&b"100000\n"[..], ""), "{endless}");
        assert_eq!(done.code, Some(0), "{endless}");
    }
}

#[test]
fn permissions_follow_the_umask() {
    let place = Place::stocked("f32");
    for (umask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
        let scripts = [
            ("molrg-gen -d 8 -r 2 -n 9 -o x --labels y --truth z", &["x", "y", "z"][..]),
            ("dae-fit train.npy --kind gaussian -o x --report y --manifest z", &["x", "y", "z"]),
            ("pf-sample student.st -n 3 -o x --trajectory y --report z", &["x", "y", "z"]),
            ("rp-score a.npy b.npy -o x --per-sample y", &["x", "y"]),
            ("jacobian-rank student.st --sigma 1 -n 2 -o x --spectrum y --basis z", &["x", "y", "z"]),
        ];
        for (line, names) in scripts {
            place.bash(&format!("umask {umask}; {line}")).silent(line);
            for name in names {
                let found = fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(found, mode, "{line}: {name} under umask {umask}");
                fs::remove_file(place.path(name)).unwrap();
            }
        }
    }
}

#[test]
fn outputs_replace_what_was_there_and_leave_nothing_beside() {
    let place = stocked();
    let names = |place: &Place| place.files().into_keys().collect::<Vec<_>>();
    let before = names(&place);
    for line in [
        "molrg-gen -d 8 -r 2 -k 2 -n 500 -o old --labels side",
        "dae-fit train.npy --kind molrg -r 3 -k 2 -o old --report side",
        "dae-apply student.st train.npy --sigma 1 -o old",
        "pf-sample student.st -n 20 -o old --trajectory side",
        "rp-score a.npy b.npy -o old --per-sample side",
        "pfd a.npy b.npy -o old --manifest side",
        "jacobian-rank student.st --sigma 1 -n 3 -o old --spectrum side",
        "subspace-error student.st truth.st -o old",
        "phase-grid --dim 8 --ranks 2 --samples 3 --trials 2 --solver pca -o old",
        "npy cat a.npy -o old",
    ] {
        for name in ["old", "side"] {
            place.put(name, "of an earlier run");
        }
        let out = place.out(line);
        assert!(out.is_empty(), "{line}");
        for name in ["old", "side"].iter().filter(|name| line.contains(*name)) {
            assert_ne!(place.get(name), b"of an earlier run", "{line}: {name}");
        }
        assert_eq!(names(&place), before, "{line}");
    }
    // What is read may be what is written.
    let cut = place.out("npy cat train.npy --rows 7..9");
    place.out("npy cat train.npy --rows 7..9 -o train.npy");
    assert_eq!(place.get("train.npy"), cut);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let place = stocked();
    fs::create_dir(place.path("closed")).unwrap();
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(place.path("closed/probe"), "").is_ok() {
        // Root may write anywhere, so there is nothing to be seen.
        return;
    }
    for call in CALLS.iter().filter(|c| !c.arguments.starts_with("check")) {
        let done = place.run(&format!("{} -o closed/out", call.line()));
        assert_eq!(done.code, Some(1), "{}", call.line());
        assert!(done.err.contains("closed/out") && done.err.lines().count() == 1, "{}", done.err);
    }
}
