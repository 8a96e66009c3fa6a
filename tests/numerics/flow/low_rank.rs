//! Flows in the few dimensions in which they happen.

use super::*;

#[test]
fn directions_without_variance_are_straight_lines() {
    let basis = orthonormalize(normal_rows::<f64>(3, Purpose::Bases, 0..6, 2).view());
    let mean = [0.5, -1.0, 2.0, 0.0, 0.25, 3.0];
    let denoiser = gaussian(&mean, basis.clone(), &[1.0, 0.2]);
    let start = normal_rows::<f64>(4, Purpose::Latents, 0..4, 6) * 10.0;
    for solver in FIXED.into_iter().chain([Solver::Rk45]) {
        let got = carried(&plan(solver, levels(12, 10.0, 0.5)), &denoiser, &start);
        let off = |x: &Array2<f64>| {
            let c = x - &arr1(&mean);
            &c - &c.dot(&basis).dot(&basis.t())
        };
        // Twelve steps' rounding of numbers up to 30.
        let error = (off(&got) - off(&start) * 0.05).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(error < 2e-13, "{solver:?}: {error}");
        // At the end they are 0 but for the rounding of one product.
        let end = carried(&plan(solver, vec![10.0, 1.0, 0.0]), &denoiser, &start);
        assert!(off(&end).iter().all(|v| v.abs() < 1e-14), "{solver:?}");
    }
    // On axes, exactly 0.
    let axes =
        gaussian(&[0.0; 4], Array2::from_shape_fn((4, 2), |(i, j)| (i == j) as u8 as f64), &[1.0, 2.0]);
    let start = normal_rows::<f64>(4, Purpose::Latents, 0..4, 4) * 10.0;
    let end = carried(&plan(Solver::Heun, vec![10.0, 1.0, 0.0]), &axes, &start);
    assert!(end.slice(s![.., 2..]).iter().all(|v| *v == 0.0));
}

/// A denoiser that says nothing of the subspace it keeps to.
struct Everywhere<T: Scalar>(MixtureDenoiser<T>);

impl<T: Scalar> Denoiser<T> for Everywhere<T> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> anyhow::Result<Array2<T>> {
        self.0.denoise(x, sigma)
    }
}

#[test]
fn the_flow_in_few_dimensions_is_the_flow_in_all() {
    let basis = |seed, r| orthonormalize(normal_rows::<f64>(seed, Purpose::Bases, 0..60, r).view());
    let means = normal_rows::<f64>(9, Purpose::Noise, 0..3, 60);
    let component = |k: usize, weight, r, noise_variance| Component {
        weight,
        mean: means.row(k).to_owned(),
        basis: basis(k as u64, r),
        variances: Array1::from_shape_fn(r, |i| 2.0 / (1 + i + k) as f64),
        noise_variance,
    };
    // Everything that a mixture can have, and the paper's own, one with a basis twice.
    let general = vec![component(0, 0.5, 4, 0.01), component(1, 0.3, 2, 0.04), component(2, 0.2, 5, 0.0)];
    let mut twice = Design::molrg(60, 6, 3).plant(5).unwrap().components;
    twice[2].basis = twice[0].basis.clone();
    for components in [general, twice] {
        let mixture = Mixture { components };
        let narrow = MixtureDenoiser::<f64>::new(mixture.clone());
        assert_eq!(narrow.reduced().unwrap().denoiser().dim(), if mixture.has_means() { 15 } else { 19 });
        let wide = Everywhere(MixtureDenoiser::<f64>::new(mixture.clone()));
        // Off the subspaces, in them, and at a mean.
        let mut start = normal_rows::<f64>(3, Purpose::Noise, 0..30, 60) * 3.0;
        let inside = mixture.components[0].basis.dot(&arr1(&vec![1.5; mixture.components[0].basis.ncols()]));
        start.row_mut(1).assign(&inside);
        start.row_mut(2).assign(&mixture.components[1].mean);
        for solver in FIXED {
            for sigmas in [levels(9, 3.0, 0.02), vec![3.0, 1.0, 0.1, 0.0], vec![0.02, 0.1, 1.0, 3.0]] {
                let plan = plan(solver, sigmas);
                let (got, expected) = (carried(&plan, &narrow, &start), carried(&plan, &wide, &start));
                // Rounding of f64, times what encoding from 0.02 to 3 makes of it.
                let error = farthest(&got, &expected);
                assert!(error < 1e-11, "{solver:?} {:?}: {error}", plan.sigmas);
            }
        }
        let plan = plan(Solver::Heun, levels(9, 3.0, 0.02));
        let single = Plan::run::<f32>;
        let mut x = start.mapv(|v| v as f32);
        single(&plan, &MixtureDenoiser::<f32>::new(mixture), &mut x, 0, 0).unwrap();
        // Latents rounded to 6e-8 of their size, and weights to 1e-5 of a component.
        let error = farthest(&x.mapv(f64::from), &carried(&plan, &wide, &start));
        assert!(error < 1e-4, "in f32: {error}");
    }
}

