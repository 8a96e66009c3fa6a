//! The model file: safetensors, whose metadata say what kind of denoiser it holds.
//!
//! | kind | tensors |
//! |---|---|
//! | `molrg` | `weights` f64 [K], `means` [K, d], `bases` [K, d, r], `variances` [K, r], `noise_variance` [K] |
//! | `empirical` | `data` [N, d] |
//!
//! Components of smaller rank are padded with zero columns whose variance is
//! that of the noise. The file is written by hand rather than by the
//! `safetensors` crate because that one writes metadata in a random order, and
//! the same model must be the same bytes; it is read through that crate's checks.

use std::any::Any;
use std::collections::HashMap;
use std::io::{Read, Write};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::{Array1, Array2, ArrayView2};
use safetensors::Dtype as Stored;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use super::{Denoiser, EmpiricalDenoiser, MixtureDenoiser};
use crate::mixture::{Component, Mixture};
use crate::scalar::{Dtype, Scalar};
use crate::stream::{Content, Input};
use crate::with_dtype;

const FORMAT: &str = "molrg-model";
const VERSION: &str = "1";

/// Longest header that is read: metadata and a handful of tensors.
const MAX_HEADER: u64 = 1 << 24;

/// A denoiser's parameters, as a file holds them.
pub struct Model {
    pub kind: Kind,
    /// Shape of one item; its product is d.
    pub item_shape: Vec<usize>,
    /// Type of the stored tensors, and so of arithmetic unless told otherwise.
    pub dtype: Dtype,
}

/// The kinds of model.
pub enum Kind {
    Molrg(Mixture),
    Empirical(Points),
}

/// A training set in either number type.
pub enum Points {
    F32(Array2<f32>),
    F64(Array2<f64>),
}

impl Points {
    pub fn new<T: Scalar>(data: Array2<T>) -> Points {
        match Points::as_type::<T, f32>(data) {
            Ok(data) => Points::F32(data),
            Err(data) => Points::F64(data.mapv(Scalar::wide)),
        }
    }

    /// The data as `T`, moved when they are that already.
    fn into_type<T: Scalar>(self) -> Array2<T> {
        match self {
            Points::F32(data) => Points::as_type(data).unwrap_or_else(|d| d.mapv(|v| T::of(v.wide()))),
            Points::F64(data) => Points::as_type(data).unwrap_or_else(|d| d.mapv(|v| T::of(v))),
        }
    }

    fn as_type<A: Scalar, B: Scalar>(data: Array2<A>) -> std::result::Result<Array2<B>, Array2<A>> {
        let mut slot = Some(data);
        match (&mut slot as &mut dyn Any).downcast_mut::<Option<Array2<B>>>().and_then(Option::take) {
            Some(same) => Ok(same),
            None => Err(slot.unwrap_or_default()),
        }
    }

    fn dim(&self) -> (usize, usize) {
        match self {
            Points::F32(d) => d.dim(),
            Points::F64(d) => d.dim(),
        }
    }
}

impl Model {
    /// A mixture whose tensors are stored as T.
    pub fn molrg(mixture: Mixture, item_shape: Vec<usize>, dtype: Dtype) -> Model {
        Model { kind: Kind::Molrg(mixture), item_shape, dtype }
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.item_shape.iter().product()
    }

