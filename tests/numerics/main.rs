//! Mathematics against exact answers, independent formulas, and the values of NumPy, SciPy and PyTorch.

mod affine;
mod bridge;
mod denoiser;
mod differences;
mod dynamics;
mod fit;
mod flow;
mod generator;
mod geometry;
mod in_context;
mod inverse;
mod linalg;
mod linearity;
mod logistic;
mod measure;
mod mixture;
mod network;
mod network_golden;
mod random;
mod random_features;
mod recursive_features;
mod schedule;
mod theory;
mod training;
