//! Opening inputs, and telling by their first bytes what they hold.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::bytes::{Bytes, Reader, Tap, widen};
use super::header::{NPY_MAGIC, idx_kind};
use super::images::Folder;
use super::ledger::{Ledger, Note};
use super::tensor;

const STDIN: &str = "<stdin>";

/// Bytes looked at to tell what an input is.
const SNIFFED: u64 = 64;

/// Keys listed in an error; an archive may hold thousands.
pub(super) const LISTED_KEYS: usize = 12;

/// What an input holds. Compression by gzip is undone before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One or more NumPy arrays, back to back.
    Npy,
    /// A zip archive of NumPy arrays.
    Npz,
    /// The format MNIST comes in.
    Idx,
    /// A model file, or other tensors.
    Safetensors,
    /// One tensor of a safetensors file, by its name.
    Tensor,
    /// Anything that looks like text.
    Csv,
}

/// An opened input.
pub struct Input {
    pub(super) name: String,
    content: Content,
    bytes: Bytes,
    /// The member asked for with `FILE.npz:KEY` or `FILE.safetensors:KEY`.
    pub(super) key: Option<String>,
    pub(super) note: Note,
}

impl Input {
    /// Opens `FILE`, `-` (standard input), `FILE.npz:KEY` or `-:KEY`, and tells its
    /// content by its first bytes, never by its name. A folder of png files is IDX.
    ///
    /// # Errors
    /// A missing file, a directory without images, an empty input, and bytes that are nothing
    /// known; each names the file.
    pub fn open(name: &OsStr, ledger: &Ledger) -> Result<Input> {
        let (path, key) = split_key(name);
        if path == Path::new("-") {
            let note = ledger.input(STDIN, None);
            widen(io::stdin());
            return Input::stream(STDIN.to_string(), Box::new(io::stdin()), key, note);
        }
        let shown = printable(path);
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => anyhow!("{shown}: no such file; check its name"),
            _ => anyhow!("{shown}: cannot open: {e}"),
        })?;
        let about = file.metadata().map_err(|e| anyhow!("{shown}: cannot read: {e}"))?;
        let note = ledger.input(&shown, Some(path));
        note.at(path);
        if about.is_dir() {
            let folder = Folder::open(path).map_err(|e| anyhow!("{shown}: {e}"))?;
            return Input::stream(shown, Box::new(folder), key, note);
        }
        if about.is_file() {
            Input::file(shown, file, key, note)
        } else {
            widen(&file);
            Input::stream(shown, Box::new(file), key, note)
        }
    }

    fn file(name: String, mut file: File, key: Option<String>, note: Note) -> Result<Input> {
        let fail = |e| anyhow!("{name}: cannot read: {e}");
        let start = first_bytes(&mut file).map_err(fail)?;
        file.rewind().map_err(fail)?;
        if is_gzip(&start) {
            return Input::gunzip(name, Box::new(Tap::new(file, note.clone())), key, note);
        }
        Input::sniffed(name, &start, Bytes::File(file), key, note)
    }

    pub(super) fn stream(
        name: String,
        stream: Box<dyn Read + Send>,
        key: Option<String>,
        note: Note,
    ) -> Result<Input> {
        let mut stream = Tap::new(stream, note.clone());
        let start = first_bytes(&mut stream).map_err(|e| anyhow!("{name}: cannot read: {e}"))?;
        let whole = Box::new(Cursor::new(start.clone()).chain(stream));
        if is_gzip(&start) {
            return Input::gunzip(name, whole, key, note);
        }
        Input::sniffed(name, &start, Bytes::Stream(whole), key, note)
    }

    fn gunzip(
        name: String,
        compressed: Box<dyn Read + Send>,
        key: Option<String>,
        note: Note,
    ) -> Result<Input> {
        // Several members are one content, as gzip itself has it.
        let mut plain = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, compressed));
        let start =
            first_bytes(&mut plain).map_err(|e| anyhow!("{name}: damaged: cannot uncompress it: {e}"))?;
        let whole = Box::new(Cursor::new(start.clone()).chain(plain));
        Input::sniffed(name, &start, Bytes::Stream(whole), key, note)
    }

    fn sniffed(name: String, start: &[u8], bytes: Bytes, key: Option<String>, note: Note) -> Result<Input> {
        ensure!(!start.is_empty(), "{name}: is empty: {}", why_empty(&name));
        let content = sniff(start).with_context(|| format!("{name}: {}", foreign(start)))?;
        let content = match (&key, content) {
            (Some(_), Content::Safetensors) => Content::Tensor,
            (Some(key), Content::Npy | Content::Idx | Content::Csv) => {
                bail!("{name}: is no npz archive; leave out ':{key}'")
            }
            _ => content,
        };
        if content == Content::Safetensors {
            note.describe(None, &[], "safetensors");
        }
        Ok(Input { name, content, bytes, key, note })
    }

    /// As shown in messages; standard input is `<stdin>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of it as stored, for when it has been read to its end: see [`Rows::sha256`](super::Rows::sha256).
    pub fn sha256_when_read(&self) -> impl Fn() -> Option<String> + use<> {
        let note = self.note.clone();
        move || note.sha256()
    }

    /// Whether it is a model, not other tensors in the same format.
    pub fn is_model(&mut self) -> bool {
        self.content == Content::Safetensors && tensor::is_model(&mut self.bytes)
    }

    /// What it holds.
    pub fn content(&self) -> Content {
        self.content
    }

    /// All its bytes, from the first on, uncompressed if they were gzipped. They
    /// enter the ledger as they are read.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.into_buffered())
    }

    /// Its regular file, of which threads may read parts: none if it is no such file, or if its bytes are noted in
    /// the ledger as they pass.
    pub fn in_parts(&self) -> Option<File> {
        match &self.bytes {
            Bytes::File(file) if !self.note.takes_bytes() => file.try_clone().ok(),
            _ => None,
        }
    }

    pub(super) fn into_buffered(self) -> Reader {
        Reader::new(self.bytes, self.note)
    }

    /// The regular file behind it, at its start.
    pub(super) fn file_mut(&mut self) -> Option<&mut File> {
        match &mut self.bytes {
            Bytes::File(file) => Some(file),
            Bytes::Stream(_) => None,
        }
    }

    /// The array asked for of an npz archive, as an input of its own.
    pub(super) fn into_member(self) -> Result<Input> {
        let mut archive = Archive::open(self)?;
        let (index, key) = archive.member()?;
        archive.unpack(index, &key)
    }

    /// Hands over each array of an npz archive, or the one asked for, as an input
    /// of its own.
    ///
    /// # Errors
    /// A damaged archive, or one without arrays; what `take` returns.
    pub fn each_member(self, mut take: impl FnMut(Input) -> Result<()>) -> Result<()> {
        let mut archive = Archive::open(self)?;
        let members = match archive.asked {
            Some(_) => vec![archive.member()?],
            None => archive.members()?,
        };
        for (index, key) in members {
            take(archive.unpack(index, &key)?)?;
        }
        Ok(())
    }

    /// Hands over each tensor of a safetensors file, as an input of its own.
    ///
    /// # Errors
    /// A damaged file, or one without tensors; what `take` returns.
    pub fn each_tensor(self, mut take: impl FnMut(Input) -> Result<()>) -> Result<()> {
        let Input { name, bytes, note, .. } = self;
        let mut file = seekable(bytes, &name, &note)?;
        let again = |file: &mut File| file.rewind().map_err(|e| anyhow!("{name}: cannot read: {e}"));
        again(&mut file)?;
        let keys = tensor::names(&mut file).map_err(|e| anyhow!("{name}: {e}"))?;
        ensure!(!keys.is_empty(), "{name}: holds no tensors");
        for key in keys {
            again(&mut file)?;
            let same = file.try_clone().map_err(|e| anyhow!("{name}: cannot open: {e}"))?;
            take(Input {
                name: format!("{name}:{}", one_line(&key)),
                content: Content::Tensor,
                bytes: Bytes::File(same),
                key: Some(key),
                note: note.of_content(),
            })?;
        }
        Ok(())
    }
}

