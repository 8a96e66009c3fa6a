//! The ledger: what was read and written, with its SHA-256, for `--manifest`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::input::printable;

/// A record of every input and output of a run. Cheap when off: nothing is
/// hashed or kept. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Option<Arc<Mutex<Pages>>>);

/// One input or output, as a manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// As shown in messages; `<stdin>` and `<stdout>` for the standard streams.
    pub name: String,
    /// The bytes of a file's name in hexadecimal, where `name` does not show them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<String>,
    /// Shape of the array, rows first; `None` for what is no array, or an array
    /// whose end has not been seen.
    pub shape: Option<Vec<usize>>,
    /// As stored: `<f4`, `|u1`, `csv`, ….
    pub dtype: Option<String>,
    /// Of the bytes as stored (compressed ones compressed), in hexadecimal.
    /// `None` for a pipe that was not read, or an output not written, to its end;
    /// and for an output [without a digest](super::Table::without_digest).
    pub sha256: Option<String>,
    /// Their number, where there is a hash of them.
    pub bytes: Option<u64>,
    /// Of the [manifest beside](manifest_beside) an input, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// Of a program that is a model: what it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// And the rows that it takes at a time, on which its rounding may depend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
}

impl Record {
    /// The file, by the name it was given.
    pub fn path(&self) -> PathBuf {
        let bytes = self.name_hex.as_deref().and_then(unhex);
        bytes.map_or_else(|| PathBuf::from(&self.name), |bytes| OsString::from_vec(bytes).into())
    }
}

/// Where the manifest of a file is looked for: `FILE.manifest.json`.
pub fn manifest_beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".manifest.json");
    name.into()
}

/// Number and SHA-256 of the bytes of a regular file, as a [`Record`] has them.
///
/// # Errors
/// What opening and reading it reports.
pub fn digest(file: &Path) -> Result<(u64, String)> {
    let hashed = File::open(file).and_then(|mut file| hash_file(&mut file));
    let (hasher, bytes) = hashed.with_context(|| format!("{}: cannot read", printable(file)))?;
    Ok((bytes, hex(&hasher.finalize())))
}

#[derive(Debug, Default)]
struct Pages {
    inputs: Vec<Arc<Mutex<Entry>>>,
    outputs: Vec<Arc<Mutex<Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    name: String,
    name_hex: Option<String>,
    shape: Option<Vec<usize>>,
    dtype: Option<String>,
    /// A handle of its own to a regular input file, so that the file can be
    /// hashed even if its name has been taken by an output in the meantime.
    file: Option<File>,
    /// The manifest beside it.
    manifest: Option<File>,
    hasher: Sha256,
    bytes: u64,
    /// Of a program: its record.
    process: Option<Record>,
    /// Bytes have been jumped over: the hash is worth nothing.
    skipped: bool,
    ended: bool,
}

/// Where one input or output is noted. Does nothing when the ledger is off.
#[derive(Clone, Debug)]
pub(super) struct Note {
    entry: Option<Arc<Mutex<Entry>>>,
    /// Whether bytes that pass are those of the input itself, not what was
    /// unpacked from it.
    bytes: bool,
}

impl Ledger {
    /// A ledger that records nothing.
    pub fn off() -> Ledger {
        Ledger(None)
    }

    /// A ledger that records, and hashes what passes.
    pub fn on() -> Ledger {
        Ledger(Some(Arc::default()))
    }

    /// This ledger if it records, else one that does, of its own.
    pub fn or_on(&self) -> Ledger {
        match &self.0 {
            Some(_) => self.clone(),
            None => Ledger::on(),
        }
    }

    /// Inputs in the order of their opening. A regular file that was read in part
    /// is now hashed whole.
    pub fn inputs(&self) -> Vec<Record> {
        self.records(|pages| &pages.inputs)
    }

    /// Outputs in the order of their creation.
    pub fn outputs(&self) -> Vec<Record> {
        self.records(|pages| &pages.outputs)
    }

    /// Opens an entry for an input; `path` is that of a file.
    pub(super) fn input(&self, name: &str, path: Option<&Path>) -> Note {
        self.enter(name, path, |pages| &mut pages.inputs)
    }

    pub(super) fn output(&self, name: &str) -> Note {
        self.enter(name, None, |pages| &mut pages.outputs)
    }

    /// Enters a program that is a model, as it says that it is.
    pub fn process(&self, record: Record) {
        if let Some(pages) = &self.0 {
            let entry = Entry { process: Some(record), ..Entry::default() };
            lock(pages).inputs.push(Arc::new(Mutex::new(entry)));
        }
    }

