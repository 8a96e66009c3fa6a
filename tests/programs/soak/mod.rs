//! Random pipelines from random but valid flags, each compared with the slow, independent path: the same few hundred
//! every time; `make soak SECONDS=3600` goes on for longer. A failure prints its seed: SOAK_SEED=… repeats that round
//! alone. Peak memory of every kind of pipeline is kept, and printed every minute.

// Sums by index, as on paper.
#![allow(clippy::needless_range_loop)]

mod slow;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::place::Place;
use molrg::denoiser::Model;
use molrg::denoiser::model::Kind;
use molrg::stream::{ArrayWriter, Columns, Format, Input, Ledger, Output, ReadOptions, Rows as Array};
use ndarray::ArrayView2;
use slow::{Law, Rows, cosine, distance, dot, eigenvalues, mean, permutations};

/// Random choices, by SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    fn whole(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn log(&mut self, low: f64, high: f64) -> f64 {
        self.real(low.ln(), high.ln()).exp()
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.whole(0, all.len() - 1)]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.whole(1, n) == 1
    }

    fn matrix(&mut self, n: usize, d: usize) -> Rows {
        (0..n).map(|_| (0..d).map(|_| self.real(-3.0, 3.0)).collect()).collect()
    }
}

/// One round: its place, its choices, and the memory that its programs took.
struct Round {
    dice: Dice,
    place: Place,
    peak: u64,
}

fn list(numbers: &[f64]) -> String {
    numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
}

#[track_caller]
fn close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    within(got, expected, tolerance * largest(expected), what);
}

#[track_caller]
fn within(got: &[f64], expected: &[f64], allowed: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (x, y)) in got.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= allowed, "{what}: number {i} is {x}, not {y}");
    }
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(1e-300f64, |m, x| m.max(x.abs()))
}

impl Round {
    fn new(seed: u64) -> Round {
        Round { dice: Dice(seed), place: Place::new(), peak: 0 }
    }

    /// Standard output of a call, now and then compared with that of more threads.
    #[track_caller]
    fn out(&mut self, line: &str) -> Vec<u8> {
        let out = self.place.out(&format!("{line} --threads 1 --manifest run.json --manifest-host"));
        let run: serde_json::Value = serde_json::from_slice(&self.place.get("run.json")).unwrap();
        self.peak = self.peak.max(run["host"]["peak_memory_bytes"].as_u64().unwrap());
        // Not where there is something left that the next run would find.
        if self.dice.one_in(10) && !line.contains(" -o ") && !line.contains("--checkpoint") {
            assert!(
                self.place.out(&format!("{line} --threads 3")) == out,
                "{line}: other threads, other bytes"
            );
        }
        out
    }

    fn rows(&self, name: &str) -> Rows {
        let path = self.place.path(name);
        let rows = Array::open(path.as_os_str(), &ReadOptions::default(), &Ledger::off());
        let values = rows.unwrap().read_all::<f64>().unwrap();
        values.outer_iter().map(|row| row.to_vec()).collect()
    }

    /// The numbers of an array that a call writes, one row after the other.
    #[track_caller]
    fn numbers(&mut self, line: &str) -> Vec<f64> {
        let out = self.out(line);
        self.place.put("out.npy", out);
        self.rows("out.npy").concat()
    }

    fn put(&self, name: &str, rows: &Rows) {
        let output = Output::create(Some(&self.place.path(name)), &Ledger::off()).unwrap();
        let width = rows[0].len();
        let mut writer = ArrayWriter::new(output, Format::Npy, Some(rows.len()), &[width]).unwrap();
        writer.write(ArrayView2::from_shape((rows.len(), width), &rows.concat()).unwrap()).unwrap();
        writer.finish().unwrap();
    }

    #[track_caller]
    fn table(&mut self, line: &str) -> Columns {
        let out = self.out(line);
        self.place.put("out.csv", out);
        self.read_table("out.csv")
    }

    fn read_table(&self, name: &str) -> Columns {
        Columns::read(Input::open(self.place.path(name).as_os_str(), &Ledger::off()).unwrap()).unwrap()
    }

