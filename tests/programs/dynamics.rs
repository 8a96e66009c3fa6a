//! sde and assimilate: what goes in and out.

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, line: &str, code: i32, words: &[&str]) {
    let done = place.run(line);
    assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
}

/// The mean over steps of a score of a report.
fn score(place: &Place, report: &str, name: &str) -> f64 {
    let table = place.text(&format!("table mean {report} --by score --value value"));
    let line = table.lines().find(|line| line.starts_with(&format!("{name},"))).unwrap();
    line.split(',').nth(1).unwrap().parse().unwrap()
}

#[test]
fn particles_score_as_the_exact_filter_does() {
    let place = Place::new();
    let system = "--system ou -d 2 --rate 0.7 --observe 1 --noise-std 0.4";
    place.out(&format!("sde {system} -n 60 --steps 12 --observations seen.npy -o paths.npy"));
    let score_of = |method: &str| {
        let line = format!(
            "assimilate seen.npy {system} --method {method} --truth paths.npy --report r.csv -o x.npy"
        );
        let done = place.run(&line);
        assert!(done.code == Some(0) && done.err.is_empty(), "{line}: {}", done.err);
        ["rmse", "spread", "crps", "wasserstein"].map(|name| score(&place, "r.csv", name))
    };
    let exact = score_of("kalman");
    // A filter that is the conditional law is off by as much as it says: 60 paths, steps alike, two coordinates of which one is
    // seen: 1/√120 of it, three times.
    assert!((exact[0] / exact[1] - 1.0).abs() < 0.3, "{exact:?}");
    assert!(exact[2] < exact[3] && exact[3] > exact[1] / 2.0, "{exact:?}");
    for method in ["particle --particles 4000", "ensemble-kalman --particles 4000"] {
        // As 1/√4000 and, of the weights, a few times that.
        for (found, exact) in score_of(method).iter().zip(exact) {
            assert!((found / exact - 1.0).abs() < 0.03, "{method}: {found} {exact}");
        }
    }
}

/// The published settings: Lorenz-63 through the arctangent, particles from where the attractor is.
#[test]
fn a_chaotic_system_is_followed_from_what_is_seen_of_it() {
    let place = Place::new();
    let seen = "--system lorenz63 --through atan --noise-std 0.25";
    place.out(&format!("sde {seen} -n 8 --steps 60 --observations seen.npy -o paths.npy"));
    place.out(&format!("assimilate seen.npy {seen} --method particle --particles 2000 --truth paths.npy --report r.csv -o x.npy"));
    let last = |k: usize| {
        let report = String::from_utf8(place.get("r.csv")).unwrap();
        let line = report.lines().find(|line| line.starts_with(&format!("{k},rmse,"))).unwrap().to_string();
        line.split(',').nth(2).unwrap().parse::<f64>().unwrap()
    };
    // The attractor's deviations are about 8, and arctan tells little more than signs at first; then lobes are known.
    assert!(last(60) < 0.5 * last(0), "{} {}", last(0), last(60));
}

#[test]
fn weights_that_collapse_are_told() {
    let place = Place::new();
    place.out(
        "sde --system brownian -d 8 -n 3 --steps 4 --noise-std 0.01 --observations seen.npy -o paths.npy",
    );
    let line = "assimilate seen.npy --system brownian -d 8 --noise-std 0.01 --method particle --particles 50 -o x.npy";
    let done = place.run(line);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("of 15 states rest on fewer than 10 particles"), "{}", done.err);
}