    /// The kind's name, as the file spells it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Molrg(_) => "molrg",
            Kind::Empirical(_) => "empirical",
        }
    }

    /// The mixture, or why there is none. `name` is the file's, for the message.
    pub fn into_mixture(self, name: &str) -> Result<Mixture> {
        match self.kind {
            Kind::Molrg(mixture) => Ok(mixture),
            Kind::Empirical(_) => {
                bail!("{name}: is an empirical model, not a mixture; fit one with dae-fit --kind molrg")
            }
        }
    }

    /// The denoiser, computing in T.
    pub fn into_denoiser<T: Scalar>(self) -> Box<dyn Denoiser<T>> {
        match self.kind {
            Kind::Molrg(mixture) => Box::new(MixtureDenoiser::new(mixture)),
            Kind::Empirical(points) => Box::new(EmpiricalDenoiser::new(points.into_type())),
        }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When the input is no model, is cut short, or is of a kind or version
    /// this program does not know.
    pub fn read(input: Input) -> Result<Model> {
        let name = input.name().to_string();
        ensure!(
            input.content() == Content::Safetensors,
            "{name}: holds samples, not a model; fit one with dae-fit"
        );
        Model::parse(input.into_reader()).with_context(|| name)
    }

    fn parse(mut reader: Box<dyn Read + Send>) -> Result<Model> {
        let mut length = [0u8; 8];
        reader.read_exact(&mut length).context("truncated in its first 8 bytes; make it again")?;
        let length = u64::from_le_bytes(length);
        ensure!(length <= MAX_HEADER, "not a model: its header claims {length} bytes");
        let mut header = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut header).context("cannot read its header")?;
        ensure!(header.len() as u64 == length, "truncated within its header; make it again");
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| anyhow!("not a model: its header is damaged: {e}"))?;
        let none = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&none);
        let entry = |key: &str| metadata.get(key).map(String::as_str);
        ensure!(
            entry("format") == Some(FORMAT),
            "a safetensors file, but not a model of these programs (its metadata lack format = {FORMAT:?}); fit one with dae-fit"
        );
        ensure!(
            entry("version") == Some(VERSION),
            "a model of version {}, where this program knows version {VERSION}; use the programs that made it",
            entry("version").unwrap_or("unknown")
        );
        let kind = entry("kind").unwrap_or("unknown");
        let item_shape = parse_shape(entry("item_shape").unwrap_or(""))?;
        let mut tensors = read_tensors(&mut reader, &header)?;
        let (kind, dtype) = match kind {
            "molrg" => (Kind::Molrg(mixture_of(&mut tensors)?), tensors.dtype("bases")?),
            "empirical" => {
                let data = tensors.take("data")?;
                (Kind::Empirical(data.into_points()?), tensors.dtype("data")?)
            }
            other => bail!(
                "a model of kind {other:?}, which this program does not know; it knows molrg and empirical"
            ),
        };
        let model = Model { kind, item_shape, dtype };
        let width = match &model.kind {
            Kind::Molrg(mixture) => mixture.dim(),
            Kind::Empirical(points) => points.dim().1,
        };
        ensure!(
            model.dim() == width,
            "damaged: its items have shape {:?}, its tensors width {width}",
            model.item_shape
        );
        Ok(model)
    }

    /// Writes the file; the caller finishes the output.
    pub fn write(&self, out: &mut impl Write) -> Result<()> {
        with_dtype!(self.dtype, T => self.write_as::<T>(out))
    }

    fn write_as<T: Scalar>(&self, out: &mut impl Write) -> Result<()> {
        match &self.kind {
            Kind::Molrg(mixture) => {
                let (k, d) = (mixture.components.len(), mixture.dim());
                let r = mixture.ranks().into_iter().max().unwrap_or(0);
                let mut weights = Vec::new();
                let (mut means, mut bases) = (Vec::<T>::new(), Vec::<T>::new());
                let (mut variances, mut noise) = (Vec::<T>::new(), Vec::<T>::new());
                for c in &mixture.components {
                    weights.push(c.weight);
                    means.extend(c.mean.iter().map(|&v| T::of(v)));
                    for row in c.basis.outer_iter() {
                        bases.extend(row.iter().map(|&v| T::of(v)));
                        bases.extend(std::iter::repeat_n(T::zero(), r - row.len()));
                    }
                    variances.extend(c.variances.iter().map(|&v| T::of(v)));
                    variances.extend(std::iter::repeat_n(T::of(c.noise_variance), r - c.variances.len()));
                    noise.push(T::of(c.noise_variance));
                }
                self.write_header(
                    out,
                    &[
                        ("weights", Dtype::F64, vec![k]),
                        ("means", T::DTYPE, vec![k, d]),
                        ("bases", T::DTYPE, vec![k, d, r]),
                        ("variances", T::DTYPE, vec![k, r]),
                        ("noise_variance", T::DTYPE, vec![k]),
                    ],
                )?;
                write_numbers(out, &weights)?;
                for tensor in [&means, &bases, &variances, &noise] {
                    write_numbers(out, tensor)?;
                }
                Ok(())
            }
            Kind::Empirical(points) => {
                let (n, d) = points.dim();
                self.write_header(out, &[("data", T::DTYPE, vec![n, d])])?;
                match points {
                    Points::F32(data) => write_rows::<f32, T>(out, data.view()),
                    Points::F64(data) => write_rows::<f64, T>(out, data.view()),
                }
            }
        }
    }

    fn write_header(&self, out: &mut impl Write, tensors: &[(&str, Dtype, Vec<usize>)]) -> Result<()> {
        let shape: Vec<String> = self.item_shape.iter().map(usize::to_string).collect();
        // serde_json's map keeps its keys sorted: the same model, the same bytes.
        let mut header = Map::new();
        header.insert(
            "__metadata__".into(),
            json!({
                "format": FORMAT,
                "version": VERSION,
                "kind": self.kind_name(),
                "item_shape": shape.join(","),
                "created_by": concat!("molrg ", env!("CARGO_PKG_VERSION")),
            }),
        );
        let mut offset = 0;
        for (name, dtype, shape) in tensors {
            let stop = offset + shape.iter().product::<usize>() * dtype.size();
            let dtype = match dtype {
                Dtype::F32 => "F32",
                Dtype::F64 => "F64",
            };
            header.insert(
                (*name).into(),
                json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, stop]}),
            );
            offset = stop;
        }
        let mut header = Value::Object(header).to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        Ok(())
    }
}

