//! Arrays and tables in and out: NumPy's own files, damaged files, round trips,
//! and what a writer leaves behind.

mod folders;
mod pairs;
mod properties;
mod reading;
mod writing;

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

fn paired(paths: &[&Path], options: &ReadOptions) -> anyhow::Result<Paired> {
    let rows = paths.iter().map(|path| open(path, options));
    Paired::new(rows.collect::<anyhow::Result<_>>()?)
}

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
