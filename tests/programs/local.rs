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

#[test]
fn calibration_finds_the_patches_that_a_model_sees() {
    let place = stocked();
    let fit = "dae-fit x.npy --kind local --machine bordered --calibrate bordered.st --levels edm:8";
    let done = place.run(&format!("{fit} --latents 4 --seed 3 --report sizes.csv -o found.st"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("patches from the largest noise level"), "{}", done.err);
    let report = String::from_utf8(place.get("sizes.csv")).unwrap();
    let mut levels = 0;
    for line in report.lines().skip(1).filter(|line| line.ends_with(",true")) {
        let row: Vec<&str> = line.split(',').collect();
        let [sigma, patch, cosine]: [f64; 3] = std::array::from_fn(|i| row[i].parse().unwrap());
        // Where there is hardly noise left, all machines leave the image as it is.
        if (0.5..60.0).contains(&sigma) {
            // The model sees 3 pixels about σ = 1 and 5 about 10; it agrees with itself, to the rounding of f32.
            assert_eq!(patch, if sigma < 10_f64.sqrt() { 3.0 } else { 5.0 }, "{line}");
            assert!(cosine > 1.0 - 1e-6, "{line}");
            levels += 1;
        }
    }
    assert!(levels >= 3, "{report}");
    assert!(place.text("npy info found.st").contains("machine bordered; patch "));
    for (flags, said) in [
        ("--calibrate bordered.st", "needs --levels"),
        ("--patch 3 --latents 4", "--calibrate"),
        ("--patch 3 --calibrate bordered.st --levels edm:8", "--patch"),
        ("--patch 3 --threshold 0.1", "--threshold"),
    ] {
        let done = place.run(&format!("dae-fit x.npy --kind local --machine bordered {flags} -o no.st"));
        assert!(done.code == Some(2) && done.err.contains(said), "{flags}: {}", done.err);
    }
    let whole = "dae-fit x.npy --kind local --machine ideal --calibrate bordered.st --levels edm:8 -o no.st";
    assert!(place.run(whole).err.contains("whole images"));
}

#[test]
fn numbers_that_see_all_are_the_finite_set() {
    let place = stocked();
    for (name, threshold) in [("all", "0"), ("some", "0.3")] {
        place.out(&format!("dae-fit x.npy --kind pca-local --threshold {threshold} -o {name}.st"));
    }
    let table = place.text("dae-compare all.st empirical.st test.npy --sigma 3");
    // Both round to f32.
    assert!(column(&table, "nmse") < 1e-6, "{table}");
    let table = place.text("dae-compare some.st empirical.st test.npy --sigma 3");
    assert!(column(&table, "nmse") > 0.01, "{table}");
    assert!(place.text("npy info some.st").contains("20 rows; threshold 0.3"));
    for (flags, said) in [("", "--threshold: --kind pca-local needs it"), ("--threshold 1.1", "from 0 to 1")]
    {
        let done = place.run(&format!("dae-fit x.npy --kind pca-local {flags} -o no.st"));
        assert!(done.code == Some(2) && done.err.contains(said), "{}", done.err);
    }
    let one = place.run("dae-fit x.npy --rows ..1 --kind pca-local --threshold 0.1 -o no.st");
    assert!(one.code == Some(1) && one.err.contains("no covariance"), "{}", one.err);
}
