//! Panels: what they share.

use super::*;

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
