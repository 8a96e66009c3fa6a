//! Networks and layers against PyTorch: values made by testdata/golden/networks.py.

use std::collections::BTreeSet;
use std::path::Path;

use molrg::network::architecture::Architecture;
use molrg::network::batch::Shape;
use molrg::network::graph::{DATA, Graph, Start, Tape};
use molrg::network::layers::{Attention, Conv, Down, GroupNorm, LayerNorm, Up};
use molrg::network::{Class, Classes, Padding};
use molrg::scalar::Scalar;
use molrg::training::optimizer::{Optimizer, Step};
use ndarray::Array2;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The file, and its metadata's `cases`.
struct Golden {
    bytes: Vec<u8>,
    cases: Value,
}

impl Golden {
    fn read() -> Golden {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/networks.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = metadata.metadata().as_ref().unwrap()["cases"].clone();
        Golden { bytes, cases: serde_json::from_str(&cases).unwrap() }
    }

    /// The tensor case/key, flat.
    fn get<T: Scalar>(&self, case: &str, key: &str) -> Vec<T> {
        let all = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = all.tensor(&format!("{case}/{key}")).unwrap();
        match tensor.dtype() {
            Dtype::F64 => {
                let (values, _) = tensor.data().as_chunks();
                values.iter().map(|v| T::of(f64::from_le_bytes(*v))).collect()
            }
            Dtype::F16 => {
                let (values, _) = tensor.data().as_chunks();
                values.iter().map(|v| T::of(half::f16::from_le_bytes(*v).to_f64())).collect()
            }
            other => panic!("{case}/{key}: {other:?}"),
        }
    }

    fn rows<T: Scalar>(&self, case: &str, key: &str, d: usize) -> Array2<T> {
        let values = self.get(case, key);
        Array2::from_shape_vec((values.len() / d, d), values).unwrap()
    }

    fn stride(&self, case: &str) -> usize {
        self.cases[case]["stride"].as_u64().unwrap() as usize
    }
}

/// The networks of the file that have classes.
fn conditional() -> Vec<(&'static str, Architecture, Vec<usize>)> {
    use Architecture::*;
    vec![
        ("mlp-classes", Mlp { width: 10, depth: 2 }, vec![7]),
        (
            "unet-classes",
            UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Zero },
            vec![4, 6, 1],
        ),
        ("uvit-classes", UVit { width: 6, depth: 3, patch: 2 }, vec![4, 6, 2]),
    ]
}

const CLASSES: Classes = Classes { count: 3, unconditional: true };

/// The networks of the file that have none.
fn architectures() -> Vec<(&'static str, Architecture, Vec<usize>)> {
    use Architecture::*;
    let linear = |depth, tied, conditioned| Linear { width: 5, depth, tied, conditioned };
    let two_layer = |tied, conditioned| TwoLayer { width: 9, tied, conditioned };
    vec![
        ("linear", linear(3, false, false), vec![7]),
        ("linear-one", linear(1, false, false), vec![7]),
        ("linear-conditioned", linear(3, false, true), vec![7]),
        ("linear-tied", linear(2, true, false), vec![7]),
        ("linear-tied-conditioned", linear(2, true, true), vec![7]),
        ("two-layer", two_layer(false, false), vec![7]),
        ("two-layer-conditioned", two_layer(false, true), vec![7]),
        ("two-layer-tied", two_layer(true, false), vec![7]),
        ("two-layer-tied-conditioned", two_layer(true, true), vec![7]),
        ("mlp", Mlp { width: 10, depth: 2 }, vec![7]),
        ("unet", UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Zero }, vec![4, 6, 1]),
        (
            "unet-colours",
            UNet { width: 4, mult: vec![2, 1], blocks: 2, padding: Padding::Zero },
            vec![6, 4, 3],
        ),
        ("uvit", UVit { width: 6, depth: 3, patch: 2 }, vec![4, 6, 2]),
    ]
}

