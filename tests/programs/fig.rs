//! The program fig, run as its users run it.

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

#[test]
fn a_heatmap_shows_each_cell_where_it_belongs() {
    let place = with_tables();
    let svg = picture(&place, &format!("{HEATMAP} --title Phases"));
    shows(&svg, &["Phases", "samples", "rank", "success", "0.13", "0.87", "1", "123"]);
    // Numbers in their order, though 10 came before 4, and ranks upwards.
    let columns = ["2", "4", "10"].map(|name| at(&svg, name));
    assert!(at(&svg, "0.13").0 < at(&svg, "1").0 && at(&svg, "0.13").1 > at(&svg, "0.87").1);
    assert!(columns[1].0 < columns[2].0);
    // The page, four cells and no more: undefined and missing ones are blank.
    assert_eq!(svg.matches("<rect ").count(), 1 + 4);
    assert!(svg.contains("fill=\"#440154\"") && svg.contains("fill=\"#fde725\""));
}

#[test]
fn a_heatmap_writes_values_only_where_cells_are_few() {
    let place = Place::of("fig");
    let cells = |n: usize| {
        let rows = (0..n).map(|i| format!("{},{},0.625\n", i % 20, i / 20));
        format!("x,y,v\n{}", rows.collect::<String>())
    };
    place.put("few.csv", cells(200));
    place.put("many.csv", cells(220));
    let written =
        |arguments: &str| texts(&picture(&place, arguments)).iter().filter(|t| **t == "0.62").count();
    assert_eq!(written("heatmap few.csv --x x --y y --value v"), 200);
    assert_eq!(written("heatmap many.csv --x x --y y --value v"), 0);
    assert_eq!(written("heatmap few.csv --x x --y y --value v --no-numbers"), 0);
}

#[test]
fn a_line_joins_the_points_of_its_series_in_order() {
    let place = with_tables();
    let svg = picture(&place, &format!("{LINE} --log2-x --title GL --x-label N"));
    shows(&svg, &["GL", "N", "score", "width", "12", "24", "16", "64", "256"]);
    let lines: Vec<&str> = svg.lines().filter(|l| l.contains("stroke-width=\"2\"")).collect();
    // Two series and their two lines of the legend.
    assert_eq!(lines.len(), 4);
    let points = lines[0].split('"').nth(1).unwrap();
    let xs: Vec<f64> = points.split(' ').map(|p| p.split_once(',').unwrap().0.parse().unwrap()).collect();
    assert_eq!(xs.len(), 3);
    // 16, 64 and 256 are equally far apart on a logarithmic axis.
    assert!(((xs[2] - xs[1]) - (xs[1] - xs[0])).abs() < 0.02 && xs[0] < xs[1], "{xs:?}");
    assert!(svg.contains("#0072b2") && svg.contains("#d55e00"), "the palette of Okabe and Ito");
    // The legend is beside the data.
    assert!(at(&svg, "width").0 > xs[2]);
}

#[test]
fn a_line_has_bars_bands_shades_and_levels() {
    let place = with_tables();
    let plain = picture(&place, LINE);
    let bars = picture(&place, &format!("{LINE} --error sd"));
    assert_eq!(bars.matches("stroke-width=\"1.2\"").count(), 3 * 5);
    let from_to = picture(&place, &format!("{LINE} --low low --high high --bars"));
    assert_eq!(from_to.matches("stroke-width=\"1.2\"").count(), 3 * 5);
    let band = picture(&place, &format!("{LINE} --low low --high high"));
    assert_eq!(band.matches("fill-opacity=\"0.2\"").count(), 2);
    let more =
        picture(&place, &format!("{LINE} --shade ,32:few --shade 100,:many --hline 0.5:chance --hline -1"));
    shows(&more, &["few", "many", "chance"]);
    assert_eq!(more.matches("<rect ").count(), plain.matches("<rect ").count() + 2);
    assert_eq!(more.matches("stroke=\"#777777\"").count(), 2 + 1);
    // A level below all of the data is shown too.
    shows(&more, &["-1.0"]);
    let points = picture(&place, &format!("{LINE} --points 12 --dashed 24"));
    assert_eq!(points.matches("stroke-width=\"2\"").count(), 2);
    assert_eq!(points.matches("stroke-dasharray").count(), 2);
    assert_eq!(picture(&place, &format!("{LINE} --no-lines")).matches("stroke-width=\"2\"").count(), 0);
}

