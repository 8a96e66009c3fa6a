//! The number types arrays are stored in, and their conversion.

use std::fmt;

use anyhow::{Result, bail};
use half::f16;
use num_traits::{NumCast, ToPrimitive};

use crate::scalar::{Dtype, Scalar};

/// Type and byte order of one stored number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    /// Always false for numbers of one byte.
    pub(super) big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F2,
    F4,
    F8,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
    B1,
}

/// What users call the types, and how a header spells them.
const NAMES: [(&str, &str); 13] = [
    ("float16", "<f2"),
    ("float32", "<f4"),
    ("float64", "<f8"),
    ("float", "<f8"),
    ("int8", "|i1"),
    ("int16", "<i2"),
    ("int32", "<i4"),
    ("int64", "<i8"),
    ("uint8", "|u1"),
    ("uint16", "<u2"),
    ("uint32", "<u4"),
    ("uint64", "<u8"),
    ("bool", "|b1"),
];

impl Element {
    /// Reads NumPy's type string: `<f4`, `|u1`, `>i8`.
    ///
    /// Errors say why a type that is no plain real number is refused.
    pub(super) fn parse(descr: &str) -> Result<Element> {
        let code = descr.trim_start_matches(['<', '>', '|', '=']);
        let order = &descr[..descr.len() - code.len()];
        let kind = match code {
            "f2" => Kind::F2,
            "f4" => Kind::F4,
            "f8" => Kind::F8,
            "i1" => Kind::I1,
            "i2" => Kind::I2,
            "i4" => Kind::I4,
            "i8" => Kind::I8,
            "u1" => Kind::U1,
            "u2" => Kind::U2,
            "u4" => Kind::U4,
            "u8" => Kind::U8,
            "b1" => Kind::B1,
            _ => {
                if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == descr) {
                    bail!("dtype '{descr}' is refused: it does not say its byte order; spell it '{code}'");
                }
                let why = match code.chars().next() {
                    Some('O') => "Python objects, which only Python can read; save it with a number dtype",
                    Some('S' | 'U' | 'a') => "strings, not numbers",
                    Some('c') => "complex numbers; save real and imaginary part as two real columns",
                    Some('V') => "raw or structured records; save its fields as columns",
                    Some('M' | 'm') => "dates or durations; save it as numbers with astype('f8')",
                    Some('f' | 'g') => "floats of another size than 2, 4 or 8 bytes; save it as f8",
                    _ => "of a type this does not know; save it as f4 or f8",
                };
                bail!("dtype '{}' is refused: it is {why}", descr.escape_debug());
            }
        };
        let big_endian = match order {
            "<" => false,
            ">" => true,
            "|" if kind.size() == 1 => false,
            _ => bail!(
                "dtype '{}' is refused: it does not say its byte order; save it as '<{code}'",
                descr.escape_debug()
            ),
        };
        Ok(Element { kind, big_endian: big_endian && kind.size() > 1 })
    }

    /// Bytes of one number.
    pub(super) fn size(self) -> usize {
        self.kind.size()
    }

    /// The type to compute in: `f32` where it holds every value exactly.
    pub(super) fn dtype(self) -> Dtype {
        match self.kind {
            Kind::F2 | Kind::F4 | Kind::I1 | Kind::I2 | Kind::U1 | Kind::U2 | Kind::B1 => Dtype::F32,
            Kind::F8 | Kind::I4 | Kind::I8 | Kind::U4 | Kind::U8 => Dtype::F64,
        }
    }

    /// Whether the bytes stored are those of a `T` in little-endian order.
    pub(super) fn is_stored<T: Scalar>(self) -> bool {
        matches!((self.kind, T::DTYPE), (Kind::F4, Dtype::F32) | (Kind::F8, Dtype::F64)) && !self.big_endian
    }

    /// Appends the numbers stored in `bytes`, rounded to `T`.
    pub(super) fn decode<T: Scalar>(self, bytes: &[u8], out: &mut Vec<T>) {
        use Kind::*;
        match (self.kind, self.big_endian) {
            (F2, false) => each(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            (F2, true) => each(bytes, out, |b| f16::from_be_bytes(b).to_f32()),
            (F4, false) => each(bytes, out, f32::from_le_bytes),
            (F4, true) => each(bytes, out, f32::from_be_bytes),
            (F8, false) => each(bytes, out, f64::from_le_bytes),
            (F8, true) => each(bytes, out, f64::from_be_bytes),
            (I1, _) => each(bytes, out, i8::from_le_bytes),
            (I2, false) => each(bytes, out, i16::from_le_bytes),
            (I2, true) => each(bytes, out, i16::from_be_bytes),
            (I4, false) => each(bytes, out, i32::from_le_bytes),
            (I4, true) => each(bytes, out, i32::from_be_bytes),
            (I8, false) => each(bytes, out, i64::from_le_bytes),
            (I8, true) => each(bytes, out, i64::from_be_bytes),
            (U1, _) => each(bytes, out, u8::from_le_bytes),
            (U2, false) => each(bytes, out, u16::from_le_bytes),
            (U2, true) => each(bytes, out, u16::from_be_bytes),
            (U4, false) => each(bytes, out, u32::from_le_bytes),
            (U4, true) => each(bytes, out, u32::from_be_bytes),
            (U8, false) => each(bytes, out, u64::from_le_bytes),
            (U8, true) => each(bytes, out, u64::from_be_bytes),
            (B1, _) => each(bytes, out, |[b]: [u8; 1]| (b != 0) as u8),
        }
    }
}

/// One loop for all types, which compiles to vector code for the common ones.
fn each<T: Scalar, S: ToPrimitive, const N: usize>(
    bytes: &[u8],
    out: &mut Vec<T>,
    number: impl Fn([u8; N]) -> S,
) {
    let (numbers, _) = bytes.as_chunks::<N>();
    // Casts between number types always succeed: they round or become infinite.
    out.extend(numbers.iter().map(|&b| <T as NumCast>::from(number(b)).unwrap_or_else(T::nan)));
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Kind::I1 | Kind::U1 | Kind::B1 => 1,
            Kind::F2 | Kind::I2 | Kind::U2 => 2,
            Kind::F4 | Kind::I4 | Kind::U4 => 4,
            Kind::F8 | Kind::I8 | Kind::U8 => 8,
        }
    }
}

/// NumPy's type string.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match (self.size(), self.big_endian) {
            (1, _) => '|',
            (_, false) => '<',
            (_, true) => '>',
        };
        let code = match self.kind {
            Kind::F2 | Kind::F4 | Kind::F8 => 'f',
            Kind::I1 | Kind::I2 | Kind::I4 | Kind::I8 => 'i',
            Kind::U1 | Kind::U2 | Kind::U4 | Kind::U8 => 'u',
            Kind::B1 => 'b',
        };
        write!(f, "{order}{code}{}", self.size())
    }
}
