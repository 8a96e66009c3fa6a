//! watermark attack: what happens to images on their way.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};
use clap::Args;
use ndarray::Array2;

use super::image_shape;
use crate::cli::{Interval, Job, Program, Source, Within, interval, usage};
use crate::geometry::attack::{Attack, Kind};
use crate::scalar::Scalar;
use crate::stream::{Layout, Rows, block_rows};
use crate::with_dtype;

/// Do to images what happens to them on their way, without a network.
///
/// Blur and medians see the image mirrored at its edges. The noise of an image depends on the seed and its row alone.
///
/// Memory: a few blocks of images for each thread.
#[derive(Args)]
pub struct Arguments {
    /// Images (default: standard input)
    #[arg(value_name = "SAMPLES")]
    samples: Option<OsString>,
    /// What is done
    #[arg(long, value_enum)]
    kind: Kind,
    /// How much of it, in the kind's own measure
    #[arg(long, value_name = "S")]
    strength: f64,
    /// Black and white, for jpeg, drop and brightness (default: 0,255 for arrays of whole numbers, else -1,1)
    #[arg(long, value_name = "LO,HI", value_parser = interval, allow_hyphen_values = true)]
    data_range: Option<Interval>,
    /// How their numbers lie (default: channels last; what looks like channels first is refused)
    #[arg(long, value_enum)]
    layout: Option<Layout>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.only(self.kind.has_range(), &["--data-range"], "it is for jpeg, drop and brightness")?;
        job.only(self.kind == Kind::Noise, &["--seed"], "nothing is drawn but for noise")?;
        job.numbered(self.kind == Kind::Noise, "--kind noise", "noise belongs to rows by their number")?;
        let rows = job.rows(self.samples.as_deref())?.images(self.layout)?;
        let Interval { lo, hi } = self.data_range.unwrap_or(Interval::usual(&rows));
        if lo > hi {
            return Err(usage(anyhow!("--data-range {lo},{hi}: black comes first, and is less than white")));
        }
        let shape = image_shape(rows.name(), rows.item_shape())?;
        let attack = Attack { kind: self.kind, strength: self.strength, shape, range: [lo, hi] };
        attack.check().map_err(usage)?;
        with_dtype!(job.dtype(&[rows.dtype()]), T => carry_out::<T>(job, rows, attack, self.data_range.is_some()))
    }
}

/// `told`: somebody has said which values are black and white.
fn carry_out<T: Scalar>(job: &Job, rows: Rows, attack: Attack, told: bool) -> Result<()> {
    let out = job.array::<T>(rows.len(), rows.item_shape())?;
    let (name, most) = (rows.name().to_string(), block_rows(rows.width()));
    let [lo, hi] = attack.range;
    let (range, seen) = (Interval { lo, hi }, Mutex::new(Within::default()));
    job.fill(Source::Stream(rows), most, "images", vec![out], |block| {
        let numbers = block.rows.clone();
        let mut images: Array2<T> = block.first().unwrap_or_default();
        // Of what lies in no order.
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        images.iter().for_each(|v| seen.add(v.wide(), range));
        drop(seen);
        for (mut row, number) in images.outer_iter_mut().zip(numbers) {
            let image: Vec<f64> = row.iter().map(|x| x.wide()).collect();
            let attacked = attack.on(&image, job.shared.seed, number)?;
            row.iter_mut().zip(attacked).for_each(|(x, new)| *x = T::of(new));
        }
        Ok(vec![images])
    })?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (least, most) = seen.ends();
    let odd = seen.odd(range).or(range.unfilled(least, most).filter(|_| !told));
    if let Some(odd) = odd.filter(|_| attack.kind.has_range()) {
        job.warn(&format!("{name}: {odd}; say by --data-range which values are black and white"));
    }
    Ok(())
}
