//! A network as a list of layers, each fed by earlier ones.
//!
//! The graph knows which layer feeds which and where parameters stand in one
//! flat list; the layers know the mathematics. Values flow through it forwards
//! (`forward`, `jvp`), derivatives of a loss backwards (`vjp`), each node adding
//! to what the others already gave.

use ndarray::{Array2, ArrayView2};

use super::batch::{Batch, Shape};
use super::layers::{At, Layer, Offset, Span};
use crate::random::{Purpose, fill_normal, row_rng};
use crate::scalar::Scalar;

/// A node's number. Nodes only use earlier ones.
pub type Node = usize;

/// The data, already scaled for the network.
pub const DATA: Node = 0;

/// The noise level as the network sees it, one number a row.
pub const NOISE: Node = 1;

/// The class that a row is of, from 0; none is the branch that knows no class.
pub type Class = Option<u32>;

/// See [`Graph::rows_at_once`].
const PLACES: usize = 1024;
const VECTORS: usize = 256;

/// One of the network's tensors of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    pub span: Span,
    pub start: Start,
}

/// What a parameter is before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Independent normal numbers of this standard deviation.
    Normal(f64),
    Constant(f64),
}

struct Place<T> {
    shape: Shape,
    /// Nothing for the inputs of the graph.
    layer: Option<Box<dyn Layer<T>>>,
    inputs: Vec<Node>,
    /// Whether parameters stand before or in it, so that derivatives must get here.
    learned: bool,
}

impl<T> Place<T> {
    fn input(shape: Shape) -> Place<T> {
        Place { shape, layer: None, inputs: Vec::new(), learned: false }
    }
}

/// A network's layers and the list of its parameters. The last node is the output.
pub struct Graph<T> {
    places: Vec<Place<T>>,
    /// Where rows' classes come in, if they do: one number each, −1 where there is none.
    class: Option<Node>,
    /// Where rows' conditions come in, if they do.
    condition: Option<Node>,
    pub parameters: Vec<Parameter>,
    /// Values inside that have a name.
    hidden: Vec<(String, Node)>,
}

/// The values of all nodes for one batch, and what flows along with them.
pub struct Tape<T> {
    rows: usize,
    values: Vec<Batch<T>>,
    /// ∂L/∂value, or the values' derivative along a direction.
    derivatives: Vec<Batch<T>>,
}

impl<T> Tape<T> {
    pub fn new() -> Tape<T> {
        Tape { rows: 0, values: Vec::new(), derivatives: Vec::new() }
    }
}

impl<T> Default for Tape<T> {
    fn default() -> Self {
        Tape::new()
    }
}

impl<T: Scalar> Graph<T> {
    /// Of data of this shape and a noise level, so far without layers.
    pub fn new(data: Shape) -> Graph<T> {
        let places = vec![Place::input(data), Place::input(Shape::vector(1))];
        Graph { places, class: None, condition: None, parameters: Vec::new(), hidden: Vec::new() }
    }

    /// Where the class of rows comes in, one number each.
    pub fn class(&mut self) -> Node {
        let next = self.places.len();
        let node = *self.class.get_or_insert(next);
        if node == next {
            self.places.push(Place::input(Shape::vector(1)));
        }
        node
    }

    /// Where the condition of rows comes in, so many numbers each.
    pub fn condition(&mut self, width: usize) -> Node {
        let next = self.places.len();
        let node = *self.condition.get_or_insert(next);
        if node == next {
            self.places.push(Place::input(Shape::vector(width)));
        }
        node
    }

    /// Gives a node a name, by which its values can be asked for.
    pub fn call(&mut self, name: &str, node: Node) -> Node {
        self.hidden.push((name.to_string(), node));
        node
    }

    /// The nodes that have names, from the data to the output, and the shape of a row's values.
    pub fn hidden(&self) -> impl Iterator<Item = (&str, Shape)> {
        self.hidden.iter().map(|(name, node)| (name.as_str(), self.places[*node].shape))
    }

