//! The two number types data are computed in.
//!
//! Samples, denoisers and flows are generic over [`Scalar`]; statistics and
//! factorizations are always `f64`.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use ndarray::ScalarOperand;
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

    /// The distance from 1 to the next number.
    pub fn rounding(self) -> f64 {
        match self {
            Dtype::F32 => f32::EPSILON.into(),
            Dtype::F64 => f64::EPSILON,
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
    Float
    + Sum
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + ScalarOperand
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + Pod
{
    const DTYPE: Dtype;
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Widens, exactly.
    fn wide(self) -> f64;
    /// eˣ for x ≤ 0 or slightly above, to a few units of rounding; exactly 0
    /// below x = −80, so that no product after it meets a denormal number
    /// (which would make it thirty times slower).
    fn exp_flushed(self) -> Self;
    /// 2ˣ for x below 100, to a few units of rounding; below x = −100 that of −100, or 0, so that nothing after it is a
    /// denormal number.
    fn exp2_bounded(self) -> Self;
}

macro_rules! scalar {
    ($t:ty, $dtype:expr, $exp:expr, $exp2:expr) => {
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
            #[inline]
            fn exp_flushed(self) -> Self {
                if self < -80.0 { 0.0 } else { $exp(self) }
            }
            #[inline]
            fn exp2_bounded(self) -> Self {
                $exp2(self)
            }
        }
    };
}

scalar!(f32, Dtype::F32, exp_f32, exp2_f32);
scalar!(f64, Dtype::F64, f64::exp, |x: f64| (x * std::f64::consts::LN_2).exp_flushed());

/// Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// p·2ⁿ, n the integer that `shifted` = n + ROUND has in its low bits.
#[inline]
fn times_power(p: f32, shifted: f32) -> f32 {
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

/// 2ˣ for x < 127 by a polynomial of degree 5 on |r| ≤ ½, whose largest relative error, 9e-8, is the smallest that one
/// with 2⁰ = 1 can have; with rounding 2e-7. Three fifths of the operations of [`exp_f32`].
#[expect(clippy::approx_constant, reason = "the best polynomial's coefficient, near ln 2 and not it")]
#[inline]
fn exp2_f32(x: f32) -> f32 {
    let x = x.max(-100.0);
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let p = 1.326_472_7e-3;
    let p = p * r + 9.671_513e-3;
    let p = p * r + 5.550_733_6e-2;
    let p = p * r + 0.240_222_42;
    let p = p * r + 0.693_147;
    times_power(p * r + 1.0, shifted)
}

/// eˣ for −87 < x < 88 by a degree-6 polynomial after reduction by ln 2 (the
/// coefficients are those of Cephes' `expf`); relative error under 2e-7. Unlike
/// the standard library's, loops over it become vector instructions.
#[inline]
fn exp_f32(x: f32) -> f32 {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_5e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    times_power(p, shifted)
}

/// The numbers as little-endian bytes: in place where this processor stores them so.
pub fn le_bytes<T: Scalar>(values: &[T]) -> Cow<'_, [u8]> {
    let bytes = cast_slice(values);
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytes);
    }
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    Cow::Owned(bytes)
}

/// Lets `fill` put the little-endian bytes of numbers in their place.
pub fn from_le_bytes<T: Scalar, R>(values: &mut [T], fill: impl FnOnce(&mut [u8]) -> R) -> R {
    let bytes = cast_slice_mut(values);
    let filled = fill(bytes);
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
    filled
}

/// Runs a loop with the widest vector instructions of this processor, instead
/// of those that all have. Rounding does not change: no operation is fused or
/// reordered by that.
#[inline]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Σ term(a_i, b_i) in f64, in eight interleaved parts, so that it vectorizes and its order is fixed.
#[inline(always)]
pub fn sum_by<T: Scalar>(a: &[T], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let mut parts = [0.0; LANES];
    let (a8, a_rest) = a.as_chunks::<LANES>();
    let (b8, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a8.iter().zip(b8) {
        for l in 0..LANES {
            parts[l] += term(x[l].wide(), y[l].wide());
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&x, &y)| term(x.wide(), y.wide())).sum();
    parts.iter().sum::<f64>() + rest
}

/// Whether all numbers are finite. It looks at all, which in vectors is faster than to stop at the first.
pub fn all_finite<T: Scalar>(values: &[T]) -> bool {
    vectorized(
        #[inline(always)]
        || values.iter().fold(true, |all, v| all & v.is_finite()),
    )
}

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
