//! Trained networks as denoisers: D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ),
//! with F at the average of the parameters over the last steps of training.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::{Asked, Denoiser, Differentiable, Tangent};
use crate::network::architecture::{Architecture, Classes, Condition};
use crate::network::batch::Shape;
use crate::network::graph::Parameter;
use crate::network::preconditioning::{Coefficients, Preconditioning};
use crate::network::{Class, Graph, Tape};
use crate::scalar::Scalar;
use crate::schedule::SIGMAS;
use crate::stream::tensors::{Entry, Numbers, TensorFile, Values};

/// A network as a file holds it: a finished one, or a checkpoint of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub architecture: Architecture,
    /// The classes that it tells apart, if it does.
    pub classes: Option<Classes>,
    /// What it is told of every row, if it is.
    pub condition: Option<Condition>,
    pub preconditioning: Preconditioning,
    /// Standard deviation of the training data.
    pub sigma_data: f64,
    /// Averaged parameters, which the denoiser uses, and those of the last step. A file may hold one set alone,
    /// which then serves as both.
    pub average: Values,
    pub parameters: Values,
    /// The optimizer's running means (empty where it keeps none), in checkpoints.
    pub optimizer: Option<[Values; 2]>,
    /// How it was trained: further metadata, whose keys start with `training`.
    pub training: BTreeMap<String, String>,
}

/// Numbers that are added to what a layer computes, wherever it goes: a direction, so many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// As [`NetworkDenoiser::layers`] calls it.
    pub layer: String,
    /// Of the channels of one place, then of all alike; or of all places.
    pub values: Vec<f64>,
}

/// The sets of tensors in a file, by their prefix.
const AVERAGE: &str = "ema";
const PARAMETERS: &str = "model";
const OPTIMIZER: [&str; 2] = ["first", "second"];

impl Network {
    pub(super) fn read(file: &mut TensorFile, item_shape: &[usize]) -> Result<Network> {
        let damaged = |key: &str| format!("damaged: its metadata lack a proper {key}");
        let number =
            |key: &str| file.entry(key).and_then(|v| v.parse::<f64>().ok()).with_context(|| damaged(key));
        let architecture = Architecture::from_metadata(|key| file.entry(key)).context("damaged")?;
        let classes = Classes::from_metadata(|key| file.entry(key)).context("damaged")?;
        let condition = Condition::from_metadata(|key| file.entry(key), item_shape.iter().product());
        let condition = condition.context("damaged")?;
        let preconditioning = match file.entry("preconditioning").unwrap_or("") {
            "plain" => Preconditioning::Plain,
            "mean" => Preconditioning::Mean,
            "edm" => Preconditioning::Edm,
            "vp" => Preconditioning::Vp,
            "subvp" => Preconditioning::Subvp,
            "ve" => Preconditioning::Ve,
            "consistency" => {
                let sigma_min = number("sigma_min")?;
                ensure!(SIGMAS.contains(&sigma_min), damaged("sigma_min"));
                Preconditioning::Consistency { sigma_min }
            }
            _ => anyhow::bail!(damaged("preconditioning")),
        };
        let sigma_data = number("sigma_data")?;
        ensure!(SIGMAS.contains(&sigma_data), damaged("sigma_data"));
        let training = file.metadata.iter().filter(|(key, _)| key.starts_with("training"));
        let training = training.map(|(k, v)| (k.clone(), v.clone())).collect();
        let width = condition.as_ref().map(Condition::width);
        let graph = architecture.graph_given::<f32>(item_shape, classes, width);
        let parameters = graph.context("damaged")?.parameters;
        let mut set = |prefix: &str| match file.has(&tensor_name(prefix, &parameters[0])) {
            true => file.take_all(parameters.iter().map(|p| (tensor_name(prefix, p), &p.shape[..]))),
            // Sets that the optimizer does not keep are not there at all.
            false => Ok(Values::F32(Vec::new())),
        };
        let (average, values) = (set(AVERAGE)?, set(PARAMETERS)?);
        let both = !average.is_empty() && !values.is_empty();
        let (average, values) = match (average.is_empty(), values.is_empty()) {
            (false, true) => (average.clone(), average),
            (true, false) => (values.clone(), values),
            _ => (average, values),
        };
        ensure!(!average.is_empty(), "damaged: its parameters ({AVERAGE}.… or {PARAMETERS}.…) are missing");
        ensure!(average.all_finite() && values.all_finite(), "damaged: it holds numbers that are not finite");
        let optimizer = [set(OPTIMIZER[0])?, set(OPTIMIZER[1])?];
        ensure!(optimizer.iter().all(Values::all_finite), "damaged: it holds numbers that are not finite");
        file.nothing_left()?;
        let optimizer = optimizer.iter().any(|v| !v.is_empty()).then_some(optimizer);
        ensure!(
            both || optimizer.is_none(),
            "damaged: a checkpoint of training needs both {AVERAGE}.… and {PARAMETERS}.…"
        );
        Ok(Network {
            architecture,
            classes,
            condition,
            preconditioning,
            sigma_data,
            average,
            parameters: values,
            optimizer,
            training,
        })
    }

    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = self.training.clone();
        let mut add = |key: &str, value: String| metadata.insert(key.to_string(), value);
        let classes = self.classes.map(Classes::to_metadata).into_iter().flatten();
        let condition = self.condition.as_ref().map(Condition::to_metadata).into_iter().flatten();
        for (key, value) in self.architecture.to_metadata().into_iter().chain(classes).chain(condition) {
            add(key, value);
        }
        add("parameters", self.parameters.len().to_string());
        add("sigma_data", self.sigma_data.to_string());
        let name = match self.preconditioning {
            Preconditioning::Plain => "plain",
            Preconditioning::Mean => "mean",
            Preconditioning::Edm => "edm",
            Preconditioning::Vp => "vp",
            Preconditioning::Subvp => "subvp",
            Preconditioning::Ve => "ve",
            Preconditioning::Consistency { sigma_min } => {
                add("sigma_min", sigma_min.to_string());
                "consistency"
            }
        };
        add("preconditioning", name.to_string());
        metadata
    }

    /// Its layers, for items of this shape.
    fn graph<T: Scalar>(&self, item_shape: &[usize]) -> Result<Graph<T>> {
        self.architecture.graph_given(item_shape, self.classes, self.condition.as_ref().map(Condition::width))
    }

    pub(super) fn entries(&self, item_shape: &[usize]) -> Result<Vec<Entry<'_>>> {
        let parameters = self.graph::<f32>(item_shape)?.parameters;
        let mut sets = vec![(AVERAGE, &self.average), (PARAMETERS, &self.parameters)];
        if let Some(optimizer) = &self.optimizer {
            sets.extend(OPTIMIZER.into_iter().zip(optimizer));
        }
        let mut entries = Vec::new();
        for (prefix, values) in sets.into_iter().filter(|(_, values)| !values.is_empty()) {
            entries.extend(parameters.iter().map(|p| Entry {
                name: tensor_name(prefix, p),
                shape: p.shape.clone(),
                dtype: values.dtype(),
                numbers: Numbers::part(values, p.span.offset..p.span.offset + p.span.len),
            }));
        }
        Ok(entries)
    }
}

