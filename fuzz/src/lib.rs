//! The checks that the targets make are those of the tests.

#[path = "../../tests/contracts/corpus/checks.rs"]
pub mod checks;
