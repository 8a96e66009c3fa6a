//! Every program under every fault: tables of what goes wrong, times tables of
//! where. Whatever happens, a run either does its work, or fails with its exit code
//! and one line on standard error that begins with its name; it then has written
//! nothing to standard output, and every file is as it was.
//!
//! A new program, subcommand or flag that names a file is in the tables, or
//! [`the_tables_hold_every_command_and_every_flag_that_names_a_file`] fails.

mod calls;
mod inputs;
mod outputs;
mod stops;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;

use super::place::{Done, Place};
use super::programs::{command_of, commands};

/// Places of samples, `{}`, in calls of every command that reads some: rows of three
/// numbers, as many as `whole.npy` has where they are paired.
const SAMPLE_READERS: &[&str] = &[
    "dae-fit {} --kind molrg -r 1 -k 2 -o old --report side",
    "dae-fit {} --kind molrg -r 1 -k 2 --solver em --fit means,variances,weights,noise -o old --report side",
    "dae-fit {} --kind molrg -r 1 -k 2 --solver gradient --restarts 2 --iterations 100 -q -o old --report side",
    "dae-fit {} --kind gaussian -o old --report side",
    "dae-fit {} --kind empirical -o old --report side",
    "dae-fit {} --kind local --machine bordered --patch 3 --shape 1,3 -q -o old --report side",
    "dae-fit {} --kind random-features --features 5 --levels 1,2 -o old --report side",
    "dae-fit {} --kind linear-vae -r 1 -o old --report side",
    "dae-fit {} --kind gan -r 1 --width 4 --depth 1 --steps 2 --batch 2 -q -o old",
    "dae-fit {} --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q -o old --report side --log third",
    "dae-apply student.st {} --sigma 1 -o old",
    "dae-apply student.st {} --sigma 1,2 -o old",
    "dae-compare student.st gaussian.st {} --sigma 1 -o old",
    "dae-distill student.st {} --sigma 1 --draws 5 -o old --report side",
    "linearity student.st {} --sigma 1 -o old",
    "linearity student.st {} --sigma 1 --local --lambda 1 -o old",
    "linearity student.st whole.npy --sigma 1 --local --lambda 1 --directions {} -o old",
    "pf-sample student.st --noise {} -o old --trajectory side --report third",
    "pf-sample gaussian.st --encode --noise {} -o old --trajectory side --report third",
    "pf-sample vae.st --noise {} -o old",
    "rp-score {} whole.npy -o old --per-sample side",
    "rp-score whole.npy {} -o old --per-sample side",
    "rp-score whole.npy --train {} -o old --per-sample side",
    "rp-score whole.npy whole.npy --descriptor center --fit {} -o old --per-sample side",
    "rp-score whole.npy --train other.npy --reference {} --gl distance -o old --per-sample side",
    "pfd {} whole.npy -o old",
    "pfd whole.npy {} -o old",
    "pfd student.st {} -o old",
    "pfd whole.npy student.st --relative-to {} -o old",
    "jacobian-rank student.st --sigma 1 --points {} -o old --spectrum side --basis third",
    "jacobian-basis student.st {} --sigma 1 --top 1 -o old --left side --values third",
    "jacobian-basis wide.st wide.npy --sigma 1 --top 1 --mask {} -o old --left side",
    "ridge project {} --model student.st --sigma 1 --dim 1 -o old",
    "ridge distance {} --model student.st --sigma 1 --dim 1 -o old",
    "ridge decompose gaussian.st student.st {} --sigma 1 --dim 1 -o old",
    "intrinsic-dimension {} --neighbours 2 -o old",
    "intrinsic-dimension {} --model student.st --sigma 1 -o old",
    "image-quality {} whole.npy --no-ssim --data-range=-9,9 -o old",
    "image-quality whole.npy {} --no-ssim --data-range=-9,9 -o old",
    "image-quality wide.npy wider.npy --no-ssim --data-range=-9,9 --mask {} -o old",
    "npy let 2*x+y --in x={} --in y=row.npy -o old",
    "npy let 2*y-x --in x=row.npy --in y={} -o old",
    "npy cat {} -o old",
    "npy cat whole.npy {} -o old",
    "npy info {} -o old",
    "npy check {}",
    "npy diff {} whole.npy -o old",
    "npy diff whole.npy {} -o old",
    "npy stack whole.npy {} -o old",
    "npy images {} --shape 1,3 -o old",
    "npy take {} first.csv -o old",
    "npy transpose {} --shape 1,3 --axes 0,2,1 -o old",
    "fig images {} --shape 1,3 -o old.svg",
    "dae-features network.st {} --sigma 1 --layer in -o old",
    "entropy {} -o old",
    "entropy whole.npy --descriptor pca:1 --fit {} -o old",
    "subset {} -n 1 --method farthest -o old --indices side",
    "subset {} -n 1 --method threshold --threshold 1 -o old",
    "subset whole.npy -n 1 --method farthest --descriptor pca:1 --fit {} -o old --indices side",
    "probe linear {} labels.npy whole.npy labels.npy -o old --per-sample side",
    "probe linear whole.npy labels.npy {} labels.npy -o old",
    "probe projection {} labels.npy whole.npy labels.npy --rank 1 -o old --per-sample side",
    "probe snr {} labels.npy whole.npy labels.npy --rank 1 -o old",
    "probe snr whole.npy labels.npy {} labels.npy --rank 1 -o old",
    "rfm {} labels.npy --iterations 2 -o old --values side",
    "rfm whole.npy labels.npy --iterations 2 --predict {} -o old",
    "watermark embed {} --shape 1,3 --key key.npy -o old",
    "watermark detect {} --shape 1,3 --key key.npy -o old",
    "watermark attack {} --shape 1,3 --kind blur --strength 1 -o old",
    "measure {} --operator matrix:rows.npy --noise-std 1 -o old",
    "measure whole.npy --operator matrix:{} --noise-std 0 -o old",
    "measure wide.npy --operator mask:{} --noise-std 1 -o old",
    "restore truth.st {} --operator matrix:rows.npy --noise-std 1 --method exact -o old",
    "restore student.st {} --operator matrix:rows.npy --noise-std 1 --method pigdm --steps 3 -o old --report side",
    "restore student.st {} --operator matrix:rows.npy --noise-std 1 --method dps --steps 3 -o old",
    "restore student.st {} --operator matrix:rows.npy --noise-std 1 --method ddnm --steps 3 -o old",
    "restore student.st {} --operator matrix:rows.npy --noise-std 1 --method dcdp --steps 3 -o old --report side",
    "mixture condition truth.st --measurement {} --row 0 --operator matrix:rows.npy --noise-std 1 -o old",
    "assimilate {} --system ou --method particle --particles 50 -o old --deviations side --report third",
    "assimilate {} --system ou --method ensemble-kalman --particles 50 -o old --deviations side --report third",
    "assimilate {} --system brownian --method kalman -o old --deviations side --report third",
    "assimilate seen.npy --system ou --method kalman --truth {} -o old --report side",
    "assimilate {} --system lorenz63 --observe 1 --method flowdas --model moves.st --particles 9 --steps 3 --estimates 2 -o old --deviations side",
    "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition {} -o old",
    "dae-apply moves.st whole.npy --sigma 1 --condition {} -o old",
    "pf-sample moves.st --noise whole.npy --steps 3 --condition {} -o old",
    "dae-fit {} --kind vae -r 1 --width 4 --depth 1 --steps 2 --batch 2 -q -o old",
];

