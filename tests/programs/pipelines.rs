//! Programs together: pipelines as they are pasted, and identities between what
//! different programs say of the same thing.

use std::collections::BTreeMap;

use crate::data::DIGITS;
use crate::place::Place;

/// What issue 2 promises from a clean checkout.
const PROMISED: &[&str] = &[
    "molrg-gen -d 48 -r 6 -k 2 -n 1200 --seed 1 --truth truth.st | dae-fit --kind molrg -r 6 -k 2 -o student.st",
    "subspace-error student.st truth.st",
    "phase-grid --dim 48 --ranks 2-8 --samples 2-15 --components 1 --trials 20 --solver pca",
    "pfd student.st truth.st -n 10000 --seed 7",
    "molrg-gen -d 48 -r 6 -k 2 -n 1200 --seed 1 | dae-fit --kind molrg -r 6 -k 2 | pf-sample -n 10000 --seed 3 | npy info -",
    "jacobian-rank truth.st --levels edm:18 -n 15",
    "pf-sample student.st -n 2000 --seed 3 -o a.npy && pf-sample truth.st -n 2000 --seed 3 -o b.npy && rp-score a.npy b.npy",
    "cat <(pf-sample truth.st -n 1000 --rows ..500) <(pf-sample truth.st -n 1000 --rows 500..) | npy diff - <(pf-sample truth.st -n 1000)",
];

#[track_caller]
fn sh(place: &Place, script: &str) -> String {
    String::from_utf8(place.bash(script).silent(script)).unwrap()
}

/// Rows of a csv table as maps from column to text.
#[track_caller]
fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), names.len(), "{line}");
            names.iter().map(|n| n.to_string()).zip(fields.iter().map(|f| f.to_string())).collect()
        })
        .collect()
}

#[track_caller]
fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// The data of an npy block, after its header.
fn data(bytes: &[u8]) -> &[u8] {
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
    &bytes[10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize..]
}

#[test]
fn the_promised_commands_work_and_give_the_same_bytes_twice() {
    let run = || {
        let place = Place::new();
        let printed: Vec<String> = PROMISED.iter().map(|line| sh(&place, line)).collect();
        (printed, place.files())
    };
    let (first, second) = (run(), run());
    for (i, line) in PROMISED.iter().enumerate() {
        assert_eq!(first.0[i], second.0[i], "{line}");
    }
    assert!(first.1 == second.1, "a file differs");
    let names: Vec<&str> = first.1.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.npy", "b.npy", "student.st", "truth.st"]);

    // With 600 noiseless rows for each six dimensions, the subspaces are found exactly.
    let errors = table(&first.0[1]);
    assert_eq!(errors.len(), 3);
    assert!(number(&errors[2], "error") < 1e-4, "{errors:?}");
    let grid = table(&first.0[2]);
    assert_eq!(grid.len(), 7 * 14);
    for cell in &grid {
        // PCA finds a planted subspace as soon as there are as many rows as dimensions, and never before.
        let enough = number(cell, "samples") >= number(cell, "rank");
        assert_eq!(number(cell, "success"), f64::from(u8::from(enough)), "{cell:?}");
    }
    let distance = table(&first.0[3]);
    assert!(number(&distance[0], "value") < 1e-3, "{distance:?}");
    assert_eq!(table(&first.0[4])[0]["shape"], "10000x48");
    let ranks = table(&first.0[5]);
    assert_eq!(ranks.len(), 18);
    assert_eq!((number(&ranks[0], "rank_mean"), number(&ranks[17], "rank_mean")), (12.0, 6.0), "{ranks:?}");
    let score = table(&first.0[6]);
    assert_eq!((number(&score[0], "value"), number(&score[0], "n")), (1.0, 2000.0));
    // Nothing differs between the shards and the whole.
    let difference = &table(&first.0[7])[0];
    assert_eq!((number(difference, "rows"), number(difference, "differing")), (1000.0, 0.0));
}

#[test]
fn shards_are_no_different_from_the_whole() {
    let place = Place::new();
    place.out("molrg-gen -d 20 -r 3 -k 2 -n 500 --truth truth.st -o whole.npy");
    for (make, what) in [
        ("molrg-gen -d 20 -r 3 -k 2 -n 500", "whole.npy"),
        ("pf-sample truth.st -n 500 --churn 8", "<(pf-sample truth.st -n 500 --churn 8)"),
        ("dae-apply truth.st whole.npy --sigma 1", "<(dae-apply truth.st whole.npy --sigma 1)"),
        ("npy noise -n 500 -d 20", "<(npy noise -n 500 -d 20)"),
    ] {
        sh(
            &place,
            &format!(
                "rm -f shard-*; for i in 0 1 2 3 4; do \
                 {make} --rows $((100*i))..$((100*i+100)) -o shard-$i.npy; done; \
                 cat shard-*.npy | npy diff - {what} --rtol 0 --atol 0"
            ),
        );
    }
    // A difference is seen.
    let done = place.bash("cat shard-1.npy shard-0.npy shard-[234].npy | npy diff - whole.npy");
    assert_eq!(done.code, Some(1), "{}", done.err);
}

