//! What can be fitted.

use clap::ValueEnum;

use crate::cli::NetworkKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Mixture of low-rank Gaussians
    Molrg,
    /// One Gaussian: mean and covariance
    Gaussian,
    /// The training set itself
    Empirical,
    /// The training set's patches: the optimal denoiser of what sees no more, for images
    Local,
    /// The training set, of which each number sees those that it varies with
    PcaLocal,
    /// A linear map of random features at every level, trained in closed form
    RandomFeatures,
    /// Deep linear network
    Linear,
    /// One hidden layer of ReLU
    TwoLayer,
    /// Residual multilayer perceptron
    Mlp,
    /// U-Net, for images
    Unet,
    /// Residual convolutions without norms, for images
    Resnet,
    /// Vision transformer with long skips, for images
    Uvit,
    /// Linear variational autoencoder at its optimum: latents in, samples out, no denoiser
    LinearVae,
    /// Variational autoencoder: latents in, samples out, no denoiser
    Vae,
    /// Generative adversarial network: latents in, samples out, no denoiser
    Gan,
}

impl Kind {
    /// Whether one --rank says how many dimensions it has.
    pub fn has_rank(self) -> bool {
        matches!(self, Kind::Gaussian | Kind::LinearVae | Kind::Vae | Kind::Gan)
    }

    /// Whether it matters where the channels of images are.
    pub fn has_pixels(self) -> bool {
        matches!(self, Kind::Local | Kind::Unet | Kind::Resnet | Kind::Uvit)
    }

    /// The network to be trained, if it is one.
    pub fn network(self) -> Option<NetworkKind> {
        match self {
            Kind::Molrg
            | Kind::Gaussian
            | Kind::Empirical
            | Kind::Local
            | Kind::PcaLocal
            | Kind::RandomFeatures
            | Kind::LinearVae
            | Kind::Vae
            | Kind::Gan => None,
            Kind::Linear => Some(NetworkKind::Linear),
            Kind::TwoLayer => Some(NetworkKind::TwoLayer),
            Kind::Mlp => Some(NetworkKind::Mlp),
            Kind::Unet => Some(NetworkKind::Unet),
            Kind::Resnet => Some(NetworkKind::Resnet),
            Kind::Uvit => Some(NetworkKind::Uvit),
        }
    }
}
