//! The networks, as graphs of layers. Each computes F(x; c) for data x scaled
//! to unit size and the noise level c = ¼ ln σ.

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use ndarray::{Array2, ArrayView2};

use super::batch::Shape;
use super::graph::{DATA, Graph, NOISE, Node, Start};
use super::layers::{
    self, Attention, Concat, Conv, Crop, Down, Gate, GroupNorm, LayerNorm, Linear, Patches, Pointwise,
    Prepend, Relu, Shift, Silu, Sinusoids, Span, Sum, Unpatches, Up, Wrap,
};
use crate::scalar::Scalar;
use crate::schedule::SIGMAS;

/// What a network looks like; with the item's shape it fixes every parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// y = x W_1 … W_L. Conditioned, x W_1 is multiplied by e^{g(c)}, unit by unit.
    Linear { width: usize, depth: usize, tied: bool, conditioned: bool },
    /// y = [x W_1]_+ W_2 (arXiv 2512.20963). Conditioned, the hidden units are
    /// multiplied by e^{g(c)}; tied, W_2 = W_1ᵀ.
    TwoLayer { width: usize, tied: bool, conditioned: bool },
    /// Residual multilayer perceptron: h = x W_in, then `depth` times
    /// h ← h + B silu(A LN(h) + C e(c)), y = h W_out. Told a condition u, h = (x, u) W_in.
    Mlp { width: usize, depth: usize },
    /// U-Net of residual blocks, as DDPM++ (arXiv 2011.13456): `blocks` blocks at
    /// every resolution, `width`·mult channels, attention at the lowest.
    UNet { width: usize, mult: Vec<usize>, blocks: usize, padding: Padding },
    /// Residual 3×3 convolutions without norms, as networks that see patches are studied with (arXiv 2412.20292):
    /// h = conv(x), then `depth` times h ← h + conv(silu(h + C e(c))), y = conv(silu(h)). A pixel of y sees
    /// 2·depth + 5 pixels in either direction.
    ResNet { width: usize, depth: usize, padding: Padding },
    /// Vision transformer with long skips (arXiv 2209.12152): patches of
    /// side × side pixels as tokens, 2·⌊depth/2⌋ + 1 blocks.
    UVit { width: usize, depth: usize, patch: usize },
}

/// What convolutions read beyond the edge of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Padding {
    /// Zeros: the network sees where the border is
    #[default]
    Zero,
    /// The opposite edge: the network commutes with cyclic shifts
    Circular,
}

impl Padding {
    /// As a model file's metadata name it.
    fn name(self) -> &'static str {
        match self {
            Padding::Zero => "zero",
            Padding::Circular => "circular",
        }
    }
}

/// The classes of a network that tells rows apart by their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// How many there are; they are numbered from 0.
    pub count: usize,
    /// Whether it has learned to do without: the branch of rows whose label was dropped.
    pub unconditional: bool,
}

impl Classes {
    /// As a model file's metadata name them.
    pub fn to_metadata(self) -> [(&'static str, String); 2] {
        [("classes", self.count.to_string()), ("unconditional", self.unconditional.to_string())]
    }

    /// From a model file's metadata, which need not have any.
    ///
    /// # Errors
    /// On what is no number of classes, or lacks whether it can do without.
    pub fn from_metadata<'a>(entry: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Classes>> {
        let Some(classes) = entry("classes") else { return Ok(None) };
        let count = classes.parse().ok().filter(|n| (1..=Classes::MOST).contains(n));
        let unconditional = entry("unconditional").and_then(|v| v.parse().ok());
        Ok(Some(Classes {
            count: count.context("its metadata lack a proper classes")?,
            unconditional: unconditional.context("its metadata lack a proper unconditional")?,
        }))
    }

    /// The most that a network has.
    pub const MOST: usize = LARGEST;
}

/// What a network is told of every row: numbers beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Of each number, in the conditions that it was trained with, by which it sees them centred and of unit size.
    pub mean: Vec<f64>,
    pub deviation: Vec<f64>,
    /// Whether rows are learned less their conditions, which then are items like them: D(x; σ, u) = u + D(x − u; σ, u).
    pub about: bool,
}