#[test]
fn a_phase_grid_is_the_pipe_of_the_programs_it_stands_for() {
    for (components, rank, samples, solver, flags, plant) in [
        (1, 3, 2, "pca", "", ""),
        (1, 3, 5, "pca", "", "--noise-std 0.05"),
        (2, 3, 2, "subspaces", "", ""),
        (2, 3, 7, "subspaces", "--orthogonal", ""),
        (2, 2, 8, "subspaces", "--init random --restarts 3", "--angle 40"),
        (3, 2, 12, "em", "", "--noise-std 0.1"),
        (2, 2, 6, "gradient", "--restarts 2 --iterations 60", ""),
        (2, 2, 6, "gradient", "--restarts 2 --iterations 60 --weighting softmax --orthogonal", ""),
    ] {
        for (seed, dtype) in [(0, "f32"), (11, "f64")] {
            let place = Place::new();
            // The report tells of a fit that did not come to rest by a warning, which is no failure.
            let grid = sh(
                &place,
                &format!(
                    "phase-grid --dim 16 --components {components} --ranks {rank} --samples {samples} --trials 1 \
                     --solver {solver} {flags} {plant} --seed {seed} --dtype {dtype}"
                ),
            );
            let pipe = sh(
                &place,
                &format!(
                    "molrg-gen --balanced -d 16 -k {components} -r {rank} -n {} {plant} --seed {seed} \
                     --dtype {dtype} --truth t.st | dae-fit --kind molrg -k {components} -r {rank} \
                     --solver {solver} {flags} --seed {seed} 2> warning | subspace-error - t.st",
                    components * samples
                ),
            );
            let (grid, pipe) = (table(&grid), table(&pipe));
            let all = pipe.last().unwrap();
            assert_eq!(all["component"], "all");
            assert_eq!(grid[0]["mean_error"], all["error"], "{solver} {flags} {plant}, seed {seed}, {dtype}");
            let success = f64::from(u8::from(number(all, "error") <= 0.01));
            assert_eq!(number(&grid[0], "success"), success);
        }
    }
}

#[test]
fn a_phase_grid_of_unequal_components_is_the_pipe_that_plants_them() {
    for (flags, plant) in [
        ("--rank-step 3", "--balanced -k 2 -r 2,5"),
        ("--weights 1,3", "-k 2 -r 2 --weights 1,3"),
        ("--rank-step 2 --weights 3,1", "-k 2 -r 2,4 --weights 3,1"),
    ] {
        let place = Place::new();
        let grid = sh(
            &place,
            &format!(
                "phase-grid --dim 16 --components 2 --ranks 2 --samples 4 --trials 1 --solver subspaces {flags} \
                 --seed 4"
            ),
        );
        let ranks = plant.split(' ').skip_while(|w| *w != "-r").nth(1).unwrap();
        let pipe = sh(
            &place,
            &format!(
                "molrg-gen -d 16 {plant} -n 8 --seed 4 --truth t.st | dae-fit --kind molrg -k 2 -r {ranks} \
                 --solver subspaces --seed 4 2> warning | subspace-error - t.st"
            ),
        );
        assert_eq!(table(&grid)[0]["mean_error"], table(&pipe).last().unwrap()["error"], "{flags}");
    }
}

#[test]
fn trials_of_a_phase_grid_are_successive_seeds() {
    let place = Place::new();
    let cell = "phase-grid --dim 16 --ranks 3 --samples 2 --solver pca";
    let whole = table(&sh(&place, &format!("{cell} --trials 3 --seed 5")));
    let each: f64 = (5..8)
        .map(|seed| number(&table(&sh(&place, &format!("{cell} --trials 1 --seed {seed}")))[0], "mean_error"))
        .sum();
    assert!((number(&whole[0], "mean_error") - each / 3.0).abs() < 1e-12);
}

#[test]
fn a_mixture_read_back_gives_the_rows_it_gave_before() {
    for (flags, dtype) in [
        ("-d 20 -r 3 -k 2", "f32"),
        ("-d 20 -r 3 -k 2 --balanced", "f64"),
        ("-d 20 -r 2,3,4 --weights 1,2,3 --spectrum linear:0.2 --shape 4,5", "f32"),
        ("-d 20 -r 3 -k 2 --angle 30 --mean-norm 2 --noise-std 0.3", "f64"),
    ] {
        let place = Place::new();
        let drawn = place.out(&format!("molrg-gen {flags} -n 400 --seed 4 --dtype {dtype} --truth truth.st"));
        let balanced = if flags.contains("--balanced") { "--balanced" } else { "" };
        let again = place.out(&format!("molrg-gen --from truth.st -n 400 --seed 4 {balanced}"));
        assert!(drawn == again, "{flags} --dtype {dtype}");
    }
}