#[test]
fn a_bar_that_goes_on_beyond_the_edge_has_no_cap_there() {
    let place = Place::of("fig");
    place.put("e.csv", "x,y,e\n1,1,1.5\n2,0.5,0.1\n");
    let bars = |arguments: &str| {
        let svg = picture(&place, &format!("line e.csv --x x --y y --error e {arguments}"));
        svg.matches("stroke-width=\"1.2\"").count()
    };
    assert_eq!(bars(""), 2 + 4);
    // From -0.5 upwards there is no place for; 2.5 and 0.4 are beyond these ends.
    assert_eq!(bars("--log-y"), 2 + 3);
    assert_eq!(bars("--y-range 0.45,2"), 2 + 1);
}

#[test]
fn numbers_that_differ_are_written_apart() {
    let place = Place::of("fig");
    place.put("g.csv", "x,y,v\n1,1,1.59\n2,1,1.64\n3,1,0.5\n");
    let heatmap = "heatmap g.csv --x x --y y --value v";
    let svg = picture(&place, heatmap);
    shows(&svg, &["1.59", "1.64", "0.500", "v"]);
    let svg = picture(&place, &format!("{heatmap} --digits 2 --value-label mean"));
    // One of them is a tick of the colour bar.
    assert_eq!((count(&svg, "1.6"), count(&svg, "mean"), count(&svg, "v")), (2 + 1, 1, 0));
    place.put("g.csv", "x,y,v\n1,1,1.591\n2,1,1.594\n");
    assert_eq!(count(&picture(&place, heatmap), "1.6"), 2, "three digits would not tell them apart");
    assert!(place.fails(2, &format!("{heatmap} --digits 0")).contains("--digits"));
}

/// A table of `count` series, whose names are all alike but for their ends.
fn series(count: usize, name: &str) -> String {
    let rows = (0..count).flat_map(|i| [format!("1,{i},{name} {i:03}\n"), format!("2,{i},{name} {i:03}\n")]);
    format!("x,y,s\n{}", rows.collect::<String>())
}