/// The file behind an input, which it is read from more than once; of a stream, a copy of it without a name.
fn seekable(bytes: Bytes, name: &str, note: &Note) -> Result<File> {
    match bytes {
        Bytes::File(file) => {
            note.skip();
            Ok(file)
        }
        Bytes::Stream(mut stream) => {
            let spool_failed = |e| spool_failed(name, e);
            let mut spool = tempfile::tempfile().map_err(spool_failed)?;
            io::copy(&mut stream, &mut spool).map_err(spool_failed)?;
            Ok(spool)
        }
    }
}

/// An opened npz archive.
///
/// An archive's list of members is at its end, so one from a pipe is spooled to
/// an unnamed temporary file. So is a member, which checks its checksum before
/// its first row is used.
struct Archive {
    name: String,
    zip: ZipArchive<BufReader<File>>,
    /// The member asked for with `FILE.npz:KEY`.
    asked: Option<String>,
    note: Note,
}

impl Archive {
    fn open(input: Input) -> Result<Archive> {
        let Input { name, bytes, key: asked, note, .. } = input;
        let file = seekable(bytes, &name, &note)?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&name, e))?;
        Ok(Archive { name, zip, asked, note })
    }

    /// Index and key of every array.
    fn members(&self) -> Result<Vec<(usize, String)>> {
        let mut arrays = Vec::new();
        for index in 0..self.zip.len() {
            if let Some(Ok(file)) = self.zip.name_for_index(index)
                && let Some(key) = file.strip_suffix(".npy")
            {
                arrays.push((index, key.to_string()));
            }
        }
        let pickled =
            |index| self.zip.name_for_index(index).is_some_and(|n| n.is_ok_and(|n| n.ends_with("data.pkl")));
        ensure!(
            !arrays.is_empty() || !(0..self.zip.len()).any(pickled),
            "{}: holds no arrays: {FROM_TORCH}",
            self.name
        );
        ensure!(!arrays.is_empty(), "{}: holds no arrays; is it an npz archive?", self.name);
        Ok(arrays)
    }

    /// Index and key of the array to read: the one asked for, or the only one.
    fn member(&self) -> Result<(usize, String)> {
        let name = &self.name;
        let arrays = self.members()?;
        let listed: Vec<&str> = arrays.iter().take(LISTED_KEYS).map(|(_, k)| k.as_str()).collect();
        let more = if arrays.len() > LISTED_KEYS { ", …" } else { "" };
        let keys = format!("{}{more}", one_line(&listed.join(", ")));
        match (&self.asked, arrays.as_slice()) {
            (None, [only]) => Ok(only.clone()),
            (None, _) => bail!(
                "{name}: holds {} arrays: {keys}; name one, as in {}:{}",
                arrays.len(),
                if name == STDIN { "-" } else { name },
                one_line(&arrays[0].1)
            ),
            (Some(asked), _) => {
                let wanted = asked.strip_suffix(".npy").unwrap_or(asked);
                arrays
                    .iter()
                    .find(|(_, key)| key == asked || key == wanted)
                    .cloned()
                    .with_context(|| format!("{name}: has no array '{asked}'; it holds {keys}"))
            }
        }
    }

    /// Unpacks one array.
    fn unpack(&mut self, index: usize, key: &str) -> Result<Input> {
        let (archive, key) = (&self.name, one_line(key));
        let spool_failed = |e| spool_failed(archive, e);
        let mut packed = self.zip.by_index(index).map_err(|e| damaged(archive, e))?;
        let mut member = tempfile::tempfile().map_err(spool_failed)?;
        io::copy(&mut packed, &mut member).map_err(|e| anyhow!("{archive}: cannot unpack '{key}': {e}"))?;
        member.rewind().map_err(spool_failed)?;
        let name = format!("{archive}:{key}");
        let start = first_bytes(&mut member).map_err(spool_failed)?;
        ensure!(
            start.starts_with(NPY_MAGIC),
            "{name}: is not an npy array; was the archive written by numpy.savez?"
        );
        member.rewind().map_err(spool_failed)?;
        Ok(Input {
            name,
            content: Content::Npy,
            bytes: Bytes::File(member),
            key: None,
            note: self.note.of_content(),
        })
    }
}