#[test]
fn skipping_starts_later_in_the_same_rows() {
    let place = Place::new();
    let draw = "molrg-gen -d 20 -r 3 -k 2 --seed 4 --noise-std 0.1";
    let longer = place.out(&format!("{draw} -n 400 --labels all.csv"));
    let later = place.out(&format!("{draw} -n 150 --skip 250 --labels some.csv"));
    // An array where the name says so.
    place.out(&format!("{draw} -n 400 --labels all.npy"));
    let column =
        place.text("table cat all.csv --columns component -f csv").split_once('\n').unwrap().1.to_string();
    assert_eq!(place.text("npy cat all.npy -f csv"), column);
    assert!(data(&longer)[250 * 20 * 4..] == *data(&later));
    let (all, some) = (place.get("all.csv"), place.get("some.csv"));
    let lines = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (all, some) = (lines(&all), lines(&some));
    assert_eq!(all.lines().skip(251).collect::<Vec<_>>(), some.lines().skip(1).collect::<Vec<_>>());
    let both = place.out(&format!("{draw} -n 150 --skip 200 --rows 50..100"));
    assert!(data(&longer)[250 * 20 * 4..300 * 20 * 4] == *data(&both), "--rows counts from --skip");
}

#[test]
fn rp_score_reads_the_features_of_published_scripts() {
    let place = Place::new();
    // Two archives as numpy.savez writes them: a key, an array, and another beside it.
    for (archive, rows) in [("one.npz", "..300"), ("two.npz", "300..600")] {
        place.out(&format!("npy cat {DIGITS} --rows {rows} --dtype f32 -o features.npy"));
        let mut zip = zip::ZipWriter::new(std::fs::File::create(place.path(archive)).unwrap());
        for name in ["features.npy", "labels.npy"] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut zip, &place.get("features.npy")).unwrap();
        }
        zip.finish().unwrap();
    }
    place.out(&format!("npy cat {DIGITS} --rows ..300 --dtype f32 -o a.npy"));
    place.out(&format!("npy cat {DIGITS} --rows 300..600 --dtype f32 -o b.npy"));
    // Of the pixels of digits, which are warned of: they are all alike.
    let scores = |line: &str| table(&String::from_utf8(place.run(line).silent(line)).unwrap());
    let archives = scores("rp-score one.npz:features two.npz:features --train one.npz:features");
    let plain = scores("rp-score a.npy b.npy --train a.npy");
    assert_eq!(archives.len(), 3);
    for (row, other) in archives.iter().zip(&plain) {
        for column in ["score", "value", "std_error", "ci_low", "ci_high", "n", "threshold", "baseline"] {
            assert_eq!(row[column], other[column], "{column}");
        }
    }
    assert_eq!(
        (archives[0]["a"].as_str(), archives[0]["b"].as_str()),
        ("one.npz:features", "two.npz:features")
    );
    assert_eq!(number(&archives[1], "value"), 0.0, "the training rows themselves are copies");
    let done = place.run("rp-score one.npz:others two.npz:features");
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("one.npz") && done.err.contains("others") && done.err.contains("features"));
}

/// A place with a teacher and three students trained on independent data.
fn school() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 20 -r 3 -k 2 -n 40 --seed 1 --truth teacher.st -o x0.npy");
    for i in 0..3 {
        place.out(&format!("molrg-gen --from teacher.st -n 12 --skip {} --seed 1 -o x{i}.npy", 100 * i));
        place.out(&format!("dae-fit x{i}.npy --kind molrg -r 3 -k 2 --fit variances -o s{i}.st"));
        place.out(&format!("dae-fit x{i}.npy --kind empirical -o e{i}.st"));
    }
    place
}

#[test]
fn pfd_of_models_is_pfd_of_what_they_sample() {
    let place = school();
    for flags in ["", "--solver euler --steps 9", "--solver rk45 --schedule vp", "--churn 10 --steps 12"] {
        for name in ["teacher", "s0"] {
            place.out(&format!("pf-sample {name}.st -n 600 --seed 7 {flags} -o {name}.npy"));
        }
        let value = |line: &str| table(&place.text(line))[0].clone();
        let models = value(&format!("pfd s0.st teacher.st -n 600 --seed 7 {flags}"));
        assert!(number(&models, "value") > 0.01);
        let samples = value("pfd s0.npy teacher.npy");
        let mixed = value(&format!("pfd s0.st teacher.npy --seed 7 {flags}"));
        let other = value(&format!("pfd s0.npy teacher.st --seed 7 {flags}"));
        for column in ["metric", "value", "std_error", "ci_low", "ci_high", "n"] {
            assert_eq!(models[column], samples[column], "{flags}: {column}");
            assert_eq!(models[column], mixed[column], "{flags}: {column}, samples of the second");
            assert_eq!(models[column], other[column], "{flags}: {column}, samples of the first");
        }
    }
}

#[test]
fn bias_and_variance_add_up() {
    let place = school();
    for flags in ["", "--unbiased"] {
        let rows =
            table(&place.text(&format!("pfd --bias-variance teacher.st s0.st s1.st s2.st -n 400 {flags}")));
        let [error, bias, variance] = &rows[..] else { panic!("{rows:?}") };
        for (row, metric) in [(error, "gen_error_sq"), (bias, "bias_sq"), (variance, "variance")] {
            assert_eq!((row["metric"].as_str(), row["n"].as_str()), (metric, "400"));
        }
        let [error, bias, variance] = [error, bias, variance].map(|row| number(row, "value"));
        assert!(variance > 0.0 && bias > 0.0, "{bias} {variance}");
        assert!((error - bias - variance).abs() < 1e-9 * error, "{flags}: {error} != {bias} + {variance}");
        // The error is the mean of the students' squared distances.
        let squares = (0..3).map(|i| {
            number(&table(&place.text(&format!("pfd s{i}.st teacher.st -n 400")))[0], "value").powi(2)
        });
        let mean = squares.sum::<f64>() / 3.0;
        assert!((error - mean).abs() < 1e-9 * error, "{flags}: {error} against {mean}");
    }
}

