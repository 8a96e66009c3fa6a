//! Models from elsewhere: `exec:COMMAND` in every program that takes a model.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use molrg::cli::flags::Flag;
use serde_json::Value;

use super::bytes::{Outputs, assert_same, taking};
use super::place::{Done, Place, programs};
use super::programs::{CALLS, Call, command_of, entries};

/// Models of a stocked place, each with one that its file and its server compute alike: flows of mixtures happen in
/// the dimensions that they span, and their Jacobians have closed forms, which a server does not tell.
const ALIKE: [(&str, &str); 5] = [
    ("truth.st", "first.st"),
    ("student.st", "second.st"),
    ("gaussian.st", "third.st"),
    ("empirical.st", "empirical.st"),
    ("network.st", "network.st"),
];

/// The model that a file is, as a program: one word, since the calls are split at spaces.
fn served(file: &str) -> String {
    format!("exec:dae-serve${{IFS}}{file}")
}

fn stocked(dtype: &str) -> Place {
    let place = Place::stocked(dtype);
    for (seed, name) in [(1, "first.st"), (2, "second.st"), (3, "third.st")] {
        place.out(&format!(
            "dae-fit train.npy --kind mlp --quiet --width 12 --depth 1 --steps 30 --batch 32 --seed {seed} -o {name}"
        ));
    }
    place
}

/// Calls of programs that take models, and name one that has a denoiser.
fn calls() -> impl Iterator<Item = &'static Call> {
    let takes = |call: &&Call| entries()[&command_of(&call.line())].flags().contains(&Flag::Workers);
    // A network has neither an exact flow nor an exact posterior; and these take x − D, which is a difference where D comes from elsewhere.
    let any = |call: &&Call| ALIKE.iter().any(|(model, _)| call.arguments.contains(model));
    CALLS.iter().filter(takes).filter(any).filter(|call| {
        // Nor does a program show layers.
        !["--solver exact", "--method exact", "--edit"].iter().any(|exact| call.arguments.contains(exact))
            && !["ridge", "intrinsic-dimension"].contains(&call.program)
    })
}

/// The same call of other models, from files and from programs.
fn both(call: &Call) -> [String; 2] {
    let words = call.line();
    let name = |alike: fn(&str) -> String| {
        let word = |word: &str| match ALIKE.iter().find(|(model, _)| *model == word) {
            Some((_, file)) => alike(file),
            None => word.to_string(),
        };
        let mut line = words.split(' ').map(word).collect::<Vec<_>>().join(" ");
        // x − D is a difference where D comes from elsewhere.
        for quantity in ["score", "epsilon", "velocity"] {
            line = line.replace(&format!(" --quantity {quantity}"), "");
        }
        // Whose rows are asked for one at a time.
        if line.contains("rk45") {
            line += " --rows 3..6";
        }
        line
    };
    [name(str::to_string), name(served)]
}

/// What a run writes, models called by their files.
#[track_caller]
fn outputs(place: &Place, line: &str) -> Outputs {
    let outputs = taking(place, || place.out(line));
    let plain = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => text.replace("exec:dae-serve${IFS}", "").into_bytes(),
        Err(e) => e.into_bytes(),
    };
    outputs.into_iter().map(|(name, bytes)| (name, plain(bytes))).collect()
}

#[test]
fn a_file_served_gives_the_bytes_of_the_file() {
    for dtype in ["f32", "f64"] {
        let place = stocked(dtype);
        let mut seen = BTreeSet::new();
        for (place_in_turn, call) in calls().enumerate() {
            let [file, program] = both(call);
            seen.insert(command_of(&file));
            // A program has many calls: each is cut in one of these ways, and the other type takes another.
            let way = (place_in_turn + usize::from(dtype == "f64")) % 2;
            let line = format!("{program} {}", ["--threads 1", "--workers 3 --threads 2"][way]);
            assert_same(&outputs(&place, &file), &outputs(&place, &line), &format!("{line} of {dtype}"));
            // Parts of the rows, cut within batches.
            if let (Some(n), "f32", false) = (call.rows, dtype, file.contains("--rows")) {
                let rows = [format!("{}..{}", n / 3, n / 2 + 1), format!("{}..", n - 1)][way].clone();
                let [file, program] = [&file, &program].map(|line| format!("{line} --rows {rows}"));
                assert_same(&outputs(&place, &file), &outputs(&place, &program), &program);
            }
        }
        let takes = entries().into_iter().filter(|(_, entry)| entry.flags().contains(&Flag::Workers));
        let mut takes: BTreeSet<String> = takes.map(|(name, _)| name).collect();
        // They take a descriptor alone, which no file is; or x − D.
        let others = ["rp-score", "entropy", "subset", "intrinsic-dimension"];
        takes.retain(|name| !others.contains(&name.as_str()) && !name.starts_with("ridge"));
        assert_eq!(seen, takes, "every program that takes a model");
    }
}

