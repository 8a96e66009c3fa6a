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
    place.out("molrg-gen -d 24 -r 2 -k 12 -n 1000 -o low.npy");
    let (_, said) = entropy(&place, "entropy low.npy");
    assert!(said.contains("warning: low.npy: parts of 1/20 of the rows have an entropy that is +"), "{said}");
    // One direction less, by a constant column or a hyperplane, moves the estimate little.
    place.bash(
        "npy noise -n 900 -d 5 -f csv | sed 1d | sed 's/$/,0.25/' | npy cat - --dtype f64 -o constant.npy && molrg-gen -d 5 -r 4 -k 1 -n 900 \
         --dtype f32 -o plane.npy",
    )
    .silent("rows");
    for (name, spread) in [("constant.npy", "5 of 6"), ("plane.npy", "4 of 5")] {
        let (_, said) = entropy(&place, &format!("entropy {name}"));
        assert!(said.contains(&format!("{name}: its rows spread in {spread} directions")), "{said}");
    }
    // One subspace has an entropy within it; the union of two has none there, either.
    place.out("molrg-gen -d 24 -r 4 -k 1 -n 1000 -o one.npy");
    let (_, said) = entropy(&place, "entropy one.npy --descriptor pca:4 --neighbours 4");
    assert_eq!(said, "");
    let done = place.run("npy cat low.npy low.npy -o twice.npy");
    assert_eq!(done.code, Some(0));
    for (line, code, words) in [
        ("entropy twice.npy", 1, "twice.npy: 2000 of 2000 rows lie on another"),
        ("entropy twice.npy --rows ..1", 1, "1 rows, where each needs 1 others"),
        ("entropy low.npy --neighbours 0", 2, "must be from 1 to"),
        ("entropy low.npy --descriptor center", 2, "--descriptor center: changes no distance"),
        ("entropy low.npy --fit twice.npy", 2, "--fit: has no effect here"),
        ("entropy low.npy --descriptor pca:25", 1, "25 principal axes"),
    ] {
        let done = place.run(line);
        assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
        assert!(done.err.contains(words), "{line}: {}", done.err);
    }
}

#[test]
fn subsets_are_rows_of_the_pool_in_the_order_chosen() {
    let place = Place::new();
    place.out("npy noise -n 300 -d 6 --shape 2,3 -o pool.npy");
    for method in ["random", "farthest", "threshold --threshold 2"] {
        place.out(&format!("subset pool.npy -n 40 --method {method} --indices rows.npy -o chosen.npy"));
        place.out(&format!("subset pool.npy -n 15 --method {method} --indices rows.csv -o few.npy"));
        assert_eq!(place.text("npy cat chosen.npy --rows ..15 -f csv"), place.text("npy cat few.npy -f csv"));
        let rows = place.text("npy cat rows.npy -f csv");
        let pool: Vec<String> = place.text("npy cat pool.npy -f csv").lines().map(str::to_string).collect();
        let due: Vec<&str> = rows.lines().map(|row| pool[row.parse::<usize>().unwrap()].as_str()).collect();
        assert_eq!(place.text("npy cat chosen.npy -f csv").lines().collect::<Vec<_>>(), due, "{method}");
        let table = String::from_utf8(place.get("rows.csv")).unwrap();
        let numbers: Vec<&str> = table.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
        assert_eq!(numbers, rows.lines().take(15).collect::<Vec<_>>());
        assert!(table.starts_with("row,distance\n") && table.lines().nth(1).unwrap().ends_with(','));
        assert!(
            place.get("chosen.npy").windows(10).any(|w| w == b"(40, 2, 3)"),
            "{method}: the shape of items"
        );
        // All at random are those of the part, by number.
        if method == "random" {
            place
                .out("subset pool.npy --rows 100.. -n 200 --method random --indices part.npy -o part-of.npy");
            place.out("subset pool.npy -n 300 --method random --indices all.npy -o all-of.npy");
            let all = place.text("npy cat all.npy -f csv");
            let later = all.lines().filter(|row| row.parse::<f64>().unwrap() >= 100.0);
            assert_eq!(
                later.collect::<Vec<_>>(),
                place.text("npy cat part.npy -f csv").lines().collect::<Vec<_>>()
            );
        }
    }
    for (line, code, words) in [
        ("subset pool.npy -n 301 --method random", 1, "pool.npy: has 300 rows, of which 301"),
        ("subset pool.npy -n 3 --method threshold", 2, "give --threshold"),
        ("subset pool.npy -n 3 --method threshold --threshold 0", 2, "give --threshold"),
        ("subset pool.npy -n 3 --method threshold --threshold 1 --decay 1", 2, "--decay 1"),
        ("subset pool.npy -n 3 --method farthest --threshold 1", 2, "--threshold: has no effect here"),
        ("subset pool.npy -n 3 --method random --descriptor pca:2", 2, "--descriptor: has no effect here"),
    ] {
        let done = place.run(line);
        assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
        assert!(done.err.contains(words), "{line}: {}", done.err);
    }
    place.out("npy cat pool.npy pool.npy -o twice.npy");
    let done = place.run("subset twice.npy -n 301 --method farthest");
    assert!(
        done.code == Some(1) && done.err.contains("twice.npy: only 300 rows are different"),
        "{}",
        done.err
    );
}
