//! The RP score: P(similarity of x_1 and x_2 > threshold), x_1 and x_2 what two
//! models make of the same latent (arXiv 2310.05264).

use clap::ValueEnum;
use ndarray::{Array1, ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::linalg::{dot, squared_distance};
use crate::scalar::Scalar;

/// How alike two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Similarity {
    /// Cosine of the angle between them; alike when above the threshold (0.6)
    Cosine,
    /// Mean absolute difference in units of 1/255 of --data-range; alike when below the threshold (15)
    Mae,
    /// Euclidean distance; alike when below the threshold
    L2,
}

impl Similarity {
    /// The published threshold, where there is one.
    pub fn default_threshold(self) -> Option<f64> {
        match self {
            Similarity::Cosine => Some(0.6),
            Similarity::Mae => Some(15.0),
            Similarity::L2 => None,
        }
    }

    /// The measure between two rows; `unit` is what mae counts in.
    pub fn between<T: Scalar>(self, a: ArrayView1<T>, b: ArrayView1<T>, unit: f64) -> f64 {
        match self {
            Similarity::Cosine => cosine(a, b),
            Similarity::Mae => {
                let sum: f64 = a.iter().zip(b).map(|(x, y)| (x.wide() - y.wide()).abs()).sum();
                sum / a.len().max(1) as f64 / unit
            }
            Similarity::L2 => squared_distance(a, b).sqrt(),
        }
    }

    /// Whether a value of the measure says "the same", strictly.
    pub fn alike(self, value: f64, threshold: f64) -> bool {
        match self {
            Similarity::Cosine => value > threshold,
            Similarity::Mae | Similarity::L2 => value < threshold,
        }
    }

    /// The measures of row i of a against row i of b.
    pub fn rowwise<T: Scalar>(self, a: ArrayView2<T>, b: ArrayView2<T>, unit: f64) -> Vec<f64> {
        (0..a.nrows()).into_par_iter().map(|i| self.between(a.row(i), b.row(i), unit)).collect()
    }
}

/// a·b/(‖a‖‖b‖); a zero row has similarity 0 with everything.
pub fn cosine<T: Scalar>(a: ArrayView1<T>, b: ArrayView1<T>) -> f64 {
    let (aa, bb) = (dot(a, a), dot(b, b));
    // Squares that f64 does not hold are no matter of the angle.
    if [aa, bb].iter().all(|square| (1e-200..1e200).contains(square)) {
        return angle(dot(a, b), aa, bb);
    }
    let (a, b) = (scaled(a), scaled(b));
    let (a, b) = (a.view(), b.view());
    angle(dot(a, b), dot(a, a), dot(b, b))
}

fn angle(ab: f64, aa: f64, bb: f64) -> f64 {
    let norms = aa.sqrt() * bb.sqrt();
    if norms > 0.0 { (ab / norms).clamp(-1.0, 1.0) } else { 0.0 }
}

/// The row in a unit in which its largest number is 1.
fn scaled<T: Scalar>(a: ArrayView1<T>) -> Array1<f64> {
    let largest = a.iter().fold(0.0f64, |largest, x| largest.max(x.wide().abs()));
    a.mapv(|x| if largest > 0.0 { x.wide() / largest } else { 0.0 })
}
