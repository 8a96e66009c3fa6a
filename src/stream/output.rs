//! Bytes out: to a file that appears complete or not at all, or straight through.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow, bail, ensure};
use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;

use super::bytes::widen;
use super::input::printable;
use super::ledger::{Ledger, Note};

const BUFFER: usize = 256 << 10;

/// Links followed from one name, as many as Linux itself follows.
const MAX_LINKS: usize = 40;

/// Encoding of what is written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Npy,
    Csv,
    Json,
}

/// Where bytes go: a file that appears complete or not at all, standard output,
/// or a special file (a pipe, a device) written straight through.
///
/// Writing is buffered. Errors name the file and keep their [`io::ErrorKind`], so
/// that a closed pipe can be told from a full disk. What is dropped before
/// [`Output::finish`] leaves no file, and its buffer unwritten.
pub struct Output {
    name: String,
    target: Target,
    /// Whether a person would see the bytes.
    terminal: bool,
    /// Where nothing else may be written, `-` for standard output; nowhere for pipes and devices.
    place: Option<PathBuf>,
    buffer: Vec<u8>,
    /// A write has failed: what is there is not the whole.
    failed: bool,
    held: Option<Held>,
    pub(super) note: Note,
}

/// Holds finished files back, so that those of one run appear together or not at
/// all. Clones share what they hold; what is not released leaves no file.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Vec<(String, AtomicWriteFile)>>>);

impl Held {
    /// Gives all files their names, in the order in which they were finished.
    ///
    /// # Errors
    /// Everything the file system reports; the files that are left then do not appear.
    pub fn release(&self) -> Result<()> {
        let files = std::mem::take(&mut *self.files());
        files
            .into_iter()
            .try_for_each(|(name, file)| Ok(file.commit().map_err(|e| cannot_write(&name, e))?))
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Vec<(String, AtomicWriteFile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) enum Target {
    Straight(File),
    Atomic(AtomicWriteFile),
    #[cfg(test)]
    Failing(Box<dyn Write + Send>),
}

impl Output {
    /// Opens `path`; `None` or `-` is standard output.
    ///
    /// A new file takes its place at [`Output::finish`], with permissions as the
    /// umask has them; through a symbolic link, the place of what the link points
    /// to. Pipes, devices and open files (`/dev/stdout`, `/dev/fd/N`, the shell's `>(command)`) are written as
    /// they are.
    ///
    /// # Errors
    /// A directory that is missing or cannot be written, a path that is a
    /// directory, a file that is protected from writing: all before any work.
    pub fn create(path: Option<&Path>, ledger: &Ledger) -> Result<Output> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Output::inherited("<stdout>".to_string(), io::stdout().as_fd(), "-", ledger);
        };
        ensure!(!path.as_os_str().is_empty(), "the output has no name; give --output a file");
        let name = printable(path);
        match open(path).map_err(|e| anyhow!("{name}: {e}"))? {
            Opened::Stdout => Output::inherited(name, io::stdout().as_fd(), "-", ledger),
            Opened::Stderr => Output::inherited(name, io::stderr().as_fd(), "/dev/stderr", ledger),
            Opened::Special(file) => Ok(Output::straight(name, file, ledger)),
            Opened::New(file, place) => {
                let output = Output { place: Some(place), ..Output::new(name, Target::Atomic(file), ledger) };
                output.note.at(path);
                Ok(output)
            }
        }
    }

    /// What the shell has opened. The file itself, since `Stdout` looks through all bytes for newlines.
    fn inherited(name: String, open: BorrowedFd, place: &str, ledger: &Ledger) -> Result<Output> {
        let file = open.try_clone_to_owned().map_err(|e| anyhow!("{name}: cannot write: {e}"))?;
        Ok(Output { place: Some(place.into()), ..Output::straight(name, File::from(file), ledger) })
    }

    fn straight(name: String, file: File, ledger: &Ledger) -> Output {
        let terminal = file.is_terminal();
        widen(&file);
        Output { terminal, ..Output::new(name, Target::Straight(file), ledger) }
    }

    pub(super) fn new(name: String, target: Target, ledger: &Ledger) -> Output {
        Output {
            note: ledger.output(&name),
            name,
            target,
            terminal: false,
            place: None,
            buffer: Vec::new(),
            failed: false,
            held: None,
        }
    }

    /// The same, but a file takes its place only at [`Held::release`].
    pub fn held_by(self, held: &Held) -> Output {
        Output { held: Some(held.clone()), ..self }
    }