fn write_numbers<T: Scalar>(out: &mut impl Write, values: &[T]) -> Result<()> {
    let mut bytes = Vec::new();
    T::extend_le(values, &mut bytes);
    out.write_all(&bytes)?;
    Ok(())
}

fn write_rows<A: Scalar, B: Scalar>(out: &mut impl Write, data: ArrayView2<A>) -> Result<()> {
    for row in data.outer_iter() {
        let row: Vec<B> = row.iter().map(|v| B::of(v.wide())).collect();
        write_numbers(out, &row)?;
    }
    Ok(())
}

/// "4,4,3" as [4, 4, 3].
fn parse_shape(text: &str) -> Result<Vec<usize>> {
    text.split(',')
        .map(|n| n.trim().parse::<usize>().ok().filter(|n| *n > 0))
        .collect::<Option<Vec<_>>>()
        .filter(|shape| shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).is_some())
        .with_context(|| format!("damaged: item_shape {text:?} is not a list of sizes"))
}

/// A tensor's numbers, in its own type.
struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Tensor {
    fn wide(&self) -> Vec<f64> {
        match &self.values {
            Values::F32(v) => v.iter().map(|v| v.wide()).collect(),
            Values::F64(v) => v.clone(),
        }
    }

    fn into_points(self) -> Result<Points> {
        let [n, d] = self.shape[..] else {
            bail!("damaged: tensor data has {} axes, not 2", self.shape.len());
        };
        ensure!(n > 0, "damaged: it has no training rows");
        Ok(match self.values {
            Values::F32(v) => Points::F32(Array2::from_shape_vec((n, d), v)?),
            Values::F64(v) => Points::F64(Array2::from_shape_vec((n, d), v)?),
        })
    }
}

struct Tensors {
    found: HashMap<String, Tensor>,
    dtypes: HashMap<String, Dtype>,
}

impl Tensors {
    fn take(&mut self, name: &str) -> Result<Tensor> {
        self.found.remove(name).with_context(|| format!("damaged: tensor {name} is missing"))
    }

    fn dtype(&self, name: &str) -> Result<Dtype> {
        self.dtypes.get(name).copied().with_context(|| format!("damaged: tensor {name} is missing"))
    }
}

