//! What all programs share, a file a concern: [`registry`] says what a program is, [`run`] runs one, [`ending`] has
//! the exit codes, [`flags`] the shared flags, [`job`] and `outputs` the doors to inputs and outputs, [`rows`] the
//! loop over rows; then groups of flags that several programs have.

mod classes;
mod derivatives;
mod descriptor;
mod dynamics;
mod edits;
pub mod ending;
mod fitting;
pub mod flags;
mod generate;
pub mod job;
mod levels;
mod lists;
mod manifest;
mod masks;
mod models;
mod operators;
mod outputs;
mod pixels;
mod progress;
pub mod registry;
pub mod rows;
pub mod run;
mod sampling;
mod scales;
mod training;

pub use classes::ClassArg;
pub use derivatives::{JacobianArgs, products};
pub use descriptor::DescriptorArgs;
pub use dynamics::{ObservationArgs, SystemArgs};
pub use edits::EditArg;
pub use ending::{Stopped, Usage, usage};
pub use fitting::{FitArgs, component_ranks, moments, moments_of, moments_seen};
pub use job::{Job, others};
pub use levels::{LevelArgs, TimedLevelArgs, noise_level};
pub use lists::{Integers, Numbers, Shape, count, integers, parse_count, parse_list, positive};
pub use manifest::Manifest;
pub use operators::OperatorArgs;
pub use outputs::{array_format, estimate};
pub use pixels::{Interval, Within, interval};
pub use progress::{Lines, Progress, clock};
pub use registry::Program;
pub use rows::{Block, Repeated, Source};
pub use sampling::SamplerArgs;
pub use scales::Taken;
pub use training::checkpoints::Checkpoints;
pub use training::run::{NETWORK_REPORT, Samples};
pub use training::{NetworkKind, TrainingArgs};
