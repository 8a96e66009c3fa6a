//! Whether a file is as a manifest's record of it says.

use std::path::Path;

use anyhow::{Result, bail};

use crate::stream::{Content, Input, Ledger, NanPolicy, ReadOptions, Record, Rows, digest};

/// Its bytes; of arrays type and shape before, which say more.
///
/// # Errors
/// What differs.
pub fn compare(file: &Path, record: &Record, manifest: &Path) -> Result<()> {
    // Of tables, pictures and models the bytes alone are compared.
    if let Some(dtype) = record.dtype.as_deref().filter(|dtype| dtype.starts_with(['<', '>', '|'])) {
        compare_arrays(file, dtype, record, manifest)?;
    }
    let (bytes, sha256) = digest(file)?;
    let recorded = record.bytes.map_or("unknown".into(), |bytes| bytes.to_string());
    same(file, manifest, "size", &bytes.to_string(), &recorded)?;
    same(file, manifest, "SHA-256", &sha256, record.sha256.as_deref().unwrap_or("unknown"))
}

fn compare_arrays(file: &Path, dtype: &str, record: &Record, manifest: &Path) -> Result<()> {
    let input = Input::open(file.as_os_str(), &Ledger::off())?;
    if input.content() == Content::Npz {
        // Which of its arrays the run read is not recorded.
        return Ok(());
    }
    let options = ReadOptions { nan: NanPolicy::Pass, ..ReadOptions::default() };
    let mut rows = Rows::from_input(input, &options)?;
    same(file, manifest, "type", rows.source_dtype(), dtype)?;
    if let Some(recorded) = &record.shape {
        let mut shape = vec![usize::try_from(rows.read_out()?)?];
        // An array of one axis is read as rows of one number each.
        if recorded.len() > 1 || rows.item_shape() != [1] {
            shape.extend(rows.item_shape());
        }
        same(file, manifest, "shape", &format!("{shape:?}"), &format!("{recorded:?}"))?;
    }
    Ok(())
}

/// # Errors
/// Where `is` is not what it `was` in the run.
pub fn same(file: &Path, manifest: &Path, what: &str, is: &str, was: &str) -> Result<()> {
    if is != was {
        bail!(
            "{}: its {what} is {is}, in {} {was}; it is not the file of that run: make it again",
            file.display(),
            manifest.display()
        );
    }
    Ok(())
}
