//! `--manifest`: a JSON record of a run, so that a number can be traced to what made it. The same
//! run leaves the same record, at any number of threads and on any machine: what differs is kept
//! only with `--manifest-host`.

use std::fs;
use std::io::{BufReader, Write};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{ArgMatches, Command};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Job;
use crate::stream::{Input, Output, Record};

/// The files of a run, as its manifest has them.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    pub inputs: Vec<Record>,
    pub outputs: Vec<Record>,
}

impl Manifest {
    /// # Errors
    /// What is no manifest.
    pub fn read(input: Input) -> Result<Manifest> {
        let name = input.name().to_string();
        serde_json::from_reader(BufReader::new(input.into_reader()))
            .with_context(|| format!("{name}: is not a manifest; give a file that --manifest wrote"))
    }
}

/// What a manifest is made from.
pub struct Run<'a> {
    pub command: &'a Command,
    pub matches: &'a ArgMatches,
    pub job: &'a Job,
    pub threads: usize,
    pub started: Instant,
}

impl Run<'_> {
    /// Writes the record and finishes the output.
    pub fn write(&self, mut output: Output) -> Result<()> {
        let mut record = json!({
            "program": self.job.program,
            "version": env!("CARGO_PKG_VERSION"),
            "revision": self.job.revision,
            "arguments": resolved(self.job, self.command, self.matches),
            "seed": self.job.shared.seed,
            "rows": self.job.shared.rows.to_string(),
            "inputs": self.job.ledger.inputs(),
            "outputs": self.job.ledger.outputs(),
        });
        if self.job.shared.manifest_host {
            record["host"] = self.host();
        }
        writeln!(output, "{}", serde_json::to_string_pretty(&record)?)?;
        output.finish()
    }

    /// Where the run was, and what it took.
    fn host(&self) -> Value {
        let processor = line_of("/proc/cpuinfo", "model name");
        let peak = line_of("/proc/self/status", "VmHWM")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        json!({
            "name": fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_string()),
            "processor": processor,
            "threads": self.threads,
            "wall_seconds": self.started.elapsed().as_secs_f64(),
            "peak_memory_bytes": peak.map(|kilobytes| kilobytes * 1024),
        })
    }
}

/// What follows `KEY:` in a file where the system tells of itself.
fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(k, _)| k.trim() == key).map(|(_, value)| value.trim().to_string())
}

/// Flags that change no byte of what a run writes: two runs that differ in these are the same.
const NO_BYTES: [&str; 6] = ["threads", "workers", "quiet", "verbose", "manifest", "manifest-host"];

/// Every other argument with the value it had, defaults included, save flags without effect; of a subcommand too.
fn resolved(job: &Job, command: &Command, matches: &ArgMatches) -> Value {
    let mut arguments = Map::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if NO_BYTES.contains(&id) || job.is_idle(id) {
            continue;
        }
        let Some(values) = matches.try_get_raw(id).ok().flatten() else { continue };
        let values: Vec<Value> = values.map(|v| v.to_string_lossy().into()).collect();
        let value = if values.len() == 1 { values[0].clone() } else { Value::Array(values) };
        arguments.insert(id.to_string(), value);
    }
    if let Some((name, inner)) = matches.subcommand() {
        arguments.insert("subcommand".into(), name.into());
        if let Some(command) = command.find_subcommand(name)
            && let Value::Object(inner) = resolved(job, command, inner)
        {
            arguments.extend(inner);
        }
    }
    Value::Object(arguments)
}
