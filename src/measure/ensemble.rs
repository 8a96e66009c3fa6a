//! What a law of one number says of the number that came true.
//!
//! CRPS = E|X − x| − ½E|X − X′| (Gneiting and Raftery, J. American Statistical Association 102 (2007) 359), the least on
//! average for the law that the truth is drawn from; E|X − x| alone is Wasserstein's first distance of the law from the
//! truth.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use statrs::function::erf::erf;

/// How far a law is from the truth x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    pub crps: f64,
    /// E|X − x|.
    pub wasserstein: f64,
}

/// Of weighted members, whose weights sum to 1; those that weigh nothing are left out.
pub fn of_members(members: impl IntoIterator<Item = f64>, weights: &[f64], truth: f64) -> Distance {
    let mut all: Vec<(f64, f64)> =
        members.into_iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(x, w)| (x - truth, *w)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wasserstein = all.iter().map(|(x, w)| w * x.abs()).sum();
    // ½ΣΣ w w′|x − x′| = Σ w x (W + W′ − 1), W and W′ the weight up to x without and with it.
    let (mut below, mut half) = (0.0, 0.0);
    for (x, w) in all {
        half += w * x * (2.0 * below + w - 1.0);
        below += w;
    }
    Distance { crps: wasserstein - half, wasserstein }
}

/// Of N(mean, std²).
pub fn of_normal(mean: f64, std: f64, truth: f64) -> Distance {
    if std == 0.0 {
        let off = (mean - truth).abs();
        return Distance { crps: off, wasserstein: off };
    }
    let z = (truth - mean) / std;
    let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    let wasserstein = std * (z * erf(z * FRAC_1_SQRT_2) + 2.0 * density);
    Distance { crps: wasserstein - std / PI.sqrt(), wasserstein }
}
