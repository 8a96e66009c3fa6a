//! Numbers that are legal and awkward: a run gives finite results or says why not.

use molrg::stream::{Ledger, ReadOptions, Rows};
use safetensors::SafeTensors;

use super::super::place::Place;
use super::{EARLIER, OLD, SAMPLE_READERS, TABLE_READERS, command_of, forget, refused, small};

type Row = [f64; 3];

/// Samples, and which calls refuse them with which words; all others give finite results.
struct Data {
    name: &'static str,
    rows: &'static [Row],
    refused: &'static [&'static [(&'static str, &'static str)]],
}

/// Whose squares are beyond f64.
const LARGE: &[(&str, &str)] = &[
    (
        "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition",
        "too large or small to learn from",
    ),
    ("--kind molrg", "too large"),
    ("--kind gaussian", "too large to factorize"),
    ("--kind linear-vae", "too large to factorize"),
    ("--kind vae", "training has diverged"),
    ("--kind gan", "training has diverged"),
    ("--kind mlp", "too large or small to train on"),
    ("dae-apply student.st", "the model's answer is not finite"),
    ("pf-sample student.st", "the model's answer is not finite"),
    ("--train {}", "too large to search in f64"),
    ("entropy {}", "too large to search in f64"),
    ("intrinsic-dimension {} --neighbours", "too large"),
    ("intrinsic-dimension {} --model", "too large"),
    ("ridge", "too large"),
    ("--kind random-features", "too large"),
    ("subset {}", "too large to search in f64"),
    ("probe", "too large to search in f64"),
    ("rfm", "too large to search in f64"),
    ("--fit {}", "too large to factorize"),
    ("--reference {}", "too large to search in f64"),
    ("pfd", "value would be NaN: the numbers are too large"),
    ("jacobian-rank", "too large to factorize"),
    ("dae-compare", "rmse would be NaN: the numbers are too large"),
    ("dae-distill", "the model's answer is not finite"),
    ("--local --lambda 1", "would be NaN: the numbers are too large"),
    ("watermark detect", "the numbers are too large"),
    ("jacobian-basis student.st", "too large to factorize"),
    ("image-quality {}", "rmse would be inf"),
    ("image-quality whole.npy", "rmse would be inf"),
    ("--method dps", "too large for the model and this noise"),
    ("restore student.st", "the model's answer is not finite"),
    ("restore truth.st", "too large for the model and this noise"),
    ("mixture condition truth.st", "too large for the model and this noise"),
    ("--method particle", "numbers are too large"),
    ("--method ensemble-kalman", "numbers are too large"),
    ("--method flowdas", "numbers are too large"),
    ("--method kalman --truth", "value would be"),
    // They become f32.
    ("npy images", "would hold numbers that are not finite"),
];

/// Whose doubles are beyond f64.
const LARGEST: &[(&str, &str)] = &[
    ("--condition {} -o old", "the model's answer is not finite"),
    ("pf-sample gaussian.st", "the model's answer is not finite"),
    ("watermark embed", "too large to mark"),
    ("npy let", "is inf, which is not finite"),
    ("measure {}", "would hold numbers that are not finite"),
    ("measure whole.npy", "would hold numbers that are not finite"),
];

/// Rows too few for the mask that they are taken for.
const NO_MASK: &[(&str, &str)] =
    &[("--mask {}", "cannot be one of items of shape"), ("mask:{}", "cannot be one of items of shape")];

/// Whose squares are 0 in f64.
const SMALL: &[(&str, &str)] = &[
    (
        "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition",
        "too large or small to learn from",
    ),
    ("--kind mlp", "too large or small to train on"),
    ("--train {}", "too small to search in f64"),
    ("entropy {}", "too small to search in f64"),
    ("intrinsic-dimension {} --neighbours", "too near to tell"),
    ("--kind random-features", "no deviation"),
    ("subset {}", "too small to search in f64"),
    ("probe", "too small to search in f64"),
    ("rfm {}", "too small to search in f64"),
    ("--solver em", "too small to fit"),
    ("--kind gaussian", "too small to fit"),
    ("--kind linear-vae", "too small to fit"),
    ("--fit {}", "too small to fit"),
];

const LEAST: f64 = 5e-324;

