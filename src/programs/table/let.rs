//! table let: columns computed from others.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;

use crate::cli::{Job, Program, usage};
use crate::expression::{Expression, is_name};
use crate::stream::{Columns, NanPolicy, Table, Value};

use super::{distinct, distinct_flags, field};

/// Add columns that are computed from others, as in 'x=log2(samples/sqrt(parameters))'.
///
/// Expressions have numbers, names of columns, + - * / ^, parentheses and the functions abs, ceil, exp, floor,
/// ln, log10, log2, max, min, round, sqrt and tanh. As on paper, -x^2 is -(x^2). A later expression may use the
/// columns of earlier ones. A name with other characters than letters, digits and _ stands in braces: {0.5}.
/// Where a field that an expression uses is empty, so is the result.
///
/// The first argument is the table, unless it begins with NAME=; write ./a=b.csv for such a file.
///
/// Memory: the table.
#[derive(Args)]
#[command(override_usage = "table let [OPTIONS] [FILE] <NAME=EXPRESSION>...")]
pub struct Arguments {
    /// Table: csv, gzipped or not (default: standard input); then a new column each
    #[arg(value_name = "FILE|NAME=EXPRESSION", required = true)]
    arguments: Vec<OsString>,
}

/// A new column.
struct Computed {
    name: String,
    expression: Expression,
}

/// The name of a new column and its expression, if an argument is that.
fn assignment(argument: &OsStr) -> Option<(&str, &str)> {
    let (name, text) = argument.to_str()?.split_once('=')?;
    is_name(name.trim()).then_some((name.trim(), text))
}

impl Computed {
    fn parse(argument: &OsStr) -> Result<Computed> {
        let shown = argument.to_string_lossy();
        let (name, text) = assignment(argument).with_context(|| {
            format!("'{shown}': is no new column; write a name and an expression, like y=x^2")
        })?;
        let expression = Expression::parse(text)
            .map_err(|e| anyhow!("'{shown}': the expression: {e}; write it like y=log2(x/2)"))?;
        Ok(Computed { name: name.to_string(), expression })
    }
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let (file, new) = match &self.arguments[..] {
            [file, new @ ..] if assignment(file).is_none() => (Some(file.as_os_str()), new),
            new => (None, new),
        };
        if new.is_empty() {
            return Err(usage(anyhow!("no new column; write a name and an expression, like 'y=x^2'")));
        }
        let new: Vec<Computed> =
            new.iter().map(|new| Computed::parse(new)).collect::<Result<_>>().map_err(usage)?;
        distinct_flags(&new.iter().map(|n| n.name.as_str()).collect::<Vec<_>>())?;
        let (output, format) = job.table_output()?;
        let table = job.columns(file)?;
        let places = places(&table, &new)?;
        let new_names = new.iter().map(|n| n.name.as_str());
        let names: Vec<&str> = table.names().iter().map(String::as_str).chain(new_names).collect();
        distinct(&names).map_err(|e| anyhow!("{}: {e:#}", table.name()))?;
        let mut out = Table::new(output, format, &names)?;
        for row in 0..table.len() {
            let Some(computed) = compute(job, &table, row, &new, &places)? else { continue };
            let fields = (0..table.names().len()).map(|column| field(&table, row, column));
            out.row(&fields.chain(computed.into_iter().map(Value::from)).collect::<Vec<_>>())?;
        }
        out.finish()
    }
}

/// Where the value of a name is.
#[derive(Clone, Copy)]
enum Place {
    Column(usize),
    /// Of the columns computed before.
    Computed(usize),
}

/// Of the names in each expression.
fn places(table: &Columns, new: &[Computed]) -> Result<Vec<Vec<Place>>> {
    let mut known: HashMap<&str, Place> = HashMap::new();
    for Computed { name, .. } in new {
        ensure!(
            !table.names().contains(name),
            "{}: has a column '{name}' already; give the new one another name",
            table.name()
        );
    }
    new.iter()
        .enumerate()
        .map(|(i, Computed { name, expression })| {
            let of_name = |used: &String| match known.get(used.as_str()) {
                Some(place) => Ok(*place),
                None => Ok(Place::Column(table.column(used)?)),
            };
            let places = expression.names().iter().map(of_name).collect::<Result<Vec<_>>>();
            known.insert(name, Place::Computed(i));
            places
        })
        .collect()
}

/// The new columns of a row; no row where --nan drop leaves it out.
fn compute(
    job: &Job,
    table: &Columns,
    row: usize,
    new: &[Computed],
    places: &[Vec<Place>],
) -> Result<Option<Vec<Option<f64>>>> {
    let mut computed: Vec<Option<f64>> = Vec::new();
    for (Computed { name, expression }, places) in new.iter().zip(places) {
        let value_at = |place: &Place| match *place {
            Place::Column(column) => table.number(row, column),
            Place::Computed(i) => Ok(computed[i]),
        };
        let used = places.iter().map(value_at).collect::<Result<Option<Vec<f64>>>>()?;
        let value = used.as_ref().map(|used| expression.value(used));
        // What goes in counts as well: min(nan, 5) is 5.
        let within = expression.names().iter().zip(used.iter().flatten());
        let odd = within.chain(value.iter().map(|value| (name, value))).find(|(_, x)| !x.is_finite());
        if let Some((name, x)) = odd {
            match job.shared.nan {
                NanPolicy::Drop => {
                    job.leave_out(table);
                    return Ok(None);
                }
                NanPolicy::Pass => {}
                NanPolicy::Error => bail!(
                    "{}: {name} is {x}, which is not finite; leave such rows out with --nan drop",
                    table.place(row)
                ),
            }
        }
        computed.push(value);
    }
    Ok(Some(computed))
}
