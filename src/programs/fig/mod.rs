//! fig: draw.

mod cells;
pub mod heatmap;
pub mod images;
pub mod line;
pub mod matrix;
mod page;
mod panel;
mod table;
pub mod violin;

use clap::Args;

/// Draw a table, or an array of images, as SVG or PNG.
///
/// The ending of --output decides: .png is PNG, .svg or none is SVG, and so is standard output; for PDF,
/// turn the SVG into it (rsvg-convert -f pdf -o a.pdf a.svg, or inkscape a.svg -o a.pdf), which keeps lines
/// and letters. The same input gives the same bytes. Long names are cut, and whole in the SVG where the
/// pointer rests on them; a legend takes at most a quarter of the width. The picture shows only what the
/// input says: rows are drawn as they are, and nothing is averaged or fitted. Tables are csv with the names
/// of their columns in the first line; an empty field is undefined and left blank, and --nan says what to do
/// with a number that is not finite.
///
/// Memory: the table, or the images drawn, and the picture.
#[derive(Args)]
#[command(after_help = "\
Examples:
  $ phase-grid --ranks 2-4 --samples 2-6 --trials 5 --solver pca | fig heatmap - --x samples --y rank --value success -o phase.svg
  $ molrg-gen -d 64 -r 6 -k 2 -n 30 --shape 8,8,1 | fig images - --range -3,3 --columns 10 --scale 6 -o samples.png")]
pub struct About {}
