//! What every figure must show, read from its table: of the figures that are committed, and of those that
//! `make figures SIZE=small` draws (ignored unless asked for, as `make test-figures` does).
//!
//! Margins: what the papers claim is a matter of factors, and seeds are fixed. Where a number hangs on training, the
//! margin is several times its spread over seeds, and far from what a wrong program gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder of figures' tables.
struct Figures {
    folder: PathBuf,
    full: bool,
    /// One of the tables as a wrong program would have it: its name, and what it does to every row.
    altered: Option<(&'static str, Alter)>,
}

/// One row: its fields by the names of their columns.
type Row = BTreeMap<String, String>;

/// What a wrong program does to a row.
type Alter = fn(&mut Row);

struct Table {
    name: String,
    rows: Vec<Row>,
}

impl Figures {
    fn committed() -> Figures {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("figures");
        Figures { folder, full: true, altered: None }
    }

    fn small() -> Figures {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("figures/small");
        Figures { folder, full: false, altered: None }
    }

    fn table(&self, name: &str) -> Table {
        let path = self.folder.join(format!("{name}.csv"));
        let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let names = reader.headers().unwrap().clone();
        let row = |record: csv::StringRecord| {
            names.iter().map(str::to_string).zip(record.iter().map(str::to_string)).collect()
        };
        let mut rows: Vec<Row> = reader.records().map(|record| row(record.unwrap())).collect();
        assert!(!rows.is_empty(), "{name}.csv is empty");
        if let Some((_, alter)) = self.altered.filter(|(altered, _)| *altered == name) {
            rows.iter_mut().for_each(alter);
        }
        Table { name: name.to_string(), rows }
    }
}

fn number(row: &Row, column: &str) -> f64 {
    let text = row.get(column).unwrap_or_else(|| panic!("no column {column} in {row:?}"));
    text.parse().unwrap_or_else(|_| panic!("{column} is {text:?} in {row:?}"))
}

impl Table {
    /// The rows with these fields.
    fn with(&self, fields: &[(&str, &str)]) -> Vec<&Row> {
        self.rows.iter().filter(|row| fields.iter().all(|(c, v)| row[*c] == *v)).collect()
    }

    /// (x, y) of these rows, in order of x.
    fn curve(&self, fields: &[(&str, &str)], x: &str, y: &str) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> =
            self.with(fields).into_iter().map(|row| (number(row, x), number(row, y))).collect();
        assert!(points.len() > 1, "{}: no curve of {y} over {x} for {fields:?}", self.name);
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    }

    /// The one number of these rows.
    fn value(&self, fields: &[(&str, &str)], column: &str) -> f64 {
        let rows = self.with(fields);
        assert_eq!(rows.len(), 1, "{}: {} rows for {fields:?}", self.name, rows.len());
        number(rows[0], column)
    }

    fn distinct(&self, column: &str) -> BTreeSet<String> {
        self.rows.iter().map(|row| row[column].clone()).filter(|v| !v.is_empty()).collect()
    }
}

fn first(curve: &[(f64, f64)]) -> f64 {
    curve[0].1
}

fn last(curve: &[(f64, f64)]) -> f64 {
    curve[curve.len() - 1].1
}

fn least(curve: &[(f64, f64)]) -> f64 {
    curve.iter().map(|p| p.1).fold(f64::INFINITY, f64::min)
}

fn largest(curve: &[(f64, f64)]) -> f64 {
    curve.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max)
}

/// Largest minus smallest.
fn spread(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        - values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The values of a column without those that begin with `published`; there must be some.
fn ours(table: &Table, column: &str) -> Vec<String> {
    let ours: Vec<String> =
        table.distinct(column).into_iter().filter(|v| !v.starts_with("published")).collect();
    assert!(!ours.is_empty(), "{}: nothing but what is published", table.name);
    ours
}

/// 0 below the rank, 1 from it on: exactly, for both.
fn phase_k1(figures: &Figures) {
    let table = figures.table("phase-k1");
    assert_eq!(table.distinct("solver").len(), 2);
    assert_eq!(table.rows.len(), if figures.full { 2 * 7 * 14 } else { 2 * 3 * 7 });
    for row in &table.rows {
        let expected = if number(row, "samples") < number(row, "rank") { 0.0 } else { 1.0 };
        assert_eq!(number(row, "success"), expected, "{row:?}");
    }
}

/// With the joint constraint at N_k = r. Without it, not yet there from rank 4 on, and one row later.
fn phase_of_several(figures: &Figures, name: &str) {
    let table = figures.table(name);
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let (samples, rank, success) = (number(row, "samples"), number(row, "rank"), number(row, "success"));
        let joint = !row["panel"].contains("no joint");
        let subspaces = row["solver"] == "subspaces";
        match samples - rank {
            ..0.0 => assert_eq!(success, 0.0, "{row:?}"),
            // An optimum may be missed by all starts of a trial or two.
            _ if joint => assert!(success >= 0.75, "{row:?}"),
            // Any partition into r rows each fits exactly, so the objective does not say which is right. From uniform
            // starts the first that is found is the right one less often than 1 in 3 from rank 4 on; of rank 2, where
            // there are few, mostly.
            0.0 if rank >= 4.0 => assert!(success <= 0.4, "{row:?}"),
            0.0 => {}
            _ => assert!(success >= 0.75, "{row:?}"),
        }
        seen.insert((joint, subspaces, samples > rank));
    }
    assert_eq!(seen.len(), 8, "{name}: a panel is missing");
}

fn phase_k2(figures: &Figures) {
    phase_of_several(figures, "phase-k2");
}

fn phase_k3(figures: &Figures) {
    phase_of_several(figures, "phase-k3");
}

/// Success comes later with smaller angles, more noise and unequal components; and it comes.
fn phase_real(figures: &Figures) {
    let table = figures.table("phase-real");
    let curve = |series: &str| table.curve(&[("series", series)], "samples", "success");
    // The failures over the grid: how late success comes.
    let late = |series: &str| curve(series).iter().map(|p| 1.0 - p.1).sum::<f64>();
    for series in ["15°", "45°", "90°", "deviation 0", "deviation 0.1", "4 and 4, 1:1", "2 and 6, 1:1"] {
        assert_eq!(last(&curve(series)), 1.0, "{series}");
    }
    for (sooner, later) in [
        ("90°", "15°"),
        ("deviation 0", "deviation 0.1"),
        ("deviation 0.1", "deviation 0.3"),
        ("4 and 4, 1:1", "4 and 4, 1:4"),
    ] {
        assert!(late(sooner) + 0.2 < late(later), "{sooner}: {}, {later}: {}", late(sooner), late(later));
    }
}

/// 12 of 48 where noise hides the component, 6 where it does not; the network above both ends.
fn rank_molrg(figures: &Figures) {
    let table = figures.table("rank-molrg");
    for model in ["exact", "fitted"] {
        for (snr, ratio) in table.curve(&[("model", model)], "snr", "rank_ratio") {
            // Of single points at sigma = 1.92 some have one component only; the mean hides it below 0.01.
            if snr > 1.0 / 0.3 {
                assert!((ratio - 0.125).abs() < 0.003, "{model}: {ratio} at {snr}");
            } else if snr < 1.0 / 3.0 {
                assert!((ratio - 0.25).abs() < 0.003, "{model}: {ratio} at {snr}");
            } else {
                assert!((0.12..=0.25).contains(&ratio), "{model}: {ratio} at {snr}");
            }
        }
    }
    let network = table.curve(&[("model", "network")], "snr", "rank_ratio");
    assert!(first(&network) > 0.3 && last(&network) > 0.3 && least(&network) < 0.3, "{network:?}");
}

/// A valley: near full rank at little noise, less in the middle, more again at much.
fn rank_real(figures: &Figures) {
    let table = figures.table("rank-real");
    for data in &ours(&table, "data") {
        let curve = table.curve(&[("data", data)], "snr", "rank_ratio");
        assert!(last(&curve) > 0.9, "{data}: {} at the least noise", last(&curve));
        let low = least(&curve);
        assert!(low < 0.7 * first(&curve) && low < 0.7 * last(&curve), "{data}: {curve:?}");
    }
}

/// Both closed-form models return what the network returns, more than chance would; the mixture is the nearer.
fn molrg_images(figures: &Figures) {
    let table = figures.table("molrg-images");
    for data in table.distinct("data") {
        let rp = |model: &str, measure: &str| {
            table.value(&[("data", &data), ("model", model), ("measure", measure)], "value")
        };
        let chance = rp("chance", "pixels");
        for model in ["gaussian", "mixture"] {
            assert!(rp(model, "pixels") > chance + 0.2, "{data}: {model} {}", rp(model, "pixels"));
        }
        let of = |model: &str| rp(model, "whiten:32");
        assert!(of("mixture") > of("gaussian"), "{data}: {} and {}", of("mixture"), of("gaussian"));
        assert!(of("mixture") > of("chance") + 0.02, "{data}: {} and {}", of("mixture"), of("chance"));
    }
}

