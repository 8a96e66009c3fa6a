//! Data that tests of several programs read.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

/// 1797 images of handwritten digits, 8×8 pixels from 0 to 16.
pub const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/digits8x8_1797.npz:x");

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}
