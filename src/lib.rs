//! molrg: exact tools for the question why diffusion models generalize instead
//! of memorizing.
//!
//! Real data have low intrinsic dimension. Modelled as a mixture of low-rank
//! Gaussians (MoLRG), nearly everything about a diffusion model has a closed
//! form: the posterior mean, its Jacobian, the map of the probability flow; and
//! training a denoiser becomes PCA or subspace clustering. The [`programs`] chain these
//! through pipes; the other modules hold the mathematics and what carries numbers in and out.
//!
//! Arrows point one way, and each may use all that is on later lines:
//!
//! 1. [`programs`], with [`draw`] and [`expression`], which know none of the others;
//! 2. [`cli`];
//! 3. [`measure`], [`inverse`], [`geometry`], [`in_context`];
//! 4. [`flow`];
//! 5. [`denoiser`];
//! 6. [`generator`], [`bridge`];
//! 7. [`fit`], [`training`];
//! 8. [`mixture`], [`network`], [`theory`], [`dynamics`];
//! 9. [`linalg`], [`random`], [`schedule`], [`blocks`], [`scalar`].
//!
//! [`stream`] stands beside: `cli` opens files by it, and a denoiser takes its tensors from it; it knows no mathematics,
//! and the rest of the mathematics does not know it. So what measures samples takes rows and gives numbers, in
//! [`measure`], and a program of [`programs`] has `cli` read the rows and write the numbers.
//!
//! `pages` is called by nobody: it is the allocator, which has large memory ask for large pages.
//!
//! | module | holds |
//! |---|---|
//! | [`mixture`] | p = Σ π_k N(μ_k, U_k diag(λ) U_kᵀ + δ(I − U_kU_kᵀ)): planting, drawing |
//! | [`denoiser`] | D(x̂; σ) = E[x_0 \| x̂] of mixtures, finite sets and networks, Jacobians, the model file |
//! | [`schedule`] | α_t, β_t, σ = β/α; grids of noise levels |
//! | [`flow`] | dx̂/dσ = (x̂ − D)/σ and its solvers |
//! | [`network`] | layers with forward, vjp, jvp; linear, two-layer, mlp, unet, resnet, uvit |
//! | [`training`] | denoising losses, optimizers, averages; steps reproducible to the byte |
//! | [`generator`] | latents in, samples out: VAE and GAN, for comparison; their training |
//! | [`fit`] | PCA, K-subspaces, EM, descent on the denoising loss |
//! | [`geometry`] | watermarks in the spectrum of images, and what they must survive |
//! | [`measure`] | all that is computed of samples and of models: RP, GL, PFD, nearest rows, entropy, rank, dimension, ridges, linearity, … |
//! | [`theory`] | what linear denoisers learn, and are over training sets, predicted from eigenvalues |
//! | [`inverse`] | y = A x + s·ε: operators, the exact posterior of a mixture, methods that take any model as prior |
//! | [`in_context`] | linear attention over tasks of subspaces: closed form, risk, training |
//! | [`dynamics`] | dX = f dt + g dW: paths; states from observations by particles, ensembles, exactly |
//! | [`bridge`] | dX = b dt + σ dB conditioned on its end: scores of free paths, their regression, controls |
//! | [`expression`] | formulas over named numbers |
//! | [`random`] | random numbers by (seed, purpose, row): the same bytes in every version |
//! | [`linalg`] | products with fixed rounding; factorizations |
//! | [`blocks`] | rows in fixed blocks over threads |
//! | [`scalar`] | f32 and f64 as one type |
//! | [`stream`] | arrays and tables in and out |
//! | [`draw`] | figures: layout, SVG, PNG |
//! | [`cli`] | what programs share: flags, inputs and outputs, the loop over rows, exit codes |
//! | [`programs`] | the programs, a file each, and their registry |

pub mod blocks;
pub mod bridge;
pub mod cli;
pub mod denoiser;
pub mod draw;
pub mod dynamics;
pub mod expression;
pub mod fit;
pub mod flow;
pub mod generator;
pub mod geometry;
pub mod in_context;
pub mod inverse;
pub mod linalg;
pub mod measure;
pub mod mixture;
pub mod network;
#[cfg(target_os = "linux")]
mod pages;
pub mod programs;
pub mod random;
pub mod scalar;
pub mod schedule;
pub mod stream;
pub mod theory;
pub mod training;
