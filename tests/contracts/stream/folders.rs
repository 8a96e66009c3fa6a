//! Folders of images.

use super::*;

fn png(path: &Path, color: png::ColorType, depth: png::BitDepth, size: (u32, u32), data: &[u8]) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(&[10, 20, 30, 40, 50, 60][..]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_folder_of_png_files_is_an_array_sorted_by_name() {
    use png::BitDepth::{Eight, One, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let cases = [
        (Grayscale, Eight, vec![1, 2, 3, 4, 5, 6], 1, vec![1, 2, 3, 4, 5, 6]),
        // Rounded, not cut: 128 of 65535 is 0 of 255, 129 is 1.
        (
            Grayscale,
            Sixteen,
            vec![0, 128, 0, 129, 255, 255, 255, 127, 1, 1, 0, 0],
            1,
            vec![0, 1, 255, 255, 1, 0],
        ),
        (Grayscale, One, vec![0b1010_0000, 0b0100_0000], 1, vec![255, 0, 255, 0, 255, 0]),
        (
            GrayscaleAlpha,
            Eight,
            vec![1, 255, 2, 255, 3, 255, 4, 255, 5, 255, 6, 255],
            1,
            vec![1, 2, 3, 4, 5, 6],
        ),
        (Rgb, Eight, (0..18).collect(), 3, (0..18).collect()),
        (
            Rgba,
            Eight,
            (0..24).map(|i| if i % 4 == 3 { 255 } else { i }).collect(),
            3,
            vec![0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 22],
        ),
        (
            Indexed,
            One,
            vec![0b1000_0000, 0b0010_0000],
            3,
            vec![40, 50, 60, 10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30, 40, 50, 60],
        ),
    ];
    for (color, depth, data, channels, pixels) in cases {
        let dir = TempDir::new().unwrap();
        let zeros = vec![if color == GrayscaleAlpha || color == Rgba { 255 } else { 0 }; data.len()];
        png(&dir.path().join("b.png"), color, depth, (3, 2), &data);
        png(&dir.path().join("a.PNG"), color, depth, (3, 2), &zeros);
        fs::write(dir.path().join("notes.txt"), "not an image").unwrap();
        let mut rows = open(dir.path(), &pass()).unwrap();
        assert_eq!(rows.item_shape(), [2, 3, channels], "{color:?}");
        assert_eq!((rows.len(), rows.source_dtype(), rows.dtype()), (Some(2), "|u1", Dtype::F32));
        let found: Array2<f64> = rows.read_all().unwrap();
        assert_eq!(
            found.row(1).to_vec(),
            pixels.iter().map(|&p| f64::from(p)).collect::<Vec<_>>(),
            "{color:?}"
        );
        assert_eq!(read(dir.path(), &with_rows("1..")).unwrap().row(0), found.row(1));
    }
}

/// Of ISO 3309, as a png's chunks carry it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_folder_whose_images_make_no_array_is_refused() {
    use png::{BitDepth::Eight, ColorType};
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    says(read(dir.path(), &pass()), &["is a directory without png files"]);
    png(&file("a.png"), ColorType::Grayscale, Eight, (2, 2), &[0; 4]);
    png(&file("b.png"), ColorType::Grayscale, Eight, (2, 1), &[0; 2]);
    says(read(dir.path(), &pass()), &["b.png is 1×2, 1 channel, but a.png is 2×2, 1 channel"]);
    png(&file("b.png"), ColorType::Rgba, Eight, (2, 2), &[7; 16]);
    says(read(dir.path(), &pass()), &["b.png: has transparent pixels"]);
    let bytes = fs::read(file("a.png")).unwrap();
    fs::write(file("b.png"), &bytes[..bytes.len() / 2]).unwrap();
    says(read(dir.path(), &pass()), &["b.png: damaged png"]);
    // No memory is taken for what so few bytes cannot hold: 20 000 pixels by as many.
    let mut claims = bytes.clone();
    claims[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let checksum = crc32(&claims[12..29]);
    claims[29..33].copy_from_slice(&checksum.to_be_bytes());
    fs::write(file("b.png"), &claims).unwrap();
    let words = format!("b.png: damaged png: it claims 20000×20000 pixels, more than {} bytes", bytes.len());
    says(read(dir.path(), &pass()), &[&words]);
    // What compresses well is read.
    let flat = TempDir::new().unwrap();
    png(&flat.path().join("a.png"), ColorType::Grayscale, Eight, (4000, 4000), &vec![0; 16_000_000]);
    assert!(fs::metadata(flat.path().join("a.png")).unwrap().len() < 160_000);
    assert_eq!(open(flat.path(), &pass()).unwrap().item_shape(), [4000, 4000, 1]);
    fs::write(file("b.png"), bytes).unwrap();
    assert_eq!(read(dir.path(), &pass()).unwrap().nrows(), 2);
    fs::write(file("c.jpg"), "").unwrap();
    says(read(dir.path(), &pass()), &["holds c.jpg, which is no png"]);
}

#[test]
fn a_tensor_of_a_safetensors_file_is_an_array() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, header: &str, data: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat())
            .unwrap();
        path
    };
    let data: Vec<u8> = (0..6u8).chain((0..4).flat_map(|i| (i as f32 / 2.0).to_le_bytes())).collect();
    let a = r#""a":{"dtype":"U8","shape":[2,3,1],"data_offsets":[0,6]}"#;
    let b = r#""b":{"dtype":"F32","shape":[4],"data_offsets":[6,22]}"#;
    let two = file("two.safetensors", &format!("{{{a},{b}}}"), &data);
    let key = |path: &Path, key: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(":{key}"));
        name
    };
    let mut rows = open(key(&two, "a"), &pass()).unwrap();
    assert_eq!((rows.item_shape(), rows.len(), rows.source_dtype()), (&[3, 1][..], Some(2), "|u1"));
    assert_eq!(rows.read_all::<f64>().unwrap(), array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    assert_eq!(read(key(&two, "b"), &pass()).unwrap(), array![[0.0], [0.5], [1.0], [1.5]]);
    assert_eq!(read(key(&two, "b"), &with_rows("2..3")).unwrap(), array![[1.0]]);
    says(read(key(&two, "c"), &pass()), &["has no tensor 'c'; it holds a, b"]);
    let one = file("one.safetensors", &format!("{{{a}}}"), &data[..6]);
    assert_eq!(read(&one, &pass()).unwrap().dim(), (2, 3));
    // A model is one, unless one of its tensors is named.
    let model = format!(r#"{{"__metadata__":{{"format":"molrg-model"}},{a}}}"#);
    let model = file("m.st", &model, &data[..6]);
    says(read(&model, &pass()), &["is a model, not samples"]);
    assert_eq!(read(key(&model, "a"), &pass()).unwrap().dim(), (2, 3));
}

#[test]
fn a_row_not_finite_in_one_goes_in_all() {
    let dir = TempDir::new().unwrap();
    let mut a = Array2::from_shape_fn((6, 1), |(i, _)| i as f64);
    let mut b = a.clone();
    a[[1, 0]] = f64::NAN;
    b[[1, 0]] = f64::NAN;
    b[[4, 0]] = f64::INFINITY;
    let (path_a, path_b) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    write(&path_a, Format::Npy, Some(6), a.view());
    write(&path_b, Format::Npy, Some(6), b.view());
    let options = ReadOptions { nan: NanPolicy::Drop, ..ReadOptions::default() };
    for step in [1, 3, 100] {
        let mut pair = paired(&[&path_a, &path_b], &options).unwrap();
        let mut kept = Vec::new();
        while let Some(blocks) = pair.next_blocks::<f64>(step).unwrap() {
            assert_eq!(blocks[0], blocks[1]);
            kept.extend(blocks[0].iter().copied());
        }
        assert_eq!(kept, [0.0, 2.0, 3.0, 5.0]);
        assert_eq!(pair.dropped(), 2);
    }
    let mut strict = paired(&[&path_b, &path_a], &ReadOptions::default()).unwrap();
    let words = ["b.npy: row 1, column 0: is nan; 2 numbers"];
    says(strict.next_blocks::<f64>(100), &words);
}