/// The way from what PyTorch saves.
const FROM_TORCH: &str = "it was written by torch.save, which only PyTorch reads; write the array there with \
                          numpy.save('x.npy', tensor.numpy()), or tensors with safetensors.torch.save_file";

/// Why bytes that are nothing known are not read, and what to do.
fn foreign(start: &[u8]) -> String {
    let known: [(&[u8], &str); 7] = [
        (b"\x89PNG", "is one png image; give the folder that it is in"),
        (b"\xff\xd8\xff", "is a jpeg image; convert it to png, and give the folder that it is in"),
        (b"\x89HDF", "is an HDF5 file; write the array with numpy.save"),
        (b"\x28\xb5\x2f\xfd", "is compressed by zstd; uncompress it, or use gzip"),
        (b"\xfd7zXZ", "is compressed by xz; uncompress it, or use gzip"),
        (b"BZh", "is compressed by bzip2; uncompress it, or use gzip"),
        (b"PAR1", "is a Parquet file; write it as csv"),
    ];
    if let Some((_, why)) = known.iter().find(|(magic, _)| start.starts_with(magic)) {
        return why.to_string();
    }
    // The beginning of a pickle, and the version of its protocol.
    if matches!(start, [0x80, 2..=5, ..]) {
        return "is a Python pickle, which only Python reads; write the array there with numpy.save, or tensors with \
                safetensors.torch.save_file"
            .into();
    }
    "is not an array, table or model this reads; give npy, npz, IDX, csv or safetensors".into()
}