impl Condition {
    /// How many numbers a row.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// As a model file's metadata name it.
    pub fn to_metadata(&self) -> [(&'static str, String); 4] {
        let list = |all: &[f64]| all.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        [
            ("condition", self.width().to_string()),
            ("condition_mean", list(&self.mean)),
            ("condition_std", list(&self.deviation)),
            ("about_condition", self.about.to_string()),
        ]
    }

    /// From the metadata of a network of items of `dim` numbers, which need not have any. One mean and one deviation are those
    /// of all numbers.
    ///
    /// # Errors
    /// On what is no condition.
    pub fn from_metadata<'a>(
        entry: impl Fn(&str) -> Option<&'a str>,
        dim: usize,
    ) -> Result<Option<Condition>> {
        let Some(width) = entry("condition") else { return Ok(None) };
        let lacking = |key: &str| format!("its metadata lack a proper {key}");
        let width = width.parse().ok().filter(|n| (1..=Condition::MOST).contains(n));
        let width: usize = width.with_context(|| lacking("condition"))?;
        let list = |key: &str, sound: fn(&f64) -> bool| {
            let number = |v: &str| v.parse::<f64>().ok().filter(sound);
            let all = entry(key).and_then(|text| text.split(',').map(number).collect::<Option<Vec<f64>>>());
            match all.as_deref() {
                Some([one]) => Ok(vec![*one; width]),
                Some(each) if each.len() == width => Ok(each.to_vec()),
                _ => Err(anyhow!(lacking(key))),
            }
        };
        let about = entry("about_condition").and_then(|v| v.parse().ok());
        let condition = Condition {
            mean: list("condition_mean", |v| v.is_finite())?,
            deviation: list("condition_std", |v| SIGMAS.contains(v))?,
            about: about.with_context(|| lacking("about_condition"))?,
        };
        ensure!(!condition.about || width == dim, lacking("condition"));
        Ok(Some(condition))
    }

    /// The most numbers that a network is told.
    pub const MOST: usize = LARGEST;

    /// As the network sees it.
    pub fn seen<T: Scalar>(&self, u: ArrayView2<T>) -> Array2<T> {
        let mut seen = u.to_owned();
        for ((mut column, mean), deviation) in
            seen.columns_mut().into_iter().zip(&self.mean).zip(&self.deviation)
        {
            let (mean, scale) = (T::of(*mean), T::of(1.0 / deviation));
            column.mapv_inplace(|v| (v - mean) * scale);
        }
        seen
    }
}

/// What goes with rows: their classes, and how many numbers of a condition.
#[derive(Clone, Copy)]
struct Given {
    classes: Option<Classes>,
    condition: Option<usize>,
}

/// Numbers that stand for the noise level in vector networks, and the width of
/// what is made of them.
const FEATURES: usize = 32;
const EMBEDDING: usize = 64;

/// Largest size that is taken for one, and the largest number of layers.
const LARGEST: usize = 1 << 16;
const DEEPEST: usize = 1024;

