//! Numbers of another scale or noise level than those of the model that they meet are told, by every program.

use std::collections::BTreeSet;

use molrg::cli::registry::Content::{Model, Samples};
use molrg::stream::Seen;
use ndarray::Array2;

use super::place::Place;
use super::programs::{command_of, entries};

/// Where rows meet a model, `{}`, and rows that suit.
const MEETINGS: &[(&str, &str)] = &[
    ("dae-apply student.st {} --sigma 0.5", "near.npy"),
    ("dae-apply affine.st {} --sigma 0.5", ""),
    ("dae-apply network.st {} --sigma 0.5 --add-noise", "near.npy"),
    ("dae-features network.st {} --sigma 1 --layer stem", "near.npy"),
    ("dae-compare student.st truth.st {} --sigma 0.5", "near.npy"),
    ("dae-distill empirical.st {} --sigma 0.5", "near.npy"),
    ("pf-sample student.st --noise {}", "noise.npy"),
    ("pf-sample vae.st --noise {}", "few-latents.npy"),
    ("pf-sample student.st --encode --noise {}", "near.npy"),
    ("pf-sample network.st --noise {} --from 0.5 --steps 5", "near.npy"),
    ("pfd {} truth.st", "near.npy"),
    ("jacobian-rank gaussian.st --snr 2 --points {}", "near.npy"),
    ("jacobian-basis truth.st {} --sigma 0.5 --top 2", "near.npy"),
    ("ridge project {} --model truth.st --sigma 0.5 --dim 1 --steps 2", "near.npy"),
    ("ridge distance {} --model truth.st --sigma 0.5 --dim 1 --steps 2", "near.npy"),
    ("ridge decompose student.st truth.st {} --sigma 0.5 --dim 1", "near.npy"),
    ("linearity features.st {} --sigma 0.5 --pairs 5", "near.npy"),
    ("intrinsic-dimension {} --model truth.st --sigma 0.5", "near.npy"),
];

/// Commands that read samples and models, and say of scales what is theirs.
const OTHERS: &[&str] = &[
    // States of a system that it follows itself.
    "assimilate",
    // How likely the mixture makes the measurement.
    "mixture condition",
    // How far what it restores is from the measurements, first of all.
    "restore",
    // Whether files are whole.
    "npy check",
];

/// What is said of scales.
fn of_scales(said: &str) -> bool {
    said.contains("root mean square") || said.contains("on different scales")
}

#[test]
fn rows_a_hundred_times_too_large_are_told() {
    let place = Place::stocked("f64");
    place.out("npy cat test.npy --rows ..40 -o near.npy");
    place.out("npy noise -n 40 -d 5 -o few-latents.npy");
    let reads = |entry: &&molrg::cli::registry::Entry| {
        entry.reads().contains(&Model) && entry.reads().contains(&Samples)
    };
    let all: BTreeSet<String> =
        entries().into_iter().filter(|(_, e)| reads(e)).map(|(name, _)| name).collect();
    let held: BTreeSet<String> = MEETINGS.iter().map(|(line, _)| command_of(line)).collect();
    let others = OTHERS.iter().map(|name| name.to_string());
    assert_eq!(
        all.into_iter().filter(|name| !held.contains(name)).collect::<BTreeSet<_>>(),
        others.collect()
    );
    for (line, near) in MEETINGS.iter().filter(|(_, near)| !near.is_empty()) {
        place.out(&format!("npy let 100*x --in x={near} -o far.npy"));
        for (name, told) in [(*near, false), ("far.npy", true)] {
            let line = format!("{} -o made", line.replace("{}", name));
            let done = place.run(&line);
            assert_eq!(done.code, Some(0), "{line}: {}", done.err);
            assert_eq!(of_scales(&done.err), told, "{line}: {}", done.err);
        }
    }
}

