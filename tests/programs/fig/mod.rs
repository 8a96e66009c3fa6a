//! The program fig, run as its users run it.

mod calls;
mod images;
mod panels;
mod plots;

use crate::data::{DIGITS, gzip};
use crate::place::Place;

/// Rank 3 has no cell at 4 samples; that of rank 2 there is undefined.
const GRID: &str =
    "rank,samples,solver,success\n2,2,pca,0.126\n2,10,pca,1\n2,4,pca,\n3,2,pca,0.874\n3,10,pca,123.4\n";

const CURVES: &str = "\
# a comment
n,score,width,low,high,sd

16,0.1,12,0.05,0.2,0.05
64,0.5,12,0.4,0.6,0.05
16,0.2,24,0.1,0.3,0.05
256,0.9,12,0.8,1,0.05
64,0.7,24,0.6,0.8,0.05
";

const PAIRS: &str =
    "score,a,b,value\nrp,mlp,unet,0.71\nrp,mlp,gaussian,0.5\nrp,unet,gaussian,0.33\ngl,mlp,,0.9\n";

/// With the tables that most tests draw.
fn with_tables() -> Place {
    let place = Place::of("fig");
    place.put("grid.csv", GRID);
    place.put("curves.csv", CURVES);
    place.put("pairs.csv", PAIRS);
    place
}

/// The picture on standard output of a run that says nothing else.
#[track_caller]
fn picture(place: &Place, arguments: &str) -> String {
    let text = place.text(arguments);
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
    text
}

/// All texts of a picture.
fn texts(svg: &str) -> Vec<&str> {
    svg.lines()
        .filter(|line| line.starts_with("<text"))
        .filter_map(|line| line.split_once('>')?.1.strip_suffix("</text>"))
        .collect()
}

#[track_caller]
fn shows(svg: &str, expected: &[&str]) {
    let texts = texts(svg);
    for text in expected {
        assert!(texts.contains(text), "{text} is not among {texts:?}");
    }
}

fn attribute(line: &str, name: &str) -> f64 {
    let from = line.split_once(&format!(" {name}=\"")).unwrap().1;
    from.split_once('"').unwrap().0.parse().unwrap()
}

/// Where a text is, x and y.
fn at(svg: &str, text: &str) -> (f64, f64) {
    let line = svg.lines().find(|line| line.contains(&format!(">{text}</text>"))).unwrap();
    (attribute(line, "x"), attribute(line, "y"))
}

/// Width and height that a PNG says it has.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(&bytes[12..16], b"IHDR");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

const HEATMAP: &str = "heatmap grid.csv --x samples --y rank --value success";
const LINE: &str = "line curves.csv --x n --y score --by width";
const MATRIX: &str = "matrix pairs.csv --filter score=rp --row a --column b --value value";

/// A table of `count` series, whose names are all alike but for their ends.
fn series(count: usize, name: &str) -> String {
    let rows = (0..count).flat_map(|i| [format!("1,{i},{name} {i:03}\n"), format!("2,{i},{name} {i:03}\n")]);
    format!("x,y,s\n{}", rows.collect::<String>())
}

/// The points of the lines of series, and their colours, in the order they are drawn.
fn lines(svg: &str) -> Vec<(Vec<(f64, f64)>, &str)> {
    let lines = svg.lines().filter(|l| l.starts_with("<polyline") && l.contains("stroke-width=\"2\""));
    lines.map(|l| (points(l), l.split_once("stroke=\"").unwrap().1.split_once('"').unwrap().0)).collect()
}

fn points(line: &str) -> Vec<(f64, f64)> {
    let points = line.split_once("points=\"").unwrap().1.split_once('"').unwrap().0;
    let pair = |p: &str| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
    points.split(' ').map(pair).collect()
}

/// The fills of cells, left to right.
fn fills(svg: &str) -> Vec<&str> {
    let cells = svg.lines().filter(|l| l.starts_with("<rect x="));
    cells.map(|l| l.split_once("fill=\"").unwrap().1.split_once('"').unwrap().0).collect()
}

fn count(svg: &str, text: &str) -> usize {
    texts(svg).iter().filter(|t| **t == text).count()
}