/// Batches have one size, and a row one place in them: whatever parts the work is cut in.
#[test]
fn a_row_is_computed_in_the_batch_of_its_number() {
    let place = stocked("f32");
    // A program whose answers depend on all of that: it adds to each row its place, and the number of rows.
    place.put("placing.py", PLACING);
    let Some(program) = python("placing.py 20") else { return };
    let all = [[1, 20], [7, 41], [40, 47]];
    for (place_in_turn, line) in [
        format!("pf-sample {program} -n 53 --steps 3"),
        format!("dae-apply {program} test.npy --sigma 0.5"),
        format!("pf-sample {program} -n 53 --steps 2 --guidance 2 --unconditional {program}"),
        format!("pf-sample {program} --noise test.npy --encode --steps 3"),
    ]
    .into_iter()
    .enumerate()
    {
        let whole = place.out(&line);
        let n = if line.contains("test.npy") { 200 } else { 53 };
        let rows = |bytes: &[u8]| bytes[128..].to_vec();
        // The first takes all, the others, which go the same way, one each.
        for cuts in if place_in_turn == 0 { &all[..] } else { &all[place_in_turn - 1..place_in_turn] } {
            let ranges =
                [format!("..{}", cuts[0]), format!("{}..{}", cuts[0], cuts[1]), format!("{}..", cuts[1])];
            let parts = ranges.map(|range| {
                rows(&place.out(&format!("{line} --rows {range} --workers 2 --threads {}", 1 + cuts[0] % 3)))
            });
            assert!(parts.concat() == rows(&whole) && whole.len() == 128 + n * 96, "{line}: {cuts:?}");
        }
    }
    // Two models in step.
    let table = |flags: &str| place.text(&format!("pfd {program} first.st -n 300 --steps 3 {flags}"));
    assert_eq!(table("--threads 1"), table("--threads 3 --workers 2"));
}

const PLACING: &str = r#"
import json, struct, sys
inp, out, batch = sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1])
def send(header, data=b""):
    header = json.dumps(header).encode()
    out.write(struct.pack("<Q", len(header)) + header + data)
    out.flush()
