//! A safetensors file, or a [frame](super::frames): named tensors of f32 or f64, and metadata.
//!
//! Written by hand rather than by the `safetensors` crate because that one
//! writes metadata in a random order, and the same model must be the same bytes;
//! read through that crate's checks.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rayon::prelude::*;
use safetensors::Dtype as Stored;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use super::read_full;
use crate::scalar::{Dtype, Scalar, all_finite, from_le_bytes, le_bytes};

/// Longest header that is read: metadata and the tensors' names.
pub(super) const MAX_HEADER: u64 = 1 << 24;

/// Numbers in either type.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Values {
    pub fn new<T: Scalar>(values: Vec<T>) -> Values {
        match recast::<T, f32>(values) {
            Ok(values) => Values::F32(values),
            Err(values) => Values::F64(values.into_iter().map(Scalar::wide).collect()),
        }
    }

    /// As `T`, moved when they are that already.
    pub fn into_vec<T: Scalar>(self) -> Vec<T> {
        match self {
            Values::F32(v) => recast(v).unwrap_or_else(|v| v.into_iter().map(|v| T::of(v.wide())).collect()),
            Values::F64(v) => recast(v).unwrap_or_else(|v| v.into_iter().map(T::of).collect()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn dtype(&self) -> Dtype {
        match self {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
        }
    }

    pub fn all_finite(&self) -> bool {
        match self {
            Values::F32(v) => are_finite(v),
            Values::F64(v) => are_finite(v),
        }
    }

    /// Adds others at the end, as its own type.
    pub fn append(&mut self, other: Values) {
        match (self, other) {
            (Values::F32(a), b) => a.extend(b.into_vec::<f32>()),
            (Values::F64(a), b) => a.extend(b.into_vec::<f64>()),
        }
    }
}

/// The list as another type, if it is that very type.
fn recast<A: Scalar, B: Scalar>(values: Vec<A>) -> std::result::Result<Vec<B>, Vec<A>> {
    let mut slot = Some(values);
    match (&mut slot as &mut dyn Any).downcast_mut::<Option<Vec<B>>>().and_then(Option::take) {
        Some(same) => Ok(same),
        None => Err(slot.unwrap_or_default()),
    }
}

/// One tensor as read.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Values,
}

impl Tensor {
    pub fn into_wide(self) -> Vec<f64> {
        self.values.into_vec()
    }
}

/// One tensor to be written, as the given type.
pub struct Entry<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub numbers: Numbers<'a>,
}

/// Where the numbers of a tensor to be written are.
pub enum Numbers<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Numbers<'_> {
    fn all_finite_as<T: Scalar>(&self) -> bool {
        match self {
            Numbers::F32(v) => v.iter().all(|x| T::of(x.wide()).is_finite()),
            Numbers::F64(v) => v.iter().all(|x| T::of(*x).is_finite()),
        }
    }

    fn write_as<T: Scalar>(&self, out: &mut impl Write) -> Result<()> {
        match (self, T::DTYPE) {
            (Numbers::F32(v), Dtype::F32) => out.write_all(&le_bytes(v))?,
            (Numbers::F64(v), Dtype::F64) => out.write_all(&le_bytes(v))?,
            (Numbers::F32(v), _) => write_numbers::<f32, T>(out, v)?,
            (Numbers::F64(v), _) => write_numbers::<f64, T>(out, v)?,
        }
        Ok(())
    }
}

impl<'a> From<&'a Values> for Numbers<'a> {
    fn from(values: &'a Values) -> Self {
        match values {
            Values::F32(v) => Numbers::F32(v),
            Values::F64(v) => Numbers::F64(v),
        }
    }
}

