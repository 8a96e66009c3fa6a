//! One tensor of a safetensors file, as an array.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};

use anyhow::{Context, Result, anyhow, bail, ensure};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::bytes::{Bytes, Reader};
use super::element::{Element, Kind};
use super::header::Header;
use super::input::{Input, LISTED_KEYS, one_line};

/// Longest header that is read.
const MAX_HEADER: u64 = 1 << 24;

/// The tensor that is asked for by its name, or the only one: its header, and its bytes alone.
///
/// # Errors
/// A model of these programs of which no tensor is named; a damaged file; a tensor there is not; one of several
/// where none is named; a number type that is not read.
pub(super) fn open(mut input: Input) -> Result<(Reader, Header)> {
    let (key, name, note) = (input.key.take(), input.name.clone(), input.note.of_content());
    let mut reader = input.into_buffered();
    let (about, _) = read_header(&mut reader)?;
    ensure!(
        is_foreign(&about) || key.is_some(),
        "is a model, not samples; give it where a model is expected"
    );
    let mut tensors: Vec<String> = about.tensors().into_keys().collect();
    tensors.sort();
    let listed: Vec<&str> = tensors.iter().take(LISTED_KEYS).map(String::as_str).collect();
    let more = if tensors.len() > LISTED_KEYS { ", …" } else { "" };
    let held = format!("{}{more}", one_line(&listed.join(", ")));
    let key = match (key, tensors.as_slice()) {
        (Some(key), _) => key,
        (None, [only]) => only.clone(),
        (None, []) => bail!("holds no tensors"),
        (None, [first, ..]) => bail!(
            "is no model of these programs, and holds {} tensors: {held}; name one, as in {name}:{}",
            tensors.len(),
            one_line(first)
        ),
    };
    let info =
        about.info(&key).with_context(|| format!("has no tensor '{}'; it holds {held}", one_line(&key)))?;
    let kind = match info.dtype {
        Dtype::F16 => Kind::F2,
        Dtype::F32 => Kind::F4,
        Dtype::F64 => Kind::F8,
        Dtype::I8 => Kind::I1,
        Dtype::I16 => Kind::I2,
        Dtype::I32 => Kind::I4,
        Dtype::I64 => Kind::I8,
        Dtype::U8 => Kind::U1,
        Dtype::U16 => Kind::U2,
        Dtype::U32 => Kind::U4,
        Dtype::U64 => Kind::U8,
        Dtype::BOOL => Kind::B1,
        other => {
            bail!("tensor '{}' is of type {other}, which is not read; save it as float32", one_line(&key))
        }
    };
    let shape: Vec<u64> = info.shape.iter().map(|&n| n as u64).collect();
    let header = Header::new(Element { kind, big_endian: false }, false, &shape)?;
    let (start, end) = info.data_offsets;
    ensure!(
        end.checked_sub(start).map(|bytes| bytes as u64) == Some(header.data_bytes()),
        "damaged: tensor '{}' has another number of bytes than its shape says",
        one_line(&key)
    );
    let skipped = reader.skip(start as u64).map_err(|e| anyhow!("cannot read: {e}"))?;
    ensure!(skipped == start as u64, "truncated: it ends before tensor '{}'", one_line(&key));
    let bytes = Bytes::Stream(Box::new(reader.take(header.data_bytes())));
    Ok((Reader::new(bytes, note), header))
}

/// What the header says, and its length with the 8 bytes before it.
fn read_header(reader: &mut impl Read) -> Result<(Metadata, u64)> {
    let mut length = [0; 8];
    reader.read_exact(&mut length).map_err(|e| anyhow!("cannot read its first 8 bytes: {e}"))?;
    let length = u64::from_le_bytes(length);
    ensure!(length <= MAX_HEADER, "damaged: its header claims {length} bytes");
    let mut header = Vec::new();
    reader.take(length).read_to_end(&mut header).map_err(|e| anyhow!("cannot read: {e}"))?;
    ensure!(header.len() as u64 == length, "truncated: it ends within its header");
    let about = serde_json::from_slice(&header);
    Ok((about.map_err(|e| anyhow!("damaged safetensors: its header cannot be read: {e}"))?, 8 + length))
}

/// The names of all tensors, in the order of their bytes.
///
/// # Errors
/// A damaged header; a file that is longer or shorter than its tensors.
pub(super) fn names(file: &mut File) -> Result<Vec<String>> {
    let (about, start) = read_header(file)?;
    let mut tensors: Vec<_> =
        about.tensors().into_iter().map(|(name, info)| (info.data_offsets, name)).collect();
    tensors.sort();
    let end = start + tensors.last().map_or(0, |((_, end), _)| *end as u64);
    let length = file.metadata().map_err(|e| anyhow!("cannot read: {e}"))?.len();
    ensure!(length >= end, "truncated: it has {length} of {end} bytes");
    ensure!(length == end, "damaged: {} bytes follow its last tensor", length - end);
    Ok(tensors.into_iter().map(|(_, name)| name).collect())
}

fn is_foreign(about: &Metadata) -> bool {
    let format = about.metadata().as_ref().and_then(|metadata| metadata.get("format"));
    format.is_none_or(|format| format != "molrg-model")
}

/// Whether a safetensors file is a model of these programs, or too damaged to tell. Leaves it at its start.
pub(super) fn is_model(bytes: &mut Bytes) -> bool {
    let start = match bytes {
        Bytes::File(file) => {
            let start = start_of(file);
            // A file that does not go back is found cut short by whoever reads it.
            let _ = file.rewind();
            start
        }
        Bytes::Stream(stream) => {
            let start = start_of(stream);
            let rest = std::mem::replace(stream, Box::new(io::empty()));
            *stream = Box::new(Cursor::new(start.clone()).chain(rest));
            start
        }
    };
    let about = start.get(8..).and_then(|header| serde_json::from_slice(header).ok());
    !about.is_some_and(|about| is_foreign(&about))
}

/// The header with its length before it, as far as it goes; errors come again where the rest is read.
fn start_of(reader: &mut impl Read) -> Vec<u8> {
    let mut start = Vec::new();
    let _ = reader.by_ref().take(8).read_to_end(&mut start);
    if let Ok(length) = start.as_slice().try_into() {
        let _ = reader.take(u64::from_le_bytes(length).min(MAX_HEADER)).read_to_end(&mut start);
    }
    start
}