/// GL rises with rows for each dimension; curves of all ranks are one; wider networks turn later.
fn gl_molrg(figures: &Figures) {
    let half = figures.table("gl-molrg-half");
    let wide = half.with(&[("width", if figures.full { "256" } else { "192" })]);
    assert!(
        !wide.is_empty() && wide.iter().all(|row| (5.0..25.0).contains(&number(row, "ratio"))),
        "{wide:?}"
    );
    let table = figures.table("gl-molrg");
    let ratios: Vec<String> = ["2", "5", "15"].map(str::to_string).to_vec();
    for width in table.distinct("width") {
        for rank in
            table.with(&[("width", &width)]).iter().map(|r| r["rank"].clone()).collect::<BTreeSet<_>>()
        {
            let curve = table.curve(&[("width", &width), ("rank", &rank)], "ratio", "gl");
            let rising: Vec<f64> = curve.iter().filter(|p| p.0 <= 50.0).map(|p| p.1).collect();
            assert!(rising.windows(2).all(|w| w[0] < w[1]), "width {width}, rank {rank}: {curve:?}");
            assert!(first(&curve) < 0.65 && last(&curve) > 0.9, "width {width}, rank {rank}: {curve:?}");
        }
        // Between ratios 2 and 15 GL rises by 0.5 and more; ranks differ by less than half of that.
        for ratio in &ratios {
            let all: Vec<f64> =
                table.with(&[("width", &width), ("ratio", ratio)]).iter().map(|r| number(r, "gl")).collect();
            assert!(spread(&all) < 0.25, "width {width}, ratio {ratio}: {all:?}");
        }
    }
    for ratio in &ratios[1..] {
        let of_widths: Vec<f64> =
            table.curve(&[("rank", "6"), ("ratio", ratio)], "width", "gl").iter().map(|p| p.1).collect();
        assert!(of_widths.windows(2).all(|w| w[0] > w[1] + 0.02), "ratio {ratio}: {of_widths:?}");
    }
}

/// Few images: networks agree and copy. Many: they agree and are new, also when they share no image.
fn regimes(figures: &Figures) {
    let table = figures.table("regimes");
    for data in &ours(&table, "data") {
        let of = |score: &str, series: &str| {
            table.curve(&[("data", data), ("score", score), ("series", series)], "rows", "value")
        };
        let series: BTreeSet<String> =
            table.with(&[("data", data)]).iter().map(|row| row["series"].clone()).collect();
        assert!(series.iter().any(|s| s.starts_with("widths")), "{data}: {series:?}");
        for series in series.iter().filter(|s| s.starts_with("widths")) {
            let rp = of("rp", series);
            assert!(first(&rp) > 0.4 && last(&rp) > 0.4, "{data}, {series}: {rp:?}");
            if figures.full && rp.len() > 4 {
                assert!(least(&rp) < first(&rp).min(last(&rp)) - 0.1, "no dip for {data}, {series}: {rp:?}");
            }
        }
        for series in series.iter().filter(|s| s.starts_with("width ") && !s.contains(',')) {
            for score in ["gl", "gl_ratio"] {
                let gl = of(score, series);
                // A narrow network, as briefly trained as in the small figure, is off one copy in eight.
                let copies = if figures.full { 0.1 } else { 0.2 };
                assert!(first(&gl) < copies && last(&gl) > 0.85, "{data}, {score}, {series}: {gl:?}");
            }
        }
        if figures.full && series.contains("width 48") {
            let at_64 = |width: &str| of("gl", width).into_iter().find(|p| p.0 == 64.0).unwrap().1;
            let of_widths = ["width 12", "width 24", "width 48"].map(at_64);
            assert!(of_widths[0] > of_widths[1] + 0.1 && of_widths[1] >= of_widths[2], "{of_widths:?}");
        }
        // Real images have a near neighbour among 4096 the more often the more alike all are (Fashion-MNIST: .69).
        assert!(least(&of("gl", "held-out images")) > 0.6, "{data}: held-out images look like copies");
        for series in series.iter().filter(|s| s.ends_with("other latents")) {
            assert!(largest(&of("rp", series)) < 0.15, "{data}, {series}");
        }
    }
}

/// Of mixtures, one and the same network turns at the more rows the more dimensions they have; of images at the more the
/// more flat dimensions these spread in.
fn regimes_dimension(figures: &Figures) {
    let table = figures.table("regimes-dimension");
    let of = |data: &str, column: &str| table.value(&[("data", data), ("method", "components")], column);
    let rows = |data: &str| of(data, "rows");
    // Both are told from each other by three times the spread of seeds, and more.
    assert!(rows("mixture8") > 2.0 * rows("mixture2"), "{} {}", rows("mixture8"), rows("mixture2"));
    for rank in [2.0, 8.0] {
        // Two components, orthogonal to each other; and what neighbours say of one, which grows dense with few rows only.
        let data = format!("mixture{rank}");
        assert!((of(&data, "dimension") - 2.0 * rank).abs() < 0.05 * rank, "{data}");
        let by = |method: &str| table.value(&[("data", &data), ("method", method)], "dimension");
        assert!((by("two-nearest") / rank - 1.0).abs() < 0.1, "{data}: {}", by("two-nearest"));
        assert!((by("nearest") / rank - 1.0).abs() < 0.1, "{data}: {}", by("nearest"));
    }
    // Of the larger one the network's own least rank along the flow is that of both components.
    let jacobian = table.value(&[("data", "mixture8"), ("method", "jacobian")], "dimension");
    assert!((jacobian - 16.0).abs() < 1.0, "{jacobian}");
    if figures.full {
        for in_order in
            [["mixture2", "mixture4", "mixture8", "mixture16"], ["patches8", "fashion8", "mnist", "digits"]]
        {
            for pair in in_order.windows(2) {
                assert!(rows(pair[1]) > 1.2 * rows(pair[0]), "{pair:?}: {} {}", rows(pair[0]), rows(pair[1]));
                assert!(of(pair[1], "dimension") > of(pair[0], "dimension"), "{pair:?}");
            }
        }
        let slope = figures.table("regimes-dimension-slope").value(&[("method", "components")], "slope");
        assert!((0.2..0.9).contains(&slope), "{slope}");
    }
    // Copies with few rows: what a network that samples something else, or from other latents, would not make.
    let gl = figures.table("regimes-dimension-gl");
    for data in ["mixture2", "mixture8"] {
        let curve = gl.curve(&[("data", data)], "rows", "gl");
        assert!(first(&curve) < 0.5 && last(&curve) > 0.9, "{data}: {curve:?}");
        assert!(curve.windows(2).all(|w| w[0].1 < w[1].1), "{data}: {curve:?}");
    }
}

/// What the optimal denoiser returns, networks return while they memorize.
fn optimal(figures: &Figures) {
    let table = figures.table("optimal");
    for series in &ours(&table, "series") {
        let rp = table.curve(&[("series", series)], "rows", "value");
        assert!(first(&rp) > 0.3 && last(&rp) < 0.1, "{series}: {rp:?}");
    }
}

/// No common image at first, and many in the end; copies of the own training set at first, none in the end.
fn disjoint(figures: &Figures) {
    let table = figures.table("disjoint");
    let rp = table.curve(&[("score", "rp")], "rows", "value");
    let grown = if figures.full { 0.6 } else { 0.1 };
    assert!(first(&rp) < 0.05 && last(&rp) > grown, "{rp:?}");
    for set in ["network of set A", "network of set B"] {
        let gl = table.curve(&[("score", "gl"), ("series", set)], "rows", "value");
        assert!(first(&gl) < 0.1 && last(&gl) > 0.85, "{set}: {gl:?}");
    }
}

/// The README's picture: three curves of regimes, number by number.
fn readme(figures: &Figures) {
    let (table, all) = (figures.table("readme"), figures.table("regimes"));
    let data = if figures.full { "mnist" } else { "digits" };
    let widths = if figures.full { "widths 12 and 24" } else { "widths 12 and 8" };
    let curves = [
        ("agree", "rp", widths),
        ("agree (disjoint sets)", "rp", "width 12, disjoint sets"),
        ("make new images", "gl", "width 12"),
    ];
    for (shown, score, series) in curves {
        let curve = table.curve(&[("two networks", shown)], "rows", "value");
        let of = [("data", data), ("score", score), ("series", series)];
        assert_eq!(curve, all.curve(&of, "rows", "value"), "{shown}");
    }
    assert_eq!(table.distinct("two networks").len(), curves.len());
}