/// What an input of no bytes may be. Of the formats that are read, csv alone has nothing to say of no rows.
fn why_empty(name: &str) -> &'static str {
    let ending = Path::new(name).extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("npy" | "npz" | "gz" | "st" | "safetensors") => {
            "left behind by a program that failed, or not written yet; make it again"
        }
        _ => {
            "a csv of no rows, which does not say how wide they are (npy does), or left behind by a program that failed"
        }
    }
}

fn spool_failed(name: &str, error: io::Error) -> anyhow::Error {
    anyhow!("{name}: cannot spool it to a temporary file: {error}")
}

fn damaged(name: &str, error: zip::result::ZipError) -> anyhow::Error {
    anyhow!("{name}: damaged zip archive: {error}")
}

/// Splits `FILE:KEY`, unless there is a file of that whole name; `-` and, as messages have it, `<stdin>` are
/// standard input.
fn split_key(name: &OsStr) -> (&Path, Option<String>) {
    let whole = Path::new(name);
    let text = name.to_str().filter(|_| !whole.exists()).unwrap_or("");
    text.match_indices(':')
        .map(|(at, _)| (Path::new(&text[..at]), text[at + 1..].to_string()))
        .map(|(file, key)| {
            (if file == Path::new(STDIN) && !file.exists() { Path::new("-") } else { file }, key)
        })
        .find(|(file, key)| !key.is_empty() && (*file == Path::new("-") || (file.exists() && !file.is_dir())))
        .map_or((whole, None), |(file, key)| (file, Some(key)))
}

/// The name in messages: one line, whatever the file is called.
pub(super) fn printable(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = c.is_control();
            c.escape_default().filter(move |_| escape).chain((!escape).then_some(c))
        })
        .collect()
}

fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(SNIFFED).read_to_end(&mut start)?;
    Ok(start)
}

fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

fn sniff(start: &[u8]) -> Option<Content> {
    if start.starts_with(NPY_MAGIC) {
        return Some(Content::Npy);
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Some(Content::Npz);
    }
    // Length of the header, little endian, then the JSON object it holds.
    if let Some((length, rest)) = start.split_first_chunk()
        && u64::from_le_bytes(*length) < 100_000_000
        && rest.first() == Some(&b'{')
    {
        return Some(Content::Safetensors);
    }
    if start.first_chunk().is_some_and(|&start| idx_kind(start).is_some()) {
        return Some(Content::Idx);
    }
    // In any encoding, since names of columns and comments are not used; but these
    // bytes are no letters in UTF-8 or Latin-1, and one begins a cut-off npy file.
    let letter = !matches!(start.first(), Some(0x80..=0xbf));
    let text = !start.iter().copied().any(is_binary);
    (letter && text).then_some(Content::Csv)
}

/// Whether a byte is in no text.
pub(super) fn is_binary(byte: u8) -> bool {
    byte.is_ascii_control() && !byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Option<Content>); 12] = [
            (b"\x93NUMPY\x01\x00", Some(Content::Npy)),
            (b"\x93NUMP", None),
            (b"PK\x03\x04....", Some(Content::Npz)),
            (b"PK\x05\x06", Some(Content::Npz)),
            (b"\x00\x00\x08\x03\x00\x00\xea\x60", Some(Content::Idx)),
            (b"\x00\x00\x0a\x03\x00\x00\xea\x60", None),
            (b"\x00\x00\x08\x00", None),
            (b"\x40\x00\x00\x00\x00\x00\x00\x00{\"", Some(Content::Safetensors)),
            (b"\xff\xff\xff\xff\x00\x00\x00\x00{\"", None),
            (b"1,2,3\n", Some(Content::Csv)),
            (b"gr\xf6\xdfe,a", Some(Content::Csv)),
            (b"\x7fELF\x02\x01", None),
        ];
        for (start, content) in cases {
            assert_eq!(sniff(start), content, "{:?}", start.escape_ascii().to_string());
        }
    }

    #[test]
    fn names_are_shown_on_one_line() {
        assert_eq!(one_line("a\nb\x1bé"), "a\\nb\\u{1b}é");
    }
}
