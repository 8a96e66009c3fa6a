//! The model file: safetensors, whose metadata say what kind of denoiser it holds.
//!
//! | kind | tensors |
//! |---|---|
//! | `molrg` | `weights` f64 [K], `means` [K, d], `bases` [K, d, r], `variances` [K, r], `noise_variance` [K] |
//! | `empirical` | `data` [N, d] |
//! | `local` | `data` [N, H, W, C] |
//! | `pca-local` | `data` [N, d]; its `threshold` is in the metadata |
//! | `affine` | `sigmas` f64 [L], `weights` [L, d, d], `biases` [L, d] |
//! | `random-features` | `sigmas` f64 [L], `frequencies` [p, d], `phases` [p], `mean` [d], `coefficients` [L, d, p] |
//! | `linear-vae`, `vae`, `gan` | `model.…`: generators, which have no denoiser |
//! | `network` | `ema.…` and `model.…`, one tensor a parameter; checkpoints also `first.…`, `second.…` |
//!
//! Components of smaller rank are padded with zero columns whose variance is
//! that of the noise.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::external::Ability;
use super::local::{Local, Machine};
use super::network::{Edit, Network};
use super::pca_local::PcaLocalDenoiser;
use super::random_features::Features;
use super::{
    Affine, AffineDenoiser, Asked, Denoiser, Differentiable, EmpiricalDenoiser, External, ExternalDenoiser,
    LocalDenoiser, MixtureDenoiser, NetworkDenoiser, RandomFeatureDenoiser, RandomFeatures,
};
use crate::generator::Decoder;
use crate::linalg::{cast, column_means, dot, largest_eigenvalue};
use crate::mixture::{Component, Mixture};
use crate::network::{self, Classes, Condition};
use crate::scalar::{Dtype, Scalar};
use crate::stream::tensors::{self, Entry, Numbers, Tensor, TensorFile, Values};
use crate::stream::{Content, Input, Lie};
use crate::training::Loss;
use crate::with_dtype;

const FORMAT: &str = "molrg-model";
const VERSION: &str = "1";

/// A denoiser's parameters, as a file holds them.
pub struct Model {
    pub kind: Kind,
    /// Shape of one item; its product is d.
    pub item_shape: Vec<usize>,
    /// Type of the stored tensors, and so of arithmetic unless told otherwise.
    pub dtype: Dtype,
    /// Which of its classes it is asked for; see [`Model::ask`].
    asked: Asked,
    /// The conditions of rows, by their number, of a network that is told some.
    conditions: Option<Arc<Array2<f64>>>,
    /// See [`Model::edit`].
    edits: Vec<Edit>,
}

/// The kinds of model.
pub enum Kind {
    Molrg(Mixture),
    Empirical(Points),
    Local(Local),
    /// The set, and τ.
    PcaLocal(Points, f64),
    Affine(Affine),
    RandomFeatures(Box<RandomFeatures>),
    Network(Box<Network>),
    Generator(Generative),
    /// A program, which no file holds.
    External(Arc<External>),
}

/// A generator, which maps latents to samples and has no denoiser.
pub struct Generative {
    /// linear-vae, vae or gan.
    pub name: &'static str,
    pub decoder: Decoder,
    pub parameters: Values,
}

impl Generative {
    const NAMES: [&'static str; 3] = ["linear-vae", "vae", "gan"];

    fn read(name: &'static str, file: &mut TensorFile, outputs: usize) -> Result<Generative> {
        let size = |key: &str| {
            let size =
                file.entry(key).and_then(|v| v.parse::<usize>().ok()).filter(|n| *n <= Decoder::WIDEST);
            size.with_context(|| format!("damaged: its metadata lack a proper {key}"))
        };
        let decoder =
            Decoder { inputs: size("latent")?, outputs, width: size("width")?, depth: size("depth")? };
        ensure!(
            decoder.inputs > 0
                && decoder.depth <= Decoder::DEEPEST
                && (decoder.depth == 0 || decoder.width > 0),
            "damaged: its metadata lack a proper latent, width or depth"
        );
        let parameters = decoder.graph::<f32>().parameters;
        let parameters =
            file.take_all(parameters.iter().map(|p| (format!("model.{}", p.name), &p.shape[..])))?;
        ensure!(parameters.all_finite(), "damaged: it holds numbers that are not finite");
        file.nothing_left()?;
        Ok(Generative { name, decoder, parameters })
    }

    fn no_denoiser(&self) -> String {
        format!(
            "is a model of kind {}, which maps latents to samples and has no denoiser; draw samples with pf-sample",
            self.name
        )
    }

    fn metadata(&self) -> [(String, String); 4] {
        let Decoder { inputs, width, depth, .. } = self.decoder;
        [("latent", inputs), ("width", width), ("depth", depth), ("parameters", self.parameters.len())]
            .map(|(key, value)| (key.to_string(), value.to_string()))
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let parameters = self.decoder.graph::<f32>().parameters;
        let entry = |p: network::graph::Parameter| Entry {
            name: format!("model.{}", p.name),
            numbers: Numbers::part(&self.parameters, p.span.offset..p.span.offset + p.span.len),
            shape: p.shape,
            dtype: self.parameters.dtype(),
        };
        parameters.into_iter().map(entry).collect()
    }
}

/// How far the data of a model reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Root mean square of the numbers of their mean, ‖m‖/√d; none is not known.
    pub mean: Option<f64>,
    /// Their largest standard deviation along any direction, or that of all numbers together.
    pub deviation: f64,
    /// Whether it is that along a direction: networks do not know it.
    pub along: bool,
    /// The mean variance of their numbers.
    pub variance: f64,
}

