//! What mathematics says of results whatever the numbers are, asked of the programs themselves: rotations,
//! permutations, scaling, distances, there and back. And calls that give something else with two arguments
//! swapped, beside the answer worked out here.

use crate::place::Place;
use molrg::denoiser::Model;
use molrg::denoiser::model::Kind;
use molrg::mixture::{Component, Mixture};
use molrg::scalar::Dtype;
use molrg::stream::{ArrayWriter, Columns, Format, Input, Ledger, Output, ReadOptions, Rows};
use ndarray::{Array2, Axis, array, s};
use proptest::prelude::*;

fn put(place: &Place, name: &str, rows: &Array2<f64>) {
    let output = Output::create(Some(&place.path(name)), &Ledger::off()).unwrap();
    let mut writer = ArrayWriter::new(output, Format::Npy, Some(rows.nrows()), &[rows.ncols()]).unwrap();
    writer.write(rows.view()).unwrap();
    writer.finish().unwrap();
}

fn get(place: &Place, name: &str) -> Array2<f64> {
    let rows = Rows::open(place.path(name).as_os_str(), &ReadOptions::default(), &Ledger::off());
    rows.unwrap().read_all().unwrap()
}

/// The array that a call writes.
#[track_caller]
fn made(place: &Place, line: &str) -> Array2<f64> {
    let bytes = place.out(line);
    place.put("made", bytes);
    get(place, "made")
}

/// The table that a call writes. Scores of random rows measure nothing, and say so.
#[track_caller]
fn table(place: &Place, line: &str) -> Columns {
    let text = place.run(line).silent(line);
    place.put("table", text);
    Columns::read(Input::open(place.path("table").as_os_str(), &Ledger::off()).unwrap()).unwrap()
}

#[track_caller]
fn column(table: &Columns, name: &str) -> Vec<f64> {
    let column = table.column(name).unwrap();
    (0..table.len()).map(|row| table.number(row, column).ok().flatten().unwrap_or(f64::NAN)).collect()
}

/// The first number of a column.
#[track_caller]
fn value(place: &Place, line: &str, name: &str) -> f64 {
    column(&table(place, line), name)[0]
}

fn put_mixture(place: &Place, name: &str, mixture: Mixture) {
    let d = mixture.dim();
    let mut bytes = Vec::new();
    Model::molrg(mixture, vec![d], Dtype::F64).write(&mut bytes).unwrap();
    place.put(name, bytes);
}

fn get_mixture(place: &Place, name: &str) -> Mixture {
    let model = Model::read(Input::open(place.path(name).as_os_str(), &Ledger::off()).unwrap()).unwrap();
    match model.kind {
        Kind::Molrg(mixture) => mixture,
        _ => panic!("{name} is no mixture"),
    }
}

/// Every component changed.
fn each(mixture: &Mixture, change: impl Fn(&Component) -> Component) -> Mixture {
    Mixture { components: mixture.components.iter().map(change).collect() }
}

/// Orthonormal columns by Gram and Schmidt, twice.
fn orthonormal(mut q: Array2<f64>) -> Array2<f64> {
    for _ in 0..2 {
        for j in 0..q.ncols() {
            for i in 0..j {
                let (a, b) = (q.column(i).to_owned(), q.column(j).to_owned());
                q.column_mut(j).scaled_add(-a.dot(&b), &a);
            }
            let norm = q.column(j).dot(&q.column(j)).sqrt();
            q.column_mut(j).mapv_inplace(|x| x / norm);
        }
    }
    q
}

/// A rotation (or reflection) of R^d, drawn by the programs' own seed.
fn rotation(place: &Place, d: usize, seed: u64) -> Array2<f64> {
    orthonormal(made(place, &format!("npy noise -n {d} -d {d} --seed {seed} --dtype f64")))
}