impl<'a> Numbers<'a> {
    /// Some of the numbers.
    pub fn part(values: &'a Values, range: std::ops::Range<usize>) -> Numbers<'a> {
        match values {
            Values::F32(v) => Numbers::F32(&v[range]),
            Values::F64(v) => Numbers::F64(&v[range]),
        }
    }

    /// All in f64.
    pub fn wide(&self) -> Vec<f64> {
        match self {
            Numbers::F32(v) => v.iter().map(|x| x.wide()).collect(),
            Numbers::F64(v) => v.to_vec(),
        }
    }
}

/// On all threads.
fn are_finite<T: Scalar>(values: &[T]) -> bool {
    values.par_chunks(CHUNK).all(all_finite)
}

/// Numbers converted, read, or looked at, at a time.
const CHUNK: usize = 1 << 18;

fn write_numbers<A: Scalar, B: Scalar>(out: &mut impl Write, values: &[A]) -> Result<()> {
    for chunk in values.chunks(CHUNK) {
        let chunk: Vec<B> = chunk.iter().map(|v| B::of(v.wide())).collect();
        out.write_all(&le_bytes(&chunk))?;
    }
    Ok(())
}

/// Writes a file. The same content is the same bytes.
///
/// # Errors
/// The write; numbers that are not finite as the type they are written in.
pub fn write(out: &mut impl Write, metadata: &BTreeMap<String, String>, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        let finite = crate::with_dtype!(entry.dtype, T => entry.numbers.all_finite_as::<T>());
        ensure!(
            finite,
            "the model would hold numbers that are not finite (tensor {}): those it is made of are too large for {}; \
             give them in another unit or --dtype",
            entry.name,
            entry.dtype
        );
    }
    put(out, metadata, entries)
}

/// [`write`], of any numbers.
pub(super) fn put(
    out: &mut impl Write,
    metadata: &BTreeMap<String, String>,
    entries: &[Entry],
) -> Result<()> {
    // serde_json's map keeps its keys sorted.
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!(metadata));
    let mut offset = 0;
    for entry in entries {
        let stop = offset + entry.shape.iter().product::<usize>() * entry.dtype.size();
        let dtype = match entry.dtype {
            Dtype::F32 => "F32",
            Dtype::F64 => "F64",
        };
        header.insert(
            entry.name.clone(),
            json!({"dtype": dtype, "shape": entry.shape, "data_offsets": [offset, stop]}),
        );
        offset = stop;
    }
    let mut header = Value::Object(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    ensure!(
        header.len() as u64 <= MAX_HEADER,
        "a model whose header of {} bytes nothing could read",
        header.len()
    );
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for entry in entries {
        crate::with_dtype!(entry.dtype, T => entry.numbers.write_as::<T>(out))?;
    }
    Ok(())
}

/// A file as read.
pub struct TensorFile {
    pub metadata: HashMap<String, String>,
    tensors: HashMap<String, Tensor>,
}

impl TensorFile {
    /// Reads the header, lets `check` look at the metadata, and reads the tensors.
    ///
    /// # Errors
    /// When it is cut short or damaged, or `check` refuses it.
    pub fn read(
        reader: impl Read,
        check: impl FnOnce(&HashMap<String, String>) -> Result<()>,
    ) -> Result<TensorFile> {
        TensorFile::read_in_parts(reader, None, check)
    }

