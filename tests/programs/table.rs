//! The program table, run as its users run it; and the mathematics behind it.

use std::fs;

use molrg::expression::Expression;
use molrg::measure::curve::{Crossing, crossing, line};
use molrg::measure::interval::Mean;
use molrg::random::{Purpose, normal_rows};

use crate::data::gzip;
use crate::place::Place;

/// Standard output of `table` with these arguments, given standard input.
#[track_caller]
fn piped(place: &Place, stdin: &str, arguments: &str) -> String {
    String::from_utf8(place.pipe(stdin, arguments)).unwrap()
}

/// A run that fails with this exit code and writes nothing; its line must hold the words.
#[track_caller]
fn fails(place: &Place, code: i32, arguments: &str, words: &[&str]) {
    let line = place.fails(code, arguments);
    for word in words {
        assert!(line.contains(word), "{arguments}: '{}' does not contain '{word}'", line.trim_end());
    }
}

const A: &str = "kind,samples,score\nmlp,16,0.10\nunet,16,1e-7\n";
const B: &str = "# a comment\nscore,kind,samples\n0.5,\"a, b\",32\n,mlp,64\n";
const C: &str = "kind,loss\nmlp,3\n";

fn tables() -> Place {
    let place = Place::of("table");
    place.put("a.csv", A);
    place.put("b.csv", B);
    place.put("c.csv", C);
    place
}

#[test]
fn sort_puts_numbers_in_their_order_and_keeps_rows_that_agree() {
    let place = Place::of("table");
    place.put("t.csv", "kind,n\nmlp,240\nunet,60\nmlp,\nmlp,7e1\nunet,240\n");
    let by_number = "kind,n\nunet,60\nmlp,7e1\nmlp,240\nunet,240\nmlp,\n";
    assert_eq!(place.text("sort t.csv --by n"), by_number, "numbers, not text, and the empty field last");
    let descending = "kind,n\nmlp,240\nunet,240\nmlp,7e1\nunet,60\nmlp,\n";
    assert_eq!(place.text("sort t.csv --by n --descending"), descending);
    let by_both = "kind,n\nmlp,7e1\nmlp,240\nmlp,\nunet,60\nunet,240\n";
    assert_eq!(place.text("sort t.csv --by kind,n"), by_both);
    fails(&place, 1, "sort t.csv --by m", &["t.csv", "'m'"]);
    fails(&place, 2, "sort t.csv", &["--by"]);
}

#[test]
fn cat_joins_by_name_and_keeps_fields_as_they_are() {
    let place = tables();
    let joined = "kind,samples,score\nmlp,16,0.10\nunet,16,1e-7\n\"a, b\",32,0.5\nmlp,64,\n";
    assert_eq!(place.text("cat a.csv b.csv"), joined);
    assert_eq!(piped(&place, B, "cat a.csv -"), joined);
    assert_eq!(piped(&place, A, "cat"), A);
    place.put("b.gz", gzip(B.as_bytes()));
    assert_eq!(place.text("cat a.csv b.gz"), joined);
    assert_eq!(
        place.text("cat a.csv c.csv --fill"),
        "kind,samples,score,loss\nmlp,16,0.10,\nunet,16,1e-7,\nmlp,,,3\n"
    );
    // Rows count through all tables; filters come after, and need fit in one table only.
    assert_eq!(
        place.text("cat a.csv b.csv --rows 1..3"),
        "kind,samples,score\nunet,16,1e-7\n\"a, b\",32,0.5\n"
    );
    assert_eq!(
        place.text("cat a.csv b.csv --filter samples=32.0 --filter samples=64"),
        "kind,samples,score\n\"a, b\",32,0.5\nmlp,64,\n"
    );
    fails(&place, 1, "cat a.csv b.csv --filter kind=gan", &["a.csv", "kind = gan", "mlp, unet, a, b"]);
    fails(&place, 1, "cat a.csv c.csv", &["c.csv", "'loss'", "--fill"]);
    place.put("less.csv", "kind,score\nmlp,1\n");
    fails(&place, 1, "cat a.csv less.csv", &["less.csv", "no column 'samples'", "--fill"]);
    place.put("twice.csv", "kind,kind\nmlp,1\n");
    fails(&place, 1, "cat twice.csv", &["twice.csv", "more than one column 'kind'"]);
    // Beyond the end there are none, which cat and let write, and of which others make nothing.
    assert_eq!(place.text("cat a.csv --rows 7.. --filter kind=gan"), "kind,samples,score\n");
    assert_eq!(place.text("let a.csv s=samples+1 --rows 2.."), "kind,samples,score,s\n");
    fails(&place, 1, "mean a.csv --value score --rows 7..", &["a.csv: no rows", "--rows 7..", "its 2"]);
    fails(&place, 1, "cat missing.csv", &["missing.csv"]);
    fails(&place, 2, "cat - -", &["standard input"]);
    fails(&place, 1, "cat a.csv -o nowhere/x", &["nowhere/x"]);
    fails(&place, 2, "cat a.csv -f npy", &["--format npy"]);
}

