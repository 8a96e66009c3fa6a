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
    let own = table(&place, "probe linear x.npy y.npy x.npy y.npy")[0]["accuracy"].unwrap();
    let others = table(&place, "probe linear x.npy y.npy")[0]["accuracy"].unwrap();
    assert!(own == 1.0 && (0.25..0.75).contains(&others), "{own}, {others}");
    place.out("npy cat x.npy --rows ..6 -o few.npy");
    place.put("few.csv", "0\n1\n7\n7\n0\n1\n");
    place.put("one.csv", "3\n3\n3\n3\n3\n3\n");
    place.put("half.csv", "0\n1\n0.5\n1\n0\n1\n");
    let told = place.run("probe linear x.npy y.npy few.npy few.csv");
    assert!(
        told.code == Some(0) && told.err.contains("2 of 6 rows of TEST are of 1 classes that TRAIN"),
        "{}",
        told.err
    );
    let told = place.run("probe linear x.npy y.npy --iterations 1");
    assert!(told.code == Some(0) && told.err.contains("has not converged"), "{}", told.err);
    for (line, code, words) in [
        ("probe linear few.npy one.csv", 1, "are of one class"),
        ("probe linear few.npy half.csv", 1, "half.csv: row 2: 0.5 is no label"),
        ("probe linear x.npy few.csv", 1, "few.csv: 6 labels for 60 rows"),
        ("probe linear x.npy y.csv", 1, "y.csv"),
        ("probe linear x.npy y.npy x.npy", 2, "TEST_LABELS"),
        ("probe linear x.npy y.npy x.npy y.npy --folds 3", 2, "--folds: has no effect here"),
        ("probe linear x.npy y.npy --folds 1", 2, "--folds 1"),
        ("probe linear x.npy y.npy --ridge 0", 2, "--ridge 0"),
        ("probe snr x.npy y.npy --rank 40", 2, "--rank 40"),
        ("probe projection few.npy few.csv --rank 5", 1, "class 0 has 1 rows, too few for 5 directions"),
    ] {
        let done = place.run(line);
        let said: Vec<&str> = done.err.lines().filter(|line| !line.contains(": warning: ")).collect();
        assert!(done.code == Some(code) && !said.is_empty(), "{line}: {}", done.err);
        assert!(done.err.contains(words), "{line}: {}", done.err);
    }
}