    /// [`TensorFile::read`], on all threads where the regular file behind the reader is given, too.
    ///
    /// # Errors
    /// As there.
    pub fn read_in_parts(
        mut reader: impl Read,
        file: Option<File>,
        check: impl FnOnce(&HashMap<String, String>) -> Result<()>,
    ) -> Result<TensorFile> {
        let mut length = [0u8; 8];
        reader.read_exact(&mut length).context("cannot read its first 8 bytes")?;
        let length = u64::from_le_bytes(length);
        ensure!(length <= MAX_HEADER, "not a model: its header claims {length} bytes");
        let mut header = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut header).context("cannot read its header")?;
        ensure!(header.len() as u64 == length, "truncated within its header; make it again");
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| anyhow!("not a model: its header is damaged: {e}"))?;
        check(header.metadata().as_ref().unwrap_or(&HashMap::new()))?;
        let start = 8 + length;
        let end = start + header.data_len() as u64;
        // One of another length is read to where it goes wrong.
        if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|about| about.len() == end)) {
            let metadata = header.metadata().clone().unwrap_or_default();
            return Ok(TensorFile { metadata, tensors: tensors_of(&header, &mut Parts { file, start })? });
        }
        let file = TensorFile::of(&mut reader, &header)?;
        let beyond =
            std::io::copy(&mut reader.take(1), &mut std::io::sink()).context("cannot read it to its end")?;
        ensure!(beyond == 0, "damaged: bytes follow its last tensor");
        Ok(file)
    }

    /// What a header announces.
    pub(super) fn of(reader: &mut impl Read, header: &Metadata) -> Result<TensorFile> {
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(TensorFile { metadata, tensors: tensors_of(header, &mut Whole(reader))? })
    }

    pub fn entry(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// # Errors
    /// When there are tensors that nothing has taken.
    pub fn nothing_left(&self) -> Result<()> {
        match self.tensors.keys().min() {
            Some(name) => bail!("damaged: its architecture has no tensor {name}"),
            None => Ok(()),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        self.tensors.remove(name).with_context(|| format!("damaged: tensor {name} is missing"))
    }

    pub fn dtype(&self, name: &str) -> Result<Dtype> {
        let tensor = self.tensors.get(name);
        tensor.map(|t| t.values.dtype()).with_context(|| format!("damaged: tensor {name} is missing"))
    }

    /// Several tensors, one after the other, whose shapes are known.
    pub fn take_all<'n>(&mut self, expected: impl Iterator<Item = (String, &'n [usize])>) -> Result<Values> {
        let mut all: Option<Values> = None;
        for (name, shape) in expected {
            let tensor = self.take(&name)?;
            ensure!(
                tensor.shape == shape,
                "damaged: tensor {name} has shape {:?}, where its architecture has {shape:?}",
                tensor.shape
            );
            match &mut all {
                None => all = Some(tensor.values),
                Some(all) => all.append(tensor.values),
            }
        }
        Ok(all.unwrap_or(Values::F32(Vec::new())))
    }
}

/// Tensors one after the other as the file holds them, so that memory is that
/// of the numbers once.
fn tensors_of(header: &Metadata, source: &mut impl Source) -> Result<HashMap<String, Tensor>> {
    let mut tensors = HashMap::new();
    for name in header.offset_keys() {
        // Messages that name it are of one line.
        ensure!(!name.contains(char::is_control), "damaged: the name of a tensor holds a control character");
        let info = header.info(&name).with_context(|| format!("damaged: tensor {name}"))?;
        let (from, to) = info.data_offsets;
        let values = match info.dtype {
            Stored::F32 => Values::F32(source.numbers(from, to - from, &name)?),
            Stored::F64 => Values::F64(source.numbers(from, to - from, &name)?),
            other => {
                bail!("tensor {name} is stored as {other}, which is not computed in; save it as F32 or F64")
            }
        };
        tensors.insert(name, Tensor { shape: info.shape.clone(), values });
    }
    Ok(tensors)
}

/// Where numbers come from.
trait Source {
    /// Those of a tensor that begins so many bytes behind the header, and has so many.
    fn numbers<T: Scalar>(&mut self, from: usize, bytes: usize, name: &str) -> Result<Vec<T>>;
}

/// What passes once.
struct Whole<'r, R>(&'r mut R);

