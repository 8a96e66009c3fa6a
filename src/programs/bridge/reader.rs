//! Tables of controls, read by the names of their columns.

use anyhow::{Context, Result, anyhow, ensure};

use crate::bridge::System;
use crate::stream::Columns;

/// Its rows, which are of one control.
pub(super) struct Reader<'a>(pub &'a Columns);

impl Reader<'_> {
    /// The number of a row under a name.
    pub fn number(&self, row: usize, name: &str) -> Result<f64> {
        let value = self.0.number(row, self.0.column(name)?)?;
        value.filter(|v| v.is_finite()).with_context(|| {
            format!(
                "{}: {name} should be a finite number; take the table as bridge has written it",
                self.0.place(row)
            )
        })
    }

    /// The text of a row under a name.
    pub fn text(&self, row: usize, name: &str) -> Result<&str> {
        Ok(self.0.text(row, self.0.column(name)?))
    }

    /// What all rows have alike.
    pub fn same(&self, name: &str) -> Result<&str> {
        let column = self.0.column(name)?;
        let text = self.0.text(0, column);
        let other = (0..self.0.len()).find(|row| self.0.text(*row, column) != text);
        other.map_or(Ok(text), |row| {
            let place = self.0.place(row);
            Err(anyhow!(
                "{place}: {name} is another than before: a table is of one control; take its rows apart"
            ))
        })
    }

    /// A number that all rows have.
    pub fn common(&self, name: &str, check: fn(&str, f64) -> Result<()>) -> Result<f64> {
        self.same(name)?;
        let value = self.number(0, name)?;
        check(name, value).with_context(|| self.0.place(0))?;
        Ok(value)
    }

    pub fn system(&self) -> Result<System> {
        self.same("system")?.parse().map_err(|e| anyhow!("{}: system: {e}", self.0.place(0)))
    }

    /// The rows of each step; steps go from 0 on, and have as many rows each.
    pub fn steps(&self) -> Result<Vec<Vec<usize>>> {
        let mut steps: Vec<Vec<usize>> = Vec::new();
        for row in 0..self.0.len() {
            let step = self.number(row, "step")?;
            if step == steps.len() as f64 {
                steps.push(Vec::new());
            }
            ensure!(
                step + 1.0 == steps.len() as f64,
                "{}: step {step} where one from 0 on should follow; take the table in the order of its steps",
                self.0.place(row)
            );
            steps.last_mut().context("bug: no step")?.push(row);
        }
        for rows in &steps {
            ensure!(
                rows.len() == steps[0].len(),
                "{}: its step has {} rows, the first has {}; take the table whole",
                self.0.place(rows[0]),
                rows.len(),
                steps[0].len()
            );
        }
        Ok(steps)
    }
}