#[test]
fn a_relative_distance_is_the_ratio_of_two() {
    let place = school();
    let rows = table(&place.text("pfd s0.st teacher.st --relative-to e0.st -n 400 --seed 5"));
    let metrics: Vec<&str> = rows.iter().map(|r| r["metric"].as_str()).collect();
    assert_eq!(metrics, ["pfd", "pfd", "pfd_relative"]);
    let above = table(&place.text("pfd s0.st teacher.st -n 400 --seed 5"));
    let below = table(&place.text("pfd teacher.st e0.st -n 400 --seed 5"));
    assert_eq!((&rows[0], &rows[1]), (&above[0], &below[0]));
    let ratio = number(&rows[0], "value") / number(&rows[1], "value");
    assert!((number(&rows[2], "value") - ratio).abs() < 1e-12 * ratio);
    assert!(number(&rows[2], "ci_low") < ratio && ratio < number(&rows[2], "ci_high"));
}

#[test]
fn the_empirical_model_memorizes_and_the_teacher_does_not() {
    let place = school();
    let distance =
        |a: &str, b: &str| number(&table(&place.text(&format!("pfd {a} {b} -n 500 --seed 2")))[0], "value");
    // E_mem: of a model to the empirical one of its own training set.
    place.out("dae-fit x0.npy --kind empirical --dtype f64 -o wide.st");
    let (same, rounding) = (distance("e0.st", "e0.st"), distance("wide.st", "e0.st"));
    assert_eq!(same, 0.0);
    assert!(rounding < 1e-4, "the same training set in f64: {rounding}");
    let (generalizing, memorizing) = (distance("teacher.st", "e0.st"), distance("e0.st", "teacher.st"));
    assert_eq!(generalizing, memorizing, "a distance has no direction");
    assert!(generalizing > 1.0, "the teacher is far from twelve points: {generalizing}");
    // From the latents that a training set was drawn from, its owner ends on it, and so does who has memorized it.
    place.out("pf-sample teacher.st -n 100 --seed 4 -o drawn.npy");
    place.out("dae-fit drawn.npy --kind empirical -o drawn.st");
    let told = place.run("pfd drawn.st teacher.st -n 100 --seed 4");
    assert!(told.err.contains("100 of 100 rows of teacher.st are rows of the finite set"), "{}", told.err);
    assert!(!place.run("pfd drawn.st teacher.st -n 100 --seed 5").err.contains("finite set"));
    // Its own samples are those rows by what it is.
    place.out("pf-sample drawn.st -n 100 --seed 4 -o own.npy");
    assert!(!place.run("pfd own.npy drawn.st --seed 4").err.contains("finite set"));
    for (model, gl) in [("e0", 0.0), ("teacher", 1.0)] {
        place.out(&format!("pf-sample {model}.st -n 300 --seed 2 -o {model}.npy"));
        // The memorizing one returns training rows to the bit, which is warned of.
        let line = format!("rp-score {model}.npy --train x0.npy --gl ratio");
        let value = number(&table(&String::from_utf8(place.run(&line).silent(&line)).unwrap())[0], "value");
        assert!((value - gl).abs() < 0.1, "{model}: {value}");
    }
}

#[test]
fn latents_from_a_file_are_those_of_the_seed() {
    let place = school();
    let latents = place.out("npy noise -n 100 -d 20 --seed 9");
    for flags in ["", "--solver dpmpp2m --schedule flow", "--churn 12 --steps 7"] {
        let drawn = place.out(&format!("pf-sample teacher.st -n 100 --seed 9 {flags}"));
        let seed = if flags.contains("--churn") { "--seed 9" } else { "" };
        let line = format!("pf-sample teacher.st --noise - {seed} {flags}");
        assert!(place.feed(&line, &latents, 4096).silent(&line) == drawn, "{flags}");
    }
    let one = "pf-sample s0.st -n 100 --seed 9";
    let guided = "pf-sample s0.st -n 100 --seed 9 --guidance 1 --unconditional teacher.st";
    place.put("one.npy", place.out(one));
    place.put("guided.npy", place.out(guided));
    place.out("npy diff one.npy guided.npy --atol 1e-4");
}

/// Bash in an empty directory; its exit code, standard output and standard error.
fn shown(script: &str) -> (i32, String, String) {
    let done = Place::new().bash(script);
    (done.code.unwrap(), String::from_utf8(done.out).unwrap(), done.err)
}

#[test]
fn randomized_ranks_are_the_exact_ones() {
    let draw = "molrg-gen -d 48 -r 6 -k 2 -n 1 --seed 3 --truth t.st -o x.npy && ";
    let rank = "jacobian-rank t.st --sigma 10,0.1 -n 8 --per-sample";
    let ranks = |flags: &str| {
        let (code, out, _) = shown(&format!("{draw}{rank} {flags} | cut -d, -f1,3,4"));
        assert_eq!(code, 0);
        out
    };
    assert_eq!(ranks("--method randomized --top 20"), ranks("--method exact"));
}

