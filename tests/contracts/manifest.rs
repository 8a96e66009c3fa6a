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
    // There `--manifest` is what is checked against.
    for call in CALLS.iter().filter(|call| !call.line().starts_with("npy check")) {
        let line = call.line();
        let before = place.files();
        place.out(&format!("{line} --manifest run.json"));
        let again = place.get("run.json");
        let stdout = place.out(&format!("{line} --threads 2 --manifest run.json"));
        let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
        assert_eq!(again, place.get("run.json"), "{line}: a record of the same run");
        // As redirected standard output is: the manifest beside it.
        place.put("out", &stdout);
        place.put("out.manifest.json", &again);
        assert_eq!(place.out("npy check --manifest out.manifest.json --quiet"), b"", "{line}");
        assert_eq!(run["program"], call.program, "{line}");
        assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
        assert!(!run["revision"].as_str().unwrap().is_empty());
        let seed = line.split(' ').skip_while(|w| *w != "--seed").nth(1).unwrap_or("0");
        assert_eq!(run["seed"], seed.parse::<u64>().unwrap(), "{line}");
        // Where nothing is drawn it is no argument of the run.
        let argument = &run["arguments"]["seed"];
        assert!(argument == seed || (argument.is_null() && !line.contains("--seed")), "{line}: {argument}");
        assert!(run["rows"].as_str().unwrap().contains(".."), "{line}");
        // Inputs: exactly the files that the line names, but for outputs.
        let inputs = records(&run, "inputs");
        let named: BTreeSet<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
        let expected: BTreeSet<String> =
            line.split([' ', '=', ':']).filter(|w| before.contains_key(*w)).map(String::from).collect();
        assert_eq!(named, expected, "{line}");
        for (name, record) in &inputs {
            assert_eq!(record["sha256"], sha256(&before[name]), "{line}: {name}");
            assert_eq!(record["bytes"], before[name].len(), "{line}: {name}");
            if name.ends_with(".npy")
                && ![
                    "key",
                    "labels",
                    "few-labels",
                    "few-told",
                    "states",
                    "direction",
                    "few-means",
                    "few-products",
                    "gamma",
                    "seen",
                    "paths",
                ]
                .iter()
                .any(|n| *name == format!("{n}.npy"))
            {
                assert_eq!(record["dtype"], "<f4", "{line}: {name}");
                let shape = match name.as_str() {
                    "train.npy" | "other-train.npy" => [300, 2, 4, 3],
                    "test.npy" => [200, 2, 4, 3],
                    "mask.npy" => [1, 2, 4, 3],
                    "few.npy" => [6, 2, 4, 3],
                    "large.npy" => [20, 12, 12, 3],
                    _ => [120, 2, 4, 3],
                };
                // Rows that were not read are known by the header.
                assert_eq!(record["shape"], serde_json::json!(shape), "{line}: {name}");
            }
        }
        // Outputs: standard output and every new file.
        let mut written = place.files();
        let ours = ["run.json", "out", "out.manifest.json"];
        written.retain(|name, _| !before.contains_key(name) && !ours.contains(&name.as_str()));
        written.insert("<stdout>".into(), stdout);
        let outputs = records(&run, "outputs");
        let named: BTreeSet<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(named, written.keys().cloned().collect(), "{line}");
        for (name, record) in &outputs {
            assert_eq!(record["sha256"], sha256(&written[name]), "{line}: {name}");
            assert_eq!(record["bytes"], written[name].len(), "{line}: {name}");
        }
        for name in written.keys().map(String::as_str).filter(|name| *name != "<stdout>").chain(ours) {
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
        let mut command = place
            .command(&format!("npy noise -n 3 -d 2 -o /dev/null --manifest run.json --manifest-host {flag}"));
        for (name, value) in [("SLURM_CPUS_PER_TASK", slurm), ("OMP_NUM_THREADS", omp)] {
            value.map(|value| command.env(name, value));
        }
        assert!(command.status().unwrap().success());
        let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
        assert_eq!(run["host"]["threads"], threads, "{slurm:?} {omp:?} {flag}");
    }
}

