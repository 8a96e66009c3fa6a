//! Baselines beside scores, rows that are not paired, copies, and what is not known of one row: what keeps a
//! number from being taken for more than it says.

use crate::data::DIGITS;
use crate::place::Place;

/// A column of the table that a run prints, and what the run says.
#[track_caller]
fn column(place: &Place, line: &str, name: &str) -> (Vec<String>, String) {
    let done = place.bash(line);
    assert_eq!(done.code, Some(0), "{line}: {}", done.err);
    let text = String::from_utf8(done.out).unwrap();
    let mut lines = text.lines().map(|line| line.split(','));
    let at =
        lines.next().unwrap().position(|column| column == name).unwrap_or_else(|| panic!("{line}: {text}"));
    (lines.map(|mut fields| fields.nth(at).unwrap().to_string()).collect(), done.err)
}

#[track_caller]
fn value(place: &Place, line: &str, name: &str) -> f64 {
    column(place, line, name).0[0].parse().unwrap_or_else(|_| panic!("{line}"))
}

/// Digits in two halves: neither has rows of the other, or belongs to it.
fn halves() -> Place {
    let place = Place::new();
    place.out(&format!("npy cat {DIGITS} --rows ..800 -o a.npy"));
    place.out(&format!("npy cat {DIGITS} --rows 800..1600 -o b.npy"));
    place
}

#[test]
fn the_baseline_of_rp_is_the_score_of_rows_moved_by_one() {
    let place = halves();
    for flags in [
        "",
        "--similarity mae --data-range 0,16 --threshold 40",
        "--similarity l2 --threshold 30",
        "--descriptor whiten:16 --train a.npy --threshold 0.3",
    ] {
        let (baseline, _) = column(&place, &format!("rp-score a.npy b.npy {flags}"), "baseline");
        let moved = "<(npy cat a.npy --rows ..799) <(npy cat b.npy --rows 1..)";
        let (values, _) = column(&place, &format!("rp-score {moved} {flags}"), "value");
        assert_eq!(baseline[0], values[0], "{flags}");
        assert!((0.01..1.0).contains(&baseline[0].parse().unwrap()), "{flags}: {}", baseline[0]);
    }
    // The one pair that two rows have, and none of one.
    assert_eq!(column(&place, "rp-score a.npy a.npy --rows ..1", "baseline").0, [""]);
    // Of a part of the rows, within these.
    let part = column(&place, "rp-score a.npy b.npy --rows 100..300", "baseline").0;
    let cut = "<(npy cat a.npy --rows 100..300) <(npy cat b.npy --rows 100..300)";
    assert_eq!(part, column(&place, &format!("rp-score {cut}"), "baseline").0);
}

#[test]
fn the_baseline_of_gl_is_the_score_of_training_rows_left_out_in_turn() {
    let place = Place::new();
    let n = 24;
    place.out(&format!("npy cat {DIGITS} --rows ..{n} -o train.npy"));
    place.out(&format!("npy cat {DIGITS} --rows 100..140 -o fresh.npy"));
    for flags in [
        "--threshold 0.9 --gl similarity,ratio",
        "--threshold 0.85 --gl similarity,ratio --ratio 0.95",
        "--similarity l2 --threshold 25 --gl similarity,distance --reference fresh.npy",
        "--similarity mae --data-range 0,16 --threshold 40",
    ] {
        let line = format!("rp-score fresh.npy --train train.npy {flags}");
        let (baselines, _) = column(&place, &line, "baseline");
        let (scores, _) = column(&place, &line, "score");
        let mut sums = vec![0.0; scores.len()];
        for i in 0..n {
            // One reference, the same distance for all: of the reference itself to the whole training set.
            let others =
                format!("<(cat <(npy cat train.npy --rows ..{i}) <(npy cat train.npy --rows {}..))", i + 1);
            let alone = format!("rp-score <(npy cat train.npy --rows {i}..{}) --train {others}", i + 1);
            let (values, _) = column(&place, &format!("{alone} --per-sample rows.csv {flags}"), "value");
            for ((sum, score), value) in sums.iter_mut().zip(&scores).zip(values) {
                *sum += match score.as_str() {
                    "gl_distance" => value_of(&place, "distance"),
                    _ => value.parse::<f64>().unwrap(),
                };
            }
        }
        for ((score, baseline), sum) in scores.iter().zip(&baselines).zip(sums) {
            let mean = match score.as_str() {
                "gl_distance" => {
                    let reference = "rp-score fresh.npy --train train.npy --per-sample rows.csv";
                    place.bash(reference);
                    sum / n as f64 / mean_of(&place, "distance")
                }
                _ => sum / n as f64,
            };
            let baseline: f64 = baseline.parse().unwrap();
            assert!((baseline - mean).abs() < 1e-12, "{flags}, {score}: {baseline}, not {mean}");
        }
    }
    let (baseline, _) =
        column(&place, "rp-score fresh.npy --train <(npy cat train.npy --rows ..1)", "baseline");
    assert_eq!(baseline, [""], "one row has no other");
}

