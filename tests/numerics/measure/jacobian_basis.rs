//! Leading directions of Jacobians, of the whole output and of a part, and edits.

use molrg::denoiser::Denoiser;
use molrg::denoiser::NetworkDenoiser;
use molrg::denoiser::network::Network;
use molrg::linalg::thin_svd;
use molrg::measure::jacobian_basis::{Basis, Method, Search};
use molrg::network::architecture::{Architecture, Padding};
use molrg::network::preconditioning::Preconditioning;
use molrg::stream::tensors::Values;

use super::*;

const ITERATED: Method = Method::Iterated { tolerance: 1e-9, most: 2000 };

fn search<'a>(
    denoiser: &'a dyn Differentiable<f64>,
    sigma: f64,
    count: usize,
    inside: Option<&'a [bool]>,
) -> Search<'a, f64> {
    Search {
        denoiser,
        sigma,
        count,
        inside,
        null_rank: 0,
        method: Method::Exact,
        rounding: f64::EPSILON,
        seed: 3,
    }
}

/// J, with rows outside the part set to 0.
fn dense(
    denoiser: &dyn Differentiable<f64>,
    x: &Array1<f64>,
    sigma: f64,
    inside: Option<&[bool]>,
) -> Array2<f64> {
    let columns = denoiser.jvp(x.view(), Array2::eye(x.len()).view(), sigma).unwrap();
    let mut j = columns.reversed_axes();
    for (mut row, inside) in j.outer_iter_mut().zip(inside.unwrap_or_default()) {
        if !inside {
            row.fill(0.0);
        }
    }
    j
}

/// Orthonormal vectors, every one of them with its value, which are those of the matrix.
#[track_caller]
fn check(name: &str, found: &Basis, j: &Array2<f64>, tolerance: f64) {
    let count = found.right.nrows();
    let gram = found.right.dot(&found.right.t()) - Array2::<f64>::eye(count);
    assert!(gram.iter().all(|v| v.abs() < 1e-13 * j.nrows() as f64), "{name}: orthonormal");
    let exact = singular_values(j.view()).unwrap();
    let largest = exact[0];
    for (i, (v, u)) in found.right.outer_iter().zip(found.left.outer_iter()).enumerate() {
        let image = j.dot(&v);
        let size = image.dot(&image).sqrt();
        let (value, expected) = (found.values[i], exact.get(i).copied().unwrap_or(0.0));
        assert!((size - value).abs() < 1e-13 * largest, "{name} {i}: ‖J v‖ is {size}, not {value}");
        assert!((value - expected).abs() < tolerance * largest, "{name} {i}: {value}, not {expected}");
        let apart = (&image - &(&u * value)).mapv(f64::abs).sum();
        assert!(apart < 1e-11 * largest, "{name} {i}: J v = s u, to {apart}");
        // Jᵀu = s v as well: they are singular vectors, not just of that length.
        let back = j.t().dot(&image) - &(&v * (value * value));
        assert!(
            back.dot(&back).sqrt() < 10.0 * tolerance.sqrt() * largest * largest,
            "{name} {i}: JᵀJ v = s² v"
        );
    }
    let held = found.values.iter().filter(|&&s| s > 1e-9 * largest).count();
    let left = found.left.slice(s![..held, ..]);
    let gram = left.dot(&left.t()) - Array2::<f64>::eye(held);
    assert!(gram.iter().all(|v| v.abs() < 10.0 * tolerance.sqrt()), "{name}: left vectors orthonormal");
}

fn network(architecture: Architecture, item: &[usize]) -> NetworkDenoiser<f64> {
    // Away from where training starts, since last layers start at 0.
    let mut start = architecture.graph::<f64>(item).unwrap().start(5, Purpose::Parameters);
    let moved = normal::<f64>(6, 1, start.len());
    start.iter_mut().zip(&moved).for_each(|(p, z)| *p += 0.2 * z);
    let parameters = Values::new(start);
    let network = Network {
        classes: None,
        condition: None,
        architecture,
        preconditioning: Preconditioning::Edm,
        sigma_data: 0.5,
        average: parameters.clone(),
        parameters,
        optimizer: None,
        training: Default::default(),
    };
    NetworkDenoiser::new(network, item).unwrap()
}

