//! `--manifest`: what it records is what happened.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::place::Place;
use super::programs::CALLS;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[track_caller]
fn records(run: &Value, key: &str) -> Vec<(String, Value)> {
    let records = run[key].as_array().unwrap();
    records.iter().map(|r| (r["name"].as_str().unwrap().to_string(), r.clone())).collect()
}

#[test]
fn it_holds_the_run_and_the_hashes_of_all_that_was_read_and_written() {
    let place = Place::stocked("f32");
    for call in CALLS {
        let line = call.line();
        let before = place.files();
        let stdout = place.out(&format!("{line} --threads 2 --manifest run.json"));
        let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
        assert_eq!(run["program"], call.program, "{line}");
        assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
        assert!(!run["revision"].as_str().unwrap().is_empty());
        let seed = line.split(' ').skip_while(|w| *w != "--seed").nth(1).unwrap_or("0");
        assert_eq!(run["seed"], seed.parse::<u64>().unwrap(), "{line}");
        assert_eq!(run["arguments"]["seed"], seed, "{line}");
        assert_eq!(run["arguments"]["threads"], "2", "{line}");
        assert_eq!(run["threads"], 2);
        assert!(run["rows"].as_str().unwrap().contains(".."), "{line}");
        assert!(run["wall_seconds"].as_f64().unwrap() > 0.0);
        assert!(run["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
        // Inputs: exactly the files that the line names, but for outputs.
        let inputs = records(&run, "inputs");
        let named: BTreeSet<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
        let expected: BTreeSet<String> =
            line.split(' ').filter(|w| before.contains_key(*w)).map(String::from).collect();
        assert_eq!(named, expected, "{line}");
        for (name, record) in &inputs {
            assert_eq!(record["sha256"], sha256(&before[name]), "{line}: {name}");
            assert_eq!(record["bytes"], before[name].len(), "{line}: {name}");
            if name.ends_with(".npy") {
                assert_eq!(record["dtype"], "<f4", "{line}: {name}");
                let rows = [("train.npy", 300), ("test.npy", 200)].iter().find(|(n, _)| n == name);
                let rows = rows.map_or(120, |(_, rows)| *rows);
                // Rows that were not read are known by the header.
                assert_eq!(record["shape"], serde_json::json!([rows, 2, 4, 3]), "{line}: {name}");
            }
        }
        // Outputs: standard output and every new file.
        let mut written = place.files();
        written.retain(|name, _| !before.contains_key(name) && name != "run.json");
        if !stdout.is_empty() || !line.starts_with("npy check") {
            written.insert("<stdout>".into(), stdout);
        }
        let outputs = records(&run, "outputs");
        let named: BTreeSet<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(named, written.keys().cloned().collect(), "{line}");
        for (name, record) in &outputs {
            assert_eq!(record["sha256"], sha256(&written[name]), "{line}: {name}");
            assert_eq!(record["bytes"], written[name].len(), "{line}: {name}");
        }
        for name in written.keys().filter(|name| *name != "<stdout>") {
            std::fs::remove_file(place.path(name)).unwrap();
        }
    }
}

#[test]
fn it_says_what_a_pipe_brought() {
    let place = Place::stocked("f32");
    let train = place.get("train.npy");
    let line = "dae-fit --kind gaussian -o model.st --rows ..200 --manifest run.json";
    place.feed(line, &train, 999).silent(line);
    let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
    let inputs = records(&run, "inputs");
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].0, "<stdin>");
    assert_eq!(run["rows"], "0..200");
    let outputs = records(&run, "outputs");
    assert_eq!((outputs[0].0.as_str(), outputs.len()), ("model.st", 1));
    assert_eq!(outputs[0].1["sha256"], sha256(&place.get("model.st")));

    let line = "dae-fit --kind gaussian -o model.st --manifest run.json";
    place.feed(line, &train, 999).silent(line);
    let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
    assert_eq!(run["inputs"][0]["sha256"], sha256(&train), "read to its end");
    assert_eq!(run["inputs"][0]["shape"], serde_json::json!([300, 2, 4, 3]));
}

#[test]
fn a_run_that_fails_leaves_the_manifest_of_the_one_before() {
    let place = Place::stocked("f32");
    place.put("run.json", "of an earlier run");
    for line in [
        "dae-fit missing.npy --kind gaussian --manifest run.json",
        "molrg-gen -d 8 -r 2 -n 9 -o /dev/full --manifest run.json",
    ] {
        assert_eq!(place.run(line).code, Some(1), "{line}");
        assert_eq!(place.get("run.json"), b"of an earlier run", "{line}");
    }
}

#[test]
fn threads_are_those_asked_for_or_granted() {
    let place = Place::new();
    for (slurm, omp, flag, threads) in [
        (Some("3"), Some("2"), "", 3),
        (None, Some("2"), "", 2),
        (Some("0"), Some("2"), "", 2),
        (Some("3"), Some("2"), "--threads 5", 5),
    ] {
        let mut command =
            place.command(&format!("npy noise -n 3 -d 2 -o /dev/null --manifest run.json {flag}"));
        for (name, value) in [("SLURM_CPUS_PER_TASK", slurm), ("OMP_NUM_THREADS", omp)] {
            value.map(|value| command.env(name, value));
        }
        assert!(command.status().unwrap().success());
        let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
        assert_eq!(run["threads"], threads, "{slurm:?} {omp:?} {flag}");
    }
}