impl Architecture {
    pub fn name(&self) -> &'static str {
        match self {
            Architecture::Linear { .. } => "linear",
            Architecture::TwoLayer { .. } => "two-layer",
            Architecture::Mlp { .. } => "mlp",
            Architecture::UNet { .. } => "unet",
            Architecture::ResNet { .. } => "resnet",
            Architecture::UVit { .. } => "uvit",
        }
    }

    /// Whether it may tell classes apart: whether it has an embedding that theirs is added to.
    pub fn has_classes(&self) -> bool {
        !matches!(self, Architecture::Linear { .. } | Architecture::TwoLayer { .. })
    }

    /// Whether it may be told a condition: mlp beside the data, others in their embedding.
    pub fn takes_condition(&self) -> bool {
        self.has_classes()
    }

    /// As a model file's metadata name it.
    pub fn to_metadata(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("architecture", self.name().to_string())];
        let mut add = |key, value: &dyn ToString| all.push((key, value.to_string()));
        match self {
            Architecture::Linear { width, depth, tied, conditioned } => {
                add("width", width);
                add("depth", depth);
                add("tied", tied);
                add("conditioned", conditioned);
            }
            Architecture::TwoLayer { width, tied, conditioned } => {
                add("width", width);
                add("tied", tied);
                add("conditioned", conditioned);
            }
            Architecture::Mlp { width, depth } => {
                add("width", width);
                add("depth", depth);
            }
            Architecture::UNet { width, mult, blocks, padding } => {
                add("width", width);
                let mult: Vec<String> = mult.iter().map(usize::to_string).collect();
                add("mult", &mult.join(","));
                add("blocks", blocks);
                // Files from before there was a choice do not name it.
                if *padding != Padding::Zero {
                    add("padding", &padding.name());
                }
            }
            Architecture::ResNet { width, depth, padding } => {
                add("width", width);
                add("depth", depth);
                add("padding", &padding.name());
            }
            Architecture::UVit { width, depth, patch } => {
                add("width", width);
                add("depth", depth);
                add("patch", patch);
            }
        }
        all
    }

    /// From a model file's metadata.
    ///
    /// # Errors
    /// When it names none, or lacks one of its sizes.
    pub fn from_metadata<'a>(entry: impl Fn(&str) -> Option<&'a str>) -> Result<Architecture> {
        let lacking = |key: &str| format!("its metadata lack a proper {key}");
        let size = |text: &str| text.parse().ok().filter(|n| *n <= LARGEST);
        let number = |key: &str| entry(key).and_then(size).with_context(|| lacking(key));
        let flag = |key: &str| entry(key).and_then(|v| v.parse().ok()).with_context(|| lacking(key));
        let padding = || {
            let all = [Padding::Zero, Padding::Circular];
            let name = entry("padding").unwrap_or("zero");
            all.into_iter().find(|padding| padding.name() == name).with_context(|| lacking("padding"))
        };
        Ok(match entry("architecture").unwrap_or("") {
            "linear" => Architecture::Linear {
                width: number("width")?,
                depth: number("depth")?,
                tied: flag("tied")?,
                conditioned: flag("conditioned")?,
            },
            "two-layer" => Architecture::TwoLayer {
                width: number("width")?,
                tied: flag("tied")?,
                conditioned: flag("conditioned")?,
            },
            "mlp" => Architecture::Mlp { width: number("width")?, depth: number("depth")? },
            "unet" => Architecture::UNet {
                width: number("width")?,
                mult: entry("mult")
                    .and_then(|list| list.split(',').map(size).collect())
                    .with_context(|| lacking("mult"))?,
                blocks: number("blocks")?,
                padding: padding()?,
            },
            "resnet" => {
                Architecture::ResNet { width: number("width")?, depth: number("depth")?, padding: padding()? }
            }
            "uvit" => Architecture::UVit {
                width: number("width")?,
                depth: number("depth")?,
                patch: number("patch")?,
            },
            _ => bail!(lacking("architecture")),
        })
    }

    /// The network for items of this shape.
    ///
    /// # Errors
    /// When sizes do not fit together, naming the flag to change.
    pub fn graph<T: Scalar>(&self, item: &[usize]) -> Result<Graph<T>> {
        self.graph_of(item, None)
    }

    /// The same of a network of classes, if there are any.
    ///
    /// # Errors
    /// As [`Architecture::graph`]; classes of networks that have none.
    pub fn graph_of<T: Scalar>(&self, item: &[usize], classes: Option<Classes>) -> Result<Graph<T>> {
        self.graph_given(item, classes, None)
    }

    /// The same of a network that is told so many numbers of every row, if it is.
    ///
    /// # Errors
    /// As [`Architecture::graph_of`]; a condition of networks that take none.
    pub fn graph_given<T: Scalar>(
        &self,
        item: &[usize],
        classes: Option<Classes>,
        condition: Option<usize>,
    ) -> Result<Graph<T>> {
        let d = item.iter().product();
        ensure!(
            classes.is_none() || self.has_classes(),
            "networks of kind {} have no classes; mlp, unet, resnet and uvit have",
            self.name()
        );
        ensure!(
            condition.is_none() || self.takes_condition(),
            "networks of kind {} take no condition; mlp, unet, resnet and uvit do",
            self.name()
        );
        let given = Given { classes, condition };
        match *self {
            Architecture::Linear { width, depth, tied, conditioned } => {
                ensure!(depth <= DEEPEST, "--depth {depth}: at most {DEEPEST}");
                ensure!(width > 0 && depth > 0, "--width and --depth: must be at least 1");
                ensure!(!tied || depth == 2, "--tied: needs --depth 2, W and its transpose");
                ensure!(
                    !conditioned || depth > 1,
                    "--depth 1: one matrix serves one noise level; give --loss fixed"
                );
                Ok(linear(d, width, depth, tied, conditioned))
            }
            Architecture::TwoLayer { width, tied, conditioned } => {
                ensure!(width > 0, "--width: must be at least 1");
                Ok(two_layer(d, width, tied, conditioned))
            }
            Architecture::Mlp { width, depth } => {
                ensure!(depth <= DEEPEST, "--depth {depth}: at most {DEEPEST}");
                ensure!(width > 0 && depth > 0, "--width and --depth: must be at least 1");
                Ok(mlp(d, width, depth, classes, condition))
            }
            Architecture::UNet { width, ref mult, blocks, padding } => {
                let [height, across, channels] = image(item)?;
                ensure!(width >= 4, "--width {width}: a U-Net needs at least 4 channels");
                ensure!(
                    (1..=64).contains(&blocks)
                        && (1..=16).contains(&mult.len())
                        && mult.iter().all(|m| (1..=64).contains(m)),
                    "--mult and --blocks: must be from 1 to 64, for at most 16 resolutions"
                );
                let factor = 1 << (mult.len() - 1).min(31);
                ensure!(
                    height % factor == 0 && across % factor == 0,
                    "--mult: {} resolutions halve the image {} times, which {height}×{across} does not allow; \
                     give fewer, or pad the images (npy images --pad)",
                    mult.len(),
                    mult.len() - 1
                );
                Ok(unet(Shape::image(height, across, channels), width, mult, blocks, padding, given))
            }
            Architecture::ResNet { width, depth, padding } => {
                let [height, across, channels] = image(item)?;
                ensure!(width > 1 && depth > 0, "--width and --depth: must be at least 2 and 1");
                ensure!(depth <= DEEPEST, "--depth {depth}: at most {DEEPEST}");
                Ok(resnet(Shape::image(height, across, channels), width, depth, padding, given))
            }
            Architecture::UVit { width, depth, patch } => {
                let [height, across, channels] = image(item)?;
                ensure!(width > 1 && depth > 0, "--width and --depth: must be at least 2 and 1");
                ensure!(depth <= DEEPEST, "--depth {depth}: at most {DEEPEST}");
                ensure!(
                    patch > 0 && height % patch == 0 && across % patch == 0,
                    "--patch {patch}: does not divide the image of {height}×{across}"
                );
                Ok(uvit(Shape::image(height, across, channels), width, depth, patch, given))
            }
        }
    }
}