#[test]
fn every_method_finds_the_singular_vectors_of_the_matrix() {
    let planted = Design::molrg(48, 5, 3).plant(1).unwrap();
    let noisy = Design { noise_std: 0.8, mean_norm: 1.0, ..Design::molrg(40, 3, 2) }.plant(2).unwrap();
    let (planted, noisy) = (MixtureDenoiser::<f64>::new(planted), MixtureDenoiser::<f64>::new(noisy));
    let few = EmpiricalDenoiser::new(normal::<f64>(3, 12, 30));
    let many = EmpiricalDenoiser::new(normal::<f64>(4, 90, 10));
    let mlp = network(Architecture::Mlp { width: 24, depth: 2 }, &[20]);
    let unet = network(
        Architecture::UNet { width: 8, mult: vec![1, 2], blocks: 1, padding: Padding::Zero },
        &[4, 4, 2],
    );
    let cases: [(&str, &dyn Differentiable<f64>, f64); 6] = [
        ("planted", &planted, 0.7),
        ("noisy", &noisy, 0.9),
        ("few points", &few, 2.0),
        ("many points", &many, 1.5),
        ("mlp", &mlp, 0.8),
        ("unet", &unet, 0.4),
    ];
    for (name, denoiser, sigma) in cases {
        let d = denoiser.dim();
        let x = normal::<f64>(8, 1, d).row(0).to_owned();
        let marked: Vec<bool> = (0..d).map(|i| i % 3 == 0 || i < 4).collect();
        for inside in [None, Some(&marked[..])] {
            let j = dense(denoiser, &x, sigma, inside);
            for count in [1, 4, 7] {
                let exact = search(denoiser, sigma, count, inside);
                let found = exact.at(x.view(), 5).unwrap();
                // Factorizations of d ≤ 48 to rounding; closed forms square what they factorize.
                check(name, &found, &j, 1e-13 * d as f64);
                let found = Search { method: ITERATED, ..exact }.at(x.view(), 5).unwrap();
                assert_eq!(found.turning, 0.0, "{name}");
                // Values are off by the square of the angle; where values lie near each other the angle is
                // the last turn over their relative distance, a thousand times 1e-9 and more.
                check(name, &found, &j, 1e-11);
            }
        }
    }
}

/// Noise variance fills the spectrum: most singular values are equal, and no closed form lists their vectors. All
/// directions there are, also of a part of the output, and of a Jacobian of lower rank than directions are asked for.
#[test]
fn degenerate_spectra_have_all_their_vectors() {
    let noisy = Design { noise_std: 3.0, ..Design::molrg(11, 2, 2) }.plant(4).unwrap();
    let noisy = MixtureDenoiser::<f64>::new(noisy);
    let planted = MixtureDenoiser::<f64>::new(Design::molrg(11, 2, 2).plant(4).unwrap());
    let set = EmpiricalDenoiser::new(normal::<f64>(3, 5, 11));
    let x = normal::<f64>(8, 1, 11).row(0).to_owned();
    for (name, denoiser) in
        [("noisy", &noisy as &dyn Differentiable<f64>), ("planted", &planted), ("set", &set)]
    {
        for marked in [1, 3, 8, 11] {
            let inside: Vec<bool> = (0..11).map(|i| (i * 4) % 11 < marked).collect();
            for part in [None, Some(&inside[..])] {
                let j = dense(denoiser, &x, 2.0, part);
                for count in [3, 6, 11] {
                    let exact = search(denoiser, 2.0, count, part);
                    check(name, &exact.at(x.view(), 5).unwrap(), &j, 1e-13);
                    let iterated = Search { method: ITERATED, ..exact }.at(x.view(), 5).unwrap();
                    check(name, &iterated, &j, 1e-11);
                }
            }
        }
    }
}

