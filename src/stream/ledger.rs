//! The ledger: what was read and written, with its SHA-256, for `--manifest`.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// A record of every input and output of a run. Cheap when off: nothing is
/// hashed or kept. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Option<Arc<Mutex<Pages>>>);

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// As shown in messages; `<stdin>` and `<stdout>` for the standard streams.
    pub name: String,
    /// Shape of the array, rows first; `None` for what is no array, or an array
    /// whose end has not been seen.
    pub shape: Option<Vec<usize>>,
    /// As stored: `<f4`, `|u1`, `csv`, ….
    pub dtype: Option<String>,
    /// Of the bytes as stored (compressed ones compressed), in hexadecimal.
    /// `None` for a pipe that was not read, or an output not written, to its end.
    pub sha256: Option<String>,
    /// Size, or what has passed so far where the end has not been seen.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Pages {
    inputs: Vec<Arc<Mutex<Entry>>>,
    outputs: Vec<Arc<Mutex<Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    name: String,
    shape: Option<Vec<usize>>,
    dtype: Option<String>,
    /// A handle of its own to a regular input file, so that the file can be
    /// hashed even if its name has been taken by an output in the meantime.
    file: Option<File>,
    hasher: Sha256,
    bytes: u64,
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

    /// Opens an entry for an input; `file` opens a second handle to a regular file.
    pub(super) fn input(&self, name: &str, file: impl FnOnce() -> Option<File>) -> Note {
        self.enter(name, file, |pages| &mut pages.inputs)
    }

    pub(super) fn output(&self, name: &str) -> Note {
        self.enter(name, || None, |pages| &mut pages.outputs)
    }

    fn enter(
        &self,
        name: &str,
        file: impl FnOnce() -> Option<File>,
        page: impl FnOnce(&mut Pages) -> &mut Vec<Arc<Mutex<Entry>>>,
    ) -> Note {
        let entry = self.0.as_ref().map(|pages| {
            let entry =
                Arc::new(Mutex::new(Entry { name: name.to_string(), file: file(), ..Entry::default() }));
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
        let seen = (self.ended && !self.skipped).then(|| (self.hasher.clone(), self.bytes));
        let whole = seen.or_else(|| hash_file(self.file.as_mut()?).ok());
        Record {
            name: self.name.clone(),
            shape: self.shape.clone(),
            dtype: self.dtype.clone(),
            bytes: whole.as_ref().map_or(self.bytes, |(_, bytes)| *bytes),
            sha256: whole.map(|(hasher, _)| hex(&hasher.finalize())),
        }
    }
}

impl Note {
    /// A note for what was unpacked from the input: what it is is noted, its bytes
    /// are not.
    pub(super) fn of_content(&self) -> Note {
        Note { entry: self.entry.clone(), bytes: false }
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

    /// Bytes were jumped over, so those that pass are not the whole.
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