impl Extent {
    /// A flow from σ·ε ends with a direction of standard deviation s as √(σ²/(s²+σ²)) s, 3 % short at s = σ/4,
    /// and with a mean that is off by a share of its size.
    const COVERED: f64 = 0.25;

    /// The root mean square up to which numbers are those of the data and not of a flow's points at σ, where the two are told
    /// apart: from σ of four deviations on, which a flow from data has multiplied by 4 at least along every direction that
    /// data have; of networks, whose directions are not known, of eight.
    pub fn clean_below(&self, sigma: f64) -> Option<f64> {
        let far = if self.along { 4.0 } else { 8.0 };
        let mean = self.mean.unwrap_or(0.0);
        (sigma > far * self.deviation).then(|| (mean * mean + 4.0 * self.variance).sqrt())
    }

    /// So many times more than data along their widest direction alone is none of them, and so is this many times more than
    /// they have in all. It leaves room for rows of one class, or the brightest.
    const FAR: f64 = 2.0;
    const FARTHER: f64 = 4.0;

    /// What data with noise of level σ have, where rows are far beyond: of root mean squares, or where the mean is not known
    /// of standard deviations of all numbers, which do not see one.
    pub fn exceeded(&self, lie: &Lie, sigma: f64) -> Option<f64> {
        let spread = self.variance.sqrt().hypot(sigma);
        let Some(mean) = self.mean else {
            return (lie.deviation > Extent::FARTHER * spread).then_some(spread);
        };
        let usual = mean.hypot(spread);
        if !self.along {
            return (lie.rms > Extent::FARTHER * usual).then_some(usual);
        }
        // Chance moves the mean square of n rows by at most about s²/n of the widest direction's.
        let chance = self.deviation / (lie.rows as f64).sqrt();
        let most = (Extent::FARTHER * usual.hypot(chance))
            .min(Extent::FAR * mean.hypot(self.deviation).hypot(sigma));
        (lie.rms > most).then_some(usual)
    }

    /// What noise of level σ does not cover, in words.
    pub fn beyond(&self, sigma: f64) -> Option<String> {
        let limit = Extent::COVERED * sigma;
        match self.mean {
            _ if self.deviation > limit => {
                let along = if self.along { " along their widest direction" } else { "" };
                Some(format!("the model's data have a standard deviation of {:.4}{along}", self.deviation))
            }
            Some(mean) if mean > limit => {
                Some(format!("the mean of the model's data is {mean:.4} from 0 (root mean square)"))
            }
            _ => None,
        }
    }
}

/// A training set in either number type.
pub struct Points {
    shape: (usize, usize),
    values: Values,
}

impl Points {
    pub fn new<T: Scalar>(data: Array2<T>) -> Points {
        let shape = data.dim();
        let (values, _) = data.as_standard_layout().into_owned().into_raw_vec_and_offset();
        Points { shape, values: Values::new(values) }
    }

    fn read(file: &mut TensorFile) -> Result<Points> {
        let data = file.take("data")?;
        let [n, d] = data.shape[..] else {
            bail!("damaged: tensor data has {} axes, not 2", data.shape.len());
        };
        ensure!(n > 0, "damaged: it has no training rows");
        ensure!(data.values.all_finite(), "damaged: it holds numbers that are not finite");
        Ok(Points { shape: (n, d), values: data.values })
    }

    /// The tensor of its file.
    fn entry(&self, dtype: Dtype) -> Entry<'_> {
        let (n, d) = self.shape;
        Entry { name: "data".into(), shape: vec![n, d], dtype, numbers: Numbers::from(&self.values) }
    }

    fn into_array<T: Scalar>(self) -> Result<Array2<T>> {
        Ok(Array2::from_shape_vec(self.shape, self.values.into_vec())?)
    }
}

