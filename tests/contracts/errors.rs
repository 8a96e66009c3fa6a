//! A failure is one line that says what and where, with its exit code, and
//! leaves every file as it was.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use super::place::Place;
use super::programs::CALLS;

/// The one line of a run that fails so; it must hold the words.
#[track_caller]
fn fails(place: &Place, code: i32, line: &str, words: &[&str]) -> String {
    let before = place.files();
    let done = place.run(line);
    let program = line.split_whitespace().next().unwrap();
    assert_eq!(done.code, Some(code), "{line}: {}", done.err);
    assert_eq!(done.err.matches('\n').count(), 1, "{line}: not one line: {}", done.err);
    assert!(
        done.err.ends_with('\n') && done.err.starts_with(&format!("{program}: ")),
        "{line}: {}",
        done.err
    );
    for word in words {
        assert!(done.err.contains(word), "{line}: '{}' does not contain '{word}'", done.err.trim_end());
    }
    assert!(!done.err.contains("bug") && !done.err.contains("internal error"), "{line}: {}", done.err);
    assert!(place.files() == before, "{line}: files were changed");
    done.err
}

/// Places of samples in calls of every program that reads some.
const SAMPLE_READERS: &[&str] = &[
    "dae-fit {} --kind molrg -r 3 -k 2 -o old --report side",
    "dae-fit {} --kind gaussian -o old --report side",
    "dae-fit {} --kind empirical -o old --report side",
    "dae-apply student.st {} --sigma 1 -o old",
    "dae-apply student.st {} --sigma 1,2 -o old",
    "pf-sample student.st --noise {} -o old --trajectory side",
    "pf-sample student.st --encode --noise {} -o old --report side",
    "rp-score {} whole.npy -o old --per-sample side",
    "rp-score whole.npy {} -o old --per-sample side",
    "rp-score whole.npy --train {} -o old --per-sample side",
    "rp-score whole.npy whole.npy --descriptor center --fit {} -o old --per-sample side",
    "rp-score whole.npy --train test.npy --reference {} --gl distance -o old --per-sample side",
    "pfd {} whole.npy -o old",
    "pfd student.st {} -o old",
    "jacobian-rank student.st --sigma 1 --points {} -o old --spectrum side",
    "npy cat {} -o old",
    "npy info {} -o old",
    "npy check {}",
    "npy diff {} whole.npy -o old",
    "npy stack whole.npy {} -o old",
    "npy images {} -o old",
];

/// Places of models in calls of every program that reads one.
const MODEL_READERS: &[&str] = &[
    "dae-apply {} test.npy --sigma 1 -o old",
    "pf-sample {} -n 5 -o old --trajectory side",
    "pf-sample student.st --unconditional {} --guidance 2 -n 5 -o old",
    "pfd {} student.st -o old",
    "pfd student.st truth.st --relative-to {} -o old",
    "jacobian-rank {} --sigma 1 -o old --spectrum side",
    "subspace-error {} truth.st -o old",
    "subspace-error truth.st {} -o old",
    "molrg-gen --from {} -n 5 -o old --labels side",
];

/// A stocked place with outputs of earlier runs and all kinds of damage.
fn damaged() -> Place {
    let place = Place::stocked("f32");
    place.out("npy cat train.npy -o whole.npy");
    for name in ["old", "side"] {
        place.put(name, "of an earlier run");
    }
    fs::create_dir(place.path("directory")).unwrap();
    let train = place.get("train.npy");
    place.put("empty.npy", "");
    place.put("cut-header.npy", &train[..40]);
    place.put("cut.npy", &train[..train.len() - 200 * 24 * 4 - 5]);
    place.put("text.npy", [0u8, 1, 2, 3, 255, 254]);
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/npy/object.npy");
    place.put("object.npy", fs::read(object).unwrap());
    place.out("npy noise -n 300 -d 5 -o narrow.npy");
    place.out("npy cat train.npy --rows ..299 -o short.npy");
    place.out("npy cat train.npy --rows 0..0 -o none.npy");
    for (name, value) in [("nan.npy", f32::NAN), ("inf.npy", f32::NEG_INFINITY)] {
        let mut bytes = train.clone();
        let at = 128 + (211 * 24 + 5) * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        place.put(name, bytes);
    }
    let truth = place.get("truth.st");
    let edit = |from: &str, to: &str| {
        let at = truth.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&truth[..at], to.as_bytes(), &truth[at + from.len()..]].concat()
    };
    place.put("version.st", edit("\"version\":\"1\"", "\"version\":\"9\""));
    place.put("kind.st", edit("\"kind\":\"molrg\"", "\"kind\":\"other\""));
    place.put("foreign.st", edit("molrg-model", "other-model"));
    place.put("cut.st", &truth[..truth.len() - 7]);
    place.put("longer.st", [&truth[..], b"x"].concat());
    let nan = truth.len() - 4;
    place.put("nan.st", [&truth[..nan], &f32::NAN.to_le_bytes()[..]].concat());
    place
}

