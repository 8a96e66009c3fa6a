//! Whether points, latents, samples and other models are on the scale of the model that they meet: where they are not, what
//! is computed of them means nothing, and nothing else says so.

use std::ffi::OsStr;
use std::sync::PoisonError;

use anyhow::{Result, ensure};

use super::job::Job;
use crate::denoiser::Model;
use crate::denoiser::model::{Extent, Unit};
use crate::stream::{Lie, Rows, Seen, items_suit, models_suit};

/// Rows of points that are looked at.
const SOME: usize = 256;
/// Numbers from which on chance has no part: the mean square of so many normal ones is beyond ¼ to 4 in one case of a million.
const ENOUGH: usize = 32;
/// Latents so many times larger or smaller than 1 are none; encoded ones, and means of several, are not exactly 1.
const NO_LATENTS: f64 = 3.0;

/// Neighbours in a row of latents that correlate so much are told, if chance in one row alone has no part in it: of a row of d
/// normal numbers the correlation has a deviation of 1/√d, and rows may all be copies or mixtures of a few. Four deviations are
/// chance in one case of thirty thousand.
const NEIGHBOURS: f64 = 0.5;
const DEVIATIONS: f64 = 4.0;

/// What the rows are that meet a model.
#[derive(Clone, Debug)]
pub enum Taken {
    /// Data without noise.
    Data,
    /// Points of each of these noise levels; and what gives some, where they are data instead.
    Noisy(Vec<f64>, String),
    /// Standard normal latents of a flow.
    Latents,
    /// What has been made of noise, at the level where it ended; and what may have led it astray.
    Samples(f64, String),
}

/// Rows that have met a model.
pub(super) struct Meeting {
    /// How messages call them.
    name: String,
    taken: Taken,
    extent: Option<Extent>,
    seen: Seen,
}

impl Taken {
    /// Points that are given noise of the level first, where `add_noise`, or else are of each of these levels.
    pub fn with_noise(add_noise: bool, sigmas: &[f64]) -> Taken {
        let way = "--add-noise adds such noise".to_string();
        if add_noise { Taken::Data } else { Taken::Noisy(sigmas.to_vec(), way) }
    }
}

impl Meeting {
    /// What is to be said.
    fn told(&self) -> Option<String> {
        let lie = self.seen.lie().filter(|lie| lie.numbers >= ENOUGH)?;
        let Lie { rows, rms, neighbours, .. } = lie;
        let count = if rows == 1 { "the one row has".to_string() } else { format!("{rows} rows have") };
        let found = if rms < 1e6 { format!("{rms:.4}") } else { format!("{rms:.3e}") };
        let found = format!("{}: {count} a root mean square of {found}", self.name);
        if let Taken::Latents = self.taken {
            // Rows of zeros are given on purpose: they start where the noise has its mean.
            let apart = rms > NO_LATENTS || (rms > 0.0 && rms < 1.0 / NO_LATENTS);
            let way =
                "give standard normal rows (npy noise), data by --encode, points at a noise level by --from";
            if apart {
                return Some(format!("{found}, and latents 1: they are none, or scaled already; {way}"));
            }
            let chance = DEVIATIONS / (lie.numbers as f64 / rows as f64).sqrt();
            return (neighbours > NEIGHBOURS.max(chance)).then(|| {
                format!(
                    "{}: numbers that follow each other in a row correlate by {neighbours:.3}, and those of latents by 0: they look \
                     like data; {way}",
                    self.name
                )
            });
        }
        let extent = self.extent.as_ref()?;
        let beyond = |sigma: f64| {
            let usual = extent.exceeded(&lie, sigma)?;
            let noise = if sigma > 0.0 { format!(" with noise of {sigma}") } else { String::new() };
            Some(format!("{found}, where the model's data{noise} have about {usual:.4}"))
        };
        match &self.taken {
            Taken::Latents => None,
            Taken::Data => beyond(0.0).map(|beyond| {
                format!(
                    "{beyond}: they are on another scale, on which it knows nothing; bring them to that of its data (npy images \
                     --from, npy let)"
                )
            }),
            Taken::Samples(sigma, astray) => {
                beyond(*sigma).map(|beyond| format!("{beyond}: they have left its data; give {astray}"))
            }
            Taken::Noisy(sigmas, way) => {
                let least = sigmas.iter().copied().fold(f64::INFINITY, f64::min);
                let most = sigmas.iter().copied().fold(0.0, f64::max);
                if let Some(beyond) = beyond(least) {
                    return Some(format!(
                        "{beyond}: they are at a higher level, or on another scale; give points of that level, in the units of the \
                         model's data"
                    ));
                }
                let clean = extent.clean_below(most).is_some_and(|clean| rms > 0.0 && rms < clean);
                clean.then(|| {
                    format!(
                        "{found}, as the model's data themselves, whose deviation is {:.4}: they look like data without noise, and \
                         are taken as points at level {most}; {way}",
                        extent.deviation
                    )
                })
            }
        }
    }
}

