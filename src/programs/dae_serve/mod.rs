//! dae-serve: a model file as a program that is a model.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::cli::{Job, Program, usage};
use crate::denoiser::external::{Ability, Hello, PROTOCOL};
use crate::denoiser::model::Kind;
use crate::denoiser::{Asked, Differentiable, Model, NetworkDenoiser};
use crate::flow::at_most;
use crate::network::Classes;
use crate::scalar::Scalar;
use crate::schedule::SIGMAS;
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
        let model = job.model_file(Some(&self.model))?;
        let mut out = job.output()?;
        let hello = Hello {
            can: vec![Ability::Denoise, Ability::Jvp, Ability::Vjp],
            item_shape: Some(model.item_shape.clone()),
            batch: self.batch.unwrap_or(at_most(BATCH, model.dim())),
            dtype: model.dtype,
            name: format!("{} of kind {}", self.model.display(), model.kind_name()),
            sigma_min: model.ends().map(|(least, _)| least),
            sigma_max: model.ends().map(|(_, largest)| largest),
            sha256: digest(Path::new(&self.model)).ok().map(|(_, sha256)| sha256),
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

/// A denoiser that may be asked for another class by every request.
struct Served<T: Scalar> {
    classes: Option<Classes>,
    denoiser: Asks<T>,
}

enum Asks<T: Scalar> {
    Network(NetworkDenoiser<T>),
    Nothing(Box<dyn Differentiable<T>>),
}

impl<T: Scalar> Served<T> {
    fn new(model: Model) -> Result<Served<T>> {
        let classes = model.classes();
        let denoiser = match model.kind {
            Kind::Network(_) => Asks::Network(model.into_network()?),
            _ => Asks::Nothing(model.into_differentiable()?),
        };
        Ok(Served { classes, denoiser })
    }

    /// The denoiser of these classes.
    fn of(&mut self, asked: Asked) -> Result<&dyn Differentiable<T>> {
        asked.check(self.classes)?;
        Ok(match &mut self.denoiser {
            Asks::Network(network) => {
                network.ask(asked);
                network
            }
            Asks::Nothing(other) => &**other,
        })
    }
}

/// The class of every row of a request, if it gives one.
fn classes(request: &mut TensorFile, rows: usize) -> Result<Option<Vec<u32>>> {
    if !request.has("class") {
        return Ok(None);
    }
    let classes = request.take("class")?.into_wide();
    let whole = |v: &f64| *v >= 0.0 && v.fract() == 0.0 && *v <= f64::from(u32::MAX);
    ensure!(
        classes.len() == rows && classes.iter().all(whole),
        "class must be a whole number from 0 for each of the {rows} rows of x"
    );
    Ok(Some(classes.into_iter().map(|class| class as u32).collect()))
}

/// What a request asks for, (n, d).
fn answer<T: Scalar>(
    served: &mut Served<T>,
    item_shape: &[usize],
    mut request: TensorFile,
) -> Result<Array2<T>> {
    let op = request.entry("op").unwrap_or("").to_string();
    let Some(ability) = Ability::of(&op).filter(|ability| *ability != Ability::Describe) else {
        bail!("asked for {op:?}; ask for denoise, jvp or vjp");
    };
    let mut rows = |name: &str| -> Result<Array2<T>> {
        let tensor = request.take(name)?;
        ensure!(
            tensor.shape.len() == 1 + item_shape.len() && tensor.shape[1..] == *item_shape,
            "{name} has shape {:?}, where items have {item_shape:?}",
            tensor.shape
        );
        let width = item_shape.iter().product();
        Ok(Array2::from_shape_vec((tensor.shape[0], width), tensor.values.into_vec())?)
    };
    let x = rows("x")?;
    let v = if ability == Ability::Denoise { None } else { Some(rows("v")?) };
    let sigma: Vec<f64> = request.take("sigma")?.values.into_vec();
    let m = v.as_ref().map_or(x.nrows(), |v| if x.nrows() == 1 { 1 } else { v.nrows() });
    ensure!(
        m == x.nrows() && sigma.len() == x.nrows(),
        "{} rows of x, {} of v and {} sigmas do not go together",
        x.nrows(),
        v.map_or(0, |v| v.nrows()),
        sigma.len()
    );
    ensure!(
        sigma.iter().all(|sigma| SIGMAS.contains(sigma)),
        "noise levels must be positive, between 1e-18 and 1e18"
    );
    let classes = classes(&mut request, x.nrows())?;
    let Some(v) = v else {
        let asked = classes.map_or(Asked::Nothing, |classes| Asked::Rows(classes.into()));
        return denoised(served.of(asked)?, x.view(), &sigma);
    };
    let mut product = |row: usize, v: ArrayView2<T>| {
        let class = classes.as_ref().map_or(Asked::Nothing, |classes| Asked::One(classes[row]));
        let denoiser = served.of(class)?;
        match ability {
            Ability::Vjp => denoiser.vjp(x.row(row), v, sigma[row]),
            _ => denoiser.jvp(x.row(row), v, sigma[row]),
        }
    };
    if x.nrows() == 1 {
        return product(0, v.view());
    }
    let mut products = Array2::zeros(v.raw_dim());
    for (row, mut answer) in products.axis_chunks_iter_mut(Axis(0), 1).enumerate() {
        answer.assign(&product(row, v.slice(s![row..row + 1, ..]))?);
    }
    Ok(products)
}

/// D, where neighbours of one level go together.
fn denoised<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView2<T>,
    sigma: &[f64],
) -> Result<Array2<T>> {
    let mut d = Array2::zeros(x.raw_dim());
    let mut start = 0;
    for level in sigma.chunk_by(|a, b| a == b) {
        let rows = s![start..start + level.len(), ..];
        let block = denoiser.block(level.len());
        let mut part = d.slice_mut(rows);
        let blocks = part.axis_chunks_iter_mut(Axis(0), block).into_par_iter();
        blocks.zip(x.slice(rows).axis_chunks_iter(Axis(0), block)).enumerate().try_for_each(
            |(i, (mut d, x))| {
                d.assign(&denoiser.denoise_rows(x, (start + i * block) as u64, level[0])?);
                anyhow::Ok(())
            },
        )?;
        start += level.len();
    }
    Ok(d)
}
