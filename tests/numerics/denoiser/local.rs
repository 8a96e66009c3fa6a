//! Local machines against sums over all patches of the dictionary, one by one, in f64.

use super::*;
use molrg::denoiser::local::{Dictionary, Local, LocalDenoiser, Machine, Settings};

const MACHINES: [(Machine, Dictionary); 5] = [
    (Machine::Equivariant, Dictionary::Circular),
    (Machine::Local, Dictionary::Circular),
    (Machine::EquivariantLocal, Dictionary::Circular),
    (Machine::EquivariantLocal, Dictionary::Interior),
    (Machine::Bordered, Dictionary::Circular),
];

fn settings(machine: Machine, dictionary: Dictionary, patch: usize) -> Settings {
    let patches = if machine.has_patches() { vec![patch] } else { vec![] };
    Settings { machine, dictionary, patches, levels: vec![] }
}

fn local<T: Scalar>(settings: &Settings, shape: [usize; 3], images: ArrayView2<T>) -> LocalDenoiser<T> {
    LocalDenoiser::new(Local::new(settings.clone(), shape, images.to_owned()).unwrap()).unwrap()
}

/// What the published definition says, patch by patch: for every pixel p of x and every place q of every image the
/// patch is compared where the machine has it.
fn published(
    settings: &Settings,
    shape: [usize; 3],
    images: ArrayView2<f64>,
    x: ArrayView1<f64>,
    sigma: f64,
) -> Array1<f64> {
    let [h, w, c] = shape;
    let r = settings.patches.first().map_or(0, |k| k / 2) as isize;
    let wraps = matches!(settings.machine, Machine::Equivariant | Machine::EquivariantLocal);
    // Offsets of a patch, those of a torus once.
    let offsets = |length: usize| {
        let (from, to) = match settings.machine {
            Machine::Equivariant => (0, length as isize),
            Machine::EquivariantLocal if 2 * r + 1 > length as isize => (0, length as isize),
            _ => (-r, r + 1),
        };
        from..to
    };
    // How far a patch reaches beyond both ends of a line.
    let clipped =
        |p: usize, length: usize| ((r - p as isize).max(0), (p as isize + r + 1 - length as isize).max(0));
    let alike = |p: usize, q: usize, length: usize| match (settings.machine, settings.dictionary) {
        (Machine::Local, _) => p == q,
        (Machine::Bordered, _) => clipped(p, length) == clipped(q, length),
        (Machine::EquivariantLocal, Dictionary::Interior) => clipped(q, length) == (0, 0),
        _ => true,
    };
    let place = |p: usize, offset: isize, length: usize| {
        let at = p as isize + offset;
        if wraps {
            Some(at.rem_euclid(length as isize) as usize)
        } else {
            usize::try_from(at).ok().filter(|at| *at < length)
        }
    };
    let mut out = Array1::zeros(x.len());
    for pi in 0..h {
        for pj in 0..w {
            let (mut logs, mut pixels) = (Vec::new(), Vec::new());
            for y in images.outer_iter() {
                for qi in (0..h).filter(|&qi| alike(pi, qi, h)) {
                    for qj in (0..w).filter(|&qj| alike(pj, qj, w)) {
                        let mut square = 0.0;
                        for a in offsets(h) {
                            for b in offsets(w) {
                                let inside = |i, j| Some((place(i, a, h)? * w + place(j, b, w)?) * c);
                                if let (Some(here), Some(there)) = (inside(pi, pj), inside(qi, qj)) {
                                    square +=
                                        (0..c).map(|k| (x[here + k] - y[there + k]).powi(2)).sum::<f64>();
                                }
                            }
                        }
                        logs.push(-square / (2.0 * sigma * sigma));
                        let at = (qi * w + qj) * c;
                        pixels.push(y.slice(s![at..at + c]).to_owned());
                    }
                }
            }
            for (weight, pixel) in weights(&logs).iter().zip(&pixels) {
                let at = (pi * w + pj) * c;
                out.slice_mut(s![at..at + c]).scaled_add(*weight, pixel);
            }
        }
    }
    out
}

/// Images whose patches are alike, so that weights are shared, and points near them.
fn images(seed: u64, n: usize, d: usize) -> (Array2<f64>, Array2<f64>) {
    // What f32 holds, so that both types see the same.
    let exact = |x: Array2<f64>| x.mapv(|v| v as f32 as f64);
    (exact(normal(seed, n, d) * 0.6), exact(normal(seed + 1, 2, d) * 0.8))
}