/// (height, width, channels) of an item that is an image.
///
/// # Errors
/// Of another number of axes.
pub fn image(item: &[usize]) -> Result<[usize; 3]> {
    match *item {
        [h, w] => Ok([h, w, 1]),
        [h, w, c] => Ok([h, w, c]),
        _ => bail!("items of shape {item:?} are no images; give their shape with --shape H,W,C"),
    }
}

/// Layers by name, with the starting values of their kind.
impl<T: Scalar> Graph<T> {
    fn weight(&mut self, name: &str, shape: &[usize], gain: f64) -> Span {
        let inputs: usize = shape[..shape.len() - 1].iter().product();
        let start =
            if gain == 0.0 { Start::Constant(0.0) } else { Start::Normal(gain / (inputs as f64).sqrt()) };
        self.parameter(&format!("{name}.weight"), shape, start)
    }

    fn zeros(&mut self, name: &str, shape: &[usize]) -> Span {
        self.parameter(name, shape, Start::Constant(0.0))
    }

    /// W of normal numbers of variance gain²/inputs, b = 0.
    pub fn linear(&mut self, name: &str, x: Node, outputs: usize, gain: f64) -> Node {
        let weight = self.weight(name, &[self.shape(x).channels, outputs], gain);
        let bias = Some(self.zeros(&format!("{name}.bias"), &[outputs]));
        self.add(Linear { weight, bias, outputs, transposed: false }, &[x], true)
    }

    /// Without bias.
    fn matrix(&mut self, name: &str, x: Node, outputs: usize) -> (Node, Span) {
        let weight = self.weight(name, &[self.shape(x).channels, outputs], 1.0);
        (self.add(Linear { weight, bias: None, outputs, transposed: false }, &[x], true), weight)
    }

