//! What must hold of any bytes at all: they are refused in one line or read, and what is read is written and
//! read back the same. Fuzzing calls these with bytes of its own (`make fuzz`), the tests with those it kept.

use std::ffi::OsString;
use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use molrg::cli::{Integers, LevelArgs, Shape, parse_list};
use molrg::denoiser::model::Kind;
use molrg::denoiser::{Denoiser, Model};
use molrg::expression::Expression;
use molrg::scalar::{Dtype, Scalar};
use molrg::schedule::{Grid, SIGMAS};
use molrg::stream::{
    ArrayWriter, Columns, Filter, Format, Input, Ledger, NanPolicy, Output, ReadOptions, RowRange, Rows,
    Table, Value,
};
use ndarray::{Array2, ArrayView2, s};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Numbers of an array beyond which it is read and no more: a few bytes of gzip make millions.
const MOST: usize = 1 << 14;

type Outcome<T> = anyhow::Result<T>;

/// An empty directory, and files in it.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Scratch {
        // In memory where there is such a place: a file that is finished waits for its disk.
        Scratch(TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> OsString {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).into()
    }

    fn output(&self, name: &str) -> Output {
        Output::create(Some(&self.path(name)), &Ledger::off()).unwrap()
    }
}

/// What an array holds.
#[derive(Debug)]
struct Array {
    values: Array2<f64>,
    item_shape: Vec<usize>,
    dtype: Dtype,
}

impl Array {
    fn read(name: &OsString, options: &ReadOptions) -> Outcome<Array> {
        let mut rows = one_line(Rows::open(name, options, &Ledger::off()))?;
        let values = one_line(rows.read_all())?;
        Ok(Array { values, item_shape: rows.item_shape().to_vec(), dtype: rows.dtype() })
    }
}

/// A result whose error, if it is one, is a line.
fn one_line<T>(result: Outcome<T>) -> Outcome<T> {
    if let Err(e) = &result {
        let text = format!("{e:#}");
        assert!(!text.is_empty() && !text.contains('\n'), "not one line: {text:?}");
    }
    result
}

/// Equal to the last bit, NaN equal to NaN.
#[track_caller]
fn assert_same<T: Scalar>(a: ArrayView2<T>, b: ArrayView2<T>, what: &str) {
    assert_eq!(a.dim(), b.dim(), "{what}");
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x.wide(), y.wide());
        assert!(x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()), "{what}: {x:?} and {y:?}");
    }
}