/// Trained on pairs of states, FlowDAS is about as wide and as near as the exact filter, and forecasts the law; members that move
/// by a mean alone keep nothing of it.
#[test]
fn transitions_that_are_learned_follow_and_forecast() {
    let place = Place::new();
    place.out("sde --system ou -n 4000 --steps 1 --dt 0.5 -o pairs.npy");
    place.out("npy cat pairs.npy --cols ..1 -o before.npy");
    place.out("npy cat pairs.npy --cols 1.. -o after.npy");
    for (loss, steps) in [("interpolant", 1500), ("regression", 800)] {
        place.out(&format!(
            "dae-fit after.npy --condition before.npy --kind mlp --width 24 --depth 1 --loss {loss} --steps {steps} -q -o {loss}.st"
        ));
    }
    place.out("sde --system ou --dt 0.5 -n 20 --steps 8 --observations seen.npy --seed 5 -o paths.npy");
    let scores = |method: &str, flags: &str| {
        place.out(&format!(
            "assimilate seen.npy --system ou {method} --truth paths.npy --report r.csv {flags} -o x.npy"
        ));
        ["rmse", "spread"].map(|name| score(&place, "r.csv", name))
    };
    let (flow, mean) = (
        "--method flowdas --model interpolant.st --particles 60 --steps 40 --estimates 10",
        "--method regression --model regression.st --particles 60",
    );
    let exact = scores("--method kalman --dt 0.5", "");
    let near = scores(flow, "");
    // Measured with 100 members: 1.05 and 1.10 of the exact filter's.
    assert!(near[0] < 1.25 * exact[0] && (0.9..1.35).contains(&(near[1] / exact[1])), "{near:?} {exact:?}");
    let exact = scores("--method kalman --dt 0.5", "--known-first --until 0");
    let law = scores(flow, "--known-first --until 0");
    // 60 members: a tenth of a deviation.
    assert!((law[1] / exact[1] - 1.0).abs() < 0.15, "{law:?} {exact:?}");
    assert!(scores(mean, "--known-first --until 0")[1] < 1e-6);
    let blind = scores(mean, "");
    assert!(blind[1] < 0.5 * blind[0], "{blind:?}");
    // They foresee observations as if nothing moved them by chance, which is no doubt of these.
    place.out("sde --system ou --dt 0.5 -n 20 --steps 8 --noise-std 0.05 --observations sharp.npy --seed 5 -o sharp-paths.npy");
    let sharp = place.run(&format!(
        "assimilate sharp.npy --system ou {mean} --noise-std 0.05 --truth sharp-paths.npy -o x.npy"
    ));
    assert!(!sharp.err.contains("observations"), "{}", sharp.err);
    for (line, words) in [
        ("assimilate seen.npy --system ou --method flowdas", &["--model"][..]),
        ("assimilate seen.npy --system ou --method particle --model regression.st", &["--model", "flowdas"]),
        ("assimilate seen.npy --system ou --method particle --steps 9", &["--steps", "flowdas"]),
        (
            "assimilate seen.npy --system ou --method flowdas --model interpolant.st --dt 2",
            &["--dt", "--model"],
        ),
        (
            "assimilate seen.npy --system ou --method flowdas --model interpolant.st --quirk norm",
            &["--quirk norm", "--step-size"],
        ),
        (
            "assimilate seen.npy --system ou --method flowdas --model interpolant.st --quirk drift --endpoint first",
            &["--quirk drift", "--endpoint second"],
        ),
        ("assimilate seen.npy --system ou --method kalman --until 8", &["--until", "last"]),
        ("dae-fit after.npy --kind mlp --loss interpolant", &["--loss interpolant", "--condition"]),
        ("dae-fit after.npy --kind linear --loss regression --condition before.npy", &["--kind mlp"]),
        ("dae-fit after.npy --kind gaussian --condition before.npy", &["--condition", "mlp"]),
    ] {
        refused(&place, line, 2, words);
    }
    for (line, words) in [
        (
            "assimilate seen.npy --system ou --method flowdas --model regression.st",
            &["regression.st", "--loss interpolant"][..],
        ),
        (
            "assimilate seen.npy --system ou --method regression --model interpolant.st",
            &["interpolant.st", "--loss regression"],
        ),
        ("assimilate seen.npy --system ou --method kalman --until 9", &["--until 9", "0 to 8"]),
        (
            "dae-fit after.npy --kind mlp --loss interpolant --condition pairs.npy",
            &["--condition", "2 numbers"],
        ),
        ("dae-fit after.npy --kind mlp --condition seen.npy", &["20 conditions for 4000 rows"]),
        ("pf-sample interpolant.st -n 3 --condition before.npy -o x.npy", &["4000 conditions for 3 rows"]),
    ] {
        refused(&place, line, 1, words);
    }
}