    /// Flags that plant a mixture.
    fn planted(&mut self) -> String {
        let k = self.dice.whole(1, 3);
        let ranks: Vec<usize> = (0..k).map(|_| self.dice.whole(1, 3)).collect();
        let d = ranks.iter().sum::<usize>() + self.dice.whole(1, 5);
        let weights: Vec<f64> = (0..k).map(|_| self.dice.real(0.2, 2.0)).collect();
        // One component has no weight.
        let weights = if k > 1 { format!("--weights {} ", list(&weights)) } else { String::new() };
        let spectrum = self.dice.pick(&["flat", "linear:0.3", "geometric:0.5", "power:1"]);
        let ranks: Vec<String> = ranks.iter().map(usize::to_string).collect();
        format!(
            "-d {d} -r {} {weights}--spectrum {spectrum} --noise-std {} --mean-norm {} --seed {} --dtype f64",
            ranks.join(","),
            self.dice.real(0.05, 0.5),
            self.dice.real(0.0, 3.0),
            self.dice.next()
        )
    }

    /// A mixture in `name`, and samples of it.
    fn plant(&mut self, name: &str, samples: &str) {
        let (planted, n) = (self.planted(), self.dice.whole(20, 120));
        self.out(&format!("molrg-gen {planted} -n {n} --truth {name} -o {samples}"));
    }

    /// The law that a mixture's file says.
    fn law(&self, name: &str) -> Law {
        let model = Model::read(Input::open(self.place.path(name).as_os_str(), &Ledger::off()).unwrap());
        let Kind::Molrg(mixture) = model.unwrap().kind else { panic!("{name} is no mixture") };
        let components = mixture.components.iter().map(|c| {
            let (d, noise) = (c.mean.len(), c.noise_variance);
            let covariance = (0..d).map(|i| {
                let entry = |j: usize| {
                    let on: f64 = (0..c.variances.len())
                        .map(|a| c.basis[[i, a]] * (c.variances[a] - noise) * c.basis[[j, a]])
                        .sum();
                    on + if i == j { noise } else { 0.0 }
                };
                (0..d).map(entry).collect()
            });
            (c.weight, c.mean.to_vec(), covariance.collect())
        });
        Law::Mixture(components.collect())
    }

    /// A mixture or the empirical model of samples, in `model.st`, and points in `x.npy`.
    fn model(&mut self) -> Law {
        self.plant("model.st", "x.npy");
        if self.dice.one_in(3) {
            self.out("dae-fit x.npy --kind empirical -o model.st");
            Law::Empirical(self.rows("x.npy"))
        } else {
            self.law("model.st")
        }
    }

    /// Levels from high to low, now and then down to 0, and the flags that say them.
    fn grid(&mut self) -> (Vec<f64>, String) {
        let steps = self.dice.whole(2, 12);
        let (low, high) = (self.dice.log(0.01, 0.5), self.dice.log(2.0, 80.0));
        if self.dice.one_in(2) {
            let rho = self.dice.real(1.0, 9.0);
            // Karras et al. 2022, equation 5.
            let level = |i: usize| {
                let (a, b) = (high.powf(1.0 / rho), low.powf(1.0 / rho));
                (a + i as f64 / (steps - 1) as f64 * (b - a)).powf(rho)
            };
            let mut levels: Vec<f64> = (0..steps).map(level).collect();
            levels.push(0.0);
            return (levels, format!("--steps {steps} --sigma-min {low} --sigma-max {high} --rho {rho}"));
        }
        let mut levels: Vec<f64> = (0..steps).map(|_| self.dice.log(low, high)).collect();
        levels.extend([low, high]);
        levels.sort_by(|a, b| b.total_cmp(a));
        if self.dice.one_in(2) {
            levels.push(0.0);
        }
        let flags = format!("--sigmas {}", list(&levels));
        (levels, flags)
    }

    fn solver(&mut self) -> &'static str {
        self.dice.pick(&["euler", "heun", "dpm2", "rk4", "dpmpp2m"])
    }
}

