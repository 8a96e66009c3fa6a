//! Local machines as models.

use crate::data::DIGITS;
use crate::place::Place;

/// Digits, and the machines of twenty of them.
fn stocked() -> Place {
    let place = Place::new();
    place.out(&format!("npy cat {DIGITS} --rows ..40 -o all.npy"));
    place.out("npy cat all.npy --rows ..20 -o x.npy");
    place.out("npy cat all.npy --rows 20.. -o test.npy");
    for (name, flags) in [
        ("ideal", "--machine ideal"),
        ("whole", "--machine local --patch 15"),
        ("bordered", "--machine bordered --patch 3,5 --patch-levels 1,10"),
        ("circular", "--machine equivariant-local --patch 3"),
    ] {
        place.out(&format!("dae-fit x.npy --kind local {flags} -q -o {name}.st"));
    }
    place.out("dae-fit x.npy --kind empirical -o empirical.st");
    place
}

/// The column of a table of one row.
fn column(table: &str, name: &str) -> f64 {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    row[head.iter().position(|field| *field == name).unwrap()].parse().unwrap()
}

#[test]
fn whole_images_are_the_finite_set() {
    let place = stocked();
    let apply = |model: &str| place.out(&format!("dae-apply {model}.st test.npy --sigma 3 --add-noise"));
    assert_eq!(apply("ideal"), apply("empirical"));
    let table = place.text("dae-compare whole.st empirical.st test.npy --sigma 3");
    // Both round to f32, 6e-8 of each number.
    assert!(column(&table, "nmse") < 1e-6, "{table}");
    // With less of the image in sight, it is another denoiser.
    let table = place.text("dae-compare bordered.st empirical.st test.npy --sigma 3");
    assert!(column(&table, "nmse") > 0.01, "{table}");
}

#[test]
fn every_program_runs_them() {
    let place = stocked();
    place.out("pf-sample bordered.st -n 12 --steps 5 --sigma-max 200 -o samples.npy");
    let distance = place.text("pfd bordered.st circular.st -n 8 --steps 4 --sigma-max 200");
    assert!(column(&distance, "value") > 0.1, "{distance}");
    place.text("rp-score samples.npy --train x.npy");
    place.out("npy cat test.npy --rows ..1 -o points.npy");
    let rank = |how: &str| {
        // Differences tell their error.
        let done = place.run(&format!("jacobian-rank bordered.st --points points.npy --sigma 4 {how}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        column(&String::from_utf8(done.out).unwrap(), "rank_mean")
    };
    // Products and differences see the same Jacobian.
    assert_eq!(rank("--dtype f64"), rank("--dtype f64 --jacobian differences"));
    let info = place.text("npy info bordered.st");
    assert!(info.contains("local") && info.contains("images; machine bordered; patch 3"), "{info}");
}

#[test]
fn channels_lie_as_the_layout_says() {
    let place = Place::new();
    place.out("npy noise -n 6 -d 48 --shape 3,4,4 -o first.npy");
    place.out("npy transpose first.npy --axes 0,2,3,1 -o last.npy");
    let fit = "--kind local --machine bordered --patch 3 -q";
    let done = place.run(&format!("dae-fit first.npy {fit}"));
    assert!(done.code == Some(1) && done.err.contains("--layout nchw"), "{}", done.err);
    assert_eq!(
        place.out(&format!("dae-fit first.npy --layout nchw {fit}")),
        place.out(&format!("dae-fit last.npy {fit}"))
    );
}

#[test]
fn what_has_no_patches_is_refused() {
    let place = Place::new();
    place.out("npy noise -n 6 -d 24 --shape 4,6 -o x.npy");
    place.out("npy noise -n 6 -d 24 -o flat.npy");
    for (line, code, words) in [
        ("flat.npy --machine local --patch 3", 1, &["flat.npy", "--shape H,W,C"][..]),
        (
            "x.npy --machine equivariant-local --dictionary interior --patch 5",
            2,
            &["--patch 5", "4×6", "--dictionary circular"],
        ),
        ("x.npy --machine local --patch 3 --seed 1", 2, &["--seed"]),
    ] {
        let done = place.run(&format!("dae-fit {line} --kind local -o m.st"));
        assert_eq!(done.code, Some(code), "{line}: {}", done.err);
        assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
    }
}
