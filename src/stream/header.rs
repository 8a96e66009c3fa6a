//! The headers of NumPy's `.npy` and of IDX files: what they say, checked, and
//! how NumPy writes the former.

use std::io::Read;

use anyhow::{Result, anyhow, bail, ensure};

use super::element::{Element, Kind};

pub(super) const NPY_MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy's own headers take about a hundred bytes; a longer one is an attack.
const MAX_HEADER: u32 = 64 << 10;
const MAX_AXES: usize = 8;

const NO_RECORDS: &str = "dtype is refused: it is a structured one; save its fields as columns";

/// How NumPy begins the header of a structured array.
const STRUCTURED: &[u8] = b"{'descr': [";

/// What a header says of the block of numbers after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    /// First axis runs fastest, as in Fortran.
    pub(super) fortran: bool,
    pub(super) rows: u64,
    /// Of one row; `[1]` for an array of one axis.
    pub(super) item_shape: Vec<usize>,
}

impl Header {
    /// Reads a `.npy` header, from its magic to its end.
    pub(super) fn read_npy(reader: &mut impl Read) -> Result<Header> {
        let mut start = [0; 8];
        exact(reader, &mut start)?;
        let [magic @ .., major, minor] = start;
        ensure!(&magic == NPY_MAGIC, "damaged: its first bytes are not those of an npy array");
        let length = match (major, minor) {
            (1, 0) => {
                let mut length = [0; 2];
                exact(reader, &mut length)?;
                u32::from(u16::from_le_bytes(length))
            }
            (2 | 3, 0) => {
                let mut length = [0; 4];
                exact(reader, &mut length)?;
                u32::from_le_bytes(length)
            }
            _ => bail!("npy version {major}.{minor} is not known; save it again with NumPy"),
        };
        let mut text = vec![0; length.min(MAX_HEADER) as usize];
        if length > MAX_HEADER {
            // Whatever is in it, it is not read further than to the list of fields of a structured array.
            let _ = reader.read_exact(&mut text[..STRUCTURED.len()]);
            ensure!(!text.starts_with(STRUCTURED), "{NO_RECORDS}");
            bail!("damaged: its header claims {length} bytes");
        }
        exact(reader, &mut text)?;
        Dictionary::parse(&text)?.header()
    }

    /// Reads the header of an IDX file, the format of MNIST: two zeros, type, number
    /// of axes, and their lengths, big endian.
    pub(super) fn read_idx(reader: &mut impl Read) -> Result<Header> {
        let mut start = [0; 4];
        exact(reader, &mut start)?;
        let kind = idx_kind(start)
            .ok_or_else(|| anyhow!("damaged: its first bytes are not those of an IDX file"))?;
        let mut shape = Vec::new();
        for _ in 0..start[3] {
            let mut length = [0; 4];
            exact(reader, &mut length)?;
            shape.push(u64::from(u32::from_be_bytes(length)));
        }
        let big_endian = !matches!(kind, Kind::U1 | Kind::I1);
        Header::new(Element { kind, big_endian }, false, &shape)
    }

    pub(super) fn new(element: Element, fortran: bool, shape: &[u64]) -> Result<Header> {
        let Some((&rows, item)) = shape.split_first() else {
            bail!("is a single number without axes, not an array of rows");
        };
        ensure!(shape.len() <= MAX_AXES, "has {} axes; at most {MAX_AXES} are read", shape.len());
        ensure!(!item.contains(&0), "its rows hold no numbers: shape {}", tuple(shape));
        // A block of no rows must still have rows that could exist.
        let bytes =
            [rows.max(1)].iter().chain(item).try_fold(element.size() as u64, |size, &n| size.checked_mul(n));
        ensure!(
            bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok()),
            "damaged: shape {} is more than any memory holds",
            tuple(shape)
        );
        let item_shape = match item {
            [] => vec![1],
            // Each factor is at most the product, which was just seen to fit.
            _ => item.iter().map(|&n| n as usize).collect(),
        };
        Ok(Header { element, fortran: fortran && shape.len() > 1, rows, item_shape })
    }

    /// Numbers in one row.
    pub(super) fn width(&self) -> usize {
        self.item_shape.iter().product()
    }

    /// Bytes of one row.
    pub(super) fn row_bytes(&self) -> usize {
        self.width() * self.element.size()
    }

    /// Bytes of the whole block.
    pub(super) fn data_bytes(&self) -> u64 {
        self.rows * self.row_bytes() as u64
    }
}

/// The number type an IDX file's first four bytes name, if they are such.
pub(super) fn idx_kind(start: [u8; 4]) -> Option<Kind> {
    match start {
        [0, 0, kind, 1..=8] => match kind {
            0x08 => Some(Kind::U1),
            0x09 => Some(Kind::I1),
            0x0b => Some(Kind::I2),
            0x0c => Some(Kind::I4),
            0x0d => Some(Kind::F4),
            0x0e => Some(Kind::F8),
            _ => None,
        },
        _ => None,
    }
}

