//! Arrays and tables in and out: NumPy's own files, damaged files, round trips,
//! and what a writer leaves behind.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use molrg::scalar::{Dtype, Scalar};
use molrg::stream::*;
use ndarray::{Array2, ArrayView2, array, s};
use proptest::prelude::*;
use tempfile::TempDir;

fn testdata(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kind)
}

fn numpys(name: &str) -> OsString {
    testdata("npy").join(name).into()
}

fn pass() -> ReadOptions {
    ReadOptions { nan: NanPolicy::Pass, ..ReadOptions::default() }
}

fn with_rows(range: &str) -> ReadOptions {
    ReadOptions { rows: range.parse().unwrap(), ..pass() }
}

fn open(name: impl AsRef<OsStr>, options: &ReadOptions) -> anyhow::Result<Rows> {
    Rows::open(name.as_ref(), options, &Ledger::off())
}

fn read(name: impl AsRef<OsStr>, options: &ReadOptions) -> anyhow::Result<Array2<f64>> {
    open(name, options)?.read_all()
}

/// The error must be one line, the first message all of it, and hold the words.
#[track_caller]
fn says<T>(result: anyhow::Result<T>, words: &[&str]) {
    let Err(error) = result else {
        panic!("should have failed with {words:?}");
    };
    let text = error.to_string();
    assert!(!text.contains('\n'), "more than one line: {text}");
    assert_eq!(text, format!("{error:#}"));
    for word in words {
        assert!(text.contains(word), "'{text}' does not contain '{word}'");
    }
}

fn create(path: &Path) -> Output {
    Output::create(Some(path), &Ledger::off()).unwrap()
}

fn write<T: Scalar>(path: &Path, format: Format, rows: Option<usize>, a: ArrayView2<T>) {
    let mut writer = ArrayWriter::new(create(path), format, rows, &[a.ncols()]).unwrap();
    writer.write(a).unwrap();
    writer.finish().unwrap();
}

/// The bytes our writer makes of an array.
fn npy<T: Scalar>(a: ArrayView2<T>) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.npy");
    write(&path, Format::Npy, Some(a.nrows()), a);
    fs::read(path).unwrap()
}

fn mkfifo(dir: &TempDir) -> PathBuf {
    let fifo = dir.path().join("fifo");
    let _ = fs::remove_file(&fifo);
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    fifo
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Equal to the last bit, NaN equal to NaN.
fn same<T: Scalar>(a: &Array2<T>, b: &Array2<T>) -> bool {
    a.dim() == b.dim()
        && a.iter()
            .zip(b)
            .all(|(x, y)| (x.is_nan() && y.is_nan()) || x.wide().to_bits() == y.wide().to_bits())
}

/// What `testdata/npy/expected.csv` says a file holds.
struct Expected {
    file: String,
    descr: String,
    item_shape: Vec<usize>,
    values: Array2<f64>,
}

fn expected() -> Vec<Expected> {
    let list = |text: &str| -> Vec<f64> { text.split_whitespace().map(|x| x.parse().unwrap()).collect() };
    let mut table = csv::Reader::from_path(numpys("expected.csv")).unwrap();
    table
        .records()
        .map(|record| {
            let record = record.unwrap();
            let item_shape: Vec<usize> = list(&record[2]).iter().map(|&n| n as usize).collect();
            let shape = (record[3].parse().unwrap(), item_shape.iter().product());
            Expected {
                file: record[0].to_string(),
                descr: record[1].to_string(),
                values: Array2::from_shape_vec(shape, list(&record[4])).unwrap(),
                item_shape,
            }
        })
        .collect()
}

// Reading.

#[test]
fn every_file_numpy_wrote_reads_as_numpy_reads_it() {
    let cases = expected();
    assert!(cases.len() > 60);
    for case in cases {
        let mut rows = open(numpys(&case.file), &pass()).unwrap();
        assert_eq!(rows.source_dtype(), case.descr, "{}", case.file);
        assert_eq!(rows.item_shape(), case.item_shape, "{}", case.file);
        assert_eq!(rows.width(), case.values.ncols(), "{}", case.file);
        let known = case.descr != "csv" && case.file != "gzipped-blocks.txt";
        let len = known.then(|| case.values.nrows());
        assert_eq!(rows.len(), len, "{}", case.file);
        let found: Array2<f64> = rows.read_all().unwrap();
        assert!(same(&found, &case.values), "{}: {found:?}", case.file);
        assert!(rows.next_block::<f64>(1).unwrap().is_none());
    }
}

#[test]
fn numbers_are_rounded_once_to_f32() {
    for case in expected() {
        let mut rows = open(numpys(&case.file), &pass()).unwrap();
        let found: Array2<f32> = rows.read_all().unwrap();
        // 64-bit integers round on their way to float64 already; these do not.
        let rounded = case.values.mapv(|x| x as f32);
        assert!(same(&found, &rounded), "{}: {found:?}", case.file);
    }
    // 2^62 + 2^38 + 1 is above the middle of two f32, but not after rounding to f64.
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("i8.npy");
    let mut bytes = fs::read(numpys("i8-little.npy")).unwrap();
    let integer = (1i64 << 62) + (1 << 38) + 1;
    bytes[128..136].copy_from_slice(&integer.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let found: Array2<f32> = open(&path, &pass()).unwrap().read_all().unwrap();
    assert_eq!(found[[0, 0]], integer as f32);
    assert_ne!(found[[0, 0]], integer as f64 as f32);
}

#[test]
fn types_are_computed_in_the_smallest_that_holds_them() {
    for case in expected() {
        let dtype = open(numpys(&case.file), &pass()).unwrap().dtype();
        let exact = |&x: &f64| x.is_nan() || f64::from(x as f32) == x;
        if dtype == Dtype::F32 {
            assert!(case.values.iter().all(exact), "{}", case.file);
        }
        let wide = ["f8", "i4", "i8", "u4", "u8", "csv"];
        let stored = case.descr.trim_start_matches(['<', '>', '|']);
        assert_eq!(dtype == Dtype::F64, wide.contains(&stored), "{}", case.file);
    }
}

#[test]
fn any_range_in_any_blocks_is_that_part_of_the_whole() {
    for case in expected() {
        let n = case.values.nrows();
        for range in ["..", "0..1", "1..3", "2..", "..4", "3..3", "100..", "..100"] {
            let options = with_rows(range);
            let part = options.rows.clamp(n);
            let whole = case.values.slice(s![part.clone(), ..]).to_owned();
            for step in [1, 2, 3, 1000] {
                let mut rows = open(numpys(&case.file), &options).unwrap();
                if let Some(len) = rows.len() {
                    assert_eq!(len, part.len());
                }
                let mut found = Array2::zeros((0, rows.width()));
                while let Some(block) = rows.next_block::<f64>(step).unwrap() {
                    found.append(ndarray::Axis(0), block.view()).unwrap();
                    // Short only at the end, wherever the stored blocks end.
                    assert!(block.nrows() == step || found.nrows() == part.len());
                    assert!((1..=step).contains(&block.nrows()));
                }
                assert!(same(&found, &whole), "{} {range} {step}", case.file);
            }
        }
    }
}

#[test]
fn a_pipe_reads_as_the_file_does() {
    let dir = TempDir::new().unwrap();
    // FILE:KEY needs a file; a pipe with one array needs no key.
    for case in expected().iter().filter(|case| !case.file.contains(':')) {
        let fifo = mkfifo(&dir);
        let bytes = fs::read(numpys(&case.file)).unwrap();
        let target = fifo.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = File::options().write(true).open(target).unwrap();
            // In small parts, so that every field is cut somewhere.
            for part in bytes.chunks(7) {
                pipe.write_all(part).unwrap();
            }
        });
        let mut rows = open(&fifo, &pass()).unwrap();
        let found: Array2<f64> = rows.read_all().unwrap();
        writer.join().unwrap();
        assert!(same(&found, &case.values), "{}", case.file);
    }
}