/// Diffusion models agree with their own second seed and with each other; generators with latents of their own do neither.
fn similarity(figures: &Figures) {
    let table = figures.table("similarity");
    let of = |measure: &str, a: &str, b: &str| {
        let pair = |a: &str, b: &str| {
            table.with(&[("a", a), ("b", b)]).into_iter().find(|row| row["measure"].starts_with(measure))
        };
        number(pair(a, b).or(pair(b, a)).unwrap(), "value")
    };
    let rp = |a: &str, b: &str| of("RP", a, b);
    // The diagonal, too: another seed is other latents, as far as these are concerned.
    let generators = ["linear-vae", "vae", "gan"];
    for row in table
        .rows
        .iter()
        .filter(|row| [&row["a"], &row["b"]].iter().any(|m| generators.contains(&m.as_str())))
    {
        // RP 0; in pixels the smooth are now and then alike.
        let most = if row["measure"].starts_with("RP") { 0.01 } else { 0.1 };
        assert!(number(row, "value") < most, "{row:?}");
    }
    let itself: &[&str] = if figures.full {
        &[
            "mlp",
            "uvit",
            "unet8",
            "unet12",
            "euler",
            "dpm3",
            "vp-schedule",
            "subvp-schedule",
            "unet12-vp",
            "unet12-subvp",
            "unet12-ve",
        ]
    } else {
        &["mlp", "unet8"]
    };
    for model in itself {
        assert!(rp(model, model) > 0.6, "{model} and itself: {}", rp(model, model));
        // In pixels as well.
        let mae = if figures.full { 0.9 } else { 0.1 };
        assert!(of("MAE", model, model) > mae, "{model} and itself: {}", of("MAE", model, model));
    }
    // Fully trained networks agree among themselves, briefly trained ones with the Gaussian, which is learned first.
    let alike: &[(&str, &str, f64)] = if figures.full {
        &[
            ("unet8", "unet12", 0.6),
            ("unet12", "dpm3", 0.9),
            ("unet12", "euler", 0.9),
            ("unet12", "vp-schedule", 0.9),
            ("unet12", "subvp-schedule", 0.9),
            ("unet12", "unet12-vp", 0.6),
            ("unet12", "unet12-subvp", 0.6),
            ("unet12", "unet12-ve", 0.6),
            ("unet12", "consistency", 0.35),
        ]
    } else {
        &[("gaussian", "mlp", 0.4), ("mlp", "unet8", 0.05)]
    };
    for (a, b, least) in alike {
        assert!(rp(a, b) > *least, "{a} and {b}: {}", rp(a, b));
    }
    if figures.full {
        assert!(rp("vae", "vae") < 0.01 && rp("gan", "gan") < 0.01);
        // The longer a network has been trained, the nearer it is to itself, until it is trained to its end: there two
        // shares of 1000 images differ by .016, their standard error.
        let longer = figures.table("similarity-self");
        let by_length = |model: &str| -> Vec<f64> {
            let rows =
                longer.with(&[("a", model)]).into_iter().filter(|row| row["measure"].starts_with("RP"));
            rows.map(|row| number(row, "value")).collect()
        };
        let ve = by_length("unet12-ve");
        let (rising, end) = ve.split_at(ve.len() - 2);
        assert!(rising.len() == 3 && rising.windows(2).all(|w| w[0] + 0.05 < w[1]), "{ve:?}");
        assert!(end.iter().all(|rp| rising[2] + 0.05 < *rp) && (end[0] - end[1]).abs() < 0.05, "{ve:?}");
        // One step of consistency training has not come there: its two longest trainings rise by .08 and .11.
        let one_step = by_length("consistency");
        assert!(one_step.len() == 5 && one_step[2..].windows(2).all(|w| w[0] + 0.04 < w[1]), "{one_step:?}");
    }
    // And what they agree on is not the Gaussian.
    let unlike: &[&str] =
        if figures.full { &["mlp", "uvit", "unet8", "unet12", "mixture"] } else { &["unet8", "mixture"] };
    for model in unlike {
        assert!(rp("gaussian", model) < 0.4, "gaussian and {model}: {}", rp("gaussian", model));
    }
}

/// E_gen falls with N, E_mem rises to the memorizer's own; networks of all sizes agree where N/√|θ| does.
fn pfd_scaling(figures: &Figures) {
    let table = figures.table("pfd-scaling");
    for teacher in table.distinct("teacher") {
        for width in
            table.with(&[("teacher", &teacher)]).iter().map(|r| r["width"].clone()).collect::<BTreeSet<_>>()
        {
            let of = |y: &str| table.curve(&[("teacher", &teacher), ("width", &width)], "rows", y);
            let (gen_error, mem) = (of("gen"), of("mem_relative"));
            assert!(last(&gen_error) < 0.85 * first(&gen_error), "{teacher}, width {width}: {gen_error:?}");
            assert!(last(&mem) > 1.2 * first(&mem), "{teacher}, width {width}: {mem:?}");
        }
    }
    let widest = table.with(&[("teacher", "mixture")]).iter().map(|r| number(r, "width")).fold(0.0, f64::max);
    let gen_error = table.curve(&[("teacher", "mixture"), ("width", &widest.to_string())], "rows", "gen");
    let fallen = if figures.full { 0.55 } else { 0.65 };
    assert!(last(&gen_error) < fallen * first(&gen_error), "width {widest}: {gen_error:?}");
    let crossings = figures.table("pfd-scaling-crossing");
    let of = |y: &str| -> Vec<f64> {
        crossings.curve(&[("teacher", "mixture")], "parameters", y).iter().map(|p| p.1).collect()
    };
    let (raw, aligned) = (of("log2_rows"), of("log2_rows_over_sqrt_parameters"));
    assert!(raw.len() >= 3, "{raw:?}");
    assert!(raw.windows(2).all(|w| w[0] < w[1]), "{raw:?}");
    assert!(spread(&aligned) < 0.6 * spread(&raw), "aligned {aligned:?}, raw {raw:?}");
    if figures.full {
        // As long as networks are wide they are trained: then N/√|θ| decides, to two standard errors. As long for all, less.
        let table = figures.table("pfd-scaling-steps-slope");
        let of = |law: &str, column: &str| table.value(&[("law", law)], column);
        let law = "125 steps a unit";
        assert!((of(law, "slope") - 1.0).abs() < 2.0 * of(law, "slope_std_error"), "{}", of(law, "slope"));
        assert!(of(law, "slope_std_error") < 0.15);
        assert!(of("8000 steps", "slope") < of(law, "slope") - 0.2, "{}", of("8000 steps", "slope"));
        // Memorization goes on: four times the steps take some more of the distance from the optimum.
        for width in ["64", "128"] {
            let memory = figures.table("pfd-scaling-memory").curve(&[("width", width)], "steps", "mem");
            assert!(memory.windows(2).all(|w| w[1].1 < 0.92 * w[0].1), "{width}: {memory:?}");
        }
    }
}

/// Early learning: at few rows E_gen falls, then rises while E_mem goes on falling.
fn dynamics(figures: &Figures) {
    let table = figures.table("dynamics");
    let of = |error: &str| table.curve(&[("ratio", "2"), ("error", error)], "steps", "value");
    let (gen_error, mem) = (of("E_gen"), of("E_mem"));
    let low = least(&gen_error);
    assert!(first(&gen_error) > low + 0.03 && last(&gen_error) > low + 0.08, "{gen_error:?}");
    assert!(last(&mem) < first(&mem) - 0.5, "{mem:?}");
    if figures.full {
        let table = figures.table("dynamics-images");
        let with = |rows: &'static str, error: &'static str| {
            [
                ("kind", "unet"),
                ("width", "8"),
                ("lr", "0.001"),
                ("decay", "0"),
                ("average", "50"),
                ("loss", "edm"),
                ("rows", rows),
                ("error", error),
            ]
        };
        let of = |rows, error| table.curve(&with(rows, error), "steps", "value");
        // On images as well, the more the fewer there are; standard errors are up to 0.05.
        for (rows, rise) in [("32", 0.6), ("64", 0.3), ("128", 0.1)] {
            let gen_error = of(rows, "E_gen");
            assert!(last(&gen_error) > least(&gen_error) + rise, "{rows}: {gen_error:?}");
        }
        for rows in ["512", "1024"] {
            let gen_error = of(rows, "E_gen");
            assert!(last(&gen_error) < least(&gen_error) + 0.05, "{rows}: {gen_error:?}");
        }
        // It is small noise where the error rises; at large noise it goes on falling.
        for rows in ["32", "64"] {
            let level = |sigma: &'static str| {
                let mut fields = with(rows, "level").to_vec();
                fields.push(("sigma", sigma));
                table.curve(&fields, "steps", "value")
            };
            assert!(last(&level("0.1")) > 2.0 * least(&level("0.1")), "{:?}", level("0.1"));
            assert!(last(&level("3")) < 1.15 * least(&level("3")), "{:?}", level("3"));
        }
    }
}

/// The two add up to the error; variance rises with width, bias falls where there are rows enough.
fn bias_variance(figures: &Figures) {
    let table = figures.table("bias-variance");
    for ratio in table.distinct("ratio") {
        let of = |metric: &str| -> Vec<f64> {
            let curve = table.curve(&[("ratio", &ratio), ("metric", metric)], "parameters", "value");
            curve.iter().map(|p| p.1).collect()
        };
        let (error, bias, variance) = (of("gen_error_sq"), of("bias_sq"), of("variance"));
        for ((e, b), v) in error.iter().zip(&bias).zip(&variance) {
            // Sums of 2000 squares in f64.
            assert!((b + v - e).abs() < 1e-9 * e, "{b} + {v} is not {e}");
        }
        assert!(variance.windows(2).all(|w| w[0] < w[1]), "{ratio}: {variance:?}");
        // With fewer rows all networks memorize, and bias is that of the training sets.
        if ratio.parse::<f64>().unwrap() >= 15.0 {
            assert!(bias[bias.len() - 1] < 0.7 * bias[0], "{ratio}: {bias:?}");
        }
    }
}