/// The smallest and the largest.
fn ends_of(sigmas: &[f64]) -> (f64, f64) {
    sigmas.iter().fold((f64::INFINITY, 0.0), |(low, high), s| (low.min(*s), high.max(*s)))
}

/// How far the rows of a training set reach, (N, d): of those that are spread evenly over all, at most so many rows, and so
/// many numbers if that leaves some rows, since every run on a model asks.
fn extent((n, d): (usize, usize), values: &Values) -> Extent {
    const ROWS: usize = 2000;
    const NUMBERS: usize = 1 << 22;
    const SOME: usize = 64;
    // Rows of a sum; what a thread takes at once.
    const BLOCK: usize = 64;
    let kept = n.min(ROWS).min((NUMBERS / d.max(1)).max(SOME));
    let mut rows = Array2::zeros((kept, d));
    rows.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
        let from = i * n / kept * d;
        row.assign(&Array1::from(Numbers::part(values, from..from + d).wide()));
    });
    let mean = column_means(rows.view());
    rows.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| row -= &mean);
    let largest = largest_eigenvalue(d, |v| {
        let blocks = rows.axis_chunks_iter(Axis(0), BLOCK).into_par_iter();
        let parts: Vec<Array1<f64>> = blocks
            .map(|block| {
                let mut sum = Array1::zeros(d);
                block.outer_iter().for_each(|row| sum.scaled_add(dot(row, v.view()), &row));
                sum
            })
            .collect();
        parts.iter().fold(Array1::zeros(d), |sum, part| sum + part) / kept as f64
    });
    let squares: Vec<f64> = rows.axis_iter(Axis(0)).into_par_iter().map(|row| dot(row, row)).collect();
    let variance = squares.iter().sum::<f64>() / rows.len() as f64;
    Extent {
        mean: Some((mean.dot(&mean) / d as f64).sqrt()),
        deviation: largest.sqrt(),
        along: true,
        variance,
    }
}

/// In which unit the data of a model are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Mean of all numbers of their mean, where it is known and there are enough for it to say more of the unit than of the
    /// place.
    centre: Option<f64>,
    /// Root mean variance of their numbers.
    deviation: f64,
    /// Standard deviation of all numbers together, as far as it is known.
    spread: f64,
}

impl Unit {
    /// Deviations so many times apart are of two units: as far as a decimal place. One class of many, or a few rows, have a
    /// smaller one for other reasons.
    const APART: f64 = 10.0;
    /// So are, of models of one distribution, centres that are this share of the larger spread apart, as those of 0 … 1 and
    /// −1 … 1 are for all but the brightest images.
    const SHIFTED: f64 = 0.7;
    /// Numbers of which the mean says something of the unit.
    const NUMBERS: usize = 16;

    /// Whether a factor sets them apart.
    pub fn is_scaled(&self, other: &Unit) -> bool {
        let (small, large) = (self.deviation.min(other.deviation), self.deviation.max(other.deviation));
        // One row alone has no deviation.
        small > 0.0 && large > Unit::APART * small
    }

    /// Whether a factor does, or a shift.
    pub fn is_apart(&self, other: &Unit) -> bool {
        let shift = self.centre.zip(other.centre).map_or(0.0, |(a, b)| (a - b).abs());
        self.is_scaled(other) || shift > Unit::SHIFTED * self.spread.max(other.spread)
    }
}

/// "mean 0.3053, standard deviation 0.3721".
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(centre) = self.centre {
            write!(f, "mean {centre:.4}, ")?;
        }
        write!(f, "standard deviation {:.4}", self.spread)
    }
}

impl Model {
    /// Of a kind, asked for no class.
    pub fn new(kind: Kind, item_shape: Vec<usize>, dtype: Dtype) -> Model {
        Model { kind, item_shape, dtype, asked: Asked::Nothing, conditions: None, edits: Vec::new() }
    }

    /// A mixture whose tensors are stored as T.
    pub fn molrg(mixture: Mixture, item_shape: Vec<usize>, dtype: Dtype) -> Model {
        Model::new(Kind::Molrg(mixture), item_shape, dtype)
    }

    /// A program that is a model.
    pub fn external(external: External) -> Model {
        let (item_shape, dtype) =
            (external.hello.item_shape.clone().unwrap_or_default(), external.hello.dtype);
        Model::new(Kind::External(Arc::new(external)), item_shape, dtype)
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.item_shape.iter().product()
    }