#[test]
fn a_large_fortran_block_is_transposed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("fortran.npy");
    let (n, d) = (9000, 37);
    let a = Array2::from_shape_fn((n, d), |(i, j)| (i * d + j) as f64);
    let mut bytes = npy(a.t().as_standard_layout().view());
    // The same numbers, said to be the columns of the array.
    let header = String::from_utf8_lossy(&bytes[10..128])
        .replace("False", "True ")
        .replace("(37, 9000)", "(9000, 37)");
    bytes[10..128].copy_from_slice(header.as_bytes());
    fs::write(&path, bytes).unwrap();
    assert_eq!(read(&path, &pass()).unwrap(), a);
    let part = read(&path, &with_rows("5000..5003")).unwrap();
    assert_eq!(part, a.slice(s![5000..5003, ..]));
}

#[test]
fn what_is_no_array_of_numbers_is_refused_with_the_reason() {
    let mut table = csv::Reader::from_path(numpys("refused.csv")).unwrap();
    let mut count = 0;
    for record in table.records() {
        let record = record.unwrap();
        let file = record[0].split(':').next().unwrap();
        says(open(numpys(&record[0]), &pass()), &[file, &record[1]]);
        count += 1;
    }
    assert!(count > 12);
}

#[test]
fn damaged_files_are_refused_with_the_reason() {
    let readme = fs::read_to_string(testdata("damaged").join("README.md")).unwrap();
    let mut listed = vec!["README.md".to_string(), "make.py".to_string()];
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let file = fields[1].trim_matches('`');
        let began = Instant::now();
        let result = read(testdata("damaged").join(file), &pass());
        says(result, &[file, fields[3]]);
        assert!(began.elapsed() < Duration::from_secs(2), "{file}");
        listed.push(file.to_string());
    }
    listed.sort();
    assert_eq!(listed, names_in(&testdata("damaged")));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let dir = TempDir::new().unwrap();
    says(read(dir.path(), &pass()), &["is a directory"]);
    for name in ["missing.npy", "missing.npz:a"] {
        let path = dir.path().join(name);
        says(read(&path, &pass()), &[name, "no such file"]);
    }
    let odd = dir.path().join("two\nlines");
    says(read(&odd, &pass()), &["two\\nlines", "no such file"]);
}

#[test]
fn a_file_named_like_a_key_is_preferred() {
    let dir = TempDir::new().unwrap();
    fs::copy(numpys("two.npz"), dir.path().join("x.npz")).unwrap();
    let name = dir.path().join("x.npz:first");
    assert_eq!(read(&name, &pass()).unwrap().dim(), (4, 3));
    write(&name, Format::Npy, Some(1), array![[1.0, 2.0]].view());
    assert_eq!(read(&name, &pass()).unwrap(), array![[1.0, 2.0]]);
}

#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(OsStr::from_bytes(b"\xff\xfe.npy"));
    let a = array![[1.0, 2.0]];
    write(&path, Format::Npy, Some(1), a.view());
    assert_eq!(read(&path, &pass()).unwrap(), a);
}

#[test]
fn item_shape_can_be_given() {
    let shaped = |file: &str, shape: &[usize]| {
        let options = ReadOptions { item_shape: Some(shape.to_vec()), ..pass() };
        open(numpys(file), &options).map(|rows| rows.item_shape().to_vec())
    };
    assert_eq!(shaped("plain.csv", &[1, 3]).unwrap(), [1, 3]);
    // An array with axes of its own keeps them.
    let own = open(numpys("images-color.npy"), &pass()).unwrap().item_shape().to_vec();
    assert_eq!(shaped("images-color.npy", &own).unwrap(), own);
    says(shaped("images-color.npy", &[16, 3]), &["images-color.npy", "--shape does not change into (16, 3)"]);
    let words = ["plain.csv", "3 numbers", "(2, 2)"];
    says(shaped("plain.csv", &[2, 2]), &words);
    says(shaped("plain.csv", &[usize::MAX, 5]), &["3 numbers"]);
}

#[test]
fn a_models_bytes_pass_unchanged() {
    let ledger = Ledger::on();
    let path = testdata("damaged").join("model.safetensors");
    let input = Input::open(path.as_os_str(), &ledger).unwrap();
    assert_eq!(input.content(), Content::Safetensors);
    let mut bytes = Vec::new();
    input.into_reader().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, fs::read(&path).unwrap());
    let record = &ledger.inputs()[0];
    assert_eq!(record.bytes, Some(bytes.len() as u64));
    assert_eq!(record.dtype.as_deref(), Some("safetensors"));
}

// Numbers that are not finite.

fn with_nan(dir: &TempDir) -> PathBuf {
    let mut a = Array2::from_shape_fn((6, 3), |(i, j)| (3 * i + j) as f64);
    a[[2, 1]] = f64::NAN;
    a[[4, 0]] = f64::NEG_INFINITY;
    a[[4, 2]] = f64::NAN;
    let path = dir.path().join("with-nan.npy");
    write(&path, Format::Npy, Some(6), a.view());
    path
}