#[test]
fn what_differs_between_runs_is_there_only_when_asked_for() {
    let place = Place::new();
    let run = |flags: &str| -> Value {
        place.out(&format!("npy noise -n 3 -d 2 -o x.npy --manifest run.json {flags}"));
        serde_json::from_slice(&place.get("run.json")).unwrap()
    };
    let plain = run("");
    let mut hosted = run("--manifest-host --threads 3");
    let host = hosted.as_object_mut().unwrap().remove("host").unwrap();
    assert_eq!(plain, hosted);
    assert!(host["wall_seconds"].as_f64().unwrap() > 0.0);
    assert!(host["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    for known in ["name", "processor"] {
        assert!(host[known].is_null() || !host[known].as_str().unwrap().is_empty(), "{known}");
    }
    let done = place.run("npy noise -n 3 -d 2 -o x.npy --manifest-host");
    assert_eq!(done.code, Some(2), "{}", done.err);
}

/// What a training logs has seconds in it.
#[test]
fn a_log_is_recorded_without_a_digest() {
    let place = Place::stocked("f32");
    let line =
        "dae-fit train.npy --kind mlp --quiet --width 8 --steps 40 --log log.csv -o m.st --manifest run.json";
    place.out(line);
    let (first, log) = (place.get("run.json"), place.get("log.csv"));
    place.out(line);
    assert_ne!(log, place.get("log.csv"), "as far as this test is worth anything");
    assert_eq!(first, place.get("run.json"));
    let run: Value = serde_json::from_slice(&first).unwrap();
    let outputs = records(&run, "outputs");
    let of_log = &outputs.iter().find(|(name, _)| name == "log.csv").unwrap().1;
    assert_eq!((&of_log["sha256"], &of_log["bytes"]), (&Value::Null, &Value::Null));
    let line = place.run("npy check --manifest run.json").err;
    assert!(
        line.starts_with("npy: not compared: log.csv of run.json") && line.lines().count() == 1,
        "{line}"
    );
    let line = place.fails(1, "npy check log.csv --manifest run.json");
    assert!(line.contains("log.csv: run.json holds no digest of it"), "{line}");
}

/// A pipe that is not read to its end brings one time more, one time less.
#[test]
fn of_a_pipe_read_in_part_nothing_is_recorded_that_could_differ() {
    let place = Place::stocked("f32");
    let train = place.get("train.npy");
    let line = "dae-fit --kind gaussian -o model.st --rows ..20 --manifest run.json";
    let runs: BTreeSet<Vec<u8>> = [1, 999, 8192, train.len()]
        .into_iter()
        .map(|step| {
            place.feed(line, &train, step).silent(line);
            place.get("run.json")
        })
        .collect();
    assert_eq!(runs.len(), 1);
}

/// A teacher's samples, a student of them, and what it samples; each with its manifest beside it.
const CHAIN: [&str; 3] = [
    "molrg-gen -d 24 -r 3 -k 2 -n 300 --seed 1 --truth truth.st -o train.npy --manifest train.npy.manifest.json",
    "dae-fit train.npy --kind molrg -r 3 -k 2 -o student.st --manifest student.st.manifest.json",
    "pf-sample student.st -n 50 -o made.npy --manifest made.npy.manifest.json",
];
const LAST: &str = "npy check --manifest made.npy.manifest.json";

fn chain(threads: u8) -> Place {
    let place = Place::new();
    for line in CHAIN {
        place.out(&format!("{line} --threads {threads}"));
    }
    place
}

#[test]
fn a_chain_has_the_same_manifests_at_any_number_of_threads() {
    let first = chain(1).files();
    assert_eq!(first.len(), 7);
    for threads in [2, 8] {
        assert!(chain(threads).files() == first, "{threads} threads");
    }
}

#[test]
fn a_chain_is_verified_from_its_last_file_to_its_first() {
    let place = chain(2);
    let manifest = |name: &str| serde_json::from_slice::<Value>(&place.get(name)).unwrap();
    let sampled = manifest("made.npy.manifest.json");
    let input = &sampled["inputs"][0];
    assert_eq!(input["name"], "student.st");
    assert_eq!(input["manifest_sha256"], sha256(&place.get("student.st.manifest.json")));
    assert_eq!(manifest("train.npy.manifest.json")["inputs"], serde_json::json!([]));
    assert_eq!(place.out(LAST), b"");
    // One bit of any of them, at its start, in its middle, at its end; a byte more; none.
    for (name, bytes) in place.files().into_iter().filter(|(name, _)| !LAST.contains(name)) {
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            place.put(&name, damaged);
            let line = place.fails(1, LAST);
            assert!(line.contains(&name), "{name}, byte {at}: {line}");
        }
        place.put(&name, [&bytes[..], b"\n"].concat());
        assert!(place.fails(1, LAST).contains(&name), "{name}");
        std::fs::remove_file(place.path(&name)).unwrap();
        let done = place.run(LAST);
        // What was made must be there, what it was made from need not.
        assert_eq!(done.code, Some(i32::from(name == "made.npy")), "{name}: {}", done.err);
        assert!(done.err.contains(&name) && done.err.lines().count() == 1, "{name}: {}", done.err);
        place.put(&name, &bytes);
    }
    assert_eq!(place.out(LAST), b"");
}