/// The single layers of the file, each a graph of its own.
fn layers<T: Scalar>() -> Vec<(&'static str, Graph<T>)> {
    let one = |item: Shape, add: fn(&mut Graph<T>)| {
        let mut graph = Graph::new(item);
        add(&mut graph);
        graph
    };
    // What they start from does not matter here.
    const START: Start = Start::Constant(0.0);
    vec![
        (
            "conv",
            one(Shape::image(3, 5, 4), |g| {
                let weight = g.parameter("layer.weight", &[3, 3, 4, 3], START);
                let bias = g.parameter("layer.bias", &[3], START);
                g.add(Conv { weight, bias, outputs: 3 }, &[DATA], true);
            }),
        ),
        (
            "group-norm",
            one(Shape::image(3, 5, 6), |g| {
                let scale = g.parameter("layer.weight", &[6], START);
                let offset = g.parameter("layer.bias", &[6], START);
                g.add(GroupNorm { scale, offset, groups: 2 }, &[DATA], true);
            }),
        ),
        (
            "layer-norm",
            one(Shape::tokens(5, 6), |g| {
                let scale = g.parameter("layer.f.weight", &[6], START);
                let offset = g.parameter("layer.f.bias", &[6], START);
                g.add(LayerNorm { scale, offset }, &[DATA], true);
            }),
        ),
        (
            "attention",
            one(Shape::image(3, 5, 12), |g| {
                g.add(Attention, &[DATA], false);
            }),
        ),
        (
            "down",
            one(Shape::image(4, 6, 2), |g| {
                g.add(Down, &[DATA], false);
            }),
        ),
        (
            "up",
            one(Shape::image(3, 5, 4), |g| {
                g.add(Up, &[DATA], false);
            }),
        ),
    ]
}

fn networks<T: Scalar>() -> Vec<(&'static str, Graph<T>)> {
    let plain = architectures().into_iter().map(|(name, a, item)| (name, a.graph(&item).unwrap()));
    let conditional = conditional().into_iter();
    let conditional = conditional.map(|(name, a, item)| (name, a.graph_of(&item, Some(CLASSES)).unwrap()));
    let mlp = Architecture::Mlp { width: 10, depth: 2 };
    let unet = Architecture::UNet { width: 4, mult: vec![1, 2], blocks: 1, padding: Padding::Zero };
    let uvit = Architecture::UVit { width: 6, depth: 3, patch: 2 };
    let told = [
        ("mlp-condition", mlp, vec![7]),
        ("unet-condition", unet, vec![4, 6, 1]),
        ("uvit-condition", uvit, vec![4, 6, 2]),
    ];
    let told = told.map(|(name, a, item)| (name, a.graph_given(&item, None, Some(4)).unwrap()));
    plain.chain(conditional).chain(told).collect()
}

fn graphs<T: Scalar>() -> Vec<(&'static str, Graph<T>)> {
    networks().into_iter().chain(layers()).collect()
}

/// The classes of a case's rows, −1 being none.
fn classes(golden: &Golden, case: &str, rows: usize) -> Vec<Class> {
    if !case.ends_with("-classes") {
        return vec![None; rows];
    }
    let classes = golden.get::<f64>(case, "class").into_iter();
    classes.map(|class| (class >= 0.0).then_some(class as u32)).collect()
}

/// The conditions of a case's rows.
fn condition<T: Scalar>(golden: &Golden, case: &str) -> Option<Array2<T>> {
    case.ends_with("-condition").then(|| golden.rows(case, "condition", 4))
}

/// Largest difference relative to the largest entry.
fn relative<T: Scalar>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    // `max` would pass over what is not a number.
    assert!(found.iter().all(|v| v.is_finite()));
    let scale = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0.0, |m: f64, (a, b)| m.max((a.wide() - b).abs()));
    worst / scale
}

/// mean((F − target)²) and its derivative by F.
fn squares<T: Scalar>(f: &Array2<T>, target: &Array2<T>) -> (f64, Array2<T>) {
    let n = f.len() as f64;
    let difference = f - target;
    let loss = difference.iter().map(|v| v.wide() * v.wide()).sum::<f64>() / n;
    (loss, difference * T::of(2.0 / n))
}

fn agrees<T: Scalar>(tolerance: f64) {
    let golden = Golden::read();
    for (case, graph) in graphs::<T>() {
        let check = |what: &str, found: &[T], expected: &[f64]| {
            let error = relative(found, expected);
            assert!(error < tolerance, "{case}: {what} {error:e}");
        };
        let p: Vec<T> = if graph.parameters.is_empty() { Vec::new() } else { golden.get(case, "p") };
        let x = golden.rows(case, "x", graph.dim());
        let noise: Vec<T> = golden.get(case, "noise");
        let rows = |key| golden.rows::<T>(case, key, graph.output_dim());
        let mut tape = Tape::new();
        let classes = classes(&golden, case, x.nrows());
        let u = condition(&golden, case);
        let u = u.as_ref().map(|u| u.view());
        let f = graph.forward_given(&p, x.view(), &noise, &classes, u, &mut tape);
        check("F", f.as_slice().unwrap(), &golden.get(case, "f"));
        let vjp = graph.vjp(&p, &mut tape, rows("u").view());
        check("vjp", vjp.as_slice().unwrap(), &golden.get(case, "vjp"));
        let v = golden.rows(case, "v", graph.dim());
        let jvp = graph.jvp(&p, &mut tape, v.view());
        check("jvp", jvp.as_slice().unwrap(), &golden.get(case, "jvp"));
        let (loss, d_output) = squares(&f, &rows("target"));
        check("loss", &[T::of(loss)], &golden.get(case, "loss"));
        if graph.parameters.is_empty() {
            continue;
        }
        let mut gradient = vec![T::zero(); p.len()];
        graph.gradient(&p, &mut tape, d_output.view(), &mut gradient);
        let some: Vec<T> = gradient.iter().copied().step_by(golden.stride(case)).collect();
        check("gradient", &some, &golden.get(case, "gradient"));
        // Those between the kept ones, tensor by tensor.
        let sum = |t: &[T]| t.iter().map(|v| v.wide()).sum::<f64>();
        let sums: Vec<T> = graph.parameters.iter().map(|t| T::of(sum(t.span.of(&gradient)))).collect();
        check("gradient's sums", &sums, &golden.get(case, "sums"));
    }
}