#[test]
fn cat_chooses_renames_and_adds_columns() {
    let place = tables();
    assert_eq!(
        place.text("cat a.csv --with width=8 --with seed=0 --columns score,net=kind"),
        "width,seed,score,net\n8,0,0.10,mlp\n8,0,1e-7,unet\n"
    );
    // What --columns leaves out may come anew.
    assert_eq!(place.text("cat a.csv --rows ..1 --with kind=x --columns score"), "kind,score\nx,0.10\n");
    fails(&place, 1, "cat a.csv --with kind=x", &["two columns 'kind'"]);
    fails(&place, 2, "cat a.csv --columns kind,kind=score", &["two columns 'kind'"]);
    fails(&place, 1, "cat a.csv --columns kind,loss", &["a.csv", "no column 'loss'", "kind, samples, score"]);
    fails(&place, 2, "cat a.csv --with kind", &["--with"]);
    fails(&place, 2, "cat a.csv --with =1", &["--with", "name"]);
}

#[test]
fn json_has_numbers_truth_values_and_null() {
    let place = Place::of("table");
    place.put("x.csv", "a,b,c,d,e,f\n1e-7,007,true,,nan,say \"x\"\n");
    assert_eq!(
        place.text("cat x.csv -f json"),
        "{\"a\":1e-7,\"b\":\"007\",\"c\":true,\"d\":null,\"e\":null,\"f\":\"say \\\"x\\\"\"}\n"
    );
}

#[test]
fn let_computes_from_columns_and_earlier_results() {
    let place = tables();
    assert_eq!(
        piped(&place, "n,max_angle,0.5\n8,2,1\n,1,2\n", "let x=log2(n/max_angle) y={0.5}-2*x n2=-n^2"),
        "n,max_angle,0.5,x,y,n2\n8,2,1,2,-3,-64\n,1,2,,,\n"
    );
    assert_eq!(place.text("let a.csv --rows 1.. s=samples*1e-1"), "kind,samples,score,s\nunet,16,1e-7,1.6\n");
    place.put("w=8.csv", "n\n0\n4\n");
    assert_eq!(place.text("let ./w=8.csv m=n+1"), "n,m\n0,1\n4,5\n");
    let inverse = "w=8.csv";
    fs::rename(place.path(inverse), place.path("n.csv")).unwrap();
    fails(&place, 1, "let n.csv y=1/n", &["n.csv: line 2", "y is inf", "--nan drop"]);
    assert_eq!(place.text("let n.csv y=1/n --nan drop"), "n,y\n4,0.25\n");
    assert_eq!(place.text("let n.csv y=1/n z=-y --nan pass"), "n,y,z\n0,inf,-inf\n4,0.25,-0.25\n");
    fails(&place, 1, "let a.csv y=loss+1", &["a.csv", "no column 'loss'", "kind, samples, score"]);
    fails(&place, 1, "let a.csv y=kind+1", &["a.csv: line 2", "kind is 'mlp'", "no number"]);
    fails(&place, 1, "let a.csv score=1", &["column 'score' already"]);
    fails(&place, 2, "let a.csv y=1 y=2", &["two columns 'y'"]);
    // Only what was computed before is known.
    fails(&place, 1, "let a.csv y=z z=1", &["no column 'z'"]);
    fails(&place, 2, "let a.csv y=2*", &["y=2*", "is missing before its end, at character 3"]);
    fails(&place, 2, "let a.csv y=2x", &["before 'x'", "character 2"]);
    fails(&place, 2, "let a.csv y=sin(2)", &["'sin'", "log10"]);
    fails(&place, 2, "let a.csv", &["no new column"]);
    fails(&place, 2, "let", &["NAME=EXPRESSION"]);
    fails(&place, 2, "let a.csv b.csv y=1", &["b.csv", "no new column"]);
}

