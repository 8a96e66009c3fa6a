//! molrg: exact tools for the question why diffusion models generalize.

pub mod blocks;
pub mod cli;
pub mod denoiser;
pub mod draw;
pub mod fit;
pub mod flow;
pub mod linalg;
pub mod measure;
pub mod mixture;
pub mod random;
pub mod scalar;
pub mod schedule;
pub mod stream;
