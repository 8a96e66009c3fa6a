//! rfm: directions that steer, what is told of rows left out, labels of all kinds, what is refused.

use crate::place::Place;

/// y = sign(x₀) of 500 rows in 20 dimensions, and of others.
fn stocked() -> Place {
    let place = Place::new();
    place.out("npy noise -d 20 -n 500 --seed 1 --dtype f64 -o x.npy");
    place.out("npy noise -d 20 -n 200 --seed 2 --dtype f64 -o test.npy");
    place
        .bash("npy cat x.npy --cols ..1 | npy let '2*min(1,ceil(max(0,y)))-1' --in y=- -o y.npy")
        .silent("labels");
    place
        .bash("npy cat test.npy --cols ..1 | npy let '2*min(1,ceil(max(0,y)))-1' --in y=- -o test-y.npy")
        .silent("labels");
    place
}

fn numbers(place: &Place, script: &str) -> Vec<f64> {
    let text = String::from_utf8(place.bash(script).silent(script)).unwrap();
    text.split(['\n', ',']).filter_map(|field| field.parse().ok()).collect()
}

#[test]
fn the_direction_of_a_step_is_found_and_its_side_told() {
    let place = stocked();
    let v = numbers(&place, "rfm x.npy y.npy --bandwidth 5 -q -f csv");
    // .9971 ± .0011 over seeds; towards the larger label.
    assert!(v.len() == 20 && (v[0] - 0.9971).abs() < 0.0044, "{v:?}");
    let done = place.run("rfm x.npy y.npy --bandwidth 5 --top 2 --values values.csv -o v.npy");
    let told = "rfm: of 101 rows left out of learning 0.9";
    assert!(done.code == Some(0) && done.err.starts_with(told) && done.err.contains("alone"), "{}", done.err);
    let values = numbers(&place, "cat values.csv");
    assert!(values.len() == 2 && values[0] > 10.0 * values[1] && values[1] > 0.0, "{values:?}");
    let right = "rfm x.npy y.npy --bandwidth 5 -q --predict test.npy | npy let 'max(0,f*y)/abs(f*y)' --in f=- \
                 --in y=test-y.npy -f csv";
    let right = numbers(&place, right);
    // A share of 200 of about .97 has an error of .012.
    assert!(right.len() == 200 && right.iter().sum::<f64>() / 200.0 > 0.93);
    // A step along the direction moves all points to that side.
    let moved = "npy let 'x+4*v' --in x=test.npy --in v=v1.npy -o moved.npy && rfm x.npy y.npy --bandwidth 5 -q --predict \
                 moved.npy -f csv";
    place.out("npy cat v.npy --rows ..1 -o v1.npy");
    let moved = numbers(&place, moved);
    assert!(moved.iter().filter(|f| **f > 0.0).count() > 190);
    // Units of features are no matter, but of the eigenvalues.
    place.out("npy let 1024*x --in x=x.npy -o large.npy");
    let large = numbers(&place, "rfm large.npy y.npy --bandwidth 5120 -q -f csv --values large.csv");
    assert_eq!(large, v);
    let scaled = numbers(&place, "cat large.csv")[0];
    assert!((scaled * 1024.0 * 1024.0 / values[0] - 1.0).abs() < 1e-12);
}

#[test]
fn labels_may_be_classes_or_numbers() {
    let place = Place::new();
    place.out("molrg-gen -d 10 -r 2 -k 3 --mean-norm 4 -n 200 --labels labels.csv -o x.npy");
    let done = place.run("rfm x.npy labels.csv --predict x.npy -f csv");
    assert!(done.code == Some(0) && done.err.contains("are told right"), "{}", done.err);
    let rows = String::from_utf8(done.out).unwrap();
    assert!(rows.lines().filter(|line| line.split(',').count() == 3).count() >= 200);
    let labels = rows.clone();
    let done = place.run("rfm x.npy labels.csv --real --predict x.npy -f csv");
    assert!(
        done.code == Some(0) && done.err.contains("R² = ") && !done.err.contains("warning"),
        "{}",
        done.err
    );
    assert!(String::from_utf8(done.out).unwrap() != labels);
    // Numbers that a feature gives, and f grows with.
    place.out("npy noise -d 6 -n 150 --seed 3 -o x.npy");
    place.bash("npy cat x.npy --cols 1..2 | npy let '3*x+100' --in x=- -o numbers.npy").silent("numbers");
    let v = numbers(&place, "rfm x.npy numbers.npy -q -f csv");
    assert!(v[1] > 0.9, "{v:?}");
}

#[test]
fn what_says_little_is_told_and_what_says_nothing_refused() {
    let place = stocked();
    place.bash("npy noise -d 1 -n 500 --seed 9 -o chance.npy").silent("chance");
    let done = place.run("rfm x.npy chance.npy");
    assert!(done.code == Some(0) && done.err.contains("warning: of 100 rows"), "{}", done.err);
    assert!(done.err.contains("no better than chance"), "{}", done.err);
    place.put("ones.csv", "1\n".repeat(500));
    place.put("few.csv", "1\n2\n");
    for (line, code, words) in [
        ("rfm x.npy ones.csv", 1, "ones.csv: all labels are 1"),
        ("rfm x.npy few.csv", 1, "few.csv: 2 labels for 500 rows"),
        ("rfm x.npy y.npy --top 21", 2, "--top 21: there are 20 directions"),
        ("rfm x.npy y.npy --ridge 0", 2, "--ridge"),
        ("rfm x.npy y.npy --bandwidth -1", 2, "--bandwidth"),
        ("rfm x.npy y.npy --bandwidth 1e-6", 1, "x.npy: the machine is flat"),
        ("rfm x.npy y.npy --predict y.npy", 1, "y.npy: rows of width 1, but those of x.npy have 20"),
        ("rfm x.npy y.npy --predict x.npy --top 2", 2, "--top: has no effect here"),
        ("rfm x.npy y.npy --nan drop", 2, "--nan drop"),
        ("rfm x.npy x.npy", 1, "x.npy: has 20 numbers a row"),
    ] {
        let done = place.run(line);
        assert!(done.code == Some(code) && done.err.contains(words), "{line}: {}", done.err);
    }
}
