//! Reading arrays: NumPy's own files, damaged files, ranges of rows, numbers that are not finite, in bounded memory.

use super::*;

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
    // Axes are advised to be turned only where that gives the shape.
    let said =
        |shape: &[usize]| shaped("images-color.npy", shape).err().map(|e| e.to_string()).unwrap_or_default();
    let mut turned = own.clone();
    turned.rotate_right(1);
    let (other, turned) = (said(&[16, 3]), said(&turned));
    assert!(!other.contains("transpose") && turned.contains("npy transpose"), "{other} {turned}");
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
    let single: Array2<f32> = open(path, &options).unwrap().read_all().unwrap();
    assert_eq!(single.nrows(), 4);
}

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