#[test]
fn a_rank_that_was_not_reached_is_told() {
    let (code, out, err) = shown(
        "molrg-gen -d 48 -r 6 -k 2 -n 1 --truth t.st -o x.npy && \
         jacobian-rank t.st --sigma 10 -n 5 --method randomized --top 4",
    );
    assert_eq!(code, 0);
    assert!(out.lines().count() == 2 && err.contains("5 ranks are only bounds"), "{err}");
}

/// Copies of training rows 10⁴ from the origin, where products in f32 have lost
/// the digits that tell one row from another.
#[test]
fn copies_are_found_far_from_the_origin() {
    let (code, out, err) = shown(
        "molrg-gen -d 32 -r 31 -n 300 --mean-norm 1e4 --seed 2 -o train.npy && \
         npy cat train.npy --rows 50..150 | \
         rp-score - --train train.npy --gl ratio,distance --reference <(molrg-gen -d 32 -r 31 -n 400 \
         --mean-norm 1e4 --seed 2 --rows 300..) | cut -d, -f1,4",
    );
    assert_eq!((code, out.as_str()), (0, "score,value\ngl_ratio,0\ngl_distance,0\n"), "{err}");
}

#[test]
fn adaptive_steps_end_on_latents_that_are_not_finite() {
    let (code, _, err) = shown(
        "molrg-gen -d 4 -r 2 -n 1 --truth t.st -o x.npy && printf 'nan,1,2,3\\n' > bad.csv && \
         pf-sample t.st --noise bad.csv --nan pass --solver rk45",
    );
    assert!(code == 1 && err.starts_with("pf-sample: rk45 at noise level 80"), "{code} {err}");
}

/// PFD of two models from shared latents.
#[track_caller]
fn distance(place: &Place, a: &str, b: &str) -> f64 {
    number(&table(&sh(place, &format!("pfd {a} {b} -n 400 --seed 9")))[0], "value")
}

#[test]
fn a_network_comes_nearer_to_its_teacher_with_more_samples() {
    let place = Place::new();
    let mut distances = Vec::new();
    for n in [6, 60, 3000] {
        sh(&place, &format!("molrg-gen -d 12 -r 2 -k 2 -n {n} --seed 1 --truth truth.st -o train.npy"));
        sh(&place, "dae-fit train.npy --kind mlp --width 96 --steps 2000 --lr 0.006 --quiet -o mlp.st");
        distances.push(distance(&place, "mlp.st", "truth.st"));
    }
    // Measured: 1.40, 0.71 and 0.28 of a root mean square norm of 1.4.
    assert!(distances[0] > 1.5 * distances[1] && distances[1] > 1.5 * distances[2], "{distances:?}");
    // And its denoiser to the exact posterior mean, relative to that, at levels that training sees often.
    sh(&place, "molrg-gen -d 12 -r 2 -k 2 -n 1000 --seed 1 --skip 5000 -o test.npy");
    place.put("zeros.csv", "0,0,0,0,0,0,0,0,0,0,0,0\n".repeat(1000));
    for (sigma, stated) in [(1.0, 0.2), (0.3, 0.1), (0.1, 0.05)] {
        for model in ["mlp", "truth"] {
            sh(&place, &format!("dae-apply {model}.st test.npy --add-noise --sigma {sigma} -o {model}.npy"));
        }
        let between = distance_of_arrays(&place, "mlp.npy", "truth.npy");
        let scale = distance_of_arrays(&place, "truth.npy", "zeros.csv");
        assert!(between < stated * scale, "{sigma}: {between} of {scale}");
    }
}

/// Root mean square distance of paired rows.
#[track_caller]
fn distance_of_arrays(place: &Place, a: &str, b: &str) -> f64 {
    number(&table(&sh(place, &format!("pfd {a} {b}")))[0], "value")
}

#[test]
fn a_network_of_one_level_is_warned_of_at_others() {
    let place = Place::new();
    sh(&place, "molrg-gen -d 6 -r 2 -k 1 -n 100 -o x.npy");
    sh(&place, "dae-fit x.npy --kind two-layer --loss fixed --sigma 0.5 --steps 20 -q -o one.st");
    sh(&place, "dae-apply one.st x.npy --sigma 0.5 -o denoised.npy");
    for line in ["dae-apply one.st x.npy --sigma 2 -o denoised.npy", "pf-sample one.st -n 5 -o samples.npy"] {
        let done = place.run(line);
        assert!(done.code == Some(0) && done.err.contains("sigma 0.5 alone"), "{line}: {}", done.err);
    }
}

#[test]
fn denoisers_of_two_seeds_reproduce_and_generators_do_not() {
    let place = Place::new();
    sh(&place, "molrg-gen -d 12 -r 4 -k 1 -n 3000 --seed 3 -o data.npy");
    let mut scores = Vec::new();
    for kind in [
        "mlp --steps 1200 --width 64 --lr 0.006",
        "linear-vae -r 4",
        "gan -r 4 --steps 2500 --width 64",
        "vae -r 4 --steps 2500 --width 64",
    ] {
        for seed in [1, 2] {
            sh(
                &place,
                &format!(
                    "dae-fit data.npy --kind {kind} --seed {seed} --quiet | pf-sample -n 500 --seed 7 -o {seed}.npy"
                ),
            );
        }
        // Whose baseline is a tenth.
        let line = "rp-score 1.npy 2.npy";
        scores.push(number(&table(&String::from_utf8(place.run(line).silent(line)).unwrap())[0], "value"));
    }
    assert!(scores[0] > 0.95 && scores[1] < 0.5 && scores[2] < 0.6 && scores[3] < 0.6, "{scores:?}");
}