fn tensor_name(prefix: &str, parameter: &Parameter) -> String {
    format!("{prefix}.{}", parameter.name)
}

/// The denoiser of a network, of one of its classes or of none, and of the conditions that it is given.
pub struct NetworkDenoiser<T> {
    graph: Graph<T>,
    parameters: Vec<T>,
    preconditioning: Preconditioning,
    sigma_data: f64,
    asked: Asked,
    told: Option<Condition>,
    /// Of every row, by its number in the whole of the work.
    conditions: Option<Array2<T>>,
}

/// What goes with rows: their classes, and their conditions where a network is told some.
struct Given<'a, T> {
    classes: Vec<Class>,
    condition: Option<ArrayView2<'a, T>>,
}

impl<'a, T> Given<'a, T> {
    fn part(&self, rows: std::ops::Range<usize>) -> Given<'a, T> {
        let condition = self.condition;
        Given {
            classes: self.classes[rows.clone()].to_vec(),
            condition: condition.map(|u| u.slice_move(s![rows, ..])),
        }
    }
}

impl<T: Scalar> NetworkDenoiser<T> {
    /// Without a class, and given no condition yet.
    ///
    /// # Errors
    /// When the architecture does not fit items of this shape.
    pub fn new(network: Network, item_shape: &[usize]) -> Result<NetworkDenoiser<T>> {
        Ok(NetworkDenoiser {
            asked: Asked::Nothing,
            graph: network.graph(item_shape)?,
            told: network.condition,
            conditions: None,
            parameters: network.average.into_vec(),
            preconditioning: network.preconditioning,
            sigma_data: network.sigma_data,
        })
    }

    /// From here on it is that of these classes, which it must have.
    pub fn ask(&mut self, asked: Asked) {
        self.asked = asked;
    }

