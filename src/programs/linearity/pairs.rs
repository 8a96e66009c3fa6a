//! Over pairs of points.

use anyhow::{Result, ensure};

use crate::cli::{Block, Job, Source};
use crate::denoiser::Model;
use crate::flow::at_once;
use crate::linalg::column_means;
use crate::measure::comparison::Gap;
use crate::measure::interval::Mean;
use crate::measure::linearity::Pairs;
use crate::scalar::Scalar;
use crate::stream::Rows;

use super::Arguments;

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
        let most = (at_once(pairs.denoiser, 3 * self.pairs as usize, x.ncols()) / 3).max(1);
        for &sigma in sigmas {
            let (mut cosine, mut nmse) = (Mean::default(), Mean::default());
            let work = |block: Block<T>| pairs.gaps(block.rows, sigma);
            job.each_block(
                Source::Numbers(0..u64::from(self.pairs)),
                most,
                "pairs",
                work,
                |_, gaps: Vec<Gap>| {
                    for gap in gaps {
                        gap.cosine.into_iter().for_each(|c| cosine.add(c.abs()));
                        gap.nmse().into_iter().for_each(|n| nmse.add(n));
                    }
                    Ok(())
                },
            )?;
            let (error, pairs) = (cosine.error().into(), u64::from(self.pairs).into());
            table.row(&[sigma.into(), cosine.value().into(), nmse.value().into(), error, pairs])?;
        }
        table.finish()
    }
}
