//! Networks of classes, from labels to samples, and what guides them.

use std::fs;

use crate::place::Place;

/// Three clusters of rows far from each other, their labels, and a network of them.
fn clusters() -> Place {
    clusters_after(400)
}

/// The same after so many steps.
fn clusters_after(steps: u32) -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 6 -r 1 -k 3 -n 600 --mean-norm 4 --seed 1 --labels labels.npy --truth truth.st -o x.npy");
    place.out(&format!(
        "dae-fit x.npy --kind mlp --width 48 --depth 2 --steps {steps} -q --labels labels.npy -o m.st"
    ));
    place
}

fn rows(place: &Place, line: &str, width: usize) -> Vec<Vec<f64>> {
    let text = place.text(&format!("{line} -f csv"));
    let numbers: Vec<f64> = text.split([',', '\n']).filter_map(|v| v.parse().ok()).collect();
    numbers.chunks_exact(width).map(<[f64]>::to_vec).collect()
}

#[test]
fn a_class_is_drawn_that_was_asked_for() {
    let place = clusters();
    let labels = rows(&place, "npy cat labels.npy", 1);
    let data = rows(&place, "npy cat x.npy", 6);
    let mean = |class: usize| -> Vec<f64> {
        let mine: Vec<_> = data.iter().zip(&labels).filter(|(_, l)| l[0] as usize == class).collect();
        (0..6).map(|j| mine.iter().map(|(x, _)| x[j]).sum::<f64>() / mine.len() as f64).collect()
    };
    let means = [0, 1, 2].map(mean);
    let distance = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let nearest =
        |x: &[f64]| (0..3).min_by(|&a, &b| distance(x, &means[a]).total_cmp(&distance(x, &means[b])));
    let share = |samples: &[Vec<f64>], class: &dyn Fn(usize) -> usize| {
        let right = samples.iter().enumerate().filter(|(i, x)| nearest(x) == Some(class(*i))).count();
        right as f64 / samples.len() as f64
    };
    for class in 0..3 {
        // Clusters are 4√2 apart and 1 wide: their denoisers hardly overlap.
        let drawn = rows(&place, &format!("pf-sample m.st -n 60 --class {class}"), 6);
        assert!(share(&drawn, &|_| class) > 0.95, "class {class}");
    }
    let of_rows = |i: usize| labels[i][0] as usize;
    for solver in ["heun", "rk45 --rtol 1e-3 --atol 1e-3 --steps 4"] {
        let drawn = rows(&place, &format!("pf-sample m.st -n 600 --class labels.npy --solver {solver}"), 6);
        assert!(share(&drawn, &of_rows) > 0.95, "{solver}");
    }
    // Without a class all of them: those of the same latents, a third each.
    let drawn = rows(&place, "pf-sample m.st -n 600", 6);
    let by_chance = share(&drawn, &of_rows);
    assert!((0.2..0.5).contains(&by_chance), "{by_chance}");
    for class in 0..3 {
        let share = share(&drawn, &|_| class);
        assert!((0.2..0.5).contains(&share), "class {class}: {share}");
    }
}

#[test]
fn a_served_network_of_classes_has_the_bytes_of_the_file() {
    let place = clusters();
    for line in [
        "pf-sample M -n 70 --steps 4",
        "pf-sample M -n 70 --steps 4 --class 2",
        "pf-sample M -n 600 --steps 4 --class labels.npy",
        "pf-sample M -n 600 --steps 4 --class labels.npy --rows 100..170",
        "pf-sample M -n 600 --steps 3 --class labels.npy --solver rk45 --rtol 0.01 --atol 0.01 --rows ..40",
        "dae-apply M x.npy --sigma 1 --class labels.npy",
        "jacobian-rank M --points x.npy --rows ..3 --sigma 1 --class 1",
    ] {
        let file = place.out(&line.replace('M', "m.st"));
        assert!(file == place.out(&line.replace('M', "exec:dae-serve${IFS}m.st")), "{line}");
        if line.contains("--class") {
            assert!(
                file != place.out(
                    &line
                        .replace("--class 2", "")
                        .replace("--class 1", "")
                        .replace("--class labels.npy", "--class 0")
                        .replace('M', "m.st")
                ),
                "{line}"
            );
        }
    }
    // One class for all rows is that class for every row.
    let zeros: String = "0\n".repeat(30);
    place.put("zeros.csv", zeros);
    assert!(
        place.out("pf-sample m.st -n 30 --class zeros.csv") == place.out("pf-sample m.st -n 30 --class 0")
    );
}