    /// From here on its rows have these conditions, (N, m), by their number.
    pub fn give(&mut self, conditions: Array2<T>) {
        self.conditions = Some(conditions);
    }

    /// What goes with `n` rows, of which the first has a number, if they have some.
    fn given(&self, first: Option<u64>, n: usize) -> Result<Given<'_, T>> {
        let classes = first.map_or_else(|| self.asked.of_all(n), |first| self.asked.of_rows(first, n))?;
        let Some(told) = &self.told else { return Ok(Given { classes, condition: None }) };
        let all = self.conditions.as_ref();
        let all = all
            .with_context(|| format!("it has learned with a condition of {} numbers a row", told.width()))?;
        let first = first.context("conditions belong to rows by their number, and here rows have none")?;
        let end = first.checked_add(n as u64).filter(|end| *end <= all.nrows() as u64);
        let end = end.with_context(|| {
            format!("row {first}: there are conditions of {} rows; give one a row", all.nrows())
        })?;
        Ok(Given { classes, condition: Some(all.slice(s![first as usize..end as usize, ..])) })
    }

    /// From here on it computes with this edit, besides those before.
    ///
    /// # Errors
    /// Where it has no such layer, with all that it has; where the layer has another number of units.
    pub fn edit(&mut self, edit: Edit) -> Result<()> {
        let Edit { layer, values } = edit;
        let Some((_, shape)) = self.layers().find(|(name, _)| *name == layer) else {
            let all: Vec<&str> = self.layers().map(|(name, _)| name).collect();
            anyhow::bail!("has no layer {layer}; it has {}", all.join(", "));
        };
        let count = values.len();
        ensure!(
            self.graph.edit(&layer, values),
            "layer {layer} has {}, and the direction {count} numbers; give one of as many",
            match shape.places() {
                1 => format!("{} units", shape.channels),
                places => format!("{} channels, and {places} places", shape.channels),
            }
        );
        Ok(())
    }

    /// What it computes inside that has a name, from the data to the output, and the shape of a row's values.
    pub fn layers(&self) -> impl Iterator<Item = (&str, Shape)> {
        self.graph.hidden()
    }

    /// The values of a layer for every row of `x`, (n, places · channels), channels last; `None` where none has the
    /// name.
    ///
    /// # Errors
    /// Where a class belongs to rows by their number.
    pub fn features(&self, x: ArrayView2<T>, sigma: f64, layer: &str) -> Result<Option<Array2<T>>> {
        let Some((_, shape)) = self.layers().find(|(name, _)| *name == layer) else { return Ok(None) };
        let mut all = Array2::zeros((x.nrows(), shape.len()));
        let mut tape = Tape::new();
        let at_once = self.graph.rows_at_once();
        for (x, mut all) in
            x.axis_chunks_iter(Axis(0), at_once).zip(all.axis_chunks_iter_mut(Axis(0), at_once))
        {
            self.forward(x, sigma, &self.given(None, x.nrows())?, &mut tape);
            if let Some(values) = self.graph.values_of(layer, &tape) {
                all.assign(&values.to_rows());
            }
        }
        Ok(Some(all))
    }

    fn coefficients(&self, sigma: f64) -> Coefficients {
        self.preconditioning.at(sigma, self.sigma_data)
    }

    /// F(c_in x), its values left on the tape; x less the condition where it is learned so.
    fn forward(&self, x: ArrayView2<T>, sigma: f64, given: &Given<T>, tape: &mut Tape<T>) -> Array2<T> {
        let input = T::of(self.coefficients(sigma).input);
        let noise = vec![self.preconditioning.noise_input(sigma); x.nrows()];
        let seen = self.told.as_ref().zip(given.condition).map(|(told, u)| told.seen(u));
        let (x, u) = (x.mapv(|v| v * input), seen.as_ref().map(|u| u.view()));
        self.graph.forward_given(&self.parameters, x.view(), &noise, &given.classes, u, tape)
    }
}

/// The Jacobian of a network at one point: F there stays on tapes.
struct NetworkTangent<'a, T> {
    denoiser: &'a NetworkDenoiser<T>,
    x: ArrayView1<'a, T>,
    sigma: f64,
    /// F at the point, for so many directions at once.
    tapes: BTreeMap<usize, Tape<T>>,
}

