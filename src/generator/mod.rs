//! Latents in, samples out: what diffusion models are compared with (arXiv
//! 2310.05264). Their map is fixed by the data only up to a rotation of the
//! latents, so two of them that learned the same distribution still disagree
//! latent by latent, where two diffusion models agree.
//!
//! * [`linear_vae`]: probabilistic PCA, in closed form;
//! * [`vae`]: a decoder and an encoder, trained together;
//! * [`gan`]: a generator and a critic, trained in turn.

pub mod gan;
pub mod linear_vae;
mod player;
pub mod vae;

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, Axis};

use crate::network::batch::Shape;
use crate::network::graph::DATA;
use crate::network::{Graph, Tape};
use crate::scalar::Scalar;
use crate::training::{Average, Rate};

/// A network from vectors to vectors that sees no noise level: `depth` hidden
/// layers of `width` units with SiLU; none make it linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    pub inputs: usize,
    pub outputs: usize,
    pub width: usize,
    pub depth: usize,
}

impl Decoder {
    /// Largest numbers of latents and units, and of layers.
    pub const WIDEST: usize = 1 << 16;
    pub const DEEPEST: usize = 64;

    pub fn graph<T: Scalar>(self) -> Graph<T> {
        let mut g = Graph::new(Shape::vector(self.inputs));
        let mut h = DATA;
        for layer in 0..self.depth {
            let inside = g.linear(&format!("layers.{layer}"), h, self.width, 1.0);
            h = g.silu(inside);
        }
        g.linear("out", h, self.outputs, 1.0);
        g
    }
}

/// The two networks that a generator is trained as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Game {
    Vae,
    Gan,
}

impl Game {
    /// As models are named.
    pub fn name(self) -> &'static str {
        match self {
            Game::Vae => "vae",
            Game::Gan => "gan",
        }
    }
}

/// How a generator is trained by steps.
#[derive(Clone, Debug)]
pub struct Settings {
    pub generator: Decoder,
    /// The network that is trained beside it: a critic (d → 1), or an encoder (d → twice the latents).
    pub beside: Decoder,
    pub steps: u64,
    pub batch: usize,
    pub rate: Rate,
    pub average: Average,
    pub seed: u64,
}

/// A generator that was trained by steps.
pub struct Learned<T> {
    /// Averaged over the last steps.
    pub parameters: Vec<T>,
    /// In the last share of the steps the mean square of what was generated (GAN), or of what was not reconstructed (VAE),
    /// and that of the data.
    pub mean_squares: [f64; 2],
}

/// A map from standard normal latents to samples.
pub struct Generator<T> {
    graph: Graph<T>,
    parameters: Vec<T>,
}

impl<T: Scalar> Generator<T> {
    /// # Errors
    /// When there are not as many parameters as the decoder has.
    pub fn new(decoder: Decoder, parameters: Vec<T>) -> Result<Generator<T>> {
        let graph = decoder.graph();
        ensure!(parameters.len() == graph.parameter_count(), "a generator with parameters missing");
        Ok(Generator { graph, parameters })
    }

    /// Numbers of a latent.
    pub fn latent(&self) -> usize {
        self.graph.dim()
    }

    /// One sample for every row of latents (n, q).
    pub fn generate(&self, latents: ArrayView2<T>) -> Array2<T> {
        let mut samples = Array2::zeros((latents.nrows(), self.graph.output_dim()));
        let mut tape = Tape::new();
        let at_once = self.graph.rows_at_once();
        let blocks =
            samples.axis_chunks_iter_mut(Axis(0), at_once).zip(latents.axis_chunks_iter(Axis(0), at_once));
        for (mut samples, z) in blocks {
            let unseen = vec![T::zero(); z.nrows()];
            samples.assign(&self.graph.forward(&self.parameters, z, &unseen, &mut tape));
        }
        samples
    }
}