#[test]
fn training_with_labels_goes_on_where_it_was() {
    let place = clusters();
    let fit = "dae-fit x.npy --kind mlp --width 16 --depth 1 --steps 40 -q --labels labels.npy";
    let whole = place.out(&format!("{fit} --threads 1"));
    assert!(place.out(&format!("{fit} --threads 3")) == whole);
    assert!(place.out(&format!("{fit} --drop-label 0.5")) != whole);
    let kept = format!("{fit} --checkpoint kept --every 10");
    place.out(&kept);
    for step in [20, 30, 40] {
        fs::remove_file(place.path(&format!("kept/step-{step:08}.safetensors"))).unwrap();
    }
    place.put("others.csv", "0\n1\n2\n".repeat(200));
    for (other, word) in [
        (kept.replace("labels.npy", "others.csv"), "labels"),
        (kept.replace("--labels labels.npy", ""), "was made with"),
        (format!("{kept} --drop-label 0.2"), "drop-label 0.1, this run asks for 0.2"),
    ] {
        let told = place.fails(1, &format!("{other} --resume -o none.st"));
        assert!(told.contains(word), "{other}: {told}");
    }
    assert!(place.out(&format!("{kept} --resume")) == whole);
}

#[test]
fn labels_and_classes_that_are_none_are_refused() {
    let place = clusters_after(4);
    place.put("short.csv", "0\n1\n");
    place.put("negative.csv", "0\n-1\n".repeat(300));
    place.put("fraction.csv", "0\n0.5\n".repeat(300));
    place.put("large.csv", "0\n700\n".repeat(300));
    place.put("gap.csv", "0\n2\n".repeat(300));
    place.put("huge.csv", "0\n4000000000\n".repeat(300));
    place.put("misnumbered.csv", "row,component\n".to_string() + &"3,1\n".repeat(600));
    place.out(
        "dae-fit x.npy --kind mlp --width 8 --steps 3 -q --labels labels.npy --drop-label 0 -o always.st",
    );
    place.out("dae-fit x.npy --kind mlp --width 8 --steps 3 -q -o plain.st");
    place.out("dae-fit x.npy --kind linear-vae -r 2 -o vae.st");
    let fit = "dae-fit x.npy --kind mlp --width 8 --steps 3 -q -o none.st --labels";
    for (code, line, words) in [
        (1, format!("{fit} short.csv"), "2 labels for 600 rows"),
        (1, format!("{fit} negative.csv"), "row 1: -1 is no label from 0"),
        (1, format!("{fit} fraction.csv"), "row 1: 0.5 is no label from 0"),
        (1, format!("{fit} fraction.csv --rows 300..320"), "row 301: 0.5 is no label from 0"),
        (1, format!("{fit} huge.csv"), "4000000001 classes; at most"),
        (1, format!("{fit} misnumbered.csv"), "row 1: a label of row 3, where that of row 4 is due"),
        (1, format!("{fit} short.csv --rows ..9"), "2 labels for 9 rows; give one a row of all rows"),
        (1, format!("{fit} x.npy"), "6 numbers a row"),
        (2, format!("{fit} labels.npy --drop-label 1"), "--drop-label 1: must be from 0 to below 1"),
        (2, format!("{fit} labels.npy --drop-label nan"), "--drop-label"),
        (2, format!("{fit} labels.npy --nan drop"), "--labels with --nan drop"),
        (2, fit.replace("--labels", "--drop-label 0.1"), "networks with --labels"),
        (2, format!("{fit} labels.npy").replace("mlp", "linear"), "--labels: has no effect here"),
        (2, "pf-sample m.st -n 3 --class 3 -o none".into(), "it has 3 classes, numbered from 0"),
        (2, "pf-sample m.st -n 600 --class large.csv -o none".into(), "it has 3 classes, numbered from 0"),
        (2, "pf-sample m.st -n 3 --class 0.5 -o none".into(), "a class is a whole number"),
        (1, "pf-sample m.st -n 3 --class labels.npy -o none".into(), "600 classes for 3 rows"),
        (
            1,
            "pf-sample m.st -n 601 --rows 600.. --class labels.npy -o none".into(),
            "row 600: there are classes of 600 rows",
        ),
        (2, "pf-sample always.st -n 3 -o none".into(), "nothing without a class; give --class"),
        (2, "dae-features always.st x.npy --sigma 1 --layer in -o none".into(), "nothing without a class"),
        (2, "pf-sample plain.st -n 3 --class 0 -o none".into(), "--class: has no effect here"),
        (2, "pf-sample vae.st -n 3 --class 0 -o none".into(), "--class: has no effect here"),
        (
            2,
            "jacobian-rank m.st --sigma 1 -n 3 --class labels.npy -o none".into(),
            "a class is a whole number from 0",
        ),
        (
            2,
            "dae-apply m.st x.npy --sigma 1 --class labels.npy --nan drop -o none".into(),
            "--class FILE with --nan drop",
        ),
        (2, "dae-apply m.st - --sigma 1 --class - -o none".into(), "standard input is named more than once"),
        (1, "pf-sample exec:dae-serve${IFS}always.st -n 3 -o none".into(), "nothing without a class"),
        (2, "pf-sample m.st -n 3 --guidance 2 -o none".into(), "--unconditional"),
        (2, "pf-sample always.st -n 3 --class 0 --guidance 2 -o none".into(), "--unconditional"),
        (2, "pf-sample truth.st -n 3 --guidance 2 -o none".into(), "--unconditional"),
        (
            2,
            "pf-sample m.st -n 3 --class 0 --guidance 2 --guidance-interval 90,100 -o none".into(),
            "no noise level",
        ),
        (
            2,
            "pf-sample m.st -n 3 --class 0 --guidance 2 --guidance-interval 3,1 -o none".into(),
            "--guidance-interval",
        ),
        (
            2,
            "pf-sample m.st -n 3 --class 0 --guidance 3 --guidance-interval 90,100 --solver rk4 -o none".into(),
            "no noise level",
        ),
        (
            2,
            "pf-sample m.st -n 3 --class 0 --guidance 3 --guidance-interval 90,100 --solver rk45 -o none".into(),
            "no noise level",
        ),
        (
            2,
            "pf-sample m.st -n 3 --class 0 --guidance 3 --guidance-interval 90,100 --churn 10 --churn-max 50 -o none"
                .into(),
            "no noise level",
        ),
        (
            2,
            "pf-sample m.st -n 600 --class labels.npy --guidance 2 --guidance-part mean -o none".into(),
            "--guidance-part with --class FILE",
        ),
        (2, "pf-sample m.st -n 3 --class 0 --guidance-interval 1,3 -o none".into(), "--guidance"),
        (2, "pf-sample m.st -n 3 --class 0 --guidance-part mean -o none".into(), "--guidance"),
        (2, "pf-sample m.st -n 3 --class 0 --guide m.st -o none".into(), "--guide-against"),
        (
            2,
            "pf-sample truth.st -n 3 --guide truth.st --guide-against truth.st --guide-weight inf -o none"
                .into(),
            "finite",
        ),
    ] {
        let told = place.fails(code, &line);
        assert!(told.contains(words), "{line}: {told}");
    }
    let done = place.run(&format!("{fit} gap.csv").replace("none.st", "gap.st"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("1 of 3 classes have no rows (the first is 1)"), "{}", done.err);
    // Labels of some rows may be larger than their number.
    let some = place.run(&format!("{fit} large.csv --rows 300..320 --drop-label 1e-12"));
    assert_eq!(some.code, Some(0), "{}", some.err);
    assert!(some.err.contains("of the 384 rows that training sees are without a label"), "{}", some.err);
    // With churn the same levels are met above the grid.
    place.out("pf-sample m.st -n 3 --class 0 --guidance 3 --guidance-interval 90,120 --churn 40 -o kept.npy");
}

#[test]
fn classes_are_counted_where_rows_are_only_known_at_the_end() {
    let place = clusters_after(4);
    place.put("classes.csv", "0\n1\n2\n".repeat(10));
    for input in ["npy cat x.npy --rows ..20 -f csv", "npy cat x.npy --rows ..20"] {
        place.bash(&format!("{input} > some")).silent(input);
        let done = place.bash("cat some | dae-apply m.st - --sigma 1 --class classes.csv -o none");
        assert_eq!(done.code, Some(1), "{input}: {}", done.err);
        assert!(done.err.contains("30 classes for 20 rows"), "{input}: {}", done.err);
    }
}

#[test]
fn labels_are_taken_as_they_were_written() {
    let place = clusters_after(4);
    place.out("molrg-gen -d 6 -r 1 -k 3 -n 600 --mean-norm 4 --seed 1 --labels labels.csv -o same.npy");
    let fit = "dae-fit x.npy --kind mlp --width 8 --steps 3 -q --drop-label 0 --labels";
    assert!(place.out(&format!("{fit} labels.csv")) == place.out(&format!("{fit} labels.npy")));
    let some = "--rows 300..320";
    assert!(place.out(&format!("{fit} labels.csv {some}")) == place.out(&format!("{fit} labels.npy {some}")));
}

#[test]
fn guidance_takes_both_branches_of_one_file() {
    let place = clusters();
    let draw = "pf-sample m.st -n 50 --steps 6 --dtype f64";
    let alone = place.out(&format!("{draw} --class 1"));
    let guided = place.out(&format!("{draw} --class 1 --guidance 3"));
    assert!(guided != alone);
    assert!(guided == place.out(&format!("{draw} --class 1 --guidance 3 --unconditional m.st")));
    // D_u + 0 (D − D_u) is the branch without a class, and with weight 1 the other is left to rounding.
    assert!(place.out(&format!("{draw} --class 1 --guidance 0")) == place.out(draw));
    place.put("alone-class.npy", &alone);
    place.put("one.npy", place.out(&format!("{draw} --class 1 --guidance 1")));
    place.out("npy diff alone-class.npy one.npy --atol 1e-10 --rtol 1e-10");
    // An interval that holds all levels, and one that holds some.
    assert!(guided == place.out(&format!("{draw} --class 1 --guidance 3 --guidance-interval 0,80")));
    let some = place.out(&format!("{draw} --class 1 --guidance 3 --guidance-interval 0.1,10"));
    assert!(some != guided && some != alone);
    // D + 2 (D_1 − D_none) in other words, up to rounding: the pair is of --class, where it has classes.
    place.out("dae-fit x.npy --kind gaussian --dtype f64 -o all.st");
    place.out("dae-fit x.npy --rows ..40 --kind gaussian --dtype f64 -o some.st");
    let close = |a: &str, b: &str| {
        place.put("a.npy", place.out(a));
        place.put("b.npy", place.out(b));
        place.out("npy diff a.npy b.npy --atol 1e-9 --rtol 1e-9");
    };
    let two = "pf-sample some.st -n 50 --dtype f64";
    close(
        &format!("{two} --unconditional all.st --guidance 3"),
        &format!("{two} --guide some.st --guide-against all.st --guide-weight 2"),
    );
    // The three parts of two Gaussians' difference are added one after the other at one step.
    let step = "dae-apply some.st x.npy --sigma 2 --dtype f64";
    let one = |part: &str| {
        let line = format!(
            "pf-sample some.st --noise x.npy --sigmas 2,0 --from 2 --dtype f64 --unconditional all.st --guidance 2 \
             --guidance-part {part}"
        );
        place.put(&format!("{part}.npy"), place.out(&line));
    };
    ["full", "mean", "positive", "negative"].into_iter().for_each(one);
    place.put("alone.npy", place.out(step));
    let sum = "npy let mean+positive+negative-2*alone --in mean=mean.npy --in positive=positive.npy \
               --in negative=negative.npy --in alone=alone.npy -o sum.npy";
    place.out(sum);
    place.out("npy diff sum.npy full.npy --atol 1e-12 --rtol 0");
}
