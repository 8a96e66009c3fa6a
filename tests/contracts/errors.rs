//! Calls that are wrong or ask for what cannot be: what the one line says of them.

use std::fs;
use std::time::{Duration, Instant};

use molrg::cli::flags::Flag;

use super::faults::fails;
use super::place::Place;
use super::programs::{CALLS, Call, command_of, entries};

/// A stocked place with outputs of earlier runs.
fn with_outputs() -> Place {
    let place = Place::stocked("f32");
    place.out("npy cat train.npy -o whole.npy");
    for name in ["old", "side"] {
        place.put(name, "of an earlier run");
    }
    fs::create_dir(place.path("directory")).unwrap();
    place.out("npy noise -n 300 -d 5 -o narrow.npy");
    place.out("npy cat train.npy --rows ..299 -o short.npy");
    place
}

#[test]
fn inputs_that_do_not_go_together_are_refused() {
    let place = with_outputs();
    for (line, words) in [
        ("dae-apply student.st narrow.npy --sigma 1", &["narrow.npy", "5", "student.st", "24"][..]),
        ("pf-sample student.st --noise narrow.npy", &["narrow.npy", "5", "24"]),
        ("jacobian-rank student.st --points narrow.npy --sigma 1", &["narrow.npy", "5", "24"]),
        ("rp-score whole.npy narrow.npy", &["narrow.npy", "24", "5"]),
        ("rp-score whole.npy --train narrow.npy", &["narrow.npy", "24", "5"]),
        ("rp-score whole.npy whole.npy --fit narrow.npy --descriptor center", &["narrow.npy", "24", "5"]),
        (
            "rp-score whole.npy --train whole.npy --gl distance --reference narrow.npy",
            &["narrow.npy", "24", "5"],
        ),
        ("pfd whole.npy narrow.npy", &["narrow.npy", "24", "5"]),
        ("pfd student.st narrow.npy", &["narrow.npy", "24", "5"]),
        ("npy diff whole.npy narrow.npy", &["narrow.npy", "(2, 4, 3)", "(5"]),
        ("npy diff whole.npy whole.npy --rows 300..", &["whole.npy", "--rows 300.."]),
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
fn what_data_cannot_bear_is_an_error_of_the_run() {
    let place = with_outputs();
    for (line, words) in [
        ("dae-fit whole.npy --kind molrg -r 25", &["--rank 25", "24"][..]),
        ("dae-fit whole.npy --kind molrg -r 25 -k 2 --solver em", &["--rank 25", "24"]),
        ("dae-fit whole.npy --kind gaussian -r 25", &["--rank 25", "24"]),
        ("dae-fit whole.npy --kind molrg -r 9 -k 3 --orthogonal", &["--orthogonal", "27", "24"]),
        ("dae-fit whole.npy --kind molrg -r 9 -k 3 --orthogonal --solver gradient", &["--orthogonal", "27"]),
        ("dae-fit whole.npy --kind molrg -r 1 -k 301", &["301", "300"]),
        ("dae-fit whole.npy --kind molrg -r 1 -k 5 --rows ..4", &["5", "4"]),
        ("pf-sample student.st --noise whole.npy --shape 5,5", &["whole.npy", "(2, 4, 3)", "--shape"]),
        ("pfd student.st truth.st --relative-to truth.st -n 10", &["--relative-to truth.st", "0"]),
        (
            "dae-fit narrow.npy --kind unet",
            &["narrow.npy: items of shape [5] are no images", "--shape H,W,C"],
        ),
        (
            "dae-fit narrow.npy --kind local --machine bordered --patch 3",
            &["narrow.npy: items of shape [5] are no"],
        ),
        (
            "rp-score whole.npy whole.npy --train whole.npy --descriptor whiten:64",
            &["whole.npy: 64 principal axes", "only 6"],
        ),
    ] {
        fails(&place, 1, line, words);
    }
    fails(&place, 1, "dae-fit whole.npy --kind molrg -r 25 --report side -o old", &["whole.npy"]);
}

#[test]
fn wrong_calls_exit_2_and_name_the_flag() {
    let place = with_outputs();
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
        ("molrg-gen -d 4 -r 1 -n 3 --angle 30", &["--angle"]),
        ("molrg-gen -d 4 -r 1 -n 3 --weights 1", &["--weights"]),
        ("molrg-gen -d 4 -r 1 -n 3 --noise-std 1 --noise-in union", &["--noise-in"]),
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
        ("dae-fit whole.npy --kind local --patch 3", &["--machine"]),
        ("dae-fit whole.npy --kind local --machine bordered", &["--patch"]),
        ("dae-fit whole.npy --kind local --machine ideal --patch 3", &["--patch"]),
        ("dae-fit whole.npy --kind local --machine local --patch 4", &["--patch 4", "give 5"]),
        ("dae-fit whole.npy --kind local --machine local --patch 0", &["--patch 0"]),
        ("dae-fit whole.npy --kind local --machine local --patch 3,5", &["--patch-levels"]),
        ("dae-fit whole.npy --kind local --machine local --patch 3 --patch-levels 1", &["--patch-levels"]),
        (
            "dae-fit whole.npy --kind local --machine local --patch 3,5 --patch-levels 1,1",
            &["--patch-levels"],
        ),
        (
            "dae-fit whole.npy --kind local --machine local --patch 3,5 --patch-levels 1,-1",
            &["--patch-levels"],
        ),
        ("dae-fit whole.npy --kind local --machine local --patch 3 --dictionary interior", &["--dictionary"]),
        ("dae-fit whole.npy --kind empirical --machine local", &["--machine"]),
        ("dae-fit whole.npy --kind empirical --patch 3", &["--patch"]),
        ("dae-fit whole.npy --kind uvit --patch 1,2", &["--patch"]),
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
        ("dae-fit whole.npy --kind vae -r 2 --batch all", &["--batch all", "a number"]),
        ("dae-fit whole.npy --kind gan -r 2 --loss vp", &["--loss"]),
        ("dae-fit whole.npy --kind gan -r 1000000000000", &["--rank"]),
        ("dae-fit whole.npy --kind linear-vae -r 2 --steps 5", &["--steps"]),
        ("dae-fit whole.npy --kind molrg", &["--rank"]),
        ("dae-fit whole.npy --kind other", &["--kind", "other"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --solver pca", &["--solver pca"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --restarts 0", &["--restarts 0"]),
        ("dae-fit whole.npy --kind molrg -r 3 -k 2 --lr -1", &["--lr"]),
        ("dae-fit whole.npy --kind gaussian --format csv", &["--format"]),
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
        ("dae-apply student.st whole.npy --time 1 --schedule flow", &["--time 1", "inf"]),
        ("dae-apply student.st whole.npy --time 1 --schedule cosine", &["--time 1", "inf"]),
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
        ("pf-sample student.st -n 5 --rtol 0 --solver rk45", &["--rtol"]),
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

/// Where rows are written, none are a result, as of the last of too many parts; where something is made of the rows together,
/// an error of the data, not of the call, which is known only when the data are.
#[test]
fn rows_beyond_the_end_are_an_empty_result_or_an_error() {
    let place = with_outputs();
    let entries = entries();
    // Inputs are counted by the call, and layers are not rows.
    let of_the_call = |line: &str| line.starts_with("npy stack") || line.ends_with("--layers");
    // Scores of all rows go with those of each.
    let scored = |line: &str| line.starts_with("rp-score") || line.contains(" --truth paths.npy");
    // Rows are written, or looked at, though parts do not join.
    let written = |line: &str| {
        let command = command_of(line);
        ["npy check", "npy info", "table sort"].contains(&command.as_str())
            || line.contains("--sigma 2,0.5,0.1 --quantity")
    };
    for call in CALLS {
        let line = call.line();
        let entry = entries[&command_of(&line)];
        if !entry.flags().contains(&Flag::Rows) || line.contains("--rows") || of_the_call(&line) {
            continue;
        }
        let done = place.run(&format!("{line} --rows 1000000.. -o beyond"));
        let rows = (call.rows.is_some() && !scored(&line)) || written(&line);
        assert_eq!(done.code, Some(if rows { 0 } else { 1 }), "{line}: {}", done.err);
    }
}

/// Wherever it matters how the channels of images lie.
#[test]
fn images_with_channels_first_are_refused_with_both_ways_out() {
    let place = with_outputs();
    place.out("npy noise -n 4 -d 192 --shape 3,8,8 -o first.npy");
    let images = |line: &str| !line.starts_with("dae-fit") || line.contains(" unet ");
    for (name, entry) in entries() {
        let command = entry.command();
        if command.get_arguments().all(|argument| argument.get_long() != Some("layout")) {
            continue;
        }
        // Their items are the model's, and what they read are measurements.
        if ["mixture condition", "restore"].contains(&name.as_str()) {
            continue;
        }
        let mut calls = CALLS.iter().map(Call::line).filter(|line| command_of(line) == name && images(line));
        let line = calls.next().unwrap();
        let input = line.split(' ').find(|word| word.ends_with(".npy")).unwrap();
        fails(
            &place,
            1,
            &line.replacen(input, "first.npy", 1),
            &["first.npy", "--layout nchw", "--layout nhwc"],
        );
    }
}

#[test]
fn what_does_not_end_well_ends() {
    let place = with_outputs();
    for (line, words) in [
        (
            "pf-sample truth.st -n 3 --solver rk45 --rtol 1e-13 --atol 1e-13",
            &["rk45", "--rtol", "--dtype f64"][..],
        ),
        (
            "dae-fit whole.npy --kind mlp --quiet --width 16 --steps 200 --lr 1e3 -o old",
            &["diverged", "--lr"],
        ),
    ] {
        fails(&place, 1, line, words);
    }
}

#[test]
fn data_that_the_first_noise_does_not_cover_are_warned_of() {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 60 --spectrum 40000,9 --noise-std 1 -o wide.npy");
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 60 --mean-norm 100 --noise-std 1 -o far.npy");
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 60 --noise-std 1 -o plain.npy");
    for data in ["wide", "far", "plain"] {
        for kind in ["gaussian", "empirical", "mlp"] {
            let quick = if kind == "mlp" { "--width 4 --depth 1 --steps 20" } else { "" };
            let fitted = place.run(&format!("dae-fit {data}.npy --kind {kind} --quiet {quick} -o model.st"));
            assert_eq!(fitted.code, Some(0), "{data}, {kind}: {}", fitted.err);
            // What a network keeps is the deviation of all numbers together: 100 in six of 40000, 41 where one
            // mean is that far.
            for line in [
                "pf-sample model.st -n 3 -o samples",
                "pfd model.st model.st -n 3 -o table",
                "jacobian-rank model.st --sigma 1 -n 2 -o table",
            ] {
                let covered = format!("{line} --sigma-max 5000");
                for (line, expected) in [(line, usize::from(data != "plain")), (&covered[..], 0)] {
                    let done = place.run(line);
                    // Three latents are warned of for other reasons, too.
                    let said = done
                        .err
                        .lines()
                        .filter(|l| l.contains("warning: ") && l.contains("--sigma-max"))
                        .count();
                    let what = format!("{data}, {kind}, {line}: {}", done.err);
                    assert_eq!((done.code, said), (Some(0), expected), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_table_is_not_npy() {
    let place = with_outputs();
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
    let place = with_outputs();
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
    let place = with_outputs();
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
