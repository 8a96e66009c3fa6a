//! entropy and subset: how rich a set of samples is, and choosing from it.

use crate::place::Place;

/// The first number of a table of one row, and what was warned of.
#[track_caller]
fn entropy(place: &Place, line: &str) -> (f64, String) {
    let done = place.run(line);
    let text = String::from_utf8(done.out.clone()).unwrap();
    let value = text.lines().nth(1).and_then(|row| row.split(',').next()?.parse().ok());
    (value.unwrap_or_else(|| panic!("{line}: {text}{}", done.err)), done.err)
}

#[test]
fn entropy_in_other_coordinates_is_off_by_their_determinant() {
    let place = Place::new();
    place.out("npy noise -n 600 -d 3 --dtype f64 -o z.npy");
    place.out("npy let 3*z+100 --in z=z.npy -o x.npy");
    let (z, said) = entropy(&place, "entropy z.npy --neighbours 3");
    assert_eq!(said, "");
    let line = place.text("entropy z.npy --neighbours 3");
    assert!(
        line.starts_with("entropy,std_error,neighbours,n,dim\n") && line.ends_with(",3,600,3\n"),
        "{line}"
    );
    let (x, _) = entropy(&place, "entropy x.npy --neighbours 3");
    assert!((x - z - 3.0 * 3f64.ln()).abs() < 1e-10);
    // All principal axes are the same rows, turned.
    let (turned, _) = entropy(&place, "entropy x.npy --neighbours 3 --descriptor pca:3");
    assert!((turned - x).abs() < 1e-9);
    // Whitened by another set of the same law: its covariance.
    let (whitened, _) = entropy(&place, "entropy x.npy --neighbours 3 --descriptor whiten:3");
    let (other, _) = entropy(&place, "entropy x.npy --neighbours 3 --descriptor whiten:3 --fit z.npy");
    assert!((other - whitened - 3.0 * 3f64.ln()).abs() < 1e-9);
    assert_eq!(entropy(&place, "entropy x.npy --rows 100..").1, "");
}

#[test]
fn entropy_of_what_has_none_is_refused_or_warned_of() {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 2 -k 2 -n 1000 -o low.npy");
    let (_, said) = entropy(&place, "entropy low.npy");
    assert!(said.contains("warning: low.npy: parts of 1/20 of the rows have an entropy that is +"), "{said}");
    // One subspace has an entropy within it; the union of two has none there, either.
    place.out("molrg-gen -d 24 -r 4 -k 1 -n 1000 -o one.npy");
    let (_, said) = entropy(&place, "entropy one.npy --descriptor pca:4 --neighbours 4");
    assert_eq!(said, "");
    let done = place.run("npy cat low.npy low.npy -o twice.npy");
    assert_eq!(done.code, Some(0));
    for (line, code, words) in [
        ("entropy twice.npy", 1, "twice.npy: 2000 of 2000 rows lie on another"),
        ("entropy twice.npy --rows ..1", 1, "1 rows, where each needs 1 others"),
        ("entropy low.npy --neighbours 0", 2, "--neighbours 0"),
        ("entropy low.npy --descriptor center", 2, "--descriptor center: changes no distance"),
        ("entropy low.npy --fit twice.npy", 2, "--fit: has no effect here"),
        ("entropy low.npy --descriptor pca:25", 1, "25 principal axes"),
    ] {
        let done = place.run(line);
        assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
        assert!(done.err.contains(words), "{line}: {}", done.err);
    }
}
