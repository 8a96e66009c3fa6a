//! probe: what features say of labels, against what theory says of posterior means.

use std::collections::BTreeMap;

use crate::place::Place;

/// Numbers of a csv table by column; of other fields, none.
#[track_caller]
fn table(place: &Place, line: &str) -> Vec<BTreeMap<String, Option<f64>>> {
    let text = String::from_utf8(place.bash(line).silent(line)).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().expect("a header").split(',').map(str::to_string).collect();
    lines.map(|line| names.iter().cloned().zip(line.split(',').map(|x| x.parse().ok())).collect()).collect()
}

/// arXiv 2502.05743, table 4, row 1, by the optimal denoiser of 20 000 samples: K = 2, n = 50, d = 5, δ = 0.2.
#[test]
fn the_signal_to_noise_ratio_of_posterior_means_is_the_published_one() {
    let place = Place::new();
    place.out(
        "molrg-gen -d 50 -r 5 -k 2 -n 20000 --noise-std 0.2 --noise-in union --labels y.npy --truth t.st -o x.npy",
    );
    for (sigma, due) in [
        (0.008, 25.6),
        (0.023, 25.4),
        (0.06, 26.9),
        (0.14, 36.5),
        (0.296, 58.5),
        (0.585, 20.9),
        (1.088, 4.07),
        (1.923, 1.62),
    ] {
        let rows = table(
            &place,
            &format!(
                "dae-apply t.st x.npy --sigma {sigma} --add-noise | probe snr - y.npy --rank 5 --folds 2"
            ),
        );
        assert_eq!(rows.len(), 3);
        let (snr, error) = (rows[2]["snr"].unwrap(), rows[2]["std_error"].unwrap());
        // Both from 20 000 samples, each with this error.
        assert!((snr - due).abs() < 4.0 * 2f64.sqrt() * error, "σ {sigma}: {snr} ± {error}, not {due}");
        assert!(error < 0.03 * due, "σ {sigma}: {error}");
        for row in &rows[..2] {
            assert!((row["snr"].unwrap() - due).abs() < 6.0 * 2f64.sqrt() * row["std_error"].unwrap());
        }
    }
}

/// Accuracy of a linear probe is best at a middle noise level, that of a projection falls (K = 3, 12 000 rows to learn from
/// and 9000 to test on; values of another draw).
#[test]
fn a_linear_probe_is_best_at_a_middle_level() {
    let place = Place::new();
    place.out(
        "molrg-gen -d 50 -r 5 -k 3 -n 12000 --noise-std 0.2 --noise-in union --labels y.npy --truth t.st -o x.npy",
    );
    let mut linear_accuracy = Vec::new();
    place.out("molrg-gen --from t.st -n 9000 --skip 12000 --labels test-y.npy -o test.npy");
    for (sigma, linear, projection) in [(0.023, 0.419, 0.996), (0.296, 0.442, 0.971), (1.923, 0.326, 0.44)] {
        for (name, seed) in [("x", 1), ("test", 2)] {
            place.out(&format!(
                "dae-apply t.st {name}.npy --sigma {sigma} --add-noise --seed {seed} -o {name}-h.npy"
            ));
        }
        for (probe, due, allowed) in [
            // Two shares of 9000, each with an error of 0.005, and classifiers that follow the noise of their rows: the
            // classes have no means to be told by.
            ("linear", linear, 0.04),
            ("projection", projection, 0.02),
        ] {
            let line = format!("probe {probe} x-h.npy y.npy test-h.npy test-y.npy --per-sample told.csv");
            let row = &table(&place, &line)[0];
            let accuracy = row["accuracy"].unwrap();
            assert!((accuracy - due).abs() < allowed, "{probe} at σ {sigma}: {accuracy}, not {due}");
            linear_accuracy.extend((probe == "linear").then_some(accuracy));
            assert_eq!((row["n"], row["classes"]), (Some(9000.0), Some(3.0)));
            assert!((row["baseline"].unwrap() - 1.0 / 3.0).abs() < 0.02);
            let told = table(&place, "cat told.csv");
            let right = told.iter().filter(|row| row["label"] == row["predicted"]).count();
            assert_eq!(right as f64 / 9000.0, accuracy);
            assert!(told.iter().enumerate().all(|(i, row)| row["row"] == Some(i as f64)));
        }
    }
    let [low, middle, high] = linear_accuracy[..] else { panic!("three levels") };
    assert!(middle > low && low > high + 0.03, "{low}, {middle}, {high}");
}

