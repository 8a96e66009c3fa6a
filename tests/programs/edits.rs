//! Edits of a network's layers, in all programs that run networks.

use crate::place::Place;

/// A network of three classes, its data, and a direction of its units.
fn fitted() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 2 -k 3 -n 90 --mean-norm 2 --seed 1 --labels labels.npy -o x.npy");
    place.out("dae-fit x.npy --kind mlp --width 12 --depth 2 --steps 60 -q --labels labels.npy -o m.st");
    place.out("dae-fit x.npy --kind gaussian -o gaussian.st");
    place.out("npy noise -n 1 -d 12 --seed 7 -o v.npy");
    place.out("npy let w-w --in w=v.npy -o none.npy");
    place.out("npy let x*0+1 --in x=x.npy --rows ..1 -o mask.npy");
    place
}

/// Calls of all programs that take the flag, `M` an edited network.
const CALLS: &[&str] = &[
    "dae-apply M x.npy --sigma 0.7",
    "dae-features M x.npy --sigma 0.7 --layer blocks.1",
    "dae-compare M gaussian.st x.npy --sigma 0.7",
    "dae-compare M gaussian.st -n 9 --sigma 0.7",
    "dae-distill M x.npy --sigma 0.7,2 --draws 3",
    "pf-sample M -n 9 --steps 4",
    "pf-sample M -n 9 --steps 4 --class 1 --guidance 2",
    "pfd M gaussian.st -n 9 --steps 4",
    "pfd x.npy M --steps 4",
    "jacobian-rank M --points x.npy --rows ..3 --sigma 0.7 --spectrum /dev/stdout -o /dev/null",
    "jacobian-basis M x.npy --rows ..3 --sigma 0.7 --top 2",
    "ridge project x.npy --rows ..3 --model M --sigma 0.7 --dim 2",
    "ridge distance x.npy --rows ..3 --model M --sigma 0.7 --dim 2",
    "ridge decompose M gaussian.st x.npy --rows ..3 --sigma 0.7 --dim 2",
    "linearity M x.npy --sigma 0.7 --pairs 9",
    "intrinsic-dimension x.npy --rows ..5 --model M --sigma 0.7",
    "restore M x.npy --operator mask:mask.npy --noise-std 0.5 --method dps --steps 4",
];

const EDIT: &str = "--edit blocks.0=v.npy:3";

#[test]
fn every_program_that_runs_networks_edits_them_alike() {
    let place = fitted();
    for call in CALLS {
        let edited = place.out(&format!("{} {EDIT}", call.replace('M', "m.st")));
        let plain = place.out(&call.replace('M', "m.st"));
        assert!(edited != plain, "{call}");
        // By nothing is not at all.
        assert!(
            place.out(&format!("{} --edit blocks.0=none.npy:5", call.replace('M', "m.st"))) == plain,
            "{call}"
        );
        assert!(place.out(&format!("{} {EDIT} --threads 1", call.replace('M', "m.st"))) == edited, "{call}");
        // A server edits as the file's reader does.
        let served = call.replace('M', "exec:dae-serve${IFS}m.st${IFS}--edit${IFS}blocks.0=v.npy:3");
        if ["dae-apply", "linearity", "pf-sample M -n 9 --steps 4"].iter().any(|c| call.starts_with(c))
            && !call.contains("--guidance")
        {
            assert!(place.out(&served) == edited, "{call}");
        }
    }
}

#[test]
fn the_second_model_is_not_edited() {
    let place = fitted();
    let rmse = |flags: &str| {
        let table = place.text(&format!("dae-compare m.st m.st x.npy --sigma 0.7 {flags}"));
        table.lines().nth(1).unwrap().split(',').nth(1).unwrap().parse::<f64>().unwrap()
    };
    assert!(rmse("") == 0.0 && rmse(EDIT) > 0.0);
    // PFD of the samples of the edited network against themselves is 0.
    place.out(&format!("pf-sample m.st -n 9 --steps 4 {EDIT} -o samples.npy"));
    place.out("pf-sample m.st -n 9 --steps 4 -o plain.npy");
    let value = |line: &str| {
        place.text(line).lines().nth(1).unwrap().split(',').nth(3).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value(&format!("pfd samples.npy m.st --steps 4 {EDIT}")), 0.0);
    let apart = value("pfd samples.npy plain.npy");
    assert_eq!(value(&format!("pfd m.st m.st -n 9 --steps 4 {EDIT}")), apart);
    assert!(apart > 0.0);
}

#[test]
fn what_is_no_edit_is_refused_with_the_reason() {
    let place = fitted();
    place.out("npy noise -n 2 -d 12 -o two.npy");
    place.out("npy noise -n 1 -d 5 -o short.npy");
    for (code, line, words) in [
        (
            2,
            "dae-apply gaussian.st x.npy --sigma 1 --edit in=v.npy:1",
            "--edit: gaussian.st: is a model of kind molrg",
        ),
        (
            2,
            "dae-apply m.st x.npy --sigma 1 --edit out=v.npy:1",
            "has no layer out; it has in, blocks.0.active",
        ),
        (
            2,
            "dae-apply m.st x.npy --sigma 1 --edit in=short.npy:1",
            "layer in has 12 units, and the direction 5 numbers",
        ),
        (1, "dae-apply m.st x.npy --sigma 1 --edit in=two.npy:1", "two.npy: has 2 rows"),
        (1, "dae-apply m.st x.npy --sigma 1 --edit in=missing.npy:1", "missing.npy"),
        (2, "dae-apply m.st x.npy --sigma 1 --edit in=v.npy", "LAYER=FILE:WEIGHT"),
        (2, "dae-apply m.st x.npy --sigma 1 --edit in=v.npy:inf", "finite"),
        (
            2,
            "dae-apply exec:dae-serve${IFS}m.st x.npy --sigma 1 --edit in=v.npy:1",
            "does not show its layers",
        ),
        (2, "dae-apply m.st - --sigma 1 --edit in=-:1", "more than once"),
        (
            2,
            "dae-features m.st x.npy --sigma 1 --layer blocks.0 --edit in=v.npy:1 --edit blocks.1=v.npy:1",
            "--edit: has no effect here: blocks.1 comes after blocks.0",
        ),
        (2, "dae-features m.st --layers --edit in=v.npy:1", "--edit: has no effect here"),
        (2, "pfd x.npy x.npy --edit in=v.npy:1", "--edit: has no effect here"),
        (2, "intrinsic-dimension x.npy --edit in=v.npy:1", "--edit: has no effect here"),
    ] {
        let told = place.fails(code, &format!("{line} -o nothing"));
        assert!(told.contains(words), "{line}: {told}");
    }
}
