//! Training as a run of dae-fit: killed, told to stop, gone on with, refused.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::Place;

/// A directory with samples in it.
fn with_samples() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 2 -k 2 -n 200 --seed 3 -o x.npy");
    place
}

/// dae-fit of a small network with checkpoints every 50 of 3000 steps: long enough to be caught in the middle.
fn training(place: &Place, output: &str, more: &[&str]) -> Command {
    let mut command = place.command("dae-fit x.npy --kind mlp --width 48 --steps 3000 --quiet");
    command.args(["-o", output]).args(more).stderr(Stdio::piped());
    command
}

const KEPT: &[&str] = &["--checkpoint", "kept", "--every", "50"];

/// The output of training that nothing interrupts.
fn uninterrupted(place: &Place) -> Vec<u8> {
    assert!(training(place, "whole.st", &[]).status().unwrap().success());
    place.get("whole.st")
}

fn wait_for(path: &Path, child: &mut Child) {
    wait_until(child, || path.exists());
}

/// Names of checkpoints.
fn checkpoints(place: &Place) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(place.path("kept")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".safetensors")).collect()
}

/// Until that holds, or the run has ended.
fn wait_until(child: &mut Child, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint appeared");
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn killed_at_several_steps_it_ends_with_the_same_bytes() {
    let place = with_samples();
    let whole = uninterrupted(&place);
    let mut killed = 0;
    for step in [50, 950, 2200] {
        let mut child = training(&place, "parts.st", KEPT).arg("--resume").spawn().unwrap();
        wait_for(&place.path(&format!("kept/step-{step:08}.safetensors")), &mut child);
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        assert!(!place.path("parts.st").exists() || killed == 0, "nothing appears before the end");
    }
    assert!(killed > 0, "no run was killed in the middle");
    let mut last = training(&place, "parts.st", KEPT);
    last.args(["--resume", "--log", "log.csv", "--threads", "1"]);
    assert!(last.status().unwrap().success());
    assert_eq!(place.get("parts.st"), whole);
    // One log for all pieces: a row for every 15 of 3000 steps, in order.
    let log = String::from_utf8(place.get("log.csv")).unwrap();
    let steps: Vec<u64> =
        log.lines().skip(1).map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(steps, (1..=200).map(|i| 15 * i).collect::<Vec<_>>());
}

#[test]
fn told_to_stop_it_writes_a_checkpoint_and_ends_with_75() {
    let place = with_samples();
    let whole = uninterrupted(&place);
    // One after the other, in the same run, each once a checkpoint has come.
    for name in ["-TERM", "-INT", "-USR1"] {
        let before = checkpoints(&place);
        let mut run = training(&place, "parts.st", KEPT);
        run.args(["--log", "log.csv"]);
        if !before.is_empty() {
            run.arg("--resume");
        }
        let mut child = run.spawn().unwrap();
        wait_until(&mut child, || checkpoints(&place).difference(&before).next().is_some());
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{name}: {text}");
        assert!(text.contains("--resume") && text.lines().count() == 1, "{text}");
        assert!(!place.path("parts.st").exists());
        assert!(String::from_utf8(place.get("log.csv")).unwrap().lines().count() > 3, "the log so far");
    }
    assert!(training(&place, "parts.st", KEPT).arg("--resume").status().unwrap().success());
    assert_eq!(place.get("parts.st"), whole);
}

#[test]
fn a_changed_run_is_refused_by_the_name_of_what_changed() {
    let place = with_samples();
    assert!(training(&place, "a.st", KEPT).status().unwrap().success());
    let refused = |more: &[&str], code: i32, word: &str| {
        let output = training(&place, "b.st", KEPT).args(more).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {text}");
        assert!(text.contains(word), "{more:?}: {text}");
        assert!(!place.path("b.st").exists());
    };
    refused(&[], 2, "--resume");
    refused(&["--resume", "--lr", "0.5"], 1, "lr 0.003, this run asks for 0.5");
    refused(&["--resume", "--batch", "64"], 1, "batch");
    refused(&["--resume", "--seed", "1"], 1, "seed");
    refused(&["--resume", "--depth", "2"], 1, "depth");
    refused(&["--resume", "--loss", "ve"], 1, "loss");
    refused(&["--resume", "--dtype", "f64"], 1, "dtype");
    refused(&["--resume", "--rows", "0..100"], 1, "data");
    // A damaged checkpoint is named, too.
    let last = place.path("kept/step-00003000.safetensors");
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["--resume"], 1, "step-00003000.safetensors");
}

#[test]
fn divergence_is_said_and_checkpoints_are_models() {
    let place = with_samples();
    // Parameters that the very last step throws out of range.
    let line = "dae-fit x.npy --kind mlp -o a.st --quiet --steps 1 --lr 1e38 --lr-floor 1 --warmup 0";
    assert!(place.fails(1, line).contains("step 1"));
    let mut diverging = training(&place, "a.st", KEPT);
    diverging.args(["--lr", "1e18", "--warmup", "2900", "--ema", "none", "--optimizer", "sgd"]);
    let output = diverging.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("step ") && text.contains("--lr") && !place.path("a.st").exists(), "{text}");
    assert!(
        training(&place, "b.st", &["--checkpoint", "good", "--every", "400"]).status().unwrap().success()
    );
    place.out("pf-sample good/step-00000400.safetensors -n 10 -o samples.npy");
}

#[test]
fn a_checkpoint_without_its_moments_is_refused() {
    let place = with_samples();
    assert!(
        training(&place, "a.st", &["--checkpoint", "kept", "--every", "400"]).status().unwrap().success()
    );
    // The finished model is a network, too, but not a checkpoint.
    std::fs::rename(place.path("a.st"), place.path("kept/step-00009000.safetensors")).unwrap();
    let output = training(&place, "b.st", KEPT).arg("--resume").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("not a checkpoint"), "{text}");
}

#[test]
fn an_unwritable_directory_is_found_before_the_work() {
    let place = with_samples();
    place.put("file", "not a directory");
    let output = training(&place, "a.st", &["--checkpoint", "file"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("file"), "{text}");
}
