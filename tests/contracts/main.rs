//! What all programs promise (CLI.md), checked over one table of their calls; and what they read and write with.

mod arrows;
mod bytes;
mod corpus;
mod effect;
mod elsewhere;
mod errors;
mod external;
mod faults;
mod files;
mod help;
mod manifest;
mod memory;
#[allow(dead_code, reason = "tests of programs use the rest")]
mod place;
mod programs;
mod scales;
mod stream;
