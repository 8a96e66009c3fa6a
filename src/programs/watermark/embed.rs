//! watermark embed: mark images.

use anyhow::{Result, ensure};
use clap::Args;

use super::KeyArgs;
use crate::cli::{Job, Program, Source};
use crate::geometry::watermark::Watermark;
use crate::scalar::Scalar;
use crate::stream::{Rows, block_rows};
use crate::with_dtype;

/// Mark images, or points of a flow: x + IDFT(M (λW − DFT x)).
///
/// The way of arXiv 2410.21088 is: pf-sample --encode --until S to the level S, embed, pf-sample --from S back. At
/// level 0 the image itself is marked, at the highest the latent.
///
/// Memory: a few blocks of images for each thread.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    by: KeyArgs,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (rows, mark) = self.by.open(job)?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => embed::<T>(job, rows, &mark))
    }
}

fn embed<T: Scalar>(job: &Job, rows: Rows, mark: &Watermark) -> Result<()> {
    let out = job.array::<T>(rows.len(), rows.item_shape())?;
    let most = block_rows(rows.width());
    job.fill(Source::Stream(rows), most, "images", vec![out], |block| {
        let first = block.rows.start;
        let mut images = block.first().unwrap_or_default();
        for (i, mut row) in images.outer_iter_mut().enumerate() {
            let mut image: Vec<f64> = row.iter().map(|x| x.wide()).collect();
            // Of an image with a number that is not finite, --nan pass leaves none that is.
            let finite = image.iter().all(|x| x.is_finite());
            mark.embed(&mut image);
            ensure!(
                !finite || image.iter().all(|x| T::of(*x).is_finite()),
                "row {}: its numbers are too large to mark; give them in another unit",
                first + i as u64
            );
            row.iter_mut().zip(image).for_each(|(x, marked)| *x = T::of(marked));
        }
        Ok(vec![images])
    })
}