#[test]
fn a_u_net_on_real_images_goes_through_all_programs() {
    let place = Place::new();
    sh(&place, &format!("npy images {DIGITS} --from 0,16 -o digits.npy"));
    sh(
        &place,
        "dae-fit digits.npy --rows ..1500 --kind unet --width 8 --steps 250 --batch 48 --lr 0.006 --log log.csv \
         --quiet -o unet.st",
    );
    let log = table(&String::from_utf8(place.get("log.csv")).unwrap());
    assert!(number(&log[log.len() - 1], "loss") < 0.7 * number(&log[0], "loss"), "{log:?}");
    // Shapes travel: images in, images out.
    assert!(sh(&place, "pf-sample unet.st -n 30 | npy info -").contains("30x8x8x1"));
    sh(&place, "dae-fit digits.npy --rows ..1500 --kind empirical -o empirical.st");
    // A half-trained network is nearer to the flow of the data than their size (a digit's norm is about 5.7).
    let apart = distance(&place, "unet.st", "empirical.st");
    assert!(apart < 5.0, "{apart}");
    let ranks = table(&sh(&place, "jacobian-rank unet.st --snr 0.1,10 -n 3"));
    // Of 64 singular values, few carry a picture in much noise and most in little.
    let (noisy, clear) = (number(&ranks[0], "rank_mean"), number(&ranks[1], "rank_mean"));
    assert!(noisy < clear && clear <= 64.0, "{ranks:?}");
}