/// Of observations that are those of their system nothing is said, by no method and of no system.
#[test]
fn observations_that_are_not_of_their_system_are_told() {
    let place = Place::new();
    place.out("sde --system ou -n 12 --steps 12 --observations seen.npy -o paths.npy");
    place.out("sde --system ou -n 12 --steps 12 --seed 5 -o other.npy");
    place.out("npy let 1000*y --in y=seen.npy -o large.npy");
    place.out("npy let 0.001*y --in y=seen.npy -o small.npy");
    let told = |line: &str, words: &str| {
        let line = format!("assimilate {line} -o x.npy");
        let done = place.run(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        // Particles collapse besides.
        let said: Vec<&str> = done.err.lines().filter(|line| !line.contains("rest on fewer than")).collect();
        assert_eq!(said.len(), usize::from(!words.is_empty()), "{line}: {}", done.err);
        assert!(said.iter().all(|said| said.contains(words)), "{line}: {}", done.err);
    };
    for method in ["kalman", "particle --particles 400", "ensemble-kalman --particles 40"] {
        let system = format!("--system ou --method {method}");
        let scored = format!("{system} --report r.csv --truth");
        told(&format!("seen.npy {scored} paths.npy"), "");
        told(&format!("seen.npy {scored} paths.npy --known-first --until 3"), "");
        told(
            &format!("large.npy {system}"),
            "the filter does not foresee the observations: (y − ȳ)²/(v + s²)",
        );
        told(&format!("small.npy {system}"), "observations are nearer than their noise lets them be");
        told(&format!("seen.npy {system} --noise-std 2.5"), "--noise-std 2.5 or --diffusion is too large");
        told(&format!("seen.npy {system} --diffusion 0.02"), "on average of 144 steps, where 1 is due");
        told(&format!("seen.npy {scored} other.npy"), "other.npy: observations are not of these paths");
        // A filter that believes what is seen is hardly surprised by it.
        told(&format!("seen.npy {scored} paths.npy --noise-std 0.05"), "--noise-std 0.05 is not");
    }
    for system in [
        "--system lorenz63 --through atan",
        "--system lorenz63 --observe 0 --noise-std 2",
        "--system double-well --through cube --noise-std 0.2",
        "--system brownian -d 4 --noise-std 0.5",
    ] {
        place.out(&format!("sde {system} -n 2 --steps 30 --observations y.npy -o p.npy"));
        for method in ["particle", "ensemble-kalman --particles 20"] {
            told(&format!("y.npy {system} --method {method} --truth p.npy --report r.csv"), "");
        }
    }
}

/// What is exactly normal is told from chance on, where it is an eighth off: of the Kalman filter all, of others what the truth
/// and its observations differ by.
#[test]
fn what_is_exact_is_told_from_chance() {
    let place = Place::new();
    let system = "--system ou -d 2 --rate 0.7 --diffusion 1.3";
    let drawn = format!("sde {system} --dt 0.2 --noise-std 0.4 -n 50 --steps 15 --dtype f64");
    place.out(&format!("{drawn} --observations seen.npy -o paths.npy"));
    place.out("npy cat paths.npy -o paths.csv");
    let rolled = String::from_utf8(place.get("paths.csv")).unwrap();
    let roll = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields.rotate_left(2);
        fields.join(",") + "\n"
    };
    place.put("rolled.csv", rolled.lines().map(roll).collect::<String>());
    for (flags, words) in [
        ("--method kalman --dt 0.2 --noise-std 0.4 --report r.csv --truth paths.csv", ""),
        (
            "--method kalman --dt 0.2 --noise-std 0.4 --report r.csv --truth rolled.csv",
            "rolled.csv: observations",
        ),
        (
            "--method particle --dt 0.2 --noise-std 0.4 --report r.csv --truth rolled.csv",
            "rolled.csv: observations",
        ),
        ("--method particle --dt 0.2 --noise-std 0.3 --report r.csv --truth paths.csv", "--noise-std 0.3"),
        ("--method kalman --dt 0.2 --noise-std 0.1", "does not foresee"),
        ("--method kalman --dt 0.02 --noise-std 0.4", "does not foresee"),
        ("--method kalman --dt 0.4 --noise-std 0.4", "nearer than their noise"),
    ] {
        let done = place.run(&format!("assimilate seen.npy {system} {flags} -o x.npy"));
        assert_eq!(done.code, Some(0), "{flags}: {}", done.err);
        assert!(done.err.contains(words) && done.err.is_empty() == words.is_empty(), "{flags}: {}", done.err);
        assert!(!flags.contains("kalman") || !done.err.contains("--particles"), "{flags}: {}", done.err);
    }
}

