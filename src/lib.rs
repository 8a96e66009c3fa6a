//! molrg
pub mod scalar;
pub mod stream;
