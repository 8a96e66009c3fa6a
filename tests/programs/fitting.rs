//! What a fit says of data that it was not made for.

use crate::data::DIGITS;
use crate::place::Place;

/// What a run that ends well says.
#[track_caller]
fn said(place: &Place, line: &str) -> String {
    let done = place.bash(line);
    assert_eq!(done.code, Some(0), "{line}: {}", done.err);
    done.err
}

#[test]
fn rows_that_contradict_a_fit_are_told() {
    let place = Place::new();
    // Pixels from 0 to 16: their mean holds 0.7 of the energy, and variances are of hundreds.
    let told = said(&place, &format!("dae-fit {DIGITS} --kind molrg -k 3 -r 4 -o m.st"));
    assert!(told.contains("give --fit means,variances") && told.lines().count() == 1, "{told}");
    let told = said(&place, &format!("dae-fit {DIGITS} --kind molrg -k 3 -r 4 --fit variances -o m.st"));
    assert!(told.contains("give --fit means,variances") && !told.contains("subspaces is"), "{told}");
    assert_eq!(
        said(&place, &format!("dae-fit {DIGITS} --kind molrg -k 3 -r 4 --fit means,variances -o m.st")),
        ""
    );
    assert_eq!(said(&place, "molrg-gen -d 48 -r 6 -k 2 -n 600 | dae-fit --kind molrg -r 6 -k 2 -o m.st"), "");
}

#[test]
fn noise_at_its_floor_is_told() {
    let place = Place::new();
    place.out("molrg-gen -d 12 -r 2 -k 2 -n 200 -o x.npy");
    let fit = "dae-fit x.npy --kind molrg -r 2 -k 2 --solver em -o m.st";
    let told = said(&place, &format!("{fit} --fit noise"));
    assert!(told.contains("2 of 2 components") && told.contains("e-7"), "{told}");
    assert_eq!(said(&place, fit), "");
    // The report says which, and where the floor is.
    let last = |line: &str| {
        place.out(&format!("{line} --report fit.csv -q"));
        let text = String::from_utf8(place.get("fit.csv")).unwrap();
        assert!(
            text.starts_with("restart,iteration,objective,chosen,converged,completed,floored,noise_floor\n")
        );
        let last = text.lines().last().unwrap();
        last.splitn(7, ',').last().unwrap().to_string()
    };
    let floored = last(&format!("{fit} --fit noise"));
    let floor = floored.strip_prefix("0 1,").and_then(|floor| floor.parse::<f64>().ok());
    assert!(floor.is_some_and(|floor| told.contains(&format!("{floor:.3e}"))), "{floored}");
    assert_eq!(last(fit), ",");
    assert_eq!(last("dae-fit x.npy --kind gaussian -o m.st"), ",");
}

/// No message advises what is refused then.
#[test]
fn advice_can_be_taken() {
    let place = Place::new();
    place.out(&format!("npy cat {DIGITS} --rows ..300 -o x.npy"));
    for how in ["--solver gradient --iterations 20 --restarts 2", "--solver subspaces --orthogonal"] {
        let fit = format!("dae-fit x.npy --kind molrg -k 2 -r 3 {how} -o m.st -q");
        let told = said(&place, &fit);
        assert!(
            told.contains("give --solver subspaces or em, without --orthogonal, with --fit means,var"),
            "{told}"
        );
    }
    said(&place, "dae-fit x.npy --kind molrg -k 2 -r 3 --solver subspaces --fit means,variances -o m.st");
    for kind in ["linear-vae -r 2", "gaussian", "empirical", "molrg -k 2 -r 2"] {
        let told = place.fails(2, &format!("dae-fit x.npy --kind {kind} --lr 0.1 -o m.st"));
        assert!(
            told.contains("--lr: ") && told.contains("networks, vae, gan and --solver gradient"),
            "{told}"
        );
    }
    let told = place.fails(2, "dae-fit x.npy --kind mlp -r 2 -o m.st");
    assert!(told.contains("--rank: is for --kind molrg, gaussian, linear-vae, vae and gan"), "{told}");
}

