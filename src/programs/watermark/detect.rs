//! watermark detect: find marks.

use anyhow::Result;
use clap::Args;

use super::KeyArgs;
use crate::cli::{Block, Job, Program, Source};
use crate::stream::block_rows;

/// Find marks: scores of every image, the larger the more likely one is marked.
///
/// F are the image's marked frequencies, W the key's. distance: −mean |F − λW|. ratio: −|M| Σ|F − λW|² / Σ|F|², the η
/// of arXiv 2410.21088. p_value: −log₁₀ of the probability that white noise comes as near (arXiv 2305.20030);
/// the variance of the noise is taken from these frequencies themselves, so that of few of them the true probability is down to
/// a third of it. A score
/// means something beside that of images without a mark: table roc compares both. With a key of zeros, and of images
/// that have nothing at these frequencies, ratio and p_value say nothing and are left empty.
///
/// With points of a flow give what is at the level where they were marked: pf-sample --encode --until S.
///
/// Memory: a few blocks of images for each thread.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    by: KeyArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.numbered(true, "a row an image", "rows would lose their numbers")?;
        let mut table = job.table(&["row", "distance", "ratio", "p_value"])?;
        let (rows, mark) = self.by.open(job)?;
        let most = block_rows(rows.width());
        let scores = |block: Block<f64>| {
            let images = block.first().unwrap_or_default();
            Ok(images.outer_iter().map(|image| mark.scores(&image.to_vec())).collect::<Vec<_>>())
        };
        job.each_block(Source::Stream(rows), most, "images", scores, |rows, scores| {
            rows.zip(scores).try_for_each(|(row, s)| {
                table.row(&[row.into(), s.distance.into(), s.ratio.into(), s.p_value.into()])
            })
        })?;
        table.finish()
    }
}