#[test]
fn a_file_is_verified_by_name_also_where_it_was_moved() {
    let place = chain(2);
    let truth = place.get("truth.st");
    std::fs::create_dir(place.path("kept")).unwrap();
    for name in ["train.npy", "train.npy.manifest.json"] {
        std::fs::rename(place.path(name), place.path("kept").join(name)).unwrap();
    }
    place.out("npy check kept/train.npy truth.st --manifest kept/train.npy.manifest.json");
    // Neither is where the run left it.
    place.put("truth.st", &truth[1..]);
    let line = place.fails(1, "npy check kept/train.npy truth.st --manifest kept/train.npy.manifest.json");
    assert!(line.contains("truth.st: its size is"), "{line}");
    let line = place.fails(1, "npy check made.npy --manifest kept/train.npy.manifest.json");
    assert!(line.contains("made.npy: kept/train.npy.manifest.json says nothing of it"), "{line}");
    let line = place.fails(1, "npy check --manifest kept/train.npy.manifest.json");
    assert!(line.contains("train.npy: is missing"), "{line}");
}

#[test]
fn each_thing_a_manifest_says_of_a_file_is_compared() {
    let place = Place::new();
    place.out("npy noise -n 3 -d 2 -o x.npy --manifest run.json");
    let run = String::from_utf8(place.get("run.json")).unwrap();
    let digest = sha256(&place.get("x.npy"));
    for (was, is, what) in [
        ("<f4", "<f8", "type is <f4, in run.json <f8"),
        ("      3,", "      4,", "shape is [3, 2], in run.json [4, 2]"),
        ("\"bytes\": 152", "\"bytes\": 153", "size is 152, in run.json 153"),
        (&digest[..9], "012345678", "SHA-256 is"),
        ("\"outputs\"", "\"others\"", "run.json: is not a manifest"),
        ("\"x.npy\"", "\"y.npy\"", "is missing"),
    ] {
        assert!(run.contains(was), "{was}: {run}");
        place.put("run.json", run.replace(was, is));
        let line = place.fails(1, "npy check --manifest run.json");
        assert!(line.contains(what), "{what}: {line}");
    }
    for other in ["x.npy", "nowhere.json"] {
        assert!(place.fails(1, &format!("npy check --manifest {other}")).contains(other));
    }
    let done = place.run("npy check --manifest run.json --manifest-host");
    assert_eq!(done.code, Some(2), "{}", done.err);
}