/// Bias falls as steps^-2; the error as M^-1/2 until it meets the bias.
fn pfd_gaussian(figures: &Figures) {
    let bias = figures.table("pfd-gaussian-bias").curve(&[], "steps", "bias");
    for pair in bias.windows(2) {
        let slope = (pair[1].1 / pair[0].1).ln() / (pair[1].0 / pair[0].0).ln();
        // From 10 steps on the next order still adds up to a third.
        assert!((-2.5..=-1.9).contains(&slope), "slope {slope} between {pair:?}");
    }
    let table = figures.table("pfd-gaussian");
    for (steps, bias) in bias {
        let errors = table.curve(&[("steps", &steps.to_string())], "latents", "error");
        let (fewest, most) = (errors[0], errors[errors.len() - 1]);
        // At the end only the bias, and the noise that is left of 1/√M; at first, more than that.
        let noise = 0.15 / most.0.sqrt();
        assert!((most.1 - bias).abs() < 3.0 * noise, "{steps} steps: {errors:?}");
        if bias < 0.01 {
            let factor = fewest.1 / (most.1 - bias).abs().max(most.1 * 0.2);
            assert!(factor > 4.0, "{steps} steps: {errors:?}");
        }
    }
}

/// The orders of all solvers.
fn solvers(figures: &Figures) {
    let table = figures.table("solvers-order");
    for (solver, order) in
        [("euler", 1.0), ("heun", 2.0), ("dpm2", 2.0), ("dpmpp2m", 2.0), ("dpm3", 3.0), ("rk4", 4.0)]
    {
        for target in ["gaussian", "mixture"] {
            let slope = table.value(&[("target", target), ("solver", solver)], "slope");
            // Slopes reach the order only in the limit; neighbouring orders are 1 apart.
            assert!((slope + order).abs() < 0.45, "{solver} on the {target}: {slope}");
        }
    }
}

/// About the mean image the score dips at middle levels, deeper for few images; the affine map on images held out is
/// the Wiener filter for many, and not for few.
fn linearity(figures: &Figures) {
    let table = figures.table("linearity");
    let rows: Vec<String> = table.distinct("rows").into_iter().collect();
    let few = rows.iter().min_by_key(|rows| rows.parse::<u32>().unwrap()).unwrap();
    let many = rows.iter().max_by_key(|rows| rows.parse::<u32>().unwrap()).unwrap();
    let of =
        |rows: &str, measure: &str| table.curve(&[("rows", rows), ("measure", measure)], "sigma", "value");
    let (memorizing, generalizing) = (of(few, "centred"), of(many, "centred"));
    for curve in [&memorizing, &generalizing] {
        assert!(least(curve) < first(curve) - 0.03 && least(curve) < last(curve) - 0.03, "{curve:?}");
    }
    // Over seeds the least varies by some 0.01.
    assert!(least(&memorizing) < least(&generalizing) - 0.04, "{memorizing:?} {generalizing:?}");
    // The mean that all answers share hides most of it.
    assert!(least(&of(few, "linearity score")) > least(&memorizing) + 0.05);
    let apart = |rows| {
        let curve = of(rows, "affine map apart from Wiener");
        curve.into_iter().filter(|(sigma, _)| *sigma <= 1.0).map(|(_, value)| value).collect::<Vec<f64>>()
    };
    for (few, many) in apart(few).into_iter().zip(apart(many)) {
        assert!(few > 2.0 * many, "{few} and {many}");
    }
}

/// Few images are stored in columns, and hidden units tell them from others; of many neither.
fn two_layer(figures: &Figures) {
    let table = figures.table("two-layer");
    let share = |rows: &str, measure: &str| table.value(&[("rows", rows), ("measure", measure)], "share");
    assert!(
        share("5", "columns like a training image") > 0.1
            && share("1000", "columns like a training image") < 0.02
    );
    assert!(share("5", "AUC by std") >= 0.95, "{}", share("5", "AUC by std"));
    // The standard error of 0.5 for a thousand against eight hundred is 0.014.
    assert!((0.42..0.62).contains(&share("1000", "AUC by std")), "{}", share("1000", "AUC by std"));
}

/// Edits along the masked Jacobian, less what changes the rest, stay inside the mask and are larger than those along
/// pixels of the mask; they grow with the step, and transfer in part.
fn steering(figures: &Figures) {
    let table = figures.table("steering");
    let of = |direction: &str, step: &str, column: &str| {
        table.value(&[("level", "1"), ("direction", direction), ("step", step)], column)
    };
    let (share, size) = (of("null10", "2", "share"), of("null10", "2", "size"));
    assert!(share > 2.5 * of("random", "2", "share"), "{share}");
    assert!(size > 1.5 * of("pixels", "2", "size"), "{size}");
    assert!(share > of("null0", "2", "share") + 0.1, "{share}");
    let doubled = size / of("null10", "1", "size");
    assert!((1.7..2.2).contains(&doubled), "{doubled}");
    // The next image's direction, which is that of null5.
    let other = of("other", "2", "share");
    assert!(other > of("random", "2", "share") + 0.15 && other < of("null5", "2", "share"), "{other}");
}

/// Marked at a middle level images keep more of themselves, and of the mark under attack, than marked where sampling
/// starts; the denoiser sees the less of a mark the higher the level.
fn watermark(figures: &Figures) {
    let table = figures.table("watermark");
    let (middle, start) = ("1", "80");
    let value = |level: &str, measure: &str| table.value(&[("level", level), ("measure", measure)], "value");
    assert!(value(middle, "PSNR") > value(start, "PSNR") + 0.3);
    let found = |level: &str| {
        let rows = table.with(&[("level", level), ("measure", "TPR")]);
        let attacked = rows.iter().filter(|row| row["attack"] != "none").map(|row| number(row, "value"));
        (
            attacked.sum::<f64>() / (rows.len() - 1) as f64,
            table.value(&[("level", level), ("attack", "none")], "value"),
        )
    };
    // A rate of a hundred images has a standard error of 0.05, the mean of six attacks one of some 0.03.
    assert!(found(middle).0 > found(start).0 + 0.1, "{:?} {:?}", found(middle), found(start));
    assert!(found(middle).1 >= 0.95 && found(start).1 >= 0.95);
    let response = table.curve(&[("measure", "response")], "level", "value");
    assert!(
        response.windows(2).all(|w| w[1].1 < w[0].1) && last(&response) < 0.05 * first(&response),
        "{response:?}"
    );
}

/// Of models trained on their own samples entropy falls, volume for volume before variance, and what they draw comes
/// nearer to their rows; selection by distance slows it.
fn collapse(figures: &Figures) {
    let table = figures.table("collapse");
    let of = |law: &str, way: (&str, &str), measure: &str| {
        let fields = [("law", law), ("loop", way.0), ("by", way.1), ("measure", measure)];
        table.curve(&fields, "generation", "value")
    };
    let (random, threshold) = (("replace", "random"), ("replace", "threshold"));
    // The dimensions that entropy is measured in; and the least fall: at random a chain of Gaussians loses 0.11 a
    // generation, 2 in 20, from which the mean of two differs by 0.5. Networks lose more.
    for (law, dim, fall) in [("gaussian", 8.0, 1.0), ("mixture", 8.0, 1.0), ("network", 6.0, 0.8)] {
        if !table.distinct("law").contains(law) {
            continue;
        }
        let entropy = of(law, random, "entropy");
        let fallen = first(&entropy) - last(&entropy);
        assert!(fallen > fall, "{law}: {entropy:?}");
        // What a variance, the trace over d, would be of a Gaussian with this entropy: e^(2H/d) in other units.
        let trace = of(law, random, "trace");
        let volume = (-2.0 * fallen / dim).exp();
        assert!(volume < last(&trace) / first(&trace) - 0.1, "{law}: {volume}, {trace:?}");
        let gl = of(law, random, "gl");
        assert!(last(&gl) < 0.95 * first(&gl), "{law}: {gl:?}");
        let correlation = figures
            .table("collapse-correlation")
            .value(&[("law", law), ("loop", "replace"), ("by", "random")], "correlation");
        assert!(correlation > if law == "network" { 0.5 } else { 0.9 }, "{law}: {correlation}");
        if law == "gaussian" || figures.full {
            let kept = last(&of(law, threshold, "entropy"));
            assert!(kept > last(&entropy) + 0.5, "{law}: {kept} selected, {} not", last(&entropy));
        }
    }
    if figures.full {
        // Accumulated rows keep their entropy, and the farthest rows are ever farther.
        for law in table.distinct("law") {
            let entropy = of(&law, ("accumulate", "random"), "entropy");
            assert!((last(&entropy) - first(&entropy)).abs() < 0.6, "{law}: {entropy:?}");
        }
        let trace = of("gaussian", ("replace", "farthest"), "trace");
        assert!(last(&trace) > 50.0 * first(&trace), "{trace:?}");
    }
}

