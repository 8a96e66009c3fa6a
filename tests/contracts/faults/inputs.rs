//! Inputs that are missing, damaged, cut short, of the wrong kind, or stored
//! otherwise than usual.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use molrg::stream::tensors::TensorFile;

use super::super::place::{Place, only_warnings};
use super::{
    EARLIER, MODEL_READERS, OLD, SAMPLE_READERS, SOUND, TABLE_READERS, fails, forget, small, to_stdout,
    unchanged,
};

/// All readers, with an input that is sound.
fn readers() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOUND
        .iter()
        .flat_map(|(lines, name)| lines.iter().map(|line| (*line, *name)))
        .filter(|(l, _)| l.contains("{}"))
}

#[test]
fn what_is_not_there_or_cannot_be_read_is_named() {
    let place = small();
    place.put("empty", "");
    fs::create_dir(place.path("directory")).unwrap();
    for (line, _) in readers() {
        for (name, words) in [
            ("missing", "missing: no such file"),
            ("directory", "directory: is a directory"),
            ("empty", "empty: is empty"),
            // The first read fails, as on a broken disk.
            ("/proc/self/mem", "/proc/self/mem: cannot read: Input/output error"),
            ("damaged/program", "program: is not an array, table or model"),
        ] {
            fails(&place, 1, &line.replace("{}", name), &[words]);
        }
    }
}

/// Complaints about arrays that are none of damage: these rows do not fit the others or the model.
const MISFITS: &[&str] = &[
    "rows of width ",
    "do not pair",
    " numbers, where states ",
    "of dimension ",
    "do not make items",
    "cannot be ",
    "does not fit in memory",
    "do not fit in memory",
];

/// They read by the same code: each takes every eighth file, of all kinds over the readers, and the first takes all.
const EVERY: usize = 8;

#[test]
fn readers_of_samples_refuse_damaged_files() {
    let place = small();
    let readme = String::from_utf8(fs::read(place.path("damaged/README.md")).unwrap()).unwrap();
    let listed = readme.lines().filter(|line| line.starts_with("| `"));
    let (mut told, mut tried) = (0, 0);
    for (kind, line) in listed.enumerate() {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let (file, words) = (fields[1].trim_matches('`'), fields[3]);
        for (place_in_turn, reader) in SAMPLE_READERS.iter().enumerate() {
            if place_in_turn > 0 && (place_in_turn + kind) % EVERY != 0 {
                continue;
            }
            // The file is a model, and a damaged one.
            let reads_models =
                ["pfd", "npy check", "npy info"].iter().any(|command| reader.starts_with(command));
            if file.ends_with(".safetensors") && reads_models {
                continue;
            }
            let line = to_stdout(&reader.replace("{}", &format!("damaged/{file}")));
            let before = place.files();
            let said = super::refused(&place, &before, 1, &line, &place.run(&line));
            assert!(said.contains(file), "{line}: {said}");
            (told, tried) = (told + usize::from(said.contains(words)), tried + 1);
            let misfit = MISFITS.iter().any(|misfit| said.contains(misfit));
            assert!(
                said.contains(words) || misfit,
                "{line}: '{}' does not contain '{words}'",
                said.trim_end()
            );
        }
    }
    // The others say first that the array would not fit what it belongs to.
    assert!(
        4 * told > 3 * tried && tried > 8 * SAMPLE_READERS.len(),
        "{told} of {tried} say what is damaged"
    );
}