fn value_of(place: &Place, name: &str) -> f64 {
    value(place, &format!("table cat rows.csv --columns {name}"), name)
}

fn mean_of(place: &Place, name: &str) -> f64 {
    value(place, &format!("table mean rows.csv --value {name}"), name)
}

#[test]
fn scores_that_measure_nothing_are_warned_of() {
    let place = halves();
    // Pixels of digits that have nothing to do with each other.
    let (values, err) = column(&place, "rp-score a.npy b.npy", "value");
    let (baselines, _) = column(&place, "rp-score a.npy b.npy", "baseline");
    let [value, baseline]: [f64; 2] = [&values[0], &baselines[0]].map(|x| x.parse().unwrap());
    assert!((value - baseline).abs() < 0.05 && value > 0.3, "{value} beside {baseline}");
    assert!(err.contains("warning: ") && err.contains(&format!("{baseline:.3}")), "{err}");
    assert!(err.contains("--descriptor whiten:32") && err.contains("--threshold"), "{err}");
    let (values, err) = column(&place, "rp-score b.npy --train a.npy", "value");
    assert_eq!(values, ["0"], "all copies, it seems");
    assert!(err.contains("score 0.000") && err.contains("whiten:32"), "{err}");
    // Where the threshold tells them apart, nothing is said.
    let line = "rp-score b.npy --train a.npy --descriptor whiten:16 --threshold 0.95 --gl similarity,ratio";
    let (values, err) = column(&place, line, "value");
    assert_eq!(err, "");
    assert!(values.iter().all(|v| v.parse::<f64>().unwrap() > 0.8), "{values:?}");
    // The same bytes, whatever the threads.
    let bytes = |threads| place.bash(&format!("{line} a.npy --threads {threads}")).out;
    assert_eq!(bytes(1), bytes(5));
}

#[test]
fn copies_to_the_bit_are_counted() {
    let place = Place::new();
    place.out("molrg-gen -d 12 -r 6 -k 2 -n 100 --seed 1 --truth t.st -o train.npy");
    // The same seed twice, of which the training set is the beginning.
    place.out("molrg-gen --from t.st -n 300 --seed 1 -o again.npy");
    place.out("molrg-gen --from t.st -n 300 --seed 2 -o other.npy");
    let line = "--train train.npy --threshold 0.999 --gl ratio";
    let (_, err) = column(&place, &format!("rp-score again.npy {line}"), "value");
    assert!(err.contains("100 of 300 rows of again.npy are rows of train.npy to the bit"), "{err}");
    assert_eq!(column(&place, &format!("rp-score other.npy {line}"), "value").1, "");
    let (_, err) = column(&place, "rp-score again.npy again.npy other.npy --threshold 0.99", "value");
    assert!(err.contains("300 of 300 rows of again.npy and again.npy are equal to the bit"), "{err}");
    // And the others, of another seed, have nothing to do with them.
    assert!(err.contains("pairing makes no difference") && err.lines().count() == 2, "{err}");
}

#[test]
fn a_training_set_with_its_rows_twice_hides_copies_from_the_ratio_and_says_so() {
    let place = Place::new();
    place.out("molrg-gen -d 12 -r 3 -k 1 -n 100 --seed 1 -o train.npy");
    place.bash("npy let 'x+0.001' --in x=train.npy -o near.npy && npy cat train.npy train.npy train.npy -o thrice.npy").silent("");
    let gl = |train: &str| column(&place, &format!("rp-score near.npy --train {train} --gl ratio"), "value");
    assert_eq!(gl("train.npy").0, ["0"]);
    let (values, err) = gl("thrice.npy");
    assert_eq!(values, ["1"]);
    assert!(
        err.contains("of 100 of 100 rows of near.npy the two nearest rows of thrice.npy are equally far"),
        "{err}"
    );
}

