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
