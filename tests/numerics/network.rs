//! Layers and networks: derivatives against differences, against each other,
//! and bits that depend on nothing but a row.

use std::collections::BTreeSet;

use molrg::denoiser::model::Kind;
use molrg::denoiser::network::{Edit, Network};
use molrg::denoiser::{Denoiser, Differentiable, Model, NetworkDenoiser};
use molrg::measure::numerical_rank::randomized;
use molrg::network::architecture::Architecture;
use molrg::network::graph::{Graph, Tape};
use molrg::network::{Class, Classes, Condition, Padding, Preconditioning};
use molrg::random::{Purpose, normal_rows, row_rng, standard_normals};
use molrg::scalar::{Dtype, Scalar};
use molrg::stream::tensors::Values;
use molrg::stream::{Input, Ledger};
use ndarray::{Array1, Array2, ArrayView2, s};

/// One of every architecture with every option, on items of this shape; those with an embedding with classes, too.
fn architectures() -> Vec<(Architecture, Vec<usize>, Option<Classes>)> {
    use Architecture::*;
    let all = vec![
        (Linear { width: 5, depth: 3, tied: false, conditioned: true }, vec![7]),
        (Linear { width: 5, depth: 2, tied: true, conditioned: true }, vec![7]),
        (Linear { width: 5, depth: 1, tied: false, conditioned: false }, vec![7]),
        (TwoLayer { width: 9, tied: false, conditioned: true }, vec![7]),
        (TwoLayer { width: 9, tied: true, conditioned: false }, vec![7]),
        (Mlp { width: 10, depth: 2 }, vec![7]),
        (UNet { width: 8, mult: vec![1, 2], blocks: 1, padding: Padding::Zero }, vec![4, 6, 1]),
        (UNet { width: 4, mult: vec![1, 2, 2], blocks: 2, padding: Padding::Zero }, vec![4, 4, 3]),
        (UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Circular }, vec![4, 2, 1]),
        (ResNet { width: 6, depth: 2, padding: Padding::Zero }, vec![3, 5, 2]),
        (ResNet { width: 5, depth: 3, padding: Padding::Circular }, vec![4, 3, 1]),
        (UVit { width: 6, depth: 3, patch: 2 }, vec![4, 6, 2]),
    ];
    let classes = Some(Classes { count: 3, unconditional: true });
    let conditional =
        all.iter().filter(|(a, _)| a.has_classes()).map(|(a, item)| (a.clone(), item.clone(), classes));
    let conditional: Vec<_> = conditional.collect();
    all.into_iter().map(|(a, item)| (a, item, None)).chain(conditional).collect()
}

/// Classes of so many rows: two, and none.
fn classes_of(rows: usize) -> Vec<Class> {
    [Some(2), None, Some(0)].into_iter().cycle().take(rows).collect()
}

/// Parameters away from their starting values, of which many are zero.
fn random_parameters<T: Scalar>(graph: &Graph<T>, seed: u64) -> Vec<T> {
    let n = graph.parameter_count();
    let mut p = graph.start(seed, Purpose::Parameters);
    let noise = standard_normals::<T>(&mut row_rng(seed, Purpose::Noise, 0), n);
    p.iter_mut().zip(noise).for_each(|(p, z)| *p += T::of(0.2) * z);
    p
}

fn random_rows<T: Scalar>(seed: u64, n: usize, d: usize) -> Array2<T> {
    normal_rows(seed, Purpose::Coefficients, 0..n as u64, d)
}