    /// After `forward` with the same tape: the values of a node by its name.
    pub fn values_of<'t>(&self, name: &str, tape: &'t Tape<T>) -> Option<&'t Batch<T>> {
        let (_, node) = self.hidden.iter().find(|(other, _)| other == name)?;
        tape.values.get(*node)
    }

    /// From here on all that a node feeds, which is known by its name, sees these numbers added to its values: those of
    /// one place at all places, or those of a row. False where none has the name, or values of another size.
    pub fn edit(&mut self, name: &str, values: Vec<f64>) -> bool {
        let Some((_, node)) = self.hidden.iter().find(|(other, _)| other == name) else { return false };
        let (node, shape) = (*node, self.places[*node].shape);
        if values.len() != shape.channels && values.len() != shape.len() {
            return false;
        }
        // A layer of its own after the node, by whose number what comes later knows the node from then on.
        let moved = |n: &mut Node| *n += usize::from(*n >= node);
        self.places[node + 1..].iter_mut().flat_map(|place| &mut place.inputs).for_each(moved);
        self.hidden
            .iter_mut()
            .map(|(_, n)| n)
            .chain(&mut self.class)
            .chain(&mut self.condition)
            .for_each(moved);
        let learned = self.places[node].learned;
        let layer = Some(Box::new(Offset { values }) as Box<dyn Layer<T>>);
        self.places.insert(node + 1, Place { shape, layer, inputs: vec![node], learned });
        true
    }

    /// Adds a tensor of parameters.
    pub fn parameter(&mut self, name: &str, shape: &[usize], start: Start) -> Span {
        let span = Span { offset: self.parameter_count(), len: shape.iter().product() };
        self.parameters.push(Parameter { name: name.to_string(), shape: shape.to_vec(), span, start });
        span
    }

    /// Adds a layer. `learned`: whether it has parameters.
    pub fn add(&mut self, layer: impl Layer<T> + 'static, inputs: &[Node], learned: bool) -> Node {
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.places[i].shape).collect();
        let learned = learned || inputs.iter().any(|&i| self.places[i].learned);
        let shape = layer.shape(&shapes);
        self.places.push(Place { shape, layer: Some(Box::new(layer)), inputs: inputs.to_vec(), learned });
        self.places.len() - 1
    }

    pub fn shape(&self, node: Node) -> Shape {
        self.places[node].shape
    }

    /// d of the data.
    pub fn dim(&self) -> usize {
        self.places[DATA].shape.len()
    }

    /// Numbers of the output, a row.
    pub fn output_dim(&self) -> usize {
        self.places.last().map_or(0, |p| p.shape.len())
    }

    /// How many numbers the parameters are.
    pub fn parameter_count(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.span.offset + p.span.len)
    }

    /// Whether it works on many places a row (pixels, tokens), rather than on one vector.
    pub fn has_places(&self) -> bool {
        self.places.iter().any(|p| p.shape.places() > 1)
    }

    /// Rows that go through it together: many vectors, or images and tokens of
    /// [`PLACES`] places, enough for products to be fast, few enough to stay in the cache.
    pub fn rows_at_once(&self) -> usize {
        match self.has_places() {
            false => VECTORS,
            true => {
                let most = self.places.iter().map(|p| p.shape.places()).max().unwrap_or(1);
                (PLACES / most).max(1)
            }
        }
    }

    /// Bytes of the values and derivatives of one row, and of what the hungriest
    /// layer needs besides.
    pub fn bytes_per_row(&self) -> usize {
        let scratch = self.places.iter().map(|place| {
            let inputs: Vec<Shape> = place.inputs.iter().map(|&i| self.places[i].shape).collect();
            place.layer.as_ref().map_or(0, |layer| layer.scratch(&inputs))
        });
        let values: usize = self.places.iter().map(|p| p.shape.len()).sum();
        (2 * values + scratch.max().unwrap_or(0)).saturating_mul(T::DTYPE.size())
    }

    /// Parameters before training: tensor number i is drawn from (seed, purpose, i).
    pub fn start(&self, seed: u64, purpose: Purpose) -> Vec<T> {
        let mut p = vec![T::zero(); self.parameter_count()];
        for (i, parameter) in self.parameters.iter().enumerate() {
            let values = parameter.span.of_mut(&mut p);
            match parameter.start {
                Start::Constant(c) => values.fill(T::of(c)),
                Start::Normal(std) => {
                    fill_normal(&mut row_rng(seed, purpose, i as u64), values);
                    values.iter_mut().for_each(|v| *v *= T::of(std));
                }
            }
        }
        p
    }

    /// F(x; c) for every row of x, (n, d), c the noise level as the network sees it; without a class.
    pub fn forward(&self, p: &[T], x: ArrayView2<T>, noise: &[T], tape: &mut Tape<T>) -> Array2<T> {
        self.forward_of(p, x, noise, &vec![None; x.nrows()], tape)
    }

    /// F(x; c, k) for every row of x, k its class.
    ///
    /// # Panics
    /// As [`Graph::forward_given`].
    pub fn forward_of(
        &self,
        p: &[T],
        x: ArrayView2<T>,
        noise: &[T],
        classes: &[Class],
        tape: &mut Tape<T>,
    ) -> Array2<T> {
        self.forward_given(p, x, noise, classes, None, tape)
    }

    /// F(x; c, k, u) for every row of x, k its class and u, (n, m), its condition, as the network sees it.
    ///
    /// # Panics
    /// When there is not one class and, of a network with one, one condition a row: a programming error.
    pub fn forward_given(
        &self,
        p: &[T],
        x: ArrayView2<T>,
        noise: &[T],
        classes: &[Class],
        condition: Option<ArrayView2<T>>,
        tape: &mut Tape<T>,
    ) -> Array2<T> {
        assert!(classes.len() == x.nrows(), "a class for every row");
        if tape.rows != x.nrows() || tape.values.len() != self.places.len() {
            tape.rows = x.nrows();
            tape.values = self.places.iter().map(|place| Batch::zeros(place.shape, x.nrows())).collect();
            tape.derivatives = Vec::new();
        }
        tape.values[DATA].assign_rows(x);
        tape.values[NOISE].all_mut().copy_from_slice(noise);
        if let Some(node) = self.class {
            for (value, class) in tape.values[node].all_mut().iter_mut().zip(classes) {
                *value = class.map_or(T::of(-1.0), |k| T::of(f64::from(k)));
            }
        }
        if let Some(node) = self.condition {
            let condition = condition.filter(|u| u.dim() == (x.nrows(), self.places[node].shape.len()));
            assert!(condition.is_some(), "a condition for every row");
            condition.into_iter().for_each(|u| tape.values[node].assign_rows(u));
        }
        for (node, place) in self.places.iter().enumerate() {
            let Some(layer) = &place.layer else { continue };
            let (before, rest) = tape.values.split_at_mut(node);
            let inputs: Vec<&Batch<T>> = place.inputs.iter().map(|&i| &before[i]).collect();
            layer.forward(p, &inputs, &mut rest[0]);
        }
        tape.values[self.places.len() - 1].to_rows()
    }

    /// After `forward` with the same tape: adds ∂L/∂p to `dp`, given ∂L/∂F.
    pub fn gradient(&self, p: &[T], tape: &mut Tape<T>, d_output: ArrayView2<T>, dp: &mut [T]) {
        self.backward(p, tape, d_output, Some(dp));
    }

    /// After `forward` with the same tape: uᵀ ∂F/∂x for every row u of `d_output`.
    pub fn vjp(&self, p: &[T], tape: &mut Tape<T>, d_output: ArrayView2<T>) -> Array2<T> {
        self.backward(p, tape, d_output, None);
        tape.derivatives[DATA].to_rows()
    }

    /// With `dp` the derivatives by parameters, without those by the data.
    fn backward(&self, p: &[T], tape: &mut Tape<T>, d_output: ArrayView2<T>, mut dp: Option<&mut [T]>) {
        self.clear_derivatives(tape);
        let last = self.places.len() - 1;
        tape.derivatives[last].assign_rows(d_output);
        let needed = self.needed(dp.is_some());
        for (node, place) in self.places.iter().enumerate().rev() {
            let Some(layer) = &place.layer else { continue };
            if !needed[node] {
                continue;
            }
            // Out of the list while the layer works, so that it may write to several.
            let mut dx: Vec<Option<Batch<T>>> = place
                .inputs
                .iter()
                .map(|&i| needed[i].then(|| std::mem::take(&mut tape.derivatives[i])))
                .collect();
            let inputs: Vec<&Batch<T>> = place.inputs.iter().map(|&i| &tape.values[i]).collect();
            let at = At { p, x: &inputs, y: &tape.values[node] };
            layer.vjp(at, &tape.derivatives[node], &mut dx, dp.as_deref_mut());
            for (&i, dx) in place.inputs.iter().zip(dx) {
                if let Some(dx) = dx {
                    tape.derivatives[i] = dx;
                }
            }
        }
    }

    /// After `forward` with the same tape: ∂F/∂x v for every row v of `x_dot`.
    pub fn jvp(&self, p: &[T], tape: &mut Tape<T>, x_dot: ArrayView2<T>) -> Array2<T> {
        self.clear_derivatives(tape);
        tape.derivatives[DATA].assign_rows(x_dot);
        for (node, place) in self.places.iter().enumerate() {
            let Some(layer) = &place.layer else { continue };
            let (before, rest) = tape.derivatives.split_at_mut(node);
            let inputs: Vec<&Batch<T>> = place.inputs.iter().map(|&i| &tape.values[i]).collect();
            let directions: Vec<&Batch<T>> = place.inputs.iter().map(|&i| &before[i]).collect();
            let at = At { p, x: &inputs, y: &tape.values[node] };
            layer.jvp(at, &directions, &mut rest[0]);
        }
        tape.derivatives[self.places.len() - 1].to_rows()
    }

    fn clear_derivatives(&self, tape: &mut Tape<T>) {
        if tape.derivatives.is_empty() {
            tape.derivatives = self.places.iter().map(|place| Batch::zeros(place.shape, tape.rows)).collect();
        } else {
            tape.derivatives.iter_mut().for_each(|d| d.all_mut().fill(T::zero()));
        }
    }

    /// Which nodes a derivative must reach: those with parameters before or in
    /// them, or else those that depend on the data.
    fn needed(&self, parameters: bool) -> Vec<bool> {
        let mut needed: Vec<bool> = Vec::new();
        for (node, place) in self.places.iter().enumerate() {
            let by_data = node == DATA || place.inputs.iter().any(|&i| needed[i]);
            needed.push(if parameters { place.learned } else { by_data });
        }
        needed
    }
}