#[test]
fn encoding_in_f32_keeps_what_is_in_the_subspaces() {
    // What is off them grows by 40 000 on the way, what is in them by 80: rounding of one must not get into the other.
    let mixture = Design::molrg(512, 16, 4).plant(3).unwrap();
    let frame = mixture.joint_basis();
    let samples = normal_rows::<f64>(5, Purpose::Noise, 0..20, 16).dot(&mixture.components[1].basis.t());
    let sigmas = Grid::default().levels().unwrap();
    let encode = plan(Solver::Heun, sigmas).reversed().unwrap();
    let start = &samples + &(normal_rows::<f64>(6, Purpose::Noise, 0..20, 512) * 0.002);
    let mut narrow = start.mapv(|v| v as f32);
    encode.run(&MixtureDenoiser::<f32>::new(mixture.clone()), &mut narrow, 0, 0).unwrap();
    let wide = carried(&encode, &MixtureDenoiser::<f64>::new(mixture), &start);
    let (got, expected) = (narrow.mapv(f64::from).dot(&frame), wide.dot(&frame));
    // Rounding of f32 in sums of 512, not 500 times as much.
    let error = farthest(&got, &expected);
    assert!(error < 2e-5, "{error}");
}

#[test]
fn a_mixture_without_directions_has_a_flow() {
    let point = Component {
        weight: 1.0,
        mean: Array1::zeros(30),
        basis: Array2::zeros((30, 0)),
        variances: Array1::zeros(0),
        noise_variance: 0.5,
    };
    let denoiser = MixtureDenoiser::<f64>::new(Mixture { components: vec![point] });
    let start = normal_rows::<f64>(5, Purpose::Noise, 0..4, 30) * 3.0;
    let plan = plan(Solver::Rk4, levels(200, 3.0, 0.01));
    let got = carried(&plan, &denoiser, &start);
    let factor = ((0.5 + 1e-4) / 9.5f64).sqrt();
    // Of a Gaussian; the fourth order in 200 steps.
    assert!(farthest(&got, &(&start * factor)) < 1e-7);
}

#[test]
fn small_samples_in_f32_follow_f64() {
    let mixture = Design::molrg(48, 6, 2).plant(2).unwrap();
    let plan = plan(Solver::Heun, Grid::default().levels().unwrap());
    let wide = plan.samples::<f64>(&MixtureDenoiser::<f64>::new(mixture.clone()), 3, 0..200).unwrap();
    let narrow = plan.samples::<f32>(&MixtureDenoiser::<f32>::new(mixture), 3, 0..200).unwrap();
    let errors: Vec<f64> = wide
        .outer_iter()
        .zip(narrow.outer_iter())
        .map(|(a, b)| (&a - &b.mapv(f64::from)).mapv(|v| v * v).sum().sqrt())
        .collect();
    // Latents of size 500 rounded to 6e-8 of it, and a contraction of 80 to 1;
    // the few rows near a boundary of components may be torn apart.
    let near = errors.iter().filter(|e| **e < 1e-4).count();
    assert!(near >= 198, "{near} of 200: {errors:?}");
}

#[test]
fn samples_of_a_single_point_are_that_point() {
    let data = normal_rows::<f32>(1, Purpose::Noise, 0..1, 30);
    let denoiser = EmpiricalDenoiser::new(data.clone());
    for solver in FIXED {
        let x = plan(solver, Grid::default().levels().unwrap()).samples::<f32>(&denoiser, 1, 0..20).unwrap();
        assert!(x.outer_iter().all(|row| row == data.row(0)), "{solver:?}");
    }
}