/// The bytes NumPy writes before a C-ordered array: version 1.0, padded so that
/// the numbers start at a multiple of 64 bytes.
pub(super) fn npy_header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {}, }}", tuple(&shape));
    // NumPy leaves room for the first axis to grow to 21 digits.
    let digits = shape.first().map_or(0, |n| n.to_string().len());
    text.push_str(&" ".repeat(21usize.saturating_sub(digits)));
    let unpadded = NPY_MAGIC.len() + 2 + 2 + text.len() + 1;
    // Like NumPy: 64 more, not none, where it fits already.
    text.push_str(&" ".repeat(64 - unpadded % 64));
    text.push('\n');
    let mut bytes = NPY_MAGIC.to_vec();
    bytes.extend([1, 0]);
    // At most 8 axes of 20 digits: some 300 bytes.
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A shape as Python writes it.
pub(super) fn tuple(shape: &[u64]) -> String {
    match shape {
        [n] => format!("({n},)"),
        _ => {
            let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    }
}

/// Fills `buf`; `Read::read_exact` retries interruptions.
fn exact(reader: &mut impl Read, buf: &mut [u8]) -> Result<()> {
    reader.read_exact(buf).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            anyhow!("truncated: it ends inside its header; the producer stopped early, run it again")
        }
        _ => anyhow!("cannot read: {e}"),
    })
}

/// The Python dictionary a `.npy` header holds: exactly these three keys.
#[derive(Default)]
struct Dictionary {
    descr: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<u64>>,
}

impl Dictionary {
    fn parse(text: &[u8]) -> Result<Dictionary> {
        let mut cursor = Cursor { text, at: 0 };
        let mut found = Dictionary::default();
        cursor.expect(b'{')?;
        while !cursor.accept(b'}') {
            let key = cursor.string()?;
            cursor.expect(b':')?;
            let first = match key {
                "descr" => {
                    ensure!(cursor.peek() != Some(b'['), "{NO_RECORDS}");
                    found.descr.replace(cursor.string()?.to_string()).is_none()
                }
                "fortran_order" => found.fortran_order.replace(cursor.boolean()?).is_none(),
                "shape" => found.shape.replace(cursor.shape()?).is_none(),
                _ => bail!("damaged: its header has the unknown key '{key}'"),
            };
            ensure!(first, "damaged: its header has the key '{key}' twice");
            if !cursor.accept(b',') {
                cursor.expect(b'}')?;
                break;
            }
        }
        match cursor.peek() {
            None => Ok(found),
            Some(_) => cursor.fail("nothing more"),
        }
    }

    fn header(self) -> Result<Header> {
        let missing = |key| anyhow!("damaged: its header lacks the key '{key}'");
        let descr = self.descr.ok_or_else(|| missing("descr"))?;
        let fortran = self.fortran_order.ok_or_else(|| missing("fortran_order"))?;
        let shape = self.shape.ok_or_else(|| missing("shape"))?;
        Header::new(Element::parse(&descr)?, fortran, &shape)
    }
}

/// A place in the text of a header. Reads forward only: nothing nests.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.accept(byte) {
            return Ok(());
        }
        self.fail(&format!("'{}'", byte.escape_ascii()))
    }

    fn fail<T>(&self, wanted: &str) -> Result<T> {
        bail!("damaged: its header should have {wanted} at byte {}", self.at)
    }

    /// A quoted string of printable ASCII without escapes.
    fn string(&mut self) -> Result<&'a str> {
        let quote = self.peek();
        if !matches!(quote, Some(b'\'' | b'"')) {
            return self.fail("a quoted string");
        }
        let rest = &self.text[self.at + 1..];
        let end = rest.iter().position(|&b| Some(b) == quote);
        let string = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        match string {
            Some(s) if s.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\') => {
                self.at += s.len() + 2;
                Ok(s)
            }
            _ => self.fail("a string of plain characters"),
        }
    }

    fn boolean(&mut self) -> Result<bool> {
        self.peek();
        let rest = &self.text[self.at..];
        for (word, value) in [("True", true), ("False", false)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.fail("True or False")
    }

    fn shape(&mut self) -> Result<Vec<u64>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            shape.push(self.integer()?);
            if self.accept(b',') {
                continue;
            }
            // `(3)` is a number in Python, `(3,)` a tuple.
            if shape.len() == 1 {
                return self.fail("','");
            }
            self.expect(b')')?;
            break;
        }
        Ok(shape)
    }

    fn integer(&mut self) -> Result<u64> {
        self.peek();
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok().and_then(|digits| digits.parse().ok());
        match number {
            Some(number) => {
                self.at += digits;
                // Python 2 wrote long integers as 3L.
                self.at += usize::from(rest.get(digits) == Some(&b'L'));
                Ok(number)
            }
            None => self.fail("a whole number below 2^64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// headers.csv is written by NumPy itself (testdata/npy/make.py).
    #[test]
    fn headers_are_numpys_byte_for_byte() {
        let table = include_str!("../../testdata/npy/headers.csv");
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let shape: Vec<usize> = fields[1].split(' ').map(|n| n.parse().unwrap()).collect();
            let bytes = npy_header(fields[0], &shape);
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, fields[2], "{} {shape:?}", fields[0]);
        }
    }

    #[test]
    fn a_written_header_reads_back() {
        let bytes = npy_header("<f4", &[60000, 28, 28]);
        assert_eq!(bytes.len() % 64, 0);
        let header = Header::read_npy(&mut bytes.as_slice()).unwrap();
        assert_eq!((header.rows, header.width()), (60000, 784));
        assert_eq!(header.item_shape, [28, 28]);
        assert_eq!(header.element.to_string(), "<f4");
        assert_eq!(header.data_bytes(), 60000 * 784 * 4);
    }
}