/// Rows of a mixture lie where it says, whatever part of them is drawn.
fn drawing(round: &mut Round) {
    let (planted, n) = (round.planted(), round.dice.whole(2, 200));
    let all = round.numbers(&format!("molrg-gen {planted} -n {n} --labels labels.csv --truth truth.st"));
    let Law::Mixture(components) = round.law("truth.st") else { unreachable!() };
    let (d, skip) = (all.len() / n, round.dice.whole(0, n - 1));
    let part = round.numbers(&format!("molrg-gen {planted} -n {} --skip {skip}", n - skip));
    assert!(part == all[skip * d..], "molrg-gen --skip {skip}");
    let labels = round.read_table("labels.csv");
    let label = labels.names().len() - 1;
    for (i, x) in all.chunks(d).enumerate() {
        let (_, mean, covariance) = &components[labels.number(i, label).unwrap().unwrap() as usize];
        let off: Vec<f64> = x.iter().zip(mean).map(|(x, m)| x - m).collect();
        let trace: f64 = (0..d).map(|i| covariance[i][i]).sum();
        // Ten standard deviations: never.
        assert!(dot(&off, &off) < 100.0 * trace, "row {i} is far from its component");
    }
}

fn denoising(round: &mut Round) {
    let law = round.model();
    let sigmas: Vec<f64> = (0..round.dice.whole(1, 3)).map(|_| round.dice.log(0.05, 20.0)).collect();
    let quantity = round.dice.pick(&["denoised", "score", "epsilon", "velocity"]);
    let got =
        round.numbers(&format!("dae-apply model.st x.npy --sigma {} --quantity {quantity}", list(&sigmas)));
    let x = round.rows("x.npy");
    let (mut expected, mut rounding) = (Vec::new(), 0.0f64);
    for sigma in sigmas {
        for x in &x {
            // Where x and D agree, what differs is rounding of x.
            rounding = rounding.max(1e-14 * largest(x) / (sigma * sigma).min(1.0));
            let d = law.denoise(x, sigma);
            expected.extend(x.iter().zip(d).map(|(x, d)| match quantity {
                "denoised" => d,
                "score" => (d - x) / (sigma * sigma),
                "epsilon" => (x - d) / sigma,
                _ => (x - d) / sigma - d,
            }));
        }
    }
    within(&got, &expected, 1e-9 * largest(&expected) + rounding, quantity);
}

/// Numbers of what a flow makes may lie this far apart, relative to the largest: rounding of 1e-15, which a flow
/// between two modes stretches a thousandfold and more.
const FLOW: f64 = 1e-8;

fn sampling(round: &mut Round) {
    let law = round.model();
    let ((levels, grid), solver, n) = (round.grid(), round.solver(), round.dice.whole(1, 20));
    let (seed, d) = (round.dice.next(), round.rows("x.npy")[0].len());
    round.out(&format!("npy noise -n {n} -d {d} --seed {seed} --dtype f64 -o latents.npy"));
    let source =
        if round.dice.one_in(2) { "--noise latents.npy".into() } else { format!("-n {n} --seed {seed}") };
    let got = round.numbers(&format!("pf-sample model.st {source} --solver {solver} {grid}"));
    let started = |e: &Vec<f64>| e.iter().map(|e| e * levels[0]).collect::<Vec<_>>();
    let flown =
        round.rows("latents.npy").iter().map(|e| law.flow(solver, &started(e), &levels)).collect::<Vec<_>>();
    close(&got, &flown.concat(), FLOW, &format!("{solver} {grid}"));
}

fn encoding(round: &mut Round) {
    let law = round.model();
    let ((mut levels, grid), solver) = (round.grid(), round.solver());
    let got = round.numbers(&format!("pf-sample model.st --encode --data x.npy --solver {solver} {grid}"));
    levels.retain(|s| *s > 0.0);
    levels.reverse();
    let top = levels[levels.len() - 1];
    let flown = round.rows("x.npy").iter().map(|x| law.flow(solver, x, &levels)).collect::<Vec<_>>().concat();
    let latents: Vec<f64> = flown.iter().map(|x| x / top).collect();
    close(&got, &latents, FLOW, &format!("{solver} {grid}"));
}

