//! A variational autoencoder (arXiv 1312.6114): an encoder gives the mean m and the log variances v of a latent z = m + e^(v/2)
//! ε, a decoder G the data's mean given z. Both lower
//!
//! L = (d/2) ln ⟨‖x − G(z)‖²/d⟩ + ⟨½ Σ (m² + e^v − v − 1)⟩,
//!
//! the bound on −ln p(x) of Gaussians of one variance about G(z), with that variance where it is lowest (arXiv 2006.13202): what
//! of the data is noise is found, not set. Of linear networks the optimum is probabilistic PCA (arXiv 1911.02469).

use anyhow::{Result, ensure};
use ndarray::{Array2, Axis, Zip, s};

use super::player::{Player, draw, mean_square};
use super::{Learned, Settings};
use crate::network::Tape;
use crate::random::Purpose;
use crate::scalar::Scalar;
use crate::training::Course;
use crate::training::course::Yardstick;
use crate::training::optimizer::Step;

/// β₁ of Adam.
const MOMENTUM: f64 = 0.9;

/// Steps of the untrained networks whose mean is their value.
const UNTRAINED_STEPS: u64 = 4;

/// A decoder that says all of a batch has no noise to find: below this share of the data's mean square it is rounding.
const EXACT: f64 = 1e-10;

static REST: Yardstick = Yardstick {
    measured: "mean square of what is not reconstructed",
    trivial: "a decoder that always says 0",
    untrained: "the untrained one",
    remedy: "give a smaller --lr",
};

/// What both networks say of a batch.
struct Said<T> {
    /// m and v, (n, 2q).
    code: Array2<T>,
    /// G(z) − x.
    rest: Array2<T>,
}

/// Trains a decoder, and its encoder. `seen` is told the step, the mean square of what is not reconstructed and what the
/// encoder says of a row, in nats.
///
/// # Errors
/// When there are no rows, or training diverges.
pub fn train<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    mut seen: impl FnMut(u64, [f64; 2]),
) -> Result<Learned<T>> {
    ensure!(data.nrows() > 0, "no rows to train on; give samples");
    let mut decoder = Player::new(settings.generator.graph(), settings.seed, Purpose::Parameters);
    let mut encoder = Player::new(settings.beside.graph(), settings.seed, Purpose::Encoder);
    let mut average = decoder.parameters.clone();
    let (mut encoding, mut decoding) = (Tape::new(), Tape::new());
    let of_data = mean_square(data);
    let mut untrained = 0.0;
    for step in 0..UNTRAINED_STEPS {
        let (x, noise) = draw(data, settings, step);
        let said = say(&encoder, &decoder, [&mut encoding, &mut decoding], &x, &noise);
        untrained += mean_square(&said.rest) / UNTRAINED_STEPS as f64;
    }
    let mut course = Course::of(&REST, untrained);
    for number in 1..=settings.steps {
        let (x, noise) = draw(data, settings, number - 1);
        let said = say(&encoder, &decoder, [&mut encoding, &mut decoding], &x, &noise);
        let square = mean_square(&said.rest);
        let nats = divergence(&said.code);
        let by_output = said.rest * T::of(1.0 / (square.max(EXACT * of_data) * x.nrows() as f64));
        decoder.learn(&mut decoding, &by_output);
        let by_latent = decoder.pulled_back(&mut decoding, &by_output);
        encoder.learn(&mut encoding, &by_code(&said.code, &noise, &by_latent));
        let step =
            Step { number, rate: settings.rate.at(number, settings.steps), decay: 0.0, momentum: MOMENTUM };
        decoder.update(step);
        encoder.update(step);
        ensure!(
            square.is_finite() && nats.is_finite() && decoder.is_finite(),
            "step {number}: training has diverged (mean square {square}, {nats} nats); give a smaller --lr"
        );
        course.take(number, settings.steps, [square, of_data])?;
        decoder.average_into(&mut average, settings.average.kept(number));
        seen(number, [square, nats]);
    }
    let rest = course.last().map_or(of_data, |[rest, _]| rest);
    Ok(Learned { parameters: average, mean_squares: [rest, of_data] })
}

fn say<T: Scalar>(
    encoder: &Player<T>,
    decoder: &Player<T>,
    [encoding, decoding]: [&mut Tape<T>; 2],
    x: &Array2<T>,
    noise: &Array2<T>,
) -> Said<T> {
    let code = encoder.forward(x, encoding);
    let q = noise.ncols();
    let mut z = code.slice(s![.., ..q]).to_owned();
    Zip::from(&mut z)
        .and(code.slice(s![.., q..]))
        .and(noise)
        .for_each(|z, v, e| *z += (*v / T::of(2.0)).exp() * *e);
    let rest = decoder.forward(&z, decoding) - x;
    Said { code, rest }
}

/// ⟨½ Σ (m² + e^v − v − 1)⟩ of rows.
fn divergence<T: Scalar>(code: &Array2<T>) -> f64 {
    let (m, v) = code.view().split_at(Axis(1), code.ncols() / 2);
    let of_v = |v: &T| v.wide().exp() - v.wide() - 1.0;
    0.5 * (m.iter().map(|m| m.wide().powi(2)).sum::<f64>() + v.iter().map(of_v).sum::<f64>())
        / code.nrows() as f64
}

/// ∂L/∂(m, v), given ∂L/∂z of what is reconstructed.
fn by_code<T: Scalar>(code: &Array2<T>, noise: &Array2<T>, by_latent: &Array2<T>) -> Array2<T> {
    let (q, share, half) = (noise.ncols(), T::of(1.0 / code.nrows() as f64), T::of(0.5));
    let mut by_code = code.clone();
    let (mut by_m, mut by_v) = by_code.view_mut().split_at(Axis(1), q);
    Zip::from(&mut by_m).and(by_latent).for_each(|m, z| *m = *m * share + *z);
    Zip::from(&mut by_v).and(noise).and(by_latent).for_each(|v, e, z| {
        let deviation = (*v * half).exp();
        *v = half * (share * (deviation * deviation - T::one()) + *z * deviation * *e);
    });
    by_code
}