/// Places of models in calls of every command that reads one.
const MODEL_READERS: &[&str] = &[
    "dae-apply {} whole.npy --sigma 1 -o old",
    "dae-compare {} student.st whole.npy --sigma 1 -o old",
    "dae-compare student.st {} -n 5 --sigma 1 -o old",
    "dae-distill {} whole.npy --sigma 1 --draws 5 -o old --report side",
    "linearity {} whole.npy --sigma 1 -o old",
    "pf-sample {} -n 5 -o old --trajectory side --report third",
    "pf-sample student.st --unconditional {} --guidance 2 -n 5 -o old",
    "pf-sample gaussian.st --unconditional {} --guidance 2 --guidance-part positive -n 5 -o old",
    "pf-sample student.st --guide {} --guide-against gaussian.st --guide-weight 2 -n 5 -o old",
    "pf-sample student.st --guide gaussian.st --guide-against {} --guide-weight 2 -n 5 -o old",
    "pfd {} student.st -n 5 -o old",
    "pfd student.st {} -n 5 -o old",
    "pfd student.st gaussian.st -n 5 --relative-to {} -o old",
    "pfd --bias-variance truth.st student.st {} -n 5 -o old",
    "jacobian-basis {} whole.npy --sigma 1 --top 1 -o old --left side --values third",
    "jacobian-rank {} --sigma 1 -n 5 -o old --spectrum side --basis third",
    "ridge project whole.npy --model {} --sigma 1 --dim 1 -o old",
    "ridge distance whole.npy --model {} --sigma 1 --dim 1 -o old",
    "ridge decompose {} student.st whole.npy --sigma 1 --dim 1 -o old",
    "ridge decompose student.st {} whole.npy --sigma 1 --dim 1 -o old",
    "intrinsic-dimension whole.npy --model {} --sigma 1 -o old",
    "subspace-error {} truth.st -o old",
    "subspace-error truth.st {} -o old",
    "molrg-gen --from {} -n 5 -o old --labels side --truth third",
    "mixture info {} -o old",
    "dae-fit whole.npy --kind local --machine local --shape 1,3 --calibrate {} --levels edm:2 -q -o old --report side",
    "mixture select {} --components 0 -o old",
    "mixture join {} student.st -o old",
    "mixture join student.st {} --weights 1,2 -o old",
    "mixture pool {} -o old",
    "mixture condition {} --measurement whole.npy --row 0 --operator matrix:rows.npy --noise-std 1 -o old",
    "restore {} whole.npy --operator matrix:rows.npy --noise-std 1 --method ddnm --steps 3 -o old --report side",
    "npy check {}",
];

