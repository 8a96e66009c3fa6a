//! jacobian-basis and image-quality, run as their users run them.

use crate::data::DIGITS;
use crate::place::Place;

/// The numbers of an array, flat.
fn numbers(place: &Place, line: &str) -> Vec<f64> {
    let text = place.text(line);
    text.split([',', '\n']).filter(|field| !field.is_empty()).map(|field| field.parse().unwrap()).collect()
}

fn shape(place: &Place, array: &str) -> String {
    place.text(&format!("npy info {array}")).lines().nth(1).unwrap().split(',').nth(1).unwrap().to_string()
}

/// A mixture over images of 4×4 pixels with 3 channels, points, and a mask of the upper half.
fn mixture() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 48 -r 5 -k 2 -n 7 --seed 2 --shape 4,4,3 --dtype f64 --truth truth.st -o x.npy");
    place.put("mask.csv", "1,1,1,1\n1,1,1,1\n0,0,0,0\n0,0,0,0\n");
    place
}

#[test]
fn directions_of_points_with_noise_are_those_of_noisy_points() {
    let place = mixture();
    let call = "jacobian-basis truth.st x.npy --sigma 0.6 --add-noise --seed 3 --top 4";
    place.out(&format!("{call} -o v.npy --left u.npy --values s.csv"));
    assert_eq!((shape(&place, "v.npy"), shape(&place, "u.npy")), ("7x4x4x4x3".into(), "7x4x4x4x3".into()));
    // The noise of dae-apply: x + σε = D + σ²·(x + σε − D)/σ², from its two quantities.
    for quantity in ["denoised", "epsilon"] {
        place.out(&format!(
            "dae-apply truth.st x.npy --sigma 0.6 --add-noise --seed 3 --quantity {quantity} -o {quantity}.npy"
        ));
    }
    place.out("npy let d+0.6*e --in d=denoised.npy --in e=epsilon.npy -o noisy.npy");
    place.out("jacobian-basis truth.st noisy.npy --sigma 0.6 --top 4 -o w.npy --values t.csv");
    // Points that differ by the rounding of a sum; values as well, and vectors up to s/(s_i − s_j) of it.
    let (s, t) = (numbers(&place, "npy cat s.csv -f csv"), numbers(&place, "npy cat t.csv -f csv"));
    assert!(s.iter().zip(&t).all(|(s, t)| (s - t).abs() < 1e-13), "{s:?} {t:?}");
    // J is symmetric: left and right are the same, up to the size of the smallest value.
    place.out("npy diff u.npy v.npy --atol 1e-12 --rtol 0 -o /dev/null");
    // By products alone, in f32 by nature of an external model or not, they are the same.
    place.out(&format!("{call} --method iterated --tolerance 1e-9 --values i.csv -o i.npy"));
    let i = numbers(&place, "npy cat i.csv -f csv");
    assert!(s.iter().zip(&i).all(|(s, i)| (s - i).abs() < 1e-12), "{s:?} {i:?}");
}

#[test]
fn an_edit_is_one_line_of_shell() {
    let place = mixture();
    let edit = "jacobian-basis truth.st x.npy --sigma 0.6 --top 1 --mask mask.csv";
    for (name, flags) in [("plain", ""), ("edit", " --null-rank 3")] {
        let line = format!(
            "{edit}{flags} | npy let 'x + 0.01*v' --in x=x.npy --in v=- | dae-apply truth.st - --sigma 0.6 -o {name}.npy"
        );
        assert!(place.bash(&line).silent(&line).is_empty());
    }
    assert_eq!(shape(&place, "edit.npy"), "7x4x4x3");
    place.out("dae-apply truth.st x.npy --sigma 0.6 -o before.npy");
    let column = |line: &str, name: &str| -> Vec<f64> {
        let text = place.text(line);
        let at = text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
    };
    let quality = |name: &str, column_name: &str| {
        let line = format!("image-quality before.npy {name}.npy --no-ssim --mask mask.csv --per-sample");
        column(&line, column_name)
    };
    // Projected, of what changes more is inside, in all (not at every point: few dimensions leave little choice); shares
    // add up, and sizes are those of npy let.
    let (plain, edited) = (quality("plain", "inside"), quality("edit", "inside"));
    assert!(plain.iter().sum::<f64>() < edited.iter().sum(), "{plain:?} {edited:?}");
    let outside = quality("edit", "outside");
    assert!(edited.iter().zip(&outside).all(|(i, o)| (i + o - 1.0).abs() < 1e-15));
    place.out("npy let (a-b)^2 --in a=before.npy --in b=edit.npy -o squares.npy");
    let squares = numbers(&place, "npy cat squares.npy -f csv");
    let inside: Vec<f64> =
        squares.chunks(48).map(|row| row[..24].iter().sum::<f64>() / row.iter().sum::<f64>()).collect();
    assert!(inside.iter().zip(&edited).all(|(a, b)| (a - b).abs() < 1e-13), "{inside:?} {edited:?}");
    let rmse: Vec<f64> = squares.chunks(48).map(|row| (row.iter().sum::<f64>() / 48.0).sqrt()).collect();
    assert!(rmse.iter().zip(quality("edit", "rmse")).all(|(a, b)| (a / b - 1.0).abs() < 1e-13));
}