#[test]
fn expressions_are_read_as_on_paper() {
    let (x, y) = (1.7, -0.3);
    let value = |text: &str| {
        let e = Expression::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let names: Vec<f64> = e.names().iter().map(|n| if n == "x" { x } else { y }).collect();
        e.value(&names)
    };
    for (text, expected) in [
        ("-x^2", -(x * x)),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("x-y-1", x - y - 1.0),
        ("x/y/2", x / y / 2.0),
        ("x / y * 2", x / y * 2.0),
        ("1 - 2*x + 3", 1.0 - 2.0 * x + 3.0),
        ("--x", x),
        ("2*-y", 2.0 * -y),
        ("(x+y)*(x-y)", (x + y) * (x - y)),
        ("max(x, min(y, 2), 1) + max_y", x + y),
        ("sqrt(abs(y)) + ln(exp(x))", y.abs().sqrt() + x.exp().ln()),
        ("log2(8)+log10(1e-3)+.5e1", 3.0 - 3.0 + 5.0),
        ("floor(y) + ceil(y) + round(x) + tanh(y)", -1.0 + 0.0 + 2.0 + y.tanh()),
        ("{x}+{ y }", x + y),
        ("e1 + 1.", y + 1.0),
    ] {
        assert!((value(text) - expected).abs() < 1e-15 * expected.abs().max(1.0), "{text}: {}", value(text));
    }
    for wrong in [
        "",
        "(",
        ")",
        "x+",
        "*x",
        "x y",
        "1 2",
        "{x",
        "f(x)",
        "max(x)",
        "ln(x,y)",
        "ln()",
        "1e",
        "x=1",
        "é",
        "\u{1F600}",
    ] {
        let read = Expression::parse(wrong);
        assert!(read.is_err() == (wrong != "é"), "{wrong}");
    }
    for deep in ["(".repeat(100_000), "-".repeat(100_000), "2^".repeat(100_000), "ln(".repeat(100_000)] {
        assert!(Expression::parse(&deep).unwrap_err().to_string().contains("deeply"));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_an_expression_panic(text in "[-+*/^(){}., 0-9a-e²é]{0,24}|\\PC{0,12}") {
        if let Ok(e) = Expression::parse(&text) {
            e.value(&vec![1.5; e.names().len()]);
        }
    }
}

/// Found by fuzzing: after the first bytes, by which contents are told, it was read, and written to a place where it
/// could not be read again.
#[test]
fn a_control_character_is_no_text_wherever_it_stands() {
    let place = Place::of("table");
    place.put("late.csv", include_bytes!("../../testdata/damaged/late-control.csv"));
    fails(&place, 1, "cat late.csv", &["late.csv: line 4", "control character"]);
}

/// Found by fuzzing: two quotes in a line that do not belong together, of which the second swallowed the rows
/// that follow.
#[test]
fn a_stray_quote_swallows_no_rows() {
    let place = Place::of("table");
    place.put("stray.csv", include_bytes!("../../testdata/damaged/stray-quote.csv"));
    fails(&place, 1, "cat stray.csv", &["stray.csv", "line 2", "quote"]);
    place.put("marked.csv", "\u{feff}\"a,b\n1,2\"\n3,4\n");
    fails(&place, 1, "cat marked.csv", &["line 1", "quote"]);
    // One inside a field is a character, and stays.
    place.put("inches.csv", "size,label\n6\",\"y\"\n7,\"a\"\"b, c\"\n");
    assert_eq!(place.text("cat inches.csv"), "size,label\n\"6\"\"\",y\n7,\"a\"\"b, c\"\n");
}

#[test]
fn mean_has_the_sample_deviation_and_error() {
    let place = Place::of("table");
    place.put("m.csv", "k,s,v,w\nb,1,2,1\na,1,1,\nb,1,4,3\nb,1,9,5\na,2,7,1\n");
    // Of 2, 4, 9: mean 5, sum of squares 26; of 1, 3, 5: mean 3, sum of squares 8.
    let expected = format!(
        "k,v,v_std,v_std_error,w,w_std,w_std_error,n\nb,5,{},{},3,2,{},3\na,7,,,1,,,1\n",
        13f64.sqrt(),
        (13f64 / 3.0).sqrt(),
        (4f64 / 3.0).sqrt()
    );
    assert_eq!(place.text("mean m.csv --by k --value v,w"), expected);
    assert_eq!(
        place.text("mean m.csv --by s,k --value w"),
        "s,k,w,w_std,w_std_error,n\n1,b,3,2,1.1547005383792515,3\n1,a,,,,0\n2,a,1,,,1\n"
    );
    assert!(place.text("mean m.csv --value v").starts_with("v,v_std,v_std_error,n\n4.6,"));
    place.put("nan.csv", "v\n1\nnan\n3\n");
    fails(&place, 1, "mean nan.csv --value v", &["nan.csv: line 3", "v is nan", "--nan drop"]);
    assert_eq!(
        place.text("mean nan.csv --value v --nan drop"),
        "v,v_std,v_std_error,n\n2,1.4142135623730951,1,2\n"
    );
    for line in [
        "mean nan.csv --value v",
        "let nan.csv w=2*v",
        "slope two.csv --x v --y w",
        "crossing two.csv --x w --y v --level 2",
    ] {
        place.put("two.csv", "v,w\n1,1\nnan,2\n3,3\n5,4\n");
        let told = place.run(&format!("{line} --nan drop"));
        assert!(
            told.code == Some(0) && told.err.contains("1 row with non-finite numbers was left out"),
            "{}",
            told.err
        );
    }
    assert_eq!(place.text("mean nan.csv --value v --nan pass"), "v,v_std,v_std_error,n\nnan,nan,nan,3\n");
    place.put("large.csv", "v\n1e308\n-1e308\n");
    fails(&place, 1, "mean large.csv --value v", &["large.csv", "too large"]);
    fails(&place, 2, "mean m.csv --by v --value v", &["two columns 'v'"]);
    fails(&place, 2, "mean m.csv --by k", &["--value"]);
    fails(&place, 1, "mean m.csv --by q --value v", &["no column 'q'", "k, s, v, w"]);
}

#[test]
fn pivot_spreads_a_column() {
    let place = Place::of("table");
    place.put("p.csv", "n,solver,seed,v\n2,pca,0,0.10\n4,em,0,x\n2,em,0,3\n4,pca,1,\n");
    assert_eq!(
        place.text("pivot p.csv --key solver --value v"),
        "n,seed,pca,em\n2,0,0.10,3\n4,0,,x\n4,1,,\n"
    );
    assert_eq!(place.text("pivot p.csv --key solver --value v --by n"), "n,pca,em\n2,0.10,3\n4,,x\n");
    assert_eq!(place.text("pivot p.csv --key n --value v --by solver"), "solver,2,4\npca,0.10,\nem,3,x\n");
    fails(&place, 1, "pivot p.csv --key n --value v --by seed", &["line 4", "line 2", "same cell"]);
    fails(&place, 1, "pivot p.csv --key v --value n --by seed", &["line 5", "v is empty"]);
    place.put("q.csv", "n,k,v\n1,n,2\n");
    fails(&place, 1, "pivot q.csv --key k --value v", &["q.csv", "two columns 'n'"]);
    fails(&place, 2, "pivot p.csv --key v --value v", &["different"]);
    fails(&place, 1, "pivot p.csv --key solver --value q", &["no column 'q'"]);
}

#[test]
fn crossing_is_where_the_joined_points_first_meet_the_level() {
    let at = |points: &[(f64, f64)], level| crossing(points, level, false);
    let found = |x, up| Some(Crossing { x, up });
    assert_eq!(at(&[(1.0, 0.0), (3.0, 1.0), (5.0, 0.0)], 0.25), found(1.5, Some(true)));
    assert_eq!(at(&[(1.0, 3.0), (2.0, 2.0), (6.0, 0.0)], 1.0), found(4.0, Some(false)));
    assert_eq!(at(&[(1.0, 3.0), (2.0, 1.0), (6.0, 2.0)], 1.0), found(2.0, Some(false)));
    assert_eq!(at(&[(1.0, 1.0), (2.0, 1.0), (6.0, 2.0)], 1.0), found(1.0, Some(true)));
    assert_eq!(at(&[(1.0, 1.0)], 1.0), found(1.0, None));
    assert_eq!(at(&[(1.0, 0.0), (2.0, 0.5)], 1.0), None);
    assert_eq!(at(&[], 1.0), None);
    assert_eq!(at(&[(-1.0, -1e308), (1.0, 1e308)], 0.0), found(0.0, Some(true)));
    // Along y = a + b x, and y = a + b ln x, the crossing is known: from random lines, to rounding.
    let numbers = normal_rows::<f64>(5, Purpose::Noise, 0..40, 3);
    for row in numbers.outer_iter() {
        let (a, b, level) = (row[0], row[1], row[2]);
        let exact = (level - a) / b;
        let xs = [-2.0, -1.5, 0.3, 0.9, 4.0];
        let inside = (-2.0..4.0).contains(&exact);
        for log in [false, true] {
            let x = |t: f64| if log { t.exp() } else { t };
            let points: Vec<(f64, f64)> = xs.iter().map(|&t| (x(t), a + b * t)).collect();
            match crossing(&points, level, log) {
                Some(found) => {
                    assert!(inside && found.up == Some(b > 0.0), "{row}");
                    let error = (found.x - x(exact)).abs() / x(exact).abs().max(1.0);
                    // t loses digits as the two y grow beyond their difference; |a/b| stays below 1e3 here.
                    assert!(error < 1e-11, "{row}: {error}");
                }
                None => assert!(!inside, "{row}"),
            }
        }
    }
}

#[test]
fn crossing_goes_group_by_group() {
    let place = Place::of("table");
    place.put("c.csv", "r,n,p\n2,16,1\n2,4,0\n3,4,0\n3,8,0.2\n2,8,\n4,1,9\n4,2,\n");
    assert_eq!(
        place.text("crossing c.csv --x n --y p --level 0.5 --by r"),
        "r,n,level,direction\n2,10,0.5,up\n3,,0.5,\n4,,0.5,\n"
    );
    let log = place.text("crossing c.csv --x n --y p --level 0.5 --by r --log-x --rows ..2");
    let x: f64 = log.lines().nth(1).unwrap().split(',').nth(1).unwrap().parse().unwrap();
    assert!((x - 8.0).abs() < 1e-14 * 8.0, "{log}");
    fails(&place, 1, "crossing c.csv --x n --y p --level 0.5", &["line 4", "line 3", "--by"]);
    fails(&place, 2, "crossing c.csv --x n --y p --level nan", &["--level"]);
    fails(&place, 2, "crossing c.csv --x n --y p", &["--level"]);
    place.put("zero.csv", "n,p\n0,1\n1,inf\n2,3\n");
    fails(&place, 1, "crossing zero.csv --x n --y p --level 2 --log-x", &["line 2", "n is 0", "logarithm"]);
    fails(&place, 1, "crossing zero.csv --x n --y p --level 2", &["line 3", "p is inf", "--nan drop"]);
    assert_eq!(
        place.text("crossing zero.csv --x n --y p --level=2 --nan drop"),
        "n,level,direction\n1,2,up\n"
    );
}

/// Random points, and what Python makes of them in decimals of 50 digits:
///
/// ```python
/// from decimal import Decimal as D, getcontext
/// import random
/// getcontext().prec = 50
/// random.seed(11)
/// xs = (random.uniform(1, 50) for _ in range(9))
/// points = [(round(x, 3), round(3 * x ** -0.7 * random.lognormvariate(0, 0.2), 4)) for x in xs]
/// xs, ys = ([D(repr(p[i])) for p in points] for i in (0, 1))
/// def fit(u, v):
///     n = len(u); a, b = sum(u) / n, sum(v) / n
///     sxx = sum((s - a) ** 2 for s in u); sxy = sum((s - a) * (t - b) for s, t in zip(u, v))
///     slope = sxy / sxx; intercept = b - slope * a
///     rss = sum((t - intercept - slope * s) ** 2 for s, t in zip(u, v))
///     return [slope, (rss / (n - 2) / sxx).sqrt(), intercept, 1 - rss / sum((t - b) ** 2 for t in v)]
/// mean = sum(ys) / 9; std = (sum((t - mean) ** 2 for t in ys) / 8).sqrt()
/// rows = [fit(xs, ys), fit([x.ln() for x in xs], [y.ln() for y in ys]), [mean, std, std / 3]]
/// for row in rows:
///     print([float(v) for v in row])
/// ```
const POINTS: [(f64, f64); 9] = [
    (23.167, 0.4357),
    (23.817, 0.3282),
    (10.048, 0.6032),
    (39.856, 0.1862),
    (5.443, 1.2958),
    (3.052, 1.576),
    (8.717, 0.6445),
    (42.279, 0.2222),
    (25.489, 0.3446),
];
const LINEAR: [f64; 4] = [-0.028044102688792087, 0.007156086766790075, 1.1929694297561377, 0.686911594416167];
const POWER: [f64; 4] = [-0.7825603082621301, 0.059673923468052746, 1.3957373375069562, 0.9608884899353071];
const MEAN: [f64; 3] = [0.6262666666666666, 0.48894744860772105, 0.16298248286924033];

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    for (a, b) in found.iter().zip(expected) {
        // A few roundings, some of differences ten times smaller than their terms.
        assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{found:?} is not {expected:?}");
    }
}

