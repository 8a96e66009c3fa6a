//! Pictures of images.

use super::*;

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