#[test]
fn wrong_calls_say_what_to_do() {
    let place = mixture();
    place.put("empty.csv", "0,0,0,0\n".repeat(4));
    place.put("thin.csv", "1,1,1\n1,1,1\n");
    place.out("npy noise -d 8 -n 2 -o narrow.npy");
    for (code, flags, words) in [
        (2, "--top 0", "--top"),
        (2, "--top 49", "at most the model's dimension, 48"),
        (2, "--null-rank 2", "--mask"),
        (2, "--sigma 0.6 --tolerance 0.1", "--tolerance: has no effect here: the spectrum is exact"),
        (2, "--seed 4", "--seed: has no effect here"),
        (2, "--method iterated --tolerance 2", "between 0 and 1"),
        (2, "--method iterated --jacobian differences", "--method exact"),
        (2, "--add-noise --nan drop", "noise belongs to rows"),
        (1, "--mask empty.csv", "marks nothing"),
        (1, "--mask thin.csv", "cannot be one of items of shape [4, 4, 3]"),
        (1, "--mask mask.csv --null-rank 48", "give a smaller --null-rank"),
    ] {
        let sigma = if flags.contains("--sigma") { "" } else { " --sigma 0.6" };
        let said = place.fails(code, &format!("jacobian-basis truth.st x.npy{sigma} {flags}"));
        assert!(said.contains(words), "{flags}: {said}");
    }
    assert!(place.fails(2, "jacobian-basis truth.st x.npy --sigma 0").contains("--sigma 0"));
    assert!(place.fails(1, "jacobian-basis truth.st narrow.npy --sigma 1").contains("dimension 48"));
    // What means nothing gets a warning with the reason.
    let warned = |line: &str, words: &[&str]| {
        let done = place.run(line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.err);
        assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
    };
    warned(
        "jacobian-basis truth.st x.npy --sigma 0.6 --top 12 -o v.npy",
        &["7 of 7 points", "to 0", "--top"],
    );
    warned(
        "jacobian-basis truth.st x.npy --sigma 0.6 --top 3 --method iterated --iterations 1 -o v.npy",
        &["7 of 7 points", "radians", "--iterations"],
    );
    warned(
        "jacobian-basis truth.st x.npy --sigma 0.6 --top 1 --mask mask.csv --null-rank 8 -o v.npy",
        &["the projection left", "--null-rank"],
    );
}

#[test]
fn differences_of_a_denoiser_find_its_directions() {
    let place = mixture();
    place.out("jacobian-basis truth.st x.npy --sigma 0.6 --top 4 --values s.csv -o v.npy");
    let done = place.run(
        "jacobian-basis truth.st x.npy --sigma 0.6 --top 4 --jacobian differences --values t.csv -o w.npy",
    );
    assert!(done.code == Some(0) && done.err.contains("relative error of at most"), "{}", done.err);
    let (s, t) = (numbers(&place, "npy cat s.csv -f csv"), numbers(&place, "npy cat t.csv -f csv"));
    // The error that it states is 1e-9 or less.
    assert!(s.iter().zip(&t).all(|(s, t)| (s - t).abs() < 1e-8), "{s:?} {t:?}");
}

