//! Whether a model memorized or generalized, and what it learned.
//!
//! * [`reproducibility`]: the RP score, the share of latents that two models turn
//!   into the same sample (arXiv 2310.05264);
//! * [`generalization`]: the GL score in its three forms;
//! * [`nearest`]: the rows of a set nearest to others, exactly;
//! * [`entropy`]: of the law that samples are drawn from, by nearest rows (arXiv 2509.16499);
//! * [`dimension`]: of the manifold that samples lie on, or a model's density (arXiv math/0403030, 1803.06992, 2406.03537);
//! * [`subset`]: rows that stand for a set;
//! * [`probe`]: what features say of labels (arXiv 2502.05743);
//! * [`copies`]: rows that are equal to the bit;
//! * [`descriptor`]: what is compared: raw rows, or their principal coordinates;
//! * [`probability_flow_distance`]: PFD and its bias and variance (arXiv 2505.20123);
//! * [`comparison`]: of two denoisers at the same points;
//! * [`linearity`]: of a denoiser, over pairs and about a point (arXiv 2410.24060, 2409.02374);
//! * [`features`]: how unevenly hidden units share an image (arXiv 2512.20963);
//! * [`numerical_rank`]: of a denoiser's Jacobian;
//! * [`jacobian_basis`]: its leading directions, and those that change one part of the output alone
//!   (arXiv 2409.02374);
//! * [`ridge`]: where its density is largest across, and what errs across and along (arXiv 2602.06021);
//! * [`ensemble`]: what an ensemble, or a law, says of one truth;
//! * [`image_quality`]: PSNR, SSIM and where two images differ;
//! * [`roc`]: how well a score tells two classes apart;
//! * [`subspace_error`]: the distance of fitted subspaces from the planted ones
//!   (arXiv 2409.02426);
//! * [`phase`]: success of learning over ranks and sample counts;
//! * [`curve`]: where measured curves cross a level, and lines through them;
//! * [`scale`]: whether samples are on one scale;
//! * [`interval`]: standard errors and confidence intervals.

pub mod comparison;
pub mod copies;
pub mod curve;
pub mod descriptor;
pub mod dimension;
pub mod ensemble;
pub mod entropy;
pub mod features;
pub mod generalization;
pub mod image_quality;
pub mod interval;
pub mod jacobian_basis;
pub mod linearity;
pub mod locality;
pub mod nearest;
pub mod numerical_rank;
pub mod phase;
pub mod probability_flow_distance;
pub mod probe;
pub mod reproducibility;
pub mod ridge;
pub mod roc;
pub mod scale;
pub mod sieve;
pub mod subset;
pub mod subspace_error;
