//! The two axes.

use clap::Args;

use crate::draw::Scale;

use crate::programs::fig::page::parse_range;

#[derive(Args)]
#[command(next_help_heading = "Axes")]
pub struct AxisArgs {
    /// Logarithmic x axis
    #[arg(long, conflicts_with = "log2_x")]
    log_x: bool,
    /// Logarithmic y axis
    #[arg(long, conflicts_with = "log2_y")]
    log_y: bool,
    /// Logarithmic x axis with ticks at powers of two
    #[arg(long)]
    log2_x: bool,
    /// Logarithmic y axis with ticks at powers of two
    #[arg(long)]
    log2_y: bool,
    /// Ends of the x axis (default: around the data)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    pub x_range: Option<(f64, f64)>,
    /// Ends of the y axis (default: around the data)
    #[arg(long, value_name = "LO,HI", value_parser = parse_range, allow_hyphen_values = true)]
    pub y_range: Option<(f64, f64)>,
}

impl AxisArgs {
    pub fn x(&self) -> Scale {
        scale(self.log_x, self.log2_x)
    }

    pub fn y(&self) -> Scale {
        scale(self.log_y, self.log2_y)
    }
}

fn scale(log: bool, log2: bool) -> Scale {
    match (log, log2) {
        (true, _) => Scale::Log10,
        (_, true) => Scale::Log2,
        _ => Scale::Linear,
    }
}