/// A flow may be cut at a level of its grid: the parts give the bytes of the whole, through files, pipes and shards.
#[test]
fn flows_in_parts_are_the_whole() {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 4 -k 3 --noise-std 0.1 -n 60 --truth truth.st -o data.npy");
    place.out("dae-fit data.npy --kind mlp --quiet --width 12 --depth 1 --steps 30 --batch 32 -o network.st");
    // A level with fewer digits than its own, and one as it is.
    let edm = ("--steps 10", "9.72320135526");
    for (flags, (grid, level)) in [
        ("truth.st", edm),
        ("network.st", edm),
        ("truth.st --solver dpm3", ("--sigmas 80,20,5,1,0.2,0", "5")),
        ("truth.st --churn 30", edm),
        ("truth.st --guidance 2 --unconditional network.st", edm),
        ("exec:'dae-serve --batch 7 network.st'", edm),
    ] {
        let flow = format!("pf-sample {flags} {grid}");
        let (first, second) =
            (format!("{flow} -n 60 --until {level}"), format!("{flow} --from {level} --noise at.npy"));
        sh(
            &place,
            &format!(
                "{flow} -n 60 --trajectory path.npy --report whole.csv -o whole.npy
                 {first} --trajectory first.npy --report first.csv -o at.npy
                 {second} --trajectory second.npy --report second.csv | cmp - whole.npy
                 for rows in ..13 13..40 40..; do {first} --rows $rows; done | npy diff - at.npy --rtol 0 --atol 0
                 for rows in ..13 13..40 40..; do {second} --rows $rows; done | npy diff - whole.npy --rtol 0 --atol 0"
            ),
        );
        // A row's path is that of the first part, and then that of the second less the point where they meet.
        let paths = ["first.npy", "second.npy", "path.npy"].map(|name| data(&place.get(name)).to_vec());
        let [first, second, path] = paths.each_ref().map(|path| path.len() / 60);
        let item = 24 * size_of::<f32>();
        assert_eq!(first + second - item, path);
        for row in 0..60 {
            let of = |part: usize, width: usize| &paths[part][row * width..(row + 1) * width];
            assert!([of(0, first), &of(1, second)[item..]].concat() == of(2, path), "{flags}, row {row}");
        }
        let work = |name: &str| {
            let report = table(&String::from_utf8(place.get(name)).unwrap());
            ["evaluations", "accepted", "rejected"].map(|column| number(&report[0], column))
        };
        let (first, second) = (work("first.csv"), work("second.csv"));
        assert_eq!(work("whole.csv"), [0, 1, 2].map(|i| first[i] + second[i]), "{flags}");
    }
    // The other way: latents are scaled at the end, points on the way are not. Division by 64 is exact.
    let encode = "pf-sample network.st --encode --sigmas 64,20,5,1,0.2 --noise";
    sh(
        &place,
        &format!(
            "{encode} data.npy > latents.npy
             {encode} data.npy --until 5 | {encode} - --from 5 | cmp - latents.npy
             {encode} data.npy --until 64 > there.npy"
        ),
    );
    let numbers = |name: &str| -> Vec<f32> {
        data(&place.get(name)).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let there: Vec<f32> = numbers("there.npy").iter().map(|x| x / 64.0).collect();
    assert_eq!(there, numbers("latents.npy"));
}

/// Teleporting: the Gaussian's flow in closed form down to a level, the model from there on.
#[test]
fn a_flow_teleports_to_a_level_at_no_cost() {
    let place = Place::new();
    place.out("molrg-gen -d 24 -r 4 -k 2 --noise-std 0.1 --mean-norm 1 -n 400 --truth truth.st -o data.npy");
    place.out("dae-fit data.npy --kind gaussian -o gaussian.st");
    // Of the eighteen levels of the grid, the one with j = 6 before it.
    let level = "8.4009353091";
    let down = format!("pf-sample gaussian.st --solver exact --until {level} -n 64");
    let pipe = format!(
        "{down} --report down.csv | pf-sample truth.st --from {level} --noise - --report on.csv | tee teleported.npy | npy info -"
    );
    sh(&place, &pipe);
    let work = |name: &str| {
        let report = table(&String::from_utf8(place.get(name)).unwrap());
        ["samples", "evaluations", "accepted", "rejected"].map(|column| number(&report[0], column))
    };
    assert_eq!(work("down.csv"), [64.0, 0.0, 64.0, 0.0]);
    // N − j levels are left, and Heun asks twice at all of them but the first or the last.
    assert_eq!(work("on.csv"), [64.0, 64.0 * (2.0 * (18.0 - 6.0) - 1.0), 64.0 * 12.0, 0.0]);
    // At such noise all data are one Gaussian: the samples are those of the whole flow, nearer than its own error.
    place.out("pf-sample truth.st -n 64 -o whole.npy");
    place.out("pf-sample truth.st -n 64 --solver rk4 --steps 200 -o exact.npy");
    let (teleported, own) = (
        distance_of_arrays(&place, "teleported.npy", "exact.npy"),
        distance_of_arrays(&place, "whole.npy", "exact.npy"),
    );
    assert!(teleported < own, "{teleported} and {own}");
    // In parts, in shards, of other shapes of the same.
    sh(
        &place,
        &format!(
            "{down} -o at.npy
             for rows in ..13 13..40 40..; do {down} --rows $rows; done | npy diff - at.npy --rtol 0 --atol 0
             {down} --threads 1 | cmp - at.npy
             pf-sample gaussian.st --solver exact --from {level} --noise at.npy -o end.npy
             pf-sample gaussian.st --solver exact -n 64 | npy diff - end.npy --rtol 1e-5 --atol 1e-5
             pf-sample gaussian.st --solver exact --encode --noise end.npy --sigma-min 0.5 | npy info -
             pfd gaussian.st end.npy --solver exact
             dae-compare gaussian.st truth.st -n 20 --sigma 30,0.5 --solver exact
             jacobian-rank gaussian.st -n 3 --levels edm:4 --solver exact"
        ),
    );
    let network =
        "dae-fit data.npy --kind mlp --quiet --width 8 --depth 1 --steps 9 --batch 32 -o network.st";
    place.out(network);
    for (line, code, words) in [
        ("pf-sample truth.st -n 5 --solver exact", 1, "this is a mixture of 2"),
        ("pf-sample network.st -n 5 --solver exact", 1, "this is a model of kind mlp"),
        ("pfd gaussian.st network.st -n 5 --solver exact", 1, "this is a model of kind mlp"),
        ("dae-compare truth.st gaussian.st -n 5 --sigma 1 --solver exact", 1, "this is a mixture of 2"),
        ("jacobian-rank truth.st --sigma 1 --solver exact", 1, "this is a mixture of 2"),
        ("pf-sample truth.st -n 5 --churn inf", 2, "must be finite and not negative"),
        ("pf-sample truth.st -n 5 --churn 4 --churn-min nan", 2, "--churn-min NaN"),
        ("pf-sample truth.st -n 5 --churn 4 --churn-min 5 --churn-max 1", 2, "hold no level between them"),
        ("pf-sample gaussian.st -n 5 --solver exact --churn 2", 2, "--churn: has no effect here"),
        ("pf-sample gaussian.st -n 5 --solver exact --steps 9", 2, "--steps: has no effect here"),
        ("pf-sample gaussian.st -n 5 --solver exact --sigma-min 0.1", 2, "--sigma-min: has no effect here"),
        (
            "pf-sample gaussian.st -n 5 --solver exact --guidance 2 --unconditional truth.st",
            2,
            "without guidance",
        ),
    ] {
        let done = place.run(line);
        assert!(done.code == Some(code) && done.err.contains(words), "{line}: {:?}, {}", done.code, done.err);
        assert_eq!(done.err.lines().count(), 1, "{line}: {}", done.err);
    }
}

/// Tables of linear theory beside what programs measure.
#[test]
fn linear_theory_is_what_is_measured() {
    let place = Place::new();
    let kappas = "linear-theory kappa --spectrum power:1 -d 256 --mean 1 --ratio 0.25,0.5,1,2,3.2 --z 0.05";
    let known = [0.06337965, 0.08378714, 0.16275772, 0.51218374, 1.12194608];
    let rows = table(&sh(&place, kappas));
    assert_eq!(rows.len(), 5);
    for (row, known) in rows.iter().zip(known) {
        assert!((number(row, "kappa") - known).abs() < 1e-8, "{row:?}");
    }
    // The exponent of ten modes, as slopes of table slope have it.
    let emergence = "linear-theory emergence --spectrum 10,3,1,0.3,0.1,0.03,0.01,0.003,0.001";
    let slope =
        table(&sh(&place, &format!("{emergence} | table slope --x eigenvalue --y time --log-x --log-y")));
    let exponent = table(&sh(&place, &format!("{emergence} --exponent")));
    let alpha = number(&exponent[0], "exponent");
    assert!((alpha - 1.023).abs() < 5e-4 && (alpha + number(&slope[0], "slope")).abs() < 1e-12);
    assert_eq!((&exponent[0]["direction"][..], number(&exponent[0], "modes")), ("rising", 9.0));
    // The flow of coordinates, mode by mode, is the exact solver's: variances of a mixture's modes.
    place.out("molrg-gen -d 3 -r 3 -k 1 --spectrum 4,1,0.25 -n 9 --truth truth.st --dtype f64 -o /dev/null");
    let flow = table(&sh(&place, "linear-theory flow --spectrum 4,1,0.25 --sigma 2"));
    let gains: Vec<f64> = flow.iter().map(|row| number(row, "gain")).collect();
    let spread: f64 = flow.iter().map(|row| number(row, "variance")).sum();
    for (gain, variance) in gains.iter().zip([4.0f64, 1.0, 0.25]) {
        assert!((gain - ((variance + 4.0) / (variance + 6400.0)).sqrt()).abs() < 1e-15);
    }
    let sampled = "pf-sample truth.st -n 20000 --solver exact --until 2 -o at.npy && npy let 'x*x' --in x=at.npy -o squares.npy && npy info squares.npy";
    let info = table(&sh(&place, sampled));
    // The mean square over three coordinates; 20 000 rows leave some 1 %.
    assert!((number(&info[0], "mean") * 3.0 / spread - 1.0).abs() < 0.04, "{info:?}");
    // Two Gaussians fitted to disjoint sets differ by what random matrices predict.
    place.out("molrg-gen -d 64 -r 64 -k 1 --spectrum power:1 -n 96 --truth wide.st --dtype f64 -o first.npy");
    place.out("molrg-gen --from wide.st -n 96 --skip 96 --dtype f64 -o second.npy");
    for set in ["first", "second"] {
        place.out(&format!("dae-fit {set}.npy --kind gaussian -o {set}.st"));
    }
    let measured = table(&sh(&place, "pfd first.st second.st --solver exact -n 400"));
    let map = table(&sh(&place, "linear-theory map --spectrum power:1 -d 64 -n 96"));
    let predicted = (2.0 * map.iter().map(|row| number(row, "variance")).sum::<f64>()).sqrt();
    // One pair of sets, whose distance varies by some percent, and of fitted means besides.
    let ratio = number(&measured[0], "value") / predicted;
    assert!((0.9..1.15).contains(&ratio), "{ratio}");
    for (line, words) in [
        ("linear-theory kappa --spectrum power:1 --ratio 1 --z 1", "a rule needs --dim"),
        ("linear-theory kappa --spectrum 1,2 -d 2 --ratio 1 --z 1", "--dim: has no effect here"),
        ("linear-theory kappa --spectrum 1,-2 --ratio 1 --z 1", "eigenvalue 2 is -2"),
        ("linear-theory kappa --spectrum 1,2 --ratio 1 --z=-1", "--z: -1 is negative"),
        (
            "linear-theory kappa --spectrum 1,2 --mean 0 --ratio 1 --z 1",
            "--mean <M>': it must be a number above 0",
        ),
        ("linear-theory learning --spectrum 1,2 --times 1 --arch local", "give --patch"),
        ("linear-theory learning --spectrum 1,2 --times 1 --patch 1", "--patch: has no effect here"),
        ("linear-theory learning --spectrum 1,2 --times 1 --arch local --patch 2", "--patch 2: must be odd"),
        ("linear-theory learning --spectrum 1,2 --times=-1", "--times: -1 is no time"),
        ("linear-theory learning --spectrum 1,2 --times 1 --arch two-layer --init 0", "--init 0: must be"),
        (
            "linear-theory learning --spectrum 1,2 --times 1 --sigma 2 --sigma-max 9",
            "--sigma-max: has no effect",
        ),
        ("linear-theory emergence --spectrum 1,2 --apart 3", "--apart: has no effect here"),
        ("linear-theory flow --spectrum 1,2 --sigma 80.5", "noise level 80.5: is above --sigma-max 80"),
        (
            "linear-theory flow --spectrum 1,2 --sigma 2,5.5,1 --sigma-max 5",
            "noise level 5.5: is above --sigma-max 5",
        ),
    ] {
        let done = place.run(line);
        assert!(done.code == Some(2) && done.err.contains(words), "{line}: {:?}, {}", done.code, done.err);
    }
    // The level where the flow starts is none above it.
    let start = table(&sh(&place, "linear-theory flow --spectrum 4,1 --sigma 5 --sigma-max 5"));
    assert!(start.len() == 2 && start.iter().all(|row| number(row, "gain") == 1.0), "{start:?}");
    let alone = place.run("linear-theory emergence --spectrum 1 --exponent");
    assert!(alone.code == Some(1) && alone.err.contains("no two modes"), "{}", alone.err);
}