first = True
while start := inp.read(8):
    header = json.loads(inp.read(struct.unpack("<Q", start)[0]))
    if first:
        send({"__metadata__": {"protocol": "molrg-model 1", "can": "denoise", "item_shape": "2,4,3",
                               "batch": str(batch), "dtype": "f32", "name": "places"}})
        first = False
        continue
    data = inp.read(max(header[name]["data_offsets"][1] for name in ("x", "sigma")))
    x = header["x"]
    n = x["shape"][0]
    numbers = list(struct.unpack(f"<{n * 24}f", data[slice(*x["data_offsets"])]))
    y = [v / 2 + (i // 24) / 16 + n for i, v in enumerate(numbers)]
    send({"__metadata__": {"id": header["__metadata__"]["id"]},
          "y": {"dtype": "F32", "shape": x["shape"], "data_offsets": [0, 4 * len(y)]}}, struct.pack(f"<{len(y)}f", *y))
"#;

/// `exec:python3 SCRIPT …` as one word, where there is a python3.
fn python(call: &str) -> Option<String> {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|done| done.status.success());
    if !there {
        println!("skipped: needs python3");
    }
    there.then(|| format!("exec:python3${{IFS}}{}", call.replace(' ', "${IFS}")))
}

#[test]
fn mixtures_that_are_served_flow_to_the_same_samples_but_for_rounding() {
    let place = Place::stocked("f64");
    for model in ["truth.st", "student.st", "gaussian.st"] {
        for solver in ["heun", "dpm3", "rk45 --rtol 1e-3 --atol 1e-3 --steps 4"] {
            place.out(&format!("pf-sample {model} -n 20 --solver {solver} -o file.npy"));
            place.out(&format!("pf-sample {} -n 20 --solver {solver} -o served.npy", served(model)));
            // f64 rounds by 1e-16, a flow in 18 steps by some hundreds of that; rk45's own steps differ with it.
            let tolerance = if solver.starts_with("rk45") { "1e-2" } else { "1e-11" };
            place.out(&format!(
                "npy diff file.npy served.npy --rtol {tolerance} --atol {tolerance} -o /dev/null"
            ));
        }
        for quantity in ["denoised", "score", "velocity"] {
            let apply = |model: &str| {
                place.out(&format!("dae-apply {model} test.npy --sigma 0.5 --quantity {quantity}"))
            };
            place.put("file.npy", apply(model));
            place.put("served.npy", apply(&served(model)));
            place.out("npy diff file.npy served.npy --rtol 1e-11 --atol 1e-11 -o /dev/null");
        }
        let ranks = |model: &str| place.text(&format!("jacobian-rank {model} --sigma 0.5,2 -n 5"));
        assert_eq!(ranks(model), ranks(&served(model)));
    }
}

#[test]
fn a_manifest_has_the_command_and_what_the_program_says_of_itself() {
    let place = Place::stocked("f32");
    place.put("serving.py", include_str!("serving.py"));
    let Some(program) = python("serving.py none 0") else { return };
    place.out(&format!("pf-sample {program} -n 20 --steps 3 --workers 2 --manifest run.json -o x.npy"));
    let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
    let inputs = run["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 1);
    let of = |key: &str| inputs[0][key].clone();
    assert_eq!(of("name"), program.as_str());
    assert_eq!((of("program"), of("batch"), of("dtype")), ("the identity".into(), 16.into(), "<f4".into()));
    assert_eq!(of("sha256"), "0".repeat(64));
    assert!(run["arguments"]["workers"].is_null(), "it changes no byte");
    place.out("npy check --manifest run.json --quiet");
}

/// As many rows as there are requests of it, and then some.
const REQUESTS: &str = "-n 100 --steps 4 -o old --trajectory side";

struct Faulty {
    place: Place,
    before: std::collections::BTreeMap<String, Vec<u8>>,
}

impl Faulty {
    fn new() -> Faulty {
        let place = Place::stocked("f32");
        place.put("serving.py", include_str!("serving.py"));
        for name in ["old", "side"] {
            place.put(name, "of an earlier run");
        }
        let before = place.files();
        Faulty { place, before }
    }

    /// The programs that were started, by what they wrote; they are forgotten.
    fn started(&self) -> Vec<u32> {
        let mut started = Vec::new();
        for (name, pid) in self.place.files() {
            if name.starts_with("pid-") {
                // Nothing in it: ended between opening the file and writing it.
                if !pid.is_empty() {
                    started.push(String::from_utf8(pid).unwrap().parse().unwrap());
                }
                fs::remove_file(self.place.path(&name)).unwrap();
            }
        }
        let _ = fs::remove_file(self.place.path("hung"));
        started
    }

    /// Nothing is written, and none of the programs is left.
    #[track_caller]
    fn nothing_left(&self, what: &str) {
        for pid in self.started() {
            let until = Instant::now() + Duration::from_secs(10);
            while runs(pid) {
                assert!(Instant::now() < until, "{what}: process {pid} is left");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert!(self.place.files() == self.before, "{what}: files differ");
    }
}

/// Whether a process is there that is more than its exit code.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The one line that a run says itself, after what its programs said.
#[track_caller]
fn said(done: &Done, line: &str) -> String {
    assert_eq!((done.code, done.out.len()), (Some(1), 0), "{line}: {}", done.err);
    let program = line.split(' ').next().unwrap();
    let warning = format!("{program}: warning: ");
    let own = done.err.lines().filter(|l| l.starts_with(&format!("{program}: ")) && !l.starts_with(&warning));
    let own: Vec<&str> = own.collect();
    assert!(own.len() == 1 && done.err.ends_with(&format!("{}\n", own[0])), "{line}: {}", done.err);
    assert!(!own[0].contains("internal error"), "{line}: {}", own[0]);
    own[0].to_string()
}

#[test]
fn every_fault_is_one_line_with_the_command_the_request_and_the_last_words() {
    let faulty = Faulty::new();
    let Some(_) = python("") else { return };
    for (fault, words) in [
        (
            "exits 0",
            &[
                "the greeting: it ended before its first frame (exit status: 3); it last said: no such network",
            ][..],
        ),
        ("greets-only 0", &["it ended before its first frame", "no network was given"]),
        ("old 0", &["the greeting", "molrg-model 0"]),
        ("no-batch 0", &["batch = \"0\""]),
        ("shapeless 0", &["item_shape = \"2,4,x\"", "x"]),
        ("cannot-load 0", &["the greeting: it answers: no network in this folder"]),
        ("can-describe 0", &["cannot denoise", "denoise=…", "molrg.serve"]),
        ("prints 3", &["request 3 (denoise of 16 rows)", "no frame", "epoch 3: loss 0.25\\n"]),
        ("short 2", &["request 2", "its answer has shape [15, 2, 4, 3], where [16, 2, 4, 3] is due"]),
        ("long 2", &["request 2", "its answer has shape [17, 2, 4, 3], where [16, 2, 4, 3] is due"]),
        ("flat 1", &["request 1", "its answer has shape [16, 24]"]),
        ("id 4", &["request 4", "its answer has the id 4711"]),
        ("no-id 4", &["request 4", "its answer has the id none"]),
        ("nan 5", &["request 5", "row 0 of its answer is not finite"]),
        ("error 3", &["request 3 (denoise of 16 rows): it answers: CUDA out of memory\\nTried to allocate"]),
        ("integers 2", &["request 2", "tensor y is stored as I32"]),
        ("other 2", &["request 2", "no tensor y"]),
        ("more 2", &["request 2", "other tensors than y"]),
        ("cut 3", &["request 3", "not whole", "it last said: cut short"]),
        ("cut-header 3", &["request 3", "within the header", "it last said: cut short"]),
        ("hostile 3", &["request 3", "no frame"]),
        (
            "dies 6",
            &["request 6", "it ended early (exit status: 3); it last said: RuntimeError: the device is gone"],
        ),
        // Of which the shell tells, where it has not become the program.
        ("killed 6", &["request 6", "it ended early"]),
        ("ends 1", &["request 1", "it ended early (exit status: 0)"]),
    ] {
        let program = python(&format!("serving.py {fault}")).unwrap();
        for flags in ["--threads 1", "--threads 2"] {
            let line = format!("pf-sample {program} {REQUESTS} {flags}");
            let said = said(&faulty.place.run(&line), &line);
            for word in [&program.as_str()].into_iter().chain(words) {
                assert!(said.contains(word), "{fault}: '{said}' does not contain '{word}'");
            }
            faulty.nothing_left(fault);
        }
    }
    // What ends its output and goes on, where the shell does not hold it open.
    let program = python("serving.py closes 2").unwrap().replace("exec:", "exec:exec${IFS}");
    let line = format!("pf-sample {program} {REQUESTS} --threads 1");
    let said_of = said(&faulty.place.run(&line), &line);
    assert!(
        said_of.contains("request 2") && said_of.contains("it closed its output, and goes on"),
        "{said_of}"
    );
    faulty.nothing_left("closes");
    // More than was asked for is told at the latest when the next answer is due.
    let program = python("serving.py twice 2").unwrap();
    let line = format!("pf-sample {program} {REQUESTS} --threads 1");
    let said_of = said(&faulty.place.run(&line), &line);
    assert!(said_of.contains("its answer has the id 2") || said_of.contains("was not asked"), "{said_of}");
    faulty.nothing_left("twice");
    // Workers that are not the same.
    let program = python("serving.py workers 0").unwrap();
    let line = format!("pf-sample {program} {REQUESTS} --workers 2");
    assert!(said(&faulty.place.run(&line), &line).contains("other things of itself"));
    faulty.nothing_left("workers");
    // No such command.
    let line = format!("pf-sample exec:no-such-program {REQUESTS}");
    let said_of = said(&faulty.place.run(&line), &line);
    assert!(said_of.contains("exit status: 127") && said_of.contains("it last said: sh: "), "{said_of}");
    faulty.nothing_left("no such program");
}

#[test]
fn every_program_that_takes_a_model_has_the_faults() {
    let faulty = Faulty::new();
    let Some(program) = python("serving.py dies 2") else { return };
    for line in [
        format!("dae-apply {program} test.npy --sigma 1 -o old"),
        format!("dae-apply {program} test.npy --sigma 1,2 -o old"),
        format!("pf-sample student.st --guidance 2 --unconditional {program} -n 40 -o old"),
        format!("pf-sample {program} -n 3 --solver rk45 -o old"),
        format!("pfd {program} student.st -n 40 -o old"),
        format!("pfd student.st truth.st --relative-to {program} -n 40 -o old"),
        format!("pfd --bias-variance truth.st student.st {program} -n 40 -o old"),
        format!("pfd a.npy b.npy --descriptor {program} -o old"),
        format!("rp-score a.npy b.npy --descriptor {program} -o old --per-sample side"),
        format!("rp-score a.npy --train train.npy --descriptor {program} -o old"),
        format!("jacobian-rank {program} --sigma 1 -n 3 --jacobian differences -o old --spectrum side"),
    ] {
        let said = said(&faulty.place.run(&line), &line);
        assert!(
            said.contains(&program) && said.contains("request 2") && said.contains("the device is gone"),
            "{said}"
        );
        faulty.nothing_left(&line);
    }
    // What it cannot do is asked before anything is computed.
    let program = python("serving.py none 0").unwrap();
    for (line, words) in [
        (format!("jacobian-rank {program} --sigma 1 -n 3 -o old"), "cannot vjp"),
        (format!("jacobian-rank {program} --sigma 1 -n 3 --method randomized -o old"), "cannot jvp nor vjp"),
    ] {
        let said = said(&faulty.place.run(&line), &line);
        assert!(said.contains(words) && said.contains("--jacobian differences"), "{said}");
        faulty.nothing_left(&line);
    }
    // Whose parameters are asked for, or what is no command: nothing is started.
    for (code, line) in [
        (2, format!("molrg-gen --from {program} -n 5 -o old")),
        (2, format!("subspace-error {program} truth.st -o old")),
        (2, "pf-sample exec: -n 5 -o old".to_string()),
        (2, "pf-sample student.st -n 5 --workers 2 -o old".to_string()),
        (2, format!("dae-apply {program} test.npy --sigma 1 --nan drop --rows 5.. -o old")),
        (2, format!("rp-score a.npy --train train.npy --descriptor {program} --nan drop --rows 5.. -o old")),
        (2, "dae-serve student.st -o old".to_string()),
        (
            2,
            "jacobian-rank network.st --sigma 1 -n 2 --method randomized --jacobian differences -o old"
                .to_string(),
        ),
        (2, format!("pf-sample {program} -n 5 --workers 0 -o old")),
        (1, format!("dae-fit {program} --kind gaussian -o old")),
    ] {
        faulty.place.fails(code, &line);
        assert!(faulty.started().is_empty(), "{line}");
        faulty.nothing_left(&line);
    }
}

#[test]
fn what_is_no_fault_gives_the_bytes_of_the_identity() {
    let faulty = Faulty::new();
    let line = |program: &str, rest: &str| format!("pf-sample {program} -n 70 --steps 3 {rest}");
    let Some(plain) = python("serving.py none 0") else { return };
    let expected = faulty.place.out(&line(&plain, ""));
    for (fault, rest) in [("late", ""), ("late", "--workers 3"), ("none", "--workers 4 --threads 3")] {
        let program = python(&format!("serving.py {fault} 0")).unwrap();
        assert!(faulty.place.out(&line(&program, rest)) == expected, "{fault} {rest}");
    }
    // What it says before its first frame is for people.
    let program = python("serving.py greets 0").unwrap();
    let done = faulty.place.run(&line(&program, ""));
    assert_eq!((done.code, done.err), (Some(0), "loading the network ...\n".repeat(7000)));
    assert!(done.out == expected);
    // Levels that it was not made for.
    let program = python("serving.py narrow 0").unwrap();
    let done = faulty.place.run(&line(&program, ""));
    assert!(done.code == Some(0) && done.out == expected);
    let warned = "was made for noise levels from 0.002 to 10, and 1 of 3 lie outside, 80 the farthest";
    assert!(done.err.contains(warned) && done.err.lines().count() == 1, "{}", done.err);
    // Numbers that are not finite go through where they are let through.
    let rows: String = (0..20)
        .map(|i| {
            if i == 3 {
                "nan".to_string() + &",1".repeat(23) + "\n"
            } else {
                "1".to_string() + &",1".repeat(23) + "\n"
            }
        })
        .collect();
    faulty.place.put("holes.csv", rows);
    let through = faulty.place.text(&format!("dae-apply {plain} holes.csv --sigma 1 --nan pass -f csv"));
    assert_eq!(through.matches("nan").count(), 1);
    // One that does not end with its input is ended.
    let started = Instant::now();
    let stubborn = "exec:trap${IFS}''${IFS}TERM;${IFS}dae-serve${IFS}empirical.st;${IFS}sleep${IFS}1000";
    faulty.place.out(&line(stubborn, ""));
    assert!(started.elapsed() < Duration::from_secs(60));
    faulty.place.files().keys().filter(|name| name.starts_with("pid-") || *name == "holes.csv").for_each(
        |name| {
            fs::remove_file(faulty.place.path(name)).unwrap();
        },
    );
    faulty.nothing_left("no fault");
}

/// With the signals' usual effects, as faults/stops.rs has it.
fn start(place: &Place, line: &str) -> Child {
    let mut command = place.process(Path::new("env"));
    let program = line.split_whitespace().next().unwrap();
    command
        .arg("--default-signal=INT,TERM,HUP")
        .arg(programs().join(program))
        .args(line.split_whitespace().skip(1));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_stopped_run_leaves_no_program_behind() {
    let faulty = Faulty::new();
    let Some(hanging) = python("serving.py hangs 3") else { return };
    let slow = python("serving.py late 0").unwrap();
    for (signal, program) in
        [("TERM", &hanging), ("INT", &hanging), ("HUP", &hanging), ("TERM", &slow), ("KILL", &slow)]
    {
        let line = format!("pf-sample {program} -n 1000000 -o old --trajectory side --workers 2 --steps 4");
        let child = start(&faulty.place, &line);
        let waits = Instant::now();
        // Both are there: one that comes to life after the end writes its name into what is compared.
        let there = |name: &str| fs::read(faulty.place.path(name)).is_ok_and(|pid| !pid.is_empty());
        let ready = || {
            ["pid-0", "pid-1"].iter().all(|name| there(name))
                && match program == &hanging {
                    true => faulty.place.path("hung").exists(),
                    false => waits.elapsed() > Duration::from_millis(300),
                }
        };
        while !ready() {
            assert!(waits.elapsed() < Duration::from_secs(60), "{line}: not under way");
            std::thread::sleep(Duration::from_millis(5));
        }
        faulty.place.bash(&format!("kill -{signal} {}", child.id())).silent(&line);
        let done = child.wait_with_output().unwrap();
        assert!(done.status.signal().is_some(), "{line}, {signal}: {}", done.status);
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{line}, {signal}");
        faulty.nothing_left(&format!("{line}, {signal}"));
    }
}

#[test]
fn a_class_is_asked_of_programs_that_have_some() {
    let faulty = Faulty::new();
    let Some(program) = python("serving.py classes 0") else { return };
    let place = &faulty.place;
    let x = numbers(&place.get("test.npy"));
    // D = class·x, and −x without a class.
    for (class, factor) in [("", -1.0), ("--class 1", 1.0), ("--class 2", 2.0)] {
        let line = format!("dae-apply {program} test.npy --sigma 1 {class}");
        let expected: Vec<f32> = x.iter().map(|x| factor * x).collect();
        assert_eq!(numbers(&place.out(&line)), expected, "{line}");
        assert_eq!(
            numbers(&place.out(&format!("{line} --rows 5..60 --workers 2"))),
            expected[5 * 24..60 * 24]
        );
        for by in ["--method exact", "--method randomized --top 3", "--jacobian differences"] {
            let line =
                format!("jacobian-rank {program} --sigma 1 --points test.npy --rows ..2 {by} {class} -q");
            place.out(&format!("{line} --spectrum values.npy"));
            let values = numbers_f64(&place.get("values.npy"));
            // Differences in f32 have three digits.
            let of_it = |v: &f64| (v - f64::from(factor.abs())).abs() <= 1e-2;
            assert!(values.len() >= 6 && values.iter().all(of_it), "{line}: {values:?}");
        }
        fs::remove_file(place.path("values.npy")).unwrap();
    }
    // D = D_u + W (D − D_u), and D_u is asked without a class: −x + W (2x + x) is x, D of class 1.
    let guided =
        format!("pf-sample {program} --unconditional {program} --guidance W -n 20 --steps 3 --class");
    let alone = place.out(&format!("pf-sample {program} -n 20 --steps 3 --class 1"));
    assert!(place.out(&format!("{} 1", guided.replace('W', "1"))) == alone);
    assert!(place.out(&format!("{} 0", guided.replace('W', "2"))) == alone);
    // Other models of a run have none.
    let distance = |class: &str| place.text(&format!("pfd {program} student.st -n 40 --steps 3 {class}"));
    assert_ne!(distance("--class 1"), distance("--class 2"));
    faulty.started();
    faulty.nothing_left("classes");
    let plain = python("serving.py none 0").unwrap();
    for (line, words) in [
        (format!("pf-sample {plain} -n 5 -o old --class 1"), "announces no classes"),
        (format!("pfd {program} {plain} -n 5 -o old --class 1"), "announces no classes"),
        (format!("pf-sample {program} -n 5 -o old --class 3"), "it has 3 classes, numbered from 0"),
        (format!("pf-sample {program} -n 5 -o old --class -1"), "--class"),
        ("pf-sample student.st -n 5 -o old --class 1".to_string(), "--class: has no effect here"),
        (
            format!("pf-sample student.st --guidance 2 --unconditional {program} -n 5 -o old --class 1"),
            "--class: has no effect here",
        ),
        (format!("pfd a.npy b.npy --descriptor {program} -o old --class 1"), "--class: has no effect here"),
    ] {
        let said = faulty.place.fails(2, &line);
        assert!(said.contains(words), "{line}: {said}");
        faulty.nothing_left(&line);
    }
}

/// What has products with its Jacobian alone, and none with the transpose, has its singular values and right vectors.
#[test]
fn a_model_that_can_only_jvp_has_a_spectrum() {
    let faulty = Faulty::new();
    let Some(program) = python("serving.py turns 0") else { return };
    let place = &faulty.place;
    let line = format!("jacobian-rank {program} --sigma 1 --points test.npy --rows ..2 --per-sample");
    place.out(&format!("{line} --spectrum values.npy --basis vectors.npy --top 24"));
    let (values, vectors) = (numbers_f64(&place.get("values.npy")), numbers_f64(&place.get("vectors.npy")));
    assert_eq!((values.len(), vectors.len()), (2 * 24, 2 * 24 * 24));
    for (i, value) in values.iter().enumerate() {
        // The i-th is 24 − i, the factor of the number at 24 − i, which is the last but i, and stands after it.
        let (largest, right) = ((24 - i % 24) as f64, (24 - i % 24) % 24);
        assert!((value - largest).abs() < 1e-12, "{i}: {value}");
        let vector = &vectors[24 * i..24 * (i + 1)];
        assert!((vector[right].abs() - 1.0).abs() < 1e-12, "{i}: {vector:?}");
    }
    for name in ["values.npy", "vectors.npy"] {
        fs::remove_file(place.path(name)).unwrap();
    }
    let line = format!("{line} --method randomized -o old");
    let said = said(&place.run(&line), &line);
    assert!(said.contains("cannot vjp") && said.contains("--jacobian differences"), "{said}");
    faulty.nothing_left("a model that can only jvp");
}

/// The numbers of an array of f32.
fn numbers(npy: &[u8]) -> Vec<f32> {
    npy[128..].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn numbers_f64(npy: &[u8]) -> Vec<f64> {
    npy[128..].as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

#[test]
fn a_closed_pipe_ends_programs_quietly() {
    let faulty = Faulty::new();
    let Some(program) = python("serving.py none 0") else { return };
    let done =
        faulty.place.bash(&format!("pf-sample '{program}' -n 100000 --steps 2 | head -c 100 > /dev/null"));
    // bash's pipefail: the program itself ends with 0.
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    faulty.nothing_left("a closed pipe");
}

#[test]
fn a_descriptor_may_be_a_program() {
    let place = Place::stocked("f32");
    place.put("serving.py", include_str!("serving.py"));
    let Some(program) = python("serving.py none 0") else { return };
    // Scores that tell little are warned of.
    let succeeds = |line: &str| {
        let done = place.run(line);
        let warned = done.err.lines().all(|l| l.contains(": warning: "));
        assert!(done.code == Some(0) && warned, "{line}: {}", done.err);
        done.out
    };
    for line in [
        "rp-score a.npy b.npy --similarity mae --data-range=-3,3 --per-sample rows.csv",
        "rp-score a.npy --similarity l2 --threshold 1 --train train.npy --per-sample rows.csv --reference test.npy \
         --gl distance",
        "entropy a.npy --neighbours 2",
        "subset a.npy -n 30 --method farthest",
        "pfd a.npy b.npy",
        "pfd student.st truth.st -n 300 --steps 4",
        "pfd --bias-variance truth.st student.st gaussian.st -n 100 --steps 4",
    ] {
        let plain = taking(&place, || succeeds(line));
        let started: Vec<String> =
            place.files().into_keys().filter(|name| name.starts_with("pid-")).collect();
        started.iter().for_each(|name| fs::remove_file(place.path(name)).unwrap());
        for flags in ["--threads 1", "--workers 3 --threads 2"] {
            let described = format!("{line} --descriptor {program} {flags}");
            let mut described = taking(&place, || succeeds(&described));
            described.retain(|name, _| !name.starts_with("pid-"));
            assert_same(&plain, &described, line);
        }
    }
    // The parts of a table of samples join to the whole.
    let part = |rows: &str| {
        succeeds(&format!(
            "rp-score a.npy b.npy --descriptor {program} --similarity mae --data-range=-3,3 --per-sample rows.csv \
             --rows {rows}"
        ));
        String::from_utf8(place.get("rows.csv")).unwrap().lines().skip(1).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(part(".."), [part("..7"), part("7..")].join("\n"));
}

#[test]
fn jacobians_by_differences_are_those_of_the_model_to_their_error() {
    let place = stocked("f64");
    for model in ["network.st", "first.st", "truth.st"] {
        let line = |by: &str, model: &str| {
            format!("jacobian-rank {model} --sigma 0.3,2 -n 4 --steps 6 --spectrum {by}.npy --jacobian {by}")
        };
        place.out(&line("model", model));
        let values = place.get("model.npy");
        let done = place.run(&line("differences", model));
        let error = |said: &str| -> f64 {
            let number = said.trim_end().rsplit("about ").next().unwrap();
            number.split(';').next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
        };
        assert_eq!(done.code, Some(0), "{}", done.err);
        // Central differences in f64 err by (ε√d)^⅔, some 1e-10, of distances of σ; and by more where D is rough.
        assert!(error(&done.err) < 1e-6, "{model}: {}", done.err);
        place.out("npy diff model.npy differences.npy --rtol 1e-5 --atol 1e-6 -o /dev/null");
        // Through a program, with other batches, the same.
        let quiet = place.out(&format!("{} --quiet", line("differences", model)));
        let by_file = place.get("differences.npy");
        assert_eq!(place.out(&format!("{} --quiet", line("differences", &served(model)))), quiet);
        if model != "truth.st" {
            assert!(place.get("differences.npy") == by_file, "{model}");
        }
        assert!(place.get("model.npy") == values);
    }
    // In f32 they are told to be worse.
    let place = stocked("f32");
    let done = place.run("jacobian-rank network.st --sigma 0.01 -n 2 --steps 4 --jacobian differences");
    assert_eq!(done.code, Some(0));
    assert!(done.err.contains("relative error of") && done.err.lines().count() == 1, "{}", done.err);
}