fn distances(round: &mut Round) {
    let law = round.model();
    let (n, d) = (round.rows("x.npy").len(), round.rows("x.npy")[0].len());
    let ((levels, grid), solver, seed) = (round.grid(), round.solver(), round.dice.next());
    let made: Rows = {
        round.out(&format!("npy noise -n {n} -d {d} --seed {seed} --dtype f64 -o latents.npy"));
        let started = |e: &Vec<f64>| e.iter().map(|e| e * levels[0]).collect::<Vec<_>>();
        round.rows("latents.npy").iter().map(|e| law.flow(solver, &started(e), &levels)).collect()
    };
    let other = round.dice.matrix(n, d);
    round.put("other.npy", &other);
    let squares: Vec<f64> = made.iter().zip(&other).map(|(x, y)| distance(x, y).powi(2)).collect();
    let expected = mean(&squares).sqrt();
    let inputs = if round.dice.one_in(2) { "model.st other.npy" } else { "other.npy model.st" };
    let table = round.table(&format!("pfd {inputs} --seed {seed} --solver {solver} {grid}"));
    let value = table.number(0, table.column("value").unwrap()).unwrap().unwrap();
    close(&[value], &[expected], FLOW, inputs);
}

fn scores(round: &mut Round) {
    let (n, d, m) = (round.dice.whole(1, 80), round.dice.whole(1, 10), round.dice.whole(2, 60));
    let (a, train, fresh) = (round.dice.matrix(n, d), round.dice.matrix(m, d), round.dice.matrix(n + 3, d));
    // Now near a, now at random; some of them copies of training rows.
    let b: Rows = (0..n)
        .map(|i| match round.dice.whole(0, 3) {
            0 => train[i % m].clone(),
            1 => round.dice.matrix(1, d).remove(0),
            _ => a[i].iter().map(|x| x + round.dice.real(-0.5, 0.5)).collect(),
        })
        .collect();
    for (name, rows) in [("a.npy", &a), ("b.npy", &b), ("train.npy", &train), ("fresh.npy", &fresh)] {
        round.put(name, rows);
    }
    let similarity = round.dice.pick(&["cosine", "mae", "l2"]);
    let threshold = match similarity {
        "cosine" => round.dice.real(-0.9, 0.95),
        "mae" => round.dice.real(1.0, 120.0),
        _ => round.dice.real(0.1, 6.0),
    };
    let (low, high) = (round.dice.real(-4.0, -1.0), round.dice.real(1.0, 4.0));
    let alike = |x: &[f64], y: &[f64]| match similarity {
        "cosine" => cosine(x, y) > threshold,
        "mae" => {
            let apart: Vec<f64> = x.iter().zip(y).map(|(x, y)| (x - y).abs()).collect();
            mean(&apart) * 255.0 / (high - low) < threshold
        }
        _ => distance(x, y) < threshold,
    };
    let share = |flags: Vec<bool>| flags.iter().filter(|f| **f).count() as f64 / flags.len() as f64;
    let sorted = |x: &Vec<f64>| {
        let mut all: Vec<f64> = train.iter().map(|t| distance(x, t)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let nearest = |rows: &Rows| rows.iter().map(|x| sorted(x)[0]).sum::<f64>() / rows.len() as f64;
    let mut expected = vec![share(a.iter().zip(&b).map(|(x, y)| alike(x, y)).collect())];
    for x in [&a, &b] {
        expected.push(1.0 - share(x.iter().map(|x| train.iter().any(|t| alike(x, t))).collect()));
        expected.push(nearest(x) / nearest(&fresh));
        let copy = |x: &Vec<f64>| sorted(x)[0] < 0.5 * sorted(x)[1];
        expected.push(1.0 - share(x.iter().map(copy).collect()));
    }
    let range = if similarity == "mae" { format!("--data-range={low},{high}") } else { String::new() };
    let line = format!(
        "rp-score a.npy b.npy --similarity {similarity} --threshold={threshold} {range} \
         --train train.npy --reference fresh.npy --gl similarity,distance,ratio --ratio 0.5"
    );
    let table = round.table(&line);
    let value = table.column("value").unwrap();
    let got: Vec<f64> = (0..table.len()).map(|row| table.number(row, value).unwrap().unwrap()).collect();
    close(&got, &expected, 1e-10, &line);
}

fn ranks(round: &mut Round) {
    let law = round.model();
    let (sigma, eta) = (round.dice.log(0.2, 10.0), round.dice.real(0.5, 0.999));
    let d = round.rows("x.npy")[0].len();
    let line = format!(
        "jacobian-rank model.st --points x.npy --rows ..4 --sigma {sigma} --eta {eta} --per-sample \
         --spectrum values.npy --top {d}"
    );
    let table = round.table(&line);
    let (values, rank) = (round.rows("values.npy").concat(), table.column("rank").unwrap());
    for (i, x) in round.rows("x.npy")[..4].iter().enumerate() {
        // The Jacobian is a covariance over σ²: symmetric, and its singular values are its eigenvalues.
        let j = law.jacobian(x, sigma);
        let middle = |a: usize, b: usize| 0.5 * (j[a][b] + j[b][a]);
        let j = (0..d).map(|a| (0..d).map(|b| middle(a, b)).collect()).collect();
        let expected = eigenvalues(j);
        let largest = expected[0].max(1e-3);
        let got = &values[i * d..(i + 1) * d];
        // Differences of steps of 1e-4 σ see derivatives no better.
        for (x, y) in got.iter().zip(&expected) {
            assert!((x - y).abs() < 1e-4 * largest, "{line}: singular value {x}, not {y}");
        }
        let total = dot(got, got);
        let reached = |r: usize| (dot(&got[..r], &got[..r]) / total).sqrt();
        let r = table.number(i, rank).unwrap().unwrap() as usize;
        if total == 0.0 {
            // So near to one point that no other has a weight: the Jacobian is zero, and so is its rank.
            assert_eq!(r, 0, "{line}: row {i}");
            continue;
        }
        assert!(r > 0 && reached(r) > eta - 1e-9, "{line}: rank {r}");
        assert!(r == 1 || reached(r - 1) <= eta + 1e-9, "{line}: rank {r}");
    }
}

fn subspaces(round: &mut Round) {
    let planted = round.planted();
    let planted = planted.split(" --seed").next().unwrap();
    for name in ["fitted.st", "truth.st"] {
        let seed = round.dice.next();
        round.out(&format!("molrg-gen {planted} --seed {seed} --dtype f64 -n 1 --truth {name} -o /dev/null"));
    }
    let projectors = |round: &Round, name: &str| -> Vec<Rows> {
        let model =
            Model::read(Input::open(round.place.path(name).as_os_str(), &Ledger::off()).unwrap()).unwrap();
        let Kind::Molrg(mixture) = model.kind else { panic!("{name} is no mixture") };
        let projector = |u: &ndarray::Array2<f64>| -> Rows {
            let rows: Rows = u.outer_iter().map(|r| r.to_vec()).collect();
            rows.iter().map(|a| rows.iter().map(|b| dot(a, b)).collect()).collect()
        };
        mixture.components.iter().map(|c| projector(&c.basis)).collect()
    };
    let (fitted, truth) = (projectors(round, "fitted.st"), projectors(round, "truth.st"));
    let error = |f: &Rows, t: &Rows| distance(&f.concat(), &t.concat());
    let errors = |order: &Vec<usize>| -> Vec<f64> {
        order.iter().zip(&truth).map(|(f, t)| error(&fitted[*f], t)).collect()
    };
    let cost = |order: &Vec<usize>| errors(order).iter().map(|e| e * e).sum::<f64>();
    let best = permutations(truth.len()).into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap();
    let table = round.table("subspace-error fitted.st truth.st");
    let column = table.column("error").unwrap();
    let got: Vec<f64> = (0..truth.len()).map(|row| table.number(row, column).unwrap().unwrap()).collect();
    // Its square: two orders of equal cost to rounding are one as good as the other.
    close(&[got.iter().map(|e| e * e).sum()], &[cost(&best)], 1e-9, planted);
    let matched = table.column("matched").unwrap();
    let order: Vec<usize> = (0..truth.len()).map(|row| table.text(row, matched).parse().unwrap()).collect();
    close(&got, &errors(&order), 1e-7, planted);
}

fn arrays(round: &mut Round) {
    let (n, d) = (round.dice.whole(1, 100), round.dice.whole(1, 12));
    let (a, b) = (round.dice.matrix(n, d), round.dice.matrix(n, d));
    round.put("a.npy", &a);
    round.put("b.npy", &b);
    let all: Rows = a.iter().chain(&b).cloned().collect();
    let (from, columns) = (round.dice.whole(0, 2 * n - 1), round.dice.whole(0, d - 1));
    let to = round.dice.whole(from + 1, 2 * n);
    let got = round.numbers(&format!("npy cat a.npy b.npy --rows {from}..{to} --cols {columns}.."));
    let expected: Vec<f64> = all[from..to].iter().flat_map(|row| row[columns..].to_vec()).collect();
    assert!(got == expected, "npy cat --rows {from}..{to} --cols {columns}..");

    let atol = round.dice.real(0.0, 6.0);
    let apart: Vec<f64> = a.concat().iter().zip(b.concat()).map(|(x, y)| (x - y).abs()).collect();
    let differing = apart.iter().filter(|x| **x > atol).count();
    let done = round.place.run(&format!("npy diff a.npy b.npy --atol {atol}"));
    assert_eq!(done.code, Some(i32::from(differing > 0)), "{}", done.err);
    round.place.put("out.csv", &done.out);
    let table = round.read_table("out.csv");
    let number = |name: &str| table.number(0, table.column(name).unwrap()).unwrap().unwrap();
    assert_eq!(number("differing"), differing as f64);
    let largest = apart.iter().filter(|x| **x > atol).fold(0f64, |m, x| m.max(*x));
    assert_eq!(number("max_abs"), largest);

    let table = round.table("npy info a.npy");
    let number = |name: &str| table.number(0, table.column(name).unwrap()).unwrap().unwrap();
    let numbers = a.concat();
    close(&[number("mean")], &[mean(&numbers)], 1e-12 / mean(&numbers).abs().max(1e-12), "mean");
    assert_eq!(number("min"), numbers.iter().fold(f64::INFINITY, |m, x| m.min(*x)));
    assert_eq!(number("max"), numbers.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x)));
}