#[test]
fn lines_and_means_agree_with_long_decimals() {
    let numbers = |points: &[(f64, f64)]| {
        let l = line(points).unwrap();
        [l.slope, l.slope_std_error.unwrap(), l.intercept, l.r_squared.unwrap()]
    };
    near(&numbers(&POINTS), &LINEAR);
    near(&numbers(&POINTS.map(|(x, y)| (x.ln(), y.ln()))), &POWER);
    let mut mean = Mean::default();
    POINTS.iter().for_each(|p| mean.add(p.1));
    near(&[mean.mean, mean.variance().sqrt(), mean.std_error()], &MEAN);
}

#[test]
fn slope_fits_group_by_group() {
    let place = Place::of("table");
    let rows: String = POINTS.iter().map(|(x, y)| format!("a,{x},{y}\n")).collect();
    place.put("s.csv", format!("g,x,y\n{rows}b,1,2\nb,2,\nb,3,8\n"));
    let read = |arguments: &str| -> Vec<Vec<String>> {
        let text = place.text(arguments);
        assert!(text.starts_with("g,slope,slope_std_error,intercept,r_squared,n\n"), "{text}");
        text.lines().skip(1).map(|l| l.split(',').map(String::from).collect()).collect()
    };
    let found = read("slope s.csv --x x --y y --by g --log-x --log-y");
    let numbers: Vec<f64> = found[0][1..5].iter().map(|n| n.parse().unwrap()).collect();
    near(&numbers, &POWER);
    assert_eq!((found[0][0].as_str(), found[0][5].as_str()), ("a", "9"));
    assert_eq!(read("slope s.csv --x x --y y --by g")[1], ["b", "3", "", "-1", "1", "2"]);
    place.put("flat.csv", "g,x,y\nu,1,2\nu,2,2\nu,4,2\nv,1,2\nv,1,3\n");
    assert_eq!(
        place.text("slope flat.csv --rows ..3 --x x --y y"),
        "slope,slope_std_error,intercept,r_squared,n\n0,0,2,,3\n"
    );
    fails(&place, 1, "slope flat.csv --x x --y y --by g", &["flat.csv: g = v", "two different x"]);
    place.put("neg.csv", "x,y\n1,-2\n2,1e200\n3,-1e200\n");
    fails(&place, 1, "slope neg.csv --x x --y y --log-y", &["line 2", "y is -2", "logarithm"]);
    fails(&place, 1, "slope neg.csv --x x --y y", &["too large"]);
}

