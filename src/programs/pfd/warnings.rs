//! Where distances are unlikely to say what they seem to, with the reason as a number.

use crate::cli::{Job, others};
use crate::measure::interval::Amounts;
use crate::measure::scale::Scale;

use super::measures::{Measures, Quantities};

impl Measures<'_> {
    /// One warning of a kind.
    pub fn warn(&self, job: &Job) {
        let name = |i: &usize| self.arguments.name(*i);
        let scales = |i: usize| (name(&i), &self.scales[i]);
        job.warn_of_scales(scales(0), (1..self.scales.len()).map(scales), Scale::is_apart);
        let more = if self.from_files.contains(&true) { "give more rows" } else { "give more latents (-n)" };
        let unpaired = self.pairs.iter().filter(|(a, b, _)| self.from_files[*a] || self.from_files[*b]);
        let unpaired = unpaired.filter_map(|(a, b, shifted)| Some((a, b, shifted.without_effect()?)));
        if let Some((a, b, (together, apart))) = unpaired.clone().next() {
            job.warn(&format!(
                "{} and {}: {together:.4} apart, but {apart:.4} where row i is paired with row i+1: pairing makes \
                 no difference{}; give samples and models the same latents (--seed, --rows, solver and grid)",
                name(a),
                name(b),
                others(unpaired.count())
            ));
            return;
        }
        let squares: Vec<&Amounts> = match &self.quantities {
            Quantities::BiasVariance(m) => vec![m.errors()],
            // Of a distance that is rounding nobody reads an interval.
            _ => {
                let pairs = self.pairs.iter().zip(self.distances());
                let told = pairs.filter(|((_, _, shifted), d)| !shifted.is_rounding(d.pfd().value));
                told.map(|(_, d)| &d.squares).collect()
            }
        };
        let concentrated = squares.iter().filter_map(|s| Some((s.n(), s.concentration()?)));
        if let Some((n, rows)) = concentrated.clone().next() {
            job.warn(&format!(
                "{rows} of {n} rows ({:.2} %) carry half of the squared distance, so that its interval may well \
                 miss{}; {more}",
                100.0 * rows as f64 / n as f64,
                others(concentrated.count())
            ));
            return;
        }
        let unseen = self.pairs.iter().zip(self.distances());
        let unseen =
            unseen.filter_map(|((a, b, shifted), d)| Some((a, b, d.pfd(), shifted.unseen(&d.squares)?)));
        if let Some((a, b, pfd, (rate, with))) = unseen.clone().next() {
            job.warn(&format!(
                "none of {} rows of {} and {} is half as far apart as rows that do not belong together, but so few \
                 do not show what happens to less than 1 in {:.0}: if those were so far apart, pfd would be \
                 {with:.4}, not {:.4}{}; {more}",
                pfd.n,
                name(a),
                name(b),
                1.0 / rate,
                pfd.value,
                others(unseen.count())
            ));
        }
    }
}
