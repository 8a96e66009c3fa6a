//! Writing: complete or not at all, and what the ledger keeps of it.

use super::*;

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