const DATA: &[Data] = &[
    Data {
        name: "one row",
        rows: &[[1.0, -2.0, 0.5]],
        refused: &[
            &[
                (
                    "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition",
                    "its rows are, of which nothing can be learned",
                ),
                ("--kind molrg", "2 components but only 1 rows"),
                ("entropy", "1 rows, where each needs 1 others"),
                ("intrinsic-dimension {} --neighbours", "1 rows"),
                ("--kind random-features", "no deviation"),
                ("probe", "4 labels for 1 rows"),
                ("rfm", "4 labels for 1 rows"),
                ("--method kalman --truth", "1 paths, where seen.npy has observations of 4"),
                ("linearity student.st {} --sigma 1 -o", "no pair"),
            ],
            NO_MASK,
        ],
    },
    Data {
        name: "fewer rows than numbers",
        rows: &[[1.0, -2.0, 0.5], [0.25, 3.0, 1.0]],
        refused: &[
            &[
                ("probe", "4 labels for 2 rows"),
                ("--method kalman --truth", "2 paths, where seen.npy has observations of 4"),
                ("intrinsic-dimension {} --neighbours", "2 rows, where each needs 2 others"),
                ("rfm", "4 labels for 2 rows"),
            ],
            NO_MASK,
        ],
    },
    Data {
        name: "a constant column",
        rows: &[[1.0, 7.0, 0.5], [0.25, 7.0, 1.0], [-1.0, 7.0, 2.0], [0.5, 7.0, -1.0]],
        refused: &[],
    },
    Data {
        name: "the same row four times",
        rows: &[[1.0, -2.0, 0.5]; 4],
        refused: &[&[
            (
                "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition",
                "its rows are, of which nothing can be learned",
            ),
            ("entropy {}", "4 of 4 rows lie on another"),
            ("intrinsic-dimension {} --neighbours", "all rows are equal"),
            ("--kind random-features", "no deviation"),
            ("probe linear {}", "all rows are equal"),
            ("probe projection {}", "all rows are equal"),
            ("probe snr {}", "all rows are equal"),
            ("rfm {}", "all rows are equal"),
        ]],
    },
    Data {
        name: "zeros",
        rows: &[[0.0; 3]; 4],
        refused: &[&[
            (
                "dae-fit whole.npy --kind mlp --width 4 --depth 1 --steps 2 --batch 2 -q --condition",
                "its numbers are all the same",
            ),
            ("--kind mlp", "its numbers are all the same"),
            ("--mask {}", "marks nothing"),
            ("mask:{}", "marks nothing"),
            ("--directions {}", "has only zeros"),
            ("entropy {}", "4 of 4 rows lie on another"),
            ("intrinsic-dimension {} --neighbours", "all rows are equal"),
            ("--kind random-features", "no deviation"),
            ("probe linear {}", "all rows are equal"),
            ("probe projection {}", "all rows are equal"),
            ("probe snr {}", "all rows are equal"),
            ("rfm {}", "all rows are equal"),
            ("probe snr whole.npy labels.npy {}", "lies off"),
        ]],
    },
    Data {
        name: "denormals",
        rows: &[
            [LEAST, -2e-310, 0.0],
            [1e-320, LEAST, 3e-315],
            [-LEAST, 4e-310, 1e-310],
            [2e-323, -1e-322, 0.0],
        ],
        refused: &[SMALL],
    },
    Data {
        name: "squares that vanish",
        rows: &[
            [1e-200, -2e-200, 0.0],
            [3e-200, 1e-190, 1e-200],
            [0.0, 2e-200, -1e-200],
            [1e-180, 0.0, 1e-200],
        ],
        refused: &[SMALL],
    },
    Data {
        name: "squares beyond f64",
        rows: &[[1e200, -2e200, 0.0], [3e200, 1e190, 1e200], [0.0, 2e200, -1e200], [1e180, 0.0, 1e200]],
        refused: &[LARGE],
    },
    Data {
        name: "1e300",
        rows: &[[1e300, -1e300, 0.0], [-1e300, 1e300, 1e300], [0.0, -1e300, 1.0], [1e300, 1e300, -1e300]],
        refused: &[LARGE],
    },
    Data {
        name: "the largest numbers",
        rows: &[
            [f64::MAX, f64::MIN, 0.0],
            [f64::MIN, f64::MAX, f64::MAX],
            [1.0, 0.0, f64::MIN],
            [f64::MAX; 3],
        ],
        refused: &[LARGE, LARGEST],
    },
];

fn npy(rows: &[Row]) -> Vec<u8> {
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, 3), }}", rows.len());
    let numbers = rows.iter().flatten().flat_map(|x| x.to_le_bytes());
    [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{text:117}\n").as_bytes()]
        .concat()
        .into_iter()
        .chain(numbers)
        .collect()
}

/// What in an output is not finite.
fn not_finite(place: &Place, bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"\x93NUMPY") {
        place.put("looked-at", bytes);
        let name = place.path("looked-at");
        let rows = Rows::open(name.as_os_str(), &ReadOptions::default(), &Ledger::off());
        let read = rows.and_then(|mut rows| rows.read_all::<f64>());
        std::fs::remove_file(name).unwrap();
        return read.err().map(|e| e.to_string());
    }
    if let Ok(model) = SafeTensors::deserialize(bytes) {
        let finite = |t: &safetensors::tensor::TensorView| match t.dtype() {
            safetensors::Dtype::F32 => {
                t.data().as_chunks::<4>().0.iter().all(|b| f32::from_le_bytes(*b).is_finite())
            }
            _ => t.data().as_chunks::<8>().0.iter().all(|b| f64::from_le_bytes(*b).is_finite()),
        };
        return model.tensors().into_iter().find(|(_, t)| !finite(t)).map(|(name, _)| name);
    }
    let text = std::str::from_utf8(bytes).expect("a table or a picture");
    let numbers = text.split(|c: char| c.is_whitespace() || ",\"<>:=()".contains(c));
    numbers
        .filter_map(|word| Some((word, word.parse::<f64>().ok()?)))
        .find(|(_, x)| !x.is_finite())
        .map(|(w, _)| w.into())
}