    fn enter(
        &self,
        name: &str,
        path: Option<&Path>,
        page: impl FnOnce(&mut Pages) -> &mut Vec<Arc<Mutex<Entry>>>,
    ) -> Note {
        let entry = self.0.as_ref().map(|pages| {
            let (file, manifest) =
                (path.and_then(open_regular), path.and_then(|p| open_regular(&manifest_beside(p))));
            let entry =
                Arc::new(Mutex::new(Entry { name: name.to_string(), file, manifest, ..Entry::default() }));
            page(&mut lock(pages)).push(entry.clone());
            entry
        });
        Note { entry, bytes: true }
    }

    fn records(&self, page: impl FnOnce(&Pages) -> &Vec<Arc<Mutex<Entry>>>) -> Vec<Record> {
        let entries = match &self.0 {
            Some(pages) => page(&lock(pages)).clone(),
            None => return Vec::new(),
        };
        entries.iter().map(|entry| lock(entry).record()).collect()
    }
}

impl Entry {
    fn record(&mut self) -> Record {
        if let Some(process) = &self.process {
            return process.clone();
        }
        let seen = (self.ended && !self.skipped).then(|| (self.hasher.clone(), self.bytes));
        let whole = seen.or_else(|| hash_file(self.file.as_mut()?).ok());
        Record {
            name: self.name.clone(),
            name_hex: self.name_hex.clone(),
            shape: self.shape.clone(),
            dtype: self.dtype.clone(),
            bytes: whole.as_ref().map(|(_, bytes)| *bytes),
            sha256: whole.map(|(hasher, _)| hex(&hasher.finalize())),
            manifest_sha256: (self.manifest.as_mut())
                .and_then(|file| hash_file(file).ok())
                .map(|(hasher, _)| hex(&hasher.finalize())),
            program: None,
            batch: None,
        }
    }
}

impl Note {
    /// A note for what was unpacked from the input: what it is is noted, its bytes
    /// are not.
    pub(super) fn of_content(&self) -> Note {
        Note { entry: self.entry.clone(), bytes: false }
    }

    /// Whether bytes that pass are noted.
    pub(super) fn takes_bytes(&self) -> bool {
        self.entry.is_some() && self.bytes
    }

    /// The path behind the name, which may hold what a line of text does not.
    pub(super) fn at(&self, path: &Path) {
        if let Some(entry) = &self.entry {
            let mut entry = lock(entry);
            let bytes = path.as_os_str().as_bytes();
            entry.name_hex = (bytes != entry.name.as_bytes()).then(|| hex(bytes));
        }
    }

    /// These bytes have passed.
    pub(super) fn pass(&self, bytes: &[u8]) {
        self.with_bytes(|entry| {
            entry.bytes += bytes.len() as u64;
            if !entry.skipped {
                entry.hasher.update(bytes);
            }
        });
    }

    /// Bytes were jumped over, so those that pass are not the whole (or are not worth hashing).
    pub(super) fn skip(&self) {
        self.with_bytes(|entry| entry.skipped = true);
    }

    /// Of all bytes, as [`Record::sha256`].
    pub(super) fn sha256(&self) -> Option<String> {
        lock(self.entry.as_ref()?).record().sha256
    }

    /// All bytes have passed.
    pub(super) fn end(&self) {
        self.with_bytes(|entry| entry.ended = true);
    }

    /// What the bytes are; `rows` once it is known.
    pub(super) fn describe(&self, rows: Option<u64>, item_shape: &[usize], dtype: &str) {
        if let Some(entry) = &self.entry {
            let mut entry = lock(entry);
            entry.shape = rows.map(|rows| {
                let mut shape = vec![rows as usize];
                shape.extend(item_shape);
                shape
            });
            entry.dtype = Some(dtype.to_string());
        }
    }

    fn with_bytes(&self, change: impl FnOnce(&mut Entry)) {
        if let (Some(entry), true) = (&self.entry, self.bytes) {
            change(&mut lock(entry));
        }
    }
}

/// A panic elsewhere leaves the ledger as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing that could block, or go on for ever.
fn open_regular(path: &Path) -> Option<File> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).and_then(|_| File::open(path).ok())
}

fn hash_file(file: &mut File) -> io::Result<(Sha256, u64)> {
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((hasher, bytes)),
            Ok(n) => {
                hasher.update(&chunk[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(|pair| byte(pair)).collect())?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