#[test]
fn many_series_are_told_apart_and_their_legend_leaves_room() {
    let place = Place::of("fig");
    let name = "a-network-of-a-long-name-that-nobody-can-read-at-a-glance";
    place.put("s.csv", series(14, name));
    let svg = picture(&place, "line s.csv --x x --y y --by s");
    let drawn = lines(&svg);
    let (data, keys) = drawn.split_at(14);
    let colors: std::collections::BTreeSet<&str> = data.iter().map(|(_, color)| *color).collect();
    assert_eq!(colors.len(), 14);
    let right = data.iter().flat_map(|(points, _)| points).map(|p| p.0).fold(0.0, f64::max);
    assert!(right > 720.0 * 0.7, "data up to {right}");
    assert!(keys.iter().all(|(points, _)| points[0].0 >= 720.0 * 0.75 - 14.0), "{keys:?}");
    // Cut in the middle, so that they still differ, and whole for who points at them.
    let names: Vec<&str> = texts(&svg).into_iter().filter(|t| t.starts_with("<title>")).collect();
    assert_eq!(names.len(), 14);
    for (i, text) in names.iter().enumerate() {
        assert!(text.starts_with(&format!("<title>{name} {i:03}</title>a-net")), "{text}");
        assert!(text.ends_with(&format!(" {i:03}")) && text.contains('…'), "{text}");
    }
    let colors = |arguments: &str| {
        let svg = picture(&place, arguments);
        let keys = svg.lines().filter(|l| l.starts_with("<rect x=") && l.contains("width=\"14\""));
        keys.map(|l| l.split_once("fill=").unwrap().1.to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(colors("violin s.csv --x x --y y --by s").len(), 14);

    // More than there is room for: the last key says how many.
    place.put("s.csv", series(200, "s"));
    let svg = picture(&place, "line s.csv --x x --y y --by s");
    let keys = texts(&svg).iter().filter(|t| t.starts_with("s ")).count();
    shows(&svg, &[&format!("{} more", 200 - keys)]);
    assert!((20..200).contains(&keys), "{keys}");
}

#[test]
fn long_names_at_axes_are_cut() {
    let place = Place::of("fig");
    let name = "a-network-of-a-long-name-that-nobody-can-read-at-a-glance-and-that-goes-on-and-on-and-on";
    place.put("g.csv", format!("x,y,v\n{name}-1,{name}-3,1\n{name}-2,{name}-3,2\nb,c,3\n"));
    let svg = picture(&place, "heatmap g.csv --x x --y y --value v");
    let cut: Vec<&str> = texts(&svg).into_iter().filter(|t| t.starts_with("<title>")).collect();
    assert_eq!(cut.len(), 3, "{cut:?}");
    for (text, end) in cut.iter().zip(["-1", "-2", "-3"]) {
        assert!(text.starts_with(&format!("<title>{name}{end}</title>a-")) && text.ends_with(end), "{text}");
    }
    // The cells keep more than half of the page.
    let cells = svg.lines().filter(|l| l.starts_with("<rect x="));
    let area: f64 = cells.map(|l| attribute(l, "width") * attribute(l, "height")).sum();
    assert!(area > 0.5 * 0.5 * (720.0 * 480.0) * 0.5, "{area}");
    let words = format!("{name} {name} {name}").replace(' ', "-");
    let svg = picture(&place, &format!("heatmap g.csv --x x --y y --value v --title {words}"));
    assert!(svg.contains(&format!("<title>{words}</title>")));
}

#[test]
fn a_scatter_plot_has_points_alone() {
    let place = Place::of("fig");
    let rows =
        |n: usize| (0..n).map(|i| format!("{},{},{}\n", i * 7 % 11, i * 5 % 13, i % 2)).collect::<String>();
    let radii = |n: usize| -> Vec<f64> {
        place.put("s.csv", format!("x,y,k\n{}", rows(n)));
        let svg = picture(&place, "line s.csv --x x --y y --by k --scatter");
        assert_eq!(svg.matches("stroke-width=\"2\"").count(), 0);
        svg.lines().filter(|l| l.starts_with("<circle")).map(|l| attribute(l, "r")).collect()
    };
    let (few, many) = (radii(20), radii(1200));
    // One of two series, and its key.
    assert_eq!((few.len(), many.len()), (11, 601));
    assert!(few.iter().all(|r| *r == 3.6) && many.iter().all(|r| *r == 1.8), "{few:?} {:?}", many[0]);
}

#[test]
fn a_violin_is_cut_where_its_values_end() {
    let place = Place::of("fig");
    let rows: String = (0..50).map(|i| format!("many,{}\n", i % 10)).collect();
    place.put("v.csv", format!("model,y\n{rows}few,2\nfew,3\n"));
    let svg = picture(&place, "violin v.csv --x model --y y");
    shows(&svg, &["model", "y", "many", "few"]);
    let outline = svg.lines().find(|l| l.starts_with("<polygon")).unwrap().split('"').nth(1).unwrap();
    let ys: Vec<f64> = outline.split(' ').map(|p| p.split_once(',').unwrap().1.parse().unwrap()).collect();
    let high = ys.iter().copied().fold(f64::MAX, f64::min);
    let low = ys.iter().copied().fold(f64::MIN, f64::max);
    // From the tick of 8 to that of 0 are eight units, and the values reach from 0 to 9.
    let unit = (at(&svg, "0").1 - at(&svg, "8").1) / 8.0;
    assert!(((low - high) - 9.0 * unit).abs() < 2.0, "{low} {high} {unit}");
    // The median, and two values too few for a violin.
    assert_eq!(svg.matches("<circle ").count(), 1 + 2);
    let boxes = picture(&place, "violin v.csv --x model --y y --box");
    assert!(!boxes.contains("<polygon") && boxes.contains("<rect "));
    shows(&picture(&place, "violin v.csv --x model --y y --by model"), &["model", "many", "few"]);
}

#[test]
fn a_matrix_mirrors_one_triangle() {
    let place = with_tables();
    let svg = picture(&place, MATRIX);
    for value in ["0.71", "0.33"] {
        assert_eq!(texts(&svg).iter().filter(|t| **t == value).count(), 2, "{value}");
    }
    for name in ["mlp", "unet", "gaussian"] {
        assert_eq!(texts(&svg).iter().filter(|t| **t == name).count(), 2, "{name}");
    }
    assert_eq!(svg.matches("<rect ").count(), 1 + 6);
    let given = picture(&place, &format!("{MATRIX} --no-mirror"));
    assert_eq!(given.matches("<rect ").count(), 1 + 3);
    assert_eq!(texts(&given).iter().filter(|t| **t == "0.71").count(), 1);
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

/// The second panel, of numbers 10 and 9, has no series `a`; the third has one row.
const PANELS: &str = "\
size,model,x,y
10,a,1,1
10,a,2,2
10,b,1,3
10,b,2,4
9,b,1,3
9,b,2,5
100,c,2,9
";

#[test]
fn panels_share_their_axes_colours_and_legend() {
    let place = Place::of("fig");
    place.put("p.csv", PANELS);
    let svg = picture(&place, "line p.csv --x x --y y --by model --panel size --title All");
    shows(&svg, &["All", "size = 9", "size = 10", "size = 100", "x", "y", "model"]);
    // Numbers in their order, in one row, with nothing written twice.
    let titles = ["size = 9", "size = 10", "size = 100"].map(|t| at(&svg, t));
    assert!(titles[0].0 < titles[1].0 && titles[1].0 < titles[2].0);
    assert!(titles[0].1 == titles[1].1 && titles[1].1 == titles[2].1);
    for once in ["x", "y", "model", "a", "b", "c", "8"] {
        assert_eq!(count(&svg, once), 1, "{once}");
    }
    assert_eq!(count(&svg, "1.0"), 3, "ticks of x under each panel");
    let drawn = lines(&svg);
    let colors: Vec<&str> = drawn.iter().map(|(_, color)| *color).collect();
    let [a, b, c] = ["#0072b2", "#d55e00", "#009e73"];
    assert_eq!(colors, [b, a, b, c, a, b, c], "the panels' lines, then the legend's");
    // y = 3 is at the same height in both panels of b, and x = 1 as far from the title.
    let (nine, ten) = (&drawn[0].0, &drawn[2].0);
    assert_eq!(nine[0].1, ten[0].1);
    assert!((nine[0].0 - titles[0].0 - (ten[0].0 - titles[1].0)).abs() < 0.02);
    assert!(nine[1].1 < ten[1].1, "5 is above 4");
    // The one row is a point without a line, over all other points.
    assert_eq!(drawn[3].0.len(), 1);
    assert!(drawn[3].0[0].1 < nine[1].1);
    // The legend is right of all data.
    assert!(at(&svg, "model").0 > drawn[3].0[0].0);

    let free = picture(&place, "line p.csv --x x --y y --by model --panel size --free");
    let (nine, ten) = (lines(&free)[0].0.clone(), lines(&free)[2].0.clone());
    assert!((nine[1].1 - ten[1].1).abs() < 0.02, "each fills its panel: {nine:?} {ten:?}");
    assert_eq!(count(&free, "model"), 1);
    let given = picture(&place, "line p.csv --x x --y y --by model --panel size --free --y-range 0,10");
    assert_eq!(lines(&given)[0].0[0].1, lines(&given)[2].0[0].1);
}

#[test]
fn panels_are_in_rows_on_one_page() {
    let place = Place::of("fig");
    place.put("p.csv", PANELS);
    let svg =
        picture(&place, "line p.csv --x x --y y --panel model --panel-columns 2 --width 600 --height 500");
    assert!(svg.contains("viewBox=\"0 0 600 500\""));
    let [a, b, c] = ["a", "b", "c"].map(|t| at(&svg, t));
    assert!(a.1 == b.1 && a.0 == c.0 && a.0 < b.0 && a.1 < c.1);
    // Labels of x under the lowest panel of each column, of y left of the first of each row.
    let under: Vec<f64> =
        svg.lines().filter(|l| l.contains(">1.0</text>")).map(|l| attribute(l, "y")).collect();
    assert_eq!(under.len(), 2);
    assert!(under.iter().any(|y| *y < c.1 + 30.0) && under.iter().any(|y| *y > c.1 + 100.0), "{under:?}");
    assert_eq!(count(&svg, "5"), 2);
    let wide = |arguments: &str| {
        let svg = picture(&place, &format!("line p.csv --x x --y y {arguments}"));
        attribute(&svg, "width")
    };
    assert_eq!(wide(""), 720.0);
    assert!(wide("--panel model") > wide("--panel model --filter size=10 --filter size=9"));
    // One value is one panel, with its title.
    shows(&picture(&place, "line p.csv --x x --y y --panel size --filter size=100"), &["size = 100"]);
}

#[test]
fn panels_of_cells_share_a_colour_bar() {
    let place = Place::of("fig");
    place.put("g.csv", "s,x,y,v\npca,1,1,0\npca,2,1,5\ngd,1,1,5\ngd,2,1,10\nem,33,1,10\n");
    let heatmap = "heatmap g.csv --x x --y y --value v --panel s";
    let svg = picture(&place, heatmap);
    shows(&svg, &["pca", "gd", "em"]);
    assert_eq!(fills(&svg), ["#440154", "#21908d", "#21908d", "#fde725", "#fde725"]);
    assert_eq!((svg.matches("<image ").count(), count(&svg, "v"), count(&svg, "33")), (1, 1, 3));
    let free = picture(&place, &format!("{heatmap} --free"));
    assert_eq!(fills(&free), ["#440154", "#fde725", "#440154", "#fde725", "#21908d"]);
    assert_eq!((free.matches("<image ").count(), count(&free, "v"), count(&free, "33")), (3, 3, 1));
    let given = picture(&place, &format!("{heatmap} --free --range 0,10"));
    assert_eq!(fills(&given), fills(&svg));
    assert_eq!(given.matches("<image ").count(), 1);

    place.put("pairs.csv", PAIRS.replace("gl,mlp,,0.9", "gl,mlp,unet,0.9"));
    let matrix = "matrix pairs.csv --row a --column b --value value --panel score";
    let svg = picture(&place, matrix);
    shows(&svg, &["rp", "gl"]);
    // Under both, and at the left of the first.
    assert_eq!((count(&svg, "gaussian"), count(&svg, "unet"), count(&svg, "0.90")), (3, 3, 2));
    let free = picture(&place, &format!("{matrix} --free"));
    assert_eq!((count(&free, "gaussian"), count(&free, "unet")), (2, 4));
}

#[test]
fn panels_of_violins_share_heights_and_series() {
    let place = Place::of("fig");
    place.put("v.csv", "s,m,k,y\nx,a,1,1\nx,b,2,2\nz,b,2,2\nz,c,2,8\n");
    let circles = |svg: &str| -> Vec<(f64, String)> {
        let circles = svg.lines().filter(|l| l.starts_with("<circle"));
        circles.map(|l| (attribute(l, "cy"), l.split_once("fill=").unwrap().1.to_string())).collect()
    };
    let svg = picture(&place, "violin v.csv --x m --y y --by k --panel s");
    shows(&svg, &["x", "z", "k"]);
    let drawn = circles(&svg);
    assert_eq!(drawn[1], drawn[2], "the same value and series in two panels");
    assert_eq!(count(&svg, "c"), 2);
    let free = picture(&place, "violin v.csv --x m --y y --by k --panel s --free");
    assert!(circles(&free)[1] != circles(&free)[2] && count(&free, "c") == 1);
}

#[test]
fn verticals_and_guides_are_where_they_say() {
    let place = Place::of("fig");
    place.put("e.csv", "n,e\n1,1\n10,0.1\n100,0.001\n");
    let line = "line e.csv --x n --y e --log-x --log-y --x-range 1,100 --y-range 0.0001,1";
    let svg = picture(&place, &format!("{line} --vline 10:here --guide -1.5:order --guide=2"));
    shows(&svg, &["here", "order"]);
    let dashed = svg.lines().filter(|l| l.contains("stroke-dasharray") && l.contains("#777777"));
    let drawn: Vec<Vec<(f64, f64)>> = dashed.map(points).collect();
    // Three in the data, two in the legend.
    assert_eq!(drawn.len(), 5);
    let ten = at(&svg, "10").0;
    assert!(drawn[0].iter().all(|p| p.0 == ten), "{drawn:?} {ten}");
    let data = &lines(&svg)[0].0;
    let decade = (data[1].0 - data[0].0, data[1].1 - data[0].1);
    for (guide, slope) in [(&drawn[1], -1.5), (&drawn[2], 2.0)] {
        let [from, to] = guide[..] else { panic!("{guide:?}") };
        let run = (to.0 - from.0) / decade.0;
        let rise = -(to.1 - from.1) / decade.1;
        assert!((rise / run - slope).abs() < 0.01, "{rise} {run} {slope}");
        // Through the middle of the data: (10, sqrt(0.001)).
        let middle = (data[0].1 + data[2].1) / 2.0;
        let at_ten = from.1 + (ten - from.0) * (to.1 - from.1) / (to.0 - from.0);
        assert!((at_ten - middle).abs() < 2.0, "{at_ten} {middle}");
    }
    // A line beyond the data is shown too.
    let far = picture(&place, "line e.csv --x n --y e --vline 1000");
    shows(&far, &["1000"]);
}

#[test]
fn colours_can_be_logarithmic() {
    let place = Place::of("fig");
    place.put("g.csv", "x,y,v\n1,1,0.01\n2,1,1\n3,1,100\n");
    let svg = picture(&place, "heatmap g.csv --x x --y y --value v --log-color --no-numbers");
    assert_eq!(fills(&svg), ["#440154", "#21908d", "#fde725"]);
    shows(&svg, &["0.01", "0.1", "10", "100"]);
    let linear = picture(&place, "heatmap g.csv --x x --y y --value v --no-numbers");
    assert_eq!(fills(&linear)[1], "#440457", "1 is a hundredth of the way");
}

#[test]
fn rows_of_images_are_of_one_size_and_named_apart() {
    let place = Place::of("fig");
    place.put("a.csv", "-1,1\n0,1\n");
    place.put("b.csv", "-1,1,0,1\n");
    let svg = picture(&place, "images a.csv a.csv --shape 1,2 --scale 1 --label one --label two");
    assert!(at(&svg, "two").1 - at(&svg, "one").1 >= 12.0);
    place.bash("npy cat a.csv --shape 1,2 -o a.npy; npy cat b.csv --shape 2,2 -o b.npy").silent("npy");
    let line = place.fails(1, "images a.npy b.npy");
    assert!(line.contains("b.npy: holds images of 2x2 pixels, and a.npy of 2x1"), "{line}");
}

#[test]
fn images_are_exact_pixels_in_rows() {
    let place = Place::of("fig");
    // Two images of 1×2 pixels, of which one is beyond the range.
    place.put("a.csv", "-1,1\n0,5\n");
    let done = place.run("images a.csv --shape 1,2 --scale 3 --columns 1 -o a.png");
    assert!(
        done.code == Some(0) && done.err.contains("25.0 % of the pixels lie beyond --range -1,1"),
        "{}",
        done.err
    );
    let bytes = place.get("a.png");
    assert_eq!(png_size(&bytes), (6 + 2 * 3 + 6, 6 + 3 + 2 + 3 + 6));
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let pixel = |x: usize, y: usize| pixels[(y * 18 + x) * 3];
    let column: Vec<u8> = (5..=12).map(|x| pixel(x, 7)).collect();
    assert_eq!(column, [255, 0, 0, 0, 255, 255, 255, 255]);
    assert_eq!([pixel(6, 11), pixel(8, 13), pixel(9, 11)], [128, 128, 255]);

    let svg = picture(
        &place,
        &format!("images {DIGITS} {DIGITS} --range 0,16 --columns 7 --label real --label copy"),
    );
    assert_eq!(svg.matches("<image ").count(), 14);
    shows(&svg, &["real", "copy"]);
    let svg =
        picture(&place, &format!("images {DIGITS} --range 0,16 --rows 5..28 --columns 7 --title Digits"));
    assert_eq!(svg.matches("<image ").count(), 23);
    shows(&svg, &["Digits"]);
}

/// An npy of bytes or floats, of images of 1×4 pixels.
fn array(kind: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1, 1, 4), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:<117}\n");
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.bytes());
    bytes.extend(values);
    bytes
}