#[test]
fn every_reader_of_samples_refuses_what_it_cannot_read() {
    let place = damaged();
    assert_eq!(place.get("train.npy").len(), 128 + 300 * 24 * 4, "the header's length");
    let readers: BTreeSet<&str> =
        SAMPLE_READERS.iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(readers.len(), 7, "dae-fit dae-apply pf-sample rp-score pfd jacobian-rank npy");
    for (name, words) in [
        ("missing.npy", &["no such file"][..]),
        ("directory", &["is a directory"]),
        ("empty.npy", &["is empty"]),
        ("cut-header.npy", &["truncated", "header"]),
        ("cut.npy", &["truncated", " 99 ", " 300 "]),
        ("text.npy", &["is not an array"]),
        ("object.npy", &["object"]),
        ("nan.npy", &["row 211, column 5: is nan", "1 number is not finite"]),
        ("inf.npy", &["row 211, column 5: is -inf", "1 number is not finite"]),
        ("truth.st", &["is a model, not samples"]),
    ] {
        for reader in SAMPLE_READERS {
            let program = reader.split_whitespace().next().unwrap();
            // npy moves such numbers unless told otherwise; it checks models, and pfd compares them.
            let finite = program == "npy" && ["nan.npy", "inf.npy"].contains(&name);
            if name == "truth.st" && (program == "pfd" || reader.starts_with("npy check")) {
                continue;
            }
            let line = reader.replace("{}", name) + if finite { " --nan error" } else { "" };
            fails(&place, 1, &line, &[&[name][..], words].concat());
        }
    }
}

#[test]
fn every_reader_of_models_refuses_what_is_none() {
    let place = damaged();
    for (name, words) in [
        ("missing.st", &["no such file"][..]),
        ("directory", &["is a directory"]),
        ("empty.npy", &["is empty"]),
        ("whole.npy", &["holds samples, not a model"]),
        ("version.st", &["version 9", "version 1"]),
        ("kind.st", &["kind \"other\""]),
        ("foreign.st", &["not a model of these programs"]),
        ("cut.st", &["truncated", "misses 7 of"]),
        ("longer.st", &["damaged", "follow"]),
        ("nan.st", &["not finite"]),
    ] {
        for reader in MODEL_READERS.iter().chain(&["npy check {}"]) {
            if name == "whole.npy" && (reader.starts_with("pfd") || reader.starts_with("npy")) {
                continue;
            }
            fails(&place, 1, &reader.replace("{}", name), &[&[name][..], words].concat());
        }
    }
    for reader in ["subspace-error {} truth.st", "subspace-error truth.st {}", "molrg-gen --from {} -n 5"] {
        fails(&place, 1, &reader.replace("{}", "empirical.st"), &["empirical.st", "kind empirical"]);
    }
    // Generators have no denoiser: only pf-sample takes them.
    for reader in MODEL_READERS.iter().filter(|r| !r.starts_with("pf-sample {}")) {
        fails(&place, 1, &reader.replace("{}", "vae.st"), &["vae.st", "linear-vae"]);
    }
    fails(&place, 1, "pf-sample vae.st -n 5 --trajectory side", &["vae.st", "--trajectory"]);
}