#[test]
fn not_finite_is_an_error_with_place_and_count() {
    let dir = TempDir::new().unwrap();
    let path = with_nan(&dir);
    let strict = |range: &str| ReadOptions { rows: range.parse().unwrap(), ..ReadOptions::default() };
    for step in [1, 2, 100] {
        let mut rows = open(&path, &strict("..")).unwrap();
        let error = loop {
            match rows.next_block::<f64>(step) {
                Ok(block) => assert!(block.unwrap().iter().all(|x| x.is_finite())),
                Err(e) => break e,
            }
        };
        let place = "with-nan.npy: row 2, column 1: is nan; 3 numbers";
        says::<()>(Err(error), &[place, "--nan drop"]);
    }
    // Rows are numbered as in the file, whatever part is read.
    let words = ["row 4, column 0: is -inf; 2 numbers"];
    says(read(&path, &strict("3..")), &words);
    assert_eq!(read(&path, &strict("..2")).unwrap().nrows(), 2);
}

#[test]
fn overflow_to_f32_is_not_finite() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("large.npy");
    write(&path, Format::Npy, Some(1), array![[1.0, 1e300]].view());
    let mut rows = open(&path, &ReadOptions::default()).unwrap();
    let words = ["row 0, column 1: is inf in f32; 1 number is"];
    says(rows.next_block::<f32>(9), &words);
}

#[test]
fn rows_not_finite_can_be_dropped() {
    let dir = TempDir::new().unwrap();
    let path = with_nan(&dir);
    let options = ReadOptions { nan: NanPolicy::Drop, ..ReadOptions::default() };
    for step in [1, 2, 3, 100] {
        let mut rows = open(&path, &options).unwrap();
        assert_eq!(rows.len(), None);
        let mut first = Vec::new();
        while let Some(block) = rows.next_block::<f64>(step).unwrap() {
            assert!(block.nrows() == step || first.len() + block.nrows() == 4);
            first.extend(block.column(0).iter().copied());
        }
        assert_eq!(first, [0.0, 3.0, 9.0, 15.0]);
        assert_eq!(rows.dropped(), 2);
    }
    // All readers that were opened with one count enter it, a pair once for both.
    let options = ReadOptions { left_out: LeftOut::default(), ..options };
    let other = dir.path().join("whole.npy");
    write(&other, Format::Npy, Some(6), Array2::<f64>::ones((6, 3)).view());
    let both = || vec![open(&path, &options).unwrap(), open(&other, &options).unwrap()];
    let mut pair = Paired::new(both()).unwrap();
    assert_eq!(pair.next_blocks::<f64>(9).unwrap().unwrap()[1].nrows(), 4);
    assert_eq!(pair.dropped(), 2);
    let mut joined = Joined::new(both(), RowRange::default()).unwrap();
    let mut rows = 0;
    while let Some(block) = joined.next_block::<f64>(2).unwrap() {
        rows += block.nrows();
    }
    assert_eq!((rows, joined.dropped()), (10, 2));
    let (path, other) = (path.to_str().unwrap(), other.to_str().unwrap());
    let counts = [(format!("{path} and {other}"), 2), (path.to_string(), 2)];
    assert_eq!(options.left_out.counts(), counts);
    let single: Array2<f32> = open(&path, &options).unwrap().read_all().unwrap();
    assert_eq!(single.nrows(), 4);
}

// Paired.

fn paired(paths: &[&Path], options: &ReadOptions) -> anyhow::Result<Paired> {
    let rows = paths.iter().map(|path| open(path, options));
    Paired::new(rows.collect::<anyhow::Result<_>>()?)
}

#[test]
fn pairs_go_in_lockstep() {
    let dir = TempDir::new().unwrap();
    let (a, b) = (dir.path().join("a.npy"), dir.path().join("b.csv"));
    let x = Array2::from_shape_fn((10, 2), |(i, j)| (2 * i + j + 1) as f32);
    write(&a, Format::Npy, Some(10), x.view());
    write(&b, Format::Csv, Some(10), x.mapv(|v| -f64::from(v)).view());
    let mut pair = paired(&[&a, &b], &pass()).unwrap();
    assert_eq!((pair.width(), pair.dtype()), (2, Dtype::F64));
    assert_eq!(pair.len(), Some(10));
    assert_eq!(pair.names(), [a.to_str().unwrap(), b.to_str().unwrap()]);
    let mut rows = 0;
    while let Some(blocks) = pair.next_blocks::<f64>(4).unwrap() {
        assert_eq!(blocks[0], blocks[1].mapv(|v| -v));
        assert_eq!(blocks[0][[0, 0]], (2 * rows + 1) as f64);
        rows += blocks[0].nrows();
    }
    assert_eq!(rows, 10);
}

#[test]
fn pairs_that_do_not_fit_are_refused_with_both_names() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, shape| {
        let path = dir.path().join(name);
        let format = if name.ends_with("npy") { Format::Npy } else { Format::Csv };
        write(&path, format, None, Array2::<f64>::zeros(shape).view());
        path
    };
    let a = file("a.npy", (5, 3));
    let wide = file("wide.npy", (5, 4));
    let words = ["a.npy and ", "wide.npy: ", "of 3 and of 4 numbers"];
    says(paired(&[&a, &wide], &pass()), &words);
    let long = file("long.npy", (7, 3));
    let words = ["a.npy and ", "long.npy: 5 and 7 rows"];
    says(paired(&[&a, &long], &pass()), &words);
    // Of csv the count shows only at the end; both are then counted out.
    for (name, n) in [("short.csv", 4), ("long.csv", 5000)] {
        let csv = file(name, (n, 3));
        for (first, second, counts) in
            [(&a, &csv, format!("5 and {n} rows")), (&csv, &a, format!("{n} and 5 rows"))]
        {
            let mut pair = paired(&[first, second], &pass()).unwrap();
            let error = loop {
                match pair.next_blocks::<f64>(2) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("unequal inputs ended alike"),
                    Err(e) => break e,
                }
            };
            says::<()>(Err(error), &["a.npy", name, &counts]);
        }
    }
    says(Paired::new(Vec::new()), &["no inputs"]);
}

