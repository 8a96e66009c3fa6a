//! `--manifest`: a JSON record of a run, so that a number can be traced to what made it.

use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::Job;
use crate::stream::{Output, Record};

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
        let record = json!({
            "program": self.job.program,
            "version": env!("CARGO_PKG_VERSION"),
            "revision": env!("MOLRG_REVISION"),
            "arguments": resolved(self.command, self.matches),
            "seed": self.job.shared.seed,
            "rows": self.job.shared.rows.to_string(),
            "inputs": records(&self.job.ledger.inputs()),
            "outputs": records(&self.job.ledger.outputs()),
            "threads": self.threads,
            "wall_seconds": self.started.elapsed().as_secs_f64(),
            "peak_memory_bytes": peak_memory(),
        });
        writeln!(output, "{}", serde_json::to_string_pretty(&record)?)?;
        output.finish()
    }
}

/// Every argument with the value it had, defaults included; of a subcommand too.
fn resolved(command: &Command, matches: &ArgMatches) -> Value {
    let mut arguments = Map::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let source = matches.try_get_raw(id).ok().flatten();
        let Some(values) = source else { continue };
        if matches.value_source(id) == Some(ValueSource::EnvVariable) {
            continue;
        }
        let values: Vec<Value> = values.map(|v| v.to_string_lossy().into()).collect();
        let value = if values.len() == 1 { values[0].clone() } else { Value::Array(values) };
        arguments.insert(id.to_string(), value);
    }
    if let Some((name, inner)) = matches.subcommand() {
        arguments.insert("subcommand".into(), name.into());
        if let Some(command) = command.find_subcommand(name)
            && let Value::Object(inner) = resolved(command, inner)
        {
            arguments.extend(inner);
        }
    }
    Value::Object(arguments)
}

fn records(records: &[Record]) -> Vec<Value> {
    records
        .iter()
        .map(|r| {
            json!({
                "name": r.name,
                "shape": r.shape,
                "dtype": r.dtype,
                "bytes": r.bytes,
                "sha256": r.sha256,
            })
        })
        .collect()
}

/// The most memory this process held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
