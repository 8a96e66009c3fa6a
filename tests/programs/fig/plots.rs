//! Heatmaps, lines, violins and matrices.

use super::*;

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
    shows(&svg, &["1.59", "1.64", "0.50", "v"]);
    let svg = picture(&place, &format!("{heatmap} --digits 2 --value-label mean"));
    // One of them is a tick of the colour bar.
    assert_eq!((count(&svg, "1.6"), count(&svg, "mean"), count(&svg, "v")), (2 + 1, 1, 0));
    place.put("g.csv", "x,y,v\n1,1,1.591\n2,1,1.594\n");
    assert_eq!(count(&picture(&place, heatmap), "1.6"), 2, "three digits would not tell them apart");
    assert!(place.fails(2, &format!("{heatmap} --digits 0")).contains("--digits"));
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
