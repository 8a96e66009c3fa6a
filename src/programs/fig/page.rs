//! The page a picture is drawn on, and the file it goes to.

use std::io::Write;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::cli::{Job, count, parse_list, usage};
use crate::draw::{Page, Picture};
use crate::stream::Output;

use super::panel::{PanelArgs, Split};
use super::table::Table;

#[derive(Args)]
#[command(next_help_heading = "Page")]
pub struct PageArgs {
    #[command(flatten)]
    panels: PanelArgs,
    /// Title over the picture
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Name of the x axis (default: that of the column; '' for none)
    #[arg(long, value_name = "TEXT")]
    x_label: Option<String>,
    /// Name of the y axis (default: that of the column; '' for none)
    #[arg(long, value_name = "TEXT")]
    y_label: Option<String>,
    /// Width of the picture (default: 720; more for several panels in a row)
    #[arg(long, value_name = "PX", value_parser = count(100..=10_000_u16))]
    width: Option<u16>,
    /// Height of the picture (default: 480; for several panels, by their rows)
    #[arg(long, value_name = "PX", value_parser = count(100..=10_000_u16))]
    height: Option<u16>,
    /// Pixels to a unit of width and height: the same picture N times as large, letters and all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(1..=16u16))]
    scale: u16,
}

impl PageArgs {
    pub fn split(&self, table: &Table) -> Result<Split> {
        self.panels.split(table)
    }

    /// The whole page, with room for all panels.
    pub fn page(&self, x: &str, y: &str, split: &Split) -> Page {
        self.page_of((340, 300), x, y, split)
    }

    /// As [`PageArgs::page`], where one of several panels takes so much room.
    pub fn page_of(&self, panel: (usize, usize), x: &str, y: &str, split: &Split) -> Page {
        let (width, height) = match split.shape() {
            (1, 1) => (720, 480),
            (columns, rows) => ((100 + panel.0 * columns).max(720), 80 + panel.1 * rows),
        };
        Page {
            width: self.width.map_or(width, usize::from),
            height: self.height.map_or(height, usize::from),
            scale: self.scale.into(),
            title: self.title.clone().filter(|title| !title.is_empty()),
            x_label: self.x_label.clone().unwrap_or_else(|| x.to_string()),
            y_label: self.y_label.clone().unwrap_or_else(|| y.to_string()),
        }
    }
}

/// Where the picture goes.
pub struct Sheet {
    output: Output,
    png: bool,
}

impl Sheet {
    /// Opened before the work, so that a bad path fails at once.
    pub fn open(job: &Job) -> Result<Sheet> {
        let ending = job.shared.output.as_deref().and_then(|path| path.extension());
        let png = match ending.map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
            None | Some("svg") => false,
            Some("png") => true,
            Some(other) => {
                let convert = match other {
                    "pdf" | "eps" | "ps" => ", and turn an .svg into it with rsvg-convert or Inkscape",
                    _ => "",
                };
                return Err(usage(anyhow!(
                    "--output: fig writes no .{other}; end the name in .svg or .png{convert}"
                )));
            }
        };
        let output = job.output()?;
        if png && output.is_terminal() {
            return Err(usage(anyhow!("refusing to write a png to a terminal; give --output a file")));
        }
        Ok(Sheet { output, png })
    }

    pub fn draw(mut self, picture: &Picture) -> Result<()> {
        if self.png {
            self.output.write_all(&picture.png()?)?;
        } else {
            self.output.write_all(picture.svg()?.as_bytes())?;
        }
        self.output.finish()
    }
}

/// "0,1": two numbers, the first the smaller.
pub fn parse_range(text: &str) -> Result<(f64, f64), String> {
    match parse_list(text)?.0[..] {
        [low, high] if low < high && (high - low).is_finite() => Ok((low, high)),
        _ => Err("write two finite numbers, the smaller first, like 0,1".into()),
    }
}
