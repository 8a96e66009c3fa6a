//! Hidden units: against what the layers are by definition, and exact values of how uneven they are.

use molrg::denoiser::network::{Network, NetworkDenoiser};
use molrg::measure::features::{Pool, Unevenness};
use molrg::network::{Architecture, Padding, Preconditioning};
use molrg::random::{Purpose, normal_rows};
use molrg::stream::tensors::Values;
use ndarray::{Array1, Array2, array};

fn network(architecture: Architecture, item: &[usize]) -> (NetworkDenoiser<f64>, Vec<f64>) {
    let parameters = normal_rows::<f64>(4, Purpose::Parameters, 0..1, {
        architecture.graph::<f64>(item).unwrap().parameter_count()
    });
    let parameters: Vec<f64> = parameters.iter().map(|v| 0.3 * v).collect();
    let network = Network {
        classes: None,
        condition: None,
        architecture,
        preconditioning: Preconditioning::Edm,
        sigma_data: 0.8,
        average: Values::new(parameters.clone()),
        parameters: Values::new(parameters.clone()),
        optimizer: None,
        training: Default::default(),
    };
    (NetworkDenoiser::new(network, item).unwrap(), parameters)
}

#[test]
fn the_hidden_layer_is_the_relu_of_a_product() {
    let (d, width) = (5, 7);
    let (denoiser, p) = network(Architecture::TwoLayer { width, tied: true, conditioned: false }, &[d]);
    // More rows than go through it at once.
    let x = normal_rows::<f64>(2, Purpose::Coefficients, 0..300, d);
    let w = Array2::from_shape_vec((d, width), p[..d * width].to_vec()).unwrap();
    let sigma = 0.5f64;
    let input = 1.0 / (sigma * sigma + 0.8 * 0.8f64).sqrt();
    let expected = (&x * input).dot(&w).mapv(|v| v.max(0.0));
    let got = denoiser.features(x.view(), sigma, "hidden").unwrap().unwrap();
    // Sums of five products of about 1.
    assert!((&got - &expected).iter().all(|e| e.abs() < 1e-14));
    assert!(denoiser.features(x.view(), sigma, "none").unwrap().is_none());
}

#[test]
fn every_network_names_its_layers_once_and_ends_in_the_output() {
    for (architecture, item) in [
        (Architecture::Linear { width: 6, depth: 3, tied: false, conditioned: true }, &[9][..]),
        (Architecture::TwoLayer { width: 6, tied: false, conditioned: true }, &[9]),
        (Architecture::Mlp { width: 6, depth: 2 }, &[9]),
        (Architecture::UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Zero }, &[4, 4, 2]),
        (Architecture::ResNet { width: 4, depth: 2, padding: Padding::Circular }, &[4, 3, 2]),
        (Architecture::UVit { width: 8, depth: 2, patch: 2 }, &[4, 4, 2]),
    ] {
        let (denoiser, _) = network(architecture.clone(), item);
        let x = normal_rows::<f64>(2, Purpose::Coefficients, 0..3, item.iter().product());
        let mut names = std::collections::BTreeSet::new();
        for (name, shape) in denoiser.layers() {
            assert!(names.insert(name.to_string()), "{architecture:?}: {name} twice");
            let values = denoiser.features(x.view(), 0.7, name).unwrap().unwrap();
            assert_eq!(values.dim(), (3, shape.len()), "{name}");
            assert!(values.iter().any(|v| *v != 0.0) && values.row(0) != values.row(1), "{name}");
            // Alone or among others.
            let alone = denoiser.features(x.slice(ndarray::s![1..2, ..]), 0.7, name).unwrap().unwrap();
            assert_eq!(alone.row(0), values.row(1), "{name}");
        }
        assert!(!names.is_empty());
    }
}

#[test]
fn places_are_pooled_channel_by_channel() {
    let rows = array![[1.0, -5.0, 3.0, -7.0, 2.0, 0.0]];
    assert_eq!(Pool::Mean.apply(rows.view(), 2), array![[2.0, -4.0]]);
    assert_eq!(Pool::Max.apply(rows.view(), 2), array![[3.0, 0.0]]);
    assert_eq!(Pool::None.apply(rows.view(), 2), rows);
}

#[test]
fn unevenness_goes_from_one_unit_to_all() {
    let of = |h: Array1<f64>| Unevenness::of(h.view());
    let one = of(array![0.0, 3.0, 0.0, 0.0]);
    // Of four numbers with mean 3/4: (3 · 9/16 + 81/16)/3 = 9/4.
    assert_eq!((one.deviation, one.ratio), (Some(1.5), Some(1.0)));
    let alike = of(Array1::from_elem(16, -0.7));
    assert!(alike.deviation.unwrap() < 1e-15 && (alike.ratio.unwrap() - 0.5).abs() < 1e-15);
    // Neither the least nor the largest numbers are beyond it.
    for scale in [1e-200, 1e200] {
        assert!((of(array![1.0, 1.0, 1.0, 1.0] * scale).ratio.unwrap() - 0.5f64.sqrt()).abs() < 1e-15);
    }
    assert_eq!(of(array![0.0, 0.0]).ratio, None);
    assert_eq!(of(array![2.0]).deviation, None);
}
