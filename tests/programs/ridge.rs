//! ridge, intrinsic-dimension and models of random features, run as their users run them.

use crate::place::Place;

/// A column of a table.
fn column(text: &str, name: &str) -> Vec<f64> {
    let at = text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

#[test]
fn points_come_to_the_ridge_and_stay() {
    let place = Place::new();
    place.put("three.csv", "0,0\n2,0\n3,1\n");
    place.put("x.csv", "1,0.5\n2.6,0.1\n0.2,-0.4\n2.2,1.2\n");
    place.out("dae-fit three.csv --kind empirical --dtype f64 -o three.st");
    let to = "--model three.st --sigma 0.8 --dim 1 --tolerance 1e-12";
    let points = place.text(&format!("ridge project x.csv {to} -f csv"));
    let numbers: Vec<f64> = points.split([',', '\n']).filter_map(|field| field.parse().ok()).collect();
    let expected =
        [1.03759935, 0.02174296, 2.34625748, 0.36637744, 0.19794127, 0.00136709, 2.67113807, 0.6738944];
    // Half a unit in the last digit of what is known.
    assert!(numbers.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.51e-8), "{points}");
    place.put("ridge.csv", points);
    let there = place.text(&format!("ridge distance ridge.csv {to}"));
    assert!(column(&there, "distance").iter().all(|d| *d < 1e-10), "{there}");
    // A model has no error against itself.
    let own = place.text("ridge decompose three.st three.st x.csv --sigma 0.8 --dim 1");
    assert!(column(&own, "normal").iter().chain(&column(&own, "tangential")).all(|e| *e == 0.0), "{own}");
    let short = place.run(&format!("ridge project x.csv {to} --steps 1 -f csv"));
    assert!(short.err.contains("4 of 4 points, row 0 the first, did not come to the ridge"), "{}", short.err);
    // Between the rows, where noise is small, the density has a valley.
    place.put("valley.csv", "1,0\n");
    let valley = place.run("ridge project valley.csv --model three.st --sigma 0.4 --dim 0 --steps 1 -f csv");
    assert!(valley.err.contains("does not fall in all directions across"), "{}", valley.err);
    for (line, words) in [
        ("ridge project x.csv --model three.st --sigma 0.8 --dim 2", "--dim 2: must be less than"),
        ("ridge project x.csv --model three.st --sigma 0 --dim 1", "--sigma 0"),
        ("ridge project x.csv --model three.st --sigma 1 --dim 1 --seed 2", "--seed"),
        ("ridge project x.csv --model three.st --sigma 1 --dim 1 --tolerance 0", "--tolerance 0"),
    ] {
        let said = place.fails(2, line);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn dimensions_of_samples_and_of_their_model() {
    let place = Place::new();
    place.out("molrg-gen -d 20 -r 3 -n 600 --seed 1 --dtype f64 --truth truth.st -o x.npy");
    let found = place.text("intrinsic-dimension x.npy");
    let (dimensions, errors) = (column(&found, "dimension"), column(&found, "std_error"));
    assert_eq!(
        found.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect::<Vec<_>>(),
        ["nearest", "two-nearest", "components"]
    );
    // A twentieth is the bias of a Gaussian's tails.
    let near = |(d, e): (&f64, &f64)| (d - 3.0).abs() < 4.0 * e + 0.15;
    assert!(dimensions.iter().zip(&errors).all(near), "{found}");
    let model = place.text("intrinsic-dimension x.npy --rows ..5 --model truth.st --sigma 0.01");
    assert!(column(&model, "dimension").iter().all(|d| (d - 3.0).abs() < 0.01), "{model}");
    // Repeated rows are taken once.
    place.out("npy cat x.npy x.npy -o twice.npy");
    let twice = place.run("intrinsic-dimension twice.npy --method nearest,two-nearest");
    assert!(twice.err.contains("600 of 1200 rows are equal to others before them"), "{}", twice.err);
    let twice = column(&String::from_utf8(twice.out).unwrap(), "dimension");
    assert_eq!(twice, dimensions[..2]);
    // What lies in 2 and in 10 dimensions together is said to; either alone is not.
    place.out("molrg-gen -d 20 -r 2 -n 500 --seed 2 -o two.npy");
    place.out("molrg-gen -d 20 -r 10 -n 500 --seed 3 -o ten.npy");
    place.out("npy cat two.npy ten.npy -o both.npy");
    for (x, uneven) in [("both", true), ("two", false), ("ten", false), ("x", false)] {
        for method in ["nearest", "two-nearest"] {
            let said = place.run(&format!("intrinsic-dimension {x}.npy --method {method}")).err;
            assert_eq!(said.contains("rows are of several dimensions"), uneven, "{x}, {method}: {said}");
        }
    }
    let few = place.run("intrinsic-dimension x.npy --rows ..20 --method two-nearest");
    assert!(few.err.contains("20 rows are too few to be taken in parts"), "{}", few.err);
    for (line, words) in [
        ("intrinsic-dimension x.npy --method density", "--method density: is for a model"),
        ("intrinsic-dimension x.npy --model truth.st --sigma 1 --method nearest", "is for samples"),
        ("intrinsic-dimension x.npy --sigma 1", "--sigma: has no effect here"),
        ("intrinsic-dimension x.npy --method components --neighbours 3", "--neighbours: has no effect here"),
        ("intrinsic-dimension x.npy --model truth.st", "no noise level given"),
    ] {
        let said = place.fails(2, line);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn random_features_are_a_model_like_any_other() {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 2 -k 2 -n 90 --seed 1 --dtype f64 --truth truth.st -o x.npy");
    let fit = "dae-fit x.npy --kind random-features --features 50 --levels 8,2,0.5";
    // Later in training it is nearer to the optimum.
    let errors = [0.1, 10.0, 1e4].map(|time| {
        place.out(&format!("{fit} --time {time} -o rf.st"));
        column(&place.text("dae-compare rf.st truth.st x.npy --sigma 2"), "rmse")[0]
    });
    assert!(errors[0] > errors[1] && errors[1] > errors[2], "{errors:?}");
    place.out("pf-sample rf.st -n 20 --sigmas 8,2,0.5,0 --solver euler -o drawn.npy");
    place.out("ridge distance drawn.npy --model rf.st --sigma 0.5 --dim 2 --steps 5 -o distances.csv");
    let said = place.fails(1, "dae-apply rf.st x.npy --sigma 1");
    assert!(said.contains("was fitted at 8, 2, 0.5 alone"), "{said}");
    for (flags, words) in [
        ("--levels 1,1", "--levels: 1 is there twice"),
        ("--levels 0", "--levels 0"),
        ("--time 0", "--time 0: must be positive"),
        ("--bandwidth=-1", "--bandwidth -1: must be positive"),
        ("--ridge=-1", "--ridge -1"),
        ("--features 0", "--features"),
    ] {
        let said = place.fails(2, &format!("dae-fit x.npy --kind random-features {flags}"));
        assert!(said.contains(words), "{said}");
    }
    let said = place.fails(2, "dae-fit x.npy --kind gaussian --features 5");
    assert!(said.contains("--features: has no effect here"), "{said}");
}
