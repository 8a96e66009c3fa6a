//! How a network becomes a denoiser: D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ).
//!
//! The published forms (arXiv 2206.00364, table 1; consistency: arXiv 2303.01469)
//! also rescale the noise level that the network sees, each in its own way. Here
//! all see ¼ ln σ, as EDM's do: a name for σ, which the embedding takes as well
//! as any other.

use crate::scalar::Scalar;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preconditioning {
    /// D = F(x): for one noise level.
    Plain,
    /// Unit-variance input and target at every σ.
    Edm,
    /// x − σ F(x/√(1+σ²)).
    Vp,
    /// x − σ F(αx), α that of sub-VP at σ: √(1+σ²/4) − σ/2.
    Subvp,
    /// x + σ F(x).
    Ve,
    /// σ_d F of the condition alone: neither x nor σ is seen.
    Mean,
    /// EDM's, shifted so that D(x; σ_min) = x.
    Consistency { sigma_min: f64 },
}

/// c_skip, c_out, c_in at one σ, and 1 − c_skip with digits of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    pub skip: f64,
    pub rest: f64,
    pub out: f64,
    pub input: f64,
}

impl Preconditioning {
    /// The coefficients at σ, for data of standard deviation σ_data.
    pub fn at(self, sigma: f64, sigma_data: f64) -> Coefficients {
        let (s2, d2) = (sigma * sigma, sigma_data * sigma_data);
        let total = (s2 + d2).sqrt();
        match self {
            Preconditioning::Plain => Coefficients { skip: 0.0, rest: 1.0, out: 1.0, input: 1.0 },
            Preconditioning::Mean => Coefficients { skip: 0.0, rest: 1.0, out: sigma_data, input: 0.0 },
            Preconditioning::Edm => Coefficients {
                skip: d2 / (s2 + d2),
                rest: s2 / (s2 + d2),
                out: sigma * sigma_data / total,
                input: 1.0 / total,
            },
            Preconditioning::Vp => {
                Coefficients { skip: 1.0, rest: 0.0, out: -sigma, input: 1.0 / (1.0 + s2).sqrt() }
            }
            Preconditioning::Subvp => {
                // √(1+h²) − h, h = σ/2, without the cancellation of large h.
                let half = 0.5 * sigma;
                Coefficients { skip: 1.0, rest: 0.0, out: -sigma, input: 1.0 / (half + half.hypot(1.0)) }
            }
            Preconditioning::Ve => Coefficients { skip: 1.0, rest: 0.0, out: sigma, input: 1.0 },
            Preconditioning::Consistency { sigma_min } => {
                let above = sigma - sigma_min;
                Coefficients {
                    skip: d2 / (above * above + d2),
                    rest: above * above / (above * above + d2),
                    out: above * sigma_data / total,
                    input: 1.0 / total,
                }
            }
        }
    }

    /// The noise level as a network sees it.
    pub fn noise_input<T: Scalar>(self, sigma: f64) -> T {
        T::of(if self == Preconditioning::Mean { 0.0 } else { 0.25 * sigma.ln() })
    }
}