#[test]
fn image_quality_of_digits() {
    let place = Place::new();
    place.out(&format!("npy images {DIGITS} --rows ..9 --pad 4 --from 0,16 -o a.npy"));
    place.out("npy noise -n 9 -d 256 --shape 16,16,1 -o e.npy");
    place.out("npy let 0.9*a+0.01*e --in a=a.npy --in e=e.npy -o b.npy");
    let row = |line: &str| -> Vec<String> {
        place.text(line).lines().nth(1).unwrap().split(',').map(str::to_string).collect()
    };
    let whole = row("image-quality a.npy b.npy");
    let number = |i: usize| whole[i].parse::<f64>().unwrap();
    assert!((whole.len(), &*whole[3], &*whole[4], &*whole[5]) == (6, "", "", "9"), "{whole:?}");
    assert!(
        number(0) > 0.05 && (15.0..30.0).contains(&number(1)) && (0.5..1.0).contains(&number(2)),
        "{whole:?}"
    );
    // Means over the rows of the table a sample.
    for (name, column) in [("psnr", 1), ("ssim", 2)] {
        let line = format!("image-quality a.npy b.npy --per-sample | table mean --value {name}");
        let mean = String::from_utf8(place.bash(&line).silent(&line)).unwrap();
        let mean: f64 = mean.lines().nth(1).unwrap().split(',').find_map(|v| v.parse().ok()).unwrap();
        assert!((mean / number(column) - 1.0).abs() < 1e-12, "{name}");
    }
    // Channels first, whole numbers of another range, one image against all.
    place.out("npy transpose a.npy --axes 0,3,1,2 -o a1.npy");
    place.out("npy transpose b.npy --axes 0,3,1,2 -o b1.npy");
    assert_eq!(row("image-quality a1.npy b1.npy --layout nchw"), whole);
    assert!(place.fails(1, "image-quality a1.npy b1.npy").contains("--layout nchw"));
    place.out("npy let 127.5*a --in a=a.npy -o a255.npy");
    place.out("npy let 127.5*b --in b=b.npy -o b255.npy");
    let scaled = row("image-quality a255.npy b255.npy --data-range=-127.5,127.5");
    assert!((scaled[2].parse::<f64>().unwrap() - number(2)).abs() < 1e-6);
    let first = place.text("image-quality a.npy b.npy --per-sample");
    let one = "npy cat a.npy --rows ..1 | image-quality - b.npy --per-sample";
    let one = String::from_utf8(place.bash(one).silent(one)).unwrap();
    assert_eq!(one.lines().nth(1), first.lines().nth(1));
    assert_eq!(one.lines().count(), 10);
    // Equal images: an infinite ratio, and shares of nothing.
    place.put("mask.csv", "1\n".repeat(256));
    let equal = row("image-quality a.npy a.npy --mask mask.csv");
    assert_eq!(equal, ["0", "inf", "1", "", "", "9"]);
    assert!(place.text("image-quality a.npy a.npy -f json").contains("\"psnr\":null"));
    // Small images have no SSIM.
    place.out(&format!("npy images {DIGITS} --rows ..9 --from 0,16 -o small.npy"));
    let said = place.fails(1, "image-quality small.npy small.npy");
    assert!(said.contains("8×8 pixels") && said.contains("--no-ssim"), "{said}");
    assert_eq!(row("image-quality small.npy small.npy --no-ssim"), ["0", "inf", "", "", "", "9"]);
    // Values that the range does not hold.
    let done = place.run("image-quality a255.npy b255.npy");
    assert!(done.err.contains("% of the values lie beyond -1.2,1.2") && done.err.contains("--data-range"));
    assert!(place.fails(2, "image-quality a.npy b.npy --no-ssim --layout nhwc").contains("--layout"));
}