/// Places of tables in calls of every command that reads one: columns x, y, key and value.
const TABLE_READERS: &[&str] = &[
    "table cat {} -o old",
    "table cat table.csv {} -o old",
    "table let {} z=x*y+value -o old",
    "table mean {} --by key --value x,y,value -o old",
    "table pivot {} --key key --value value --by x -o old",
    "table sort {} --by y,key -o old",
    "table crossing {} --x x --y value --by key --level 2 -o old",
    "table slope {} --x x --y value --by key -o old",
    "table roc {} --score y --label key --positive a -o old",
    "fig line {} --x x --y value --by key -o old.svg",
    "fig heatmap {} --x x --y key --value value -o old.svg",
    "fig violin {} --x key --y value -o old.svg",
    "fig matrix {} --row x --column key --value value -o old.svg",
];

/// Calls that read nothing, or nothing that comes through a pipe.
const SOURCES: &[&str] = &[
    "dae-serve truth.st",
    "molrg-gen -d 3 -r 1 -k 2 -n 9 -o old --labels side --truth third",
    "npy noise -d 3 -n 9 -o old",
    "sde --system ou -n 9 --steps 3 -o old --observations side",
    "bridge score --system ou:1 -n 9 --steps 3 -o old --paths side",
    "bridge fit --system ou:1 --start 0.5 -n 40 --steps 3 --degree 1 -o old --report side",
    "bridge fit --system ou:1 -n 320 --steps 3 --kind mlp --width 2 --depth 0 -q -o old --report side",
    "bridge exact --system ou:1 --target 0.5 --steps 3 --places 3 -o old",
    "phase-grid --dim 4 --ranks 1 --samples 1-3 --trials 2 --solver pca -o old",
    "icl optimal -d 4 -r 1 --prompt 3 -o old --gamma side",
    "icl train -d 4 -r 1 --prompt 3 --steps 4 --batch 2 --trials 1 -o old --gamma side --log third",
    "watermark key --shape 3,4 --radius 1 -o old",
];