/// What a sweep needs: a row on each network, joined.
#[test]
fn the_report_of_a_network_is_a_row() {
    let place = Place::of("table");
    place.bash("molrg-gen -d 8 -r 2 -n 60 -o x.npy").silent("molrg-gen");
    for width in [8, 12] {
        let fit = format!(
            "dae-fit x.npy --kind two-layer --width {width} --steps 45 --log-every 10 -q --log log{width}.csv \
             --report {width}.csv -o model.st"
        );
        place.bash(&fit).silent(&fit);
    }
    let text = place.text("cat 8.csv 12.csv");
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(lines[0], ["kind", "parameters", "steps", "loss"]);
    for (line, width) in lines[1..].iter().zip([8, 12]) {
        let log = String::from_utf8(place.get(&format!("log{width}.csv"))).unwrap();
        let last = log.lines().last().unwrap().split(',').collect::<Vec<_>>();
        assert_eq!((last[0], line[0], line[2], line[3]), ("45", "two-layer", "45", last[1]));
    }
    // Of the last model; its file says so too.
    let model = place.get("model.st");
    let parameters = format!("\"parameters\":\"{}\"", lines[2][1]);
    assert!(model.windows(parameters.len()).any(|w| w == parameters.as_bytes()), "{parameters}");
}

#[test]
fn what_is_not_finite_does_not_hide_in_a_formula() {
    let place = Place::of("table");
    place.put("n.csv", "a,b\n1,nan\n2,inf\n3,4\n");
    for formula in ["y=min(b,5)", "y=b^0", "y=0*min(b,1)+a"] {
        fails(&place, 1, &format!("let n.csv {formula}"), &["line 2", "b is NaN", "--nan drop"]);
        assert_eq!(place.text(&format!("let n.csv {formula} --nan drop --rows 2..")).lines().count(), 2);
    }
    assert_eq!(place.text("let n.csv y=min(b,5) --nan drop"), "a,b,y\n3,4,4\n");
}

