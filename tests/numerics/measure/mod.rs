//! Measures against closed forms, brute force, resampling and SciPy.

mod dimension;
mod entropy;
mod features;
mod generalization;
mod image_quality;
mod interval;
mod jacobian_basis;
mod nearest;
mod numerical_rank;
mod probability_flow_distance;
mod probe;
mod reproducibility;
mod ridge;
mod roc;
mod subset;
mod subspace_error;

use molrg::denoiser::{Differentiable, EmpiricalDenoiser, MixtureDenoiser};
use molrg::fit::Settings;
use molrg::fit::pca::Moments;
use molrg::flow::{Plan, Solver};
use molrg::linalg::{orthonormalize, singular_values, squared_distance};
use molrg::measure::copies::{Known, paired_copies};
use molrg::measure::descriptor::{Choice, Descriptor};
use molrg::measure::generalization::{is_copy, left_out};
use molrg::measure::interval::{Amounts, Estimate, Joint, Mean};
use molrg::measure::nearest::{Nearest, Neighbour, Searched};
use molrg::measure::numerical_rank::{Survey, numerical_rank, randomized, ranks_about};
use molrg::measure::phase::{Cell, Experiment};
use molrg::measure::probability_flow_distance::{BiasVariance, Distance, Relative, Shifted};
use molrg::measure::reproducibility::{Reproducibility, Side, Similarity, cosine};
use molrg::measure::subspace_error::{angle, distance, largest, matched};
use molrg::mixture::{Design, Mixture, Sampler};
use molrg::random::{Purpose, normal_rows, row_rng, subset, uniform};
use molrg::scalar::Scalar;
use molrg::schedule::Grid;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, arr1, arr2, concatenate, s};
use rand_distr::{Distribution, Gamma};
use serde_json::Value;

fn normal<T: Scalar>(seed: u64, rows: usize, columns: usize) -> Array2<T> {
    normal_rows(seed, Purpose::Noise, 0..rows as u64, columns)
}

fn frame(seed: u64, d: usize, r: usize) -> Array2<f64> {
    orthonormalize(normal::<f64>(seed, d, r).view())
}

/// Numbers taken in one by one.
fn amounts(x: &[f64]) -> Amounts {
    let mut all = Amounts::default();
    x.iter().for_each(|x| all.add(*x));
    all
}