/// Places of labels, one of two classes a row.
const LABEL_READERS: &[&str] = &[
    "dae-fit whole.npy --kind two-layer --solver blocks --sigma 1 -r 1 --width 4 --labels {} -o old",
    "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --labels {} -o old",
    "dae-apply classes.st whole.npy --sigma 1 --class {} -o old",
    "dae-compare classes.st gaussian.st -n 4 --sigma 1 --class {} -o old",
    "pf-sample classes.st -n 4 --class {} -o old",
    "pfd classes.st gaussian.st -n 4 --class {} -o old",
    "dae-distill classes.st whole.npy --sigma 1 --draws 5 --class {} -o old",
    "npy take whole.npy {} -o old",
    "probe linear whole.npy {} whole.npy labels.npy -o old",
    "probe projection whole.npy labels.npy whole.npy {} --rank 1 -o old --per-sample side",
    "probe snr whole.npy {} whole.npy labels.npy --rank 1 -o old",
    "rfm whole.npy {} -o old",
];

/// Places of networks.
const NETWORK_READERS: &[&str] = &["dae-features {} whole.npy --sigma 1 --layer in -o old"];

/// Places of networks of transitions, of three numbers.
const TRANSITION_READERS: &[&str] = &[
    "assimilate whole.npy --system lorenz63 --method flowdas --model {} --particles 9 --steps 3 --estimates 2 -o old",
];
/// Places of a direction of a layer of four units.
const DIRECTION_READERS: &[&str] = &["dae-apply network.st whole.npy --sigma 1 --edit in={}:1 -o old"];

/// Places of keys, three rows.
const KEY_READERS: &[&str] = &[
    "watermark embed whole.npy --shape 1,3 --key {} -o old",
    "watermark detect whole.npy --shape 1,3 --key {} -o old",
];

/// Places of eigenvalues, one a row, some of which may be 0.
const EIGENVALUE_READERS: &[&str] = &[
    "linear-theory flow --spectrum {} --sigma 1 -o old",
    "linear-theory learning --spectrum {} --times 1 -o old",
    "linear-theory emergence --spectrum {} -o old",
    "linear-theory kappa --spectrum {} --ratio 2 --z 0.1 -o old",
    "linear-theory denoiser --spectrum {} -n 3 --sigma 1 -o old",
    "linear-theory map --spectrum {} -n 3 --places 10 -o old",
];

/// Places of attention, one matrix.
const ATTENTION_READERS: &[&str] = &["icl risk {} -d 3 -r 1 --prompt 4 -o old"];

/// Places of controls, a table of bridge.
const CONTROL_READERS: &[&str] = &["bridge sample {} -n 4 -o old --report side"];

/// What stands at `{}` for a call that succeeds.
const SOUND: [(&[&str], &str); 12] = [
    (CONTROL_READERS, "control.csv"),
    (EIGENVALUE_READERS, "labels.npy"),
    (SAMPLE_READERS, "whole.npy"),
    (MODEL_READERS, "truth.st"),
    (TABLE_READERS, "table.csv"),
    (SOURCES, ""),
    (KEY_READERS, "key.npy"),
    (NETWORK_READERS, "network.st"),
    (LABEL_READERS, "labels.npy"),
    (DIRECTION_READERS, "direction.npy"),
    (TRANSITION_READERS, "moves.st"),
    (ATTENTION_READERS, "gamma.npy"),
];