/// Tensors one after the other as the file holds them, so that memory is that
/// of the numbers once.
fn read_tensors(reader: &mut impl Read, header: &Metadata) -> Result<Tensors> {
    let mut tensors = Tensors { found: HashMap::new(), dtypes: HashMap::new() };
    for name in header.offset_keys() {
        let info = header.info(&name).with_context(|| format!("damaged: tensor {name}"))?;
        let bytes = info.data_offsets.1 - info.data_offsets.0;
        let (values, dtype) = match info.dtype {
            Stored::F32 => (Values::F32(read_numbers(reader, bytes, &name, f32::from_le_bytes)?), Dtype::F32),
            Stored::F64 => (Values::F64(read_numbers(reader, bytes, &name, f64::from_le_bytes)?), Dtype::F64),
            other => bail!("damaged: tensor {name} is {other:?}, not F32 or F64"),
        };
        let tensor = Tensor { shape: info.shape.clone(), values };
        tensors.dtypes.insert(name.clone(), dtype);
        tensors.found.insert(name, tensor);
    }
    let mut beyond = [0u8; 1];
    ensure!(reader.read(&mut beyond)? == 0, "damaged: bytes follow its last tensor");
    Ok(tensors)
}

fn read_numbers<V, const N: usize>(
    reader: &mut impl Read,
    bytes: usize,
    name: &str,
    parse: impl Fn([u8; N]) -> V,
) -> Result<Vec<V>> {
    let mut values = Vec::new();
    let mut chunk = Vec::new();
    let mut left = bytes;
    while left > 0 {
        // Memory follows what has arrived, not what is declared.
        let want = left.min(1 << 20);
        chunk.clear();
        reader.by_ref().take(want as u64).read_to_end(&mut chunk)?;
        ensure!(
            chunk.len() == want,
            "truncated: tensor {name} misses {} of {bytes} bytes; make it again",
            left - chunk.len()
        );
        values.extend(chunk.as_chunks::<N>().0.iter().map(|b| parse(*b)));
        left -= want;
    }
    Ok(values)
}

fn mixture_of(tensors: &mut Tensors) -> Result<Mixture> {
    let weights = tensors.take("weights")?.wide();
    let means = tensors.take("means")?;
    let bases = tensors.take("bases")?;
    let variances = tensors.take("variances")?;
    let noise = tensors.take("noise_variance")?.wide();
    let [k, d, r] = bases.shape[..] else {
        bail!("damaged: tensor bases has {} axes, not 3", bases.shape.len());
    };
    ensure!(
        k > 0
            && d > 0
            && weights.len() == k
            && means.shape == [k, d]
            && variances.shape == [k, r]
            && noise.len() == k,
        "damaged: its tensors' shapes disagree: weights {:?}, means {:?}, bases {:?}, variances {:?}, noise_variance {:?}; \
         they should be [K], [K, d], [K, d, r], [K, r] and [K]",
        [weights.len()],
        means.shape,
        bases.shape,
        variances.shape,
        [noise.len()]
    );
    let (means, bases, variances) = (means.wide(), bases.wide(), variances.wide());
    ensure!(
        [&weights, &means, &bases, &variances, &noise].iter().all(|v| v.iter().all(|x| x.is_finite())),
        "damaged: it holds numbers that are not finite"
    );
    let components = (0..k)
        .map(|j| {
            let basis = ArrayView2::from_shape((d, r), &bases[j * d * r..(j + 1) * d * r])?;
            // Padding columns are zero.
            let rank = basis.columns().into_iter().take_while(|c| c.iter().any(|&v| v != 0.0)).count();
            Ok(Component {
                weight: weights[j],
                mean: Array1::from(means[j * d..(j + 1) * d].to_vec()),
                basis: basis.slice(ndarray::s![.., ..rank]).to_owned(),
                variances: Array1::from(variances[j * r..j * r + rank].to_vec()),
                noise_variance: noise[j],
            })
        })
        .collect::<Result<_>>()?;
    let mixture = Mixture { components };
    mixture.check().map_err(|e| anyhow!("damaged: {e}"))?;
    Ok(mixture)
}
