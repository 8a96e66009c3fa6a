//! A generative adversarial network with least-squares losses (arXiv 1611.04076):
//! in turn, the critic C lowers ⟨(C(x) − 1)²⟩ + ⟨C(G(z))²⟩ over data x and
//! latents z, and the generator G lowers ⟨(C(G(z)) − 1)²⟩. Both move by Adam.

use anyhow::{Result, ensure};
use ndarray::Array2;

use super::player::{Player, draw, mean_square};
use super::{Learned, Settings};
use crate::network::Tape;
use crate::random::Purpose;
use crate::scalar::Scalar;
use crate::training::Course;
use crate::training::course::Yardstick;
use crate::training::optimizer::Step;

/// β₁ of Adam for both: as each changes what the other should do, past gradients mislead.
const MOMENTUM: f64 = 0.0;

/// Rows that the values of untrained networks are means of, at least.
const UNTRAINED_ROWS: usize = 128;

/// ⟨(½ − 1)²⟩ + ⟨½²⟩: what a critic loses that knows nothing.
const UNDECIDED: f64 = 0.5;

static CRITIC: Yardstick = Yardstick {
    measured: "mean loss of the critic",
    trivial: "a critic that always says 1/2",
    untrained: "the untrained one",
    remedy: "give a smaller --lr",
};

static GENERATOR: Yardstick = Yardstick {
    measured: "mean square of what is generated",
    trivial: "the data's",
    untrained: "that of the untrained generator",
    remedy: "give a smaller --lr",
};

/// Trains a generator. `seen` is told the step, the critic's loss and the generator's.
///
/// # Errors
/// When there are no rows, or training diverges: when losses or parameters are no numbers any more, the critic loses
/// far more than one that knows nothing, or what is generated is far larger than the data.
pub fn train<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    mut seen: impl FnMut(u64, [f64; 2]),
) -> Result<Learned<T>> {
    ensure!(data.nrows() > 0, "no rows to train on; give samples");
    let mut generator = Player::new(settings.generator.graph(), settings.seed, Purpose::Parameters);
    let mut critic = Player::new(settings.beside.graph(), settings.seed, Purpose::Critic);
    let mut average = generator.parameters.clone();
    let (mut making, mut judging) = (Tape::new(), Tape::new());
    let of_data = mean_square(data);
    let [loss, square] = untrained(data, settings, &generator, &critic);
    let (mut judged, mut made_so_far) = (Course::of(&CRITIC, loss), Course::of(&GENERATOR, square));
    for number in 1..=settings.steps {
        let (real, latents) = draw(data, settings, number - 1);
        let made = generator.forward(&latents, &mut making);
        let step =
            Step { number, rate: settings.rate.at(number, settings.steps), decay: 0.0, momentum: MOMENTUM };
        let mut critics = 0.0;
        for (x, target) in [(&real, 1.0), (&made, 0.0)] {
            let (loss, slope) = squares(critic.forward(x, &mut judging), target);
            critic.learn(&mut judging, &slope);
            critics += loss;
        }
        critic.update(step);
        let (generators, slope) = squares(critic.forward(&made, &mut judging), 1.0);
        let by_sample = critic.pulled_back(&mut judging, &slope);
        generator.learn(&mut making, &by_sample);
        generator.update(step);
        ensure!(
            critics.is_finite() && generators.is_finite() && generator.is_finite(),
            "step {number}: training has diverged (losses {critics} and {generators}); give a smaller --lr"
        );
        judged.take(number, settings.steps, [critics, UNDECIDED])?;
        made_so_far.take(number, settings.steps, [mean_square(&made), of_data])?;
        generator.average_into(&mut average, settings.average.kept(number));
        seen(number, [critics, generators]);
    }
    // The last step is looked at, and there is one.
    let mean_squares = made_so_far.last().unwrap_or([of_data; 2]);
    Ok(Learned { parameters: average, mean_squares })
}

/// The critic's loss and the mean square of what is generated, before the first step.
fn untrained<T: Scalar>(
    data: &Array2<T>,
    settings: &Settings,
    generator: &Player<T>,
    critic: &Player<T>,
) -> [f64; 2] {
    let batches = UNTRAINED_ROWS.div_ceil(settings.batch) as u64;
    let mut sums = [0.0; 2];
    for step in 0..batches {
        let (real, latents) = draw(data, settings, step);
        let made = generator.forward(&latents, &mut Tape::new());
        for (x, target) in [(&real, 1.0), (&made, 0.0)] {
            sums[0] += squares(critic.forward(x, &mut Tape::new()), target).0;
        }
        sums[1] += mean_square(&made);
    }
    sums.map(|sum| sum / batches as f64)
}

/// ⟨(c − target)²⟩ and its derivative by every c.
fn squares<T: Scalar>(mut c: Array2<T>, target: f64) -> (f64, Array2<T>) {
    let n = c.len() as f64;
    let loss = c.iter().map(|v| (v.wide() - target).powi(2)).sum::<f64>() / n;
    c.mapv_inplace(|v| T::of(2.0 / n) * (v - T::of(target)));
    (loss, c)
}