/// Padding, averaging and the change of range, pixel by pixel.
fn images(round: &mut Round) {
    let (pool, pad, channels) = (round.dice.whole(1, 3), round.dice.whole(0, 3), round.dice.whole(1, 3));
    // What with its padding divides into squares.
    let side = |dice: &mut Dice| (2 * pad / pool + dice.whole(1, 4)) * pool - 2 * pad;
    let (height, width) = (side(&mut round.dice), side(&mut round.dice));
    let (low, high, to_low, to_high) = (
        round.dice.real(-3.0, 0.0),
        round.dice.real(1.0, 9.0),
        round.dice.real(-2.0, 0.0),
        round.dice.real(0.5, 2.0),
    );
    let rows = round.dice.matrix(5, height * width * channels);
    round.put("pixels.npy", &rows);
    let line = format!(
        "npy images pixels.npy --shape {height},{width},{channels} --pool {pool} --pad {pad} --from={low},{high} \
         --to={to_low},{to_high} --dtype f64"
    );
    let got = round.numbers(&line);
    let mut expected = Vec::new();
    for image in &rows {
        for y in 0..(height + 2 * pad) / pool {
            for x in 0..(width + 2 * pad) / pool {
                for c in 0..channels {
                    let mut sum = 0.0;
                    for (i, j) in (0..pool).flat_map(|i| (0..pool).map(move |j| (i, j))) {
                        let (y, x) = ((y * pool + i).wrapping_sub(pad), (x * pool + j).wrapping_sub(pad));
                        if y < height && x < width {
                            sum += image[(y * width + x) * channels + c];
                        }
                    }
                    let average = sum / (pool * pool) as f64;
                    expected.push(to_low + (average - low) / (high - low) * (to_high - to_low));
                }
            }
        }
    }
    close(&got, &expected, 1e-12, &line);
}