#[test]
fn machines_are_the_published_sums() {
    // Lines, borders, channels; blocks of 32 images that are full and not; several runs of 128.
    let cases: [([usize; 3], usize, &[usize]); 4] = [
        ([5, 7, 2], 17, &[1, 3, 5, 9, 15]),
        ([6, 4, 1], 33, &[3, 7]),
        ([1, 9, 1], 32, &[1, 5]),
        ([4, 3, 1], 150, &[3]),
    ];
    for (i, (shape, n, patches)) in cases.into_iter().enumerate() {
        let (data, x) = images(10 * i as u64, n, shape.iter().product());
        for (machine, dictionary) in MACHINES {
            for &patch in patches {
                let settings = settings(machine, dictionary, patch);
                if settings.check_size(shape[0], shape[1]).is_err() {
                    continue;
                }
                for sigma in [0.05, 0.7, 4.0, 300.0] {
                    let expected: Vec<_> =
                        x.outer_iter().map(|x| published(&settings, shape, data.view(), x, sigma)).collect();
                    let expected = Array2::from_shape_fn(x.raw_dim(), |(i, j)| expected[i][j]);
                    let got = local(&settings, shape, data.view()).denoise(x.view(), sigma).unwrap();
                    let error = worst(got.view(), expected.view());
                    // Weights have 1e-16 of a log weight, of which there are up to d·(3/σ)²/2 = 1e5.
                    assert!(error < 1e-10, "{settings:?}, {shape:?}, σ {sigma}: {error}");
                    let single = local::<f32>(&settings, shape, cast(data.view()).view());
                    let got = single.denoise(cast(x.view()).view(), sigma).unwrap();
                    let error = worst(got.view(), expected.view());
                    // Distances are f64; exponentials and results have f32's rounding, 6e-8.
                    assert!(error < 2e-6, "f32, {settings:?}, {shape:?}, σ {sigma}: {error}");
                }
            }
        }
    }
}

/// Patches that reach everywhere from anywhere are whole images.
#[test]
fn large_patches_are_whole_images() {
    let shape = [5, 6, 2];
    let (data, x) = images(90, 40, 60);
    let empirical = EmpiricalDenoiser::new(data.clone());
    for sigma in [0.2, 1.0, 9.0] {
        let ideal = empirical.denoise(x.view(), sigma).unwrap();
        for machine in [Machine::Local, Machine::Bordered] {
            let machine = local(&settings(machine, Dictionary::Circular, 11), shape, data.view());
            let got = machine.denoise(x.view(), sigma).unwrap();
            // Both are exact but for the rounding of log weights.
            assert!(worst(got.view(), ideal.view()) < 1e-12);
        }
        let equivariant = local(&settings(Machine::Equivariant, Dictionary::Circular, 0), shape, data.view());
        let circular =
            local(&settings(Machine::EquivariantLocal, Dictionary::Circular, 7), shape, data.view());
        let expected = equivariant.denoise(x.view(), sigma).unwrap();
        assert_eq!(circular.denoise(x.view(), sigma).unwrap(), expected);
    }
}

/// Images with noise of their level, as flows have them: distances are f32 up to patches of 5×5 and f64 beyond, and both
/// are the f64 machine's.
#[test]
fn single_precision_keeps_its_digits() {
    let shape = [9, 9, 1];
    let (data, _) = images(140, 300, 81);
    for patch in [3, 5, 7, 9] {
        for (machine, dictionary) in [MACHINES[2], MACHINES[4]] {
            let settings = settings(machine, dictionary, patch);
            let exact = local(&settings, shape, data.view());
            let single = local::<f32>(&settings, shape, cast(data.view()).view());
            for sigma in [0.1, 0.5, 2.0, 30.0] {
                let x = &data.slice(s![..4, ..]) + &(normal::<f64>(150, 4, 81) * sigma);
                let x = x.mapv(|v| v as f32);
                let got = single.denoise(x.view(), sigma).unwrap();
                let expected = exact.denoise(cast(x.view()).view(), sigma).unwrap();
                let error =
                    (&cast::<f32, f64>(got.view()) - &expected).iter().fold(0.0f64, |m, v| m.max(v.abs()));
                // Log weights are off by up to 2e-6, a mean of two numbers that are 3 apart by a quarter of 3 times that.
                assert!(error < 2e-6, "{settings:?}, σ {sigma}: {error}");
            }
        }
    }
}

fn shifted(x: ArrayView1<f64>, [h, w, c]: [usize; 3], (down, right): (usize, usize)) -> Array1<f64> {
    let mut out = Array1::zeros(x.len());
    for i in 0..h {
        for j in 0..w {
            for k in 0..c {
                out[(((i + down) % h) * w + (j + right) % w) * c + k] = x[(i * w + j) * c + k];
            }
        }
    }
    out
}

