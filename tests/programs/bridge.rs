//! bridge: what goes in and out, and what it warns of.

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, line: &str, code: i32, words: &[&str]) {
    let done = place.run(line);
    assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
}

#[track_caller]
fn warned(place: &Place, line: &str, words: &[&str]) {
    let done = place.run(line);
    assert_eq!(done.code, Some(0), "{line}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
}

/// The number of a column in the first row of a table.
fn number(table: &str, column: &str) -> f64 {
    let mut lines = table.lines();
    let at = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    lines.next().unwrap().split(',').nth(at).unwrap().parse().unwrap()
}

const OU: &str = "--system ou:1.5 --start 0.7";

/// θ = 1.5: of S_0 the variance .316738, of which the end explains .704464² · (1 − e⁻³)/3 = .157187.
#[test]
fn a_fit_tells_the_variance_of_its_scores_and_what_the_end_explains_of_it() {
    let place = Place::new();
    place.out(&format!("bridge fit {OU} -n 4e3 --steps 100 --degree 1 --report report.csv -o fit.csv"));
    let report = place.get("report.csv");
    let report = String::from_utf8(report).unwrap();
    let (variance, explained) = (number(&report, "score_variance"), number(&report, "explained"));
    // √(2/4000) = 2.2 % is the standard error of a variance; steps of 0.01 add 1.5 %.
    assert!((variance / 0.316738 - 1.0).abs() < 4.0 * 0.022 + 0.015, "{variance}");
    assert!((explained * variance / 0.157187 - 1.0).abs() < 0.15, "{explained}");
    // The end is reached to the noise of the last step, √0.01, and nothing is to be warned of.
    let done = place.run("bridge sample fit.csv --target=-1 -n 500 --report ends.csv -o paths.npy");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let ends = String::from_utf8(place.get("ends.csv")).unwrap();
    assert_eq!(number(&ends, "step_noise"), 0.1);
    // 1/√1000 is the standard error of a deviation, as a share; θΔt of the drift.
    assert!((number(&ends, "distance") / 0.1 - 1.0).abs() < 4.0 * 0.032 + 0.03, "{ends}");
}

#[test]
fn an_exact_control_leads_across_a_barrier() {
    let place = Place::new();
    place.out("bridge exact --system double-well:3 --target=-1 --steps 100 -o exact.csv");
    let done = place.run("bridge sample exact.csv --start 1 -n 300 --report ends.csv -o paths.npy");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let ends = String::from_utf8(place.get("ends.csv")).unwrap();
    assert!((number(&ends, "distance") / 0.1 - 1.0).abs() < 0.3, "{ends}");
    refused(&place, "bridge sample exact.csv -n 3 --target 1 -o x.npy", 2, &["--target", "no effect"]);
    refused(&place, "bridge exact --system double-well:3 --target 1 --chain", 2, &["--chain", "no effect"]);
    refused(&place, "bridge exact --system ou:1 --target 1 --range 2,1", 2, &["--range 2,1", "must rise"]);
    refused(&place, "bridge exact --system ou:1 --target 1 --range 2", 2, &["--range"]);
}

#[test]
fn what_a_fit_cannot_know_is_warned_of() {
    let place = Place::new();
    // 1/Δt = 200 is the variance of S_0, of which the end explains .157.
    let first = format!("bridge fit {OU} -n 300 --mode first --degree 3 -o first.csv");
    warned(&place, &first, &["of 200 steps", "by chance", "--mode average"]);
    // No path of 500 crosses the barrier.
    place.out("bridge fit --system double-well:5 --start 1 -n 500 --steps 100 --degree 1 -o well.csv");
    warned(
        &place,
        "bridge sample well.csv --target=-1 -n 20 -o x.npy",
        &["--target -1", "deviations from the mean of the ends"],
    );
    // A control of nothing leaves paths to their drift.
    place.out("bridge exact --system ou:1.5 --target 0 --places 2 --steps 10 -o ou.csv");
    let idle = String::from_utf8(place.get("ou.csv")).unwrap();
    let rows = idle.lines().enumerate().map(|(i, line)| match (i, line.rsplit_once(',')) {
        (1.., Some((before, _))) => format!("{before},0\n"),
        _ => format!("{line}\n"),
    });
    place.put("idle.csv", rows.collect::<String>());
    warned(
        &place,
        "bridge sample idle.csv --start 9 --seed 1 -n 9 -o x.npy",
        &["root mean square", "does not lead"],
    );
}

/// Paths that begin where the fit's never were.
#[test]
fn a_start_of_which_a_control_knows_nothing_is_told() {
    let place = Place::new();
    place.out("bridge fit --system double-well:1 --start 0.2 -n 2000 --steps 40 --degree 3 -o cubic.csv");
    place.out("bridge fit --system ou:1 --start 0.2 -n 2000 --steps 40 --degree 1 -o straight.csv");
    place.out(
        "bridge fit --system brownian --start=0,50 -n 640 --steps 8 --kind mlp --width 4 --depth 0 -q -o net.csv",
    );
    place.out("bridge exact --system double-well:1 --target 1 --range=-2,2 --steps 20 -o grid.csv");
    place.out("bridge exact --system ou:1 --target 1 --range=-2,2 --steps 20 -o line.csv");
    for (flags, words) in [
        ("cubic.csv --target 1 --start 1.5", "--start 1.5: the fit's paths began at 0.2, and at "),
        ("cubic.csv --target 1 --start 0.4", ""),
        ("cubic.csv --target 1", ""),
        ("straight.csv --target 1 --start 3", ""),
        ("net.csv --target=0,50 --start=0,54", "--start 54 of coordinate 1: "),
        ("net.csv --target=0,50 --start=0.5,49", ""),
        ("grid.csv --start 2.5", "--start 2.5: outside the places of the control, -2 to 2"),
        ("grid.csv --start 2", ""),
        ("line.csv --start 2.5", ""),
    ] {
        let line = format!("bridge sample {flags} -n 2 -o x.npy");
        let done = place.run(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        assert!(
            done.err.contains(words) && done.err.contains("--start") != words.is_empty(),
            "{line}: {}",
            done.err
        );
    }
}

#[test]
fn what_is_no_control_is_refused_by_its_line() {
    let place = Place::new();
    place.out("bridge fit --system ou:1 -n 50 --steps 3 --degree 1 -o fit.csv");
    place.out("bridge exact --system ou:1 --target 1 --steps 3 --places 3 -o exact.csv");
    let sample = |name: &str, words: &[&str]| {
        refused(&place, &format!("bridge sample {name} --target 1 -n 2 -o x.npy"), 1, words);
    };
    let edit = |name: &str, of: &str, from: &str, to: &str| {
        let text = String::from_utf8(place.get(of)).unwrap();
        assert!(text.contains(from), "{text}");
        place.put(name, text.replacen(from, to, 1));
    };
    place.put("other.csv", "a,b\n1,2\n");
    sample("other.csv", &["other.csv", "system"]);
    edit("system.csv", "fit.csv", "\nou:1,", "\nou:2,");
    sample("system.csv", &["system.csv: line 3", "system is another"]);
    let whole = String::from_utf8(place.get("fit.csv")).unwrap();
    place.put("drift.csv", whole.replace("\nou:1,", "\nlorenz63,"));
    sample("drift.csv", &["line 2", "system: write brownian"]);
    edit("step.csv", "fit.csv", "average,1,", "average,2,");
    sample("step.csv", &["line 5: step 2"]);
    let whole = String::from_utf8(place.get("exact.csv")).unwrap();
    let cut: String = whole.lines().take(9).map(|line| format!("{line}\n")).collect();
    place.put("cut.csv", cut);
    refused(&place, "bridge sample cut.csv -n 2 -o x.npy", 1, &["line 8", "2 rows, the first has 3"]);
    refused(&place, "bridge sample fit.csv -n 2 -o x.npy", 2, &["--target"]);
    refused(&place, "bridge fit --system ou:1 -n 10 -o x.csv", 2, &["--samples 10", "10 coefficients"]);
    refused(&place, "bridge fit --system ou:1 -n 99 --time 0 -o x.csv", 2, &["--time 0"]);
    refused(&place, "bridge fit --system ou:x -n 99 -o x.csv", 2, &["--system"]);
    let runaway = "bridge score --system double-well:1000 --start 50 -n 2 --steps 9 -o x.npy";
    refused(&place, runaway, 1, &["row 0", "runs away"]);
}

/// Where an exact control is asked between places that are far apart, or outside them.
#[test]
fn places_that_do_not_hold_a_control_are_told() {
    let place = Place::new();
    for (drift, flags, words) in [
        (
            "double-well:2",
            "--range=-0.2,0.2 --places 21",
            "points lie outside the places of the control, -0.2 to 0.2",
        ),
        ("double-well:2", "--places 9", "between the 9 places of the control"),
        ("double-well:2", "--places 41", ""),
        ("double-well:2", "--range=-2,2 --places 40", ""),
        ("ou:2", "--range=-0.2,0.2 --places 2", ""),
    ] {
        place.out(&format!("bridge exact --system {drift} --target=-1 --steps 100 {flags} -o exact.csv"));
        let done = place.run("bridge sample exact.csv --start 0.1 -n 300 -o x.npy");
        assert_eq!(done.code, Some(0), "{flags}: {}", done.err);
        assert!(done.err.contains(words) && done.err.is_empty() == words.is_empty(), "{flags}: {}", done.err);
    }
}

/// Steps from which paths grow, though not beyond all numbers before their end.
#[test]
fn steps_too_long_for_the_drift_are_refused() {
    let place = Place::new();
    for line in [
        "bridge fit --system double-well:5 --start 1 -n 100 --steps 5",
        "bridge score --system double-well:5 --start 3 -n 9 --steps 3",
        "bridge score --system ou:9 --start 1 -n 9 --steps 4",
        "bridge fit --system double-well:1 --kind mlp --start 2 -n 640 --steps 3",
    ] {
        refused(&place, &format!("{line} -o x"), 1, &["row ", "runs away", "times as long", "more steps"]);
    }
    place.out("bridge exact --system double-well:5 --target 1 --steps 5 -o exact.csv");
    refused(&place, "bridge sample exact.csv --start 1 -n 99 -o x", 1, &["runs away", "more steps"]);
    // The last step leads to none, and shorter ones not to longer.
    for line in ["ou:9 --start 1 -n 9 --steps 1", "ou:7 --start 1 -n 9 --steps 4"] {
        let done = place.run(&format!("bridge score --system {line} -o x.npy"));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{line}");
    }
}

/// A network in two dimensions: what goes in and out, and the distance of ends beside the noise of one step.
#[test]
fn a_network_leads_two_coordinates() {
    let place = Place::new();
    let setting = "--system ou:1.5 --start=0.7,-0.3 --steps 20";
    let shape = |name: &str| place.text(&format!("npy info {name}"));
    place.out(&format!("bridge score {setting} -n 9 --paths paths.npy -o scores.npy"));
    assert!(
        shape("scores.npy").contains("9x20x2") && shape("paths.npy").contains("9x21x2"),
        "{}",
        shape("scores.npy")
    );
    let fit = format!("bridge fit {setting} -n 9600 --kind mlp --width 16 --depth 1 --lr 0.01 -q");
    place.out(&format!("{fit} --report report.csv -o fit.csv"));
    assert!(
        place.out(&fit) == place.get("fit.csv")
            && place.out(&format!("{fit} --threads 1")) == place.get("fit.csv")
    );
    let report = String::from_utf8(place.get("report.csv")).unwrap();
    assert_eq!((report.lines().count(), number(&report, "by_chance")), (21, 0.0));
    // As of one coordinate above: .157187 of .316738, of unseen paths of two; the network is off a little.
    assert!((number(&report, "explained") - 0.496).abs() < 0.1, "{report}");
    place.out("bridge sample fit.csv --target=-1,0.5 -n 400 --report ends.csv -o led.npy");
    assert!(shape("led.npy").contains("400x21x2"), "{}", shape("led.npy"));
    let ends = String::from_utf8(place.get("ends.csv")).unwrap();
    assert!((number(&ends, "step_noise") - 0.1f64.sqrt()).abs() < 1e-12, "{ends}");
    assert!((number(&ends, "distance") / 0.1f64.sqrt() - 1.0).abs() < 0.3, "{ends}");
    warned(
        &place,
        "bridge sample fit.csv --target=0,9 -n 2 -o x.npy",
        &["--target 9", "deviations from the mean"],
    );
    for (line, code, words) in [
        ("bridge sample fit.csv --target 1 -n 2", 2, &["--target: 1 numbers", "2 coordinates"][..]),
        ("bridge sample fit.csv --target 1,1 --start 0 -n 2", 2, &["--start: 1 numbers"]),
        ("bridge sample fit.csv -n 2", 2, &["--target"]),
        ("bridge fit --system ou:1 --start 1,1 -n 999", 2, &["--start: 2 coordinates", "--kind mlp"]),
        ("bridge fit --system ou:1 -n 999 --kind mlp --degree 2", 2, &["--degree: has no effect"]),
        ("bridge fit --system ou:1 -n 999 --width 3", 2, &["--width: has no effect"]),
        ("bridge fit --system ou:1 -n 99 --kind mlp", 2, &["--samples 99", "320 or more"]),
    ] {
        refused(&place, &format!("{line} -o x.npy"), code, words);
    }
    let text = String::from_utf8(place.get("fit.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    place.put("cut.csv", cut);
    refused(
        &place,
        "bridge sample cut.csv --target 1,1 -n 2 -o x.npy",
        1,
        &["cut.csv", "take the table whole"],
    );
    let mut other = lines.clone();
    let last = lines.len() - 1;
    other.swap(last - 1, last);
    place.put("other.csv", other.join("\n") + "\n");
    refused(
        &place,
        "bridge sample other.csv --target 1,1 -n 2 -o x.npy",
        1,
        &[
            &format!("line {last}"),
            &format!("parameter {} where parameter {} should follow", last - 11, last - 12),
        ],
    );
    let without = lines.iter().filter(|line| !line.contains(",start,")).map(|line| format!("{line}\n"));
    place.put("without.csv", without.collect::<String>());
    refused(&place, "bridge sample without.csv --target 1,1 -n 2 -o x.npy", 1, &["0 coordinates"]);
    place.put("flat.csv", text.replacen(lines[7], &lines[7].replace(",y_mean,0,", ",y_mean,2,"), 1));
    refused(
        &place,
        "bridge sample flat.csv --target 1,1 -n 2 -o x.npy",
        1,
        &["line 8", "y_mean 2 where y_mean 0"],
    );
    place.put("wide.csv", text.replace(",16,1,", ",4000,60,"));
    refused(&place, "bridge sample wide.csv --target 1,1 -n 2 -o x.npy", 1, &["wide.csv"]);
}

/// Coordinates that begin far from each other are each counted by their own mean and deviation.
#[test]
fn a_target_is_far_from_the_ends_of_its_own_coordinate() {
    let place = Place::new();
    place.out("bridge fit --system brownian --start=0,50 -n 640 --steps 8 --kind mlp --width 4 --depth 0 -q -o fit.csv");
    let far = |target: &str| {
        place
            .run(&format!("bridge sample fit.csv --target={target} -n 1 -o x.npy"))
            .err
            .contains("deviations from the mean")
    };
    // Ends are N(0, 1) and N(50, 1): as of both together, 25 ± 25, none of these is far.
    assert!(!far("0.5,49"));
    assert!(far("9,50") && far("0,41") && far("50,0"));
}