#[test]
fn bytes_are_drawn_from_0_to_255_and_doubtful_ranges_are_named() {
    let place = Place::of("fig");
    place.put("u.npy", array("|u1", &[0, 51, 102, 255]));
    place.out("images u.npy --scale 1 -o u.png");
    let bytes = place.get("u.png");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let width = png_size(&bytes).0 as usize;
    let row: Vec<u8> = (6..10).map(|x| pixels[(6 * width + x) * 3]).collect();
    assert_eq!(row, [0, 51, 102, 255]);

    let floats = |values: [f32; 4]| array("<f4", &values.map(f32::to_le_bytes).concat());
    let warning = |values, arguments: &str| {
        place.put("f.npy", floats(values));
        let done = place.run(&format!("images f.npy {arguments}"));
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.err.lines().count() <= 1, "{}", done.err);
        done.err
    };
    assert_eq!(warning([-1.0, 0.0, 0.5, 1.001], ""), "");
    let line = warning([0.0, 51.0, 102.0, 255.0], "");
    assert!(line.starts_with("fig: warning: f.npy: 75.0 % of the pixels lie beyond --range -1,1"), "{line}");
    assert!(line.contains("from 0 to 255"), "{line}");
    assert_eq!(warning([0.0, 51.0, 102.0, 255.0], "--range 0,255"), "");
    let line = warning([0.0, 0.25, 0.5, 1.0], "--range 0,255");
    assert!(line.contains("less than a hundredth of --range 0,255"), "{line}");
}

