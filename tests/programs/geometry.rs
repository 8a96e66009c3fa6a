//! dae-compare, linearity, dae-distill and affine models, against each other and against what other programs give.

use std::collections::BTreeMap;

use crate::place::Place;

#[track_caller]
fn sh(place: &Place, script: &str) -> String {
    String::from_utf8(place.bash(script).silent(script)).unwrap()
}

/// Numbers of a csv table by column; of empty fields, none.
#[track_caller]
fn table(text: &str) -> Vec<BTreeMap<String, Option<f64>>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let number = |field: &str| (!field.is_empty()).then(|| field.parse().unwrap());
    lines.map(|line| names.iter().map(|n| n.to_string()).zip(line.split(',').map(number)).collect()).collect()
}

#[track_caller]
fn numbers(place: &Place, line: &str) -> Vec<Vec<f64>> {
    let rows = sh(place, &format!("{line} | npy cat - --format csv"));
    rows.lines().map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect()
}

/// A mixture, its data, and what was fitted to few of them, all in f64.
fn stocked() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 12 -r 3 -k 2 -n 400 --noise-std 0.1 --truth truth.st --dtype f64 -o data.npy");
    place.out("dae-fit data.npy --rows ..40 --kind empirical -o memory.st");
    place.out("dae-fit data.npy --kind gaussian -o gaussian.st");
    place
}

/// By their definitions, from what dae-apply says of both models.
#[test]
fn a_comparison_is_that_of_what_the_denoisers_say() {
    let place = stocked();
    let [a, b] = ["memory.st", "truth.st"].map(|model| {
        numbers(&place, &format!("dae-apply {model} data.npy --sigma 0.7 --add-noise --seed 5"))
    });
    let compared = table(&place.text("dae-compare memory.st truth.st data.npy --sigma 3,0.7 --seed 5"));
    let each =
        table(&place.text("dae-compare memory.st truth.st data.npy --sigma 3,0.7 --seed 5 --per-sample"));
    assert_eq!((compared.len(), each.len()), (2, 800));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let (mut sums, mut squares) = ([0.0; 3], [0.0; 3]);
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let gap: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
        let (gap, size) = (dot(&gap, &gap), dot(a, a));
        let values = [(gap / 12.0).sqrt(), (gap / size).sqrt(), dot(a, b) / (size * dot(b, b)).sqrt()];
        let row = &each[2 * i + 1];
        assert_eq!((row["sigma"], row["sample"]), (Some(0.7), Some(i as f64)));
        for ((sum, value), column) in sums.iter_mut().zip(values).zip(["rmse", "nmse", "cosine"]) {
            *sum += value / 400.0;
            assert!((row[column].unwrap() - value).abs() < 1e-12, "{column} of {i}");
        }
        squares = [squares[0] + gap, squares[1] + size, squares[2] + values[0] * values[0]];
    }
    let row = &compared[1];
    for (column, value) in ["rmse", "nmse", "cosine"].into_iter().zip(sums) {
        assert!((row[column].unwrap() - value).abs() < 1e-12, "{column}: {row:?}, not {value}");
    }
    assert!((row["explained"].unwrap() - (1.0 - squares[0] / squares[1])).abs() < 1e-12);
    // Of rmse: the standard deviation of the rows over √n.
    let error = ((squares[2] / 400.0 - sums[0] * sums[0]) / 399.0).sqrt();
    assert!((row["std_error"].unwrap() / error - 1.0).abs() < 1e-9);
    assert_eq!(row["n"], Some(400.0));
}

/// The points of A's flow are those that pf-sample writes there.
#[test]
fn a_comparison_along_the_flow_is_at_the_points_of_the_flow() {
    let place = stocked();
    let level = "1.5";
    let compared = table(&place.text(&format!(
        "dae-compare memory.st gaussian.st -n 30 --seed 4 --sigma {level} --steps 8 --per-sample"
    )));
    // The level is added to the grid, before it and after.
    place.out(&format!("pf-sample memory.st -n 30 --seed 4 --steps 8 --until {level} -o there.npy"));
    let [a, b] = ["memory.st", "gaussian.st"]
        .map(|model| numbers(&place, &format!("dae-apply {model} there.npy --sigma {level}")));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let gap: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
        let got = compared[i]["rmse"].unwrap();
        assert!((got - (gap / 12.0).sqrt()).abs() < 1e-12, "row {i}: {got}");
    }
}