#[test]
fn rows_are_tested_by_what_others_say() {
    let place = Place::new();
    // Nothing is to be learned: in 40 dimensions 60 rows are told apart perfectly all the same.
    place.out("npy noise -n 60 -d 40 -o x.npy");
    place.out("molrg-gen -d 3 -r 1 -k 2 -n 60 --labels y.csv -o /dev/null");
    place.bash("molrg-gen -d 3 -r 1 -k 2 -n 60 --seed 5 --labels y.npy -o /dev/null").silent("labels");
    let done = place.run("probe linear x.npy y.npy x.npy y.npy");
    assert!(done.err.contains("60 of 60 rows of x.npy are rows of x.npy to the bit"), "{}", done.err);
    let accuracy = done.out.split(|b| *b == b'\n').nth(1).and_then(|line| line.split(|b| *b == b',').next());
    let own: f64 = String::from_utf8(accuracy.unwrap().to_vec()).unwrap().parse().unwrap();
    let others = table(&place, "probe linear x.npy y.npy")[0]["accuracy"].unwrap();
    assert!(own == 1.0 && (0.25..0.75).contains(&others), "{own}, {others}");
    // Of rows that are there three times each part knows copies of those it is tested on.
    place.out("npy cat x.npy x.npy x.npy -o thrice.npy");
    place.out("npy cat y.npy y.npy y.npy -o labels.npy");
    for line in ["probe linear thrice.npy labels.npy", "probe projection thrice.npy labels.npy"] {
        let done = place.run(line);
        assert!(done.err.contains("180 of 180 rows of thrice.npy are rows of another part"), "{}", done.err);
    }
    let done = place.run("rfm thrice.npy labels.npy -o v.npy");
    assert!(done.err.contains("rows are equal to the bit to others on the other side"), "{}", done.err);
    place.out("npy cat x.npy --rows ..6 -o few.npy");
    place.put("few.csv", "0\n1\n7\n7\n0\n1\n");
    place.put("one.csv", "3\n3\n3\n3\n3\n3\n");
    place.put("half.csv", "0\n1\n0.5\n1\n0\n1\n");
    place.put("lone.csv", "0\n0\n0\n1\n1\n7\n");
    place.put("alien.csv", "9\n8\n9\n8\n9\n8\n");
    let row = "0.1,0.7,-0.3\n";
    place.put("same.csv", row.repeat(60));
    place.put(
        "ray.csv",
        (1..=60).map(|i| format!("{},{}\n", 0.1 * f64::from(i), 0.7 * f64::from(i))).collect::<String>(),
    );
    for (name, source) in [("same", "same.csv"), ("ray", "ray.csv")] {
        place.out(&format!("npy cat {source} --dtype f64 -o {name}.npy"));
    }
    place.out("npy let 0*x --in x=x.npy -o zeros.npy");
    let told = place.run("probe linear x.npy y.npy few.npy few.csv");
    assert!(
        told.code == Some(0) && told.err.contains("2 of 6 rows of TEST are of 1 classes that TRAIN"),
        "{}",
        told.err
    );
    let told = place.run("probe linear x.npy y.npy --iterations 1");
    assert!(told.code == Some(0) && told.err.contains("has not converged"), "{}", told.err);
    for (line, code, words) in [
        ("probe linear few.npy one.csv", 1, "one.csv: all rows are of one class"),
        ("probe linear few.npy lone.csv", 1, "lone.csv: class 7 has one row"),
        ("probe linear few.npy half.csv", 1, "half.csv: row 2: 0.5 is no label"),
        ("probe linear x.npy few.csv", 1, "few.csv: 6 labels for 60 rows"),
        ("probe linear x.npy y.npy few.npy alien.csv", 1, "alien.csv: all rows are of classes that y.npy"),
        (
            "probe snr x.npy y.npy few.npy alien.csv --rank 2",
            1,
            "alien.csv: all rows are of classes that y.npy",
        ),
        ("probe linear x.npy y.npy --folds 4e9", 2, "--folds 4000000000: x.npy has 60 rows"),
        ("probe linear same.npy y.npy", 1, "same.npy: all rows are equal"),
        ("probe projection same.npy y.npy --rank 1 --center", 1, "same.npy: all rows are equal"),
        ("probe projection zeros.npy y.npy --rank 1", 1, "zeros.npy: all rows are equal"),
        (
            "probe projection ray.npy y.npy --rank 1 --normalize --center",
            1,
            "ray.npy: all rows point the same way",
        ),
        ("probe linear x.npy y.npy x.npy", 2, "TEST_LABELS"),
        ("probe linear x.npy y.npy x.npy y.npy --folds 3", 2, "--folds: has no effect here"),
        ("probe linear x.npy y.npy --folds 1", 2, "--folds 1"),
        ("probe linear x.npy y.npy --ridge 0", 2, "--ridge 0"),
        ("probe snr x.npy y.npy --rank 40", 2, "--rank 40"),
        (
            "probe projection few.npy few.csv --rank 5",
            1,
            "few.npy: class 0 has 1 rows, too few for 5 directions",
        ),
    ] {
        let done = place.run(line);
        let said: Vec<&str> = done.err.lines().filter(|line| !line.contains(": warning: ")).collect();
        assert!(done.code == Some(code) && !said.is_empty(), "{line}: {}", done.err);
        assert!(done.err.contains(words), "{line}: {}", done.err);
    }
}

