//! Networks: layers with explicit derivatives, and what is built of them.
//!
//! * [`batch`]: activations, channels last, with shared padding;
//! * [`elementwise`]: loops over their numbers;
//! * [`layers`]: every layer's value and its two derivative products;
//! * [`graph`]: which layer feeds which;
//! * [`preconditioning`]: how a network becomes a denoiser;
//! * [`architecture`]: linear, two-layer, mlp, unet, resnet, uvit.

pub mod architecture;
pub mod batch;
pub mod elementwise;
pub mod graph;
pub mod layers;
pub mod preconditioning;
pub mod random_features;

pub use architecture::{Architecture, Classes, Condition, Padding};
pub use graph::{Class, Graph, Tape};
pub use preconditioning::Preconditioning;