    /// The classes that it can be asked for. What a program does without one is its own affair.
    pub fn classes(&self) -> Option<Classes> {
        match &self.kind {
            Kind::Network(network) => network.classes,
            Kind::External(external) => {
                external.hello.classes.map(|count| Classes { count, unconditional: true })
            }
            _ => None,
        }
    }

    /// The same model, asked for classes; what has none is so whatever is asked, unless it is a program, which could have
    /// some.
    ///
    /// # Errors
    /// On classes that it has not, and without one where it has not learned to do without.
    pub fn ask(self, asked: Asked) -> Result<Model> {
        let classes = self.classes();
        if classes.is_none() && asked != Asked::Nothing {
            ensure!(
                !matches!(self.kind, Kind::External(_)),
                "--class: it announces no classes; leave --class out, or serve it with classes=…"
            );
            return Ok(self);
        }
        asked.check(classes)?;
        Ok(Model { asked, ..self })
    }

    /// What it is told of every row, if it is.
    pub fn condition(&self) -> Option<&Condition> {
        if let Kind::Network(network) = &self.kind { network.condition.as_ref() } else { None }
    }

    /// The same model, given the conditions of rows by their number, of one that is told some.
    ///
    /// # Errors
    /// Conditions of another width.
    pub fn give(self, conditions: Arc<Array2<f64>>) -> Result<Model> {
        let (width, told) = (conditions.ncols(), self.condition().map_or(0, Condition::width));
        ensure!(width == told, "conditions of {width} numbers a row, where the model is told {told}");
        Ok(Model { conditions: Some(conditions), ..self })
    }

    /// A network's branch without a class, of one that is asked for a class.
    ///
    /// # Errors
    /// When it has none, or is asked for it already.
    pub fn branch_without_class(&self) -> Result<Model> {
        let Kind::Network(network) = &self.kind else { bail!("the model has no branch without a class") };
        ensure!(self.asked != Asked::Nothing, "the model is asked for no class");
        let branch = Model::new(Kind::Network(network.clone()), self.item_shape.clone(), self.dtype);
        Model { conditions: self.conditions.clone(), edits: self.edits.clone(), ..branch }.ask(Asked::Nothing)
    }

    /// The same network with these edits of its layers, in all that it computes from here on. A file holds none of them.
    ///
    /// # Errors
    /// As [`NetworkDenoiser::edit`]; what is no network.
    pub fn edit(self, edits: Vec<Edit>) -> Result<Model> {
        let Kind::Network(network) = &self.kind else {
            bail!("is a model of kind {}, and no network, whose layers could be edited", self.kind_name());
        };
        let mut denoiser = NetworkDenoiser::<f32>::new((**network).clone(), &self.item_shape)?;
        edits.iter().try_for_each(|edit| denoiser.edit(edit.clone()))?;
        Ok(Model { edits, ..self })
    }

    /// Whether it gives such answers: a program need not give all.
    pub fn can(&self, ability: Ability) -> bool {
        match &self.kind {
            Kind::External(external) => external.hello.can.contains(&ability),
            _ => ability != Ability::Describe,
        }
    }

