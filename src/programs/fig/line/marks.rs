//! What is marked beside the data: shades, levels and slopes.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::usage;
use crate::draw::{Guide, Level, Scale, Shade};

use super::axes::AxisArgs;

#[derive(Args)]
pub struct MarkArgs {
    /// Shade x from LO to HI, either of which may be left out, behind the data
    #[arg(long, value_name = "LO,HI[:LABEL]", value_parser = parse_shade, allow_hyphen_values = true)]
    pub shade: Vec<Shade>,
    /// A horizontal line at Y
    #[arg(long, value_name = "Y[:LABEL]", value_parser = parse_level, allow_hyphen_values = true)]
    pub hline: Vec<Level>,
    /// A vertical line at X
    #[arg(long, value_name = "X[:LABEL]", value_parser = parse_level, allow_hyphen_values = true)]
    pub vline: Vec<Level>,
    /// On two logarithmic axes, a line of this slope through the middle of the data: an order of convergence
    #[arg(long, value_name = "SLOPE[:LABEL]", value_parser = parse_guide, allow_hyphen_values = true)]
    pub guide: Vec<Guide>,
}

impl MarkArgs {
    /// Refuses what has no place on the axes, their own ends among it.
    pub fn check(&self, axes: &AxisArgs) -> Result<()> {
        let ends =
            |range: Option<(f64, f64)>| range.into_iter().flat_map(|(low, high)| [low, high]).collect();
        let places = |levels: &[Level]| levels.iter().map(|level| level.at).collect();
        let values: [(&str, Scale, Vec<f64>); 4] = [
            ("--x-range", axes.x(), ends(axes.x_range)),
            ("--vline", axes.x(), places(&self.vline)),
            ("--y-range", axes.y(), ends(axes.y_range)),
            ("--hline", axes.y(), places(&self.hline)),
        ];
        for (flag, scale, values) in values {
            if let Some(value) = values.iter().find(|v| !scale.holds(**v)) {
                return Err(usage(anyhow!("{flag} {value}: has no place on a logarithmic axis")));
            }
        }
        if let Some(Guide { slope, .. }) = self.guide.first()
            && [axes.x(), axes.y()].contains(&Scale::Linear)
        {
            return Err(usage(anyhow!(
                "--guide {slope}: is a straight line only on two logarithmic axes; add --log-x and --log-y"
            )));
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

fn labelled(text: &str) -> (&str, String) {
    let (value, label) = text.split_once(':').unwrap_or((text, ""));
    (value, label.to_string())
}

fn parse_shade(text: &str) -> Result<Shade, String> {
    let (range, label) = labelled(text);
    let (low, high) = range.split_once(',').ok_or("write two ends, like 0,0.5 or 0,0.5:LABEL")?;
    let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { number::<f64>(text).map(Some) };
    let (low, high) = (end(low)?, end(high)?);
    match (low, high) {
        (Some(low), Some(high)) if low >= high || high.is_nan() => Err("the smaller end comes first".into()),
        _ => Ok(Shade { low, high, label }),
    }
}

fn finite(text: &str, what: &str) -> Result<(f64, String), String> {
    let (value, label) = labelled(text);
    let value = number::<f64>(value)?;
    if value.is_finite() { Ok((value, label)) } else { Err(format!("a line needs a finite {what}")) }
}

fn parse_level(text: &str) -> Result<Level, String> {
    finite(text, "place").map(|(at, label)| Level { at, label })
}

fn parse_guide(text: &str) -> Result<Guide, String> {
    finite(text, "slope").map(|(slope, label)| Guide { slope, label })
}