#[test]
fn names_given_twice_are_wrong_calls() {
    let place = Place::of("table");
    place.put("n.csv", "a,b\n1,2\n");
    place.put("twice.csv", "a,a\n1,2\n");
    fails(&place, 2, "let n.csv y=a y=b", &["'y'"]);
    fails(&place, 2, "cat n.csv --columns a,a", &["'a'"]);
    fails(&place, 2, "cat n.csv --with a=1 --columns a", &["'a'"]);
    fails(&place, 2, "pivot n.csv --key a --value b --by c,c", &["'c'"]);
    fails(&place, 1, "let twice.csv b=2", &["'a'"]);
}

#[test]
fn an_empty_field_alone_in_its_row_is_kept() {
    let place = Place::of("table");
    let one = piped(&place, "v,w\n1,2\n,3\n4,5\n", "cat --columns v");
    assert_eq!(one, "v\n1\n\"\"\n4\n");
    assert_eq!(piped(&place, &one, "cat"), one);
}

#[test]
fn a_crossing_of_the_smallest_numbers_is_between_them() {
    let least = f64::from_bits(1);
    let found = crossing(&[(0.0, least), (1.0, -least)], 0.0, false).unwrap();
    assert_eq!(found, Crossing { x: 0.5, up: Some(false) });
    let found = crossing(&[(0.0, -f64::MAX), (1.0, f64::MAX)], 0.0, false).unwrap();
    assert_eq!(found, Crossing { x: 0.5, up: Some(true) });
}