fn tables(round: &mut Round) {
    let n = round.dice.whole(6, 60);
    let rows: Vec<(usize, f64, f64)> = (0..n)
        .map(|i| {
            (
                if i < 6 { i % 3 } else { round.dice.whole(0, 2) },
                round.dice.real(0.1, 9.0),
                round.dice.real(-5.0, 5.0),
            )
        })
        .collect();
    let lines: Vec<String> = rows.iter().map(|(g, x, y)| format!("{g},{x},{y}\n")).collect();
    round.place.put("t.csv", format!("g,x,y\n{}", lines.concat()));
    let groups: Vec<Vec<(f64, f64)>> =
        (0..3).map(|k| rows.iter().filter(|r| r.0 == k).map(|r| (r.1, r.2)).collect()).collect();

    let means = round.table("table mean t.csv --by g --value y");
    let slopes = round.table("table slope t.csv --x x --y y --by g --log-x");
    for (i, group) in groups.iter().enumerate() {
        let y: Vec<f64> = group.iter().map(|p| p.1).collect();
        let x: Vec<f64> = group.iter().map(|p| p.0.ln()).collect();
        let spread = |v: &[f64], w: &[f64]| -> f64 {
            v.iter().zip(w).map(|(a, b)| (a - mean(v)) * (b - mean(w))).sum()
        };
        let std = (spread(&y, &y) / (y.len() - 1) as f64).sqrt();
        let number = |t: &Columns, name: &str| t.number(i, t.column(name).unwrap()).unwrap().unwrap();
        assert_eq!(means.text(i, 0), i.to_string());
        let got = [number(&means, "y"), number(&means, "y_std"), number(&means, "y_std_error")];
        close(&got, &[mean(&y), std, std / (y.len() as f64).sqrt()], 1e-12, "table mean");
        let slope = spread(&x, &y) / spread(&x, &x);
        let got = [number(&slopes, "slope"), number(&slopes, "intercept")];
        close(&got, &[slope, mean(&y) - slope * mean(&x)], 1e-9, "table slope");
    }
    let computed = round.table("table let t.csv z=x*y-2^x u=max(y,0)/sqrt(x)+z --nan pass");
    for (i, (_, x, y)) in rows.iter().enumerate() {
        let z = x * y - 2f64.powf(*x);
        let got = [3, 4].map(|column| computed.number(i, column).unwrap().unwrap());
        close(&got, &[z, y.max(0.0) / x.sqrt() + z], 1e-14, "table let");
    }
    let cut = round.dice.whole(0, n - 1);
    let parts = [format!("..{cut}"), format!("{cut}..{n}")];
    if cut > 0 {
        for (i, rows) in parts.iter().enumerate() {
            round.out(&format!("table cat t.csv --rows {rows} -o part{i}.csv"));
        }
        assert!(round.out("table cat part0.csv part1.csv") == round.place.get("t.csv"), "table cat");
    }
}