#[test]
fn inputs_that_do_not_go_together_are_refused() {
    let place = damaged();
    for (line, words) in [
        ("dae-apply student.st narrow.npy --sigma 1", &["narrow.npy", "5", "student.st", "24"][..]),
        ("pf-sample student.st --noise narrow.npy", &["narrow.npy", "5", "24"]),
        ("jacobian-rank student.st --points narrow.npy --sigma 1", &["narrow.npy", "5", "24"]),
        ("rp-score whole.npy narrow.npy", &["narrow.npy", "24", "5"]),
        ("rp-score whole.npy --train narrow.npy", &["narrow.npy", "24", "5"]),
        ("rp-score whole.npy whole.npy --fit narrow.npy --descriptor center", &["narrow.npy", "24", "5"]),
        ("rp-score whole.npy --train whole.npy --reference narrow.npy", &["narrow.npy", "24", "5"]),
        ("pfd whole.npy narrow.npy", &["narrow.npy", "24", "5"]),
        ("pfd student.st narrow.npy", &["narrow.npy", "24", "5"]),
        ("npy diff whole.npy narrow.npy", &["narrow.npy", "[2, 4, 3]", "[5]"]),
        ("npy cat whole.npy narrow.npy", &["narrow.npy", "5"]),
        ("npy stack whole.npy narrow.npy", &["narrow.npy", "5"]),
        ("rp-score whole.npy short.npy", &["short.npy", "300 and 299 rows do not pair"]),
        ("pfd whole.npy short.npy", &["short.npy", "300 and 299 rows do not pair"]),
        ("pfd student.st short.npy --relative-to whole.npy", &["short.npy", "299", "300"]),
        ("npy stack whole.npy short.npy", &["short.npy", "299"]),
    ] {
        fails(&place, 1, line, words);
        if line.contains("short.npy") && !line.starts_with("npy") {
            // The counts are not known beforehand from a pipe.
            let piped = place.bash(&line.replacen("whole.npy", "<(cat whole.npy)", 1));
            assert_eq!((piped.code, piped.err.lines().count()), (Some(1), 1), "{line}: {}", piped.err);
            assert!(piped.err.contains("300") && piped.err.contains("299"), "{}", piped.err);
        }
    }
    let other = "molrg-gen -d 9 -r 3 -n 3 --truth other.st -o /dev/null";
    place.out(other);
    for (line, words) in [
        ("subspace-error other.st truth.st", &["9", "24"][..]),
        ("pfd other.st truth.st", &["9", "24"]),
        ("pf-sample truth.st --unconditional other.st --guidance 2 -n 3", &["--unconditional", "9", "24"]),
    ] {
        fails(&place, 1, line, words);
    }
}

#[test]
fn no_rows_are_an_error_where_nothing_can_be_said_of_them() {
    let place = damaged();
    for line in [
        "dae-fit none.npy --kind molrg -r 3 -k 2 --report side",
        "dae-fit none.npy --kind gaussian --report side",
        "dae-fit none.npy --kind empirical --report side",
        "dae-fit whole.npy --kind gaussian --rows 300..",
        "rp-score none.npy none.npy --per-sample side",
        "rp-score whole.npy --train none.npy --per-sample side",
        "rp-score whole.npy whole.npy --descriptor center --fit none.npy --per-sample side",
        "rp-score whole.npy --train train.npy --reference none.npy --gl distance --per-sample side",
        "pfd none.npy none.npy",
        "pfd student.st none.npy",
        "jacobian-rank student.st --sigma 1 --points none.npy --spectrum side",
    ] {
        let named = if line.contains("none.npy") { "none.npy" } else { "whole.npy" };
        fails(&place, 1, &format!("{line} -o old"), &[named, "no rows"]);
    }
    // What maps rows to rows makes none of none.
    for line in [
        "pf-sample student.st --noise none.npy",
        "dae-apply student.st none.npy --sigma 1",
        "npy cat none.npy",
        "molrg-gen -d 24 -r 3 -n 0",
        "pf-sample student.st -n 0",
    ] {
        let out = place.out(line);
        assert!(String::from_utf8_lossy(&out).contains("'shape': (0, "), "{line}");
    }
    let out = place.out("dae-apply student.st none.npy --sigma 1,2");
    assert!(String::from_utf8_lossy(&out).contains("'shape': (2, 0, 2, 4, 3)"));
}