/// An array of items of this shape, numbers counted from 0.
fn counted(dir: &TempDir, name: &str, rows: usize, item_shape: &[usize]) -> PathBuf {
    let path = dir.path().join(name);
    let width: usize = item_shape.iter().product();
    let a = Array2::from_shape_fn((rows, width), |(i, j)| (i * width + j) as f64);
    let mut writer = ArrayWriter::new(create(&path), Format::Npy, Some(rows), item_shape).unwrap();
    writer.write(a.view()).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn items_of_equal_size_and_other_shape_do_not_pair() {
    let dir = TempDir::new().unwrap();
    let shapes: [&[usize]; 6] = [&[8, 8, 3], &[3, 8, 8], &[16, 12], &[192], &[8, 8, 3, 1], &[1, 192]];
    let files: Vec<PathBuf> =
        shapes.iter().enumerate().map(|(i, shape)| counted(&dir, &format!("{i}.npy"), 2, shape)).collect();
    let turn = "0.npy: items of shape (3,8,8) against (8,8,3): ";
    says(paired(&[&files[1], &files[0]], &pass()), &[turn, "1.npy has its channels first", "--axes 0,2,3,1"]);
    says(
        paired(&[&files[0], &files[1]], &pass()),
        &["(8,8,3) against (3,8,8)", "1.npy has its channels first"],
    );
    says(paired(&[&files[0], &files[2]], &pass()), &["(8,8,3) against (16,12)", "give both in one layout"]);
    // Flat rows go with all, and an axis of length 1 changes nothing.
    for (a, b) in [(0, 3), (3, 2), (0, 4), (1, 5)] {
        paired(&[&files[a], &files[b]], &pass()).unwrap();
    }
}

#[test]
fn images_with_channels_first_are_turned_or_refused() {
    let dir = TempDir::new().unwrap();
    let first = counted(&dir, "first.npy", 3, &[3, 4, 4]);
    let rows = || open(&first, &with_rows("1..")).unwrap();
    let words = ["first.npy: items of shape (3, 4, 4)", "--layout nchw", "--layout nhwc", "3×4, 4 channels"];
    says(rows().images(None), &words);
    let mut turned = rows().images(Some(Layout::Nchw)).unwrap();
    assert_eq!(turned.item_shape(), [4, 4, 3]);
    let found: Array2<f64> = turned.read_all().unwrap();
    let expected = Array2::from_shape_fn((2, 48), |(i, j)| {
        let (pixel, channel) = (j / 3, j % 3);
        ((i + 1) * 48 + channel * 16 + pixel) as f64
    });
    assert_eq!(found, expected);
    assert_eq!(rows().images(Some(Layout::Nhwc)).unwrap().item_shape(), [3, 4, 4]);
    for shape in [&[4, 4, 3][..], &[3, 4, 5], &[2, 4, 4], &[3, 3, 3], &[4, 4], &[48]] {
        let path = counted(&dir, "other.npy", 1, shape);
        assert_eq!(open(&path, &pass()).unwrap().images(None).unwrap().item_shape(), shape);
    }
    let flat = counted(&dir, "flat.npy", 1, &[4, 4]);
    says(open(&flat, &pass()).unwrap().images(Some(Layout::Nchw)), &["flat.npy", "no axis of channels"]);
    assert_eq!(image_text(&[28, 28]), "28×28, 1 channel");
    assert_eq!(image_text(&[28, 30, 3]), "28×30, 3 channels");
    assert_eq!(image_text(&[784]), "784 numbers");
}

// Folders of images.

fn png(path: &Path, color: png::ColorType, depth: png::BitDepth, size: (u32, u32), data: &[u8]) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(&[10, 20, 30, 40, 50, 60][..]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_folder_of_png_files_is_an_array_sorted_by_name() {
    use png::BitDepth::{Eight, One, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let cases = [
        (Grayscale, Eight, vec![1, 2, 3, 4, 5, 6], 1, vec![1, 2, 3, 4, 5, 6]),
        // Rounded, not cut: 128 of 65535 is 0 of 255, 129 is 1.
        (
            Grayscale,
            Sixteen,
            vec![0, 128, 0, 129, 255, 255, 255, 127, 1, 1, 0, 0],
            1,
            vec![0, 1, 255, 255, 1, 0],
        ),
        (Grayscale, One, vec![0b1010_0000, 0b0100_0000], 1, vec![255, 0, 255, 0, 255, 0]),
        (
            GrayscaleAlpha,
            Eight,
            vec![1, 255, 2, 255, 3, 255, 4, 255, 5, 255, 6, 255],
            1,
            vec![1, 2, 3, 4, 5, 6],
        ),
        (Rgb, Eight, (0..18).collect(), 3, (0..18).collect()),
        (
            Rgba,
            Eight,
            (0..24).map(|i| if i % 4 == 3 { 255 } else { i }).collect(),
            3,
            vec![0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 22],
        ),
        (
            Indexed,
            One,
            vec![0b1000_0000, 0b0010_0000],
            3,
            vec![40, 50, 60, 10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30, 40, 50, 60],
        ),
    ];
    for (color, depth, data, channels, pixels) in cases {
        let dir = TempDir::new().unwrap();
        let zeros = vec![if color == GrayscaleAlpha || color == Rgba { 255 } else { 0 }; data.len()];
        png(&dir.path().join("b.png"), color, depth, (3, 2), &data);
        png(&dir.path().join("a.PNG"), color, depth, (3, 2), &zeros);
        fs::write(dir.path().join("notes.txt"), "not an image").unwrap();
        let mut rows = open(dir.path(), &pass()).unwrap();
        assert_eq!(rows.item_shape(), [2, 3, channels], "{color:?}");
        assert_eq!((rows.len(), rows.source_dtype(), rows.dtype()), (Some(2), "|u1", Dtype::F32));
        let found: Array2<f64> = rows.read_all().unwrap();
        assert_eq!(
            found.row(1).to_vec(),
            pixels.iter().map(|&p| f64::from(p)).collect::<Vec<_>>(),
            "{color:?}"
        );
        assert_eq!(read(dir.path(), &with_rows("1..")).unwrap().row(0), found.row(1));
    }
}

#[test]
fn a_folder_whose_images_make_no_array_is_refused() {
    use png::{BitDepth::Eight, ColorType};
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    says(read(dir.path(), &pass()), &["is a directory without png files"]);
    png(&file("a.png"), ColorType::Grayscale, Eight, (2, 2), &[0; 4]);
    png(&file("b.png"), ColorType::Grayscale, Eight, (2, 1), &[0; 2]);
    says(read(dir.path(), &pass()), &["b.png is 1×2, 1 channel, but a.png is 2×2, 1 channel"]);
    png(&file("b.png"), ColorType::Rgba, Eight, (2, 2), &[7; 16]);
    says(read(dir.path(), &pass()), &["b.png: has transparent pixels"]);
    let bytes = fs::read(file("a.png")).unwrap();
    fs::write(file("b.png"), &bytes[..bytes.len() / 2]).unwrap();
    says(read(dir.path(), &pass()), &["b.png: damaged png"]);
    fs::write(file("b.png"), bytes).unwrap();
    assert_eq!(read(dir.path(), &pass()).unwrap().nrows(), 2);
    fs::write(file("c.jpg"), "").unwrap();
    says(read(dir.path(), &pass()), &["holds c.jpg, which is no png"]);
}

#[test]
fn a_tensor_of_a_safetensors_file_is_an_array() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, header: &str, data: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat())
            .unwrap();
        path
    };
    let data: Vec<u8> = (0..6u8).chain((0..4).flat_map(|i| (i as f32 / 2.0).to_le_bytes())).collect();
    let a = r#""a":{"dtype":"U8","shape":[2,3,1],"data_offsets":[0,6]}"#;
    let b = r#""b":{"dtype":"F32","shape":[4],"data_offsets":[6,22]}"#;
    let two = file("two.safetensors", &format!("{{{a},{b}}}"), &data);
    let key = |path: &Path, key: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(":{key}"));
        name
    };
    let mut rows = open(key(&two, "a"), &pass()).unwrap();
    assert_eq!((rows.item_shape(), rows.len(), rows.source_dtype()), (&[3, 1][..], Some(2), "|u1"));
    assert_eq!(rows.read_all::<f64>().unwrap(), array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    assert_eq!(read(key(&two, "b"), &pass()).unwrap(), array![[0.0], [0.5], [1.0], [1.5]]);
    assert_eq!(read(key(&two, "b"), &with_rows("2..3")).unwrap(), array![[1.0]]);
    says(read(key(&two, "c"), &pass()), &["has no tensor 'c'; it holds a, b"]);
    let one = file("one.safetensors", &format!("{{{a}}}"), &data[..6]);
    assert_eq!(read(&one, &pass()).unwrap().dim(), (2, 3));
    // A model is one, unless one of its tensors is named.
    let model = format!(r#"{{"__metadata__":{{"format":"molrg-model"}},{a}}}"#);
    let model = file("m.st", &model, &data[..6]);
    says(read(&model, &pass()), &["is a model, not samples"]);
    assert_eq!(read(key(&model, "a"), &pass()).unwrap().dim(), (2, 3));
}

#[test]
fn a_row_not_finite_in_one_goes_in_all() {
    let dir = TempDir::new().unwrap();
    let mut a = Array2::from_shape_fn((6, 1), |(i, _)| i as f64);
    let mut b = a.clone();
    a[[1, 0]] = f64::NAN;
    b[[1, 0]] = f64::NAN;
    b[[4, 0]] = f64::INFINITY;
    let (path_a, path_b) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    write(&path_a, Format::Npy, Some(6), a.view());
    write(&path_b, Format::Npy, Some(6), b.view());
    let options = ReadOptions { nan: NanPolicy::Drop, ..ReadOptions::default() };
    for step in [1, 3, 100] {
        let mut pair = paired(&[&path_a, &path_b], &options).unwrap();
        let mut kept = Vec::new();
        while let Some(blocks) = pair.next_blocks::<f64>(step).unwrap() {
            assert_eq!(blocks[0], blocks[1]);
            kept.extend(blocks[0].iter().copied());
        }
        assert_eq!(kept, [0.0, 2.0, 3.0, 5.0]);
        assert_eq!(pair.dropped(), 2);
    }
    let mut strict = paired(&[&path_b, &path_a], &ReadOptions::default()).unwrap();
    let words = ["b.npy: row 1, column 0: is nan; 2 numbers"];
    says(strict.next_blocks::<f64>(100), &words);
}

// Ranges.

#[test]
fn ranges_are_half_open() {
    let parse = |text: &str| text.parse::<RowRange>();
    let range = |start, end| RowRange { start, end };
    assert!(parse("..").unwrap().is_all());
    assert_eq!(parse("3..7"), Ok(range(3, Some(7))));
    assert_eq!(parse("3.."), Ok(range(3, None)));
    assert_eq!(parse("..7"), Ok(range(0, Some(7))));
    for bad in ["", "3", "3-7", "a..b", "-1..", "7..3", "1...3", "1..=3", "3. .7"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    for text in ["0..", "3..7", "5..5"] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert_eq!(range(3, Some(7)).clamp(5), 3..5);
    assert_eq!(range(3, Some(7)).clamp(2), 2..2);
    assert_eq!(range(3, None).clamp(10), 3..10);
}

#[test]
fn block_rows_are_bounded() {
    assert_eq!(block_rows(0), 4096);
    assert_eq!(block_rows(1), 4096);
    assert_eq!(block_rows(3072), 170);
    assert_eq!(block_rows(usize::MAX), 1);
}

// Memory.

fn declaring(shape: &str, fortran: &str) -> Vec<u8> {
    let text = format!("{{'descr': '<f8', 'fortran_order': {fortran}, 'shape': {shape}}}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes
}

#[test]
fn a_declared_size_is_not_allocated() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hollow.npy");
    for (shape, fortran) in
        [("(1250000, 1000)", "False"), ("(1250000, 1000)", "True"), ("(1, 1250000000)", "False")]
    {
        let mut bytes = declaring(shape, fortran);
        bytes.extend([0; 20000]);
        fs::write(&path, bytes).unwrap();
        // 10 GB declared; 300 MB to live in.
        let found = child("read", &path, "ulimit -v 300000", Stdio::null());
        assert!(found.contains("truncated"), "{found}");
    }
}

#[test]
fn a_large_file_takes_little_memory_and_is_jumped_in() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sparse.npy");
    let header = declaring("(1250000, 1000)", "False");
    let mut file = File::create(&path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(header.len() as u64 + 10_000_000_000).unwrap();
    let limit = "ulimit -v 300000";
    let found = child("read-some", &path, limit, Stdio::null());
    assert_eq!(found, "rows 1 of 1250000");
    let found = child("read", &path, limit, Stdio::null());
    assert!(found.contains("do not fit in memory"), "{found}");

    let mut rows = open(&path, &with_rows("1249998..")).unwrap();
    assert_eq!(rows.len(), Some(2));
    let began = Instant::now();
    assert_eq!(rows.read_all::<f64>().unwrap().nrows(), 2);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn standard_input_is_read() {
    let stdin = |path: &OsStr| Stdio::from(File::open(path).unwrap());
    for case in expected().iter().filter(|case| !case.file.contains(':')) {
        let found = child("read", Path::new("-"), "true", stdin(&numpys(&case.file)));
        let rows = format!("rows {}", case.values.nrows());
        assert_eq!(found, rows, "{}", case.file);
    }
    // An archive's array by its key, although standard input cannot be jumped in.
    let two = child("read", Path::new("-:second"), "true", stdin(&numpys("two.npz")));
    assert_eq!(two, "rows 2");
    let two = child("read", Path::new("-"), "true", stdin(&numpys("two.npz")));
    assert!(two.ends_with("first, second; name one, as in -:first"), "{two}");
    let empty = testdata("damaged").join("empty");
    let found = child("read", Path::new("-"), "true", stdin(empty.as_os_str()));
    assert!(found.starts_with("<stdin>: is empty"), "{found}");
}

// Writing.

#[test]
fn what_we_write_is_what_numpy_writes() {
    for (file, item) in [
        ("f4-little.npy", vec![5]),
        ("images-color.npy", vec![4, 4, 3]),
        ("eight-axes.npy", vec![1, 2, 1, 3, 1, 1, 2]),
    ] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("out.npy");
        let a: Array2<f32> = open(numpys(file), &pass()).unwrap().read_all().unwrap();
        for rows in [Some(a.nrows()), None] {
            let mut writer = ArrayWriter::new(create(&path), Format::Npy, rows, &item).unwrap();
            for row in a.rows() {
                writer.write(row.insert_axis(ndarray::Axis(0))).unwrap();
            }
            writer.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), fs::read(numpys(file)).unwrap());
        }
    }
    // Items without axes make an array of one axis.
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("line.npy");
    let line: Array2<f32> = open(numpys("line.npy"), &pass()).unwrap().read_all().unwrap();
    let mut writer = ArrayWriter::new(create(&path), Format::Npy, Some(7), &[]).unwrap();
    writer.write(line.view()).unwrap();
    writer.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(numpys("line.npy")).unwrap());
    let a: Array2<f64> = read(numpys("f8-little.npy"), &pass()).unwrap();
    assert_eq!(npy(a.view()), fs::read(numpys("f8-little.npy")).unwrap());
}

