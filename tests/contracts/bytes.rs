//! The same bytes: for any number of threads, any partition of the rows, any
//! length of the run, any way the input arrives.

use std::collections::BTreeMap;

use molrg::cli::registry::{Content, Entry};
use molrg::programs::PROGRAMS;

use super::place::Place;
use super::programs::{CALLS, Call, SAMPLES};

/// Everything a run writes, by name; standard output is `-`.
pub type Outputs = BTreeMap<String, Vec<u8>>;

/// Runs a line and takes away what it wrote.
#[track_caller]
fn outputs(place: &Place, line: &str) -> Outputs {
    taking(place, || place.out(line))
}

/// Takes away the files that a run, which returns its standard output, has written.
pub fn taking(place: &Place, run: impl FnOnce() -> Vec<u8>) -> Outputs {
    let before = place.names();
    let stdout = run();
    let mut written: Outputs = place.take(&before);
    written.insert("-".into(), stdout);
    written
}

#[track_caller]
pub fn assert_same(a: &Outputs, b: &Outputs, what: &str) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in a {
        assert!(*bytes == b[name], "{what}: {name} differs");
    }
}

/// The text of an npy header and the bytes of its rows.
#[track_caller]
fn npy_parts(bytes: &[u8]) -> (String, &[u8]) {
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"), "not npy of version 1.0");
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    assert_eq!((10 + length) % 64, 0, "the data are not aligned");
    (String::from_utf8(bytes[10..10 + length].to_vec()).unwrap(), &bytes[10 + length..])
}

/// The shape an npy header declares.
fn shape(header: &str) -> Vec<usize> {
    let inside = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    inside.split(',').filter(|n| !n.trim().is_empty()).map(|n| n.trim().parse().unwrap()).collect()
}

/// Rows of an output without what stands once before them, and what that says of them.
#[track_caller]
fn rows_of(bytes: &[u8]) -> (String, &[u8]) {
    if bytes.starts_with(b"\x93NUMPY") {
        let (header, data) = npy_parts(bytes);
        let shape = shape(&header);
        let kind = header.split_once("'shape'").unwrap().0;
        let numbers: usize = shape.iter().product();
        let size = if kind.contains("<f4") { 4 } else { 8 };
        assert_eq!(data.len(), numbers * size, "as many bytes as {header} declares");
        (format!("{kind} {:?}", &shape[1..]), data)
    } else {
        let end = bytes.iter().position(|b| *b == b'\n').expect("a header line") + 1;
        (String::from_utf8(bytes[..end].to_vec()).unwrap(), &bytes[end..])
    }
}

fn both_types(check: impl Fn(&Place, &str, &Call, &str)) {
    for dtype in ["f32", "f64"] {
        let place = Place::stocked(dtype);
        for call in CALLS {
            check(&place, dtype, call, &call.line());
        }
    }
}

#[test]
fn threads_change_no_byte() {
    both_types(|place, dtype, _, line| {
        let one = outputs(place, &format!("{line} --threads 1"));
        // The other type has the same blocks.
        let counts: &[usize] = if dtype == "f32" { &[2, 8] } else { &[3] };
        for threads in counts {
            let many = outputs(place, &format!("{line} --threads {threads}"));
            assert_same(&one, &many, &format!("{line} --threads {threads}"));
        }
    });
}

#[test]
fn partitions_of_the_rows_join_to_the_whole() {
    both_types(|place, _, call, line| {
        let Some(n) = call.rows else { return };
        let whole = outputs(place, line);
        let mut cuts = vec![1, n / 3, n - n / 4];
        cuts.retain(|cut| (1..n).contains(cut));
        cuts.dedup();
        // Either end may be left out.
        let starts = std::iter::once(String::new()).chain(cuts.iter().map(u64::to_string));
        let ends = cuts.iter().map(u64::to_string).chain(std::iter::once(String::new()));
        let ranges = starts.zip(ends).map(|(start, end)| format!("{start}..{end}"));
        let parts: Vec<Outputs> =
            ranges.map(|range| outputs(place, &format!("{line} --rows {range}"))).collect();
        for name in call.joined {
            let (about, rows) = rows_of(&whole[*name]);
            let mut joined = Vec::new();
            for part in &parts {
                let (part_about, part_rows) = rows_of(&part[*name]);
                assert_eq!(part_about, about, "{line}: {name}");
                joined.extend_from_slice(part_rows);
            }
            assert!(!rows.is_empty() && joined == rows, "{line}: {name}: partitions differ from the whole");
        }
    });
}

#[test]
fn csv_arrays_of_a_partition_concatenate_to_the_whole() {
    let place = Place::stocked("f32");
    for line in [
        "molrg-gen -d 6 -r 2 -k 2 -n 90 -f csv",
        "pf-sample student.st -n 90 -f json",
        "dae-apply student.st test.npy --sigma 1 --add-noise -f csv",
    ] {
        let whole = place.out(line);
        let parts =
            ["..17", "17..17", "17..18", "18.."].map(|rows| place.out(&format!("{line} --rows {rows}")));
        assert!(!whole.is_empty() && parts.concat() == whole, "{line}");
    }
}