#[test]
fn a_gan_that_diverges_ends() {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 200 -o x.npy");
    let gan = "dae-fit x.npy --kind gan -r 2 --width 16 -o m.st -q --batch 64";
    let told = place.fails(1, &format!("{gan} --steps 500 --lr 30"));
    assert!(told.contains("training has diverged") && told.contains("smaller --lr"), "{told}");
    assert_eq!(said(&place, &format!("{gan} --steps 800 --lr 0.002")), "");
    // Far from the data, and told.
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 200 --spectrum 400,400 -o x.npy");
    let told = said(&place, &format!("{gan} --steps 5 --lr 1e-5"));
    assert!(told.contains("what is generated has a mean square of"), "{told}");
}

#[test]
fn variances_below_the_type_are_refused() {
    let place = Place::new();
    place.out("npy noise -n 50 -d 2 --dtype f64 -f csv -o x.csv");
    // The same rows times 1e-30.
    let small: String = std::str::from_utf8(&place.get("x.csv"))
        .unwrap()
        .lines()
        .map(|line| line.split(',').map(|v| format!("{v}e-30")).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    place.put("small.csv", small);
    for fit in ["--kind gaussian", "--kind molrg -r 2 --fit variances"] {
        let told = place.fails(1, &format!("dae-fit small.csv {fit} --dtype f32 -o m.st"));
        assert!(told.contains("below f32") && told.contains("--dtype f64"), "{told}");
        place.out(&format!("dae-fit small.csv {fit} --dtype f64 -o m.st"));
    }
}

/// Networks of one hidden layer that are written down: of rows that point away from each other they return what they
/// have stored, of others they say how far they are from what the theory takes.
#[test]
fn constructed_networks_store_rows_or_say_why_not() {
    let place = Place::new();
    // Corners of a simplex of norm 4, and their opposite directions as further coordinates.
    place.put("rows.csv", "4,0,0,-2\n-1.5,3.7,0,-1\n-1.5,-1.9,3.2,-1\n-1,-1.8,-3.2,3\n");
    let fit = "dae-fit rows.csv --kind two-layer --sigma 0.1 --dtype f64";
    place.out(&format!("{fit} --solver memorizing --width 6 -o stored.st"));
    let returned = place.text("dae-apply stored.st rows.csv --sigma 0.1 -f csv");
    let rows = place.text("npy cat rows.csv --dtype f64 -f csv");
    let numbers = |text: &str| -> Vec<f64> {
        text.split([',', '\n']).filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect()
    };
    for (a, b) in numbers(&returned).iter().zip(numbers(&rows)) {
        // ‖x‖²/(‖x‖² + σ²) of each row comes back: 0.01 of norms from 16 on.
        assert!((a - b).abs() < 1e-3 * 4.0, "{a} and {b}");
    }
    place.out("npy noise -n 30 -d 8 --seed 1 -o alike.npy");
    let done = place.run("dae-fit alike.npy --kind two-layer --solver memorizing --sigma 0.1 -o none.st");
    assert!(done.code == Some(0) && done.err.contains("units answer to 100.0 % of the rows of their own"));
    place.put("labels.csv", "0\n1\n1\n0\n");
    place.out(&format!("{fit} --solver blocks --width 6 -r 1,2 --labels labels.csv -o blocks.st"));
    for (flags, word) in [
        ("--solver memorizing --width 3", "--width 3"),
        ("--solver memorizing --steps 5", "--steps"),
        ("--solver memorizing --labels labels.csv", "--labels"),
        ("--solver blocks --width 6", "--labels and --rank"),
        ("--solver blocks --width 6 -r 1,2,1 --labels labels.csv", "3 ranks for 2 labels"),
        ("--solver em", "--solver"),
    ] {
        let done = place.run(&format!("{fit} {flags} -o none.st"));
        assert!(done.code != Some(0) && done.err.contains(word), "{flags}: {}", done.err);
    }
}