#[test]
fn a_model_is_at_no_distance_from_itself_and_zero_has_no_direction() {
    let place = stocked();
    for model in ["truth.st", "exec:'dae-serve truth.st'"] {
        let text = sh(&place, &format!("dae-compare truth.st {model} data.npy --sigma 0.5"));
        let row = &table(&text)[0];
        assert!(row["rmse"].unwrap() < 1e-15 && row["cosine"].unwrap() > 1.0 - 1e-12, "{text}");
        assert!((row["explained"].unwrap() - 1.0).abs() < 1e-15);
    }
    // All answers of a point at 0 are 0.
    place.put("zero.csv", "0,0,0,0,0,0,0,0,0,0,0,0\n0,0,0,0,0,0,0,0,0,0,0,0\n");
    place.out("dae-fit zero.csv --kind empirical -o zero.st");
    let row = &table(&place.text("dae-compare zero.st truth.st data.npy --rows ..1 --sigma 1"))[0];
    let undefined = ["nmse", "cosine", "explained", "std_error"].map(|column| row[column]);
    assert_eq!((undefined, row["n"]), ([None; 4], Some(1.0)));
    assert!(row["rmse"].unwrap() > 0.0);
}

#[test]
fn a_distilled_model_flows_as_the_gaussian_it_is() {
    let place = stocked();
    // One Gaussian is affine: distilled by any rows, it is itself.
    sh(
        &place,
        "dae-distill gaussian.st <(npy noise -n 300 -d 12 --dtype f64) --levels edm:18 --report report.csv -o affine.st
         npy diff <(pf-sample affine.st -n 50) <(pf-sample gaussian.st -n 50) --atol 1e-7
         jacobian-rank affine.st --levels edm:18 -n 2 > one.csv; jacobian-rank gaussian.st --levels edm:18 -n 2 > two.csv
         cmp one.csv two.csv",
    );
    let report = table(&String::from_utf8(place.get("report.csv")).unwrap());
    assert_eq!(report.len(), 18);
    for row in &report {
        assert!(row["explained"].unwrap() > 1.0 - 1e-12 && row["rmse"].unwrap() < 1e-6, "{row:?}");
        assert_eq!(row["n"], Some(300.0));
    }
    // Of the same rows and seed, dae-compare has other noise than what the map was fitted on.
    sh(
        &place,
        "molrg-gen -d 48 -r 6 -k 2 -n 300 --seed 3 --truth wide.st -o wide.npy; npy cat wide.npy --rows ..150 -o few.npy",
    );
    place.out("dae-distill wide.st few.npy --sigma 5 -o map.st");
    let rmse = |seed: u32| {
        let line = format!("dae-compare wide.st map.st wide.npy --rows 150.. --sigma 5 --seed {seed}");
        table(&place.text(&line))[0]["rmse"].unwrap()
    };
    let others = (rmse(1) + rmse(2) + rmse(3)) / 3.0;
    // Three seeds are within a tenth of each other; noise that the map knows left it .71 of that.
    assert!(rmse(0) > 0.85 * others, "{} against {others}", rmse(0));
    // And those that its rows are of, too: the Wiener filter of data.npy is the Gaussian's.
    place.out("dae-distill gaussian.st data.npy --sigma 0.5 --report own.csv -o own.st");
    let own = table(&String::from_utf8(place.get("own.csv")).unwrap());
    assert!(own[0]["wiener_nmse"].unwrap() < 1e-18, "{own:?}");
    // Of the posterior mean of a mixture on its own law it is, to about d/n; of what memorized other rows it is not.
    let nmse = |model: &str| {
        sh(
            &place,
            &format!(
                "molrg-gen --from truth.st -n 20000 --skip 400 --dtype f64 | dae-distill {model} - --sigma 0.5 --report r.csv -o a.st"
            ),
        );
        table(&String::from_utf8(place.get("r.csv")).unwrap())[0]["wiener_nmse"].unwrap()
    };
    let (truth, memory) = (nmse("truth.st"), nmse("memory.st"));
    assert!(truth < 12.0 / 20000.0, "{truth}");
    assert!(memory > 0.02, "{memory}");
}

