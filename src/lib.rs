//! molrg
pub mod scalar;