/// A permutation of n rows that moves every row when `by` is no multiple of n.
fn shift(rows: &Array2<f64>, by: usize) -> Array2<f64> {
    let n = rows.nrows();
    rows.select(Axis(0), &(0..n).map(|i| (i + by) % n).collect::<Vec<_>>())
}

/// The largest difference, relative to the largest number.
fn apart(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    let largest = b.iter().fold(0f64, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0f64, |m, (x, y)| m.max((x - y).abs())) / largest
}

/// Rounding of f64 through a few hundred operations on numbers of size 1 to 100: some 1e-13 was seen.
const ROUNDING: f64 = 1e-11;

/// Two different mixtures with everything in them that a mixture can have, samples of both, and a set to train on.
fn school(seed: u64) -> Place {
    let place = Place::new();
    let draw = "molrg-gen -d 12 -r 2,3 --weights 1,2 --spectrum geometric:0.6 --noise-std 0.2 --mean-norm 1.5 --dtype f64";
    for line in [
        format!("{draw} -n 60 --seed {seed} --truth p.st -o train.npy"),
        format!("{draw} -n 40 --seed {} --truth q.st -o points.npy", seed + 1),
        format!("pf-sample p.st -n 50 --seed {seed} --steps 6 -o a.npy"),
        format!("pf-sample q.st -n 50 --seed {seed} --steps 6 -o b.npy"),
        format!("npy noise -n 50 -d 12 --seed {} --dtype f64 -o c.npy", seed + 2),
    ] {
        place.out(&line);
    }
    place
}