/// The published numbers: a mixture of two subspaces, 12 of 48 outputs in the mask (testdata/golden).
#[test]
fn masked_singular_values_and_edits_are_the_published_ones() {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/golden/steering.json")).unwrap();
    let list = |value: &Value| serde_json::from_value::<Vec<f64>>(value.clone()).unwrap();
    let basis = |value: &Value| Array2::from_shape_vec((48, 7), list(value)).unwrap();
    let mixture = Mixture::of_bases(golden["bases"].as_array().unwrap().iter().map(basis).collect());
    let denoiser = MixtureDenoiser::<f64>::new(mixture);
    let (x, alpha) = (Array1::from(list(&golden["x"])), golden["alpha"].as_f64().unwrap());
    let sigma = ((1.0 - alpha) / alpha).sqrt();
    let inside: Vec<bool> = (0..48).map(|i| i < 12).collect();
    for method in [Method::Exact, ITERATED] {
        let search = Search { method, ..search(&denoiser, sigma, 5, Some(&inside)) };
        // As published they are derivatives by x_t = √α x.
        let values = search.at(x.view(), 0).unwrap().values / alpha.sqrt();
        for (i, published) in [0.4070, 0.2955, 0.2701, 0.2288, 0.2067].into_iter().enumerate() {
            assert!((values[i] - published).abs() < 0.5e-4, "{i}: {} to 4 digits", values[i]);
            assert!((values[i] - list(&golden["values"])[i]).abs() < 1e-12, "{i}: {} by LAPACK", values[i]);
        }
        for edit in golden["edits"].as_array().unwrap() {
            let [q, inner, outer] = list(edit)[..] else { panic!("an edit has three numbers") };
            let found = Search { null_rank: q as usize, count: 1, ..search }.at(x.view(), 0).unwrap();
            let image = dense(&denoiser, &x, sigma, None).dot(&found.right.row(0)) / alpha.sqrt();
            let length = |part: ArrayView1<f64>| part.dot(&part).sqrt();
            // An angle of 1e-9, of what a projection has left a tenth of.
            assert!((length(image.slice(s![..12])) - inner).abs() < 1e-7, "q {q}: inside");
            assert!((length(image.slice(s![12..])) - outer).abs() < 1e-7, "q {q}: outside");
            assert!((found.values[0] / alpha.sqrt() - inner).abs() < 1e-7);
        }
    }
}

#[test]
fn steps_are_linear_up_to_their_square() {
    let denoiser = MixtureDenoiser::<f64>::new(Design::molrg(48, 7, 2).plant(1).unwrap());
    let sigma = 1.0;
    let inside: Vec<bool> = (0..48).map(|i| i < 12).collect();
    for row in 0..5 {
        let x = normal::<f64>(row, 1, 48).row(0).to_owned();
        let edit = Search { null_rank: 3, ..search(&denoiser, sigma, 1, Some(&inside)) };
        let v = edit.at(x.view(), row).unwrap().right.row(0).to_owned();
        let image = denoiser.jvp(x.view(), v.view().insert_axis(Axis(0)), sigma).unwrap().row(0).to_owned();
        let at = |step: f64| {
            let moved = (&x + &(&v * step)).insert_axis(Axis(0));
            denoiser.denoise(moved.view(), sigma).unwrap().row(0).to_owned()
        };
        let error = |step: f64| {
            let rest = at(step) - at(0.0) - &(&image * step);
            rest.dot(&rest).sqrt()
        };
        // λ² to leading order; the next term is λ/σ of it, times a number of order 1.
        let order = (error(2e-3) / error(1e-3)).log2();
        assert!((order - 2.0).abs() < 0.02, "row {row}: λ^{order}");
    }
}

/// Nothing of a direction is left where the whole space is projected off; little is told.
#[test]
fn projections_that_leave_nothing() {
    let denoiser =
        MixtureDenoiser::<f64>::new(Design { noise_std: 0.5, ..Design::molrg(12, 2, 2) }.plant(1).unwrap());
    let inside: Vec<bool> = (0..12).map(|i| i < 4).collect();
    let x = normal::<f64>(1, 1, 12).row(0).to_owned();
    let at = |null_rank| Search { null_rank, ..search(&denoiser, 1.0, 2, Some(&inside)) }.at(x.view(), 0);
    assert_eq!(at(0).unwrap().kept, 1.0);
    let kept: Vec<f64> = [1, 3, 6].map(|q| at(q).unwrap().kept).to_vec();
    assert!(kept.windows(2).all(|w| w[1] <= w[0]) && kept[2] < 1.0, "{kept:?}");
    for q in [1, 3, 6] {
        let found = at(q).unwrap();
        let (_, _, null) =
            thin_svd(dense(&denoiser, &x, 1.0, Some(&inside.iter().map(|i| !i).collect::<Vec<_>>())).view())
                .unwrap();
        let overlap = found.right.dot(&null.slice(s![.., ..q]));
        assert!(overlap.iter().all(|v| v.abs() < 1e-12), "q {q}");
        assert!(found.right.outer_iter().all(|v| (v.dot(&v) - 1.0).abs() < 1e-13));
    }
    assert!(at(12).unwrap_err().to_string().contains("--null-rank"));
}
