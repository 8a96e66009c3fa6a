//! icl: the table of risks, a training near it, a simulation of it, what is refused.

use crate::place::Place;

/// prompt, angle, risk and std_error of every row.
#[track_caller]
fn risks(place: &Place, line: &str) -> Vec<(f64, f64, f64, Option<f64>)> {
    let text = place.text(line);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("prompt,angle,risk,std_error"));
    let number = |field: &str| field.parse::<f64>().ok();
    let row = |line: &str| {
        let fields: Vec<Option<f64>> = line.split(',').map(number).collect();
        (fields[0].unwrap(), fields[1].unwrap(), fields[2].unwrap(), fields[3])
    };
    lines.map(row).collect()
}

const SETTING: &str = "-d 20 -r 5 --prompt 20,100 --eps 1e-3 --angle 0,45,90";

/// As NumPy has them with dense inverses; of a union at every angle the same.
#[test]
fn the_optimum_has_the_risks_of_the_table() {
    let place = Place::new();
    let one = risks(&place, &format!("icl optimal {SETTING} --gamma gamma.npy"));
    let due = [1.1539, 3.4266, 5.6993, 0.2833, 2.6563, 5.0294];
    for ((prompt, angle, risk, error), due) in one.iter().zip(due) {
        assert!((risk - due).abs() < 6e-5 && error.is_none(), "{prompt}, {angle}: {risk}, not {due}");
    }
    assert_eq!(one.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>()[3..5], [(100.0, 0.0), (100.0, 45.0)]);
    let of_file = risks(&place, "icl risk gamma.npy -d 20 -r 5 --prompt 20,100 --angle 0,45,90");
    assert_eq!(one, of_file);
    assert_eq!(one, risks(&place, &format!("icl risk {SETTING}")));
    for (tasks, due) in [("union:2", [1.7742, 0.4957]), ("union:4 --towards 3", [0.0; 2])] {
        let rows = risks(&place, &format!("icl optimal {SETTING} --tasks {tasks}"));
        for of_prompt in rows.chunks(3) {
            let flat = of_prompt.iter().all(|row| (row.2 - of_prompt[0].2).abs() < 1e-12);
            assert!(flat, "{tasks}: {of_prompt:?}");
        }
        assert!(due[0] == 0.0 || (rows[0].2 - due[0]).abs() < 6e-5 && (rows[3].2 - due[1]).abs() < 6e-5);
    }
    // Outside the span nothing is learned: r + τ² and more.
    let outside = risks(&place, &format!("icl optimal {SETTING} --tasks union:2 --towards 3"));
    assert!(outside[2].2 > 5.0 && outside[5].2 > 4.9, "{outside:?}");
}

#[test]
fn a_training_and_a_simulation_come_near_the_optimum() {
    let place = Place::new();
    let setting = "-d 8 -r 2 --prompt 10,20 --tasks union:2 --noise-std 0.2 --angle 0,60";
    let best = risks(&place, &format!("icl optimal {setting}"));
    let train = format!("icl train {setting} --steps 600 --batch 64 --gamma gamma.npy --log log.csv");
    let trained = risks(&place, &train);
    for (best, trained) in best.iter().zip(&trained) {
        let excess = trained.2 - best.2;
        // d · R over 64 · 300 prompts, at angles that training has not seen some times as much to either side.
        assert!(excess.abs() < 0.05 * best.2, "{best:?} {trained:?}");
        assert!(trained.3.is_some_and(|error| error > 0.0 && error < 0.03 * best.2), "{trained:?}");
    }
    // Its file has its risks, and their error over three trainings.
    assert_eq!(
        trained,
        risks(&place, "icl risk gamma.npy -d 8 -r 2 --prompt 10,20 --noise-std 0.2 --angle 0,60")
    );
    let log = String::from_utf8(place.get("log.csv")).unwrap();
    assert!(log.starts_with("prompt,trial,step,risk,optimal,distance\n10,0,1,"), "{log}");
    // After 1, 2, …, 512 and 600 steps of three trainings of two prompts; each is nearer at its end.
    let distances: Vec<f64> =
        log.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1.parse().unwrap()).collect();
    assert_eq!(distances.len(), 2 * 3 * 11);
    assert!(distances.chunks(11).all(|of| of[10] < 0.2 * of[0]), "{distances:?}");
    let simulated = risks(&place, &format!("icl risk {setting} --simulate 4000"));
    for (best, simulated) in best.iter().zip(&simulated) {
        let error = simulated.3.unwrap();
        assert!((simulated.2 - best.2).abs() < 4.0 * error && error < 0.1 * best.2, "{best:?} {simulated:?}");
    }
    // Prompts of their number alone.
    assert_ne!(simulated, risks(&place, &format!("icl risk {setting} --simulate 4000 --seed 1")));
}

#[test]
fn a_training_cut_short_is_told_with_what_is_missing() {
    let place = Place::new();
    let done = place.run("icl train -d 8 -r 2 --prompt 1000 --eps 1e-3 --steps 20 --batch 8 --trials 1");
    let told = "icl: warning: at 1000 pairs and 90 degrees the risk is ";
    assert!(done.code == Some(0) && done.err.contains(told) && done.err.contains("--steps"), "{}", done.err);
    // Of one training nothing tells of its error.
    assert!(String::from_utf8_lossy(&done.out).lines().skip(1).all(|line| line.ends_with(',')));
}

