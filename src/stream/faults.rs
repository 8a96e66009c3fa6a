//! A reader and a writer that fail at the first call, the second, and so on, in
//! tests: every failure ends in an error, never in fewer rows, other numbers or a
//! file with a hole.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use ndarray::{Array2, s};

use super::output::{Output, Target};
use super::*;

/// What the failing call says.
pub(crate) const GONE: &str = "the disk is gone";

/// Counts calls, of which every other is interrupted before it does anything and one fails.
#[derive(Clone)]
pub(crate) struct Fault {
    fails: usize,
    calls: Arc<AtomicUsize>,
}

impl Fault {
    pub(crate) fn at(fails: usize) -> Fault {
        Fault { fails, calls: Arc::default() }
    }

    /// Whether the call that fails has been made.
    pub(crate) fn happened(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.fails
    }

    fn call(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call == self.fails {
            Err(io::Error::other(GONE))
        } else if call.is_multiple_of(2) {
            Err(io::ErrorKind::Interrupted.into())
        } else {
            Ok(())
        }
    }
}

/// Bytes in parts that no field is as long as. Who goes on after the failure finds them at
/// their end, as if they were whole.
pub(crate) struct FailingReader {
    pub bytes: io::Cursor<Vec<u8>>,
    pub fault: Fault,
}

impl Read for FailingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.fault.happened() {
            return Ok(0);
        }
        self.fault.call()?;
        let n = buf.len().min(13);
        self.bytes.read(&mut buf[..n])
    }
}

/// Takes little at a time. Who goes on after the failure writes behind what is missing.
struct FailingWriter {
    bytes: Arc<Mutex<Vec<u8>>>,
    fault: Fault,
}

impl Write for FailingWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.fault.call()?;
        let n = buf.len().min(31);
        self.bytes.lock().unwrap().extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn numbers() -> Array2<f64> {
    Array2::from_shape_fn((5, 3), |(i, j)| (i as f64 - 1.5) * 0.3 + j as f64)
}

fn header(descr: &str, fortran: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{text:117}\n").as_bytes()].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// [`numbers`] in every encoding.
fn encodings() -> Vec<(&'static str, Vec<u8>)> {
    let a = numbers();
    let bytes = |order: fn(f64) -> [u8; 8]| a.iter().flat_map(|x| order(*x)).collect::<Vec<u8>>();
    let (little, big) = (bytes(f64::to_le_bytes), bytes(f64::to_be_bytes));
    let npy = [header("<f8", "False", "(5, 3)"), little.clone()].concat();
    let columns = a.t().iter().flat_map(|x| x.to_le_bytes()).collect();
    let blocks = [
        header("<f8", "False", "(2, 3)"),
        little[..48].to_vec(),
        header("<f8", "False", "(3, 3)"),
        little[48..].to_vec(),
    ];
    let mut npz = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    npz.start_file("a.npy", zip::write::SimpleFileOptions::default()).unwrap();
    npz.write_all(&npy).unwrap();
    let lines = a.rows().into_iter().map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
    let csv: String = std::iter::once("a,b,c".to_string()).chain(lines).map(|line| line + "\n").collect();
    vec![
        ("big endian", [header(">f8", "False", "(5, 3)"), big.clone()].concat()),
        ("Fortran", [header("<f8", "True", "(5, 3)"), columns].concat()),
        ("blocks", blocks.concat()),
        ("gzip", gzip(&npy)),
        ("idx", [&[0, 0, 0x0e, 2, 0, 0, 0, 5, 0, 0, 0, 3][..], &big].concat()),
        ("npz", npz.finish().unwrap().into_inner()),
        ("gzipped csv", gzip(csv.as_bytes())),
        ("csv", csv.into_bytes()),
        ("npy", npy),
    ]
}

fn input(bytes: &[u8], fault: &Fault) -> Result<Input> {
    let reader = FailingReader { bytes: io::Cursor::new(bytes.to_vec()), fault: fault.clone() };
    Input::stream("in".into(), Box::new(reader), None, Ledger::off().input("in", None))
}

fn rows(bytes: &[u8], fault: &Fault, range: &str) -> Result<Rows> {
    let options = ReadOptions { rows: range.parse().unwrap(), ..ReadOptions::default() };
    Rows::from_input(input(bytes, fault)?, &options)
}

/// Fails at every call in turn, until one run comes through without.
pub(crate) fn sweep<A: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: A,
    run: impl Fn(&Fault) -> Result<A>,
) {
    for fails in 0.. {
        let fault = Fault::at(fails);
        match run(&fault) {
            Ok(found) => {
                assert!(!fault.happened(), "{what}: call {fails} failed and nobody said so");
                assert_eq!(found, expected, "{what}");
                assert!(fails > 8, "{what}: too few calls to be told from none");
                return;
            }
            Err(e) => {
                let text = format!("{e:#}");
                assert!(text.contains(GONE), "{what}: call {fails}: {text}");
            }
        }
    }
}