#[test]
fn what_data_cannot_bear_is_an_error_of_the_run() {
    let place = damaged();
    for (line, words) in [
        ("dae-fit whole.npy --kind molrg -r 25", &["--rank 25", "24"][..]),
        ("dae-fit whole.npy --kind molrg -r 25 -k 2 --solver em", &["--rank 25", "24"]),
        ("dae-fit whole.npy --kind gaussian -r 25", &["--rank 25", "24"]),
        ("dae-fit whole.npy --kind molrg -r 9 -k 3 --orthogonal", &["--orthogonal", "27", "24"]),
        ("dae-fit whole.npy --kind molrg -r 9 -k 3 --orthogonal --solver gradient", &["--orthogonal", "27"]),
        ("dae-fit whole.npy --kind molrg -r 1 -k 301", &["301", "300"]),
        ("dae-fit whole.npy --kind molrg -r 1 -k 5 --rows ..4", &["5", "4"]),
        ("pf-sample student.st --noise whole.npy --shape 5,5", &["whole.npy", "24"]),
        ("pfd student.st truth.st --relative-to truth.st -n 10", &["--relative-to truth.st", "0"]),
    ] {
        fails(&place, 1, line, words);
    }
    fails(&place, 1, "dae-fit whole.npy --kind molrg -r 25 --report side -o old", &["whole.npy"]);
}