/// A Gaussian's mean and covariance, and the subspace that holds most of the data.
fn fitting(round: &mut Round) {
    round.plant("planted.st", "x.npy");
    let x = round.rows("x.npy");
    let (n, d) = (x.len(), x[0].len());
    let center: Vec<f64> = (0..d).map(|j| x.iter().map(|r| r[j]).sum::<f64>() / n as f64).collect();
    let second = |about: &[f64]| -> Rows {
        let entry = |i: usize, j: usize| {
            x.iter().map(|r| (r[i] - about[i]) * (r[j] - about[j])).sum::<f64>() / n as f64
        };
        (0..d).map(|i| (0..d).map(|j| entry(i, j)).collect()).collect()
    };
    let law = Law::Mixture(vec![(1.0, center.clone(), second(&center))]);
    round.out("dae-fit x.npy --kind gaussian -o gaussian.st");
    let sigma = round.dice.log(0.3, 5.0);
    let got = round.numbers(&format!("dae-apply gaussian.st x.npy --sigma {sigma}"));
    close(&got, &x.iter().map(|x| law.denoise(x, sigma)).collect::<Vec<_>>().concat(), 1e-8, "gaussian");

    let r = round.dice.whole(1, d.min(n) - 1);
    round.out(&format!("dae-fit x.npy --kind molrg -r {r} --solver pca -o pca.st"));
    let model =
        Model::read(Input::open(round.place.path("pca.st").as_os_str(), &Ledger::off()).unwrap()).unwrap();
    let Kind::Molrg(mixture) = model.kind else { panic!("no mixture") };
    let u = &mixture.components[0].basis;
    let held: f64 = (0..u.ncols())
        .map(|a| x.iter().map(|row| (0..d).map(|i| u[[i, a]] * row[i]).sum::<f64>().powi(2)).sum::<f64>())
        .sum::<f64>()
        / n as f64;
    let most: f64 = eigenvalues(second(&vec![0.0; d]))[..r].iter().sum();
    close(&[held], &[most], 1e-9, "pca");
}

