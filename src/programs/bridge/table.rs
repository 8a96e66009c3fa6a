//! Controls as tables: what fit and exact write, and sample reads.

use anyhow::{Context, Result, anyhow, ensure};

use super::setting::{place, positive};
use crate::bridge::control::{GridControl, Polynomial, PolynomialControl, Scales};
use crate::bridge::{Control, Setting, System};
use crate::stream::Columns;

/// Columns of a fit: a row a coefficient.
pub(super) const FITTED: [&str; 15] = [
    "system",
    "noise_std",
    "time_end",
    "start",
    "mode",
    "step",
    "time",
    "x_mean",
    "x_std",
    "y_mean",
    "y_std",
    "x_power",
    "y_power",
    "coefficient",
    "std_error",
];

/// Columns of an exact control: a row a place.
pub(super) const ON_GRID: [&str; 8] =
    ["system", "noise_std", "time_end", "target", "step", "time", "x", "control"];

/// Highest power that is read.
const HIGHEST: f64 = 99.0;

struct Reader<'a>(&'a Columns);

impl Reader<'_> {
    /// The number of a row under a name.
    fn number(&self, row: usize, name: &str) -> Result<f64> {
        let value = self.0.number(row, self.0.column(name)?)?;
        value.filter(|v| v.is_finite()).with_context(|| {
            format!(
                "{}: {name} should be a finite number; take the table as bridge has written it",
                self.0.place(row)
            )
        })
    }

    /// What all rows have alike.
    fn same(&self, name: &str) -> Result<&str> {
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
    fn common(&self, name: &str, check: fn(&str, f64) -> Result<()>) -> Result<f64> {
        self.same(name)?;
        let value = self.number(0, name)?;
        check(name, value).with_context(|| self.0.place(0))?;
        Ok(value)
    }

    fn system(&self) -> Result<System> {
        self.same("system")?.parse().map_err(|e| anyhow!("{}: system: {e}", self.0.place(0)))
    }

    /// The rows of each step; steps go from 0 on, and have as many rows each.
    fn steps(&self) -> Result<Vec<Vec<usize>>> {
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

/// The control of a table of fit or exact.
///
/// # Errors
/// A table of other columns, or of numbers that no control has; each names its line.
pub(super) fn control(columns: &Columns) -> Result<Control> {
    let table = Reader(columns);
    let (system, steps) = (table.system()?, table.steps()?);
    let noise_std = table.common("noise_std", positive)?;
    let horizon = table.common("time_end", positive)?;
    let setting = Setting { system, noise_std, horizon, steps: steps.len() };
    if columns.column("control").is_ok() {
        return grid(&table, setting, &steps).map(Control::Grid);
    }
    let start = table.common("start", place)?;
    let power = |row: usize, name: &str| -> Result<u32> {
        let power = table.number(row, name)?;
        let whole = (0.0..=HIGHEST).contains(&power) && power.fract() == 0.0;
        ensure!(whole, "{}: {name} {power} is no power from 0 to {HIGHEST}", columns.place(row));
        Ok(power as u32)
    };
    let polynomial = |rows: &Vec<usize>| -> Result<Polynomial> {
        let number = |name: &str| table.number(rows[0], name);
        let scales = Scales {
            x_mean: number("x_mean")?,
            x_std: number("x_std")?,
            y_mean: number("y_mean")?,
            y_std: number("y_std")?,
        };
        ensure!(
            scales.x_std > 0.0 && scales.y_std > 0.0,
            "{}: x_std and y_std must be above 0; take the table as bridge fit has written it",
            columns.place(rows[0])
        );
        let term = |&row: &usize| {
            Ok((power(row, "x_power")?, power(row, "y_power")?, table.number(row, "coefficient")?))
        };
        Ok(Polynomial { scales, terms: rows.iter().map(term).collect::<Result<_>>()? })
    };
    let steps = steps.iter().map(polynomial).collect::<Result<_>>()?;
    Ok(Control::Polynomial(PolynomialControl { setting, start, steps }))
}

fn grid(table: &Reader, setting: Setting, steps: &[Vec<usize>]) -> Result<GridControl> {
    let target = table.common("target", place)?;
    let numbers = |rows: &Vec<usize>, name: &str| -> Result<Vec<f64>> {
        rows.iter().map(|row| table.number(*row, name)).collect()
    };
    let x = numbers(&steps[0], "x")?;
    for rows in steps {
        ensure!(
            x.len() >= 2 && x.windows(2).all(|pair| pair[0] < pair[1]) && numbers(rows, "x")? == x,
            "{}: its step should have the places of the first, two at least, rising; take the table as bridge exact has \
             written it",
            table.0.place(rows[0])
        );
    }
    let u = steps.iter().map(|rows| numbers(rows, "control")).collect::<Result<_>>()?;
    Ok(GridControl { setting, target, x, u })
}