/// By the numbers themselves, whatever type they are stored in.
#[test]
fn samples_on_other_scales_are_warned_of() {
    let place = halves();
    // The same digits, 0 to 16, as bytes, as text, and on the scales that images come in.
    place.out("npy images a.npy --from 0,16 --to 0,255 -o bytes.npy");
    place.out("npy images a.npy --from 0,16 --to=-1,1 -o signed.npy");
    place.out("npy images a.npy --from 0,16 --to 0,1 -o unit.npy");
    place.out("npy cat a.npy -f csv -o a.csv");
    place.out("npy cat b.npy --dtype f64 -o wide.npy");
    let labels: String = (0..800).map(|i| format!("{}\n", i % 2)).collect();
    place.put("labels.csv", labels);
    let told = |line: &str| place.run(line).err.contains("on different scales nothing is alike");
    for (a, b) in
        [("bytes", "signed"), ("unit", "signed"), ("signed", "unit"), ("bytes", "unit"), ("a", "signed")]
    {
        for line in [
            format!("rp-score {a}.npy --train {a}.npy --gl distance --reference {b}.npy"),
            format!("rp-score {a}.npy --train {b}.npy --gl ratio"),
            format!("rp-score {a}.npy --train {a}.npy --descriptor whiten:16 --fit {b}.npy"),
            format!("rp-score {a}.npy {b}.npy --similarity mae --data-range 0,1"),
            format!("pfd {a}.npy {b}.npy"),
            format!("entropy {a}.npy --descriptor whiten:16 --fit {b}.npy"),
            format!("probe linear {a}.npy labels.csv {b}.npy labels.csv"),
        ] {
            assert!(told(&line), "{line}");
        }
        let predicted =
            place.run(&format!("rfm {a}.npy labels.csv --iterations 1 --predict {b}.npy -o told.npy"));
        assert!(predicted.err.contains("on different scales"), "{a}, {b}: {}", predicted.err);
        // Bytes are a multiple of 0 … 1, which no cosine sees.
        for line in
            [format!("rp-score {a}.npy {b}.npy"), format!("rp-score {a}.npy --train {b}.npy --threshold 0.9")]
        {
            assert_eq!(told(&line), b != "unit" || a == "signed", "{line}");
        }
    }
    // A set that is sorted is seen all through: 30 times 60 rows, dark ones first.
    place.out("npy cat a.npy --rows ..60 -o one.npy");
    place.out("npy let x/50 --in x=one.npy -o dark.npy");
    let all = |first: &str, second: &str| {
        vec![format!("{first}.npy"); 15].join(" ") + " " + &vec![format!("{second}.npy"); 15].join(" ")
    };
    place.out(&format!("npy cat {} -o sorted.npy", all("dark", "one")));
    place.out(&format!("npy cat {} -o reversed.npy", all("one", "dark")));
    assert!(!told("pfd sorted.npy reversed.npy"));
    place.out(&format!("npy cat {} -o large.npy", all("dark", "dark")));
    assert!(told("pfd sorted.npy large.npy"));
    for line in [
        "rp-score a.csv b.npy",
        "rp-score a.csv --train b.npy --threshold 0.9",
        "rp-score wide.npy --train a.npy --threshold 0.9",
        "rp-score wide.npy --train a.csv --gl distance --reference b.npy",
        "pfd a.csv b.npy",
        // So few rows say nothing of a scale.
        "pfd signed.npy bytes.npy --rows ..7",
    ] {
        assert!(!told(line), "{line}");
    }
    let said = column(&place, "rp-score bytes.npy signed.npy", "value").1;
    assert!(said.contains("bytes.npy has numbers from 0.0 to 255.0, mean "), "{said}");
    assert!(said.contains("but signed.npy from -1.0 to 1.0"), "{said}");
    // mae counts shares of a range.
    let mae = |line: &str| column(&place, line, "value").1.contains("mae counts 1/255 of ");
    assert!(mae("rp-score a.csv b.npy --similarity mae"));
    // From 0 to 1 is half of the range that nobody gave.
    assert!(mae("rp-score unit.npy --train a.npy --similarity mae --gl ratio,similarity"));
    assert!(!mae(
        "rp-score unit.npy --train unit.npy --similarity mae --gl ratio,similarity --data-range 0,1"
    ));
    assert!(!mae("rp-score signed.npy signed.npy --similarity mae"));
    assert!(!mae("rp-score a.csv b.npy --similarity mae --data-range 0,16"));
}

