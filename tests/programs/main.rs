//! The programs, run as their users run them: each by itself, and together.

mod bridge;
mod checkpoints;
mod classes;
mod collapse;
mod conditions;
mod data;
mod directions;
mod dynamics;
mod edits;
mod fig;
mod figures;
mod fitting;
mod geometry;
mod in_context;
mod inverse;
mod local;
mod mixture;
mod npy;
mod pipelines;
#[path = "../contracts/place.rs"]
#[allow(dead_code, reason = "contracts use the rest")]
mod place;
mod properties;
mod readme;
mod recursive_features;
mod representation;
mod ridge;
mod scores;
mod soak;
mod table;