proptest! {
    // Each case runs some twenty processes.
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rotation_of_everything_changes_nothing(seed in 0u64..1 << 32) {
        let place = school(seed);
        let q = rotation(&place, 12, seed ^ 5);
        for name in ["a", "b", "train", "points"] {
            put(&place, &format!("{name}-turned.npy"), &get(&place, &format!("{name}.npy")).dot(&q));
        }
        for name in ["p", "q"] {
            let turned = each(&get_mixture(&place, &format!("{name}.st")), |c| Component {
                mean: c.mean.dot(&q),
                basis: q.t().dot(&c.basis),
                ..c.clone()
            });
            put_mixture(&place, &format!("{name}-turned.st"), turned);
        }
        let both = |line: &str| {
            let turned: Vec<String> = line.split(' ').map(|w| w.replace(".npy", "-turned.npy").replace(".st", "-turned.st")).collect();
            (table(&place, line), table(&place, &turned.join(" ")))
        };
        // A share changes only if a similarity lies within rounding of its threshold.
        for (line, columns) in [
            ("pfd a.npy b.npy", &["value", "std_error"][..]),
            ("rp-score a.npy b.npy", &["value", "n"]),
            ("rp-score a.npy b.npy --similarity l2 --threshold 2", &["value", "n"]),
            ("rp-score a.npy --train train.npy --gl similarity,ratio,distance --reference b.npy", &["value"]),
            ("rp-score a.npy b.npy --descriptor whiten:4 --train train.npy", &["value"]),
            ("jacobian-rank p.st --points points.npy --sigma 0.1,0.5,3 --per-sample", &["rank", "energy"]),
            ("subspace-error p.st q.st", &["matched", "error", "max_angle_deg"]),
        ] {
            let (plain, turned) = both(line);
            prop_assert!(!plain.is_empty());
            for name in columns {
                // Turned numbers are rounded, and thresholds and differences pass that on some hundredfold.
                for (x, y) in column(&plain, name).iter().zip(column(&turned, name)) {
                    let same = (x - y).abs() <= 1e-10 * x.abs() || (x.is_nan() && y.is_nan());
                    prop_assert!(same, "{line}: {name}: {x} and {y}");
                }
            }
        }
        // What the denoiser and the flow make of turned points is turned.
        let denoised = made(&place, "dae-apply p.st points.npy --sigma 0.7");
        let turned = made(&place, "dae-apply p-turned.st points-turned.npy --sigma 0.7");
        prop_assert!(apart(&turned, &denoised.dot(&q)) < ROUNDING);
        let sampled = made(&place, "pf-sample p.st --noise points.npy --steps 6");
        let turned = made(&place, "pf-sample p-turned.st --noise points-turned.npy --steps 6");
        prop_assert!(apart(&turned, &sampled.dot(&q)) < ROUNDING);
    }

    #[test]
    fn permuted_rows_give_permuted_results(seed in 0u64..1 << 32, by in 1usize..50) {
        let place = school(seed);
        let names = ["a", "b", "train", "points"];
        for name in names {
            put(&place, &format!("{name}-moved.npy"), &shift(&get(&place, &format!("{name}.npy")), by));
        }
        let moved = |line: &str| names.iter().fold(line.to_string(), |line, name| {
            line.replace(&format!("{name}.npy"), &format!("{name}-moved.npy"))
        });
        // Row by row to the last bit: no row knows its place.
        for line in [
            "dae-apply p.st points.npy --sigma 0.3 --quantity score",
            "pf-sample p.st --noise points.npy --steps 5",
            "pf-sample q.st --noise points.npy --encode --solver rk45",
        ] {
            let (plain, got) = (made(&place, line), made(&place, &moved(line)));
            prop_assert!(shift(&plain, by) == got, "{line}");
        }
        for (line, per_sample, columns) in [
            ("jacobian-rank p.st --points points.npy --sigma 0.5 --per-sample", "-", &["rank", "energy", "gap"][..]),
            ("rp-score a.npy b.npy --per-sample rows.csv", "rows.csv", &["similarity"]),
        ] {
            let rows = |line: &str| {
                let text = place.out(line);
                place.put("table", if per_sample == "-" { text } else { place.get(per_sample) });
                Columns::read(Input::open(place.path("table").as_os_str(), &Ledger::off()).unwrap()).unwrap()
            };
            let (plain, got) = (rows(line), rows(&moved(line)));
            for name in columns {
                let (mut expected, got) = (column(&plain, name), column(&got, name));
                let n = expected.len();
                expected.rotate_left(by % n);
                prop_assert!(expected == got, "{line}: {name}");
            }
        }
        // A sum over rows in another order differs by rounding; a share does not.
        for (line, tolerance) in [
            ("pfd a.npy b.npy", 1e-13),
            ("rp-score a.npy b.npy", 0.0),
            ("rp-score a.npy --train train.npy --gl similarity,ratio,distance --reference b.npy", 1e-13),
        ] {
            let values = [line, &moved(line)].map(|line| column(&table(&place, line), "value"));
            for (x, y) in values[0].iter().zip(&values[1]) {
                prop_assert!((x - y).abs() <= tolerance * x.abs(), "{line}: {x} and {y}");
            }
        }
        // A fit depends on the set, not on its order: its denoiser is the same to rounding.
        for kind in ["gaussian", "empirical"] {
            for name in ["train.npy", "train-moved.npy"] {
                place.out(&format!("dae-fit {name} --kind {kind} -o {name}.st"));
            }
            let [x, y] = ["train.npy.st", "train-moved.npy.st"]
                .map(|model| made(&place, &format!("dae-apply {model} points.npy --sigma 0.5")));
            prop_assert!(apart(&y, &x) < ROUNDING, "{kind}: {}", apart(&y, &x));
        }
    }

    #[test]
    fn pfd_is_a_metric_of_samples(seed in 0u64..1 << 32) {
        let place = school(seed);
        let distance = |x: &str, y: &str| value(&place, &format!("pfd {x}.npy {y}.npy"), "value");
        let (ab, bc, ac) = (distance("a", "b"), distance("b", "c"), distance("a", "c"));
        prop_assert!(ab > 0.1 && bc > 0.1 && ac > 0.1);
        prop_assert_eq!(distance("a", "a"), 0.0);
        prop_assert_eq!(ab, distance("b", "a"));
        // Samples that differ have no slack of rounding.
        prop_assert!(ac < ab + bc && ab < ac + bc && bc < ab + ac);
        let (a, b) = (get(&place, "a.npy"), get(&place, "b.npy"));
        let direct = ((&a - &b).mapv(|x| x * x).sum() / 50.0).sqrt();
        // Sums of some hundred squares in f64, in two orders.
        prop_assert!((ab - direct).abs() < 1e-13 * direct);
        // On the line from a to b distances add up.
        put(&place, "between.npy", &(0.75 * &a + 0.25 * &b));
        let sum = distance("a", "between") + distance("between", "b");
        prop_assert!((sum - ab).abs() < 1e-13 * ab);
    }

    #[test]
    fn the_denoiser_scales_with_the_data(seed in 0u64..1 << 32, c in 0.05f64..20.0) {
        let place = school(seed);
        let sigmas = [4.0, 1.0, 0.3, 0.0];
        let scaled = each(&get_mixture(&place, "p.st"), |k| Component {
            mean: &k.mean * c,
            variances: &k.variances * (c * c),
            noise_variance: k.noise_variance * c * c,
            ..k.clone()
        });
        put_mixture(&place, "p-scaled.st", scaled);
        for name in ["points", "train"] {
            put(&place, &format!("{name}-scaled.npy"), &(c * get(&place, &format!("{name}.npy"))));
        }
        for (plain, of) in [("e.st", "train.npy"), ("e-scaled.st", "train-scaled.npy")] {
            place.out(&format!("dae-fit {of} --kind empirical -o {plain}"));
        }
        let grid = |c: f64| sigmas.map(|s| (s * c).to_string()).join(",");
        for model in ["p", "e"] {
            // x̂ and σ scale alike: D = c D, score = score/c, ε̂ = ε̂.
            for (quantity, factor) in [("denoised", c), ("score", 1.0 / c), ("epsilon", 1.0)] {
                let plain = made(&place, &format!("dae-apply {model}.st points.npy --sigma 0.8 --quantity {quantity}"));
                let line = format!(
                    "dae-apply {model}-scaled.st points-scaled.npy --sigma {} --quantity {quantity}", 0.8 * c
                );
                let off = apart(&made(&place, &line), &(factor * plain));
                // σ and the model are rounded once after scaling, and an exponent of size 100 takes it on.
                prop_assert!(off < 1e-10, "{model} {quantity}: {off}");
            }
            let plain = made(&place, &format!("pf-sample {model}.st -n 30 --sigmas {}", grid(1.0)));
            let line = format!("pf-sample {model}-scaled.st -n 30 --sigmas {}", grid(c));
            let off = apart(&made(&place, &line), &(c * plain));
            // The same through three steps.
            prop_assert!(off < 1e-9, "{model}: {off}");
        }
        // The Jacobian has no unit.
        let ranks = |model: &str, points: &str, sigma: f64| {
            let line = format!("jacobian-rank {model} --points {points} --sigma {sigma} --per-sample");
            column(&table(&place, &line), "rank")
        };
        prop_assert_eq!(
            ranks("p.st", "points.npy", 0.8),
            ranks("p-scaled.st", "points-scaled.npy", 0.8 * c)
        );
    }

    #[test]
    fn decoding_undoes_encoding_to_the_solvers_order(seed in 0u64..1 << 32) {
        let place = school(seed);
        // Of one Gaussian: between two modes an error grows, and the order shows until much later.
        place.out("dae-fit train.npy --kind gaussian -o g.st");
        // Between levels where the flow bends gently, and not to 0, whose step is the denoiser itself and is not undone.
        let error = |solver: &str, steps: usize| {
            let ratio = 10f64.powf(-1.0 / steps as f64);
            let grid: Vec<String> = (0..=steps).map(|i| (3.0 * ratio.powi(i as i32)).to_string()).collect();
            let flags = format!("--solver {solver} --sigmas {}", grid.join(","));
            place.out(&format!("pf-sample g.st --encode --data points.npy {flags} -o latents.npy"));
            let back = made(&place, &format!("pf-sample g.st --noise latents.npy {flags}"));
            let points = get(&place, "points.npy");
            ((back - &points).mapv(|x| x * x).sum() / points.mapv(|x| x * x).sum()).sqrt()
        };
        for (solver, order) in [("euler", 1), ("heun", 2), ("rk4", 4)] {
            let (coarse, fine) = (error(solver, 48), error(solver, 96));
            // Halving the steps divides the error by 2^order; of an even order by more, since there and back its
            // leading terms are opposite.
            let measured = (coarse / fine).log2();
            prop_assert!(measured > f64::from(order) - 0.3, "{solver}: {coarse} {fine}");
            prop_assert!(fine < 0.2f64.powi(order), "{solver}: {fine}");
        }
    }
}