/// Black and white are said by the type or a flag; data that do not lie there are told, as are two arrays on two scales.
#[test]
fn images_on_another_range_are_told() {
    let place = Place::new();
    place.out("npy noise -n 20 -d 144 --shape 12,12 -o noise.npy");
    place.out("npy let 0.3*a --in a=noise.npy -o small.npy");
    place.out("npy let 127+40*a --in a=noise.npy -o large.npy");
    for (line, words) in [
        ("watermark attack large.npy --kind brightness --strength 1 -o /dev/null", "--data-range"),
        ("image-quality large.npy small.npy --data-range 0,255", "different scales"),
        ("image-quality small.npy large.npy", "different scales"),
    ] {
        let done = place.run(line);
        assert!(done.code == Some(0) && done.err.contains(words), "{line}: {}", done.err);
    }
    place.out("watermark attack large.npy --kind brightness --strength 1 --data-range=-200,500 -o /dev/null");
    place.out("watermark attack large.npy --kind blur --strength 1 -o /dev/null");
    // Where no flag says it: floats from 0 to 1, and bytes up to 16.
    place.out(&format!("npy images {DIGITS} --rows ..9 --from 0,16 --to 0,1 -o unit.npy"));
    place.out(&format!("npy images {DIGITS} --rows ..9 --from 0,16 -o signed.npy"));
    let half = "the values, 0.0000 to 1.0000, fill the upper half alone of -1,1";
    let eighth = "the values, 0.0000 to 16.0000, fill less than an eighth of 0,255";
    let bytes = format!("{DIGITS} --rows ..9");
    for (line, flag) in [
        ("npy images {} -o out.npy", "--from 0,1"),
        ("fig images {} -o out.svg", "--range 0,1"),
        ("watermark attack {} --kind brightness --strength 1 -o out.npy", "--data-range 0,1"),
        ("image-quality {} two.npy --no-ssim -o out.csv", "--data-range 0,1"),
    ] {
        for (name, said) in [("unit.npy", half), (&bytes, eighth), ("signed.npy", "")] {
            let same = if name == bytes { DIGITS } else { name };
            let line = line.replace("{}", name).replace("two.npy", same);
            let done = place.run(&line);
            assert!(done.code == Some(0) && done.err.contains(said), "{line}: {}", done.err);
            assert_eq!(done.err.lines().count(), usize::from(!said.is_empty()), "{line}: {}", done.err);
        }
        let line = format!("{} {flag}", line.replace("{}", "unit.npy").replace("two.npy", "unit.npy"));
        assert_eq!(place.run(&line).err, "", "{line}");
    }
    let mae = |name: &str| place.run(&format!("rp-score {name} {name} --similarity mae")).err;
    assert!(mae("unit.npy").contains("mae counts 1/255 of") && !mae("signed.npy").contains("mae counts"));
}

/// However small what they have at the marked frequencies is beside the key.
#[test]
fn smooth_images_have_finite_scores() {
    let place = Place::new();
    let pixel = |i: i32| (-f64::from((i / 28 - 14).pow(2) + (i % 28 - 14).pow(2)) / 40.0).exp();
    let row = (0..784).map(|i| pixel(i).to_string()).collect::<Vec<_>>().join(",");
    place.put("bump.csv", format!("{row}\n"));
    place.out("watermark key --shape 28,28 --radius 3 --seed 1 -o key.npy");
    for strength in ["1", "1000"] {
        let text = place
            .text(&format!("watermark detect bump.csv --shape 28,28 --key key.npy --strength {strength}"));
        let scores = text.lines().nth(1).unwrap().split(',').map(|v| v.parse::<f64>().unwrap());
        assert!(scores.into_iter().all(f64::is_finite), "{text}");
    }
}

#[test]
fn a_mark_is_of_what_it_marks() {
    let place = Place::new();
    place.out("watermark key --shape 4,4 --radius 1 --pattern zero -o zero.npy");
    place.out("watermark key --shape 4,4 --radius 1 -o key.npy");
    place.put("x.csv", format!("{}\nnan,{}\n", ["0.5"; 16].join(","), ["1"; 15].join(",")));
    let said = place.fails(2, "watermark embed x.csv --shape 4,4 --key zero.npy --strength 2 --nan drop");
    assert!(said.contains("--strength") && said.contains("zeros"), "{said}");
    let marked = place.text("watermark embed x.csv --shape 4,4 --key key.npy --nan pass -f csv");
    let finite = |line: &str| line.split(',').all(|v| v.parse::<f64>().unwrap().is_finite());
    assert_eq!(marked.lines().map(finite).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn what_flags_ask_for_beyond_all_bounds_is_refused() {
    let place = mixture();
    place.fails(2, "linearity truth.st x.npy --sigma 1 --pairs 9000000000000000000");
    place.out("molrg-gen -d 60000 -r 1 -k 1 -n 1 --truth wide.st -o wide.npy");
    let said = place.fails(1, "jacobian-basis wide.st wide.npy --sigma 1 --top 60000");
    assert!(said.contains("--top") && said.contains("memory"), "{said}");
    let said = place.fails(2, "watermark key --shape 3,8,8 --radius 2");
    assert!(said.contains("8,8,3"), "{said}");
}
