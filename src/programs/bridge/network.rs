//! A network as a table: where its paths began, its scales and its parameters, a row a number.

use std::ops::Range;

use anyhow::{Result, ensure};

use super::reader::Reader;
use super::setting::places;
use crate::bridge::control::Scales;
use crate::bridge::network::Size;
use crate::bridge::{NetworkControl, Setting};
use crate::stream::Table;

pub(super) const COLUMNS: [&str; 10] =
    ["system", "noise_std", "time_end", "mode", "steps", "width", "depth", "name", "index", "value"];

/// Most units, layers and coordinates that are read.
pub(super) const WIDEST: u32 = 4096;
pub(super) const DEEPEST: u32 = 64;
const MOST_STEPS: f64 = 1e6;

/// What there is of every coordinate, in the order of the rows.
const OF_COORDINATES: [&str; 5] = ["start", "x_mean", "x_std", "y_mean", "y_std"];

pub(super) fn write(table: &mut Table, control: &NetworkControl, mode: &str) -> Result<()> {
    let NetworkControl { setting, start, scales, size, parameters, .. } = control;
    let system = setting.system.to_string();
    let scales = |of: fn(&Scales) -> f64| scales.iter().map(of).collect::<Vec<_>>();
    let of_coordinates =
        [start.clone(), scales(|s| s.x_mean), scales(|s| s.x_std), scales(|s| s.y_mean), scales(|s| s.y_std)];
    let all = OF_COORDINATES.iter().zip(&of_coordinates).chain([(&"parameter", parameters)]);
    for (name, values) in all {
        for (i, &value) in values.iter().enumerate() {
            let mut row = vec![system.as_str().into(), setting.noise_std.into(), setting.horizon.into()];
            row.extend([mode.into(), setting.steps.into(), size.width.into(), size.depth.into()]);
            row.extend([(*name).into(), i.into(), value.into()]);
            table.row(&row)?;
        }
    }
    Ok(())
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

/// The numbers of a name, which these rows should be.
fn numbers(table: &Reader, name: &str, rows: Range<usize>) -> Result<Vec<f64>> {
    let first = rows.start;
    let number = |row| {
        let (found, index) = (table.text(row, "name")?, table.number(row, "index")?);
        ensure!(
            found == name && index == (row - first) as f64,
            "{}: {found} {index} where {name} {} should follow; take the table in its order",
            table.0.place(row),
            row - first
        );
        table.number(row, "value")
    };
    rows.map(number).collect()
}

/// # Errors
/// Rows that are not those of all numbers of a network, in order; each names its line.
pub(super) fn read(table: &Reader, setting: Setting) -> Result<NetworkControl> {
    let size = Size {
        width: whole(table, "width", 1.0..=f64::from(WIDEST))?,
        depth: whole(table, "depth", 0.0..=f64::from(DEEPEST))?,
    };
    let rows = table.0.len();
    let mut d = 0;
    while d < rows && table.text(d, "name")? == OF_COORDINATES[0] {
        d += 1;
    }
    let [coordinates, parameters] = [OF_COORDINATES.len() * d, size.parameters(d)];
    ensure!(
        d > 0 && rows == coordinates + parameters,
        "{}: {rows} rows, where a network of {d} coordinates has {}; take the table whole",
        table.0.name(),
        coordinates + parameters
    );
    let of = |part: usize| numbers(table, OF_COORDINATES[part], part * d..(part + 1) * d);
    let [start, x_mean, x_std, y_mean, y_std] = [of(0)?, of(1)?, of(2)?, of(3)?, of(4)?];
    places("start", &start)?;
    let scales = |j: usize| {
        let scales = Scales { x_mean: x_mean[j], x_std: x_std[j], y_mean: y_mean[j], y_std: y_std[j] };
        scales.check().map_err(|e| e.context(table.0.place(2 * d + j)))?;
        Ok(scales)
    };
    let scales = (0..d).map(scales).collect::<Result<_>>()?;
    let parameters = numbers(table, "parameter", coordinates..rows)?;
    Ok(NetworkControl::new(setting, start, scales, size, parameters))
}