    fn transposed(&mut self, weight: Span, x: Node) -> Node {
        let outputs = weight.len / self.shape(x).channels;
        self.add(Linear { weight, bias: None, outputs, transposed: true }, &[x], true)
    }

    fn conv(&mut self, name: &str, x: Node, outputs: usize, gain: f64, padding: Padding) -> Node {
        let weight = self.weight(name, &[3, 3, self.shape(x).channels, outputs], gain);
        let bias = self.zeros(&format!("{name}.bias"), &[outputs]);
        let conv = Conv { weight, bias, outputs };
        match padding {
            Padding::Zero => self.add(conv, &[x], true),
            Padding::Circular => {
                let wrapped = self.add(Wrap, &[x], false);
                let wide = self.add(conv, &[wrapped], true);
                self.add(Crop, &[wide], false)
            }
        }
    }

    fn affine(&mut self, name: &str, x: Node) -> (Span, Span) {
        let c = self.shape(x).channels;
        let scale = self.parameter(&format!("{name}.weight"), &[c], Start::Constant(1.0));
        (scale, self.zeros(&format!("{name}.bias"), &[c]))
    }

    fn layer_norm(&mut self, name: &str, x: Node) -> Node {
        let (scale, offset) = self.affine(name, x);
        self.add(LayerNorm { scale, offset }, &[x], true)
    }

    /// At least four channels a group, and at most 32 groups.
    fn group_norm(&mut self, name: &str, x: Node) -> Node {
        let (scale, offset) = self.affine(name, x);
        let c = self.shape(x).channels;
        let groups = (1..=(c / 4).clamp(1, 32)).rev().find(|g| c.is_multiple_of(*g)).unwrap_or(1);
        self.add(GroupNorm { scale, offset, groups }, &[x], true)
    }

    /// x/(1 + e⁻ˣ).
    pub fn silu(&mut self, x: Node) -> Node {
        self.add(Pointwise(Silu), &[x], false)
    }

    fn sum(&mut self, a: Node, b: Node, scale: f64) -> Node {
        self.add(Sum { scale }, &[a, b], false)
    }

    /// silu(L_2 silu(L_1 sinusoids(c)) + E_k), E_k that of the class, as in ADM (arXiv 2105.05233) and EDM: 0 without one.
    fn embedding(
        &mut self,
        features: usize,
        width: usize,
        first: f64,
        last: f64,
        Given { classes, condition }: Given,
    ) -> Node {
        let sinusoids = self.add(Sinusoids::new(features, first, last), &[NOISE], false);
        let inside = self.linear("embedding.0", sinusoids, width, 1.0);
        let inside = self.silu(inside);
        let mut e = self.linear("embedding.1", inside, width, 1.0);
        if let Some(Classes { count, .. }) = classes {
            let class = self.class();
            let table = self.parameter("embedding.classes.weight", &[count, width], Start::Normal(1.0));
            let of_class = self.add(layers::Classes { table, width }, &[class], true);
            e = self.sum(e, of_class, 1.0);
        }
        if let Some(numbers) = condition {
            let u = self.condition(numbers);
            let of_condition = self.linear("embedding.condition", u, width, 1.0);
            e = self.sum(e, of_condition, 1.0);
        }
        self.silu(e)
    }

    /// The embedding of networks on vectors: wavelengths of c from 4 to about
    /// ¼, that is factors of noise from e¹⁶ to e.
    fn vector_embedding(&mut self, classes: Option<Classes>) -> Node {
        let half_pi = std::f64::consts::FRAC_PI_2;
        self.embedding(FEATURES, EMBEDDING, half_pi, 16.0 * half_pi, Given { classes, condition: None })
    }

    /// x ⊙ e^{g(c)}, g = 0 before training.
    fn gate(&mut self, x: Node) -> Node {
        let e = self.vector_embedding(None);
        let g = self.linear("gate", e, self.shape(x).channels, 0.0);
        self.add(Gate, &[x, g], false)
    }
}

fn linear<T: Scalar>(d: usize, width: usize, depth: usize, tied: bool, conditioned: bool) -> Graph<T> {
    let mut g = Graph::new(Shape::vector(d));
    let outputs = |layer: usize| if layer == depth { d } else { width };
    let (mut h, first) = g.matrix("layers.0", DATA, outputs(1));
    if conditioned {
        h = g.gate(h);
    }
    if depth > 1 {
        g.call("layers.0", h);
    }
    if tied {
        g.transposed(first, h);
        return g;
    }
    for layer in 1..depth {
        let name = format!("layers.{layer}");
        h = g.matrix(&name, h, outputs(layer + 1)).0;
        if layer + 1 < depth {
            g.call(&name, h);
        }
    }
    g
}