/// Posterior means show classes best at a middle level, in their subspaces as to a linear probe; not so the optimum of
/// few rows, nor networks trained on few.
fn representation(figures: &Figures) {
    let table = figures.table("representation");
    let of = |model: &str, rows: &str, measure: &str| {
        table.curve(&[("model", model), ("rows", rows), ("measure", measure)], "sigma", "value")
    };
    let (snr, linear) = ("signal to noise", "linear probe");
    let peak = |curve: &[(f64, f64)]| curve.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    // Two components: table 4 of arXiv 2502.05743, of a trained model on 30 000 rows. Errors of ours are up to 3 %.
    let exact = of("exact2", "", snr);
    for (sigma, published) in [(0.008, 24.88), (0.14, 35.84), (0.296, 58.27), (0.585, 20.84), (1.923, 1.57)] {
        let ours = exact.iter().find(|p| p.0 == sigma).unwrap().1;
        assert!((ours / published - 1.0).abs() < 0.1, "{ours} at {sigma}, where {published} is published");
    }
    // One peak, for both at the same level, from which both fall on both sides.
    for curve in [&exact, &of("exact3", "", snr)] {
        let at = curve.iter().position(|p| p.0 == peak(curve).0).unwrap();
        let (rising, falling) = (&curve[..=at], &curve[at..]);
        // At little noise the curve is flat, to its error of 1 %.
        assert!(rising.windows(2).all(|w| w[0].1 < 1.02 * w[1].1), "{curve:?}");
        assert!(falling.windows(2).all(|w| w[0].1 > w[1].1), "{curve:?}");
        assert!(peak(curve).1 > 2.0 * first(curve) && peak(curve).1 > 10.0 * last(curve), "{curve:?}");
    }
    // The probe's errors are 0.005, of differences between levels less: rows and noise are the same.
    let probe = of("exact3", "", linear);
    assert!((0.14..=0.296).contains(&peak(&probe).0) && peak(&of("exact3", "", snr)).0 == 0.296, "{probe:?}");
    assert!(peak(&probe).1 > first(&probe) + 0.003 && peak(&probe).1 > last(&probe) + 0.08, "{probe:?}");
    // The peak over what is left of it without noise.
    let height = |model: &str, rows: &str| {
        let curve = of(model, rows, snr);
        peak(&curve).1 / first(&curve)
    };
    assert!(height("empirical", "30") < 1.05 && height("empirical", "3000") > 1.2);
    assert!(height("exact3", "") > height("empirical", "3000") + 0.5);
    assert!(height("unet", "16") < 1.05, "{}", height("unet", "16"));
    if figures.full {
        assert!(height("mlp", "4000") > 1.5 && height("mlp", "30") < 0.8 * height("mlp", "4000"));
    }
}

/// Alone, the mean's part moves all samples alike; the positive part lets the variance grow where the class has more than
/// all, by the factor of the theory, the negative one shrink where it has less; together they do both. A network does as
/// much in kind, and its guidance is nearly the linear one where noise is large.
fn guidance(figures: &Figures) {
    let table = figures.table("guidance");
    let of = |model: &str, part: &str, gamma: &str, measure: &str| {
        let fields =
            [("model", model), ("part", part), ("interval", "all"), ("gamma", gamma), ("measure", measure)];
        table.value(&fields, "value")
    };
    let (mean, spread) = ("mean of what it moves", "spread of what it moves");
    let (more, less) = ("variance in positive components", "variance in negative components");
    for gamma in ["1", "2"] {
        // Exactly alike: what is left is rounding to f32.
        assert!(of("linear", "mean", gamma, spread) < 1e-5 * of("linear", "mean", gamma, mean));
        for part in ["positive", "negative"] {
            assert!(of("linear", part, gamma, spread) > 5.0 * of("linear", part, gamma, mean), "{part}");
        }
        // The mean's part leaves variances as they are.
        for measure in [more, less] {
            let change = of("linear", "mean", gamma, measure) / of("linear", "mean", "0", measure);
            assert!((change - 1.0).abs() < 1e-4, "{measure}: {change}");
        }
        // λ_c/λ_u to the power of γ, of 1.25 and 0.25 in the class, (1.25 + 2·0.25)/3 in all, besides the means' part of
        // the covariance of all, which adds up to a tenth to it, and the steps of the flow.
        let power: f64 = gamma.parse().unwrap();
        let all: f64 = (1.25 + 2.0 * 0.25) / 3.0;
        for (measure, parts, factor) in
            [(more, ["full", "positive"], 1.25 / all), (less, ["full", "negative"], 0.25 / all)]
        {
            for part in parts {
                let change = of("linear", part, gamma, measure) / of("linear", part, "0", measure);
                let log_ratio = (change / factor.powf(power)).ln();
                assert!(log_ratio.abs() < 0.15 * power, "{part}, γ = {gamma}: {change}, not {factor}^γ");
            }
        }
    }
    assert!(of("network", "full", "2", more) > 1.3 * of("network", "full", "0", more));
    assert!(of("network", "full", "2", less) < 0.8 * of("network", "full", "0", less));
    let apart = figures.table("guidance-apart");
    let curve = |model: &str| apart.curve(&[("model", model)], "sigma", "value");
    let at = |model: &str, sigma: f64| curve(model).into_iter().find(|p| p.0 == sigma).unwrap().1;
    // Of the mixture the guidance is another at middle levels, and becomes the linear one; a network adds its own error.
    assert!(at("mixture", 1.0) > 0.1 && at("mixture", 4.0) < 0.02, "{:?}", curve("mixture"));
    assert!(at("network", 4.0) < 0.2, "{:?}", curve("network"));
    // On images: the class that is asked for, by a probe of real images, the more the more guidance, and less entropy.
    let images = figures.table("guidance-images");
    let told = |weight: &str, measure: &str| {
        images.value(&[("from", "network"), ("guidance", weight), ("measure", measure)], "value")
    };
    let right: Vec<f64> = ["1", "2", "4"].map(|weight| told(weight, "accuracy")).into();
    assert!(right[0] >= if figures.full { 0.8 } else { 0.5 } && right.is_sorted(), "{right:?}");
    let entropy = ["1", "4"].map(|weight| told(weight, "entropy"));
    assert!(entropy[1] < entropy[0] - 1.0, "{entropy:?}");
}

fn local_machines(figures: &Figures) {
    let t = figures.table("local-machines");
    let of = |padding, machine, measure| {
        t.value(&[("padding", padding), ("machine", machine), ("measure", measure)], "value")
    };
    let agreement = |padding, machine| of(padding, machine, "agreement");
    // With zeros at the border, networks see where it is: the machine that does so, too, predicts them best.
    let [ideal, local, bordered] = ["ideal", "local", "bordered"].map(|machine| agreement("zero", machine));
    assert!(bordered > local + 0.01 && local > ideal + 0.1, "{bordered} {local} {ideal}");
    // On a torus only what knows of shifts does.
    let [ideal, local, shifted] = ["ideal", "local", "shifted"].map(|machine| agreement("circular", machine));
    assert!(shifted > local + 0.3 && local > ideal + 0.05, "{shifted} {local} {ideal}");
    for (padding, best) in [("zero", "bordered"), ("circular", "shifted")] {
        assert!(agreement(padding, best) > 0.85, "{padding}: {}", agreement(padding, best));
        assert!(of(padding, best, "above") >= 0.95, "{padding}: {}", of(padding, best, "above"));
        assert!(of(padding, best, "shuffled") < agreement(padding, best) - 0.3, "{padding}");
        // Patches shrink with the noise.
        let patches = figures.table("local-machines-patches");
        let curve = patches.curve(&[("padding", padding), ("machine", best)], "sigma", "patch");
        let mean = |range: std::ops::Range<f64>| {
            let within: Vec<f64> = curve.iter().filter(|p| range.contains(&p.0)).map(|p| p.1).collect();
            within.iter().sum::<f64>() / within.len() as f64
        };
        assert!(mean(0.0..0.2) + 1.0 < mean(0.3..3.0) && mean(0.3..3.0) + 1.0 < mean(4.0..30.0), "{curve:?}");
    }
}