impl<T: Scalar> NetworkTangent<'_, T> {
    /// c_skip v + c_out c_in · (the product with ∂F/∂x that `product` gives), for rows `v`, some at a time.
    fn derivative(
        &mut self,
        v: ArrayView2<T>,
        product: impl Fn(&NetworkDenoiser<T>, &mut Tape<T>, ArrayView2<T>) -> Array2<T>,
    ) -> Result<Array2<T>> {
        let NetworkTangent { denoiser, x, sigma, tapes } = self;
        let Coefficients { skip, out, input, .. } = denoiser.coefficients(*sigma);
        let (skip, scale) = (T::of(skip), T::of(out * input));
        let mut result = Array2::zeros(v.raw_dim());
        let at_once = denoiser.graph.rows_at_once();
        let given = denoiser.given(None, v.nrows().min(at_once))?;
        for (v, mut result) in
            v.axis_chunks_iter(Axis(0), at_once).zip(result.axis_chunks_iter_mut(Axis(0), at_once))
        {
            let tape = tapes.entry(v.nrows()).or_insert_with(|| {
                let mut tape = Tape::new();
                let point = x.insert_axis(Axis(0));
                let points = point.broadcast(v.raw_dim()).map(|p| p.to_owned()).unwrap_or_default();
                denoiser.forward(points.view(), *sigma, &given.part(0..v.nrows()), &mut tape);
                tape
            });
            result.assign(&product(denoiser, tape, v));
            result.zip_mut_with(&v, |r, &v| *r = skip * v + scale * *r);
        }
        Ok(result)
    }
}

impl<T: Scalar> Tangent<T> for NetworkTangent<'_, T> {
    fn jvp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>> {
        self.derivative(directions, |net, tape, v| net.graph.jvp(&net.parameters, tape, v))
    }

    fn vjp(&mut self, directions: ArrayView2<T>) -> Result<Array2<T>> {
        self.derivative(directions, |net, tape, u| net.graph.vjp(&net.parameters, tape, u))
    }
}

impl<T: Scalar> Denoiser<T> for NetworkDenoiser<T> {
    fn dim(&self) -> usize {
        self.graph.dim()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        Ok(self.denoised(x, sigma, &self.given(None, x.nrows())?))
    }

    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        Ok(self.split_of(x, sigma, &self.given(None, x.nrows())?))
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        Ok(self.denoised(x, sigma, &self.given(Some(first), x.nrows())?))
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.denoise_rows(x, number, sigma)
    }

    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        Ok(self.split_of(x, sigma, &self.given(Some(first), x.nrows())?))
    }
}

/// a x + b F(c_in x; ¼ ln σ) + c u, where x is less the condition u if it is learned so, and u is 0 if it is not.
#[derive(Clone, Copy)]
struct Form {
    of_x: f64,
    of_network: f64,
    of_condition: f64,
}

impl<T: Scalar> NetworkDenoiser<T> {
    /// D of rows with what goes with them.
    fn denoised(&self, x: ArrayView2<T>, sigma: f64, given: &Given<T>) -> Array2<T> {
        let Coefficients { skip, out, .. } = self.coefficients(sigma);
        let [d] = self.combined(x, sigma, given, [Form { of_x: skip, of_network: out, of_condition: 1.0 }]);
        d
    }

    /// D, and x − D = (1 − c_skip) x − c_out F.
    fn split_of(&self, x: ArrayView2<T>, sigma: f64, given: &Given<T>) -> (Array2<T>, Array2<T>) {
        let Coefficients { skip, rest, out, .. } = self.coefficients(sigma);
        let denoised = Form { of_x: skip, of_network: out, of_condition: 1.0 };
        let left = Form { of_x: rest, of_network: -out, of_condition: 0.0 };
        let [d, rest] = self.combined(x, sigma, given, [denoised, left]);
        (d, rest)
    }

    /// Some rows at a time, for every form.
    fn combined<const N: usize>(
        &self,
        x: ArrayView2<T>,
        sigma: f64,
        given: &Given<T>,
        forms: [Form; N],
    ) -> [Array2<T>; N] {
        let mut results = [(); N].map(|()| Array2::zeros(x.raw_dim()));
        let mut tape = Tape::new();
        let at_once = self.graph.rows_at_once();
        for start in (0..x.nrows()).step_by(at_once.max(1)) {
            let end = x.nrows().min(start + at_once);
            let (rows, given) = (s![start..end, ..], given.part(start..end));
            let about = self.about(&given);
            let x = about.map_or_else(|| x.slice(rows).to_owned(), |u| &x.slice(rows) - &u);
            let f = self.forward(x.view(), sigma, &given, &mut tape);
            for (result, form) in results.iter_mut().zip(forms) {
                let (a, b, c) = (T::of(form.of_x), T::of(form.of_network), T::of(form.of_condition));
                let mut result = result.slice_mut(rows);
                result.assign(&x);
                result.zip_mut_with(&f, |r, &f| *r = a * *r + b * f);
                about.into_iter().for_each(|u| result.zip_mut_with(&u, |r, &u| *r += c * u));
            }
        }
        results
    }