/// Flags of outputs.
const OUTPUTS: &[&str] = &[
    "-o",
    "--labels",
    "--truth",
    "--report",
    "--indices",
    "--log",
    "--trajectory",
    "--per-sample",
    "--left",
    "--values",
    "--spectrum",
    "--basis",
    "--gamma",
    "--observations",
    "--deviations",
    "--paths",
];

const TABLE: &str = "x,y,key,value\n1,0.5,a,1\n2,1.5,a,3\n3,2,a,2.5\n1,0.25,b,-1\n2,1,b,4\n3,2.5,b,8\n";

/// A place with inputs of all kinds, outputs of an earlier run, and the damaged files.
fn small() -> Place {
    let place = Place::new();
    for line in [
        "molrg-gen -d 3 -r 1 -k 2 -n 4 --seed 2 --noise-std 0.5 --dtype f64 --truth truth.st -o whole.npy",
        "molrg-gen --from truth.st -n 5 --skip 4 -o other.npy",
        "dae-fit whole.npy --kind molrg -r 1 -k 2 --fit means,variances,noise -o student.st",
        "dae-fit whole.npy --kind gaussian -o gaussian.st",
        "dae-fit whole.npy --kind empirical -o empirical.st",
        "dae-fit whole.npy --kind local --machine bordered --patch 3 --shape 1,3 -q -o local.st",
        "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q -o network.st",
        "dae-fit other.npy --kind linear-vae -r 3 -o vae.st",
        "npy cat other.npy --rows ..4 --dtype f64 -o before.npy",
        "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --loss interpolant --condition before.npy -o moves.st",
        "watermark key --shape 1,3 --radius 1 -o key.npy",
        "icl optimal -d 3 -r 1 --prompt 4 --gamma gamma.npy -o /dev/null",
        "molrg-gen --from truth.st -n 4 --seed 2 --labels labels.npy -o /dev/null",
        "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --labels labels.npy -o classes.st",
        "molrg-gen -d 12 -r 3 -k 2 -n 4 --seed 5 --shape 4,3 --dtype f64 --truth wide.st -o wide.npy",
        "molrg-gen --from wide.st -n 4 --skip 4 --dtype f64 -o wider.npy",
        "npy cat whole.npy --rows ..1 -o row.npy",
        "npy noise -n 1 -d 4 --seed 3 -o direction.npy",
        "npy noise -n 3 -d 3 --seed 1 --dtype f64 -o rows.npy",
        "sde --system ou -n 4 --steps 2 --dtype f64 --observations seen.npy -o /dev/null",
        "bridge exact --system ou:1 --target 0.5 --steps 3 --places 3 -o control.csv",
    ] {
        place.out(line);
    }
    place.put("table.csv", TABLE);
    place.put("first.csv", "row\n0\n");
    forget(&place);
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/damaged");
    symlink(corpus, place.path("damaged")).unwrap();
    place
}

/// Outputs of the calls, and what is there before they run.
const OLD: [&str; 4] = ["old", "side", "third", "old.svg"];
const EARLIER: &[u8] = b"of an earlier run";

/// Has the outputs be as before.
fn forget(place: &Place) {
    OLD.iter().for_each(|name| place.put(name, EARLIER));
}

/// The call with its result on standard output.
fn to_stdout(line: &str) -> String {
    let line = format!("{line} ");
    line.replace(" -o old.svg ", " ").replace(" -o old ", " ").trim_end().to_string()
}

