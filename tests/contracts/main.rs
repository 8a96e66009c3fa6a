//! What all programs promise (CLI.md), checked over one table of their calls.

mod bytes;
mod elsewhere;
mod errors;
mod faults;
mod files;
mod help;
mod manifest;
mod memory;
mod place;
mod programs;