#[test]
fn the_file_holds_these_cases_and_no_others() {
    let golden = Golden::read();
    let ours: BTreeSet<&str> = graphs::<f64>().into_iter().map(|(case, _)| case).collect();
    let theirs: BTreeSet<&str> = golden.cases.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn parameters_have_the_names_shapes_and_order_of_the_file() {
    let golden = Golden::read();
    for (case, graph) in graphs::<f64>() {
        let ours: Vec<Value> =
            graph.parameters.iter().map(|p| serde_json::json!([p.name, p.shape])).collect();
        assert_eq!(golden.cases[case]["parameters"], Value::Array(ours), "{case}");
    }
}

#[test]
fn values_and_derivatives_in_f64() {
    // Chains of some hundred sums, each rounded by 1e-16, in other orders; the
    // deepest network multiplies that by ten on its way through its norms.
    agrees::<f64>(1e-12);
}

#[test]
fn values_and_derivatives_in_f32() {
    // Inputs are exact in f32; the same chains of roundings, of 6e-8 each.
    agrees::<f32>(2e-5);
}

/// The file's optimizers: name, kind, learning rate, weight decay.
const OPTIMIZERS: [(&str, Optimizer, f64, f64); 5] = [
    ("adam", Optimizer::Adam, 1e-2, 0.0),
    ("adam-decay", Optimizer::Adam, 1e-2, 0.01),
    ("adamw", Optimizer::Adamw, 1e-2, 0.1),
    ("sgd", Optimizer::Sgd, 1e-2, 0.01),
    ("rmsprop", Optimizer::Rmsprop, 1e-3, 0.01),
];

#[test]
fn ten_steps_of_every_optimizer() {
    let golden = Golden::read();
    // Adam's steps are as large where a gradient is all rounding (1e-16) as
    // elsewhere, but for its ε = 1e-8: an error of 1e-16/1e-8 of a step of 1e-2.
    let tolerance = 1e-9;
    for (case, graph) in networks::<f64>() {
        let x = golden.rows::<f64>(case, "x", graph.dim());
        let target = golden.rows::<f64>(case, "target", graph.dim());
        let noise: Vec<f64> = golden.get(case, "noise");
        let (classes, u) = (classes(&golden, case, x.nrows()), condition(&golden, case));
        for (name, optimizer, rate, decay) in OPTIMIZERS {
            // One case has all, the others only the first.
            if case != "mlp" && name != "adam" {
                continue;
            }
            let mut p: Vec<f64> = golden.get(case, "p");
            let (first, second) = optimizer.keeps();
            let kept = |kept: bool| vec![0.0; if kept { p.len() } else { 0 }];
            let (mut m, mut v) = (kept(first), kept(second));
            let mut tape = Tape::new();
            let mut losses = Vec::new();
            for number in 1..=10 {
                let u = u.as_ref().map(|u| u.view());
                let f = graph.forward_given(&p, x.view(), &noise, &classes, u, &mut tape);
                let (loss, d_output) = squares(&f, &target);
                losses.push(loss);
                let mut gradient = vec![0.0; p.len()];
                graph.gradient(&p, &mut tape, d_output.view(), &mut gradient);
                let step = Step { number, rate, decay, momentum: 0.9 };
                optimizer.update(step, &mut p, &gradient, &mut m, &mut v);
            }
            let some: Vec<f64> = p.iter().copied().step_by(golden.stride(case)).collect();
            let error = relative(&some, &golden.get(case, &format!("after.{name}")));
            assert!(error < tolerance, "{case}, {name}: parameters {error:e}");
            // Every parameter has a part in these.
            let error = relative(&losses, &golden.get(case, &format!("losses.{name}")));
            assert!(error < tolerance, "{case}, {name}: losses {error:e}");
        }
    }
}
