//! Training what has no denoiser, as a run of the program.

use anyhow::Result;
use ndarray::Array2;

use crate::cli::Job;
use crate::denoiser::model::Generative;
use crate::generator::gan;
use crate::scalar::Scalar;
use crate::stream::tensors::Values;

/// Mean squares of generated samples over the data's that are not told: outside, they are half as large, or twice.
const MADE_LEAST: f64 = 0.25;
const MADE_MOST: f64 = 4.0;

/// A generative adversarial network; says how it goes.
pub fn train_gan<T: Scalar>(job: &Job, x: &Array2<T>, settings: gan::Settings) -> Result<Generative> {
    let (mut progress, mut lines) = (job.progress(Some(settings.steps), "steps"), job.lines(0));
    let trained = gan::train(x, &settings, |step, critic, generator| {
        let losses = format!("losses {critic:.3} and {generator:.3}");
        progress.advance(1);
        if let Some(left) = lines.as_mut().and_then(|lines| lines.left(step, settings.steps)) {
            job.note(&format!("step {step} of {}, {losses}, {left} left", settings.steps));
        }
        progress.say(format!("steps, {losses},"));
    });
    let gan::Trained { parameters, mean_squares: [made, data] } = trained?;
    if !(MADE_LEAST..=MADE_MOST).contains(&(made / data)) {
        job.warn(&format!(
            "what is generated has a mean square of {made:.3e} where the data have {data:.3e}; give a smaller \
             --lr or more --steps, or scale the data to about 1"
        ));
    }
    let parameters = Values::new(parameters);
    Ok(Generative { name: "gan", decoder: settings.generator, parameters })
}
