//! Training what has no denoiser, as a run of the program.

use anyhow::Result;
use ndarray::Array2;

use crate::cli::Job;
use crate::denoiser::model::Generative;
use crate::generator::{Game, Learned, Settings, gan, vae};
use crate::scalar::Scalar;
use crate::stream::tensors::Values;

/// Mean squares of what a GAN generates over the data's that are not told: outside, they are half as large, or twice.
const MADE_LEAST: f64 = 0.25;
const MADE_MOST: f64 = 4.0;

/// A share of the data's mean square that a VAE does not reconstruct from which on it is told.
const LOST: f64 = 0.9;

/// Networks that make rows of latents, which begin about 0, do not come to data whose mean is so many times their deviation.
const FAR: f64 = 5.0;

/// A variational autoencoder or a generative adversarial network; says how it goes.
pub fn train_generator<T: Scalar>(
    job: &Job,
    x: &Array2<T>,
    game: Game,
    settings: &Settings,
) -> Result<Generative> {
    job.warn_of_mean(x.view(), FAR);
    let (mut progress, mut lines) = (job.progress(Some(settings.steps), "steps"), job.lines(0));
    let seen = |step, values: [f64; 2]| {
        let said = match game {
            Game::Gan => format!("losses {:.3} and {:.3}", values[0], values[1]),
            Game::Vae => format!("mean square {:.3e} not reconstructed, {:.2} nats", values[0], values[1]),
        };
        progress.advance(1);
        if let Some(left) = lines.as_mut().and_then(|lines| lines.left(step, settings.steps)) {
            job.note(&format!("step {step} of {}, {said}, {left} left", settings.steps));
        }
        progress.say(format!("steps, {said},"));
    };
    let Learned { parameters, mean_squares: [value, data] } = match game {
        Game::Gan => gan::train(x, settings, seen),
        Game::Vae => vae::train(x, settings, seen),
    }?;
    let share = value / data;
    if game == Game::Gan && !(MADE_LEAST..=MADE_MOST).contains(&share) {
        job.warn(&format!(
            "what is generated has a mean square of {value:.3e} where the data have {data:.3e}; give a smaller \
             --lr or more --steps, or scale the data to about 1"
        ));
    }
    if game == Game::Vae && share > LOST {
        job.warn(&format!(
            "{:.0} % of the data's mean square is not reconstructed: samples will be near their mean; give more \
             --steps or a larger --rank, or scale the data to about 1",
            100.0 * share
        ));
    }
    let parameters = Values::new(parameters);
    Ok(Generative { name: game.name(), decoder: settings.generator, parameters })
}