/// Of a set with itself: full agreement, all copies, no distance.
#[test]
fn a_set_scores_perfectly_against_itself() {
    let place = school(3);
    place.out("npy cat a.npy -o same.npy");
    assert_eq!(value(&place, "rp-score a.npy same.npy", "value"), 1.0);
    assert_eq!(value(&place, "rp-score a.npy same.npy --similarity mae", "value"), 1.0);
    let line = "rp-score a.npy --train same.npy --reference b.npy --gl similarity,ratio,distance";
    assert_eq!(column(&table(&place, line), "value"), [0.0, 0.0, 0.0]);
    assert_eq!(value(&place, "pfd a.npy same.npy", "value"), 0.0);
    assert_eq!(value(&place, "pfd p.st p.st -n 20", "value"), 0.0);
    // The angle of two equal subspaces is the arc cosine of 1, at which a rounding counts by its root.
    let errors = table(&place, "subspace-error p.st p.st");
    assert_eq!(column(&errors, "matched")[..2], [0.0, 1.0]);
    assert!(column(&errors, "error").iter().all(|e| *e < 1e-7));
    assert_eq!(value(&place, "npy diff a.npy same.npy", "differing"), 0.0);
}

/// A mixture of three lines along axes, in this order.
fn axes(order: [usize; 3]) -> Mixture {
    Mixture::of_bases(order.map(|axis| Array2::from_shape_fn((4, 1), |(i, _)| f64::from(i == axis))).to_vec())
}