#[test]
fn any_layout_is_written_row_by_row() {
    let a = Array2::from_shape_fn((70, 50), |(i, j)| (i * 50 + j) as f64);
    let bytes = npy(a.view());
    let columns = a.t().as_standard_layout().into_owned();
    assert_eq!(npy(columns.t()), bytes);
    let wide = Array2::from_shape_fn((70, 100), |(i, j)| (i * 50 + j / 2) as f64);
    assert_eq!(npy(wide.slice(s![.., ..;2])), bytes);
    let turned = a.slice(s![..;-1, ..]).to_owned();
    assert_eq!(npy(turned.slice(s![..;-1, ..])), bytes);
}

#[test]
fn text_has_the_shortest_digits() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out");
    let a: Array2<f64> = array![[1.0, -0.0, 0.1, 1e300], [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-7]];
    write(&path, Format::Csv, None, a.view());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "1,-0,0.1,1e300\nnan,inf,-inf,1e-7\n");
    write(&path, Format::Json, None, a.view());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "[1,-0,0.1,1e300]\n[null,null,null,1e-7]\n");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    write(&path, Format::Csv, None, array![[0.1f32]].view());
    assert_eq!(fs::read_to_string(&path).unwrap(), "0.1\n");
}

#[test]
fn a_wrong_number_of_rows_leaves_no_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.npy");
    let a = Array2::<f32>::zeros((3, 2));
    for declared in [2, 4] {
        let writer = ArrayWriter::new(create(&path), Format::Npy, Some(declared), &[2]);
        let mut writer = writer.unwrap();
        let result = writer.write(a.view()).and_then(|()| writer.finish());
        says(result, &["out.npy", "bug", &declared.to_string()]);
    }
    let mut writer = ArrayWriter::<f32>::new(create(&path), Format::Npy, None, &[3]).unwrap();
    says(writer.write(a.view()), &["bug", "rows of 2 numbers"]);
    drop(writer);
    assert_eq!(names_in(dir.path()), [""; 0]);
}

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out");
    fs::write(&path, "old").unwrap();
    let mut output = create(&path);
    output.write_all(&vec![7; 1 << 20]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let mut output = create(&path);
    output.write_all(b"new").unwrap();
    output.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names_in(dir.path()), ["out"]);
}