#[test]
fn rows_that_are_not_paired_are_warned_of() {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 4 -k 2 -n 30 --noise-std 0.2 --seed 1 --truth t.st -o x.npy");
    place.out("dae-fit x.npy --kind molrg -r 4 -k 2 -o s.st");
    place.out("pf-sample s.st -n 1500 --seed 7 -o s.npy");
    place.out("pf-sample t.st -n 1500 --seed 7 -o t.npy");
    place.out("pf-sample t.st -n 1500 --seed 8 -o other.npy");
    for right in ["s.npy t.st --seed 7", "s.st t.npy --seed 7", "s.npy t.npy", "s.st t.st"] {
        assert_eq!(column(&place, &format!("pfd {right}"), "value").1, "", "{right}");
    }
    let rp = |line: &str| column(&place, &format!("rp-score {line}"), "value").1;
    assert!(!rp("s.npy t.npy").contains("pairing"));
    let err = rp("s.npy other.npy t.npy");
    assert!(err.contains("no more alike") && err.contains("(and 1 more)") && err.contains("--seed"), "{err}");
    for wrong in
        ["s.npy t.st", "s.npy other.npy", "s.npy t.npy other.npy", "--bias-variance other.npy s.npy t.npy"]
    {
        let (values, err) = column(&place, &format!("pfd {wrong}"), "value");
        assert!(err.contains("pairing makes no difference") && err.contains("--seed"), "{wrong}: {err}");
        // With both numbers, of the first 500 rows.
        let word = |after: &str| err.split(after).nth(1).unwrap().trim().split([' ', ',']).next().unwrap();
        let apart: f64 = word(", but ").parse().unwrap();
        if !wrong.starts_with("--") {
            let last: f64 = values[values.len() - 1].parse().unwrap();
            assert!((apart / last - 1.0).abs() < 0.1, "{wrong}: {apart} beside {last}");
        }
    }
}

#[test]
fn pfd_takes_many_inputs() {
    let place = Place::new();
    for (seed, name) in [(1, "a"), (2, "b"), (3, "c")] {
        place.out(&format!("npy noise -n 40 -d 5 --seed {seed} -o {name}.npy"));
    }
    let all = place.bash("pfd a.npy b.npy c.npy").out;
    let rows: Vec<&str> = std::str::from_utf8(&all).unwrap().lines().skip(1).collect();
    for (row, pair) in rows.iter().zip(["a.npy b.npy", "a.npy c.npy", "b.npy c.npy"]) {
        let two = place.bash(&format!("pfd {pair}")).out;
        assert_eq!(Some(*row), std::str::from_utf8(&two).unwrap().lines().nth(1), "{pair}");
    }
    assert_eq!(rows.len(), 3);
}

/// A rank between singular values that are alike is a count of the threshold, not of dimensions.
#[test]
fn ranks_that_hang_on_the_threshold_are_warned_of() {
    let place = Place::new();
    place.out("molrg-gen -d 60 -r 60 -k 1 -n 5 --dtype f64 --truth full.st -o x.npy");
    place.out("molrg-gen -d 60 -r 6 -k 1 -n 5 --dtype f64 --truth low.st -o x.npy");
    // All 60 singular values are 1/(1 + σ²): 59 of them hold more than 0.9801, 58 do not; 60 hold more than 0.99005.
    let (rank, said) = column(&place, "jacobian-rank full.st --sigma 0.5,1 -n 3", "rank_mean");
    assert_eq!(rank, ["59", "59"]);
    let told = "6 of 6 ranks hang on the threshold, since singular values are alike there: at sigma 0.5 rank 59, where \
                s_(r+1) is 1.000 of s_r, would be 58 if twice as much energy might be left out, 60 if half as much";
    assert!(said.contains(told), "{said}");
    // The column of the table that says the same.
    let (gap, _) = column(&place, "jacobian-rank full.st --sigma 0.5 -n 1 --per-sample", "gap");
    assert!((gap[0].parse::<f64>().unwrap() - 1.0).abs() < 1e-9, "{gap:?}");
    let (rank, said) = column(&place, "jacobian-rank low.st --sigma 0.5,1 -n 3", "rank_mean");
    assert_eq!((rank, said.as_str()), (vec!["6".to_string(), "6".to_string()], ""));
}

#[test]
fn of_one_row_there_is_no_interval() {
    let place = Place::new();
    place.put("a.csv", "0,0\n");
    place.put("b.csv", "1,1\n");
    place.put("r.csv", "0,3\n2,3\n");
    for (line, expected) in [
        ("pfd a.csv b.csv", 2f64.sqrt()),
        ("rp-score a.csv --train b.csv --gl distance --reference r.csv", 0.4f64.sqrt()),
    ] {
        assert!((value(&place, line, "value") / expected - 1.0).abs() < 1e-15, "{line}");
        for empty in ["std_error", "ci_low", "ci_high"] {
            assert_eq!(column(&place, line, empty).0, [""], "{line}");
        }
        assert_eq!(value(&place, line, "n"), 1.0);
    }
    let (unbiased, _) = column(&place, "pfd --bias-variance --unbiased a.csv b.csv b.csv", "ci_low");
    assert_eq!(unbiased, ["", "", ""]);
}