fn two_layer<T: Scalar>(d: usize, width: usize, tied: bool, conditioned: bool) -> Graph<T> {
    let mut g = Graph::new(Shape::vector(d));
    let (inside, first) = g.matrix("layers.0", DATA, width);
    let mut h = g.add(Pointwise(Relu), &[inside], false);
    if conditioned {
        h = g.gate(h);
    }
    g.call("hidden", h);
    if tied {
        g.transposed(first, h);
    } else {
        g.matrix("layers.1", h, d);
    }
    g
}

/// A condition comes in beside the data.
fn mlp<T: Scalar>(
    d: usize,
    width: usize,
    depth: usize,
    classes: Option<Classes>,
    condition: Option<usize>,
) -> Graph<T> {
    let mut g = Graph::new(Shape::vector(d));
    let e = g.vector_embedding(classes);
    let x = condition.map_or(DATA, |m| {
        let u = g.condition(m);
        g.add(Concat, &[DATA, u], false)
    });
    let mut h = g.linear("in", x, width, 1.0);
    g.call("in", h);
    for block in 0..depth {
        let name = |part: &str| format!("blocks.{block}.{part}");
        let normed = g.layer_norm(&name("norm"), h);
        let a = g.linear(&name("a"), normed, width, 1.0);
        let c = g.linear(&name("c"), e, width, 1.0);
        let inside = g.sum(a, c, 1.0);
        let active = g.silu(inside);
        g.call(&name("active"), active);
        let b = g.linear(&name("b"), active, width, 1.0);
        h = g.sum(h, b, 1.0);
        g.call(&format!("blocks.{block}"), h);
    }
    g.linear("out", h, d, 1.0);
    g
}

/// (x' + conv(silu(norm(conv(silu(norm(x))) + e C)))) / √2, x' being x or, for
/// another number of channels, a linear map of it.
fn residual<T: Scalar>(
    g: &mut Graph<T>,
    name: &str,
    x: Node,
    e: Node,
    channels: usize,
    padding: Padding,
) -> Node {
    let normed = g.group_norm(&format!("{name}.norm0"), x);
    let active = g.silu(normed);
    let h = g.conv(&format!("{name}.conv0"), active, channels, 1.0, padding);
    let c = g.linear(&format!("{name}.embed"), e, channels, 1.0);
    let h = g.add(Shift, &[h, c], false);
    let normed = g.group_norm(&format!("{name}.norm1"), h);
    let active = g.silu(normed);
    g.call(&format!("{name}.active"), active);
    let h = g.conv(&format!("{name}.conv1"), active, channels, 0.0, padding);
    let straight = match g.shape(x).channels == channels {
        true => x,
        false => g.linear(&format!("{name}.skip"), x, channels, 1.0),
    };
    let h = g.sum(straight, h, 0.5_f64.sqrt());
    g.call(name, h)
}

/// (x + attention(norm(x))) / √2.
fn attended<T: Scalar>(g: &mut Graph<T>, name: &str, x: Node) -> Node {
    let c = g.shape(x).channels;
    let normed = g.group_norm(&format!("{name}.norm"), x);
    let qkv = g.linear(&format!("{name}.qkv"), normed, 3 * c, 1.0);
    let a = g.add(Attention, &[qkv], false);
    let a = g.linear(&format!("{name}.proj"), a, c, 0.0);
    let h = g.sum(x, a, 0.5_f64.sqrt());
    g.call(name, h)
}