#[test]
fn levels_weights_units_and_conditions_that_mean_nothing_are_told() {
    let place = Place::stocked("f64");
    for line in [
        "npy cat test.npy --rows ..40 -o near.npy",
        "npy cat test.npy --rows ..1 -o row.npy",
        "npy let 100*x --in x=train.npy -o far.npy",
        "dae-fit far.npy --kind gaussian -o far.st",
        "npy let 1000*x --in x=states.npy -o far-states.npy",
        "npy let 80*x --in x=noise.npy -o started.npy",
        "dae-fit train.npy --kind mlp -q --width 8 --steps 12 --loss uniform --sigma-range 0.1,1 -o few-levels.st",
        "npy let x+9 --in x=train.npy -o moved.npy",
        "npy let x-1 --in x=train.npy -o near-0.npy",
        "dae-fit moved.npy --kind gaussian -o moved.st",
    ] {
        place.out(line);
    }
    for (line, words) in [
        ("jacobian-rank gaussian.st --sigma 30 --points near.npy", "--add-noise"),
        ("jacobian-rank gaussian.st --sigma 30 --points near.npy --add-noise", ""),
        ("jacobian-basis truth.st near.npy --sigma 30 --top 2", "look like data without noise"),
        ("dae-apply truth.st row.npy --sigma 0.5,0.1", ""),
        ("pf-sample truth.st --noise started.npy", "and latents 1"),
        ("dae-compare gaussian.st far.st near.npy --sigma 1", "different units"),
        ("dae-compare gaussian.st student.st near.npy --sigma 1", ""),
        ("ridge decompose gaussian.st far.st near.npy --sigma 1 --dim 1", "different units"),
        ("mixture join gaussian.st far.st", "different units"),
        ("mixture join gaussian.st truth.st", ""),
        ("pf-sample gaussian.st -n 20 --guidance 2 --unconditional far.st", "different units"),
        ("pf-sample student.st -n 30 --guidance 50 --unconditional gaussian.st", "a smaller weight"),
        ("pf-sample student.st -n 30 --guidance 1.5 --unconditional gaussian.st", ""),
        ("dae-apply few-levels.st near.npy --sigma 0.001", "are below 0.1"),
        ("dae-apply few-levels.st near.npy --sigma 0.1,1", ""),
        ("dae-features few-levels.st near.npy --sigma 3 --layer in --add-noise", "are above 1"),
        ("pf-sample few-levels.st -n 5 --sigma-max 1 --steps 4 --until 0.05", "quarter of the noise level"),
        ("pfd few-levels.st truth.st -n 300 --steps 4", "are above 1"),
        ("dae-apply moves.st states.npy --sigma 0.5 --condition far-states.npy", "standard deviations"),
        ("dae-apply moves.st states.npy --sigma 0.5 --condition states.npy", ""),
        ("dae-compare classes.st classes.st near.npy --sigma 1 --class 1", ""),
        ("dae-fit moved.npy --kind mlp -q --width 8 --steps 12", "times their standard deviation"),
        ("dae-fit moved.npy --kind vae -q --rank 2 --width 8 --steps 12", "npy let 'x - "),
        ("dae-fit near-0.npy --kind mlp -q --width 8 --steps 200", ""),
        ("linearity moved.st moved.npy --sigma 1,0.001 --pairs 40", "at sigma 1 100 %"),
        ("linearity moved.st moved.npy --sigma 1 --pairs 40 --center", ""),
        ("linearity student.st test.npy --sigma 1 --pairs 40", ""),
    ] {
        let line = format!("{line} -o made");
        let done = place.run(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        assert!(
            if words.is_empty() { done.err.is_empty() } else { done.err.contains(words) },
            "{line}: {}",
            done.err
        );
        assert!(!line.contains("--until") || !done.err.contains("are below"), "{line}: {}", done.err);
    }
}

/// Images as latents, whose size alone is nearly right; latents that are copies or mixtures of few are still latents.
#[test]
fn images_as_latents_are_told() {
    let place = Place::new();
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/digits8x8_1797.npz:x");
    for line in [
        &format!("npy images {digits} --from 0,16 -o digits.npy"),
        "dae-fit digits.npy --kind molrg -r 6 --fit means,variances,noise -o model.st",
        "npy let 0.5*x --in x=digits.npy --rows ..300 -o small.npy",
        "npy noise -n 300 -d 64 --shape 8,8,1 -o noise.npy",
        "npy cat noise.npy --rows ..1 -o one.npy",
        "npy cat one.npy one.npy one.npy one.npy -o copies.npy",
        "npy let 0.6*a+0.8*b --in a=one.npy --in b=noise.npy -o mixed.npy",
        "npy let 0.4*a --in a=noise.npy -o short.npy",
        "pf-sample model.st --encode --noise digits.npy --rows ..300 -o encoded.npy",
    ] {
        place.out(line);
    }
    for (name, told) in [
        ("digits.npy", true),
        ("small.npy", true),
        ("noise.npy", false),
        ("one.npy", false),
        ("copies.npy", false),
        ("mixed.npy", false),
        ("short.npy", false),
        ("encoded.npy", false),
    ] {
        let done = place.run(&format!("pf-sample model.st --noise {name} -o made"));
        assert_eq!(done.code, Some(0), "{name}: {}", done.err);
        assert_eq!(done.err.contains("they look like data"), told, "{name}: {}", done.err);
    }
    place.out("npy noise -n 3 -d 5 -o narrow.npy");
    let said = place.fails(1, "pf-sample model.st --noise narrow.npy");
    assert!(
        said.contains("narrow.npy: rows of width 5, but the model's items have 64 numbers; give"),
        "{said}"
    );
    place.out("dae-fit digits.npy --rows ..900 --kind gaussian -o other.st");
    let said = place.fails(1, "pf-sample model.st -n 3 --guidance 1e12 --unconditional other.st");
    assert!(
        said.contains("row 0: the numbers grow beyond all") && said.contains("a smaller weight"),
        "{said}"
    );
}

/// By its definition, of numbers far from 0; one row is not finite, and the last is not looked at.
#[test]
fn where_numbers_lie() {
    let x = Array2::from_shape_fn((5, 7), |(i, j)| 280.0 + ((3 * i + 5 * j) % 11) as f64);
    let mut with = x.clone();
    with[[1, 2]] = f64::NAN;
    let seen = Seen::first(4);
    seen.see(with.slice(ndarray::s![..2, ..]));
    seen.see(with.slice(ndarray::s![2.., ..]));
    let numbers: Vec<f64> = [0, 2, 3].iter().flat_map(|&i| x.row(i).to_vec()).collect();
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let deviation = (numbers.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let rms = (numbers.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    let lie = seen.lie().unwrap();
    assert_eq!((lie.rows, lie.numbers), (3, 21));
    // Rounding of 21 numbers.
    assert!(
        (lie.rms / rms - 1.0).abs() < 1e-14 && (lie.deviation / deviation - 1.0).abs() < 1e-12,
        "{lie:?}"
    );
    let products: f64 =
        [0, 2, 3].iter().map(|&i| (0..6).map(|j| x[[i, j]] * x[[i, j + 1]]).sum::<f64>()).sum();
    assert!((lie.neighbours - products / (18.0 * rms * rms)).abs() < 1e-12, "{lie:?}");
    assert_eq!(Seen::all().lie(), None);
}