#[test]
fn distances_that_squares_do_not_hold_are_refused() {
    let place = Place::new();
    place.put("tiny.csv", "1e-200,1e-200\n".repeat(4));
    place.put("nothing.csv", "0,0\n".repeat(4));
    place.put("huge.csv", "1e200,1e200\n".repeat(4));
    for name in ["tiny", "huge"] {
        let done = place.run(&format!("pfd {name}.csv nothing.csv"));
        assert_eq!(done.code, Some(1), "{name}");
        assert!(done.err.contains("another unit") && done.err.lines().count() == 1, "{}", done.err);
    }
    assert_eq!(value(&place, "pfd tiny.csv tiny.csv", "value"), 0.0);
}

#[test]
fn a_distance_that_few_rows_carry_is_warned_of() {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 4 -k 3 -n 900 --seed 3 --noise-std 0.05 --truth t.st -o x.npy");
    place.out("dae-fit x.npy --kind molrg -r 4 -k 3 --fit noise,weights -q -o s.st");
    let (_, err) = column(&place, "pfd s.st t.st -n 1000 --seed 2 --rows 100..300", "value");
    assert!(
        err.contains("200 rows") && (err.contains("half of the squared") || err.contains("do not show")),
        "{err}"
    );
    assert_eq!(column(&place, "pfd s.st t.st -n 10000", "value").1, "");
}

#[test]
fn levels_are_those_of_the_grid_given() {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 2 -k 1 -n 4 --truth t.st -o x.npy");
    let (sigmas, _) = column(
        &place,
        "jacobian-rank t.st --levels edm:5 --sigma-max 20 --sigma-min 0.1 --rho 3 -n 1",
        "sigma",
    );
    let sigmas: Vec<f64> = sigmas.iter().map(|s| s.parse().unwrap()).collect();
    for (i, sigma) in sigmas.iter().enumerate() {
        let (top, bottom) = (20f64.cbrt(), 0.1f64.cbrt());
        let expected = (top + i as f64 / 4.0 * (bottom - top)).powi(3);
        assert!((sigma / expected - 1.0).abs() < 1e-12, "{sigmas:?}");
    }
    assert_eq!(sigmas.len(), 5);
}

/// docs/coverage.sh measures it; `make coverage` runs that.
#[test]
fn intervals_hold_as_documented() {
    let table = include_str!("../../docs/coverage.csv");
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    assert_eq!(
        lines.next().unwrap(),
        ["quantity", "data", "skewness", "n", "trials", "covered", "warned", "held"]
    );
    let mut quantities = std::collections::BTreeSet::new();
    for row in lines {
        let number = |i: usize| row[i].parse::<f64>().unwrap();
        quantities.insert(row[0]);
        // From 200 rows on: covered, or warned of.
        assert!(number(3) < 200.0 || number(7) >= 0.93, "{row:?}");
        // Without the warnings, too, where squared distances are not very skew.
        let mild = row[2].parse::<f64>().is_ok_and(|skewness| skewness < 7.0);
        assert!(number(3) < 200.0 || !mild || number(5) >= 0.93, "{row:?}");
    }
    let printed =
        ["bias_sq", "gen_error_sq", "gl", "gl_distance", "gl_ratio", "pfd", "pfd_relative", "rp", "variance"];
    assert_eq!(quantities.into_iter().collect::<Vec<_>>(), printed);
}

/// Many samples of a large set are searched through few coordinates, few by all: what is found is the same.
#[test]
fn how_many_samples_are_searched_for_changes_nothing() {
    let place = Place::new();
    place.out("molrg-gen -d 200 -r 8 -k 2 -n 5000 --noise-std 0.05 --truth t.st -o train.npy");
    place.out("molrg-gen --from t.st -n 3000 --seed 1 -o x.npy");
    for gl in ["similarity", "ratio"] {
        let found = |rows: &str| {
            place.out(&format!("rp-score x.npy --train train.npy --gl {gl} --per-sample s.csv {rows}"));
            String::from_utf8(place.get("s.csv")).unwrap()
        };
        let (whole, part) = (found(""), found("--rows 1000..1200"));
        let lines = |text: &str| text.lines().skip(1).map(str::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&whole)[1000..1200], lines(&part), "{gl}");
    }
}
