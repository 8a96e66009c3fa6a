//! Directions and surfaces: what can be done to an image where a model does not look.

pub mod attack;
pub mod fourier;
pub mod watermark;