    /// The kind's name, as the file spells it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Molrg(_) => "molrg",
            Kind::Empirical(_) => "empirical",
            Kind::Local(_) => "local",
            Kind::PcaLocal(..) => "pca-local",
            Kind::Affine(_) => "affine",
            Kind::RandomFeatures(_) => "random-features",
            Kind::Network(_) => "network",
            Kind::Generator(ref g) => g.name,
            Kind::External(_) => "exec",
        }
    }

    /// Numbers that it was fitted by: all that its file holds, of a network one set of them, of a program none.
    pub fn parameters(&self) -> usize {
        match &self.kind {
            Kind::Molrg(mixture) => {
                let (d, k) = (self.dim(), mixture.components.len());
                k * (d + 2) + mixture.components.iter().map(|c| c.variances.len() * (d + 1)).sum::<usize>()
            }
            Kind::Empirical(points) => points.values.len(),
            Kind::PcaLocal(points, _) => points.values.len(),
            Kind::Local(local) => local.values.len(),
            Kind::Affine(affine) => affine.parameters(),
            Kind::RandomFeatures(model) => model.parameters(),
            Kind::Network(network) => network.average.len(),
            Kind::Generator(generative) => generative.parameters.len(),
            Kind::External(_) => 0,
        }
    }

    /// What its kind does not say of it: components and ranks, rows, machine, levels, classes.
    pub fn holds(&self) -> String {
        match &self.kind {
            Kind::Molrg(mixture) => {
                let ranks = mixture.components.iter().map(|c| c.variances.len());
                let [least, most] = [ranks.clone().min(), ranks.max()].map(Option::unwrap_or_default);
                let ranks = if least == most { most.to_string() } else { format!("{least} to {most}") };
                format!("{} components of rank {ranks}", mixture.components.len())
            }
            Kind::Empirical(points) => format!("{} rows", points.shape.0),
            Kind::Local(local) => {
                let settings = local.metadata().into_iter().map(|(key, value)| format!("; {key} {value}"));
                format!("{} images{}", local.shape[0], settings.collect::<String>())
            }
            Kind::PcaLocal(points, threshold) => format!("{} rows; threshold {threshold}", points.shape.0),
            Kind::Affine(affine) => format!("{} levels", affine.sigmas.len()),
            Kind::RandomFeatures(model) => {
                format!("{} features; {} levels", model.features.phases.len(), model.sigmas.len())
            }
            Kind::Network(_) | Kind::Generator(_) | Kind::External(_) => match self.classes() {
                Some(Classes { count, unconditional: true }) => format!("{count} classes, and without"),
                Some(Classes { count, .. }) => format!("{count} classes"),
                None => String::new(),
            },
        }
    }

    /// As `dae-fit --kind` names it: of a network its architecture.
    pub fn fitted_kind(&self) -> &'static str {
        match &self.kind {
            Kind::Network(network) => network.architecture.name(),
            _ => self.kind_name(),
        }
    }

    /// The one noise level that a network was trained at, if it was only one: its
    /// denoiser is the same function at all others.
    pub fn only_level(&self) -> Option<f64> {
        match &self.kind {
            Kind::Network(network) if network.preconditioning == network::Preconditioning::Plain => {
                network.training.get("training.sigma")?.parse().ok()
            }
            _ => None,
        }
    }

    /// How a network was trained, where its file says so, at other than one level.
    pub fn loss(&self) -> Option<Loss> {
        let Kind::Network(network) = &self.kind else { return None };
        Loss::of_record(|key| network.training.get(&format!("training.{key}")).map(String::as_str))
    }

    /// Whether it is the mean of rows given their conditions, and no denoiser: it sees neither a point nor its noise.
    pub fn is_mean(&self) -> bool {
        matches!(&self.kind, Kind::Network(network) if network.preconditioning == network::Preconditioning::Mean)
    }

    /// The smallest and the largest noise level that it is made for, where there are such.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match &self.kind {
            Kind::Affine(Affine { sigmas, .. }) => Some(ends_of(sigmas)),
            Kind::RandomFeatures(model) => Some(ends_of(&model.sigmas)),
            _ => self.only_level().map(|level| (level, level)),
        }
    }

    /// How far the data reach that the model stands for; affine maps, generators and programs do not say.
    pub fn extent(&self) -> Option<Extent> {
        match &self.kind {
            Kind::Molrg(mixture) => {
                let mean = mixture.mean();
                let rms = (mean.dot(&mean) / mean.len() as f64).sqrt();
                let variance = mixture.total_variance() / mean.len() as f64;
                let deviation = mixture.largest_variance().sqrt();
                Some(Extent { mean: Some(rms), deviation, along: true, variance })
            }
            Kind::Empirical(points) => Some(extent(points.shape, &points.values)),
            Kind::PcaLocal(points, _) => Some(extent(points.shape, &points.values)),
            Kind::Local(local) => Some(extent((local.shape[0], local.dim()), &local.values)),
            Kind::Network(network) => {
                let Network { sigma_data, .. } = &**network;
                let variance = sigma_data * sigma_data;
                Some(Extent { mean: None, deviation: *sigma_data, along: false, variance })
            }
            Kind::RandomFeatures(model) => {
                let Features { mean, sigma_data, .. } = &model.features;
                let rms = (mean.dot(mean) / mean.len() as f64).sqrt();
                let variance = sigma_data * sigma_data;
                Some(Extent { mean: Some(rms), deviation: *sigma_data, along: false, variance })
            }
            Kind::Affine(_) | Kind::Generator(_) | Kind::External(_) => None,
        }
    }

    /// In which unit its data are, as far as it says so.
    pub fn unit(&self) -> Option<Unit> {
        let extent = self.extent()?;
        let of_rows = |(n, d): (usize, usize), values: &Values| {
            let sum = |row: usize| Numbers::part(values, row * d..(row + 1) * d).wide().iter().sum::<f64>();
            (0..n).map(sum).sum::<f64>() / (n * d) as f64
        };
        let centre = match &self.kind {
            Kind::Molrg(mixture) => mixture.mean().mean(),
            Kind::Empirical(points) | Kind::PcaLocal(points, _) => {
                Some(of_rows(points.shape, &points.values))
            }
            Kind::Local(local) => Some(of_rows((local.shape[0], local.dim()), &local.values)),
            Kind::RandomFeatures(model) => model.features.mean.mean(),
            _ => None,
        };
        // Of means that are alike in all numbers nothing is left of ‖m‖²/d beside the centre.
        let uneven =
            extent.mean.zip(centre).map_or(0.0, |(mean, centre)| (mean * mean - centre * centre).max(0.0));
        let centre = centre.filter(|_| self.dim() >= Unit::NUMBERS);
        let deviation = extent.variance.sqrt();
        Some(Unit { centre, deviation, spread: deviation.hypot(uneven.sqrt()) })
    }

    /// The component of a mixture that has one.
    pub fn only_component(&self) -> Option<&Component> {
        let Kind::Molrg(mixture) = &self.kind else { return None };
        if let [only] = &mixture.components[..] { Some(only) } else { None }
    }

    /// Whether it stands for a law, not for rows that it holds; of a program that is not known.
    pub fn is_law(&self) -> bool {
        matches!(
            self.kind,
            Kind::Molrg(_)
                | Kind::Affine(_)
                | Kind::RandomFeatures(_)
                | Kind::Network(_)
                | Kind::Generator(_)
        )
    }

    /// The rows of a finite set, (N, d); of other kinds none.
    pub fn held_rows<T: Scalar>(&self) -> Option<Array2<T>> {
        let Kind::Empirical(points) = &self.kind else { return None };
        let wide = Numbers::from(&points.values).wide();
        Array2::from_shape_vec(points.shape, wide.iter().map(|v| T::of(*v)).collect()).ok()
    }

    /// The mixture, or why there is none. `name` is the file's, for the message.
    pub fn into_mixture(self, name: &str) -> Result<Mixture> {
        let kind = self.kind_name();
        match self.kind {
            Kind::Molrg(mixture) => Ok(mixture),
            _ => bail!("{name}: is a model of kind {kind}, not a mixture; fit one with dae-fit --kind molrg"),
        }
    }

    /// The denoiser, computing in T.
    ///
    /// # Errors
    /// As [`Model::into_differentiable`].
    pub fn into_denoiser<T: Scalar>(self) -> Result<Box<dyn Denoiser<T>>> {
        Ok(self.into_differentiable()?)
    }

    /// The denoiser with its Jacobian, computing in T.
    ///
    /// # Errors
    /// When a network's parameters do not fit its architecture, and for generators.
    pub fn into_differentiable<T: Scalar>(self) -> Result<Box<dyn Differentiable<T>>> {
        Ok(match self.kind {
            Kind::Molrg(mixture) => Box::new(MixtureDenoiser::new(mixture)),
            Kind::Empirical(points) => Box::new(EmpiricalDenoiser::new(points.into_array()?)),
            Kind::Local(local) if local.settings.machine == Machine::Ideal => {
                let points = Points { shape: (local.shape[0], local.dim()), values: local.values };
                Box::new(EmpiricalDenoiser::new(points.into_array()?))
            }
            Kind::Local(local) => Box::new(LocalDenoiser::new(local)?),
            Kind::PcaLocal(points, threshold) => {
                Box::new(PcaLocalDenoiser::new(points.into_array()?, threshold)?)
            }
            Kind::Affine(affine) => Box::new(AffineDenoiser::new(affine)?),
            Kind::RandomFeatures(model) => Box::new(RandomFeatureDenoiser::new(*model)?),
            Kind::Network(_) => Box::new(self.into_network()?),
            Kind::Generator(g) => bail!(g.no_denoiser()),
            Kind::External(external) => Box::new(ExternalDenoiser::new(external, self.asked)?),
        })
    }

    /// The denoiser of a network, which it must be, computing in T.
    ///
    /// # Errors
    /// As [`Model::into_differentiable`]; another kind.
    pub fn into_network<T: Scalar>(self) -> Result<NetworkDenoiser<T>> {
        let kind = self.kind_name();
        let Kind::Network(network) = self.kind else { bail!("is a model of kind {kind}, and no network") };
        let mut denoiser = NetworkDenoiser::new(*network, &self.item_shape)?;
        denoiser.ask(self.asked);
        if let Some(conditions) = &self.conditions {
            denoiser.give(cast(conditions.view()));
        }
        self.edits.into_iter().try_for_each(|edit| denoiser.edit(edit))?;
        Ok(denoiser)
    }

    /// Reads a model file that must hold a denoiser, not a generator.
    ///
    /// # Errors
    /// As [`Model::read`], and on generators.
    pub fn read_denoiser(input: Input) -> Result<Model> {
        let name = input.name().to_string();
        let model = Model::read(input)?;
        if let Kind::Generator(g) = &model.kind {
            bail!("{name}: {}", g.no_denoiser());
        }
        Ok(model)
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
        let parts = input.in_parts();
        let file = TensorFile::read_in_parts(input.into_reader(), parts, |metadata| {
            let entry = |key: &str| metadata.get(key).map(String::as_str);
            ensure!(
                entry("format") == Some(FORMAT),
                "a safetensors file, but not a model of these programs (its metadata lack format = {FORMAT:?}); fit one with dae-fit, or \
                 name one of its tensors, FILE:KEY, where samples are expected"
            );
            ensure!(
                entry("version") == Some(VERSION),
                "a model of version {}, where this program knows version {VERSION}; use the programs that made it",
                entry("version").unwrap_or("unknown")
            );
            Ok(())
        });
        file.and_then(Model::of).with_context(|| name)
    }

    fn of(mut file: TensorFile) -> Result<Model> {
        let item_shape = parse_shape(file.entry("item_shape").unwrap_or(""))?;
        let (kind, dtype) = match file.entry("kind").unwrap_or("unknown") {
            "molrg" => {
                let dtype = file.dtype("bases")?;
                (Kind::Molrg(mixture_of(&mut file)?), dtype)
            }
            "empirical" => {
                let dtype = file.dtype("data")?;
                (Kind::Empirical(Points::read(&mut file)?), dtype)
            }
            "local" => {
                let dtype = file.dtype("data")?;
                (Kind::Local(Local::read(&mut file)?), dtype)
            }
            "pca-local" => {
                let dtype = file.dtype("data")?;
                let threshold = file.entry("threshold").and_then(|v| v.parse().ok());
                let threshold =
                    threshold.filter(|t| (0.0..=1.0).contains(t)).context("damaged: it lacks a threshold")?;
                (Kind::PcaLocal(Points::read(&mut file)?, threshold), dtype)
            }
            "affine" => {
                let dtype = file.dtype("weights")?;
                (Kind::Affine(Affine::read(&mut file)?), dtype)
            }
            "random-features" => {
                let model = RandomFeatures::read(&mut file)?;
                let dtype = model.dtype();
                (Kind::RandomFeatures(Box::new(model)), dtype)
            }
            "network" => {
                let network = Network::read(&mut file, &item_shape)?;
                let dtype = network.average.dtype();
                (Kind::Network(Box::new(network)), dtype)
            }
            other => match Generative::NAMES.into_iter().find(|name| *name == other) {
                Some(name) => {
                    let generator = Generative::read(name, &mut file, item_shape.iter().product())?;
                    let dtype = generator.parameters.dtype();
                    (Kind::Generator(generator), dtype)
                }
                None => bail!(
                    "a model of kind {other:?}, which this program does not know; it knows molrg, empirical, \
                     local, pca-local, affine, random-features, network, linear-vae, vae and gan"
                ),
            },
        };
        let model = Model::new(kind, item_shape, dtype);
        let width = match &model.kind {
            Kind::Molrg(mixture) => mixture.dim(),
            Kind::Empirical(points) | Kind::PcaLocal(points, _) => points.shape.1,
            Kind::Local(local) => local.dim(),
            Kind::Affine(affine) => affine.dim(),
            Kind::RandomFeatures(model) => model.dim(),
            // Read by the shape of their items.
            Kind::Network(_) | Kind::Generator(_) | Kind::External(_) => model.dim(),
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
        let shape: Vec<String> = self.item_shape.iter().map(usize::to_string).collect();
        let mut metadata: BTreeMap<String, String> = [
            ("format", FORMAT.to_string()),
            ("version", VERSION.to_string()),
            ("kind", self.kind_name().to_string()),
            ("item_shape", shape.join(",")),
            ("created_by", concat!("molrg ", env!("CARGO_PKG_VERSION")).to_string()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .into();
        match &self.kind {
            Kind::Molrg(mixture) => with_dtype!(self.dtype, T => write_mixture::<T>(out, &metadata, mixture)),
            Kind::Empirical(points) => tensors::write(out, &metadata, &[points.entry(self.dtype)]),
            Kind::PcaLocal(points, threshold) => {
                metadata.insert("threshold".into(), threshold.to_string());
                tensors::write(out, &metadata, &[points.entry(self.dtype)])
            }
            Kind::Local(local) => {
                metadata.extend(local.metadata());
                tensors::write(out, &metadata, &local.entries())
            }
            Kind::Affine(affine) => tensors::write(out, &metadata, &affine.entries()),
            Kind::RandomFeatures(model) => {
                metadata.extend(model.metadata());
                tensors::write(out, &metadata, &model.entries()?)
            }
            Kind::Network(network) => {
                metadata.extend(network.metadata());
                tensors::write(out, &metadata, &network.entries(&self.item_shape)?)
            }
            Kind::Generator(generator) => {
                metadata.extend(generator.metadata());
                tensors::write(out, &metadata, &generator.entries())
            }
            Kind::External(external) => bail!("{}: is a program, which no file holds", external.name()),
        }
    }
}

fn write_mixture<T: Scalar>(
    out: &mut impl Write,
    metadata: &BTreeMap<String, String>,
    mixture: &Mixture,
) -> Result<()> {
    let (k, d) = (mixture.components.len(), mixture.dim());
    let r = mixture.ranks().into_iter().max().unwrap_or(0);
    let (mut weights, mut means, mut bases) = (Vec::new(), Vec::new(), Vec::new());
    let (mut variances, mut noise) = (Vec::new(), Vec::new());
    for c in &mixture.components {
        weights.push(c.weight);
        means.extend(&c.mean);
        for row in c.basis.outer_iter() {
            bases.extend(row);
            bases.extend(std::iter::repeat_n(0.0, r - row.len()));
        }
        variances.extend(&c.variances);
        variances.extend(std::iter::repeat_n(c.noise_variance, r - c.variances.len()));
        noise.push(c.noise_variance);
    }
    // Beside a larger variance one may vanish; all of them may not.
    let largest = variances.iter().chain(&noise).fold(0.0f64, |m, &v| m.max(v));
    ensure!(
        largest == 0.0 || largest >= T::min_positive_value().wide(),
        "the model's variances, at most {largest:e}, are below {}; give the samples in another unit{}",
        T::DTYPE,
        if T::DTYPE == Dtype::F32 { " or --dtype f64" } else { "" }
    );
    let entry = |name: &str, dtype, shape: Vec<usize>, numbers| Entry {
        name: name.into(),
        shape,
        dtype,
        numbers: Numbers::F64(numbers),
    };
    let entries = [
        entry("weights", Dtype::F64, vec![k], &weights[..]),
        entry("means", T::DTYPE, vec![k, d], &means),
        entry("bases", T::DTYPE, vec![k, d, r], &bases),
        entry("variances", T::DTYPE, vec![k, r], &variances),
        entry("noise_variance", T::DTYPE, vec![k], &noise),
    ];
    tensors::write(out, metadata, &entries)
}

/// "4,4,3" as [4, 4, 3].
fn parse_shape(text: &str) -> Result<Vec<usize>> {
    text.split(',')
        .map(|n| n.trim().parse::<usize>().ok().filter(|n| *n > 0))
        .collect::<Option<Vec<_>>>()
        .filter(|shape| shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).is_some())
        .with_context(|| format!("damaged: item_shape {text:?} is not a list of sizes"))
}

fn mixture_of(tensors: &mut TensorFile) -> Result<Mixture> {
    let weights = tensors.take("weights")?.into_wide();
    let means = tensors.take("means")?;
    let bases = tensors.take("bases")?;
    let variances = tensors.take("variances")?;
    let noise = tensors.take("noise_variance")?.into_wide();
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
    ensure!(
        weights.iter().chain(&noise).all(|v| v.is_finite())
            && [&means, &bases, &variances].iter().all(|tensor| tensor.values.all_finite()),
        "damaged: it holds numbers that are not finite"
    );
    let wide = |tensor: &Tensor, span: Range<usize>| Numbers::part(&tensor.values, span).wide();
    let component = |j: usize| {
        let mut basis = Array2::from_shape_vec((d, r), wide(&bases, j * d * r..(j + 1) * d * r))?;
        // Padding columns are zero.
        let rank = basis.columns().into_iter().take_while(|c| c.iter().any(|&v| v != 0.0)).count();
        if rank < r {
            basis = basis.slice(ndarray::s![.., ..rank]).to_owned();
        }
        Ok(Component {
            weight: weights[j],
            mean: wide(&means, j * d..(j + 1) * d).into(),
            basis,
            variances: wide(&variances, j * r..j * r + rank).into(),
            noise_variance: noise[j],
        })
    };
    let components = (0..k).into_par_iter().map(component).collect::<Result<_>>()?;
    let mixture = Mixture { components };
    mixture.check().map_err(|e| anyhow!("damaged: {e}"))?;
    Ok(mixture)
}