fn pass() -> ReadOptions {
    ReadOptions { nan: NanPolicy::Pass, ..ReadOptions::default() }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive with these bytes as its one array.
fn archived(bytes: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.npy", SimpleFileOptions::default()).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

/// An array in any format is the same from a file, from a stream and out of an archive, in blocks of any size,
/// in part and in whole; and what is written of it reads the same.
pub fn array(bytes: &[u8]) {
    let scratch = Scratch::new();
    let name = scratch.put("in", bytes);
    let whole = Array::read(&name, &pass());
    if !bytes.starts_with(b"\x1f\x8b") {
        let streamed = Array::read(&scratch.put("in.gz", &gzipped(bytes)), &pass());
        assert_same_outcome(&whole, &streamed, "streamed");
    }
    if bytes.starts_with(b"\x93NUMPY") {
        let unpacked = Array::read(&scratch.put("in.npz", &archived(bytes)), &pass());
        assert_same_outcome(&whole, &unpacked, "out of an archive");
    }
    let Ok(whole) = whole else { return };
    if whole.values.len() > MOST {
        return;
    }
    read_in_part(&name, &whole);
    let policies = [NanPolicy::Error, NanPolicy::Drop].map(|nan| {
        let options = ReadOptions { nan, ..ReadOptions::default() };
        Array::read(&name, &options)
    });
    let finite: Vec<usize> = (0..whole.values.nrows())
        .filter(|row| whole.values.row(*row).iter().all(|x| x.is_finite()))
        .collect();
    assert_eq!(policies[0].is_ok(), finite.len() == whole.values.nrows());
    let kept = whole.values.select(ndarray::Axis(0), &finite);
    assert_same(kept.view(), policies[1].as_ref().unwrap().values.view(), "rows left out");

    written_reads_back(&scratch, &whole, whole.values.view());
    if whole.dtype == Dtype::F32 {
        let single = Rows::open(&name, &pass(), &Ledger::off()).unwrap().read_all::<f32>().unwrap();
        assert_same(single.mapv(f64::from).view(), whole.values.view(), "as f32");
        written_reads_back(&scratch, &whole, single.view());
    }
}

#[track_caller]
fn assert_same_outcome(a: &Outcome<Array>, b: &Outcome<Array>, what: &str) {
    match (a, b) {
        (Ok(a), Ok(b)) => {
            assert_eq!((&a.item_shape, a.dtype), (&b.item_shape, b.dtype), "{what}");
            assert_same(a.values.view(), b.values.view(), what);
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{what}: {a:?} and {b:?}"),
    }
}

fn read_in_part(name: &OsString, whole: &Array) {
    let n = whole.values.nrows();
    let mut rows = Rows::open(name, &pass(), &Ledger::off()).unwrap();
    let mut from = 0;
    while let Some(block) = rows.next_block::<f64>(3).unwrap() {
        let to = from + block.nrows();
        assert_same(block.view(), whole.values.slice(s![from..to, ..]), "in blocks");
        from = to;
    }
    assert_eq!(from, n, "in blocks");
    for (start, end) in [(0, Some(1)), (1, Some(3)), (n / 2, None), (n + 1, None)] {
        let rows = RowRange { start: start as u64, end: end.map(|end: usize| end as u64) };
        let part = Array::read(name, &ReadOptions { rows, ..pass() }).unwrap();
        assert_same(part.values.view(), whole.values.slice(s![rows.clamp(n), ..]), "in part");
    }
}

fn written_reads_back<T: Scalar>(scratch: &Scratch, about: &Array, values: ArrayView2<T>) {
    for format in [Format::Npy, Format::Csv] {
        if format == Format::Csv && values.nrows() == 0 {
            continue;
        }
        let mut writer =
            ArrayWriter::new(scratch.output("out"), format, Some(values.nrows()), &about.item_shape).unwrap();
        writer.write(values).unwrap();
        writer.finish().unwrap();
        let options = ReadOptions { item_shape: Some(about.item_shape.clone()), ..pass() };
        let mut rows = Rows::open(scratch.path("out").as_os_str(), &options, &Ledger::off()).unwrap();
        assert_eq!(rows.item_shape(), about.item_shape);
        assert_same(rows.read_all::<T>().unwrap().view(), values, "written and read back");
    }
}

/// Every member of an archive is an array or refused, and the same by its key.
pub fn archive(bytes: &[u8]) {
    array(bytes);
    let scratch = Scratch::new();
    let name = scratch.put("in", bytes);
    let Ok(input) = one_line(Input::open(&name, &Ledger::off())) else { return };
    let mut members = Vec::new();
    let _ = one_line(input.each_member(|member| {
        let key = member.name().rsplit_once("in:").unwrap().1.to_string();
        let mut rows = one_line(Rows::from_input(member, &pass()))?;
        members.push((key, one_line(rows.read_all::<f64>())?));
        Ok(())
    }));
    for (key, values) in &members {
        // The first of a name is found by it; and escapes stand for what is shown in a line.
        let first = &members
            .iter()
            .find(|(k, _)| k == key || Some(k.as_str()) == key.strip_suffix(".npy"))
            .unwrap()
            .1;
        if key.is_empty() || key.contains('\\') || values.len() > MOST {
            continue;
        }
        let mut by_key = name.clone();
        by_key.push(format!(":{key}"));
        let found = Array::read(&by_key, &pass()).unwrap();
        assert_same(found.values.view(), first.view(), key);
    }
}

/// A table is written as it was read.
pub fn table(bytes: &[u8]) {
    let scratch = Scratch::new();
    let read = |name: &OsString| one_line(Columns::read(one_line(Input::open(name, &Ledger::off()))?));
    let Ok(table) = read(&scratch.put("in", bytes)) else { return };
    let names: Vec<&str> = table.names().iter().map(String::as_str).collect();
    let mut out = Table::new(scratch.output("out"), Format::Csv, &names).unwrap();
    for row in 0..table.len() {
        let field = |column| Value::Field(table.text(row, column).to_string());
        out.row(&(0..names.len()).map(field).collect::<Vec<_>>()).unwrap();
    }
    out.finish().unwrap();
    let back = read(&scratch.path("out").into()).unwrap();
    assert_eq!((back.names(), back.len()), (table.names(), table.len()));
    for row in 0..table.len() {
        for column in 0..names.len() {
            assert_eq!(back.text(row, column), table.text(row, column));
            let _ = one_line(table.number(row, column));
        }
    }
    let all: Vec<usize> = (0..names.len()).collect();
    let groups = table.groups(&all[..names.len().min(2)]);
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), table.len());
    let mut joined = Columns::join(vec![table, back], true);
    if let Ok(joined) = &mut joined {
        let filter: Filter = format!("{}={}", joined.column_name(0), joined.text(0, 0)).parse().unwrap();
        let _ = one_line(joined.filter(&[filter], false));
    }
}

/// A model is written as it was read, and its denoiser answers. `bytes` are the header's text, a zero byte, and
/// the tensors: a file but for the length before the header, which chance would seldom keep right.
pub fn model(bytes: &[u8]) {
    let header = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let mut file = (header as u64).to_le_bytes().to_vec();
    file.extend(&bytes[..header]);
    file.extend(bytes.get(header + 1..).unwrap_or(&[]));

    let scratch = Scratch::new();
    let read = |bytes: &[u8]| {
        let input = one_line(Input::open(&scratch.put("model", bytes), &Ledger::off()))?;
        one_line(Model::read(input))
    };
    let write = |model: &Model| {
        let mut bytes = Vec::new();
        model.write(&mut bytes).unwrap();
        bytes
    };
    let Ok(model) = read(&file) else { return };
    let written = write(&model);
    let again = read(&written).unwrap();
    assert!(write(&again) == written, "written again");
    let about = |m: &Model| (m.kind_name(), m.item_shape.clone(), m.dtype);
    assert_eq!(about(&model), about(&again));
    if model.dim() <= 64 && !matches!(model.kind, Kind::Generator(_)) {
        let x = Array2::from_shape_fn((2, model.dim()), |(i, j)| ((i + 2 * j) % 5) as f64 - 2.0);
        let (a, b): (Box<dyn Denoiser<f64>>, _) =
            (model.into_denoiser().unwrap(), again.into_denoiser::<f64>().unwrap());
        assert_same(
            a.denoise(x.view(), 0.5).unwrap().view(),
            b.denoise(x.view(), 0.5).unwrap().view(),
            "denoised",
        );
    }
}

/// Ranges, lists, sizes, levels and expressions as arguments write them.
pub fn argument(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(range) = text.parse::<RowRange>() {
        assert_eq!(range.to_string().parse(), Ok(range));
        let part = range.clamp(10);
        assert!(part.start <= part.end && part.end <= 10);
    }
    if let Ok(numbers) = parse_list(text) {
        let again: Vec<String> = numbers.0.iter().map(|x| format!("{x:?}")).collect();
        let again = parse_list(&again.join(",")).unwrap();
        let bits = |list: &[f64]| list.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again.0), bits(&numbers.0));
    }
    if let Ok(integers) = text.parse::<Integers>()
        && integers.0.len() <= MOST
    {
        assert_eq!(joined(&integers.0).parse(), Ok(integers));
    }
    if let Ok(shape) = text.parse::<Shape>() {
        assert!(shape.0.iter().product::<usize>() > 0);
        assert_eq!(joined(&shape.0).parse(), Ok(shape));
    }
    if let Ok(filter) = text.parse::<Filter>() {
        let again: Filter = format!("{}={}", filter.column, filter.value).parse().unwrap();
        assert_eq!((again.column, again.value), (filter.column, filter.value));
    }
    let levels = LevelArgs { sigma: None, snr: None, time: None, levels: Some(text.to_string()) };
    if let Ok(levels) = one_line(levels.sigmas(&Grid::default())) {
        assert!(levels.iter().all(|s| SIGMAS.contains(s)) && levels.windows(2).all(|w| w[0] > w[1]));
    }
    expression(text);
}

fn joined(list: &[usize]) -> String {
    list.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// An expression means the same in parentheses, and beside a term that adds nothing.
fn expression(text: &str) {
    let Ok(read) = one_line(Expression::parse(text)) else { return };
    let names: Vec<f64> = (0..read.names().len()).map(|i| 1.5 + i as f64).collect();
    let value = read.value(&names);
    // Deeper by one, it may be too deep.
    for same in [format!("({text})"), format!(" +( {text} )*1")] {
        let Ok(read) = Expression::parse(&same) else { continue };
        let again = read.value(&names);
        assert!(again.to_bits() == value.to_bits() || (again.is_nan() && value.is_nan()), "{same}");
    }
}