/// At much noise a network's score is the Gaussian's, so that its flow can begin late; linear denoisers learn modes in
/// order of their variance, and an mlp nearly so; and disjoint sets' Gaussians are as far apart as random matrices have it.
fn linear_lens(figures: &Figures) {
    let table = figures.table("linear-lens");
    let of = |panel: &str, model: &str| table.curve(&[("panel", panel), ("model", model)], "x", "value");
    let at = |curve: &[(f64, f64)], x: f64| curve.iter().find(|p| p.0 == x).unwrap().1;
    let (gaussian, memory) = (of("left unexplained", "gaussian"), of("left unexplained", "memory"));
    assert!(
        at(&gaussian, 10.0) < 0.0015
            && at(&gaussian, 1.0) < 0.04
            && (0.05..0.3).contains(&at(&gaussian, 0.1)),
        "{gaussian:?}"
    );
    // Of images held out, a network that generalizes says what the Gaussian does, not the nearest row.
    assert!(at(&memory, 0.5) > 3.0 * at(&gaussian, 0.5), "{memory:?}");
    let (teleported, heun) = (of("distance of samples", "teleported"), of("distance of samples", "heun"));
    // Twelve levels that are left do better than twelve of the whole way, and than sixteen.
    assert!(at(&teleported, 23.0) < 0.7 * at(&heun, 23.0), "{teleported:?}, {heun:?}");
    assert!(at(&teleported, 23.0) < at(&heun, 31.0), "{teleported:?}, {heun:?}");
    // More levels of the whole way help by their square, of what is left not for ever: the network is no Gaussian.
    assert!(at(&heun, 31.0) < 0.25 * at(&heun, 15.0), "{heun:?}");
    assert!(at(&teleported, 31.0) > 0.05, "{teleported:?}");
    for layers in ["one-layer", "two-layer"] {
        let times = of("time of emergence", layers);
        let logs: Vec<(f64, f64)> = times.iter().map(|p| (p.0.ln(), p.1.ln())).collect();
        let slope = molrg::measure::curve::line(&logs).unwrap().slope;
        assert!((slope + 1.0).abs() < 0.05, "{layers}: {slope}");
    }
    // At one noise level a linear network by gradient descent learns modes when theory says, within what gains by chance
    // before training do (a fifth of a mode's time, over forty modes); an mlp more slowly the smaller they are, too, and a
    // U-Net, which shares weights between places, hardly: over seeds its slope and the mlp's spread by less than .1.
    let learned = |model: &str| of("steps until learned", model);
    let theory = learned("theory");
    let late: Vec<f64> = learned("linear").iter().map(|p| (p.1 / at(&theory, p.0)).ln()).collect();
    let late = late.iter().sum::<f64>() / late.len() as f64;
    assert!(late.abs() < 0.15, "{late}");
    let exponents = figures.table("linear-lens-exponents");
    let slope = |model: &str| exponents.value(&[("model", model)], "slope");
    assert!((slope("linear") + 1.0).abs() < 0.15, "{}", slope("linear"));
    assert!((-1.2..-0.5).contains(&slope("mlp")), "{}", slope("mlp"));
    assert!((-0.4..0.1).contains(&slope("unet")), "{}", slope("unet"));
    let apart = |model: &str| of("distance of disjoint sets", model);
    for ((n, predicted), (_, measured)) in apart("theory").into_iter().zip(apart("gaussian")) {
        // One pair of sets, of data that are no Gaussian.
        assert!((measured / predicted - 1.0).abs() < 0.2, "{n}: {measured}, not {predicted}");
    }
    // From other latents networks would be as far apart as images are, whatever the rows.
    let network = apart("mlp");
    assert!(network.windows(2).all(|w| w[0].1 > w[1].1), "{network:?}");
    assert!(last(&network) < 0.6 * first(&network), "{network:?}");
}

/// The mean of the posterior is the bound, its draws have twice that error, and no other method much less than they; of
/// images, all methods with a network restore more than is there without a model.
fn inverse(figures: &Figures) {
    let table = figures.table("inverse");
    let of = |data: &str, operator: &str, noise: &str, method: &str, column: &str| {
        let fields = [("data", data), ("operator", operator), ("noise", noise), ("method", method)];
        table.value(&fields, column)
    };
    for operator in ["mask", "downsample", "blur"] {
        for noise in ["0.1", "0.3"] {
            let error = |method: &str| of("mixture", operator, noise, method, "error");
            // E‖x − x'‖² of two draws of one law is twice its variance; 300 rows have it to a tenth.
            let draws = error("draw") / error("mean");
            assert!((draws - 2.0).abs() < 0.25, "{operator}, s = {noise}: {draws}");
            for method in ["dps", "pigdm", "ddnm", "dcdp", "pseudo"] {
                let over = error(method) / error("mean");
                assert!(over > 1.75, "{operator}, s = {noise}: {method} {over}");
            }
            // One comes near to draws everywhere.
            assert!(error("pigdm") < 1.8 * error("draw"), "{operator}, s = {noise}: {}", error("pigdm"));
        }
        let of_mean = [("data", "mixture"), ("operator", operator), ("method", "mean")];
        let means = table.curve(&of_mean, "noise", "error");
        assert!(means.windows(2).all(|w| w[1].1 > 1.2 * w[0].1), "{operator}: {means:?}");
        // Without a model: what has the least error of the shortest item that agrees and of what is measured.
        let psnr = |method: &str| of("digits", operator, "0.05", method, "psnr");
        let baseline = if operator == "blur" { psnr("seen").max(psnr("pseudo")) } else { psnr("pseudo") };
        for method in ["dps", "pigdm", "ddnm", "dcdp"] {
            assert!(psnr(method) > baseline + 0.5, "{operator}: {method} {}", psnr(method));
        }
    }
    // Blur hides what is fine: noise that is divided by next to nothing drowns the pseudo-inverse.
    let blurred = |method: &str| of("mixture", "blur", "0.1", method, "error");
    assert!(blurred("pseudo") > 10.0 * blurred("dps"));
}

/// FlowDAS follows both systems, by second order nearer to the law than by first, and far better than as its code has it; members that
/// a regression moves keep no spread, where a learned transition forecasts the law.
fn assimilation(figures: &Figures) {
    let table = figures.table("assimilation");
    let mean = |system: &str, task: &str, method: &str, score: &str| {
        let fields = [("system", system), ("task", task), ("method", method), ("score", score)];
        let curve = table.curve(&fields, "step", "value");
        curve.iter().map(|p| p.1).sum::<f64>() / curve.len() as f64
    };
    let rmse = |method: &str| mean("lorenz", "follow", method, "rmse");
    // By second order no worse, and with the spread that it should have, where by first it has too much.
    assert!(rmse("flowdas") < 1.02 * rmse("first"), "{} {}", rmse("flowdas"), rmse("first"));
    let beyond = |method: &str| {
        let [own, exact] = [method, "particle"].map(|method| mean("lorenz", "follow", method, "spread"));
        (own / exact - 1.0).abs()
    };
    assert!(beyond("flowdas") < 0.5 * beyond("first"), "{} {}", beyond("flowdas"), beyond("first"));
    assert!(rmse("flowdas") < 0.7 * rmse("published"), "{} {}", rmse("flowdas"), rmse("published"));
    if figures.full {
        assert!(rmse("flowdas") < 0.65 * rmse("first"), "{} {}", rmse("flowdas"), rmse("first"));
    }
    for system in ["lorenz", "well"] {
        let of = |task: &str, method: &str, score: &str| mean(system, task, method, score);
        // What knows the system is not beaten, the two that do know as much, and both as much as they say.
        let [particle, ensemble] = ["particle", "ensemble"].map(|method| of("follow", method, "rmse"));
        let flowdas = of("follow", "flowdas", "rmse");
        assert!(particle < 1.05 * flowdas, "{system}: {particle} {flowdas}");
        assert!((ensemble / particle - 1.0).abs() < 0.15, "{system}: {ensemble} {particle}");
        for method in ["particle", "ensemble"] {
            let said = of("follow", method, "spread") / of("follow", method, "rmse");
            assert!((0.8..1.5).contains(&said), "{system}, {method}: {said}");
        }
        // A forecast of members that spread is the better one where the law is wide, and the system's own the best.
        if figures.full || system == "lorenz" {
            let [known, learned, mean] =
                ["particle", "flowdas", "regression"].map(|method| of("forecast", method, "crps"));
            assert!(known < 1.02 * learned && learned < 0.9 * mean, "{system}: {known} {learned} {mean}");
            assert!(known > 0.5 * learned, "{system}: {known} {learned}");
        }
        // To see helps: without, errors are as large as the law is wide, which in the small figure's time gets less wide.
        let (seen, blind) = (of("follow", "flowdas", "rmse"), of("forecast", "flowdas", "rmse"));
        let share = if figures.full { 0.7 } else { 0.92 };
        assert!(seen < share * blind, "{system}: {seen} {blind}");
        // As much as it is off, it says.
        let calibrated = of("follow", "flowdas", "spread") / seen;
        assert!((0.6..2.2).contains(&calibrated), "{system}: {calibrated}");
        // Rounding alone tells its members apart.
        let collapsed = of("forecast", "regression", "spread");
        assert!(collapsed < 1e-6, "{system}: {collapsed}");
        // Of the law's width, by particles that the system itself moves. In the small figure the network of lorenz is a rough one.
        let width = of("forecast", "flowdas", "spread") / of("forecast", "particle", "spread");
        let most = if figures.full { 1.35 } else { 2.3 };
        assert!((0.8..most).contains(&width), "{system}: {width}");
    }
}