    /// The conditions that rows are learned less.
    fn about<'a>(&self, given: &Given<'a, T>) -> Option<ArrayView2<'a, T>> {
        self.told.as_ref().filter(|told| told.about).and(given.condition)
    }

    /// D(x; σ, u) of rows x with conditions u, (n, d) and (n, m), and Jᵀv of each row, where v is what `of` makes of D.
    pub fn pulled_back(
        &self,
        x: ArrayView2<T>,
        sigma: f64,
        u: ArrayView2<T>,
        of: impl FnOnce(ArrayView2<T>) -> Array2<T>,
    ) -> (Array2<T>, Array2<T>) {
        let given = Given { classes: vec![None; x.nrows()], condition: Some(u) };
        let Coefficients { skip, out, input, .. } = self.coefficients(sigma);
        let (skip, out, input) = (T::of(skip), T::of(out), T::of(input));
        let about = self.about(&given);
        let x = about.map_or_else(|| x.to_owned(), |u| &x - &u);
        let mut tape = Tape::new();
        let f = self.forward(x.view(), sigma, &given, &mut tape);
        let mut d = &x * skip + f * out;
        about.into_iter().for_each(|u| d += &u);
        let v = of(d.view());
        let products = self.graph.vjp(&self.parameters, &mut tape, v.view());
        let back = v * skip + products * (out * input);
        (d, back)
    }

    /// Deviation of the rows that it was trained on, less their conditions where it is learned so.
    pub fn sigma_data(&self) -> f64 {
        self.sigma_data
    }

    /// Bytes of what a row leaves behind on its way through the network.
    pub fn bytes_per_row(&self) -> usize {
        self.graph.bytes_per_row()
    }

    /// D(x; σ, u) of rows x with conditions u.
    pub fn denoised_given(&self, x: ArrayView2<T>, sigma: f64, u: ArrayView2<T>) -> Array2<T> {
        self.denoised(x, sigma, &Given { classes: vec![None; x.nrows()], condition: Some(u) })
    }
}

impl<T: Scalar> Differentiable<T> for NetworkDenoiser<T> {
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.at(x, sigma).jvp(directions)
    }

    fn vjp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.at(x, sigma).vjp(directions)
    }

    fn at<'a>(&'a self, x: ArrayView1<'a, T>, sigma: f64) -> Box<dyn Tangent<T> + 'a> {
        Box::new(NetworkTangent { denoiser: self, x, sigma, tapes: BTreeMap::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use crate::stream::tensors;

    /// What is read of a file that holds these sets of a network's tensors alone.
    fn reread(network: &Network, sets: &[&str]) -> Result<Network> {
        let item = [3];
        let mut entries = network.entries(&item)?;
        entries.retain(|entry| sets.iter().any(|set| entry.name.starts_with(&format!("{set}."))));
        let mut bytes = Vec::new();
        tensors::write(&mut bytes, &network.metadata(), &entries)?;
        Network::read(&mut TensorFile::read(&bytes[..], |_| Ok(()))?, &item)
    }

    #[test]
    fn one_set_of_parameters_is_enough_but_for_going_on() {
        let architecture = Architecture::Mlp { width: 4, depth: 1 };
        let start =
            |seed| Values::new(architecture.graph::<f64>(&[3]).unwrap().start(seed, Purpose::Parameters));
        let mut network = Network {
            classes: None,
            condition: None,
            preconditioning: Preconditioning::Edm,
            sigma_data: 0.5,
            average: start(1),
            parameters: start(2),
            optimizer: None,
            training: BTreeMap::new(),
            architecture: architecture.clone(),
        };
        assert_ne!(network.average, network.parameters);
        assert_eq!(reread(&network, &["ema", "model"]).unwrap(), network);
        for (set, values) in [("ema", &network.average), ("model", &network.parameters)] {
            let found = reread(&network, &[set]).unwrap();
            assert_eq!((&found.average, &found.parameters), (values, values), "{set}");
        }
        let refused = |network: &Network, sets: &[&str]| reread(network, sets).unwrap_err().to_string();
        assert!(refused(&network, &[]).contains("are missing"));
        network.optimizer = Some([start(3), start(4)]);
        assert!(reread(&network, &["ema", "model", "first", "second"]).is_ok());
        assert!(refused(&network, &["ema", "first", "second"]).contains("needs both"));
    }
}
