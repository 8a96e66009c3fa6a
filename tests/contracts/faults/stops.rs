//! Runs that are stopped in the middle.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::super::place::{Place, only_warnings, programs};
use super::{SOUND, command_of, small, unchanged};

/// Runs that go on until they are stopped; all others wait for their input.
const ENDLESS: &[&str] = &[
    "dae-serve student.st",
    "molrg-gen -d 64 -r 4 -k 2 -n 1000000000 -o old --labels side",
    "npy noise -d 64 -n 1000000000 -o old",
    "pf-sample student.st -n 1000000000 -o old --trajectory side",
    "phase-grid --dim 48 --ranks 2-40 --samples 200 --solver subspaces --trials 100000 -o old",
    "sde --system ou -n 1000000000 --steps 3 -o old --observations side",
    "bridge score --system ou:1 -n 1000000000 --steps 3 -o old --paths side",
    "bridge fit --system ou:1 -n 100000000 --steps 100 -o old",
    "bridge exact --system double-well:1 --target 1 --steps 10000 --places 5000 -o old",
    "icl optimal -d 90 -r 1 --prompt 1-1000000 -o old --gamma side",
    "icl train -d 90 -r 1 --prompt 4 --steps 1000000000 -o old --log side",
    "icl risk -d 90 -r 1 --prompt 4 --simulate 1000000000 -o old",
];

/// With the signals' usual effects: what shells start in the background ignores SIGINT, and so would all below it.
fn start(place: &Place, line: &str) -> Child {
    let mut command = place.process(Path::new("env"));
    let program = line.split_whitespace().next().unwrap();
    command.arg("--default-signal=INT,TERM").arg(programs().join(program));
    command.args(line.split_whitespace().skip(1)).args(["--threads", "1"]);
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
        asleep = if state == "S" { asleep + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn a_stopped_run_leaves_what_was_there() {
    let place = small();
    let before = place.files();
    let mut runs: Vec<(String, Vec<u8>)> =
        ENDLESS.iter().map(|line| (line.to_string(), Vec::new())).collect();
    for (readers, name) in &SOUND[..5] {
        let bytes = place.get(name);
        // Most of it; the rest does not come.
        let part = &bytes[..bytes.len() - 9];
        runs.extend(readers.iter().map(|line| (line.replace("{}", "-"), part.to_vec())));
    }
    for (turn, signal) in ["TERM", "KILL", "INT"].into_iter().enumerate() {
        let start = |(line, part): &(String, Vec<u8>)| {
            let mut child = start(&place, line);
            let mut pipe = child.stdin.take().unwrap();
            let _ = pipe.write_all(part);
            (line.clone(), child, pipe)
        };
        // Those without an end get every signal, those that wait for input one each. A few at once: the former write as fast as
        // the disk takes it.
        let waiting = runs[ENDLESS.len()..].iter().skip(turn).step_by(3);
        let runs: Vec<_> = runs[..ENDLESS.len()].iter().chain(waiting).collect();
        for runs in runs.chunks(6) {
            let children: Vec<_> = runs.iter().map(|run| start(run)).collect();
            for (line, mut child, pipe) in children {
                under_way(&child);
                let kill = format!("kill -{signal} {}", child.id());
                place.bash(&kill).silent(&format!("{line} had ended before {kill}"));
                let status = child.wait().unwrap();
                let mut said = String::new();
                let _ = child.stderr.take().unwrap().read_to_string(&mut said);
                assert!(
                    status.signal().is_some() && only_warnings(&said),
                    "{line}, {signal}: {status}: {said}"
                );
                drop(pipe);
            }
        }
        unchanged(&place, &before, signal);
    }
    let stopped: std::collections::BTreeSet<String> = runs.iter().map(|(line, _)| command_of(line)).collect();
    let mut all = super::commands();
    // A key is a few numbers, drawn before anything could stop it.
    all.remove("watermark key");
    assert_eq!(stopped, all);
}