#[test]
fn a_killed_writer_leaves_the_old_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out");
    fs::write(&path, "old").unwrap();
    child("write-and-die", &path, "ulimit -c 0", Stdio::null());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(dir.path()), ["out"]);
}

#[test]
fn permissions_are_as_the_umask_has_them() {
    let dir = TempDir::new().unwrap();
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664), ("000", 0o666)] {
        let path = dir.path().join(umask);
        for _ in 0..2 {
            let setup = format!("umask {umask}");
            assert_eq!(child("write", &path, &setup, Stdio::null()), "ok");
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
            // An old file's mode is not kept.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
    }
}

#[test]
fn outputs_that_cannot_be_fail_at_once() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| Output::create(Some(&dir.path().join(name)), &Ledger::off());
    let words = ["out.npy: there is no directory", "missing; create it"];
    says(at("missing/out.npy"), &words);
    for directory in ["", "new/", "..", "."] {
        says(at(directory), &["is a directory"]);
    }
    fs::write(dir.path().join("file"), "").unwrap();
    says(at("file/out"), &["cannot write"]);
    symlink("loop", dir.path().join("loop")).unwrap();
    says(at("loop"), &["leads nowhere"]);
    let nothing = Output::create(Some(Path::new("")), &Ledger::off());
    says(nothing, &["no name"]);
}

#[test]
fn links_are_written_through() {
    let dir = TempDir::new().unwrap();
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("target"), "old").unwrap();
    // A relative link to a link to the file, and one to a file not there yet.
    symlink("target", sub.join("inner")).unwrap();
    symlink("sub/inner", dir.path().join("outer")).unwrap();
    symlink("sub/new", dir.path().join("dangling")).unwrap();
    let is_link = |path: &Path| fs::symlink_metadata(path).unwrap().is_symlink();
    for (link, target) in [("outer", "target"), ("dangling", "new")] {
        let mut output = create(&dir.path().join(link));
        output.write_all(b"written").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(sub.join(target)).unwrap(), b"written");
        assert!(!is_link(&sub.join(target)) && is_link(&dir.path().join(link)));
    }
    assert!(is_link(&sub.join("inner")));
}