#[test]
fn the_ending_decides_and_the_size_is_as_asked() {
    let place = with_tables();
    for arguments in [HEATMAP, LINE, MATRIX] {
        assert!(place.out(&format!("{arguments} --width 500 --height 400 -o p.PNG")).is_empty());
        assert_eq!(png_size(&place.get("p.PNG")), (500, 400));
        assert!(place.out(&format!("{arguments} --width 500 --height 400 -o p.svg")).is_empty());
        let svg = String::from_utf8(place.get("p.svg")).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("viewBox=\"0 0 500 400\""));
        assert_eq!(svg, picture(&place, &format!("{arguments} --width 500 --height 400")));
    }
    // The same picture, larger.
    assert!(place.out(&format!("{LINE} --width 300 --height 200 --scale 3 -o p.png")).is_empty());
    assert_eq!(png_size(&place.get("p.png")), (900, 600));
    let (one, three) = (picture(&place, LINE), picture(&place, &format!("{LINE} --scale 3")));
    assert_eq!(one.replacen("width=\"720\" height=\"480\"", "width=\"2160\" height=\"1440\"", 1), three);
    let line = place.fails(1, &format!("{LINE} --width 10000 --height 10000 --scale 2 -o p.png"));
    assert!(line.contains("--scale"), "{line}");
    let line = place.fails(2, &format!("{LINE} -o p.pdf"));
    assert!(line.contains("rsvg-convert"), "{line}");
    assert!(line.contains(".pdf") && line.contains(".svg") && line.contains(".png"), "{line}");
    let line = place.fails(2, &format!("{LINE} --format json"));
    assert!(line.contains("--format"), "{line}");
    assert!(!place.path("p.pdf").exists());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let place = with_tables();
    let images = format!("images {DIGITS} --range 0,16 --rows ..20");
    let violin = "violin curves.csv --x width --y score".to_string();
    for arguments in [HEATMAP, LINE, MATRIX, &images, &violin] {
        for ending in ["svg", "png"] {
            place.out(&format!("{arguments} -o a.{ending}"));
            place.out(&format!("{arguments} -o b.{ending} --threads 1"));
            let (a, b) = (place.get(&format!("a.{ending}")), place.get(&format!("b.{ending}")));
            assert!(a == b, "{arguments} {ending}");
        }
    }
}

