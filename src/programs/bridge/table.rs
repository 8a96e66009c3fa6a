//! Controls as tables: what fit and exact write, and sample reads.

use anyhow::{Result, ensure};

use super::network;
use super::reader::Reader;
use super::setting::{place, positive};
use crate::bridge::control::{GridControl, Polynomial, PolynomialControl, Scales};
use crate::bridge::{Control, Setting};
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

/// The control of a table of fit or exact.
///
/// # Errors
/// A table of other columns, or of numbers that no control has; each names its line.
pub(super) fn control(columns: &Columns) -> Result<Control> {
    let table = Reader(columns);
    let system = table.system()?;
    let noise_std = table.common("noise_std", positive)?;
    let horizon = table.common("time_end", positive)?;
    if columns.column("index").is_ok() {
        let setting = Setting { system, noise_std, horizon, steps: network::steps(&table)? };
        return network::read(&table, setting).map(Control::Network);
    }
    let steps = table.steps()?;
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
        scales.check().map_err(|e| e.context(columns.place(rows[0])))?;
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