#[test]
fn circular_machines_commute_with_shifts() {
    let shape = [4, 5, 2];
    let (data, x) = images(70, 21, 40);
    for machine in [
        (Machine::EquivariantLocal, Dictionary::Circular),
        (Machine::EquivariantLocal, Dictionary::Interior),
        (Machine::Equivariant, Dictionary::Circular),
    ] {
        let denoiser = local(&settings(machine.0, machine.1, 3), shape, data.view());
        let still = denoiser.denoise(x.view(), 0.8).unwrap();
        for by in [(1, 0), (0, 2), (3, 4)] {
            let moved = shifted(x.row(0), shape, by);
            let got = denoiser.denoise(moved.view().insert_axis(Axis(0)), 0.8).unwrap();
            let expected = shifted(still.row(0), shape, by);
            // The same numbers in another order.
            assert!(worst(got.view(), expected.view().insert_axis(Axis(0))) < 1e-13);
        }
    }
}

/// Of one image the machines give back nothing but its pixels: a shift of it where they see all of it, near it.
#[test]
fn one_image_gives_its_shifts_and_mosaics() {
    let shape = [4, 5, 1];
    let (data, x) = images(50, 1, 20);
    let one = |machine, dictionary| local(&settings(machine, dictionary, 3), shape, data.view());
    let same = one(Machine::Local, Dictionary::Circular).denoise(x.view(), 0.5).unwrap();
    for row in same.outer_iter() {
        assert!((&row - &data.row(0)).iter().all(|v| v.abs() < 1e-15), "a local machine knows the place");
    }
    let target = shifted(data.row(0), shape, (2, 3));
    let near = (&target + &(&x.row(0) * 0.01)).insert_axis(Axis(0));
    for (machine, dictionary) in
        [(Machine::Equivariant, Dictionary::Circular), (Machine::EquivariantLocal, Dictionary::Circular)]
    {
        let got = one(machine, dictionary).denoise(near.view(), 0.01).unwrap();
        assert!((&got.row(0) - &target).iter().all(|v| v.abs() < 1e-12), "the shift, {machine:?}");
    }
    // Far from all shifts every pixel still is one of the image's.
    for (machine, dictionary) in MACHINES {
        let got = one(machine, dictionary).denoise(x.view(), 1e-3).unwrap();
        for v in got.iter() {
            let off = data.iter().map(|y| (y - v).abs()).fold(f64::INFINITY, f64::min);
            assert!(off < 1e-12, "{machine:?}: {v} is no pixel, {off} off");
        }
    }
}

/// Of a black and a white image D(x) = tanh(S/σ²), S the sum over x's patch; in the units of x_t = √ᾱ x it is
/// tanh(√ᾱ S_x/(1−ᾱ)).
#[test]
fn black_and_white_is_a_hyperbolic_tangent() {
    let shape = [6, 6, 1];
    let data = concatenate![Axis(0), Array2::ones((1, 36)), -Array2::<f64>::ones((1, 36))];
    let x: Array2<f64> = normal(5, 1, 36);
    let (alpha_bar, sigma) = (0.3f64, (0.7f64 / 0.3).sqrt());
    for (machine, dictionary) in MACHINES.into_iter().filter(|(machine, _)| machine.has_patches()) {
        let got =
            local(&settings(machine, dictionary, 3), shape, data.view()).denoise(x.view(), sigma).unwrap();
        for i in 0..6isize {
            for j in 0..6isize {
                let mut sum = 0.0;
                for (a, b) in (-1..=1).flat_map(|a| (-1..=1).map(move |b| (a, b))) {
                    let (p, q) = (i + a, j + b);
                    let inside = (0..6).contains(&p) && (0..6).contains(&q);
                    if inside || machine == Machine::EquivariantLocal {
                        sum += alpha_bar.sqrt() * x[[0, (p.rem_euclid(6) * 6 + q.rem_euclid(6)) as usize]];
                    }
                }
                let expected = (alpha_bar.sqrt() * sum / (1.0 - alpha_bar)).tanh();
                let got = got[[0, (6 * i + j) as usize]];
                assert!((got - expected).abs() < 1e-14, "{machine:?} at {i},{j}: {got} for {expected}");
            }
        }
    }
    // A value of the facts: ᾱ = ½, S = 1.7.
    assert!(((0.5f64.sqrt() * 1.7 / 0.5).tanh() - 0.98380912256).abs() < 1e-11);
}