/// The same from a file, a pipe, in any number of threads; and from a program.
#[test]
fn a_distillation_does_not_depend_on_how_its_rows_come() {
    let place = stocked();
    sh(
        &place,
        "distill() { dae-distill memory.st \"$@\" --sigma 2,0.5 --draws 3 --report \"$report\"; }
         report=whole.csv distill data.npy > whole.st
         for threads in 1 2 5; do report=r.csv distill data.npy --threads $threads | cmp - whole.st; cmp r.csv whole.csv; done
         cat data.npy | report=r.csv distill - | cmp - whole.st; cmp r.csv whole.csv
         cat data.npy | report=r.csv distill --threads 1 | cmp - whole.st
         dae-distill exec:'dae-serve --batch 7 memory.st' data.npy --sigma 2,0.5 --draws 3 --workers 2 > served.st
         dae-compare served.st whole.st data.npy --sigma 2,0.5 | table cat --columns rmse > far.csv
         npy cat data.npy --rows 100..300 > part.npy
         dae-distill gaussian.st data.npy --rows 100..300 --sigma 1 > rows.st
         dae-distill gaussian.st part.npy --sigma 1 > part.st
         dae-compare rows.st part.st data.npy --sigma 1 | table cat --columns rmse >> far.csv",
    );
    let far = String::from_utf8(place.get("far.csv")).unwrap();
    for line in far.lines().filter(|line| *line != "rmse") {
        assert!(line.parse::<f64>().unwrap() < 1e-12, "{far}");
    }
}

#[test]
fn what_cannot_be_distilled_is_refused_and_what_is_uncertain_is_told() {
    let place = stocked();
    let said = place.fails(1, "dae-distill memory.st data.npy --rows ..12 --sigma 1 -o a.st");
    assert!(said.contains("data.npy: at noise level 1: 12 rows with noise do not determine an affine map of 12 dimensions; give at least 13"), "{said}");
    let done = place.run("dae-distill memory.st data.npy --rows ..40 --sigma 1 -o a.st");
    assert_eq!(done.code, Some(0));
    assert!(
        done.err.contains("13 coefficients") && done.err.contains("40 rows") && done.err.contains("32 %"),
        "{}",
        done.err
    );
    let done = place.run("dae-distill memory.st data.npy --rows ..40 --sigma 1 --draws 5 -o a.st");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    // Noise that is below the rounding of the rows leaves their rank, here 3.
    place.out("molrg-gen -d 12 -r 3 -n 400 -o flat.npy");
    let said = place.fails(1, "dae-distill gaussian.st flat.npy --sigma 1e-12 -o a.st --dtype f32");
    assert!(said.contains("span fewer than 12 dimensions"), "{said}");
    place.fails(2, "dae-distill memory.st data.npy --sigma 1 --draws 0");
    place.fails(2, "dae-distill memory.st data.npy");
    place.fails(2, "dae-distill memory.st data.npy --sigma 1 --nan drop");
}