/// A label a row, or a row's number and its label: the same classes.
#[test]
fn labels_may_be_the_table_that_molrg_gen_writes() {
    let place = Place::new();
    let data = "molrg-gen -d 20 -r 3 -k 2 -n 200 --noise-std 0.2 --labels";
    place.out(&format!("{data} y.npy -o x.npy"));
    place.out(&format!("{data} y.csv -o same.npy"));
    let line = "probe projection x.npy Y --rank 3";
    assert_eq!(place.text(&line.replace('Y', "y.csv")), place.text(&line.replace('Y', "y.npy")));
}

/// Nothing here has a unit: in another one by a power of two not a byte is another, in any a digit at most.
#[test]
fn what_features_say_of_labels_has_no_unit() {
    let place = Place::new();
    place.out("molrg-gen -d 20 -r 3 -k 2 -n 400 --noise-std 0.2 --labels y.npy --dtype f64 -o x.npy");
    for (name, scale) in [("large", "1e80"), ("small", "1e-80"), ("double", "8")] {
        place.out(&format!("npy let x*{scale} --in x=x.npy -o {name}.npy"));
    }
    for probe in ["snr X y.npy --rank 3", "projection X y.npy --rank 3", "linear X y.npy"] {
        let of = |name: &str| table(&place, &format!("probe {}", probe.replace('X', name)));
        let due = of("x.npy");
        assert_eq!(of("double.npy"), due, "{probe}");
        for name in ["large.npy", "small.npy"] {
            for (row, due) in of(name).iter().zip(&due) {
                for (column, value) in row {
                    let (value, due) = (value.unwrap_or(0.0), due[column].unwrap_or(0.0));
                    // Tables have six digits.
                    assert!(
                        (value - due).abs() <= 1e-5 * due.abs(),
                        "{probe}: {name}: {column} {value}, not {due}"
                    );
                }
            }
        }
        assert!(due[0].get("std_error").is_some_and(|error| error.unwrap() > 0.0), "{probe}");
    }
}

#[test]
fn columns_in_very_unequal_units_are_told_of() {
    let place = Place::new();
    place.out("molrg-gen -d 5 -r 2 -k 2 -n 200 --noise-std 0.2 --mean-norm 2 --labels y.npy -o x.npy");
    place.bash("npy cat x.npy -f csv | awk -F, -v OFS=, '{$1 = $1*1e9; print}' > unequal.csv").silent("awk");
    let done = place.run("probe linear unequal.csv y.npy");
    assert!(done.code == Some(0) && done.err.contains("differ by a factor of"), "{}", done.err);
    place.run("probe linear x.npy y.npy").silent("equal units");
}