/// Training takes no more memory the longer it goes, and comes to the same bytes through a checkpoint.
fn training(round: &mut Round) {
    round.plant("planted.st", "x.npy");
    let kind = round.dice.pick(&["linear --width 4", "two-layer --width 8", "mlp --width 8 --depth 1"]);
    let loss = round.dice.pick(&["edm", "vp", "ve"]);
    let (batch, steps, every) = (round.dice.whole(1, 40), round.dice.whole(4, 120), round.dice.whole(1, 30));
    // At a rate that so few steps on so few rows cannot diverge at: a run that ends early compares nothing.
    let line = format!(
        "dae-fit x.npy --kind {kind} --loss {loss} --batch {batch} --steps {steps} --seed {} --lr 1e-4 --quiet",
        round.dice.next()
    );
    let whole = round.out(&line);
    std::fs::create_dir(round.place.path("kept")).unwrap();
    let checkpointed = round.out(&format!("{line} --checkpoint kept --every {every}"));
    assert!(whole == checkpointed, "{line}: other bytes with checkpoints");
    let resumed = round.out(&format!("{line} --checkpoint kept --every {every} --resume"));
    assert!(whole == resumed, "{line}: other bytes when resumed");
}

type Pipeline = fn(&mut Round);

const KINDS: [(&str, Pipeline); 13] = [
    ("drawing", drawing),
    ("denoising", denoising),
    ("sampling", sampling),
    ("encoding", encoding),
    ("distances", distances),
    ("scores", scores),
    ("ranks", ranks),
    ("subspaces", subspaces),
    ("arrays", arrays),
    ("images", images),
    ("tables", tables),
    ("fitting", fitting),
    ("training", training),
];

/// Rounds of each kind, and the most memory that one of its programs took, in MiB.
type Peaks = BTreeMap<&'static str, (u64, u64)>;

fn run(seed: u64, peaks: &mut Peaks) {
    let (name, pipeline) = KINDS[(seed % KINDS.len() as u64) as usize];
    let mut round = Round::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| pipeline(&mut round)));
    assert!(result.is_ok(), "{name} failed; SOAK_SEED={seed} repeats it");
    let (count, peak) = peaks.entry(name).or_default();
    *count += 1;
    *peak = (*peak).max(round.peak >> 20);
}

/// Peak memory of this process, in MiB.
fn own_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
}

/// Rounds of the short run: 20 of each kind of pipeline.
const SHORT: u64 = 20 * KINDS.len() as u64;

fn soak(first: u64, time: Option<Duration>) {
    let began = Instant::now();
    let (mut all, mut recent, mut minute) = (Peaks::new(), Peaks::new(), 0);
    let mut early = None;
    for seed in first.. {
        run(seed, &mut recent);
        let elapsed = began.elapsed();
        let over = time.map_or(seed + 1 == first + SHORT, |time| elapsed >= time);
        if elapsed.as_secs() / 60 > minute || over {
            minute = elapsed.as_secs() / 60;
            for (name, (count, peak)) in std::mem::take(&mut recent) {
                let kind = all.entry(name).or_default();
                *kind = (kind.0 + count, kind.1.max(peak));
            }
            let rounds: u64 = all.values().map(|(count, _)| count).sum();
            let peaks: Vec<String> =
                all.iter().map(|(name, (n, peak))| format!("{name} {n}:{peak}")).collect();
            println!(
                "minute {minute}: {rounds} rounds to seed {seed}, own peak {} MiB; rounds:MiB {}",
                own_peak(),
                peaks.join(" ")
            );
            early.get_or_insert_with(own_peak);
        }
        if over {
            break;
        }
    }
    for (name, (_, peak)) in &all {
        // All inputs are small: what a program takes is its own code and buffers.
        assert!(*peak < 100, "{name}: {peak} MiB");
    }
    let early = early.unwrap_or_default();
    assert!(own_peak() <= early + 16, "this process grew from {early} to {} MiB", own_peak());
}

#[test]
fn random_pipelines_agree_with_the_slow_path() {
    if let Ok(seed) = std::env::var("SOAK_SEED") {
        return run(seed.parse().unwrap(), &mut Peaks::new());
    }
    let time = std::env::var("SOAK_SECONDS").ok().map(|s| Duration::from_secs(s.parse().unwrap()));
    // Another hour, other pipelines.
    let first = std::env::var("SOAK_FIRST").map_or(0, |s| s.parse().unwrap());
    soak(first, time);
}