fn dot(a: ArrayView2<f64>, b: ArrayView2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Largest difference relative to the largest entry.
fn relative(a: &[f64], b: &[f64]) -> f64 {
    // `max` passes over NaN.
    assert!(a.iter().chain(b).all(|v| v.is_finite()), "numbers that are not finite");
    let scale = b.iter().fold(1e-12_f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / scale
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (architecture, item, classes) in architectures() {
        let graph = architecture.graph_of::<f64>(&item, classes).unwrap();
        let (d, n) = (graph.dim(), 3);
        let p = random_parameters(&graph, 1);
        let (x, u) = (random_rows(2, n, d), random_rows(3, n, graph.output_dim()));
        let noise = [-0.7, 0.1, 0.4];
        let mut tape = Tape::new();
        graph.forward_of(&p, x.view(), &noise, &classes_of(n), &mut tape);
        let mut dp = vec![0.0; p.len()];
        graph.gradient(&p, &mut tape, u.view(), &mut dp);
        let loss = |p: &[f64], x: ArrayView2<f64>| {
            dot(graph.forward_of(p, x, &noise, &classes_of(n), &mut Tape::new()).view(), u.view())
        };
        // Rounding 1e-16/h and truncation h² meet at about 1e-10 relative.
        let h = 1e-5;
        let mut differences = Vec::new();
        let mut found = Vec::new();
        // Every parameter of the small ones, every fourth of the others, which have no fewer in a block.
        for i in (0..p.len()).step_by(if p.len() > 500 { 4 } else { 1 }) {
            let mut q = p.clone();
            q[i] = p[i] + h;
            let above = loss(&q, x.view());
            q[i] = p[i] - h;
            differences.push((above - loss(&q, x.view())) / (2.0 * h));
            found.push(dp[i]);
        }
        let error = relative(&found, &differences);
        assert!(error < 1e-6, "{architecture:?}: by parameters {error:e}");

        let dx = {
            let mut tape = Tape::new();
            graph.forward_of(&p, x.view(), &noise, &classes_of(n), &mut tape);
            graph.vjp(&p, &mut tape, u.view())
        };
        let mut differences = Array2::zeros((n, d));
        for i in 0..n {
            for j in 0..d {
                let mut y = x.clone();
                y[(i, j)] += h;
                let above = loss(&p, y.view());
                y[(i, j)] -= 2.0 * h;
                differences[(i, j)] = (above - loss(&p, y.view())) / (2.0 * h);
            }
        }
        let error = relative(dx.as_slice().unwrap(), differences.as_slice().unwrap());
        assert!(error < 1e-6, "{architecture:?}: by data {error:e}");
    }
}

#[test]
fn forward_and_backward_products_agree() {
    for (architecture, item, classes) in architectures() {
        let graph = architecture.graph_of::<f64>(&item, classes).unwrap();
        let (d, n) = (graph.dim(), 4);
        let p = random_parameters(&graph, 4);
        let (x, v) = (random_rows(5, n, d), random_rows(6, n, d));
        let u = random_rows(7, n, graph.output_dim());
        let mut tape = Tape::new();
        graph.forward_of(&p, x.view(), &[0.3; 4], &classes_of(n), &mut tape);
        let forwards = graph.jvp(&p, &mut tape, v.view());
        let backwards = graph.vjp(&p, &mut tape, u.view());
        let (a, b) = (dot(u.view(), forwards.view()), dot(backwards.view(), v.view()));
        // Two orders of a few thousand roundings of 1e-16.
        assert!((a - b).abs() < 1e-11 * a.abs().max(1.0), "{architecture:?}: {a} {b}");
    }
}

#[test]
fn a_row_is_the_same_bits_in_any_batch() {
    for (architecture, item, classes) in architectures() {
        let graph = architecture.graph_of::<f32>(&item, classes).unwrap();
        let p = random_parameters(&graph, 8);
        let x = random_rows::<f32>(9, 9, graph.dim());
        let of_rows = classes_of(9);
        let all = graph.forward_of(&p, x.view(), &[0.2; 9], &of_rows, &mut Tape::new());
        for range in [0..1, 3..5, 2..9] {
            let (rows, noise) = (x.slice(s![range.clone(), ..]), vec![0.2; range.len()]);
            let part = graph.forward_of(&p, rows, &noise, &of_rows[range.clone()], &mut Tape::new());
            assert_eq!(part, all.slice(s![range, ..]), "{architecture:?}");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_by_the_name_of_the_flag() {
    let refused = |a: Architecture, item: &[usize]| a.graph::<f32>(item).err().unwrap().to_string();
    let unet = |mult| Architecture::UNet { width: 8, mult, blocks: 1, padding: Padding::Zero };
    assert!(refused(unet(vec![1, 2, 2]), &[6, 6, 1]).contains("--mult"));
    assert!(refused(unet(vec![1]), &[48]).contains("--shape"));
    assert!(refused(Architecture::UVit { width: 8, depth: 1, patch: 3 }, &[8, 8]).contains("--patch"));
    let linear = Architecture::Linear { width: 4, depth: 3, tied: true, conditioned: false };
    assert!(refused(linear, &[4]).contains("--tied"));
}

/// Rows of images (h, w, c), each moved by (i, j) round the torus.
fn moved(x: ArrayView2<f64>, [h, w, c]: [usize; 3], [i, j]: [usize; 2]) -> Array2<f64> {
    Array2::from_shape_fn(x.raw_dim(), |(row, at)| {
        let (y, z, channel) = (at / (w * c), at / c % w, at % c);
        x[(row, ((y + h - i) % h * w + (z + w - j) % w) * c + channel)]
    })
}

#[test]
fn networks_with_circular_padding_commute_with_cyclic_shifts() {
    let unet = |padding| Architecture::UNet { width: 4, mult: vec![1, 2], blocks: 1, padding };
    let resnet = |padding| Architecture::ResNet { width: 5, depth: 3, padding };
    // A U-Net of two resolutions takes means of pairs of pixels: it commutes with shifts by two.
    for (of, item, step) in [(&unet as &dyn Fn(Padding) -> _, [6, 4, 2], 2), (&resnet, [3, 5, 2], 1)] {
        let apart = |padding| {
            let graph = of(padding).graph::<f64>(&item).unwrap();
            let p = random_parameters(&graph, 12);
            let x = random_rows(13, 3, graph.dim());
            let network = |x: ArrayView2<f64>| graph.forward(&p, x, &[0.2; 3], &mut Tape::new());
            let shift = [step, 2 * step];
            let [moved_first, moved_last] =
                [network(moved(x.view(), item, shift).view()), moved(network(x.view()).view(), item, shift)];
            relative(moved_first.as_slice().unwrap(), moved_last.as_slice().unwrap())
        };
        // Sums in another order; with zeros at the border the network sees where it is.
        assert!(apart(Padding::Circular) < 1e-12, "{item:?}: {}", apart(Padding::Circular));
        assert!(apart(Padding::Zero) > 1e-2, "{item:?}: {}", apart(Padding::Zero));
    }
}

/// A pixel of a resnet of two blocks sees four pixels to either side: three of its convolutions, and the first's.
#[test]
fn a_resnet_sees_as_far_as_its_convolutions_reach() {
    let graph = Architecture::ResNet { width: 4, depth: 2, padding: Padding::Zero }
        .graph::<f64>(&[1, 13, 1])
        .unwrap();
    let p = random_parameters(&graph, 14);
    let mut tape = Tape::new();
    graph.forward(&p, random_rows(15, 1, 13).view(), &[0.1], &mut tape);
    let mut middle = Array2::zeros((1, 13));
    middle[(0, 6)] = 1.0;
    let seen = graph.vjp(&p, &mut tape, middle.view());
    let seen: Vec<bool> = seen.iter().map(|v| *v != 0.0).collect();
    assert_eq!(seen, (0..13usize).map(|i| i.abs_diff(6) <= 4).collect::<Vec<_>>());
}

/// A denoiser whose network has random parameters.
fn denoiser(
    architecture: Architecture,
    item: &[usize],
    preconditioning: Preconditioning,
) -> NetworkDenoiser<f64> {
    let p = random_parameters(&architecture.graph::<f64>(item).unwrap(), 10);
    let network = Network {
        classes: None,
        condition: None,
        architecture,
        preconditioning,
        sigma_data: 0.6,
        average: Values::new(p.clone()),
        parameters: Values::new(p),
        optimizer: None,
        training: Default::default(),
    };
    NetworkDenoiser::new(network, item).unwrap()
}

#[test]
fn jacobians_of_denoisers_are_those_of_differences() {
    let unet = Architecture::UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Zero };
    let forms = [
        Preconditioning::Plain,
        Preconditioning::Edm,
        Preconditioning::Vp,
        Preconditioning::Ve,
        Preconditioning::Consistency { sigma_min: 0.002 },
    ];
    for form in forms {
        let (item, d, sigma, h) = ([4, 4, 1], 16, 0.8, 1e-5);
        let denoiser = denoiser(unet.clone(), &item, form);
        let x = random_rows::<f64>(11, 1, d);
        let differences = Array2::from_shape_fn((d, d), |(i, j)| {
            let at = |step: f64| {
                let mut y = x.clone();
                y[(0, j)] += step;
                denoiser.denoise(y.view(), sigma).unwrap()[(0, i)]
            };
            (at(h) - at(-h)) / (2.0 * h)
        });
        let eye = Array2::<f64>::eye(d);
        let columns = denoiser.jvp(x.row(0), eye.view(), sigma).unwrap();
        let rows = denoiser.vjp(x.row(0), eye.view(), sigma).unwrap();
        let all = |a: ArrayView2<f64>| a.iter().copied().collect::<Vec<_>>();
        // Row j of the first is J e_j: the transpose. Differences are good to 1e-9.
        assert!(relative(&all(columns.t()), &all(differences.view())) < 1e-7, "{form:?}");
        assert!(relative(&all(rows.view()), &all(differences.view())) < 1e-7, "{form:?}");
    }
}

#[test]
fn an_edit_before_a_linear_layer_adds_its_product_with_the_direction() {
    for (architecture, layer, next) in [
        (Architecture::TwoLayer { width: 9, tied: false, conditioned: true }, "hidden", "layers.1.weight"),
        (
            Architecture::Linear { width: 5, depth: 3, tied: false, conditioned: true },
            "layers.1",
            "layers.2.weight",
        ),
        (Architecture::Mlp { width: 10, depth: 2 }, "blocks.1", "out.weight"),
    ] {
        let (item, sigma, weight) = ([7], 0.4, -2.5);
        let graph = architecture.graph::<f64>(&item).unwrap();
        let w = graph.parameters.iter().find(|p| p.name == next).unwrap();
        let p = random_parameters(&graph, 10);
        let w = Array2::from_shape_vec((w.shape[0], w.shape[1]), w.span.of(&p).to_vec()).unwrap();
        let direction = random_rows::<f64>(21, 1, w.nrows());
        let x = random_rows::<f64>(22, 5, 7);
        let plain = denoiser(architecture.clone(), &item, Preconditioning::Plain);
        let mut edited = denoiser(architecture, &item, Preconditioning::Plain);
        let values = direction.iter().map(|v| weight * v).collect();
        edited.edit(Edit { layer: layer.into(), values }).unwrap();
        let moved = edited.denoise(x.view(), sigma).unwrap() - plain.denoise(x.view(), sigma).unwrap();
        let expected = &direction.dot(&w) * weight;
        // Sums of some ten products of numbers of some units.
        assert!(
            moved.outer_iter().all(|row| (&row - &expected.row(0)).iter().all(|e| e.abs() < 1e-12)),
            "{layer}"
        );
    }
}

#[test]
fn an_edit_is_added_to_its_layer_and_derivatives_are_of_the_edited_network() {
    for (architecture, item, _) in architectures().into_iter().filter(|(_, _, classes)| classes.is_none()) {
        let plain = denoiser(architecture.clone(), &item, Preconditioning::Edm);
        let (d, sigma) = (item.iter().product(), 0.8);
        let x = random_rows::<f64>(23, 3, d);
        for (layer, shape) in plain.layers() {
            // Of a place, and of all.
            for count in BTreeSet::from([shape.channels, shape.len()]) {
                let direction = random_rows::<f64>(24, 1, count).into_raw_vec_and_offset().0;
                let with = |values: Vec<f64>| {
                    let mut denoiser = denoiser(architecture.clone(), &item, Preconditioning::Edm);
                    denoiser.edit(Edit { layer: layer.into(), values }).unwrap();
                    denoiser
                };
                let edited = with(direction.clone());
                let at = |denoiser: &NetworkDenoiser<f64>| {
                    denoiser.features(x.view(), sigma, layer).unwrap().unwrap()
                };
                let expected = Array2::from_shape_fn((3, shape.len()), |(i, j)| {
                    at(&plain)[(i, j)] + direction[j % count]
                });
                assert_eq!(at(&edited), expected, "{architecture:?}, {layer}");
                let found = edited.denoise(x.view(), sigma).unwrap();
                assert!(found != plain.denoise(x.view(), sigma).unwrap(), "{architecture:?}, {layer}");
                // Twice by half of it: the same.
                let mut halves = with(direction.iter().map(|v| 0.5 * v).collect());
                let values = direction.iter().map(|v| 0.5 * v).collect();
                halves.edit(Edit { layer: layer.into(), values }).unwrap();
                let twice = halves.denoise(x.view(), sigma).unwrap();
                assert!(relative(twice.as_slice().unwrap(), found.as_slice().unwrap()) < 1e-12, "{layer}");

                let (v, u, h) = (random_rows::<f64>(25, 1, d), random_rows::<f64>(26, 1, d), 1e-5);
                let moved =
                    |h: f64| edited.denoise((&x.slice(s![..1, ..]) + &(&v * h)).view(), sigma).unwrap();
                let differences = (moved(h) - moved(-h)) / (2.0 * h);
                let jvp = edited.jvp(x.row(0), v.view(), sigma).unwrap();
                // As above, 1e-10.
                let error = relative(jvp.as_slice().unwrap(), differences.as_slice().unwrap());
                assert!(error < 1e-7, "{architecture:?}, {layer}: {error:e}");
                let vjp = edited.vjp(x.row(0), u.view(), sigma).unwrap();
                let (a, b) = (dot(vjp.view(), v.view()), dot(jvp.view(), u.view()));
                assert!((a - b).abs() < 1e-10 * (1.0 + a.abs()), "{architecture:?}, {layer}: {a} {b}");
            }
        }
        let mut other = denoiser(architecture, &item, Preconditioning::Edm);
        let nothing = other.edit(Edit { layer: "none".into(), values: vec![1.0] }).unwrap_err().to_string();
        assert!(nothing.contains("has no layer none"), "{nothing}");
        if let Some((layer, _)) = plain.layers().next() {
            let size =
                other.edit(Edit { layer: layer.into(), values: vec![1.0; 777] }).unwrap_err().to_string();
            assert!(size.contains("the direction 777 numbers"), "{size}");
        }
    }
}

#[test]
fn the_randomized_spectrum_of_a_network_is_the_exact_one() {
    // A network's Jacobian is not symmetric: both products are needed.
    let denoiser = denoiser(Architecture::Mlp { width: 12, depth: 2 }, &[9], Preconditioning::Edm);
    let x = random_rows::<f64>(12, 1, 9);
    let exact = denoiser.spectrum(x.row(0), 0.7, 0).unwrap().all();
    let (found, total) = randomized(&denoiser, x.row(0), 0.7, 4, 1, 0).unwrap();
    for (found, exact) in found.values.iter().zip(&exact) {
        // With as many directions as dimensions it is exact up to rounding.
        assert!((found / exact - 1.0).abs() < 1e-9, "{found} {exact}");
    }
    assert!((total / exact.iter().map(|s| s * s).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn a_network_file_holds_what_was_written() {
    for (architecture, item, classes) in architectures() {
        let graph = architecture.graph_of::<f32>(&item, classes).unwrap();
        let p = random_parameters(&graph, 13);
        let network = Network {
            classes,
            condition: None,
            architecture,
            preconditioning: Preconditioning::Consistency { sigma_min: 0.01 },
            sigma_data: 0.1 + 0.2,
            average: Values::new(p.clone()),
            parameters: Values::new(p.iter().map(|v| -v).collect()),
            optimizer: Some([Values::new(p.clone()), Values::new(Vec::<f32>::new())]),
            training: [("training.lr".to_string(), "0.003".to_string())].into(),
        };
        let kind = Kind::Network(Box::new(network.clone()));
        let model = Model::new(kind, item.clone(), Dtype::F32);
        let file = tempfile::NamedTempFile::new().unwrap();
        model.write(&mut std::fs::File::create(file.path()).unwrap()).unwrap();
        let read = Model::read(Input::open(file.path().as_os_str(), &Ledger::off()).unwrap()).unwrap();
        let Kind::Network(found) = read.kind else { panic!("another kind") };
        assert_eq!((*found, read.item_shape), (network, item));
    }
}

/// A network of transitions on its own condition: D shifts with both, and products are those of differences.
#[test]
fn what_a_network_is_told_of_a_row_goes_with_it() {
    let architecture = Architecture::Mlp { width: 10, depth: 2 };
    let (mean, deviation) = ([0.7, -20.0, 1e3], [2.0, 0.05, 300.0]);
    for about in [true, false] {
        let graph = architecture.graph_given::<f64>(&[3], None, Some(3)).unwrap();
        let p = random_parameters(&graph, 10);
        let network = Network {
            architecture: architecture.clone(),
            classes: None,
            condition: Some(Condition { mean: mean.to_vec(), deviation: deviation.to_vec(), about }),
            preconditioning: Preconditioning::Edm,
            sigma_data: 0.6,
            average: Values::new(p.clone()),
            parameters: Values::new(p.clone()),
            optimizer: None,
            training: Default::default(),
        };
        let mut denoiser = NetworkDenoiser::<f64>::new(network, &[3]).unwrap();
        let (x, u, v) = (random_rows(11, 5, 3), random_rows::<f64>(12, 5, 3), random_rows(13, 5, 3));
        assert!(denoiser.denoise_rows(x.view(), 0, 0.8).is_err());
        let d = denoiser.denoised_given(x.view(), 0.8, u.view());
        // By the formulas: x less u where it is learned so, each of u centred and of unit size.
        let form = Preconditioning::Edm.at(0.8, 0.6);
        let less = if about { &x - &u } else { x.clone() };
        let each = |of: [f64; 3]| Array1::from(of.to_vec());
        let seen = (&u - &each(mean)) / each(deviation);
        let noise = [0.25 * 0.8f64.ln(); 5];
        let scaled = &less * form.input;
        let f =
            graph.forward_given(&p, scaled.view(), &noise, &[None; 5], Some(seen.view()), &mut Tape::new());
        let due = &less * form.skip + f * form.out + if about { u.clone() } else { &u * 0.0 };
        let flat = |a: &Array2<f64>| a.iter().copied().collect::<Vec<_>>();
        // The same sums in the same order but for scales: some roundings.
        assert!(relative(&flat(&d), &flat(&due)) < 1e-13);
        let (again, back) = denoiser.pulled_back(x.view(), 0.8, u.view(), |_| v.clone());
        assert!(relative(&flat(&again), &flat(&d)) < 1e-13);
        let h = 1e-5;
        let differences = Array2::from_shape_fn((5, 3), |(i, j)| {
            let at = |h: f64| {
                let mut x = x.clone();
                x[(i, j)] += h;
                denoiser.denoised_given(x.view(), 0.8, u.view()).row(i).dot(&v.row(i))
            };
            (at(h) - at(-h)) / (2.0 * h)
        });
        assert!(relative(&flat(&back), &flat(&differences)) < 1e-7);
        // Rows have the conditions of their numbers, and none beyond them.
        denoiser.give(u.clone());
        let part = denoiser.denoise_rows(x.slice(s![2..4, ..]), 2, 0.8).unwrap();
        assert_eq!(part, d.slice(s![2..4, ..]));
        let (split, rest) = denoiser.split_rows(x.view(), 0, 0.8).unwrap();
        assert!(relative(&flat(&(split + rest)), &flat(&x)) < 1e-13);
        assert!(denoiser.denoise_rows(x.view(), 1, 0.8).is_err() && denoiser.denoise(x.view(), 0.8).is_err());
    }
}

/// A mean and a deviation of each number, or one of all, as files had them at first.
#[test]
fn conditions_are_read_as_they_are_written() {
    let read = |mean: &str, std: &str, about: &str| {
        let entry = |key: &str| match key {
            "condition" => Some("3"),
            "condition_mean" => Some(mean),
            "condition_std" => Some(std),
            "about_condition" => Some(about),
            _ => None,
        };
        // Their texts live as long as the call.
        Condition::from_metadata(entry, 3).map(Option::unwrap)
    };
    let each = Condition { mean: vec![0.1, -2e-7, 1e9 / 3.0], deviation: vec![3e-5, 1.5, 7e11], about: true };
    let text = each.to_metadata();
    assert_eq!(read(&text[1].1, &text[2].1, &text[3].1).unwrap(), each);
    let one = read("0.5", "2", "false").unwrap();
    assert_eq!(one, Condition { mean: vec![0.5; 3], deviation: vec![2.0; 3], about: false });
    for (mean, std) in [("0,1", "1"), ("0", "1,0,1"), ("nan", "1"), ("0", "inf"), ("0,,1", "1"), ("", "1")] {
        let error = read(mean, std, "true").unwrap_err().to_string();
        assert!(error.contains("lack a proper condition_"), "{mean} {std}: {error}");
    }
}
