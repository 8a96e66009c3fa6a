//! A picture as SVG.

use std::fmt::Write;

use anyhow::Result;

use super::{Anchor, Color, Mark, Picture, png};

/// The first is the font that widths are measured in.
const FONTS: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

pub(super) fn document(picture: &Picture) -> Result<String> {
    let Picture { width, height, scale, marks } = picture;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        width * scale,
        height * scale
    );
    let mut clips = 0;
    for mark in marks {
        // Writing to a string does not fail.
        let _ = match mark {
            Mark::Rectangle { x, y, width, height, fill } => {
                writeln!(out, "<rect {} fill=\"{}\"/>", placed(*x, *y, *width, *height), fill.hex())
            }
            Mark::Polyline { points, stroke, width, dash } => {
                let dash = dash.map_or(String::new(), |(on, off)| {
                    format!(" stroke-dasharray=\"{} {}\"", number(on), number(off))
                });
                writeln!(
                    out,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
                    list(points),
                    stroke.hex(),
                    number(*width)
                )
            }
            Mark::Polygon { points, fill, opacity } => {
                let opacity = if *opacity < 1.0 {
                    format!(" fill-opacity=\"{}\"", number(*opacity))
                } else {
                    String::new()
                };
                writeln!(out, "<polygon points=\"{}\" fill=\"{}\"{opacity}/>", list(points), fill.hex())
            }
            Mark::Circle { x, y, radius, fill } => writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>",
                number(*x),
                number(*y),
                number(*radius),
                fill.hex()
            ),
            Mark::Text { x, y, text, size, anchor, angle, color, whole } => {
                let (x, y) = (number(*x), number(*y));
                let anchor = match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let turn = if *angle == 0.0 {
                    String::new()
                } else {
                    format!(" transform=\"rotate({} {x} {y})\"", number(*angle))
                };
                let whole =
                    whole.as_ref().map_or(String::new(), |w| format!("<title>{}</title>", escaped(w)));
                writeln!(
                    out,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{}\"{anchor}{turn}>{whole}{}</text>",
                    color.hex(),
                    escaped(text)
                )
            }
            Mark::Pixels { x, y, width, height, columns, pixels } => {
                let (columns, pixels) = enlarged(*columns, pixels, *width, *height);
                writeln!(
                    out,
                    "<image {} preserveAspectRatio=\"none\" image-rendering=\"pixelated\" \
                     href=\"data:image/png;base64,{}\"/>",
                    placed(*x, *y, *width, *height),
                    base64(&png::pixels_of(columns, &pixels)?)
                )
            }
            Mark::Clip { x, y, width, height } => {
                clips += 1;
                writeln!(
                    out,
                    "<clipPath id=\"clip{clips}\"><rect {}/></clipPath>\n<g clip-path=\"url(#clip{clips})\">",
                    placed(*x, *y, *width, *height)
                )
            }
            Mark::Unclip => writeln!(out, "</g>"),
        };
    }
    out.push_str("</svg>\n");
    Ok(out)
}

/// Pixels of the size they are shown in, and how many are in a row. Not every viewer
/// knows that pixels are not to be smoothed; of this size, none needs to.
fn enlarged(columns: usize, pixels: &[Color], width: f64, height: f64) -> (usize, Vec<Color>) {
    let rows = pixels.len() / columns.max(1);
    let (across, down) = (width as usize / columns.max(1), height as usize / rows.max(1));
    let rows = pixels.chunks(columns.max(1)).flat_map(|row| std::iter::repeat_n(row, down.max(1)));
    let pixels = rows.flatten().flat_map(|&color| std::iter::repeat_n(color, across.max(1)));
    (columns * across.max(1), pixels.collect())
}

fn placed(x: f64, y: f64, width: f64, height: f64) -> String {
    let [x, y, width, height] = [x, y, width, height].map(number);
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

fn list(points: &[(f64, f64)]) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
    points.join(" ")
}

/// To a hundredth, and no digit more than needed.
fn number(x: f64) -> String {
    let x = (x * 100.0).round() / 100.0;
    // No negative zero.
    (x + 0.0).to_string()
}

/// Characters that XML does not know at all become the sign for such.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let group = three.iter().fold(0, |all, &b| all << 8 | usize::from(b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = DIGITS[group >> (18 - 6 * i) & 63];
            out.push(if i > three.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("a<b & \"c\"\u{1b}"), "a&lt;b &amp; &quot;c&quot;\u{fffd}");
    }

    #[test]
    fn numbers_have_no_useless_digits() {
        assert_eq!([0.1 + 0.2, 2.0, -0.001].map(number), ["0.3", "2", "0"]);
    }
}