impl<R: Read> Source for Whole<'_, R> {
    fn numbers<T: Scalar>(&mut self, _: usize, bytes: usize, name: &str) -> Result<Vec<T>> {
        let mut values = Vec::new();
        let count = bytes / size_of::<T>();
        while values.len() < count {
            // Memory follows what has arrived, not what is declared.
            let done = values.len();
            let next = count.min(done + CHUNK);
            let more = values.try_reserve(next - done);
            more.map_err(|_| too_large(bytes, name))?;
            values.resize(next, T::zero());
            let wanted = size_of_val(&values[done..]);
            let found = from_le_bytes(&mut values[done..], |bytes| read_full(self.0, bytes))
                .with_context(|| format!("cannot read tensor {name}"))?;
            ensure!(
                found == wanted,
                "truncated: tensor {name} misses {} of {bytes} bytes; make it again",
                bytes - done * size_of::<T>() - found
            );
        }
        Ok(values)
    }
}

/// A regular file as long as its header says, whose tensors begin at `start`.
struct Parts {
    file: File,
    start: u64,
}

impl Source for Parts {
    fn numbers<T: Scalar>(&mut self, from: usize, bytes: usize, name: &str) -> Result<Vec<T>> {
        let count = bytes / size_of::<T>();
        Vec::<T>::new().try_reserve_exact(count).map_err(|_| too_large(bytes, name))?;
        // Memory that is zero already: threads meet its pages as they fill them.
        let mut values = vec![T::zero(); count];
        let at = |chunk: usize| self.start + (from + chunk * CHUNK * size_of::<T>()) as u64;
        values
            .par_chunks_mut(CHUNK)
            .enumerate()
            .try_for_each(|(i, chunk)| from_le_bytes(chunk, |bytes| self.file.read_exact_at(bytes, at(i))))
            .with_context(|| format!("cannot read tensor {name}"))?;
        Ok(values)
    }
}

fn too_large(bytes: usize, name: &str) -> anyhow::Error {
    anyhow!("tensor {name} of {bytes} bytes does not fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::faults::{FailingReader, sweep, written};

    fn write_two(out: &mut impl Write) -> Result<()> {
        let metadata = [("format".to_string(), "of a test".to_string())].into();
        let (a, b) = ([1.5f64, -2.0, 1e300], [0.25f32; 40]);
        let entries = [
            Entry { name: "a".into(), shape: vec![3], dtype: Dtype::F64, numbers: Numbers::F64(&a) },
            Entry { name: "b".into(), shape: vec![8, 5], dtype: Dtype::F32, numbers: Numbers::F32(&b) },
        ];
        write(out, &metadata, &entries)
    }

    #[test]
    fn a_read_that_fails_is_an_error() {
        let mut bytes = Vec::new();
        write_two(&mut bytes).unwrap();
        sweep("a model", Values::F64(vec![1.5, -2.0, 1e300]), |fault| {
            let reader = FailingReader { bytes: std::io::Cursor::new(bytes.clone()), fault: fault.clone() };
            Ok(TensorFile::read(reader, |_| Ok(()))?.take("a")?.values)
        });
    }

    #[test]
    fn parts_are_the_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("two.st");
        let mut bytes = Vec::new();
        write_two(&mut bytes).unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes)?;
            let file = File::open(&path)?;
            let mut read = TensorFile::read_in_parts(file.try_clone()?, Some(file), |_| Ok(()))?;
            anyhow::Ok((
                read.entry("format").map(String::from),
                read.take("a")?.values,
                read.take("b")?.values,
            ))
        };
        let (a, b) = (Values::F64(vec![1.5, -2.0, 1e300]), Values::F32(vec![0.25; 40]));
        assert_eq!(read(&bytes).unwrap(), (Some("of a test".to_string()), a, b));
        let cut = read(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(cut.to_string().contains("tensor b misses 1 of 160 bytes"), "{cut}");
        let longer = read(&[&bytes[..], b"x"].concat()).unwrap_err();
        assert!(longer.to_string().contains("bytes follow its last tensor"), "{longer}");
    }

    #[test]
    fn a_write_that_fails_is_an_error() {
        written("a model", |mut output| {
            write_two(&mut output)?;
            output.finish()
        });
    }
}