impl Job {
    /// Points of a model that is called so: rows of its dimension, items of its shape. Where they are not what they are taken
    /// to be, the run says so at its end.
    ///
    /// # Errors
    /// As [`Job::rows`]; rows or items of another size or shape.
    pub fn points(&self, name: Option<&OsStr>, model: &Model, called: &OsStr, taken: Taken) -> Result<Rows> {
        let (rows, called) = (self.rows(name)?, called.to_string_lossy());
        ensure!(
            rows.width() == model.dim(),
            "{}: rows of width {}, but {called} is of dimension {}; give points of the model's dimension",
            rows.name(),
            rows.width(),
            model.dim()
        );
        items_suit((rows.name(), rows.item_shape()), (called.as_ref(), &model.item_shape))?;
        Ok(self.meeting(rows, model, taken))
    }

    /// The same rows, which meet a model as that.
    pub fn meeting(&self, rows: Rows, model: &Model, taken: Taken) -> Rows {
        let called = match &taken {
            Taken::Noisy(sigmas, _) if self.program == "pf-sample" => format!("--from {}: ", sigmas[0]),
            _ => String::new(),
        };
        let seen = self.meet(format!("{called}{}", rows.name()), model, taken);
        rows.seen_by(seen)
    }

    /// Who looks at rows, called so, that meet a model as that; nobody where it does not say how far its data reach, or sees no
    /// points.
    pub fn meet(&self, name: String, model: &Model, taken: Taken) -> Option<Seen> {
        // About its condition a network learns what is left of rows: its deviation is not that of data.
        let about = model.condition().is_some_and(|condition| condition.about);
        let extent = model.extent().filter(|_| !about && !model.is_mean());
        if extent.is_none() && !matches!(taken, Taken::Latents) {
            return None;
        }
        // Samples are there to be looked at, while points are some of many that are alike.
        let seen = if matches!(taken, Taken::Samples(..)) { Seen::all() } else { Seen::first(SOME) };
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.push(Meeting { name, taken, extent, seen: seen.clone() });
        Some(seen)
    }

    /// Leaves samples out, of which something else has been said.
    pub fn doubted(&self) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|meeting| !matches!(meeting.taken, Taken::Samples(..)));
    }

    /// Says of rows that met a model where they are not what they were taken to be; of samples only where all that they were
    /// made of was.
    pub(super) fn warn_of_meetings(&self) {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = false;
        for meeting in met.iter() {
            if told && matches!(meeting.taken, Taken::Samples(..)) {
                continue;
            }
            if let Some(text) = meeting.told() {
                self.warn(&text);
                told = true;
            }
        }
    }

    /// A model and another of the same items, which stand for data in the same unit.
    ///
    /// # Errors
    /// Of the models; another dimension or shape.
    pub fn two_models(&self, a: &OsStr, b: &OsStr) -> Result<(Model, Model)> {
        let models = (self.model(Some(a))?, self.other_model(Some(b))?);
        let names = [a, b].map(|name| name.to_string_lossy());
        ensure!(
            models.0.dim() == models.1.dim(),
            "{}: is of dimension {}, and {} of {}; give models of the same items",
            names[1],
            models.1.dim(),
            names[0],
            models.0.dim()
        );
        models_suit((&names[1], &models.1.item_shape), (&names[0], &models.0.item_shape))?;
        let units = (models.0.unit(), models.1.unit());
        self.warn_of_units((&names[0], units.0), (&names[1], units.1), Unit::is_apart);
        Ok(models)
    }

    /// Warns where the data of two models are in different units, as `apart` has it of those that say theirs.
    pub fn warn_of_units(
        &self,
        a: (&str, Option<Unit>),
        b: (&str, Option<Unit>),
        apart: fn(&Unit, &Unit) -> bool,
    ) {
        let (Some(of_a), Some(of_b)) = (a.1, b.1) else { return };
        if apart(&of_a, &of_b) {
            self.warn(&format!(
                "{} stands for data of {of_a}, but {} for data of {of_b}: in different units models say nothing of each \
                 other; fit both to data on one scale (npy images, npy let)",
                a.0, b.0
            ));
        }
    }
}
