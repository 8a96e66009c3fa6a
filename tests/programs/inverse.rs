//! measure, restore and mixture condition: what goes in and out.

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, line: &str, code: i32, words: &[&str]) {
    let done = place.run(line);
    assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
}

fn stocked() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 48 -r 3 -k 2 -n 80 --shape 4,4,3 --dtype f64 --truth truth.st -o clean.npy");
    place.out("npy noise -n 1 -d 48 --seed 1 -o noise.npy");
    place.out("npy let max(0,x) --in x=noise.npy -o mask.npy");
    place.out("measure clean.npy --operator downsample:2 --noise-std 0.1 -o seen.npy");
    place
}

/// Root mean square of what two files differ by.
fn rmse(place: &Place, a: &str, b: &str) -> f64 {
    let table = place.text(&format!("image-quality {a} {b} --data-range=-3,3 --no-ssim"));
    table.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

const SEEN: &str = "seen.npy --operator downsample:2 --noise-std 0.1";

#[test]
fn the_posterior_of_a_row_is_the_one_that_restore_has() {
    let place = stocked();
    place.out(&format!("restore truth.st {SEEN} --method exact --mean -o mean.npy"));
    place.out("mixture condition truth.st --measurement seen.npy --row 7 --operator downsample:2 --noise-std 0.1 -o row7.st");
    place.out("mixture pool row7.st -o pooled.st");
    // Far above all noise levels of the posterior, its denoiser is its mean.
    place.out("npy cat mean.npy --rows 7..8 -o mean7.npy");
    place.out("dae-apply pooled.st mean7.npy --sigma 1e6 -o told.npy");
    assert!(rmse(&place, "told.npy", "mean7.npy") < 1e-9);
    refused(
        &place,
        "mixture condition truth.st --measurement seen.npy --operator downsample:2 --noise-std 0.1 -o x.st",
        1,
        &["holds 80 measurements", "--row"],
    );
}

/// Data, measurements and restorations of the same seed share no draws.
#[test]
fn restorations_do_not_bring_back_what_was_drawn_of_their_seed() {
    let place = stocked();
    // Three means, drowned in noise: what is drawn is as far from the truth as another row is.
    place.out("npy cat clean.npy --rows 1.. -o next.npy");
    place.out("npy cat clean.npy --rows ..79 -o these.npy");
    let apart = rmse(&place, "these.npy", "next.npy");
    place.out("measure clean.npy --operator downsample:4 --noise-std 10 -o drowned.npy");
    for method in ["exact", "pigdm", "ddnm"] {
        place.out(&format!(
            "restore truth.st drowned.npy --operator downsample:4 --noise-std 10 --method {method} -o x.npy"
        ));
        let off = rmse(&place, "x.npy", "clean.npy");
        // Deviations of 80 distances, each of some three numbers: a tenth.
        assert!((off / apart - 1.0).abs() < 0.4, "{method}: {off} from the truth, others {apart}");
    }
}

#[test]
fn programs_that_are_models_restore_as_files_do() {
    let place = stocked();
    for method in ["dps --steps 6", "pigdm --steps 3", "ddnm --steps 6", "dcdp --rounds 2 --steps 5"] {
        let file = place.out(&format!("restore truth.st {SEEN} --method {method}"));
        place.put("file.npy", file);
        let line = format!("restore 'exec:dae-serve truth.st' {SEEN} --method {method} -o exec.npy");
        place.bash(&line).silent(&line);
        place.out("npy diff file.npy exec.npy");
    }
    let report = "restore truth.st seen.npy --operator downsample:2 --noise-std 0.1 --method dps --steps 6 --report r.csv";
    place.out(&format!("{report} -o x.npy"));
    assert_eq!(place.get("r.csv"), b"rows,evaluations,derivatives\n80,480,480\n");
}

#[test]
fn images_with_channels_first_are_measured_as_they_are() {
    let place = stocked();
    place.out("npy transpose clean.npy --axes 0,3,1,2 -o first.npy");
    for operator in ["downsample:2", "blur:0.7"] {
        place.out(&format!("measure clean.npy --operator {operator} --noise-std 0 -o last.npy"));
        place.out("npy transpose last.npy --axes 0,3,1,2 -o turned.npy");
        refused(
            &place,
            &format!("measure first.npy --operator {operator} --noise-std 0 -o x.npy"),
            1,
            &["look like images with channels first", "--layout nchw"],
        );
        place.out(&format!("measure first.npy --operator {operator} --noise-std 0 --layout nchw -o got.npy"));
        place.out("npy diff got.npy turned.npy");
    }
}

#[test]
fn methods_find_more_than_the_shortest_item_that_agrees() {
    let place = stocked();
    place.out(&format!("restore truth.st {SEEN} --method pseudo-inverse -o short.npy"));
    let baseline = rmse(&place, "short.npy", "clean.npy");
    place.out(&format!("restore truth.st {SEEN} --method exact --mean -o mean.npy"));
    let bound = rmse(&place, "mean.npy", "clean.npy");
    for method in ["exact", "pigdm --data-std 0.25", "dps --steps 100 --step-size 0.3", "ddnm", "dcdp"] {
        place.out(&format!("restore truth.st {SEEN} --method {method} -o x.npy"));
        let off = rmse(&place, "x.npy", "clean.npy");
        assert!(bound < off && off < baseline, "{method}: {off} between {bound} and {baseline}");
    }
}

#[test]
fn what_has_no_effect_or_no_meaning_is_refused() {
    let place = stocked();
    let restore = |flags: &str| format!("restore truth.st {SEEN} {flags} -o x.npy");
    for (flags, word) in [
        ("--method dps --mean", "--mean"),
        ("--method exact --steps 5", "--steps"),
        ("--method exact --report r.csv", "--report"),
        ("--method exact --mean --seed 1", "--seed"),
        ("--method ddnm --solver heun", "--solver"),
        ("--method dps --churn 3", "--churn"),
        ("--method pigdm --lr 0.5", "--lr"),
        ("--method dcdp --lr 5", "--lr 5: descent diverges"),
        ("--method dcdp --purify 0,0", "no round purifies"),
        ("--method dcdp --purify 2,0", "from 0 to 1"),
        ("--method dcdp --purifier tweedie --steps 4", "--steps"),
        ("--method dps --class 1", "--class"),
        ("--method pigdm --data-std 0", "--data-std <T>': it must be a number above 0"),
        ("--method pseudo-inverse --seed 2", "--seed"),
    ] {
        refused(&place, &restore(flags), 2, &[word]);
    }
    let exact = "restore truth.st seen.npy --method exact -o x.npy";
    refused(
        &place,
        &format!("{exact} --operator downsample:2 --noise-std 0"),
        2,
        &["the exact posterior takes noise"],
    );
    refused(&place, &format!("{exact} --operator downsample:3 --noise-std 1"), 1, &["no squares of 3×3"]);
    refused(&place, &format!("{exact} --operator blur:1 --noise-std 1"), 1, &["rows of width 12", "48"]);
    refused(&place, &format!("{exact} --operator blur:0 --noise-std 1"), 2, &["blur:S"]);
    refused(&place, &format!("{exact} --operator sharpen --noise-std 1"), 2, &["mask:FILE"]);
    refused(&place, &format!("{exact} --operator mask:mask.npy --noise-std -1"), 2, &["--noise-std -1"]);
    refused(
        &place,
        "measure clean.npy --operator mask:mask.npy --noise-std 0 --layout nhwc -o x.npy",
        2,
        &["--layout"],
    );
    refused(
        &place,
        "measure clean.npy --operator mask:mask.npy --noise-std 0 --seed 3 -o x.npy",
        2,
        &["--seed"],
    );
    // A picture of black and white as images are: −1 and 1 are both not 0.
    place.out("npy let x/abs(x) --in x=noise.npy -o picture.npy");
    let done = place.run("measure clean.npy --operator mask:picture.npy --noise-std 0 -o x.npy");
    assert!(done.code == Some(0) && done.err.contains("picture.npy: marks all there is"), "{}", done.err);
    refused(
        &place,
        "measure clean.npy --operator matrix:seen.npy --noise-std 0 -o x.npy",
        1,
        &["width 12", "48"],
    );
    place.out("dae-fit clean.npy --kind empirical -o empirical.st");
    let line = "restore empirical.st seen.npy --operator downsample:2 --noise-std 1 --method exact -o x.npy";
    refused(&place, line, 1, &["empirical.st", "not a mixture", "dae-fit --kind molrg"]);
    place.out("npy cat clean.npy --cols ..12 -o flat.npy");
    let line = "measure flat.npy --operator blur:1 --noise-std 0 -o x.npy";
    refused(&place, line, 1, &["are no images", "--shape"]);
}

/// Measurements on another scale, a wrong noise, and methods that go astray are told with what is measured; what is right is
/// restored without a word.
#[test]
fn what_does_not_fit_is_told_in_one_line() {
    let place = stocked();
    place.out("npy let 40*y --in y=seen.npy -o scaled.npy");
    place.out("measure clean.npy --operator downsample:2 --noise-std 1 -o noisy.npy");
    place.out("measure clean.npy --operator blur:1 --noise-std 0.1 -o blurred.npy");
    let told = |line: &str, words: &[&str]| {
        let done = place.run(&format!("{line} -o x.npy"));
        assert_eq!((done.code, done.err.lines().count()), (Some(0), 1), "{line}: {}", done.err);
        assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
    };
    let of = |name: &str, flags: &str| format!("restore truth.st {name} --operator downsample:2 {flags}");
    for how in ["--method exact", "--method exact --mean"] {
        place.out(&of("seen.npy", &format!("--noise-std 0.1 {how} -o x.npy")));
        for (name, noise) in [("scaled.npy", 0.1), ("noisy.npy", 0.1), ("noisy.npy", 10.0)] {
            let words =
                ["warning: measurements are not as the model makes them", "--noise-std", "not theirs"];
            told(&of(name, &format!("--noise-std {noise} {how}")), &words);
        }
    }
    place.out("mixture condition truth.st --measurement seen.npy --row 3 --operator downsample:2 --noise-std 0.1 -o x.st");
    told(
        "mixture condition truth.st --measurement scaled.npy --row 3 --operator downsample:2 --noise-std 0.1",
        &["warning: measurements are not as the model makes them"],
    );
    told(
        &of("seen.npy", "--noise-std 0.1 --method dps --steps 20 --step-size 30"),
        &["gone astray", "times the s√m", "another --step-size"],
    );
    told(&of("seen.npy", "--noise-std 0.1 --method pigdm --data-std 100"), &["gone astray", "--data-std"]);
    told(
        &of("scaled.npy", "--noise-std 0.1 --method ddnm"),
        &["gone astray", "not of this model, scale or noise"],
    );
    told(
        "restore truth.st blurred.npy --operator blur:1 --noise-std 0.1 --method dcdp",
        &["their noise is fitted", "fewer --inner"],
    );
    refused(
        &place,
        &of("seen.npy", "--noise-std 0.1 --method pigdm --solver exact -o x.npy"),
        2,
        &["--solver exact: a guided flow has no closed form"],
    );
    // Of one component the flow of dcdp has one.
    place.out("mixture pool truth.st -o one.st");
    place.out("restore one.st seen.npy --operator downsample:2 --noise-std 0.1 --method dcdp --solver exact -o x.npy");
}

/// Where a --data-std far too small has pigdm run away, that is told, with noise and without; where it does no harm, nothing is.
#[test]
fn estimates_that_ran_away_are_told() {
    let place = Place::new();
    place.out(
        "molrg-gen -d 16 -r 4 -n 40 --noise-std 0.7 --shape 4,4 --dtype f64 --truth truth.st -o clean.npy",
    );
    let said = |noise: f64, data: f64| {
        let operator = format!("--operator downsample:2 --noise-std {noise}");
        place.out(&format!("measure clean.npy {operator} -o seen.npy"));
        let done = place
            .run(&format!("restore truth.st seen.npy {operator} --method pigdm --data-std {data} -o x.npy"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        (done.err, rmse(&place, "x.npy", "clean.npy"))
    };
    for noise in [0.03, 0.0] {
        // Of numbers of some 0.9 that are seen through a mean of four, 1.0 is what the exact posterior's draws are off.
        let (err, off) = said(noise, 0.9);
        assert!(err.is_empty() && off < 1.3, "{noise}: {off} {err}");
        let (err, off) = said(noise, 0.03);
        assert!(err.contains("gone astray") && err.contains("--data-std"), "{noise}: {off} {err}");
        assert!(off > 100.0, "{noise}: {off}");
    }
    let (err, off) = said(0.3, 0.03);
    assert!(err.is_empty() && off < 1.3, "{off} {err}");
}

/// Points that are not at the noise level of --from.
#[test]
fn points_at_another_noise_level_are_told() {
    let place = stocked();
    let said = |line: &str| {
        let done = place.run(&format!("pf-sample truth.st {line} -o x.npy"));
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        done.err
    };
    place.out("pf-sample truth.st -n 80 --until 5 -o at5.npy");
    place.out("pf-sample truth.st --noise clean.npy --encode --until 5 -o encoded5.npy");
    for points in ["at5.npy", "encoded5.npy"] {
        assert_eq!(said(&format!("--noise {points} --from 5")), "");
    }
    // Clean data have some 0.25; encoded, as they are of rank 3 without noise, some 1.4 in 48 numbers.
    let clean = said("--noise clean.npy --from 5");
    assert!(clean.contains("--from 5") && clean.contains("look like data without noise"), "{clean}");
    // Where noise is of their size nothing is told apart.
    assert_eq!(said("--noise clean.npy --from 0.3"), "");
    let high = said("--noise at5.npy --from 0.3");
    assert!(high.contains("--from 0.3") && high.contains("higher level"), "{high}");
    assert_eq!(said("--noise at5.npy --from 5 --rows 3..4"), "");
}