    /// As shown in messages; standard output is `<stdout>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a person would see the bytes.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The file itself, whatever name it was given by; `-` for standard output, `None` for pipes and devices.
    pub fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    /// Writes what is buffered, makes it last, and gives the file its name (or
    /// leaves that to what holds it).
    ///
    /// # Errors
    /// Everything the file system reports; then the file does not appear.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        ensure!(!self.failed, "{}: not finished, since writing it failed before", self.name);
        let Output { name, target, note, held, .. } = self;
        match (target, held) {
            (Target::Straight(_), _) => {}
            #[cfg(test)]
            (Target::Failing(_), _) => {}
            (Target::Atomic(file), Some(held)) => held.files().push((name, file)),
            (Target::Atomic(file), None) => file.commit().map_err(|e| cannot_write(&name, e))?,
        }
        note.end();
        Ok(())
    }

    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Straight(file) => file.write_all(bytes),
            Target::Atomic(file) => file.write_all(bytes),
            #[cfg(test)]
            Target::Failing(sink) => sink.write_all(bytes),
        }
        .map_err(|e| self.failure(e))?;
        self.note.pass(bytes);
        Ok(())
    }

    /// Writes what is left of a file.
    ///
    /// # Errors
    /// As writing its bytes; what reading the file reports.
    pub(super) fn write_file(&mut self, mut file: File) -> io::Result<()> {
        self.write_buffer()?;
        let copied = match &mut self.target {
            // Without passing through this program, where nothing looks at the bytes.
            Target::Straight(out) if !self.note.takes_bytes() => io::copy(&mut file, out),
            _ => return io::copy(&mut file, self).map(|_| ()),
        };
        copied.map(|_| ()).map_err(|e| self.failure(e))
    }

    fn failure(&mut self, error: io::Error) -> io::Error {
        self.failed = true;
        cannot_write(&self.name, error)
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.write_through(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.write_buffer()?;
        }
        if bytes.len() >= BUFFER {
            self.write_through(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()
    }
}

/// The name goes into the `io::Error` itself: it then survives every `?`, and
/// its kind still tells a closed pipe.
fn cannot_write(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: cannot write: {error}"))
}

enum Opened {
    Stdout,
    Stderr,
    /// A pipe, a device, or a file that is open already.
    Special(File),
    /// A file that takes its place when it is complete, and that place.
    New(AtomicWriteFile, PathBuf),
}

fn open(path: &Path) -> Result<Opened> {
    let trailing_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    ensure!(
        !path.is_dir() && !trailing_slash && path.file_name().is_some(),
        "is a directory; name a file in it"
    );
    let path = follow_links(path)?;
    if let Some(number) = descriptor(&path) {
        return open_descriptor(&path, &number);
    }
    if let Ok(about) = fs::metadata(&path) {
        // Also tells whether an existing file is protected: renaming would not.
        let existing = OpenOptions::new().write(true).open(&path);
        let existing = existing.map_err(|e| anyhow!("cannot write: {e}"))?;
        if !about.is_file() {
            return Ok(Opened::Special(existing));
        }
    }
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let file = AtomicWriteFile::options().preserve_mode(false).preserve_owner(false).open(&path);
    let file = file.map_err(|e| match directory.exists() {
        false => anyhow!("there is no directory {}; create it first", printable(directory)),
        true => anyhow!("cannot write in directory {}: {e}", printable(directory)),
    })?;
    let place = directory.canonicalize().map_err(|e| anyhow!("cannot write: {e}"))?;
    Ok(Opened::New(file, place.join(path.file_name().unwrap_or_default())))
}

/// What a symbolic link points to in the end, whether or not that exists; of a file that is open in this process
/// the name under which the system lists it.
fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        if descriptor(&path).is_some() {
            return Ok(path);
        }
        match fs::read_link(&path) {
            // A relative target is relative to the link's directory.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    bail!("is a symbolic link that leads nowhere")
}

/// The number of an open file, if this is its name: `/dev/fd/63`, `/proc/self/fd/1`.
fn descriptor(path: &Path) -> Option<String> {
    let number = path.file_name()?.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))?;
    let directory = path.parent()?;
    let listed = directory == Path::new("/dev/fd")
        || directory
            .canonicalize()
            .is_ok_and(|d| d == Path::new(&format!("/proc/{}/fd", std::process::id())));
    listed.then(|| number.to_string())
}

/// Standard output and error as they stand; others opened anew, which for a file means at its end, so that nothing
/// in it is lost.
fn open_descriptor(path: &Path, number: &str) -> Result<Opened> {
    match number {
        "1" => Ok(Opened::Stdout),
        "2" => Ok(Opened::Stderr),
        _ => {
            let file =
                OpenOptions::new().append(true).open(path).map_err(|e| anyhow!("cannot write: {e}"))?;
            Ok(Opened::Special(file))
        }
    }
}
