//! The same calls on other kinds of processors, emulated: `make test-portable` runs what is ignored here.

use std::collections::BTreeMap;
use std::path::Path;

use molrg::stream::{Columns, Input, Ledger, NanPolicy, ReadOptions, Rows};
use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::bytes::{Outputs, assert_same, taking};
use super::place::{Place, programs};
use super::programs::{CALLS, Call};

/// What a call writes on a processor of this kind, or on this one's.
fn outputs_on(place: &Place, processor: Option<&str>, line: &str) -> Outputs {
    taking(place, || {
        let mut words = line.split_whitespace();
        let program = programs().join(words.next().unwrap());
        let mut command = match processor {
            None => place.process(&program),
            Some(name) => {
                let mut command = place.process(Path::new("qemu-x86_64"));
                command.args(["-cpu", name]).arg(program);
                command
            }
        };
        let done = command.args(words).output().unwrap();
        assert!(done.status.success(), "{processor:?} {line}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    })
}

/// AVX2 and fused multiply-adds, and not AVX-512.
const NARROW: &str = "Haswell";

/// Trainings and what a network makes. Inner dimensions (features, width, batch) beyond 512 are in it on purpose:
/// there kernels would cut products by the size of vectors and caches if they were left to.
const PRODUCTS: &[&str] = &[
    "dae-fit wide.npy --kind mlp --width 24 --depth 1 --batch 16 --steps 4 --quiet",
    "dae-fit long.npy --kind mlp --width 640 --depth 1 --batch 16 --steps 2 --quiet",
    "dae-fit long.npy --kind two-layer --width 16 --tied --batch 600 --steps 3 --quiet",
    "dae-fit images.npy --kind unet --width 8 --batch 16 --steps 2 --quiet",
    "dae-fit images.npy --kind uvit --width 16 --batch 16 --steps 2 --quiet",
    "pf-sample unet.st -n 4 --steps 4",
];

#[test]
#[ignore = "needs qemu-user: make test-portable"]
fn narrower_vectors_give_the_same_bytes() {
    let place = Place::new();
    place.out("molrg-gen -d 700 -k 2 -r 4 -n 40 --seed 1 -o wide.npy");
    place.out("molrg-gen -d 16 -k 2 -r 4 -n 700 --seed 2 -o long.npy");
    place.out("molrg-gen -d 64 -k 2 -r 4 -n 60 --seed 3 --shape 8,8,1 -o images.npy");
    place.out("dae-fit images.npy --kind unet --width 8 --steps 6 --quiet -o unet.st");
    for line in PRODUCTS {
        assert_same(&outputs_on(&place, None, line), &outputs_on(&place, Some(NARROW), line), line);
    }
}

/// A processor of 2008, without the instructions that products and exponentials use where they can.
const OLD: &str = "Nehalem";

/// The numbers of an output by what they are (tensors and columns apart), and whatever else it says.
fn numbers(name: &str, bytes: &[u8]) -> (BTreeMap<String, Vec<f64>>, Vec<String>) {
    if bytes.is_empty() {
        return Default::default();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let input = || Input::open(file.path().as_os_str(), &Ledger::off()).unwrap();
    if bytes.starts_with(b"\x93NUMPY") {
        let pass = ReadOptions { nan: NanPolicy::Pass, ..ReadOptions::default() };
        let values = Rows::from_input(input(), &pass).unwrap().read_all::<f64>().unwrap();
        (BTreeMap::from([(name.to_string(), values.into_iter().collect())]), Vec::new())
    } else if bytes.get(8) == Some(&b'{') {
        let tensors = SafeTensors::deserialize(bytes).unwrap();
        let numbers = tensors.iter().map(|(name, tensor)| {
            let of = |b: &[u8]| match tensor.dtype() {
                Dtype::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
                _ => f64::from_le_bytes(b.try_into().unwrap()),
            };
            let size = if tensor.dtype() == Dtype::F32 { 4 } else { 8 };
            (name.to_string(), tensor.data().chunks_exact(size).map(of).collect())
        });
        (numbers.collect(), Vec::new())
    } else if bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"<") {
        (BTreeMap::new(), vec![format!("{} bytes", bytes.len())])
    } else {
        let table = Columns::read(input()).unwrap();
        let (mut numbers, mut texts) = (BTreeMap::<String, Vec<f64>>::new(), table.names().to_vec());
        for row in 0..table.len() {
            for (column, name) in table.names().iter().enumerate() {
                match table.number(row, column) {
                    Ok(Some(x)) => numbers.entry(name.clone()).or_default().push(x),
                    _ => texts.push(table.text(row, column).to_string()),
                }
            }
        }
        (numbers, texts)
    }
}

/// The largest difference between numbers, relative to the largest of them.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    let largest = a.iter().chain(b).fold(0.0f64, |m, x| m.max(x.abs()));
    let apart = a.iter().zip(b).fold(0.0f64, |m, (x, y)| m.max((x - y).abs()));
    let unlike = a.iter().zip(b).any(|(x, y)| x.is_nan() != y.is_nan());
    if a.len() != b.len() || unlike {
        f64::INFINITY
    } else if apart == 0.0 {
        0.0
    } else {
        apart / largest
    }
}

/// Programs whose numbers, in f32, differ by rounding and what a flow makes of it: at most 3.2e-5 was measured,
/// where data are encoded, from the smallest noise level to the largest. Training amplifies (7.7e-4 after five steps),
/// and the distance of two equal models is rounding itself, so those are only printed. So are parts of guidance: what is
/// left of two nearly equal parts at the largest noise levels, three times over, has their rounding (1.5e-3 in four steps).
const BOUNDED: [&str; 4] = ["molrg-gen", "dae-apply", "pf-sample", "rp-score"];
const BOUND: f64 = 1e-4;

#[test]
#[ignore = "needs qemu-user: make test-portable"]
fn another_kind_of_processor_differs_by_rounding() {
    // Of programs without a bound a call each, which has to run; of the others, whose many calls have most of their work in
    // common, every other one.
    let mut seen = BTreeMap::<&str, usize>::new();
    let calls = CALLS.iter().filter(|call| {
        let before = seen.entry(call.program).or_default();
        *before += 1;
        *before == 1 || BOUNDED.contains(&call.program) && *before % 2 == 1
    });
    let calls: Vec<&Call> = calls.collect();
    // A place of its own for each thread: calls overwrite each other's outputs.
    let parts = calls.chunks(calls.len().div_ceil(rayon::current_num_threads()));
    parts.par_bridge().for_each(|calls| {
        let place = Place::stocked("f32");
        calls.iter().for_each(|call| differs_by_rounding(&place, call));
    });
}

fn differs_by_rounding(place: &Place, call: &Call) {
    let line = call.line();
    let here = outputs_on(place, None, &line);
    let there = outputs_on(place, Some(OLD), &line);
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>(), "{line}");
    for (name, bytes) in &here {
        let ((a, said), (b, said_there)) = (numbers(name, bytes), numbers(name, &there[name]));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{line}: {name}");
        let largest = a.iter().map(|(what, x)| difference(x, &b[what])).fold(0.0, f64::max);
        println!("{largest:.1e} {name}: {line}");
        if BOUNDED.contains(&call.program) && !line.contains("--guidance-part") {
            assert!(largest <= BOUND && said == said_there, "{line}: {name}: {largest}");
        }
    }
}