/// Samples end about σ²e off the ridge, e being the error of the score across it, and as much off its modes, of the
/// error along: of the optimum not at all, of random features the less the longer they are trained.
fn ridge(figures: &Figures) {
    let table = figures.table("ridge");
    let (across, along) = ("distance over normal error", "spread over tangential error");
    let sigma: f64 = 0.42;
    // By what distance falls with training, and spread, which is bounded by half of what points are apart.
    for (panel, fall, at_least) in [(across, 5.0, 0.25), (along, 1.15, 0.1)] {
        assert!(table.value(&[("panel", panel), ("model", "exact")], "value") < 0.01, "{panel}");
        for row in table.with(&[("panel", panel)]) {
            // Without an error across the ridge samples are on it, wherever along.
            if panel == across && row["model"] == "line" {
                assert!(number(row, "value") < 1e-6 && number(row, "x") < 1e-6, "{row:?}");
            } else if row["model"] != "exact" {
                // 1 for a straight ridge and an error of the denoiser that is the same at all levels.
                let ratio = number(row, "value") / (sigma.powi(2) * number(row, "x"));
                assert!((at_least..3.0).contains(&ratio), "{ratio} in {row:?}");
            }
        }
        for model in ["features40", "features300"] {
            let curve = table.curve(&[("panel", panel), ("model", model)], "x", "value");
            assert!(last(&curve) > fall * first(&curve), "{panel}, {model}: {curve:?}");
        }
    }
    // Without an error the flow reaches the ridge; with one it stops before, or leaves it again.
    let flow = figures.table("ridge-flow");
    let of = |model: &str, time: &str| flow.curve(&[("model", model), ("of", time)], "x", "value");
    let exact = of("exact", "0");
    assert!(exact.windows(2).all(|w| w[1].1 > 1.3 * w[0].1), "{exact:?}");
    let (short, long) = (of("features300", "3"), of("features300", "100000"));
    assert!(first(&exact) < 0.1 * first(&long) && first(&long) < 0.3 * first(&short), "{long:?}, {short:?}");
    // Of images: a network that memorizes ends on its training set's ridge, one that generalizes as far off as images held out.
    let images = figures.table("ridge-images");
    for (panel, fall) in [(across, 3.0), (along, 3.0)] {
        let curve = images.curve(&[("panel", panel), ("model", "network of width 12")], "x", "value");
        assert!(last(&curve) > fall * first(&curve), "{panel}: {curve:?}");
    }
    let of = |model: &str| images.curve(&[("panel", "distance over rows"), ("model", model)], "x", "value");
    let (network, held_out) = (of("network of width 12"), of("held-out images"));
    assert!(first(&network) < 0.15 * first(&held_out), "{network:?}, {held_out:?}");
    let ratio = last(&network) / last(&held_out);
    assert!((0.6..1.4).contains(&ratio), "{network:?}, {held_out:?}");
    assert!(of("the set itself").iter().all(|p| p.1 < 1e-3));
}

/// After one subspace risk rises by sin² of the angle, after a union it is flat; training and simulation have it, too.
fn in_context(figures: &Figures) {
    let table = figures.table("in-context");
    let prompts = table.distinct("prompt");
    assert!(prompts.len() > 1 && prompts.contains("1000"), "{prompts:?}");
    for prompt in &prompts {
        let curve = |tasks: &str, how: &str| {
            table.curve(&[("prompt", prompt), ("tasks", tasks), ("how", how)], "angle", "risk")
        };
        let one = curve("single", "optimal");
        let (start, end) = (first(&one), last(&one));
        assert!(end > start + 3.0, "{one:?}");
        for (angle, risk) in &one {
            let sin2 = angle.to_radians().sin().powi(2);
            assert!((risk - start - (end - start) * sin2).abs() < 1e-9, "{prompt}: {one:?}");
        }
        for tasks in ["single", "union2", "union4"] {
            let best = curve(tasks, "optimal");
            let flat = best.iter().all(|(_, risk)| (risk - first(&best)).abs() < 1e-9);
            assert_eq!(flat, tasks != "single", "{prompt}, {tasks}: {best:?}");
            for ((_, trained), (angle, risk)) in curve(tasks, "trained").into_iter().zip(&best) {
                // Three digits at full length; a thousand steps leave some per cent.
                let apart = if figures.full { 0.005 } else { 0.05 };
                assert!((trained / risk - 1.0).abs() < apart, "{prompt}, {tasks}, {angle}: {trained} {risk}");
            }
            for row in table.with(&[("prompt", prompt), ("tasks", tasks), ("how", "simulated")]) {
                let exact = best.iter().find(|(angle, _)| *angle == number(row, "angle")).unwrap().1;
                let off = (number(row, "risk") - exact).abs() / number(row, "std_error");
                let most = if figures.full { 0.06 } else { 0.15 };
                assert!(off < 4.0 && number(row, "std_error") < most * exact, "{row:?}: {exact}");
            }
        }
        // Long prompts are answered, and of short ones more is missing the more subspaces there are.
        assert!(last(&curve("union2", "optimal")) < last(&curve("union4", "optimal")));
    }
    // The same formulas in NumPy, to their last digit.
    for (tasks, prompt, angle, risk) in [
        ("single", "20", "0", 1.154),
        ("single", "20", "45", 3.427),
        ("single", "20", "90", 5.699),
        ("single", "1000", "45", 1.768),
        ("union2", "1000", "45", 0.056),
    ] {
        let fields = [("tasks", tasks), ("how", "optimal"), ("prompt", prompt), ("angle", angle)];
        let ours = table.value(&fields, "risk");
        assert!((ours - risk).abs() < 6e-4, "{tasks}, {prompt}, {angle}: {ours}");
    }
}

/// Ends of conditioned paths are as far from the target as the noise of a step, √(1/K), whatever leads there; and steering takes
/// samples to the class that is asked for, where a random direction of the same length does not.
fn conditioning(figures: &Figures) {
    let table = figures.table("conditioning");
    for (system, how) in [
        ("ou", "exact"),
        ("ou", "polynomial"),
        ("ou", "mlp"),
        ("well", "exact"),
        ("well", "mlp"),
        ("ou5", "mlp"),
    ] {
        let fields = [("system", system), ("how", how), ("measure", "distance of ends")];
        for (steps, distance) in table.curve(&fields, "steps", "value") {
            let ratio = distance * steps.sqrt();
            // The noise of a step, and what a step's drift and a network's error add.
            assert!((0.9..1.3).contains(&ratio), "{system}, {how}, {steps} steps: {ratio}");
        }
    }
    let off = |system: &str, how: &str| {
        let fields = [("system", system), ("how", how), ("measure", "distance from exact paths")];
        largest(&table.curve(&fields, "steps", "value"))
    };
    // Of the spread of such paths, about .4 and .8. A line is the control of ou itself.
    assert!(off("ou", "polynomial") < 0.02 && off("ou", "mlp") < 0.06);
    assert!(off("well", "polynomial") < 0.25 && off("well", "mlp") < 0.3);

    let steering = figures.table("conditioning-steering");
    let of = |method: &str, y: &str| steering.curve(&[("method", method)], "weight", y);
    let rates = |method: &str| of(method, "target_rate");
    let unsteered = first(&rates("edit"));
    assert!((0.25..0.42).contains(&unsteered), "a third: {unsteered}");
    assert!((last(&rates("random")) - unsteered).abs() < 0.12, "{:?}", rates("random"));
    for (method, at_least) in [("edit", 0.75), ("both", 0.85), ("align", 0.95), ("gradient", 0.95)] {
        assert!(last(&rates(method)) > at_least, "{method}: {:?}", rates(method));
        let distances = of(method, "distance");
        assert!(least(&distances) < 0.8 * first(&of("random", "distance")), "{method}: {distances:?}");
    }
    // The gradient of the classifier that the mixture is: nothing is nearer.
    let nearest = |method: &str| least(&of(method, "distance"));
    assert!(["edit", "align", "both"].iter().all(|method| nearest("gradient") < nearest(method)));
    assert_eq!(steering.distinct("evaluations").len(), 1, "of the network");
}

macro_rules! claims {
    ($($name:ident),*) => {
        mod committed {
            $(#[test]
            fn $name() {
                super::$name(&super::Figures::committed());
            })*
        }
        mod small {
            $(#[test]
            #[ignore = "reads what make figures SIZE=small draws"]
            fn $name() {
                super::$name(&super::Figures::small());
            })*
        }
    };
}

claims!(
    phase_k1,
    phase_k2,
    phase_k3,
    phase_real,
    rank_molrg,
    rank_real,
    molrg_images,
    gl_molrg,
    regimes,
    regimes_dimension,
    optimal,
    disjoint,
    readme,
    similarity,
    pfd_scaling,
    dynamics,
    bias_variance,
    pfd_gaussian,
    solvers,
    linearity,
    two_layer,
    steering,
    watermark,
    collapse,
    representation,
    guidance,
    local_machines,
    linear_lens,
    inverse,
    assimilation,
    ridge,
    in_context,
    conditioning
);

