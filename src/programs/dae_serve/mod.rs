//! dae-serve: a model file as a program that is a model.

mod answers;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;

use answers::{Served, answer};

use crate::cli::{Job, Program, usage};
use crate::denoiser::Model;
use crate::denoiser::external::{Ability, Hello, PROTOCOL};
use crate::flow::at_most;
use crate::scalar::Scalar;
use crate::stream::frames::{self, Frames};
use crate::stream::tensors::{Entry, Numbers, TensorFile, Values};
use crate::stream::{Output, digest};
use crate::with_dtype;

/// Serve a model to other programs, on standard input and output.
///
/// Wherever a program takes a model, exec:COMMAND names a program that is one; exec:'dae-serve model.st' is the model
/// of the file, and exec:'ssh host dae-serve model.st' that of a file elsewhere, computed there. It answers requests
/// for the denoiser and for products with its Jacobian and the transpose, in the type in which the first comes, until
/// its input ends. Mixtures flow in all dimensions then, where a file's flow in those that they span: the same to
/// rounding.
///
/// Memory: the model and a batch of rows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ molrg-gen -d 48 -r 6 -k 2 -n 10 --truth truth.st | npy info - && pf-sample exec:'dae-serve truth.st' -n 100 | npy info -
  $ molrg-gen -d 48 -r 6 -k 2 -n 100 --truth truth.st | dae-apply exec:'dae-serve truth.st' - --sigma 0.5 | npy info -")]
pub struct Arguments {
    /// The model file
    model: OsString,
    /// Rows that are best asked for at a time (default: 64, fewer of large items)
    #[arg(long, value_name = "ROWS")]
    batch: Option<usize>,
}

/// Rows asked for at a time, of items that are not large.
const BATCH: usize = 64;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        if self.batch == Some(0) {
            return Err(usage(anyhow::anyhow!("--batch 0: ask for at least one row at a time")));
        }
        if self.model == "-" {
            return Err(usage(anyhow::anyhow!("-: requests come from standard input; name a model file")));
        }
        if io::stdin().is_terminal() {
            return Err(usage(anyhow::anyhow!(
                "standard input is a terminal; have a program start this one, with exec:'dae-serve {}' as its model",
                self.model.display()
            )));
        }
        if job.shared.output.is_some() {
            return Err(usage(anyhow::anyhow!(
                "--output: answers go to the program that asked, on standard output; leave it out"
            )));
        }
        let model = job.edited(job.model_file(Some(&self.model))?, Some(&self.model))?;
        let edited = !job.shared.edits.is_empty();
        let mut out = job.output()?;
        let hello = Hello {
            can: vec![Ability::Denoise, Ability::Jvp, Ability::Vjp],
            item_shape: Some(model.item_shape.clone()),
            batch: self.batch.unwrap_or(at_most(BATCH, model.dim())),
            dtype: model.dtype,
            name: format!(
                "{} of kind {}{}",
                self.model.display(),
                model.kind_name(),
                if edited { ", edited" } else { "" }
            ),
            sigma_min: model.ends().map(|(least, _)| least),
            sigma_max: model.ends().map(|(_, largest)| largest),
            // An edited model is no longer that of the file.
            sha256: (!edited)
                .then(|| digest(Path::new(&self.model)).ok().map(|(_, sha256)| sha256))
                .flatten(),
            classes: model.classes().map(|classes| classes.count),
        };
        let mut requests = Frames::new(io::stdin().lock());
        let Some(greeting) = requests.next_frame().context("<stdin>")? else { return out.finish() };
        let protocol = greeting.entry("protocol").unwrap_or("none");
        ensure!(
            protocol == PROTOCOL,
            "<stdin>: asks for the protocol {protocol:?}, and this is {PROTOCOL:?}"
        );
        frames::write(&mut out, &hello.metadata(), &[])?;
        let Some(first) = requests.next_frame().context("<stdin>")? else { return out.finish() };
        // All requests of a run are of one type.
        let dtype = first.dtype("x").unwrap_or(model.dtype);
        with_dtype!(dtype, T => serve::<T>(model, first, requests, out))
    }
}

/// Answers requests until there are no more.
fn serve<T: Scalar>(
    model: Model,
    first: TensorFile,
    mut requests: Frames<impl Read>,
    mut out: Output,
) -> Result<()> {
    let item_shape = model.item_shape.clone();
    let mut served = Served::<T>::new(model)?;
    let mut next = Some(first);
    while let Some(request) = next {
        let mut metadata: BTreeMap<String, String> = BTreeMap::new();
        metadata.extend(request.entry("id").map(|id| ("id".to_string(), id.to_string())));
        match answer(&mut served, &item_shape, request) {
            Ok(y) => {
                let shape = [&[y.nrows()], &item_shape[..]].concat();
                let (values, _) = y.into_raw_vec_and_offset();
                let values = Values::new(values);
                let (dtype, numbers) = (values.dtype(), Numbers::from(&values));
                frames::write(&mut out, &metadata, &[Entry { name: "y".into(), shape, dtype, numbers }])?;
            }
            Err(error) => {
                metadata.insert("error".into(), format!("{error:#}"));
                frames::write(&mut out, &metadata, &[])?;
            }
        }
        next = requests.next_frame().context("<stdin>")?;
    }
    out.finish()
}
