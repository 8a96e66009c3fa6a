//! Reading several inputs in step.

use super::*;

#[test]
fn pairs_go_in_lockstep() {
    let dir = TempDir::new().unwrap();
    let (a, b) = (dir.path().join("a.npy"), dir.path().join("b.csv"));
    let x = Array2::from_shape_fn((10, 2), |(i, j)| (2 * i + j + 1) as f32);
    write(&a, Format::Npy, Some(10), x.view());
    write(&b, Format::Csv, Some(10), x.mapv(|v| -f64::from(v)).view());
    let mut pair = paired(&[&a, &b], &pass()).unwrap();
    assert_eq!((pair.width(), pair.dtype()), (2, Dtype::F64));
    assert_eq!(pair.len(), Some(10));
    assert_eq!(pair.names(), [a.to_str().unwrap(), b.to_str().unwrap()]);
    let mut rows = 0;
    while let Some(blocks) = pair.next_blocks::<f64>(4).unwrap() {
        assert_eq!(blocks[0], blocks[1].mapv(|v| -v));
        assert_eq!(blocks[0][[0, 0]], (2 * rows + 1) as f64);
        rows += blocks[0].nrows();
    }
    assert_eq!(rows, 10);
}

#[test]
fn pairs_that_do_not_fit_are_refused_with_both_names() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, shape| {
        let path = dir.path().join(name);
        let format = if name.ends_with("npy") { Format::Npy } else { Format::Csv };
        write(&path, format, None, Array2::<f64>::zeros(shape).view());
        path
    };
    let a = file("a.npy", (5, 3));
    let wide = file("wide.npy", (5, 4));
    let words = ["a.npy and ", "wide.npy: ", "of 3 and of 4 numbers"];
    says(paired(&[&a, &wide], &pass()), &words);
    let long = file("long.npy", (7, 3));
    let words = ["a.npy and ", "long.npy: 5 and 7 rows"];
    says(paired(&[&a, &long], &pass()), &words);
    // Of csv the count shows only at the end; both are then counted out.
    for (name, n) in [("short.csv", 4), ("long.csv", 5000)] {
        let csv = file(name, (n, 3));
        for (first, second, counts) in
            [(&a, &csv, format!("5 and {n} rows")), (&csv, &a, format!("{n} and 5 rows"))]
        {
            let mut pair = paired(&[first, second], &pass()).unwrap();
            let error = loop {
                match pair.next_blocks::<f64>(2) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("unequal inputs ended alike"),
                    Err(e) => break e,
                }
            };
            says::<()>(Err(error), &["a.npy", name, &counts]);
        }
    }
    says(Paired::new(Vec::new()), &["no inputs"]);
}

/// An array of items of this shape, numbers counted from 0.
fn counted(dir: &TempDir, name: &str, rows: usize, item_shape: &[usize]) -> PathBuf {
    let path = dir.path().join(name);
    let width: usize = item_shape.iter().product();
    let a = Array2::from_shape_fn((rows, width), |(i, j)| (i * width + j) as f64);
    let mut writer = ArrayWriter::new(create(&path), Format::Npy, Some(rows), item_shape).unwrap();
    writer.write(a.view()).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn items_of_equal_size_and_other_shape_do_not_pair() {
    let dir = TempDir::new().unwrap();
    let shapes: [&[usize]; 6] = [&[8, 8, 3], &[3, 8, 8], &[16, 12], &[192], &[8, 8, 3, 1], &[1, 192]];
    let files: Vec<PathBuf> =
        shapes.iter().enumerate().map(|(i, shape)| counted(&dir, &format!("{i}.npy"), 2, shape)).collect();
    let turn = "0.npy: items of shape (3,8,8) against (8,8,3): ";
    says(paired(&[&files[1], &files[0]], &pass()), &[turn, "1.npy has its channels first", "--axes 0,2,3,1"]);
    says(
        paired(&[&files[0], &files[1]], &pass()),
        &["(8,8,3) against (3,8,8)", "1.npy has its channels first"],
    );
    says(paired(&[&files[0], &files[2]], &pass()), &["(8,8,3) against (16,12)", "give both in one layout"]);
    // What cannot be turned is not said to be.
    let (last, first) = (("x.npy", &[8, 8, 3][..]), ("m.st", &[3, 8, 8][..]));
    says(items_suit(last, first), &["x.npy and m.st", "turn x.npy with npy transpose --axes 0,3,1,2"]);
    says(items_suit(("x.npy", first.1), ("m.st", last.1)), &["turn x.npy with npy transpose --axes 0,2,3,1"]);
    says(items_suit(("x.npy", &[16, 12]), first), &["give both in one layout"]);
    says(models_suit(("a.st", last.1), first), &["a.st and m.st", "models cannot be turned"]);
    // Flat rows go with all, and an axis of length 1 changes nothing.
    for (a, b) in [(0, 3), (3, 2), (0, 4), (1, 5)] {
        paired(&[&files[a], &files[b]], &pass()).unwrap();
    }
}

#[test]
fn images_with_channels_first_are_turned_or_refused() {
    let dir = TempDir::new().unwrap();
    let first = counted(&dir, "first.npy", 3, &[3, 4, 4]);
    let rows = || open(&first, &with_rows("1..")).unwrap();
    let words = ["first.npy: items of shape (3, 4, 4)", "--layout nchw", "--layout nhwc", "3×4, 4 channels"];
    says(rows().images(None), &words);
    let mut turned = rows().images(Some(Layout::Nchw)).unwrap();
    assert_eq!(turned.item_shape(), [4, 4, 3]);
    let found: Array2<f64> = turned.read_all().unwrap();
    let expected = Array2::from_shape_fn((2, 48), |(i, j)| {
        let (pixel, channel) = (j / 3, j % 3);
        ((i + 1) * 48 + channel * 16 + pixel) as f64
    });
    assert_eq!(found, expected);
    assert_eq!(rows().images(Some(Layout::Nhwc)).unwrap().item_shape(), [3, 4, 4]);
    for shape in [&[4, 4, 3][..], &[3, 4, 5], &[2, 4, 4], &[3, 3, 3], &[4, 4], &[48]] {
        let path = counted(&dir, "other.npy", 1, shape);
        assert_eq!(open(&path, &pass()).unwrap().images(None).unwrap().item_shape(), shape);
    }
    let flat = counted(&dir, "flat.npy", 1, &[4, 4]);
    says(open(&flat, &pass()).unwrap().images(Some(Layout::Nchw)), &["flat.npy", "no axis of channels"]);
    assert_eq!(image_text(&[28, 28]), "28×28, 1 channel");
    assert_eq!(image_text(&[28, 30, 3]), "28×30, 3 channels");
    assert_eq!(image_text(&[784]), "784 numbers");
}