/// Claims bite: of a table that a wrong program would have made, each alteration alone breaks its claim.
mod altered {
    use super::{Alter, Figures, Row, number};

    /// `figure` is the claim, `table` one of its tables.
    fn break_the_claim(figure: fn(&Figures), table: &'static str, alterations: &[(&str, Alter)]) {
        for (what, alter) in alterations {
            let figures = Figures { altered: Some((table, *alter)), ..Figures::committed() };
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| figure(&figures))).is_ok();
            assert!(!held, "{table}: {what}, and the claim holds");
        }
    }

    fn is(row: &Row, column: &str, value: &str) -> bool {
        row[column] == value
    }

    fn change(row: &mut Row, column: &str, to: impl Fn(f64) -> f64) {
        let value = to(number(row, column));
        row.insert(column.to_string(), value.to_string());
    }

    #[test]
    fn similarity() {
        break_the_claim(
            super::similarity,
            "similarity",
            &[
                ("one model's samples are of other latents", |row| {
                    if is(row, "a", "unet8") != is(row, "b", "unet8") {
                        change(row, "value", |_| 0.0);
                    }
                }),
                ("second seeds are other latents", |row| {
                    if row["a"] == row["b"] {
                        change(row, "value", |_| 0.0);
                    }
                }),
                ("the second seed of a generator is the first", |row| {
                    if is(row, "a", "gan") && is(row, "b", "gan") {
                        change(row, "value", |_| 1.0);
                    }
                }),
                ("no threshold", |row| {
                    if row["measure"].starts_with("RP") {
                        change(row, "value", |_| 1.0);
                    }
                }),
                ("pixels in another range", |row| {
                    if row["measure"].starts_with("MAE") {
                        change(row, "value", |_| 0.0);
                    }
                }),
                ("all models but generators are one", |row| {
                    if ["a", "b"]
                        .iter()
                        .all(|column| !["gan", "vae", "linear-vae"].contains(&row[*column].as_str()))
                    {
                        change(row, "value", |_| 1.0);
                    }
                }),
            ],
        );
    }

    #[test]
    fn regimes_dimension() {
        break_the_claim(
            super::regimes_dimension,
            "regimes-dimension-gl",
            &[("distances are from fresh rows", |row| change(row, "gl", |gl| gl.max(1.0)))],
        );
        break_the_claim(
            super::regimes_dimension,
            "regimes-dimension",
            &[
                ("all mixtures turn at the same rows", |row| {
                    if row["data"].starts_with("mixture") {
                        change(row, "rows", |_| 20.0);
                    }
                }),
                ("one of the components is counted", |row| {
                    if is(row, "method", "components") {
                        change(row, "dimension", |d| d / 2.0);
                    }
                }),
                ("a bias of two neighbours", |row| {
                    if is(row, "method", "two-nearest") {
                        change(row, "dimension", |d| 1.15 * d);
                    }
                }),
                ("squared distances of neighbours", |row| {
                    if is(row, "method", "nearest") {
                        change(row, "dimension", |d| d / 2.0);
                    }
                }),
                ("Jacobians of full rank", |row| {
                    if is(row, "method", "jacobian") {
                        change(row, "dimension", |_| 64.0);
                    }
                }),
            ],
        );
    }

    #[test]
    fn assimilation() {
        fn of(row: &Row, task: &str, method: &str, score: &str) -> bool {
            is(row, "task", task) && is(row, "method", method) && is(row, "score", score)
        }
        break_the_claim(
            super::assimilation,
            "assimilation",
            &[
                ("observations are not seen", |row| {
                    if is(row, "task", "follow") && is(row, "method", "flowdas") {
                        change(row, "value", |v| 2.1 * v);
                    }
                }),
                ("a gradient too small", |row| {
                    if of(row, "follow", "flowdas", "rmse") {
                        change(row, "value", |v| 1.25 * v);
                    }
                }),
                ("a step without its noise", |row| {
                    if is(row, "method", "flowdas") && is(row, "score", "spread") {
                        change(row, "value", |v| 0.3 * v);
                    }
                }),
                ("an ensemble that is off", |row| {
                    if of(row, "follow", "ensemble", "rmse") {
                        change(row, "value", |v| 1.3 * v);
                    }
                }),
                ("particles that lag", |row| {
                    if of(row, "follow", "particle", "rmse") && is(row, "system", "well") {
                        change(row, "value", |v| 5.0 * v);
                    }
                }),
                ("a score that forgives the members that are one point", |row| {
                    if is(row, "method", "regression") && is(row, "score", "crps") {
                        change(row, "value", |v| 0.5 * v);
                    }
                }),
                ("a regression with noise", |row| {
                    if of(row, "forecast", "regression", "spread") {
                        change(row, "value", |v| v + 0.1);
                    }
                }),
            ],
        );
    }

    #[test]
    fn conditioning() {
        break_the_claim(
            super::conditioning,
            "conditioning",
            &[
                ("noise of √2 times the step", |row| {
                    if is(row, "measure", "distance of ends") {
                        change(row, "value", |v| 1.41 * v);
                    }
                }),
                ("a target that is off by .1", |row| {
                    if is(row, "measure", "distance of ends") {
                        change(row, "value", |v| v.hypot(0.1));
                    }
                }),
                ("a control that is off by .05", |row| {
                    if is(row, "measure", "distance from exact paths") {
                        change(row, "value", |v| v + 0.05);
                    }
                }),
            ],
        );
        break_the_claim(
            super::conditioning,
            "conditioning-steering",
            &[
                ("the edit's direction is any", |row| {
                    if is(row, "method", "edit") {
                        change(row, "target_rate", |_| 0.3);
                    }
                }),
                ("alignment leads away", |row| {
                    if is(row, "method", "align") {
                        change(row, "distance", |d| d.max(2.2));
                    }
                }),
                ("the gradient leads somewhere else", |row| {
                    if is(row, "method", "gradient") {
                        change(row, "distance", |d| d.max(1.2));
                    }
                }),
                ("a gradient that costs the network", |row| {
                    if is(row, "method", "gradient") {
                        change(row, "evaluations", |n| 2.0 * n);
                    }
                }),
            ],
        );
    }

    #[test]
    fn in_context() {
        break_the_claim(
            super::in_context,
            "in-context",
            &[
                ("a smaller angle", |row| {
                    if is(row, "tasks", "single") && is(row, "how", "optimal") && !is(row, "angle", "0") {
                        change(row, "risk", |r| 0.9 * r);
                    }
                }),
                ("a factor that is wrong in all", |row| change(row, "risk", |r| 0.8 * r)),
                ("training that stops short", |row| {
                    if is(row, "how", "trained") {
                        change(row, "risk", |r| 1.01 * r);
                    }
                }),
                ("a closed form of unions that is wrong", |row| {
                    if !is(row, "tasks", "single") && !is(row, "how", "simulated") {
                        change(row, "risk", |r| 0.8 * r);
                    }
                }),
                ("few prompts", |row| {
                    if is(row, "how", "simulated") {
                        change(row, "std_error", |e| 10.0 * e);
                    }
                }),
            ],
        );
    }

    #[test]
    fn linear_lens() {
        fn of(row: &Row, panel: &str, model: &str) -> bool {
            is(row, "panel", panel) && is(row, "model", model)
        }
        break_the_claim(
            super::linear_lens,
            "linear-lens",
            &[
                ("a denoiser times .9", |row| {
                    if is(row, "panel", "left unexplained") {
                        let sigma = number(row, "x");
                        // Of these images a number's square is .7.
                        change(row, "value", |left| left + 0.01 * 0.7 / (sigma * sigma));
                    }
                }),
                ("a σ_data that is wrong", |row| {
                    if is(row, "panel", "left unexplained") {
                        change(row, "value", |left| 3.0 * left);
                    }
                }),
                ("networks of other latents", |row| {
                    if of(row, "distance of disjoint sets", "mlp") {
                        change(row, "value", |distance| distance.hypot(5.0));
                    }
                }),
                ("Gaussians of other latents", |row| {
                    if of(row, "distance of disjoint sets", "gaussian") {
                        change(row, "value", |distance| distance.hypot(2.0));
                    }
                }),
                ("the Gaussian's flow all the way", |row| {
                    if of(row, "distance of samples", "teleported") {
                        change(row, "value", |_| 0.01);
                    }
                }),
                ("a step of first order", |row| {
                    if of(row, "distance of samples", "heun") {
                        let evaluations = number(row, "x");
                        change(row, "value", |_| 30.0 / evaluations);
                    }
                }),
                ("times that go as the root", |row| {
                    if is(row, "panel", "time of emergence") {
                        change(row, "value", f64::sqrt);
                    }
                }),
                ("a learning rate that is wrong", |row| {
                    if of(row, "steps until learned", "linear") {
                        change(row, "value", |steps| 1.3 * steps);
                    }
                }),
            ],
        );
        break_the_claim(
            super::linear_lens,
            "linear-lens-exponents",
            &[("weights that are not shared", |row| {
                if is(row, "model", "unet") {
                    change(row, "slope", |_| -0.85);
                }
            })],
        );
    }
}