/// The one line of a run that failed so, and did nothing else.
#[track_caller]
fn refused(place: &Place, before: &BTreeMap<String, Vec<u8>>, code: i32, line: &str, done: &Done) -> String {
    let program = line.split_whitespace().next().unwrap();
    assert_eq!(done.code, Some(code), "{line}: {}", done.err);
    // Warnings, if any, come before.
    let warning = format!("{program}: warning: ");
    let said: String = done.err.split_inclusive('\n').filter(|line| !line.starts_with(&warning)).collect();
    let one = said.matches('\n').count() == 1 && said.ends_with('\n');
    assert!(one && said.starts_with(&format!("{program}: ")), "{line}: not one line: {}", done.err);
    assert!(!said.contains("bug") && !said.contains("internal error"), "{line}: {said}");
    assert!(done.out.is_empty(), "{line}: wrote before it failed");
    unchanged(place, before, line);
    said
}

#[track_caller]
fn unchanged(place: &Place, before: &BTreeMap<String, Vec<u8>>, line: &str) {
    let after = place.files();
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>(),
        "{line}: files left or gone"
    );
    for (name, bytes) in &after {
        assert!(*bytes == before[name], "{line}: {name} was written");
    }
}

/// Whose turn it is of so many, by what a line says: over many faults each call meets all turns, and over many calls each
/// fault.
fn turn(line: &str, of: usize) -> usize {
    line.bytes().map(usize::from).sum::<usize>() % of
}

/// Runs a call that must fail, to a file or to standard output by turns; its line must hold the words.
#[track_caller]
pub fn fails(place: &Place, code: i32, line: &str, words: &[&str]) {
    let before = place.files();
    let line = if turn(line, 2) == 0 { line.to_string() } else { to_stdout(line) };
    let said = refused(place, &before, code, &line, &place.run(&line));
    for word in words {
        assert!(said.contains(word), "{line}: '{}' does not contain '{word}'", said.trim_end());
    }
}

/// Whether a call that succeeds writes something: `npy check` does not, nor what is asked for nothing.
fn writes(line: &str) -> bool {
    !line.starts_with("npy check") && !line.starts_with("dae-serve")
}

/// Every call of the tables with what makes it succeed.
fn sound_calls() -> Vec<String> {
    SOUND.iter().flat_map(|(lines, name)| lines.iter().map(|line| line.replace("{}", name))).collect()
}

#[test]
fn every_call_of_the_tables_succeeds_without_a_fault() {
    let place = small();
    let before = place.files();
    for line in sound_calls() {
        place.out(&line);
        let after = place.files();
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{line}");
        for (name, bytes) in after {
            let is_output = OLD.contains(&name.as_str()) && line.split(' ').any(|word| word == name);
            assert_eq!(bytes != before[&name], is_output, "{line}: {name}");
        }
        forget(&place);
    }
}

/// Flags of a command's help that take a file, by the name of their value.
fn file_flags(help: &str) -> BTreeSet<&str> {
    let flags = help.lines().filter(|line| line.trim_start().starts_with('-'));
    flags
        .filter(|line| ["<FILE>", "<MODEL>", "<C>", "<DIR>"].iter().any(|value| line.contains(value)))
        .filter_map(|line| line[line.find("--")?..].split(' ').next())
        .collect()
}

#[test]
fn the_tables_hold_every_command_and_every_flag_that_names_a_file() {
    let place = Place::new();
    let calls = sound_calls();
    let in_tables: BTreeSet<String> = calls.iter().map(|line| command_of(line)).collect();
    assert_eq!(in_tables, commands(), "a command without a call in the tables, or a call without a command");
    for command in commands() {
        let of_command = || SOUND.iter().flat_map(|(lines, _)| *lines).filter(|l| command_of(l) == command);
        let help = place.text(&format!("{command} --help"));
        for flag in file_flags(&help) {
            let output = OUTPUTS.contains(&flag) && of_command().any(|l| l.contains(&format!("{flag} ")));
            let input = of_command().any(|l| l.contains(&format!("{flag} {{}}")));
            // Every command has these two; the directory of checkpoints has tests of its own.
            let elsewhere = ["--output", "--manifest", "--checkpoint"].contains(&flag);
            assert!(output || input || elsewhere, "{command}: {flag} is in no call of the tables");
        }
    }
}
