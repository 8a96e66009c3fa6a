//! Over pairs of points.

use anyhow::{Result, ensure};

use crate::cli::{Block, Job, Source};
use crate::denoiser::Model;
use crate::flow::at_once;
use crate::linalg::column_means;
use crate::measure::interval::Mean;
use crate::measure::linearity::{Common, PairGap, PairMean, Pairs};
use crate::scalar::Scalar;
use crate::stream::Rows;

use super::Arguments;

/// A share of what differs that is the same in all pairs, where it is not little, from which on it is told.
const COMMON: f64 = 0.5;
const MUCH: f64 = 0.05;

impl Arguments {
    pub(super) fn over_pairs<T: Scalar>(
        &self,
        job: &Job,
        sigmas: &[f64],
        model: Model,
        mut points: Rows,
    ) -> Result<()> {
        let mut table = job.table(&["sigma", "cosine", "nmse", "std_error", "n"])?;
        let x = points.read_all::<T>()?;
        let count = ["no rows", "one row"];
        ensure!(
            x.nrows() > 1,
            "{}: {}, which make no pair; give more",
            points.name(),
            count[x.nrows().min(1)]
        );
        let centre = self.center.then(|| column_means(x.view()).mapv(T::of));
        let denoiser = model.into_denoiser::<T>()?;
        let pairs = Pairs {
            denoiser: denoiser.as_ref(),
            points: x.view(),
            centre: centre.as_ref().map(|centre| centre.view()),
            seed: job.shared.seed,
        };
        // Three rows a pair.
        let mut most_common: Option<(f64, f64, f64)> = None;
        let most = (at_once(pairs.denoiser, 3 * self.pairs as usize, x.ncols()) / 3).max(1);
        for &sigma in sigmas {
            let (mut cosine, mut nmse, mut common) =
                (PairMean::default(), Mean::default(), Common::default());
            let work = |block: Block<T>| pairs.gaps(block.rows, sigma);
            job.each_block(
                Source::Numbers(0..u64::from(self.pairs)),
                most,
                "pairs",
                work,
                |_, gaps: Vec<PairGap>| {
                    for PairGap { gap, difference, points } in gaps {
                        gap.cosine.into_iter().for_each(|c| cosine.add(points, c.abs()));
                        gap.nmse().into_iter().for_each(|n| nmse.add(n));
                        common.add(&difference);
                    }
                    Ok(())
                },
            )?;
            let (error, pairs) = (cosine.error(x.nrows()).into(), u64::from(self.pairs).into());
            table.row(&[sigma.into(), cosine.of_pairs.value().into(), nmse.value().into(), error, pairs])?;
            if let Some((share, nmse)) = common.share().zip(nmse.value()).filter(|_| !self.center) {
                let worse = share > COMMON && nmse > MUCH && most_common.is_none_or(|(s, ..)| share > s);
                most_common = if worse { Some((share, nmse, sigma)) } else { most_common };
            }
        }
        if let Some((share, nmse, sigma)) = most_common {
            job.warn(&format!(
                "at sigma {sigma} {:.0} % of the mean square of what nmse {nmse:.3} measures is one vector, the same in all \
                 pairs: the model's mean, which an affine map has too, hides how linear it is; give --center",
                100.0 * share
            ));
        }
        table.finish()
    }
}
