//! Linear attention in context: the closed form against its published setting, its risk against prompts drawn in full, and
//! training against the closed form.

use molrg::in_context::{Prompt, Prompts, Tasks, Training, turned};
use molrg::linalg::orthonormalize;
use molrg::measure::interval::Mean;
use molrg::random::{Purpose, normal_rows, row_rng};
use ndarray::{Array1, Array2};

/// d = 20, r = 5, τ = 0, 1e-3 on the diagonal of Σ: at 0, 30, 45, 60 and 90 degrees after one subspace, and after two at
/// any, as NumPy has it with dense inverses.
const RISKS: [(usize, [f64; 5], f64); 4] = [
    (20, [1.1539, 2.2902, 3.4266, 4.5629, 5.6993], 1.7742),
    (100, [0.2833, 1.4698, 2.6563, 3.8429, 5.0294], 0.4957),
    (1000, [0.0319, 0.8999, 1.7679, 2.6360, 3.5040], 0.0558),
    (10_000, [0.0063, 0.1459, 0.2855, 0.4251, 0.5647], 0.0077),
];

const ANGLES: [f64; 5] = [0.0, 30.0, 45.0, 60.0, 90.0];

fn covariance(basis: &Array2<f64>) -> Array2<f64> {
    basis.dot(&basis.t())
}

#[test]
fn risks_are_those_of_the_table() {
    for (pairs, single, union) in RISKS {
        let prompt = Prompt { pairs, noise_std: 0.0 };
        let of = |tasks: Tasks| prompt.optimal(tasks.covariance(20, 5, 1e-3).view()).unwrap();
        let (one, two) = (of(Tasks::Subspaces(1)), of(Tasks::Subspaces(2)));
        for (angle, expected) in ANGLES.into_iter().zip(single) {
            let test = covariance(&turned(20, 5, 2, angle));
            // The table has four digits after the point.
            assert!((prompt.risk(one.view(), test.view()) - expected).abs() < 6e-5, "{pairs}, {angle}");
            assert!((prompt.risk(two.view(), test.view()) - union).abs() < 6e-5, "{pairs}, {angle}");
        }
    }
}

/// R rises by sin² of the angle after one subspace, is flat after a union, and beyond its span nearly that of the answer 0.
#[test]
fn risk_over_the_angle() {
    let prompt = Prompt { pairs: 200, noise_std: 0.3 };
    let gamma = |tasks: Tasks| prompt.optimal(tasks.covariance(24, 4, 0.0).view()).unwrap();
    let risk = |gamma: &Array2<f64>, towards, angle| {
        prompt.risk(gamma.view(), covariance(&turned(24, 4, towards, angle)).view())
    };
    let (one, three, any) = (gamma(Tasks::Subspaces(1)), gamma(Tasks::Subspaces(3)), gamma(Tasks::Full));
    let [start, end] = [0.0, 90.0].map(|angle| risk(&one, 2, angle));
    for angle in [10.0, 30.0, 45.0, 77.0] {
        let sin2 = f64::to_radians(angle).sin().powi(2);
        // Sums of a few hundred terms of about 1.
        assert!((risk(&one, 2, angle) - start - (end - start) * sin2).abs() < 1e-12);
        for towards in [2, 3] {
            assert!((risk(&three, towards, angle) - risk(&three, 2, 0.0)).abs() < 1e-12);
            assert!((risk(&any, 5, angle) - risk(&any, 2, 0.0)).abs() < 1e-12);
        }
    }
    // What lies outside is not answered: r + τ², and the noise of Γh off it.
    assert!(end > 4.0 + 0.09 && risk(&three, 4, 90.0) > 4.0 + 0.09);
    // N → ∞: τ² + r sin²θ.
    let long = Prompt { pairs: 1_000_000, noise_std: 0.3 };
    let one = long.optimal(Tasks::Subspaces(1).covariance(24, 4, 0.0).view()).unwrap();
    let half = long.risk(one.view(), covariance(&turned(24, 4, 2, 45.0)).view());
    // Of order r²/N.
    assert!((half - 0.09 - 2.0).abs() < 1e-4, "{half}");
}

/// Γ* is where the risk is least: any step from it costs tr(ΔA(Σ)Δᵀ), for tasks that lie anywhere.
#[test]
fn the_optimum_is_where_risk_is_least() {
    let root = normal_rows::<f64>(3, Purpose::Latents, 0..7, 4);
    let sigma = covariance(&root);
    let prompt = Prompt { pairs: 9, noise_std: 0.5 };
    let best = prompt.optimal(sigma.view()).unwrap();
    let least = prompt.risk(best.view(), sigma.view());
    for seed in 0..5 {
        let step = normal_rows::<f64>(seed, Purpose::Probes, 0..7, 7) * 0.1;
        let there = prompt.risk((&best + &step).view(), sigma.view());
        let cost = (step.dot(&prompt.second_moment(sigma.view())) * &step).sum();
        // Both about 10.
        assert!(cost > 0.0 && (there - least - cost).abs() < 1e-10, "{there} {least} {cost}");
    }
}

