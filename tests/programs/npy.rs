//! The program npy, run as its users run it.

use std::fs;
use std::io::Write;
use std::path::Path;

use molrg::random::{Purpose, normal_rows};
use zip::write::SimpleFileOptions;

use crate::data::{DIGITS, gzip};
use crate::place::Place;

/// An array as NumPy's format has it, written independently of the library.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes.extend(data);
    bytes
}

fn f4(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn f8(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The header's text, without its padding, and the bytes after it.
fn parts(array: &[u8]) -> (String, &[u8]) {
    let length = 10 + u16::from_le_bytes([array[8], array[9]]) as usize;
    assert_eq!(length % 64, 0);
    let text = String::from_utf8(array[10..length].to_vec()).unwrap();
    (text.trim_end().to_string(), &array[length..])
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}")
}

fn npz(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in members {
        archive.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// Two images of 28×28 bytes in the format of MNIST.
fn idx() -> (Vec<u8>, Vec<u8>) {
    let mut file = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    let pixels: Vec<u8> = (0..2 * 28 * 28).map(|i| (i * 7 % 256) as u8).collect();
    file.extend(&pixels);
    (file, pixels)
}

#[test]
fn examples_in_the_help_work_in_an_empty_directory() {
    let place = Place::of("npy");
    let help = place.text("--help");
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let lines: Vec<&str> = examples.lines().map(|l| l.strip_prefix("  $ ").unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(!place.bash(line).silent(line).is_empty(), "{line}");
    }
    assert!(help.contains("Memory:"));
}

#[test]
fn wrong_calls_exit_2_with_one_line() {
    let place = Place::of("npy");
    place.put("a.npy", npy("<f4", "1, 2", &f4(&[1.0, 2.0])));
    for arguments in [
        "",
        "bogus",
        "info --bogus",
        "cat - -",
        "diff a.npy",
        "diff a.npy a.npy a.npy",
        "diff a.npy a.npy --rtol -1",
        "diff a.npy a.npy --atol=nan",
        "info a.npy --format npy",
        "cat a.npy --rows 3..1",
        "cat a.npy --cols x..",
        "noise -n 3",
        "noise -n 3 -d 0",
        "noise -n 3 -d 4294967295",
        "noise -n 3 -d 6 --shape 2,2",
        "stack",
        "stack a.npy --rows 1..",
        "images a.npy --pool 0",
        "images a.npy --from 1,1",
        "images a.npy --to 0,inf",
        "images a.npy --pad 70000",
    ] {
        place.fails(2, arguments);
    }
}

#[test]
fn inputs_that_cannot_be_read_exit_1_and_are_named() {
    let place = Place::of("npy");
    place.put("empty.npy", "");
    place.put("model.npy", b"\x02\0\0\0\0\0\0\0{}");
    let commands = ["info F", "cat F", "check F", "diff F F", "stack F", "images F"];
    for command in commands {
        for file in ["missing.npy", "empty.npy", "model.npy"] {
            let line = place.fails(1, &command.replace('F', file));
            assert!(line.starts_with(&format!("npy: {file}")), "{line}");
        }
    }
    assert!(place.fails(1, "cat - --output no/such.npy").contains("<stdin>"));
}

#[test]
fn info_describes_arrays_and_hashes_their_bytes() {
    let place = Place::of("npy");
    let block = npy("<f4", "2, 3", &f4(&[1.0, 2.0, f32::NAN, -4.0, 5.0, 6.0]));
    let stream = [block.clone(), block.clone()].concat();
    place.put("a.npy", &stream);
    place.put("a.gz", gzip(&stream));
    let sha = |file| {
        let printed = place.bash(&format!("sha256sum < {file}")).silent(file);
        String::from_utf8(printed).unwrap()[..64].to_string()
    };
    let head = "name,shape,dtype,rows,min,max,mean,non_finite,sha256\n";
    assert_eq!(
        place.text("info a.npy a.gz"),
        format!("{head}a.npy,4x3,<f4,4,-4,6,2,2,{}\na.gz,4x3,<f4,4,-4,6,2,2,{}\n", sha("a.npy"), sha("a.gz"))
    );
    // The same of a pipe, with and without naming it, and for a part of the rows.
    for arguments in ["info", "info -"] {
        let told = String::from_utf8(place.pipe(stream.clone(), arguments)).unwrap();
        assert_eq!(told, format!("{head}<stdin>,4x3,<f4,4,-4,6,2,2,{}\n", sha("a.npy")));
    }
    let first = String::from_utf8(place.pipe(stream.clone(), "info --rows ..1")).unwrap();
    assert_eq!(first, format!("{head}<stdin>,4x3,<f4,1,1,2,1.5,1,{}\n", sha("a.npy")));
    assert_eq!(
        place.text("info a.npy --rows 1..2 --format json"),
        format!(
            "{{\"name\":\"a.npy\",\"shape\":\"4x3\",\"dtype\":\"<f4\",\"rows\":1,\"min\":-4,\"max\":6,\
             \"mean\":2.3333333333333335,\"non_finite\":0,\"sha256\":\"{}\"}}\n",
            sha("a.npy")
        )
    );
    let refused = place.fails(1, "info a.npy --nan error");
    assert!(refused.contains("a.npy: row 0, column 2"), "{refused}");
}

#[test]
fn info_leaves_undefined_statistics_empty() {
    let place = Place::of("npy");
    place.put("none.npy", npy("<f8", "0, 2", &[]));
    place.put("nan.npy", npy("<f8", "1, 2", &f8(&[f64::NAN, f64::INFINITY])));
    let told = place.text("info none.npy nan.npy");
    assert!(told.contains("\nnone.npy,0x2,<f8,0,,,,0,"), "{told}");
    assert!(told.contains("\nnan.npy,1x2,<f8,1,,,,2,"), "{told}");
    let json = place.text("info nan.npy -f json");
    assert!(json.contains("\"min\":null,\"max\":null,\"mean\":null"), "{json}");
    assert!(place.text("info --help").contains("undefined"));
}

#[test]
fn info_has_means_where_the_sum_is_beyond_f64() {
    let place = Place::of("npy");
    place.put("big.npy", npy("<f8", "4, 1", &f8(&[1.5e308; 4])));
    assert!(place.text("info big.npy").contains(",1.5e308,1.5e308,1.5e308,0,"));
}

#[test]
fn info_reads_npz_idx_and_csv() {
    let place = Place::of("npy");
    let told = place.text(&format!("info {DIGITS}"));
    assert!(told.contains(",1797x8x8x1,|u1,1797,0,16,4.884164579855314,0,"), "{told}");
    place.put("images.gz", gzip(&idx().0));
    assert!(place.text("info images.gz").contains("images.gz,2x28x28,|u1,2,0,255,"));
    place.put("t.csv", "x,y\n1,2\n3,4\n");
    assert!(place.text("info t.csv").contains("t.csv,2x2,csv,2,1,4,2.5,0,"));
    assert!(place.text("info t.csv --shape 2,1").contains("t.csv,2x2x1"));
}

#[test]
fn cat_of_shards_is_the_whole_byte_for_byte() {
    let place = Place::of("npy");
    place.out("noise -n 10000 -d 5 --seed 3 -o whole.npy");
    for (i, rows) in ["..1", "1..4097", "4097..4097", "4097.."].iter().enumerate() {
        place.out(&format!("cat whole.npy --rows {rows} -o {i}.npy"));
    }
    let whole = place.get("whole.npy");
    assert_eq!(place.out("cat 0.npy 1.npy 2.npy 3.npy"), whole);
    // Lengths that are not known beforehand: a pipe among files, blocks in a pipe.
    for line in ["cat 1.npy 2.npy | npy cat 0.npy - 3.npy", "cat [0-3].npy | npy cat"] {
        assert_eq!(place.bash(line).silent(line), whole);
    }
    // Numbers that are not finite pass, unless told otherwise.
    let odd = npy("<f4", "1, 2", &f4(&[f32::NAN, f32::NEG_INFINITY]));
    assert_eq!(parts(&place.pipe(odd.clone(), "cat")).1, parts(&odd).1);
    place.put("odd.npy", odd);
    place.fails(1, "cat odd.npy --nan error");
    let dropped = place.run("cat odd.npy --nan drop");
    assert_eq!(parts(&dropped.out).0, header("<f4", "0, 2"));
    place.fails(2, "stack odd.npy odd.npy --nan drop");
}

#[test]
fn numbers_of_columns_are_told() {
    let place = Place::of("npy");
    place.put("numbered.csv", "0,1,2\n0.5,0.25,3\n");
    place.put("data.csv", "0,1,3\n0.5,0.25,3\n");
    let told = place.run("cat numbered.csv");
    assert!(told.code == Some(0) && told.err.contains("numbered.csv: its first row, 0,1,2"), "{}", told.err);
    assert_eq!(place.run("cat numbered.csv numbered.csv").err.lines().count(), 1);
    place.put("named.csv", "a,b,c\n0,1,2\n0.5,0.25,3\n");
    for line in ["cat data.csv", "cat named.csv"] {
        assert_eq!(place.run(line).err, "", "{line}");
    }
}

#[test]
fn cat_slices_the_joined_array() {
    let place = Place::of("npy");
    place.put("a.csv", "0,1\n10,11\n20,21\n");
    place.put("b.csv", "30,31\n");
    place.put("c.npy", npy("<f4", "2, 2", &f4(&[40.0, 41.0, 50.0, 51.0])));
    let all = ["0,1", "10,11", "20,21", "30,31", "40,41", "50,51"];
    for start in 0..7 {
        for end in start..8 {
            let wanted: String = all[start.min(6)..end.min(6)].iter().map(|l| format!("{l}\n")).collect();
            let arguments = format!("cat a.csv b.csv c.npy -f csv --rows {start}..{end}");
            assert_eq!(place.text(&arguments), wanted, "{arguments}");
        }
    }
    assert_eq!(place.text("cat a.csv b.csv --cols 1.. -f csv"), "1\n11\n21\n31\n");
    let part = place.out("cat c.npy --cols ..1 --rows 1..");
    assert_eq!(parts(&part), (header("<f4", "1, 1"), f4(&[50.0]).as_slice()));
    // Columns of images are those of their flattened rows.
    place.put("images.npy", npy("<f4", "1, 2, 2", &f4(&[1.0, 2.0, 3.0, 4.0])));
    let part = place.out("cat images.npy --cols 1..4");
    assert_eq!(parts(&part), (header("<f4", "1, 3"), f4(&[2.0, 3.0, 4.0]).as_slice()));
    for columns in ["2..", "0..3", "1..1", "5..6"] {
        let line = place.fails(1, &format!("cat a.csv --cols {columns}"));
        assert!(line.contains("--cols") && line.contains("0 to 1"), "{line}");
    }
}

#[test]
fn cat_converts() {
    let place = Place::of("npy");
    place.put("a.npy", npy("<f4", "2, 2", &f4(&[0.1, 2.0, -3.5, 1e30])));
    let wide: Vec<f64> = [0.1f32, 2.0, -3.5, 1e30].map(f64::from).to_vec();
    let array = place.out("cat a.npy --dtype f64");
    assert_eq!(parts(&array), (header("<f8", "2, 2"), f8(&wide).as_slice()));
    assert_eq!(place.text("cat a.npy -f csv"), "0.1,2\n-3.5,1e30\n");
    assert_eq!(place.text("cat a.npy -f json"), "[0.1,2]\n[-3.5,1e30]\n");
    // By the ending of the output, and back.
    place.out("cat a.npy -o a.csv");
    assert_eq!(place.out("cat a.csv --dtype f32"), place.out("cat a.npy"));
    // The widest type of all inputs holds them all.
    place.put("b.npy", npy(">f8", "1, 2", &[0; 16]));
    place.put("c.npy", npy("|u1", "1, 2", &[7, 255]));
    let array = place.out("cat a.npy b.npy c.npy");
    assert_eq!(parts(&array).0, header("<f8", "4, 2"));
    assert_eq!(place.text("cat c.npy -f csv"), "7,255\n");
}

#[test]
fn cat_reads_npz_by_key_and_refuses_unequal_items() {
    let place = Place::of("npy");
    let (a, b) = (npy("<f4", "1, 2", &f4(&[1.0, 2.0])), npy("<f4", "1, 3", &f4(&[3.0; 3])));
    npz(&place.path("ab.npz"), &[("a", a.clone()), ("b", b)]);
    npz(&place.path("a.npz"), &[("a", a.clone())]);
    assert_eq!(place.text("cat ab.npz:b -f csv"), "3,3,3\n");
    assert_eq!(parts(&place.out("cat a.npz")), parts(&a));
    let line = place.fails(1, "cat ab.npz");
    assert!(line.contains("holds 2 arrays: a, b"), "{line}");
    let line = place.fails(1, "cat a.npz ab.npz:b");
    assert!(line.contains("a.npz:a and ab.npz:b: items of shape (2,) and (3,)"), "{line}");
    let line = place.fails(1, "cat ab.npz:c");
    assert!(line.contains("no array 'c'"), "{line}");
}

#[test]
fn cat_needs_a_block_of_memory() {
    let place = Place::of("npy");
    let line = "npy noise -n 1000000 -d 32 | npy cat --manifest run.json --manifest-host \
                | npy info --manifest info.json --manifest-host";
    assert_eq!(place.bash(line).code, Some(0));
    for name in ["run.json", "info.json"] {
        let record: serde_json::Value = serde_json::from_slice(&place.get(name)).unwrap();
        // The array takes 128 million bytes.
        assert!(record["host"]["peak_memory_bytes"].as_u64().unwrap() < 40_000_000, "{name}");
    }
}

#[test]
fn check_is_silent_about_what_is_whole() {
    let place = Place::of("npy");
    let array = npy("<f4", "2, 2", &f4(&[1.0, f32::NAN, 3.0, 4.0]));
    place.put("a.npy", [array.clone(), array.clone()].concat());
    place.put("a.gz", gzip(&array));
    place.put("t.csv", "1,2\n");
    place.put("i.gz", gzip(&idx().0));
    npz(&place.path("ab.npz"), &[("a", array.clone()), ("b", array.clone())]);
    place.bash("molrg-gen -d 6 -r 2 -k 2 -n 1 --truth m.st -o s.npy").silent("molrg-gen");
    assert_eq!(place.text("check a.npy a.gz t.csv i.gz ab.npz m.st"), "");
    assert!(place.pipe(array, "check").is_empty());
    let line = place.fails(1, "check ab.npz --nan error");
    assert!(line.contains("ab.npz:a: row 0, column 1"), "{line}");
    assert!(place.text("check --help").contains("Prints nothing"));
}

#[test]
fn check_stops_at_the_first_that_is_damaged() {
    let place = Place::of("npy");
    let array = npy("<f4", "2, 2", &f4(&[1.0, 2.0, 3.0, 4.0]));
    place.put("good.npy", &array);
    place.put("cut.npy", &array[..array.len() - 1]);
    place.put("trailing.npy", [array.as_slice(), b"x"].concat());
    let packed = gzip(&array);
    place.put("cut.gz", &packed[..packed.len() - 4]);
    place.put("ragged.csv", "1,2\n3\n");
    let images = idx().0;
    place.put("cut.idx", &images[..images.len() - 1]);
    npz(&place.path("second.npz"), &[("a", array.clone()), ("b", array[..100].to_vec())]);
    place.bash("molrg-gen -d 6 -r 2 -k 2 -n 1 --truth m.st -o s.npy").silent("molrg-gen");
    let model = place.get("m.st");
    place.put("cut.st", &model[..model.len() - 1]);
    for (file, reason) in [
        ("cut.npy", "truncated: 1 of 2 rows"),
        ("trailing.npy", "bytes follow the last row"),
        ("cut.gz", ""),
        ("ragged.csv", "line 2: has 1 fields"),
        ("cut.idx", "truncated: 1 of 2 rows"),
        ("second.npz", "second.npz:b: truncated"),
        ("cut.st", ""),
    ] {
        let line = place.fails(1, &format!("check good.npy {file} missing.npy"));
        assert!(line.contains(file) && line.contains(reason), "{line}");
    }
    // Damage beyond the rows asked for is damage too.
    place.fails(1, "check cut.npy --rows ..1");
}

#[test]
fn check_reads_every_tensor_of_other_programs() {
    let place = Place::of("npy");
    place.bash("molrg-gen -d 6 -r 2 -k 2 -n 1 --truth m.st -o s.npy").silent("molrg-gen");
    let model = place.get("m.st");
    let at = model.windows(11).position(|w| w == b"molrg-model").unwrap();
    let foreign = [&model[..at], b"other-model", &model[at + 11..]].concat();
    place.put("f.st", &foreign);
    assert_eq!(place.text("check f.st"), "");
    assert!(place.pipe(foreign.clone(), "check").is_empty());
    let last = foreign.len() - 8;
    place.put("nan.st", [&foreign[..last], &f64::NAN.to_le_bytes()[..]].concat());
    assert_eq!(place.text("check nan.st"), "");
    // Its last tensor is noise_variance, (2).
    let line = place.fails(1, "check nan.st --nan error");
    assert!(line.contains("nan.st:noise_variance: row 1, column 0: is nan"), "{line}");
    for (bytes, reason) in [
        (&foreign[..last], "truncated: it has"),
        (&[&foreign[..], b"x"].concat()[..], "damaged: 1 bytes follow its last tensor"),
    ] {
        place.put("bad.st", bytes);
        let line = place.fails(1, "check bad.st");
        assert!(line.contains("bad.st") && line.contains(reason), "{line}");
    }
    // Damaged within its header, it is called neither a model nor samples.
    place.put("bad.st", [&foreign[..20], b"\0", &foreign[21..]].concat());
    for command in ["check", "cat", "info"] {
        let line = place.fails(1, &format!("{command} bad.st"));
        assert!(line.contains("damaged") && !line.contains("is a model"), "{line}");
    }
}

#[test]
fn rows_keep_their_numbers_where_some_are_dropped() {
    let place = Place::of("npy");
    place.put("a.csv", "0,1\nnan,2\n4,5\n6,7\n");
    place.put("b.csv", "0,1\n1,2\n4,5\n6,9\n");
    let done = place.run("diff a.csv b.csv --nan drop");
    assert_eq!(done.code, Some(1));
    let table = String::from_utf8(done.out).unwrap();
    assert_eq!(table.lines().nth(1), Some("3,2,1,2,0.2222222222222222,3,1"));
    assert!(
        done.err.contains("in row 3, column 1") && done.err.contains("1 row with non-finite"),
        "{}",
        done.err
    );
    place.put("b.csv", "0,1\n1,2\n4,5\n6,7\n");
    assert_eq!(place.text("diff a.csv b.csv --nan drop").lines().nth(1), Some("3,2,0,0,0,0,0"));
}

#[test]
fn an_empty_file_is_told_by_its_ending() {
    let place = Place::of("npy");
    for (name, words) in
        [("e.npy", "left behind"), ("e.st", "left behind"), ("e.csv", "csv of no rows"), ("e", "csv of")]
    {
        place.put(name, "");
        let line = place.fails(1, &format!("info {name}"));
        assert!(line.contains(&format!("{name}: is empty: ")) && line.contains(words), "{line}");
        assert_eq!(line.contains("csv"), words.contains("csv"), "{line}");
    }
}

#[test]
fn diff_of_equal_arrays_is_zero() {
    let place = Place::of("npy");
    let values = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    place.put("a.npy", npy("<f4", "2, 2", &f4(&values)));
    place.put("b.npy", npy("<f8", "2, 2", &f8(&values.map(f64::from))));
    let told = "rows,width,differing,max_abs,max_rel,row,column\n2,2,0,0,0,0,0\n";
    assert_eq!(place.text("diff a.npy b.npy"), told);
    assert_eq!(place.pipe(place.get("a.npy"), "diff - a.npy"), told.as_bytes());
    place.fails(1, "diff a.npy b.npy --nan error");
}

#[test]
fn diff_finds_the_largest_difference() {
    let place = Place::of("npy");
    place.put("a.csv", "1,2,3\n4,5,6\n7,8,9\n");
    place.put("b.csv", "1,2,3.5\n4,5,8\n7,10,9\n");
    let done = place.run("diff a.csv b.csv");
    let stdout = "rows,width,differing,max_abs,max_rel,row,column\n3,3,3,2,0.25,1,2\n";
    assert_eq!((done.code, String::from_utf8(done.out).unwrap().as_str()), (Some(1), stdout));
    let differ = "npy: a.csv and b.csv differ: 3 of 9 numbers, most by 2 in row 1";
    assert!(done.err.starts_with(differ) && done.err.lines().count() == 1, "{}", done.err);
    // |a-b| <= atol + rtol·|b|, its border included.
    place.out("diff a.csv b.csv --atol 2");
    place.out("diff a.csv b.csv --rtol 0.25");
    place.out("diff a.csv b.csv --rtol 0.2 --atol 0.4");
    assert_eq!(place.run("diff a.csv b.csv --atol 1.9").code, Some(1));
    // Rows are counted as in the whole array.
    let done = place.run("diff a.csv b.csv --rows 2..");
    assert!(done.code == Some(1) && done.out.ends_with(b"\n1,3,1,2,0.2,2,1\n"));
    // The table is complete in a file, too.
    place.fails(1, "diff a.csv b.csv -o d.csv");
    assert_eq!(place.get("d.csv"), stdout.as_bytes());
}

#[test]
fn diff_does_not_tolerate_infinities() {
    let place = Place::of("npy");
    place.put("a.csv", "1\ninf\nnan\n");
    place.put("b.csv", "inf\n1\n0\n");
    let done = place.run("diff a.csv b.csv --rtol 1");
    assert!(done.code == Some(1) && done.out.ends_with(b"\n3,1,3,inf,inf,0,0\n"));
    let done = place.run("diff a.csv b.csv -f json");
    let line = String::from_utf8(done.out).unwrap();
    assert!(done.code == Some(1) && line.contains("\"max_abs\":null"), "{line}");
}

#[test]
fn diff_refuses_other_shapes_naming_both() {
    let place = Place::of("npy");
    place.put("a.csv", "1,2\n3,4\n");
    place.put("b.csv", "1,2,3\n");
    place.put("c.csv", "1,2\n");
    let line = place.fails(1, "diff a.csv b.csv");
    assert!(line.contains("a.csv and b.csv: items of shape"), "{line}");
    let line = place.fails(1, "diff a.csv c.csv");
    assert!(line.contains("a.csv and c.csv: 2 and 1 rows"), "{line}");
    place.put("flat.npy", npy("<f4", "1, 4", &[0; 16]));
    place.put("image.npy", npy("<f4", "1, 2, 2", &[0; 16]));
    let line = place.fails(1, "diff flat.npy image.npy");
    assert!(line.contains("flat.npy and image.npy"), "{line}");
    place.out("diff flat.npy image.npy --shape 2,2");
    assert!(
        place
            .fails(1, "diff flat.npy image.npy --shape 4")
            .contains("image.npy: its items are of shape (2, 2)")
    );
}

#[test]
fn noise_is_that_of_the_library() {
    let place = Place::of("npy");
    let latents = normal_rows::<f32>(7, Purpose::Latents, 0..5, 3);
    let array = place.out("noise -n 5 -d 3 --seed 7");
    assert_eq!(parts(&array), (header("<f4", "5, 3"), f4(latents.as_slice().unwrap()).as_slice()));
    let latents = normal_rows::<f64>(7, Purpose::Latents, 0..5, 3);
    let array = place.out("noise --samples 5 --dim 3 --seed 7 --dtype f64");
    assert_eq!(parts(&array), (header("<f8", "5, 3"), f8(latents.as_slice().unwrap()).as_slice()));
    let images = place.out("noise -n 5 -d 12 --shape 2,2,3");
    assert_eq!(parts(&images).0, header("<f4", "5, 2, 2, 3"));
    assert_eq!(parts(&place.out("noise -n 0 -d 3")).0, header("<f4", "0, 3"));
}

#[test]
fn noise_does_not_depend_on_threads_shards_or_length() {
    let place = Place::of("npy");
    let whole = place.out("noise -n 5000 -d 7 --seed 2");
    assert_eq!(place.out("noise -n 5000 -d 7 --seed 2 --threads 1"), whole);
    assert_eq!(place.out("noise -n 5000 -d 7 --seed 2 --threads 3"), whole);
    let mut shards = Vec::new();
    for rows in ["..1", "1..2500", "2500.."] {
        shards.extend(place.out(&format!("noise -n 5000 -d 7 --seed 2 --rows {rows}")));
    }
    assert_eq!(place.pipe(shards, "cat"), whole);
    let (_, data) = parts(&whole);
    let prefix = place.out("noise -n 100 -d 7 --seed 2");
    assert_eq!(parts(&prefix).1, &data[..100 * 7 * 4]);
    assert_ne!(place.out("noise -n 5000 -d 7 --seed 3"), whole);
}

#[test]
fn stack_adds_a_leading_axis() {
    let place = Place::of("npy");
    let (a, b) = (f4(&[1.0, 2.0, 3.0, 4.0]), f4(&[5.0, 6.0, 7.0, 8.0]));
    place.put("a.npy", npy("<f4", "2, 2", &a));
    place.put("b.npy", npy("<f4", "2, 2", &b));
    let wanted = (header("<f4", "2, 2, 2"), [a.clone(), b].concat());
    let array = place.out("stack a.npy b.npy");
    assert_eq!(parts(&array), (wanted.0.clone(), wanted.1.as_slice()));
    // Whether one length or none is known beforehand.
    for line in [
        "cat b.npy | npy stack a.npy -",
        "npy stack <(cat a.npy) b.npy",
        "npy stack <(cat a.npy) <(cat b.npy)",
    ] {
        assert_eq!(place.bash(line).silent(line), array, "{line}");
    }
    assert_eq!(place.text("stack a.npy b.npy -f csv"), "1,2,3,4\n5,6,7,8\n");
    assert_eq!(place.text("stack a.npy b.npy -f json"), "[1,2,3,4]\n[5,6,7,8]\n");
    // The rows of the result are the arrays.
    assert_eq!(parts(&place.out("stack a.npy b.npy --rows 0..1")), (header("<f4", "1, 2, 2"), a.as_slice()));
}

#[test]
fn stack_refuses_unequal_arrays_naming_both() {
    let place = Place::of("npy");
    place.put("a.npy", npy("<f4", "2, 2", &[0; 16]));
    place.put("b.npy", npy("<f4", "3, 2", &[0; 24]));
    place.put("c.npy", npy("<f4", "2, 1", &[0; 8]));
    place.put("short.csv", "1,2\n");
    place.put("long.csv", "1,2\n1,2\n1,2\n1,2\n");
    let line = place.fails(1, "stack a.npy b.npy");
    assert!(line.contains("a.npy and b.npy: 2 and 3 rows"), "{line}");
    let line = place.fails(1, "stack a.npy c.npy");
    assert!(line.contains("a.npy and c.npy: items of shape"), "{line}");
    for (file, rows) in [("short.csv", 1), ("long.csv", 4)] {
        let line = place.fails(1, &format!("stack a.npy {file} -o out.npy"));
        assert!(line.contains(&format!("a.npy and {file}: 2 and {rows} rows")), "{line}");
        assert!(!place.path("out.npy").exists());
    }
    let line = place.fails(1, "stack short.csv long.csv");
    assert!(line.contains("short.csv and long.csv: 1 and 4 rows"), "{line}");
}

#[test]
fn images_pads_pools_and_scales() {
    let place = Place::of("npy");
    let (file, pixels) = idx();
    place.put("images.gz", gzip(&file));
    let array = place.out("images images.gz --pad 2 --pool 4");
    let mut wanted = Vec::new();
    for image in pixels.chunks(28 * 28) {
        let pixel = |y: usize, x: usize| match (y.checked_sub(2), x.checked_sub(2)) {
            (Some(y), Some(x)) if y < 28 && x < 28 => f64::from(image[y * 28 + x]),
            _ => 0.0,
        };
        for y in 0..8 {
            for x in 0..8 {
                let square = (0..16).map(|i| pixel(4 * y + i / 4, 4 * x + i % 4));
                wanted.push((square.sum::<f64>() / 16.0 / 127.5 - 1.0) as f32);
            }
        }
    }
    assert_eq!(parts(&array), (header("<f4", "2, 8, 8"), f4(&wanted).as_slice()));
    assert_eq!(place.pipe(file, "images --pad 2 --pool 4"), array);
}

#[test]
fn images_are_scaled_as_asked_with_exact_ends() {
    let place = Place::of("npy");
    place.put("p.npy", npy("|u1", "1, 1, 3", &[0, 255, 51]));
    assert_eq!(place.text("images p.npy -f csv --dtype f64"), "-1,1,-0.6\n");
    assert_eq!(place.text("images p.npy -f csv --from -255,255 --to 0,2"), "1,2,1.2\n");
    let digits = format!("images {DIGITS} --from 0,16 --rows ..2");
    let array = place.out(&digits);
    assert_eq!(parts(&array).0, header("<f4", "2, 8, 8, 1"));
    // x/8 - 1 of the first row of the first digit: 0 0 5 13 9 1 0 0.
    let row = f4(&[-1.0, -1.0, -0.375, 0.625, 0.125, -0.875, -1.0, -1.0]);
    assert_eq!(&parts(&array).1[..32], row);
}

#[test]
fn images_pools_each_channel_by_itself() {
    let place = Place::of("npy");
    let pixels: Vec<u8> = (0..4).flat_map(|i| [i, 10 * i, 100]).collect();
    place.put("p.npy", npy("|u1", "1, 2, 2, 3", &pixels));
    let array = place.out("images p.npy --pool 2 --to 0,255");
    assert_eq!(parts(&array), (header("<f4", "1, 1, 1, 3"), f4(&[1.5, 15.0, 100.0]).as_slice()));
}

#[test]
fn images_refuses_what_does_not_fit() {
    let place = Place::of("npy");
    place.put("p.npy", npy("|u1", "1, 4", &[0; 4]));
    let line = place.fails(1, "images p.npy");
    assert!(line.contains("p.npy: items of shape [4]"), "{line}");
    let line = place.fails(1, "images p.npy --shape 2,2 --pool 4");
    assert!(line.contains("2x2 pixels"), "{line}");
    let array = place.out("images p.npy --shape 2,2 --pool 4 --pad 1");
    assert_eq!(parts(&array).0, header("<f4", "1, 1, 1"));
}

#[test]
fn manifests_record_the_run() {
    let place = Place::of("npy");
    place.out("noise -n 2 -d 2 -o a.npy");
    place.out("cat a.npy a.npy -o b.npy --manifest cat.json");
    let told = place.text("info b.npy --manifest info.json");
    let cat: serde_json::Value = serde_json::from_slice(&place.get("cat.json")).unwrap();
    assert_eq!(cat["program"], "npy");
    assert_eq!(cat["arguments"]["subcommand"], "cat");
    assert_eq!(cat["arguments"]["nan"], "pass");
    assert_eq!(cat["outputs"][0]["shape"], serde_json::json!([4, 2]));
    let sha = cat["outputs"][0]["sha256"].as_str().unwrap();
    assert!(told.contains(sha));
    let info: serde_json::Value = serde_json::from_slice(&place.get("info.json")).unwrap();
    assert_eq!(info["inputs"][0]["sha256"], sha);
}

#[test]
fn outputs_may_be_files_that_the_shell_opened() {
    let place = Place::of("npy");
    place.out("noise -n 3 -d 2 -o x.npy");
    let whole = place.get("x.npy");
    let run = |line: &str| place.bash(line).silent(line);
    assert_eq!(run("npy cat x.npy -o /dev/stdout | cat"), whole);
    assert_eq!(run("npy cat x.npy -o /dev/stdout"), whole);
    run("npy cat x.npy -o >(cat > y.npy); while [ ! -s y.npy ]; do sleep .01; done; sleep .1");
    assert_eq!(place.get("y.npy"), whole);
    // What others wrote to it before stays.
    run("(npy cat x.npy --rows ..1; npy cat x.npy --rows 1.. -o /dev/stdout) > z.npy");
    assert_eq!(run("npy cat z.npy"), whole);
    assert_eq!(run("npy cat x.npy -o /dev/stderr 2>&1 >/dev/null"), whole);
    let labels = run("molrg-gen -d 3 -r 1 -k 2 -n 2 -o m.npy --balanced --labels /dev/stdout");
    assert_eq!(labels, b"row,component\n0,0\n1,1\n");
    let line = place.fails(2, "noise -n 1 -d 1 -o /dev/stdout --manifest -");
    assert!(line.contains("is an output already"), "{line}");
}

#[test]
fn counts_may_be_written_with_an_exponent() {
    let place = Place::of("npy");
    assert_eq!(place.out("noise -n 1e1 -d 2"), place.out("noise -n 10 -d 2"));
    assert_eq!(place.out("noise -n 2 -d 2 --seed 1e3"), place.out("noise -n 2 -d 2 --seed 1000"));
    for count in ["-5", "1.5", "ten"] {
        let line = place.fails(2, &format!("noise -d 2 -n {count}"));
        assert!(line.contains(&format!("'{count}'")) && line.contains("whole number from 0"), "{line}");
    }
}

#[test]
fn an_array_of_standard_input_is_named_by_its_key() {
    let place = Place::of("npy");
    let array = npy("<f4", "1, 2", &f4(&[1.0, 2.0]));
    npz(&place.path("two.npz"), &[("a", array.clone()), ("b", array.clone())]);
    let stdin = place.get("two.npz");
    for arguments in ["cat -:a", "cat -- -:a"] {
        assert_eq!(place.pipe(stdin.clone(), arguments), array, "{arguments}");
    }
    let line = place.fails(1, "cat -:a");
    assert!(line.contains("<stdin>"), "{line}");
}

#[test]
fn no_rows_as_csv_are_told_from_a_failure() {
    let place = Place::of("npy");
    place.out("noise -n 3 -d 2 -o x.npy");
    assert_eq!(place.out("cat x.npy --rows 3.. -f csv"), b"");
    let line = place.fails(1, "info");
    assert!(line.contains("<stdin>: is empty: a csv of no rows"), "{line}");
    place.put("names.csv", "a,b\n");
    assert!(place.text("info names.csv").contains("names.csv,0x2,csv,0,"));
}

#[test]
fn info_tells_what_models_are() {
    let place = Place::of("npy");
    place.bash("molrg-gen -d 6 -r 2,1 -n 20 --truth m.st -o s.npy").silent("molrg-gen");
    let run = "dae-fit s.npy --kind empirical -o e.st && dae-fit s.npy --kind mlp --steps 2 -q -o n.st";
    place.bash(run).silent(run);
    let text = place.text("info m.st e.st n.st");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["name", "kind", "item_shape", "dtype", "parameters", "sha256", "holds"]);
    // Of K components in d dimensions with r_k directions: 1 + d + 1 + r_k (d + 1) numbers each.
    assert_eq!(lines[1][..5], ["m.st", "molrg", "6", "f32", "37"]);
    assert_eq!(lines[2][..5], ["e.st", "empirical", "6", "f32", "120"]);
    assert_eq!(lines[3][..4], ["n.st", "mlp", "6", "f32"]);
    let sum = String::from_utf8(place.bash("sha256sum m.st").out).unwrap();
    assert!(sum.starts_with(lines[1][5]), "{sum}{text}");
    let piped = String::from_utf8(place.pipe(place.get("m.st"), "info")).unwrap();
    assert!(piped.ends_with(&format!("{},2 components of rank 1 to 2\n", lines[1][5])), "{piped}");
    // Tensors of others are arrays.
    let header = r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#;
    let start = (header.len() as u64).to_le_bytes();
    place.put("o.st", [&start[..], header.as_bytes(), &f4(&[1.0, 3.0])].concat());
    assert!(place.text("info o.st").contains("\no.st,2x1,<f4,2,1,3,2,0,"));
    assert!(
        String::from_utf8(place.pipe(place.get("o.st"), "info"))
            .unwrap()
            .contains("<stdin>,2x1,<f4,2,1,3,2,0,")
    );
    let line = place.fails(2, "info m.st s.npy");
    assert!(line.contains("s.npy: arrays and models"), "{line}");
}

#[test]
fn rows_are_taken_by_their_numbers() {
    let place = Place::of("npy");
    place.out("noise -n 700 -d 5 --dtype f64 --seed 3 -o x.npy");
    // A table whose second column lacks numbers, as that of the first chosen does; a row twice, and the last.
    place.put("rows.csv", "row,distance\n699,\n3,.5\n0,.1\n3,inf\n");
    let of = |row: usize| place.out(&format!("cat x.npy --rows {row}..{}", row + 1))[128..].to_vec();
    let taken = place.out("take x.npy rows.csv");
    assert_eq!(parts(&taken).1, [of(699), of(3), of(0), of(3)].concat());
    for (numbers, said) in [
        ("row\n700", "row 0: 700 is no row of x.npy, which has 700"),
        ("row\n1\n1.5", "line 3: 1.5 is no number of a row"),
        ("row,a\n-1,2", "line 2: -1 is no number of a row"),
        ("3\n4", "names"),
    ] {
        place.put("bad.csv", numbers);
        let line = place.fails(1, "take x.npy bad.csv -o no.npy");
        assert!(line.contains(said) && line.contains("bad.csv"), "{line}");
    }
    assert!(place.fails(2, "take x.npy rows.csv --nan drop").contains("INDICES"));
}

#[test]
fn images_take_a_layout() {
    let place = Place::of("npy");
    let pixels: Vec<u8> = (0..48).collect();
    place.put("first.npy", npy("|u1", "1, 3, 4, 4", &pixels));
    let line = place.fails(1, "images first.npy");
    assert!(line.contains("--layout nchw") && line.contains("--layout nhwc"), "{line}");
    let turned: Vec<f32> = (0..48).map(|j| (j % 3 * 16 + j / 3) as f32).collect();
    let expected = [header("<f4", "1, 4, 4, 3").into_bytes(), f4(&turned)];
    for arguments in ["images first.npy --layout nchw --to 0,255", "transpose first.npy --axes 0,2,3,1"] {
        let array = place.out(arguments);
        assert_eq!([parts(&array).0.into_bytes(), parts(&array).1.to_vec()], expected, "{arguments}");
    }
    place.out("transpose first.npy --axes 0,2,3,1 -o last.npy");
    place.out("transpose last.npy --axes 0,3,1,2 -o again.npy");
    assert!(place.text("diff first.npy again.npy").ends_with("1,48,0,0,0,0,0\n"));
    // np.arange(48).reshape(1, 3, 4, 4).transpose(2, 1, 3, 0)
    let turned: Vec<f32> = (0..48).map(|j| (j / 12 * 4 + j / 4 % 3 * 16 + j % 4) as f32).collect();
    let array = place.out("transpose first.npy --axes 2,1,3,0");
    let expected = [header("<f4", "4, 3, 4, 1").into_bytes(), f4(&turned)];
    assert_eq!([parts(&array).0.into_bytes(), parts(&array).1.to_vec()], expected);
    for axes in ["0,0,1,2", "1,0,2,3 --rows ..1"] {
        place.fails(2, &format!("transpose first.npy --axes {axes}"));
    }
    for axes in ["0,1,2", "0,1,2,2", "0,1,2,4", "1,0", "1,0,2,2", "3,2,1,4"] {
        assert!(
            place.fails(1, &format!("transpose first.npy --axes {axes}")).contains("name each of them once")
        );
    }
    let line = place.fails(1, "cat first.npy --shape 4,4,3");
    assert!(line.contains("--shape does not change"), "{line}");
}

#[test]
fn rows_left_out_are_told() {
    let place = Place::of("npy");
    place.put("a.csv", "1,2\nnan,3\n4,inf\n5,6\n");
    let told = place.run("cat a.csv --nan drop -f csv");
    assert_eq!((told.code, told.out.as_slice()), (Some(0), &b"1,2\n5,6\n"[..]));
    let warning = "npy: warning: 2 rows with non-finite numbers were left out of a.csv;";
    assert!(told.err.starts_with(warning), "{}", told.err);
}

#[test]
fn a_manifest_knows_files_whose_names_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::of("npy");
    for name in [&b"c\xff.npy"[..], b"two\nlines.npy"] {
        let name = std::ffi::OsStr::from_bytes(name);
        let with_name = |line: &str| place.command(line).arg(name).status().unwrap().code();
        assert_eq!(with_name("noise -n 2 -d 2 --manifest m.json -o"), Some(0));
        place.out("check --manifest m.json");
        assert_eq!(with_name("check --manifest m.json"), Some(0));
        fs::write(place.path("x").with_file_name(name), "other").unwrap();
        place.fails(1, "check --manifest m.json");
    }
}

#[test]
fn let_computes_element_by_element() {
    let place = Place::of("npy");
    let (x, y) = ([1.5f64, -2.0, 0.25, 7.0, 1e-3, -4.0], [0.5f64, 3.0, -1.0, 2.0, 8.0, 0.1]);
    place.put("x.npy", npy("<f8", "2, 3", &f8(&x)));
    place.put("y.npy", npy("<f8", "2, 3", &f8(&y)));
    place.put("row.npy", npy("<f8", "1, 3", &f8(&y[..3])));
    place.put("x4.npy", npy("<f4", "2, 3", &f4(&x.map(|v| v as f32))));
    let values = |array: &[u8]| -> Vec<f64> {
        parts(array).1.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    };
    let found = place.out("let 3*y-max(x,y)^2/sqrt(abs(x)) --in x=x.npy --in y=y.npy");
    assert_eq!(parts(&found).0, header("<f8", "2, 3"));
    // The same operations in the same order.
    let expected: Vec<f64> =
        x.iter().zip(&y).map(|(x, y)| 3.0 * y - x.max(*y).powf(2.0) / x.abs().sqrt()).collect();
    assert_eq!(values(&found), expected);
    // One row goes with all, from a file, a pipe, a csv, whichever rows are asked for.
    let expected: Vec<f64> = x.iter().zip(y[..3].iter().cycle()).map(|(x, y)| x + y).collect();
    let whole = place.out("let x+y --in x=x.npy --in y=row.npy");
    assert_eq!(values(&whole), expected);
    let row = place.get("row.npy");
    assert_eq!(place.pipe(&row, "let x+y --in x=x.npy --in y=-"), whole);
    assert_eq!(place.pipe("0.5,3,-1\n", "let x+y --in x=x.npy --in y=-"), whole);
    let second = place.out("let x+y --in x=x.npy --in y=row.npy --rows 1..");
    assert_eq!(values(&second), expected[3..]);
    assert_eq!(place.pipe("1.5,-2,.25\n7,1e-3,-4\n", "let x+y --in x=- --in y=row.npy --rows 1.."), second);
    assert_eq!(parts(&place.out("let x+y --in x=x.npy --in y=row.npy --rows 2..")).0, header("<f8", "0, 3"));
    assert_eq!(values(&place.out("let x+y --in x=row.npy --in y=row.npy")), [1.0, 6.0, -2.0]);
    // The widest type, and that asked for; in f64 whatever the type.
    assert_eq!(parts(&place.out("let x+y --in x=x4.npy --in y=y.npy")).0, header("<f8", "2, 3"));
    let rounded = place.out("let x/3 --in x=x4.npy");
    assert_eq!(parts(&rounded).1, f4(&x.map(|x| (f64::from(x as f32) / 3.0) as f32)));
    assert_eq!(parts(&place.out("let x/3 --in x=x.npy --dtype f32")).1, f4(&x.map(|x| (x / 3.0) as f32)));
}

#[test]
fn let_keeps_the_shape_of_items_and_refuses_what_does_not_fit() {
    let place = Place::of("npy");
    let data = f4(&normal_rows::<f32>(1, Purpose::Noise, 0..1, 24).into_iter().collect::<Vec<_>>());
    for (name, shape) in
        [("flat", "2, 12"), ("items", "2, 3, 4"), ("ones", "2, 1, 3, 4"), ("turned", "2, 4, 3")]
    {
        place.put(&format!("{name}.npy"), npy("<f4", shape, &data));
    }
    for (a, b, shape) in
        [("flat", "items", "2, 3, 4"), ("items", "ones", "2, 3, 4"), ("flat", "flat", "2, 12")]
    {
        let found = place.out(&format!("let a-b --in a={a}.npy --in b={b}.npy"));
        assert_eq!(parts(&found), (header("<f4", shape), &[0; 96][..]), "{a} {b}");
    }
    place.put("narrow.npy", npy("<f4", "2, 3", &data[..24]));
    place.put("three.npy", npy("<f4", "3, 8", &data));
    place.put("nan.npy", npy("<f4", "2, 2", &f4(&[1.0, f32::NAN, 3.0, 0.0])));
    place.put("nan-row.npy", npy("<f4", "1, 2", &f4(&[1.0, f32::NAN])));
    place.put("two.npy", npy("<f4", "2, 2", &f4(&[1.0, 2.0, 3.0, 4.0])));
    for (code, call, words) in [
        (1, "let a+b --in a=items.npy --in b=turned.npy", "(3,4)"),
        (1, "let a+b --in a=flat.npy --in b=narrow.npy", "do not pair"),
        (1, "let a+b --in a=flat.npy --in b=three.npy", "do not pair"),
        (2, "let a+ --in a=flat.npy", "'a+': the expression: a number, a name or '('"),
        (2, "let a+b --in a=flat.npy", "--in b=FILE"),
        (2, "let a --in a=flat.npy --in b=flat.npy", "leave it out"),
        (2, "let a --in a=flat.npy --in a=flat.npy", "already"),
        (2, "let a --in flat.npy", "like x=points.npy"),
        (2, "let a --in a=", "like x=points.npy"),
        (2, "let 3*4", "--in"),
        (2, "let a+b --in a=- --in b=-", "more than once"),
        (1, "let a --in a=nan.npy", "row 0, column 1: is nan"),
        (1, "let a+b --in a=two.npy --in b=nan-row.npy", "nan-row.npy: holds NaN in its one row"),
        (1, "let a+b --in a=two.npy --in b=nan-row.npy --nan drop", "its one row"),
        (1, "let 1/(a-2) --in a=two.npy", "row 0, column 1: 1.0 / 0.0 is inf, which is not finite"),
        (1, "let a/0 --in a=two.npy", " / 0.0 is inf, which is not finite"),
        (1, "let ln(a-a)+2 --in a=two.npy", "ln(0.0) is -inf"),
        (1, "let a*1e38 --in a=two.npy --dtype f32", "too large for f32"),
    ] {
        let said = place.fails(code, call);
        assert!(said.contains(words), "{call}: {said}");
    }
    // Rows that are left out are left out of all; results that are not finite pass where that is asked for.
    let done = place.run("let a*b --in a=two.npy --in b=nan.npy --nan drop");
    assert_eq!(parts(&done.out), (header("<f4", "1, 2"), &f4(&[9.0, 0.0])[..]));
    assert!(done.err.contains("1 row"), "{}", done.err);
    assert_eq!(parts(&place.out("let a/0 --in a=two.npy --nan pass")).1, f4(&[f32::INFINITY; 4]));
}
