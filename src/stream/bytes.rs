//! Bytes in: a buffered reader that can jump forward where the file allows it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::AsFd;

use super::ledger::Note;

const BUFFER: usize = 64 << 10;

/// Where the bytes of an input come from.
pub(super) enum Bytes {
    /// A regular file, at its start: one can jump in it.
    File(File),
    /// A pipe, standard input, or what is uncompressed on the way.
    Stream(Box<dyn Read + Send>),
}

/// A reader whose bytes are noted in the ledger as they pass.
pub(super) struct Tap<R> {
    inner: R,
    note: Note,
}

/// A buffered reader over [`Bytes`].
pub(super) enum Reader {
    File(BufReader<Tap<File>>),
    Stream(BufReader<Box<dyn Read + Send>>),
}

/// Makes a pipe of 64 kB hold four times as much, so that the programs at its ends wait
/// less often for each other; what is no pipe, or may not, stays as it is. More would
/// hardly help, and all pipes of a user share 64 MB.
pub(super) fn widen(pipe: impl AsFd) {
    #[cfg(target_os = "linux")]
    {
        use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
        const WIDE: usize = 256 << 10;
        if fcntl_getpipe_size(&pipe).is_ok_and(|size| size < WIDE) {
            let _ = fcntl_setpipe_size(&pipe, WIDE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// Reads until `buf` is full or the input ends; says how much was read.
///
/// # Errors
/// As the reader's.
pub fn read_full(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

impl<R> Tap<R> {
    pub(super) fn new(inner: R, note: Note) -> Tap<R> {
        Tap { inner, note }
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if n > 0 {
            self.note.pass(&buf[..n]);
        } else if !buf.is_empty() {
            self.note.end();
        }
        Ok(n)
    }
}

impl Reader {
    /// `note` is where bytes of a regular file are noted; a stream is tapped
    /// before it is uncompressed, by whoever opened it.
    pub(super) fn new(bytes: Bytes, note: Note) -> Reader {
        match bytes {
            Bytes::File(file) => Reader::File(BufReader::with_capacity(BUFFER, Tap::new(file, note))),
            Bytes::Stream(stream) => Reader::Stream(BufReader::with_capacity(BUFFER, stream)),
        }
    }

    /// Whether the bytes can be read through at little cost.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Reader::File(_))
    }

    /// Whether all bytes have been read.
    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.fill_buf() {
                Ok(buffer) => return Ok(buffer.is_empty()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Passes over `n` bytes; says how many there were before the end.
    pub(super) fn skip(&mut self, n: u64) -> io::Result<u64> {
        match self {
            Reader::File(reader) => {
                let buffered = n.min(reader.buffer().len() as u64);
                reader.consume(buffered as usize);
                if buffered == n {
                    return Ok(n);
                }
                // The buffer is empty: reader and file are at the same place.
                let Tap { inner: file, note } = reader.get_mut();
                let ahead = file.metadata()?.len().saturating_sub(file.stream_position()?);
                let step = ahead.min(n - buffered);
                file.seek(SeekFrom::Current(step as i64))?;
                note.skip();
                Ok(buffered + step)
            }
            Reader::Stream(reader) => io::copy(&mut reader.take(n), &mut io::sink()),
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Reader::File(reader) => reader.read(buf),
            Reader::Stream(reader) => reader.read(buf),
        }
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Reader::File(reader) => reader.fill_buf(),
            Reader::Stream(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Reader::File(reader) => reader.consume(n),
            Reader::Stream(reader) => reader.consume(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Ledger;

    /// A pipe at its worst: a byte at a time, interrupted before each.
    struct Halting<'a>(&'a [u8], bool);

    impl Read for Halting<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = buf.len().min(1);
            self.0.read(&mut buf[..n])
        }
    }

    fn halting(bytes: &'static [u8]) -> Reader {
        let note = Ledger::off().input("", None);
        Reader::new(Bytes::Stream(Box::new(Halting(bytes, false))), note)
    }

    #[test]
    fn interrupted_and_partial_reads_are_continued() {
        let mut reader = halting(b"0123456789");
        let mut buf = [0; 4];
        assert_eq!(read_full(&mut reader, &mut buf).unwrap(), 4);
        assert_eq!(&buf, b"0123");
        assert_eq!(reader.skip(3).unwrap(), 3);
        assert!(!reader.at_end().unwrap());
        assert_eq!(read_full(&mut reader, &mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"789");
        assert!(reader.at_end().unwrap());
        assert_eq!(reader.skip(1).unwrap(), 0);
    }

    #[test]
    fn a_file_is_skipped_no_further_than_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &[7; 200_000]).unwrap();
        file.rewind().unwrap();
        let note = Ledger::off().input("", None);
        let mut reader = Reader::new(Bytes::File(file), note);
        let mut buf = [0; 10];
        assert_eq!(read_full(&mut reader, &mut buf).unwrap(), 10);
        // Within the buffer, beyond it, and beyond the end.
        assert_eq!(reader.skip(20).unwrap(), 20);
        assert_eq!(reader.skip(150_000).unwrap(), 150_000);
        assert_eq!(reader.skip(u64::MAX).unwrap(), 49_970);
        assert!(reader.at_end().unwrap());
    }
}