/// Of any Γ and any subspace, prompts drawn pair by pair have the risk of the formula.
#[test]
fn the_formula_is_the_mean_over_prompts() {
    let basis = orthonormalize(normal_rows::<f64>(5, Purpose::Latents, 0..6, 2).view());
    let gamma = normal_rows::<f64>(6, Purpose::Latents, 0..6, 6) * 0.3;
    for (pairs, noise_std) in [(1, 0.0), (4, 0.7), (30, 0.2)] {
        let prompt = Prompt { pairs, noise_std };
        let prompts = Prompts { prompt, seed: 2 };
        let mut mean = Mean::default();
        for i in 0..20_000 {
            mean.add(prompts.squared_errors(i, &[gamma.view()], std::slice::from_ref(&basis))[0]);
        }
        let exact = prompt.risk(gamma.view(), covariance(&basis).view());
        // Four standard errors; they must be small enough to tell.
        assert!((mean.mean - exact).abs() < 4.0 * mean.std_error(), "{pairs}: {} {exact}", mean.mean);
        assert!(mean.std_error() < 0.1 * exact);
    }
}

/// h without its pairs has the law of h with them: its second moment, its product with the task, and its fourth moment.
#[test]
fn moments_drawn_at_once_have_the_law_of_those_drawn_by_pairs() {
    let w = Array1::from(vec![1.2, -0.4, 0.0]);
    for (pairs, noise_std) in [(1, 0.5), (3, 0.0), (12, 0.8)] {
        let prompt = Prompt { pairs, noise_std };
        let by_pairs = |i: u64| {
            let mut rng = row_rng(1, Purpose::Prompts, i);
            let drawn = molrg::random::standard_normals::<f64>(&mut rng, 4 * pairs);
            let mut h = Array1::<f64>::zeros(3);
            for pair in drawn.chunks(4) {
                let x = Array1::from(pair[..3].to_vec());
                h += &(&x * ((x.dot(&w) + noise_std * pair[3]) / pairs as f64));
            }
            h
        };
        let at_once = |i: u64| prompt.draw_moment(&mut row_rng(1, Purpose::Training, i), w.view());
        type Statistic<'a> = &'a dyn Fn(&Array1<f64>) -> f64;
        let statistics: [Statistic; 6] =
            [&|h| h.dot(&w), &|h| h.dot(h), &|h| h[2], &|h| h[0] * h[1], &|h| h.dot(&w).powi(2), &|h| {
                h.dot(h).powi(2)
            }];
        let mut means = [[Mean::default(); 2]; 6];
        for i in 0..20_000 {
            let drawn = [by_pairs(i), at_once(i)];
            for (means, of) in means.iter_mut().zip(&statistics) {
                means.iter_mut().zip(&drawn).for_each(|(mean, h)| mean.add(of(h)));
            }
        }
        for (k, [pairwise, once]) in means.iter().enumerate() {
            let error = pairwise.std_error().hypot(once.std_error());
            // Of 18 comparisons one in 1000 goes beyond.
            let apart = (pairwise.mean - once.mean).abs();
            assert!(apart < 4.0 * error, "{pairs}, statistic {k}: {} {}", pairwise.mean, once.mean);
        }
    }
}

fn training(tasks: Tasks, pairs: usize, noise_std: f64) -> Training {
    Training {
        prompt: Prompt { pairs, noise_std },
        tasks,
        dim: 8,
        rank: 2,
        ridge: 1e-2,
        steps: 2000,
        batch: 64,
        lr: None,
        seed: 4,
    }
}

/// What is left of the way is noise of the gradient: the excess risk of an averaged descent is about
/// d · (R − τ²)/(prompts of the last half), 64 · 1000 here.
#[test]
fn training_comes_to_the_closed_form() {
    for (tasks, pairs, noise_std) in
        [(Tasks::Subspaces(1), 10, 0.0), (Tasks::Subspaces(3), 20, 0.4), (Tasks::Full, 5, 0.1)]
    {
        let training = training(tasks, pairs, noise_std);
        let prompt = training.prompt;
        let sigma = training.covariance();
        let best = prompt.optimal(sigma.view()).unwrap();
        let least = prompt.risk(best.view(), sigma.view());
        let excess = |gamma: &Array2<f64>| prompt.risk(gamma.view(), sigma.view()) - least;
        let gamma = training.run(|_, _| ()).unwrap();
        let expected = 8.0 * (least - noise_std.powi(2)) / 64_000.0;
        let found = excess(&gamma);
        // h is not Gaussian, and directions with little variance are on their way yet: some times as much.
        assert!((0.0..10.0 * expected).contains(&found), "{tasks:?}: {found} {expected}");
        let short = Training { steps: 50, ..training }.run(|_, _| ()).unwrap();
        assert!(excess(&short) > 3.0 * found, "{tasks:?}");
    }
}

#[test]
fn a_training_that_diverges_says_so() {
    let training = Training { lr: Some(20.0), ..training(Tasks::Full, 5, 0.1) };
    assert!(training.lr.unwrap() > 5.0 * training.stable());
    let error = training.run(|_, _| ()).unwrap_err().to_string();
    assert!(error.contains("training has diverged") && error.contains("--lr"), "{error}");
}