#[test]
fn no_row_is_taken_for_a_comment() {
    let place = Place::of("table");
    place.put("a.csv", "# comments\n\n# before the names\nrun,v\n1,3\n#2,5\n");
    assert!(place.fails(1, "mean a.csv --value v").contains("a.csv: line 6: field 1, '#2', begins with #"));
    place.put("b.csv", "run,v\n#1,3\n");
    assert!(place.fails(1, "mean b.csv --value v").contains("b.csv: line 2: field 1, '#1'"));
    place.put("c.csv", "run,v\n\"#1\",3\nx,#N/A\n");
    assert_eq!(place.text("cat c.csv"), "run,v\n\"#1\",3\nx,\"#N/A\"\n");
    assert!(place.fails(1, "mean c.csv --value v").contains("line 3: v is '#N/A'"));
    place.put("d.csv", "v\n1\n\n3\n");
    assert!(place.fails(1, "mean d.csv --value v").contains("d.csv: line 3: is blank"));
    // Numbers where names should be: as an array in csv begins.
    place.put("e.csv", "0.5,2\n0.25,3\n");
    assert!(
        place
            .fails(1, "mean e.csv --value 2")
            .contains("e.csv: line 1: should name the columns, but '0.5' is data")
    );
    // As pivot makes them.
    place.put("f.csv", "kind,16,32\nmlp,1,2\n");
    assert_eq!(place.text("cat f.csv"), "kind,16,32\nmlp,1,2\n");
}

