//! Safetensors frames, one after another: what is exchanged with programs that are models. Each is a length
//! (u64, little endian), so many bytes of JSON, and the bytes of the tensors that these announce.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};

use anyhow::{Context, Result, anyhow, bail, ensure};
use safetensors::tensor::Metadata;

use super::read_full;
use super::tensors::{self, Entry, MAX_HEADER, TensorFile};

const BUFFER: usize = 64 << 10;

/// Bytes shown of what is no frame.
const SHOWN: usize = 48;

/// Length of a frame's header and the byte it begins with.
const START: usize = 9;

/// A reader of frames.
pub struct Frames<R> {
    inner: BufReader<R>,
    /// Bytes that have been looked at and come next.
    ahead: Vec<u8>,
    /// There was nothing left to read.
    ended: bool,
}

impl<R: Read> Frames<R> {
    pub fn new(reader: R) -> Frames<R> {
        Frames { inner: BufReader::with_capacity(BUFFER, reader), ahead: Vec::new(), ended: false }
    }

    /// Hands what comes before the first frame to `pass`; says whether a frame comes at all. What could be the
    /// beginning of one, three bytes at most of a text, waits for what follows.
    ///
    /// # Errors
    /// The reader's.
    pub fn skip_greeting(&mut self, mut pass: impl FnMut(&[u8])) -> Result<bool> {
        let mut greeting = Vec::new();
        loop {
            let mut byte = [0];
            if read_full(&mut self.inner, &mut byte).context("cannot read")? == 0 {
                greeting.append(&mut self.ahead);
                pass(&greeting);
                return Ok(false);
            }
            self.ahead.push(byte[0]);
            while !may_begin(&self.ahead) {
                greeting.push(self.ahead.remove(0));
            }
            let begun = self.ahead.len() == START;
            if begun || self.inner.buffer().is_empty() || greeting.len() >= BUFFER {
                pass(&greeting);
                greeting.clear();
            }
            if begun {
                return Ok(true);
            }
        }
    }

    /// The next frame; nothing at the end. Memory follows what arrives, not what is announced.
    ///
    /// # Errors
    /// The reader's; a frame that is cut short; what is no frame, with its first bytes.
    pub fn next_frame(&mut self) -> Result<Option<TensorFile>> {
        let mut start = [0; START];
        let read = read_full(self, &mut start).context("cannot read")?;
        if read == 0 {
            return Ok(None);
        }
        if read < START || !may_begin(&start) {
            let cut_short = read < START && may_begin(&start[..read]);
            let shown = self.shown(&start[..read]);
            ensure!(!cut_short, "it ended within a frame, after {shown}");
            bail!("what came is no frame: it begins {shown}");
        }
        let length = u64::from_le_bytes(*start.first_chunk().unwrap_or(&[0; 8]));
        let mut header = vec![start[START - 1]];
        self.take(length - 1).read_to_end(&mut header).context("cannot read")?;
        ensure!(header.len() as u64 == length, "it ended within the header of a frame");
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| anyhow!("what came is no frame: its header is damaged: {e}"))?;
        TensorFile::of(self, &header).context("a frame is not whole").map(Some)
    }

    /// Whether the end has been seen, after a frame or within one.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes, and what has come with them, as an error shows them.
    fn shown(&self, bytes: &[u8]) -> String {
        let more = self.inner.buffer();
        let all = [bytes, &more[..more.len().min(SHOWN - bytes.len())]].concat();
        format!("\"{}\"", all.escape_ascii())
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.ahead.is_empty() {
            let n = self.inner.read(buf)?;
            self.ended |= n == 0 && !buf.is_empty();
            return Ok(n);
        }
        let n = buf.len().min(self.ahead.len());
        buf[..n].copy_from_slice(&self.ahead[..n]);
        self.ahead.drain(..n);
        Ok(n)
    }
}

/// Whether a frame may begin with these bytes, nine at most. No text does: its length has
/// four zeros.
fn may_begin(bytes: &[u8]) -> bool {
    let mut length = [0; 8];
    let known = bytes.len().min(8);
    length[..known].copy_from_slice(&bytes[..known]);
    let length = u64::from_le_bytes(length);
    length <= MAX_HEADER && (known < 8 || length >= 2) && bytes.get(8).is_none_or(|first| *first == b'{')
}

