//! A network as a table: its parameters, one a row.

use anyhow::{Result, anyhow, ensure};

use super::reader::Reader;
use super::setting::place;
use crate::blocks::room;
use crate::bridge::network::Size;
use crate::bridge::{NetworkControl, Setting};
use crate::stream::Table;

pub(super) const COLUMNS: [&str; 14] = [
    "system",
    "noise_std",
    "time_end",
    "start",
    "mode",
    "steps",
    "width",
    "depth",
    "x_mean",
    "x_std",
    "y_mean",
    "y_std",
    "parameter",
    "value",
];

/// Most units, layers and coordinates that are read.
pub(super) const WIDEST: u32 = 4096;
pub(super) const DEEPEST: u32 = 64;
const MOST_STEPS: f64 = 1e6;

pub(super) fn write(table: &mut Table, control: &NetworkControl, mode: &str) -> Result<()> {
    let NetworkControl { setting, start, scales, size, parameters, .. } = control;
    let (system, start) = (setting.system.to_string(), list(start));
    for (i, &value) in parameters.iter().enumerate() {
        let mut row = vec![system.as_str().into(), setting.noise_std.into(), setting.horizon.into()];
        row.extend([start.as_str().into(), mode.into(), setting.steps.into()]);
        row.extend([size.width.into(), size.depth.into()]);
        row.extend(scales.map(Into::into));
        row.extend([i.into(), value.into()]);
        table.row(&row)?;
    }
    Ok(())
}

/// Numbers of one field.
fn list(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(";")
}

/// A whole number that all rows have.
fn whole(table: &Reader, name: &str, range: std::ops::RangeInclusive<f64>) -> Result<usize> {
    let value = table.common(name, |_, _| Ok(()))?;
    ensure!(
        range.contains(&value) && value.fract() == 0.0,
        "{}: {name} {value}: should be a whole number from {} to {}",
        table.0.place(0),
        range.start(),
        range.end()
    );
    Ok(value as usize)
}

/// K.
pub(super) fn steps(table: &Reader) -> Result<usize> {
    whole(table, "steps", 1.0..=MOST_STEPS)
}

/// # Errors
/// Rows that are not those of all parameters of a network, in order; each names its line.
pub(super) fn read(table: &Reader, setting: Setting) -> Result<NetworkControl> {
    let size = Size {
        width: whole(table, "width", 1.0..=f64::from(WIDEST))?,
        depth: whole(table, "depth", 0.0..=f64::from(DEEPEST))?,
    };
    let start: Vec<f64> = table
        .same("start")?
        .split(';')
        .map(|text| text.parse().map_err(|_| anyhow!("{}: start: {text:?} is no number", table.0.place(0))))
        .collect::<Result<_>>()?;
    start.iter().try_for_each(|x| place("start", *x))?;
    let mut scales = [0.0; 4];
    for (to, name) in scales.iter_mut().zip(["x_mean", "x_std", "y_mean", "y_std"]) {
        *to = table.common(name, |_, _| Ok(()))?;
    }
    ensure!(
        scales[1] > 0.0 && scales[3] > 0.0,
        "{}: x_std and y_std must be above 0; take the table as bridge fit has written it",
        table.0.place(0)
    );
    room(&[size.parameters(start.len())], "the table's width, depth and start")?;
    let (rows, expected) = (table.0.len(), size.parameters(start.len()));
    ensure!(
        rows == expected,
        "{}: {rows} rows, where the network has {expected} parameters; take the table whole",
        table.0.name()
    );
    let parameter = |row| {
        let number = table.number(row, "parameter")?;
        ensure!(
            number == row as f64,
            "{}: parameter {number} where {row} should follow; take the table in its order",
            table.0.place(row)
        );
        table.number(row, "value")
    };
    let parameters = (0..rows).map(parameter).collect::<Result<_>>()?;
    Ok(NetworkControl::new(setting, start, scales, size, parameters))
}