fn unet<T: Scalar>(
    shape: Shape,
    width: usize,
    mult: &[usize],
    blocks: usize,
    padding: Padding,
    given: Given,
) -> Graph<T> {
    let mut g = Graph::new(shape);
    let e = g.embedding(width - width % 2, 4 * width, 1.0, 1e-4, given);
    let mut h = g.conv("stem", DATA, width, 1.0, padding);
    g.call("stem", h);
    let mut skips = Vec::new();
    for (level, m) in mult.iter().enumerate() {
        if level > 0 {
            h = g.add(Down, &[h], false);
        }
        for block in 0..blocks {
            h = residual(&mut g, &format!("down.{level}.{block}"), h, e, width * m, padding);
            skips.push(h);
        }
    }
    let lowest = g.shape(h).channels;
    h = residual(&mut g, "middle.0", h, e, lowest, padding);
    h = attended(&mut g, "middle.attention", h);
    h = residual(&mut g, "middle.1", h, e, lowest, padding);
    for (level, m) in mult.iter().enumerate().rev() {
        for (block, skip) in skips.split_off(skips.len() - blocks).into_iter().rev().enumerate() {
            h = g.add(Concat, &[h, skip], false);
            h = residual(&mut g, &format!("up.{level}.{block}"), h, e, width * m, padding);
        }
        if level > 0 {
            h = g.add(Up, &[h], false);
        }
    }
    let normed = g.group_norm("head.norm", h);
    let active = g.silu(normed);
    g.conv("head.conv", active, shape.channels, 0.0, padding);
    g
}

fn resnet<T: Scalar>(shape: Shape, width: usize, depth: usize, padding: Padding, given: Given) -> Graph<T> {
    let mut g = Graph::new(shape);
    let e = g.embedding(width - width % 2, 4 * width, 1.0, 1e-4, given);
    let mut h = g.conv("stem", DATA, width, 1.0, padding);
    g.call("stem", h);
    for block in 0..depth {
        let name = |part: &str| format!("blocks.{block}.{part}");
        let c = g.linear(&name("embed"), e, width, 1.0);
        let inside = g.add(Shift, &[h, c], false);
        let active = g.silu(inside);
        g.call(&name("active"), active);
        let b = g.conv(&name("conv"), active, width, 1.0, padding);
        h = g.sum(h, b, 1.0);
        g.call(&format!("blocks.{block}"), h);
    }
    let active = g.silu(h);
    g.conv("head", active, shape.channels, 0.0, padding);
    g
}

/// x + attention(LN(x)), then + a two-layer network of LN.
fn transformer<T: Scalar>(g: &mut Graph<T>, name: &str, x: Node) -> Node {
    let c = g.shape(x).channels;
    let normed = g.layer_norm(&format!("{name}.norm0"), x);
    let qkv = g.linear(&format!("{name}.qkv"), normed, 3 * c, 1.0);
    let a = g.add(Attention, &[qkv], false);
    let a = g.linear(&format!("{name}.proj"), a, c, 1.0);
    let h = g.sum(x, a, 1.0);
    let normed = g.layer_norm(&format!("{name}.norm1"), h);
    let wide = g.linear(&format!("{name}.wide"), normed, 4 * c, 1.0);
    let active = g.silu(wide);
    g.call(&format!("{name}.active"), active);
    let narrow = g.linear(&format!("{name}.narrow"), active, c, 1.0);
    let h = g.sum(h, narrow, 1.0);
    g.call(name, h)
}

fn uvit<T: Scalar>(shape: Shape, width: usize, depth: usize, side: usize, given: Given) -> Graph<T> {
    let mut g = Graph::new(shape);
    let e = g.embedding(width - width % 2, 4 * width, 1.0, 1e-4, given);
    let e = g.linear("time", e, width, 1.0);
    let patches = g.add(Patches { side }, &[DATA], false);
    let tokens = g.linear("patches", patches, width, 1.0);
    let count = g.shape(tokens).places() + 1;
    let positions = g.parameter("positions", &[count, width], Start::Normal(0.02));
    let mut h = g.add(Prepend { positions }, &[tokens, e], true);
    let mut skips = Vec::new();
    for block in 0..depth / 2 {
        h = transformer(&mut g, &format!("down.{block}"), h);
        skips.push(h);
    }
    h = transformer(&mut g, "middle", h);
    for (block, skip) in skips.into_iter().rev().enumerate() {
        let both = g.add(Concat, &[h, skip], false);
        h = g.linear(&format!("up.{block}.skip"), both, width, 1.0);
        h = transformer(&mut g, &format!("up.{block}"), h);
    }
    let normed = g.layer_norm("head.norm", h);
    let patches = g.linear("head.patches", normed, side * side * shape.channels, 0.0);
    g.add(Unpatches { shape, side }, &[patches], false);
    g
}