#[test]
fn a_read_that_fails_is_an_error_in_every_encoding() {
    for (what, bytes) in encodings() {
        sweep(what, numbers(), |fault| rows(&bytes, fault, "..")?.read_all::<f64>());
        sweep(what, numbers().slice(s![3.., ..]).to_owned(), |fault| rows(&bytes, fault, "3..")?.read_all());
        sweep(what, 5, |fault| rows(&bytes, fault, "..1")?.read_out());
        sweep(what, vec![numbers(), numbers()], |fault| {
            let whole = rows(&bytes, &Fault::at(usize::MAX), "..")?;
            let mut pair = Paired::new(vec![whole, rows(&bytes, fault, "..")?])?;
            let blocks = pair.next_blocks(9)?.unwrap_or_default();
            assert!(pair.next_blocks::<f64>(9)?.is_none());
            Ok(blocks)
        });
        sweep(what, 10, |fault| {
            let whole = rows(&bytes, &Fault::at(usize::MAX), "..")?;
            let mut joined = Joined::new(vec![rows(&bytes, fault, "..")?, whole], "..".parse().unwrap())?;
            let mut count = 0;
            while let Some(block) = joined.next_block::<f64>(2)? {
                count += block.nrows();
            }
            Ok(count)
        });
    }
}

#[test]
fn a_read_that_fails_is_an_error_of_tables_and_of_bytes() {
    let text = "# no row\nname,value\na,1\nb,\"2\"\n";
    for (what, bytes) in [("csv", text.as_bytes().to_vec()), ("gzipped csv", gzip(text.as_bytes()))] {
        sweep(what, (2, "2".to_string()), |fault| {
            let table = Columns::read(input(&bytes, fault)?)?;
            Ok((table.len(), table.text(1, 1).to_string()))
        });
        sweep(what, text.as_bytes().to_vec(), |fault| {
            let mut all = Vec::new();
            input(&bytes, fault)?.into_reader().read_to_end(&mut all)?;
            Ok(all)
        });
    }
}

/// Of bytes from a pipe and from a file.
fn read_both(bytes: &[u8]) -> [Result<Array2<f64>>; 2] {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let of_file = Rows::open(file.path().as_os_str(), &ReadOptions::default(), &Ledger::off());
    let of_pipe = rows(bytes, &Fault::at(usize::MAX), "..");
    [of_pipe, of_file].map(|rows| rows?.read_all())
}

#[test]
fn no_length_of_a_file_is_taken_for_the_whole() {
    for (what, bytes) in encodings() {
        // Text does not say how long it is, and a stream may end after any array.
        let may_end = |length: usize| what == "csv" || what == "blocks" && length == 128 + 48;
        for length in (0..bytes.len()).filter(|length| !may_end(*length)) {
            for result in read_both(&bytes[..length]) {
                assert!(result.is_err(), "{what}: {length} of {} bytes", bytes.len());
            }
        }
        for result in read_both(&bytes) {
            assert_eq!(result.unwrap(), numbers(), "{what}");
        }
        for more in [&b"\0"[..], b"x", b"\x93NUMPX", b"\x1f\x8b", &[7; 300]] {
            // The list of a zip archive's members is looked for from its end.
            for result in read_both(&[&bytes, more].concat()).into_iter().filter(|_| what != "npz") {
                assert!(result.is_err(), "{what}: {more:?} follow");
            }
        }
    }
}

#[test]
fn a_write_that_fails_is_an_error_and_leaves_no_hole() {
    let mut a = Array2::from_shape_fn((12, 3), |(i, j)| 0.3 * i as f64 - 1e9 * j as f64);
    a[[5, 1]] = f64::NAN;
    for format in [Format::Npy, Format::Csv, Format::Json] {
        for known in [Some(12), None] {
            written(&format!("array, {format:?}, {known:?} rows"), |output| {
                let mut writer = ArrayWriter::new(output, format, known, &[3])?;
                writer.write(a.slice(s![..1, ..]))?;
                writer.write(a.slice(s![1.., ..]))?;
                writer.finish()
            });
            written(&format!("stack, {format:?}, {known:?} rows"), |output| {
                let mut writer = ArrayWriter::stack(output, format, 2, known, &[3])?;
                for _ in 0..2 {
                    writer.write(a.view())?;
                    writer.end_stacked()?;
                }
                writer.finish()
            });
        }
        if format != Format::Npy {
            written(&format!("table, {format:?}"), |output| {
                let mut table = Table::new(output, format, &["a_column", "another", "third"])?;
                for i in 0..20i64 {
                    table.row(&[i.into(), "text, quoted".into(), 0.1.into()])?;
                }
                table.finish()
            });
        }
    }
    // More than is buffered, in parts below and above that.
    written("bytes", |mut output| {
        for size in [1000, 1 << 18, 7, (1 << 18) + 1] {
            output.write_all(&vec![size as u8; size])?;
        }
        output.finish()
    });
}

/// Sweeps over the calls of a writer; what is written before the failure is a beginning of the whole.
pub(crate) fn written(what: &str, write: impl Fn(Output) -> Result<()>) {
    let run = |fault: &Fault| {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = FailingWriter { bytes: bytes.clone(), fault: fault.clone() };
        let result = write(Output::new("out".into(), Target::Failing(Box::new(sink)), &Ledger::off()));
        let bytes = bytes.lock().unwrap().clone();
        (result, bytes)
    };
    let never = Fault::at(usize::MAX);
    let (result, whole) = run(&never);
    result.unwrap();
    let calls = never.calls.load(Ordering::Relaxed);
    assert!(calls > 5, "{what}");
    // Of very many calls, the first and some of the others.
    for fails in (0..calls).filter(|call| *call < 200 || call % 997 == 0) {
        let (result, bytes) = run(&Fault::at(fails));
        let text = format!("{:#}", result.expect_err(what));
        assert!(
            text.starts_with("out: cannot write: ") && text.contains(GONE),
            "{what}: call {fails}: {text}"
        );
        assert!(whole.starts_with(&bytes) && bytes.len() < whole.len(), "{what}: call {fails}");
    }
}