#[test]
fn samples_that_cannot_be_taken_are_refused() {
    let place = small();
    place.out("npy noise -d 5 -n 4 -o narrow.npy --dtype f64");
    for kind in ["zero-columns", "zero-axes", "object", "unicode", "complex", "structured"] {
        place.put(kind, fs::read(format!("{}/testdata/npy/{kind}.npy", env!("CARGO_MANIFEST_DIR"))).unwrap());
    }
    let whole = place.get("whole.npy");
    for (name, value) in [("nan.npy", f64::NAN), ("inf.npy", f64::NEG_INFINITY)] {
        let mut bytes = whole.clone();
        bytes[128 + 5 * 8..][..8].copy_from_slice(&value.to_le_bytes());
        place.put(name, bytes);
    }
    for reader in SAMPLE_READERS {
        let command = super::command_of(reader);
        for (name, words) in [
            ("zero-columns", "hold no numbers"),
            ("zero-axes", "without axes"),
            ("object", "refused"),
            ("unicode", "refused"),
            ("complex", "refused"),
            ("structured", "refused"),
            ("nan.npy", "row 1, column 2: is nan; 1 number is not finite"),
            ("inf.npy", "row 1, column 2: is -inf; 1 number is not finite"),
            ("narrow.npy", ""),
            ("truth.st", "is a model, not samples"),
        ] {
            let any_width = ["dae-fit", "npy info", "npy check"].contains(&command.as_str())
                || [
                    "entropy {}",
                    "subset {}",
                    "intrinsic-dimension {} --neighbours",
                    "npy take {}",
                    "rfm {}",
                    "assimilate {}",
                ]
                .iter()
                .any(|call| reader.starts_with(call));
            let takes_it = match name {
                "narrow.npy" => any_width || reader.starts_with("npy cat {}"),
                "truth.st" => ["pfd", "npy check", "npy info"].contains(&command.as_str()),
                _ => false,
            };
            if takes_it {
                continue;
            }
            // npy moves such numbers unless told otherwise.
            let strict =
                if command.starts_with("npy") && words.contains("finite") { " --nan error" } else { "" };
            let line = format!("{}{strict}", reader.replace("{}", name));
            fails(&place, 1, &line, &[name, words]);
            if words.contains("finite") {
                advice_is_taken(&place, &to_stdout(&line.replace(strict, "")), strict);
            }
        }
    }
}

/// What a message advises is not refused: `--nan drop` is named where it may be given, and only there.
fn advice_is_taken(place: &Place, line: &str, strict: &str) {
    let advised = place.run(&format!("{line}{strict}")).err.contains("--nan drop");
    let done = place.run(&format!("{line} --nan drop"));
    let refused = done.code == Some(2) && done.err.contains("with --nan drop");
    assert_eq!(advised, !refused, "{line}: {}", done.err);
}

#[test]
fn models_that_cannot_be_taken_are_refused() {
    let place = small();
    let truth = place.get("truth.st");
    let edit = |from: &str, to: &str| {
        let at = truth.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&truth[..at], to.as_bytes(), &truth[at + from.len()..]].concat()
    };
    place.put("version.st", edit("\"version\":\"1\"", "\"version\":\"9\""));
    place.put("kind.st", edit("\"kind\":\"molrg\"", "\"kind\":\"other\""));
    place.put("foreign.st", edit("molrg-model", "other-model"));
    place.put("narrow.st", edit("\"item_shape\":\"3\"", "\"item_shape\":\"2\""));
    place.put("half.st", edit("\"dtype\":\"F64\"", "\"dtype\":\"F16\""));
    place.put("longer.st", [&truth[..], b"x"].concat());
    let last = truth.len() - 8;
    place.put("nan.st", [&truth[..last], &f64::NAN.to_le_bytes()[..]].concat());
    // Of f32, the upper half of that is one, too.
    for kind in ["gaussian", "empirical", "local", "network", "vae"] {
        let model = place.get(&format!("{kind}.st"));
        let last = model.len() - 8;
        place.put(&format!("nan-{kind}.st"), [&model[..last], &f64::NAN.to_le_bytes()[..]].concat());
    }
    let length = 8 + u64::from_le_bytes(truth[..8].try_into().unwrap()) as usize;
    for (cut, at) in
        [8, 9, length / 2, length - 1, length, length + 3, length + 8, last, last + 7].iter().enumerate()
    {
        place.put(&format!("cut-{cut}.st"), &truth[..*at]);
    }
    for reader in MODEL_READERS {
        for (name, words) in [
            ("whole.npy", "holds samples, not a model"),
            ("version.st", "version 9, where this program knows version 1"),
            ("kind.st", "kind \"other\""),
            ("foreign.st", "not a model of these programs"),
            ("narrow.st", "its items have shape [2], its tensors width 3"),
            ("half.st", "damaged"),
            ("longer.st", "damaged: bytes follow its last tensor"),
            ("nan.st", "not finite"),
            ("nan-gaussian.st", "not finite"),
            ("nan-empirical.st", "not finite"),
            ("nan-local.st", "not finite"),
            ("nan-network.st", "not finite"),
            ("nan-vae.st", "not finite"),
            ("cut-0.st", "is not an array, table or model"),
            ("cut-1.st", "truncated within its header"),
            ("cut-2.st", "truncated within its header"),
            ("cut-3.st", "truncated within its header"),
            ("cut-4.st", "truncated: tensor"),
            ("cut-5.st", "truncated: tensor"),
            ("cut-6.st", "truncated: tensor"),
            ("cut-7.st", "truncated: tensor noise_variance misses 8 of 16 bytes"),
            ("cut-8.st", "truncated: tensor noise_variance misses 1 of 16 bytes"),
        ] {
            if name == "whole.npy" && (reader.starts_with("pfd") || reader.starts_with("npy")) {
                continue;
            }
            // Tensors of other programs are whole, too.
            if name == "foreign.st" && reader.starts_with("npy check") {
                continue;
            }
            fails(&place, 1, &reader.replace("{}", name), &[name, words]);
        }
    }
    for reader in ["subspace-error {} truth.st", "subspace-error truth.st {}", "molrg-gen --from {} -n 5"] {
        fails(&place, 1, &reader.replace("{}", "empirical.st"), &["empirical.st", "kind empirical"]);
    }
    // Generators have no denoiser: only pf-sample takes them.
    for reader in
        MODEL_READERS.iter().filter(|r| !r.starts_with("pf-sample {}") && !r.starts_with("npy check"))
    {
        fails(&place, 1, &reader.replace("{}", "vae.st"), &["vae.st", "linear-vae"]);
    }
    fails(&place, 1, "pf-sample vae.st -n 5 --trajectory side", &["vae.st", "--trajectory"]);
}