/// Writes a frame, to the end: whoever waits for it has it.
///
/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, metadata: &BTreeMap<String, String>, entries: &[Entry]) -> Result<()> {
    tensors::put(out, metadata, entries)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tensors::{Numbers, Values};
    use super::*;
    use crate::scalar::Dtype;
    use crate::stream::faults::{FailingReader, Fault, GONE};

    fn frame(id: &str, numbers: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (shape, numbers) = (vec![numbers.len()], Numbers::F32(numbers));
        let entry = Entry { name: "y".into(), shape, dtype: Dtype::F32, numbers };
        write(&mut bytes, &[("id".to_string(), id.to_string())].into(), &[entry]).unwrap();
        bytes
    }

    fn all(bytes: &[u8]) -> Result<Vec<(String, Values)>> {
        let mut frames = Frames::new(bytes);
        let mut found = Vec::new();
        while let Some(mut frame) = frames.next_frame()? {
            let id = frame.entry("id").unwrap_or("").to_string();
            found.push((id, frame.take("y")?.values));
        }
        Ok(found)
    }

    #[test]
    fn frames_follow_each_other() {
        let (a, b) = (vec![1.5f32, -2.0, f32::NAN], vec![0.25f32; 100_000]);
        let found = all(&[frame("1", &a), frame("2", &[]), frame("3", &b)].concat()).unwrap();
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        let Values::F32(first) = &found[0].1 else { panic!("f32") };
        assert_eq!(
            first.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            a.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
        assert_eq!(found[2].1, Values::F32(b));
    }

    #[test]
    fn every_cut_but_one_between_frames_is_an_error() {
        let two = [frame("1", &[1.0, 2.0]), frame("2", &[3.0])];
        let bytes = two.concat();
        for cut in 0..=bytes.len() {
            let found = all(&bytes[..cut]);
            let whole = cut == 0 || cut == two[0].len() || cut == bytes.len();
            assert_eq!(found.is_ok(), whole, "cut at {cut}");
            if let Err(e) = found {
                assert!(!format!("{e:#}").contains('\n'), "{e:#}");
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_shown() {
        let said = format!("{:#}", all(b"epoch 3: loss\x1b[0m 0.25\n").unwrap_err());
        assert!(said.contains(r#""epoch 3: loss\x1b[0m 0.25\n""#), "{said}");
        let bytes = [frame("1", &[1.0]), b"done\n".to_vec()].concat();
        assert!(format!("{:#}", all(&bytes).unwrap_err()).contains("done"));
    }

    #[test]
    fn a_greeting_is_passed_on_to_its_last_byte() {
        let long = "loading a network: 100 %\r\n".repeat(7000);
        for greeting in ["", "a", "abc\n", "12345678{", "{}\0\n", "\u{1}\0\0", long.as_str()] {
            let bytes = [greeting.as_bytes(), &frame("1", &[4.0])].concat();
            let mut passed = Vec::new();
            let mut frames = Frames::new(&bytes[..]);
            assert!(frames.skip_greeting(|said| passed.extend_from_slice(said)).unwrap());
            assert_eq!(passed, greeting.as_bytes());
            assert_eq!(frames.next_frame().unwrap().unwrap().entry("id"), Some("1"));
            assert!(frames.next_frame().unwrap().is_none());
            // And nothing else.
            let mut passed = Vec::new();
            let comes = Frames::new(greeting.as_bytes()).skip_greeting(|said| passed.extend_from_slice(said));
            assert!(!comes.unwrap() && passed == greeting.as_bytes());
        }
    }

    #[test]
    fn a_read_that_fails_is_an_error() {
        let bytes = [frame("1", &[1.0; 20]), frame("2", &[2.0])].concat();
        for call in 0.. {
            let fault = Fault::at(call);
            let reader = FailingReader { bytes: std::io::Cursor::new(bytes.clone()), fault: fault.clone() };
            let mut frames = Frames::new(reader);
            let mut read = || -> Result<usize> {
                let mut count = 0;
                while frames.next_frame()?.is_some() {
                    count += 1;
                }
                Ok(count)
            };
            match read() {
                Ok(count) => {
                    assert!(!fault.happened() && count == 2);
                    return;
                }
                Err(e) => assert!(format!("{e:#}").contains(GONE), "{e:#}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever arrives: an answer, no panic, and no more numbers than bytes that came.
        #[test]
        fn any_bytes_are_frames_or_an_error(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            small in any::<bool>(),
            keep in any::<bool>(),
        ) {
            if keep {
                // A sound frame with one byte changed.
                let mut sound = frame("17", &[0.5; 9]);
                let index = at.index(sound.len());
                sound[index] = bytes.first().copied().unwrap_or(0);
                bytes = [sound, bytes].concat();
            } else if small && bytes.len() > 9 {
                bytes[1..8].fill(0);
                bytes[8] = b'{';
            }
            let mut frames = Frames::new(&bytes[..]);
            let _ = frames.skip_greeting(|_| ());
            let mut numbers = 0;
            while let Ok(Some(mut frame)) = frames.next_frame() {
                numbers += frame.take("y").map_or(0, |y| y.values.len());
            }
            prop_assert!(4 * numbers <= bytes.len());
        }

        /// A header may announce anything: what is not there is not allocated.
        #[test]
        fn announced_lengths_are_not_believed(n in 1u64..1 << 40, wide in any::<bool>()) {
            let (dtype, size) = if wide { ("F64", 8) } else { ("F32", 4) };
            let header = format!(
                r#"{{"y":{{"dtype":"{dtype}","shape":[{n}],"data_offsets":[0,{}]}}}}"#, n * size
            );
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend([0; 7]);
            // A terabyte that was believed would end the test.
            let said = format!("{:#}", Frames::new(&bytes[..]).next_frame().err().unwrap());
            prop_assert!(said.contains("not whole"), "{}", said);
        }
    }
}