/// Runs a call that either is refused with these words or gives finite results.
fn finite_or_refused(place: &Place, line: &str, words: Option<&str>, what: &str) -> Option<String> {
    let before = place.files();
    let done = place.run(line);
    let trouble = match words {
        Some(words) => {
            if done.code == Some(0) {
                return Some(format!("{what}: {line}: should fail with '{words}'"));
            };
            let said = refused(place, &before, 1, line, &done);
            (!said.contains(words)).then_some(said)
        }
        None if done.code != Some(0) => Some(done.err.clone()),
        None => {
            // Warnings are lines of the program's.
            let program = line.split(' ').next().unwrap();
            let warning = |l: &str| l.starts_with(&format!("{program}: warning: "));
            let said = done.err.lines().find(|l| !warning(l)).map(str::to_string);
            let written = OLD.iter().map(|name| place.get(name)).chain([done.out]);
            let written = written.filter(|bytes| !bytes.is_empty() && *bytes != EARLIER);
            said.or_else(|| written.into_iter().find_map(|bytes| not_finite(place, &bytes)))
        }
    };
    forget(place);
    trouble.map(|trouble| format!("{what}: {line}: {}", trouble.trim_end()))
}

#[test]
fn awkward_numbers_give_finite_results_or_an_error() {
    let place = small();
    let mut troubles = Vec::new();
    for Data { name, rows, refused } in DATA {
        place.put("data", npy(rows));
        // What is paired with it.
        place.put(
            "whole.npy",
            npy(&[[1.0, 2.0, -0.5], [0.5, 1.0, 0.25], [3.0, -1.0, 2.0], [0.0, 1.5, 1.0]][..rows.len()]),
        );
        for reader in SAMPLE_READERS.iter().filter(|l| command_of(l) != "npy diff") {
            // npy moves numbers as they are, unless told otherwise.
            let strict = if reader.starts_with("npy") { " --nan error" } else { "" };
            let line = reader.replace("{}", "data") + strict;
            let mut listed = refused.iter().copied().flatten();
            let words = listed.find(|(call, _)| reader.contains(call)).map(|(_, words)| *words);
            troubles.extend(finite_or_refused(&place, &line, words, name));
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

/// A call, and words of its refusal.
type Refusal = (&'static str, &'static str);

/// No line through one point, or where squares of differences are 0.
const NO_LINE: Refusal = ("table slope", "needs two different x for a line");

/// All rows are of one class.
const NO_CLASSES: Refusal = ("table roc", "needs some of both");

const OVERFLOW: &[Refusal] = &[
    ("table let", "which is not finite"),
    ("table mean", "numbers too large for their mean"),
    ("table slope", "numbers too large for a line"),
];

/// Tables of x, y, key and value, and which calls refuse them with which words.
const TABLES: &[(&str, &str, &[Refusal])] = &[
    ("one row", "1,2,a,3\n", &[NO_LINE, NO_CLASSES]),
    (
        "the same row twice",
        "1,2,a,3\n1,2,a,3\n",
        &[
            NO_LINE,
            NO_CLASSES,
            ("table pivot", "is the same cell as"),
            ("table crossing", "has the x of"),
            ("fig heatmap", "is the same cell as"),
            ("fig matrix", "is the same cell as"),
        ],
    ),
    ("a constant column", "1,2,a,3\n2,2,a,3\n3,2,b,3\n4,2,b,3\n", &[]),
    (
        "denormals",
        "5e-324,1e-320,a,5e-324\n1e-310,2e-315,a,1e-323\n2e-310,0,b,1e-309\n3e-310,0,b,-1e-309\n",
        &[NO_LINE],
    ),
    ("1e300", "1e300,-1e300,a,1e300\n-1e300,1e300,a,-1e300\n5,0,b,1e300\n1e299,0,b,1e300\n", OVERFLOW),
    ("the largest numbers", "1.7e308,1,a,1.7e308\n-1.7e308,1,a,-1.7e308\n1,0,b,1\n", OVERFLOW),
];

#[test]
fn awkward_tables_give_finite_results_or_an_error() {
    let place = small();
    let mut troubles = Vec::new();
    for (name, rows, refused) in TABLES {
        place.put("data", format!("x,y,key,value\n{rows}"));
        for reader in TABLE_READERS {
            let line = reader.replace("{}", "data");
            let words = refused.iter().find(|(call, _)| reader.contains(call)).map(|(_, words)| *words);
            troubles.extend(finite_or_refused(&place, &line, words, name));
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}
