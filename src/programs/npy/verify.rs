//! npy check --manifest: whether files are as a run had them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::recorded::{compare, same};
use crate::cli::{Job, Manifest};
use crate::stream::{Record, digest, manifest_beside};

/// As manifests name standard output.
const STDOUT: &str = "<stdout>";

/// Compares the files that are named with what the manifest says of each.
///
/// # Errors
/// A file that differs, or of which it says nothing.
pub fn named(job: &Job, manifest: &Path, files: &[OsString]) -> Result<()> {
    let run = read(job, manifest)?;
    for file in files.iter().map(Path::new) {
        let record = record_of(&run, file).with_context(|| {
            format!(
                "{}: {} says nothing of it; give the manifest of its run",
                file.display(),
                manifest.display()
            )
        })?;
        ensure!(
            record.sha256.is_some(),
            "{}: {} holds no digest of it, since it was not read to its end or holds times",
            file.display(),
            manifest.display()
        );
        compare(file, record, manifest)?;
    }
    Ok(())
}

/// Compares all files that are there, of this manifest and of those that it leads back to.
///
/// # Errors
/// A file that differs; an output that is missing; nothing to compare.
pub fn all(job: &Job, manifest: &Path) -> Result<()> {
    let (mut left, mut seen) = (vec![manifest.to_path_buf()], BTreeSet::new());
    let mut walk = Walk::default();
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let run = read(job, &path)?;
        for output in &run.outputs {
            let file = place_of(output, &path);
            let named = output.name != STDOUT;
            ensure!(
                !named || path != manifest || file.exists(),
                "{}: is missing, an output of {}; make it again, or run this in the directory of that run",
                file.display(),
                path.display()
            );
            walk.compare(&file, output, &path)?;
        }
        let kept = |input: &&Record| run.outputs.iter().all(|output| output.name != input.name);
        for input in run.inputs.iter().filter(kept) {
            let file = input.path();
            walk.compare(&file, input, &path)?;
            left.extend(walk.manifest_of(input, &path)?);
        }
    }
    ensure!(
        walk.compared > 0,
        "{}: none of the files it names is here; run this in the directory of that run, or name a file",
        manifest.display()
    );
    if !walk.left_out.is_empty() {
        job.note(&format!("not compared: {}", walk.left_out.join(", ")));
    }
    Ok(())
}

/// What was compared so far, and what could not be.
#[derive(Default)]
struct Walk {
    compared: usize,
    left_out: Vec<String>,
}

impl Walk {
    fn compare(&mut self, file: &Path, record: &Record, manifest: &Path) -> Result<()> {
        if record.sha256.is_none() || !file.is_file() {
            self.left_out.push(format!("{} of {}", record.name, manifest.display()));
            return Ok(());
        }
        self.compared += 1;
        compare(file, record, manifest)
    }

    /// The manifest beside an input, if it is that which the run found there.
    fn manifest_of(&mut self, input: &Record, manifest: &Path) -> Result<Option<PathBuf>> {
        let Some(expected) = &input.manifest_sha256 else { return Ok(None) };
        let beside = manifest_beside(&input.path());
        if !beside.is_file() {
            self.left_out.push(format!("{} of {}", beside.display(), manifest.display()));
            return Ok(None);
        }
        same(&beside, manifest, "SHA-256", &digest(&beside)?.1, expected)?;
        Ok(Some(beside))
    }
}

fn read(job: &Job, manifest: &Path) -> Result<Manifest> {
    Manifest::read(job.open(Some(manifest.as_os_str()))?)
}

/// What the run says of a file: under its name, or that of a file moved since, or as its standard output.
fn record_of<'a>(run: &'a Manifest, file: &Path) -> Option<&'a Record> {
    let records = || run.outputs.iter().chain(&run.inputs);
    let moved = |record: &&Record| record.path().file_name() == file.file_name();
    records()
        .find(|record| record.path() == file)
        .or_else(|| records().find(moved))
        .or_else(|| records().find(|record| record.name == STDOUT))
}

/// Where an output is; what went to standard output is where the manifest lies beside it.
fn place_of(output: &Record, manifest: &Path) -> PathBuf {
    let beside = manifest.to_str().and_then(|name| name.strip_suffix(".manifest.json"));
    match beside {
        Some(file) if output.name == STDOUT => file.into(),
        _ => output.path(),
    }
}
