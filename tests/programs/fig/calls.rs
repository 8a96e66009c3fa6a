//! Files in and out, wrong calls, help.

use super::*;

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

/// Columns and pixels of a PNG.
fn pixels_of(bytes: &[u8]) -> (usize, Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut data).unwrap();
    (frame.width as usize, data.as_chunks().0.to_vec())
}

fn color(hex: &str) -> [u8; 3] {
    let number = u32::from_str_radix(hex.trim_start_matches('#'), 16).unwrap();
    [16, 8, 0].map(|bits| (number >> bits) as u8)
}

/// Cells have their colours, series theirs, and letters are where they are in the SVG, upright or turned.
#[test]
fn a_png_shows_what_the_svg_does() {
    let place = with_tables();
    for arguments in [HEATMAP, LINE, MATRIX] {
        place.out(&format!("{arguments} -o p.png"));
        let (columns, pixels) = pixels_of(&place.get("p.png"));
        let svg = picture(&place, arguments);
        let value =
            |line: &str, name: &str| line.contains(&format!(" {name}=")).then(|| attribute(line, name));
        let fill = |line: &str| color(line.split_once("fill=\"").unwrap().1.split_once('"').unwrap().0);
        let rectangles: Vec<_> = svg
            .lines()
            .filter(|line| line.starts_with("<rect"))
            .map(|line| {
                let [x, y] = ["x", "y"].map(|name| value(line, name).unwrap_or(0.0));
                ([x, y, attribute(line, "width"), attribute(line, "height")], fill(line))
            })
            .collect();
        let mut cells = 0;
        for ([x, y, width, height], _) in rectangles.iter().filter(|([.., w, h], _)| w.min(*h) >= 8.0) {
            // Beside the middle, where a cell has its number.
            let (x, y) = (x + 0.2 * width, y + 0.2 * height);
            let on_top = |([left, top, width, height], _): &&([f64; 4], [u8; 3])| {
                (*left..left + width).contains(&x) && (*top..top + height).contains(&y)
            };
            let expected = rectangles.iter().rfind(on_top).unwrap().1;
            assert_eq!(pixels[y as usize * columns + x as usize], expected, "{arguments}: at {x}, {y}");
            cells += 1;
        }
        assert!(cells > if arguments == LINE { 0 } else { 4 }, "{arguments}: {cells}");
        for (_, hex) in lines(&svg) {
            // Lines may cross, and their edges are mixed with what is below.
            let of_line = pixels.iter().filter(|pixel| **pixel == color(hex)).count();
            assert!(of_line > 50, "{arguments}: {hex}: {of_line}");
        }
        let mut texts = 0;
        for line in svg.lines().filter(|line| line.starts_with("<text")) {
            let (x, y, size) = (attribute(line, "x"), attribute(line, "y"), attribute(line, "font-size"));
            let inked = |(x, y): (f64, f64)| {
                let around = |at: f64| (at - size).max(0.0) as usize..(at + size) as usize;
                let rows = around(y).take_while(|row| (row + 1) * columns <= pixels.len());
                rows.flat_map(|row| around(x).take_while(|x| *x < columns).map(move |x| row * columns + x))
                    .filter(|&i| pixels[i].iter().all(|&v| v < 120))
                    .count()
            };
            // Some letters have few dark pixels; numbers on dark cells are light.
            if fill(line).iter().all(|&v| v < 120) {
                assert!(inked((x, y)) > 3, "{arguments}: {line}");
                texts += 1;
            }
        }
        assert!(texts > 5, "{arguments}: {texts}");
    }
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
    let line = place.fails(1, &format!("{LINE} --rows 9.."));
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
