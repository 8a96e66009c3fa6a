//! Where scores are unlikely to say what they seem to, with the reason as a number.

use crate::cli::{Interval, Job, others};
use crate::measure::descriptor::Choice;
use crate::measure::reproducibility::Similarity;
use crate::measure::scale::Scale;
use crate::scalar::Scalar;

use super::Form;
use super::scores::Scores;

/// Above it the baseline of RP, below it that of GL says that a score measures little.
const RP_BASELINE: f64 = 0.05;
const GL_BASELINE: f64 = 0.8;
/// Above this share of samples whose two nearest training rows are one, the ratio form misses copies.
const DOUBLED: f64 = 0.02;

impl<T: Scalar> Scores<'_, T> {
    /// Says all that is to be said of the scores and their baselines.
    pub(super) fn warn(&self, job: &Job, baselines: &[Option<f64>]) {
        let advice = match self.arguments.descriptor {
            Choice::Pca(_) | Choice::Whiten(_) => "another number of axes, features of a network",
            Choice::Program(_) => "--descriptor whiten:32, features of another network",
            _ => "--descriptor whiten:32, features of a network",
        };
        // Where fewer rows are alike.
        let stricter = match self.arguments.similarity {
            Similarity::Cosine => "higher",
            Similarity::Mae | Similarity::L2 => "lower",
        };
        let worst = self.pairs.iter().filter_map(|p| Some((p, p.score.baseline()?)));
        if let Some((pair, baseline)) = worst.max_by(|a, b| a.1.total_cmp(&b.1))
            && baseline > RP_BASELINE
        {
            job.warn(&format!(
                "rows that do not belong together are alike, too: {baseline:.3} of rows i of {} and i+1 of {}; \
                 compare by {advice}, or take a {stricter} --threshold than {}",
                self.name(pair.a),
                self.name(pair.b),
                self.threshold
            ));
        }
        let unpaired = self.pairs.iter().filter_map(|pair| Some((pair, pair.score.without_effect()?)));
        if let Some((pair, [together, apart])) = unpaired.clone().next() {
            job.warn(&format!(
                "rows i of {} and {} are no more alike ({together:.4}) than rows i and i+1 ({apart:.4}){}: pairing makes no \
                 difference; that is a result if both are of the same latents (--seed, --rows, solver and grid), and says \
                 nothing if they are not",
                self.name(pair.a),
                self.name(pair.b),
                others(unpaired.count())
            ));
        }
        for (form, baseline) in self.arguments.gl.iter().zip(baselines) {
            let Some(baseline) = baseline.filter(|b| *b < GL_BASELINE) else { continue };
            let train = self.train();
            job.warn(&match form {
                Form::Similarity => format!(
                    "rows of {train} count as copies of each other: left out in turn they score {baseline:.3}; \
                     compare by {advice}, take a {stricter} --threshold than {}, or count copies by --gl ratio",
                    self.threshold
                ),
                Form::Ratio => format!(
                    "rows of {train} count as copies of each other: left out in turn they score {baseline:.3}; \
                     compare by {advice}, or take a lower --ratio than {:.3}",
                    self.arguments.ratio
                ),
                Form::Distance => format!(
                    "rows of {train} are {baseline:.3} as far from each other as the rows of --reference from \
                     them, where 1 is expected; give fresh samples of the same distribution, and leave out repeated rows"
                ),
            });
        }
        self.warn_of_copies(job);
        let doubled =
            self.copied.iter().map(|copied| copied.doubled).enumerate().max_by_key(|(_, rows)| *rows);
        if let Some((i, rows)) = doubled.filter(|(_, rows)| *rows as f64 > DOUBLED * self.rows as f64)
            && self.wants(Form::Ratio)
        {
            job.warn(&format!(
                "of {rows} of {} rows of {} the two nearest rows of {} are equally far: it has them more than once, and none \
                 then counts as a copy; leave repeated rows out",
                self.rows,
                self.name(i),
                self.train()
            ));
        }
        if let Some((i, rows)) =
            self.copied.iter().enumerate().find_map(|(i, c)| Some((i, c.distances.concentration()?)))
            && self.wants(Form::Distance)
        {
            job.warn(&format!(
                "{}: {rows} of {} rows carry half of the distance, so that its interval may well miss; give more rows",
                self.name(i),
                self.rows
            ));
        }
    }

    /// Numbers of one file in another range than those of the first: whatever they show, they are not alike. Cosines
    /// of what the files hold do not see a factor.
    pub(super) fn warn_of_scales(&self, job: &Job, others: &[(String, Scale)]) {
        let inputs = (1..self.scales.len()).map(|i| (self.name(i), &self.scales[i]));
        let others = inputs.chain(others.iter().map(|(name, scale)| (name.clone(), scale)));
        let arguments = self.arguments;
        let by_distance = [Form::Distance, Form::Ratio].into_iter().any(|form| self.wants(form));
        let factors_count =
            by_distance || arguments.similarity != Similarity::Cosine || arguments.descriptor != Choice::Raw;
        let apart = if factors_count { Scale::is_apart } else { Scale::points_apart };
        job.warn_of_scales((self.name(0), &self.scales[0]), others, apart);
        if arguments.similarity == Similarity::Mae
            && arguments.data_range.is_none()
            && arguments.compares()
            && (self.scales[0].misfits(self.range) || unfilled(&self.scales[0], self.range))
        {
            let [low, high] = self.range;
            job.warn(&format!(
                "{} has numbers {}, and mae counts 1/255 of {low} to {high}; give their --data-range",
                self.name(0),
                self.scales[0]
            ));
        }
    }

    /// Rows that are equal to the bit.
    fn warn_of_copies(&self, job: &Job) {
        for pair in self.pairs.iter().filter(|pair| pair.copies > 0) {
            let both = self.copied[pair.a].to_the_bit.min(self.copied[pair.b].to_the_bit);
            let why = match both >= pair.copies {
                true => "models that return the training set make them, or one file or seed used twice",
                false => "one file or seed used twice makes them",
            };
            job.warn(&format!(
                "{} of {} rows of {} and {} are equal to the bit, as {why}; for rp, give samples of models that were made \
                 apart",
                pair.copies,
                self.rows,
                self.name(pair.a),
                self.name(pair.b)
            ));
        }
        for (i, copied) in self.copied.iter().enumerate().filter(|(_, copied)| copied.to_the_bit > 0) {
            job.warn(&format!(
                "{} of {} rows of {} are rows of {} to the bit, which a model that returns its training set makes, and a \
                 seed used twice; if they are to be new, draw them with another --seed",
                copied.to_the_bit,
                self.rows,
                self.name(i),
                self.train()
            ));
        }
    }
}

/// Whether numbers are hardly of the usual range.
fn unfilled(scale: &Scale, [lo, hi]: [f64; 2]) -> bool {
    scale.bounds().is_some_and(|[least, most]| Interval { lo, hi }.unfilled(least, most).is_some())
}