#[test]
fn wrong_calls_exit_2_and_name_the_flag() {
    let place = damaged();
    for (line, words) in [
        ("molrg-gen -d 4 -r 5 -n 3", &["--rank 5", "--dim 4"][..]),
        ("molrg-gen -d 4 -r 2 -k 3 -n 3", &["--rank", "6", "--dim 4"]),
        ("molrg-gen -d 4 -r 0 -n 3", &["--rank"]),
        ("molrg-gen -d 4 -r 2 -k 0 -n 3", &["--components"]),
        ("molrg-gen -d 4 -r 1,2 -k 3 -n 3", &["--rank", "--components 3"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --weights=-1,2", &["--weights"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --weights -1,2", &["--weights"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --weights 0,0", &["--weights"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --weights 1,1,1", &["--weights"]),
        ("molrg-gen -d 4 -r 1 -n 3 --noise-std -1", &["--noise-std"]),
        ("molrg-gen -d 4 -r 1 -n 3 --noise-std nan", &["--noise-std"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --angle -5", &["--angle"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --angle 91", &["--angle"]),
        ("molrg-gen -d 4 -r 1 -k 2 -n 3 --mean-norm -1", &["--mean-norm"]),
        ("molrg-gen -d 4 -r 1 -n 3 --spectrum wavy", &["--spectrum"]),
        ("molrg-gen -d 4 -r 2 -n 3 --spectrum 1,2,3", &["--spectrum"]),
        ("molrg-gen -d 4 -r 1 -n 3 --shape 2,3", &["--shape"]),
        ("molrg-gen -d 4 -r 1 -n 3 --shape 2,0", &["--shape"]),
        ("molrg-gen -r 1 -n 3", &["--dim"]),
        ("molrg-gen -d 4 -n 3", &["--rank"]),
        ("molrg-gen -d 4 -r 1", &["--samples"]),
        ("molrg-gen -d 4 -r 1 -n -3", &["--samples"]),
        ("molrg-gen --from truth.st -d 4 -n 3", &["--from", "--dim"]),
        ("molrg-gen -d 4 -r 1 -n 3 --skip 18446744073709551615", &["--skip"]),
        ("dae-fit whole.npy", &["--kind"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --steps 5", &["--steps"]),
        ("dae-fit whole.npy --kind empirical --lr 1", &["--lr"]),
        ("dae-fit whole.npy --kind mlp --rank 3", &["--rank"]),
        ("dae-fit whole.npy --kind mlp --mult 1,2", &["--mult"]),
        ("dae-fit whole.npy --kind mlp --width 0", &["--width"]),
        ("dae-fit whole.npy --kind mlp --steps 0", &["--steps"]),
        ("dae-fit whole.npy --kind mlp --batch 0", &["--batch"]),
        ("dae-fit whole.npy --kind mlp --lr nan", &["--lr"]),
        ("dae-fit whole.npy --kind mlp --lr-floor 2", &["--lr-floor"]),
        ("dae-fit whole.npy --kind mlp --weight-decay -1", &["--weight-decay"]),
        ("dae-fit whole.npy --kind mlp --ema 2", &["--ema"]),
        ("dae-fit whole.npy --kind mlp --loss fixed", &["--sigma"]),
        ("dae-fit whole.npy --kind mlp --sigma 1", &["--sigma", "--loss fixed"]),
        ("dae-fit whole.npy --kind mlp --loss uniform --sigma-range 2,1", &["--sigma-range"]),
        ("dae-fit whole.npy --kind mlp --loss uniform --sigma-range 1e-300,1", &["--sigma-range"]),
        ("dae-fit whole.npy --kind mlp --flip", &["--flip"]),
        ("dae-fit whole.npy --kind mlp --log -", &["-", "output"]),
        ("dae-fit whole.npy --kind mlp --log same.csv -o same.csv", &["same.csv", "output"]),
        ("dae-fit whole.npy --kind mlp --resume", &["--checkpoint"]),
        ("dae-fit whole.npy --kind gan -r 2 --report r.csv", &["--report"]),
        ("dae-fit whole.npy --kind mlp --steps 9999999 --log-every 1", &["--log-every"]),
        ("dae-fit whole.npy --kind mlp --optimizer rmsprop --momentum 0.5", &["--momentum"]),
        ("dae-fit whole.npy --kind linear --tied --depth 3", &["--tied"]),
        ("dae-fit whole.npy --kind linear --depth 1", &["--depth", "--loss fixed"]),
        ("dae-fit whole.npy --kind uvit --width 1", &["--width"]),
        ("dae-fit whole.npy --kind unet --blocks 1000000000", &["--blocks"]),
        ("dae-fit whole.npy --kind unet --width 2", &["--width"]),
        ("dae-fit whole.npy --kind gan", &["--rank"]),
        ("dae-fit whole.npy --kind gan -r 2 --loss vp", &["--loss"]),
        ("dae-fit whole.npy --kind gan -r 1000000000000", &["--rank"]),
        ("dae-fit whole.npy --kind linear-vae -r 2 --steps 5", &["--steps"]),
        ("dae-fit whole.npy --kind molrg", &["--rank"]),
        ("dae-fit whole.npy --kind other", &["--kind", "other"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --solver pca", &["--solver pca"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --restarts 0", &["--restarts 0"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --lr -1", &["--lr"]),
        ("dae-fit whole.npy --kind gaussian --format csv", &["--format", "model"]),
        ("dae-fit whole.npy --kind gaussian -r 1,2", &["--rank"]),
        ("dae-apply student.st whole.npy", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma 0", &["--sigma 0"]),
        ("dae-apply student.st whole.npy --sigma -1", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma -1,2", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma=1,-2", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma nan", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma inf", &["--sigma"]),
        ("dae-apply student.st whole.npy --sigma one", &["--sigma", "one"]),
        ("dae-apply student.st whole.npy --snr 0", &["--snr 0"]),
        ("dae-apply student.st whole.npy --snr -2", &["--snr"]),
        ("dae-apply student.st whole.npy --time 2 --schedule flow", &["--time"]),
        ("dae-apply student.st whole.npy --sigma 1 --snr 1", &["--sigma", "--snr"]),
        ("dae-apply student.st whole.npy --levels edm", &["--levels"]),
        ("dae-apply student.st whole.npy --levels edm:0", &["--levels"]),
        ("dae-apply - - --sigma 1", &["standard input"]),
        ("dae-apply - --sigma 1", &["standard input"]),
        ("pf-sample student.st", &["--samples"]),
        ("pf-sample student.st -n 5 --noise whole.npy", &["--noise", "--samples"]),
        ("pf-sample student.st -n 5 --encode", &["--noise"]),
        ("pf-sample student.st -n 5 --steps 0", &["--steps"]),
        ("pf-sample student.st -n 5 --sigma-min 0", &["--sigma-min"]),
        ("pf-sample student.st -n 5 --sigma-min -1", &["--sigma-min"]),
        ("pf-sample student.st -n 5 --sigma-max -80", &["--sigma-max"]),
        ("pf-sample student.st -n 5 --sigma-max 0.001", &["--sigma-m"]),
        ("pf-sample student.st -n 5 --sigmas 1,2", &["--sigmas"]),
        ("pf-sample student.st -n 5 --sigmas -1,0", &["--sigmas"]),
        ("pf-sample student.st -n 5 --sigmas 5,0,0", &["--sigmas"]),
        ("pf-sample student.st -n 5 --rho 0", &["--rho"]),
        ("pf-sample student.st -n 5 --rtol 0 --solver rk45", &["--rtol 0"]),
        ("pf-sample student.st -n 5 --atol -1 --solver rk45", &["--atol"]),
        ("pf-sample student.st -n 5 --churn -1", &["--churn"]),
        ("pf-sample student.st -n 5 --churn nan", &["--churn"]),
        ("pf-sample student.st -n 5 --guidance 2", &["--unconditional"]),
        ("pf-sample student.st -n 5 --guidance nan --unconditional truth.st", &["--guidance"]),
        ("pf-sample student.st --noise whole.npy --encode --churn 2", &["--churn", "--encode"]),
        ("pf-sample - --noise -", &["standard input"]),
        ("pf-sample --noise -", &["standard input"]),
        ("pf-sample -n 5 --guidance 2 --unconditional -", &["standard input"]),
        ("pf-sample student.st --noise - --guidance 2 --unconditional -", &["standard input"]),
        ("rp-score whole.npy", &["--train"]),
        ("rp-score", &["<INPUT>"]),
        ("rp-score - -", &["standard input"]),
        ("rp-score -- -:a -:b", &["standard input"]),
        ("rp-score - --train -", &["standard input"]),
        ("rp-score whole.npy whole.npy --gl ratio", &["--train"]),
        ("rp-score whole.npy --train train.npy --gl distance", &["--reference"]),
        ("rp-score whole.npy --train train.npy --ratio 0", &["--ratio"]),
        ("rp-score whole.npy whole.npy --similarity l2", &["--threshold"]),
        ("rp-score whole.npy whole.npy --threshold nan", &["--threshold"]),
        ("rp-score whole.npy whole.npy --descriptor center", &["--descriptor", "--fit"]),
        ("rp-score whole.npy whole.npy --descriptor other", &["--descriptor"]),
        ("rp-score whole.npy whole.npy --data-range 1,1", &["--data-range"]),
        ("pfd student.st", &["two inputs"]),
        ("pfd - -", &["standard input"]),
        ("pfd - truth.st --relative-to -", &["standard input"]),
        ("pfd student.st truth.st -n 0", &["--samples 0"]),
        ("pfd student.st truth.st --descriptor inception", &["--descriptor"]),
        ("pfd student.st truth.st --bias-variance", &["--bias-variance"]),
        ("pfd student.st truth.st --unbiased", &["--bias-variance"]),
        ("pfd student.st whole.npy -n 5", &["--samples"]),
        ("pfd student.st whole.npy --nan drop", &["--nan drop"]),
        ("jacobian-rank student.st", &["--sigma"]),
        ("jacobian-rank student.st --sigma -1", &["--sigma"]),
        ("jacobian-rank student.st --sigma 1 -n 0", &["--samples 0"]),
        ("jacobian-rank student.st --sigma 1 --eta 1", &["--eta"]),
        ("jacobian-rank student.st --sigma 1 --energy 0", &["--energy"]),
        ("jacobian-rank student.st --sigma 1 --top 0", &["--top 0"]),
        ("jacobian-rank student.st --sigma 1 --add-noise", &["--points"]),
        ("jacobian-rank - --points - --sigma 1", &["standard input"]),
        ("jacobian-rank --points - --sigma 1", &["standard input"]),
        ("subspace-error - -", &["standard input"]),
        ("subspace-error student.st", &["<TRUTH>"]),
        ("phase-grid --ranks 2 --samples 3", &["--solver"]),
        ("phase-grid --ranks 8-2 --samples 3 --solver pca", &["--ranks"]),
        ("phase-grid --ranks 2 --samples 0 --solver pca", &["--samples"]),
        ("phase-grid --dim 4 --ranks 5 --samples 3 --solver pca", &["--dim 4"]),
        ("phase-grid --dim 4 --ranks 2 --components 3 --samples 3 --solver subspaces", &["--dim 4"]),
        ("phase-grid --ranks 2 --components 2 --samples 3 --solver pca", &["--solver pca"]),
        ("phase-grid --ranks 2 --samples 3 --solver pca --trials 0", &["--trials 0"]),
        ("phase-grid --ranks 2 --samples 3 --solver pca --tol -1", &["--tol"]),
        ("npy", &["subcommand"]),
        ("table", &["subcommand"]),
        ("table cat - grid.csv -", &["standard input"]),
        ("table let grid.csv", &["no new column"]),
        ("table crossing grid.csv --x samples --y success", &["--level"]),
        ("npy noise -n 5", &["--dim"]),
        ("npy noise -n 5 -d 4 --shape 3", &["--shape"]),
        ("npy cat - -", &["standard input"]),
        ("npy stack", &["<FILE>"]),
    ] {
        fails(&place, 2, line, words);
    }
}

#[test]
fn every_program_refuses_the_same_wrong_shared_flags() {
    let place = Place::stocked("f32");
    let mut seen = BTreeSet::new();
    for call in CALLS.iter().filter(|call| seen.insert(call.program)) {
        let line = call.line();
        for (flag, words) in [
            ("--bogus", &["--bogus"][..]),
            ("--threads 0", &["--threads", "0"]),
            ("--threads many", &["--threads", "many"]),
            ("--seed -1", &["--seed", "-1"]),
            ("--seed 1.5", &["--seed", "1.5"]),
            ("--seed 18446744073709551616", &["--seed"]),
            ("--rows 5..2", &["--rows", "5"]),
            ("--rows 5", &["--rows"]),
            ("--nan ignore", &["--nan", "ignore"]),
            ("--dtype f16", &["--dtype", "f16"]),
            ("--format xlsx", &["--format", "xlsx"]),
            ("--shape 0", &["--shape"]),
            ("--output", &["--output"]),
            ("--quiet=2", &["--quiet"]),
        ] {
            if line.contains("--shape") && flag.starts_with("--shape") {
                continue;
            }
            let line = match flag.split_once(' ') {
                Some((name, value)) if line.contains(&format!("{name} ")) => {
                    let words: Vec<&str> = line.split(' ').collect();
                    let at = words.iter().position(|w| *w == name).unwrap();
                    [&words[..at + 1], &[value], &words[at + 2..]].concat().join(" ")
                }
                _ => format!("{line} {flag}"),
            };
            fails(&place, 2, &line, words);
        }
    }
}

#[test]
fn a_table_is_not_npy() {
    let place = damaged();
    for line in [
        "rp-score whole.npy whole.npy --per-sample side",
        "pfd student.st truth.st -n 5",
        "jacobian-rank student.st --sigma 1",
        "subspace-error student.st truth.st",
        "phase-grid --dim 8 --ranks 2 --samples 3 --solver pca --trials 2",
        "npy info whole.npy",
        "table cat grid.csv",
        "table mean grid.csv --value success",
        "npy diff whole.npy whole.npy",
    ] {
        fails(&place, 2, &format!("{line} --format npy -o old"), &["--format npy"]);
    }
}

#[test]
fn a_bad_output_is_found_before_the_work() {
    let place = damaged();
    let endless = [
        "molrg-gen -d 64 -r 4 -k 2 -n 1000000000000",
        "pf-sample student.st -n 1000000000000",
        "pfd student.st truth.st -n 1000000000000",
        "phase-grid --dim 48 --ranks 2-40 --samples 2-400 --solver pca --trials 1000000",
        "npy noise -n 1000000000000 -d 64",
        "jacobian-rank truth.st --levels edm:18 -n 1000000000",
    ];
    for line in endless {
        for (flag, words) in [
            ("-o nowhere/out", &["nowhere/out", "there is no directory nowhere"][..]),
            ("-o directory", &["directory", "is a directory"]),
            ("-o old/out", &["old/out"]),
            ("--manifest nowhere/run.json", &["nowhere/run.json", "there is no directory nowhere"]),
        ] {
            let started = Instant::now();
            fails(&place, 1, &format!("{line} {flag}"), words);
            assert!(started.elapsed() < Duration::from_secs(5), "{line} {flag}: after work");
        }
    }
    for line in [
        "molrg-gen -d 64 -r 4 -k 2 -n 1000000000000 -o old --labels nowhere/side",
        "molrg-gen -d 64 -r 4 -k 2 -n 1000000000000 -o old --truth nowhere/side",
        "pf-sample student.st -n 1000000000000 -o old --trajectory nowhere/side",
        "pf-sample student.st -n 1000000000000 -o old --report nowhere/side",
        "jacobian-rank truth.st --sigma 1 -n 1000000000 -o old --spectrum nowhere/side",
        "jacobian-rank truth.st --sigma 1 -n 1000000000 -o old --basis nowhere/side",
    ] {
        fails(&place, 1, line, &["nowhere/side", "there is no directory nowhere"]);
    }
}

/// Programs that read samples say so before the samples have arrived.
#[test]
fn a_bad_output_is_found_before_the_input_ends() {
    let place = damaged();
    let bytes = place.get("whole.npy");
    for line in [
        "dae-fit - --kind gaussian -o nowhere/out",
        "dae-fit - --kind molrg -r 3 -k 2 -o nowhere/out",
        "dae-fit - --kind empirical -o nowhere/out",
        "dae-fit - --kind gaussian -o old --report nowhere/out",
        "dae-fit - --kind molrg -r 3 -k 2 -o old --report nowhere/out",
        "dae-fit - --kind empirical -o old --report nowhere/out",
        "dae-apply student.st - --sigma 1 -o nowhere/out",
        "dae-apply student.st - --sigma 1,2 -o nowhere/out",
        "pf-sample student.st --noise - -o nowhere/out",
        "pf-sample student.st --noise - -o old --trajectory nowhere/out",
        "rp-score - b.npy -o nowhere/out",
        "rp-score - b.npy -o old --per-sample nowhere/out",
        "rp-score b.npy --train - -o nowhere/out",
        "pfd - b.npy -o nowhere/out",
        "jacobian-rank student.st --points - --sigma 1 -o nowhere/out",
        "jacobian-rank student.st --points - --sigma 1 -o old --spectrum nowhere/out",
        "npy cat - -o nowhere/out",
        "npy info - -o nowhere/out",
        "npy diff - b.npy -o nowhere/out",
        "npy stack - b.npy -o nowhere/out",
        "npy images - -o nowhere/out",
    ] {
        let mut command = place.command(line);
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The rest never comes, nor does the end.
        let mut pipe = child.stdin.take().unwrap();
        let _ = std::io::Write::write_all(&mut pipe, &bytes[..10_000]);
        let started = Instant::now();
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if started.elapsed() > Duration::from_secs(5) {
                child.kill().unwrap();
                panic!("{line}: still reads");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        drop(pipe);
        let message = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(code, Some(1), "{line}: {message}");
        assert!(message.contains("there is no directory nowhere"), "{line}: {message}");
    }
}
