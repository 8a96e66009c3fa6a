//! The log of training: mean loss and gradient norm of every so many steps. It
//! travels with checkpoints, so that a run in pieces has one log.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Result;

use crate::stream::Table;
use crate::training::{Course, Progress};

pub(super) const COLUMNS: &[&str] = &["step", "loss", "lr", "gradient_norm", "seconds"];

pub(super) struct Log {
    pub every: u64,
    /// In the order of [`COLUMNS`].
    pub rows: Vec<[f64; 5]>,
    /// Sums of loss and gradient norm since the last row, and their number.
    since: [f64; 3],
    pub course: Course,
    /// Seconds of the pieces before this one, and when this one began.
    before: f64,
    started: Instant,
}

impl Log {
    pub fn new(every: u64) -> Log {
        Log {
            every,
            rows: Vec::new(),
            since: [0.0; 3],
            // Until the loss of the untrained network is known.
            course: Course::new(f64::INFINITY),
            before: 0.0,
            started: Instant::now(),
        }
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// # Errors
    /// When training has diverged.
    pub fn add(&mut self, done: &Progress, steps: u64) -> Result<()> {
        let [loss, norm, count] = &mut self.since;
        *loss += done.loss;
        *norm += done.gradient_norm;
        *count += 1.0;
        if done.step.is_multiple_of(self.every) || done.step == steps {
            let [loss, norm, count] = self.since;
            self.rows.push([done.step as f64, loss / count, done.rate, norm / count, self.seconds()]);
            self.since = [0.0; 3];
        }
        self.course.add(done, steps)
    }

    pub fn write(&self, table: Table) -> Result<()> {
        // Its seconds are those of this run alone.
        let mut table = table.without_digest();
        for [step, loss, lr, norm, seconds] in &self.rows {
            table.row(&[
                (*step as u64).into(),
                (*loss).into(),
                (*lr).into(),
                (*norm).into(),
                (*seconds).into(),
            ])?;
        }
        table.finish()
    }

    /// Numbers in the shortest form that reads back exactly; lines of rows, the
    /// first line what is not a row.
    pub fn to_text(&self) -> String {
        let [loss, norm, count] = self.since;
        let [untrained, sum, trivial, steps] = self.course.to_numbers();
        let mut text =
            format!("{} {loss} {norm} {count} {untrained} {sum} {trivial} {steps}", self.seconds());
        for row in &self.rows {
            let row = row.map(|v| v.to_string());
            let _ = write!(text, "\n{}", row.join(" "));
        }
        text
    }

    pub fn from_text(text: &str, every: u64) -> Option<Log> {
        let numbers = |line: &str| line.split(' ').map(|n| n.parse().ok()).collect::<Option<Vec<f64>>>();
        let mut lines = text.lines();
        let [before, loss, norm, count, course @ ..] = &numbers(lines.next()?)?[..] else { return None };
        // Checkpoints of earlier versions end here; theirs is taken up where it goes on.
        let course =
            <[f64; 4]>::try_from(course).map_or_else(|_| Course::new(f64::INFINITY), Course::from_numbers);
        let rows = lines.map(|line| numbers(line)?.try_into().ok()).collect::<Option<_>>()?;
        Some(Log { before: *before, since: [*loss, *norm, *count], rows, course, ..Log::new(every) })
    }
}