#[test]
fn special_files_are_written_straight() {
    let dir = TempDir::new().unwrap();
    let null = Path::new("/dev/null");
    write(null, Format::Npy, Some(1), array![[1.0]].view());
    assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    let link = dir.path().join("link");
    symlink("/dev/null", &link).unwrap();
    write(&link, Format::Csv, None, array![[1.0]].view());
    assert!(fs::metadata(&link).unwrap().file_type().is_char_device());

    let fifo = mkfifo(&dir);
    let source = fifo.clone();
    let reader = std::thread::spawn(move || fs::read(source).unwrap());
    let a = Array2::<f64>::ones((1000, 100));
    write(&fifo, Format::Npy, Some(1000), a.view());
    assert_eq!(reader.join().unwrap(), npy(a.view()));
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
}

#[test]
fn a_file_that_is_open_already_is_written_at_its_end() {
    use std::os::fd::AsRawFd;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, "before\n").unwrap();
    let open = File::options().write(true).open(&path).unwrap();
    let number = open.as_raw_fd();
    assert!(number > 2);
    for name in [format!("/dev/fd/{number}"), format!("/proc/self/fd/{number}")] {
        let mut output = create(Path::new(&name));
        assert_eq!(output.place(), None);
        output.write_all(b"after\n").unwrap();
        output.finish().unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\nafter\n");
    // A name of digits elsewhere is that of a file like others.
    write(&dir.path().join("63"), Format::Csv, None, array![[1.0]].view());
    assert_eq!(fs::read_to_string(dir.path().join("63")).unwrap(), "1\n");
}

#[test]
fn a_full_disk_is_reported() {
    let full = Path::new("/dev/full");
    for size in [10, 1 << 20] {
        let mut output = create(full);
        let result = output.write_all(&vec![0; size]).map_err(Into::into);
        let result = result.and_then(|()| output.finish());
        says(result, &["/dev/full: cannot write", "No space left"]);
    }
    // Who goes on after a failed write does not get a file for it.
    let mut output = create(full);
    assert!(output.write_all(&vec![0; 1 << 20]).is_err());
    says(output.finish(), &["writing it failed before"]);
    let a = Array2::<f64>::zeros((2, 2));
    for (format, rows) in [(Format::Npy, Some(2)), (Format::Npy, None), (Format::Csv, None)] {
        let mut writer = ArrayWriter::new(create(full), format, rows, &[2]).unwrap();
        let result = writer.write(a.view()).and_then(|()| writer.finish());
        says(result, &["/dev/full: cannot write"]);
    }
    let table = Table::new(create(full), Format::Csv, &["a"]).unwrap();
    says(table.finish(), &["/dev/full: cannot write"]);
}

#[test]
fn a_closed_pipe_can_be_told() {
    let dir = TempDir::new().unwrap();
    let fifo = mkfifo(&dir);
    let source = fifo.clone();
    let reader = std::thread::spawn(move || drop(File::open(source).unwrap()));
    let output = create(&fifo);
    reader.join().unwrap();
    let mut writer = ArrayWriter::new(output, Format::Npy, Some(1000), &[1000]).unwrap();
    let rows = Array2::<f64>::zeros((1000, 1000));
    let error = writer.write(rows.view()).unwrap_err();
    let kind = error.chain().find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::BrokenPipe));
}

#[test]
fn an_input_can_be_its_own_output() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("same.npy");
    let a = Array2::from_shape_fn((9000, 20), |(i, j)| (i + j) as f64);
    write(&path, Format::Npy, Some(9000), a.view());
    let before = sha256(&path);
    let ledger = Ledger::on();
    let mut rows = Rows::open(path.as_os_str(), &with_rows("5.."), &ledger).unwrap();
    let output = Output::create(Some(&path), &ledger).unwrap();
    let mut writer = ArrayWriter::new(output, Format::Npy, rows.len(), &[20]).unwrap();
    while let Some(block) = rows.next_block::<f64>(block_rows(20)).unwrap() {
        writer.write(block.view()).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(read(&path, &pass()).unwrap(), a.slice(s![5.., ..]));
    // What was read is hashed, though its name now is another file's.
    assert_eq!(ledger.inputs()[0].sha256, Some(before));
    assert_eq!(ledger.outputs()[0].sha256, Some(sha256(&path)));
}

// Tables.

#[test]
fn tables_are_csv_or_json_lines() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("table");
    let columns = ["score", "a", "n", "value", "converged"];
    let rows: [[Value; 5]; 2] = [
        ["rp".into(), "x, \"y\"".into(), 12usize.into(), 0.1.into(), true.into()],
        [String::from("gl").into(), "line\nbreak".into(), (-3i64).into(), f64::NAN.into(), false.into()],
    ];
    for (format, text) in [
        (
            Format::Csv,
            "score,a,n,value,converged\nrp,\"x, \"\"y\"\"\",12,0.1,true\n\
             gl,\"line\nbreak\",-3,nan,false\n",
        ),
        (
            Format::Json,
            "{\"score\":\"rp\",\"a\":\"x, \\\"y\\\"\",\"n\":12,\"value\":0.1,\"converged\":true}\n\
             {\"score\":\"gl\",\"a\":\"line\\nbreak\",\"n\":-3,\"value\":null,\"converged\":false}\n",
        ),
    ] {
        let mut table = Table::new(create(&path), format, &columns).unwrap();
        for row in &rows {
            table.row(row).unwrap();
        }
        table.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let table = Table::new(create(&path), Format::Npy, &columns);
    says(table, &["npy", "--format csv or json"]);
    let mut table = Table::new(create(&path), Format::Csv, &columns).unwrap();
    let words = ["bug", "1 values for 5 columns"];
    says(table.row(&["short".into()]), &words);
    assert_eq!(Value::from(u64::MAX), Value::Text(u64::MAX.to_string()));
}

// The ledger.

fn sha256(path: &Path) -> String {
    let out = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(out.stdout).unwrap()[..64].to_string()
}

