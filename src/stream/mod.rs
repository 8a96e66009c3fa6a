//! Arrays and tables in and out: what every program reads and writes.
//!
//! Knows nothing of mathematics. An array is a sequence of rows: [`Rows`] reads
//! it in blocks from whatever it is stored in, [`ArrayWriter`] writes it. Tables
//! of results go out through [`Table`] and come in through [`Columns`]. All bytes out pass through [`Output`], so that
//! a file appears complete or not at all, and all bytes can be recorded in a
//! [`Ledger`]. Models are [`tensors`]; with programs that are models, [`frames`] are exchanged with a [`process`].
//!
//! Every error is one line that names the file: `where: what: why; what to do`.

mod array;
mod blocks;
mod bytes;
mod columns;
mod delimited;
mod element;
#[cfg(test)]
pub(crate) mod faults;
pub mod frames;
mod header;
mod images;
mod input;
mod items;
mod joined;
mod ledger;
mod output;
mod paired;
pub mod process;
mod rows;
mod seen;
mod table;
mod tensor;
pub mod tensors;

pub use array::ArrayWriter;
pub use blocks::shape_text;
pub use bytes::read_full;
pub use columns::{Columns, Filter};
pub use input::{Content, Input};
pub use items::{Layout, image_text, items_suit, models_suit, same_items};
pub use joined::Joined;
pub use ledger::{Ledger, Record, digest, manifest_beside};
pub use output::{Format, Held, Output};
pub use paired::Paired;
pub use rows::{CountedOff, Described, LeftOut, NanPolicy, ReadOptions, RowRange, Rows};
pub use seen::{Lie, Seen};
pub use table::{Table, Value};

/// Rows of `width` numbers that one block of work holds: about 4 MiB of `f64`,
/// at least 1, at most 4096.
pub fn block_rows(width: usize) -> usize {
    ((4 << 20) / 8 / width.max(1)).clamp(1, 4096)
}
