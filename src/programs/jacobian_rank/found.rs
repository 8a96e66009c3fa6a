//! What was found: its tables, its arrays, and where it should not be relied upon.

use std::path::Path;

use anyhow::{Result, ensure};
use ndarray::Array2;

use crate::cli::{Job, array_format};
use crate::measure::interval::Mean;
use crate::measure::numerical_rank::{Cell, Rank};
use crate::stream::{ArrayWriter, Format, Output, Table};

pub const PER_SAMPLE: &[&str] = &["sigma", "snr", "sample", "rank", "rank_ratio", "energy", "gap"];
pub const PER_LEVEL: &[&str] =
    &["sigma", "snr", "rank_mean", "rank_std", "rank_min", "rank_max", "rank_ratio", "n"];

/// A file that is opened before the points are read, whose number is part of its shape.
pub struct Side {
    output: Output,
    format: Format,
}

impl Side {
    pub fn open(job: &Job, path: Option<&Path>) -> Result<Option<Side>> {
        let Some(path) = path else { return Ok(None) };
        Ok(Some(Side { output: job.side_output(path)?, format: array_format(path) }))
    }

    pub fn array(self, levels: usize, shape: &[usize]) -> Result<ArrayWriter<f64>> {
        ArrayWriter::new(self.output, self.format, Some(levels), shape)
    }
}

pub struct Found<'a> {
    pub levels: &'a [f64],
    /// d.
    pub dim: usize,
    /// Of Σ s².
    pub threshold: f64,
    /// Number of the first point.
    pub first: u64,
    /// By point, and level.
    pub cells: Vec<Vec<Cell>>,
}

impl Found<'_> {
    fn all(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().flatten()
    }

    pub fn check_finite(&self) -> Result<()> {
        let finite =
            |c: &Cell| c.rank.energy.is_finite() && c.values.iter().chain(&c.vectors).all(|x| x.is_finite());
        ensure!(
            self.all().all(finite),
            "a Jacobian is not finite: the model's numbers are too large for these noise levels"
        );
        Ok(())
    }

    /// Writes one row a level: `of` every point's cell.
    pub fn write_levels(
        &self,
        writer: Option<ArrayWriter<f64>>,
        of: impl Fn(&Cell) -> &Vec<f64>,
    ) -> Result<()> {
        let Some(mut writer) = writer else { return Ok(()) };
        for l in 0..self.levels.len() {
            let values: Vec<f64> =
                self.cells.iter().flat_map(|cells| of(&cells[l]).iter().copied()).collect();
            writer.write(Array2::from_shape_vec((1, values.len()), values)?.view())?;
        }
        writer.finish()
    }

    pub fn warn(&self, job: &Job) {
        let short = self.all().filter(|c| c.rank.energy <= self.threshold).count();
        if short > 0 {
            job.warn(&format!(
                "{short} ranks are only bounds: the singular values found do not reach the threshold; raise --top"
            ));
        }
        self.warn_of_hanging(job);
    }

    /// Says where ranks stand between singular values that are alike, with the one that another threshold changes
    /// most.
    fn warn_of_hanging(&self, job: &Job) {
        let cells = || self.cells.iter().flat_map(|cells| cells.iter().zip(self.levels));
        let hanging = cells().filter_map(|(cell, level)| Some((cell.rank, cell.about?, level)));
        let count = hanging.clone().count();
        // Of equals the first.
        let worst = hanging.rev().max_by_key(|(_, [low, high], _)| high - low);
        if let Some((Rank { rank, gap, .. }, [low, high], level)) = worst {
            job.warn(&format!(
                "{count} of {} ranks hang on the threshold, since singular values are alike there: at sigma {level} rank \
                 {rank}, where s_(r+1) is {gap:.3} of s_r, would be {low} if twice as much energy might be left out, \
                 {high} if half as much; give ranks at several --eta, or look at --spectrum",
                cells().count()
            ));
        }
    }

    /// Point by point, so that the tables of --rows join to the whole.
    pub fn per_sample(&self, mut table: Table) -> Result<()> {
        for (sample, cells) in (self.first..).zip(&self.cells) {
            for (&sigma, cell) in self.levels.iter().zip(cells) {
                let Rank { rank, energy, gap } = cell.rank;
                table.row(&[
                    sigma.into(),
                    (1.0 / sigma).into(),
                    sample.into(),
                    rank.into(),
                    (rank as f64 / self.dim as f64).into(),
                    energy.into(),
                    gap.into(),
                ])?;
            }
        }
        table.finish()
    }

    pub fn per_level(&self, mut table: Table) -> Result<()> {
        for (l, &sigma) in self.levels.iter().enumerate() {
            let ranks = self.cells.iter().map(|cells| cells[l].rank.rank);
            let mut mean = Mean::default();
            ranks.clone().for_each(|r| mean.add(r as f64));
            table.row(&[
                sigma.into(),
                (1.0 / sigma).into(),
                mean.mean.into(),
                mean.variance().sqrt().into(),
                ranks.clone().min().unwrap_or(0).into(),
                ranks.max().unwrap_or(0).into(),
                (mean.mean / self.dim as f64).into(),
                mean.n.into(),
            ])?;
        }
        table.finish()
    }
}