#[test]
fn the_ledger_knows_what_was_read() {
    for case in expected() {
        let file = PathBuf::from(numpys(case.file.split(':').next().unwrap()));
        for range in ["..", "1..2", "2.."] {
            let ledger = Ledger::on();
            let mut rows = Rows::open(&numpys(&case.file), &with_rows(range), &ledger).unwrap();
            rows.read_all::<f64>().unwrap();
            let records = ledger.inputs();
            let [record] = records.as_slice() else { panic!("{}: {records:?}", case.file) };
            assert_eq!(record.sha256, Some(sha256(&file)), "{} {range}", case.file);
            assert_eq!(record.bytes, Some(fs::metadata(&file).unwrap().len()));
            assert_eq!(record.dtype.as_deref(), Some(case.descr.as_str()));
            if rows.len().is_some() || range == ".." {
                let mut shape = vec![case.values.nrows()];
                shape.extend(&case.item_shape);
                assert_eq!(record.shape, Some(shape), "{} {range}", case.file);
            }
        }
    }
}

#[test]
fn the_ledger_knows_what_was_written() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.npy");
    let ledger = Ledger::on();
    let output = Output::create(Some(&path), &ledger).unwrap();
    let mut writer = ArrayWriter::new(output, Format::Npy, None, &[2, 3]).unwrap();
    writer.write(Array2::<f32>::zeros((5, 6)).view()).unwrap();
    assert_eq!(ledger.outputs()[0].sha256, None);
    writer.finish().unwrap();
    let record = &ledger.outputs()[0];
    assert_eq!(record.shape, Some(vec![5, 2, 3]));
    assert_eq!(record.dtype.as_deref(), Some("<f4"));
    assert_eq!(record.sha256, Some(sha256(&path)));
    assert_eq!(record.bytes, Some(fs::metadata(&path).unwrap().len()));

    let off = Ledger::off();
    let mut rows = Rows::open(path.as_os_str(), &pass(), &off).unwrap();
    rows.read_all::<f32>().unwrap();
    assert!(off.inputs().is_empty() && off.outputs().is_empty());
}

// Properties.

/// Numbers of every magnitude, among them those that are not finite.
fn matrix() -> impl Strategy<Value = Array2<f64>> {
    (0usize..40, 1usize..12).prop_flat_map(|(n, d)| {
        prop::collection::vec(any::<f64>(), n * d)
            .prop_map(move |values| Array2::from_shape_vec((n, d), values).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(
        a in matrix(),
        single in any::<bool>(),
        known in any::<bool>(),
        csv in any::<bool>(),
        cuts in prop::collection::vec(0usize..41, 0..4),
        step in 1usize..50,
    ) {
        let dir = TempDir::new().unwrap();
        let part = dir.path().join("part");
        let format = if csv { Format::Csv } else { Format::Npy };
        let n = a.nrows();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(n)).chain([0, n]).collect();
        cuts.sort_unstable();
        let a32 = a.mapv(|x| x as f32);
        // As several files, joined as `cat` joins them.
        let mut joined = Vec::new();
        for cut in cuts.windows(2) {
            let range = s![cut[0]..cut[1], ..];
            let rows = known.then_some(cut[1] - cut[0]);
            if single {
                write(&part, format, rows, a32.slice(range));
            } else {
                write(&part, format, rows, a.slice(range));
            }
            joined.extend(fs::read(&part).unwrap());
        }
        let whole = dir.path().join("whole");
        fs::write(&whole, joined).unwrap();
        if csv && n == 0 {
            says(open(&whole, &pass()), &["is empty"]);
            return Ok(());
        }
        let mut rows = open(&whole, &pass()).unwrap();
        let mut back = Array2::zeros((0, rows.width()));
        while let Some(block) = rows.next_block::<f64>(step).unwrap() {
            back.append(ndarray::Axis(0), block.view()).unwrap();
        }
        // The shortest digits of an f32 are those that tell it from other f32.
        if single {
            prop_assert!(same(&back.mapv(|x| x as f32), &a32));
        } else {
            prop_assert!(same(&back, &a));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let sound = names_in(&testdata("npy"));
        let mut bytes = fs::read(numpys(&sound[file.index(sound.len())])).unwrap();
        bytes.truncate(4000);
        for (place, value) in changes {
            let near = place.index(bytes.len().min(200));
            bytes[near] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 4) + 1);
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("changed");
        fs::write(&path, bytes).unwrap();
        if let Err(e) = read(&path, &pass()) {
            prop_assert_eq!(e.to_string().lines().count(), 1);
        }
    }
}

// What needs a process of its own: limits, umask, standard input, sudden death.

/// Runs `job` on `path` in a process of its own, after the shell command `setup`;
/// what it says.
fn child(job: &str, path: &Path, setup: &str, stdin: Stdio) -> String {
    let dir = TempDir::new().unwrap();
    let answer = dir.path().join("answer");
    let run = "exec \"$0\" --exact stream::in_a_process_of_its_own --ignored";
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{setup} && {run}"))
        .arg(std::env::current_exe().unwrap())
        .env("STREAM_JOB", job)
        .env("STREAM_PATH", path)
        .env("STREAM_ANSWER", &answer)
        .env("RUST_TEST_THREADS", "1")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let text = fs::read_to_string(answer).unwrap_or_default();
    assert_eq!(status.success(), !job.contains("die"), "{job}: {status}");
    text
}

#[test]
#[ignore = "run by other tests"]
fn in_a_process_of_its_own() {
    let Some(path) = std::env::var_os("STREAM_PATH").map(PathBuf::from) else {
        return;
    };
    let job = std::env::var("STREAM_JOB").unwrap();
    let answer = match job.as_str() {
        "read" => read(&path, &pass()).map(|a| format!("rows {}", a.nrows())),
        "read-some" => open(&path, &pass()).and_then(|mut rows| {
            for _ in 0..300 {
                rows.next_block::<f64>(block_rows(1000))?;
            }
            let block = rows.next_block::<f64>(1)?;
            let found = block.map_or(0, |b| b.nrows());
            Ok(format!("rows {found} of {}", rows.len().unwrap()))
        }),
        "write" => {
            write(&path, Format::Npy, None, array![[1.0]].view());
            Ok("ok".to_string())
        }
        "write-and-die" => {
            let mut output = create(&path);
            output.write_all(&vec![7; 1 << 20]).unwrap();
            std::process::abort();
        }
        _ => unreachable!(),
    };
    let answer = answer.unwrap_or_else(|e| e.to_string());
    fs::write(std::env::var_os("STREAM_ANSWER").unwrap(), answer).unwrap();
}