#[test]
fn products_are_those_of_the_jacobian() {
    for (i, (shape, patch)) in [([4, 5, 2], 3), ([5, 4, 1], 5), ([6, 3, 1], 3)].into_iter().enumerate() {
        let (data, x) = images(30 + i as u64, 18, shape.iter().product());
        for (machine, dictionary) in MACHINES {
            let settings = settings(machine, dictionary, patch);
            if settings.check_size(shape[0], shape[1]).is_err() {
                continue;
            }
            let denoiser = local(&settings, shape, data.view());
            for sigma in [0.3, 1.0, 6.0] {
                // More than are computed at once.
                let (v, u) = (normal::<f64>(1, 10, x.ncols()), normal::<f64>(2, 10, x.ncols()));
                let jv = denoiser.jvp(x.row(0), v.view(), sigma).unwrap();
                let size = jv.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                for (v, jv) in v.outer_iter().zip(jv.outer_iter()) {
                    let quotient = quotient(&denoiser, x.row(0), v, sigma);
                    let error = norm((&jv - &quotient).view());
                    // As for mixtures: (1e-3)⁴ of a fifth derivative, and rounding over steps of 1e-3σ.
                    let tolerance = 1e-7 * size * norm(v) + 1e-11 * norm(x.row(0)) / sigma;
                    assert!(error < tolerance, "{settings:?}, σ {sigma}: {error} over {tolerance}");
                }
                let ju = denoiser.vjp(x.row(0), u.view(), sigma).unwrap();
                for ((u, ju), (v, jv)) in
                    u.outer_iter().zip(ju.outer_iter()).zip(v.outer_iter().zip(jv.outer_iter()))
                {
                    // Sums of a hundred terms of this size.
                    assert!(
                        (u.dot(&jv) - ju.dot(&v)).abs() < 1e-12 * size * norm(u) * norm(v),
                        "⟨u, Jv⟩ = ⟨Jᵀu, v⟩"
                    );
                }
            }
        }
    }
}

/// The rest keeps its digits where x is nearly D.
#[test]
fn rests_have_their_own_digits() {
    let shape = [4, 4, 1];
    let (data, x) = images(20, 12, 16);
    for (machine, dictionary) in MACHINES {
        let denoiser = local(&settings(machine, dictionary, 3), shape, data.view());
        let near = (&data.row(3) + &(&x.row(0) * 1e-9)).insert_axis(Axis(0));
        let (d, rest) = denoiser.split(near.view(), 1e-9).unwrap();
        // An interior dictionary lacks the image's border.
        if dictionary == Dictionary::Circular {
            assert_eq!(d.row(0), data.row(3), "{machine:?}");
            let exact = &near.row(0) - &data.row(3);
            assert_eq!(rest.row(0), exact, "{machine:?}");
        }
    }
}

/// A level between those of the patches has the patch of the nearest one.
#[test]
fn patches_belong_to_levels() {
    let shape = [5, 5, 1];
    let (data, x) = images(60, 20, 25);
    let several = Settings {
        machine: Machine::Bordered,
        dictionary: Dictionary::Circular,
        patches: vec![5, 1, 3],
        levels: vec![8.0, 0.1, 1.0],
    };
    let denoiser = local(&several, shape, data.view());
    for (sigma, patch) in
        [(0.01, 1), (0.1, 1), (0.31, 1), (0.32, 3), (1.0, 3), (2.8, 3), (2.9, 5), (100.0, 5)]
    {
        let one = local(&settings(Machine::Bordered, Dictionary::Circular, patch), shape, data.view());
        let expected = one.denoise(x.view(), sigma).unwrap();
        assert_eq!(denoiser.denoise(x.view(), sigma).unwrap(), expected, "σ {sigma}");
    }
}

#[test]
fn threads_and_blocks_change_no_byte() {
    let shape = [4, 5, 1];
    // Several runs, the last of them not full.
    let (data, _) = images(80, 700, 20);
    let x = cast::<f64, f32>(normal::<f64>(3, 9, 20).view());
    let denoiser =
        local::<f32>(&settings(Machine::Bordered, Dictionary::Circular, 3), shape, cast(data.view()).view());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let d = denoiser.denoise(x.view(), 0.7).unwrap();
            (
                d,
                denoiser.jvp(x.row(0), x.view(), 0.7).unwrap(),
                denoiser.vjp(x.row(0), x.view(), 0.7).unwrap(),
            )
        })
    };
    let (d, jv, ju) = on(1);
    assert_eq!(on(3), (d.clone(), jv, ju));
    for (i, row) in d.outer_iter().enumerate() {
        let alone = denoiser.denoise(x.slice(s![i..i + 1, ..]), 0.7).unwrap();
        assert_eq!(alone.row(0), row);
    }
}
