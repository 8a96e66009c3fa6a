//! Errors of subspaces, and the success of fits over a grid.

use super::*;

/// Consecutive subspaces have the angle asked for, also where not all fit side by side.
#[test]
fn planted_angles_are_those_asked_for() {
    for (dim, ranks) in [(20, vec![4, 4, 4]), (10, vec![4, 4, 4, 4]), (9, vec![3, 5, 4])] {
        let design =
            Design { dim, angle: 30.0, weights: vec![1.0; ranks.len()], ranks, ..Design::molrg(dim, 1, 1) };
        let planted = design.plant(7).unwrap().components;
        for pair in planted.windows(2) {
            let shared = pair[0].basis.ncols().min(pair[1].basis.ncols());
            let inner = pair[0].basis.t().dot(&pair[1].basis);
            let cosines = singular_values(inner.view()).unwrap();
            for cosine in cosines.iter().take(shared) {
                // Rounding of a QR in f64.
                assert!((cosine - 30f64.to_radians().cos()).abs() < 1e-12, "dimension {dim}: {cosines}");
            }
        }
    }
}

#[test]
fn subspace_errors_of_known_angles() {
    let (d, r) = (20, 3);
    let both = frame(1, d, 2 * r);
    let (u, w) = (both.slice(s![.., ..r]), both.slice(s![.., r..]));
    for theta in [0.0f64, 1e-9, 1e-4, 0.1, 1.0, std::f64::consts::FRAC_PI_2] {
        let v = &u * theta.cos() + &w * theta.sin();
        // In any basis of the same subspace.
        let v = v.dot(&frame(2, r, r));
        let (error, angle) = (distance(v.view(), u), angle(v.view(), u).unwrap());
        let exact = (2.0 * r as f64).sqrt() * theta.sin();
        assert!((error - exact).abs() < 2e-15 + 1e-14 * exact, "θ {theta}: {error}, not {exact}");
        // An arc sine near a right angle knows it to 1e-8.
        let degrees = theta.to_degrees();
        assert!((angle - degrees).abs() < if theta > 1.5 { 2e-6 } else { 1e-12 + 1e-12 * degrees });
        // As projectors, where that loses nothing.
        let projectors = v.dot(&v.t()) - u.dot(&u.t());
        assert!((projectors.mapv(|v| v * v).sum().sqrt() - error).abs() < 1e-14);
    }
    // A part of the whole: √(r − r̂), and no angle.
    let part = u.slice(s![.., ..2]);
    assert!((distance(part, u) - 1.0).abs() < 1e-14 && angle(part, u).unwrap() == 90.0);
    assert!((distance(both.view(), u) - 3f64.sqrt()).abs() < 1e-14);
    assert!(distance(u, u) < 1e-14, "0 to itself");
}

#[test]
fn components_are_matched_for_the_least_sum() {
    let d = 30;
    let bases: Vec<Array2<f64>> = (0..4).map(|k| frame(10 + k, d, [3, 2, 3, 4][k as usize])).collect();
    let truth = Mixture::of_bases(bases.clone());
    let order = [2, 0, 3, 1];
    let noisy =
        |b: &Array2<f64>, seed| orthonormalize((b + &(normal::<f64>(seed, d, b.ncols()) * 0.01)).view());
    let shuffled = Mixture::of_bases(order.iter().map(|&k| noisy(&bases[k], k as u64)).collect());
    let found = matched(&shuffled, &truth).unwrap();
    for (k, m) in found.iter().enumerate() {
        assert_eq!((m.component, order[m.matched]), (k, k));
        let (u, v) = (shuffled.components[m.matched].basis.view(), bases[k].view());
        assert_eq!((m.error, m.max_angle_deg), (distance(u, v), angle(u, v).unwrap()));
    }
    let worst = found.iter().map(|m| m.error).fold(0.0, f64::max);
    assert_eq!(largest(&found).0, worst);
    // Where greedy goes wrong: lines at 0° and 40°, fitted at 35° and 100°. The
    // nearest pair (40°, 35°) would leave 0° with 100°; squares of sines say
    // 0.33 + 0.75 for 0→35, 40→100, against 0.97 + 0.008 for the other.
    let line = |degrees: f64| arr2(&[[degrees.to_radians().cos()], [degrees.to_radians().sin()]]);
    let lines = |a, b| Mixture::of_bases(vec![line(a), line(b)]);
    let found = matched(&lines(35.0, 100.0), &lines(0.0, 40.0)).unwrap();
    let total: f64 = found.iter().map(|m| m.error * m.error).sum();
    let pair = |a: f64, b: f64| 2.0 * (a - b).to_radians().sin().powi(2);
    let best = (pair(0.0, 35.0) + pair(40.0, 100.0)).min(pair(0.0, 100.0) + pair(40.0, 35.0));
    assert!((total - best).abs() < 1e-12);
    // And where the assignment differs from taking the nearest pair first.
    let found = matched(&lines(30.0, 55.0), &lines(0.0, 32.0)).unwrap();
    assert_eq!((found[0].matched, found[1].matched), (0, 1));
    let greedy = pair(32.0, 30.0) + pair(0.0, 55.0);
    assert!(found.iter().map(|m| m.error * m.error).sum::<f64>() < greedy);
    // More fitted than true: the best of them; fewer: refused.
    let more = Mixture::of_bases(vec![frame(77, d, 3), bases[1].clone(), bases[0].clone()]);
    let two = Mixture::of_bases(vec![bases[0].clone(), bases[1].clone()]);
    let found = matched(&more, &two).unwrap();
    assert_eq!((found[0].matched, found[1].matched), (2, 1));
    assert!(largest(&found).0 < 1e-14);
    assert!(matched(&two, &more).is_err());
    assert!(matched(&lines(0.0, 1.0), &two).is_err(), "other dimensions");
}

#[test]
fn every_matching_of_random_mixtures_is_the_best_of_all() {
    for seed in 0..20 {
        let bases = |s: u64| (0..4).map(|k| frame(100 * s + seed * 1000 + k, 6, 2)).collect::<Vec<_>>();
        let (truth, fitted) = (Mixture::of_bases(bases(1)), Mixture::of_bases(bases(2)));
        let cost = |t: usize, f: usize| {
            let u = fitted.components[f].basis.view();
            distance(u, truth.components[t].basis.view()).powi(2)
        };
        let mut best = f64::INFINITY;
        for code in 0..256usize {
            let p = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3];
            if (0..4).all(|f| p.contains(&f)) {
                best = best.min((0..4).map(|t| cost(t, p[t])).sum());
            }
        }
        let total: f64 = matched(&fitted, &truth).unwrap().iter().map(|m| m.error * m.error).sum();
        // Costs are compared to 1e-12 each.
        assert!((total - best).abs() < 1e-11, "seed {seed}: {total}, not {best}");
    }
}

#[test]
fn recovery_is_a_phase_transition() {
    let experiment = Experiment {
        dim: 48,
        trials: 20,
        tolerance: 1e-2,
        angle: 90.0,
        noise_std: 0.0,
        rank_step: 0,
        weights: None,
        fit: Settings::new(vec![1]),
        seed: 0,
    };
    for (samples, value) in [(3, 0.0), (5, 0.0), (6, 1.0), (9, 1.0)] {
        let outcome = experiment.outcome::<f64>(Cell { rank: 6, samples, components: 1 }).unwrap();
        assert_eq!(outcome.success.value, value, "N = {samples}");
        assert_eq!(outcome.success.n, 20);
        assert!(if value == 1.0 { outcome.mean_error < 1e-9 } else { outcome.mean_error > 1.0 });
    }
}