#[test]
fn no_length_of_a_model_is_taken_for_the_whole() {
    let place = small();
    for name in ["truth.st", "gaussian.st", "empirical.st", "local.st", "network.st", "vae.st"] {
        let whole = place.get(name);
        // Of a network's many numbers, some.
        let ends = |length: &usize| *length < 3000 || length.is_multiple_of(997) || length + 9 > whole.len();
        for length in (0..whole.len()).filter(ends) {
            let read = TensorFile::read(&whole[..length], |_| Ok(()));
            assert!(read.is_err(), "{name}: {length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn tables_that_cannot_be_taken_are_refused() {
    let place = small();
    let bytes = super::TABLE.as_bytes();
    let header = &bytes[..16];
    assert_eq!(header, b"x,y,key,value\n1,");
    place.put("cut-row.csv", &bytes[..bytes.len() - 3]);
    place.put("long-row.csv", [bytes, b"1,2,c,3,4\n"].concat());
    place.put("names.csv", "x,y,key,value\n");
    place.put("comments.csv", "# x,y\n\n# 1,2\n");
    place.put("word.csv", [bytes, b"four,four,c,four\n"].concat());
    place.put("nan.csv", [bytes, b"4,nan,c,nan\n"].concat());
    place.put("inf.csv", [bytes, b"4,-inf,c,-inf\n"].concat());
    place.put("twice.csv", "x,y,key,value,key\n1,2,a,3,a\n");
    place.put("quote.csv", [bytes, b"4,\"1,c,2\n5,1,c,2\n"].concat());
    place.put("latin1.csv", [bytes, b"4,1,\xe9,2\n"].concat());
    place.put("other.csv", "a,b\n1,2\n");
    place.put("json.csv", "{\"x\":1,\"y\":2}\n");
    place.put("zero.csv", [bytes, b"4,\x001,c,2\n"].concat());
    place.put("cut.csv.gz", &gzip(bytes)[..40]);
    for reader in TABLE_READERS {
        for (name, words) in [
            ("cut-row.csv", "line 7: has 3 fields, the first line has 4 names"),
            ("long-row.csv", "line 8: has 5 fields, the first line has 4 names"),
            ("names.csv", "holds no rows"),
            ("comments.csv", "holds no rows"),
            ("word.csv", "line 8: "),
            ("nan.csv", "line 8: "),
            ("inf.csv", "line 8: "),
            ("twice.csv", "key"),
            ("quote.csv", "line 8: a quote is opened and not closed"),
            ("latin1.csv", "line 8: is not UTF-8"),
            ("other.csv", ""),
            ("json.csv", "JSON"),
            ("whole.npy", "is an array or a model, not a table"),
            ("truth.st", "is an array or a model, not a table"),
            ("cut.csv.gz", "cannot "),
        ] {
            // cat moves fields, pivot and sort too, whatever they say.
            let numbers = ["word.csv", "nan.csv", "inf.csv"].contains(&name);
            let moves =
                ["table cat", "table pivot", "table sort"].iter().any(|command| reader.starts_with(command));
            let takes_it = numbers && moves || name == "other.csv" && reader.starts_with("table cat {}");
            if !takes_it {
                fails(&place, 1, &reader.replace("{}", name), &[name, words]);
            }
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

// Standard input.

#[test]
fn a_closed_or_empty_standard_input_is_an_error_and_a_terminal_a_wrong_call() {
    let place = small();
    let before = place.files();
    for (line, _) in readers() {
        let line = to_stdout(&line.replace("{}", "-"));
        for stdin in ["<&-", "< /dev/null", "< <(true)"] {
            let said = super::refused(&place, &before, 1, &line, &place.bash(&format!("{line} {stdin}")));
            assert!(said.contains("<stdin>: is empty"), "{line} {stdin}: {said}");
        }
        // What `script` runs has a terminal; its outputs go elsewhere.
        let outside = Place::new();
        let (out, err) = (outside.path("out"), outside.path("err"));
        let inner = format!("{line} > {} 2> {}", out.display(), err.display());
        let mut command = place.process("script".as_ref());
        command.args(["-qec", &inner, "/dev/null"]).stdout(Stdio::null());
        let code = command.status().unwrap().code();
        let (out, err) = (fs::read(out).unwrap(), fs::read_to_string(err).unwrap());
        let done = super::Done { code, out, err };
        let said = super::refused(&place, &before, 2, &line, &done);
        assert!(said.contains("standard input is a terminal") && said.contains("Usage: "), "{line}: {said}");
    }
}

// What is read as well as the usual.

/// Everything a call writes, wherever it does, and what it says of its exit.
fn outcome(place: &Place, line: &str) -> Vec<Vec<u8>> {
    let done = place.run(line);
    // The log of training says how long it took.
    let written =
        OLD.map(|name| if line.contains(&format!("--log {name}")) { Vec::new() } else { place.get(name) });
    forget(place);
    let code = format!("{:?} {}", done.code, done.err).into_bytes();
    [written.to_vec(), vec![done.out, code]].concat()
}

#[test]
fn other_byte_orders_and_layouts_read_equal() {
    let place = small();
    let whole = place.get("whole.npy");
    let data: Vec<&[u8]> = whole[128..].chunks(8).collect();
    let relabel = |from: &str, to: &str, data: Vec<u8>| {
        let text = String::from_utf8_lossy(&whole[10..128]).replace(from, to);
        [&whole[..10], text.as_bytes(), &data].concat()
    };
    let big = data.iter().flat_map(|x| x.iter().rev().copied());
    let columns = (0..3).flat_map(|j| (0..4).flat_map(|i| data[3 * i + j].to_vec()).collect::<Vec<u8>>());
    let numbers = data.iter().map(|x| f64::from_le_bytes((*x).try_into().unwrap())).collect::<Vec<_>>();
    let lines = numbers.chunks(3).map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
    let forms = [
        ("big endian", relabel("'<f8'", "'>f8'", big.collect())),
        ("Fortran order", relabel("False,", "True, ", columns.collect())),
        (
            "two blocks",
            [place.out("npy cat whole.npy --rows ..1"), place.out("npy cat whole.npy --rows 1..")].concat(),
        ),
        ("gzip", gzip(&whole)),
        ("csv", lines.map(|line| line + "\n").collect::<String>().into_bytes()),
    ];
    for reader in SAMPLE_READERS.iter().filter(|r| !r.starts_with("npy info")) {
        let line = reader.replace("{}", "form");
        place.put("form", &whole);
        let expected = outcome(&place, &line);
        assert!(expected[5].starts_with(b"Some(0)"), "{line}");
        for (what, bytes) in &forms {
            place.put("form", bytes);
            assert!(outcome(&place, &line) == expected, "{line}: {what}");
        }
    }
    // It says how they are stored, and the rest is the same.
    let about = |bytes: &[u8]| {
        place.put("form", bytes);
        let text = place.text("npy info form -f csv");
        let fields: Vec<String> = text.lines().nth(1).unwrap().split(',').map(str::to_string).collect();
        (fields[2].clone(), fields[3..8].to_vec())
    };
    let (little, numbers) = about(&whole);
    let (big, same) = about(&forms[0].1);
    assert_eq!((little.as_str(), big.as_str(), numbers), ("<f8", ">f8", same));
}

#[test]
fn names_need_not_be_text() {
    let place = small();
    let odd = |ending: &str| OsString::from(OsStr::from_bytes(&[b"n\xff\xfe", ending.as_bytes()].concat()));
    for (line, name) in readers() {
        fs::copy(place.path(name), place.path("").join(odd(""))).unwrap();
        let expected = outcome(&place, &line.replace("{}", name));
        let words = line.split(' ').map(|word| match word {
            "old" => odd(".out"),
            "old.svg" => odd(".svg"),
            // The file, alone or among other things.
            word => match word.split_once("{}") {
                Some((before, after)) => {
                    [OsStr::new(before), &odd(""), OsStr::new(after)].into_iter().collect()
                }
                None => word.into(),
            },
        });
        let words: Vec<OsString> = words.collect();
        let done = place
            .process(&super::super::place::programs().join(&words[0]))
            .args(&words[1..])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(0) && only_warnings(&said), "{line}: {said}");
        // Tables name their inputs.
        let names_it = ["rp-score", "pfd", "npy info"].iter().any(|p| line.starts_with(p));
        let written = [".out", ".svg"].iter().find_map(|e| fs::read(place.path("").join(odd(e))).ok());
        let wanted = [&expected[0], &expected[3]].into_iter().find(|bytes| *bytes != EARLIER);
        if !names_it {
            assert!(written.as_ref() == wanted, "{line}");
        } else {
            assert!(written.unwrap_or(done.stdout).len() > 9, "{line}");
        }
        for ending in [".out", ".svg"] {
            let _ = fs::remove_file(place.path("").join(odd(ending)));
        }
        forget(&place);
        fs::remove_file(place.path("").join(odd(""))).unwrap();
    }
}

// Memory.

/// 10 GB are declared, and none or all of them there; 256 MB are to be had.
#[test]
fn what_is_declared_is_not_allocated() {
    let place = small();
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (416666667, 3), }";
    let header = [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{text:117}\n").as_bytes()].concat();
    place.put("hollow.npy", [header.clone(), vec![0; 20_000]].concat());
    let tensor = "{\"__metadata__\":{\"format\":\"molrg-model\",\"version\":\"1\",\"kind\":\"empirical\",\"item_shape\":\"3\"},\
                  \"data\":{\"dtype\":\"F64\",\"shape\":[416666667,3],\"data_offsets\":[0,10000000008]}}";
    let model = [&(tensor.len() as u64).to_le_bytes()[..], tensor.as_bytes()].concat();
    place.put("hollow.st", [model.clone(), vec![0; 20_000]].concat());
    let before = place.files();
    let limited = |line: &str| place.bash(&format!("ulimit -v 262144; {line} --threads 2"));
    for (lines, name) in [(SAMPLE_READERS, "hollow.npy"), (MODEL_READERS, "hollow.st")] {
        for reader in lines {
            for line in [reader.replace("{}", name), format!("cat {name} | {}", reader.replace("{}", "-"))] {
                let done = limited(&line);
                let line = line.split("| ").last().unwrap();
                let said = super::refused(&place, &before, 1, line, &done);
                // Where rows pair, the other file's may have ended.
                let told = said.contains("truncated") || said.contains("rows do not pair");
                assert!(told, "{line}: {said}");
            }
        }
    }
    // All of it there, as far as a file system with holes is concerned: what must be held does not fit.
    for (name, start) in [("full.npy", header), ("full.st", model)] {
        let mut file = File::create(place.path(name)).unwrap();
        file.write_all(&start).unwrap();
        file.set_len(start.len() as u64 + 10_000_000_008).unwrap();
    }
    let holding = SAMPLE_READERS.iter().filter(|line| {
        let streams =
            ["--kind gaussian", "linear-vae", "random-features"].iter().any(|kind| line.contains(kind));
        line.starts_with("dae-fit") && !streams || line.contains("--train {}") || line.contains("--sigma 1,2")
    });
    for line in holding.map(|line| line.replace("{}", "full.npy")).chain(["npy check full.st".into()]) {
        let done = limited(&line);
        assert_eq!((done.code, done.err.lines().count()), (Some(1), 1), "{line}: {}", done.err);
        assert!(
            done.err.contains("do not fit in memory") || done.err.contains("does not fit"),
            "{line}: {}",
            done.err
        );
        for name in OLD {
            assert!(place.get(name) == EARLIER, "{line}: {name}");
        }
    }
}

#[test]
fn no_rows_are_an_error_where_nothing_can_be_said_of_them() {
    let place = small();
    place.out("npy cat whole.npy --rows 0..0 -o none.npy");
    let before = place.files();
    let mut made = Vec::new();
    for reader in SAMPLE_READERS {
        // Where rows are paired, none are paired with none.
        let line = reader.replace("{}", "none.npy");
        let paired = line.replace("none.npy whole.npy", "none.npy none.npy");
        let paired = paired
            .replace("whole.npy none.npy", "none.npy none.npy")
            .replace("whole.npy student", "none.npy student");
        let line = if reader.starts_with("npy cat") { line } else { paired };
        let done = place.run(&to_stdout(&line));
        if done.code == Some(0) {
            made.push(*reader);
            forget(&place);
            continue;
        }
        let said = super::refused(&place, &before, 1, &line, &done);
        assert!(
            said.contains("none.npy") && (said.contains("no rows") || said.contains("no images")),
            "{said}"
        );
    }
    // What maps rows to rows, or counts them, makes none of none.
    let of_commands: std::collections::BTreeSet<String> = made.iter().map(|l| super::command_of(l)).collect();
    let expected = [
        "assimilate",
        "dae-apply",
        "dae-features",
        "jacobian-basis",
        "measure",
        "npy cat",
        "npy check",
        "npy diff",
        "npy images",
        "npy info",
        "npy let",
        "npy stack",
        "npy transpose",
        "pf-sample",
        "restore",
        "rfm",
        "ridge decompose",
        "ridge distance",
        "ridge project",
        "watermark attack",
        "watermark detect",
        "watermark embed",
    ];
    assert_eq!(of_commands.iter().collect::<Vec<_>>(), expected, "{made:?}");
    for (line, shape) in [
        ("pf-sample student.st --noise none.npy", "(0, 3)"),
        ("dae-apply student.st none.npy --sigma 1", "(0, 3)"),
        ("dae-apply student.st none.npy --sigma 1,2", "(2, 0, 3)"),
        ("npy cat none.npy", "(0, 3)"),
        ("npy stack none.npy none.npy", "(2, 0, 3)"),
        ("molrg-gen -d 3 -r 1 -n 0", "(0, 3)"),
        ("pf-sample student.st -n 0", "(0, 3)"),
    ] {
        let out = place.out(line);
        assert!(String::from_utf8_lossy(&out).contains(&format!("'shape': {shape}")), "{line}");
    }
    unchanged(&place, &before, "none of none");
    for range in ["4..", "9.."] {
        fails(
            &place,
            1,
            &format!("dae-fit whole.npy --kind gaussian --rows {range} -o old"),
            &["whole.npy", "no rows"],
        );
    }
}

/// Every program that reads models refuses one that is told a condition where none is given.
#[test]
fn models_that_are_told_a_condition_are_refused_without_one() {
    let place = small();
    // What only looks at a file, or takes mixtures alone, says so.
    let other = ["npy check", "subspace-error", "molrg-gen", "mixture"];
    for reader in MODEL_READERS.iter().chain(super::NETWORK_READERS) {
        let command = super::command_of(reader);
        if other.iter().any(|of| command.starts_with(of)) || reader.contains("--method exact") {
            continue;
        }
        let line = reader.replace("{}", "moves.st");
        fails(&place, 2, &line, &["moves.st", "a condition of 3 numbers a row", "--condition"]);
    }
    fails(&place, 2, "dae-serve moves.st", &["moves.st", "a condition of 3 numbers a row"]);
    // And where no model is told any, the flag is refused.
    for line in ["dae-apply student.st whole.npy --sigma 1", "pf-sample student.st -n 4"] {
        let line = format!("{line} --condition before.npy -o old");
        fails(&place, 2, &line, &["--condition: has no effect here"]);
    }
}