#[test]
fn roc_orders_pairs() {
    let place = Place::of("table");
    let scores = normal_rows::<f64>(3, Purpose::Noise, 0..1, 260);
    let mut table = "attack,score,label\n".to_string();
    for (i, score) in scores.iter().enumerate() {
        // Every attack has 15 positives, a distance 1 above 115 negatives.
        let (attack, positive) = (["blur", "jpeg"][i % 2], i / 2 < 15);
        table += &format!("{attack},{},{}\n", score + f64::from(u8::from(positive)), u8::from(positive));
    }
    place.put("t.csv", &table);
    let text = place.text("roc t.csv --score score --label label --by attack");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["attack", "auc", "std_error", "tpr_at_1fpr", "n_positive", "n_negative"]);
    for (line, attack) in lines[1..].iter().zip(["blur", "jpeg"]) {
        assert_eq!((line[0], line[4], line[5]), (attack, "15", "115"));
        let of: Vec<(f64, bool)> = table
            .lines()
            .filter_map(|line| line.strip_prefix(attack)?.strip_prefix(',')?.split_once(','))
            .map(|(score, label)| (score.parse().unwrap(), label == "1"))
            .collect();
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (a, _) in of.iter().filter(|(_, positive)| *positive) {
            for (b, _) in of.iter().filter(|(_, positive)| !positive) {
                pairs += 1.0;
                wins += if a > b { 1.0 } else { 0.0 };
            }
        }
        let auc: f64 = line[1].parse().unwrap();
        assert!((auc - wins / pairs).abs() < 1e-14 && (0.6..0.9).contains(&auc), "{attack}: {auc}");
    }
    // Labels in words, and rows that lack something.
    let words = table.replace(",1\n", ",marked\n").replace(",0\n", ",plain\n") + "blur,,marked\njpeg,1,\n";
    let by_name = piped(&place, &words, "roc --score score --label label --positive marked --by attack");
    assert_eq!(by_name, text);
    let truths = table.replace(",1\n", ",True\n").replace(",0\n", ",False\n");
    assert_eq!(piped(&place, &truths, "roc --score score --label label --by attack"), text);
}

#[test]
fn roc_says_what_its_numbers_do_not() {
    let place = Place::of("table");
    place.put("few.csv", "s,y\n0.5,0\n2,1\n1,0\n0.75,1\n");
    let done = place.run("roc few.csv --score s --label y");
    let numbers = "auc,std_error,tpr_at_1fpr,n_positive,n_negative\n0.75,";
    assert!(done.code == Some(0) && String::from_utf8(done.out).unwrap().starts_with(numbers));
    assert!(done.err.contains("of 2 negatives") && done.err.contains("give 100"), "{}", done.err);
    place.put("apart.csv", "s,y\n0.5,0\n2,1\n1,0\n3,1\n");
    let done = place.run("roc apart.csv --score s --label y");
    assert_eq!(String::from_utf8(done.out).unwrap().lines().nth(1), Some("1,0,1,2,2"));
    assert!(done.err.contains("all 2 positives and 2 negatives lie on two sides"), "{}", done.err);
    place.put("one.csv", "s,y\n0.5,0\n2,1\n1,0\n");
    assert_eq!(
        String::from_utf8(place.run("roc one.csv --score s --label y").out).unwrap().lines().nth(1),
        Some("1,,1,1,2")
    );
    place.put("odd.csv", "s,y\n0.5,0\n2,2\n");
    place.put("nan.csv", "s,y\n0.5,0\nnan,1\n");
    place.put("alike.csv", "s,y\n0.5,0\n1,0\n");
    fails(&place, 1, "roc odd.csv --score s --label y", &["odd.csv", "\"2\"", "--positive"]);
    fails(&place, 1, "roc nan.csv --score s --label y", &["nan.csv", "not finite", "--nan drop"]);
    let done = place.run("roc nan.csv --score s --label y --nan drop");
    assert!(done.code == Some(1) && done.err.contains("0 positives and 1 negatives"), "{}", done.err);
    // An infinite score has its place among the others.
    fails(&place, 1, "roc nan.csv --score s --label y --nan pass", &["nan.csv", "neither above nor below"]);
    place.put("inf.csv", "s,y\n0.5,0\ninf,1\n1,0\n0.75,1\n");
    let text = String::from_utf8(place.run("roc inf.csv --score s --label y --nan pass").out).unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("0.75,"), "{text}");
    fails(&place, 1, "roc alike.csv --score s --label y", &["0 positives and 2 negatives"]);
    fails(&place, 1, "roc few.csv --score s --label z", &["'z'"]);
}