#[test]
fn an_affine_model_refuses_levels_that_it_was_not_fitted_at() {
    let place = stocked();
    place.out("dae-distill truth.st data.npy --levels edm:6 -o affine.st");
    for line in [
        "dae-apply affine.st data.npy --sigma 0.7",
        "pf-sample affine.st -n 3 --steps 7",
        "pf-sample affine.st -n 3 --steps 6 --solver dpm2",
        "linearity affine.st data.npy --sigma 80,1",
    ] {
        let said = place.fails(1, line);
        assert!(said.contains("(6 levels) alone"), "{line}: {said}");
    }
    for solver in ["euler", "heun", "dpmpp2m"] {
        place.out(&format!("pf-sample affine.st -n 3 --steps 6 --solver {solver}"));
    }
    let said = sh(&place, "pf-sample exec:'dae-serve affine.st' -n 3 --steps 7 2>&1 >/dev/null || true");
    assert!(said.contains("(6 levels) alone"), "{said}");
    let about = place.text("npy info affine.st");
    assert!(about.contains("affine,12,f64,936,") && about.ends_with(",6 levels\n"), "{about}");
}

#[test]
fn linearity_tells_memorizing_from_one_gaussian() {
    let place = stocked();
    // Symmetric rows, so that the mean of their Gaussian is 0 to rounding.
    let cosines = |line: &str| -> Vec<f64> {
        table(&place.text(line)).iter().map(|row| row["cosine"].unwrap()).collect()
    };
    let centred = cosines("linearity gaussian.st data.npy --sigma 0.1,1,10 --center");
    assert!(centred.iter().all(|c| (c - 1.0).abs() < 1e-12), "{centred:?}");
    let memory = cosines("linearity memory.st data.npy --rows ..40 --sigma 0.1,1,10");
    assert!(memory[0] < 0.9 && memory[2] > 0.95, "{memory:?}");
    for (rows, told) in [(2, false), (4, false), (5, true)] {
        let found = table(&place.text(&format!("linearity memory.st data.npy --rows ..{rows} --sigma 1")));
        assert_eq!(found[0]["std_error"].is_some(), told, "{rows} rows");
    }
    // A direction for all, for each, and the same drawn.
    sh(
        &place,
        "npy noise -n 1 -d 12 --seed 8 --dtype f64 > one.npy
         for i in 1 2 3 4 5; do cat one.npy; done | npy cat - > five.npy
         local() { linearity truth.st data.npy --rows ..5 --sigma 0.5,2 --local --lambda 0.1,1 \"$@\"; }
         local --directions one.npy > one.csv; local --directions five.npy | cmp - one.csv
         local --jacobian differences -q > differences.csv; local > drawn.csv",
    );
    let said = place.fails(
        1,
        "linearity truth.st data.npy --rows ..6 --sigma 1 --local --lambda 1 --directions five.npy",
    );
    assert!(said.contains("no rows for row 5 of the points, after 5"), "{said}");
    sh(&place, "npy let v-v --in v=one.npy -o zero.npy; npy cat one.npy zero.npy -o both.npy");
    for (name, row) in [("zero.npy", 0), ("both.npy", 1)] {
        let line = "linearity truth.st data.npy --rows ..2 --sigma 1 --local --lambda 1 --directions";
        let said = place.fails(1, &format!("{line} {name}"));
        assert!(said.contains(&format!("{name}: row {row} has only zeros")), "{said}");
    }
    let [drawn, differences] =
        ["drawn.csv", "differences.csv"].map(|name| table(&String::from_utf8(place.get(name)).unwrap()));
    assert_eq!(drawn.len(), 4);
    for (a, b) in drawn.iter().zip(&differences) {
        assert_eq!(a["n"], Some(5.0));
        assert!((a["error"].unwrap() - b["error"].unwrap()).abs() < 1e-6, "{a:?}, {b:?}");
    }
    for (code, line) in [
        (2, "linearity truth.st data.npy --sigma 1 --local"),
        (2, "linearity truth.st data.npy --sigma 1 --lambda 1"),
        (2, "linearity truth.st data.npy --sigma 1 --local --lambda 1 --pairs 5"),
        (2, "linearity truth.st data.npy --sigma 1 --jacobian differences"),
        (2, "linearity truth.st data.npy --sigma 1 --local --lambda 0"),
        (1, "linearity truth.st data.npy --rows ..1 --sigma 1"),
    ] {
        place.fails(code, line);
    }
}