#[test]
fn a_shorter_run_is_the_beginning_of_a_longer_one() {
    both_types(|place, _, call, line| {
        let Some(n) = call.rows.filter(|n| line.contains(&format!("-n {n}"))) else { return };
        // A file of classes or conditions has one for each row.
        if line.contains("--class labels.npy") || line.contains("--condition") {
            return;
        }
        let longer = outputs(place, &line.replace(&format!("-n {n}"), &format!("-n {}", 3 * n + 1)));
        for (name, bytes) in outputs(place, line) {
            if !call.joined.contains(&name.as_str()) {
                continue;
            }
            let (_, rows) = rows_of(&bytes);
            assert!(rows_of(&longer[&name]).1.starts_with(rows), "{line}: {name}");
        }
    });
}

#[test]
fn several_levels_split_by_rows_level_by_level() {
    let place = Place::stocked("f32");
    let line = "dae-apply student.st test.npy --sigma 2,0.5,0.1 --add-noise";
    let level = |line: &str| {
        let bytes = place.out(line);
        let (header, data) = npy_parts(&bytes);
        let shape = shape(&header);
        assert_eq!((shape[0], &shape[2..]), (3, &[2, 4, 3][..]), "one block of items per level");
        data.chunks(data.len() / 3).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (whole, head, tail) =
        (level(line), level(&format!("{line} --rows ..71")), level(&format!("{line} --rows 71..")));
    for i in 0..3 {
        assert!(whole[i] == [head[i].clone(), tail[i].clone()].concat(), "level {i}");
    }
    for (i, sigma) in ["2", "0.5", "0.1"].iter().enumerate() {
        let alone = place.out(&format!("dae-apply student.st test.npy --sigma {sigma} --add-noise"));
        assert!(npy_parts(&alone).1 == whole[i], "level {sigma} alone");
    }
}

#[test]
fn blocks_of_odd_sizes_read_as_one() {
    for dtype in ["f32", "f64"] {
        let (whole, split) = (Place::stocked(dtype), Place::stocked(dtype));
        split.split_samples();
        let mut seen = std::collections::BTreeSet::new();
        // The digests that `npy info` prints are of files, blocks and all.
        let reads =
            |c: &&Call| SAMPLES.iter().any(|s| c.arguments.contains(s)) && !c.arguments.starts_with("info");
        for call in CALLS.iter().filter(reads) {
            assert_same(&outputs(&whole, &call.line()), &outputs(&split, &call.line()), &call.line());
            seen.insert(call.program);
        }
        let reads = |entry: &&Entry| {
            [*entry]
                .into_iter()
                .chain(entry.commands())
                .any(|entry| entry.reads().contains(&Content::Samples))
        };
        let readers = PROGRAMS.iter().filter(reads).map(|p| p.name);
        // Whose eigenvalues are a few numbers of a csv, and whose observations are of few paths.
        let readers: std::collections::BTreeSet<_> =
            readers.filter(|name| !["linear-theory", "assimilate"].contains(name)).collect();
        assert_eq!(seen, readers, "every program that reads samples");
    }
}

#[test]
fn a_pipe_reads_as_a_file() {
    let place = Place::stocked("f32");
    let split = Place::stocked("f32");
    split.split_samples();
    // Tables that name their inputs are left out: they name standard input.
    let calls = CALLS.iter().filter(|c| ["dae-fit", "dae-apply", "pf-sample"].contains(&c.program));
    for call in calls {
        let Some(name) = SAMPLES.iter().find(|s| call.arguments.split(' ').any(|word| word == **s)) else {
            continue;
        };
        let expected = outputs(&place, &call.line());
        let piped: Vec<String> =
            call.line().split(' ').map(|word| if word == *name { "-".into() } else { word.into() }).collect();
        let piped = piped.join(" ");
        for (bytes, step) in [(place.get(name), 1 << 20), (split.get(name), 997)] {
            let done = place.feed(&piped, &bytes, step).silent(&piped);
            assert!(done == expected["-"], "{piped}");
        }
    }
}

#[test]
fn an_item_shape_survives_from_generation_to_samples() {
    for (dtype, descr) in [("f32", "<f4"), ("f64", "<f8")] {
        let place = Place::new();
        let shape_of = |bytes: &[u8]| {
            let (header, _) = npy_parts(bytes);
            assert!(header.contains(&format!("'descr': '{descr}'")), "{header}");
            shape(&header)
        };
        let x = place.out(&format!("molrg-gen -d 24 -r 3 -k 2 -n 50 --shape 2,4,3 --dtype {dtype}"));
        assert_eq!(shape_of(&x), [50, 2, 4, 3]);
        for kind in ["molrg -r 3 -k 2", "gaussian", "empirical"] {
            let model = place.feed(&format!("dae-fit --kind {kind}"), &x, 4096).silent(kind);
            place.put("model.st", &model);
            assert_eq!(shape_of(&place.out("pf-sample model.st -n 7 --trajectory path.npy")), [7, 2, 4, 3]);
            assert_eq!(shape_of(&place.get("path.npy")), [7, 19, 2, 4, 3]);
            let denoised = place.feed("dae-apply model.st --sigma 1", &x, 4096).silent("dae-apply");
            assert_eq!(shape_of(&denoised), [50, 2, 4, 3]);
            let latents = place.feed("pf-sample model.st --encode --noise -", &x, 4096).silent("encode");
            assert_eq!(shape_of(&latents), [50, 2, 4, 3]);
        }
        place.put("x.npy", &x);
        place.out("dae-fit x.npy --kind gaussian -o model.st");
        assert_eq!(shape_of(&place.out("molrg-gen --from model.st -n 3")), [3, 2, 4, 3]);
    }
}