/// More pairs make a larger Γ.
#[test]
fn matrices_in_another_order_are_told() {
    let place = Place::new();
    place.out("icl optimal -d 12 -r 3 --prompt 10,40 --gamma best.npy -o /dev/null");
    place.out("icl train -d 12 -r 3 --prompt 10,40 --steps 300 --batch 32 --trials 2 --eps 0.1 --gamma trained.npy -o /dev/null");
    for name in ["best", "trained"] {
        for (prompt, told) in [("10,40", false), ("40,10", true), ("20,30", false), ("90,90", false)] {
            let done = place.run(&format!("icl risk {name}.npy -d 12 -r 3 --prompt {prompt}"));
            let said = done.err.contains("in another order");
            assert!(done.code == Some(0) && said == told, "{name}, {prompt}: {}", done.err);
        }
    }
}

/// Matrices of other prompts are no repeats of one, be they in turns or of a prompt that is not given.
#[test]
fn matrices_of_several_prompts_are_not_taken_as_one() {
    let place = Place::new();
    let flags = "-d 12 -r 3 --noise-std 0.5";
    place.out(&format!("icl optimal {flags} --prompt 4,30 --gamma both.npy -o /dev/null"));
    place.out("npy cat both.npy both.npy -o turns.npy");
    place.out(&format!("icl train {flags} --prompt 4,30 --steps 100 --gamma trained.npy -o /dev/null"));
    for (name, prompt, told) in
        [("both", "4", true), ("both", "4,30", false), ("turns", "4,30", true), ("trained", "4,30", false)]
    {
        let done = place.run(&format!("icl risk {name}.npy {flags} --prompt {prompt} --angle 0"));
        assert_eq!(done.code, Some(0), "{name}, {prompt}: {}", done.err);
        let said = done.err.contains("matrices that GAMMA has for 4 pairs have traces from 1.4545 to 2.6277");
        assert!(said == told && done.err.is_empty() != told, "{name}, {prompt}: {}", done.err);
    }
}

#[test]
fn what_is_no_setting_is_refused() {
    let place = Place::new();
    place.out("npy noise -d 9 --shape 3,3 -n 2 -o gamma.npy");
    for (line, code, words) in [
        ("icl optimal -d 4 -r 5 --prompt 3", 2, "--rank 5: must be at most --dim 4"),
        ("icl optimal -d 4 -r 0 --prompt 3", 2, "--rank 0"),
        ("icl optimal -d 4 -r 2 --prompt 0", 2, "--prompt"),
        ("icl optimal -d 4 -r 2 --prompt 3 --tasks union:3", 2, "--tasks union:3"),
        ("icl optimal -d 4 -r 2 --prompt 3 --tasks union:1", 2, "it is single"),
        ("icl optimal -d 4 -r 2 --prompt 3 --tasks some", 2, "write single, union:K or full"),
        ("icl optimal -d 3 -r 2 --prompt 3", 2, "give 4 or more, or --angle 0"),
        ("icl optimal -d 4 -r 2 --prompt 3 --angle 91", 2, "--angle 91"),
        ("icl optimal -d 4 -r 2 --prompt 3 --angle nan", 2, "--angle NaN"),
        ("icl optimal -d 4 -r 2 --prompt 3 --noise-std=-1", 2, "--noise-std -1"),
        ("icl optimal -d 4 -r 2 --prompt 3 --eps inf", 2, "--eps inf"),
        ("icl optimal -d 4 -r 2 --prompt 3 --towards 2", 2, "--towards: has no effect here"),
        ("icl optimal -d 6 -r 2 --prompt 3 --tasks union:2 --towards 1", 2, "--towards 1"),
        ("icl optimal -d 1000000000 -r 2 --prompt 3", 2, "do not fit in memory"),
        ("icl train -d 4 -r 2 --prompt 3 --lr 0", 2, "--lr"),
        ("icl train -d 4 -r 2 --prompt 3 --lr 100 --steps 500", 1, "training has diverged"),
        ("icl train -d 4 -r 2 --prompt 3 --batch 4e9", 2, "do not fit in memory"),
        ("icl risk -d 4 -r 2 --prompt 3 --seed 2", 2, "--seed: has no effect here"),
        ("icl risk gamma.npy -d 4 -r 2 --prompt 3", 1, "gamma.npy: items of shape [3, 3]"),
        ("icl risk gamma.npy -d 3 -r 1 --prompt 3-5", 2, "gamma.npy: 2 matrices for 3 --prompt"),
        ("icl risk gamma.npy -d 3 -r 1 --prompt 3 --tasks full", 2, "--tasks: has no effect here"),
        ("icl risk gamma.npy -d 3 -r 1 --prompt 3 --nan drop", 2, "--nan drop"),
    ] {
        let done = place.run(line);
        assert!(done.code == Some(code) && done.err.contains(words), "{line}: {}", done.err);
    }
}