/// Swapped, each of these says something else.
#[test]
fn arguments_are_not_swapped() {
    let place = Place::new();
    // rp-score: GL of the inputs against --train. Of four inputs one copies a training row; of two training rows
    // both are alike to that one input.
    put(&place, "inputs.npy", &array![[1., 0., 0.], [0., 1., 0.], [0., -1., 0.], [0., 0., 1.]]);
    put(&place, "train.npy", &array![[2., 0., 0.], [3., 0.1, 0.]]);
    assert_eq!(value(&place, "rp-score inputs.npy --train train.npy", "value"), 0.75);
    assert_eq!(value(&place, "rp-score train.npy --train inputs.npy", "value"), 0.0);

    // pfd A B --relative-to C is pfd(A, B)/pfd(B, C): on a line, 1 over 4, where pfd(A, C) would be 5.
    for (name, x) in [("a.npy", 0.), ("b.npy", 1.), ("c.npy", 5.)] {
        put(&place, name, &array![[x, 0.], [x, 0.]]);
    }
    let relative = table(&place, "pfd a.npy b.npy --relative-to c.npy");
    assert!(column(&relative, "value").contains(&0.25), "{:?}", column(&relative, "value"));
    let relative = table(&place, "pfd b.npy a.npy --relative-to c.npy");
    assert!(column(&relative, "value").contains(&0.2));

    // npy diff: the tolerance is relative to the second. 0.3 is within 0.25 of 1.3, and not of 1.
    put(&place, "one.npy", &array![[1.0]]);
    put(&place, "more.npy", &array![[1.3]]);
    assert_eq!(place.run("npy diff one.npy more.npy --rtol 0.25").code, Some(0));
    assert_eq!(place.run("npy diff more.npy one.npy --rtol 0.25").code, Some(1));
    assert_eq!(place.run("npy diff one.npy more.npy --atol 0.25").code, Some(1));

    // subspace-error FITTED TRUTH: a row for each of TRUTH, `matched` its place in FITTED; a cycle of three is not
    // its own inverse. And where their numbers differ, TRUTH's rows stand.
    put_mixture(&place, "truth.st", axes([0, 1, 2]));
    put_mixture(&place, "cycled.st", axes([1, 2, 0]));
    let rows = table(&place, "subspace-error cycled.st truth.st");
    let matched = rows.column("matched").unwrap();
    let found: Vec<&str> = (0..3).map(|row| rows.text(row, matched)).collect();
    assert_eq!(found, ["2", "0", "1"]);

    // Guidance D = D_u + W (D − D_u): weight 1 is the model, 0 the unconditional one.
    let school = school(8);
    let sampled = |flags: &str| made(&school, &format!("pf-sample {flags} -n 20 --steps 5"));
    let (p, q) = (sampled("p.st"), sampled("q.st"));
    assert!(apart(&sampled("p.st --unconditional q.st --guidance 1"), &p) < ROUNDING);
    assert!(apart(&sampled("p.st --unconditional q.st --guidance 0"), &q) < ROUNDING);
    assert!(apart(&p, &q) > 0.1);

    // The first of --bias-variance is the teacher: two equal students have no variance, and the teacher's
    // distance is their bias.
    let split = table(&school, "pfd --bias-variance q.st p.st p.st -n 30 --steps 5 --seed 4");
    let distance = value(&school, "pfd p.st q.st -n 30 --steps 5 --seed 4", "value");
    let [error, bias, variance] = column(&split, "value")[..] else {
        panic!("{:?}", column(&split, "value"))
    };
    assert_eq!(variance, 0.0);
    // A square of a root, and a difference from a mean of two: rounding of f64.
    assert!((error - distance * distance).abs() < 1e-10 * error && (bias - error).abs() < 1e-10 * error);

    // npy images --from the pixels' range --to the floats': 51 of 0 to 255 is a fifth of the way from −1 to 3.
    put(&place, "pixels.npy", &array![[51., 255.]]);
    let images = made(&place, "npy images pixels.npy --shape 1,2 --from 0,255 --to=-1,3 --dtype f64");
    assert!((images[[0, 0]] + 0.2).abs() < 1e-15 && images[[0, 1]] == 3.0);
    // npy cat --rows and --cols.
    let all = get(&school, "train.npy");
    let part = made(&school, "npy cat train.npy --rows 3..9 --cols 1..4");
    assert!(part == all.slice(s![3..9, 1..4]));
}

/// What is asked for of dae-apply, from D by its definition.
#[test]
fn quantities_are_those_of_their_definitions() {
    let place = school(12);
    let x = get(&place, "points.npy");
    let sigma = 0.6;
    let of = |quantity: &str| {
        made(&place, &format!("dae-apply p.st points.npy --sigma {sigma} --quantity {quantity}"))
    };
    let d = of("denoised");
    assert!(apart(&of("score"), &((&d - &x) / (sigma * sigma))) < ROUNDING);
    let epsilon = (&x - &d) / sigma;
    assert!(apart(&of("epsilon"), &epsilon) < ROUNDING);
    assert!(apart(&of("velocity"), &(&epsilon - &d)) < ROUNDING);
    let snr = made(&place, &format!("dae-apply p.st points.npy --snr {}", 1.0 / sigma));
    assert!(apart(&snr, &d) < ROUNDING);
    // Unlike each other, so that none passes for another.
    assert!(apart(&d, &x) > 0.01 && apart(&epsilon, &x) > 0.01 && apart(&epsilon, &d) > 0.01);
}