#[test]
fn tables_come_from_files_pipes_and_gzip() {
    let place = with_tables();
    let expected = picture(&place, LINE);
    place.put("curves.csv.gz", gzip(CURVES.as_bytes()));
    assert_eq!(picture(&place, &LINE.replace("curves.csv", "curves.csv.gz")), expected);
    for name in ["-", ""] {
        let piped = place.pipe(CURVES, &LINE.replace("curves.csv", name));
        assert_eq!(String::from_utf8(piped).unwrap(), expected);
    }
}

#[test]
fn filters_and_rows_choose_what_is_drawn() {
    let place = with_tables();
    let only = picture(&place, "line curves.csv --x n --y score --by width --filter width=12.0");
    assert!(texts(&only).contains(&"12") && !texts(&only).contains(&"24"));
    let any =
        picture(&place, "line curves.csv --x n --y score --by width --filter width=12 --filter width=24");
    assert_eq!(any, picture(&place, LINE));
    let first = picture(&place, "line curves.csv --x n --y score --by width --rows ..2");
    assert!(texts(&first).contains(&"12") && !texts(&first).contains(&"24"));
    let line = place.fails(1, &format!("{LINE} --filter width=13"));
    assert!(line.contains("width = 13") && line.contains("12, 24"), "{line}");
    let line = place.fails(2, &format!("{LINE} --rows 9.."));
    assert!(line.contains("--rows"), "{line}");
}

