//! The two number types data are computed in.
//!
//! Samples, denoisers and flows are generic over [`Scalar`]; statistics and
//! factorizations are always `f64`.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, MulAssign, SubAssign};

use num_traits::Float;

/// Which of the two types, as a value: read from a file's header or `--dtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F64,
}

impl Dtype {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F64 => 8,
        }
    }
}

impl Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        })
    }
}

/// `f32` or `f64`.
pub trait Scalar:
    Float + Sum + AddAssign + SubAssign + MulAssign + Debug + Display + Default + Send + Sync + 'static
{
    const DTYPE: Dtype;
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Widens, exactly.
    fn wide(self) -> f64;
    /// Appends the little-endian bytes of `values` to `bytes`.
    fn extend_le(values: &[Self], bytes: &mut Vec<u8>);
}

macro_rules! scalar {
    ($t:ty, $dtype:expr) => {
        impl Scalar for $t {
            const DTYPE: Dtype = $dtype;
            #[inline]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline]
            fn wide(self) -> f64 {
                self as f64
            }
            fn extend_le(values: &[Self], bytes: &mut Vec<u8>) {
                // In this form the loop compiles to a plain copy.
                let start = bytes.len();
                bytes.resize(start + std::mem::size_of_val(values), 0);
                let (places, _) = bytes[start..].as_chunks_mut();
                for (place, v) in places.iter_mut().zip(values) {
                    *place = v.to_le_bytes();
                }
            }
        }
    };
}

scalar!(f32, Dtype::F32);
scalar!(f64, Dtype::F64);

/// Runs a generic function for the type a [`Dtype`] names:
/// `with_dtype!(dtype, T => run::<T>(args))`.
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $t:ident => $call:expr) => {
        match $dtype {
            $crate::scalar::Dtype::F32 => {
                type $t = f32;
                $call
            }
            $crate::scalar::Dtype::F64 => {
                type $t = f64;
                $call
            }
        }
    };
}