/// Of all methods the reason is told; what comes after --until is not used.
#[test]
fn observations_that_are_no_numbers_are_named() {
    let place = Place::new();
    place.put("seen.csv", "0.1,0.2,nan,0.3\n");
    for method in ["kalman", "particle --particles 20", "ensemble-kalman --particles 20"] {
        let line = format!("assimilate seen.csv --system ou --method {method} --nan pass -o x.npy");
        refused(&place, &line, 1, &["row 0: step 2: an observation is NaN", "--until"]);
        place.out(&format!("{line} --until 1"));
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let place = Place::new();
    place.out("sde --system ou -n 4 --steps 3 --observations seen.npy -o paths.npy");
    place.out("npy cat paths.npy --rows ..3 -o fewer.npy");
    place.out("npy cat paths.npy -o paths.csv");
    place.out("npy cat fewer.npy -o fewer.csv");
    for (line, code, words) in [
        ("sde --system ou -n 4 --steps 3 --substeps 2", 2, &["--substeps", "exact"][..]),
        ("sde --system lorenz63 -n 4 --steps 3 -d 4", 2, &["--dim"]),
        ("sde --system lorenz63 -n 4 --steps 3 --lorenz 1,2", 2, &["--lorenz", "three"]),
        ("sde --system ou -d 3 -n 4 --steps 3 --start 1,2", 2, &["--start: 2 numbers for 3"]),
        ("sde --system ou -n 4 --steps 3 --noise-std 1", 2, &["--noise-std", "--observations"]),
        (
            "sde --system ou -n 4 --steps 3 --observations y.npy --observe 1",
            2,
            &["--observe 1", "from 0 to 0"],
        ),
        ("sde --system brownian -n 4 --steps 3 --diffusion 0 --seed 1", 2, &["--seed", "nothing is drawn"]),
        ("sde --system double-well -n 4 --steps 9 --dt 9", 1, &["path 0", "--substeps"]),
        (
            "sde --system double-well --barrier 20 --substeps 1 --diffusion 1 -n 4 --steps 3",
            1,
            &["times as long"],
        ),
        (
            "sde --system double-well --barrier 20 --substeps 1 --burn-in 3 -n 4 --steps 1",
            1,
            &["path 0, step 0"],
        ),
        ("assimilate seen.npy --system lorenz63 --method kalman", 2, &["--method kalman"]),
        (
            "assimilate seen.npy --system double-well --method kalman",
            2,
            &["--method kalman", "ou and brownian"],
        ),
        (
            "assimilate seen.npy --system ou --method kalman --through atan",
            2,
            &["--method kalman", "identity"],
        ),
        ("assimilate seen.npy --system ou --method kalman --particles 9", 2, &["--particles"]),
        ("assimilate seen.npy --system ou --method particle --truth paths.npy", 2, &["--truth", "--report"]),
        ("assimilate seen.npy --system ou -d 3 --method particle", 1, &["seen.npy", "3 numbers are seen"]),
        (
            "assimilate seen.npy --system ou --method kalman --truth fewer.npy --report r.csv",
            1,
            &["fewer.npy: 3 paths, where seen.npy has observations of 4"],
        ),
        (
            "assimilate fewer.npy --system ou --method kalman --truth paths.npy --report r.csv",
            1,
            &["paths.npy: 4 paths, where fewer.npy has observations of 3"],
        ),
        // Of some rows both have as many.
        (
            "assimilate seen.npy --rows ..2 --system ou --method kalman --truth fewer.npy --report r.csv",
            1,
            &["fewer.npy: 3 paths, where seen.npy has observations of 4"],
        ),
        // Of text it is not known before.
        (
            "assimilate seen.npy --system ou --method kalman --truth fewer.csv --report r.csv",
            1,
            &["row 3: fewer.csv: 3 paths, and observations go on"],
        ),
        (
            "assimilate fewer.npy --system ou --method kalman --truth paths.csv --report r.csv",
            1,
            &["paths.csv: 4 paths, of which 3 were seen"],
        ),
    ] {
        refused(&place, line, code, words);
    }
}

/// What the sampler's settings make of states is told: steps of the guidance that are too long for the noise, and noise levels that
/// the network has not learned.
#[test]
fn states_that_mean_nothing_are_told() {
    let place = Place::new();
    place.out("sde --system ou -n 500 --steps 1 --dt 0.5 -o pairs.npy");
    place.out("npy cat pairs.npy --cols ..1 -o before.npy");
    place.out("npy cat pairs.npy --cols 1.. -o after.npy");
    let fit = "dae-fit after.npy --condition before.npy --kind mlp --width 8 --depth 1 --steps 200 -q";
    place.out(&format!("{fit} --loss interpolant -o moves.st"));
    place.out(&format!("{fit} --loss uniform --sigma-range 0.02,3 -o low.st"));
    place.out(&format!("{fit} --loss edm -o edm.st"));
    place.out("sde --system ou --dt 0.5 -n 3 --steps 2 --observations seen.npy --seed 5 -o paths.npy");
    let said = |model: &str, flags: &str| {
        let line = format!(
            "assimilate seen.npy --system ou --method flowdas --model {model} --particles 20 --estimates 5 {flags} -o x.npy"
        );
        let done = place.run(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        done.err
    };
    assert_eq!(said("moves.st", "--steps 30"), "");
    let far = said("moves.st", "--steps 30 --start 100");
    assert!(far.contains("(y − h(x))²/s² of the members is ") && far.contains("where 1 is due"), "{far}");
    let astray = said("moves.st", "--steps 30 --noise-std 0.043");
    assert!(
        astray.contains("of 9 states were reached by members that went over 10 times as far"),
        "{astray}"
    );
    let line = "assimilate seen.npy --system ou --method flowdas --model moves.st --particles 20 --steps 30 --noise-std 0.01 -o x.npy";
    refused(&place, line, 1, &["step 1", "grow without end", "--steps"]);
    // σ = (1 − s)/s^1.5 is above 3 below s = 0.36, 10 of 29 steps; at s = 1/30 it is 158.8, and then 52.1.
    let levels = said("low.st", "--steps 30");
    assert!(
        levels.contains("10 of 29 noise levels, up to 158.8") && levels.contains("--loss uniform"),
        "{levels}"
    );
    let levels = said("edm.st", "--steps 30");
    assert!(
        levels.contains("1 of 29 noise levels, up to 158.8") && levels.contains("--loss edm"),
        "{levels}"
    );
    assert_eq!(said("edm.st", "--steps 15"), "");
}