#[test]
fn errors_say_where_and_what_to_do() {
    let place = with_tables();
    place.put("nan.csv", "x,y\n1,2\n3,nan\n4,0\n");
    place.put("bad.csv", "x,y\n1,2\n3,four\n");
    place.put("ragged.csv", "x,y\n1,2\n3\n");
    place.put("twice.csv", "x,y,v\n1,2,3\n1,2,4\n");
    place.put("zero.csv", "x,y,v\n1,2,3\n1,3,0\n");
    place.put("many.csv", (0..65).fold("x,y\n".to_string(), |all, i| format!("{all}{i},1\n")));
    place.put("names.csv", "x,y\n");
    place.put("json", "{\"x\":1,\"y\":2}\n");
    place.put("flat.csv", "1,2,3\n");
    let cases = [
        (1, "line curves.csv --x n --y scores", "curves.csv: has no column 'scores'; it has n, score, width"),
        (1, "line curves.csv --x n --y score --by widths", "no column 'widths'"),
        (1, "line curves.csv --x n --y score --filter model=a", "no column 'model'"),
        (1, "line curves.csv --x n --y score --by width --points 13", "'13'"),
        (1, "line missing.csv --x n --y score", "missing.csv: no such file"),
        (1, "line nan.csv --x x --y y", "nan.csv: line 3: y is nan"),
        (1, "line nan.csv --x x --y y --nan drop --log-y", "nan.csv: line 4: y is 0"),
        (1, "line bad.csv --x x --y y", "bad.csv: line 3: y is 'four'"),
        (1, "line ragged.csv --x x --y y", "ragged.csv: line 3: has 1 fields"),
        (1, "line names.csv --x x --y y", "names.csv: holds no rows"),
        (1, "line json --x x --y y", "json: line 1: looks like JSON"),
        (1, "line --x x --y y", "<stdin>: is empty"),
        (1, "heatmap twice.csv --x x --y y --value v", "twice.csv: line 3: is the same cell as line 2"),
        (1, "heatmap grid.csv --x samples --y rank --value success --width 100", "--width"),
        (1, "images flat.csv", "flat.csv: items of shape [3] are no images"),
        (2, "images flat.csv --shape 1,3 --label a --label b", "--label"),
        (2, "images - -", "only once"),
        (2, "line curves.csv --x n --y score --log-x --x-range 0,3", "--x-range 0"),
        (2, "line curves.csv --x n --y score --shade 3,1", "--shade"),
        (2, "line curves.csv --x n --y score --hline high", "--hline"),
        (2, "line curves.csv --x n --y score --low low", "--high"),
        (2, "line curves.csv --x n", "--y"),
        (1, "line curves.csv --x n --y score --panel model", "no column 'model'"),
        (1, "line many.csv --x x --y y --panel x", "many.csv: --panel: x has 65 values"),
        (1, "line curves.csv --x n --y score --panel width --width 150", "--width"),
        (2, "line curves.csv --x n --y score --free", "--panel"),
        (2, "line curves.csv --x n --y score --panel-columns 2", "--panel"),
        (2, "line curves.csv --x n --y score --panel width --panel-columns 0", "--panel-columns"),
        (2, "line curves.csv --x n --y score --log-x --vline 0", "--vline 0"),
        (2, "line curves.csv --x n --y score --vline inf", "--vline"),
        (2, "line curves.csv --x n --y score --guide -1", "--log-x and --log-y"),
        (2, "line curves.csv --x n --y score --log-x --guide -1", "--guide -1"),
        (2, "line curves.csv --x n --y score --log-x --log-y --guide steep", "--guide"),
        (1, "heatmap zero.csv --x x --y y --value v --log-color", "zero.csv: line 3: v is 0"),
        (2, "heatmap grid.csv --x samples --y rank --value success --log-color --range 0,1", "--range 0"),
        (1, "heatmap twice.csv --x x --y y --value v --panel x", "line 3: is the same cell as line 2"),
        (2, "heatmap grid.csv --x samples --y rank --value success --range 1,0", "--range"),
        (2, "line curves.csv --x n --y score --filter width", "--filter"),
    ];
    for (code, arguments, expected) in cases {
        let line = place.fails(code, arguments);
        assert!(line.contains(expected), "{arguments}: {line}");
    }
    let line = place.fails(1, &format!("{LINE} --y-label y -o nowhere/p.svg"));
    assert!(line.contains("nowhere"), "{line}");
}

#[test]
fn a_failed_run_leaves_no_file() {
    let place = with_tables();
    place.put("p.svg", "before");
    place.fails(1, "line curves.csv --x n --y nothing -o p.svg");
    assert_eq!(place.get("p.svg"), b"before");
    assert_eq!(place.files().len(), 4);
}

#[test]
fn text_is_shown_as_it_is() {
    let place = Place::of("fig");
    place.put("t.csv", "\u{feff}x,y,\"a, b\"\n1,2,<i>&$x$\n");
    // A comma separates columns; such a name cannot be given.
    let done = place.command("line t.csv --x x --y y").args(["--by", "a, b"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    let svg = picture(&place, "line t.csv --x x --y y --title <b>$5$</b>");
    shows(&svg, &["&lt;b&gt;$5$&lt;/b&gt;"]);
}

#[test]
fn the_examples_of_the_help_work() {
    let place = Place::of("fig");
    let help = place.text("--help");
    let examples = help.split_once("Examples:").unwrap().1;
    let mut count = 0;
    for example in examples.split("$ ").skip(1) {
        let line = example.split_whitespace().collect::<Vec<_>>().join(" ");
        let done = place.bash(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(place.get("phase.svg").starts_with(b"<svg "));
    png_size(&place.get("samples.png"));
}

#[test]
fn the_manifest_records_the_table_and_the_picture() {
    let place = with_tables();
    place.out(&format!("{LINE} -o p.png --manifest m.json"));
    let record: serde_json::Value = serde_json::from_slice(&place.get("m.json")).unwrap();
    let text = record.to_string();
    assert!(text.contains("curves.csv") && text.contains("p.png"), "{text}");
}
